#include "tools/load/run_internal.h"

static void traffic_add(struct traffic *sum, const struct traffic *now, const struct traffic *before)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *a = (const uint64_t *)now, *b = (const uint64_t *)before;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		to[i] += a[i] - b[i];
}

static void probe_begin(struct run *run, struct person *joiner)
{
	struct probe *probe = &run->figures.probe[run->probe];

	for (unsigned i = 0; i < run->people.len; i++) {
		run->traffic_before[i] = person_traffic(&run->people.person[i]);
		probe->there += run_is_in(&run->people.person[i]);
	}
	run->people.signalling->join(joiner, run_host_of(run, joiner));
}

static void probe_end(struct run *run, const struct person *joiner)
{
	struct probe *probe = &run->figures.probe[run->probe++];

	for (unsigned i = 0; i < run->people.len; i++) {
		const struct person *p = &run->people.person[i];
		const struct traffic now = person_traffic(p);
		if (p == joiner) {
			traffic_add(&probe->joiner, &now, &run->traffic_before[i]);
		} else if (run_is_in(p)) {
			traffic_add(&probe->others, &now, &run->traffic_before[i]);
			probe->others_len++;
		}
	}
	probe->offer_bytes = joiner->offer_bytes;
	probe->answer_bytes = joiner->answer_bytes;
	probe->took_us = joiner->connected_us - joiner->join_us;
	run->figures.probes = run->probe;
}

bool run_probe(struct run *run, int64_t now_us)
{
	struct person *joiner = &run->people.person[run->people.len - run->options.probes + run->probe];

	if (run->probe == run->options.probes) {
		return true;
	} else if (joiner->state == PERSON_READY && run_is_in(run_host_of(run, joiner))) {
		probe_begin(run, joiner);
	} else if (run_is_in(joiner)) {
		if (now_us - joiner->connected_us > RUN_CALM_US)
			probe_end(run, joiner);
	} else if (joiner->state != PERSON_JOINING) {
		run->options.probes = run->probe; /* it failed: no more of them */
	}
	return false;
}
