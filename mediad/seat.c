#include "mediad/seat.h"

#include "lib/list.h"
#include "mediad/call.h"
#include "mediad/announce.h"
#include "mediad/demand.h"
#include "mediad/quality.h"
#include "mediad/report.h"
#include "mediad/seat_out.h"
#include "mediad/seating.h"
#include "mediad/view.h"

#include <stdlib.h>
#include <string.h>

#define SEAT_HOLE_MAX	   512 /* a wider hole in the source is a new beginning */
#define SEAT_RESEND_BUDGET 256
#define SEAT_STEP_MIN_US   USEC_PER_MSEC	/* timestamps move on by this at a switch at least */
#define SEAT_AUDIO_STEP	   (20 * USEC_PER_MSEC) /* the last packet's own length */
#define SEAT_CLOSE_US	   (100 * USEC_PER_MSEC)

static bool ssrc_is_taken(const struct media_peer *peer, uint32_t ssrc)
{
	for (unsigned i = 0; i < SESSION_MLINES_MAX; i++) {
		const struct seat *seat = peer->seat[i];
		if (seat && (seat->rec->ssrc == ssrc || seat->rec->rtx_ssrc == ssrc))
			return true;
	}
	return ssrc == 0 || ssrc == peer_own_ssrc(peer);
}

static uint32_t ssrc_random(const struct media_peer *peer)
{
	uint32_t ssrc;

	do {
		random_bytes(&ssrc, sizeof(ssrc));
	} while (ssrc_is_taken(peer, ssrc));
	return ssrc;
}

/* A first index below 2^15, so that the receiver cannot guess the rollover counter wrong. */
static uint64_t index_random(void)
{
	uint16_t seq;

	random_bytes(&seq, sizeof(seq));
	return (seq & 0x7fff) | 1;
}

int seat_new(struct media_peer *peer, unsigned mline, struct seat **ret_seat)
{
	struct session_table *table = &peer->media->md->table;
	struct seat *seat = calloc(1, sizeof(*seat));
	int err;

	if (!seat)
		return -ENOMEM;
	seat->peer = peer;
	seat->fir_command = -1;
	seat->tile_height = LAYER_TALLEST;
	seat->limit = ALLOC_ALL;
	seat->resend_budget = SEAT_RESEND_BUDGET;
	err = session_seat_new(table, &seat->rec);
	if (err < 0) {
		free(seat);
		return err;
	}
	struct session_seat *rec = seat->rec;
	rec->transport = peer->t->handle;
	rec->mline = (uint8_t)mline;
	rec->media = seat_mline(seat)->media;
	do {
		rec->ssrc = ssrc_random(peer);
		rec->rtx_ssrc = ssrc_random(peer);
	} while (rec->ssrc == rec->rtx_ssrc);
	atomic_store_explicit(&rec->next, index_random(), memory_order_relaxed);
	atomic_store_explicit(&rec->rtx_next, index_random(), memory_order_relaxed);
	atomic_store_explicit(&rec->state, 1 + SEAT_EMPTY, memory_order_release);
	stat_add(&peer->media->md->counters->seats, 1);
	*ret_seat = seat;
	return 0;
}

static void seat_unlink(struct seat *seat)
{
	if (!seat->source)
		return;
	LIST_REMOVE(seat, next, link);
	seat->source = NULL;
}

struct seat *seat_free(struct seat *seat)
{
	if (!seat)
		return NULL;
	struct track *track = seat->source;
	pacing_forget(seat);
	seat_unlink(seat);
	if (track) {
		track_seats_changed(track);
		demand_lower_changed(track);
	}
	session_seat_free(&seat->peer->media->md->table, seat->rec);
	stat_add(&seat->peer->media->md->counters->seats, (uint64_t)-1);
	free(seat);
	return NULL;
}

enum seat_state seat_state(const struct seat *seat)
{
	return atomic_load_explicit(&seat->rec->state, memory_order_relaxed) - 1;
}

static void seat_move(struct seat *seat, enum seat_state state)
{
	if (seat_state(seat) == state)
		return;
	atomic_store_explicit(&seat->rec->state, 1 + state, memory_order_release);
	peer_seats_changed(seat->peer);
}

void seat_on_offer(struct seat *seat)
{
	seat->codec_known = false;
	seat->mapped = false;
	seat->rec->media = seat_mline(seat)->media;
}

static bool seat_is_paused(const struct seat *seat)
{
	return seat->source->member->paused || seat->peer->member->paused;
}

/* Nobody looks, or the way there takes nothing. */
static bool seat_is_off(const struct seat *seat)
{
	return seat->hidden || seat->limit == 0;
}

/* What it is while nothing flows. */
static enum seat_state seat_at_rest(const struct seat *seat)
{
	if (seat_is_paused(seat))
		return SEAT_PAUSED;
	return seat->limit == 0 ? SEAT_WEAK : SEAT_WAITING;
}

static void seat_want_keyframe(struct seat *seat, int64_t now_us)
{
	if (seat->source && peer_can_send(seat->peer) && !seat_is_paused(seat) && !seat_is_off(seat))
		track_want_keyframe(seat->source, seat->choice.target, now_us);
}

/* Nothing flows until a key frame. */
static void seat_unmap(struct seat *seat)
{
	seat->mapped = false;
	seat->begin.waits = seat->held = seat->frame_open = false;
	seat->holes = 0;
	if (seat->source)
		track_seats_changed(seat->source);
}

/* Has the receiver all of what flowed, but for what is lost for good? */
static bool seat_is_whole(const struct seat *seat, int64_t now_us)
{
	return !seat->frame_open && (seat->holes == 0 || now_us - seat->hole_us >= SEAT_CLOSE_US);
}

/* Nothing more, once the picture under way is whole. */
static void seat_close(struct seat *seat, int64_t now_us)
{
	bool whole = !seat->mapped || seat->rec->media != MEDIA_VIDEO || seat_is_whole(seat, now_us);

	seat->leave_us = whole ? 0 : now_us + SEAT_CLOSE_US;
	seat->begin.waits = false;
	if (whole)
		seat_unmap(seat);
}

void seat_release(struct seat *seat, int64_t now_us)
{
	bool held = seat->held;

	seat->begin.waits = seat->held = false;
	if (held && seat->mapped)
		track_catch_up(seat, now_us);
}

/* After something that it depends on has changed. */
static void seat_turn(struct seat *seat, bool was_off, int64_t now_us)
{
	bool off = seat_is_off(seat);

	if (off != was_off) {
		seat->leave_us = 0;
		if (off)
			seat_close(seat, now_us);
		else if (seat->mapped) /* on again before it was closed */
			seat_release(seat, now_us);
		else
			seat_unmap(seat);
	}
	seat_move(seat, seat_at_rest(seat));
}

unsigned seat_layers(const struct seat *seat)
{
	unsigned target = 1u << seat->choice.target;

	if (seat->peer->member->paused)
		return 0;
	if (seat_is_off(seat))
		return seat->mapped ? 1u << seat->rec->layer : 0; /* the picture under way */
	unsigned wanted = 1u << seat->choice.wanted;
	/* With nothing to show, a lower layer's picture is better than none. */
	return target | wanted | (seat->choice.missing ? wanted - 1 : 0) |
	       (seat->mapped ? 1u << seat->rec->layer : target - 1);
}

void seat_choose(struct seat *seat, int64_t now_us)
{
	unsigned before = seat->choice.target;

	if (!seat->source)
		return;
	if (seat->source->set.n <= 1)
		seat->choice = (struct layer_choice){ 0 };
	else
		layer_choose(&seat->choice, &seat->source->set, seat->tile_height, seat->limit, now_us);
	if (seat->choice.target != before) {
		seat_release(seat, now_us);
		if (!seat->mapped || seat->rec->layer != seat->choice.target)
			seat_want_keyframe(seat, now_us);
	}
	track_seats_changed(seat->source);
}

void seat_set_limit(struct seat *seat, unsigned limit, int64_t now_us)
{
	bool had = seat->limit > 0, off = seat_is_off(seat);

	if (seat->limit == limit)
		return;
	seat->limit = limit;
	if (!seat->source)
		return;
	seat_choose(seat, now_us);
	if (had == (limit > 0))
		return;
	seat_turn(seat, off, now_us);
	track_seats_changed(seat->source);
	seat_want_keyframe(seat, now_us);
}

/* The camera is on, and was there; sound comes, so its client is. */
static bool camera_is_dry(const struct track *camera, int64_t now_us)
{
	int64_t last_us = track_last_packet_us(camera);

	if (last_us == 0 || now_us - last_us < SEAT_DRY_US || member_mutes(camera->member, camera->kind))
		return false;
	for (const struct track *track = camera->member->tracks; track; track = track->member_next) {
		if (track->kind == TRACK_MICROPHONE && now_us - track_last_packet_us(track) < SEAT_ALIVE_US)
			return true;
	}
	return false;
}

void seat_look(struct seat *seat, int64_t now_us)
{
	enum seat_state state = seat_state(seat);

	if ((state != SEAT_LIVE && state != SEAT_WAITING) || !seat->source || seat->source->kind != TRACK_CAMERA ||
	    !camera_is_dry(seat->source, now_us))
		return;
	seat_unmap(seat);
	seat_move(seat, SEAT_WEAK);
}

/* False: a picture is under way; the call is seated again when it is whole. */
static bool seat_may_leave(struct seat *seat, int64_t now_us)
{
	if (!seat->mapped || seat->rec->media != MEDIA_VIDEO || !peer_can_send(seat->peer) || seat_is_paused(seat) ||
	    seat_is_whole(seat, now_us))
		return true;
	if (seat->leave_us == 0)
		seat->leave_us = now_us + SEAT_CLOSE_US;
	if (now_us >= seat->leave_us)
		return true;
	seating_at(seat->peer->call, seat->leave_us);
	return false;
}

static void seat_take_source(struct seat *seat, struct track *track, int64_t now_us)
{
	struct track *old = seat->source;

	seat->leave_us = 0;
	seat_unlink(seat);
	if (old) {
		track_seats_changed(old);
		demand_lower_changed(old);
	}
	seat_unmap(seat);
	seat->choice = (struct layer_choice){ 0 };
	seat->codec_known = false;
	seat->mismatch_logged = false;
	seat->unheard = seat->lower = false;
	seat->limit = rate_begin(seat, track);
	seat_set_left_out(seat, seat->limit < ALLOC_ALL ? LAYER_TEMPORALS_MAX - 1 : 0);
	rate_changed(seat->peer);
	seat->rec->source = track ? track->handle : 0;
	seat->rec->source_mediad = track ? (uint16_t)track->mediad : 0;
	peer_seats_changed(seat->peer);
	if (!track) {
		seat_move(seat, SEAT_EMPTY);
		return;
	}
	seat->source = track;
	seat->hidden = view_hides(seat->peer, track);
	seat->tile_height = view_height(seat->peer, track);
	LIST_ADD(track->seats, seat, next, link);
	seat_move(seat, seat_at_rest(seat));
	seat_choose(seat, now_us);
	track_seats_changed(track);
	seat_want_keyframe(seat, now_us);
}

void seat_set_source(struct seat *seat, struct track *track, int64_t now_us)
{
	if (seat->source != track && seat_may_leave(seat, now_us)) {
		seat_take_source(seat, track, now_us);
	} else if (seat->source == track && seat->leave_us && !seat_is_off(seat)) { /* it stays after all */
		seat->leave_us = 0;
		seat_release(seat, now_us);
	}
}

void seat_lose_source(struct seat *seat, int64_t now_us)
{
	seat_take_source(seat, NULL, now_us);
}

void seat_on_pause(struct seat *seat, int64_t now_us)
{
	if (!seat->source)
		return;
	if (seat_is_paused(seat)) {
		seat_unmap(seat);
		seat_move(seat, SEAT_PAUSED);
	} else if (seat_state(seat) == SEAT_PAUSED) {
		seat_move(seat, seat_at_rest(seat));
		track_seats_changed(seat->source);
		seat_want_keyframe(seat, now_us);
	}
	rate_changed(seat->peer);
}

void seat_on_view(struct seat *seat, int64_t now_us)
{
	bool hidden = seat->source && view_hides(seat->peer, seat->source), off = seat_is_off(seat);

	if (!seat->source)
		return;
	seat->tile_height = view_height(seat->peer, seat->source);
	rate_changed(seat->peer);
	if (hidden == seat->hidden) {
		seat_choose(seat, now_us);
		return;
	}
	seat->hidden = hidden;
	seat_turn(seat, off, now_us);
	seat_choose(seat, now_us);
	track_seats_changed(seat->source);
	seat_want_keyframe(seat, now_us);
}

void seat_restart(struct seat *seat, int64_t now_us)
{
	seat_unmap(seat);
	seat_want_keyframe(seat, now_us);
}

/* Finds our entry for the source's codec; logs once when there is none. */
static bool seat_match_codec(struct seat *seat)
{
	const struct track *track = seat->source;

	if (LIKELY(seat->codec_known && seat->codec_version == track->codec_version))
		return seat->codec;
	seat->codec = codec_match(seat_mline(seat), &track->codec);
	seat->codec_version = track->codec_version;
	seat->codec_known = true;
	if (!seat->codec) {
		char call[ID_TEXT_LEN + 1];
		if (!seat->mismatch_logged)
			log_warn("seat: call=%s mid=%s cannot take %s (profile %x), stays empty",
				 id_format(&seat->peer->call->id, call), seat_mline(seat)->mid,
				 codec_name(track->codec.codec), (unsigned)track->codec.profile);
		seat->mismatch_logged = true;
		seat_unmap(seat);
		return false;
	}
	if (seat->rec->codec != seat->codec->codec || seat->rec->pt != seat->codec->pt)
		seat->mapped = false;
	seat->rec->codec = seat->codec->codec;
	seat->rec->pt = seat->codec->pt;
	seat->rec->rtx_pt = seat->codec->rtx_pt;
	return true;
}

/* The source flows from this packet on: where it goes on in our stream. */
static void seat_map(struct seat *seat, const struct track_packet *packet)
{
	const struct ring_head *head = packet->head;
	struct session_seat *rec = seat->rec;
	int64_t rate = seat->codec->clock_rate ? seat->codec->clock_rate : 90000;
	uint32_t timestamp;

	rec->source_base = head->index;
	rec->out_base = atomic_load_explicit(&rec->next, memory_order_relaxed);
	if (rec->packets == 0) {
		random_bytes(&timestamp, sizeof(timestamp));
	} else {
		int64_t least = rec->media == MEDIA_AUDIO ? SEAT_AUDIO_STEP : SEAT_STEP_MIN_US;
		int64_t passed = packet->time_us - rec->timestamp_last_us;
		rec->shift_us = MAX(least - passed, 0);
		timestamp = rec->timestamp_last + (uint32_t)((passed + rec->shift_us) * rate / USEC_PER_SEC);
	}
	rec->timestamp_offset = timestamp - head->timestamp;
	rec->timestamp_last = timestamp;
	rec->timestamp_last_us = packet->time_us + rec->shift_us;
	rec->picture_id_offset = (uint16_t)(rec->picture_id_last + 1 - head->picture_id);
	rec->tl0picidx_offset = (uint8_t)(rec->tl0picidx_last + 1 - head->tl0picidx);
	if (seat->mapped && rec->layer != head->layer)
		stat_add(&seat->peer->media->md->counters->layer_switches, 1);
	rec->layer = head->layer;
	thin_begin(&seat->thin, head->index);
	seat->source_ssrc = head->ssrc;
	seat->mapped = true;
	seat->maps++;
	seat->begin.waits = seat->held = seat->frame_open = false;
	seat->holes = 0;
	track_seats_changed(seat->source);
	seat->report_due = true;
	if (seat->peer->seats_due)
		(void)peer_tell_seats(seat->peer);
}

/* Is this a key frame's first packet? H.264 may have its parameter sets in one before, which was overtaken. */
static bool is_beginning(const struct track_packet *packet)
{
	const struct ring_head *head = packet->head;
	struct codec_info info;

	if (head->codec != CODEC_H264 || track_has(packet->track, head->layer, head->index - 1))
		return true;
	codec_parse(CODEC_H264, packet->data + head->payload_offset, head->payload_len, &info);
	return info.parameters;
}

/* A key frame of the target: now, or when all is whole? */
static bool seat_may_begin(struct seat *seat, const struct track_packet *packet)
{
	const struct ring_head *head = packet->head;

	if (seat->begin.now)
		return true;
	if (seat->begin.waits) {
		if (head->layer == seat->begin.layer && head->timestamp == seat->begin.timestamp &&
		    head->index < seat->begin.index) {
			seat->begin.index = head->index;
			seat->begin.first = is_beginning(packet);
		}
		return false;
	}
	seat->begin.first = is_beginning(packet);
	if (seat->begin.first && (!seat->mapped || seat_is_whole(seat, packet->now_us)))
		return true;
	seat->begin.waits = true;
	seat->begin.layer = head->layer;
	seat->begin.timestamp = head->timestamp;
	seat->begin.index = head->index;
	seat->begin.until_us = packet->now_us + SEAT_CLOSE_US;
	return false;
}

/* May the stream go on with this packet of another layer or source? */
static bool seat_may_map(struct seat *seat, const struct track_packet *packet)
{
	const struct ring_head *head = packet->head;
	unsigned target = seat->choice.target;

	if (seat->leave_us || (head->layer != target && (seat->mapped || head->layer > target)))
		return false;
	if (seat->rec->media != MEDIA_VIDEO)
		return true;
	if (head->flags & RING_KEYFRAME)
		return seat_may_begin(seat, packet);
	if (head->layer == target && !seat->begin.waits && !packet->track->layer[target]->keyframe.wanted)
		track_want_keyframe(packet->track, target, packet->now_us);
	return false;
}

/* Nothing is held back, or it belongs to what is to be whole. */
static bool seat_goes_on(struct seat *seat, const struct ring_head *head)
{
	if (LIKELY(!seat->leave_us && !seat->begin.waits) || (int32_t)(head->timestamp - seat->open_timestamp) <= 0)
		return true;
	seat->held = true;
	return false;
}

/* Is this a packet of the source and layer that flows, or may it begin here? */
static bool seat_accepts(struct seat *seat, const struct track_packet *packet)
{
	const struct ring_head *head = packet->head;

	if (LIKELY(seat->mapped && head->ssrc == seat->source_ssrc && head->layer == seat->rec->layer))
		return seat_goes_on(seat, head);
	if (seat->mapped && head->layer == seat->rec->layer)
		seat_unmap(seat); /* the publisher began again with another SSRC */
	if (!seat_may_map(seat, packet))
		return false;
	seat_map(seat, packet);
	return true;
}

bool seat_begins(const struct seat *seat, int64_t now_us)
{
	if (LIKELY(!seat->begin.waits))
		return false;
	return now_us >= seat->begin.until_us ||
	       ((!seat->mapped || seat_is_whole(seat, now_us)) &&
		(seat->begin.first || track_has(seat->source, seat->begin.layer, seat->begin.index - 1)));
}

void seat_set_left_out(struct seat *seat, unsigned left_out)
{
	if (seat->left_out == left_out)
		return;
	seat->left_out = left_out;
	seat->meter.since_us = 0; /* what it cost is not what it costs */
}

/* The highest temporal layer of a layer that it may have now. */
static unsigned seat_temporal(const struct seat *seat, unsigned layer)
{
	const struct layer_set *set = &seat->source->set;
	unsigned n = set->layer[layer].temporals;

	if (LIKELY(seat->left_out == 0) || n <= 1 || (set->n > 1 && layer + 1 < seat->limit))
		return THIN_ALL;
	return n - 1 - MIN(seat->left_out, n - 1);
}

/* The out index of a packet; false: it is not to be sent (too old, or was sent, or is left out). */
static bool seat_index(struct seat *seat, const struct track_packet *packet, struct thin_shift *ret_shift,
		       bool *ret_fill, uint64_t *ret_index)
{
	struct session_seat *rec = seat->rec;
	uint64_t next = atomic_load_explicit(&rec->next, memory_order_relaxed);

	if (packet->head->index < rec->source_base)
		return false;
	thin_allow(&seat->thin, seat_temporal(seat, packet->head->layer));
	enum thin_verdict verdict = thin_on_packet(&seat->thin, packet->head, ret_shift);
	if (UNLIKELY(verdict == THIN_DROP))
		return false;
	*ret_fill = verdict == THIN_FILL;
	uint64_t index = rec->out_base + (packet->head->index - rec->source_base) - ret_shift->packets;
	if (UNLIKELY(index > next + SEAT_HOLE_MAX)) {
		if (rec->media == MEDIA_VIDEO && !(packet->head->flags & RING_KEYFRAME)) {
			seat_restart(seat, packet->now_us);
			return false;
		}
		seat_map(seat, packet);
		*ret_shift = (struct thin_shift){ 0 };
		index = next;
	}
	if (index < next) {
		const struct session_history *h = &rec->history[index % SESSION_HISTORY];
		if (next - index > SESSION_HISTORY || (h->generation && h->seq == (uint16_t)index))
			return false;
	}
	*ret_index = index;
	return true;
}

static bool picture_id_newer(uint16_t a, uint16_t b, unsigned bits)
{
	return bits > 0 && (int16_t)(uint16_t)((unsigned)(a - b) << (16 - bits)) > 0;
}

/* Before the packet is encrypted: the index is spent, and what it was is remembered. */
static void seat_remember(struct seat *seat, const struct track_packet *packet, const struct seat_write *write)
{
	struct session_seat *rec = seat->rec;
	size_t i = write->index % SESSION_HISTORY;

	rec->history[i] = (struct session_history){
		.generation = packet->generation,
		.slot = packet->slot,
		.mediad = (uint16_t)packet->mediad,
		.seq = (uint16_t)write->index,
		.timestamp = write->timestamp,
		.picture_id = write->picture_id,
		.tl0picidx = write->tl0picidx,
		.pt = write->pt,
	};
	seat->resent_ms[i] = 0;
	if (write->index < atomic_load_explicit(&rec->next, memory_order_relaxed))
		return;
	/* Stored past it before it is encrypted: a successor of this process goes on behind it. */
	atomic_store_explicit(&rec->next, write->index + 1, memory_order_release);
	rec->timestamp_last = write->timestamp;
	rec->timestamp_last_us = packet->time_us + rec->shift_us;
	seat->frame_open = rec->media == MEDIA_VIDEO && !write->marker;
	seat->open_timestamp = packet->head->timestamp;
	if (picture_id_newer(write->picture_id, rec->picture_id_last, write->head->picture_id_bits))
		rec->picture_id_last = write->picture_id;
	if (write->head->has_tl0picidx && (int8_t)(write->tl0picidx - rec->tl0picidx_last) > 0)
		rec->tl0picidx_last = write->tl0picidx;
}

static void seat_forget_gap(struct seat *seat, uint64_t from, uint64_t to)
{
	if (to - from > SESSION_HISTORY)
		from = to - SESSION_HISTORY;
	for (; from < to; from++)
		seat->rec->history[from % SESSION_HISTORY].generation = 0;
}

/* What is off gets nothing but the rest of a picture. */
static bool seat_is_closed(struct seat *seat, int64_t now_us)
{
	if (LIKELY(!seat_is_off(seat)))
		return false;
	if (!seat->mapped || now_us < seat->leave_us)
		return !seat->mapped;
	seat->leave_us = 0;
	seat_unmap(seat);
	return true;
}

/* A number was kept for what came late and is left out: an empty packet, that the receiver does not ask for it. */
static void seat_fill(struct seat *seat, const struct track_packet *packet, uint64_t index)
{
	static const struct ring_head nothing;
	const struct seat_write write = {
		.head = &nothing,
		.index = index,
		.ssrc = seat->rec->ssrc,
		.timestamp = packet->head->timestamp + seat->rec->timestamp_offset,
		.pt = seat->rec->pt,
		.padding = 1,
	};

	seat->holes -= seat->holes > 0;
	(void)seat_send(seat, &write, packet->now_us);
}

/* What is known of it goes out as the packet of that index. */
static void seat_put(struct seat *seat, const struct track_packet *packet, const struct thin_shift *shift,
		     uint64_t index)
{
	const struct ring_head *head = packet->head;
	struct session_seat *rec = seat->rec;
	bool first = seat->report_due;
	struct seat_write write = {
		.head = head,
		.data = packet->data,
		.index = index,
		.ssrc = rec->ssrc,
		.timestamp = head->timestamp + rec->timestamp_offset,
		.picture_id = (uint16_t)(head->picture_id + rec->picture_id_offset - shift->pictures) & 0x7fff,
		.tl0picidx = (uint8_t)(head->tl0picidx + rec->tl0picidx_offset),
		.pt = rec->pt,
		/* RFC 3551 4.1: audio that begins after a pause says so. */
		.marker = (head->flags & RING_MARKER) || (first && rec->media == MEDIA_AUDIO),
	};
	uint64_t next = atomic_load_explicit(&rec->next, memory_order_relaxed);
	if (index > next) {
		seat_forget_gap(seat, next, index);
		seat->holes += (unsigned)(index - next);
		seat->hole_us = packet->now_us;
	} else if (index < next && seat->holes > 0) {
		seat->holes--;
	}
	seat_remember(seat, packet, &write);
	if (seat_send(seat, &write, packet->now_us) < 0)
		return;
	rec->packets++;
	seat->resend_budget = MIN(seat->resend_budget + 1, SEAT_RESEND_BUDGET);
	rec->octets += head->payload_len;
	if ((rec->media == MEDIA_AUDIO || (head->flags & RING_MARKER)) && !seat_is_off(seat))
		seat_move(seat, SEAT_LIVE);
	if (first)
		report_seat(seat, packet->now_us);
	if (LIKELY(!seat->leave_us) || !seat_is_whole(seat, packet->now_us))
		return;
	if (seat_is_off(seat))
		seat_close(seat, packet->now_us);
	if (seat->peer->call->reseat_due)
		seating_later(seat->peer->call);
}

void seat_send_as_next(struct seat *seat, const struct track_packet *packet)
{
	static const struct thin_shift none;

	seat_put(seat, packet, &none, atomic_load_explicit(&seat->rec->next, memory_order_relaxed));
}

void seat_go_on_from(struct seat *seat, const struct track_packet *packet)
{
	seat->rec->source_base = packet->head->index;
	seat->rec->out_base = atomic_load_explicit(&seat->rec->next, memory_order_relaxed);
	thin_begin(&seat->thin, packet->head->index);
}

void seat_set_unheard(struct seat *seat, bool unheard)
{
	seat->unheard = unheard;
	if (unheard)
		seat->mapped = false; /* it begins anew: what is not forwarded leaves no hole */
}

void seat_forward(struct seat *seat, const struct track_packet *packet)
{
	const struct ring_head *head = packet->head;
	struct thin_shift shift;
	uint64_t index;
	bool fill;

	if (!peer_can_send(seat->peer) || seat_is_closed(seat, packet->now_us) || seat_is_paused(seat) ||
	    track_is_silenced(packet->track) || !seat_match_codec(seat) ||
	    head->payload_type != packet->track->codec.pt || UNLIKELY(seat->unheard) || !seat_accepts(seat, packet))
		return;
	if (UNLIKELY(seat->pack.on || seat->peer->lean.packs) && seat->rec->media == MEDIA_AUDIO &&
	    pack_takes(seat, packet))
		return;
	if (!seat_index(seat, packet, &shift, &fill, &index))
		return;
	if (UNLIKELY(fill)) {
		seat_fill(seat, packet, index);
		return;
	}
	seat_put(seat, packet, &shift, index);
}

void seat_on_keyframe_request(struct seat *seat, int64_t now_us)
{
	if (seat->source && seat->rec->media == MEDIA_VIDEO && !seat_is_paused(seat) && !seat->hidden &&
	    seat->limit > 0)
		track_want_keyframe(seat->source, seat->mapped ? seat->rec->layer : seat->choice.target, now_us);
}

void seat_on_block(struct seat *seat, const struct rtcp_block *block, int64_t now_us)
{
	uint32_t ntp_now = (uint32_t)(media_ntp(seat->peer->media, now_us) >> 16);
	uint32_t rtt = ntp_now - block->lsr - block->dlsr;

	/* The first report says since when nobody knows. */
	if (seat->highest_reported && block->highest - seat->highest_reported < 1u << 16)
		quality_on_block(seat->peer, block->fraction_lost, block->highest - seat->highest_reported);
	seat->highest_reported = block->highest;
	seat->fraction_lost = block->fraction_lost;
	seat->loss_us = now_us;
	if (block->lsr == 0 || rtt > 10 << 16) /* none yet, or nonsense */
		return;
	int64_t sample = MAX((int64_t)rtt * USEC_PER_SEC >> 16, USEC_PER_MSEC);
	seat->peer->rtt_us += (sample - seat->peer->rtt_us) / (seat->peer->rtt_known ? 4 : 1);
	seat->peer->rtt_known = true;
}

bool seat_sender_report(const struct seat *seat, int64_t now_us, struct rtcp_sender *ret_sender)
{
	const struct session_seat *rec = seat->rec;

	if (!seat->mapped || rec->packets == 0)
		return false;
	*ret_sender = (struct rtcp_sender){
		.ntp = media_ntp(seat->peer->media, now_us),
		.rtp = track_timestamp(seat->source, rec->layer, now_us) + rec->timestamp_offset,
		.packets = rec->packets,
		.octets = rec->octets,
	};
	return true;
}
