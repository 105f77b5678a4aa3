/* tests/support/oom.h - lets the n-th allocation from now on fail, once. Include it in one test file; the
 * allocator of the whole program goes through it then. Built with sanitizers, which have allocators of their
 * own, oom_possible() is false and nothing fails. */
#ifndef PARLEY_TESTS_OOM_H
#define PARLEY_TESTS_OOM_H

#include <stdbool.h>
#include <stddef.h>

static int oom_countdown; /* 0: never */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

static inline bool oom_possible(void)
{
	return false;
}

#else

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t m);
void *__libc_realloc(void *p, size_t n);
void *malloc(size_t n);
void *calloc(size_t n, size_t m);
void *realloc(void *p, size_t n);

static inline bool oom_possible(void)
{
	return true;
}

static inline bool oom_now(void)
{
	return oom_countdown > 0 && --oom_countdown == 0;
}

void *malloc(size_t n)
{
	return oom_now() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t m)
{
	return oom_now() ? NULL : __libc_calloc(n, m);
}

void *realloc(void *p, size_t n)
{
	return oom_now() ? NULL : __libc_realloc(p, n);
}

#endif

#endif
