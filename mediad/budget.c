#include "mediad/budget.h"

#include "lib/err.h"

/* Each tick counts by its length: a late one tells as much as the several that it stands for. */
static void smooth(struct budget *b, int64_t now_us, uint64_t cpu_us)
{
	int64_t passed_us = now_us - b->at_us;

	if (b->at_us != 0 && passed_us <= 0)
		return;
	if (b->at_us != 0 && cpu_us >= b->cpu_us) {
		double now = (double)(cpu_us - b->cpu_us) / (double)passed_us;
		double weight = (double)passed_us / (double)(BUDGET_SMOOTH_US + passed_us);
		b->load += (now - b->load) * weight;
	}
	b->at_us = now_us;
	b->cpu_us = cpu_us;
}

enum budget_news budget_tick(struct budget *b, int64_t now_us, uint64_t cpu_us, unsigned percent)
{
	double budget = percent / 100.0;
	bool was = b->over;

	smooth(b, now_us, cpu_us);
	if (percent == 0)
		b->over = false;
	else if (b->load >= budget)
		b->over = true;
	else if (b->load < budget * 0.9)
		b->over = false;
	if (b->over == was)
		return BUDGET_AS_BEFORE;
	return b->over ? BUDGET_OVER : BUDGET_WITHIN;
}
