#include "mediad/tcp.h"

#include "mediad/address.h"
#include "mediad/demux.h"
#include "mediad/frame.h"
#include "mediad/ice.h"
#include "mediad/transport.h"
#include "mediad/udp.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	READ_BYTES = 32 * 1024,
	ACCEPTS_PER_TURN = 16,
	STRANGER_US = 10 * 1000 * 1000,
	STRANGER_PACKETS = 16,	      /* checks that no transport took */
	ACCEPT_PAUSE_US = 500 * 1000, /* without descriptors or memory */
	UNSENT_BYTES = 16 * 1024,     /* that the kernel keeps beyond what is in flight */
	SILENT_PEER_MS = 20 * 1000,   /* acknowledges nothing */
};

struct tcp_conn {
	struct tcp *tcp;
	struct loop_fd io;
	int fd;
	uint32_t place; /* in tcp->conn */
	struct session_address peer;
	bool known;	  /* a check came over it that its transport took */
	bool dirty;	  /* among those to be flushed */
	bool gone;	  /* its transport has forgotten it while its packets were read */
	unsigned packets; /* of a stranger */
	int64_t since_us;
	TAILQ_ENTRY(tcp_conn) strangers, to_flush;
	struct frame_reader in;
	struct frame_queue out;
};

TAILQ_HEAD(tcp_list, tcp_conn);

struct tcp_listener {
	struct tcp *tcp;
	struct loop_fd io;
	struct loop_timer pause;
	int fd; /* -1: none at that address */
	unsigned index;
};

struct tcp {
	struct mediad *md;
	struct tcp_listener listener[UDP_SOCKETS_MAX];
	struct address_map by_peer; /* → place + 1 */
	struct tcp_conn **conn;	    /* by place */
	uint32_t *free_places;
	uint32_t places, free_len;
	unsigned strangers_len;
	struct tcp_list strangers; /* oldest first */
	struct tcp_list to_flush;
	struct loop_timer deadline; /* of the oldest stranger */
	struct tcp_conn *reading;   /* its packets are being handed on */
	uint8_t buffer[READ_BYTES];
};

static void on_deadline(struct loop_timer *timer, int64_t now_us, void *arg);

/* ---- one connection: its end ---- */

static void stranger_remove(struct tcp_conn *c)
{
	TAILQ_REMOVE(&c->tcp->strangers, c, strangers);
	c->tcp->strangers_len--;
}

static void conn_end(struct tcp_conn *c)
{
	struct tcp *tcp = c->tcp;
	struct stats_mediad *counters = tcp->md->counters;

	if (!c->known) {
		stranger_remove(c);
		stat_add(&counters->tcp_strangers, 1);
	}
	if (c->dirty)
		TAILQ_REMOVE(&tcp->to_flush, c, to_flush);
	address_map_remove(&tcp->by_peer, &c->peer);
	tcp->conn[c->place] = NULL;
	tcp->free_places[tcp->free_len++] = c->place;
	loop_fd_del(&c->io);
	close(c->fd);
	frame_queue_fini(&c->out);
	free(c);
	stat_add(&counters->tcp_closed, 1);
}

/* It ended by itself: the transport must not go on sending there. */
static void conn_lost(struct tcp_conn *c)
{
	struct mediad *md = c->tcp->md;
	struct session_address peer = c->peer;
	bool known = c->known;

	conn_end(c);
	if (known)
		transport_on_address_gone(md, &peer);
}

/* ---- writing ---- */

static size_t unsent(const struct tcp_conn *c)
{
	int n = 0;

	return ioctl(c->fd, SIOCOUTQNSD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

/* At most UNSENT_BYTES of what waits. -errno when the connection is dead. */
static int conn_write(struct tcp_conn *c)
{
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)frame_waiting(&c->out, iov) };

	if (msg.msg_iovlen > 0) {
		iov[0].iov_len = MIN(iov[0].iov_len, (size_t)UNSENT_BYTES);
		if (msg.msg_iovlen > 1)
			iov[1].iov_len = MIN(iov[1].iov_len, UNSENT_BYTES - iov[0].iov_len);
		ssize_t n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		stat_add(&c->tcp->md->counters->send_batches, 1);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0)
			frame_sent(&c->out, (size_t)n);
	}
	/* While it waits for room, nothing is written but when there is some. */
	bool wait = c->out.len > 0 || unsent(c) > UNSENT_BYTES;
	return loop_fd_mod(&c->io, wait ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static struct tcp_conn *conn_find(const struct tcp *tcp, const struct session_address *peer)
{
	uint32_t place = address_map_find(&tcp->by_peer, peer);

	return place == 0 ? NULL : tcp->conn[place - 1];
}

void tcp_send(struct tcp *tcp, const struct session_address *to, const void *data, size_t len, bool picture)
{
	struct stats_mediad *counters = tcp->md->counters;
	struct tcp_conn *c = conn_find(tcp, to);

	if (!c || (!c->out.data && frame_queue_init(&c->out, TCP_QUEUE_BYTES) < 0) ||
	    frame_push(&c->out, data, len, picture ? TCP_QUEUE_PICTURES : TCP_QUEUE_BYTES) < 0) {
		stat_add(&counters->tcp_dropped, 1);
		return;
	}
	stat_add(&counters->send_messages, 1);
	if (!c->dirty) {
		c->dirty = true;
		TAILQ_INSERT_TAIL(&tcp->to_flush, c, to_flush);
	}
}

void tcp_flush(struct tcp *tcp)
{
	struct tcp_conn *c;

	while ((c = TAILQ_FIRST(&tcp->to_flush))) {
		TAILQ_REMOVE(&tcp->to_flush, c, to_flush);
		c->dirty = false;
		if (!(c->io.events & EPOLLOUT) && conn_write(c) < 0)
			conn_lost(c);
	}
}

/* The last words, if they fit. */
static void conn_end_gently(struct tcp_conn *c)
{
	(void)conn_write(c);
	conn_end(c);
}

void tcp_forget(struct tcp *tcp, const struct session_address *address)
{
	struct tcp_conn *c = conn_find(tcp, address);

	if (!c)
		return;
	if (c == tcp->reading)
		c->gone = true;
	else
		conn_end_gently(c);
}

/* ---- reading ---- */

static void become_known(struct tcp_conn *c)
{
	stranger_remove(c);
	c->known = true;
}

static bool on_packet(void *arg, const uint8_t *packet, size_t len)
{
	struct tcp_conn *c = arg;
	struct mediad *md = c->tcp->md;
	struct sockaddr_storage peer;
	socklen_t peer_len = address_to_sockaddr(&c->peer, &peer);
	uint32_t slot;

	if (!c->known && (c->packets++ == STRANGER_PACKETS || demux_classify(packet, len) != DEMUX_STUN))
		return false;
	ring_take(&md->ring, 1, &slot);
	memcpy(md->ring.slot[slot].packet, packet, len);
	stat_add(&md->counters->packets_received, 1);
	stat_add(&md->counters->bytes_received, len);
	if (!transport_on_datagram(md, c->peer.socket, (const struct sockaddr *)&peer, peer_len, slot, len,
				   clock_now_us())) {
		ring_give_back(&md->ring, slot);
		stat_add(&md->counters->ring_given_back, 1);
	}
	if (!c->known && transport_has_address(md, &c->peer))
		become_known(c);
	return !c->gone;
}

static void conn_read(struct tcp_conn *c)
{
	struct tcp *tcp = c->tcp;
	ssize_t n = recv(c->fd, tcp->buffer, READ_BYTES, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_lost(c);
		return;
	}
	stat_add(&tcp->md->counters->receive_batches, 1);
	tcp->reading = c;
	int err = frame_read(&c->in, tcp->buffer, (size_t)n, on_packet, c);
	tcp->reading = NULL;
	if (c->gone)
		conn_end_gently(c);
	else if (err < 0)
		conn_lost(c);
}

static void on_event(struct loop_fd *io, uint32_t events, void *arg)
{
	struct tcp_conn *c = arg;

	(void)io;
	mediad_awake(c->tcp->md);
	if ((events & EPOLLOUT) && conn_write(c) < 0) {
		conn_lost(c);
		return;
	}
	if (events & ~(uint32_t)EPOLLOUT)
		conn_read(c);
}

/* ---- strangers ---- */

static void watch_oldest(struct tcp *tcp)
{
	const struct tcp_conn *oldest = TAILQ_FIRST(&tcp->strangers);

	if (!oldest || tcp->deadline.loop)
		return;
	if (loop_timer_start(tcp->md->loop, &tcp->deadline, oldest->since_us + STRANGER_US, on_deadline, tcp) < 0)
		log_error("tcp: no memory for a timer: strangers may stay");
}

static void on_deadline(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct tcp *tcp = arg;
	struct tcp_conn *c;

	(void)timer;
	while ((c = TAILQ_FIRST(&tcp->strangers)) && c->since_us + STRANGER_US <= now_us)
		conn_end(c);
	watch_oldest(tcp);
}

static void set_int(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static int conn_new(struct tcp *tcp, int fd, const struct session_address *peer)
{
	struct tcp_conn *c = tcp->free_len > 0 ? calloc(1, sizeof(*c)) : NULL;
	int err = c ? 0 : -ENOMEM;

	if (err == 0)
		err = loop_fd_add(tcp->md->loop, &c->io, fd, EPOLLIN, on_event, c);
	if (err < 0) {
		free(c);
		return err;
	}
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, SILENT_PEER_MS);
	c->tcp = tcp;
	c->fd = fd;
	c->peer = *peer;
	c->since_us = clock_now_us();
	c->place = tcp->free_places[--tcp->free_len];
	tcp->conn[c->place] = c;
	/* There is an entry for each place. */
	(void)address_map_set(&tcp->by_peer, peer, c->place + 1);
	TAILQ_INSERT_TAIL(&tcp->strangers, c, strangers);
	tcp->strangers_len++;
	watch_oldest(tcp);
	return 0;
}

/* A newcomer proves itself within a round trip; who has not done so for longest makes room. */
static void make_room(struct tcp *tcp)
{
	if (tcp->strangers_len == TCP_STRANGERS_MAX)
		conn_end(TAILQ_FIRST(&tcp->strangers));
}

static void on_accepted(struct tcp_listener *l, int fd, const struct sockaddr *from, socklen_t from_len)
{
	struct tcp *tcp = l->tcp;
	struct session_address peer;

	stat_add(&tcp->md->counters->tcp_accepted, 1);
	make_room(tcp);
	int err = address_from_sockaddr(SESSION_SOCKET_TCP | l->index, from, from_len, &peer);
	if (err == 0) {
		/* The kernel lets nobody have a living connection's addresses: the old one is dead. */
		struct tcp_conn *dead = conn_find(tcp, &peer);
		if (dead)
			conn_lost(dead);
		err = conn_new(tcp, fd, &peer);
	}
	if (err < 0) {
		close(fd);
		stat_add(&tcp->md->counters->tcp_closed, 1);
	}
}

static void on_pause_end(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct tcp_listener *l = arg;

	(void)timer;
	(void)now_us;
	(void)loop_fd_mod(&l->io, EPOLLIN);
}

static void on_accept(struct loop_fd *io, uint32_t events, void *arg)
{
	struct tcp_listener *l = arg;
	struct mediad *md = l->tcp->md;

	(void)events;
	mediad_awake(md);
	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct sockaddr_storage from;
		socklen_t from_len = sizeof(from);
		int fd = accept4(l->fd, (struct sockaddr *)&from, &from_len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			on_accepted(l, fd, (struct sockaddr *)&from, from_len);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_warn("tcp: cannot accept: %s; trying again in 0.5 s", strerror(errno));
			(void)loop_fd_mod(io, 0);
			(void)loop_timer_start(md->loop, &l->pause, clock_now_us() + ACCEPT_PAUSE_US, on_pause_end, l);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
	}
}

/* ---- start and end ---- */

static int take_listeners(struct tcp *tcp)
{
	struct mediad *md = tcp->md;
	int err = 0;

	for (unsigned i = 0; err == 0 && i < UDP_SOCKETS_MAX; i++) {
		struct tcp_listener *l = &tcp->listener[i];
		*l = (struct tcp_listener){ .tcp = tcp, .index = i, .fd = -1 };
		if (!fdset_has(&md->fds, "tcp.%u", i))
			continue;
		l->fd = fdset_take(&md->fds, "tcp.%u", i);
		err = loop_fd_add(md->loop, &l->io, l->fd, EPOLLIN, on_accept, l);
	}
	return err;
}

int tcp_start(struct mediad *md, struct tcp **ret_tcp)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));

	if (!tcp)
		return -ENOMEM;
	tcp->md = md;
	TAILQ_INIT(&tcp->strangers);
	TAILQ_INIT(&tcp->to_flush);
	/* Also so many that each transport may have all its addresses. */
	tcp->places = TCP_STRANGERS_MAX + md->table.max_transports * ICE_ADDRESSES_MAX;
	tcp->conn = calloc(tcp->places, sizeof(tcp->conn[0]));
	tcp->free_places = calloc(tcp->places, sizeof(tcp->free_places[0]));
	int err = tcp->conn && tcp->free_places ? address_map_init(&tcp->by_peer, tcp->places) : -ENOMEM;
	if (err == 0) {
		for (tcp->free_len = 0; tcp->free_len < tcp->places; tcp->free_len++)
			tcp->free_places[tcp->free_len] = tcp->places - 1 - tcp->free_len;
		/* A predecessor's connections ended with it. */
		stat_set(&md->counters->tcp_closed, stat_get(&md->counters->tcp_accepted));
	}
	/* Also after an error: those that are not there are marked. */
	int taken = take_listeners(tcp);
	if (err == 0)
		err = taken;
	if (err < 0) {
		tcp_stop(tcp);
		return err;
	}
	*ret_tcp = tcp;
	return 0;
}

struct tcp *tcp_stop(struct tcp *tcp)
{
	if (!tcp)
		return NULL;
	for (uint32_t i = 0; tcp->conn && i < tcp->places; i++) {
		if (tcp->conn[i])
			conn_end(tcp->conn[i]);
	}
	loop_timer_stop(&tcp->deadline);
	for (unsigned i = 0; i < UDP_SOCKETS_MAX; i++) {
		struct tcp_listener *l = &tcp->listener[i];
		loop_fd_del(&l->io);
		loop_timer_stop(&l->pause);
		if (l->fd >= 0)
			close(l->fd);
	}
	address_map_fini(&tcp->by_peer);
	free(tcp->free_places);
	free(tcp->conn);
	free(tcp);
	return NULL;
}
