#include "shm/limits.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/ids.h"

#include <string.h>

#define LIMITS_BUCKETS_MAX (1u << 26)

/* A bucket further ahead than any limit's window is not believed. */
#define LIMITS_AHEAD_MAX_US ((uint64_t)USEC_PER_SEC * 86400 * 7)

static size_t region_size(uint32_t buckets)
{
	return sizeof(struct limits_region) + (size_t)buckets * sizeof(uint64_t);
}

static bool buckets_valid(uint32_t buckets)
{
	return buckets > 0 && buckets <= LIMITS_BUCKETS_MAX && (buckets & (buckets - 1)) == 0;
}

int limits_create(uint32_t buckets, int *ret_fd)
{
	struct shm_map map;

	if (!buckets_valid(buckets))
		return -EINVAL;
	auto_close int fd = -1;
	int err = shm_create("limits", SHM_MAGIC_LIMITS, region_size(buckets), &fd);
	if (err < 0)
		return err;
	err = shm_attach(fd, SHM_MAGIC_LIMITS, region_size(buckets), true, &map);
	if (err < 0)
		return err;
	struct limits_region *shm = map.base;
	shm->buckets = buckets;
	random_bytes(shm->key, sizeof(shm->key));
	shm_detach(&map);
	*ret_fd = STEAL_FD(fd);
	return 0;
}

int limits_attach(struct limits *limits, int fd)
{
	struct limits l;

	int err = shm_attach(fd, SHM_MAGIC_LIMITS, sizeof(struct limits_region), true, &l.map);
	if (err < 0)
		return err;
	l.shm = l.map.base;
	l.buckets = *(const volatile uint32_t *)&l.shm->buckets;
	if (!buckets_valid(l.buckets) || l.map.size != region_size(l.buckets)) {
		shm_detach(&l.map);
		return -EPROTO;
	}
	*limits = l;
	return 0;
}

void limits_detach(struct limits *limits)
{
	shm_detach(&limits->map);
	*limits = (struct limits){ 0 };
}

/* ---- SipHash-2-4: strangers choose names and addresses, and must not find two that meet in a bucket ---- */

struct sip {
	uint64_t v0, v1, v2, v3;
	uint64_t word; /* bytes that do not fill eight yet */
	size_t len;
};

static inline uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

static void sip_bytes(struct sip *s, const void *data, size_t len)
{
	const uint8_t *d = data;

	for (size_t i = 0; i < len; i++) {
		s->word |= (uint64_t)d[i] << 8 * (s->len++ & 7);
		if ((s->len & 7) == 0) {
			sip_word(s, s->word);
			s->word = 0;
		}
	}
}

static struct sip sip_init(const uint64_t key[2])
{
	return (struct sip){ .v0 = key[0] ^ UINT64_C(0x736f6d6570736575),
			     .v1 = key[1] ^ UINT64_C(0x646f72616e646f6d),
			     .v2 = key[0] ^ UINT64_C(0x6c7967656e657261),
			     .v3 = key[1] ^ UINT64_C(0x7465646279746573) };
}

static uint64_t sip_final(struct sip *s)
{
	sip_word(s, s->word | (uint64_t)s->len << 56);
	s->v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t limits_hash(const uint64_t key[2], const void *data, size_t len)
{
	struct sip s = sip_init(key);

	sip_bytes(&s, data, len);
	return sip_final(&s);
}

/* ---- the generic cell rate algorithm ---- */

static _Atomic uint64_t *bucket_of(struct limits *limits, const char *kind, const void *subject, size_t len)
{
	struct sip s = sip_init(limits->shm->key);

	/* With its NUL, so that ("ab", "c") is not ("a", "bc"). */
	sip_bytes(&s, kind, strlen(kind) + 1);
	sip_bytes(&s, subject, len);
	return &limits->shm->tat[sip_final(&s) & (limits->buckets - 1)];
}

struct gcra {
	uint64_t step_us;  /* what one costs */
	uint64_t ahead_us; /* how far the bucket may run ahead of now: burst steps */
};

static struct limits_verdict verdict_at(const struct gcra *g, uint64_t tat, uint64_t now, uint64_t *ret_next)
{
	struct limits_verdict v = { 0 };
	uint64_t used = tat > now && tat - now <= LIMITS_AHEAD_MAX_US ? tat - now : 0;

	if (used + g->step_us <= g->ahead_us) {
		used += g->step_us;
		v.allowed = true;
	} else {
		v.retry_after_us = used + g->step_us - g->ahead_us;
	}
	v.remaining = used < g->ahead_us ? (g->ahead_us - used) / g->step_us : 0;
	v.reset_us = used;
	*ret_next = now + used;
	return v;
}

static struct limits_verdict decide(struct limits *limits, const char *kind, const void *subject, size_t len,
				    uint64_t burst, uint64_t window_us, int64_t now_us, bool take)
{
	uint64_t next;

	if (burst == 0 || window_us == 0)
		return (struct limits_verdict){ .allowed = true, .remaining = UINT64_MAX };
	window_us = MIN(window_us, LIMITS_AHEAD_MAX_US / 2);
	burst = MIN(burst, window_us);
	/* Rounded up: rather a little less than more than burst in a window. */
	struct gcra g = { .step_us = (window_us + burst - 1) / burst };
	g.ahead_us = burst * g.step_us;
	uint64_t now = now_us > 0 ? (uint64_t)now_us : 0;
	_Atomic uint64_t *bucket = bucket_of(limits, kind, subject, len);
	/* Relaxed: the word is all there is, nothing else is published by it. */
	uint64_t tat = atomic_load_explicit(bucket, memory_order_relaxed);
	for (;;) {
		struct limits_verdict v = verdict_at(&g, tat, now, &next);
		if (!take || !v.allowed)
			return v;
		if (atomic_compare_exchange_weak_explicit(bucket, &tat, next, memory_order_relaxed,
							  memory_order_relaxed))
			return v;
	}
}

struct limits_verdict limits_take(struct limits *limits, const char *kind, const void *subject, size_t len,
				  uint64_t burst, uint64_t window_us, int64_t now_us)
{
	return decide(limits, kind, subject, len, burst, window_us, now_us, true);
}

struct limits_verdict limits_peek(struct limits *limits, const char *kind, const void *subject, size_t len,
				  uint64_t burst, uint64_t window_us, int64_t now_us)
{
	return decide(limits, kind, subject, len, burst, window_us, now_us, false);
}
