/* links: lab mediad */
/* Group calls: who sits where, over one mediad and over two. */
#include "tests/lab/media_lab.h"

#include "tests/support/cm.h"

#include <string.h>

static unsigned member_at(const struct lab_device *d, unsigned i)
{
	assert_true(i < d->seats.count);
	return d->seats.seat[i].member.b[0];
}

static struct lab_device *join(struct lab *lab, unsigned i, unsigned slots)
{
	struct lab_device *d = lab_device(lab, i % lab->mediads, 1, (uint8_t)(1 + i), slots);

	d->audio.level = LAB_SILENCE;
	assert_int_equal(lab_offer(d), 0);
	lab_connect(d);
	lab_run(lab, 100 * USEC_PER_MSEC);
	return d;
}

/* Picture and voice of a place are of one person, nobody sits twice, nobody sees himself. */
static void check_places(const struct lab_device *d, unsigned expected)
{
	unsigned seated = 0, seen = 0;

	for (unsigned i = 0; i + 1 < d->seats.count; i += 2) {
		unsigned member = member_at(d, i);
		assert_int_equal(member_at(d, i + 1), member);
		assert_int_not_equal(member, d->rec->member.b[0]);
		if (!member)
			continue;
		assert_false(seen & 1u << member);
		seen |= 1u << member;
		seated++;
		assert_int_equal(d->seats.seat[i].state, SEAT_LIVE);
		assert_int_equal(d->seats.seat[i + 1].state, SEAT_LIVE);
	}
	assert_int_equal(seated, expected);
}

static void check_streams(struct lab_device *d)
{
	for (unsigned i = 0; i < d->seats.count; i++) {
		if (!member_at(d, i))
			continue;
		const struct lab_stream *s = lab_stream(d, i);
		lab_check_stream(d->lab, s, 500 * USEC_PER_MSEC);
		assert_int_equal(s->log[s->highest - s->first].device, member_at(d, i) - 1);
	}
}

static void a_group(unsigned mediads, unsigned n)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *d[9];
	struct msg_seats before[9];

	for (unsigned i = 0; i < n; i++)
		d[i] = join(lab, i, n - 1);
	lab_run(lab, 2 * USEC_PER_SEC);
	for (unsigned i = 0; i < n; i++) {
		check_places(d[i], n - 1);
		check_streams(d[i]);
		/* In order of joining. */
		for (unsigned k = 0; k + 1 < n; k++)
			assert_int_equal(member_at(d[i], 2 * k), k < i ? k + 1 : k + 2);
		before[i] = d[i]->seats;
	}
	/* The second leaves: his seats are empty, the others keep theirs. */
	lab_close(d[1]);
	lab_run(lab, USEC_PER_SEC);
	for (unsigned i = 0; i < n; i++) {
		if (i == 1)
			continue;
		check_places(d[i], n - 2);
		for (unsigned k = 0; k < d[i]->seats.count; k++)
			assert_int_equal(member_at(d[i], k),
					 before[i].seat[k].member.b[0] == 2 ? 0 : before[i].seat[k].member.b[0]);
	}
	/* Who comes next gets them. */
	struct lab_device *next = join(lab, n, n - 1);
	lab_run(lab, 2 * USEC_PER_SEC);
	for (unsigned i = 0; i < n; i++) {
		if (i == 1)
			continue;
		check_places(d[i], n - 1);
		check_streams(d[i]);
		for (unsigned k = 0; k < d[i]->seats.count; k++)
			assert_int_equal(member_at(d[i], k),
					 before[i].seat[k].member.b[0] == 2 ? n + 1 : before[i].seat[k].member.b[0]);
	}
	check_places(next, n - 1);
	check_streams(next);
	lab_free(lab);
}

/* Who comes last on another mediad hears of all at once: they sit in order of joining all the same. */
static void heard_of_in_another_order(void **state)
{
	struct lab *lab = lab_new(2);
	struct lab_device *d[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		d[i] = lab_device(lab, 0, 1, (uint8_t)(1 + i), 4);
	for (unsigned i = 4; i-- > 0;) {
		assert_int_equal(lab_offer(d[i]), 0);
		lab_connect(d[i]);
	}
	struct lab_device *last = join(lab, 5, 4);
	for (unsigned k = 0; k < 4; k++) {
		assert_int_equal(member_at(last, 2 * k), k + 1);
		assert_int_equal(member_at(last, 2 * k + 1), k + 1);
	}
	lab_free(lab);
}

static void three(void **state)
{
	(void)state;
	a_group(1, 3);
	a_group(2, 3);
}

static void six(void **state)
{
	(void)state;
	a_group(1, 6);
	a_group(2, 6);
}

static void nine(void **state)
{
	(void)state;
	a_group(1, 9);
	a_group(2, 9);
}

/* A screen goes before cameras, and each who stays keeps his place. */
static void screens_over(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *d[4], *watcher;

	for (unsigned i = 0; i < 3; i++) {
		d[i] = lab_device(lab, i % mediads, 1, (uint8_t)(1 + i), 3);
		lab_mline(d[i], MEDIA_VIDEO, true, false, TRACK_SCREEN);
		assert_int_equal(lab_offer(d[i]), 0);
		lab_connect(d[i]);
	}
	watcher = lab_device(lab, mediads - 1, 1, 9, 2); /* sees two of the three */
	watcher->audio.level = LAB_SILENCE;
	assert_int_equal(lab_offer(watcher), 0);
	lab_connect(watcher);
	lab_run(lab, 2 * USEC_PER_SEC);
	assert_int_equal(member_at(watcher, 1), 1);
	assert_int_equal(member_at(watcher, 3), 2);
	/* The second shares: his screen in place of his camera, his voice stays. */
	d[1]->screen.on = true;
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(member_at(watcher, 1), 1);
	assert_int_equal(member_at(watcher, 3), 2);
	assert_int_equal(watcher->seats.seat[3].track_kind, TRACK_SCREEN);
	assert_int_equal(watcher->seats.seat[3].state, SEAT_LIVE);
	assert_int_equal(watcher->seats.seat[2].track_kind, TRACK_MICROPHONE);
	assert_int_equal(member_at(watcher, 2), 2);
	/* The third, who has no place, shares too: both screens are seen, the first one's camera is not. */
	d[2]->screen.on = true;
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(watcher->seats.seat[1].track_kind, TRACK_SCREEN);
	assert_int_equal(member_at(watcher, 1), 3);
	assert_int_equal(member_at(watcher, 0), 3);
	assert_int_equal(watcher->seats.seat[0].track_kind, TRACK_MICROPHONE);
	assert_int_equal(member_at(watcher, 3), 2);
	/* A screen that ends gives the place back to its member. */
	d[1]->screen.on = false;
	lab_run(lab, 8 * USEC_PER_SEC);
	assert_int_equal(member_at(watcher, 3), 2);
	assert_int_equal(watcher->seats.seat[3].track_kind, TRACK_CAMERA);
	assert_int_equal(watcher->seats.seat[3].state, SEAT_LIVE);
	lab_check_stream(lab, lab_stream(watcher, 3), 500 * USEC_PER_MSEC);
	lab_check_stream(lab, lab_stream(watcher, 1), 500 * USEC_PER_MSEC);
	/* With a place for each, cameras and screens are all seen. */
	assert_int_equal(member_at(d[0], 1), 2);
	lab_free(lab);
}

static void screens_go_first(void **state)
{
	(void)state;
	screens_over(1);
	screens_over(2);
}

/* Who lost his picture to a screen keeps his voice where an audio slot stands alone. */
static void a_voice_without_a_picture(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *watcher = lab_device(lab, 0, 1, 9, 1), *d = lab_device(lab, 0, 1, 1, 1);

	(void)state;
	lab_mline(watcher, MEDIA_AUDIO, false, true, TRACK_MICROPHONE);
	lab_mline(d, MEDIA_VIDEO, true, false, TRACK_SCREEN);
	assert_int_equal(lab_offer(watcher), 0);
	assert_int_equal(lab_offer(d), 0);
	lab_connect(watcher);
	lab_connect(d);
	d->screen.on = true;
	lab_run(lab, 2 * USEC_PER_SEC);
	assert_int_equal(watcher->seats.seat[1].track_kind, TRACK_SCREEN);
	assert_int_equal(member_at(watcher, 0), 0); /* a screen without sound */
	assert_int_equal(member_at(watcher, 2), 1);
	assert_int_equal(watcher->seats.seat[2].state, SEAT_LIVE);
	d->screen.on = false;
	lab_run(lab, 8 * USEC_PER_SEC);
	assert_int_equal(member_at(watcher, 0), 1);
	assert_int_equal(member_at(watcher, 1), 1);
	assert_int_equal(watcher->seats.seat[1].track_kind, TRACK_CAMERA);
	lab_free(lab);
}

/* Three places, five people: who speaks is heard and seen, the others keep their places. */
static void crowd(unsigned mediads)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *d[6];

	for (unsigned i = 0; i < 6; i++)
		d[i] = join(lab, i, 3);
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(member_at(d[5], 1), 1);
	assert_int_equal(member_at(d[5], 3), 2);
	assert_int_equal(member_at(d[5], 5), 3);
	d[1]->audio.level = LAB_LEVEL;
	lab_run(lab, 2 * USEC_PER_SEC);
	d[1]->audio.level = LAB_SILENCE;
	/* The fifth has no place with the last: he speaks and has one within half a second. */
	d[4]->audio.level = LAB_LEVEL;
	lab_run(lab, 500 * USEC_PER_MSEC);
	assert_int_equal(member_at(d[5], 1), 1);
	assert_int_equal(member_at(d[5], 3), 2);
	assert_int_equal(member_at(d[5], 5), 5); /* the third was never heard */
	lab_run(lab, 500 * USEC_PER_MSEC);
	check_places(d[5], 3);
	check_streams(d[5]);
	assert_int_equal(lab_stream(d[5], 4)->level & 0x7f, LAB_LEVEL);
	/* Everybody speaks: nobody who speaks loses his place. */
	for (unsigned i = 0; i < 5; i++)
		d[i]->audio.level = LAB_LEVEL;
	lab_run(lab, 2 * USEC_PER_SEC);
	unsigned told = d[5]->seats_told;
	lab_run(lab, 10 * USEC_PER_SEC);
	assert_int_equal(d[5]->seats_told, told);
	/* All but two fall silent: both are seated after a while, in the places of those heard longest ago. */
	for (unsigned i = 0; i < 3; i++)
		d[i]->audio.level = LAB_SILENCE;
	lab_run(lab, 8 * USEC_PER_SEC);
	unsigned four = 0, five = 0;
	for (unsigned i = 1; i < 6; i += 2) {
		four += member_at(d[5], i) == 4;
		five += member_at(d[5], i) == 5;
	}
	assert_int_equal(four, 1);
	assert_int_equal(five, 1);
	check_places(d[5], 3);
	check_streams(d[5]);
	lab_free(lab);
}

static void who_speaks_gets_a_place(void **state)
{
	(void)state;
	crowd(1);
	crowd(2);
}

/* Wherever the receivers are: the place is given at once, and nobody has to ask for a key frame of his own, since the
 * next one would come half a second later. */
static void one_key_frame_shows_a_new_speaker_to_all(void **state)
{
	struct lab *lab = lab_new(2);
	struct lab_device *d[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		d[i] = join(lab, i, 3);
	lab_run(lab, USEC_PER_SEC);
	for (unsigned i = 7; i >= 3; i--) {
		unsigned before = d[i]->video.keyframes;
		/* At another time between two ticks each. */
		lab_run(lab, (5000 + i * 37) * USEC_PER_MSEC);
		d[i]->audio.level = LAB_LEVEL;
		lab_run(lab, 300 * USEC_PER_MSEC);
		for (unsigned k = 0; k < 8; k++) {
			if (k == i)
				continue;
			check_places(d[k], 3);
			assert_true(member_at(d[k], 1) == i + 1 || member_at(d[k], 3) == i + 1 ||
				    member_at(d[k], 5) == i + 1);
		}
		assert_int_equal(d[i]->video.keyframes, before + 1);
		d[i]->audio.level = LAB_SILENCE;
	}
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heard_of_in_another_order),
		cmocka_unit_test(three),
		cmocka_unit_test(six),
		cmocka_unit_test(nine),
		cmocka_unit_test(screens_go_first),
		cmocka_unit_test(a_voice_without_a_picture),
		cmocka_unit_test(who_speaks_gets_a_place),
		cmocka_unit_test(one_key_frame_shows_a_new_speaker_to_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
