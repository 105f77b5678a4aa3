/* workers/media_place.h - which mediad a new transport goes to.
 *
 * Every call has a home, from its id alone, so that all workers agree without talking. position is the member's
 * in the call (0: who started it, 1: the first one invited, …):
 *
 *   pack     the home while it has room
 *   spread   home + position: two members of a 1:1 call get two mediads, whichever workers handle them at
 *            whatever moment
 *
 * A mediad that is full, over its budget (media.budget_percent) or not there is replaced by the least loaded of the
 * others: by the CPU time that it measures itself, in steps of a tenth of a core, then by its transports (the load
 * follows a few seconds behind those who have just come).
 *
 * Who had media in the call already comes back whatever the budget says: nobody is cut because of it, also not by a
 * network that changed or a mediad that died. max_transports holds for all. */
#ifndef PARLEY_WORKERS_MEDIA_PLACE_H
#define PARLEY_WORKERS_MEDIA_PLACE_H

#include "lib/ids.h"

#include <stdbool.h>

struct worker;

/* comes_back: had media in this call. -ENOSPC when all are full; -EDQUOT when all that are not are over their budget
 * (counted, and logged once until somebody new finds room again). */
int media_place(const struct worker *worker, const struct id *call, unsigned position, bool comes_back,
		unsigned *ret_mediad);

#endif
