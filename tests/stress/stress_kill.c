/* links: */
/* A producer writes messages to a link and packets to a media ring; a consumer reads both. One of them is
 * killed (SIGKILL) at a random instruction, again and again, and started anew with the next epoch. No record
 * that is read may ever be torn; messages come without a gap and at most once over all deaths of either side;
 * generations never come twice; what was published before a death is whole after it. */
#include "shm/link.h"
#include "shm/ring.h"

#include "shm/session.h"
#include "tests/support/stress.h"

#include <sched.h>
#include <sys/eventfd.h>

#define CAP	    32u
#define LINK_START  (UINT32_MAX - 5000)
#define RING_START  (UINT64_C(0x100000000) - 5000)
#define LIFE_MAX_US 2500
#define REMEMBER    256

/* What outlives the consumer: its successor holds itself to it. */
struct memory {
	_Atomic uint64_t messages, packets, stale, lapped, audited;
	_Atomic uint64_t generation; /* the last one seen */
	_Atomic uint64_t acted;	     /* 1 + position of the last message acted upon, as 32 bits; 0 = none */
};

struct test {
	int there, back, there_ro, back_ro, ring, ring_ro, bell;
	struct memory *memory;
};

/* ---- producer: whatever it writes follows from its place ---- */

static uint16_t message_len(uint32_t place)
{
	struct rng rng = { place };

	return (uint16_t)rng_below(&rng, LINK_PAYLOAD_MAX + 1);
}

static uint16_t packet_len(uint64_t generation)
{
	struct rng rng = { generation };

	return (uint16_t)(12 + rng_below(&rng, RING_PACKET_MAX - 12 + 1));
}

static void push_some(struct link *link, struct rng *rng)
{
	uint8_t payload[LINK_PAYLOAD_MAX];

	for (uint32_t n = rng_below(rng, 20); n > 0; n--) {
		uint16_t len = message_len(link->head);
		pattern_fill(link->head, payload, len);
		if (link_push(link, (uint16_t)link->head, link->head, payload, len) < 0)
			break;
	}
	link_flush(link);
}

static void receive_some(struct ring *ring, struct rng *rng)
{
	uint32_t slots[RING_BATCH];

	ring_take(ring, RING_BATCH, slots);
	for (int i = 0; i < RING_BATCH; i++) {
		if (rng_below(rng, 4) == 0) {
			memset(ring->slot[slots[i]].packet, 0xee, 300);
			ring_give_back(ring, slots[i]);
			continue;
		}
		struct ring_slot *slot = &ring->slot[slots[i]];
		uint64_t generation = ring->generation + 1;
		slot->head.index = generation;
		slot->head.track = ~generation;
		slot->head.len = packet_len(generation);
		slot->head.payload_offset = 12;
		slot->head.payload_len = (uint16_t)(slot->head.len - 12);
		slot->head.descriptor_len = 0;
		slot->head.codec = CODEC_VP8;
		slot->head.layer = 0;
		pattern_fill(generation, slot->packet, slot->head.len);
		CHECK(ring_publish(ring, slots[i]) == generation, "generation");
		ring_post(ring, 0, slots[i], (uint32_t)generation, generation);
	}
	ring_post_flush(ring);
}

static void check_packet(uint64_t generation, const struct ring_head *h, const uint8_t *packet)
{
	CHECK(h->index == generation && h->track == ~generation, "another packet or torn head");
	CHECK(h->len == packet_len(generation), "torn head");
	CHECK(pattern_matches(generation, packet, h->len), "torn packet");
}

/* What the predecessors published is in order, whole and theirs. */
static void audit(const struct ring *ring)
{
	uint64_t last = 0;

	CHECK(ring->order_len + ring->spare_len == ring->slots, "slots lost");
	for (uint32_t i = 0; i < ring->order_len; i++) {
		const struct ring_slot *slot = &ring->slot[ring->order[i]];
		uint64_t generation = atomic_load(&slot->head.generation);
		CHECK(generation > last && generation <= ring->generation, "order");
		check_packet(generation, &slot->head, slot->packet);
		last = generation;
	}
}

static void produce(const struct test *t, uint32_t epoch)
{
	struct rng rng = { epoch };
	struct link link;
	struct ring ring;

	CHECK(link_attach(&link, t->there, t->back_ro, t->bell, epoch) == 0, "attach");
	CHECK(ring_attach(&ring, t->ring, epoch) == 0, "attach");
	if (rng_below(&rng, 4) == 0) {
		audit(&ring);
		atomic_fetch_add(&t->memory->audited, 1);
	}
	for (;;) {
		push_some(&link, &rng);
		receive_some(&ring, &rng);
	}
}

/* ---- consumer ---- */

static bool pop_some(struct link *link, struct memory *memory)
{
	uint8_t payload[LINK_PAYLOAD_MAX];
	struct link_msg msg;
	bool any = false;
	int err = 0;

	for (int i = 0; i < 100; i++) {
		uint32_t place = link->tail;
		err = link_pop(link, &msg, payload);
		if (err < 0)
			break;
		CHECK(msg.corr == place && msg.type == (uint16_t)place && msg.len == message_len(place),
		      "torn or lost message");
		CHECK(pattern_matches(place, payload, msg.len), "torn payload");
		/* At most once: the predecessor has not acted upon this one. */
		uint64_t acted = atomic_load(&memory->acted);
		CHECK(acted == 0 || (int32_t)(place - (uint32_t)(acted - 1)) > 0, "a message twice");
		atomic_store(&memory->acted, (uint64_t)place + 1);
		atomic_fetch_add(&memory->messages, 1);
		any = true;
	}
	CHECK(err == 0 || err == -EAGAIN, "pop says %d", err);
	return any;
}

static void read_packet(const struct ring_reader *reader, const struct ring_ref *ref, struct memory *memory)
{
	uint8_t buf[RING_PACKET_MAX];
	struct ring_head head;

	int err = ring_read(reader, ref->slot, ref->generation, &head, buf);
	if (err == -ESTALE) {
		atomic_fetch_add(&memory->stale, 1);
		return;
	}
	CHECK(err == 0, "read says %d", err);
	check_packet(ref->generation, &head, buf);
	atomic_fetch_add(&memory->packets, 1);
}

static bool read_some(struct ring_reader *reader, struct rng *rng, struct memory *memory)
{
	static struct ring_ref remembered[REMEMBER];
	struct ring_ref ref;
	int i;

	for (i = 0; i < 100; i++) {
		int err = ring_next(reader, &ref);
		if (err == -EAGAIN)
			break;
		CHECK(err == 0, "next says %d", err);
		CHECK((uint32_t)ref.generation == ref.track_index, "torn descriptor");
		CHECK(ref.generation > atomic_load(&memory->generation), "a generation twice");
		atomic_store(&memory->generation, ref.generation);
		read_packet(reader, &ref, memory);
		/* An older one too, perhaps of an owner who is dead by now. */
		remembered[rng_below(rng, REMEMBER)] = ref;
		const struct ring_ref *old = &remembered[rng_below(rng, REMEMBER)];
		if (old->generation != 0)
			read_packet(reader, old, memory);
	}
	return i > 0;
}

static void consume(const struct test *t, uint32_t epoch)
{
	struct rng rng = { epoch };
	struct ring_reader reader;
	struct link link;
	uint64_t lapped = 0;

	CHECK(link_attach(&link, t->back, t->there_ro, t->bell, epoch) == 0, "attach");
	CHECK(ring_reader_attach(&reader, t->ring_ro, 0) == 0, "attach");
	for (;;) {
		bool any = pop_some(&link, t->memory);
		any |= read_some(&reader, &rng, t->memory);
		atomic_fetch_add(&t->memory->lapped, reader.lost - lapped);
		lapped = reader.lost;
		if (!any)
			sched_yield();
	}
}

/* ---- killing ---- */

typedef void life(const struct test *t, uint32_t epoch);

struct actor {
	life *live;
	pid_t pid;
	uint32_t epoch;
};

static void start(struct actor *a, const struct test *t)
{
	a->epoch++;
	a->pid = fork();
	CHECK(a->pid >= 0, "fork");
	if (a->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		a->live(t, a->epoch);
		_exit(1);
	}
}

static void stop(struct actor *a)
{
	int status;

	kill(a->pid, SIGKILL);
	CHECK(waitpid(a->pid, &status, 0) == a->pid, "waitpid");
	/* One that found something wrong has ended by itself. */
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x", status);
}

static void spin_us(uint32_t us)
{
	int64_t until_us = clock_now_us() + us;

	if (us > 100)
		usleep(us - 100);
	while (clock_now_us() < until_us)
		sched_yield();
}

static void set_word(int fd, size_t offset, const void *word, size_t len)
{
	CHECK(pwrite(fd, word, len, (off_t)offset) == (ssize_t)len, "pwrite");
}

static void create(struct test *t)
{
	uint32_t link_start = LINK_START;
	uint64_t ring_start = RING_START;

	CHECK(link_create("there", CAP, &t->there) == 0 && link_create("back", CAP, &t->back) == 0, "create");
	CHECK(ring_create("ring", RING_SLOTS_MIN, 1, &t->ring) == 0, "create");
	CHECK(shm_reopen_readonly(t->there, &t->there_ro) == 0, "reopen");
	CHECK(shm_reopen_readonly(t->back, &t->back_ro) == 0, "reopen");
	CHECK(shm_reopen_readonly(t->ring, &t->ring_ro) == 0, "reopen");
	set_word(t->there, offsetof(struct link_region, out.head), &link_start, 4);
	set_word(t->back, offsetof(struct link_region, in.tail), &link_start, 4);
	set_word(t->ring, offsetof(struct ring_region, out.generation), &ring_start, 8);
	t->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	t->memory = stress_shared(sizeof(*t->memory));
}

int main(int argc, char **argv)
{
	struct test t;
	struct actor producer = { .live = produce }, consumer = { .live = consume };
	struct rng rng = { (uint64_t)clock_now_us() };
	int64_t until_us = stress_until_us(argc, argv);

	create(&t);
	start(&producer, &t);
	start(&consumer, &t);
	while (clock_now_us() < until_us) {
		spin_us(rng_below(&rng, LIFE_MAX_US));
		struct actor *victim = rng_below(&rng, 4) == 0 ? &consumer : &producer;
		stop(victim);
		start(victim, &t);
	}
	stop(&producer);
	spin_us(20000);
	stop(&consumer);
	const struct memory *m = t.memory;
	printf("%u producers and %u consumers killed; %lu messages, %lu packets whole, %lu stale, %lu lapped, "
	       "%lu audits\n",
	       producer.epoch, consumer.epoch, (unsigned long)m->messages, (unsigned long)m->packets,
	       (unsigned long)m->stale, (unsigned long)m->lapped, (unsigned long)m->audited);
	CHECK(m->messages > 0 && m->packets > 0, "nothing was read");
	return 0;
}
