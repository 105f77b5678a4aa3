/* mediad/lean.h - what sound may take of a path that hardly takes it.
 *
 *   estimate, congestion ──▶ lean_look() ──▶ budget ──▶ packs: several frames in one packet, fewer headers
 *                                                   ├─▶ heard: so many voices, who speaks first
 *                                                   └─▶ lower: those who are heard are asked for fewer bits
 *
 * A voice as browsers send it, 32 kbit/s in 50 packets a second, takes LEAN_FULL_BPS on the wire, half of it headers.
 * Three frames in one packet take LEAN_PACKED_BPS, with fewer bits from its publisher LEAN_LOW_BPS. The order is that
 * of who pays: packing costs only this receiver something (40 ms), leaving out those who are silent hardly that, and
 * fewer bits are fewer for everybody who hears that voice; so they are asked for only when one voice alone does not
 * fit.
 *
 * Down:      to the estimate, when congestion is met and the estimate is less than the voices need; at first only when
 * that lasts for LEAN_SURE_US: where only sound goes, one hiccup makes the estimate low. Up:        with an estimate
 * that shows more. But where only sound goes it cannot: nothing more was tried. So after hold_us without congestion
 * half as much again is tried; LEAN_HOLD_US at first, twice as long each time when that met congestion within
 * LEAN_TRIAL_US, LEAN_HOLD_MAX_US at most. No limit:  until congestion is first met, and again when all voices fit as
 * they are.
 *
 * Pure. Bitrates are as on the wire, headers included. */
#ifndef PARLEY_MEDIAD_LEAN_H
#define PARLEY_MEDIAD_LEAN_H

#include "lib/clock.h"

#include <stdbool.h>
#include <stdint.h>

#define LEAN_FULL_BPS	 62000
#define LEAN_PACKED_BPS	 46000
#define LEAN_LOW_BPS	 30000
#define LEAN_VOICE_BPS	 16000 /* what who is asked for fewer bits is asked for, without headers */
#define LEAN_SURE_US	 (1500 * USEC_PER_MSEC)
#define LEAN_CALM_US	 (3 * USEC_PER_SEC)
#define LEAN_HOLD_US	 (10 * USEC_PER_SEC)
#define LEAN_HOLD_MAX_US (160 * USEC_PER_SEC)
#define LEAN_TRIAL_US	 (6 * USEC_PER_SEC)
#define LEAN_PROVEN	 1.2

/* Of one participant's path. All 0: nothing is limited. */
struct lean {
	double budget;	   /* bit/s; 0 = no limit */
	int64_t since_us;  /* since when congestion goes on; 0 = it does not */
	int64_t met_us;	   /* when it was last met */
	int64_t raised_us; /* when the budget was last raised; 0 = since then it was lowered */
	int64_t hold_us;
	/* What follows from it. */
	bool packs, lower;
	unsigned heard;
};

struct lean_path {
	uint32_t bps;	 /* what it takes */
	bool congested;	 /* that was met just now */
	unsigned voices; /* how many there are to hear, */
	uint32_t taken;	 /* and what they take, bit/s; as long as nothing is limited that is what they need */
};

void lean_look(struct lean *lean, const struct lean_path *path, int64_t now_us);

#endif
