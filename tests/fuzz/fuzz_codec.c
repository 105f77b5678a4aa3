/* links: mediad */
/* First byte: the codec. The rest: a payload. */
#include "mediad/codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct codec_info info, again;

	if (len == 0)
		return 0;
	enum codec codec = data[0] % CODEC_COUNT;
	size_t n = len - 1;
	uint8_t *payload = malloc(n ? n : 1);
	if (!payload)
		abort();
	memcpy(payload, data + 1, n);
	codec_parse(codec, payload, n, &info);
	if (info.descriptor_len > n)
		abort();
	if (!info.width != !info.height && codec != CODEC_VP8 && codec != CODEC_VP9) /* these may say 0 */
		abort();
	if (info.scalable && (info.picture_id_bits != 15 || !info.has_tl0picidx || info.temporal > 3))
		abort();
	/* Rewriting changes the numbers and nothing else. */
	codec_rewrite(codec, payload, n, 0x1abc, 0x5d);
	codec_parse(codec, payload, n, &again);
	if (again.keyframe != info.keyframe || again.frame_start != info.frame_start ||
	    again.temporal != info.temporal || again.scalable != info.scalable || again.sync != info.sync ||
	    again.descriptor_len != info.descriptor_len || again.picture_id_bits != info.picture_id_bits ||
	    again.has_tl0picidx != info.has_tl0picidx)
		abort();
	if ((info.picture_id_bits == 15 && again.picture_id != 0x1abc) ||
	    (info.picture_id_bits == 7 && again.picture_id != 0x3c) || (info.has_tl0picidx && again.tl0picidx != 0x5d))
		abort();
	(void)codec_descriptor_is_key(payload, n);
	uint8_t pt = 0;
	size_t at = codec_red_primary(payload, n, &pt);
	codec_red_rewrite(payload, n, 96);
	if (at > n || codec_red_primary(payload, n, &pt) != at || (at < n && pt != 96))
		abort();
	free(payload);
	return 0;
}
