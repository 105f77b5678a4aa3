/* links: */
/* Two sides send each other messages of all lengths as fast as they can, in bursts, and sleep in between. Every
 * message must come once, whole and in order. The counters start short of 2^32. */
#include "shm/link.h"

#include "tests/support/stress.h"

#include <poll.h>
#include <sys/eventfd.h>

#define CAP	  64u
#define START	  (UINT32_MAX - 50000)
#define END	  0xffff
#define NAP_MS	  2	/* both may have nothing to say */
#define BELL_MS	  10000 /* a message is there and nobody rang: the wake-up was lost */
#define BURST_MAX 100

struct side {
	const char *name;
	struct link link;
	int out, in, bell, peer_bell;
	int64_t until_us;
	uint64_t seed;
};

struct counts {
	uint64_t sent, received, slept, full;
	bool end_sent, end_received;
};

/* What the n-th message of a side is. */
static size_t message(uint64_t seed, uint64_t n, uint16_t *ret_type)
{
	struct rng rng = { seed ^ n * 0x51ed27 };

	*ret_type = (uint16_t)(rng_below(&rng, 1000) + 1);
	return rng_below(&rng, LINK_PAYLOAD_MAX + 1);
}

static void receive(struct side *s, struct counts *c)
{
	uint8_t payload[LINK_PAYLOAD_MAX];
	struct link_msg msg;
	uint16_t type;
	int err;

	while ((err = link_pop(&s->link, &msg, payload)) == 0) {
		CHECK(!c->end_received, "%s: a message after the end", s->name);
		if (msg.type == END) {
			CHECK(msg.corr == c->received, "%s: %lu sent, %lu came", s->name, (unsigned long)msg.corr,
			      (unsigned long)c->received);
			c->end_received = true;
			continue;
		}
		size_t len = message(~s->seed, c->received, &type);
		CHECK(msg.corr == c->received, "%s: out of order", s->name);
		CHECK(msg.type == type && msg.len == len, "%s: torn head", s->name);
		CHECK(pattern_matches(msg.corr, payload, len), "%s: torn payload", s->name);
		c->received++;
	}
	CHECK(err == -EAGAIN, "%s: pop says %d", s->name, err);
}

static bool send_one(struct side *s, struct counts *c)
{
	uint8_t payload[LINK_PAYLOAD_MAX];
	uint16_t type;

	size_t len = message(s->seed, c->sent, &type);
	pattern_fill(c->sent, payload, len);
	if (link_push(&s->link, type, c->sent, payload, len) < 0) {
		c->full++;
		return false;
	}
	c->sent++;
	return true;
}

static void nap(struct side *s, struct counts *c)
{
	struct pollfd p = { .fd = s->bell, .events = POLLIN };
	uint64_t n;

	if (!link_sleep(&s->link)) {
		c->slept++;
		int rung = poll(&p, 1, NAP_MS);
		if (rung == 0 && link_sleep(&s->link)) {
			rung = poll(&p, 1, BELL_MS);
			CHECK(rung == 1, "%s: the bell did not ring", s->name);
		}
		if (rung == 1)
			CHECK(read(s->bell, &n, sizeof(n)) == sizeof(n), "bell");
	}
	link_wake(&s->link);
}

static void play(void *arg)
{
	struct side *s = arg;
	struct counts c = { 0 };
	struct rng rng = { s->seed };

	while (!c.end_sent || !c.end_received) {
		uint32_t burst = rng_below(&rng, BURST_MAX);
		bool more = clock_now_us() < s->until_us;
		for (uint32_t i = 0; more && i < burst && send_one(s, &c); i++)
			continue;
		if (!more && !c.end_sent)
			c.end_sent = link_push(&s->link, END, c.sent, NULL, 0) == 0;
		link_flush(&s->link);
		receive(s, &c);
		if (!c.end_received && (rng_below(&rng, 16) == 0 || c.end_sent))
			nap(s, &c);
	}
	CHECK(s->link.nonsense == 0, "%s: nonsense", s->name);
	printf("%s: sent %lu, received %lu, slept %lu, full %lu, head %08x\n", s->name, (unsigned long)c.sent,
	       (unsigned long)c.received, (unsigned long)c.slept, (unsigned long)c.full, s->link.head);
	CHECK(c.sent > 0 && c.received > 0, "%s: nothing moved", s->name);
}

static void attach(struct side *s)
{
	CHECK(link_attach(&s->link, s->out, s->in, s->peer_bell, 1) == 0, "attach");
}

static void play_attached(void *arg)
{
	attach(arg);
	play(arg);
}

static void start_near_wrap(int fd)
{
	uint32_t start = START;

	CHECK(pwrite(fd, &start, 4, offsetof(struct link_region, out.head)) == 4, "pwrite");
	CHECK(pwrite(fd, &start, 4, offsetof(struct link_region, in.tail)) == 4, "pwrite");
}

int main(int argc, char **argv)
{
	static struct side a = { .name = "a", .seed = 0x1234567 }, b = { .name = "b", .seed = ~UINT64_C(0x1234567) };

	a.until_us = b.until_us = stress_until_us(argc, argv);
	CHECK(link_create("ab", CAP, &a.out) == 0 && link_create("ba", CAP, &b.out) == 0, "create");
	CHECK(shm_reopen_readonly(a.out, &b.in) == 0 && shm_reopen_readonly(b.out, &a.in) == 0, "reopen");
	start_near_wrap(a.out);
	start_near_wrap(b.out);
	a.bell = b.peer_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	b.bell = a.peer_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (STRESS_THREADS) {
		attach(&a);
		attach(&b);
		a.link.in = b.link.out;
		b.link.in = a.link.out;
	}
	stress_side *side = STRESS_THREADS ? play : play_attached;
	stress_run((struct stress_thread[]){ { side, &a }, { side, &b } }, 2);
	return 0;
}
