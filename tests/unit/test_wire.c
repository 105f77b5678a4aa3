/* links: net */
#include "tests/net/wire.h"

#include "tests/support/cm.h"

#include <math.h>
#include <stdlib.h>

#define MS  INT64_C(1000)
#define SEC INT64_C(1000000)

/* What came out of a wire, on a clock that we move. */
struct arrivals {
	int64_t at_us[20000];
	uint32_t serial[20000];
	size_t n;
};

static struct arrivals got;

static enum wire_fate put(struct wire *w, int64_t now_us, uint32_t serial, size_t len)
{
	static uint8_t data[2000];
	struct wire_packet *p = wire_packet_new(data, len, (void *)(uintptr_t)serial);

	assert_non_null(p);
	return wire_send(w, now_us, p);
}

/* Lets time go on to until_us, from deadline to deadline. */
static void run(struct wire *w, int64_t until_us)
{
	for (;;) {
		int64_t now_us = wire_next_us(w) < until_us ? wire_next_us(w) : until_us;
		struct wire_packet *p;
		while ((p = wire_receive(w, now_us))) {
			assert_true(got.n < sizeof(got.at_us) / sizeof(got.at_us[0]));
			got.at_us[got.n] = now_us;
			got.serial[got.n++] = (uint32_t)(uintptr_t)p->owner;
			free(p);
		}
		if (now_us >= until_us)
			return;
	}
}

static void begin(struct wire *w, struct wire_settings set, uint64_t seed)
{
	got.n = 0;
	wire_init(w, seed);
	wire_set(w, 0, &set);
}

/* n packets of len bytes, one each gap_us; returns how many were lost or dropped. */
static unsigned stream(struct wire *w, unsigned n, int64_t gap_us, size_t len)
{
	unsigned gone = 0;

	for (unsigned i = 0; i < n; i++) {
		run(w, i * gap_us);
		gone += put(w, i * gap_us, i, len) != WIRE_TAKEN;
	}
	return gone;
}

static void test_a_clean_wire_passes_everything_at_once_and_in_order(void **state)
{
	struct wire w;

	(void)state;
	begin(&w, wire_clean, 1);
	assert_true(wire_next_us(&w) == INT64_MAX);
	assert_int_equal(stream(&w, 100, 1, 1200), 0);
	run(&w, 100);
	assert_int_equal(got.n, 100);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(got.serial[i], i);
		assert_int_equal(got.at_us[i], i);
	}
	struct wire_counts c = wire_take_counts(&w);
	assert_int_equal(c.in_packets, 100);
	assert_int_equal(c.out_bytes, 120000);
	assert_int_equal(c.lost + c.dropped, 0);
	assert_int_equal(wire_take_counts(&w).in_packets, 0);
	wire_fini(&w);
}

static void test_a_delay_is_exact(void **state)
{
	struct wire_settings set = wire_clean;
	struct wire w;

	(void)state;
	set.delay_us = 40000;
	begin(&w, set, 1);
	stream(&w, 50, 7 * MS, 100);
	run(&w, SEC);
	assert_int_equal(got.n, 50);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(got.at_us[i], i * 7 * MS + 40 * MS);
	wire_fini(&w);
}

static void test_random_loss_takes_its_share_and_the_same_seed_loses_the_same_packets(void **state)
{
	static struct arrivals first;
	struct wire_settings set = wire_clean;
	struct wire w;

	(void)state;
	set.loss = 0.05;
	begin(&w, set, 7);
	unsigned lost = stream(&w, 20000, 100, 100);
	run(&w, 10 * SEC);
	/* 1,000 expected, the deviation is 31. */
	assert_in_range(lost, 850, 1150);
	assert_int_equal(got.n, 20000 - lost);
	assert_int_equal(wire_take_counts(&w).lost, lost);
	wire_fini(&w);

	first = got;
	/* Later, with delay and jitter: still the same ones. */
	set.delay_us = 30000;
	set.jitter_us = 5000;
	begin(&w, set, 7);
	assert_int_equal(stream(&w, 20000, 100, 100), lost);
	run(&w, 10 * SEC);
	assert_int_equal(got.n, first.n);
	assert_memory_equal(got.serial, first.serial, first.n * sizeof(first.serial[0]));
	wire_fini(&w);

	/* Chance begins anew, whatever was before. */
	begin(&w, set, 1234);
	put(&w, 0, 20000, 100);
	put(&w, 0, 20000, 100);
	run(&w, 0);
	wire_seed(&w, 7);
	assert_int_equal(stream(&w, 20000, 100, 100), lost);
	wire_fini(&w);

	begin(&w, set, 8);
	stream(&w, 20000, 100, 100);
	run(&w, 10 * SEC);
	assert_true(got.n != first.n || got.serial[100] != first.serial[100]);
	wire_fini(&w);
}

static void test_bursts_take_their_share_and_have_their_length(void **state)
{
	struct wire_settings set = wire_clean;
	unsigned lost = 0, bursts = 0;
	bool before = false;
	struct wire w;

	(void)state;
	set.bursts = 0.02;
	set.burst_length = 5;
	begin(&w, set, 3);
	for (uint32_t i = 0; i < 200000; i++) {
		bool gone = put(&w, i, i, 10) == WIRE_LOST;
		lost += gone;
		bursts += gone && !before;
		before = gone;
		free(wire_receive(&w, i));
	}
	assert_in_range(lost, 3500, 4500);
	double mean = (double)lost / bursts;
	assert_true(mean > 4.5 && mean < 5.5);
	wire_fini(&w);
}

static void test_a_bad_state_may_lose_only_some(void **state)
{
	struct wire_settings set = wire_clean;
	unsigned lost = 0;
	struct wire w;

	(void)state;
	set.loss = 0.01;
	set.bursts = 0.1;
	set.burst_length = 10;
	set.burst_loss = 0.5;
	begin(&w, set, 3);
	for (uint32_t i = 0; i < 100000; i++) {
		lost += put(&w, i, i, 10) == WIRE_LOST;
		free(wire_receive(&w, i));
	}
	/* 0.9 × 1 % and 0.1 × 50 % */
	assert_in_range(lost, 5200, 6600);
	wire_fini(&w);
}

static void jitter_figures(double *ret_mean_ms, double *ret_deviation_ms, unsigned *ret_overtaken)
{
	double sum = 0, squares = 0;

	*ret_overtaken = 0;
	for (size_t i = 0; i < got.n; i++) {
		double ms = (double)(got.at_us[i] - got.serial[i] * 10 * MS) / 1000;
		sum += ms;
		squares += ms * ms;
		*ret_overtaken += i > 0 && got.serial[i] < got.serial[i - 1];
	}
	*ret_mean_ms = sum / (double)got.n;
	*ret_deviation_ms = sqrt(squares / (double)got.n - *ret_mean_ms * *ret_mean_ms);
}

static void test_jitter_is_normal_and_overtakes_only_where_it_may(void **state)
{
	struct wire_settings set = wire_clean;
	double mean, deviation;
	unsigned overtaken;
	struct wire w;

	(void)state;
	set.delay_us = 100000;
	set.jitter_us = 30000;
	set.keep_order = 0;
	begin(&w, set, 5);
	stream(&w, 10000, 10 * MS, 100);
	run(&w, 200 * SEC);
	assert_int_equal(got.n, 10000);
	jitter_figures(&mean, &deviation, &overtaken);
	assert_true(mean > 98 && mean < 102);
	assert_true(deviation > 28 && deviation < 31);
	assert_true(overtaken > 1000);
	wire_fini(&w);

	set.keep_order = 1;
	begin(&w, set, 5);
	stream(&w, 10000, 10 * MS, 100);
	run(&w, 200 * SEC);
	assert_int_equal(got.n, 10000);
	jitter_figures(&mean, &deviation, &overtaken);
	assert_int_equal(overtaken, 0);
	assert_true(mean > 100);
	wire_fini(&w);
}

static void test_nothing_arrives_before_it_was_sent(void **state)
{
	struct wire_settings set = wire_clean;
	struct wire w;

	(void)state;
	set.delay_us = 1000;
	set.jitter_us = 30000;
	set.keep_order = 0;
	begin(&w, set, 5);
	stream(&w, 1000, 10 * MS, 100);
	run(&w, 200 * SEC);
	for (size_t i = 0; i < got.n; i++)
		assert_true(got.at_us[i] >= got.serial[i] * 10 * MS);
	wire_fini(&w);
}

static void test_a_share_is_held_back_and_overtaken_by_what_follows(void **state)
{
	struct wire_settings set = wire_clean;
	unsigned held = 0;
	struct wire w;

	(void)state;
	set.delay_us = 10000;
	set.reorder = 0.1;
	set.reorder_us = 25000;
	begin(&w, set, 5);
	stream(&w, 10000, 10 * MS, 100);
	run(&w, 200 * SEC);
	assert_int_equal(got.n, 10000);
	for (size_t i = 0; i < got.n; i++) {
		int64_t took_us = got.at_us[i] - got.serial[i] * 10 * MS;
		assert_true(took_us == 10 * MS || took_us == 35 * MS);
		held += took_us == 35 * MS;
	}
	assert_in_range(held, 850, 1150);
	wire_fini(&w);
}

static void test_a_bottleneck_passes_its_rate_and_no_more(void **state)
{
	struct wire_settings set = wire_clean;
	struct wire w;

	(void)state;
	set.rate_bps = 1e6;
	set.queue_us = 300000;
	begin(&w, set, 1);
	/* 2.4 Mbit/s of packets that take 10 ms each. */
	unsigned gone = stream(&w, 2500, 4 * MS, 1250 - WIRE_OVERHEAD);
	run(&w, 10 * SEC);
	/* Within ten seconds a thousand; what waits behind them no longer than the queue. */
	assert_in_range(got.n, 999, 1000);
	for (size_t i = 1; i < got.n; i++)
		assert_true(got.at_us[i] - got.at_us[i - 1] >= 10 * MS);
	run(&w, 20 * SEC);
	assert_int_equal(got.n, 2500 - gone);
	assert_in_range(got.n, 1029, 1032);
	struct wire_counts c = wire_take_counts(&w);
	assert_int_equal(c.dropped, gone);
	assert_int_equal(c.lost, 0);
	assert_in_range(c.wait_max_us, 280 * MS, 300 * MS);
	assert_in_range(c.wait_sum_us / (int64_t)c.waited, 200 * MS, 300 * MS);
	wire_fini(&w);
}

static void test_less_than_the_rate_does_not_wait(void **state)
{
	struct wire_settings set = wire_clean;
	struct wire w;

	(void)state;
	set.rate_bps = 1e6;
	set.delay_us = 20000;
	begin(&w, set, 1);
	/* No queue at all: a packet is taken only when the bottleneck is idle. */
	assert_int_equal(stream(&w, 100, 10 * MS, 1250 - WIRE_OVERHEAD), 0);
	assert_int_equal(put(&w, 99 * 10 * MS + 1, 100, 100), WIRE_DROPPED);
	run(&w, 2 * SEC);
	assert_int_equal(got.n, 100);
	for (size_t i = 0; i < got.n; i++)
		assert_int_equal(got.at_us[i], (int64_t)i * 10 * MS + 30 * MS);
	assert_int_equal(wire_take_counts(&w).wait_max_us, 0);
	wire_fini(&w);
}

static void test_a_rate_that_changes_counts_for_what_waits(void **state)
{
	struct wire_settings set = wire_clean;
	struct wire w;

	(void)state;
	set.rate_bps = 1e6;
	set.queue_us = 300000;
	begin(&w, set, 1);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(put(&w, 0, i, 1250 - WIRE_OVERHEAD), WIRE_TAKEN);
	run(&w, 5 * MS); /* half of the first */
	assert_int_equal(wire_backlog_us(&w), 25 * MS);
	set.rate_bps = 5e5;
	wire_set(&w, 5 * MS, &set);
	assert_int_equal(wire_backlog_us(&w), 50 * MS);
	run(&w, 25 * MS);
	/* The second has 10 ms of its 20 left; without a bottleneck all go on at once. */
	set.rate_bps = 0;
	wire_set(&w, 25 * MS, &set);
	run(&w, SEC);
	assert_int_equal(got.n, 3);
	assert_int_equal(got.at_us[0], 15 * MS);
	assert_int_equal(got.at_us[1], 25 * MS);
	assert_int_equal(got.at_us[2], 25 * MS);
	wire_fini(&w);
}

static void test_a_wire_that_is_full_drops_and_gives_back_all_it_took(void **state)
{
	struct wire_settings set = wire_clean;
	unsigned taken = 0;
	struct wire w;

	(void)state;
	set.delay_us = 1e6;
	begin(&w, set, 1);
	for (uint32_t i = 0; i < WIRE_PACKETS_MAX + 100; i++)
		taken += put(&w, 0, i, 1) == WIRE_TAKEN;
	assert_int_equal(taken, WIRE_PACKETS_MAX);
	for (unsigned i = 0; i < 100; i++) {
		struct wire_packet *p = wire_receive(&w, SEC);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p->owner, i);
		free(p);
	}
	wire_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_clean_wire_passes_everything_at_once_and_in_order),
		cmocka_unit_test(test_a_delay_is_exact),
		cmocka_unit_test(test_random_loss_takes_its_share_and_the_same_seed_loses_the_same_packets),
		cmocka_unit_test(test_bursts_take_their_share_and_have_their_length),
		cmocka_unit_test(test_a_bad_state_may_lose_only_some),
		cmocka_unit_test(test_jitter_is_normal_and_overtakes_only_where_it_may),
		cmocka_unit_test(test_nothing_arrives_before_it_was_sent),
		cmocka_unit_test(test_a_share_is_held_back_and_overtaken_by_what_follows),
		cmocka_unit_test(test_a_bottleneck_passes_its_rate_and_no_more),
		cmocka_unit_test(test_less_than_the_rate_does_not_wait),
		cmocka_unit_test(test_a_rate_that_changes_counts_for_what_waits),
		cmocka_unit_test(test_a_wire_that_is_full_drops_and_gives_back_all_it_took),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
