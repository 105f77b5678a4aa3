/* shm/directory.h - which person is connected to which worker.
 *
 * One section per worker, written by that worker alone and mapped read-only by the others; a lookup asks
 * every section. A section whose epoch is not that of its worker's present incarnation (stats) counts
 * as empty; a starting worker clears its own.
 *
 * Entry protocol: what changes while a person is there is one word, so nobody ever waits for it. Only when
 * an entry that nobody has goes to another person (or to nobody), the words of the id change, under a
 * sequence number: the writer makes seq odd (release fence, R2), writes, makes it even (release, R1); a reader
 * loads seq (acquire, A1), copies the words, fences (acquire, A2) and compares. An odd entry is nobody's, as
 * when its writer died or sleeps in between: the reader goes on with the next. All words are relaxed atomics.
 * R3 ↔ A3: a starting worker clears its section before it stores its epoch (release); readers load the epoch
 * (acquire) first.
 * Open addressing by id with at most 512 probes; tombstones are reused; capacity is fixed: -ENOSPC. */
#ifndef PARLEY_SHM_DIRECTORY_H
#define PARLEY_SHM_DIRECTORY_H

#include "lib/ids.h"
#include "shm/stats.h"

#define DIRECTORY_ENTRIES_DEFAULT 65536

/* So many devices of a person on one worker are told apart. */
#define DIRECTORY_DEVICES 4

/* away, busy and do-not-disturb are what the person's pages say; online is that there are any. */
enum presence { PRESENCE_OFFLINE, PRESENCE_ONLINE, PRESENCE_AWAY, PRESENCE_BUSY };

struct directory_entry {
	_Atomic uint32_t seq; /* odd while user changes */
	uint32_t reserved;
	_Atomic uint64_t user[2]; /* struct id as two words; zero = never used */
	_Atomic uint64_t value;	  /* presence as this worker knows it << 32 | connections; 0 = tombstone */
	_Atomic uint64_t devices; /* marks of up to DIRECTORY_DEVICES sign-ins, 16 bits each; 0 = none */
};
_Static_assert(sizeof(struct directory_entry) == 40, "layout");

struct directory_region {
	struct shm_header header;     /* epoch: the writing worker's */
	uint32_t entries SHM_ALIGNED; /* power of two; master writes once */
	uint8_t pad[SHM_LINE - 4];
	struct directory_entry entry[];
};

struct directory {
	unsigned self, workers;
	struct shm_map map[SHM_PROCESSES_MAX];
	struct directory_region *section[SHM_PROCESSES_MAX]; /* own one writable */
	uint32_t entries[SHM_PROCESSES_MAX];
	const struct stats_region *stats; /* for epochs */
};

/* master */

/* How many entries hold this many people at ease: a power of two, DIRECTORY_ENTRIES_DEFAULT at least and when people
 * is 0, which means that nobody knows. */
uint32_t directory_entries_for(uint32_t people);
int directory_create(const char *name, uint32_t entries, int *ret_fd);

/* fds[k] is worker k's section. Clears our own and stores our epoch in it. stats NULL (tests): every section
 * counts. */
int directory_attach(struct directory *dir, const int *fds, unsigned workers, unsigned self, uint32_t epoch,
		     const struct stats_region *stats);
void directory_detach(struct directory *dir);

/* Connections of this person on this worker, and what they say of him; 0 connections removes him.
 * -ENOSPC, -EINVAL (no id). */
int directory_set(struct directory *dir, const struct id *user, uint32_t connections, enum presence presence);
/* Bit k: worker k has connections of this person. */
uint64_t directory_find(const struct directory *dir, const struct id *user);
/* The person's presence over all workers: busy over online over away over offline. */
enum presence directory_presence(const struct directory *dir, const struct id *user);

/* The sign-ins behind the person's connections here, some of them several times (tabs of one browser).
 * -ENOENT: directory_set() comes first. */
int directory_set_devices(struct directory *dir, const struct id *user, const struct id *sign_ins, size_t len);
/* On how many devices the person is connected, over all workers; 0: nowhere. */
unsigned directory_devices(const struct directory *dir, const struct id *user);

#endif
