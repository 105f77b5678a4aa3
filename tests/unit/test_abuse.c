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
#include <unistd.h>

/* What strangers and badly behaved clients throw at the program parley-mediad: it counts, says little, keeps its
 * memory, and whoever behaves goes on talking. All of it on loopback, with fixed counts and a fixed seed. */

enum {
	WAIT_US = 10 * 1000 * 1000,
	FLOOD = 3000,
	BURST = 32, /* then the mediad gets a turn: what the socket's buffer drops tests nothing */
	LINES_MAX = 100,
	GROWTH_MAX_KB = 8 * 1024,
	AUDIO_PT = 111,
	VIDEO_PT = 96,
	RTX_PT = 97,
};

struct client {
	struct peer *peer;
	struct one_answer answer;
	uint32_t audio, video; /* SSRCs */
	uint16_t seq;
	unsigned rtp, rtcp;
	/* The last own check, for distortion. */
	uint8_t check[PEER_DATAGRAM_MAX];
	size_t check_len;
};

static struct one_mediad one;
static char program[4096];
static FILE *said; /* the mediad's standard error */
static struct client ana, bela;
static int stranger[2]; /* sockets that never proved anything */
static uint64_t chance;

static uint32_t roll(void)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (uint32_t)(chance >> 16);
}

static void roll_bytes(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)roll();
}

static void put16(uint8_t *p, unsigned n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

static void put32(uint8_t *p, uint32_t n)
{
	put16(p, n >> 16);
	put16(p + 2, n & 0xffff);
}

static struct stats_mediad *counters(void)
{
	return &one.stats.shm->mediad[0];
}

/* ---- people ---- */

static void on_rtp(struct peer *peer, unsigned socket, const uint8_t *packet, size_t len, void *arg)
{
	struct client *c = arg;

	(void)peer;
	(void)socket;
	(void)packet;
	(void)len;
	c->rtp++;
}

static void on_rtcp(struct peer *peer, unsigned socket, const uint8_t *packet, size_t len, void *arg)
{
	struct client *c = arg;

	(void)peer;
	(void)socket;
	(void)packet;
	(void)len;
	c->rtcp++;
}

static bool on_send(struct peer *peer, unsigned socket, const uint8_t *data, size_t len, void *arg)
{
	struct client *c = arg;

	(void)peer;
	(void)socket;
	if (data[0] < 4) {
		memcpy(c->check, data, len);
		c->check_len = len;
	}
	return true;
}

static const struct peer_ops ops = { .on_rtp = on_rtp, .on_rtcp = on_rtcp, .on_send = on_send };

static bool is_connected(void *arg)
{
	return peer_state(((struct client *)arg)->peer) == PEER_CONNECTED;
}

static bool is_ready(void *arg)
{
	(void)arg;
	return stat_get(&counters()->process.state) == PROCESS_READY;
}

static void client_lines(const struct client *c, struct session_mline line[2])
{
	line[0] = (struct session_mline){
		.mid = "0",
		.media = MEDIA_AUDIO,
		.receives = 1,
		.sends = 1,
		.track_kind = TRACK_MICROPHONE,
		.codecs_len = 1,
		.layers_len = 1,
		.ext = { .mid = 1, .audio_level = 2, .twcc = 3 },
		.codec = { { .codec = CODEC_OPUS, .pt = AUDIO_PT, .clock_rate = 48000, .channels = 2 } },
	};
	line[1] = (struct session_mline){
		.mid = "1",
		.media = MEDIA_VIDEO,
		.receives = 1,
		.sends = 1,
		.track_kind = TRACK_CAMERA,
		.codecs_len = 1,
		.layers_len = 1,
		.ext = { .mid = 1, .twcc = 3, .orientation = 4 },
		.codec = { { .codec = CODEC_VP8,
			     .pt = VIDEO_PT,
			     .rtx_pt = RTX_PT,
			     .clock_rate = 90000,
			     .feedback = FB_NACK | FB_PLI | FB_FIR | FB_TWCC } },
	};
	line[0].layer[0].ssrc = c->audio;
	line[1].layer[0].ssrc = c->video;
}

static void client_up(struct client *c, const struct id *call, uint32_t ssrc)
{
	struct peer_config config = { .loop = one.loop, .ops = &ops, .arg = c };
	struct session_mline line[2];

	*c = (struct client){ .audio = ssrc, .video = ssrc + 1 };
	assert_int_equal(peer_new(&config, &c->peer), 0);
	struct msg_offer offer = one_mediad_offer_of(peer_ufrag(c->peer), peer_pwd(c->peer));
	offer.call = *call;
	offer.mlines_len = 2;
	client_lines(c, line);
	one_mediad_offer(&one, &offer, line, &c->answer);
	assert_int_equal(c->answer.type, MSG_ANSWER_END);
	struct peer_remote remote = one_mediad_remote(&one, &c->answer, 0);
	assert_int_equal(peer_connect(c->peer, &remote), 0);
	assert_true(one_mediad_until(&one, is_connected, c, WAIT_US));
}

/* An RTP header; returns its length. */
static size_t rtp_header(uint8_t *p, uint8_t pt, uint16_t seq, uint32_t timestamp, uint32_t ssrc)
{
	p[0] = 0x80;
	p[1] = pt;
	put16(p + 2, seq);
	put32(p + 4, timestamp);
	put32(p + 8, ssrc);
	return 12;
}

static void send_audio(struct client *c)
{
	uint8_t packet[92] = { 0 };

	c->seq++;
	rtp_header(packet, AUDIO_PT, c->seq, c->seq * 960u, c->audio);
	assert_int_equal(peer_send_rtp(c->peer, packet, sizeof(packet)), 0);
}

/* Whatever was done: both are connected and hear each other. */
static void assert_they_talk(void)
{
	unsigned before = ana.rtp, before_b = bela.rtp;

	for (unsigned i = 0; i < 50; i++) {
		send_audio(&ana);
		send_audio(&bela);
		one_mediad_run(&one, 1000);
	}
	one_mediad_run(&one, 100000);
	assert_int_equal(peer_state(ana.peer), PEER_CONNECTED);
	assert_int_equal(peer_state(bela.peer), PEER_CONNECTED);
	assert_true(ana.rtp >= before + 45 && bela.rtp >= before_b + 45);
}

/* ---- the program ---- */

static long anonymous_kb(void)
{
	char path[64], line[256];
	long kb = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)one.pid);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "RssAnon: %ld", &kb) == 1)
			break;
	}
	fclose(f);
	return kb;
}

static unsigned lines_said(void)
{
	unsigned n = 0;
	int c;

	rewind(said);
	while ((c = fgetc(said)) != EOF)
		n += c == '\n';
	return n;
}

static int setup(void **state)
{
	struct id call = id_random();

	(void)state;
	chance = 0x9e3779b97f4a7c15;
	said = tmpfile();
	int own = dup(STDERR_FILENO);
	if (!said || own < 0 || one_mediad_init(&one) < 0 || peer_start() < 0)
		return -1;
	dup2(fileno(said), STDERR_FILENO);
	int err = one_mediad_spawn(&one, program);
	dup2(own, STDERR_FILENO);
	close(own);
	if (err < 0 || !one_mediad_until(&one, is_ready, NULL, WAIT_US))
		return -1;
	for (unsigned i = 0; i < ARRAY_LEN(stranger); i++) {
		stranger[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (stranger[i] < 0 || connect(stranger[i], (struct sockaddr *)&one.address[0], one.address_len[0]) < 0)
			return -1;
	}
	client_up(&ana, &call, 0x1000);
	client_up(&bela, &call, 0x2000);
	assert_they_talk();
	return 0;
}

/* It ends as asked: under a sanitizer a leak or an error would be another status. */
static int teardown(void **state)
{
	(void)state;
	peer_free(ana.peer);
	peer_free(bela.peer);
	int status = one.pid > 0 ? one_mediad_end(&one, SIGTERM) : 0;
	unsigned lines = lines_said();
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0 && lines < LINES_MAX;
	if (!good) {
		char text[512];
		rewind(said);
		while (fgets(text, sizeof(text), said))
			fprintf(stderr, "# %s", text);
		fprintf(stderr, "# status %x, %u lines\n", (unsigned)status, lines);
	}
	fclose(said);
	for (unsigned i = 0; i < ARRAY_LEN(stranger); i++)
		close(stranger[i]);
	one_mediad_fini(&one);
	return good ? 0 : -1;
}

/* Runs fn FLOOD times and looks whether the mediad's memory grew for good. */
static void flood(void (*fn)(unsigned i))
{
	/* What is allocated once, by whatever comes first, is no growth. */
	for (unsigned i = 0; i < BURST; i++)
		fn(i);
	one_mediad_run(&one, 20000);
	long before = anonymous_kb();
	for (unsigned i = 0; i < FLOOD; i++) {
		fn(i);
		if (i % BURST == 0)
			one_mediad_run(&one, 1000);
	}
	one_mediad_run(&one, 50000);
#ifndef __SANITIZE_ADDRESS__
	assert_true(anonymous_kb() - before < GROWTH_MAX_KB);
#else
	(void)before; /* freed memory is kept back */
#endif
	assert_they_talk();
}

/* ---- strangers ---- */

static void stranger_send(unsigned i, const uint8_t *data, size_t len)
{
	(void)!send(stranger[i % ARRAY_LEN(stranger)], data, len, 0);
}

static void send_garbage(unsigned i)
{
	uint8_t data[1600];
	size_t len = roll() % sizeof(data);

	roll_bytes(data, len);
	/* Each kind that the first byte decides on, in turn. */
	static const uint8_t first[] = { 0, 1, 20, 22, 23, 63, 128, 144, 191, 255 };
	if (len > 0)
		data[0] = first[i % ARRAY_LEN(first)];
	stranger_send(i, data, len);
}

static void test_garbage_of_strangers(void **state)
{
	uint64_t unknown = stat_get(&counters()->datagrams_unknown), bad = stat_get(&counters()->stun_bad);

	(void)state;
	flood(send_garbage);
	assert_true(stat_get(&counters()->datagrams_unknown) - unknown > FLOOD / 2);
	assert_true(stat_get(&counters()->stun_bad) - bad > FLOOD / 10);
	assert_int_equal(stat_get(&counters()->transports), 2);
}

/* A true check with something wrong in it: from its owner's address and from elsewhere. */
static void send_distorted_check(unsigned i)
{
	uint8_t data[PEER_DATAGRAM_MAX];
	size_t len = ana.check_len;

	memcpy(data, ana.check, len);
	switch (i % 4) {
	case 0: /* any byte of what is protected; the FINGERPRINT at the end is wrong then, too */
		data[roll() % (len - 8)] ^= (uint8_t)(1 + roll() % 255);
		break;
	case 1:
		len = roll() % len;
		break;
	case 2: /* lengths that lie */
		put16(data + 2, roll());
		break;
	case 3:
		put16(data + 20 + 4 * (roll() % ((len - 24) / 4)) + 2, roll());
		break;
	}
	if (memcmp(data, ana.check, ana.check_len) == 0 && len == ana.check_len)
		return;
	if (i & 4)
		peer_send_raw(ana.peer, 0, data, len);
	else
		stranger_send(i, data, len);
}

static void test_distorted_checks(void **state)
{
	uint64_t bad = stat_get(&counters()->stun_bad), ok = stat_get(&counters()->stun_ok);

	(void)state;
	assert_true(ana.check_len > 60);
	flood(send_distorted_check);
	assert_true(stat_get(&counters()->stun_bad) - bad > FLOOD / 2);
	/* Their own regular checks, and none of ours. */
	assert_true(stat_get(&counters()->stun_ok) - ok < 50);
}

/* ---- from an address that is known: forged sources look like this ---- */

static void send_bad_dtls(unsigned i)
{
	uint8_t data[1200];
	size_t len = 13 + roll() % (sizeof(data) - 13);

	roll_bytes(data, len);
	data[0] = (uint8_t)(20 + i % 44);
	data[1] = 0xfe;
	data[2] = 0xfd;
	if (i & 1)
		put16(data + 3, i >> 1 & 1); /* epoch 0 or 1 */
	if (i & 2)
		put16(data + 11, (unsigned)len - 13);
	peer_send_raw(ana.peer, 0, data, len);
}

static void test_bad_dtls(void **state)
{
	(void)state;
	flood(send_bad_dtls);
	assert_int_equal(stat_get(&counters()->dtls_failures), 0);
}

static void send_wrong_key(unsigned i)
{
	uint8_t data[1200];
	size_t len = 28 + roll() % (sizeof(data) - 28);

	roll_bytes(data, len);
	rtp_header(data, i & 1 ? AUDIO_PT : 200, (uint16_t)i, roll(), i & 2 ? ana.audio : roll());
	peer_send_raw(ana.peer, 0, data, len);
}

static void test_wrong_keys(void **state)
{
	uint64_t before = stat_get(&counters()->srtp_auth_failures);

	(void)state;
	flood(send_wrong_key);
	assert_true(stat_get(&counters()->srtp_auth_failures) - before > FLOOD / 2);
}

/* ---- an authentic client that misbehaves ---- */

static void send_bad_rtcp(unsigned i)
{
	static const uint8_t types[] = { 200, 201, 202, 203, 204, 205, 206, 207 };
	uint8_t data[600];
	size_t len = 8 + 4 * (roll() % 140);

	roll_bytes(data, len);
	data[0] = (uint8_t)(0x80 | (roll() & 0x3f));
	data[1] = types[i % ARRAY_LEN(types)];
	if (i & 8)
		put16(data + 2, (unsigned)len / 4 - 1);
	if (i & 16)
		put32(data + 4, ana.video);
	if (i & 32 && len >= 12)
		put32(data + 8, ana.answer.seat[1].ssrc);
	(void)peer_send_rtcp(ana.peer, data, len);
}

static void test_bad_rtcp(void **state)
{
	uint64_t before = stat_get(&counters()->rtcp_bad);

	(void)state;
	flood(send_bad_rtcp);
	assert_true(stat_get(&counters()->rtcp_bad) - before > FLOOD / 4);
}

/* Video whose header is as large and as odd as RTP allows, of random payload. */
static void send_odd_rtp(unsigned i)
{
	uint8_t data[1300];
	uint16_t seq = (uint16_t)(i * (i & 1 ? 1 : 7));
	size_t at = rtp_header(data, VIDEO_PT, seq, roll(), ana.video);
	unsigned csrcs = i & 2 ? roll() % 16 : 0;

	data[1] = (uint8_t)(i & 4 ? VIDEO_PT : i & 8 ? RTX_PT : 0x80 | VIDEO_PT);
	data[0] |= (uint8_t)csrcs;
	roll_bytes(data + at, sizeof(data) - at);
	at += 4 * csrcs;
	if (i & 16) {
		unsigned words = roll() % 250;
		data[0] |= 0x10;
		put16(data + at, i & 32 ? 0xbede : 0x1000 | (roll() & 15));
		put16(data + at + 2, i & 64 ? words : roll());
		at += 4 + 4 * words;
	}
	if (i & 128)
		data[0] |= 0x20;
	(void)peer_send_rtp(ana.peer, data, MIN(at + roll() % 100, sizeof(data) - 64));
}

static void test_odd_rtp(void **state)
{
	uint64_t before = stat_get(&counters()->srtp_decrypted), bad = stat_get(&counters()->rtp_bad);

	(void)state;
	flood(send_odd_rtp);
	assert_true(stat_get(&counters()->srtp_decrypted) - before > FLOOD / 4);
	assert_true(stat_get(&counters()->rtp_bad) > bad);
}

/* The last one of them makes the learning rest for a second, so that her own SSRC is known again. */
static void send_new_ssrc(unsigned i)
{
	uint8_t data[60] = { 0 };

	rtp_header(data, i & 1 ? AUDIO_PT : VIDEO_PT, (uint16_t)i, i * 960, 0x50000 + i);
	(void)peer_send_rtp(bela.peer, data, sizeof(data));
	if (i == FLOOD - 1)
		one_mediad_run(&one, 1100000);
}

static void test_many_ssrcs(void **state)
{
	uint64_t before = stat_get(&counters()->rtp_unknown_ssrc);

	(void)state;
	flood(send_new_ssrc);
	assert_true(stat_get(&counters()->rtp_unknown_ssrc) - before > FLOOD / 2);
	assert_int_equal(stat_get(&counters()->tracks), 4);
}

static void send_nacks(unsigned i)
{
	uint8_t data[12 + 4 * 100] = { 0x81, 205 };

	put16(data + 2, sizeof(data) / 4 - 1);
	put32(data + 4, bela.video);
	put32(data + 8, i & 1 ? bela.answer.seat[1].ssrc : bela.answer.seat[0].ssrc);
	for (unsigned k = 0; k < 100; k++)
		put32(data + 12 + 4 * k, roll() << 16 | 0xffff);
	(void)peer_send_rtcp(bela.peer, data, sizeof(data));
}

static void test_nack_flood(void **state)
{
	uint64_t nacks = stat_get(&counters()->nacks_received), sent = stat_get(&counters()->rtx_sent);

	(void)state;
	flood(send_nacks);
	assert_true(stat_get(&counters()->nacks_received) - nacks > FLOOD * 100);
	/* No more is sent again than the budget of what was sent once. */
	assert_true(stat_get(&counters()->rtx_sent) - sent < 1000);
}

static void send_wild_reports(unsigned i)
{
	uint8_t data[28 + 24] = { 0x81, 200 };

	put16(data + 2, sizeof(data) / 4 - 1);
	roll_bytes(data + 4, sizeof(data) - 4);
	put32(data + 4, i & 1 ? ana.video : ana.audio);
	put32(data + 28, ana.answer.seat[i >> 1 & 1].ssrc);
	(void)peer_send_rtcp(ana.peer, data, sizeof(data));
	send_audio(&ana);
}

static void test_wild_reports(void **state)
{
	(void)state;
	flood(send_wild_reports);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_garbage_of_strangers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_distorted_checks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_dtls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_rtcp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_rtp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_ssrcs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nack_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wild_reports, setup, teardown),
	};

	(void)argc;
	/* BUILD/tests/test_abuse: the program stands one folder up. */
	const char *slash = strrchr(argv[0], '/');
	snprintf(program, sizeof(program), "%.*s/../parley-mediad", slash ? (int)(slash - argv[0]) : 1,
		 slash ? argv[0] : ".");
	return cmocka_run_group_tests_name("abuse", tests, NULL, NULL);
}
