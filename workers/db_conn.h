/* workers/db_conn.h - one connection of db.c to PostgreSQL: connecting, preparing, statements under way.
 *
 *   DOWN ──timer──▶ CONNECTING ──▶ PREPARING ──▶ READY
 *    ▲                  │              │           │
 *    └──────────────────┴──────────────┴───────────┘  lost, refused, too late (db_on_down)
 *
 * libpq runs in pipeline mode: each statement is sent with a Sync of its own, answers come in the order of the
 * queue. Attempts follow each other with growing pauses; a connection that was ready is tried again at once.
 *
 * Callers: db.c alone, which provides db_on_ready() and db_on_down(). */
#ifndef PARLEY_WORKERS_DB_CONN_H
#define PARLEY_WORKERS_DB_CONN_H

#include "lib/loop.h"
#include "workers/db.h"

#define DB_CONN_QUEUE_MAX 512 /* statements under way on one connection */

struct db_statement {
	const char *name, *text;
};

enum db_query_kind { QUERY_SETTINGS, QUERY_PREPARE, QUERY_STATEMENT };

/* One statement under way; the parameters' texts stand behind it in one piece of memory. */
struct db_query {
	struct db_query *next;
	enum db_query_kind kind;
	const struct db_statement *statement; /* NULL: QUERY_SETTINGS */
	unsigned flags;
	bool repeated;
	bool answered; /* a result was seen; the Sync's is still to come */
	int64_t sent_us;
	db_callback *callback; /* NULL: nobody waits */
	void *arg;
	size_t params_len;
	const char *params[];
};

struct db_queue {
	struct db_query *head, **tail;
	size_t len;
};

enum db_conn_state { CONN_DOWN, CONN_CONNECTING, CONN_PREPARING, CONN_READY };

struct db_conn {
	struct db *db;
	struct worker *worker;
	const struct db_statement *statements;
	size_t statements_len;
	enum db_conn_state state;
	PGconn *pg;
	struct loop_fd io;
	struct loop_timer timer; /* DOWN: try again; else: is the server still there? */
	int64_t since_us;	 /* when the state began */
	int64_t backoff_us;
	bool failed; /* found dead outside the loop's callbacks; the timer closes it */
	struct db_queue queue;
};

void db_queue_init(struct db_queue *q);
void db_queue_put(struct db_queue *q, struct db_query *query);
struct db_query *db_queue_take(struct db_queue *q); /* NULL: empty */

/* Copies the parameters; NULL: out of memory. */
struct db_query *db_query_new(enum db_query_kind kind, const struct db_statement *statement, const char *const *params,
			      size_t params_len);
/* Tells whoever waits that the outcome is unknown, and frees it. */
void db_query_lose(struct db_query *query);

/* Before db_conn_start(): connection is in place, DOWN. */
void db_conn_init(struct db_conn *conn, struct db *db, struct worker *worker, const struct db_statement *statements,
		  size_t statements_len);
void db_conn_start(struct db_conn *conn);
/* Closes it without a word; what is under way stays in the queue for the caller. */
void db_conn_close(struct db_conn *conn);
bool db_conn_is_ready(const struct db_conn *conn);
/* Takes the query on success. False: the connection has just been found dead, and nothing was run. */
bool db_conn_send(struct db_conn *conn, struct db_query *query);

/* db.c: the connection can be used. */
void db_on_ready(struct db *db, struct db_conn *conn);
/* db.c: it cannot (any more); why is one line. lost holds what was under way and is the callee's now. */
void db_on_down(struct db *db, struct db_conn *conn, bool was_ready, const char *why, struct db_queue *lost);

#endif
