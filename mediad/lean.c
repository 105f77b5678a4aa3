#include "mediad/lean.h"

#include "lib/err.h"

#include <limits.h>

#define RAISE 1.5
#define LEAST ((double)LEAN_PACKED_BPS / RAISE) /* one step up from there is felt */

static void down(struct lean *lean, double bps, int64_t now_us)
{
	if (lean->hold_us == 0)
		lean->hold_us = LEAN_HOLD_US;
	else if (lean->raised_us && now_us - lean->raised_us < LEAN_TRIAL_US)
		lean->hold_us = MIN(2 * lean->hold_us, LEAN_HOLD_MAX_US);
	lean->budget = MAX(lean->budget > 0 ? MIN(lean->budget, bps) : bps, LEAST);
	lean->raised_us = 0;
}

static void up(struct lean *lean, double bps, double all, int64_t now_us)
{
	int64_t since_us = now_us - MAX(lean->met_us, lean->raised_us);

	if (now_us - lean->met_us >= LEAN_CALM_US && bps >= lean->budget * LEAN_PROVEN) {
		lean->budget = bps;
	} else if (since_us >= lean->hold_us) {
		lean->budget *= RAISE;
	} else {
		return;
	}
	lean->raised_us = now_us;
	if (lean->budget >= all)
		lean->budget = 0;
}

void lean_look(struct lean *lean, const struct lean_path *path, int64_t now_us)
{
	double all = (double)LEAN_FULL_BPS * MAX(path->voices, 1);
	double needed = lean->budget > 0 ? all : MIN(all, (double)path->taken);

	if (!path->congested)
		lean->since_us = 0;
	else if (lean->since_us == 0)
		lean->since_us = now_us;
	if (path->congested) {
		lean->met_us = now_us;
		if (path->bps < needed && (lean->budget > 0 || now_us - lean->since_us >= LEAN_SURE_US))
			down(lean, path->bps, now_us);
	} else if (lean->budget > 0) {
		up(lean, path->bps, all, now_us);
	} else if (lean->raised_us && now_us - lean->raised_us >= LEAN_TRIAL_US) {
		lean->hold_us = lean->raised_us = 0; /* it is over */
	}
	bool limited = lean->budget > 0;
	lean->packs = limited && lean->budget < all;
	lean->lower = limited && lean->budget < LEAN_PACKED_BPS;
	lean->heard = lean->packs ? (unsigned)MAX(lean->budget / LEAN_PACKED_BPS, 1) : UINT_MAX;
}
