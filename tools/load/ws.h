/* tools/load/ws.h - one WebSocket to /events, as a client (RFC 6455 over TLS).
 *
 *   ws_new() ──TLS, 101──▶ on_open ──text──▶ on_text … ──▶ on_close (once; not after ws_free())
 *
 * Callers:   one thread, on the loop given. Callbacks may send, but not free; what was given up is freed later.
 * Counts:    bytes of frames both ways, and those of the opening handshake; what TLS adds is not in them.
 * Errors:    whatever goes wrong closes it, and ws_error() says why. */
#ifndef PARLEY_LOAD_WS_H
#define PARLEY_LOAD_WS_H

#include "lib/buf.h"
#include "lib/loop.h"

#include <openssl/ssl.h>
#include <sys/socket.h>

struct ws;

struct ws_ops {
	void (*on_open)(struct ws *ws, void *arg);
	/* text is followed by a NUL; frame_bytes: what it took on the wire. */
	void (*on_text)(struct ws *ws, const char *text, size_t len, size_t frame_bytes, void *arg);
	void (*on_close)(struct ws *ws, void *arg);
};

struct ws_config {
	struct loop *loop;
	SSL_CTX *tls;	       /* verifies, or does not */
	const char *host;      /* for the certificate and the Host header … */
	const char *authority; /* … which has the port too */
	const char *path, *token;
	struct sockaddr_storage address;
	socklen_t address_len;
	const struct ws_ops *ops;
	void *arg;
};

struct ws_bytes {
	uint64_t sent, received, handshake;
};

int ws_new(const struct ws_config *config, struct ws **ret_ws);
struct ws *ws_free(struct ws *ws);
/* -ENOTCONN before on_open and after on_close. */
int ws_send(struct ws *ws, const char *text, size_t len);
const struct ws_bytes *ws_bytes(const struct ws *ws);
const char *ws_error(const struct ws *ws);

#endif
