/* What one does with the own account, beyond name and status: password, picture, export, end. */
#include "lib/clock.h"
#include "shm/limits.h"
#include "shm/stats.h"
#include "workers/answer.h"
#include "workers/auth.h"
#include "workers/json.h"
#include "workers/login_limit.h"
#include "workers/password.h"
#include "workers/picture.h"
#include "workers/pool.h"
#include "workers/router.h"
#include "workers/worker.h"

#include <string.h>

#define PICTURE_BYTES_MAX  (5u << 20)
#define EXPORTS_PER_MINUTE 6
#define NAME_SUFFIX	   ".webp"
#define HEX_STEP	   64 /* what hex_parse() takes */

static void reply_internal(struct request *req)
{
	reply_problem(req, 500, "internal", NULL, NULL);
}

static void reply_overloaded(struct request *req)
{
	reply_retry(req, 503, "overloaded", "The server has too much to do at this moment; try again in a few seconds.",
		    2);
}

/* With the own password: changing it, deleting the account */

struct proof {
	struct request *req;
	char *current, *wanted; /* wanted NULL: the account is to be deleted */
	char user[ID_TEXT_LEN + 1], session[ID_TEXT_LEN + 1];
	/* The pool's thread reads and writes these, and nothing else of the request. */
	const char *known_hash;
	char new_hash[PASSWORD_HASH_MAX];
	bool right;
	int err;
};

static void proof_wipe(struct proof *proof)
{
	struct request *req = proof->req;

	password_wipe(proof->current, strlen(proof->current));
	if (proof->wanted)
		password_wipe(proof->wanted, strlen(proof->wanted));
	if (req->body_buf.data)
		password_wipe(req->body_buf.data, req->body_buf.len);
}

static void proof_work(void *arg)
{
	struct proof *proof = arg;

	proof->right = password_verify(proof->known_hash, proof->current, strlen(proof->current));
	if (proof->right && proof->wanted)
		proof->err = password_hash(proof->wanted, strlen(proof->wanted), proof->new_hash);
}

static void on_deleted(const struct db_result *result, void *arg)
{
	struct request *req = arg;

	if (result->error == DB_OK && result->rows > 0 && db_int(result, 0, "status", 0) == 204 &&
	    req->auth.kind == AUTH_COOKIE)
		auth_set_cookie(req, NULL);
	answer_send(result, req);
}

static void on_proven(void *arg, bool ran)
{
	struct proof *proof = arg;
	struct request *req = proof->req;
	bool deletes = !proof->wanted;

	proof_wipe(proof);
	if (!ran || proof->err < 0) {
		reply_overloaded(req);
		return;
	}
	stat_add(&req->worker->counters->hashes, 1);
	if (!proof->right) {
		login_limit_failed(req, proof->user);
		reply_problem(req, 403, "wrong_password", deletes ? "password" : "current",
			      "This is not your password.");
		return;
	}
	login_limit_passed(req, proof->user);
	if (deletes) {
		const char *params[] = { proof->user, proof->known_hash };
		answer_exec(req, "account_delete", 0, params, ARRAY_LEN(params), on_deleted);
	} else {
		const char *params[] = { proof->user, proof->session, proof->known_hash, proof->new_hash };
		answer_from(req, "password_change", DB_IDEMPOTENT, params, ARRAY_LEN(params));
	}
}

static void on_password_of(const struct db_result *result, void *arg)
{
	struct request *req = arg;
	struct proof *proof = req->state;

	if (result->error != DB_OK || result->rows == 0) {
		proof_wipe(proof);
		if (!answer_failed(req, result))
			reply_internal(req);
		return;
	}
	const char *problem = proof->wanted ? password_problem(proof->wanted, db_text(result, 0, "username"),
							       db_text(result, 0, "display_name"))
					    : NULL;
	proof->known_hash = arena_strdup(&req->arena, db_text(result, 0, "password"));
	if (problem) {
		proof_wipe(proof);
		reply_problem(req, 422, "invalid_field", "new", problem);
	} else if (!proof->known_hash) {
		proof_wipe(proof);
		reply_internal(req);
	} else if (pool_submit(req->worker->pool, proof_work, on_proven, proof) < 0) {
		proof_wipe(proof);
		reply_overloaded(req);
	}
}

/* The texts live in the request's arena, which nobody else writes to. */
static void proof_ask(struct request *req, const char *current, const char *wanted)
{
	struct proof *proof = arena_alloc(&req->arena, sizeof(*proof));
	const char *params[1];

	if (!proof) {
		reply_internal(req);
		return;
	}
	*proof = (struct proof){
		.req = req,
		.current = (char *)(uintptr_t)current,
		.wanted = (char *)(uintptr_t)wanted,
	};
	req->state = proof;
	params[0] = id_format(&req->auth.user_id, proof->user);
	id_format(&req->auth.session_id, proof->session);
	if (!login_limit_admit(req, proof->user))
		return;
	answer_exec(req, "password_of", DB_IDEMPOTENT, params, 1, on_password_of);
}

static void put_password(struct request *req)
{
	const char *current = NULL, *wanted = NULL;
	const struct json_field fields[] = {
		{ "current", FIELD_STRING, true, 1, PASSWORD_MAX, &current, NULL },
		{ "new", FIELD_STRING, true, req->worker->conf.limits.password_min, PASSWORD_MAX, &wanted, NULL },
	};

	if (request_fields(req, fields, ARRAY_LEN(fields)) == 0)
		proof_ask(req, current, wanted);
}

static void delete_me(struct request *req)
{
	const char *password = NULL;
	const struct json_field fields[] = {
		{ "password", FIELD_STRING, true, 1, PASSWORD_MAX, &password, NULL },
	};

	if (request_fields(req, fields, ARRAY_LEN(fields)) == 0)
		proof_ask(req, password, NULL);
}

/* The picture */

struct upload {
	struct request *req;
	enum picture_type type;
	struct buf webp;
	int err;
};

static void upload_work(void *arg)
{
	struct upload *upload = arg;

	upload->err = picture_convert(upload->type, upload->req->body, upload->req->body_len, &upload->webp);
}

static void upload_store(struct upload *upload)
{
	struct request *req = upload->req;
	char user[ID_TEXT_LEN + 1], name[32 + sizeof(NAME_SUFFIX)];
	struct id id = id_random();
	char *hex = arena_alloc(&req->arena, upload->webp.len * 2 + 1);

	if (!hex) {
		reply_internal(req);
		return;
	}
	hex_format(upload->webp.data, upload->webp.len, hex);
	hex_format(id.b, sizeof(id.b), name);
	strcat(name, NAME_SUFFIX);
	const char *params[] = { id_format(&req->auth.user_id, user), name, hex };
	answer_from(req, "avatar_set", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void on_converted(void *arg, bool ran)
{
	struct upload *upload = arg;
	struct request *req = upload->req;

	if (!ran || upload->err == -ENOMEM)
		reply_overloaded(req);
	else if (upload->err == -E2BIG)
		reply_problem(req, 422, "invalid_field", "body",
			      "A picture has at most 8192 pixels a side and 25 million in all.");
	else if (upload->err < 0)
		reply_problem(req, 422, "invalid_field", "body",
			      "This is no whole picture of the type that Content-Type says.");
	else
		upload_store(upload);
	buf_fini(&upload->webp);
}

static int picture_type_of(struct request *req)
{
	static const char *const types[] = {
		[PICTURE_PNG] = "image/png",
		[PICTURE_JPEG] = "image/jpeg",
		[PICTURE_WEBP] = "image/webp",
	};
	const char *type = request_content_type(req);

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(type, types[i]) == 0)
			return (int)i;
	}
	return -EINVAL;
}

static void put_avatar(struct request *req)
{
	int type = picture_type_of(req);
	struct upload *upload = arena_alloc(&req->arena, sizeof(*upload));

	if (type < 0) {
		reply_problem(req, 415, "unsupported_media_type", NULL,
			      "A picture is image/png, image/jpeg or image/webp.");
		return;
	}
	if (!upload) {
		reply_internal(req);
		return;
	}
	*upload = (struct upload){ .req = req, .type = (enum picture_type)type };
	if (pool_submit(req->worker->pool, upload_work, on_converted, upload) < 0)
		reply_overloaded(req);
}

static void delete_avatar(struct request *req)
{
	char user[ID_TEXT_LEN + 1];
	const char *params[] = { id_format(&req->auth.user_id, user) };

	answer_from(req, "avatar_delete", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static int hex_read(const char *hex, uint8_t *ret, size_t len)
{
	for (size_t at = 0; at < len; at += HEX_STEP) {
		size_t n = MIN(len - at, (size_t)HEX_STEP);
		int err = hex_parse(hex + 2 * at, 2 * n, ret + at, n);
		if (err < 0)
			return err;
	}
	return 0;
}

static void on_avatar(const struct db_result *result, void *arg)
{
	struct request *req = arg;

	if (answer_failed(req, result))
		return;
	const char *hex = result->rows > 0 ? db_text(result, 0, "data") : NULL;
	size_t len = hex ? strlen(hex) / 2 : 0;
	uint8_t *data = len > 0 ? arena_alloc(&req->arena, len) : NULL;
	if (!hex) {
		reply_problem(req, 404, "not_found", NULL, "There is no such picture.");
		return;
	}
	if (!data || hex_read(hex, data, len) < 0) {
		reply_internal(req);
		return;
	}
	/* Another picture has another name. */
	reply_full(req, &(struct reply){ .status = 200,
					 .content_type = "image/webp",
					 .body = data,
					 .len = len,
					 .cache_control = "private, max-age=31536000, immutable" });
}

static void get_avatar(struct request *req)
{
	const char *params[] = { req->param[0] };

	answer_exec(req, "avatar", DB_IDEMPOTENT, params, ARRAY_LEN(params), on_avatar);
}

/* Everything that is stored about somebody */

static void get_export(struct request *req)
{
	const struct id *me = &req->auth.user_id;
	char user[ID_TEXT_LEN + 1], session[ID_TEXT_LEN + 1];

	if (!auth_admit(req, "export", me->b, sizeof(me->b), EXPORTS_PER_MINUTE, 60,
			"You have just exported this; wait a little before the next time."))
		return;
	request_add_header(req, "Content-Disposition", "attachment; filename=\"parley-export.json\"");
	const char *params[] = { id_format(me, user), id_format(&req->auth.session_id, session) };
	answer_from(req, "export", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

const struct route api_me_routes[] = {
	{ HTTP_DELETE, "/api/v1/me", ROUTE_USER, BODY_JSON, 0, delete_me },
	{ HTTP_PUT, "/api/v1/me/password", ROUTE_USER, BODY_JSON, 0, put_password },
	{ HTTP_PUT, "/api/v1/me/avatar", ROUTE_USER, BODY_ANY, PICTURE_BYTES_MAX, put_avatar },
	{ HTTP_DELETE, "/api/v1/me/avatar", ROUTE_USER, BODY_NONE, 0, delete_avatar },
	{ HTTP_GET, "/api/v1/me/export", ROUTE_USER, BODY_NONE, 0, get_export },
	{ HTTP_GET, "/api/v1/avatars/{name}", ROUTE_USER, BODY_NONE, 0, get_avatar },
	{ 0 },
};
