/* links: workers */
/* The media calls of the API, with a database and mediads that this test makes up. */
#include "workers/answer.h"
#include "workers/json.h"
#include "workers/media_link.h"
#include "workers/media_place.h"
#include "workers/router.h"
#include "workers/sdp.h"
#include "workers/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CALL "01020300-0000-4000-8000-000000000001"
#define MID  "010000000100000005"

static struct worker worker = { .mediads = 2 };
static int status; /* of the reply; 0: none yet */
static char body[16384], headers[1024];
static struct header content_type = { "content-type", "application/sdp" };

/* --- fakes ---------------------------------------------------------------------------------------------- */

static const char *db_status; /* what media_open says */
static int placed_position;
static int link_error;	 /* what media_link_offer() returns */
static int answer_error; /* what comes later */
static struct msg_offer offered;
static struct session_mline offered_mline[SESSION_MLINES_MAX];
static unsigned offers, closed_others, closed_transports, states;
static media_answer_cb *answer_later;
static void *answer_arg;

void answer_exec(struct request *req, const char *statement, unsigned flags, const char *const *params,
		 size_t params_len, db_callback *then)
{
	const struct db_result result = { .error = db_status ? DB_OK : DB_LOST, .rows = 1 };

	assert_string_equal(statement, "media_open");
	assert_int_equal(flags, DB_IDEMPOTENT);
	assert_int_equal(params_len, 3);
	assert_string_equal(params[0], CALL);
	then(&result, req);
}

bool answer_failed(struct request *req, const struct db_result *result)
{
	if (result->error != DB_OK)
		reply_retry(req, 503, "database_unavailable", NULL, 2);
	return result->error != DB_OK;
}

void answer_send(const struct db_result *result, void *arg)
{
	reply_problem(arg, (int)db_int(result, 0, "status", 500), "not_joined", NULL, NULL);
}

int64_t db_int(const struct db_result *result, int row, const char *column, int64_t otherwise)
{
	(void)result;
	(void)row;
	if (strcmp(column, "status") == 0)
		return atoi(db_status);
	if (strcmp(column, "position") == 0)
		return 1;
	return strcmp(column, "joined_us") == 0 ? 55 : otherwise;
}

bool db_bool(const struct db_result *result, int row, const char *column)
{
	(void)result;
	(void)row;
	return strcmp(column, "muted_audio") == 0;
}

int media_place(const struct worker *w, const struct id *call, unsigned position, bool comes_back, unsigned *ret_mediad)
{
	(void)comes_back;
	(void)w;
	(void)call;
	placed_position = (int)position;
	*ret_mediad = 1;
	return 0;
}

int media_link_offer(struct media_link *media, unsigned mediad, const struct msg_offer *offer,
		     const struct session_mline *mlines, media_answer_cb *callback, void *arg)
{
	(void)media;
	assert_int_equal(mediad, 1);
	if (link_error)
		return link_error;
	offers++;
	offered = *offer;
	memcpy(offered_mline, mlines, offer->mlines_len * sizeof(*mlines));
	answer_later = callback;
	answer_arg = arg;
	return 0;
}

int media_link_leave(struct media_link *media, unsigned mediad, uint64_t handle, const struct id *call,
		     const struct id *member, media_done_cb *callback, void *arg)
{
	(void)media;
	(void)call;
	(void)member;
	assert_true(mediad == 1 && handle == 0x100000005);
	if (link_error)
		return link_error;
	callback(answer_error, arg);
	return 0;
}

void media_link_close_transport(struct media_link *media, unsigned mediad, uint64_t handle)
{
	(void)media;
	assert_true(mediad == 1 && handle == 0x100000005);
	closed_transports++;
}

void media_link_close_others(struct media_link *media, const struct id *call, const struct id *member, unsigned mediad,
			     uint64_t handle)
{
	(void)media;
	(void)call;
	(void)member;
	assert_true(mediad == 1 && handle == 0x100000005);
	closed_others++;
}

void media_link_member_state(struct media_link *media, const struct id *call, const struct id *member, bool paused,
			     bool muted_audio, bool muted_video)
{
	(void)media;
	(void)call;
	(void)member;
	assert_true(!paused && muted_audio && !muted_video);
	states++;
}

/* media_link.c itself stays out, so these stand here as they stand there. */
const char *media_id_format(unsigned mediad, uint64_t handle, char buf[MEDIA_ID_LEN + 1])
{
	snprintf(buf, MEDIA_ID_LEN + 1, "%02x%016llx", mediad, (unsigned long long)handle);
	return buf;
}

int media_id_parse(const char *text, unsigned *ret_mediad, uint64_t *ret_handle)
{
	if (strcmp(text, MID) != 0)
		return -EINVAL;
	*ret_mediad = 1;
	*ret_handle = 0x100000005;
	return 0;
}

/* --- fixture -------------------------------------------------------------------------------------------- */

static void on_reply(struct request *req, const struct reply *r)
{
	assert_int_equal(status, 0); /* one answer */
	status = r->status;
	snprintf(body, sizeof(body), "%.*s", (int)r->len, r->body ? (const char *)r->body : "");
	snprintf(headers, sizeof(headers), "%.*s", (int)req->reply_headers.len, (const char *)req->reply_headers.data);
	request_free(req);
}

static struct request *make(const char *type, const char *text)
{
	struct request *req = request_new(&worker);

	content_type.value = type;
	req->headers = &content_type;
	req->headers_len = 1;
	req->on_reply = on_reply;
	req->body = arena_strdup(&req->arena, text);
	req->body_len = strlen(text);
	req->param[0] = CALL;
	req->param[1] = MID;
	status = 0;
	return req;
}

static void run(enum http_method method, const char *pattern, struct request *req)
{
	const struct route *route = api_media_routes;

	while (route->method != method || !strstr(route->pattern, pattern))
		route++;
	route->handler(req);
}

static void say_answer(int error)
{
	struct media_answer a = { .mediad = 1, .handle = 0x100000005, .ufrag = "uf", .pwd = "pw", .cname = "cn" };

	answer_later(error, error ? NULL : &a, answer_arg);
}

static char offer_text[32768];

static int setup(void **state)
{
	FILE *f = fopen("tests/unit/sdp/firefox-sendrecv.sdp", "rb");

	(void)state;
	assert_non_null(f);
	size_t n = fread(offer_text, 1, sizeof(offer_text) - 1, f);
	offer_text[n] = '\0';
	fclose(f);
	db_status = "200";
	link_error = answer_error = 0;
	offers = closed_others = closed_transports = states = 0;
	return 0;
}

static void assert_problem(int expected, const char *code)
{
	char text[64];

	snprintf(text, sizeof(text), "\"code\":\"%s\"", code);
	assert_int_equal(status, expected);
	if (!strstr(body, text))
		fail_msg("%s is not in %s", text, body);
}

/* --- POST ----------------------------------------------------------------------------------------------- */

static void test_post(void **state)
{
	(void)state;
	run(HTTP_POST, "/media", make("application/sdp", offer_text));
	assert_int_equal(status, 0);
	assert_int_equal(offers, 1);
	assert_int_equal(placed_position, 1);
	assert_true(offered.transport == 0 && offered.joined_us == 55 && offered.mlines_len == 2);
	assert_int_equal(offered_mline[1].track_kind, TRACK_CAMERA);
	say_answer(0);
	assert_int_equal(status, 201);
	assert_non_null(strstr(headers, "Location: /api/v1/calls/" CALL "/media/" MID "\r\n"));
	assert_int_equal(strncmp(body, "v=0\r\n", 5), 0);
	assert_int_equal(closed_others, 1);
	assert_int_equal(states, 1); /* muted before: the mediad is told */
}

static char *as_json(const char *sdp, const char *more)
{
	struct buf b = { 0 };
	struct json_out o;

	json_out_init(&o, &b);
	json_out_object(&o, NULL);
	json_out_string(&o, "sdp", sdp);
	if (more)
		buf_append_str(&b, more);
	json_out_object_end(&o);
	buf_append_char(&b, '\0');
	return (char *)b.data;
}

static void post_json(const char *more)
{
	char *json = as_json(offer_text, more);

	run(HTTP_POST, "/media", make("application/json", json));
	free(json);
}

static void test_post_json(void **state)
{
	(void)state;
	post_json(",\"tracks\":{\"1\":\"screen\"}");
	assert_int_equal(offers, 1);
	assert_int_equal(offered_mline[0].receives, 0);
	assert_int_equal(offered_mline[1].receives, 1);
	assert_int_equal(offered_mline[1].track_kind, TRACK_SCREEN);
	say_answer(0);
	assert_int_equal(status, 201);
	post_json(",\"tracks\":{\"1\":\"microphone\"}");
	assert_problem(422, "invalid_field");
	assert_non_null(strstr(body, "\"field\":\"tracks\""));
	post_json(",\"tracks\":{\"1\":\"hat\"}");
	assert_problem(422, "invalid_field");
	post_json(",\"tracks\":{\"1\":7}");
	assert_problem(422, "invalid_field");
	post_json(",\"more\":1");
	assert_problem(422, "unknown_field");
	run(HTTP_POST, "/media", make("application/json", "{\"sdp\":"));
	assert_problem(400, "invalid_json");
	run(HTTP_POST, "/media", make("application/json", "{}"));
	assert_problem(422, "invalid_field");
	assert_int_equal(offers, 1);
}

static void test_post_refused(void **state)
{
	static const struct {
		int error, status;
		const char *code;
	} cases[] = {
		{ -ENOSPC, 503, "overloaded" },	   { -EDQUOT, 503, "at_capacity" }, { -EAGAIN, 503, "overloaded" },
		{ -ETIMEDOUT, 503, "overloaded" }, { -ENOENT, 404, "not_found" },   { -EBADMSG, 422, "invalid_sdp" },
		{ -ENOMEM, 500, "internal" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		link_error = cases[i].error;
		run(HTTP_POST, "/media", make("application/sdp", offer_text));
		assert_problem(cases[i].status, cases[i].code);
		assert_int_equal(strstr(headers, "Retry-After: ") != NULL, cases[i].status == 503);
		link_error = 0;
		run(HTTP_POST, "/media", make("application/sdp", offer_text));
		say_answer(cases[i].error);
		assert_problem(cases[i].status, cases[i].code);
	}
	assert_int_equal(closed_others, 0); /* what was there before goes on */
	run(HTTP_POST, "/media", make("application/sdp", "v=0\r\n"));
	assert_problem(422, "invalid_sdp");
	db_status = "409";
	run(HTTP_POST, "/media", make("application/sdp", offer_text));
	assert_problem(409, "not_joined");
	db_status = NULL;
	run(HTTP_POST, "/media", make("application/sdp", offer_text));
	assert_problem(503, "database_unavailable");
	struct request *req = make("application/sdp", offer_text);
	req->param[0] = "nonsense";
	run(HTTP_POST, "/media", req);
	assert_problem(404, "not_found");
}

static void test_client_gone(void **state)
{
	struct request *req = make("application/sdp", offer_text);

	(void)state;
	run(HTTP_POST, "/media", req);
	req->on_reply = NULL;
	say_answer(0);
	assert_int_equal(closed_transports, 1);
	assert_int_equal(closed_others, 0);
}

/* --- PATCH and DELETE ----------------------------------------------------------------------------------- */

static void test_patch(void **state)
{
	(void)state;
	db_status = NULL; /* works without the database */
	run(HTTP_PATCH, "/media/", make("application/sdp", offer_text));
	assert_true(offered.transport == 0x100000005 && offered.joined_us == 0);
	say_answer(0);
	assert_int_equal(status, 200);
	assert_int_equal(strncmp(body, "v=0\r\n", 5), 0);
	run(HTTP_PATCH, "/media/", make("application/sdp", offer_text));
	say_answer(-ENOENT);
	assert_problem(404, "not_found");
	run(HTTP_PATCH, "/media/", make("application/trickle-ice-sdpfrag", "a=candidate:1 1 udp 1 ::1 9 typ host\r\n"));
	assert_int_equal(status, 204);
	run(HTTP_PATCH, "/media/", make("text/plain", "hello"));
	assert_problem(415, "unsupported_media_type");
	struct request *req = make("application/sdp", offer_text);
	req->param[1] = "nonsense";
	run(HTTP_PATCH, "/media/", req);
	assert_problem(404, "not_found");
}

static void test_delete(void **state)
{
	(void)state;
	run(HTTP_DELETE, "/media/", make("", ""));
	assert_int_equal(status, 204);
	answer_error = -ENOENT;
	run(HTTP_DELETE, "/media/", make("", ""));
	assert_problem(404, "not_found");
}

/* --- ICE servers ---------------------------------------------------------------------------------------- */

static void test_ice_servers(void **state)
{
	char turn[] = "turn:turn.example:3478", secret[] = "north";

	(void)state;
	worker.conf.turn.secret = NULL;
	worker.conf.turn.urls.len = 0;
	run(HTTP_GET, "/ice-servers", make("", ""));
	assert_int_equal(status, 200);
	assert_string_equal(body, "{\"items\":[],\"next\":null}");
	worker.conf.turn.urls.item[0] = turn;
	worker.conf.turn.urls.len = 1;
	worker.conf.turn.secret = secret;
	run(HTTP_GET, "/ice-servers", make("", ""));
	assert_int_equal(status, 200);
	assert_non_null(strstr(body, "{\"items\":[{\"urls\":[\"turn:turn.example:3478\"],\"username\":\""));
	assert_non_null(strstr(body, ":00000000-0000-0000-0000-000000000000\",\"credential\":\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_post, setup),	  cmocka_unit_test_setup(test_post_json, setup),
		cmocka_unit_test_setup(test_post_refused, setup), cmocka_unit_test_setup(test_client_gone, setup),
		cmocka_unit_test_setup(test_patch, setup),	  cmocka_unit_test_setup(test_delete, setup),
		cmocka_unit_test_setup(test_ice_servers, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
