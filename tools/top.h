/* tools/top.h - parleyctl top: each core of a running server, live.
 *
 * On a terminal it fills the window, as top(1) does, until q, Ctrl-C or a signal ends it, and leaves the terminal as it
 * was. With -n N, or where standard output is no terminal, it prints N tables (1) and ends.
 * Errors: printed as a sentence; the result is an exit status (0, 1, or 2 for a wrong command line). */
#ifndef PARLEY_TOOLS_TOP_H
#define PARLEY_TOOLS_TOP_H

#include "lib/conf.h"

extern const char top_usage[];

/* argv[0] is "top". */
int top_run(const struct conf *conf, int argc, char **argv);

#endif
