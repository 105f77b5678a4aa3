#include "mediad/egress.h"

#include "lib/rtp.h"
#include "mediad/address.h"
#include "mediad/batch.h"
#include "mediad/media.h"
#include "mediad/runs.h"
#include "mediad/srtp.h"
#include "mediad/tcp.h"
#include "mediad/transport.h"
#include "mediad/udp.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#define BUFFER_BYTES (EGRESS_PACKET_MAX + SRTP_TRAILER_MAX)
#define LOOK_EACH    16 /* reservations between looks at the clock */
#define PLACES	     (UDP_SOCKETS_MAX + 1)
#define PLACE_TCP    UDP_SOCKETS_MAX
#define RTP_PADDING  0x20
#define TAG_MAX	     16 /* of SRTP */

struct egress_buffer {
	struct egress_buffer *next; /* that is free, waits or leaves, too */
	uint64_t index;
	uint32_t ssrc;
	uint16_t len;
	struct session_address to; /* what is no RTP */
	uint8_t data[BUFFER_BYTES] __attribute__((aligned(16)));
} __attribute__((aligned(64)));

struct waiting {
	struct transport *first, *last;
};

/* A socket, or TCP. */
struct place {
	struct egress_buffer *first, *last; /* no RTP; encrypted where it has to be */
	struct waiting rtp[EGRESS_KINDS];
};

struct egress {
	struct mediad *md;
	struct egress_buffer *free, *leaving;
	unsigned fresh; /* buffers from here on were never used */
	unsigned waiting;
	unsigned looks;
	bool is_full;	  /* somebody's queue is as long as a run may be */
	int64_t since_us; /* for how long the oldest has waited */
	struct place place[PLACES];
	struct batch batch;
	struct egress_buffer buffer[EGRESS_BUFFERS];
};

int egress_start(struct mediad *md, struct egress **ret_egress)
{
	struct egress *egress = aligned_alloc(64, sizeof(*egress));

	if (!egress)
		return -ENOMEM;
	memset(egress, 0, offsetof(struct egress, batch));
	egress->md = md;
	batch_init(&egress->batch, md);
	*ret_egress = egress;
	return 0;
}

struct egress *egress_stop(struct egress *egress)
{
	free(egress);
	return NULL;
}

/* ---- buffers ---- */

static struct egress_buffer *buffer_of(struct egress *egress, const uint8_t *packet)
{
	size_t offset = (size_t)(packet - egress->buffer[0].data);

	assert(offset % sizeof(struct egress_buffer) == 0 && offset / sizeof(struct egress_buffer) < EGRESS_BUFFERS);
	return &egress->buffer[offset / sizeof(struct egress_buffer)];
}

static void release(struct egress *egress, struct egress_buffer *buffer)
{
	buffer->next = egress->free;
	egress->free = buffer;
}

static bool is_due(struct egress *egress)
{
	if (egress->is_full || (!egress->free && egress->fresh == EGRESS_BUFFERS))
		return true;
	return egress->waiting > 0 && ++egress->looks % LOOK_EACH == 0 &&
	       clock_now_us() - egress->since_us >= EGRESS_WAIT_US;
}

uint8_t *egress_reserve(struct egress *egress)
{
	if (UNLIKELY(is_due(egress)))
		egress_flush(egress);
	struct egress_buffer *buffer = egress->free;
	if (buffer) {
		egress->free = buffer->next;
		return buffer->data;
	}
	/* Each reservation is committed or abandoned before the next dozen: a leak is our bug. */
	assert(egress->fresh < EGRESS_BUFFERS);
	return egress->buffer[egress->fresh++].data;
}

void egress_abandon(struct egress *egress, uint8_t *packet)
{
	release(egress, buffer_of(egress, packet));
}

/* ---- what is to leave ---- */

static void note_waiting(struct egress *egress)
{
	if (egress->waiting++ == 0)
		egress->since_us = clock_now_us();
}

static void queue(struct egress *egress, struct egress_buffer *buffer, size_t len)
{
	if (UNLIKELY(buffer->to.socket & SESSION_SOCKET_TCP)) {
		tcp_send(egress->md->tcp, &buffer->to, buffer->data, len, false);
		release(egress, buffer);
		return;
	}
	struct place *place = &egress->place[buffer->to.socket];
	buffer->len = (uint16_t)len;
	buffer->next = NULL;
	if (place->first)
		place->last->next = buffer;
	else
		place->first = buffer;
	place->last = buffer;
	note_waiting(egress);
}

static struct waiting *waiting_of(struct egress *egress, const struct transport *t, unsigned kind)
{
	unsigned socket = t->rec->send_to.socket;

	return &egress->place[socket & SESSION_SOCKET_TCP ? PLACE_TCP : socket].rtp[kind];
}

static void queue_rtp(struct egress *egress, struct transport *t, unsigned kind, struct egress_buffer *buffer)
{
	struct egress_queue *q = &t->waits[kind];

	buffer->next = NULL;
	if (q->len == 0) {
		struct waiting *w = waiting_of(egress, t, kind);
		q->first = buffer;
		q->next = NULL;
		if (w->first)
			w->last->waits[kind].next = t;
		else
			w->first = t;
		w->last = t;
	} else {
		q->last->next = buffer;
	}
	q->last = buffer;
	if (++q->len == RUN_PACKETS)
		egress->is_full = true;
	note_waiting(egress);
}

static bool has_address(const struct egress *egress, const struct transport *t)
{
	unsigned socket = t->rec->send_to.socket;

	return transport_is_sending(t) && (socket & SESSION_SOCKET_TCP || socket < udp_sockets(egress->md->udp));
}

int egress_rtp(struct egress *egress, struct transport *t, uint8_t *packet, size_t len, uint64_t index,
	       enum media_kind media)
{
	struct egress_buffer *buffer = buffer_of(egress, packet);
	int err = 0;

	if (len < RTP_HEADER_LEN || len > EGRESS_PACKET_MAX || rtp_get16(packet + 2) != (uint16_t)index)
		err = -EPROTO;
	else if (!has_address(egress, t))
		err = -ENOTCONN;
	if (err < 0) {
		release(egress, buffer);
		return err;
	}
	buffer->index = index;
	buffer->ssrc = rtp_get32(packet + 8);
	buffer->len = (uint16_t)len;
	queue_rtp(egress, t, media == MEDIA_VIDEO ? EGRESS_PICTURES : EGRESS_SOUND, buffer);
	return 0;
}

int egress_rtcp(struct egress *egress, struct transport *t, uint8_t *packet, size_t len)
{
	struct egress_buffer *buffer = buffer_of(egress, packet);
	size_t sealed_len;
	int err = -EPROTO;

	if (len <= EGRESS_PACKET_MAX)
		err = has_address(egress, t) ? 0 : -ENOTCONN;
	if (err == 0) {
		/* Stored past before use: a successor goes on behind it, whatever happens to us here. */
		uint32_t index = atomic_load_explicit(&t->rec->srtcp_tx_index, memory_order_relaxed);
		atomic_store_explicit(&t->rec->srtcp_tx_index, index + 1, memory_order_release);
		err = srtp_out_rtcp(t->srtp_out, packet, len, index, &sealed_len);
	}
	if (err < 0) {
		release(egress, buffer);
		return err;
	}
	buffer->to = t->rec->send_to;
	queue(egress, buffer, sealed_len);
	return 0;
}

int egress_raw(struct egress *egress, unsigned socket, const struct sockaddr *to, socklen_t to_len, const void *data,
	       size_t len)
{
	struct session_address address;

	if (len > BUFFER_BYTES || (socket >= udp_sockets(egress->md->udp) && !(socket & SESSION_SOCKET_TCP)) ||
	    address_from_sockaddr(socket, to, to_len, &address) < 0)
		return -EINVAL;
	struct egress_buffer *buffer = buffer_of(egress, egress_reserve(egress));
	memcpy(buffer->data, data, len);
	buffer->to = address;
	queue(egress, buffer, len);
	return 0;
}

/* ---- leaving ---- */

static void send_batch(struct egress *egress)
{
	batch_send(&egress->batch);
	while (egress->leaving) {
		struct egress_buffer *buffer = egress->leaving;
		egress->leaving = buffer->next;
		release(egress, buffer);
	}
}

static void leave(struct egress *egress, struct egress_buffer *buffer, size_t len)
{
	batch_add(&egress->batch, buffer->data, len);
	buffer->next = egress->leaving;
	egress->leaving = buffer;
}

static void flush_others(struct egress *egress, unsigned socket)
{
	struct place *place = &egress->place[socket];
	struct batch *batch = &egress->batch;

	for (struct egress_buffer *buffer = place->first, *next; buffer; buffer = next) {
		next = buffer->next;
		if (!batch_has_room(batch, socket, 1))
			send_batch(egress);
		batch_begin(batch, socket, &buffer->to, NULL);
		leave(egress, buffer, buffer->len);
		batch_end(batch);
	}
	place->first = NULL;
}

/* Bytes of padding that it has; the last of them says how many they are. */
static unsigned padding_of(const struct egress_buffer *buffer)
{
	return buffer->data[0] & RTP_PADDING ? buffer->data[buffer->len - 1] : 0;
}

static void pad(struct egress_buffer *buffer, unsigned n)
{
	uint8_t before = (uint8_t)padding_of(buffer);

	memset(buffer->data + buffer->len, 0, n);
	buffer->len = (uint16_t)(buffer->len + n);
	buffer->data[buffer->len - 1] = (uint8_t)(before + n);
	buffer->data[0] |= RTP_PADDING;
}

/* Encrypted, in place. False: dropped. */
static bool seal(struct egress *egress, struct transport *t, struct egress_buffer *buffer, size_t *ret_len)
{
	if (srtp_out_rtp(t->srtp_out, buffer->data, buffer->len, buffer->index, ret_len) == 0)
		return true;
	stat_add(&egress->md->counters->send_errors, 1);
	release(egress, buffer);
	return false;
}

/* Those of order, as one message. How much they were padded. */
static unsigned send_run(struct egress *egress, struct transport *t, struct egress_buffer *const *buffer,
			 const uint8_t *order, unsigned n, const uint8_t *padding)
{
	const struct session_address *to = &t->rec->send_to;
	unsigned padded = 0;
	size_t len;

	if (!batch_has_room(&egress->batch, to->socket, n))
		send_batch(egress);
	batch_begin(&egress->batch, to->socket, to, t);
	for (unsigned i = 0; i < n; i++) {
		struct egress_buffer *b = buffer[order[i]];
		if (padding[order[i]]) {
			pad(b, padding[order[i]]);
			padded += padding[order[i]];
		}
		if (seal(egress, t, b, &len))
			leave(egress, b, len);
	}
	batch_end(&egress->batch);
	return padded;
}

static void send_runs(struct egress *egress, struct transport *t, unsigned kind, struct egress_buffer *const *buffer,
		      unsigned n)
{
	struct run_packet packet[RUN_PACKETS];
	struct runs runs;
	unsigned padded = 0;

	for (unsigned i = 0; i < n; i++) {
		packet[i] = (struct run_packet){
			.ssrc = buffer[i]->ssrc,
			.len = (uint16_t)(buffer[i]->len + TAG_MAX),
			.room = (uint8_t)(kind == EGRESS_PICTURES ? UINT8_MAX - padding_of(buffer[i]) : 0),
		};
	}
	if (n > 1 && batch_may_segment(&egress->batch, t->rec->send_to.socket, t))
		runs_form(packet, n, &runs);
	else
		runs_single(n, &runs);
	for (unsigned i = 0, done = 0; i < runs.runs_len; done += runs.len[i++])
		padded += send_run(egress, t, buffer, runs.order + done, runs.len[i], runs.padding);
	if (padded > 0) {
		stat_add(&egress->md->counters->padding_bytes, padded);
		media_on_padded(t, padded);
	}
}

static void send_tcp(struct egress *egress, struct transport *t, unsigned kind, struct egress_buffer *const *buffer,
		     unsigned n)
{
	size_t len;

	for (unsigned i = 0; i < n; i++) {
		if (!seal(egress, t, buffer[i], &len))
			continue;
		tcp_send(egress->md->tcp, &t->rec->send_to, buffer[i]->data, len, kind == EGRESS_PICTURES);
		release(egress, buffer[i]);
	}
}

static void flush_transport(struct egress *egress, struct transport *t, unsigned kind)
{
	struct egress_queue *q = &t->waits[kind];
	struct egress_buffer *buffer[RUN_PACKETS];
	struct egress_buffer *next = q->first;

	while (q->len > 0) {
		unsigned n = 0;
		for (; n < RUN_PACKETS && n < q->len; next = next->next)
			buffer[n++] = next;
		q->len -= n;
		if (UNLIKELY(t->rec->send_to.socket & SESSION_SOCKET_TCP))
			send_tcp(egress, t, kind, buffer, n);
		else
			send_runs(egress, t, kind, buffer, n);
	}
}

static void flush_rtp(struct egress *egress, struct place *place, unsigned kind)
{
	struct waiting *w = &place->rtp[kind];

	for (struct transport *t = w->first, *next; t; t = next) {
		next = t->waits[kind].next;
		flush_transport(egress, t, kind);
	}
	w->first = NULL;
}

void egress_flush(struct egress *egress)
{
	if (egress->waiting == 0)
		return;
	for (unsigned socket = 0; socket < udp_sockets(egress->md->udp); socket++)
		flush_others(egress, socket);
	for (unsigned kind = 0; kind < EGRESS_KINDS; kind++) {
		for (unsigned i = 0; i < PLACES; i++)
			flush_rtp(egress, &egress->place[i], kind);
	}
	send_batch(egress);
	egress->waiting = 0;
	egress->is_full = false;
}
