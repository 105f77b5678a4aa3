/* links: mediad */
#include "mediad/frame.h"
#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>

struct heard {
	unsigned n, stop_at;
	size_t len[64];
	uint8_t first[64], last[64];
};

static bool hear(void *arg, const uint8_t *packet, size_t len)
{
	struct heard *h = arg;

	assert_true(len > 0 && len <= FRAME_MAX && h->n < ARRAY_LEN(h->len));
	h->len[h->n] = len;
	h->first[h->n] = packet[0];
	h->last[h->n] = packet[len - 1];
	h->n++;
	return h->n != h->stop_at;
}

static size_t put(uint8_t *at, size_t len, uint8_t fill)
{
	at[0] = (uint8_t)(len >> 8);
	at[1] = (uint8_t)len;
	memset(at + 2, fill, len);
	return len + 2;
}

/* One, the longest, none, a middle one. */
static size_t stream(uint8_t *buf)
{
	size_t n = put(buf, 1, 'a');

	n += put(buf + n, FRAME_MAX, 'b');
	n += put(buf + n, 0, 0);
	n += put(buf + n, 300, 'c');
	return n;
}

static void packets_come_out_however_the_stream_is_cut(void **state)
{
	static uint8_t buf[8192];
	size_t len = stream(buf);

	(void)state;
	for (size_t step = 1; step <= len; step++) {
		struct frame_reader reader = { 0 };
		struct heard h = { 0 };
		for (size_t at = 0; at < len; at += step)
			assert_int_equal(frame_read(&reader, buf + at, MIN(step, len - at), hear, &h), 0);
		assert_int_equal(h.n, 3);
		assert_int_equal(h.len[0], 1);
		assert_int_equal(h.len[1], FRAME_MAX);
		assert_int_equal(h.len[2], 300);
		assert_true(h.first[0] == 'a' && h.last[1] == 'b' && h.first[1] == 'b' && h.last[2] == 'c');
		assert_int_equal(reader.have, 0);
	}
}

static void a_length_out_of_range_ends_the_stream(void **state)
{
	static uint8_t buf[2 * FRAME_MAX];
	size_t len = put(buf, 5, 'a');

	(void)state;
	buf[len] = (FRAME_MAX + 1) >> 8;
	buf[len + 1] = (FRAME_MAX + 1) & 255;
	for (size_t step = 1; step <= sizeof(buf); step = step < 16 ? step + 1 : step * 2) {
		struct frame_reader reader = { 0 };
		struct heard h = { 0 };
		int err = 0;
		for (size_t at = 0; at < sizeof(buf) && err == 0; at += step)
			err = frame_read(&reader, buf + at, MIN(step, sizeof(buf) - at), hear, &h);
		assert_int_equal(err, -EPROTO);
		assert_int_equal(h.n, 1);
	}
}

static void the_listener_may_end_it(void **state)
{
	static uint8_t buf[8192];
	struct frame_reader reader = { 0 };
	struct heard h = { .stop_at = 2 };

	(void)state;
	assert_int_equal(frame_read(&reader, buf, stream(buf), hear, &h), -ECANCELED);
	assert_int_equal(h.n, 2);
}

static void what_is_queued_leaves_whole_and_in_order(void **state)
{
	struct frame_queue queue;
	struct frame_reader reader = { 0 };
	struct heard h = { 0 };
	uint8_t packet[200];
	unsigned pushed = 0, refused = 0;

	(void)state;
	srand(4571);
	assert_int_equal(frame_queue_init(&queue, 1000), 0);
	while (pushed < 60) {
		struct iovec iov[2];
		size_t len = 1 + (size_t)rand() % sizeof(packet), before = queue.len;
		memset(packet, (int)pushed, len);
		int err = frame_push(&queue, packet, len, 700);
		if (err == 0) {
			pushed++;
			assert_int_equal(queue.len, before + 2 + len);
		} else {
			/* Not a byte of it. */
			assert_int_equal(err, -ENOSPC);
			assert_int_equal(queue.len, before);
			assert_true(before + 2 + len > 700);
			refused++;
		}
		/* The kernel takes any number of bytes. */
		int n = frame_waiting(&queue, iov);
		size_t take = queue.len > 400 || pushed == 60 ? 1 + (size_t)rand() % queue.len : 0;
		if (pushed == 60)
			take = queue.len;
		for (size_t left = take, i = 0; left > 0; i++) {
			assert_true((int)i < n);
			size_t piece = MIN(left, iov[i].iov_len);
			assert_int_equal(frame_read(&reader, iov[i].iov_base, piece, hear, &h), 0);
			left -= piece;
		}
		frame_sent(&queue, take);
	}
	assert_int_equal(h.n, 60);
	for (unsigned i = 0; i < 60; i++)
		assert_true(h.first[i] == i && h.last[i] == i);
	assert_true(refused > 0);
	assert_int_equal(frame_push(&queue, packet, UINT16_MAX + 1, 1000), -EMSGSIZE);
	frame_queue_fini(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_come_out_however_the_stream_is_cut),
		cmocka_unit_test(a_length_out_of_range_ends_the_stream),
		cmocka_unit_test(the_listener_may_end_it),
		cmocka_unit_test(what_is_queued_leaves_whole_and_in_order),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
