/* lib/arena.h - memory that is dropped in one go, as a request's is with its reply.
 *
 * Ownership: everything handed out belongs to the arena and ends with arena_fini().
 * Errors:    NULL when memory is out or the limit is reached. A zeroed struct with limit set is ready. */
#ifndef PARLEY_LIB_ARENA_H
#define PARLEY_LIB_ARENA_H

#include "lib/err.h"

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t used, limit; /* bytes; limit 0 = none */
};

void arena_fini(struct arena *a);
/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *a, size_t len);
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
