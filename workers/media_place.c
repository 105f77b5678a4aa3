#include "workers/media_place.h"

#include "lib/log.h"
#include "workers/worker.h"

#define LOAD_STEP_PERMILLE 100

static const struct stats_mediad *counters(const struct worker *w, unsigned k)
{
	return &w->stats.shm->mediad[k];
}

static bool is_ready(const struct worker *w, unsigned k)
{
	return stat_get(&counters(w, k)->process.state) == PROCESS_READY;
}

static bool any_ready(const struct worker *w)
{
	for (unsigned k = 0; k < w->mediads; k++) {
		if (is_ready(w, k))
			return true;
	}
	return false;
}

static bool is_full(const struct worker *w, unsigned k)
{
	return stat_get(&counters(w, k)->transports) >= w->conf.media.max_transports;
}

/* What one that is not ready says is its predecessor's. */
static bool is_over_budget(const struct worker *w, unsigned k)
{
	return is_ready(w, k) && stat_get(&counters(w, k)->over_budget) != 0;
}

static bool is_less_loaded(const struct worker *w, unsigned a, unsigned b)
{
	uint64_t load_a = stat_get(&counters(w, a)->load_permille) / LOAD_STEP_PERMILLE;
	uint64_t load_b = stat_get(&counters(w, b)->load_permille) / LOAD_STEP_PERMILLE;

	if (load_a != load_b)
		return load_a < load_b;
	return stat_get(&counters(w, a)->transports) < stat_get(&counters(w, b)->transports);
}

/* The best one, or w->mediads. *ret_over: budgets alone stood in the way of one at least. */
static unsigned find(const struct worker *w, uint64_t home, bool any_budget, bool *ret_over)
{
	/* With none ready (all just restarted) the home is asked all the same: it will read its ring. */
	bool ready_only = any_ready(w);
	unsigned best = w->mediads;

	*ret_over = false;
	for (unsigned i = 0; i < w->mediads; i++) {
		unsigned k = (unsigned)((home + i) % w->mediads);
		if ((ready_only && !is_ready(w, k)) || is_full(w, k))
			continue;
		if (!any_budget && is_over_budget(w, k)) {
			*ret_over = true;
			continue;
		}
		if (best == w->mediads || is_less_loaded(w, k, best))
			best = k;
		if (i == 0)
			break;
	}
	return best;
}

static void refused(const struct worker *w, bool *refusing)
{
	stat_add(&w->counters->media_refused, 1);
	if (!*refusing)
		log_warn("media_place: mediads=%u all over their budget (media.budget_percent) or full; new "
			 "participants are "
			 "refused with 503 at_capacity until one has room",
			 w->mediads);
	*refusing = true;
}

int media_place(const struct worker *w, const struct id *call, unsigned position, bool comes_back, unsigned *ret_mediad)
{
	static bool refusing;
	bool spread = w->conf.media.placement == CONF_PLACEMENT_SPREAD;
	uint64_t home = hash_bytes(call->b, sizeof(call->b)) % w->mediads + (spread ? position : 0);
	bool over;
	unsigned best = find(w, home, false, &over);

	if (best < w->mediads && refusing) {
		log_info("media_place: mediad=%u has room again; new participants are taken", best);
		refusing = false;
	}
	if (best == w->mediads && over && comes_back)
		best = find(w, home, true, &over);
	else if (best == w->mediads && over)
		refused(w, &refusing);
	if (best == w->mediads)
		return over ? -EDQUOT : -ENOSPC;
	*ret_mediad = best;
	return 0;
}
