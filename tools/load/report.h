/* tools/load/report.h - the figures of a run, as a table for people or as JSON for programs. */
#ifndef PARLEY_LOAD_REPORT_H
#define PARLEY_LOAD_REPORT_H

#include "tools/load/run.h"

#include <stdio.h>

void report_table(FILE *f, const struct run_options *options, const struct run_figures *figures);
/* -ENOMEM. */
int report_json(FILE *f, const struct run_options *options, const struct run_figures *figures);

#endif
