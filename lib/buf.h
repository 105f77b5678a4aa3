/* lib/buf.h - a growing run of bytes.
 *
 * Ownership: buf_fini() frees; a zeroed struct buf is a valid empty one. data is NULL while cap is 0.
 * Errors:    the first failed allocation sets `failed`, later appends do nothing; check once at the end. */
#ifndef PARLEY_LIB_BUF_H
#define PARLEY_LIB_BUF_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;
	size_t len, cap;
	bool failed;
};

void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* len = 0, failed = false; memory is kept */
/* Room for n more bytes at data + len, or NULL. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_append(struct buf *b, const void *data, size_t len);
void buf_append_str(struct buf *b, const char *s);
void buf_append_char(struct buf *b, char c);
void buf_appendf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_consume(struct buf *b, size_t n); /* drops the first n bytes */

#endif
