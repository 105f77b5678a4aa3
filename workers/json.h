/* workers/json.h - strict JSON in, JSON out.
 *
 * In:  json_parse() (yajl underneath) builds a tree in the request's arena. Refused beyond the grammar:
 *      duplicate keys, U+0000, lone surrogates, invalid UTF-8, numbers outside int64/double, depth > 16,
 *      anything after the document, an unfinished document.
 * Out: struct json_out writes into a buf; text is escaped, commas are its business.
 *
 * Fields: json_fields() checks an object against a table: unknown names, wrong types, missing ones and
 *      lengths give an error that names the field, ready for reply_problem(). */
#ifndef PARLEY_WORKERS_JSON_H
#define PARLEY_WORKERS_JSON_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/ids.h"

#include <stdbool.h>
#include <stdint.h>

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_DOUBLE, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	const char *key; /* inside an object; NUL-terminated */
	union {
		bool boolean;
		int64_t integer;
		double real;
		struct {
			const char *text; /* NUL-terminated UTF-8 without U+0000 */
			size_t len;	  /* bytes */
		} string;
		struct {
			struct json *first; /* linked by next */
			size_t len;
		} list; /* arrays and objects */
	};
	struct json *next;
};

struct json_error {
	const char *code;   /* invalid_json, unknown_field, invalid_field */
	const char *field;  /* NULL or the field's name, in the arena */
	const char *detail; /* one sentence, in the arena */
};

/* -EINVAL with *ret_error; -ENOMEM. Also a fuzz target. */
int json_parse(struct arena *arena, const char *text, size_t len, struct json **ret_doc, struct json_error *ret_error);
const struct json *json_get(const struct json *object, const char *key);
/* Number of Unicode code points in a string value. */
size_t json_text_length(const struct json *string);

enum json_field_kind {
	FIELD_STRING, /* const char *; min and max count code points */
	FIELD_BOOL,   /* bool */
	FIELD_INT,    /* int64_t; min and max are the range */
	FIELD_ID,     /* struct id */
	FIELD_IDS,    /* struct json_ids; min and max count items */
	FIELD_OBJECT, /* const struct json * */
	FIELD_ARRAY,  /* const struct json * */
};

struct json_ids {
	struct id *item;
	size_t len;
};

/* max 0: no upper bound; FIELD_INT with min and max 0: any number. */
struct json_field {
	const char *name;
	enum json_field_kind kind;
	bool required;
	int64_t min, max;
	void *ret;	   /* written only when the field is present and not null */
	bool *ret_present; /* may be NULL; null counts as absent unless required; absent writes false */
};

/* All of doc (an object) against the table. -EINVAL with *ret_error, -ENOMEM. */
int json_fields(struct arena *arena, const struct json *doc, const struct json_field *fields, size_t fields_len,
		struct json_error *ret_error);

struct json_out {
	struct buf *buf;
	unsigned depth;
	bool need_comma;
};

void json_out_init(struct json_out *o, struct buf *buf);
/* key is NULL inside arrays and at the top. */
void json_out_object(struct json_out *o, const char *key);
void json_out_object_end(struct json_out *o);
void json_out_array(struct json_out *o, const char *key);
void json_out_array_end(struct json_out *o);
void json_out_string(struct json_out *o, const char *key, const char *text); /* NULL text: null */
void json_out_string_n(struct json_out *o, const char *key, const char *text, size_t len);
void json_out_int(struct json_out *o, const char *key, int64_t value);
void json_out_bool(struct json_out *o, const char *key, bool value);
void json_out_id(struct json_out *o, const char *key, const struct id *id);
void json_out_null(struct json_out *o, const char *key);
void json_out_raw(struct json_out *o, const char *key, const char *json, size_t len);

#endif
