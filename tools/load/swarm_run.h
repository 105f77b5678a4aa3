/* tools/load/swarm_run.h - one run of the scenario swarm, from the first sign-in to the last figure.
 *
 *   PREPARE ▶ CONNECT ▶ CALM ▶ IDLE ▶ SAY (presence, then chat) ▶ CUT ▶ RELOAD ▶ STOP ▶ DELETE ▶ over
 *
 *   CONNECT   so many WebSockets a second, until all have had their hello
 *   CALM      until what their coming has set off is through
 *   IDLE      nothing is said but pings: memory, CPU time and distribution
 *   SAY       the hub says something (swarm_people.h); the next when all have heard it and it was quiet for a moment
 *   CUT       all connections break at once, and all come back as pages do
 *   RELOAD    the master gets SIGHUP: new workers, which the old ones send all pages to
 *
 * A phase in which nothing happens for half a minute ends, and what it waited for counts as missing. */
#ifndef PARLEY_LOAD_SWARM_RUN_H
#define PARLEY_LOAD_SWARM_RUN_H

#include "tools/load/swarm_outside.h"
#include "tools/load/swarm_share.h"

#include <stdio.h>

struct swarm_options {
	const char *url, *tokens, *admin;
	bool insecure, json, cut;
	bool says[SWARM_KINDS];
	unsigned websockets, accounts;
	unsigned join_rate, seconds, messages, connections;
	int reload; /* the master's pid; 0: no reload */
	unsigned pids;
	int pid[OUTSIDE_WORKERS_MAX];
};

/* All of one kind of message. */
struct swarm_said {
	unsigned messages;
	uint64_t expected, heard, twice;
	double cpu_s;		 /* of the workers; < 0: not known */
	struct histogram took;	 /* from the request to each WebSocket */
	struct histogram to_all; /* to the last one */
};

/* All coming back. */
struct swarm_return {
	bool done; /* was tried */
	unsigned back;
	double seconds;			    /* until the last hello */
	uint64_t attempts, opened, resumed; /* opened: some perhaps more than once */
	struct swarm_outside after;
};

struct swarm_figures {
	unsigned open; /* after CONNECT */
	double connect_seconds;
	uint64_t attempts;
	struct histogram hello;
	struct swarm_outside before, idle; /* before the first WebSocket, and at the end of IDLE */
	double idle_cpu;	     /* cores; < 0: not known */
	struct swarm_said said[SWARM_KINDS];
	struct swarm_return cut, reload;
	uint64_t lost;	/* that broke by themselves */
	double own_kib; /* what the processes of the pages hold */
	char error[200];
};

/* -errno with a line to stderr. Figures are there also when it fails half-way. */
int swarm_run(const struct swarm_options *options, const volatile int *stop, struct swarm_figures *ret_figures);

/* How far the worker with the most or the fewest is from the mean, as a share of it. */
double swarm_skew(const struct swarm_outside *o);
bool swarm_is_whole(const struct swarm_options *options, const struct swarm_figures *f);
void swarm_table(FILE *f, const struct swarm_options *options, const struct swarm_figures *figures);
int swarm_json(FILE *f, const struct swarm_options *options, const struct swarm_figures *figures);

#endif
