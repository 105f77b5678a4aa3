#include "mediad/bwe.h"

#include "lib/err.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PACKET_UNUSED, PACKET_SENT, PACKET_LOST, PACKET_RECEIVED };

#define CUT		   0.85
#define RISE_PER_SECOND	   1.08
#define RISE_MIN_BPS	   4000.0 /* a second, near the capacity */
#define CAPACITY_SHARE	   0.92	  /* above that of it only by probes */
#define DEVIATION_LEAST	   0.4
#define ABOVE_ARRIVING	   1.5
#define ABOVE_ARRIVING_BPS 10000.0
#define CUT_APART_US	   (200 * USEC_PER_MSEC)
#define ARRIVING_WINDOW	   20 /* buckets: 500 ms */
#define ARRIVING_LONG	   60 /* 1.5 s */
#define ARRIVING_FIRST	   6  /* at the start that many do: 150 ms */
#define RTT_BEGIN_US	   (200 * USEC_PER_MSEC)
#define RTT_MAX_US	   (3 * USEC_PER_SEC)

#define LOSS_WINDOW_US	    (1 * USEC_PER_SEC)
#define LOSS_WINDOW_PACKETS 50
#define LOSS_HIGH	    0.10
#define LOSS_LOW	    0.02
#define LOSS_RISE	    1.05
#define LOSS_ABOVE	    1.4	 /* loss counts again when it is that much above the link's own … */
#define LOSS_ABOVE_SHARE    0.05 /* … and this */
#define LOSS_TRIAL	    3	 /* windows: the first still tells of what was sent before the cut */
#define LOSS_HELPED	    0.7
#define LOSS_INHERENT_MAX   0.3			/* no link is worse by itself: beyond, every window cuts */
#define LOSS_PROVEN_US	    (30 * USEC_PER_SEC) /* no second test for so long after one found congestion */
#define LOSS_ANSWER_US	    (3 * USEC_PER_SEC)	/* no test came to an end: it counts as congestion */
#define TEST_TIMES	    1.5
#define TEST_PACKETS	    60

#define FLOOR_AFTER_US	(1 * USEC_PER_SEC) /* after a cut, what arrives still tells of before */
#define QUEUE_FULL_TIME (600 * USEC_PER_MSEC)
#define QUEUE_BASE_US	(30 * USEC_PER_SEC)
#define QUEUE_DRAINS	0.8
#define QUEUE_JUMP_US	(3 * USEC_PER_SEC) /* a clock was set, or another path was taken */
#define NOISE_TIMES	3
#define NOISE_BENDS	32
#define NOISE_FAR	3
#define NOISE_STEP_US	(4 * USEC_PER_MSEC)

#define SILENCE_US	(1500 * USEC_PER_MSEC)
#define SILENCE_STEP_US (1 * USEC_PER_SEC)
#define OUTAGE_TOLD_US	(500 * USEC_PER_MSEC)

#define PROBE_US	   (20 * USEC_PER_MSEC)	 /* length of a burst */
#define PROBE_NOISES	   6			 /* and so many times what the path's noise is, where it is known … */
#define PROBE_BENDS	   8			 /* … by so much, */
#define PROBE_MAX_US	   (150 * USEC_PER_MSEC) /* but no longer */
#define PROBE_NOISE	   2
#define PROBE_NOISE_SHARE  0.3
#define PROBE_PACKETS	   5
#define PROBE_TIMEOUT_US   (1 * USEC_PER_SEC)
#define PROBE_APART_US	   (2500 * USEC_PER_MSEC)
#define PROBE_AGAIN_US	   (1 * USEC_PER_SEC)
#define PROBE_AFTER_CUT_US (2 * USEC_PER_SEC)
#define PROBE_TIMES	   2.0
#define PROBE_PROVED	   0.7	/* that share of a probe's rate arrived: worth another */
#define PROBE_BACKED_UP	   0.95 /* less than that share of the sending rate: the bottleneck was met */
#define PROBE_OF_SENT	   0.92 /* a short burst is not exact */
#define PROBE_OF_ARRIVED   0.88
#define PROBE_LOWERS	   0.85
#define PROBE_SHARE	   0.8 /* of its packets must have arrived */

/* The first ones */
#define FIRST_PACKET	 250 /* bytes: the mean while nothing is known */
#define FIRST_TIMES	 3.0 /* while they prove true, */
#define FIRST_TIMES_LATE 1.5 /* and after one that came late, for whatever reason */
#define FIRST_AGAIN_US	 (250 * USEC_PER_MSEC)
#define FIRST_BACKED_UP	 2 /* so many that met the bottleneck are enough, */
#define FIRST_MAX	 8 /* and so many in all */
#define DEAF_US		 (1500 * USEC_PER_MSEC)

static void delay_reset(struct bwe_delay *d)
{
	*d = (struct bwe_delay){ .base_us = INT64_MAX, .base_before_us = INT64_MAX };
	for (unsigned i = 0; i < BWE_DELAYS; i++)
		d->least_us[i] = INT64_MAX;
}

void bwe_init(struct bwe *bwe, uint32_t start_bps, uint32_t min_bps, uint32_t max_bps, int64_t now_us)
{
	memset(bwe, 0, sizeof(*bwe));
	trend_init(&bwe->trend);
	bwe->min_bps = min_bps;
	bwe->max_bps = max_bps;
	bwe->delay_limit = start_bps;
	bwe->loss.limit = max_bps;
	bwe->initial = true;
	bwe->rtt_us = RTT_BEGIN_US;
	bwe->packet_bytes = FIRST_PACKET;
	bwe->begun_us = now_us;
	delay_reset(&bwe->delay);
}

static double clamp(const struct bwe *bwe, double bps)
{
	return MIN(MAX(bps, bwe->min_bps), bwe->max_bps);
}

static double rate_of(const struct bwe *bwe)
{
	return clamp(bwe, MIN(bwe->delay_limit, bwe->loss.limit));
}

/* ---- what is sent, and what arrives ---- */

static void note_told(struct bwe *bwe, bool lost, int64_t now_us)
{
	struct bwe_loss *l = &bwe->loss;

	if (l->told == 0)
		l->since_us = now_us;
	l->told++;
	l->lost += lost;
}

void bwe_on_sent(struct bwe *bwe, uint16_t seq, unsigned bytes, uint8_t cluster, int64_t now_us)
{
	struct bwe_cluster *c = &bwe->cluster;

	bytes += BWE_OVERHEAD;
	bwe->packet[seq % BWE_HISTORY] = (struct bwe_packet){
		.sent_us = now_us,
		.seq = seq,
		.bytes = (uint16_t)MIN(bytes, UINT16_MAX),
		.cluster = cluster,
		.state = PACKET_SENT,
	};
	bwe->packet_bytes += (bytes - bwe->packet_bytes) / 64;
	/* Silence is counted from the first packet that nobody told about. */
	if (bwe->sent_us <= bwe->feedback_us)
		bwe->silence_us = now_us;
	bwe->sent_us = MAX(now_us, bwe->feedback_us + 1);
	if (cluster == 0 || c->begun_us == 0 || cluster != c->probe.cluster)
		return;
	if (c->sent++ == 0)
		c->first_sent_us = now_us;
	c->last_sent_us = now_us;
	c->last_bytes = bytes;
	c->sent_bytes += bytes;
}

void bwe_on_padded(struct bwe *bwe, uint16_t seq, unsigned bytes)
{
	struct bwe_packet *packet = &bwe->packet[seq % BWE_HISTORY];

	if (packet->seq == seq && packet->state == PACKET_SENT)
		packet->bytes = (uint16_t)MIN(packet->bytes + bytes, UINT16_MAX);
}

static void note_arrival(struct bwe *bwe, int64_t at_us, unsigned bytes)
{
	int64_t bucket = at_us / BWE_ARRIVAL_US;

	if (bwe->first_bucket == 0 || bucket < bwe->bucket - BWE_ARRIVALS ||
	    bucket > bwe->bucket + 400 * BWE_ARRIVALS) {
		memset(bwe->arrived, 0, sizeof(bwe->arrived));
		bwe->bucket = bwe->first_bucket = bucket;
	}
	if (bucket <= bwe->bucket - BWE_ARRIVALS)
		return;
	for (int64_t gone = 0; bwe->bucket < bucket; gone++) {
		bwe->bucket = gone < BWE_ARRIVALS ? bwe->bucket + 1 : bucket;
		bwe->arrived[(uint64_t)bwe->bucket % BWE_ARRIVALS] = 0;
	}
	bwe->arrived[(uint64_t)bucket % BWE_ARRIVALS] += bytes;
}

static uint32_t arriving_over(const struct bwe *bwe, int64_t buckets)
{
	/* The newest bucket is not full yet. */
	int64_t n = MIN(bwe->bucket - bwe->first_bucket, buckets);
	uint64_t bytes = 0;

	if (n < ARRIVING_FIRST)
		return 0;
	for (int64_t i = 1; i <= n; i++)
		bytes += bwe->arrived[(uint64_t)(bwe->bucket - i) % BWE_ARRIVALS];
	return (uint32_t)MIN(bytes * 8 * USEC_PER_SEC / (uint64_t)(n * BWE_ARRIVAL_US), UINT32_MAX);
}

uint32_t bwe_arriving(const struct bwe *bwe)
{
	return arriving_over(bwe, ARRIVING_WINDOW);
}

bool bwe_is_deaf(const struct bwe *bwe, int64_t now_us)
{
	return bwe->feedback_us == 0 && bwe->sent_us && now_us - bwe->silence_us >= DEAF_US;
}

bool bwe_begins(const struct bwe *bwe)
{
	return bwe->initial;
}

bool bwe_probes(const struct bwe *bwe)
{
	return bwe->cluster.begun_us != 0;
}

int64_t bwe_rtt_us(const struct bwe *bwe)
{
	return bwe->rtt_us;
}

uint32_t bwe_capacity(const struct bwe *bwe)
{
	return (uint32_t)bwe->capacity;
}

int64_t bwe_cut_us(const struct bwe *bwe)
{
	return bwe->cut_us;
}

double bwe_lossy(const struct bwe *bwe)
{
	return bwe->lossy;
}

double bwe_loss(const struct bwe *bwe)
{
	const struct bwe_loss *l = &bwe->loss;
	bool queue = bwe->overuse_us && bwe->feedback_us - bwe->overuse_us < LOSS_WINDOW_US;
	bool proven = l->trial > 0 || (l->proven_us && bwe->feedback_us - l->proven_us < LOSS_PROVEN_US);

	return queue || proven ? MAX(bwe->lossy - l->inherent * LOSS_ABOVE, 0) : 0;
}

/* ---- queues ---- */

static int64_t delay_base(const struct bwe_delay *d)
{
	return MIN(d->base_us, d->base_before_us);
}

/* A bucket is full. A queue that grows or drains makes a straight line of them; noise does not. */
static void note_bend(struct bwe_delay *d)
{
	const int64_t *a = &d->least_us[(uint64_t)(d->bucket - 2) % BWE_DELAYS],
		      *b = &d->least_us[(uint64_t)(d->bucket - 1) % BWE_DELAYS],
		      *c = &d->least_us[(uint64_t)d->bucket % BWE_DELAYS];

	if (*a == INT64_MAX || *b == INT64_MAX || *c == INT64_MAX)
		return;
	/* One that is far from all others, where a queue begins or ends, tells little. */
	int64_t bend_us = MIN(llabs(*a - 2 * *b + *c), NOISE_FAR * d->noise_us + NOISE_STEP_US);
	d->bends = MIN(d->bends + 1, NOISE_BENDS);
	d->noise_us += (bend_us - d->noise_us) / d->bends;
}

static void note_delay(struct bwe_delay *d, int64_t sent_us, int64_t at_us)
{
	int64_t delay_us = at_us - sent_us, bucket = at_us / BWE_DELAY_US;

	if (d->bucket && llabs(delay_us - delay_base(d)) > QUEUE_JUMP_US)
		delay_reset(d);
	if (d->base_since_us == 0 || at_us - d->base_since_us > QUEUE_BASE_US) {
		d->base_before_us = d->base_us;
		d->base_us = INT64_MAX;
		d->base_since_us = at_us;
	}
	d->base_us = MIN(d->base_us, delay_us);
	if (d->bucket == 0)
		d->bucket = bucket;
	if (bucket <= d->bucket - BWE_DELAYS)
		return;
	for (unsigned gone = 0; d->bucket < bucket; gone++) {
		if (gone == 0)
			note_bend(d);
		d->bucket = gone < BWE_DELAYS ? d->bucket + 1 : bucket;
		d->least_us[(uint64_t)d->bucket % BWE_DELAYS] = INT64_MAX;
	}
	int64_t *least_us = &d->least_us[(uint64_t)bucket % BWE_DELAYS];
	*least_us = MIN(*least_us, delay_us);
}

/* Of so many buckets, the newest first. */
static int64_t queue_over(const struct bwe *bwe, unsigned buckets)
{
	int64_t least_us = INT64_MAX;

	for (unsigned i = 0; i < buckets; i++)
		least_us = MIN(least_us, bwe->delay.least_us[(uint64_t)(bwe->delay.bucket - i) % BWE_DELAYS]);
	if (least_us == INT64_MAX)
		return 0;
	/* On a path that is never quiet the fastest packet of a minute was luckier than any of a moment. */
	return MAX(least_us - delay_base(&bwe->delay) - NOISE_TIMES * bwe->delay.noise_us, 0);
}

int64_t bwe_queue_us(const struct bwe *bwe)
{
	return queue_over(bwe, BWE_DELAYS);
}

/* A long queue came up within moments: no need to wait for a trend. */
static bool queue_jumps(const struct bwe *bwe)
{
	int64_t now_us = queue_over(bwe, 3);

	return now_us >= BWE_QUEUE_FULL_US && now_us - queue_over(bwe, BWE_DELAYS) >= BWE_GROWS_US;
}

bool bwe_stands(const struct bwe *bwe, int64_t now_us)
{
	return bwe->delay.stands_us && now_us - bwe->delay.stands_us >= BWE_STANDS_US;
}

static bool is_overused(struct bwe *bwe, int64_t now_us)
{
	struct bwe_delay *d = &bwe->delay;
	int64_t queue_us = bwe_queue_us(bwe);

	bwe->jumped = queue_jumps(bwe);
	if (queue_us < BWE_QUEUE_FULL_US) {
		d->stands_us = 0;
	} else if (d->stands_us == 0 || (double)queue_us < QUEUE_DRAINS * (double)d->stands_queue_us) {
		d->stands_us = now_us;
		d->stands_queue_us = queue_us;
	}
	if (queue_us < BWE_QUEUE_FULL_US) {
		d->full_us = 0;
	} else if (d->full_us == 0 || (double)queue_us < QUEUE_DRAINS * (double)d->full_queue_us) {
		d->full_us = now_us;
		d->full_queue_us = queue_us;
	}
	return bwe->jumped || (trend_state(&bwe->trend) == TREND_OVERUSE && queue_us >= BWE_QUEUE_US) ||
	       (d->full_us && now_us - d->full_us >= QUEUE_FULL_TIME);
}

/* ---- loss ---- */

/* The link's own, whatever is sent. */
static void loss_is_inherent(struct bwe *bwe, double loss)
{
	bwe->loss.inherent = MIN(loss, LOSS_INHERENT_MAX);
	bwe->loss.trial = 0;
}

static void loss_cut(struct bwe *bwe, double loss)
{
	struct bwe_loss *l = &bwe->loss;
	/* The rate may be far above what is sent. */
	double sent = bwe_arriving(bwe) / (1 - MIN(loss, 0.9));
	double from = sent > 0 ? MIN(rate_of(bwe), sent) : rate_of(bwe);

	l->limit = clamp(bwe, from * (1 - loss / 2));
	bwe->cut_us = bwe->feedback_us;
}

/* Nobody could be asked: sending less is the test. */
static void loss_try_less(struct bwe *bwe, double loss)
{
	struct bwe_loss *l = &bwe->loss;

	if (l->trial >= LOSS_TRIAL && loss > l->trial_loss * LOSS_HELPED && loss <= LOSS_INHERENT_MAX) {
		l->limit = l->trial_limit;
		loss_is_inherent(bwe, MAX(loss, MIN(l->trial_loss, LOSS_INHERENT_MAX)));
		return;
	}
	if (l->trial == 0 || l->trial >= LOSS_TRIAL) {
		l->trial = 0; /* it helped: on with it */
		l->trial_limit = rate_of(bwe);
		l->trial_loss = loss;
	}
	if (l->trial++ == 0)
		loss_cut(bwe, loss);
}

/* Much is lost. True: it is not known yet whether that is congestion. */
static bool loss_is_in_doubt(struct bwe *bwe, double loss)
{
	struct bwe_loss *l = &bwe->loss;

	if (l->trial > 0 || bwe_queue_us(bwe) >= BWE_QUEUE_US || loss > LOSS_INHERENT_MAX ||
	    (l->proven_us && bwe->feedback_us - l->proven_us < LOSS_PROVEN_US))
		return false;
	if (!l->asked) {
		l->asked = true;
		l->asked_us = bwe->feedback_us;
	}
	l->asked_loss = loss;
	return bwe->feedback_us - l->asked_us < LOSS_ANSWER_US;
}

static void loss_window(struct bwe *bwe, double loss)
{
	struct bwe_loss *l = &bwe->loss;
	double high = MAX(l->inherent > 0 ? l->inherent * LOSS_ABOVE + LOSS_ABOVE_SHARE : 0, LOSS_HIGH);

	if (loss < l->inherent)
		l->inherent += (loss - l->inherent) / 8;
	if (loss > high) {
		/* A queue was full: it is seen to. */
		if (bwe->overuse_us >= l->since_us || loss_is_in_doubt(bwe, loss))
			return;
		l->asked = false;
		loss_try_less(bwe, loss);
		return;
	}
	l->asked = false;
	l->trial = 0;
	if (loss <= MAX(LOSS_LOW, high - LOSS_ABOVE_SHARE))
		l->limit = MIN(l->limit * LOSS_RISE, bwe->max_bps);
}

static void loss_update(struct bwe *bwe, int64_t now_us)
{
	struct bwe_loss *l = &bwe->loss;

	/* What an outage took away was lost to no queue. */
	if (bwe->outage_us && now_us - bwe->outage_us < OUTAGE_TOLD_US)
		l->told = l->lost = 0;
	if (l->told < LOSS_WINDOW_PACKETS || now_us - l->since_us < LOSS_WINDOW_US)
		return;
	bwe->lossy = (double)l->lost / l->told;
	loss_window(bwe, bwe->lossy);
	l->told = l->lost = 0;
}

/* ---- probes ---- */

/* How far the capacity may be from where it was met. */
static double capacity_spread(const struct bwe *bwe)
{
	return 3 * sqrt(bwe->deviation * bwe->capacity * 1000);
}

/* More was sent for a while. Of a path that takes no more, all of it is lost that was sent more; of one that loses at
 * random, the same share as before. */
static void test_done(struct bwe *bwe)
{
	const struct bwe_cluster *c = &bwe->cluster;
	struct bwe_loss *l = &bwe->loss;
	unsigned told = c->received + c->lost; /* feedback gets lost, too */
	double lost = told ? (double)c->lost / told : 1;
	double full = 1 - (1 - l->asked_loss) / TEST_TIMES;

	if (!l->asked || told < TEST_PACKETS / 2)
		return;
	l->asked = false;
	if (lost < (l->asked_loss + full) / 2) {
		loss_is_inherent(bwe, MAX(l->asked_loss, l->inherent));
		return;
	}
	l->proven_us = bwe->feedback_us;
	loss_cut(bwe, l->asked_loss);
}

/* It told nothing. */
static void probe_again(struct bwe *bwe, int64_t now_us)
{
	bwe->probed_us = now_us - PROBE_APART_US + (bwe->initial ? FIRST_AGAIN_US : PROBE_AGAIN_US);
}

/* A first probe has met the bottleneck, as an over-use would later: that is where it is. */
static void first_backed_up(struct bwe *bwe, double arrived)
{
	bwe->capacity = MAX(bwe->capacity, arrived);
	bwe->deviation = DEVIATION_LEAST;
	if (++bwe->first_backed_up >= FIRST_BACKED_UP)
		bwe->initial = false;
}

static void probe_done(struct bwe *bwe, int64_t now_us)
{
	struct bwe_cluster *c = &bwe->cluster;
	double sent_us = (double)(c->last_sent_us - c->first_sent_us);
	double arrived_us = (double)(c->last_arrived_us - c->first_arrived_us);

	c->begun_us = 0;
	if (c->is_test)
		test_done(bwe);
	if (c->received < PROBE_PACKETS || c->received < PROBE_SHARE * c->sent || sent_us <= 0 || arrived_us <= 0) {
		probe_again(bwe, now_us);
		return;
	}
	/* Of n packets n − 1 lie between the first and the last: the last one's bytes were sent after, the
	 * first one's arrived before. */
	double sent = (c->sent_bytes - c->last_bytes) * 8e6 / sent_us;
	double arrived = (c->received_bytes - c->first_bytes) * 8e6 / arrived_us;
	/* What a path's own noise does to the last packet is no bottleneck, where none was met. */
	double noise_us = MIN((double)(PROBE_NOISE * bwe->delay.noise_us), sent_us * PROBE_NOISE_SHARE);
	if (bwe->capacity > 0)
		noise_us = 0;
	bool late = arrived < PROBE_BACKED_UP * sent, backed_up = late && arrived_us - sent_us > noise_us;
	double found = PROBE_OF_SENT * (late && !backed_up ? sent : MIN(sent, arrived));
	if (arrived > 2 * sent) {
		/* Came in one lump: says nothing. */
		probe_again(bwe, now_us);
		return;
	}
	if (backed_up)
		found = PROBE_OF_ARRIVED * arrived;
	if (bwe->capacity > 0 && found > bwe->capacity + capacity_spread(bwe))
		bwe->capacity = 0; /* the path has become wider */
	if (found > bwe->delay_limit) {
		bwe->delay_limit = clamp(bwe, found);
		bwe->raised_us = now_us;
	} else if (backed_up) {
		/* The bottleneck is nearer than was thought, or the receiver was busy. What one begins with is a guess;
		 * what a first probe has shown is none. */
		double least = bwe->initial ? bwe->first_found : bwe->delay_limit * PROBE_LOWERS;
		bwe->delay_limit = clamp(bwe, MAX(MAX(found, bwe_arriving(bwe)), least));
	}
	if (found > bwe->loss.limit && bwe->loss.trial == 0)
		bwe->loss.limit = clamp(bwe, found);
	if (bwe->initial && backed_up)
		first_backed_up(bwe, arrived);
	bwe->first_found = MAX(bwe->first_found, found);
	bwe->first_late = late;
	if ((bwe->initial && late) || MIN(sent, arrived) < PROBE_PROVED * c->probe.bps)
		bwe->probed_us = bwe->initial ? now_us - PROBE_APART_US + FIRST_AGAIN_US : bwe->probed_us;
	else
		bwe->probed_us = now_us - PROBE_APART_US; /* the next may follow at once */
}

static bool is_of_cluster(const struct bwe *bwe, const struct bwe_packet *packet)
{
	return bwe->cluster.begun_us && packet->cluster == bwe->cluster.probe.cluster;
}

static void probe_note(struct bwe *bwe, const struct bwe_packet *packet, int64_t at_us)
{
	struct bwe_cluster *c = &bwe->cluster;

	if (!is_of_cluster(bwe, packet))
		return;
	if (c->received == 0 || at_us < c->first_arrived_us) {
		c->first_arrived_us = at_us;
		c->first_bytes = packet->bytes;
	}
	if (c->received == 0 || at_us > c->last_arrived_us)
		c->last_arrived_us = at_us;
	c->received++;
	c->received_bytes += packet->bytes;
}

/* Longer where delays are never the same, so that they do not hide what is asked. */
static double probe_length_us(const struct bwe *bwe)
{
	int64_t noise_us = bwe->delay.bends >= PROBE_BENDS ? bwe->delay.noise_us : 0;

	return (double)MIN(MAX(PROBE_US, PROBE_NOISES * noise_us), PROBE_MAX_US);
}

static void begin_cluster(struct bwe *bwe, bool is_test, double bps, unsigned packets, int64_t now_us,
			  struct bwe_probe *ret_probe)
{
	bwe->last_cluster = bwe->last_cluster == UINT8_MAX ? 1 : bwe->last_cluster + 1;
	bwe->probed_us = now_us;
	bwe->cluster = (struct bwe_cluster){
		.probe = {
			.cluster = bwe->last_cluster,
			.bps = (uint32_t)bps,
			.bytes = (uint32_t)MAX(bps / 8e6 * probe_length_us(bwe), packets * bwe->packet_bytes),
			.packets = packets,
		},
		.begun_us = now_us,
		.is_test = is_test,
	};
	*ret_probe = bwe->cluster.probe;
}

/* The very first are small: nothing is known. */
static double first_times(const struct bwe *bwe)
{
	if (bwe->first_found <= 0)
		return PROBE_TIMES;
	return bwe->first_late ? FIRST_TIMES_LATE : FIRST_TIMES;
}

bool bwe_probe_due(struct bwe *bwe, uint32_t wanted_bps, int64_t now_us, struct bwe_probe *ret_probe)
{
	struct bwe_cluster *c = &bwe->cluster;
	double rate = rate_of(bwe);

	int64_t lasts_us = c->begun_us ? (int64_t)(c->probe.bytes * 8e6 / c->probe.bps) : 0;
	if (c->begun_us && now_us - c->begun_us > PROBE_TIMEOUT_US + lasts_us) {
		c->begun_us = 0;
		bwe->initial = false;
	}
	if (bwe->loss.asked && !c->begun_us) {
		double sent = bwe_arriving(bwe) / (1 - bwe->loss.asked_loss);
		begin_cluster(bwe, true, clamp(bwe, sent * TEST_TIMES), TEST_PACKETS, now_us, ret_probe);
		return true;
	}
	int64_t apart_us = bwe->cut_us > bwe->probed_us ? PROBE_AFTER_CUT_US : PROBE_APART_US;
	int64_t last_us = MAX(bwe->probed_us, bwe->cut_us);
	/* A queue, be it the last one's, hides what a probe would show, and grows by it. */
	if (c->begun_us || wanted_bps <= rate || bwe->loss.trial > 0 || bwe->overused ||
	    bwe_queue_us(bwe) >= BWE_QUEUE_US || (last_us && now_us - last_us < apart_us))
		return false;
	double bps = rate * (bwe->initial ? first_times(bwe) : PROBE_TIMES);
	/* What is not wanted need not be found; a little more, so that the wanted rate is not the edge. */
	bps = clamp(bwe, MIN(bps, wanted_bps * 1.25));
	if (bwe->initial && ++bwe->first_probes >= FIRST_MAX)
		bwe->initial = false;
	begin_cluster(bwe, false, bps, PROBE_PACKETS + 1, now_us, ret_probe);
	return true;
}

/* ---- feedback ---- */

struct reading {
	struct bwe *bwe;
	int64_t now_us;
	bool arrived;
	int64_t sent_us; /* of the last that arrived */
};

static void on_told(void *arg, uint16_t seq, bool received, int64_t at_us)
{
	struct reading *r = arg;
	struct bwe *bwe = r->bwe;
	struct bwe_packet *packet = &bwe->packet[seq % BWE_HISTORY];

	if (packet->seq != seq || packet->state == PACKET_UNUSED || packet->state == PACKET_RECEIVED)
		return;
	if (!received) {
		if (packet->state == PACKET_SENT) {
			note_told(bwe, true, r->now_us);
			bwe->cluster.lost += is_of_cluster(bwe, packet);
		}
		packet->state = PACKET_LOST;
		return;
	}
	if (packet->state == PACKET_SENT)
		note_told(bwe, false, r->now_us);
	else if (bwe->loss.lost > 0)
		bwe->loss.lost--; /* it was only late */
	if (packet->state == PACKET_LOST && bwe->cluster.lost > 0)
		bwe->cluster.lost -= is_of_cluster(bwe, packet);
	packet->state = PACKET_RECEIVED;
	note_arrival(bwe, at_us, packet->bytes);
	trend_on_packet(&bwe->trend, packet->sent_us, at_us);
	note_delay(&bwe->delay, packet->sent_us, at_us);
	probe_note(bwe, packet, at_us);
	r->arrived = true;
	r->sent_us = packet->sent_us;
}

static void capacity_note(struct bwe *bwe, double bps)
{
	if (bwe->capacity == 0) {
		bwe->capacity = bps;
		bwe->deviation = DEVIATION_LEAST;
		return;
	}
	double error = bwe->capacity - bps;
	bwe->capacity -= 0.05 * error;
	bwe->deviation = 0.95 * bwe->deviation + 0.05 * error * error / (bwe->capacity / 1000) / 1000;
	bwe->deviation = MIN(MAX(bwe->deviation, DEVIATION_LEAST), 2.5);
}

static void delay_cut(struct bwe *bwe, double arriving, int64_t now_us)
{
	if (now_us - bwe->overuse_us < MAX(CUT_APART_US, MIN(bwe->rtt_us, CUT_APART_US * 2)))
		return;
	if (bwe->jumped) /* all that came of late came out of the queue */
		arriving = arriving_over(bwe, ARRIVING_FIRST);
	else if (bwe->lossy < LOSS_LOW)
		arriving = MAX(arriving, arriving_over(bwe, ARRIVING_LONG));
	double cut = CUT * (arriving > 0 ? arriving : bwe->delay_limit);
	bwe->overuse_us = bwe->cut_us = bwe->raised_us = now_us;
	if (bwe->capacity > 0 && arriving < bwe->capacity - capacity_spread(bwe))
		bwe->capacity = 0; /* the path has become another */
	if (arriving > 0)
		capacity_note(bwe, arriving);
	bwe->delay_limit = clamp(bwe, MIN(cut, bwe->delay_limit));
	bwe->initial = false;
	bwe->delay.full_us = 0;
}

static void delay_rise(struct bwe *bwe, double arriving, int64_t now_us)
{
	double seconds = bwe->raised_us ? MIN((double)(now_us - bwe->raised_us) / 1e6, 1) : 0;
	double limit = arriving > 0 ? ABOVE_ARRIVING * arriving + ABOVE_ARRIVING_BPS : bwe->delay_limit;
	double rate = bwe->delay_limit;

	bwe->raised_us = now_us;
	if (bwe->capacity > 0 && arriving > bwe->capacity + capacity_spread(bwe))
		bwe->capacity = 0;
	if (bwe->capacity > 0) {
		double response_s = ((double)bwe->rtt_us + 100e3) / 1e6;
		rate += MAX(bwe->packet_bytes * 8 / response_s, RISE_MIN_BPS) * seconds;
		limit = MIN(limit, CAPACITY_SHARE * bwe->capacity);
	} else {
		rate *= pow(RISE_PER_SECOND, seconds);
	}
	if (rate > limit)
		rate = MAX(bwe->delay_limit, limit);
	bwe->delay_limit = clamp(bwe, rate);
}

/* What arrives without complaint is no less than what the path takes. */
static void floor_by_arriving(struct bwe *bwe, double arriving, int64_t now_us)
{
	if (bwe->cut_us && now_us - bwe->cut_us < FLOOR_AFTER_US)
		return;
	bwe->delay_limit = MAX(bwe->delay_limit, clamp(bwe, arriving));
	if (bwe->loss.trial == 0)
		bwe->loss.limit = MAX(bwe->loss.limit, clamp(bwe, arriving));
}

static void after_silence(struct bwe *bwe, int64_t now_us)
{
	if (bwe->before_silence == 0)
		return;
	bwe->delay_limit = MAX(bwe->delay_limit, clamp(bwe, bwe->before_silence / 2));
	bwe->before_silence = 0;
	bwe->outage_us = now_us;
}

int bwe_on_feedback(struct bwe *bwe, const struct rtcp_packet *packet, int64_t now_us)
{
	struct reading r = { .bwe = bwe, .now_us = now_us };
	struct rtcp_twcc head;
	int err = rtcp_read_twcc(packet, &head, on_told, &r);

	bwe->feedback_us = now_us;
	bwe->silence_us = now_us;
	if (r.arrived) {
		after_silence(bwe, now_us);
		/* Feedback waits for the receiver's timer: the shortest of late is nearest to the truth. */
		int64_t rtt_us = MIN(MAX(now_us - r.sent_us, USEC_PER_MSEC), RTT_MAX_US);
		bwe->rtt_us += (rtt_us - bwe->rtt_us) / (rtt_us < bwe->rtt_us ? 4 : 16);
	}
	loss_update(bwe, now_us);
	double arriving = bwe_arriving(bwe);
	bwe->overused = is_overused(bwe, now_us);
	if (bwe->overused)
		delay_cut(bwe, arriving, now_us);
	else if (trend_state(&bwe->trend) != TREND_UNDERUSE)
		delay_rise(bwe, arriving, now_us);
	else
		bwe->raised_us = now_us; /* the queue drains: hold */
	if (!bwe->overused)
		floor_by_arriving(bwe, arriving, now_us);
	struct bwe_cluster *c = &bwe->cluster;
	if (c->begun_us && c->sent_bytes >= c->probe.bytes && c->sent >= c->probe.packets &&
	    (c->received == c->sent || (r.arrived && r.sent_us > c->last_sent_us)))
		probe_done(bwe, now_us);
	return err;
}

uint32_t bwe_rate(struct bwe *bwe, int64_t now_us)
{
	/* Who never told anything tells nothing by silence. */
	while (bwe->feedback_us && bwe->sent_us > bwe->feedback_us && now_us - bwe->silence_us >= SILENCE_US) {
		bwe->before_silence = MAX(bwe->before_silence, rate_of(bwe));
		bwe->delay_limit = clamp(bwe, rate_of(bwe) / 2);
		bwe->cut_us = now_us;
		bwe->silence_us += SILENCE_STEP_US;
		bwe->initial = false;
	}
	return (uint32_t)rate_of(bwe);
}
