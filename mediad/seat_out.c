#include "mediad/seat_out.h"

#include "mediad/call.h"
#include "mediad/egress.h"
#include "mediad/red.h"

#include <string.h>

#define SEAT_RESEND_MIN	 (10 * USEC_PER_MSEC)
#define SEAT_RESEND_MAX	 (500 * USEC_PER_MSEC)
#define RTX_OSN_LEN	 2
#define RTX_BYTES	 1200 /* of a packet that is sent again, about */
#define RTP_PADDING	 0x20
#define SRTP_TAG	 16 /* bytes that encryption adds, about */
#define RTP_ONE_BYTE_MAX 14
#define SEAT_PAD_RECENT	 64		       /* packets of the history that padding is taken from */
#define SEAT_HEADERS	 24		       /* bytes of RTP header and extensions, about */
#define SOUND_US	 (500 * USEC_PER_MSEC) /* a seat that sent sound so long ago does so now */
#define LOSS_FRESH_US	 (10 * USEC_PER_SEC)
#define ROOM_UNKNOWN_BPS 1000000

const struct session_mline *seat_mline(const struct seat *seat)
{
	return &seat->peer->t->rec->mline[seat->rec->mline];
}

static void write_extensions(struct seat *seat, struct rtp_writer *w, const struct seat_write *write, int64_t now_us)
{
	const struct session_mline *m = seat_mline(seat);
	const struct ring_head *head = write->head;
	struct session_transport *t = seat->peer->t->rec;
	uint8_t bytes[3];

	rtp_add(w, m->ext.mid, m->mid, strnlen(m->mid, SESSION_MID_MAX));
	if (head->flags & RING_HAS_LEVEL) {
		bytes[0] = (uint8_t)(((head->flags & RING_VOICE) ? 0x80 : 0) | head->level);
		rtp_add(w, m->ext.audio_level, bytes, 1);
	}
	if (head->flags & RING_HAS_ROTATION)
		rtp_add(w, m->ext.orientation, &head->rotation, 1);
	if (m->ext.twcc) {
		rtp_put16(bytes, t->twcc_tx_seq++);
		rtp_add(w, m->ext.twcc, bytes, 2);
	} else if (m->ext.abs_send_time) {
		rtp_put24(bytes, (uint32_t)(((uint64_t)now_us << 18) / (uint64_t)USEC_PER_SEC) & 0xffffff);
		rtp_add(w, m->ext.abs_send_time, bytes, 3);
	}
}

static bool needs_two_bytes(const struct session_extensions *ext)
{
	return ext->mid > RTP_ONE_BYTE_MAX || ext->audio_level > RTP_ONE_BYTE_MAX ||
	       ext->orientation > RTP_ONE_BYTE_MAX || ext->twcc > RTP_ONE_BYTE_MAX ||
	       ext->abs_send_time > RTP_ONE_BYTE_MAX;
}

/* The source's payload as this receiver takes it: RED without its wrapping where only Opus was negotiated. */
static size_t write_payload(const struct seat *seat, uint8_t *p, size_t room, const struct seat_write *write)
{
	const struct ring_head *head = write->head;
	const struct session_mline *m = seat_mline(seat);
	const uint8_t *data = write->data + head->payload_offset;
	size_t len = head->payload_len;
	uint8_t pt;
	bool is_rtx;

	if (head->codec == CODEC_RED) {
		const struct session_codec *as = codec_find(m, write->pt, &is_rtx);
		size_t skip = as && as->codec == CODEC_OPUS ? codec_red_primary(data, len, &pt) : 0;
		data += skip;
		len -= skip;
	}
	if (len > room)
		return 0;
	memcpy(p, data, len);
	if (head->picture_id_bits || head->has_tl0picidx)
		codec_rewrite(head->codec, p, len, write->picture_id, write->tl0picidx);
	if (head->codec == CODEC_RED && len == head->payload_len) {
		const struct session_codec opus = { .codec = CODEC_OPUS, .clock_rate = seat->codec->clock_rate };
		const struct session_codec *inner = codec_match(m, &opus);
		if (inner)
			codec_red_rewrite(p, len, inner->pt);
	}
	return len;
}

/* ---- sound that goes out again with the next packet (red.h) ---- */

/* What goes along with a packet, oldest first. */
struct older {
	struct red_block block[RED_DEPTH_MAX];
	unsigned n;
	uint8_t red_pt, opus_pt;
	uint8_t packet[RED_DEPTH_MAX][RING_PACKET_MAX];
};

static bool history_read(struct seat *seat, const struct session_history *h, struct ring_head *ret_head, uint8_t *buf);

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
	    !history_read(seat, h, &head, buf) || head.codec != CODEC_OPUS ||
	    head.payload_offset + head.payload_len > RING_PACKET_MAX)
		return false;
	*ret_block = (struct red_block){
		.data = buf + head.payload_offset,
		.len = head.payload_len,
		.age = timestamp - h->timestamp,
	};
	return red_takes(ret_block);
}

/* What is to go along with a packet; n = 0: it goes as it is. */
static void older_collect(struct seat *seat, const struct seat_write *write, struct older *older, int64_t now_us)
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

static size_t write_older(struct seat *seat, uint8_t *p, size_t room, const struct seat_write *write,
			  const struct older *older)
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

/* Length, or 0 when it is too long for a packet. */
static size_t write_packet(struct seat *seat, uint8_t *p, const struct seat_write *write, int64_t now_us)
{
	size_t prefix = write->is_rtx ? RTX_OSN_LEN : 0;
	struct rtp_writer w;
	struct older older;

	older_collect(seat, write, &older, now_us);
	rtp_begin(&w, p, EGRESS_PACKET_MAX, needs_two_bytes(&seat_mline(seat)->ext));
	write_extensions(seat, &w, write, now_us);
	if (rtp_end(&w, older.n ? older.red_pt : write->pt, write->marker, (uint16_t)write->index, write->timestamp,
		    write->ssrc) < 0 ||
	    w.len + MAX(prefix, write->padding) > EGRESS_PACKET_MAX)
		return 0;
	if (write->padding) {
		memset(p + w.len, 0, write->padding);
		p[w.len + write->padding - 1] = write->padding;
		p[0] |= RTP_PADDING;
		return w.len + write->padding;
	}
	if (write->is_rtx)
		rtp_put16(p + w.len, write->osn);
	size_t room = EGRESS_PACKET_MAX - w.len - prefix;
	size_t payload_len = older.n ? write_older(seat, p + w.len, room, write, &older)
				     : write_payload(seat, p + w.len + prefix, room, write);
	return payload_len ? w.len + prefix + payload_len : 0;
}

/* As it leaves: the transport-wide number and the time of sending are of now. */
static int send_now(struct seat *seat, const struct seat_write *write, int64_t now_us)
{
	struct mediad *md = seat->peer->media->md;
	uint8_t *p = egress_reserve(md->egress);
	uint16_t number = seat->peer->t->rec->twcc_tx_seq;
	size_t len = write_packet(seat, p, write, now_us);

	if (len == 0) {
		egress_abandon(md->egress, p);
		return -EMSGSIZE;
	}
	int err = egress_rtp(md->egress, seat->peer->t, p, len, write->index);
	if (err < 0)
		return err;
	rate_on_sent(seat, write->is_rtx, seat->peer->t->rec->twcc_tx_seq != number, number, (unsigned)len + SRTP_TAG,
		     now_us);
	if (!write->is_rtx && !write->waited)
		rate_meter(&seat->meter, (unsigned)len + SRTP_TAG);
	if (UNLIKELY(seat->peer->pacing))
		pacing_on_sent(seat->peer, (unsigned)len + SRTP_TAG + BWE_OVERHEAD, now_us);
	stat_add(&md->counters->packets_forwarded, 1);
	stat_add(&md->counters->bytes_forwarded, len);
	seat->peer->quality.bytes_in += len;
	return 0;
}

/* Of a peer with a pacer: does a packet of the seat's history wait? Sound never does. */
static bool seat_holds(struct seat *seat, enum pacer_class class, const struct session_history *h, uint64_t index,
		       unsigned payload_len, bool marker, int64_t now_us)
{
	struct pacer_packet packet = {
		.seat = seat,
		.index = index,
		.what = *h,
		.bytes = (uint16_t)(payload_len + SEAT_HEADERS + SRTP_TAG + BWE_OVERHEAD),
		.class = class,
		.marker = marker,
	};

	return seat->rec->media == MEDIA_VIDEO && pacing_holds(seat->peer, &packet, now_us);
}

/* Not inline: the way of all others stays short. What is empty is not in the history; it keeps its place in the order.
 */
__attribute__((noinline)) static bool seat_waits(struct seat *seat, const struct seat_write *write, int64_t now_us)
{
	const struct session_history empty = {
		.seq = (uint16_t)write->index,
		.timestamp = write->timestamp,
		.pt = write->pt,
	};
	const struct session_history *h = &seat->rec->history[write->index % SESSION_HISTORY];
	unsigned payload_len = write->padding ? write->padding : write->head->payload_len;

	if (!seat_holds(seat, PACER_PICTURE, write->padding ? &empty : h, write->index, payload_len, write->marker,
			now_us))
		return false;
	rate_meter(&seat->meter, payload_len + SEAT_HEADERS + SRTP_TAG);
	return true;
}

/* The stored packet that went out as h says, from whichever ring; false: overwritten meanwhile. */
static bool history_read(struct seat *seat, const struct session_history *h, struct ring_head *ret_head, uint8_t *buf)
{
	struct mediad *md = seat->peer->media->md;

	if (h->mediad != md->index)
		return h->mediad < md->mediads &&
		       ring_read(&md->reader[h->mediad], h->slot, h->generation, ret_head, buf) == 0;
	const struct ring_slot *slot = ring_own(&md->ring, h->slot, h->generation);
	if (!slot)
		return false;
	memcpy(ret_head, &slot->head, sizeof(*ret_head));
	memcpy(buf, slot->packet, MIN(slot->head.len, RING_PACKET_MAX));
	return true;
}

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
	struct ring_head head;
	uint8_t buf[RING_PACKET_MAX];

	if (index < seat->rec->out_base || h->generation == 0 || h->seq != (uint16_t)index ||
	    now->timestamp - h->timestamp > RED_AGE_MAX || !history_read(seat, h, &head, buf))
		return;
	const struct seat_write late = {
		.head = &head,
		.data = buf,
		.index = index,
		.ssrc = now->ssrc,
		.timestamp = h->timestamp,
		.pt = h->pt,
		.marker = head.flags & RING_MARKER,
	};
	(void)send_now(seat, &late, now_us);
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

int seat_send(struct seat *seat, const struct seat_write *write, int64_t now_us)
{
	if (seat->rec->media == MEDIA_AUDIO) {
		bool leaves = seat->late.waits ? late_ends(seat, write, now_us) : !late_begins(seat, write, now_us);
		if (UNLIKELY(!leaves))
			return 0;
	} else if (UNLIKELY(seat->peer->pacing) && seat_waits(seat, write, now_us)) {
		return 0;
	}
	return send_now(seat, write, now_us);
}

/* By RTX, as h says that it went out before. */
static bool seat_resend(struct seat *seat, const struct session_history *h, int64_t now_us)
{
	struct session_seat *rec = seat->rec;
	struct ring_head head;
	uint8_t buf[RING_PACKET_MAX];
	bool is_rtx;
	const struct session_codec *codec = codec_find(seat_mline(seat), h->pt, &is_rtx);

	if (!codec || !codec->rtx_pt || !history_read(seat, h, &head, buf))
		return false;
	struct seat_write write = {
		.head = &head,
		.data = buf,
		.index = atomic_load_explicit(&rec->rtx_next, memory_order_relaxed),
		.ssrc = rec->rtx_ssrc,
		.timestamp = h->timestamp,
		.picture_id = h->picture_id,
		.tl0picidx = h->tl0picidx,
		.pt = codec->rtx_pt,
		.marker = head.flags & RING_MARKER,
		.is_rtx = true,
		.osn = h->seq,
	};
	atomic_store_explicit(&rec->rtx_next, write.index + 1, memory_order_release);
	return send_now(seat, &write, now_us) == 0;
}

/* The receiver misses it: sent again, now or when there is room. */
static bool seat_repeat(struct seat *seat, const struct session_history *h, int64_t now_us)
{
	bool is_rtx;
	const struct session_codec *codec = codec_find(seat_mline(seat), h->pt, &is_rtx);

	if (UNLIKELY(seat->peer->pacing) && codec && codec->rtx_pt &&
	    seat_holds(seat, PACER_AGAIN, h, 0, RTX_BYTES, false, now_us))
		return true;
	return seat_resend(seat, h, now_us);
}

bool seat_send_waiting(struct seat *seat, const struct pacer_packet *packet, int64_t now_us)
{
	const struct session_history *h = &packet->what;
	struct ring_head head;
	uint8_t buf[RING_PACKET_MAX];

	if (packet->class == PACER_AGAIN)
		return seat_resend(seat, h, now_us);
	if (h->generation == 0)
		memset(&head, 0, sizeof(head)); /* an empty one */
	else if (!history_read(seat, h, &head, buf))
		return false;
	struct seat_write write = {
		.head = &head,
		.data = buf,
		.index = packet->index,
		.ssrc = seat->rec->ssrc,
		.timestamp = h->timestamp,
		.picture_id = h->picture_id,
		.tl0picidx = h->tl0picidx,
		.pt = h->pt,
		.marker = packet->marker,
		.waited = true,
		.padding = h->generation == 0,
	};
	return send_now(seat, &write, now_us) == 0;
}

bool seat_pad_again(struct seat *seat, int64_t now_us)
{
	uint64_t next = atomic_load_explicit(&seat->rec->next, memory_order_relaxed);

	if (seat->rec->media != MEDIA_VIDEO || seat->rec->packets == 0 || !peer_can_send(seat->peer))
		return false;
	for (unsigned tries = 0; tries < 2; tries++) {
		uint64_t index = next - 1 - seat->padded++ % SEAT_PAD_RECENT;
		size_t i = index % SESSION_HISTORY;
		const struct session_history *h = &seat->rec->history[i];
		if (h->generation && h->seq == (uint16_t)index && seat_resend(seat, h, now_us)) {
			seat->resent_ms[i] = (uint32_t)(now_us / USEC_PER_MSEC) | 1;
			return true;
		}
		seat->padded = 0; /* overwritten meanwhile: from the newest again */
	}
	return false;
}

bool seat_pad_empty(struct seat *seat, unsigned bytes, int64_t now_us)
{
	static const struct ring_head nothing;
	struct session_seat *rec = seat->rec;

	if (rec->media != MEDIA_VIDEO || rec->packets == 0 || rec->rtx_pt == 0 || !peer_can_send(seat->peer))
		return false;
	struct seat_write write = {
		.head = &nothing,
		.index = atomic_load_explicit(&rec->rtx_next, memory_order_relaxed),
		.ssrc = rec->rtx_ssrc,
		.timestamp = rec->timestamp_last,
		.pt = rec->rtx_pt,
		.is_rtx = true,
		.padding = (uint8_t)MAX(1, MIN(bytes, UINT8_MAX)),
	};
	atomic_store_explicit(&rec->rtx_next, write.index + 1, memory_order_release);
	return send_now(seat, &write, now_us) == 0;
}

void seat_resend_again(struct seat *seat, uint16_t seq, int64_t now_us)
{
	const struct session_history *h = &seat->rec->history[seq % SESSION_HISTORY];

	if (h->generation == 0 || h->seq != seq || !peer_can_send(seat->peer) || seat->limit == 0 ||
	    seat->resend_budget == 0 || pacing_has(seat, seq) || !seat_repeat(seat, h, now_us))
		return;
	seat->resend_budget--;
	stat_add(&seat->peer->media->md->counters->rtx_sent, 1);
}

/* Of a layer or source before the present one, which began with a key frame. */
static bool nack_is_stale(const struct seat *seat, uint16_t seq)
{
	return seat->rec->media == MEDIA_VIDEO && (int16_t)(uint16_t)(seq - (uint16_t)seat->rec->out_base) < 0;
}

void seat_on_nack(struct seat *seat, uint16_t seq, int64_t now_us)
{
	struct stats_mediad *counters = seat->peer->media->md->counters;
	size_t i = seq % SESSION_HISTORY;
	const struct session_history *h = &seat->rec->history[i];
	/* Who asks again after a round trip is a little early or late. */
	int64_t pause = MIN(MAX(seat->peer->rtt_us * 3 / 4, SEAT_RESEND_MIN), SEAT_RESEND_MAX);
	uint32_t now_ms = (uint32_t)(now_us / USEC_PER_MSEC) | 1;

	stat_add(&counters->nacks_received, 1);
	if (h->generation == 0 || h->seq != seq || !peer_can_send(seat->peer) || seat->limit == 0) {
		stat_add(&counters->rtx_missing, 1);
		return;
	}
	if (UNLIKELY(pacing_has(seat, seq)))
		return; /* it has not left yet */
	/* Asked again within a round trip: the answer to the first is still under way. */
	if (seat->resent_ms[i] && (now_ms - seat->resent_ms[i]) * USEC_PER_MSEC < pause)
		return;
	if (!rate_may_resend(seat->peer, RTX_BYTES, nack_is_stale(seat, seq), now_us)) {
		stat_add(&counters->rtx_missing, 1);
		return;
	}
	seat->resent_ms[i] = now_ms;
	if (seat->resend_budget > 0 && seat_repeat(seat, h, now_us)) {
		seat->resend_budget--;
		stat_add(&counters->rtx_sent, 1);
		rate_on_resent(seat, seq, now_us);
	} else {
		stat_add(&counters->rtx_missing, 1);
	}
}
