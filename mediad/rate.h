/* mediad/rate.h - what goes to one participant obeys what the path there takes.
 *
 *     feedback ──▶ bwe.c ──estimate──▶ rate ──▶ alloc.c ──▶ seat_set_limit()
 *     packets sent, track->set ──cost of each layer──┘ └── probes: seat_pad_again(), seat_pad_empty()
 *
 * Ten times a second, and at once when congestion is met or what the participant watches has changed: the seats are
 * measured, the estimate is divided, and when more is wanted than the estimate allows, a probe is sent: what was sent
 * before, again by RTX, a little every RATE_STEP_US, or empty packets on the RTX stream when nothing of it is left.
 *
 * Start:     a seat begins with its lowest layer, paced, unless all that is wanted is known to fit. The first picture
 *            makes the first probe possible, each feedback the next (bwe.h), so a wide path has shown within some
 * tenths of a second that it takes everything, and a thin one was never filled. Open:      everything, and no pacer, as
 * long as congestion was never met and the estimate is above what is wanted; and when packets go out and nothing is
 * told of them, though feedback was agreed on. No feedback: the receiver's own estimate counts (REMB), when it comes;
 * it never takes a picture away while little is lost. A peer that sends neither is not limited.
 *
 * Callers:   the parts of the media side. Memory is in struct media_peer and struct seat. */
#ifndef PARLEY_MEDIAD_RATE_H
#define PARLEY_MEDIAD_RATE_H

#include "mediad/alloc.h"
#include "mediad/bwe.h"

#define RATE_TICK_US	(100 * USEC_PER_MSEC)
#define RATE_STEP_US	(5 * USEC_PER_MSEC)
#define RATE_AGAIN_US	(15 * USEC_PER_MSEC)
#define RATE_AGAIN_MAX	32
#define RATE_PRESSED_US USEC_PER_SEC	    /* what a cut of the estimate says is true for that long, */
#define RATE_REMB_US	(10 * USEC_PER_SEC) /* and what a REMB says */

struct media;
struct media_peer;
struct rtcp_packet;
struct seat;
struct track;

/* What a seat's stream costs on the wire. */
struct seat_meter {
	uint32_t bytes; /* since it was last looked at */
	double bps;	/* of the layer below, since since_us */
	uint8_t layer;
	uint32_t source_ssrc;
	int64_t since_us;    /* 0 = not measured */
	uint32_t wanted_bps; /* what it would take if there were room */
};

/* A packet of the seat's stream, of so many bytes, leaves now or waits for its time. */
static inline void rate_meter(struct seat_meter *meter, unsigned bytes)
{
	meter->bytes += bytes + BWE_OVERHEAD;
}

struct peer_rate {
	struct alloc alloc;
	bool due, limited;	       /* limited: congestion was met once */
	bool open;		       /* all that is wanted fits, as of the last look; */
	uint32_t wanted_bps, path_bps; /* what that was, and what is known to fit */
	bool paced;		       /* the pacer came with the start, and goes when all fits */
	bool unpadded;		       /* a probe is wanted, and no picture has come yet to fill it */
	int64_t run_us, met_us;
	/* Retransmissions that were asked for. */
	uint32_t rtx_bytes;
	double rtx_bps;
	double media_bps;  /* what all seats cost, without those */
	double rtx_credit; /* bytes that may be sent again while there is a queue */
	int64_t rtx_credit_us;
	/* A probe under way; cluster 0 = none. */
	struct bwe_probe probe;
	int64_t probe_us;    /* when the last one began */
	uint32_t probe_sent; /* bytes */
	unsigned probe_packets;
	/* Retransmissions that are sent a second time, in order of time. */
	struct {
		int64_t at_us;
		uint16_t seq;
		uint8_t mline;
	} again[RATE_AGAIN_MAX];
	unsigned again_len;
	struct media_peer *probed_next, **probed_link; /* in media->probed while there is either */
	/* What the receiver says; 0 = nothing. */
	uint64_t remb_bps;
	int64_t remb_us;
};

/* How many layers the seat may have of a track that is new there: all when they are known to fit. */
unsigned rate_begin(struct seat *seat, const struct track *track);
/* The peer takes something else now, or it another. */
void rate_changed(struct media_peer *peer);
/* The peer is about to be freed. */
void rate_forget(struct media_peer *peer);
/* A packet of that many bytes goes to the peer, with that transport-wide number when it carries one. */
void rate_on_sent(struct seat *seat, bool is_rtx, bool numbered, uint16_t number, unsigned bytes, int64_t now_us);
/* What the receiver misses, so many bytes, may be sent again. Always, until congestion is met; from then on no more
 * than the estimate leaves, as a full queue loses much, and must not be kept full by what it lost. Stale: another layer
 * or source has begun since. */
bool rate_may_resend(struct media_peer *peer, unsigned bytes, bool stale, int64_t now_us);
/* It was. Where much is lost at random, so is what is sent again: it is sent a second time RATE_AGAIN_US later, as the
 * receiver takes its time to ask for it once more. */
void rate_on_resent(struct seat *seat, uint16_t seq, int64_t now_us);
void rate_on_feedback(struct media_peer *peer, const struct rtcp_packet *packet, int64_t now_us);
void rate_on_remb(struct media_peer *peer, uint64_t bps, int64_t now_us);
/* At the end of the turn. */
void rate_flush(struct media *media, int64_t now_us);
/* Returns when to come again. */
int64_t rate_run(struct media *media, int64_t now_us);

#endif
