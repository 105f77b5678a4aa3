/* links: */
#include "shm/stats.h"

#include "tests/support/cm.h"

#include <unistd.h>

static void test_heartbeat_clears_gauges(void **state)
{
	struct stats_map map;
	int fd = -1;

	(void)state;
	assert_int_equal(stats_create(&fd), 0);
	assert_int_equal(stats_attach(&map, fd), 0);
	struct stats_worker *w = &map.shm->worker[3];
	struct stats_mediad *m = &map.shm->mediad[SHM_PROCESSES_MAX - 1];
	stat_set(&w->connections, 5);
	stat_set(&w->db_up, 5);
	stat_add(&w->accepted, 5);
	stat_set(&m->transports, 6);
	stat_set(&m->ring_age_us, 6);
	stat_add(&m->packets_received, 6);
	stats_heartbeat(&w->process, PROCESS_READY, 1000);
	assert_int_equal(stat_get(&w->connections), 5);
	assert_int_equal(stat_get(&w->process.state), PROCESS_READY);
	assert_int_equal(stat_get(&w->process.heartbeat_us), 1000);
	assert_int_equal(stat_get(&w->process.started_us), 0);
	stats_heartbeat(&w->process, PROCESS_STARTING, 2000);
	stats_heartbeat(&m->process, PROCESS_STARTING, 2000);
	assert_int_equal(stat_get(&w->connections), 0);
	assert_int_equal(stat_get(&w->db_up), 0);
	assert_int_equal(stat_get(&w->accepted), 5);
	assert_int_equal(stat_get(&w->process.started_us), 2000);
	assert_int_equal(stat_get(&m->transports), 0);
	assert_int_equal(stat_get(&m->ring_age_us), 0);
	assert_int_equal(stat_get(&m->packets_received), 6);
	shm_detach(&map.map);
	close(fd);
}

static void test_nonsense_gauges(void **state)
{
	struct stats_map map;
	int fd = -1;

	(void)state;
	assert_int_equal(stats_create(&fd), 0);
	assert_int_equal(stats_attach(&map, fd), 0);
	struct stats_mediad *last = &map.shm->mediad[SHM_PROCESSES_MAX - 1];
	stat_set(&last->process.gauges, UINT64_MAX);
	stats_heartbeat(&last->process, PROCESS_STARTING, 1);
	shm_detach(&map.map);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heartbeat_clears_gauges),
		cmocka_unit_test(test_nonsense_gauges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
