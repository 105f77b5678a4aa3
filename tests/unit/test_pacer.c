/* links: mediad */
/* A queue before a narrow path: sound passes it, and pictures leave in order as fast as the path takes them. */
#include "mediad/pacer.h"

#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>

#define SOUND_BYTES 140
#define STEP_US	    USEC_PER_MSEC

/* A link that takes so much and lets the rest wait. */
struct link {
	double bps;
	int64_t free_us;
	int64_t sound_us, picture_us; /* the longest that one waited in it */
};

static struct seat *const a_seat = (struct seat *)8, *const other_seat = (struct seat *)16;

static struct pacer *pacer_new(void)
{
	struct pacer *pacer = malloc(sizeof(*pacer));

	assert_non_null(pacer);
	memset(pacer, 0xa5, sizeof(*pacer)); /* as memory comes */
	pacer_init(pacer, 0);
	return pacer;
}

static void push(struct pacer *pacer, enum pacer_class class, uint64_t index, unsigned bytes, int64_t now_us)
{
	struct pacer_packet packet = {
		.seat = index % 2 ? a_seat : other_seat,
		.index = index,
		.since_us = now_us,
		.bytes = (uint16_t)bytes,
		.class = class,
	};

	pacer_push(pacer, &packet);
}

static void link_send(struct link *link, unsigned bytes, int64_t now_us, int64_t *longest_us)
{
	int64_t from_us = MAX(link->free_us, now_us);

	link->free_us = from_us + (int64_t)(bytes * 8e6 / link->bps);
	*longest_us = MAX(*longest_us, from_us - now_us);
}

/* Everything that may leave at that time; returns the packets. Pictures are numbered from *next on. */
static unsigned drain(struct pacer *pacer, struct link *link, double bps, uint64_t *next, int64_t now_us)
{
	const struct pacer_packet *packet;
	unsigned n = 0;

	while ((packet = pacer_next(pacer, bps, now_us))) {
		struct pacer_packet p = *packet;
		pacer_pop(pacer, p.class);
		if (p.class == PACER_PICTURE)
			assert_int_equal(p.index, (*next)++);
		pacer_on_sent(pacer, p.bytes, bps, now_us);
		if (link)
			link_send(link, p.bytes, now_us, &link->picture_us);
		n++;
	}
	return n;
}

/* A key frame of 60 packets comes at once, sound every 20 ms. Returns when the last packet had left. */
static int64_t key_frame(struct link *link, double bps, unsigned bytes)
{
	struct pacer *pacer = pacer_new();
	uint64_t next = 0;
	int64_t left_us = 0;

	for (int64_t now_us = 0; now_us < 3 * USEC_PER_SEC; now_us += STEP_US) {
		if (now_us % (20 * USEC_PER_MSEC) == 0) {
			link_send(link, SOUND_BYTES, now_us, &link->sound_us);
			pacer_on_sent(pacer, SOUND_BYTES, bps, now_us);
		}
		for (uint64_t i = 0; now_us == 100 * USEC_PER_MSEC && i < 60; i++)
			push(pacer, PACER_PICTURE, i, bytes, now_us);
		if (now_us % PACER_SLOT_US == 0 && drain(pacer, link, bps, &next, now_us) > 0)
			left_us = now_us;
	}
	assert_int_equal(next, 60);
	assert_int_equal(pacer_waits(pacer), 0);
	assert_int_equal(pacer->bytes, 0);
	free(pacer);
	return left_us;
}

static void a_key_frame_does_not_delay_sound(void **state)
{
	struct link thin = { .bps = 500e3 };

	(void)state;
	int64_t left_us = key_frame(&thin, 500e3, 1100);
	assert_in_range(thin.sound_us, 0, 20 * USEC_PER_MSEC - 1);
	assert_in_range(thin.picture_us, 0, 20 * USEC_PER_MSEC - 1);
	/* And no later than the link takes it anyway: 60 packets and the sound meanwhile. */
	assert_in_range(left_us, USEC_PER_SEC, 1500 * USEC_PER_MSEC);
	/* All at once, they stand before the sound. */
	struct link full = { .bps = 500e3 };
	left_us = key_frame(&full, 0, 1100);
	assert_int_equal(left_us, 100 * USEC_PER_MSEC);
	assert_true(full.sound_us > 500 * USEC_PER_MSEC);
}

static void nothing_waits_without_need(void **state)
{
	struct pacer *pacer = pacer_new();

	(void)state;
	/* No limit: whatever comes. */
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(pacer_passes(pacer, PACER_PICTURE, 0, 0));
		pacer_on_sent(pacer, 1200, 0, 0);
	}
	/* A stream below the rate, packet by packet. */
	for (int64_t now_us = USEC_PER_SEC; now_us < 3 * USEC_PER_SEC; now_us += 10 * USEC_PER_MSEC) {
		assert_true(pacer_passes(pacer, PACER_PICTURE, 1e6, now_us));
		pacer_on_sent(pacer, 1200, 1e6, now_us);
	}
	free(pacer);
}

static void silence_saves_up_one_slot(void **state)
{
	struct pacer *pacer = pacer_new();
	unsigned n = 0;

	(void)state;
	for (; pacer_passes(pacer, PACER_PICTURE, 8e6, 60 * USEC_PER_SEC); n++) /* 5000 bytes in 5 ms */
		pacer_on_sent(pacer, 1000, 8e6, 60 * USEC_PER_SEC);
	assert_int_equal(n, 5);
	assert_true(pacer_passes(pacer, PACER_PICTURE, 8e6, 60 * USEC_PER_SEC + 100));
	free(pacer);
}

static void what_is_sent_again_goes_first(void **state)
{
	struct pacer *pacer = pacer_new();
	uint64_t next = 0;

	(void)state;
	pacer_on_sent(pacer, 1200, 1e6, 1);
	for (uint64_t i = 0; i < 10; i++)
		push(pacer, PACER_PICTURE, i, 1200, 1);
	/* One that comes now stands behind the others, even when there is room. */
	assert_false(pacer_passes(pacer, PACER_PICTURE, 1e6, 20 * USEC_PER_MSEC));
	assert_true(pacer_passes(pacer, PACER_AGAIN, 1e6, 20 * USEC_PER_MSEC));
	push(pacer, PACER_AGAIN, 100, 1200, 1);
	push(pacer, PACER_AGAIN, 101, 1200, 1);
	assert_false(pacer_passes(pacer, PACER_AGAIN, 1e6, 20 * USEC_PER_MSEC));
	for (uint64_t i = 100; i < 102; i++) {
		int64_t now_us = (int64_t)i * 100 * USEC_PER_MSEC;
		const struct pacer_packet *packet = pacer_next(pacer, 1e6, now_us);
		assert_non_null(packet);
		assert_int_equal(packet->index, i);
		pacer_pop(pacer, PACER_AGAIN);
	}
	drain(pacer, NULL, 0, &next, 20 * USEC_PER_SEC);
	assert_int_equal(next, 10);
	free(pacer);
}

/* More comes than the rate allows, for a minute: the queue stands, but not for longer than the limit, and not a packet
 * is missing. */
static void a_queue_stands_no_longer_than_its_limit(void **state)
{
	struct pacer *pacer = pacer_new();
	uint64_t next = 0, pushed = 0;
	int64_t longest_us = 0;

	(void)state;
	for (int64_t now_us = 0; now_us < 60 * USEC_PER_SEC; now_us += PACER_SLOT_US) {
		if (now_us % (10 * USEC_PER_MSEC) == 0) { /* 960 kbit/s */
			assert_false(pacer_is_full(pacer, PACER_PICTURE));
			push(pacer, PACER_PICTURE, pushed++, 1200, now_us);
		}
		longest_us = MAX(longest_us, pacer_wait_us(pacer, now_us));
		drain(pacer, NULL, 100e3, &next, now_us);
	}
	assert_in_range(longest_us, 250 * USEC_PER_MSEC, PACER_WAIT_MAX_US);
	drain(pacer, NULL, 0, &next, 60 * USEC_PER_SEC);
	assert_int_equal(next, pushed);
	free(pacer);
}

static void no_debt_is_for_ever(void **state)
{
	struct pacer *pacer = pacer_new();
	uint64_t next = 0;

	(void)state;
	/* Sound alone is more than the rate for ten seconds. */
	for (int64_t now_us = 0; now_us < 10 * USEC_PER_SEC; now_us += 20 * USEC_PER_MSEC)
		pacer_on_sent(pacer, 400, 50e3, now_us);
	push(pacer, PACER_PICTURE, 0, 1000, 10 * USEC_PER_SEC);
	assert_int_equal(drain(pacer, NULL, 50e3, &next, 10 * USEC_PER_SEC), 0);
	assert_int_equal(drain(pacer, NULL, 50e3, &next, 10 * USEC_PER_SEC + 500 * USEC_PER_MSEC), 1);
	free(pacer);
}

static void seats_are_forgotten(void **state)
{
	struct pacer *pacer = pacer_new();

	(void)state;
	for (uint64_t i = 0; i < 8; i++)
		push(pacer, i < 4 ? PACER_AGAIN : PACER_PICTURE, i, 100, 0);
	pacer_forget(pacer, a_seat);
	for (unsigned c = 0; c < PACER_CLASSES; c++) {
		for (const struct pacer_packet *p; (p = pacer_oldest(pacer, c)); pacer_pop(pacer, c))
			assert_ptr_equal(p->seat, p->index % 2 ? NULL : other_seat);
	}
	free(pacer);
}

/* Whatever comes at whatever rate, round the queue's end many times. */
static void order_is_kept_and_nothing_is_lost(void **state)
{
	struct pacer *pacer = pacer_new();
	uint64_t next = 0, pushed = 0, again = 0;
	uint32_t random = 1;
	double bps = 1e6;

	(void)state;
	for (int64_t now_us = 0; now_us < 300 * USEC_PER_SEC; now_us += PACER_SLOT_US) {
		random = random * 1664525 + 1013904223;
		if (random >> 26 == 0)
			bps = 50e3 + (random >> 8) % 3000000;
		for (unsigned i = random >> 16 & 7; i > 5 && !pacer_is_full(pacer, PACER_PICTURE); i--)
			push(pacer, PACER_PICTURE, pushed++, 200 + random % 1000, now_us);
		if ((random >> 20) % 16 == 0 && !pacer_is_full(pacer, PACER_AGAIN))
			push(pacer, PACER_AGAIN, again++, 1200, now_us);
		drain(pacer, NULL, bps, &next, now_us);
		assert_true(pacer_wait_us(pacer, now_us) < PACER_WAIT_MAX_US);
	}
	drain(pacer, NULL, 0, &next, 300 * USEC_PER_SEC);
	assert_int_equal(next, pushed);
	assert_int_equal(pacer_waits(pacer), 0);
	assert_int_equal(pacer->bytes, 0);
	assert_true(pushed > 20000 && again > 1000);
	free(pacer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_frame_does_not_delay_sound),
		cmocka_unit_test(nothing_waits_without_need),
		cmocka_unit_test(silence_saves_up_one_slot),
		cmocka_unit_test(what_is_sent_again_goes_first),
		cmocka_unit_test(a_queue_stands_no_longer_than_its_limit),
		cmocka_unit_test(no_debt_is_for_ever),
		cmocka_unit_test(seats_are_forgotten),
		cmocka_unit_test(order_is_kept_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
