/* workers/http_parser.h - the strict subset of HTTP/1.1 that Parley reads.
 *
 * Bytes in, spans into those bytes out: no sockets, no memory, no state but what the caller keeps.
 *
 * Refused, each with -EBADMSG: line ends other than CRLF; another version than HTTP/1.1; targets that do not
 * begin with '/'; not exactly one Host; a name with spaces or a folded line; Content-Length that is not
 * one run of digits; Transfer-Encoding other than "chunked", or together with Content-Length; a second
 * Authorization, Cookie, Origin or the like; control characters; bytes that are not UTF-8; more than 64
 * headers or 16 KiB. What two readers could understand differently is not understood at all.
 *
 *     size_t scanned = 0;
 *     int head_len = http_head_scan(data, len, &scanned);       -EAGAIN: call again with more bytes
 *     err = http_head_parse(data, head_len, &head);
 *     body: head.content_length bytes, or http_chunked_read() until it says 1 */
#ifndef PARLEY_WORKERS_HTTP_PARSER_H
#define PARLEY_WORKERS_HTTP_PARSER_H

#include "workers/request.h"

#include <stdint.h>

#define HTTP_HEAD_MAX	 16384
#define HTTP_HEADERS_MAX 64

struct http_span {
	const char *text;
	size_t len;
};

struct http_field {
	struct http_span name, value; /* value without the blanks around it */
};

struct http_head {
	enum http_method method;
	struct http_span method_text, target, host;
	struct http_field field[HTTP_HEADERS_MAX];
	size_t fields;
	int64_t content_length; /* -1: none given */
	bool chunked;
	bool keep_alive;
	bool expect_continue;
	bool expect_unknown; /* an Expect that is not 100-continue: 417 */
};

/* Looks for the end of the head; *scanned (0 at first) remembers how far. Its length with the empty line,
 * -EAGAIN, or -EBADMSG as soon as it cannot become one. */
int http_head_scan(const char *data, size_t len, size_t *scanned);
/* len is what http_head_scan() said. -EBADMSG. */
int http_head_parse(const char *data, size_t len, struct http_head *ret_head);
bool http_span_is(struct http_span span, const char *lower_case); /* any case of ASCII letters */
/* Is word one of the comma-separated tokens of a header value (Connection, Upgrade)? */
bool http_list_has(const char *value, size_t len, const char *lower_case);

enum http_chunked_state {
	CHUNK_SIZE,    /* digits of a size */
	CHUNK_SIZE_LF, /* after their CR */
	CHUNK_DATA,    /* left bytes of a chunk */
	CHUNK_DATA_CR, /* after a chunk */
	CHUNK_DATA_LF,
	CHUNK_END_CR, /* after the last size: no trailers */
	CHUNK_END_LF,
	CHUNK_DONE,
};

/* A zeroed one is ready. */
struct http_chunked {
	enum http_chunked_state state;
	unsigned digits;
	uint64_t left;
};

/* Takes *ret_used bytes and says which of them (if any) belong to the body. 0: go on with the rest or with
 * more bytes, 1: the body is complete, -EBADMSG. */
int http_chunked_read(struct http_chunked *c, const char *data, size_t len, size_t *ret_used,
		      struct http_span *ret_body);

#endif
