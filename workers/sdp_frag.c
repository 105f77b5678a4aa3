#include "workers/sdp_frag.h"

#include "lib/err.h"
#include "workers/sdp.h"

#include <ctype.h>
#include <string.h>

#define UFRAG_MIN 4
#define PWD_MIN	  22

struct line {
	const char *text;
	size_t len;
};

/* The next line without its end; false at the end of the text. */
static bool line_next(const char *text, size_t len, size_t *at, struct line *ret_line)
{
	if (*at >= len)
		return false;
	const char *end = memchr(text + *at, '\n', len - *at);
	size_t n = end ? (size_t)(end - (text + *at)) : len - *at;

	*ret_line = (struct line){ text + *at, n > 0 && text[*at + n - 1] == '\r' ? n - 1 : n };
	*at += n + 1;
	return true;
}

static bool line_value(const struct line *line, const char *prefix, struct line *ret_value)
{
	size_t n = strlen(prefix);

	if (line->len < n || memcmp(line->text, prefix, n) != 0)
		return false;
	*ret_value = (struct line){ line->text + n, line->len - n };
	return true;
}

static bool is_ice_chars(const struct line *value, size_t min, size_t max)
{
	for (size_t i = 0; i < value->len; i++) {
		if (!isalnum((unsigned char)value->text[i]) && value->text[i] != '+' && value->text[i] != '/')
			return false;
	}
	return value->len >= min && value->len <= max;
}

static bool is_printable(const struct line *line)
{
	for (size_t i = 0; i < line->len; i++) {
		if (line->text[i] < 0x20 || line->text[i] > 0x7e)
			return false;
	}
	return true;
}

/* False when it is not as it has to be, or another one was there before. */
static bool take(const struct line *value, size_t min, size_t max, char *ret_text)
{
	bool first = ret_text[0] == 0;

	if (!is_ice_chars(value, min, max) ||
	    (!first && (strlen(ret_text) != value->len || memcmp(ret_text, value->text, value->len) != 0)))
		return false;
	memcpy(ret_text, value->text, value->len);
	ret_text[value->len] = 0;
	return true;
}

/* To be mirrored: the first that fits. */
static void mirror(const struct line *value, size_t max, char *ret_text)
{
	if (ret_text[0] != 0 || value->len > max)
		return;
	memcpy(ret_text, value->text, value->len);
	ret_text[value->len] = 0;
}

int sdp_frag_parse(const char *text, size_t len, struct sdp_frag *ret_frag, const char **ret_detail)
{
	struct sdp_frag frag = { 0 };
	struct line line, value;
	size_t at = 0;

	while (line_next(text, len, &at, &line)) {
		if (line.len == 0)
			continue;
		if (line.len < 2 || line.text[1] != '=' || !is_printable(&line)) {
			*ret_detail = "A fragment has lines like a=candidate:…, and nothing else.";
			return -EINVAL;
		}
		if (line_value(&line, "a=ice-ufrag:", &value) &&
		    !take(&value, UFRAG_MIN, SESSION_UFRAG_MAX, frag.ufrag)) {
			*ret_detail = "a=ice-ufrag is not 4 to 256 ice-chars, or there are several different ones.";
			return -EINVAL;
		}
		if (line_value(&line, "a=ice-pwd:", &value) && !take(&value, PWD_MIN, SESSION_PWD_MAX, frag.pwd)) {
			*ret_detail = "a=ice-pwd is not 22 to 256 ice-chars, or there are several different ones.";
			return -EINVAL;
		}
		if (line_value(&line, "m=", &value))
			mirror(&value, SDP_FRAG_MEDIA_MAX, frag.media);
		if (line_value(&line, "a=mid:", &value))
			mirror(&value, SESSION_MID_MAX, frag.mid);
	}
	*ret_frag = frag;
	return 0;
}

int sdp_frag_build(const struct sdp_frag *frag, const struct media_answer *answer, struct buf *ret_text)
{
	buf_append_str(ret_text, "a=ice-lite\r\n");
	if (frag->media[0])
		buf_appendf(ret_text, "m=%s\r\n", frag->media);
	if (frag->media[0] && frag->mid[0])
		buf_appendf(ret_text, "a=mid:%s\r\n", frag->mid);
	buf_appendf(ret_text, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", answer->ufrag, answer->pwd);
	sdp_answer_candidates(ret_text, answer);
	return ret_text->failed ? -ENOMEM : 0;
}
