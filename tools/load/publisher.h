/* tools/load/publisher.h - what one participant sends: Opus-like sound and a camera in three layers of VP8.
 *
 * Sound: a packet each 20 ms while the person speaks, one of comfort noise each 400 ms otherwise (as Opus with DTX),
 * with a level (RFC 6464) that tells the one from the other. Camera: a frame of each active layer `fps` times a second,
 * cut into packets of equal size, with a key frame at first and, 300 ms apart at least, when one is asked for (PLI,
 * FIR). Packets leave as libwebrtc's pacer lets them: in slots of 5 ms, at 2.5 × the rate. What a NACK asks for is
 * built anew and goes by RTX (RFC 4588). Sender reports once a second. The rate is as configured and heeds no estimate.
 *
 * Callers:   publisher_tick() about every 5 ms; the rest from events. Time comes in as now_us.
 * Ownership: packets are handed to send/send_rtcp before these return. */
#ifndef PARLEY_LOAD_PUBLISHER_H
#define PARLEY_LOAD_PUBLISHER_H

#include "lib/rtcp.h"
#include "tools/load/mark.h"
#include "tools/load/sdp.h"

#define PUBLISHER_SLOT_US     5000
#define PUBLISHER_PAYLOAD_MAX 1300
/* The SSRC of what goes again. */
#define PUBLISHER_RTX(ssrc) ((ssrc) ^ 0x5a5a5a5au)

struct publisher_config {
	uint32_t run, index; /* for the marks */
	unsigned fps, height;
	unsigned bitrate; /* of the highest layer; a lower one needs 2^-1.75 of the next */
	unsigned layers;  /* 1 … 3 */
	unsigned payload; /* bytes in each packet of the camera; 0 = frames of equal size in packets of equal size */
	bool burst;	  /* a frame leaves at once, not in slots */
	uint32_t ssrc_audio, ssrc_video; /* 0 = random; of the first layer */
	bool audio, video;
	const struct sdp_answer *answer;
	void (*send)(void *arg, const uint8_t *packet, size_t len);
	void (*send_rtcp)(void *arg, const uint8_t *packet, size_t len);
	void *arg;
};

struct publisher_counts {
	uint64_t packets, bytes, frames, keyframes, retransmitted, plis, nacked;
};

struct publisher;

int publisher_new(const struct publisher_config *config, int64_t now_us, struct publisher **ret_publisher);
struct publisher *publisher_free(struct publisher *p);

void publisher_tick(struct publisher *p, int64_t now_us);
/* When the first loud packet has gone, publisher_spoke_us() says so; 0 until then. */
void publisher_speak(struct publisher *p, bool speaks, int64_t now_us);
int64_t publisher_spoke_us(const struct publisher *p);
/* The server said that nobody watches it, or that somebody does. The lowest goes on. */
void publisher_layer_set(struct publisher *p, const char *rid, bool active);
/* No more frames and packets. */
void publisher_stop(struct publisher *p);
/* One packet of a compound that rtcp_check() passed. */
void publisher_on_rtcp(struct publisher *p, const struct rtcp_packet *packet, int64_t now_us);
const struct publisher_counts *publisher_counts(const struct publisher *p);

#endif
