#include "mediad/seat_out.h"

#include "mediad/call.h"
#include "mediad/egress.h"
#include "mediad/sound.h"

#include <string.h>

#define SEAT_RESEND_MIN	 (10 * USEC_PER_MSEC)
#define SEAT_RESEND_MAX	 (500 * USEC_PER_MSEC)
#define RTX_OSN_LEN	 2
#define RTX_BYTES	 1200 /* of a packet that is sent again, about */
#define RTP_PADDING	 0x20
#define SRTP_TAG	 16 /* bytes that encryption adds, about */
#define RTP_ONE_BYTE_MAX 14
#define SEAT_PAD_RECENT	 64 /* packets of the history that padding is taken from */
#define SEAT_HEADERS	 24 /* bytes of RTP header and extensions, about */

/* The head of a packet without a payload. */
static const struct ring_head nothing;

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

/* Length, or 0 when it is too long for a packet. */
static size_t write_packet(struct seat *seat, uint8_t *p, const struct seat_write *write, int64_t now_us)
{
	size_t prefix = write->is_rtx ? RTX_OSN_LEN : 0;
	struct rtp_writer w;
	struct sound_older older;

	sound_collect(seat, write, &older, now_us);
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
	size_t payload_len = older.n ? sound_write(seat, p + w.len, room, write, &older)
				     : write_payload(seat, p + w.len + prefix, room, write);
	return payload_len ? w.len + prefix + payload_len : 0;
}

int seat_send_now(struct seat *seat, const struct seat_write *write, int64_t now_us)
{
	struct mediad *md = seat->peer->media->md;
	uint8_t *p = egress_reserve(md->egress);
	uint16_t number = seat->peer->t->rec->twcc_tx_seq;
	size_t len = write_packet(seat, p, write, now_us);

	if (len == 0) {
		egress_abandon(md->egress, p);
		return -EMSGSIZE;
	}
	int err = egress_rtp(md->egress, seat->peer->t, p, len, write->index, seat->rec->media);
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

bool seat_history_read(struct seat *seat, const struct session_history *h, struct ring_head *ret_head, uint8_t *buf)
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

bool seat_again(struct seat *seat, const struct session_history *h, struct seat_again *ret_again)
{
	if (!seat_history_read(seat, h, &ret_again->head, ret_again->packet))
		return false;
	ret_again->write = (struct seat_write){
		.head = &ret_again->head,
		.data = ret_again->packet,
		.ssrc = seat->rec->ssrc,
		.timestamp = h->timestamp,
		.picture_id = h->picture_id,
		.tl0picidx = h->tl0picidx,
		.pt = h->pt,
		.marker = ret_again->head.flags & RING_MARKER,
	};
	return true;
}

int seat_send(struct seat *seat, const struct seat_write *write, int64_t now_us)
{
	if (seat->rec->media == MEDIA_AUDIO) {
		if (UNLIKELY(!sound_leaves(seat, write, now_us)))
			return 0;
	} else if (UNLIKELY(seat->peer->pacing) && seat_waits(seat, write, now_us)) {
		return 0;
	}
	return seat_send_now(seat, write, now_us);
}

/* By RTX, as h says that it went out before. */
static bool seat_resend(struct seat *seat, const struct session_history *h, int64_t now_us)
{
	struct session_seat *rec = seat->rec;
	struct seat_again again;
	bool is_rtx;
	const struct session_codec *codec = codec_find(seat_mline(seat), h->pt, &is_rtx);

	if (!codec || !codec->rtx_pt || !seat_again(seat, h, &again))
		return false;
	again.write.index = atomic_load_explicit(&rec->rtx_next, memory_order_relaxed);
	again.write.ssrc = rec->rtx_ssrc;
	again.write.pt = codec->rtx_pt;
	again.write.is_rtx = true;
	again.write.osn = h->seq;
	atomic_store_explicit(&rec->rtx_next, again.write.index + 1, memory_order_release);
	return seat_send_now(seat, &again.write, now_us) == 0;
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

/* An empty packet kept its place in the order and is in no ring. */
static bool send_empty(struct seat *seat, const struct pacer_packet *packet, int64_t now_us)
{
	const struct seat_write write = {
		.head = &nothing,
		.index = packet->index,
		.ssrc = seat->rec->ssrc,
		.timestamp = packet->what.timestamp,
		.pt = packet->what.pt,
		.marker = packet->marker,
		.waited = true,
		.padding = 1,
	};

	return seat_send_now(seat, &write, now_us) == 0;
}

bool seat_send_waiting(struct seat *seat, const struct pacer_packet *packet, int64_t now_us)
{
	struct seat_again again;

	if (packet->class == PACER_AGAIN)
		return seat_resend(seat, &packet->what, now_us);
	if (packet->what.generation == 0)
		return send_empty(seat, packet, now_us);
	if (!seat_again(seat, &packet->what, &again))
		return false;
	again.write.index = packet->index;
	again.write.marker = packet->marker;
	again.write.waited = true;
	return seat_send_now(seat, &again.write, now_us) == 0;
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
	return seat_send_now(seat, &write, now_us) == 0;
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
