/* lib/nack.h - what is missing of one incoming stream, and when to ask for it again.
 *
 * A gap is asked for after a short wait for packets that were merely overtaken (5 ms, more once overtaking
 * was seen, 50 ms at most), then once per round trip, NACK_TRIES_MAX times or for NACK_AGE_US.
 * The first packet may have overtaken others: what comes late from shortly before it is taken, and not asked for.
 * Indexes are SRTP's: ROC << 16 | sequence number. Pure. */
#ifndef PARLEY_LIB_NACK_H
#define PARLEY_LIB_NACK_H

#include "lib/clock.h"
#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>

#define NACK_MAX       256
#define NACK_TRIES_MAX 10
#define NACK_AGE_US    (2 * USEC_PER_SEC)
#define NACK_NEVER_DUE INT64_MAX

struct nack_entry {
	uint64_t index;
	int64_t missed_us; /* when the gap was seen */
	int64_t due_us;
	int64_t sent_us; /* 0 = not asked for yet */
	unsigned tries;
};

struct nack {
	bool started;
	uint64_t highest;
	uint64_t first;	       /* what it began with, last after a jump; */
	uint32_t before;       /* those that came late from before it: bit i = first − 1 − i */
	int64_t reorder_us;    /* how long to wait for overtaken packets */
	int64_t round_trip_us; /* the last one measured by an answer to a first request; 0 = none */
	size_t len;
	struct nack_entry entry[NACK_MAX]; /* rising index */
};

enum nack_verdict {
	NACK_NEW,	/* the highest so far */
	NACK_RECOVERED, /* one that was missing, or that the first one overtook */
	NACK_DUPLICATE, /* had it, or gave it up */
	NACK_JUMP,	/* so far ahead that nothing before it will be asked for */
};

void nack_init(struct nack *nack);
enum nack_verdict nack_on_rtp(struct nack *nack, uint64_t index, bool retransmitted, int64_t now_us);
int64_t nack_due_us(const struct nack *nack);
/* Sequence numbers to ask for now, rising; what is too old leaves the list. */
size_t nack_collect(struct nack *nack, int64_t now_us, int64_t rtt_us, uint64_t *ret_index, size_t max);

#endif
