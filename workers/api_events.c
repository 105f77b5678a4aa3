/* The WebSocket: /events. */
#include "lib/clock.h"
#include "shm/limits.h"
#include "workers/answer.h"
#include "workers/events.h"
#include "workers/json.h"
#include "workers/media_link.h"
#include "workers/presence.h"
#include "workers/router.h"
#include "workers/sdp.h"
#include "workers/worker.h"
#include "workers/ws.h"

#include <ctype.h>
#include <string.h>

#define SUBPROTOCOL	     "parley.v1"
#define MESSAGE_ARENA_MAX    (1u << 20)
#define CLOSE_BAD_MESSAGE    1008
#define EMOJI_MAX	     16 /* characters: some emoji are made of many */
#define TYPING_PER_SECOND    2
#define REACTIONS_PER_SECOND 5
#define VIEWS_PER_SECOND     20
#define VIEW_HEIGHT_MAX	     8192

/* Client messages */

/* arg is the worker, which outlives the connection. */
static void on_signalled(const struct db_result *result, void *arg)
{
	answer_tell(arg, result);
}

/* One emoji, or a few: nothing that could be read as words. */
static bool emoji_is_valid(const struct json *emoji)
{
	if (!emoji || emoji->type != JSON_STRING || emoji->string.len == 0 || json_text_length(emoji) > EMOJI_MAX)
		return false;
	for (const unsigned char *c = (const unsigned char *)emoji->string.text; *c; c++) {
		if (*c < 0x80 && (isalpha(*c) || *c <= ' ' || *c == 0x7f))
			return false;
	}
	return true;
}

/* Typing (emoji NULL) or a reaction: to the people of that call. Too many are dropped: they are for a moment only. */
static void signal_call(struct ws *ws, struct events_conn *conn, const char *type, const struct json *call,
			const struct json *emoji, unsigned per_second)
{
	struct worker *worker = events_conn_worker(conn);
	const struct id *user = events_conn_user(conn);
	char me[ID_TEXT_LEN + 1], call_text[ID_TEXT_LEN + 1];
	struct id id;

	if (!call || call->type != JSON_STRING || id_parse(call->string.text, call->string.len, &id) < 0) {
		ws_close(ws, CLOSE_BAD_MESSAGE, "call_id is missing");
		return;
	}
	struct limits_verdict verdict =
		limits_take(worker->limits, type, user->b, sizeof(user->b), per_second, USEC_PER_SEC, clock_now_us());
	if (!verdict.allowed)
		return;
	const char *params[] = { id_format(user, me), id_format(&id, call_text), type,
				 emoji ? emoji->string.text : NULL };
	db_exec(worker->db, "call_signal", 0, params, ARRAY_LEN(params), on_signalled, worker);
}

/* What the page shows: a hint for the mediads. A stranger's finds no transport there. */
static void view_call(struct ws *ws, struct events_conn *conn, const struct json *call, const struct json *view)
{
	struct worker *worker = events_conn_worker(conn);
	const struct id *user = events_conn_user(conn);
	struct msg_view_item items[MSG_VIEW_MAX] = { 0 };
	enum track_kind kind;
	size_t len = 0;
	struct id id;

	if (!call || call->type != JSON_STRING || id_parse(call->string.text, call->string.len, &id) < 0 || !view ||
	    view->type != JSON_ARRAY) {
		ws_close(ws, CLOSE_BAD_MESSAGE, "a view needs call_id and view");
		return;
	}
	for (const struct json *at = view->list.first; at && len < MSG_VIEW_MAX; at = at->next) {
		const struct json *member = at->type == JSON_OBJECT ? json_get(at, "member") : NULL;
		const struct json *what = member ? json_get(at, "kind") : NULL, *height = json_get(at, "height");
		struct msg_view_item *item = &items[len];
		if (!what || !height || member->type != JSON_STRING || what->type != JSON_STRING ||
		    height->type != JSON_INT || height->integer < 0 || height->integer > VIEW_HEIGHT_MAX ||
		    id_parse(member->string.text, member->string.len, &item->member) < 0 ||
		    sdp_track_kind_parse(what->string.text, &kind) < 0) {
			ws_close(ws, CLOSE_BAD_MESSAGE, "a view names member, kind and height");
			return;
		}
		item->kind = (uint8_t)kind;
		item->height = (uint16_t)height->integer;
		len++;
	}
	struct limits_verdict verdict = limits_take(worker->limits, "view", user->b, sizeof(user->b), VIEWS_PER_SECOND,
						    USEC_PER_SEC, clock_now_us());
	if (verdict.allowed && worker->media)
		media_link_view(worker->media, &id, user, items, len);
}

static void on_message(struct ws *ws, struct events_conn *conn, const struct json *message)
{
	static const char pong[] = "{\"type\":\"pong\"}";
	const struct json *type = json_get(message, "type"), *call = json_get(message, "call_id");
	const struct json *emoji = json_get(message, "emoji");

	if (!type || type->type != JSON_STRING) {
		ws_close(ws, CLOSE_BAD_MESSAGE, "a message is an object with a type");
		return;
	}
	/* Types that we do not know come from newer pages. */
	if (strcmp(type->string.text, "ping") == 0)
		ws_send_text(ws, pong, sizeof(pong) - 1);
	else if (strcmp(type->string.text, "typing") == 0)
		signal_call(ws, conn, "typing", call, NULL, TYPING_PER_SECOND);
	else if (strcmp(type->string.text, "reaction") == 0 && emoji_is_valid(emoji))
		signal_call(ws, conn, "reaction", call, emoji, REACTIONS_PER_SECOND);
	else if (strcmp(type->string.text, "view") == 0)
		view_call(ws, conn, call, json_get(message, "view"));
	else if (strcmp(type->string.text, "reaction") == 0)
		ws_close(ws, CLOSE_BAD_MESSAGE, "this is no emoji");
}

static void on_text(struct ws *ws, const char *text, size_t len, void *user)
{
	struct arena arena = { .limit = MESSAGE_ARENA_MAX };
	struct json_error error;
	struct json *message;

	if (json_parse(&arena, text, len, &message, &error) < 0)
		ws_close(ws, CLOSE_BAD_MESSAGE, "this is not JSON");
	else
		on_message(ws, user, message);
	arena_fini(&arena);
}

static void on_close(struct ws *ws, void *user)
{
	(void)ws;
	events_closed(user);
}

static const struct ws_handler handler = { .on_text = on_text, .on_close = on_close };

/* The upgrade */

enum offer { OFFER_NONE, OFFER_OURS, OFFER_OTHERS };

static enum offer subprotocols_offered(const struct request *req)
{
	const char *at = request_header(req, "sec-websocket-protocol");
	enum offer offer = OFFER_NONE;

	while (at && *at) {
		at += strspn(at, " \t,");
		size_t len = strcspn(at, " \t,");
		if (len == strlen(SUBPROTOCOL) && memcmp(at, SUBPROTOCOL, len) == 0)
			return OFFER_OURS;
		if (len > 0)
			offer = OFFER_OTHERS;
		at += len;
	}
	return offer;
}

static void on_hello(const struct db_result *result, void *arg)
{
	struct request *req = arg;
	struct events *events = req->worker->events;
	struct events_conn *conn = req->state;
	const char *subprotocol = subprotocols_offered(req) == OFFER_OURS ? SUBPROTOCOL : NULL;
	const char *body = result->error == DB_OK && result->rows > 0 ? db_text(result, 0, "body") : NULL;
	struct buf hello = { 0 };
	struct ws *ws;

	/* With the events gone, the worker stops and conn went with them. */
	if (!body || !events || request_is_gone(req)) {
		if (events)
			events_closed(conn);
		if (request_is_gone(req))
			reply_empty(req, 204);
		else if (result->error == DB_OK && result->rows == 0)
			reply_problem(req, 401, "unauthorized", NULL, "This sign-in has ended; sign in again.");
		else if (!answer_failed(req, result))
			reply_retry(req, 503, "overloaded", "The server is stopping; connect again.", 1);
		return;
	}
	if (presence_hello(req->worker, body, &hello) < 0) {
		events_closed(conn);
		reply_problem(req, 500, "internal", NULL, NULL);
	} else if (ws_accept(req, subprotocol, &handler, conn, &ws) < 0) {
		events_closed(conn);
	} else {
		events_ready(conn, ws, (const char *)hello.data, hello.len, db_text(result, 0, "calls"));
	}
	buf_fini(&hello);
}

static void get_events(struct request *req)
{
	struct events_conn *conn;
	char user[ID_TEXT_LEN + 1], session[ID_TEXT_LEN + 1];
	struct ws *ws;

	if (!request_header(req, "upgrade")) {
		/* Answers 426 and what belongs to it. */
		ws_accept(req, NULL, &handler, NULL, &ws);
		return;
	}
	if (subprotocols_offered(req) == OFFER_OTHERS) {
		reply_problem(req, 400, "invalid_json", NULL,
			      "The subprotocol of this WebSocket is " SUBPROTOCOL "; offer it.");
		return;
	}
	int err = events_open(req->worker->events, &req->auth.user_id, &req->auth.session_id, &conn);
	if (err < 0) {
		reply_retry(req, 503, "overloaded",
			    "This server has no room for another WebSocket now; try again in a few seconds.", 2);
		return;
	}
	req->state = conn;
	const char *params[] = { id_format(&req->auth.user_id, user), id_format(&req->auth.session_id, session) };
	err = db_exec(req->worker->db, "hello", DB_IDEMPOTENT, params, ARRAY_LEN(params), on_hello, req);
	if (err < 0) {
		events_closed(conn);
		answer_failed(req, &(struct db_result){ .error = DB_LOST });
	}
}

const struct route api_events_routes[] = {
	{ HTTP_GET, "/api/v1/events", ROUTE_USER, BODY_NONE, 0, get_events },
	{ 0 },
};
