/* links: workers */
#include "workers/sdp.h"

#include "lib/cleanup.h"
#include "shm/msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Offers as real clients made them; their names say who. */
#define OFFERS "tests/unit/sdp/"

struct fixture {
	struct arena arena;
	struct sdp_offer *offer;
	struct buf answer;
	char *text;
	const char *detail;
};

static void fixture_fini(struct fixture *f)
{
	arena_fini(&f->arena);
	buf_fini(&f->answer);
	free(f->text);
}

#define auto_fixture __attribute__((cleanup(fixture_fini))) struct fixture

static char *offer_load(const char *name)
{
	char path[256], *text = calloc(1, SDP_BYTES_MAX + 1);

	snprintf(path, sizeof(path), OFFERS "%s.sdp", name);
	auto_fclose FILE *f = fopen(path, "rb");
	assert_non_null(f);
	assert_true(fread(text, 1, SDP_BYTES_MAX, f) > 0);
	return text;
}

/* The answer of a mediad that has a seat for every m-line on which it sends. */
static struct media_answer media_answer_make(const struct sdp_offer *offer)
{
	struct media_answer a = { .mediad = 1, .handle = 0x200000003 };

	strcpy(a.ufrag, "serv");
	strcpy(a.pwd, "serverpasswordserverpw");
	strcpy(a.cname, "cname/server");
	for (size_t i = 0; i < sizeof(a.fingerprint); i++)
		a.fingerprint[i] = (uint8_t)i;
	a.candidate[0] = (struct session_address){ .family = 4, .port = 40001, .ip = { 192, 0, 2, 1 } };
	a.candidate[1] = (struct session_address){ .family = 6, .port = 40001, .ip = { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
	a.candidate[2] = a.candidate[0];
	a.candidate[2].socket = SESSION_SOCKET_TCP;
	a.candidates_len = 3;
	for (unsigned i = 0; i < offer->mlines_len; i++) {
		const struct session_mline *s = &offer->mline[i].session;
		if (s->sends && !s->rejected)
			a.seat[a.seats_len++] = (struct msg_answer_seat){
				.mline = i,
				.ssrc = 5000 + 2 * i,
				.rtx_ssrc = 5001 + 2 * i, /* mediads give every seat one */
			};
	}
	return a;
}

static void answer_make(struct fixture *f)
{
	struct media_answer a = media_answer_make(f->offer);

	buf_clear(&f->answer);
	assert_int_equal(sdp_answer_build(f->offer, &a, 7, &f->answer), 0);
	buf_append_char(&f->answer, '\0');
}

static int parse_text(struct fixture *f, const char *text)
{
	return sdp_offer_parse(&f->arena, text, strlen(text), &f->offer, &f->detail);
}

static void open_offer(struct fixture *f, const char *name)
{
	*f = (struct fixture){ 0 };
	f->text = offer_load(name);
	if (parse_text(f, f->text) != 0)
		fail_msg("%s: %s", name, f->detail);
	answer_make(f);
}

static const char *answer_text(const struct fixture *f)
{
	return (const char *)f->answer.data;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *s = text; (s = strstr(s, what)); s += strlen(what))
		n++;
	return n;
}

static void assert_has(const struct fixture *f, const char *line)
{
	if (!strstr(answer_text(f), line))
		fail_msg("\"%s\" is not in the answer:\n%s", line, answer_text(f));
}

static void assert_has_not(const struct fixture *f, const char *line)
{
	if (strstr(answer_text(f), line))
		fail_msg("\"%s\" is in the answer:\n%s", line, answer_text(f));
}

/* The part of the answer for m-line n, in static memory. */
static const char *section(const struct fixture *f, unsigned n)
{
	static char part[8192];
	const char *s = answer_text(f) - 1;

	for (unsigned i = 0; i <= n; i++) {
		s = strstr(s + 1, "\r\nm=");
		assert_non_null(s);
	}
	const char *end = strstr(s + 1, "\r\nm=");
	snprintf(part, sizeof(part), "%.*s", end ? (int)(end - s) : (int)strlen(s), s);
	return part;
}

static void assert_section_has(const struct fixture *f, unsigned n, const char *line)
{
	if (!strstr(section(f, n), line))
		fail_msg("\"%s\" is not in m-line %u of the answer:\n%s", line, n, section(f, n));
}

/* The offer with the first occurrence of from replaced; the caller frees it. */
static char *edited(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	struct buf b = { 0 };

	assert_non_null(at);
	buf_append(&b, text, (size_t)(at - text));
	buf_append_str(&b, to);
	buf_append_str(&b, at + strlen(from));
	buf_append_char(&b, '\0');
	assert_false(b.failed);
	return (char *)b.data;
}

static char *edited_all(const char *text, const char *from, const char *to)
{
	char *now = strdup(text);

	while (strstr(now, from)) {
		char *next = edited(now, from, to);
		free(now);
		now = next;
	}
	return now;
}

static void assert_refused(const char *text, const char *part_of_detail)
{
	auto_fixture f = { 0 };

	assert_int_equal(parse_text(&f, text), -EINVAL);
	assert_non_null(f.detail);
	if (!strstr(f.detail, part_of_detail))
		fail_msg("\"%s\" does not say \"%s\"", f.detail, part_of_detail);
}

/* --- what every client's answer must hold --------------------------------------------------------------- */

static void check_client(const char *name)
{
	auto_fixture f;
	unsigned usable = 0, candidates = 0;

	open_offer(&f, name);
	for (unsigned i = 0; i < f.offer->mlines_len; i++) {
		const struct sdp_mline *m = &f.offer->mline[i];
		struct msg_mline msg = { .index = i, .mline = m->session };
		struct link_msg head = { .type = MSG_OFFER_MLINE, .len = sizeof(msg) };
		assert_int_equal(msg_check(&head, &msg), 0);
		candidates += count(section(&f, i), "a=candidate:");
		if (m->session.rejected)
			continue;
		usable++;
		assert_section_has(&f, i, "\r\na=setup:passive\r\n");
		assert_section_has(&f, i, "\r\na=ice-ufrag:serv\r\n");
		assert_section_has(&f, i, "\r\na=rtcp-mux\r\n");
		assert_section_has(&f, i, "\r\na=fingerprint:sha-256 00:01:02:");
		assert_int_equal(m->session.codec[0].codec, m->session.media == MEDIA_AUDIO ? CODEC_OPUS : CODEC_VP8);
	}
	assert_true(usable > 0);
	assert_int_equal(candidates, 3);
	assert_int_equal(count(answer_text(&f), "\r\nm="), f.offer->mlines_len);
	assert_int_equal(count(answer_text(&f), "\r\na=end-of-candidates\r\n"), 1);
	assert_has(&f, "\r\na=ice-lite\r\n");
	assert_has(&f, "a=candidate:1 1 udp 2130706431 192.0.2.1 40001 typ host\r\n");
	assert_has(&f, "a=candidate:2 1 udp 2130706175 2001:db8::1 40001 typ host\r\n");
	/* RFC 6544: 2^24 × 90 + 2^8 × (2^13 × 4 + 8191 - 2) + 255 */
	assert_has(&f, "a=candidate:3 1 tcp 1520434687 192.0.2.1 40001 typ host tcptype passive\r\n");
	assert_has_not(&f, "goog-remb\r\na=rtcp-fb:96 transport-cc");
}

static void test_every_client(void **state)
{
	static const char *const names[] = {
		"aiortc",
		"aiortc-audio",
		"chromium-datachannel",
		"chromium-four",
		"chromium-recvonly",
		"chromium-sendrecv",
		"chromium-simulcast",
		"chromium-simulcast-restart",
		"firefox-datachannel",
		"firefox-four",
		"firefox-recvonly",
		"firefox-sendrecv",
		"firefox-simulcast",
		"firefox-simulcast-restart",
		"node-datachannel",
		"safari-like",
		"webrtcbin",
		"werift",
		"wrtc",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		check_client(names[i]);
}

/* --- single things ---------------------------------------------------------------------------------------- */

static void test_directions_and_tracks(void **state)
{
	auto_fixture f;

	(void)state;
	open_offer(&f, "chromium-four");
	static const enum track_kind kinds[] = { TRACK_MICROPHONE, TRACK_CAMERA, TRACK_SCREEN, TRACK_SCREEN_AUDIO };
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(f.offer->mline[i].session.receives, 1);
		assert_int_equal(f.offer->mline[i].session.sends, 1);
		assert_int_equal(f.offer->mline[i].session.track_kind, kinds[i]);
		assert_section_has(&f, i, "\r\na=sendrecv\r\n");
	}
	for (unsigned i = 4; i < f.offer->mlines_len; i++) {
		assert_int_equal(f.offer->mline[i].session.receives, 0);
		assert_section_has(&f, i, "\r\na=sendonly\r\n");
	}
	/* The n-th video and the n-th audio seat are one stream. */
	assert_section_has(&f, 1, "a=msid:seat-0 seat-0-video\r\n");
	assert_section_has(&f, 2, "a=msid:seat-1 seat-1-video\r\n");
	assert_section_has(&f, 3, "a=msid:seat-1 seat-1-audio\r\n");
	assert_section_has(&f, 4, "a=msid:seat-2 seat-2-audio\r\n");
	assert_section_has(&f, 5, "a=msid:seat-2 seat-2-video\r\n");
	assert_section_has(&f, 5, "a=ssrc-group:FID 5010 5011\r\na=ssrc:5010 cname:cname/server\r\n");
}

static void test_surplus_senders(void **state)
{
	auto_fixture f = { 0 };
	char *text = offer_load("chromium-four");

	(void)state;
	/* All ten m-lines send: there are four kinds of tracks, the others are seats only. */
	f.text = edited_all(text, "a=recvonly", "a=sendrecv");
	free(text);
	assert_int_equal(parse_text(&f, f.text), 0);
	answer_make(&f);
	assert_int_equal(f.offer->mline[4].session.receives, 0);
	assert_section_has(&f, 4, "\r\na=sendonly\r\n");
}

static void test_mirrored_directions(void **state)
{
	static const struct {
		const char *offered, *answered;
		uint8_t receives, sends;
	} cases[] = {
		{ "a=sendrecv", "\r\na=sendrecv\r\n", 1, 1 },
		{ "a=sendonly", "\r\na=recvonly\r\n", 1, 0 },
		{ "a=recvonly", "\r\na=sendonly\r\n", 0, 1 },
		{ "a=inactive", "\r\na=inactive\r\n", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_fixture f = { 0 };
		char *text = offer_load("aiortc-audio");
		f.text = edited(text, "a=sendrecv", cases[i].offered);
		free(text);
		assert_int_equal(parse_text(&f, f.text), 0);
		answer_make(&f);
		assert_section_has(&f, 0, cases[i].answered);
		assert_int_equal(f.offer->mline[0].session.receives, cases[i].receives);
		assert_int_equal(f.offer->mline[0].session.sends, cases[i].sends);
		assert_int_equal(count(section(&f, 0), "a=msid:"), cases[i].sends);
	}
}

static void test_no_seat_left(void **state)
{
	auto_fixture f;

	(void)state;
	open_offer(&f, "chromium-sendrecv");
	struct media_answer a = media_answer_make(f.offer);
	a.seats_len = 1; /* for the audio only */
	buf_clear(&f.answer);
	assert_int_equal(sdp_answer_build(f.offer, &a, 7, &f.answer), 0);
	buf_append_char(&f.answer, '\0');
	assert_section_has(&f, 0, "\r\na=sendrecv\r\n");
	assert_section_has(&f, 1, "\r\na=recvonly\r\n");
}

static void test_codecs(void **state)
{
	auto_fixture f;

	(void)state;
	open_offer(&f, "safari-like");
	const struct session_mline *v = &f.offer->mline[1].session;
	assert_int_equal(v->codecs_len, 3); /* no 10-bit VP9, no RED, no FEC */
	assert_int_equal(v->codec[0].codec, CODEC_VP8);
	assert_int_equal(v->codec[0].pt, 100);
	assert_int_equal(v->codec[0].rtx_pt, 101);
	assert_int_equal(v->codec[0].feedback, FB_NACK | FB_PLI | FB_FIR | FB_TWCC);
	assert_int_equal(v->codec[1].codec, CODEC_H264);
	assert_int_equal(v->codec[1].profile, 0x42e01f);
	assert_int_equal(v->codec[1].packetization_mode, 1);
	assert_int_equal(v->codec[2].profile, 0x640c1f);
	assert_section_has(&f, 1, "m=video 40001 UDP/TLS/RTP/SAVPF 100 98 96 101 99 97\r\nc=IN IP4 192.0.2.1\r\n");
	assert_section_has(&f, 1,
			   "a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n");
	assert_section_has(&f, 1, "a=rtpmap:101 rtx/90000\r\na=fmtp:101 apt=100\r\n");
	assert_has_not(&f, "goog-remb");
	/* RED goes with Opus, behind it. */
	assert_section_has(&f, 0, "m=audio 40001 UDP/TLS/RTP/SAVPF 111 63\r\n");
	assert_section_has(&f, 0, "a=fmtp:111 minptime=10;useinbandfec=1\r\n");
	assert_section_has(&f, 0, "a=fmtp:63 111/111\r\n");
	/* What the client says of its sources, for clients without rids. */
	assert_int_equal(v->layer[0].ssrc, 3735928559u);
	assert_int_equal(v->layer[0].rtx_ssrc, 195948557u);
	assert_int_equal(f.offer->mline[0].session.layer[0].ssrc, 1283458217u);
}

static void test_opus_without_parameters(void **state)
{
	auto_fixture f;

	(void)state;
	open_offer(&f, "aiortc-audio");
	assert_has(&f, "a=fmtp:96 minptime=10;useinbandfec=1\r\n");
}

static void test_extensions(void **state)
{
	auto_fixture f;

	(void)state;
	open_offer(&f, "safari-like");
	const struct session_extensions *e = &f.offer->mline[1].session.ext;
	assert_int_equal(e->mid, 4);
	assert_int_equal(e->rid, 10);
	assert_int_equal(e->repaired_rid, 11);
	assert_int_equal(e->twcc, 3);
	assert_int_equal(e->orientation, 13);
	assert_int_equal(e->abs_send_time, 0); /* only without transport-wide feedback */
	assert_int_equal(f.offer->mline[0].session.ext.audio_level, 1);
	assert_section_has(&f, 1, "a=extmap:13 urn:3gpp:video-orientation\r\n");
	assert_has_not(&f, "toffset");
	assert_has_not(&f, "abs-send-time");
}

static void test_remb_instead_of_twcc(void **state)
{
	auto_fixture f;

	(void)state;
	open_offer(&f, "safari-like");
	char *text = edited_all(f.text, "transport-cc", "x-not-known");
	fixture_fini(&f);
	f = (struct fixture){ .text = text };
	assert_int_equal(parse_text(&f, text), 0);
	answer_make(&f);
	for (unsigned i = 0; i < f.offer->mlines_len; i++)
		assert_int_equal(f.offer->mline[i].session.ext.twcc, 0);
	assert_has(&f, "goog-remb");
	assert_has(&f, "abs-send-time");
}

static void test_simulcast(void **state)
{
	auto_fixture f;

	(void)state;
	open_offer(&f, "chromium-simulcast");
	const struct session_mline *v = &f.offer->mline[1].session;
	assert_int_equal(v->layers_len, 3);
	assert_string_equal(v->layer[0].rid, "q");
	assert_string_equal(v->layer[2].rid, "f");
	assert_section_has(&f, 1, "a=rid:q recv\r\na=rid:h recv\r\na=rid:f recv\r\na=simulcast:recv q;h;f\r\n");

	/* Highest first: the answer keeps the order, the session turns it round. Alternatives and pauses are read. */
	char *text = edited(f.text, "a=simulcast:send q;h;f", "a=simulcast:recv x;y send f;~h,z;q");
	assert_int_equal(parse_text(&f, text), 0);
	answer_make(&f);
	free(text);
	v = &f.offer->mline[1].session;
	assert_string_equal(v->layer[0].rid, "q");
	assert_string_equal(v->layer[1].rid, "h");
	assert_section_has(&f, 1, "a=simulcast:recv f;h;q\r\n");
}

static void test_tracks_named(void **state)
{
	auto_fixture f;
	const struct sdp_track good[] = { { "3", TRACK_MICROPHONE }, { "2", TRACK_CAMERA } };
	const struct sdp_track kind[] = { { "0", TRACK_CAMERA } };
	const struct sdp_track twice[] = { { "0", TRACK_MICROPHONE }, { "3", TRACK_MICROPHONE } };
	const struct sdp_track unknown[] = { { "none", TRACK_MICROPHONE } };

	(void)state;
	open_offer(&f, "chromium-four");
	assert_int_equal(sdp_offer_set_tracks(&f.arena, f.offer, good, 2, &f.detail), 0);
	answer_make(&f);
	assert_section_has(&f, 0, "\r\na=sendonly\r\n");
	assert_section_has(&f, 2, "\r\na=sendrecv\r\n");
	assert_int_equal(f.offer->mline[2].session.track_kind, TRACK_CAMERA);
	assert_int_equal(f.offer->mline[3].session.track_kind, TRACK_MICROPHONE);
	assert_int_equal(sdp_offer_set_tracks(&f.arena, f.offer, kind, 1, &f.detail), -EINVAL);
	assert_int_equal(sdp_offer_set_tracks(&f.arena, f.offer, twice, 2, &f.detail), -EINVAL);
	assert_int_equal(sdp_offer_set_tracks(&f.arena, f.offer, unknown, 1, &f.detail), -EINVAL);
	assert_string_equal(sdp_track_kind_name(TRACK_SCREEN_AUDIO), "screen_audio");
}

static void test_rejected_mlines(void **state)
{
	auto_fixture f;

	(void)state;
	open_offer(&f, "chromium-datachannel");
	assert_int_equal(f.offer->mlines_len, 3);
	assert_has(&f, "a=group:BUNDLE 0 1\r\n");
	assert_section_has(&f, 2, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n");
	assert_section_has(&f, 2, "a=mid:2\r\n");

	/* One that the client stopped in a re-offer, one outside the group, one without a codec that we know. */
	char *text = edited(f.text, "a=group:BUNDLE 0 1 2", "a=group:BUNDLE 1 2");
	assert_int_equal(parse_text(&f, text), 0);
	assert_int_equal(f.offer->mline[0].session.rejected, 1);
	free(text);
	text = edited_all(f.text, "opus/48000", "speex/32000");
	assert_int_equal(parse_text(&f, text), 0);
	assert_int_equal(f.offer->mline[0].session.rejected, 1);
	assert_int_equal(f.offer->mline[1].session.rejected, 0);
	free(text);
}

static void test_session_level_attributes(void **state)
{
	auto_fixture f;

	(void)state;
	open_offer(&f, "node-datachannel");
	assert_string_equal(f.offer->ufrag, "uS1E");
	assert_int_equal(f.offer->fingerprint[0], 0xe7);
	assert_int_equal(f.offer->fingerprint[31], 0xcc);
}

static void test_single_mline_without_bundle(void **state)
{
	auto_fixture f = { 0 };
	char *text = offer_load("aiortc-audio"), *bare = edited(text, "a=group:BUNDLE 0\r\n", "");

	(void)state;
	f.text = edited(bare, "a=mid:0\r\n", "");
	free(text);
	free(bare);
	assert_int_equal(parse_text(&f, f.text), 0);
	answer_make(&f);
	assert_has_not(&f, "a=group");
	assert_has_not(&f, "a=mid");
	assert_string_equal(f.offer->mline[0].session.mid, "0");
}

static void test_refusals(void **state)
{
	static const struct {
		const char *offer, *from, *to, *detail;
	} cases[] = {
		{ "chromium-sendrecv", "a=rtcp-mux\r\n", "", "rtcp-mux" },
		{ "chromium-sendrecv", "a=group:BUNDLE 0 1\r\n", "", "BUNDLE" },
		{ "chromium-sendrecv", "a=group:BUNDLE 0 1\r\n", "a=group:BUNDLE 0\r\na=group:BUNDLE 1\r\n",
		  "several" },
		{ "aiortc-audio", "a=fingerprint:sha-256 ", "a=x:", "no a=fingerprint" },
		{ "aiortc-audio", "a=fingerprint:sha-256 ", "a=fingerprint:sha-1 ", "sha-256" },
		{ "aiortc-audio", "a=fingerprint:sha-256 40:01", "a=fingerprint:sha-256 4:01", "sha-256" },
		{ "aiortc-audio", "a=setup:actpass", "a=setup:passive", "setup" },
		{ "aiortc-audio", "a=setup:actpass", "a=setup:holdconn", "setup" },
		{ "aiortc-audio", "a=ice-ufrag:zBvr", "a=ice-ufrag:zB", "ufrag" },
		{ "aiortc-audio", "a=ice-ufrag:zBvr", "a=ice-ufrag:zB r", "ufrag" },
		{ "aiortc-audio", "a=ice-ufrag:zBvr\r\n", "", "ufrag" },
		{ "aiortc-audio", "a=ice-pwd:fmIZmSyvQqu22vw5hrvmB7", "a=ice-pwd:short", "pwd" },
		{ "aiortc-audio", "s=-\r\n", "s=-\r\na=ice-lite\r\n", "ice-lite" },
		{ "aiortc-audio", "a=mid:0", "a=mid:0123456789abcdefg", "mid" },
		{ "aiortc-audio", "UDP/TLS/RTP/SAVPF", "RTP/AVP", "No m-line" },
		{ "aiortc-audio", "opus/48000/2", "opus/8000/1", "No m-line" },
		{ "aiortc-audio", "v=0", "<!doctype html>", "v=0" },
		{ "chromium-sendrecv", "a=mid:1", "a=mid:0", "twice" },
		{ "chromium-simulcast", "send q;h;f", "send q;q;f", "twice" },
		{ "chromium-simulcast", "send q;h;f", "send q;h!;f", "rid" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *text = offer_load(cases[i].offer);
		auto_free char *bad = edited(text, cases[i].from, cases[i].to);
		assert_refused(bad, cases[i].detail);
	}
	assert_refused("v=0\r\n", "no m-line");
	assert_refused("", "v=0");
}

static void test_sizes(void **state)
{
	auto_fixture f = { 0 };
	struct buf b = { 0 };

	(void)state;
	buf_append_str(&b, "v=0\r\n");
	for (unsigned i = 0; i < SESSION_MLINES_MAX + 1; i++)
		buf_append_str(&b, "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n");
	assert_int_equal(sdp_offer_parse(&f.arena, (char *)b.data, b.len, &f.offer, &f.detail), -EINVAL);
	assert_non_null(strstr(f.detail, "32 m-lines"));
	while (b.len <= SDP_BYTES_MAX)
		buf_append_str(&b, "a=x\r\n");
	assert_int_equal(sdp_offer_parse(&f.arena, (char *)b.data, b.len, &f.offer, &f.detail), -EINVAL);
	assert_non_null(strstr(f.detail, "longer"));
	buf_fini(&b);
	assert_int_equal(sdp_offer_parse(&f.arena, "v=0\0\r\n", 6, &f.offer, &f.detail), -EINVAL);
	assert_int_equal(sdp_offer_parse(&f.arena, "v=0\r\ns=\xff\r\n", 10, &f.offer, &f.detail), -EINVAL);
}

/* The arena runs out at every place once: an error, never a crash. */
static void test_out_of_memory(void **state)
{
	char *text = offer_load("chromium-simulcast");
	bool done = false;

	(void)state;
	for (size_t limit = 1; !done; limit += 512) {
		struct arena arena = { .limit = limit };
		struct sdp_offer *offer;
		const char *detail = NULL;
		int r = sdp_offer_parse(&arena, text, strlen(text), &offer, &detail);
		assert_true(r == 0 || r == -ENOMEM);
		done = r == 0;
		arena_fini(&arena);
		assert_true(limit < 1 << 20);
	}
	free(text);
}

/* aiortc offers id 2 for the audio level and, on the next m-line of the same bundle, for the send time. */
static void test_one_meaning_per_extension_id(void **state)
{
	auto_fixture f;

	(void)state;
	open_offer(&f, "aiortc");
	assert_int_equal(f.offer->mline[0].session.ext.audio_level, 2);
	assert_int_equal(f.offer->mline[1].session.ext.abs_send_time, 0);
	assert_int_equal(f.offer->mline[1].session.ext.mid, 1);
	assert_null(strstr(section(&f, 0), "ssrc-group")); /* no RTX payload type, no RTX source */
	assert_section_has(&f, 1, "a=ssrc-group:FID 5002 5003\r\n");
	assert_section_has(&f, 0, "a=extmap:2 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n");
	assert_has_not(&f, "abs-send-time");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_client),
		cmocka_unit_test(test_directions_and_tracks),
		cmocka_unit_test(test_surplus_senders),
		cmocka_unit_test(test_mirrored_directions),
		cmocka_unit_test(test_no_seat_left),
		cmocka_unit_test(test_codecs),
		cmocka_unit_test(test_opus_without_parameters),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_one_meaning_per_extension_id),
		cmocka_unit_test(test_remb_instead_of_twcc),
		cmocka_unit_test(test_simulcast),
		cmocka_unit_test(test_tracks_named),
		cmocka_unit_test(test_rejected_mlines),
		cmocka_unit_test(test_session_level_attributes),
		cmocka_unit_test(test_single_mline_without_bundle),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
