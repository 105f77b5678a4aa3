/* mediad/dtls.h - the DTLS 1.2 server of one transport, for nothing but its SRTP keys (RFC 5764).
 *
 *   HANDSHAKE ──client's Finished──▶ DONE ──close_notify──▶ CLOSED
 *   HANDSHAKE ──its certificate is not the offer's──▶ REFUSED     any ──fatal error──▶ FAILED
 *
 * The address has proved itself by ICE before any datagram comes here, so there is no cookie exchange, and
 * OpenSSL itself reassembles ClientHellos that come in pieces, in any order. The client must show a certificate
 * whose SHA-256 is the offer's; that is decided while its flight is read, so no key ever leaves a handshake with
 * a stranger. After DONE OpenSSL keeps our last flight and repeats it when the client repeats its Finished.
 *
 * Datagrams: one dtls_on_datagram() per datagram; what we send goes out through send(), one datagram each, at most
 * DTLS_MTU bytes. No sockets; time is OpenSSL's own: dtls_timeout_us() says when to call dtls_on_timer().
 * Callers:   one thread. send() must not call back into the same object. */
#ifndef PARLEY_MEDIAD_DTLS_H
#define PARLEY_MEDIAD_DTLS_H

#include "mediad/srtp.h"

#define DTLS_MTU 1200

enum dtls_state { DTLS_HANDSHAKE, DTLS_DONE, DTLS_CLOSED, DTLS_REFUSED, DTLS_FAILED };

struct dtls_context; /* certificate and settings; one a process */
struct dtls;

typedef void dtls_send(void *arg, const uint8_t *data, size_t len);

struct dtls_keys {
	enum srtp_profile profile;
	uint8_t rx[SRTP_KEYING_MAX], tx[SRTP_KEYING_MAX]; /* client's, server's */
};

/* PEM text with certificate and key. -EINVAL, -ENOMEM. */
int dtls_context_new(const char *pem, size_t len, struct dtls_context **ret_context);
struct dtls_context *dtls_context_free(struct dtls_context *context);
/* SHA-256 of our certificate: 32 bytes, for the answer. */
const uint8_t *dtls_context_fingerprint(const struct dtls_context *context);

int dtls_new(struct dtls_context *context, const uint8_t peer_fingerprint[32], dtls_send *send, void *arg,
	     struct dtls **ret_dtls);
struct dtls *dtls_free(struct dtls *dtls);
enum dtls_state dtls_on_datagram(struct dtls *dtls, const uint8_t *data, size_t len);
/* From now; -1: nothing to repeat. */
int64_t dtls_timeout_us(const struct dtls *dtls);
enum dtls_state dtls_on_timer(struct dtls *dtls);
/* After DONE. -EPROTO: no SRTP profile in common. */
int dtls_keys(struct dtls *dtls, struct dtls_keys *ret_keys);
/* Sends close_notify, when there is anybody to tell. */
void dtls_close(struct dtls *dtls);
/* What OpenSSL said about the failure, for the log; "" when nothing. */
const char *dtls_error(const struct dtls *dtls);

#endif
