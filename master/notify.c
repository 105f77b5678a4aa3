#include "master/notify.h"

#include "lib/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

bool notify_is_managed(void)
{
	const char *socket = getenv("NOTIFY_SOCKET");

	return socket && *socket;
}

int64_t notify_watchdog_us(void)
{
	uint64_t usec = 0;

	/* Three times in each period, so that one late turn is forgiven. */
	return sd_watchdog_enabled(0, &usec) > 0 ? (int64_t)(usec / 3) : 0;
}

void notify_ready(void)
{
	sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_now_us());
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1\nSTATUS=stopping");
}

void notify_watchdog(void)
{
	sd_notify(0, "WATCHDOG=1");
}

void notify_status(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sd_notifyf(0, "STATUS=%s", text);
}
