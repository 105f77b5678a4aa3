#include "workers/peers.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "shm/directory.h"
#include "shm/limits.h"
#include "shm/link.h"
#include "shm/msg.h"
#include "workers/events.h"
#include "workers/media_link.h"
#include "workers/worker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POP_BATCH	64 /* messages of one link in one turn, so that no peer holds the loop up */
#define FRAGMENT_MAX	(LINK_PAYLOAD_MAX - sizeof(struct msg_fragment))
#define BACKLOG_WAIT_US (5 * USEC_PER_MSEC)

/* An event that found no room. */
struct parcel {
	struct parcel *next;
	size_t len;
	uint8_t data[];
};

struct peer {
	bool attached, is_worker;
	unsigned index;
	struct link link;
	int bell_fd;
	/* worker: the payload that is being put together, and what waits for room */
	struct {
		uint64_t corr;
		uint32_t epoch, total;
		struct buf data;
	} in;
	struct parcel *backlog, **backlog_tail;
	size_t backlog_bytes;
};

struct peers {
	struct worker *worker;
	int bell_fd;
	struct loop_fd bell;
	struct loop_timer backlog_timer;
	uint32_t corr;
	struct peer workers[SHM_PROCESSES_MAX], mediads[SHM_PROCESSES_MAX];
	struct peer *all[2 * SHM_PROCESSES_MAX]; /* those that are attached */
	size_t all_len;
	struct directory directory;
	struct limits limits;
	struct id *orphans;
	size_t orphans_len;
};

/* In */

static void fragment_drop(struct peer *peer)
{
	peer->in.total = 0;
	buf_clear(&peer->in.data);
}

static void on_fragment(struct peers *peers, struct peer *peer, const struct link_msg *msg, const uint8_t *payload)
{
	struct msg_fragment part;
	size_t len = msg->len - sizeof(part);

	memcpy(&part, payload, sizeof(part));
	if (part.offset == 0) {
		fragment_drop(peer);
		peer->in.corr = msg->corr;
		peer->in.epoch = msg->epoch;
		peer->in.total = part.total;
	}
	if (peer->in.total == 0 || part.total != peer->in.total || part.total > MSG_EVENT_MAX ||
	    msg->corr != peer->in.corr || msg->epoch != peer->in.epoch || part.offset != peer->in.data.len ||
	    len > part.total - part.offset) {
		fragment_drop(peer);
		return;
	}
	buf_append(&peer->in.data, payload + sizeof(part), len);
	if (peer->in.data.len == part.total && !peer->in.data.failed && peers->worker->events)
		events_on_peer(peers->worker->events, peer->in.data.data, peer->in.data.len);
	if (peer->in.data.len == part.total || peer->in.data.failed)
		fragment_drop(peer);
}

static void on_nonsense(struct peers *peers, const char *kind, unsigned k)
{
	static int64_t gate;

	stat_add(&peers->worker->counters->link_nonsense, 1);
	if (log_every(&gate, clock_now_us(), 10 * USEC_PER_SEC))
		log_warn("peers: %s %u sent what is no message; dropped", kind, k);
}

static void on_worker_msg(struct peers *peers, struct peer *peer, const struct link_msg *msg, void *payload)
{
	if (msg_check(msg, payload) < 0 || msg->type != MSG_EVENT)
		on_nonsense(peers, "worker", peer->index);
	else
		on_fragment(peers, peer, msg, payload);
}

/* True when there may be more. */
static bool peer_drain(struct peers *peers, struct peer *peer)
{
	_Alignas(16) uint8_t payload[LINK_PAYLOAD_MAX];
	struct link_msg msg;

	for (unsigned i = 0; i < POP_BATCH; i++) {
		int err = link_pop(&peer->link, &msg, payload);
		if (err == -EAGAIN)
			return false;
		if (err < 0)
			on_nonsense(peers, peer->is_worker ? "worker" : "mediad", peer->index);
		else if (peer->is_worker)
			on_worker_msg(peers, peer, &msg, payload);
		else if (peers->worker->media)
			media_link_on_msg(peers->worker->media, peer->index, &msg, payload);
	}
	return true;
}

/* Out */

static int event_push(struct peers *peers, struct peer *peer, const uint8_t *data, size_t len)
{
	uint8_t payload[LINK_PAYLOAD_MAX];
	struct msg_fragment part = { .total = (uint32_t)len };
	uint64_t corr = peers_corr(peers);

	if (link_room(&peer->link) < (len + FRAGMENT_MAX - 1) / FRAGMENT_MAX) {
		peer->link.full++;
		stat_add(&peers->worker->counters->link_full, 1);
		return -EAGAIN;
	}
	for (size_t at = 0; at < len; at += FRAGMENT_MAX) {
		size_t n = MIN(len - at, FRAGMENT_MAX);
		part.offset = (uint32_t)at;
		memcpy(payload, &part, sizeof(part));
		memcpy(payload + sizeof(part), data + at, n);
		int err = link_push(&peer->link, MSG_EVENT, corr, payload, sizeof(part) + n);
		if (err < 0)
			return err;
	}
	return 0;
}

static void on_backlog(struct loop_timer *timer, int64_t now_us, void *arg);

static void backlog_arm(struct peers *peers)
{
	if (!peers->backlog_timer.loop)
		loop_timer_start(peers->worker->loop, &peers->backlog_timer, clock_now_us() + BACKLOG_WAIT_US,
				 on_backlog, peers);
}

static int backlog_put(struct peers *peers, struct peer *peer, const void *data, size_t len)
{
	if (peer->backlog_bytes + len > PEERS_BACKLOG_MAX)
		return -EAGAIN;
	struct parcel *parcel = malloc(sizeof(*parcel) + len);
	if (!parcel)
		return -ENOMEM;
	parcel->next = NULL;
	parcel->len = len;
	memcpy(parcel->data, data, len);
	*peer->backlog_tail = parcel;
	peer->backlog_tail = &parcel->next;
	peer->backlog_bytes += len;
	backlog_arm(peers);
	return 0;
}

static void backlog_send(struct peers *peers, struct peer *peer)
{
	while (peer->backlog && event_push(peers, peer, peer->backlog->data, peer->backlog->len) == 0) {
		struct parcel *parcel = peer->backlog;
		peer->backlog = parcel->next;
		if (!peer->backlog)
			peer->backlog_tail = &peer->backlog;
		peer->backlog_bytes -= parcel->len;
		free(parcel);
	}
}

static void on_backlog(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct peers *peers = arg;
	bool left = false;

	(void)timer;
	(void)now_us;
	for (unsigned k = 0; k < peers->worker->workers; k++) {
		backlog_send(peers, &peers->workers[k]);
		left |= peers->workers[k].backlog != NULL;
	}
	if (left)
		backlog_arm(peers);
}

int peers_to_worker(struct peers *peers, unsigned k, const void *data, size_t len)
{
	struct peer *peer = k < SHM_PROCESSES_MAX ? &peers->workers[k] : NULL;
	static int64_t gate;

	if (!peer || !peer->attached)
		return -ENODEV;
	if (len == 0 || len > MSG_EVENT_MAX)
		return -EMSGSIZE;
	int err = peer->backlog ? -EAGAIN : event_push(peers, peer, data, len);
	if (err == -EAGAIN)
		err = backlog_put(peers, peer, data, len);
	if (err < 0) {
		stat_add(&peers->worker->counters->events_dropped, 1);
		if (log_every(&gate, clock_now_us(), 10 * USEC_PER_SEC))
			log_warn("peers: worker %u does not take events; dropping them, its pages refetch later", k);
	}
	return err;
}

int peers_to_mediad(struct peers *peers, unsigned k, uint16_t type, uint64_t corr, const void *payload, size_t len)
{
	struct peer *peer = k < SHM_PROCESSES_MAX ? &peers->mediads[k] : NULL;

	if (!peer || !peer->attached)
		return -ENODEV;
	int err = link_push(&peer->link, type, corr, payload, len);
	if (err == -EAGAIN)
		stat_add(&peers->worker->counters->link_full, 1);
	return err;
}

uint32_t peers_mediad_room(struct peers *peers, unsigned k)
{
	struct peer *peer = k < SHM_PROCESSES_MAX ? &peers->mediads[k] : NULL;

	return peer && peer->attached ? link_room(&peer->link) : 0;
}

uint64_t peers_corr(struct peers *peers)
{
	return (uint64_t)peers->worker->epoch << 32 | ++peers->corr;
}

/* The turn */

/* The order of before-sleep work: hand on what came, ring who must know, look once more with the flag up. */
static bool on_idle(struct loop *loop, int64_t now_us, void *arg)
{
	struct peers *peers = arg;
	bool more = false;

	(void)loop;
	(void)now_us;
	for (size_t i = 0; i < peers->all_len; i++) {
		link_wake(&peers->all[i]->link);
		more |= peer_drain(peers, peers->all[i]);
	}
	for (size_t i = 0; i < peers->all_len; i++)
		link_flush(&peers->all[i]->link);
	for (size_t i = 0; i < peers->all_len && !more; i++)
		more |= link_sleep(&peers->all[i]->link);
	return more;
}

static void on_bell(struct loop_fd *io, uint32_t events, void *arg)
{
	uint64_t count;

	(void)events;
	(void)arg;
	/* The links are looked at before the next sleep anyway. */
	if (read(io->fd, &count, sizeof(count)) < 0)
		return;
}

/* Start */

static int take(struct worker *worker, const char *kind, const char *role, unsigned k)
{
	return fdset_take(&worker->fds, "%s.%s.%u", kind, role, k);
}

static int peer_attach(struct peers *peers, struct peer *peer, const char *role, unsigned k)
{
	struct worker *worker = peers->worker;
	int out_fd = take(worker, "link.out", role, k);
	int in_fd = take(worker, "link.in", role, k);
	int err = out_fd < 0 ? out_fd : in_fd < 0 ? in_fd : 0;

	peer->bell_fd = take(worker, "bell", role, k);
	if (err == 0 && peer->bell_fd < 0)
		err = peer->bell_fd;
	if (err == 0)
		err = link_attach(&peer->link, out_fd, in_fd, peer->bell_fd, worker->epoch);
	peer->index = k;
	peer->is_worker = *role == 'w';
	peer->attached = err == 0;
	if (err == 0)
		peers->all[peers->all_len++] = peer;
	if (out_fd >= 0)
		close(out_fd);
	if (in_fd >= 0)
		close(in_fd);
	if (err < 0)
		log_error("peers: no link with %s %u: %s", peer->is_worker ? "worker" : "mediad", k, strerror(-err));
	return err;
}

static int links_attach(struct peers *peers)
{
	struct worker *worker = peers->worker;
	int err = 0;

	for (unsigned k = 0; k < worker->workers && err == 0; k++) {
		if (k != worker->index)
			err = peer_attach(peers, &peers->workers[k], "w", k);
	}
	for (unsigned k = 0; k < worker->mediads && err == 0; k++)
		err = peer_attach(peers, &peers->mediads[k], "m", k);
	return err;
}

static int bell_attach(struct peers *peers)
{
	peers->bell_fd = fdset_take(&peers->worker->fds, "bell");
	if (peers->bell_fd < 0)
		return peers->bell_fd;
	return loop_fd_add(peers->worker->loop, &peers->bell, peers->bell_fd, EPOLLIN, on_bell, peers);
}

/* Whom our predecessor had on its WebSockets: read before directory_attach() clears the section. */
static void orphans_read(struct peers *peers, int fd)
{
	struct shm_map map;

	if (shm_attach(fd, SHM_MAGIC_DIRECTORY, sizeof(struct directory_region), true, &map) < 0)
		return;
	const struct directory_region *section = map.base;
	size_t room = (map.size - sizeof(*section)) / sizeof(section->entry[0]);
	size_t len = MIN((size_t)section->entries, room);
	for (size_t i = 0; i < len; i++) {
		/* Nobody writes here any more; an odd one was being written. */
		const struct directory_entry *e = &section->entry[i];
		uint64_t user[2] = { e->user[0], e->user[1] };
		if (e->seq & 1 || (uint32_t)e->value == 0 || (user[0] == 0 && user[1] == 0))
			continue;
		if (!peers->orphans)
			peers->orphans = calloc(len - i, sizeof(*peers->orphans));
		if (!peers->orphans)
			break;
		memcpy(peers->orphans[peers->orphans_len++].b, user, sizeof(user));
	}
	shm_detach(&map);
}

static int directory_open(struct peers *peers)
{
	struct worker *worker = peers->worker;
	int fds[SHM_PROCESSES_MAX];
	int err = 0;

	for (unsigned k = 0; k < worker->workers; k++) {
		fds[k] = k == worker->index ? fdset_take(&worker->fds, "dir.own")
					    : fdset_take(&worker->fds, "dir.%u", k);
		if (fds[k] < 0)
			err = fds[k];
	}
	if (err == 0) {
		orphans_read(peers, fds[worker->index]);
		err = directory_attach(&peers->directory, fds, worker->workers, worker->index, worker->epoch,
				       worker->stats.shm);
	}
	for (unsigned k = 0; k < worker->workers; k++) {
		if (fds[k] >= 0)
			close(fds[k]);
	}
	if (err == 0)
		worker->directory = &peers->directory;
	return err;
}

static int limits_open(struct peers *peers)
{
	int fd = fdset_take(&peers->worker->fds, "limits");
	int err = fd < 0 ? fd : limits_attach(&peers->limits, fd);

	if (fd >= 0)
		close(fd);
	if (err == 0)
		peers->worker->limits = &peers->limits;
	return err;
}

static int started(const char *what, int err)
{
	if (err < 0)
		log_error("peers: no %s: %s", what, strerror(-err));
	return err;
}

int peers_start(struct worker *worker, struct peers **ret_peers)
{
	struct peers *peers = calloc(1, sizeof(*peers));
	int err;

	if (!peers)
		return -ENOMEM;
	peers->worker = worker;
	peers->bell_fd = -1;
	for (unsigned k = 0; k < SHM_PROCESSES_MAX; k++) {
		peers->workers[k].bell_fd = peers->mediads[k].bell_fd = -1;
		peers->workers[k].backlog_tail = &peers->workers[k].backlog;
	}
	if ((err = started("bell", bell_attach(peers))) < 0 || (err = links_attach(peers)) < 0 ||
	    (err = started("directory", directory_open(peers))) < 0 ||
	    (err = started("limits", limits_open(peers))) < 0) {
		peers_stop(peers);
		return err;
	}
	loop_set_idle(worker->loop, on_idle, peers);
	*ret_peers = peers;
	return 0;
}

static void peer_fini(struct peer *peer)
{
	if (peer->attached)
		link_detach(&peer->link);
	if (peer->bell_fd >= 0)
		close(peer->bell_fd);
	buf_fini(&peer->in.data);
	while (peer->backlog) {
		struct parcel *parcel = peer->backlog;
		peer->backlog = parcel->next;
		free(parcel);
	}
}

struct peers *peers_stop(struct peers *peers)
{
	if (!peers)
		return NULL;
	struct worker *worker = peers->worker;
	loop_set_idle(worker->loop, NULL, NULL);
	loop_timer_stop(&peers->backlog_timer);
	loop_fd_del(&peers->bell);
	/* Last words: what was said while the parts stopped. */
	for (size_t i = 0; i < peers->all_len; i++)
		link_flush(&peers->all[i]->link);
	for (unsigned k = 0; k < SHM_PROCESSES_MAX; k++) {
		peer_fini(&peers->workers[k]);
		peer_fini(&peers->mediads[k]);
	}
	if (worker->directory)
		directory_detach(worker->directory);
	if (worker->limits)
		limits_detach(worker->limits);
	worker->directory = NULL;
	worker->limits = NULL;
	if (peers->bell_fd >= 0)
		close(peers->bell_fd);
	free(peers->orphans);
	free(peers);
	return NULL;
}

const struct id *peers_orphans(const struct peers *peers, size_t *ret_len)
{
	*ret_len = peers ? peers->orphans_len : 0;
	return peers ? peers->orphans : NULL;
}
