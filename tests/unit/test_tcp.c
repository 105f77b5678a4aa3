/* links: support mediad */
#include "mediad/address.h"
#include "mediad/ice.h"
#include "mediad/tcp.h"
#include "mediad/transport.h"
#include "tests/support/cm.h"
#include "tests/support/media_echo.h"
#include "tests/support/one_mediad.h"
#include "tools/load/peer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A real client over real TCP connections on one side, a whole mediad on the other (its media side an echo). */

enum { WAIT_US = 10 * 1000 * 1000, PT_AUDIO = 111, PT_VIDEO = 96 };

struct client {
	struct peer *peer;
	struct one_answer answer;
	unsigned rtp[PEER_SOCKETS_MAX], by_pt[128];
	unsigned sealed; /* datagrams of SRTP that came, whole or not */
	uint16_t seq;
	unsigned awaited; /* of rtp[socket] */
	unsigned socket;
};

static struct one_mediad one;

#define COUNTERS (&one.stats.shm->mediad[0])

static bool on_receive(struct peer *peer, unsigned socket, const uint8_t *data, size_t len, void *arg)
{
	struct client *c = arg;

	(void)peer;
	(void)socket;
	c->sealed += len > 1 && data[0] >= 128 && !(data[1] >= 192 && data[1] <= 223);
	return true;
}

static void on_rtp(struct peer *peer, unsigned socket, const uint8_t *packet, size_t len, void *arg)
{
	struct client *c = arg;

	(void)peer;
	(void)len;
	c->rtp[socket]++;
	c->by_pt[packet[1] & 127]++;
}

static const struct peer_ops ops = { .on_receive = on_receive, .on_rtp = on_rtp };

static struct session_mline line(const char *mid, uint8_t media, uint8_t codec, uint8_t pt)
{
	struct session_mline m = { .media = media,
				   .receives = 1,
				   .codecs_len = 1,
				   .layers_len = 1,
				   .codec = { { .codec = codec, .pt = pt, .clock_rate = 90000 } } };

	strcpy(m.mid, mid);
	return m;
}

static void client_open(struct client *c)
{
	struct peer_config config = { .loop = one.loop, .ops = &ops, .arg = c };
	struct session_mline lines[] = { line("a", MEDIA_AUDIO, CODEC_OPUS, PT_AUDIO),
					 line("v", MEDIA_VIDEO, CODEC_VP8, PT_VIDEO) };

	memset(c, 0, sizeof(*c));
	assert_int_equal(peer_new(&config, &c->peer), 0);
	struct msg_offer offer = one_mediad_offer_of(peer_ufrag(c->peer), peer_pwd(c->peer));
	offer.mlines_len = ARRAY_LEN(lines);
	one_mediad_offer(&one, &offer, lines, &c->answer);
	assert_int_equal(c->answer.type, MSG_ANSWER_END);
	struct peer_remote remote = one_mediad_remote(&one, &c->answer, 0);
	assert_int_equal(peer_remote_set(c->peer, &remote), 0);
}

static unsigned add_tcp(struct client *c, unsigned listener)
{
	int n = peer_socket_add_tcp(c->peer, (struct sockaddr *)&one.tcp[listener], one.tcp_len[listener]);

	assert_true(n >= 0);
	return (unsigned)n;
}

static bool is_connected(void *arg)
{
	return peer_state(((struct client *)arg)->peer) == PEER_CONNECTED;
}

static bool has_come(void *arg)
{
	struct client *c = arg;

	return c->rtp[c->socket] >= c->awaited;
}

static bool all_taken(void *arg)
{
	return media_echo.rtp >= *(unsigned *)arg;
}

static bool has_ended(void *arg)
{
	struct client *c = arg;

	return peer_socket_ended(c->peer, c->socket);
}

static void expect_end(struct client *c, unsigned socket)
{
	c->socket = socket;
	assert_true(one_mediad_until(&one, has_ended, c, 2 * (int64_t)WAIT_US));
}

static void connect_over(struct client *c, unsigned socket)
{
	struct peer_remote remote = one_mediad_remote(&one, &c->answer, 0);

	peer_nominate(c->peer, socket);
	assert_int_equal(peer_connect(c->peer, &remote), 0);
	assert_true(one_mediad_until(&one, is_connected, c, WAIT_US));
}

static void send_packet(struct client *c, uint8_t pt, size_t len)
{
	uint8_t packet[1400] = {
		0x80, pt, (uint8_t)(++c->seq >> 8), (uint8_t)c->seq, 0, 0, 0, 9, 0xaa, 0xbb, 0xcc, pt
	};

	assert_int_equal(peer_send_rtp(c->peer, packet, len), 0);
}

static void expect_echo(struct client *c, unsigned socket)
{
	c->socket = socket;
	c->awaited = c->rtp[socket] + 1;
	send_packet(c, PT_AUDIO, 160);
	assert_true(one_mediad_until(&one, has_come, c, WAIT_US));
}

static struct transport *transport_of(const struct client *c)
{
	return transport_find(&one.md, c->answer.head.transport);
}

static void client_close(struct client *c)
{
	c->peer = peer_free(c->peer);
}

static unsigned open_connections(void)
{
	return (unsigned)(stat_get(&COUNTERS->tcp_accepted) - stat_get(&COUNTERS->tcp_closed));
}

/* ---- tests ---- */

static void candidates_of_tcp_come_last(void **state)
{
	static struct client c;

	(void)state;
	client_open(&c);
	assert_int_equal(c.answer.candidates_len, 2 * one.sockets_len);
	for (unsigned i = 0; i < c.answer.candidates_len; i++) {
		const struct session_address *a = &c.answer.candidate[i].address;
		unsigned k = i % one.sockets_len;
		const struct sockaddr_storage *ours = i < one.sockets_len ? &one.address[k] : &one.tcp[k];
		assert_int_equal(a->socket & SESSION_SOCKET_TCP, i < one.sockets_len ? 0 : SESSION_SOCKET_TCP);
		assert_int_equal(a->port, ntohs(((const struct sockaddr_in *)ours)->sin_port));
	}
	client_close(&c);
}

static void connects_by_tcp_alone(void **state)
{
	static struct client c;

	(void)state;
	for (unsigned listener = 0; listener < one.sockets_len; listener++) {
		client_open(&c);
		connect_over(&c, add_tcp(&c, listener));
		for (unsigned i = 0; i < 200; i++)
			expect_echo(&c, 0);
		assert_int_equal(c.rtp[0], 200);
		assert_int_equal(transport_of(&c)->rec->nominated, 1);
		assert_int_equal(transport_of(&c)->rec->send_to.socket, SESSION_SOCKET_TCP | listener);
		client_close(&c);
		one_mediad_run(&one, 50000);
	}
}

static void moves_between_udp_and_tcp_on_a_nominated_check(void **state)
{
	static struct client c;

	(void)state;
	client_open(&c);
	unsigned udp = (unsigned)peer_socket_add(c.peer, NULL, 0), tcp = add_tcp(&c, 0);
	connect_over(&c, udp);
	peer_checks_set(c.peer, 0);
	expect_echo(&c, udp);
	for (unsigned round = 0; round < 10; round++) {
		unsigned from = round % 2 ? tcp : udp, to = round % 2 ? udp : tcp;
		unsigned answered = peer_checks_answered(c.peer, to);
		assert_int_equal(peer_check(c.peer, to, false, false), 0);
		one_mediad_run(&one, 30000);
		assert_int_equal(peer_checks_answered(c.peer, to), answered + 1);
		/* A check alone moves nothing, nor does media from there. */
		peer_nominate(c.peer, to);
		expect_echo(&c, from);
		assert_int_equal(peer_check(c.peer, to, true, false), 0);
		one_mediad_run(&one, 30000);
		expect_echo(&c, to);
	}
	client_close(&c);
}

static void a_lost_connection_is_not_sent_to(void **state)
{
	static struct client c;

	(void)state;
	client_open(&c);
	unsigned udp = (unsigned)peer_socket_add(c.peer, NULL, 0), tcp = add_tcp(&c, 0);
	connect_over(&c, tcp);
	expect_echo(&c, tcp);
	peer_checks_set(c.peer, 0);
	assert_int_equal(peer_check(c.peer, udp, false, false), 0);
	one_mediad_run(&one, 30000);
	expect_echo(&c, tcp);
	/* The client's end of it. */
	shutdown(peer_socket_fd(c.peer, tcp), SHUT_RDWR);
	expect_end(&c, tcp);
	peer_nominate(c.peer, udp);
	expect_echo(&c, udp);
	assert_int_equal(transport_of(&c)->rec->send_to.socket, 0);
	/* Without any other: nowhere, until a check comes. */
	unsigned second = add_tcp(&c, 0);
	peer_nominate(c.peer, second);
	assert_int_equal(peer_check(c.peer, second, true, false), 0);
	one_mediad_run(&one, 30000);
	expect_echo(&c, second);
	struct transport *t = transport_of(&c);
	struct ice_valid *v = NULL;
	for (unsigned i = 0; i < ICE_ADDRESSES_MAX; i++)
		v = t->ice->valid[i].address.family && !t->ice->valid[i].address.socket ? &t->ice->valid[i] : v;
	struct session_address address = v->address;
	transport_on_address_gone(&one.md, &address);
	/* A length that nothing has. */
	assert_int_equal(write(peer_socket_fd(c.peer, second), "\xff\xff", 2), 2);
	expect_end(&c, second);
	assert_int_equal(t->rec->send_to.family, 0);
	unsigned third = add_tcp(&c, 0);
	peer_nominate(c.peer, third);
	assert_int_equal(peer_check(c.peer, third, false, false), 0);
	one_mediad_run(&one, 30000);
	expect_echo(&c, third);
	client_close(&c);
}

static void the_end_of_a_transport_ends_its_connections(void **state)
{
	static struct client c;

	(void)state;
	client_open(&c);
	unsigned first = add_tcp(&c, 0), second = add_tcp(&c, 0);
	connect_over(&c, first);
	expect_echo(&c, first);
	assert_int_equal(open_connections(), 2);
	/* From outside: close_notify arrives before the end. */
	transport_close(transport_of(&c), "a test");
	expect_end(&c, first);
	expect_end(&c, second);
	assert_int_equal(peer_state(c.peer), PEER_CLOSED);
	assert_int_equal(open_connections(), 0);
	client_close(&c);
	/* By a packet out of the connection itself. */
	client_open(&c);
	connect_over(&c, add_tcp(&c, 0));
	expect_echo(&c, 0);
	peer_close(c.peer);
	expect_end(&c, 0);
	assert_null(transport_of(&c));
	assert_int_equal(open_connections(), 0);
	client_close(&c);
}

static void more_connections_than_a_transport_has_addresses(void **state)
{
	static struct client c;

	(void)state;
	client_open(&c);
	connect_over(&c, add_tcp(&c, 0));
	peer_checks_set(c.peer, 0);
	for (unsigned i = 1; i <= ICE_ADDRESSES_MAX; i++) {
		assert_int_equal(add_tcp(&c, 0), i);
		assert_int_equal(peer_check(c.peer, i, false, false), 0);
		one_mediad_run(&one, 20000);
		assert_int_equal(peer_checks_answered(c.peer, i), 1);
	}
	/* The oldest but the one in use has made room. */
	expect_end(&c, 1);
	assert_int_equal(open_connections(), ICE_ADDRESSES_MAX);
	expect_echo(&c, 0);
	client_close(&c);
}

static void who_does_not_read_loses_pictures_first_and_gets_the_rest_whole(void **state)
{
	static struct client c;
	unsigned audio = 0, video = 0;

	(void)state;
	client_open(&c);
	unsigned s = add_tcp(&c, 0);
	const int little = 4096;
	assert_int_equal(setsockopt(peer_socket_fd(c.peer, s), SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)), 0);
	connect_over(&c, s);
	expect_echo(&c, s);
	/* The loop is the mediad's, too: the client's end is taken out of it, so that nobody reads. */
	peer_reading_set(c.peer, s, false);
	while (stat_get(&COUNTERS->tcp_dropped) < 300 && video < 20000) {
		for (unsigned i = 0; i < 20; i++, video++)
			send_packet(&c, PT_VIDEO, 1200);
		send_packet(&c, PT_AUDIO, 160);
		audio++;
		one_mediad_run(&one, 1000);
	}
	unsigned all = 1 + audio + video;
	assert_true(one_mediad_until(&one, all_taken, &all, WAIT_US));
	one_mediad_run(&one, 1000); /* the end of that turn, when it leaves */
	uint64_t dropped = stat_get(&COUNTERS->tcp_dropped);
	assert_true(dropped >= 300);
	peer_reading_set(c.peer, s, true);
	c.socket = s;
	c.awaited = (unsigned)(all - dropped);
	assert_true(one_mediad_until(&one, has_come, &c, WAIT_US));
	/* Each that came could be decrypted: none was cut. Sound had room where pictures had none. */
	assert_int_equal(c.sealed, c.rtp[s]);
	assert_int_equal(c.by_pt[PT_AUDIO], 1 + audio);
	assert_int_equal(c.by_pt[PT_VIDEO], video - dropped);
	expect_echo(&c, s);
	client_close(&c);
}

static void a_stranger_is_sent_away(void **state)
{
	static struct client c;
	static const uint8_t not_a_check[] = { 0, 12, 0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1 };
	uint8_t forged[2 + 20] = { 0, 20, 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 };

	(void)state;
	client_open(&c);
	/* Media, a length out of range, checks without a password, nothing at all. */
	unsigned media = add_tcp(&c, 0), length = add_tcp(&c, 0), forger = add_tcp(&c, 0), silent = add_tcp(&c, 0);
	int64_t since_us = clock_now_us();
	assert_int_equal(write(peer_socket_fd(c.peer, media), not_a_check, sizeof(not_a_check)), sizeof(not_a_check));
	assert_int_equal(write(peer_socket_fd(c.peer, length), "\x20\x00", 2), 2);
	for (unsigned i = 0; i < 100; i++)
		(void)send(peer_socket_fd(c.peer, forger), forged, sizeof(forged), MSG_NOSIGNAL);
	expect_end(&c, media);
	expect_end(&c, length);
	expect_end(&c, forger);
	assert_int_equal(open_connections(), 1);
	expect_end(&c, silent);
	assert_true(clock_now_us() - since_us >= 9900 * 1000);
	assert_int_equal(stat_get(&COUNTERS->tcp_strangers), 4);
	assert_int_equal(stat_get(&COUNTERS->stun_ok), 0);
	client_close(&c);
}

static void a_flood_of_strangers_keeps_nobody_out(void **state)
{
	static struct client c;
	int flood[TCP_STRANGERS_MAX + 40];

	(void)state;
	client_open(&c);
	unsigned known = add_tcp(&c, 0);
	connect_over(&c, known);
	for (unsigned i = 0; i < ARRAY_LEN(flood); i++) {
		flood[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(flood[i], (struct sockaddr *)&one.tcp[0], one.tcp_len[0]), 0);
		if (i % 16 == 0)
			one_mediad_run(&one, 2000);
	}
	one_mediad_run(&one, 50000);
	assert_int_equal(open_connections(), 1 + TCP_STRANGERS_MAX);
	/* The first came to their end, the last are there, and who can prove himself comes in. */
	char byte;
	assert_int_equal(recv(flood[0], &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(recv(flood[ARRAY_LEN(flood) - 1], &byte, 1, MSG_DONTWAIT), -1);
	expect_echo(&c, known);
	static struct client late;
	client_open(&late);
	connect_over(&late, add_tcp(&late, 0));
	expect_echo(&late, 0);
	for (unsigned i = 0; i < ARRAY_LEN(flood); i++)
		close(flood[i]);
	one_mediad_run(&one, 50000);
	assert_int_equal(open_connections(), 2);
	client_close(&c);
	client_close(&late);
}

#define TCP_TEST(name) ONE_MEDIAD_TEST(name, &one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TCP_TEST(candidates_of_tcp_come_last),
		TCP_TEST(connects_by_tcp_alone),
		TCP_TEST(moves_between_udp_and_tcp_on_a_nominated_check),
		TCP_TEST(a_lost_connection_is_not_sent_to),
		TCP_TEST(the_end_of_a_transport_ends_its_connections),
		TCP_TEST(more_connections_than_a_transport_has_addresses),
		TCP_TEST(who_does_not_read_loses_pictures_first_and_gets_the_rest_whole),
		TCP_TEST(a_stranger_is_sent_away),
		TCP_TEST(a_flood_of_strangers_keeps_nobody_out),
	};

	return cmocka_run_group_tests_name("tcp", tests, NULL, NULL);
}
