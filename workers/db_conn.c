#include "workers/db_conn.h"

#include "lib/log.h"
#include "shm/stats.h"
#include "workers/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_US (10 * USEC_PER_SEC)
#define ANSWER_TIMEOUT_US  (10 * USEC_PER_SEC) /* the server's own statement_timeout is 5 s */
#define BACKOFF_FIRST_US   (200 * USEC_PER_MSEC)
#define BACKOFF_LAST_US	   (5 * USEC_PER_SEC)

/* What each connection is told first. */
#define SETTINGS                                                                                   \
	"select set_config('search_path', 'public', false),"                                       \
	" set_config('statement_timeout', '5000', false), set_config('lock_timeout', '0', false)," \
	" set_config('timezone', 'UTC', false), set_config('jit', 'off', false)"

/* Queries */

void db_queue_init(struct db_queue *q)
{
	*q = (struct db_queue){ .tail = &q->head };
}

void db_queue_put(struct db_queue *q, struct db_query *query)
{
	query->next = NULL;
	*q->tail = query;
	q->tail = &query->next;
	q->len++;
}

struct db_query *db_queue_take(struct db_queue *q)
{
	struct db_query *query = q->head;

	if (!query)
		return NULL;
	q->head = query->next;
	if (!q->head)
		q->tail = &q->head;
	q->len--;
	return query;
}

struct db_query *db_query_new(enum db_query_kind kind, const struct db_statement *statement, const char *const *params,
			      size_t params_len)
{
	size_t len = 0;

	for (size_t i = 0; i < params_len; i++)
		len += params[i] ? strlen(params[i]) + 1 : 0;
	struct db_query *query = calloc(1, sizeof(*query) + params_len * sizeof(*params) + len);
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

void db_query_lose(struct db_query *query)
{
	struct db_result result = { .error = DB_LOST };

	if (query->callback)
		query->callback(&result, query->arg);
	free(query);
}

/* The connection */

static void on_io(struct loop_fd *io, uint32_t events, void *arg);
static void on_timer(struct loop_timer *timer, int64_t now_us, void *arg);

static void arm(struct db_conn *conn, int64_t in_us)
{
	loop_timer_start(conn->worker->loop, &conn->timer, clock_now_us() + in_us, on_timer, conn);
}

static void set_state(struct db_conn *conn, enum db_conn_state state)
{
	conn->state = state;
	conn->since_us = clock_now_us();
}

/* libpq's messages end in a newline and may have several lines; the first is enough. */
static const char *first_line(const char *text, char *buf, size_t len)
{
	snprintf(buf, len, "%.*s", (int)strcspn(text ? text : "", "\n"), text ? text : "");
	return buf;
}

void db_conn_init(struct db_conn *conn, struct db *db, struct worker *worker, const struct db_statement *statements,
		  size_t statements_len)
{
	*conn = (struct db_conn){ .db = db,
				  .worker = worker,
				  .statements = statements,
				  .statements_len = statements_len,
				  .backoff_us = BACKOFF_FIRST_US };
	db_queue_init(&conn->queue);
}

bool db_conn_is_ready(const struct db_conn *conn)
{
	return conn->state == CONN_READY && !conn->failed;
}

void db_conn_close(struct db_conn *conn)
{
	loop_fd_del(&conn->io);
	loop_timer_stop(&conn->timer);
	PQfinish(conn->pg);
	conn->pg = NULL;
	conn->failed = false;
	set_state(conn, CONN_DOWN);
}

static void go_down(struct db_conn *conn, const char *why)
{
	bool was_ready = conn->state == CONN_READY;
	struct db_queue lost;
	char line[512];

	first_line(why, line, sizeof(line));
	db_conn_close(conn);
	conn->backoff_us = was_ready ? BACKOFF_FIRST_US : MIN(conn->backoff_us * 2, BACKOFF_LAST_US);
	arm(conn, was_ready ? 0 : conn->backoff_us);
	db_queue_init(&lost);
	for (struct db_query *query; (query = db_queue_take(&conn->queue));)
		db_queue_put(&lost, query);
	db_on_down(conn->db, conn, was_ready, line, &lost);
}

/* Where the caller cannot bear that everything under way is answered now. */
static void go_down_soon(struct db_conn *conn)
{
	conn->failed = true;
	arm(conn, 0);
}

static void watch(struct db_conn *conn, uint32_t events)
{
	int fd = PQsocket(conn->pg);
	int err;

	if (conn->io.loop && conn->io.fd == fd) {
		err = loop_fd_mod(&conn->io, events);
	} else {
		loop_fd_del(&conn->io);
		err = fd < 0 ? -EBADF : loop_fd_add(conn->worker->loop, &conn->io, fd, events, on_io, conn);
	}
	if (err < 0)
		go_down_soon(conn);
}

static void flush(struct db_conn *conn)
{
	int left = PQflush(conn->pg);

	if (left < 0)
		go_down_soon(conn);
	else
		watch(conn, left > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int send_query(struct db_conn *conn, const struct db_query *query)
{
	switch (query->kind) {
	case QUERY_SETTINGS:
		return PQsendQueryParams(conn->pg, SETTINGS, 0, NULL, NULL, NULL, NULL, 0);
	case QUERY_PREPARE:
		return PQsendPrepare(conn->pg, query->statement->name, query->statement->text, 0, NULL);
	case QUERY_STATEMENT:
		return PQsendQueryPrepared(conn->pg, query->statement->name, (int)query->params_len, query->params,
					   NULL, NULL, 0);
	}
	return 0;
}

/* A statement without its Sync is thrown away by the server: it has not been run. */
static bool put(struct db_conn *conn, struct db_query *query)
{
	query->answered = false;
	if (!send_query(conn, query) || !PQpipelineSync(conn->pg)) {
		go_down_soon(conn);
		return false;
	}
	query->sent_us = clock_now_us();
	db_queue_put(&conn->queue, query);
	return true;
}

bool db_conn_send(struct db_conn *conn, struct db_query *query)
{
	if (!put(conn, query))
		return false;
	flush(conn);
	return true;
}

static bool prepare(struct db_conn *conn)
{
	if (!PQenterPipelineMode(conn->pg) || PQsetnonblocking(conn->pg, 1) < 0)
		return false;
	for (size_t i = 0; i <= conn->statements_len; i++) {
		struct db_query *query = i == 0 ? db_query_new(QUERY_SETTINGS, NULL, NULL, 0)
						: db_query_new(QUERY_PREPARE, &conn->statements[i - 1], NULL, 0);
		if (!query || !put(conn, query)) {
			free(query);
			return false;
		}
	}
	return true;
}

static void on_connected(struct db_conn *conn)
{
	set_state(conn, CONN_PREPARING);
	if (prepare(conn))
		flush(conn);
	else
		go_down(conn, PQerrorMessage(conn->pg));
}

static void poll_connect(struct db_conn *conn)
{
	switch (PQconnectPoll(conn->pg)) {
	case PGRES_POLLING_READING:
		watch(conn, EPOLLIN);
		break;
	case PGRES_POLLING_WRITING:
		watch(conn, EPOLLOUT);
		break;
	case PGRES_POLLING_OK:
		on_connected(conn);
		break;
	default:
		go_down(conn, PQerrorMessage(conn->pg));
		break;
	}
}

static void on_notice(void *arg, const char *message)
{
	char line[256];

	(void)arg;
	log_debug("db: %s", first_line(message, line, sizeof(line)));
}

void db_conn_start(struct db_conn *conn)
{
	char name[32];

	snprintf(name, sizeof(name), "parley-worker/%u", conn->worker->index);
	/* What stands before dbname can be overridden by database.url. */
	const char *keywords[] = { "gssencmode",       "tcp_user_timeout", "dbname",
				   "application_name", "client_encoding",  NULL };
	const char *values[] = { "disable", "10000", conn->worker->conf.database.url, name, "UTF8", NULL };
	set_state(conn, CONN_CONNECTING);
	arm(conn, CONNECT_TIMEOUT_US);
	conn->pg = PQconnectStartParams(keywords, values, 1);
	if (!conn->pg || PQstatus(conn->pg) == CONNECTION_BAD) {
		go_down(conn, conn->pg ? PQerrorMessage(conn->pg) : "out of memory");
		return;
	}
	PQsetNoticeProcessor(conn->pg, on_notice, NULL);
	watch(conn, EPOLLOUT);
}

/* Answers */

static void on_statement_error(struct db_conn *conn, const struct db_query *query, const PGresult *res,
			       struct db_result *ret_result)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	static int64_t gate;
	char line[256];

	ret_result->error = DB_ERROR;
	snprintf(ret_result->sqlstate, sizeof(ret_result->sqlstate), "%s", state ? state : "XX000");
	stat_add(&conn->worker->counters->db_errors, 1);
	if (log_every(&gate, clock_now_us(), USEC_PER_SEC))
		log_error("db: statement %s failed (%s): %s", query->statement->name, ret_result->sqlstate,
			  first_line(PQresultErrorMessage(res), line, sizeof(line)));
}

static void on_statement_result(struct db_conn *conn, struct db_query *query, const PGresult *res, bool ok)
{
	struct db_result result = { .error = DB_OK };

	if (ok) {
		result.res = res;
		result.rows = PQntuples(res);
	} else {
		on_statement_error(conn, query, res, &result);
	}
	if (query->callback)
		query->callback(&result, query->arg);
	query->callback = NULL;
}

/* Shutdown, crash of a neighbour, an administrator. */
static bool is_farewell(const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	return state && strncmp(state, "57P", 3) == 0;
}

/* One answer to the oldest query. False: the connection is of no use and was closed. */
static bool on_result(struct db_conn *conn, struct db_query *query, const PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);
	bool ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
	char why[512], line[256];

	/* The server ends this connection: what it did not do is repeated or lost when that happens. */
	if (!ok && is_farewell(res))
		return true;
	query->answered = true;
	if (query->kind == QUERY_STATEMENT) {
		on_statement_result(conn, query, res, ok);
		return true;
	}
	if (!ok) {
		first_line(PQresultErrorMessage(res), line, sizeof(line));
		snprintf(why, sizeof(why), "cannot prepare %s: %s; are all migrations of this version applied?",
			 query->statement ? query->statement->name : "the connection", line);
		go_down(conn, why);
	}
	return ok;
}

/* The Sync of the oldest query: it is done. */
static void on_sync(struct db_conn *conn)
{
	struct db_query *query = db_queue_take(&conn->queue);

	if (query->answered)
		free(query);
	else
		db_query_lose(query);
	if (conn->state == CONN_PREPARING && !conn->queue.head) {
		set_state(conn, CONN_READY);
		conn->backoff_us = BACKOFF_FIRST_US;
		db_on_ready(conn->db, conn);
	}
}

/* All answers that have arrived. */
static void read_answers(struct db_conn *conn)
{
	unsigned nulls = 0;

	if (!PQconsumeInput(conn->pg)) {
		go_down(conn, PQerrorMessage(conn->pg));
		return;
	}
	while (conn->queue.head && !conn->failed && !PQisBusy(conn->pg)) {
		PGresult *res = PQgetResult(conn->pg);
		if (!res) {
			/* Once between a statement's result and its Sync; more often there is nothing to come. */
			if (++nulls > 2)
				break;
			continue;
		}
		nulls = 0;
		bool usable = true;
		if (PQresultStatus(res) == PGRES_PIPELINE_SYNC)
			on_sync(conn);
		else if (!conn->queue.head->answered)
			usable = on_result(conn, conn->queue.head, res);
		PQclear(res);
		if (!usable)
			return;
	}
	if (PQstatus(conn->pg) == CONNECTION_BAD)
		go_down(conn, PQerrorMessage(conn->pg));
}

static void on_io(struct loop_fd *io, uint32_t events, void *arg)
{
	struct db_conn *conn = arg;

	(void)io;
	if (conn->failed)
		return;
	if (conn->state == CONN_CONNECTING) {
		poll_connect(conn);
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		read_answers(conn);
	if (conn->pg && !conn->failed && events & EPOLLOUT)
		flush(conn);
}

static void on_timer(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct db_conn *conn = arg;

	(void)timer;
	if (conn->state == CONN_DOWN) {
		db_conn_start(conn);
	} else if (conn->failed) {
		go_down(conn, PQerrorMessage(conn->pg));
	} else if (conn->state != CONN_READY) {
		if (now_us - conn->since_us >= CONNECT_TIMEOUT_US)
			go_down(conn, "it does not answer");
		else
			arm(conn, CONNECT_TIMEOUT_US);
	} else if (conn->queue.head && now_us - conn->queue.head->sent_us > ANSWER_TIMEOUT_US) {
		go_down(conn, "it does not answer");
	} else {
		arm(conn, ANSWER_TIMEOUT_US / 4);
	}
}
