#include "workers/http_parser.h"

#include "lib/utf8.h"

#include <string.h>

#define CHUNK_DIGITS_MAX 8

int http_head_scan(const char *data, size_t len, size_t *scanned)
{
	size_t end = MIN(len, (size_t)HTTP_HEAD_MAX);

	for (size_t i = *scanned; i < end; i++) {
		if (data[i] == 0)
			return -EBADMSG;
		if (data[i] == '\n') {
			if (i == 0 || data[i - 1] != '\r')
				return -EBADMSG;
			if (i == 1)
				return -EBADMSG; /* an empty line before the request */
			if (i >= 3 && data[i - 2] == '\n')
				return (int)(i + 1);
		} else if (i > 0 && data[i - 1] == '\r') {
			return -EBADMSG;
		}
	}
	*scanned = end;
	return end == HTTP_HEAD_MAX ? -EBADMSG : -EAGAIN;
}

static bool is_token_char(unsigned char c)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr(marks, c));
}

static bool is_token(struct http_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_token_char((unsigned char)s.text[i]))
			return false;
	}
	return s.len > 0;
}

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

bool http_span_is(struct http_span span, const char *lower_case)
{
	if (strlen(lower_case) != span.len)
		return false;
	for (size_t i = 0; i < span.len; i++) {
		if (lower(span.text[i]) != (unsigned char)lower_case[i])
			return false;
	}
	return true;
}

static struct http_span trim(struct http_span s)
{
	while (s.len > 0 && (s.text[0] == ' ' || s.text[0] == '\t')) {
		s.text++;
		s.len--;
	}
	while (s.len > 0 && (s.text[s.len - 1] == ' ' || s.text[s.len - 1] == '\t'))
		s.len--;
	return s;
}

bool http_list_has(const char *value, size_t len, const char *lower_case)
{
	while (len > 0) {
		const char *comma = memchr(value, ',', len);
		size_t n = comma ? (size_t)(comma - value) : len;
		if (http_span_is(trim((struct http_span){ value, n }), lower_case))
			return true;
		n += comma != NULL;
		value += n;
		len -= n;
	}
	return false;
}

static const struct {
	const char *text;
	enum http_method method;
} methods[] = {
	{ "GET", HTTP_GET },	 { "HEAD", HTTP_HEAD },	    { "POST", HTTP_POST },	 { "PUT", HTTP_PUT },
	{ "PATCH", HTTP_PATCH }, { "DELETE", HTTP_DELETE }, { "OPTIONS", HTTP_OPTIONS },
};

static enum http_method method_parse(struct http_span s)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		if (s.len == strlen(methods[i].text) && memcmp(s.text, methods[i].text, s.len) == 0)
			return methods[i].method;
	}
	return HTTP_OTHER;
}

static int request_line_parse(struct http_span line, struct http_head *head)
{
	static const char version[] = " HTTP/1.1";
	const size_t version_len = sizeof(version) - 1;
	const char *space = memchr(line.text, ' ', line.len);

	if (!space || line.len < version_len)
		return -EBADMSG;
	head->method_text = (struct http_span){ line.text, (size_t)(space - line.text) };
	const char *target_end = line.text + line.len - version_len;
	if (target_end <= space + 1 || memcmp(target_end, version, version_len) != 0)
		return -EBADMSG;
	head->target = (struct http_span){ space + 1, (size_t)(target_end - space - 1) };
	if (!is_token(head->method_text) || head->target.text[0] != '/')
		return -EBADMSG;
	for (size_t i = 0; i < head->target.len; i++) {
		unsigned char c = (unsigned char)head->target.text[i];
		if (c <= ' ' || c >= 0x7f || c == '#')
			return -EBADMSG;
	}
	head->method = method_parse(head->method_text);
	return 0;
}

static int field_parse(struct http_span line, struct http_field *ret_field)
{
	const char *colon = memchr(line.text, ':', line.len);
	struct http_field f;

	if (!colon)
		return -EBADMSG;
	f.name = (struct http_span){ line.text, (size_t)(colon - line.text) };
	f.value = trim((struct http_span){ colon + 1, line.len - f.name.len - 1 });
	if (!is_token(f.name))
		return -EBADMSG;
	for (size_t i = 0; i < f.value.len; i++) {
		unsigned char c = (unsigned char)f.value.text[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return -EBADMSG;
	}
	*ret_field = f;
	return 0;
}

static int host_parse(struct http_span value)
{
	static const char marks[] = "-._:[]%";

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.text[i];
		if (!(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c && strchr(marks, c)))
			return -EBADMSG;
	}
	return value.len > 0 && value.len <= 262 ? 0 : -EBADMSG;
}

static int content_length_parse(struct http_span value, int64_t *ret_len)
{
	int64_t n = 0;

	if (value.len == 0 || value.len > 18)
		return -EBADMSG;
	for (size_t i = 0; i < value.len; i++) {
		if (value.text[i] < '0' || value.text[i] > '9')
			return -EBADMSG;
		n = n * 10 + (value.text[i] - '0');
	}
	*ret_len = n;
	return 0;
}

/* Headers that may come only once; two of them are two stories. */
static const char *const singles[] = {
	"authorization",     "content-length",	  "content-type",	   "cookie", "expect", "host", "origin",
	"sec-websocket-key", "transfer-encoding", "sec-websocket-version",
};

static int singles_check(const struct http_head *head)
{
	for (size_t s = 0; s < ARRAY_LEN(singles); s++) {
		size_t n = 0;
		for (size_t i = 0; i < head->fields; i++)
			n += http_span_is(head->field[i].name, singles[s]);
		if (n > 1)
			return -EBADMSG;
	}
	return 0;
}

static int field_apply(struct http_head *head, const struct http_field *f)
{
	if (http_span_is(f->name, "host")) {
		head->host = f->value;
		return host_parse(f->value);
	}
	if (http_span_is(f->name, "content-length"))
		return content_length_parse(f->value, &head->content_length);
	if (http_span_is(f->name, "transfer-encoding")) {
		head->chunked = true;
		return http_span_is(f->value, "chunked") ? 0 : -EBADMSG;
	}
	if (http_span_is(f->name, "connection") && http_list_has(f->value.text, f->value.len, "close"))
		head->keep_alive = false;
	if (http_span_is(f->name, "expect")) {
		head->expect_continue = http_span_is(f->value, "100-continue");
		head->expect_unknown = !head->expect_continue;
	}
	return 0;
}

/* The next line without its CRLF; the scan has seen that every line has one. */
static int line_next(const char **at, const char *end, struct http_span *ret_line)
{
	const char *cr = memchr(*at, '\r', (size_t)(end - *at));

	if (!cr || end - cr < 2 || cr[1] != '\n')
		return -EBADMSG;
	*ret_line = (struct http_span){ *at, (size_t)(cr - *at) };
	*at = cr + 2;
	return 0;
}

int http_head_parse(const char *data, size_t len, struct http_head *ret_head)
{
	const char *at = data, *end = data + len;
	struct http_span line;
	int err;

	ret_head->fields = 0;
	ret_head->host = (struct http_span){ 0 };
	ret_head->content_length = -1;
	ret_head->chunked = ret_head->expect_continue = ret_head->expect_unknown = false;
	ret_head->keep_alive = true;
	if (len > HTTP_HEAD_MAX || !utf8_valid(data, len))
		return -EBADMSG;
	if ((err = line_next(&at, end, &line)) < 0 || (err = request_line_parse(line, ret_head)) < 0)
		return err;
	while ((err = line_next(&at, end, &line)) == 0 && line.len > 0) {
		if (ret_head->fields == HTTP_HEADERS_MAX)
			return -EBADMSG;
		struct http_field *f = &ret_head->field[ret_head->fields++];
		if ((err = field_parse(line, f)) < 0 || (err = field_apply(ret_head, f)) < 0)
			return err;
	}
	if (err < 0 || at != end || !ret_head->host.text)
		return -EBADMSG;
	if (ret_head->chunked && ret_head->content_length >= 0)
		return -EBADMSG;
	return singles_check(ret_head);
}

static int chunk_size_digit(struct http_chunked *c, char digit)
{
	unsigned v;

	if (digit >= '0' && digit <= '9')
		v = (unsigned)(digit - '0');
	else if (lower(digit) >= 'a' && lower(digit) <= 'f')
		v = lower(digit) - 'a' + 10u;
	else
		return -EBADMSG;
	if (++c->digits > CHUNK_DIGITS_MAX)
		return -EBADMSG;
	c->left = c->left << 4 | v;
	return 0;
}

/* One byte of framing. */
static int chunk_step(struct http_chunked *c, char byte)
{
	static const struct {
		char want;
		enum http_chunked_state next;
	} steps[] = {
		[CHUNK_DATA_CR] = { '\r', CHUNK_DATA_LF },
		[CHUNK_DATA_LF] = { '\n', CHUNK_SIZE },
		[CHUNK_END_CR] = { '\r', CHUNK_END_LF },
		[CHUNK_END_LF] = { '\n', CHUNK_DONE },
	};

	if (c->state == CHUNK_SIZE) {
		if (byte != '\r')
			return chunk_size_digit(c, byte);
		c->state = CHUNK_SIZE_LF;
		return c->digits > 0 ? 0 : -EBADMSG;
	}
	if (c->state == CHUNK_SIZE_LF) {
		c->state = c->left > 0 ? CHUNK_DATA : CHUNK_END_CR;
		c->digits = 0;
		return byte == '\n' ? 0 : -EBADMSG;
	}
	if (byte != steps[c->state].want)
		return -EBADMSG;
	c->state = steps[c->state].next;
	return 0;
}

int http_chunked_read(struct http_chunked *c, const char *data, size_t len, size_t *ret_used,
		      struct http_span *ret_body)
{
	size_t used = 0;

	*ret_body = (struct http_span){ 0 };
	while (used < len && c->state != CHUNK_DATA && c->state != CHUNK_DONE) {
		int err = chunk_step(c, data[used++]);
		if (err < 0)
			return err;
	}
	if (used < len && c->state == CHUNK_DATA) {
		size_t n = MIN((uint64_t)(len - used), c->left);
		*ret_body = (struct http_span){ data + used, n };
		used += n;
		c->left -= n;
		if (c->left == 0)
			c->state = CHUNK_DATA_CR;
	}
	*ret_used = used;
	return c->state == CHUNK_DONE;
}
