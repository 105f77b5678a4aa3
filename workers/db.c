#include "workers/db.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "shm/stats.h"
#include "workers/worker.h"

#include "sql_queries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX	   16
#define QUEUE_MAX	   512 /* statements under way on one connection */
#define CONNECT_TIMEOUT_US (10 * USEC_PER_SEC)
#define ANSWER_TIMEOUT_US  (10 * USEC_PER_SEC) /* the server's own statement_timeout is 5 s */
#define RETRY_WAIT_US	   (2 * USEC_PER_SEC)  /* a repeatable statement waits so long for a connection */
#define BACKOFF_FIRST_US   (200 * USEC_PER_MSEC)
#define BACKOFF_LAST_US	   (5 * USEC_PER_SEC)
#define COMPLAIN_EVERY_US  (60 * USEC_PER_SEC)

/* What each connection is told first. */
#define SETTINGS                                                                                   \
	"select set_config('search_path', 'public', false),"                                       \
	" set_config('statement_timeout', '5000', false), set_config('lock_timeout', '0', false)," \
	" set_config('timezone', 'UTC', false), set_config('jit', 'off', false)"

enum query_kind { QUERY_SETTINGS, QUERY_PREPARE, QUERY_STATEMENT };

/* One statement under way; parameters stand behind it in one piece of memory. */
struct query {
	struct query *next;
	enum query_kind kind;
	size_t statement; /* index in sql_queries */
	unsigned flags;
	bool repeated;
	bool answered; /* a result was seen; the Sync's is still to come */
	int64_t sent_us;
	db_callback *callback;
	void *arg;
	size_t params_len;
	const char *params[];
};

struct queue {
	struct query *head, **tail;
	size_t len;
};

/*   DOWN ──timer──▶ CONNECTING ──▶ PREPARING ──▶ READY
 *    ▲                  │              │           │
 *    └──────────────────┴──────────────┴───────────┘  lost, refused, too late */
enum conn_state { CONN_DOWN, CONN_CONNECTING, CONN_PREPARING, CONN_READY };

struct conn {
	struct db *db;
	enum conn_state state;
	PGconn *pg;
	struct loop_fd io;
	struct loop_timer timer; /* DOWN: try again; else: is the server still there? */
	int64_t since_us;	 /* when the state began */
	int64_t backoff_us;
	bool failed; /* found dead outside the loop's callbacks; closed by the timer */
	struct queue queue;
};

struct db {
	struct worker *worker;
	size_t conns_len;
	struct conn conns[CONNECTIONS_MAX];
	/* Repeatable statements whose connection was lost. */
	struct queue retry;
	struct loop_timer retry_timer;
	bool was_up, complained;
	int64_t complain_gate;
};

/* Queues */

static void queue_init(struct queue *q)
{
	*q = (struct queue){ .tail = &q->head };
}

static void queue_put(struct queue *q, struct query *query)
{
	query->next = NULL;
	*q->tail = query;
	q->tail = &query->next;
	q->len++;
}

static struct query *queue_take(struct queue *q)
{
	struct query *query = q->head;

	if (!query)
		return NULL;
	q->head = query->next;
	if (!q->head)
		q->tail = &q->head;
	q->len--;
	return query;
}

static struct query *query_new(enum query_kind kind, size_t statement, const char *const *params, size_t params_len)
{
	size_t len = 0;

	for (size_t i = 0; i < params_len; i++)
		len += params[i] ? strlen(params[i]) + 1 : 0;
	struct query *query = calloc(1, sizeof(*query) + params_len * sizeof(*params) + len);
	if (!query)
		return NULL;
	query->kind = kind;
	query->statement = statement;
	query->params_len = params_len;
	char *at = (char *)&query->params[params_len];
	for (size_t i = 0; i < params_len; i++) {
		if (!params[i])
			continue;
		size_t n = strlen(params[i]) + 1;
		memcpy(at, params[i], n);
		query->params[i] = at;
		at += n;
	}
	return query;
}

static void query_answer(struct query *query, const struct db_result *result)
{
	if (query->callback)
		query->callback(result, query->arg);
	free(query);
}

static void query_lose(struct query *query)
{
	struct db_result result = { .error = DB_LOST };

	query_answer(query, &result);
}

/* Connections */

static void conn_on_io(struct loop_fd *io, uint32_t events, void *arg);
static void conn_on_timer(struct loop_timer *timer, int64_t now_us, void *arg);
static void retry_run(struct db *db);

static size_t db_ready(const struct db *db)
{
	size_t n = 0;

	for (size_t i = 0; i < db->conns_len; i++)
		n += db->conns[i].state == CONN_READY && !db->conns[i].failed;
	return n;
}

static void conn_set(struct conn *conn, enum conn_state state)
{
	struct db *db = conn->db;

	conn->state = state;
	conn->since_us = loop_now_us(db->worker->loop);
	stat_set(&db->worker->counters->db_up, db_ready(db));
}

static void conn_timer(struct conn *conn, int64_t in_us)
{
	struct loop *loop = conn->db->worker->loop;

	loop_timer_start(loop, &conn->timer, clock_now_us() + in_us, conn_on_timer, conn);
}

/* libpq's messages end in a newline and may have several lines; the first is enough. */
static const char *first_line(const char *text, char *buf, size_t len)
{
	snprintf(buf, len, "%.*s", (int)strcspn(text ? text : "", "\n"), text ? text : "");
	return buf;
}

static void complain(struct db *db, const char *why)
{
	char line[256];

	if (db_ready(db) > 0)
		return;
	if (!log_every(&db->complain_gate, clock_now_us(), COMPLAIN_EVERY_US) && db->complained)
		return;
	db->complained = true;
	log_error("db: the database is away (%s); trying again, requests that need it get 503",
		  first_line(why, line, sizeof(line)));
}

/* Everything under way is repeated elsewhere or lost; the connection is tried again later. */
static void conn_fail(struct conn *conn, const char *why)
{
	struct db *db = conn->db;
	bool was_ready = conn->state == CONN_READY;
	char line[256];

	first_line(why, line, sizeof(line));
	loop_fd_del(&conn->io);
	PQfinish(conn->pg);
	conn->pg = NULL;
	conn->failed = false;
	conn_set(conn, CONN_DOWN);
	conn->backoff_us = was_ready ? BACKOFF_FIRST_US : MIN(conn->backoff_us * 2, BACKOFF_LAST_US);
	conn_timer(conn, was_ready ? 0 : conn->backoff_us);
	if (was_ready)
		stat_add(&db->worker->counters->db_lost, 1);
	complain(db, line);

	struct queue lost = conn->queue;
	if (!lost.head)
		lost.tail = &lost.head;
	queue_init(&conn->queue);
	for (struct query *query; (query = queue_take(&lost));) {
		if (query->kind == QUERY_STATEMENT && query->flags & DB_IDEMPOTENT && !query->repeated) {
			query->repeated = true;
			query->sent_us = clock_now_us();
			queue_put(&db->retry, query);
		} else {
			query_lose(query);
		}
	}
	retry_run(db);
}

static void conn_watch(struct conn *conn, uint32_t events)
{
	int fd = PQsocket(conn->pg);
	int err = 0;

	if (conn->io.loop && conn->io.fd == fd) {
		err = loop_fd_mod(&conn->io, events);
	} else {
		loop_fd_del(&conn->io);
		err = fd < 0 ? -EBADF : loop_fd_add(conn->db->worker->loop, &conn->io, fd, events, conn_on_io, conn);
	}
	if (err < 0) {
		conn->failed = true;
		conn_timer(conn, 0);
	}
}

static void conn_flush(struct conn *conn)
{
	int left = PQflush(conn->pg);

	if (left < 0) {
		conn->failed = true;
		conn_timer(conn, 0);
		return;
	}
	conn_watch(conn, left > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static bool conn_send(struct conn *conn, struct query *query)
{
	int ok = 0;

	switch (query->kind) {
	case QUERY_SETTINGS:
		ok = PQsendQueryParams(conn->pg, SETTINGS, 0, NULL, NULL, NULL, NULL, 0);
		break;
	case QUERY_PREPARE:
		ok = PQsendPrepare(conn->pg, sql_queries[query->statement].name, sql_queries[query->statement].text, 0,
				   NULL);
		break;
	case QUERY_STATEMENT:
		ok = PQsendQueryPrepared(conn->pg, sql_queries[query->statement].name, (int)query->params_len,
					 query->params, NULL, NULL, 0);
		break;
	}
	if (!ok || !PQpipelineSync(conn->pg)) {
		/* Nothing of it can have been run: a statement without its Sync is thrown away. */
		conn->failed = true;
		conn_timer(conn, 0);
		return false;
	}
	query->sent_us = clock_now_us();
	queue_put(&conn->queue, query);
	return true;
}

static void conn_prepare(struct conn *conn)
{
	conn_set(conn, CONN_PREPARING);
	if (!PQenterPipelineMode(conn->pg) || PQsetnonblocking(conn->pg, 1) < 0) {
		conn_fail(conn, PQerrorMessage(conn->pg));
		return;
	}
	for (size_t i = 0; i <= ARRAY_LEN(sql_queries); i++) {
		struct query *query = query_new(i == 0 ? QUERY_SETTINGS : QUERY_PREPARE, i ? i - 1 : 0, NULL, 0);
		if (!query || !conn_send(conn, query)) {
			free(query);
			conn_fail(conn, query ? PQerrorMessage(conn->pg) : "out of memory");
			return;
		}
	}
	conn_flush(conn);
}

static void conn_ready(struct conn *conn)
{
	struct db *db = conn->db;
	bool first = db_ready(db) == 0;

	conn_set(conn, CONN_READY);
	conn->backoff_us = BACKOFF_FIRST_US;
	if (first) {
		log_info("db: connected%s", db->was_up ? " again" : "");
		db->was_up = true;
		db->complained = false;
	}
	retry_run(db);
}

static void conn_poll(struct conn *conn)
{
	switch (PQconnectPoll(conn->pg)) {
	case PGRES_POLLING_READING:
		conn_watch(conn, EPOLLIN);
		break;
	case PGRES_POLLING_WRITING:
		conn_watch(conn, EPOLLOUT);
		break;
	case PGRES_POLLING_OK:
		conn_prepare(conn);
		break;
	default:
		conn_fail(conn, PQerrorMessage(conn->pg));
		break;
	}
}

static void ignore_notice(void *arg, const char *message)
{
	char line[256];

	(void)arg;
	log_debug("db: %s", first_line(message, line, sizeof(line)));
}

static void conn_start(struct conn *conn)
{
	struct db *db = conn->db;
	char name[32];

	snprintf(name, sizeof(name), "parley-worker/%u", db->worker->index);
	/* What stands before dbname can be overridden by database.url. */
	const char *keywords[] = { "gssencmode",       "tcp_user_timeout", "dbname",
				   "application_name", "client_encoding",  NULL };
	const char *values[] = { "disable", "10000", db->worker->conf.database.url, name, "UTF8", NULL };
	conn_set(conn, CONN_CONNECTING);
	conn_timer(conn, CONNECT_TIMEOUT_US);
	conn->pg = PQconnectStartParams(keywords, values, 1);
	if (!conn->pg || PQstatus(conn->pg) == CONNECTION_BAD) {
		conn_fail(conn, conn->pg ? PQerrorMessage(conn->pg) : "out of memory");
		return;
	}
	PQsetNoticeProcessor(conn->pg, ignore_notice, NULL);
	conn_watch(conn, EPOLLOUT);
}

/* One answer to the oldest query. False: the connection is of no use and was closed. */
static bool conn_on_result(struct conn *conn, struct query *query, const PGresult *res)
{
	struct db *db = conn->db;
	ExecStatusType status = PQresultStatus(res);
	bool ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;

	query->answered = true;
	if (query->kind == QUERY_STATEMENT) {
		struct db_result result = { .error = ok ? DB_OK : DB_ERROR };
		if (ok) {
			result.res = res;
			result.rows = PQntuples(res);
		} else {
			const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
			char line[256];
			snprintf(result.sqlstate, sizeof(result.sqlstate), "%s", state ? state : "XX000");
			stat_add(&db->worker->counters->db_errors, 1);
			static int64_t gate;
			if (log_every(&gate, clock_now_us(), USEC_PER_SEC))
				log_error("db: statement %s failed (%s): %s", sql_queries[query->statement].name,
					  result.sqlstate, first_line(PQresultErrorMessage(res), line, sizeof(line)));
		}
		if (query->callback)
			query->callback(&result, query->arg);
		query->callback = NULL;
		return true;
	}
	if (!ok) {
		char why[512], line[256];
		first_line(PQresultErrorMessage(res), line, sizeof(line));
		snprintf(why, sizeof(why), "%s %s: %s; are all migrations of this version applied?",
			 query->kind == QUERY_PREPARE ? "cannot prepare statement" : "cannot set up the connection",
			 query->kind == QUERY_PREPARE ? sql_queries[query->statement].name : "", line);
		conn_fail(conn, why);
	}
	return ok;
}

/* All answers that have arrived. */
static void conn_read(struct conn *conn)
{
	if (!PQconsumeInput(conn->pg)) {
		conn_fail(conn, PQerrorMessage(conn->pg));
		return;
	}
	unsigned nulls = 0;
	while (conn->queue.head && !conn->failed && !PQisBusy(conn->pg)) {
		struct query *query = conn->queue.head;
		PGresult *res = PQgetResult(conn->pg);
		if (!res) {
			/* Once between a statement's result and its Sync; more often there is nothing to come. */
			if (++nulls > 2)
				break;
			continue;
		}
		nulls = 0;
		ExecStatusType status = PQresultStatus(res);
		if (status == PGRES_PIPELINE_SYNC) {
			queue_take(&conn->queue);
			if (query->answered)
				free(query);
			else
				query_lose(query);
			if (conn->state == CONN_PREPARING && !conn->queue.head)
				conn_ready(conn);
		} else if (!query->answered && !conn_on_result(conn, query, res)) {
			PQclear(res);
			return;
		}
		PQclear(res);
	}
	if (PQstatus(conn->pg) == CONNECTION_BAD)
		conn_fail(conn, PQerrorMessage(conn->pg));
}

static void conn_on_io(struct loop_fd *io, uint32_t events, void *arg)
{
	struct conn *conn = arg;

	(void)io;
	if (conn->failed)
		return;
	if (conn->state == CONN_CONNECTING) {
		conn_poll(conn);
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		conn_read(conn);
	if (conn->pg && !conn->failed && events & EPOLLOUT)
		conn_flush(conn);
}

static void conn_on_timer(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct conn *conn = arg;

	(void)timer;
	if (conn->state == CONN_DOWN) {
		conn_start(conn);
	} else if (conn->failed) {
		conn_fail(conn, PQerrorMessage(conn->pg));
	} else if (conn->state != CONN_READY) {
		if (now_us - conn->since_us >= CONNECT_TIMEOUT_US)
			conn_fail(conn, "it does not answer");
		else
			conn_timer(conn, CONNECT_TIMEOUT_US);
	} else if (conn->queue.head && now_us - conn->queue.head->sent_us > ANSWER_TIMEOUT_US) {
		conn_fail(conn, "it does not answer");
	} else {
		conn_timer(conn, ANSWER_TIMEOUT_US / 4);
	}
}

/* Repetition */

static struct conn *db_pick(struct db *db)
{
	struct conn *best = NULL;

	for (size_t i = 0; i < db->conns_len; i++) {
		struct conn *conn = &db->conns[i];
		if (conn->state == CONN_READY && !conn->failed && conn->queue.len < QUEUE_MAX &&
		    (!best || conn->queue.len < best->queue.len))
			best = conn;
	}
	return best;
}

static void retry_on_timer(struct loop_timer *timer, int64_t now_us, void *arg)
{
	(void)timer;
	(void)now_us;
	retry_run(arg);
}

static void retry_run(struct db *db)
{
	struct conn *conn;

	while (db->retry.head && (conn = db_pick(db))) {
		struct query *query = queue_take(&db->retry);
		query->answered = false;
		if (conn_send(conn, query))
			conn_flush(conn);
		else
			queue_put(&db->retry, query);
	}
	int64_t now_us = clock_now_us();
	while (db->retry.head && now_us - db->retry.head->sent_us >= RETRY_WAIT_US)
		query_lose(queue_take(&db->retry));
	if (db->retry.head)
		loop_timer_start(db->worker->loop, &db->retry_timer, db->retry.head->sent_us + RETRY_WAIT_US,
				 retry_on_timer, db);
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
	queue_init(&db->retry);
	warn_about_names(worker->conf.database.url);
	for (size_t i = 0; i < db->conns_len; i++) {
		struct conn *conn = &db->conns[i];
		conn->db = db;
		conn->backoff_us = BACKOFF_FIRST_US;
		queue_init(&conn->queue);
	}
	/* Not before all are set up: the first to fail looks at all. */
	for (size_t i = 0; i < db->conns_len; i++)
		conn_start(&db->conns[i]);
	*ret_db = db;
	return 0;
}

struct db *db_stop(struct db *db)
{
	if (!db)
		return NULL;
	for (size_t i = 0; i < db->conns_len; i++) {
		struct conn *conn = &db->conns[i];
		loop_fd_del(&conn->io);
		loop_timer_stop(&conn->timer);
		PQfinish(conn->pg);
		conn->pg = NULL;
		conn->state = CONN_DOWN;
	}
	loop_timer_stop(&db->retry_timer);
	/* Callbacks free what they hold; db_exec() within them finds no connection. */
	for (size_t i = 0; i < db->conns_len; i++) {
		for (struct query *query; (query = queue_take(&db->conns[i].queue));)
			query_lose(query);
	}
	for (struct query *query; (query = queue_take(&db->retry));)
		query_lose(query);
	free(db);
	return NULL;
}

bool db_is_up(const struct db *db)
{
	return db && db_ready(db) > 0;
}

static int statement_find(const char *name, size_t *ret_index)
{
	size_t low = 0, high = ARRAY_LEN(sql_queries);

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(name, sql_queries[middle].name);
		if (order == 0) {
			*ret_index = middle;
			return 0;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -ENOENT;
}

int db_exec(struct db *db, const char *statement, unsigned flags, const char *const *params, size_t params_len,
	    db_callback *callback, void *arg)
{
	size_t index;

	if (params_len > DB_PARAMS_MAX || statement_find(statement, &index) < 0) {
		log_error("db: there is no statement %s; this is a fault of the program", statement);
		return -EINVAL;
	}
	struct conn *conn = db ? db_pick(db) : NULL;
	if (!conn)
		return -EAGAIN;
	struct query *query = query_new(QUERY_STATEMENT, index, params, params_len);
	if (!query)
		return -ENOMEM;
	query->flags = flags;
	query->callback = callback;
	query->arg = arg;
	while (conn && !conn_send(conn, query))
		conn = db_pick(db);
	if (!conn) {
		free(query);
		return -EAGAIN;
	}
	conn_flush(conn);
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
