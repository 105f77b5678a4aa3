#include "lib/rtcp.h"

#include "lib/rtp.h"

#include <string.h>

#define RTCP_HEADER_LEN	     4
#define RTCP_SENDER_LEN	     24 /* SSRC, NTP, RTP, packets, octets */
#define RTCP_BLOCK_LEN	     24
#define RTCP_FEEDBACK_LEN    8	/* sender and media SSRC */
#define RTCP_TWCC_HEADER     16 /* the two SSRCs, base, count, reference time, number */
#define RTCP_TWCC_TICK_US    250
#define RTCP_TWCC_REF_TICKS  256 /* 64 ms */
#define RTCP_TWCC_PACKET_MAX 1024
#define RTCP_COUNT_MAX	     31

enum { TWCC_NOT_RECEIVED, TWCC_SMALL, TWCC_LARGE };

static size_t body_min(uint8_t type, uint8_t count)
{
	switch (type) {
	case RTCP_SR:
		return RTCP_SENDER_LEN + RTCP_BLOCK_LEN * (size_t)count;
	case RTCP_RR:
		return 4 + RTCP_BLOCK_LEN * (size_t)count;
	case RTCP_SDES:
	case RTCP_BYE:
		return 4 * (size_t)count;
	case RTCP_RTPFB:
		return count == RTCP_RTPFB_TWCC ? RTCP_TWCC_HEADER : RTCP_FEEDBACK_LEN;
	case RTCP_PSFB:
	case RTCP_APP:
		return RTCP_FEEDBACK_LEN;
	default:
		return 0;
	}
}

int rtcp_check(const uint8_t *data, size_t len)
{
	if (len == 0)
		return -EPROTO;
	while (len > 0) {
		if (len < RTCP_HEADER_LEN || data[0] >> 6 != 2)
			return -EPROTO;
		size_t size = 4 * ((size_t)rtp_get16(data + 2) + 1), padding = 0;
		if (size > len)
			return -EPROTO;
		if (data[0] & 0x20) {
			/* libwebrtc fills transport-wide feedback up to whole words by the padding bit: one to three
			 * bytes, in the middle of a compound too. RFC 3550 knows multiples of four at the end only. */
			padding = data[size - 1];
			if (padding == 0 || padding > size - RTCP_HEADER_LEN)
				return -EPROTO;
		}
		if (size - RTCP_HEADER_LEN - padding < body_min(data[1], data[0] & 31))
			return -EPROTO;
		data += size;
		len -= size;
	}
	return 0;
}

int rtcp_next(const uint8_t **data, size_t *len, struct rtcp_packet *ret_packet)
{
	const uint8_t *p = *data;

	if (*len < RTCP_HEADER_LEN)
		return -ENOENT;
	size_t size = 4 * ((size_t)rtp_get16(p + 2) + 1);
	if (size > *len)
		return -ENOENT;
	*ret_packet = (struct rtcp_packet){
		.type = p[1],
		.count = p[0] & 31,
		.body = p + RTCP_HEADER_LEN,
		.len = size - RTCP_HEADER_LEN - ((p[0] & 0x20) ? p[size - 1] : 0),
	};
	*data += size;
	*len -= size;
	return 0;
}

uint32_t rtcp_sender_ssrc(const struct rtcp_packet *packet)
{
	return rtp_get32(packet->body);
}

uint32_t rtcp_media_ssrc(const struct rtcp_packet *packet)
{
	return rtp_get32(packet->body + 4);
}

void rtcp_read_sender(const struct rtcp_packet *sr, struct rtcp_sender *ret_sender)
{
	*ret_sender = (struct rtcp_sender){
		.ntp = (uint64_t)rtp_get32(sr->body + 4) << 32 | rtp_get32(sr->body + 8),
		.rtp = rtp_get32(sr->body + 12),
		.packets = rtp_get32(sr->body + 16),
		.octets = rtp_get32(sr->body + 20),
	};
}

void rtcp_read_block(const struct rtcp_packet *packet, unsigned i, struct rtcp_block *ret_block)
{
	const uint8_t *p = packet->body + (packet->type == RTCP_SR ? RTCP_SENDER_LEN : 4) + RTCP_BLOCK_LEN * (size_t)i;
	uint32_t lost = rtp_get24(p + 5);

	*ret_block = (struct rtcp_block){
		.ssrc = rtp_get32(p),
		.fraction_lost = p[4],
		.lost = (lost & 0x800000) ? (int32_t)lost - 0x1000000 : (int32_t)lost,
		.highest = rtp_get32(p + 8),
		.jitter = rtp_get32(p + 12),
		.lsr = rtp_get32(p + 16),
		.dlsr = rtp_get32(p + 20),
	};
}

size_t rtcp_nack_pairs(const struct rtcp_packet *nack)
{
	return (nack->len - RTCP_FEEDBACK_LEN) / 4;
}

void rtcp_read_nack(const struct rtcp_packet *nack, size_t i, uint16_t *ret_first, uint16_t *ret_bitmap)
{
	const uint8_t *p = nack->body + RTCP_FEEDBACK_LEN + 4 * i;

	*ret_first = rtp_get16(p);
	*ret_bitmap = rtp_get16(p + 2);
}

size_t rtcp_fir_entries(const struct rtcp_packet *fir)
{
	return (fir->len - RTCP_FEEDBACK_LEN) / 8;
}

void rtcp_read_fir(const struct rtcp_packet *fir, size_t i, uint32_t *ret_ssrc, uint8_t *ret_command)
{
	const uint8_t *p = fir->body + RTCP_FEEDBACK_LEN + 8 * i;

	*ret_ssrc = rtp_get32(p);
	*ret_command = p[4];
}

int rtcp_read_remb(const struct rtcp_packet *afb, uint64_t *ret_bps)
{
	const uint8_t *p = afb->body + RTCP_FEEDBACK_LEN;

	if (afb->len < RTCP_FEEDBACK_LEN + 8 || memcmp(p, "REMB", 4) != 0)
		return -ENOENT;
	unsigned exponent = p[5] >> 2;
	uint64_t mantissa = (uint64_t)(p[5] & 3) << 16 | rtp_get16(p + 6);
	if (exponent > 46)
		return -ENOENT;
	*ret_bps = mantissa << exponent;
	return 0;
}

/* Where a reader of transport-wide feedback stands. */
struct twcc_reader {
	const uint8_t *chunk, *delta, *end;
	uint16_t seq;
	unsigned left; /* packets still to be told about */
	int64_t ticks;
	rtcp_twcc_cb *fn;
	void *arg;
};

static int twcc_read_symbol(struct twcc_reader *r, unsigned symbol)
{
	size_t size = symbol == TWCC_SMALL ? 1 : symbol == TWCC_LARGE ? 2 : 0;

	if ((size_t)(r->end - r->delta) < size)
		return -EPROTO;
	if (symbol == TWCC_SMALL)
		r->ticks += r->delta[0];
	else if (symbol == TWCC_LARGE)
		r->ticks += (int16_t)rtp_get16(r->delta);
	r->delta += size;
	r->fn(r->arg, r->seq++, size > 0, r->ticks * RTCP_TWCC_TICK_US);
	r->left--;
	return 0;
}

/* How many packets a chunk tells about. */
static unsigned twcc_chunk_len(uint16_t chunk)
{
	if (!(chunk & 0x8000))
		return chunk & 0x1fff;
	return (chunk & 0x4000) ? 7 : 14;
}

static unsigned twcc_chunk_symbol(uint16_t chunk, unsigned i)
{
	if (!(chunk & 0x8000))
		return chunk >> 13 & 3;
	if (chunk & 0x4000)
		return chunk >> (12 - 2 * i) & 3;
	return chunk >> (13 - i) & 1;
}

static int twcc_read_chunk(struct twcc_reader *r, uint16_t chunk)
{
	unsigned n = MIN(twcc_chunk_len(chunk), r->left);

	for (unsigned i = 0; i < n; i++) {
		unsigned symbol = twcc_chunk_symbol(chunk, i);
		if (symbol == 3)
			return -EPROTO;
		int err = twcc_read_symbol(r, symbol);
		if (err < 0)
			return err;
	}
	return 0;
}

int rtcp_read_twcc(const struct rtcp_packet *packet, struct rtcp_twcc *ret_twcc, rtcp_twcc_cb *fn, void *arg)
{
	const uint8_t *p = packet->body;
	uint32_t reference = rtp_get24(p + 12);
	struct rtcp_twcc twcc = {
		.base = rtp_get16(p + 8),
		.count = rtp_get16(p + 10),
		.reference = (reference & 0x800000) ? (int32_t)reference - 0x1000000 : (int32_t)reference,
		.number = p[15],
	};
	struct twcc_reader r = { .chunk = p + RTCP_TWCC_HEADER,
				 .delta = p + RTCP_TWCC_HEADER,
				 .end = p + packet->len,
				 .seq = twcc.base,
				 .left = twcc.count,
				 .ticks = (int64_t)twcc.reference * RTCP_TWCC_REF_TICKS,
				 .fn = fn,
				 .arg = arg };

	/* Deltas begin behind the last chunk. */
	for (unsigned told = 0; told < twcc.count;) {
		if (r.end - r.delta < 2)
			return -EPROTO;
		unsigned n = twcc_chunk_len(rtp_get16(r.delta));
		if (n == 0)
			return -EPROTO;
		told += n;
		r.delta += 2;
	}
	*ret_twcc = twcc;
	while (r.left > 0) {
		int err = twcc_read_chunk(&r, rtp_get16(r.chunk));
		if (err < 0)
			return err;
		r.chunk += 2;
	}
	return 0;
}

/* Header of a packet of body_len bytes (a multiple of 4); NULL when it does not fit. */
static uint8_t *packet_begin(struct rtcp_out *out, uint8_t type, unsigned count, size_t body_len)
{
	uint8_t *p = out->data + out->len;

	if (out->cap - out->len < RTCP_HEADER_LEN + body_len || count > RTCP_COUNT_MAX)
		return NULL;
	p[0] = (uint8_t)(2 << 6 | count);
	p[1] = type;
	rtp_put16(p + 2, (uint16_t)(body_len / 4));
	out->len += RTCP_HEADER_LEN + body_len;
	return p + RTCP_HEADER_LEN;
}

static void write_block(uint8_t *p, const struct rtcp_block *b)
{
	int32_t lost = MAX(MIN(b->lost, 0x7fffff), -0x800000);

	rtp_put32(p, b->ssrc);
	p[4] = b->fraction_lost;
	rtp_put24(p + 5, (uint32_t)lost & 0xffffff);
	rtp_put32(p + 8, b->highest);
	rtp_put32(p + 12, b->jitter);
	rtp_put32(p + 16, b->lsr);
	rtp_put32(p + 20, b->dlsr);
}

int rtcp_add_sr(struct rtcp_out *out, uint32_t ssrc, const struct rtcp_sender *sender, const struct rtcp_block *blocks,
		unsigned n)
{
	uint8_t *p = packet_begin(out, RTCP_SR, n, RTCP_SENDER_LEN + RTCP_BLOCK_LEN * (size_t)n);

	if (!p)
		return -ENOSPC;
	rtp_put32(p, ssrc);
	rtp_put32(p + 4, (uint32_t)(sender->ntp >> 32));
	rtp_put32(p + 8, (uint32_t)sender->ntp);
	rtp_put32(p + 12, sender->rtp);
	rtp_put32(p + 16, sender->packets);
	rtp_put32(p + 20, sender->octets);
	for (unsigned i = 0; i < n; i++)
		write_block(p + RTCP_SENDER_LEN + RTCP_BLOCK_LEN * (size_t)i, &blocks[i]);
	return 0;
}

int rtcp_add_rr(struct rtcp_out *out, uint32_t ssrc, const struct rtcp_block *blocks, unsigned n)
{
	uint8_t *p = packet_begin(out, RTCP_RR, n, 4 + RTCP_BLOCK_LEN * (size_t)n);

	if (!p)
		return -ENOSPC;
	rtp_put32(p, ssrc);
	for (unsigned i = 0; i < n; i++)
		write_block(p + 4 + RTCP_BLOCK_LEN * (size_t)i, &blocks[i]);
	return 0;
}

int rtcp_add_cname(struct rtcp_out *out, uint32_t ssrc, const char *cname)
{
	size_t len = MIN(strlen(cname), 255);
	/* SSRC, type, length, text, and one to four zeros that end the chunk. */
	size_t body = (4 + 2 + len + 1 + 3) & ~(size_t)3;
	uint8_t *p = packet_begin(out, RTCP_SDES, 1, body);

	if (!p)
		return -ENOSPC;
	memset(p, 0, body);
	rtp_put32(p, ssrc);
	p[4] = 1;
	p[5] = (uint8_t)len;
	memcpy(p + 6, cname, len);
	return 0;
}

int rtcp_add_bye(struct rtcp_out *out, uint32_t ssrc)
{
	uint8_t *p = packet_begin(out, RTCP_BYE, 1, 4);

	if (!p)
		return -ENOSPC;
	rtp_put32(p, ssrc);
	return 0;
}

static uint8_t *feedback_begin(struct rtcp_out *out, uint8_t type, unsigned format, uint32_t sender, uint32_t media,
			       size_t fci_len)
{
	uint8_t *p = packet_begin(out, type, format, RTCP_FEEDBACK_LEN + fci_len);

	if (!p)
		return NULL;
	rtp_put32(p, sender);
	rtp_put32(p + 4, media);
	return p + RTCP_FEEDBACK_LEN;
}

int rtcp_add_pli(struct rtcp_out *out, uint32_t sender, uint32_t media)
{
	return feedback_begin(out, RTCP_PSFB, RTCP_PSFB_PLI, sender, media, 0) ? 0 : -ENOSPC;
}

int rtcp_add_fir(struct rtcp_out *out, uint32_t sender, uint32_t media, uint8_t command)
{
	uint8_t *p = feedback_begin(out, RTCP_PSFB, RTCP_PSFB_FIR, sender, 0, 8);

	if (!p)
		return -ENOSPC;
	rtp_put32(p, media);
	rtp_put32(p + 4, (uint32_t)command << 24);
	return 0;
}

/* The first pair that covers seq[0]; returns how many numbers it took. */
static size_t nack_pair(const uint16_t *seq, size_t n, uint16_t *ret_bitmap)
{
	uint16_t bitmap = 0;
	size_t i = 1;

	for (; i < n; i++) {
		uint16_t distance = (uint16_t)(seq[i] - seq[0]);
		if (distance == 0 || distance > 16)
			break;
		bitmap = (uint16_t)(bitmap | 1 << (distance - 1));
	}
	*ret_bitmap = bitmap;
	return i;
}

int rtcp_add_nack(struct rtcp_out *out, uint32_t sender, uint32_t media, const uint16_t *seq, size_t n)
{
	uint16_t bitmap;
	size_t pairs = 0;

	for (size_t i = 0; i < n; pairs++)
		i += nack_pair(seq + i, n - i, &bitmap);
	uint8_t *p = feedback_begin(out, RTCP_RTPFB, RTCP_RTPFB_NACK, sender, media, 4 * pairs);
	if (!p)
		return -ENOSPC;
	for (size_t i = 0; i < n; p += 4) {
		rtp_put16(p, seq[i]);
		i += nack_pair(seq + i, n - i, &bitmap);
		rtp_put16(p + 2, bitmap);
	}
	return 0;
}

int rtcp_add_remb(struct rtcp_out *out, uint32_t sender, const uint32_t *media, unsigned n, uint64_t bps)
{
	if (n > UINT8_MAX)
		return -ENOSPC;
	uint8_t *p = feedback_begin(out, RTCP_PSFB, RTCP_PSFB_AFB, sender, 0, 8 + 4 * (size_t)n);
	unsigned exponent = 0;

	if (!p)
		return -ENOSPC;
	while (bps >> exponent >= 1 << 18)
		exponent++;
	memcpy(p, "REMB", 4);
	rtp_put32(p + 4, n << 24 | exponent << 18 | (uint32_t)(bps >> exponent));
	for (unsigned i = 0; i < n; i++)
		rtp_put32(p + 8 + 4 * (size_t)i, media[i]);
	return 0;
}

/* Symbols and deltas of the packets that fit into room bytes of chunks and deltas. */
struct twcc_plan {
	uint8_t symbol[RTCP_TWCC_PACKET_MAX];
	int16_t delta[RTCP_TWCC_PACKET_MAX];
	size_t n;
	int64_t reference;
};

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static void twcc_plan(struct twcc_plan *plan, const int64_t *at_us, size_t n, size_t room)
{
	size_t received = 0, first = 0;

	while (at_us[first] == RTCP_TWCC_MISSING)
		first++;
	int64_t last = floor_div(at_us[first], RTCP_TWCC_TICK_US);
	plan->reference = floor_div(last, RTCP_TWCC_REF_TICKS);
	last = plan->reference * RTCP_TWCC_REF_TICKS;
	size_t i = 0, deltas = 0;
	for (; i < MIN(n, RTCP_TWCC_PACKET_MAX); i++) {
		plan->symbol[i] = TWCC_NOT_RECEIVED;
		if (at_us[i] == RTCP_TWCC_MISSING)
			continue;
		int64_t ticks = floor_div(at_us[i], RTCP_TWCC_TICK_US), delta = ticks - last;
		size_t size = delta >= 0 && delta <= UINT8_MAX ? 1 : 2;
		/* The chunks take at most two bytes for each seven packets. */
		if (delta < INT16_MIN || delta > INT16_MAX || deltas + size + 2 * (i / 7 + 1) > room)
			break;
		plan->symbol[i] = size == 1 ? TWCC_SMALL : TWCC_LARGE;
		plan->delta[i] = (int16_t)delta;
		deltas += size;
		last = ticks;
		received = i + 1;
	}
	/* What was not received behind the last that was waits for the next feedback. */
	plan->n = received;
}

static size_t twcc_run(const struct twcc_plan *plan, size_t from)
{
	size_t i = from;

	while (i < plan->n && plan->symbol[i] == plan->symbol[from])
		i++;
	return i - from;
}

/* Writes the chunk for the packets from `from` on; returns how many it covers. */
static size_t twcc_write_chunk(const struct twcc_plan *plan, size_t from, uint8_t *p)
{
	size_t run = twcc_run(plan, from), n = MIN(14, plan->n - from);
	bool large = false;
	uint16_t chunk;

	for (size_t i = from; i < from + n; i++)
		large = large || plan->symbol[i] == TWCC_LARGE;
	if (large)
		n = MIN(7, n);
	if (run >= n) {
		run = MIN(run, 0x1fff);
		rtp_put16(p, (uint16_t)((unsigned)plan->symbol[from] << 13 | run));
		return run;
	}
	chunk = large ? 0xc000 : 0x8000;
	for (size_t i = 0; i < n; i++)
		chunk = (uint16_t)(chunk | (unsigned)plan->symbol[from + i] << (large ? 12 - 2 * i : 13 - i));
	rtp_put16(p, chunk);
	return n;
}

int rtcp_add_twcc(struct rtcp_out *out, uint32_t sender, uint32_t media, uint16_t base, const int64_t *at_us, size_t n,
		  uint8_t number, size_t *ret_told)
{
	size_t left = out->cap - out->len, head = RTCP_HEADER_LEN + RTCP_TWCC_HEADER;
	struct twcc_plan plan;

	while (n > 0 && at_us[n - 1] == RTCP_TWCC_MISSING)
		n--;
	if (n == 0)
		return -ENOENT;
	if (left < head + 8)
		return -ENOSPC;
	/* Four bytes stay for the padding to whole words. */
	twcc_plan(&plan, at_us, n, left - head - 4);
	if (plan.n == 0)
		return -ENOSPC;
	uint8_t *body = out->data + out->len + head, *p = body;
	for (size_t i = 0; i < plan.n; p += 2)
		i += twcc_write_chunk(&plan, i, p);
	for (size_t i = 0; i < plan.n; i++) {
		if (plan.symbol[i] == TWCC_SMALL) {
			*p++ = (uint8_t)plan.delta[i];
		} else if (plan.symbol[i] == TWCC_LARGE) {
			rtp_put16(p, (uint16_t)plan.delta[i]);
			p += 2;
		}
	}
	while ((p - body) % 4)
		*p++ = 0;
	uint8_t *fci = feedback_begin(out, RTCP_RTPFB, RTCP_RTPFB_TWCC, sender, media, 8 + (size_t)(p - body));
	rtp_put16(fci, base);
	rtp_put16(fci + 2, (uint16_t)plan.n);
	rtp_put24(fci + 4, (uint32_t)plan.reference & 0xffffff);
	fci[7] = number;
	*ret_told = plan.n;
	return 0;
}
