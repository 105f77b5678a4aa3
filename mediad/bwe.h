/* mediad/bwe.h - how many bits per second the path to one subscriber takes: Google congestion control at the sender
 * (draft-ietf-rmcat-gcc-02) over transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
 *
 *   rate = min(delay-based, loss-based), within [min, max]
 *
 *   delay-based  over-use: 0.85 × what arrives (of half a second; while nothing is lost, of one and a half, if that
 *                is more: a pause is no bottleneck). Otherwise it rises: by 8 % a second while far from where
 *                it last met over-use, by one packet a response time near there, and past that only by a probe; never
 *                above 1.5 × what arrives (what was not sent proves nothing), except by a probe; and never below what
 *                arrives, but for a second after a cut: that is proven.
 *   over-use     delays that rise (trend.h) while a queue stands: even the fastest packet of the last moments was
 *                BWE_QUEUE_US slower than the fastest in the last minute. A receiver that is busy with something else
 *                takes packets late and in lumps; the last of a lump is never late, and no queue is seen. A queue of
 *                BWE_QUEUE_FULL_US that came up within moments is over-use at once, and what came since the moment it
 *                did is what arrives; one that does not drain is over-use, too: a full queue does not grow.
 *   noise        a path that is never quiet (radio) delays even the fastest packet of a moment by more than the
 *                luckiest of a minute. How much the fastest of each BWE_DELAY_US differ from a straight line through
 *                their neighbours is noise; a queue, growing or draining, makes a straight line. Three times that much
 *                is no queue.
 *   loss-based   what is lost while delays show a queue is seen to by the delay. When more than 10 % of a second is
 *                lost and there is no queue, a test asks why: for some sixty packets, half as much again is sent. Of a
 *                path that takes no more (a policer) all of that is lost; of one that loses at random (radio), the same
 *                share as before: then that loss is the link's own, and only loss above it counts until it goes away.
 *                Nothing is cut before the test has told, and nobody sees it. Congestion: × (1 − loss/2). Less than
 *                2 %: × 1.05. When no test is possible (nothing to fill it with), sending less is the test, for two
 *                windows. What feedback does not tell of is not known to be lost.
 *   probes       a burst at twice the rate: what arrives of it, and how fast, shows room that the stream alone would
 *                not; again at once while that proves true, then when more is wanted than the rate allows, and
 *                soon after a cut was over. A little less than what they show is believed.
 *   start        the rate begins as a guess, low enough for a thin path, and small packets make up the first probe: it
 *                must not fill a thin path's queue. While the first ones prove true each is at three times the
 *                rate. One that met the bottleneck shows where it is, as over-use does; a second one, as
 *                jitter looks alike, and they are over.
 *   silence      without any more feedback for 1.5 s while packets go out, × 0.5 each second, down to min. When it
 *                comes again, that was an outage and no congestion: half of the rate before is a beginning.
 *
 * What the caller does:
 *
 *     bwe_on_sent(&bwe, seq, bytes, cluster, now_us)      each packet, as it is given to the network
 *     bwe_on_feedback(&bwe, &packet, now_us)              each transport-wide feedback
 *     if (bwe_probe_due(&bwe, wanted, now_us, &probe)) …  before sending: pad with RTX or padding up to probe.bytes and
 *                                                         probe.packets at probe.bps, naming probe.cluster
 *     bwe_rate(&bwe, now_us)                              for pacer and allocator
 *
 * Pure: times in, numbers out; allocates nothing. Bytes are as on the wire (UDP payload and BWE_OVERHEAD). */
#ifndef PARLEY_MEDIAD_BWE_H
#define PARLEY_MEDIAD_BWE_H

#include "lib/rtcp.h"
#include "mediad/trend.h"

#define BWE_HISTORY    2048 /* packets that feedback can still tell about */
#define BWE_OVERHEAD   28   /* IPv4 and UDP */
#define BWE_ARRIVALS   64   /* buckets of BWE_ARRIVAL_US */
#define BWE_ARRIVAL_US (25 * USEC_PER_MSEC)

#define BWE_QUEUE_US	  (15 * USEC_PER_MSEC)
#define BWE_QUEUE_FULL_US (80 * USEC_PER_MSEC)
#define BWE_STANDS_US	  (1 * USEC_PER_SEC)
#define BWE_GROWS_US	  (40 * USEC_PER_MSEC)
#define BWE_DELAYS	  6 /* buckets of BWE_DELAY_US */
#define BWE_DELAY_US	  (40 * USEC_PER_MSEC)

struct bwe_packet {
	int64_t sent_us;
	uint16_t seq;
	uint16_t bytes;
	uint8_t cluster;
	uint8_t state; /* enum in bwe.c */
};

struct bwe_probe {
	uint8_t cluster; /* never 0 */
	uint32_t bps;
	uint32_t bytes;	  /* of the burst, media included, */
	unsigned packets; /* and so many at least */
};

/* A cluster under way. */
struct bwe_cluster {
	struct bwe_probe probe;
	int64_t begun_us; /* 0 = none */
	bool is_test;	  /* what is asked is whether more of it is lost, not how fast it comes */
	unsigned sent, received, lost;
	uint32_t sent_bytes, received_bytes, first_bytes, last_bytes;
	int64_t first_sent_us, last_sent_us, first_arrived_us, last_arrived_us;
};

struct bwe_loss {
	double limit, inherent; /* bit/s; share */
	unsigned lost, told;
	int64_t since_us;
	bool asked; /* more than usual was lost, and a test is to say why */
	double asked_loss;
	int64_t asked_us;
	int64_t proven_us; /* when a test said that it was congestion; 0 = never */
	unsigned trial;	   /* windows since the cut that is on trial; 0 = none */
	double trial_limit, trial_loss;
};

/* One-way delays; the clocks differ by an unknown amount, so only differences count. */
struct bwe_delay {
	int64_t bucket;			 /* number of the newest, in the receiver's time; 0 = none yet */
	int64_t least_us[BWE_DELAYS];	 /* of each bucket; INT64_MAX = nothing came */
	int64_t base_us, base_before_us; /* least in this half of a minute and the one before */
	int64_t base_since_us;
	unsigned bends;	  /* counted, up to a few */
	int64_t noise_us; /* by how much a bucket's least is not between its neighbours', on average */
	int64_t stands_us, stands_queue_us; /* since when a queue of BWE_QUEUE_FULL_US was there whenever we looked, and
					     * did not get much shorter (0 = it is not), and its length */
	int64_t full_us,
		full_queue_us; /* since when a queue stands that does not drain (0 = none does), and its length */
};

struct bwe {
	uint32_t min_bps, max_bps;
	struct trend trend;
	struct bwe_delay delay;
	double delay_limit;	    /* bit/s */
	double capacity, deviation; /* where over-use was met: mean and relative variance; 0 = unknown */
	struct bwe_loss loss;
	struct bwe_cluster cluster;
	uint8_t last_cluster;
	bool initial;	    /* the first probes are not done */
	double first_found; /* the most that one of them has shown, bit/s */
	bool first_late;    /* the last one was */
	unsigned first_probes, first_backed_up;
	bool overused;	   /* by the last feedback */
	bool jumped;	   /* and a long queue came up within moments */
	int64_t probed_us; /* when the last probe began */
	int64_t raised_us, cut_us, overuse_us;
	int64_t feedback_us, sent_us, silence_us;
	double before_silence; /* bit/s; 0: there is none */
	int64_t outage_us;     /* when one ended */
	double lossy;	       /* share of packets lost of late */
	int64_t rtt_us, begun_us;
	double packet_bytes; /* mean */
	/* Bytes that arrived, in the receiver's time. */
	int64_t bucket; /* number of the newest */
	uint32_t arrived[BWE_ARRIVALS];
	int64_t first_bucket;
	struct bwe_packet packet[BWE_HISTORY];
};

void bwe_init(struct bwe *bwe, uint32_t start_bps, uint32_t min_bps, uint32_t max_bps, int64_t now_us);
void bwe_on_sent(struct bwe *bwe, uint16_t seq, unsigned bytes, uint8_t cluster, int64_t now_us);
/* It, and those that left with it, were so many bytes longer. */
void bwe_on_padded(struct bwe *bwe, uint16_t seq, unsigned bytes);
/* -EPROTO: malformed; what came before was used. */
int bwe_on_feedback(struct bwe *bwe, const struct rtcp_packet *packet, int64_t now_us);
uint32_t bwe_rate(struct bwe *bwe, int64_t now_us);
/* Packets have gone out for a while and nothing was ever told of them: he does not send feedback, whatever he said. */
bool bwe_is_deaf(const struct bwe *bwe, int64_t now_us);
/* The first probes are not done: the rate may still be a guess. */
bool bwe_begins(const struct bwe *bwe);
/* A burst is under way, or not told of yet. */
bool bwe_probes(const struct bwe *bwe);
/* What arrived of late, bit/s; 0: not known yet. */
uint32_t bwe_arriving(const struct bwe *bwe);
int64_t bwe_rtt_us(const struct bwe *bwe);
/* What arrived when over-use was met, or of a first probe that met the bottleneck; 0: neither, or the path has become
 * another since. */
uint32_t bwe_capacity(const struct bwe *bwe);
/* When congestion was last met: over-use, loss or silence; 0 = never. */
int64_t bwe_cut_us(const struct bwe *bwe);
/* By how much the fastest packet of the last moments was slower than the fastest in the last minute. */
int64_t bwe_queue_us(const struct bwe *bwe);
/* A queue of BWE_QUEUE_FULL_US or more has stood for BWE_STANDS_US without a break, and does not drain. */
bool bwe_stands(const struct bwe *bwe, int64_t now_us);
/* The share of packets lost of late, whatever the reason; */
double bwe_lossy(const struct bwe *bwe);
/* what of it is congestion, as far as is known. */
double bwe_loss(const struct bwe *bwe);
/* wanted: what the seats would take if there were room, bit/s. True: send a burst now. */
bool bwe_probe_due(struct bwe *bwe, uint32_t wanted_bps, int64_t now_us, struct bwe_probe *ret_probe);

#endif
