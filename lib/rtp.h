/* lib/rtp.h - RTP packets (RFC 3550) with header extensions (RFC 8285), read and written.
 *
 * Pure functions of bytes. What is parsed points into the caller's packet.
 * Errors:    -EPROTO: not a well-formed RTP packet. An extension element that runs over its block ends the
 *            list of elements and is not an error (RFC 8285 4.2: what follows is ignored). */
#ifndef PARLEY_LIB_RTP_H
#define PARLEY_LIB_RTP_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTP_HEADER_LEN	 12
#define RTP_ELEMENTS_MAX 16

static inline uint16_t rtp_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t rtp_get24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t rtp_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | rtp_get24(p + 1);
}

static inline void rtp_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void rtp_put24(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 16);
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)v;
}

static inline void rtp_put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	rtp_put24(p + 1, v);
}

/* a is later than b, on the circle. */
static inline bool rtp_seq_newer(uint16_t a, uint16_t b)
{
	return (int16_t)(uint16_t)(a - b) > 0;
}

struct rtp_element {
	uint8_t id, len;
	const uint8_t *data;
};

struct rtp {
	uint8_t payload_type;
	bool marker;
	uint16_t seq;
	uint32_t timestamp, ssrc;
	uint16_t payload_offset; /* after header, CSRCs and extensions */
	uint16_t payload_len;	 /* without padding */
	uint16_t padding_len;
	uint8_t elements_len;
	struct rtp_element element[RTP_ELEMENTS_MAX];
};

int rtp_parse(const uint8_t *data, size_t len, struct rtp *ret_rtp);
/* NULL when it is not there, or id is 0. */
const struct rtp_element *rtp_find(const struct rtp *rtp, uint8_t id);

/* The 48-bit index (ROC << 16 | seq) nearest to the highest one seen (RFC 3711 3.3.1). */
uint64_t rtp_index_guess(uint64_t highest, uint16_t seq);

/* RTX (RFC 4588) to plain, in place: original sequence number, payload type and SSRC; padding is cut.
 * Returns the new length; 0 when there is no original in it (padding, used as a probe). rtp is updated. */
size_t rtp_unwrap_rtx(uint8_t *data, struct rtp *rtp, uint8_t payload_type, uint32_t ssrc);

/* Writing: begin, elements in any order, end; then the payload at data + len.
 *
 *     rtp_begin(&w, p, cap, two_byte);
 *     rtp_add(&w, id, data, n);            ids 0 are skipped
 *     rtp_end(&w, pt, marker, seq, timestamp, ssrc);       0 or -ENOSPC
 */
struct rtp_writer {
	uint8_t *data;
	size_t cap, len;
	bool two_byte, failed;
};

/* two_byte: some id is above 14 or some element longer than 16 bytes or empty. */
void rtp_begin(struct rtp_writer *w, uint8_t *data, size_t cap, bool two_byte);
void rtp_add(struct rtp_writer *w, uint8_t id, const void *data, size_t len);
int rtp_end(struct rtp_writer *w, uint8_t payload_type, bool marker, uint16_t seq, uint32_t timestamp, uint32_t ssrc);

#endif
