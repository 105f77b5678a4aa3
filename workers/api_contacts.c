/* Contacts: /contacts. */
#include "workers/answer.h"
#include "workers/json.h"
#include "workers/router.h"

#include <string.h>

#define NICKNAME_MAX 64

/* The person of the path as text; false: 404 was answered. */
static bool other_of(struct request *req, char ret_text[ID_TEXT_LEN + 1])
{
	struct id id;

	if (id_parse(req->param[0], strlen(req->param[0]), &id) < 0) {
		reply_problem(req, 404, "not_found", NULL, "There is no such person.");
		return false;
	}
	id_format(&id, ret_text);
	return true;
}

static void get_contacts(struct request *req)
{
	char me[ID_TEXT_LEN + 1];
	const char *params[] = { id_format(&req->auth.user_id, me) };

	answer_from(req, "contacts", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void put_contact(struct request *req)
{
	char me[ID_TEXT_LEN + 1], other[ID_TEXT_LEN + 1];

	if (request_fields(req, NULL, 0) < 0 || !other_of(req, other))
		return;
	const char *params[] = { id_format(&req->auth.user_id, me), other };
	answer_from(req, "contact_put", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

/* json_fields() takes null for absent; a nickname of null is removed. */
static bool nickname_is_null(struct request *req)
{
	struct json_error error;
	struct json *doc;

	if (json_parse(&req->arena, req->body, req->body_len, &doc, &error) < 0)
		return false;
	const struct json *nickname = json_get(doc, "nickname");
	return nickname && nickname->type == JSON_NULL;
}

static void patch_contact(struct request *req)
{
	const char *nickname = NULL;
	bool favourite = false, blocked = false, has_favourite = false, has_blocked = false;
	const struct json_field fields[] = {
		{ "nickname", FIELD_STRING, false, 0, NICKNAME_MAX, &nickname, NULL },
		{ "favourite", FIELD_BOOL, false, 0, 0, &favourite, &has_favourite },
		{ "blocked", FIELD_BOOL, false, 0, 0, &blocked, &has_blocked },
	};
	char me[ID_TEXT_LEN + 1], other[ID_TEXT_LEN + 1];

	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0 || !other_of(req, other))
		return;
	if (!nickname && nickname_is_null(req))
		nickname = "";
	const char *params[] = {
		id_format(&req->auth.user_id, me),
		other,
		nickname,
		!has_favourite ? NULL : favourite ? "t" : "f",
		!has_blocked ? NULL : blocked ? "t" : "f",
	};
	answer_from(req, "contact_update", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void delete_contact(struct request *req)
{
	char me[ID_TEXT_LEN + 1], other[ID_TEXT_LEN + 1];

	if (!other_of(req, other))
		return;
	const char *params[] = { id_format(&req->auth.user_id, me), other };
	answer_from(req, "contact_delete", 0, params, ARRAY_LEN(params));
}

const struct route api_contacts_routes[] = {
	{ HTTP_GET, "/api/v1/contacts", ROUTE_USER, BODY_NONE, 0, get_contacts },
	{ HTTP_PUT, "/api/v1/contacts/{user_id}", ROUTE_USER, BODY_JSON_OPTIONAL, 0, put_contact },
	{ HTTP_PATCH, "/api/v1/contacts/{user_id}", ROUTE_USER, BODY_JSON, 0, patch_contact },
	{ HTTP_DELETE, "/api/v1/contacts/{user_id}", ROUTE_USER, BODY_NONE, 0, delete_contact },
	{ 0 },
};
