#include "workers/call_request.h"

#include <string.h>

bool call_who_read(struct request *req, struct call_who *ret_who)
{
	struct call_who who = { 0 };
	struct id id;

	if (id_parse(req->param[0], strlen(req->param[0]), &id) < 0) {
		reply_problem(req, 404, "not_found", NULL, "There is no such call of yours.");
		return false;
	}
	id_format(&id, who.call);
	id_format(&req->auth.user_id, who.me);
	id_format(&req->auth.session_id, who.sign_in);
	if (req->param[1]) {
		if (id_parse(req->param[1], strlen(req->param[1]), &id) < 0)
			id = (struct id){ 0 };
		id_format(&id, who.other);
	}
	*ret_who = who;
	return true;
}

bool call_muted_read(struct request *req, const struct json *object, struct call_muted *ret_muted)
{
	struct call_muted muted = { 0 };
	struct json_error error = { 0 };
	const struct json_field fields[] = {
		{ "audio", FIELD_BOOL, false, 0, 0, &muted.audio, &muted.has_audio },
		{ "video", FIELD_BOOL, false, 0, 0, &muted.video, &muted.has_video },
	};
	int err = object ? json_fields(&req->arena, object, fields, ARRAY_LEN(fields), &error) : 0;

	if (err < 0) {
		if (error.field)
			error.field = arena_printf(&req->arena, "muted.%s", error.field);
		reply_json_error(req, err, &error);
		return false;
	}
	*ret_muted = muted;
	return true;
}

const char *call_truth(bool present, bool value)
{
	return !present ? NULL : value ? "t" : "f";
}
