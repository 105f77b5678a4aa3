/* master/settings.h - everything that is read from files: parley.conf with -o on top, and the certificate.
 *
 * Loaded at start and at every reload into a fresh struct; the old one stays in force until the new one
 * is complete and checked. */
#ifndef PARLEY_MASTER_SETTINGS_H
#define PARLEY_MASTER_SETTINGS_H

#include "master/certificate.h"

#define SETTINGS_OVERRIDES_MAX 64

/* From the command line; lives as long as the process. */
struct settings_source {
	const char *path;
	const char *overrides[SETTINGS_OVERRIDES_MAX];
	size_t overrides_len;
};

struct settings {
	struct conf conf;
	struct certificate tls;
};

/* 0 or -errno with one sentence in *ret_error. Logs a certificate that is expired or about to. */
int settings_load(const struct settings_source *source, struct settings *ret_settings, struct conf_error *ret_error);
void settings_fini(struct settings *settings);
/* What of the new settings only a restart can bring (sockets, numbers of processes, sizes of regions) is
 * put back to its value in now, with a line in the log for each. */
void settings_keep_fixed(struct settings *next, struct settings *now);
/* True when mediads must be replaced to follow next. */
bool settings_media_differs(const struct settings *next, const struct settings *now);

#endif
