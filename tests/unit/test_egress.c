/* links: mediad */
/* What leaves, as it arrives: real sockets in a network namespace of our own, decrypted by libsrtp. */
#include "lib/cleanup.h"
#include "lib/rtp.h"
#include "mediad/address.h"
#include "mediad/egress.h"
#include "mediad/runs.h"
#include "mediad/srtp.h"
#include "mediad/transport.h"
#include "mediad/udp.h"
#include "tests/support/cm.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PEERS	 300
#define TAG	 16
#define HEADER	 RTP_HEADER_LEN
#define PADDING	 0x20
#define MESSAGES 4096

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

/* One that sends, and one socket that receives it all. */
static struct {
	struct mediad md;
	struct stats_mediad counters;
	struct session_transport rec[PEERS];
	struct transport t[PEERS];
	int fd;
	struct srtp_in *in;
	unsigned messages; /* that arrived, as one piece each */
	unsigned packets_len;
	struct got {
		uint32_t ssrc;
		uint16_t len; /* without its padding */
		uint8_t padding;
		uint64_t index;
	} packet[16384];
} bench;

static uint8_t keying[SRTP_KEYING_MAX];
static bool own_network;

static uint8_t content(uint32_t ssrc, uint64_t index, size_t i)
{
	return (uint8_t)(ssrc * 31 + index * 7 + i * 3 + 1);
}

/* ---- the network ---- */

static int set_loopback(int mtu)
{
	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo" };

	if (fd < 0)
		return -errno;
	ifr.ifr_mtu = mtu;
	if (ioctl(fd, SIOCSIFMTU, &ifr) < 0)
		return -errno;
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	return ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
}

static int enter_own_network(void **state)
{
	(void)state;
	int flags = geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET;

	own_network = unshare(flags) == 0 && set_loopback(65536) == 0;
	for (unsigned i = 0; i < sizeof(keying); i++)
		keying[i] = (uint8_t)(i * 11 + 3);
	return srtp_start();
}

static int leave(void **state)
{
	(void)state;
	srtp_stop();
	return 0;
}

static int bound(int protocol, struct sockaddr_in *ret)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	const int mtu = IP_PMTUDISC_DONT, bytes = 4 * 1024 * 1024;
	socklen_t len = sizeof(*ret);

	if (fd < 0)
		return -errno;
	*ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)ret, sizeof(*ret)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &mtu, sizeof(mtu)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	return fd;
}

/* False: the machine has no such sockets. */
static bool set_up_over(int protocol)
{
	struct sockaddr_in from, to;
	const int on = 1;
	int fd = bound(protocol, &from);

	if (fd < 0)
		return false;
	memset(&bench, 0, sizeof(bench));
	bench.fd = bound(protocol, &to);
	assert_true(bench.fd >= 0);
	if (protocol == 0)
		assert_int_equal(setsockopt(bench.fd, SOL_UDP, UDP_GRO, &on, sizeof(on)), 0);
	assert_int_equal(srtp_in_new(SRTP_AEAD_AES_128_GCM, keying, &bench.in), 0);
	bench.md.counters = &bench.counters;
	assert_int_equal(loop_new(&bench.md.loop), 0);
	assert_int_equal(fdset_add(&bench.md.fds, fd, "udp.0"), 0);
	assert_int_equal(udp_start(&bench.md, &bench.md.udp), 0);
	assert_int_equal(egress_start(&bench.md, &bench.md.egress), 0);
	for (unsigned i = 0; i < PEERS; i++) {
		bench.t[i] = (struct transport){ .md = &bench.md, .rec = &bench.rec[i] };
		atomic_store(&bench.rec[i].state, TRANSPORT_CONNECTED);
		assert_int_equal(address_from_sockaddr(0, (struct sockaddr *)&to, sizeof(to), &bench.rec[i].send_to),
				 0);
		assert_int_equal(srtp_out_new(SRTP_AEAD_AES_128_GCM, keying, &bench.t[i].srtp_out), 0);
	}
	return true;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_over(0) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	if (!bench.md.egress)
		return 0;
	bench.md.egress = egress_stop(bench.md.egress);
	bench.md.udp = udp_stop(bench.md.udp);
	bench.md.loop = loop_free(bench.md.loop);
	for (unsigned i = 0; i < PEERS; i++)
		srtp_out_free(bench.t[i].srtp_out);
	srtp_in_free(bench.in);
	close(bench.fd);
	return 0;
}

/* ---- sending and receiving ---- */

static int send_from(struct transport *t, uint32_t ssrc, uint64_t index, size_t len, unsigned padding,
		     enum media_kind media)
{
	uint8_t *p = egress_reserve(bench.md.egress);

	memset(p, 0, HEADER);
	p[0] = 0x80 | (padding ? PADDING : 0);
	p[1] = 96;
	rtp_put16(p + 2, (uint16_t)index);
	rtp_put32(p + 8, ssrc);
	for (size_t i = HEADER; i < len; i++)
		p[i] = content(ssrc, index, i);
	if (padding) {
		memset(p + len, 0, padding);
		p[len + padding - 1] = (uint8_t)padding;
	}
	return egress_rtp(bench.md.egress, t, p, len + padding, index, media);
}

static void send_picture(uint32_t ssrc, uint64_t index, size_t len)
{
	assert_int_equal(send_from(&bench.t[0], ssrc, index, len, 0, MEDIA_VIDEO), 0);
}

static void on_packet(uint8_t *data, size_t len)
{
	struct got *got = &bench.packet[bench.packets_len++];
	uint8_t packet[2048] __attribute__((aligned(16)));

	assert_true(bench.packets_len < ARRAY_LEN(bench.packet));
	memcpy(packet, data, len);
	assert_int_equal(srtp_in_rtp(bench.in, packet, len, &len, &got->index), 0);
	got->ssrc = rtp_get32(packet + 8);
	got->padding = packet[0] & PADDING ? packet[len - 1] : 0;
	assert_true((packet[0] & PADDING) == 0 || (got->padding > 0 && HEADER + (size_t)got->padding <= len));
	got->len = (uint16_t)(len - got->padding);
	for (size_t i = HEADER; i < got->len; i++)
		assert_int_equal(packet[i], content(got->ssrc, got->index, i));
}

/* All that has arrived; loopback is at once. */
static void receive(void)
{
	static uint8_t data[65536];
	union {
		struct cmsghdr head;
		uint8_t room[64];
	} control;

	for (;;) {
		struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
		struct msghdr m = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
		};
		ssize_t n = recvmsg(bench.fd, &m, MSG_DONTWAIT);
		if (n < 0)
			return;
		int size = (int)n;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
				memcpy(&size, CMSG_DATA(c), sizeof(size));
		}
		bench.messages++;
		for (ssize_t at = 0; at < n; at += size)
			on_packet(data + at, (size_t)MIN((ssize_t)size, n - at));
	}
}

static void flush(void)
{
	egress_flush(bench.md.egress);
	receive();
}

static uint64_t counted(const stat_t *s)
{
	return stat_get(s);
}

/* ---- tests ---- */

static void sends_a_picture_as_one_message(void **state)
{
	(void)state;
	const size_t len[] = { 1100, 1100, 1101, 1101, 1101 };

	for (unsigned i = 0; i < 5; i++)
		send_picture(7, 100 + i, len[i]);
	receive();
	assert_int_equal(bench.packets_len, 0);
	flush();
	assert_int_equal(bench.messages, 1);
	assert_int_equal(bench.packets_len, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(bench.packet[i].index, 100 + i);
		assert_int_equal(bench.packet[i].len, len[i]);
		assert_int_equal(bench.packet[i].padding, i < 2 ? 1 : 0);
	}
	assert_int_equal(counted(&bench.counters.segment_messages), 1);
	assert_int_equal(counted(&bench.counters.segments), 5);
	assert_int_equal(counted(&bench.counters.padding_bytes), 2);
	assert_int_equal(counted(&bench.counters.send_messages), 1);
	assert_int_equal(counted(&bench.counters.send_batches), 1);
}

static void sends_one_alone_as_it_ever_was(void **state)
{
	(void)state;
	send_picture(7, 1, 900);
	flush();
	assert_int_equal(bench.packets_len, 1);
	assert_int_equal(bench.packet[0].padding, 0);
	assert_int_equal(counted(&bench.counters.segment_messages), 0);
	assert_int_equal(counted(&bench.counters.send_messages), 1);
}

static void sends_sound_first_and_as_it_is(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		send_picture(7, i, 1000 + i);
		assert_int_equal(send_from(&bench.t[0], 8 + i, 5, 100 + i, 0, MEDIA_AUDIO), 0);
		assert_int_equal(send_from(&bench.t[1], 18 + i, 5, 100, 0, MEDIA_AUDIO), 0);
	}
	flush();
	assert_int_equal(bench.packets_len, 12);
	for (unsigned i = 0; i < 12; i++) {
		assert_int_equal(bench.packet[i].ssrc == 7, i >= 8);
		assert_true(bench.packet[i].ssrc == 7 || bench.packet[i].padding == 0);
	}
	/* 103 + 102, 101 + 100; four of a hundred; the picture. */
	assert_int_equal(bench.messages, 4);
}

static void adds_to_the_padding_that_a_packet_has(void **state)
{
	(void)state;
	assert_int_equal(send_from(&bench.t[0], 7, 1, HEADER, 200, MEDIA_VIDEO), 0);
	assert_int_equal(send_from(&bench.t[0], 7, 2, HEADER, 203, MEDIA_VIDEO), 0);
	assert_int_equal(send_from(&bench.t[0], 7, 3, HEADER, 251, MEDIA_VIDEO), 0);
	assert_int_equal(send_from(&bench.t[0], 7, 4, HEADER + 4, 252, MEDIA_VIDEO), 0);
	flush();
	assert_int_equal(bench.packets_len, 4);
	/* 251 can take 4 more; the next is 5 longer. */
	for (unsigned i = 0; i < 4; i++) {
		const struct got *got = &bench.packet[i];
		assert_int_equal(got->index, i + 1);
		assert_int_equal(got->len, i == 3 ? HEADER + 4 : HEADER);
	}
	assert_int_equal(bench.packet[0].padding, 203);
	assert_int_equal(bench.packet[2].padding, 251);
	assert_int_equal(bench.packet[3].padding, 252);
}

static void keeps_the_order_of_each_stream_whatever_comes(void **state)
{
	(void)state;
	uint64_t next[PEERS * 8] = { 0 }, seen[PEERS * 8] = { 0 };
	static uint16_t len[PEERS * 8][64];

	srandom(77);
	for (unsigned round = 0; round < 60; round++) {
		unsigned n = 1 + (unsigned)random() % 220;
		bench.packets_len = 0;
		for (unsigned k = 0; k < n; k++) {
			unsigned peer = (unsigned)random() % 3, s = peer * 8 + (unsigned)random() % 8;
			uint16_t *l = &len[s][next[s] % 64];
			*l = (uint16_t)(HEADER + 1 + (random() % 2 ? random() % 1400 : 1000 + random() % 20));
			/* Sound and pictures of one SSRC would be two queues. */
			assert_int_equal(send_from(&bench.t[peer], 1000 + s, next[s]++, *l, 0,
						   s % 8 < 2 ? MEDIA_AUDIO : MEDIA_VIDEO),
					 0);
			receive();
		}
		flush();
		assert_int_equal(bench.packets_len, n);
		for (unsigned i = 0; i < n; i++) {
			unsigned s = bench.packet[i].ssrc - 1000;
			assert_int_equal(bench.packet[i].index, seen[s]);
			assert_int_equal(bench.packet[i].len, len[s][seen[s] % 64]);
			seen[s]++;
		}
	}
	assert_true(counted(&bench.counters.segment_messages) > 0);
	assert_true(counted(&bench.counters.padding_bytes) > 0);
	assert_int_equal(counted(&bench.counters.send_errors), 0);
}

static void sends_when_all_buffers_are_taken(void **state)
{
	(void)state;
	static uint8_t *held[EGRESS_BUFFERS - 5];

	for (unsigned i = 0; i < ARRAY_LEN(held); i++)
		held[i] = egress_reserve(bench.md.egress);
	for (unsigned i = 0; i < 12; i++)
		send_picture(7, i, 400);
	receive();
	assert_true(bench.packets_len >= 10);
	for (unsigned i = 0; i < ARRAY_LEN(held); i++)
		egress_abandon(bench.md.egress, held[i]);
	flush();
	assert_int_equal(bench.packets_len, 12);
	assert_int_equal(counted(&bench.counters.send_errors), 0);
}

static void sends_to_many(void **state)
{
	(void)state;
	unsigned n = 0;

	for (unsigned peer = 0; peer < PEERS; peer++) {
		for (unsigned i = 0; i < 12; i++, n++)
			assert_int_equal(send_from(&bench.t[peer], peer / 3, peer % 3 * 12 + i, 400, 0, MEDIA_VIDEO),
					 0);
		receive();
	}
	flush();
	assert_int_equal(bench.packets_len, n);
	assert_true(bench.messages < n / 2);
	assert_int_equal(counted(&bench.counters.send_errors), 0);
}

static void sends_no_more_than_a_run_at_a_time(void **state)
{
	(void)state;
	uint64_t index = 0;
	int64_t begun_us;

	/* Again, when it took so long that they had to leave before. */
	do {
		flush();
		bench.messages = bench.packets_len = 0;
		begun_us = clock_now_us();
		for (unsigned i = 0; i < RUN_PACKETS; i++)
			send_picture(7, index++, 900);
	} while (clock_now_us() - begun_us >= EGRESS_WAIT_US);
	receive();
	assert_int_equal(bench.packets_len, 0);
	/* The next reservation finds it full. */
	send_picture(7, index, 900);
	receive();
	assert_int_equal(bench.packets_len, RUN_PACKETS);
	assert_int_equal(bench.messages, 1);
	flush();
	assert_int_equal(bench.packets_len, RUN_PACKETS + 1);
}

static void lets_nothing_wait_for_long(void **state)
{
	(void)state;
	const struct timespec pause = { .tv_nsec = 2 * EGRESS_WAIT_US * 1000 };

	send_picture(7, 0, 900);
	nanosleep(&pause, NULL);
	for (unsigned i = 0; i < 16; i++)
		egress_abandon(bench.md.egress, egress_reserve(bench.md.egress));
	receive();
	assert_int_equal(bench.packets_len, 1);
}

static void refuses_what_cannot_leave(void **state)
{
	(void)state;
	struct transport *t = &bench.t[0];
	uint8_t *p = egress_reserve(bench.md.egress);

	memset(p, 0, 100);
	p[0] = 0x80;
	p[3] = 1;
	assert_int_equal(egress_rtp(bench.md.egress, t, p, 100, 2, MEDIA_VIDEO), -EPROTO);
	assert_int_equal(send_from(t, 1, 1, EGRESS_PACKET_MAX + 1, 0, MEDIA_VIDEO), -EPROTO);
	t->rec->send_to.socket = 1;
	assert_int_equal(send_from(t, 1, 1, 100, 0, MEDIA_VIDEO), -ENOTCONN);
	t->rec->send_to.socket = 0;
	t->rec->send_to.family = 0;
	assert_int_equal(send_from(t, 1, 1, 100, 0, MEDIA_VIDEO), -ENOTCONN);
	flush();
	assert_int_equal(bench.packets_len, 0);
	assert_int_equal(counted(&bench.counters.send_batches), 0);
}

/* Three pictures to each of two peers, of which all must arrive. */
static void three_pictures_arrive(unsigned messages_after_the_first)
{
	for (unsigned round = 0; round < 3; round++) {
		bench.messages = bench.packets_len = 0;
		for (unsigned i = 0; i < 5; i++) {
			for (unsigned peer = 0; peer < 2; peer++)
				assert_int_equal(send_from(&bench.t[peer], peer, round * 5 + i, 1150, 0, MEDIA_VIDEO),
						 0);
		}
		flush();
		assert_int_equal(bench.packets_len, 10);
		for (unsigned i = 0; i < 10; i++)
			assert_int_equal(bench.packet[i].index, round * 5 + i % 5);
		if (round > 0)
			assert_int_equal(bench.messages, messages_after_the_first);
	}
	assert_int_equal(counted(&bench.counters.send_errors), 0);
}

static void sends_singly_where_the_path_is_too_narrow(void **state)
{
	(void)state;
	if (!own_network)
		skip();
	assert_int_equal(set_loopback(1000), 0);
	three_pictures_arrive(10);
	assert_int_equal(set_loopback(65536), 0);
	assert_int_equal(counted(&bench.counters.segment_fallbacks), 2);
	assert_true(bench.t[0].no_segments && bench.t[1].no_segments);
	/* Only those two. */
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(send_from(&bench.t[2], 2, i, 1150, 0, MEDIA_VIDEO), 0);
	flush();
	assert_true(counted(&bench.counters.segment_messages) > 0);
	assert_int_equal(counted(&bench.counters.segment_fallbacks), 2);
}

static void sends_singly_where_the_socket_forbids_more(void **state)
{
	(void)state;
	const int on = 1;

	/* Without checksums the kernel cuts nothing: EINVAL. */
	assert_int_equal(setsockopt(udp_fd(bench.md.udp, 0), SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
	three_pictures_arrive(10);
	assert_int_equal(counted(&bench.counters.segment_fallbacks), 2);
	assert_int_equal(counted(&bench.counters.segment_messages), 0);
}

static void sends_singly_over_a_device_that_cannot(void **state)
{
	(void)state;
	tear_down(state);
	memset(&bench, 0, sizeof(bench));
	/* UDP-Lite: EIO, for everybody. */
	if (!set_up_over(IPPROTO_UDPLITE))
		skip();
	three_pictures_arrive(10);
	assert_false(bench.t[0].no_segments || bench.t[1].no_segments);
	assert_in_range(counted(&bench.counters.segment_fallbacks), 1, 2);
	uint64_t before = counted(&bench.counters.segment_fallbacks);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(send_from(&bench.t[2], 2, i, 1150, 0, MEDIA_VIDEO), 0);
	flush();
	assert_int_equal(counted(&bench.counters.segment_fallbacks), before);
}

#define EGRESS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EGRESS_TEST(sends_a_picture_as_one_message),
		EGRESS_TEST(sends_one_alone_as_it_ever_was),
		EGRESS_TEST(sends_sound_first_and_as_it_is),
		EGRESS_TEST(adds_to_the_padding_that_a_packet_has),
		EGRESS_TEST(keeps_the_order_of_each_stream_whatever_comes),
		EGRESS_TEST(sends_when_all_buffers_are_taken),
		EGRESS_TEST(sends_to_many),
		EGRESS_TEST(sends_no_more_than_a_run_at_a_time),
		EGRESS_TEST(lets_nothing_wait_for_long),
		EGRESS_TEST(refuses_what_cannot_leave),
		EGRESS_TEST(sends_singly_where_the_path_is_too_narrow),
		EGRESS_TEST(sends_singly_where_the_socket_forbids_more),
		EGRESS_TEST(sends_singly_over_a_device_that_cannot),
	};
	return cmocka_run_group_tests(tests, enter_own_network, leave);
}
