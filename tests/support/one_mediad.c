#include "tests/support/one_mediad.h"

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "tests/support/certificate.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

enum { TRANSPORTS = 32 };

static const char settings[] = "[log]\nlevel = error\n";

static int make_certificate(int *ret_fd)
{
	size_t len;
	auto_free char *pem = certificate_make(&len);

	return shm_blob_create("dtls", pem, len, ret_fd);
}

static void add_socket(struct one_mediad *one, const struct sockaddr *sa, socklen_t len)
{
	unsigned i = one->sockets_len;
	int fd = socket(sa->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, sa, len) < 0) {
		if (fd >= 0)
			close(fd);
		return;
	}
	one->udp_fd[i] = fd;
	one->address_len[i] = sizeof(one->address[i]);
	getsockname(fd, (struct sockaddr *)&one->address[i], &one->address_len[i]);
	one->sockets_len++;
}

/* The listener beside udp.i, on a port of its own. */
static int add_listener(struct one_mediad *one, unsigned i, const struct sockaddr *sa, socklen_t len)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, sa, len) < 0 || listen(fd, 1024) < 0)
		return -errno;
	one->tcp_fd[i] = fd;
	one->tcp_len[i] = sizeof(one->tcp[i]);
	return getsockname(fd, (struct sockaddr *)&one->tcp[i], &one->tcp_len[i]) < 0 ? -errno : 0;
}

static int make_sockets(struct one_mediad *one)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct buf text = { 0 };

	add_socket(one, (struct sockaddr *)&in, sizeof(in));
	add_socket(one, (struct sockaddr *)&in6, sizeof(in6));
	if (one->sockets_len == 0)
		return -EADDRNOTAVAIL;
	int err = add_listener(one, 0, (struct sockaddr *)&in, sizeof(in));
	if (err == 0 && one->sockets_len > 1)
		err = add_listener(one, 1, (struct sockaddr *)&in6, sizeof(in6));
	if (err < 0)
		return err;
	/* The port stands at the same place in both families. */
	for (unsigned i = 0; i < one->sockets_len; i++) {
		const struct sockaddr_in *a = (const struct sockaddr_in *)&one->address[i];
		buf_appendf(&text, i == 0 ? "127.0.0.1:%u\n" : "[::1]:%u\n", ntohs(a->sin_port));
	}
	for (unsigned i = 0; i < one->sockets_len; i++) {
		const struct sockaddr_in *a = (const struct sockaddr_in *)&one->tcp[i];
		buf_appendf(&text, i == 0 ? "tcp 127.0.0.1:%u\n" : "tcp [::1]:%u\n", ntohs(a->sin_port));
	}
	err = shm_blob_create("advertise", text.data, text.len, &one->advertise_fd);
	buf_fini(&text);
	return err;
}

int one_mediad_init(struct one_mediad *one)
{
	memset(one, 0, sizeof(*one));
	int err = stats_create(&one->stats_fd);
	if (err == 0)
		err = session_create("table", TRANSPORTS, &one->table_fd);
	if (err == 0)
		err = ring_create("ring", RING_SLOTS_MIN, 2, &one->ring_fd);
	if (err == 0)
		err = link_create("to worker", LINK_SLOTS_DEFAULT, &one->out_fd);
	if (err == 0)
		err = link_create("to mediad", LINK_SLOTS_DEFAULT, &one->in_fd);
	if (err == 0)
		err = ring_create("ring of mediad 1", RING_SLOTS_MIN, 2, &one->peer_ring_fd);
	if (err == 0)
		err = link_create("to mediad 1", LINK_SLOTS_DEFAULT, &one->peer_out_fd);
	if (err == 0)
		err = link_create("from mediad 1", LINK_SLOTS_DEFAULT, &one->peer_in_fd);
	if (err == 0)
		err = shm_blob_create("conf", settings, sizeof(settings) - 1, &one->conf_fd);
	if (err == 0)
		err = make_certificate(&one->dtls_fd);
	if (err == 0)
		err = make_sockets(one);
	if (err < 0)
		return err;
	one->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	one->worker_bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	one->peer_bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = stats_attach(&one->stats, one->stats_fd);
	if (err == 0)
		err = link_attach(&one->link, one->in_fd, one->out_fd, one->bell_fd, 1);
	if (err == 0)
		err = link_attach(&one->peer, one->peer_in_fd, one->peer_out_fd, one->bell_fd, 1);
	if (err < 0)
		return err;
	stat_set(&one->stats.shm->worker[0].process.epoch, 1);
	stats_heartbeat(&one->stats.shm->worker[0].process, PROCESS_READY, clock_now_us());
	return 0;
}

void one_mediad_fini(struct one_mediad *one)
{
	const int fds[] = { one->stats_fd,    one->table_fd,	   one->ring_fd,      one->out_fd,	 one->in_fd,
			    one->bell_fd,     one->worker_bell_fd, one->conf_fd,      one->advertise_fd, one->dtls_fd,
			    one->peer_out_fd, one->peer_in_fd,	   one->peer_ring_fd, one->peer_bell_fd };

	link_detach(&one->link);
	link_detach(&one->peer);
	shm_detach(&one->stats.map);
	for (unsigned i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	for (unsigned i = 0; i < one->sockets_len; i++) {
		close(one->udp_fd[i]);
		close(one->tcp_fd[i]);
	}
}

static int add_fds(struct one_mediad *one, struct fdset *set)
{
	const struct {
		const char *name;
		int fd;
	} fds[] = {
		{ "conf", one->conf_fd },
		{ "stats", one->stats_fd },
		{ "table", one->table_fd },
		{ "ring.own", one->ring_fd },
		{ "bell", one->bell_fd },
		{ "bell.w.0", one->worker_bell_fd },
		{ "link.out.w.0", one->out_fd },
		{ "link.in.w.0", one->in_fd },
		{ "advertise", one->advertise_fd },
		{ "dtls", one->dtls_fd },
		{ "link.out.m.1", one->peer_out_fd },
		{ "link.in.m.1", one->peer_in_fd },
		{ "ring.1", one->peer_ring_fd },
		{ "bell.m.1", one->peer_bell_fd },
	};
	int err = 0;

	for (unsigned i = 0; err == 0 && i < ARRAY_LEN(fds); i++)
		err = fdset_add(set, fds[i].fd, "%s", fds[i].name);
	for (unsigned i = 0; err == 0 && i < one->sockets_len; i++)
		err = fdset_add(set, one->udp_fd[i], "udp.%u", i);
	for (unsigned i = 0; err == 0 && i < one->sockets_len; i++)
		err = fdset_add(set, one->tcp_fd[i], "tcp.%u", i);
	return err;
}

int one_mediad_open(struct one_mediad *one)
{
	memset(&one->md, 0, sizeof(one->md));
	int err = add_fds(one, &one->md.fds);
	if (err < 0)
		return err;
	for (size_t i = 0; i < one->md.fds.len; i++)
		one->md.fds.entry[i].fd = dup(one->md.fds.entry[i].fd);
	one->md.workers = 1;
	one->md.mediads = 2;
	one->md.epoch = ++one->epoch;
	stat_set(&one->stats.shm->mediad[0].process.epoch, one->epoch);
	err = mediad_open(&one->md);
	if (err < 0)
		return err;
	one->here = true;
	one->loop = one->md.loop;
	return 0;
}

void one_mediad_close(struct one_mediad *one)
{
	if (one->here)
		mediad_close(&one->md);
	one->here = false;
	one->loop = NULL;
}

int one_mediad_spawn(struct one_mediad *one, const char *program)
{
	static struct fdset set;
	char epoch[32];

	memset(&set, 0, sizeof(set));
	int err = add_fds(one, &set);
	if (err == 0)
		err = loop_new(&one->loop);
	if (err < 0)
		return err;
	snprintf(epoch, sizeof(epoch), "PARLEY_EPOCH=%u", ++one->epoch);
	stat_set(&one->stats.shm->mediad[0].process.epoch, one->epoch);
	one->pid = fork();
	if (one->pid == 0) {
		char *fds = fdset_exec_prepare(&set);
		char workers[] = "PARLEY_WORKERS=1", mediads[] = "PARLEY_MEDIADS=2";
		char *env[] = { fds, epoch, workers, mediads, NULL };
		execle(program, "parley-mediad", "0", (char *)NULL, env);
		_exit(127);
	}
	return one->pid < 0 ? -errno : 0;
}

int one_mediad_end(struct one_mediad *one, int signal)
{
	int status = 0;

	kill(one->pid, signal);
	waitpid(one->pid, &status, 0);
	one->pid = 0;
	one->loop = loop_free(one->loop);
	return status;
}

/* ---- turns ---- */

static void keep_event(struct one_mediad *one, const struct link_msg *msg, const void *payload)
{
	struct one_event *e = &one->event[one->events_len % ONE_MEDIAD_EVENTS];

	if (msg->type != MSG_TRANSPORT_STATE && msg->type != MSG_MEDIA_LOST)
		return;
	e->type = msg->type;
	memcpy(&e->state, payload, sizeof(e->state));
	one->events_len++;
}

static void take_answer(struct one_answer *ret, const struct link_msg *msg, const void *payload)
{
	switch (msg->type) {
	case MSG_ANSWER_BEGIN:
		memcpy(&ret->head, payload, sizeof(ret->head));
		break;
	case MSG_ANSWER_CANDIDATE:
		if (ret->candidates_len < ARRAY_LEN(ret->candidate))
			memcpy(&ret->candidate[ret->candidates_len++], payload, sizeof(ret->candidate[0]));
		break;
	case MSG_ANSWER_SEAT:
		if (ret->seats_len < ARRAY_LEN(ret->seat))
			memcpy(&ret->seat[ret->seats_len++], payload, sizeof(ret->seat[0]));
		break;
	case MSG_LIST_ITEM:
		if (ret->items_len < ARRAY_LEN(ret->item))
			memcpy(&ret->item[ret->items_len++], payload, sizeof(ret->item[0]));
		break;
	case MSG_ERROR:
		memcpy(&ret->error, payload, sizeof(ret->error));
		ret->type = msg->type;
		break;
	default:
		ret->type = msg->type;
	}
}

/* Events are kept; an answer to corr goes to ret. */
static void read_link(struct one_mediad *one, uint64_t corr, struct one_answer *ret)
{
	uint64_t payload[(LINK_PAYLOAD_MAX + 7) / 8];
	struct link_msg msg;

	while (link_pop(&one->link, &msg, payload) == 0) {
		if (msg_check(&msg, payload) < 0)
			abort();
		if (msg.corr == 0)
			keep_event(one, &msg, payload);
		else if (ret && msg.corr == corr)
			take_answer(ret, &msg, payload);
	}
}

static void turn(struct one_mediad *one, uint64_t corr, struct one_answer *ret)
{
	stats_heartbeat(&one->stats.shm->worker[0].process, PROCESS_READY, clock_now_us());
	link_flush(&one->link);
	link_flush(&one->peer);
	loop_turn(one->loop, 2 * USEC_PER_MSEC);
	read_link(one, corr, ret);
}

bool one_mediad_until(struct one_mediad *one, bool (*done)(void *arg), void *arg, int64_t at_most_us)
{
	int64_t end_us = clock_now_us() + at_most_us;

	while (!done(arg)) {
		if (clock_now_us() > end_us)
			return false;
		turn(one, 0, NULL);
	}
	return true;
}

void one_mediad_run(struct one_mediad *one, int64_t us)
{
	int64_t end_us = clock_now_us() + us;

	while (clock_now_us() < end_us)
		turn(one, 0, NULL);
}

/* ---- questions ---- */

void one_mediad_tell(struct one_mediad *one, uint16_t type, uint64_t corr, const void *payload, size_t len)
{
	if (link_push(&one->link, type, corr, payload, len) < 0)
		abort();
}

static void wait_answer(struct one_mediad *one, uint64_t corr, struct one_answer *ret)
{
	int64_t end_us = clock_now_us() + 5 * USEC_PER_SEC;

	while (ret->type == 0 && clock_now_us() < end_us)
		turn(one, corr, ret);
}

void one_mediad_offer(struct one_mediad *one, const struct msg_offer *offer, const struct session_mline *mlines,
		      struct one_answer *ret)
{
	uint64_t corr = ++one->corr;

	memset(ret, 0, sizeof(*ret));
	one_mediad_tell(one, MSG_OFFER_BEGIN, corr, offer, sizeof(*offer));
	for (unsigned i = 0; i < offer->mlines_len; i++) {
		struct msg_mline part = { .index = i, .mline = mlines[i] };
		one_mediad_tell(one, MSG_OFFER_MLINE, corr, &part, sizeof(part));
	}
	one_mediad_tell(one, MSG_OFFER_END, corr, NULL, 0);
	wait_answer(one, corr, ret);
}

void one_mediad_ask(struct one_mediad *one, uint16_t type, const void *payload, size_t len, struct one_answer *ret)
{
	uint64_t corr = ++one->corr;

	memset(ret, 0, sizeof(*ret));
	one_mediad_tell(one, type, corr, payload, len);
	wait_answer(one, corr, ret);
}

struct msg_offer one_mediad_offer_of(const char *ufrag, const char *pwd)
{
	struct msg_offer offer = { .call = id_random(), .member = id_random(), .sign_in = id_random(), .joined_us = 1 };

	snprintf(offer.ufrag, sizeof(offer.ufrag), "%s", ufrag);
	snprintf(offer.pwd, sizeof(offer.pwd), "%s", pwd);
	memcpy(offer.fingerprint, peer_fingerprint(), sizeof(offer.fingerprint));
	return offer;
}

struct peer_remote one_mediad_remote(const struct one_mediad *one, const struct one_answer *answer, unsigned socket)
{
	struct peer_remote remote = {
		.ufrag = answer->head.ufrag,
		.pwd = answer->head.pwd,
		.address = one->address[socket],
		.address_len = one->address_len[socket],
	};

	memcpy(remote.fingerprint, answer->head.fingerprint, sizeof(remote.fingerprint));
	return remote;
}

const struct one_event *one_mediad_event(const struct one_mediad *one, uint64_t transport)
{
	for (unsigned i = one->events_len; i > 0 && i + ONE_MEDIAD_EVENTS > one->events_len; i--) {
		const struct one_event *e = &one->event[(i - 1) % ONE_MEDIAD_EVENTS];
		if (e->state.transport == transport)
			return e;
	}
	return NULL;
}

int one_mediad_set_up(void **state)
{
	struct one_mediad *one = *state;

	memset(one, 0, sizeof(*one));
	if (one_mediad_init(one) < 0 || one_mediad_open(one) < 0)
		return -1;
	return peer_start();
}

int one_mediad_tear_down(void **state)
{
	one_mediad_close(*state);
	one_mediad_fini(*state);
	return 0;
}
