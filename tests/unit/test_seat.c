/* links: lab mediad */
/* What goes out: one unbroken stream, whatever its source does; retransmission; nothing encrypted twice. */
#include "tests/lab/media_lab.h"

#include "tests/support/cm.h"

#include <string.h>

/* Frames in the order of their out indexes: whole, picture ids and timestamps go on. */
static unsigned check_unbroken(const struct lab_stream *s, bool timed)
{
	const struct lab_packet *last = NULL;
	unsigned switches = 0;

	assert_non_null(s);
	for (uint64_t i = 0; i <= s->highest - s->first; i++) {
		const struct lab_packet *p = &s->log[i];
		assert_true(p->used);
		if (last && p->device != last->device) {
			assert_true(!s->video || (p->keyframe && p->place == 0));
			switches++;
		}
		if (last && s->video && p->place == 0) {
			assert_int_equal(p->picture_id, (last->picture_id + 1) & 0x7fff);
			assert_int_equal(p->tl0picidx, (uint8_t)(last->tl0picidx + 1));
		} else if (last && s->video) {
			assert_int_equal(p->picture_id, last->picture_id);
			assert_int_equal(p->timestamp, last->timestamp);
		}
		if (last && (!s->video || p->place == 0)) {
			/* Timestamps follow the time at which packets came, over switches too. */
			int64_t rate = s->video ? 90 : 48, ms = (p->at_us - last->at_us) / 1000;
			int64_t passed = (int32_t)(p->timestamp - last->timestamp) / rate;
			assert_true((int32_t)(p->timestamp - last->timestamp) > 0);
			if (timed)
				assert_true(passed - ms < 80 && ms - passed < 80);
		}
		last = p;
	}
	return switches;
}

static struct seat *seat_of(struct lab_device *d, unsigned mline)
{
	return lab_peer(d)->seat[mline];
}

static void put_on(struct lab_device *watcher, struct lab_device *source)
{
	int64_t now_us = watcher->lab->now_us;

	for (unsigned i = 0; i < 2; i++)
		seat_set_source(seat_of(watcher, i), lab_peer(source)->track[i], now_us);
}

static void many_switches_are_unbroken(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *watcher = lab_device(lab, 0, 1, 1, 1);
	struct lab_device *source[3];

	(void)state;
	lab->delay_us = 5 * USEC_PER_MSEC;
	for (unsigned i = 0; i < 3; i++) {
		source[i] = lab_device(lab, 0, 1, (uint8_t)(2 + i), 1);
		source[i]->deaf = true;
		source[i]->audio.level = LAB_SILENCE; /* or who speaks would take the seat back */
	}
	assert_int_equal(lab_offer(watcher), 0);
	lab_connect(watcher);
	watcher->audio.on = watcher->video.on = false;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(lab_offer(source[i]), 0);
		lab_connect(source[i]);
	}
	lab_run(lab, 2 * USEC_PER_SEC);
	for (unsigned i = 1; i <= 60; i++) {
		put_on(watcher, source[i % 3]);
		assert_int_equal(seat_state(seat_of(watcher, 1)), SEAT_WAITING);
		lab_run(lab, (150 + i * 37 % 400) * USEC_PER_MSEC);
		if (i % 3 == 0)
			lab_run(lab, 600 * USEC_PER_MSEC);
	}
	lab_run(lab, 2 * USEC_PER_SEC);
	assert_int_equal(seat_state(seat_of(watcher, 1)), SEAT_LIVE);
	assert_true(check_unbroken(lab_stream(watcher, 1), true) > 25);
	assert_true(check_unbroken(lab_stream(watcher, 0), true) > 50);
	lab_free(lab);
}

/* Half an hour of numbers in a few seconds: sequence numbers, timestamps and picture ids wrap. */
static void numbers_wrap(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *watcher = lab_device(lab, 0, 1, 1, 1), *source = lab_device(lab, 0, 1, 2, 1);

	(void)state;
	assert_int_equal(lab_offer(watcher), 0);
	assert_int_equal(lab_offer(source), 0);
	atomic_store(&lab_peer(watcher)->seat[1]->rec->next, 65000);
	atomic_store(&lab_peer(watcher)->seat[0]->rec->next, 65500);
	lab_peer(watcher)->seat[1]->rec->picture_id_last = 32760;
	lab_peer(watcher)->seat[1]->rec->tl0picidx_last = 250;
	source->video.picture_id = 32750;
	source->video.seq = 65400;
	source->loss_up = watcher->loss_down = 3;
	lab_connect(watcher);
	lab_connect(source);
	lab_run(lab, 12 * USEC_PER_SEC);
	source->loss_up = watcher->loss_down = 0;
	lab_run(lab, USEC_PER_SEC);
	source->video.on = false;
	lab_run(lab, USEC_PER_SEC);
	check_unbroken(lab_stream(watcher, 1), false);
	assert_true(lab_stream(watcher, 1)->highest > 65536 + 500);
	assert_true(atomic_load(&seat_of(watcher, 1)->rec->next) > 65536);
	lab_free(lab);
}

static struct lab *a_call(struct lab_device **ret_watcher, struct lab_device **ret_source)
{
	struct lab *lab = lab_new(1);

	*ret_watcher = lab_device(lab, 0, 1, 1, 1);
	*ret_source = lab_device(lab, 0, 1, 2, 1);
	assert_int_equal(lab_offer(*ret_watcher), 0);
	assert_int_equal(lab_offer(*ret_source), 0);
	lab_connect(*ret_watcher);
	lab_connect(*ret_source);
	return lab;
}

static void nacks_are_answered_once_per_round_trip(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call(&watcher, &source);
	struct stats_mediad *c = lab_counters(lab, 0);

	(void)state;
	lab_run(lab, 2 * USEC_PER_SEC);
	struct seat *seat = seat_of(watcher, 1);
	uint16_t last = (uint16_t)(atomic_load(&seat->rec->next) - 1);
	uint64_t probed = lab_stream(watcher, 1)->repaired; /* the first probes repeat some */
	seat_on_nack(seat, last, lab->now_us);
	seat_on_nack(seat, last, lab->now_us + 1000);
	assert_int_equal(stat_get(&c->rtx_sent), 1);
	seat_on_nack(seat, last, lab->now_us + 200000);
	assert_int_equal(stat_get(&c->rtx_sent), 2);
	/* Never sent, and sent too long ago. */
	seat_on_nack(seat, (uint16_t)(last + 1), lab->now_us);
	seat_on_nack(seat, (uint16_t)(last - SESSION_HISTORY), lab->now_us);
	assert_int_equal(stat_get(&c->rtx_missing), 2);
	lab_run(lab, 100 * USEC_PER_MSEC);
	assert_int_equal(lab_stream(watcher, 1)->repaired, probed + 2);
	assert_int_equal(lab_stream(watcher, 1)->duplicates, probed + 2);
	/* Audio was negotiated without RTX: nothing rather than the same index again. */
	seat = seat_of(watcher, 0);
	seat_on_nack(seat, (uint16_t)(atomic_load(&seat->rec->next) - 1), lab->now_us);
	assert_int_equal(stat_get(&c->rtx_missing), 3);
	lab_free(lab);
}

static void nacks_after_a_switch_are_answered_as_sent(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call(&watcher, &source);
	struct lab_device *third = lab_device(lab, 0, 1, 3, 1);

	(void)state;
	assert_int_equal(lab_offer(third), 0);
	lab_connect(third);
	lab_run(lab, 2 * USEC_PER_SEC);
	struct seat *seat = seat_of(watcher, 1);
	uint64_t before = atomic_load(&seat->rec->next);
	put_on(watcher, third);
	lab_run(lab, USEC_PER_SEC);
	assert_true(atomic_load(&seat->rec->next) > before + 10);
	struct lab_stream *s = lab_stream(watcher, 1);
	uint64_t repaired = s->repaired;
	for (uint64_t i = before - 20; i < before + 10; i++)
		seat_on_nack(seat, (uint16_t)i, lab->now_us);
	lab_run(lab, 100 * USEC_PER_MSEC); /* receive() compares each with what it had */
	assert_int_equal(s->repaired - repaired, 30);
	lab_free(lab);
}

static void overwritten_slots_are_not_sent(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call(&watcher, &source);
	uint8_t p[1500];

	(void)state;
	lab_run(lab, USEC_PER_SEC);
	struct seat *seat = seat_of(watcher, 1);
	uint16_t last = (uint16_t)(atomic_load(&seat->rec->next) - 1);
	/* The ring goes round with sound alone. */
	for (unsigned i = 0; i < RING_SLOTS_MIN + 10; i++)
		(void)lab_rtp(source, p, lab_build(source, &source->audio, false, false, 0, p));
	uint64_t sent = stat_get(&lab_counters(lab, 0)->rtx_sent);
	seat_on_nack(seat, last, lab->now_us);
	assert_int_equal(stat_get(&lab_counters(lab, 0)->rtx_sent), sent);
	lab_free(lab);
}

static void late_first_packet_of_a_key_frame(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call(&watcher, &source);
	uint8_t p[8][1500];
	size_t len[8];

	(void)state;
	watcher->audio.on = watcher->video.on = source->audio.on = source->video.on = false;
	for (unsigned i = 0; i < 6; i++) {
		len[i] = lab_build(source, &source->video, true, i < 3, i % 3, p[i]);
		if (i % 3 == 2) {
			source->video.timestamp += 3000;
			source->video.picture_id++;
			source->video.tl0picidx++;
			source->video.frame++;
		}
	}
	/* A packet before, so that the key frame's first one is missed. */
	source->video.seq = (uint16_t)(source->video.seq - 7);
	len[6] = lab_build(source, &source->video, true, false, 2, p[6]);
	assert_true(lab_rtp(source, p[6], len[6]));
	for (unsigned i = 1; i < 6; i++)
		assert_true(lab_rtp(source, p[i], len[i]));
	assert_int_equal(seat_of(watcher, 1)->rec->packets, 0);
	assert_true(lab_rtp(source, p[0], len[0]));
	assert_int_equal(seat_of(watcher, 1)->rec->packets, 6);
	lab_run(lab, 50 * USEC_PER_MSEC);
	struct lab_stream *s = lab_stream(watcher, 1);
	assert_int_equal(s->packets, 6);
	assert_true(s->log[0].keyframe);
	assert_int_equal(s->log[5].frame, s->log[0].frame + 1);
	lab_free(lab);
}

static void publisher_that_begins_again(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call(&watcher, &source);

	(void)state;
	lab_run(lab, 2 * USEC_PER_SEC);
	/* Another SSRC, other numbers, as after replacing the sender. */
	source->video.ssrc += 0x40;
	source->video.rtx_ssrc += 0x40;
	source->video.seq = 100;
	source->video.timestamp += 12345678;
	source->video.picture_id = 5;
	lab_run(lab, 2 * USEC_PER_SEC);
	/* The same SSRC, a leap in its numbers. */
	source->video.seq = (uint16_t)(source->video.seq + 5000);
	lab_run(lab, 3 * USEC_PER_SEC);
	assert_int_equal(seat_state(seat_of(watcher, 1)), SEAT_LIVE);
	const struct lab_stream *s = lab_stream(watcher, 1);
	assert_true(s->log[s->highest - s->first].at_us > lab->now_us - 100000);
	assert_true(s->packets > 450);
	lab_free(lab);
}

static void codecs_are_matched(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *watcher = lab_device(lab, 0, 1, 1, 1), *source = lab_device(lab, 0, 1, 2, 1);

	(void)state;
	/* The watcher numbers VP8 otherwise; then cannot take it at all. */
	watcher->rec->mline[1].codec[0].pt = 120;
	watcher->rec->mline[1].codec[0].rtx_pt = 121;
	assert_int_equal(lab_offer(watcher), 0);
	assert_int_equal(lab_offer(source), 0);
	lab_connect(watcher);
	lab_connect(source);
	watcher->rec->mline[1].codec[0].codec = CODEC_AV1;
	seat_on_offer(seat_of(watcher, 1));
	lab_run(lab, USEC_PER_SEC);
	assert_null(lab_stream(watcher, 1));
	assert_int_equal(seat_state(seat_of(watcher, 1)), SEAT_WAITING);
	assert_int_equal(seat_state(seat_of(watcher, 0)), SEAT_LIVE);
	watcher->rec->mline[1].codec[0].codec = CODEC_VP8;
	watcher->rec->mline[1].codec[0].pt = LAB_PT_VP8;
	assert_int_equal(lab_offer(watcher), 0); /* a re-offer */
	lab_run(lab, 2 * USEC_PER_SEC);
	assert_int_equal(seat_state(seat_of(watcher, 1)), SEAT_LIVE);
	lab_free(lab);
}

/* RED goes as it is to whom negotiated it and unwrapped to others, over both ways. */
static void red_is_unwrapped_for_those_without(void **state)
{
	const struct session_codec red = { .codec = CODEC_RED, .pt = LAB_PT_RED, .clock_rate = 48000, .channels = 2 };

	(void)state;
	for (unsigned mediads = 1; mediads <= 2; mediads++) {
		struct lab *lab = lab_new(mediads);
		struct lab_device *with = lab_device(lab, 0, 1, 1, 2), *source = lab_device(lab, 0, 1, 2, 2);
		struct lab_device *without = lab_device(lab, mediads - 1, 1, 3, 2);
		for (unsigned i = 0; i < 4; i += 2)
			with->rec->mline[i].codec[1] = source->rec->mline[i].codec[1] = red;
		for (unsigned i = 0; i < 4; i += 2)
			with->rec->mline[i].codecs_len = source->rec->mline[i].codecs_len = 2;
		source->audio.red = true;
		assert_int_equal(lab_offer(source), 0);
		assert_int_equal(lab_offer(with), 0);
		assert_int_equal(lab_offer(without), 0);
		lab_connect(source);
		lab_connect(with);
		lab_connect(without);
		lab_run(lab, 3 * USEC_PER_SEC);
		const struct lab_stream *wrapped = lab_stream(with, 0), *plain = lab_stream(without, 2);
		assert_true(wrapped->packets > 100 && plain->packets > 100);
		assert_int_equal(wrapped->reds, wrapped->packets);
		assert_int_equal(plain->reds, 0);
		lab_check_stream(lab, wrapped, 300 * USEC_PER_MSEC);
		lab_check_stream(lab, plain, 300 * USEC_PER_MSEC);
		/* The primary, not the older copy. */
		for (const struct lab_stream *s = plain; s; s = s == plain ? wrapped : NULL) {
			assert_int_equal(s->log[50].device, source->number);
			assert_int_equal(s->log[51].frame, s->log[50].frame + 1);
		}
		lab_free(lab);
	}
}

static struct lab *a_call_with_red(unsigned mediads, bool red, struct lab_device **ret_watcher,
				   struct lab_device **ret_source)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *watcher = lab_device(lab, 0, 1, 1, 1), *source = lab_device(lab, mediads - 1, 1, 2, 1);
	struct session_mline *m = &watcher->rec->mline[0];

	if (red)
		m->codec[m->codecs_len++] = (struct session_codec){
			.codec = CODEC_RED, .pt = LAB_PT_RED, .clock_rate = 48000, .channels = 2
		};
	lab->delay_us = 10 * USEC_PER_MSEC;
	watcher->feedback = true;
	assert_int_equal(lab_offer(watcher), 0);
	assert_int_equal(lab_offer(source), 0);
	lab_connect(watcher);
	lab_connect(source);
	*ret_watcher = watcher;
	*ret_source = source;
	return lab;
}

/* Of the frames since `since`: how many of a thousand were heard neither on their own nor with another. */
static unsigned unheard(const struct lab_stream *s, const struct lab_device *source, uint32_t since)
{
	unsigned n = 0, frames = source->audio.frame - since - 10;

	for (unsigned i = 0; i < frames; i++)
		n += !s->heard_us[(since + i) % LAB_LOG];
	return n * 1000 / frames;
}

/* How often a packet came at the time of the one before. */
static unsigned came_together(const struct lab_stream *s)
{
	unsigned n = 0;

	for (uint64_t i = 1; i <= s->highest - s->first; i++) {
		const struct lab_packet *p = &s->log[i];
		n += p->used && p[-1].used && p->at_us == p[-1].at_us;
	}
	return n;
}

/* A tenth of the packets is lost, and nearly all is heard; when nothing is lost any more, nothing goes twice. */
static void sound_goes_twice_where_packets_are_lost(void **state)
{
	(void)state;
	for (unsigned mediads = 1; mediads <= 2; mediads++) {
		struct lab_device *watcher, *source;
		struct lab *lab = a_call_with_red(mediads, true, &watcher, &source);
		struct stats_mediad *c = lab_counters(lab, 0);

		lab_run(lab, 3 * USEC_PER_SEC);
		const struct lab_stream *s = lab_stream(watcher, 0);
		assert_int_equal(s->reds, 0);
		assert_int_equal(stat_get(&c->red_packets), 0);
		assert_int_equal(came_together(s), 0);
		watcher->loss_down = 10;
		lab_run(lab, 3 * USEC_PER_SEC);
		assert_true(s->reds > 0);
		uint32_t since = source->audio.frame;
		unsigned reds = s->reds;
		lab_run(lab, 30 * USEC_PER_SEC);
		assert_true(s->reds - reds > 1200);
		assert_true(unheard(s, source, since) <= 15);
		assert_true(s->older_known > s->older / 2);
		/* The jitter buffer learns to wait for copies, and is reminded now and then. */
		assert_true(came_together(s) >= 3 && came_together(s) <= 30);
		/* What arrived and what was lost, about. */
		assert_true(stat_get(&c->red_packets) >= s->reds && stat_get(&c->red_packets) < s->reds * 5 / 4);
		watcher->loss_down = 0;
		lab_run(lab, 40 * USEC_PER_SEC);
		reds = s->reds;
		lab_run(lab, 5 * USEC_PER_SEC);
		assert_int_equal(s->reds, reds);
		lab_free(lab);
	}
}

/* Little is sent, so little is known of what the path takes. */
static void sound_alone_goes_twice_too(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call_with_red(1, true, &watcher, &source);

	(void)state;
	source->video.on = watcher->video.on = false;
	lab_run(lab, 5 * USEC_PER_SEC);
	watcher->loss_down = 10;
	lab_run(lab, 5 * USEC_PER_SEC);
	uint32_t since = source->audio.frame;
	lab_run(lab, 60 * USEC_PER_SEC);
	assert_true(unheard(lab_stream(watcher, 0), source, since) <= 25);
	lab_free(lab);
}

/* The same network: a tenth is not heard. */
static void sound_goes_once_to_those_without_red(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call_with_red(1, false, &watcher, &source);

	(void)state;
	watcher->loss_down = 10;
	lab_run(lab, 5 * USEC_PER_SEC);
	uint32_t since = source->audio.frame;
	lab_run(lab, 30 * USEC_PER_SEC);
	assert_int_equal(lab_stream(watcher, 0)->reds, 0);
	assert_true(unheard(lab_stream(watcher, 0), source, since) > 50);
	lab_free(lab);
}

static void silence_goes_once(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call_with_red(1, true, &watcher, &source);

	(void)state;
	watcher->loss_down = 10;
	lab_run(lab, 10 * USEC_PER_SEC);
	const struct lab_stream *s = lab_stream(watcher, 0);
	assert_true(s->reds > 100);
	/* What the microphone sent long ago is not of use: a timestamp further back than a header can say. */
	source->audio.on = false;
	lab_run(lab, 100 * USEC_PER_MSEC);
	unsigned older = s->older;
	for (unsigned i = 0; i < 50; i++) {
		source->audio.timestamp += 48000 * 4 / 10;
		uint8_t p[1500];
		size_t len = lab_build(source, &source->audio, false, false, 0, p);
		source->audio.frame++;
		assert_true(lab_rtp(source, p, len));
		lab_run(lab, 400 * USEC_PER_MSEC);
	}
	assert_int_equal(s->older, older);
	lab_free(lab);
}

/* Nothing of one person's sound is in the packets of another. */
static void sound_of_another_does_not_go_along(void **state)
{
	struct lab_device *watcher, *source, *other;
	struct lab *lab = a_call_with_red(1, true, &watcher, &source);

	(void)state;
	other = lab_device(lab, 0, 1, 3, 1);
	other->audio.level = source->audio.level = LAB_SILENCE;
	assert_int_equal(lab_offer(other), 0);
	lab_connect(other);
	watcher->loss_down = 5;
	lab_run(lab, 10 * USEC_PER_SEC);
	for (unsigned i = 0; i < 40; i++) {
		put_on(watcher, i % 2 ? source : other);
		lab_run(lab, (100 + i * 37 % 200) * USEC_PER_MSEC);
	}
	const struct lab_stream *s = lab_stream(watcher, 0);
	assert_true(s->reds > 200 && s->older_known > 200);
	assert_int_equal(s->older_others, 0);
	lab_free(lab);
}

static void extensions_are_the_watchers(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call(&watcher, &source);
	struct session_mline *m = &watcher->rec->mline[0];

	(void)state;
	/* Ids above 14 need two-byte headers; a packet that has no room for its payload is not sent. */
	m->ext.audio_level = 20;
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(seat_state(seat_of(watcher, 0)), SEAT_LIVE);
	uint8_t p[RING_PACKET_MAX] = { 0x80, LAB_PT_OPUS };
	rtp_put16(p + 2, (uint16_t)(source->audio.seq + 1));
	rtp_put32(p + 8, source->audio.ssrc);
	uint64_t out = lab->rtp_out;
	assert_true(lab_rtp(source, p, 1495));
	assert_int_equal(lab->rtp_out, out);
	lab_free(lab);
}

static void failed_sends_spend_their_index(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call(&watcher, &source);

	(void)state;
	lab_run(lab, USEC_PER_SEC);
	struct seat *seat = seat_of(watcher, 0);
	uint64_t next = atomic_load(&seat->rec->next);
	uint32_t packets = seat->rec->packets;
	lab->refuse_rtp = true;
	lab_run(lab, 200 * USEC_PER_MSEC);
	lab->refuse_rtp = false;
	assert_true(atomic_load(&seat->rec->next) >= next + 9);
	assert_int_equal(seat->rec->packets, packets);
	lab_run(lab, USEC_PER_SEC);
	assert_true(seat->rec->packets > packets + 40);
	lab_free(lab);
}

/* Sender reports of both seats tell one clock: what was sampled together has one NTP time. */
static void reports_keep_lips_in_sync(void **state)
{
	struct lab_device *watcher, *source;
	struct lab *lab = a_call(&watcher, &source);

	(void)state;
	lab_run(lab, 5 * USEC_PER_SEC);
	int64_t skew[2];
	for (unsigned i = 0; i < 2; i++) {
		struct seat *seat = seat_of(watcher, i);
		struct lab_sender *sender = i ? &source->video : &source->audio;
		struct rtcp_sender sr;
		assert_true(seat_sender_report(seat, lab->now_us, &sr));
		/* When was what the publisher samples at next_us sampled, by our reports? */
		uint32_t at_next = sender->timestamp + seat->rec->timestamp_offset;
		int64_t rate = i ? 90000 : 48000;
		skew[i] = (int32_t)(at_next - sr.rtp) * USEC_PER_SEC / rate - (sender->next_us - lab->now_us);
	}
	assert_true(skew[0] - skew[1] < 2000 && skew[1] - skew[0] < 2000);
	assert_true(skew[0] > 8000 && skew[0] < 12000); /* the way takes 10 ms */
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_switches_are_unbroken),
		cmocka_unit_test(numbers_wrap),
		cmocka_unit_test(nacks_are_answered_once_per_round_trip),
		cmocka_unit_test(nacks_after_a_switch_are_answered_as_sent),
		cmocka_unit_test(overwritten_slots_are_not_sent),
		cmocka_unit_test(late_first_packet_of_a_key_frame),
		cmocka_unit_test(publisher_that_begins_again),
		cmocka_unit_test(codecs_are_matched),
		cmocka_unit_test(red_is_unwrapped_for_those_without),
		cmocka_unit_test(sound_goes_twice_where_packets_are_lost),
		cmocka_unit_test(sound_alone_goes_twice_too),
		cmocka_unit_test(sound_goes_once_to_those_without_red),
		cmocka_unit_test(silence_goes_once),
		cmocka_unit_test(sound_of_another_does_not_go_along),
		cmocka_unit_test(extensions_are_the_watchers),
		cmocka_unit_test(failed_sends_spend_their_index),
		cmocka_unit_test(reports_keep_lips_in_sync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
