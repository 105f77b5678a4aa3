#include "mediad/relay.h"

#include "mediad/announce.h"
#include "mediad/speaker.h"

#include <stdlib.h>

#define RELAY_RUN_US	    (100 * USEC_PER_MSEC)
#define RELAY_LOSS_US	    USEC_PER_SEC
#define RELAY_NACK_RTT_US   (50 * USEC_PER_MSEC)
#define RELAY_REPAIR_US	    USEC_PER_SEC /* after a loss in a ring, gaps are asked for that long */
#define RELAY_REPAIR_MAX    64
#define RELAY_CLOCK_SANE_US (10 * USEC_PER_SEC)

int relay_start(struct media *media, struct relay **ret_relay)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	(void)media;
	if (!relay)
		return -ENOMEM;
	relay->due_us = MEDIA_NEVER_DUE;
	*ret_relay = relay;
	return 0;
}

int relay_tell(struct media *media, unsigned k, uint16_t type, const void *payload, size_t len)
{
	int err = link_push(&media->md->link_mediad[k], type, 0, payload, len);

	if (err < 0)
		stat_add(&media->md->counters->link_full, 1);
	return err;
}

int relay_tell_handle(struct media *media, unsigned k, uint16_t type, uint64_t handle)
{
	struct msg_handle msg = { .handle = handle };

	return relay_tell(media, k, type, &msg, sizeof(msg));
}

void relay_run_by(struct media *media, int64_t at_us)
{
	if (at_us >= media->relay->due_us)
		return;
	media->relay->due_us = at_us;
	media_wake_at(media, at_us);
}

struct track **relay_remote_place(struct media *media, unsigned k, uint64_t handle)
{
	uint32_t i = session_handle_index(handle), max = media->md->table.max_tracks;

	if (k >= SHM_PROCESSES_MAX || handle == 0 || i >= max)
		return NULL;
	if (!media->remote[k])
		media->remote[k] = calloc(max, sizeof(struct track *));
	return media->remote[k] ? &media->remote[k][i] : NULL;
}

struct track *relay_find_remote(struct media *media, unsigned k, uint64_t handle)
{
	struct track **place = relay_remote_place(media, k, handle);

	return place && *place && (*place)->handle == handle ? *place : NULL;
}

void relay_clock(struct track *track, unsigned layer, uint64_t ntp)
{
	uint64_t mask = 0;
	struct msg_clock msg = {
		.handle = track->handle,
		.ntp = ntp,
		/* When the publisher's clock showed ntp, in ours: all tracks of a publisher share the offset. */
		.arrival_us = track->layer[layer]->clock.us,
		.rtp = track->layer[layer]->clock.rtp,
		.layer = layer,
	};

	/* Of all layers to all who take one: it may take another next. One that does not fit is made good by the next
	 * report. */
	for (unsigned i = 0; i < track->layers_len; i++)
		mask |= atomic_load_explicit(&track->rec->layer[i].interested, memory_order_relaxed);
	for (unsigned k = 0; mask; k++, mask >>= 1) {
		if (mask & 1)
			(void)relay_tell(track->media, k, MSG_TRACK_CLOCK, &msg, sizeof(msg));
	}
}

void relay_keyframe_wanted(struct track *track)
{
	int64_t due = MEDIA_NEVER_DUE;

	for (unsigned i = 0; i < track->layers_len; i++)
		due = MIN(due, keyframe_due_us(&track->layer[i]->keyframe));
	relay_run_by(track->media, due);
}

/* ---- messages ---- */

struct track *relay_find_local(struct media *media, uint64_t handle)
{
	uint32_t i = session_handle_index(handle);

	if (handle == 0 || i >= media->md->table.max_tracks)
		return NULL;
	struct track *track = media->local[i];
	return track && track->handle == handle ? track : NULL;
}

static void on_keyframe(struct media *media, const struct msg_keyframe *msg)
{
	struct track *track = relay_find_local(media, msg->handle);

	if (track)
		track_want_keyframe(track, msg->layer, loop_now_us(media->md->loop));
}

/* Lost on the way through the ring: its descriptors are posted again while the slots are there; what is not
 * there was asked of the publisher when the gap was seen here. */
static void on_nack(struct media *media, unsigned k, const struct msg_nack *msg)
{
	struct track *track = relay_find_local(media, msg->handle);

	if (!track || msg->layer >= track->layers_len)
		return;
	const struct track_layer *l = track->layer[msg->layer];
	for (uint32_t i = 0; i < MIN(msg->count, ARRAY_LEN(msg->index)); i++) {
		uint64_t index = msg->index[i];
		unsigned r = index % TRACK_RECENT;
		if (l->recent[r].index == index && l->recent[r].generation &&
		    ring_own(&media->md->ring, l->recent[r].slot, l->recent[r].generation))
			ring_post(&media->md->ring, k, l->recent[r].slot, session_handle_index(track->handle),
				  l->recent[r].generation);
	}
}

static void on_clock(struct media *media, unsigned k, const struct msg_clock *msg)
{
	struct track *track = relay_find_remote(media, k, msg->handle);

	int64_t age_us = 0;
	if (!track || msg->layer >= track->layers_len ||
	    __builtin_sub_overflow(loop_now_us(media->md->loop), msg->arrival_us, &age_us) ||
	    age_us > RELAY_CLOCK_SANE_US || age_us < -RELAY_CLOCK_SANE_US)
		return;
	track->layer[msg->layer]->clock = (struct rtp_clock){ .valid = true, .rtp = msg->rtp, .us = msg->arrival_us };
}

static void on_loss(struct media *media, unsigned k, const struct msg_loss *msg)
{
	struct track *track = relay_find_local(media, msg->handle);

	if (track)
		track->loss[k] = (uint8_t)MIN(msg->fraction_lost, UINT8_MAX);
}

void relay_on_msg(struct media *media, unsigned k, const struct link_msg *msg, const void *payload)
{
	if (k >= media->md->mediads || k == media->md->index)
		return;
	switch (msg->type) {
	case MSG_CALL_HERE:
	case MSG_CALL_GONE:
	case MSG_TRACK_ADD:
	case MSG_TRACK_REMOVE:
	case MSG_TRACK_SUBSCRIBE:
	case MSG_TRACK_UNSUBSCRIBE:
		announce_on_msg(media, k, msg->type, payload);
		break;
	case MSG_TRACK_KEYFRAME:
		on_keyframe(media, payload);
		break;
	case MSG_TRACK_NACK:
		on_nack(media, k, payload);
		break;
	case MSG_TRACK_CLOCK:
		on_clock(media, k, payload);
		break;
	case MSG_TRACK_LOSS:
		on_loss(media, k, payload);
		break;
	case MSG_TRACK_LEVELS:
		speaker_on_levels(media, k, payload, loop_now_us(media->md->loop));
		break;
	default:
		stat_add(&media->md->counters->link_nonsense, 1);
		break;
	}
}

/* ---- packets ---- */

void relay_post(const struct track *track, unsigned layer, uint32_t slot, uint64_t generation)
{
	uint64_t mask = atomic_load_explicit(&track->rec->layer[layer].interested, memory_order_relaxed);

	for (unsigned k = 0; mask; k++, mask >>= 1) {
		if (mask & 1)
			ring_post(&track->media->md->ring, k, slot, session_handle_index(track->handle), generation);
	}
}

static void take_packet(struct media *media, unsigned k, const struct ring_ref *ref, int64_t now_us)
{
	struct mediad *md = media->md;
	struct ring_head head;
	uint8_t data[RING_PACKET_MAX];

	stat_add(&md->counters->ring_packets_from[k], 1);
	struct track *track =
		media->remote[k] && ref->track_index < md->table.max_tracks ? media->remote[k][ref->track_index] : NULL;
	if (!track || !track->seats)
		return;
	if (ring_read(&md->reader[k], ref->slot, ref->generation, &head, data) < 0) {
		stat_add(&md->counters->ring_stale, 1);
		return;
	}
	if (head.track != track->handle || head.layer >= track->layers_len || !track_on_ring(track, &head, now_us))
		return;
	track_forward(track, &head, data, ref->slot, ref->generation, now_us);
}

/* The reader was lapped: gaps are asked for, and pictures where even that comes too late. */
static void on_lapped(struct media *media, unsigned k, int64_t now_us)
{
	struct relay *relay = media->relay;
	uint64_t lost = media->md->reader[k].lost;

	if (lost == relay->lost[k])
		return;
	stat_add(&media->md->counters->ring_lost, lost - relay->lost[k]);
	stat_add(&media->md->counters->ring_laps, 1);
	relay->lost[k] = lost;
	relay->repair_us[k] = now_us + RELAY_REPAIR_US;
	relay_run_by(media, now_us);
	for (struct track *track = media->remotes; track; track = track->next) {
		if (track->mediad == k && track->seats)
			track_want_keyframes(track, now_us);
	}
}

bool relay_drain(struct media *media, unsigned budget, int64_t now_us)
{
	struct mediad *md = media->md;
	bool more = false;

	for (unsigned k = 0; k < md->mediads; k++) {
		struct ring_ref ref;
		if (k == md->index || !md->reader[k].shm)
			continue;
		unsigned n = 0;
		for (; n < budget; n++) {
			int err = ring_next(&md->reader[k], &ref);
			if (err == -EAGAIN)
				break;
			if (err == 0)
				take_packet(media, k, &ref, now_us);
		}
		more = more || n == budget;
		on_lapped(media, k, now_us);
	}
	return more;
}

bool relay_has_news(const struct media *media)
{
	const struct mediad *md = media->md;

	for (unsigned k = 0; k < md->mediads; k++) {
		if (k != md->index && md->reader[k].shm && ring_has_news(&md->reader[k]))
			return true;
	}
	return false;
}

/* ---- timers ---- */

static void ask_keyframes(struct track *track, int64_t now_us)
{
	for (unsigned i = 0; i < track->layers_len; i++) {
		struct msg_keyframe msg = { .handle = track->handle, .layer = i };
		struct keyframe *k = &track->layer[i]->keyframe;
		if (keyframe_due_us(k) > now_us)
			continue;
		if (!(track->subscribed & 1u << i)) {
			k->wanted = k->wanted && (track->watched & 1u << i);
			continue;
		}
		keyframe_asked(k, now_us);
		/* Its loss is made good by the watchdog. */
		(void)relay_tell(track->media, track->mediad, MSG_TRACK_KEYFRAME, &msg, sizeof(msg));
	}
}

static void ask_missing(struct track *track, int64_t now_us)
{
	for (unsigned i = 0; i < track->layers_len; i++) {
		struct msg_nack msg = { .handle = track->handle, .layer = i };
		uint64_t index[RELAY_REPAIR_MAX];
		size_t n = nack_collect(&track->layer[i]->nack, now_us, RELAY_NACK_RTT_US, index, ARRAY_LEN(index));
		if (n == 0 || now_us > track->media->relay->repair_us[track->mediad])
			continue;
		memcpy(msg.index, index, n * sizeof(index[0]));
		msg.count = (uint32_t)n;
		(void)relay_tell(track->media, track->mediad, MSG_TRACK_NACK, &msg, sizeof(msg));
	}
}

static void tell_loss(struct track *track, int64_t now_us)
{
	struct msg_loss msg = { .handle = track->handle };

	if (track->media_kind != MEDIA_AUDIO)
		return;
	for (const struct seat *seat = track->seats; seat; seat = seat->next) {
		if (seat->loss_us && now_us - seat->loss_us < 5 * USEC_PER_SEC)
			msg.fraction_lost = MAX(msg.fraction_lost, seat->fraction_lost);
	}
	if (msg.fraction_lost != track->loss_told &&
	    relay_tell(track->media, track->mediad, MSG_TRACK_LOSS, &msg, sizeof(msg)) == 0)
		track->loss_told = (uint8_t)msg.fraction_lost;
}

static void ring_age(struct media *media, int64_t now_us)
{
	const struct ring *ring = &media->md->ring;

	if (ring->order_len == 0)
		return;
	const struct ring_slot *oldest = &ring->slot[ring->order[ring->order_head]];
	stat_set(&media->md->counters->ring_age_us, (uint64_t)MAX(now_us - oldest->head.arrival_us, 0));
}

int64_t relay_run(struct media *media, int64_t now_us)
{
	struct relay *relay = media->relay;

	if (relay->due_us > now_us)
		return relay->due_us;
	bool loss = relay->loss_due_us <= now_us;
	if (loss) {
		relay->loss_due_us = now_us + RELAY_LOSS_US;
		ring_age(media, now_us);
	}
	bool active = false;
	for (struct track *track = media->remotes; track; track = track->next) {
		active = true;
		ask_keyframes(track, now_us);
		ask_missing(track, now_us);
		if (loss)
			tell_loss(track, now_us);
	}
	relay->due_us = active ? now_us + RELAY_RUN_US : MEDIA_NEVER_DUE;
	return relay->due_us;
}

struct relay *relay_stop(struct relay *relay)
{
	free(relay);
	return NULL;
}
