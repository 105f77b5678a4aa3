#include "lib/version.h"
#include "workers/assets.h"
#include "workers/auth.h"
#include "workers/json.h"
#include "workers/router.h"
#include "workers/worker.h"

static void get_docs(struct request *req)
{
	assets_reply_docs(req->worker->assets, req);
}

static void get_openapi(struct request *req)
{
	assets_reply_openapi(req->worker->assets, req);
}

/* What a page needs to know before anybody is signed in. */
static void get_server(struct request *req)
{
	static const char *const signups[] = {
		[CONF_SIGNUPS_OPEN] = "open",
		[CONF_SIGNUPS_INVITE] = "invite",
		[CONF_SIGNUPS_CLOSED] = "closed",
	};
	const struct conf *conf = &req->worker->conf;
	struct buf json = { 0 };
	struct json_out o;

	if (!auth_admit_address(req))
		return;
	json_out_init(&o, &json);
	json_out_object(&o, NULL);
	json_out_object(&o, "server");
	json_out_string(&o, "version", PARLEY_VERSION);
	json_out_string(&o, "signups", signups[conf->limits.signups]);
	json_out_int(&o, "password_min", conf->limits.password_min);
	json_out_object_end(&o);
	json_out_object_end(&o);
	if (json.failed)
		reply_problem(req, 500, "internal", NULL, NULL);
	else
		reply_json(req, 200, (const char *)json.data, json.len);
	buf_fini(&json);
}

const struct route api_meta_routes[] = {
	{ HTTP_GET, "/api/docs", ROUTE_PUBLIC, BODY_NONE, 0, get_docs },
	{ HTTP_GET, "/api/v1/openapi.json", ROUTE_PUBLIC, BODY_NONE, 0, get_openapi },
	{ HTTP_GET, "/api/v1/server", ROUTE_PUBLIC, BODY_NONE, 0, get_server },
	{ 0 },
};
