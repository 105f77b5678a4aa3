/* workers/db.h - PostgreSQL without waiting: a few pipelined connections on the worker's loop.
 *
 * Every request is one prepared statement (a query, a data-modifying CTE or an SQL function) followed by
 * one Sync. Statements are named and live in sql/queries/; NAME.sql becomes the statement NAME, is
 * compiled into the worker (build/sql_queries.h) and prepared on each connection at its start.
 *
 * Callers:   the worker's only thread. The callback comes from the loop, never from inside db_exec().
 * Errors:    db_exec() itself returns 0, or -EAGAIN (no connection is up, or the queue is full; answer 503
 *            database_unavailable with Retry-After). In the callback result->error is
 *            DB_OK, DB_LOST (connection lost before the answer: outcome unknown; the layer has
 *            already repeated statements flagged DB_IDEMPOTENT once), or DB_ERROR with the SQLSTATE.
 * Ownership: parameters are copied by db_exec(); the result is the layer's and valid in the callback only. */
#ifndef PARLEY_WORKERS_DB_H
#define PARLEY_WORKERS_DB_H

#include "lib/err.h"
#include "lib/ids.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct db;
struct worker;

enum db_flags { DB_IDEMPOTENT = 1 };
enum db_error { DB_OK, DB_LOST, DB_ERROR };

struct db_result {
	enum db_error error;
	char sqlstate[6];    /* "" unless DB_ERROR */
	const PGresult *res; /* text format; NULL unless DB_OK */
	int rows;
};

typedef void db_callback(const struct db_result *result, void *arg);

#define DB_PARAMS_MAX 16

int db_start(struct worker *worker, struct db **ret_db);
struct db *db_stop(struct db *db);
/* True while at least one connection is ready. */
bool db_is_up(const struct db *db);
/* params: text values, NULL for SQL NULL. */
int db_exec(struct db *db, const char *statement, unsigned flags, const char *const *params, size_t params_len,
	    db_callback *callback, void *arg);

/* Column as text, NULL for SQL NULL. */
const char *db_text(const struct db_result *result, int row, const char *column);
int64_t db_int(const struct db_result *result, int row, const char *column, int64_t otherwise);
bool db_bool(const struct db_result *result, int row, const char *column);

#endif
