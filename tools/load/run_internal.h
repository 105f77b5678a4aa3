/* tools/load/run_internal.h - what run.c (phases), run_turns.c (speakers), run_probe.c (what a join costs) and
 * run_new.c share. Nobody else includes it. */
#ifndef PARLEY_LOAD_RUN_INTERNAL_H
#define PARLEY_LOAD_RUN_INTERNAL_H

#include "tools/load/outside.h"
#include "tools/load/run.h"

enum phase { SIGN_IN, CONTACTS, CALL, JOIN, WATCH, SETTLE, PROBE, MEASURE, DRAIN, END, DELETE, OVER };

#define RUN_CALM_US (2 * USEC_PER_SEC) /* after a join, until its news are through */

struct run {
	struct run_options options;
	struct loop *loop;
	SSL_CTX *tls;
	struct people people;
	struct loop_timer tick, step;
	unsigned tick_group;
	int64_t tick_us;
	enum phase phase;
	int64_t phase_us, phase_began_us; /* phase_us: of something within it */
	const volatile int *stop;
	unsigned calls;
	struct call_of_run *call;
	unsigned next, busy; /* the next person of this phase, and how many are on their way */
	char host[256], authority[300], base[600];
	/* before MEASURE, and before a probe */
	struct receiver_counts *received_before;
	struct publisher_counts *sent_before;
	struct traffic *traffic_before;
	unsigned probe; /* that is under way */
	struct outside before;
	struct histogram late; /* of the ticks, in us */
	struct histogram delay;
	struct run_figures figures;
};

static inline bool run_is_in(const struct person *p)
{
	return p->state == PERSON_CONNECTED;
}

/* A run holds its people. */
static inline struct run *run_of(const struct person *p)
{
	return (struct run *)(void *)((char *)p->people - offsetof(struct run, people));
}

static inline struct person *run_host_of(struct run *run, const struct person *p)
{
	return &run->people.person[run->call[p->group].first];
}

/* run_turns.c; over: nobody begins any more. True: all turns that have begun are complete. */
bool run_turns(struct run *run, bool over, int64_t now_us);
void run_turns_end(struct run *run);
/* For struct person_ops. */
void run_on_keyframe(struct person *p, uint32_t publisher, int64_t now_us);

/* run_probe.c; true: that was the last. */
bool run_probe(struct run *run, int64_t now_us);

#endif
