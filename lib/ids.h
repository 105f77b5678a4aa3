/* lib/ids.h - identifiers, randomness and their texts.
 *
 * A struct id is 16 bytes: an RFC 9562 UUID where people or the database see it, plain random bytes
 * elsewhere. All-zero means "none". */
#ifndef PARLEY_LIB_IDS_H
#define PARLEY_LIB_IDS_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct id {
	uint8_t b[16];
};

#define ID_TEXT_LEN 36 /* without the NUL */

static inline bool id_equal(const struct id *a, const struct id *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static inline bool id_is_none(const struct id *a)
{
	static const struct id none;
	return id_equal(a, &none);
}

/* From the kernel's generator; aborts the process when that fails, since nothing safe can follow. */
void random_bytes(void *ret, size_t len);
/* A version 4 UUID. */
struct id id_random(void);
/* Exactly 36 characters, either case; -EINVAL otherwise. */
int id_parse(const char *text, size_t len, struct id *ret_id);
/* Writes 36 lower-case characters and a NUL; returns buf. */
const char *id_format(const struct id *id, char buf[ID_TEXT_LEN + 1]);
/* Lower-case hex; buf holds 2 * len + 1. */
const char *hex_format(const void *data, size_t len, char *buf);
/* len bytes from 2 * len hex digits (with or without ':' between pairs); -EINVAL. */
int hex_parse(const char *text, size_t text_len, void *ret, size_t len);
/* FNV-1a with a final mix: for tables whose keys strangers cannot choose. */
uint64_t hash_bytes(const void *data, size_t len);

#endif
