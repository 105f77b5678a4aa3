/* links: lab mediad */
/* A camera in three layers: each receiver gets one of them as one unbroken stream, and the publisher sends what
 * somebody watches. */
#include "tests/lab/media_lab.h"

#include "mediad/demand.h"
#include "tests/support/cm.h"

#include <stdlib.h>

static struct lab_device *join(struct lab *lab, unsigned mediad, uint8_t member, bool simulcast)
{
	struct lab_device *d = lab_device(lab, mediad, 1, member, 1);

	if (simulcast)
		lab_simulcast(d);
	assert_int_equal(lab_offer(d), 0);
	lab_connect(d);
	return d;
}

static void look(struct lab_device *watcher, const struct lab_device *of, uint16_t height)
{
	struct lab *lab = watcher->lab;
	struct msg_view view = { .call = watcher->rec->call, .member = watcher->rec->member, .count = 1 };

	view.item[0] = (struct msg_view_item){ .member = of->rec->member, .kind = TRACK_CAMERA, .height = height };
	for (unsigned k = 0; k < lab->mediads; k++)
		media_on_view(lab->m[k].md.media, &view);
	lab_turn(lab);
}

static const struct lab_packet *newest(struct lab_device *d)
{
	const struct lab_stream *s = lab_stream(d, 1);

	assert_non_null(s);
	return &s->log[s->highest - s->first];
}

static bool gets(struct lab_device *d, unsigned layer)
{
	const struct lab_packet *p = newest(d);

	return p->layer == layer && d->lab->now_us - p->at_us < 100 * USEC_PER_MSEC;
}

/* No gap in numbers, whole frames, picture ids in a row, timestamps rising with the clock; each layer begins with a key
 * frame and goes on frame by frame: no packet needs one that was not forwarded. Returns the switches. */
static unsigned check_stream(const struct lab_stream *s)
{
	const struct lab_packet *last = NULL;
	unsigned switches = 0;

	assert_non_null(s);
	for (uint64_t i = 0; i <= s->highest - s->first && i < LAB_LOG; i++) {
		const struct lab_packet *p = &s->log[i];
		assert_true(p->used);
		if (!last) {
			assert_true(p->keyframe && p->place == 0);
		} else if (last->place < LAB_FRAME - 1) {
			assert_int_equal(p->place, last->place + 1);
			assert_int_equal(p->layer, last->layer);
			assert_int_equal(p->frame, last->frame);
			assert_int_equal(p->picture_id, last->picture_id);
			assert_int_equal(p->timestamp, last->timestamp);
		} else {
			assert_int_equal(p->place, 0);
			assert_int_equal(p->picture_id, (last->picture_id + 1) & 0x7fff);
			assert_int_equal(p->tl0picidx, (uint8_t)(last->tl0picidx + 1));
			int64_t passed = (int32_t)(p->timestamp - last->timestamp) * INT64_C(1000) / 90;
			assert_true(passed > 0);
			assert_in_range(passed - (p->at_us - last->at_us) + 45000, 0, 90000);
			if (p->layer != last->layer) {
				assert_true(p->keyframe);
				switches++;
			} else if (!p->keyframe) {
				assert_int_equal(p->frame, last->frame + 1);
			}
		}
		last = p;
	}
	return switches;
}

/* The mapping of timestamps to time is where it was when the stream began, whatever happened since. */
static void check_clock(const struct lab_stream *s)
{
	const struct lab_packet *first = &s->log[0], *last = &s->log[MIN(s->highest - s->first, LAB_LOG - 1)];
	int64_t ticks = (int64_t)(uint32_t)(last->timestamp - first->timestamp);
	int64_t drift_us = ticks * 1000 / 90 - (last->at_us - first->at_us);

	assert_in_range(drift_us + 60000, 0, 120000);
}

static void each_gets_what_his_tile_shows(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, mediads - 1, 2, false);

	lab->delay_us = 5 * USEC_PER_MSEC;
	look(watcher, source, 720);
	lab_run(lab, 2 * USEC_PER_SEC);
	assert_true(gets(watcher, 2));
	assert_true(lab_stream(watcher, 1)->log[0].at_us < lab->now_us - 1800 * USEC_PER_MSEC);
	look(watcher, source, 180);
	lab_run(lab, 500 * USEC_PER_MSEC);
	assert_true(gets(watcher, 2)); /* not at once: tiles move */
	lab_run(lab, 1000 * USEC_PER_MSEC);
	assert_true(gets(watcher, 0));
	look(watcher, source, 360);
	lab_run(lab, 200 * USEC_PER_MSEC);
	assert_true(gets(watcher, 1));
	look(watcher, source, 720);
	/* The layer in between has been switched off or not: the switch comes within moments. */
	lab_run(lab, 300 * USEC_PER_MSEC);
	assert_true(gets(watcher, 2));
	assert_true(check_stream(lab_stream(watcher, 1)) >= 3);
	check_clock(lab_stream(watcher, 1));
	assert_true(stat_get(&lab_counters(lab, mediads - 1)->layer_switches) >= 3);
	lab_free(lab);
}

static void tiles(void **state)
{
	(void)state;
	each_gets_what_his_tile_shows(1);
	each_gets_what_his_tile_shows(2);
}

/* Two receivers of one camera, each with his own size; the ring between mediads carries what is taken there. */
static void receivers_differ(void **state)
{
	struct lab *lab = lab_new(2);
	struct lab_device *source = join(lab, 0, 1, true);
	struct lab_device *small = lab_device(lab, 0, 1, 2, 2), *large = lab_device(lab, 1, 1, 3, 2);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct lab_device *d = i ? large : small;
		d->audio.on = d->video.on = false;
		assert_int_equal(lab_offer(d), 0);
		lab_connect(d);
		look(d, source, i ? 720 : 100);
	}
	lab_run(lab, 3 * USEC_PER_SEC);
	assert_true(gets(small, 0));
	assert_true(gets(large, 2));
	const struct session_track *rec = lab_peer(source)->track[1]->rec;
	assert_int_equal(atomic_load(&rec->layer[0].interested), 0);
	assert_int_equal(atomic_load(&rec->layer[2].interested), 2);
	assert_int_equal(lab_peer(source)->track[1]->watched, 1);
	/* Nobody takes the middle one: it is received and not published. */
	uint64_t published = stat_get(&lab_counters(lab, 0)->ring_published);
	lab_run(lab, USEC_PER_SEC);
	published = stat_get(&lab_counters(lab, 0)->ring_published) - published;
	assert_in_range(published, 50 + 2 * LAB_FRAME * 29, 50 + 2 * LAB_FRAME * 32);
	check_stream(lab_stream(small, 1));
	check_stream(lab_stream(large, 1));
	lab_free(lab);
}

static void nobody_watches_nobody_sends(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, mediads - 1, 2, false);

	look(watcher, source, 180);
	lab_run(lab, 4 * USEC_PER_SEC);
	assert_int_equal(source->layers_told, 0); /* not in the first seconds */
	lab_run(lab, 4 * USEC_PER_SEC);
	assert_int_equal(source->layers, 1);
	assert_int_equal(source->layers_told, 1);
	/* It comes back at once when somebody looks, and its first picture is a beginning. */
	unsigned plis = source->video.plis;
	look(watcher, source, 720);
	assert_int_equal(source->layers, 5);
	lab_run(lab, 200 * USEC_PER_MSEC);
	assert_true(gets(watcher, 2));
	assert_int_equal(source->video.plis, plis);
	/* A tile that goes small and large again within seconds switches nothing off. */
	unsigned told = source->layers_told;
	for (unsigned i = 0; i < 10; i++) {
		look(watcher, source, i % 2 ? 720 : 180);
		lab_run(lab, 1500 * USEC_PER_MSEC);
	}
	assert_int_equal(source->layers_told, told);
	/* Hidden: the lowest goes on, so that there is a picture when somebody looks. */
	look(watcher, source, 0);
	lab_run(lab, 5 * USEC_PER_SEC);
	assert_int_equal(source->layers, 1);
	uint64_t packets = lab_stream(watcher, 1)->packets;
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(lab_stream(watcher, 1)->packets, packets);
	look(watcher, source, 720);
	lab_run(lab, 700 * USEC_PER_MSEC);
	assert_true(gets(watcher, 2));
	lab_free(lab);
}

static void demand(void **state)
{
	(void)state;
	nobody_watches_nobody_sends(1);
	nobody_watches_nobody_sends(2);
}

/* Told again when it was not heard, less and less often. */
static void what_was_not_heard_is_said_again(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, 0, 2, false);

	(void)state;
	source->deaf_to_layers = true;
	look(watcher, source, 100);
	lab_run(lab, 9 * USEC_PER_SEC);
	assert_in_range(source->layers_told, 2, 3);
	lab_run(lab, 60 * USEC_PER_SEC);
	assert_in_range(source->layers_told, 5, 7);
	/* No worker takes the event: it is sent when there is one. */
	lab->events_full = true;
	source->deaf_to_layers = false;
	look(watcher, source, 720);
	lab_run(lab, 300 * USEC_PER_MSEC);
	assert_int_equal(source->layers, 1);
	lab->events_full = false;
	lab_run(lab, 500 * USEC_PER_MSEC);
	assert_int_equal(source->layers, 5);
	assert_true(gets(watcher, 2));
	lab_free(lab);
}

/* Nobody has come yet: all layers go on, for a minute. */
static void alone(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *source = join(lab, 0, 1, true);

	(void)state;
	lab_run(lab, 30 * USEC_PER_SEC);
	assert_int_equal(source->layers, 7);
	lab_run(lab, 40 * USEC_PER_SEC);
	assert_int_equal(source->layers, 1);
	struct lab_device *watcher = join(lab, 0, 2, false);
	lab_run(lab, 500 * USEC_PER_MSEC);
	assert_true(gets(watcher, 2));
	lab_free(lab);
}

static void a_layer_that_dries_up(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, mediads - 1, 2, false);

	lab_run(lab, 3 * USEC_PER_SEC);
	assert_true(gets(watcher, 2));
	source->video.dry = true;
	lab_run(lab, 700 * USEC_PER_MSEC);
	assert_true(gets(watcher, 1));
	source->middle.dry = true;
	lab_run(lab, 700 * USEC_PER_MSEC);
	assert_true(gets(watcher, 0));
	source->video.dry = false;
	lab_run(lab, 300 * USEC_PER_MSEC);
	assert_true(gets(watcher, 2));
	check_stream(lab_stream(watcher, 1));
	check_clock(lab_stream(watcher, 1));
	lab_free(lab);
}

static void dry(void **state)
{
	(void)state;
	a_layer_that_dries_up(1);
	a_layer_that_dries_up(2);
}

/* The highest was all that was on, and does not come any more: the middle one is switched on in its place. */
static void the_next_lower_is_switched_on(void **state)
{
	struct lab *lab = lab_new(2);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, 1, 2, false);

	(void)state;
	lab_run(lab, 10 * USEC_PER_SEC);
	assert_int_equal(source->layers, 5);
	source->video.dry = true;
	lab_run(lab, 2500 * USEC_PER_MSEC);
	assert_int_equal(source->layers, 7);
	assert_true(gets(watcher, 1));
	check_stream(lab_stream(watcher, 1));
	lab_free(lab);
}

/* The interface of who allocates. */
static void a_limit_lowers_the_layer(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, 0, 2, false);

	(void)state;
	lab_run(lab, 3 * USEC_PER_SEC);
	assert_true(gets(watcher, 2));
	struct seat *seat = lab_peer(watcher)->seat[1];
	assert_in_range(seat->source->set.layer[0].bps, 100000, 250000);
	/* Nobody allocates but we. */
	free(lab_peer(watcher)->bwe);
	lab_peer(watcher)->bwe = NULL;
	seat_set_limit(seat, 1, lab->now_us);
	lab_run(lab, 500 * USEC_PER_MSEC);
	assert_true(gets(watcher, 0));
	seat_set_limit(seat, 0, lab->now_us);
	lab_run(lab, 500 * USEC_PER_MSEC);
	assert_int_equal(seat_state(seat), SEAT_WEAK);
	seat_set_limit(seat, ALLOC_ALL, lab->now_us);
	lab_run(lab, 500 * USEC_PER_MSEC);
	assert_true(gets(watcher, 2));
	assert_true(source->open);
	check_stream(lab_stream(watcher, 1));
	lab_free(lab);
}

/* A thousand random sizes; the log of a stream holds them in rounds. */
static void random_switches(unsigned mediads, bool lossy, int64_t jitter_us)
{
	unsigned switches = 0;
	uint32_t random = 1;

	for (unsigned round = 0; round < 20; round++) {
		struct lab *lab = lab_new(mediads);
		struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, mediads - 1, 2, false);
		source->deaf_to_layers = round % 2;
		watcher->audio.on = watcher->video.on = source->audio.on = false;
		lab->random += round;
		lab->delay_us = round * USEC_PER_MSEC;
		lab_run(lab, USEC_PER_SEC); /* the log begins with the first packet that comes */
		lab->jitter_us = jitter_us;
		if (lossy)
			source->loss_up = watcher->loss_down = 2;
		for (unsigned i = 0; i < 50; i++) {
			static const uint16_t heights[] = { 90, 180, 300, 360, 540, 720 };
			random = random * 1664525 + 1013904223;
			look(watcher, source, heights[(random >> 16) % 6]);
			lab_run(lab, (200 + random % 1400) * USEC_PER_MSEC);
		}
		source->loss_up = watcher->loss_down = 0;
		lab->jitter_us = 0;
		lab_run(lab, USEC_PER_SEC);
		assert_int_equal(seat_state(lab_peer(watcher)->seat[1]), SEAT_LIVE);
		if (!lossy)
			switches += check_stream(lab_stream(watcher, 1));
		check_clock(lab_stream(watcher, 1));
		lab_free(lab);
	}
	if (!lossy)
		assert_true(switches > 300);
}

/* A key frame's first packet comes late, and what it overtook came while nobody looked: no stream may begin there, as
 * nobody could ever repair it. */
static void what_nobody_took_is_no_beginning(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *source = join(lab, 0, 1, false), *watcher = join(lab, 0, 2, false);
	const struct seat *seat = lab_peer(watcher)->seat[1];
	uint8_t p[LAB_FRAME][1500];
	size_t len[LAB_FRAME];

	(void)state;
	watcher->video.on = false;
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(seat_state(seat), SEAT_LIVE);
	source->video.on = false;
	lab_run(lab, 100 * USEC_PER_MSEC);
	look(watcher, source, 0);
	lab_run(lab, 200 * USEC_PER_MSEC);
	assert_int_equal(seat_layers(seat), 0);
	for (unsigned i = 0; i < LAB_FRAME; i++)
		len[i] = lab_build(source, &source->video, true, true, i, p[i]);
	assert_false(lab_rtp(source, p[1], len[1]));
	look(watcher, source, 720);
	assert_true(lab_rtp(source, p[0], len[0]));
	assert_true(lab_rtp(source, p[2], len[2]));
	assert_false(seat->mapped);
	source->video.frame++;
	source->video.picture_id++;
	source->video.tl0picidx++;
	source->video.timestamp += 3000;
	for (unsigned i = 0; i < LAB_FRAME; i++) {
		len[0] = lab_build(source, &source->video, true, true, i, p[0]);
		assert_true(lab_rtp(source, p[0], len[0]));
	}
	assert_true(seat->mapped);
	lab_run(lab, USEC_PER_SEC);
	const struct lab_stream *s = lab_stream(watcher, 1);
	assert_int_equal(s->packets - s->repaired, s->highest - s->first + 1); /* probes repeat some */
	lab_free(lab);
}

static void a_thousand_random_switches(void **state)
{
	(void)state;
	random_switches(1, false, 0);
}

static void a_thousand_random_switches_across(void **state)
{
	(void)state;
	random_switches(2, false, 0);
}

/* The network lets packets overtake each other: what comes late comes before the switch, and no picture is cut. */
static void random_switches_with_overtaking(void **state)
{
	(void)state;
	random_switches(1, false, 9 * USEC_PER_MSEC);
	random_switches(2, false, 9 * USEC_PER_MSEC);
}

/* With loss on both sides nothing is sent twice (the lab looks), and the picture is there at the end. */
static void random_switches_with_loss(void **state)
{
	(void)state;
	random_switches(2, true, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tiles),
		cmocka_unit_test(receivers_differ),
		cmocka_unit_test(demand),
		cmocka_unit_test(what_was_not_heard_is_said_again),
		cmocka_unit_test(alone),
		cmocka_unit_test(dry),
		cmocka_unit_test(the_next_lower_is_switched_on),
		cmocka_unit_test(a_limit_lowers_the_layer),
		cmocka_unit_test(what_nobody_took_is_no_beginning),
		cmocka_unit_test(a_thousand_random_switches),
		cmocka_unit_test(a_thousand_random_switches_across),
		cmocka_unit_test(random_switches_with_overtaking),
		cmocka_unit_test(random_switches_with_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
