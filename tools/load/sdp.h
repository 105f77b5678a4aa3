/* tools/load/sdp.h - the offer of a participant, as the page makes it, and what its client must know of the answer.
 *
 *   m-line 0, 1     microphone and camera (three layers, VP8), and the first pair of slots
 *   m-line 2, 3     the screen and its sound, of which nothing is sent (who only watches leaves these out)
 *   from there on   a pair of slots each for the other tiles
 *
 * The offer names the payload types and the numbers of header extensions; the answer keeps them.
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

enum { SDP_EXT_LEVEL = 1, SDP_EXT_TWCC = 3, SDP_EXT_MID = 4, SDP_EXT_RID = 10, SDP_EXT_RRID = 11 };

extern const char *const sdp_rid[SDP_LAYERS];

struct sdp_identity {
	const char *ufrag, *pwd;
	const uint8_t *fingerprint; /* 32 bytes */
};

void sdp_offer_write(struct buf *out, const struct sdp_identity *own, unsigned tiles, bool publishes);

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
	unsigned rids;
};

/* -EPROTO: something without which no media flows is not there. */
int sdp_answer_read(const char *text, struct sdp_answer *ret_answer);

#endif
