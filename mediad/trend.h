/* mediad/trend.h - does a queue build up on the path? The delay-gradient half of Google congestion control
 * (draft-ietf-rmcat-gcc-02 sections 5.1–5.5; Carlucci, De Cicco, Holmer, Mascolo: "Analysis and Design of the
 * Google Congestion Control for Web Real-time Communication", MMSys 2016), with the trend line instead of the
 * Kalman filter: the slope of the last TREND_WINDOW smoothed one-way delays against time.
 *
 * Packets sent within TREND_BURST_US of each other are one group; groups that arrive back to back after they
 * were held up (a radio link's bursts) are one too. A slope above the threshold for 10 ms and not falling is
 * over-use; the threshold follows the slope slowly, so that a flow beside a greedy one is not starved.
 *
 * Pure: times in, state out. Sending times are ours, arrival times the receiver's: only differences count. */
#ifndef PARLEY_MEDIAD_TREND_H
#define PARLEY_MEDIAD_TREND_H

#include "lib/clock.h"

#include <stdbool.h>

#define TREND_WINDOW   20
#define TREND_BURST_US (5 * USEC_PER_MSEC)

enum trend_state {
	TREND_NORMAL,
	TREND_OVERUSE,	/* a queue grows */
	TREND_UNDERUSE, /* a queue drains */
};

struct trend_group {
	bool used;
	int64_t first_sent_us, sent_us, first_arrived_us, arrived_us;
};

struct trend {
	struct trend_group now, before;
	struct {
		double at_ms, delay_ms;
	} point[TREND_WINDOW];
	unsigned points, groups; /* groups since the start, capped */
	double delay_ms, smoothed_ms, slope_before;
	double threshold, over_ms;
	unsigned over_count;
	int64_t origin_us, threshold_us;
	enum trend_state state;
};

void trend_init(struct trend *trend);
/* In order of sending. */
void trend_on_packet(struct trend *trend, int64_t sent_us, int64_t arrived_us);
enum trend_state trend_state(const struct trend *trend);

#endif
