#include "lib/ws_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add_frame(struct buf *out, unsigned first, const void *data, size_t len)
{
	static const uint8_t mask[4] = { 0x12, 0x34, 0x56, 0x78 };
	size_t at = out->len;

	ws_frame_append_masked(out, 0, data, len, mask);
	out->data[at] = (uint8_t)first;
}

/* What the decoder says, as text: "text:abc ping: close:1000:bye", or "error 1002" at the end. */
static char *decode(bool from_server, const uint8_t *data, size_t len, size_t step)
{
	struct ws_decoder d = { .message_max = 65536, .from_server = from_server };
	struct buf said = { 0 };
	int got = 0;

	for (size_t at = 0; at < len && got >= 0; at += step) {
		size_t piece = MIN(step, len - at), used = 0;
		do {
			struct ws_event e;
			size_t n;
			got = ws_decoder_feed(&d, data + at + used, piece - used, &n, &e);
			used += n;
			if (got != 1)
				break;
			if (e.opcode == WS_CLOSE)
				buf_appendf(&said, "close:%u:%.*s ", e.code, (int)e.len, (const char *)e.data);
			else
				buf_appendf(&said, "%s:%.*s ",
					    e.opcode == WS_TEXT	    ? "text"
					    : e.opcode == WS_BINARY ? "binary"
					    : e.opcode == WS_PING   ? "ping"
								    : "pong",
					    (int)MIN(e.len, (size_t)20), (const char *)e.data);
		} while (true);
		if (got == 0)
			assert_int_equal(used, piece);
	}
	if (got < 0)
		buf_appendf(&said, "error %d ", -got);
	if (said.len > 0)
		said.len--;
	buf_append_char(&said, 0);
	ws_decoder_fini(&d);
	return (char *)said.data;
}

static void end_says(bool from_server, struct buf *in, const char *expected)
{
	static const size_t steps[] = { 1, 2, 3, 7, 1000000 };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		char *said = decode(from_server, in->data, in->len, steps[i]);
		assert_string_equal(said, expected);
		free(said);
	}
	buf_fini(in);
}

static void says(struct buf *in, const char *expected)
{
	end_says(false, in, expected);
}

#define FIN 0x80u

static void test_messages(void **state)
{
	struct buf in = { 0 };

	(void)state;
	add_frame(&in, FIN | WS_TEXT, "one", 3);
	add_frame(&in, FIN | WS_TEXT, "", 0);
	add_frame(&in, FIN | WS_PING, "", 0);
	add_frame(&in, WS_TEXT, "a\xc3", 2);
	add_frame(&in, FIN | WS_PONG, "p", 1);
	add_frame(&in, WS_CONTINUATION, "", 0);
	add_frame(&in, FIN | WS_CONTINUATION, "\xa9z", 2);
	add_frame(&in, FIN | WS_BINARY, "\xff", 1);
	add_frame(&in, FIN | WS_CLOSE,
		  "\x03\xe8"
		  "bye",
		  5);
	says(&in, "text:one text: ping: pong:p text:aéz binary:\xff close:1000:bye");
	add_frame(&in, FIN | WS_CLOSE, "", 0);
	says(&in, "close:1005:");
}

static void test_lengths(void **state)
{
	static const size_t lens[] = { 125, 126, 65535, 65536 };
	static uint8_t data[65537];
	struct buf in = { 0 };

	(void)state;
	memset(data, 'x', sizeof(data));
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		add_frame(&in, FIN | WS_TEXT, data, lens[i]);
		says(&in, "text:xxxxxxxxxxxxxxxxxxxx");
	}
	add_frame(&in, FIN | WS_TEXT, data, 65537);
	says(&in, "error 1009");
	add_frame(&in, WS_TEXT, data, 65536);
	add_frame(&in, FIN | WS_CONTINUATION, data, 1);
	says(&in, "error 1009");
	/* the limit is per message, not for the connection's life */
	add_frame(&in, FIN | WS_TEXT, data, 65536);
	add_frame(&in, FIN | WS_TEXT, data, 65536);
	says(&in, "text:xxxxxxxxxxxxxxxxxxxx text:xxxxxxxxxxxxxxxxxxxx");
}

static void refused(unsigned first, const void *data, size_t len, const char *expected)
{
	struct buf in = { 0 };

	add_frame(&in, first, data, len);
	says(&in, expected);
}

static void raw(const char *bytes, size_t len, const char *expected)
{
	struct buf in = { 0 };

	buf_append(&in, bytes, len);
	says(&in, expected);
}

static void test_refused(void **state)
{
	static char long_ping[126];
	struct buf in = { 0 };

	(void)state;
	for (unsigned rsv = 0x10; rsv <= 0x40; rsv <<= 1)
		refused(FIN | rsv | WS_TEXT, "x", 1, "error 1002");
	for (unsigned opcode = 3; opcode < 16; opcode++) {
		if (opcode < 8 || opcode > 10)
			refused(FIN | opcode, "x", 1, "error 1002");
	}
	refused(FIN | WS_CONTINUATION, "x", 1, "error 1002");
	refused(WS_PING, "x", 1, "error 1002");
	refused(FIN | WS_PING, long_ping, sizeof(long_ping), "error 1002");
	refused(FIN | WS_TEXT, "\xff", 1, "error 1007");
	refused(FIN | WS_TEXT, "\xed\xa0\x80", 3, "error 1007");
	refused(FIN | WS_CLOSE, "\x03", 1, "error 1002");
	refused(FIN | WS_CLOSE, "\x03\xe8\xff", 3, "error 1007");
	refused(FIN | WS_CLOSE, "\x03\xe7", 2, "error 1002"); /* 999 */
	refused(FIN | WS_CLOSE, "\x03\xec", 2, "error 1002"); /* 1004 */
	refused(FIN | WS_CLOSE, "\x03\xed", 2, "error 1002"); /* 1005 */
	refused(FIN | WS_CLOSE, "\x03\xf7", 2, "error 1002"); /* 1015 */
	refused(FIN | WS_CLOSE, "\x13\x88", 2, "error 1002"); /* 5000 */
	raw("\x81\x03one", 5, "error 1002");
	raw("\x81\xfe\x00\x7d", 4, "");
	raw("\x81\xfe\x00\x7d"
	    "abcd",
	    8, "error 1002");
	raw("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff"
	    "abcd",
	    14, "error 1002");
	raw("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00"
	    "abcd",
	    14, "error 1002");
	raw("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff"
	    "abcd",
	    14, "error 1009");
	add_frame(&in, WS_TEXT, "a", 1);
	add_frame(&in, FIN | WS_TEXT, "b", 1);
	says(&in, "error 1002");
}

static void test_head(void **state)
{
	uint8_t head[WS_OUT_HEAD_MAX];

	(void)state;
	assert_int_equal(ws_frame_head(head, WS_TEXT, 125), 2);
	assert_memory_equal(head, "\x81\x7d", 2);
	assert_int_equal(ws_frame_head(head, WS_TEXT, 126), 4);
	assert_memory_equal(head, "\x81\x7e\x00\x7e", 4);
	assert_int_equal(ws_frame_head(head, WS_PING, 65536), 10);
	assert_memory_equal(head, "\x89\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10);
}

/* A server's frame, as it sends them. */
static void add_plain(struct buf *out, unsigned first, const void *data, size_t len)
{
	uint8_t head[WS_OUT_HEAD_MAX];
	size_t head_len = ws_frame_head(head, 0, len);

	head[0] = (uint8_t)first;
	buf_append(out, head, head_len);
	buf_append(out, data, len);
}

static void test_from_server(void **state)
{
	static uint8_t data[65537];
	struct buf in = { 0 };

	(void)state;
	memset(data, 'x', sizeof(data));
	add_plain(&in, FIN | WS_TEXT, "one", 3);
	add_plain(&in, FIN | WS_TEXT, "", 0);
	add_plain(&in, FIN | WS_PING, "", 0);
	add_plain(&in, WS_TEXT, "tw", 2);
	add_plain(&in, FIN | WS_CONTINUATION, "o", 1);
	add_plain(&in, FIN | WS_TEXT, data, 126);
	add_plain(&in, FIN | WS_TEXT, data, 65536);
	add_plain(&in, FIN | WS_CLOSE, "\x03\xf4moving", 8);
	end_says(true, &in,
		 "text:one text: ping: text:two text:xxxxxxxxxxxxxxxxxxxx text:xxxxxxxxxxxxxxxxxxxx "
		 "close:1012:moving");
	add_plain(&in, FIN | WS_TEXT, data, 65537);
	end_says(true, &in, "error 1009");
	add_plain(&in, FIN | 0x40 | WS_TEXT, "x", 1);
	end_says(true, &in, "error 1002");
	add_plain(&in, FIN | WS_TEXT, "\xff", 1);
	end_says(true, &in, "error 1007");
	/* Neither end may speak like the other: a masked frame from a server, a plain one from a client. */
	add_frame(&in, FIN | WS_TEXT, "one", 3);
	end_says(true, &in, "error 1002");
	add_plain(&in, FIN | WS_TEXT, "one", 3);
	says(&in, "error 1002");
	raw("\x81\x80", 2, "");
	buf_append(&in, "\x81\x80", 2);
	end_says(true, &in, "error 1002");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages), cmocka_unit_test(test_lengths),     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_head),	 cmocka_unit_test(test_from_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
