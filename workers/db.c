#include "workers/db.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "shm/stats.h"
#include "workers/db_conn.h"
#include "workers/worker.h"

#include "sql_queries.h"

#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX	  16
#define RETRY_WAIT_US	  (2 * USEC_PER_SEC) /* a repeatable statement waits so long for a connection */
#define COMPLAIN_EVERY_US (60 * USEC_PER_SEC)

struct db {
	struct worker *worker;
	size_t conns_len;
	struct db_conn conns[CONNECTIONS_MAX];
	struct db_statement statements[ARRAY_LEN(sql_queries)];
	/* Repeatable statements whose connection was lost. */
	struct db_queue retry;
	struct loop_timer retry_timer;
	bool was_up, complained;
	int64_t complain_gate;
};

static size_t ready(const struct db *db)
{
	size_t n = 0;

	for (size_t i = 0; i < db->conns_len; i++)
		n += db_conn_is_ready(&db->conns[i]);
	return n;
}

/* The ready connection with the least to do; NULL: none, or all are full. */
static struct db_conn *pick(struct db *db)
{
	struct db_conn *best = NULL;

	for (size_t i = 0; i < db->conns_len; i++) {
		struct db_conn *conn = &db->conns[i];
		if (db_conn_is_ready(conn) && conn->queue.len < DB_CONN_QUEUE_MAX &&
		    (!best || conn->queue.len < best->queue.len))
			best = conn;
	}
	return best;
}

/* Repetition */

static void retry_run(struct db *db);

static void on_retry(struct loop_timer *timer, int64_t now_us, void *arg)
{
	(void)timer;
	(void)now_us;
	retry_run(arg);
}

static void retry_run(struct db *db)
{
	struct db_conn *conn;

	while (db->retry.head && (conn = pick(db))) {
		struct db_query *query = db_queue_take(&db->retry);
		if (!db_conn_send(conn, query))
			db_queue_put(&db->retry, query);
	}
	int64_t now_us = clock_now_us();
	while (db->retry.head && now_us - db->retry.head->sent_us >= RETRY_WAIT_US)
		db_query_lose(db_queue_take(&db->retry));
	if (db->retry.head)
		loop_timer_start(db->worker->loop, &db->retry_timer, db->retry.head->sent_us + RETRY_WAIT_US, on_retry,
				 db);
}

/* What connections tell */

void db_on_ready(struct db *db, struct db_conn *conn)
{
	(void)conn;
	stat_set(&db->worker->counters->db_up, ready(db));
	if (ready(db) == 1) {
		log_info("db: connected%s", db->was_up ? " again" : "");
		db->was_up = true;
		db->complained = false;
	}
	retry_run(db);
}

static void complain(struct db *db, const char *why)
{
	bool due = log_every(&db->complain_gate, clock_now_us(), COMPLAIN_EVERY_US);

	if (ready(db) > 0 || (db->complained && !due))
		return;
	db->complained = true;
	log_error("db: the database is away (%s); trying again, requests that need it get 503", why);
}

void db_on_down(struct db *db, struct db_conn *conn, bool was_ready, const char *why, struct db_queue *lost)
{
	(void)conn;
	stat_set(&db->worker->counters->db_up, ready(db));
	if (was_ready)
		stat_add(&db->worker->counters->db_lost, 1);
	complain(db, why);
	for (struct db_query *query; (query = db_queue_take(lost));) {
		if (query->kind == QUERY_STATEMENT && query->flags & DB_IDEMPOTENT && !query->repeated &&
		    !query->answered) {
			query->repeated = true;
			query->sent_us = clock_now_us();
			db_queue_put(&db->retry, query);
		} else {
			db_query_lose(query);
		}
	}
	retry_run(db);
}

/* For everybody */

/* A name would be looked up by libpq, and the worker would stand still meanwhile. */
static void warn_about_names(const char *url)
{
	PQconninfoOption *options = PQconninfoParse(url, NULL);
	const char *host = NULL, *hostaddr = NULL;

	for (PQconninfoOption *o = options; o && o->keyword; o++) {
		if (strcmp(o->keyword, "host") == 0)
			host = o->val;
		else if (strcmp(o->keyword, "hostaddr") == 0)
			hostaddr = o->val;
	}
	if (host && *host && *host != '/' && *host != '@' && !hostaddr &&
	    strspn(host, "0123456789abcdefABCDEF.:") != strlen(host))
		log_warn("db: database.url names the host %s: give hostaddr=ADDRESS too, or each lookup stops the "
			 "worker",
			 host);
	PQconninfoFree(options);
}

int db_start(struct worker *worker, struct db **ret_db)
{
	struct db *db = calloc(1, sizeof(*db));

	if (!db)
		return -ENOMEM;
	db->worker = worker;
	db->conns_len = MAX(MIN(worker->conf.database.connections, CONNECTIONS_MAX), 1);
	db_queue_init(&db->retry);
	warn_about_names(worker->conf.database.url);
	for (size_t i = 0; i < ARRAY_LEN(sql_queries); i++)
		db->statements[i] = (struct db_statement){ sql_queries[i].name, sql_queries[i].text };
	for (size_t i = 0; i < db->conns_len; i++)
		db_conn_init(&db->conns[i], db, worker, db->statements, ARRAY_LEN(db->statements));
	/* Not before all are set up: the first to fail looks at all. */
	for (size_t i = 0; i < db->conns_len; i++)
		db_conn_start(&db->conns[i]);
	*ret_db = db;
	return 0;
}

struct db *db_stop(struct db *db)
{
	if (!db)
		return NULL;
	for (size_t i = 0; i < db->conns_len; i++)
		db_conn_close(&db->conns[i]);
	loop_timer_stop(&db->retry_timer);
	/* Callbacks free what they hold; db_exec() within them finds no connection. */
	for (size_t i = 0; i < db->conns_len; i++) {
		for (struct db_query *query; (query = db_queue_take(&db->conns[i].queue));)
			db_query_lose(query);
	}
	for (struct db_query *query; (query = db_queue_take(&db->retry));)
		db_query_lose(query);
	free(db);
	return NULL;
}

bool db_is_up(const struct db *db)
{
	return db && ready(db) > 0;
}

/* The table is sorted by name. */
static const struct db_statement *statement_find(const struct db *db, const char *name)
{
	size_t low = 0, high = ARRAY_LEN(db->statements);

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(name, db->statements[middle].name);
		if (order == 0)
			return &db->statements[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

int db_exec(struct db *db, const char *statement, unsigned flags, const char *const *params, size_t params_len,
	    db_callback *callback, void *arg)
{
	if (!db)
		return -EAGAIN;
	const struct db_statement *found = statement_find(db, statement);
	if (params_len > DB_PARAMS_MAX || !found) {
		log_error("db: there is no statement %s; this is a fault of the program", statement);
		return -EINVAL;
	}
	struct db_conn *conn = pick(db);
	if (!conn)
		return -EAGAIN;
	struct db_query *query = db_query_new(QUERY_STATEMENT, found, params, params_len);
	if (!query)
		return -ENOMEM;
	query->flags = flags;
	query->callback = callback;
	query->arg = arg;
	while (conn && !db_conn_send(conn, query))
		conn = pick(db);
	if (!conn) {
		free(query);
		return -EAGAIN;
	}
	stat_add(&db->worker->counters->db_queries, 1);
	return 0;
}

/* Columns */

const char *db_text(const struct db_result *result, int row, const char *column)
{
	int field = result->res ? PQfnumber(result->res, column) : -1;

	if (field < 0 || row >= result->rows || PQgetisnull(result->res, row, field))
		return NULL;
	return PQgetvalue(result->res, row, field);
}

int64_t db_int(const struct db_result *result, int row, const char *column, int64_t otherwise)
{
	const char *text = db_text(result, row, column);
	char *end;

	if (!text || !*text)
		return otherwise;
	long long value = strtoll(text, &end, 10);
	return *end ? otherwise : value;
}

bool db_bool(const struct db_result *result, int row, const char *column)
{
	const char *text = db_text(result, row, column);

	return text && *text == 't';
}
