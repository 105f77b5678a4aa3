/* links: */
/* The doorbell: no wake-up may get lost. First both sides meet, and at the same moment one pushes and flushes
 * while the other goes to sleep: either the sleeper sees the message or its bell rings. Then a game of
 * ping-pong with real sleep, where each side may fall asleep just while the ball comes. */
#include "shm/link.h"

#include "tests/support/stress.h"

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>

#define CAP	64u
#define PING	1
#define LAST	2
#define BELL_MS 10000 /* nobody is that slow */

struct side {
	const char *name;
	struct link link;
	int out, in, bell, peer_bell;
	int64_t half_us, until_us;
	bool serves;
	struct meeting *meeting;
};

struct meeting {
	_Atomic uint64_t arrived;
	_Atomic int over;
};

/* Both sides leave at the same moment, as nearly as can be. */
static void meet(struct meeting *m, uint64_t *meetings)
{
	uint64_t both = ++*meetings * 2;

	atomic_fetch_add(&m->arrived, 1);
	for (int i = 0; atomic_load(&m->arrived) < both; i++) {
		if (i > 1000)
			sched_yield();
	}
}

static bool rung(struct side *s)
{
	uint64_t n;

	return read(s->bell, &n, sizeof(n)) == sizeof(n);
}

static void collide(struct side *s)
{
	uint8_t payload[LINK_PAYLOAD_MAX];
	struct link_msg msg;
	uint64_t meetings = 0, rounds = 0, seen = 0, rang = 0;
	struct rng rng = { s->serves };

	while (!atomic_load(&s->meeting->over)) {
		meet(s->meeting, &meetings);
		for (volatile uint32_t pause = rng_below(&rng, 30); pause > 0; pause--)
			continue;
		bool slept = false;
		if (s->serves) {
			CHECK(link_push(&s->link, PING, 0, NULL, 0) == 0, "push");
			link_flush(&s->link);
		} else {
			slept = !link_sleep(&s->link);
		}
		meet(s->meeting, &meetings);
		if (s->serves) {
			if ((rounds & 255) == 0 && clock_now_us() >= s->half_us)
				atomic_store(&s->meeting->over, 1);
		} else {
			bool bell = rung(s);
			CHECK(!slept || bell, "%s: a wake-up was lost", s->name);
			seen += !slept;
			rang += bell;
			link_wake(&s->link);
			CHECK(link_pop(&s->link, &msg, payload) == 0, "pop");
		}
		rounds++;
		meet(s->meeting, &meetings);
	}
	if (!s->serves)
		printf("%lu collisions: message seen %lu times, bell rung %lu times\n", (unsigned long)rounds,
		       (unsigned long)seen, (unsigned long)rang);
}

/* The peer has said nothing yet: looks a while, sleeps when that was in vain. */
static void await(struct side *s, uint64_t *slept, uint32_t looks)
{
	struct pollfd p = { .fd = s->bell, .events = POLLIN };

	while (looks-- > 0) {
		if (atomic_load(&s->link.in->out.head) != s->link.tail)
			return;
	}
	if (!link_sleep(&s->link)) {
		++*slept;
		CHECK(poll(&p, 1, BELL_MS) == 1, "%s: a wake-up was lost", s->name);
		CHECK(rung(s), "bell");
	}
	link_wake(&s->link);
}

static void ping_pong(struct side *s)
{
	uint8_t payload[LINK_PAYLOAD_MAX];
	struct link_msg msg = { .type = PING };
	struct rng rng = { s->serves };
	uint64_t rounds = 0, slept = 0;

	if (s->serves)
		CHECK(link_push(&s->link, PING, 0, NULL, 0) == 0, "push");
	for (;;) {
		int err;
		link_flush(&s->link);
		while ((err = link_pop(&s->link, &msg, payload)) == -EAGAIN)
			await(s, &slept, rng_below(&rng, 200));
		CHECK(err == 0 && msg.corr == rounds, "%s: pop says %d", s->name, err);
		rounds++;
		if (s->serves && msg.type == LAST)
			break;
		for (volatile uint32_t pause = rng_below(&rng, 300); pause > 0; pause--)
			continue;
		/* Who serves says when it is over; the other one answers that too. */
		uint16_t type = s->serves && clock_now_us() >= s->until_us ? LAST : msg.type;
		CHECK(link_push(&s->link, type, s->serves ? rounds : msg.corr, NULL, 0) == 0, "push");
		if (!s->serves && msg.type == LAST)
			break;
	}
	link_flush(&s->link);
	printf("%s: %lu rounds of ping-pong, slept %lu\n", s->name, (unsigned long)rounds, (unsigned long)slept);
}

static void attach(struct side *s)
{
	CHECK(link_attach(&s->link, s->out, s->in, s->peer_bell, 1) == 0, "attach");
}

static void play(void *arg)
{
	struct side *s = arg;

	if (!STRESS_THREADS)
		attach(s);
	/* The first flush after an attach looks for sleepers anyway. */
	link_flush(&s->link);
	collide(s);
	ping_pong(s);
}

int main(int argc, char **argv)
{
	static struct side a = { .name = "a", .serves = true }, b = { .name = "b" };

	a.until_us = b.until_us = stress_until_us(argc, argv);
	a.half_us = b.half_us = (clock_now_us() + a.until_us) / 2;
	a.meeting = b.meeting = stress_shared(sizeof(*a.meeting));
	CHECK(link_create("ab", CAP, &a.out) == 0 && link_create("ba", CAP, &b.out) == 0, "create");
	CHECK(shm_reopen_readonly(a.out, &b.in) == 0 && shm_reopen_readonly(b.out, &a.in) == 0, "reopen");
	a.bell = b.peer_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	b.bell = a.peer_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (STRESS_THREADS) {
		attach(&a);
		attach(&b);
		a.link.in = b.link.out;
		b.link.in = a.link.out;
	}
	stress_run((struct stress_thread[]){ { play, &a }, { play, &b } }, 2);
	return 0;
}
