#include "workers/sdp_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define MLINE_FORMATS_MAX 128

/* RFC 8866 token, which is also what we allow where we repeat the client's words. */
static bool is_token(const char *s, size_t min, size_t max)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]", c))
			return false;
	}
	return len >= min && len <= max;
}

/* Is word one of the blank-separated words of list? */
static bool has_word(const char *list, const char *word)
{
	size_t word_len = strlen(word);

	for (const char *s = list; *s;) {
		s += strspn(s, " ");
		size_t len = strcspn(s, " ");
		if (len == word_len && len > 0 && memcmp(s, word, len) == 0)
			return true;
		s += len;
	}
	return false;
}

void sdp_transport_attribute(struct transport_words *t, const char *key, const char *value)
{
	if (strcmp(key, "ice-ufrag") == 0) {
		t->ufrag = value;
	} else if (strcmp(key, "ice-pwd") == 0) {
		t->pwd = value;
	} else if (strcmp(key, "setup") == 0) {
		t->setup = value;
	} else if (strcmp(key, "fingerprint") == 0) {
		static const char sha256[] = "sha-256 ";
		t->has_fingerprint = true;
		if (strncasecmp(value, sha256, sizeof(sha256) - 1) != 0)
			return;
		value += sizeof(sha256) - 1;
		value += strspn(value, " ");
		t->has_sha256 = hex_parse(value, strcspn(value, " "), t->fingerprint, sizeof(t->fingerprint)) == 0;
	}
}

/* "3 URI", "3/sendrecv URI …". Ids above 14 need the two-byte form, which is not offered back. */
void sdp_extension_attribute(struct session_extensions *ext, const char *value)
{
	static const struct {
		const char *uri;
		size_t offset;
	} known[] = {
		{ "urn:ietf:params:rtp-hdrext:sdes:mid", offsetof(struct session_extensions, mid) },
		{ "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", offsetof(struct session_extensions, rid) },
		{ "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
		  offsetof(struct session_extensions, repaired_rid) },
		{ "urn:ietf:params:rtp-hdrext:ssrc-audio-level", offsetof(struct session_extensions, audio_level) },
		{ "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
		  offsetof(struct session_extensions, twcc) },
		{ "urn:3gpp:video-orientation", offsetof(struct session_extensions, orientation) },
		{ "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
		  offsetof(struct session_extensions, abs_send_time) },
	};
	uint8_t *ids = (uint8_t *)ext;
	char *end;
	unsigned long id = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || id < 1 || id > 14)
		return;
	end += strcspn(end, " ");
	end += strspn(end, " ");
	size_t len = strcspn(end, " ");
	for (size_t i = 0; i < sizeof(*ext); i++) {
		if (ids[i] == id)
			return; /* taken: whoever comes first keeps it */
	}
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strlen(known[i].uri) == len && memcmp(known[i].uri, end, len) == 0 && !ids[known[i].offset])
			ids[known[i].offset] = (uint8_t)id;
	}
}

bool sdp_direction_attribute(struct sdp_mline *m, const char *key)
{
	bool both = strcmp(key, "sendrecv") == 0;

	if (!both && strcmp(key, "sendonly") != 0 && strcmp(key, "recvonly") != 0 && strcmp(key, "inactive") != 0)
		return false;
	m->peer_sends = both || strcmp(key, "sendonly") == 0;
	m->peer_receives = both || strcmp(key, "recvonly") == 0;
	return true;
}

/* How high a simulcast layer is by the usual names; -1 when the name says nothing. */
static int rid_height(const char *rid)
{
	static const char *const names[][4] = {
		{ "q", "l", "low", "lo" },
		{ "h", "m", "mid", "medium" },
		{ "f", "hi", "high", "full" },
	};
	for (int height = 0; height < 3; height++) {
		for (size_t i = 0; i < ARRAY_LEN(names[height]); i++) {
			if (strcasecmp(names[height][i], rid) == 0)
				return height;
		}
	}
	return -1;
}

/* Layers stand lowest first in the session, as most clients list them; "f;h;q" and "h;m;l" are turned round. */
static bool rids_descend(const struct sdp_mline *m)
{
	const char *last = m->rid[m->rids - 1];

	if (strcasecmp(last, "l") == 0)
		return true; /* "h" means high where there is an "l" */
	return rid_height(m->rid[0]) > rid_height(last) && rid_height(last) >= 0;
}

/* "send q;h;f recv …": the send list; of alternatives ("a,b") the first; '~' = paused at first. */
static int simulcast_read(struct offer_parser *p, struct sdp_mline *m, const char *value)
{
	const char *s = value + strspn(value, " ");

	if (strncmp(s, "recv ", 5) == 0) {
		s += 5 + strspn(s + 5, " ");
		s += strcspn(s, " ");
		s += strspn(s, " ");
	}
	if (strncmp(s, "send ", 5) != 0)
		return 0;
	s += 5 + strspn(s + 5, " ");
	for (const char *end = s + strcspn(s, " "); s < end && m->rids < SESSION_LAYERS_MAX;) {
		size_t stream = strcspn(s, "; "), skip = *s == '~' ? 1 : 0, len = strcspn(s, ",; ") - skip;
		char *rid = arena_strndup(p->arena, s + skip, len);
		if (!rid)
			return -ENOMEM;
		if (len == 0 || len > SESSION_RID_MAX ||
		    strspn(rid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				"0123456789-_") != len)
			return sdp_refuse(p,
					  "The m-line with mid \"%s\" has a simulcast rid that is not 1 to %d letters "
					  "and digits.",
					  m->session.mid, SESSION_RID_MAX);
		for (unsigned i = 0; i < m->rids; i++) {
			if (strcmp(m->rid[i], rid) == 0)
				return sdp_refuse(p, "The m-line with mid \"%s\" names a simulcast rid twice.",
						  m->session.mid);
		}
		m->rid[m->rids++] = rid;
		s += stream + (s[stream] == ';' ? 1 : 0);
	}
	return 0;
}

static uint32_t ssrc_read(const char *text, const char **ret_rest)
{
	char *end;

	text += strspn(text, " ");
	unsigned long ssrc = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
	if (ret_rest)
		*ret_rest = ssrc ? end : text;
	return ssrc <= UINT32_MAX ? (uint32_t)ssrc : 0;
}

/* Sources that a client announces, for those that send neither the MID extension nor rids. */
static void ssrc_attribute(struct session_layer *layer, const char *key, const char *value)
{
	const char *rest;

	if (strcmp(key, "ssrc") == 0) {
		if (!layer->ssrc)
			layer->ssrc = ssrc_read(value, NULL);
	} else if (strncmp(value, "FID ", 4) == 0 && !layer->rtx_ssrc) {
		uint32_t ssrc = ssrc_read(value + 4, &rest), rtx = ssrc_read(rest, NULL);
		if (ssrc && rtx && ssrc != rtx) {
			layer->ssrc = ssrc;
			layer->rtx_ssrc = rtx;
		}
	}
}

static void layers_fill(struct sdp_mline *m, const struct session_layer *announced)
{
	struct session_mline *s = &m->session;

	if (!m->peer_sends || !s->ext.rid)
		m->rids = 0;
	s->layers_len = m->rids ? (uint8_t)m->rids : 1;
	if (!m->rids) {
		s->layer[0] = *announced;
		return;
	}
	bool turn = rids_descend(m);
	for (unsigned i = 0; i < m->rids; i++)
		strcpy(s->layer[turn ? m->rids - 1 - i : i].rid, m->rid[i]); /* length was checked */
}

/* One way to measure the path per m-line: transport-wide feedback, else REMB over absolute send times. */
static void feedback_settle(struct session_mline *s)
{
	bool twcc = false;

	for (unsigned i = 0; i < s->codecs_len; i++)
		twcc |= s->ext.twcc && (s->codec[i].feedback & FB_TWCC);
	for (unsigned i = 0; i < s->codecs_len; i++)
		s->codec[i].feedback &= (uint8_t) ~(twcc ? FB_REMB : FB_TWCC);
	if (twcc)
		s->ext.abs_send_time = 0;
	else
		s->ext.twcc = 0;
}

struct mline_reader {
	struct sdp_payloads payloads;
	struct session_layer announced;
	const char *mid, *simulcast;
	bool rtcp_mux, bundle_only;
};

static void mline_attribute(struct offer_parser *p, unsigned index, struct mline_reader *r, const char *key,
			    const char *value)
{
	struct sdp_mline *m = &p->offer->mline[index];

	if (strcmp(key, "mid") == 0)
		r->mid = value;
	else if (strcmp(key, "rtcp-mux") == 0)
		r->rtcp_mux = true;
	else if (strcmp(key, "rtcp-rsize") == 0)
		m->rtcp_rsize = true;
	else if (strcmp(key, "bundle-only") == 0)
		r->bundle_only = true;
	else if (strcmp(key, "extmap") == 0)
		sdp_extension_attribute(&m->session.ext, value);
	else if (strcmp(key, "rtpmap") == 0 || strcmp(key, "fmtp") == 0 || strcmp(key, "rtcp-fb") == 0)
		sdp_payloads_attribute(&r->payloads, key, value);
	else if (strcmp(key, "simulcast") == 0)
		r->simulcast = value;
	else if (strcmp(key, "ssrc") == 0 || strcmp(key, "ssrc-group") == 0)
		ssrc_attribute(&r->announced, key, value);
	else if (!sdp_direction_attribute(m, key))
		sdp_transport_attribute(&p->mline[index], key, value);
}

static int mline_mid(struct offer_parser *p, unsigned index, const char *mid)
{
	struct sdp_mline *m = &p->offer->mline[index];

	m->has_mid = mid != NULL;
	if (!mid) {
		snprintf(m->session.mid, sizeof(m->session.mid), "%u", index);
		return 0;
	}
	if (!is_token(mid, 1, SESSION_MID_MAX))
		return sdp_refuse(p, "The mid of m-line %u is not a token of 1 to %d characters.", index,
				  SESSION_MID_MAX);
	strcpy(m->session.mid, mid);
	for (unsigned i = 0; i < index; i++) {
		if (p->offer->mline[i].has_mid && strcmp(p->offer->mline[i].session.mid, mid) == 0)
			return sdp_refuse(p, "The mid \"%s\" occurs twice.", mid);
	}
	return 0;
}

/* The m= line itself; what cannot be repeated in an answer is refused. */
static int mline_head(struct offer_parser *p, unsigned index, const GstSDPMedia *media, struct mline_reader *r)
{
	struct sdp_mline *m = &p->offer->mline[index];
	guint formats = gst_sdp_media_formats_len(media);
	const char *name = gst_sdp_media_get_media(media), *proto = gst_sdp_media_get_proto(media);
	const char *format = formats ? gst_sdp_media_get_format(media, 0) : NULL;

	if (!name || !is_token(name, 1, 32) || !proto || !format || !is_token(format, 1, 64))
		return sdp_refuse(p, "m-line %u is not \"m=MEDIA PORT PROTOCOL FORMAT…\".", index);
	for (const char *c = proto; *c; c++) {
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-.", *c) || c - proto > 40)
			return sdp_refuse(p, "m-line %u names a protocol that cannot be one.", index);
	}
	m->media = arena_strdup(p->arena, name);
	m->proto = arena_strdup(p->arena, *proto ? proto : "-");
	m->format = arena_strdup(p->arena, format);
	for (guint i = 0; i < MIN(formats, (guint)MLINE_FORMATS_MAX); i++)
		sdp_payloads_list(&r->payloads, gst_sdp_media_get_format(media, i), i);
	return m->media && m->proto && m->format ? 0 : -ENOMEM;
}

/* May media flow here at all? Otherwise the answer rejects the m-line. */
static bool mline_is_usable(const struct offer_parser *p, const struct sdp_mline *m, const GstSDPMedia *media,
			    const struct mline_reader *r)
{
	if (strcmp(m->media, "audio") != 0 && strcmp(m->media, "video") != 0)
		return false;
	if (strcmp(m->proto, "UDP/TLS/RTP/SAVPF") != 0 && strcmp(m->proto, "RTP/SAVPF") != 0 &&
	    strcmp(m->proto, "TCP/DTLS/RTP/SAVPF") != 0)
		return false;
	if (gst_sdp_media_get_port(media) == 0 && !r->bundle_only)
		return false;
	return !p->bundle || (m->has_mid && has_word(p->bundle, m->session.mid));
}

int sdp_mline_read(struct offer_parser *p, unsigned index, const GstSDPMedia *media)
{
	struct sdp_mline *m = &p->offer->mline[index];
	struct session_mline *s = &m->session;
	struct mline_reader r = { 0 };
	int err = mline_head(p, index, media, &r);

	if (err < 0)
		return err;
	s->ext = p->session_ext;
	for (guint i = 0; i < gst_sdp_media_attributes_len(media); i++) {
		const GstSDPAttribute *a = gst_sdp_media_get_attribute(media, i);
		mline_attribute(p, index, &r, a->key ? a->key : "", a->value ? a->value : "");
	}
	err = mline_mid(p, index, r.mid);
	if (err < 0)
		return err;
	s->media = strcmp(m->media, "video") == 0 ? MEDIA_VIDEO : MEDIA_AUDIO;
	s->rejected = !mline_is_usable(p, m, media, &r);
	if (!s->rejected) {
		err = sdp_payloads_keep(p->arena, &r.payloads, m);
		if (err < 0)
			return err;
		s->rejected = s->codecs_len == 0;
	}
	if (s->rejected) {
		m->peer_sends = m->peer_receives = false;
		return 0;
	}
	if (!r.rtcp_mux)
		return sdp_refuse(
			p, "The m-line with mid \"%s\" has no a=rtcp-mux; RTCP on a port of its own is not served.",
			s->mid);
	if (s->media == MEDIA_VIDEO && r.simulcast && m->peer_sends)
		err = simulcast_read(p, m, r.simulcast);
	layers_fill(m, &r.announced);
	feedback_settle(s);
	return err;
}
