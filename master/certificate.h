/* master/certificate.h - the server's TLS certificate as files, and the one for DTLS, made at start.
 *
 * Callers:   the master, before it listens and at reload; children get the PEM texts in memfds.
 * Ownership: texts are appended to the caller's buffers.
 * Errors:    0 or -errno, with one sentence in *ret_error. */
#ifndef PARLEY_MASTER_CERTIFICATE_H
#define PARLEY_MASTER_CERTIFICATE_H

#include "lib/buf.h"
#include "lib/conf.h"

struct certificate {
	struct buf cert;		   /* PEM, leaf first */
	struct buf key;			   /* PEM */
	int64_t not_after_s, not_before_s; /* Unix time */
};

/* Reads both files and checks that they belong together. Expiry is for the caller to judge. */
int certificate_load(const char *cert_path, const char *key_path, struct certificate *ret_certificate,
		     struct conf_error *ret_error);
void certificate_fini(struct certificate *certificate);

/* A fresh self-signed ECDSA P-256 certificate and its key as one PEM text. */
int certificate_make_dtls(struct buf *ret_pem);

#endif
