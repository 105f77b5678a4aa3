/* tools/manage.h - parleyctl's users, invites, calls and audit: asks the admin listener and prints what it says.
 *
 * Errors: a problem is printed as a sentence; the result is an exit status (0, 1, or 2 for a wrong command line). */
#ifndef PARLEY_TOOLS_MANAGE_H
#define PARLEY_TOOLS_MANAGE_H

#include "lib/conf.h"

#include <stdbool.h>

extern const char manage_usage[];

bool manage_knows(const char *command);
/* args: the command and what follows it. */
int manage_run(const struct conf *conf, char *const *args, int args_len);

#endif
