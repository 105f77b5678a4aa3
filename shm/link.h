/* shm/link.h - messages between two processes: two one-way links, each written by one side only.
 *
 * link(A→B) is a memfd that A alone writes and B maps read-only. It holds A's messages to B, and what A
 * tells about the opposite direction: how far A has read link(B→A), and whether A sleeps. So no process
 * can scribble over what another relies on:
 *
 *      A writes link(A→B): { head, slots[] }  { tail: how far A read of link(B→A) }  { A is asleep }
 *      B writes link(B→A): { head, slots[] }  { tail: how far B read of link(A→B) }  { B is asleep }
 *
 * Lives in:  memory mapped by master; no pointers inside.
 * Callers:   one process pushes, one pops; never blocks, never allocates, takes no lock.
 * Units:     head and tail count slots, run freely and wrap at 2^32; cap is a power of two.
 * Errors:    0; -EAGAIN (push: full; pop: empty); -EPROTO (the other side wrote nonsense: pop skips to its
 *            head and counts); -EMSGSIZE.
 * Death:     a writer that dies between slot and head has sent nothing. A new incarnation goes on at the
 *            head and tail that stand in the memory; so it reads what its predecessor had not (a
 *            message is popped before it is acted upon: at most once).
 *
 * R1 ↔ A1: slot contents before head.     push stores head (release); pop loads head (acquire).
 * R2 ↔ A2: the slot is read before tail.  pop stores tail (release); push loads tail (acquire).
 * F1 ↔ F2: sleeping flag against head.    link_sleep stores asleep = 1, fence (seq_cst), looks at head
 *          again; link_flush, after pushes stored head, fence (seq_cst), looks at asleep. One of them sees the
 *          other.
 *
 * The doorbell: one eventfd a process. Before epoll_wait a process calls link_sleep() on all its links
 * and, when that says a message is there, does not sleep; after waking link_wake(). What is pushed is
 * seen by a busy peer at once; a sleeping one is woken by link_flush(), which the caller calls once per batch.
 * The first flush after link_attach() looks too: a predecessor may have died before it rang. */
#ifndef PARLEY_SHM_LINK_H
#define PARLEY_SHM_LINK_H

#include "shm/layout.h"

#include <stdatomic.h>

#define LINK_SLOT_BYTES	   1024
#define LINK_PAYLOAD_MAX   (LINK_SLOT_BYTES - sizeof(struct link_msg))
#define LINK_SLOTS_DEFAULT 1024

/* One slot. */
struct link_msg {
	uint16_t type;	/* enum msg_type (shm/msg.h) */
	uint16_t len;	/* payload bytes that follow */
	uint32_t epoch; /* the sender's incarnation */
	uint64_t corr;	/* the sender's correlation id; an answer repeats the question's */
};
_Static_assert(sizeof(struct link_msg) == 16, "slot header");

struct link_region {
	struct shm_header header; /* epoch: the writer's */
	struct {
		_Atomic uint32_t head; /* writer: next slot to fill */
	} out SHM_ALIGNED;
	struct {
		_Atomic uint32_t tail; /* writer: how far it has read the opposite link */
	} in SHM_ALIGNED;
	struct {
		_Atomic uint32_t asleep; /* writer: 1 while it may be in epoll_wait */
	} bell SHM_ALIGNED;
	uint32_t cap SHM_ALIGNED; /* master writes once */
	uint8_t pad[SHM_LINE - sizeof(uint32_t)];
	uint8_t slots[]; /* cap × LINK_SLOT_BYTES */
};

/* Private handle of one process on one peer: both directions. Copies what must not change under us. */
struct link {
	struct shm_map out_map, in_map;
	struct link_region *out;      /* ours */
	const struct link_region *in; /* theirs, read-only */
	uint32_t cap_out, cap_in;
	uint32_t head; /* ours: next to fill */
	uint32_t tail; /* ours: next to read of in */
	uint32_t epoch;
	int bell_fd;   /* the peer's eventfd */
	bool ring_due; /* pushed or poked since the last link_flush() */
	uint64_t pushed, popped, full, nonsense;
};

/* master */
size_t link_region_size(uint32_t cap);
int link_create(const char *name, uint32_t cap, int *ret_fd);

/* bell_fd stays the caller's. Stores epoch in the header of out. */
int link_attach(struct link *link, int out_fd, int in_fd, int bell_fd, uint32_t epoch);
void link_detach(struct link *link);

/* Copies len bytes of payload. -EAGAIN when full (counted), -EMSGSIZE. */
int link_push(struct link *link, uint16_t type, uint64_t corr, const void *payload, size_t len);
/* Free slots towards the peer, for callers that must send several messages or none. 0 also when the peer's
 * tail is nonsense (counted). */
uint32_t link_room(struct link *link);
/* Copies one message out: *ret_msg and len bytes into payload (LINK_PAYLOAD_MAX). -EAGAIN, -EPROTO. */
int link_pop(struct link *link, struct link_msg *ret_msg, void *payload);
/* Rings the peer's bell if something was pushed (or was full) and it sleeps; call once a batch or turn. */
void link_flush(struct link *link);
/* Memory outside the link was published for the peer (media ring): ring at the next flush if it sleeps. */
void link_poke(struct link *link);
/* Marks us asleep; true = a message is waiting, do not sleep. */
bool link_sleep(struct link *link);
void link_wake(struct link *link);

#endif
