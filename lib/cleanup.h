/* lib/cleanup.h - locals that clean up after themselves.
 *
 *     auto_close int fd = open(...);
 *     auto_free char *name = strdup(...);
 *     return STEAL_FD(fd);          hand it on: the local becomes -1 and nothing is closed
 */
#ifndef PARLEY_LIB_CLEANUP_H
#define PARLEY_LIB_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define auto_close  __attribute__((cleanup(cleanup_close)))
#define auto_free   __attribute__((cleanup(cleanup_free)))
#define auto_fclose __attribute__((cleanup(cleanup_fclose)))

#define STEAL_FD(fd)                   \
	__extension__({                \
		int stolen_fd_ = (fd); \
		(fd) = -1;             \
		stolen_fd_;            \
	})

#define STEAL_PTR(p)                             \
	__extension__({                          \
		__typeof__(p) stolen_ptr_ = (p); \
		(p) = NULL;                      \
		stolen_ptr_;                     \
	})

#endif
