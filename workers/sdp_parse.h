/* workers/sdp_parse.h - what the files of the offer's parser share: sdp_offer.c (session, transport, checks),
 * sdp_mline.c (one m-line) and sdp.c (payload types). Nobody else includes it.
 *
 * Ownership: texts called "the message's" end with the GstSDPMessage; what the offer keeps is in the arena. */
#ifndef PARLEY_WORKERS_SDP_PARSE_H
#define PARLEY_WORKERS_SDP_PARSE_H

#include "workers/sdp.h"

#include <gst/sdp/gstsdpmessage.h>

/* What one level (session or m-line) says of the transport. The texts are the message's. */
struct transport_words {
	const char *ufrag, *pwd, *setup;
	uint8_t fingerprint[32];
	bool has_fingerprint, has_sha256;
};

struct offer_parser {
	struct arena *arena;
	struct sdp_offer *offer;
	const GstSDPMessage *message;
	const char **ret_detail;
	const char *bundle; /* "0 1 2", NULL without such a group */
	struct transport_words session;
	struct session_extensions session_ext;
	struct transport_words mline[SESSION_MLINES_MAX];
};

/* Sets the sentence and returns -EINVAL; -ENOMEM. */
int sdp_refuse(struct offer_parser *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Attributes that may stand at the session and at m-lines. */
void sdp_transport_attribute(struct transport_words *t, const char *key, const char *value);
void sdp_extension_attribute(struct session_extensions *ext, const char *value);
bool sdp_direction_attribute(struct sdp_mline *m, const char *key); /* false: it is none */

/* Fills offer->mline[index]. -EINVAL with the sentence, -ENOMEM. */
int sdp_mline_read(struct offer_parser *p, unsigned index, const GstSDPMedia *media);

/* One payload type of an m-line. */
struct sdp_payload {
	bool listed; /* in the m= line */
	uint8_t order;
	uint8_t feedback;
	const char *encoding; /* "VP8/90000", as in rtpmap; the message's */
	const char *fmtp;     /* the message's */
};

/* rtpmap, fmtp and rtcp-fb of an m-line, by payload type; then what we keep of them, preferred first. */
struct sdp_payloads {
	struct sdp_payload pt[128];
	uint8_t wildcard_feedback;
};

void sdp_payloads_list(struct sdp_payloads *payloads, const char *format, unsigned order);
void sdp_payloads_attribute(struct sdp_payloads *payloads, const char *key, const char *value);
/* Fills codecs and fmtp of the m-line. -ENOMEM. */
int sdp_payloads_keep(struct arena *arena, const struct sdp_payloads *payloads, struct sdp_mline *mline);

#endif
