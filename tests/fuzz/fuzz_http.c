/* links: workers */
#include "workers/http_parser.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* However the bytes arrive, the result is the same. */
static void head_in_pieces(const char *text, size_t len, int expected)
{
	size_t scanned = 0;
	int n = -EAGAIN;

	for (size_t have = 0; have <= len && n == -EAGAIN; have++)
		n = http_head_scan(text, have, &scanned);
	assert(n == expected);
}

static void spans_are_inside(const char *text, size_t len, const struct http_head *head)
{
	assert(head->host.text >= text && head->host.text + head->host.len <= text + len);
	assert(head->target.len > 0 && head->target.text[0] == '/');
	assert(!(head->chunked && head->content_length >= 0));
	for (size_t i = 0; i < head->fields; i++) {
		const struct http_field *f = &head->field[i];
		assert(f->name.len > 0 && f->name.text >= text && f->value.text + f->value.len <= text + len);
		assert(!memchr(f->value.text, '\r', f->value.len) && !memchr(f->value.text, '\n', f->value.len));
	}
}

static size_t body_read(const char *text, size_t len, size_t step, int *ret_done)
{
	struct http_chunked c = { 0 };
	struct http_span part;
	size_t used = 0, total = 0, n;
	int done = 0;

	while (used < len && done == 0) {
		size_t piece = len - used < step ? len - used : step;
		done = http_chunked_read(&c, text + used, piece, &n, &part);
		if (done < 0)
			break;
		assert(n > 0 && n <= piece && part.len <= n);
		used += n;
		total += part.len;
	}
	*ret_done = done;
	return total;
}

static void target_decode(struct http_span target)
{
	char *out = malloc(target.len + 1);
	size_t len;

	if (out && percent_decode(target.text, target.len, true, out, &len) == 0)
		assert(len <= target.len && strlen(out) == len);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct http_head head;
	const char *text = (const char *)data;
	size_t scanned = 0;
	int head_len = http_head_scan(text, len, &scanned), done, done_bytewise;

	if (len <= 2048)
		head_in_pieces(text, len, head_len);
	size_t at = head_len > 0 ? (size_t)head_len : 0;
	if (head_len > 0 && http_head_parse(text, at, &head) == 0) {
		spans_are_inside(text, at, &head);
		target_decode(head.target);
	}
	size_t whole = body_read(text + at, len - at, SIZE_MAX, &done);
	size_t bytewise = body_read(text + at, len - at, 1, &done_bytewise);
	assert(done == done_bytewise && (done < 0 || whole == bytewise));
	return 0;
}
