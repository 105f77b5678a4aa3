#include "workers/sdp.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

/* RFC 8445, 5.1.2: host candidates (type preference 126) of component 1, in the order given. Over TCP, RFC 6544,
 * 4.2: a lower type preference, so that TCP is what remains when no UDP passes; in the local preference 3 bits for
 * the direction (passive: 4), 13 for the order. */
static uint32_t candidate_priority(size_t index, bool tcp)
{
	if (tcp)
		return 90u << 24 | (4u << 13 | (uint32_t)(8191 - index)) << 8 | 255;
	return 126u << 24 | (uint32_t)(65535 - index) << 8 | 255;
}

static const char *address_format(const struct session_address *address, char text[INET6_ADDRSTRLEN])
{
	if (!inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->ip, text, INET6_ADDRSTRLEN))
		strcpy(text, "0.0.0.0");
	return text;
}

static const struct msg_answer_seat *seat_find(const struct media_answer *answer, unsigned mline)
{
	for (size_t i = 0; i < answer->seats_len; i++) {
		if (answer->seat[i].mline == mline)
			return &answer->seat[i];
	}
	return NULL;
}

static void write_session(struct buf *b, const struct sdp_offer *offer, const struct media_answer *answer,
			  uint64_t version)
{
	uint64_t id = ((uint64_t)answer->mediad << 56 | answer->handle) & INT64_MAX;

	buf_appendf(b, "v=0\r\no=- %" PRIu64 " %" PRIu64 " IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", id, version);
	if (offer->bundle) {
		buf_append_str(b, "a=group:BUNDLE");
		for (unsigned i = 0; i < offer->mlines_len; i++) {
			if (!offer->mline[i].session.rejected)
				buf_appendf(b, " %s", offer->mline[i].session.mid);
		}
		buf_append_str(b, "\r\n");
	}
	buf_append_str(b, "a=ice-lite\r\na=msid-semantic: WMS *\r\n");
}

static void write_rejected(struct buf *b, const struct sdp_mline *m)
{
	buf_appendf(b, "m=%s 0 %s %s\r\nc=IN IP4 0.0.0.0\r\n", m->media, m->proto, m->format);
	if (m->has_mid)
		buf_appendf(b, "a=mid:%s\r\n", m->session.mid);
	buf_append_str(b, "a=inactive\r\n");
}

static void write_head(struct buf *b, const struct sdp_mline *m, const struct media_answer *answer)
{
	const struct session_mline *s = &m->session;
	const struct session_address *first = answer->candidates_len ? &answer->candidate[0] : NULL;
	char text[INET6_ADDRSTRLEN];

	/* The default candidate (RFC 8839, 4.2.1.2). */
	buf_appendf(b, "m=%s %u %s", m->media, first ? (unsigned)first->port : 9u, m->proto);
	for (unsigned i = 0; i < s->codecs_len; i++)
		buf_appendf(b, " %u", s->codec[i].pt);
	for (unsigned i = 0; i < s->codecs_len; i++) {
		if (s->codec[i].rtx_pt)
			buf_appendf(b, " %u", s->codec[i].rtx_pt);
	}
	buf_appendf(b, "\r\nc=IN %s %s\r\n", first && first->family == 6 ? "IP6" : "IP4",
		    first ? address_format(first, text) : "0.0.0.0");
}

static void write_transport(struct buf *b, const struct media_answer *answer)
{
	buf_appendf(b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:sha-256 ", answer->ufrag, answer->pwd);
	for (size_t i = 0; i < sizeof(answer->fingerprint); i++)
		buf_appendf(b, "%s%02X", i ? ":" : "", answer->fingerprint[i]);
	buf_append_str(b, "\r\na=setup:passive\r\n");
}

void sdp_answer_candidates(struct buf *b, const struct media_answer *answer)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < answer->candidates_len; i++) {
		const struct session_address *a = &answer->candidate[i];
		bool tcp = a->socket & SESSION_SOCKET_TCP;
		buf_appendf(b, "a=candidate:%zu 1 %s %" PRIu32 " %s %u typ host%s\r\n", i + 1, tcp ? "tcp" : "udp",
			    candidate_priority(i, tcp), address_format(a, text), a->port,
			    tcp ? " tcptype passive" : "");
	}
	buf_append_str(b, "a=end-of-candidates\r\n");
}

static void write_extensions(struct buf *b, const struct session_extensions *ext)
{
	const struct {
		uint8_t id;
		const char *uri;
	} lines[] = {
		{ ext->mid, "urn:ietf:params:rtp-hdrext:sdes:mid" },
		{ ext->rid, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id" },
		{ ext->repaired_rid, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id" },
		{ ext->audio_level, "urn:ietf:params:rtp-hdrext:ssrc-audio-level" },
		{ ext->twcc, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01" },
		{ ext->orientation, "urn:3gpp:video-orientation" },
		{ ext->abs_send_time, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time" },
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		if (lines[i].id)
			buf_appendf(b, "a=extmap:%u %s\r\n", lines[i].id, lines[i].uri);
	}
}

static void write_codec(struct buf *b, const struct session_codec *c, const char *fmtp)
{
	static const struct {
		uint8_t flag;
		const char *text;
	} feedback[] = {
		{ FB_TWCC, "transport-cc" }, { FB_REMB, "goog-remb" }, { FB_FIR, "ccm fir" },
		{ FB_NACK, "nack" },	     { FB_PLI, "nack pli" },
	};
	buf_appendf(b, "a=rtpmap:%u %s\r\n", c->pt, sdp_codec_encoding(c->codec));
	for (size_t i = 0; i < ARRAY_LEN(feedback); i++) {
		if (c->feedback & feedback[i].flag)
			buf_appendf(b, "a=rtcp-fb:%u %s\r\n", c->pt, feedback[i].text);
	}
	if (fmtp)
		buf_appendf(b, "a=fmtp:%u %s\r\n", c->pt, fmtp);
	if (c->rtx_pt)
		buf_appendf(b, "a=rtpmap:%u rtx/90000\r\na=fmtp:%u apt=%u\r\n", c->rtx_pt, c->rtx_pt, c->pt);
}

static void write_simulcast(struct buf *b, const struct sdp_mline *m)
{
	if (!m->session.receives || m->rids == 0)
		return;
	for (unsigned i = 0; i < m->rids; i++)
		buf_appendf(b, "a=rid:%s recv\r\n", m->rid[i]);
	buf_append_str(b, "a=simulcast:recv ");
	for (unsigned i = 0; i < m->rids; i++)
		buf_appendf(b, "%s%s", i ? ";" : "", m->rid[i]);
	buf_append_str(b, "\r\n");
}

/* The n-th video seat and the n-th audio seat are one stream, so that lips sync. */
static void write_seat(struct buf *b, const struct msg_answer_seat *seat, const struct session_mline *m, unsigned n,
		       const char *cname)
{
	char msid[64];
	bool rtx = false;

	for (unsigned i = 0; i < m->codecs_len; i++)
		rtx |= m->codec[i].rtx_pt != 0;
	/* Browsers refuse an FID group on an m-line without an RTX payload type. */
	const uint32_t ssrc[2] = { seat->ssrc, rtx ? seat->rtx_ssrc : 0 };
	snprintf(msid, sizeof(msid), "seat-%u seat-%u-%s", n, n, m->media == MEDIA_AUDIO ? "audio" : "video");
	buf_appendf(b, "a=msid:%s\r\n", msid);
	if (ssrc[1])
		buf_appendf(b, "a=ssrc-group:FID %" PRIu32 " %" PRIu32 "\r\n", ssrc[0], ssrc[1]);
	for (size_t i = 0; i < ARRAY_LEN(ssrc) && ssrc[i]; i++)
		buf_appendf(b, "a=ssrc:%" PRIu32 " cname:%s\r\na=ssrc:%" PRIu32 " msid:%s\r\n", ssrc[i], cname, ssrc[i],
			    msid);
}

int sdp_answer_build(const struct sdp_offer *offer, const struct media_answer *answer, uint64_t version,
		     struct buf *ret_text)
{
	static const char *const direction[2][2] = { { "inactive", "recvonly" }, { "sendonly", "sendrecv" } };
	unsigned seats[2] = { 0 };
	bool first = true;

	write_session(ret_text, offer, answer, version);
	for (unsigned i = 0; i < offer->mlines_len; i++) {
		const struct sdp_mline *m = &offer->mline[i];
		const struct session_mline *s = &m->session;

		if (s->rejected) {
			write_rejected(ret_text, m);
			continue;
		}
		const struct msg_answer_seat *seat = s->sends ? seat_find(answer, i) : NULL;
		write_head(ret_text, m, answer);
		write_transport(ret_text, answer);
		if (m->has_mid)
			buf_appendf(ret_text, "a=mid:%s\r\n", s->mid);
		buf_appendf(ret_text, "a=%s\r\na=rtcp-mux\r\n", direction[seat != NULL][s->receives]);
		if (m->rtcp_rsize)
			buf_append_str(ret_text, "a=rtcp-rsize\r\n");
		write_extensions(ret_text, &s->ext);
		for (unsigned k = 0; k < s->codecs_len; k++)
			write_codec(ret_text, &s->codec[k], m->fmtp[k]);
		write_simulcast(ret_text, m);
		if (seat)
			write_seat(ret_text, seat, s, seats[s->media], answer->cname);
		seats[s->media] += s->sends;
		if (first)
			sdp_answer_candidates(ret_text, answer);
		first = false;
	}
	return ret_text->failed ? -ENOMEM : 0;
}
