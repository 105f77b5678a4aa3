#include "shm/ring.h"

#include "lib/cleanup.h"
#include "shm/fence.h"
#include "shm/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RING_SLOTS_MAX (1u << 24)

/* Descriptors that may be written ahead of head; head is published in between when there are more. */
#define RING_POST_AHEAD 256

#define RTP_HEADER_BYTES 12

/* ---- layout ---- */

static bool slots_valid(uint32_t slots, uint32_t consumers)
{
	return slots >= RING_SLOTS_MIN && slots <= RING_SLOTS_MAX && (slots & (slots - 1)) == 0 && consumers > 0 &&
	       consumers <= SHM_PROCESSES_MAX;
}

static size_t descriptors_offset(uint32_t consumers)
{
	return sizeof(struct ring_region) + consumers * sizeof(struct ring_consumer_head);
}

static size_t slots_offset(uint32_t consumers)
{
	size_t end =
		descriptors_offset(consumers) + (size_t)consumers * RING_DESCRIPTORS * sizeof(struct ring_descriptor);

	return (end + RING_SLOT_BYTES - 1) & ~(size_t)(RING_SLOT_BYTES - 1);
}

size_t ring_region_size(uint32_t slots, uint32_t consumers)
{
	return slots_offset(consumers) + (size_t)slots * RING_SLOT_BYTES;
}

int ring_create(const char *name, uint32_t slots, uint32_t consumers, int *ret_fd)
{
	struct shm_map map;

	if (!slots_valid(slots, consumers))
		return -EINVAL;
	auto_close int fd = -1;
	int err = shm_create(name, SHM_MAGIC_RING, ring_region_size(slots, consumers), &fd);
	if (err < 0)
		return err;
	err = shm_attach(fd, SHM_MAGIC_RING, ring_region_size(slots, consumers), true, &map);
	if (err < 0)
		return err;
	struct ring_region *shm = map.base;
	shm->slots = slots;
	shm->consumers = consumers;
	shm->descriptors_offset = descriptors_offset(consumers);
	shm->slots_offset = slots_offset(consumers);
	shm_detach(&map);
	*ret_fd = STEAL_FD(fd);
	return 0;
}

/* Offsets follow from the two counts; whatever else stands in the region is not ours. */
static int attach_region(int fd, bool writable, struct shm_map *ret_map, uint32_t *ret_slots, uint32_t *ret_consumers)
{
	struct shm_map map;

	int err = shm_attach(fd, SHM_MAGIC_RING, sizeof(struct ring_region), writable, &map);
	if (err < 0)
		return err;
	const volatile struct ring_region *shm = map.base;
	uint32_t slots = shm->slots, consumers = shm->consumers;
	if (!slots_valid(slots, consumers) || map.size != ring_region_size(slots, consumers) ||
	    shm->descriptors_offset != descriptors_offset(consumers) || shm->slots_offset != slots_offset(consumers)) {
		shm_detach(&map);
		return -EPROTO;
	}
	*ret_map = map;
	*ret_slots = slots;
	*ret_consumers = consumers;
	return 0;
}

static struct ring_descriptor *descriptor(const struct ring_region *shm, uint32_t consumers, unsigned consumer,
					  uint64_t at)
{
	struct ring_descriptor *all = (void *)((uintptr_t)shm + descriptors_offset(consumers));

	return &all[(size_t)consumer * RING_DESCRIPTORS + (at & (RING_DESCRIPTORS - 1))];
}

/* ---- owner ---- */

struct found {
	uint64_t generation;
	uint32_t slot;
};

static int found_compare(const void *a, const void *b)
{
	uint64_t x = ((const struct found *)a)->generation, y = ((const struct found *)b)->generation;

	return (x > y) - (x < y);
}

/* What a predecessor published stays published, oldest first; all else is spare. A slot that it was receiving
 * into when it died has generation 0. Relaxed: the predecessor is dead. */
static int rebuild_order(struct ring *ring)
{
	auto_free struct found *found = malloc(ring->slots * sizeof(*found));

	if (!found)
		return -ENOMEM;
	ring->generation = atomic_load_explicit(&ring->shm->out.generation, memory_order_relaxed);
	if (ring->generation == 0) {
		/* Never used: do not touch every slot, its memory is not there yet. */
		for (uint32_t i = 0; i < ring->slots; i++)
			ring->spare[i] = ring->slots - 1 - i;
		ring->spare_len = ring->slots;
		return 0;
	}
	for (uint32_t i = ring->slots; i-- > 0;) {
		uint64_t generation = atomic_load_explicit(&ring->slot[i].head.generation, memory_order_relaxed);
		if (generation == 0)
			ring->spare[ring->spare_len++] = i;
		else
			found[ring->order_len++] = (struct found){ generation, i };
		ring->generation = MAX(ring->generation, generation);
	}
	qsort(found, ring->order_len, sizeof(*found), found_compare);
	for (uint32_t i = 0; i < ring->order_len; i++)
		ring->order[i] = found[i].slot;
	return 0;
}

int ring_attach(struct ring *ring, int fd, uint32_t epoch)
{
	struct ring r = { 0 };

	int err = attach_region(fd, true, &r.map, &r.slots, &r.consumers);
	if (err < 0)
		return err;
	r.shm = r.map.base;
	r.slot = (void *)((uint8_t *)r.map.base + slots_offset(r.consumers));
	r.order = malloc(r.slots * sizeof(*r.order));
	r.spare = malloc(r.slots * sizeof(*r.spare));
	err = r.order && r.spare ? rebuild_order(&r) : -ENOMEM;
	if (err < 0) {
		ring_detach(&r);
		return err;
	}
	for (unsigned k = 0; k < r.consumers; k++) {
		r.posted[k] = atomic_load_explicit(&r.shm->consumer[k].head, memory_order_relaxed);
		r.flushed[k] = r.posted[k];
	}
	atomic_store_explicit(&r.shm->header.epoch, epoch, memory_order_release);
	*ring = r;
	return 0;
}

void ring_detach(struct ring *ring)
{
	free(ring->order);
	free(ring->spare);
	shm_detach(&ring->map);
	*ring = (struct ring){ 0 };
}

static uint32_t take_one(struct ring *ring)
{
	if (ring->spare_len > 0)
		return ring->spare[--ring->spare_len];
	/* Our bug if empty: more slots are in flight than the ring has. */
	assert(ring->order_len > 0);
	uint32_t slot = ring->order[ring->order_head];
	ring->order_head = (ring->order_head + 1) & (ring->slots - 1);
	ring->order_len--;
	return slot;
}

void ring_take(struct ring *ring, uint32_t n, uint32_t *ret_slots)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t slot = take_one(ring);
		/* W1: pairs with V1 in ring_still(). The fence below keeps what is written into the slot behind it,
		 * for the kernel's writes as for ours. */
		atomic_store_explicit(&ring->slot[slot].head.generation, 0, memory_order_release);
		ret_slots[i] = slot;
	}
	shm_fence_full();
}

void ring_give_back(struct ring *ring, uint32_t slot)
{
	assert(slot < ring->slots && ring->spare_len + ring->order_len < ring->slots);
	ring->spare[ring->spare_len++] = slot;
}

uint64_t ring_publish(struct ring *ring, uint32_t slot)
{
	uint64_t generation = ++ring->generation;

	assert(slot < ring->slots && ring->spare_len + ring->order_len < ring->slots);
	/* Relaxed, and before the slot's: only a successor reads it, and it must not give the number again even
	 * when the slot has been taken again by then. */
	atomic_store_explicit(&ring->shm->out.generation, generation, memory_order_relaxed);
	ring->order[(ring->order_head + ring->order_len++) & (ring->slots - 1)] = slot;
	/* R1: pairs with A1 in ring_read() and ring_peek(). Head and packet are complete. */
	atomic_store_explicit(&ring->slot[slot].head.generation, generation, memory_order_release);
	return generation;
}

static void publish_head(struct ring *ring, unsigned consumer)
{
	/* R2: pairs with A2 in ring_next(). The descriptors are written. */
	atomic_store_explicit(&ring->shm->consumer[consumer].head, ring->posted[consumer], memory_order_release);
	ring->flushed[consumer] = ring->posted[consumer];
	ring->news |= UINT64_C(1) << consumer;
}

void ring_post(struct ring *ring, unsigned consumer, uint32_t slot, uint32_t track_index, uint64_t generation)
{
	assert(consumer < ring->consumers);
	if (ring->posted[consumer] - ring->flushed[consumer] == RING_POST_AHEAD)
		publish_head(ring, consumer);
	struct ring_descriptor *d = descriptor(ring->shm, ring->consumers, consumer, ring->posted[consumer]++);
	/* R3: pairs with A3 in ring_next(). Whoever sees either word sees a head that is at most RING_POST_AHEAD
	 * behind it, and so that it was lapped. */
	atomic_store_explicit(&d->slot_track, (uint64_t)slot << 32 | track_index, memory_order_release);
	atomic_store_explicit(&d->generation, generation, memory_order_release);
}

uint64_t ring_post_flush(struct ring *ring)
{
	for (unsigned k = 0; k < ring->consumers; k++) {
		if (ring->posted[k] != ring->flushed[k])
			publish_head(ring, k);
	}
	uint64_t news = ring->news;
	ring->news = 0;
	return news;
}

const struct ring_slot *ring_own(const struct ring *ring, uint32_t slot, uint64_t generation)
{
	if (slot >= ring->slots || generation == 0)
		return NULL;
	/* Relaxed: we alone write it. */
	if (atomic_load_explicit(&ring->slot[slot].head.generation, memory_order_relaxed) != generation)
		return NULL;
	return &ring->slot[slot];
}

/* ---- consumer ---- */

int ring_reader_attach(struct ring_reader *reader, int fd, unsigned self)
{
	struct ring_reader r = { .self = self };

	int err = attach_region(fd, false, &r.map, &r.slots, &r.consumers);
	if (err < 0)
		return err;
	if (self >= r.consumers) {
		shm_detach(&r.map);
		return -EINVAL;
	}
	r.shm = r.map.base;
	r.slot = (const void *)((const uint8_t *)r.map.base + slots_offset(r.consumers));
	r.tail = atomic_load_explicit(&r.shm->consumer[self].head, memory_order_acquire);
	*reader = r;
	return 0;
}

void ring_reader_detach(struct ring_reader *reader)
{
	shm_detach(&reader->map);
	*reader = (struct ring_reader){ 0 };
}

/* Everything between head - RING_WINDOW and head stands still, also while the owner writes ahead of head. */
#define RING_WINDOW (RING_DESCRIPTORS - RING_POST_AHEAD)

int ring_next(struct ring_reader *reader, struct ring_ref *ret_ref)
{
	const _Atomic uint64_t *shared_head = &reader->shm->consumer[reader->self].head;
	/* A2: pairs with R2 in ring_post_flush(). */
	uint64_t head = atomic_load_explicit(shared_head, memory_order_acquire);

	/* More than one round only when the owner overtakes us; a hostile one shall not keep us. */
	for (int round = 0; round < 8; round++) {
		if (head == reader->tail)
			return -EAGAIN;
		if (UNLIKELY((int64_t)(head - reader->tail) < 0)) {
			/* It never goes back. Begin anew where it stands now. */
			reader->tail = head;
			return -EPROTO;
		}
		if (UNLIKELY(head - reader->tail > RING_WINDOW)) {
			/* Lapped: leave half a ring of room, or the next one is lapped again at once. */
			reader->lost += head - RING_DESCRIPTORS / 2 - reader->tail;
			reader->tail = head - RING_DESCRIPTORS / 2;
		}
		const struct ring_descriptor *d =
			descriptor(reader->shm, reader->consumers, reader->self, reader->tail);
		uint64_t slot_track = atomic_load_explicit(&d->slot_track, memory_order_relaxed);
		uint64_t generation = atomic_load_explicit(&d->generation, memory_order_relaxed);
		/* A3: pairs with R3 in ring_post(). If either word was of the next round, head says so now. */
		shm_fence_acquire();
		head = atomic_load_explicit(shared_head, memory_order_relaxed);
		if (UNLIKELY(head - reader->tail > RING_WINDOW))
			continue;
		reader->tail++;
		if (UNLIKELY(slot_track >> 32 >= reader->slots || generation == 0))
			return -EPROTO;
		*ret_ref = (struct ring_ref){ .slot = (uint32_t)(slot_track >> 32),
					      .track_index = (uint32_t)slot_track,
					      .generation = generation };
		return 0;
	}
	return -EAGAIN;
}

bool ring_has_news(const struct ring_reader *reader)
{
	return atomic_load_explicit(&reader->shm->consumer[reader->self].head, memory_order_acquire) != reader->tail;
}

uint64_t ring_waiting(const struct ring_reader *reader)
{
	/* Relaxed: nothing is read on the strength of it. */
	uint64_t head = atomic_load_explicit(&reader->shm->consumer[reader->self].head, memory_order_relaxed);

	return (int64_t)(head - reader->tail) > 0 ? head - reader->tail : 0;
}

bool ring_still(const struct ring_slot *slot, uint64_t generation)
{
	/* V1: pairs with W1 in ring_take(). What we copied was read before we look again. */
	shm_fence_acquire();
	return atomic_load_explicit(&slot->head.generation, memory_order_relaxed) == generation;
}

const struct ring_slot *ring_peek(const struct ring_reader *reader, uint32_t slot, uint64_t generation)
{
	if (slot >= reader->slots || generation == 0)
		return NULL;
	/* A1: pairs with R1 in ring_publish(). */
	if (atomic_load_explicit(&reader->slot[slot].head.generation, memory_order_acquire) != generation)
		return NULL;
	return &reader->slot[slot];
}

static bool head_valid(const struct ring_head *h)
{
	return h->len <= RING_PACKET_MAX && h->payload_offset >= RTP_HEADER_BYTES && h->payload_offset <= h->len &&
	       h->payload_len <= h->len - h->payload_offset && h->descriptor_len <= h->payload_len &&
	       h->codec < CODEC_COUNT && h->layer < SESSION_LAYERS_MAX;
}

int ring_read(const struct ring_reader *reader, uint32_t slot, uint64_t generation, struct ring_head *ret_head,
	      uint8_t *buf)
{
	struct ring_head head;

	if (slot >= reader->slots || generation == 0)
		return -EPROTO;
	const struct ring_slot *s = ring_peek(reader, slot, generation);
	if (!s)
		return -ESTALE;
	shm_copy_racy(&head, &s->head, sizeof(head));
	if (UNLIKELY(!head_valid(&head)))
		return ring_still(s, generation) ? -EPROTO : -ESTALE;
	shm_copy_racy(buf, s->packet, head.len);
	if (UNLIKELY(!ring_still(s, generation)))
		return -ESTALE;
	memcpy(ret_head, &head, sizeof(head));
	return 0;
}
