#include "lib/ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *ret, size_t len)
{
	uint8_t *at = ret;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			abort();
		}
		at += n;
		len -= (size_t)n;
	}
}

struct id id_random(void)
{
	struct id id;

	random_bytes(id.b, sizeof(id.b));
	id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x40);
	id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
	return id;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int id_parse(const char *text, size_t len, struct id *ret_id)
{
	struct id id;
	size_t at = 0;

	if (len != ID_TEXT_LEN)
		return -EINVAL;
	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10) {
			if (text[at++] != '-')
				return -EINVAL;
		}
		int hi = hex_digit(text[at]), lo = hex_digit(text[at + 1]);
		if (hi < 0 || lo < 0)
			return -EINVAL;
		id.b[i] = (uint8_t)(hi << 4 | lo);
		at += 2;
	}
	*ret_id = id;
	return 0;
}

const char *hex_format(const void *data, size_t len, char *buf)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *d = data;

	for (size_t i = 0; i < len; i++) {
		buf[2 * i] = digits[d[i] >> 4];
		buf[2 * i + 1] = digits[d[i] & 15];
	}
	buf[2 * len] = 0;
	return buf;
}

const char *id_format(const struct id *id, char buf[ID_TEXT_LEN + 1])
{
	char hex[33];

	hex_format(id->b, 16, hex);
	snprintf(buf, ID_TEXT_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
	return buf;
}

int hex_parse(const char *text, size_t text_len, void *ret, size_t len)
{
	uint8_t out[64];
	size_t at = 0;

	if (len > sizeof(out))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (i > 0 && at < text_len && text[at] == ':')
			at++;
		if (text_len - at < 2)
			return -EINVAL;
		int hi = hex_digit(text[at]), lo = hex_digit(text[at + 1]);
		if (hi < 0 || lo < 0)
			return -EINVAL;
		out[i] = (uint8_t)(hi << 4 | lo);
		at += 2;
	}
	if (at != text_len)
		return -EINVAL;
	memcpy(ret, out, len);
	return 0;
}

uint64_t hash_bytes(const void *data, size_t len)
{
	const uint8_t *d = data;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ d[i]) * UINT64_C(0x100000001b3);
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}
