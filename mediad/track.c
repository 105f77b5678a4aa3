#include "mediad/track.h"

#include "mediad/call.h"
#include "mediad/codec.h"
#include "mediad/announce.h"
#include "mediad/demand.h"
#include "mediad/quality.h"
#include "mediad/seating.h"
#include "mediad/speaker.h"

#include <stdlib.h>
#include <string.h>

#define TRACK_NACKS_MAX 64 /* asked for at once */
#define TRACK_RETURN_US USEC_PER_SEC

static const struct session_mline *track_mline(const struct track *track)
{
	return &track->peer->t->rec->mline[track->mline];
}

static void layer_reset(struct track_layer *l)
{
	struct keyframe keyframe = l->keyframe;
	uint32_t ssrc = l->ssrc, rtx_ssrc = l->rtx_ssrc;

	*l = (struct track_layer){ .ssrc = ssrc, .rtx_ssrc = rtx_ssrc, .keyframe = keyframe };
	nack_init(&l->nack);
}

int track_set_layers(struct track *track, unsigned n)
{
	n = MAX(1, MIN(n, SESSION_LAYERS_MAX));
	for (unsigned i = 0; i < n; i++) {
		if (track->layer[i])
			continue;
		track->layer[i] = calloc(1, sizeof(struct track_layer));
		if (!track->layer[i])
			return -ENOMEM;
		nack_init(&track->layer[i]->nack);
	}
	track->layers_len = (uint8_t)n;
	track->set.n = n;
	demand_list(track);
	return 0;
}

static bool kind_is_screen(unsigned kind)
{
	return kind == TRACK_SCREEN || kind == TRACK_SCREEN_AUDIO;
}

int track_new(struct media_peer *peer, unsigned mline, struct track **ret_track)
{
	struct session_table *table = &peer->media->md->table;
	const struct session_mline *m = &peer->t->rec->mline[mline];
	struct track *track = calloc(1, sizeof(*track));
	int err;

	if (!track)
		return -ENOMEM;
	track->media = peer->media;
	track->peer = peer;
	track->mline = (uint8_t)mline;
	track->mediad = peer->media->md->index;
	track->kind = m->track_kind;
	track->media_kind = m->media;
	track->present = !kind_is_screen(m->track_kind);
	demand_init(track);
	err = track_set_layers(track, m->layers_len);
	if (err == 0)
		err = session_track_new(table, &track->rec);
	if (err < 0)
		goto fail;
	track->handle = session_track_handle(table, track->rec);
	track->rec->transport = peer->t->handle;
	track->rec->mline = (uint8_t)mline;
	track->rec->track_kind = track->kind;
	peer->media->local[session_handle_index(track->handle)] = track;
	track_on_offer(track);
	atomic_store_explicit(&track->rec->state, 1, memory_order_release);
	member_add_track(peer->member, track);
	track_set_muted(track, member_mutes(peer->member, track->kind));
	stat_add(&peer->media->md->counters->tracks, 1);
	*ret_track = track;
	return 0;
fail:
	track_free(track);
	return err;
}

int track_new_remote(struct media *media, unsigned mediad, uint64_t handle, unsigned layers_len,
		     struct track **ret_track)
{
	struct track *track = calloc(1, sizeof(*track));

	if (!track)
		return -ENOMEM;
	track->media = media;
	track->mediad = mediad;
	track->handle = handle;
	track->present = true;
	if (track_set_layers(track, layers_len) < 0) {
		track_free(track);
		return -ENOMEM;
	}
	*ret_track = track;
	return 0;
}

struct track *track_free(struct track *track)
{
	if (!track)
		return NULL;
	while (track->seats)
		seat_lose_source(track->seats, loop_now_us(track->media->md->loop));
	if (track->layered_link)
		demand_unlist(track);
	if (track->member)
		member_remove_track(track->member, track);
	if (track->rec) {
		track->media->local[session_handle_index(track->handle)] = NULL;
		session_track_free(&track->media->md->table, track->rec);
		stat_add(&track->media->md->counters->tracks, (uint64_t)-1);
	}
	for (unsigned i = 0; i < SESSION_LAYERS_MAX; i++)
		free(track->layer[i]);
	free(track);
	return NULL;
}

static void track_set_codec(struct track *track, const struct session_codec *codec)
{
	track->codec = *codec;
	track->codec_version++;
	if (track->rec)
		track->rec->codec = codec->codec;
}

void track_on_offer(struct track *track)
{
	const struct session_mline *m = track_mline(track);
	bool is_rtx;

	/* A failed allocation leaves the layers that were there. */
	(void)track_set_layers(track, m->layers_len);
	track->rec->layers_len = track->layers_len;
	for (unsigned i = 0; i < track->layers_len; i++) {
		struct track_layer *l = track->layer[i];
		uint32_t ssrc = m->layer[i].ssrc ? m->layer[i].ssrc : l->ssrc;
		bool changed = ssrc != l->ssrc;
		l->ssrc = ssrc;
		l->rtx_ssrc = m->layer[i].rtx_ssrc ? m->layer[i].rtx_ssrc : l->rtx_ssrc;
		if (changed)
			layer_reset(l);
		track->rec->layer[i].ssrc = l->ssrc;
		track->rec->layer[i].rtx_ssrc = l->rtx_ssrc;
	}
	const struct session_codec *codec = codec_find(m, track->codec.pt, &is_rtx);
	if (m->codecs_len > 0 && (!codec || is_rtx || codec->codec != track->codec.codec))
		codec = &m->codec[0];
	if (codec)
		track_set_codec(track, codec);
}

/* The codec of a payload type; a change is told to the other mediads. */
static bool track_switch_codec(struct track *track, uint8_t payload_type)
{
	bool is_rtx;

	if (LIKELY(payload_type == track->codec.pt && track->codec.codec != CODEC_NONE))
		return true;
	const struct session_codec *codec = codec_find(track_mline(track), payload_type, &is_rtx);
	if (!codec || is_rtx)
		return false;
	track_set_codec(track, codec);
	announce_track_changed(track);
	return true;
}

void track_set_ssrc(struct track *track, unsigned layer, bool is_rtx, uint32_t ssrc)
{
	struct track_layer *l = track->layer[layer];

	if (is_rtx) {
		l->rtx_ssrc = ssrc;
		l->rtx_started = false;
	} else {
		l->ssrc = ssrc;
		layer_reset(l);
		atomic_store_explicit(&track->rec->layer[layer].highest, 0, memory_order_relaxed);
	}
	track->rec->layer[layer].ssrc = l->ssrc;
	track->rec->layer[layer].rtx_ssrc = l->rtx_ssrc;
}

void track_note_rtx(struct track *track, unsigned layer, uint16_t seq)
{
	struct track_layer *l = track->layer[layer];
	uint64_t index = l->rtx_started ? rtp_index_guess(l->rtx_highest, seq) : seq;

	if (l->rtx_started && index <= l->rtx_highest)
		return;
	l->rtx_started = true;
	l->rtx_highest = index;
	atomic_store_explicit(&track->rec->layer[layer].rtx_highest, index, memory_order_relaxed);
}

static void layer_statistics(struct track_layer *l, const struct rtp *rtp, uint32_t clock_rate, uint64_t index,
			     int64_t now_us)
{
	uint32_t arrival = (uint32_t)((uint64_t)now_us * clock_rate / (uint64_t)USEC_PER_SEC);
	uint32_t transit = arrival - rtp->timestamp;

	if (l->received++ == 0) {
		l->base = index;
		l->transit = transit;
		return;
	}
	uint32_t d = transit - l->transit;
	l->transit = transit;
	l->base = MIN(l->base, index);
	if ((int32_t)d < 0)
		d = -d;
	/* A new source behind the same SSRC starts its timestamps elsewhere. */
	if (d < 10 * clock_rate)
		l->jitter += d - ((l->jitter + 8) >> 4);
}

static void head_extensions(const struct session_mline *m, const struct rtp *rtp, struct ring_head *head)
{
	const struct rtp_element *level = rtp_find(rtp, m->ext.audio_level);
	const struct rtp_element *rotation = rtp_find(rtp, m->ext.orientation);

	if (level && level->len >= 1) {
		head->level = level->data[0] & 0x7f;
		head->flags = (uint16_t)(head->flags | RING_HAS_LEVEL | ((level->data[0] & 0x80) ? RING_VOICE : 0));
	}
	if (rotation && rotation->len >= 1) {
		head->rotation = rotation->data[0];
		head->flags |= RING_HAS_ROTATION;
	}
}

static void head_codec(const struct session_mline *m, struct track_layer *l, const struct rtp *rtp, const uint8_t *data,
		       struct ring_head *head)
{
	const struct rtp_element *descriptor = rtp_find(rtp, m->ext.dependency_descriptor);
	struct codec_info info;

	codec_parse(head->codec, data + rtp->payload_offset, rtp->payload_len, &info);
	if (head->codec == CODEC_AV1 && descriptor && codec_descriptor_is_key(descriptor->data, descriptor->len))
		info.keyframe = true;
	if (info.parameters) {
		l->parameters = true;
		l->parameters_timestamp = rtp->timestamp;
	} else if (info.keyframe && l->parameters && l->parameters_timestamp == rtp->timestamp) {
		info.keyframe = false; /* H.264: it began with them */
	}
	head->flags = (uint16_t)(head->flags | (info.keyframe ? RING_KEYFRAME : 0) |
				 (info.frame_start ? RING_FRAME_START : 0) | (info.discardable ? RING_DISCARDABLE : 0) |
				 (info.scalable ? RING_SCALABLE : 0) | (info.sync ? RING_SYNC : 0));
	if (info.keyframe && info.height)
		l->height = info.height;
	head->temporal = info.temporal;
	head->descriptor_len = info.descriptor_len;
	head->picture_id_bits = info.picture_id_bits;
	head->picture_id = info.picture_id;
	head->tl0picidx = info.tl0picidx;
	head->has_tl0picidx = info.has_tl0picidx;
}

static void layer_on_keyframe(struct track *track, struct track_layer *l, uint32_t timestamp)
{
	if (l->key_timestamp != timestamp)
		stat_add(&track->media->md->counters->keyframes, 1);
	l->key_timestamp = timestamp;
	keyframe_arrived(&l->keyframe);
}

/* What local and remote packets have in common. */
static bool layer_on_packet(struct track *track, unsigned layer, uint64_t index, bool retransmitted, bool keyframe,
			    uint32_t timestamp, int64_t now_us)
{
	struct track_layer *l = track->layer[layer];
	enum nack_verdict verdict = nack_on_rtp(&l->nack, index, retransmitted, now_us);

	if (verdict == NACK_DUPLICATE)
		return false;
	if (l->last_packet_us && now_us - l->last_packet_us > TRACK_RETURN_US)
		keyframe_on_return(&l->keyframe, now_us);
	l->last_packet_us = now_us;
	/* Before the packet goes on: it may be the key frame that seats wait for. */
	if (UNLIKELY(!track->set.layer[layer].sent && track->set.n > 1)) {
		track->set.layer[layer].sent = true;
		if (l->height)
			track->set.layer[layer].height = l->height;
		track_layers_changed(track, now_us);
	}
	if (keyframe)
		layer_on_keyframe(track, l, timestamp);
	else if (verdict == NACK_JUMP && track->media_kind == MEDIA_VIDEO)
		track_want_keyframe(track, layer, now_us);
	return true;
}

bool track_on_rtp(struct track *track, unsigned layer, const struct rtp *rtp, const uint8_t *data, bool from_rtx,
		  int64_t now_us, struct ring_head *ret_head)
{
	struct track_layer *l = track->layer[layer];
	const struct session_mline *m = track_mline(track);
	uint64_t index = l->started ? rtp_index_guess(l->highest, rtp->seq) : rtp->seq;

	if ((from_rtx && !l->started) || !track_switch_codec(track, rtp->payload_type))
		return false;
	struct ring_head head = {
		.arrival_us = now_us,
		.track = track->handle,
		.index = index,
		.timestamp = rtp->timestamp,
		.ssrc = l->ssrc,
		.len = (uint16_t)(rtp->payload_offset + rtp->payload_len),
		.payload_offset = rtp->payload_offset,
		.payload_len = rtp->payload_len,
		.flags = (uint16_t)((rtp->marker ? RING_MARKER : 0) | (from_rtx ? RING_RETRANSMITTED : 0)),
		.payload_type = rtp->payload_type,
		.codec = track->codec.codec,
		.layer = (uint8_t)layer,
	};
	head_extensions(m, rtp, &head);
	if (track->media_kind == MEDIA_VIDEO)
		head_codec(m, l, rtp, data, &head);
	else
		speaker_on_packet(track, &head, now_us);
	l->octets += rtp->payload_len;
	if (head.flags & RING_SCALABLE)
		l->temporal_octets[MIN(head.temporal, LAYER_TEMPORALS_MAX - 1)] += rtp->payload_len;
	if (!from_rtx)
		layer_statistics(l, rtp, track->codec.clock_rate, index, now_us);
	/* Without RTX a repeated packet looks like one that was overtaken. */
	bool repeated = from_rtx || track->codec.rtx_pt == 0;
	if (!layer_on_packet(track, layer, index, repeated, head.flags & RING_KEYFRAME, rtp->timestamp, now_us))
		return false;
	if (!l->started || index > l->highest) {
		l->started = true;
		l->highest = index;
		atomic_store_explicit(&track->rec->layer[layer].highest, index, memory_order_relaxed);
	}
	peer_due(track->peer, nack_due_us(&l->nack));
	/* What it begins overtook it and was dropped: it is no beginning for anybody. */
	if ((head.flags & RING_KEYFRAME) && index < l->unwatched && track_has_audience(track, layer)) {
		head.flags &= (uint16_t)~RING_KEYFRAME;
		track_want_keyframe(track, layer, now_us);
	}
	*ret_head = head;
	return true;
}

void track_drop(struct track *track, const struct ring_head *head)
{
	struct track_layer *l = track->layer[head->layer];

	l->unwatched = MAX(l->unwatched, head->index + 1);
}

bool track_on_ring(struct track *track, const struct ring_head *head, int64_t now_us)
{
	struct track_layer *l = head->layer < SESSION_LAYERS_MAX ? track->layer[head->layer] : NULL;

	if (!l)
		return false;
	if (l->ssrc != head->ssrc) {
		l->ssrc = head->ssrc;
		layer_reset(l);
	}
	if (!layer_on_packet(track, head->layer, head->index, head->flags & RING_RETRANSMITTED,
			     head->flags & RING_KEYFRAME, head->timestamp, now_us))
		return false;
	l->highest = MAX(l->highest, head->index);
	l->started = true;
	return true;
}

bool track_has(const struct track *track, unsigned layer, uint64_t index)
{
	const struct track_layer *l = track->layer[layer];

	return l->recent[index % TRACK_RECENT].index == index && l->recent[index % TRACK_RECENT].generation;
}

/* A packet that came before, from the ring again. ret_head and buf are room for it. False: overwritten meanwhile. */
static bool track_recall(struct track *track, unsigned layer, uint64_t index, int64_t now_us,
			 struct ring_head *ret_head, uint8_t *buf, struct track_packet *ret_packet)
{
	struct track_layer *l = track->layer[layer];
	struct mediad *md = track->media->md;
	uint32_t slot = l->recent[index % TRACK_RECENT].slot;
	uint64_t generation = l->recent[index % TRACK_RECENT].generation;
	struct track_packet packet = { .track = track, .mediad = track->mediad, .now_us = now_us };

	if (l->recent[index % TRACK_RECENT].index != index || generation == 0)
		return false;
	if (track->rec) {
		const struct ring_slot *own = ring_own(&md->ring, slot, generation);
		if (!own)
			return false;
		packet.head = &own->head;
		packet.data = own->packet;
	} else {
		if (ring_read(&md->reader[track->mediad], slot, generation, ret_head, buf) < 0 ||
		    ret_head->track != track->handle || ret_head->layer != layer)
			return false;
		packet.head = ret_head;
		packet.data = buf;
	}
	packet.slot = slot;
	packet.generation = generation;
	packet.time_us = track_time_us(track, layer, packet.head->timestamp, packet.head->arrival_us);
	*ret_packet = packet;
	return true;
}

/* What came of a layer behind its packet `first` and was not forwarded for want of it. */
static void seat_catch_up(struct seat *seat, struct track *track, unsigned layer, uint64_t first, int64_t now_us)
{
	uint64_t to = MIN(track->layer[layer]->highest, first + TRACK_RECENT - 1);

	for (uint64_t index = first + 1; index <= to; index++) {
		struct track_packet packet;
		struct ring_head head;
		uint8_t buf[RING_PACKET_MAX];
		if (track_recall(track, layer, index, now_us, &head, buf, &packet))
			seat_forward(seat, &packet);
	}
}

void track_catch_up(struct seat *seat, int64_t now_us)
{
	seat_catch_up(seat, seat->source, seat->rec->layer, seat->thin.highest, now_us);
}

/* The frame that was open is whole: the key frame that waited for it, and what has come behind. */
static void seat_begin(struct seat *seat, struct track *track, int64_t now_us)
{
	unsigned layer = seat->begin.layer;
	uint64_t index = seat->begin.index;
	struct track_packet packet;
	struct ring_head head;
	uint8_t buf[RING_PACKET_MAX];

	bool headless = !seat->begin.first && !track_has(track, layer, index - 1);
	bool refused = headless && !seat->begin.refused; /* once: a sender may have no parameter sets in his stream */
	seat->begin.refused = refused;
	if (refused || !track_recall(track, layer, index, now_us, &head, buf, &packet)) {
		seat_release(seat, now_us);
		track_want_keyframe(track, layer, now_us);
		return;
	}
	seat->begin.now = true;
	seat_forward(seat, &packet);
	seat->begin.now = seat->begin.waits = false;
	seat_catch_up(seat, track, layer, index, now_us);
}

void track_forward(struct track *track, const struct ring_head *head, const uint8_t *data, uint32_t slot,
		   uint64_t generation, int64_t now_us)
{
	struct track_layer *l = track->layer[head->layer];
	struct track_packet packet = {
		.head = head,
		.data = data,
		.track = track,
		.generation = generation,
		.slot = slot,
		.mediad = track->mediad,
		.time_us = track_time_us(track, head->layer, head->timestamp, head->arrival_us),
		.now_us = now_us,
	};

	l->recent[head->index % TRACK_RECENT].index = head->index;
	l->recent[head->index % TRACK_RECENT].slot = slot;
	l->recent[head->index % TRACK_RECENT].generation = generation;
	for (struct seat *seat = track->seats; seat; seat = seat->next) {
		unsigned maps = seat->maps;
		seat_forward(seat, &packet);
		if (UNLIKELY(maps != seat->maps && l->highest > head->index))
			seat_catch_up(seat, track, head->layer, head->index, now_us);
		if (UNLIKELY(seat_begins(seat, now_us)))
			seat_begin(seat, track, now_us);
	}
}

void track_set_muted(struct track *track, bool muted)
{
	if (track->muted == muted)
		return;
	track->muted = muted;
	if (track->rec)
		track->rec->muted = muted;
	/* What is not forwarded leaves no hole in the seats' streams. */
	for (struct seat *seat = track->seats; track->kind == TRACK_MICROPHONE && seat; seat = seat->next)
		seat->mapped = false;
}

bool track_is_silenced(const struct track *track)
{
	return track->muted && track->kind == TRACK_MICROPHONE;
}

void track_seats_changed(struct track *track)
{
	unsigned watched = 0;

	for (const struct seat *seat = track->seats; seat; seat = seat->next)
		watched |= seat_layers(seat);
	watched &= (1u << track->layers_len) - 1;
	if (watched == track->watched)
		return;
	track->watched = (uint8_t)watched;
	demand_changed(track);
}

void track_layers_changed(struct track *track, int64_t now_us)
{
	for (struct seat *seat = track->seats; seat; seat = seat->next)
		seat_choose(seat, now_us);
	announce_track_changed(track);
}

unsigned track_demand(const struct track *track)
{
	unsigned demand = track->watched;

	for (unsigned i = 0; track->rec && i < track->layers_len; i++) {
		if (atomic_load_explicit(&track->rec->layer[i].interested, memory_order_relaxed))
			demand |= 1u << i;
	}
	return demand;
}

bool track_has_audience(const struct track *track, unsigned layer)
{
	return !track->member->paused && !track_is_silenced(track) &&
	       ((track->watched & 1u << layer) ||
		(track->rec && atomic_load_explicit(&track->rec->layer[layer].interested, memory_order_relaxed)));
}

void track_set_present(struct track *track, bool present)
{
	if (track->present == present)
		return;
	track->present = present;
	announce_track_changed(track);
	seating_update(track->member->call);
}

int64_t track_last_packet_us(const struct track *track)
{
	int64_t last_us = 0;

	for (unsigned i = 0; i < track->layers_len; i++)
		last_us = MAX(last_us, track->layer[i]->last_packet_us);
	return last_us;
}

void track_want_keyframes(struct track *track, int64_t now_us)
{
	for (struct seat *seat = track->seats; seat; seat = seat->next)
		seat_on_keyframe_request(seat, now_us);
}

void track_want_keyframe(struct track *track, unsigned layer, int64_t now_us)
{
	if (track->media_kind != MEDIA_VIDEO || layer >= track->layers_len)
		return;
	keyframe_want(&track->layer[layer]->keyframe, now_us);
	if (track->peer)
		peer_due(track->peer, keyframe_due_us(&track->layer[layer]->keyframe));
	else
		relay_keyframe_wanted(track);
}

static void ask_keyframe(struct track *track, unsigned layer, struct rtcp_out *out, int64_t now_us)
{
	struct track_layer *l = track->layer[layer];
	uint32_t own = peer_own_ssrc(track->peer);
	int err = 0;

	if (!track_has_audience(track, layer)) {
		l->keyframe.wanted = false;
		return;
	}
	if (l->ssrc) {
		if ((track->codec.feedback & (FB_PLI | FB_FIR)) == FB_FIR)
			err = rtcp_add_fir(out, own, l->ssrc, l->fir_command++);
		else
			err = rtcp_add_pli(out, own, l->ssrc);
		if (err == 0)
			stat_add(&track->media->md->counters->plis_sent, 1);
	}
	keyframe_asked(&l->keyframe, now_us);
}

static void ask_missing(struct track *track, unsigned layer, struct rtcp_out *out, int64_t now_us)
{
	struct track_layer *l = track->layer[layer];
	uint64_t index[TRACK_NACKS_MAX];
	uint16_t seq[TRACK_NACKS_MAX];
	int64_t rtt = l->nack.round_trip_us ? l->nack.round_trip_us : track->peer->rtt_us;
	bool useful = (track->codec.feedback & FB_NACK) && track_has_audience(track, layer);
	size_t n = nack_collect(&l->nack, now_us, rtt + 10 * USEC_PER_MSEC, index, ARRAY_LEN(index));

	for (size_t i = 0; i < n; i++)
		seq[i] = (uint16_t)index[i];
	if (n > 0 && useful && rtcp_add_nack(out, peer_own_ssrc(track->peer), l->ssrc, seq, n) == 0)
		stat_add(&track->media->md->counters->nacks_sent, n);
}

int64_t track_feedback(struct track *track, struct rtcp_out *out, int64_t now_us)
{
	int64_t due = MEDIA_NEVER_DUE;

	for (unsigned i = 0; i < track->layers_len; i++) {
		struct track_layer *l = track->layer[i];
		if (keyframe_due_us(&l->keyframe) <= now_us)
			ask_keyframe(track, i, out, now_us);
		if (nack_due_us(&l->nack) <= now_us)
			ask_missing(track, i, out, now_us);
		due = MIN(due, MIN(keyframe_due_us(&l->keyframe), nack_due_us(&l->nack)));
	}
	return due;
}

void track_on_sender_report(struct track *track, unsigned layer, const struct rtcp_sender *sender, int64_t now_us)
{
	struct media_peer *peer = track->peer;
	struct track_layer *l = track->layer[layer];
	rtp_clock_report(&l->clock, &peer->clock, sender->ntp, sender->rtp, now_us);
	l->lsr = (uint32_t)(sender->ntp >> 16);
	l->lsr_us = now_us;
	if (layer == 0) {
		track->rec->sr_rtp = sender->rtp;
		track->rec->sr_ntp = sender->ntp;
		track->rec->sr_arrival_us = l->clock.us;
	}
	relay_clock(track, layer, sender->ntp);
}

static uint32_t track_rate(const struct track *track)
{
	return track->codec.clock_rate ? track->codec.clock_rate : 90000;
}

int64_t track_time_us(struct track *track, unsigned layer, uint32_t timestamp, int64_t arrival_us)
{
	return rtp_clock_time_us(&track->layer[layer]->clock, track_rate(track), timestamp, arrival_us);
}

uint32_t track_timestamp(const struct track *track, unsigned layer, int64_t at_us)
{
	return rtp_clock_timestamp(&track->layer[layer]->clock, track_rate(track), at_us);
}

bool track_report(struct track *track, unsigned layer, int64_t now_us, struct rtcp_block *ret_block)
{
	struct track_layer *l = track->layer[layer];

	if (l->received == 0 || !l->ssrc)
		return false;
	uint32_t expected = (uint32_t)(l->highest - l->base + 1);
	uint32_t expected_now = expected - l->expected_prior, received_now = l->received - l->received_prior;
	int32_t lost_now = (int32_t)(expected_now - received_now);
	uint8_t fraction = 0;

	l->expected_prior = expected;
	l->received_prior = l->received;
	quality_on_received(track->peer, expected_now, (uint32_t)MAX(lost_now, 0));
	if (expected_now > 0 && lost_now > 0)
		fraction = (uint8_t)MIN((uint64_t)lost_now * 256 / expected_now, UINT8_MAX);
	*ret_block = (struct rtcp_block){
		.ssrc = l->ssrc,
		.fraction_lost = fraction,
		.lost = (int32_t)(expected - l->received),
		.highest = (uint32_t)l->highest,
		.jitter = l->jitter >> 4,
		.lsr = l->lsr,
		.dlsr = l->lsr ? (uint32_t)((now_us - l->lsr_us) * 65536 / USEC_PER_SEC) : 0,
	};
	return true;
}

void track_describe(const struct track *track, struct msg_track *ret_msg)
{
	*ret_msg = (struct msg_track){
		.handle = track->handle,
		.call = track->member->call->id,
		.member = track->member->id,
		.joined_us = track->member->joined_us,
		.track_kind = track->kind,
		.media = track->media_kind,
		.codec = track->codec.codec,
		.layers_len = track->layers_len,
		.muted = track->muted,
		.paused = track->member->paused,
		.packetization_mode = track->codec.packetization_mode,
		.pt = track->codec.pt,
		.profile = track->codec.profile,
		.clock_rate = track->codec.clock_rate,
	};
	for (unsigned i = 0; i < track->layers_len; i++) {
		ret_msg->layer[i].bps = track->set.layer[i].bps;
		ret_msg->layer[i].height = track->set.layer[i].height;
		ret_msg->layer[i].sent = track->set.layer[i].sent;
		ret_msg->layer[i].temporals = track->set.layer[i].temporals;
		memcpy(ret_msg->layer[i].less, track->set.layer[i].less, sizeof(ret_msg->layer[i].less));
	}
}
