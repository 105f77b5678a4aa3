#include "mediad/pacing.h"

#include "lib/list.h"
#include "mediad/call.h"
#include "mediad/seat_out.h"

#include <stdlib.h>

void pacing_begin(struct media_peer *peer)
{
	if (peer->pacing)
		return;
	/* Not calloc: the packets are written before they are read, and most of them never are. */
	struct pacing *p = malloc(sizeof(*p));
	if (!p)
		return;
	pacer_init(&p->pacer, loop_now_us(peer->t->md->loop));
	p->bps = 0;
	p->bps_us = 0;
	p->next = NULL;
	p->link = NULL;
	peer->pacing = p;
}

/* ---- who waits ---- */

static void list(struct media_peer *peer, int64_t now_us)
{
	struct pacing *p = peer->pacing;
	struct media *media = peer->media;

	if (p->link)
		return;
	LIST_ADD(media->paced, peer, pacing->next, pacing->link);
	media_wake_at(media, now_us + 1); /* the next slot */
}

static void unlist(struct media_peer *peer)
{
	LIST_REMOVE(peer, pacing->next, pacing->link);
}

static uint64_t *waits_word(struct seat *seat, uint16_t seq)
{
	return &seat->waits[seq % SESSION_HISTORY / 64];
}

static uint64_t waits_bit(uint16_t seq)
{
	return UINT64_C(1) << seq % 64;
}

bool pacing_has(const struct seat *seat, uint16_t seq)
{
	return *waits_word((struct seat *)seat, seq) & waits_bit(seq);
}

/* ---- the rate ---- */

static double rate_of(struct media_peer *peer, int64_t now_us)
{
	const struct peer_rate *r = &peer->rate;

	if (!peer->bwe)
		return r->remb_us && now_us - r->remb_us < RATE_REMB_US ? PACING_FACTOR * (double)r->remb_bps : 0;
	if (r->probe.cluster)
		return r->probe.bps;
	double rate = bwe_rate(peer->bwe, now_us), capacity = bwe_capacity(peer->bwe);
	if (capacity <= 0)
		return PACING_FACTOR * rate;
	return bwe_queue_us(peer->bwe) >= BWE_QUEUE_US ? rate : MAX(rate, MIN(capacity, PACING_FACTOR * rate));
}

static double rate(struct media_peer *peer, int64_t now_us)
{
	struct pacing *p = peer->pacing;

	if (!p->bps_us || now_us - p->bps_us >= PACER_SLOT_US) {
		p->bps = rate_of(peer, now_us);
		p->bps_us = now_us;
	}
	return p->bps;
}

/* ---- coming and leaving ---- */

static void count_dropped(struct media_peer *peer)
{
	stat_add(&peer->media->md->counters->paced_dropped, 1);
}

static void leave(struct media_peer *peer, enum pacer_class class, int64_t now_us)
{
	struct stats_mediad *counters = peer->media->md->counters;
	struct pacer_packet packet = *pacer_oldest(&peer->pacing->pacer, class);
	uint64_t waited_us = (uint64_t)MAX(now_us - packet.since_us, 0);

	pacer_pop(&peer->pacing->pacer, class);
	if (packet.seat)
		*waits_word(packet.seat, packet.what.seq) &= ~waits_bit(packet.what.seq);
	if (!packet.seat || !peer_can_send(peer) || !seat_send_waiting(packet.seat, &packet, now_us)) {
		count_dropped(peer);
		return;
	}
	stat_add(&counters->paced_packets, 1);
	stat_add(&counters->paced_wait_us, waited_us);
	if (waited_us > stat_get(&counters->paced_longest_us))
		stat_set(&counters->paced_longest_us, waited_us);
}

/* Room for one more: the oldest leave before their time. One number of a seat waits once at most. */
static void make_room(struct media_peer *peer, const struct pacer_packet *packet, int64_t now_us)
{
	struct pacer *pacer = &peer->pacing->pacer;

	while (pacing_has(packet->seat, packet->what.seq) && pacer_waits(pacer) > 0)
		leave(peer, pacer_oldest(pacer, PACER_AGAIN) ? PACER_AGAIN : PACER_PICTURE, now_us);
	if (pacer_is_full(pacer, packet->class))
		leave(peer, packet->class, now_us);
}

bool pacing_holds(struct media_peer *peer, struct pacer_packet *packet, int64_t now_us)
{
	struct pacing *p = peer->pacing;

	if (pacer_passes(&p->pacer, packet->class, rate(peer, now_us), now_us))
		return false;
	make_room(peer, packet, now_us);
	packet->since_us = now_us;
	pacer_push(&p->pacer, packet);
	*waits_word(packet->seat, packet->what.seq) |= waits_bit(packet->what.seq);
	list(peer, now_us);
	return true;
}

void pacing_on_sent(struct media_peer *peer, unsigned bytes, int64_t now_us)
{
	pacer_on_sent(&peer->pacing->pacer, bytes, rate(peer, now_us), now_us);
}

bool pacing_waits(const struct media_peer *peer)
{
	return peer->pacing && pacer_waits(&peer->pacing->pacer) > 0;
}

bool pacing_stands(const struct media_peer *peer, int64_t now_us)
{
	return peer->pacing && pacer_wait_us(&peer->pacing->pacer, now_us) >= PACING_STANDS_US;
}

static void drop_all(struct media_peer *peer, int64_t now_us)
{
	struct pacer *pacer = &peer->pacing->pacer;

	for (unsigned c = 0; c < PACER_CLASSES; c++) {
		while (pacer_oldest(pacer, c))
			leave(peer, c, now_us);
	}
}

static void run(struct media_peer *peer, int64_t now_us)
{
	struct pacer *pacer = &peer->pacing->pacer;
	const struct pacer_packet *packet;
	double bps = rate(peer, now_us);

	if (!peer_can_send(peer)) {
		drop_all(peer, now_us);
		return;
	}
	for (unsigned n = 0, bytes = 0; n < PACING_RUN && bytes < PACING_RUN_BYTES; n++) {
		packet = pacer_next(pacer, bps, now_us);
		if (!packet)
			return;
		bytes += packet->bytes;
		leave(peer, packet->class, now_us);
	}
}

int64_t pacing_run(struct media *media, int64_t now_us)
{
	for (struct media_peer *peer = media->paced, *next; peer; peer = next) {
		next = peer->pacing->next;
		run(peer, now_us);
		if (pacer_waits(&peer->pacing->pacer) == 0)
			unlist(peer);
	}
	return media->paced ? now_us + 1 : MEDIA_NEVER_DUE; /* the next slot */
}

void pacing_rest(struct media_peer *peer)
{
	if (peer->pacing && !pacing_waits(peer))
		pacing_end(peer);
}

void pacing_forget(struct seat *seat)
{
	if (seat->peer->pacing)
		pacer_forget(&seat->peer->pacing->pacer, seat);
}

void pacing_end(struct media_peer *peer)
{
	if (!peer->pacing)
		return;
	unlist(peer);
	free(peer->pacing);
	peer->pacing = NULL;
}
