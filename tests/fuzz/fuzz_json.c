/* links: workers */
#include "lib/utf8.h"
#include "workers/json.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void write_value(struct json_out *o, const struct json *v, unsigned depth)
{
	assert(depth <= 16);
	switch (v->type) {
	case JSON_STRING:
		assert(strlen(v->string.text) == v->string.len && utf8_valid(v->string.text, v->string.len));
		json_out_string_n(o, v->key, v->string.text, v->string.len);
		break;
	case JSON_INT:
		json_out_int(o, v->key, v->integer);
		break;
	case JSON_BOOL:
		json_out_bool(o, v->key, v->boolean);
		break;
	case JSON_NULL:
	case JSON_DOUBLE:
		json_out_null(o, v->key);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		(v->type == JSON_ARRAY ? json_out_array : json_out_object)(o, v->key);
		for (const struct json *m = v->list.first; m; m = m->next) {
			assert((m->key != NULL) == (v->type == JSON_OBJECT));
			write_value(o, m, depth + 1);
		}
		(v->type == JSON_ARRAY ? json_out_array_end : json_out_object_end)(o);
		break;
	}
}

/* What was read can be written, and what was written can be read. */
static void round_trip(struct arena *arena, const struct json *doc)
{
	struct buf text = { 0 };
	struct json_out o;
	struct json_error error;
	struct json *again;

	json_out_init(&o, &text);
	write_value(&o, doc, 0);
	int err = json_parse(arena, (const char *)text.data, text.len, &again, &error);
	assert(err == 0 && (again->type == doc->type || doc->type == JSON_DOUBLE));
	buf_fini(&text);
}

static void check_fields(struct arena *arena, const struct json *doc)
{
	const char *name = NULL;
	int64_t n = 0;
	bool yes = false;
	struct id id = { { 0 } };
	struct json_ids ids = { 0 };
	struct json_error error = { 0 };
	const struct json_field fields[] = {
		{ "name", FIELD_STRING, true, 1, 64, &name, NULL }, { "n", FIELD_INT, false, 0, 100, &n, NULL },
		{ "yes", FIELD_BOOL, false, 0, 0, &yes, NULL },	    { "id", FIELD_ID, false, 0, 0, &id, NULL },
		{ "ids", FIELD_IDS, false, 1, 8, &ids, NULL },
	};

	int err = json_fields(arena, doc, fields, ARRAY_LEN(fields), &error);
	assert(err == 0 ? name && ids.len <= 8 : error.code && error.detail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena arena = { 0 };
	struct json_error error = { 0 };
	struct json *doc = NULL;

	if (json_parse(&arena, (const char *)data, len, &doc, &error) == 0) {
		round_trip(&arena, doc);
		check_fields(&arena, doc);
	} else {
		assert(error.code && error.detail);
	}
	arena_fini(&arena);
	return 0;
}
