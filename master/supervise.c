#include "master/supervise.h"

#include "lib/log.h"
#include "master/notify.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_STARTING_US (20 * USEC_PER_MSEC)
#define TICK_US		 (250 * USEC_PER_MSEC)
#define HANG_US		 (3 * USEC_PER_SEC)
#define GRACE_US	 (10 * USEC_PER_SEC)
#define LATE_US		 (1 * USEC_PER_SEC)
#define STOP_US		 (10 * USEC_PER_SEC)
#define ROLL_US		 (20 * USEC_PER_SEC)
#define GROWN_UP_US	 (10 * USEC_PER_SEC)
#define UNKILLED_US	 (5 * USEC_PER_SEC)

static const int64_t backoff_us[] = { 0, 200000, 500000, 1000000, 2000000, 5000000 };

static void child_run(struct child *child);
static void roll_next(struct supervisor *s);

static unsigned count_in(const struct supervisor *s, enum child_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->children; i++)
		n += s->child[i].state == state;
	return n;
}

static void tell_status(const struct supervisor *s)
{
	const struct stats_region *shm = s->regions->stats.shm;
	unsigned ready = count_in(s, CHILD_READY);

	if (s->mode == SUPERVISOR_STOPPING)
		return;
	notify_status("%u of %u processes ready (%u workers, %u mediads); restarts: %" PRIu64 " workers, %" PRIu64
		      " mediads",
		      ready, s->children, s->workers, s->mediads, stat_get(&shm->master.restarts_worker),
		      stat_get(&shm->master.restarts_mediad));
}

/* ---- one child ---- */

static void child_kill(struct child *child)
{
	int err = child_signal(child, SIGKILL);

	if (err < 0)
		log_error("supervise: %s (pid %d): cannot be killed: %s", child->name, (int)child->pid, strerror(-err));
	if (child->state != CHILD_KILLED)
		child_move(child, CHILD_KILLED);
	child->killed_us = clock_now_us();
	loop_timer_stop(&child->timer);
}

static void child_on_stop_deadline(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct child *child = arg;

	(void)timer;
	(void)now_us;
	log_warn("supervise: %s (pid %d) did not end within 10 s, killing it", child->name, (int)child->pid);
	child_kill(child);
}

/* Asks it to end; true when there was a process to ask. */
static bool child_stop(struct child *child)
{
	struct supervisor *s = child->supervisor;

	if (child->state == CHILD_DOWN) {
		loop_timer_stop(&child->timer);
		return false;
	}
	if (child->state == CHILD_STARTING || child->state == CHILD_READY) {
		child_move(child, CHILD_STOPPING);
		child_signal(child, SIGTERM);
		loop_timer_start(s->loop, &child->timer, clock_now_us() + STOP_US, child_on_stop_deadline, child);
	}
	return true;
}

static void child_on_restart(struct loop_timer *timer, int64_t now_us, void *arg)
{
	(void)timer;
	(void)now_us;
	child_run(arg);
}

/* Starts it again: at once, or later when it keeps dying young. */
static void child_again(struct child *child, int64_t lived_us, const char *why)
{
	struct supervisor *s = child->supervisor;
	int64_t delay_us;

	if (lived_us >= GROWN_UP_US)
		child->early_deaths = 0;
	delay_us = backoff_us[MIN(child->early_deaths, ARRAY_LEN(backoff_us) - 1)];
	child->early_deaths++;
	if (delay_us == 0)
		log_warn("supervise: %s %s after %.1f s, starting it again now", child->name, why,
			 (double)lived_us / 1e6);
	else
		log_warn("supervise: %s %s after %.1f s, starting it again in %.1f s", child->name, why,
			 (double)lived_us / 1e6, (double)delay_us / 1e6);
	stat_add(child->role == CHILD_WORKER ? &s->regions->stats.shm->master.restarts_worker
					     : &s->regions->stats.shm->master.restarts_mediad,
		 1);
	stat_add(&child->stats->restarts, 1);
	if (delay_us == 0)
		child_run(child);
	else
		loop_timer_start(s->loop, &child->timer, clock_now_us() + delay_us, child_on_restart, child);
}

static void child_on_exit(struct loop_fd *io, uint32_t events, void *arg)
{
	struct child *child = arg;
	struct supervisor *s = child->supervisor;
	int64_t lived_us = clock_now_us() - child->started_us;
	bool asked = child->state == CHILD_STOPPING || child->replacing || s->mode == SUPERVISOR_STOPPING;
	pid_t pid = child->pid;
	char reason[80], why[120];

	(void)events;
	loop_fd_del(io);
	int err = child_reap(child, reason, sizeof(reason));
	if (err < 0) {
		log_error("supervise: %s: waitid: %s", child->name, strerror(-err));
		loop_fd_add(s->loop, io, child->pidfd, EPOLLIN, child_on_exit, child);
		return;
	}
	loop_timer_stop(&child->timer);
	stat_set(&child->stats->state, PROCESS_ABSENT);
	stat_set(&child->stats->pid, 0);
	child_move(child, CHILD_DOWN);
	snprintf(why, sizeof(why), "(pid %d) %s", (int)pid, reason);
	if (asked)
		log_info("supervise: %s %s as asked", child->name, why);
	if (s->mode == SUPERVISOR_STOPPING) {
		if (!asked)
			log_info("supervise: %s %s", child->name, why);
		if (count_in(s, CHILD_DOWN) == s->children)
			loop_stop(s->loop, 0);
	} else if (child->replacing) {
		child->replacing = false;
		child_run(child);
	} else {
		child_again(child, lived_us, why);
	}
	tell_status(s);
}

/* The core of mediad i: the one named in media.pin, else the i-th of our own mask; -1 = none. */
static int core_of(const struct conf *conf, unsigned index)
{
	cpu_set_t mask;

	if (conf->media.pin_none)
		return -1;
	if (index < conf->media.pin_len)
		return (int)conf->media.pin[index];
	if (sched_getaffinity(0, sizeof(mask), &mask) < 0 || CPU_COUNT(&mask) == 0)
		return -1;
	unsigned nth = index % (unsigned)CPU_COUNT(&mask);
	for (int core = 0; core < CPU_SETSIZE; core++) {
		if (CPU_ISSET(core, &mask) && nth-- == 0)
			return core;
	}
	return -1;
}

static int child_try_start(struct child *child)
{
	static struct fdset set; /* large; one start at a time */
	struct supervisor *s = child->supervisor;
	struct child_start how = { .program = s->program[child->role],
				   .fds = &set,
				   .workers = s->workers,
				   .mediads = s->mediads,
				   .core = -1,
				   .dies_with_us = !s->managed };
	int err;

	set.len = 0;
	if (child->role == CHILD_MEDIAD)
		how.core = core_of(&s->settings->conf, child->index);
	/* Written before the process exists, so that it finds its slot ready. */
	stat_set(&child->stats->epoch, child->epoch + 1);
	stat_set(&child->stats->heartbeat_us, 0);
	stat_set(&child->stats->state, PROCESS_STARTING);
	err = handover_collect(s, child, &set);
	if (err == 0)
		err = child_start(child, &how);
	fdset_close_rest(&set);
	if (err < 0)
		return err;
	stat_set(&child->stats->pid, (uint64_t)child->pid);
	stat_set(&child->stats->started_us, (uint64_t)child->started_us);
	return loop_fd_add(s->loop, &child->io, child->pidfd, EPOLLIN, child_on_exit, child);
}

static void child_run(struct child *child)
{
	int err = child_try_start(child);

	if (err < 0 && child->pid == 0) {
		stat_set(&child->stats->state, PROCESS_ABSENT);
		child_again(child, 0, strerror(-err));
		return;
	}
	child_move(child, CHILD_STARTING);
	if (err < 0) {
		log_error("supervise: %s: %s", child->name, strerror(-err));
		child_kill(child);
		return;
	}
	log_info("supervise: %s started, pid %d, epoch %u", child->name, (int)child->pid, child->epoch);
}

/* ---- watching ---- */

static void child_judge(struct child *child, int64_t now_us)
{
	int64_t beat_us = (int64_t)stat_get(&child->stats->heartbeat_us);
	int64_t silent_us = now_us - MAX(beat_us, child->started_us);
	int64_t limit_us = child->state == CHILD_STARTING ? GRACE_US : HANG_US;

	if (silent_us <= limit_us)
		return;
	log_error("supervise: %s (pid %d) hangs: no heartbeat for %.1f s while %s, killing it", child->name,
		  (int)child->pid, (double)silent_us / 1e6, child_state_name(child->state));
	child_kill(child);
}

static void on_all_ready(struct supervisor *s)
{
	s->mode = SUPERVISOR_RUNNING;
	log_info("supervise: ready: %u workers, %u mediads, %s", s->workers, s->mediads,
		 s->settings->conf.server.public_url);
	if (s->ready_fd >= 0) {
		if (write(s->ready_fd, "READY\n", 6) < 0)
			log_warn("supervise: --ready-fd: %s", strerror(errno));
		close(s->ready_fd);
		s->ready_fd = -1;
	}
	notify_ready();
}

static void child_look(struct child *child, int64_t now_us)
{
	struct supervisor *s = child->supervisor;

	if (child->state != CHILD_STARTING && child->state != CHILD_READY)
		return;
	if (child->state == CHILD_STARTING && stat_get(&child->stats->state) == PROCESS_READY) {
		child_move(child, CHILD_READY);
		log_debug("supervise: %s is ready after %.2f s", child->name,
			  (double)(now_us - child->started_us) / 1e6);
		tell_status(s);
		if (child == s->rolling)
			roll_next(s);
	}
	if (now_us >= s->judge_from_us)
		child_judge(child, now_us);
}

static void on_tick(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct supervisor *s = arg;
	int64_t late_us = now_us - s->tick_due_us;

	if (late_us > LATE_US) {
		log_warn("supervise: this machine stood still for %.1f s, judging nobody for %d s",
			 (double)late_us / 1e6, (int)(HANG_US / USEC_PER_SEC));
		s->judge_from_us = now_us + HANG_US;
	}
	for (unsigned i = 0; i < s->children; i++)
		child_look(&s->child[i], now_us);
	if (s->mode == SUPERVISOR_STARTING && count_in(s, CHILD_READY) == s->children)
		on_all_ready(s);
	if (s->mode == SUPERVISOR_RUNNING && s->reload_due)
		supervisor_reload(s);
	s->tick_due_us = clock_now_us() + (count_in(s, CHILD_STARTING) > 0 ? TICK_STARTING_US : TICK_US);
	loop_timer_start(s->loop, timer, s->tick_due_us, on_tick, s);
}

static void on_watchdog(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct supervisor *s = arg;
	bool fine = true;

	for (unsigned i = 0; i < s->children; i++) {
		if (s->child[i].state == CHILD_KILLED && now_us - s->child[i].killed_us > UNKILLED_US)
			fine = false;
	}
	if (fine)
		notify_watchdog();
	loop_timer_start(s->loop, timer, now_us + s->watchdog_us, on_watchdog, s);
}

/* ---- reload ---- */

static void roll_end(struct supervisor *s)
{
	loop_timer_stop(&s->roll_timer);
	s->rolling = NULL;
	for (unsigned i = 0; i < s->children; i++)
		s->child[i].replace = false;
	if (s->mode != SUPERVISOR_RELOADING)
		return;
	s->mode = SUPERVISOR_RUNNING;
	notify_ready();
	tell_status(s);
}

static void on_roll_timeout(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct supervisor *s = arg;

	(void)timer;
	(void)now_us;
	log_error("supervise: reload: %s does not become ready; the processes not yet replaced stay as they are",
		  s->rolling->name);
	roll_end(s);
}

static void roll_next(struct supervisor *s)
{
	struct child *next = NULL;

	for (unsigned i = 0; i < s->children && !next; i++) {
		if (s->child[i].replace)
			next = &s->child[i];
	}
	if (!next) {
		log_info("supervise: reload: done");
		roll_end(s);
		return;
	}
	next->replace = false;
	s->rolling = next;
	loop_timer_start(s->loop, &s->roll_timer, clock_now_us() + ROLL_US, on_roll_timeout, s);
	next->early_deaths = 0;
	if (child_stop(next))
		next->replacing = true;
	else
		child_run(next);
}

static int reload_settings(struct supervisor *s, bool *ret_media)
{
	struct settings next;
	struct conf_error error = { "" };
	int err = settings_load(s->source, &next, &error);

	if (err < 0) {
		log_error("supervise: reload: %s; everything stays as it was", error.text);
		return err;
	}
	settings_keep_fixed(&next, s->settings);
	err = handover_prepare(s, &next);
	if (err < 0) {
		log_error("supervise: reload: %s; everything stays as it was", strerror(-err));
		settings_fini(&next);
		return err;
	}
	*ret_media = settings_media_differs(&next, s->settings);
	settings_fini(s->settings);
	*s->settings = next;
	stat_set(&s->regions->stats.shm->master.budget_percent, next.conf.media.budget_percent);
	log_set_level(next.conf.log.level);
	return 0;
}

void supervisor_reload(struct supervisor *s)
{
	bool media = false;

	if (s->mode != SUPERVISOR_RUNNING) {
		s->reload_due = s->mode != SUPERVISOR_STOPPING;
		/* The new settings may be what makes a child start at last. */
		if (s->mode == SUPERVISOR_STARTING)
			reload_settings(s, &media);
		return;
	}
	s->reload_due = false;
	notify_reloading();
	stat_add(&s->regions->stats.shm->master.reloads, 1);
	if (reload_settings(s, &media) < 0) {
		notify_ready();
		return;
	}
	log_info("supervise: reload: replacing %u workers%s", s->workers,
		 media ? " and, since [media] changed, all mediads: their calls reconnect" : "");
	s->mode = SUPERVISOR_RELOADING;
	for (unsigned i = 0; i < s->children; i++)
		s->child[i].replace = media || s->child[i].role == CHILD_WORKER;
	roll_next(s);
}

/* ---- start and end ---- */

void supervisor_stop(struct supervisor *s)
{
	bool again = s->mode == SUPERVISOR_STOPPING;

	if (again)
		log_info("supervise: asked to stop a second time, killing what is left");
	else
		log_info("supervise: stopping");
	loop_timer_stop(&s->roll_timer);
	s->mode = SUPERVISOR_STOPPING;
	s->rolling = NULL;
	notify_stopping();
	for (unsigned i = 0; i < s->children; i++) {
		struct child *child = &s->child[i];
		child->replace = child->replacing = false;
		if (!again)
			child_stop(child);
		else if (child->state != CHILD_DOWN)
			child_kill(child);
	}
	if (count_in(s, CHILD_DOWN) == s->children)
		loop_stop(s->loop, 0);
}

static void child_init(struct supervisor *s, struct child *child, enum child_role role, unsigned index)
{
	struct stats_region *shm = s->regions->stats.shm;

	child->supervisor = s;
	child->role = role;
	child->index = index;
	child->pidfd = -1;
	snprintf(child->name, sizeof(child->name), "%s/%u", role == CHILD_WORKER ? "worker" : "mediad", index);
	child->stats = role == CHILD_WORKER ? &shm->worker[index].process : &shm->mediad[index].process;
}

int supervisor_init(struct supervisor *s)
{
	struct stats_region *shm = s->regions->stats.shm;

	s->mode = SUPERVISOR_STARTING;
	s->managed = notify_is_managed();
	s->watchdog_us = notify_watchdog_us();
	s->conf_fd[0] = s->conf_fd[1] = s->tls_cert_fd = s->tls_key_fd = -1;
	s->children = s->workers + s->mediads;
	s->child = calloc(s->children, sizeof(*s->child));
	s->advertise_fd = malloc(s->mediads * sizeof(*s->advertise_fd));
	if (!s->child || !s->advertise_fd)
		return -ENOMEM;
	memset(s->advertise_fd, 0xff, s->mediads * sizeof(*s->advertise_fd));
	for (unsigned i = 0; i < s->children; i++) {
		bool worker = i < s->workers;
		child_init(s, &s->child[i], worker ? CHILD_WORKER : CHILD_MEDIAD, worker ? i : i - s->workers);
	}
	stat_set(&shm->master.pid, (uint64_t)getpid());
	stat_set(&shm->master.started_us, (uint64_t)clock_now_us());
	stat_set(&shm->master.workers, s->workers);
	stat_set(&shm->master.mediads, s->mediads);
	stat_set(&shm->master.budget_percent, s->settings->conf.media.budget_percent);
	return handover_prepare(s, s->settings);
}

void supervisor_fini(struct supervisor *s)
{
	handover_close(s);
	free(s->child);
	free(s->advertise_fd);
	s->child = NULL;
	s->advertise_fd = NULL;
}

void supervisor_start(struct supervisor *s)
{
	int64_t now_us = clock_now_us();

	/* Mediads first: workers find them alive. */
	for (unsigned i = s->children; i-- > 0;)
		child_run(&s->child[i]);
	s->tick_due_us = now_us + TICK_STARTING_US;
	loop_timer_start(s->loop, &s->tick, s->tick_due_us, on_tick, s);
	if (s->watchdog_us > 0)
		loop_timer_start(s->loop, &s->watchdog, now_us, on_watchdog, s);
	tell_status(s);
}
