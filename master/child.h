/* master/child.h - one child process: how it is started, and what is known about it.
 *
 *                 start                 ready in stats
 *     DOWN ──────────────▶ STARTING ───────────────────▶ READY
 *       ▲                     │ stop, reload, hung          │ stop, reload, hung
 *       │ exit (any state)    ▼                             ▼
 *       └───────────────── STOPPING ──── 10 s, or hung ──▶ KILLED
 *
 * Callers:   supervise.c decides; child.c forks. A started child inherits nothing but the descriptors named in
 *            shm/layout.h, standard error, and the few variables of child_environment().
 * Errors:    child_start() returns -errno when no process could be made. What goes wrong after fork() is a
 *            line on standard error and exit status 127. */
#ifndef PARLEY_MASTER_CHILD_H
#define PARLEY_MASTER_CHILD_H

#include "lib/fdset.h"
#include "lib/loop.h"
#include "shm/stats.h"

#include <sys/types.h>

enum child_role { CHILD_WORKER, CHILD_MEDIAD };

enum child_state {
	CHILD_DOWN,	/* no process; a timer may be running */
	CHILD_STARTING, /* executed, has not said that it is ready */
	CHILD_READY,
	CHILD_STOPPING, /* was asked to end by SIGTERM */
	CHILD_KILLED,	/* was sent SIGKILL */
	CHILD_STATES
};

struct supervisor;

struct child {
	struct supervisor *supervisor;
	enum child_role role;
	unsigned index;
	char name[24]; /* "worker/0" */
	enum child_state state;
	uint32_t epoch; /* of the present or last incarnation */
	pid_t pid;	/* 0 while DOWN */
	int pidfd;	/* -1 while DOWN */
	struct loop_fd io;
	struct loop_timer timer; /* DOWN: next start; STOPPING: SIGKILL */
	int64_t started_us;
	int64_t killed_us;
	unsigned early_deaths; /* in a row */
	bool replace;	       /* still to be replaced by this reload */
	bool replacing;	       /* STOPPING for a reload: start again at once */
	struct stats_process *stats;
};

struct child_start {
	const char *program; /* path */
	struct fdset *fds;   /* its descriptors; moved about in the child only */
	unsigned workers, mediads;
	int core;	   /* to be pinned to; -1 = none */
	bool dies_with_us; /* SIGTERM when the master dies */
};

/* Forks and executes; sets pid, pidfd, epoch and started_us. The state is the caller's. */
int child_start(struct child *child, const struct child_start *how);
/* Collects a dead child: what happened, as "was killed by SIGSEGV" or "exited with status 1". */
int child_reap(struct child *child, char *ret_reason, size_t len);
int child_signal(const struct child *child, int signal);
/* Logs a move that the diagram does not have, and makes it. */
void child_move(struct child *child, enum child_state to);
const char *child_state_name(enum child_state state);

#endif
