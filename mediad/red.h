/* mediad/red.h - sound that is sent twice (RED, RFC 2198) to whom packets are lost on the way: how often, and how it is
 * written.
 *
 *   loss on the path, smoothed ──┐
 *   what the path takes ─────────┴─▶ red_look() ──how many older packets go along──▶ red_write()
 *
 *   on        when the mean loss of the last seconds reaches RED_LOSS_ON. Losses come in a row more often than not,
 *             so as many older packets go along as there is room for, RED_DEPTH_MAX at most: a packet is missed only
 *             when all that carry it are lost
 *   off       RED_HOLD_US after the mean was last above RED_LOSS_OFF
 *   room      by the path's estimate, for each who is heard RED_ONE_BPS for one copy, RED_ALL_BPS for more; none
 *             while a queue stands: on a path that is full copies would be what makes packets get lost. The estimate
 *             of a path on which only sound goes is low, because nothing more was tried. Less at once, more again
 *             after RED_ROOM_US
 *   late      a copy is of use only to a receiver whose jitter buffer waits for it, and buffers are as long as the
 * delays that they have seen (NetEq: nearly the longest of each half second). So now and then sound is held back until
 * the packet comes that carries its last copy: RED_LATE_FIRST times in a row, then every RED_LATE_US left out  older
 * packets that a block header cannot describe (10 bits of length, 14 of time), those without sound (DTX), and what
 * makes a payload longer than RED_PACKET_MAX
 *
 * Pure functions of bytes, numbers and time. The block headers are read by codec_red_primary(). */
#ifndef PARLEY_MEDIAD_RED_H
#define PARLEY_MEDIAD_RED_H

#include "lib/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RED_DEPTH_MAX	 2
#define RED_LOOK_US	 (100 * USEC_PER_MSEC)
#define RED_SMOOTH_US	 (4 * USEC_PER_SEC)
#define RED_LOSS_ON	 0.01
#define RED_LOSS_OFF	 0.003
#define RED_HOLD_US	 (15 * USEC_PER_SEC)
#define RED_ROOM_US	 (2 * USEC_PER_SEC)
#define RED_ONE_BPS	 60000
#define RED_ALL_BPS	 200000
#define RED_LATE_FIRST	 4
#define RED_LATE_SOON_US (600 * USEC_PER_MSEC)
#define RED_LATE_US	 (4 * USEC_PER_SEC)
#define RED_LATE_END_US	 (100 * USEC_PER_MSEC)
#define RED_AGE_MAX	 0x3fff
#define RED_BLOCK_MAX	 0x3ff
#define RED_SILENCE_MAX	 2 /* bytes of an Opus packet without sound */
#define RED_PACKET_MAX	 1150
#define RED_HEADER_LEN	 4 /* of an older block; the newest has one byte */

/* Of one participant's path. All 0: nothing was lost yet. */
struct red {
	unsigned depth;
	bool on;
	double loss;	   /* mean share of packets */
	int64_t looked_us; /* 0 = never */
	int64_t lossy_us;  /* when the mean was last too high to stop */
	int64_t thin_us;   /* when there was last no room for one more */
};

/* One packet in another. */
struct red_block {
	const uint8_t *data;
	size_t len;
	uint32_t age; /* by how much its timestamp is older than the packet's */
};

/* Is it time to look? */
bool red_is_due(const struct red *red, int64_t now_us);
/* loss: share of packets of late; room_bps: what the path takes, 0 while a queue stands; streams: how many carry sound
 * now. Returns how many older packets are to go along with each. */
unsigned red_look(struct red *red, double loss, uint32_t room_bps, unsigned streams, int64_t now_us);
/* Can a block header describe it, and is there sound in it? */
bool red_takes(const struct red_block *older);
/* The payload: older blocks, oldest first, then the packet's own, all of that payload type. Its length; 0 when it does
 * not fit. */
size_t red_write(uint8_t *p, size_t room, uint8_t payload_type, const struct red_block *older, unsigned n,
		 const uint8_t *data, size_t len);

#endif
