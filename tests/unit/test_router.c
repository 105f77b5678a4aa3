/* links: workers */
#include "workers/auth.h"
#include "workers/json.h"
#include "workers/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The tables and auth of this test stand before those of the library. */

static int auths;

void auth_check(struct request *req, void (*then)(struct request *req))
{
	auths++;
	if (request_header(req, "authorization"))
		then(req);
	else
		reply_problem(req, 401, "unauthorized", NULL, "Sign in.");
}

void auth_look(struct request *req, void (*then)(struct request *req))
{
	auths++;
	then(req);
}

void auth_check_stream(struct request *req, const char *kind, void (*then)(struct request *req))
{
	auths++;
	if (request_header(req, "authorization") && strcmp(request_header(req, "authorization"), kind) == 0)
		then(req);
	else
		reply_problem(req, 401, "unauthorized", NULL, "No.");
}

static void say(struct request *req, const char *who)
{
	char *text = arena_printf(&req->arena, "%s %s %s", who, req->param[0] ? req->param[0] : "-",
				  req->param[1] ? req->param[1] : "-");

	reply(req, 200, "text/plain", text, strlen(text));
}

static void list(struct request *req)
{
	say(req, "list");
}

static void one(struct request *req)
{
	say(req, "one");
}

static void me(struct request *req)
{
	say(req, "me");
}

static void member(struct request *req)
{
	say(req, "member");
}

static void secret(struct request *req)
{
	say(req, "secret");
}

static void body(struct request *req)
{
	const char *text = NULL;
	const struct json_field fields[] = { { "text", FIELD_STRING, true, 1, 10, &text, NULL } };

	if (request_fields(req, fields, 1) == 0)
		reply_json(req, 200, text, strlen(text));
}

static void size(struct request *req)
{
	char *text = arena_printf(&req->arena, "%zu", req->body_len);

	reply(req, 200, "text/plain", text, strlen(text));
}

const struct route api_accounts_routes[] = {
	{ HTTP_GET, "/api/v1/things", ROUTE_PUBLIC, BODY_NONE, 0, list },
	{ HTTP_GET, "/api/v1/things/{id}", ROUTE_PUBLIC, BODY_NONE, 0, one },
	{ HTTP_DELETE, "/api/v1/things/{id}", ROUTE_PUBLIC, BODY_NONE, 0, one },
	{ 0 },
};
const struct route api_contacts_routes[] = {
	{ HTTP_PATCH, "/api/v1/things/{id}/members/{user_id}", ROUTE_PUBLIC, BODY_JSON_OPTIONAL, 0, member },
	{ HTTP_PATCH, "/api/v1/things/{id}/members/me", ROUTE_PUBLIC, BODY_JSON_OPTIONAL, 0, me },
	{ 0 },
};
const struct route api_calls_routes[] = {
	{ HTTP_POST, "/api/v1/body", ROUTE_PUBLIC, BODY_JSON, 100, body },
	{ HTTP_POST, "/api/v1/sdp", ROUTE_PUBLIC, BODY_SDP, 0, size },
	{ HTTP_PUT, "/api/v1/any", ROUTE_PUBLIC, BODY_ANY, 1 << 20, size },
	{ 0 },
};
const struct route api_media_routes[] = {
	{ HTTP_POST, "/api/v1/secret", ROUTE_USER, BODY_JSON, 0, secret },
	{ 0 },
};
const struct route api_streams_routes[] = {
	{ HTTP_POST, "/api/v1/whip/{id}", ROUTE_PUBLISHER, BODY_SDP_ONLY, 0, size },
	{ HTTP_POST, "/api/v1/whep/{id}", ROUTE_WATCHER, BODY_SDP_ONLY, 0, size },
	{ HTTP_OPTIONS, "/api/v1/whip/{id}", ROUTE_PUBLIC, BODY_NONE, 0, one },
	{ 0 },
};
const struct route api_events_routes[] = { { 0 } };
const struct route api_me_routes[] = { { 0 } };
const struct route api_messages_routes[] = { { 0 } };
const struct route api_meta_routes[] = { { 0 } };

/* What was answered. */
static struct {
	int answers, status;
	char type[100], body[1000], headers[500];
} said;

static void on_reply(struct request *req, const struct reply *r)
{
	said.answers++;
	said.status = r->status;
	snprintf(said.type, sizeof(said.type), "%s", r->content_type ? r->content_type : "");
	snprintf(said.body, sizeof(said.body), "%.*s", (int)r->len, (const char *)r->body);
	snprintf(said.headers, sizeof(said.headers), "%.*s", (int)req->reply_headers.len,
		 req->reply_headers.data ? (const char *)req->reply_headers.data : "");
	request_free(req);
}

static struct request *request_for(enum http_method method, const char *path, const char *type, const char *text)
{
	static const struct header sample[] = { { "content-type", NULL }, { "authorization", "x" } };
	struct request *req = request_new(NULL);

	req->on_reply = on_reply;
	req->method = method;
	req->path = path;
	req->headers = arena_alloc(&req->arena, sizeof(sample));
	memcpy(req->headers, sample, sizeof(sample));
	req->headers[0].value = type;
	req->headers_len = type ? 1 : 0;
	req->body = text ? text : "";
	req->body_len = strlen(req->body);
	memset(&said, 0, sizeof(said));
	return req;
}

static void ask(enum http_method method, const char *path, const char *type, const char *text)
{
	router_dispatch(request_for(method, path, type, text));
	assert_int_equal(said.answers, 1);
}

static void test_paths(void **state)
{
	(void)state;
	ask(HTTP_GET, "/api/v1/things", NULL, NULL);
	assert_string_equal(said.body, "list - -");
	ask(HTTP_HEAD, "/api/v1/things", NULL, NULL);
	assert_string_equal(said.body, "list - -");
	ask(HTTP_GET, "/api/v1/things/7", NULL, NULL);
	assert_string_equal(said.body, "one 7 -");
	ask(HTTP_PATCH, "/api/v1/things/7/members/9", NULL, NULL);
	assert_string_equal(said.body, "member 7 9");
	ask(HTTP_PATCH, "/api/v1/things/7/members/me", NULL, NULL);
	assert_string_equal(said.body, "me 7 -");
}

static void test_not_found(void **state)
{
	static const char *const paths[] = {
		"/api",
		"/api/",
		"/api/v1",
		"/api/v1/thing",
		"/api/v1/things/",
		"/api/v1/things/7/",
		"/api/v1/things/7/x",
		"/api/v1/things//members/9",
		"//api/v1/things/7",
		"/api//v1/things",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		if (strncmp(paths[i], "/api", 4) != 0)
			continue;
		ask(HTTP_GET, paths[i], NULL, NULL);
		assert_int_equal(said.status, 404);
		assert_string_equal(said.type, "application/problem+json");
		assert_non_null(strstr(said.body, "\"code\":\"not_found\""));
	}
}

static void test_methods(void **state)
{
	(void)state;
	ask(HTTP_POST, "/api/v1/things/7", NULL, NULL);
	assert_int_equal(said.status, 405);
	assert_string_equal(said.headers, "Allow: GET, HEAD, DELETE\r\n");
	ask(HTTP_OTHER, "/api/v1/body", NULL, NULL);
	assert_int_equal(said.status, 405);
	assert_string_equal(said.headers, "Allow: POST\r\n");
	ask(HTTP_POST, "/index.html", NULL, NULL);
	assert_int_equal(said.status, 405);
	assert_string_equal(said.headers, "Allow: GET, HEAD\r\n");
}

static void test_bodies(void **state)
{
	(void)state;
	ask(HTTP_POST, "/api/v1/body", "application/json", "{\"text\":\"hi\"}");
	assert_string_equal(said.body, "hi");
	ask(HTTP_POST, "/api/v1/body", "Application/JSON; charset=utf-8", "{\"text\":\"hi\"}");
	assert_int_equal(said.status, 200);
	ask(HTTP_POST, "/api/v1/body", "text/plain", "{\"text\":\"hi\"}");
	assert_int_equal(said.status, 415);
	ask(HTTP_POST, "/api/v1/body", NULL, NULL);
	assert_int_equal(said.status, 415);
	ask(HTTP_POST, "/api/v1/body", "application/json", "{\"text\":");
	assert_int_equal(said.status, 400);
	assert_non_null(strstr(said.body, "\"code\":\"invalid_json\""));
	ask(HTTP_POST, "/api/v1/body", "application/json", "{\"texts\":1}");
	assert_int_equal(said.status, 422);
	assert_non_null(strstr(said.body, "\"code\":\"unknown_field\",\"field\":\"texts\""));
	ask(HTTP_POST, "/api/v1/body", "application/json", "");
	assert_int_equal(said.status, 422);
	ask(HTTP_POST, "/api/v1/sdp", "application/sdp", "v=0");
	assert_string_equal(said.body, "3");
	ask(HTTP_POST, "/api/v1/sdp", "text/plain", "v=0");
	assert_int_equal(said.status, 415);
	ask(HTTP_PUT, "/api/v1/any", "image/png", "12345");
	assert_string_equal(said.body, "5");
	ask(HTTP_GET, "/api/v1/things", "application/json", "{}");
	assert_int_equal(said.status, 415);
}

static void ask_as(const char *kind, const char *path, const char *type)
{
	struct request *req = request_for(HTTP_POST, path, type, "v=0");

	req->headers[1].value = kind;
	req->headers_len = 2;
	router_dispatch(req);
	assert_int_equal(said.answers, 1);
}

static void test_streams(void **state)
{
	const char *open = "Access-Control-Allow-Origin: *\r\n";

	(void)state;
	ask_as("publish", "/api/v1/whip/7", "application/sdp");
	assert_string_equal(said.body, "3");
	assert_non_null(strstr(said.headers, open));
	ask_as("watch", "/api/v1/whip/7", "application/sdp");
	assert_int_equal(said.status, 401);
	assert_non_null(strstr(said.headers, open));
	ask_as("watch", "/api/v1/whep/7", "application/sdp");
	assert_int_equal(said.status, 200);
	ask_as("publish", "/api/v1/whip/7", "application/json");
	assert_int_equal(said.status, 415);
	ask(HTTP_GET, "/api/v1/whip/7", NULL, NULL);
	assert_int_equal(said.status, 405);
	assert_non_null(strstr(said.headers, open));
	assert_non_null(strstr(said.headers, "Allow: POST, OPTIONS\r\n"));
	ask(HTTP_OPTIONS, "/api/v1/whip/7", NULL, NULL);
	assert_non_null(strstr(said.headers, open));
	/* Only there. */
	ask(HTTP_POST, "/api/v1/sdp", "application/sdp", "v=0");
	assert_string_equal(said.headers, "");
}

static size_t body_max(enum http_method method, const char *path)
{
	struct request *req = request_for(method, path, NULL, NULL);
	size_t max = router_body_max(req);

	request_free(req);
	return max;
}

static void test_body_max(void **state)
{
	(void)state;
	assert_int_equal(body_max(HTTP_POST, "/api/v1/body"), 100);
	assert_int_equal(body_max(HTTP_PUT, "/api/v1/any"), 1 << 20);
	assert_int_equal(body_max(HTTP_POST, "/api/v1/sdp"), 64 << 10);
	assert_int_equal(body_max(HTTP_POST, "/nothing"), 64 << 10);
}

static void test_auth(void **state)
{
	(void)state;
	auths = 0;
	ask(HTTP_POST, "/api/v1/secret", "application/json", "{}");
	assert_int_equal(said.status, 401);
	struct request *req = request_for(HTTP_POST, "/api/v1/secret", "application/json", "{}");
	req->headers_len = 2;
	router_dispatch(req);
	assert_string_equal(said.body, "secret - -");
	/* Who is not signed in does not learn what a body must look like. */
	ask(HTTP_POST, "/api/v1/secret", "text/plain", "x");
	assert_int_equal(said.status, 401);
	assert_int_equal(auths, 3);
}

static void test_query(void **state)
{
	struct request *req = request_new(NULL);

	(void)state;
	req->query = "a=1&b=x%20y+z&empty&c%3d=%26&b=second&=none";
	assert_string_equal(request_query(req, "a"), "1");
	assert_string_equal(request_query(req, "b"), "x y z");
	assert_string_equal(request_query(req, "empty"), "");
	assert_string_equal(request_query(req, "c="), "&");
	assert_null(request_query(req, "d"));
	req->query = "";
	assert_null(request_query(req, "a"));
	request_free(req);
}

static void test_percent(void **state)
{
	char out[32];
	size_t len;

	(void)state;
	assert_int_equal(percent_decode("a%2Fb%c3%a9+", 12, false, out, &len), 0);
	assert_string_equal(out, "a/b\xc3\xa9+");
	assert_int_equal(len, 6);
	assert_int_equal(percent_decode("a%2", 3, false, out, &len), -EINVAL);
	assert_int_equal(percent_decode("a%", 2, false, out, &len), -EINVAL);
	assert_int_equal(percent_decode("%g0", 3, false, out, &len), -EINVAL);
	assert_int_equal(percent_decode("%00", 3, false, out, &len), -EINVAL);
	assert_int_equal(percent_decode("%41", 3, false, out, &len), 0);
	assert_string_equal(out, "A");
}

static void test_gone(void **state)
{
	(void)state;
	struct request *req = request_for(HTTP_GET, "/api/v1/things", NULL, NULL);
	req->on_reply = NULL;
	assert_true(request_is_gone(req));
	router_dispatch(req); /* the answer is dropped and the request freed: the sanitizer watches */
	assert_int_equal(said.answers, 0);
}

static void test_problem(void **state)
{
	(void)state;
	struct request *req = request_for(HTTP_GET, "/", NULL, NULL);
	reply_problem_extra(req, 409, "wrong_state", "a\"b", "Too late.", "\"call\":{\"id\":1}");
	assert_string_equal(
		said.body,
		"{\"type\":\"about:blank#wrong_state\",\"title\":\"Conflict\",\"status\":409,"
		"\"detail\":\"Too late.\",\"code\":\"wrong_state\",\"field\":\"a\\\"b\",\"call\":{\"id\":1}}");
	req = request_for(HTTP_GET, "/", NULL, NULL);
	reply_retry(req, 503, "database_unavailable", "Away.", 5);
	assert_string_equal(said.headers, "Retry-After: 5\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),	cmocka_unit_test(test_not_found), cmocka_unit_test(test_methods),
		cmocka_unit_test(test_bodies),	cmocka_unit_test(test_body_max),  cmocka_unit_test(test_auth),
		cmocka_unit_test(test_query),	cmocka_unit_test(test_percent),	  cmocka_unit_test(test_gone),
		cmocka_unit_test(test_problem), cmocka_unit_test(test_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
