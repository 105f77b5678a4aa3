#include "tests/decode/obu.h"

#include "lib/err.h"
#include "tests/support/cm.h"

#include <string.h>

#define OBU_SEQUENCE	       1
#define OBU_TEMPORAL_DELIMITER 2
#define OBU_TYPE(header)       ((header) >> 3 & 15)
#define OBU_EXTENSION	       0x04
#define OBU_HAS_SIZE	       0x02

static size_t read_leb128(const uint8_t *p, size_t len, size_t *at)
{
	size_t value = 0;

	for (unsigned shift = 0; shift < 35; shift += 7) {
		assert_true(*at < len);
		value |= (size_t)(p[*at] & 0x7f) << shift;
		if (!(p[(*at)++] & 0x80))
			return value;
	}
	fail_msg("a size that does not end");
	return 0;
}

static void append_leb128(struct buf *b, size_t value)
{
	do {
		buf_append_char(b, (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0)));
		value >>= 7;
	} while (value);
}

/* One element (an OBU without a size) over as many packets as it takes. Each packet has one element or piece of one:
 * W = 1. */
static void pay_element(struct picture *picture, const struct buf *element)
{
	for (size_t at = 0; at < element->len;) {
		size_t n = MIN(element->len - at, PICTURE_PAYLOAD_MAX - 1u);
		assert_true(picture->len < PICTURE_PACKETS_MAX);
		uint8_t *p = picture->packet[picture->len].data;
		p[0] = (uint8_t)(0x10 | (at > 0 ? 0x80 : 0) | (at + n < element->len ? 0x40 : 0));
		memcpy(p + 1, element->data + at, n);
		picture->packet[picture->len++].len = (uint16_t)(n + 1);
		at += n;
	}
}

/* A small element (the sequence header) and what follows share a packet: W = 2, the first with its length. */
static void pay_pair(struct picture *picture, const struct buf *small, const struct buf *element)
{
	struct buf head = { 0 }, rest = *element;
	uint8_t *p = picture->packet[picture->len].data;

	append_leb128(&head, small->len);
	buf_append(&head, small->data, small->len);
	assert_true(!head.failed && head.len < 100);
	size_t n = MIN(element->len, PICTURE_PAYLOAD_MAX - 1u - head.len);
	p[0] = (uint8_t)(0x20 | (n < element->len ? 0x40 : 0));
	memcpy(p + 1, head.data, head.len);
	memcpy(p + 1 + head.len, element->data, n);
	picture->packet[picture->len++].len = (uint16_t)(1 + head.len + n);
	buf_fini(&head);
	if (n == element->len)
		return;
	rest.data += n;
	rest.len -= n;
	unsigned first = picture->len;
	pay_element(picture, &rest);
	picture->packet[first].data[0] |= 0x80;
}

void obu_pay(const uint8_t *unit, size_t len, bool key, struct picture *ret_picture)
{
	struct buf sequence = { 0 }, element = { 0 };
	bool has_sequence = false;

	ret_picture->len = 0;
	for (size_t at = 0; at < len;) {
		uint8_t header = unit[at++];
		assert_true(header & OBU_HAS_SIZE);
		uint8_t extension = header & OBU_EXTENSION ? unit[at++] : 0;
		size_t size = read_leb128(unit, len, &at);
		assert_true(size <= len - at);
		buf_clear(&element);
		buf_append_char(&element, (char)(header & ~OBU_HAS_SIZE));
		if (header & OBU_EXTENSION)
			buf_append_char(&element, (char)extension);
		buf_append(&element, unit + at, size);
		assert_false(element.failed);
		at += size;
		if (OBU_TYPE(header) == OBU_TEMPORAL_DELIMITER)
			continue;
		if (OBU_TYPE(header) == OBU_SEQUENCE) {
			has_sequence = true;
			buf_clear(&sequence);
			buf_append(&sequence, element.data, element.len);
			continue;
		}
		if (sequence.len)
			pay_pair(ret_picture, &sequence, &element);
		else
			pay_element(ret_picture, &element);
		buf_clear(&sequence);
	}
	assert_true(ret_picture->len > 0);
	assert_int_equal(has_sequence, key);
	if (key)
		ret_picture->packet[0].data[0] |= 0x08;
	buf_fini(&sequence);
	buf_fini(&element);
}

void obu_depay_fini(struct obu_depay *depay)
{
	buf_fini(&depay->unit);
	buf_fini(&depay->open);
}

/* The OBU in `open` is whole: into the unit, with a size. */
static void close_obu(struct obu_depay *depay)
{
	const struct buf *b = &depay->open;
	size_t head = b->len && (b->data[0] & OBU_EXTENSION) ? 2 : 1;

	assert_true(b->len >= head);
	assert_false(b->data[0] & OBU_HAS_SIZE);
	buf_append_char(&depay->unit, (char)(b->data[0] | OBU_HAS_SIZE));
	buf_append(&depay->unit, b->data + 1, head - 1);
	append_leb128(&depay->unit, b->len - head);
	buf_append(&depay->unit, b->data + head, b->len - head);
	assert_false(depay->unit.failed);
	buf_clear(&depay->open);
}

void obu_depay(struct obu_depay *depay, const uint8_t *payload, size_t len)
{
	assert_true(len > 1);
	bool first_goes_on = payload[0] & 0x80, last_goes_on = payload[0] & 0x40;
	unsigned count = payload[0] >> 4 & 3;

	assert_int_equal(first_goes_on, depay->goes_on);
	for (size_t at = 1, n = 1; at < len; n++) {
		size_t size = n == count ? len - at : read_leb128(payload, len, &at);
		assert_true(size <= len - at);
		buf_append(&depay->open, payload + at, size);
		assert_false(depay->open.failed);
		at += size;
		depay->goes_on = at == len && last_goes_on;
		if (!depay->goes_on)
			close_obu(depay);
	}
}
