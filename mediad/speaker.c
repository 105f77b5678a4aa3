#include "mediad/speaker.h"

#include "mediad/relay.h"
#include "mediad/seating.h"

#define STEP	 6   /* in which loudness is told to other mediads */
#define TOLD_NOT 255 /* nothing told yet */

/* ---- which calls are looked at ---- */

static void watch(struct call *call, int64_t now_us)
{
	struct media *media = call->media;

	if (call->talk.listed)
		return;
	call->talk.listed = true;
	call->talk.next = media->talking;
	media->talking = call;
	if (media->talking_due_us == MEDIA_NEVER_DUE)
		media->talking_due_us = now_us + SPEAKER_TICK_US;
	media_wake_at(media, media->talking_due_us);
}

void speaker_forget_call(struct call *call)
{
	struct call **link = &call->media->talking;

	if (!call->talk.listed)
		return;
	while (*link != call)
		link = &(*link)->talk.next;
	*link = call->talk.next;
	call->talk.listed = false;
}

void speaker_forget(struct call *call, const struct member *member)
{
	if (call->talk.rival == member)
		call->talk.rival = NULL;
	if (call->talk.speaker != member)
		return;
	call->talk.speaker = NULL;
	call->talk.due = true;
	watch(call, loop_now_us(call->media->md->loop));
}

/* ---- what is heard ---- */

static unsigned track_loudness(const struct track *track, int64_t now_us)
{
	if (track->kind != TRACK_MICROPHONE || track->muted || track->member->paused)
		return 0;
	return track->rec ? loudness_now(&track->loudness, now_us) : track->level;
}

/* True: he begins to speak. */
static bool member_listen(struct member *member, int64_t now_us)
{
	bool spoke = member->speaking;
	unsigned loudness = 0;

	for (const struct track *track = member->tracks; track; track = track->member_next)
		loudness = MAX(loudness, track_loudness(track, now_us));
	member->loudness = (uint8_t)loudness;
	member->speaking = loudness >= (spoke ? LOUDNESS_SILENCE : LOUDNESS_SPEECH);
	if (member->speaking)
		member->spoke_us = now_us;
	return member->speaking && !spoke;
}

/* ---- what other mediads are told ---- */

static bool tell_levels_to_all(struct call *call, const struct msg_levels *msg)
{
	uint64_t mask = call->here;
	bool told = true;

	for (unsigned k = 0; mask; k++, mask >>= 1) {
		if (mask & 1)
			told &= relay_tell(call->media, k, MSG_TRACK_LEVELS, msg, sizeof(*msg)) == 0;
	}
	return told;
}

static uint8_t step_of(const struct track *track, int64_t now_us)
{
	unsigned loudness = track_loudness(track, now_us);

	/* Steps from the edge of silence on, and speech is told as speech, so that both sides agree who speaks. */
	if (loudness < LOUDNESS_SILENCE)
		return 0;
	unsigned step = LOUDNESS_SILENCE + (loudness - LOUDNESS_SILENCE) / STEP * STEP;
	return (uint8_t)(loudness >= LOUDNESS_SPEECH ? MAX(step, (unsigned)LOUDNESS_SPEECH) : step);
}

/* False: something is still to be told. */
static bool tell_levels(struct call *call, int64_t now_us)
{
	struct msg_levels msg = { 0 };
	struct track *told[MSG_LEVELS_MAX];

	for (const struct media_peer *peer = call->here ? call->peers : NULL; peer; peer = peer->next) {
		for (unsigned i = 0; i < SESSION_MLINES_MAX && msg.count < MSG_LEVELS_MAX; i++) {
			struct track *track = peer->track[i];
			if (!track || track->kind != TRACK_MICROPHONE || step_of(track, now_us) == track->level)
				continue;
			told[msg.count] = track;
			msg.item[msg.count].handle = track->handle;
			msg.item[msg.count++].loudness = step_of(track, now_us);
		}
	}
	if (msg.count == 0)
		return true;
	if (!tell_levels_to_all(call, &msg))
		return false;
	for (unsigned i = 0; i < msg.count; i++)
		told[i]->level = (uint8_t)msg.item[i].loudness;
	return msg.count < MSG_LEVELS_MAX;
}

/* Somebody begins to speak. In a crowd he needs a place, on all mediads within one frame: they share the key frame
 * then, and a second one would not be asked for at once. */
static void begin_to_speak(struct call *call, struct member *member, int64_t now_us)
{
	if (!call->crowded || member->speaking || !member_listen(member, now_us))
		return;
	(void)tell_levels(call, now_us); /* what was not told is told at the next tick */
	seating_later(call);
}

void speaker_on_packet(struct track *track, const struct ring_head *head, int64_t now_us)
{
	const struct session_mline *m = &track->peer->t->rec->mline[track->mline];
	struct member *member = track->member;

	if (track->kind != TRACK_MICROPHONE)
		return;
	if (head->flags & RING_HAS_LEVEL)
		loudness_on_level(&track->loudness, head->level, now_us);
	else if (m->ext.audio_level == 0)
		loudness_on_size(&track->loudness, head->payload_len, now_us);
	if (member->speaking || loudness_now(&track->loudness, now_us) < LOUDNESS_SPEECH)
		return;
	watch(member->call, now_us);
	begin_to_speak(member->call, member, now_us);
}

void speaker_on_levels(struct media *media, unsigned k, const struct msg_levels *msg, int64_t now_us)
{
	for (unsigned i = 0; i < MIN(msg->count, MSG_LEVELS_MAX); i++) {
		struct track *track = relay_find_remote(media, k, msg->item[i].handle);
		if (!track || track->kind != TRACK_MICROPHONE)
			continue;
		track->level = (uint8_t)msg->item[i].loudness;
		watch(track->member->call, now_us);
		begin_to_speak(track->member->call, track->member, now_us);
	}
}

void speaker_on_here(struct call *call)
{
	for (const struct media_peer *peer = call->peers; peer; peer = peer->next) {
		for (unsigned i = 0; i < SESSION_MLINES_MAX; i++) {
			if (peer->track[i])
				peer->track[i]->level = TOLD_NOT;
		}
	}
	watch(call, loop_now_us(call->media->md->loop));
}

/* ---- who it is ---- */

static const struct member *loudest(const struct call *call)
{
	const struct member *best = NULL;

	for (const struct member *m = call->members; m; m = m->next) {
		if (m->speaking && (!best || m->loudness > best->loudness))
			best = m;
	}
	return best;
}

static void set_speaker(struct call *call, const struct member *member)
{
	call->talk.speaker = member;
	call->talk.rival = NULL;
	call->talk.due = true;
}

static void choose(struct call *call, int64_t now_us)
{
	const struct member *now = call->talk.speaker, *best = loudest(call);

	if (!best) {
		call->talk.rival = NULL;
		if (now && now_us - now->spoke_us >= SPEAKER_GONE_US)
			set_speaker(call, NULL);
		return;
	}
	if (!now) {
		set_speaker(call, best);
		return;
	}
	if (best == now || (now->speaking && best->loudness < now->loudness + SPEAKER_LOUDER)) {
		call->talk.rival = NULL;
		return;
	}
	if (call->talk.rival != best) {
		call->talk.rival = best;
		call->talk.rival_ticks = 0;
	}
	if (++call->talk.rival_ticks >= (now->speaking ? SPEAKER_TICKS_OUT : SPEAKER_TICKS))
		set_speaker(call, best);
}

/* ---- who is told ---- */

static void speaker_message(const struct call *call, struct msg_speaker *ret_msg)
{
	const struct member *speaker = call->talk.speaker;

	*ret_msg = (struct msg_speaker){ .call = call->id, .level = LOUDNESS_MAX };
	if (!speaker)
		return;
	ret_msg->speaker = speaker->id;
	ret_msg->level = (uint8_t)(LOUDNESS_MAX - speaker->loudness);
}

static bool tell_speaker(const struct call *call)
{
	struct mediad *md = call->media->md;
	struct msg_speaker msg;

	speaker_message(call, &msg);
	for (const struct media_peer *peer = call->peers; peer; peer = peer->next) {
		msg.listener[msg.count++] = peer->member->id;
		if (peer->next && msg.count < MSG_SPEAKER_MAX)
			continue;
		if (mediad_event(md, peer->t->rec->worker, MSG_SPEAKER, &msg, sizeof(msg)) < 0)
			return false;
		msg.count = 0;
	}
	return true;
}

void speaker_on_listener(struct call *call)
{
	if (!call->talk.speaker)
		return;
	call->talk.due = true;
	watch(call, loop_now_us(call->media->md->loop));
}

/* False: nobody is heard and nothing is to be told. */
static bool call_tick(struct call *call, int64_t now_us)
{
	bool began = false, heard = false;

	for (struct member *m = call->members; m; m = m->next) {
		began |= member_listen(m, now_us);
		heard |= m->loudness >= LOUDNESS_SILENCE;
	}
	bool told = tell_levels(call, now_us);
	choose(call, now_us);
	if (call->talk.due)
		call->talk.due = !tell_speaker(call);
	/* Who speaks on in a crowd keeps asking: a place may have come free by silence. */
	if (call->crowded && (began || heard || call->talk.heard))
		seating_update(call);
	call->talk.heard = heard;
	return heard || !told || call->talk.due || call->talk.speaker;
}

int64_t speaker_run(struct media *media, int64_t now_us)
{
	struct call *next;

	if (media->talking_due_us > now_us)
		return media->talking_due_us;
	for (struct call *call = media->talking; call; call = next) {
		next = call->talk.next;
		if (!call_tick(call, now_us))
			speaker_forget_call(call);
	}
	media->talking_due_us = media->talking ? now_us + SPEAKER_TICK_US : MEDIA_NEVER_DUE;
	return media->talking_due_us;
}
