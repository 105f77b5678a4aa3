/* mediad/meter.h - what this core does with its time, told in the stats region (shm/stats.h).
 *
 * Runs at each heartbeat, never per packet: CPU time, work and sleep of the loop, cipher samples, the sockets' queues
 * and what found them full, and whether the budget allows anybody new (budget.h; the log says when that changes). The
 * budget is what the master has in the stats region at that moment (media.budget_percent). */
#ifndef PARLEY_MEDIAD_METER_H
#define PARLEY_MEDIAD_METER_H

#include "mediad/mediad.h"

/* The counters, the loop and the sockets are there. -ENOMEM. */
int meter_start(struct mediad *md, struct meter **ret_meter);
struct meter *meter_stop(struct meter *meter);
/* Each turn: so many packets of other mediads wait. */
void meter_on_turn(struct meter *meter, uint64_t ring_waiting);
/* Each heartbeat. */
void meter_run(struct meter *meter, int64_t now_us);

#endif
