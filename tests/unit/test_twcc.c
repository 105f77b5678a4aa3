/* links: mediad */
#include "lib/twcc.h"

#include "lib/clock.h"
#include "tests/support/cm.h"

#include <stdlib.h>

struct told {
	unsigned received, lost;
	uint16_t first, last;
};

static void note(void *arg, uint16_t seq, bool received, int64_t at_us)
{
	struct told *told = arg;

	(void)at_us;
	if (told->received + told->lost == 0)
		told->first = seq;
	told->last = seq;
	if (received)
		told->received++;
	else
		told->lost++;
}

/* Builds what is due; how many packets it took. */
static unsigned build(struct twcc *twcc, int64_t now_us, struct told *ret_told)
{
	unsigned n = 0;

	*ret_told = (struct told){ 0 };
	for (;;) {
		uint8_t buf[1200];
		struct rtcp_out out = { .data = buf, .cap = sizeof(buf) };
		struct rtcp_packet packet;
		struct rtcp_twcc head;
		const uint8_t *data = buf;
		if (twcc_build(twcc, &out, 1, 2, now_us) < 0)
			break;
		size_t len = out.len;
		assert_int_equal(rtcp_next(&data, &len, &packet), 0);
		assert_int_equal(rtcp_read_twcc(&packet, &head, note, ret_told), 0);
		assert_int_equal(head.number, (uint8_t)(twcc->number - 1));
		n++;
	}
	assert_true(twcc_due_us(twcc) == TWCC_NEVER_DUE);
	return n;
}

static void feedback_is_due_by_time_and_marker(void **state)
{
	struct twcc *t = malloc(sizeof(*t));
	struct told told;
	int64_t now = 1000000;

	(void)state;
	assert_non_null(t);
	twcc_init(t);
	assert_true(twcc_due_us(t) == TWCC_NEVER_DUE);
	assert_int_equal(build(t, now, &told), 0);
	twcc_on_packet(t, 65534, false, now);
	assert_int_equal(twcc_due_us(t), now + 100000);
	twcc_on_packet(t, 65535, true, now + 1000);
	assert_int_equal(twcc_due_us(t), now + 1000);
	assert_int_equal(build(t, now + 1000, &told), 1);
	assert_int_equal(told.received, 2);
	assert_int_equal(told.first, 65534);
	twcc_on_packet(t, 2, true, now + 11000); /* too soon for a marker */
	assert_int_equal(twcc_due_us(t), now + 111000);
	twcc_on_packet(t, 3, true, now + 51000);
	assert_int_equal(twcc_due_us(t), now + 51000);
	assert_int_equal(build(t, now + 51000, &told), 1);
	assert_int_equal(told.received, 2);
	assert_int_equal(told.lost, 2); /* 0 and 1 */
	assert_int_equal(told.first, 0);
	twcc_on_packet(t, 1, false, now + 60000); /* came after all: told again from there */
	assert_int_equal(build(t, now + 160000, &told), 1);
	assert_int_equal(told.first, 1);
	assert_int_equal(told.received, 3);
	twcc_on_packet(t, 3, false, now + 170000); /* twice */
	assert_int_equal(build(t, now + 170000, &told), 0);
	free(t);
}

/* Over a narrow way back. */
static void feedback_is_as_far_apart_as_the_caller_wants(void **state)
{
	struct twcc *t = malloc(sizeof(*t));
	struct told told;
	int64_t now = 1000000;

	(void)state;
	assert_non_null(t);
	twcc_init(t);
	t->apart_us = 250000;
	twcc_on_packet(t, 1, true, now);
	assert_int_equal(twcc_due_us(t), now); /* nothing was told before */
	assert_int_equal(build(t, now, &told), 1);
	twcc_on_packet(t, 2, true, now + 60000);
	assert_int_equal(twcc_due_us(t), now + 250000);
	twcc_on_packet(t, 3, true, now + 120000);
	assert_int_equal(twcc_due_us(t), now + 250000);
	assert_int_equal(build(t, now + 250000, &told), 1);
	assert_int_equal(told.received, 2);
	twcc_on_packet(t, 4, true, now + 600000);
	assert_int_equal(twcc_due_us(t), now + 600000);
	for (uint16_t i = 5; i < 5 + TWCC_WINDOW / 2; i++)
		twcc_on_packet(t, i, false, now + 600001);
	t->apart_us = 0;
	assert_true(build(t, now + 600001, &told) > 0);
	twcc_on_packet(t, 2000, true, now + 700001);
	assert_int_equal(twcc_due_us(t), now + 700001);
	free(t);
}

static void every_packet_is_told(void **state)
{
	struct twcc *t = malloc(sizeof(*t));
	struct told told;
	unsigned received = 0, sent = 0, lost = 0, feedbacks = 0;
	int64_t now = 5000000;

	(void)state;
	assert_non_null(t);
	twcc_init(t);
	for (unsigned i = 0; i < 200000; i++, now += 300) {
		if (i % 7 == 3)
			continue;
		twcc_on_packet(t, (uint16_t)i, i % 5 == 0, now);
		sent++;
		if (twcc_due_us(t) > now)
			continue;
		feedbacks += build(t, now, &told);
		received += told.received;
		lost += told.lost;
	}
	build(t, now, &told);
	assert_int_equal(received + told.received, sent);
	assert_true(lost + told.lost >= 200000 / 7 - 1);
	assert_true(feedbacks >= 60000000 / 100000 && feedbacks <= 60000000 / 45000);
	free(t);
}

static void jumps_and_floods_are_bounded(void **state)
{
	struct twcc *t = malloc(sizeof(*t));
	struct told told;
	uint32_t seq = 0;

	(void)state;
	assert_non_null(t);
	twcc_init(t);
	for (unsigned i = 0; i < 50000; i++) {
		seq = seq * 1664525 + 1013904223;
		twcc_on_packet(t, (uint16_t)(seq >> 16), false, 1000 + (int64_t)i * 10);
		assert_true(t->highest - t->begin < TWCC_WINDOW);
		if (i % 100 == 0)
			assert_true(build(t, 1000 + (int64_t)i * 10, &told) < 50);
	}
	/* No marker ever, and no time: half a window is told at once. */
	twcc_init(t);
	for (unsigned i = 0; i <= TWCC_WINDOW / 2; i++)
		twcc_on_packet(t, (uint16_t)i, false, 1000);
	assert_int_equal(twcc_due_us(t), 1000);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(feedback_is_due_by_time_and_marker),
		cmocka_unit_test(feedback_is_as_far_apart_as_the_caller_wants),
		cmocka_unit_test(every_packet_is_told),
		cmocka_unit_test(jumps_and_floods_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
