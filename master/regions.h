/* master/regions.h - all shared memory and doorbells: made at start, kept open until the end.
 *
 * Nodes are numbered workers first, then mediads. link[a][b] is what a writes and b reads; a reader's
 * read-only descriptor is opened when that reader is started (it survives nothing and needs not).
 *
 * Ownership: regions_close() closes and frees everything; the memory itself lives while a child maps it. */
#ifndef PARLEY_MASTER_REGIONS_H
#define PARLEY_MASTER_REGIONS_H

#include "lib/conf.h"
#include "lib/fdset.h"
#include "shm/stats.h"

struct regions {
	unsigned workers, mediads, nodes;
	int stats_fd, limits_fd, dtls_fd, tickets_fd;
	struct stats_map stats;
	int *bell;	/* nodes */
	int *link;	/* nodes × nodes */
	int *directory; /* workers */
	int *ring;	/* mediads */
	int *table;	/* mediads */
};

int regions_create(const struct conf *conf, unsigned workers, unsigned mediads, struct regions *ret_regions);
void regions_close(struct regions *regions);
/* Adds what a worker or a mediad gets (shm/layout.h); read-only copies are owned by the set. */
int regions_share_worker(const struct regions *regions, unsigned index, struct fdset *set);
int regions_share_mediad(const struct regions *regions, unsigned index, struct fdset *set);

#endif
