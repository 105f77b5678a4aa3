/* mediad/opus.h - what an Opus packet says of its length, and several of them made one (RFC 6716, 3).
 *
 *     TOC a │ frame      TOC a │ frame      TOC a │ frame
 *     ──────┴───────────────────┬──────────────────────────
 *                               ▼
 *     TOC a, code 3 │ count, VBR │ lengths but the last │ frame frame frame
 *
 * Nothing is decoded: a packet of several frames is what an encoder with a longer packet time makes, and every decoder
 * takes it. Frames in one packet have the TOC in common, that is mode, bandwidth, frame length and channels. Pure. */
#ifndef PARLEY_MEDIAD_OPUS_H
#define PARLEY_MEDIAD_OPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPUS_JOIN_MAX	6
#define OPUS_HEADER_MAX (2 + 2 * OPUS_JOIN_MAX) /* bytes that joining adds, at most */
#define OPUS_FRAME_MAX	1275
#define OPUS_CLOCK	48000 /* of its RTP timestamps, whatever it was made of (RFC 7587) */

struct opus_part {
	const uint8_t *data;
	size_t len;
};

/* How long a packet with one frame is, in RTP timestamps; 0: it has several, or is none. */
uint32_t opus_single(const uint8_t *data, size_t len);
/* May the frames of these two stand in one packet? */
bool opus_is_alike(const uint8_t *a, const uint8_t *b);
/* One packet of these, each with one frame, all alike. Its length; 0: it does not fit. */
size_t opus_join(uint8_t *p, size_t room, const struct opus_part *part, unsigned n);

#endif
