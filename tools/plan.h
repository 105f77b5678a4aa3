/* tools/plan.h - how many calls of a kind fit on a machine, and what runs out first.
 *
 * Pure: numbers in, numbers out (capacity.c asks the machine, the server and the command line for them).
 *
 * The model: in a call of N people, each who is unmuted sends 50 packets of sound a second, each camera its lowest
 * layer and the one that the tiles show, each screen one layer. Each person gets the sound of those who are unmuted and
 * has a seat, the screens, and of the cameras as many as there are tiles left. A packet costs its media process
 * in_us when it comes in and out_us for each person it goes out to. What is bound to bursts is not in it: joins (a
 * handshake is some milliseconds), key frames, what is sent again. Nor is passing packets between processes, beyond
 * what the measured costs hold of it: a call that does not fit one core costs somewhat more than this says. */
#ifndef PARLEY_TOOLS_PLAN_H
#define PARLEY_TOOLS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

struct plan_kind {
	unsigned people;
	unsigned unmuted, cameras, screens; /* at most people */
	unsigned tiles;			    /* pictures that each sees at a time, screens among them */
	unsigned tile_height;		    /* 0: 720 lines divided by the rows of tiles */
	unsigned fps, screen_fps;
	unsigned audio_bps, screen_bps; /* bits of payload a second */
};

struct plan_costs {
	double out_us, in_us; /* CPU time of a media process for a packet */
};

struct plan_machine {
	unsigned mediads, cores, workers;
	double budget;		 /* share of a core that a media process may use: media.budget_percent, 1 without */
	double nic_bps;		 /* of what the network takes in one direction; 0: not known */
	double memory_bytes;	 /* to be had; 0: not known */
	double member_bytes;	 /* that each person takes, in media process, worker and kernel */
	unsigned transports_max; /* a media process: media.max_transports */
	unsigned websockets_max; /* a worker: limits.websockets; 0: none */
	unsigned members_max;	 /* limits.call_members; 0: none */
};

/* Of one call, each second. */
struct plan_load {
	double in_packets, out_packets;
	double in_bps, out_bps; /* on the wire */
	double cores;		/* CPU time of media processes */
	double memory_bytes;
	unsigned seen;	 /* pictures that each sees */
	unsigned height; /* of the layer shown */
};

enum plan_limit {
	PLAN_CPU,
	PLAN_NIC_OUT,
	PLAN_NIC_IN,
	PLAN_MEMORY,
	PLAN_TRANSPORTS,
	PLAN_WEBSOCKETS,
	PLAN_MEMBERS,
	PLAN_LIMITS
};

struct plan {
	struct plan_load one;
	uint64_t calls; /* that fit; 0: not even one */
	enum plan_limit limit;
	/* What each limit alone would allow; UINT64_MAX: it is no limit or not known. */
	uint64_t allowed[PLAN_LIMITS];
};

#define PLAN_NIC_SHARE 0.9 /* of a network's speed: the rest is for bursts, and for everything that is not media */

struct plan_load plan_load(const struct plan_kind *kind, const struct plan_costs *costs, double member_bytes);
struct plan plan_make(const struct plan_kind *kind, const struct plan_costs *costs, const struct plan_machine *machine);
/* What the layers of a camera need (web/src/call/layers.ts), and which of them a tile of that height gets. */
unsigned plan_layer_height(unsigned tile_height);
unsigned plan_layer_bps(unsigned height);
/* "the media processes' CPU time" … */
const char *plan_limit_name(enum plan_limit limit);
/* For programs: "cpu", "nic_out" … */
const char *plan_limit_key(enum plan_limit limit);

#endif
