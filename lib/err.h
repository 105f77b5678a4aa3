/* lib/err.h - the project's rule for results.
 *
 * A function that can fail returns 0 or a negative errno value. What it produces comes last, in
 * parameters called ret_x, which stay untouched on failure. lib/ and shm/ return and stay silent;
 * the caller that knows whom it was for logs once. */
#ifndef PARLEY_LIB_ERR_H
#define PARLEY_LIB_ERR_H

#include <errno.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

/* Branch hints for the packet path only. */
#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

#endif
