#include "master/child.h"

#include "lib/log.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENVIRONMENT_MAX 64

extern char **environ;

static const uint8_t child_next[CHILD_STATES] = {
	/* from -> set of to */
	[CHILD_DOWN] = 1 << CHILD_STARTING,
	[CHILD_STARTING] = 1 << CHILD_READY | 1 << CHILD_STOPPING | 1 << CHILD_KILLED | 1 << CHILD_DOWN,
	[CHILD_READY] = 1 << CHILD_STOPPING | 1 << CHILD_KILLED | 1 << CHILD_DOWN,
	[CHILD_STOPPING] = 1 << CHILD_KILLED | 1 << CHILD_DOWN,
	[CHILD_KILLED] = 1 << CHILD_DOWN,
};

const char *child_state_name(enum child_state state)
{
	static const char *const names[CHILD_STATES] = { "down", "starting", "ready", "stopping", "killed" };

	return state < CHILD_STATES ? names[state] : "?";
}

void child_move(struct child *child, enum child_state to)
{
	if (!(child_next[child->state] & 1 << to))
		log_error("child: %s: %s -> %s is not a move", child->name, child_state_name(child->state),
			  child_state_name(to));
	log_debug("child: %s: %s -> %s", child->name, child_state_name(child->state), child_state_name(to));
	child->state = to;
}

/* What a child may inherit: nothing that could hold a secret. */
static bool may_inherit(const char *variable)
{
	static const char *const names[] = {
		"PATH=",	  "LANG=",	   "LC_",	    "TZ=",   "ASAN_OPTIONS=",
		"UBSAN_OPTIONS=", "TSAN_OPTIONS=", "LSAN_OPTIONS=", "GCOV_", "LLVM_PROFILE_FILE=",
		"PARLEY_TEST_",	  "TMPDIR="
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

struct environment {
	char *list[ENVIRONMENT_MAX + 1];
	size_t len;
	char epoch[40], workers[40], mediads[40];
};

static void environment_make(struct environment *env, const struct child *child, const struct child_start *how)
{
	env->len = 0;
	snprintf(env->epoch, sizeof(env->epoch), "PARLEY_EPOCH=%u", child->epoch);
	snprintf(env->workers, sizeof(env->workers), "PARLEY_WORKERS=%u", how->workers);
	snprintf(env->mediads, sizeof(env->mediads), "PARLEY_MEDIADS=%u", how->mediads);
	env->list[env->len++] = env->epoch;
	env->list[env->len++] = env->workers;
	env->list[env->len++] = env->mediads;
	/* One place is left for the names of the descriptors. */
	for (char **e = environ; *e && env->len < ENVIRONMENT_MAX - 1; e++) {
		if (may_inherit(*e))
			env->list[env->len++] = *e;
	}
	env->list[env->len] = NULL;
}

static void pin_to(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		log_warn("child: cannot be pinned to core %d (%s), runs anywhere", core, strerror(errno));
}

static void signals_reset(void)
{
	sigset_t none;

	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* After fork(), in the child. Standard input becomes /dev/null; the terminal's Ctrl-C is the master's business. */
static _Noreturn void child_exec(const struct child *child, const struct child_start *how, struct environment *env,
				 pid_t master)
{
	char index[16];
	char *argv[] = { (char *)how->program, index, NULL };
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	snprintf(index, sizeof(index), "%u", child->index);
	if (null_fd >= 0)
		dup2(null_fd, STDIN_FILENO);
	setpgid(0, 0);
	if (how->dies_with_us) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != master)
			_exit(0);
	}
	if (how->core >= 0)
		pin_to(how->core);
	char *names = fdset_exec_prepare(how->fds);
	if (!names) {
		log_error("child: %s: descriptors: %s", child->name, strerror(errno));
		_exit(127);
	}
	env->list[env->len++] = names;
	env->list[env->len] = NULL;
	signals_reset();
	execve(how->program, argv, env->list);
	log_error("child: %s: %s: %s", child->name, how->program, strerror(errno));
	_exit(127);
}

int child_start(struct child *child, const struct child_start *how)
{
	struct environment env;
	pid_t master = getpid(), pid;
	int pidfd;

	child->epoch++;
	environment_make(&env, child, how);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child_exec(child, how, &env, master);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		int err = -errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return err;
	}
	fcntl(pidfd, F_SETFD, FD_CLOEXEC);
	child->pid = pid;
	child->pidfd = pidfd;
	child->started_us = clock_now_us();
	return 0;
}

int child_reap(struct child *child, char *ret_reason, size_t len)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) < 0)
		return -errno;
	if (info.si_pid == 0)
		return -EAGAIN;
	if (info.si_code == CLD_EXITED)
		snprintf(ret_reason, len, "exited with status %d", info.si_status);
	else
		snprintf(ret_reason, len, "was killed by SIG%s%s", sigabbrev_np(info.si_status),
			 info.si_code == CLD_DUMPED ? " (core dumped)" : "");
	close(child->pidfd);
	child->pidfd = -1;
	child->pid = 0;
	return 0;
}

int child_signal(const struct child *child, int signal)
{
	if (child->pidfd < 0)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, child->pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}
