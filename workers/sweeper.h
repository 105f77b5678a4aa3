/* workers/sweeper.h - what happens by itself, done by any worker.
 *
 * Nobody's death may leave a call stuck: once a second calls whose deadline has passed (nobody answered, did not come
 * back) are moved on. Every 5 s sign-ins whose time is over are ended: their WebSockets close, their calls go on
 * without them. Every minute, and at the start, what is older than [retention] allows is deleted, in small steps. Rows
 * that another worker is busy with are skipped (FOR UPDATE SKIP LOCKED).
 *
 * After the database was away, lost connections get SWEEPER_PATIENCE_US more: the news that they came back
 * may not have been written down yet. */
#ifndef PARLEY_WORKERS_SWEEPER_H
#define PARLEY_WORKERS_SWEEPER_H

#include "lib/clock.h"
#include "lib/err.h"

struct sweeper;
struct worker;

#define SWEEPER_PATIENCE_US (15 * USEC_PER_SEC)

int sweeper_start(struct worker *worker, struct sweeper **ret_sweeper);
struct sweeper *sweeper_stop(struct sweeper *sweeper);

#endif
