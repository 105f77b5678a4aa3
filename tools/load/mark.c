#include "tools/load/mark.h"

#include "lib/rtp.h"

#include <string.h>

#define MAGIC 0x504c6f64u

static void put(uint8_t *p, const struct mark *m)
{
	rtp_put32(p, MAGIC);
	rtp_put32(p + 4, m->run);
	rtp_put32(p + 8, m->publisher);
	rtp_put32(p + 12, m->frame);
	p[16] = m->layer;
	p[17] = m->place;
	p[18] = m->count;
	p[19] = m->key;
	rtp_put32(p + 20, (uint32_t)((uint64_t)m->sent_us >> 32));
	rtp_put32(p + 24, (uint32_t)m->sent_us);
	rtp_put16(p + 28, 0);
}

static bool get(const uint8_t *p, size_t len, struct mark *ret)
{
	if (len < MARK_BYTES || rtp_get32(p) != MAGIC)
		return false;
	*ret = (struct mark){
		.run = rtp_get32(p + 4),
		.publisher = rtp_get32(p + 8),
		.frame = rtp_get32(p + 12),
		.layer = p[16],
		.place = p[17],
		.count = p[18],
		.key = p[19],
		.sent_us = (int64_t)((uint64_t)rtp_get32(p + 20) << 32 | rtp_get32(p + 24)),
	};
	return true;
}

void mark_write(uint8_t *payload, size_t len, const struct mark *mark)
{
	memset(payload, 0x55, len);
	/* TOC of Opus (RFC 6716, 3.1): 20 ms of CELT, one frame. */
	payload[0] = 0xf8;
	put(payload + 1, mark);
}

bool mark_read(const uint8_t *payload, size_t len, struct mark *ret_mark)
{
	return len > 1 && get(payload + 1, len - 1, ret_mark);
}

void mark_write_vp8(uint8_t *payload, size_t len, const struct mark *mark, const struct mark_vp8 *vp8)
{
	uint8_t *p = payload;

	memset(payload, 0x55, len);
	/* X, and S in the first packet; then I, L and T: 15 bits of picture id, TL0PICIDX, TID 0. */
	*p++ = mark->place == 0 ? 0x90 : 0x80;
	*p++ = 0xe0;
	rtp_put16(p, 0x8000 | vp8->picture_id);
	p[2] = vp8->tl0picidx;
	p[3] = 0;
	p += 4;
	if (mark->place == 0) {
		/* Frame tag: P bit (0 = key), version 0, shown, and how long the first partition is. */
		uint32_t tag = (mark->key ? 0u : 1u) | 1u << 4 | 20u << 5;
		*p++ = (uint8_t)tag;
		*p++ = (uint8_t)(tag >> 8);
		*p++ = (uint8_t)(tag >> 16);
	}
	if (mark->place == 0 && mark->key) {
		memcpy(p, "\x9d\x01\x2a", 3);
		p[3] = (uint8_t)vp8->width;
		p[4] = (uint8_t)(vp8->width >> 8);
		p[5] = (uint8_t)vp8->height;
		p[6] = (uint8_t)(vp8->height >> 8);
		p += 7;
	}
	put(p, mark);
}

bool mark_read_vp8(const uint8_t *payload, size_t len, struct mark *ret_mark)
{
	size_t at = 6;

	if (len < at + 4 || payload[1] != 0xe0)
		return false;
	if (payload[0] & 0x10)
		at += payload[at] & 1 ? 3 : 10;
	return at < len && get(payload + at, len - at, ret_mark);
}
