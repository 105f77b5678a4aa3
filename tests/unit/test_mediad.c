/* links: support mediad */
#include "lib/cleanup.h"
#include "tests/support/cm.h"
#include "tests/support/one_mediad.h"
#include "tools/load/peer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* The program parley-mediad itself, as the master starts it; this test is its worker and its clients. */

enum { WAIT_US = 10 * 1000 * 1000 };

struct client {
	struct peer *peer;
	struct one_answer answer;
	unsigned rtp;
	uint32_t ssrc; /* of what came */
	uint16_t seq;
	uint8_t last[PEER_DATAGRAM_MAX], last_sealed[PEER_DATAGRAM_MAX];
	size_t last_len, last_sealed_len;
	/* Digest of the ciphertext of each (SSRC, sequence number) that came: none comes twice with other bytes. */
	unsigned seen_len;
	struct {
		uint32_t ssrc;
		uint16_t seq;
		uint64_t digest;
	} seen[4096];
};

static struct one_mediad one;
static char program[4096];

static uint32_t read32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool on_receive(struct peer *peer, unsigned socket, const uint8_t *data, size_t len, void *arg)
{
	struct client *c = arg;

	(void)peer;
	(void)socket;
	if (data[0] < 128 || (data[1] >= 192 && data[1] <= 223))
		return true;
	memcpy(c->last_sealed, data, len);
	c->last_sealed_len = len;
	uint32_t ssrc = read32(data + 8);
	uint16_t seq = (uint16_t)(data[2] << 8 | data[3]);
	uint64_t digest = hash_bytes(data, len);
	for (unsigned i = 0; i < c->seen_len; i++) {
		if (c->seen[i].ssrc == ssrc && c->seen[i].seq == seq)
			assert_true(c->seen[i].digest == digest);
	}
	if (c->seen_len < ARRAY_LEN(c->seen)) {
		c->seen[c->seen_len].ssrc = ssrc;
		c->seen[c->seen_len].seq = seq;
		c->seen[c->seen_len++].digest = digest;
	}
	return true;
}

static void on_rtp(struct peer *peer, unsigned socket, const uint8_t *packet, size_t len, void *arg)
{
	struct client *c = arg;

	(void)peer;
	(void)socket;
	c->rtp++;
	c->ssrc = read32(packet + 8);
	c->seq = (uint16_t)(packet[2] << 8 | packet[3]);
	memcpy(c->last, packet, len);
	c->last_len = len;
}

static const struct peer_ops ops = { .on_receive = on_receive, .on_rtp = on_rtp };

static bool is_connected(void *arg)
{
	return peer_state(((struct client *)arg)->peer) == PEER_CONNECTED;
}

static bool is_ready(void *arg)
{
	(void)arg;
	return stat_get(&one.stats.shm->mediad[0].process.state) == PROCESS_READY;
}

static struct session_mline audio_line(uint32_t ssrc)
{
	struct session_mline line = {
		.mid = "0",
		.media = MEDIA_AUDIO,
		.receives = 1,
		.sends = 1,
		.track_kind = TRACK_MICROPHONE,
		.codecs_len = 1,
		.layers_len = 1,
		.codec = { { .codec = CODEC_OPUS, .pt = 111, .clock_rate = 48000, .channels = 2 } },
	};

	line.layer[0].ssrc = ssrc;
	return line;
}

static void client_up(struct client *c, const struct id *call, uint32_t ssrc)
{
	struct peer_config config = { .loop = one.loop, .ops = &ops, .arg = c };
	struct session_mline line = audio_line(ssrc);

	memset(c, 0, sizeof(*c));
	assert_int_equal(peer_new(&config, &c->peer), 0);
	struct msg_offer offer = one_mediad_offer_of(peer_ufrag(c->peer), peer_pwd(c->peer));
	offer.call = *call;
	offer.mlines_len = 1;
	one_mediad_offer(&one, &offer, &line, &c->answer);
	assert_int_equal(c->answer.type, MSG_ANSWER_END);
	assert_int_equal(c->answer.seats_len, 1);
	struct peer_remote remote = one_mediad_remote(&one, &c->answer, 0);
	assert_int_equal(peer_connect(c->peer, &remote), 0);
	assert_true(one_mediad_until(&one, is_connected, c, WAIT_US));
}

static void send_audio(struct client *c, uint32_t ssrc, uint16_t seq)
{
	uint8_t packet[92] = { 0x80, 111, (uint8_t)(seq >> 8), (uint8_t)seq };
	uint32_t timestamp = seq * 960u;

	for (unsigned i = 0; i < 4; i++) {
		packet[4 + i] = (uint8_t)(timestamp >> (24 - 8 * i));
		packet[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
	}
	memset(packet + 12, 0x50 + seq % 16, sizeof(packet) - 12);
	assert_int_equal(peer_send_rtp(c->peer, packet, sizeof(packet)), 0);
}

static int setup(void **state)
{
	(void)state;
	if (one_mediad_init(&one) < 0 || peer_start() < 0 || one_mediad_spawn(&one, program) < 0)
		return -1;
	return one_mediad_until(&one, is_ready, NULL, WAIT_US) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	if (one.pid > 0)
		one_mediad_end(&one, SIGKILL);
	one_mediad_fini(&one);
	return 0;
}

static void test_two_talk(void **state)
{
	static struct client a, b;
	struct id call = id_random();
	uint8_t copy[PEER_DATAGRAM_MAX];

	(void)state;
	client_up(&a, &call, 0x1000);
	client_up(&b, &call, 0x2000);
	for (uint16_t seq = 65000; seq != 500; seq++) {
		send_audio(&a, 0x1000, seq);
		send_audio(&b, 0x2000, seq);
		if (seq % 4 == 0)
			one_mediad_run(&one, 2000);
	}
	one_mediad_run(&one, 200000);
	/* Each hears the other, over the rollover, on the seat that the answer named. */
	assert_true(a.rtp > 900 && b.rtp > 900);
	assert_int_equal(a.ssrc, a.answer.seat[0].ssrc);
	assert_int_equal(b.ssrc, b.answer.seat[0].ssrc);
	assert_memory_equal(a.last + a.last_len - 80, b.last + b.last_len - 80, 80);
	assert_true(stat_get(&one.stats.shm->mediad[0].packets_forwarded) >= a.rtp + b.rtp);
	/* No index was used twice; a client to which that happens notices it. */
	assert_int_equal(peer_replayed(a.peer) + peer_replayed(b.peer), 0);
	unsigned came = a.rtp;
	memcpy(copy, a.last_sealed, a.last_sealed_len);
	peer_on_datagram(a.peer, 0, copy, a.last_sealed_len);
	assert_int_equal(a.rtp, came);
	assert_int_equal(peer_replayed(a.peer), 1);
	peer_free(a.peer);
	peer_free(b.peer);
}

static void test_heartbeat_and_end(void **state)
{
	struct stats_mediad *m = &one.stats.shm->mediad[0];

	(void)state;
	uint64_t beat = stat_get(&m->process.heartbeat_us);
	one_mediad_run(&one, 700000);
	assert_true(stat_get(&m->process.heartbeat_us) > beat + 400000);
	assert_true(stat_get(&m->cpu_us) > 0);
	/* It sleeps: a few turns a second. */
	uint64_t turns = stat_get(&m->turns), waited = stat_get(&m->waited_us), sleeps = stat_get(&m->sleeps);
	one_mediad_run(&one, 1000000);
	assert_true(stat_get(&m->turns) - turns < 50);
	assert_true(stat_get(&m->waited_us) > waited);
	assert_true(stat_get(&m->sleeps) > sleeps);
	assert_true(stat_get(&m->busy_us) > 0);
	/* Ctrl-C in the terminal is the master's. */
	kill(one.pid, SIGINT);
	one_mediad_run(&one, 50000);
	int status = one_mediad_end(&one, SIGTERM);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static bool is_over(void *arg)
{
	(void)arg;
	return stat_get(&one.stats.shm->mediad[0].over_budget) == 1;
}

static bool is_within(void *arg)
{
	return !is_over(arg);
}

/* The master's word counts at once; who is there stays. A mediad killed while over it leaves no word behind. */
static void test_over_budget(void **state)
{
	static struct client c;
	struct stats_mediad *m = &one.stats.shm->mediad[0];
	struct id call = id_random();
	uint16_t seq = 1;

	(void)state;
	client_up(&c, &call, 0x1000);
	stat_set(&one.stats.shm->master.budget_percent, 1);
	for (unsigned i = 0; i < 2000 && !is_over(NULL); i++) {
		for (unsigned k = 0; k < 1000; k++)
			send_audio(&c, 0x1000, seq++);
		one_mediad_run(&one, 10000);
	}
	assert_true(is_over(NULL));
	assert_true(stat_get(&m->load_permille) >= 10);
	assert_int_equal(stat_get(&m->transports), 1);
	stat_set(&one.stats.shm->master.budget_percent, 100);
	assert_true(one_mediad_until(&one, is_within, NULL, WAIT_US));
	stat_set(&m->over_budget, 1);
	stat_set(&one.stats.shm->master.budget_percent, 0);
	peer_free(c.peer);
	one_mediad_end(&one, SIGKILL);
	stat_set(&m->process.state, PROCESS_STARTING);
	assert_int_equal(one_mediad_spawn(&one, program), 0);
	assert_true(one_mediad_until(&one, is_ready, NULL, WAIT_US));
	assert_true(is_within(NULL));
}

static void test_killed(void **state)
{
	static struct client c;
	struct id call = id_random();

	(void)state;
	client_up(&c, &call, 0x1000);
	for (uint16_t seq = 1; seq < 20; seq++)
		send_audio(&c, 0x1000, seq);
	one_mediad_run(&one, 50000);
	uint64_t cpu = stat_get(&one.stats.shm->mediad[0].cpu_us);
	peer_free(c.peer);
	one_mediad_end(&one, SIGKILL);
	one.events_len = 0;
	stat_set(&one.stats.shm->mediad[0].process.state, PROCESS_STARTING);
	assert_int_equal(one_mediad_spawn(&one, program), 0);
	assert_true(one_mediad_until(&one, is_ready, NULL, WAIT_US));
	one_mediad_run(&one, 300000);
	const struct one_event *e = one_mediad_event(&one, c.answer.head.transport);
	assert_non_null(e);
	assert_int_equal(e->type, MSG_MEDIA_LOST);
	assert_true(id_equal(&e->state.call, &call));
	assert_int_equal(stat_get(&one.stats.shm->mediad[0].transports), 0);
	assert_true(stat_get(&one.stats.shm->mediad[0].cpu_us) >= cpu);
	/* Over the same socket, as if nothing had happened. */
	client_up(&c, &call, 0x1000);
	peer_free(c.peer);
}

static void test_not_by_hand(void **state)
{
	char command[sizeof(program) + 32];

	(void)state;
	snprintf(command, sizeof(command), "'%s' 0 2>/dev/null", program);
	assert_int_equal(WEXITSTATUS(system(command)), 2);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_two_talk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_heartbeat_and_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_over_budget, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test(test_not_by_hand),
	};

	(void)argc;
	/* BUILD/tests/test_mediad: the program stands one folder up. */
	const char *slash = strrchr(argv[0], '/');
	snprintf(program, sizeof(program), "%.*s/../parley-mediad", slash ? (int)(slash - argv[0]) : 1,
		 slash ? argv[0] : ".");
	return cmocka_run_group_tests_name("mediad", tests, NULL, NULL);
}
