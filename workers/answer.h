/* workers/answer.h - from a handler to the database and back: what an SQL function says becomes the reply, events to
 * people and orders to the mediads.
 *
 * Columns: status, code, field, detail, body (sql/0002_shapes.sql, parley_reply); notify for
 *          events_send_notify(); media for answer_media(). Events leave before the reply.
 * Errors:  no connection, connection lost, database shutting down or a deadlock: 503 database_unavailable;
 *          anything else that PostgreSQL does not like: 500 internal. */
#ifndef PARLEY_WORKERS_ANSWER_H
#define PARLEY_WORKERS_ANSWER_H

#include "workers/db.h"
#include "workers/request.h"

/* Runs the statement; then(result, req) comes later, or req was answered with 503 and is dead. */
void answer_exec(struct request *req, const char *statement, unsigned flags, const char *const *params,
		 size_t params_len, db_callback *then);
/* answer_exec() whose result answers the request. */
void answer_from(struct request *req, const char *statement, unsigned flags, const char *const *params,
		 size_t params_len);
/* True: something went wrong and req was answered. rows 0 is no error. */
bool answer_failed(struct request *req, const struct db_result *result);
/* Events, orders and reply of a parley_reply row. arg: the request. */
void answer_send(const struct db_result *result, void *arg);
/* answer_send() whose body, an object, gets this member too; value NULL: as it is. */
void answer_send_with(const struct db_result *result, struct request *req, const char *name, const struct buf *value);
/* Events and orders only. */
void answer_tell(struct worker *worker, const struct db_result *result);
/* JSON array of {"do": "close_call" | "close_member" | "state", "call", "member", "paused", "muted_audio",
 * "muted_video"}; NULL: nothing. */
void answer_media(struct worker *worker, const char *media_json);

#endif
