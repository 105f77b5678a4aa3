/* links: mediad */
/* What each seat may have of a path that does not take everything: pure, on a clock that we move. */
#include "mediad/alloc.h"

#include "lib/err.h"
#include "tests/support/cm.h"

#define LOW    150000
#define MIDDLE 500000
#define HIGH   1700000
#define SOUND  56000
#define START  (100 * USEC_PER_SEC)

static struct alloc_seat microphone(uint32_t bps)
{
	return (struct alloc_seat){ .kind = TRACK_MICROPHONE, .layers = 1, .given = 1, .bps = { bps } };
}

static struct alloc_seat camera(uint16_t height, unsigned layers, unsigned given)
{
	return (struct alloc_seat){ .kind = TRACK_CAMERA,
				    .height = height,
				    .layers = (uint8_t)layers,
				    .given = (uint8_t)given,
				    .bps = { LOW, MIDDLE, HIGH } };
}

static struct alloc_seat screen(uint32_t bps)
{
	return (struct alloc_seat){ .kind = TRACK_SCREEN, .height = 900, .layers = 1, .given = 1, .bps = { bps } };
}

static void press(struct alloc *alloc, uint32_t bps, bool least, struct alloc_seat *seat, unsigned n, int64_t now_us)
{
	struct alloc_path path = { .bps = bps, .pressed = true, .least = least };

	alloc_run(alloc, &path, seat, n, now_us);
}

static void rest(struct alloc *alloc, uint32_t bps, struct alloc_seat *seat, unsigned n, int64_t now_us)
{
	struct alloc_path path = { .bps = bps };

	alloc_run(alloc, &path, seat, n, now_us);
}

static void everything_while_congestion_was_never_met(void **state)
{
	struct alloc alloc = { 0 };
	struct alloc_seat seat[] = { microphone(SOUND), camera(720, 3, 1), camera(180, 1, 0) };
	struct alloc_path path = { .bps = 1000, .open = true };

	(void)state;
	assert_int_equal(alloc_wanted(seat, 3), SOUND + HIGH + LOW);
	alloc_run(&alloc, &path, seat, 3, START);
	assert_int_equal(seat[1].given, 3);
	assert_int_equal(seat[2].given, 1);
}

static void a_low_estimate_alone_lowers_nothing(void **state)
{
	struct alloc alloc = { 0 };
	struct alloc_seat seat[] = { microphone(SOUND), camera(720, 3, 3) };

	(void)state;
	rest(&alloc, 100000, seat, 2, START);
	assert_int_equal(seat[1].given, 3);
}

static void lowered_at_once_to_what_fits(void **state)
{
	static const struct {
		uint32_t bps;
		unsigned given;
	} cases[] = {
		{ SOUND + HIGH, 3 },	   { SOUND + HIGH - 1, 2 }, { SOUND + MIDDLE, 2 },
		{ SOUND + MIDDLE - 1, 1 }, { SOUND + LOW, 1 },	    { 40000, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct alloc alloc = { 0 };
		struct alloc_seat seat[] = { microphone(SOUND), camera(720, 3, 3) };
		press(&alloc, cases[i].bps, false, seat, 2, START);
		assert_int_equal(seat[0].given, 1); /* sound goes on, whatever there is */
		assert_int_equal(seat[1].given, cases[i].given);
	}
}

/* A picture of one layer has nothing lower to go to: congestion that is soon over does not take it away. */
static void one_layer_outlasts_a_moment(void **state)
{
	struct alloc alloc = { 0 };
	struct alloc_seat seat[] = { microphone(SOUND), screen(HIGH) };

	(void)state;
	press(&alloc, 1000000, false, seat, 2, START);
	press(&alloc, 1000000, false, seat, 2, START + ALLOC_SETTLE_US - 1);
	assert_int_equal(seat[1].given, 1);
	rest(&alloc, 1000000, seat, 2, START + ALLOC_SETTLE_US);
	press(&alloc, 1000000, false, seat, 2, START + 2 * ALLOC_SETTLE_US);
	assert_int_equal(seat[1].given, 1);
	press(&alloc, 1000000, false, seat, 2, START + 3 * ALLOC_SETTLE_US);
	assert_int_equal(seat[1].given, 0);
}

/* Not much is missing: first it is seen whether the lowest layer is felt. */
static void the_lowest_goes_when_it_was_not_enough(void **state)
{
	struct alloc alloc = { 0 };
	struct alloc_seat seat[] = { microphone(SOUND), camera(720, 3, 3) };

	(void)state;
	press(&alloc, SOUND + LOW - 1, false, seat, 2, START);
	assert_int_equal(seat[1].given, 1);
	press(&alloc, SOUND + LOW - 1, false, seat, 2, START + ALLOC_SETTLE_US - 1);
	assert_int_equal(seat[1].given, 1);
	press(&alloc, SOUND + LOW - 1, false, seat, 2, START + ALLOC_SETTLE_US);
	assert_int_equal(seat[1].given, 0);
}

static void room_is_kept_for_sound_that_is_silent(void **state)
{
	struct alloc alloc = { .pressed_us = START - ALLOC_SETTLE_US };
	struct alloc_seat seat[] = { microphone(0), camera(720, 3, 1) };

	(void)state;
	press(&alloc, LOW + ALLOC_AUDIO_BPS - 1, false, seat, 2, START);
	assert_int_equal(seat[1].given, 0);
}

static void without_loss_and_queue_the_lowest_stays(void **state)
{
	struct alloc alloc = { .pressed_us = START - ALLOC_SETTLE_US };
	struct alloc_seat seat[] = { microphone(SOUND), camera(720, 3, 3), camera(360, 2, 2), screen(HIGH) };

	(void)state;
	press(&alloc, 50000, true, seat, 4, START);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(seat[i].given, 1);
	press(&alloc, 50000, false, seat, 4, START + 1);
	assert_int_equal(seat[1].given + seat[2].given + seat[3].given, 0);
}

static void everybodys_lowest_before_anybodys_second(void **state)
{
	struct alloc alloc = { 0 };
	struct alloc_seat seat[] = { camera(720, 3, 3), camera(180, 3, 3), camera(360, 3, 3), microphone(SOUND) };

	(void)state;
	press(&alloc, SOUND + 2 * LOW + MIDDLE, false, seat, 4, START);
	assert_int_equal(seat[0].given, 2);
	assert_int_equal(seat[1].given, 1);
	assert_int_equal(seat[2].given, 1);
}

static void the_last_to_go(void **state)
{
	struct alloc alloc = { .pressed_us = START - ALLOC_SETTLE_US };
	struct alloc_seat seat[] = { camera(720, 3, 1), camera(180, 3, 1), camera(360, 3, 1), screen(LOW) };
	int64_t now = START;

	(void)state;
	seat[1].speaks = true;
	press(&alloc, 3 * LOW, false, seat, 4, now);
	assert_true(seat[3].given == 1 && seat[1].given == 1 && seat[0].given == 1 && seat[2].given == 0);
	press(&alloc, 2 * LOW, false, seat, 4, now += ALLOC_SETTLE_US);
	assert_true(seat[3].given == 1 && seat[1].given == 1 && seat[0].given == 0 && seat[2].given == 0);
	press(&alloc, LOW, false, seat, 4, now += ALLOC_SETTLE_US);
	assert_true(seat[3].given == 1 && seat[1].given == 0 && seat[0].given == 0 && seat[2].given == 0);
	/* A screen that costs too much does not take the others with it. */
	seat[3].bps[0] = HIGH;
	seat[0].given = seat[1].given = seat[2].given = 1;
	press(&alloc, 2 * LOW, false, seat, 4, now += ALLOC_SETTLE_US);
	assert_true(seat[3].given == 0 && seat[1].given == 1 && seat[0].given == 1 && seat[2].given == 0);
}

static void raised_with_headroom_only(void **state)
{
	struct alloc alloc = { 0 };
	struct alloc_seat seat[] = { microphone(SOUND), camera(720, 3, 2) };

	(void)state;
	rest(&alloc, (SOUND + HIGH) * 1.14, seat, 2, START);
	assert_int_equal(seat[1].given, 2);
	rest(&alloc, (SOUND + HIGH) * 1.16, seat, 2, START);
	assert_int_equal(seat[1].given, 3);
}

/* A picture is worth more than room to spare. */
static void the_lowest_needs_no_headroom(void **state)
{
	struct alloc alloc = { 0 };
	struct alloc_seat seat[] = { microphone(SOUND), camera(720, 3, 0) };

	(void)state;
	rest(&alloc, SOUND + LOW - 1, seat, 2, START);
	assert_int_equal(seat[1].given, 0);
	rest(&alloc, SOUND + LOW, seat, 2, START);
	assert_int_equal(seat[1].given, 1);
	rest(&alloc, SOUND + MIDDLE, seat, 2, START);
	assert_int_equal(seat[1].given, 1);
}

static void a_tile_that_shrank_has_no_more_than_it_shows(void **state)
{
	struct alloc alloc = { 0 };
	struct alloc_seat seat[] = { microphone(SOUND), camera(180, 1, 3), camera(720, 3, 2) };

	(void)state;
	rest(&alloc, (SOUND + HIGH + LOW) * 1.16, seat, 3, START);
	assert_int_equal(seat[1].given, 1);
	assert_int_equal(seat[2].given, 3);
}

static void not_raised_right_after_it_was_lowered(void **state)
{
	struct alloc alloc = { 0 };
	struct alloc_seat seat[] = { microphone(SOUND), camera(720, 3, 3) };
	int64_t now = START;

	(void)state;
	press(&alloc, 1000000, false, seat, 2, now);
	assert_int_equal(seat[1].given, 2);
	rest(&alloc, 9000000, seat, 2, now + ALLOC_HOLD_US - 1);
	assert_int_equal(seat[1].given, 2);
	rest(&alloc, 9000000, seat, 2, now += ALLOC_HOLD_US);
	assert_int_equal(seat[1].given, 3);
	/* It was wrong again and again: later each time, up to half a minute. */
	int64_t hold = ALLOC_HOLD_US;
	for (unsigned i = 0; i < 8; i++) {
		press(&alloc, 1000000, false, seat, 2, now += USEC_PER_SEC);
		assert_int_equal(seat[1].given, 2);
		hold = MIN(hold * 2, ALLOC_HOLD_MAX_US);
		rest(&alloc, 9000000, seat, 2, now + hold - 1);
		assert_int_equal(seat[1].given, 2);
		rest(&alloc, 9000000, seat, 2, now += hold);
		assert_int_equal(seat[1].given, 3);
	}
	/* It held for a while: that is forgotten. */
	press(&alloc, 1000000, false, seat, 2, now += ALLOC_HOLD_MAX_US + ALLOC_TRIAL_US);
	rest(&alloc, 9000000, seat, 2, now + ALLOC_HOLD_US);
	assert_int_equal(seat[1].given, 3);
}

static void who_begins_to_speak_takes_the_place_of_who_does_not(void **state)
{
	struct alloc alloc = { 0 };
	struct alloc_seat seat[] = { camera(360, 2, 0), camera(360, 2, 1), microphone(SOUND) };

	(void)state;
	rest(&alloc, (SOUND + LOW) * 1.16, seat, 3, START);
	assert_true(seat[0].given == 1 && seat[1].given == 0); /* the first of equals */
	seat[1].speaks = true;
	rest(&alloc, (SOUND + LOW) * 1.16, seat, 3, START + ALLOC_MOVE_US - 1);
	assert_true(seat[0].given == 1 && seat[1].given == 0);
	rest(&alloc, (SOUND + LOW) * 1.16, seat, 3, START + ALLOC_MOVE_US);
	assert_true(seat[0].given == 0 && seat[1].given == 1);
}

static void a_silent_camera_costs_nothing(void **state)
{
	struct alloc alloc = { 0 };
	struct alloc_seat seat[] = { microphone(SOUND), camera(720, 3, 3), camera(720, 3, 3) };

	(void)state;
	seat[1].bps[0] = seat[1].bps[1] = seat[1].bps[2] = 0;
	press(&alloc, SOUND + HIGH, false, seat, 3, START);
	assert_int_equal(seat[1].given, 3);
	assert_int_equal(seat[2].given, 3);
}

/* Whatever comes: under pressure no more than the estimate is given away, everybody's lowest excepted, and no layer
 * that is not wanted. */
/* A screen's steps are rates: it falls to half its pictures, to a quarter, and its viewer is never left with none while
 * cameras have more than their lowest. */
static void a_screen_gives_up_pictures_first(void **state)
{
	struct alloc alloc = { 0 };
	struct alloc_seat seat[] = {
		{ .kind = TRACK_SCREEN, .height = 900, .layers = 3, .given = 3, .bps = { 600000, 900000, 1500000 } },
		{ .kind = TRACK_CAMERA,
		  .height = 360,
		  .layers = 5,
		  .given = 5,
		  .bps = { LOW, 300000, MIDDLE, 1000000, HIGH } },
	};

	(void)state;
	press(&alloc, 1500000, false, seat, 2, START);
	assert_int_equal(seat[0].given, 2);
	assert_int_equal(seat[1].given, 3);
	press(&alloc, 1000000, false, seat, 2, START + 100 * USEC_PER_MSEC);
	assert_int_equal(seat[0].given, 1);
	assert_int_equal(seat[1].given, 2);
	press(&alloc, 700000, false, seat, 2, START + 10 * USEC_PER_SEC);
	assert_int_equal(seat[0].given, 1);
	assert_true(seat[1].given <= 1);
	rest(&alloc, 5000000, seat, 2, START + 100 * USEC_PER_SEC);
	assert_int_equal(seat[0].given, 3);
	assert_int_equal(seat[1].given, 5);
}

static void never_more_than_there_is(void **state)
{
	struct alloc alloc = { 0 };
	struct alloc_seat seat[12];
	uint32_t random = 7;

	(void)state;
	memset(seat, 0, sizeof(seat));
	for (unsigned round = 0; round < 20000; round++) {
		for (unsigned i = 0; i < ARRAY_LEN(seat); i++) {
			random = random * 1664525 + 1013904223;
			seat[i].kind = (random >> 8) % TRACK_KIND_COUNT;
			seat[i].speaks = (random >> 12) % 8 == 0;
			seat[i].height = (uint16_t)(random >> 16);
			seat[i].layers = (random >> 20) % 4;
			for (unsigned k = 0; k < SESSION_LAYERS_MAX; k++)
				seat[i].bps[k] = (random >> 10) % 200000 << k;
		}
		random = random * 1664525 + 1013904223;
		struct alloc_path path = { .bps = (random >> 8) % 3000000, .pressed = random >> 31 };
		alloc_run(&alloc, &path, seat, ARRAY_LEN(seat), START + round * 500 * USEC_PER_MSEC);
		uint64_t sum = 0;
		for (unsigned i = 0; i < ARRAY_LEN(seat); i++) {
			bool sound = seat[i].kind == TRACK_MICROPHONE || seat[i].kind == TRACK_SCREEN_AUDIO;
			assert_true(sound ? seat[i].given == 1 : seat[i].given <= seat[i].layers);
			if (!sound && seat[i].given > 1)
				sum += seat[i].bps[seat[i].given - 1];
		}
		if (path.pressed)
			assert_true(sum <= path.bps);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_while_congestion_was_never_met),
		cmocka_unit_test(a_low_estimate_alone_lowers_nothing),
		cmocka_unit_test(lowered_at_once_to_what_fits),
		cmocka_unit_test(one_layer_outlasts_a_moment),
		cmocka_unit_test(the_lowest_goes_when_it_was_not_enough),
		cmocka_unit_test(room_is_kept_for_sound_that_is_silent),
		cmocka_unit_test(without_loss_and_queue_the_lowest_stays),
		cmocka_unit_test(everybodys_lowest_before_anybodys_second),
		cmocka_unit_test(the_last_to_go),
		cmocka_unit_test(raised_with_headroom_only),
		cmocka_unit_test(the_lowest_needs_no_headroom),
		cmocka_unit_test(a_tile_that_shrank_has_no_more_than_it_shows),
		cmocka_unit_test(not_raised_right_after_it_was_lowered),
		cmocka_unit_test(who_begins_to_speak_takes_the_place_of_who_does_not),
		cmocka_unit_test(a_silent_camera_costs_nothing),
		cmocka_unit_test(a_screen_gives_up_pictures_first),
		cmocka_unit_test(never_more_than_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
