/* links: */
#include "shm/ring.h"

#include "lib/cleanup.h"
#include "shm/session.h"
#include "tests/support/cm.h"
#include "tests/support/oom.h"

#include <string.h>
#include <unistd.h>

#define SLOTS	  RING_SLOTS_MIN
#define CONSUMERS 3u

struct fix {
	int fd, ro;
	struct ring ring;
	struct ring_reader reader; /* consumer 1 */
};

static int setup(void **state)
{
	static struct fix f;

	memset(&f, 0, sizeof(f));
	assert_int_equal(ring_create("ring", SLOTS, CONSUMERS, &f.fd), 0);
	assert_int_equal(shm_reopen_readonly(f.fd, &f.ro), 0);
	assert_int_equal(ring_attach(&f.ring, f.fd, 1), 0);
	assert_int_equal(ring_reader_attach(&f.reader, f.ro, 1), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	ring_detach(&f->ring);
	ring_reader_detach(&f->reader);
	close(f->fd);
	close(f->ro);
	return 0;
}

static uint32_t take(struct ring *ring)
{
	uint32_t slot = RING_NO_SLOT;

	ring_take(ring, 1, &slot);
	assert_true(slot < ring->slots);
	return slot;
}

/* A packet of len bytes whose payload begins behind the RTP header. */
static void fill(struct ring *ring, uint32_t slot, uint8_t value, uint16_t len)
{
	struct ring_slot *s = &ring->slot[slot];

	s->head.index = value;
	s->head.len = len;
	s->head.payload_offset = 12;
	s->head.payload_len = (uint16_t)(len - 12);
	s->head.codec = CODEC_OPUS;
	s->head.layer = 0;
	s->head.descriptor_len = 0;
	memset(s->packet, value, len);
}

static struct ring_ref publish(struct ring *ring, uint8_t value)
{
	struct ring_ref ref = { .slot = take(ring) };

	fill(ring, ref.slot, value, 100);
	ref.generation = ring_publish(ring, ref.slot);
	return ref;
}

static void expect_read(const struct ring_reader *reader, struct ring_ref ref, uint8_t value)
{
	struct ring_head head;
	uint8_t buf[RING_PACKET_MAX];

	assert_int_equal(ring_read(reader, ref.slot, ref.generation, &head, buf), 0);
	assert_int_equal(head.index, value);
	assert_int_equal(head.len, 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(buf[i], value);
}

static int read_error(const struct ring_reader *reader, struct ring_ref ref)
{
	struct ring_head head;
	uint8_t buf[RING_PACKET_MAX];

	return ring_read(reader, ref.slot, ref.generation, &head, buf);
}

static void test_publish_post_read(void **state)
{
	struct fix *f = *state;
	struct ring_ref ref;

	struct ring_ref made = publish(&f->ring, 42);
	assert_int_equal(made.generation, 1);
	assert_int_equal(ring_next(&f->reader, &ref), -EAGAIN);
	ring_post(&f->ring, 1, made.slot, 77, made.generation);
	assert_false(ring_has_news(&f->reader));
	assert_int_equal(ring_next(&f->reader, &ref), -EAGAIN);
	assert_int_equal(ring_post_flush(&f->ring), 1 << 1);
	assert_int_equal(ring_post_flush(&f->ring), 0);
	assert_true(ring_has_news(&f->reader));
	assert_int_equal(ring_waiting(&f->reader), 1);
	assert_int_equal(ring_next(&f->reader, &ref), 0);
	assert_int_equal(ref.slot, made.slot);
	assert_int_equal(ref.track_index, 77);
	assert_int_equal(ref.generation, made.generation);
	expect_read(&f->reader, ref, 42);
	assert_false(ring_has_news(&f->reader));
	assert_int_equal(ring_waiting(&f->reader), 0);
	assert_int_equal(ring_next(&f->reader, &ref), -EAGAIN);
}

static void test_each_consumer_its_own(void **state)
{
	struct fix *f = *state;
	struct ring_reader other;
	struct ring_ref ref;

	assert_int_equal(ring_reader_attach(&other, f->ro, 2), 0);
	struct ring_ref a = publish(&f->ring, 1), b = publish(&f->ring, 2);
	ring_post(&f->ring, 2, b.slot, 0, b.generation);
	ring_post(&f->ring, 1, a.slot, 0, a.generation);
	assert_int_equal(ring_post_flush(&f->ring), 6);
	assert_int_equal(ring_next(&f->reader, &ref), 0);
	assert_int_equal(ref.slot, a.slot);
	assert_int_equal(ring_next(&other, &ref), 0);
	assert_int_equal(ref.slot, b.slot);
	assert_int_equal(ring_next(&other, &ref), -EAGAIN);
	ring_reader_detach(&other);
}

static void test_take_invalidates_the_oldest(void **state)
{
	struct fix *f = *state;
	struct ring_ref refs[SLOTS];

	for (uint32_t i = 0; i < SLOTS; i++)
		refs[i] = publish(&f->ring, (uint8_t)i);
	for (uint32_t i = 0; i < SLOTS; i++)
		expect_read(&f->reader, refs[i], (uint8_t)i);
	/* No spares left: the oldest goes first. */
	for (uint32_t i = 0; i < SLOTS; i++) {
		assert_non_null(ring_own(&f->ring, refs[i].slot, refs[i].generation));
		uint32_t slot = take(&f->ring);
		assert_int_equal(slot, refs[i].slot);
		assert_null(ring_own(&f->ring, refs[i].slot, refs[i].generation));
		assert_int_equal(read_error(&f->reader, refs[i]), -ESTALE);
		fill(&f->ring, slot, 9, 100);
		uint64_t generation = ring_publish(&f->ring, slot);
		assert_int_equal(generation, SLOTS + i + 1);
		assert_int_equal(read_error(&f->reader, refs[i]), -ESTALE);
		expect_read(&f->reader, (struct ring_ref){ .slot = slot, .generation = generation }, 9);
	}
}

static void test_given_back_does_not_advance(void **state)
{
	struct fix *f = *state;
	struct ring_ref refs[SLOTS - RING_BATCH];
	uint32_t batch[RING_BATCH];

	for (uint32_t i = 0; i < ARRAY_LEN(refs); i++)
		refs[i] = publish(&f->ring, (uint8_t)i);
	/* A flood of feedback. */
	for (int round = 0; round < 1000; round++) {
		ring_take(&f->ring, RING_BATCH, batch);
		for (int i = 0; i < RING_BATCH; i++) {
			memset(f->ring.slot[batch[i]].packet, 0xff, RING_PACKET_MAX);
			ring_give_back(&f->ring, batch[i]);
		}
	}
	for (uint32_t i = 0; i < ARRAY_LEN(refs); i++)
		expect_read(&f->reader, refs[i], (uint8_t)i);
}

static void test_taken_slots_are_distinct(void **state)
{
	struct fix *f = *state;
	static uint8_t taken[SLOTS];
	uint32_t batch[RING_BATCH];

	for (int round = 0; round < 200; round++) {
		memset(taken, 0, sizeof(taken));
		ring_take(&f->ring, RING_BATCH, batch);
		for (int i = 0; i < RING_BATCH; i++) {
			assert_int_equal(taken[batch[i]], 0);
			taken[batch[i]] = 1;
			if ((i + round) % 3)
				ring_publish(&f->ring, batch[i]);
			else
				ring_give_back(&f->ring, batch[i]);
		}
		assert_int_equal(f->ring.order_len + f->ring.spare_len, SLOTS);
	}
}

static void test_lapped(void **state)
{
	struct fix *f = *state;
	struct ring_ref ref;
	uint64_t read = 0, last = 0;
	const uint64_t posted = RING_DESCRIPTORS * 3 + 17;

	for (uint64_t i = 1; i <= posted; i++) {
		ring_post(&f->ring, 1, 0, (uint32_t)i, i);
		if (i % 50 == 0)
			ring_post_flush(&f->ring);
	}
	ring_post_flush(&f->ring);
	while (ring_next(&f->reader, &ref) == 0) {
		assert_true(ref.generation > last);
		assert_int_equal(ref.track_index, ref.generation);
		last = ref.generation;
		read++;
	}
	assert_int_equal(last, posted);
	assert_true(read >= RING_DESCRIPTORS / 2);
	assert_int_equal(read + f->reader.lost, posted);
	/* Not lapped: nothing is lost. */
	for (uint64_t i = 1; i <= RING_DESCRIPTORS / 2; i++)
		ring_post(&f->ring, 1, 0, (uint32_t)i, i);
	ring_post_flush(&f->ring);
	for (read = 0; ring_next(&f->reader, &ref) == 0; read++)
		continue;
	assert_int_equal(read, RING_DESCRIPTORS / 2);
}

static void test_posts_are_bounded_ahead_of_head(void **state)
{
	struct fix *f = *state;

	/* Without any flush a reader must still be able to tell that it is lapped. */
	for (uint64_t i = 1; i <= 1000; i++) {
		ring_post(&f->ring, 1, 0, 0, i);
		uint64_t head = atomic_load(&f->ring.shm->consumer[1].head);
		assert_true(i - head <= 256);
	}
	assert_true(ring_has_news(&f->reader));
	assert_int_equal(ring_post_flush(&f->ring), 2);
	assert_int_equal(atomic_load(&f->ring.shm->consumer[1].head), 1000);
	assert_int_equal(ring_waiting(&f->reader), 1000);
}

static void test_reader_starts_at_head(void **state)
{
	struct fix *f = *state;
	struct ring_ref ref;

	for (int i = 0; i < 10; i++)
		ring_post(&f->ring, 1, 0, 0, 1);
	ring_post_flush(&f->ring);
	ring_reader_detach(&f->reader);
	assert_int_equal(ring_reader_attach(&f->reader, f->ro, 1), 0);
	assert_int_equal(ring_next(&f->reader, &ref), -EAGAIN);
}

static void test_peek_and_still(void **state)
{
	struct fix *f = *state;

	struct ring_ref ref = publish(&f->ring, 5);
	const struct ring_slot *slot = ring_peek(&f->reader, ref.slot, ref.generation);
	assert_non_null(slot);
	assert_int_equal(slot->packet[3], 5);
	assert_true(ring_still(slot, ref.generation));
	assert_null(ring_peek(&f->reader, ref.slot, ref.generation + 1));
	assert_null(ring_peek(&f->reader, SLOTS, ref.generation));
	assert_null(ring_peek(&f->reader, RING_NO_SLOT, ref.generation));
	assert_null(ring_peek(&f->reader, 0, 0));
	assert_null(ring_own(&f->ring, SLOTS, ref.generation));
	assert_null(ring_own(&f->ring, 0, 0));
	for (uint32_t i = 0; i < SLOTS; i++)
		take(&f->ring);
	assert_false(ring_still(slot, ref.generation));
}

static void reattach(struct fix *f, uint32_t epoch)
{
	ring_detach(&f->ring);
	assert_int_equal(ring_attach(&f->ring, f->fd, epoch), 0);
	assert_int_equal(atomic_load(&f->ring.shm->header.epoch), epoch);
}

static void test_successor_keeps_history(void **state)
{
	struct fix *f = *state;
	struct ring_ref refs[SLOTS + 500];
	uint32_t batch[RING_BATCH];

	for (uint32_t i = 0; i < ARRAY_LEN(refs); i++)
		refs[i] = publish(&f->ring, (uint8_t)i);
	ring_post(&f->ring, 1, refs[700].slot, 0, refs[700].generation);
	ring_post_flush(&f->ring);
	ring_post(&f->ring, 1, refs[701].slot, 0, refs[701].generation);
	/* Dies with a batch in flight and one descriptor not flushed. */
	ring_take(&f->ring, RING_BATCH, batch);
	reattach(f, 2);
	assert_int_equal(f->ring.spare_len, RING_BATCH);
	assert_int_equal(f->ring.order_len, SLOTS - RING_BATCH);
	for (uint32_t i = 0; i < ARRAY_LEN(refs); i++) {
		if (i < 500 + RING_BATCH)
			assert_int_equal(read_error(&f->reader, refs[i]), -ESTALE);
		else
			expect_read(&f->reader, refs[i], (uint8_t)i);
	}
	/* The order is the old one, and numbers go on. */
	for (uint32_t i = 0; i < RING_BATCH; i++)
		take(&f->ring);
	for (uint32_t i = 500 + RING_BATCH; i < ARRAY_LEN(refs); i++) {
		uint32_t slot = take(&f->ring);
		assert_int_equal(slot, refs[i].slot);
		assert_int_equal(ring_publish(&f->ring, slot), refs[ARRAY_LEN(refs) - 1].generation + 1 + i - 564);
	}
	struct ring_ref ref;
	assert_int_equal(ring_next(&f->reader, &ref), 0);
	assert_int_equal(ref.generation, refs[700].generation);
	assert_int_equal(ring_next(&f->reader, &ref), -EAGAIN);
}

static void test_successor_never_repeats_a_number(void **state)
{
	struct fix *f = *state;
	uint64_t last = 0;
	uint32_t all[SLOTS];

	for (int round = 0; round < 20; round++) {
		struct ring_ref ref = publish(&f->ring, 1);
		assert_true(ref.generation > last);
		last = ref.generation;
		/* Everything published is taken again before the death. */
		ring_take(&f->ring, SLOTS, all);
		reattach(f, (uint32_t)round + 2);
		assert_int_equal(f->ring.spare_len, SLOTS);
	}
	/* A death between the two stores of ring_publish(), either way round. */
	uint32_t slot = take(&f->ring);
	atomic_store(&f->ring.shm->out.generation, last + 1);
	reattach(f, 50);
	assert_true(publish(&f->ring, 1).generation > last + 1);
	atomic_store(&f->ring.slot[slot].head.generation, last + 100);
	reattach(f, 51);
	assert_int_equal(publish(&f->ring, 1).generation, last + 101);
}

static void test_fresh_ring_costs_no_memory(void **state)
{
	struct ring ring;
	int fd = -1;

	(void)state;
	assert_int_equal(ring_create("ring", RING_SLOTS_DEFAULT, 2, &fd), 0);
	assert_int_equal(ring_attach(&ring, fd, 1), 0);
	assert_int_equal(ring.spare_len, RING_SLOTS_DEFAULT);
	/* Slots that were never received into are holes. */
	off_t slots = (off_t)((uint8_t *)ring.slot - (uint8_t *)ring.map.base);
	assert_int_equal(lseek(fd, slots + 4096, SEEK_DATA), -1);
	ring_detach(&ring);
	close(fd);
}

/* ---- hostile contents ---- */

static void test_head_nonsense(void **state)
{
	struct fix *f = *state;
	struct ring_ref ref = publish(&f->ring, 1);
	struct ring_head *h = &f->ring.slot[ref.slot].head;
	struct ring_head good = { .len = 100, .payload_offset = 12, .payload_len = 88, .codec = CODEC_VP8 };
	const struct ring_head bad[] = {
		{ .len = RING_PACKET_MAX + 1, .payload_offset = 12, .payload_len = 88 },
		{ .len = UINT16_MAX, .payload_offset = 12, .payload_len = 88 },
		{ .len = 0, .payload_offset = 12 },
		{ .len = 100, .payload_offset = 0, .payload_len = 100 },
		{ .len = 100, .payload_offset = 11, .payload_len = 89 },
		{ .len = 100, .payload_offset = 101, .payload_len = 0 },
		{ .len = 100, .payload_offset = UINT16_MAX, .payload_len = 88 },
		{ .len = 100, .payload_offset = 12, .payload_len = 89 },
		{ .len = 100, .payload_offset = 12, .payload_len = UINT16_MAX },
		{ .len = 100, .payload_offset = 90, .payload_len = 10, .descriptor_len = 11 },
		{ .len = 100, .payload_offset = 12, .payload_len = 88, .codec = CODEC_COUNT },
		{ .len = 100, .payload_offset = 12, .payload_len = 88, .codec = 255 },
		{ .len = 100, .payload_offset = 12, .payload_len = 88, .layer = SESSION_LAYERS_MAX },
	};
	struct ring_head out;
	uint8_t buf[RING_PACKET_MAX];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		memcpy(h, &bad[i], sizeof(*h));
		atomic_store(&h->generation, ref.generation);
		memset(&out, 0x55, sizeof(out));
		assert_int_equal(ring_read(&f->reader, ref.slot, ref.generation, &out, buf), -EPROTO);
		assert_int_equal(out.len, 0x5555);
	}
	memcpy(h, &good, sizeof(*h));
	atomic_store(&h->generation, ref.generation);
	assert_int_equal(ring_read(&f->reader, ref.slot, ref.generation, &out, buf), 0);
	good.len = RING_PACKET_MAX;
	good.payload_len = 0;
	memcpy(h, &good, sizeof(*h));
	atomic_store(&h->generation, ref.generation);
	assert_int_equal(ring_read(&f->reader, ref.slot, ref.generation, &out, buf), 0);
	assert_int_equal(ring_read(&f->reader, SLOTS, ref.generation, &out, buf), -EPROTO);
	assert_int_equal(ring_read(&f->reader, RING_NO_SLOT, ref.generation, &out, buf), -EPROTO);
	assert_int_equal(ring_read(&f->reader, 0, 0, &out, buf), -EPROTO);
}

static void test_descriptor_nonsense(void **state)
{
	struct fix *f = *state;
	struct ring_ref ref = { .slot = 99 };

	ring_post(&f->ring, 1, SLOTS, 0, 1);
	ring_post(&f->ring, 1, UINT32_MAX, 0, 1);
	ring_post(&f->ring, 1, 0, 0, 0);
	ring_post(&f->ring, 1, SLOTS - 1, UINT32_MAX, UINT64_MAX);
	ring_post_flush(&f->ring);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ring_next(&f->reader, &ref), -EPROTO);
	assert_int_equal(ref.slot, 99);
	assert_int_equal(ring_next(&f->reader, &ref), 0);
	assert_int_equal(ref.slot, SLOTS - 1);
	assert_int_equal(read_error(&f->reader, ref), -ESTALE);
	assert_int_equal(ring_next(&f->reader, &ref), -EAGAIN);
}

static void test_descriptor_head_nonsense(void **state)
{
	struct fix *f = *state;
	const uint64_t heads[] = { UINT64_MAX, 1ull << 63, 5, 0, 1ull << 40 };
	struct ring_ref ref;

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		int n = 0;
		atomic_store(&f->ring.shm->consumer[1].head, heads[i]);
		/* It always comes to an end, whatever stands there. */
		while (ring_next(&f->reader, &ref) != -EAGAIN)
			assert_true(++n <= RING_DESCRIPTORS);
		assert_int_equal(f->reader.tail, heads[i]);
		assert_false(ring_has_news(&f->reader));
	}
}

static void expect_attach(struct fix *f, int expected)
{
	struct ring ring;
	struct ring_reader reader;

	assert_int_equal(ring_reader_attach(&reader, f->ro, 1), expected);
	assert_int_equal(ring_attach(&ring, f->fd, 1), expected);
	if (expected == 0) {
		ring_reader_detach(&reader);
		ring_detach(&ring);
	}
}

static void test_attach_refuses(void **state)
{
	struct fix *f = *state;
	struct ring_region *shm = f->ring.shm;
	const uint32_t slots[] = { 0, 1, SLOTS / 2, SLOTS - 1, SLOTS * 2, UINT32_MAX, 1u << 31 };
	const uint32_t consumers[] = { 0, 1, 4, SHM_PROCESSES_MAX, SHM_PROCESSES_MAX + 1, UINT32_MAX };
	struct ring_reader reader;
	struct ring ring;
	int fd = -1;

	for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
		shm->slots = slots[i];
		expect_attach(f, -EPROTO);
	}
	shm->slots = SLOTS;
	for (size_t i = 0; i < ARRAY_LEN(consumers); i++) {
		shm->consumers = consumers[i];
		expect_attach(f, -EPROTO);
	}
	shm->consumers = CONSUMERS;
	shm->slots_offset += RING_SLOT_BYTES;
	expect_attach(f, -EPROTO);
	shm->slots_offset -= RING_SLOT_BYTES;
	shm->descriptors_offset = UINT64_MAX - 7;
	expect_attach(f, -EPROTO);
	shm->descriptors_offset = sizeof(struct ring_region) + CONSUMERS * sizeof(struct ring_consumer_head);
	shm->header.magic++;
	expect_attach(f, -EPROTO);
	shm->header.magic--;
	expect_attach(f, 0);
	assert_int_equal(ring_reader_attach(&reader, f->ro, CONSUMERS), -EINVAL);
	assert_int_equal(ring_attach(&ring, f->ro, 1), -EACCES);
	assert_int_equal(ring_create("bad", SLOTS / 2, 1, &fd), -EINVAL);
	assert_int_equal(ring_create("bad", SLOTS + 1, 1, &fd), -EINVAL);
	assert_int_equal(ring_create("bad", SLOTS, 0, &fd), -EINVAL);
	assert_int_equal(ring_create("bad", SLOTS, SHM_PROCESSES_MAX + 1, &fd), -EINVAL);
	assert_int_equal(ring_create("bad", 1u << 31, 1, &fd), -EINVAL);
	for (int n = 1; oom_possible() && n <= 3; n++) {
		oom_countdown = n;
		assert_int_equal(ring_attach(&ring, f->fd, 1), -ENOMEM);
	}
	oom_countdown = 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_publish_post_read),
		TEST(test_each_consumer_its_own),
		TEST(test_take_invalidates_the_oldest),
		TEST(test_given_back_does_not_advance),
		TEST(test_taken_slots_are_distinct),
		TEST(test_lapped),
		TEST(test_posts_are_bounded_ahead_of_head),
		TEST(test_reader_starts_at_head),
		TEST(test_peek_and_still),
		TEST(test_successor_keeps_history),
		TEST(test_successor_never_repeats_a_number),
		cmocka_unit_test(test_fresh_ring_costs_no_memory),
		TEST(test_head_nonsense),
		TEST(test_descriptor_nonsense),
		TEST(test_descriptor_head_nonsense),
		TEST(test_attach_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
