/* tools/load/swarm.h - the scenario swarm of parley-load: thousands of WebSockets, no media.
 *
 * What one costs the workers in memory, what a message to all costs in CPU time, whether everybody hears it once, how
 * the WebSockets spread over the workers, and how long all need to come back. Its options are its own: parley-load(1).
 */
#ifndef PARLEY_LOAD_SWARM_H
#define PARLEY_LOAD_SWARM_H

/* argv[0] is "swarm", options and the URL follow. Runs until its end, or until *stop. The exit status. */
int swarm_main(int argc, char **argv, const volatile int *stop);

#endif
