/* links: lab mediad */
/* The networks of tests/net/scenarios, a minute each on a clock that we move: a camera in two layers as Chromium sends
 * one of 640×360, and who watches over a path that loses, delays and is narrow. What `make bench-quality` measures with
 * browsers is here what the server decides, packet by packet. PARLEY_TRACE=1 prints each second; an argument names the
 * one scenario that is wanted. */
#include "tests/lab/media_lab.h"

#include "tests/support/cm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SRTP_TAG     16
#define PICTURE_US   33000
#define LARGE_BYTES  4900 /* of a picture: 1.2 Mbit/s */
#define SMALL_BYTES  600
#define LARGE_KEY    20000
#define SMALL_KEY    4000
#define PAYLOAD_MAX  1140
#define PAYLOAD_HEAD 13
#define ALONE	     (5 * USEC_PER_SEC) /* the sender has that long before somebody watches */
#define STOOD_US     (250 * USEC_PER_MSEC)
#define STUCK_US     (3 * USEC_PER_SEC) /* a browser asks for a key frame when nothing could be shown for so long */
#define SECONDS_MAX  90
#define SEEDS	     3

/* A second as it was seen. */
struct moment {
	double estimate, sent, queue_ms, queue_max_ms, sound_ms; /* bit/s; sound: the its longest delay */
	unsigned weak_ms;					 /* of it */
	unsigned probes;
};

struct net {
	struct lab *lab;
	struct lab_device *source, *watcher;
	struct wire down, up;
	struct wire_settings set;
	struct moment at[SECONDS_MAX];
	unsigned seconds;
	unsigned dice;
	unsigned picture_bytes[2];
	int64_t began_us, asked_us;
	unsigned asked; /* for key frames */
};

/* What somebody who watched saw. */
struct seen {
	double frames, stood_s, longest_s; /* a second; time in standstills of STOOD_US and more */
	double large;			   /* share of them */
	unsigned keyframes;
};

/* ---- the camera ---- */

static unsigned some(struct net *net, unsigned mean)
{
	net->dice = net->dice * 1664525u + 1013904223u;
	return (unsigned)(mean * (0.7 + 0.6 * (net->dice >> 8) / (double)(1 << 24)));
}

static unsigned camera(struct lab_device *d, struct lab_sender *s, bool key)
{
	struct net *net = d->arg;
	bool large = s == &d->video;
	unsigned bytes = large ? some(net, key ? LARGE_KEY : LARGE_BYTES) : some(net, key ? SMALL_KEY : SMALL_BYTES);

	net->picture_bytes[large] = bytes | (unsigned)key << 31;
	return (bytes + PAYLOAD_MAX - 1) / PAYLOAD_MAX;
}

static size_t packet(struct lab_device *d, struct lab_sender *s, unsigned place, uint8_t *p)
{
	struct net *net = d->arg;
	unsigned bytes = net->picture_bytes[s == &d->video] & INT32_MAX;
	bool key = net->picture_bytes[s == &d->video] >> 31;
	size_t len = MIN(bytes - place * PAYLOAD_MAX, PAYLOAD_MAX);

	len = MAX(len, PAYLOAD_HEAD);
	memset(p, 0xaa, len);
	p[0] = (uint8_t)(0x80 | (place == 0 ? 0x10 : 0));
	p[1] = 0xe0;
	rtp_put16(p + 2, 0x8000 | (s->picture_id & 0x7fff));
	p[4] = s->tl0picidx;
	p[5] = 0;
	p[6] = key ? 0 : 1;
	p[7] = (uint8_t)(d->number | s->layer << 6);
	rtp_put32(p + 8, s->frame);
	p[12] = (uint8_t)place;
	return len;
}

/* ---- the network ---- */

static void net_set(struct net *net)
{
	wire_set(&net->down, net->lab->now_us, &net->set);
}

static struct net *net_new(struct wire_settings down, double loss_up, unsigned seed)
{
	struct net *net = calloc(1, sizeof(*net));
	struct wire_settings up = wire_clean;

	assert_non_null(net);
	net->lab = lab_new(1);
	net->dice = net->lab->random = seed;
	net->source = lab_device(net->lab, 0, 1, 1, 1);
	lab_layers(net->source, 2);
	net->source->camera = camera;
	net->source->packet = packet;
	net->source->arg = net;
	net->source->picture_us = PICTURE_US;
	net->source->audio.bytes = 60;
	assert_int_equal(lab_offer(net->source), 0);
	lab_connect(net->source);
	lab_run(net->lab, ALONE);
	net->watcher = lab_device(net->lab, 0, 1, 2, 1);
	net->watcher->video.on = false;
	net->watcher->feedback = true;
	net->watcher->patience_ms = 100; /* as Chromium, while it sends nothing itself */
	wire_init(&net->down, seed);
	wire_init(&net->up, seed + 1);
	net->set = down;
	net->set.overhead = WIRE_OVERHEAD + SRTP_TAG;
	net->set.keep_order = 1;
	net_set(net);
	up.delay_us = 20000;
	up.loss = loss_up;
	wire_set(&net->up, net->lab->now_us, &up);
	net->watcher->way_down = &net->down;
	net->watcher->way_up = &net->up;
	assert_int_equal(lab_offer(net->watcher), 0);
	lab_connect(net->watcher);
	net->began_us = net->lab->now_us;
	return net;
}

static struct net *net_free(struct net *net)
{
	lab_free(net->lab);
	wire_fini(&net->down);
	wire_fini(&net->up);
	free(net);
	return NULL;
}

static enum seat_state picture(const struct net *net)
{
	for (unsigned i = 0; i < net->watcher->seats.count; i++) {
		if (net->watcher->seats.seat[i].track_kind == TRACK_CAMERA)
			return net->watcher->seats.seat[i].state;
	}
	return SEAT_EMPTY;
}

/* ---- what comes out ---- */

/* Sound is made every 20 ms from the beginning on. */
static double sound_delay_ms(const struct net *net, const struct lab_packet *p)
{
	return (double)(p->at_us - (net->began_us - ALONE + (int64_t)p->frame * 20000)) / 1000;
}

/* From log[i] on: is there a whole picture? Then when, and where the next begins. */
static bool whole(const struct lab_stream *s, uint64_t i, int64_t *ret_us, uint64_t *ret_next)
{
	int64_t us = 0;

	for (uint64_t k = i; k <= s->highest - s->first; k++) {
		const struct lab_packet *p = &s->log[k];
		if (!p->used || p->timestamp != s->log[i].timestamp)
			return false;
		us = MAX(us, p->at_us);
		if (p->marker) {
			*ret_us = us;
			*ret_next = k + 1;
			return true;
		}
	}
	return false;
}

static void see(struct seen *seen, int64_t *shown_us, int64_t us)
{
	if (us - *shown_us >= STOOD_US)
		seen->stood_s += (double)(us - *shown_us) / 1e6;
	seen->longest_s = MAX(seen->longest_s, (double)(us - *shown_us) / 1e6);
	*shown_us = us;
}

struct shown {
	int64_t us;
	bool large, key;
};

/* Pictures in order. One is shown when it is whole and so are those that it follows from; a key frame follows from
 * none, and what is not there by then is left out. */
static unsigned show(const struct lab_stream *s, struct shown *shown)
{
	unsigned n = 0;
	bool intact = false;
	int64_t us;

	for (uint64_t i = 0, next; i <= s->highest - s->first; i = next) {
		const struct lab_packet *p = &s->log[i];
		next = i + 1;
		if (!p->used || p->place != 0 || !whole(s, i, &us, &next)) {
			intact = false;
			continue;
		}
		intact = intact || p->keyframe;
		if (!intact)
			continue;
		while (p->keyframe && n > 0 && shown[n - 1].us > us)
			n--;
		shown[n] = (struct shown){ .us = n > 0 ? MAX(us, shown[n - 1].us) : us,
					   .large = p->layer > 0,
					   .key = p->keyframe };
		n++;
	}
	return n;
}

/* Between two seconds of the run. */
static struct seen watch(const struct net *net, unsigned from_s, unsigned to_s)
{
	static struct shown shown[LAB_LOG];
	int64_t from_us = net->began_us + from_s * USEC_PER_SEC, to_us = net->began_us + to_s * USEC_PER_SEC;
	const struct lab_stream *s = lab_stream(net->watcher, 1);
	struct seen seen = { 0 };
	int64_t last_us = from_us;
	unsigned n = s ? show(s, shown) : 0, large = 0, frames = 0;

	for (unsigned i = 0; i < n; i++) {
		if (shown[i].us < from_us || shown[i].us >= to_us)
			continue;
		see(&seen, &last_us, shown[i].us);
		frames++;
		large += shown[i].large;
		seen.keyframes += shown[i].key;
	}
	see(&seen, &last_us, to_us);
	seen.frames = (double)frames / (to_s - from_s);
	seen.large = frames ? (double)large / frames : 0;
	return seen;
}

/* ---- time ---- */

static bool stuck(const struct net *net)
{
	int64_t now_us = net->lab->now_us;
	const struct lab_stream *s = lab_stream(net->watcher, 1);
	unsigned second = (unsigned)((now_us - net->began_us) / USEC_PER_SEC);

	return s && second >= 3 && now_us - net->asked_us >= STUCK_US && picture(net) == SEAT_LIVE &&
	       watch(net, second - 3, second).frames == 0;
}

static void ask_for_key(struct net *net)
{
	uint8_t p[64];
	struct rtcp_out out = { .data = p, .cap = sizeof(p) };

	net->asked_us = net->lab->now_us;
	net->asked++;
	assert_int_equal(rtcp_add_pli(&out, net->watcher->video.ssrc, lab_stream(net->watcher, 1)->ssrc), 0);
	lab_say(net->watcher, p, out.len);
}

static void print_moment(const struct net *net, const struct moment *m)
{
	if (!getenv("PARLEY_TRACE"))
		return;
	struct seen seen = watch(net, net->seconds, net->seconds + 1);
	printf("# %2u s: estimate %5.0f sent %5.0f kbit/s, queue %3.0f (%3.0f) ms, sound %3.0f ms, %4.1f frames, %3.0f "
	       "%% large, "
	       "%u key, stood %.2f s, weak %u ms, probes %u, limit %d\n",
	       net->seconds, m->estimate / 1000, m->sent / 1000, m->queue_ms, m->queue_max_ms, m->sound_ms, seen.frames,
	       seen.large * 100, seen.keyframes, seen.stood_s, m->weak_ms, m->probes,
	       lab_peer(net->watcher)->seat[1] ? (int)lab_peer(net->watcher)->seat[1]->limit : -1);
}

static void net_run(struct net *net, unsigned seconds)
{
	struct stats_mediad *counters = lab_counters(net->lab, 0);

	for (; seconds > 0; seconds--, net->seconds++) {
		struct moment *m = &net->at[net->seconds];
		uint64_t probes = stat_get(&counters->probes);
		assert_in_range(net->seconds, 0, SECONDS_MAX - 1);
		(void)wire_take_counts(&net->down);
		for (unsigned step = 0; step < 100; step++) {
			lab_run(net->lab, 10 * USEC_PER_MSEC);
			double queue_ms = (double)wire_backlog_us(&net->down) / 1000;
			m->queue_ms += queue_ms / 100;
			m->queue_max_ms = MAX(m->queue_max_ms, queue_ms);
			m->weak_ms += picture(net) == SEAT_WEAK ? 10 : 0;
			const struct lab_stream *s = lab_stream(net->watcher, 0);
			if (s)
				m->sound_ms = MAX(m->sound_ms, sound_delay_ms(net, &s->log[s->highest - s->first]));
			if (step % 10 == 0 && stuck(net))
				ask_for_key(net);
		}
		struct wire_counts counts = wire_take_counts(&net->down);
		m->sent = (double)(counts.in_bytes + counts.in_packets * (WIRE_OVERHEAD + SRTP_TAG)) * 8;
		m->estimate = bwe_rate(lab_peer(net->watcher)->bwe, net->lab->now_us);
		m->probes = (unsigned)(stat_get(&counters->probes) - probes);
		print_moment(net, m);
	}
}

static void assert_between(double value, double low, double high)
{
	if (value < low || value > high)
		fail_msg("%.3f is not between %.3f and %.3f", value, low, high);
}

#define MEAN(net, from, to, field)                          \
	({                                                  \
		double sum_ = 0;                            \
		for (unsigned i_ = (from); i_ < (to); i_++) \
			sum_ += (net)->at[i_].field;        \
		sum_ / ((to) - (from));                     \
	})

static struct seen sum_up(const struct net *net, const char *name, unsigned from_s, unsigned to_s)
{
	struct seen seen = watch(net, from_s, to_s);

	printf("# %s, %u–%u s: %.1f frames/s, %.0f %% large, stood %.2f s, longest %.2f s, %u key frames, estimate "
	       "%.0f, sent %.0f kbit/s, "
	       "queue %.0f ms\n",
	       name, from_s, to_s, seen.frames, seen.large * 100, seen.stood_s, seen.longest_s, seen.keyframes,
	       MEAN(net, from_s, to_s, estimate) / 1000, MEAN(net, from_s, to_s, sent) / 1000,
	       MEAN(net, from_s, to_s, queue_ms));
	return seen;
}

/* ---- the scenarios ---- */

static struct wire_settings way(double delay_ms)
{
	struct wire_settings set = wire_clean;

	set.delay_us = delay_ms * 1000;
	return set;
}

static void clean(void **state)
{
	struct net *net = net_new(way(0), 0, 1);

	(void)state;
	net_run(net, 30);
	struct seen seen = sum_up(net, "clean", 1, 30);
	assert_between(seen.frames, 29.5, 31);
	assert_between(seen.large, 1, 1);
	assert_between(seen.stood_s, 0, 0);
	net_free(net);
}

/* Lost at random, and nothing is in the way: the picture stays as it is. */
static void random_loss(void **state)
{
	static const struct {
		double loss, loss_up;
		double frames, stood_s;
	} cases[] = { { 0.05, 0, 29, 1 }, { 0.10, 0, 29, 1.5 }, { 0.10, 0.10, 27, 6 } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		for (unsigned seed = 1; seed <= SEEDS; seed++) {
			struct wire_settings set = way(20);
			char name[80];
			set.loss = cases[i].loss;
			struct net *net = net_new(set, cases[i].loss_up, seed);
			net_run(net, 60);
			snprintf(name, sizeof(name), "loss %.0f %%, %.0f %% back, seed %u", set.loss * 100,
				 cases[i].loss_up * 100, seed);
			struct seen seen = sum_up(net, name, 1, 60);
			assert_between(seen.large, 0.98, 1);
			assert_between(seen.frames, cases[i].frames, 31);
			assert_between(seen.stood_s, 0, cases[i].stood_s);
			net_free(net);
		}
	}
}

static void bursts(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct wire_settings set = way(20);
		set.bursts = 0.02;
		set.burst_length = 5;
		struct net *net = net_new(set, 0, seed);
		net_run(net, 60);
		struct seen seen = sum_up(net, "bursts", 1, 60);
		assert_between(seen.large, 0.98, 1);
		assert_between(seen.stood_s, 0, 0.5);
		net_free(net);
	}
}

static void jitter(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct wire_settings set = way(100);
		set.jitter_us = 30000;
		struct net *net = net_new(set, 0, seed);
		net_run(net, 60);
		struct seen seen = sum_up(net, "jitter", 2, 60);
		assert_between(seen.large, 0.95, 1);
		assert_between(seen.stood_s, 0, 0.5);
		net_free(net);
	}
}

static void bottleneck(void **state)
{
	static const double kbps[] = { 1000, 300 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(kbps); i++) {
		for (unsigned seed = 1; seed <= SEEDS; seed++) {
			struct wire_settings set = way(20);
			char name[80];
			set.rate_bps = kbps[i] * 1000;
			set.queue_us = 300000;
			struct net *net = net_new(set, 0, seed);
			net_run(net, 60);
			snprintf(name, sizeof(name), "%.0f kbit/s, seed %u", kbps[i], seed);
			assert_between(sum_up(net, name, 0, 5).stood_s, 0, 4);
			struct seen seen = sum_up(net, name, 10, 60);
			assert_between(MEAN(net, 10, 60, estimate) / set.rate_bps, 0.70, 0.95);
			assert_between(MEAN(net, 10, 60, queue_ms), 0, 150);
			assert_between(seen.stood_s, 0, 0.5);
			assert_between(seen.frames, 29, 31);
			net_free(net);
		}
	}
}

static void step_down_and_up(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct wire_settings set = way(20);
		set.rate_bps = 3e6;
		set.queue_us = 300000;
		struct net *net = net_new(set, 0, seed);
		net_run(net, 20);
		struct seen seen = sum_up(net, "3 Mbit/s", 2, 20);
		assert_between(seen.large, 1, 1);
		net->set.rate_bps = 500e3;
		net_set(net);
		net_run(net, 20);
		(void)sum_up(net, "500 kbit/s", 20, 25);
		seen = sum_up(net, "500 kbit/s", 30, 40);
		assert_between(MEAN(net, 30, 40, estimate) / 500e3, 0.70, 0.95);
		assert_between(MEAN(net, 30, 40, queue_ms), 0, 150);
		net->set.rate_bps = 3e6;
		net_set(net);
		net_run(net, 20);
		seen = sum_up(net, "3 Mbit/s again", 40, 60);
		assert_between(sum_up(net, "3 Mbit/s again", 48, 60).large, 1, 1);
		assert_between(watch(net, 20, 40).stood_s, 0, 1.5);
		net_free(net);
	}
}

/* So narrow that only sound fits, and then wide again. */
static void weak_and_back(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct wire_settings set = way(20);
		set.rate_bps = 3e6;
		set.queue_us = 300000;
		struct net *net = net_new(set, 0, seed);
		net_run(net, 10);
		net->set.rate_bps = 100e3;
		net_set(net);
		net_run(net, 30);
		sum_up(net, "100 kbit/s", 10, 40);
		assert_int_equal(picture(net), SEAT_WEAK);
		net->set.rate_bps = 3e6;
		net_set(net);
		net_run(net, 20);
		sum_up(net, "3 Mbit/s again", 40, 60);
		assert_between(watch(net, 44, 48).frames, 29, 31);
		assert_between(watch(net, 48, 60).large, 1, 1);
		net_free(net);
	}
}

/* It neither delays nor fits: a policer. Found out by a test that costs no picture, then obeyed. */
static void policer(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct wire_settings set = way(20);
		set.rate_bps = 1e6;
		set.queue_us = 12000;
		struct net *net = net_new(set, 0, seed);
		net_run(net, 60);
		struct seen seen = sum_up(net, "1 Mbit/s without a queue", 10, 60);
		assert_between(seen.large, 0, 0.05);
		assert_between(seen.stood_s, 0, 0.5);
		assert_between(seen.frames, 29, 31);
		net_free(net);
	}
}

/* The large layer nearly fits: it is not tried again and again. */
static void nearly_wide_enough(void **state)
{
	static const double kbps[] = { 1250, 1400 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(kbps); i++) {
		struct wire_settings set = way(20);
		set.rate_bps = kbps[i] * 1000;
		set.queue_us = 300000;
		struct net *net = net_new(set, 0, 1);
		net_run(net, 80);
		struct seen seen = sum_up(net, "nearly", 10, 80);
		assert_in_range(seen.keyframes, 0, 4);
		assert_between(seen.stood_s, 0, 0.5);
		assert_between(MEAN(net, 10, 80, queue_ms), 0, 50);
		net_free(net);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean),	 cmocka_unit_test(random_loss), cmocka_unit_test(bursts),
		cmocka_unit_test(jitter),	 cmocka_unit_test(bottleneck),	cmocka_unit_test(step_down_and_up),
		cmocka_unit_test(weak_and_back), cmocka_unit_test(policer),	cmocka_unit_test(nearly_wide_enough),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
