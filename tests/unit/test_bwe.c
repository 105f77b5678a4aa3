/* links: mediad */
#include "lib/twcc.h"
#include "mediad/bwe.h"

#include "lib/err.h"
#include "tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_US	 (5 * USEC_PER_MSEC)
#define PACKET	 1150
#define FLIGHT	 8192
#define START_US (1000 * USEC_PER_SEC)

/* A path of one bottleneck: a queue of at most queue_ms in front of bps, delay both ways, loss by dice. The receiver is
 * busy with something else for up to stall_ms at a time, half of the time. */
struct path {
	double bps, loss, jitter_ms, queue_ms, stall_ms;
	double loss_back; /* of the feedback */
	int64_t delay_us;
};

struct sim {
	struct path path;
	struct bwe bwe;
	struct twcc twcc;
	unsigned seed;
	int64_t now_us, free_us; /* when the bottleneck is idle again */
	uint16_t seq;
	double media_bps; /* what the seats would send at most */
	bool deaf;	  /* they send that, whatever the estimate */
	int64_t stall_from_us, stall_to_us;
	double owed; /* bytes that the pacer may send */
	struct {
		int64_t at_us;
		uint16_t seq;
	} flight[FLIGHT]; /* towards the receiver */
	unsigned flight_len;
	struct {
		int64_t at_us;
		size_t len;
		uint8_t data[1200];
	} back[64];
	unsigned back_len;
	unsigned sent, lost, probes;
	double queue_ms_sum, rate_sum, rate_max;
	unsigned steps;
};

static double dice(struct sim *sim)
{
	sim->seed = sim->seed * 1664525u + 1013904223u;
	return (sim->seed >> 8) / (double)(1 << 24);
}

static struct sim *sim_new(struct path path, double media_bps)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	assert_non_null(sim);
	sim->path = path;
	sim->media_bps = media_bps;
	sim->seed = 4711;
	sim->now_us = sim->free_us = START_US;
	sim->seq = 65000; /* over the wrap soon */
	twcc_init(&sim->twcc);
	bwe_init(&sim->bwe, 300000, 30000, 20000000, sim->now_us);
	return sim;
}

/* When a busy receiver sees what came at that time. */
static int64_t seen_at(struct sim *sim, int64_t at_us)
{
	if (sim->path.stall_ms == 0)
		return at_us;
	while (at_us >= sim->stall_to_us) {
		sim->stall_from_us = MAX(sim->stall_to_us, START_US) + (int64_t)(dice(sim) * sim->path.stall_ms * 1000);
		sim->stall_to_us = sim->stall_from_us + (int64_t)(dice(sim) * sim->path.stall_ms * 1000);
	}
	return at_us >= sim->stall_from_us ? sim->stall_to_us : at_us;
}

static void sim_send(struct sim *sim, unsigned bytes, uint8_t cluster)
{
	const struct path *path = &sim->path;
	int64_t wire_us = (int64_t)((bytes + BWE_OVERHEAD) * 8e6 / path->bps);

	bwe_on_sent(&sim->bwe, sim->seq, bytes, cluster, sim->now_us);
	sim->seq++;
	sim->sent++;
	sim->free_us = MAX(sim->free_us, sim->now_us);
	if (dice(sim) < path->loss || (double)(sim->free_us - sim->now_us) / 1000 > path->queue_ms) {
		sim->lost++;
		return;
	}
	sim->free_us += wire_us;
	assert_in_range(sim->flight_len, 0, FLIGHT - 1);
	sim->flight[sim->flight_len].at_us =
		seen_at(sim, sim->free_us + path->delay_us + (int64_t)(dice(sim) * path->jitter_ms * 1000));
	sim->flight[sim->flight_len++].seq = (uint16_t)(sim->seq - 1);
}

/* What has arrived by now is told to the receiver's side, whose feedback travels back without loss. */
static void sim_receive(struct sim *sim)
{
	for (unsigned i = 0; i < sim->flight_len;) {
		if (sim->flight[i].at_us > sim->now_us) {
			i++;
			continue;
		}
		twcc_on_packet(&sim->twcc, sim->flight[i].seq, true, sim->flight[i].at_us);
		memmove(&sim->flight[i], &sim->flight[i + 1], (sim->flight_len - i - 1) * sizeof(sim->flight[0]));
		sim->flight_len--;
	}
	while (sim->back_len < 64 && twcc_due_us(&sim->twcc) <= sim->now_us) {
		struct rtcp_out out = { .data = sim->back[sim->back_len].data, .cap = sizeof(sim->back[0].data) };
		if (twcc_build(&sim->twcc, &out, 1, 2, sim->now_us) < 0)
			break;
		if (dice(sim) < sim->path.loss_back)
			continue;
		sim->back[sim->back_len].len = out.len;
		sim->back[sim->back_len++].at_us = sim->now_us + sim->path.delay_us;
	}
	while (sim->back_len && sim->back[0].at_us <= sim->now_us) {
		const uint8_t *data = sim->back[0].data;
		size_t len = sim->back[0].len;
		struct rtcp_packet packet;
		assert_int_equal(rtcp_check(data, len), 0);
		assert_int_equal(rtcp_next(&data, &len, &packet), 0);
		assert_int_equal(bwe_on_feedback(&sim->bwe, &packet, sim->now_us), 0);
		memmove(&sim->back[0], &sim->back[1], --sim->back_len * sizeof(sim->back[0]));
	}
}

static void sim_step(struct sim *sim)
{
	struct bwe_probe probe;

	sim->now_us += STEP_US;
	sim_receive(sim);
	double rate = bwe_rate(&sim->bwe, sim->now_us);
	if (bwe_probe_due(&sim->bwe, (uint32_t)sim->media_bps, sim->now_us, &probe)) {
		int64_t began_us = sim->now_us;
		sim->probes++;
		unsigned bytes = MIN(probe.bytes / probe.packets, PACKET + BWE_OVERHEAD);
		for (uint32_t done = 0; done < probe.bytes; done += bytes) {
			sim->now_us = began_us + (int64_t)(done * 8e6 / probe.bps);
			sim_send(sim, bytes - BWE_OVERHEAD, probe.cluster);
		}
		sim->owed = 0;
	} else {
		sim->owed += (sim->deaf ? sim->media_bps : MIN(rate, sim->media_bps)) / 8e6 * STEP_US;
	}
	for (; sim->owed > PACKET + BWE_OVERHEAD; sim->owed -= PACKET + BWE_OVERHEAD)
		sim_send(sim, PACKET, 0);
	sim->steps++;
	sim->rate_sum += rate;
	sim->rate_max = MAX(sim->rate_max, rate);
	sim->queue_ms_sum += MAX(sim->free_us - sim->now_us, 0) / 1000.0;
}

struct seen {
	double rate, rate_max, queue_ms, loss;
};

static struct seen sim_run(struct sim *sim, double seconds)
{
	int64_t until_us = sim->now_us + (int64_t)(seconds * 1e6);

	sim->steps = sim->sent = sim->lost = 0;
	sim->rate_sum = sim->queue_ms_sum = sim->rate_max = 0;
	while (sim->now_us < until_us)
		sim_step(sim);
	struct seen seen = { .rate = sim->rate_sum / sim->steps,
			     .rate_max = sim->rate_max,
			     .queue_ms = sim->queue_ms_sum / sim->steps,
			     .loss = sim->sent ? (double)sim->lost / sim->sent : 0 };
	printf("#   %.0f s: rate %.0f (max %.0f) kbit/s, queue %.0f ms, loss %.1f %%\n", seconds, seen.rate / 1000,
	       seen.rate_max / 1000, seen.queue_ms, seen.loss * 100);
	return seen;
}

static void assert_between(double value, double low, double high)
{
	if (value < low || value > high)
		fail_msg("%.3f is not between %.3f and %.3f", value, low, high);
}

/* The first probes: small, then as much more as they prove, each as soon as the last was told of. */
static void the_start_is_quick_on_a_wide_path(void **state)
{
	struct sim *sim = sim_new((struct path){ .bps = 100e6, .queue_ms = 300, .delay_us = 10000 }, 4e6);

	(void)state;
	assert_true(bwe_begins(&sim->bwe));
	sim_run(sim, 0.8);
	assert_true(bwe_rate(&sim->bwe, sim->now_us) >= 4e6);
	assert_in_range(sim->probes, 2, 4);
	free(sim);
}

/* A thin one is not filled by them, and the second that meets the bottleneck is the last. */
static void the_start_is_careful_on_a_thin_path(void **state)
{
	struct sim *sim = sim_new((struct path){ .bps = 300e3, .queue_ms = 300, .delay_us = 10000 }, 4e6);
	struct bwe_probe probe;

	(void)state;
	assert_true(bwe_probe_due(&sim->bwe, 4000000, sim->now_us, &probe));
	assert_int_equal(probe.bps, 600000);
	assert_in_range(probe.bytes, 1000, 1600);
	sim->bwe.cluster.begun_us = sim->bwe.probed_us = 0;
	struct seen seen = sim_run(sim, 3);
	assert_false(bwe_begins(&sim->bwe));
	assert_in_range(bwe_capacity(&sim->bwe), 250000, 320000);
	assert_between(seen.queue_ms, 0, 60);
	free(sim);
}

/* Who was to send feedback and does not is known after a while, once packets have gone out. */
static void who_never_tells_is_deaf(void **state)
{
	struct sim *sim = sim_new((struct path){ .bps = 1e6, .loss = 1, .delay_us = 10000 }, 200e3);

	(void)state;
	assert_false(bwe_is_deaf(&sim->bwe, sim->now_us + 60 * USEC_PER_SEC));
	sim_run(sim, 1);
	assert_false(bwe_is_deaf(&sim->bwe, sim->now_us));
	sim_run(sim, 1);
	assert_true(bwe_is_deaf(&sim->bwe, sim->now_us));
	free(sim);
}

static void test_bottleneck(void **state)
{
	const double bottlenecks[] = { 300e3, 1e6, 3e6 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bottlenecks); i++) {
		double bps = bottlenecks[i];
		struct sim *sim = sim_new((struct path){ .bps = bps, .queue_ms = 300, .delay_us = 25000 }, 4e6);
		sim_run(sim, 10);
		struct seen seen = sim_run(sim, 30);
		assert_between(seen.rate / bps, 0.70, 1.0);
		assert_between(seen.queue_ms, 0, 150);
		assert_between(seen.loss, 0, 0.02);
		free(sim);
	}
}

static void test_jitter(void **state)
{
	(void)state;
	struct sim *sim =
		sim_new((struct path){ .bps = 5e6, .queue_ms = 300, .delay_us = 70000, .jitter_ms = 60 }, 2e6);
	sim_run(sim, 15);
	struct seen seen = sim_run(sim, 20);
	assert_between(seen.rate, 1.5e6, 20e6);
	free(sim);
}

static void test_room_is_found_by_probing(void **state)
{
	(void)state;
	struct sim *sim = sim_new((struct path){ .bps = 10e6, .queue_ms = 300, .delay_us = 25000 }, 2.5e6);
	sim_run(sim, 3);
	struct seen seen = sim_run(sim, 10);
	assert_between(seen.rate, 2.5e6, 20e6);
	assert_true(sim->probes > 0);
	/* Nothing more is wanted than the rate allows: no more probes. */
	unsigned probes = sim->probes;
	sim_run(sim, 30);
	assert_int_equal(sim->probes, probes);
	free(sim);
}

static void test_random_loss_is_not_a_queue(void **state)
{
	const double losses[] = { 0.02, 0.05, 0.10 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(losses); i++) {
		struct sim *sim = sim_new(
			(struct path){ .bps = 5e6, .queue_ms = 300, .delay_us = 25000, .loss = losses[i] }, 2e6);
		sim_run(sim, 10);
		struct seen seen = sim_run(sim, 30);
		assert_between(seen.rate, 1.5e6, 20e6);
		/* Never, not even until that was known. */
		assert_int_equal(bwe_cut_us(&sim->bwe), 0);
		assert_between(bwe_loss(&sim->bwe), 0, 0);
		assert_between(bwe_lossy(&sim->bwe), losses[i] / 3, losses[i] * 2 + 0.02);
		free(sim);
	}
}

/* What nobody tells about is not lost. */
static void test_lost_feedback_is_no_loss(void **state)
{
	(void)state;
	struct sim *sim =
		sim_new((struct path){ .bps = 5e6, .queue_ms = 300, .delay_us = 25000, .loss_back = 0.2 }, 2e6);
	sim_run(sim, 60);
	assert_int_equal(bwe_cut_us(&sim->bwe), 0);
	assert_between(bwe_lossy(&sim->bwe), 0, 0.001);
	free(sim);
}

/* The path becomes narrow from one moment to the next: it is known when the first packets that waited have told. */
static void test_a_queue_that_jumps_up(void **state)
{
	(void)state;
	struct sim *sim = sim_new((struct path){ .bps = 3e6, .queue_ms = 300, .delay_us = 20000 }, 1.3e6);
	sim->deaf = true;
	sim_run(sim, 10);
	assert_int_equal(bwe_cut_us(&sim->bwe), 0);
	sim->path.bps = 500e3;
	sim_run(sim, 0.4);
	assert_true(bwe_cut_us(&sim->bwe) > 0);
	assert_between(bwe_rate(&sim->bwe, sim->now_us), 350e3, 500e3);
	free(sim);
}

static void test_policer(void **state)
{
	(void)state;
	/* Hardly any queue: loss is the only sign. */
	struct sim *sim = sim_new((struct path){ .bps = 1e6, .queue_ms = 12, .delay_us = 25000 }, 4e6);
	sim_run(sim, 15);
	struct seen seen = sim_run(sim, 40);
	assert_between(seen.rate, 0.5e6, 1.25e6);
	assert_between(seen.loss, 0, 0.15);
	free(sim);
}

static void test_drop_and_recovery(void **state)
{
	(void)state;
	struct sim *sim = sim_new((struct path){ .bps = 3e6, .queue_ms = 300, .delay_us = 25000 }, 2.5e6);
	struct seen seen = sim_run(sim, 15);
	assert_between(seen.rate_max, 2e6, 20e6);
	sim->path.bps = 500e3;
	sim_run(sim, 5);
	seen = sim_run(sim, 15);
	assert_between(seen.rate, 350e3, 500e3);
	assert_between(seen.queue_ms, 0, 150);
	sim->path.bps = 3e6;
	seen = sim_run(sim, 8);
	assert_between(seen.rate_max, 2e6, 20e6);
	seen = sim_run(sim, 10);
	assert_between(seen.rate, 2e6, 20e6);
	free(sim);
}

static void test_little_is_sent(void **state)
{
	(void)state;
	/* Sound only: it must neither starve nor grow without proof. */
	struct sim *sim = sim_new((struct path){ .bps = 2e6, .queue_ms = 300, .delay_us = 25000 }, 40e3);
	struct seen seen = sim_run(sim, 60);
	assert_between(seen.rate, 40e3, 2e6);
	assert_between(seen.loss, 0, 0);
	assert_int_equal(sim->probes, 0);
	free(sim);
}

static void test_silence(void **state)
{
	(void)state;
	struct sim *sim = sim_new((struct path){ .bps = 3e6, .queue_ms = 300, .delay_us = 25000 }, 2e6);
	sim_run(sim, 10);
	sim->path.loss = 1;
	sim_run(sim, 12);
	assert_int_equal(bwe_rate(&sim->bwe, sim->now_us), 30000);
	sim->path.loss = 0;
	struct seen seen = sim_run(sim, 15);
	assert_between(seen.rate_max, 1.5e6, 20e6);
	free(sim);
}

/* Scheduling on a machine with too much to do: delays rise and fall, and nothing is in the way. */
static void test_a_busy_receiver_is_no_queue(void **state)
{
	const double stalls_ms[] = { 10, 30, 60, 150 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(stalls_ms); i++) {
		struct sim *sim = sim_new(
			(struct path){ .bps = 50e6, .queue_ms = 300, .delay_us = 1000, .stall_ms = stalls_ms[i] },
			1.5e6);
		sim->deaf = true;
		sim_run(sim, 60);
		assert_int_equal(bwe_cut_us(&sim->bwe), 0);
		assert_between(bwe_rate(&sim->bwe, sim->now_us), 1.4e6, 20e6);
		free(sim);
	}
}

/* What is sent does not follow the estimate and is a little too much: the queue is full, which is no rising delay any
 * more, and little is lost. */
static void test_a_full_queue_is_seen(void **state)
{
	(void)state;
	struct sim *sim = sim_new((struct path){ .bps = 1e6, .queue_ms = 300, .delay_us = 25000 }, 1.05e6);
	sim->deaf = true;
	sim_run(sim, 15);
	for (unsigned i = 0; i < 10; i++) {
		sim_run(sim, 1);
		assert_between(sim->now_us - bwe_cut_us(&sim->bwe), 0, 1e6);
		assert_between(bwe_rate(&sim->bwe, sim->now_us), 0.75e6, 0.9e6);
		assert_between(bwe_queue_us(&sim->bwe), 80e3, 320e3);
	}
	/* It is sent less: the queue is gone, and the estimate is what was met. */
	sim->media_bps = 300e3;
	sim_run(sim, 2);
	assert_between(bwe_queue_us(&sim->bwe), 0, 15e3);
	assert_between(bwe_rate(&sim->bwe, sim->now_us), 0.5e6, 1.1e6);
	free(sim);
}

/* The seats send more than the estimate had seen, and it arrives: the path takes it. */
static void test_what_arrives_is_proven(void **state)
{
	(void)state;
	struct sim *sim = sim_new((struct path){ .bps = 20e6, .queue_ms = 300, .delay_us = 5000 }, 200e3);
	sim->deaf = true;
	sim_run(sim, 5);
	sim->media_bps = 3e6;
	sim_run(sim, 1);
	assert_between(bwe_rate(&sim->bwe, sim->now_us), 2.8e6, 20e6);
	assert_int_equal(bwe_cut_us(&sim->bwe), 0);
	free(sim);
}

static void test_after_an_outage_it_goes_on(void **state)
{
	(void)state;
	struct sim *sim = sim_new((struct path){ .bps = 3e6, .queue_ms = 300, .delay_us = 25000 }, 2e6);
	sim_run(sim, 10);
	double before = bwe_rate(&sim->bwe, sim->now_us);
	sim->path.loss = 1;
	sim_run(sim, 8);
	assert_int_equal(bwe_rate(&sim->bwe, sim->now_us), 30000);
	assert_between(sim->now_us - bwe_cut_us(&sim->bwe), 0, 1e6);
	sim->path.loss = 0;
	sim_run(sim, 2);
	assert_between(bwe_rate(&sim->bwe, sim->now_us), before / 3, before);
	free(sim);
}

static void test_nothing_sent_is_no_silence(void **state)
{
	struct bwe *bwe = malloc(sizeof(*bwe));

	(void)state;
	assert_non_null(bwe);
	bwe_init(bwe, 300000, 30000, 20000000, START_US);
	assert_int_equal(bwe_rate(bwe, START_US + 3600 * USEC_PER_SEC), 300000);
	free(bwe);
}

static void test_feedback_that_lies(void **state)
{
	struct bwe *bwe = malloc(sizeof(*bwe));
	uint8_t body[64] = { 0 };

	(void)state;
	assert_non_null(bwe);
	bwe_init(bwe, 300000, 30000, 20000000, START_US);
	/* Whatever it says of packets that were never sent changes nothing. */
	for (unsigned i = 0; i < 20000; i++) {
		struct rtcp_packet packet = {
			.type = RTCP_RTPFB, .count = RTCP_RTPFB_TWCC, .body = body, .len = 20 + i % 40
		};
		for (unsigned k = 0; k < sizeof(body); k++)
			body[k] = (uint8_t)(rand() >> 5);
		(void)bwe_on_feedback(bwe, &packet, START_US + i);
		assert_between(bwe_rate(bwe, START_US + i), 30000, 20000000);
	}
	assert_true(bwe_arriving(bwe) == 0);
	free(bwe);
}

static void test_padding_counts(void **state)
{
	static struct bwe bwe;

	(void)state;
	bwe_init(&bwe, 300000, 50000, 2000000, USEC_PER_SEC);
	bwe_on_sent(&bwe, 65535, 1000, 0, USEC_PER_SEC);
	bwe_on_padded(&bwe, 65535, 40);
	assert_int_equal(bwe.packet[65535 % BWE_HISTORY].bytes, 1040 + BWE_OVERHEAD);
	/* Of one that was not sent there is nothing to count. */
	bwe_on_padded(&bwe, 0, 40);
	assert_int_equal(bwe.packet[0].bytes, 0);
}

static void test_never_outside_its_limits(void **state)
{
	(void)state;
	struct sim *sim = sim_new((struct path){ .bps = 100e6, .queue_ms = 300, .delay_us = 1000 }, 50e6);
	struct seen seen = sim_run(sim, 60);
	assert_between(seen.rate_max, 10e6, 20e6);
	sim->path.bps = 10e3;
	sim_run(sim, 60);
	assert_between(bwe_rate(&sim->bwe, sim->now_us), 30000, 60000);
	free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_start_is_quick_on_a_wide_path),
		cmocka_unit_test(the_start_is_careful_on_a_thin_path),
		cmocka_unit_test(who_never_tells_is_deaf),
		cmocka_unit_test(test_bottleneck),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_room_is_found_by_probing),
		cmocka_unit_test(test_random_loss_is_not_a_queue),
		cmocka_unit_test(test_lost_feedback_is_no_loss),
		cmocka_unit_test(test_a_queue_that_jumps_up),
		cmocka_unit_test(test_policer),
		cmocka_unit_test(test_drop_and_recovery),
		cmocka_unit_test(test_little_is_sent),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_a_busy_receiver_is_no_queue),
		cmocka_unit_test(test_a_full_queue_is_seen),
		cmocka_unit_test(test_what_arrives_is_proven),
		cmocka_unit_test(test_after_an_outage_it_goes_on),
		cmocka_unit_test(test_nothing_sent_is_no_silence),
		cmocka_unit_test(test_feedback_that_lies),
		cmocka_unit_test(test_padding_counts),
		cmocka_unit_test(test_never_outside_its_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
