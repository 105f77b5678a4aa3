/* workers/media_place.h - which mediad a new transport goes to.
 *
 * Every call has a home, from its id alone, so that all workers agree without talking. position is the member's
 * in the call (0: who started it, 1: the first one invited, …):
 *
 *   pack     the home while it has room
 *   spread   home + position: two members of a 1:1 call get two mediads, whichever workers handle them at
 *            whatever moment
 *
 * A mediad that is full or not there is replaced by the least loaded of the others (gauges in stats). */
#ifndef PARLEY_WORKERS_MEDIA_PLACE_H
#define PARLEY_WORKERS_MEDIA_PLACE_H

#include "lib/ids.h"

struct worker;

/* -ENOSPC when all are full. */
int media_place(const struct worker *worker, const struct id *call, unsigned position, unsigned *ret_mediad);

#endif
