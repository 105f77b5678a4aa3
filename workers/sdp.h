/* workers/sdp.h - offers of WebRTC clients in, answers out.
 *
 * sdp_offer_parse() lets libgstsdp cut the text into lines and takes from them what the server can serve;
 * what it cannot (data channels, unknown codecs, m-lines outside the BUNDLE group) becomes a rejected m-line,
 * what contradicts itself or lacks what every WebRTC client sends is refused with a sentence.
 * sdp_answer_build() writes the text of the answer from the offer and from what the mediad said.
 *
 * Callers:   any thread: pure functions, no state. The parser is a fuzz target.
 * Ownership: the offer and the sentence live in the arena.
 * Limits:    SDP_BYTES_MAX bytes of UTF-8 without U+0000, SESSION_MLINES_MAX m-lines. */
#ifndef PARLEY_WORKERS_SDP_H
#define PARLEY_WORKERS_SDP_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "shm/session.h"
#include "workers/media_link.h"

#include <stdbool.h>

#define SDP_BYTES_MAX ((size_t)64 * 1024)

/* What the answer mirrors and the mediad need not know. */
struct sdp_mline {
	struct session_mline session;
	const char *media; /* "audio", "video", "application", … */
	const char *proto;
	const char *format;		      /* the first one, for rejected m-lines */
	const char *fmtp[SESSION_CODECS_MAX]; /* of session.codec[i]; NULL = none */
	const char *rid[SESSION_LAYERS_MAX];  /* simulcast, in the order of the offer */
	unsigned rids;
	bool has_mid, rtcp_rsize;
	bool peer_sends, peer_receives; /* the direction as offered */
};

struct sdp_offer {
	char ufrag[SESSION_UFRAG_MAX + 1], pwd[SESSION_PWD_MAX + 1];
	uint8_t fingerprint[32]; /* SHA-256 of the client's certificate */
	bool bundle;
	unsigned mlines_len;
	struct sdp_mline mline[SESSION_MLINES_MAX];
};

struct sdp_track {
	const char *mid;
	enum track_kind kind;
};

/* -EINVAL with *ret_detail, one sentence; -ENOMEM. Sending m-lines are tracks by their order (DESIGN 9). */
int sdp_offer_parse(struct arena *arena, const char *text, size_t len, struct sdp_offer **ret_offer,
		    const char **ret_detail);
/* Says instead what each sending m-line carries; those not named carry nothing that is taken. */
int sdp_offer_set_tracks(struct arena *arena, struct sdp_offer *offer, const struct sdp_track *tracks, size_t len,
			 const char **ret_detail);
/* "microphone", "camera", "screen", "screen_audio"; -EINVAL. */
int sdp_track_kind_parse(const char *text, enum track_kind *ret_kind);
const char *sdp_track_kind_name(enum track_kind kind);

/* version: the session version of the o= line, rising with every answer on a transport. -ENOMEM. */
int sdp_answer_build(const struct sdp_offer *offer, const struct media_answer *answer, uint64_t version,
		     struct buf *ret_text);

/* Its a=candidate lines and the end of them. */
void sdp_answer_candidates(struct buf *b, const struct media_answer *answer);

/* "opus/48000/2" */
const char *sdp_codec_encoding(enum codec codec);

#endif
