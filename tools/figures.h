/* tools/figures.h - what /metrics says of each process, what two such looks tell of the time between them, and a table.
 *
 * Pure: text in, text out. What the server does not say (an older one) is 0.
 * Time: counters of packets are read as they are now; those of CPU time were written at the process's last heartbeat,
 *       up to a quarter of a second before. So each kind is divided by the time that passed between its own two
 *       moments: for a mediad what it worked and slept together, for a worker what its heartbeats' ages say. */
#ifndef PARLEY_TOOLS_FIGURES_H
#define PARLEY_TOOLS_FIGURES_H

#include "lib/buf.h"

#include <stdbool.h>

#define FIGURES_MAX 64 /* processes of a kind, as SHM_PROCESSES_MAX */

struct mediad_figures {
	bool there;
	/* gauges */
	double pid, core, transports, tracks, seats, ring_age_s, load, over_budget;
	/* counters */
	double cpu_s, busy_s, waited_s, cipher_samples, cipher_s;
	double received, received_bytes, forwarded, forwarded_bytes, send_batches, send_messages;
	double laps, socket_drops, send_errors, ring_lost, tcp_dropped, paced_dropped;
};

struct worker_figures {
	bool there;
	double pid, connections, websockets, db_connections, heartbeat_age_s;
	double cpu_s, requests, failed, refused;
};

struct figures {
	double at_s; /* when it was asked, by a clock that only rises */
	struct mediad_figures mediad[FIGURES_MAX];
	struct worker_figures worker[FIGURES_MAX];
};

/* at_s stays the caller's. */
void figures_parse(const char *metrics, struct figures *ret_figures);

/* A second of one process; -1: cannot be told. */
struct mediad_rates {
	double cpu, busy; /* 1: all of the time */
	double received, forwarded, received_bits, forwarded_bits;
	double packet_us; /* CPU time for each forwarded packet, all work included */
	double cipher_us; /* of it, encryption */
	double batch;	  /* messages in a system call that sends */
	double laps, drops;
};

struct worker_rates {
	double cpu, requests, failed, refused;
};

/* Both looks are of the same process slot. */
struct mediad_rates mediad_rates(const struct figures *before, const struct figures *after, unsigned k);
struct worker_rates worker_rates(const struct figures *before, const struct figures *after, unsigned k);

/* The tables, a line for each process and one for all, at most that many columns and lines of text (0: any): of narrow
 * windows columns are left out, of low ones lines, and a line says of how many. Each line ends with "\n". */
void figures_table(const struct figures *before, const struct figures *after, unsigned columns, unsigned lines,
		   struct buf *ret_text);

#endif
