/* mediad/recover.h - what a mediad does with the session table of a dead predecessor.
 *
 * For now: each transport found is reported to a worker (MSG_MEDIA_LOST), whose client then comes back through a
 * new one, and all records are freed. Nothing here touches a key.
 * Callers:   mediad_open(), after the links are attached and before any part starts. */
#ifndef PARLEY_MEDIAD_RECOVER_H
#define PARLEY_MEDIAD_RECOVER_H

#include "mediad/mediad.h"

/* Number of transports that were lost. */
unsigned recover_table(struct mediad *md);

#endif
