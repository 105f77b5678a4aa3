/* links: lab mediad */
/* Who speaks: loudness from packets, the choice, and who is told, over one mediad and over two. */
#include "tests/lab/media_lab.h"

#include "mediad/loudness.h"
#include "tests/support/cm.h"

static int64_t clock_us;

static void hear(struct loudness *l, unsigned level, unsigned ms)
{
	for (unsigned i = 0; i < ms / 20; i++)
		loudness_on_level(l, level, clock_us += 20 * USEC_PER_MSEC);
}

static void loudness_rises_fast_and_falls_slowly(void **state)
{
	struct loudness l = { 0 };

	(void)state;
	clock_us = USEC_PER_SEC;
	assert_int_equal(loudness_now(&l, clock_us), 0);
	hear(&l, 127, 1000);
	assert_int_equal(loudness_now(&l, clock_us), 0);
	hear(&l, 30, 60); /* a click */
	assert_true(loudness_now(&l, clock_us) < LOUDNESS_SPEECH);
	hear(&l, 30, 100);
	assert_true(loudness_now(&l, clock_us) >= LOUDNESS_SPEECH);
	hear(&l, 30, 1000);
	assert_in_range(loudness_now(&l, clock_us), 95, 97);
	hear(&l, 127, 100); /* between two words */
	assert_true(loudness_now(&l, clock_us) >= LOUDNESS_SPEECH);
	hear(&l, 127, 500);
	assert_true(loudness_now(&l, clock_us) < LOUDNESS_SILENCE);
	/* Noise below speech, for however long. */
	hear(&l, 60, 10000);
	assert_true(loudness_now(&l, clock_us) < LOUDNESS_SPEECH);
	/* What is not sent is silence. */
	hear(&l, 20, 1000);
	assert_true(loudness_now(&l, clock_us + 40 * USEC_PER_MSEC) > 100);
	assert_true(loudness_now(&l, clock_us + USEC_PER_SEC) < LOUDNESS_SILENCE);
	assert_int_equal(loudness_now(&l, clock_us + 3600 * USEC_PER_SEC), 0);
	clock_us += 10 * USEC_PER_SEC;
	hear(&l, 20, 20);
	assert_true(loudness_now(&l, clock_us) < LOUDNESS_SPEECH);
	loudness_on_level(&l, 255, clock_us); /* more than seven bits */
}

static void without_levels_only_dtx_tells(void **state)
{
	struct loudness always = { 0 }, dtx = { 0 };
	int64_t now_us = USEC_PER_SEC;

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		loudness_on_size(&always, 80, now_us += 20 * USEC_PER_MSEC);
	assert_int_equal(loudness_now(&always, now_us), 0);
	loudness_on_size(&dtx, 80, now_us);
	loudness_on_size(&dtx, 3, now_us += 20 * USEC_PER_MSEC);
	loudness_on_size(&dtx, 3, now_us += 400 * USEC_PER_MSEC);
	assert_int_equal(loudness_now(&dtx, now_us), 0);
	for (unsigned i = 0; i < 25; i++)
		loudness_on_size(&dtx, 80, now_us += 20 * USEC_PER_MSEC);
	assert_true(loudness_now(&dtx, now_us) >= LOUDNESS_SPEECH);
	loudness_on_size(&dtx, 3, now_us += 400 * USEC_PER_MSEC);
	loudness_on_size(&dtx, 3, now_us += 400 * USEC_PER_MSEC);
	assert_true(loudness_now(&dtx, now_us) < LOUDNESS_SILENCE);
}

static struct lab *a_call(unsigned mediads, struct lab_device **d, unsigned n)
{
	struct lab *lab = lab_new(mediads);

	for (unsigned i = 0; i < n; i++) {
		d[i] = lab_device(lab, i % mediads, 1, (uint8_t)(1 + i), n - 1);
		d[i]->audio.level = LAB_SILENCE;
		assert_int_equal(lab_offer(d[i]), 0);
		lab_connect(d[i]);
	}
	lab_run(lab, USEC_PER_SEC);
	return lab;
}

static void check_speaker(struct lab_device **d, unsigned n, unsigned expected)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(d[i]->speaker, expected);
}

static void a_conversation(unsigned mediads)
{
	struct lab_device *d[4];
	struct lab *lab = a_call(mediads, d, 3);

	check_speaker(d, 3, 0);
	assert_int_equal(d[0]->speakers_told, 0);
	/* At once. */
	d[1]->audio.level = 40;
	lab_run(lab, 600 * USEC_PER_MSEC);
	check_speaker(d, 3, 2);
	/* The same loudness does not take over, nor a little more. */
	d[0]->audio.level = 40;
	d[2]->audio.level = 37;
	lab_run(lab, 3 * USEC_PER_SEC);
	check_speaker(d, 3, 2);
	/* Much more does. */
	d[2]->audio.level = 20;
	lab_run(lab, 2 * USEC_PER_SEC);
	check_speaker(d, 3, 3);
	assert_in_range(d[1]->speaker_level, 20, 40);
	/* He falls silent: the next. */
	d[2]->audio.level = LAB_SILENCE;
	d[0]->audio.level = 30;
	lab_run(lab, 1500 * USEC_PER_MSEC);
	check_speaker(d, 3, 1);
	/* Pauses between sentences change nothing. */
	unsigned told = d[1]->speakers_told;
	for (unsigned i = 0; i < 10; i++) {
		d[0]->audio.level = i % 2 ? 30 : LAB_SILENCE;
		d[1]->audio.level = LAB_SILENCE;
		lab_run(lab, 700 * USEC_PER_MSEC);
	}
	assert_int_equal(d[1]->speakers_told, told);
	/* Who comes later is told. */
	d[0]->audio.level = 30;
	d[3] = lab_device(lab, mediads - 1, 1, 4, 3);
	d[3]->audio.level = LAB_SILENCE;
	assert_int_equal(lab_offer(d[3]), 0);
	lab_connect(d[3]);
	lab_run(lab, 600 * USEC_PER_MSEC);
	check_speaker(d, 4, 1);
	/* All are silent: nobody. */
	d[0]->audio.level = LAB_SILENCE;
	lab_run(lab, 4 * USEC_PER_SEC);
	check_speaker(d, 4, 0);
	told = d[3]->speakers_told;
	lab_run(lab, 4 * USEC_PER_SEC);
	assert_int_equal(d[3]->speakers_told, told);
	for (unsigned k = 0; k < mediads; k++)
		assert_null(lab->m[k].md.media->talking); /* and nobody is looked at */
	/* The speaker leaves. */
	d[1]->audio.level = 30;
	lab_run(lab, USEC_PER_SEC);
	check_speaker(d, 4, 2);
	lab_close(d[1]);
	d[1] = d[3];
	lab_run(lab, USEC_PER_SEC);
	check_speaker(d, 3, 0);
	lab_free(lab);
}

static void conversations(void **state)
{
	(void)state;
	a_conversation(1);
	a_conversation(2);
}

static void the_muted_and_the_paused_do_not_speak(void **state)
{
	(void)state;
	for (unsigned mediads = 1; mediads <= 2; mediads++) {
		struct lab_device *d[2];
		struct lab *lab = a_call(mediads, d, 2);
		struct msg_member_state msg = { .call = d[1]->rec->call, .member = d[1]->rec->member };
		d[1]->audio.level = 30;
		for (unsigned round = 0; round < 2; round++) {
			msg.muted_audio = round == 0;
			msg.paused = round == 1;
			for (unsigned k = 0; k < mediads; k++)
				media_on_member_state(lab->m[k].md.media, &msg);
			lab_run(lab, 4 * USEC_PER_SEC);
			check_speaker(d, 2, 0);
			msg.muted_audio = msg.paused = 0;
			for (unsigned k = 0; k < mediads; k++)
				media_on_member_state(lab->m[k].md.media, &msg);
			lab_run(lab, USEC_PER_SEC);
			check_speaker(d, 2, 2);
		}
		lab_free(lab);
	}
}

/* A few messages a second, and none while nobody speaks. */
static void levels_are_cheap(void **state)
{
	struct lab_device *d[4];
	struct lab *lab = a_call(2, d, 4);
	const struct link *link = &lab->m[0].md.link_mediad[1];

	(void)state;
	uint64_t pushed = link->pushed;
	lab_run(lab, 3 * USEC_PER_SEC);
	uint64_t silent = link->pushed - pushed;
	d[0]->audio.level = 30;
	pushed = link->pushed;
	lab_run(lab, 3 * USEC_PER_SEC);
	assert_true(link->pushed - pushed <= silent + 8);
	/* They jump about: at most five a second. */
	pushed = link->pushed;
	for (unsigned i = 0; i < 100; i++) {
		d[0]->audio.level = (uint8_t)(10 + i * 37 % 90);
		d[2]->audio.level = (uint8_t)(10 + i * 53 % 90);
		lab_run(lab, 100 * USEC_PER_MSEC);
	}
	assert_true(link->pushed - pushed <= silent * 10 / 3 + 55);
	assert_true(d[1]->speaker == 1 || d[1]->speaker == 3);
	lab_free(lab);
}

static void the_event_waits_for_a_worker(void **state)
{
	struct lab_device *d[2];
	struct lab *lab = a_call(1, d, 2);

	(void)state;
	lab->events_full = true;
	d[1]->audio.level = 30;
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(d[0]->speakers_told, 0);
	lab->events_full = false;
	lab_run(lab, 300 * USEC_PER_MSEC);
	assert_int_equal(d[0]->speakers_told, 1);
	assert_int_equal(d[0]->speaker, 2);
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loudness_rises_fast_and_falls_slowly),
		cmocka_unit_test(without_levels_only_dtx_tells),
		cmocka_unit_test(conversations),
		cmocka_unit_test(the_muted_and_the_paused_do_not_speak),
		cmocka_unit_test(levels_are_cheap),
		cmocka_unit_test(the_event_waits_for_a_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
