/* mediad/frame.h - packets in a byte stream: each behind its length, two bytes, big-endian (RFC 4571).
 *
 * Reading:   bytes as they come from a socket go in, whole packets come out by the callback, in order. Only the piece
 *            of a packet that is not whole yet is kept. A length of 0 is a packet without meaning and is passed over;
 *            one above FRAME_MAX ends the stream, since nothing behind it can be trusted.
 * Writing:   a queue of bytes with a limit. A packet goes in whole or not at all, so what leaves is never cut.
 * Callers:   one thread. No sockets, no clock; nothing allocates but frame_queue_init(). */
#ifndef PARLEY_MEDIAD_FRAME_H
#define PARLEY_MEDIAD_FRAME_H

#include "shm/ring.h"

#include <sys/uio.h>

#define FRAME_HEAD 2
#define FRAME_MAX  RING_PACKET_MAX

struct frame_reader {
	size_t have; /* bytes of the packet that is not whole yet, its length included */
	uint8_t part[FRAME_HEAD + FRAME_MAX];
};

/* false: the stream has ended for us; the bytes behind are not looked at. */
typedef bool frame_cb(void *arg, const uint8_t *packet, size_t len);

/* 0; -EPROTO (a length above FRAME_MAX); -ECANCELED (the callback said so). */
int frame_read(struct frame_reader *reader, const uint8_t *data, size_t len, frame_cb *cb, void *arg);

struct frame_queue {
	uint8_t *data; /* a circle of cap bytes; NULL before frame_queue_init() */
	size_t cap, head, len;
};

/* -ENOMEM. */
int frame_queue_init(struct frame_queue *queue, size_t cap);
void frame_queue_fini(struct frame_queue *queue);
/* -ENOSPC: with it, more than limit bytes would wait (limit ≤ cap). -EMSGSIZE: longer than a length can say. */
int frame_push(struct frame_queue *queue, const void *packet, size_t len, size_t limit);
/* What waits, in order: 0, 1 or 2 pieces. */
int frame_waiting(const struct frame_queue *queue, struct iovec ret_iov[2]);
/* So many of these bytes are on their way. */
void frame_sent(struct frame_queue *queue, size_t len);

#endif
