#include "mediad/udp.h"
#include "mediad/transport.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Batches a socket may have before the others get their turn. */
#define BATCHES_PER_TURN 4

struct udp_socket {
	struct udp *udp;
	struct loop_fd io;
	int fd;
	unsigned index;
};

struct udp {
	struct mediad *md;
	unsigned sockets_len;
	struct udp_socket socket[UDP_SOCKETS_MAX];
	/* Free slots at hand: a batch is received into the last ones. */
	uint32_t slot[RING_BATCH];
	unsigned slots_len;
	struct mmsghdr msg[RING_BATCH];
	struct iovec iov[RING_BATCH];
	struct sockaddr_storage from[RING_BATCH];
};

static void fill(struct udp *udp)
{
	struct ring *ring = &udp->md->ring;

	ring_take(ring, RING_BATCH - udp->slots_len, udp->slot + udp->slots_len);
	udp->slots_len = RING_BATCH;
	for (unsigned i = 0; i < RING_BATCH; i++) {
		udp->iov[i] = (struct iovec){ .iov_base = ring->slot[udp->slot[i]].packet, .iov_len = RING_PACKET_MAX };
		udp->msg[i].msg_hdr = (struct msghdr){
			.msg_name = &udp->from[i],
			.msg_namelen = sizeof(udp->from[i]),
			.msg_iov = &udp->iov[i],
			.msg_iovlen = 1,
		};
	}
}

/* Number received. */
static unsigned receive(struct udp_socket *s, int64_t now_us)
{
	struct udp *udp = s->udp;
	struct mediad *md = udp->md;
	uint64_t bytes = 0, given_back = 0;

	fill(udp);
	int n = recvmmsg(s->fd, udp->msg, RING_BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;
	for (unsigned i = 0; i < (unsigned)n; i++) {
		const struct msghdr *m = &udp->msg[i].msg_hdr;
		bool kept = false;
		bytes += udp->msg[i].msg_len;
		if (UNLIKELY(m->msg_flags & MSG_TRUNC))
			stat_add(&md->counters->datagrams_unknown, 1);
		else
			kept = transport_on_datagram(md, s->index, m->msg_name, m->msg_namelen, udp->slot[i],
						     udp->msg[i].msg_len, now_us);
		if (!kept) {
			ring_give_back(&md->ring, udp->slot[i]);
			given_back++;
		}
	}
	udp->slots_len -= (unsigned)n;
	memmove(udp->slot, udp->slot + n, udp->slots_len * sizeof(udp->slot[0]));
	stat_add(&md->counters->receive_batches, 1);
	stat_add(&md->counters->packets_received, (uint64_t)n);
	stat_add(&md->counters->bytes_received, bytes);
	stat_add(&md->counters->ring_given_back, given_back);
	return (unsigned)n;
}

static void on_readable(struct loop_fd *io, uint32_t events, void *arg)
{
	struct udp_socket *s = arg;

	(void)io;
	(void)events;
	mediad_awake(s->udp->md);
	/* Until nothing is left: what comes while the first packets of a picture are written for everybody leaves with
	 * them. */
	for (unsigned i = 0; i < BATCHES_PER_TURN; i++) {
		if (receive(s, clock_now_us()) == 0)
			break;
	}
}

int udp_start(struct mediad *md, struct udp **ret_udp)
{
	struct udp *udp = calloc(1, sizeof(*udp));
	int err = -ENOENT;

	if (!udp)
		return -ENOMEM;
	udp->md = md;
	for (unsigned i = 0; i < UDP_SOCKETS_MAX && fdset_has(&md->fds, "udp.%u", i); i++) {
		struct udp_socket *s = &udp->socket[i];
		*s = (struct udp_socket){ .udp = udp, .index = i, .fd = fdset_take(&md->fds, "udp.%u", i) };
		udp->sockets_len++;
		err = loop_fd_add(md->loop, &s->io, s->fd, EPOLLIN, on_readable, s);
		if (err < 0)
			break;
	}
	if (err < 0) {
		udp_stop(udp);
		return err;
	}
	*ret_udp = udp;
	return 0;
}

struct udp *udp_stop(struct udp *udp)
{
	if (!udp)
		return NULL;
	for (unsigned i = 0; i < udp->sockets_len; i++) {
		loop_fd_del(&udp->socket[i].io);
		close(udp->socket[i].fd);
	}
	for (unsigned i = 0; i < udp->slots_len; i++)
		ring_give_back(&udp->md->ring, udp->slot[i]);
	free(udp);
	return NULL;
}

unsigned udp_sockets(const struct udp *udp)
{
	return udp ? udp->sockets_len : 0;
}

int udp_fd(const struct udp *udp, unsigned socket)
{
	return udp->socket[socket].fd;
}
