/* links: workers */
#include "workers/picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <webp/decode.h>

#include <cmocka.h>

#define SIDE 320

static const uint8_t colours[4][3] = { { 255, 0, 0 }, { 0, 255, 0 }, { 0, 0, 255 }, { 255, 255, 255 } };

/* Wider than high, its square in four colours: 0 1 / 2 3. With that EXIF orientation, 0: without EXIF. */
static size_t make_jpeg(unsigned orientation, bool little, uint8_t *ret, size_t max)
{
	static uint8_t rgb[SIDE][SIDE * 2][3];
	uint8_t exif[36] = { 0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0 };
	const uint8_t tiff_little[] = { 'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0 };
	const uint8_t tiff_big[] = { 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1 };
	unsigned char *jpeg = NULL;
	unsigned long len = 0;

	for (size_t y = 0; y < SIDE; y++) {
		for (size_t x = 0; x < SIDE * 2; x++)
			memcpy(rgb[y][x], colours[(y >= SIDE / 2) * 2 + (x >= SIDE)], 3);
	}
	memcpy(exif + 10, little ? tiff_little : tiff_big, 18);
	exif[little ? 28 : 29] = (uint8_t)orientation;
	tjhandle tj = tjInitCompress();
	assert_int_equal(tjCompress2(tj, rgb[0][0], SIDE * 2, 0, SIDE, TJPF_RGB, &jpeg, &len, TJSAMP_444, 95, 0), 0);
	tjDestroy(tj);
	size_t extra = orientation ? sizeof(exif) : 0;
	assert_true(len + extra <= max);
	memcpy(ret, jpeg, 2);
	memcpy(ret + 2, exif, extra);
	memcpy(ret + 2 + extra, jpeg + 2, len - 2);
	tjFree(jpeg);
	return len + extra;
}

/* Which colour is in that quarter of the result? */
static int colour_at(const uint8_t *rgba, int x, int y)
{
	const uint8_t *at = rgba + ((y * 2 + 1) * PICTURE_SIZE / 4 * PICTURE_SIZE + (x * 2 + 1) * PICTURE_SIZE / 4) * 4;
	int best = 0, best_off = 1 << 30;

	for (int i = 0; i < 4; i++) {
		int off = 0;
		for (int c = 0; c < 3; c++)
			off += abs(at[c] - colours[i][c]);
		if (off < best_off) {
			best = i;
			best_off = off;
		}
	}
	return best;
}

static void test_orientations(void **state)
{
	/* Upper left, upper right, lower left, lower right, as EXIF says how to turn it. */
	static const int want[9][4] = { { 0, 1, 2, 3 }, { 0, 1, 2, 3 }, { 1, 0, 3, 2 }, { 3, 2, 1, 0 }, { 2, 3, 0, 1 },
					{ 0, 2, 1, 3 }, { 2, 0, 3, 1 }, { 3, 1, 2, 0 }, { 1, 3, 0, 2 } };
	static uint8_t jpeg[1 << 18];

	(void)state;
	for (unsigned o = 0; o <= 8; o++) {
		size_t len = make_jpeg(o, o % 2, jpeg, sizeof(jpeg));
		struct buf webp = { 0 };
		int width, height;
		assert_int_equal(picture_orientation(jpeg, len), o ? o : 1);
		assert_int_equal(picture_convert(PICTURE_JPEG, jpeg, len, &webp), 0);
		uint8_t *rgba = WebPDecodeRGBA(webp.data, webp.len, &width, &height);
		assert_non_null(rgba);
		assert_int_equal(width, PICTURE_SIZE);
		assert_int_equal(height, PICTURE_SIZE);
		for (int i = 0; i < 4; i++)
			assert_int_equal(colour_at(rgba, i % 2, i / 2), want[o][i]);
		assert_null(memmem(webp.data, webp.len, "Exif", 4));
		WebPFree(rgba);
		buf_fini(&webp);
	}
}

static void test_cut_off(void **state)
{
	static uint8_t jpeg[1 << 18];
	size_t len = make_jpeg(6, true, jpeg, sizeof(jpeg));
	struct buf webp = { 0 };

	(void)state;
	/* Every length of the head, on memory of exactly that size. */
	for (size_t n = 0; n < 200; n++) {
		uint8_t *copy = malloc(n + 1);
		memcpy(copy, jpeg, n);
		picture_orientation(copy, n);
		assert_true(picture_convert(PICTURE_JPEG, copy, n, &webp) < 0);
		assert_int_equal(picture_convert(PICTURE_PNG, copy, n, &webp), -EBADMSG);
		assert_int_equal(picture_convert(PICTURE_WEBP, copy, n, &webp), -EBADMSG);
		free(copy);
	}
	assert_true(len > 200);
	buf_fini(&webp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orientations),
		cmocka_unit_test(test_cut_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
