/* lib/conf_value.h - one value of the settings file: from text into its field of struct conf and back.
 *
 * Callers:   conf.c alone.
 * Ownership: a string in a field is malloc'ed; parsing frees the one it replaces.
 * Errors:    -EINVAL with a reason that completes "media.port: …"; -ENOMEM. The field stays untouched. */
#ifndef PARLEY_LIB_CONF_VALUE_H
#define PARLEY_LIB_CONF_VALUE_H

#include "lib/conf.h"

enum conf_type {
	CONF_TYPE_STRING,  /* char * */
	CONF_TYPE_STRINGS, /* struct conf_strings */
	CONF_TYPE_ADDRS,   /* struct conf_addrs */
	CONF_TYPE_UINT,	   /* unsigned */
	CONF_TYPE_U16,	   /* uint16_t */
	CONF_TYPE_U32,	   /* uint32_t */
	CONF_TYPE_WORD,	   /* an enum (int), by its word */
	CONF_TYPE_PIN,	   /* pin, pin_len and pin_none of struct conf.media; the offset is that of pin */
};

enum conf_value_flags {
	CONF_AUTO_IS_0 = 1,	  /* "auto" is the number 0, or the empty list */
	CONF_POWER_OF_2 = 2,	  /* numbers */
	CONF_PORT_REQUIRED = 4,	  /* addresses */
	CONF_PORT_FORBIDDEN = 8,  /* addresses */
	CONF_ZERO_ALLOWED = 0x10, /* 0 besides min … max */
};

struct conf_word {
	const char *word; /* NULL ends the list */
	int value;
};

struct conf_key {
	const char *section, *name;
	enum conf_type type;
	size_t offset; /* in struct conf */
	const char *standard;
	unsigned roles; /* bits of enum conf_role */
	unsigned flags;
	uint64_t min, max;
	const struct conf_word *words;
};

int conf_value_parse(struct conf *conf, const struct conf_key *key, const char *text, size_t len, char *reason,
		     size_t reason_len);
void conf_value_format(const struct conf *conf, const struct conf_key *key, struct buf *ret_text);
void conf_value_fini(struct conf *conf, const struct conf_key *key);

#endif
