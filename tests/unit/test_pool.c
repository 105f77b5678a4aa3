/* links: workers */
#include "tests/support/cm.h"

#include "lib/loop.h"
#include "workers/pool.h"
#include "workers/worker.h"

#include <stdatomic.h>
#include <unistd.h>

struct job {
	int number;
	bool worked;
};

static struct worker worker;
static int done_count, ran_count, last_done;
static atomic_int gate; /* work waits until it is 1 */

static void work(void *arg)
{
	struct job *job = arg;

	while (!atomic_load(&gate))
		usleep(1000);
	job->worked = true;
}

static void done(void *arg, bool ran)
{
	struct job *job = arg;

	assert_int_equal(job->worked, ran);
	done_count++;
	ran_count += ran;
	last_done = job->number;
}

static int start(void **state)
{
	done_count = ran_count = 0;
	atomic_store(&gate, 1);
	worker = (struct worker){ .workers = 1 };
	assert_int_equal(loop_new(&worker.loop), 0);
	assert_int_equal(pool_start(&worker, &worker.pool), 0);
	*state = NULL;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	worker.pool = pool_stop(worker.pool);
	worker.loop = loop_free(worker.loop);
	return 0;
}

static void jobs_are_done_on_the_loop(void **state)
{
	struct job jobs[10] = { 0 };

	(void)state;
	for (int i = 0; i < 10; i++) {
		jobs[i].number = i;
		assert_int_equal(pool_submit(worker.pool, work, done, &jobs[i]), 0);
	}
	for (int turns = 0; done_count < 10 && turns < 1000; turns++)
		loop_turn(worker.loop, 10000);
	assert_int_equal(ran_count, 10);
}

static void the_queue_has_an_end(void **state)
{
	struct job jobs[POOL_QUEUE_MAX + 1] = { 0 };

	(void)state;
	atomic_store(&gate, 0);
	for (int i = 0; i < POOL_QUEUE_MAX; i++)
		assert_int_equal(pool_submit(worker.pool, work, done, &jobs[i]), 0);
	assert_int_equal(pool_submit(worker.pool, work, done, &jobs[POOL_QUEUE_MAX]), -EAGAIN);
	atomic_store(&gate, 1);
	while (done_count < POOL_QUEUE_MAX)
		loop_turn(worker.loop, 10000);
	assert_int_equal(pool_submit(worker.pool, work, done, &jobs[POOL_QUEUE_MAX]), 0);
	while (done_count < POOL_QUEUE_MAX + 1)
		loop_turn(worker.loop, 10000);
}

static void stopping_finishes_every_job(void **state)
{
	static struct job jobs[20];

	(void)state;
	for (int i = 0; i < 20; i++) {
		jobs[i] = (struct job){ .number = i };
		assert_int_equal(pool_submit(worker.pool, work, done, &jobs[i]), 0);
	}
	worker.pool = pool_stop(worker.pool);
	assert_int_equal(done_count, 20);
	assert_true(ran_count <= 20);
	assert_null(pool_stop(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(jobs_are_done_on_the_loop, start, stop),
		cmocka_unit_test_setup_teardown(the_queue_has_an_end, start, stop),
		cmocka_unit_test_setup_teardown(stopping_finishes_every_job, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
