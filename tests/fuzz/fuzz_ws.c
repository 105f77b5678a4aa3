#include "lib/utf8.h"
#include "lib/ws_frame.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_event(const struct ws_decoder *d, const struct ws_event *e)
{
	assert(e->opcode != WS_CONTINUATION);
	assert(e->len <= (e->opcode >= WS_CLOSE ? (size_t)WS_CONTROL_MAX : d->message_max));
	if (e->opcode == WS_TEXT)
		assert(utf8_valid(e->data, e->len) && e->data[e->len] == 0);
	if (e->opcode == WS_CLOSE)
		assert(utf8_valid(e->data, e->len) && e->code >= 1000 && e->code < 5000);
}

/* A number that stands for all that was heard. */
static uint64_t hear(bool from_server, const uint8_t *data, size_t len, size_t step)
{
	struct ws_decoder d = { .message_max = 300, .from_server = from_server };
	uint64_t heard = 1469598103934665603u;
	size_t used = 0;
	int got = 0;

	while (got >= 0 && (used < len || got == 1)) {
		struct ws_event e;
		size_t n, piece = len - used < step ? len - used : step;
		got = ws_decoder_feed(&d, data + used, piece, &n, &e);
		assert(n <= piece && (got != 0 || n == piece));
		used += n;
		if (got == 1) {
			check_event(&d, &e);
			heard = (heard ^ e.opcode ^ e.len << 8 ^ (uint64_t)e.code << 32) * 1099511628211u;
		} else if (got < 0) {
			heard = (heard ^ (uint64_t)-got) * 1099511628211u;
		}
	}
	ws_decoder_fini(&d);
	return heard;
}

/* What one end sends, the other hears. */
static void check_way_back(const uint8_t *data, size_t len)
{
	struct ws_decoder d = { .message_max = SIZE_MAX };
	struct buf frame = { 0 };
	struct ws_event e;
	size_t used;

	if (len < 4)
		return;
	ws_frame_append_masked(&frame, WS_BINARY, data + 4, len - 4, data);
	int got = frame.failed ? 0 : ws_decoder_feed(&d, frame.data, frame.len, &used, &e);
	assert(frame.failed || (got == 1 && used == frame.len && e.opcode == WS_BINARY && e.len == len - 4));
	assert(frame.failed || memcmp(e.data, data + 4, e.len) == 0);
	ws_decoder_fini(&d);
	buf_fini(&frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	for (int from_server = 0; from_server < 2; from_server++) {
		uint64_t whole = hear(from_server, data, len, SIZE_MAX);
		assert(whole == hear(from_server, data, len, 1));
		assert(whole == hear(from_server, data, len, 5));
	}
	check_way_back(data, len);
	return 0;
}
