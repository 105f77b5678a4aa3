#include "workers/sweeper.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "workers/answer.h"
#include "workers/db.h"
#include "workers/events.h"
#include "workers/worker.h"

#include <stdlib.h>

#define SWEEP_EVERY_US	USEC_PER_SEC
#define EXPIRE_EVERY_US (600 * USEC_PER_SEC)

struct sweeper {
	struct worker *worker;
	struct loop_timer timer;
	bool was_up;
	int64_t up_since_us, expired_us;
	uint64_t lost; /* connections that broke, as far as the pages were told */
};

/* arg is the worker, which outlives sweeper and database layer. */
static void on_swept(const struct db_result *result, void *arg)
{
	struct worker *worker = arg;

	/* What went wrong is logged by db.c, and tried again in a second. */
	answer_tell(worker, result);
}

static void sweep(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct sweeper *s = arg;
	bool up = db_is_up(s->worker->db);

	if (up && !s->was_up)
		s->up_since_us = now_us;
	s->was_up = up;
	if (up && s->lost != stat_get(&s->worker->counters->db_lost)) {
		s->lost = stat_get(&s->worker->counters->db_lost);
		events_lost(s->worker->events);
	}
	if (up) {
		const char *params[] = { now_us - s->up_since_us < SWEEPER_PATIENCE_US ? "f" : "t" };
		db_exec(s->worker->db, "sweep", 0, params, ARRAY_LEN(params), on_swept, s->worker);
	}
	if (up && now_us - s->expired_us >= EXPIRE_EVERY_US) {
		s->expired_us = now_us;
		db_exec(s->worker->db, "sessions_expire", 0, NULL, 0, NULL, NULL);
	}
	loop_timer_start(s->worker->loop, timer, now_us + SWEEP_EVERY_US, sweep, s);
}

int sweeper_start(struct worker *worker, struct sweeper **ret_sweeper)
{
	struct sweeper *s = calloc(1, sizeof(*s));
	int64_t now_us = clock_now_us();

	if (!s)
		return -ENOMEM;
	s->worker = worker;
	s->expired_us = now_us;
	s->lost = stat_get(&worker->counters->db_lost);
	/* Workers that start together look at different moments. */
	int err = loop_timer_start(worker->loop, &s->timer,
				   now_us + SWEEP_EVERY_US * worker->index / (worker->workers ? worker->workers : 1),
				   sweep, s);
	if (err < 0) {
		free(s);
		return err;
	}
	*ret_sweeper = s;
	return 0;
}

struct sweeper *sweeper_stop(struct sweeper *sweeper)
{
	if (!sweeper)
		return NULL;
	loop_timer_stop(&sweeper->timer);
	free(sweeper);
	return NULL;
}
