/* workers/http_conn.h - one client connection: TLS handshake, requests one after the other, or a WebSocket.
 *
 *                       plain HTTP on the TLS port (goes on as HTTP_REDIRECT)
 *                      ┌────┐
 *      accept ──▶ HANDSHAKE ──▶ IDLE ──▶ HEAD ──▶ BODY ──▶ ANSWERING ──▶ WRITING ──▶ IDLE (next request)
 *                                                              │            │
 *                                                              ▼            ▼
 *                                                          UPGRADED ──▶ LINGER ──▶ freed
 *
 * Who moves it: the client's bytes up to ANSWERING; the handler's reply to WRITING (or ws_accept() to UPGRADED);
 * the empty queue onwards. LINGER has sent everything and reads what still comes, or the last answer could
 * be lost to a reset. Any state ends at its deadline; an error in any state frees at once.
 *
 * While a request is answered nothing is read: pipelined requests wait in the socket, at most one read's
 * worth in `in`. */
#ifndef PARLEY_WORKERS_HTTP_CONN_H
#define PARLEY_WORKERS_HTTP_CONN_H

#include "lib/loop.h"
#include "workers/http_parser.h"
#include "workers/request.h"
#include "workers/stream.h"

#include <netinet/in.h>

struct server;
struct ws;

enum http_conn_kind { HTTP_MAIN, HTTP_REDIRECT, HTTP_ADMIN };

enum http_conn_state {
	CONN_HANDSHAKE,
	CONN_IDLE,
	CONN_HEAD,
	CONN_BODY,
	CONN_ANSWERING,
	CONN_WRITING,
	CONN_UPGRADED,
	CONN_LINGER,
};

struct http_conn {
	struct stream stream;
	struct server *server;
	struct loop_timer timer;
	uint8_t kind, state; /* enum http_conn_kind, http_conn_state */
	bool close_after;    /* after the answer that is being written */
	bool peeked;	     /* the first byte was TLS */
	bool touched;	     /* on the server's list of those to flush */
	struct http_conn *prev, *next, *touched_prev, *touched_next;
	struct buf in; /* read, but not yet used */
	size_t scanned;
	struct request *request;
	bool body_chunked;
	struct http_chunked chunked;
	int64_t body_left;
	size_t body_max;
	struct ws *ws;
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	} peer;
};

/* fd becomes the connection's, also on failure. ctx NULL: plain HTTP. */
int http_conn_new(struct server *server, int fd, enum http_conn_kind kind, SSL_CTX *ctx, const struct sockaddr *peer,
		  struct http_conn **ret_conn);
/* Callers: the server and the connection's own callbacks only. */
struct http_conn *http_conn_free(struct http_conn *conn);
/* End of the turn: writes what was queued, takes the next pipelined request, ends what is over. */
void http_conn_settle(struct http_conn *conn);
/* No further request: idle ones end, others close after their answer. */
void http_conn_drain(struct http_conn *conn);

/* For ws.c: the request is used up and freed; head is the whole 101 answer. -ENOMEM leaves all as it was. */
int http_conn_upgrade(struct http_conn *conn, struct request *req, const char *head, size_t len, struct ws *ws);
/* For ws.c: everything was said; flush, then LINGER. */
void http_conn_finish(struct http_conn *conn);
/* For ws.c: free it at the end of the turn, unwritten bytes included. */
void http_conn_abort(struct http_conn *conn);

#endif
