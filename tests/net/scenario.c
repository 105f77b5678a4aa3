#include "tests/net/scenario.h"

#include "lib/err.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 16

static const struct setting {
	const char *name;
	size_t offset;
	double unit, max; /* value × unit goes into the settings */
} settings[] = {
	{ "loss", offsetof(struct wire_settings, loss), 0.01, 100 },
	{ "bursts", offsetof(struct wire_settings, bursts), 0.01, 50 },
	{ "burst_length", offsetof(struct wire_settings, burst_length), 1, 10000 },
	{ "burst_loss", offsetof(struct wire_settings, burst_loss), 0.01, 100 },
	{ "delay", offsetof(struct wire_settings, delay_us), 1000, 60000 },
	{ "jitter", offsetof(struct wire_settings, jitter_us), 1000, 60000 },
	{ "reorder", offsetof(struct wire_settings, reorder), 0.01, 100 },
	{ "reorder_by", offsetof(struct wire_settings, reorder_us), 1000, 60000 },
	{ "rate", offsetof(struct wire_settings, rate_bps), 1000, 1e7 },
	{ "queue", offsetof(struct wire_settings, queue_us), 1000, 60000 },
	{ "overhead", offsetof(struct wire_settings, overhead), 1, 200 },
	{ "order", offsetof(struct wire_settings, keep_order), 1, 1 },
};

static int refuse(struct scenario_error *error, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int refuse(struct scenario_error *error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error->text, sizeof(error->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int number(const char *text, double min, double max, double *ret)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= min && value <= max))
		return -EINVAL;
	*ret = value;
	return 0;
}

/* "rate=500" */
static int assignment(char *word, uint8_t *ret_key, double *ret_value, struct scenario_error *error)
{
	char *value = strchr(word, '=');
	double n;

	if (!value)
		return refuse(error, "'%s' is not SETTING=VALUE", word);
	*value++ = '\0';
	for (uint8_t i = 0; i < ARRAY_LEN(settings); i++) {
		const struct setting *s = &settings[i];
		if (strcmp(s->name, word) != 0)
			continue;
		if (strcmp(word, "order") == 0) {
			if (strcmp(value, "keep") != 0 && strcmp(value, "free") != 0)
				return refuse(error, "order is keep or free, not '%s'", value);
			n = value[0] == 'k';
		} else if (number(value, strcmp(word, "burst_length") == 0 ? 1 : 0, s->max, &n) < 0) {
			return refuse(error, "%s=%s is no number up to %g", word, value, s->max);
		}
		*ret_key = i;
		*ret_value = n * s->unit;
		return 0;
	}
	return refuse(error, "there is no setting '%s'", word);
}

static void apply(struct wire_settings *set, uint8_t key, double value)
{
	memcpy((char *)set + settings[key].offset, &value, sizeof(value));
}

static size_t split(char *line, char *words[WORDS_MAX])
{
	size_t n = 0;
	char *rest;

	for (char *word = strtok_r(line, " \t\r", &rest); word && n < WORDS_MAX; word = strtok_r(NULL, " \t\r", &rest))
		words[n++] = word;
	return n;
}

static int header(struct scenario *sc, char *line, struct scenario_error *error)
{
	char *value = strchr(line, '=');
	double seconds;

	if (!value)
		return refuse(error, "'%s' is neither NAME = VALUE nor SECONDS DIRECTION SETTING=VALUE", line);
	*value++ = '\0';
	value += strspn(value, " \t");
	line[strcspn(line, " \t")] = '\0';
	if (strcmp(line, "title") == 0) {
		snprintf(sc->title, sizeof(sc->title), "%s", value);
		return 0;
	}
	if (strcmp(line, "length") != 0)
		return refuse(error, "there is no '%s'", line);
	if (number(value, 1, 86400, &seconds) < 0)
		return refuse(error, "length = %s is no number of seconds", value);
	sc->length_us = llround(seconds * 1e6);
	return 0;
}

static int step(struct scenario *sc, char *line, struct scenario_error *error)
{
	char *words[WORDS_MAX];
	size_t n = split(line, words);
	struct scenario_change change = { 0 };
	double seconds;

	if (n < 3 || number(words[0], 0, 86400, &seconds) < 0)
		return refuse(error, "a step is SECONDS DIRECTION SETTING=VALUE");
	change.at_us = llround(seconds * 1e6);
	change.directions = strcmp(words[1], "up") == 0	    ? SCENARIO_UP
			    : strcmp(words[1], "down") == 0 ? SCENARIO_DOWN
			    : strcmp(words[1], "both") == 0 ? SCENARIO_BOTH
							    : 0;
	if (!change.directions)
		return refuse(error, "a direction is up, down or both, not '%s'", words[1]);
	if (sc->changes > 0 && change.at_us < sc->change[sc->changes - 1].at_us)
		return refuse(error, "%s s comes before the step above it", words[0]);
	for (size_t i = 2; i < n; i++) {
		int err = assignment(words[i], &change.key, &change.value, error);
		if (err < 0)
			return err;
		if (sc->changes == SCENARIO_CHANGES_MAX)
			return refuse(error, "more than %d settings", SCENARIO_CHANGES_MAX);
		sc->change[sc->changes++] = change;
	}
	return 0;
}

static int parse_line(struct scenario *sc, char *line, struct scenario_error *error)
{
	line[strcspn(line, "#")] = '\0';
	line += strspn(line, " \t\r");
	for (size_t len = strlen(line); len > 0 && strchr(" \t\r", line[len - 1]); len--)
		line[len - 1] = '\0';
	if (!*line)
		return 0;
	return *line >= '0' && *line <= '9' ? step(sc, line, error) : header(sc, line, error);
}

int scenario_parse(const char *name, const char *text, size_t len, struct scenario *ret,
		   struct scenario_error *ret_error)
{
	struct scenario *sc = calloc(1, sizeof(*sc));
	struct scenario_error error;
	int err = sc ? 0 : -ENOMEM;

	if (err == 0)
		sc->length_us = 60 * 1000000;
	for (size_t at = 0, number = 1; err == 0 && at < len; number++) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t run = (end ? (size_t)(end - text) : len) - at;
		char line[512];
		if (run >= sizeof(line) || memchr(text + at, '\0', run)) {
			err = refuse(&error, "not a line of text");
		} else {
			memcpy(line, text + at, run);
			line[run] = '\0';
			err = parse_line(sc, line, &error);
		}
		if (err < 0)
			refuse(ret_error, "%s:%zu: %s", name, number, error.text);
		at += run + 1;
	}
	if (err == 0 && sc->changes > 0 && sc->change[sc->changes - 1].at_us > sc->length_us)
		err = refuse(ret_error, "%s: the last step comes after the end", name);
	if (err == 0)
		*ret = *sc;
	free(sc);
	return err;
}

void scenario_stretch(struct scenario *sc, int64_t length_us)
{
	double factor = (double)length_us / (double)sc->length_us;

	for (size_t i = 0; i < sc->changes; i++)
		sc->change[i].at_us = llround((double)sc->change[i].at_us * factor);
	sc->length_us = length_us;
}

struct wire_settings scenario_at(const struct scenario *sc, enum scenario_direction one, int64_t t_us)
{
	struct wire_settings set = wire_clean;

	for (size_t i = 0; i < sc->changes && sc->change[i].at_us <= t_us; i++)
		if (sc->change[i].directions & one)
			apply(&set, sc->change[i].key, sc->change[i].value);
	return set;
}

int64_t scenario_next_us(const struct scenario *sc, int64_t t_us)
{
	for (size_t i = 0; i < sc->changes; i++)
		if (sc->change[i].at_us > t_us)
			return sc->change[i].at_us;
	return INT64_MAX;
}

int scenario_settings(struct wire_settings *set, const char *text, struct scenario_error *ret_error)
{
	char line[512], *words[WORDS_MAX];
	struct wire_settings next = *set;

	if (snprintf(line, sizeof(line), "%s", text) >= (int)sizeof(line))
		return refuse(ret_error, "not a line of settings");
	for (size_t i = 0, n = split(line, words); i < n; i++) {
		uint8_t key;
		double value;
		int err = assignment(words[i], &key, &value, ret_error);
		if (err < 0)
			return err;
		apply(&next, key, value);
	}
	*set = next;
	return 0;
}
