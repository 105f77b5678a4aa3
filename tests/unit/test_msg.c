/* links: */
#include "shm/msg.h"

#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>

/* A payload of exactly the size a check may look at, on the heap, where a sanitizer sees more. */
static int check(uint16_t type, const void *payload, size_t len, void *ret_payload)
{
	struct link_msg msg = { .type = type, .len = (uint16_t)len };
	uint8_t *copy = malloc(len ? len : 1);

	if (len)
		memcpy(copy, payload, len);
	int err = msg_check(&msg, copy);
	if (ret_payload)
		memcpy(ret_payload, copy, len);
	free(copy);
	return err;
}

static const struct {
	uint16_t type;
	size_t len;
} fixed[] = {
	{ MSG_OFFER_BEGIN, sizeof(struct msg_offer) },
	{ MSG_OFFER_MLINE, sizeof(struct msg_mline) },
	{ MSG_OFFER_END, 0 },
	{ MSG_TRANSPORT_CLOSE, sizeof(struct msg_handle) },
	{ MSG_CALL_CLOSE, sizeof(struct msg_call) },
	{ MSG_MEMBER_CLOSE, sizeof(struct msg_member) },
	{ MSG_MEMBER_STATE, sizeof(struct msg_member_state) },
	{ MSG_LIST, 0 },
	{ MSG_VIEW, sizeof(struct msg_view) },
	{ MSG_TRANSPORT_LEAVE, sizeof(struct msg_leave) },
	{ MSG_SEATS_ASK, sizeof(struct msg_member) },
	{ MSG_ANSWER_BEGIN, sizeof(struct msg_answer) },
	{ MSG_ANSWER_CANDIDATE, sizeof(struct msg_candidate) },
	{ MSG_ANSWER_SEAT, sizeof(struct msg_answer_seat) },
	{ MSG_ANSWER_END, 0 },
	{ MSG_OK, 0 },
	{ MSG_ERROR, sizeof(struct msg_error) },
	{ MSG_LIST_ITEM, sizeof(struct msg_transport_state) },
	{ MSG_LIST_END, 0 },
	{ MSG_TRANSPORT_STATE, sizeof(struct msg_transport_state) },
	{ MSG_SEATS, sizeof(struct msg_seats) },
	{ MSG_MEDIA_LOST, sizeof(struct msg_transport_state) },
	{ MSG_CALL_HERE, sizeof(struct msg_call) },
	{ MSG_CALL_GONE, sizeof(struct msg_call) },
	{ MSG_TRACK_ADD, sizeof(struct msg_track) },
	{ MSG_TRACK_REMOVE, sizeof(struct msg_handle) },
	{ MSG_TRACK_SUBSCRIBE, sizeof(struct msg_subscribe) },
	{ MSG_TRACK_UNSUBSCRIBE, sizeof(struct msg_handle) },
	{ MSG_TRACK_KEYFRAME, sizeof(struct msg_keyframe) },
	{ MSG_TRACK_NACK, sizeof(struct msg_nack) },
	{ MSG_TRACK_CLOCK, sizeof(struct msg_clock) },
	{ MSG_TRACK_LOSS, sizeof(struct msg_loss) },
	{ MSG_TRACK_LEVELS, sizeof(struct msg_levels) },
	{ MSG_SPEAKER, sizeof(struct msg_speaker) },
	{ MSG_QUALITY, sizeof(struct msg_quality) },
	{ MSG_LAYERS, sizeof(struct msg_layers) },
	{ MSG_SOUND, sizeof(struct msg_sound) },
};

static void test_unknown_types(void **state)
{
	uint8_t payload[LINK_PAYLOAD_MAX] = { 0 };
	int known = 0;

	(void)state;
	for (uint32_t type = 0; type <= UINT16_MAX; type++) {
		if (strcmp(msg_type_name((uint16_t)type), "unknown") != 0) {
			known++;
			continue;
		}
		assert_int_equal(check((uint16_t)type, payload, 0, NULL), -EPROTO);
		assert_int_equal(check((uint16_t)type, payload, 16, NULL), -EPROTO);
	}
	/* All of them, and MSG_EVENT. */
	assert_int_equal(known, ARRAY_LEN(fixed) + 1);
	assert_string_equal(msg_type_name(MSG_OFFER_BEGIN), "offer_begin");
	assert_string_equal(msg_type_name(MSG_NONE), "unknown");
}

static void test_exact_lengths(void **state)
{
	uint8_t payload[LINK_PAYLOAD_MAX] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		for (size_t len = 0; len <= LINK_PAYLOAD_MAX; len++) {
			if (len != fixed[i].len)
				assert_int_equal(check(fixed[i].type, payload, len, NULL), -EPROTO);
		}
		assert_string_not_equal(msg_type_name(fixed[i].type), "unknown");
	}
	/* A length that no slot holds. */
	struct link_msg msg = { .type = MSG_EVENT, .len = UINT16_MAX };
	assert_int_equal(msg_check(&msg, payload), -EPROTO);
}

static void test_plain_messages_pass(void **state)
{
	uint8_t payload[LINK_PAYLOAD_MAX];
	const uint16_t plain[] = { MSG_OFFER_END,    MSG_TRANSPORT_CLOSE,  MSG_CALL_CLOSE,   MSG_MEMBER_CLOSE,
				   MSG_LIST,	     MSG_TRANSPORT_LEAVE,  MSG_ANSWER_BEGIN, MSG_ANSWER_END,
				   MSG_OK,	     MSG_LIST_END,	   MSG_CALL_HERE,    MSG_CALL_GONE,
				   MSG_TRACK_REMOVE, MSG_TRACK_UNSUBSCRIBE };

	(void)state;
	memset(payload, 0xff, sizeof(payload));
	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		for (size_t k = 0; k < ARRAY_LEN(fixed); k++) {
			if (fixed[k].type == plain[i])
				assert_int_equal(check(plain[i], payload, fixed[k].len, NULL), 0);
		}
	}
}

/* Does this message still pass with that field set to that value? */
#define EXPECT(type, message, field, value, expected)                             \
	do {                                                                      \
		__typeof__(message) m_ = (message);                               \
		m_.field = (value);                                               \
		assert_int_equal(check(type, &m_, sizeof(m_), NULL), (expected)); \
	} while (0)

static void test_offer(void **state)
{
	struct msg_offer m = { .mlines_len = SESSION_MLINES_MAX, .paused = 1 };

	(void)state;
	assert_int_equal(check(MSG_OFFER_BEGIN, &m, sizeof(m), NULL), 0);
	EXPECT(MSG_OFFER_BEGIN, m, mlines_len, SESSION_MLINES_MAX + 1, -EPROTO);
	EXPECT(MSG_OFFER_BEGIN, m, mlines_len, 255, -EPROTO);
	EXPECT(MSG_OFFER_BEGIN, m, paused, 2, -EPROTO);
	/* Strings without an end get one. */
	memset(m.ufrag, 'u', sizeof(m.ufrag));
	memset(m.pwd, 'p', sizeof(m.pwd));
	assert_int_equal(check(MSG_OFFER_BEGIN, &m, sizeof(m), &m), 0);
	assert_int_equal(strnlen(m.ufrag, sizeof(m.ufrag)), SESSION_UFRAG_MAX);
	assert_int_equal(strnlen(m.pwd, sizeof(m.pwd)), SESSION_PWD_MAX);
}

static struct msg_mline good_mline(void)
{
	return (struct msg_mline){
		.index = SESSION_MLINES_MAX - 1,
		.mline = { .mid = "0",
			   .media = MEDIA_VIDEO,
			   .receives = 1,
			   .sends = 1,
			   .track_kind = TRACK_CAMERA,
			   .codecs_len = 1,
			   .layers_len = SESSION_LAYERS_MAX,
			   .codec = { { .codec = CODEC_VP8, .pt = 96, .rtx_pt = 97, .clock_rate = 90000 } } },
	};
}

static void test_mline(void **state)
{
	struct msg_mline m = good_mline();

	(void)state;
	assert_int_equal(check(MSG_OFFER_MLINE, &m, sizeof(m), NULL), 0);
	EXPECT(MSG_OFFER_MLINE, m, index, SESSION_MLINES_MAX, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, index, UINT32_MAX, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.media, MEDIA_VIDEO + 1, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.receives, 2, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.sends, 255, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.rejected, 2, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.track_kind, TRACK_KIND_COUNT, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.codecs_len, SESSION_CODECS_MAX + 1, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.codecs_len, 255, -EPROTO);
	/* Counted, but not filled in. */
	EXPECT(MSG_OFFER_MLINE, m, mline.codecs_len, 2, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.codecs_len, 0, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.layers_len, SESSION_LAYERS_MAX + 1, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.layers_len, 0, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.codec[0].codec, CODEC_COUNT, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.codec[0].codec, CODEC_NONE, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.codec[0].pt, 128, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.codec[0].rtx_pt, 128, -EPROTO);
	EXPECT(MSG_OFFER_MLINE, m, mline.codec[0].clock_rate, 0, -EPROTO);
	/* What is beyond codecs_len does not matter. */
	EXPECT(MSG_OFFER_MLINE, m, mline.codec[5].codec, 255, 0);
	memset(m.mline.mid, 'm', sizeof(m.mline.mid));
	memset(m.mline.layer[2].rid, 'r', sizeof(m.mline.layer[2].rid));
	assert_int_equal(check(MSG_OFFER_MLINE, &m, sizeof(m), &m), 0);
	assert_int_equal(strnlen(m.mline.mid, sizeof(m.mline.mid)), SESSION_MID_MAX);
	assert_int_equal(strnlen(m.mline.layer[2].rid, sizeof(m.mline.layer[2].rid)), SESSION_RID_MAX);
}

static void test_mline_without_media(void **state)
{
	struct msg_mline rejected = { .mline = { .rejected = 1, .receives = 1 } };
	struct msg_mline inactive = { .mline = { .mid = "1" } };
	struct msg_mline seat_only = good_mline();

	(void)state;
	assert_int_equal(check(MSG_OFFER_MLINE, &rejected, sizeof(rejected), NULL), 0);
	assert_int_equal(check(MSG_OFFER_MLINE, &inactive, sizeof(inactive), NULL), 0);
	seat_only.mline.receives = 0;
	seat_only.mline.layers_len = 0;
	assert_int_equal(check(MSG_OFFER_MLINE, &seat_only, sizeof(seat_only), NULL), 0);
}

static void test_answer_parts(void **state)
{
	struct msg_answer answer;
	struct msg_candidate candidate = { .address = { .family = 6, .port = 40000 } };
	struct msg_answer_seat seat = { .mline = SESSION_MLINES_MAX - 1 };
	struct msg_error error = { .code = MSG_ERR_BAD };

	(void)state;
	memset(&answer, 'a', sizeof(answer));
	assert_int_equal(check(MSG_ANSWER_BEGIN, &answer, sizeof(answer), &answer), 0);
	assert_int_equal(strnlen(answer.ufrag, sizeof(answer.ufrag)), sizeof(answer.ufrag) - 1);
	assert_int_equal(strnlen(answer.pwd, sizeof(answer.pwd)), sizeof(answer.pwd) - 1);
	assert_int_equal(strnlen(answer.cname, sizeof(answer.cname)), sizeof(answer.cname) - 1);
	EXPECT(MSG_ANSWER_CANDIDATE, candidate, address.family, 4, 0);
	EXPECT(MSG_ANSWER_CANDIDATE, candidate, address.family, 6, 0);
	EXPECT(MSG_ANSWER_CANDIDATE, candidate, address.family, 0, -EPROTO);
	EXPECT(MSG_ANSWER_CANDIDATE, candidate, address.family, 5, -EPROTO);
	EXPECT(MSG_ANSWER_SEAT, seat, ssrc, 1, 0);
	EXPECT(MSG_ANSWER_SEAT, seat, mline, SESSION_MLINES_MAX, -EPROTO);
	EXPECT(MSG_ERROR, error, code, MSG_ERR_NONE, 0);
	EXPECT(MSG_ERROR, error, code, MSG_ERR_BAD + 1, -EPROTO);
	memset(error.text, 't', sizeof(error.text));
	assert_int_equal(check(MSG_ERROR, &error, sizeof(error), &error), 0);
	assert_int_equal(strnlen(error.text, sizeof(error.text)), sizeof(error.text) - 1);
}

static void test_states(void **state)
{
	struct msg_transport_state m = { .state = TRANSPORT_CONNECTED };
	struct msg_member_state member = { .paused = 1, .muted_audio = 1, .muted_video = 1 };
	const uint16_t types[] = { MSG_TRANSPORT_STATE, MSG_LIST_ITEM, MSG_MEDIA_LOST };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		EXPECT(types[i], m, state, TRANSPORT_FREE, 0);
		EXPECT(types[i], m, state, TRANSPORT_DISCONNECTED, 0);
		EXPECT(types[i], m, state, TRANSPORT_DISCONNECTED + 1, -EPROTO);
		EXPECT(types[i], m, state, UINT32_MAX, -EPROTO);
	}
	EXPECT(MSG_MEMBER_STATE, member, paused, 0, 0);
	EXPECT(MSG_MEMBER_STATE, member, paused, 2, -EPROTO);
	EXPECT(MSG_MEMBER_STATE, member, muted_audio, 2, -EPROTO);
	EXPECT(MSG_MEMBER_STATE, member, muted_video, 2, -EPROTO);
}

static void test_seats(void **state)
{
	struct msg_seats m = { .first = 16, .count = MSG_SEATS_MAX, .total = 32 };

	(void)state;
	assert_int_equal(check(MSG_SEATS, &m, sizeof(m), NULL), 0);
	EXPECT(MSG_SEATS, m, first, 17, -EPROTO);
	EXPECT(MSG_SEATS, m, first, UINT16_MAX, -EPROTO);
	EXPECT(MSG_SEATS, m, count, MSG_SEATS_MAX + 1, -EPROTO);
	EXPECT(MSG_SEATS, m, count, UINT16_MAX, -EPROTO);
	EXPECT(MSG_SEATS, m, total, 31, -EPROTO);
	EXPECT(MSG_SEATS, m, total, SESSION_MLINES_MAX + 1, -EPROTO);
	EXPECT(MSG_SEATS, m, seat[3].track_kind, TRACK_KIND_COUNT, -EPROTO);
	EXPECT(MSG_SEATS, m, seat[15].state, SEAT_PAUSED, 0);
	EXPECT(MSG_SEATS, m, seat[15].state, SEAT_PAUSED + 1, -EPROTO);
	m.count = 15;
	EXPECT(MSG_SEATS, m, seat[15].state, 255, 0);
	memset(m.seat[4].mid, 'm', sizeof(m.seat[4].mid));
	assert_int_equal(check(MSG_SEATS, &m, sizeof(m), &m), 0);
	assert_int_equal(strnlen(m.seat[4].mid, sizeof(m.seat[4].mid)), SESSION_MID_MAX);
}

static void test_tracks(void **state)
{
	struct msg_track m = {
		.media = MEDIA_VIDEO, .codec = CODEC_VP8, .layers_len = 3, .pt = 96, .clock_rate = 90000
	};
	struct msg_nack nack = { .layer = 2, .count = 64 };
	struct msg_clock clock = { .layer = 2 };
	struct msg_loss loss = { .fraction_lost = 255 };
	struct msg_subscribe subscribe = { .layers = 7 };
	struct msg_keyframe keyframe = { .layer = 2 };
	struct msg_layers layers = { .count = 3 };
	struct msg_sound sound = { .bps = 16000 };

	(void)state;
	assert_int_equal(check(MSG_TRACK_ADD, &m, sizeof(m), NULL), 0);
	EXPECT(MSG_TRACK_ADD, m, track_kind, TRACK_KIND_COUNT, -EPROTO);
	EXPECT(MSG_TRACK_ADD, m, media, 2, -EPROTO);
	EXPECT(MSG_TRACK_ADD, m, codec, CODEC_COUNT, -EPROTO);
	EXPECT(MSG_TRACK_ADD, m, layers_len, 0, -EPROTO);
	EXPECT(MSG_TRACK_ADD, m, layers_len, SESSION_LAYERS_MAX + 1, -EPROTO);
	EXPECT(MSG_TRACK_ADD, m, muted, 2, -EPROTO);
	EXPECT(MSG_TRACK_ADD, m, paused, 2, -EPROTO);
	EXPECT(MSG_TRACK_ADD, m, pt, 128, -EPROTO);
	EXPECT(MSG_TRACK_ADD, m, clock_rate, 0, -EPROTO);
	assert_int_equal(check(MSG_TRACK_NACK, &nack, sizeof(nack), NULL), 0);
	EXPECT(MSG_TRACK_NACK, nack, count, 65, -EPROTO);
	EXPECT(MSG_TRACK_NACK, nack, count, UINT32_MAX, -EPROTO);
	EXPECT(MSG_TRACK_NACK, nack, layer, 3, -EPROTO);
	assert_int_equal(check(MSG_TRACK_CLOCK, &clock, sizeof(clock), NULL), 0);
	EXPECT(MSG_TRACK_CLOCK, clock, layer, 3, -EPROTO);
	assert_int_equal(check(MSG_TRACK_LOSS, &loss, sizeof(loss), NULL), 0);
	EXPECT(MSG_TRACK_LOSS, loss, fraction_lost, 256, -EPROTO);
	EXPECT(MSG_TRACK_ADD, m, layer[2].sent, 2, -EPROTO);
	assert_int_equal(check(MSG_TRACK_SUBSCRIBE, &subscribe, sizeof(subscribe), NULL), 0);
	EXPECT(MSG_TRACK_SUBSCRIBE, subscribe, layers, 0, -EPROTO);
	EXPECT(MSG_TRACK_SUBSCRIBE, subscribe, layers, 8, -EPROTO);
	EXPECT(MSG_TRACK_SUBSCRIBE, subscribe, lower, 1, 0);
	EXPECT(MSG_TRACK_SUBSCRIBE, subscribe, lower, 2, -EPROTO);
	assert_int_equal(check(MSG_TRACK_KEYFRAME, &keyframe, sizeof(keyframe), NULL), 0);
	EXPECT(MSG_TRACK_KEYFRAME, keyframe, layer, 3, -EPROTO);
	memset(layers.mid, 'm', sizeof(layers.mid));
	memset(layers.layer[2].rid, 'r', sizeof(layers.layer[2].rid));
	assert_int_equal(check(MSG_LAYERS, &layers, sizeof(layers), &layers), 0);
	assert_int_equal(strnlen(layers.mid, sizeof(layers.mid)), SESSION_MID_MAX);
	assert_int_equal(strnlen(layers.layer[2].rid, sizeof(layers.layer[2].rid)), SESSION_RID_MAX);
	EXPECT(MSG_LAYERS, layers, count, 4, -EPROTO);
	EXPECT(MSG_LAYERS, layers, layer[1].active, 2, -EPROTO);
	memset(sound.mid, 'm', sizeof(sound.mid));
	assert_int_equal(check(MSG_SOUND, &sound, sizeof(sound), &sound), 0);
	assert_int_equal(strnlen(sound.mid, sizeof(sound.mid)), SESSION_MID_MAX);
	EXPECT(MSG_SOUND, sound, bps, UINT32_MAX, -EPROTO);
}

static int check_event(uint32_t total, uint32_t offset, size_t part)
{
	uint8_t payload[LINK_PAYLOAD_MAX] = { 0 };
	struct msg_fragment f = { .total = total, .offset = offset };

	memcpy(payload, &f, sizeof(f));
	return check(MSG_EVENT, payload, sizeof(f) + part, NULL);
}

static void test_event(void **state)
{
	(void)state;
	assert_int_equal(check_event(1, 0, 1), 0);
	assert_int_equal(check_event(1000, 0, 1000), 0);
	assert_int_equal(check_event(MSG_EVENT_MAX, MSG_EVENT_MAX - 1, 1), 0);
	assert_int_equal(check_event(1, 0, 0), -EPROTO);
	assert_int_equal(check_event(0, 0, 0), -EPROTO);
	assert_int_equal(check_event(10, 0, 11), -EPROTO);
	assert_int_equal(check_event(10, 9, 2), -EPROTO);
	assert_int_equal(check_event(10, 10, 1), -EPROTO);
	assert_int_equal(check_event(10, UINT32_MAX, 1), -EPROTO);
	assert_int_equal(check_event(MSG_EVENT_MAX + 1, 0, 1), -EPROTO);
	assert_int_equal(check_event(UINT32_MAX, UINT32_MAX - 1, 1), -EPROTO);
	assert_int_equal(check(MSG_EVENT, "abcdefg", 7, NULL), -EPROTO);
}

static void test_views_levels_and_quality(void **state)
{
	struct msg_view view = { .count = MSG_VIEW_MAX };
	struct msg_levels levels = { .count = MSG_LEVELS_MAX };
	struct msg_speaker speaker = { .count = MSG_SPEAKER_MAX, .level = 127 };
	struct msg_quality quality = { .loss_in = 65536, .loss_out = 65536 };

	(void)state;
	EXPECT(MSG_VIEW, view, count, MSG_VIEW_MAX, 0);
	EXPECT(MSG_VIEW, view, count, MSG_VIEW_MAX + 1, -EPROTO);
	EXPECT(MSG_VIEW, view, item[MSG_VIEW_MAX - 1].kind, TRACK_KIND_COUNT, -EPROTO);
	EXPECT(MSG_TRACK_LEVELS, levels, count, MSG_LEVELS_MAX, 0);
	EXPECT(MSG_TRACK_LEVELS, levels, count, MSG_LEVELS_MAX + 1, -EPROTO);
	EXPECT(MSG_TRACK_LEVELS, levels, item[MSG_LEVELS_MAX - 1].loudness, 128, -EPROTO);
	EXPECT(MSG_SPEAKER, speaker, count, MSG_SPEAKER_MAX, 0);
	EXPECT(MSG_SPEAKER, speaker, count, MSG_SPEAKER_MAX + 1, -EPROTO);
	EXPECT(MSG_SPEAKER, speaker, level, 128, -EPROTO);
	EXPECT(MSG_QUALITY, quality, loss_in, 65537, -EPROTO);
	EXPECT(MSG_QUALITY, quality, loss_out, 65537, -EPROTO);
	/* What stands behind the count does not matter. */
	view.item[3].kind = 255;
	EXPECT(MSG_VIEW, view, count, 3, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_types),
		cmocka_unit_test(test_views_levels_and_quality),
		cmocka_unit_test(test_exact_lengths),
		cmocka_unit_test(test_plain_messages_pass),
		cmocka_unit_test(test_offer),
		cmocka_unit_test(test_mline),
		cmocka_unit_test(test_mline_without_media),
		cmocka_unit_test(test_answer_parts),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_seats),
		cmocka_unit_test(test_tracks),
		cmocka_unit_test(test_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
