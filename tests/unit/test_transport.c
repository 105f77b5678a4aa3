/* links: support mediad */
#include "mediad/address.h"
#include "mediad/ice.h"
#include "mediad/transport.h"
#include "tests/support/cm.h"
#include "tests/support/media_echo.h"
#include "tests/support/one_mediad.h"
#include "tools/load/peer.h"
#include "tests/support/peer_nice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A real client on one side, a whole mediad on the other (its media side an echo), loopback between them. */

enum { WAIT_US = 8 * 1000 * 1000, WIRE_MAX = 4096 };

/* What a client saw, and how the network treats it. */
struct client {
	struct peer *peer;
	struct one_answer answer;
	unsigned rtp[PEER_SOCKETS_MAX], rtcp, stun;
	uint8_t last[PEER_DATAGRAM_MAX];
	size_t last_len;
	/* Ciphertext that came: the check that no (SSRC, index) comes twice with different bytes. */
	unsigned seen_len;
	struct {
		uint32_t ssrc;
		uint16_t seq;
		uint64_t digest;
	} seen[WIRE_MAX];
	/* The last datagram of SRTP that went out. */
	uint8_t sent[PEER_DATAGRAM_MAX];
	size_t sent_len;
	unsigned dtls_out, dtls_in;
	uint64_t lose_out, lose_in; /* bit n: the n-th DTLS datagram is lost */
	bool swap;		    /* DTLS datagrams go out in pairs, the second first */
	uint8_t held[PEER_DATAGRAM_MAX];
	size_t held_len;
	bool intercept; /* keep checks in `sent` instead of sending them */
};

static struct one_mediad one;

static bool is_dtls(const uint8_t *data)
{
	return data[0] >= 20 && data[0] <= 63;
}

static void note_ciphertext(struct client *c, const uint8_t *data, size_t len)
{
	uint32_t ssrc = (uint32_t)data[8] << 24 | (uint32_t)data[9] << 16 | (uint32_t)data[10] << 8 | data[11];
	uint16_t seq = (uint16_t)(data[2] << 8 | data[3]);
	uint64_t digest = hash_bytes(data, len);

	for (unsigned i = 0; i < c->seen_len; i++) {
		if (c->seen[i].ssrc == ssrc && c->seen[i].seq == seq)
			assert_true(c->seen[i].digest == digest);
	}
	assert_true(c->seen_len < WIRE_MAX);
	c->seen[c->seen_len].ssrc = ssrc;
	c->seen[c->seen_len].seq = seq;
	c->seen[c->seen_len++].digest = digest;
}

static bool on_receive(struct peer *peer, unsigned socket, const uint8_t *data, size_t len, void *arg)
{
	struct client *c = arg;

	(void)peer;
	(void)socket;
	if (data[0] <= 3)
		c->stun++;
	if (is_dtls(data)) {
		unsigned n = c->dtls_in++;
		return n >= 64 || !(c->lose_in >> n & 1);
	}
	if (data[0] >= 128 && !(data[1] >= 192 && data[1] <= 223))
		note_ciphertext(c, data, len);
	return true;
}

static bool on_send(struct peer *peer, unsigned socket, const uint8_t *data, size_t len, void *arg)
{
	struct client *c = arg;

	if (is_dtls(data)) {
		unsigned n = c->dtls_out++;
		if (n < 64 && c->lose_out >> n & 1)
			return false;
		if (!c->swap)
			return true;
		if (c->held_len == 0) {
			memcpy(c->held, data, len);
			c->held_len = len;
			return false;
		}
		(void)peer_send_raw(peer, socket, data, len);
		(void)peer_send_raw(peer, socket, c->held, c->held_len);
		c->held_len = 0;
		return false;
	}
	if (data[0] >= 128 || c->intercept) {
		memcpy(c->sent, data, len);
		c->sent_len = len;
	}
	return !c->intercept;
}

static void on_rtp(struct peer *peer, unsigned socket, const uint8_t *packet, size_t len, void *arg)
{
	struct client *c = arg;

	(void)peer;
	c->rtp[socket]++;
	memcpy(c->last, packet, len);
	c->last_len = len;
}

static void on_rtcp(struct peer *peer, unsigned socket, const uint8_t *packet, size_t len, void *arg)
{
	struct client *c = arg;

	(void)peer;
	(void)socket;
	c->rtcp++;
	memcpy(c->last, packet, len);
	c->last_len = len;
}

static const struct peer_ops ops = {
	.on_receive = on_receive, .on_send = on_send, .on_rtp = on_rtp, .on_rtcp = on_rtcp
};

/* ---- steps ---- */

static void client_open(struct client *c, const struct peer_config *with)
{
	struct peer_config config = with ? *with : (struct peer_config){ 0 };

	memset(c, 0, sizeof(*c));
	config.loop = one.loop;
	config.ops = &ops;
	config.arg = c;
	assert_int_equal(peer_new(&config, &c->peer), 0);
}

static void client_offer(struct client *c)
{
	struct msg_offer offer = one_mediad_offer_of(peer_ufrag(c->peer), peer_pwd(c->peer));

	one_mediad_offer(&one, &offer, NULL, &c->answer);
	assert_int_equal(c->answer.type, MSG_ANSWER_END);
	assert_int_equal(c->answer.candidates_len, 2 * one.sockets_len);
}

static void client_connect(struct client *c, unsigned socket)
{
	struct peer_remote remote = one_mediad_remote(&one, &c->answer, socket);

	assert_int_equal(peer_connect(c->peer, &remote), 0);
}

static bool is_connected(void *arg)
{
	return peer_state(((struct client *)arg)->peer) == PEER_CONNECTED;
}

static bool is_over(void *arg)
{
	return peer_state(((struct client *)arg)->peer) >= PEER_CLOSED;
}

static void client_up(struct client *c, const struct peer_config *with)
{
	client_open(c, with);
	client_offer(c);
	client_connect(c, 0);
	assert_true(one_mediad_until(&one, is_connected, c, WAIT_US));
}

static struct transport *transport_of(const struct client *c)
{
	return transport_find(&one.md, c->answer.head.transport);
}

static uint32_t state_of(const struct client *c)
{
	const struct transport *t = transport_of(c);

	return t ? atomic_load(&t->rec->state) : TRANSPORT_FREE;
}

static bool is_up(void *arg)
{
	return state_of(arg) == TRANSPORT_CONNECTED;
}

static size_t rtp_packet(uint8_t *p, uint16_t seq)
{
	static const uint8_t head[] = { 0x80, 111, 0, 0, 0, 0, 0, 9, 0xaa, 0xbb, 0xcc, 0x10 };

	memcpy(p, head, sizeof(head));
	p[2] = (uint8_t)(seq >> 8);
	p[3] = (uint8_t)seq;
	memset(p + 12, 0x42, 150);
	return 162;
}

static void send_rtp(struct client *c, uint16_t seq)
{
	uint8_t packet[200];
	size_t len = rtp_packet(packet, seq);

	assert_int_equal(peer_send_rtp(c->peer, packet, len), 0);
}

static unsigned rtp_total(const struct client *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PEER_SOCKETS_MAX; i++)
		n += c->rtp[i];
	return n;
}

static uint64_t count(const stat_t *counter)
{
	return stat_get(counter);
}

#define COUNTERS (&one.stats.shm->mediad[0])

/* One packet there and back. */
static void expect_echo(struct client *c, uint16_t seq, unsigned socket)
{
	unsigned before = rtp_total(c), there = c->rtp[socket];
	uint8_t packet[200];
	size_t len = rtp_packet(packet, seq);
	int64_t end_us = clock_now_us() + WAIT_US;

	send_rtp(c, seq);
	while (rtp_total(c) == before && clock_now_us() < end_us)
		one_mediad_run(&one, 2000);
	assert_int_equal(rtp_total(c), before + 1);
	assert_int_equal(c->rtp[socket], there + 1);
	assert_int_equal(c->last_len, len);
	assert_memory_equal(c->last + 12, packet + 12, len - 12);
}

/* Peers go before the loop does. */
static void client_close(struct client *c)
{
	c->peer = peer_free(c->peer);
}

/* ---- tests ---- */

static void connect_and_echo(const struct peer_config *with, unsigned socket, const char *profile)
{
	static struct client c;

	client_open(&c, with);
	client_offer(&c);
	client_connect(&c, socket);
	assert_true(one_mediad_until(&one, is_connected, &c, WAIT_US));
	assert_string_equal(peer_profile(c.peer), profile);
	assert_int_equal(state_of(&c), TRANSPORT_HANDSHAKE);
	for (uint16_t seq = 1; seq <= 100; seq++)
		expect_echo(&c, seq, 0);
	assert_int_equal(state_of(&c), TRANSPORT_CONNECTED);
	assert_int_equal(media_echo.connected, 1);
	assert_int_equal(media_echo.last_index, 100);
	const struct one_event *e = one_mediad_event(&one, c.answer.head.transport);
	assert_non_null(e);
	assert_int_equal(e->state.state, TRANSPORT_CONNECTED);
	static const uint8_t report[] = { 0x80, 201, 0, 1, 0xaa, 0xbb, 0xcc, 0x10 };
	assert_int_equal(peer_send_rtcp(c.peer, report, sizeof(report)), 0);
	one_mediad_run(&one, 50000);
	assert_int_equal(c.rtcp, 1);
	assert_memory_equal(c.last, report, sizeof(report));
	assert_int_equal(atomic_load(&transport_of(&c)->rec->srtcp_tx_index), 1);
	client_close(&c);
}

static void test_connects_gcm(void **state)
{
	(void)state;
	connect_and_echo(NULL, 0, "SRTP_AEAD_AES_128_GCM");
}

static void test_connects_sha1(void **state)
{
	const struct peer_config config = { .profiles = "SRTP_AES128_CM_SHA1_80" };

	(void)state;
	connect_and_echo(&config, 0, "SRTP_AES128_CM_SHA1_80");
}

static void test_connects_ipv6(void **state)
{
	(void)state;
	if (one.sockets_len < 2)
		skip();
	connect_and_echo(NULL, 1, "SRTP_AEAD_AES_128_GCM");
}

static void test_full_ice_agent(void **state)
{
	static struct client c;
	struct peer_config config = { .loop = one.loop, .ops = &ops, .arg = &c };
	struct peer_nice *nice;

	(void)state;
	memset(&c, 0, sizeof(c));
	assert_int_equal(peer_nice_new(&config, "127.0.0.1", &nice), 0);
	c.peer = peer_nice_peer(nice);
	struct msg_offer offer = one_mediad_offer_of(peer_nice_ufrag(nice), peer_nice_pwd(nice));
	one_mediad_offer(&one, &offer, NULL, &c.answer);
	assert_int_equal(c.answer.type, MSG_ANSWER_END);
	struct peer_remote remote = one_mediad_remote(&one, &c.answer, 0);
	assert_int_equal(peer_nice_connect(nice, &remote), 0);
	assert_true(one_mediad_until(&one, is_connected, &c, WAIT_US));
	for (uint16_t seq = 1; seq <= 20; seq++)
		expect_echo(&c, seq, 0);
	assert_int_equal(transport_of(&c)->rec->nominated, 1);
	peer_nice_free(nice);
}

static void test_wrong_fingerprint(void **state)
{
	static struct client c;

	(void)state;
	client_open(&c, NULL);
	struct msg_offer offer = one_mediad_offer_of(peer_ufrag(c.peer), peer_pwd(c.peer));
	offer.fingerprint[31] ^= 1;
	one_mediad_offer(&one, &offer, NULL, &c.answer);
	client_connect(&c, 0);
	assert_true(one_mediad_until(&one, is_over, &c, WAIT_US));
	assert_int_equal(peer_state(c.peer), PEER_FAILED);
	assert_null(transport_of(&c));
	assert_int_equal(count(&COUNTERS->dtls_fingerprint_mismatch), 1);
	assert_int_equal(count(&COUNTERS->dtls_handshakes), 0);
	assert_int_equal(media_echo.connected, 0);
	assert_int_equal(one_mediad_event(&one, c.answer.head.transport)->state.state, TRANSPORT_FREE);
	client_close(&c);
}

static void test_copied_packet(void **state)
{
	static struct client c;
	uint8_t copy[PEER_DATAGRAM_MAX];

	(void)state;
	client_up(&c, NULL);
	expect_echo(&c, 1, 0);
	memcpy(copy, c.sent, c.sent_len);
	size_t len = c.sent_len;
	struct session_address before = transport_of(&c)->rec->send_to;
	/* From an address that never checked: nobody's. */
	peer_checks_set(c.peer, 0);
	int stranger = peer_socket_add(c.peer, NULL, 0);
	uint64_t unknown = count(&COUNTERS->datagrams_unknown);
	assert_int_equal(peer_send_raw(c.peer, (unsigned)stranger, copy, len), 0);
	one_mediad_run(&one, 50000);
	assert_int_equal(count(&COUNTERS->datagrams_unknown), unknown + 1);
	/* From one that did, but is not nominated: a replay. */
	int second = peer_socket_add(c.peer, NULL, 0);
	assert_int_equal(peer_check(c.peer, (unsigned)second, false, false), 0);
	one_mediad_run(&one, 50000);
	assert_int_equal(peer_checks_answered(c.peer, (unsigned)second), 1);
	assert_int_equal(peer_send_raw(c.peer, (unsigned)second, copy, len), 0);
	/* And from where it came first. */
	assert_int_equal(peer_send_raw(c.peer, 0, copy, len), 0);
	one_mediad_run(&one, 50000);
	assert_int_equal(count(&COUNTERS->srtp_replays), 2);
	assert_int_equal(media_echo.rtp, 1);
	assert_true(address_equal(&before, &transport_of(&c)->rec->send_to));
	/* Fresh media from the second one is taken, and answered to the first. */
	peer_nominate(c.peer, (unsigned)second);
	expect_echo(&c, 2, 0);
	client_close(&c);
}

static void test_forged_packet(void **state)
{
	static struct client c;

	(void)state;
	client_up(&c, NULL);
	expect_echo(&c, 1, 0);
	c.sent[40] ^= 1;
	c.sent[3] = 77;
	assert_int_equal(peer_send_raw(c.peer, 0, c.sent, c.sent_len), 0);
	one_mediad_run(&one, 50000);
	assert_int_equal(count(&COUNTERS->srtp_auth_failures), 1);
	assert_int_equal(media_echo.rtp, 1);
	expect_echo(&c, 2, 0);
	client_close(&c);
}

static void test_three_addresses(void **state)
{
	static struct client c;

	(void)state;
	client_open(&c, NULL);
	client_offer(&c);
	struct peer_remote remote = one_mediad_remote(&one, &c.answer, 0);
	assert_int_equal(peer_remote_set(c.peer, &remote), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(peer_socket_add(c.peer, NULL, 0), i);
	/* The first valid one is number 0; number 2 is nominated. */
	peer_nominate(c.peer, 2);
	client_connect(&c, 0);
	assert_true(one_mediad_until(&one, is_connected, &c, WAIT_US));
	uint16_t seq = 1;
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(peer_check(c.peer, i, i == 2, false), 0);
		expect_echo(&c, seq++, 2);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_true(peer_checks_answered(c.peer, i) >= 50);
	assert_int_equal(c.rtp[0] + c.rtp[1], 0);
	client_close(&c);
}

static void test_nominated_check_moves(void **state)
{
	static struct client c;

	(void)state;
	client_up(&c, NULL);
	peer_checks_set(c.peer, 0);
	expect_echo(&c, 1, 0);
	int second = peer_socket_add(c.peer, NULL, 0);
	assert_int_equal(peer_check(c.peer, (unsigned)second, false, false), 0);
	one_mediad_run(&one, 30000);
	expect_echo(&c, 2, 0);
	assert_int_equal(peer_check(c.peer, (unsigned)second, true, false), 0);
	one_mediad_run(&one, 30000);
	expect_echo(&c, 3, (unsigned)second);
	client_close(&c);
}

static void test_many_addresses(void **state)
{
	static struct client c;
	enum { MORE = ICE_ADDRESSES_MAX + 4 };

	(void)state;
	client_up(&c, NULL);
	peer_checks_set(c.peer, 0);
	for (unsigned i = 1; i <= MORE; i++) {
		assert_int_equal(peer_socket_add(c.peer, NULL, 0), i);
		assert_int_equal(peer_check(c.peer, i, false, false), 0);
		one_mediad_run(&one, 5000);
		assert_int_equal(peer_checks_answered(c.peer, i), 1);
	}
	/* The nominated one is never the one that is forgotten. */
	expect_echo(&c, 1, 0);
	client_close(&c);
}

static void test_lost_and_swapped_flights(void **state)
{
	static const struct {
		uint64_t lose_out, lose_in;
		bool swap;
	} cases[] = {
		{ 0, 0, true },	 /* every pair of fragments the wrong way round */
		{ 1, 0, false }, /* the first fragment of the ClientHello */
		{ 2, 0, false }, /* the second */
		{ 5, 0, true },	 /* some, and the rest swapped */
		{ 0, 1, false }, /* the server's first */
		{ 0, 6, false }, /* more of the server's flight */
		{ 0x30, 0x8, false }, { 0x5555, 0x11, false },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		static struct client c;
		const struct peer_config config = { .dtls_mtu = 256 };
		client_open(&c, &config);
		c.lose_out = cases[i].lose_out;
		c.lose_in = cases[i].lose_in;
		c.swap = cases[i].swap;
		client_offer(&c);
		client_connect(&c, 0);
		if (!one_mediad_until(&one, is_connected, &c, 2 * WAIT_US))
			fail_msg("case %u: %s", i, peer_error(c.peer));
		expect_echo(&c, 1, 0);
		peer_close(c.peer);
		one_mediad_run(&one, 10000);
		client_close(&c);
	}
}

/* The server's last flight is lost: it must repeat it when the client repeats its Finished. */
static void test_lost_final_flight(void **state)
{
	static struct client c;

	(void)state;
	client_open(&c, NULL);
	client_offer(&c);
	client_connect(&c, 0);
	int64_t end_us = clock_now_us() + WAIT_US;
	while (!transport_of(&c)->srtp_out && clock_now_us() < end_us) {
		/* Whatever comes after the keys are made is lost, two times. */
		c.lose_in = UINT64_MAX << c.dtls_in;
		if (c.dtls_in == 0)
			c.lose_in = 0;
		one_mediad_run(&one, 1000);
		if (c.dtls_in > 0 && !transport_of(&c)->srtp_out)
			c.lose_in = 0;
	}
	assert_non_null(transport_of(&c)->srtp_out);
	one_mediad_run(&one, 200000);
	c.lose_in = 0;
	assert_true(one_mediad_until(&one, is_connected, &c, WAIT_US));
	expect_echo(&c, 1, 0);
	client_close(&c);
}

static void expire(struct transport *t, int64_t by_us)
{
	t->rec->consent_us -= by_us;
	t->state_us -= by_us;
	if (t->keyed_us)
		t->keyed_us -= by_us;
	assert_int_equal(loop_timer_start(one.loop, &t->timer, clock_now_us(), t->timer.cb, t), 0);
}

static void test_consent(void **state)
{
	static const uint8_t report[] = { 0x80, 201, 0, 1, 0xaa, 0xbb, 0xcc, 0x10 };
	static struct client c;

	(void)state;
	client_up(&c, NULL);
	expect_echo(&c, 1, 0);
	peer_checks_set(c.peer, 0);
	expire(transport_of(&c), 14 * USEC_PER_SEC);
	one_mediad_run(&one, 20000);
	assert_int_equal(state_of(&c), TRANSPORT_CONNECTED);
	expire(transport_of(&c), 1 * USEC_PER_SEC);
	one_mediad_run(&one, 20000);
	assert_int_equal(state_of(&c), TRANSPORT_DISCONNECTED);
	assert_int_equal(media_echo.suspended, 1);
	assert_int_equal(count(&COUNTERS->consent_lost), 1);
	assert_false(transport_is_sending(transport_of(&c)));
	/* Media without consent is taken, but nothing is sent. */
	unsigned before = rtp_total(&c);
	send_rtp(&c, 2);
	one_mediad_run(&one, 50000);
	assert_int_equal(rtp_total(&c), before);
	assert_int_equal(peer_check(c.peer, 0, true, false), 0);
	one_mediad_run(&one, 20000);
	assert_int_equal(state_of(&c), TRANSPORT_CONNECTED);
	assert_int_equal(media_echo.resumed, 1);
	expect_echo(&c, 3, 0);
	/* One who checks no more, and goes on to report. */
	for (unsigned i = 0; i < 2; i++) {
		expire(transport_of(&c), 14 * USEC_PER_SEC);
		assert_int_equal(peer_send_rtcp(c.peer, report, sizeof(report)), 0);
		one_mediad_run(&one, 50000);
		assert_int_equal(state_of(&c), TRANSPORT_CONNECTED);
	}
	expire(transport_of(&c), 16 * USEC_PER_SEC);
	one_mediad_run(&one, 20000);
	assert_int_equal(state_of(&c), TRANSPORT_DISCONNECTED);
	assert_int_equal(peer_send_rtcp(c.peer, report, sizeof(report)), 0);
	one_mediad_run(&one, 50000);
	assert_int_equal(state_of(&c), TRANSPORT_CONNECTED);
	assert_int_equal(media_echo.resumed, 2);
	/* Gone for good. */
	expire(transport_of(&c), 16 * USEC_PER_SEC);
	one_mediad_run(&one, 20000);
	assert_int_equal(state_of(&c), TRANSPORT_DISCONNECTED);
	expire(transport_of(&c), 46 * USEC_PER_SEC);
	one_mediad_run(&one, 50000);
	assert_null(transport_of(&c));
	assert_int_equal(media_echo.closed, 1);
	/* close_notify reached the client. */
	assert_int_equal(peer_state(c.peer), PEER_CLOSED);
	client_close(&c);
}

static void test_nobody_comes(void **state)
{
	static struct client c;

	(void)state;
	client_open(&c, NULL);
	client_offer(&c);
	expire(transport_of(&c), 29 * USEC_PER_SEC);
	one_mediad_run(&one, 10000);
	assert_int_equal(state_of(&c), TRANSPORT_NEW);
	expire(transport_of(&c), 2 * USEC_PER_SEC);
	one_mediad_run(&one, 10000);
	assert_null(transport_of(&c));
	assert_int_equal(count(&COUNTERS->transports), 0);
	client_close(&c);
}

static void test_listener(void **state)
{
	static struct client c;

	(void)state;
	client_up(&c, NULL);
	assert_int_equal(state_of(&c), TRANSPORT_HANDSHAKE);
	assert_true(one_mediad_until(&one, is_up, &c, 3 * USEC_PER_SEC));
	assert_int_equal(media_echo.connected, 1);
	client_close(&c);
}

static void test_role_conflict(void **state)
{
	static struct client c;

	(void)state;
	client_up(&c, NULL);
	peer_checks_set(c.peer, 0);
	expect_echo(&c, 1, 0);
	int second = peer_socket_add(c.peer, NULL, 0);
	assert_int_equal(peer_check(c.peer, (unsigned)second, true, true), 0);
	one_mediad_run(&one, 50000);
	assert_int_equal(peer_check_error(c.peer, (unsigned)second), 487);
	assert_int_equal(peer_checks_answered(c.peer, (unsigned)second), 0);
	/* It proved nothing, least of all a nomination. */
	expect_echo(&c, 2, 0);
	client_close(&c);
}

static void test_wrong_password(void **state)
{
	static struct client c;

	(void)state;
	client_open(&c, NULL);
	client_offer(&c);
	c.answer.head.pwd[0] ^= 1;
	client_connect(&c, 0);
	one_mediad_run(&one, 200000);
	/* No answer at all: a stranger gets nothing reflected. */
	assert_int_equal(c.stun, 0);
	assert_true(count(&COUNTERS->stun_bad) >= 2);
	assert_int_equal(state_of(&c), TRANSPORT_NEW);
	client_close(&c);
}

static void test_ice_restart(void **state)
{
	static struct client c;
	struct peer_remote remote;

	(void)state;
	client_up(&c, NULL);
	peer_checks_set(c.peer, 0);
	expect_echo(&c, 1, 0);
	struct transport *t = transport_of(&c);
	struct msg_offer offer = one_mediad_offer_of("newufrag", "newpasswordnewpassword");
	offer.transport = t->handle;
	offer.call = t->rec->call;
	offer.member = t->rec->member;
	struct one_answer again;
	/* Not from another device of the same person. */
	one_mediad_offer(&one, &offer, NULL, &again);
	assert_int_equal(again.type, MSG_ERROR);
	assert_int_equal(again.error.code, MSG_ERR_GONE);
	offer.sign_in = t->rec->sign_in;
	one_mediad_offer(&one, &offer, NULL, &again);
	assert_int_equal(again.type, MSG_ANSWER_END);
	assert_true(again.head.transport == c.answer.head.transport);
	assert_string_not_equal(again.head.ufrag, c.answer.head.ufrag);
	/* The old credentials still count... */
	unsigned answered = peer_checks_answered(c.peer, 0);
	assert_int_equal(peer_check(c.peer, 0, false, false), 0);
	one_mediad_run(&one, 30000);
	assert_int_equal(peer_checks_answered(c.peer, 0), answered + 1);
	/* ...until the new ones are used. */
	remote = one_mediad_remote(&one, &again, 0);
	assert_int_equal(peer_remote_set(c.peer, &remote), 0);
	assert_int_equal(peer_check(c.peer, 0, true, false), 0);
	one_mediad_run(&one, 30000);
	assert_int_equal(peer_checks_answered(c.peer, 0), answered + 2);
	remote = one_mediad_remote(&one, &c.answer, 0);
	assert_int_equal(peer_remote_set(c.peer, &remote), 0);
	assert_int_equal(peer_check(c.peer, 0, true, false), 0);
	one_mediad_run(&one, 30000);
	assert_int_equal(peer_checks_answered(c.peer, 0), answered + 2);
	/* Same association, same indexes. */
	expect_echo(&c, 2, 0);
	client_close(&c);
}

/* The client's way is dead, the one for requests too: it checks from elsewhere, under our name with something behind.
 */
static void test_ice_restart_alone(void **state)
{
	static struct client c;
	char ufrag[sizeof(c.answer.head.ufrag) + ICE_UFRAG_MORE + 1];

	(void)state;
	client_up(&c, NULL);
	expect_echo(&c, 1, 0);
	peer_checks_set(c.peer, 0);
	assert_int_equal(peer_socket_add(c.peer, NULL, 0), 1);
	struct peer_remote remote = one_mediad_remote(&one, &c.answer, 0);
	uint64_t bad = count(&COUNTERS->stun_bad);
	snprintf(ufrag, sizeof(ufrag), "%s12345", c.answer.head.ufrag);
	remote.ufrag = ufrag;
	assert_int_equal(peer_remote_set(c.peer, &remote), 0);
	assert_int_equal(peer_check(c.peer, 1, true, false), 0);
	one_mediad_run(&one, 30000);
	assert_int_equal(count(&COUNTERS->stun_bad), bad + 1);
	expect_echo(&c, 2, 0);
	ufrag[ICE_UFRAG_LEN + 3] = 0;
	assert_int_equal(peer_remote_set(c.peer, &remote), 0);
	assert_int_equal(peer_check(c.peer, 1, true, false), 0);
	one_mediad_run(&one, 30000);
	assert_int_equal(peer_checks_answered(c.peer, 1), 1);
	expect_echo(&c, 3, 1);
	client_close(&c);
}

/* A participant who forges another's address in a check of his own gets neither its packets nor an answer. */
static void test_stolen_address(void **state)
{
	static struct client victim, thief;

	(void)state;
	client_up(&victim, NULL);
	expect_echo(&victim, 1, 0);
	client_open(&thief, NULL);
	client_offer(&thief);
	thief.intercept = true;
	client_connect(&thief, 0);
	uint64_t bad = count(&COUNTERS->stun_bad);
	assert_int_equal(peer_send_raw(victim.peer, 0, thief.sent, thief.sent_len), 0);
	one_mediad_run(&one, 50000);
	assert_int_equal(count(&COUNTERS->stun_bad), bad + 1);
	assert_int_equal(state_of(&thief), TRANSPORT_NEW);
	expect_echo(&victim, 2, 0);
	/* After the consent time it is free: a NAT may have given it to somebody else. */
	peer_checks_set(victim.peer, 0);
	struct session_address address = transport_of(&victim)->rec->send_to;
	ice_find(transport_of(&victim)->ice, &address)->checked_us -= 16 * USEC_PER_SEC;
	assert_int_equal(peer_send_raw(victim.peer, 0, thief.sent, thief.sent_len), 0);
	one_mediad_run(&one, 50000);
	assert_int_equal(state_of(&thief), TRANSPORT_HANDSHAKE);
	assert_int_equal(transport_of(&victim)->rec->send_to.family, 0);
	client_close(&victim);
	client_close(&thief);
}

static void test_peer_closes(void **state)
{
	static struct client c;

	(void)state;
	client_up(&c, NULL);
	expect_echo(&c, 1, 0);
	peer_close(c.peer);
	one_mediad_run(&one, 50000);
	assert_null(transport_of(&c));
	assert_int_equal(count(&COUNTERS->transports), 0);
	client_close(&c);
}

static void test_garbage(void **state)
{
	static struct client c;
	uint8_t data[1500];

	(void)state;
	client_up(&c, NULL);
	expect_echo(&c, 1, 0);
	srand(3);
	for (unsigned n = 0; n < 3000; n++) {
		size_t len = (size_t)rand() % sizeof(data);
		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)rand();
		if (len > 2 && n % 3 == 0) {
			data[0] = 22;
			data[1] = 254;
			data[2] = 253;
		}
		(void)peer_send_raw(c.peer, 0, data, len);
		if (n % 50 == 0)
			one_mediad_run(&one, 1000);
	}
	one_mediad_run(&one, 20000);
	expect_echo(&c, 2, 0);
	client_close(&c);
}

static void test_slots_come_back(void **state)
{
	static struct client c;

	(void)state;
	client_up(&c, NULL);
	uint64_t generation = one.md.ring.generation;
	for (uint16_t seq = 1; seq <= 300; seq++)
		expect_echo(&c, seq, 0);
	/* Not kept: the ring has not advanced. */
	assert_true(one.md.ring.generation == generation);
	media_echo.publish = true;
	for (uint16_t seq = 301; seq <= 301 + 2 * RING_SLOTS_MIN; seq++)
		expect_echo(&c, seq, 0);
	assert_true(one.md.ring.generation == generation + 2 * RING_SLOTS_MIN + 1);
	client_close(&c);
}

/* ---- control ---- */

static void test_refused_offers(void **state)
{
	static struct client c;
	struct one_answer answer;
	struct session_mline lines[3];

	(void)state;
	client_open(&c, NULL);
	memset(lines, 0, sizeof(lines));
	struct msg_offer offer = one_mediad_offer_of(peer_ufrag(c.peer), peer_pwd(c.peer));
	media_echo.refuse = true;
	one_mediad_offer(&one, &offer, NULL, &answer);
	assert_int_equal(answer.type, MSG_ERROR);
	assert_int_equal(answer.error.code, MSG_ERR_FULL);
	assert_int_equal(count(&COUNTERS->transports), 0);
	media_echo.refuse = false;
	/* Somebody else's, then a fingerprint that changed, then fewer m-lines. */
	offer.mlines_len = 3;
	one_mediad_offer(&one, &offer, lines, &c.answer);
	assert_int_equal(c.answer.type, MSG_ANSWER_END);
	struct msg_offer again = offer;
	again.transport = c.answer.head.transport;
	again.member = id_random();
	one_mediad_offer(&one, &again, lines, &answer);
	assert_int_equal(answer.error.code, MSG_ERR_GONE);
	again.member = offer.member;
	again.fingerprint[0] ^= 1;
	one_mediad_offer(&one, &again, lines, &answer);
	assert_int_equal(answer.error.code, MSG_ERR_BAD);
	again.fingerprint[0] ^= 1;
	again.mlines_len = 2;
	one_mediad_offer(&one, &again, lines, &answer);
	assert_int_equal(answer.error.code, MSG_ERR_BAD);
	/* Refused by the media side: the old m-lines stand. */
	again.mlines_len = 3;
	memcpy(lines[1].mid, "new", 4);
	media_echo.refuse = true;
	one_mediad_offer(&one, &again, lines, &answer);
	assert_int_equal(answer.error.code, MSG_ERR_FULL);
	assert_string_equal(transport_of(&c)->rec->mline[1].mid, "");
	media_echo.refuse = false;
	one_mediad_offer(&one, &again, lines, &answer);
	assert_int_equal(answer.type, MSG_ANSWER_END);
	assert_string_equal(transport_of(&c)->rec->mline[1].mid, "new");
	/* Same credentials: no restart. */
	assert_string_equal(answer.head.ufrag, c.answer.head.ufrag);
	/* END without BEGIN. */
	one_mediad_ask(&one, MSG_OFFER_END, NULL, 0, &answer);
	assert_int_equal(answer.error.code, MSG_ERR_BAD);
	client_close(&c);
}

static void test_table_full(void **state)
{
	struct one_answer answer;
	unsigned made = 0;

	(void)state;
	for (;;) {
		struct msg_offer offer = one_mediad_offer_of("abcd", "abcdefghijklmnopqrstuvwx");
		one_mediad_offer(&one, &offer, NULL, &answer);
		if (answer.type != MSG_ANSWER_END)
			break;
		made++;
	}
	assert_int_equal(answer.error.code, MSG_ERR_FULL);
	assert_int_equal(made, one.md.table.max_transports);
	one_mediad_ask(&one, MSG_LIST, NULL, 0, &answer);
	assert_int_equal(answer.type, MSG_LIST_END);
	assert_int_equal(answer.items_len, made);
	struct msg_call call = { .call = answer.item[3].call };
	one_mediad_tell(&one, MSG_CALL_CLOSE, 99, &call, sizeof(call));
	struct msg_handle handle = { .handle = answer.item[7].transport };
	struct one_answer ok;
	one_mediad_ask(&one, MSG_TRANSPORT_CLOSE, &handle, sizeof(handle), &ok);
	assert_int_equal(ok.type, MSG_OK);
	one_mediad_ask(&one, MSG_TRANSPORT_CLOSE, &handle, sizeof(handle), &ok);
	assert_int_equal(ok.type, MSG_OK);
	struct msg_leave leave = { .transport = answer.item[9].transport, .call = answer.item[9].call };
	one_mediad_ask(&one, MSG_TRANSPORT_LEAVE, &leave, sizeof(leave), &ok);
	assert_int_equal(ok.error.code, MSG_ERR_GONE);
	leave.member = answer.item[9].member;
	one_mediad_ask(&one, MSG_TRANSPORT_LEAVE, &leave, sizeof(leave), &ok);
	assert_int_equal(ok.type, MSG_OK);
	struct msg_member member = { .call = answer.item[11].call,
				     .member = answer.item[11].member,
				     .except = answer.item[11].transport };
	one_mediad_tell(&one, MSG_MEMBER_CLOSE, 99, &member, sizeof(member));
	one_mediad_run(&one, 20000);
	assert_int_equal(count(&COUNTERS->transports), made - 3);
	member.except = 0;
	one_mediad_tell(&one, MSG_MEMBER_CLOSE, 99, &member, sizeof(member));
	one_mediad_run(&one, 20000);
	assert_int_equal(count(&COUNTERS->transports), made - 4);
	/* The places are used again, under handles that are new. */
	struct msg_offer offer = one_mediad_offer_of("abcd", "abcdefghijklmnopqrstuvwx");
	one_mediad_offer(&one, &offer, NULL, &ok);
	assert_int_equal(ok.type, MSG_ANSWER_END);
	for (unsigned i = 0; i < answer.items_len; i++)
		assert_true(ok.head.transport != answer.item[i].transport);
}

static void test_media_lost(void **state)
{
	static struct client c;

	(void)state;
	client_up(&c, NULL);
	expect_echo(&c, 1, 0);
	client_close(&c);
	one.events_len = 0;
	/* It ends without a word, as if it had died; the next one finds the table. */
	one_mediad_close(&one);
	assert_int_equal(one_mediad_open(&one), 0);
	one_mediad_run(&one, 20000);
	const struct one_event *e = one_mediad_event(&one, c.answer.head.transport);
	assert_non_null(e);
	assert_int_equal(e->type, MSG_MEDIA_LOST);
	assert_int_equal(count(&COUNTERS->transports), 0);
	assert_null(session_transport_find(&one.md.table, c.answer.head.transport));
	assert_int_equal(peer_start(), 0);
	client_up(&c, NULL);
	expect_echo(&c, 1, 0);
	client_close(&c);
}

static void peer_says(uint32_t epoch)
{
	struct msg_call call = { .call = id_random() };

	one.peer.epoch = epoch;
	assert_int_equal(link_push(&one.peer, MSG_CALL_HERE, 0, &call, sizeof(call)), 0);
	one_mediad_run(&one, 10000);
}

static void test_other_mediad_restarts(void **state)
{
	stat_t *epoch = &one.stats.shm->mediad[1].process.epoch;

	(void)state;
	/* Its first incarnation is no restart, by whichever way we learn of it. */
	stat_set(epoch, 1);
	one_mediad_run(&one, 300000);
	peer_says(1);
	assert_int_equal(media_echo.peer_restarts, 0);
	assert_int_equal(media_echo.peer_msgs, 1);
	/* By its messages; what the dead one left is not acted upon any more. */
	peer_says(2);
	assert_int_equal(media_echo.peer_restarts, 1);
	assert_int_equal(media_echo.peer_msgs, 2);
	peer_says(1);
	assert_int_equal(media_echo.peer_msgs, 2);
	/* By the stats. */
	stat_set(epoch, 3);
	one_mediad_run(&one, 300000);
	assert_int_equal(media_echo.peer_restarts, 2);
	/* What is not for us is counted. */
	uint64_t nonsense = count(&COUNTERS->link_nonsense);
	assert_int_equal(link_push(&one.peer, MSG_LIST, 0, NULL, 0), 0);
	assert_int_equal(link_push(&one.link, MSG_CALL_GONE, 0, NULL, 0), 0);
	assert_int_equal(link_push(&one.link, 9999, 0, NULL, 0), 0);
	one_mediad_run(&one, 10000);
	assert_int_equal(count(&COUNTERS->link_nonsense), nonsense + 3);
}

#define TRANSPORT_TEST(name) ONE_MEDIAD_TEST(name, &one)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRANSPORT_TEST(test_connects_gcm),
		TRANSPORT_TEST(test_connects_sha1),
		TRANSPORT_TEST(test_connects_ipv6),
		TRANSPORT_TEST(test_full_ice_agent),
		TRANSPORT_TEST(test_wrong_fingerprint),
		TRANSPORT_TEST(test_copied_packet),
		TRANSPORT_TEST(test_forged_packet),
		TRANSPORT_TEST(test_three_addresses),
		TRANSPORT_TEST(test_nominated_check_moves),
		TRANSPORT_TEST(test_many_addresses),
		TRANSPORT_TEST(test_lost_and_swapped_flights),
		TRANSPORT_TEST(test_lost_final_flight),
		TRANSPORT_TEST(test_consent),
		TRANSPORT_TEST(test_nobody_comes),
		TRANSPORT_TEST(test_listener),
		TRANSPORT_TEST(test_role_conflict),
		TRANSPORT_TEST(test_wrong_password),
		TRANSPORT_TEST(test_ice_restart),
		TRANSPORT_TEST(test_ice_restart_alone),
		TRANSPORT_TEST(test_stolen_address),
		TRANSPORT_TEST(test_peer_closes),
		TRANSPORT_TEST(test_garbage),
		TRANSPORT_TEST(test_slots_come_back),
		TRANSPORT_TEST(test_refused_offers),
		TRANSPORT_TEST(test_table_full),
		TRANSPORT_TEST(test_media_lost),
		TRANSPORT_TEST(test_other_mediad_restarts),
	};

	return cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}
