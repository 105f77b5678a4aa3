/* links: mediad */
#include "mediad/frame.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct heard {
	uint64_t digest;
	size_t bytes;
};

static bool hear(void *arg, const uint8_t *packet, size_t len)
{
	struct heard *h = arg;

	assert(len > 0 && len <= FRAME_MAX);
	h->digest = (h->digest ^ len) * 1099511628211u;
	for (size_t i = 0; i < len; i++)
		h->digest = (h->digest ^ packet[i]) * 1099511628211u;
	h->bytes += len;
	/* A packet of one byte 0xff ends it. */
	return len != 1 || packet[0] != 0xff;
}

static uint64_t read_in_steps(const uint8_t *data, size_t len, size_t step)
{
	struct frame_reader reader = { 0 };
	struct heard h = { .digest = 1469598103934665603u };
	int err = 0;

	for (size_t at = 0; at < len && err == 0; at += MIN(step, len - at))
		err = frame_read(&reader, data + at, MIN(step, len - at), hear, &h);
	assert(err == 0 || err == -EPROTO || err == -ECANCELED);
	assert(reader.have <= sizeof(reader.part) && h.bytes <= len);
	return (h.digest ^ (uint64_t)-err) * 1099511628211u;
}

/* The same packets come out, and the same end, however the stream arrives. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const size_t steps[] = { 1, 7, 1000 };
	uint64_t whole = read_in_steps(data, len, SIZE_MAX);

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		uint64_t again = read_in_steps(data, len, steps[i]);
		assert(whole == again);
	}
	return 0;
}
