/* tools/load/ws.h - one WebSocket to /events, as a client (RFC 6455 over TLS; lib/ws_frame.h has the frames).
 *
 *   ws_new() ──TLS, 101──▶ on_open ──text──▶ on_text … ──▶ on_close (once; not after ws_free())
 *
 * Callers:   one thread, on the loop given. Callbacks may send, but not free; what was given up is freed later.
 * Memory:    a quiet one holds its TLS state and this struct, no buffers.
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
	/* With ws_keep_sessions(): a session to come back with, now the callee's. May be NULL. */
	void (*on_session)(struct ws *ws, SSL_SESSION *session, void *arg);
};

struct ws_config {
	struct loop *loop;
	SSL_CTX *tls;	       /* verifies, or does not */
	const char *host;      /* for the certificate and the Host header … */
	const char *authority; /* … which has the port too */
	const char *path, *token;
	struct sockaddr_storage address;
	socklen_t address_len;
	struct sockaddr_storage source; /* where to come from; family 0: the kernel's choice */
	SSL_SESSION *session;		/* to resume; NULL: a new one. Stays the caller's */
	const struct ws_ops *ops;
	void *arg;
};

struct ws_bytes {
	uint64_t sent, received, handshake;
};

/* The context's connections hand out their sessions. */
void ws_keep_sessions(SSL_CTX *tls);
int ws_new(const struct ws_config *config, struct ws **ret_ws);
struct ws *ws_free(struct ws *ws);
/* The same, but the other end sees the connection break (RST), and no port of ours is kept from further use. */
struct ws *ws_cut(struct ws *ws);
/* -ENOTCONN before on_open and after on_close. */
int ws_send(struct ws *ws, const char *text, size_t len);
const struct ws_bytes *ws_bytes(const struct ws *ws);
/* The server took the session that was offered; known from on_open on. */
bool ws_resumed(const struct ws *ws);
const char *ws_error(const struct ws *ws);

#endif
