#include "tools/load/peer_internal.h"

#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

enum {
	RECEIVE_BYTES = 1 << 20,
	LUMPS = 8, /* read at a time; each many datagrams */
};

void peer_send_datagram(struct peer *peer, unsigned socket, const uint8_t *data, size_t len)
{
	if (peer->ops.on_send && !peer->ops.on_send(peer, socket, data, len, peer->config.arg))
		return;
	(void)peer_send_raw(peer, socket, data, len);
}

void peer_sockets_close(struct peer *peer)
{
	for (unsigned i = 0; i < peer->sockets_len; i++) {
		loop_fd_del(&peer->socket[i].io);
		close(peer->socket[i].fd);
	}
	peer->sockets_len = 0;
}

/* Blocks until all of it has gone, so that no packet is cut. */
static int send_framed(struct peer_socket *s, const void *data, size_t len)
{
	uint8_t framed[2 + PEER_DATAGRAM_MAX];

	if (len > PEER_DATAGRAM_MAX)
		return -EMSGSIZE;
	framed[0] = (uint8_t)(len >> 8);
	framed[1] = (uint8_t)len;
	memcpy(framed + 2, data, len);
	return send(s->fd, framed, len + 2, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int peer_send_raw(struct peer *peer, unsigned socket, const void *data, size_t len)
{
	if (peer->config.send) {
		peer->config.send(peer->config.send_arg, data, len);
		return 0;
	}
	if (socket >= peer->sockets_len)
		return -EINVAL;
	if (peer->socket[socket].tcp)
		return send_framed(&peer->socket[socket], data, len);
	ssize_t n = sendto(peer->socket[socket].fd, data, len, 0, (const struct sockaddr *)&peer->remote.address,
			   peer->remote.address_len);
	return n < 0 ? -errno : 0;
}

static void on_readable(struct loop_fd *io, uint32_t events, void *arg)
{
	struct peer_socket *s = arg;
	uint8_t data[PEER_DATAGRAM_MAX] __attribute__((aligned(16)));

	(void)events;
	for (unsigned i = 0; i < 64; i++) {
		ssize_t n = recv(io->fd, data, sizeof(data), MSG_DONTWAIT);
		if (n <= 0)
			return;
		peer_on_datagram(s->peer, s->index, data, (size_t)n);
	}
}

/* What came in one go is cut again. */
static void take_lump(struct peer_socket *s, const uint8_t *lump, size_t len, const struct msghdr *msg)
{
	uint8_t data[PEER_DATAGRAM_MAX] __attribute__((aligned(16)));
	int size = (int)len;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&size, CMSG_DATA(c), sizeof(size));
	}
	for (size_t at = 0; at < len && size > 0; at += (size_t)size) {
		size_t n = MIN((size_t)size, len - at);
		if (n > sizeof(data))
			continue;
		memcpy(data, lump + at, n);
		peer_on_datagram(s->peer, s->index, data, n);
	}
}

static void on_many_readable(struct loop_fd *io, uint32_t events, void *arg)
{
	static uint8_t lump[LUMPS][UINT16_MAX];
	struct peer_socket *s = arg;
	struct mmsghdr msg[LUMPS];
	struct iovec iov[LUMPS];
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control[LUMPS];
	int n;

	(void)events;
	do {
		for (unsigned i = 0; i < LUMPS; i++) {
			iov[i] = (struct iovec){ lump[i], sizeof(lump[i]) };
			msg[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i],
							  .msg_iovlen = 1,
							  .msg_control = &control[i],
							  .msg_controllen = sizeof(control[i]) };
		}
		n = recvmmsg(io->fd, msg, LUMPS, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			take_lump(s, lump[i], msg[i].msg_len, &msg[i].msg_hdr);
	} while (n == LUMPS);
}

static void on_stream(struct loop_fd *io, uint32_t events, void *arg)
{
	struct peer_socket *s = arg;
	uint8_t packet[PEER_DATAGRAM_MAX] __attribute__((aligned(16)));
	ssize_t n = recv(io->fd, s->stream + s->have, sizeof(s->stream) - s->have, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		s->ended = true;
		loop_fd_del(io);
		return;
	}
	s->have += (size_t)n;
	for (;;) {
		size_t len = s->have < 2 ? 0 : (size_t)s->stream[0] << 8 | s->stream[1];
		if (s->have < 2 || s->have < 2 + len)
			return;
		bool fits = len <= sizeof(packet);
		memcpy(packet, s->stream + 2, fits ? len : 0);
		s->have -= 2 + len;
		memmove(s->stream, s->stream + 2 + len, s->have);
		if (fits)
			peer_on_datagram(s->peer, s->index, packet, len);
	}
}

int peer_socket_add_tcp(struct peer *peer, const struct sockaddr *to, socklen_t len)
{
	struct peer_socket *s = &peer->socket[peer->sockets_len];

	if (peer->sockets_len == PEER_SOCKETS_MAX)
		return -ENOSPC;
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 || connect(fd, to, len) < 0 ? -errno : 0;
	if (err == 0) {
		*s = (struct peer_socket){ .peer = peer, .fd = fd, .index = peer->sockets_len, .tcp = true };
		err = loop_fd_add(peer->config.loop, &s->io, fd, EPOLLIN, on_stream, s);
	}
	if (err < 0) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	return (int)peer->sockets_len++;
}

bool peer_socket_ended(const struct peer *peer, unsigned socket)
{
	return peer->socket[socket].ended;
}

void peer_reading_set(struct peer *peer, unsigned socket, bool reading)
{
	(void)loop_fd_mod(&peer->socket[socket].io, reading ? EPOLLIN : 0);
}

int peer_socket_fd(const struct peer *peer, unsigned socket)
{
	return peer->socket[socket].fd;
}

int peer_socket_add(struct peer *peer, const struct sockaddr *bind_to, socklen_t len)
{
	struct peer_socket *s = &peer->socket[peer->sockets_len];
	int family = bind_to ? bind_to->sa_family : peer->remote.address.ss_family;

	if (peer->sockets_len == PEER_SOCKETS_MAX)
		return -ENOSPC;
	int fd = socket(family ? family : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind_to && bind(fd, bind_to, len) < 0) {
		int err = -errno;
		close(fd);
		return err;
	}
	*s = (struct peer_socket){ .peer = peer, .fd = fd, .index = peer->sockets_len };
	const int on = 1;
	bool many = peer->config.gro && setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)) == 0;
	if (many && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ RECEIVE_BYTES }, sizeof(int)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ RECEIVE_BYTES }, sizeof(int));
	int err = loop_fd_add(peer->config.loop, &s->io, fd, EPOLLIN, many ? on_many_readable : on_readable, s);
	if (err < 0) {
		close(fd);
		return err;
	}
	return (int)peer->sockets_len++;
}

int peer_socket_name(const struct peer *peer, unsigned socket, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	*ret_len = sizeof(*ret);
	return getsockname(peer->socket[socket].fd, (struct sockaddr *)ret, ret_len) < 0 ? -errno : 0;
}
