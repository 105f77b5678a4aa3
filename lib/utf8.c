#include "lib/utf8.h"

#include <stdint.h>
#include <string.h>

static size_t sequence_len(const uint8_t *p, size_t len)
{
	uint8_t first = p[0], low = 0x80, high = 0xbf;
	size_t need;

	if (first >= 0xc2 && first <= 0xdf) {
		need = 2;
	} else if (first >= 0xe0 && first <= 0xef) {
		need = 3;
		low = first == 0xe0 ? 0xa0 : 0x80;
		high = first == 0xed ? 0x9f : 0xbf;
	} else if (first >= 0xf0 && first <= 0xf4) {
		need = 4;
		low = first == 0xf0 ? 0x90 : 0x80;
		high = first == 0xf4 ? 0x8f : 0xbf;
	} else {
		return 0;
	}
	if (len < need || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return need;
}

bool utf8_valid(const void *text, size_t len)
{
	const uint8_t *p = text;

	while (len > 0) {
		size_t n = 1;
		uint64_t eight;
		if (len >= sizeof(eight)) {
			memcpy(&eight, p, sizeof(eight));
			if (!(eight & UINT64_C(0x8080808080808080))) {
				p += sizeof(eight);
				len -= sizeof(eight);
				continue;
			}
		}
		if (*p & 0x80)
			n = sequence_len(p, len);
		if (n == 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}
