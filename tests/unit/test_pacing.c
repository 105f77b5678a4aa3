/* links: lab mediad */
/* What waits before a narrow path: nothing twice, nothing out of order, nothing lost, whatever the seat does meanwhile.
 */
#include "tests/lab/media_lab.h"

#include "tests/support/cm.h"

static struct seat *seat_of(struct lab_device *d, unsigned mline)
{
	return lab_peer(d)->seat[mline];
}

static struct lab_device *join(struct lab *lab, unsigned mediad, uint8_t member, bool simulcast)
{
	struct lab_device *d = lab_device(lab, mediad, 1, member, 1);

	if (simulcast) {
		lab_simulcast(d);
		d->middle.bytes = 560;
		d->video.bytes = 1060;
	}
	assert_int_equal(lab_offer(d), 0);
	lab_connect(d);
	return d;
}

/* A call whose watcher's path is known to take 500 kbit/s; the source publishes what the test says. */
static struct lab *a_call(unsigned mediads, struct lab_device **ret_watcher, struct lab_device **ret_source)
{
	struct lab *lab = lab_new(mediads);

	*ret_source = join(lab, 0, 1, false);
	*ret_watcher = join(lab, mediads - 1, 2, false);
	(*ret_watcher)->audio.on = (*ret_watcher)->video.on = false;
	lab_run(lab, USEC_PER_SEC);
	lab_pace(*ret_watcher, 500000);
	return lab;
}

/* So many frames at once, of LAB_FRAME packets. */
static void burst(struct lab_device *source, unsigned frames)
{
	struct lab_sender *s = &source->video;
	uint8_t p[1500];

	s->bytes = 1000;
	for (unsigned i = 0; i < frames; i++) {
		for (unsigned place = 0; place < LAB_FRAME; place++)
			assert_true(lab_rtp(source, p, lab_build(source, s, true, false, place, p)));
		s->frame++;
		s->picture_id++;
		s->tl0picidx++;
		s->timestamp += 3000;
	}
}

/* Sending order is the order of indexes. */
static void check_order(const struct lab_stream *s)
{
	int64_t last_us = 0;

	for (uint64_t i = 0; i <= s->highest - s->first && i < LAB_LOG; i++) {
		if (!s->log[i].used || s->log[i].is_rtx)
			continue;
		assert_true(s->log[i].at_us >= last_us);
		last_us = s->log[i].at_us;
	}
}

static void a_burst_is_spread_and_sound_passes(unsigned mediads)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call(mediads, &watcher, &source);
	struct stats_mediad *c = lab_counters(lab, mediads - 1);

	source->video.on = false;
	lab_run(lab, 100 * USEC_PER_MSEC);
	const struct lab_stream *picture = lab_stream(watcher, 1), *sound = lab_stream(watcher, 0);
	watcher->down_bps = 500e3;
	watcher->down_queue_ms = 40; /* more than that is lost */
	uint64_t had = picture->packets, waited = stat_get(&c->paced_packets), heard = sound->highest;
	uint64_t repaired = picture->repaired;
	int64_t begun_us = lab->now_us;
	burst(source, 20);
	lab_run(lab, 2 * USEC_PER_SEC);
	assert_int_equal(picture->packets - had, 60);
	assert_int_equal(watcher->down_dropped, 0);
	assert_int_equal(picture->repaired, repaired);
	assert_true(stat_get(&c->paced_packets) - waited >= 58);
	assert_true(stat_get(&c->paced_wait_us) > 58 * 300 * USEC_PER_MSEC);
	assert_in_range(stat_get(&c->paced_longest_us), 700 * USEC_PER_MSEC, PACER_WAIT_MAX_US);
	assert_int_equal(stat_get(&c->paced_dropped), 0);
	lab_check_stream(lab, picture, 100 * USEC_PER_MSEC);
	check_order(picture);
	/* Sound came in its steps all the while. */
	assert_true(sound->highest - heard >= 98);
	for (uint64_t i = heard - sound->first + 1; i <= sound->highest - sound->first; i++) {
		assert_true(sound->log[i].used);
		assert_in_range(sound->log[i].at_us - sound->log[i - 1].at_us, 0, 45 * USEC_PER_MSEC);
	}
	assert_true(picture->log[picture->highest - picture->first].at_us - begun_us > 800 * USEC_PER_MSEC);
	assert_false(pacing_waits(lab_peer(watcher)));
	assert_null(lab->m[mediads - 1].md.media->paced);
	lab_free(lab);
}

static void bursts(void **state)
{
	(void)state;
	a_burst_is_spread_and_sound_passes(1);
	a_burst_is_spread_and_sound_passes(2);
}

static void without_congestion_nothing_waits(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *source = join(lab, 0, 1, false), *watcher = join(lab, 0, 2, false);

	(void)state;
	assert_non_null(lab_peer(watcher)->pacing); /* nothing is known of the path yet */
	lab_run(lab, USEC_PER_SEC);
	assert_null(lab_peer(watcher)->pacing);
	source->video.on = false;
	lab_run(lab, 100 * USEC_PER_MSEC);
	uint64_t out = lab->rtp_out, paced = stat_get(&lab_counters(lab, 0)->paced_packets);
	burst(source, 20);
	assert_true(lab->rtp_out - out >= 60);
	assert_int_equal(stat_get(&lab_counters(lab, 0)->paced_packets), paced);
	lab_free(lab);
}

static void what_waits_is_not_sent_again(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call(1, &watcher, &source);
	struct stats_mediad *c = lab_counters(lab, 0);

	(void)state;
	source->video.on = false;
	lab_run(lab, 100 * USEC_PER_MSEC);
	struct lab_stream *s = lab_stream(watcher, 1);
	struct seat *seat = seat_of(watcher, 1);
	uint64_t before = atomic_load(&seat->rec->next), had = s->packets, twice = s->duplicates;
	burst(source, 20);
	uint64_t sent = stat_get(&c->rtx_sent), missing = stat_get(&c->rtx_missing);
	for (uint64_t i = before + 5; i < before + 60; i++) {
		assert_true(pacing_has(seat, (uint16_t)i));
		seat_on_nack(seat, (uint16_t)i, lab->now_us);
	}
	assert_int_equal(stat_get(&c->rtx_sent), sent);
	assert_int_equal(stat_get(&c->rtx_missing), missing);
	/* What left before goes in front of what waits. */
	uint64_t repaired = s->repaired;
	for (uint64_t i = before - 6; i < before; i++)
		seat_on_nack(seat, (uint16_t)i, lab->now_us);
	assert_int_equal(stat_get(&c->rtx_sent), sent + 6);
	lab_run(lab, 250 * USEC_PER_MSEC);
	assert_int_equal(s->repaired, repaired + 6);
	assert_true(pacing_waits(lab_peer(watcher)));
	lab_run(lab, 2 * USEC_PER_SEC);
	assert_int_equal(s->packets - had, 60 + 6);
	assert_int_equal(s->duplicates, twice + 6);
	/* Now that they have left they are. */
	seat_on_nack(seat, (uint16_t)(before + 30), lab->now_us);
	assert_int_equal(stat_get(&c->rtx_sent), sent + 7);
	lab_free(lab);
}

/* More than the history can tell apart: the oldest leave early, all of them arrive. */
static void too_much_leaves_early(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call(1, &watcher, &source);

	(void)state;
	source->video.on = false;
	lab_run(lab, 100 * USEC_PER_MSEC);
	struct lab_stream *s = lab_stream(watcher, 1);
	uint64_t had = s->packets, repaired = s->repaired;
	burst(source, 200);
	assert_in_range(pacer_waits(&lab_peer(watcher)->pacing->pacer), 200, SESSION_HISTORY);
	lab_run(lab, 4 * USEC_PER_SEC);
	assert_int_equal(s->packets - had, 600);
	assert_int_equal(s->repaired, repaired);
	assert_true(stat_get(&lab_counters(lab, 0)->paced_longest_us) <= PACER_WAIT_MAX_US);
	lab_check_stream(lab, s, 100 * USEC_PER_MSEC);
	check_order(s);
	lab_free(lab);
}

static void overwritten_packets_are_counted(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call(1, &watcher, &source);
	struct stats_mediad *c = lab_counters(lab, 0);
	uint8_t p[1500];

	(void)state;
	source->video.on = false;
	lab_run(lab, 100 * USEC_PER_MSEC);
	burst(source, 20);
	unsigned waiting = pacer_waits(&lab_peer(watcher)->pacing->pacer);
	assert_true(waiting > 50);
	for (unsigned i = 0; i < RING_SLOTS_MIN + 10; i++) /* the ring goes round with sound alone */
		(void)lab_rtp(source, p, lab_build(source, &source->audio, false, false, 0, p));
	source->audio.on = false;
	lab_run(lab, 3 * USEC_PER_SEC);
	assert_int_equal(stat_get(&c->paced_dropped), waiting);
	assert_false(pacing_waits(lab_peer(watcher)));
	lab_free(lab);
}

static void who_goes_takes_what_waits_along(void **state)
{
	(void)state;
	for (unsigned what = 0; what < 3; what++) {
		struct lab_device *watcher, *source;
		struct lab *lab = a_call(1, &watcher, &source);
		struct stats_mediad *c = lab_counters(lab, 0);
		burst(source, 20);
		assert_true(pacing_waits(lab_peer(watcher)));
		if (what == 0) {
			lab_close(watcher);
		} else if (what == 1) { /* the m-line is taken back */
			watcher->rec->mline[1].sends = 0;
			assert_int_equal(lab_offer(watcher), 0);
			assert_null(seat_of(watcher, 1));
		} else { /* no check came for a while */
			media_on_suspended(&watcher->t, true);
		}
		lab_run(lab, 3 * USEC_PER_SEC);
		assert_null(lab->m[0].md.media->paced);
		assert_true(what == 0 || stat_get(&c->paced_dropped) > 50);
		if (what == 2) {
			media_on_suspended(&watcher->t, false);
			lab_run(lab, 2 * USEC_PER_SEC);
			assert_int_equal(seat_state(seat_of(watcher, 1)), SEAT_LIVE);
		}
		lab_free(lab);
	}
}

/* The allocator learns that a queue stands: a lower layer, before the path has lost a packet. */
static void a_standing_queue_lowers_the_layer(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, 0, 2, false);

	(void)state;
	watcher->audio.on = watcher->video.on = false;
	watcher->feedback = false; /* nothing but the queue tells */
	lab_run(lab, 3 * USEC_PER_SEC);
	const struct lab_stream *s = lab_stream(watcher, 1);
	assert_int_equal(s->log[s->highest - s->first].layer, 2); /* some 820 kbit/s */
	lab_pace(watcher, 650000);
	lab_run(lab, 4 * USEC_PER_SEC);
	assert_int_equal(s->log[s->highest - s->first].layer, 1);
	assert_false(pacing_stands(lab_peer(watcher), lab->now_us));
	assert_true(source->open);
	lab_check_stream(lab, s, 500 * USEC_PER_MSEC);
	check_order(s);
	lab_free(lab);
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

static uint32_t pick(struct lab *lab, uint32_t n)
{
	lab->random = lab->random * 1664525 + 1013904223;
	return (lab->random >> 8) % n;
}

static void something_changes(struct lab_device *watcher, struct lab_device **source)
{
	static const uint16_t heights[] = { 90, 180, 300, 360, 540, 720 };
	struct lab *lab = watcher->lab;
	struct lab_device *of = source[pick(lab, 2)];
	struct msg_member_state pause = { .call = of->rec->call, .member = of->rec->member, .paused = 1 };

	switch (pick(lab, 8)) {
	case 0: /* nobody looks for a moment */
		look(watcher, of, 0);
		lab_run(lab, pick(lab, 200) * USEC_PER_MSEC);
		break;
	case 1: /* who is seen pauses */
		for (unsigned k = 0; k < lab->mediads; k++)
			media_on_member_state(lab->m[k].md.media, &pause);
		lab_run(lab, pick(lab, 200) * USEC_PER_MSEC);
		pause.paused = 0;
		for (unsigned k = 0; k < lab->mediads; k++)
			media_on_member_state(lab->m[k].md.media, &pause);
		break;
	case 2: /* weak for a moment */
		seat_set_limit(seat_of(watcher, 1), 0, lab->now_us);
		lab_run(lab, pick(lab, 200) * USEC_PER_MSEC);
		seat_set_limit(seat_of(watcher, 1), 3, lab->now_us);
		break;
	case 3:
		lab_pace(watcher, 400000 + pick(lab, 1200000));
		break;
	default:
		break;
	}
	look(watcher, of, heights[pick(lab, ARRAY_LEN(heights))]);
}

/* Whole pictures in a row under numbers without a gap, each layer and person beginning with a key frame, whatever was
 * changed while packets of the one before waited. The lab looks that no index is used twice. Returns the switches. */
static unsigned check_switches(const struct lab_stream *s)
{
	const struct lab_packet *last = NULL;
	unsigned switches = 0;

	for (uint64_t i = 0; i <= s->highest - s->first && i < LAB_LOG; i++) {
		const struct lab_packet *p = &s->log[i];
		assert_true(p->used);
		bool same = last && p->device == last->device && p->layer == last->layer;
		if (last && p->place > 0) {
			assert_int_equal(p->place, last->place + 1);
			assert_int_equal(p->timestamp, last->timestamp);
			assert_true(same);
		} else if (last) {
			assert_true((int32_t)(p->timestamp - last->timestamp) > 0);
			assert_int_equal(p->picture_id, (last->picture_id + 1) & 0x7fff);
			assert_true(p->keyframe || (same && p->frame == last->frame + 1));
			switches += !same;
		}
		last = p;
	}
	return switches;
}

static void random_switches(unsigned mediads, unsigned loss)
{
	unsigned switches = 0;
	uint64_t waited = 0;

	for (unsigned round = 0; round < 8; round++) {
		struct lab *lab = lab_new(mediads);
		struct lab_device *source[] = { join(lab, 0, 1, true), join(lab, mediads - 1, 2, true) };
		struct lab_device *watcher = join(lab, mediads - 1, 3, false);
		watcher->audio.on = watcher->video.on = source[0]->audio.on = source[1]->audio.on = false;
		lab->random += round;
		lab->delay_us = round * USEC_PER_MSEC;
		lab_run(lab, USEC_PER_SEC);
		lab_pace(watcher, 700000);
		watcher->loss_down = loss;
		for (unsigned i = 0; i < 60; i++) {
			something_changes(watcher, source);
			lab_run(lab, (50 + pick(lab, 900)) * USEC_PER_MSEC);
		}
		watcher->loss_down = 0;
		lab_pace(watcher, 2000000);
		look(watcher, source[0], 720);
		lab_run(lab, 8 * USEC_PER_SEC);
		const struct lab_stream *s = lab_stream(watcher, 1);
		assert_int_equal(seat_state(seat_of(watcher, 1)), SEAT_LIVE);
		assert_int_equal(s->log[s->highest - s->first].device, source[0]->number);
		check_order(s);
		if (loss == 0)
			switches += check_switches(s);
		waited += stat_get(&lab_counters(lab, mediads - 1)->paced_packets);
		assert_int_equal(stat_get(&lab_counters(lab, mediads - 1)->paced_dropped), 0);
		lab_free(lab);
	}
	assert_true(waited > 10000);
	assert_true(loss > 0 || switches > 100);
}

static void order_holds_under_random_switching(void **state)
{
	(void)state;
	random_switches(1, 0);
	random_switches(2, 0);
}

static void nothing_goes_out_twice_when_packets_are_lost(void **state)
{
	(void)state;
	random_switches(2, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bursts),
		cmocka_unit_test(without_congestion_nothing_waits),
		cmocka_unit_test(what_waits_is_not_sent_again),
		cmocka_unit_test(too_much_leaves_early),
		cmocka_unit_test(overwritten_packets_are_counted),
		cmocka_unit_test(who_goes_takes_what_waits_along),
		cmocka_unit_test(a_standing_queue_lowers_the_layer),
		cmocka_unit_test(order_holds_under_random_switching),
		cmocka_unit_test(nothing_goes_out_twice_when_packets_are_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
