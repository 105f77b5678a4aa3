/* workers/worker.h - what the parts of one worker share.
 *
 * One worker = one process, one thread, one loop. main.c fills this once and starts the parts in the
 * order of the fields; every part gets the struct worker and uses the parts above its own. */
#ifndef PARLEY_WORKERS_WORKER_H
#define PARLEY_WORKERS_WORKER_H

#include "lib/conf.h"
#include "lib/fdset.h"
#include "lib/loop.h"
#include "shm/stats.h"

#include <stdbool.h>

struct db;	   /* db.h: PostgreSQL */
struct pool;	   /* pool.h: threads for password hashing */
struct directory;  /* shm/directory.h: who is connected where; attached by peers_start() */
struct limits;	   /* shm/limits.h: rate limits; attached by peers_start() */
struct peers;	   /* peers.h: links to other workers and to the mediads, doorbell */
struct events;	   /* events.h: WebSockets of signed-in people, delivery of events */
struct sweeper;	   /* sweeper.h: deadlines of calls */
struct media_link; /* media_link.h: transports on the mediads */
struct server;	   /* server.h: listeners, TLS, HTTP */
struct assets;	   /* assets.h: the built page in memory */

struct worker {
	unsigned index;		   /* 0 … workers - 1 */
	unsigned workers, mediads; /* how many there are */
	uint32_t epoch;		   /* incarnation, from the master */
	struct conf conf;
	struct fdset fds; /* as received; each part takes its own */
	struct loop *loop;
	struct stats_map stats;	       /* the whole region; own slot is writable */
	struct stats_worker *counters; /* own slot */
	struct peers *peers;
	struct directory *directory;
	struct limits *limits;
	struct pool *pool;
	struct db *db;
	struct events *events;
	struct media_link *media;
	struct sweeper *sweeper;
	struct assets *assets;
	struct server *server;
	bool draining; /* SIGTERM: no new connections, WebSockets told to move, then stop */
};

#endif
