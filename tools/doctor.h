/* tools/doctor.h - looks for what commonly keeps a server from working, and says what to do about it.
 *
 * One line a finding on standard output: "ok", "warn" or "FAIL", what was looked at, what was found. */
#ifndef PARLEY_TOOLS_DOCTOR_H
#define PARLEY_TOOLS_DOCTOR_H

#include "lib/conf.h"

/* Number of FAILs. */
int doctor_run(const struct conf *conf);

#endif
