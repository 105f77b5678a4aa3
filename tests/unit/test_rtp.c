/* links: mediad */
#include "lib/rtp.h"

#include "tests/support/cm.h"

#include <string.h>

static void plain_packet(void **state)
{
	const uint8_t p[] = { 0x80, 0xe0 | 0x60, 0x12, 0x34, 0, 0, 1, 0, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3 };
	struct rtp rtp;

	(void)state;
	assert_int_equal(rtp_parse(p, sizeof(p), &rtp), 0);
	assert_true(rtp.marker);
	assert_int_equal(rtp.payload_type, 0x60);
	assert_int_equal(rtp.seq, 0x1234);
	assert_int_equal(rtp.timestamp, 256);
	assert_int_equal(rtp.ssrc, 0xdeadbeef);
	assert_int_equal(rtp.payload_offset, 12);
	assert_int_equal(rtp.payload_len, 3);
	assert_int_equal(rtp.elements_len, 0);
}

static void cut_packets_are_refused(void **state)
{
	/* Two CSRCs, an extension of one word, four bytes of which two are padding. */
	const uint8_t p[] = { 0xb2, 96, 0, 1, 0,    0,	  0, 1, 0,    0, 0, 1, 0,   0,	 0, 2,
			      0,    0,	0, 3, 0xbe, 0xde, 0, 1, 0x10, 7, 0, 0, 'a', 'b', 0, 2 };
	struct rtp rtp;

	(void)state;
	assert_int_equal(rtp_parse(p, sizeof(p), &rtp), 0);
	assert_int_equal(rtp.payload_offset, 28);
	assert_int_equal(rtp.payload_len, 2);
	assert_int_equal(rtp.padding_len, 2);
	assert_non_null(rtp_find(&rtp, 1));
	assert_int_equal(rtp_find(&rtp, 1)->data[0], 7);
	assert_null(rtp_find(&rtp, 2));
	assert_null(rtp_find(&rtp, 0));
	for (size_t len = 0; len < 28; len++)
		assert_int_equal(rtp_parse(p, len, &rtp), -EPROTO);
}

static void bad_packets_are_refused(void **state)
{
	uint8_t p[32] = { 0x80, 96 };
	struct rtp rtp;

	(void)state;
	p[0] = 0x40;
	assert_int_equal(rtp_parse(p, sizeof(p), &rtp), -EPROTO);
	p[0] = 0xa0; /* padding of 0 bytes, of too many, of all */
	assert_int_equal(rtp_parse(p, sizeof(p), &rtp), -EPROTO);
	p[31] = 21;
	assert_int_equal(rtp_parse(p, sizeof(p), &rtp), -EPROTO);
	p[31] = 20;
	assert_int_equal(rtp_parse(p, sizeof(p), &rtp), 0);
	assert_int_equal(rtp.payload_len, 0);
	p[0] = 0x90; /* extension longer than the packet */
	p[15] = 5;
	assert_int_equal(rtp_parse(p, sizeof(p), &rtp), -EPROTO);
}

static void one_byte_elements(void **state)
{
	uint8_t p[] = { 0x90, 96, 0,	0, 0, 0, 0,    0, 0,	0,    0, 1, 0xbe, 0xde,
			0,    3,  0x11, 1, 2, 0, 0x20, 9, 0xf0, 0x30, 0, 0, 0,	  0 };
	struct rtp rtp;

	(void)state;
	assert_int_equal(rtp_parse(p, sizeof(p), &rtp), 0);
	assert_int_equal(rtp.elements_len, 2); /* id 15 ends the list */
	assert_int_equal(rtp_find(&rtp, 1)->len, 2);
	assert_int_equal(rtp_find(&rtp, 2)->data[0], 9);
	p[22] = 0x3f; /* runs over the block: ignored, the packet stands */
	assert_int_equal(rtp_parse(p, sizeof(p), &rtp), 0);
	assert_int_equal(rtp.elements_len, 2);
}

static void two_byte_elements(void **state)
{
	uint8_t p[] = { 0x90, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 0x05, 0, 2, 20, 0, 0, 1, 2, 'x', 'y', 0 };
	struct rtp rtp;

	(void)state;
	assert_int_equal(rtp_parse(p, sizeof(p), &rtp), 0);
	assert_int_equal(rtp.elements_len, 2);
	assert_int_equal(rtp_find(&rtp, 20)->len, 0);
	assert_int_equal(rtp_find(&rtp, 1)->len, 2);
	p[20] = 200;
	assert_int_equal(rtp_parse(p, sizeof(p), &rtp), 0);
}

static void writes_what_it_reads(void **state)
{
	(void)state;
	for (unsigned two = 0; two < 2; two++) {
		uint8_t p[100];
		struct rtp_writer w;
		struct rtp rtp;
		rtp_begin(&w, p, sizeof(p), two);
		rtp_add(&w, 0, "not negotiated", 14);
		rtp_add(&w, 3, "mid", 3);
		rtp_add(&w, two ? 200 : 14, "0123456789abcdef", 16);
		assert_int_equal(rtp_end(&w, 111, true, 65535, 77, 88), 0);
		assert_int_equal(w.len % 4, 0);
		assert_int_equal(rtp_parse(p, w.len, &rtp), 0);
		assert_int_equal(rtp.payload_len, 0);
		assert_int_equal(rtp.elements_len, 2);
		assert_memory_equal(rtp_find(&rtp, 3)->data, "mid", 3);
		assert_int_equal(rtp_find(&rtp, two ? 200 : 14)->len, 16);
		assert_int_equal(rtp.seq, 65535);
		assert_true(rtp.marker);
	}
}

static void writer_keeps_its_bounds(void **state)
{
	uint8_t p[64];
	struct rtp_writer w;

	(void)state;
	rtp_begin(&w, p, 64, false);
	rtp_add(&w, 15, "x", 1);
	assert_int_equal(rtp_end(&w, 0, false, 0, 0, 0), -ENOSPC);
	rtp_begin(&w, p, 64, false);
	rtp_add(&w, 1, "01234567890123456", 17);
	assert_int_equal(rtp_end(&w, 0, false, 0, 0, 0), -ENOSPC);
	for (size_t cap = 0; cap <= 64; cap++) {
		memset(p, 0xee, sizeof(p));
		rtp_begin(&w, p, cap, true);
		for (unsigned i = 1; i < 5; i++)
			rtp_add(&w, (uint8_t)i, "0123456789", 9);
		int err = rtp_end(&w, 0, false, 0, 0, 0);
		assert_true(err == -ENOSPC || w.len <= cap);
		for (size_t i = cap; i < sizeof(p); i++)
			assert_int_equal(p[i], 0xee);
	}
	rtp_begin(&w, p, 64, false);
	assert_int_equal(rtp_end(&w, 0, false, 0, 0, 0), 0);
	assert_int_equal(w.len, 12);
}

static void index_guess_follows_the_rollover(void **state)
{
	(void)state;
	assert_int_equal(rtp_index_guess(0x0ffff, 0x0000), 0x10000);
	assert_int_equal(rtp_index_guess(0x10000, 0xffff), 0x0ffff);
	assert_int_equal(rtp_index_guess(0x00010, 0xfff0), 0x0fff0); /* there was no round before */
	assert_int_equal(rtp_index_guess(0x17fff, 0x8000), 0x18000);
	assert_int_equal(rtp_index_guess(0x1ffff, 0x7ffe), 0x27ffe);
	assert_int_equal(rtp_index_guess(0x18000, 0x0001), 0x10001);
	/* Any step of less than half a round is found. */
	for (uint64_t index = 0x10000; index < 0x40000; index += 977) {
		for (int64_t step = -32700; step <= 32700; step += 1111) {
			uint64_t at = (uint64_t)((int64_t)index + step);
			assert_int_equal(rtp_index_guess(index, (uint16_t)at), at);
		}
	}
}

static void rtx_is_unwrapped_in_place(void **state)
{
	uint8_t p[] = { 0xb0, 0x80 | 97, 0,    9, 0, 0, 0,    5,    0,	 0,   0,   2, 0xbe, 0xde,
			0,    1,	 0x10, 7, 0, 0, 0xab, 0xcd, 'p', 'a', 'y', 2, 2 };
	uint8_t probe[] = { 0xa0, 97, 0, 9, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 3 };
	struct rtp rtp;

	(void)state;
	assert_int_equal(rtp_parse(p, sizeof(p), &rtp), 0);
	assert_int_equal(rtp_unwrap_rtx(p, &rtp, 96, 1), 23);
	assert_int_equal(rtp.seq, 0xabcd);
	assert_int_equal(rtp_parse(p, 23, &rtp), 0);
	assert_int_equal(rtp.seq, 0xabcd);
	assert_int_equal(rtp.payload_type, 96);
	assert_int_equal(rtp.ssrc, 1);
	assert_true(rtp.marker);
	assert_int_equal(rtp.payload_len, 3);
	assert_memory_equal(p + rtp.payload_offset, "pay", 3);
	assert_non_null(rtp_find(&rtp, 1));
	assert_int_equal(rtp_parse(probe, sizeof(probe), &rtp), 0);
	assert_int_equal(rtp_unwrap_rtx(probe, &rtp, 96, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_packet),
		cmocka_unit_test(cut_packets_are_refused),
		cmocka_unit_test(bad_packets_are_refused),
		cmocka_unit_test(one_byte_elements),
		cmocka_unit_test(two_byte_elements),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(writer_keeps_its_bounds),
		cmocka_unit_test(index_guess_follows_the_rollover),
		cmocka_unit_test(rtx_is_unwrapped_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
