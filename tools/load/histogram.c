#include "tools/load/histogram.h"

#include "lib/err.h"

static unsigned bucket_of(int64_t value)
{
	uint64_t v = value < 0 ? 0 : (uint64_t)value;

	if (v < 32)
		return (unsigned)v;
	unsigned shift = 59 - (unsigned)__builtin_clzll(v);
	return MIN((shift << 4) + (unsigned)(v >> shift), HISTOGRAM_BUCKETS - 1u);
}

/* The largest value that falls into it. */
static int64_t bucket_end(unsigned i)
{
	if (i < 32)
		return i;
	unsigned shift = (i >> 4) - 1;
	return ((int64_t)((i & 15) + 17) << shift) - 1;
}

void histogram_add(struct histogram *h, int64_t value)
{
	h->count++;
	h->max = MAX(h->max, value);
	h->bucket[bucket_of(value)]++;
}

int64_t histogram_at(const struct histogram *h, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)h->count + 0.999999), seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS && h->count > 0; i++) {
		seen += h->bucket[i];
		if (seen >= MAX(wanted, 1u))
			return MIN(bucket_end(i), h->max);
	}
	return h->max;
}
