#include "tests/support/media_echo.h"

#include "mediad/egress.h"

#include <stdlib.h>
#include <string.h>

struct media_echo media_echo;

struct media {
	struct mediad *md;
};

struct echo_stream {
	uint32_t ssrc;
	uint64_t next;
};

struct media_peer {
	unsigned streams_len;
	struct echo_stream stream[8];
};

int media_start(struct mediad *md, struct media **ret_media)
{
	struct media *media = calloc(1, sizeof(*media));

	if (!media)
		return -ENOMEM;
	media->md = md;
	memset(&media_echo, 0, sizeof(media_echo));
	*ret_media = media;
	return 0;
}

static void forget(struct transport *t, void *arg)
{
	(void)arg;
	free(t->media);
	t->media = NULL;
}

struct media *media_stop(struct media *media)
{
	if (media && media->md->transports)
		transport_each(media->md, NULL, forget, NULL);
	free(media);
	return NULL;
}

int media_on_offer(struct transport *t)
{
	media_echo.offers++;
	if (media_echo.refuse)
		return -ENOSPC;
	if (!t->media)
		t->media = calloc(1, sizeof(*t->media));
	memcpy(t->rec->cname, "echo", 5);
	return t->media ? 0 : -ENOMEM;
}

struct session_seat *media_seat(struct transport *t, unsigned mline)
{
	(void)t;
	(void)mline;
	return NULL;
}

void media_on_connected(struct transport *t)
{
	(void)t;
	media_echo.connected++;
}

void media_on_suspended(struct transport *t, bool suspended)
{
	(void)t;
	if (suspended)
		media_echo.suspended++;
	else
		media_echo.resumed++;
}

static uint64_t *next_of(struct media_peer *peer, uint32_t ssrc)
{
	for (unsigned i = 0; i < peer->streams_len; i++) {
		if (peer->stream[i].ssrc == ssrc)
			return &peer->stream[i].next;
	}
	if (peer->streams_len == ARRAY_LEN(peer->stream))
		return NULL;
	peer->stream[peer->streams_len] = (struct echo_stream){ .ssrc = ssrc, .next = MEDIA_ECHO_FIRST_INDEX };
	return &peer->stream[peer->streams_len++].next;
}

static enum media_kind media_of(const struct transport *t, unsigned pt)
{
	for (unsigned i = 0; i < t->rec->mlines_len; i++) {
		const struct session_mline *m = &t->rec->mline[i];
		for (unsigned k = 0; k < m->codecs_len; k++) {
			if (m->codec[k].pt == pt)
				return m->media;
		}
	}
	return MEDIA_AUDIO;
}

bool media_on_rtp(struct transport *t, uint32_t slot, size_t len, int64_t now_us)
{
	const struct ring_slot *s = &t->md->ring.slot[slot];
	uint64_t *next = next_of(t->media, s->head.ssrc);

	(void)now_us;
	media_echo.rtp++;
	media_echo.last_index = s->head.index;
	if (next && len <= EGRESS_PACKET_MAX) {
		uint8_t *out = egress_reserve(t->md->egress);
		uint64_t index = (*next)++;
		memcpy(out, s->packet, len);
		out[2] = (uint8_t)(index >> 8);
		out[3] = (uint8_t)index;
		out[11]++;
		(void)egress_rtp(t->md->egress, t, out, len, index, media_of(t, out[1] & 127));
	}
	if (media_echo.publish)
		ring_publish(&t->md->ring, slot);
	return media_echo.publish;
}

void media_on_rtcp(struct transport *t, const uint8_t *data, size_t len, int64_t now_us)
{
	(void)now_us;
	media_echo.rtcp++;
	if (len > EGRESS_PACKET_MAX)
		return;
	uint8_t *out = egress_reserve(t->md->egress);
	memcpy(out, data, len);
	(void)egress_rtcp(t->md->egress, t, out, len);
}

void media_on_padded(struct transport *t, unsigned bytes)
{
	(void)t;
	(void)bytes;
}

void media_on_closed(struct transport *t)
{
	media_echo.closed++;
	free(t->media);
	t->media = NULL;
}

void media_on_view(struct media *media, const struct msg_view *view)
{
	(void)media;
	(void)view;
}

void media_on_member_state(struct media *media, const struct msg_member_state *state)
{
	(void)media;
	(void)state;
}

void media_on_peer_msg(struct media *media, unsigned k, const struct link_msg *msg, const void *payload)
{
	(void)media;
	(void)k;
	(void)msg;
	(void)payload;
	media_echo.peer_msgs++;
}

void media_on_peer_restart(struct media *media, unsigned k)
{
	(void)media;
	(void)k;
	media_echo.peer_restarts++;
}

bool media_drain_rings(struct media *media, unsigned budget, int64_t now_us)
{
	(void)media;
	(void)budget;
	(void)now_us;
	return false;
}

void media_flush(struct media *media, int64_t now_us)
{
	(void)media;
	(void)now_us;
}

void media_on_seats_ask(struct media *media, const struct msg_member *who)
{
	(void)media;
	(void)who;
}

bool media_has_news(const struct media *media)
{
	(void)media;
	return false;
}
