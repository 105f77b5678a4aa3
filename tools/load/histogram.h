/* tools/load/histogram.h - how often which value came: percentiles of millions of measurements in 2.5 KiB.
 *
 * Values are counted in buckets no wider than 1/16 of the value (exact below 32), so what comes out is at most that
 * much too high. Negative values count as 0. A zeroed one is empty. Pure. */
#ifndef PARLEY_LOAD_HISTOGRAM_H
#define PARLEY_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 640

struct histogram {
	uint64_t count;
	int64_t max;
	uint32_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, int64_t value);
/* The value that this share (0 … 1) of the measurements does not exceed; 0 when there are none. */
int64_t histogram_at(const struct histogram *h, double share);

#endif
