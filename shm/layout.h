/* shm/layout.h - what every shared region begins with, and how regions are made and mapped.
 *
 * A region is a sealed memfd (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) of fixed size. The master makes
 * it, formats it and keeps it open; a child's death frees nothing. Inside there are fixed-width fields and
 * offsets, never pointers.
 *
 * Each region has one writer, or its fields say who writes which. Readers map it read-only from a
 * descriptor that was opened O_RDONLY. Mapping checks magic, layout version and size: -EPROTO.
 *
 * Names of descriptors handed to children (lib/fdset.h); i is the child's own index, k a peer's:
 *   conf                    settings as INI text (memfd)
 *   stats                   struct stats_region; writable, each process writes its own slot only
 *   bell                    own eventfd; bell.w.K, bell.m.K: those of worker K and mediad K
 *   link.out.w.K            link written by us, towards worker K (writable)
 *   link.in.w.K             link written by worker K, towards us (read-only)
 *   link.out.m.K link.in.m.K   the same for mediad K
 * worker:  dir.own          own directory section (writable)
 *          dir.K            section of worker K (read-only)
 *          limits           rate-limit buckets, shared by all workers (writable)
 *          https.K redirect.K admin.K    listening sockets
 *          tls_cert tls_key     PEM texts (memfds); tickets: 96 bytes of session ticket keys (memfd)
 * mediad:  table            own session table (writable)
 *          ring.own         own media ring (writable); ring.K: that of mediad K (read-only)
 *          udp.K            UDP sockets, one per local address, K = 0, 1, …
 *          tcp.K            the listening TCP socket of the same address and port; any of them may be missing
 *          advertise        text, one "ADDRESS:PORT" per line, in the order of the UDP sockets, then one
 *                           "tcp ADDRESS:PORT" per TCP candidate (memfd)
 *          dtls             PEM certificate and key for DTLS (memfd); the same for all mediads
 * Arguments: `parley-worker 0` / `parley-mediad 0`, so that ps shows which one it is. Environment:
 *   PARLEY_EPOCH  this incarnation's number (rises by one at every start of that slot)
 *   PARLEY_WORKERS, PARLEY_MEDIADS  how many there are */
#ifndef PARLEY_SHM_LAYOUT_H
#define PARLEY_SHM_LAYOUT_H

#include "lib/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHM_LINE	  64
#define SHM_ALIGNED	  __attribute__((aligned(SHM_LINE)))
#define SHM_PROCESSES_MAX 64 /* workers, and mediads, each */

/* Raised whenever any struct in shm/ changes its meaning. */
#define SHM_LAYOUT_VERSION 3

enum shm_magic {
	SHM_MAGIC_STATS = 0x50535431, /* "PST1" */
	SHM_MAGIC_LINK = 0x504c4e31,
	SHM_MAGIC_RING = 0x50524e31,
	SHM_MAGIC_TABLE = 0x50544231,
	SHM_MAGIC_DIRECTORY = 0x50444931,
	SHM_MAGIC_LIMITS = 0x504c4d31,
};

struct shm_header {
	uint32_t magic;	 /* master writes once */
	uint32_t layout; /* SHM_LAYOUT_VERSION; master writes once */
	uint64_t size;	 /* bytes of the region; master writes once */
	/* incarnation of the writing process; it stores its own at attach */
	_Atomic uint32_t epoch;
	uint32_t reserved[11];
};
_Static_assert(sizeof(struct shm_header) == SHM_LINE, "one line");

/* A mapped region. */
struct shm_map {
	void *base;
	size_t size;
	bool writable;
};

/* master: a zeroed memfd of size bytes with its header written, sealed against resizing. */
int shm_create(const char *name, uint32_t magic, size_t size, int *ret_fd);
/* master: the same memory opened read-only, for readers. */
int shm_reopen_readonly(int fd, int *ret_fd);
/* Maps and checks the header; min_size guards the caller's struct. fd stays the caller's.
 * -EPROTO: not this magic, another layout, or too small; -errno of mmap. */
int shm_attach(int fd, uint32_t magic, size_t min_size, bool writable, struct shm_map *ret_map);
void shm_detach(struct shm_map *map);

/* A sealed read-only text or blob (conf, PEM): master makes it, a child reads it whole. */
int shm_blob_create(const char *name, const void *data, size_t len, int *ret_fd);
/* malloc'ed, NUL-terminated; -EFBIG over max. */
int shm_blob_read(int fd, size_t max, char **ret_data, size_t *ret_len);

#endif
