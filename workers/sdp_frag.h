/* workers/sdp_frag.h - application/trickle-ice-sdpfrag (RFC 8840) of WHIP and WHEP clients.
 *
 * Only credentials are read: an ICE-lite server learns addresses from authenticated checks, so candidates change
 * nothing. sdp_frag_build() writes the other side's, for the answer to an ICE restart (RFC 9725, 4.3.3).
 *
 * Callers:   any thread: pure functions, no state. The parser is a fuzz target. */
#ifndef PARLEY_WORKERS_SDP_FRAG_H
#define PARLEY_WORKERS_SDP_FRAG_H

#include "lib/buf.h"
#include "shm/session.h"
#include "workers/media_link.h"

#define SDP_FRAG_MEDIA_MAX 127

struct sdp_frag {
	char ufrag[SESSION_UFRAG_MAX + 1], pwd[SESSION_PWD_MAX + 1]; /* "": there are none */
	/* The m= line that carries the transport, and its mid, to be mirrored; "" when it had none. */
	char media[SDP_FRAG_MEDIA_MAX + 1];
	char mid[SESSION_MID_MAX + 1];
};

/* -EINVAL with *ret_detail, one sentence: not lines of "x=…", or credentials that ICE does not know (RFC 8839, 5.4),
 * or several different ones. */
int sdp_frag_parse(const char *text, size_t len, struct sdp_frag *ret_frag, const char **ret_detail);
/* -ENOMEM. */
int sdp_frag_build(const struct sdp_frag *frag, const struct media_answer *answer, struct buf *ret_text);

#endif
