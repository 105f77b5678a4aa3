/* links: support mediad */
/* A whole mediad and two real clients: what one encrypts, the other decrypts, sent on by seats. */
#include "lib/rtcp.h"
#include "lib/rtp.h"
#include "mediad/media.h"
#include "tests/support/cm.h"
#include "tests/support/one_mediad.h"
#include "tools/load/peer.h"

#include <stdio.h>
#include <string.h>

enum { WAIT_US = 8 * 1000 * 1000, PT_OPUS = 111, PT_VP8 = 96, PT_RTX = 97, EXT_MID = 4, EXT_TWCC = 3 };

struct client {
	struct peer *peer;
	struct one_answer answer;
	uint32_t audio_ssrc, video_ssrc; /* what it sends with */
	uint16_t audio_seq, video_seq, twcc_seq;
	uint32_t timestamp;
	uint16_t picture_id;
	unsigned audio, video, rtx, keyframes, plis, twcc, reports, packets, empty;
	uint16_t last_video_seq, last_rtx_osn;
	uint32_t last_frame;
};

static struct one_mediad one;

static void on_rtp(struct peer *peer, unsigned socket, const uint8_t *packet, size_t len, void *arg)
{
	struct client *c = arg;
	struct rtp rtp;

	(void)peer;
	(void)socket;
	assert_int_equal(rtp_parse(packet, len, &rtp), 0);
	assert_non_null(rtp_find(&rtp, EXT_MID));
	assert_non_null(rtp_find(&rtp, EXT_TWCC));
	const uint8_t *payload = packet + rtp.payload_offset;
	if (rtp.ssrc == c->answer.seat[0].ssrc) {
		assert_int_equal(rtp.payload_type, PT_OPUS);
		c->audio++;
	} else if (rtp.ssrc == c->answer.seat[1].ssrc) {
		assert_int_equal(rtp.payload_type, PT_VP8);
		if (c->video++ > 0)
			assert_int_equal(rtp.seq, (uint16_t)(c->last_video_seq + 1));
		c->last_video_seq = rtp.seq;
		c->keyframes += payload[6] == 0;
		c->last_frame = rtp_get32(payload + 7);
	} else {
		assert_int_equal(rtp.ssrc, c->answer.seat[1].rtx_ssrc);
		assert_int_equal(rtp.payload_type, PT_RTX);
		c->rtx++;
		c->last_rtx_osn = rtp_get16(payload);
	}
}

static void on_rtcp(struct peer *peer, unsigned socket, const uint8_t *data, size_t len, void *arg)
{
	struct client *c = arg;
	struct rtcp_packet packet;

	(void)peer;
	(void)socket;
	assert_int_equal(rtcp_check(data, len), 0);
	c->packets++;
	while (rtcp_next(&data, &len, &packet) == 0) {
		c->plis += packet.type == RTCP_PSFB && packet.count == RTCP_PSFB_PLI;
		c->twcc += packet.type == RTCP_RTPFB && packet.count == RTCP_RTPFB_TWCC;
		c->reports += packet.type == RTCP_SR;
		c->empty += packet.type == RTCP_RR && packet.count == 0;
	}
}

static const struct peer_ops ops = { .on_rtp = on_rtp, .on_rtcp = on_rtcp };

static void mlines(struct session_mline *m)
{
	memset(m, 0, 2 * sizeof(*m));
	for (unsigned i = 0; i < 2; i++) {
		snprintf(m[i].mid, sizeof(m[i].mid), "%u", i);
		m[i].receives = m[i].sends = m[i].layers_len = m[i].codecs_len = 1;
		m[i].ext.mid = EXT_MID;
		m[i].ext.twcc = EXT_TWCC;
	}
	m[0].codec[0] = (struct session_codec){
		.codec = CODEC_OPUS, .pt = PT_OPUS, .clock_rate = 48000, .channels = 2, .feedback = FB_TWCC
	};
	m[1].media = MEDIA_VIDEO;
	m[1].track_kind = TRACK_CAMERA;
	m[1].codec[0] = (struct session_codec){ .codec = CODEC_VP8,
						.pt = PT_VP8,
						.rtx_pt = PT_RTX,
						.clock_rate = 90000,
						.feedback = FB_NACK | FB_PLI | FB_TWCC };
}

static bool is_connected(void *arg)
{
	return peer_state(((struct client *)arg)->peer) == PEER_CONNECTED;
}

static void client_up(struct client *c, const struct id *call, const char *profiles, uint32_t ssrc)
{
	struct peer_config config = { .loop = one.loop, .ops = &ops, .arg = c, .profiles = profiles };
	struct session_mline m[2];

	memset(c, 0, sizeof(*c));
	c->audio_ssrc = ssrc;
	c->video_ssrc = ssrc + 1;
	c->video_seq = 65500;
	assert_int_equal(peer_new(&config, &c->peer), 0);
	struct msg_offer offer = one_mediad_offer_of(peer_ufrag(c->peer), peer_pwd(c->peer));
	offer.call = *call;
	mlines(m);
	offer.mlines_len = 2;
	one_mediad_offer(&one, &offer, m, &c->answer);
	assert_int_equal(c->answer.type, MSG_ANSWER_END);
	assert_int_equal(c->answer.seats_len, 2);
	assert_true(c->answer.head.cname[0]);
	assert_true(c->answer.seat[1].rtx_ssrc);
	struct peer_remote remote = one_mediad_remote(&one, &c->answer, 0);
	assert_int_equal(peer_connect(c->peer, &remote), 0);
	assert_true(one_mediad_until(&one, is_connected, c, WAIT_US));
}

static void send_packet(struct client *c, bool video, bool key)
{
	uint8_t p[600], twcc[2];
	struct rtp_writer w;
	uint16_t seq = video ? c->video_seq++ : c->audio_seq++;

	rtp_begin(&w, p, sizeof(p), false);
	rtp_add(&w, EXT_MID, video ? "1" : "0", 1);
	rtp_put16(twcc, c->twcc_seq++);
	rtp_add(&w, EXT_TWCC, twcc, 2);
	assert_int_equal(
		rtp_end(&w, video ? PT_VP8 : PT_OPUS, true, seq, c->timestamp, video ? c->video_ssrc : c->audio_ssrc),
		0);
	memset(p + w.len, 0x42, 300);
	if (video) {
		const uint8_t head[] = { 0x90, 0xe0, 0x80, 0, 0, 0, key ? 0 : 1 };
		memcpy(p + w.len, head, sizeof(head));
		rtp_put16(p + w.len + 2, 0x8000 | (c->picture_id & 0x7fff));
		rtp_put32(p + w.len + 7, c->picture_id++);
	}
	assert_int_equal(peer_send_rtp(c->peer, p, w.len + 300), 0);
}

static void talk(struct client *a, struct client *b, unsigned frames)
{
	for (unsigned i = 0; i < frames; i++) {
		struct client *both[] = { a, b };
		for (unsigned k = 0; k < 2; k++) {
			struct client *c = both[k];
			bool key = c->plis > 0;
			c->timestamp += 3000;
			c->plis = 0;
			send_packet(c, false, false);
			send_packet(c, true, key);
		}
		one_mediad_run(&one, 10000);
	}
}

/* The others fall silent: what comes every 300 ms says that the way is there, and ends after two seconds. */
static void signs_of_life(void **state)
{
	static struct client a, b;
	struct id call = id_random();

	(void)state;
	client_up(&a, &call, NULL, 1000);
	client_up(&b, &call, NULL, 2000);
	talk(&a, &b, 50);
	one_mediad_run(&one, 100000);
	for (unsigned i = 0; i < 4; i++) {
		unsigned packets = a.packets;
		one_mediad_run(&one, 400000);
		assert_true(a.packets > packets);
	}
	/* A probe of the first two seconds is something sent, too. */
	one_mediad_run(&one, 3500000);
	unsigned empty = a.empty;
	one_mediad_run(&one, 3000000);
	/* Reports as ever, one a second, not seven. */
	assert_true(a.empty - empty <= 7);
	a.peer = peer_free(a.peer);
	b.peer = peer_free(b.peer);
}

static void call_between(const char *profiles_a, const char *profiles_b)
{
	static struct client a, b;
	struct id call = id_random();

	client_up(&a, &call, profiles_a, 1000);
	client_up(&b, &call, profiles_b, 2000);
	talk(&a, &b, 150);
	struct client *both[] = { &a, &b };
	for (unsigned k = 0; k < 2; k++) {
		assert_true(both[k]->audio > 140);
		assert_true(both[k]->video > 100);
		assert_true(both[k]->keyframes >= 1 && both[k]->keyframes <= 4);
		assert_true(both[k]->twcc >= 10);
		assert_true(both[k]->reports >= 2);
	}
	/* B misses its last but two: the answer is that packet, by RTX. */
	uint8_t p[64];
	struct rtcp_out out = { .data = p, .cap = sizeof(p) };
	uint16_t seq = (uint16_t)(b.last_video_seq - 2);
	unsigned rtx = b.rtx; /* the first probe is of the RTX stream, too */
	assert_int_equal(rtcp_add_nack(&out, b.audio_ssrc, b.answer.seat[1].ssrc, &seq, 1), 0);
	assert_int_equal(peer_send_rtcp(b.peer, p, out.len), 0);
	one_mediad_run(&one, 50000);
	assert_int_equal(b.rtx, rtx + 1);
	assert_int_equal(b.last_rtx_osn, seq);
	assert_int_equal(stat_get(&one.stats.shm->mediad[0].rtp_unknown_ssrc), 0);
	assert_int_equal(stat_get(&one.stats.shm->mediad[0].srtp_auth_failures), 0);
	/* A leaves; B goes on talking to nobody. */
	struct one_answer answer;
	struct msg_handle handle = { .handle = a.answer.head.transport };
	one_mediad_ask(&one, MSG_TRANSPORT_CLOSE, &handle, sizeof(handle), &answer);
	assert_int_equal(answer.type, MSG_OK);
	unsigned heard = b.audio;
	one_mediad_run(&one, 50000);
	send_packet(&b, false, false);
	one_mediad_run(&one, 50000);
	assert_int_equal(b.audio, heard);
	a.peer = peer_free(a.peer);
	b.peer = peer_free(b.peer);
}

static void two_clients_gcm(void **state)
{
	(void)state;
	call_between(NULL, NULL);
}

static void one_without_gcm(void **state)
{
	(void)state;
	call_between("SRTP_AES128_CM_SHA1_80", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE_MEDIAD_TEST(two_clients_gcm, &one),
		ONE_MEDIAD_TEST(one_without_gcm, &one),
		ONE_MEDIAD_TEST(signs_of_life, &one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
