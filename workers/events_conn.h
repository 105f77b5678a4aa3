/* workers/events_conn.h - one WebSocket of events.c: what it is sent, and when.
 *
 *   waiting (ws NULL) ──events_conn_hello──▶ open ◀──events_conn_hello── refreshing
 *                                             └──────events_conn_wait──────▲
 *
 * While a hello is on its way, events wait and follow it. When open, an event of a call waits for those that it
 * follows (order.h); when they do not come, the database is asked for the call as it is.
 *
 * Callers: events.c alone. */
#ifndef PARLEY_WORKERS_EVENTS_CONN_H
#define PARLEY_WORKERS_EVENTS_CONN_H

#include "lib/loop.h"
#include "workers/order.h"

struct events_waiting;
struct person;
struct worker;
struct ws;
struct ws_message;

struct events_conn {
	struct events_conn *next; /* the person's */
	struct person *person;
	struct worker *worker;
	struct id user, session;
	uint64_t number; /* no other has it */
	struct ws *ws;
	bool refreshing;
	struct events_waiting *first, **last;
	unsigned waiting;
	struct order order;
	struct loop_timer gap;
	unsigned gap_tries;
	bool doomed; /* signed out, or too much happened, before the hello */
	uint16_t doom;
};

/* NULL: out of memory. */
struct events_conn *events_conn_new(struct worker *worker, const struct id *user, const struct id *session);
void events_conn_free(struct events_conn *conn);
/* Now, later, or never; a client for whom too much waits is cut. */
void events_conn_send(struct events_conn *conn, struct ws_message *message, const struct order_key *key);
/* Ends it with this code. */
void events_conn_doom(struct events_conn *conn, uint16_t code, const char *reason);
/* Sends a hello, and what waited for it. calls: what order_begin() takes. */
void events_conn_hello(struct events_conn *conn, const char *hello, size_t len, const char *calls);
/* Another hello is on its way; nothing else is sent until it is there. */
void events_conn_wait(struct events_conn *conn);

#endif
