/* links: mediad */
/* Which layer a receiver gets: a pure choice, on a clock that we move. */
#include "mediad/layer.h"

#include "tests/support/cm.h"

static struct layer_set three(uint16_t low, uint16_t middle, uint16_t high)
{
	return (struct layer_set){ .n = 3,
				   .layer = { { .height = low, .bps = 150000, .sent = true },
					      { .height = middle, .bps = 500000, .sent = true },
					      { .height = high, .bps = 1700000, .sent = true } } };
}

static unsigned first_choice(const struct layer_set *set, uint16_t tile, unsigned limit)
{
	struct layer_choice choice = { 0 };

	layer_choose(&choice, set, tile, limit, 1);
	return choice.target;
}

static void the_smallest_that_covers(void **state)
{
	struct layer_set set = three(180, 360, 720);

	(void)state;
	assert_int_equal(first_choice(&set, 1, 3), 0);
	assert_int_equal(first_choice(&set, 180, 3), 0);
	assert_int_equal(first_choice(&set, 181, 3), 1);
	assert_int_equal(first_choice(&set, 360, 3), 1);
	assert_int_equal(first_choice(&set, 361, 3), 2);
	assert_int_equal(first_choice(&set, 4000, 3), 2);
	assert_int_equal(first_choice(&set, LAYER_TALLEST, 3), 2);
	set.n = 1;
	assert_int_equal(first_choice(&set, 720, 3), 0);
}

static void steps_are_sizes_and_rates(void **state)
{
	struct layer_set screen = { .n = 1 }, camera = three(180, 360, 720);
	struct layer_step step[LAYER_STEPS_MAX];

	(void)state;
	/* Nothing is known of its temporal layers: all or nothing. */
	assert_int_equal(layer_steps(&screen, step), 1);
	assert_true(step[0].layers == 1 && step[0].left_out == 0);
	screen.layer[0].temporals = 3;
	screen.layer[0].less[0] = 150;
	screen.layer[0].less[1] = 100;
	assert_int_equal(layer_steps(&screen, step), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(step[i].layers == 1 && step[i].left_out == 2 - i);
	assert_int_equal(layer_share(&screen, &step[0]), 100);
	assert_int_equal(layer_share(&screen, &step[1]), 150);
	assert_int_equal(layer_share(&screen, &step[2]), 255);
	screen.layer[0].temporals = 200; /* nonsense from another mediad */
	assert_int_equal(layer_steps(&screen, step), 3);

	assert_int_equal(layer_steps(&camera, step), 3);
	for (unsigned i = 0; i < 3; i++)
		camera.layer[i].temporals = 3;
	assert_int_equal(layer_steps(&camera, step), 5);
	assert_true(step[0].layers == 1 && step[0].left_out == 0);
	assert_true(step[1].layers == 2 && step[1].left_out == 1);
	assert_true(step[2].layers == 2 && step[2].left_out == 0);
	assert_true(step[3].layers == 3 && step[3].left_out == 1);
	assert_true(step[4].layers == 3 && step[4].left_out == 0);
}

static void sizes_not_seen_follow_from_the_others(void **state)
{
	struct layer_set set = three(0, 0, 0);

	(void)state;
	assert_int_equal(layer_height(&set, 0), 180);
	assert_int_equal(layer_height(&set, 2), 720);
	set.layer[1].height = 240;
	assert_int_equal(layer_height(&set, 0), 120);
	assert_int_equal(layer_height(&set, 2), 480);
	set.layer[0].height = 90;
	assert_int_equal(layer_height(&set, 0), 90);
	set.n = 2;
	set.layer[0].height = set.layer[1].height = 0;
	assert_int_equal(layer_height(&set, 1), 720);
	assert_int_equal(layer_height(&set, 0), 360);
}

static void up_at_once_and_down_with_patience(void **state)
{
	struct layer_set set = three(180, 360, 720);
	struct layer_choice c = { 0 };
	int64_t now = USEC_PER_SEC;

	(void)state;
	layer_choose(&c, &set, 360, 3, now);
	assert_int_equal(c.target, 1);
	layer_choose(&c, &set, 396, 3, now += 1000); /* a tenth more: still good enough */
	assert_int_equal(c.target, 1);
	layer_choose(&c, &set, 397, 3, now += 1000);
	assert_int_equal(c.target, 2);
	layer_choose(&c, &set, 370, 3, now += 1000); /* within the tenth: as it was */
	assert_int_equal(c.target, 2);
	assert_int_equal(c.lower_us, 0);
	layer_choose(&c, &set, 360, 3, now += 1000);
	assert_int_equal(c.target, 2);
	layer_choose(&c, &set, 360, 3, now + LAYER_PATIENCE_US - 1);
	assert_int_equal(c.target, 2);
	layer_choose(&c, &set, 380, 3, now + LAYER_PATIENCE_US); /* it grew again: patience begins anew */
	layer_choose(&c, &set, 100, 3, now += LAYER_PATIENCE_US + 1);
	assert_int_equal(c.target, 2);
	layer_choose(&c, &set, 100, 3, now + LAYER_PATIENCE_US);
	assert_int_equal(c.target, 0);
}

/* A tile that trembles about an edge switches once. */
static void no_flapping(void **state)
{
	struct layer_set set = three(180, 360, 720);
	struct layer_choice c = { 0 };
	unsigned switches = 0, last = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		layer_choose(&c, &set, (uint16_t)(i % 2 ? 340 : 420), 3, i * 100 * USEC_PER_MSEC);
		switches += c.target != last;
		last = c.target;
	}
	assert_int_equal(switches, 1);
}

static void what_is_not_sent_is_wanted_but_not_forwarded(void **state)
{
	struct layer_set set = three(180, 360, 720);
	struct layer_choice c = { 0 };

	(void)state;
	set.layer[2].sent = false;
	layer_choose(&c, &set, 720, 3, 1);
	assert_int_equal(c.wanted, 2);
	assert_int_equal(c.target, 1);
	set.layer[1].sent = false;
	layer_choose(&c, &set, 720, 3, 2);
	assert_int_equal(c.target, 0);
	set.layer[2].sent = true;
	layer_choose(&c, &set, 720, 3, 3);
	assert_int_equal(c.target, 2);
	set.layer[0].sent = false;
	layer_choose(&c, &set, 10, 3, 4);
	layer_choose(&c, &set, 10, 3, 5 + LAYER_PATIENCE_US);
	assert_int_equal(c.wanted, 0);
	assert_int_equal(c.target, 2); /* too large is better than nothing */
	set.layer[2].sent = false;
	layer_choose(&c, &set, 10, 3, 6 + LAYER_PATIENCE_US);
	assert_int_equal(c.target, 0);
}

static void what_does_not_come_is_missed_after_a_while(void **state)
{
	struct layer_set set = three(180, 360, 720);
	struct layer_choice c = { 0 };

	(void)state;
	set.layer[2].sent = set.layer[1].sent = false;
	layer_choose(&c, &set, 720, 3, 1);
	layer_choose(&c, &set, 720, 3, LAYER_PATIENCE_US);
	assert_false(c.missing);
	layer_choose(&c, &set, 720, 3, 1 + LAYER_PATIENCE_US);
	assert_true(c.missing);
	set.layer[1].sent = true;
	layer_choose(&c, &set, 720, 3, 2 + LAYER_PATIENCE_US);
	assert_true(c.missing && c.wanted == 2 && c.target == 1);
	set.layer[2].sent = true;
	layer_choose(&c, &set, 720, 3, 3 + LAYER_PATIENCE_US);
	assert_false(c.missing);
}

static void a_limit_is_kept(void **state)
{
	struct layer_set set = three(180, 360, 720);
	struct layer_choice c = { 0 };

	(void)state;
	assert_int_equal(first_choice(&set, 720, 3), 2);
	assert_int_equal(first_choice(&set, 720, 2), 1);
	assert_int_equal(first_choice(&set, 720, 1), 0);
	assert_int_equal(first_choice(&set, 180, 2), 0);
	/* What the tile wants is not forgotten: the patience to go down counts from there. */
	layer_choose(&c, &set, 720, 1, 1);
	assert_true(c.covers == 2 && c.wanted == 0);
	layer_choose(&c, &set, 360, 2, 2);
	assert_true(c.covers == 2 && c.wanted == 1);
	layer_choose(&c, &set, 360, 3, 2 + LAYER_PATIENCE_US);
	assert_true(c.covers == 1 && c.wanted == 1);
}

static void a_layer_is_dry_when_others_go_on(void **state)
{
	struct layer_set set = three(0, 0, 0);
	int64_t last[SESSION_LAYERS_MAX] = { 1000000, 1000000, 0 };

	(void)state;
	layer_mark_sent(&set, last);
	assert_true(set.layer[0].sent && set.layer[1].sent && !set.layer[2].sent);
	last[0] = 1000000 + LAYER_DRY_US;
	layer_mark_sent(&set, last);
	assert_true(set.layer[1].sent);
	last[0]++;
	layer_mark_sent(&set, last);
	assert_true(set.layer[0].sent && !set.layer[1].sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_smallest_that_covers),
		cmocka_unit_test(steps_are_sizes_and_rates),
		cmocka_unit_test(sizes_not_seen_follow_from_the_others),
		cmocka_unit_test(up_at_once_and_down_with_patience),
		cmocka_unit_test(no_flapping),
		cmocka_unit_test(what_is_not_sent_is_wanted_but_not_forwarded),
		cmocka_unit_test(what_does_not_come_is_missed_after_a_while),
		cmocka_unit_test(a_limit_is_kept),
		cmocka_unit_test(a_layer_is_dry_when_others_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
