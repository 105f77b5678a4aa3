#include "workers/answer.h"

#include "lib/log.h"
#include "workers/events.h"
#include "workers/json.h"
#include "workers/media_link.h"
#include "workers/presence.h"
#include "workers/worker.h"

#include <string.h>

#define RETRY_AFTER_S	2
#define MEDIA_ARENA_MAX (4u << 20)

static void reply_unavailable(struct request *req)
{
	reply_retry(req, 503, "database_unavailable",
		    "The database is away for the moment; try again in a few seconds.", RETRY_AFTER_S);
}

void answer_exec(struct request *req, const char *statement, unsigned flags, const char *const *params,
		 size_t params_len, db_callback *then)
{
	int err = db_exec(req->worker->db, statement, flags, params, params_len, then, req);

	if (err == -EAGAIN)
		reply_unavailable(req);
	else if (err < 0)
		reply_problem(req, 500, "internal", NULL, NULL);
}

void answer_from(struct request *req, const char *statement, unsigned flags, const char *const *params,
		 size_t params_len)
{
	answer_exec(req, statement, flags, params, params_len, answer_send);
}

/* By its class: lost connection, operator or resources, a transaction that was rolled back for another's sake. */
static bool passes_with_time(const char *sqlstate)
{
	static const char *const classes[] = { "08", "25", "40", "53", "55", "57" };

	for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
		if (strncmp(sqlstate, classes[i], 2) == 0)
			return true;
	}
	return false;
}

bool answer_failed(struct request *req, const struct db_result *result)
{
	if (result->error == DB_OK)
		return false;
	if (result->error == DB_LOST || passes_with_time(result->sqlstate))
		reply_unavailable(req);
	else
		reply_problem(req, 500, "internal", NULL, NULL);
	return true;
}

static void media_one(struct media_link *media, const struct json *order)
{
	const struct json *what = json_get(order, "do"), *call = json_get(order, "call");
	const struct json *member = json_get(order, "member");
	struct id call_id, member_id = { 0 };

	if (!what || what->type != JSON_STRING || !call || call->type != JSON_STRING ||
	    id_parse(call->string.text, call->string.len, &call_id) < 0)
		return;
	if (strcmp(what->string.text, "close_call") == 0) {
		media_link_close_call(media, &call_id);
		return;
	}
	if (!member || member->type != JSON_STRING || id_parse(member->string.text, member->string.len, &member_id) < 0)
		return;
	if (strcmp(what->string.text, "close_member") == 0) {
		media_link_close_member(media, &call_id, &member_id);
	} else if (strcmp(what->string.text, "state") == 0) {
		const struct json *paused = json_get(order, "paused"), *audio = json_get(order, "muted_audio");
		const struct json *video = json_get(order, "muted_video");
		media_link_member_state(media, &call_id, &member_id, paused && paused->boolean, audio && audio->boolean,
					video && video->boolean);
	}
}

void answer_media(struct worker *worker, const char *media_json)
{
	struct arena arena = { .limit = MEDIA_ARENA_MAX };
	struct json_error error;
	struct json *orders;

	if (!media_json || !worker->media)
		return;
	if (json_parse(&arena, media_json, strlen(media_json), &orders, &error) == 0 && orders->type == JSON_ARRAY) {
		for (const struct json *order = orders->list.first; order; order = order->next)
			media_one(worker->media, order);
	} else {
		log_error("answer: orders for the mediads cannot be read; the reconciler will see to it");
	}
	arena_fini(&arena);
}

void answer_tell(struct worker *worker, const struct db_result *result)
{
	if (result->error != DB_OK || result->rows == 0)
		return;
	events_send_notify(worker->events, db_text(result, 0, "notify"));
	answer_media(worker, db_text(result, 0, "media"));
}

void answer_send(const struct db_result *result, void *arg)
{
	answer_send_with(result, arg, NULL, NULL);
}

void answer_send_with(const struct db_result *result, struct request *req, const char *name, const struct buf *value)
{
	if (answer_failed(req, result))
		return;
	if (result->rows == 0) {
		reply_problem(req, 500, "internal", NULL, NULL);
		return;
	}
	answer_tell(req->worker, result);
	int status = (int)db_int(result, 0, "status", 500);
	const char *body = db_text(result, 0, "body");
	if (status >= 400) {
		reply_problem_extra(req, status, db_text(result, 0, "code"), db_text(result, 0, "field"),
				    db_text(result, 0, "detail"), body);
	} else if (!body) {
		reply_empty(req, status);
	} else {
		struct buf filled = { 0 };
		presence_fill(req->worker, body, strlen(body), &filled);
		if (value && filled.len > 0) {
			filled.len--; /* the brace */
			buf_appendf(&filled, ", \"%s\": ", name);
			buf_append(&filled, value->data, value->len);
			buf_append_char(&filled, '}');
		}
		if (filled.failed)
			reply_problem(req, 500, "internal", NULL, NULL);
		else
			reply_json(req, status, (const char *)filled.data, filled.len);
		buf_fini(&filled);
	}
}
