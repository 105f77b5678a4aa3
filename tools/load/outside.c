#include "tools/load/outside.h"

#include "lib/buf.h"
#include "lib/err.h"
#include "tools/admin_client.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MEDIADS_MAX = 64 };

static double own_cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

/* All threads, in nanoseconds' steps; 0: it is gone. */
static double process_cpu(int pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
		return 0;
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double metric_sum(const char *metrics, const char *name)
{
	double sum = 0, value;

	for (unsigned i = 0; i < MEDIADS_MAX && metric_find(metrics, name, "mediad", i, &value); i++)
		sum += value;
	return sum;
}

static void read_machine(struct outside *o)
{
	unsigned long long user = 0, nice = 0, kernel = 0, idle = 0, wait = 0, irq = 0, softirq = 0, stolen = 0;
	FILE *f = fopen("/proc/stat", "re");

	if (!f)
		return;
	if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &kernel, &idle, &wait, &irq,
		   &softirq, &stolen) == 8) {
		o->machine_busy = (double)(user + nice + kernel + irq + softirq + stolen);
		o->machine_all = o->machine_busy + (double)(idle + wait);
	}
	fclose(f);
}

/* Two lines of names and values each; of this network namespace. */
static void read_drops(struct outside *o)
{
	char names[1024], values[1024], *name_at, *value_at;
	FILE *f = fopen("/proc/net/snmp", "re");

	while (f && fgets(names, sizeof(names), f)) {
		if (strncmp(names, "Udp:", 4) != 0 || !fgets(values, sizeof(values), f))
			continue;
		const char *name = strtok_r(names, " \n", &name_at), *value = strtok_r(values, " \n", &value_at);
		for (; name && value;
		     name = strtok_r(NULL, " \n", &name_at), value = strtok_r(NULL, " \n", &value_at)) {
			unsigned long long n = 0;
			if (strcmp(name, "RcvbufErrors") == 0 && sscanf(value, "%llu", &n) == 1)
				o->dropped += (double)n;
		}
		break;
	}
	if (f)
		fclose(f);
}

void outside_read(struct outside *ret, const char *admin, const int *pid, unsigned pids)
{
	struct buf body = { 0 };
	int status;

	*ret = (struct outside){ .mediads = -1, .forwarded = -1, .processes = -1 };
	if (admin && admin_get(admin, "/metrics", &status, &body) == 0 && status == 200) {
		ret->mediads = metric_sum((const char *)body.data, "parley_mediad_cpu_seconds_total");
		ret->forwarded = metric_sum((const char *)body.data, "parley_mediad_packets_forwarded_total");
	}
	buf_fini(&body);
	if (pids > 0)
		ret->processes = 0;
	for (unsigned i = 0; i < pids; i++)
		ret->processes += process_cpu(pid[i]);
	ret->own = own_cpu();
	read_machine(ret);
	read_drops(ret);
}

static double rise(double before, double after)
{
	return before < 0 || after < 0 ? -1 : after - before;
}

struct outside outside_between(const struct outside *before, const struct outside *after)
{
	return (struct outside){
		.mediads = rise(before->mediads, after->mediads),
		.forwarded = rise(before->forwarded, after->forwarded),
		.processes = rise(before->processes, after->processes),
		.own = after->own - before->own,
		.machine_busy = after->machine_busy - before->machine_busy,
		.machine_all = after->machine_all - before->machine_all,
		.dropped = after->dropped - before->dropped,
	};
}
