/* links: mediad */
/* Upper temporal layers left out of simulated streams of three (0 2 1 2, as libvpx makes them in Chromium), over a
 * network that loses, brings late and repeats: the numbers that come out are unbroken, and each picture that comes out
 * finds what it refers to. */
#include "mediad/thin.h"

#include "lib/err.h"
#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>

#define PICTURES 4000
#define PACKETS	 (PICTURES * 3)
#define FIRST	 (UINT64_C(1) << 16 | 65000)

static uint32_t random_state;

static uint32_t pick(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % n;
}

/* What is sent: the packets, and which picture each belongs to. */
static struct {
	struct ring_head head;
	unsigned picture;
} sent[PACKETS];
static unsigned sent_len;

static unsigned temporal_of(unsigned picture)
{
	static const uint8_t pattern[] = { 0, 2, 1, 2 };

	return pattern[picture % 4];
}

static void publish(void)
{
	static const bool sync[] = { false, true, true, false, false, false, false, false };
	uint8_t tl0picidx = 250;

	sent_len = 0;
	for (unsigned i = 0; i < PICTURES; i++) {
		unsigned n = 1 + pick(3);
		tl0picidx = (uint8_t)(tl0picidx + (temporal_of(i) == 0));
		for (unsigned k = 0; k < n; k++) {
			struct ring_head *head = &sent[sent_len].head;
			*head = (struct ring_head){
				.index = FIRST + sent_len,
				.picture_id = (uint16_t)((32000 + i) & 0x7fff),
				.temporal = (uint8_t)temporal_of(i),
				.tl0picidx = tl0picidx,
				.flags = (uint16_t)(RING_SCALABLE | (k == 0 ? RING_FRAME_START : 0) |
						    (k + 1 == n ? RING_MARKER : 0) |
						    (i == 0 && k == 0 ? RING_KEYFRAME : 0) |
						    (sync[i % 8] ? RING_SYNC : 0)),
			};
			sent[sent_len++].picture = i;
		}
	}
}

/* What comes out, by number. */
static struct {
	bool used, filled;
	unsigned packet;
	uint16_t picture_id;
} out[PACKETS];
static uint64_t out_highest;
static unsigned fills;

static void bring(struct thin *thin, unsigned i)
{
	struct thin_shift shift;
	enum thin_verdict verdict = thin_on_packet(thin, &sent[i].head, &shift);

	if (verdict == THIN_DROP)
		return;
	uint64_t number = sent[i].head.index - FIRST - shift.packets;
	assert_true(number < PACKETS);
	if (out[number].used) { /* again: the same */
		assert_true(verdict == THIN_SEND && !out[number].filled);
		assert_int_equal(out[number].packet, i);
		return;
	}
	out[number].used = true;
	out[number].filled = verdict == THIN_FILL;
	out[number].packet = i;
	out[number].picture_id = (uint16_t)((sent[i].head.picture_id - shift.pictures) & 0x7fff);
	out_highest = MAX(out_highest, number);
	fills += verdict == THIN_FILL;
}

/* Nothing is missing but what the network lost for good; pictures are whole; picture ids rise by one, but where a
 * number was filled or lost. Returns the pictures. */
static unsigned check(bool lossless)
{
	unsigned pictures = 0, last = PACKETS;
	bool hole = false;

	for (uint64_t n = 0; n <= out_highest; n++) {
		if (!out[n].used || out[n].filled) {
			assert_true(out[n].used || !lossless);
			hole = true;
			continue;
		}
		unsigned i = out[n].packet;
		if (last == PACKETS || sent[i].picture != sent[last].picture) {
			pictures++;
			if (last != PACKETS && !hole) {
				assert_true(sent[last].head.flags & RING_MARKER);
				assert_true(sent[i].head.flags & RING_FRAME_START);
				assert_int_equal(out[n].picture_id, (out[n - 1].picture_id + 1) & 0x7fff);
			}
			assert_true(last == PACKETS || sent[i].picture > sent[last].picture);
		} else if (!hole) {
			assert_int_equal(i, last + 1);
			assert_int_equal(out[n].picture_id, out[n - 1].picture_id);
		}
		last = i;
		hole = false;
	}
	return pictures;
}

static void begin(struct thin *thin, uint32_t seed)
{
	random_state = seed;
	memset(thin, 0, sizeof(*thin));
	memset(out, 0, sizeof(out));
	out_highest = 0;
	fills = 0;
	publish();
	thin_begin(thin, FIRST);
}

static void half_and_quarter(void **state)
{
	struct thin *thin = calloc(1, sizeof(*thin));

	(void)state;
	assert_non_null(thin);
	for (unsigned allowed = 0; allowed < 3; allowed++) {
		begin(thin, 1);
		thin_allow(thin, allowed);
		for (unsigned i = 0; i < sent_len; i++)
			bring(thin, i);
		assert_int_equal(check(true), PICTURES >> (2 - allowed));
		assert_int_equal(fills, 0);
	}
	free(thin);
}

/* Each layer that comes back begins with a picture that refers to nothing that was left out. */
static void check_references(void)
{
	static const bool sync[] = { false, true, true, false, false, false, false, false };
	bool went[PICTURES] = { false };

	for (uint64_t n = 0; n <= out_highest; n++) {
		if (out[n].used && !out[n].filled)
			went[sent[out[n].packet].picture] = true;
	}
	for (unsigned i = 0; i < PICTURES; i++) {
		unsigned t = temporal_of(i);
		if (!went[i])
			continue;
		/* All of the last eight pictures' that are of its layer or below went, back to a sync of its layer. */
		for (unsigned back = i; t > 0 && !sync[back % 8]; back--) {
			unsigned previous = back - 1;
			assert_true(temporal_of(previous) > t || went[previous]);
			if (temporal_of(previous) == t && sync[previous % 8])
				break;
		}
	}
}

static void random_limits(void **state)
{
	struct thin *thin = calloc(1, sizeof(*thin));

	(void)state;
	assert_non_null(thin);
	for (unsigned seed = 1; seed <= 50; seed++) {
		begin(thin, seed);
		for (unsigned i = 0; i < sent_len; i++) {
			if (pick(20) == 0)
				thin_allow(thin, pick(4) == 3 ? THIN_ALL : pick(3));
			bring(thin, i);
			unsigned back = pick(100);
			if (pick(10) == 0) /* again */
				bring(thin, i - MIN(i, back));
		}
		check(true);
		check_references();
		assert_int_equal(fills, 0);
	}
	free(thin);
}

/* One packet in ten overtakes or is repaired later; some are lost for good. */
static void random_limits_on_a_bad_network(void **state)
{
	static struct {
		unsigned at, packet;
	} due[PACKETS];
	struct thin *thin = calloc(1, sizeof(*thin));
	unsigned filled = 0;

	(void)state;
	assert_non_null(thin);
	for (unsigned seed = 1; seed <= 50; seed++) {
		unsigned first = 0, len = 0;
		bool lossless = seed % 2;
		begin(thin, seed);
		for (unsigned i = 0; i < sent_len + 200; i++) {
			if (pick(60) == 0)
				thin_allow(thin, pick(4) == 3 ? THIN_ALL : pick(3));
			if (i > 10 && i < sent_len && pick(10) == 0) {
				if (lossless || pick(4)) {
					due[len].at = i + 20;
					due[len++].packet = i;
				}
			} else if (i < sent_len) {
				bring(thin, i);
			}
			for (; first < len && due[first].at <= i; first++)
				bring(thin, due[first].packet);
		}
		check(lossless);
		filled += fills;
	}
	assert_true(filled > 0);
	free(thin);
}

/* With the lowest layer alone, whole pictures that the network lost leave nothing behind: TL0PICIDX tells. */
static void lost_pictures_that_would_be_left_out(void **state)
{
	struct thin *thin = calloc(1, sizeof(*thin));

	(void)state;
	assert_non_null(thin);
	begin(thin, 7);
	thin_allow(thin, 0);
	for (unsigned i = 0; i < sent_len; i++) {
		if (temporal_of(sent[i].picture) == 0 || pick(3) == 0)
			bring(thin, i);
	}
	for (unsigned i = sent_len - 100; i < sent_len; i++)
		bring(thin, i);
	assert_int_equal(check(true), PICTURES / 4);
	assert_int_equal(fills, 0);
	free(thin);
}

static void a_picture_under_way_is_finished(void **state)
{
	struct thin *thin = calloc(1, sizeof(*thin));
	unsigned i = 0, last;

	(void)state;
	assert_non_null(thin);
	begin(thin, 3);
	/* To the first packet of an upper picture of three. */
	while (!(temporal_of(sent[i].picture) == 2 && (sent[i].head.flags & RING_FRAME_START) &&
		 sent[i + 2].picture == sent[i].picture))
		bring(thin, i++);
	bring(thin, i);
	thin_allow(thin, 0);
	bring(thin, i + 2);
	bring(thin, i + 1);
	for (last = i + 3; last < i + 20; last++)
		bring(thin, last);
	check(true);
	assert_int_equal(fills, 0);
	assert_int_equal(out[i + 1].packet, i + 1);
	assert_int_equal(out[i + 2].packet, i + 2);
	free(thin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_and_quarter),
		cmocka_unit_test(random_limits),
		cmocka_unit_test(random_limits_on_a_bad_network),
		cmocka_unit_test(lost_pictures_that_would_be_left_out),
		cmocka_unit_test(a_picture_under_way_is_finished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
