#include "mediad/meter.h"

#include "lib/log.h"
#include "mediad/budget.h"
#include "mediad/srtp.h"
#include "mediad/udp.h"

#include <linux/sock_diag.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct meter {
	struct mediad *md;
	struct budget budget;
	int64_t started_us;
	/* What the counters held when we began: our predecessors'. */
	uint64_t cpu_base_us, busy_base_us, waited_base_us, sleeps_base, samples_base, cipher_base_ns;
	uint32_t drops[UDP_SOCKETS_MAX]; /* of each socket, as far as counted */
	uint64_t ring_waiting;		 /* the most that a turn found since the last heartbeat */
};

/* False: this kernel does not say. */
static bool socket_look(int fd, uint32_t ret_mem[SK_MEMINFO_VARS])
{
	socklen_t len = SK_MEMINFO_VARS * sizeof(uint32_t);

	memset(ret_mem, 0, len);
	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, ret_mem, &len) == 0;
}

int meter_start(struct mediad *md, struct meter **ret_meter)
{
	struct stats_mediad *c = md->counters;
	struct meter *meter = calloc(1, sizeof(*meter));
	uint32_t mem[SK_MEMINFO_VARS];

	if (!meter)
		return -ENOMEM;
	*meter = (struct meter){
		.md = md,
		.started_us = clock_now_us(),
		.cpu_base_us = stat_get(&c->cpu_us),
		.busy_base_us = stat_get(&c->busy_us),
		.waited_base_us = stat_get(&c->waited_us),
		.sleeps_base = stat_get(&c->sleeps),
		.samples_base = stat_get(&c->cipher_samples),
		.cipher_base_ns = stat_get(&c->cipher_ns),
	};
	/* The sockets are older than we: what they dropped while nobody listened says nothing of us. */
	for (unsigned i = 0; i < udp_sockets(md->udp); i++) {
		if (socket_look(udp_fd(md->udp, i), mem))
			meter->drops[i] = mem[SK_MEMINFO_DROPS];
	}
	/* Of a predecessor that was killed. */
	stat_set(&c->load_permille, 0);
	stat_set(&c->over_budget, 0);
	*ret_meter = meter;
	return 0;
}

struct meter *meter_stop(struct meter *meter)
{
	free(meter);
	return NULL;
}

void meter_on_turn(struct meter *meter, uint64_t ring_waiting)
{
	meter->ring_waiting = MAX(meter->ring_waiting, ring_waiting);
}

static void count_sockets(struct meter *m)
{
	struct mediad *md = m->md;
	uint32_t mem[SK_MEMINFO_VARS];
	uint64_t queued = 0;

	for (unsigned i = 0; i < udp_sockets(md->udp); i++) {
		if (!socket_look(udp_fd(md->udp, i), mem))
			continue;
		queued += mem[SK_MEMINFO_RMEM_ALLOC];
		/* 32 bits that wrap. */
		stat_add(&md->counters->socket_drops, mem[SK_MEMINFO_DROPS] - m->drops[i]);
		m->drops[i] = mem[SK_MEMINFO_DROPS];
	}
	stat_set(&md->counters->queue_bytes, queued);
}

static void count_time(struct meter *m, int64_t now_us)
{
	struct stats_mediad *c = m->md->counters;
	struct loop_times times = loop_times(m->md->loop);
	int64_t busy_us = MAX(now_us - m->started_us - times.waited_us, (int64_t)0);

	stat_set(&c->busy_us, m->busy_base_us + (uint64_t)busy_us);
	stat_set(&c->waited_us, m->waited_base_us + (uint64_t)times.waited_us);
	stat_set(&c->sleeps, m->sleeps_base + times.sleeps);
}

static void count_cipher(struct meter *m)
{
	struct srtp_samples samples = srtp_out_samples();

	stat_set(&m->md->counters->cipher_samples, m->samples_base + samples.packets);
	stat_set(&m->md->counters->cipher_ns, m->cipher_base_ns + samples.ns);
}

static void weigh(struct meter *m, int64_t now_us, uint64_t cpu_us)
{
	struct mediad *md = m->md;
	unsigned percent = (unsigned)stat_get(&md->stats.shm->master.budget_percent);
	struct budget *b = &m->budget;
	enum budget_news news = budget_tick(b, now_us, cpu_us, percent);

	stat_set(&md->counters->load_permille, (uint64_t)(b->load * 1000));
	stat_set(&md->counters->over_budget, b->over);
	if (news == BUDGET_OVER)
		log_warn("meter: load=%.0f%% of a core, media.budget_percent=%u transports=%llu; new participants go "
			 "elsewhere until it is below %.1f%%",
			 b->load * 100, percent, (unsigned long long)stat_get(&md->counters->transports),
			 percent * 0.9);
	else if (news == BUDGET_WITHIN)
		log_info("meter: load=%.0f%% of a core, media.budget_percent=%u; takes new participants again",
			 b->load * 100, percent);
}

void meter_run(struct meter *m, int64_t now_us)
{
	struct stats_mediad *c = m->md->counters;
	uint64_t cpu_us = (uint64_t)clock_cpu_us();

	stat_set(&c->cpu_us, m->cpu_base_us + cpu_us);
	stat_set(&c->core, (uint64_t)MAX(sched_getcpu(), 0));
	stat_set(&c->ring_waiting, m->ring_waiting);
	m->ring_waiting = 0;
	count_time(m, now_us);
	count_cipher(m);
	count_sockets(m);
	weigh(m, now_us, cpu_us);
}
