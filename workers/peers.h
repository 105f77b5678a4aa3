/* workers/peers.h - the links of this worker to the other workers and to the mediads, and its doorbell.
 *
 * In:   messages are popped in the loop's idle hook (the one of this process) and handed on: MSG_EVENT of a
 *       worker, put together from its fragments, to events_on_peer(); everything of a mediad to
 *       media_link_on_msg(). What was waiting when the worker started (from its predecessor's time) too.
 * Out:  pushed at once, bells are rung once a turn. Towards a mediad a full ring is the caller's business
 *       (-EAGAIN). Towards a worker PEERS_BACKLOG_MAX bytes are kept and sent later; beyond that an event is
 *       dropped and counted (events_dropped).
 * Also: peers_start() maps what all workers share: worker->directory and worker->limits.
 * Callers: the worker's only thread. */
#ifndef PARLEY_WORKERS_PEERS_H
#define PARLEY_WORKERS_PEERS_H

#include "lib/err.h"
#include "lib/ids.h"

#include <stddef.h>
#include <stdint.h>

struct peers;
struct worker;

#define PEERS_BACKLOG_MAX (1u << 20) /* per worker */

int peers_start(struct worker *worker, struct peers **ret_peers);
struct peers *peers_stop(struct peers *peers);

/* -EAGAIN: full; -ENODEV: no such mediad; -EMSGSIZE. */
int peers_to_mediad(struct peers *peers, unsigned k, uint16_t type, uint64_t corr, const void *payload, size_t len);
/* Free slots towards mediad k, for several messages or none; 0 when there is no such mediad. */
uint32_t peers_mediad_room(struct peers *peers, unsigned k);
/* A payload for events_on_peer() there, of up to MSG_EVENT_MAX bytes. -EAGAIN: dropped; -EMSGSIZE; -ENODEV. */
int peers_to_worker(struct peers *peers, unsigned k, const void *data, size_t len);
/* A number for corr: epoch << 32 | counter. */
uint64_t peers_corr(struct peers *peers);

/* The people that this worker's predecessor had on its WebSockets when it died; NULL and 0 the first time. The
 * array stays the layer's. events.c tells their contacts when they do not come back. */
const struct id *peers_orphans(const struct peers *peers, size_t *ret_len);

#endif
