/* links: workers */
#include "workers/sdp.h"

#include "shm/msg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever is accepted must be fit for the mediad. */
static void check_offer(const struct sdp_offer *offer, struct media_answer *answer)
{
	for (unsigned i = 0; i < offer->mlines_len; i++) {
		const struct session_mline *s = &offer->mline[i].session;
		struct msg_mline msg = { .index = i, .mline = *s };
		struct link_msg head = { .type = MSG_OFFER_MLINE, .len = sizeof(msg) };

		if (msg_check(&head, &msg) < 0 || memcmp(&msg.mline, s, sizeof(*s)) != 0)
			abort();
		if (s->rejected && (s->sends || s->receives))
			abort();
		if (s->sends && i % 5 != 4)
			answer->seat[answer->seats_len++] =
				(struct msg_answer_seat){ .mline = i, .ssrc = i + 1, .rtx_ssrc = i % 3 };
	}
}

/* An answer has as many m-lines as the offer, and no line that a client slipped in. */
static void check_answer(const struct sdp_offer *offer, const struct buf *text)
{
	unsigned mlines = 0;

	for (size_t i = 0; i < text->len; i++) {
		uint8_t c = text->data[i];
		if (c == '\r') {
			if (i + 1 >= text->len || text->data[i + 1] != '\n')
				abort();
		} else if (c == '\n') {
			if (i == 0 || text->data[i - 1] != '\r')
				abort();
			mlines += i + 2 < text->len && text->data[i + 1] == 'm' && text->data[i + 2] == '=';
		} else if (c < 0x20 || c > 0x7e) {
			abort();
		}
	}
	if (mlines != offer->mlines_len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct media_answer answer = { .handle = 1, .candidates_len = 1, .candidate[0] = { .family = 4, .port = 1 } };
	struct arena arena = { 0 };
	struct sdp_offer *offer = NULL;
	const char *detail = NULL;
	struct buf text = { 0 };

	int r = sdp_offer_parse(&arena, (const char *)data, len, &offer, &detail);
	if (r < 0 && !detail)
		abort();
	if (r == 0) {
		const struct sdp_track track = { "0", TRACK_MICROPHONE };
		check_offer(offer, &answer);
		if (sdp_answer_build(offer, &answer, 1, &text) < 0)
			abort();
		check_answer(offer, &text);
		(void)sdp_offer_set_tracks(&arena, offer, &track, 1, &detail);
	}
	buf_fini(&text);
	arena_fini(&arena);
	return 0;
}
