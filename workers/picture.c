#include "workers/picture.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>
#include <webp/decode.h>
#include <webp/encode.h>

#define QUALITY		82
#define EXIF_ENTRIES	64
#define TAG_ORIENTATION 0x0112

/* Decoded: RGBA, rows without gaps. */
struct pixels {
	uint8_t *rgba; /* malloc'ed */
	uint32_t width, height;
};

static int size_check(uint64_t width, uint64_t height)
{
	if (width == 0 || height == 0)
		return -EBADMSG;
	return width > PICTURE_SIDE_MAX || height > PICTURE_SIDE_MAX || width * height > PICTURE_PIXELS_MAX ? -E2BIG
													    : 0;
}

static int pixels_alloc(struct pixels *p, uint32_t width, uint32_t height)
{
	*p = (struct pixels){ .rgba = malloc((size_t)width * height * 4), .width = width, .height = height };
	return p->rgba ? 0 : -ENOMEM;
}

/* Decoders */

static int png_read(const void *data, size_t len, struct pixels *ret)
{
	png_image image = { .version = PNG_IMAGE_VERSION };
	int err;

	if (!png_image_begin_read_from_memory(&image, data, len))
		return -EBADMSG;
	image.format = PNG_FORMAT_RGBA;
	err = size_check(image.width, image.height);
	if (err == 0)
		err = pixels_alloc(ret, image.width, image.height);
	if (err == 0 && !png_image_finish_read(&image, NULL, ret->rgba, 0, NULL)) {
		free(ret->rgba);
		err = -EBADMSG;
	}
	png_image_free(&image);
	return err;
}

/* The smallest of the sizes that the decoder can make which is large enough. */
static tjscalingfactor jpeg_scale(int width, int height)
{
	tjscalingfactor best = { 1, 1 };
	int n = 0;
	const tjscalingfactor *all = tjGetScalingFactors(&n);

	for (int i = 0; all && i < n; i++) {
		int w = TJSCALED(width, all[i]), h = TJSCALED(height, all[i]);
		if (all[i].num <= all[i].denom && w >= PICTURE_SIZE && h >= PICTURE_SIZE && TJSCALED(width, best) > w)
			best = all[i];
	}
	return best;
}

static int jpeg_decode(tjhandle tj, const void *data, size_t len, struct pixels *ret)
{
	int width, height, subsampling, colorspace;

	if (tjDecompressHeader3(tj, data, len, &width, &height, &subsampling, &colorspace) < 0)
		return -EBADMSG;
	int err = size_check((uint64_t)MAX(width, 0), (uint64_t)MAX(height, 0));
	if (err < 0)
		return err;
	tjscalingfactor scale = jpeg_scale(width, height);
	width = TJSCALED(width, scale);
	height = TJSCALED(height, scale);
	err = pixels_alloc(ret, (uint32_t)width, (uint32_t)height);
	if (err < 0)
		return err;
	/* A file that is cut off, as phones make them, is a warning; the rest is grey. */
	if (tjDecompress2(tj, data, len, ret->rgba, width, 0, height, TJPF_RGBA, TJFLAG_LIMITSCANS) < 0 &&
	    tjGetErrorCode(tj) == TJERR_FATAL) {
		free(ret->rgba);
		return -EBADMSG;
	}
	return 0;
}

static int jpeg_read(const void *data, size_t len, struct pixels *ret)
{
	tjhandle tj = tjInitDecompress();
	int err = tj ? jpeg_decode(tj, data, len, ret) : -ENOMEM;

	if (tj)
		tjDestroy(tj);
	return err;
}

static int webp_read(const void *data, size_t len, struct pixels *ret)
{
	WebPBitstreamFeatures features;

	if (WebPGetFeatures(data, len, &features) != VP8_STATUS_OK || features.has_animation)
		return -EBADMSG;
	int err = size_check((uint64_t)MAX(features.width, 0), (uint64_t)MAX(features.height, 0));
	if (err == 0)
		err = pixels_alloc(ret, (uint32_t)features.width, (uint32_t)features.height);
	if (err < 0)
		return err;
	if (!WebPDecodeRGBAInto(data, len, ret->rgba, (size_t)ret->width * ret->height * 4, (int)ret->width * 4)) {
		free(ret->rgba);
		return -EBADMSG;
	}
	return 0;
}

/* EXIF */

/* Numbers in the byte order of the TIFF block. */
struct tiff {
	const uint8_t *at;
	size_t len;
	bool little;
};

static uint32_t tiff_number(const struct tiff *t, size_t at, unsigned bytes)
{
	uint32_t value = 0;

	if (at > t->len || t->len - at < bytes)
		return 0;
	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | t->at[at + (t->little ? bytes - 1 - i : i)];
	return value;
}

static unsigned tiff_orientation(const uint8_t *data, size_t len)
{
	struct tiff t = { data, len, len > 0 && data[0] == 'I' };
	uint32_t table = tiff_number(&t, 4, 4), entries = tiff_number(&t, table, 2);

	for (uint32_t i = 0; i < MIN(entries, (uint32_t)EXIF_ENTRIES); i++) {
		size_t entry = (size_t)table + 2 + (size_t)i * 12;
		uint32_t value = tiff_number(&t, entry + 8, 2);
		if (tiff_number(&t, entry, 2) == TAG_ORIENTATION)
			return value >= 1 && value <= 8 ? value : 1;
	}
	return 1;
}

unsigned picture_orientation(const uint8_t *data, size_t len)
{
	/* Segments: 0xff, marker, length with itself; the picture begins at 0xda. */
	for (size_t at = 2; at + 4 <= len && data[at] == 0xff && data[at + 1] != 0xda;) {
		size_t segment = (size_t)data[at + 2] << 8 | data[at + 3];
		if (segment < 2 || segment > len - at - 2)
			break;
		if (data[at + 1] == 0xe1 && segment >= 8 && memcmp(&data[at + 4], "Exif\0", 6) == 0)
			return tiff_orientation(&data[at + 10], segment - 8);
		at += 2 + segment;
	}
	return 1;
}

/* Scaling */

/* Where the pixel x, y of the upright picture is in the stored one, both of them square with this side. */
static void turn(unsigned orientation, uint32_t side, uint32_t x, uint32_t y, uint32_t *ret_x, uint32_t *ret_y)
{
	uint32_t last = side - 1, right = last - x, bottom = last - y;
	const uint32_t from[9][2] = { { x, y }, { x, y },     { right, y },	 { right, bottom }, { x, bottom },
				      { y, x }, { y, right }, { bottom, right }, { bottom, x } };

	*ret_x = from[orientation][0];
	*ret_y = from[orientation][1];
}

/* The mean colour of a rectangle of whole pixels; colours count by their opacity. */
static void mean(const struct pixels *p, uint32_t x0, uint32_t x1, uint32_t y0, uint32_t y1, uint8_t ret[4])
{
	uint64_t sum[3] = { 0 }, alpha = 0, n = (uint64_t)(x1 - x0) * (y1 - y0);

	for (uint32_t y = y0; y < y1; y++) {
		const uint8_t *at = p->rgba + ((size_t)y * p->width + x0) * 4;
		for (uint32_t x = x0; x < x1; x++, at += 4) {
			for (unsigned c = 0; c < 3; c++)
				sum[c] += (uint64_t)at[c] * at[3];
			alpha += at[3];
		}
	}
	for (unsigned c = 0; c < 3; c++)
		ret[c] = alpha ? (uint8_t)((sum[c] + alpha / 2) / alpha) : 0;
	ret[3] = (uint8_t)((alpha + n / 2) / n);
}

static void scale(const struct pixels *p, unsigned orientation, uint8_t ret[PICTURE_SIZE * PICTURE_SIZE * 4])
{
	uint32_t side = MIN(p->width, p->height);
	uint32_t left = (p->width - side) / 2, top = (p->height - side) / 2;

	for (uint32_t y = 0; y < PICTURE_SIZE; y++) {
		for (uint32_t x = 0; x < PICTURE_SIZE; x++) {
			uint32_t sx, sy;
			turn(orientation, PICTURE_SIZE, x, y, &sx, &sy);
			uint32_t x0 = (uint32_t)((uint64_t)sx * side / PICTURE_SIZE);
			uint32_t y0 = (uint32_t)((uint64_t)sy * side / PICTURE_SIZE);
			uint32_t x1 = (uint32_t)((uint64_t)(sx + 1) * side / PICTURE_SIZE);
			uint32_t y1 = (uint32_t)((uint64_t)(sy + 1) * side / PICTURE_SIZE);
			mean(p, left + x0, left + MAX(x1, x0 + 1), top + y0, top + MAX(y1, y0 + 1),
			     ret + ((size_t)y * PICTURE_SIZE + x) * 4);
		}
	}
}

int picture_convert(enum picture_type type, const void *data, size_t len, struct buf *ret_webp)
{
	static int (*const read[])(const void *, size_t, struct pixels *) = {
		[PICTURE_PNG] = png_read,
		[PICTURE_JPEG] = jpeg_read,
		[PICTURE_WEBP] = webp_read,
	};
	struct pixels pixels = { 0 };
	int err = read[type](data, len, &pixels);

	if (err < 0)
		return err;
	uint8_t *square = malloc((size_t)PICTURE_SIZE * PICTURE_SIZE * 4), *webp = NULL;
	if (square)
		scale(&pixels, type == PICTURE_JPEG ? picture_orientation(data, len) : 1, square);
	free(pixels.rgba);
	size_t n = square ? WebPEncodeRGBA(square, PICTURE_SIZE, PICTURE_SIZE, PICTURE_SIZE * 4, QUALITY, &webp) : 0;
	free(square);
	if (n > 0)
		buf_append(ret_webp, webp, n);
	WebPFree(webp);
	return n > 0 && !ret_webp->failed ? 0 : -ENOMEM;
}
