#include "mediad/announce.h"

#include "mediad/codec.h"
#include "mediad/demand.h"
#include "mediad/seating.h"
#include "mediad/speaker.h"

#include <stdlib.h>

static uint64_t others(const struct media *media)
{
	uint64_t all = media->md->mediads >= 64 ? UINT64_MAX : (UINT64_C(1) << media->md->mediads) - 1;

	return all & ~(UINT64_C(1) << media->md->index);
}

static int tell_call(struct media *media, unsigned k, uint16_t type, const struct id *call)
{
	struct msg_call msg = { .call = *call };

	return relay_tell(media, k, type, &msg, sizeof(msg));
}

void announce_start(struct media *media)
{
	media->relay->hello_due = others(media);
}

/* ---- remote tracks ---- */

static void remote_free(struct media *media, struct track *track)
{
	media->remote[track->mediad][session_handle_index(track->handle)] = NULL;
	*track->link = track->next;
	if (track->next)
		track->next->link = track->link;
	track->subscribed = 0;
	track_free(track);
}

static void remote_update(struct track *track, const struct msg_track *msg, int64_t now_us)
{
	struct session_codec codec = {
		.codec = msg->codec,
		.pt = msg->pt,
		.packetization_mode = msg->packetization_mode,
		.profile = msg->profile,
		.clock_rate = msg->clock_rate,
	};

	if (memcmp(&codec, &track->codec, sizeof(codec)) != 0) {
		track->codec = codec;
		track->codec_version++;
	}
	/* Out of memory for more layers: those are not forwarded. */
	(void)track_set_layers(track, msg->layers_len);
	for (unsigned i = 0; i < track->layers_len; i++) {
		track->set.layer[i].bps = msg->layer[i].bps;
		track->set.layer[i].height = msg->layer[i].height;
		track->set.layer[i].sent = msg->layer[i].sent;
		track->set.layer[i].temporals = MIN(msg->layer[i].temporals, LAYER_TEMPORALS_MAX);
		memcpy(track->set.layer[i].less, msg->layer[i].less, sizeof(msg->layer[i].less));
	}
	track_layers_changed(track, now_us);
	track_set_muted(track, msg->muted);
	member_set_paused(track->member, msg->paused, now_us);
}

static struct track *remote_new(struct call *call, unsigned k, const struct msg_track *msg)
{
	struct media *media = call->media;
	struct track *track;
	struct member *member = call_member(call, &msg->member, msg->joined_us);

	if (!member || track_new_remote(media, k, msg->handle, msg->layers_len, &track) < 0)
		return NULL;
	track->kind = msg->track_kind;
	track->media_kind = msg->media;
	track->next = media->remotes;
	track->link = &media->remotes;
	if (track->next)
		track->next->link = &track->next;
	media->remotes = track;
	*relay_remote_place(media, k, msg->handle) = track;
	member_add_track(member, track);
	return track;
}

static void on_track_add(struct media *media, unsigned k, const struct msg_track *msg)
{
	int64_t now_us = loop_now_us(media->md->loop);
	struct track **place = relay_remote_place(media, k, msg->handle);
	struct call *call = call_find(media, &msg->call);

	if (!place)
		return;
	/* Another track in that place, or another person's: the removal was lost with its sender. */
	if (*place && ((*place)->handle != msg->handle || (*place)->member->call != call ||
		       !id_equal(&(*place)->member->id, &msg->member) || (*place)->kind != msg->track_kind ||
		       (*place)->media_kind != msg->media))
		remote_free(media, *place);
	if (!call || !call->peers)
		return;
	bool news = !*place || (*place)->muted != msg->muted || (*place)->member->paused != msg->paused;
	if (!*place && !remote_new(call, k, msg))
		return;
	remote_update(*place, msg, now_us);
	if (news)
		seating_later(call);
}

static void on_track_remove(struct media *media, unsigned k, uint64_t handle)
{
	struct track *track = relay_find_remote(media, k, handle);

	if (!track)
		return;
	struct call *call = track->member->call;
	remote_free(media, track);
	seating_update(call);
}

/* All tracks of mediad k (of one call, or of all). */
static void forget_remotes(struct media *media, unsigned k, const struct call *call)
{
	struct track *next;

	for (struct track *track = media->remotes; track; track = next) {
		next = track->next;
		if (track->mediad == k && (!call || track->member->call == call))
			remote_free(media, track);
	}
}

/* ---- calls ---- */

static void due_tracks(struct call *call, uint64_t mask)
{
	for (const struct media_peer *peer = call->peers; peer; peer = peer->next) {
		for (unsigned i = 0; i < SESSION_MLINES_MAX; i++) {
			if (peer->track[i])
				peer->track[i]->announce_due |= mask;
		}
	}
	call->media->relay->tracks_due = true;
}

static void due_call(struct call *call, uint64_t here, uint64_t gone)
{
	call->here_due |= here;
	call->gone_due |= gone;
	call->media->relay->calls_due = true;
}

void announce_call(struct call *call)
{
	due_call(call, others(call->media), 0);
}

void announce_call_gone(struct call *call)
{
	struct media *media = call->media;

	for (unsigned k = 0; k < media->md->mediads; k++)
		forget_remotes(media, k, call);
	call->here_due = 0;
	call->here = 0;
	due_call(call, 0, others(media));
}

static void on_call_here(struct media *media, unsigned k, const struct id *id)
{
	struct call *call = call_find(media, id);
	uint64_t bit = UINT64_C(1) << k;

	if (!call || !call->peers)
		return;
	if (!(call->here & bit))
		due_call(call, bit, 0);
	call->here |= bit;
	due_tracks(call, bit);
	speaker_on_here(call);
}

/* Mediad k takes these layers. */
static void set_interest(struct track *track, unsigned k, unsigned layers, bool lower)
{
	uint64_t bit = UINT64_C(1) << k;

	for (unsigned i = 0; i < SESSION_LAYERS_MAX; i++) {
		if (layers & 1u << i)
			atomic_fetch_or_explicit(&track->rec->layer[i].interested, bit, memory_order_relaxed);
		else
			atomic_fetch_and_explicit(&track->rec->layer[i].interested, ~bit, memory_order_relaxed);
	}
	demand_set_lower(track, k, lower);
	demand_changed(track);
}

static void drop_interest(struct call *call, uint64_t bit, unsigned k)
{
	for (const struct media_peer *peer = call->peers; peer; peer = peer->next) {
		for (unsigned i = 0; i < SESSION_MLINES_MAX; i++) {
			struct track *track = peer->track[i];
			if (!track)
				continue;
			set_interest(track, k, 0, false);
			track->announced &= ~bit;
			track->announce_due &= ~bit;
			track->loss[k] = 0;
		}
	}
	call->here &= ~bit;
}

static void on_call_gone(struct media *media, unsigned k, const struct id *id)
{
	struct call *call = call_find(media, id);

	if (!call)
		return;
	drop_interest(call, UINT64_C(1) << k, k);
	forget_remotes(media, k, call);
	seating_update(call);
}

/* ---- local tracks ---- */

void announce_track_changed(struct track *track)
{
	if (!track->rec)
		return;
	track->announce_due |= track->member->call->here;
	track->media->relay->tracks_due = true;
}

/* A removal that does not fit: the whole call is told anew. */
static void resync(struct call *call, unsigned k)
{
	uint64_t bit = UINT64_C(1) << k;

	due_call(call, bit, bit);
	due_tracks(call, bit);
}

static void withdraw(struct track *track, uint64_t mask)
{
	for (unsigned k = 0; mask; k++, mask >>= 1) {
		if (!(mask & 1))
			continue;
		if (relay_tell_handle(track->media, k, MSG_TRACK_REMOVE, track->handle) < 0)
			resync(track->member->call, k);
	}
	track->announced = 0;
	for (unsigned i = 0; i < SESSION_LAYERS_MAX; i++)
		atomic_store_explicit(&track->rec->layer[i].interested, 0, memory_order_relaxed);
}

void announce_track_gone(struct track *track)
{
	if (!track->media->stopping)
		withdraw(track, track->announced);
	track->announce_due = 0;
}

static void flush_track(struct track *track)
{
	struct media *media = track->media;
	uint64_t due = track->announce_due & track->member->call->here;
	struct msg_track msg;

	track->announce_due = 0;
	if (!track->present) { /* a screen that is not sent is not there */
		withdraw(track, track->announced);
		return;
	}
	track_describe(track, &msg);
	for (unsigned k = 0; due; k++, due >>= 1) {
		if (!(due & 1))
			continue;
		if (relay_tell(media, k, MSG_TRACK_ADD, &msg, sizeof(msg)) < 0) {
			track->announce_due |= UINT64_C(1) << k;
			media->relay->tracks_due = true;
		} else {
			track->announced |= UINT64_C(1) << k;
		}
	}
}

/* What we said of a call is forgotten there: so are our subscriptions. */
static void on_gone_told(struct call *call, unsigned k)
{
	for (struct track *track = call->media->remotes; track; track = track->next) {
		if (track->mediad == k && track->member->call == call)
			track->subscribed = 0;
	}
	call->gone_due &= ~(UINT64_C(1) << k);
	call->media->relay->tracks_due = true;
}

static void flush_call(struct call *call)
{
	for (unsigned k = 0; k < call->media->md->mediads; k++) {
		uint64_t bit = UINT64_C(1) << k;
		if (call->media->relay->hello_due & bit) /* first of all it learns that we begin */
			continue;
		if ((call->gone_due & bit) && tell_call(call->media, k, MSG_CALL_GONE, &call->id) == 0)
			on_gone_told(call, k);
		if ((call->here_due & bit) && !(call->gone_due & bit) &&
		    tell_call(call->media, k, MSG_CALL_HERE, &call->id) == 0)
			call->here_due &= ~bit;
	}
	if (call->gone_due || call->here_due)
		call->media->relay->calls_due = true;
}

static void flush_calls(struct media *media)
{
	struct call *next;

	if (!media->relay->calls_due)
		return;
	media->relay->calls_due = false;
	for (unsigned i = 0; i < CALL_BUCKETS; i++) {
		for (struct call *call = media->bucket[i]; call; call = next) {
			next = call->next;
			if (call->gone_due || call->here_due)
				flush_call(call);
			call_free_if_done(call);
		}
	}
}

static void flush_hello(struct media *media)
{
	const struct id none = { 0 };

	for (unsigned k = 0; k < media->md->mediads; k++) {
		uint64_t bit = UINT64_C(1) << k;
		if ((media->relay->hello_due & bit) && tell_call(media, k, MSG_CALL_GONE, &none) == 0)
			media->relay->hello_due &= ~bit;
	}
}

/* Subscriptions follow the seats. */
static void flush_remote(struct track *track)
{
	struct media *media = track->media;
	struct msg_subscribe msg = { .handle = track->handle, .layers = track->watched, .lower = track->lower };
	int err;

	if (track->watched == track->subscribed && (track->lower == track->lower_asked || !track->watched))
		return;
	if (track->watched)
		err = relay_tell(media, track->mediad, MSG_TRACK_SUBSCRIBE, &msg, sizeof(msg));
	else
		err = relay_tell_handle(media, track->mediad, MSG_TRACK_UNSUBSCRIBE, track->handle);
	if (err < 0) {
		media->relay->tracks_due = true;
		return;
	}
	track->subscribed = track->watched;
	track->lower_asked = track->watched && track->lower;
	if (track->subscribed)
		relay_run_by(media, 0);
}

void announce_flush(struct media *media)
{
	if (media->relay->hello_due)
		flush_hello(media);
	flush_calls(media);
	if (!media->relay->tracks_due)
		return;
	media->relay->tracks_due = false;
	for (uint32_t i = 0; i < media->peers_len; i++) {
		for (unsigned m = 0; m < SESSION_MLINES_MAX; m++) {
			struct track *track = media->peer[i]->track[m];
			if (track && (track->announce_due || (!track->present && track->announced)))
				flush_track(track);
		}
	}
	for (struct track *track = media->remotes; track; track = track->next)
		flush_remote(track);
}

void announce_watched_changed(struct track *track)
{
	if (!track->rec)
		track->media->relay->tracks_due = true;
}

/* ---- messages ---- */

static void on_subscribe(struct media *media, unsigned k, const struct msg_subscribe *msg)
{
	struct track *track = relay_find_local(media, msg->handle);

	if (track)
		set_interest(track, k, msg->layers, msg->lower);
}

static void on_unsubscribe(struct media *media, unsigned k, uint64_t handle)
{
	struct track *track = relay_find_local(media, handle);

	if (!track)
		return;
	set_interest(track, k, 0, false);
	track->loss[k] = 0;
}

void announce_on_msg(struct media *media, unsigned k, uint16_t type, const void *payload)
{
	const struct msg_handle *handle = payload;
	const struct msg_call *call = payload;

	switch (type) {
	case MSG_CALL_HERE:
		on_call_here(media, k, &call->call);
		break;
	case MSG_CALL_GONE:
		if (id_is_none(&call->call))
			announce_on_restart(media, k);
		else
			on_call_gone(media, k, &call->call);
		break;
	case MSG_TRACK_ADD:
		on_track_add(media, k, payload);
		break;
	case MSG_TRACK_REMOVE:
		on_track_remove(media, k, handle->handle);
		break;
	case MSG_TRACK_SUBSCRIBE:
		on_subscribe(media, k, payload);
		break;
	case MSG_TRACK_UNSUBSCRIBE:
		on_unsubscribe(media, k, handle->handle);
		break;
	default:
		break;
	}
}

void announce_on_restart(struct media *media, unsigned k)
{
	struct call *next;

	if (k >= media->md->mediads || k == media->md->index)
		return;
	forget_remotes(media, k, NULL);
	for (unsigned i = 0; i < CALL_BUCKETS; i++) {
		for (struct call *call = media->bucket[i]; call; call = next) {
			next = call->next;
			drop_interest(call, UINT64_C(1) << k, k);
			call->gone_due &= ~(UINT64_C(1) << k); /* it knows nothing */
			if (call->peers)
				due_call(call, UINT64_C(1) << k, 0);
			seating_update(call);
			call_free_if_done(call);
		}
	}
}
