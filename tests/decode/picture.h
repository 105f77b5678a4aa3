/* tests/decode/picture.h - real pictures on both ends of the media path: a moving scene through an encoder and a
 * payloader into RTP payloads, and RTP payloads through a depayloader and a decoder into pictures.
 *
 *              encoder (GStreamer)          payloader       depayloader     decoder (FFmpeg)
 *   VP8        libvpx, 3 temporal layers    rtpvp8pay       rtpvp8depay     vp8
 *   H.264      OpenH264, as in Chromium     rtph264pay      rtph264depay    h264
 *   VP9        libvpx                       rtpvp9pay       rtpvp9depay     vp9
 *   AV1        libaom                       obu.h           obu.h           libdav1d
 *
 * All in the caller's thread: what goes in comes out at once.
 * Errors:    a decoder that warns, or does not give exactly one picture for each that goes in, fails the test. */
#ifndef PARLEY_TESTS_DECODE_PICTURE_H
#define PARLEY_TESTS_DECODE_PICTURE_H

#include "mediad/codec.h"

#define PICTURE_PACKETS_MAX 64
#define PICTURE_PAYLOAD_MAX 400

/* An encoded picture as its payloads. */
struct picture {
	unsigned len;
	struct {
		uint16_t len;
		uint8_t data[PICTURE_PAYLOAD_MAX];
	} packet[PICTURE_PACKETS_MAX];
};

/* Once, before anything else. */
void picture_init(void);

struct encoder;
/* scene: which one; no two look alike at any moment. */
struct encoder *encoder_new(enum codec codec, unsigned width, unsigned height, unsigned scene);
struct encoder *encoder_free(struct encoder *encoder);
/* The next moment of the scene. */
void encoder_next(struct encoder *encoder, bool key, struct picture *ret_picture);

struct decoder;
struct decoder *decoder_new(enum codec codec);
struct decoder *decoder_free(struct decoder *decoder);
/* A packet of the picture; with the last one (marker) the picture is decoded: true, with a hash of what is seen. */
bool decoder_packet(struct decoder *decoder, uint16_t seq, uint32_t timestamp, bool marker, const uint8_t *payload,
		    size_t len, uint64_t *ret_hash);

#endif
