#include "mediad/rtp_clock.h"

#include "lib/err.h"

#define CLOCK_SANE_US	 (5 * USEC_PER_SEC)
#define CLOCK_ANCHOR_MAX (1 << 30) /* the mapping is moved on before timestamps wrap */
#define CLOCK_SLOW	 64	   /* a report that came late moves the offset by this part of it */

void rtp_clock_report(struct rtp_clock *clock, struct rtp_clock_peer *peer, uint64_t ntp, uint32_t rtp, int64_t now_us)
{
	int64_t ntp_us =
		(int64_t)((ntp >> 32) * (uint64_t)USEC_PER_SEC + ((ntp & UINT32_MAX) * (uint64_t)USEC_PER_SEC >> 32));
	int64_t offset_us = now_us - ntp_us, late_us = offset_us - peer->offset_us;

	if (!peer->known || late_us < 0 || late_us > CLOCK_SANE_US)
		peer->offset_us = offset_us;
	else
		peer->offset_us += late_us / CLOCK_SLOW;
	peer->known = true;
	*clock = (struct rtp_clock){ .valid = true, .rtp = rtp, .us = ntp_us + peer->offset_us };
}

static int64_t guess(struct rtp_clock *clock, uint32_t timestamp, int64_t arrival_us)
{
	*clock = (struct rtp_clock){ .valid = true, .guessed = true, .rtp = timestamp, .us = arrival_us };
	return arrival_us;
}

int64_t rtp_clock_time_us(struct rtp_clock *clock, uint32_t rate, uint32_t timestamp, int64_t arrival_us)
{
	if (LIKELY(clock->valid)) {
		int32_t distance = (int32_t)(timestamp - clock->rtp);
		int64_t at_us = clock->us + distance * USEC_PER_SEC / (int64_t)rate;
		bool sane = at_us - arrival_us < CLOCK_SANE_US && arrival_us - at_us < CLOCK_SANE_US;
		if (UNLIKELY(clock->guessed && at_us > arrival_us))
			return guess(clock, timestamp, arrival_us);
		if (LIKELY(sane && distance < CLOCK_ANCHOR_MAX))
			return at_us;
		if (sane) {
			clock->rtp = timestamp;
			clock->us = at_us;
			return at_us;
		}
	}
	return guess(clock, timestamp, arrival_us);
}

uint32_t rtp_clock_timestamp(const struct rtp_clock *clock, uint32_t rate, int64_t at_us)
{
	return clock->rtp + (uint32_t)((at_us - clock->us) * (int64_t)rate / USEC_PER_SEC);
}
