/* links: mediad */
#include "mediad/opus.h"

#include "tests/support/cm.h"

#include <string.h>

#define TOC	   0x78 /* hybrid, full band, 20 ms, mono */
#define PACKET_MAX 1500

/* As a decoder reads it (RFC 6716, 3.2.5): several frames behind a TOC of code 3 with lengths. */
static unsigned split(const uint8_t *p, size_t len, const uint8_t *ret_frame[], size_t *ret_len)
{
	unsigned n = p[1] & 63;
	size_t at = 2, left;

	assert_int_equal(p[0] & 3, 3);
	assert_int_equal(p[1] & 0xc0, 0x80);
	for (unsigned i = 0; i + 1 < n; i++) {
		ret_len[i] = p[at++];
		if (ret_len[i] >= 252)
			ret_len[i] += 4u * p[at++];
	}
	left = len - at;
	for (unsigned i = 0; i + 1 < n; i++)
		left -= ret_len[i];
	ret_len[n - 1] = left;
	for (unsigned i = 0; i < n; at += ret_len[i++])
		ret_frame[i] = p + at;
	assert_int_equal(at, len);
	return n;
}

static void how_long_a_packet_is(void **state)
{
	static const struct {
		uint8_t config;
		uint32_t length;
	} cases[] = { { 0, 480 },  { 1, 960 },	{ 2, 1920 }, { 3, 2880 }, { 9, 960 },  { 11, 2880 }, { 12, 480 },
		      { 15, 960 }, { 16, 120 }, { 17, 240 }, { 18, 480 }, { 19, 960 }, { 31, 960 } };
	uint8_t p[2] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		p[0] = (uint8_t)(cases[i].config << 3);
		assert_int_equal(opus_single(p, 2), cases[i].length);
		p[0] |= 4; /* stereo is as long */
		assert_int_equal(opus_single(p, 2), cases[i].length);
		for (uint8_t code = 1; code <= 3; code++) {
			p[0] = (uint8_t)(cases[i].config << 3 | code);
			assert_int_equal(opus_single(p, 2), 0);
		}
	}
	assert_int_equal(opus_single(p, 0), 0);
	p[0] = TOC;
	assert_int_equal(opus_single(p, 1 + OPUS_FRAME_MAX), 960);
	assert_int_equal(opus_single(p, 2 + OPUS_FRAME_MAX), 0);
}

static void what_may_stand_together(void **state)
{
	(void)state;
	assert_true(opus_is_alike((uint8_t[]){ TOC }, (uint8_t[]){ TOC }));
	assert_true(opus_is_alike((uint8_t[]){ TOC }, (uint8_t[]){ TOC | 3 }));
	assert_false(opus_is_alike((uint8_t[]){ TOC }, (uint8_t[]){ TOC | 4 })); /* channels */
	assert_false(opus_is_alike((uint8_t[]){ TOC }, (uint8_t[]){ TOC - 8 })); /* length */
	assert_false(opus_is_alike((uint8_t[]){ TOC }, (uint8_t[]){ TOC & 0x7f & ~0x40 }));
}

static void frames_come_out_as_they_went_in(void **state)
{
	static const size_t lens[][3] = { { 80, 81, 79 },    { 1, 1, 1 },      { 252, 251, 253 },
					  { 253, 254, 255 }, { 256, 300, 40 }, { 3, 500, 400 } };
	uint8_t data[3][PACKET_MAX], p[PACKET_MAX];

	(void)state;
	for (size_t c = 0; c < sizeof(lens) / sizeof(lens[0]); c++) {
		struct opus_part part[3];
		const uint8_t *frame[63];
		size_t len[63];
		for (unsigned i = 0; i < 3; i++) {
			memset(data[i], (int)(0x10 + i), lens[c][i]);
			data[i][0] = TOC;
			data[i][lens[c][i] - 1] = i ? (uint8_t)(0xe0 + i) : data[i][lens[c][i] - 1];
			if (lens[c][i] == 1)
				data[i][0] = TOC;
			part[i] = (struct opus_part){ .data = data[i], .len = lens[c][i] };
		}
		for (unsigned n = 2; n <= 3; n++) {
			size_t total = opus_join(p, sizeof(p), part, n);
			assert_true(total > 0 && total <= OPUS_HEADER_MAX + lens[c][0] + lens[c][1] + lens[c][2]);
			assert_int_equal(p[0], TOC | 3);
			assert_int_equal(split(p, total, frame, len), n);
			for (unsigned i = 0; i < n; i++) {
				assert_int_equal(len[i], lens[c][i] - 1);
				assert_memory_equal(frame[i], data[i] + 1, len[i]);
			}
			/* Not a byte more than it needs. */
			assert_int_equal(opus_join(p, total, part, n), total);
			assert_int_equal(opus_join(p, total - 1, part, n), 0);
		}
		assert_int_equal(opus_join(p, sizeof(p), part, 1), lens[c][0]);
		assert_memory_equal(p, data[0], lens[c][0]);
	}
}

static void too_many_or_none_are_refused(void **state)
{
	uint8_t data[2] = { TOC, 1 }, p[PACKET_MAX];
	struct opus_part part[OPUS_JOIN_MAX + 1];

	(void)state;
	for (unsigned i = 0; i <= OPUS_JOIN_MAX; i++)
		part[i] = (struct opus_part){ .data = data, .len = 2 };
	assert_int_equal(opus_join(p, sizeof(p), part, 0), 0);
	assert_true(opus_join(p, sizeof(p), part, OPUS_JOIN_MAX) > 0);
	assert_int_equal(opus_join(p, sizeof(p), part, OPUS_JOIN_MAX + 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_long_a_packet_is),
		cmocka_unit_test(what_may_stand_together),
		cmocka_unit_test(frames_come_out_as_they_went_in),
		cmocka_unit_test(too_many_or_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
