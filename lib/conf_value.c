#include "lib/conf_value.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reason {
	char *text;
	size_t len;
};

static void *field_of(const struct conf *conf, const struct conf_key *key)
{
	return (char *)conf + key->offset;
}

static int refuse(struct reason *why, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int refuse(struct reason *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->text, why->len, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

/* Next item of a comma-separated list without the blanks around it; false at the end. */
static bool list_next(const char **at, const char *end, const char **ret_item, size_t *ret_len)
{
	if (!*at)
		return false;
	const char *comma = memchr(*at, ',', (size_t)(end - *at));
	const char *from = *at, *to = comma ? comma : end;
	while (from < to && (*from == ' ' || *from == '\t'))
		from++;
	while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	*at = comma ? comma + 1 : NULL;
	*ret_item = from;
	*ret_len = (size_t)(to - from);
	return true;
}

static int number_parse(const char *text, size_t len, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (len == 0 || len > 18)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*ret_value = value;
	return 0;
}

static int value_number(const struct conf_key *key, const char *text, size_t len, struct reason *why,
			uint64_t *ret_value)
{
	const char *or_auto = key->flags & CONF_AUTO_IS_0 ? "auto or " : "";
	uint64_t value;

	if (key->flags & CONF_AUTO_IS_0 && is_word(text, len, "auto")) {
		*ret_value = 0;
		return 0;
	}
	if (number_parse(text, len, &value) < 0)
		return refuse(why, "%sa whole number expected, not '%.*s'", or_auto, (int)MIN(len, 60U), text);
	if (value == 0 && key->flags & CONF_ZERO_ALLOWED) {
		*ret_value = 0;
		return 0;
	}
	if (value < key->min || value > key->max)
		return refuse(why, "%s%" PRIu64 " to %" PRIu64 " expected, not %" PRIu64, or_auto, key->min, key->max,
			      value);
	if (key->flags & CONF_POWER_OF_2 && (value & (value - 1)) != 0)
		return refuse(why, "a power of two expected, not %" PRIu64, value);
	*ret_value = value;
	return 0;
}

static int value_string(char **field, const char *text, size_t len)
{
	char *copy = strndup(text, len);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static void strings_fini(struct conf_strings *list)
{
	for (size_t i = 0; i < list->len; i++)
		free(list->item[i]);
	list->len = 0;
}

static int value_strings(struct conf_strings *field, const char *text, size_t len, struct reason *why)
{
	struct conf_strings list = { 0 };
	const char *at = len > 0 ? text : NULL, *item;
	size_t item_len;
	int err = 0;

	while (err == 0 && list_next(&at, text + len, &item, &item_len)) {
		if (item_len == 0)
			err = refuse(why, "an item of the list is empty");
		else if (item[0] == '#' || item[0] == ';')
			err = refuse(why, "an item of a list cannot begin with '%c'", item[0]);
		else if (list.len == CONF_LIST_MAX)
			err = refuse(why, "at most %d items expected", CONF_LIST_MAX);
		else if (!(list.item[list.len] = strndup(item, item_len)))
			err = -ENOMEM;
		else
			list.len++;
	}
	if (err < 0) {
		strings_fini(&list);
		return err;
	}
	strings_fini(field);
	*field = list;
	return 0;
}

static int addr_check(const struct conf_key *key, const char *text, struct conf_addr *ret_addr, struct reason *why)
{
	if (conf_addr_parse(text, ret_addr) < 0)
		return refuse(why, "an address such as %s expected, not '%s'",
			      key->flags & CONF_PORT_REQUIRED ? "[::]:443 or 0.0.0.0:443" : "192.0.2.1 or 2001:db8::1",
			      text);
	if (key->flags & CONF_PORT_REQUIRED && ret_addr->port == 0)
		return refuse(why, "'%s' lacks a port", text);
	if (key->flags & CONF_PORT_FORBIDDEN && ret_addr->port != 0)
		return refuse(why, "'%s' must not have a port", text);
	return 0;
}

static int value_addrs(struct conf_addrs *field, const struct conf_key *key, const char *text, size_t len,
		       struct reason *why)
{
	struct conf_addrs list = { 0 };
	const char *at = len > 0 ? text : NULL, *item;
	size_t item_len;

	if (key->flags & CONF_AUTO_IS_0 && is_word(text, len, "auto"))
		at = NULL;
	while (list_next(&at, text + len, &item, &item_len)) {
		char one[80];
		if (list.len == CONF_LIST_MAX)
			return refuse(why, "at most %d addresses expected", CONF_LIST_MAX);
		if (item_len == 0)
			return refuse(why, "an item of the list is empty");
		snprintf(one, sizeof(one), "%.*s", (int)MIN(item_len, sizeof(one) - 1), item);
		int err = addr_check(key, one, &list.item[list.len], why);
		if (err < 0)
			return err;
		list.len++;
	}
	*field = list;
	return 0;
}

static int value_word(int *field, const struct conf_key *key, const char *text, size_t len, struct reason *why)
{
	char known[128] = "";

	for (const struct conf_word *w = key->words; w->word; w++) {
		if (is_word(text, len, w->word)) {
			*field = w->value;
			return 0;
		}
		size_t used = strlen(known);
		snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "", w->word);
	}
	return refuse(why, "one of %s expected, not '%.*s'", known, (int)MIN(len, 60U), text);
}

static int value_pin(struct conf *conf, const struct conf_key *key, const char *text, size_t len, struct reason *why)
{
	unsigned pin[CONF_PINS_MAX] = { 0 }, pin_len = 0;
	bool none = is_word(text, len, "none");
	const char *at = none || is_word(text, len, "auto") ? NULL : text, *item;
	size_t item_len;

	while (list_next(&at, text + len, &item, &item_len)) {
		uint64_t core;
		if (pin_len == CONF_PINS_MAX)
			return refuse(why, "at most %d cores expected", CONF_PINS_MAX);
		if (number_parse(item, item_len, &core) < 0 || core > key->max)
			return refuse(why, "auto, none or numbers of cores expected, not '%.*s'",
				      (int)MIN(item_len, 60U), item);
		pin[pin_len++] = (unsigned)core;
	}
	memcpy(conf->media.pin, pin, pin_len * sizeof(pin[0]));
	conf->media.pin_len = pin_len;
	conf->media.pin_none = none;
	return 0;
}

int conf_value_parse(struct conf *conf, const struct conf_key *key, const char *text, size_t len, char *reason,
		     size_t reason_len)
{
	struct reason why = { reason, reason_len };
	void *field = field_of(conf, key);
	uint64_t number = 0;
	int err;

	switch (key->type) {
	case CONF_TYPE_STRING:
		return value_string(field, text, len);
	case CONF_TYPE_STRINGS:
		return value_strings(field, text, len, &why);
	case CONF_TYPE_ADDRS:
		return value_addrs(field, key, text, len, &why);
	case CONF_TYPE_WORD:
		return value_word(field, key, text, len, &why);
	case CONF_TYPE_PIN:
		return value_pin(conf, key, text, len, &why);
	case CONF_TYPE_UINT:
	case CONF_TYPE_U16:
	case CONF_TYPE_U32:
		break;
	}
	err = value_number(key, text, len, &why, &number);
	if (err < 0)
		return err;
	if (key->type == CONF_TYPE_UINT)
		*(unsigned *)field = (unsigned)number;
	else if (key->type == CONF_TYPE_U16)
		*(uint16_t *)field = (uint16_t)number;
	else
		*(uint32_t *)field = (uint32_t)number;
	return 0;
}

static void format_number(uint64_t value, const struct conf_key *key, struct buf *text)
{
	if (value == 0 && key->flags & CONF_AUTO_IS_0)
		buf_append_str(text, "auto");
	else
		buf_appendf(text, "%" PRIu64, value);
}

static void format_strings(const struct conf_strings *list, struct buf *text)
{
	for (size_t i = 0; i < list->len; i++)
		buf_appendf(text, "%s%s", i > 0 ? ", " : "", list->item[i]);
}

static void format_addrs(const struct conf_addrs *list, const struct conf_key *key, struct buf *text)
{
	char one[64];

	if (list->len == 0 && key->flags & CONF_AUTO_IS_0)
		buf_append_str(text, "auto");
	for (size_t i = 0; i < list->len; i++)
		buf_appendf(text, "%s%s", i > 0 ? ", " : "", conf_addr_format(&list->item[i], one, sizeof(one)));
}

static void format_word(int value, const struct conf_key *key, struct buf *text)
{
	for (const struct conf_word *w = key->words; w->word; w++) {
		if (w->value == value)
			buf_append_str(text, w->word);
	}
}

static void format_pin(const struct conf *conf, struct buf *text)
{
	if (conf->media.pin_len == 0)
		buf_append_str(text, conf->media.pin_none ? "none" : "auto");
	for (unsigned i = 0; i < conf->media.pin_len; i++)
		buf_appendf(text, "%s%u", i > 0 ? ", " : "", conf->media.pin[i]);
}

void conf_value_format(const struct conf *conf, const struct conf_key *key, struct buf *ret_text)
{
	const void *field = field_of(conf, key);

	switch (key->type) {
	case CONF_TYPE_STRING:
		buf_append_str(ret_text, *(char *const *)field);
		break;
	case CONF_TYPE_STRINGS:
		format_strings(field, ret_text);
		break;
	case CONF_TYPE_ADDRS:
		format_addrs(field, key, ret_text);
		break;
	case CONF_TYPE_UINT:
		format_number(*(const unsigned *)field, key, ret_text);
		break;
	case CONF_TYPE_U16:
		format_number(*(const uint16_t *)field, key, ret_text);
		break;
	case CONF_TYPE_U32:
		format_number(*(const uint32_t *)field, key, ret_text);
		break;
	case CONF_TYPE_WORD:
		format_word(*(const int *)field, key, ret_text);
		break;
	case CONF_TYPE_PIN:
		format_pin(conf, ret_text);
		break;
	}
}

void conf_value_fini(struct conf *conf, const struct conf_key *key)
{
	if (key->type == CONF_TYPE_STRING) {
		char **field = field_of(conf, key);
		free(*field);
		*field = NULL;
	} else if (key->type == CONF_TYPE_STRINGS) {
		strings_fini(field_of(conf, key));
	}
}
