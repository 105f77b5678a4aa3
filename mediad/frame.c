#include "mediad/frame.h"

#include <stdlib.h>
#include <string.h>

static size_t packet_len(const uint8_t *head)
{
	return (size_t)head[0] << 8 | head[1];
}

/* Bytes that are missing before the packet that has begun, or before its length, is whole. */
static size_t missing(const struct frame_reader *reader)
{
	if (reader->have < FRAME_HEAD)
		return FRAME_HEAD - reader->have;
	return FRAME_HEAD + packet_len(reader->part) - reader->have;
}

static void keep(struct frame_reader *reader, const uint8_t *data, size_t len)
{
	memcpy(reader->part + reader->have, data, len);
	reader->have += len;
}

/* Completes what is kept, as far as data goes; the bytes used. */
static size_t go_on(struct frame_reader *reader, const uint8_t *data, size_t len)
{
	size_t used = 0;

	/* Twice: the length, and what it says. */
	for (unsigned i = 0; i < 2 && used < len; i++) {
		if (reader->have >= FRAME_HEAD && packet_len(reader->part) > FRAME_MAX)
			break;
		size_t n = MIN(missing(reader), len - used);
		keep(reader, data + used, n);
		used += n;
	}
	return used;
}

int frame_read(struct frame_reader *reader, const uint8_t *data, size_t len, frame_cb *cb, void *arg)
{
	while (len > 0) {
		const uint8_t *packet = data;
		size_t used = 0;
		/* The usual case: it lies there whole, and is not copied. */
		bool whole = reader->have == 0 && len >= FRAME_HEAD && len - FRAME_HEAD >= packet_len(data);
		if (whole) {
			used = FRAME_HEAD + packet_len(data);
		} else {
			used = go_on(reader, data, len);
			packet = reader->part;
			if (reader->have >= FRAME_HEAD && packet_len(packet) > FRAME_MAX)
				return -EPROTO;
			if (reader->have < FRAME_HEAD || missing(reader) > 0)
				return 0; /* all of data is kept */
			reader->have = 0;
		}
		if (packet_len(packet) > FRAME_MAX)
			return -EPROTO;
		if (packet_len(packet) > 0 && !cb(arg, packet + FRAME_HEAD, packet_len(packet)))
			return -ECANCELED;
		data += used;
		len -= used;
	}
	return 0;
}

int frame_queue_init(struct frame_queue *queue, size_t cap)
{
	*queue = (struct frame_queue){ .data = malloc(cap), .cap = cap };
	return queue->data ? 0 : -ENOMEM;
}

void frame_queue_fini(struct frame_queue *queue)
{
	free(queue->data);
	*queue = (struct frame_queue){ 0 };
}

static void append(struct frame_queue *queue, const uint8_t *data, size_t len)
{
	size_t at = (queue->head + queue->len) % queue->cap;
	size_t first = MIN(len, queue->cap - at);

	memcpy(queue->data + at, data, first);
	memcpy(queue->data, data + first, len - first);
	queue->len += len;
}

int frame_push(struct frame_queue *queue, const void *packet, size_t len, size_t limit)
{
	const uint8_t head[FRAME_HEAD] = { (uint8_t)(len >> 8), (uint8_t)len };

	if (len > UINT16_MAX)
		return -EMSGSIZE;
	if (queue->len + FRAME_HEAD + len > limit)
		return -ENOSPC;
	append(queue, head, FRAME_HEAD);
	append(queue, packet, len);
	return 0;
}

int frame_waiting(const struct frame_queue *queue, struct iovec ret_iov[2])
{
	size_t first = MIN(queue->len, queue->cap - queue->head);
	int n = 0;

	if (first > 0)
		ret_iov[n++] = (struct iovec){ .iov_base = queue->data + queue->head, .iov_len = first };
	if (queue->len > first)
		ret_iov[n++] = (struct iovec){ .iov_base = queue->data, .iov_len = queue->len - first };
	return n;
}

void frame_sent(struct frame_queue *queue, size_t len)
{
	queue->len -= len;
	/* An empty one begins at the front again, and so touches no more memory than it needs. */
	queue->head = queue->len == 0 ? 0 : (queue->head + len) % queue->cap;
}
