/* mediad/thin.h - leaves upper temporal layers out of a stream, and no gap in its numbers.
 *
 * A picture goes or is left out as a whole, by its temporal layer. What is left out takes neither a sequence number nor
 * a picture id: the receiver sees a stream of fewer pictures, and misses nothing.
 *
 * Down:      with the next picture: lower layers never refer to upper ones.
 * Up:        one layer at a time, at a picture of it that refers to nothing above the layers below (layer sync), or
 * with a key frame all at once. Gaps:      what the network has not brought yet keeps its numbers, but where all of it
 * is known to be left out: the rest of a picture that is, or whole pictures while only the lowest layer goes and
 * TL0PICIDX says that none of its pictures is among them. What then comes late and is to be left out after all had a
 * number: THIN_FILL, an empty packet takes its place. Until a limit is first set, nothing is remembered but the last
 * packet: the numbers are the source's.
 *
 * For a source whose packets say all this (RING_SCALABLE); others pass. Pure. */
#ifndef PARLEY_MEDIAD_THIN_H
#define PARLEY_MEDIAD_THIN_H

#include "shm/ring.h"

#define THIN_RECENT   256
#define THIN_PICTURES 64
#define THIN_ALL      7 /* no temporal layer is above it */

enum thin_verdict {
	THIN_SEND,
	THIN_DROP,
	THIN_FILL,
};

struct thin {
	bool active;
	uint8_t allowed, highest_layer; /* what is wanted; what goes */
	uint64_t from;			/* up to this index nothing was left out */
	uint64_t highest;		/* index */
	uint64_t packets;		/* left out so far */
	uint16_t pictures;
	/* the picture of the highest packet */
	bool known, kept, ended;
	uint16_t picture_id;
	uint8_t tl0picidx;
	struct {
		uint64_t index, packets;
		uint16_t pictures;
		uint8_t fate;
	} recent[THIN_RECENT];
	struct {
		bool known, kept;
		uint16_t id, pictures;
	} picture[THIN_PICTURES];
};

/* What a packet's numbers are lowered by. */
struct thin_shift {
	uint64_t packets;
	uint16_t pictures;
};

/* The stream begins, or goes on elsewhere, with the key frame's packet of that index. */
void thin_begin(struct thin *thin, uint64_t index);
/* The highest temporal layer that may go; THIN_ALL. */
void thin_allow(struct thin *thin, unsigned temporal);
/* A packet that came, also late or again: the same then as before. */
enum thin_verdict thin_on_packet(struct thin *thin, const struct ring_head *head, struct thin_shift *ret_shift);

#endif
