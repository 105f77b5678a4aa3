#include "mediad/opus.h"

#include "lib/err.h"

#include <string.h>

#define CODE_MASK  3
#define CODE_MANY  3
#define COUNT_VBR  0x80
#define SHORT_MAX  251
#define LONG_FIRST 252

/* By the TOC's upper five bits: SILK, hybrid, CELT (RFC 6716, 3.1). */
static uint32_t frame_length(uint8_t toc)
{
	static const uint32_t silk[] = { 480, 960, 1920, 2880 }, hybrid[] = { 480, 960 },
			      celt[] = { 120, 240, 480, 960 };
	unsigned config = toc >> 3;

	if (config < 12)
		return silk[config & 3];
	return config < 16 ? hybrid[config & 1] : celt[config & 3];
}

uint32_t opus_single(const uint8_t *data, size_t len)
{
	return len > 0 && len <= 1 + OPUS_FRAME_MAX && (data[0] & CODE_MASK) == 0 ? frame_length(data[0]) : 0;
}

bool opus_is_alike(const uint8_t *a, const uint8_t *b)
{
	return ((a[0] ^ b[0]) & ~CODE_MASK) == 0;
}

static size_t write_length(uint8_t *p, size_t len)
{
	if (len <= SHORT_MAX) {
		p[0] = (uint8_t)len;
		return 1;
	}
	p[0] = (uint8_t)(LONG_FIRST + (len & 3));
	p[1] = (uint8_t)((len - p[0]) / 4);
	return 2;
}

size_t opus_join(uint8_t *p, size_t room, const struct opus_part *part, unsigned n)
{
	size_t total = 2, at = 2;

	for (unsigned i = 0; i < n; i++)
		total += part[i].len - 1 + (i + 1 < n ? 1 + (part[i].len - 1 > SHORT_MAX) : 0);
	if (n == 1)
		total = part[0].len;
	if (n == 0 || n > OPUS_JOIN_MAX || total > room)
		return 0;
	if (n == 1) {
		memcpy(p, part[0].data, part[0].len);
		return total;
	}
	p[0] = part[0].data[0] | CODE_MANY;
	p[1] = (uint8_t)(COUNT_VBR | n);
	for (unsigned i = 0; i + 1 < n; i++)
		at += write_length(p + at, part[i].len - 1);
	for (unsigned i = 0; i < n; i++) {
		memcpy(p + at, part[i].data + 1, part[i].len - 1);
		at += part[i].len - 1;
	}
	return at;
}
