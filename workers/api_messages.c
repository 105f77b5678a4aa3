/* Chat: /calls/{call_id}/messages. Who may write and read stands in sql/0013_words.sql. */
#include "lib/clock.h"
#include "shm/limits.h"
#include "workers/answer.h"
#include "workers/auth.h"
#include "workers/call_request.h"
#include "workers/json.h"
#include "workers/router.h"
#include "workers/worker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX   4000
#define BODY_MAX   (32u << 10) /* 4000 characters, each escaped as \uXXXX */
#define SEQ_DIGITS 9
#define SEQ_MAX	   999999999

static bool admit_message(struct request *req)
{
	const struct worker *worker = req->worker;

	return auth_admit(req, "messages", req->auth.user_id.b, sizeof(req->auth.user_id.b),
			  worker->conf.limits.messages_per_minute, 60, "You write too fast; wait a little.");
}

static void post_message(struct request *req)
{
	const char *text = NULL;
	struct id id = { 0 };
	const struct json_field fields[] = {
		{ "id", FIELD_ID, true, 0, 0, &id, NULL },
		{ "text", FIELD_STRING, true, 1, TEXT_MAX, &text, NULL },
	};
	char id_text[ID_TEXT_LEN + 1];
	struct call_who who;

	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0 || !call_who_read(req, &who) || !admit_message(req))
		return;
	const char *params[] = { who.me, who.call, id_format(&id, id_text), text };
	answer_from(req, "message_post", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void get_messages(struct request *req)
{
	const char *after = request_query(req, "after");
	struct call_who who;

	if (!call_who_read(req, &who))
		return;
	if (!after)
		after = "0";
	size_t len = strlen(after);
	if (len == 0 || len > SEQ_DIGITS || strspn(after, "0123456789") != len) {
		reply_problem(req, 422, "invalid_field", "after",
			      "after is the seq of a message: a whole number from 0 on.");
		return;
	}
	const char *params[] = { who.me, who.call, after };
	answer_from(req, "messages", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void put_read(struct request *req)
{
	int64_t seq = 0;
	const struct json_field fields[] = {
		{ "seq", FIELD_INT, true, 1, SEQ_MAX, &seq, NULL },
	};
	struct call_who who;

	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0 || !call_who_read(req, &who))
		return;
	const char *params[] = { who.me, who.call, arena_printf(&req->arena, "%" PRId64, seq) };
	answer_from(req, "messages_read", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

const struct route api_messages_routes[] = {
	{ HTTP_POST, "/api/v1/calls/{call_id}/messages", ROUTE_USER, BODY_JSON, BODY_MAX, post_message },
	{ HTTP_GET, "/api/v1/calls/{call_id}/messages", ROUTE_USER, BODY_NONE, 0, get_messages },
	{ HTTP_PUT, "/api/v1/calls/{call_id}/messages/read", ROUTE_USER, BODY_JSON, 0, put_read },
	{ 0 },
};
