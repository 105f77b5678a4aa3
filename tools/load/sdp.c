#include "tools/load/sdp.h"

#include "lib/ids.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

const char *const sdp_rid[SDP_LAYERS] = { "q", "h", "f" };

/* ---- the offer ---- */

static void write_identity(struct buf *b, const struct sdp_identity *own, const char *setup)
{
	buf_appendf(b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ice-options:trickle\r\na=fingerprint:sha-256 ", own->ufrag,
		    own->pwd);
	for (unsigned i = 0; i < 32; i++)
		buf_appendf(b, "%s%02X", i ? ":" : "", own->fingerprint[i]);
	buf_appendf(b, "\r\na=setup:%s\r\n", setup);
}

static void write_extension(struct buf *b, int number, const char *uri)
{
	buf_appendf(b, "a=extmap:%d %s\r\n", number, uri);
}

static void write_head(struct buf *b, const struct sdp_identity *own, const char *setup, bool video, unsigned mid,
		       const char *direction)
{
	buf_appendf(b, "m=%s 9 UDP/TLS/RTP/SAVPF %s\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n",
		    video ? "video" : "audio", video ? "96 97" : "111");
	write_identity(b, own, setup);
	buf_appendf(b, "a=mid:%u\r\n", mid);
	if (!video)
		write_extension(b, SDP_EXT_LEVEL, SDP_URI_LEVEL);
	write_extension(b, SDP_EXT_TWCC, SDP_URI_TWCC);
	write_extension(b, SDP_EXT_MID, SDP_URI_MID);
	if (video) {
		write_extension(b, SDP_EXT_RID, SDP_URI_RID);
		write_extension(b, SDP_EXT_RRID, SDP_URI_RRID);
	}
	buf_appendf(b, "a=%s\r\n", direction);
}

static void write_codecs(struct buf *b, bool video)
{
	buf_append_str(b, "a=rtcp-mux\r\na=rtcp-rsize\r\n");
	if (video)
		buf_append_str(b, "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\n"
				  "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
				  "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n");
	else
		buf_append_str(b, "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n"
				  "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1\r\n");
}

static void write_mline(struct buf *b, const struct sdp_identity *own, bool video, unsigned mid, const char *direction,
			const char *stream)
{
	write_head(b, own, "actpass", video, mid, direction);
	if (stream)
		buf_appendf(b, "a=msid:%s %s-%s\r\n", stream, stream, video ? "video" : "audio");
	write_codecs(b, video);
}

void sdp_offer_write(struct buf *b, const struct sdp_identity *own, unsigned tiles, unsigned layers)
{
	bool publishes = layers > 0;
	const char *first = publishes ? "sendrecv" : "recvonly", *person = publishes ? "person" : NULL;
	unsigned mlines = 2 * tiles + (publishes ? 2 : 0);

	buf_append_str(b, "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE");
	for (unsigned mid = 0; mid < mlines; mid++)
		buf_appendf(b, " %u", mid);
	buf_append_str(b, "\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n");
	write_mline(b, own, false, 0, first, person);
	write_mline(b, own, true, 1, first, person);
	if (layers > 1) {
		for (unsigned i = 0; i < SDP_LAYERS; i++)
			buf_appendf(b, "a=rid:%s send\r\n", sdp_rid[i]);
		buf_appendf(b, "a=simulcast:send %s;%s;%s\r\n", sdp_rid[0], sdp_rid[1], sdp_rid[2]);
	}
	if (publishes) {
		write_mline(b, own, true, 2, "sendonly", "screen");
		write_mline(b, own, false, 3, "sendonly", "screen");
	}
	for (unsigned mid = publishes ? 4 : 2; mid < mlines; mid++)
		write_mline(b, own, mid % 2 == 1, mid, "recvonly", NULL);
}

void sdp_publish_write(struct buf *b, const struct sdp_identity *own, const struct sdp_sources *from)
{
	buf_appendf(b, "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0%s\r\n",
		    from->video ? " 1" : "");
	/* active: our DTLS is a client's. */
	write_head(b, own, "active", false, 0, "sendonly");
	write_codecs(b, false);
	buf_appendf(b, "a=ssrc:%" PRIu32 " cname:load\r\n", from->ssrc_audio);
	if (!from->video)
		return;
	write_head(b, own, "active", true, 1, "sendonly");
	write_codecs(b, true);
	buf_appendf(b,
		    "a=ssrc-group:FID %" PRIu32 " %" PRIu32 "\r\na=ssrc:%" PRIu32 " cname:load\r\na=ssrc:%" PRIu32
		    " cname:load\r\n",
		    from->ssrc_video, from->rtx_ssrc, from->ssrc_video, from->rtx_ssrc);
}

/* ---- the answer ---- */

static const char *after(const char *line, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(line, prefix, len) == 0 ? line + len : NULL;
}

static void take_candidate(struct sdp_answer *a, const char *text)
{
	char transport[8], address[64];
	unsigned port;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->address;

	if (a->address_len > 0 || sscanf(text, "%*32s 1 %7s %*u %63s %u", transport, address, &port) != 3 ||
	    strcasecmp(transport, "udp") != 0 || port == 0 || port > UINT16_MAX)
		return;
	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		a->address_len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		a->address_len = sizeof(*v6);
	}
}

static void take_ssrc(struct sdp_slot *slot, const char *line)
{
	const char *text;

	if ((text = after(line, "a=ssrc-group:FID ")))
		(void)sscanf(text, "%" SCNu32 " %" SCNu32, &slot->ssrc, &slot->rtx_ssrc);
	else if ((text = after(line, "a=ssrc:")) && slot->ssrc == 0)
		(void)sscanf(text, "%" SCNu32, &slot->ssrc);
}

struct reading {
	struct sdp_answer *answer;
	struct sdp_slot *slot; /* of this m-line; NULL: nothing is sent on it */
	int mline;	       /* -1: of the session */
	bool video;
	char mid[SDP_MID_MAX + 1];
};

static void take_direction(struct reading *r, bool sends, bool receives)
{
	struct sdp_answer *a = r->answer;

	if (receives && r->mline == 0)
		a->takes_audio = true;
	if (receives && r->mline == 1)
		a->takes_video = true;
	if (!sends || a->slots == SDP_SLOTS_MAX)
		return;
	r->slot = &a->slot[a->slots++];
	*r->slot = (struct sdp_slot){ .video = r->video };
	memcpy(r->slot->mid, r->mid, sizeof(r->mid));
}

static void take_mid(struct reading *r, const char *text)
{
	snprintf(r->mid, sizeof(r->mid), "%.*s", (int)strcspn(text, "\r\n"), text);
	if (r->slot)
		memcpy(r->slot->mid, r->mid, sizeof(r->mid));
}

static void take_extension(struct sdp_answer *a, const char *text)
{
	char uri[128] = "";
	unsigned id = 0;

	(void)sscanf(text, "%u%*[^ ] %127s", &id, uri);
	if (!*uri)
		(void)sscanf(text, "%u %127s", &id, uri);
	a->ext_level |= strcmp(uri, SDP_URI_LEVEL) == 0;
	a->ext_mid |= strcmp(uri, SDP_URI_MID) == 0;
	a->ext_rid |= strcmp(uri, SDP_URI_RID) == 0;
	if (strcmp(uri, SDP_URI_TWCC) == 0 && id > 0 && id < 15) {
		a->ext_twcc = true;
		a->twcc = (uint8_t)id;
	}
}

static void take_line(struct reading *r, const char *line)
{
	struct sdp_answer *a = r->answer;
	const char *text;

	if (after(line, "m=")) {
		r->mline++;
		r->video = after(line, "m=video ") != NULL;
		r->slot = NULL;
		*r->mid = 0;
	} else if ((text = after(line, "a=ice-ufrag:"))) {
		(void)sscanf(text, "%256s", a->ufrag);
	} else if ((text = after(line, "a=ice-pwd:"))) {
		(void)sscanf(text, "%256s", a->pwd);
	} else if ((text = after(line, "a=fingerprint:sha-256 "))) {
		(void)hex_parse(text, strcspn(text, "\r\n"), a->fingerprint, sizeof(a->fingerprint));
	} else if ((text = after(line, "a=candidate:"))) {
		take_candidate(a, text);
	} else if ((text = after(line, "a=mid:"))) {
		take_mid(r, text);
	} else if (after(line, "a=sendrecv") || after(line, "a=sendonly") || after(line, "a=recvonly")) {
		take_direction(r, !after(line, "a=recvonly"), !after(line, "a=sendonly"));
	} else if ((text = after(line, "a=extmap:"))) {
		take_extension(a, text);
	} else if (after(line, "a=rid:")) {
		a->rids++;
	} else if (after(line, "a=ssrc") && r->slot) {
		take_ssrc(r->slot, line);
	}
}

int sdp_answer_read(const char *text, struct sdp_answer *ret_answer)
{
	struct sdp_answer a = { 0 };
	struct reading r = { .answer = &a, .mline = -1 };

	for (const char *line = text; *line; line += strcspn(line, "\n") + (strchr(line, '\n') != NULL))
		take_line(&r, line);
	if (!*a.ufrag || !*a.pwd || a.address_len == 0)
		return -EPROTO;
	for (unsigned i = 0; i < a.slots; i++) {
		if (a.slot[i].ssrc == 0)
			return -EPROTO;
	}
	*ret_answer = a;
	return 0;
}

/* ---- our answer ---- */

/* Of an offer's line, what the answer says in its place. */
static void reply_line(struct buf *b, const struct sdp_identity *own, const char *line, int len, int *mline)
{
	static const char *const kept[] = { "a=mid:", "a=rtpmap:", "a=fmtp:", "a=rtcp-fb:", "a=rtcp-mux" };
	const char *formats = after(line, "m=") ? strstr(line, " UDP/TLS/RTP/SAVPF ") : NULL;

	if (*mline < 0 && after(line, "a=group:BUNDLE"))
		buf_appendf(b, "%.*s\r\n", len, line);
	if (after(line, "m=")) {
		++*mline;
		buf_appendf(b, "%.*s 9", (int)strcspn(line, " "), line);
		if (formats)
			buf_appendf(b, "%.*s", len - (int)(formats - line), formats);
		buf_append_str(b, "\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\n");
		write_identity(b, own, "active");
	}
	for (unsigned i = 0; i < sizeof(kept) / sizeof(kept[0]) && *mline >= 0; i++) {
		if (after(line, kept[i]))
			buf_appendf(b, "%.*s\r\n", len, line);
	}
	if (after(line, "a=extmap:") && (memmem(line, (size_t)len, SDP_URI_TWCC, strlen(SDP_URI_TWCC)) ||
					 memmem(line, (size_t)len, SDP_URI_MID, strlen(SDP_URI_MID))))
		buf_appendf(b, "%.*s\r\n", len, line);
}

void sdp_reply_write(struct buf *b, const struct sdp_identity *own, const char *offer)
{
	int mline = -1;

	buf_append_str(b, "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
	for (const char *line = offer; *line; line += strcspn(line, "\n") + (strchr(line, '\n') != NULL))
		reply_line(b, own, line, (int)strcspn(line, "\r\n"), &mline);
}
