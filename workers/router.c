#include "workers/router.h"

#include "workers/assets.h"
#include "workers/auth.h"
#include "workers/worker.h"

#include <string.h>

#define BODY_MAX_DEFAULT (64u << 10)

static const struct route *const tables[] = {
	api_accounts_routes, api_me_routes,	 api_contacts_routes, api_calls_routes, api_messages_routes,
	api_media_routes,    api_streams_routes, api_events_routes,   api_meta_routes,
};

static const char *const method_names[] = {
	[HTTP_GET] = "GET",	[HTTP_HEAD] = "HEAD",	  [HTTP_POST] = "POST",	      [HTTP_PUT] = "PUT",
	[HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
};

struct span {
	const char *text;
	size_t len;
};

struct match {
	const struct route *route;
	struct span param[REQUEST_PARAMS_MAX];
	size_t params;
	unsigned allowed; /* set of methods that the path has */
	bool open;	  /* programs of other origins come here */
};

/* Segment by segment; a parameter takes any non-empty one. */
static bool pattern_matches(const char *pattern, const char *path, struct span *params, size_t *ret_params)
{
	size_t n = 0;

	while (*pattern == '/' && *path == '/') {
		size_t pattern_len = strcspn(++pattern, "/");
		size_t path_len = strcspn(++path, "/");
		if (*pattern == '{') {
			if (path_len == 0 || n == REQUEST_PARAMS_MAX)
				return false;
			params[n++] = (struct span){ path, path_len };
		} else if (path_len != pattern_len || memcmp(pattern, path, path_len) != 0) {
			return false;
		}
		pattern += pattern_len;
		path += path_len;
	}
	*ret_params = n;
	return *pattern == 0 && *path == 0;
}

/* Of several routes the one with the fewest parameters wins: /members/me before /members/{user_id}. */
static void match_find(enum http_method method, const char *path, struct match *ret_match)
{
	struct match best = { 0 };

	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		for (const struct route *route = tables[t]; route->pattern; route++) {
			struct match m = { .route = route };
			if (!pattern_matches(route->pattern, path, m.param, &m.params))
				continue;
			unsigned allowed = best.allowed | 1u << route->method;
			bool open = best.open || route->auth == ROUTE_PUBLISHER || route->auth == ROUTE_WATCHER;
			if (route->method == method && (!best.route || m.params < best.params))
				best = m;
			best.allowed = allowed;
			best.open = open;
		}
	}
	*ret_match = best;
}

static enum http_method route_method(const struct request *req)
{
	return req->method == HTTP_HEAD ? HTTP_GET : req->method;
}

static bool is_api(const char *path)
{
	return strncmp(path, "/api/", 5) == 0 || strcmp(path, "/api") == 0;
}

size_t router_body_max(const struct request *req)
{
	struct match m = { 0 };

	if (is_api(req->path))
		match_find(route_method(req), req->path, &m);
	/* Whoever is not signed in sends nothing large. */
	if (m.route && m.route->auth == ROUTE_USER && !request_header(req, "authorization") &&
	    !request_header(req, "cookie"))
		return BODY_MAX_DEFAULT;
	return m.route && m.route->body_max ? m.route->body_max : BODY_MAX_DEFAULT;
}

void router_reply_not_allowed(struct request *req, unsigned allowed)
{
	struct buf list = { 0 };

	if (allowed & 1u << HTTP_GET)
		allowed |= 1u << HTTP_HEAD;
	for (size_t i = 0; i < ARRAY_LEN(method_names); i++) {
		if (allowed & 1u << i)
			buf_appendf(&list, "%s%s", list.len ? ", " : "", method_names[i]);
	}
	buf_append_char(&list, 0);
	if (!list.failed)
		request_add_header(req, "Allow", (const char *)list.data);
	buf_fini(&list);
	reply_problem(req, 405, "method_not_allowed", NULL,
		      "The path exists, but not with this method; Allow lists those that it has.");
}

/* What is wrong with the body, or NULL. */
static const char *body_problem(struct request *req, enum route_body body)
{
	const char *type = request_content_type(req);
	bool json = strcmp(type, "application/json") == 0;

	switch (body) {
	case BODY_NONE:
		return req->body_len > 0 ? "This operation takes no body; send none." : NULL;
	case BODY_JSON_OPTIONAL:
		return req->body_len == 0 || json ? NULL : "The body must be application/json.";
	case BODY_JSON:
		return json ? NULL : "The body must be application/json.";
	case BODY_SDP:
		return json || strcmp(type, "application/sdp") == 0 ? NULL
								    : "The body must be application/sdp or "
								      "application/json.";
	case BODY_SDP_ONLY:
		return strcmp(type, "application/sdp") == 0 ? NULL : "The body must be application/sdp.";
	case BODY_ANY:
		return NULL;
	}
	return NULL;
}

static void check_body(struct request *req)
{
	const struct route *route = req->route;
	const char *problem = body_problem(req, route->body);

	if (problem)
		reply_problem(req, 415, "unsupported_media_type", NULL, problem);
	else
		route->handler(req);
}

/* Streams come with a token in a header, which no page has by itself, and cookies count for nothing there: a page of
 * any origin may use one that it was given. */
static void add_cors(struct request *req)
{
	request_add_header(req, "Access-Control-Allow-Origin", "*");
	request_add_header(req, "Access-Control-Expose-Headers",
			   "Location, Link, ETag, Accept-Post, Accept-Patch, Allow, Retry-After, WWW-Authenticate");
}

static void dispatch_api(struct request *req)
{
	struct match m;

	match_find(route_method(req), req->path, &m);
	if (m.open)
		add_cors(req);
	if (!m.route && m.allowed) {
		router_reply_not_allowed(req, m.allowed);
		return;
	}
	if (!m.route) {
		reply_problem(req, 404, "not_found", NULL, "There is nothing at this path.");
		return;
	}
	for (size_t i = 0; i < m.params; i++) {
		req->param[i] = arena_strndup(&req->arena, m.param[i].text, m.param[i].len);
		if (!req->param[i]) {
			reply_problem(req, 500, "internal", NULL, NULL);
			return;
		}
	}
	req->route = m.route;
	if (m.route->auth == ROUTE_USER)
		auth_check(req, check_body);
	else if (m.route->auth == ROUTE_ANYBODY)
		auth_look(req, check_body);
	else if (m.route->auth == ROUTE_PUBLISHER)
		auth_check_stream(req, "publish", check_body);
	else if (m.route->auth == ROUTE_WATCHER)
		auth_check_stream(req, "watch", check_body);
	else
		check_body(req);
}

void router_dispatch(struct request *req)
{
	if (is_api(req->path))
		dispatch_api(req);
	else if (req->method == HTTP_GET || req->method == HTTP_HEAD)
		assets_reply(req->worker->assets, req);
	else
		router_reply_not_allowed(req, 1u << HTTP_GET);
}
