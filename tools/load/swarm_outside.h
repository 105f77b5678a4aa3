/* tools/load/swarm_outside.h - the workers as seen from outside: their metrics, CPU time and memory.
 *
 * CPU and memory are those of the processes of this machine that were named (--pid), or that the admin listener names
 * (parley_worker_pid); without either they are not known. Blocks for as long as the admin listener needs. */
#ifndef PARLEY_LOAD_SWARM_OUTSIDE_H
#define PARLEY_LOAD_SWARM_OUTSIDE_H

#define OUTSIDE_WORKERS_MAX 64

struct swarm_outside {
	unsigned workers; /* 0: no admin listener was asked, or it did not answer */
	unsigned websockets[OUTSIDE_WORKERS_MAX];
	unsigned pids;
	int pid[OUTSIDE_WORKERS_MAX];
	double cpu_s;	/* of these together; < 0: not known */
	double pss_kib; /* likewise */
	double cut;	/* parley_worker_websockets_cut_total, the sum */
};

/* admin may be NULL; pid: those that were named. */
void swarm_outside_read(const char *admin, const int *pid, unsigned pids, struct swarm_outside *ret);

#endif
