/* links: lab mediad */
/* What a client shows decides what is sent to it. */
#include "tests/lab/media_lab.h"

#include "tests/support/cm.h"

static struct msg_view the_view;

static void view_begin(struct lab_device *d)
{
	the_view = (struct msg_view){ .call = d->rec->call, .member = d->rec->member };
}

static void view_add(const struct lab_device *of, enum track_kind kind, uint16_t height)
{
	the_view.item[the_view.count++] =
		(struct msg_view_item){ .member = of->rec->member, .kind = (uint8_t)kind, .height = height };
}

/* To all mediads, as the worker does. */
static void view_send(struct lab *lab)
{
	for (unsigned k = 0; k < lab->mediads; k++)
		media_on_view(lab->m[k].md.media, &the_view);
	lab_turn(lab);
}

static struct lab_device *join(struct lab *lab, unsigned i, unsigned slots)
{
	struct lab_device *d = lab_device(lab, i % lab->mediads, 1, (uint8_t)(1 + i), slots);

	d->audio.level = LAB_SILENCE;
	assert_int_equal(lab_offer(d), 0);
	lab_connect(d);
	return d;
}

static void hidden_is_not_sent(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *a = join(lab, 0, 1), *b = join(lab, 1, 1);
	struct stats_mediad *there = lab_counters(lab, mediads - 1);

	lab_run(lab, 2 * USEC_PER_SEC);
	view_begin(a);
	view_add(b, TRACK_CAMERA, 0);
	view_send(lab);
	assert_int_equal(a->seats.seat[1].state, SEAT_WAITING);
	assert_int_equal(a->seats.seat[1].member.b[0], 2); /* he keeps his seat */
	lab_run(lab, 100 * USEC_PER_MSEC);
	uint64_t video = lab_stream(a, 1)->packets, audio = lab_stream(a, 0)->packets;
	uint64_t published = stat_get(&there->ring_published);
	unsigned plis = b->video.plis;
	lab_run(lab, 3 * USEC_PER_SEC);
	assert_int_equal(lab_stream(a, 1)->packets, video);
	assert_true(lab_stream(a, 0)->packets > audio + 140);
	assert_int_equal(b->video.plis, plis); /* no key frames for nobody */
	if (mediads == 2)		       /* the picture does not cross either: only sound is published */
		assert_true(stat_get(&there->ring_published) - published < 170);
	/* Shown again: live within a second, one unbroken stream. */
	view_begin(a);
	view_add(b, TRACK_CAMERA, 360);
	view_send(lab);
	lab_run(lab, 700 * USEC_PER_MSEC);
	assert_int_equal(a->seats.seat[1].state, SEAT_LIVE);
	assert_true(b->video.plis > plis);
	lab_run(lab, USEC_PER_SEC);
	lab_check_stream(lab, lab_stream(a, 1), 300 * USEC_PER_MSEC);
	/* An empty view: all is ours to decide. The voice may be hidden as well. */
	view_begin(a);
	view_add(b, TRACK_MICROPHONE, 0);
	view_add(b, TRACK_CAMERA, 0);
	view_send(lab);
	lab_run(lab, USEC_PER_SEC);
	audio = lab_stream(a, 0)->packets;
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(lab_stream(a, 0)->packets, audio);
	view_begin(a);
	view_send(lab);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(a->seats.seat[0].state, SEAT_LIVE);
	assert_int_equal(a->seats.seat[1].state, SEAT_LIVE);
	lab_check_stream(lab, lab_stream(a, 0), 300 * USEC_PER_MSEC);
	lab_check_stream(lab, lab_stream(a, 1), 300 * USEC_PER_MSEC);
	/* Hidden while paused is not shown by the end of the pause. */
	view_begin(a);
	view_add(b, TRACK_CAMERA, 0);
	view_send(lab);
	struct msg_member_state state = { .call = b->rec->call, .member = b->rec->member, .paused = 1 };
	for (unsigned round = 0; round < 2; round++, state.paused = 0) {
		for (unsigned k = 0; k < mediads; k++)
			media_on_member_state(lab->m[k].md.media, &state);
		lab_run(lab, USEC_PER_SEC);
	}
	video = lab_stream(a, 1)->packets;
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(lab_stream(a, 1)->packets, video);
	lab_free(lab);
}

static void hidden(void **state)
{
	(void)state;
	hidden_is_not_sent(1);
	hidden_is_not_sent(2);
}

/* What is hidden for one is seen by the others, and a view survives who sits where. */
static void each_has_his_view(void **state)
{
	struct lab *lab = lab_new(2);
	struct lab_device *d[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		d[i] = join(lab, i, 2);
	view_begin(d[0]);
	view_add(d[1], TRACK_CAMERA, 0);
	view_send(lab);
	lab_run(lab, 2 * USEC_PER_SEC);
	assert_null(lab_stream(d[0], 1));
	assert_true(lab_stream(d[0], 3)->packets > 100);
	assert_true(lab_stream(d[2], 3)->packets > 100);
	/* A stranger's view, and one of a call that is not there. */
	view_begin(d[0]);
	the_view.member.b[0] = 77;
	view_add(d[2], TRACK_CAMERA, 0);
	view_send(lab);
	the_view.call.b[0] = 77;
	view_send(lab);
	uint64_t packets = lab_stream(d[0], 3)->packets;
	lab_run(lab, USEC_PER_SEC);
	assert_true(lab_stream(d[0], 3)->packets > packets + 80);
	lab_free(lab);
}

/* Two places, four people: who is shown gets one, unless that is somebody who speaks. */
static void who_is_shown_gets_a_place(void **state)
{
	(void)state;
	for (unsigned mediads = 1; mediads <= 2; mediads++) {
		struct lab *lab = lab_new(mediads);
		struct lab_device *d[4], *watcher = join(lab, 9, 2);
		for (unsigned i = 0; i < 4; i++)
			d[i] = join(lab, i, 3);
		d[0]->audio.level = LAB_LEVEL;
		lab_run(lab, 2 * USEC_PER_SEC);
		view_begin(watcher);
		view_add(d[3], TRACK_CAMERA, 720);
		view_send(lab);
		lab_run(lab, USEC_PER_SEC);
		assert_int_equal(watcher->seats.seat[1].member.b[0], 1);
		assert_int_equal(watcher->seats.seat[3].member.b[0], 4);
		assert_int_equal(watcher->seats.seat[3].state, SEAT_LIVE);
		/* The third speaks: the first has fallen silent and is not shown. */
		d[0]->audio.level = LAB_SILENCE;
		lab_run(lab, 6 * USEC_PER_SEC);
		d[2]->audio.level = LAB_LEVEL;
		lab_run(lab, USEC_PER_SEC);
		assert_int_equal(watcher->seats.seat[1].member.b[0], 3);
		assert_int_equal(watcher->seats.seat[3].member.b[0], 4);
		lab_free(lab);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hidden),
		cmocka_unit_test(each_has_his_view),
		cmocka_unit_test(who_is_shown_gets_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
