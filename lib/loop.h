/* lib/loop.h - the event loop of every process: epoll, timers, deferred work.
 *
 * Callers:   one thread owns a loop; nothing here is thread-safe. Other threads wake a loop through
 *            an eventfd that it watches.
 * Ownership: struct loop_fd and struct loop_timer live inside their owner and are linked, not copied:
 *            they must stay in place until loop_fd_del() / loop_timer_stop(). Both may be called from
 *            within any callback, also for an object whose event is still pending in this turn.
 *            The loop closes no descriptor.
 * Order:     one turn = idle-before-sleep hook, epoll_wait, ready descriptors, due timers.
 *
 *     loop_new(&loop);
 *     loop_fd_add(loop, &c->io, fd, EPOLLIN, on_readable, c);
 *     loop_timer_start(loop, &c->deadline, clock_now_us() + 10 * USEC_PER_SEC, on_deadline, c);
 *     loop_run(loop);                     until loop_stop()
 *     loop = loop_free(loop);
 */
#ifndef PARLEY_LIB_LOOP_H
#define PARLEY_LIB_LOOP_H

#include "lib/clock.h"
#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct loop_fd;
struct loop_timer;

typedef void loop_fd_cb(struct loop_fd *io, uint32_t events, void *arg);
typedef void loop_timer_cb(struct loop_timer *timer, int64_t now_us, void *arg);
/* Called before each epoll_wait; returns true when there is work left that must not sleep. */
typedef bool loop_idle_cb(struct loop *loop, int64_t now_us, void *arg);

struct loop_fd {
	struct loop *loop; /* NULL while not added */
	loop_fd_cb *cb;
	void *arg;
	int fd;
	uint32_t events;
};

struct loop_timer {
	struct loop *loop; /* NULL while not started */
	loop_timer_cb *cb;
	void *arg;
	int64_t at_us;
	size_t heap_index;
};

int loop_new(struct loop **ret_loop);
struct loop *loop_free(struct loop *loop);

/* Runs until loop_stop(); returns the status given to it, or -errno. */
int loop_run(struct loop *loop);
/* One turn that waits at most max_wait_us (-1 = until something happens); for tests. */
int loop_turn(struct loop *loop, int64_t max_wait_us);
void loop_stop(struct loop *loop, int status);
/* The time at which this turn's events were fetched; cheap. */
int64_t loop_now_us(const struct loop *loop);

/* What the loop did with its time, since loop_new(). */
struct loop_times {
	int64_t waited_us; /* asleep in epoll_wait; all other time is work, or waiting for a CPU */
	uint64_t sleeps;   /* turns that had nothing left to do */
};
struct loop_times loop_times(const struct loop *loop);

/* events: EPOLLIN, EPOLLOUT, EPOLLEXCLUSIVE, EPOLLET… -errno of epoll_ctl. */
int loop_fd_add(struct loop *loop, struct loop_fd *io, int fd, uint32_t events, loop_fd_cb *cb, void *arg);
int loop_fd_mod(struct loop_fd *io, uint32_t events);
void loop_fd_del(struct loop_fd *io); /* no-op when not added */

/* (Re)starts a one-shot timer; a callback may start it again. -ENOMEM. */
int loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t at_us, loop_timer_cb *cb, void *arg);
void loop_timer_stop(struct loop_timer *timer); /* no-op when not started */

/* One hook a process: where rings are polled, output is flushed and the doorbell is armed. */
void loop_set_idle(struct loop *loop, loop_idle_cb *cb, void *arg);

#endif
