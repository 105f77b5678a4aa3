/* links: support mediad */
#include "mediad/dtls.h"
#include "tests/support/certificate.h"
#include "tests/support/cm.h"
#include "tools/load/peer.h"

#include <stdlib.h>
#include <string.h>

/* A client and a server with nothing between them but two queues, which lose, swap and repeat. */

enum { QUEUE = 256, AT_MOST_US = 20 * 1000 * 1000 };

struct datagram {
	uint8_t data[PEER_DATAGRAM_MAX];
	size_t len;
};

struct queue {
	struct datagram *d; /* QUEUE of them */
	unsigned head, tail;
};

static struct {
	struct loop *loop;
	struct dtls_context *context;
	struct dtls *server;
	struct peer *client;
	enum dtls_state server_state;
	struct queue up, down; /* towards the server; towards the client */
	unsigned seed, loss_percent, swap_percent, repeat_percent;
	unsigned hello_datagrams; /* before the server's first answer */
	unsigned rtp, largest_down;
} net;

static bool chance(unsigned percent)
{
	return (unsigned)rand_r(&net.seed) % 100 < percent;
}

static void push(struct queue *q, const uint8_t *data, size_t len)
{
	assert_true(q->head - q->tail < QUEUE && len <= PEER_DATAGRAM_MAX);
	struct datagram *d = &q->d[q->head++ % QUEUE];
	memcpy(d->data, data, len);
	d->len = len;
	if (q->head - q->tail >= 2 && chance(net.swap_percent)) {
		struct datagram swap = q->d[(q->head - 1) % QUEUE];
		q->d[(q->head - 1) % QUEUE] = q->d[(q->head - 2) % QUEUE];
		q->d[(q->head - 2) % QUEUE] = swap;
	}
}

static void travel(struct queue *q, const uint8_t *data, size_t len)
{
	if (chance(net.loss_percent))
		return;
	push(q, data, len);
	if (chance(net.repeat_percent))
		push(q, data, len);
}

static void on_client_send(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	if (net.down.head == 0)
		net.hello_datagrams++;
	travel(&net.up, data, len);
}

static void on_server_send(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	net.largest_down = MAX(net.largest_down, (unsigned)len);
	travel(&net.down, data, len);
}

static void on_rtp(struct peer *peer, unsigned socket, const uint8_t *packet, size_t len, void *arg)
{
	(void)peer;
	(void)socket;
	(void)packet;
	(void)len;
	(void)arg;
	net.rtp++;
}

static void step(void)
{
	while (net.up.tail != net.up.head || net.down.tail != net.down.head) {
		if (net.up.tail != net.up.head) {
			struct datagram d = net.up.d[net.up.tail++ % QUEUE];
			net.server_state = dtls_on_datagram(net.server, d.data, d.len);
		}
		if (net.down.tail != net.down.head) {
			struct datagram d = net.down.d[net.down.tail++ % QUEUE];
			peer_on_datagram(net.client, 0, d.data, d.len);
		}
	}
	loop_turn(net.loop, USEC_PER_MSEC);
	if (dtls_timeout_us(net.server) == 0)
		net.server_state = dtls_on_timer(net.server);
}

static bool handshake(int64_t at_most_us)
{
	int64_t end_us = clock_now_us() + at_most_us;

	assert_int_equal(peer_begin_dtls(net.client), 0);
	while (clock_now_us() < end_us && peer_state(net.client) == PEER_HANDSHAKE && net.server_state <= DTLS_DONE)
		step();
	for (unsigned i = 0; i < 5; i++)
		step();
	return peer_state(net.client) == PEER_CONNECTED && net.server_state == DTLS_DONE;
}

static void begin(const struct peer_config *with, bool right_fingerprint)
{
	static const struct peer_ops ops = { .on_rtp = on_rtp };
	struct peer_config config = with ? *with : (struct peer_config){ 0 };
	uint8_t fingerprint[32];

	memcpy(fingerprint, peer_fingerprint(), sizeof(fingerprint));
	fingerprint[0] ^= !right_fingerprint;
	config.loop = net.loop;
	config.ops = &ops;
	config.send = on_client_send;
	net.up.head = net.up.tail = net.down.head = net.down.tail = 0;
	net.server_state = DTLS_HANDSHAKE;
	net.hello_datagrams = net.rtp = net.largest_down = 0;
	assert_int_equal(peer_new(&config, &net.client), 0);
	assert_int_equal(dtls_new(net.context, fingerprint, on_server_send, NULL, &net.server), 0);
}

static void end(void)
{
	net.client = peer_free(net.client);
	net.server = dtls_free(net.server);
}

static int setup(void **state)
{
	size_t len;

	(void)state;
	char *pem = certificate_make(&len);
	net.up.d = calloc(QUEUE, sizeof(struct datagram));
	net.down.d = calloc(QUEUE, sizeof(struct datagram));
	int err = srtp_start() || peer_start() || loop_new(&net.loop) || dtls_context_new(pem, len, &net.context);
	free(pem);
	return err;
}

static int teardown(void **state)
{
	(void)state;
	free(net.up.d);
	free(net.down.d);
	net.context = dtls_context_free(net.context);
	net.loop = loop_free(net.loop);
	srtp_stop();
	return 0;
}

static int quiet(void **state)
{
	(void)state;
	net.loss_percent = net.swap_percent = net.repeat_percent = 0;
	net.seed = 1;
	return 0;
}

/* ---- tests ---- */

/* Both sides have the same keys, each its own direction. */
static void expect_same_keys(enum srtp_profile profile)
{
	uint8_t packet[100] __attribute__((aligned(16))) = { 0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1 };
	struct dtls_keys keys;
	struct srtp_out *out;
	struct srtp_in *in;
	size_t len;
	uint64_t index;

	assert_int_equal(dtls_keys(net.server, &keys), 0);
	assert_int_equal(keys.profile, profile);
	assert_int_equal(srtp_out_new(keys.profile, keys.tx, &out), 0);
	assert_int_equal(srtp_in_new(keys.profile, keys.rx, &in), 0);
	assert_int_equal(srtp_out_rtp(out, packet, 60, 1, &len), 0);
	net.rtp = 0;
	peer_on_datagram(net.client, 0, packet, len);
	assert_int_equal(net.rtp, 1);
	net.loss_percent = 0;
	unsigned at = net.up.head;
	static const uint8_t plain[40] = { 0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2 };
	assert_int_equal(peer_send_rtp(net.client, plain, sizeof(plain)), 0);
	struct datagram *d = &net.up.d[at % QUEUE];
	memcpy(packet, d->data, d->len);
	assert_int_equal(srtp_in_rtp(in, packet, d->len, &len, &index), 0);
	assert_memory_equal(packet, plain, sizeof(plain));
	net.up.tail = net.up.head;
	srtp_out_free(out);
	srtp_in_free(in);
}

static void test_handshake(void **state)
{
	static const struct {
		const char *client;
		enum srtp_profile expected;
	} cases[] = {
		{ NULL, SRTP_AEAD_AES_128_GCM },
		{ "SRTP_AES128_CM_SHA1_80", SRTP_AES128_CM_SHA1_80 },
		/* The server's order counts. */
		{ "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM", SRTP_AEAD_AES_128_GCM },
		{ "SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80", SRTP_AES128_CM_SHA1_80 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		const struct peer_config config = { .profiles = cases[i].client };
		begin(&config, true);
		assert_true(handshake(AT_MOST_US));
		expect_same_keys(cases[i].expected);
		assert_true(net.largest_down <= DTLS_MTU);
		end();
	}
}

static void test_no_common_profile(void **state)
{
	const struct peer_config config = { .profiles = "SRTP_AEAD_AES_256_GCM" };
	struct dtls_keys keys;

	(void)state;
	begin(&config, true);
	(void)handshake(AT_MOST_US);
	assert_int_equal(dtls_keys(net.server, &keys), -EPROTO);
	end();
}

static void test_wrong_fingerprint(void **state)
{
	struct dtls_keys keys;

	(void)state;
	begin(NULL, false);
	assert_false(handshake(AT_MOST_US));
	assert_int_equal(net.server_state, DTLS_REFUSED);
	assert_int_equal(dtls_keys(net.server, &keys), -EPROTO);
	assert_int_equal(peer_state(net.client), PEER_FAILED);
	end();
}

static void test_no_certificate(void **state)
{
	const struct peer_config config = { .anonymous = true };

	(void)state;
	begin(&config, true);
	assert_false(handshake(AT_MOST_US));
	assert_int_equal(net.server_state, DTLS_FAILED);
	end();
}

/* What browsers send today: a ClientHello in two datagrams; and in eight, with any order and losses. */
static void test_large_hello(void **state)
{
	static const unsigned mtu[] = { 1200, 800, 256 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(mtu); i++) {
		const struct peer_config config = { .dtls_mtu = mtu[i], .hello_bytes = 1300 };
		begin(&config, true);
		assert_true(handshake(AT_MOST_US));
		assert_true(net.hello_datagrams >= 2);
		expect_same_keys(SRTP_AEAD_AES_128_GCM);
		end();
	}
}

static void test_bad_network(void **state)
{
	enum { ROUNDS = 12 };

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		const struct peer_config config = { .dtls_mtu = i % 2 ? 256 : 600, .hello_bytes = 1300 };
		net.seed = 1000 + i;
		net.loss_percent = 15;
		net.swap_percent = 40;
		net.repeat_percent = 20;
		begin(&config, true);
		if (!handshake(AT_MOST_US))
			fail_msg("round %u: client %d (%s), server %d (%s)", i, peer_state(net.client),
				 peer_error(net.client), net.server_state, dtls_error(net.server));
		net.swap_percent = net.repeat_percent = 0;
		expect_same_keys(SRTP_AEAD_AES_128_GCM);
		end();
	}
}

/* Everything the server sends after its keys are there is lost for a while. */
static void test_final_flight_is_repeated(void **state)
{
	int64_t end_us = clock_now_us() + AT_MOST_US;

	(void)state;
	begin(NULL, true);
	assert_int_equal(peer_begin_dtls(net.client), 0);
	while (net.server_state == DTLS_HANDSHAKE && clock_now_us() < end_us) {
		/* One datagram at a time, so that we stop right behind the client's Finished. */
		if (net.up.tail != net.up.head) {
			struct datagram d = net.up.d[net.up.tail++ % QUEUE];
			unsigned before = net.down.head;
			net.server_state = dtls_on_datagram(net.server, d.data, d.len);
			if (net.server_state == DTLS_DONE)
				net.down.head = before;
		} else if (net.down.tail != net.down.head) {
			struct datagram d = net.down.d[net.down.tail++ % QUEUE];
			peer_on_datagram(net.client, 0, d.data, d.len);
		} else {
			loop_turn(net.loop, USEC_PER_MSEC);
		}
	}
	assert_int_equal(net.server_state, DTLS_DONE);
	assert_int_equal(peer_state(net.client), PEER_HANDSHAKE);
	/* Two of the client's repetitions are answered in vain. */
	unsigned answers = 0;
	while (answers < 2 && clock_now_us() < end_us) {
		loop_turn(net.loop, USEC_PER_MSEC);
		unsigned before = net.down.head;
		while (net.up.tail != net.up.head) {
			struct datagram d = net.up.d[net.up.tail++ % QUEUE];
			net.server_state = dtls_on_datagram(net.server, d.data, d.len);
		}
		answers += net.down.head != before;
		net.down.tail = net.down.head;
	}
	assert_int_equal(answers, 2);
	while (peer_state(net.client) == PEER_HANDSHAKE && clock_now_us() < end_us)
		step();
	assert_int_equal(peer_state(net.client), PEER_CONNECTED);
	expect_same_keys(SRTP_AEAD_AES_128_GCM);
	end();
}

static void test_close_both_ways(void **state)
{
	(void)state;
	begin(NULL, true);
	assert_true(handshake(AT_MOST_US));
	dtls_close(net.server);
	step();
	assert_int_equal(peer_state(net.client), PEER_CLOSED);
	end();
	begin(NULL, true);
	assert_true(handshake(AT_MOST_US));
	peer_close(net.client);
	step();
	assert_int_equal(net.server_state, DTLS_CLOSED);
	end();
}

/* Garbage in between, as a stranger could send it, does not end a finished association. */
static void test_garbage(void **state)
{
	uint8_t data[600];

	(void)state;
	begin(NULL, true);
	assert_true(handshake(AT_MOST_US));
	for (unsigned n = 0; n < 2000; n++) {
		size_t len = (size_t)rand_r(&net.seed) % sizeof(data);
		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)rand_r(&net.seed);
		if (len > 12) {
			data[0] = (uint8_t)(20 + n % 4);
			data[1] = 254;
			data[2] = 253;
			data[3] = 0;
			data[4] = n % 2;
			data[11] = (uint8_t)((len - 13) >> 8);
			data[12] = (uint8_t)(len - 13);
		}
		if (dtls_on_datagram(net.server, data, len) != DTLS_DONE)
			fail_msg("datagram %u of %zu bytes, type %u: %s", n, len, data[0], dtls_error(net.server));
	}
	dtls_close(net.server);
	net.down.tail = net.down.head - 1;
	step();
	assert_int_equal(peer_state(net.client), PEER_CLOSED);
	end();
}

static void test_bad_identity(void **state)
{
	struct dtls_context *context;
	static const char text[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

	(void)state;
	assert_int_equal(dtls_context_new("", 0, &context), -EINVAL);
	assert_int_equal(dtls_context_new(text, sizeof(text) - 1, &context), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_handshake, quiet),
		cmocka_unit_test_setup(test_no_common_profile, quiet),
		cmocka_unit_test_setup(test_wrong_fingerprint, quiet),
		cmocka_unit_test_setup(test_no_certificate, quiet),
		cmocka_unit_test_setup(test_large_hello, quiet),
		cmocka_unit_test_setup(test_bad_network, quiet),
		cmocka_unit_test_setup(test_final_flight_is_repeated, quiet),
		cmocka_unit_test_setup(test_close_both_ways, quiet),
		cmocka_unit_test_setup(test_garbage, quiet),
		cmocka_unit_test_setup(test_bad_identity, quiet),
	};

	return cmocka_run_group_tests_name("dtls", tests, setup, teardown);
}
