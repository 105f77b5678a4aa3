/* Accounts and sign-ins: /accounts, /sessions, /me, /users. */
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/utf8.h"
#include "shm/limits.h"
#include "shm/stats.h"
#include "workers/answer.h"
#include "workers/auth.h"
#include "workers/events.h"
#include "workers/json.h"
#include "workers/login_limit.h"
#include "workers/password.h"
#include "workers/pool.h"
#include "workers/router.h"
#include "workers/worker.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define USERNAME_MIN	 3
#define USERNAME_MAX	 32
#define DISPLAY_NAME_MAX 64
#define SIGN_IN_NAME_MAX 64 /* what may be sent as a user name that nobody can have */
#define SEARCH_MAX	 64
#define USER_AGENT_MAX	 256
#define INVITE_MAX	 64

/* A sign-up or sign-in under way: waits for the database and for the pool. */
struct sign {
	struct request *req;
	const char *username, *display_name;
	char *password;
	size_t password_len;
	/* The pool's thread reads and writes these, and nothing else of the request. */
	const char *known_hash; /* sign-in: NULL when nobody has the name */
	char hash[PASSWORD_HASH_MAX];
	bool right;
	int err;
	const char *invite; /* SHA-256 in hex, or NULL */
	char user_id[ID_TEXT_LEN + 1];
	char token[AUTH_TOKEN_LEN + 1];
};

static void reply_internal(struct request *req)
{
	reply_problem(req, 500, "internal", NULL, NULL);
}

static void reply_overloaded(struct request *req)
{
	reply_retry(req, 503, "overloaded", "Too many people sign in at this moment; try again in a few seconds.", 2);
}

/* The password is needed no longer; it stands in the body and in its parsed copy. */
static void sign_wipe(struct sign *sign)
{
	struct request *req = sign->req;

	password_wipe(sign->password, sign->password_len);
	if (req->body_buf.data)
		password_wipe(req->body_buf.data, req->body_buf.len);
}

static struct sign *sign_new(struct request *req)
{
	struct sign *sign = arena_alloc(&req->arena, sizeof(*sign));

	if (!sign) {
		reply_internal(req);
		return NULL;
	}
	sign->req = req;
	return sign;
}

static void sign_submit(struct sign *sign, pool_work *work, pool_done *done)
{
	int err = pool_submit(sign->req->worker->pool, work, done, sign);

	if (err < 0) {
		sign_wipe(sign);
		reply_overloaded(sign->req);
	}
}

/* Names */

static bool username_is_valid(const char *name)
{
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == strlen(name);
}

/* No control characters, and something to be seen. */
static bool display_name_is_valid(const char *name)
{
	bool visible = false;

	for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
		if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0))
			return false;
		visible |= *c != ' ';
	}
	return visible;
}

static bool check_display_name(struct request *req, const char *name)
{
	if (display_name_is_valid(name))
		return true;
	reply_problem(req, 422, "invalid_field", "display_name",
		      "A display name has no control characters and is not blank.");
	return false;
}

/* POST /accounts */

static void hash_work(void *arg)
{
	struct sign *sign = arg;

	sign->err = password_hash(sign->password, sign->password_len, sign->hash);
}

static void on_hashed(void *arg, bool ran)
{
	struct sign *sign = arg;
	struct request *req = sign->req;
	struct id id = id_random();

	sign_wipe(sign);
	if (!ran || sign->err < 0) {
		reply_overloaded(req);
		return;
	}
	stat_add(&req->worker->counters->hashes, 1);
	const char *params[] = { id_format(&id, sign->user_id),
				 sign->username,
				 sign->display_name,
				 sign->hash,
				 sign->invite,
				 req->worker->conf.limits.signups == CONF_SIGNUPS_INVITE ? "t" : "f" };
	answer_from(req, "account_create", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static bool admit_sign_up(struct request *req, const char *invite)
{
	struct worker *worker = req->worker;
	uint8_t key[16];
	size_t len = auth_address_key(req, key);

	if (worker->conf.limits.signups == CONF_SIGNUPS_CLOSED) {
		reply_problem(req, 403, "signups_closed", NULL,
			      "This server takes no new accounts; whoever runs it may make one.");
		return false;
	}
	if (worker->conf.limits.signups == CONF_SIGNUPS_INVITE && !invite) {
		reply_problem(req, 403, "invite_required", "invite",
			      "An account needs an invitation here; whoever runs the server makes them.");
		return false;
	}
	return auth_admit(req, "signups", key, len, worker->conf.limits.signups_per_hour, 3600,
			  "Too many accounts were made from your address; try again later.");
}

/* Typed by hand: case, blanks and hyphens do not matter. */
static const char *invite_hash(struct request *req, const char *invite)
{
	char *hash = arena_alloc(&req->arena, 64 + 1);

	if (hash)
		auth_invite_hash(invite, hash);
	return hash;
}

static void post_accounts(struct request *req)
{
	const char *password = NULL, *invite = NULL;
	struct sign *sign;

	if (!auth_admit_address(req) || !auth_origin_allowed(req) || !(sign = sign_new(req)))
		return;
	const struct json_field fields[] = {
		{ "username", FIELD_STRING, true, USERNAME_MIN, USERNAME_MAX, &sign->username, NULL },
		{ "display_name", FIELD_STRING, true, 1, DISPLAY_NAME_MAX, &sign->display_name, NULL },
		{ "password", FIELD_STRING, true, req->worker->conf.limits.password_min, PASSWORD_MAX, &password,
		  NULL },
		{ "invite", FIELD_STRING, false, 1, INVITE_MAX, &invite, NULL },
	};
	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0)
		return;
	if (!username_is_valid(sign->username)) {
		reply_problem(req, 422, "invalid_field", "username",
			      "A user name is made of a-z, 0-9, '.', '_' and '-'.");
		return;
	}
	if (!check_display_name(req, sign->display_name))
		return;
	const char *problem = password_problem(password, sign->username, sign->display_name);
	if (problem) {
		reply_problem(req, 422, "invalid_field", "password", problem);
		return;
	}
	if (!admit_sign_up(req, invite))
		return;
	if (invite && !(sign->invite = invite_hash(req, invite))) {
		reply_internal(req);
		return;
	}
	/* The parsed text lives in the request's arena, which nobody else writes to. */
	sign->password = (char *)(uintptr_t)password;
	sign->password_len = strlen(password);
	sign_submit(sign, hash_work, on_hashed);
}

/* POST /sessions: throttle, look up, compare, write down. */

static void reply_bad_credentials(struct request *req)
{
	reply_problem(req, 401, "bad_credentials", NULL, "User name and password do not belong together.");
}

static void on_session(const struct db_result *result, void *arg)
{
	struct sign *sign = arg;
	struct request *req = sign->req;

	if (answer_failed(req, result))
		return;
	const char *body = result->rows > 0 ? db_text(result, 0, "body") : NULL;
	int status = result->rows > 0 ? (int)db_int(result, 0, "status", 500) : 500;
	if (status == 401) {
		reply_bad_credentials(req);
		return;
	}
	/* The database never sees the token: it is put in front. */
	char *json = body && *body == '{' ? arena_printf(&req->arena, "{\"token\": \"%s\", %s", sign->token, body + 1)
					  : NULL;
	if (status != 201 || !json) {
		reply_internal(req);
		return;
	}
	/* The oldest sign-in may have ended for this one. */
	answer_tell(req->worker, result);
	auth_set_cookie(req, sign->token);
	reply_json(req, 201, json, strlen(json));
}

/* What the device calls itself, as far as it is text. */
static const char *user_agent(struct request *req)
{
	const char *text = request_header(req, "user-agent");
	size_t len = text ? strlen(text) : 0;

	if (len == 0 || !utf8_valid(text, len))
		return NULL;
	if (len > USER_AGENT_MAX) {
		len = USER_AGENT_MAX;
		while (len > 0 && (text[len] & 0xc0) == 0x80)
			len--;
	}
	return arena_strndup(&req->arena, text, len);
}

static void verify_work(void *arg)
{
	struct sign *sign = arg;

	sign->right = password_verify(sign->known_hash, sign->password, sign->password_len);
}

/* Guesses at names that nobody has are in the log only. */
static void audit_failure(struct sign *sign)
{
	struct request *req = sign->req;
	const char *user = sign->known_hash ? sign->user_id : NULL;
	const char *params[] = { user, "sign-in-failed", user, auth_address_text(req), NULL };

	log_info("audit: sign-in-failed user=%s address=%s", user ? user : "-", auth_address_text(req));
	if (user)
		db_exec(req->worker->db, "audit_add", 0, params, ARRAY_LEN(params), NULL, NULL);
}

static void on_verified(void *arg, bool ran)
{
	struct sign *sign = arg;
	struct request *req = sign->req;
	struct id id = id_random();
	char id_text[ID_TEXT_LEN + 1], token_hash[64 + 1];

	sign_wipe(sign);
	if (!ran) {
		reply_overloaded(req);
		return;
	}
	stat_add(&req->worker->counters->hashes, 1);
	if (!sign->right) {
		login_limit_failed(req, sign->username);
		audit_failure(sign);
		reply_bad_credentials(req);
		return;
	}
	login_limit_passed(req, sign->username);
	auth_token_new(sign->token, token_hash);
	const char *params[] = { sign->user_id, sign->known_hash, id_format(&id, id_text),
				 token_hash,	user_agent(req),  auth_address_text(req) };
	log_info("audit: sign-in user=%s address=%s", sign->user_id, auth_address_text(req));
	int err = db_exec(req->worker->db, "session_create", 0, params, ARRAY_LEN(params), on_session, sign);
	if (err < 0)
		answer_failed(req, &(struct db_result){ .error = DB_LOST });
}

static void on_login_found(const struct db_result *result, void *arg)
{
	struct sign *sign = arg;
	struct request *req = sign->req;

	if (result->error != DB_OK)
		sign_wipe(sign);
	if (answer_failed(req, result))
		return;
	if (result->rows > 0) {
		snprintf(sign->user_id, sizeof(sign->user_id), "%s", db_text(result, 0, "user_id"));
		sign->known_hash = arena_strdup(&req->arena, db_text(result, 0, "password"));
	}
	sign_submit(sign, verify_work, on_verified);
}

static void post_sessions(struct request *req)
{
	const char *username = NULL, *password = NULL;
	struct sign *sign;

	if (!auth_admit_address(req) || !auth_origin_allowed(req) || !(sign = sign_new(req)))
		return;
	const struct json_field fields[] = {
		{ "username", FIELD_STRING, true, 1, SIGN_IN_NAME_MAX, &username, NULL },
		{ "password", FIELD_STRING, true, 1, PASSWORD_MAX, &password, NULL },
	};
	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0)
		return;
	char *name = arena_strdup(&req->arena, username);
	if (!name) {
		reply_internal(req);
		return;
	}
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	sign->username = name;
	sign->password = (char *)(uintptr_t)password;
	sign->password_len = strlen(password);
	if (!login_limit_admit(req, sign->username))
		return;
	const char *params[] = { sign->username };
	int err = db_exec(req->worker->db, "login_find", DB_IDEMPOTENT, params, 1, on_login_found, sign);
	if (err < 0) {
		sign_wipe(sign);
		answer_failed(req, &(struct db_result){ .error = DB_LOST });
	}
}

/* GET and DELETE /sessions */

static void get_sessions(struct request *req)
{
	char user[ID_TEXT_LEN + 1], session[ID_TEXT_LEN + 1];
	const char *params[] = { id_format(&req->auth.user_id, user), id_format(&req->auth.session_id, session) };

	answer_from(req, "sessions", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void on_session_deleted(const struct db_result *result, void *arg)
{
	struct request *req = arg;
	const struct id *session = req->state;

	int status = result->error == DB_OK && result->rows > 0 ? (int)db_int(result, 0, "status", 0) : 0;
	bool own = id_equal(session, &req->auth.session_id);

	if (status == 204)
		events_close_session(req->worker->events, &req->auth.user_id, session);
	if (own && req->auth.kind == AUTH_COOKIE && (status == 204 || status == 404))
		auth_set_cookie(req, NULL);
	/* Of two requests that sign out at once, the later one finds it done. */
	if (own && status == 404)
		reply_empty(req, 204);
	else
		answer_send(result, req);
}

static void session_delete(struct request *req, const struct id *session_id)
{
	char user[ID_TEXT_LEN + 1], session[ID_TEXT_LEN + 1];
	const char *params[] = { id_format(&req->auth.user_id, user), id_format(session_id, session) };
	struct id *kept = arena_alloc(&req->arena, sizeof(*kept));

	if (!kept) {
		reply_internal(req);
		return;
	}
	*kept = *session_id;
	req->state = kept;
	answer_exec(req, "session_delete", 0, params, ARRAY_LEN(params), on_session_deleted);
}

static void get_me(struct request *req);

/* Who is signed in, for a page that has just been opened. */
static void get_current_session(struct request *req)
{
	static const char nobody[] = "{\"user\":null}";

	if (req->auth.kind == AUTH_NONE)
		reply_json(req, 200, nobody, sizeof(nobody) - 1);
	else
		get_me(req);
}

static void delete_current_session(struct request *req)
{
	session_delete(req, &req->auth.session_id);
}

static void delete_session(struct request *req)
{
	struct id session;

	if (id_parse(req->param[0], strlen(req->param[0]), &session) < 0)
		reply_problem(req, 404, "not_found", NULL, "There is no such sign-in of yours.");
	else
		session_delete(req, &session);
}

/* /me */

static void get_me(struct request *req)
{
	char user[ID_TEXT_LEN + 1];
	const char *params[] = { id_format(&req->auth.user_id, user) };

	answer_from(req, "me", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static bool status_is_valid(const char *status)
{
	static const char *const words[] = { "available", "away", "do_not_disturb" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(status, words[i]) == 0)
			return true;
	}
	return false;
}

static void patch_me(struct request *req)
{
	const char *display_name = NULL, *status = NULL;
	const struct json_field fields[] = {
		{ "display_name", FIELD_STRING, false, 1, DISPLAY_NAME_MAX, &display_name, NULL },
		{ "status", FIELD_STRING, false, 0, 0, &status, NULL },
	};
	char user[ID_TEXT_LEN + 1];

	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0)
		return;
	if (display_name && !check_display_name(req, display_name))
		return;
	if (status && !status_is_valid(status)) {
		reply_problem(req, 422, "invalid_field", "status",
			      "status is one of available, away and do_not_disturb.");
		return;
	}
	const char *params[] = { id_format(&req->auth.user_id, user), display_name, status };
	answer_from(req, "me_update", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

/* GET /users?q= */

static bool search_is_valid(const char *q)
{
	size_t len = q ? strlen(q) : 0, characters = 0;

	if (len == 0 || !utf8_valid(q, len))
		return false;
	for (size_t i = 0; i < len; i++)
		characters += (q[i] & 0xc0) != 0x80;
	return characters <= SEARCH_MAX;
}

static void get_users(struct request *req)
{
	const char *q = request_query(req, "q");
	char user[ID_TEXT_LEN + 1];

	if (!search_is_valid(q)) {
		reply_problem(req, 422, "invalid_field", "q",
			      "q must have 1 to 64 characters; it is what to look for.");
		return;
	}
	const char *params[] = { id_format(&req->auth.user_id, user), q };
	answer_from(req, "users_search", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

const struct route api_accounts_routes[] = {
	{ HTTP_POST, "/api/v1/accounts", ROUTE_PUBLIC, BODY_JSON, 0, post_accounts },
	{ HTTP_POST, "/api/v1/sessions", ROUTE_PUBLIC, BODY_JSON, 0, post_sessions },
	{ HTTP_GET, "/api/v1/sessions", ROUTE_USER, BODY_NONE, 0, get_sessions },
	{ HTTP_GET, "/api/v1/sessions/current", ROUTE_ANYBODY, BODY_NONE, 0, get_current_session },
	{ HTTP_DELETE, "/api/v1/sessions/current", ROUTE_USER, BODY_NONE, 0, delete_current_session },
	{ HTTP_DELETE, "/api/v1/sessions/{session_id}", ROUTE_USER, BODY_NONE, 0, delete_session },
	{ HTTP_GET, "/api/v1/me", ROUTE_USER, BODY_NONE, 0, get_me },
	{ HTTP_PATCH, "/api/v1/me", ROUTE_USER, BODY_JSON, 0, patch_me },
	{ HTTP_GET, "/api/v1/users", ROUTE_USER, BODY_NONE, 0, get_users },
	{ 0 },
};
