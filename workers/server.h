/* workers/server.h - the listeners of a worker and all connections that came through them.
 *
 * Listeners come from the master by name: https.K, redirect.K, admin.K; they are shared by all workers and
 * watched with EPOLLEXCLUSIVE. A worker that holds more than 1.125 times the mean of all living workers'
 * connections stops listening until it does not.
 *
 * Writing is put off to the end of the loop's turn (server_touch()), so that what several callbacks say to
 * one client leaves in one record; when very many are to be written to, to the ends of the next turns. That is also the
 * only place besides a connection's own event where a connection ends. So a struct ws or http_conn never dies under a
 * handler that has just used it.
 *
 * Draining: listeners close, idle connections end, answers carry `Connection: close`, WebSockets get
 * {"type":"server.moving"} and close 1012, spread over two seconds; on_drained is called when nothing is left
 * or five seconds have passed. */
#ifndef PARLEY_WORKERS_SERVER_H
#define PARLEY_WORKERS_SERVER_H

#include "workers/http_conn.h"
#include "workers/worker.h"

#include <openssl/ssl.h>

struct server;

int server_start(struct worker *worker, struct server **ret_server);
/* Ends every connection at once; requests that handlers still hold live on without them. */
struct server *server_stop(struct server *server);
void server_drain(struct server *server, void (*on_drained)(struct worker *worker));

/* The rules of DESIGN 9 for a self-made certificate: is this Host (with or without port) one of the names in
 * it? False when somebody else made the certificate. */
bool server_is_own_name(const struct server *server, const char *host);
/* May browsers be told to insist on HTTPS? */
bool server_hsts(const struct server *server);
/* Answers a plain HTTP request with 308 to where it belongs. */
void server_redirect(struct server *server, struct request *req);

/* For http_conn.c and ws.c. */
struct worker *server_worker(struct server *server);
const char *server_date(struct server *server); /* "Sun, 06 Nov 1994 08:49:37 GMT" */
uint8_t *server_in(struct server *server);	/* STREAM_RECORD bytes each */
uint8_t *server_out(struct server *server);
void server_touch(struct server *server, struct http_conn *conn);
void server_conn_add(struct server *server, struct http_conn *conn);
void server_conn_del(struct server *server, struct http_conn *conn);

#endif
