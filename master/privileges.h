/* master/privileges.h - from root to server.user, for good.
 *
 * Order: after every socket is bound and every file that needs root was read; before any child starts. */
#ifndef PARLEY_MASTER_PRIVILEGES_H
#define PARLEY_MASTER_PRIVILEGES_H

#include "lib/err.h"

/* Raises the number of open files to the hard limit. */
void privileges_raise_limits(void);
/* Nothing happens when we are not root, or user is "". Errors are logged; -errno. Afterwards neither we nor
 * any child can gain a privilege by executing something (no_new_privs). */
int privileges_drop(const char *user);

#endif
