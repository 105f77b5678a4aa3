/* tools/load/sdp.h - the offer of a participant, as the page makes it, and what its client must know of the answer.
 *
 *   m-line 0, 1     microphone and camera (three layers or one, VP8), and the first pair of slots
 *   m-line 2, 3     the screen and its sound, of which nothing is sent (who only watches leaves these out)
 *   from there on   a pair of slots each for the other tiles
 *
 * The offer names the payload types and the numbers of header extensions; the answer keeps them.
 *
 * Where what is sent and what is watched are transports of their own (Janus), the first is offered by us, with
 * microphone and camera alone, and the second by the server, and we answer.
 *
 * Pure functions of text. */
#ifndef PARLEY_LOAD_SDP_H
#define PARLEY_LOAD_SDP_H

#include "lib/buf.h"

#include <sys/socket.h>

#define SDP_TILES_MAX 49
#define SDP_SLOTS_MAX (2 * SDP_TILES_MAX)
#define SDP_MID_MAX   8
#define SDP_PT_OPUS   111
#define SDP_PT_VP8    96
#define SDP_PT_RTX    97
#define SDP_LAYERS    3

#define SDP_URI_LEVEL "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
#define SDP_URI_TWCC  "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define SDP_URI_MID   "urn:ietf:params:rtp-hdrext:sdes:mid"
#define SDP_URI_RID   "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
#define SDP_URI_RRID  "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"

enum { SDP_EXT_LEVEL = 1, SDP_EXT_TWCC = 3, SDP_EXT_MID = 4, SDP_EXT_RID = 10, SDP_EXT_RRID = 11 };

extern const char *const sdp_rid[SDP_LAYERS];

struct sdp_identity {
	const char *ufrag, *pwd;
	const uint8_t *fingerprint; /* 32 bytes */
};

/* layers: of the camera; 1 = no simulcast, 0 = nothing is sent. */
void sdp_offer_write(struct buf *out, const struct sdp_identity *own, unsigned tiles, unsigned layers);

struct sdp_slot {
	char mid[SDP_MID_MAX + 1];
	bool video;
	uint32_t ssrc, rtx_ssrc; /* rtx_ssrc 0: none */
};

struct sdp_answer {
	char ufrag[257], pwd[257];
	uint8_t fingerprint[32];
	struct sockaddr_storage address; /* the first candidate by UDP */
	socklen_t address_len;
	unsigned slots;
	struct sdp_slot slot[SDP_SLOTS_MAX];
	bool takes_audio, takes_video; /* what is sent on m-lines 0 and 1 */
	bool ext_level, ext_twcc, ext_mid, ext_rid;
	uint8_t twcc; /* number of that extension in what they send */
	unsigned rids;
};

/* -EPROTO: something without which no media flows is not there. An offer of theirs is read the same way. */
int sdp_answer_read(const char *text, struct sdp_answer *ret_answer);

/* What is sent, as a transport of its own; ssrc_video's RTX has rtx_ssrc. */
struct sdp_sources {
	uint32_t ssrc_audio, ssrc_video, rtx_ssrc;
	bool video;
};
void sdp_publish_write(struct buf *out, const struct sdp_identity *own, const struct sdp_sources *sources);
/* Our answer to an offer of theirs: all of it is received. */
void sdp_reply_write(struct buf *out, const struct sdp_identity *own, const char *offer);

#endif
