/* links: mediad */
/* Sound that is sent twice: when, how often, and how it is written. On a clock that we move. */
#include "mediad/red.h"

#include "mediad/codec.h"
#include "lib/rtp.h"
#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>

#define WIDE 2000000

static int64_t run(struct red *red, double loss, uint32_t room_bps, unsigned streams, int64_t from_us, double seconds)
{
	int64_t until_us = from_us + (int64_t)(seconds * USEC_PER_SEC);

	for (; from_us < until_us; from_us += RED_LOOK_US)
		red_look(red, loss, room_bps, streams, from_us);
	return from_us;
}

static void it_begins_with_loss_and_ends_after_it(void **state)
{
	struct red red = { 0 };
	int64_t now_us = run(&red, 0, WIDE, 1, USEC_PER_SEC, 60);

	(void)state;
	assert_int_equal(red.depth, 0);
	/* One packet of many is no reason, */
	now_us = run(&red, 0.02, WIDE, 1, now_us, 0.4);
	now_us = run(&red, 0, WIDE, 1, now_us, 10);
	assert_int_equal(red.depth, 0);
	/* more are, in seconds. */
	now_us = run(&red, 0.05, WIDE, 1, now_us, 2);
	assert_int_equal(red.depth, RED_DEPTH_MAX);
	/* Pauses between losses are no end, a long one is. */
	for (unsigned i = 0; i < 10; i++) {
		now_us = run(&red, 0.1, WIDE, 1, now_us, 1);
		now_us = run(&red, 0, WIDE, 1, now_us, 10);
		assert_int_equal(red.depth, RED_DEPTH_MAX);
	}
	now_us = run(&red, 0, WIDE, 1, now_us, 40);
	assert_int_equal(red.depth, 0);
	assert_false(red_is_due(&red, now_us - RED_LOOK_US + 1));
	assert_true(red_is_due(&red, now_us));
}

static void rare_bursts_count_as_their_mean(void **state)
{
	struct red red = { 0 };
	int64_t now_us = USEC_PER_SEC;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		now_us = run(&red, 0.08, WIDE, 1, now_us, 0.4);
		now_us = run(&red, 0, WIDE, 1, now_us, 1.2);
	}
	assert_int_equal(red.depth, RED_DEPTH_MAX);
}

static void a_thin_path_gets_fewer_copies_or_none(void **state)
{
	struct red red = { 0 };
	int64_t now_us = run(&red, 0.1, WIDE, 1, USEC_PER_SEC, 5);

	(void)state;
	assert_int_equal(red.depth, 2);
	/* Less at once, */
	assert_int_equal(red_look(&red, 0.1, RED_ALL_BPS - 1, 1, now_us), 1);
	assert_int_equal(red_look(&red, 0.1, RED_ONE_BPS - 1, 1, now_us), 0);
	/* more after a while. */
	assert_int_equal(red_look(&red, 0.1, WIDE, 1, now_us + RED_ROOM_US - 1), 0);
	assert_int_equal(red_look(&red, 0.1, WIDE, 1, now_us + RED_ROOM_US), 2);
	/* Each who speaks needs his own. */
	now_us += RED_ROOM_US + RED_LOOK_US;
	assert_int_equal(red_look(&red, 0.1, 2 * RED_ONE_BPS, 2, now_us), 1);
	assert_int_equal(red_look(&red, 0.1, 2 * RED_ONE_BPS, 3, now_us), 0);
	/* 40 kbit/s are for the sound itself. */
	now_us = run(&red, 0.3, 40000, 1, now_us, 60);
	assert_int_equal(red.depth, 0);
}

static void what_is_written_is_read(void **state)
{
	uint8_t sound[3][RED_BLOCK_MAX], p[RED_BLOCK_MAX * 3 + 9];

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 2000; round++) {
		struct red_block block[RED_DEPTH_MAX];
		unsigned n = (unsigned)rand() % (RED_DEPTH_MAX + 1);
		size_t len = 1 + (size_t)rand() % RED_BLOCK_MAX, total = 1 + len, at = 0;
		uint8_t type = 0;
		memset(sound[2], 2 + (int)round, len);
		for (unsigned i = 0; i < n; i++) {
			block[i] = (struct red_block){
				.data = sound[i],
				.len = RED_SILENCE_MAX + 1 + (size_t)rand() % (RED_BLOCK_MAX - RED_SILENCE_MAX),
				.age = 1 + (uint32_t)rand() % RED_AGE_MAX,
			};
			assert_true(red_takes(&block[i]));
			memset(sound[i], (int)(i + round), block[i].len);
			total += RED_HEADER_LEN + block[i].len;
		}
		uint8_t *exact = malloc(total); /* so that a sanitizer sees a step too far */
		assert_int_equal(red_write(exact, total - 1, 111, block, n, sound[2], len), 0);
		assert_int_equal(red_write(exact, total, 111, block, n, sound[2], len), total);
		memcpy(p, exact, total);
		free(exact);
		size_t own = codec_red_primary(p, total, &type);
		assert_int_equal(own, total - len);
		assert_int_equal(type, 111);
		assert_memory_equal(p + own, sound[2], len);
		at = n * RED_HEADER_LEN + 1u;
		for (unsigned i = 0; i < n; i++) {
			const uint8_t *header = p + i * RED_HEADER_LEN;
			assert_int_equal(header[0], 0x80 | 111);
			assert_int_equal(rtp_get16(header + 1) >> 2, block[i].age);
			assert_int_equal(rtp_get16(header + 2) & RED_BLOCK_MAX, block[i].len);
			assert_memory_equal(p + at, sound[i], block[i].len);
			at += block[i].len;
		}
		assert_int_equal(at, own);
	}
}

static void what_a_header_cannot_say_is_left_out(void **state)
{
	const struct red_block good = { .len = 80, .age = 960 };
	struct red_block b;

	(void)state;
	assert_true(red_takes(&good));
	b = good, b.age = RED_AGE_MAX + 1;
	assert_false(red_takes(&b));
	b = good, b.age = 0; /* two packets of one time */
	assert_false(red_takes(&b));
	b = good, b.age = (uint32_t)-960; /* a later one, which overtook */
	assert_false(red_takes(&b));
	b = good, b.len = RED_BLOCK_MAX + 1;
	assert_false(red_takes(&b));
	b = good, b.len = RED_SILENCE_MAX;
	assert_false(red_takes(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_begins_with_loss_and_ends_after_it),
		cmocka_unit_test(rare_bursts_count_as_their_mean),
		cmocka_unit_test(a_thin_path_gets_fewer_copies_or_none),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_a_header_cannot_say_is_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
