#include "shm/stats.h"

#include "lib/cleanup.h"

#include <string.h>

#define WORKER_GAUGES ((offsetof(struct stats_worker, accepted) - sizeof(struct stats_process)) / sizeof(stat_t))
#define MEDIAD_GAUGES \
	((offsetof(struct stats_mediad, packets_received) - sizeof(struct stats_process)) / sizeof(stat_t))
#define GAUGES_MAX 16

_Static_assert(WORKER_GAUGES == 3 && MEDIAD_GAUGES == 4, "gauges stand right behind the process");
_Static_assert(offsetof(struct stats_worker, process) == 0 && offsetof(struct stats_mediad, process) == 0, "first");

int stats_create(int *ret_fd)
{
	struct shm_map map;

	auto_close int fd = -1;
	int err = shm_create("stats", SHM_MAGIC_STATS, sizeof(struct stats_region), &fd);
	if (err < 0)
		return err;
	err = shm_attach(fd, SHM_MAGIC_STATS, sizeof(struct stats_region), true, &map);
	if (err < 0)
		return err;
	struct stats_region *shm = map.base;
	for (unsigned k = 0; k < SHM_PROCESSES_MAX; k++) {
		stat_set(&shm->worker[k].process.gauges, WORKER_GAUGES);
		stat_set(&shm->mediad[k].process.gauges, MEDIAD_GAUGES);
	}
	shm_detach(&map);
	*ret_fd = STEAL_FD(fd);
	return 0;
}

int stats_attach(struct stats_map *map, int fd)
{
	struct stats_map m;

	int err = shm_attach(fd, SHM_MAGIC_STATS, sizeof(struct stats_region), true, &m.map);
	if (err < 0)
		return err;
	m.shm = m.map.base;
	*map = m;
	return 0;
}

void stats_heartbeat(struct stats_process *process, enum process_state state, int64_t now_us)
{
	if (state == PROCESS_STARTING) {
		stat_t *gauge = (stat_t *)(process + 1);
		uint64_t n = MIN(stat_get(&process->gauges), (uint64_t)GAUGES_MAX);
		for (uint64_t i = 0; i < n; i++)
			stat_set(&gauge[i], 0);
		stat_set(&process->started_us, (uint64_t)now_us);
	}
	stat_set(&process->heartbeat_us, (uint64_t)now_us);
	stat_set(&process->state, state);
}
