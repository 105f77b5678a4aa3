/* links: */
#include "shm/limits.h"

#include "lib/clock.h"
#include "tests/support/cm.h"

#include <string.h>
#include <unistd.h>

#define BUCKETS 1024u
#define T0	(1000 * USEC_PER_SEC)

struct fix {
	int fd;
	struct limits limits;
};

static int setup(void **state)
{
	static struct fix f;

	assert_int_equal(limits_create(BUCKETS, &f.fd), 0);
	assert_int_equal(limits_attach(&f.limits, f.fd), 0);
	/* The same buckets in every run, and none for two subjects of a test. */
	f.limits.shm->key[0] = 1;
	f.limits.shm->key[1] = 4;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	limits_detach(&f->limits);
	close(f->fd);
	return 0;
}

static struct limits_verdict take(struct fix *f, const char *subject, uint64_t burst, uint64_t window_us,
				  int64_t now_us)
{
	return limits_take(&f->limits, "test", subject, strlen(subject), burst, window_us, now_us);
}

static void test_burst(void **state)
{
	struct fix *f = *state;
	struct limits_verdict v;

	for (uint64_t i = 0; i < 5; i++) {
		v = take(f, "a", 5, 10 * USEC_PER_SEC, T0);
		assert_true(v.allowed);
		assert_int_equal(v.remaining, 4 - i);
		assert_int_equal(v.retry_after_us, 0);
		assert_int_equal(v.reset_us, (i + 1) * 2 * USEC_PER_SEC);
	}
	v = take(f, "a", 5, 10 * USEC_PER_SEC, T0);
	assert_false(v.allowed);
	assert_int_equal(v.remaining, 0);
	assert_int_equal(v.retry_after_us, 2 * USEC_PER_SEC);
	assert_int_equal(v.reset_us, 10 * USEC_PER_SEC);
	/* A microsecond too early, then in time. */
	assert_false(take(f, "a", 5, 10 * USEC_PER_SEC, T0 + 2 * USEC_PER_SEC - 1).allowed);
	assert_true(take(f, "a", 5, 10 * USEC_PER_SEC, T0 + 2 * USEC_PER_SEC).allowed);
	assert_false(take(f, "a", 5, 10 * USEC_PER_SEC, T0 + 2 * USEC_PER_SEC).allowed);
	/* After a rest, the full burst again. */
	v = take(f, "a", 5, 10 * USEC_PER_SEC, T0 + 100 * USEC_PER_SEC);
	assert_int_equal(v.remaining, 4);
}

static void test_refused_takes_nothing(void **state)
{
	struct fix *f = *state;

	assert_true(take(f, "a", 1, USEC_PER_SEC, T0).allowed);
	for (int i = 0; i < 1000; i++)
		assert_false(take(f, "a", 1, USEC_PER_SEC, T0 + i).allowed);
	assert_true(take(f, "a", 1, USEC_PER_SEC, T0 + USEC_PER_SEC).allowed);
}

static void test_long_run(void **state)
{
	struct fix *f = *state;
	const struct {
		uint64_t burst, window_us;
	} limits[] = { { 3, 1000000 }, { 1500, 1000000 }, { 7, 60000000 }, { 1, 3 }, { 999999, 1000000 }, { 10, 7 } };

	for (size_t k = 0; k < ARRAY_LEN(limits); k++) {
		uint64_t taken = 0;
		/* Ten windows of trying all the time. */
		for (int64_t t = 0; t < 10 * (int64_t)limits[k].window_us;) {
			struct limits_verdict v = limits_take(&f->limits, "long", &k, sizeof(k), limits[k].burst,
							      limits[k].window_us, T0 + t);
			taken += v.allowed;
			assert_true(v.allowed || v.retry_after_us > 0);
			t += (int64_t)v.retry_after_us;
		}
		assert_true(taken <= 11 * limits[k].burst);
		assert_true(taken >= 5 * MIN(limits[k].burst, limits[k].window_us));
	}
}

static void test_peek(void **state)
{
	struct fix *f = *state;

	for (int i = 0; i < 10; i++) {
		struct limits_verdict v = limits_peek(&f->limits, "test", "a", 1, 2, USEC_PER_SEC, T0);
		assert_true(v.allowed);
	}
	assert_true(take(f, "a", 2, USEC_PER_SEC, T0).allowed);
	assert_true(take(f, "a", 2, USEC_PER_SEC, T0).allowed);
	struct limits_verdict v = limits_peek(&f->limits, "test", "a", 1, 2, USEC_PER_SEC, T0);
	assert_false(v.allowed);
	assert_int_equal(v.retry_after_us, USEC_PER_SEC / 2);
}

static void test_no_limit(void **state)
{
	struct fix *f = *state;

	for (int i = 0; i < 100; i++) {
		assert_true(take(f, "a", 0, USEC_PER_SEC, T0).allowed);
		assert_true(take(f, "a", 1, 0, T0).allowed);
	}
	for (uint32_t i = 0; i < BUCKETS; i++)
		assert_int_equal(atomic_load(&f->limits.shm->tat[i]), 0);
}

static void test_namespaces(void **state)
{
	struct fix *f = *state;

	assert_true(limits_take(&f->limits, "ab", "c", 1, 1, USEC_PER_SEC, T0).allowed);
	assert_true(limits_take(&f->limits, "a", "bc", 2, 1, USEC_PER_SEC, T0).allowed);
	assert_true(limits_take(&f->limits, "abc", "", 0, 1, USEC_PER_SEC, T0).allowed);
	assert_false(limits_take(&f->limits, "ab", "c", 1, 1, USEC_PER_SEC, T0).allowed);
}

static void test_shared_by_all_workers(void **state)
{
	struct fix *f = *state;
	struct limits other;

	assert_int_equal(limits_attach(&other, f->fd), 0);
	assert_true(take(f, "a", 1, USEC_PER_SEC, T0).allowed);
	assert_false(limits_take(&other, "test", "a", 1, 1, USEC_PER_SEC, T0).allowed);
	limits_detach(&other);
}

static void test_buckets_are_spread(void **state)
{
	struct fix *f = *state;
	uint32_t used = 0;

	for (uint32_t i = 0; i < BUCKETS; i++)
		limits_take(&f->limits, "spread", &i, sizeof(i), 1, USEC_PER_SEC, T0);
	for (uint32_t i = 0; i < BUCKETS; i++)
		used += atomic_load(&f->limits.shm->tat[i]) != 0;
	/* 1 - 1/e of them is what chance gives. */
	assert_true(used > BUCKETS * 55 / 100 && used < BUCKETS * 72 / 100);
}

static void test_key_is_random(void **state)
{
	struct limits a, b;
	int fd_a = -1, fd_b = -1;

	(void)state;
	assert_int_equal(limits_create(BUCKETS, &fd_a) | limits_create(BUCKETS, &fd_b), 0);
	assert_int_equal(limits_attach(&a, fd_a) | limits_attach(&b, fd_b), 0);
	assert_memory_not_equal(a.shm->key, b.shm->key, sizeof(a.shm->key));
	limits_detach(&a);
	limits_detach(&b);
	close(fd_a);
	close(fd_b);
}

/* Vectors of the SipHash paper: key 00 01 … 0f, input 00 01 … (appendix A and the reference implementation). */
static void test_siphash_vectors(void **state)
{
	const uint64_t key[2] = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
	uint8_t in[64];

	(void)state;
	for (uint8_t i = 0; i < sizeof(in); i++)
		in[i] = i;
	assert_int_equal(limits_hash(key, in, 0), UINT64_C(0x726fdb47dd0e0e31));
	assert_int_equal(limits_hash(key, in, 1), UINT64_C(0x74f839c593dc67fd));
	assert_int_equal(limits_hash(key, in, 8), UINT64_C(0x93f5f5799a932462));
	assert_int_equal(limits_hash(key, in, 15), UINT64_C(0xa129ca6149be45e5));
}

/* ---- hostile contents ---- */

static void test_nonsense_in_buckets(void **state)
{
	struct fix *f = *state;
	const uint64_t bad[] = { UINT64_MAX, UINT64_MAX / 2, T0 + UINT64_C(86400) * 30 * USEC_PER_SEC };

	for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
		for (uint32_t i = 0; i < BUCKETS; i++)
			atomic_store(&f->limits.shm->tat[i], bad[k]);
		/* Nobody is locked out for ever. */
		struct limits_verdict v = take(f, "a", 3, USEC_PER_SEC, T0);
		assert_true(v.allowed);
		assert_int_equal(v.remaining, 2);
		assert_true(take(f, "a", 3, USEC_PER_SEC, T0).allowed);
		assert_true(take(f, "a", 3, USEC_PER_SEC, T0).allowed);
		assert_false(take(f, "a", 3, USEC_PER_SEC, T0).allowed);
	}
}

static void test_extreme_arguments(void **state)
{
	struct fix *f = *state;

	assert_true(take(f, "a", UINT64_MAX, UINT64_MAX, T0).allowed);
	assert_true(take(f, "b", 1, UINT64_MAX, T0).allowed);
	struct limits_verdict v = take(f, "b", 1, UINT64_MAX, T0);
	assert_false(v.allowed);
	assert_true(v.retry_after_us > 0);
	assert_true(take(f, "c", UINT64_MAX, 1, T0).allowed);
	assert_true(take(f, "d", 1, 1, INT64_MIN).allowed);
	assert_true(take(f, "e", 1, 1, INT64_MAX).allowed);
}

static void test_attach_refuses(void **state)
{
	struct fix *f = *state;
	const uint32_t bad[] = { 0, BUCKETS / 2, BUCKETS - 1, BUCKETS * 2, UINT32_MAX };
	struct limits limits;
	int fd = -1;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		f->limits.shm->buckets = bad[i];
		assert_int_equal(limits_attach(&limits, f->fd), -EPROTO);
		/* Who is attached goes by what it saw. */
		take(f, "a", 3, USEC_PER_SEC, T0);
	}
	assert_int_equal(limits_create(0, &fd), -EINVAL);
	assert_int_equal(limits_create(1000, &fd), -EINVAL);
	assert_int_equal(limits_create(1u << 31, &fd), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_burst),
		TEST(test_refused_takes_nothing),
		TEST(test_long_run),
		TEST(test_peek),
		TEST(test_no_limit),
		TEST(test_namespaces),
		TEST(test_shared_by_all_workers),
		TEST(test_buckets_are_spread),
		TEST(test_key_is_random),
		TEST(test_siphash_vectors),
		TEST(test_nonsense_in_buckets),
		TEST(test_extreme_arguments),
		TEST(test_attach_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
