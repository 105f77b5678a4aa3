#include "mediad/rate.h"

#include "lib/list.h"
#include "mediad/call.h"
#include "mediad/sound.h"

#include <string.h>

#define METER_US	    USEC_PER_SEC
#define METER_READY_US	    (500 * USEC_PER_MSEC)
#define SILENT_US	    (2 * USEC_PER_SEC)
#define LAYER_RATIO	    3	   /* a layer that was not measured costs that much more than the next lower … */
#define LOWEST_BPS	    150000 /* … and the lowest of all this */
#define SINGLE_BPS	    500000
#define HEADERS		    1.08 /* what layers are measured without */
#define LEAST_LOSS	    0.05
#define RESEND_CUT_US	    (3 * USEC_PER_SEC) /* congestion is over when it was not met for so long */
#define RESEND_SHARE	    0.25	       /* of the estimate, until then, … */
#define RESEND_SHARE_LEAST  0.05	       /* … or that, when more than the rest of it flows … */
#define RESEND_SHARE_CALM   0.5		       /* … and after it */
#define RESEND_SAVED_US	    (100 * USEC_PER_MSEC)
#define RESEND_LEAST	    3600 /* bytes that may be saved up at least */
#define AGAIN_LOSS	    0.03
#define PROBE_SMALL	    (UINT8_MAX + 60) /* bytes of the largest empty packet, about */
#define PROBE_LEAST_PACKETS 6

static bool has_path(const struct media_peer *peer)
{
	return peer_can_send(peer) && (peer->bwe || peer->rate.remb_us);
}

static void come_at(struct media *media, int64_t at_us)
{
	if (at_us >= media->rate_due_us)
		return;
	media->rate_due_us = at_us;
	media_wake_at(media, at_us);
}

static void tick_at(struct media *media, int64_t at_us)
{
	media->rate_tick_us = MIN(media->rate_tick_us, at_us);
	come_at(media, at_us);
}

void rate_changed(struct media_peer *peer)
{
	peer->rate.due = peer->media->rate_due = true;
}

/* ---- what seats cost ---- */

static void measure(struct seat *seat, int64_t passed_us, int64_t now_us)
{
	struct seat_meter *m = &seat->meter;
	double bps = m->bytes * 8e6 / (double)passed_us;

	m->bytes = 0;
	if (!seat->mapped || seat->source_ssrc != m->source_ssrc || seat->rec->layer != m->layer) {
		m->layer = seat->rec->layer;
		m->source_ssrc = seat->source_ssrc;
		m->since_us = seat->mapped ? now_us : 0;
		m->bps = 0;
		return;
	}
	/* The mean since it began at first, then of a second or so. */
	double window_us = (double)MIN(now_us - m->since_us, METER_US);
	m->bps += (bps - m->bps) * MIN(1, (double)passed_us / MAX(window_us, 1));
}

static bool meter_is_ready(const struct seat *seat, int64_t now_us)
{
	return seat->mapped && seat->meter.since_us && now_us - seat->meter.since_us >= METER_READY_US;
}

/* A camera that is off. What is not taken of another mediad's track is not known to be silent. */
static bool is_silent(const struct track *track, int64_t now_us)
{
	int64_t last_us = track_last_packet_us(track);

	return (track->rec || track->watched) && last_us && now_us - last_us > SILENT_US;
}

static double layer_cost(const struct layer_set *set, unsigned layer)
{
	double factor = 1;

	for (unsigned i = layer + 1; i-- > 0; factor *= LAYER_RATIO) {
		if (set->layer[i].bps)
			return set->layer[i].bps * factor * HEADERS;
	}
	factor = 1.0 / LAYER_RATIO;
	for (unsigned i = layer + 1; i < set->n; i++, factor /= LAYER_RATIO) {
		if (set->layer[i].bps)
			return set->layer[i].bps * factor * HEADERS;
	}
	if (set->n <= 1)
		return SINGLE_BPS;
	for (factor = 1; layer > 0; layer--)
		factor *= LAYER_RATIO;
	return LOWEST_BPS * factor;
}

static void fill_costs(const struct seat *seat, struct alloc_seat *ret_seat, int64_t now_us)
{
	const struct track *track = seat->source;
	const struct seat_meter *m = &seat->meter;

	if (seat->rec->media == MEDIA_AUDIO) {
		ret_seat->bps[0] = (uint32_t)m->bps;
		return;
	}
	if (is_silent(track, now_us))
		return;
	uint32_t layer[SESSION_LAYERS_MAX];
	struct layer_step step[LAYER_STEPS_MAX];
	for (unsigned i = 0; i < track->set.n; i++) {
		double bps = layer_cost(&track->set, i);
		if (meter_is_ready(seat, now_us) && m->layer == i && seat->left_out == 0)
			bps = m->bps;
		layer[i] = (uint32_t)MIN(bps, UINT32_MAX);
	}
	/* A lower layer that seems to cost more has just sent a key frame. */
	for (unsigned i = track->set.n - 1; i-- > 0;)
		layer[i] = MIN(layer[i], layer[i + 1]);
	/* What does not come is replaced by what does. */
	for (unsigned i = seat->choice.wanted; seat->choice.missing && i < track->set.n; i++)
		layer[i] = layer[seat->choice.target];
	for (unsigned i = 0, n = layer_steps(&track->set, step); i < n; i++)
		ret_seat->bps[i] = (uint32_t)((uint64_t)layer[step[i].layers - 1] * layer_share(&track->set, &step[i]) /
					      UINT8_MAX);
}

static bool takes_part(const struct seat *seat)
{
	return seat && seat->source && !seat->hidden && seat_state(seat) != SEAT_PAUSED;
}

static unsigned natural_layers(const struct seat *seat)
{
	return seat->source->set.n <= 1 ? 1 : seat->choice.covers + 1u;
}

/* How many steps lead up to that; one at least, where it may have anything. */
static unsigned steps_up_to(const struct seat *seat, unsigned layers, unsigned left_out)
{
	struct layer_step step[LAYER_STEPS_MAX];
	unsigned n = layer_steps(&seat->source->set, step);

	while (n > (layers > 0) &&
	       (step[n - 1].layers > layers || (step[n - 1].layers == layers && step[n - 1].left_out < left_out)))
		n--;
	return n;
}

static struct alloc_seat describe(const struct seat *seat, int64_t now_us)
{
	struct alloc_seat s = {
		.kind = seat->source->kind,
		.speaks = seat->peer->call->talk.speaker == seat->source->member,
		.height = seat->tile_height,
		.layers = (uint8_t)steps_up_to(seat, natural_layers(seat), 0),
		.given = (uint8_t)steps_up_to(seat, seat->limit, seat->left_out),
	};

	fill_costs(seat, &s, now_us);
	return s;
}

/* ---- the path ---- */

static double remb_loss(const struct media_peer *peer, int64_t now_us)
{
	uint8_t worst = 0;

	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		const struct seat *seat = peer->seat[i];
		if (seat && seat->loss_us && now_us - seat->loss_us < RATE_REMB_US)
			worst = MAX(worst, seat->fraction_lost);
	}
	return worst / 256.0;
}

static struct alloc_path path_by_remb(const struct media_peer *peer, int64_t now_us)
{
	double sending = peer->rate.rtx_bps;
	bool fresh = now_us - peer->rate.remb_us < RATE_REMB_US;

	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		if (takes_part(peer->seat[i]))
			sending += peer->seat[i]->meter.bps;
	}
	return (struct alloc_path){
		.bps = fresh ? (uint32_t)MIN(peer->rate.remb_bps, UINT32_MAX) : UINT32_MAX,
		.pressed = fresh && (double)peer->rate.remb_bps < sending,
		.least = remb_loss(peer, now_us) < LEAST_LOSS,
	};
}

static struct alloc_path path_by_bwe(struct media_peer *peer, int64_t now_us)
{
	const struct bwe *bwe = peer->bwe;
	/* Which may find that there is silence. */
	uint32_t rate = bwe_rate(peer->bwe, now_us);
	int64_t cut_us = bwe_cut_us(bwe);

	return (struct alloc_path){
		.bps = rate,
		.pressed = cut_us && now_us - cut_us < RATE_PRESSED_US,
		.least = bwe_loss(bwe) < LEAST_LOSS && !bwe_stands(bwe, now_us),
	};
}

/* Congestion was never met, and what is wanted is known to fit; or nobody tells what does. */
static bool is_open(const struct media_peer *peer, double wanted_bps, double bps, int64_t now_us)
{
	return !peer->rate.limited &&
	       (!peer->bwe || bwe_is_deaf(peer->bwe, now_us) || bps >= wanted_bps * ALLOC_HEADROOM);
}

static struct alloc_path path_of(struct media_peer *peer, uint32_t wanted_bps, int64_t now_us)
{
	struct peer_rate *r = &peer->rate;
	struct alloc_path path = peer->bwe ? path_by_bwe(peer, now_us) : path_by_remb(peer, now_us);

	/* At the start what waits in the pacer tells of the guess, not of the path. */
	path.pressed = path.pressed || ((!peer->bwe || !bwe_begins(peer->bwe)) && pacing_stands(peer, now_us));
	r->limited = r->limited || path.pressed;
	path.open = is_open(peer, wanted_bps, path.bps, now_us);
	r->paced = r->paced || (!path.open && !peer->pacing);
	if (!path.open)
		pacing_begin(peer);
	else if (r->paced)
		pacing_rest(peer);
	r->open = path.open;
	r->wanted_bps = wanted_bps;
	r->path_bps = path.open ? MAX(path.bps, (uint32_t)MIN(wanted_bps * ALLOC_HEADROOM, UINT32_MAX)) : path.bps;
	/* Room for what is sent twice. When congestion was just met it is much, and soon over. */
	if (!path.pressed)
		path.bps -= MIN(path.bps / 4, (uint32_t)r->rtx_bps);
	return path;
}

/* ---- probes ---- */

static void list(struct media_peer *peer)
{
	if (!peer->rate.probed_link)
		LIST_ADD(peer->media->probed, peer, rate.probed_next, rate.probed_link);
}

static void unlist(struct media_peer *peer)
{
	LIST_REMOVE(peer, rate.probed_next, rate.probed_link);
}

void rate_forget(struct media_peer *peer)
{
	unlist(peer);
}

/* A probe needs a stream that has begun. */
static bool can_pad(const struct media_peer *peer)
{
	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		const struct seat *seat = peer->seat[i];
		if (seat && seat->rec->media == MEDIA_VIDEO && seat->rec->packets && seat->rec->rtx_pt)
			return true;
	}
	return false;
}

static void probe_begin(struct media_peer *peer, uint32_t wanted_bps, int64_t now_us)
{
	struct peer_rate *r = &peer->rate;

	if (!peer->bwe)
		return;
	r->unpadded = !can_pad(peer);
	if (r->unpadded || !bwe_probe_due(peer->bwe, wanted_bps, now_us, &r->probe))
		return;
	r->probe_us = now_us;
	r->probe_sent = r->probe_packets = 0;
	list(peer);
	stat_add(&peer->media->md->counters->probes, 1);
	come_at(peer->media, now_us + RATE_STEP_US);
}

/* One packet more by RTX; false: nobody has an RTX stream. */
static bool pad(struct media_peer *peer, int64_t now_us)
{
	unsigned bytes = peer->rate.probe.bytes / PROBE_LEAST_PACKETS;

	for (unsigned i = 0; i < peer->t->rec->mlines_len && bytes > PROBE_SMALL; i++) {
		if (peer->seat[i] && seat_pad_again(peer->seat[i], now_us))
			return true;
	}
	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		if (peer->seat[i] && seat_pad_empty(peer->seat[i], bytes, now_us))
			return true;
	}
	return false;
}

static bool probe_is_over(const struct peer_rate *r)
{
	return r->probe_sent >= r->probe.bytes && r->probe_packets >= r->probe.packets;
}

/* What the probe's rate has room for since it began. */
static void probe_go_on(struct media_peer *peer, int64_t now_us)
{
	struct peer_rate *r = &peer->rate;
	double due = (double)r->probe.bps / 8e6 * (double)(now_us - r->probe_us);

	/* What waits leaves at the probe's rate and is better than padding. */
	while (r->probe.cluster && !probe_is_over(r) && r->probe_sent <= due && !pacing_waits(peer)) {
		uint32_t before = r->probe_sent;
		if (!pad(peer, now_us) || r->probe_sent == before)
			r->probe.cluster = 0;
	}
	if (probe_is_over(r))
		r->probe.cluster = 0;
}

static void send_again(struct media_peer *peer, int64_t now_us)
{
	struct peer_rate *r = &peer->rate;
	unsigned done = 0;

	for (; done < r->again_len && r->again[done].at_us <= now_us; done++) {
		struct seat *seat = peer->seat[r->again[done].mline];
		if (seat)
			seat_resend_again(seat, r->again[done].seq, now_us);
	}
	r->again_len -= done;
	memmove(r->again, r->again + done, r->again_len * sizeof(r->again[0]));
}

/* What comes in small steps. */
static void step(struct media_peer *peer, int64_t now_us)
{
	send_again(peer, now_us);
	if (peer->rate.probe.cluster)
		probe_go_on(peer, now_us);
	if (peer->rate.probe.cluster || peer->rate.again_len)
		come_at(peer->media, now_us + RATE_STEP_US);
	else
		unlist(peer);
}

/* ---- the start ---- */

/* How many layers of a track a seat may have before it is divided again. */
static unsigned begin(const struct media_peer *peer, const struct track *track)
{
	const struct peer_rate *r = &peer->rate;

	if (!peer->bwe)
		return r->limited ? 1 : ALLOC_ALL;
	double more = track ? layer_cost(&track->set, MAX(track->set.n, 1) - 1) : 0;
	return r->open && (r->wanted_bps + more) * ALLOC_HEADROOM <= r->path_bps ? ALLOC_ALL : 1;
}

unsigned rate_begin(struct seat *seat, const struct track *track)
{
	struct peer_rate *r = &seat->peer->rate;

	/* In the place of what it showed before. */
	r->wanted_bps -= MIN(seat->meter.wanted_bps, r->wanted_bps);
	seat->meter.wanted_bps = 0;
	unsigned limit = begin(seat->peer, track);
	if (track && seat->rec->media == MEDIA_VIDEO) {
		seat->meter.wanted_bps =
			(uint32_t)MIN(layer_cost(&track->set, MAX(track->set.n, 1) - 1), UINT32_MAX - r->wanted_bps);
		r->wanted_bps += seat->meter.wanted_bps;
	}
	return limit;
}

/* ---- the turn ---- */

static void apply(struct media_peer *peer, const struct alloc_path *path, const struct alloc_seat *seats,
		  int64_t now_us)
{
	unsigned n = 0;

	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		struct seat *seat = peer->seat[i];
		if (!seat)
			continue;
		if (!takes_part(seat)) {
			seat_set_limit(seat, begin(peer, seat->source), now_us);
			continue;
		}
		struct layer_step step[LAYER_STEPS_MAX] = { { 0 } };
		unsigned given = MIN(seats[n].given, layer_steps(&seat->source->set, step));
		seat_set_left_out(seat, path->open || given == 0 ? 0 : step[given - 1].left_out);
		seat_set_limit(seat, path->open ? ALLOC_ALL : given ? step[given - 1].layers : 0, now_us);
		n++;
	}
}

static void look(struct media_peer *peer, int64_t now_us)
{
	struct peer_rate *r = &peer->rate;
	int64_t passed_us = now_us - r->run_us;

	if (passed_us < RATE_TICK_US / 2)
		return;
	r->media_bps = 0;
	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		if (!peer->seat[i])
			continue;
		measure(peer->seat[i], passed_us, now_us);
		r->media_bps += peer->seat[i]->meter.bps;
	}
	r->rtx_bps += (r->rtx_bytes * 8e6 / (double)passed_us - r->rtx_bps) * MIN(1, (double)passed_us / METER_US);
	r->rtx_bytes = 0;
	r->run_us = now_us;
}

static void run(struct media_peer *peer, int64_t now_us)
{
	struct alloc_seat seats[SESSION_MLINES_MAX];
	unsigned n = 0;

	peer->rate.due = false;
	look(peer, now_us);
	sound_look(peer, now_us);
	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		struct seat *seat = peer->seat[i];
		if (seat)
			seat->meter.wanted_bps = 0;
		if (!takes_part(seat))
			continue;
		seat_look(seat, now_us);
		seats[n] = describe(seat, now_us);
		seat->meter.wanted_bps = alloc_wanted(&seats[n++], 1);
	}
	uint32_t wanted_bps = alloc_wanted(seats, n);
	struct alloc_path path = path_of(peer, wanted_bps, now_us);
	alloc_run(&peer->rate.alloc, &path, seats, n, now_us);
	apply(peer, &path, seats, now_us);
	if (peer->rate.probe.cluster == 0 && !path.pressed)
		probe_begin(peer, (uint32_t)MIN(wanted_bps * ALLOC_HEADROOM * 1.05, UINT32_MAX), now_us);
}

void rate_on_sent(struct seat *seat, bool is_rtx, bool numbered, uint16_t number, unsigned bytes, int64_t now_us)
{
	struct media_peer *peer = seat->peer;
	struct peer_rate *r = &peer->rate;

	if (is_rtx && r->probe.cluster == 0)
		r->rtx_bytes += bytes + BWE_OVERHEAD;
	if (!peer->bwe || !numbered)
		return;
	bwe_on_sent(peer->bwe, number, bytes, r->probe.cluster, now_us);
	r->probe_sent += r->probe.cluster ? bytes + BWE_OVERHEAD : 0;
	r->probe_packets++;
	if (UNLIKELY(r->unpadded) && seat->rec->media == MEDIA_VIDEO) {
		r->unpadded = false;
		rate_changed(peer); /* the first picture: a probe can begin */
	}
}

static bool is_calm(const struct media_peer *peer, int64_t now_us)
{
	int64_t cut_us = bwe_cut_us(peer->bwe);

	return bwe_queue_us(peer->bwe) < BWE_QUEUE_US && (!cut_us || now_us - cut_us >= RESEND_CUT_US);
}

bool rate_may_resend(struct media_peer *peer, unsigned bytes, bool stale, int64_t now_us)
{
	struct peer_rate *r = &peer->rate;

	if (!peer->bwe)
		return true;
	bool calm = is_calm(peer, now_us);
	double rate = bwe_rate(peer->bwe, now_us), left = rate - r->media_bps;
	double share = calm ? MAX(RESEND_SHARE_CALM * rate, left)
			    : MAX(MIN(RESEND_SHARE * rate, left), RESEND_SHARE_LEAST * rate);
	share /= 8e6; /* bytes a µs */
	r->rtx_credit += share * (double)(now_us - r->rtx_credit_us);
	r->rtx_credit = MIN(r->rtx_credit, MAX(share * RESEND_SAVED_US, RESEND_LEAST));
	r->rtx_credit_us = now_us;
	if (calm && !r->limited)
		return true;
	if ((stale && !calm) || r->rtx_credit < bytes)
		return false;
	r->rtx_credit -= bytes;
	return true;
}

void rate_on_resent(struct seat *seat, uint16_t seq, int64_t now_us)
{
	struct media_peer *peer = seat->peer;
	struct peer_rate *r = &peer->rate;

	if (!peer->bwe || bwe_lossy(peer->bwe) < AGAIN_LOSS || r->again_len == RATE_AGAIN_MAX || !is_calm(peer, now_us))
		return;
	r->again[r->again_len].at_us = now_us + RATE_AGAIN_US;
	r->again[r->again_len].seq = seq;
	r->again[r->again_len++].mline = seat->rec->mline;
	list(peer);
	come_at(peer->media, now_us + RATE_STEP_US);
}

void rate_on_feedback(struct media_peer *peer, const struct rtcp_packet *packet, int64_t now_us)
{
	bool probed = peer->bwe && bwe_probes(peer->bwe);

	if (!peer->bwe)
		return;
	if (bwe_on_feedback(peer->bwe, packet, now_us) < 0)
		stat_add(&peer->media->md->counters->rtcp_bad, 1);
	probed = probed && !bwe_probes(peer->bwe);
	if (bwe_cut_us(peer->bwe) == peer->rate.met_us && !probed)
		return;
	peer->rate.met_us = bwe_cut_us(peer->bwe);
	rate_changed(peer);
}

void rate_on_remb(struct media_peer *peer, uint64_t bps, int64_t now_us)
{
	if (peer->bwe)
		return;
	if (!peer->rate.remb_us)
		tick_at(peer->media, now_us + RATE_TICK_US);
	peer->rate.remb_bps = bps;
	peer->rate.remb_us = now_us;
}

void rate_flush(struct media *media, int64_t now_us)
{
	if (!media->rate_due)
		return;
	media->rate_due = false;
	for (uint32_t i = 0; i < media->peers_len; i++) {
		struct media_peer *peer = media->peer[i];
		if (!peer->rate.due)
			continue;
		peer->rate.due = false;
		if (!has_path(peer))
			continue;
		run(peer, now_us);
		tick_at(media, now_us + RATE_TICK_US);
	}
}

static void count(const struct media_peer *peer, uint64_t *ret_limited, uint64_t *ret_weak)
{
	for (unsigned i = 0; i < peer->t->rec->mlines_len; i++) {
		const struct seat *seat = peer->seat[i];
		if (!takes_part(seat))
			continue;
		*ret_weak += seat_state(seat) == SEAT_WEAK;
		*ret_limited += seat->limit < natural_layers(seat) || seat->left_out > 0;
	}
}

/* All peers; nothing more is due while nobody has a path. */
static void tick(struct media *media, int64_t now_us)
{
	uint64_t limited = 0, weak = 0;

	media->rate_tick_us = MEDIA_NEVER_DUE;
	for (uint32_t i = 0; i < media->peers_len; i++) {
		struct media_peer *peer = media->peer[i];
		if (!has_path(peer))
			continue;
		media->rate_tick_us = now_us + RATE_TICK_US;
		run(peer, now_us);
		count(peer, &limited, &weak);
	}
	stat_set(&media->md->counters->seats_limited, limited);
	stat_set(&media->md->counters->seats_weak, weak);
}

int64_t rate_run(struct media *media, int64_t now_us)
{
	if (media->rate_due_us > now_us)
		return media->rate_due_us;
	media->rate_due_us = MEDIA_NEVER_DUE;
	for (struct media_peer *peer = media->probed, *next; peer; peer = next) {
		next = peer->rate.probed_next;
		step(peer, now_us);
	}
	if (now_us >= media->rate_tick_us)
		tick(media, now_us);
	come_at(media, media->rate_tick_us);
	return media->rate_due_us;
}
