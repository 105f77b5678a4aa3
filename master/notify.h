/* master/notify.h - what systemd is told (sd_notify). Does nothing when nobody listens. */
#ifndef PARLEY_MASTER_NOTIFY_H
#define PARLEY_MASTER_NOTIFY_H

#include "lib/err.h"

#include <stdbool.h>
#include <stdint.h>

/* NOTIFY_SOCKET is set: a service manager watches us, and ends our children when we die. */
bool notify_is_managed(void);
/* How often to feed the watchdog, in microseconds; 0 = there is none. */
int64_t notify_watchdog_us(void);
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
void notify_watchdog(void);
void notify_status(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
