/* links: */
/* The owner of a small media ring receives, gives back, publishes and posts as fast as it can; a consumer
 * reads, now and then so late that slots and descriptors were overwritten. Whatever it reads must be whole,
 * be the packet that was meant, and come in order. Numbers start short of 2^32, slots go round many times. */
#include "shm/ring.h"

#include "shm/session.h"
#include "tests/support/stress.h"

#include <sched.h>

#define START	 (UINT64_C(0x100000000) - 20000)
#define REMEMBER 4096 /* references that the consumer looks at again later, as for a NACK */

struct test {
	struct ring ring;
	struct ring_reader reader;
	int fd, ro;
	int64_t until_us;
	_Atomic bool *done;
};

/* The packet with that source index. */
static uint16_t packet_len(uint64_t index)
{
	struct rng rng = { index * 0x9e3779b9 };

	return (uint16_t)(12 + rng_below(&rng, RING_PACKET_MAX - 12 + 1));
}

static void receive_into(struct ring_slot *slot, uint64_t index)
{
	struct ring_head *h = &slot->head;

	h->len = packet_len(index);
	h->index = index;
	h->track = ~index;
	h->timestamp = (uint32_t)index * 3;
	h->payload_offset = 12;
	h->payload_len = (uint16_t)(h->len - 12);
	h->codec = (uint8_t)(index % CODEC_COUNT);
	h->layer = (uint8_t)(index % SESSION_LAYERS_MAX);
	h->descriptor_len = 0;
	pattern_fill(index, slot->packet, h->len);
}

static void produce_batch(struct ring *ring, struct rng *rng, uint64_t *index)
{
	uint32_t slots[RING_BATCH];
	uint32_t n = 1 + rng_below(rng, RING_BATCH);

	ring_take(ring, n, slots);
	for (uint32_t i = 0; i < n; i++) {
		if (rng_below(rng, 8) == 0) {
			/* Not media: other bytes, and back. */
			memset(&ring->slot[slots[i]].packet, 0xee, 200);
			ring_give_back(ring, slots[i]);
			continue;
		}
		receive_into(&ring->slot[slots[i]], ++*index);
		uint64_t generation = ring_publish(ring, slots[i]);
		ring_post(ring, 1, slots[i], (uint32_t)*index, generation);
	}
	ring_post_flush(ring);
}

static void produce(void *arg)
{
	struct test *t = arg;
	struct rng rng = { 1 };
	uint64_t index = START, batches = 0;

	if (!STRESS_THREADS)
		CHECK(ring_attach(&t->ring, t->fd, 1) == 0, "attach");
	while ((++batches & 15) || clock_now_us() < t->until_us) {
		produce_batch(&t->ring, &rng, &index);
		if (rng_below(&rng, 64) == 0)
			sched_yield();
	}
	atomic_store(t->done, true);
	printf("owner: %lu packets, %lu times round, generation %lx\n", (unsigned long)(index - START),
	       (unsigned long)((index - START) / t->ring.slots), (unsigned long)t->ring.generation);
}

struct counts {
	uint64_t whole, stale, again, again_stale, in_place;
};

/* Index of a packet from what its descriptor says; low half only. */
static void check_packet(const struct ring_head *h, const uint8_t *packet, uint32_t track_index)
{
	CHECK((uint32_t)h->index == track_index, "another packet: %lx", (unsigned long)h->index);
	CHECK(h->track == ~h->index && h->timestamp == (uint32_t)h->index * 3, "torn head");
	CHECK(h->len == packet_len(h->index) && h->payload_len == h->len - 12, "torn head");
	CHECK(h->codec == h->index % CODEC_COUNT && h->layer == h->index % SESSION_LAYERS_MAX, "torn head");
	CHECK(pattern_matches(h->index, packet, h->len), "torn packet");
}

static bool read_one(struct test *t, const struct ring_ref *ref)
{
	uint8_t buf[RING_PACKET_MAX];
	struct ring_head head;

	int err = ring_read(&t->reader, ref->slot, ref->generation, &head, buf);
	if (err == -ESTALE)
		return false;
	CHECK(err == 0, "read says %d", err);
	check_packet(&head, buf, ref->track_index);
	return true;
}

static bool read_in_place(struct test *t, const struct ring_ref *ref)
{
	uint8_t buf[RING_PACKET_MAX];
	struct ring_head head;

	const struct ring_slot *slot = ring_peek(&t->reader, ref->slot, ref->generation);
	if (!slot)
		return false;
	shm_copy_racy(&head, &slot->head, sizeof(head));
	size_t len = head.len <= RING_PACKET_MAX ? head.len : RING_PACKET_MAX;
	shm_copy_racy(buf, slot->packet, len);
	if (!ring_still(slot, ref->generation))
		return false;
	check_packet(&head, buf, ref->track_index);
	return true;
}

static void consume(void *arg)
{
	static struct ring_ref remembered[REMEMBER];
	struct test *t = arg;
	struct rng rng = { 2 };
	struct counts c = { 0 };
	struct ring_ref ref;
	uint64_t last = 0, n = 0;

	if (!STRESS_THREADS)
		CHECK(ring_reader_attach(&t->reader, t->ro, 1) == 0, "attach");
	while (!atomic_load(t->done) || ring_has_news(&t->reader)) {
		int err = ring_next(&t->reader, &ref);
		if (err == -EAGAIN) {
			sched_yield();
			continue;
		}
		CHECK(err == 0, "next says %d", err);
		CHECK(ref.generation > last, "out of order");
		last = ref.generation;
		if (n++ % 8 == 0)
			c.in_place += read_in_place(t, &ref);
		else if (read_one(t, &ref))
			c.whole++;
		else
			c.stale++;
		remembered[n % REMEMBER] = ref;
		const struct ring_ref *old = &remembered[rng_below(&rng, REMEMBER)];
		if (old->generation != 0 && rng_below(&rng, 4) == 0) {
			c.again++;
			c.again_stale += !read_one(t, old);
		}
		/* Now and then too late: by slots, and by descriptors. */
		if (rng_below(&rng, 20000) == 0)
			usleep(3000);
		if (rng_below(&rng, 200000) == 0)
			usleep(50000);
	}
	printf("consumer: %lu whole (%lu in place), %lu stale, %lu lapped; later again %lu, of them stale %lu\n",
	       (unsigned long)(c.whole + c.in_place), (unsigned long)c.in_place, (unsigned long)c.stale,
	       (unsigned long)t->reader.lost, (unsigned long)c.again, (unsigned long)c.again_stale);
	CHECK(c.whole > 0 && c.in_place > 0, "nothing read");
}

static void start_near_wrap(int fd)
{
	uint64_t start = START;

	CHECK(pwrite(fd, &start, 8, offsetof(struct ring_region, out.generation)) == 8, "pwrite");
	CHECK(pwrite(fd, &start, 8, offsetof(struct ring_region, consumer[1].head)) == 8, "pwrite");
}

int main(int argc, char **argv)
{
	static struct test t;

	t.until_us = stress_until_us(argc, argv);
	t.done = stress_shared(sizeof(*t.done));
	CHECK(ring_create("ring", RING_SLOTS_MIN, 2, &t.fd) == 0, "create");
	CHECK(shm_reopen_readonly(t.fd, &t.ro) == 0, "reopen");
	start_near_wrap(t.fd);
	if (STRESS_THREADS) {
		CHECK(ring_attach(&t.ring, t.fd, 1) == 0 && ring_reader_attach(&t.reader, t.ro, 1) == 0, "attach");
		t.reader.shm = t.ring.shm;
		t.reader.slot = t.ring.slot;
	}
	stress_run((struct stress_thread[]){ { produce, &t }, { consume, &t } }, 2);
	return 0;
}
