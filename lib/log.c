#include "lib/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char log_name[32] = "parley";
/* Relaxed: other threads may see a new level a little later. */
static _Atomic int log_max = LOG_LEVEL_INFO;
static bool log_prefix;

void log_init(const char *name, enum log_level level, bool journal_prefix)
{
	snprintf(log_name, sizeof(log_name), "%s", name);
	atomic_store_explicit(&log_max, (int)level, memory_order_relaxed);
	log_prefix = journal_prefix;
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_max, (int)level, memory_order_relaxed);
}

int log_level_parse(const char *word, enum log_level *ret_level)
{
	static const struct {
		const char *word;
		enum log_level level;
	} words[] = {
		{ "error", LOG_LEVEL_ERROR },
		{ "warn", LOG_LEVEL_WARN },
		{ "info", LOG_LEVEL_INFO },
		{ "debug", LOG_LEVEL_DEBUG },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i].word, word) == 0) {
			*ret_level = words[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_max, memory_order_relaxed);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	int saved_errno = errno;
	int n = 0;
	va_list ap;

	if (!log_enabled(level))
		return;
	if (log_prefix)
		n = snprintf(line, sizeof(line), "<%d>", (int)level);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "%s ", log_name);
	va_start(ap, fmt);
	int body = vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	if (body < 0)
		body = 0;
	n = MIN(n + body, (int)sizeof(line) - 2);
	/* A stranger's bytes may have come in through an argument: one event stays one line. */
	for (int i = 0; i < n; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	}
	line[n++] = '\n';
	ssize_t ignored = write(STDERR_FILENO, line, (size_t)n);
	(void)ignored;
	errno = saved_errno;
}

bool log_every(int64_t *gate, int64_t now_us, int64_t period_us)
{
	if (*gate != 0 && now_us - *gate < period_us)
		return false;
	*gate = now_us;
	return true;
}
