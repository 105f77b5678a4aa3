#include "mediad/source.h"

#include "mediad/codec.h"

#include <string.h>

#define SOURCE_MASK (PEER_SOURCES - 1)

_Static_assert(PEER_SOURCES >= SESSION_MLINES_MAX * SESSION_LAYERS_MAX * 2 + 1, "never full");

static struct peer_source *source_place(struct media_peer *peer, uint32_t ssrc)
{
	uint32_t i = (ssrc * UINT32_C(0x9e3779b1)) >> 16;

	while (peer->source[i & SOURCE_MASK].used && peer->source[i & SOURCE_MASK].ssrc != ssrc)
		i++;
	return &peer->source[i & SOURCE_MASK];
}

const struct peer_source *source_find(const struct media_peer *peer, uint32_t ssrc)
{
	const struct peer_source *source = source_place((struct media_peer *)peer, ssrc);

	return source->used ? source : NULL;
}

static void source_add(struct media_peer *peer, uint32_t ssrc, unsigned mline, unsigned layer, bool is_rtx)
{
	struct peer_source *source = source_place(peer, ssrc);

	if (ssrc == 0 || source->used) /* the first m-line that claims it has it */
		return;
	*source = (struct peer_source){
		.ssrc = ssrc, .used = 1, .mline = (uint8_t)mline, .layer = (uint8_t)layer, .is_rtx = is_rtx
	};
}

void source_rebuild(struct media_peer *peer)
{
	memset(peer->source, 0, sizeof(peer->source));
	for (unsigned i = 0; i < SESSION_MLINES_MAX; i++) {
		const struct track *track = peer->track[i];
		for (unsigned k = 0; track && k < track->layers_len; k++) {
			source_add(peer, track->layer[k]->ssrc, i, k, false);
			source_add(peer, track->layer[k]->rtx_ssrc, i, k, true);
		}
	}
}

static bool text_is(const struct rtp_element *e, const char *text)
{
	size_t len = strlen(text);

	return e && len > 0 && e->len == len && memcmp(e->data, text, len) == 0;
}

/* The only m-line that sends with this payload type, or none. */
static unsigned mline_of_payload_type(const struct media_peer *peer, uint8_t payload_type)
{
	unsigned found = SESSION_MLINES_MAX;
	bool is_rtx;

	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		if (!peer->track[i] || !codec_find(&peer->t->rec->mline[i], payload_type, &is_rtx))
			continue;
		if (found != SESSION_MLINES_MAX)
			return SESSION_MLINES_MAX;
		found = i;
	}
	return found;
}

static unsigned mline_of_packet(const struct media_peer *peer, const struct rtp *rtp)
{
	const struct rtp_element *mid = rtp_find(rtp, peer->ext_mid);

	if (!mid)
		return mline_of_payload_type(peer, rtp->payload_type);
	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		if (peer->track[i] && text_is(mid, peer->t->rec->mline[i].mid))
			return i;
	}
	return SESSION_MLINES_MAX;
}

static int layer_of_packet(const struct media_peer *peer, const struct session_mline *m, const struct rtp *rtp,
			   bool is_rtx)
{
	const struct rtp_element *rid = rtp_find(rtp, is_rtx ? peer->ext_repaired_rid : peer->ext_rid);

	if (m->layers_len <= 1)
		return 0;
	for (int k = 0; k < MIN(m->layers_len, SESSION_LAYERS_MAX); k++) {
		if (text_is(rid, m->layer[k].rid))
			return k;
	}
	return -1;
}

const struct peer_source *source_learn(struct media_peer *peer, const struct rtp *rtp, int64_t now_us)
{
	bool is_rtx;

	if (now_us - peer->learnt_us > USEC_PER_SEC) {
		peer->learnt_us = now_us;
		peer->learnt = 0;
	}
	if (peer->learnt++ >= PEER_LEARN_PER_SECOND)
		return NULL;
	unsigned i = mline_of_packet(peer, rtp);
	if (i == SESSION_MLINES_MAX || rtp->ssrc == 0)
		return NULL;
	const struct session_mline *m = &peer->t->rec->mline[i];
	if (!codec_find(m, rtp->payload_type, &is_rtx))
		return NULL;
	int layer = layer_of_packet(peer, m, rtp, is_rtx);
	if (layer < 0 || layer >= peer->track[i]->layers_len)
		return NULL;
	track_set_ssrc(peer->track[i], (unsigned)layer, is_rtx, rtp->ssrc);
	source_rebuild(peer);
	return source_find(peer, rtp->ssrc);
}
