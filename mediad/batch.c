#include "mediad/batch.h"

#include "mediad/address.h"
#include "mediad/transport.h"
#include "mediad/udp.h"

#include <netinet/in.h>
#include <netinet/udp.h>

_Static_assert(UDP_SOCKETS_MAX <= 32, "a bit each in batch.refused");
_Static_assert(BATCH_SEGMENTS >= RUN_PACKETS, "the longest message fits");

void batch_init(struct batch *batch, struct mediad *md)
{
	batch->md = md;
	batch->refused = 0;
	batch->len = batch->iov_len = 0;
}

bool batch_has_room(const struct batch *batch, unsigned socket, unsigned n)
{
	return batch->len == 0 ||
	       (batch->socket == socket && batch->len < BATCH_MESSAGES && batch->iov_len + n <= BATCH_SEGMENTS);
}

bool batch_may_segment(const struct batch *batch, unsigned socket, const struct transport *t)
{
	return !t->no_segments && !(batch->refused >> socket & 1);
}

void batch_begin(struct batch *batch, unsigned socket, const struct session_address *to, struct transport *t)
{
	struct sockaddr_storage *sa = &batch->to[batch->len];

	batch->socket = socket;
	batch->t[batch->len] = t;
	batch->msg[batch->len].msg_hdr = (struct msghdr){
		.msg_name = sa,
		.msg_namelen = address_to_sockaddr(to, sa),
		.msg_iov = &batch->iov[batch->iov_len],
	};
}

void batch_add(struct batch *batch, uint8_t *data, size_t len)
{
	batch->iov[batch->iov_len++] = (struct iovec){ .iov_base = data, .iov_len = len };
	batch->msg[batch->len].msg_hdr.msg_iovlen++;
}

void batch_end(struct batch *batch)
{
	struct msghdr *m = &batch->msg[batch->len].msg_hdr;
	union batch_control *control = &batch->control[batch->len];

	if (m->msg_iovlen == 0)
		return;
	if (m->msg_iovlen > 1) {
		const uint16_t size = (uint16_t)m->msg_iov[0].iov_len;
		control->head = (struct cmsghdr){
			.cmsg_level = SOL_UDP,
			.cmsg_type = UDP_SEGMENT,
			.cmsg_len = CMSG_LEN(sizeof(size)),
		};
		memcpy(CMSG_DATA(&control->head), &size, sizeof(size));
		m->msg_control = control;
		m->msg_controllen = sizeof(*control);
	}
	batch->len++;
}

static unsigned transmit(struct batch *batch, struct mmsghdr *msg, unsigned n);

/* Turned down as a whole: its datagrams go singly, and so do those to come. */
static void fall_back(struct batch *batch, const struct mmsghdr *refused, int why)
{
	const struct msghdr *m = &refused->msg_hdr;
	struct transport *t = batch->t[refused - batch->msg];
	struct mmsghdr single[RUN_PACKETS];

	stat_add(&batch->md->counters->segment_fallbacks, 1);
	if (why == EIO)
		batch->refused |= UINT32_C(1) << batch->socket;
	else
		t->no_segments = true;
	for (unsigned i = 0; i < m->msg_iovlen; i++) {
		single[i].msg_hdr = (struct msghdr){
			.msg_name = m->msg_name,
			.msg_namelen = m->msg_namelen,
			.msg_iov = &m->msg_iov[i],
			.msg_iovlen = 1,
		};
	}
	for (unsigned done = 0; done < m->msg_iovlen;)
		done += transmit(batch, single + done, (unsigned)m->msg_iovlen - done);
}

static void count_sent(struct batch *batch, const struct mmsghdr *msg, unsigned n)
{
	struct stats_mediad *counters = batch->md->counters;
	uint64_t messages = 0, segments = 0;

	for (unsigned i = 0; i < n; i++) {
		if (msg[i].msg_hdr.msg_iovlen > 1) {
			messages++;
			segments += msg[i].msg_hdr.msg_iovlen;
		}
	}
	stat_add(&counters->send_messages, n);
	stat_add(&counters->segment_messages, messages);
	stat_add(&counters->segments, segments);
}

static void count_dropped(struct batch *batch, const struct mmsghdr *msg, unsigned n)
{
	uint64_t packets = 0;

	for (unsigned i = 0; i < n; i++)
		packets += msg[i].msg_hdr.msg_iovlen;
	stat_add(&batch->md->counters->send_errors, packets);
}

/* Over the batch's socket. How many are done with, sent or not. */
static unsigned transmit(struct batch *batch, struct mmsghdr *msg, unsigned n)
{
	int sent = sendmmsg(udp_fd(batch->md->udp, batch->socket), msg, n, MSG_DONTWAIT);

	stat_add(&batch->md->counters->send_batches, 1);
	if (sent > 0) {
		count_sent(batch, msg, (unsigned)sent);
		return (unsigned)sent;
	}
	if (errno == EINTR)
		return 0;
	if (errno == EAGAIN || errno == ENOBUFS) {
		count_dropped(batch, msg, n);
		return n;
	}
	if (msg->msg_hdr.msg_iovlen > 1 && (errno == EINVAL || errno == EMSGSIZE || errno == EIO))
		fall_back(batch, msg, errno);
	else
		count_dropped(batch, msg, 1); /* this one's own trouble (no route, not permitted): the others go on */
	return 1;
}

void batch_send(struct batch *batch)
{
	for (unsigned done = 0; done < batch->len;)
		done += transmit(batch, batch->msg + done, batch->len - done);
	batch->len = batch->iov_len = 0;
}
