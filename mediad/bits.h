/* mediad/bits.h - a reader of bits, highest first, for parameter sets.
 *
 * What is read behind the end is 0 and sets failed: callers look once, at the end. Pure. */
#ifndef PARLEY_MEDIAD_BITS_H
#define PARLEY_MEDIAD_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bits {
	const uint8_t *data;
	size_t len, at; /* bytes; the next bit */
	bool rbsp;	/* H.264: 3 behind two zeros is no data */
	bool failed;
};

static inline void bits_init(struct bits *b, const uint8_t *data, size_t len)
{
	*b = (struct bits){ .data = data, .len = len };
}

static inline void bits_init_rbsp(struct bits *b, const uint8_t *data, size_t len)
{
	*b = (struct bits){ .data = data, .len = len, .rbsp = true };
}

static inline unsigned bits_one(struct bits *b)
{
	size_t byte = b->at / 8;

	if (b->rbsp && b->at % 8 == 0 && byte >= 2 && byte < b->len && b->data[byte] == 3 && b->data[byte - 1] == 0 &&
	    b->data[byte - 2] == 0) {
		b->at += 8;
		byte++;
	}
	if (byte >= b->len) {
		b->failed = true;
		return 0;
	}
	unsigned bit = b->data[byte] >> (7 - b->at % 8) & 1u;
	b->at++;
	return bit;
}

/* n ≤ 32 */
static inline uint32_t bits_get(struct bits *b, unsigned n)
{
	uint32_t value = 0;

	while (n-- > 0)
		value = value << 1 | bits_one(b);
	return value;
}

/* Exp-Golomb: H.264 ue(v), AV1 uvlc(). */
static inline uint32_t bits_ue(struct bits *b)
{
	unsigned zeros = 0;

	while (zeros < 32 && !b->failed && bits_one(b) == 0)
		zeros++;
	if (zeros == 32 || b->failed) {
		b->failed = true;
		return 0;
	}
	return (uint32_t)((UINT64_C(1) << zeros) - 1 + bits_get(b, zeros));
}

static inline int32_t bits_se(struct bits *b)
{
	uint32_t code = bits_ue(b);

	return code & 1 ? (int32_t)(code / 2 + 1) : -(int32_t)(code / 2);
}

#endif
