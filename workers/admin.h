/* workers/admin.h - the admin listener (loopback or unix socket): plain HTTP for probes and Prometheus.
 *
 *     /healthz   200 while the loop turns
 *     /readyz    200 when requests can be served: the database is up and the worker does not drain; else 503
 *     /metrics   the stats region of all processes as Prometheus text
 *
 *     /admin/v1  administration: admin_api.h
 *
 * The listener is shared: any worker answers, and for /metrics each says the same. */
#ifndef PARLEY_WORKERS_ADMIN_H
#define PARLEY_WORKERS_ADMIN_H

#include "lib/buf.h"
#include "shm/stats.h"

struct request;

void admin_dispatch(struct request *req);
/* All metrics; for admin.c and its test. */
void admin_metrics(const struct stats_region *stats, struct buf *ret_text);

#endif
