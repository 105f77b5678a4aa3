/* links: load mediad */
/* What the load tool is made of: percentiles, marked payloads that a server takes for VP8, offers and answers. */
#include "tools/load/histogram.h"
#include "tools/load/mark.h"
#include "tools/load/publisher.h"
#include "tools/load/receiver.h"
#include "tools/load/sdp.h"

#include "lib/clock.h"
#include "lib/ids.h"
#include "lib/rtp.h"
#include "mediad/codec.h"
#include "tests/support/cm.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void percentiles_are_at_most_a_sixteenth_too_high(void **state)
{
	struct histogram *h = calloc(1, sizeof(*h));

	(void)state;
	assert_int_equal(histogram_at(h, 0.5), 0);
	for (int64_t v = 1; v <= 100000; v++)
		histogram_add(h, v);
	for (unsigned percent = 1; percent <= 100; percent++) {
		int64_t exact = percent * 1000, got = histogram_at(h, percent / 100.0);
		assert_in_range(got, exact, exact + exact / 16);
	}
	assert_int_equal(histogram_at(h, 1), 100000);
	assert_int_equal(h->count, 100000);
	memset(h, 0, sizeof(*h));
	histogram_add(h, -5);
	histogram_add(h, INT64_MAX);
	assert_int_equal(histogram_at(h, 0.5), 0);
	assert_int_equal(h->max, INT64_MAX);
	free(h);
}

static void a_server_takes_the_payload_for_vp8(void **state)
{
	const struct mark_vp8 vp8 = { .picture_id = 0x1234, .width = 320, .height = 180, .tl0picidx = 77 };
	struct mark mark = { .run = 7, .publisher = 99, .frame = 5, .layer = 2, .count = 3, .sent_us = 0x123456789abc };
	struct codec_info info;
	struct mark got;
	uint8_t payload[200];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		mark.key = i & 1;
		mark.place = (uint8_t)(i / 2);
		mark_write_vp8(payload, MARK_BYTES + MARK_VP8_BYTES, &mark, &vp8);
		codec_parse(CODEC_VP8, payload, MARK_BYTES + MARK_VP8_BYTES, &info);
		assert_int_equal(info.keyframe, mark.key && mark.place == 0);
		assert_int_equal(info.frame_start, mark.place == 0);
		assert_int_equal(info.picture_id, vp8.picture_id);
		assert_int_equal(info.tl0picidx, vp8.tl0picidx);
		if (info.keyframe) {
			assert_int_equal(info.width, 320);
			assert_int_equal(info.height, 180);
		}
		/* As after a server's change of numbers. */
		codec_rewrite(CODEC_VP8, payload, MARK_BYTES + MARK_VP8_BYTES, 99, 3);
		assert_true(mark_read_vp8(payload, MARK_BYTES + MARK_VP8_BYTES, &got));
		assert_memory_equal(&got, &mark, sizeof(mark));
		for (size_t len = 0; len < MARK_BYTES + 6; len++)
			assert_false(mark_read_vp8(payload, len, &got));
	}
	mark_write(payload, MARK_BYTES + 1, &mark);
	assert_true(mark_read(payload, MARK_BYTES + 1, &got));
	assert_int_equal(got.publisher, 99);
	assert_false(mark_read(payload, MARK_BYTES, &got));
}

static void an_answer_is_read(void **state)
{
	static const char text[] =
		"v=0\r\na=ice-lite\r\n"
		"m=audio 40000 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\n"
		"a=fingerprint:sha-256 %s\r\na=mid:0\r\na=sendrecv\r\n"
		"a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
		"a=ssrc:11 cname:x\r\na=candidate:1 1 tcp 9 192.0.2.1 40000 typ host tcptype passive\r\n"
		"a=candidate:1 1 udp 10 192.0.2.1 40001 typ host\r\n"
		"a=candidate:1 1 udp 9 192.0.2.2 40002 typ host\r\n"
		"m=video 40000 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=sendrecv\r\na=rid:q recv\r\n"
		"a=ssrc-group:FID 21 22\r\na=ssrc:21 cname:x\r\na=ssrc:22 cname:x\r\n"
		"m=video 40000 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\na=recvonly\r\n"
		"m=video 40000 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:3\r\na=sendonly\r\na=ssrc-group:FID 31 32\r\n";
	char fingerprint[3 * 32], whole[2000];
	struct sdp_answer *a = calloc(1, sizeof(*a));
	const struct sockaddr_in *to = (const struct sockaddr_in *)&a->address;

	(void)state;
	for (unsigned i = 0; i < 32; i++)
		snprintf(fingerprint + 3 * i, sizeof(fingerprint) - 3 * i, "%02X%s", i, i < 31 ? ":" : "");
	snprintf(whole, sizeof(whole), text, fingerprint);
	assert_int_equal(sdp_answer_read(whole, a), 0);
	assert_string_equal(a->ufrag, "abcd");
	assert_string_equal(a->pwd, "secret");
	assert_int_equal(a->fingerprint[31], 31);
	assert_int_equal(ntohs(to->sin_port), 40001);
	assert_int_equal(a->slots, 3);
	assert_int_equal(a->slot[0].ssrc, 11);
	assert_false(a->slot[0].video);
	assert_int_equal(a->slot[1].ssrc, 21);
	assert_int_equal(a->slot[1].rtx_ssrc, 22);
	assert_string_equal(a->slot[2].mid, "3");
	assert_int_equal(a->slot[2].rtx_ssrc, 32);
	assert_true(a->takes_audio && a->takes_video && a->ext_level && !a->ext_twcc);
	assert_int_equal(a->rids, 1);
	/* A seat without an SSRC, or no address: no media can follow. */
	char *cut = strstr(whole, "a=ssrc:11");
	memcpy(cut, "b", 1);
	assert_int_equal(sdp_answer_read(whole, a), -EPROTO);
	assert_int_equal(sdp_answer_read("v=0\r\n", a), -EPROTO);
	free(a);
}

static bool has(const struct buf *text, const char *part)
{
	return memmem(text->data, text->len, part, strlen(part)) != NULL;
}

/* A server that offers what is watched: mid behind the direction, numbers of its own for extensions. */
static void their_offer_is_read_and_answered(void **state)
{
	static const char offer[] =
		"v=0\r\no=- 5 1 IN IP4 192.0.2.1\r\ns=x\r\nt=0 0\r\na=group:BUNDLE a v\r\n"
		"m=audio 9 UDP/TLS/RTP/SAVPF "
		"111\r\na=sendonly\r\na=mid:a\r\na=rtcp-mux\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\n"
		"a=setup:actpass\r\na=rtpmap:111 opus/48000/2\r\na=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
		"a=extmap:7 urn:example:unknown\r\na=ssrc:11 cname:x\r\na=candidate:1 1 udp 10 192.0.2.1 40001 typ "
		"host\r\n"
		"m=video 9 UDP/TLS/RTP/SAVPF 98 99\r\na=sendonly\r\na=mid:v\r\na=rtpmap:98 VP8/90000\r\na=rtpmap:99 "
		"rtx/90000\r\n"
		"a=fmtp:99 apt=98\r\na=rtcp-fb:98 nack pli\r\n"
		"a=extmap:5/sendonly http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
		"a=ssrc-group:FID 21 22\r\na=ssrc:21 cname:x\r\n";
	const uint8_t fingerprint[32] = { 0xab };
	const struct sdp_identity own = { "me", "mypassword", fingerprint };
	struct sdp_answer *a = calloc(1, sizeof(*a));
	struct buf reply = { 0 };

	(void)state;
	assert_int_equal(sdp_answer_read(offer, a), 0);
	assert_int_equal(a->slots, 2);
	assert_string_equal(a->slot[0].mid, "a");
	assert_string_equal(a->slot[1].mid, "v");
	assert_int_equal(a->slot[0].ssrc, 11);
	assert_int_equal(a->slot[1].ssrc, 21);
	assert_int_equal(a->slot[1].rtx_ssrc, 22);
	assert_true(a->ext_mid && a->ext_twcc && !a->ext_level);
	assert_int_equal(a->twcc, 5);
	sdp_reply_write(&reply, &own, offer);
	assert_false(reply.failed);
	assert_true(has(&reply, "a=group:BUNDLE a v\r\n"));
	assert_true(has(&reply, "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"));
	assert_true(has(&reply, "m=video 9 UDP/TLS/RTP/SAVPF 98 99\r\n"));
	assert_true(has(&reply, "a=mid:v\r\n") && has(&reply, "a=fmtp:99 apt=98\r\n"));
	assert_true(has(&reply, "a=setup:active\r\n") && has(&reply, "a=recvonly\r\n") &&
		    has(&reply, "a=ice-ufrag:me\r\n"));
	assert_true(has(&reply, "a=extmap:5/sendonly http"));
	/* Nothing of theirs that is not ours to say. */
	assert_false(has(&reply, "sendonly\r\n") || has(&reply, "a=ssrc") || has(&reply, "unknown") ||
		     has(&reply, "secret") || has(&reply, "a=candidate"));
	buf_fini(&reply);
	free(a);
}

static void only_layers_make_an_offer_of_simulcast(void **state)
{
	const uint8_t fingerprint[32] = { 0 };
	const struct sdp_identity own = { "me", "mypassword", fingerprint };

	(void)state;
	for (unsigned layers = 0; layers <= SDP_LAYERS; layers++) {
		struct buf offer = { 0 };
		sdp_offer_write(&offer, &own, 1, layers);
		assert_int_equal(has(&offer, "a=simulcast"), layers > 1);
		assert_int_equal(has(&offer, "a=sendrecv"), layers > 0);
		buf_fini(&offer);
	}
}

/* ---- what leaves when ---- */

struct leaving {
	unsigned packets, len[8], lens;
	uint64_t bytes;
};

static void leaves(void *arg, const uint8_t *packet, size_t len)
{
	struct leaving *l = arg;
	struct rtp rtp;

	assert_int_equal(rtp_parse(packet, len, &rtp), 0);
	l->packets++;
	l->bytes += rtp.payload_len;
	for (unsigned i = 0; i < l->lens; i++) {
		if (l->len[i] == rtp.payload_len)
			return;
	}
	assert_true(l->lens < 8);
	l->len[l->lens++] = (unsigned)rtp.payload_len;
}

static void drop(void *arg, const uint8_t *packet, size_t len)
{
	(void)arg;
	(void)packet;
	(void)len;
}

/* Packets of the size asked for and no other, at the rate asked for; paced or a frame at a time. */
static void packets_of_one_size_leave_paced_or_in_bursts(void **state)
{
	static const struct sdp_answer answer = { .takes_video = true };

	(void)state;
	for (unsigned burst = 0; burst < 2; burst++) {
		struct leaving all = { 0 };
		const struct publisher_config config = { .fps = 30,
							 .height = 720,
							 .bitrate = 1500000,
							 .layers = 1,
							 .payload = 1160,
							 .burst = burst,
							 .video = true,
							 .answer = &answer,
							 .ssrc_video = 77,
							 .send = leaves,
							 .send_rtcp = drop,
							 .arg = &all };
		struct publisher *p;
		unsigned most = 0;
		int64_t now_us = USEC_PER_SEC;
		assert_int_equal(publisher_new(&config, now_us, &p), 0);
		for (; now_us < 11 * USEC_PER_SEC; now_us += PUBLISHER_SLOT_US) {
			unsigned before = all.packets;
			publisher_tick(p, now_us);
			/* But for the key frame at the beginning. */
			if (now_us > 2 * USEC_PER_SEC)
				most = MAX(most, all.packets - before);
		}
		assert_int_equal(all.lens, 1);
		assert_int_equal(all.len[0], 1160);
		assert_in_range(all.bytes, 10 * 1500000 / 8 * 98 / 100, 10 * 1500000 / 8 * 104 / 100);
		/* 6250 bytes a frame: 5 or 6 packets at once; or 2.5 times the rate in 5 ms. */
		assert_int_equal(most, burst ? 6 : 3);
		publisher_free(p);
	}
}

/* ---- a publisher and a receiver, with a wire between them that loses; it renames SSRCs, as a server does ---- */

enum { SEAT = 1000, SEAT_RTX = 2000, PUBLISHER = 3 };

struct wire {
	struct publisher *publisher;
	struct receiver *receiver;
	int64_t now_us;
	unsigned every; /* this many packets one is lost; 0 = none */
	unsigned sent, lost, keyframes;
	uint32_t ssrc; /* the publisher's */
	struct id person;
};

static void to_receiver(void *arg, const uint8_t *packet, size_t len)
{
	struct wire *w = arg;
	uint8_t copy[2000];
	struct rtp rtp;

	assert_int_equal(rtp_parse(packet, len, &rtp), 0);
	if (rtp.payload_type == SDP_PT_OPUS)
		return;
	if (rtp.payload_type == SDP_PT_VP8)
		w->ssrc = rtp.ssrc;
	if (w->every > 0 && ++w->sent % w->every == 0) {
		w->lost++;
		return;
	}
	memcpy(copy, packet, len);
	rtp_put32(copy + 8, rtp.payload_type == SDP_PT_VP8 ? SEAT : SEAT_RTX);
	receiver_on_rtp(w->receiver, copy, len, w->now_us + 7000);
}

static void report_to_receiver(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	assert_int_equal(rtcp_check(data, len), 0);
}

static void to_publisher(void *arg, const uint8_t *data, size_t len)
{
	struct wire *w = arg;
	struct rtcp_packet packet;
	uint8_t copy[2000];

	assert_int_equal(rtcp_check(data, len), 0);
	memcpy(copy, data, len);
	if (rtp_get32(copy + 8) == SEAT)
		rtp_put32(copy + 8, w->ssrc);
	data = copy;
	while (rtcp_next(&data, &len, &packet) == 0)
		publisher_on_rtcp(w->publisher, &packet, w->now_us);
}

static void count_keyframe(void *arg, uint32_t publisher, int64_t now_us)
{
	struct wire *w = arg;

	assert_int_equal(publisher, PUBLISHER);
	assert_true(now_us >= w->now_us);
	w->keyframes++;
}

static const struct id *person_of(void *arg, uint32_t publisher)
{
	struct wire *w = arg;

	return publisher == PUBLISHER ? &w->person : NULL;
}

static void wire_run(struct wire *w, int64_t us)
{
	for (int64_t until = w->now_us + us; w->now_us < until; w->now_us += PUBLISHER_SLOT_US) {
		publisher_tick(w->publisher, w->now_us);
		receiver_tick(w->receiver, w->now_us);
	}
}

static void what_is_lost_is_asked_for_and_comes(void **state)
{
	static const struct receiver_ops ops = { count_keyframe, to_publisher, person_of };
	struct wire w = { .now_us = 1000 * USEC_PER_SEC, .person = id_random() };
	const struct sdp_answer answer = {
		.takes_video = true,
		.takes_audio = true,
		.ext_level = true,
		.ext_twcc = true,
		.twcc = SDP_EXT_TWCC,
		.ext_mid = true,
		.rids = 3,
		.slots = 1,
		.slot = { { .mid = "1", .video = true, .ssrc = SEAT, .rtx_ssrc = SEAT_RTX } }
	};
	struct histogram *delay = calloc(1, sizeof(*delay));
	const struct publisher_config sending = { .run = 9,
						  .index = PUBLISHER,
						  .fps = 30,
						  .height = 180,
						  .bitrate = 600000,
						  .layers = 1,
						  .audio = true,
						  .video = true,
						  .answer = &answer,
						  .send = to_receiver,
						  .send_rtcp = report_to_receiver,
						  .arg = &w };
	const struct receiver_config receiving = {
		.run = 9, .answer = &answer, .ops = &ops, .arg = &w, .delay = delay
	};

	(void)state;
	assert_int_equal(publisher_new(&sending, w.now_us, &w.publisher), 0);
	assert_int_equal(receiver_new(&receiving, w.now_us, &w.receiver), 0);
	wire_run(&w, 5 * USEC_PER_SEC);
	assert_int_equal(w.keyframes, 1);
	struct receiver_counts c = receiver_counts(w.receiver);
	assert_int_equal(c.gaps + c.nacks + c.repaired + c.duplicates, 0);
	assert_true(c.feedbacks > 20);
	assert_int_equal(delay->max, 7000);
	/* 600 kbit/s, with what is around the pictures */
	assert_in_range(c.bytes, 5 * 600000 / 8, 5 * 600000 / 8 * 11 / 10);

	w.every = 10;
	wire_run(&w, 5 * USEC_PER_SEC);
	w.every = 0;
	wire_run(&w, 3 * USEC_PER_SEC);
	c = receiver_counts(w.receiver);
	assert_true(w.lost > 20);
	assert_true(c.nacks >= w.lost / 2);
	assert_int_equal(c.gaps, 0);
	assert_in_range(c.repaired, w.lost / 2, w.lost);
	assert_true(publisher_counts(w.publisher)->retransmitted >= c.repaired);

	/* Somebody else than the seats tell, for long. */
	struct id other = id_random();
	assert_true(receiver_seat_set(w.receiver, "1", &other, true));
	assert_false(receiver_seat_set(w.receiver, "1", &other, true));
	assert_true(receiver_shows(w.receiver, &other, true));
	wire_run(&w, 4 * USEC_PER_SEC);
	assert_int_equal(receiver_counts(w.receiver).foreign, 0);
	wire_run(&w, 2 * USEC_PER_SEC);
	assert_true(receiver_counts(w.receiver).foreign > 0);

	w.publisher = publisher_free(w.publisher);
	w.receiver = receiver_free(w.receiver);
	free(delay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_at_most_a_sixteenth_too_high),
		cmocka_unit_test(a_server_takes_the_payload_for_vp8),
		cmocka_unit_test(an_answer_is_read),
		cmocka_unit_test(their_offer_is_read_and_answered),
		cmocka_unit_test(only_layers_make_an_offer_of_simulcast),
		cmocka_unit_test(packets_of_one_size_leave_paced_or_in_bursts),
		cmocka_unit_test(what_is_lost_is_asked_for_and_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
