/* lib/rtcp.h - RTCP (RFC 3550, 4585, 5104, draft-alvestrand-rmcat-remb,
 * draft-holmer-rmcat-transport-wide-cc-extensions-01), read and written.
 *
 * Pure functions of bytes.
 *
 *     if (rtcp_check(data, len) < 0) …                the whole compound, before any of it is acted upon
 *     while (rtcp_next(&data, &len, &packet) == 0)    then each packet of it
 *
 * Reduced-size packets (RFC 5506) are accepted and built: a=rtcp-rsize belongs into the answer. */
#ifndef PARLEY_LIB_RTCP_H
#define PARLEY_LIB_RTCP_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rtcp_type {
	RTCP_SR = 200,
	RTCP_RR = 201,
	RTCP_SDES = 202,
	RTCP_BYE = 203,
	RTCP_APP = 204,
	RTCP_RTPFB = 205,
	RTCP_PSFB = 206,
	RTCP_XR = 207,
};

enum rtcp_rtpfb { RTCP_RTPFB_NACK = 1, RTCP_RTPFB_TWCC = 15 };
enum rtcp_psfb { RTCP_PSFB_PLI = 1, RTCP_PSFB_FIR = 4, RTCP_PSFB_AFB = 15 };

struct rtcp_packet {
	uint8_t type;  /* enum rtcp_type, or another */
	uint8_t count; /* report count, source count or feedback format */
	const uint8_t *body;
	size_t len; /* of body: without the first word and without padding */
};

struct rtcp_sender {
	uint64_t ntp;
	uint32_t rtp, packets, octets;
};

struct rtcp_block {
	uint32_t ssrc;
	uint8_t fraction_lost;
	int32_t lost; /* 24 bits, signed */
	uint32_t highest, jitter, lsr, dlsr;
};

/* 0 when the compound is whole: versions, lengths, padding (of any length), and every packet long enough for
 * what its count promises. -EPROTO. */
int rtcp_check(const uint8_t *data, size_t len);
/* Takes one packet off the front. -ENOENT at the end. Only after rtcp_check(). */
int rtcp_next(const uint8_t **data, size_t *len, struct rtcp_packet *ret_packet);

/* Of SR, RR and feedback: who says it. Of feedback: about whom. rtcp_check() saw to the length. */
uint32_t rtcp_sender_ssrc(const struct rtcp_packet *packet);
uint32_t rtcp_media_ssrc(const struct rtcp_packet *packet);
void rtcp_read_sender(const struct rtcp_packet *sr, struct rtcp_sender *ret_sender);
/* Report block i < count of an SR or RR. */
void rtcp_read_block(const struct rtcp_packet *packet, unsigned i, struct rtcp_block *ret_block);
/* NACK: pairs of (first lost, bitmap of the 16 after it). */
size_t rtcp_nack_pairs(const struct rtcp_packet *nack);
void rtcp_read_nack(const struct rtcp_packet *nack, size_t i, uint16_t *ret_first, uint16_t *ret_bitmap);
/* FIR: entries of (SSRC, command number). */
size_t rtcp_fir_entries(const struct rtcp_packet *fir);
void rtcp_read_fir(const struct rtcp_packet *fir, size_t i, uint32_t *ret_ssrc, uint8_t *ret_command);
/* REMB in bit/s; -ENOENT when the application feedback is something else. */
int rtcp_read_remb(const struct rtcp_packet *afb, uint64_t *ret_bps);

/* Transport-wide feedback: calls fn for each packet it tells about, in order. at_us is the arrival in
 * microseconds of the receiver's clock (reference time included), meaningless when not received.
 * -EPROTO when chunks or deltas are missing; what came before was reported. */
typedef void rtcp_twcc_cb(void *arg, uint16_t seq, bool received, int64_t at_us);
struct rtcp_twcc {
	uint16_t base, count;
	int32_t reference; /* 64 ms units, signed 24 bits */
	uint8_t number;	   /* of this feedback, rises by one */
};
int rtcp_read_twcc(const struct rtcp_packet *packet, struct rtcp_twcc *ret_twcc, rtcp_twcc_cb *fn, void *arg);

/* ---- writing: packets one after another into a buffer; 0 or -ENOSPC (then nothing was added) ---- */
struct rtcp_out {
	uint8_t *data;
	size_t cap, len;
};

int rtcp_add_sr(struct rtcp_out *out, uint32_t ssrc, const struct rtcp_sender *sender, const struct rtcp_block *blocks,
		unsigned n);
int rtcp_add_rr(struct rtcp_out *out, uint32_t ssrc, const struct rtcp_block *blocks, unsigned n);
/* One chunk with one CNAME (at most 255 bytes). */
int rtcp_add_cname(struct rtcp_out *out, uint32_t ssrc, const char *cname);
int rtcp_add_bye(struct rtcp_out *out, uint32_t ssrc);
int rtcp_add_pli(struct rtcp_out *out, uint32_t sender, uint32_t media);
int rtcp_add_fir(struct rtcp_out *out, uint32_t sender, uint32_t media, uint8_t command);
/* Sequence numbers in rising order (on the circle); as many pairs as they need. */
int rtcp_add_nack(struct rtcp_out *out, uint32_t sender, uint32_t media, const uint16_t *seq, size_t n);
int rtcp_add_remb(struct rtcp_out *out, uint32_t sender, const uint32_t *media, unsigned n, uint64_t bps);

/* Arrivals of packets base, base + 1, …: at_us[i], or RTCP_TWCC_MISSING. Writes as many as fit into one
 * packet of the buffer and into the range of its deltas, and says how many (the last of them arrived).
 * -ENOSPC when not even the first that arrived fits, -ENOENT when none did. */
#define RTCP_TWCC_MISSING INT64_MIN
int rtcp_add_twcc(struct rtcp_out *out, uint32_t sender, uint32_t media, uint16_t base, const int64_t *at_us, size_t n,
		  uint8_t number, size_t *ret_told);

#endif
