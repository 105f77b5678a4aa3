/* tests/support/stress.h - what the stress tests share: two sides at once, a clock, checks, checkable bytes.
 *
 * The sides are two processes, as in real life. Built with TSan, which cannot see across processes, they are
 * two threads; then both must also use one mapping, or TSan takes the same memory for two (STRESS_THREADS). */
#ifndef PARLEY_TESTS_STRESS_H
#define PARLEY_TESTS_STRESS_H

#include "lib/clock.h"
#include "shm/fence.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef SHM_TSAN
#define STRESS_THREADS 1
#else
#define STRESS_THREADS 0
#endif

#define STRESS_SECONDS_DEFAULT 3

#define CHECK(condition, ...)                                                           \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
			fprintf(stderr, __VA_ARGS__);                                   \
			fputc('\n', stderr);                                            \
			_exit(1);                                                       \
		}                                                                       \
	} while (0)

/* When to stop: argument 1 is the seconds. */
__attribute__((unused)) static int64_t stress_until_us(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : STRESS_SECONDS_DEFAULT;

	return clock_now_us() + (int64_t)(seconds * (double)USEC_PER_SEC);
}

/* Zeroed memory that the sides share. */
__attribute__((unused)) static void *stress_shared(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED, "mmap");
	return p;
}

struct rng {
	uint64_t x;
};

static inline uint64_t rng_next(struct rng *rng)
{
	rng->x = rng->x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return rng->x ^ rng->x >> 29;
}

static inline uint32_t rng_below(struct rng *rng, uint32_t n)
{
	return (uint32_t)((rng_next(rng) >> 16) % n);
}

/* len bytes that follow from seed alone, so that a torn record cannot pass. */
__attribute__((unused)) static void pattern_fill(uint64_t seed, uint8_t *buf, size_t len)
{
	struct rng rng = { seed * UINT64_C(0x9e3779b97f4a7c15) + len };

	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = rng_next(&rng);
		memcpy(buf + i, &word, len - i < 8 ? len - i : 8);
	}
}

__attribute__((unused)) static bool pattern_matches(uint64_t seed, const uint8_t *buf, size_t len)
{
	struct rng rng = { seed * UINT64_C(0x9e3779b97f4a7c15) + len };

	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = rng_next(&rng);
		if (memcmp(buf + i, &word, len - i < 8 ? len - i : 8) != 0)
			return false;
	}
	return true;
}

typedef void stress_side(void *arg);

struct stress_thread {
	stress_side *side;
	void *arg;
};

__attribute__((unused)) static void *stress_thread_main(void *arg)
{
	struct stress_thread *t = arg;

	t->side(t->arg);
	return NULL;
}

/* Runs every side at once; the program ends with 1 when one of them fails. */
__attribute__((unused)) static void stress_run(const struct stress_thread *sides, size_t n)
{
	pthread_t thread[8];
	pid_t pid[8];
	int failed = 0;

	for (size_t i = 0; i < n; i++) {
		if (STRESS_THREADS) {
			CHECK(pthread_create(&thread[i], NULL, stress_thread_main, (void *)&sides[i]) == 0, "thread");
			continue;
		}
		pid[i] = fork();
		CHECK(pid[i] >= 0, "fork");
		if (pid[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			sides[i].side(sides[i].arg);
			fflush(NULL);
			_exit(0);
		}
	}
	for (size_t i = 0; i < n; i++) {
		int status = 0;
		if (STRESS_THREADS) {
			pthread_join(thread[i], NULL);
			continue;
		}
		CHECK(waitpid(pid[i], &status, 0) == pid[i], "waitpid");
		failed |= status;
	}
	if (failed)
		exit(1);
}

#endif
