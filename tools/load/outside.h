/* tools/load/outside.h - what can be known of a server and its machine without taking part in a call: CPU time of its
 * processes, packets that it forwarded, how busy the machine is.
 *
 * Callers: outside_read() blocks for as long as the admin listener needs, so only before and after what is measured. */
#ifndef PARLEY_LOAD_OUTSIDE_H
#define PARLEY_LOAD_OUTSIDE_H

struct outside {
	/* CPU seconds; < 0: not known */
	double mediads;	  /* of the media processes, by the metrics address */
	double processes; /* of those named, all threads */
	double own;
	double forwarded;		  /* packets, by the metrics address; < 0: not known */
	double machine_busy, machine_all; /* of all cores, in ticks */
	double dropped;			  /* datagrams for which a socket of this machine had no room */
};

/* admin NULL: no metrics. */
void outside_read(struct outside *ret, const char *admin, const int *pid, unsigned pids);
struct outside outside_between(const struct outside *before, const struct outside *after);

#endif
