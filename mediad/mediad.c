#include "mediad/mediad.h"

#include "mediad/control.h"
#include "mediad/egress.h"
#include "mediad/media.h"
#include "mediad/meter.h"
#include "mediad/recover.h"
#include "mediad/tcp.h"
#include "mediad/udp.h"

#include <string.h>
#include <unistd.h>

enum {
	HEARTBEAT_US = 250 * 1000,
	WORKER_ALIVE_US = 3 * 1000 * 1000, /* heartbeat not older */
	LINK_BUDGET = 64,		   /* messages of one peer in a turn */
	RING_BUDGET = 512,		   /* descriptors in a turn */
};

/* ---- events to workers ---- */

bool mediad_worker_ready(const struct mediad *md, unsigned k)
{
	if (k >= md->workers)
		return false;
	const struct stats_process *p = &md->stats.shm->worker[k].process;
	return stat_get(&p->state) == PROCESS_READY &&
	       clock_now_us() - (int64_t)stat_get(&p->heartbeat_us) < WORKER_ALIVE_US;
}

int mediad_event(struct mediad *md, uint32_t worker, uint16_t type, const void *payload, size_t len)
{
	/* First round: those that are there to read. Second: any; a starting one reads what its predecessor left. */
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < md->workers; i++) {
			unsigned k = (worker + i) % md->workers;
			if (round == 0 && !mediad_worker_ready(md, k))
				continue;
			if (link_push(&md->link_worker[k], type, 0, payload, len) == 0)
				return 0;
		}
	}
	return -EAGAIN;
}

/* ---- one turn ---- */

void mediad_awake(struct mediad *md)
{
	if (!md->asleep)
		return;
	md->asleep = false;
	for (unsigned k = 0; k < md->workers; k++)
		link_wake(&md->link_worker[k]);
	for (unsigned k = 0; k < md->mediads; k++) {
		if (k != md->index)
			link_wake(&md->link_mediad[k]);
	}
}

static bool fall_asleep(struct mediad *md)
{
	bool news = false;

	md->asleep = true;
	for (unsigned k = 0; k < md->workers; k++)
		news |= link_sleep(&md->link_worker[k]);
	for (unsigned k = 0; k < md->mediads; k++) {
		if (k != md->index)
			news |= link_sleep(&md->link_mediad[k]);
	}
	/* Behind the fences of link_sleep(): who posts after this look sees that we sleep, and rings. */
	news |= media_has_news(md->media);
	if (news)
		mediad_awake(md);
	return !news;
}

static void flush_links(struct mediad *md)
{
	for (unsigned k = 0; k < md->workers; k++)
		link_flush(&md->link_worker[k]);
	for (unsigned k = 0; k < md->mediads; k++) {
		if (k != md->index)
			link_flush(&md->link_mediad[k]);
	}
}

/* Mediad k is known by this epoch now; false: the message is of an incarnation that is dead. */
static bool peer_seen(struct mediad *md, unsigned k, uint32_t epoch)
{
	uint32_t known = md->peer_epoch[k];

	if (epoch == known)
		return true;
	if (known != 0 && (int32_t)(epoch - known) < 0)
		return false;
	md->peer_epoch[k] = epoch;
	if (known != 0) {
		log_info("mediad: mediad %u has restarted, its tracks are gone", k);
		media_on_peer_restart(md->media, k);
	}
	return true;
}

static bool drain_mediad(struct mediad *md, unsigned k, unsigned budget)
{
	uint64_t payload[(LINK_PAYLOAD_MAX + 7) / 8];
	struct link_msg msg;

	for (unsigned i = 0; i < budget; i++) {
		int err = link_pop(&md->link_mediad[k], &msg, payload);
		if (err == -EAGAIN)
			return false;
		if (err < 0)
			continue;
		if (msg_check(&msg, payload) < 0 || msg.type < MSG_CALL_HERE || msg.type >= MSG_EVENT)
			stat_add(&md->counters->link_nonsense, 1);
		else if (peer_seen(md, k, msg.epoch))
			media_on_peer_msg(md->media, k, &msg, payload);
	}
	return true;
}

/* Packets of other mediads that are for us and not taken yet. */
static uint64_t ring_backlog(const struct mediad *md)
{
	uint64_t n = 0;

	for (unsigned k = 0; k < md->mediads; k++) {
		if (k != md->index && md->reader[k].shm)
			n += ring_waiting(&md->reader[k]);
	}
	return n;
}

static bool on_idle(struct loop *loop, int64_t now_us, void *arg)
{
	struct mediad *md = arg;

	(void)loop;
	mediad_awake(md);
	stat_add(&md->counters->turns, 1);
	bool more = control_drain(md->control, LINK_BUDGET);
	for (unsigned k = 0; k < md->mediads; k++) {
		if (k != md->index)
			more |= drain_mediad(md, k, LINK_BUDGET);
	}
	meter_on_turn(md->meter, ring_backlog(md));
	more |= media_drain_rings(md->media, RING_BUDGET, now_us);
	egress_flush(md->egress);
	tcp_flush(md->tcp);
	media_flush(md->media, now_us);
	flush_links(md);
	return more || !fall_asleep(md);
}

static void on_bell(struct loop_fd *io, uint32_t events, void *arg)
{
	struct mediad *md = arg;
	uint64_t rings;

	(void)events;
	mediad_awake(md);
	stat_add(&md->counters->wakeups, 1);
	ssize_t n = read(io->fd, &rings, sizeof(rings));
	(void)n;
}

/* ---- heartbeat ---- */

static void count_link(const struct link *link, uint64_t *full, uint64_t *nonsense)
{
	*full += link->full;
	*nonsense += link->nonsense;
}

static void count_links(struct mediad *md)
{
	uint64_t full = 0, nonsense = 0;

	for (unsigned k = 0; k < md->workers; k++)
		count_link(&md->link_worker[k], &full, &nonsense);
	for (unsigned k = 0; k < md->mediads; k++)
		count_link(&md->link_mediad[k], &full, &nonsense);
	stat_add(&md->counters->link_full, full - md->full_seen);
	stat_add(&md->counters->link_nonsense, nonsense - md->nonsense_seen);
	md->full_seen = full;
	md->nonsense_seen = nonsense;
}

static void on_heartbeat(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct mediad *md = arg;

	stats_heartbeat(&md->counters->process, PROCESS_READY, now_us);
	meter_run(md->meter, now_us);
	count_links(md);
	for (unsigned k = 0; k < md->mediads; k++) {
		uint32_t epoch = (uint32_t)stat_get(&md->stats.shm->mediad[k].process.epoch);
		if (k != md->index && epoch != 0)
			(void)peer_seen(md, k, epoch);
	}
	loop_timer_start(md->loop, timer, now_us + HEARTBEAT_US, on_heartbeat, md);
}

/* ---- start and end ---- */

/* A mapping keeps the memory; its descriptor is not needed any more. */
static int taken(struct mediad *md, const char *name, int *ret_fd)
{
	int fd = fdset_take(&md->fds, "%s", name);

	if (fd < 0) {
		log_error("mediad: descriptor '%s' is missing", name);
		return fd;
	}
	*ret_fd = fd;
	return 0;
}

static int attach_conf(struct mediad *md)
{
	struct conf_error error = { "" };
	int fd = -1;

	int err = taken(md, "conf", &fd);
	if (err < 0)
		return err;
	err = conf_init(&md->conf);
	if (err == 0)
		err = conf_load_fd(&md->conf, fd, &error);
	close(fd);
	if (err < 0)
		log_error("mediad: settings: %s", error.text[0] ? error.text : strerror(-err));
	else
		log_set_level(md->conf.log.level);
	return err;
}

static int attach_stats(struct mediad *md)
{
	int fd = -1;

	int err = taken(md, "stats", &fd);
	if (err < 0)
		return err;
	err = stats_attach(&md->stats, fd);
	close(fd);
	if (err < 0)
		return err;
	md->counters = &md->stats.shm->mediad[md->index];
	stats_heartbeat(&md->counters->process, PROCESS_STARTING, clock_now_us());
	return 0;
}

static int attach_own(struct mediad *md)
{
	int table = -1, ring = -1;

	int err = taken(md, "table", &table);
	if (err == 0)
		err = taken(md, "ring.own", &ring);
	if (err == 0)
		err = session_attach(&md->table, table, md->epoch);
	if (err == 0)
		err = ring_attach(&md->ring, ring, md->epoch);
	if (table >= 0)
		close(table);
	if (ring >= 0)
		close(ring);
	return err;
}

/* kind: 'w' or 'm'. The bell stays open: it is written to. */
static int attach_link(struct mediad *md, char kind, unsigned k, struct link *link)
{
	int out = fdset_take(&md->fds, "link.out.%c.%u", kind, k);
	int in = fdset_take(&md->fds, "link.in.%c.%u", kind, k);
	int bell = fdset_take(&md->fds, "bell.%c.%u", kind, k);
	int err = -ENOENT;

	if (out >= 0 && in >= 0 && bell >= 0)
		err = link_attach(link, out, in, bell, md->epoch);
	if (out >= 0)
		close(out);
	if (in >= 0)
		close(in);
	if (err < 0) {
		log_error("mediad: link with %s %u: %s", kind == 'w' ? "worker" : "mediad", k, strerror(-err));
		if (bell >= 0)
			close(bell);
	}
	return err;
}

static int attach_peer_mediad(struct mediad *md, unsigned k)
{
	int err = attach_link(md, 'm', k, &md->link_mediad[k]);
	if (err < 0)
		return err;
	int fd = fdset_take(&md->fds, "ring.%u", k);
	if (fd < 0)
		return fd;
	err = ring_reader_attach(&md->reader[k], fd, md->index);
	close(fd);
	md->peer_epoch[k] = (uint32_t)stat_get(&md->stats.shm->mediad[k].process.epoch);
	return err;
}

static int attach_all(struct mediad *md)
{
	int err = attach_conf(md);
	if (err == 0)
		err = attach_stats(md);
	if (err == 0)
		err = attach_own(md);
	for (unsigned k = 0; err == 0 && k < md->workers; k++)
		err = attach_link(md, 'w', k, &md->link_worker[k]);
	for (unsigned k = 0; err == 0 && k < md->mediads; k++) {
		if (k != md->index)
			err = attach_peer_mediad(md, k);
	}
	return err == 0 ? taken(md, "bell", &md->bell_fd) : err;
}

static int start_parts(struct mediad *md)
{
	int err = loop_new(&md->loop);
	if (err == 0)
		err = egress_start(md, &md->egress);
	if (err == 0)
		err = transports_start(md, &md->transports);
	if (err == 0)
		err = media_start(md, &md->media);
	if (err == 0)
		err = udp_start(md, &md->udp);
	if (err == 0)
		err = tcp_start(md, &md->tcp);
	if (err == 0)
		err = control_start(md, &md->control);
	if (err == 0)
		err = meter_start(md, &md->meter);
	if (err == 0)
		err = loop_fd_add(md->loop, &md->bell, md->bell_fd, EPOLLIN, on_bell, md);
	return err;
}

int mediad_open(struct mediad *md)
{
	md->bell_fd = -1;
	int err = attach_all(md);
	if (err < 0) {
		log_error("mediad: cannot attach: %s", strerror(-err));
		mediad_close(md);
		return err;
	}
	unsigned lost = recover_table(md);
	if (lost > 0)
		log_warn("mediad: %u transports died with a predecessor; their clients are told to come back", lost);
	err = start_parts(md);
	if (err < 0) {
		log_error("mediad: cannot start: %s", strerror(-err));
		mediad_close(md);
		return err;
	}
	fdset_close_rest(&md->fds);
	loop_set_idle(md->loop, on_idle, md);
	on_heartbeat(&md->heartbeat, clock_now_us(), md);
	return 0;
}

static void close_link(struct link *link)
{
	if (!link->out)
		return;
	close(link->bell_fd);
	link_detach(link);
}

void mediad_close(struct mediad *md)
{
	if (md->egress && md->udp)
		egress_flush(md->egress);
	if (md->tcp)
		tcp_flush(md->tcp);
	if (md->loop) {
		loop_fd_del(&md->bell);
		loop_timer_stop(&md->heartbeat);
	}
	md->meter = meter_stop(md->meter);
	md->control = control_stop(md->control);
	md->tcp = tcp_stop(md->tcp);
	md->udp = udp_stop(md->udp);
	md->media = media_stop(md->media);
	md->transports = transports_stop(md->transports);
	md->egress = egress_stop(md->egress);
	md->loop = loop_free(md->loop);
	for (unsigned k = 0; k < SHM_PROCESSES_MAX; k++) {
		close_link(&md->link_worker[k]);
		close_link(&md->link_mediad[k]);
		if (md->reader[k].shm)
			ring_reader_detach(&md->reader[k]);
	}
	if (md->ring.shm)
		ring_detach(&md->ring);
	if (md->table.shm)
		session_detach(&md->table);
	shm_detach(&md->stats.map);
	conf_fini(&md->conf);
	if (md->bell_fd >= 0)
		close(md->bell_fd);
	fdset_close_rest(&md->fds);
}
