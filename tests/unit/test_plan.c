/* links: tools */
#include "tools/plan.h"

#include "tests/support/cm.h"

#include <string.h>

static const struct plan_machine machine = {
	.mediads = 4,
	.cores = 4,
	.workers = 4,
	.budget = 0.85,
	.transports_max = 4096,
	.websockets_max = 20000,
	.members_max = 100,
};
static const struct plan_costs costs = { .out_us = 5, .in_us = 5 };

/* Sound alone, without any overhead to think of: 50 packets a second. */
static struct plan_kind talk(unsigned people, unsigned unmuted)
{
	return (struct plan_kind){
		.people = people,
		.unmuted = unmuted,
		.tiles = 9,
		.fps = 30,
		.screen_fps = 5,
		.audio_bps = 32000,
	};
}

static void near(double is, double should)
{
	if (is < should * 0.999 - 1e-9 || is > should * 1.001 + 1e-9)
		fail_msg("%f is not %f", is, should);
}

static void test_sound(void **state)
{
	struct plan_kind two = talk(2, 2), ten = talk(10, 2), many = talk(30, 30);

	(void)state;
	struct plan_load l = plan_load(&two, &costs, 1000);
	near(l.in_packets, 100);
	near(l.out_packets, 100);
	near(l.cores, 200 * 5 / 1e6);
	near(l.memory_bytes, 2000);
	/* 32 kbit/s and 50 headers of 72 bytes a second. */
	near(l.out_bps, 2 * (32000 + 50 * 72 * 8));
	/* Two speak: each of them hears one, the eight others both. */
	near(plan_load(&ten, &costs, 0).out_packets, 50 * (2 + 16));
	/* Nobody hears more than there are seats. */
	near(plan_load(&many, &costs, 0).out_packets, 50 * 30 * 9);
}

static void test_pictures(void **state)
{
	struct plan_kind k = talk(4, 0);

	(void)state;
	k.cameras = 4;
	struct plan_load l = plan_load(&k, &costs, 0);
	/* Three others in two rows: tiles of 360 lines, so the middle layer and the lowest. */
	assert_int_equal(l.seen, 3);
	assert_int_equal(l.height, 360);
	unsigned bps = plan_layer_bps(360);
	assert_in_range(bps, 500000, 510000);
	/* 505 kbit/s at 30 pictures: two packets each; the lowest, 150 kbit/s: one. */
	near(l.out_packets, 4 * 3 * 60);
	near(l.in_packets, 4 * (60 + 30));
	near(l.out_bps, 4 * 3 * (bps + 60.0 * 72 * 8));
	/* Fewer tiles than people. */
	k.people = k.cameras = 20;
	k.tiles = 4;
	assert_int_equal(plan_load(&k, &costs, 0).seen, 4);
	near(plan_load(&k, &costs, 0).out_packets, 20 * 4 * 60);
	/* Only some have a camera on; large tiles get the large layer. */
	k.cameras = 1;
	k.tile_height = 720;
	l = plan_load(&k, &costs, 0);
	assert_int_equal(l.height, 720);
	near(l.out_packets, 19 * 30 * 7);
	/* No rate, no pictures. */
	k.fps = 0;
	near(plan_load(&k, &costs, 0).out_packets, 0);
}

static void test_screens_take_tiles(void **state)
{
	struct plan_kind k = talk(10, 0);

	(void)state;
	k.cameras = 10;
	k.screens = 1;
	k.screen_bps = 800000;
	k.tiles = 4;
	struct plan_load with = plan_load(&k, &costs, 0);
	k.screens = 0;
	k.tiles = 3;
	k.tile_height = 360;
	struct plan_load without = plan_load(&k, &costs, 0);
	assert_int_equal(with.seen, 4);
	/* The nine others get the screen and three cameras each; who shares has three cameras. 800 kbit/s at 5
	 * pictures: 18 packets each. */
	near(with.out_packets, without.out_packets + 9 * 5 * 18);
}

static void test_layers(void **state)
{
	(void)state;
	assert_int_equal(plan_layer_height(90), 180);
	assert_int_equal(plan_layer_height(198), 180);
	assert_int_equal(plan_layer_height(199), 360);
	assert_int_equal(plan_layer_height(396), 360);
	assert_int_equal(plan_layer_height(1080), 720);
	assert_int_equal(plan_layer_bps(720), 1700000);
	assert_int_equal(plan_layer_bps(1440), 1700000);
	assert_int_equal(plan_layer_bps(90), 100000);
}

/* Each limit in its turn is the first. */
static void test_limits(void **state)
{
	struct plan_kind k = talk(2, 2);
	struct plan_machine m = machine;

	(void)state;
	/* A call is 1/1000 of a core; four may be used to 85 %. */
	struct plan p = plan_make(&k, &costs, &m);
	assert_int_equal(p.limit, PLAN_CPU);
	assert_int_equal(p.calls, 3400);
	m.budget = 1;
	assert_int_equal(plan_make(&k, &costs, &m).calls, 4000);
	/* More processes than cores use no more than the cores. */
	m.cores = 2;
	assert_int_equal(plan_make(&k, &costs, &m).calls, 2000);
	m = machine;
	m.nic_bps = 1e6;
	p = plan_make(&k, &costs, &m);
	assert_int_equal(p.limit, PLAN_NIC_OUT);
	assert_int_equal(p.calls, (unsigned)(0.9e6 / p.one.out_bps));
	assert_int_equal(p.allowed[PLAN_CPU], 3400);
	assert_int_equal(p.allowed[PLAN_MEMORY], UINT64_MAX);
	/* One who talks to nobody: only in. */
	struct plan_kind alone = talk(1, 1);
	assert_int_equal(plan_make(&alone, &costs, &m).limit, PLAN_NIC_IN);
	m = machine;
	m.memory_bytes = 100e6;
	m.member_bytes = 1e6;
	p = plan_make(&k, &costs, &m);
	assert_int_equal(p.limit, PLAN_MEMORY);
	assert_int_equal(p.calls, 50);
	m = machine;
	m.transports_max = 100;
	p = plan_make(&k, &costs, &m);
	assert_int_equal(p.limit, PLAN_TRANSPORTS);
	assert_int_equal(p.calls, 200);
	m = machine;
	m.websockets_max = 10;
	p = plan_make(&k, &costs, &m);
	assert_int_equal(p.limit, PLAN_WEBSOCKETS);
	assert_int_equal(p.calls, 20);
	m = machine;
	m.members_max = 1;
	p = plan_make(&k, &costs, &m);
	assert_int_equal(p.limit, PLAN_MEMBERS);
	assert_int_equal(p.calls, 0);
	for (unsigned i = 0; i < PLAN_LIMITS; i++)
		assert_true(strlen(plan_limit_name(i)) > 3 && strlen(plan_limit_key(i)) > 2);
}

static void test_nothing_at_all(void **state)
{
	struct plan_kind silent = talk(5, 0), nobody = { 0 };
	struct plan_machine m = { 0 };

	(void)state;
	/* Who sends nothing costs no CPU time: something else ends first. */
	assert_int_equal(plan_make(&silent, &costs, &machine).limit, PLAN_TRANSPORTS);
	assert_int_equal(plan_make(&nobody, &costs, &machine).one.out_packets, 0);
	assert_int_equal(plan_make(&silent, &costs, &m).calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound),
		cmocka_unit_test(test_pictures),
		cmocka_unit_test(test_screens_take_tiles),
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_nothing_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
