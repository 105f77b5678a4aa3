/* tools/load/mark.h - what stands in the synthetic payload: whose it is, which frame, which packet of it, and when it
 * was sent. Sender and receiver are one process with one clock, so a receiver knows the delay of each packet, and which
 * person a tile shows.
 *
 * For VP8 the mark stands behind a real payload descriptor (RFC 7741) and, in a frame's first packet, a real frame
 * header (RFC 6386, 9.1), so that a server finds key frames, picture ids and sizes where it looks for them. No decoder
 * would make a picture of it.
 *
 * Pure functions of bytes. */
#ifndef PARLEY_LOAD_MARK_H
#define PARLEY_LOAD_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MARK_BYTES     30	/* and one before it in sound */
#define MARK_VP8_BYTES (6 + 10) /* descriptor and header of a key frame */

struct mark {
	uint32_t run;	    /* of this process: packets of another one are not ours */
	uint32_t publisher; /* index of the person */
	uint32_t frame;
	uint8_t layer, place, count; /* packet place of count */
	bool key;
	int64_t sent_us;
};

struct mark_vp8 {
	uint16_t picture_id, width, height;
	uint8_t tl0picidx;
};

/* Writes len bytes in all; at least MARK_BYTES, or MARK_VP8_BYTES more. */
void mark_write(uint8_t *payload, size_t len, const struct mark *mark);
void mark_write_vp8(uint8_t *payload, size_t len, const struct mark *mark, const struct mark_vp8 *vp8);
/* false: there is none, as in comfort noise. */
bool mark_read(const uint8_t *payload, size_t len, struct mark *ret_mark);
bool mark_read_vp8(const uint8_t *payload, size_t len, struct mark *ret_mark);

#endif
