/* links: */
/* Two workers take from the same buckets at the same time. Together they must get exactly the burst while the
 * clock stands still, and never more than burst + rate × time while it runs. */
#include "shm/limits.h"

#include "tests/support/stress.h"

#include <sched.h>

#define SUBJECTS 16
#define BURST	 1000

struct test {
	struct limits limits[2];
	int fd;
	int64_t until_us;
	_Atomic uint64_t *taken; /* per subject, both sides */
	_Atomic uint64_t *round; /* sides that finished a round, counted through */
};

struct side {
	struct test *test;
	int number;
};

/* Both sides are here before either goes on. */
static void meet(struct test *t, uint64_t *rounds)
{
	uint64_t target = ++*rounds * 2;

	atomic_fetch_add(t->round, 1);
	while (atomic_load(t->round) < target)
		sched_yield();
}

static void take_round(struct test *t, struct limits *limits, uint64_t round)
{
	/* The clock stands still within a round, and has gone on by far more than a window before it. */
	int64_t now_us = (int64_t)(round + 1) * 10 * USEC_PER_SEC;

	for (int i = 0; i < BURST * 2; i++) {
		for (uint64_t subject = 0; subject < SUBJECTS; subject++) {
			struct limits_verdict v =
				limits_take(limits, "stress", &subject, sizeof(subject), BURST, USEC_PER_SEC, now_us);
			if (v.allowed)
				atomic_fetch_add_explicit(&t->taken[subject], 1, memory_order_relaxed);
			else
				CHECK(v.retry_after_us > 0 && v.remaining == 0, "verdict");
		}
	}
}

static void play(void *arg)
{
	struct side *s = arg;
	struct test *t = s->test;
	struct limits *limits = &t->limits[s->number];
	uint64_t rounds = 0, round = 0;
	bool more = true;

	if (!STRESS_THREADS)
		CHECK(limits_attach(limits, t->fd) == 0, "attach");
	for (; more; round++) {
		meet(t, &rounds);
		take_round(t, limits, round);
		meet(t, &rounds);
		if (s->number == 0) {
			for (int i = 0; i < SUBJECTS; i++) {
				uint64_t taken = atomic_exchange(&t->taken[i], 0);
				CHECK(taken == BURST, "round %lu: %lu taken", (unsigned long)round,
				      (unsigned long)taken);
			}
			/* Both must stop after the same round. */
			atomic_store(&t->taken[SUBJECTS], clock_now_us() >= t->until_us);
		}
		meet(t, &rounds);
		more = atomic_load(&t->taken[SUBJECTS]) == 0;
	}
	if (s->number == 0)
		printf("%lu rounds of %d subjects\n", (unsigned long)round, SUBJECTS);
}

int main(int argc, char **argv)
{
	static struct test t;
	struct side a = { &t, 0 }, b = { &t, 1 };

	t.until_us = stress_until_us(argc, argv);
	t.taken = stress_shared(sizeof(*t.taken) * (SUBJECTS + 1));
	t.round = stress_shared(sizeof(*t.round));
	CHECK(limits_create(LIMITS_BUCKETS_DEFAULT, &t.fd) == 0, "create");
	if (STRESS_THREADS) {
		CHECK(limits_attach(&t.limits[0], t.fd) == 0, "attach");
		t.limits[1] = t.limits[0];
	}
	stress_run((struct stress_thread[]){ { play, &a }, { play, &b } }, 2);
	return 0;
}
