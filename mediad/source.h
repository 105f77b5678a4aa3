/* mediad/source.h - which of a peer's SSRCs is what: (m-line, layer, RTX or not).
 *
 * An SSRC is known from the SDP, else from what its first packets carry: the mid extension, with rid or
 * repaired-rid where there are layers, else a payload type that only one m-line has. At most
 * PEER_LEARN_PER_SECOND unknown ones are looked at. */
#ifndef PARLEY_MEDIAD_SOURCE_H
#define PARLEY_MEDIAD_SOURCE_H

#include "mediad/call.h"

/* After offers: from the layers of the peer's tracks. */
void source_rebuild(struct media_peer *peer);
/* NULL: not known (yet). */
const struct peer_source *source_find(const struct media_peer *peer, uint32_t ssrc);
/* A packet of an SSRC that is not known. NULL: nothing tells what it is. */
const struct peer_source *source_learn(struct media_peer *peer, const struct rtp *rtp, int64_t now_us);

#endif
