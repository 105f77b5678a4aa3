/* tools/load/receiver.h - what one participant receives: slots, and in each the stream of whoever sits there.
 *
 * It counts what comes and what does not, finds out by the marks whose picture a slot shows, and answers as a browser
 * does: receiver reports once a second, transport-wide feedback, NACK for pictures (asked for again until it is there
 * or too late), and PLI while a picture cannot be decoded for something that is missing.
 *
 * A packet that is not there at the end, neither at first nor by RTX, is a gap.
 *
 * Callers:   receiver_on_rtp() with decrypted packets, which are written to; receiver_tick() about every 5 ms.
 * Ownership: packets are handed to send_rtcp before these return. */
#ifndef PARLEY_LOAD_RECEIVER_H
#define PARLEY_LOAD_RECEIVER_H

#include "lib/ids.h"
#include "lib/rtcp.h"
#include "tools/load/histogram.h"
#include "tools/load/mark.h"
#include "tools/load/sdp.h"

struct receiver;

struct receiver_counts {
	uint64_t packets, bytes; /* all RTP, RTX too */
	uint64_t audio, video;	 /* packets of streams, once each */
	uint64_t repaired, gaps, duplicates;
	uint64_t keyframes, nacks, plis, feedbacks;
	uint64_t foreign;  /* of a person other than the one whom seats tell, for 5 s and more */
	uint64_t replayed; /* refused before they come here; filled in by whoever has the peer (peer_replayed()) */
};

struct receiver_ops {
	/* The first packet of a key frame of that person came, in that slot. */
	void (*on_keyframe)(void *arg, uint32_t publisher, int64_t now_us);
	void (*send_rtcp)(void *arg, const uint8_t *packet, size_t len);
	/* Who sits behind that index; NULL: nobody. */
	const struct id *(*person)(void *arg, uint32_t publisher);
};

struct receiver_config {
	uint32_t run;
	const struct sdp_answer *answer;
	const struct receiver_ops *ops;
	void *arg;
	struct histogram *delay; /* of packets that came at first; NULL: not measured */
};

int receiver_new(const struct receiver_config *config, int64_t now_us, struct receiver **ret_receiver);
struct receiver *receiver_free(struct receiver *r);

void receiver_on_rtp(struct receiver *r, uint8_t *packet, size_t len, int64_t now_us);
void receiver_on_rtcp(struct receiver *r, const struct rtcp_packet *packet, int64_t now_us);
void receiver_tick(struct receiver *r, int64_t now_us);
/* The event `seats`, one entry; member NULL: the seat is empty. true: this is new. */
bool receiver_seat_set(struct receiver *r, const char *mid, const struct id *member, bool live);
/* Does that person sit on a video slot? live: whose picture has begun, too. */
bool receiver_shows(const struct receiver *r, const struct id *member, bool live);
/* Members on video slots, in order; returns how many. */
unsigned receiver_shown(const struct receiver *r, struct id *ret_member, unsigned max);
/* With what is missing until now as gaps. */
struct receiver_counts receiver_counts(const struct receiver *r);

#endif
