/* Streams: links for programs (/calls/{call_id}/streams), and what such a program asks: WHIP (RFC 9725) to send into
 * the call, WHEP (draft-ietf-wish-whep) to watch it.
 *
 * Who may do what stands in sql/0018_streams.sql. A stream is a member whose user and sign-in are the stream's id, so
 * its media goes the way of everybody's (api_media.h); here each half of it is taken away that its kind does not have.
 * The entity tag of RFC 9725 names an ICE session: the server's ufrag would do, but lives on a mediad; a random one is
 * kept with the stream. */
#include "lib/clock.h"
#include "workers/answer.h"
#include "workers/api_media.h"
#include "workers/auth.h"
#include "workers/call_request.h"
#include "workers/json.h"
#include "workers/media_place.h"
#include "workers/router.h"
#include "workers/sdp_frag.h"
#include "workers/worker.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#define BODY_MAX       ((size_t)64 * 1024)
#define NAME_MAX_CHARS 64
#define ETAG_LEN       16
#define CORS_MAX_AGE_S "86400"
#define TYPE_FRAG      "application/trickle-ice-sdpfrag"

/* What the URLs of links begin with; NULL: 500 was answered. */
static const char *base_url(struct request *req)
{
	const char *public_url = req->worker->conf.server.public_url;
	const char *base = public_url && *public_url ? arena_strdup(&req->arena, public_url)
						     : arena_printf(&req->arena, "https://%s", req->host);

	if (!base)
		reply_problem(req, 500, "internal", NULL, NULL);
	return base && base[strlen(base) - 1] == '/' ? arena_strndup(&req->arena, base, strlen(base) - 1) : base;
}

/* --- links ------------------------------------------------------------------------------------------------ */

/* The database has the stream without its token. */
static void on_created(const struct db_result *result, void *arg)
{
	struct request *req = arg;
	const char *body = result->error == DB_OK && result->rows > 0 ? db_text(result, 0, "body") : NULL;
	struct buf json = { 0 };

	if (!body || db_int(result, 0, "status", 500) != 201) {
		answer_send(result, req);
		return;
	}
	buf_appendf(&json, "{\"stream\": {\"token\": \"%s\", %s}", (const char *)req->state, body + 1);
	if (json.failed)
		reply_problem(req, 500, "internal", NULL, NULL);
	else
		reply_json(req, 201, (const char *)json.data, json.len);
	if (json.data)
		OPENSSL_cleanse(json.data, json.len);
	buf_fini(&json);
}

static void post_streams(struct request *req)
{
	const char *kind = NULL, *name = NULL;
	const struct json_field fields[] = {
		{ "kind", FIELD_STRING, true, 1, 16, &kind, NULL },
		{ "name", FIELD_STRING, true, 1, NAME_MAX_CHARS, &name, NULL },
	};
	char id[ID_TEXT_LEN + 1], hash[64 + 1], max[16];
	char *token = arena_alloc(&req->arena, AUTH_TOKEN_LEN + 1);
	const struct id stream = id_random();
	struct call_who who;

	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0)
		return;
	if (strcmp(kind, "publish") != 0 && strcmp(kind, "watch") != 0) {
		reply_problem(req, 422, "invalid_field", "kind", "kind is publish or watch.");
		return;
	}
	const char *base = call_who_read(req, &who) ? base_url(req) : NULL;
	if (!base)
		return;
	if (!token) {
		reply_problem(req, 500, "internal", NULL, NULL);
		return;
	}
	auth_token_new(token, hash);
	snprintf(max, sizeof(max), "%u", req->worker->conf.limits.call_streams);
	req->state = token;
	const char *params[] = { who.me, who.call, id_format(&stream, id), kind, name, hash,
				 max,	 base,	   auth_address_text(req) };
	answer_exec(req, "stream_create", 0, params, ARRAY_LEN(params), on_created);
}

static void get_streams(struct request *req)
{
	struct call_who who;
	const char *base = call_who_read(req, &who) ? base_url(req) : NULL;

	if (!base)
		return;
	const char *params[] = { who.me, who.call, base };
	answer_from(req, "streams", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void patch_stream(struct request *req)
{
	const struct json *muted_object = NULL;
	bool paused = false, has_paused = false;
	const struct json_field fields[] = {
		{ "paused", FIELD_BOOL, false, 0, 0, &paused, &has_paused },
		{ "muted", FIELD_OBJECT, false, 0, 0, &muted_object, NULL },
	};
	struct call_muted muted;
	struct call_who who;

	if (request_fields(req, fields, ARRAY_LEN(fields)) < 0 || !call_muted_read(req, muted_object, &muted))
		return;
	const char *base = call_who_read(req, &who) ? base_url(req) : NULL;
	if (!base)
		return;
	const char *params[] = {
		who.me,
		who.call,
		who.other,
		call_truth(has_paused, paused),
		call_truth(muted.has_audio, muted.audio),
		call_truth(muted.has_video, muted.video),
		base,
	};
	answer_from(req, "stream_update", DB_IDEMPOTENT, params, ARRAY_LEN(params));
}

static void delete_stream(struct request *req)
{
	struct call_who who;

	if (!call_who_read(req, &who))
		return;
	const char *params[] = { who.me, who.call, who.other, auth_address_text(req) };
	answer_from(req, "stream_delete", 0, params, ARRAY_LEN(params));
}

/* --- sessions --------------------------------------------------------------------------------------------- */

/* In the arena of its request. */
struct stream_session {
	struct media_request media; /* first: media_send_offer() looks for it in req->state */
	struct request *req;
	const char *stream;	 /* its id as text */
	char etag[ETAG_LEN + 1]; /* a new one */
	bool watches;
	bool joined; /* with this offer */
	struct sdp_frag frag;
	unsigned mediad;
	uint64_t transport;
};

static struct stream_session *session_new(struct request *req)
{
	struct stream_session *s = arena_alloc(&req->arena, sizeof(*s));
	char *stream = arena_alloc(&req->arena, ID_TEXT_LEN + 1);
	uint8_t chance[ETAG_LEN / 2];

	if (!s || !stream) {
		media_reply_error(req, -ENOMEM);
		return NULL;
	}
	*s = (struct stream_session){ .req = req, .stream = id_format(&req->auth.user_id, stream) };
	random_bytes(chance, sizeof(chance));
	hex_format(chance, sizeof(chance), s->etag);
	s->watches = req->route->auth == ROUTE_WATCHER;
	req->state = s;
	return s;
}

static void add_etag(struct request *req, const char *etag)
{
	char quoted[ETAG_LEN + 3];

	snprintf(quoted, sizeof(quoted), "\"%.*s\"", ETAG_LEN, etag);
	request_add_header(req, "ETag", quoted);
}

/* The stream is out of the call; nobody waits for this. arg: the worker. */
static void on_gone(const struct db_result *result, void *arg)
{
	answer_tell(arg, result);
}

static void leave(struct worker *worker, const char *stream)
{
	const char *params[] = { stream };

	/* When it is lost, the call waits for the media as for anybody's, and gives up. */
	(void)db_exec(worker->db, "stream_leave", DB_IDEMPOTENT, params, ARRAY_LEN(params), on_gone, worker);
}

/* One half of each m-line: a publisher gets nothing of the call, a watcher gives nothing to it. False: none is left. */
static bool halve(struct sdp_offer *offer, bool watches)
{
	bool any = false;

	for (unsigned i = 0; i < offer->mlines_len; i++) {
		struct session_mline *m = &offer->mline[i].session;
		if (watches)
			m->receives = false;
		else
			m->sends = false;
		any |= !m->rejected && (watches ? m->sends : m->receives);
	}
	return any;
}

static void add_ice_servers(struct request *req)
{
	const struct conf *conf = &req->worker->conf;
	struct media_turn_login login;
	char value[512];

	if (!media_turn_login(req, &login))
		return;
	for (size_t i = 0; i < conf->turn.urls.len; i++) {
		int n = snprintf(value, sizeof(value),
				 "<%s>; rel=\"ice-server\"; username=\"%s\"; credential=\"%s\"; "
				 "credential-type=\"password\"",
				 conf->turn.urls.item[i], login.username, login.credential);
		if (n > 0 && (size_t)n < sizeof(value))
			request_add_header(req, "Link", value);
	}
}

static void reply_opened(struct request *req, const struct media_answer *answer)
{
	const struct stream_session *s = req->state;
	char media[MEDIA_ID_LEN + 1], location[128];

	snprintf(location, sizeof(location), "/api/v1/%s/%s/%s", s->watches ? "whep" : "whip", s->stream,
		 media_id_format(answer->mediad, answer->handle, media));
	request_add_header(req, "Location", location);
	request_add_header(req, "Accept-Patch", TYPE_FRAG);
	add_etag(req, s->etag);
	add_ice_servers(req);
	media_reply_answer(req, 201, answer);
}

static void on_opened(int error, const struct media_answer *answer, void *arg)
{
	struct request *req = arg;
	const struct stream_session *s = req->state;

	if ((error || request_is_gone(req)) && s->joined)
		leave(req->worker, s->stream);
	if (error)
		media_reply_error(req, error);
	else if (media_take_over(req, &s->media, answer))
		reply_opened(req, answer);
}

static void on_in_call(const struct db_result *result, void *arg)
{
	struct request *req = arg;
	struct stream_session *s = req->state;
	struct msg_offer m = { 0 };
	unsigned mediad;

	if (answer_failed(req, result))
		return;
	int status = (int)db_int(result, 0, "status", 500);
	const char *call = db_text(result, 0, "call");
	if (status != 200 || !call || id_parse(call, strlen(call), &s->media.call) < 0) {
		if (status == 401)
			request_add_header(req, "WWW-Authenticate", "Bearer realm=\"parley\"");
		answer_send(result, req);
		return;
	}
	answer_tell(req->worker, result);
	s->joined = db_bool(result, 0, "joined");
	s->media.paused = db_bool(result, 0, "paused");
	s->media.muted_audio = db_bool(result, 0, "muted_audio");
	s->media.muted_video = db_bool(result, 0, "muted_video");
	m.paused = s->media.paused;
	m.joined_us = db_int(result, 0, "joined_us", clock_realtime_us());
	int r = media_place(req->worker, &s->media.call, (unsigned)db_int(result, 0, "position", 0), !s->joined,
			    &mediad);
	if (r == 0)
		r = media_send_offer(req, mediad, &m, on_opened);
	if (r == 0)
		return;
	if (s->joined)
		leave(req->worker, s->stream);
	media_reply_error(req, r);
}

static void post_session(struct request *req)
{
	struct stream_session *s = session_new(req);
	const char *detail = NULL;

	if (!s)
		return;
	int r = sdp_offer_parse(&req->arena, req->body, req->body_len, &s->media.offer, &detail);
	if (r == 0 && !halve(s->media.offer, s->watches)) {
		r = -EINVAL;
		detail = s->watches ? "Nothing in this offer can be received (WHEP): offer recvonly audio and video."
				    : "Nothing in this offer can be sent (WHIP): offer sendonly audio and video.";
	}
	if (r < 0) {
		media_reply_sdp_problem(req, r, detail);
		return;
	}
	const char *params[] = { s->stream, s->etag };
	answer_exec(req, "stream_open", DB_IDEMPOTENT, params, ARRAY_LEN(params), on_in_call);
}

/* The session of the path, and the call that the stream is in, or 404. */
static bool session_find(struct stream_session *s, const struct db_result *result)
{
	const char *call = result->rows > 0 ? db_text(result, 0, "call") : NULL;

	if (answer_failed(s->req, result))
		return false;
	if (call && id_parse(call, strlen(call), &s->media.call) == 0)
		return true;
	media_reply_gone(s->req);
	return false;
}

static void on_left(int error, void *arg)
{
	struct request *req = arg;
	const struct stream_session *s = req->state;

	if (error) {
		media_reply_error(req, error);
		return;
	}
	leave(req->worker, s->stream);
	reply_empty(req, 204);
}

static void on_found_to_leave(const struct db_result *result, void *arg)
{
	struct request *req = arg;
	struct stream_session *s = req->state;

	if (!session_find(s, result))
		return;
	int r = media_link_leave(req->worker->media, s->mediad, s->transport, &s->media.call, &req->auth.user_id,
				 on_left, req);
	if (r < 0)
		media_reply_error(req, r);
}

static void delete_session(struct request *req)
{
	struct stream_session *s = session_new(req);

	if (!s || !media_parse_id(req, &s->mediad, &s->transport))
		return;
	const char *params[] = { s->stream, NULL };
	answer_exec(req, "stream_session", DB_IDEMPOTENT, params, ARRAY_LEN(params), on_found_to_leave);
}

/* Trickled candidates: not needed, addresses are learnt from authenticated checks. */
static void on_found_to_trickle(const struct db_result *result, void *arg)
{
	struct request *req = arg;
	const char *match = request_header(req, "if-match");
	char current[ETAG_LEN + 3];

	if (!session_find(req->state, result))
		return;
	const char *etag = db_text(result, 0, "etag");
	snprintf(current, sizeof(current), "\"%s\"", etag ? etag : "");
	if (strcmp(match, current) == 0)
		reply_empty(req, 204);
	else
		reply_problem(req, 412, "precondition_failed", NULL,
			      "If-Match is not the ETag of this ICE session; it was restarted or replaced.");
}

static void on_restarted(int error, const struct media_answer *answer, void *arg)
{
	struct request *req = arg;
	const struct stream_session *s = req->state;
	struct buf text = { 0 };

	if (error) {
		media_reply_error(req, error);
		return;
	}
	if (sdp_frag_build(&s->frag, answer, &text) < 0) {
		media_reply_error(req, -ENOMEM);
	} else {
		add_etag(req, s->etag);
		reply(req, 200, TYPE_FRAG, text.data, text.len);
	}
	buf_fini(&text);
}

static void on_found_to_restart(const struct db_result *result, void *arg)
{
	struct request *req = arg;
	struct stream_session *s = req->state;
	struct msg_offer m = { 0 };

	if (!session_find(s, result))
		return;
	m.transport = s->transport;
	m.call = s->media.call;
	m.member = req->auth.user_id;
	m.sign_in = req->auth.session_id;
	memcpy(m.ufrag, s->frag.ufrag, sizeof(m.ufrag));
	memcpy(m.pwd, s->frag.pwd, sizeof(m.pwd));
	int r = media_link_offer(req->worker->media, s->mediad, &m, NULL, on_restarted, req);
	if (r < 0)
		media_reply_error(req, r);
}

/* If-Match says which of the two it is (RFC 9725, 4.3.1): "*" restarts ICE, an entity tag brings candidates. */
static void patch_session(struct request *req)
{
	const char *match = request_header(req, "if-match");
	struct stream_session *s = session_new(req);
	const char *detail = NULL;

	if (!s || !media_parse_id(req, &s->mediad, &s->transport))
		return;
	if (strcmp(request_content_type(req), TYPE_FRAG) != 0) {
		reply_problem(req, 415, "unsupported_media_type", NULL, "The body must be " TYPE_FRAG ".");
		return;
	}
	if (!match) {
		reply_problem(req, 428, "precondition_required", NULL,
			      "Send If-Match: the ETag of the ICE session with candidates, * to restart ICE.");
		return;
	}
	bool restart = strcmp(match, "*") == 0;
	int r = sdp_frag_parse(req->body, req->body_len, &s->frag, &detail);
	if (r == 0 && restart && (!s->frag.ufrag[0] || !s->frag.pwd[0])) {
		r = -EINVAL;
		detail = "To restart ICE there have to be a=ice-ufrag and a=ice-pwd, new ones.";
	}
	if (r < 0) {
		media_reply_sdp_problem(req, r, detail);
		return;
	}
	const char *params[] = { s->stream, restart ? s->etag : NULL };
	answer_exec(req, "stream_session", DB_IDEMPOTENT, params, ARRAY_LEN(params),
		    restart ? on_found_to_restart : on_found_to_trickle);
}

/* --- preflight -------------------------------------------------------------------------------------------- */

static void reply_options(struct request *req, const char *methods, const char *accept, const char *type)
{
	if (!auth_admit_address(req))
		return;
	request_add_header(req, "Access-Control-Allow-Methods", methods);
	request_add_header(req, "Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match");
	request_add_header(req, "Access-Control-Max-Age", CORS_MAX_AGE_S);
	request_add_header(req, "Allow", methods);
	request_add_header(req, accept, type);
	reply_empty(req, 204);
}

static void options_endpoint(struct request *req)
{
	reply_options(req, "POST, OPTIONS", "Accept-Post", "application/sdp");
}

static void options_session(struct request *req)
{
	reply_options(req, "PATCH, DELETE, OPTIONS", "Accept-Patch", TYPE_FRAG);
}

#define WHIP "/api/v1/whip/{stream_id}"
#define WHEP "/api/v1/whep/{stream_id}"

const struct route api_streams_routes[] = {
	{ HTTP_POST, "/api/v1/calls/{call_id}/streams", ROUTE_USER, BODY_JSON, 0, post_streams },
	{ HTTP_GET, "/api/v1/calls/{call_id}/streams", ROUTE_USER, BODY_NONE, 0, get_streams },
	{ HTTP_PATCH, "/api/v1/calls/{call_id}/streams/{stream_id}", ROUTE_USER, BODY_JSON, 0, patch_stream },
	{ HTTP_DELETE, "/api/v1/calls/{call_id}/streams/{stream_id}", ROUTE_USER, BODY_NONE, 0, delete_stream },
	{ HTTP_POST, WHIP, ROUTE_PUBLISHER, BODY_SDP_ONLY, BODY_MAX, post_session },
	{ HTTP_OPTIONS, WHIP, ROUTE_PUBLIC, BODY_NONE, 0, options_endpoint },
	{ HTTP_PATCH, WHIP "/{media_id}", ROUTE_PUBLISHER, BODY_ANY, BODY_MAX, patch_session },
	{ HTTP_DELETE, WHIP "/{media_id}", ROUTE_PUBLISHER, BODY_NONE, 0, delete_session },
	{ HTTP_OPTIONS, WHIP "/{media_id}", ROUTE_PUBLIC, BODY_NONE, 0, options_session },
	{ HTTP_POST, WHEP, ROUTE_WATCHER, BODY_SDP_ONLY, BODY_MAX, post_session },
	{ HTTP_OPTIONS, WHEP, ROUTE_PUBLIC, BODY_NONE, 0, options_endpoint },
	{ HTTP_PATCH, WHEP "/{media_id}", ROUTE_WATCHER, BODY_ANY, BODY_MAX, patch_session },
	{ HTTP_DELETE, WHEP "/{media_id}", ROUTE_WATCHER, BODY_NONE, 0, delete_session },
	{ HTTP_OPTIONS, WHEP "/{media_id}", ROUTE_PUBLIC, BODY_NONE, 0, options_session },
	{ .pattern = NULL },
};
