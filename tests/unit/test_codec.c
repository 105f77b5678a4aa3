/* links: mediad */
#include "mediad/codec.h"

#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>

#define PARSE(codec, info, ...)                                      \
	do {                                                         \
		const uint8_t bytes_[] = { __VA_ARGS__ };            \
		codec_parse(codec, bytes_, sizeof(bytes_), &(info)); \
	} while (0)

static void vp8(void **state)
{
	struct codec_info i;

	(void)state;
	PARSE(CODEC_VP8, i, 0x90, 0xe0, 0x92, 0x34, 0x56, 0x40, 0x10, 0);
	assert_true(i.keyframe && i.frame_start && !i.discardable);
	assert_int_equal(i.picture_id_bits, 15);
	assert_int_equal(i.picture_id, 0x1234);
	assert_true(i.has_tl0picidx);
	assert_int_equal(i.tl0picidx, 0x56);
	assert_int_equal(i.temporal, 1);
	assert_true(i.scalable && !i.sync);
	assert_int_equal(i.descriptor_len, 6);
	PARSE(CODEC_VP8, i, 0x90, 0xe0, 0x92, 0x34, 0x56, 0xa0, 0x11, 0);
	assert_true(i.scalable && i.sync && i.temporal == 2);
	PARSE(CODEC_VP8, i, 0x90, 0xe0, 0x12, 0x56, 0xa0, 0x11, 0); /* 7 bits of picture id are not enough */
	assert_false(i.scalable);
	PARSE(CODEC_VP8, i, 0x90, 0x90, 0x92, 0x34, 0x21, 0x11, 0); /* KEYIDX alone: Y says nothing */
	assert_false(i.scalable || i.sync);
	PARSE(CODEC_VP8, i, 0x90, 0x80, 0x12, 0x11); /* 7 bits; P bit: a delta frame */
	assert_int_equal(i.picture_id_bits, 7);
	assert_false(i.keyframe);
	assert_true(i.frame_start);
	PARSE(CODEC_VP8, i, 0x80, 0x80, 0x12, 0x10); /* not the first packet */
	assert_false(i.keyframe || i.frame_start);
	PARSE(CODEC_VP8, i, 0x11, 0x10); /* second partition */
	assert_false(i.keyframe || i.frame_start);
	PARSE(CODEC_VP8, i, 0x30, 0x10); /* no extension, nobody refers to it */
	assert_true(i.keyframe && i.discardable);
	PARSE(CODEC_VP8, i, 0x90, 0xf0, 0x92, 0x34, 0x56); /* cut */
	assert_false(i.keyframe);
	assert_int_equal(i.picture_id_bits, 0);
}

static void vp8_rewriting(void **state)
{
	uint8_t long_id[] = { 0x90, 0xe0, 0x92, 0x34, 0x56, 0x40, 0x10, 1, 2 }, short_id[] = { 0x90, 0x80, 0x12, 0x10 };
	uint8_t none[] = { 0x10, 0x10, 7 }, vp9[] = { 0xa8, 0x92, 0x34, 0x00, 0x07, 1 };
	const uint8_t none_before[] = { 0x10, 0x10, 7 };
	struct codec_info i;

	(void)state;
	codec_rewrite(CODEC_VP8, long_id, sizeof(long_id), 0x7fff, 0xfe);
	codec_parse(CODEC_VP8, long_id, sizeof(long_id), &i);
	assert_int_equal(i.picture_id, 0x7fff);
	assert_int_equal(i.tl0picidx, 0xfe);
	assert_int_equal(i.temporal, 1);
	assert_true(i.keyframe);
	assert_memory_equal(long_id + 5, ((uint8_t[]){ 0x40, 0x10, 1, 2 }), 4);
	codec_rewrite(CODEC_VP8, short_id, sizeof(short_id), 0x1ff, 3);
	codec_parse(CODEC_VP8, short_id, sizeof(short_id), &i);
	assert_int_equal(i.picture_id, 0x7f);
	assert_int_equal(i.picture_id_bits, 7);
	codec_rewrite(CODEC_VP8, none, sizeof(none), 5, 5);
	assert_memory_equal(none, none_before, sizeof(none));
	codec_rewrite(CODEC_VP9, vp9, sizeof(vp9), 0x0102, 0x55);
	codec_parse(CODEC_VP9, vp9, sizeof(vp9), &i);
	assert_int_equal(i.picture_id, 0x0102);
	assert_int_equal(i.tl0picidx, 0x55);
}

static void vp9(void **state)
{
	struct codec_info i;

	(void)state;
	PARSE(CODEC_VP9, i, 0x88, 0x92, 0x34, 1); /* I, B; not inter */
	assert_true(i.keyframe && i.frame_start);
	assert_int_equal(i.picture_id, 0x1234);
	PARSE(CODEC_VP9, i, 0xc8, 0x92, 0x34, 1); /* P */
	assert_false(i.keyframe);
	PARSE(CODEC_VP9, i, 0xa8, 0x12, 0x62, 0x07, 1); /* layers: tid 3, sid 1 */
	assert_false(i.keyframe);
	assert_int_equal(i.temporal, 3);
	assert_int_equal(i.tl0picidx, 7);
	/* Scalability structure: one layer with a size, one picture that refers to one. */
	PARSE(CODEC_VP9, i, 0x8a, 0x12, 0x18, 1, 2, 3, 4, 1, 0x04, 9, 1);
	assert_true(i.keyframe);
	assert_int_equal(i.descriptor_len, 10);
	PARSE(CODEC_VP9, i, 0x8a, 0x12, 0xf8, 1, 2); /* cut */
	assert_false(i.keyframe);
	PARSE(CODEC_VP9, i, 0xd8, 0x12, 0x03, 0x02, 1); /* flexible, two references */
	assert_int_equal(i.descriptor_len, 4);
	PARSE(CODEC_VP9, i, 0xd8, 0x12, 0x03);
	assert_int_equal(i.descriptor_len, 0);
}

static void h264(void **state)
{
	struct codec_info i;

	(void)state;
	PARSE(CODEC_H264, i, 0x67, 0x42);
	assert_true(i.keyframe);
	PARSE(CODEC_H264, i, 0x65, 0x88);
	assert_true(i.keyframe);
	PARSE(CODEC_H264, i, 0x41, 0x9a);
	assert_false(i.keyframe || i.discardable);
	PARSE(CODEC_H264, i, 0x01, 0x9a);
	assert_true(i.discardable);
	PARSE(CODEC_H264, i, 0x78, 0, 2, 0x09, 0x10, 0, 2, 0x67, 0x42); /* STAP-A: delimiter, SPS */
	assert_true(i.keyframe);
	PARSE(CODEC_H264, i, 0x78, 0, 9, 0x09, 0x10, 0, 2, 0x67, 0x42); /* a length over the end */
	assert_false(i.keyframe);
	PARSE(CODEC_H264, i, 0x7c, 0x85, 0x88); /* FU-A, first fragment of an IDR */
	assert_true(i.keyframe && i.frame_start && !i.parameters);
	PARSE(CODEC_H264, i, 0x7c, 0x85, 0x48); /* of its second slice: no decoder can begin here */
	assert_false(i.keyframe || i.frame_start);
	PARSE(CODEC_H264, i, 0x65, 0x48);
	assert_false(i.keyframe || i.frame_start);
	PARSE(CODEC_H264, i, 0x67, 0x42);
	assert_true(i.parameters && i.frame_start);
	PARSE(CODEC_H264, i, 0x7c, 0x45, 1);
	assert_false(i.keyframe || i.frame_start);
}

static void av1(void **state)
{
	const uint8_t with[] = { 0x80, 0, 1, 0x80 }, without[] = { 0x80, 0, 1 }, later[] = { 0x00, 0, 1, 0x80 };
	struct codec_info i;

	(void)state;
	PARSE(CODEC_AV1, i, 0x18, 0x30, 1); /* N */
	assert_true(i.keyframe);
	PARSE(CODEC_AV1, i, 0x10, 0x0a, 1); /* W = 1, sequence header */
	assert_true(i.keyframe);
	PARSE(CODEC_AV1, i, 0x20, 0x02, 0x0a, 1, 0x30); /* W = 2, length first */
	assert_true(i.keyframe);
	PARSE(CODEC_AV1, i, 0x10, 0x30, 1); /* a frame */
	assert_false(i.keyframe);
	assert_true(i.frame_start);
	PARSE(CODEC_AV1, i, 0x98, 0x0a, 1); /* Z: goes on from the packet before */
	assert_false(i.keyframe || i.frame_start);
	PARSE(CODEC_AV1, i, 0x00, 0xff, 0xff);
	assert_false(i.keyframe);
	assert_true(codec_descriptor_is_key(with, sizeof(with)));
	assert_false(codec_descriptor_is_key(without, sizeof(without)));
	assert_false(codec_descriptor_is_key(later, sizeof(later)));
}

/* The first bytes of what encoders make (libvpx, x264, libaom, rav1e), as they stand in a payload. */
static void sizes_are_read_from_key_frames(void **state)
{
	static const struct {
		enum codec codec;
		uint16_t width, height;
		uint8_t len, bytes[32];
	} made[] = {
		{ CODEC_VP8, 640, 360, 11, { 0x10, 0x50, 0x34, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01 } },
		{ CODEC_VP8, 1280, 720, 11, { 0x10, 0x30, 0x5f, 0x03, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02 } },
		{ CODEC_VP8, 180, 320, 11, { 0x10, 0xb0, 0x63, 0x00, 0x9d, 0x01, 0x2a, 0xb4, 0x00, 0x40, 0x01 } },
		{ CODEC_H264,
		  640,
		  360,
		  24,
		  { 0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x61, 0x00, 0x00,
		    0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x8f, 0x16, 0x2e, 0x48 } },
		{ CODEC_H264, 640, 360, 25, { 0x67, 0x64, 0x00, 0x1e, 0xac, 0xb2, 0x01, 0x40, 0x5f,
					      0xf2, 0xc2, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00,
					      0x03, 0x00, 0x79, 0x1e, 0x2c, 0x5c, 0x90 } },
		{ CODEC_H264,
		  1280,
		  720,
		  24,
		  { 0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x00, 0x50, 0x05, 0xba, 0x10, 0x00, 0x00,
		    0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc8, 0xf1, 0x83, 0x24, 0x80 } },
		{ CODEC_H264,
		  180,
		  320,
		  24,
		  { 0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x03, 0x02, 0x9e, 0x7e, 0x10, 0x00, 0x00,
		    0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc8, 0xf1, 0x42, 0xa4, 0x80 } },
		{ CODEC_AV1,
		  640,
		  360,
		  16,
		  { 0x18, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x36, 0xbe, 0x40, 0x10, 0x32, 0x86 } },
		{ CODEC_AV1,
		  1280,
		  720,
		  19,
		  { 0x18, 0x0a, 0x0e, 0x00, 0x00, 0x00, 0xfa, 0xa6, 0x7f, 0xd9, 0xe2, 0x10, 0xac, 0x81, 0x01, 0x01,
		    0x0a, 0x03, 0x2b } },
		{ CODEC_AV1,
		  180,
		  320,
		  16,
		  { 0x18, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x03, 0xc5, 0x9c, 0xfc, 0xda, 0xf9, 0x00, 0x40, 0x32, 0xad } },
		/* VP9: a scalability structure with two spatial layers. */
		{ CODEC_VP9, 640, 360, 13, { 0x8a, 0x12, 0x30, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68, 1, 1 } },
	};
	struct codec_info i;
	uint8_t stap[40] = { 0x78, 0, 24 };

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(made); k++) {
		codec_parse(made[k].codec, made[k].bytes, made[k].len, &i);
		assert_true(i.keyframe);
		assert_int_equal(i.width, made[k].width);
		assert_int_equal(i.height, made[k].height);
		/* Cut short it has that size or none, and nothing is read behind its end. */
		for (size_t len = 0; len < made[k].len; len++) {
			uint8_t *copy = malloc(len + 1);
			memcpy(copy, made[k].bytes, len);
			codec_parse(made[k].codec, copy, len, &i);
			assert_true((i.height == made[k].height && i.width == made[k].width) ||
				    (!i.height && !i.width));
			free(copy);
		}
	}
	assert_int_equal(made[3].len, 24); /* in a STAP-A, where browsers put it */
	memcpy(stap + 3, made[3].bytes, 24);
	codec_parse(CODEC_H264, stap, 27, &i);
	assert_int_equal(i.height, 360);
	stap[2] = 60;
	codec_parse(CODEC_H264, stap, 27, &i);
	assert_int_equal(i.height, 0);
}

static void short_payloads_are_harmless(void **state)
{
	uint8_t p[24];
	struct codec_info i;

	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		memset(p, (int)byte, sizeof(p));
		for (size_t len = 0; len <= sizeof(p); len++) {
			for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
				uint8_t *exact = p + sizeof(p) - len;
				codec_parse(codec, exact, len, &i);
				assert_true(i.descriptor_len <= len);
				codec_rewrite(codec, exact, len, 1, 2);
				memset(p, (int)byte, sizeof(p));
			}
		}
	}
}

static void matching(void **state)
{
	struct session_mline m = { .codecs_len = 4 };
	struct session_codec from = { .codec = CODEC_VP8, .pt = 50, .clock_rate = 90000 };
	bool is_rtx;

	(void)state;
	m.codec[0] = (struct session_codec){ .codec = CODEC_VP8, .pt = 96, .rtx_pt = 97, .clock_rate = 90000 };
	m.codec[1] = (struct session_codec){ .codec = CODEC_VP9, .pt = 98, .clock_rate = 90000, .profile = 2 };
	m.codec[2] = (struct session_codec){
		.codec = CODEC_H264, .pt = 100, .clock_rate = 90000, .profile = 0x4d001f, .packetization_mode = 1
	};
	m.codec[3] = (struct session_codec){
		.codec = CODEC_H264, .pt = 102, .clock_rate = 90000, .profile = 0x42e01f, .packetization_mode = 1
	};
	assert_int_equal(codec_match(&m, &from)->pt, 96);
	from.codec = CODEC_VP9;
	assert_null(codec_match(&m, &from));
	from.profile = 2;
	assert_int_equal(codec_match(&m, &from)->pt, 98);
	from = (struct session_codec){
		.codec = CODEC_H264, .clock_rate = 90000, .profile = 0x42e01f, .packetization_mode = 1
	};
	assert_int_equal(codec_match(&m, &from)->pt, 102);
	from.profile = 0x42c00d; /* constrained baseline of another level: any decoder here */
	assert_int_equal(codec_match(&m, &from)->pt, 100);
	from.profile = 0x640c1f;
	assert_null(codec_match(&m, &from));
	from.profile = 0x4d0032;
	assert_int_equal(codec_match(&m, &from)->pt, 100);
	assert_int_equal(codec_find(&m, 97, &is_rtx)->pt, 96);
	assert_true(is_rtx);
	assert_int_equal(codec_find(&m, 98, &is_rtx)->pt, 98);
	assert_false(is_rtx);
	assert_null(codec_find(&m, 0, &is_rtx));
}

static void red(void **state)
{
	/* Two older blocks of 3 and 2 bytes, the primary of 4. */
	uint8_t p[] = { 0x80 | 111, 0, 0, 3, 0x80 | 111, 0, 0, 2, 111, 1, 1, 1, 2, 2, 9, 8, 7, 6 }, none[] = { 111, 5 };
	uint8_t pt = 0;

	(void)state;
	assert_int_equal(codec_red_primary(p, sizeof(p), &pt), 14);
	assert_int_equal(pt, 111);
	assert_int_equal(codec_red_primary(none, sizeof(none), &pt), 1);
	/* Cut anywhere before the primary there is none. */
	for (size_t len = 0; len < 14; len++)
		assert_int_equal(codec_red_primary(p, len, &pt), len);
	p[2] = 0x03; /* an older block longer than the packet */
	p[3] = 0xff;
	assert_int_equal(codec_red_primary(p, sizeof(p), &pt), sizeof(p));
	codec_red_rewrite(p, sizeof(p), 96);
	assert_int_equal(p[0], 0x80 | 96);
	assert_int_equal(p[4], 0x80 | 96);
	assert_int_equal(p[8], 96);
	assert_int_equal(p[9], 1);
	for (size_t len = 0; len < sizeof(p); len++) {
		uint8_t *copy = malloc(len + 1); /* so that a sanitizer sees a step too far */
		memcpy(copy, p, len);
		codec_red_rewrite(copy, len, 97);
		free(copy);
	}
	/* Who has no RED takes what it wraps. */
	struct session_mline m = { .codecs_len = 1,
				   .codec = { { .codec = CODEC_OPUS, .pt = 109, .clock_rate = 48000 } } };
	const struct session_codec from = { .codec = CODEC_RED, .pt = 63, .clock_rate = 48000 };
	assert_int_equal(codec_match(&m, &from)->pt, 109);
	m.codecs_len = 2;
	m.codec[1] = (struct session_codec){ .codec = CODEC_RED, .pt = 120, .clock_rate = 48000 };
	assert_int_equal(codec_match(&m, &from)->pt, 120);
	m.codec[0].codec = m.codec[1].codec = CODEC_VP8;
	assert_null(codec_match(&m, &from));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vp8),
		cmocka_unit_test(vp8_rewriting),
		cmocka_unit_test(vp9),
		cmocka_unit_test(h264),
		cmocka_unit_test(av1),
		cmocka_unit_test(short_payloads_are_harmless),
		cmocka_unit_test(matching),
		cmocka_unit_test(red),
		cmocka_unit_test(sizes_are_read_from_key_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
