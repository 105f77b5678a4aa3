#include "mediad/demand.h"

#include "lib/list.h"
#include "mediad/announce.h"

#include <stdlib.h>
#include <string.h>

#define ALL_LAYERS   ((1u << SESSION_LAYERS_MAX) - 1)
#define MEASURE_US   USEC_PER_SEC
#define ALIVE_US     USEC_PER_SEC
#define BPS_NEWS_PCT 25
#define SHARE_NEWS   25			   /* 255ths */
#define SOUND_TRIES  3			   /* so often it is told that it is over */
#define TOGETHER_US  (100 * USEC_PER_MSEC) /* the layers of one picture come within that */

/* Somebody needs fewer bits of it. */
static bool track_is_lower(const struct track *track)
{
	return track->lower || track->demand.lower_elsewhere;
}

void demand_init(struct track *track)
{
	track->demand.told = ALL_LAYERS;
	track->demand.since_us = loop_now_us(track->media->md->loop);
}

void demand_list(struct track *track)
{
	struct media *media = track->media;

	/* A picture of one layer is measured where it comes from: what it costs must be known where it is not taken. */
	bool measured = track->peer && track->media_kind == MEDIA_VIDEO;

	if ((track->layers_len <= 1 && !measured && !track_is_lower(track)) || track->layered_link)
		return;
	LIST_ADD(media->layered, track, layered_next, layered_link);
	if (media->layers_due_us == MEDIA_NEVER_DUE) {
		media->layers_due_us = loop_now_us(media->md->loop) + DEMAND_TICK_US;
		media_wake_at(media, media->layers_due_us);
	}
}

void demand_unlist(struct track *track)
{
	LIST_REMOVE(track, layered_next, layered_link);
}

void demand_changed(struct track *track)
{
	announce_watched_changed(track);
	if (track->rec && track->layered_link)
		track->demand.due = track->media->demand_due = true;
}

void demand_lower_changed(struct track *track)
{
	bool lower = false;

	for (const struct seat *seat = track->seats; seat; seat = seat->next)
		lower |= seat->lower;
	if (lower == track->lower)
		return;
	track->lower = lower;
	if (track->rec)
		demand_list(track);
	demand_changed(track);
}

void demand_set_lower(struct track *track, unsigned k, bool lower)
{
	uint64_t bit = UINT64_C(1) << k;

	track->demand.lower_elsewhere =
		lower ? track->demand.lower_elsewhere | bit : track->demand.lower_elsewhere & ~bit;
	demand_list(track);
}

/* ---- what the publisher is told ---- */

static bool layer_is_needed(const struct track *track, unsigned layer, int64_t now_us)
{
	int64_t age_us = now_us - track->demand.since_us;

	if (layer == 0 || age_us < DEMAND_FIRST_US)
		return true;
	if (!track->demand.watched)
		return age_us < DEMAND_ALONE_US;
	return now_us - track->demand.wanted_us[layer] < DEMAND_KEEP_US;
}

static unsigned needed(struct track *track, int64_t now_us)
{
	unsigned demand = track_demand(track), active = 0;

	track->demand.watched = track->demand.watched || demand;
	for (unsigned i = 0; i < track->layers_len; i++) {
		if (demand & 1u << i)
			track->demand.wanted_us[i] = now_us;
		if ((demand & 1u << i) || layer_is_needed(track, i, now_us))
			active |= 1u << i;
	}
	return active;
}

static unsigned sent(const struct track *track)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < track->layers_len; i++)
		mask |= track->set.layer[i].sent ? 1u << i : 0;
	return mask;
}

/* The page was told long enough ago, and does something else. */
static bool is_ignored(const struct track *track, unsigned active, int64_t now_us)
{
	unsigned wrong = (sent(track) & ~active) | (~sent(track) & active & track_demand(track));
	int64_t wait_us = MIN(DEMAND_REPEAT_US << MIN(track->demand.tries, 5), DEMAND_REPEAT_MAX_US);

	return wrong && now_us - track->demand.told_us >= wait_us && now_us - track_last_packet_us(track) < ALIVE_US;
}

static int tell(struct track *track, unsigned active)
{
	const struct transport *t = track->peer->t;
	const struct session_mline *m = &t->rec->mline[track->mline];
	struct msg_layers msg = {
		.transport = t->handle, .call = t->rec->call, .member = t->rec->member, .count = track->layers_len
	};

	memcpy(msg.mid, m->mid, sizeof(msg.mid));
	for (unsigned i = 0; i < track->layers_len; i++) {
		memcpy(msg.layer[i].rid, m->layer[i].rid, sizeof(msg.layer[i].rid));
		msg.layer[i].active = active >> i & 1;
	}
	return mediad_event(track->media->md, t->rec->worker, MSG_LAYERS, &msg, sizeof(msg));
}

static int tell_sound(const struct track *track, bool lower)
{
	const struct transport *t = track->peer->t;
	struct msg_sound msg = {
		.transport = t->handle,
		.call = t->rec->call,
		.member = t->rec->member,
		.bps = lower ? LEAN_VOICE_BPS : 0,
	};

	memcpy(msg.mid, t->rec->mline[track->mline].mid, sizeof(msg.mid));
	return mediad_event(track->media->md, t->rec->worker, MSG_SOUND, &msg, sizeof(msg));
}

static void settle_sound(struct track *track, int64_t now_us)
{
	bool lower = track_is_lower(track), changed = lower != track->demand.lower_told;
	bool again = track->demand.tries > 0 && (lower || track->demand.tries < SOUND_TRIES) &&
		     now_us - track->demand.told_us >= DEMAND_SOUND_US;

	if ((!changed && !again) || tell_sound(track, lower) < 0)
		return;
	track->demand.tries = changed ? 1 : track->demand.tries + 1;
	track->demand.lower_told = lower;
	track->demand.told_us = now_us;
}

static void settle(struct track *track, int64_t now_us)
{
	unsigned active = needed(track, now_us), all = (1u << track->layers_len) - 1;
	bool changed = active != (track->demand.told & all);

	track->demand.due = false;
	if (track->media_kind == MEDIA_AUDIO) {
		settle_sound(track, now_us);
		return;
	}
	if (track->layers_len <= 1)
		return;
	if (!changed && !is_ignored(track, active, now_us))
		return;
	/* Without a worker to take it: again with the next tick. */
	if (tell(track, active) < 0)
		return;
	track->demand.tries = changed ? 0 : track->demand.tries + 1;
	track->demand.told = (uint8_t)active;
	track->demand.told_us = now_us;
}

void demand_flush(struct media *media, int64_t now_us)
{
	if (!media->demand_due)
		return;
	media->demand_due = false;
	for (struct track *track = media->layered; track; track = track->layered_next) {
		if (track->demand.due)
			settle(track, now_us);
	}
}

/* ---- what is sent ---- */

/* A layer that is sent now, and was at the last look: what came of it meanwhile is all of a second. */
static bool is_whole(struct track *track, unsigned layer)
{
	struct track_layer *l = track->layer[layer];
	bool was_sent = l->sent, is_sent = track_last_packet_us(track) - l->last_packet_us < TOGETHER_US;

	l->sent = is_sent;
	return was_sent && is_sent;
}

/* What a layer costs without its upper temporal layers. True when the others should know. */
static bool measure_temporals(struct track *track, unsigned layer)
{
	struct track_layer *l = track->layer[layer];
	unsigned n = LAYER_TEMPORALS_MAX;
	uint64_t sum = 0, all = 0;
	uint8_t less[LAYER_TEMPORALS_MAX - 1] = { 0 };
	bool news = false;

	while (n > 0 && l->temporal_octets[n - 1] == 0)
		n--;
	for (unsigned i = 0; i < n; i++)
		all += l->temporal_octets[i];
	for (unsigned i = 0; i + 1 < n; i++) {
		sum += l->temporal_octets[i];
		less[n - 2 - i] = (uint8_t)MAX(sum * UINT8_MAX / all, 1);
	}
	news = track->set.layer[layer].temporals != n;
	for (unsigned i = 0; i < ARRAY_LEN(less); i++)
		news |= abs(track->set.layer[layer].less[i] - less[i]) > SHARE_NEWS;
	if (news) {
		track->set.layer[layer].temporals = (uint8_t)n;
		memcpy(track->set.layer[layer].less, less, sizeof(less));
	}
	return news;
}

/* True when the others should know. */
static bool measure_bitrates(struct track *track, int64_t now_us)
{
	int64_t passed_us = now_us - track->demand.measured_us;
	bool news = false;

	if (passed_us < MEASURE_US)
		return false;
	for (unsigned i = 0; i < track->layers_len; i++) {
		struct track_layer *l = track->layer[i];
		uint32_t bps = (uint32_t)MIN((uint64_t)l->octets * 8 * USEC_PER_SEC / (uint64_t)passed_us, UINT32_MAX);
		uint32_t known = track->set.layer[i].bps;
		l->octets = 0;
		/* What a silent layer costs is what it did cost. */
		bool whole = is_whole(track, i) && track->demand.measured_us && bps > 0;
		if (whole)
			news |= measure_temporals(track, i);
		memset(l->temporal_octets, 0, sizeof(l->temporal_octets));
		if (!whole)
			continue;
		/* One second of two may have a key frame in it. */
		uint32_t before = track->layer[i]->bps_before ? track->layer[i]->bps_before : bps;
		track->layer[i]->bps_before = bps;
		bps = MIN(bps, before);
		if ((uint64_t)llabs((int64_t)bps - known) * 100 <= (uint64_t)known * BPS_NEWS_PCT)
			continue;
		track->set.layer[i].bps = bps;
		news = true;
	}
	track->demand.measured_us = now_us;
	return news;
}

static bool measure(struct track *track, int64_t now_us)
{
	struct layer_set set = track->set;
	int64_t last_us[SESSION_LAYERS_MAX] = { 0 };
	bool news = false;

	for (unsigned i = 0; i < track->layers_len; i++) {
		last_us[i] = track->layer[i]->last_packet_us;
		set.layer[i].height = track->layer[i]->height;
	}
	layer_mark_sent(&set, last_us);
	for (unsigned i = 0; i < track->layers_len; i++)
		news |= set.layer[i].sent != track->set.layer[i].sent ||
			set.layer[i].height != track->set.layer[i].height;
	track->set = set;
	return measure_bitrates(track, now_us) || news;
}

int64_t demand_run(struct media *media, int64_t now_us)
{
	if (!media->layered)
		media->layers_due_us = MEDIA_NEVER_DUE;
	if (media->layers_due_us > now_us)
		return media->layers_due_us;
	for (struct track *track = media->layered; track; track = track->layered_next) {
		if (track->media_kind == MEDIA_AUDIO) {
			if (track->rec)
				settle(track, now_us);
			continue;
		}
		if (track->rec && measure(track, now_us)) {
			track_layers_changed(track, now_us);
		} else {
			for (struct seat *seat = track->seats; seat; seat = seat->next)
				seat_choose(seat, now_us);
		}
		if (track->rec)
			settle(track, now_us);
	}
	media->layers_due_us = now_us + DEMAND_TICK_US;
	return media->layers_due_us;
}
