/* tests/net/scenario.h - how a network changes over time, as data: tests/net/scenarios/NAME.txt.
 *
 *     # a comment
 *     title = 3 Mbit/s, 500 kbit/s for a while, and back
 *     length = 60
 *     # seconds  direction  what changes from then on; the rest stays as it is
 *     0   both   delay=20
 *     0   down   rate=3000 queue=300
 *     20  down   rate=500
 *     40  down   rate=3000
 *
 * down is towards the client. Settings, with their units and what they are without a line:
 *
 *     loss=0 %          lost at random          delay=0 ms       for every packet
 *     bursts=0 %        share of packets in     jitter=0 ms      standard deviation, normal, cut off at three
 *                       the bad state           order=keep       or free: jitter lets packets overtake
 *     burst_length=1    mean, packets           reorder=0 %      held back, so that others overtake
 *     burst_loss=100 %  lost in the bad state   reorder_by=20 ms so long
 *     rate=0 kbit/s     bottleneck; 0 = none    queue=0 ms       before the bottleneck, then drop-tail
 *     overhead=28       bytes a packet takes of the rate beyond its payload
 *
 * Times are for a run of `length` seconds; a run of another length is stretched (scenario_stretch).
 *
 * Callers:   any; no files, no clock. Errors: -EINVAL with "NAME:LINE: what is wrong". */
#ifndef PARLEY_TESTS_NET_SCENARIO_H
#define PARLEY_TESTS_NET_SCENARIO_H

#include "tests/net/wire.h"

#include <stddef.h>
#include <stdint.h>

#define SCENARIO_CHANGES_MAX 1024

enum scenario_direction { SCENARIO_UP = 1, SCENARIO_DOWN = 2, SCENARIO_BOTH = 3 };

struct scenario_change {
	int64_t at_us;
	double value;
	uint8_t directions, key;
};

struct scenario {
	char title[128];
	int64_t length_us;				     /* at least 1 s */
	struct scenario_change change[SCENARIO_CHANGES_MAX]; /* in order of time */
	size_t changes;
};

struct scenario_error {
	char text[256];
};

int scenario_parse(const char *name, const char *text, size_t len, struct scenario *ret,
		   struct scenario_error *ret_error);
/* All times by length_us / the scenario's own length. */
void scenario_stretch(struct scenario *sc, int64_t length_us);
/* What holds at that time after its beginning, in one direction. */
struct wire_settings scenario_at(const struct scenario *sc, enum scenario_direction one, int64_t t_us);
/* When something changes after t_us, or INT64_MAX. */
int64_t scenario_next_us(const struct scenario *sc, int64_t t_us);
/* "rate=500 queue=300" over what is there; -EINVAL. */
int scenario_settings(struct wire_settings *set, const char *text, struct scenario_error *ret_error);

#endif
