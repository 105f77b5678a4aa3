/* POST/PATCH/DELETE /calls/{id}/media: an offer becomes a transport on a mediad and an answer.
 *
 * POST asks the statement media_open (sql/0006_media.sql): may this sign-in open media, where does the member stand
 * in the call (decides the mediad), since when (order of seats). PATCH and DELETE need no database: the mediad
 * checks that the transport is the caller's, and a member who has left has none. */
#include "workers/api_media.h"

#include "lib/clock.h"
#include "workers/answer.h"
#include "workers/json.h"
#include "workers/media_link.h"
#include "workers/media_place.h"
#include "workers/request.h"
#include "workers/router.h"
#include "workers/sdp.h"
#include "workers/worker.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <time.h>

#define BODY_MAX     ((size_t)160 * 1024) /* JSON escapes every line end of the SDP */
#define ICE_TTL_S    (24 * 3600)
#define RETRY_FULL_S 5
#define RETRY_OVER_S 10
#define RETRY_BUSY_S 1

static bool parse_call_id(struct request *req, struct id *ret_call)
{
	if (id_parse(req->param[0], strlen(req->param[0]), ret_call) == 0)
		return true;
	reply_problem(req, 404, "not_found", NULL, "There is no such call of yours.");
	return false;
}

void media_reply_gone(struct request *req)
{
	reply_problem(req, 404, "not_found", NULL, "This transport is gone, or not yours; offer anew with POST.");
}

bool media_parse_id(struct request *req, unsigned *ret_mediad, uint64_t *ret_handle)
{
	if (media_id_parse(req->param[1], ret_mediad, ret_handle) == 0 && *ret_mediad < req->worker->mediads)
		return true;
	media_reply_gone(req);
	return false;
}

/* --- the offer in the body ----------------------------------------------------------------------------- */

void media_reply_sdp_problem(struct request *req, int err, const char *detail)
{
	if (err == -ENOMEM)
		reply_problem(req, 500, "internal", NULL, NULL);
	else
		reply_problem(req, 422, "invalid_sdp", NULL, detail);
}

/* {"0": "microphone", …}: false when it was answered. */
static bool read_tracks(struct request *req, struct sdp_offer *offer, const struct json *tracks)
{
	struct sdp_track track[SESSION_MLINES_MAX];
	const char *detail = NULL;
	size_t n = 0;

	for (const struct json *t = tracks->list.first; t; t = t->next, n++) {
		if (n == ARRAY_LEN(track) || t->type != JSON_STRING ||
		    sdp_track_kind_parse(t->string.text, &track[n].kind) < 0) {
			reply_problem(req, 422, "invalid_field", "tracks",
				      "tracks names a microphone, camera, screen or screen_audio for each mid.");
			return false;
		}
		track[n].mid = t->key;
	}
	int r = sdp_offer_set_tracks(&req->arena, offer, track, n, &detail);
	if (r == -ENOMEM)
		media_reply_sdp_problem(req, r, NULL);
	else if (r < 0)
		reply_problem(req, 422, "invalid_field", "tracks", detail);
	return r == 0;
}

/* application/sdp, or application/json {sdp, tracks}: NULL when it was answered: req is dead. */
static struct sdp_offer *read_offer(struct request *req)
{
	bool is_json = strcmp(request_content_type(req), "application/json") == 0;
	const char *text = req->body, *detail = NULL;
	const struct json *tracks = NULL;
	struct sdp_offer *offer = NULL;
	size_t len = req->body_len;

	if (is_json) {
		const struct json_field fields[] = {
			{ .name = "sdp",
			  .kind = FIELD_STRING,
			  .required = true,
			  .min = 1,
			  .max = SDP_BYTES_MAX,
			  .ret = &text },
			{ .name = "tracks", .kind = FIELD_OBJECT, .ret = &tracks },
		};
		if (request_fields(req, fields, ARRAY_LEN(fields)) < 0)
			return NULL;
		len = strlen(text);
	}
	int r = sdp_offer_parse(&req->arena, text, len, &offer, &detail);
	if (r < 0) {
		media_reply_sdp_problem(req, r, detail);
		return NULL;
	}
	return tracks && !read_tracks(req, offer, tracks) ? NULL : offer;
}

/* --- to the mediad and back ---------------------------------------------------------------------------- */

void media_reply_error(struct request *req, int error)
{
	switch (error) {
	case -ENOENT:
	case -ENODEV:
		media_reply_gone(req);
		break;
	case -ENOSPC:
		reply_retry(req, 503, "overloaded",
			    "There is no room for another participant's media; try again in a few seconds.",
			    RETRY_FULL_S);
		break;
	case -EDQUOT:
		reply_retry(
			req, 503, "at_capacity",
			"The server carries as many participants as it can at this moment; those in calls stay. Try "
			"again in a while.",
			RETRY_OVER_S);
		break;
	case -EBADMSG:
		reply_problem(
			req, 422, "invalid_sdp", NULL,
			"This offer does not go on from the one before: its certificate stays, m-lines may be rejected "
			"and not taken away. Offer anew with POST.");
		break;
	case -ENOMEM:
		reply_problem(req, 500, "internal", NULL, NULL);
		break;
	default: /* -EAGAIN, -ETIMEDOUT, -ECONNRESET */
		reply_retry(req, 503, "overloaded", "The media server is busy or starting; try again in a moment.",
			    RETRY_BUSY_S);
	}
}

int media_send_offer(struct request *req, unsigned mediad, struct msg_offer *m, media_answer_cb *callback)
{
	struct media_request *mr = req->state;
	const struct sdp_offer *offer = mr->offer;
	struct session_mline *mlines = arena_alloc(&req->arena, offer->mlines_len * sizeof(*mlines));

	if (!mlines)
		return -ENOMEM;
	m->call = mr->call;
	m->member = req->auth.user_id;
	m->sign_in = req->auth.session_id;
	memcpy(m->ufrag, offer->ufrag, sizeof(m->ufrag));
	memcpy(m->pwd, offer->pwd, sizeof(m->pwd));
	memcpy(m->fingerprint, offer->fingerprint, sizeof(m->fingerprint));
	m->mlines_len = (uint8_t)offer->mlines_len;
	for (unsigned i = 0; i < offer->mlines_len; i++)
		mlines[i] = offer->mline[i].session;
	return media_link_offer(req->worker->media, mediad, m, mlines, callback, req);
}

void media_reply_answer(struct request *req, int status, const struct media_answer *answer)
{
	const struct media_request *mr = req->state;
	struct buf text = { 0 };

	if (sdp_answer_build(mr->offer, answer, (uint64_t)clock_realtime_us(), &text) < 0)
		media_reply_error(req, -ENOMEM);
	else
		reply(req, status, "application/sdp", text.data, text.len);
	buf_fini(&text);
}

bool media_take_over(struct request *req, const struct media_request *mr, const struct media_answer *answer)
{
	struct media_link *media = req->worker->media;

	if (request_is_gone(req)) {
		/* Nobody would use it, and what was there before may still be in use. */
		media_link_close_transport(media, answer->mediad, answer->handle);
		reply_empty(req, 204);
		return false;
	}
	media_link_close_others(media, &mr->call, &req->auth.user_id, answer->mediad, answer->handle);
	if (mr->paused || mr->muted_audio || mr->muted_video)
		media_link_member_state(media, &mr->call, &req->auth.user_id, mr->paused, mr->muted_audio,
					mr->muted_video);
	return true;
}

static void on_opened(int error, const struct media_answer *answer, void *arg)
{
	struct request *req = arg;
	const struct media_request *mr = req->state;
	char call[ID_TEXT_LEN + 1], mid[MEDIA_ID_LEN + 1], location[128];

	if (error) {
		media_reply_error(req, error);
		return;
	}
	if (!media_take_over(req, mr, answer))
		return;
	snprintf(location, sizeof(location), "/api/v1/calls/%s/media/%s", id_format(&mr->call, call),
		 media_id_format(answer->mediad, answer->handle, mid));
	request_add_header(req, "Location", location);
	media_reply_answer(req, 201, answer);
}

static void on_may_open(const struct db_result *result, void *arg)
{
	struct request *req = arg;
	struct media_request *mr = req->state;
	struct msg_offer m = { 0 };
	unsigned mediad;

	if (answer_failed(req, result))
		return;
	if (db_int(result, 0, "status", 500) != 200) {
		answer_send(result, req);
		return;
	}
	mr->paused = db_bool(result, 0, "paused");
	mr->muted_audio = db_bool(result, 0, "muted_audio");
	mr->muted_video = db_bool(result, 0, "muted_video");
	m.paused = mr->paused;
	m.joined_us = db_int(result, 0, "joined_us", clock_realtime_us());
	int r = media_place(req->worker, &mr->call, (unsigned)db_int(result, 0, "position", 0),
			    db_bool(result, 0, "comes_back"), &mediad);
	if (r == 0)
		r = media_send_offer(req, mediad, &m, on_opened);
	if (r < 0)
		media_reply_error(req, r);
}

static void on_post(struct request *req)
{
	struct media_request *mr = arena_alloc(&req->arena, sizeof(*mr));
	char call[ID_TEXT_LEN + 1], user[ID_TEXT_LEN + 1], sign_in[ID_TEXT_LEN + 1];

	if (!mr) {
		media_reply_error(req, -ENOMEM);
		return;
	}
	req->state = mr;
	if (!parse_call_id(req, &mr->call))
		return;
	struct sdp_offer *offer = read_offer(req);
	if (!offer)
		return;
	mr->offer = offer;
	const char *params[] = { id_format(&mr->call, call), id_format(&req->auth.user_id, user),
				 id_format(&req->auth.session_id, sign_in) };
	answer_exec(req, "media_open", DB_IDEMPOTENT, params, ARRAY_LEN(params), on_may_open);
}

static void on_updated(int error, const struct media_answer *answer, void *arg)
{
	if (error)
		media_reply_error(arg, error);
	else
		media_reply_answer(arg, 200, answer);
}

static void on_patch(struct request *req)
{
	const char *type = request_content_type(req);
	struct media_request *mr = arena_alloc(&req->arena, sizeof(*mr));
	struct msg_offer m = { 0 };
	unsigned mediad;

	if (!mr) {
		media_reply_error(req, -ENOMEM);
		return;
	}
	req->state = mr;
	if (!parse_call_id(req, &mr->call) || !media_parse_id(req, &mediad, &m.transport))
		return;
	if (strcmp(type, "application/trickle-ice-sdpfrag") == 0) {
		/* Not needed: addresses are learnt from authenticated checks. */
		reply_empty(req, 204);
		return;
	}
	if (strcmp(type, "application/sdp") != 0 && strcmp(type, "application/json") != 0) {
		reply_problem(req, 415, "unsupported_media_type", NULL,
			      "The body must be application/sdp, application/json or application/trickle-ice-sdpfrag.");
		return;
	}
	struct sdp_offer *offer = read_offer(req);
	if (!offer)
		return;
	mr->offer = offer;
	int r = media_send_offer(req, mediad, &m, on_updated);
	if (r < 0)
		media_reply_error(req, r);
}

static void on_left(int error, void *arg)
{
	if (error)
		media_reply_error(arg, error);
	else
		reply_empty(arg, 204);
}

static void on_delete(struct request *req)
{
	struct id call;
	uint64_t handle;
	unsigned mediad;

	if (!parse_call_id(req, &call) || !media_parse_id(req, &mediad, &handle))
		return;
	int r = media_link_leave(req->worker->media, mediad, handle, &call, &req->auth.user_id, on_left, req);
	if (r < 0)
		media_reply_error(req, r);
}

/* --- TURN ---------------------------------------------------------------------------------------------- */

bool media_turn_login(const struct request *req, struct media_turn_login *ret_login)
{
	const struct conf *conf = &req->worker->conf;
	const char *secret = conf->turn.secret;
	unsigned char mac[EVP_MAX_MD_SIZE];
	char user[ID_TEXT_LEN + 1];
	unsigned mac_len = 0;
	time_t expiry = time(NULL) + ICE_TTL_S;
	struct tm tm;

	if (conf->turn.urls.len == 0 || !secret || !*secret)
		return false;
	snprintf(ret_login->username, sizeof(ret_login->username), "%lld:%s", (long long)expiry,
		 id_format(&req->auth.user_id, user));
	if (!HMAC(EVP_sha1(), secret, (int)strlen(secret), (const unsigned char *)ret_login->username,
		  strlen(ret_login->username), mac, &mac_len))
		return false;
	EVP_EncodeBlock((unsigned char *)ret_login->credential, mac, (int)mac_len);
	strftime(ret_login->expires_at, sizeof(ret_login->expires_at), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&expiry, &tm));
	return true;
}

static void write_ice_server(const struct conf *conf, const struct media_turn_login *login, struct json_out *o)
{
	json_out_object(o, NULL);
	json_out_array(o, "urls");
	for (size_t i = 0; i < conf->turn.urls.len; i++)
		json_out_string(o, NULL, conf->turn.urls.item[i]);
	json_out_array_end(o);
	json_out_string(o, "username", login->username);
	json_out_string(o, "credential", login->credential);
	json_out_string(o, "expires_at", login->expires_at);
	json_out_object_end(o);
}

static void on_ice_servers(struct request *req)
{
	struct media_turn_login login;
	struct buf json = { 0 };
	struct json_out o;

	json_out_init(&o, &json);
	json_out_object(&o, NULL);
	json_out_array(&o, "items");
	if (media_turn_login(req, &login))
		write_ice_server(&req->worker->conf, &login, &o);
	json_out_array_end(&o);
	json_out_null(&o, "next");
	json_out_object_end(&o);
	if (json.failed)
		media_reply_error(req, -ENOMEM);
	else
		reply_json(req, 200, (const char *)json.data, json.len);
	buf_fini(&json);
}

const struct route api_media_routes[] = {
	{ HTTP_POST, "/api/v1/calls/{call_id}/media", ROUTE_USER, BODY_SDP, BODY_MAX, on_post },
	{ HTTP_PATCH, "/api/v1/calls/{call_id}/media/{media_id}", ROUTE_USER, BODY_ANY, BODY_MAX, on_patch },
	{ HTTP_DELETE, "/api/v1/calls/{call_id}/media/{media_id}", ROUTE_USER, BODY_NONE, 0, on_delete },
	{ HTTP_GET, "/api/v1/ice-servers", ROUTE_USER, BODY_NONE, 0, on_ice_servers },
	{ .pattern = NULL },
};
