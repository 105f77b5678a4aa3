#include "workers/media_place.h"

#include "workers/worker.h"

static uint64_t load(const struct worker *w, unsigned k)
{
	return stat_get(&w->stats.shm->mediad[k].transports);
}

static bool is_ready(const struct worker *w, unsigned k)
{
	return stat_get(&w->stats.shm->mediad[k].process.state) == PROCESS_READY;
}

static bool any_ready(const struct worker *w)
{
	for (unsigned k = 0; k < w->mediads; k++) {
		if (is_ready(w, k))
			return true;
	}
	return false;
}

int media_place(const struct worker *w, const struct id *call, unsigned position, unsigned *ret_mediad)
{
	bool spread = w->conf.media.placement == CONF_PLACEMENT_SPREAD;
	uint64_t home = hash_bytes(call->b, sizeof(call->b)) % w->mediads + (spread ? position : 0);
	/* With none ready (all just restarted) the home is asked all the same: it will read its ring. */
	bool ready_only = any_ready(w);
	unsigned best = w->mediads;

	for (unsigned i = 0; i < w->mediads; i++) {
		unsigned k = (unsigned)((home + i) % w->mediads);
		if ((ready_only && !is_ready(w, k)) || load(w, k) >= w->conf.media.max_transports)
			continue;
		if (best == w->mediads || load(w, k) < load(w, best))
			best = k;
		if (i == 0)
			break;
	}
	if (best == w->mediads)
		return -ENOSPC;
	*ret_mediad = best;
	return 0;
}
