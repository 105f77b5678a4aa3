#include "lib/loop.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOP_BATCH 256

struct loop {
	int epoll_fd;
	bool stopping;
	bool in_timers; /* timers are being called */
	int status;
	int64_t now_us;
	struct loop_times times;
	loop_idle_cb *idle;
	void *idle_arg;
	struct loop_timer **heap;
	size_t heap_len, heap_cap;
	/* The events of this turn; loop_fd_del() blanks those of a removed descriptor. */
	struct epoll_event ready[LOOP_BATCH];
	int ready_len, ready_pos;
};

int loop_new(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int err = -errno;
		free(loop);
		return err;
	}
	loop->now_us = clock_now_us();
	*ret_loop = loop;
	return 0;
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop)
		return NULL;
	for (size_t i = 0; i < loop->heap_len; i++)
		loop->heap[i]->loop = NULL;
	free(loop->heap);
	close(loop->epoll_fd);
	free(loop);
	return NULL;
}

int64_t loop_now_us(const struct loop *loop)
{
	return loop->now_us;
}

struct loop_times loop_times(const struct loop *loop)
{
	return loop->times;
}

void loop_stop(struct loop *loop, int status)
{
	loop->stopping = true;
	loop->status = status;
}

void loop_set_idle(struct loop *loop, loop_idle_cb *cb, void *arg)
{
	loop->idle = cb;
	loop->idle_arg = arg;
}

int loop_fd_add(struct loop *loop, struct loop_fd *io, int fd, uint32_t events, loop_fd_cb *cb, void *arg)
{
	struct epoll_event ev = { .events = events, .data.ptr = io };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*io = (struct loop_fd){ .loop = loop, .cb = cb, .arg = arg, .fd = fd, .events = events };
	return 0;
}

int loop_fd_mod(struct loop_fd *io, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = io };

	if (!io->loop)
		return -EINVAL;
	if (io->events == events)
		return 0;
	if (epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &ev) < 0)
		return -errno;
	io->events = events;
	return 0;
}

void loop_fd_del(struct loop_fd *io)
{
	struct loop *loop = io->loop;

	if (!loop)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	for (int i = loop->ready_pos; i < loop->ready_len; i++) {
		if (loop->ready[i].data.ptr == io)
			loop->ready[i].data.ptr = NULL;
	}
	io->loop = NULL;
}

static void heap_place(struct loop *loop, size_t index, struct loop_timer *timer)
{
	loop->heap[index] = timer;
	timer->heap_index = index;
}

static void heap_up(struct loop *loop, size_t index, struct loop_timer *timer)
{
	while (index > 0) {
		size_t parent = (index - 1) / 2;
		if (loop->heap[parent]->at_us <= timer->at_us)
			break;
		heap_place(loop, index, loop->heap[parent]);
		index = parent;
	}
	heap_place(loop, index, timer);
}

static void heap_down(struct loop *loop, size_t index, struct loop_timer *timer)
{
	for (;;) {
		size_t child = 2 * index + 1;
		if (child >= loop->heap_len)
			break;
		if (child + 1 < loop->heap_len && loop->heap[child + 1]->at_us < loop->heap[child]->at_us)
			child++;
		if (timer->at_us <= loop->heap[child]->at_us)
			break;
		heap_place(loop, index, loop->heap[child]);
		index = child;
	}
	heap_place(loop, index, timer);
}

void loop_timer_stop(struct loop_timer *timer)
{
	struct loop *loop = timer->loop;

	if (!loop)
		return;
	size_t index = timer->heap_index;
	struct loop_timer *last = loop->heap[--loop->heap_len];
	timer->loop = NULL;
	if (last == timer)
		return;
	if (index > 0 && last->at_us < loop->heap[(index - 1) / 2]->at_us)
		heap_up(loop, index, last);
	else
		heap_down(loop, index, last);
}

int loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t at_us, loop_timer_cb *cb, void *arg)
{
	loop_timer_stop(timer);
	/* A timer that is started in the past by a timer waits for the next turn: it cannot keep the loop
	 * from its descriptors, nor other timers from their turn. */
	if (loop->in_timers && at_us <= loop->now_us)
		at_us = loop->now_us + 1;
	if (loop->heap_len == loop->heap_cap) {
		size_t cap = loop->heap_cap ? loop->heap_cap * 2 : 64;
		struct loop_timer **heap = realloc(loop->heap, cap * sizeof(*heap));
		if (!heap)
			return -ENOMEM;
		loop->heap = heap;
		loop->heap_cap = cap;
	}
	*timer = (struct loop_timer){ .loop = loop, .cb = cb, .arg = arg, .at_us = at_us };
	heap_up(loop, loop->heap_len++, timer);
	return 0;
}

static void run_timers(struct loop *loop)
{
	loop->in_timers = true;
	while (loop->heap_len > 0 && loop->heap[0]->at_us <= loop->now_us) {
		struct loop_timer *timer = loop->heap[0];
		loop_timer_stop(timer);
		timer->cb(timer, loop->now_us, timer->arg);
	}
	loop->in_timers = false;
}

int loop_turn(struct loop *loop, int64_t max_wait_us)
{
	int64_t wait_us = max_wait_us;

	if (loop->idle && loop->idle(loop, clock_now_us(), loop->idle_arg))
		wait_us = 0;
	if (loop->stopping) /* by the idle hook */
		wait_us = 0;
	int64_t before_us = clock_now_us();
	if (loop->heap_len > 0) {
		int64_t until_us = MAX(loop->heap[0]->at_us - before_us, 0);
		wait_us = wait_us < 0 ? until_us : MIN(wait_us, until_us);
	}
	struct timespec ts = { .tv_sec = wait_us / USEC_PER_SEC, .tv_nsec = (wait_us % USEC_PER_SEC) * 1000 };
	loop->ready_pos = 0;
	loop->ready_len = epoll_pwait2(loop->epoll_fd, loop->ready, LOOP_BATCH, wait_us < 0 ? NULL : &ts, NULL);
	if (loop->ready_len < 0) {
		int err = errno;
		loop->ready_len = 0;
		if (err != EINTR)
			return -err;
	}
	loop->now_us = clock_now_us();
	if (wait_us != 0) {
		loop->times.waited_us += loop->now_us - before_us;
		loop->times.sleeps++;
	}
	while (loop->ready_pos < loop->ready_len) {
		struct epoll_event *ev = &loop->ready[loop->ready_pos++];
		struct loop_fd *io = ev->data.ptr;
		if (io)
			io->cb(io, ev->events, io->arg);
	}
	run_timers(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	loop->stopping = false;
	while (!loop->stopping) {
		int err = loop_turn(loop, -1);
		if (err < 0)
			return err;
	}
	return loop->status;
}
