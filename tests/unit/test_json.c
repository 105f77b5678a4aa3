/* links: workers */
#include "workers/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	arena = (struct arena){ 0 };
	return 0;
}

static int parse(const char *text, struct json **ret_doc, struct json_error *ret_error)
{
	return json_parse(&arena, text, strlen(text), ret_doc, ret_error);
}

static struct json *parsed(const char *text)
{
	struct json_error error = { 0 };
	struct json *doc = NULL;

	if (parse(text, &doc, &error) < 0)
		fail_msg("%s: %s", text, error.detail);
	return doc;
}

static void refused(const char *text)
{
	struct json_error error = { 0 };
	struct json *doc = NULL;

	if (parse(text, &doc, &error) != -EINVAL)
		fail_msg("accepted: %s", text);
	assert_string_equal(error.code, "invalid_json");
	assert_non_null(error.detail);
	assert_null(doc);
}

static void test_values(void **state)
{
	(void)state;
	struct json *doc = parsed(" {\"a\":[1,-2,3.5,true,false,null],\"b\":{\"c\":\"\\u00e9\\ud83d\\ude00\\n\"}}\r\n");
	const struct json *a = json_get(doc, "a");
	const struct json *c = json_get(json_get(doc, "b"), "c");

	assert_int_equal(doc->type, JSON_OBJECT);
	assert_int_equal(doc->list.len, 2);
	assert_int_equal(a->list.len, 6);
	assert_int_equal(a->list.first->integer, 1);
	assert_int_equal(a->list.first->next->integer, -2);
	assert_true(a->list.first->next->next->real > 3.4);
	assert_string_equal(c->string.text, "é😀\n");
	assert_int_equal(c->string.len, 7);
	assert_int_equal(json_text_length(c), 3);
	assert_null(json_get(doc, "x"));
	assert_null(json_get(a, "x"));
	assert_int_equal(parsed("12")->integer, 12);
	assert_int_equal(parsed("-9223372036854775808")->integer, INT64_MIN);
	assert_int_equal(parsed("[]")->list.len, 0);
	assert_string_equal(parsed("\"\"")->string.text, "");
}

static void test_refused(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"{\"a\":1",
		"[1,]",
		"{\"a\":1,}",
		"{\"a\":1}x",
		"{\"a\":1}{}",
		"1 2",
		"nul",
		"\"abc",
		"'a'",
		"{a:1}",
		"01",
		"+1",
		".5",
		"1.",
		"NaN",
		"/* c */ 1",
		"// c\n1",
		"\v1",
		"\"a\nb\"",
		"\"a\tb\"",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\u0000\"",
		"{\"\\u0000\":1}",
		"\"\\ud800\"",
		"\"\\udc00\"",
		"\"\\ud800\\u0041\"",
		"\"\\ud800\\\\udc00\"",
		"\"\xff\"",
		"\"\xc0\xaf\"",
		"\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"",
		"\xef\xbb\xbf{}",
		"9223372036854775808",
		"-9223372036854775809",
		"1e999",
		"{\"a\":1,\"a\":2}",
		"{\"a\":1,\"\\u0061\":2}",
		"{\"x\":{\"a\":1,\"b\":2,\"a\":3}}",
		"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		refused(texts[i]);
	struct json *doc = parsed("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]");
	assert_int_equal(doc->type, JSON_ARRAY);
	parsed("\"\\\\u0000\"");
	parsed("\"\\\\\\ud83d\\ude00\"");
	/* a raw NUL, which the length says belongs to the text */
	struct json_error error;
	assert_int_equal(json_parse(&arena, "\"\0\"", 3, &doc, &error), -EINVAL);
	assert_int_equal(json_parse(&arena, "1\0", 2, &doc, &error), -EINVAL);
}

static void test_duplicate_is_named(void **state)
{
	struct json_error error = { 0 };
	struct json *doc;

	(void)state;
	assert_int_equal(parse("{\"name\":1,\"name\":2}", &doc, &error), -EINVAL);
	assert_string_equal(error.field, "name");
}

static void test_members_are_limited(void **state)
{
	struct buf text = { 0 };

	(void)state;
	buf_append_char(&text, '{');
	for (int i = 0; i < 257; i++)
		buf_appendf(&text, "%s\"k%d\":0", i ? "," : "", i);
	buf_append(&text, "}", 2);
	refused((const char *)text.data);
	buf_fini(&text);
}

static void test_out_of_memory(void **state)
{
	struct json_error error = { 0 };
	struct json *doc;

	(void)state;
	/* Every limit up to the one that is enough. */
	for (size_t limit = 16;; limit += 16) {
		struct arena small = { .limit = limit };
		const char *text = "{\"a\":[1,2.5,\"x\"],\"b\":null}";
		int err = json_parse(&small, text, strlen(text), &doc, &error);
		arena_fini(&small);
		if (err == 0)
			break;
		assert_int_equal(err, -ENOMEM);
		assert_true(limit < 4096);
	}
}

struct sample {
	const char *name;
	int64_t n;
	bool yes, has_n;
	struct id id;
	struct json_ids ids;
	const struct json *object, *array;
};

static int fields(const char *text, struct sample *s, struct json_error *error)
{
	const struct json_field table[] = {
		{ "name", FIELD_STRING, true, 1, 4, &s->name, NULL },
		{ "n", FIELD_INT, false, -5, 5, &s->n, &s->has_n },
		{ "yes", FIELD_BOOL, false, 0, 0, &s->yes, NULL },
		{ "id", FIELD_ID, false, 0, 0, &s->id, NULL },
		{ "ids", FIELD_IDS, false, 1, 2, &s->ids, NULL },
		{ "object", FIELD_OBJECT, false, 0, 0, &s->object, NULL },
		{ "array", FIELD_ARRAY, false, 0, 0, &s->array, NULL },
	};

	return json_fields(&arena, parsed(text), table, ARRAY_LEN(table), error);
}

static void wrong_field(const char *text, const char *code, const char *field)
{
	struct json_error error = { 0 };
	struct sample s = { 0 };

	if (fields(text, &s, &error) != -EINVAL)
		fail_msg("accepted: %s", text);
	assert_string_equal(error.code, code);
	if (field)
		assert_string_equal(error.field, field);
	else
		assert_null(error.field);
	assert_non_null(error.detail);
}

#define ID_A "11111111-2222-4333-8444-555555555555"

static void test_fields(void **state)
{
	struct json_error error = { 0 };
	struct sample s = { .n = 77 };

	(void)state;
	assert_int_equal(fields("{\"name\":\"éééé\"}", &s, &error), 0);
	assert_string_equal(s.name, "éééé");
	assert_int_equal(s.n, 77);
	assert_false(s.has_n);
	assert_int_equal(fields("{\"name\":\"a\",\"n\":null,\"yes\":true,\"id\":\"" ID_A "\",\"ids\":[\"" ID_A
				"\"],\"object\":{},\"array\":[]}",
				&s, &error),
			 0);
	assert_false(s.has_n);
	assert_true(s.yes);
	assert_int_equal(s.id.b[0], 0x11);
	assert_int_equal(s.ids.len, 1);
	assert_true(id_equal(&s.ids.item[0], &s.id));
	assert_non_null(s.object);
	assert_non_null(s.array);
	assert_int_equal(fields("{\"name\":\"a\",\"n\":-5}", &s, &error), 0);
	assert_int_equal(s.n, -5);
	assert_true(s.has_n);
}

static void test_fields_wrong(void **state)
{
	(void)state;
	wrong_field("[]", "invalid_field", NULL);
	wrong_field("{}", "invalid_field", "name");
	wrong_field("{\"name\":null}", "invalid_field", "name");
	wrong_field("{\"name\":1}", "invalid_field", "name");
	wrong_field("{\"name\":\"\"}", "invalid_field", "name");
	wrong_field("{\"name\":\"ééééé\"}", "invalid_field", "name");
	wrong_field("{\"name\":\"a\",\"other\":1}", "unknown_field", "other");
	wrong_field("{\"name\":\"a\",\"n\":6}", "invalid_field", "n");
	wrong_field("{\"name\":\"a\",\"n\":1.0}", "invalid_field", "n");
	wrong_field("{\"name\":\"a\",\"n\":\"1\"}", "invalid_field", "n");
	wrong_field("{\"name\":\"a\",\"yes\":1}", "invalid_field", "yes");
	wrong_field("{\"name\":\"a\",\"id\":\"x\"}", "invalid_field", "id");
	wrong_field("{\"name\":\"a\",\"ids\":[]}", "invalid_field", "ids");
	wrong_field("{\"name\":\"a\",\"ids\":[1]}", "invalid_field", "ids");
	wrong_field("{\"name\":\"a\",\"ids\":\"" ID_A "\"}", "invalid_field", "ids");
	wrong_field("{\"name\":\"a\",\"object\":[]}", "invalid_field", "object");
	wrong_field("{\"name\":\"a\",\"array\":{}}", "invalid_field", "array");
}

static void test_out(void **state)
{
	struct buf buf = { 0 };
	struct json_out o;
	struct id id = { { 0x11 } };

	(void)state;
	json_out_init(&o, &buf);
	json_out_object(&o, NULL);
	json_out_string(&o, "s", "a\"b\\c\nd\x01é");
	json_out_string(&o, "none", NULL);
	json_out_string_n(&o, "bad", "x\xffy", 3);
	json_out_int(&o, "i", INT64_MIN);
	json_out_array(&o, "a");
	json_out_bool(&o, NULL, true);
	json_out_null(&o, NULL);
	json_out_object(&o, NULL);
	json_out_object_end(&o);
	json_out_array_end(&o);
	json_out_id(&o, "id", &id);
	json_out_raw(&o, "raw", "[1]", 3);
	json_out_object_end(&o);
	buf_append_char(&buf, 0);
	assert_string_equal(buf.data, "{\"s\":\"a\\\"b\\\\c\\nd\\u0001é\",\"none\":null,\"bad\":\"x\\ufffdy\","
				      "\"i\":-9223372036854775808,\"a\":[true,null,{}],"
				      "\"id\":\"11000000-0000-0000-0000-000000000000\",\"raw\":[1]}");
	parsed((const char *)buf.data);
	buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_values, teardown),
		cmocka_unit_test_teardown(test_refused, teardown),
		cmocka_unit_test_teardown(test_duplicate_is_named, teardown),
		cmocka_unit_test_teardown(test_members_are_limited, teardown),
		cmocka_unit_test_teardown(test_out_of_memory, teardown),
		cmocka_unit_test_teardown(test_fields, teardown),
		cmocka_unit_test_teardown(test_fields_wrong, teardown),
		cmocka_unit_test_teardown(test_out, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
