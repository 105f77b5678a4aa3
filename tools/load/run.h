/* tools/load/run.h - one run of a scenario, from the first sign-in to the last figure.
 *
 *   SIGN_IN ▶ CONTACTS ▶ CALL ▶ JOIN ▶ WATCH ▶ SETTLE ▶ PROBE ▶ MEASURE ▶ DRAIN ▶ END ▶ DELETE ▶ over
 *
 *   JOIN      everybody but the probes joins, so many a second
 *   WATCH     only with a server where publishing and watching are two steps: all who are there watch
 *   PROBE     the probes join one after the other while nobody speaks: what does a join cost the joiner, and the
 * others? MEASURE   media count; people who publish speak in turns DRAIN     nothing new is sent; what is missing after
 * that is lost
 *
 * Who fails is counted and left out; a run whose hosts fail, or a phase that lasts too long, ends it. */
#ifndef PARLEY_LOAD_RUN_H
#define PARLEY_LOAD_RUN_H

#include "tools/load/outside.h"
#include "tools/load/person.h"

#define RUN_PIDS_MAX   64
#define RUN_PROBES_MAX 16

struct run_options {
	const char *url, *scenario, *tokens, *admin;
	bool insecure, json, verbose;
	unsigned people;     /* in all */
	unsigned call_size;  /* of each call */
	unsigned publishers; /* of each call */
	unsigned tiles, tile_height;
	unsigned seconds, turn_ms; /* turn_ms 0: all who publish speak all the time */
	unsigned probes;
	unsigned joins_per_second, connections;
	unsigned speakers; /* with turn_ms 0: the first so many of each call speak */
	unsigned fps, height, bitrate, layers, payload;
	bool audio, video, burst, janus;
	unsigned pids_len;
	int pid[RUN_PIDS_MAX];
};

/* One turn of one call: who speaks, and who has seen it. */
struct turn {
	uint64_t number;
	struct person *speaker;
	int64_t began_us;
	unsigned expected, seen;
	int64_t first_us, last_us; /* from its first loud packet to the first, and to the last tile */
};

struct call_of_run {
	unsigned first, len; /* of people->person; the first is the host */
	unsigned next_speaker;
	struct turn turn;
};

/* What one more person in the call cost. */
struct probe {
	unsigned there;		       /* people in the call before */
	struct traffic joiner, others; /* others: the sum over them */
	unsigned others_len;
	unsigned offer_bytes, answer_bytes;
	int64_t took_us; /* until the keys were there */
};

struct run_figures {
	unsigned failed, connected;
	double seconds;			 /* of MEASURE */
	struct receiver_counts received; /* of MEASURE and DRAIN; gaps, replayed: since the join */
	struct publisher_counts sent;
	struct histogram delay, join, picture, switched;
	uint64_t turns, switches_expected, switches_missed, shown_before;
	unsigned exchanges_min, exchanges_max;
	uint64_t exchanges;
	unsigned probes;
	struct probe probe[RUN_PROBES_MAX];
	struct outside outside; /* of MEASURE */
	struct histogram late;	/* how late parley-load did in MEASURE what was to be done, in us */
	unsigned gcm;		/* people who receive with AES-GCM; the others do with AES-CM and SHA-1 */
	uint64_t ws_lost, media_lost;
};

struct run;

/* -errno with a line to stderr: the settings make no run. */
int run_new(const struct run_options *options, struct run **ret_run);
struct run *run_free(struct run *run);
/* Until the end, or until *stop. 0, or -errno with a line to stderr. */
int run_go(struct run *run, const volatile int *stop);
const struct run_figures *run_figures(const struct run *run);
const struct people *run_people(const struct run *run);

#endif
