#include "workers/json.h"

#include "lib/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#define JSON_DEPTH_MAX	 16
#define JSON_MEMBERS_MAX 256 /* of one object: duplicate keys are looked for one by one */

struct level {
	struct json *container;
	struct json *last;
};

struct builder {
	struct arena *arena;
	struct json *root;
	struct level level[JSON_DEPTH_MAX];
	unsigned depth;
	const char *key; /* of the member to come */
	struct json_error error;
	int err; /* why a callback stopped the parser */
};

static void error_set(struct json_error *error, const char *code, const char *field, const char *detail)
{
	*error = (struct json_error){ .code = code, .field = field, .detail = detail };
}

/* Callbacks return 0 to stop. */
static int stop(struct builder *b, const char *field, const char *detail)
{
	b->err = -EINVAL;
	error_set(&b->error, "invalid_json", field, detail);
	return 0;
}

static int stop_no_memory(struct builder *b)
{
	b->err = -ENOMEM;
	return 0;
}

static struct json *add(struct builder *b, enum json_type type)
{
	struct json *node = arena_alloc(b->arena, sizeof(*node));

	if (!node) {
		stop_no_memory(b);
		return NULL;
	}
	node->type = type;
	if (b->depth == 0) {
		b->root = node;
		return node;
	}
	struct level *level = &b->level[b->depth - 1];
	node->key = b->key;
	if (level->last)
		level->last->next = node;
	else
		level->container->list.first = node;
	level->last = node;
	level->container->list.len++;
	return node;
}

static int on_null(void *arg)
{
	return add(arg, JSON_NULL) != NULL;
}

static int on_boolean(void *arg, int value)
{
	struct json *node = add(arg, JSON_BOOL);

	if (node)
		node->boolean = value != 0;
	return node != NULL;
}

static int on_number(void *arg, const char *text, size_t len)
{
	struct builder *b = arg;
	bool whole = !memchr(text, '.', len) && !memchr(text, 'e', len) && !memchr(text, 'E', len);
	char *copy = arena_strndup(b->arena, text, len);
	struct json *node = copy ? add(b, whole ? JSON_INT : JSON_DOUBLE) : NULL;

	if (!node)
		return stop_no_memory(b);
	errno = 0;
	if (whole)
		node->integer = strtoll(copy, NULL, 10);
	else
		node->real = strtod(copy, NULL);
	if (whole ? errno == ERANGE : !isfinite(node->real))
		return stop(b, node->key, "A number is out of range.");
	return 1;
}

static int on_string(void *arg, const unsigned char *text, size_t len)
{
	struct builder *b = arg;
	char *copy = arena_strndup(b->arena, (const char *)text, len);
	struct json *node = copy ? add(b, JSON_STRING) : NULL;

	if (!node)
		return stop_no_memory(b);
	node->string.text = copy;
	node->string.len = len;
	return 1;
}

static int container_begin(struct builder *b, enum json_type type)
{
	if (b->depth == JSON_DEPTH_MAX)
		return stop(b, NULL, "The document is nested deeper than 16 levels.");
	struct json *node = add(b, type);
	if (!node)
		return 0;
	b->level[b->depth++] = (struct level){ .container = node };
	b->key = NULL;
	return 1;
}

static int container_end(void *arg)
{
	struct builder *b = arg;

	b->depth--;
	b->key = NULL;
	return 1;
}

static int on_start_map(void *arg)
{
	return container_begin(arg, JSON_OBJECT);
}

static int on_start_array(void *arg)
{
	return container_begin(arg, JSON_ARRAY);
}

static int on_map_key(void *arg, const unsigned char *text, size_t len)
{
	struct builder *b = arg;
	struct json *object = b->level[b->depth - 1].container;
	char *key = arena_strndup(b->arena, (const char *)text, len);

	if (!key)
		return stop_no_memory(b);
	if (object->list.len == JSON_MEMBERS_MAX)
		return stop(b, NULL, "An object has more than 256 members.");
	if (json_get(object, key))
		return stop(b, key, "A member occurs twice.");
	b->key = key;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_map,
	.yajl_map_key = on_map_key,
	.yajl_end_map = container_end,
	.yajl_start_array = on_start_array,
	.yajl_end_array = container_end,
};

static int hex4(const char *p, const char *end, unsigned *ret)
{
	unsigned v = 0;

	if (end - p < 4)
		return -EINVAL;
	for (int i = 0; i < 4; i++) {
		unsigned c = (unsigned char)p[i];
		if (c >= '0' && c <= '9')
			c -= '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			c = (c | 0x20) - 'a' + 10;
		else
			return -EINVAL;
		v = v << 4 | c;
	}
	*ret = v;
	return 0;
}

/* p stands behind "\u"; returns what is wrong with that character, or NULL and how much to skip. */
static const char *check_escape(const char *p, const char *end, size_t *ret_skip)
{
	unsigned unit, low;

	*ret_skip = 0;
	if (hex4(p, end, &unit) < 0)
		return NULL; /* yajl says what is wrong */
	*ret_skip = 4;
	if (unit == 0)
		return "A string holds the character U+0000.";
	if (unit < 0xd800 || unit > 0xdfff)
		return NULL;
	if (unit >= 0xdc00 || end - p < 10 || p[4] != '\\' || p[5] != 'u' || hex4(p + 6, end, &low) < 0 ||
	    low < 0xdc00 || low > 0xdfff)
		return "A string holds half a surrogate pair.";
	*ret_skip = 10;
	return NULL;
}

/* What yajl lets pass: it has to be seen before yajl unescapes it. */
static const char *check_text(const char *text, size_t len)
{
	const char *end = text + len;
	bool in_string = false;

	if (!utf8_valid(text, len))
		return "The body is not UTF-8.";
	for (const char *p = text; p < end; p++) {
		unsigned char c = (unsigned char)*p;
		size_t skip = 0;
		if (c < 0x20 && c != '\t' && c != '\r' && c != '\n')
			return "The body holds a control character.";
		if (c == '"') {
			in_string = !in_string;
		} else if (in_string && c == '\\' && p + 1 < end) {
			p++;
			const char *wrong = *p == 'u' ? check_escape(p + 1, end, &skip) : NULL;
			if (wrong)
				return wrong;
			p += skip;
		}
	}
	return NULL;
}

int json_parse(struct arena *arena, const char *text, size_t len, struct json **ret_doc, struct json_error *ret_error)
{
	struct builder b = { .arena = arena };
	const char *wrong = check_text(text, len);

	if (wrong) {
		error_set(ret_error, "invalid_json", NULL, wrong);
		return -EINVAL;
	}
	yajl_handle yajl = yajl_alloc(&callbacks, NULL, &b);
	if (!yajl)
		return -ENOMEM;
	yajl_status status = yajl_parse(yajl, (const unsigned char *)text, len);
	size_t consumed = yajl_get_bytes_consumed(yajl);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(yajl);
	yajl_free(yajl);
	if (status == yajl_status_ok && b.root && b.depth == 0) {
		*ret_doc = b.root;
		return 0;
	}
	if (b.err == 0) {
		char *detail = arena_printf(arena, "The body is not well-formed JSON (near byte %zu of %zu).",
					    MIN(consumed, len), len);
		error_set(&b.error, "invalid_json", NULL, detail ? detail : "The body is not well-formed JSON.");
		b.err = -EINVAL;
	}
	if (b.err == -EINVAL)
		*ret_error = b.error;
	return b.err;
}

const struct json *json_get(const struct json *object, const char *key)
{
	if (!object || object->type != JSON_OBJECT)
		return NULL;
	for (const struct json *m = object->list.first; m; m = m->next) {
		if (strcmp(m->key, key) == 0)
			return m;
	}
	return NULL;
}

size_t json_text_length(const struct json *string)
{
	size_t n = 0;

	if (string->type != JSON_STRING)
		return 0;
	for (size_t i = 0; i < string->string.len; i++)
		n += (string->string.text[i] & 0xc0) != 0x80;
	return n;
}

/* Fields. Each checker returns NULL, or what is wrong (in the arena or static). */

static const char *check_count(struct arena *arena, const struct json_field *f, size_t count, const char *unit)
{
	if ((int64_t)count >= f->min && (f->max == 0 || (int64_t)count <= f->max))
		return NULL;
	if (f->max == 0)
		return arena_printf(arena, "%s must have at least %lld %s.", f->name, (long long)f->min, unit);
	return arena_printf(arena, "%s must have %lld to %lld %s.", f->name, (long long)f->min, (long long)f->max,
			    unit);
}

static const char *check_ids(struct arena *arena, const struct json_field *f, const struct json *value, int *ret_err)
{
	const char *wrong = check_count(arena, f, value->list.len, "items");
	struct json_ids ids = { .len = value->list.len };
	size_t i = 0;

	if (wrong)
		return wrong;
	ids.item = arena_alloc(arena, sizeof(struct id) * MAX(ids.len, (size_t)1));
	if (!ids.item) {
		*ret_err = -ENOMEM;
		return NULL;
	}
	for (const struct json *m = value->list.first; m; m = m->next) {
		if (m->type != JSON_STRING || id_parse(m->string.text, m->string.len, &ids.item[i++]) < 0)
			return arena_printf(arena, "%s must be a list of ids.", f->name);
	}
	*(struct json_ids *)f->ret = ids;
	return NULL;
}

static const char *check_string(struct arena *arena, const struct json_field *f, const struct json *value)
{
	const char *wrong = check_count(arena, f, json_text_length(value), "characters");

	if (!wrong)
		*(const char **)f->ret = value->string.text;
	return wrong;
}

static const char *check_int(struct arena *arena, const struct json_field *f, const struct json *value)
{
	bool any = f->min == 0 && f->max == 0;

	if (!any && (value->integer < f->min || value->integer > f->max))
		return arena_printf(arena, "%s must be between %lld and %lld.", f->name, (long long)f->min,
				    (long long)f->max);
	*(int64_t *)f->ret = value->integer;
	return NULL;
}

static const struct {
	enum json_type type;
	const char *text;
} kinds[] = {
	[FIELD_STRING] = { JSON_STRING, "text" },      [FIELD_BOOL] = { JSON_BOOL, "true or false" },
	[FIELD_INT] = { JSON_INT, "a whole number" },  [FIELD_ID] = { JSON_STRING, "an id" },
	[FIELD_IDS] = { JSON_ARRAY, "a list of ids" }, [FIELD_OBJECT] = { JSON_OBJECT, "an object" },
	[FIELD_ARRAY] = { JSON_ARRAY, "a list" },
};

static const char *check_field(struct arena *arena, const struct json_field *f, const struct json *value, int *ret_err)
{
	if (value->type != kinds[f->kind].type)
		return arena_printf(arena, "%s must be %s.", f->name, kinds[f->kind].text);
	switch (f->kind) {
	case FIELD_STRING:
		return check_string(arena, f, value);
	case FIELD_BOOL:
		*(bool *)f->ret = value->boolean;
		return NULL;
	case FIELD_INT:
		return check_int(arena, f, value);
	case FIELD_ID:
		if (id_parse(value->string.text, value->string.len, f->ret) < 0)
			return arena_printf(arena, "%s must be %s.", f->name, kinds[f->kind].text);
		return NULL;
	case FIELD_IDS:
		return check_ids(arena, f, value, ret_err);
	case FIELD_ARRAY:
	case FIELD_OBJECT:
		*(const struct json **)f->ret = value;
		return NULL;
	}
	return NULL;
}

static const struct json_field *field_find(const struct json_field *fields, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++) {
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	}
	return NULL;
}

static int invalid(struct json_error *ret_error, const char *code, const char *field, const char *detail)
{
	error_set(ret_error, code, field, detail ? detail : "The field is not valid.");
	return -EINVAL;
}

int json_fields(struct arena *arena, const struct json *doc, const struct json_field *fields, size_t fields_len,
		struct json_error *ret_error)
{
	if (doc->type != JSON_OBJECT)
		return invalid(ret_error, "invalid_field", NULL, "The body must be a JSON object.");
	for (const struct json *m = doc->list.first; m; m = m->next) {
		if (!field_find(fields, fields_len, m->key))
			return invalid(ret_error, "unknown_field", m->key,
				       "This operation does not know this field; leave it out.");
	}
	for (size_t i = 0; i < fields_len; i++) {
		const struct json_field *f = &fields[i];
		const struct json *value = json_get(doc, f->name);
		bool present = value && (value->type != JSON_NULL || f->required);
		const char *wrong = NULL;
		int err = 0;
		if (present)
			wrong = check_field(arena, f, value, &err);
		else if (f->required)
			err = (wrong = arena_printf(arena, "%s is missing.", f->name)) ? 0 : -ENOMEM;
		if (err < 0)
			return err;
		if (wrong)
			return invalid(ret_error, "invalid_field", f->name, wrong);
		if (f->ret_present)
			*f->ret_present = present;
	}
	return 0;
}
