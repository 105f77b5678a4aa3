/* links: mediad */
#include "lib/rtcp.h"

#include "tests/support/cm.h"

#include <string.h>

static uint8_t buf[1200];

static struct rtcp_out begin(void)
{
	memset(buf, 0xee, sizeof(buf));
	return (struct rtcp_out){ .data = buf, .cap = sizeof(buf) };
}

/* The only packet in out. */
static struct rtcp_packet only(const struct rtcp_out *out)
{
	const uint8_t *data = out->data;
	size_t len = out->len;
	struct rtcp_packet packet;

	assert_int_equal(out->len % 4, 0);
	assert_int_equal(rtcp_check(data, len), 0);
	assert_int_equal(rtcp_next(&data, &len, &packet), 0);
	assert_int_equal(rtcp_next(&data, &len, &packet), -ENOENT);
	return packet;
}

static void same_block(const struct rtcp_block *a, const struct rtcp_block *b)
{
	assert_int_equal(a->ssrc, b->ssrc);
	assert_int_equal(a->fraction_lost, b->fraction_lost);
	assert_int_equal(a->lost, b->lost);
	assert_int_equal(a->highest, b->highest);
	assert_int_equal(a->jitter, b->jitter);
	assert_int_equal(a->lsr, b->lsr);
	assert_int_equal(a->dlsr, b->dlsr);
}

static void reports_round_trip(void **state)
{
	const struct rtcp_sender sender = { 0x0123456789abcdef, 5, 6, 7 };
	const struct rtcp_block blocks[2] = { { 1, 2, -3, 4, 5, 6, 7 }, { 11, 255, 0x900000, 14, 15, 16, 17 } };
	struct rtcp_out out = begin();
	struct rtcp_sender got;
	struct rtcp_block block;

	(void)state;
	assert_int_equal(rtcp_add_sr(&out, 99, &sender, blocks, 2), 0);
	struct rtcp_packet packet = only(&out);
	assert_int_equal(packet.type, RTCP_SR);
	assert_int_equal(packet.count, 2);
	assert_int_equal(rtcp_sender_ssrc(&packet), 99);
	rtcp_read_sender(&packet, &got);
	assert_true(got.ntp == sender.ntp && got.rtp == sender.rtp);
	assert_true(got.packets == sender.packets && got.octets == sender.octets);
	rtcp_read_block(&packet, 0, &block);
	same_block(&block, &blocks[0]);
	rtcp_read_block(&packet, 1, &block);
	assert_int_equal(block.lost, 0x7fffff); /* cut to 24 bits */
	out = begin();
	assert_int_equal(rtcp_add_rr(&out, 98, blocks, 1), 0);
	packet = only(&out);
	rtcp_read_block(&packet, 0, &block);
	same_block(&block, &blocks[0]);
}

static void compound_is_walked(void **state)
{
	struct rtcp_out out = begin();
	struct rtcp_packet packet;
	const enum rtcp_type types[] = { RTCP_RR, RTCP_SDES, RTCP_BYE, RTCP_PSFB, RTCP_PSFB };

	(void)state;
	assert_int_equal(rtcp_add_rr(&out, 1, NULL, 0), 0);
	assert_int_equal(rtcp_add_cname(&out, 1, "abcdef"), 0);
	assert_int_equal(rtcp_add_bye(&out, 1), 0);
	assert_int_equal(rtcp_add_pli(&out, 1, 2), 0);
	assert_int_equal(rtcp_add_fir(&out, 1, 2, 3), 0);
	assert_int_equal(rtcp_check(out.data, out.len), 0);
	const uint8_t *data = out.data;
	size_t len = out.len;
	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		assert_int_equal(rtcp_next(&data, &len, &packet), 0);
		assert_int_equal(packet.type, types[i]);
	}
	assert_int_equal(rtcp_fir_entries(&packet), 1);
	uint32_t ssrc;
	uint8_t command;
	rtcp_read_fir(&packet, 0, &ssrc, &command);
	assert_int_equal(ssrc, 2);
	assert_int_equal(command, 3);
	assert_int_equal(rtcp_next(&data, &len, &packet), -ENOENT);
	/* Cut anywhere but between packets, it is refused. */
	unsigned whole = 0;
	for (size_t n = 0; n <= out.len; n++)
		whole += rtcp_check(out.data, n) == 0;
	assert_int_equal(whole, ARRAY_LEN(types));
}

static void nonsense_is_refused(void **state)
{
	uint8_t rr[] = { 0x81, 201, 0, 1, 0, 0, 0, 1 };
	uint8_t pad[] = { 0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4 };
	uint8_t version[] = { 0x40, 201, 0, 1, 0, 0, 0, 1 };
	uint8_t pli[] = { 0x81, 206, 0, 1, 0, 0, 0, 1 };
	uint8_t twcc[] = { 0x8f, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0 };
	uint8_t two[24];

	(void)state;
	assert_int_equal(rtcp_check(rr, 0), -EPROTO);
	assert_int_equal(rtcp_check(rr, sizeof(rr)), -EPROTO); /* promises a block */
	assert_int_equal(rtcp_check(pad, sizeof(pad)), 0);
	pad[11] = 0;
	assert_int_equal(rtcp_check(pad, sizeof(pad)), -EPROTO);
	pad[11] = 8; /* eats the sender's SSRC */
	assert_int_equal(rtcp_check(pad, sizeof(pad)), -EPROTO);
	pad[11] = 4;
	memcpy(two, pad, 12);
	memcpy(two + 12, pad, 12);
	assert_int_equal(rtcp_check(two, 24), 0); /* padding before the last: as libwebrtc sends it */
	two[23] = 12;
	assert_int_equal(rtcp_check(two, 24), -EPROTO);
	assert_int_equal(rtcp_check(version, sizeof(version)), -EPROTO);
	assert_int_equal(rtcp_check(pli, sizeof(pli)), -EPROTO);
	assert_int_equal(rtcp_check(twcc, sizeof(twcc)), -EPROTO);
}

struct tally {
	unsigned n, received;
};

static void count_told(void *arg, uint16_t seq, bool received, int64_t at_us)
{
	struct tally *told = arg;

	(void)seq;
	(void)at_us;
	told->n++;
	told->received += received;
}

/* libwebrtc fills transport-wide feedback to whole words with one to three bytes that the padding bit announces, and
 * puts other packets behind it. */
static void padding_as_libwebrtc_writes_it(void **state)
{
	uint8_t bytes[] = {
		0xaf, 205, 0, 5, 0, 0, 0, 1, 0,	   0, 0,  2, /* padded; whose, about whom */
		0,    10,  0, 1, 0, 0, 1, 7, 0x20, 1, 40, 1, /* packet 10 after 40 ticks; one byte of padding */
		0x81, 201, 0, 7, 0, 0, 0, 1, 0,	   0, 0,  2, 0,	  0,   0,   0, /* a receiver report */
		0,    0,   0, 9, 0, 0, 0, 0, 0,	   0, 0,  0, 0,	  0,   0,   0,
		0x80, 207, 0, 1, 0, 0, 0, 1, /* XR without blocks */
		0x8f, 206, 0, 3, 0, 0, 0, 1, 0,	   0, 0,  2, 'L', 'N', 'T', 'F',
	};
	const uint8_t *data = bytes;
	size_t len = sizeof(bytes);
	struct rtcp_packet packet;
	struct tally told = { 0 };
	struct rtcp_twcc twcc;
	unsigned n = 0;

	(void)state;
	assert_int_equal(rtcp_check(bytes, sizeof(bytes)), 0);
	assert_int_equal(rtcp_next(&data, &len, &packet), 0);
	assert_int_equal(rtcp_read_twcc(&packet, &twcc, count_told, &told), 0);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.received, 1);
	while (rtcp_next(&data, &len, &packet) == 0)
		n++;
	assert_int_equal(n, 3);
	for (uint8_t padding = 2; padding <= 3; padding++) {
		bytes[23] = padding; /* fewer bytes than the chunks promise: that is for the reader to find */
		assert_int_equal(rtcp_check(bytes, sizeof(bytes)), 0);
	}
	bytes[23] = 5; /* eats the header of the feedback */
	assert_int_equal(rtcp_check(bytes, sizeof(bytes)), -EPROTO);
}

static void nacks_are_packed(void **state)
{
	const uint16_t seq[] = { 65530, 65531, 65535, 3, 10, 11, 300 };
	struct rtcp_out out = begin();
	uint16_t first, bitmap, got[ARRAY_LEN(seq)];
	size_t n = 0;

	(void)state;
	assert_int_equal(rtcp_add_nack(&out, 1, 2, seq, ARRAY_LEN(seq)), 0);
	struct rtcp_packet packet = only(&out);
	assert_int_equal(rtcp_media_ssrc(&packet), 2);
	assert_int_equal(rtcp_nack_pairs(&packet), 3);
	for (size_t i = 0; i < 3; i++) {
		rtcp_read_nack(&packet, i, &first, &bitmap);
		got[n++] = first;
		for (unsigned bit = 0; bit < 16; bit++) {
			if (bitmap & 1u << bit)
				got[n++] = (uint16_t)(first + bit + 1);
		}
	}
	assert_int_equal(n, ARRAY_LEN(seq));
	assert_memory_equal(got, seq, sizeof(seq));
}

static void remb_round_trip(void **state)
{
	const uint64_t rates[] = { 0, 1, 262143, 262144, 20000000, UINT64_C(1) << 40 };
	const uint32_t media[] = { 5, 6 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rates); i++) {
		struct rtcp_out out = begin();
		uint64_t bps;
		assert_int_equal(rtcp_add_remb(&out, 1, media, 2, rates[i]), 0);
		struct rtcp_packet packet = only(&out);
		assert_int_equal(rtcp_read_remb(&packet, &bps), 0);
		assert_true(bps <= rates[i] && rates[i] - bps <= rates[i] >> 17);
	}
}

static void nothing_is_written_past_the_end(void **state)
{
	const struct rtcp_sender sender = { 0 };
	const struct rtcp_block block = { 0 };
	const uint16_t seq[] = { 1, 100, 200 };
	const int64_t at[] = { 0, 1000, 90000, 0 };
	const uint32_t media[] = { 1 };
	size_t told;

	(void)state;
	for (size_t cap = 0; cap < 60; cap++) {
		for (unsigned what = 0; what < 9; what++) {
			struct rtcp_out out = begin();
			out.cap = cap;
			int err = what == 0   ? rtcp_add_sr(&out, 1, &sender, &block, 1)
				  : what == 1 ? rtcp_add_rr(&out, 1, &block, 1)
				  : what == 2 ? rtcp_add_cname(&out, 1, "0123456789")
				  : what == 3 ? rtcp_add_bye(&out, 1)
				  : what == 4 ? rtcp_add_pli(&out, 1, 2)
				  : what == 5 ? rtcp_add_fir(&out, 1, 2, 3)
				  : what == 6 ? rtcp_add_nack(&out, 1, 2, seq, 3)
				  : what == 7 ? rtcp_add_remb(&out, 1, media, 1, 5)
					      : rtcp_add_twcc(&out, 1, 2, 3, at, 4, 5, &told);
			assert_true(err == 0 ? out.len > 0 && out.len <= cap : err == -ENOSPC && out.len == 0);
			for (size_t i = cap; i < sizeof(buf); i++)
				assert_int_equal(buf[i], 0xee);
		}
	}
}

/* ---- transport-wide feedback: what is written is read ---- */

struct told {
	uint16_t base;
	size_t n;
	bool received[2000];
	int64_t at_us[2000];
};

static void note(void *arg, uint16_t seq, bool received, int64_t at_us)
{
	struct told *told = arg;

	assert_int_equal(seq, (uint16_t)(told->base + told->n));
	told->received[told->n] = received;
	told->at_us[told->n++] = at_us;
}

static uint32_t random_state = 1;

static uint32_t next_random(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

static void twcc_round_trip(const int64_t *at_us, size_t n, size_t cap)
{
	static struct told told;
	size_t done = 0;
	uint16_t base = 65000;

	while (n > 0 && at_us[n - 1] == RTCP_TWCC_MISSING)
		n--;
	while (done < n) {
		struct rtcp_out out = begin();
		struct rtcp_twcc twcc;
		size_t count;
		out.cap = cap;
		assert_int_equal(rtcp_add_twcc(&out, 1, 2, (uint16_t)(base + done), at_us + done, n - done, 7, &count),
				 0);
		assert_true(count > 0 && count <= n - done);
		told = (struct told){ .base = (uint16_t)(base + done) };
		struct rtcp_packet packet = only(&out);
		assert_int_equal(rtcp_read_twcc(&packet, &twcc, note, &told), 0);
		assert_int_equal(twcc.count, count);
		assert_int_equal(twcc.number, 7);
		assert_int_equal(told.n, count);
		for (size_t i = 0; i < count; i++) {
			int64_t at = at_us[done + i];
			assert_int_equal(told.received[i], at != RTCP_TWCC_MISSING);
			/* Reference times are told modulo 2^24 × 64 ms. */
			if (told.received[i])
				assert_int_equal((told.at_us[i] - at / 250 * 250) % (INT64_C(64000) << 24), 0);
		}
		done += count;
	}
}

static void twcc_tells_arrivals(void **state)
{
	static int64_t at[1000];

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		int64_t now = round % 2 ? INT64_C(5000000000000) : 1000000;
		unsigned loss = next_random() % 60, spread = round % 3 == 0 ? 200 : round % 3 == 1 ? 20000 : 300000;
		size_t n = 1 + next_random() % 1000;
		for (size_t i = 0; i < n; i++) {
			now += next_random() % spread;
			at[i] = next_random() % 100 < loss ? RTCP_TWCC_MISSING
							   : now - (next_random() % 10 == 0 ? next_random() % 9000 : 0);
		}
		twcc_round_trip(at, n, 80 + next_random() % 1100);
	}
	/* Holes longer than a delta can tell, and than a run. */
	at[0] = 1000000;
	for (size_t i = 1; i < 999; i++)
		at[i] = RTCP_TWCC_MISSING;
	at[999] = 1000000 + 20 * INT64_C(1000000);
	twcc_round_trip(at, 1000, 1200);
	struct rtcp_out out = begin();
	size_t told;
	assert_int_equal(rtcp_add_twcc(&out, 1, 2, 3, at + 1, 998, 7, &told), -ENOENT);
}

static void twcc_nonsense_is_refused(void **state)
{
	/* base 1, count 20, one run of 20 small deltas of which only 2 are there */
	uint8_t p[] = { 0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 20, 0, 0, 1, 0, 0x20, 20, 4, 4 };
	static struct told told;
	struct rtcp_twcc twcc;
	const uint8_t *data = p;
	size_t len = sizeof(p);
	struct rtcp_packet packet;

	(void)state;
	assert_int_equal(rtcp_check(p, sizeof(p)), 0);
	assert_int_equal(rtcp_next(&data, &len, &packet), 0);
	told = (struct told){ .base = 1 };
	assert_int_equal(rtcp_read_twcc(&packet, &twcc, note, &told), -EPROTO);
	assert_int_equal(told.n, 2);
	p[21] = 0; /* a run of none */
	told = (struct told){ .base = 1 };
	assert_int_equal(rtcp_read_twcc(&packet, &twcc, note, &told), -EPROTO);
	p[20] = 0x60; /* the symbol that does not exist */
	p[21] = 20;
	assert_int_equal(rtcp_read_twcc(&packet, &twcc, note, &told), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reports_round_trip),
		cmocka_unit_test(compound_is_walked),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(padding_as_libwebrtc_writes_it),
		cmocka_unit_test(nacks_are_packed),
		cmocka_unit_test(remb_round_trip),
		cmocka_unit_test(nothing_is_written_past_the_end),
		cmocka_unit_test(twcc_tells_arrivals),
		cmocka_unit_test(twcc_nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
