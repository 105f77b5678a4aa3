/* links: mediad */
#include "lib/rtp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* What was parsed lies inside the packet, and written again it reads as the same. */
static void check_round_trip(const uint8_t *data, size_t len, const struct rtp *rtp)
{
	uint8_t out[8192];
	struct rtp_writer w;
	struct rtp again;

	rtp_begin(&w, out, sizeof(out), true);
	for (unsigned i = 0; i < rtp->elements_len; i++) {
		const struct rtp_element *e = &rtp->element[i];
		check(e->data >= data && e->data + e->len <= data + len);
		rtp_add(&w, e->id, e->data, e->len);
	}
	check(rtp_end(&w, rtp->payload_type, rtp->marker, rtp->seq, rtp->timestamp, rtp->ssrc) == 0);
	check(rtp_parse(out, w.len, &again) == 0);
	check(again.elements_len == rtp->elements_len && again.seq == rtp->seq && again.marker == rtp->marker);
	for (unsigned i = 0; i < rtp->elements_len; i++)
		check(again.element[i].len == rtp->element[i].len &&
		      memcmp(again.element[i].data, rtp->element[i].data, again.element[i].len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rtp rtp;

	if (rtp_parse(data, len, &rtp) < 0)
		return 0;
	check((size_t)rtp.payload_offset + rtp.payload_len + rtp.padding_len == len);
	check_round_trip(data, len, &rtp);
	uint8_t *copy = malloc(len);
	check(copy != NULL);
	memcpy(copy, data, len);
	size_t n = rtp_unwrap_rtx(copy, &rtp, 96, 1);
	check(n <= len);
	if (n > 0)
		check(rtp_parse(copy, n, &rtp) == 0 && rtp.ssrc == 1 && rtp.payload_type == 96);
	free(copy);
	return 0;
}
