/* tests/decode/obu.h - RTP Payload Format For AV1, written for the tests alone: GStreamer of Debian 12 has none.
 *
 * A temporal unit in the low-overhead format (AV1 5.2) becomes payloads with an aggregation header, each OBU an element
 * without its size field, temporal delimiters left out; and back. Pure but for assertions: both ends are the test's. */
#ifndef PARLEY_TESTS_DECODE_OBU_H
#define PARLEY_TESTS_DECODE_OBU_H

#include "lib/buf.h"
#include "tests/decode/picture.h"

void obu_pay(const uint8_t *unit, size_t len, bool key, struct picture *ret_picture);

/* What has come of a temporal unit; zeroed at first. */
struct obu_depay {
	struct buf unit; /* whole OBUs, sizes in them */
	struct buf open; /* an OBU that goes on in the next packet */
	bool goes_on;
};
void obu_depay_fini(struct obu_depay *depay);
/* A payload, in order. Begin a unit by clearing `unit`. */
void obu_depay(struct obu_depay *depay, const uint8_t *payload, size_t len);

#endif
