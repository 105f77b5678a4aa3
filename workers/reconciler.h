/* workers/reconciler.h - holds the mediads' session tables against PostgreSQL.
 *
 * Once at a worker's start, then every RECONCILER_PERIOD_US on the ready worker with the lowest index, every
 * mediad lists its transports, and two statements compare them with the calls:
 *
 *   media_reconcile   names the transports whose call has ended, whose member has left, or who were replaced: they
 *                     are closed and counted (stats reconciled). Those younger than RECONCILER_AGE_US are not
 *                     judged, since their member's row may be on its way.
 *   media_present     marks members who are said to be connected and have no transport as reconnecting (the
 *                     reconnect grace decides then), and those whose news was lost as back. Only when
 *                     every mediad has answered.
 *
 * While the database is away nothing is freed. */
#ifndef PARLEY_WORKERS_RECONCILER_H
#define PARLEY_WORKERS_RECONCILER_H

#include "lib/clock.h"
#include "lib/err.h"

#define RECONCILER_PERIOD_US (10 * USEC_PER_SEC)
#define RECONCILER_AGE_US    (10 * USEC_PER_SEC)

struct media_link;
struct reconciler;
struct worker;

int reconciler_start(struct worker *worker, struct media_link *media, struct reconciler **ret_reconciler);
struct reconciler *reconciler_stop(struct reconciler *reconciler);

#endif
