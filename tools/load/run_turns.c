#include "tools/load/run_internal.h"

#include <stdio.h>

enum { TURN_EXTRA_US = 30 * 1000 * 1000 };

static struct person *next_speaker(struct run *run, struct call_of_run *c)
{
	/* From the last to the first: at the beginning those who came first have the tiles. */
	for (unsigned tries = 0; tries < c->len; tries++) {
		c->next_speaker = (c->next_speaker + c->len - 1) % c->len;
		struct person *p = &run->people.person[c->first + c->next_speaker];
		if (p->publishes && run_is_in(p))
			return p;
	}
	return NULL;
}

static void turn_end(struct run *run, struct call_of_run *c)
{
	struct turn *t = &c->turn;

	if (!t->speaker)
		return;
	person_speak(t->speaker, false);
	if (run->options.verbose)
		fprintf(stderr, "parley-load: person %u spoke: %u of %u tiles changed, after %.0f to %.0f ms\n",
			t->speaker->index, t->seen, t->expected, (double)t->first_us * 1e-3, (double)t->last_us * 1e-3);
	run->figures.switches_expected += t->expected;
	run->figures.switches_missed += t->expected - t->seen;
	t->speaker = NULL;
}

static void turn_begin(struct run *run, struct call_of_run *c, int64_t now_us)
{
	struct turn *t = &c->turn;

	turn_end(run, c);
	*t = (struct turn){ .number = t->number + 1, .speaker = next_speaker(run, c), .began_us = now_us };
	if (!t->speaker)
		return;
	for (unsigned i = 0; i < c->len; i++) {
		struct person *p = &run->people.person[c->first + i];
		if (!run_is_in(p) || p == t->speaker || !run->people.media.video)
			continue;
		bool shown = receiver_shows(p->media.receiver, &t->speaker->id, false);
		if (shown)
			p->turn_seen = t->number;
		run->figures.shown_before += shown;
		t->expected += !shown;
	}
	run->figures.turns++;
	person_speak(t->speaker, true);
}

void run_on_keyframe(struct person *p, uint32_t publisher, int64_t now_us)
{
	struct run *run = run_of(p);
	struct turn *t = &run->call[p->group].turn;

	if (!t->speaker || t->speaker->index != publisher || p->turn_seen == t->number || !t->speaker->media.publisher)
		return;
	int64_t spoke_us = publisher_spoke_us(t->speaker->media.publisher);
	if (spoke_us == 0)
		return;
	p->turn_seen = t->number;
	t->last_us = now_us - spoke_us;
	if (t->seen++ == 0)
		t->first_us = t->last_us;
	histogram_add(&run->figures.switched, t->last_us);
}

bool run_turns(struct run *run, bool over, int64_t now_us)
{
	int64_t turn_us = run->options.turn_ms * USEC_PER_MSEC;
	bool complete = true;

	for (unsigned i = 0; i < run->calls && turn_us > 0; i++) {
		struct call_of_run *c = &run->call[i];
		int64_t age_us = now_us - c->turn.began_us;
		bool done = !c->turn.speaker || c->turn.seen >= c->turn.expected || age_us >= turn_us + TURN_EXTRA_US;
		complete &= done;
		if (!over && (!c->turn.speaker || (done && age_us >= turn_us)))
			turn_begin(run, c, now_us);
	}
	return complete;
}

void run_turns_end(struct run *run)
{
	for (unsigned i = 0; i < run->calls; i++)
		turn_end(run, &run->call[i]);
}
