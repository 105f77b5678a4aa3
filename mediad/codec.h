/* mediad/codec.h - what a forwarder must know of a codec's payload: does a key frame begin here, which frame
 * and temporal layer is it, and where do the numbers stand that must go on unbroken over a change of source.
 *
 *   VP8    RFC 7741: payload descriptor (picture id, TL0PICIDX, TID, N), P bit of the frame header
 *   VP9    RFC 9628: payload descriptor (picture id, TL0PICIDX, TID, P), spatial layer 0 of a non-inter frame
 *   H.264  RFC 6184: an SPS, or the first slice of an IDR picture, in a single NAL, a STAP-A or the first fragment of
 *          an FU-A
 *   AV1    RTP Payload Format For AV1: N bit of the aggregation header, sequence header OBU in the first
 *          element; or a dependency descriptor with a template structure
 *
 * The size of the pictures stands in the frame header (VP8), the scalability structure (VP9), the SPS (H.264) and the
 * sequence header (AV1).
 *
 * Pure functions of bytes. What a forwarder cannot do without is read from bytes that stay in the clear with
 * end-to-end encryption for VP9 and AV1; VP8 and H.264 look one byte further. A size that cannot be read is not known.
 * Errors:    a payload that is cut short is no key frame and has no ids: it is forwarded as it came. */
#ifndef PARLEY_MEDIAD_CODEC_H
#define PARLEY_MEDIAD_CODEC_H

#include "shm/session.h"

struct codec_info {
	bool keyframe;	  /* a key frame begins with this packet */
	bool frame_start; /* first packet of a frame (of a layer frame) */
	bool discardable;
	bool parameters; /* H.264: a parameter set that the key frame needs */
	uint8_t temporal;
	bool scalable; /* a picture may be left out for its temporal layer (VP8 for now); */
	bool sync;     /* and this one refers to nothing above the layers below its own */
	uint8_t descriptor_len;
	uint8_t picture_id_bits; /* 0, 7 or 15 */
	bool has_tl0picidx;
	uint8_t tl0picidx;
	uint16_t picture_id;
	uint16_t width, height; /* of the pictures from this key frame on; 0 = it does not say */
};

void codec_parse(enum codec codec, const uint8_t *payload, size_t len, struct codec_info *ret_info);
/* The dependency descriptor header extension carries a template structure: a key frame begins. */
bool codec_descriptor_is_key(const uint8_t *data, size_t len);
/* Writes picture id and TL0PICIDX where the payload (VP8, VP9) has them; its length stays. */
void codec_rewrite(enum codec codec, uint8_t *payload, size_t len, uint16_t picture_id, uint8_t tl0picidx);

/* RED (RFC 2198): where the primary encoding begins, behind the block headers and the older copies, and whose payload
 * type it has. len when there is none in it. */
size_t codec_red_primary(const uint8_t *payload, size_t len, uint8_t *ret_payload_type);
/* Its blocks say another payload type: the receiver numbers Opus in its own way. */
void codec_red_rewrite(uint8_t *payload, size_t len, uint8_t payload_type);

/* Can a peer that negotiated `to` decode what is described by `from`? */
bool codec_matches(const struct session_codec *from, const struct session_codec *to);
/* The entry of that payload type; ret_is_rtx tells which of the two it was. NULL. */
const struct session_codec *codec_find(const struct session_mline *mline, uint8_t payload_type, bool *ret_is_rtx);
/* The best entry of an m-line for a source; for RED without RED the plain Opus, which is then unwrapped. NULL. */
const struct session_codec *codec_match(const struct session_mline *mline, const struct session_codec *from);
const char *codec_name(enum codec codec);

#endif
