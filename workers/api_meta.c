#include "workers/assets.h"
#include "workers/router.h"
#include "workers/worker.h"

static void get_openapi(struct request *req)
{
	assets_reply_openapi(req->worker->assets, req);
}

const struct route api_meta_routes[] = {
	{ HTTP_GET, "/api/v1/openapi.json", ROUTE_PUBLIC, BODY_NONE, 0, get_openapi },
	{ 0 },
};
