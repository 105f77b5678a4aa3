/* links: lab mediad */
/* Two mediads in one process, over real rings and links. */
#include "tests/lab/media_lab.h"

#include "mediad/relay.h"
#include "tests/support/cm.h"

#include <string.h>

static struct lab *a_call(struct lab_device **a, struct lab_device **b)
{
	struct lab *lab = lab_new(2);

	*a = lab_device(lab, 0, 1, 1, 2);
	*b = lab_device(lab, 1, 1, 2, 2);
	assert_int_equal(lab_offer(*a), 0);
	assert_int_equal(lab_offer(*b), 0);
	lab_connect(*a);
	lab_connect(*b);
	lab_run(lab, USEC_PER_SEC);
	return lab;
}

static enum seat_state state_of(struct lab_device *d, unsigned mline)
{
	return seat_state(lab_peer(d)->seat[mline]);
}

static void subscriptions_follow_the_seats(void **state)
{
	struct lab_device *a, *b;
	struct lab *lab = a_call(&a, &b);
	struct session_track *rec = lab_peer(a)->track[1]->rec;

	(void)state;
	assert_int_equal(state_of(b, 1), SEAT_LIVE);
	assert_int_equal(atomic_load(&rec->layer[0].interested), 2);
	assert_true(stat_get(&lab_counters(lab, 1)->ring_packets_from[0]) > 50);
	/* Other calls are no business of this one. */
	struct lab_device *c = lab_device(lab, 1, 9, 3, 1);
	assert_int_equal(lab_offer(c), 0);
	lab_connect(c);
	lab_run(lab, 100 * USEC_PER_MSEC);
	assert_int_equal(state_of(c, 1), SEAT_EMPTY);
	lab_close(b);
	assert_int_equal(atomic_load(&rec->layer[0].interested), 0);
	assert_null(lab->m[0].md.media->remotes);
	uint64_t published = stat_get(&lab_counters(lab, 0)->ring_published);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(stat_get(&lab_counters(lab, 0)->ring_published), published);
	/* And back again. */
	struct lab_device *d = lab_device(lab, 1, 1, 2, 1);
	assert_int_equal(lab_offer(d), 0);
	lab_connect(d);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(state_of(d, 1), SEAT_LIVE);
	assert_int_equal(state_of(a, 1), SEAT_LIVE);
	lab_close(a);
	lab_close(d);
	lab_close(c);
	for (unsigned k = 0; k < 2; k++) {
		assert_null(lab->m[k].md.media->remotes);
		for (unsigned i = 0; i < CALL_BUCKETS; i++)
			assert_null(lab->m[k].md.media->bucket[i]);
	}
	lab_free(lab);
}

/* Another incarnation of mediad 1: its memory of calls and tracks is new, ours must follow. */
static void the_other_mediad_restarts(void **state)
{
	struct lab_device *a, *b;
	struct lab *lab = a_call(&a, &b);
	struct mediad *md = &lab->m[1].md;

	(void)state;
	assert_int_equal(state_of(a, 1), SEAT_LIVE);
	/* It dies: its transports are gone without a word, what was under way to it is read by its successor. */
	md->media->stopping = true;
	md->media = media_stop(md->media);
	b->open = false;
	lab->m[1].timer = NULL;
	assert_int_equal(media_start(md, &md->media), 0);
	/* No word but the hello of its successor. */
	lab_turn(lab);
	assert_int_equal(state_of(a, 1), SEAT_EMPTY);
	lab_run(lab, 200 * USEC_PER_MSEC);
	struct lab_device *c = lab_device(lab, 1, 1, 3, 1);
	assert_int_equal(lab_offer(c), 0);
	lab_connect(c);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(state_of(a, 1), SEAT_LIVE);
	assert_int_equal(state_of(c, 1), SEAT_LIVE);
	assert_int_equal(state_of(c, 0), SEAT_LIVE);
	lab_free(lab);
}

static void full_links_lose_nothing(void **state)
{
	struct lab_device *a, *b;
	struct lab *lab = a_call(&a, &b);
	struct msg_keyframe nonsense = { .handle = 12345 };

	(void)state;
	/* Fill the link from 0 to 1; then one joins and one leaves on 0. */
	while (link_push(&lab->m[0].md.link_mediad[1], MSG_TRACK_KEYFRAME, 0, &nonsense, sizeof(nonsense)) == 0)
		;
	struct lab_device *c = lab_device(lab, 0, 1, 3, 1);
	assert_int_equal(media_on_offer(&c->t), 0);
	media_on_closed(&a->t);
	session_transport_free(&a->t.md->table, a->rec);
	a->open = false;
	media_flush(lab->m[0].md.media, lab->now_us);
	assert_true(stat_get(&lab_counters(lab, 0)->link_full) > 0);
	lab_turn(lab);
	lab_connect(c);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(lab_peer(b)->seat[1]->source->member->id.b[0], 3);
	assert_int_equal(state_of(b, 1), SEAT_LIVE);
	assert_int_equal(state_of(b, 3), SEAT_EMPTY);
	assert_int_equal(state_of(c, 1), SEAT_LIVE);
	/* The last one of the call leaves while it is full again. */
	while (link_push(&lab->m[0].md.link_mediad[1], MSG_TRACK_KEYFRAME, 0, &nonsense, sizeof(nonsense)) == 0)
		;
	media_on_closed(&c->t);
	session_transport_free(&c->t.md->table, c->rec);
	c->open = false;
	media_flush(lab->m[0].md.media, lab->now_us);
	lab_turn(lab);
	assert_int_equal(state_of(b, 1), SEAT_EMPTY);
	for (unsigned i = 0; i < CALL_BUCKETS; i++)
		assert_null(lab->m[0].md.media->bucket[i]);
	lab_free(lab);
}

/* The reader is lapped: losses are counted, a key frame is asked for, the picture comes back. */
static void a_slow_reader_recovers(void **state)
{
	struct lab_device *a, *b;
	struct lab *lab = a_call(&a, &b);
	uint8_t p[1500];

	(void)state;
	unsigned plis = a->video.plis;
	for (unsigned i = 0; i < RING_DESCRIPTORS + 500; i++) {
		(void)lab_rtp(a, p, lab_build(a, &a->audio, false, false, 0, p));
		(void)lab_rtp(a, p, lab_build(a, &a->video, true, false, i % 3, p));
		(void)ring_post_flush(&lab->m[0].md.ring);
	}
	lab_turn(lab);
	assert_true(stat_get(&lab_counters(lab, 1)->ring_lost) > 0);
	assert_true(stat_get(&lab_counters(lab, 1)->ring_stale) > 0);
	lab_run(lab, 2 * USEC_PER_SEC);
	assert_true(a->video.plis > plis);
	const struct lab_stream *s = lab_stream(b, 1);
	assert_non_null(s);
	assert_true(s->highest >= s->first);
	assert_int_equal(state_of(b, 1), SEAT_LIVE);
	uint64_t packets = s->packets;
	lab_run(lab, USEC_PER_SEC);
	assert_true(s->packets >= packets + 85);
	lab_free(lab);
}

/* Descriptors are lost, slots are not: they are posted again. */
static void lost_descriptors_are_posted_again(void **state)
{
	struct lab_device *a, *b;
	struct lab *lab = a_call(&a, &b);
	struct ring_ref ref;

	(void)state;
	a->deaf = b->deaf = true;
	lab_run(lab, 15 * USEC_PER_MSEC);
	/* Somebody takes three of them away. */
	unsigned taken = 0;
	for (unsigned i = 0; i < 100 && taken < 3; i++) {
		uint8_t p[1500];
		(void)lab_rtp(a, p, lab_build(a, &a->video, true, false, i % 3, p));
		(void)ring_post_flush(&lab->m[0].md.ring);
		taken += ring_next(&lab->m[1].md.reader[0], &ref) == 0;
	}
	assert_int_equal(taken, 3);
	lab->m[1].md.reader[0].lost += 3;
	unsigned nacks = a->video.nacks;
	lab_run(lab, 500 * USEC_PER_MSEC);
	const struct lab_stream *s = lab_stream(b, 1);
	unsigned missing = 0;
	for (uint64_t i = 0; i <= s->highest - s->first; i++)
		missing += !s->log[i].used;
	assert_int_equal(missing, 0);
	assert_int_equal(a->video.nacks, nacks);
	assert_int_equal(stat_get(&lab_counters(lab, 1)->ring_lost), 3);
	lab_free(lab);
}

/* Any checked message from another process is harmless, whatever it says. */
static void nonsense_is_harmless(void **state)
{
	struct lab_device *a, *b;
	struct lab *lab = a_call(&a, &b);
	uint32_t random = 7;

	(void)state;
	for (unsigned i = 0; i < 30000; i++) {
		_Alignas(8) uint8_t payload[LINK_PAYLOAD_MAX] = { 0 };
		struct link_msg msg = { .type = (uint16_t)(MSG_CALL_HERE + i % 10) };
		struct msg_track track = { .handle = (uint64_t)(random % 3) << 32 | (random >> 8) % 70,
					   .call.b[0] = 1,
					   .member.b[0] = (uint8_t)(random >> 20) % 5,
					   .joined_us = random % 100,
					   .track_kind = (random >> 4) % TRACK_KIND_COUNT,
					   .media = random >> 30 & 1,
					   .codec = (random >> 12) % CODEC_COUNT,
					   .layers_len = (uint8_t)(1 + random % 3),
					   .layer[1] = { .sent = 1, .height = (uint16_t)random, .bps = random },
					   .clock_rate = i % 3 ? 90000 : 0 };
		random = random * 1664525 + 1013904223;
		switch (msg.type) {
		case MSG_CALL_HERE:
		case MSG_CALL_GONE:
			msg.len = sizeof(struct msg_call);
			payload[0] = random >> 28 ? 1 : 2;
			break;
		case MSG_TRACK_ADD:
			msg.len = sizeof(track);
			memcpy(payload, &track, sizeof(track));
			break;
		case MSG_TRACK_NACK:
			msg.len = sizeof(struct msg_nack);
			((struct msg_nack *)payload)->handle = track.handle;
			((struct msg_nack *)payload)->count = random % 65;
			((struct msg_nack *)payload)->layer = random % 4;
			break;
		case MSG_TRACK_CLOCK:
			msg.len = sizeof(struct msg_clock);
			((struct msg_clock *)payload)->handle = track.handle;
			((struct msg_clock *)payload)->arrival_us = (int64_t)((uint64_t)random << 32);
			((struct msg_clock *)payload)->layer = random % 4;
			break;
		case MSG_TRACK_SUBSCRIBE:
			msg.len = sizeof(struct msg_subscribe);
			((struct msg_subscribe *)payload)->handle = track.handle;
			((struct msg_subscribe *)payload)->layers = random % 9;
			break;
		case MSG_TRACK_KEYFRAME:
			msg.len = sizeof(struct msg_keyframe);
			((struct msg_keyframe *)payload)->handle = track.handle;
			((struct msg_keyframe *)payload)->layer = random % 4;
			break;
		case MSG_TRACK_LOSS:
			msg.len = sizeof(struct msg_loss);
			((struct msg_loss *)payload)->handle = track.handle;
			break;
		default:
			msg.len = sizeof(struct msg_handle);
			((struct msg_handle *)payload)->handle = track.handle;
			break;
		}
		if (msg_check(&msg, payload) == 0)
			media_on_peer_msg(lab->m[0].md.media, 1, &msg, payload);
		media_on_peer_msg(lab->m[0].md.media, 40, &msg, payload); /* who is that? */
		if (i % 100 == 0)
			lab_run(lab, USEC_PER_MSEC);
	}
	lab_run(lab, 100 * USEC_PER_MSEC);
	lab_free(lab);
}

/* The worst loss among the listeners of another mediad reaches the publisher's report. */
static void loss_is_told_across(void **state)
{
	struct lab_device *a, *b;
	struct lab *lab = a_call(&a, &b);

	(void)state;
	b->loss_down = 20;
	lab_run(lab, 3 * USEC_PER_SEC);
	assert_int_equal(lab_peer(a)->track[0]->loss[1], 20 * 256 / 100);
	assert_int_equal(a->audio.loss_reported, 20 * 256 / 100); /* its encoder protects it from then on */
	assert_int_equal(a->video.loss_reported, 0);
	b->loss_down = 0;
	lab_run(lab, 3 * USEC_PER_SEC);
	assert_int_equal(lab_peer(a)->track[0]->loss[1], 0);
	assert_int_equal(a->audio.loss_reported, 0);
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subscriptions_follow_the_seats),
		cmocka_unit_test(the_other_mediad_restarts),
		cmocka_unit_test(full_links_lose_nothing),
		cmocka_unit_test(a_slow_reader_recovers),
		cmocka_unit_test(lost_descriptors_are_posted_again),
		cmocka_unit_test(nonsense_is_harmless),
		cmocka_unit_test(loss_is_told_across),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
