/* links: lab mediad */
/* What comes in: which SSRC is what, statistics, loss and its repair, key-frame requests. */
#include "tests/lab/media_lab.h"

#include "lib/nack.h"
#include "mediad/keyframe.h"
#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>

/* ---- nack.h ---- */

static void gaps_are_asked_for_after_a_wait(void **state)
{
	struct nack *n = calloc(1, sizeof(*n));
	uint64_t index[8];
	int64_t now = 1000000;

	(void)state;
	assert_non_null(n);
	nack_init(n);
	assert_int_equal(nack_on_rtp(n, 65534, false, now), NACK_NEW);
	assert_int_equal(nack_on_rtp(n, 65534, false, now), NACK_DUPLICATE);
	assert_int_equal(nack_on_rtp(n, 65538, false, now), NACK_NEW);
	assert_int_equal(nack_due_us(n), now + 5000);
	assert_int_equal(nack_collect(n, now + 4999, 50000, index, 8), 0);
	assert_int_equal(nack_on_rtp(n, 65536, false, now + 4000), NACK_RECOVERED); /* overtaken */
	assert_int_equal(nack_collect(n, now + 5000, 50000, index, 8), 2);
	assert_int_equal(index[0], 65535);
	assert_int_equal(index[1], 65537);
	assert_int_equal(nack_collect(n, now + 54999, 50000, index, 8), 0);
	assert_int_equal(nack_collect(n, now + 55000, 50000, index, 8), 2);
	assert_int_equal(nack_on_rtp(n, 65535, true, now + 60000), NACK_RECOVERED);
	assert_int_equal(nack_on_rtp(n, 65535, true, now + 60001), NACK_DUPLICATE);
	assert_int_equal(n->round_trip_us, 0); /* asked for twice: which answer it was is not known */
	unsigned tries = 2;
	for (now += 55000; nack_due_us(n) != NACK_NEVER_DUE; now += 50000)
		tries += nack_collect(n, now, 50000, index, 8) > 0;
	assert_int_equal(tries, NACK_TRIES_MAX);
	assert_int_equal(n->len, 0);
	free(n);
}

static void overtaking_makes_patient(void **state)
{
	struct nack *n = calloc(1, sizeof(*n));
	int64_t now = 1000000;

	(void)state;
	assert_non_null(n);
	nack_init(n);
	nack_on_rtp(n, 1, false, now);
	nack_on_rtp(n, 3, false, now);
	nack_on_rtp(n, 2, false, now + 20000);
	assert_int_equal(n->reorder_us, 25000);
	nack_on_rtp(n, 5, false, now + 30000);
	nack_on_rtp(n, 4, false, now + 300000);
	assert_int_equal(n->reorder_us, 50000);
	free(n);
}

static void lists_are_bounded(void **state)
{
	struct nack *n = calloc(1, sizeof(*n));
	uint64_t index[64];

	(void)state;
	assert_non_null(n);
	nack_init(n);
	nack_on_rtp(n, 1000, false, 1);
	for (uint64_t i = 1; i < 50; i++)
		assert_int_equal(nack_on_rtp(n, 1000 + i * 20, false, 1), NACK_NEW);
	assert_int_equal(n->len, NACK_MAX);
	assert_int_equal(nack_on_rtp(n, 2980, false, 1), NACK_NEW);
	assert_int_equal(n->len, NACK_MAX);
	assert_int_equal(n->entry[0].index, 2980 - NACK_MAX);
	assert_int_equal(nack_on_rtp(n, 5000, false, 1), NACK_JUMP);
	assert_int_equal(n->len, 0);
	nack_on_rtp(n, 5100, false, 1);
	assert_int_equal(nack_collect(n, 10 * USEC_PER_SEC, 1, index, 64), 0); /* too old */
	assert_int_equal(n->len, 0);
	free(n);
}

/* ---- keyframe.h ---- */

static void the_first_packet_may_have_overtaken_others(void **state)
{
	struct nack *n = calloc(1, sizeof(*n));
	uint64_t index[8];

	(void)state;
	assert_non_null(n);
	nack_init(n);
	assert_int_equal(nack_on_rtp(n, 100, false, 1), NACK_NEW);
	assert_int_equal(nack_on_rtp(n, 98, false, 2), NACK_RECOVERED);
	assert_int_equal(nack_on_rtp(n, 98, false, 2), NACK_DUPLICATE);
	assert_int_equal(nack_on_rtp(n, 99, false, 3), NACK_RECOVERED);
	assert_int_equal(nack_on_rtp(n, 68, false, 3), NACK_RECOVERED);
	assert_int_equal(nack_on_rtp(n, 67, false, 3), NACK_DUPLICATE);
	assert_int_equal(nack_on_rtp(n, 100, false, 3), NACK_DUPLICATE);
	assert_int_equal(nack_due_us(n), NACK_NEVER_DUE);
	assert_int_equal(nack_on_rtp(n, 5000, false, 4), NACK_JUMP);
	assert_int_equal(nack_on_rtp(n, 4999, false, 5), NACK_RECOVERED);
	assert_int_equal(nack_on_rtp(n, 99, false, 5), NACK_DUPLICATE);
	assert_int_equal(nack_collect(n, USEC_PER_SEC, 1, index, 8), 0);
	free(n);
}

static void requests_are_throttled_and_repeated(void **state)
{
	struct keyframe k = { 0 };
	int64_t now = 10 * USEC_PER_SEC;

	(void)state;
	assert_true(keyframe_due_us(&k) == KEYFRAME_NEVER_DUE);
	keyframe_want(&k, now);
	assert_int_equal(keyframe_due_us(&k), now);
	keyframe_asked(&k, now);
	assert_int_equal(keyframe_due_us(&k), now + 1000000); /* the watchdog */
	keyframe_want(&k, now + 100);			      /* somebody else, or lost again */
	assert_int_equal(keyframe_due_us(&k), now + 500000);
	keyframe_asked(&k, now + 500000);
	keyframe_arrived(&k);
	assert_true(keyframe_due_us(&k) == KEYFRAME_NEVER_DUE);
	keyframe_want(&k, now + 600000);
	assert_int_equal(keyframe_due_us(&k), now + 1000000);
	int64_t last = 0, gap = 0;
	for (unsigned i = 0; i < 20; i++) {
		last = keyframe_due_us(&k);
		keyframe_asked(&k, last);
		gap = keyframe_due_us(&k) - last;
	}
	assert_int_equal(gap, 8 * USEC_PER_SEC);
	keyframe_on_return(&k, last + 3 * USEC_PER_SEC);
	assert_int_equal(keyframe_due_us(&k), last + 3 * USEC_PER_SEC);
}

/* ---- sources ---- */

static struct track *track_of(struct lab_device *d, unsigned mline)
{
	return lab_peer(d)->track[mline];
}

static void ssrc_known_from_the_offer(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *d = lab_device(lab, 0, 1, 1, 1), *other = lab_device(lab, 0, 1, 2, 1);
	uint8_t p[1500];

	(void)state;
	d->rec->mline[0].layer[0].ssrc = d->audio.ssrc;
	d->rec->mline[1].layer[0].ssrc = d->video.ssrc;
	d->rec->mline[1].layer[0].rtx_ssrc = d->video.rtx_ssrc;
	d->audio.no_mid = d->video.no_mid = true;
	assert_int_equal(lab_offer(d), 0);
	lab_connect(d);
	/* Nobody listens: the books are kept, the slot goes back. */
	assert_false(lab_rtp(d, p, lab_build(d, &d->audio, false, false, 0, p)));
	assert_int_equal(track_of(d, 0)->layer[0]->received, 1);
	assert_int_equal(lab_offer(other), 0);
	lab_connect(other);
	assert_true(lab_rtp(d, p, lab_build(d, &d->audio, false, false, 0, p)));
	assert_true(lab_rtp(d, p, lab_build(d, &d->video, true, true, 0, p)));
	assert_int_equal(stat_get(&lab_counters(lab, 0)->rtp_unknown_ssrc), 0);
	assert_int_equal(stat_get(&lab_counters(lab, 0)->ring_published), 2);
	lab_free(lab);
}

static void ssrc_learnt_from_mid_and_payload_type(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *d = lab_device(lab, 0, 1, 1, 1), *other = lab_device(lab, 0, 1, 2, 1);
	uint8_t p[1500];

	(void)state;
	assert_int_equal(lab_offer(d), 0);
	assert_int_equal(lab_offer(other), 0);
	lab_connect(d);
	d->audio.no_mid = true; /* 111 is the audio's alone */
	assert_true(lab_rtp(d, p, lab_build(d, &d->audio, false, false, 0, p)));
	assert_true(lab_rtp(d, p, lab_build(d, &d->video, true, true, 0, p)));
	assert_int_equal(track_of(d, 0)->rec->layer[0].ssrc, d->audio.ssrc);
	assert_int_equal(track_of(d, 1)->rec->layer[0].ssrc, d->video.ssrc);
	/* A payload type that nobody negotiated. */
	size_t len = lab_build(d, &d->video, true, true, 0, p);
	p[1] = 35;
	assert_false(lab_rtp(d, p, len));
	rtp_put32(p + 8, 4711);
	assert_false(lab_rtp(d, p, len));
	assert_int_equal(stat_get(&lab_counters(lab, 0)->rtp_unknown_ssrc), 1);
	/* Random SSRCs cost no more than a few looks a second. */
	for (uint32_t i = 0; i < 1000; i++) {
		len = lab_build(d, &d->video, true, true, 0, p);
		rtp_put32(p + 8, 100000 + i);
		(void)lab_rtp(d, p, len);
	}
	assert_true(stat_get(&lab_counters(lab, 0)->rtp_unknown_ssrc) > 900);
	assert_false(lab_rtp(d, p, 5));
	assert_int_equal(stat_get(&lab_counters(lab, 0)->rtp_bad), 1);
	lab_free(lab);
}

static size_t with_rid(struct lab_device *d, uint32_t ssrc, uint16_t seq, uint8_t id, const char *rid, uint8_t pt,
		       uint8_t *p)
{
	struct rtp_writer w;

	rtp_begin(&w, p, 1400, false);
	rtp_add(&w, LAB_EXT_MID, d->rec->mline[1].mid, 1);
	rtp_add(&w, id, rid, strlen(rid));
	assert_int_equal(rtp_end(&w, pt, true, seq, 1000, ssrc), 0);
	if (pt == LAB_PT_RTX) {
		rtp_put16(p + w.len, 500);
		w.len += 2;
	}
	memcpy(p + w.len, "\x10\x00key", 5);
	return w.len + 5;
}

static void layers_by_rid(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *d = lab_device(lab, 0, 1, 1, 1), *other = lab_device(lab, 0, 1, 2, 1);
	uint8_t p[1500];

	(void)state;
	d->rec->mline[1].layers_len = 3;
	strcpy(d->rec->mline[1].layer[0].rid, "q");
	strcpy(d->rec->mline[1].layer[1].rid, "h");
	strcpy(d->rec->mline[1].layer[2].rid, "f");
	/* The other tells nothing of its path: it is not limited. */
	for (unsigned i = 0; i < other->rec->mlines_len; i++)
		other->rec->mline[i].ext.twcc = 0;
	assert_int_equal(lab_offer(d), 0);
	assert_int_equal(lab_offer(other), 0);
	lab_connect(d);
	lab_connect(other);
	assert_true(lab_rtp(d, p, with_rid(d, 70, 501, LAB_EXT_RID, "h", LAB_PT_VP8, p)));
	/* Known, and dropped: the higher one is taken. */
	assert_false(lab_rtp(d, p, with_rid(d, 71, 501, LAB_EXT_RID, "q", LAB_PT_VP8, p)));
	assert_false(lab_rtp(d, p, with_rid(d, 72, 501, LAB_EXT_RID, "x", LAB_PT_VP8, p)));
	assert_int_equal(track_of(d, 1)->layer[0]->ssrc, 71);
	assert_int_equal(track_of(d, 1)->layer[1]->ssrc, 70);
	/* Its picture came once. */
	assert_int_equal(lab_peer(other)->seat[1]->rec->layer, 1);
	assert_int_equal(lab_peer(other)->seat[1]->rec->packets, 1);
	/* 500 was missing between 499 and 501. */
	assert_true(lab_rtp(d, p, with_rid(d, 70, 503, LAB_EXT_RID, "h", LAB_PT_VP8, p)));
	size_t len = with_rid(d, 80, 9, LAB_EXT_RRID, "h", LAB_PT_RTX, p);
	p[len - 7 + 1] = 502 & 0xff;
	assert_true(lab_rtp(d, p, len));
	assert_int_equal(track_of(d, 1)->layer[1]->rtx_ssrc, 80);
	assert_int_equal(atomic_load(&track_of(d, 1)->rec->layer[1].rtx_highest), 9);
	assert_false(lab_rtp(d, p, len)); /* again: a duplicate */
	assert_int_equal(lab_peer(other)->seat[1]->rec->packets, 3);
	lab_free(lab);
}

/* ---- statistics ---- */

static void report_blocks_tell_loss_and_jitter(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *d = lab_device(lab, 0, 1, 1, 1);
	struct rtcp_block block;
	uint8_t p[1500];

	(void)state;
	assert_int_equal(lab_offer(d), 0);
	lab_connect(d);
	d->audio.seq = 65500;
	assert_false(track_report(track_of(d, 0), 0, lab->now_us, &block));
	for (unsigned i = 0; i < 100; i++) {
		size_t len = lab_build(d, &d->audio, false, false, 0, p);
		d->audio.timestamp += 960;
		lab->now_us += 20 * USEC_PER_MSEC;
		if (i % 4 != 1)
			(void)lab_rtp(d, p, len);
	}
	assert_true(track_report(track_of(d, 0), 0, lab->now_us, &block));
	assert_int_equal(block.ssrc, d->audio.ssrc);
	assert_int_equal(block.lost, 25);
	assert_int_equal(block.fraction_lost, 64);
	assert_int_equal(block.highest, 65599);
	assert_int_equal(block.jitter, 0);
	assert_int_equal(block.lsr, 0);
	/* Nothing lost since; every second packet 10 ms late. */
	for (unsigned i = 0; i < 200; i++) {
		size_t len = lab_build(d, &d->audio, false, false, 0, p);
		d->audio.timestamp += 960;
		lab->now_us += i % 2 ? 10 * USEC_PER_MSEC : 30 * USEC_PER_MSEC;
		(void)lab_rtp(d, p, len);
	}
	assert_true(track_report(track_of(d, 0), 0, lab->now_us, &block));
	assert_int_equal(block.lost, 25);
	assert_int_equal(block.fraction_lost, 0);
	assert_true(block.jitter > 450 && block.jitter <= 480);
	lab_free(lab);
}

/* Nobody has reported yet, and the first packet that came was one that was missing for long. */
static void a_late_first_packet_does_not_set_the_clock(void **state)
{
	struct rtp_clock clock = { 0 };
	struct rtp_clock_peer peer = { 0 };
	int64_t now = 1000 * USEC_PER_SEC;

	(void)state;
	assert_int_equal(rtp_clock_time_us(&clock, 90000, 1000, now), now);
	/* Half a second of timestamps later, and 20 ms of ours: the first was under way for 480 ms longer. */
	now += 20 * USEC_PER_MSEC;
	assert_int_equal(rtp_clock_time_us(&clock, 90000, 46000, now), now);
	assert_int_equal(rtp_clock_timestamp(&clock, 90000, now + 100000), 55000);
	/* A later one that is late, too, changes nothing. */
	assert_int_equal(rtp_clock_time_us(&clock, 90000, 55000, now + 300000), now + 100000);
	/* A report is believed rather than arrivals. */
	rtp_clock_report(&clock, &peer, UINT64_C(5000) << 32, 55000, now + 90000);
	assert_int_equal(rtp_clock_time_us(&clock, 90000, 64000, now + 150000), now + 190000);
}

static void clock_follows_reports(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *d = lab_device(lab, 0, 1, 1, 1);
	uint8_t p[1500];

	(void)state;
	assert_int_equal(lab_offer(d), 0);
	lab_connect(d);
	lab->now_us += 40 * USEC_PER_MSEC; /* the picture was under way for 40 ms, the sound for 10 */
	(void)lab_rtp(d, p, lab_build(d, &d->video, true, true, 0, p));
	struct track *video = track_of(d, 1), *audio = track_of(d, 0);
	int64_t arrival = lab->now_us;
	assert_int_equal(track_time_us(video, 0, d->video.timestamp, arrival), arrival);
	assert_int_equal(track_time_us(video, 0, d->video.timestamp + 90000, arrival + USEC_PER_SEC),
			 arrival + USEC_PER_SEC);
	assert_int_equal(track_timestamp(video, 0, arrival + 100000), d->video.timestamp + 9000);
	/* Both were sampled at the NTP time 5000 s, and say so 10 ms later. */
	struct rtcp_sender sr = { .ntp = UINT64_C(5000) << 32, .rtp = d->video.timestamp };
	track_on_sender_report(video, 0, &sr, lab->now_us + 30000);
	sr.rtp = d->audio.timestamp;
	track_on_sender_report(audio, 0, &sr, lab->now_us + 10000); /* the quicker one tells the offset */
	sr.rtp = d->video.timestamp;
	track_on_sender_report(video, 0, &sr, lab->now_us + 60000);
	int64_t a = track_time_us(audio, 0, d->audio.timestamp, lab->now_us);
	int64_t v = track_time_us(video, 0, d->video.timestamp, lab->now_us);
	assert_int_equal(a, lab->now_us + 10000);
	assert_true(v >= a && v - a < 1000);
	/* Nonsense is not believed. */
	sr.rtp = d->video.timestamp + 900000000;
	track_on_sender_report(video, 0, &sr, lab->now_us);
	assert_int_equal(track_time_us(video, 0, d->video.timestamp, arrival), arrival);
	lab_free(lab);
}

static void reports_reach_the_publisher(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *d = lab_device(lab, 0, 1, 1, 1), *other = lab_device(lab, 0, 1, 2, 1);
	uint8_t bad[] = { 0x81, 201, 0, 1, 0, 0, 0, 1 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) /* no transport-wide numbers: REMB instead */
		d->rec->mline[i].ext.twcc = 0;
	d->rec->mline[1].codec[0].feedback = FB_NACK | FB_FIR | FB_REMB;
	assert_int_equal(lab_offer(d), 0);
	assert_int_equal(lab_offer(other), 0);
	lab_connect(d);
	lab_run(lab, 300 * USEC_PER_MSEC);
	lab_connect(other);
	lab_run(lab, 5 * USEC_PER_SEC);
	assert_int_equal(d->twcc_feedbacks, 0);
	assert_true(d->rembs >= 3);
	assert_true(d->video.firs >= 1);
	assert_int_equal(d->video.plis, 0);
	assert_true(other->twcc_feedbacks > 40);
	assert_int_equal(other->rembs, 0);
	assert_true(lab_peer(other)->rtt_us > 15000 && lab_peer(other)->rtt_us < 40000);
	lab_rtcp(d, bad, sizeof(bad));
	assert_int_equal(stat_get(&lab_counters(lab, 0)->rtcp_bad), 1);
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gaps_are_asked_for_after_a_wait),
		cmocka_unit_test(overtaking_makes_patient),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(the_first_packet_may_have_overtaken_others),
		cmocka_unit_test(requests_are_throttled_and_repeated),
		cmocka_unit_test(ssrc_known_from_the_offer),
		cmocka_unit_test(ssrc_learnt_from_mid_and_payload_type),
		cmocka_unit_test(layers_by_rid),
		cmocka_unit_test(report_blocks_tell_loss_and_jitter),
		cmocka_unit_test(a_late_first_packet_does_not_set_the_clock),
		cmocka_unit_test(clock_follows_reports),
		cmocka_unit_test(reports_reach_the_publisher),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
