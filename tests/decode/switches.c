/* Decoders never break at random seat and layer switches.
 *
 * Three cameras in three layers each, really encoded, and one receiver with one place, whose client shows now this
 * person and now that one, large or small, at its whole rate or, where the encoder makes temporal layers, at half or a
 * quarter of it. What the receiver gets is one stream: without a gap in any of its numbers,
 * and decoded without a complaint into exactly the pictures that a decoder beside each encoder has seen.
 *
 * The way to the receiver is paced in every third call, so that most of a key frame waits.
 *
 *     decode [vp8* | h264* | vp9* | av1*]      SWITCHES (60) of each, SEED (1), PACED: kbit/s, in all calls */
#include "tests/decode/picture.h"
#include "tests/lab/media_lab.h"

#include "mediad/demand.h"
#include "tests/support/cm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOURCES	 3
#define LAYERS	 3
#define KNOWN	 (1u << 20)
#define PICTURES (1u << 16)
#define PER_LAB	 20  /* switches; then begins another call */
#define PACED	 400 /* kbit/s */

/* An encoded picture: how its payloads are recognised, and what is seen in it. */
struct known {
	uint64_t payloads, seen;
	uint32_t number; /* of that layer */
	uint8_t source, layer;
	bool key;
};

#define NUMBERS (1u << 18)

struct layer {
	struct encoder *encoder;
	struct decoder *beside;
	struct picture picture;
	uint32_t number, timestamp;
	uint16_t seq;
	uint8_t *temporal; /* of each picture, by number */
};

struct taken {
	struct lab_packet packet;
	size_t len;
	uint8_t payload[PICTURE_PAYLOAD_MAX];
};

static struct scene {
	enum codec codec;
	uint32_t random;
	struct layer layer[SOURCES][LAYERS];
	struct known *known; /* by payloads mod KNOWN */
	struct lab_device *source[SOURCES], *watcher;
	struct taken *taken; /* by index - first */
	uint64_t first, highest;
	unsigned switches, frames, left_out, filled, seats_switched, layers_switched;
	uint64_t waited;
} the;

static unsigned seed = 1, wanted = 60, paced = 0;

static uint32_t pick(uint32_t n)
{
	the.random = the.random * 1664525 + 1013904223;
	return (the.random >> 8) % n;
}

/* ---- what is sent ---- */

/* All of a payload but its descriptor, whose numbers are rewritten. */
static uint64_t add_to_hash(uint64_t hash, const uint8_t *payload, size_t len)
{
	struct codec_info info;

	codec_parse(the.codec, payload, len, &info);
	size_t skip = the.codec == CODEC_VP8 || the.codec == CODEC_VP9 ? info.descriptor_len : 0;
	return (hash ^ hash_bytes(payload + skip, len - skip)) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct known *known_place(uint64_t payloads)
{
	uint64_t i = payloads;

	while (the.known[i % KNOWN].payloads && the.known[i % KNOWN].payloads != payloads)
		i++;
	return &the.known[i % KNOWN];
}

static unsigned camera(struct lab_device *d, struct lab_sender *s, bool key)
{
	unsigned source = d->number;
	struct layer *l = &the.layer[source][s->layer];
	uint64_t payloads = 1, seen = 0;

	encoder_next(l->encoder, key, &l->picture);
	l->timestamp += 3000;
	for (unsigned i = 0; i < l->picture.len; i++) {
		const uint8_t *p = l->picture.packet[i].data;
		size_t len = l->picture.packet[i].len;
		bool last = i + 1 == l->picture.len;
		payloads = add_to_hash(payloads, p, len);
		assert_int_equal(decoder_packet(l->beside, l->seq++, l->timestamp, last, p, len, &seen), last);
	}
	struct codec_info info;
	codec_parse(the.codec, l->picture.packet[0].data, l->picture.packet[0].len, &info);
	assert_true(l->number < NUMBERS);
	l->temporal[l->number] = info.temporal;
	struct known *known = known_place(payloads);
	assert_int_equal(known->payloads, 0); /* no two pictures are alike */
	*known = (struct known){ .payloads = payloads,
				 .seen = seen,
				 .number = l->number++,
				 .source = (uint8_t)source,
				 .layer = s->layer,
				 .key = key };
	return l->picture.len;
}

static size_t packet(struct lab_device *d, struct lab_sender *s, unsigned place, uint8_t *payload)
{
	const struct layer *l = &the.layer[d->number][s->layer];

	memcpy(payload, l->picture.packet[place].data, l->picture.packet[place].len);
	return l->picture.packet[place].len;
}

/* ---- what comes ---- */

static void taken(struct lab_device *d, const struct lab_packet *p, const uint8_t *payload, size_t len)
{
	(void)d;
	if (the.highest == 0)
		the.first = the.highest = p->index;
	assert_true(p->index >= the.first && p->index - the.first < PICTURES && len <= PICTURE_PAYLOAD_MAX);
	struct taken *t = &the.taken[p->index - the.first];
	assert_false(t->packet.used);
	t->packet = *p;
	t->len = len;
	memcpy(t->payload, payload, len);
	the.highest = MAX(the.highest, p->index);
}

/* The numbers of a picture's first packet against those of the picture before it. */
static void check_numbers(const struct codec_info *info, const struct codec_info *before, bool first, unsigned filled)
{
	if (the.codec != CODEC_VP8 && the.codec != CODEC_VP9)
		return;
	assert_int_equal(info->picture_id_bits, 15);
	if (first)
		return;
	/* What came too late to be left out without a trace has left an empty packet. */
	assert_in_range((info->picture_id - before->picture_id) & 0x7fff, 1, 1 + filled);
	assert_int_equal(info->has_tl0picidx, before->has_tl0picidx);
	if (info->has_tl0picidx)
		assert_int_equal(info->tl0picidx, (uint8_t)(before->tl0picidx + (info->temporal == 0)));
}

/* Between two pictures only those of upper temporal layers are left out. */
static void check_left_out(const struct layer *l, uint32_t from, uint32_t to)
{
	assert_true(from <= to);
	for (; from < to; from++, the.left_out++)
		assert_true(l->temporal[from] > 0);
}

static void check_picture(const struct known *known, const struct known *before)
{
	bool same = before && known->source == before->source && known->layer == before->layer;

	if (before && known->source != before->source)
		the.seats_switched++;
	else if (before && known->layer != before->layer)
		the.layers_switched++;
	the.switches += before && !same;
	if (!same)
		assert_true(known->key);
	else if (!known->key)
		check_left_out(&the.layer[known->source][known->layer], before->number + 1, known->number);
}

/* Decodes all that came before settled; returns the pictures. */
static unsigned watch(struct decoder *decoder, uint64_t end)
{
	struct codec_info before = { 0 }, info;
	struct known last = { 0 };
	const struct lab_packet *p, *previous = NULL;
	uint64_t payloads = 1, seen;
	unsigned frames = 0, filled = 0;
	uint16_t seq = 0;

	for (uint64_t index = the.first; index < end; index++) {
		const struct taken *t = &the.taken[index - the.first];
		bool begins = !previous || previous->marker;
		p = &t->packet;
		if (!p->used)
			fail_msg("packet %lu is missing", (unsigned long)(index - the.first));
		if (t->len == 0) {
			assert_true(begins);
			filled++;
			continue;
		}
		codec_parse(the.codec, t->payload, t->len, &info);
		if (begins) {
			if (previous)
				assert_true((int32_t)(p->timestamp - previous->timestamp) > 0);
			assert_true(info.frame_start);
			check_numbers(&info, &before, !previous, filled);
			before = info;
			payloads = 1;
			the.filled += filled;
			filled = 0;
		} else {
			assert_int_equal(p->timestamp, previous->timestamp);
			assert_int_equal(info.picture_id, before.picture_id);
			assert_int_equal(info.tl0picidx, before.tl0picidx);
		}
		previous = p;
		payloads = add_to_hash(payloads, t->payload, t->len);
		if (!decoder_packet(decoder, seq++, p->timestamp, p->marker, t->payload, t->len, &seen))
			continue;
		const struct known *known = known_place(payloads);
		assert_int_equal(known->payloads, payloads);
		assert_int_equal(known->seen, seen);
		check_picture(known, frames ? &last : NULL);
		last = *known;
		frames++;
	}
	return frames;
}

/* ---- the call ---- */

static void look(const struct lab_device *of, uint16_t height)
{
	struct lab *lab = the.watcher->lab;
	struct msg_view view = { .call = the.watcher->rec->call, .member = the.watcher->rec->member, .count = 1 };

	view.item[0] = (struct msg_view_item){ .member = of->rec->member, .kind = TRACK_CAMERA, .height = height };
	for (unsigned k = 0; k < lab->mediads; k++)
		media_on_view(lab->m[k].md.media, &view);
	lab_turn(lab);
}

static void set_codec(struct lab_device *d)
{
	for (unsigned i = 0; i < d->rec->mlines_len; i++) {
		struct session_mline *m = &d->rec->mline[i];
		if (m->media != MEDIA_VIDEO)
			continue;
		m->codecs_len = 1;
		m->codec[0].codec = (uint8_t)the.codec;
		if (the.codec == CODEC_H264) {
			m->codec[0].profile = 0x42e01f;
			m->codec[0].packetization_mode = 1;
		}
	}
}

static struct lab_device *join(struct lab *lab, unsigned mediad, uint8_t member, bool sends)
{
	struct lab_device *d = lab_device(lab, mediad, 1, member, 1);

	d->audio.on = false;
	d->video.on = sends;
	if (sends) {
		lab_simulcast(d);
		d->camera = camera;
		d->packet = packet;
		d->picture_us = 33000 + 7000 * (int64_t)d->number; /* no two at one pace */
	} else {
		d->taken = taken;
	}
	set_codec(d);
	assert_int_equal(lab_offer(d), 0);
	lab_connect(d);
	return d;
}

/* One call with up to PER_LAB switches: on one mediad or two, over a quick network or a slow one, which lets packets
 * overtake each other in two calls of three. */
static void play(unsigned round)
{
	static const uint16_t heights[] = { 20, 28, 36, 50, 56, 80, 112 };
	struct lab *lab = lab_new(1 + round % 2);
	struct decoder *decoder = decoder_new(the.codec);
	unsigned target = MIN(wanted - the.switches, PER_LAB);

	lab->random += round;
	lab->delay_us = 2 * USEC_PER_MSEC + round % 7 * 4 * USEC_PER_MSEC;
	for (unsigned i = 0; i < SOURCES; i++)
		the.source[i] = join(lab, i % lab->mediads, (uint8_t)(1 + i), true);
	the.watcher = join(lab, lab->mediads - 1, 1 + SOURCES, false);
	memset(the.taken, 0, PICTURES * sizeof(the.taken[0]));
	the.first = the.highest = 0;
	lab_run(lab, USEC_PER_SEC); /* the stream begins with the first packet that comes */
	lab->jitter_us = round % 3 * 4 * USEC_PER_MSEC;
	struct seat *seat = lab_peer(the.watcher)->seat[1];
	/* Nobody allocates but we. */
	free(lab_peer(the.watcher)->bwe);
	lab_peer(the.watcher)->bwe = NULL;
	bool waits = paced || round % 3 == 2;
	if (waits)
		lab_pace(the.watcher, (paced ? paced : PACED) * 1000);
	for (unsigned maps = seat->maps; seat->maps - maps < target;) {
		unsigned present = seat->source->member->id.b[0] - 1u, next = pick(3) ? present : pick(SOURCES);
		if (pick(8) == 0) { /* for a moment nobody */
			look(the.source[present], 0);
			lab_run(lab, pick(200) * USEC_PER_MSEC);
		}
		look(the.source[next], heights[pick(ARRAY_LEN(heights))]);
		seat_set_limit(seat, pick(2) ? ALLOC_ALL : 1 + pick(LAYERS), lab->now_us);
		seat_set_left_out(seat, pick(LAYER_TEMPORALS_MAX));
		lab_run(lab, (60 + pick(pick(3) ? 300 : 1300)) * USEC_PER_MSEC);
	}
	lab->jitter_us = 0;
	lab_run(lab, USEC_PER_SEC);
	assert_int_equal(seat_state(seat), SEAT_LIVE);
	uint64_t end = the.highest; /* the last picture may be half under way */
	while (end > the.first && !the.taken[end - 1 - the.first].packet.marker)
		end--;
	const struct lab_packet *last = &the.taken[end - 1 - the.first].packet, *first = &the.taken[0].packet;
	unsigned frames = watch(decoder, end);
	/* It never stood still for long: pictures are 33 to 47 ms apart, and of some layers only every fourth goes. */
	assert_true(frames >= (last->at_us - first->at_us) / (the.codec == CODEC_VP8 ? 240000 : 60000));
	the.frames += frames;
	the.waited += stat_get(&lab_counters(lab, lab->mediads - 1)->paced_packets);
	assert_true(!waits || the.waited > 0);
	decoder_free(decoder);
	lab_free(lab);
}

static void switches(enum codec codec)
{
	static const unsigned width[SOURCES] = { 192, 128, 160 }, height[SOURCES] = { 112, 80, 96 };

	the = (struct scene){ .codec = codec, .random = seed };
	the.known = calloc(KNOWN, sizeof(*the.known));
	the.taken = calloc(PICTURES, sizeof(*the.taken));
	assert_true(the.known && the.taken);
	for (unsigned i = 0; i < SOURCES; i++) {
		for (unsigned k = 0; k < LAYERS; k++) {
			the.layer[i][k].encoder = encoder_new(codec, width[i] >> (2 - k), height[i] >> (2 - k), i);
			the.layer[i][k].beside = decoder_new(codec);
			the.layer[i][k].temporal = calloc(NUMBERS, 1);
			assert_non_null(the.layer[i][k].temporal);
		}
	}
	for (unsigned round = 0; the.switches < wanted; round++)
		play(round);
	assert_true((the.left_out > 0) == (codec == CODEC_VP8));
	print_message("# %s: %u switches (%u of the person, %u of the layer), %u pictures and %u left out (%u late), "
		      "%lu packets waited, not one complaint\n",
		      codec_name(codec), the.switches, the.seats_switched, the.layers_switched, the.frames,
		      the.left_out, the.filled, (unsigned long)the.waited);
	for (unsigned i = 0; i < SOURCES; i++) {
		for (unsigned k = 0; k < LAYERS; k++) {
			encoder_free(the.layer[i][k].encoder);
			decoder_free(the.layer[i][k].beside);
			free(the.layer[i][k].temporal);
		}
	}
	free(the.known);
	free(the.taken);
}

static void vp8_never_breaks(void **state)
{
	(void)state;
	switches(CODEC_VP8);
}

static void h264_never_breaks(void **state)
{
	(void)state;
	switches(CODEC_H264);
}

static void vp9_never_breaks(void **state)
{
	(void)state;
	switches(CODEC_VP9);
}

static void av1_never_breaks(void **state)
{
	(void)state;
	switches(CODEC_AV1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vp8_never_breaks),
		cmocka_unit_test(h264_never_breaks),
		cmocka_unit_test(vp9_never_breaks),
		cmocka_unit_test(av1_never_breaks),
	};

	if (getenv("SWITCHES"))
		wanted = (unsigned)strtoul(getenv("SWITCHES"), NULL, 10);
	if (getenv("SEED"))
		seed = (unsigned)strtoul(getenv("SEED"), NULL, 10);
	if (getenv("PACED"))
		paced = (unsigned)strtoul(getenv("PACED"), NULL, 10);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	picture_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
