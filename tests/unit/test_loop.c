/* links: */
#include "lib/loop.h"

#include "tests/support/cm.h"
#include "tests/support/oom.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#define N 500

static int setup(void **state)
{
	struct loop *loop;

	assert_int_equal(loop_new(&loop), 0);
	*state = loop;
	return 0;
}

static int teardown(void **state)
{
	assert_null(loop_free(*state));
	return 0;
}

/* ---- descriptors ---- */

struct watch {
	struct loop_fd io;
	int fd, calls;
	uint32_t events;
	struct watch *victim; /* removed by our callback */
	struct watch *adopts; /* added anew by our callback, with its own descriptor */
};

static void on_event(struct loop_fd *io, uint32_t events, void *arg)
{
	struct watch *w = arg;

	assert_ptr_equal(io, &w->io);
	w->calls++;
	w->events = events;
	if (w->victim)
		loop_fd_del(&w->victim->io);
	if (w->adopts) {
		struct loop *loop = io->loop ? io->loop : w->adopts->io.loop;
		loop_fd_del(&w->adopts->io);
		assert_int_equal(loop_fd_add(loop, &w->adopts->io, w->adopts->fd, EPOLLIN, on_event, w->adopts), 0);
	}
}

static void watch_add(struct loop *loop, struct watch *w, uint64_t ready)
{
	*w = (struct watch){ .fd = eventfd((unsigned)ready, EFD_NONBLOCK | EFD_CLOEXEC) };
	assert_true(w->fd >= 0);
	assert_int_equal(loop_fd_add(loop, &w->io, w->fd, EPOLLIN, on_event, w), 0);
}

static void watch_end(struct watch *w)
{
	loop_fd_del(&w->io);
	close(w->fd);
}

static void ring(struct watch *w)
{
	uint64_t one = 1;

	assert_int_equal(write(w->fd, &one, sizeof(one)), sizeof(one));
}

static void test_fd_events(void **state)
{
	struct loop *loop = *state;
	struct watch w;

	watch_add(loop, &w, 0);
	assert_int_equal(loop_turn(loop, 0), 0);
	assert_int_equal(w.calls, 0);
	ring(&w);
	assert_int_equal(loop_turn(loop, -1), 0);
	assert_int_equal(w.calls, 1);
	assert_int_equal(w.events, EPOLLIN);
	/* Level-triggered. */
	loop_turn(loop, -1);
	assert_int_equal(w.calls, 2);
	assert_int_equal(loop_fd_mod(&w.io, EPOLLOUT), 0);
	loop_turn(loop, -1);
	assert_int_equal(w.events, EPOLLOUT);
	assert_int_equal(loop_fd_mod(&w.io, 0), 0);
	loop_turn(loop, 0);
	assert_int_equal(w.calls, 3);
	assert_int_equal(loop_fd_mod(&w.io, 0), 0);
	watch_end(&w);
	assert_null(w.io.loop);
	loop_fd_del(&w.io);
	assert_int_equal(loop_fd_mod(&w.io, EPOLLIN), -EINVAL);
}

static void test_fd_errors(void **state)
{
	struct loop *loop = *state;
	struct loop_fd io = { 0 };

	assert_int_equal(loop_fd_add(loop, &io, -1, EPOLLIN, on_event, NULL), -EBADF);
	assert_null(io.loop);
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(loop_fd_add(loop, &io, file, EPOLLIN, on_event, NULL), -EPERM);
	close(file);
}

static void test_removed_within_the_turn(void **state)
{
	struct loop *loop = *state;
	struct watch w[3];

	for (int i = 0; i < 3; i++)
		watch_add(loop, &w[i], 1);
	/* Whoever comes first removes the other. */
	w[0].victim = &w[1];
	w[1].victim = &w[0];
	loop_turn(loop, -1);
	assert_int_equal(w[0].calls + w[1].calls, 1);
	assert_int_equal(w[2].calls, 1);
	loop_turn(loop, -1);
	assert_int_equal(w[0].calls + w[1].calls, 2);
	for (int i = 0; i < 3; i++)
		watch_end(&w[i]);
}

static void test_removes_itself(void **state)
{
	struct loop *loop = *state;
	struct watch w;

	watch_add(loop, &w, 1);
	w.victim = &w;
	loop_turn(loop, -1);
	loop_turn(loop, 0);
	assert_int_equal(w.calls, 1);
	close(w.fd);
}

static void test_added_anew_within_the_turn(void **state)
{
	struct loop *loop = *state;
	struct watch a, b;

	/* b's object gets another life while its old event is pending: that event is not the new one's. */
	watch_add(loop, &a, 1);
	watch_add(loop, &b, 1);
	a.adopts = &b;
	uint64_t n;
	int quiet = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), old = b.fd;
	b.fd = quiet;
	loop_turn(loop, -1);
	assert_true(b.calls <= 1);
	b.calls = 0;
	assert_int_equal(read(quiet, &n, sizeof(n)), -1);
	loop_turn(loop, 0);
	assert_int_equal(b.calls, 0);
	watch_end(&a);
	watch_end(&b);
	close(old);
}

static void test_many_descriptors(void **state)
{
	static struct watch w[N];
	struct loop *loop = *state;
	int calls = 0;

	/* More than one batch of epoll_wait. */
	for (int i = 0; i < N; i++)
		watch_add(loop, &w[i], 1);
	for (int i = 0; i < 4; i++)
		loop_turn(loop, 0);
	for (int i = 0; i < N; i++) {
		calls += w[i].calls > 0;
		watch_end(&w[i]);
	}
	assert_int_equal(calls, N);
}

/* ---- timers ---- */

static int fired[N * 2], fired_len;

struct alarm {
	struct loop_timer timer;
	int number;
	struct alarm *stops;
};

static void on_alarm(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct alarm *a = arg;

	assert_ptr_equal(timer, &a->timer);
	assert_null(timer->loop);
	assert_true(now_us >= timer->at_us);
	if (fired_len < N * 2)
		fired[fired_len++] = a->number;
	if (a->stops)
		loop_timer_stop(&a->stops->timer);
}

static void alarm_start(struct loop *loop, struct alarm *a, int number, int64_t at_us)
{
	a->number = number;
	assert_int_equal(loop_timer_start(loop, &a->timer, at_us, on_alarm, a), 0);
}

static void test_timers_in_order(void **state)
{
	static struct alarm a[N];
	struct loop *loop = *state;
	int64_t now_us = clock_now_us();
	uint32_t x = 1;

	fired_len = 0;
	memset(a, 0, sizeof(a));
	int order[N];
	for (int i = 0; i < N; i++)
		order[i] = i;
	for (int i = N - 1; i > 0; i--) {
		x = x * 1664525 + 1013904223;
		int k = (int)((x >> 8) % (uint32_t)(i + 1)), t = order[i];
		order[i] = order[k];
		order[k] = t;
	}
	for (int i = 0; i < N; i++)
		alarm_start(loop, &a[order[i]], order[i], now_us - N + order[i]);
	/* Some are stopped, some moved to the end. */
	for (int i = 0; i < N; i += 3)
		loop_timer_stop(&a[i].timer);
	for (int i = 1; i < N; i += 3)
		alarm_start(loop, &a[i], i, now_us - N + i);
	loop_turn(loop, -1);
	assert_int_equal(fired_len, N - (N + 2) / 3);
	for (int i = 1; i < fired_len; i++)
		assert_true(fired[i - 1] < fired[i]);
	for (int i = 0; i < N; i++)
		assert_null(a[i].timer.loop);
	loop_timer_stop(&a[0].timer);
}

static void test_timer_waits(void **state)
{
	struct alarm a = { 0 };
	struct loop *loop = *state;
	int64_t began_us = clock_now_us();

	fired_len = 0;
	alarm_start(loop, &a, 1, began_us + 20000);
	loop_turn(loop, 1000);
	assert_int_equal(fired_len, 0);
	while (fired_len == 0)
		loop_turn(loop, -1);
	assert_true(loop_now_us(loop) >= began_us + 20000);
}

static void test_times(void **state)
{
	struct loop *loop = *state;
	struct alarm a = { 0 };
	struct watch w;

	/* Work does not count as waiting: an event that is there already, a turn that must not sleep. */
	watch_add(loop, &w, 1);
	loop_turn(loop, 0);
	assert_int_equal(loop_times(loop).sleeps, 0);
	assert_int_equal(loop_times(loop).waited_us, 0);
	watch_end(&w);
	int64_t began_us = clock_now_us();
	fired_len = 0;
	alarm_start(loop, &a, 1, began_us + 20000);
	while (fired_len == 0)
		loop_turn(loop, -1);
	struct loop_times times = loop_times(loop);
	assert_true(times.sleeps >= 1);
	assert_true(times.waited_us > 0 && times.waited_us <= clock_now_us() - began_us);
}

static void test_timer_stops_another(void **state)
{
	struct alarm a = { 0 }, b = { 0 };
	struct loop *loop = *state;

	fired_len = 0;
	a.stops = &b;
	alarm_start(loop, &a, 1, 1);
	alarm_start(loop, &b, 2, 2);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	assert_int_equal(fired_len, 1);
}

struct repeat {
	struct loop_timer timer;
	struct loop *loop;
	int64_t at_us;
	int calls;
};

static void on_repeat(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct repeat *r = arg;

	(void)now_us;
	r->calls++;
	assert_int_equal(loop_timer_start(r->loop, timer, r->at_us, on_repeat, r), 0);
}

static void test_repeats_do_not_starve(void **state)
{
	struct loop *loop = *state;
	struct repeat r[3] = { { .loop = loop, .at_us = 0 },
			       { .loop = loop, .at_us = 1 },
			       { .loop = loop, .at_us = 2 } };
	struct watch w;

	/* Timers that start themselves in the past: each is called once a turn, and so are descriptors. */
	watch_add(loop, &w, 1);
	for (int i = 0; i < 3; i++)
		loop_timer_start(loop, &r[i].timer, r[i].at_us, on_repeat, &r[i]);
	for (int turn = 1; turn <= 20; turn++) {
		usleep(10);
		loop_turn(loop, -1);
		assert_int_equal(w.calls, turn);
		for (int i = 0; i < 3; i++)
			assert_int_equal(r[i].calls, turn);
	}
	watch_end(&w);
	for (int i = 0; i < 3; i++)
		loop_timer_stop(&r[i].timer);
}

static void test_free_releases_timers(void **state)
{
	struct loop *loop;
	struct alarm a = { 0 };

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	alarm_start(loop, &a, 1, INT64_MAX);
	loop_free(loop);
	assert_null(a.timer.loop);
	loop_timer_stop(&a.timer);
	assert_null(loop_free(NULL));
}

/* ---- running ---- */

struct hook {
	int calls;
	bool busy;
	int stop_after;
};

static bool on_idle(struct loop *loop, int64_t now_us, void *arg)
{
	struct hook *h = arg;

	assert_true(now_us > 0);
	if (++h->calls == h->stop_after)
		loop_stop(loop, 7);
	return h->busy;
}

static void test_idle_hook(void **state)
{
	struct loop *loop = *state;
	struct hook h = { .busy = true };

	loop_set_idle(loop, on_idle, &h);
	/* Busy: does not sleep. */
	loop_turn(loop, -1);
	assert_int_equal(h.calls, 1);
	h.busy = false;
	loop_turn(loop, 0);
	assert_int_equal(h.calls, 2);
}

static void test_stop_by_idle_hook(void **state)
{
	struct loop *loop = *state;
	struct hook h = { .stop_after = 3, .busy = true };

	loop_set_idle(loop, on_idle, &h);
	assert_int_equal(loop_run(loop), 7);
	assert_int_equal(h.calls, 3);
	/* Not busy: without a descriptor or timer the stop must still be seen. */
	h = (struct hook){ .stop_after = 1 };
	assert_int_equal(loop_run(loop), 7);
}

static void on_stop(struct loop_timer *timer, int64_t now_us, void *arg)
{
	(void)timer;
	(void)now_us;
	loop_stop(arg, -5);
}

static void test_stop_by_timer(void **state)
{
	struct loop *loop = *state;
	struct loop_timer timer = { 0 };

	for (int i = 0; i < 2; i++) {
		assert_int_equal(loop_timer_start(loop, &timer, clock_now_us() + 1000, on_stop, loop), 0);
		assert_int_equal(loop_run(loop), -5);
	}
}

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
	(void)number;
	signals++;
}

static void test_signals_end_a_turn(void **state)
{
	struct loop *loop = *state;
	struct sigaction sa = { .sa_handler = on_signal };
	struct itimerval in = { .it_value = { .tv_usec = 20000 } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &in, NULL);
	assert_int_equal(loop_turn(loop, -1), 0);
	assert_int_equal(signals, 1);
}

static void test_out_of_memory(void **state)
{
	struct loop *loop = *state, *other = NULL;
	struct alarm a = { 0 };

	if (!oom_possible())
		skip();
	oom_countdown = 1;
	assert_int_equal(loop_new(&other), -ENOMEM);
	assert_null(other);
	oom_countdown = 1;
	assert_int_equal(loop_timer_start(loop, &a.timer, 1, on_alarm, &a), -ENOMEM);
	assert_null(a.timer.loop);
	loop_turn(loop, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fd_events),
		TEST(test_fd_errors),
		TEST(test_removed_within_the_turn),
		TEST(test_removes_itself),
		TEST(test_added_anew_within_the_turn),
		TEST(test_many_descriptors),
		TEST(test_timers_in_order),
		TEST(test_timer_waits),
		TEST(test_times),
		TEST(test_timer_stops_another),
		TEST(test_repeats_do_not_starve),
		TEST(test_free_releases_timers),
		TEST(test_idle_hook),
		TEST(test_stop_by_idle_hook),
		TEST(test_stop_by_timer),
		TEST(test_signals_end_a_turn),
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
