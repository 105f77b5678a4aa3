/* workers/events.h - events to people: {"type": …} over every WebSocket they have, on whichever worker.
 *
 * Delivery:  at most once and in order per sender while the connection lives; those of one call in the order of its
 *            versions, whoever sent them (order.h); a client that reconnects refetches (hello carries the state), so
 *            a lost event is never lost state.
 * Loss:      a worker that dies between a transaction and its events has told nobody, and one whose connection to the
 *            database breaks does not know what it should tell. Then the pages of all workers get another hello,
 *            a few at a time.
 * Routing:   the directory says on which workers a person is connected; those of this worker get it
 *            at once, others over the worker ring.
 * Callers:   the worker's only thread. json is copied. */
#ifndef PARLEY_WORKERS_EVENTS_H
#define PARLEY_WORKERS_EVENTS_H

#include "lib/ids.h"

#include <stdbool.h>
#include <stddef.h>

struct events;
struct worker;

int events_start(struct worker *worker, struct events **ret_events);
struct events *events_stop(struct events *events);

/* To all connections of these people. Nothing happens for those who are not connected. */
void events_send(struct events *events, const struct id *user_ids, size_t users_len, const char *json, size_t len);
/* The "notify" column of an SQL function: a JSON array of {"to": [user ids], "event": {…}}. With "not" (a
 * sign-in's id) the WebSockets of that sign-in are left out, with "only" it is the only one. {"to": [user id],
 * "close": sign-in} ends the WebSockets of that one. {"presence": [user ids]}: how these are seen may have changed;
 * their contacts hear how they are when it is asked for, which is after this transaction. NULL: nothing. */
void events_send_notify(struct events *events, const char *notify_json);
/* Transactions were made of which nobody was told, perhaps. */
void events_lost(struct events *events);
/* Ends the WebSockets of one sign-in here and on the other workers (signed out, revoked). */
void events_close_session(struct events *events, const struct id *user_id, const struct id *session_id);

/* One WebSocket, from before its hello (api_events.c). Events that come between events_open() and
 * events_ready() wait and follow the hello. -ENOSPC (limits.websockets), -ENOMEM. */
struct events_conn;
struct ws;
int events_open(struct events *events, const struct id *user_id, const struct id *session_id,
		struct events_conn **ret_conn);
/* calls: what order_begin() takes. */
void events_ready(struct events_conn *conn, struct ws *ws, const char *hello, size_t len, const char *calls);
/* Whose it is. */
struct worker *events_conn_worker(const struct events_conn *conn);
const struct id *events_conn_user(const struct events_conn *conn);
/* It is gone; conn is dead. The person is offline two seconds after the last one. */
void events_closed(struct events_conn *conn);

/* NULL with events. For presence.c alone. */
struct presence_news;
struct presence_news *events_presence_news(struct events *events);

/* An event payload that came from another worker over the ring (peers.c calls this). */
void events_on_peer(struct events *events, const void *data, size_t len);

#endif
