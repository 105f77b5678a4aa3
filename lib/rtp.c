#include "lib/rtp.h"

#include <string.h>

#define RTP_ONE_BYTE	 0xbede
#define RTP_TWO_BYTE	 0x1000 /* the low four bits are the application's */
#define RTP_EXT_OFFSET	 RTP_HEADER_LEN
#define RTP_EXT_HEADER	 4
#define RTP_ONE_BYTE_END 15

static void element_add(struct rtp *rtp, uint8_t id, const uint8_t *data, size_t len)
{
	if (rtp->elements_len == RTP_ELEMENTS_MAX)
		return;
	rtp->element[rtp->elements_len++] = (struct rtp_element){ .id = id, .len = (uint8_t)len, .data = data };
}

static void parse_one_byte(struct rtp *rtp, const uint8_t *at, size_t left)
{
	while (left > 0) {
		uint8_t id = at[0] >> 4;
		size_t len = (size_t)(at[0] & 15) + 1;
		if (id == 0) { /* padding; with a length it is skipped with its data */
			size_t skip = (at[0] & 15) ? 1 + len : 1;
			if (skip > left)
				return;
			at += skip;
			left -= skip;
			continue;
		}
		if (id == RTP_ONE_BYTE_END || 1 + len > left)
			return;
		element_add(rtp, id, at + 1, len);
		at += 1 + len;
		left -= 1 + len;
	}
}

static void parse_two_byte(struct rtp *rtp, const uint8_t *at, size_t left)
{
	while (left > 0) {
		if (at[0] == 0) {
			at++;
			left--;
			continue;
		}
		if (left < 2 || (size_t)at[1] + 2 > left)
			return;
		element_add(rtp, at[0], at + 2, at[1]);
		left -= (size_t)at[1] + 2;
		at += (size_t)at[1] + 2;
	}
}

int rtp_parse(const uint8_t *data, size_t len, struct rtp *ret_rtp)
{
	struct rtp rtp = { 0 };
	size_t at;

	if (len < RTP_HEADER_LEN || len > UINT16_MAX || data[0] >> 6 != 2)
		return -EPROTO;
	rtp.marker = data[1] >> 7;
	rtp.payload_type = data[1] & 0x7f;
	rtp.seq = rtp_get16(data + 2);
	rtp.timestamp = rtp_get32(data + 4);
	rtp.ssrc = rtp_get32(data + 8);
	at = RTP_HEADER_LEN + 4 * (size_t)(data[0] & 15);
	if (at > len)
		return -EPROTO;
	if (data[0] & 0x10) {
		if (len - at < RTP_EXT_HEADER)
			return -EPROTO;
		uint16_t profile = rtp_get16(data + at);
		size_t ext_len = 4 * (size_t)rtp_get16(data + at + 2);
		at += RTP_EXT_HEADER;
		if (ext_len > len - at)
			return -EPROTO;
		if (profile == RTP_ONE_BYTE)
			parse_one_byte(&rtp, data + at, ext_len);
		else if ((profile & 0xfff0) == RTP_TWO_BYTE)
			parse_two_byte(&rtp, data + at, ext_len);
		at += ext_len;
	}
	if (data[0] & 0x20) {
		uint8_t padding = len > at ? data[len - 1] : 0;
		if (padding == 0 || padding > len - at)
			return -EPROTO;
		rtp.padding_len = padding;
	}
	rtp.payload_offset = (uint16_t)at;
	rtp.payload_len = (uint16_t)(len - at - rtp.padding_len);
	*ret_rtp = rtp;
	return 0;
}

const struct rtp_element *rtp_find(const struct rtp *rtp, uint8_t id)
{
	if (id == 0)
		return NULL;
	for (unsigned i = 0; i < rtp->elements_len; i++) {
		if (rtp->element[i].id == id)
			return &rtp->element[i];
	}
	return NULL;
}

uint64_t rtp_index_guess(uint64_t highest, uint16_t seq)
{
	uint64_t roc = highest >> 16;
	uint16_t last = (uint16_t)highest;

	if (last < 0x8000) {
		/* A number far above is one from before the last wrap, unless there was none. */
		if (seq > last && seq - last > 0x8000 && roc > 0)
			roc--;
	} else if (last - 0x8000 > seq) {
		roc++;
	}
	return roc << 16 | seq;
}

size_t rtp_unwrap_rtx(uint8_t *data, struct rtp *rtp, uint8_t payload_type, uint32_t ssrc)
{
	uint8_t *payload = data + rtp->payload_offset;

	if (rtp->payload_len < 2)
		return 0;
	rtp->seq = rtp_get16(payload);
	rtp->payload_len = (uint16_t)(rtp->payload_len - 2);
	rtp->padding_len = 0;
	rtp->payload_type = payload_type;
	rtp->ssrc = ssrc;
	memmove(payload, payload + 2, rtp->payload_len);
	data[0] &= (uint8_t)~0x20;
	data[1] = (uint8_t)(rtp->marker << 7 | payload_type);
	rtp_put16(data + 2, rtp->seq);
	rtp_put32(data + 8, ssrc);
	return (size_t)rtp->payload_offset + rtp->payload_len;
}

void rtp_begin(struct rtp_writer *w, uint8_t *data, size_t cap, bool two_byte)
{
	*w = (struct rtp_writer){
		.data = data, .cap = cap, .len = RTP_EXT_OFFSET + RTP_EXT_HEADER, .two_byte = two_byte
	};
	/* Room for the padding of the extension block too. */
	w->failed = cap < w->len + 3;
}

void rtp_add(struct rtp_writer *w, uint8_t id, const void *data, size_t len)
{
	size_t head = w->two_byte ? 2 : 1;

	if (id == 0 || w->failed)
		return;
	if (w->len + head + len + 3 > w->cap || len > UINT8_MAX ||
	    (!w->two_byte && (id >= RTP_ONE_BYTE_END || len == 0 || len > 16))) {
		w->failed = true;
		return;
	}
	if (w->two_byte) {
		w->data[w->len++] = id;
		w->data[w->len++] = (uint8_t)len;
	} else {
		w->data[w->len++] = (uint8_t)(id << 4 | (len - 1));
	}
	memcpy(w->data + w->len, data, len);
	w->len += len;
}

int rtp_end(struct rtp_writer *w, uint8_t payload_type, bool marker, uint16_t seq, uint32_t timestamp, uint32_t ssrc)
{
	size_t begin = RTP_EXT_OFFSET + RTP_EXT_HEADER;
	bool extended = w->len > begin;

	if (w->failed)
		return -ENOSPC;
	if (extended) {
		while ((w->len - begin) % 4)
			w->data[w->len++] = 0;
		rtp_put16(w->data + RTP_EXT_OFFSET, w->two_byte ? RTP_TWO_BYTE : RTP_ONE_BYTE);
		rtp_put16(w->data + RTP_EXT_OFFSET + 2, (uint16_t)((w->len - begin) / 4));
	} else {
		w->len = RTP_HEADER_LEN;
	}
	w->data[0] = (uint8_t)(2 << 6 | extended << 4);
	w->data[1] = (uint8_t)(marker << 7 | payload_type);
	rtp_put16(w->data + 2, seq);
	rtp_put32(w->data + 4, timestamp);
	rtp_put32(w->data + 8, ssrc);
	return 0;
}
