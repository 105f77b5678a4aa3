/* lib/fdset.h - descriptors that are handed to an exec'd child, by number with names.
 *
 * The master adds what a child shall have and calls fdset_exec_prepare() between fork and exec: the
 * descriptors become 3, 4, 5… (3 is the first one added), everything else is closed, and the variable
 * PARLEY_FDS holds "name:name:…" in that order. The child calls fdset_receive() first thing and takes
 * each by its name; taken descriptors are close-on-exec.
 *
 * Names: [a-z0-9._-], e.g. "conf", "stats", "udp.0", "link.out.2". A name may occur once.
 * Callers: one thread. fdset_exec_prepare() is async-signal-safe enough for after fork(): it does not
 * allocate. Errors: -EINVAL (name), -EEXIST, -ENOSPC (FDSET_MAX), -ENOENT, -EBADF. */
#ifndef PARLEY_LIB_FDSET_H
#define PARLEY_LIB_FDSET_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>

#define FDSET_MAX      512
#define FDSET_NAME_MAX 31
#define FDSET_ENV      "PARLEY_FDS"

struct fdset_entry {
	char name[FDSET_NAME_MAX + 1];
	int fd;
	bool owned; /* close with the set */
};

struct fdset {
	struct fdset_entry entry[FDSET_MAX];
	size_t len;
	char env[FDSET_MAX * (FDSET_NAME_MAX + 1) + sizeof(FDSET_ENV) + 1];
};

/* Borrowed: the caller goes on owning fd. */
int fdset_add(struct fdset *set, int fd, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Moves every descriptor to its number, closes all others above 2, and returns the "PARLEY_FDS=…"
 * string (inside set) to put into the child's environment; NULL on error. */
char *fdset_exec_prepare(struct fdset *set);

/* Reads PARLEY_FDS and unsets it. */
int fdset_receive(struct fdset *ret_set);
/* The descriptor of that name, now the caller's; -ENOENT. */
int fdset_take(struct fdset *set, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool fdset_has(const struct fdset *set, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Closes what was received and not taken. */
void fdset_close_rest(struct fdset *set);

#endif
