/* links: lab mediad */
/* A path that does not take everything, and who receives over it: layers, "weak", and back. */
#include "tests/lab/media_lab.h"

#include "mediad/demand.h"
#include "tests/support/cm.h"

static struct lab_device *join(struct lab *lab, unsigned mediad, uint8_t member, bool simulcast)
{
	struct lab_device *d = lab_device(lab, mediad, 1, member, 1);

	if (simulcast) { /* on the wire about 200, 460 and 820 kbit/s */
		lab_simulcast(d);
		d->middle.bytes = 560;
		d->video.bytes = 1060;
	}
	d->feedback = true;
	d->down_queue_ms = 300;
	assert_int_equal(lab_offer(d), 0);
	lab_connect(d);
	return d;
}

static unsigned layer_of(struct lab_device *d)
{
	const struct lab_stream *s = lab_stream(d, 1);

	assert_non_null(s);
	return s->log[s->highest - s->first].layer;
}

static enum seat_state picture(struct lab_device *d)
{
	for (unsigned i = 0; i < d->seats.count; i++) {
		if (d->seats.seat[i].track_kind == TRACK_CAMERA)
			return d->seats.seat[i].state;
	}
	return SEAT_EMPTY;
}

/* Whole pictures of what the log has room for. */
static unsigned count_pictures(const struct lab_stream *s)
{
	unsigned n = 0;

	assert_true(s->highest - s->first < LAB_LOG);
	for (uint64_t i = 0; i <= s->highest - s->first; i++)
		n += s->log[i].used && s->log[i].marker;
	return n;
}

static bool sounds(struct lab_device *d)
{
	uint64_t before = lab_stream(d, 0)->packets;

	lab_run(d->lab, USEC_PER_SEC);
	return lab_stream(d, 0)->packets - before >= 48;
}

/* Runs until the watcher gets that layer, for so many seconds at most. */
static bool comes_to(struct lab_device *d, unsigned layer, unsigned seconds)
{
	for (unsigned i = 0; i < seconds * 10; i++) {
		lab_run(d->lab, 100 * USEC_PER_MSEC);
		if (picture(d) == SEAT_LIVE && layer_of(d) == layer)
			return true;
	}
	return false;
}

static void nothing_in_the_way(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, mediads - 1, 2, false);

	assert_true(source->open);
	lab_run(lab, USEC_PER_SEC);
	uint64_t switches = stat_get(&lab_counters(lab, mediads - 1)->layer_switches);
	for (unsigned i = 0; i < 30; i++) {
		lab_run(lab, USEC_PER_SEC);
		assert_int_equal(layer_of(watcher), 2);
	}
	assert_int_equal(stat_get(&lab_counters(lab, mediads - 1)->layer_switches), switches);
	assert_int_equal(stat_get(&lab_counters(lab, mediads - 1)->seats_limited), 0);
	lab_free(lab);
}

static void a_free_path_changes_nothing(void **state)
{
	(void)state;
	nothing_in_the_way(1);
	nothing_in_the_way(2);
}

/* Who comes to a camera whose upper layers were off, over a path that takes everything, sees the large one soon; the
 * layers cost what a camera's do. */
static void who_comes_alone_sees_all(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *source = join(lab, 0, 1, true);

	source->low.bytes = 60;
	lab_run(lab, 70 * USEC_PER_SEC);
	assert_int_equal(source->layers, 1);
	struct lab_device *watcher = join(lab, mediads - 1, 2, false);
	watcher->video.on = false;
	lab_run(lab, 100 * USEC_PER_MSEC);
	assert_int_equal(layer_of(watcher), 0);
	lab_run(lab, 900 * USEC_PER_MSEC);
	assert_int_equal(layer_of(watcher), 2);
	assert_int_equal(stat_get(&lab_counters(lab, mediads - 1)->seats_limited), 0);
	/* Another comes: what he takes is known to fit or is asked for, and nobody loses anything. */
	struct lab_device *other = join(lab, 0, 3, true);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(layer_of(watcher), 2);
	assert_true(other->open);
	lab_free(lab);
}

static void a_lone_viewer_on_a_clear_path(void **state)
{
	(void)state;
	who_comes_alone_sees_all(1);
	who_comes_alone_sees_all(2);
}

/* The first seconds on a thin path: no more than it takes, and sound is never held up by pictures. */
static void a_thin_path_begins_low(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = lab_device(lab, 0, 1, 2, 1);

	(void)state;
	source->low.bytes = 60;
	lab_run(lab, 2 * USEC_PER_SEC);
	watcher->down_bps = 350e3; /* the lab's sound takes 120 */
	watcher->down_queue_ms = 300;
	watcher->video.on = false;
	assert_int_equal(lab_offer(watcher), 0);
	lab_connect(watcher);
	for (unsigned i = 0; i < 300; i++) {
		lab_run(lab, 10 * USEC_PER_MSEC);
		assert_true(watcher->down_free_us - lab->now_us < 120 * USEC_PER_MSEC);
	}
	assert_int_equal(watcher->down_dropped, 0);
	assert_int_equal(layer_of(watcher), 0);
	assert_int_equal(picture(watcher), SEAT_LIVE);
	lab_free(lab);
}

static void bottleneck(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, mediads - 1, 2, false);
	struct stats_mediad *counters = lab_counters(lab, mediads - 1);

	assert_true(source->open);
	lab_run(lab, 5 * USEC_PER_SEC);
	assert_int_equal(layer_of(watcher), 2);
	watcher->down_bps = 750e3; /* the lab's sound takes 120 */
	assert_true(comes_to(watcher, 1, 5));
	/* It stays there: no layer is tried that does not fit. */
	uint64_t switches = stat_get(&counters->layer_switches);
	unsigned dropped = watcher->down_dropped;
	for (unsigned i = 0; i < 40; i++) {
		lab_run(lab, USEC_PER_SEC);
		assert_int_equal(layer_of(watcher), 1);
	}
	assert_int_equal(stat_get(&counters->layer_switches), switches);
	assert_int_equal(watcher->down_dropped, dropped);
	assert_int_equal(stat_get(&counters->seats_limited), 1);
	assert_true(watcher->down_free_us - lab->now_us < 30 * USEC_PER_MSEC);
	watcher->down_bps = 450e3;
	assert_true(comes_to(watcher, 0, 5));
	lab_run(lab, 20 * USEC_PER_SEC);
	assert_int_equal(layer_of(watcher), 0);
	watcher->down_bps = 5e6;
	assert_true(comes_to(watcher, 2, 15));
	lab_run(lab, 20 * USEC_PER_SEC);
	assert_int_equal(layer_of(watcher), 2);
	assert_true(stat_get(&counters->probes) > 0);
	assert_int_equal(stat_get(&counters->seats_limited), 0);
	lab_free(lab);
}

static void a_bottleneck_lowers_the_layer_and_back(void **state)
{
	(void)state;
	bottleneck(1);
	bottleneck(2);
}

/* One size and three temporal layers, as a screen has: 820 kbit/s on the wire, 5 % of it headers of sound. */
static void fewer_pictures(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *source = join(lab, 0, 1, false), *watcher = join(lab, mediads - 1, 2, false);
	static const struct {
		double bps;
		unsigned least, most; /* pictures a second */
	} path[] = { { 680e3, 14, 17 }, { 380e3, 7, 9 }, { 5e6, 29, 31 } };

	source->video.temporal = true;
	source->video.bytes = 1060;
	watcher->video.on = false;
	lab_run(lab, 5 * USEC_PER_SEC);
	for (unsigned i = 0; i < ARRAY_LEN(path); i++) {
		unsigned pictures = 0;
		watcher->down_bps = path[i].bps;
		/* Within a minute it is as it should be for five seconds on end. */
		for (unsigned second = 0, on_end = 0; on_end < 5; second++) {
			const struct lab_stream *s = lab_stream(watcher, 1);
			uint32_t before = s->highest - s->first ? count_pictures(s) : 0;
			lab_run(lab, USEC_PER_SEC);
			pictures = count_pictures(s) - before;
			on_end = pictures >= path[i].least && pictures <= path[i].most ? on_end + 1 : 0;
			if (second > 60)
				fail_msg("%u pictures a second at %.0f bit/s", pictures, path[i].bps);
		}
		assert_int_equal(picture(watcher), SEAT_LIVE);
		assert_true(sounds(watcher));
	}
	lab_free(lab);
}

static void a_thin_path_gets_fewer_pictures(void **state)
{
	(void)state;
	fewer_pictures(1);
	fewer_pictures(2);
}

static void weak(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, mediads - 1, 2, false);

	assert_true(source->open);
	lab_run(lab, 5 * USEC_PER_SEC);
	watcher->down_bps = 160e3;
	lab_run(lab, 8 * USEC_PER_SEC);
	assert_int_equal(picture(watcher), SEAT_WEAK);
	assert_int_equal(stat_get(&lab_counters(lab, mediads - 1)->seats_weak), 1);
	uint64_t packets = lab_stream(watcher, 1)->packets;
	for (unsigned i = 0; i < 30; i++) {
		assert_true(sounds(watcher));
		assert_int_equal(picture(watcher), SEAT_WEAK);
	}
	/* Nothing but what probes repeat. */
	assert_true(lab_stream(watcher, 1)->packets - lab_stream(watcher, 1)->repaired <= packets);
	watcher->down_bps = 5e6;
	assert_true(comes_to(watcher, 2, 40));
	assert_int_equal(stat_get(&lab_counters(lab, mediads - 1)->seats_weak), 0);
	lab_free(lab);
}

static void no_room_for_any_picture(void **state)
{
	(void)state;
	weak(1);
	weak(2);
}

/* The picture has been away for so long that nothing of it is left to be sent again: probes are empty packets. */
static void probes_without_history(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, 0, 2, false);

	(void)state;
	lab_run(lab, 3 * USEC_PER_SEC);
	watcher->down_bps = 160e3;
	lab_run(lab, 60 * USEC_PER_SEC);
	assert_int_equal(picture(watcher), SEAT_WEAK);
	assert_true(watcher->paddings > 0);
	assert_true(source->open);
	lab_free(lab);
}

/* Who comes to a path that is known to be narrow begins with the lowest layer. */
static void who_comes_later(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *watcher = lab_device(lab, 0, 1, 2, 2), *source = join(lab, 0, 1, true);

	(void)state;
	watcher->feedback = true;
	watcher->down_queue_ms = 300;
	watcher->down_bps = 800e3;
	assert_int_equal(lab_offer(watcher), 0);
	lab_connect(watcher);
	lab_run(lab, 10 * USEC_PER_SEC);
	assert_int_equal(layer_of(watcher), 1);
	unsigned dropped = watcher->down_dropped;
	struct lab_device *other = join(lab, 0, 3, true);
	lab_run(lab, 2 * USEC_PER_SEC);
	const struct lab_stream *s = lab_stream(watcher, 3);
	assert_non_null(s);
	assert_int_equal(s->log[s->highest - s->first].layer, 0);
	lab_run(lab, 10 * USEC_PER_SEC);
	assert_in_range(watcher->down_dropped - dropped, 0, 10);
	assert_true(source->open && other->open);
	lab_free(lab);
}

static void say_remb(struct lab_device *d, uint64_t bps)
{
	uint8_t p[200];
	struct rtcp_out out = { .data = p, .cap = sizeof(p) };
	uint32_t ssrc = lab_stream(d, 1)->ssrc;

	assert_int_equal(rtcp_add_remb(&out, d->video.ssrc, &ssrc, 1, bps), 0);
	lab_rtcp(d, p, out.len);
}

static void the_receivers_own_estimate(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = lab_device(lab, 0, 1, 2, 1);

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		watcher->rec->mline[i].ext.twcc = 0;
	assert_int_equal(lab_offer(watcher), 0);
	lab_connect(watcher);
	lab_run(lab, 5 * USEC_PER_SEC);
	assert_null(lab_peer(watcher)->bwe);
	assert_int_equal(layer_of(watcher), 2);
	say_remb(watcher, 10000000);
	lab_run(lab, 3 * USEC_PER_SEC);
	assert_int_equal(layer_of(watcher), 2);
	say_remb(watcher, 700000);
	assert_true(comes_to(watcher, 1, 3));
	/* Nothing is lost: whatever he says, a picture stays. */
	say_remb(watcher, 20000);
	lab_run(lab, 5 * USEC_PER_SEC);
	assert_int_equal(picture(watcher), SEAT_LIVE);
	assert_int_equal(layer_of(watcher), 0);
	watcher->loss_down = 20;
	for (unsigned i = 0; i < 5; i++) {
		say_remb(watcher, 20000);
		lab_run(lab, USEC_PER_SEC);
	}
	assert_int_equal(picture(watcher), SEAT_WEAK);
	watcher->loss_down = 0;
	for (unsigned i = 0; i < 20; i++) {
		say_remb(watcher, 3000000);
		lab_run(lab, USEC_PER_SEC);
	}
	assert_int_equal(layer_of(watcher), 2);
	assert_int_equal(picture(watcher), SEAT_LIVE);
	assert_true(source->open);
	lab_free(lab);
}

/* Weak, hidden, paused: each tells what it is, and what was weak comes back as a picture. */
static void weak_and_paused(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, 0, 2, false);
	struct msg_member_state pause = { .call = watcher->rec->call, .member = source->rec->member, .paused = 1 };

	(void)state;
	lab_run(lab, 3 * USEC_PER_SEC);
	watcher->down_bps = 160e3;
	lab_run(lab, 8 * USEC_PER_SEC);
	assert_int_equal(picture(watcher), SEAT_WEAK);
	media_on_member_state(lab->m[0].md.media, &pause);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(picture(watcher), SEAT_PAUSED);
	pause.paused = 0;
	media_on_member_state(lab->m[0].md.media, &pause);
	lab_turn(lab);
	assert_true(picture(watcher) == SEAT_WAITING || picture(watcher) == SEAT_WEAK);
	watcher->down_bps = 0;
	assert_true(comes_to(watcher, 2, 40));
	lab_free(lab);
}

/* What a full queue loses is asked for, all of it: what is sent again stays within the estimate. */
static void what_is_sent_again_does_not_fill_the_queue(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, 0, 2, false);
	struct stats_mediad *counters = lab_counters(lab, 0);

	(void)state;
	lab_run(lab, 5 * USEC_PER_SEC);
	uint64_t sent = stat_get(&counters->rtx_sent);
	watcher->down_bps = 300e3;
	watcher->down_queue_ms = 60; /* so short that it loses, paced as all is soon */
	lab_run(lab, 3 * USEC_PER_SEC);
	assert_true(watcher->down_dropped > 20);
	/* A quarter of 300 kbit/s for three seconds were 94 packets of the highest layer, but what was lost of that one
	 * is not sent again. All that is asked for were 87 of the others. */
	assert_in_range(stat_get(&counters->rtx_sent) - sent, 1, 60);
	assert_true(stat_get(&counters->rtx_missing) > 0);
	assert_true(source->open);
	lab_free(lab);
}

/* Where much is lost at random, what is sent again is, too: it is sent a second time before it is asked for. */
static void what_is_sent_again_is_sent_twice_where_much_is_lost(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *source = join(lab, 0, 1, true), *watcher = join(lab, 0, 2, false);
	struct stats_mediad *counters = lab_counters(lab, 0);

	(void)state;
	watcher->patience_ms = 100;
	watcher->loss_down = 1;
	lab_run(lab, 10 * USEC_PER_SEC);
	assert_in_range(stat_get(&counters->rtx_sent), 1, stat_get(&counters->nacks_received));
	watcher->loss_down = 10;
	lab_run(lab, 5 * USEC_PER_SEC);
	uint64_t sent = stat_get(&counters->rtx_sent), asked = stat_get(&counters->nacks_received);
	lab_run(lab, 20 * USEC_PER_SEC);
	sent = stat_get(&counters->rtx_sent) - sent;
	asked = stat_get(&counters->nacks_received) - asked;
	assert_in_range(sent, asked * 3 / 2, asked * 2 + 1);
	assert_int_equal(layer_of(watcher), 2);
	assert_true(source->open);
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_free_path_changes_nothing),
		cmocka_unit_test(a_lone_viewer_on_a_clear_path),
		cmocka_unit_test(a_thin_path_begins_low),
		cmocka_unit_test(a_bottleneck_lowers_the_layer_and_back),
		cmocka_unit_test(a_thin_path_gets_fewer_pictures),
		cmocka_unit_test(no_room_for_any_picture),
		cmocka_unit_test(probes_without_history),
		cmocka_unit_test(who_comes_later),
		cmocka_unit_test(the_receivers_own_estimate),
		cmocka_unit_test(weak_and_paused),
		cmocka_unit_test(what_is_sent_again_does_not_fill_the_queue),
		cmocka_unit_test(what_is_sent_again_is_sent_twice_where_much_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
