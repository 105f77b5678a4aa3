#include "mediad/codec.h"

#include "lib/rtp.h"
#include "mediad/bits.h"

/* Where the numbers stand inside a payload descriptor; 0 = not there (no number stands at offset 0). */
struct places {
	uint8_t picture_id, tl0picidx;
};

static bool parse_picture_id(const uint8_t *p, size_t len, size_t *at, struct codec_info *info, struct places *places)
{
	if (*at >= len)
		return false;
	places->picture_id = (uint8_t)*at;
	if (p[*at] & 0x80) {
		if (*at + 1 >= len)
			return false;
		info->picture_id = rtp_get16(p + *at) & 0x7fff;
		info->picture_id_bits = 15;
		*at += 2;
	} else {
		info->picture_id = p[*at];
		info->picture_id_bits = 7;
		*at += 1;
	}
	return true;
}

/* False when the payload is cut short. */
static bool parse_vp8(const uint8_t *p, size_t len, struct codec_info *info, struct places *places)
{
	size_t at = 1;

	if (len < 2)
		return false;
	info->discardable = p[0] & 0x20;
	info->frame_start = (p[0] & 0x10) && (p[0] & 0x07) == 0;
	if (p[0] & 0x80) {
		uint8_t x = p[at++];
		if ((x & 0x80) && !parse_picture_id(p, len, &at, info, places))
			return false;
		if (x & 0x40) {
			if (at >= len)
				return false;
			info->has_tl0picidx = true;
			info->tl0picidx = p[at];
			places->tl0picidx = (uint8_t)at++;
		}
		if (x & 0x30) {
			if (at >= len)
				return false;
			info->temporal = (x & 0x20) ? p[at] >> 6 : 0;
			info->sync = (x & 0x20) && (p[at] & 0x20);
			info->scalable = (x & 0x20) && info->has_tl0picidx && info->picture_id_bits == 15;
			at++;
		}
	}
	if (at >= len)
		return false;
	info->descriptor_len = (uint8_t)at;
	info->keyframe = info->frame_start && (p[at] & 0x01) == 0;
	/* RFC 6386 9.1: three bytes of tag, a start code, then 14 bits each, little-endian, and two of scaling. */
	if (info->keyframe && len - at >= 10 && p[at + 3] == 0x9d && p[at + 4] == 0x01 && p[at + 5] == 0x2a) {
		info->width = (uint16_t)((p[at + 6] | p[at + 7] << 8) & 0x3fff);
		info->height = (uint16_t)((p[at + 8] | p[at + 9] << 8) & 0x3fff);
	}
	return true;
}

/* Skips the reference indexes of flexible mode; returns the offset behind them, 0 when cut short. */
static size_t skip_vp9_references(const uint8_t *p, size_t len, size_t at)
{
	for (unsigned i = 0; i < 3; i++) {
		if (at >= len)
			return 0;
		if ((p[at++] & 1) == 0)
			return at;
	}
	return at;
}

/* Scalability structure, with the size of each spatial layer; returns the offset behind it, 0 when cut short. */
static size_t read_vp9_structure(const uint8_t *p, size_t len, size_t at, struct codec_info *info)
{
	if (at >= len)
		return 0;
	uint8_t head = p[at++];
	if (head & 0x10) {
		at += 4 * ((size_t)(head >> 5) + 1);
		if (at > len)
			return 0;
		info->width = rtp_get16(p + at - 4);
		info->height = rtp_get16(p + at - 2);
	}
	if (head & 0x08) {
		if (at >= len)
			return 0;
		unsigned pictures = p[at++];
		for (unsigned i = 0; i < pictures; i++) {
			if (at >= len)
				return 0;
			at += 1 + (size_t)(p[at] >> 2 & 3);
		}
	}
	return at < len ? at : 0;
}

static bool parse_vp9(const uint8_t *p, size_t len, struct codec_info *info, struct places *places)
{
	size_t at = 1;
	unsigned spatial = 0;

	if (len < 2)
		return false;
	bool inter = p[0] & 0x40, flexible = p[0] & 0x10;
	info->frame_start = p[0] & 0x08;
	info->discardable = false;
	if ((p[0] & 0x80) && !parse_picture_id(p, len, &at, info, places))
		return false;
	if (p[0] & 0x20) {
		if (at >= len)
			return false;
		info->temporal = p[at] >> 5;
		spatial = p[at] >> 1 & 7;
		at++;
		if (!flexible) {
			if (at >= len)
				return false;
			info->has_tl0picidx = true;
			info->tl0picidx = p[at];
			places->tl0picidx = (uint8_t)at++;
		}
	}
	if (flexible && inter)
		at = skip_vp9_references(p, len, at);
	if (at && (p[0] & 0x02))
		at = read_vp9_structure(p, len, at, info);
	if (at == 0 || at >= len)
		return false;
	info->descriptor_len = at <= UINT8_MAX ? (uint8_t)at : 0;
	info->keyframe = info->frame_start && !inter && spatial == 0;
	return true;
}

#define H264_IDR 5
#define H264_SPS 7

/* What a NAL of len bytes begins. A picture's first slice is that of macroblock 0: a single 1 (7.3.3). */
static void h264_read_nal(uint8_t type, const uint8_t *body, size_t len, struct codec_info *info)
{
	bool first = len > 0 && (body[0] & 0x80);

	if (type == H264_SPS)
		info->parameters = info->keyframe = true;
	else if (type == H264_IDR && first)
		info->keyframe = true;
	info->frame_start |= type > H264_IDR || first;
}

/* Of lists of scaling factors only the length matters (7.3.2.1.1.1). */
static void h264_skip_scaling(struct bits *b, unsigned n)
{
	int last = 8, next = 8;

	for (unsigned i = 0; i < n && next != 0; i++) {
		next = (int)((unsigned)last + (unsigned)bits_se(b)) & 255;
		last = next ? next : last;
	}
}

static void h264_skip_chroma(struct bits *b)
{
	unsigned chroma = bits_ue(b);

	if (chroma == 3)
		bits_get(b, 1);
	bits_ue(b);
	bits_ue(b);
	bits_get(b, 1);
	if (bits_get(b, 1)) {
		for (unsigned i = 0; i < (chroma == 3 ? 12 : 8); i++) {
			if (bits_get(b, 1))
				h264_skip_scaling(b, i < 6 ? 16 : 64);
		}
	}
}

static void h264_skip_order(struct bits *b)
{
	unsigned type = bits_ue(b);

	if (type == 0) {
		bits_ue(b);
	} else if (type == 1) {
		bits_get(b, 1);
		bits_se(b);
		bits_se(b);
		for (unsigned n = MIN(bits_ue(b), 255); n > 0; n--)
			bits_se(b);
	}
}

static bool h264_profile_has_chroma(unsigned idc)
{
	return idc == 100 || idc == 110 || idc == 122 || idc == 244 || idc == 44 || idc == 83 || idc == 86 ||
	       idc == 118 || idc == 128;
}

/* Sequence parameter set (H.264 7.3.2.1.1), behind the NAL header, up to the size. */
static void h264_read_sps(const uint8_t *p, size_t len, struct codec_info *info)
{
	struct bits b;

	bits_init_rbsp(&b, p, len);
	unsigned idc = bits_get(&b, 8);
	bits_get(&b, 16);
	bits_ue(&b);
	if (h264_profile_has_chroma(idc))
		h264_skip_chroma(&b);
	bits_ue(&b);
	h264_skip_order(&b);
	bits_ue(&b);
	bits_get(&b, 1);
	unsigned width = bits_ue(&b), height = bits_ue(&b);
	unsigned fields = 2 - bits_get(&b, 1), left = 0, right = 0, top = 0, bottom = 0;
	if (fields == 2)
		bits_get(&b, 1);
	bits_get(&b, 1);
	if (bits_get(&b, 1)) { /* cropped: 4:2:0 counts in pairs of pixels */
		left = bits_ue(&b);
		right = bits_ue(&b);
		top = bits_ue(&b);
		bottom = bits_ue(&b);
	}
	if (b.failed || width > 1023 || height > 1023 || left > 1024 || right > 1024 || top > 1024 || bottom > 1024)
		return;
	width = (width + 1) * 16;
	height = (height + 1) * 16 * fields;
	if (width <= 2 * (left + right) || height <= 2 * (top + bottom) * fields)
		return;
	info->width = (uint16_t)(width - 2 * (left + right));
	info->height = (uint16_t)(height - 2 * (top + bottom) * fields);
}

static void h264_read_stap(const uint8_t *p, size_t len, struct codec_info *info)
{
	struct codec_info found = { 0 };

	for (size_t at = 1, size; at + 2 < len; at += 2 + size) {
		size = rtp_get16(p + at);
		if (size == 0 || size > len - at - 2)
			return;
		h264_read_nal(p[at + 2] & 31, p + at + 3, size - 1, &found);
		if ((p[at + 2] & 31) == H264_SPS)
			h264_read_sps(p + at + 3, size - 1, &found);
	}
	found.discardable = info->discardable;
	*info = found;
}

static bool parse_h264(const uint8_t *p, size_t len, struct codec_info *info)
{
	if (len < 2)
		return false;
	uint8_t type = p[0] & 31;
	info->discardable = (p[0] & 0x60) == 0;
	if (type >= 1 && type <= 23) {
		h264_read_nal(type, p + 1, len - 1, info);
		if (type == H264_SPS)
			h264_read_sps(p + 1, len - 1, info);
	} else if (type == 24) {
		h264_read_stap(p, len, info);
	} else if ((type == 28 || type == 29) && (p[1] & 0x80)) {
		size_t skip = type == 28 ? 2 : 4; /* FU-B: a decoding order number */
		if (len > skip)
			h264_read_nal(p[1] & 31, p + skip, len - skip, info);
	}
	return true;
}

/* Decoder timing of an operating point (AV1 5.5.5), which nobody needs here. */
static void av1_skip_point(struct bits *b, bool model, unsigned delay_bits, bool display_delay)
{
	bits_get(b, 12);
	if (bits_get(b, 5) > 7)
		bits_get(b, 1);
	if (model && bits_get(b, 1)) {
		bits_get(b, delay_bits);
		bits_get(b, delay_bits);
		bits_get(b, 1);
	}
	if (display_delay && bits_get(b, 1))
		bits_get(b, 4);
}

static void av1_skip_points(struct bits *b)
{
	bool model = false;
	unsigned delay_bits = 0;

	if (bits_get(b, 1)) { /* timing info */
		bits_get(b, 32);
		bits_get(b, 32);
		if (bits_get(b, 1))
			bits_ue(b);
		model = bits_get(b, 1);
		if (model) {
			delay_bits = bits_get(b, 5) + 1;
			bits_get(b, 32);
			bits_get(b, 10);
		}
	}
	bool display_delay = bits_get(b, 1);
	for (unsigned n = bits_get(b, 5) + 1; n > 0; n--)
		av1_skip_point(b, model, delay_bits, display_delay);
}

/* Sequence header OBU (AV1 5.5.1), behind its OBU header, up to the size. */
static void av1_read_sequence(const uint8_t *p, size_t len, struct codec_info *info)
{
	struct bits b;

	bits_init(&b, p, len);
	bits_get(&b, 4); /* profile, still picture */
	if (bits_get(&b, 1))
		bits_get(&b, 5);
	else
		av1_skip_points(&b);
	unsigned width_bits = bits_get(&b, 4) + 1, height_bits = bits_get(&b, 4) + 1;
	unsigned width = bits_get(&b, width_bits), height = bits_get(&b, height_bits);
	if (b.failed || width >= UINT16_MAX || height >= UINT16_MAX)
		return;
	info->width = (uint16_t)(width + 1);
	info->height = (uint16_t)(height + 1);
}

/* Offset of the first element's OBU header, behind its length when it has one (W != 1), and behind a temporal
 * delimiter, which should not be there; len when it is cut short. */
static size_t av1_first_obu(const uint8_t *p, size_t len)
{
	size_t at = 1;

	if ((p[0] & 0x30) != 0x10) { /* W != 1: the first element has a length, LEB128 */
		while (at < len && (p[at] & 0x80))
			at++;
		at++;
	}
	if (at < len && (p[at] >> 3 & 15) == 2)
		at += 1 + ((p[at] & 0x04) ? 1 : 0) + ((p[at] & 0x02) ? 1 : 0) + 1;
	return MIN(at, len);
}

static bool parse_av1(const uint8_t *p, size_t len, struct codec_info *info)
{
	if (len < 2)
		return false;
	bool continues = p[0] & 0x80;
	size_t at = av1_first_obu(p, len);
	bool sequence = !continues && at < len && (p[at] >> 3 & 15) == 1;
	info->frame_start = !continues;
	info->descriptor_len = 1;
	/* Z and N exclude each other; some senders leave N out and are known by the sequence header. */
	info->keyframe = !continues && ((p[0] & 0x08) || sequence);
	if (sequence) {
		size_t skip = 1 + ((p[at] & 0x04) ? 1u : 0); /* header, its extension, and a size of its own */
		if (p[at] & 0x02) {
			while (at + skip < len && (p[at + skip] & 0x80))
				skip++;
			skip++;
		}
		if (at + skip < len)
			av1_read_sequence(p + at + skip, len - at - skip, info);
	}
	return true;
}

static bool parse(enum codec codec, const uint8_t *payload, size_t len, struct codec_info *info, struct places *places)
{
	switch (codec) {
	case CODEC_VP8:
		return parse_vp8(payload, len, info, places);
	case CODEC_VP9:
		return parse_vp9(payload, len, info, places);
	case CODEC_H264:
		return parse_h264(payload, len, info);
	case CODEC_AV1:
		return parse_av1(payload, len, info);
	default:
		return false;
	}
}

void codec_parse(enum codec codec, const uint8_t *payload, size_t len, struct codec_info *ret_info)
{
	struct codec_info info = { 0 };
	struct places places = { 0 };

	if (!parse(codec, payload, len, &info, &places))
		info = (struct codec_info){ 0 };
	*ret_info = info;
}

bool codec_descriptor_is_key(const uint8_t *data, size_t len)
{
	/* start, end, template id, frame number (3 bytes); then template_dependency_structure_present_flag. */
	return len > 3 && (data[0] & 0x80) && (data[3] & 0x80);
}

void codec_rewrite(enum codec codec, uint8_t *payload, size_t len, uint16_t picture_id, uint8_t tl0picidx)
{
	struct codec_info info = { 0 };
	struct places places = { 0 };

	if ((codec != CODEC_VP8 && codec != CODEC_VP9) || !parse(codec, payload, len, &info, &places))
		return;
	if (info.picture_id_bits == 15)
		rtp_put16(payload + places.picture_id, (uint16_t)(0x8000 | picture_id));
	else if (info.picture_id_bits == 7)
		payload[places.picture_id] = picture_id & 0x7f;
	if (info.has_tl0picidx)
		payload[places.tl0picidx] = tl0picidx;
}

/* Constrained Baseline has three spellings (RFC 6184 8.1, table 5). */
static bool h264_is_constrained_baseline(uint32_t profile)
{
	uint8_t idc = (uint8_t)(profile >> 16), iop = (uint8_t)(profile >> 8);

	return (idc == 0x42 && (iop & 0x40)) || (idc == 0x4d && (iop & 0x80)) || (idc == 0x58 && (iop & 0xc0) == 0xc0);
}

static bool h264_matches(const struct session_codec *from, const struct session_codec *to)
{
	uint8_t idc = (uint8_t)(to->profile >> 16);

	if (from->packetization_mode > to->packetization_mode)
		return false;
	if (h264_is_constrained_baseline(from->profile)) /* every decoder of these can */
		return h264_is_constrained_baseline(to->profile) || idc == 0x42 || idc == 0x4d || idc == 0x64;
	return from->profile >> 8 == to->profile >> 8;
}

size_t codec_red_primary(const uint8_t *payload, size_t len, uint8_t *ret_payload_type)
{
	size_t at = 0, older = 0;

	while (at < len && (payload[at] & 0x80)) {
		if (at + 4 > len)
			return len;
		older += rtp_get16(payload + at + 2) & 0x3ff;
		at += 4;
	}
	if (at >= len || older > len - at - 1)
		return len;
	*ret_payload_type = payload[at] & 0x7f;
	return at + 1 + older;
}

void codec_red_rewrite(uint8_t *payload, size_t len, uint8_t payload_type)
{
	size_t at = 0;

	for (; at + 4 <= len && (payload[at] & 0x80); at += 4)
		payload[at] = 0x80 | payload_type;
	if (at < len && !(payload[at] & 0x80))
		payload[at] = payload_type;
}

bool codec_matches(const struct session_codec *from, const struct session_codec *to)
{
	if (from->codec != to->codec || from->codec == CODEC_NONE || from->clock_rate != to->clock_rate)
		return false;
	switch (from->codec) {
	case CODEC_H264:
		return h264_matches(from, to);
	case CODEC_VP9:
	case CODEC_AV1:
		return from->profile == to->profile;
	default:
		return true;
	}
}

const struct session_codec *codec_find(const struct session_mline *mline, uint8_t payload_type, bool *ret_is_rtx)
{
	for (unsigned i = 0; i < MIN(mline->codecs_len, SESSION_CODECS_MAX); i++) {
		const struct session_codec *codec = &mline->codec[i];
		if (codec->pt == payload_type || (codec->rtx_pt && codec->rtx_pt == payload_type)) {
			*ret_is_rtx = codec->pt != payload_type;
			return codec;
		}
	}
	return NULL;
}

const struct session_codec *codec_match(const struct session_mline *mline, const struct session_codec *from)
{
	const struct session_codec *found = NULL;

	for (unsigned i = 0; i < MIN(mline->codecs_len, SESSION_CODECS_MAX); i++) {
		const struct session_codec *to = &mline->codec[i];
		if (!codec_matches(from, to))
			continue;
		if (to->profile == from->profile && to->packetization_mode == from->packetization_mode)
			return to;
		if (!found)
			found = to;
	}
	for (unsigned i = 0; !found && from->codec == CODEC_RED && i < MIN(mline->codecs_len, SESSION_CODECS_MAX);
	     i++) {
		if (mline->codec[i].codec == CODEC_OPUS && mline->codec[i].clock_rate == from->clock_rate)
			found = &mline->codec[i];
	}
	return found;
}

const char *codec_name(enum codec codec)
{
	static const char *const names[CODEC_COUNT] = { "none", "opus", "red", "VP8", "VP9", "H264", "AV1" };

	return codec < CODEC_COUNT ? names[codec] : "?";
}
