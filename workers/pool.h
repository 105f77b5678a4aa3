/* workers/pool.h - a few threads for what would stop the loop: password hashing.
 *
 * Threads:   half the cores, shared out over the workers, at least one each; nice, so that media and requests come
 *            first and people can sign in all the same while all cores are busy. All signals are blocked in them.
 * Order:     first in, first out. The queue is bounded: -EAGAIN, answered 503 overloaded.
 * Ownership: work() runs on a thread and touches nothing but arg; done() runs on the loop, exactly once for
 *            each accepted job, also when the pool stops (work may then not have run: ran is false). */
#ifndef PARLEY_WORKERS_POOL_H
#define PARLEY_WORKERS_POOL_H

#include "lib/err.h"

#include <stdbool.h>

struct pool;
struct worker;

#define POOL_QUEUE_MAX 64

typedef void pool_work(void *arg);
typedef void pool_done(void *arg, bool ran);

int pool_start(struct worker *worker, struct pool **ret_pool);
struct pool *pool_stop(struct pool *pool);
int pool_submit(struct pool *pool, pool_work *work, pool_done *done, void *arg);

#endif
