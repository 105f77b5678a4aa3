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
#define SOUND_US     20000
#define LIPS_US	     (100 * USEC_PER_MSEC) /* between two looks at them */
#ifndef SEEDS
#define SEEDS 3
#endif

/* A second as it was seen. */
struct moment {
	double rate, estimate, sent, queue_ms, queue_max_ms; /* bit/s; rate 0: no bottleneck */
	double sound_ms;				     /* its longest delay */
	double clock_ms; /* by how much the server's sender reports set sound and picture apart, at its end */
	unsigned weak_ms;
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
	double keyframes;
	/* 95 of 100: how late pictures are, how late sound is; how far what is seen is from what is heard, where both
	 * are played as they come, and so on until the next ought to. */
	double picture_ms, sound_ms, lips_ms;
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

/* Pictures and sound are made at even intervals from the beginning on. */
static int64_t made_us(const struct net *net, const struct lab_stream *s, uint32_t frame)
{
	return net->began_us - ALONE + (int64_t)frame * (s->video ? PICTURE_US : SOUND_US);
}

static double sound_delay_ms(const struct net *net, const struct lab_packet *p)
{
	return (double)(p->at_us - made_us(net, lab_stream(net->watcher, 0), p->frame)) / 1000;
}

/* What the last sender report says of when a packet was made, less when it was. The server's clock is any. */
static double report_error_ms(const struct net *net, const struct lab_stream *s)
{
	const struct lab_packet *p = &s->log[s->highest - s->first];
	double ticks = (int32_t)(p->timestamp - s->report.rtp);
	double ntp_s = (double)(s->report.ntp >> 32) + (double)(s->report.ntp & UINT32_MAX) / 4294967296.0;

	return (ntp_s + ticks / (s->video ? 90000 : 48000)) * 1000 - (double)made_us(net, s, p->frame) / 1000;
}

static double clock_error_ms(const struct net *net)
{
	const struct lab_stream *sound = lab_stream(net->watcher, 0), *video = lab_stream(net->watcher, 1);

	if (!sound || !video || !sound->reports || !video->reports)
		return 0;
	return fabs(report_error_ms(net, video) - report_error_ms(net, sound));
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
	uint32_t frame;
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
					   .frame = p->frame,
					   .large = p->layer > 0,
					   .key = p->keyframe };
		n++;
	}
	return n;
}

/* ---- sound and picture ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* 95 of 100 are no more. */
static double most_of(double *value, unsigned n)
{
	qsort(value, n, sizeof(*value), compare);
	return n > 0 ? value[MIN(n - 1, n * 95 / 100)] : 0;
}

/* Where in the film it is at a time: on from the newest that had come by then, until the next is overdue. */
static int64_t position_us(int64_t made_at_us, int64_t came_us, int64_t at_us, int64_t length_us)
{
	return made_at_us + MIN(at_us - came_us, length_us);
}

static double lips_ms(const struct net *net, const struct shown *shown, unsigned n, int64_t from_us, int64_t to_us)
{
	static double apart[SECONDS_MAX * 10];
	const struct lab_stream *sound = lab_stream(net->watcher, 0), *video = lab_stream(net->watcher, 1);
	uint64_t heard = 0;
	unsigned seen = 0, len = 0;

	for (int64_t at_us = from_us; sound && at_us < to_us; at_us += LIPS_US) {
		while (seen + 1 < n && shown[seen + 1].us <= at_us)
			seen++;
		while (heard < sound->highest - sound->first &&
		       (!sound->log[heard + 1].used || sound->log[heard + 1].at_us <= at_us))
			heard++;
		const struct lab_packet *p = &sound->log[heard];
		while (!p->used && p > sound->log)
			p--;
		if (n == 0 || shown[seen].us > at_us || p->at_us > at_us)
			continue;
		apart[len++] = fabs((double)(position_us(made_us(net, video, shown[seen].frame), shown[seen].us, at_us,
							 PICTURE_US) -
					     position_us(made_us(net, sound, p->frame), p->at_us, at_us, SOUND_US))) /
			       1000;
	}
	return most_of(apart, len);
}

static double sound_late_ms(const struct net *net, int64_t from_us, int64_t to_us)
{
	static double late[LAB_LOG];
	const struct lab_stream *s = lab_stream(net->watcher, 0);
	unsigned n = 0;

	for (uint64_t i = 0; s && i <= s->highest - s->first; i++) {
		if (s->log[i].used && s->log[i].at_us >= from_us && s->log[i].at_us < to_us)
			late[n++] = sound_delay_ms(net, &s->log[i]);
	}
	return most_of(late, n);
}

/* Between two seconds of the run. */
static struct seen watch(const struct net *net, unsigned from_s, unsigned to_s)
{
	static struct shown shown[LAB_LOG];
	static double late[LAB_LOG];
	int64_t from_us = net->began_us + from_s * USEC_PER_SEC, to_us = net->began_us + to_s * USEC_PER_SEC;
	const struct lab_stream *s = lab_stream(net->watcher, 1);
	struct seen seen = { 0 };
	int64_t last_us = from_us;
	unsigned n = s ? show(s, shown) : 0, large = 0, frames = 0;

	for (unsigned i = 0; i < n; i++) {
		if (shown[i].us < from_us || shown[i].us >= to_us)
			continue;
		see(&seen, &last_us, shown[i].us);
		late[frames++] = (double)(shown[i].us - made_us(net, s, shown[i].frame)) / 1000;
		large += shown[i].large;
		seen.keyframes += shown[i].key;
	}
	see(&seen, &last_us, to_us);
	seen.frames = (double)frames / (to_s - from_s);
	seen.large = frames ? (double)large / frames : 0;
	seen.picture_ms = most_of(late, frames);
	seen.sound_ms = sound_late_ms(net, from_us, to_us);
	seen.lips_ms = lips_ms(net, shown, n, from_us, to_us);
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
	       "%% large, %.0f key, stood %.2f s, lips %3.0f ms, clock %.1f ms, weak %u ms, probes %u\n",
	       net->seconds, m->estimate / 1000, m->sent / 1000, m->queue_ms, m->queue_max_ms, m->sound_ms, seen.frames,
	       seen.large * 100, seen.keyframes, seen.stood_s, seen.lips_ms, m->clock_ms, m->weak_ms, m->probes);
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
		m->rate = net->set.rate_bps;
		m->clock_ms = clock_error_ms(net);
		m->probes = (unsigned)(stat_get(&counters->probes) - probes);
		print_moment(net, m);
	}
}

/* ---- what is wanted ---- */

/* Of a part of the run. */
enum what {
	END,	    /* of a list */
	FRAMES,	    /* a second */
	LARGE,	    /* share of them */
	STOOD,	    /* s */
	LONGEST,    /* s */
	KEYS,	    /* key frames */
	ESTIMATE,   /* mean, of the bottleneck */
	QUEUE,	    /* mean, ms */
	SOUND_LATE, /* 95 of 100, ms */
	LIPS,	    /* 95 of 100, ms */
	CLOCK,	    /* ms, at most */
	WEAK,	    /* share of the time */
};

static const char *const what_name[] = {
	[FRAMES] = "frames/s",	     [LARGE] = "share of large pictures",
	[STOOD] = "s stood",	     [LONGEST] = "s in the longest standstill",
	[KEYS] = "key frames",	     [ESTIMATE] = "of the bottleneck is the estimate",
	[QUEUE] = "ms queue",	     [SOUND_LATE] = "ms of 95 of 100 delays of sound",
	[LIPS] = "ms lips",	     [CLOCK] = "ms between the clocks of sound and picture",
	[WEAK] = "of the time weak",
};

struct wanted {
	unsigned from_s, to_s;
	enum what what;
	double low, high;
};

static double figure_of(const struct net *net, const struct seen *seen, const struct wanted *w)
{
	unsigned seconds = w->to_s - w->from_s;
	double estimate = 0, queue = 0, clock = 0, weak = 0;

	for (unsigned i = w->from_s; i < w->to_s; i++) {
		estimate += net->at[i].rate > 0 ? net->at[i].estimate / net->at[i].rate / seconds : 0;
		queue += net->at[i].queue_ms / seconds;
		clock = MAX(clock, net->at[i].clock_ms);
		weak += net->at[i].weak_ms / 1000.0 / seconds;
	}
	const double value[] = {
		[FRAMES] = seen->frames,  [LARGE] = seen->large, [STOOD] = seen->stood_s, [LONGEST] = seen->longest_s,
		[KEYS] = seen->keyframes, [ESTIMATE] = estimate, [QUEUE] = queue,	  [SOUND_LATE] = seen->sound_ms,
		[LIPS] = seen->lips_ms,	  [CLOCK] = clock,	 [WEAK] = weak,
	};
	return value[w->what];
}

/* ---- the scenarios ---- */

#define WANTED_MAX 12

struct scenario {
	const char *name;
	double delay_ms, jitter_ms, loss, loss_up, bursts; /* shares 0–1; bursts: five packets long */
	double kbps, queue_ms;				   /* queue: 300 where a bottleneck names none */
	struct {
		unsigned at_s;
		double kbps;
	} then[3];
	unsigned seconds;
	struct wanted wanted[WANTED_MAX];
};

/* Of those that no bottleneck is in: the large picture comes at once, or nearly. */
static const struct scenario scenarios[] = {
	{ .name = "clean",
	  .seconds = 30,
	  .wanted = { { 0, 1, LARGE, 0.7, 1 },
		      { 1, 30, LARGE, 1, 1 },
		      { 1, 30, FRAMES, 29.5, 31 },
		      { 0, 30, STOOD, 0, 0 },
		      { 0, 30, LIPS, 0, 40 },
		      { 0, 30, CLOCK, 0, 3 } } },
	/* Lost at random, and nothing is in the way: the picture stays as it is. */
	{ .name = "loss 5 %",
	  .delay_ms = 20,
	  .loss = 0.05,
	  .seconds = 60,
	  .wanted = { { 1, 60, LARGE, 0.98, 1 },
		      { 1, 60, FRAMES, 29, 31 },
		      { 0, 60, STOOD, 0, 1 },
		      { 0, 60, CLOCK, 0, 3 } } },
	{ .name = "loss 10 %",
	  .delay_ms = 20,
	  .loss = 0.10,
	  .seconds = 60,
	  .wanted = { { 1, 60, LARGE, 0.98, 1 },
		      { 1, 60, FRAMES, 29, 31 },
		      { 0, 60, STOOD, 0, 1.5 },
		      { 0, 60, CLOCK, 0, 3 } } },
	{ .name = "loss 10 %, 10 % back",
	  .delay_ms = 20,
	  .loss = 0.10,
	  .loss_up = 0.10,
	  .seconds = 60,
	  .wanted = { { 1, 60, LARGE, 0.98, 1 }, { 1, 60, FRAMES, 27, 31 }, { 1, 60, STOOD, 0, 6 } } },
	{ .name = "bursts",
	  .delay_ms = 20,
	  .bursts = 0.02,
	  .seconds = 60,
	  .wanted = { { 1, 60, LARGE, 0.98, 1 }, { 1, 60, STOOD, 0, 0.5 } } },
	{ .name = "jitter",
	  .delay_ms = 100,
	  .jitter_ms = 30,
	  .seconds = 60,
	  .wanted = { { 2, 60, LARGE, 0.95, 1 }, { 0, 60, STOOD, 0, 0.5 }, { 0, 60, CLOCK, 0, 3 } } },
	/* From the first moment on no more goes out than a thin path takes, but for a key frame. */
	{ .name = "1 Mbit/s",
	  .delay_ms = 20,
	  .kbps = 1000,
	  .seconds = 60,
	  .wanted = { { 0, 3, STOOD, 0, 0 },
		      { 0, 3, SOUND_LATE, 0, 60 },
		      { 0, 3, LIPS, 0, 40 },
		      { 0, 60, LIPS, 0, 40 },
		      { 10, 60, ESTIMATE, 0.70, 0.95 },
		      { 10, 60, QUEUE, 0, 150 },
		      { 0, 60, STOOD, 0, 0.5 },
		      { 10, 60, FRAMES, 29, 31 } } },
	{ .name = "300 kbit/s",
	  .delay_ms = 20,
	  .kbps = 300,
	  .seconds = 60,
	  .wanted = { { 0, 3, STOOD, 0, 0 },
		      { 0, 3, SOUND_LATE, 0, 175 },
		      { 0, 3, LIPS, 0, 40 },
		      { 0, 60, LIPS, 0, 40 },
		      { 10, 60, ESTIMATE, 0.70, 0.95 },
		      { 10, 60, QUEUE, 0, 150 },
		      { 0, 60, STOOD, 0, 0.5 },
		      { 10, 60, FRAMES, 29, 31 } } },
	{ .name = "step down and up",
	  .delay_ms = 20,
	  .kbps = 3000,
	  .then = { { 20, 500 }, { 40, 3000 } },
	  .seconds = 60,
	  .wanted = { { 2, 20, LARGE, 1, 1 },
		      { 20, 40, STOOD, 0, 1.5 },
		      { 30, 40, ESTIMATE, 0.70, 0.95 },
		      { 30, 40, QUEUE, 0, 150 },
		      { 48, 60, LARGE, 1, 1 } } },
	/* So narrow that only sound fits, and then wide again. */
	{ .name = "weak and back",
	  .delay_ms = 20,
	  .kbps = 3000,
	  .then = { { 10, 100 }, { 40, 3000 } },
	  .seconds = 60,
	  .wanted = { { 39, 40, WEAK, 1, 1 }, { 44, 48, FRAMES, 29, 31 }, { 48, 60, LARGE, 1, 1 } } },
	/* It neither delays nor fits: a policer. Found out by a test that costs no picture, then obeyed. */
	{ .name = "policer",
	  .delay_ms = 20,
	  .kbps = 1000,
	  .queue_ms = 12,
	  .seconds = 60,
	  .wanted = { { 10, 60, LARGE, 0, 0.05 }, { 10, 60, STOOD, 0, 0.5 }, { 10, 60, FRAMES, 29, 31 } } },
	/* The large layer nearly fits: it is not tried again and again. */
	{ .name = "nearly 1250 kbit/s",
	  .delay_ms = 20,
	  .kbps = 1250,
	  .seconds = 80,
	  .wanted = { { 10, 80, KEYS, 0, 4 }, { 10, 80, STOOD, 0, 0.5 }, { 10, 80, QUEUE, 0, 50 } } },
	{ .name = "nearly 1400 kbit/s",
	  .delay_ms = 20,
	  .kbps = 1400,
	  .seconds = 80,
	  .wanted = { { 10, 80, KEYS, 0, 4 }, { 10, 80, STOOD, 0, 0.5 }, { 10, 80, QUEUE, 0, 50 } } },
};

static struct wire_settings settings_of(const struct scenario *s)
{
	struct wire_settings set = wire_clean;

	set.delay_us = s->delay_ms * 1000;
	set.jitter_us = s->jitter_ms * 1000;
	set.loss = s->loss;
	set.bursts = s->bursts;
	set.burst_length = s->bursts > 0 ? 5 : set.burst_length;
	set.rate_bps = s->kbps * 1000;
	set.queue_us = s->kbps > 0 ? (s->queue_ms > 0 ? s->queue_ms : 300) * 1000 : 0;
	return set;
}

/* True when all is as wanted; says what is not. */
static bool judge(const struct net *net, const struct scenario *s, unsigned seed)
{
	bool met = true;

	for (const struct wanted *w = s->wanted; w->what != END; w++) {
		struct seen seen = watch(net, w->from_s, w->to_s);
		double value = figure_of(net, &seen, w);
		bool ok = value >= w->low && value <= w->high;
		printf("# %s, seed %u, %u–%u s: %.2f %s%s\n", s->name, seed, w->from_s, w->to_s, value,
		       what_name[w->what], ok ? "" : ", NOT AS WANTED");
		met = met && ok;
	}
	struct seen seen = watch(net, 0, s->seconds);
	printf("# %s, seed %u: %.1f frames/s, %.0f %% large, stood %.2f s; of 100 pictures 95 take %.0f ms, of sound "
	       "%.0f ms; lips %.0f ms\n",
	       s->name, seed, seen.frames, seen.large * 100, seen.stood_s, seen.picture_ms, seen.sound_ms,
	       seen.lips_ms);
	return met;
}

static void play(void **state)
{
	const struct scenario *s = *state;
	bool met = true;

	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct net *net = net_new(settings_of(s), s->loss_up, seed);
		for (unsigned i = 0; i < ARRAY_LEN(s->then) && s->then[i].at_s; i++) {
			net_run(net, s->then[i].at_s - net->seconds);
			net->set.rate_bps = s->then[i].kbps * 1000;
			net_set(net);
		}
		net_run(net, s->seconds - net->seconds);
		met = judge(net, s, seed) && met;
		net_free(net);
	}
	assert_true(met);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[ARRAY_LEN(scenarios)];

	for (unsigned i = 0; i < ARRAY_LEN(scenarios); i++)
		tests[i] = (struct CMUnitTest){ .name = scenarios[i].name,
						.test_func = play,
						.initial_state = (void *)&scenarios[i] };
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
