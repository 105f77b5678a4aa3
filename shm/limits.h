/* shm/limits.h - rate limits, one count over all workers.
 *
 * A bucket is one 64-bit word: the "theoretical arrival time" of GCRA (ITU-T I.371) in microseconds of
 * CLOCK_MONOTONIC, changed by compare-and-swap, so a dead worker leaves nothing locked. Buckets are found by
 * a keyed hash of (kind, subject); two subjects that collide share a bucket, which can only be seen when both
 * are near their limit (2^18 buckets).
 *
 * Callers: any worker, any thread. */
#ifndef PARLEY_SHM_LIMITS_H
#define PARLEY_SHM_LIMITS_H

#include "shm/layout.h"

#include <stdatomic.h>

#define LIMITS_BUCKETS_DEFAULT (1u << 18)

struct limits_region {
	struct shm_header header;
	uint64_t key[2] SHM_ALIGNED; /* random; master writes once */
	uint32_t buckets;	     /* power of two; master writes once */
	uint8_t pad[SHM_LINE - 20];
	_Atomic uint64_t tat[];
};

struct limits {
	struct shm_map map;
	struct limits_region *shm;
	uint32_t buckets;
};

struct limits_verdict {
	bool allowed;
	uint64_t remaining;	 /* how many more would pass now */
	uint64_t retry_after_us; /* when not allowed: until the next one passes */
	uint64_t reset_us;	 /* until the full burst is there again */
};

int limits_create(uint32_t buckets, int *ret_fd); /* master */
int limits_attach(struct limits *limits, int fd);
void limits_detach(struct limits *limits);

/* May subject do this once more? At most burst at once and burst per window_us in the long run. burst 0 = no
 * limit. Takes one when allowed. kind separates namespaces ("login-account", …). */
struct limits_verdict limits_take(struct limits *limits, const char *kind, const void *subject, size_t len,
				  uint64_t burst, uint64_t window_us, int64_t now_us);
/* The same without taking. */
struct limits_verdict limits_peek(struct limits *limits, const char *kind, const void *subject, size_t len,
				  uint64_t burst, uint64_t window_us, int64_t now_us);

/* SipHash-2-4, which finds the bucket; here for its test. */
uint64_t limits_hash(const uint64_t key[2], const void *data, size_t len);

#endif
