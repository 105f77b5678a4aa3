/* parley-worker INDEX: HTTPS, API and WebSockets. Started by the master with its descriptors (shm/layout.h). */
#include "lib/log.h"
#include "workers/assets.h"
#include "workers/db.h"
#include "workers/events.h"
#include "workers/media_link.h"
#include "workers/peers.h"
#include "workers/pool.h"
#include "workers/server.h"
#include "workers/sweeper.h"
#include "workers/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define HEARTBEAT_US (250 * USEC_PER_MSEC)

struct program {
	struct worker worker;
	struct loop_timer heartbeat;
	struct loop_fd signals;
	int signal_fd;
	uint64_t cpu_base_us; /* of our predecessors */
};

static int number_from(const char *text, unsigned long max, unsigned long *ret_number)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (*end || errno || n > max)
		return -EINVAL;
	*ret_number = n;
	return 0;
}

/* Index, counts and incarnation, as shm/layout.h says. */
static int identity_read(struct worker *worker, int argc, char **argv)
{
	unsigned long index, workers, mediads, epoch;

	if (argc != 2 || number_from(argv[1], SHM_PROCESSES_MAX - 1, &index) < 0 ||
	    number_from(getenv("PARLEY_WORKERS"), SHM_PROCESSES_MAX, &workers) < 0 ||
	    number_from(getenv("PARLEY_MEDIADS"), SHM_PROCESSES_MAX, &mediads) < 0 ||
	    number_from(getenv("PARLEY_EPOCH"), UINT32_MAX, &epoch) < 0 || index >= workers)
		return -EINVAL;
	worker->index = (unsigned)index;
	worker->workers = (unsigned)workers;
	worker->mediads = (unsigned)mediads;
	worker->epoch = (uint32_t)epoch;
	return 0;
}

static int settings_read(struct worker *worker)
{
	struct conf_error error = { 0 };
	int fd = fdset_take(&worker->fds, "conf");
	int err = conf_init(&worker->conf);

	if (err == 0)
		err = fd < 0 ? fd : conf_load_fd(&worker->conf, fd, &error);
	if (fd >= 0)
		close(fd);
	if (err < 0)
		log_error("main: no settings: %s", error.text[0] ? error.text : strerror(-err));
	return err;
}

static int stats_open(struct worker *worker)
{
	int fd = fdset_take(&worker->fds, "stats");
	int err = fd < 0 ? fd : stats_attach(&worker->stats, fd);

	if (fd >= 0)
		close(fd);
	if (err < 0) {
		log_error("main: no counters: %s", strerror(-err));
		return err;
	}
	worker->counters = &worker->stats.shm->worker[worker->index];
	stats_heartbeat(&worker->counters->process, PROCESS_STARTING, clock_now_us());
	return 0;
}

static void on_heartbeat(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct program *p = arg;
	struct worker *worker = &p->worker;

	stat_set(&worker->counters->cpu_us, p->cpu_base_us + (uint64_t)clock_cpu_us());
	stats_heartbeat(&worker->counters->process, worker->draining ? PROCESS_DRAINING : PROCESS_READY, now_us);
	(void)loop_timer_start(worker->loop, timer, now_us + HEARTBEAT_US, on_heartbeat, p);
}

static void on_drained(struct worker *worker)
{
	loop_stop(worker->loop, 0);
}

static void on_signal(struct loop_fd *io, uint32_t events, void *arg)
{
	struct program *p = arg;
	struct signalfd_siginfo info;

	(void)io;
	(void)events;
	if (read(p->signal_fd, &info, sizeof(info)) != sizeof(info) || info.ssi_signo != SIGTERM)
		return;
	if (p->worker.draining) {
		loop_stop(p->worker.loop, 0);
		return;
	}
	log_info("main: draining %llu connections", (unsigned long long)stat_get(&p->worker.counters->connections));
	server_drain(p->worker.server, on_drained);
	stats_heartbeat(&p->worker.counters->process, PROCESS_DRAINING, clock_now_us());
}

/* SIGTERM drains. SIGINT and SIGHUP are the master's: a terminal sends them to the whole group. */
static int signals_watch(struct program *p)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signal_fd < 0)
		return -errno;
	return loop_fd_add(p->worker.loop, &p->signals, p->signal_fd, EPOLLIN, on_signal, p);
}

static int started(const char *part, int err)
{
	if (err < 0)
		log_error("main: %s did not start: %s", part, strerror(-err));
	return err;
}

/* Each part uses the ones above its own. */
static int parts_start(struct worker *w)
{
	int err;

	if ((err = started("peers", peers_start(w, &w->peers))) < 0 ||
	    (err = started("pool", pool_start(w, &w->pool))) < 0 || (err = started("db", db_start(w, &w->db))) < 0 ||
	    (err = started("events", events_start(w, &w->events))) < 0 ||
	    (err = started("media_link", media_link_start(w, &w->media))) < 0 ||
	    (err = started("sweeper", sweeper_start(w, &w->sweeper))) < 0 ||
	    (err = started("assets", assets_start(w, &w->assets))) < 0)
		return err;
	return started("server", server_start(w, &w->server));
}

static void parts_stop(struct worker *w)
{
	/* Connections first: their WebSockets say goodbye to events. */
	w->draining = true;
	w->server = server_stop(w->server);
	w->assets = assets_stop(w->assets);
	w->sweeper = sweeper_stop(w->sweeper);
	w->media = media_link_stop(w->media);
	w->events = events_stop(w->events);
	w->db = db_stop(w->db);
	w->pool = pool_stop(w->pool);
	w->peers = peers_stop(w->peers);
}

static int run(struct program *p)
{
	struct worker *w = &p->worker;
	int err = loop_new(&w->loop);

	if (err == 0)
		err = signals_watch(p);
	if (started("loop", err) < 0)
		return err;
	err = parts_start(w);
	fdset_close_rest(&w->fds);
	if (err == 0) {
		p->cpu_base_us = stat_get(&w->counters->cpu_us);
		on_heartbeat(&p->heartbeat, clock_now_us(), p);
		log_info("main: ready");
		err = loop_run(w->loop);
		loop_timer_stop(&p->heartbeat);
	}
	parts_stop(w);
	loop_fd_del(&p->signals);
	return err;
}

int main(int argc, char **argv)
{
	static struct program program = { .signal_fd = -1 };
	struct worker *w = &program.worker;
	char name[32] = "worker";

	if (identity_read(w, argc, argv) < 0 || fdset_receive(&w->fds) < 0) {
		fprintf(stderr, "parley-worker is started by parleyd\n");
		return 2;
	}
	snprintf(name, sizeof(name), "worker/%u", w->index);
	log_init(name, LOG_LEVEL_INFO, false);
	if (settings_read(w) < 0)
		return 1;
	log_init(name, w->conf.log.level, w->conf.log.target == CONF_LOG_JOURNAL);
	if (stats_open(w) < 0)
		return 1;
	int err = run(&program);
	w->loop = loop_free(w->loop);
	if (program.signal_fd >= 0)
		close(program.signal_fd);
	shm_detach(&w->stats.map);
	conf_fini(&w->conf);
	return err < 0 ? 1 : err;
}
