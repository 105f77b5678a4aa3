#include "lib/ws_frame.h"

#include "lib/utf8.h"

#include <string.h>

enum { WS_ERR_PROTOCOL = -1002, WS_ERR_TEXT = -1007, WS_ERR_TOO_BIG = -1009, WS_ERR_MEMORY = -1011 };

void ws_decoder_fini(struct ws_decoder *d)
{
	buf_fini(&d->message);
}

static bool is_control(uint8_t opcode)
{
	return opcode >= 8;
}

static bool is_masked(const uint8_t *head)
{
	return head[1] & 0x80;
}

/* Bytes that the head has, as far as its first two say. */
static size_t head_size(const uint8_t *head)
{
	unsigned len = head[1] & 0x7f;

	return 2 + (len == 126 ? 2 : len == 127 ? 8 : 0) + (is_masked(head) ? 4 : 0);
}

static int opcode_check(const struct ws_decoder *d, const struct ws_frame *f)
{
	switch (f->opcode) {
	case WS_CONTINUATION:
		return d->message_opcode ? 0 : WS_ERR_PROTOCOL;
	case WS_TEXT:
	case WS_BINARY:
		return d->message_opcode ? WS_ERR_PROTOCOL : 0;
	case WS_CLOSE:
	case WS_PING:
	case WS_PONG:
		return f->fin && f->len <= WS_CONTROL_MAX ? 0 : WS_ERR_PROTOCOL;
	default:
		return WS_ERR_PROTOCOL;
	}
}

static uint64_t read_be(const uint8_t *p, size_t len)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len; i++)
		v = v << 8 | p[i];
	return v;
}

static int head_parse(struct ws_decoder *d)
{
	const uint8_t *h = d->head;
	struct ws_frame f = { .fin = h[0] & 0x80, .opcode = h[0] & 0x0f, .len = h[1] & 0x7f };

	if ((h[0] & 0x70) || is_masked(h) == d->from_server)
		return WS_ERR_PROTOCOL;
	if (f.len == 126) {
		f.len = read_be(h + 2, 2);
		if (f.len < 126)
			return WS_ERR_PROTOCOL;
	} else if (f.len == 127) {
		f.len = read_be(h + 2, 8);
		if (f.len <= UINT16_MAX || f.len >> 63)
			return WS_ERR_PROTOCOL;
	}
	if (is_masked(h))
		memcpy(f.mask, h + d->head_len - 4, 4);
	int err = opcode_check(d, &f);
	if (err < 0)
		return err;
	if (!is_control(f.opcode)) {
		if (f.len > d->message_max - d->message.len)
			return WS_ERR_TOO_BIG;
		if (f.opcode != WS_CONTINUATION)
			d->message_opcode = f.opcode;
	}
	d->frame = f;
	d->payload_done = 0;
	d->control_len = 0;
	d->in_payload = true;
	return 0;
}

/* Gathers the head; wrong first bytes are seen at once. */
static int head_feed(struct ws_decoder *d, const uint8_t *data, size_t len, size_t *used)
{
	while (*used < len) {
		d->head[d->head_len++] = data[(*used)++];
		if (d->head_len >= 2 && d->head_len == head_size(d->head)) {
			int err = head_parse(d);
			d->head_len = 0;
			return err;
		}
		if (d->head_len == 2 && is_masked(d->head) == d->from_server)
			return WS_ERR_PROTOCOL;
	}
	return 0;
}

/* Either way; a mask of zeros copies. */
static void apply_mask(uint8_t *out, const uint8_t *in, size_t len, const uint8_t mask[4], uint64_t at)
{
	for (size_t i = 0; i < len; i++)
		out[i] = in[i] ^ mask[(at + i) & 3];
}

static int payload_feed(struct ws_decoder *d, const uint8_t *data, size_t len, size_t *used)
{
	size_t n = MIN((uint64_t)(len - *used), d->frame.len - d->payload_done);
	uint8_t *out;

	if (is_control(d->frame.opcode)) {
		out = d->control + d->control_len;
		d->control_len += (uint8_t)n;
	} else {
		/* One byte more than needed: text is handed out with a NUL behind it. */
		out = buf_reserve(&d->message, n + 1);
		if (!out)
			return WS_ERR_MEMORY;
		d->message.len += n;
	}
	apply_mask(out, data + *used, n, d->frame.mask, d->payload_done);
	d->payload_done += n;
	*used += n;
	return 0;
}

static bool close_code_valid(unsigned code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
	       (code >= 3000 && code <= 4999);
}

static int close_event(struct ws_decoder *d, struct ws_event *ret_event)
{
	struct ws_event e = { .opcode = WS_CLOSE, .data = d->control, .code = 1005 };

	if (d->control_len == 1)
		return WS_ERR_PROTOCOL;
	if (d->control_len >= 2) {
		e.code = (uint16_t)read_be(d->control, 2);
		e.data += 2;
		e.len = d->control_len - 2u;
	}
	if (e.code != 1005 && !close_code_valid(e.code))
		return WS_ERR_PROTOCOL;
	if (d->control_len >= 2 && e.code == 1005)
		return WS_ERR_PROTOCOL;
	if (!utf8_valid(e.data, e.len))
		return WS_ERR_TEXT;
	*ret_event = e;
	return 1;
}

static int message_event(struct ws_decoder *d, struct ws_event *ret_event)
{
	if (!d->frame.fin)
		return 0;
	if (d->message_opcode == WS_TEXT && !utf8_valid(d->message.data, d->message.len))
		return WS_ERR_TEXT;
	uint8_t *end = buf_reserve(&d->message, 1);
	if (!end)
		return WS_ERR_MEMORY;
	*end = 0;
	*ret_event = (struct ws_event){ .opcode = d->message_opcode, .data = d->message.data, .len = d->message.len };
	d->message_opcode = 0;
	d->delivered = true;
	return 1;
}

static int frame_end(struct ws_decoder *d, struct ws_event *ret_event)
{
	d->in_payload = false;
	if (d->frame.opcode == WS_CLOSE)
		return close_event(d, ret_event);
	if (!is_control(d->frame.opcode))
		return message_event(d, ret_event);
	*ret_event = (struct ws_event){ .opcode = d->frame.opcode, .data = d->control, .len = d->control_len };
	return 1;
}

int ws_decoder_feed(struct ws_decoder *d, const uint8_t *data, size_t len, size_t *ret_used, struct ws_event *ret_event)
{
	size_t used = 0;
	int err = 0;

	if (d->delivered) {
		d->delivered = false;
		buf_fini(&d->message); /* an idle connection keeps no buffer */
	}
	while (err == 0 && (used < len || (d->in_payload && d->payload_done == d->frame.len))) {
		if (!d->in_payload)
			err = head_feed(d, data, len, &used);
		if (err == 0 && d->in_payload)
			err = payload_feed(d, data, len, &used);
		if (err == 0 && d->in_payload && d->payload_done == d->frame.len)
			err = frame_end(d, ret_event);
	}
	*ret_used = used;
	return err;
}

size_t ws_frame_head(uint8_t ret_head[WS_OUT_HEAD_MAX], enum ws_opcode opcode, uint64_t len)
{
	size_t extra = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;

	ret_head[0] = (uint8_t)(0x80 | opcode);
	ret_head[1] = (uint8_t)(extra == 0 ? len : extra == 2 ? 126 : 127);
	for (size_t i = 0; i < extra; i++)
		ret_head[2 + i] = (uint8_t)(len >> (8 * (extra - 1 - i)));
	return 2 + extra;
}

void ws_frame_append_masked(struct buf *out, enum ws_opcode opcode, const void *data, size_t len, const uint8_t mask[4])
{
	uint8_t head[WS_HEAD_MAX];
	size_t head_len = ws_frame_head(head, opcode, len);

	head[1] |= 0x80;
	memcpy(head + head_len, mask, 4);
	head_len += 4;
	uint8_t *room = buf_reserve(out, head_len + len);
	if (!room)
		return;
	memcpy(room, head, head_len);
	apply_mask(room + head_len, data, len, mask, 0);
	out->len += head_len + len;
}
