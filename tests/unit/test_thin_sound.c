/* links: lab mediad */
/* Sound over a path that hardly takes it: a minute each on a clock that we move. Who sends does so as Chromium does, 32
 * kbit/s of Opus in 50 packets a second, and sends less when told. PARLEY_TRACE=1 prints each second; an argument names
 * the one test that is wanted. */
#include "tests/lab/media_lab.h"

#include "tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>

#define SRTP_TAG    16
#define SOUND_BYTES 80 /* 32 kbit/s */
#define FRAME_US    20000
#define PEOPLE_MAX  5
#define SEEDS	    3

struct net {
	struct lab *lab;
	struct lab_device *person[PEOPLE_MAX], *watcher;
	unsigned people;
	struct wire down, up;
	struct wire_settings set;
	int64_t began_us;
	unsigned seconds;
};

/* Of the frames of one person that were made in some seconds. */
struct heard {
	double share, mean_ms, longest_ms; /* that came; how late they were */
};

static void way_set(struct net *net, double kbps)
{
	net->set.rate_bps = kbps * 1000;
	net->set.queue_us = kbps > 0 ? 300000 : 0;
	wire_set(&net->down, net->lab->now_us, &net->set);
}

static void join(struct lab_device *d)
{
	assert_int_equal(lab_offer(d), 0);
	lab_connect(d);
}

/* So many people, the first of whom speaks, and one who hears them over that path. */
static struct net *net_new(unsigned people, unsigned mediads, bool camera, double kbps, unsigned seed)
{
	struct net *net = calloc(1, sizeof(*net));
	struct wire_settings up = wire_clean;

	assert_non_null(net);
	net->lab = lab_new(mediads);
	net->lab->random = seed;
	net->lab->opus = true;
	net->people = people;
	for (unsigned i = 0; i < people; i++) {
		struct lab_device *d = net->person[i] = lab_device(net->lab, mediads - 1, 1, (uint8_t)(1 + i), people);
		d->audio.bytes = SOUND_BYTES - LAB_SOUND_HEAD;
		d->audio.level = i == 0 ? LAB_LEVEL : LAB_SILENCE;
		d->video.on = i == 0 && camera;
		join(d);
	}
	lab_run(net->lab, USEC_PER_SEC);
	net->watcher = lab_device(net->lab, 0, 1, 99, people);
	net->watcher->video.on = false;
	net->watcher->audio.level = LAB_SILENCE;
	net->watcher->audio.bytes = 20;
	net->watcher->feedback = true;
	net->watcher->patience_ms = 100;
	wire_init(&net->down, seed);
	wire_init(&net->up, seed + 1);
	net->set = wire_clean;
	net->set.delay_us = up.delay_us = 20000;
	net->set.overhead = WIRE_OVERHEAD + SRTP_TAG;
	net->set.keep_order = 1;
	way_set(net, kbps);
	wire_set(&net->up, net->lab->now_us, &up);
	net->watcher->way_down = &net->down;
	net->watcher->way_up = &net->up;
	join(net->watcher);
	net->began_us = net->lab->now_us;
	return net;
}

static struct net *net_free(struct net *net)
{
	lab_free(net->lab);
	wire_fini(&net->down);
	wire_fini(&net->up);
	free(net);
	return NULL;
}

/* The stream on which the watcher hears that person now. */
static struct lab_stream *stream(const struct net *net, const struct lab_device *person)
{
	for (unsigned i = 0; i < net->watcher->rec->mlines_len; i++) {
		const struct seat *seat = lab_peer(net->watcher)->seat[i];
		if (seat && seat->source && seat->rec->media == MEDIA_AUDIO &&
		    id_equal(&seat->source->member->id, &person->rec->member))
			return lab_stream(net->watcher, i);
	}
	return NULL;
}

static uint32_t frame_at(const struct net *net, const struct lab_device *person, int64_t us)
{
	return person->audio.frame - (uint32_t)((net->lab->now_us - us) / FRAME_US);
}

static struct heard hear(const struct net *net, const struct lab_device *person, unsigned from_s, unsigned to_s)
{
	const struct lab_stream *s = stream(net, person);
	uint32_t from = frame_at(net, person, net->began_us + from_s * USEC_PER_SEC);
	uint32_t to = from + (to_s - from_s) * (USEC_PER_SEC / FRAME_US);
	struct heard heard = { 0 };
	unsigned n = 0;

	for (uint32_t i = from; s && i < to; i++) {
		int64_t at_us = s->heard_us[i % LAB_LOG];
		int64_t made_us = person->audio.next_us - (int64_t)(person->audio.frame - i) * FRAME_US;
		if (at_us == 0)
			continue;
		n++;
		heard.mean_ms += (double)(at_us - made_us) / 1000;
		heard.longest_ms = MAX(heard.longest_ms, (double)(at_us - made_us) / 1000);
	}
	heard.share = (double)n / (to - from);
	heard.mean_ms /= n ? n : 1;
	return heard;
}

static void print_second(const struct net *net, struct wire_counts counts)
{
	const struct media_peer *peer = lab_peer(net->watcher);
	unsigned heard = 0;

	for (unsigned i = 0; i < net->watcher->rec->mlines_len; i++) {
		const struct seat *seat = peer->seat[i];
		heard += seat && seat->rec->media == MEDIA_AUDIO && seat->source && !seat->unheard;
	}
	printf("# %2u s: sent %3.0f, estimate %3u kbit/s, queue %3.0f ms, dropped %u, budget %3.0f%s%s, %u heard, "
	       "asked "
	       "for %u kbit/s\n",
	       net->seconds, (double)(counts.in_bytes + counts.in_packets * (WIRE_OVERHEAD + SRTP_TAG)) * 8 / 1000,
	       bwe_rate(peer->bwe, net->lab->now_us) / 1000, (double)wire_backlog_us(&net->down) / 1000,
	       (unsigned)counts.dropped, peer->lean.budget / 1000, peer->lean.packs ? ", packed" : "",
	       peer->lean.lower ? ", lower" : "", heard, net->person[0]->sound_bps / 1000);
}

static void net_run(struct net *net, unsigned seconds)
{
	for (; seconds > 0; seconds--, net->seconds++) {
		(void)wire_take_counts(&net->down);
		lab_run(net->lab, USEC_PER_SEC);
		struct wire_counts counts = wire_take_counts(&net->down);
		if (getenv("PARLEY_TRACE"))
			print_second(net, counts);
	}
}

static void assert_between(double value, double low, double high)
{
	if (value < low || value > high)
		fail_msg("%.3f is not between %.3f and %.3f", value, low, high);
}

static void assert_heard(const struct net *net, unsigned who, unsigned from_s, unsigned to_s, double share)
{
	struct heard heard = hear(net, net->person[who], from_s, to_s);

	printf("# person %u, %u–%u s: %.1f %% came, %.0f ms late, %.0f at most\n", who, from_s, to_s, heard.share * 100,
	       heard.mean_ms, heard.longest_ms);
	assert_between(heard.share, share, 1);
	assert_between(heard.mean_ms, 0, 300);
	assert_between(heard.longest_ms, 0, 800);
}

static void over_40_kbits_one_is_heard_and_asked_for_fewer_bits(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct net *net = net_new(1, 1, true, 40, seed);
		net_run(net, 60);
		assert_heard(net, 0, 10, 60, 0.97);
		assert_true(net->person[0]->sounds_told > 0);
		assert_true(stat_get(&lab_counters(net->lab, 0)->packed_packets) > 500);
		/* And when it is over all is as it was. */
		way_set(net, 3000);
		net_run(net, 60);
		assert_heard(net, 0, 65, 120, 0.999);
		assert_int_equal(net->person[0]->sound_bps, 0);
		assert_false(lab_peer(net->watcher)->lean.packs);
		lab_stream(net->watcher, 0)->joined = 0;
		net_run(net, 2);
		assert_int_equal(lab_stream(net->watcher, 0)->joined, 0);
		net_free(net);
	}
}

/* Without a picture there is nothing to look for room with: now and then more is tried. */
static void without_pictures_too(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct net *net = net_new(1, 1, false, 40, seed);
		net_run(net, 60);
		assert_heard(net, 0, 10, 60, 0.97);
		assert_true(net->person[0]->sounds_told > 0);
		way_set(net, 3000);
		net_run(net, 120);
		assert_heard(net, 0, 61, 180, 0.99);
		assert_int_equal(net->person[0]->sound_bps, 0);
		assert_false(lab_peer(net->watcher)->lean.packs);
		net_free(net);
	}
}

static void a_publisher_on_another_mediad_hears_of_it_too(void **state)
{
	struct net *net = net_new(1, 2, true, 40, 1);

	(void)state;
	net_run(net, 40);
	assert_heard(net, 0, 10, 40, 0.97);
	assert_int_equal(net->person[0]->sound_bps, LEAN_VOICE_BPS);
	/* Who needed it leaves. */
	lab_close(net->watcher);
	net_run(net, 2);
	assert_int_equal(net->person[0]->sound_bps, 0);
	net_free(net);
}

static void in_a_group_the_one_who_speaks_is_heard(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct net *net = net_new(4, 1, true, 40, seed);
		net_run(net, 40);
		assert_heard(net, 0, 10, 40, 0.97);
		/* Somebody else speaks, and soon is heard. */
		net->person[0]->audio.level = LAB_SILENCE;
		net->person[2]->audio.level = LAB_LEVEL;
		net_run(net, 30);
		assert_heard(net, 2, 43, 70, 0.97);
		/* The others have a wide path, and get all that there is, packet by packet. */
		for (unsigned i = 1; i < 4; i++) {
			const struct lab_stream *s = lab_stream(net->person[i], 0);
			assert_int_equal(s->joined, 0);
			assert_in_range(s->packets, 50 * 69, 50 * 72);
		}
		net_free(net);
	}
}

static void where_packing_is_enough_nobody_is_asked(void **state)
{
	static const double kbps[] = { 100, 150 };
	static const unsigned people[] = { 2, 3 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(kbps); i++) {
		struct net *net = net_new(people[i], 1, true, kbps[i], 1);
		net_run(net, 60);
		assert_heard(net, 0, 10, 60, 0.97);
		assert_int_equal(net->person[0]->sounds_told, 0);
		assert_true(stat_get(&lab_counters(net->lab, 0)->packed_packets) > 500);
		net_free(net);
	}
}

static void a_path_that_takes_it_is_left_alone(void **state)
{
	struct net *net = net_new(2, 1, true, 300, 1);

	(void)state;
	net_run(net, 60);
	assert_heard(net, 0, 10, 60, 0.99);
	assert_heard(net, 1, 10, 60, 0.99);
	assert_int_equal(net->person[0]->sounds_told, 0);
	assert_int_equal(stat_get(&lab_counters(net->lab, 0)->packed_packets), 0);
	net_free(net);
}

/* Nothing comes through for a while: that is no reason to send less sound afterwards. */
static void an_outage_is_no_thin_path(void **state)
{
	struct net *net = net_new(1, 1, true, 0, 1);

	(void)state;
	net_run(net, 10);
	net->set.loss = 1;
	way_set(net, 0);
	net_run(net, 4);
	net->set.loss = 0;
	way_set(net, 0);
	net_run(net, 10);
	assert_heard(net, 0, 15, 24, 0.99);
	assert_int_equal(net->person[0]->sounds_told, 0);
	net_free(net);
}

static enum seat_state picture(const struct net *net)
{
	return seat_state(lab_peer(net->watcher)->seat[1]);
}

/* The way of who sends takes no picture: those who look are told, and it comes back by itself. */
static void a_camera_that_is_on_and_sends_nothing_is_weak(void **state)
{
	struct net *net = net_new(1, 1, true, 0, 1);
	struct lab_device *person = net->person[0];

	(void)state;
	net_run(net, 5);
	assert_int_equal(picture(net), SEAT_LIVE);
	person->video.on = false;
	lab_run(net->lab, SEAT_DRY_US - 200 * USEC_PER_MSEC);
	assert_int_equal(picture(net), SEAT_LIVE);
	lab_run(net->lab, 500 * USEC_PER_MSEC);
	assert_int_equal(picture(net), SEAT_WEAK);
	person->video.on = true;
	person->video.next_us = net->lab->now_us;
	net_run(net, 1);
	assert_int_equal(picture(net), SEAT_LIVE);
	/* One that was turned off is no news, */
	lab_peer(person)->member->muted_video = true;
	person->video.on = false;
	net_run(net, 5);
	assert_int_equal(picture(net), SEAT_LIVE);
	/* and who sends nothing at all is away. */
	lab_peer(person)->member->muted_video = false;
	person->video.on = true;
	person->video.next_us = net->lab->now_us;
	net_run(net, 1);
	person->video.on = person->audio.on = false;
	net_run(net, 5);
	assert_int_equal(picture(net), SEAT_LIVE);
	net_free(net);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(over_40_kbits_one_is_heard_and_asked_for_fewer_bits),
		cmocka_unit_test(without_pictures_too),
		cmocka_unit_test(a_publisher_on_another_mediad_hears_of_it_too),
		cmocka_unit_test(in_a_group_the_one_who_speaks_is_heard),
		cmocka_unit_test(where_packing_is_enough_nobody_is_asked),
		cmocka_unit_test(a_path_that_takes_it_is_left_alone),
		cmocka_unit_test(an_outage_is_no_thin_path),
		cmocka_unit_test(a_camera_that_is_on_and_sends_nothing_is_weak),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
