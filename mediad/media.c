#include "mediad/media.h"

#include "mediad/call.h"
#include "mediad/codec.h"
#include "mediad/demand.h"
#include "mediad/announce.h"
#include "mediad/report.h"
#include "mediad/source.h"
#include "mediad/seating.h"
#include "mediad/speaker.h"
#include "mediad/view.h"

#include <stdlib.h>

#define NTP_EPOCH_US   (INT64_C(2208988800) * USEC_PER_SEC) /* 1900 to 1970 */
#define SEATS_RETRY_US (100 * USEC_PER_MSEC)

int media_start(struct mediad *md, struct media **ret_media)
{
	struct media *media = calloc(1, sizeof(*media));

	if (!media)
		return -ENOMEM;
	media->md = md;
	media->ntp_offset_us = clock_realtime_us() - clock_now_us() + NTP_EPOCH_US;
	media->timer_at_us = MEDIA_NEVER_DUE;
	media->talking_due_us = MEDIA_NEVER_DUE;
	media->layers_due_us = MEDIA_NEVER_DUE;
	media->reseat_at_us = MEDIA_NEVER_DUE;
	media->rate_due_us = media->rate_tick_us = MEDIA_NEVER_DUE;
	media->peer = calloc(md->table.max_transports, sizeof(media->peer[0]));
	media->due_us = calloc(md->table.max_transports, sizeof(media->due_us[0]));
	media->local = calloc(md->table.max_tracks, sizeof(struct track *));
	if (!media->peer || !media->due_us || !media->local || relay_start(media, &media->relay) < 0) {
		media_stop(media);
		return -ENOMEM;
	}
	announce_start(media);
	*ret_media = media;
	return 0;
}

struct media *media_stop(struct media *media)
{
	if (!media)
		return NULL;
	media->stopping = true;
	loop_timer_stop(&media->timer);
	while (media->peers_len > 0)
		media_on_closed(media->peer[0]->t);
	media->relay = relay_stop(media->relay);
	for (unsigned i = 0; i < CALL_BUCKETS; i++) {
		while (media->bucket[i]) {
			media->bucket[i]->gone_due = 0;
			call_free_if_done(media->bucket[i]);
		}
	}
	for (unsigned k = 0; k < SHM_PROCESSES_MAX; k++)
		free(media->remote[k]);
	free(media->local);
	free(media->peer);
	free(media->due_us);
	free(media);
	return NULL;
}

/* ---- offers ---- */

static void sync_extensions(struct media_peer *peer)
{
	const struct session_transport *rec = peer->t->rec;

	peer->uses_twcc = peer->uses_remb = false;
	peer->ext_mid = peer->ext_rid = peer->ext_repaired_rid = peer->ext_twcc = 0;
	for (unsigned i = 0; i < rec->mlines_len; i++) {
		const struct session_mline *m = &rec->mline[i];
		if (!m->receives || m->rejected)
			continue;
		peer->ext_mid = peer->ext_mid ? peer->ext_mid : m->ext.mid;
		peer->ext_rid = peer->ext_rid ? peer->ext_rid : m->ext.rid;
		peer->ext_repaired_rid = peer->ext_repaired_rid ? peer->ext_repaired_rid : m->ext.repaired_rid;
		peer->ext_twcc = peer->ext_twcc ? peer->ext_twcc : m->ext.twcc;
		for (unsigned c = 0; c < MIN(m->codecs_len, SESSION_CODECS_MAX); c++) {
			peer->uses_remb = peer->uses_remb || (m->codec[c].feedback & FB_REMB);
			peer->uses_twcc = peer->uses_twcc || (m->ext.twcc && (m->codec[c].feedback & FB_TWCC));
		}
	}
}

static int sync_track(struct media_peer *peer, unsigned i)
{
	const struct session_mline *m = &peer->t->rec->mline[i];
	bool wanted = i < peer->t->rec->mlines_len && m->receives && !m->rejected;

	if (!wanted && peer->track[i]) {
		announce_track_gone(peer->track[i]);
		peer->track[i] = track_free(peer->track[i]);
	} else if (wanted && peer->track[i]) {
		track_on_offer(peer->track[i]);
		announce_track_changed(peer->track[i]);
	} else if (wanted) {
		int err = track_new(peer, i, &peer->track[i]);
		if (err < 0)
			return err;
		announce_track_changed(peer->track[i]);
	}
	return 0;
}

static int sync_seat(struct media_peer *peer, unsigned i)
{
	const struct session_mline *m = &peer->t->rec->mline[i];
	bool wanted = i < peer->t->rec->mlines_len && m->sends && !m->rejected;

	if (!wanted && peer->seat[i])
		peer->seat[i] = seat_free(peer->seat[i]);
	else if (wanted && peer->seat[i])
		seat_on_offer(peer->seat[i]);
	else if (wanted)
		return seat_new(peer, i, &peer->seat[i]);
	return 0;
}

/* Feedback tells of what goes out on the m-lines that carry transport-wide numbers. */
static int sync_estimate(struct media_peer *peer)
{
	const struct session_transport *rec = peer->t->rec;
	bool numbered = false;

	for (unsigned i = 0; i < rec->mlines_len; i++)
		numbered = numbered || (rec->mline[i].sends && !rec->mline[i].rejected && rec->mline[i].ext.twcc);
	if (!numbered || peer->bwe)
		return 0;
	peer->bwe = malloc(sizeof(*peer->bwe));
	if (!peer->bwe)
		return -ENOMEM;
	bwe_init(peer->bwe, PEER_RATE_START, PEER_RATE_MIN, PEER_RATE_MAX, loop_now_us(peer->t->md->loop));
	return 0;
}

static int peer_sync(struct media_peer *peer)
{
	sync_extensions(peer);
	if (peer->uses_twcc && !peer->twcc) {
		peer->twcc = malloc(sizeof(*peer->twcc));
		if (!peer->twcc)
			return -ENOMEM;
		twcc_init(peer->twcc);
	}
	int err = sync_estimate(peer);
	for (unsigned i = 0; i < SESSION_MLINES_MAX && err == 0; i++) {
		err = sync_track(peer, i);
		if (err == 0)
			err = sync_seat(peer, i);
	}
	source_rebuild(peer);
	seating_set_places(peer);
	peer_seats_changed(peer);
	seating_update(peer->call);
	return err;
}

static void peer_names(struct session_transport *rec)
{
	uint8_t bytes[12];
	uint32_t ssrc;

	if (!rec->cname[0]) {
		random_bytes(bytes, sizeof(bytes));
		hex_format(bytes, sizeof(bytes), rec->cname);
	}
	while (atomic_load_explicit(&rec->srtcp_tx_ssrc, memory_order_relaxed) == 0) {
		random_bytes(&ssrc, sizeof(ssrc));
		atomic_store_explicit(&rec->srtcp_tx_ssrc, ssrc, memory_order_relaxed);
	}
}

static int peer_new(struct transport *t)
{
	struct media *media = t->md->media;
	struct media_peer *peer = calloc(1, sizeof(*peer));

	if (!peer || media->peers_len == t->md->table.max_transports) {
		free(peer);
		return peer ? -ENOSPC : -ENOMEM;
	}
	peer->media = media;
	peer->t = t;
	peer->rtt_us = PEER_RTT_DEFAULT_US;
	peer_names(t->rec);
	int err = call_join(peer);
	if (err < 0) {
		free(peer);
		return err;
	}
	peer->slot = media->peers_len++;
	media->peer[peer->slot] = peer;
	media->due_us[peer->slot] = MEDIA_NEVER_DUE;
	t->media = peer;
	return 0;
}

int media_on_offer(struct transport *t)
{
	bool is_new = !t->media;
	int err = is_new ? peer_new(t) : 0;

	if (err < 0)
		return err;
	err = peer_sync(t->media);
	if (err < 0 && is_new)
		media_on_closed(t);
	else if (!is_new)
		member_set_paused(t->media->member, t->rec->paused, loop_now_us(t->md->loop));
	return err;
}

struct session_seat *media_seat(struct transport *t, unsigned mline)
{
	if (!t->media || mline >= SESSION_MLINES_MAX || !t->media->seat[mline])
		return NULL;
	return t->media->seat[mline]->rec;
}

/* ---- the life of a transport ---- */

static void peer_wants_pictures(struct media_peer *peer, int64_t now_us)
{
	for (unsigned i = 0; i < SESSION_MLINES_MAX; i++) {
		if (peer->seat[i])
			seat_restart(peer->seat[i], now_us);
	}
	rate_changed(peer);
	peer_due(peer, now_us);
}

void media_on_connected(struct transport *t)
{
	struct media_peer *peer = t->media;
	int64_t now_us = loop_now_us(t->md->loop);

	if (!peer)
		return;
	peer->connected = true;
	peer->suspended = false;
	peer_wants_pictures(peer, now_us);
	speaker_on_listener(peer->call);
}

void media_on_suspended(struct transport *t, bool suspended)
{
	struct media_peer *peer = t->media;

	if (!peer || peer->suspended == suspended)
		return;
	peer->suspended = suspended;
	if (!suspended)
		peer_wants_pictures(peer, loop_now_us(t->md->loop));
}

void media_on_closed(struct transport *t)
{
	struct media_peer *peer = t->media;

	if (!peer)
		return;
	struct media *media = peer->media;
	peer->connected = false;
	pacing_end(peer);
	for (unsigned i = 0; i < SESSION_MLINES_MAX; i++)
		peer->seat[i] = seat_free(peer->seat[i]);
	for (unsigned i = 0; i < SESSION_MLINES_MAX; i++) {
		if (!peer->track[i])
			continue;
		announce_track_gone(peer->track[i]);
		peer->track[i] = track_free(peer->track[i]);
	}
	seating_set_places(peer);
	rate_forget(peer);
	call_leave(peer);
	media->peer[peer->slot] = media->peer[--media->peers_len];
	media->peer[peer->slot]->slot = peer->slot;
	media->due_us[peer->slot] = media->due_us[media->peers_len];
	t->media = NULL;
	free(peer->twcc);
	free(peer->bwe);
	free(peer);
}

void media_on_member_state(struct media *media, const struct msg_member_state *state)
{
	struct call *call = call_find(media, &state->call);
	struct member *member = call ? call->members : NULL;
	int64_t now_us = loop_now_us(media->md->loop);

	while (member && !id_equal(&member->id, &state->member))
		member = member->next;
	if (!member)
		return;
	member->muted_audio = state->muted_audio;
	member->muted_video = state->muted_video;
	for (struct track *track = member->tracks; track; track = track->member_next)
		track_set_muted(track, member_mutes(member, track->kind));
	for (struct media_peer *peer = call->peers; peer; peer = peer->next) {
		if (peer->member == member)
			peer->t->rec->paused = state->paused;
	}
	member_set_paused(member, state->paused, now_us);
	for (struct track *track = member->tracks; track; track = track->member_next) {
		if (track->rec)
			announce_track_changed(track);
	}
}

void media_on_seats_ask(struct media *media, const struct msg_member *who)
{
	struct call *call = call_find(media, &who->call);

	for (struct media_peer *peer = call ? call->peers : NULL; peer; peer = peer->next) {
		if (id_equal(&peer->member->id, &who->member))
			peer_seats_changed(peer);
	}
}

void media_on_view(struct media *media, const struct msg_view *view)
{
	view_set(media, view, loop_now_us(media->md->loop));
}

/* ---- packets ---- */

static void note_transport_wide(struct media_peer *peer, const struct rtp *rtp, int64_t now_us)
{
	const struct rtp_element *e = rtp_find(rtp, peer->ext_twcc);

	if (!peer->twcc || !peer->uses_twcc || !e || e->len < 2)
		return;
	peer->twcc_media = rtp->ssrc;
	twcc_on_packet(peer->twcc, rtp_get16(e->data), rtp->marker, now_us);
	peer_due(peer, twcc_due_us(peer->twcc));
}

/* The plain packet in place; false when there is none in it. */
static bool unwrap(struct track *track, unsigned layer, uint8_t *data, struct rtp *rtp)
{
	bool is_rtx;
	const struct session_codec *codec =
		codec_find(&track->peer->t->rec->mline[track->mline], rtp->payload_type, &is_rtx);

	stat_add(&track->media->md->counters->rtx_received, 1);
	track_note_rtx(track, layer, rtp->seq);
	return codec && is_rtx && rtp_unwrap_rtx(data, rtp, codec->pt, track->layer[layer]->ssrc) > 0;
}

bool media_on_rtp(struct transport *t, uint32_t slot, size_t len, int64_t now_us)
{
	struct media_peer *peer = t->media;
	struct mediad *md = t->md;
	struct ring_slot *s = &md->ring.slot[slot];
	struct rtp rtp;

	if (!peer || len > RING_PACKET_MAX || rtp_parse(s->packet, len, &rtp) < 0) {
		stat_add(&md->counters->rtp_bad, 1);
		return false;
	}
	peer->quality.bytes_out += len;
	note_transport_wide(peer, &rtp, now_us);
	const struct peer_source *source = source_find(peer, rtp.ssrc);
	if (UNLIKELY(!source))
		source = source_learn(peer, &rtp, now_us);
	if (!source) {
		stat_add(&md->counters->rtp_unknown_ssrc, 1);
		return false;
	}
	struct track *track = peer->track[source->mline];
	unsigned layer = source->layer;
	bool is_rtx = source->is_rtx;
	struct ring_head head;
	if ((is_rtx && !unwrap(track, layer, s->packet, &rtp)) ||
	    !track_on_rtp(track, layer, &rtp, s->packet, is_rtx, now_us, &head))
		return false;
	if (UNLIKELY(!track->present))
		track_set_present(track, true);
	if (!track_has_audience(track, layer)) {
		track_drop(track, &head);
		return false;
	}
	/* All but the generation, which is 0 until it is published. */
	memcpy((uint8_t *)&s->head + sizeof(s->head.generation), (const uint8_t *)&head + sizeof(head.generation),
	       sizeof(head) - sizeof(head.generation));
	uint64_t generation = ring_publish(&md->ring, slot);
	stat_add(&md->counters->ring_published, 1);
	relay_post(track, layer, slot, generation);
	track_forward(track, &s->head, s->packet, slot, generation, now_us);
	return true;
}

void media_on_rtcp(struct transport *t, const uint8_t *data, size_t len, int64_t now_us)
{
	if (t->media)
		report_on_rtcp(t->media, data, len, now_us);
}

void media_on_padded(struct transport *t, unsigned bytes)
{
	struct media_peer *peer = t->media;

	if (!peer)
		return;
	peer->quality.bytes_in += bytes;
	if (peer->bwe)
		bwe_on_padded(peer->bwe, (uint16_t)(t->rec->twcc_tx_seq - 1), bytes);
	if (UNLIKELY(peer->pacing))
		pacing_on_sent(peer, bytes, loop_now_us(t->md->loop));
}

/* ---- other mediads, the turn ---- */

void media_on_peer_msg(struct media *media, unsigned k, const struct link_msg *msg, const void *payload)
{
	relay_on_msg(media, k, msg, payload);
}

void media_on_peer_restart(struct media *media, unsigned k)
{
	if (k < media->md->mediads && k != media->md->index)
		announce_on_restart(media, k);
}

bool media_drain_rings(struct media *media, unsigned budget, int64_t now_us)
{
	return relay_drain(media, budget, now_us);
}

static void tell_seats(struct media *media, int64_t now_us)
{
	if (!media->seats_due || now_us < media->seats_retry_us)
		return;
	media->seats_due = false;
	for (uint32_t i = 0; i < media->peers_len; i++) {
		if (media->peer[i]->seats_due && !peer_tell_seats(media->peer[i])) {
			media->seats_due = true;
			media->seats_retry_us = now_us + SEATS_RETRY_US;
			media_wake_at(media, media->seats_retry_us);
		}
	}
}

void media_flush(struct media *media, int64_t now_us)
{
	seating_flush(media);
	rate_flush(media, now_us);
	tell_seats(media, now_us);
	demand_flush(media, now_us);
	announce_flush(media);
	uint64_t news = ring_post_flush(&media->md->ring);
	for (unsigned k = 0; news; k++, news >>= 1) {
		if (news & 1)
			link_poke(&media->md->link_mediad[k]);
	}
}

bool media_has_news(const struct media *media)
{
	return relay_has_news(media);
}
