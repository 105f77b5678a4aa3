/* witness - looks from beside at the media of a server: it reads on all interfaces of this network namespace what comes
 * to the server's ports and goes out from them, by UDP and by TCP, and checks it: no SRTP key may encrypt two packets
 * under one index (reuse.h). For tests in which a proxy would stand in the way: those that pull cables, those that
 * close UDP, and clients that do not talk to a proxy's address.
 *
 *     witness --port 40000 [--ports 2]
 *
 * Lines on standard input are those of impair.c, but there is only one, and it ends in the same way:
 *
 *     checked PORT      "ok TIME {"up":{…},"down":{…}}"
 *     missed 0          "ok TIME {"packets":N}": what came too fast to be read
 *
 * From the server counts what an interface sends, to the server what one receives: over the loopback interface
 * everything is seen twice. An interface must be sent datagrams one by one, not in lumps (UDP_SEGMENT) that nobody
 * could take apart: `ip link set DEV gso_max_segs 1`. What came over a TCP connection (RFC 4571) before this program,
 * and after a part that it has not seen, is not read, and told. Needs the right to read an interface. */
#include "tests/net/reuse.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/loop.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PORTS_MAX     64
#define FLOWS_MAX     1000
#define PACKETS	      64    /* read at once */
#define PACKET_MAX    65664 /* with its headers */
#define DATAGRAM_MAX  2048  /* of media; longer is a lump */
#define SOCKET_BUFFER (64 << 20)
#define TOLD_MAX      20 /* findings that are told one by one */
#define EXIT_REUSED   3

/* One direction of a TCP connection: what has come of a packet that is not whole yet. */
struct half {
	bool begun, broken; /* a part of it was not seen */
	uint32_t next;	    /* sequence number */
	size_t have;
	uint8_t data[2 + UINT16_MAX];
};

/* Who sends to the server, or is sent to. */
struct client {
	unsigned port; /* of the server, from the first on */
	bool tcp;
	uint8_t address[16];
	uint16_t from;
};

struct flow {
	struct client client;
	struct reuse_flow reuse;
	struct half *half; /* two, by enum reuse_direction; NULL: UDP */
};

struct witness {
	struct loop *loop;
	struct loop_fd io, control;
	int fd;
	uint16_t first;
	unsigned ports;
	struct reuse reuse[PORTS_MAX];
	struct flow *flow[FLOWS_MAX];
	unsigned flows, found;
	uint64_t missed;
	char line[256];
	size_t line_len;
};

/* A packet of UDP or TCP as an interface has it. */
struct seen {
	struct client client;
	enum reuse_direction direction;
	uint32_t sequence; /* of TCP */
	bool begins;
	const uint8_t *data;
	size_t len;
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* ---- what it is ---- */

/* Of IP: both addresses, the protocol, and where the rest begins. Fragments are none of ours. */
static bool read_ip(uint16_t protocol, struct seen *s, const uint8_t **ret_addresses, uint8_t *ret_inner)
{
	const uint8_t *p = s->data;
	size_t head, whole;

	if (protocol == ETH_P_IP && s->len >= 20 && (be16(p + 6) & 0x3fff) == 0) {
		head = (size_t)(p[0] & 15) * 4;
		whole = be16(p + 2);
		*ret_inner = p[9];
		*ret_addresses = p + 12;
	} else if (protocol == ETH_P_IPV6 && s->len >= 40) {
		head = 40;
		whole = head + be16(p + 4);
		*ret_inner = p[6];
		*ret_addresses = p + 8;
	} else {
		return false;
	}
	if (head > whole || whole > s->len)
		return false;
	s->data += head;
	s->len = whole - head;
	return true;
}

static bool read_ports(uint8_t inner, struct seen *s, uint16_t ret_ports[2])
{
	size_t head = 8;

	if (inner == IPPROTO_TCP && s->len >= 20) {
		head = (size_t)(s->data[12] >> 4) * 4;
		s->client.tcp = true;
		s->sequence = be32(s->data + 4);
		s->begins = s->data[13] & 0x02;
	} else if (inner != IPPROTO_UDP) {
		return false;
	}
	if (s->len < head)
		return false;
	ret_ports[0] = be16(s->data);
	ret_ports[1] = be16(s->data + 2);
	s->data += head;
	s->len -= head;
	return true;
}

/* Whether this is something between a client and the server, in the one place where it counts. */
static bool read_packet(const struct witness *w, const struct sockaddr_ll *at, const uint8_t *data, size_t len,
			struct seen *ret)
{
	const uint8_t *addresses;
	uint16_t ports[2], protocol = ntohs(at->sll_protocol);
	uint8_t inner;
	bool sent = at->sll_pkttype == PACKET_OUTGOING;
	size_t address_len = protocol == ETH_P_IP ? 4 : 16;

	*ret = (struct seen){ .data = data, .len = len, .direction = sent ? REUSE_DOWN : REUSE_UP };
	if (!read_ip(protocol, ret, &addresses, &inner) || !read_ports(inner, ret, ports))
		return false;
	uint16_t server = sent ? ports[0] : ports[1];
	if (server < w->first || server >= w->first + w->ports)
		return false;
	ret->client.port = server - w->first;
	ret->client.from = sent ? ports[1] : ports[0];
	memcpy(ret->client.address, sent ? addresses + address_len : addresses, address_len);
	return true;
}

/* ---- whose it is ---- */

static bool is_same(const struct client *a, const struct client *b)
{
	return a->port == b->port && a->tcp == b->tcp && a->from == b->from &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

static struct flow *flow_of(struct witness *w, const struct client *client)
{
	for (unsigned i = 0; i < w->flows; i++) {
		struct flow *f = w->flow[i];
		if (!is_same(&f->client, client))
			continue;
		/* Those that are alive come to stand in front of those that are not. */
		unsigned before = i - (i > 0);
		w->flow[i] = w->flow[before];
		w->flow[before] = f;
		return f;
	}
	struct flow *f = w->flows < FLOWS_MAX ? calloc(1, sizeof(*f)) : NULL;
	if (!f)
		return NULL;
	f->client = *client;
	f->half = client->tcp ? calloc(2, sizeof(*f->half)) : NULL;
	if (client->tcp && !f->half) {
		free(f);
		return NULL;
	}
	w->flow[w->flows++] = f;
	return f;
}

/* ---- what it holds ---- */

static void check(struct witness *w, struct flow *f, enum reuse_direction direction, const uint8_t *data, size_t len)
{
	struct reuse *r = &w->reuse[f->client.port];
	struct reuse_found found;

	if (reuse_see(r, &f->reuse, direction, data, len, &found) && w->found++ < TOLD_MAX)
		reuse_tell(&found, direction, w->first + f->client.port);
}

static void check_whole_ones(struct witness *w, struct flow *f, enum reuse_direction direction)
{
	struct half *h = &f->half[direction];
	size_t at = 0, len;

	while (h->have - at >= 2 && h->have - at >= 2 + (len = be16(h->data + at))) {
		check(w, f, direction, h->data + at + 2, len);
		at += 2 + len;
	}
	h->have -= at;
	memmove(h->data, h->data + at, h->have);
}

static void on_segment(struct witness *w, struct flow *f, const struct seen *s)
{
	struct half *h = &f->half[s->direction];

	if (s->begins) {
		h->begun = true;
		h->broken = false;
		h->next = s->sequence + 1;
		h->have = 0;
		return;
	}
	int32_t old = (int32_t)(h->next - s->sequence); /* of it, seen before */
	h->broken = h->broken || !h->begun || old < 0;
	if (h->broken) {
		w->reuse[f->client.port].counts[s->direction].unread += s->len > 0;
		return;
	}
	for (size_t at = (size_t)old, n; at < s->len; at += n) {
		n = MIN(s->len - at, sizeof(h->data) - h->have);
		memcpy(h->data + h->have, s->data + at, n);
		h->have += n;
		h->next += (uint32_t)n;
		check_whole_ones(w, f, s->direction);
	}
}

static int on_packet(struct witness *w, const struct sockaddr_ll *at, const uint8_t *data, size_t len)
{
	struct seen s;

	if (!read_packet(w, at, data, len, &s))
		return 0;
	if (!s.client.tcp && s.len > DATAGRAM_MAX) {
		log_error("witness: %zu bytes in one datagram: interfaces are sent lumps (gso_max_segs)", s.len);
		return -EMSGSIZE;
	}
	struct flow *f = flow_of(w, &s.client);
	if (!f)
		w->reuse[s.client.port].counts[s.direction].full++;
	else if (s.client.tcp)
		on_segment(w, f, &s);
	else
		check(w, f, s.direction, s.data, s.len);
	return 0;
}

static void on_readable(struct loop_fd *io, uint32_t events, void *arg)
{
	static uint8_t data[PACKETS][PACKET_MAX];
	struct witness *w = arg;
	struct sockaddr_ll at[PACKETS];
	struct iovec iov[PACKETS];
	struct mmsghdr msg[PACKETS];
	int n;

	(void)events;
	do {
		for (unsigned i = 0; i < PACKETS; i++) {
			iov[i] = (struct iovec){ data[i], PACKET_MAX };
			msg[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &at[i],
								.msg_namelen = sizeof(at[i]),
								.msg_iov = &iov[i],
								.msg_iovlen = 1 } };
		}
		n = recvmmsg(io->fd, msg, PACKETS, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++) {
			int err = on_packet(w, &at[i], data[i], msg[i].msg_len);
			if (err < 0)
				loop_stop(w->loop, err);
		}
	} while (n == PACKETS);
}

/* ---- control ---- */

static uint64_t missed(struct witness *w)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	/* The kernel begins anew each time it is asked. */
	if (getsockopt(w->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) == 0)
		w->missed += stats.tp_drops;
	return w->missed;
}

static void obey(struct witness *w, const char *line)
{
	char text[400];
	unsigned port;

	if (sscanf(line, "checked %u", &port) == 1 && port >= w->first && port < w->first + w->ports)
		reuse_write(&w->reuse[port - w->first], text, sizeof(text));
	else if (strncmp(line, "missed ", 7) == 0)
		snprintf(text, sizeof(text), "{\"packets\":%llu}", (unsigned long long)missed(w));
	else
		text[0] = '\0';
	if (*text)
		printf("ok %lld %s\n", (long long)(clock_realtime_us() / 1000), text);
	else
		printf("error no such command\n");
	fflush(stdout);
}

static void on_control(struct loop_fd *io, uint32_t events, void *arg)
{
	struct witness *w = arg;
	ssize_t n = read(io->fd, w->line + w->line_len, sizeof(w->line) - 1 - w->line_len);
	char *end;

	(void)events;
	if (n <= 0) {
		loop_stop(w->loop, n < 0 ? -errno : 0);
		return;
	}
	/* What was sent before somebody asks is part of the answer. */
	on_readable(&w->io, EPOLLIN, w);
	w->line_len += (size_t)n;
	w->line[w->line_len] = '\0';
	while ((end = strchr(w->line, '\n'))) {
		*end++ = '\0';
		obey(w, w->line);
		w->line_len -= (size_t)(end - w->line);
		memmove(w->line, end, w->line_len + 1);
	}
	if (w->line_len == sizeof(w->line) - 1)
		loop_stop(w->loop, -EMSGSIZE);
}

/* ---- beginning and end ---- */

static int parse_options(int argc, char **argv, struct witness *w)
{
	static const struct option names[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "ports", required_argument, NULL, 'n' },
		{ 0 },
	};
	unsigned long first = 0, ports = 1;
	int c, err = 0;

	while (err == 0 && (c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		if (c == 'p')
			first = strtoul(optarg, NULL, 10);
		else if (c == 'n')
			ports = strtoul(optarg, NULL, 10);
		else
			err = -EINVAL;
	}
	if (err < 0 || optind != argc || first == 0 || ports == 0 || ports > PORTS_MAX || first + ports > 65536)
		return -EINVAL;
	w->first = (uint16_t)first;
	w->ports = (unsigned)ports;
	return 0;
}

static int start(struct witness *w)
{
	int size = SOCKET_BUFFER, err = loop_new(&w->loop);

	for (unsigned i = 0; i < w->ports; i++)
		reuse_init(&w->reuse[i]);
	if (err < 0)
		return err;
	w->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
	if (w->fd < 0)
		return -errno;
	if (setsockopt(w->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		return -errno;
	err = loop_fd_add(w->loop, &w->io, w->fd, EPOLLIN, on_readable, w);
	return err < 0 ? err : loop_fd_add(w->loop, &w->control, STDIN_FILENO, EPOLLIN, on_control, w);
}

static void fini(struct witness *w)
{
	loop_fd_del(&w->io);
	loop_fd_del(&w->control);
	if (w->fd >= 0)
		close(w->fd);
	for (unsigned i = 0; i < w->ports; i++)
		reuse_fini(&w->reuse[i]);
	for (unsigned i = 0; i < w->flows; i++) {
		free(w->flow[i]->half);
		free(w->flow[i]);
	}
	w->loop = loop_free(w->loop);
}

int main(int argc, char **argv)
{
	static struct witness w = { .fd = -1 };

	log_init("witness", LOG_LEVEL_INFO, false);
	if (parse_options(argc, argv, &w) < 0) {
		fprintf(stderr, "usage: witness --port PORT [--ports N]\n");
		return 2;
	}
	int err = start(&w);
	if (err < 0) {
		log_error("witness: does not start: %s", strerror(-err));
	} else {
		printf("ready\n");
		fflush(stdout);
		err = loop_run(w.loop);
	}
	fini(&w);
	return err < 0 ? 1 : w.found > 0 ? EXIT_REUSED : 0;
}
