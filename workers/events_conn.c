#include "workers/events_conn.h"

#include "shm/stats.h"
#include "workers/db.h"
#include "workers/events.h"
#include "workers/media_link.h"
#include "workers/worker.h"
#include "workers/ws.h"

#include <stdlib.h>

#define WAITING_MAX	256
#define GAP_WAIT_US	(300 * USEC_PER_MSEC) /* until the database is asked for what an event should follow */
#define GAP_TRIES	5
#define CLOSE_TRY_AGAIN 1013

/* An event that waits for a hello, or for an event that it follows. */
struct events_waiting {
	struct events_waiting *next;
	struct ws_message *message;
	struct order_key key;
};

struct events_conn *events_conn_new(struct worker *worker, const struct id *user, const struct id *session)
{
	struct events_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->worker = worker;
	conn->user = *user;
	conn->session = *session;
	conn->last = &conn->first;
	return conn;
}

static void waiting_drop(struct events_conn *conn)
{
	while (conn->first) {
		struct events_waiting *w = conn->first;
		conn->first = w->next;
		ws_message_unref(w->message);
		free(w);
	}
	conn->last = &conn->first;
	conn->waiting = 0;
}

static void wait_put(struct events_conn *conn, struct ws_message *message, const struct order_key *key)
{
	struct events_waiting *w = conn->doomed || conn->waiting == WAITING_MAX ? NULL : malloc(sizeof(*w));

	if (!w) {
		events_conn_doom(conn, CLOSE_TRY_AGAIN, "try again");
		return;
	}
	*w = (struct events_waiting){ .message = ws_message_ref(message), .key = *key };
	*conn->last = w;
	conn->last = &w->next;
	conn->waiting++;
}

static void wait_drop(struct events_conn *conn, struct events_waiting **at)
{
	struct events_waiting *w = *at;

	*at = w->next;
	if (conn->last == &w->next)
		conn->last = at;
	ws_message_unref(w->message);
	free(w);
	conn->waiting--;
}

static void send_now(struct events_conn *conn, struct ws_message *message)
{
	if (ws_send(conn->ws, message) == 0)
		stat_add(&conn->worker->counters->events_sent, 1);
}

static void gap_begin(struct events_conn *conn);

/* What waits and may go, goes. */
static void wait_send(struct events_conn *conn)
{
	struct events_waiting **at = &conn->first;

	while (*at) {
		enum order_verdict verdict = order_take(&conn->order, &(*at)->key);
		if (verdict == ORDER_WAIT) {
			at = &(*at)->next;
			continue;
		}
		if (verdict == ORDER_SEND)
			send_now(conn, (*at)->message);
		wait_drop(conn, at);
		if (verdict == ORDER_SEND)
			at = &conn->first; /* others may have waited for this one */
	}
	if (conn->first)
		gap_begin(conn);
	else
		loop_timer_stop(&conn->gap);
}

/* answer_tell() without the request; arg is the worker, which outlives the connection. */
static void on_gap_told(const struct db_result *result, void *arg)
{
	struct worker *worker = arg;

	if (result->error == DB_OK && result->rows > 0)
		events_send_notify(worker->events, db_text(result, 0, "notify"));
}

/* What should have come before has not: a worker died with it, or it was never for this page. */
static void on_gap(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct events_conn *conn = arg;
	struct worker *worker = conn->worker;
	char user[ID_TEXT_LEN + 1], call[ID_TEXT_LEN + 1];

	(void)timer;
	(void)now_us;
	if (!conn->first || conn->refreshing)
		return;
	if (conn->gap_tries++ >= GAP_TRIES) {
		waiting_drop(conn);
		return;
	}
	if (worker->db) {
		const char *params[] = { id_format(&conn->user, user), id_format(&conn->first->key.call, call) };
		db_exec(worker->db, "call_tell", DB_IDEMPOTENT, params, ARRAY_LEN(params), on_gap_told, worker);
	}
	gap_begin(conn);
}

static void gap_begin(struct events_conn *conn)
{
	if (!conn->gap.loop)
		loop_timer_start(conn->worker->loop, &conn->gap, clock_now_us() + GAP_WAIT_US, on_gap, conn);
}

void events_conn_send(struct events_conn *conn, struct ws_message *message, const struct order_key *key)
{
	if (!conn->ws || conn->refreshing) {
		wait_put(conn, message, key);
		return;
	}
	enum order_verdict verdict = order_take(&conn->order, key);
	if (verdict == ORDER_WAIT) {
		wait_put(conn, message, key);
		conn->gap_tries = 0;
		gap_begin(conn);
	} else if (verdict == ORDER_SEND) {
		send_now(conn, message);
		if (conn->first && !id_is_none(&key->call))
			wait_send(conn);
	}
}

void events_conn_doom(struct events_conn *conn, uint16_t code, const char *reason)
{
	if (!conn->doomed)
		conn->doom = code;
	conn->doomed = true;
	waiting_drop(conn);
	if (conn->ws)
		ws_close(conn->ws, code, reason);
}

/* What the mediads said of seats while nobody listened is said again; calls and messages are fetched by the page. */
static void ask_seats(const struct events_conn *conn, const char *calls)
{
	struct id call;

	for (const char *at = calls; at && conn->worker->media; at = strchr(at, ' ')) {
		at += *at == ' ';
		if (strlen(at) > ID_TEXT_LEN && id_parse(at, ID_TEXT_LEN, &call) == 0)
			media_link_ask_seats(conn->worker->media, &call, &conn->user);
	}
}

void events_conn_hello(struct events_conn *conn, const char *hello, size_t len, const char *calls)
{
	ws_send_text(conn->ws, hello, len);
	order_begin(&conn->order, calls);
	conn->refreshing = false;
	wait_send(conn);
	ask_seats(conn, calls);
}

void events_conn_wait(struct events_conn *conn)
{
	conn->refreshing = true;
}

void events_conn_free(struct events_conn *conn)
{
	loop_timer_stop(&conn->gap);
	waiting_drop(conn);
	order_fini(&conn->order);
	free(conn);
}
