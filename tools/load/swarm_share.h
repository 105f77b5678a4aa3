/* tools/load/swarm_share.h - processes that keep a swarm's pages: one may not open as many files as there are pages.
 *
 * Each is forked when the people are known, keeps every page whose number is its own modulo the shares, and shares one
 * struct with its parent, who says what to do and reads how it stands; every field has one writer. Histograms are read
 * when nothing is being added: after a phase.
 *
 * Callers:   the parent's only thread. A share ends with its parent. */
#ifndef PARLEY_LOAD_SWARM_SHARE_H
#define PARLEY_LOAD_SWARM_SHARE_H

#include "tools/load/swarm_people.h"

#include <stdatomic.h>
#include <sys/types.h>

#define SHARES_MAX 256

struct share_region {
	/* the parent writes; R1: `number` last, pairs with A1 in the share's on_event(): kind and said_us are there */
	_Atomic uint32_t join; /* so many of all pages may have begun */
	_Atomic uint32_t cuts; /* one more: all connections break now */
	_Atomic uint32_t stop;
	_Atomic uint32_t kind, number; /* what is said to all now; number 0: nothing yet */
	_Atomic int64_t said_us;
	/* the share writes */
	_Atomic uint64_t open, opened, attempts, resumed, lost;
	_Atomic uint64_t heard, twice; /* of all messages */
	_Atomic int64_t heard_us;      /* the last time for the first time */
	_Atomic uint64_t own_kib;
	struct histogram hello, took[SWARM_KINDS];
	char error[160]; /* of the last attempt that failed */
};

/* All of them together. */
struct shares_sum {
	uint64_t open, opened, attempts, resumed, lost, heard, twice;
	int64_t heard_us;
	double own_kib;
};

struct shares {
	unsigned len;
	pid_t pid[SHARES_MAX];
	struct share_region *region; /* len of them */
};

struct shares_config {
	const struct pages *pages; /* ws, per_source, source */
	struct swarm_people *people;
	unsigned websockets;
};

/* per_share: pages that one process may have. -ENOSPC, -errno. */
int shares_start(struct shares *shares, const struct shares_config *config, unsigned per_share);
void shares_join(struct shares *shares, unsigned pages);
void shares_cut(struct shares *shares);
/* This was said, or is about to be. */
void shares_said(struct shares *shares, enum swarm_kind kind, uint32_t number, int64_t now_us);
void shares_read(const struct shares *shares, struct shares_sum *ret);
void shares_hello(const struct shares *shares, struct histogram *ret);
void shares_took(const struct shares *shares, enum swarm_kind kind, struct histogram *ret);
/* "" when none failed. */
const char *shares_error(const struct shares *shares);
/* Have any ended by themselves? */
bool shares_died(const struct shares *shares);
/* Closes all pages, and waits until that is done. */
void shares_stop(struct shares *shares);

#endif
