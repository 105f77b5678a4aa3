/* master/supervise.h - keeps one process in every slot alive, replaces them on reload, ends them at the end.
 *
 *     STARTING ──all ready──▶ RUNNING ──SIGHUP, good settings──▶ RELOADING ──all replaced──▶ RUNNING
 *        └────────────── SIGTERM, SIGINT, from any mode ──────────────▶ STOPPING ──all gone──▶ loop_stop(0)
 *
 * Death:     a dead child is started again at once; one that dies young waits 0, 0.2, 0.5, 1, 2, 5, 5 … s. The
 *            count of early deaths is forgotten after 10 s of life.
 * Hung:      a heartbeat older than 3 s (10 s after a start without any) earns SIGKILL. When the master itself was
 *            late by more than 1 s, it waits one period before it judges anybody.
 * Reload:    workers one after the other: SIGTERM, at most 10 s, start, wait until ready. A mediad is replaced only
 *            when [media] changed. A replacement that does not become ready ends the reload; the others stay.
 * Watchdog:  fed while the loop turns and no killed child is still there after 5 s.
 * Log:       every start and every death once, with the reason and what happens next. */
#ifndef PARLEY_MASTER_SUPERVISE_H
#define PARLEY_MASTER_SUPERVISE_H

#include "master/child.h"
#include "master/regions.h"
#include "master/settings.h"
#include "master/sockets.h"

enum supervisor_mode { SUPERVISOR_STARTING, SUPERVISOR_RUNNING, SUPERVISOR_RELOADING, SUPERVISOR_STOPPING };

struct supervisor {
	struct loop *loop;
	const struct settings_source *source;
	struct settings *settings; /* in force; replaced at reload */
	struct sockets *sockets;
	struct regions *regions;
	unsigned workers, mediads;
	char *program[2]; /* by enum child_role */
	int ready_fd;	  /* gets "READY\n" once, then is closed; -1 = none */
	/* Made from settings; what the next child gets. */
	int conf_fd[2]; /* by enum child_role */
	int tls_cert_fd, tls_key_fd;
	int *advertise_fd; /* per mediad */

	enum supervisor_mode mode;
	bool managed; /* by systemd */
	bool reload_due;
	struct child *child; /* workers first, then mediads */
	unsigned children;
	struct child *rolling; /* being replaced by the reload under way */
	struct loop_timer tick, roll_timer, watchdog;
	int64_t tick_due_us, judge_from_us;
	int64_t watchdog_us; /* 0 = none */
};

/* Everything is borrowed but the settings' contents, which a reload replaces. */
int supervisor_init(struct supervisor *s);
void supervisor_fini(struct supervisor *s);
/* Starts all children. */
void supervisor_start(struct supervisor *s);
void supervisor_reload(struct supervisor *s);
/* A second call hastens. */
void supervisor_stop(struct supervisor *s);

/* handover.c: memfds with what the next children get, made from settings; the old ones are closed. */
int handover_prepare(struct supervisor *s, const struct settings *settings);
void handover_close(struct supervisor *s);
/* The descriptors of one child. */
int handover_collect(const struct supervisor *s, const struct child *child, struct fdset *set);

#endif
