/* links: workers */
#include "workers/http_parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Scan and parse, as a connection does; text comes in pieces of step bytes. */
static int head_of(const char *text, size_t len, size_t step, struct http_head *ret_head)
{
	size_t scanned = 0;
	int n = -EAGAIN;

	for (size_t have = MIN(step, len); n == -EAGAIN; have = MIN(have + step, len)) {
		n = http_head_scan(text, have, &scanned);
		if (have == len)
			break;
	}
	return n < 0 ? n : http_head_parse(text, (size_t)n, ret_head) < 0 ? -EBADMSG : n;
}

static struct http_head accepted(const char *text)
{
	struct http_head head, other;
	int n = head_of(text, strlen(text), 1, &head);

	if (n < 0)
		fail_msg("%d for: %s", n, text);
	assert_int_equal(head_of(text, strlen(text), 100000, &other), n);
	return head;
}

static void refused(const char *text)
{
	struct http_head head;

	for (size_t step = 1; step < 100000; step *= 10) {
		int n = head_of(text, strlen(text), step, &head);
		if (n != -EBADMSG)
			fail_msg("%d for: %s", n, text);
	}
}

#define GET  "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n"
#define HOST "Host: a.example:8443\r\n"
#define END  "\r\n"

static void test_accepted(void **state)
{
	(void)state;
	struct http_head h =
		accepted("PATCH /a/b?c=d HTTP/1.1\r\n" HOST "X-Y:  two words \t\r\nContent-length: 12\r\n" END "body");

	assert_int_equal(h.method, HTTP_PATCH);
	assert_int_equal(h.target.len, 8);
	assert_memory_equal(h.target.text, "/a/b?c=d", 8);
	assert_true(http_span_is(h.host, "a.example:8443"));
	assert_int_equal(h.fields, 3);
	assert_true(http_span_is(h.field[1].name, "x-y"));
	assert_true(http_span_is(h.field[1].value, "two words"));
	assert_int_equal(h.content_length, 12);
	assert_true(h.keep_alive);
	assert_false(h.chunked);

	h = accepted(POST HOST "Transfer-Encoding: Chunked\r\nConnection: x, Close\r\nExpect: 100-Continue\r\n" END);
	assert_true(h.chunked && h.expect_continue && !h.expect_unknown);
	assert_false(h.keep_alive);
	assert_int_equal(h.content_length, -1);
	assert_int_equal(accepted("BREW / HTTP/1.1\r\n" HOST END).method, HTTP_OTHER);
	assert_int_equal(accepted("get / HTTP/1.1\r\n" HOST END).method, HTTP_OTHER);
	assert_true(accepted(GET HOST "Expect: wonders\r\n" END).expect_unknown);
	accepted(GET "Host: [::1]:8443\r\n" END);
	accepted(GET HOST "Empty:\r\n" END);
	accepted(GET HOST "X: gr\xc3\xbc\xc3\x9f\r\n" END);
	assert_int_equal(accepted(POST HOST "Content-Length: 0\r\n" END).content_length, 0);
}

static void test_incomplete(void **state)
{
	const char *text = GET HOST END;
	struct http_head head;

	(void)state;
	for (size_t len = 0; len < strlen(text); len++)
		assert_int_equal(head_of(text, len, 100, &head), -EAGAIN);
}

static void test_request_line(void **state)
{
	(void)state;
	refused("GET / HTTP/1.0\r\n" HOST END);
	refused("GET / HTTP/2.0\r\n" HOST END);
	refused("GET / http/1.1\r\n" HOST END);
	refused("GET / HTTP/1.1 \r\n" HOST END);
	refused("GET  / HTTP/1.1\r\n" HOST END);
	refused("GET /  HTTP/1.1\r\n" HOST END);
	refused("GET / x HTTP/1.1\r\n" HOST END);
	refused("GET /\tx HTTP/1.1\r\n" HOST END);
	refused("GET /#x HTTP/1.1\r\n" HOST END);
	refused("GET /\xc3\xbc HTTP/1.1\r\n" HOST END);
	refused("GET x HTTP/1.1\r\n" HOST END);
	refused("GET * HTTP/1.1\r\n" HOST END);
	refused("GET https://a.example/ HTTP/1.1\r\n" HOST END);
	refused("GET HTTP/1.1\r\n" HOST END);
	refused("GET\r\n" HOST END);
	refused(" / HTTP/1.1\r\n" HOST END);
	refused("G@T / HTTP/1.1\r\n" HOST END);
	refused(" GET / HTTP/1.1\r\n" HOST END);
	refused("\r\n" GET HOST END);
}

static void test_lines(void **state)
{
	(void)state;
	refused("GET / HTTP/1.1\nHost: a\n\n");
	refused(GET "Host: a\n\r\n");
	refused(GET HOST "X: y\rz\r\n" END);
	refused(GET HOST "X: y\r\r\n" END);
	refused(GET HOST " folded\r\n" END);
	refused(GET HOST "X: y\r\n\tfolded\r\n" END);
	refused(GET HOST "X : y\r\n" END);
	refused(GET HOST ": y\r\n" END);
	refused(GET HOST "no colon\r\n" END);
	refused(GET HOST "X(: y\r\n" END);
	refused(GET HOST "X: \x01\r\n" END);
	refused(GET HOST "X: \x7f\r\n" END);
	refused(GET HOST "X: \xff\r\n" END);
	struct http_head head;
	assert_int_equal(head_of("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", 29, 100, &head), -EBADMSG);
}

static void test_framing(void **state)
{
	(void)state;
	refused(GET END);
	refused(GET HOST HOST END);
	refused(GET "Host:\r\n" END);
	refused(GET "Host: a b\r\n" END);
	refused(GET "Host: a/b\r\n" END);
	refused(GET "Host: a@b\r\n" END);
	refused(POST HOST "Content-Length:\r\n" END);
	refused(POST HOST "Content-Length: +1\r\n" END);
	refused(POST HOST "Content-Length: -1\r\n" END);
	refused(POST HOST "Content-Length: 0x1\r\n" END);
	refused(POST HOST "Content-Length: 1 1\r\n" END);
	refused(POST HOST "Content-Length: 1, 1\r\n" END);
	refused(POST HOST "Content-Length: 1\r\nContent-Length: 1\r\n" END);
	refused(POST HOST "Content-Length: 99999999999999999999\r\n" END);
	refused(POST HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n" END);
	refused(POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n" END);
	refused(POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END);
	refused(POST HOST "Transfer-Encoding: gzip, chunked\r\n" END);
	refused(POST HOST "Transfer-Encoding: identity\r\n" END);
	refused(POST HOST "Transfer-Encoding:\r\n" END);
	refused(GET HOST "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n" END);
	refused(GET HOST "Cookie: a=b\r\ncookie: a=c\r\n" END);
	refused(GET HOST "Origin: https://a\r\nOrigin: https://b\r\n" END);
}

static void test_limits(void **state)
{
	struct buf text = { 0 };
	struct http_head head;

	(void)state;
	buf_append_str(&text, GET HOST);
	for (int i = 1; i < HTTP_HEADERS_MAX; i++)
		buf_append_str(&text, "X: y\r\n");
	buf_append_str(&text, END);
	assert_true(head_of((char *)text.data, text.len, 100000, &head) > 0);
	text.len -= 2;
	buf_append_str(&text, "X: y\r\n" END);
	assert_int_equal(head_of((char *)text.data, text.len, 100000, &head), -EBADMSG);

	buf_clear(&text);
	buf_append_str(&text, GET HOST "X: ");
	while (text.len < HTTP_HEAD_MAX - 4)
		buf_append_char(&text, 'a');
	buf_append_str(&text, "\r\n\r\n");
	assert_int_equal(head_of((char *)text.data, text.len, 100000, &head), HTTP_HEAD_MAX);
	text.len -= 4;
	buf_append_str(&text, "a\r\n\r\n");
	assert_int_equal(head_of((char *)text.data, text.len, 100000, &head), -EBADMSG);
	buf_fini(&text);
}

/* Body as text, or NULL when it is refused or unfinished; *ret_used counts all bytes taken. */
static char *chunked_body(const char *text, size_t len, size_t step, int *ret_result, size_t *ret_used)
{
	struct http_chunked c = { 0 };
	struct buf body = { 0 };
	struct http_span part;
	size_t used = 0, n;
	int done = 0;

	while (used < len && done == 0) {
		done = http_chunked_read(&c, text + used, MIN(step, len - used), &n, &part);
		if (done < 0)
			break;
		used += n;
		buf_append(&body, part.text, part.len);
	}
	buf_append_char(&body, 0);
	*ret_result = done;
	*ret_used = used;
	return (char *)body.data;
}

static void chunked_is(const char *text, const char *body, int result, size_t left)
{
	for (size_t step = 1; step < 10000; step *= 3) {
		int done;
		size_t used;
		char *got = chunked_body(text, strlen(text), step, &done, &used);
		assert_int_equal(done, result);
		if (body)
			assert_string_equal(got, body);
		if (result == 1)
			assert_int_equal(strlen(text) - used, left);
		free(got);
	}
}

static void test_chunked(void **state)
{
	(void)state;
	chunked_is("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nnext", "abc0123456789", 1, 4);
	chunked_is("0\r\n\r\n", "", 1, 0);
	chunked_is("00\r\n\r\n", "", 1, 0);
	chunked_is("003\r\nabc\r\n0\r\n\r\n", "abc", 1, 0);
	chunked_is("3\r\nab", "ab", 0, 0);
	chunked_is("3\r\nabc\r\n0\r\n", "abc", 0, 0);
	chunked_is("", "", 0, 0);
	chunked_is("3;x=y\r\nabc\r\n0\r\n\r\n", NULL, -EBADMSG, 0);
	chunked_is("3 \r\nabc\r\n0\r\n\r\n", NULL, -EBADMSG, 0);
	chunked_is("0x3\r\nabc\r\n0\r\n\r\n", NULL, -EBADMSG, 0);
	chunked_is("-3\r\nabc\r\n0\r\n\r\n", NULL, -EBADMSG, 0);
	chunked_is("\r\nabc\r\n0\r\n\r\n", NULL, -EBADMSG, 0);
	chunked_is("3\nabc\n0\n\n", NULL, -EBADMSG, 0);
	chunked_is("3\r\nabcd\r\n0\r\n\r\n", NULL, -EBADMSG, 0);
	chunked_is("3\r\nab\r\n0\r\n\r\n", NULL, -EBADMSG, 0);
	chunked_is("3\r\nabc\r\n0\r\nX: y\r\n\r\n", NULL, -EBADMSG, 0);
	chunked_is("000000003\r\nabc\r\n0\r\n\r\n", NULL, -EBADMSG, 0);
	chunked_is("ffffffffffffffff0\r\nabc", NULL, -EBADMSG, 0);
}

static void test_lists(void **state)
{
	(void)state;
	assert_true(http_list_has("keep-alive, Upgrade", 19, "upgrade"));
	assert_true(http_list_has("Upgrade", 7, "upgrade"));
	assert_true(http_list_has(" ,, upgrade ,", 13, "upgrade"));
	assert_false(http_list_has("upgraded", 8, "upgrade"));
	assert_false(http_list_has("", 0, "upgrade"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted), cmocka_unit_test(test_incomplete), cmocka_unit_test(test_request_line),
		cmocka_unit_test(test_lines),	 cmocka_unit_test(test_framing),    cmocka_unit_test(test_limits),
		cmocka_unit_test(test_chunked),	 cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
