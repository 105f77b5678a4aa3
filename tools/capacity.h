/* tools/capacity.h - parleyctl capacity: how many calls of a kind fit on this machine, and what ends first.
 *
 * Costs come from the options, from a measurement here and now (--measure), or from what the running server has
 * counted; the machine from the settings, /proc and /sys, unless an option says otherwise. plan.h does the computing.
 * Errors: printed as a sentence; the result is an exit status (0, 1, or 2 for a wrong command line). */
#ifndef PARLEY_TOOLS_CAPACITY_H
#define PARLEY_TOOLS_CAPACITY_H

#include "lib/conf.h"

extern const char capacity_usage[];

/* argv[0] is "capacity". */
int capacity_run(const struct conf *conf, int argc, char **argv);

#endif
