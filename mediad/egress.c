#include "mediad/address.h"
#include "mediad/egress.h"
#include "mediad/srtp.h"
#include "mediad/tcp.h"
#include "mediad/transport.h"
#include "mediad/udp.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#define BUFFER_BYTES (EGRESS_PACKET_MAX + SRTP_TRAILER_MAX)

struct egress_buffer {
	uint8_t data[BUFFER_BYTES] __attribute__((aligned(16)));
	size_t len;
	struct sockaddr_storage to;
	socklen_t to_len;
	unsigned socket;
};

struct egress {
	struct mediad *md;
	unsigned free_len, queued_len;
	uint8_t free[EGRESS_BATCH];
	uint8_t queued[EGRESS_BATCH]; /* in the order of sending */
	struct mmsghdr msg[EGRESS_BATCH];
	struct iovec iov[EGRESS_BATCH];
	struct egress_buffer buffer[EGRESS_BATCH];
};

int egress_start(struct mediad *md, struct egress **ret_egress)
{
	struct egress *egress = aligned_alloc(16, sizeof(*egress));

	if (!egress)
		return -ENOMEM;
	memset(egress, 0, sizeof(*egress));
	egress->md = md;
	egress->free_len = EGRESS_BATCH;
	for (unsigned i = 0; i < EGRESS_BATCH; i++)
		egress->free[i] = (uint8_t)i;
	*ret_egress = egress;
	return 0;
}

struct egress *egress_stop(struct egress *egress)
{
	free(egress);
	return NULL;
}

static struct egress_buffer *buffer_of(struct egress *egress, const uint8_t *packet)
{
	size_t offset = (size_t)(packet - egress->buffer[0].data);

	assert(offset % sizeof(struct egress_buffer) == 0 && offset / sizeof(struct egress_buffer) < EGRESS_BATCH);
	return &egress->buffer[offset / sizeof(struct egress_buffer)];
}

uint8_t *egress_reserve(struct egress *egress)
{
	if (egress->free_len == 0)
		egress_flush(egress);
	/* Each reservation is committed or abandoned before the next dozen: a leak is our bug. */
	assert(egress->free_len > 0);
	return egress->buffer[egress->free[--egress->free_len]].data;
}

void egress_abandon(struct egress *egress, uint8_t *packet)
{
	egress->free[egress->free_len++] = (uint8_t)(buffer_of(egress, packet) - egress->buffer);
}

static bool is_picture(const struct transport *t, const uint8_t *packet)
{
	unsigned pt = packet[1] & 127;

	for (unsigned i = 0; i < t->rec->mlines_len; i++) {
		const struct session_mline *m = &t->rec->mline[i];
		for (unsigned k = 0; k < m->codecs_len; k++) {
			if (m->codec[k].pt == pt || m->codec[k].rtx_pt == pt)
				return m->media == MEDIA_VIDEO;
		}
	}
	return false;
}

/* t: whose RTP it is, NULL for anything else. */
static void queue_tcp(struct egress *egress, struct egress_buffer *buffer, size_t len, const struct transport *t)
{
	struct session_address to;

	if (address_from_sockaddr(buffer->socket, (const struct sockaddr *)&buffer->to, buffer->to_len, &to) == 0)
		tcp_send(egress->md->tcp, &to, buffer->data, len, t && is_picture(t, buffer->data));
	egress_abandon(egress, buffer->data);
}

static void queue(struct egress *egress, struct egress_buffer *buffer, size_t len, const struct transport *t)
{
	if (UNLIKELY(buffer->socket & SESSION_SOCKET_TCP)) {
		queue_tcp(egress, buffer, len, t);
		return;
	}
	buffer->len = len;
	egress->queued[egress->queued_len++] = (uint8_t)(buffer - egress->buffer);
	if (egress->queued_len == EGRESS_BATCH)
		egress_flush(egress);
}

/* Where this transport's packets go now; false when that is nowhere. */
static bool address_buffer(struct egress_buffer *buffer, const struct transport *t)
{
	buffer->to_len = address_to_sockaddr(&t->rec->send_to, &buffer->to);
	buffer->socket = t->rec->send_to.socket;
	return buffer->to_len != 0 && transport_is_sending(t);
}

int egress_rtp(struct egress *egress, struct transport *t, uint8_t *packet, size_t len, uint64_t index)
{
	struct egress_buffer *buffer = buffer_of(egress, packet);
	size_t sealed_len;
	int err = -EPROTO;

	if (len <= EGRESS_PACKET_MAX)
		err = address_buffer(buffer, t) ? srtp_out_rtp(t->srtp_out, packet, len, index, &sealed_len)
						: -ENOTCONN;
	if (err < 0) {
		egress_abandon(egress, packet);
		return err;
	}
	queue(egress, buffer, sealed_len, t);
	return 0;
}

int egress_rtcp(struct egress *egress, struct transport *t, uint8_t *packet, size_t len)
{
	struct egress_buffer *buffer = buffer_of(egress, packet);
	size_t sealed_len;
	int err = -EPROTO;

	if (len <= EGRESS_PACKET_MAX)
		err = address_buffer(buffer, t) ? 0 : -ENOTCONN;
	if (err == 0) {
		/* Stored past before use: a successor goes on behind it, whatever happens to us here. */
		uint32_t index = atomic_load_explicit(&t->rec->srtcp_tx_index, memory_order_relaxed);
		atomic_store_explicit(&t->rec->srtcp_tx_index, index + 1, memory_order_release);
		err = srtp_out_rtcp(t->srtp_out, packet, len, index, &sealed_len);
	}
	if (err < 0) {
		egress_abandon(egress, packet);
		return err;
	}
	queue(egress, buffer, sealed_len, NULL);
	return 0;
}

int egress_raw(struct egress *egress, unsigned socket, const struct sockaddr *to, socklen_t to_len, const void *data,
	       size_t len)
{
	if (len > BUFFER_BYTES || to_len > sizeof(struct sockaddr_storage) ||
	    (socket >= udp_sockets(egress->md->udp) && !(socket & SESSION_SOCKET_TCP)))
		return -EINVAL;
	struct egress_buffer *buffer = buffer_of(egress, egress_reserve(egress));
	memcpy(buffer->data, data, len);
	memcpy(&buffer->to, to, to_len);
	buffer->to_len = to_len;
	buffer->socket = socket;
	queue(egress, buffer, len, NULL);
	return 0;
}

/* All n messages over one socket: what the kernel does not take now is dropped, as a network would. */
static void send_batch(struct egress *egress, unsigned socket, unsigned n)
{
	struct stats_mediad *counters = egress->md->counters;
	unsigned done = 0;

	while (done < n) {
		int sent = sendmmsg(udp_fd(egress->md->udp, socket), egress->msg + done, n - done, MSG_DONTWAIT);
		stat_add(&counters->send_batches, 1);
		if (sent > 0) {
			stat_add(&counters->send_messages, (uint64_t)sent);
			done += (unsigned)sent;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			stat_add(&counters->send_errors, n - done);
			return;
		} else if (errno != EINTR) {
			/* This one's own trouble (no route, not permitted): the others go on. */
			stat_add(&counters->send_errors, 1);
			done++;
		}
	}
}

void egress_flush(struct egress *egress)
{
	for (unsigned socket = 0; egress->queued_len > 0; socket++) {
		unsigned n = 0, kept = 0;
		assert(socket < UDP_SOCKETS_MAX);
		for (unsigned i = 0; i < egress->queued_len; i++) {
			struct egress_buffer *b = &egress->buffer[egress->queued[i]];
			if (b->socket != socket) {
				egress->queued[kept++] = egress->queued[i];
				continue;
			}
			egress->iov[n] = (struct iovec){ .iov_base = b->data, .iov_len = b->len };
			egress->msg[n].msg_hdr = (struct msghdr){
				.msg_name = &b->to,
				.msg_namelen = b->to_len,
				.msg_iov = &egress->iov[n],
				.msg_iovlen = 1,
			};
			egress->free[egress->free_len++] = egress->queued[i];
			n++;
		}
		egress->queued_len = kept;
		if (n > 0)
			send_batch(egress, socket, n);
	}
}
