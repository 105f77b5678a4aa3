/* workers/tls.h - TLS for the workers: one context, made from what the master hands down.
 *
 * TLS 1.2 and 1.3 with the ciphers of Mozilla's "intermediate" set, no renegotiation, no compression, ALPN
 * http/1.1. Session tickets are encrypted with keys that all workers share, so a client may resume on any;
 * no session is kept on this side.
 * Errors: -EINVAL (not PEM, key does not fit) with *ret_why, a static text; -ENOMEM. */
#ifndef PARLEY_WORKERS_TLS_H
#define PARLEY_WORKERS_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_TICKET_KEYS_MIN 80 /* name, HMAC key, AES key */

struct tls_material {
	const char *cert, *key; /* PEM; cert may be a chain, leaf first */
	size_t cert_len, key_len;
	const uint8_t *tickets; /* NULL: keys of our own, resumption on this worker only */
	size_t tickets_len;
};

int tls_context_new(const struct tls_material *material, SSL_CTX **ret_ctx, const char **ret_why);
SSL_CTX *tls_context_free(SSL_CTX *ctx);
/* Issuer and subject are the same: nobody but us vouches for it. */
bool tls_is_self_made(SSL_CTX *ctx);
/* Does the certificate name this host (DNS name or address, no port, no brackets)? */
bool tls_names_host(SSL_CTX *ctx, const char *host);

#endif
