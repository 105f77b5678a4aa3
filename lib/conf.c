#include "lib/conf.h"

#include "lib/cleanup.h"
#include "lib/conf_value.h"

#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PARLEY_DATADIR
#define PARLEY_DATADIR "/usr/share/parley"
#endif
#define CONF_FILE_MAX  (256 * 1024)
#define PROCESSES_MAX  64
#define COUNT_MAX      1000000
#define DAYS_MAX       36500
#define KEYS_TEXT_MAX  64
#define SECTIONS_KNOWN "server, media, database, limits, turn, calls, retention, log"

static const struct conf_word words_placement[] = {
	{ "pack", CONF_PLACEMENT_PACK },
	{ "spread", CONF_PLACEMENT_SPREAD },
	{ NULL, 0 },
};
static const struct conf_word words_switch[] = {
	{ "on", CONF_ON },
	{ "off", CONF_OFF },
	{ NULL, 0 },
};
static const struct conf_word words_signups[] = {
	{ "open", CONF_SIGNUPS_OPEN },
	{ "invite", CONF_SIGNUPS_INVITE },
	{ "closed", CONF_SIGNUPS_CLOSED },
	{ NULL, 0 },
};
static const struct conf_word words_level[] = {
	{ "error", LOG_LEVEL_ERROR },
	{ "warn", LOG_LEVEL_WARN },
	{ "info", LOG_LEVEL_INFO },
	{ "debug", LOG_LEVEL_DEBUG },
	{ NULL, 0 },
};
static const struct conf_word words_target[] = {
	{ "journal", CONF_LOG_JOURNAL },
	{ "stderr", CONF_LOG_STDERR },
	{ NULL, 0 },
};
_Static_assert(sizeof(enum conf_placement) == sizeof(int) && sizeof(enum log_level) == sizeof(int), "words are ints");

#define M	  (1u << CONF_ROLE_MASTER)
#define MW	  (M | 1u << CONF_ROLE_WORKER)
#define MWD	  (MW | 1u << CONF_ROLE_MEDIAD)
#define AT(field) offsetof(struct conf, field)
#define COUNT(s, n, d)                                                        \
	{                                                                     \
#s, #n, CONF_TYPE_UINT, AT(s.n), d, MW, 0, 0, COUNT_MAX, NULL \
	}
#define DAYS(n, d)                                                                                           \
	{                                                                                                    \
		"retention", #n "_days", CONF_TYPE_UINT, AT(retention.n##_days), d, MW, 0, 0, DAYS_MAX, NULL \
	}

/* The one table: section, name, type, field, default, who may know it, flags, range, words. */
static const struct conf_key keys[] = {
	{ "server", "listen", CONF_TYPE_ADDRS, AT(server.listen), "[::]:443, 0.0.0.0:443", MW, CONF_PORT_REQUIRED, 0, 0,
	  NULL },
	{ "server", "redirect", CONF_TYPE_ADDRS, AT(server.redirect), "[::]:80, 0.0.0.0:80", MW, CONF_PORT_REQUIRED, 0,
	  0, NULL },
	{ "server", "admin", CONF_TYPE_STRING, AT(server.admin), "127.0.0.1:9464", MW, 0, 0, 0, NULL },
	{ "server", "public_url", CONF_TYPE_STRING, AT(server.public_url), "https://localhost", MW, 0, 0, 0, NULL },
	{ "server", "origins", CONF_TYPE_STRINGS, AT(server.origins), "", MW, 0, 0, 0, NULL },
	{ "server", "workers", CONF_TYPE_UINT, AT(server.workers), "auto", MW, CONF_AUTO_IS_0, 1, PROCESSES_MAX, NULL },
	{ "server", "tls_cert", CONF_TYPE_STRING, AT(server.tls_cert), "/etc/parley/tls/cert.pem", M, 0, 0, 0, NULL },
	{ "server", "tls_key", CONF_TYPE_STRING, AT(server.tls_key), "/etc/parley/tls/key.pem", M, 0, 0, 0, NULL },
	{ "server", "web_root", CONF_TYPE_STRING, AT(server.web_root), PARLEY_DATADIR "/web", MW, 0, 0, 0, NULL },
	{ "server", "openapi", CONF_TYPE_STRING, AT(server.openapi), PARLEY_DATADIR "/openapi.json", MW, 0, 0, 0,
	  NULL },
	{ "server", "user", CONF_TYPE_STRING, AT(server.user), "parley", M, 0, 0, 0, NULL },
	{ "media", "processes", CONF_TYPE_UINT, AT(media.processes), "auto", MWD, CONF_AUTO_IS_0, 1, PROCESSES_MAX,
	  NULL },
	{ "media", "port", CONF_TYPE_U16, AT(media.port), "40000", MWD, 0, 1, UINT16_MAX, NULL },
	{ "media", "listen", CONF_TYPE_ADDRS, AT(media.listen), "auto", MWD, CONF_AUTO_IS_0 | CONF_PORT_FORBIDDEN, 0, 0,
	  NULL },
	{ "media", "advertise", CONF_TYPE_ADDRS, AT(media.advertise), "", MWD, 0, 0, 0, NULL },
	{ "media", "tcp", CONF_TYPE_WORD, AT(media.tcp), "on", MWD, 0, 0, 0, words_switch },
	{ "media", "pin", CONF_TYPE_PIN, AT(media.pin), "auto", MWD, 0, 0, CPU_SETSIZE - 1, NULL },
	{ "media", "placement", CONF_TYPE_WORD, AT(media.placement), "pack", MWD, 0, 0, 0, words_placement },
	{ "media", "ring_slots", CONF_TYPE_U32, AT(media.ring_slots), "auto", MWD, CONF_AUTO_IS_0 | CONF_POWER_OF_2,
	  256, 1 << 22, NULL },
	{ "media", "max_transports", CONF_TYPE_U32, AT(media.max_transports), "4096", MWD, 0, 1, UINT16_MAX, NULL },
	{ "media", "budget_percent", CONF_TYPE_UINT, AT(media.budget_percent), "85", M, 0, 0, 100, NULL },
	{ "database", "url", CONF_TYPE_STRING, AT(database.url), "postgresql:///parley", MW, 0, 0, 0, NULL },
	{ "database", "connections", CONF_TYPE_UINT, AT(database.connections), "3", MW, 0, 1, 16, NULL },
	{ "limits", "signups", CONF_TYPE_WORD, AT(limits.signups), "open", MW, 0, 0, 0, words_signups },
	COUNT(limits, signups_per_hour, "20"),
	COUNT(limits, logins_per_minute, "10"),
	COUNT(limits, requests_per_second, "50"),
	COUNT(limits, call_members, "100"),
	COUNT(limits, call_streams, "8"),
	COUNT(limits, messages_per_minute, "120"),
	{ "limits", "password_min", CONF_TYPE_UINT, AT(limits.password_min), "15", MW, 0, 8, 256, NULL },
	COUNT(limits, websockets, "20000"),
	{ "turn", "urls", CONF_TYPE_STRINGS, AT(turn.urls), "", MW, 0, 0, 0, NULL },
	{ "turn", "secret", CONF_TYPE_STRING, AT(turn.secret), "", MW, 0, 0, 0, NULL },
	{ "calls", "ring_timeout", CONF_TYPE_UINT, AT(calls.ring_timeout_s), "45", MWD, 0, 1, 3600, NULL },
	{ "calls", "reconnect_grace", CONF_TYPE_UINT, AT(calls.reconnect_grace_s), "30", MWD, 0, 1, 3600, NULL },
	DAYS(history, "0"),
	DAYS(messages, "0"),
	DAYS(audit, "365"),
	{ "log", "level", CONF_TYPE_WORD, AT(log.level), "info", MWD, 0, 0, 0, words_level },
	{ "log", "target", CONF_TYPE_WORD, AT(log.target), "journal", MWD, 0, 0, 0, words_target },
};
_Static_assert(ARRAY_LEN(keys) <= KEYS_TEXT_MAX, "a bit for each key");

/* A run of characters inside the text that is parsed. */
struct span {
	const char *at;
	size_t len;
};

static int fail(struct conf_error *ret_error, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int fail(struct conf_error *ret_error, int err, const char *fmt, ...)
{
	va_list ap;

	if (ret_error) {
		va_start(ap, fmt);
		vsnprintf(ret_error->text, sizeof(ret_error->text), fmt, ap);
		va_end(ap);
	}
	return err;
}

static bool span_is(struct span s, const char *word)
{
	return strlen(word) == s.len && memcmp(s.at, word, s.len) == 0;
}

static struct span span_trim(struct span s)
{
	while (s.len > 0 && (*s.at == ' ' || *s.at == '\t')) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

#define SPAN_FMT    "%.*s"
#define SPAN_ARG(s) (int)MIN((s).len, (size_t)60), (s).at

/* The name of that section as it stands in the table, NULL when there is none. */
static const char *section_find(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (span_is(name, keys[i].section))
			return keys[i].section;
	}
	return NULL;
}

static const struct conf_key *key_find(const char *section, struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (strcmp(keys[i].section, section) == 0 && span_is(name, keys[i].name))
			return &keys[i];
	}
	return NULL;
}

int conf_init(struct conf *conf)
{
	char reason[160];

	memset(conf, 0, sizeof(*conf));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		int err = conf_value_parse(conf, &keys[i], keys[i].standard, strlen(keys[i].standard), reason,
					   sizeof(reason));
		if (err < 0) {
			conf_fini(conf);
			return err;
		}
	}
	return 0;
}

void conf_fini(struct conf *conf)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		conf_value_fini(conf, &keys[i]);
	memset(conf, 0, sizeof(*conf));
}

struct parser {
	struct conf *conf;
	const char *name;
	unsigned line;
	const char *section;	      /* NULL before the first one */
	unsigned seen[KEYS_TEXT_MAX]; /* line of each key, 0 = not yet */
	struct conf_error *error;
};

static int parse_section(struct parser *p, struct span line)
{
	if (line.at[line.len - 1] != ']')
		return fail(p->error, -EINVAL, "%s:%u: ']' missing at the end of '" SPAN_FMT "'", p->name, p->line,
			    SPAN_ARG(line));
	struct span name = span_trim((struct span){ line.at + 1, line.len - 2 });
	p->section = section_find(name);
	if (!p->section)
		return fail(p->error, -EINVAL, "%s:%u: unknown section [" SPAN_FMT "], known are " SECTIONS_KNOWN,
			    p->name, p->line, SPAN_ARG(name));
	return 0;
}

static bool has_comment(struct span value)
{
	for (size_t i = 1; i < value.len; i++) {
		if ((value.at[i] == '#' || value.at[i] == ';') && (value.at[i - 1] == ' ' || value.at[i - 1] == '\t'))
			return true;
	}
	return false;
}

static int parse_key(struct parser *p, struct span line)
{
	const char *equals = memchr(line.at, '=', line.len);
	char reason[256];

	if (!equals)
		return fail(p->error, -EINVAL, "%s:%u: 'key = value' expected, not '" SPAN_FMT "'", p->name, p->line,
			    SPAN_ARG(line));
	struct span name = span_trim((struct span){ line.at, (size_t)(equals - line.at) });
	struct span value = span_trim((struct span){ equals + 1, (size_t)(line.at + line.len - equals - 1) });
	if (!p->section)
		return fail(p->error, -EINVAL, "%s:%u: '" SPAN_FMT "' stands before the first [section]", p->name,
			    p->line, SPAN_ARG(name));
	const struct conf_key *key = key_find(p->section, name);
	if (!key)
		return fail(p->error, -EINVAL, "%s:%u: unknown key '" SPAN_FMT "' in [%s]", p->name, p->line,
			    SPAN_ARG(name), p->section);
	unsigned *seen = &p->seen[key - keys];
	if (*seen)
		return fail(p->error, -EINVAL, "%s:%u: '%s' was already set in line %u", p->name, p->line, key->name,
			    *seen);
	*seen = p->line;
	if (has_comment(value))
		return fail(p->error, -EINVAL, "%s:%u: %s: a comment needs a line of its own", p->name, p->line,
			    key->name);
	int err = conf_value_parse(p->conf, key, value.at, value.len, reason, sizeof(reason));
	if (err == -EINVAL)
		return fail(p->error, err, "%s:%u: %s: %s", p->name, p->line, key->name, reason);
	return err < 0 ? fail(p->error, err, "%s:%u: out of memory", p->name, p->line) : 0;
}

static int parse_line(struct parser *p, struct span line)
{
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.at[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return fail(p->error, -EINVAL, "%s:%u: control character 0x%02x", p->name, p->line, c);
	}
	line = span_trim(line);
	if (line.len == 0 || line.at[0] == '#' || line.at[0] == ';')
		return 0;
	return line.at[0] == '[' ? parse_section(p, line) : parse_key(p, line);
}

int conf_parse(struct conf *conf, const char *name, const char *text, size_t len, struct conf_error *ret_error)
{
	struct parser p = { .conf = conf, .name = name, .error = ret_error };
	const char *end = text + len;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline ? newline : end;
		p.line++;
		int err = parse_line(&p, (struct span){ text, (size_t)(line_end - text) });
		if (err < 0)
			return err;
		text = newline ? newline + 1 : end;
	}
	return 0;
}

static int read_whole(struct conf *conf, const char *name, int fd, struct conf_error *ret_error)
{
	struct buf text = { 0 };
	off_t at = 0;
	int err = 0;

	for (;;) {
		uint8_t *room = buf_reserve(&text, 4096);
		/* pread: a memfd's offset is shared with every process that holds it. */
		ssize_t n = room ? pread(fd, room, 4096, at) : -1;
		if (n < 0)
			err = room ? -errno : -ENOMEM;
		if (n <= 0)
			break;
		text.len += (size_t)n;
		at += n;
		if (text.len > CONF_FILE_MAX) {
			err = -EFBIG;
			break;
		}
	}
	if (err < 0)
		fail(ret_error, err, "%s: %s", name, strerror(-err));
	else if (text.len > 0)
		err = conf_parse(conf, name, (const char *)text.data, text.len, ret_error);
	buf_fini(&text);
	return err;
}

int conf_load(struct conf *conf, const char *path, struct conf_error *ret_error)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		int err = -errno;
		return fail(ret_error, err, "%s: %s", path, strerror(-err));
	}
	if (!S_ISREG(st.st_mode))
		return fail(ret_error, -EINVAL, "%s: not a file", path);
	return read_whole(conf, path, fd, ret_error);
}

int conf_load_fd(struct conf *conf, int fd, struct conf_error *ret_error)
{
	return read_whole(conf, "conf", fd, ret_error);
}

int conf_override(struct conf *conf, const char *assignment, struct conf_error *ret_error)
{
	const char *equals = strchr(assignment, '='), *dot = strchr(assignment, '.');
	char reason[256];

	if (!equals || !dot || dot > equals)
		return fail(ret_error, -EINVAL, "-o %s: section.key=value expected", assignment);
	struct span section = span_trim((struct span){ assignment, (size_t)(dot - assignment) });
	struct span name = span_trim((struct span){ dot + 1, (size_t)(equals - dot - 1) });
	struct span value = span_trim((struct span){ equals + 1, strlen(equals + 1) });
	const char *known = section_find(section);
	if (!known)
		return fail(ret_error, -EINVAL, "-o %s: unknown section [" SPAN_FMT "], known are " SECTIONS_KNOWN,
			    assignment, SPAN_ARG(section));
	const struct conf_key *key = key_find(known, name);
	if (!key)
		return fail(ret_error, -EINVAL, "-o %s: unknown key '" SPAN_FMT "' in [%s]", assignment, SPAN_ARG(name),
			    known);
	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.at[i] < 0x20 || value.at[i] == 0x7f)
			return fail(ret_error, -EINVAL, "-o %s.%s: control character in the value", known, key->name);
	}
	if (has_comment(value))
		return fail(ret_error, -EINVAL, "-o %s.%s: no comments here", known, key->name);
	int err = conf_value_parse(conf, key, value.at, value.len, reason, sizeof(reason));
	if (err == -EINVAL)
		return fail(ret_error, err, "-o %s.%s: %s", known, key->name, reason);
	return err < 0 ? fail(ret_error, err, "-o %s: out of memory", assignment) : 0;
}

int conf_text(const struct conf *conf, enum conf_role role, struct buf *ret_text)
{
	const char *section = NULL;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct conf_key *key = &keys[i];
		if (!(key->roles & 1u << role))
			continue;
		if (!section || strcmp(section, key->section) != 0)
			buf_appendf(ret_text, "%s[%s]\n", section ? "\n" : "", key->section);
		section = key->section;
		buf_appendf(ret_text, "%s = ", key->name);
		conf_value_format(conf, key, ret_text);
		buf_append_char(ret_text, '\n');
	}
	return ret_text->failed ? -ENOMEM : 0;
}

static unsigned cores(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)MIN(MAX(CPU_COUNT(&set), 1), PROCESSES_MAX);
}

unsigned conf_workers(const struct conf *conf)
{
	return conf->server.workers ? conf->server.workers : cores();
}

unsigned conf_mediads(const struct conf *conf)
{
	return conf->media.processes ? conf->media.processes : cores();
}
