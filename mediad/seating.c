#include "mediad/seating.h"

#include "mediad/view.h"

#define PLACE_NONE SESSION_MLINES_MAX

static enum member_part kind_part(unsigned kind)
{
	return kind == TRACK_SCREEN || kind == TRACK_SCREEN_AUDIO ? MEMBER_SCREEN : MEMBER_MAIN;
}

/* What that part of the member sends now; NULL: nothing. The newest transport's counts. */
static struct track *member_track(const struct member *member, enum member_part part, enum media_kind media)
{
	for (struct track *track = member->tracks; track; track = track->member_next) {
		if (track->present && track->media_kind == media && kind_part(track->kind) == part)
			return track;
	}
	return NULL;
}

static bool part_is_there(const struct member *member, enum member_part part)
{
	return member_track(member, part, MEDIA_AUDIO) || member_track(member, part, MEDIA_VIDEO);
}

/* The slots in order of m-lines; surplus ones stand alone. */
void seating_set_places(struct media_peer *peer)
{
	const struct session_transport *rec = peer->t->rec;
	unsigned audio = 0, video = 0;

	for (unsigned i = 0; i < SESSION_MLINES_MAX; i++)
		peer->place[i].audio = peer->place[i].video = PLACE_NONE;
	for (uint8_t i = 0; i < rec->mlines_len; i++) {
		if (!peer->seat[i])
			continue;
		if (rec->mline[i].media == MEDIA_VIDEO)
			peer->place[video++].video = i;
		else
			peer->place[audio++].audio = i;
	}
	peer->places_len = MAX(audio, video);
	for (unsigned i = peer->places_len; i < SESSION_MLINES_MAX; i++)
		peer->place[i].member = NULL;
}

static struct place *place_of(struct media_peer *peer, const struct member *member, enum member_part part)
{
	for (unsigned i = 0; i < peer->places_len; i++) {
		if (peer->place[i].member == member && peer->place[i].part == part)
			return &peer->place[i];
	}
	return NULL;
}

/* A free place with or without a video slot. */
static struct place *free_place(struct media_peer *peer, bool with_video)
{
	for (unsigned i = 0; i < peer->places_len; i++) {
		struct place *place = &peer->place[i];
		if (!place->member && (place->video != PLACE_NONE) == with_video)
			return place;
	}
	return NULL;
}

/* The person sitting here (not a screen) of whom we have not heard for longest; of those never heard the last.
 * spare: nobody whom the client says it shows. */
static struct place *quietest_place(struct media_peer *peer, bool with_video, bool spare)
{
	struct place *quietest = NULL;

	for (unsigned i = 0; i < peer->places_len; i++) {
		struct place *place = &peer->place[i];
		if (!place->member || place->part != MEMBER_MAIN || (with_video && place->video == PLACE_NONE))
			continue;
		if (spare && view_shows(peer, place->member))
			continue;
		if (!quietest || place->member->spoke_us <= quietest->member->spoke_us)
			quietest = place;
	}
	return quietest;
}

static void place_give(struct place *place, const struct member *member, enum member_part part)
{
	place->member = member;
	place->part = part;
}

/* A free place that fits, or a better one than he has. */
static bool seat_part(struct media_peer *peer, const struct member *member, enum member_part part)
{
	bool video = member_track(member, part, MEDIA_VIDEO);
	struct place *place = place_of(peer, member, part);
	struct place *better = free_place(peer, video);

	if (place && (!video || place->video != PLACE_NONE || !better))
		return true;
	if (place) /* he began to send video and sits where there is none */
		place->member = NULL;
	if (!better)
		better = free_place(peer, !video);
	if (better)
		place_give(better, member, part);
	return better;
}

static void seat_screen(struct media_peer *peer, const struct member *member)
{
	struct place *place = place_of(peer, member, MEMBER_SCREEN);

	if (!member_track(member, MEMBER_SCREEN, MEDIA_VIDEO) || free_place(peer, true) ||
	    (place && place->video != PLACE_NONE)) {
		(void)seat_part(peer, member, MEMBER_SCREEN);
		return;
	}
	struct place *other = place_of(peer, member, MEMBER_MAIN);
	if (!other || other->video == PLACE_NONE)
		other = quietest_place(peer, true, false);
	if (other && place)
		place->member = NULL;
	if (other)
		place_give(other, member, MEMBER_SCREEN);
}

static bool is_quiet(const struct member *member, int64_t now_us)
{
	return !member->spoke_us || now_us - member->spoke_us > SEATING_KEEP_US;
}

/* All places are taken: who speaks gets that of somebody who does not, rather of one who is not shown; and who is
 * shown that of one who neither speaks nor is shown. */
static void seat_late(struct media_peer *peer, const struct member *member, int64_t now_us)
{
	bool speaks = member->spoke_us && now_us - member->spoke_us <= SEATING_NEWS_US;
	bool video = member_track(member, MEMBER_MAIN, MEDIA_VIDEO);

	if (!speaks && !view_shows(peer, member))
		return;
	for (unsigned round = 0; round < (speaks ? 4 : 2); round++) {
		struct place *place = quietest_place(peer, video && round % 2 == 0, round < 2);
		if (!place || !(speaks ? is_quiet(place->member, now_us) : !place->member->speaking))
			continue;
		place_give(place, member, MEMBER_MAIN);
		return;
	}
}

/* What has gone leaves; a screen that ended gives its place back to its member's camera. */
static void vacate(struct media_peer *peer)
{
	for (unsigned i = 0; i < peer->places_len; i++) {
		struct place *place = &peer->place[i];
		if (!place->member || (place->member != peer->member && part_is_there(place->member, place->part)))
			continue;
		if (place->member != peer->member && place->part == MEMBER_SCREEN &&
		    part_is_there(place->member, MEMBER_MAIN) && !place_of(peer, place->member, MEMBER_MAIN))
			place->part = MEMBER_MAIN;
		else
			place->member = NULL;
	}
}

static struct track *place_track(struct media_peer *peer, const struct place *place, enum media_kind media)
{
	struct track *voice;

	if (!place->member)
		return NULL;
	/* A screen in the place of its member's camera: his voice goes before its sound. */
	if (media == MEDIA_AUDIO && place->part == MEMBER_SCREEN && !place_of(peer, place->member, MEMBER_MAIN)) {
		voice = member_track(place->member, MEMBER_MAIN, MEDIA_AUDIO);
		if (voice)
			return voice;
	}
	return member_track(place->member, place->part, media);
}

static bool is_seated(struct media_peer *peer, const struct member *member)
{
	return place_of(peer, member, MEMBER_MAIN) || place_of(peer, member, MEMBER_SCREEN);
}

/* False: somebody has no place. */
static bool seat_members(struct media_peer *peer, int64_t now_us)
{
	bool all = true;

	for (const struct member *m = peer->call->members; m; m = m->next) {
		if (m != peer->member && part_is_there(m, MEMBER_SCREEN))
			seat_screen(peer, m);
	}
	for (const struct member *m = peer->call->members; m; m = m->next) {
		if (m != peer->member && part_is_there(m, MEMBER_MAIN) && !seat_part(peer, m, MEMBER_MAIN))
			all = false;
	}
	for (const struct member *m = peer->call->members; m && !all; m = m->next) {
		if (m != peer->member && part_is_there(m, MEMBER_MAIN) && !is_seated(peer, m))
			seat_late(peer, m, now_us);
	}
	return all;
}

static void peer_reseat(struct media_peer *peer, int64_t now_us)
{
	vacate(peer);
	if (!seat_members(peer, now_us))
		peer->call->crowded = true;
	for (unsigned i = 0; i < peer->places_len; i++) {
		const struct place *place = &peer->place[i];
		if (place->audio != PLACE_NONE)
			seat_set_source(peer->seat[place->audio], place_track(peer, place, MEDIA_AUDIO), now_us);
		if (place->video != PLACE_NONE)
			seat_set_source(peer->seat[place->video], place_track(peer, place, MEDIA_VIDEO), now_us);
	}
}

void seating_update(struct call *call)
{
	int64_t now_us = loop_now_us(call->media->md->loop);

	if (call->media->stopping)
		return;
	call->crowded = call->reseat_due = false;
	for (struct media_peer *peer = call->peers; peer; peer = peer->next)
		peer_reseat(peer, now_us);
}

void seating_later(struct call *call)
{
	call->reseat_due = call->media->reseat_due = true;
}

void seating_at(struct call *call, int64_t at_us)
{
	call->reseat_due = true;
	call->media->reseat_at_us = MIN(call->media->reseat_at_us, at_us);
	media_wake_at(call->media, at_us);
}

void seating_flush(struct media *media)
{
	if (!media->reseat_due && loop_now_us(media->md->loop) < media->reseat_at_us)
		return;
	media->reseat_due = false;
	media->reseat_at_us = MEDIA_NEVER_DUE;
	for (unsigned i = 0; i < CALL_BUCKETS; i++) {
		for (struct call *call = media->bucket[i]; call; call = call->next) {
			if (call->reseat_due)
				seating_update(call);
		}
	}
}
