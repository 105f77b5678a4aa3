#include "tools/load/swarm_outside.h"

#include "tools/admin_client.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static double process_cpu(int pid)
{
	char path[40], text[1024];
	unsigned long user = 0, kernel = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -1;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	fclose(f);
	const char *after = strrchr(text, ')');
	if (!after || sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) != 2)
		return -1;
	return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

/* Shared pages count in part: what all workers have together comes out right. */
static double process_pss(int pid)
{
	char path[40], line[200];
	double kib = -1;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -1;
	while (kib < 0 && fgets(line, sizeof(line), f))
		(void)sscanf(line, "Pss: %lf kB", &kib);
	fclose(f);
	return kib;
}

static void read_metrics(const char *metrics, struct swarm_outside *ret)
{
	double value;

	for (unsigned i = 0; i < OUTSIDE_WORKERS_MAX; i++) {
		if (!metric_find(metrics, "parley_worker_websockets", "worker", i, &value))
			break;
		ret->websockets[ret->workers++] = (unsigned)value;
		if (metric_find(metrics, "parley_worker_websockets_cut_total", "worker", i, &value))
			ret->cut += value;
		if (metric_find(metrics, "parley_worker_pid", "worker", i, &value) && value > 0)
			ret->pid[ret->pids++] = (int)value;
	}
}

static double add(double sum, double one)
{
	return sum < 0 || one < 0 ? -1 : sum + one;
}

void swarm_outside_read(const char *admin, const int *pid, unsigned pids, struct swarm_outside *ret)
{
	struct buf body = { 0 };
	int status;

	*ret = (struct swarm_outside){ 0 };
	if (admin && admin_get(admin, "/metrics", &status, &body) == 0 && status == 200)
		read_metrics((const char *)body.data, ret);
	buf_fini(&body);
	if (pids > 0) {
		ret->pids = pids;
		memcpy(ret->pid, pid, pids * sizeof(*pid));
	}
	ret->cpu_s = ret->pss_kib = ret->pids > 0 ? 0 : -1;
	for (unsigned i = 0; i < ret->pids; i++) {
		ret->cpu_s = add(ret->cpu_s, process_cpu(ret->pid[i]));
		ret->pss_kib = add(ret->pss_kib, process_pss(ret->pid[i]));
	}
}
