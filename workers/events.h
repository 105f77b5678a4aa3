/* workers/events.h - events to people: {"type": …} over every WebSocket they have, on whichever worker.
 *
 * Delivery:  at most once and in order per sender while the connection lives; a client that reconnects
 *            refetches (hello carries the state), so a lost event is never lost state.
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
 * "close": sign-in} ends the WebSockets of that one. NULL: nothing. */
void events_send_notify(struct events *events, const char *notify_json);
/* Ends the WebSockets of one sign-in here and on the other workers (signed out, revoked). */
void events_close_session(struct events *events, const struct id *user_id, const struct id *session_id);

/* One WebSocket, from before its hello (api_events.c). Events that come between events_open() and
 * events_ready() wait and follow the hello. -ENOSPC (limits.websockets), -ENOMEM. */
struct events_conn;
struct ws;
int events_open(struct events *events, const struct id *user_id, const struct id *session_id,
		struct events_conn **ret_conn);
void events_ready(struct events_conn *conn, struct ws *ws, const char *hello, size_t len);
/* Whose it is. */
struct worker *events_conn_worker(const struct events_conn *conn);
const struct id *events_conn_user(const struct events_conn *conn);
/* It is gone; conn is dead. The person is offline two seconds after the last one. */
void events_closed(struct events_conn *conn);

/* An event payload that came from another worker over the ring (peers.c calls this). */
void events_on_peer(struct events *events, const void *data, size_t len);

#endif
