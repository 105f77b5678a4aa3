#include "workers/admin_api.h"

#include "lib/log.h"
#include "workers/answer.h"
#include "workers/auth.h"
#include "workers/json.h"
#include "workers/password.h"
#include "workers/pool.h"
#include "workers/router.h"
#include "workers/worker.h"

#include <stdio.h>
#include <string.h>

#define PREFIX	     "/admin/v1/"
#define NAME_MAX_LEN 64
#define USES_MAX     10000
#define DAYS_MAX     3650
#define NOTE_MAX     200

static void reply_internal(struct request *req)
{
	reply_problem(req, 500, "internal", NULL, NULL);
}

/* Accounts */

/* An account to be made (username NULL: a password to be set) waits for the pool. */
struct secret {
	struct request *req;
	const char *name, *display_name;
	char *password;
	bool makes;
	char hash[PASSWORD_HASH_MAX];
	int err;
};

static void secret_work(void *arg)
{
	struct secret *secret = arg;

	secret->err = password_hash(secret->password, strlen(secret->password), secret->hash);
}

static void on_hashed(void *arg, bool ran)
{
	struct secret *secret = arg;
	struct request *req = secret->req;
	struct id id = id_random();
	char text[ID_TEXT_LEN + 1];

	password_wipe(secret->password, strlen(secret->password));
	if (req->body_buf.data)
		password_wipe(req->body_buf.data, req->body_buf.len);
	if (!ran || secret->err < 0) {
		reply_retry(req, 503, "overloaded",
			    "The server has too much to do at this moment; try again in a few seconds.", 2);
		return;
	}
	if (secret->makes) {
		const char *params[] = { id_format(&id, text), secret->name, secret->display_name, secret->hash };
		answer_from(req, "admin_user_create", 0, params, ARRAY_LEN(params));
	} else {
		const char *params[] = { secret->name, secret->hash };
		answer_from(req, "admin_user_password", DB_IDEMPOTENT, params, ARRAY_LEN(params));
	}
}

static void secret_submit(struct request *req, bool makes, const char *name, const char *display_name,
			  const char *password)
{
	struct secret *secret = arena_alloc(&req->arena, sizeof(*secret));

	if (!secret) {
		reply_internal(req);
		return;
	}
	*secret = (struct secret){ .req = req,
				   .name = name,
				   .display_name = display_name,
				   .password = (char *)(uintptr_t)password,
				   .makes = makes };
	if (pool_submit(req->worker->pool, secret_work, on_hashed, secret) < 0)
		reply_retry(req, 503, "overloaded",
			    "The server has too much to do at this moment; try again in a few seconds.", 2);
}

static void get_users(struct request *req)
{
	const char *params[] = { request_query(req, "q") };

	answer_from(req, "admin_users", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void post_user(struct request *req)
{
	const char *name = NULL, *display_name = NULL, *password = NULL;
	const struct json_field fields[] = {
		{ "username", FIELD_STRING, true, 3, 32, &name, NULL },
		{ "display_name", FIELD_STRING, true, 1, NAME_MAX_LEN, &display_name, NULL },
		{ "password", FIELD_STRING, true, req->worker->conf.limits.password_min, PASSWORD_MAX, &password,
		  NULL },
	};

	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0)
		return;
	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != strlen(name)) {
		reply_problem(req, 422, "invalid_field", "username",
			      "A user name is made of a-z, 0-9, '.', '_' and '-'.");
		return;
	}
	secret_submit(req, true, name, display_name, password);
}

static void patch_user(struct request *req)
{
	bool disabled = false;
	const struct json_field fields[] = { { "disabled", FIELD_BOOL, true, 0, 0, &disabled, NULL } };

	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0)
		return;
	const char *params[] = { req->param[0], disabled ? "t" : "f" };
	answer_from(req, "admin_user_disable", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void put_user_password(struct request *req)
{
	const char *password = NULL;
	const struct json_field fields[] = {
		{ "password", FIELD_STRING, true, req->worker->conf.limits.password_min, PASSWORD_MAX, &password,
		  NULL },
	};

	if (request_fields(req, fields, ARRAY_LEN(fields)) == 0)
		secret_submit(req, false, req->param[0], NULL, password);
}

static void delete_user(struct request *req)
{
	const char *params[] = { req->param[0] };

	answer_from(req, "admin_user_delete", 0, params, ARRAY_LEN(params));
}

/* Invitations */

static void get_invites(struct request *req)
{
	answer_from(req, "admin_invites", DB_IDEMPOTENT, NULL, 0);
}

static void on_invite(const struct db_result *result, void *arg)
{
	struct request *req = arg;
	const char *code = req->state;
	const char *body = result->error == DB_OK && result->rows > 0 ? db_text(result, 0, "body") : NULL;

	if (answer_failed(req, result))
		return;
	/* The database never sees the code: it is put in front. */
	char *json = body && *body == '{' ? arena_printf(&req->arena, "{\"code\": \"%s\", %s", code, body + 1) : NULL;
	if (json)
		reply_json(req, 201, json, strlen(json));
	else
		reply_internal(req);
}

static void post_invite(struct request *req)
{
	int64_t uses = 1, days = 0;
	const char *note = NULL;
	bool has_days = false;
	const struct json_field fields[] = {
		{ "uses", FIELD_INT, false, 1, USES_MAX, &uses, NULL },
		{ "days", FIELD_INT, false, 1, DAYS_MAX, &days, &has_days },
		{ "note", FIELD_STRING, false, 1, NOTE_MAX, &note, NULL },
	};
	struct id id = id_random();
	char id_text[ID_TEXT_LEN + 1], hash[64 + 1], uses_text[24], days_text[24];
	char *code = arena_alloc(&req->arena, AUTH_INVITE_LEN + 1);

	if (!code) {
		reply_internal(req);
		return;
	}
	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0)
		return;
	auth_invite_new(code);
	auth_invite_hash(code, hash);
	snprintf(uses_text, sizeof(uses_text), "%lld", (long long)uses);
	snprintf(days_text, sizeof(days_text), "%lld", (long long)days);
	req->state = code;
	const char *params[] = { id_format(&id, id_text), hash, uses_text, has_days ? days_text : NULL, note };
	answer_exec(req, "admin_invite_create", 0, params, ARRAY_LEN(params), on_invite);
}

/* What names something by its id; 404 when it is none. */
static void by_id(struct request *req, const char *statement, unsigned flags)
{
	struct id id;
	char text[ID_TEXT_LEN + 1];
	const char *params[] = { text };

	if (id_parse(req->param[0], strlen(req->param[0]), &id) < 0) {
		reply_problem(req, 404, "not_found", NULL, "There is nothing of this id.");
		return;
	}
	id_format(&id, text);
	answer_from(req, statement, flags, params, ARRAY_LEN(params));
}

static void delete_invite(struct request *req)
{
	by_id(req, "admin_invite_delete", 0);
}

/* Calls, stream links, audit */

static void get_calls(struct request *req)
{
	const char *params[] = { NULL };

	answer_from(req, "admin_calls", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void get_call(struct request *req)
{
	by_id(req, "admin_calls", DB_IDEMPOTENT);
}

static void post_call_end(struct request *req)
{
	by_id(req, "admin_call_end", 0);
}

static void get_streams(struct request *req)
{
	answer_from(req, "admin_streams", DB_IDEMPOTENT, NULL, 0);
}

static void delete_stream(struct request *req)
{
	by_id(req, "admin_stream_delete", 0);
}

static void get_audit(struct request *req)
{
	answer_from(req, "admin_audit", DB_IDEMPOTENT, NULL, 0);
}

/* Dispatch */

static const struct {
	enum http_method method;
	const char *collection, *action; /* /admin/v1/COLLECTION[/ID[/ACTION]]; action NULL: none */
	bool has_id, has_body;
	void (*handler)(struct request *req);
} operations[] = {
	{ HTTP_GET, "users", NULL, false, false, get_users },
	{ HTTP_POST, "users", NULL, false, true, post_user },
	{ HTTP_PATCH, "users", NULL, true, true, patch_user },
	{ HTTP_DELETE, "users", NULL, true, false, delete_user },
	{ HTTP_PUT, "users", "password", true, true, put_user_password },
	{ HTTP_GET, "invites", NULL, false, false, get_invites },
	{ HTTP_POST, "invites", NULL, false, true, post_invite },
	{ HTTP_DELETE, "invites", NULL, true, false, delete_invite },
	{ HTTP_GET, "calls", NULL, false, false, get_calls },
	{ HTTP_GET, "calls", NULL, true, false, get_call },
	{ HTTP_POST, "calls", "end", true, false, post_call_end },
	{ HTTP_GET, "streams", NULL, false, false, get_streams },
	{ HTTP_DELETE, "streams", NULL, true, false, delete_stream },
	{ HTTP_GET, "audit", NULL, false, false, get_audit },
};

/* "localhost", "127.0.0.1:9464", "[::1]:9464": a page that a browser loaded from elsewhere names another host. */
static bool host_is_local(const char *host)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t len = strlen(names[i]);
		if (strncasecmp(host, names[i], len) == 0 && (host[len] == 0 || host[len] == ':'))
			return true;
	}
	return false;
}

static void run(struct request *req, size_t i)
{
	static const char *const verbs[] = {
		[HTTP_POST] = "POST", [HTTP_PUT] = "PUT", [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE"
	};

	if (operations[i].has_body && strcmp(request_content_type(req), "application/json") != 0) {
		reply_problem(req, 415, "unsupported_media_type", NULL, "The body must be application/json.");
		return;
	}
	if (!operations[i].has_body && req->body_len > 0) {
		reply_problem(req, 415, "unsupported_media_type", NULL, "This operation takes no body; send none.");
		return;
	}
	if (operations[i].method != HTTP_GET)
		log_info("audit: admin %s %s", verbs[req->method], req->target);
	operations[i].handler(req);
}

bool admin_api_dispatch(struct request *req)
{
	char *part[3] = { NULL }, *at;
	size_t parts = 0;
	enum http_method method = req->method == HTTP_HEAD ? HTTP_GET : req->method;
	unsigned allowed = 0; /* set of methods that the path has */

	if (strncmp(req->path, PREFIX, strlen(PREFIX)) != 0)
		return false;
	if (request_header(req, "origin") || request_header(req, "sec-fetch-site") || !host_is_local(req->host)) {
		reply_problem(req, 403, "forbidden", NULL,
			      "This is not for browsers: Host has to be this machine's loopback, and Origin and "
			      "Sec-Fetch-Site absent.");
		return true;
	}
	at = arena_strdup(&req->arena, req->path + strlen(PREFIX));
	for (char *word = at ? strtok_r(at, "/", &at) : NULL; word; word = strtok_r(NULL, "/", &at)) {
		if (parts == ARRAY_LEN(part))
			return false;
		part[parts++] = word;
	}
	for (size_t i = 0; parts > 0 && i < ARRAY_LEN(operations); i++) {
		size_t want = 1 + operations[i].has_id + (operations[i].action != NULL);
		if (want != parts || strcmp(operations[i].collection, part[0]) != 0 ||
		    (operations[i].action && strcmp(operations[i].action, part[2]) != 0))
			continue;
		allowed |= 1u << operations[i].method;
		if (operations[i].method != method)
			continue;
		req->param[0] = part[1];
		run(req, i);
		return true;
	}
	if (allowed)
		router_reply_not_allowed(req, allowed);
	return allowed != 0;
}
