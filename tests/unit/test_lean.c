/* links: mediad */
#include "mediad/lean.h"

#include "tests/support/cm.h"

#define TICK_US (100 * USEC_PER_MSEC)

static int64_t clock_us;

static void look_at(struct lean *lean, const struct lean_path *path, int64_t us)
{
	for (int64_t end_us = clock_us + us; clock_us < end_us;)
		lean_look(lean, path, clock_us += TICK_US);
}

static void look_for(struct lean *lean, uint32_t bps, bool congested, unsigned voices, int64_t us)
{
	const struct lean_path path = { bps, congested, voices, voices * LEAN_FULL_BPS };

	look_at(lean, &path, us);
}

static int setup(void **state)
{
	(void)state;
	clock_us = 1000 * USEC_PER_SEC;
	return 0;
}

static void nothing_is_limited_until_congestion_says_so(void **state)
{
	struct lean lean = { 0 };

	(void)state;
	/* An estimate that is low has seen no more. */
	look_for(&lean, 30000, false, 2, 60 * USEC_PER_SEC);
	assert_false(lean.packs || lean.lower);
	assert_true(lean.heard > 100);
	/* Nor has one that a hiccup made low. */
	for (unsigned i = 0; i < 10; i++) {
		look_for(&lean, 30000, true, 1, USEC_PER_SEC);
		look_for(&lean, 50000, false, 1, USEC_PER_SEC);
	}
	assert_false(lean.packs || lean.lower);
	/* Congestion of pictures, on a path that is wide enough for sound. */
	look_for(&lean, 2 * LEAN_FULL_BPS, true, 2, 10 * USEC_PER_SEC);
	assert_false(lean.packs || lean.lower);
}

/* Of three, two are muted. */
static void what_is_needed_is_what_they_take(void **state)
{
	const struct lean_path path = { .bps = 130000, .congested = true, .voices = 3, .taken = 120000 };
	struct lean lean = { 0 };

	(void)state;
	look_at(&lean, &path, 10 * USEC_PER_SEC);
	assert_false(lean.packs || lean.lower);
	look_for(&lean, 130000, true, 3, 2 * USEC_PER_SEC);
	assert_true(lean.packs);
}

static void what_is_done_follows_from_what_there_is(void **state)
{
	static const struct {
		uint32_t bps;
		unsigned voices, heard;
		bool packs, lower;
	} cases[] = {
		{ 61000, 1, 1, true, false }, { 46000, 1, 1, true, false },  { 45000, 1, 1, true, true },
		{ 20000, 1, 1, true, true },  { 120000, 2, 2, true, false }, { 91000, 2, 1, true, false },
		{ 34000, 3, 1, true, true },  { 150000, 4, 3, true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lean lean = { 0 };
		look_for(&lean, cases[i].bps, true, cases[i].voices, LEAN_SURE_US);
		assert_false(lean.packs);
		look_for(&lean, cases[i].bps, true, cases[i].voices, TICK_US);
		assert_int_equal(lean.packs, cases[i].packs);
		assert_int_equal(lean.lower, cases[i].lower);
		assert_int_equal(lean.heard, cases[i].heard);
	}
}

static void an_estimate_that_shows_more_is_believed_when_all_is_calm(void **state)
{
	struct lean lean = { 0 };

	(void)state;
	look_for(&lean, 34000, true, 1, LEAN_SURE_US + TICK_US);
	look_for(&lean, 300000, false, 1, LEAN_CALM_US - 2 * TICK_US);
	assert_true(lean.packs && lean.lower);
	look_for(&lean, 300000, false, 1, 3 * TICK_US);
	assert_false(lean.packs || lean.lower);
}

/* How long until it asks for no less, when nothing shows more. */
static int64_t waits(struct lean *lean)
{
	int64_t since_us = clock_us;

	while (lean->lower && clock_us - since_us < 1000 * USEC_PER_SEC)
		look_for(lean, 36000, false, 1, TICK_US);
	return clock_us - since_us;
}

static void more_is_tried_less_and_less_often(void **state)
{
	struct lean lean = { 0 };
	int64_t hold_us = LEAN_HOLD_US;

	(void)state;
	look_for(&lean, 34000, true, 1, LEAN_SURE_US + TICK_US);
	for (unsigned i = 0; i < 8; i++, hold_us = hold_us * 2 < LEAN_HOLD_MAX_US ? hold_us * 2 : LEAN_HOLD_MAX_US) {
		assert_in_range(waits(&lean), hold_us, hold_us + 2 * TICK_US);
		assert_true(lean.packs);
		look_for(&lean, 34000, true, 1, USEC_PER_SEC);
		assert_true(lean.lower);
	}
}

static void what_was_tried_and_is_good_stays(void **state)
{
	struct lean lean = { 0 };

	(void)state;
	look_for(&lean, 34000, true, 1, LEAN_SURE_US + TICK_US);
	(void)waits(&lean);
	assert_true(lean.packs);
	look_for(&lean, 50000, false, 1, LEAN_HOLD_US + 2 * TICK_US);
	assert_false(lean.packs);
	look_for(&lean, 80000, false, 1, 60 * USEC_PER_SEC);
	/* It is over, and the next time begins as the first did. */
	look_for(&lean, 34000, true, 1, LEAN_SURE_US + TICK_US);
	assert_in_range(waits(&lean), LEAN_HOLD_US, LEAN_HOLD_US + 2 * TICK_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_limited_until_congestion_says_so, setup),
		cmocka_unit_test_setup(what_is_needed_is_what_they_take, setup),
		cmocka_unit_test_setup(what_is_done_follows_from_what_there_is, setup),
		cmocka_unit_test_setup(an_estimate_that_shows_more_is_believed_when_all_is_calm, setup),
		cmocka_unit_test_setup(more_is_tried_less_and_less_often, setup),
		cmocka_unit_test_setup(what_was_tried_and_is_good_stays, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
