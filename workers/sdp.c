#include "workers/sdp_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define FMTP_MAX 400

static const struct {
	const char *encoding; /* as we write it; compared without regard to case */
	enum media_kind media;
	uint8_t channels;
} codecs[CODEC_COUNT] = {
	[CODEC_OPUS] = { "opus/48000/2", MEDIA_AUDIO, 2 }, [CODEC_RED] = { "red/48000/2", MEDIA_AUDIO, 2 },
	[CODEC_VP8] = { "VP8/90000", MEDIA_VIDEO, 0 },	   [CODEC_VP9] = { "VP9/90000", MEDIA_VIDEO, 0 },
	[CODEC_H264] = { "H264/90000", MEDIA_VIDEO, 0 },   [CODEC_AV1] = { "AV1/90000", MEDIA_VIDEO, 0 },
};

static const char *const track_kind_name[TRACK_KIND_COUNT] = {
	[TRACK_MICROPHONE] = "microphone",
	[TRACK_CAMERA] = "camera",
	[TRACK_SCREEN] = "screen",
	[TRACK_SCREEN_AUDIO] = "screen_audio",
};

const char *sdp_codec_encoding(enum codec codec)
{
	return codecs[codec].encoding;
}

const char *sdp_track_kind_name(enum track_kind kind)
{
	return kind < TRACK_KIND_COUNT ? track_kind_name[kind] : "microphone";
}

int sdp_track_kind_parse(const char *text, enum track_kind *ret_kind)
{
	for (unsigned i = 0; i < TRACK_KIND_COUNT; i++) {
		if (strcmp(text, track_kind_name[i]) == 0) {
			*ret_kind = i;
			return 0;
		}
	}
	return -EINVAL;
}

static enum codec codec_find(const char *encoding, enum media_kind media)
{
	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		if (codecs[i].encoding && codecs[i].media == media && strcasecmp(codecs[i].encoding, encoding) == 0)
			return i;
	}
	return CODEC_NONE;
}

/* "96", "96 rest": *ret_rest is what follows the blanks. */
static int payload_type_parse(const char *text, unsigned *ret_pt, const char **ret_rest)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	unsigned long pt = strtoul(text, &end, 10);
	if (pt > 127 || (*end && *end != ' '))
		return -EINVAL;
	while (*end == ' ')
		end++;
	*ret_pt = (unsigned)pt;
	*ret_rest = end;
	return 0;
}

void sdp_payloads_list(struct sdp_payloads *payloads, const char *format, unsigned order)
{
	const char *rest;
	unsigned pt;

	if (payload_type_parse(format, &pt, &rest) < 0 || *rest || order > UINT8_MAX)
		return;
	if (payloads->pt[pt].listed)
		return;
	payloads->pt[pt].listed = true;
	payloads->pt[pt].order = (uint8_t)order;
}

static uint8_t feedback_parse(const char *text)
{
	static const struct {
		const char *text;
		uint8_t flag;
	} known[] = {
		{ "nack", FB_NACK },	     { "nack pli", FB_PLI },   { "ccm fir", FB_FIR },
		{ "transport-cc", FB_TWCC }, { "goog-remb", FB_REMB },
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcasecmp(known[i].text, text) == 0)
			return known[i].flag;
	}
	return 0;
}

void sdp_payloads_attribute(struct sdp_payloads *payloads, const char *key, const char *value)
{
	bool feedback = strcmp(key, "rtcp-fb") == 0;
	const char *rest;
	unsigned pt;

	if (feedback && strncmp(value, "* ", 2) == 0) {
		payloads->wildcard_feedback |= feedback_parse(value + 2);
		return;
	}
	if (payload_type_parse(value, &pt, &rest) < 0)
		return;
	if (feedback)
		payloads->pt[pt].feedback |= feedback_parse(rest);
	else if (strcmp(key, "rtpmap") == 0)
		payloads->pt[pt].encoding = rest;
	else if (strcmp(key, "fmtp") == 0)
		payloads->pt[pt].fmtp = rest;
}

/* The value of one parameter of "a=1;b=2" into buf; false when it is not there or too long. */
static bool fmtp_get(const char *fmtp, const char *name, char *buf, size_t size)
{
	size_t name_len = strlen(name);

	for (const char *p = fmtp; p && *p;) {
		p += strspn(p, " ;");
		size_t len = strcspn(p, ";");
		if (len > name_len && strncasecmp(p, name, name_len) == 0 && p[name_len] == '=') {
			len -= name_len + 1;
			while (len > 0 && p[name_len + len] == ' ')
				len--;
			if (len >= size)
				return false;
			memcpy(buf, p + name_len + 1, len);
			buf[len] = '\0';
			return true;
		}
		p += len;
	}
	return false;
}

static uint32_t fmtp_number(const char *fmtp, const char *name, int base, uint32_t otherwise)
{
	char text[16], *end;

	if (!fmtp_get(fmtp, name, text, sizeof(text)) || !text[0] || text[0] == '-')
		return otherwise;
	unsigned long value = strtoul(text, &end, base);
	return *end || value > UINT32_MAX ? otherwise : (uint32_t)value;
}

/* The RTX payload type that repeats pt; 0 = none (0 itself is PCMU by RFC 3551 and never RTX). */
static uint8_t rtx_find(const struct sdp_payloads *payloads, unsigned pt, const char *encoding)
{
	const char *slash = strchr(encoding, '/');

	for (unsigned i = 1; i < ARRAY_LEN(payloads->pt); i++) {
		const struct sdp_payload *p = &payloads->pt[i];
		if (!p->listed || !p->encoding || strncasecmp(p->encoding, "rtx/", 4) != 0)
			continue;
		if (strncmp(p->encoding + 3, slash, strlen(p->encoding + 3)) != 0)
			continue; /* another clock rate */
		if (fmtp_number(p->fmtp, "apt", 10, UINT32_MAX) == pt)
			return (uint8_t)i;
	}
	return 0;
}

/* Lower is better; two of the same rank keep the order of the offer. 0 = not taken. */
static unsigned codec_rank(const struct session_codec *c)
{
	switch (c->codec) {
	case CODEC_OPUS:
	case CODEC_VP8:
		return 1;
	case CODEC_RED:
		return 2;
	case CODEC_H264:
		/* Constrained baseline is what everybody decodes; without fragmentation units (mode 0) only little. */
		return c->packetization_mode != 1 ? 5 : (c->profile & 0xffff00) == 0x42e000 ? 2 : 3;
	case CODEC_VP9:
		return c->profile == 0 ? 3 : 0; /* others are 10 bit or 4:4:4 */
	case CODEC_AV1:
		return c->profile == 0 ? 4 : 0;
	default:
		return 0;
	}
}

static bool codec_read(const struct sdp_payloads *payloads, unsigned pt, enum media_kind media,
		       struct session_codec *ret_codec)
{
	const struct sdp_payload *p = &payloads->pt[pt];
	enum codec codec = p->listed && p->encoding ? codec_find(p->encoding, media) : CODEC_NONE;
	uint8_t usable = media == MEDIA_AUDIO ? FB_TWCC : FB_NACK | FB_PLI | FB_FIR | FB_TWCC | FB_REMB;

	if (codec == CODEC_NONE)
		return false;
	*ret_codec = (struct session_codec){
		.codec = (uint8_t)codec,
		.pt = (uint8_t)pt,
		.rtx_pt = media == MEDIA_VIDEO ? rtx_find(payloads, pt, p->encoding) : 0,
		.clock_rate = media == MEDIA_AUDIO ? 48000 : 90000,
		.channels = codecs[codec].channels,
		.feedback = (p->feedback | payloads->wildcard_feedback) & usable,
	};
	if (codec == CODEC_H264) {
		ret_codec->profile = fmtp_number(p->fmtp, "profile-level-id", 16, 0x42000a) & 0xffffff;
		ret_codec->packetization_mode = (uint8_t)MIN(fmtp_number(p->fmtp, "packetization-mode", 10, 0), 255u);
	} else if (codec == CODEC_VP9) {
		ret_codec->profile = fmtp_number(p->fmtp, "profile-id", 10, 0);
	} else if (codec == CODEC_AV1) {
		ret_codec->profile = fmtp_number(p->fmtp, "profile", 10, 0);
	}
	return ret_codec->packetization_mode <= 1;
}

static bool fmtp_is_plain(const char *fmtp)
{
	size_t len = strlen(fmtp);

	for (size_t i = 0; i < len; i++) {
		if (fmtp[i] < 0x20 || fmtp[i] > 0x7e)
			return false;
	}
	return len > 0 && len <= FMTP_MAX;
}

/* What the answer says of it: the offer's own words, and for Opus that losses shall be repaired. */
static int fmtp_mirror(struct arena *arena, enum codec codec, const char *offered, const char **ret_fmtp)
{
	char value[16];

	*ret_fmtp = NULL;
	if (offered && !fmtp_is_plain(offered))
		offered = NULL;
	if (codec == CODEC_OPUS) {
		bool fec = fmtp_get(offered, "useinbandfec", value, sizeof(value));
		bool minptime = fmtp_get(offered, "minptime", value, sizeof(value));
		*ret_fmtp = arena_printf(arena, "%s%s%s", offered ? offered : "",
					 minptime  ? ""
					 : offered ? ";minptime=10"
						   : "minptime=10",
					 fec ? "" : ";useinbandfec=1");
	} else if (offered) {
		*ret_fmtp = arena_strdup(arena, offered);
	} else {
		return 0;
	}
	return *ret_fmtp ? 0 : -ENOMEM;
}

static bool is_before(const struct sdp_payloads *payloads, const struct session_codec *a, const struct session_codec *b)
{
	if (codec_rank(a) != codec_rank(b))
		return codec_rank(a) < codec_rank(b);
	return payloads->pt[a->pt].order < payloads->pt[b->pt].order;
}

int sdp_payloads_keep(struct arena *arena, const struct sdp_payloads *payloads, struct sdp_mline *mline)
{
	struct session_mline *s = &mline->session;
	struct session_codec c;

	/* Insertion by rank: what does not fit is what is wanted least. */
	for (unsigned pt = 0; pt < ARRAY_LEN(payloads->pt); pt++) {
		if (!codec_read(payloads, pt, s->media, &c) || !codec_rank(&c))
			continue;
		unsigned at = s->codecs_len;
		while (at > 0 && is_before(payloads, &c, &s->codec[at - 1]))
			at--;
		if (at == SESSION_CODECS_MAX)
			continue;
		if (s->codecs_len < SESSION_CODECS_MAX)
			s->codecs_len++;
		memmove(&s->codec[at + 1], &s->codec[at], (s->codecs_len - 1u - at) * sizeof(c));
		s->codec[at] = c;
	}
	if (s->codecs_len > 0 && s->codec[0].codec == CODEC_RED)
		s->codecs_len = 0; /* a wrapping without what it wraps */
	for (unsigned i = 0; i < s->codecs_len; i++) {
		int r = fmtp_mirror(arena, s->codec[i].codec, payloads->pt[s->codec[i].pt].fmtp, &mline->fmtp[i]);
		if (r < 0)
			return r;
	}
	return 0;
}
