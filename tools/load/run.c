#include "tools/load/run_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TICK_US = 1000, /* a fifth of all people each */
	TICK_GROUPS = 5,
	STEP_US = 10 * 1000,
	PHASE_US = 300 * 1000 * 1000,
	SETTLE_US = 20 * 1000 * 1000, /* for pictures that do not come */
	DRAIN_US = 1500 * 1000,
	CONTACTS_AT_ONCE = 64,
	ERRORS_TOLD = 10,
};

static const char *const phase_name[] = {
	"signing in", "making contacts", "calling",  "joining", "watching",    "settling",
	"probing",    "measuring",	 "draining", "ending",	"cleaning up", "over",
};

const struct run_figures *run_figures(const struct run *run)
{
	return &run->figures;
}

const struct people *run_people(const struct run *run)
{
	return &run->people;
}

/* ---- phases ---- */

static void phase_begin(struct run *run, enum phase phase)
{
	run->phase = phase;
	run->phase_us = run->phase_began_us = clock_now_us();
	run->next = 0;
	if (phase != OVER)
		fprintf(stderr, "parley-load: %s\n", phase_name[phase]);
}

static bool in_state(const struct person *p, enum person_state state)
{
	return p->state == state || p->state == PERSON_FAILED;
}

static unsigned waiting_for(const struct run *run, enum person_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < run->people.len; i++)
		n += !in_state(&run->people.person[i], state);
	return n;
}

static void on_befriended(struct person *p)
{
	run_of(p)->busy--;
}

static void step_sign_in(struct run *run)
{
	while (run->next < run->people.len)
		run->people.signalling->start(&run->people.person[run->next++]);
	if (waiting_for(run, PERSON_READY) == 0)
		phase_begin(run, run->people.signalling->befriend ? CONTACTS : CALL);
}

static void step_contacts(struct run *run)
{
	unsigned failed = 0;

	for (; run->next < run->people.len && run->busy < CONTACTS_AT_ONCE; run->next++) {
		struct person *p = &run->people.person[run->next], *host = run_host_of(run, p);
		if (p == host || p->state == PERSON_FAILED || host->state == PERSON_FAILED)
			continue;
		run->busy++;
		run->people.signalling->befriend(p, host, on_befriended);
	}
	/* Of those whose request failed nobody tells us. */
	for (unsigned i = 0; i < run->people.len; i++)
		failed += run->people.person[i].state == PERSON_FAILED;
	if (run->next == run->people.len &&
	    (run->busy == 0 || (failed > 0 && run->people.signalling->pending(&run->people) == 0)))
		phase_begin(run, CALL);
}

static void step_call(struct run *run)
{
	bool all = true;
	unsigned begun = 0;

	for (; run->next < run->calls; run->next++) {
		const struct call_of_run *c = &run->call[run->next];
		struct person *host = &run->people.person[c->first];
		if (host->state == PERSON_READY)
			run->people.signalling->call(host, host + 1, c->len - 1);
	}
	for (unsigned i = 0; i < run->calls; i++) {
		all &= in_state(&run->people.person[run->call[i].first], PERSON_CONNECTED);
		begun += run_is_in(&run->people.person[run->call[i].first]);
	}
	if (all)
		phase_begin(run, begun > 0 ? JOIN : END);
}

static bool is_probe(const struct run *run, const struct person *p)
{
	return p->index >= run->people.len - run->options.probes;
}

static bool somebody_joins(const struct run *run)
{
	for (unsigned i = 0; i < run->people.len; i++) {
		if (run->people.person[i].state == PERSON_JOINING)
			return true;
	}
	return false;
}

static void step_join(struct run *run, int64_t now_us)
{
	int64_t pause_us = USEC_PER_SEC / run->options.joins_per_second;

	for (; run->next < run->people.len && run->phase_us <= now_us; run->next++) {
		struct person *p = &run->people.person[run->next];
		const struct person *host = run_host_of(run, p);
		if (p == host || p->state != PERSON_READY || !run_is_in(host) || is_probe(run, p))
			continue;
		run->people.signalling->join(p, host);
		run->phase_us += pause_us;
	}
	if (run->next < run->people.len)
		return;
	if (!somebody_joins(run))
		phase_begin(run, run->people.signalling->watch && run->options.publishers > 1 ? WATCH : SETTLE);
}

/* Where that is a step of its own: all see who publishes. */
static void step_watch(struct run *run)
{
	for (; run->next < run->people.len; run->next++) {
		struct person *p = &run->people.person[run->next];
		if (run_is_in(p))
			run->people.signalling->watch(p);
	}
	if (!somebody_joins(run))
		phase_begin(run, SETTLE);
}

/* Until all who will see a picture see one. */
static void step_settle(struct run *run, int64_t now_us)
{
	bool all = true;

	for (unsigned i = 0; i < run->people.len; i++) {
		const struct person *p = &run->people.person[i];
		bool alone = p->publishes && run->options.publishers == 1;
		all &= !run_is_in(p) || alone || p->picture_us > 0 || !run->people.media.video;
	}
	if ((all && now_us - run->phase_us > RUN_CALM_US) || now_us - run->phase_us > SETTLE_US) {
		phase_begin(run, PROBE);
		run->probe = 0;
	}
}

/* ---- what is measured ---- */

static void look_outside(const struct run *run, struct outside *ret)
{
	outside_read(ret, run->options.admin, run->options.pid, run->options.pids_len);
}

static void measure_begin(struct run *run)
{
	for (unsigned i = 0; i < run->people.len; i++) {
		struct person *p = &run->people.person[i];
		run->received_before[i] = person_received(p);
		/* Of the whole time: what is missing now may still come, and an index is used twice at any time. */
		run->received_before[i].gaps = run->received_before[i].replayed = 0;
		run->sent_before[i] = person_sent(p);
		if (run->options.turn_ms == 0 && p->publishes && p->index - p->first < run->options.speakers)
			person_speak(p, true);
	}
	look_outside(run, &run->before);
	memset(&run->late, 0, sizeof(run->late));
	memset(&run->delay, 0, sizeof(run->delay));
	phase_begin(run, MEASURE);
}

static void measure_end(struct run *run, int64_t now_us)
{
	struct run_figures *f = &run->figures;
	struct outside after;

	f->seconds = (double)(now_us - run->phase_us) * 1e-6;
	look_outside(run, &after);
	f->outside = outside_between(&run->before, &after);
	f->delay = run->delay;
	f->late = run->late;
	run_turns_end(run);
	for (unsigned i = 0; i < run->people.len; i++)
		person_stop_sending(&run->people.person[i]);
	phase_begin(run, DRAIN);
}

static void add_counts(uint64_t *sum, const uint64_t *now, const uint64_t *before, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
		sum[i] += now[i] - before[i];
}

static void person_figures(struct run *run, struct person *p)
{
	struct run_figures *f = &run->figures;
	const struct receiver_counts received = person_received(p);
	const struct publisher_counts sent = person_sent(p);

	add_counts((uint64_t *)&f->received, (const uint64_t *)&received,
		   (const uint64_t *)&run->received_before[p->index], sizeof(received));
	add_counts((uint64_t *)&f->sent, (const uint64_t *)&sent, (const uint64_t *)&run->sent_before[p->index],
		   sizeof(sent));
	f->failed += p->state == PERSON_FAILED;
	f->connected += run_is_in(p);
	if (p->connected_us > 0) {
		f->exchanges += p->exchanges;
		f->exchanges_min = MIN(f->exchanges_min, p->exchanges);
		f->exchanges_max = MAX(f->exchanges_max, p->exchanges);
		histogram_add(&f->join, p->connected_us - p->join_us);
	}
	f->gcm += run_is_in(p) && strstr(person_profile(p), "GCM") != NULL;
	if (p->picture_us > 0)
		histogram_add(&f->picture, p->picture_us - p->join_us);
}

static void step_drain(struct run *run, int64_t now_us)
{
	if (now_us - run->phase_us < DRAIN_US)
		return;
	run->figures.exchanges_min = UINT32_MAX;
	for (unsigned i = 0; i < run->people.len; i++)
		person_figures(run, &run->people.person[i]);
	if (run->figures.exchanges == 0)
		run->figures.exchanges_min = 0;
	run->figures.ws_lost = run->people.ws_lost;
	run->figures.media_lost = run->people.media_lost;
	phase_begin(run, END);
}

/* ---- the end ---- */

static void step_end(struct run *run)
{
	for (; run->next < run->calls; run->next++) {
		struct person *host = &run->people.person[run->call[run->next].first];
		if (host->hosts)
			run->people.signalling->end_call(host);
	}
	if (run->people.signalling->pending(&run->people) == 0)
		phase_begin(run, DELETE);
}

static void step_delete(struct run *run)
{
	for (; run->next < run->people.len; run->next++)
		run->people.signalling->remove(&run->people.person[run->next]);
	if (run->people.signalling->pending(&run->people) == 0)
		phase_begin(run, OVER);
}

static void on_step(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct run *run = arg;
	bool over;
	bool late =
		now_us - run->phase_began_us > PHASE_US + (run->phase == MEASURE) * run->options.seconds * USEC_PER_SEC;

	if (*run->stop && run->phase < END)
		phase_begin(run, END);
	switch (run->phase) {
	case SIGN_IN:
		step_sign_in(run);
		break;
	case CONTACTS:
		step_contacts(run);
		break;
	case CALL:
		step_call(run);
		break;
	case JOIN:
		step_join(run, now_us);
		break;
	case WATCH:
		step_watch(run);
		break;
	case SETTLE:
		step_settle(run, now_us);
		break;
	case PROBE:
		if (run_probe(run, now_us))
			measure_begin(run);
		break;
	case MEASURE:
		over = now_us - run->phase_us >= run->options.seconds * USEC_PER_SEC;
		if (run_turns(run, over, now_us) && over)
			measure_end(run, now_us);
		break;
	case DRAIN:
		step_drain(run, now_us);
		break;
	case END:
		step_end(run);
		break;
	case DELETE:
		step_delete(run);
		break;
	case OVER:
		break;
	}
	if (run->phase == OVER) {
		loop_stop(run->loop, 0);
	} else if (late) {
		fprintf(stderr, "parley-load: %s takes too long\n", phase_name[run->phase]);
		loop_stop(run->loop, -ETIMEDOUT);
	} else {
		loop_timer_start(run->loop, timer, now_us + STEP_US, on_step, run);
	}
}

static void on_tick(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct run *run = arg;

	histogram_add(&run->late, now_us - run->tick_us);
	/* Who was late makes up for one round at most. */
	for (unsigned n = 0; n < TICK_GROUPS && run->tick_us <= now_us; n++, run->tick_us += TICK_US) {
		for (unsigned i = run->tick_group; i < run->people.len; i += TICK_GROUPS)
			person_tick(&run->people.person[i], clock_now_us());
		run->tick_group = (run->tick_group + 1) % TICK_GROUPS;
	}
	run->tick_us = MAX(run->tick_us, now_us);
	loop_timer_start(run->loop, timer, run->tick_us, on_tick, run);
}

int run_go(struct run *run, const volatile int *stop)
{
	run->stop = stop;
	run->tick_us = clock_now_us();
	phase_begin(run, SIGN_IN);
	on_tick(&run->tick, run->tick_us, run);
	on_step(&run->step, run->tick_us, run);
	int err = loop_run(run->loop);
	unsigned failed = 0;
	for (unsigned i = 0; i < run->people.len; i++) {
		const struct person *p = &run->people.person[i];
		if (p->state == PERSON_FAILED && failed++ < ERRORS_TOLD)
			fprintf(stderr, "parley-load: person %u: %s\n", p->index, p->error);
	}
	if (failed > ERRORS_TOLD)
		fprintf(stderr, "parley-load: and %u more\n", failed - ERRORS_TOLD);
	return err;
}
