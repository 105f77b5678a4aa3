/* links: mediad */
#include "lib/err.h"
#include "mediad/runs.h"
#include "tests/support/cm.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PICTURE 255

static struct run_packet packets[RUN_PACKETS];
static unsigned packets_len;

static void packet(uint32_t ssrc, unsigned len, unsigned room)
{
	packets[packets_len++] = (struct run_packet){ .ssrc = ssrc, .len = (uint16_t)len, .room = (uint8_t)room };
}

/* Forms them, and checks everything that holds for any. */
static struct runs form(void)
{
	bool seen[RUN_PACKETS] = { false };
	struct runs runs;
	unsigned done = 0;

	runs_form(packets, packets_len, &runs);
	for (unsigned r = 0; r < runs.runs_len; r++) {
		const uint8_t *order = runs.order + done;
		unsigned bytes = 0, size = packets[order[0]].len + runs.padding[order[0]];
		assert_in_range(runs.len[r], 1, RUN_PACKETS);
		for (unsigned i = 0; i < runs.len[r]; i++) {
			const struct run_packet *p = &packets[order[i]];
			unsigned padding = runs.padding[order[i]];
			assert_in_range(order[i], 0, packets_len - 1);
			assert_false(seen[order[i]]);
			seen[order[i]] = true;
			for (unsigned k = 0; k < order[i]; k++)
				assert_true(seen[k] || packets[k].ssrc != p->ssrc);
			assert_true(padding <= p->room);
			assert_true(padding <= RUN_PADDING(size));
			if (i + 1 < runs.len[r])
				assert_int_equal(p->len + padding, size);
			else
				assert_true(padding == 0 && p->len <= size);
			bytes += p->len + padding;
		}
		assert_true(runs.len[r] == 1 || bytes <= RUN_BYTES);
		done += runs.len[r];
	}
	assert_int_equal(done, packets_len);
	packets_len = 0;
	return runs;
}

static unsigned padding_of(const struct runs *runs, unsigned n)
{
	unsigned bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += runs->padding[i];
	return bytes;
}

static void makes_one_run_of_a_picture_whose_packets_differ_by_a_byte(void **state)
{
	(void)state;
	packet(1, 1151, PICTURE);
	packet(1, 1151, PICTURE);
	packet(1, 1152, PICTURE);
	packet(1, 1152, PICTURE);
	struct runs runs = form();
	assert_int_equal(runs.runs_len, 1);
	assert_int_equal(padding_of(&runs, 4), 2);
	/* The longer ones first: only what is not the last needs to be padded. */
	packet(1, 1152, PICTURE);
	packet(1, 1151, PICTURE);
	packet(1, 1151, PICTURE);
	runs = form();
	assert_int_equal(runs.runs_len, 1);
	assert_int_equal(padding_of(&runs, 3), 1);
}

static void ends_a_run_with_the_rest_of_a_picture(void **state)
{
	(void)state;
	packet(1, 1200, PICTURE);
	packet(1, 1200, PICTURE);
	packet(1, 300, PICTURE);
	packet(1, 1200, PICTURE);
	packet(1, 1200, PICTURE);
	packet(1, 301, PICTURE);
	struct runs runs = form();
	assert_int_equal(runs.runs_len, 2);
	assert_int_equal(padding_of(&runs, 6), 0);
}

static void never_pads_sound(void **state)
{
	(void)state;
	packet(1, 100, 0);
	packet(2, 101, 0);
	packet(3, 102, 0);
	struct runs runs = form();
	assert_int_equal(runs.runs_len, 2); /* 102 and 101, 100 */
	assert_int_equal(runs.order[0], 2);
	assert_int_equal(padding_of(&runs, 3), 0);
	packet(1, 80, 0);
	packet(2, 80, 0);
	packet(3, 80, 0);
	runs = form();
	assert_int_equal(runs.runs_len, 1);
}

static void lets_small_pictures_of_different_people_share_a_message(void **state)
{
	(void)state;
	packet(1, 500, PICTURE);
	packet(2, 700, PICTURE);
	packet(3, 600, PICTURE);
	packet(4, 610, PICTURE);
	struct runs runs = form();
	assert_int_equal(runs.runs_len, 2); /* 700 + 610, 600 + 500 */
	/* Those of one person must keep their order. */
	packet(1, 500, PICTURE);
	packet(1, 600, PICTURE);
	packet(1, 700, PICTURE);
	runs = form();
	assert_int_equal(runs.runs_len, 3);
}

static void stays_within_what_one_message_may_carry(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RUN_PACKETS; i++)
		packet(1, 1000, PICTURE);
	struct runs runs = form();
	assert_int_equal(runs.runs_len, 1);
	assert_int_equal(runs.len[0], 64);
	for (unsigned i = 0; i < RUN_PACKETS; i++)
		packet(1, 1200, PICTURE);
	runs = form();
	assert_int_equal(runs.runs_len, 2);
	assert_int_equal(runs.len[0], RUN_BYTES / 1200);
}

static void leaves_alone_what_cannot_be_padded_that_much(void **state)
{
	(void)state;
	packet(1, 1000, 2); /* has padding of its own */
	packet(1, 1003, PICTURE);
	packet(1, 1003, PICTURE);
	struct runs runs = form();
	assert_int_equal(runs.runs_len, 2);
	assert_int_equal(padding_of(&runs, 3), 0);
	/* Not byte by byte beyond the limit either. */
	for (unsigned i = 0; i < 40; i++)
		packet(1, 1000 + i, PICTURE);
	runs = form();
	assert_true(runs.runs_len > 1);
}

static void keeps_its_promises_whatever_comes(void **state)
{
	(void)state;
	unsigned n = 0, messages = 0;

	srandom(20250711);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned len = 1 + (unsigned)random() % RUN_PACKETS, ssrcs = 1 + (unsigned)random() % 9;
		unsigned base = 60 + (unsigned)random() % 1300, spread = 1 + (unsigned)random() % 160;
		for (unsigned i = 0; i < len; i++)
			packet((uint32_t)random() % ssrcs, base + (unsigned)random() % spread,
			       random() % 4 ? PICTURE : (unsigned)random() % 12);
		n += len;
		messages += form().runs_len;
	}
	assert_true(messages < n / 2);
}

static void sends_each_by_itself_where_it_has_to(void **state)
{
	(void)state;
	struct runs runs;

	runs_single(3, &runs);
	assert_int_equal(runs.runs_len, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(runs.len[i], 1);
		assert_int_equal(runs.order[i], i);
		assert_int_equal(runs.padding[i], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_one_run_of_a_picture_whose_packets_differ_by_a_byte),
		cmocka_unit_test(ends_a_run_with_the_rest_of_a_picture),
		cmocka_unit_test(never_pads_sound),
		cmocka_unit_test(lets_small_pictures_of_different_people_share_a_message),
		cmocka_unit_test(stays_within_what_one_message_may_carry),
		cmocka_unit_test(leaves_alone_what_cannot_be_padded_that_much),
		cmocka_unit_test(keeps_its_promises_whatever_comes),
		cmocka_unit_test(sends_each_by_itself_where_it_has_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
