/* lib/log.h - one line per event, to stderr, with the priority prefix that journald reads
 * (sd-daemon(3)): "<4>mediad/1 ice: call=… no consent for 30 s, closing".
 *
 * Callers:   any thread of any process; a line is one write(2).
 * Rule:      the line says which file speaks, whom it is about, what happened and what happens next.
 *            Nothing a stranger can send makes a line per packet: use log_every().
 *            Never log a password, token, key, SDP or chat text. */
#ifndef PARLEY_LIB_LOG_H
#define PARLEY_LIB_LOG_H

#include "lib/err.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* name is printed before every line, as "worker/0"; it is copied (at most 31 bytes are kept). */
void log_init(const char *name, enum log_level level, bool journal_prefix);
void log_set_level(enum log_level level);
/* 0 and *ret_level, or -EINVAL: the words of log.level (error, warn, info, debug). */
int log_level_parse(const char *word, enum log_level *ret_level);

void log_write(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool log_enabled(enum log_level level);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                           \
	do {                                                     \
		if (log_enabled(LOG_LEVEL_DEBUG))                \
			log_write(LOG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)

/* True at most once per period_us for this place: `if (log_every(&gate, now_us, 1000000)) log_warn(…)`.
 * gate is a static int64_t that starts at 0. Not for use from several threads. */
bool log_every(int64_t *gate, int64_t now_us, int64_t period_us);

#endif
