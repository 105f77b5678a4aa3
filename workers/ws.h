/* workers/ws.h - RFC 6455 WebSockets on the worker's HTTP server.
 *
 * ws_accept() turns a checked upgrade request into a connection. Frames from clients must be masked,
 * text must be UTF-8, a message is at most 64 KiB; anything else closes with 1002, 1007 or 1009.
 * A client that lets more than 256 KiB queue up is cut (1008). Pings go out after 24 to 30 s of
 * silence, not to all at once; the connection ends after 60 s without an answer.
 *
 * Ownership: the handler table is static; user belongs to the handler and is released in on_close,
 *            which is called exactly once, from the loop and never from inside ws_send() or ws_close(); until
 *            it has returned, ws may be used. After ws_close() on_close still comes.
 * Cut:       what is queued in one turn of the loop is written before it counts, so one long message (a hello)
 *            is no reason to be cut.
 * Broadcast: a struct ws_message is encoded once and sent to many; it is reference-counted. */
#ifndef PARLEY_WORKERS_WS_H
#define PARLEY_WORKERS_WS_H

#include "workers/request.h"

struct ws;
struct ws_message;

struct ws_handler {
	void (*on_text)(struct ws *ws, const char *text, size_t len, void *user);
	void (*on_close)(struct ws *ws, void *user);
};

/* Answers req with 101 (subprotocol as given, may be NULL) or an error of its own (-EPROTO: it was
 * answered 400/426 and nothing else happens). The request is used up either way. */
int ws_accept(struct request *req, const char *subprotocol, const struct ws_handler *handler, void *user,
	      struct ws **ret_ws);

struct ws_message *ws_message_new(const char *text, size_t len); /* NULL: out of memory */
struct ws_message *ws_message_ref(struct ws_message *message);
struct ws_message *ws_message_unref(struct ws_message *message); /* NULL */
/* Queues a reference; never blocks. -EPIPE once closing, -ENOBUFS when the client was cut. */
int ws_send(struct ws *ws, struct ws_message *message);
int ws_send_text(struct ws *ws, const char *text, size_t len);
void ws_close(struct ws *ws, uint16_t code, const char *reason);

#endif
