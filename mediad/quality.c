#include "mediad/quality.h"

#define SHARE 65536

void quality_on_block(struct media_peer *peer, uint8_t fraction_lost, uint32_t n)
{
	peer->quality.in += n;
	peer->quality.in_lost_256 += (uint64_t)fraction_lost * n;
}

void quality_on_received(struct media_peer *peer, uint32_t n, uint32_t lost)
{
	peer->quality.out += n;
	peer->quality.out_lost += MIN(lost, n);
}

static uint64_t bits_per_second(uint64_t bytes, int64_t us)
{
	return bytes * 8 * (uint64_t)USEC_PER_SEC / (uint64_t)us;
}

static uint32_t share(uint64_t part, uint64_t whole)
{
	return whole ? (uint32_t)(part * SHARE / whole) : 0;
}

void quality_run(struct media_peer *peer, int64_t now_us)
{
	struct peer_quality *q = &peer->quality;
	int64_t passed_us = now_us - q->since_us;

	if (q->since_us && passed_us < QUALITY_INTERVAL_US)
		return;
	if (q->since_us) {
		struct msg_quality msg = {
			.transport = peer->t->handle,
			.call = peer->call->id,
			.member = peer->member->id,
			.loss_in = share(q->in_lost_256, q->in * 256),
			.loss_out = share(q->out_lost, q->out),
			.rtt_us = peer->rtt_known ? (uint32_t)peer->rtt_us : 0,
			.bps_in = bits_per_second(q->bytes_in, passed_us),
			.bps_out = bits_per_second(q->bytes_out, passed_us),
			.bps_room = peer->bwe && bwe_arriving(peer->bwe) ? bwe_rate(peer->bwe, now_us) : 0,
		};
		/* With no worker to take it: the next one tells. */
		(void)mediad_event(peer->media->md, peer->t->rec->worker, MSG_QUALITY, &msg, sizeof(msg));
	}
	*q = (struct peer_quality){ .since_us = now_us };
}
