/* workers/stream.h - one connected socket, with or without TLS: reads, and a queue of what is to be written.
 *
 * Callers:   http_conn.c; one thread. Nothing here closes or frees a connection by itself.
 * Ownership: the stream owns descriptor, TLS state and queue. What is queued by reference is let go by its
 *            release function once it was written or dropped.
 * Writing:   nothing is written before stream_flush(), so what one turn of the loop queues leaves in few
 *            records. A blocked write is repeated with at least the same bytes: the queue only grows.
 * Errors:    -EAGAIN (wait for stream_interest()), -EPIPE (the connection is of no use any more). */
#ifndef PARLEY_WORKERS_STREAM_H
#define PARLEY_WORKERS_STREAM_H

#include "lib/err.h"
#include "lib/loop.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#define STREAM_RECORD 16384 /* one TLS record, and the size of every read */

struct stream_chunk;

struct stream {
	int fd;
	SSL *ssl; /* NULL: plain */
	struct loop_fd io;
	struct stream_chunk *first, *last;
	size_t queued;	   /* bytes not yet written */
	size_t first_done; /* of the first chunk */
	bool blocked;	   /* the last flush could not write all */
	bool read_wants_write, write_wants_read;
	bool broken;
};

/* fd becomes the stream's, also on failure. ctx may be NULL. */
int stream_init(struct stream *s, int fd, SSL_CTX *ctx);
void stream_fini(struct stream *s);
/* 0 when done. */
int stream_handshake(struct stream *s);
/* > 0 bytes, 0 at the end, -EAGAIN, -EPIPE. len should be STREAM_RECORD, so that TLS keeps nothing back. */
int stream_read(struct stream *s, void *buf, size_t len);
/* -ENOMEM. */
int stream_queue_copy(struct stream *s, const void *data, size_t len);
int stream_queue_ref(struct stream *s, const void *data, size_t len, void (*release)(void *arg), void *arg);
/* Room for len bytes of a new chunk, to be filled before the next flush; NULL: out of memory. */
void *stream_queue_room(struct stream *s, size_t len);
void stream_drop_queue(struct stream *s);
/* 0: the queue is empty. scratch holds STREAM_RECORD bytes. */
int stream_flush(struct stream *s, uint8_t *scratch);
/* Tells the other side that nothing follows. */
void stream_shutdown(struct stream *s);
/* The epoll events to wait for. */
uint32_t stream_interest(const struct stream *s, bool want_read);

#endif
