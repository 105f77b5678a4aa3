/* Calls: /calls. The state machine is in sql/0005_calls.sql and 0009_group_calls.sql; here requests are checked and
 * passed on. */
#include "shm/directory.h"
#include "workers/answer.h"
#include "workers/call_request.h"
#include "workers/json.h"
#include "workers/router.h"
#include "workers/worker.h"

#include <stdio.h>
#include <string.h>

#define INVITE_MAX	  1000
#define RINGING_ARENA_MAX (16u << 20)
#define UNIQUE_VIOLATION  "23505" /* SQLSTATE */

static const char *number(struct request *req, unsigned n)
{
	return arena_printf(&req->arena, "%u", n);
}

/* "{id,id}" for PostgreSQL; NULL: req was answered, because somebody is there twice or is the caller. */
static const char *invite_text(struct request *req, const struct json_ids *invite)
{
	struct buf list = { 0 };
	char text[ID_TEXT_LEN + 1];
	const char *wrong = NULL;

	buf_append_char(&list, '{');
	for (size_t i = 0; i < invite->len && !wrong; i++) {
		if (id_equal(&invite->item[i], &req->auth.user_id))
			wrong = "Nobody can call themselves.";
		for (size_t j = 0; j < i && !wrong; j++) {
			if (id_equal(&invite->item[i], &invite->item[j]))
				wrong = "invite must not hold anybody twice.";
		}
		buf_appendf(&list, "%s%s", i ? "," : "", id_format(&invite->item[i], text));
	}
	buf_append(&list, "}", 2);
	char *copy = list.failed ? NULL : arena_strdup(&req->arena, (const char *)list.data);
	buf_fini(&list);
	if (wrong)
		reply_problem(req, 422, "invalid_field", "invite", wrong);
	else if (!copy)
		reply_problem(req, 500, "internal", NULL, NULL);
	return wrong ? NULL : copy;
}

/* Whether that member of the event's call rings: others hear of it as well. */
static bool rings_for(const struct json *event, const struct json *user)
{
	const struct json *call = json_get(event, "call");
	const struct json *members = call ? json_get(call, "members") : NULL;

	for (const struct json *m = members ? members->list.first : NULL; m; m = m->next) {
		const struct json *who = json_get(m, "user"), *state = json_get(m, "state");
		const struct json *id = who ? json_get(who, "id") : NULL;
		if (id && id->type == JSON_STRING && user->type == JSON_STRING && state && state->type == JSON_STRING &&
		    strcmp(id->string.text, user->string.text) == 0)
			return strcmp(state->string.text, "ringing") == 0;
	}
	return false;
}

/* Of one entry of the notify column: those whom its call.ringing reaches, and on how many devices. Who is not
 * connected, or does not want to hear of the caller, is not named: the two look the same. */
static void ringing_of(const struct worker *worker, const struct json *item, struct json_out *o)
{
	const struct json *event = json_get(item, "event"), *to = json_get(item, "to");
	const struct json *type = event ? json_get(event, "type") : NULL;

	if (!to || to->type != JSON_ARRAY || !type || type->type != JSON_STRING ||
	    strcmp(type->string.text, "call.ringing") != 0)
		return;
	for (const struct json *user = to->list.first; user; user = user->next) {
		struct id id;
		if (!rings_for(event, user) || id_parse(user->string.text, user->string.len, &id) < 0)
			continue;
		unsigned devices = directory_devices(worker->directory, &id);
		if (devices == 0)
			continue;
		json_out_object(o, NULL);
		json_out_id(o, "user_id", &id);
		json_out_int(o, "devices", devices);
		json_out_object_end(o);
	}
}

/* The call, and where it rings because of this request. */
static void answer_ringing(const struct db_result *result, void *arg)
{
	struct request *req = arg;
	const char *notify = result->error == DB_OK && result->rows > 0 ? db_text(result, 0, "notify") : NULL;
	struct arena arena = { .limit = RINGING_ARENA_MAX };
	struct buf ringing = { 0 };
	struct json_error error = { 0 };
	struct json *doc;
	struct json_out o;

	json_out_init(&o, &ringing);
	json_out_array(&o, NULL);
	if (notify && json_parse(&arena, notify, strlen(notify), &doc, &error) == 0 && doc->type == JSON_ARRAY) {
		for (const struct json *item = doc->list.first; item; item = item->next)
			ringing_of(req->worker, item, &o);
	}
	json_out_array_end(&o);
	answer_send_with(result, req, "ringing", ringing.failed ? NULL : &ringing);
	buf_fini(&ringing);
	arena_fini(&arena);
}

/* Somebody else makes a call of the same id at this moment: the database says so by an error. */
static void on_created(const struct db_result *result, void *arg)
{
	if (result->error == DB_ERROR && strcmp(result->sqlstate, UNIQUE_VIOLATION) == 0)
		reply_problem(arg, 422, "invalid_field", "id", "This id is taken; make a random one.");
	else
		answer_ringing(result, arg);
}

static void post_calls(struct request *req)
{
	const struct worker *worker = req->worker;
	struct json_ids invite = { 0 };
	struct id call = id_random();
	bool video = true;
	const struct json_field fields[] = {
		{ "id", FIELD_ID, false, 0, 0, &call, NULL },
		{ "invite", FIELD_IDS, true, 1, INVITE_MAX, &invite, NULL },
		{ "video", FIELD_BOOL, false, 0, 0, &video, NULL },
	};
	char me[ID_TEXT_LEN + 1], sign_in[ID_TEXT_LEN + 1], id[ID_TEXT_LEN + 1];

	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0)
		return;
	if (worker->conf.limits.call_members && invite.len + 1 > worker->conf.limits.call_members) {
		char detail[80];
		snprintf(detail, sizeof(detail), "A call has at most %u members.", worker->conf.limits.call_members);
		reply_problem(req, 422, "invalid_field", "invite", detail);
		return;
	}
	const char *people = invite_text(req, &invite);
	if (!people)
		return;
	const char *params[] = {
		id_format(&req->auth.user_id, me),
		id_format(&req->auth.session_id, sign_in),
		id_format(&call, id),
		people,
		call_truth(true, video),
		number(req, worker->conf.calls.ring_timeout_s),
		number(req, worker->conf.calls.reconnect_grace_s),
	};
	answer_exec(req, "call_create", DB_IDEMPOTENT, params, ARRAY_LEN(params), on_created);
}

static void get_calls(struct request *req)
{
	const char *before = request_query(req, "before");
	char me[ID_TEXT_LEN + 1], before_text[ID_TEXT_LEN + 1];
	struct id id;

	if (before && id_parse(before, strlen(before), &id) < 0) {
		reply_problem(req, 422, "invalid_field", "before", "This is not the `next` of a page of this list.");
		return;
	}
	const char *params[] = { id_format(&req->auth.user_id, me), before ? id_format(&id, before_text) : NULL };
	answer_from(req, "calls", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void get_call(struct request *req)
{
	struct call_who who;

	if (!call_who_read(req, &who))
		return;
	const char *params[] = { who.me, who.call };
	answer_from(req, "call_get", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void post_answer(struct request *req)
{
	struct call_who who;

	if (request_fields(req, NULL, 0) < 0 || !call_who_read(req, &who))
		return;
	const char *params[] = { who.me, who.sign_in, who.call };
	answer_from(req, "call_answer", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void post_decline(struct request *req)
{
	struct call_who who;

	if (request_fields(req, NULL, 0) < 0 || !call_who_read(req, &who))
		return;
	const char *params[] = { who.me, who.sign_in, who.call };
	answer_from(req, "call_decline", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void post_leave(struct request *req)
{
	struct call_who who;

	if (request_fields(req, NULL, 0) < 0 || !call_who_read(req, &who))
		return;
	const char *params[] = { who.me, who.call };
	answer_from(req, "call_leave", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void post_end(struct request *req)
{
	struct call_who who;

	if (request_fields(req, NULL, 0) < 0 || !call_who_read(req, &who))
		return;
	const char *params[] = { who.me, who.call };
	answer_from(req, "call_end", 0, params, ARRAY_LEN(params));
}

static void post_invite(struct request *req)
{
	const struct worker *worker = req->worker;
	struct json_ids invite = { 0 };
	const struct json_field fields[] = {
		{ "invite", FIELD_IDS, true, 1, INVITE_MAX, &invite, NULL },
	};
	struct call_who who;

	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0 || !call_who_read(req, &who))
		return;
	const char *people = invite_text(req, &invite);
	if (!people)
		return;
	const char *params[] = { who.me, who.call, people, number(req, worker->conf.calls.ring_timeout_s),
				 number(req, worker->conf.limits.call_members) };
	answer_exec(req, "call_invite", DB_IDEMPOTENT, params, ARRAY_LEN(params), answer_ringing);
}

static void patch_own_member(struct request *req)
{
	const struct json *muted_object = NULL;
	bool paused = false, hand = false, sharing = false;
	bool has_paused = false, has_hand = false, has_sharing = false;
	const struct json_field fields[] = {
		{ "muted", FIELD_OBJECT, false, 0, 0, &muted_object, NULL },
		{ "paused", FIELD_BOOL, false, 0, 0, &paused, &has_paused },
		{ "hand", FIELD_BOOL, false, 0, 0, &hand, &has_hand },
		{ "sharing", FIELD_BOOL, false, 0, 0, &sharing, &has_sharing },
	};
	struct call_muted muted;
	struct call_who who;

	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0 || !call_muted_read(req, muted_object, &muted) ||
	    !call_who_read(req, &who))
		return;
	const char *params[] = {
		who.me,
		who.call,
		call_truth(has_paused, paused),
		call_truth(muted.has_audio, muted.audio),
		call_truth(muted.has_video, muted.video),
		call_truth(has_hand, hand),
		call_truth(has_sharing, sharing),
	};
	answer_from(req, "member_update", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

/* What whoever started the call may do */

static void patch_call(struct request *req)
{
	bool locked = false, has_locked = false;
	const struct json_field fields[] = {
		{ "locked", FIELD_BOOL, false, 0, 0, &locked, &has_locked },
	};
	struct call_who who;

	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0 || !call_who_read(req, &who))
		return;
	if (!has_locked) {
		reply_problem(req, 422, "invalid_field", "locked", "locked is missing: true or false.");
		return;
	}
	const char *params[] = { who.me, who.call, call_truth(true, locked) };
	answer_from(req, "call_update", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

/* The person of the path; false: 404 was answered. */
static bool whom_read(struct request *req, char ret_text[ID_TEXT_LEN + 1])
{
	struct id user;

	if (id_parse(req->param[1], strlen(req->param[1]), &user) < 0) {
		reply_problem(req, 404, "not_found", NULL, "There is no such member of this call.");
		return false;
	}
	id_format(&user, ret_text);
	return true;
}

static void patch_member(struct request *req)
{
	const struct json *muted_object = NULL;
	const struct json_field fields[] = {
		{ "muted", FIELD_OBJECT, true, 0, 0, &muted_object, NULL },
	};
	char whom[ID_TEXT_LEN + 1];
	struct call_muted muted;
	struct call_who who;

	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0 || !call_muted_read(req, muted_object, &muted) ||
	    !call_who_read(req, &who) || !whom_read(req, whom))
		return;
	if ((muted.has_audio && !muted.audio) || (muted.has_video && !muted.video)) {
		reply_problem(req, 422, "invalid_field",
			      muted.has_audio && !muted.audio ? "muted.audio" : "muted.video",
			      "Only they themselves can turn it on again.");
		return;
	}
	const char *params[] = { who.me, who.call, whom, call_truth(true, muted.audio), call_truth(true, muted.video) };
	answer_from(req, "member_mute", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void delete_member(struct request *req)
{
	char whom[ID_TEXT_LEN + 1];
	struct call_who who;

	if (!call_who_read(req, &who) || !whom_read(req, whom))
		return;
	const char *params[] = { who.me, who.call, whom };
	answer_from(req, "member_remove", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

const struct route api_calls_routes[] = {
	{ HTTP_POST, "/api/v1/calls", ROUTE_USER, BODY_JSON, 0, post_calls },
	{ HTTP_GET, "/api/v1/calls", ROUTE_USER, BODY_NONE, 0, get_calls },
	{ HTTP_GET, "/api/v1/calls/{call_id}", ROUTE_USER, BODY_NONE, 0, get_call },
	{ HTTP_POST, "/api/v1/calls/{call_id}/answer", ROUTE_USER, BODY_JSON_OPTIONAL, 0, post_answer },
	{ HTTP_POST, "/api/v1/calls/{call_id}/decline", ROUTE_USER, BODY_JSON_OPTIONAL, 0, post_decline },
	{ HTTP_POST, "/api/v1/calls/{call_id}/leave", ROUTE_USER, BODY_JSON_OPTIONAL, 0, post_leave },
	{ HTTP_POST, "/api/v1/calls/{call_id}/end", ROUTE_USER, BODY_JSON_OPTIONAL, 0, post_end },
	{ HTTP_POST, "/api/v1/calls/{call_id}/invite", ROUTE_USER, BODY_JSON, 0, post_invite },
	{ HTTP_PATCH, "/api/v1/calls/{call_id}/members/me", ROUTE_USER, BODY_JSON, 0, patch_own_member },
	{ HTTP_PATCH, "/api/v1/calls/{call_id}", ROUTE_USER, BODY_JSON, 0, patch_call },
	{ HTTP_PATCH, "/api/v1/calls/{call_id}/members/{user_id}", ROUTE_USER, BODY_JSON, 0, patch_member },
	{ HTTP_DELETE, "/api/v1/calls/{call_id}/members/{user_id}", ROUTE_USER, BODY_NONE, 0, delete_member },
	{ 0 },
};
