#include "mediad/codec.h"

#include "mediad/rtp.h"

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
			at++;
		}
	}
	if (at >= len)
		return false;
	info->descriptor_len = (uint8_t)at;
	info->keyframe = info->frame_start && (p[at] & 0x01) == 0;
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

/* Scalability structure; returns the offset behind it, 0 when cut short. */
static size_t skip_vp9_structure(const uint8_t *p, size_t len, size_t at)
{
	if (at >= len)
		return 0;
	uint8_t head = p[at++];
	if (head & 0x10)
		at += 4 * ((size_t)(head >> 5) + 1);
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
		at = skip_vp9_structure(p, len, at);
	if (at == 0 || at >= len)
		return false;
	info->descriptor_len = at <= UINT8_MAX ? (uint8_t)at : 0;
	info->keyframe = info->frame_start && !inter && spatial == 0;
	return true;
}

static bool h264_is_key(uint8_t nal)
{
	return (nal & 31) == 7 || (nal & 31) == 5;
}

static bool h264_stap_is_key(const uint8_t *p, size_t len)
{
	size_t at = 1;

	while (at + 2 < len) {
		size_t size = rtp_get16(p + at);
		at += 2;
		if (size == 0 || size > len - at)
			return false;
		if (h264_is_key(p[at]))
			return true;
		at += size;
	}
	return false;
}

static bool parse_h264(const uint8_t *p, size_t len, struct codec_info *info)
{
	if (len < 2)
		return false;
	uint8_t type = p[0] & 31;
	info->discardable = (p[0] & 0x60) == 0;
	info->frame_start = type != 28 && type != 29;
	if (type >= 1 && type <= 23) {
		info->keyframe = h264_is_key(type);
	} else if (type == 24) {
		info->keyframe = h264_stap_is_key(p, len);
	} else if (type == 28 || type == 29) {
		info->frame_start = p[1] & 0x80;
		info->keyframe = info->frame_start && h264_is_key(p[1]);
	}
	return true;
}

/* The first element's OBU header, behind its length when it has one (W = 0). */
static bool av1_begins_with_sequence(const uint8_t *p, size_t len)
{
	size_t at = 1;

	if ((p[0] & 0x30) != 0x10) { /* W != 1: the first element has a length, LEB128 */
		while (at < len && (p[at] & 0x80))
			at++;
		at++;
	}
	if (at >= len)
		return false;
	unsigned type = p[at] >> 3 & 15;
	if (type == 2) { /* a temporal delimiter should not be there; look behind it */
		at += 1 + ((p[at] & 0x04) ? 1 : 0) + ((p[at] & 0x02) ? 1 : 0) + 1;
		type = at < len ? p[at] >> 3 & 15 : 0;
	}
	return type == 1;
}

static bool parse_av1(const uint8_t *p, size_t len, struct codec_info *info)
{
	if (len < 2)
		return false;
	bool continues = p[0] & 0x80;
	info->frame_start = !continues;
	info->descriptor_len = 1;
	/* Z and N exclude each other; some senders leave N out and are known by the sequence header. */
	info->keyframe = !continues && ((p[0] & 0x08) || av1_begins_with_sequence(p, len));
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
