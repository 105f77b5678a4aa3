#include "workers/sdp_parse.h"

#include "lib/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define ICE_PWD_MIN   22
#define ICE_UFRAG_MIN 4

int sdp_refuse(struct offer_parser *p, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	*p->ret_detail = arena_strdup(p->arena, text);
	return *p->ret_detail ? -EINVAL : -ENOMEM;
}

static bool is_ice_chars(const char *s, size_t min, size_t max)
{
	size_t len = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

	return s[len] == '\0' && len >= min && len <= max;
}

static int session_read(struct offer_parser *p, struct sdp_mline *directions)
{
	directions->peer_sends = directions->peer_receives = true;
	for (guint i = 0; i < gst_sdp_message_attributes_len(p->message); i++) {
		const GstSDPAttribute *a = gst_sdp_message_get_attribute(p->message, i);
		const char *key = a->key ? a->key : "", *value = a->value ? a->value : "";

		if (strcmp(key, "group") == 0 && strncmp(value, "BUNDLE", 6) == 0 && (!value[6] || value[6] == ' ')) {
			if (p->bundle)
				return sdp_refuse(p,
						  "There are several BUNDLE groups; one transport carries everything.");
			p->bundle = value + 6;
		} else if (strcmp(key, "ice-lite") == 0) {
			return sdp_refuse(
				p, "The offer says a=ice-lite, as the server itself is; nobody would send checks.");
		} else if (strcmp(key, "extmap") == 0) {
			sdp_extension_attribute(&p->session_ext, value);
		} else if (!sdp_direction_attribute(directions, key)) {
			sdp_transport_attribute(&p->session, key, value);
		}
	}
	return 0;
}

/* The words of the m-line that opens the bundle, or of any other, or of the session. */
static struct transport_words transport_choose(const struct offer_parser *p)
{
	struct transport_words chosen = { 0 };

	for (unsigned i = 0; i <= p->offer->mlines_len; i++) {
		const struct transport_words *t = i < p->offer->mlines_len ? &p->mline[i] : &p->session;
		if (i < p->offer->mlines_len && p->offer->mline[i].session.rejected)
			continue;
		if (!chosen.ufrag && !chosen.pwd) {
			chosen.ufrag = t->ufrag;
			chosen.pwd = t->pwd;
		}
		if (!chosen.has_sha256 && t->has_sha256) {
			memcpy(chosen.fingerprint, t->fingerprint, sizeof(chosen.fingerprint));
			chosen.has_sha256 = true;
		}
		chosen.has_fingerprint |= t->has_fingerprint;
		if (!chosen.setup)
			chosen.setup = t->setup;
	}
	return chosen;
}

static int transport_read(struct offer_parser *p)
{
	struct transport_words t = transport_choose(p);

	if (!t.ufrag || !t.pwd)
		return sdp_refuse(p, "There is no a=ice-ufrag or no a=ice-pwd.");
	if (!is_ice_chars(t.ufrag, ICE_UFRAG_MIN, SESSION_UFRAG_MAX))
		return sdp_refuse(p, "a=ice-ufrag is not %d to %d ice-chars.", ICE_UFRAG_MIN, SESSION_UFRAG_MAX);
	if (!is_ice_chars(t.pwd, ICE_PWD_MIN, SESSION_PWD_MAX))
		return sdp_refuse(p, "a=ice-pwd is not %d to %d ice-chars.", ICE_PWD_MIN, SESSION_PWD_MAX);
	if (!t.has_fingerprint)
		return sdp_refuse(p, "There is no a=fingerprint; media without DTLS-SRTP is not served.");
	if (!t.has_sha256)
		return sdp_refuse(p, "No a=fingerprint is a well-formed sha-256 one.");
	if (t.setup && strcmp(t.setup, "actpass") != 0 && strcmp(t.setup, "active") != 0)
		return sdp_refuse(p, "a=setup must be actpass (or active): the server is the passive side.");
	strcpy(p->offer->ufrag, t.ufrag);
	strcpy(p->offer->pwd, t.pwd);
	memcpy(p->offer->fingerprint, t.fingerprint, sizeof(t.fingerprint));
	return 0;
}

/* Order says what is sent: first audio = microphone, first video = camera, then screen and its sound. */
static void tracks_by_order(struct sdp_offer *offer)
{
	static const enum track_kind kinds[2][2] = {
		[MEDIA_AUDIO] = { TRACK_MICROPHONE, TRACK_SCREEN_AUDIO },
		[MEDIA_VIDEO] = { TRACK_CAMERA, TRACK_SCREEN },
	};
	unsigned seen[2] = { 0 };

	for (unsigned i = 0; i < offer->mlines_len; i++) {
		struct session_mline *s = &offer->mline[i].session;
		if (!offer->mline[i].peer_sends || seen[s->media] >= 2)
			continue;
		s->receives = 1;
		s->track_kind = (uint8_t)kinds[s->media][seen[s->media]++];
	}
}

static int message_read(struct offer_parser *p)
{
	struct sdp_mline directions = { 0 };
	guint mlines = gst_sdp_message_medias_len(p->message);
	unsigned usable = 0;
	int r;

	if (mlines == 0)
		return sdp_refuse(p, "There is no m-line, or the text is not a session description.");
	if (mlines > SESSION_MLINES_MAX)
		return sdp_refuse(p, "There are more than %d m-lines.", SESSION_MLINES_MAX);
	r = session_read(p, &directions);
	for (unsigned i = 0; r == 0 && i < mlines; i++) {
		struct sdp_mline *m = &p->offer->mline[i];
		m->peer_sends = directions.peer_sends;
		m->peer_receives = directions.peer_receives;
		p->offer->mlines_len = i + 1;
		r = sdp_mline_read(p, i, gst_sdp_message_get_media(p->message, i));
		m->session.sends = m->peer_receives;
		usable += !m->session.rejected;
	}
	if (r < 0)
		return r;
	if (usable == 0)
		return sdp_refuse(p,
				  "No m-line offers audio or video over DTLS-SRTP in a codec that the server carries "
				  "(Opus, VP8, VP9, H.264, AV1).");
	if (usable > 1 && !p->bundle)
		return sdp_refuse(p, "Several m-lines need a=group:BUNDLE; one transport carries everything.");
	p->offer->bundle = p->bundle != NULL;
	tracks_by_order(p->offer);
	return transport_read(p);
}

/* libgstsdp skips what it does not understand; this much must hold before it sees the text. */
static int text_check(struct offer_parser *p, const char *text, size_t len)
{
	unsigned mlines = 0;

	if (len > SDP_BYTES_MAX)
		return sdp_refuse(p, "The session description is longer than %zu bytes.", SDP_BYTES_MAX);
	if (len < 2 || memcmp(text, "v=", 2) != 0)
		return sdp_refuse(p, "A session description begins with \"v=0\".");
	if (memchr(text, '\0', len) || !utf8_valid(text, len))
		return sdp_refuse(p, "The session description is not UTF-8 text.");
	for (size_t i = 0; i + 2 < len; i++)
		mlines += (text[i] == '\n' || text[i] == '\r') && text[i + 1] == 'm' && text[i + 2] == '=';
	if (mlines > SESSION_MLINES_MAX)
		return sdp_refuse(p, "There are more than %d m-lines.", SESSION_MLINES_MAX);
	return 0;
}

/* In a BUNDLE group an extension id means the same on every m-line (RFC 9143, 9.1). Some clients offer one id for two
 * things and then read packets by the wrong one: the later meaning is not negotiated. */
static void extensions_unify(struct sdp_offer *offer)
{
	uint8_t meaning[256] = { 0 }; /* id -> 1 + which extension */

	for (unsigned i = 0; i < offer->mlines_len; i++) {
		uint8_t *ids = (uint8_t *)&offer->mline[i].session.ext;
		if (offer->mline[i].session.rejected)
			continue;
		for (unsigned k = 0; k < sizeof(struct session_extensions); k++) {
			uint8_t *m = &meaning[ids[k]];
			if (ids[k] && *m && *m != k + 1)
				ids[k] = 0;
			else
				*m = (uint8_t)(k + 1);
		}
	}
}

int sdp_offer_parse(struct arena *arena, const char *text, size_t len, struct sdp_offer **ret_offer,
		    const char **ret_detail)
{
	struct offer_parser p = { .arena = arena, .ret_detail = ret_detail };
	GstSDPMessage message;

	p.offer = arena_alloc(arena, sizeof(*p.offer));
	if (!p.offer)
		return -ENOMEM;
	int r = text_check(&p, text, len);
	if (r < 0)
		return r;
	memset(&message, 0, sizeof(message));
	if (gst_sdp_message_init(&message) != GST_SDP_OK)
		return -ENOMEM;
	p.message = &message;
	if (gst_sdp_message_parse_buffer((const guint8 *)text, (guint)len, &message) != GST_SDP_OK)
		r = sdp_refuse(&p, "The text is not a session description.");
	else
		r = message_read(&p);
	gst_sdp_message_uninit(&message);
	if (r < 0)
		return r;
	extensions_unify(p.offer);
	*ret_offer = p.offer;
	return 0;
}

static struct sdp_mline *mline_find(struct sdp_offer *offer, const char *mid)
{
	for (unsigned i = 0; i < offer->mlines_len; i++) {
		if (offer->mline[i].has_mid && strcmp(offer->mline[i].session.mid, mid) == 0)
			return &offer->mline[i];
	}
	return NULL;
}

int sdp_offer_set_tracks(struct arena *arena, struct sdp_offer *offer, const struct sdp_track *tracks, size_t len,
			 const char **ret_detail)
{
	struct offer_parser p = { .arena = arena, .ret_detail = ret_detail };
	unsigned kinds = 0;

	for (unsigned i = 0; i < offer->mlines_len; i++)
		offer->mline[i].session.receives = offer->mline[i].session.track_kind = 0;
	for (size_t i = 0; i < len; i++) {
		bool video = tracks[i].kind == TRACK_CAMERA || tracks[i].kind == TRACK_SCREEN;
		struct sdp_mline *m = mline_find(offer, tracks[i].mid);

		if (!m)
			return sdp_refuse(&p, "There is no m-line with the mid of tracks' member %zu.", i + 1);
		if ((m->session.media == MEDIA_VIDEO) != video && !m->session.rejected)
			return sdp_refuse(&p, "The m-line with mid \"%s\" cannot carry \"%s\".", m->session.mid,
					  sdp_track_kind_name(tracks[i].kind));
		if (kinds & 1u << tracks[i].kind)
			return sdp_refuse(&p, "\"%s\" is named twice.", sdp_track_kind_name(tracks[i].kind));
		kinds |= 1u << tracks[i].kind;
		m->session.receives = m->peer_sends; /* one that does not send now may do so in a re-offer */
		m->session.track_kind = (uint8_t)tracks[i].kind;
	}
	return 0;
}
