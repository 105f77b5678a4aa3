#include "mediad/pack.h"

#include "mediad/call.h"
#include "mediad/red.h"
#include "mediad/seat_out.h"

#include <string.h>

/* The first n that wait, as far as they are in the ring still; false: none is. */
static bool join(struct seat *seat, unsigned waiting, struct ring_head *ret_head, uint8_t *ret_data)
{
	const struct pack *pack = &seat->pack;
	struct opus_part part[PACK_FRAMES];
	uint8_t buf[PACK_FRAMES][RING_PACKET_MAX];
	unsigned n = 0;

	/* What comes behind a hole would be played too early. */
	for (; n < waiting; n++) {
		struct ring_head head;
		if (!seat_history_read(seat, &pack->part[n], &head, buf[n]) || head.payload_len == 0 ||
		    head.payload_offset + head.payload_len > RING_PACKET_MAX)
			break;
		part[n] = (struct opus_part){ .data = buf[n] + head.payload_offset, .len = head.payload_len };
		if (n == 0)
			memcpy(ret_head, &head, sizeof(*ret_head));
		ret_head->level = MIN(ret_head->level, head.level);
	}
	size_t len = opus_join(ret_data, RING_PACKET_MAX, part, n);
	if (len == 0)
		return false;
	ret_head->payload_offset = 0;
	ret_head->payload_len = (uint16_t)len;
	ret_head->flags = (uint16_t)((ret_head->flags & ~RING_MARKER) | (pack->marker ? RING_MARKER : 0));
	return true;
}

static void leave(struct seat *seat, int64_t now_us)
{
	struct pack *pack = &seat->pack;
	struct session_seat *rec = seat->rec;
	struct ring_head head;
	uint8_t data[RING_PACKET_MAX];
	uint32_t more = pack->length - pack->last_length;
	unsigned n = pack->n;

	pack->n = 0;
	/* What waited for another source, or before a pause, is over. */
	if (n == 0 || !seat->mapped || pack->maps != seat->maps || !seat->source || !peer_can_send(seat->peer) ||
	    !join(seat, n, &head, data))
		return;
	const struct track_packet packet = {
		.head = &head,
		.data = data,
		.track = seat->source,
		.mediad = seat->source->mediad,
		.time_us = pack->time_us,
		.now_us = now_us,
	};
	seat_send_as_next(seat, &packet);
	stat_add(&seat->peer->media->md->counters->packed_packets, 1);
	/* Where the next source's timestamps go on from. */
	rec->timestamp_last += more;
	rec->timestamp_last_us += (int64_t)more * USEC_PER_SEC / OPUS_CLOCK;
}

static bool fits(const struct pack *pack, const struct ring_head *head, const uint8_t *data, uint32_t length)
{
	return pack->n < PACK_FRAMES && opus_is_alike(&pack->toc, data) &&
	       head->timestamp == pack->timestamp + pack->length && pack->length + length <= PACK_LENGTH &&
	       pack->bytes + head->payload_len <= PACK_BYTES_MAX;
}

static void add(struct pack *pack, const struct track_packet *packet, const uint8_t *data, uint32_t length)
{
	const struct ring_head *head = packet->head;

	if (pack->n == 0) {
		pack->length = 0;
		pack->bytes = 0;
		pack->timestamp = head->timestamp;
		pack->toc = data[0];
		pack->since_us = packet->now_us;
		pack->time_us = packet->time_us;
		pack->marker = head->flags & RING_MARKER;
	}
	pack->part[pack->n++] = (struct session_history){
		.generation = packet->generation,
		.slot = packet->slot,
		.mediad = (uint16_t)packet->mediad,
	};
	pack->length += length;
	pack->last_length = length;
	pack->bytes += head->payload_len;
}

static void take(struct seat *seat, const struct track_packet *packet)
{
	struct pack *pack = &seat->pack;
	const struct ring_head *head = packet->head;
	const uint8_t *data = packet->data + head->payload_offset;
	bool sound = head->codec == CODEC_OPUS && head->payload_len > RED_SILENCE_MAX;
	uint32_t length = sound ? opus_single(data, head->payload_len) : 0;

	if (pack->n > 0 && (length == 0 || !fits(pack, head, data, length)))
		leave(seat, packet->now_us);
	if (length == 0) {
		seat_send_as_next(seat, packet);
		return;
	}
	add(pack, packet, data, length);
	if (pack->length >= PACK_LENGTH)
		leave(seat, packet->now_us);
}

bool pack_takes(struct seat *seat, const struct track_packet *packet)
{
	struct pack *pack = &seat->pack;

	if (!seat->peer->lean.packs || seat->rec->codec != CODEC_OPUS) {
		if (!pack->on)
			return false;
		leave(seat, packet->now_us);
		pack->on = false;
		seat_go_on_from(seat, packet);
		return false;
	}
	if (!pack->on || pack->maps != seat->maps) {
		*pack = (struct pack){ .on = true, .maps = seat->maps };
	} else if (packet->head->index <= pack->index) {
		return true;
	}
	pack->index = packet->head->index;
	take(seat, packet);
	return true;
}

void pack_run(struct seat *seat, int64_t now_us)
{
	if (seat->pack.n > 0 && now_us - seat->pack.since_us >= PACK_WAIT_US)
		leave(seat, now_us);
}
