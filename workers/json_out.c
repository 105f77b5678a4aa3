#include "workers/json.h"

#include "lib/utf8.h"

#include <assert.h>
#include <string.h>

void json_out_init(struct json_out *o, struct buf *buf)
{
	*o = (struct json_out){ .buf = buf };
}

static void write_escaped(struct buf *buf, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	/* What is not UTF-8 would make the whole document unreadable to the other side. */
	bool valid = utf8_valid(text, len);
	size_t plain = 0;

	buf_append_char(buf, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c >= 0x20 && c != '"' && c != '\\' && (valid || c < 0x80))
			continue;
		buf_append(buf, text + plain, i - plain);
		plain = i + 1;
		if (c >= 0x80)
			buf_append_str(buf, "\\ufffd");
		else if (c == '"' || c == '\\')
			buf_append(buf, (char[]){ '\\', (char)c }, 2);
		else if (c == '\n')
			buf_append_str(buf, "\\n");
		else
			buf_append(buf, (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6);
	}
	buf_append(buf, text + plain, len - plain);
	buf_append_char(buf, '"');
}

static void begin_value(struct json_out *o, const char *key)
{
	if (o->need_comma)
		buf_append_char(o->buf, ',');
	o->need_comma = true;
	if (key) {
		write_escaped(o->buf, key, strlen(key));
		buf_append_char(o->buf, ':');
	}
}

static void open_container(struct json_out *o, const char *key, char c)
{
	begin_value(o, key);
	buf_append_char(o->buf, c);
	o->depth++;
	o->need_comma = false;
}

static void close_container(struct json_out *o, char c)
{
	assert(o->depth > 0);
	buf_append_char(o->buf, c);
	o->depth--;
	o->need_comma = true;
}

void json_out_object(struct json_out *o, const char *key)
{
	open_container(o, key, '{');
}

void json_out_object_end(struct json_out *o)
{
	close_container(o, '}');
}

void json_out_array(struct json_out *o, const char *key)
{
	open_container(o, key, '[');
}

void json_out_array_end(struct json_out *o)
{
	close_container(o, ']');
}

void json_out_string_n(struct json_out *o, const char *key, const char *text, size_t len)
{
	begin_value(o, key);
	write_escaped(o->buf, text, len);
}

void json_out_string(struct json_out *o, const char *key, const char *text)
{
	if (text)
		json_out_string_n(o, key, text, strlen(text));
	else
		json_out_null(o, key);
}

void json_out_int(struct json_out *o, const char *key, int64_t value)
{
	begin_value(o, key);
	buf_appendf(o->buf, "%lld", (long long)value);
}

void json_out_bool(struct json_out *o, const char *key, bool value)
{
	begin_value(o, key);
	buf_append_str(o->buf, value ? "true" : "false");
}

void json_out_id(struct json_out *o, const char *key, const struct id *id)
{
	char text[ID_TEXT_LEN + 1];

	json_out_string_n(o, key, id_format(id, text), ID_TEXT_LEN);
}

void json_out_null(struct json_out *o, const char *key)
{
	begin_value(o, key);
	buf_append_str(o->buf, "null");
}

void json_out_raw(struct json_out *o, const char *key, const char *json, size_t len)
{
	begin_value(o, key);
	buf_append(o->buf, json, len);
}
