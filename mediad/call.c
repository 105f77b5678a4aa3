#include "mediad/call.h"

#include "mediad/egress.h"
#include "mediad/announce.h"
#include "mediad/demand.h"
#include "mediad/report.h"
#include "mediad/seating.h"
#include "mediad/speaker.h"

#include <stdlib.h>

#define MEDIA_GRID_US (5 * USEC_PER_MSEC)

static struct call **call_link(struct media *media, const struct id *id)
{
	struct call **link = &media->bucket[hash_bytes(id, sizeof(*id)) % CALL_BUCKETS];

	while (*link && !id_equal(&(*link)->id, id))
		link = &(*link)->next;
	return link;
}

struct call *call_find(struct media *media, const struct id *id)
{
	return *call_link(media, id);
}

static struct call *call_new(struct media *media, const struct id *id)
{
	struct call **link = call_link(media, id);
	struct call *call = *link;

	if (call)
		return call;
	call = calloc(1, sizeof(*call));
	if (!call)
		return NULL;
	call->media = media;
	call->id = *id;
	*link = call;
	return call;
}

void call_free_if_done(struct call *call)
{
	if (call->peers || call->gone_due || call->members)
		return;
	speaker_forget_call(call);
	*call_link(call->media, &call->id) = call->next;
	free(call);
}

static bool member_precedes(const struct member *a, const struct member *b)
{
	if (a->joined_us != b->joined_us)
		return a->joined_us < b->joined_us;
	return memcmp(a->id.b, b->id.b, sizeof(a->id.b)) < 0;
}

static void member_link(struct member *member)
{
	struct member **link = &member->call->members;

	while (*link && member_precedes(*link, member))
		link = &(*link)->next;
	member->next = *link;
	*link = member;
}

static void member_unlink(struct member *member)
{
	struct member **link = &member->call->members;

	while (*link != member)
		link = &(*link)->next;
	*link = member->next;
}

struct member *call_member(struct call *call, const struct id *id, int64_t joined_us)
{
	struct member *member = call->members;

	while (member && !id_equal(&member->id, id))
		member = member->next;
	if (member) {
		/* The order follows the first time that anybody told us. */
		if (joined_us && joined_us < member->joined_us) {
			member_unlink(member);
			member->joined_us = joined_us;
			member_link(member);
		}
		return member;
	}
	member = calloc(1, sizeof(*member));
	if (!member)
		return NULL;
	member->call = call;
	member->id = *id;
	member->joined_us = joined_us;
	member_link(member);
	return member;
}

static void member_free_if_done(struct member *member)
{
	struct call *call = member->call;

	if (member->tracks || member->peers > 0)
		return;
	for (struct media_peer *peer = call->peers; peer; peer = peer->next) {
		for (unsigned i = 0; i < peer->places_len; i++) {
			if (peer->place[i].member == member)
				peer->place[i].member = NULL;
		}
	}
	member_unlink(member);
	speaker_forget(call, member);
	free(member);
}

void member_add_track(struct member *member, struct track *track)
{
	track->member = member;
	track->member_next = member->tracks;
	member->tracks = track;
}

void member_remove_track(struct member *member, struct track *track)
{
	struct track **link = &member->tracks;

	while (*link != track)
		link = &(*link)->member_next;
	*link = track->member_next;
	track->member = NULL;
	member_free_if_done(member);
}

bool member_mutes(const struct member *member, unsigned kind)
{
	return kind == TRACK_MICROPHONE ? member->muted_audio : kind == TRACK_CAMERA && member->muted_video;
}

void member_set_paused(struct member *member, bool paused, int64_t now_us)
{
	if (member->paused == paused)
		return;
	member->paused = paused;
	for (struct track *track = member->tracks; track; track = track->member_next) {
		for (struct seat *seat = track->seats; seat; seat = seat->next)
			seat_on_pause(seat, now_us);
	}
	for (struct media_peer *peer = member->call->peers; peer; peer = peer->next) {
		for (unsigned i = 0; peer->member == member && i < SESSION_MLINES_MAX; i++) {
			if (peer->seat[i])
				seat_on_pause(peer->seat[i], now_us);
		}
	}
}

int call_join(struct media_peer *peer)
{
	struct session_transport *rec = peer->t->rec;
	struct call *call = call_new(peer->media, &rec->call);

	if (!call)
		return -ENOMEM;
	bool first = !call->peers;
	struct member *member = call_member(call, &rec->member, rec->joined_us);
	if (!member) {
		call_free_if_done(call);
		return -ENOMEM;
	}
	member->peers++;
	member->paused = rec->paused;
	peer->call = call;
	peer->member = member;
	peer->next = call->peers;
	call->peers = peer;
	if (first)
		announce_call(call);
	return 0;
}

void call_leave(struct media_peer *peer)
{
	struct call *call = peer->call;
	struct media_peer **link = &call->peers;

	while (*link != peer)
		link = &(*link)->next;
	*link = peer->next;
	peer->member->peers--;
	member_free_if_done(peer->member);
	peer->call = NULL;
	peer->member = NULL;
	if (call->peers) {
		seating_update(call);
		return;
	}
	announce_call_gone(call);
	call_free_if_done(call);
}

/* ---- telling the worker ---- */

void peer_seats_changed(struct media_peer *peer)
{
	if (!peer->seats_due)
		peer->seats_version++;
	peer->seats_due = true;
	peer->media->seats_due = true;
}

static uint8_t seat_kind(const struct seat *seat)
{
	if (seat->source)
		return seat->source->kind;
	return seat->rec->media == MEDIA_VIDEO ? TRACK_CAMERA : TRACK_MICROPHONE;
}

static void describe_seat(const struct media_peer *peer, const struct seat *seat, struct msg_seat *ret_seat)
{
	*ret_seat = (struct msg_seat){
		.track_kind = seat_kind(seat),
		.state = (uint8_t)seat_state(seat),
	};
	memcpy(ret_seat->mid, peer->t->rec->mline[seat->rec->mline].mid, sizeof(ret_seat->mid));
	if (seat->source)
		ret_seat->member = seat->source->member->id;
}

bool peer_tell_seats(struct media_peer *peer)
{
	struct session_transport *rec = peer->t->rec;
	struct msg_seats msg = {
		.transport = peer->t->handle, .call = rec->call, .member = rec->member, .version = peer->seats_version
	};

	for (unsigned i = 0; i < SESSION_MLINES_MAX; i++)
		msg.total = (uint16_t)(msg.total + (peer->seat[i] != NULL));
	for (unsigned i = 0; i < SESSION_MLINES_MAX; i++) {
		if (peer->seat[i])
			describe_seat(peer, peer->seat[i], &msg.seat[msg.count++]);
		bool last = i == SESSION_MLINES_MAX - 1;
		if (msg.count < MSG_SEATS_MAX && !(last && (msg.count > 0 || msg.total == 0)))
			continue;
		/* A list that was told in part is told again with the next version. */
		if (mediad_event(peer->media->md, rec->worker, MSG_SEATS, &msg, sizeof(msg)) < 0) {
			peer->seats_version++;
			return false;
		}
		msg.first = (uint16_t)(msg.first + msg.count);
		msg.count = 0;
		memset(msg.seat, 0, sizeof(msg.seat));
	}
	peer->seats_due = false;
	return true;
}

/* ---- sending and timers ---- */

bool peer_can_send(const struct media_peer *peer)
{
	return peer->connected && !peer->suspended;
}

uint32_t peer_own_ssrc(const struct media_peer *peer)
{
	return atomic_load_explicit(&peer->t->rec->srtcp_tx_ssrc, memory_order_relaxed);
}

struct rtcp_out peer_rtcp_begin(struct media_peer *peer)
{
	return (struct rtcp_out){ .data = egress_reserve(peer->media->md->egress), .cap = REPORT_PACKET_MAX };
}

int peer_rtcp_end(struct media_peer *peer, struct rtcp_out *out)
{
	struct egress *egress = peer->media->md->egress;

	if (out->len == 0 || !peer_can_send(peer)) {
		egress_abandon(egress, out->data);
		return out->len ? -ENOTCONN : 0;
	}
	return egress_rtcp(egress, peer->t, out->data, out->len);
}

static void on_timer(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct media *media = arg;

	(void)timer;
	media->timer_at_us = MEDIA_NEVER_DUE;
	(void)media_run(media, now_us);
}

void media_wake_at(struct media *media, int64_t at_us)
{
	if (at_us == MEDIA_NEVER_DUE || media->stopping)
		return;
	at_us = (at_us + MEDIA_GRID_US - 1) / MEDIA_GRID_US * MEDIA_GRID_US;
	if (at_us >= media->timer_at_us)
		return;
	/* Out of memory for the timer: the next packet tries again. */
	if (loop_timer_start(media->md->loop, &media->timer, at_us, on_timer, media) == 0)
		media->timer_at_us = at_us;
}

void peer_due(struct media_peer *peer, int64_t at_us)
{
	struct media *media = peer->media;

	if (at_us >= media->due_us[peer->slot])
		return;
	media->due_us[peer->slot] = at_us;
	media_wake_at(media, at_us);
}

int64_t media_run(struct media *media, int64_t now_us)
{
	int64_t due = MIN(relay_run(media, now_us), speaker_run(media, now_us));

	due = MIN(due, pacing_run(media, now_us)); /* before probes: what waits fills them */
	due = MIN(due, MIN(demand_run(media, now_us), rate_run(media, now_us)));
	due = MIN(due, media->reseat_at_us);

	for (uint32_t i = 0; i < media->peers_len; i++) {
		if (media->due_us[i] <= now_us)
			media->due_us[i] = report_run(media->peer[i], now_us);
		due = MIN(due, media->due_us[i]);
	}
	media_wake_at(media, due);
	return due;
}

uint64_t media_ntp(const struct media *media, int64_t at_us)
{
	uint64_t us = (uint64_t)(at_us + media->ntp_offset_us);

	return us / (uint64_t)USEC_PER_SEC << 32 | (us % (uint64_t)USEC_PER_SEC << 32) / (uint64_t)USEC_PER_SEC;
}
