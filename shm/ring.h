/* shm/ring.h - the media ring: every media packet of a mediad, written once, read by all mediads.
 *
 * Lives in:  one region per mediad. The owner maps it writable, every other mediad read-only.
 * Slots:     fixed places of RING_SLOT_BYTES: a head (what the owner parsed) and the packet, decrypted.
 *            Datagrams are received straight into free slots, authenticated and decrypted in place, and
 *            published; a packet that is not media gives its slot back and never advances the ring, so
 *            feedback from a thousand receivers cannot wash the history out. The oldest published slot
 *            is the next to be taken.
 * Generation: each publication gets the next number of a counter that only rises (over deaths too, it
 *            stands in the region); 0 = not valid. A slot is named by (slot, generation) for ever.
 * Descriptor rings: one per consumer inside the owner's region, written by the owner alone: {slot, track,
 *            generation}. The consumer keeps its tail to itself; a slow one is lapped, counts what it lost and
 *            goes on. A producer never waits.
 * Callers:   owner: ring_take / ring_give_back / ring_publish / ring_post. Consumers: ring_next / ring_read /
 *            ring_still. No locks, nothing blocks, nothing allocates after attach.
 * Errors:    0; -EAGAIN (nothing there); -ESTALE (overwritten meanwhile); -EPROTO (numbers out of range).
 *
 * W1 ↔ V1: invalidation.  ring_take stores generation 0 (release) and a seq_cst fence before the memory
 *          goes to the kernel or is written; a reader that copied bytes issues an acquire fence and loads
 *          the generation again: had any byte been overwritten, it sees another generation.
 * R1 ↔ A1: publication.   ring_publish writes head and packet, then stores the generation (release);
 *          ring_read loads it (acquire) before it looks.
 * R2 ↔ A2: descriptors.   ring_post writes the descriptor, ring_post_flush stores head (release);
 *          ring_next loads head (acquire) before it looks.
 * R3 ↔ A3: lapping.       ring_post stores the words of a descriptor (release) and never writes more than 256
 *          ahead of head; ring_next copies, fences (acquire) and loads head again: had it copied a word of the
 *          next round, head is so far that it knows.
 * Succession: ring_publish stores out.generation before the slot's, so that a new owner never gives a number
 *          again, even one whose slot has been taken since. (One process after the other: relaxed.) */
#ifndef PARLEY_SHM_RING_H
#define PARLEY_SHM_RING_H

#include "shm/layout.h"

#include <stdatomic.h>

#define RING_SLOT_BYTES	   2048
#define RING_HEAD_BYTES	   128
#define RING_PACKET_MAX	   (RING_SLOT_BYTES - RING_HEAD_BYTES)
#define RING_BATCH	   64
#define RING_DESCRIPTORS   8192 /* per consumer; power of two */
#define RING_SLOTS_MIN	   1024
#define RING_SLOTS_DEFAULT 16384
#define RING_NO_SLOT	   UINT32_MAX

enum ring_flags {
	RING_MARKER = 1,      /* RTP marker bit */
	RING_KEYFRAME = 2,    /* the packet begins a key frame */
	RING_FRAME_START = 4, /* first packet of a frame, where the codec says so */
	RING_VOICE = 8,	      /* RFC 6464 voice activity bit */
	RING_HAS_LEVEL = 16,
	RING_HAS_ROTATION = 32,
	RING_DISCARDABLE = 64,	  /* no other frame refers to it */
	RING_RETRANSMITTED = 128, /* came by RTX */
	RING_SCALABLE = 256,	  /* temporal, picture id and TL0PICIDX say what refers to it */
	RING_SYNC = 512,	  /* it refers to nothing above the temporal layers below its own */
};

/* What the owner parsed, so that no consumer parses again. The owner writes all of it. */
struct ring_head {
	_Atomic uint64_t generation; /* 0 = not valid */
	int64_t arrival_us;	     /* CLOCK_MONOTONIC of the owner, which all processes share */
	uint64_t track;		     /* handle (session.h) */
	uint64_t index;		     /* extended sequence number of the source: ROC << 16 | seq */
	uint32_t timestamp;	     /* RTP, source's */
	uint32_t ssrc;		     /* source's */
	uint16_t len;		     /* whole RTP packet, header included */
	uint16_t payload_offset;     /* first byte after header and extensions */
	uint16_t payload_len;	     /* without RTP padding */
	uint16_t flags;		     /* enum ring_flags */
	uint8_t payload_type;	     /* source's */
	uint8_t codec;		     /* enum codec (session.h) */
	uint8_t layer;		     /* which rid: 0 = lowest; 0 without simulcast */
	uint8_t temporal;	     /* temporal layer id, 0 when unknown */
	uint8_t level;		     /* RFC 6464: 0 (loud) … 127 */
	uint8_t rotation;	     /* video orientation byte */
	uint8_t descriptor_len;	     /* bytes of the codec's payload descriptor */
	uint8_t picture_id_bits;     /* 0, 7 or 15 */
	uint16_t picture_id;
	uint8_t tl0picidx;
	uint8_t has_tl0picidx;
	uint8_t reserved[RING_HEAD_BYTES - 60];
};
_Static_assert(sizeof(struct ring_head) == RING_HEAD_BYTES, "slot head");

struct ring_slot {
	struct ring_head head;
	uint8_t packet[RING_PACKET_MAX];
};
_Static_assert(sizeof(struct ring_slot) == RING_SLOT_BYTES, "slot");

/* Two words, so that each can be stored and loaded whole. */
struct ring_descriptor {
	_Atomic uint64_t slot_track; /* slot << 32 | index of the track in the owner's table */
	_Atomic uint64_t generation;
};

struct ring_consumer_head {
	_Atomic uint64_t head; /* owner: descriptors ever posted */
	uint8_t pad[SHM_LINE - 8];
};

struct ring_region {
	struct shm_header header;
	struct {
		_Atomic uint64_t generation; /* owner: the last one given out */
	} out SHM_ALIGNED;
	uint32_t slots SHM_ALIGNED;  /* power of two; master writes once */
	uint32_t consumers;	     /* mediads; master writes once */
	uint64_t descriptors_offset; /* from the region's start; master writes once */
	uint64_t slots_offset;
	uint8_t pad[SHM_LINE - 24];
	struct ring_consumer_head consumer[]; /* one per mediad */
	/* at descriptors_offset: consumers × RING_DESCRIPTORS descriptors; at slots_offset: the slots */
};

/* ---- master ---- */
size_t ring_region_size(uint32_t slots, uint32_t consumers);
int ring_create(const char *name, uint32_t slots, uint32_t consumers, int *ret_fd);

/* ---- owner ---- */
struct ring {
	struct shm_map map;
	struct ring_region *shm;
	struct ring_slot *slot;
	uint32_t slots;
	uint32_t consumers;
	uint64_t generation;
	uint32_t *order; /* published slots, oldest first: a circular list of slot numbers */
	uint32_t order_head, order_len;
	uint32_t *spare; /* slots given back */
	uint32_t spare_len;
	uint64_t posted[SHM_PROCESSES_MAX]; /* descriptors written per consumer; published by flush */
	uint64_t flushed[SHM_PROCESSES_MAX];
	uint64_t news; /* consumers whose head moved since the last ring_post_flush() */
};

int ring_attach(struct ring *ring, int fd, uint32_t epoch);
void ring_detach(struct ring *ring);
/* n free slots to receive into, invalidated (W1); always succeeds for n ≤ RING_BATCH while fewer than
 * RING_SLOTS_MIN - RING_BATCH are out. Each goes to ring_publish() or ring_give_back(). */
void ring_take(struct ring *ring, uint32_t n, uint32_t *ret_slots);
/* Not media: back to the spares. */
void ring_give_back(struct ring *ring, uint32_t slot);
/* Head and packet are complete. Returns the generation. */
uint64_t ring_publish(struct ring *ring, uint32_t slot);
/* Tells consumer k; visible after ring_post_flush(), which returns a mask of the consumers with news:
 * the caller pokes their links (link_poke). */
void ring_post(struct ring *ring, unsigned consumer, uint32_t slot, uint32_t track_index, uint64_t generation);
uint64_t ring_post_flush(struct ring *ring);
/* A slot of one's own ring by name, for retransmission: NULL when it was overwritten. */
const struct ring_slot *ring_own(const struct ring *ring, uint32_t slot, uint64_t generation);

/* ---- consumer ---- */
struct ring_reader {
	struct shm_map map;
	const struct ring_region *shm;
	const struct ring_slot *slot;
	uint32_t slots, consumers;
	unsigned self; /* our number among the consumers */
	uint64_t tail; /* descriptors read */
	uint64_t lost; /* descriptors lapped */
};

struct ring_ref {
	uint32_t slot;
	uint32_t track_index;
	uint64_t generation;
};

/* Starts at the producer's present head. */
int ring_reader_attach(struct ring_reader *reader, int fd, unsigned self);
void ring_reader_detach(struct ring_reader *reader);
/* Next descriptor; -EAGAIN. Lapped ones are counted in lost and skipped. -EPROTO: nonsense, go on. */
int ring_next(struct ring_reader *reader, struct ring_ref *ret_ref);
/* True when ring_next() would give something; for the look before sleep (after link_sleep()'s fence). */
bool ring_has_news(const struct ring_reader *reader);
/* How many descriptors wait, lapped ones too; for figures, not for decisions. */
uint64_t ring_waiting(const struct ring_reader *reader);
/* Copies head and packet; checks the generation before and after. buf holds RING_PACKET_MAX.
 * ret_head is range-checked: len ≤ RING_PACKET_MAX; payload inside and behind an RTP header; descriptor inside
 * the payload; codec and layer in their enums. -ESTALE, -EPROTO. */
int ring_read(const struct ring_reader *reader, uint32_t slot, uint64_t generation, struct ring_head *ret_head,
	      uint8_t *buf);
/* The slot in place, for a caller that copies what it needs and then asks ring_still(). NULL: stale. */
const struct ring_slot *ring_peek(const struct ring_reader *reader, uint32_t slot, uint64_t generation);
bool ring_still(const struct ring_slot *slot, uint64_t generation);

#endif
