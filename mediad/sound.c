#include "mediad/sound.h"

#include "mediad/call.h"
#include "mediad/demand.h"

#define SOUND_US	 (500 * USEC_PER_MSEC) /* a seat that sent sound so long ago does so now */
#define LOSS_FRESH_US	 (10 * USEC_PER_SEC)
#define ROOM_UNKNOWN_BPS 1000000
#define MET_US		 USEC_PER_SEC /* congestion that was met so long ago is met now */
#define TOLD_US		 USEC_PER_SEC /* an estimate that nothing was told of for so long is no estimate */
#define FEEDBACK_BITS	 800	      /* of one transport-wide feedback on the wire, */
#define FEEDBACK_SHARE	 0.05	      /* that may take so much of a path known to be narrow */
#define FEEDBACK_MAX_US	 (250 * USEC_PER_MSEC)

/* ---- what goes along ---- */

/* What copies may take. Where only sound goes the estimate is low, as nothing more was tried: one copy fits a path on
 * which no queue stands and nothing is lost to congestion. */
static uint32_t red_room(const struct media_peer *peer, unsigned streams, int64_t now_us)
{
	int64_t queue_us = bwe_queue_us(peer->bwe);

	if (queue_us >= BWE_QUEUE_FULL_US)
		return 0;
	bool clear = queue_us < BWE_QUEUE_US && bwe_loss(peer->bwe) <= 0;
	return MAX(bwe_rate(peer->bwe, now_us), clear ? MAX(streams, 1) * RED_ONE_BPS : 0);
}

/* Without transport-wide feedback the receiver's reports tell, and its own estimate. */
static unsigned red_depth(struct media_peer *peer, int64_t now_us)
{
	bool remb = peer->rate.remb_us && now_us - peer->rate.remb_us < RATE_REMB_US;
	unsigned streams = 0;
	uint8_t worst = 0;

	if (UNLIKELY(peer->lean.packs))
		return 0;
	if (LIKELY(!red_is_due(&peer->red, now_us)))
		return peer->red.depth;
	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		const struct seat *seat = peer->seat[i];
		if (!seat)
			continue;
		streams += seat->rec->media == MEDIA_AUDIO && seat_state(seat) == SEAT_LIVE &&
			   now_us - seat->rec->timestamp_last_us < SOUND_US;
		if (seat->loss_us && now_us - seat->loss_us < LOSS_FRESH_US)
			worst = MAX(worst, seat->fraction_lost);
	}
	if (peer->bwe)
		return red_look(&peer->red, bwe_lossy(peer->bwe), red_room(peer, streams, now_us), streams, now_us);
	uint64_t room_bps = remb ? peer->rate.remb_bps : ROOM_UNKNOWN_BPS;
	return red_look(&peer->red, worst / 256.0, (uint32_t)MIN(room_bps, UINT32_MAX), streams, now_us);
}

/* The payload types that this receiver gave to RED and to what it wraps; false: it has no RED. */
static bool red_types(const struct seat *seat, uint8_t *ret_red_pt, uint8_t *ret_opus_pt)
{
	const struct session_codec opus = { .codec = CODEC_OPUS, .clock_rate = seat->codec->clock_rate };
	const struct session_codec red = { .codec = CODEC_RED, .clock_rate = seat->codec->clock_rate };
	const struct session_codec *inner = codec_match(seat_mline(seat), &opus);
	const struct session_codec *outer = codec_match(seat_mline(seat), &red);

	if (!inner || !outer || outer->codec != CODEC_RED)
		return false;
	*ret_red_pt = outer->pt;
	*ret_opus_pt = inner->pt;
	return true;
}

/* The packet that went out with that index, when it is of the same source and is worth to be sent again. */
static bool older_read(struct seat *seat, uint64_t index, uint32_t timestamp, uint8_t *buf, struct red_block *ret_block)
{
	const struct session_history *h = &seat->rec->history[index % SESSION_HISTORY];
	struct ring_head head;

	if (h->generation == 0 || h->seq != (uint16_t)index || timestamp - h->timestamp > RED_AGE_MAX ||
	    !seat_history_read(seat, h, &head, buf) || head.codec != CODEC_OPUS ||
	    head.payload_offset + head.payload_len > RING_PACKET_MAX)
		return false;
	*ret_block = (struct red_block){
		.data = buf + head.payload_offset,
		.len = head.payload_len,
		.age = timestamp - h->timestamp,
	};
	return red_takes(ret_block);
}

void sound_collect(struct seat *seat, const struct seat_write *write, struct sound_older *older, int64_t now_us)
{
	size_t len = write->head->payload_len + 1u;
	unsigned depth = 0;

	older->n = 0;
	if (seat->rec->media == MEDIA_AUDIO && write->head->codec == CODEC_OPUS && !write->is_rtx)
		depth = red_depth(seat->peer, now_us);
	if (LIKELY(depth == 0) || write->head->payload_len <= RED_SILENCE_MAX ||
	    !red_types(seat, &older->red_pt, &older->opus_pt))
		return;
	/* What was before the present source belongs to another. */
	for (unsigned back = depth; back > 0; back--) {
		struct red_block *block = &older->block[older->n];
		if (write->index < seat->rec->out_base + back ||
		    !older_read(seat, write->index - back, write->timestamp, older->packet[older->n], block))
			continue;
		if (len + block->len + RED_HEADER_LEN > RED_PACKET_MAX)
			continue;
		len += block->len + RED_HEADER_LEN;
		older->n++;
	}
}

size_t sound_write(struct seat *seat, uint8_t *p, size_t room, const struct seat_write *write,
		   const struct sound_older *older)
{
	const struct ring_head *head = write->head;
	struct stats_mediad *counters = seat->peer->media->md->counters;
	size_t len = red_write(p, room, older->opus_pt, older->block, older->n, write->data + head->payload_offset,
			       head->payload_len);

	if (len) {
		stat_add(&counters->red_packets, 1);
		stat_add(&counters->red_bytes, len - head->payload_len);
		seat->rec->octets += (uint32_t)(len - head->payload_len);
	}
	return len;
}

/* ---- what is held back ---- */

/* Is this the first of some that leave together with the last one that carries it? */
static bool late_begins(struct seat *seat, const struct seat_write *write, int64_t now_us)
{
	unsigned depth = red_depth(seat->peer, now_us);
	uint8_t red_pt, opus_pt;

	if (LIKELY(depth == 0)) {
		seat->late.times = 0;
		return false;
	}
	if (write->index == seat->rec->out_base || write->head->codec != CODEC_OPUS ||
	    write->head->payload_len <= RED_SILENCE_MAX ||
	    write->index + 1 != atomic_load_explicit(&seat->rec->next, memory_order_relaxed) ||
	    now_us - seat->late.begun_us < (seat->late.times < RED_LATE_FIRST ? RED_LATE_SOON_US : RED_LATE_US) ||
	    !red_types(seat, &red_pt, &opus_pt))
		return false;
	seat->late.waits = true;
	seat->late.times++;
	seat->late.depth = depth;
	seat->late.index = write->index;
	seat->late.begun_us = now_us;
	return true;
}

/* One that waited leaves. What is too old by now, or of another source, never does: its index is spent, and that is
 * all. */
static void late_send(struct seat *seat, uint64_t index, const struct seat_write *now, int64_t now_us)
{
	const struct session_history *h = &seat->rec->history[index % SESSION_HISTORY];
	struct seat_again again;

	if (index < seat->rec->out_base || h->generation == 0 || h->seq != (uint16_t)index ||
	    now->timestamp - h->timestamp > RED_AGE_MAX || !seat_again(seat, h, &again))
		return;
	again.write.index = index;
	(void)seat_send_now(seat, &again.write, now_us);
}

/* False: this one waits, too. */
static bool late_ends(struct seat *seat, const struct seat_write *write, int64_t now_us)
{
	if (write->index < seat->late.index)
		return true; /* it was overtaken, and is not one of them */
	if (write->index < seat->late.index + seat->late.depth && now_us - seat->late.begun_us < RED_LATE_END_US)
		return false;
	seat->late.waits = false;
	for (uint64_t i = seat->late.index; i < MIN(write->index, seat->late.index + seat->late.depth); i++)
		late_send(seat, i, write, now_us);
	return true;
}

bool sound_leaves(struct seat *seat, const struct seat_write *write, int64_t now_us)
{
	return seat->late.waits ? late_ends(seat, write, now_us) : !late_begins(seat, write, now_us);
}

/* ---- a path that hardly takes it ---- */

static bool is_voice(const struct seat *seat, int64_t now_us)
{
	return seat_state(seat) != SEAT_PAUSED && now_us - track_last_packet_us(seat->source) < SOUND_US;
}

static bool is_congested(const struct media_peer *peer, int64_t now_us)
{
	const struct bwe *bwe = peer->bwe;
	int64_t cut_us = bwe_cut_us(bwe);

	/* Where nothing is told, that is an outage. */
	return now_us - bwe->feedback_us < TOLD_US &&
	       ((cut_us && now_us - cut_us < MET_US) || bwe_queue_us(bwe) >= BWE_QUEUE_FULL_US);
}

/* Who spoke last comes first; among those who never did, who is heard now. */
static bool comes_before(const struct seat *a, const struct seat *b)
{
	const struct member *speaker = a->peer->call->talk.speaker, *m = a->source->member, *n = b->source->member;

	if ((m == speaker) != (n == speaker))
		return m == speaker;
	if (m->spoke_us != n->spoke_us)
		return m->spoke_us > n->spoke_us;
	return !a->unheard && b->unheard;
}

static bool has_room(const struct seat *const *seat, unsigned n, unsigned i)
{
	unsigned before = 0;

	for (unsigned k = 0; k < n; k++)
		before += k != i && (comes_before(seat[k], seat[i]) || (k < i && !comes_before(seat[i], seat[k])));
	return before < seat[i]->peer->lean.heard;
}

/* Who is heard, and asked for fewer bits. */
static void choose(struct media_peer *peer, struct seat **seat, unsigned n)
{
	bool heard[SESSION_MLINES_MAX];

	for (unsigned i = 0; i < n; i++)
		heard[i] = has_room((const struct seat *const *)seat, n, i);
	for (unsigned i = 0; i < n; i++) {
		bool lower = peer->lean.lower && heard[i];
		if (seat[i]->unheard == heard[i])
			seat_set_unheard(seat[i], !heard[i]);
		if (seat[i]->lower != lower) {
			seat[i]->lower = lower;
			demand_lower_changed(seat[i]->source);
		}
	}
}

/* Feedback to the peer takes of the same path. */
static void pace_feedback(struct media_peer *peer, int64_t now_us)
{
	double bps = bwe_rate(peer->bwe, now_us);

	if (peer->twcc)
		peer->twcc->apart_us = peer->rate.limited ? MIN((int64_t)(FEEDBACK_BITS * 1e6 / (FEEDBACK_SHARE * bps)),
								FEEDBACK_MAX_US)
							  : 0;
}

/* All audio seats with a source, those of which sound comes first; returns how many these are. */
static unsigned collect_voices(struct media_peer *peer, struct seat **seat, unsigned *ret_all, int64_t now_us)
{
	unsigned voices = 0, all = 0;

	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		struct seat *s = peer->seat[i];
		if (!s || s->rec->media != MEDIA_AUDIO || !s->source)
			continue;
		seat[all++] = s;
		if (is_voice(s, now_us)) {
			seat[all - 1] = seat[voices];
			seat[voices++] = s;
		}
	}
	*ret_all = all;
	return voices;
}

void sound_look(struct media_peer *peer, int64_t now_us)
{
	struct seat *seat[SESSION_MLINES_MAX];
	struct lean *lean = &peer->lean;
	bool was = lean->packs;
	unsigned all;

	if (!peer->bwe)
		return;
	unsigned voices = collect_voices(peer, seat, &all, now_us);
	pace_feedback(peer, now_us);
	struct lean_path path = { .bps = bwe_rate(peer->bwe, now_us),
				  .congested = is_congested(peer, now_us),
				  .voices = voices };
	for (unsigned i = 0; i < voices; i++)
		path.taken += (uint32_t)seat[i]->meter.bps;
	lean_look(lean, &path, now_us);
	if (!was && !lean->packs)
		return;
	/* Who begins to send is one more of them with the next look. */
	choose(peer, seat, lean->packs ? voices : all);
	for (unsigned i = 0; i < all; i++)
		pack_run(seat[i], now_us);
}
