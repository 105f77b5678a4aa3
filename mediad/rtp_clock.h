/* mediad/rtp_clock.h - RTP timestamps of one stream against our clock.
 *
 * A publisher's sender reports map timestamps to its NTP clock; one offset maps that clock to ours, for all
 * its streams, so sound and picture that were sampled together have one time here. The offset is that of the
 * report that was under way for the shortest time; a slow drift is followed. Before the first report, the
 * packet that came soonest counts as sampled when it arrived: the first one may be late, sent again. A mapping that
 * strays from the arrivals by more than 5 s is not believed. Pure. */
#ifndef PARLEY_MEDIAD_RTP_CLOCK_H
#define PARLEY_MEDIAD_RTP_CLOCK_H

#include "lib/clock.h"

#include <stdbool.h>
#include <stdint.h>

/* Of a publisher: our time = NTP time + offset. */
struct rtp_clock_peer {
	bool known;
	int64_t offset_us;
};

/* Of a stream: our time us at RTP timestamp rtp. */
struct rtp_clock {
	bool valid;
	bool guessed; /* by arrivals, without a report */
	uint32_t rtp;
	int64_t us;
};

void rtp_clock_report(struct rtp_clock *clock, struct rtp_clock_peer *peer, uint64_t ntp, uint32_t rtp, int64_t now_us);
/* Our time of a timestamp whose packet arrived at arrival_us. */
int64_t rtp_clock_time_us(struct rtp_clock *clock, uint32_t rate, uint32_t timestamp, int64_t arrival_us);
/* The timestamp at a time of ours. */
uint32_t rtp_clock_timestamp(const struct rtp_clock *clock, uint32_t rate, int64_t at_us);

#endif
