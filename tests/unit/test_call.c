/* links: lab mediad */
/* Whole calls: who sits where, what the worker hears, and that packets arrive. */
#include "tests/lab/media_lab.h"

#include "tests/support/cm.h"
#include "tests/support/oom.h"

#include <string.h>

static const struct msg_seat *seat_of(const struct lab_device *d, unsigned i)
{
	assert_true(i < d->seats.count);
	return &d->seats.seat[i];
}

static void one_to_one(unsigned mediads, unsigned loss)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *a = lab_device(lab, 0, 1, 1, 1), *b = lab_device(lab, mediads - 1, 1, 2, 1);

	a->loss_up = a->loss_down = b->loss_up = b->loss_down = loss;
	assert_int_equal(lab_offer(a), 0);
	assert_int_equal(a->seats.count, 2);
	assert_int_equal(seat_of(a, 0)->state, SEAT_EMPTY);
	lab_connect(a);
	lab_run(lab, 300 * USEC_PER_MSEC);
	assert_int_equal(a->streams_len, 0);
	assert_int_equal(lab_offer(b), 0);
	assert_int_equal(seat_of(a, 1)->state, SEAT_WAITING);
	assert_int_equal(seat_of(a, 1)->member.b[0], 2);
	assert_int_equal(seat_of(b, 0)->track_kind, TRACK_MICROPHONE);
	assert_int_equal(seat_of(b, 1)->track_kind, TRACK_CAMERA);
	assert_int_equal(seat_of(b, 1)->member.b[0], 1);
	lab_connect(b);
	lab_run(lab, 10 * USEC_PER_SEC);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(seat_of(a, i)->state, SEAT_LIVE);
		assert_int_equal(seat_of(b, i)->state, SEAT_LIVE);
		assert_true(lab_stream(b, i)->reports >= 8);
		assert_int_equal(lab_stream(b, i)->levels, i == 0 ? lab_stream(b, i)->packets : 0);
	}
	lab_check_stream(lab, lab_stream(a, 1), 500 * USEC_PER_MSEC);
	lab_check_stream(lab, lab_stream(b, 1), 500 * USEC_PER_MSEC);
	assert_true(lab_stream(b, 1)->packets > 850);
	if (loss == 0) {
		lab_check_stream(lab, lab_stream(a, 0), 500 * USEC_PER_MSEC);
		assert_true(lab_stream(a, 0)->packets > 480);
		assert_int_equal(a->video.nacks, 0);
		assert_int_equal(a->twcc_lost, 0);
		assert_true(a->video.plis >= 1 && a->video.plis <= 3);
	} else {
		assert_true(a->video.nacks > 0 && a->video.rtx > 0);
		assert_true(lab_stream(b, 1)->repaired > 0);
		assert_true(a->twcc_lost > 0);
	}
	assert_true(a->twcc_feedbacks >= 90 && a->twcc_feedbacks <= 250);
	assert_true(a->twcc_received > 1000);
	if (mediads == 2) {
		assert_true(stat_get(&lab_counters(lab, 0)->ring_packets_from[1]) > 1000);
		assert_true(stat_get(&lab_counters(lab, 1)->ring_packets_from[0]) > 1000);
	}
	lab_close(b);
	assert_int_equal(seat_of(a, 1)->state, SEAT_EMPTY);
	lab_run(lab, 100 * USEC_PER_MSEC);
	lab_close(a);
	lab_free(lab);
}

static void two_on_one_mediad(void **state)
{
	(void)state;
	one_to_one(1, 0);
}

static void two_on_two_mediads(void **state)
{
	(void)state;
	one_to_one(2, 0);
}

static void two_with_loss(void **state)
{
	(void)state;
	one_to_one(1, 5);
	one_to_one(1, 15);
}

static void two_mediads_with_loss(void **state)
{
	(void)state;
	one_to_one(2, 5);
	one_to_one(2, 15);
}

/* Packets overtake each other on every way, and some are lost: streams are whole all the same. */
static void overtaking_and_loss(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 4; round++) {
		struct lab *lab = lab_new(2);
		struct lab_device *d[3];
		lab->random += round * 7919;
		lab->jitter_us = 40 * USEC_PER_MSEC;
		for (unsigned i = 0; i < 3; i++) {
			d[i] = lab_device(lab, i % 2, 1, (uint8_t)(1 + i), 2);
			d[i]->loss_up = d[i]->loss_down = 1 + 3 * round;
			assert_int_equal(lab_offer(d[i]), 0);
			lab_connect(d[i]);
		}
		lab_run(lab, 10 * USEC_PER_SEC);
		for (unsigned i = 0; i < 3; i++) {
			lab_check_stream(lab, lab_stream(d[i], 1), 1500 * USEC_PER_MSEC);
			lab_check_stream(lab, lab_stream(d[i], 3), 1500 * USEC_PER_MSEC);
		}
		lab_free(lab);
	}
}

static unsigned member_at(const struct lab_device *d, unsigned i)
{
	return seat_of(d, i)->member.b[0];
}

static void places_fill_in_order_of_joining(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *d[5];

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		d[i] = lab_device(lab, 0, 1, (uint8_t)(1 + i), 3);
		assert_int_equal(lab_offer(d[i]), 0);
		lab_connect(d[i]);
	}
	/* m-lines: audio, video, audio, video, audio, video. */
	assert_int_equal(member_at(d[4], 0), 1);
	assert_int_equal(member_at(d[4], 1), 1);
	assert_int_equal(member_at(d[4], 3), 2);
	assert_int_equal(member_at(d[4], 5), 3);
	assert_int_equal(member_at(d[0], 1), 2);
	assert_int_equal(member_at(d[0], 5), 4);
	lab_run(lab, USEC_PER_SEC);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(seat_of(d[4], i)->state, SEAT_LIVE);
	/* Who leaves makes room; nobody else is moved. */
	lab_close(d[1]);
	assert_int_equal(member_at(d[4], 1), 1);
	assert_int_equal(member_at(d[4], 3), 4);
	assert_int_equal(member_at(d[4], 2), 4);
	assert_int_equal(member_at(d[4], 5), 3);
	assert_int_equal(seat_of(d[4], 3)->state, SEAT_WAITING);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(seat_of(d[4], 3)->state, SEAT_LIVE);
	lab_check_stream(lab, lab_stream(d[4], 1), 300 * USEC_PER_MSEC);
	lab_check_stream(lab, lab_stream(d[4], 3), 300 * USEC_PER_MSEC);
	lab_free(lab);
}

static void who_sends_no_video_takes_an_audio_place(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *a = lab_device(lab, 0, 1, 1, 1), *b = lab_device(lab, 0, 1, 2, 0);
	struct lab_device *c = lab_device(lab, 0, 1, 3, 1);

	(void)state;
	lab_mline(a, MEDIA_AUDIO, false, true, TRACK_MICROPHONE); /* a surplus one: audio only */
	lab_mline(b, MEDIA_AUDIO, true, true, TRACK_MICROPHONE);
	assert_int_equal(lab_offer(a), 0);
	assert_int_equal(lab_offer(b), 0);
	assert_int_equal(member_at(a, 2), 2);
	assert_int_equal(member_at(a, 1), 0);
	assert_int_equal(lab_offer(c), 0);
	assert_int_equal(member_at(a, 0), 3);
	assert_int_equal(member_at(a, 1), 3);
	lab_close(c);
	assert_int_equal(member_at(a, 1), 0);
	/* He begins to send video: he moves to where it can be seen. */
	lab_mline(b, MEDIA_VIDEO, true, false, TRACK_CAMERA);
	assert_int_equal(lab_offer(b), 0);
	assert_int_equal(member_at(a, 0), 2);
	assert_int_equal(member_at(a, 1), 2);
	assert_int_equal(member_at(a, 2), 0);
	/* And stops: the m-line is rejected. */
	b->rec->mline[1].rejected = 1;
	b->rec->mline[1].receives = 0;
	assert_int_equal(lab_offer(b), 0);
	assert_int_equal(member_at(a, 0), 2);
	assert_int_equal(member_at(a, 1), 0);
	lab_free(lab);
}

static void screens_take_a_place_while_they_are_sent(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *a = lab_device(lab, 0, 1, 1, 2), *b = lab_device(lab, mediads - 1, 1, 2, 1);

	lab_mline(b, MEDIA_VIDEO, true, false, TRACK_SCREEN);
	assert_int_equal(lab_offer(a), 0);
	assert_int_equal(lab_offer(b), 0);
	lab_connect(a);
	lab_connect(b);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(member_at(a, 1), 2);
	assert_int_equal(seat_of(a, 3)->state, SEAT_EMPTY);
	b->screen.on = true;
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(seat_of(a, 3)->track_kind, TRACK_SCREEN);
	assert_int_equal(member_at(a, 3), 2);
	assert_int_equal(seat_of(a, 3)->state, SEAT_LIVE);
	assert_int_equal(seat_of(a, 2)->state, SEAT_EMPTY);
	b->screen.on = false;
	lab_run(lab, 8 * USEC_PER_SEC);
	assert_int_equal(seat_of(a, 3)->state, SEAT_EMPTY);
	b->screen.on = true;
	lab_run(lab, 2 * USEC_PER_SEC);
	assert_int_equal(seat_of(a, 3)->state, SEAT_LIVE);
	lab_check_stream(lab, lab_stream(a, 1), 300 * USEC_PER_MSEC);
	lab_free(lab);
}

static void screens(void **state)
{
	(void)state;
	screens_take_a_place_while_they_are_sent(1);
	screens_take_a_place_while_they_are_sent(2);
}

static void set_paused(struct lab_device *d, bool paused)
{
	struct msg_member_state msg = { .call = d->rec->call, .member = d->rec->member, .paused = paused };

	media_on_member_state(d->lab->m[d->mediad].md.media, &msg);
	lab_turn(d->lab);
}

static void pausing(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *a = lab_device(lab, 0, 1, 1, 1), *b = lab_device(lab, mediads - 1, 1, 2, 1);

	assert_int_equal(lab_offer(a), 0);
	assert_int_equal(lab_offer(b), 0);
	lab_connect(a);
	lab_connect(b);
	lab_run(lab, USEC_PER_SEC);
	set_paused(b, true);
	lab_run(lab, 100 * USEC_PER_MSEC);
	uint64_t to_a = lab_stream(a, 1)->packets, to_b = lab_stream(b, 0)->packets;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(seat_of(a, i)->state, SEAT_PAUSED);
		assert_int_equal(seat_of(b, i)->state, SEAT_PAUSED);
	}
	lab_run(lab, 2 * USEC_PER_SEC);
	assert_int_equal(lab_stream(a, 1)->packets, to_a);
	assert_int_equal(lab_stream(b, 0)->packets, to_b);
	unsigned plis = b->video.plis;
	set_paused(b, false);
	assert_int_equal(seat_of(a, 1)->state, SEAT_WAITING);
	lab_run(lab, 60 * USEC_PER_MSEC);
	assert_true(b->video.plis > plis); /* asked at once */
	lab_run(lab, 640 * USEC_PER_MSEC);
	assert_int_equal(seat_of(a, 1)->state, SEAT_LIVE);
	assert_int_equal(seat_of(b, 1)->state, SEAT_LIVE);
	/* A pause right after a key frame was asked for is no reason to wait for long. */
	set_paused(b, true);
	lab_run(lab, 20 * USEC_PER_MSEC);
	set_paused(b, false);
	lab_run(lab, 700 * USEC_PER_MSEC);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(seat_of(a, i)->state, SEAT_LIVE);
		assert_int_equal(seat_of(b, i)->state, SEAT_LIVE);
	}
	lab_check_stream(lab, lab_stream(a, 1), 300 * USEC_PER_MSEC);
	lab_check_stream(lab, lab_stream(b, 1), 300 * USEC_PER_MSEC);
	lab_free(lab);
}

static void pause_and_resume(void **state)
{
	(void)state;
	pausing(1);
	pausing(2);
}

static void set_muted(struct lab_device *d, bool muted)
{
	struct msg_member_state msg = { .call = d->rec->call, .member = d->rec->member, .muted_audio = muted };

	for (unsigned k = 0; k < d->lab->mediads; k++)
		media_on_member_state(d->lab->m[k].md.media, &msg);
	lab_turn(d->lab);
}

/* Whoever muted him: his voice is not forwarded, his picture is, and nobody misses a packet. */
static void muted_on_the_server(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *a = lab_device(lab, 0, 1, 1, 1), *b = lab_device(lab, mediads - 1, 1, 2, 1);

	assert_int_equal(lab_offer(a), 0);
	assert_int_equal(lab_offer(b), 0);
	lab_connect(a);
	lab_connect(b);
	lab_run(lab, USEC_PER_SEC);
	set_muted(b, true);
	lab_run(lab, 100 * USEC_PER_MSEC);
	uint64_t audio = lab_stream(a, 0)->packets, video = lab_stream(a, 1)->packets;
	uint64_t published = stat_get(&lab_counters(lab, mediads - 1)->ring_published);
	lab_run(lab, 15 * USEC_PER_SEC);
	assert_int_equal(lab_stream(a, 0)->packets, audio);
	assert_true(lab_stream(a, 1)->packets > video + 1000);
	assert_true(lab_stream(b, 0)->packets > 700);
	if (mediads == 2) /* not even to the other mediad */
		assert_true(stat_get(&lab_counters(lab, 1)->ring_published) - published < 15 * 92);
	/* A microphone that comes again is muted too. */
	b->rec->mline[0].receives = 0;
	assert_int_equal(lab_offer(b), 0);
	b->rec->mline[0].receives = 1;
	assert_int_equal(lab_offer(b), 0);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(lab_stream(a, 0)->packets, audio);
	set_muted(b, false);
	lab_run(lab, USEC_PER_SEC);
	assert_true(lab_stream(a, 0)->packets > audio + 40);
	lab_check_stream(lab, lab_stream(a, 0), 300 * USEC_PER_MSEC);
	lab_check_stream(lab, lab_stream(a, 1), 300 * USEC_PER_MSEC);
	lab_free(lab);
}

static void muted(void **state)
{
	(void)state;
	muted_on_the_server(1);
	muted_on_the_server(2);
}

static void the_list_waits_for_a_worker(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *a = lab_device(lab, 0, 1, 1, 1), *b = lab_device(lab, 0, 1, 2, 1);

	(void)state;
	lab->events_full = true;
	assert_int_equal(lab_offer(a), 0);
	assert_int_equal(lab_offer(b), 0);
	lab_connect(a);
	lab_connect(b);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(a->seats_told, 0);
	assert_true(lab_stream(a, 1)->packets > 20);
	lab->events_full = false;
	lab_run(lab, 200 * USEC_PER_MSEC);
	assert_int_equal(a->seats_told, 1);
	assert_int_equal(seat_of(a, 1)->state, SEAT_LIVE);
	assert_int_equal(seat_of(b, 1)->state, SEAT_LIVE);
	lab_free(lab);
}

static void suspended_peers_get_nothing(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *a = lab_device(lab, 0, 1, 1, 1), *b = lab_device(lab, 0, 1, 2, 1);

	(void)state;
	assert_int_equal(lab_offer(a), 0);
	assert_int_equal(lab_offer(b), 0);
	lab_run(lab, 100 * USEC_PER_MSEC);
	assert_int_equal(lab->rtcp_out + lab->rtp_out, 0); /* not connected: no RTCP either */
	lab_connect(a);
	lab_connect(b);
	lab_run(lab, USEC_PER_SEC);
	media_on_suspended(&a->t, true);
	lab_run(lab, 100 * USEC_PER_MSEC);
	uint64_t packets = lab_stream(a, 0)->packets;
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(lab_stream(a, 0)->packets, packets);
	media_on_suspended(&a->t, false);
	lab_run(lab, 2 * USEC_PER_SEC);
	lab_check_stream(lab, lab_stream(a, 1), 300 * USEC_PER_MSEC);
	assert_true(lab_stream(a, 0)->packets > packets + 90);
	lab_free(lab);
}

/* The other device of a person is not seated for him, and the newest one is what others see. */
static void two_devices_of_one_person(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *a = lab_device(lab, 0, 1, 1, 2), *b = lab_device(lab, 0, 1, 2, 2);
	struct lab_device *b2 = lab_device(lab, 0, 1, 2, 2);

	(void)state;
	assert_int_equal(lab_offer(a), 0);
	assert_int_equal(lab_offer(b), 0);
	lab_connect(a);
	lab_connect(b);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(lab_offer(b2), 0);
	lab_connect(b2);
	assert_int_equal(member_at(b2, 1), 1);
	assert_int_equal(seat_of(b2, 3)->state, SEAT_EMPTY);
	lab_close(b);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(member_at(a, 1), 2);
	assert_int_equal(seat_of(a, 1)->state, SEAT_LIVE);
	const struct lab_stream *s = lab_stream(a, 1);
	assert_int_equal(s->log[s->highest - s->first].device, b2->number);
	lab_check_stream(lab, s, 300 * USEC_PER_MSEC);
	lab_free(lab);
}

static void tables_that_are_full(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *a = lab_device(lab, 0, 1, 1, 1), *b = lab_device(lab, 0, 1, 2, 1);
	struct session_table *table = &lab->m[0].md.table;

	(void)state;
	assert_int_equal(lab_offer(a), 0);
	uint32_t seats = table->free_seats_len, tracks = table->free_tracks_len;
	table->free_seats_len = 1;
	assert_int_equal(lab_offer(b), -ENOSPC);
	assert_null(b->t.media);
	assert_int_equal(table->free_seats_len, 1);
	assert_int_equal(table->free_tracks_len, tracks);
	table->free_seats_len = seats;
	assert_int_equal(lab_offer(b), 0);
	assert_int_equal(stat_get(&lab_counters(lab, 0)->seats), 4);
	lab_connect(a);
	lab_connect(b);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(seat_of(a, 1)->state, SEAT_LIVE);
	/* A re-offer that does not fit leaves what there was. */
	table->free_seats_len = 0;
	lab_mline(a, MEDIA_VIDEO, false, true, TRACK_CAMERA);
	assert_int_equal(lab_offer(a), -ENOSPC);
	table->free_seats_len = seats - 2;
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(lab_peer(a)->seat[1]->rec->state, 1 + SEAT_LIVE);
	lab_free(lab);
}

/* Each allocation of an offer fails once: nothing is left behind, and the next offer works. */
static void memory_that_is_out(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *a = lab_device(lab, 0, 1, 1, 1), *b = lab_device(lab, 0, 2, 2, 2);
	struct session_table *table = &lab->m[0].md.table;
	int err = -ENOMEM;

	(void)state;
	assert_int_equal(lab_offer(a), 0);
	uint32_t seats = table->free_seats_len, tracks = table->free_tracks_len;
	for (int n = 1; oom_possible() && err == -ENOMEM; n++) {
		oom_countdown = n;
		err = media_on_offer(&b->t);
		oom_countdown = 0;
		if (err < 0) {
			assert_int_equal(err, -ENOMEM);
			assert_null(b->t.media);
			assert_int_equal(table->free_seats_len, seats);
			assert_int_equal(table->free_tracks_len, tracks);
			assert_int_equal(lab->m[0].md.media->peers_len, 1);
			lab_turn(lab);
		}
	}
	assert_int_equal(lab_offer(b), 0);
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_on_one_mediad),
		cmocka_unit_test(two_on_two_mediads),
		cmocka_unit_test(two_with_loss),
		cmocka_unit_test(two_mediads_with_loss),
		cmocka_unit_test(overtaking_and_loss),
		cmocka_unit_test(places_fill_in_order_of_joining),
		cmocka_unit_test(who_sends_no_video_takes_an_audio_place),
		cmocka_unit_test(screens),
		cmocka_unit_test(pause_and_resume),
		cmocka_unit_test(muted),
		cmocka_unit_test(the_list_waits_for_a_worker),
		cmocka_unit_test(suspended_peers_get_nothing),
		cmocka_unit_test(two_devices_of_one_person),
		cmocka_unit_test(tables_that_are_full),
		cmocka_unit_test(memory_that_is_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
