#include "workers/sweeper.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "workers/answer.h"
#include "workers/db.h"
#include "workers/events.h"
#include "workers/worker.h"

#include <stdio.h>
#include <stdlib.h>

#define SWEEP_EVERY_US	USEC_PER_SEC
#define EXPIRE_EVERY_US (5 * USEC_PER_SEC)
#define EXPIRE_MAX	"100"
#define RETAIN_EVERY_US (60 * USEC_PER_SEC)
#define RETAIN_MAX	"200"

struct sweeper {
	struct worker *worker;
	struct loop_timer timer;
	bool was_up;
	int64_t up_since_us, expire_at_us, retain_at_us;
	bool retaining;
	uint64_t lost; /* connections that broke, as far as the pages were told */
};

/* arg is the worker, which outlives sweeper and database layer. */
static void on_swept(const struct db_result *result, void *arg)
{
	struct worker *worker = arg;

	/* What went wrong is logged by db.c, and tried again in a second. */
	answer_tell(worker, result);
}

/* The sweeper may be gone when the last answer comes. */
static void on_retained(const struct db_result *result, void *arg)
{
	struct worker *worker = arg;
	struct sweeper *s = worker->sweeper;

	if (!s)
		return;
	s->retaining = false;
	/* The next ones with the next sweep: requests come in between. */
	if (result->error == DB_OK && result->rows > 0 && db_bool(result, 0, "more"))
		s->retain_at_us = 0;
}

/* What is older than the settings say. */
static void retain(struct sweeper *s)
{
	const struct conf *conf = &s->worker->conf;
	char history[16], messages[16], audit[16];
	const char *params[] = { history, messages, audit, RETAIN_MAX };

	snprintf(history, sizeof(history), "%u", conf->retention.history_days);
	snprintf(messages, sizeof(messages), "%u", conf->retention.messages_days);
	snprintf(audit, sizeof(audit), "%u", conf->retention.audit_days);
	s->retaining = db_exec(s->worker->db, "retain", 0, params, ARRAY_LEN(params), on_retained, s->worker) == 0;
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
	if (up && now_us >= s->expire_at_us) {
		const char *params[] = { EXPIRE_MAX };
		s->expire_at_us = now_us + EXPIRE_EVERY_US;
		db_exec(s->worker->db, "sessions_expire", 0, params, ARRAY_LEN(params), on_swept, s->worker);
	}
	if (up && now_us >= s->retain_at_us && !s->retaining) {
		s->retain_at_us = now_us + RETAIN_EVERY_US;
		retain(s);
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
