/* mediad/budget.h - how much of its core a mediad uses, and whether it takes anybody new (media.budget_percent).
 *
 *      within ──── load ≥ budget ────▶ over            load: CPU time by time, smoothed over some seconds
 *        ▲                               │
 *        └── load < 9/10 of the budget ──┘             so that one who leaves does not let in one who is too many
 *
 * Pure: given CPU time and a clock, it says what changes. Who is there stays, whatever this says.
 * Budget 0: no limit. A budget that was lowered or raised counts from the next tick on. */
#ifndef PARLEY_MEDIAD_BUDGET_H
#define PARLEY_MEDIAD_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define BUDGET_SMOOTH_US (3 * 1000 * 1000)

struct budget {
	int64_t at_us; /* of the last tick; 0: none yet */
	uint64_t cpu_us;
	double load; /* 1: the whole core */
	bool over;
};

enum budget_news { BUDGET_AS_BEFORE, BUDGET_OVER, BUDGET_WITHIN };

/* cpu_us: all that this process has used so far. */
enum budget_news budget_tick(struct budget *budget, int64_t now_us, uint64_t cpu_us, unsigned percent);

#endif
