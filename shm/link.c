#include "shm/link.h"

#include "lib/cleanup.h"
#include "shm/fence.h"

#include <string.h>
#include <sys/eventfd.h>

#define LINK_CAP_MAX (1u << 20)

static bool cap_valid(uint32_t cap)
{
	return cap > 0 && cap <= LINK_CAP_MAX && (cap & (cap - 1)) == 0;
}

size_t link_region_size(uint32_t cap)
{
	return sizeof(struct link_region) + (size_t)cap * LINK_SLOT_BYTES;
}

int link_create(const char *name, uint32_t cap, int *ret_fd)
{
	struct shm_map map;

	if (!cap_valid(cap))
		return -EINVAL;
	auto_close int fd = -1;
	int err = shm_create(name, SHM_MAGIC_LINK, link_region_size(cap), &fd);
	if (err < 0)
		return err;
	err = shm_attach(fd, SHM_MAGIC_LINK, link_region_size(cap), true, &map);
	if (err < 0)
		return err;
	((struct link_region *)map.base)->cap = cap;
	shm_detach(&map);
	*ret_fd = STEAL_FD(fd);
	return 0;
}

/* Maps one direction; its writer could have changed cap, so it is read once and held against the size. */
static int attach_region(int fd, bool writable, struct shm_map *ret_map, uint32_t *ret_cap)
{
	struct shm_map map;

	int err = shm_attach(fd, SHM_MAGIC_LINK, sizeof(struct link_region), writable, &map);
	if (err < 0)
		return err;
	uint32_t cap = *(const volatile uint32_t *)&((const struct link_region *)map.base)->cap;
	if (!cap_valid(cap) || map.size != link_region_size(cap)) {
		shm_detach(&map);
		return -EPROTO;
	}
	*ret_map = map;
	*ret_cap = cap;
	return 0;
}

int link_attach(struct link *link, int out_fd, int in_fd, int bell_fd, uint32_t epoch)
{
	struct link l = { .epoch = epoch, .bell_fd = bell_fd };

	int err = attach_region(out_fd, true, &l.out_map, &l.cap_out);
	if (err < 0)
		return err;
	err = attach_region(in_fd, false, &l.in_map, &l.cap_in);
	if (err < 0) {
		shm_detach(&l.out_map);
		return err;
	}
	l.out = l.out_map.base;
	l.in = l.in_map.base;
	/* Relaxed: only we and our predecessor, who is dead, write these. */
	l.head = atomic_load_explicit(&l.out->out.head, memory_order_relaxed);
	l.tail = atomic_load_explicit(&l.out->in.tail, memory_order_relaxed);
	atomic_store_explicit(&l.out->bell.asleep, 0, memory_order_relaxed);
	atomic_store_explicit(&l.out->header.epoch, epoch, memory_order_release);
	/* The predecessor may have died between its last push and the bell. */
	l.ring_due = true;
	*link = l;
	return 0;
}

void link_detach(struct link *link)
{
	shm_detach(&link->out_map);
	shm_detach(&link->in_map);
	link->out = NULL;
	link->in = NULL;
}

uint32_t link_room(struct link *link)
{
	/* A2: pairs with R2 in link_pop(). What the peer has read may be overwritten. */
	uint32_t tail = atomic_load_explicit(&link->in->in.tail, memory_order_acquire);
	uint32_t used = link->head - tail;

	if (UNLIKELY(used > link->cap_out)) {
		link->nonsense++;
		return 0;
	}
	return link->cap_out - used;
}

int link_push(struct link *link, uint16_t type, uint64_t corr, const void *payload, size_t len)
{
	if (len > LINK_PAYLOAD_MAX)
		return -EMSGSIZE;
	if (link_room(link) == 0) {
		link->full++;
		/* It must read before we can send: a bell that got lost with a predecessor must not stop us both. */
		link->ring_due = true;
		return -EAGAIN;
	}
	uint8_t *slot = link->out->slots + (size_t)(link->head & (link->cap_out - 1)) * LINK_SLOT_BYTES;
	struct link_msg msg = { .type = type, .len = (uint16_t)len, .epoch = link->epoch, .corr = corr };
	memcpy(slot, &msg, sizeof(msg));
	if (len > 0)
		memcpy(slot + sizeof(msg), payload, len);
	/* R1: pairs with A1 in link_pop(). The slot is written before the peer can see the new head. */
	atomic_store_explicit(&link->out->out.head, ++link->head, memory_order_release);
	link->pushed++;
	link->ring_due = true;
	return 0;
}

static void set_tail(struct link *link, uint32_t tail)
{
	link->tail = tail;
	/* R2: pairs with A2 in link_room(). The slot has been read before the peer may overwrite it. */
	atomic_store_explicit(&link->out->in.tail, tail, memory_order_release);
}

int link_pop(struct link *link, struct link_msg *ret_msg, void *payload)
{
	struct link_msg msg;

	/* A1: pairs with R1 in link_push(). */
	uint32_t head = atomic_load_explicit(&link->in->out.head, memory_order_acquire);
	uint32_t ready = head - link->tail;
	if (ready == 0)
		return -EAGAIN;
	if (UNLIKELY(ready > link->cap_in)) {
		link->nonsense++;
		set_tail(link, head);
		return -EPROTO;
	}
	const uint8_t *slot = link->in->slots + (size_t)(link->tail & (link->cap_in - 1)) * LINK_SLOT_BYTES;
	memcpy(&msg, slot, sizeof(msg));
	shm_fetched();
	if (UNLIKELY(msg.len > LINK_PAYLOAD_MAX)) {
		link->nonsense++;
		set_tail(link, head);
		return -EPROTO;
	}
	memcpy(payload, slot + sizeof(msg), msg.len);
	shm_fetched();
	set_tail(link, link->tail + 1);
	link->popped++;
	*ret_msg = msg;
	return 0;
}

void link_poke(struct link *link)
{
	link->ring_due = true;
}

void link_flush(struct link *link)
{
	static const uint64_t one = 1;

	if (!link->ring_due)
		return;
	link->ring_due = false;
	/* F2: pairs with F1 in link_sleep(). Head (and what link_poke() tells of) was stored before we look
	 * whether the peer sleeps. */
	shm_fence_full();
	if (atomic_load_explicit(&link->in->bell.asleep, memory_order_relaxed) == 0)
		return;
	/* The only error is EAGAIN of a counter at its end: then the bell rings already. */
	ssize_t ignored = write(link->bell_fd, &one, sizeof(one));
	(void)ignored;
}

bool link_sleep(struct link *link)
{
	atomic_store_explicit(&link->out->bell.asleep, 1, memory_order_relaxed);
	/* F1: pairs with F2 in link_flush(). We say that we sleep before we look at head for the last time. */
	shm_fence_full();
	return atomic_load_explicit(&link->in->out.head, memory_order_relaxed) != link->tail;
}

void link_wake(struct link *link)
{
	/* Relaxed: a peer that sees it late rings once too often. */
	atomic_store_explicit(&link->out->bell.asleep, 0, memory_order_relaxed);
}
