/* workers/api_media.h - what the two ways into a call share: of people's pages (api_media.c) and of streams
 * (api_streams.c).
 *
 * Callers:   handlers; req->auth is filled, req->state is a struct media_request once there is an offer.
 * Answers:   media_reply_*() answer the request, which is dead afterwards. */
#ifndef PARLEY_WORKERS_API_MEDIA_H
#define PARLEY_WORKERS_API_MEDIA_H

#include "workers/media_link.h"
#include "workers/request.h"
#include "workers/sdp.h"

/* One offer on its way, in the request's arena. */
struct media_request {
	struct id call;
	struct sdp_offer *offer;
	bool muted_audio, muted_video, paused;
};

/* The scheme of coturn's use-auth-secret: user name "expiry:user", password = base64 of its HMAC-SHA1. */
struct media_turn_login {
	char username[64], credential[64], expires_at[32];
};

/* False: no TURN server is configured. */
bool media_turn_login(const struct request *req, struct media_turn_login *ret_login);
/* The transport that param[1] names; false: 404 was answered. */
bool media_parse_id(struct request *req, unsigned *ret_mediad, uint64_t *ret_handle);
/* Sends the state's offer; m holds what is not of the offer (transport, joined_us, paused). */
int media_send_offer(struct request *req, unsigned mediad, struct msg_offer *m, media_answer_cb *callback);
/* A transport was opened: it takes the place of the member's others and learns what is muted or paused. False: nobody
 * waits for it any more, it is closed and the request answered. */
bool media_take_over(struct request *req, const struct media_request *mr, const struct media_answer *answer);
void media_reply_answer(struct request *req, int status, const struct media_answer *answer);
/* One text: nobody can tell another's transport from none. */
void media_reply_gone(struct request *req);
/* What sdp_offer_parse() said. */
void media_reply_sdp_problem(struct request *req, int err, const char *detail);
/* What media_link_*() or its callback said. */
void media_reply_error(struct request *req, int error);

#endif
