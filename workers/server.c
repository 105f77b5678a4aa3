#include "workers/server.h"

#include "lib/cleanup.h"
#include "lib/url.h"
#include "shm/layout.h"
#include "workers/tls.h"
#include "workers/ws_conn.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define LISTENERS_MAX	  48
#define ACCEPTS_PER_WAKE  4
#define SETTLES_PER_TURN  256 /* a message to all must not keep others waiting */
#define BLOB_MAX	  (1u << 20)
#define UNSENT_MAX	  (128 << 10) /* bytes that the kernel takes beyond what the client's window allows */
#define FDS_RESERVED	  256	      /* for all that is not a client */
#define RELISTEN_US	  (25 * USEC_PER_MSEC)
#define PEER_SILENT_US	  (1 * USEC_PER_SEC) /* a worker without a heartbeat takes no share */
#define DRAIN_TICK_US	  (20 * USEC_PER_MSEC)
#define DRAIN_TICKS	  100
#define DRAIN_DEADLINE_US (5 * USEC_PER_SEC)

struct listener {
	struct loop_fd io;
	struct server *server;
	int fd;
	enum http_conn_kind kind;
};

struct server {
	struct worker *worker;
	SSL_CTX *tls;
	bool self_made, hsts;
	struct listener listener[LISTENERS_MAX];
	size_t listeners;
	bool listening;
	struct loop_timer relisten; /* runs while not listening */
	struct http_conn *conns;
	size_t conns_len, clients, conns_max; /* clients: without the admin's */
	struct http_conn *touched, *touched_last;
	struct loop_timer settle;
	struct loop_timer drain;
	int64_t drain_until_us;
	size_t drain_step;
	void (*on_drained)(struct worker *worker);
	time_t date_s;
	char date[32];
	uint8_t in[STREAM_RECORD], out[STREAM_RECORD];
};

struct worker *server_worker(struct server *server)
{
	return server->worker;
}

uint8_t *server_in(struct server *server)
{
	return server->in;
}

uint8_t *server_out(struct server *server)
{
	return server->out;
}

const char *server_date(struct server *server)
{
	time_t now = time(NULL);
	struct tm tm;

	if (now != server->date_s && gmtime_r(&now, &tm)) {
		strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		server->date_s = now;
	}
	return server->date;
}

/* Connections */

static void clients_changed(struct server *server, const struct http_conn *conn, int by)
{
	server->conns_len += (size_t)by;
	if (conn->kind == HTTP_ADMIN)
		return;
	server->clients += (size_t)by;
	stat_set(&server->worker->counters->connections, server->clients);
}

void server_conn_add(struct server *server, struct http_conn *conn)
{
	conn->next = server->conns;
	if (conn->next)
		conn->next->prev = conn;
	server->conns = conn;
	clients_changed(server, conn, 1);
}

static void untouch(struct server *server, struct http_conn *conn)
{
	if (conn->touched_prev)
		conn->touched_prev->touched_next = conn->touched_next;
	else
		server->touched = conn->touched_next;
	if (conn->touched_next)
		conn->touched_next->touched_prev = conn->touched_prev;
	else
		server->touched_last = conn->touched_prev;
	conn->touched = false;
}

void server_conn_del(struct server *server, struct http_conn *conn)
{
	if (conn->touched)
		untouch(server, conn);
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		server->conns = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	clients_changed(server, conn, -1);
}

static void on_settle(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct server *server = arg;
	/* Those that are touched from here on have their turn in the next one. */
	struct http_conn *last = server->touched_last, *conn = NULL;

	(void)now_us;
	for (unsigned n = 0; n < SETTLES_PER_TURN && server->touched && conn != last; n++) {
		conn = server->touched;
		untouch(server, conn);
		http_conn_settle(conn); /* frees it perhaps: only its address is looked at */
	}
	if (server->touched)
		(void)loop_timer_start(server->worker->loop, timer, loop_now_us(server->worker->loop), on_settle,
				       server);
}

void server_touch(struct server *server, struct http_conn *conn)
{
	struct loop *loop = server->worker->loop;

	if (conn->touched)
		return;
	conn->touched = true;
	conn->touched_next = NULL;
	conn->touched_prev = server->touched ? server->touched_last : NULL;
	if (server->touched)
		server->touched_last->touched_next = conn;
	else
		server->touched = conn;
	server->touched_last = conn;
	if (!server->settle.loop)
		(void)loop_timer_start(loop, &server->settle, loop_now_us(loop), on_settle, server);
}

/* Listening */

static bool worker_is_alive(const struct stats_worker *w, int64_t now_us)
{
	return stat_get(&w->process.state) == PROCESS_READY &&
	       now_us - (int64_t)stat_get(&w->process.heartbeat_us) < PEER_SILENT_US;
}

/* More than 1.125 times the mean of all living workers, this one among them. */
static bool has_more_than_its_share(const struct server *server)
{
	const struct worker *worker = server->worker;
	int64_t now_us = clock_now_us();
	uint64_t sum = server->clients, alive = 1;

	for (unsigned i = 0; i < worker->workers && i < SHM_PROCESSES_MAX; i++) {
		const struct stats_worker *w = &worker->stats.shm->worker[i];
		if (i == worker->index || !worker_is_alive(w, now_us))
			continue;
		sum += stat_get(&w->connections);
		alive++;
	}
	return alive > 1 && server->clients * alive * 8 > sum * 9;
}

static bool may_listen(const struct server *server)
{
	return !server->worker->draining && server->conns_len < server->conns_max && !has_more_than_its_share(server);
}

static void on_acceptable(struct loop_fd *io, uint32_t events, void *arg);

static void on_relisten(struct loop_timer *timer, int64_t now_us, void *arg);

/* The admin must get through also when everything is full, but not while nobody can be accepted at all. */
static void pause_listening(struct server *server, bool admins)
{
	struct loop *loop = server->worker->loop;

	server->listening = false;
	for (size_t i = 0; i < server->listeners; i++) {
		if (admins || server->listener[i].kind != HTTP_ADMIN)
			loop_fd_del(&server->listener[i].io);
	}
	if (!server->worker->draining)
		(void)loop_timer_start(loop, &server->relisten, loop_now_us(loop) + RELISTEN_US, on_relisten, server);
}

/* Without `all` for admins alone. */
static int resume_listening(struct server *server, bool all)
{
	for (size_t i = 0; i < server->listeners; i++) {
		struct listener *l = &server->listener[i];
		if (l->io.loop || (!all && l->kind != HTTP_ADMIN))
			continue;
		int err = loop_fd_add(server->worker->loop, &l->io, l->fd, EPOLLIN | EPOLLEXCLUSIVE, on_acceptable, l);
		if (err < 0)
			return err;
	}
	server->listening = all;
	return 0;
}

static void on_relisten(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct server *server = arg;

	if (resume_listening(server, may_listen(server)) < 0 || !server->listening)
		(void)loop_timer_start(server->worker->loop, timer, now_us + RELISTEN_US, on_relisten, server);
}

static void accept_failed(struct server *server, int err)
{
	static int64_t gate;

	if (err == EAGAIN || err == EINTR || err == ECONNABORTED)
		return;
	if (log_every(&gate, clock_now_us(), 10 * USEC_PER_SEC))
		log_warn("server: cannot accept a connection: %s; trying again in a moment", strerror(err));
	pause_listening(server, true);
}

/* False: nothing more to accept now. */
static bool accept_one(struct listener *l)
{
	struct server *server = l->server;
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	struct http_conn *conn;
	int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int one = 1, unsent_max = UNSENT_MAX;

	if (fd < 0) {
		accept_failed(server, errno);
		return false;
	}
	stat_add(&server->worker->counters->accepted, 1);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof(unsent_max));
	(void)http_conn_new(server, fd, l->kind, l->kind == HTTP_MAIN ? server->tls : NULL, (struct sockaddr *)&peer,
			    &conn);
	return true;
}

static void on_acceptable(struct loop_fd *io, uint32_t events, void *arg)
{
	struct listener *l = arg;

	(void)io;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_WAKE && accept_one(l); i++) {
		if (l->kind != HTTP_ADMIN && !may_listen(l->server)) {
			pause_listening(l->server, false);
			break;
		}
	}
}

/* Names and addresses */

static const char *public_authority(const struct server *server)
{
	static const char scheme[] = "https://";
	const char *url = server->worker->conf.server.public_url;

	return url && strncmp(url, scheme, sizeof(scheme) - 1) == 0 ? url + sizeof(scheme) - 1 : "localhost";
}

bool server_is_own_name(const struct server *server, const char *host)
{
	char name[256];

	if (!server->self_made)
		return false;
	authority_host(host, name, sizeof(name));
	return tls_names_host(server->tls, name);
}

bool server_hsts(const struct server *server)
{
	return server->hsts;
}

void server_redirect(struct server *server, struct request *req)
{
	const char *authority = public_authority(server);
	const char *bracket = strrchr(authority, ']');
	const char *port = strchr(bracket ? bracket : authority, ':');
	char name[256];
	const char *url;

	authority_host(req->host, name, sizeof(name));
	if (server_is_own_name(server, req->host))
		url = arena_printf(&req->arena, strchr(name, ':') ? "https://[%s]%s%s" : "https://%s%s%s", name,
				   port ? port : "", req->target);
	else
		url = arena_printf(&req->arena, "https://%s%s", authority, req->target);
	if (!url) {
		reply_problem(req, 500, "internal", NULL, NULL);
		return;
	}
	request_add_header(req, "Location", url);
	req->keep_alive = false;
	reply_empty(req, 308);
}

/* Start and end */

static int listeners_take(struct server *server, const char *name, enum http_conn_kind kind)
{
	for (unsigned i = 0; fdset_has(&server->worker->fds, "%s.%u", name, i); i++) {
		if (server->listeners == LISTENERS_MAX)
			return -ENOSPC;
		struct listener *l = &server->listener[server->listeners++];
		l->server = server;
		l->kind = kind;
		l->fd = fdset_take(&server->worker->fds, "%s.%u", name, i);
		int flags = fcntl(l->fd, F_GETFL);
		if (flags < 0 || fcntl(l->fd, F_SETFL, flags | O_NONBLOCK) < 0)
			return -errno;
	}
	return 0;
}

static int blob_take(struct server *server, const char *name, char **ret_data, size_t *ret_len)
{
	auto_close int fd = fdset_take(&server->worker->fds, "%s", name);

	return fd < 0 ? fd : shm_blob_read(fd, BLOB_MAX, ret_data, ret_len);
}

static int tls_start(struct server *server)
{
	char *cert = NULL, *key = NULL, *tickets = NULL;
	struct tls_material m = { 0 };
	const char *why = "no certificate was handed down";
	int err = blob_take(server, "tls_cert", &cert, &m.cert_len);

	if (err == 0)
		err = blob_take(server, "tls_key", &key, &m.key_len);
	if (err == 0 && fdset_has(&server->worker->fds, "tickets"))
		err = blob_take(server, "tickets", &tickets, &m.tickets_len);
	if (err == 0) {
		m.cert = cert;
		m.key = key;
		m.tickets = (const uint8_t *)tickets;
		err = tls_context_new(&m, &server->tls, &why);
	}
	if (err < 0)
		log_error("server: no TLS: %s", why);
	if (key)
		OPENSSL_cleanse(key, m.key_len);
	if (tickets)
		OPENSSL_cleanse(tickets, m.tickets_len);
	free(cert);
	free(key);
	free(tickets);
	return err;
}

static size_t conns_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	return limit.rlim_cur / 2 > FDS_RESERVED ? limit.rlim_cur - FDS_RESERVED : limit.rlim_cur / 2;
}

int server_start(struct worker *worker, struct server **ret_server)
{
	struct server *server = calloc(1, sizeof(*server));
	char public_name[256];
	int err;

	if (!server)
		return -ENOMEM;
	server->worker = worker;
	server->conns_max = conns_limit();
	if ((err = listeners_take(server, "https", HTTP_MAIN)) < 0 ||
	    (err = listeners_take(server, "redirect", HTTP_REDIRECT)) < 0 ||
	    (err = listeners_take(server, "admin", HTTP_ADMIN)) < 0 || (err = tls_start(server)) < 0)
		goto fail;
	server->self_made = tls_is_self_made(server->tls);
	authority_host(public_authority(server), public_name, sizeof(public_name));
	server->hsts = !server->self_made && strcasecmp(public_name, "localhost") != 0;
	if ((err = resume_listening(server, true)) < 0)
		goto fail;
	*ret_server = server;
	return 0;
fail:
	server_stop(server);
	return err;
}

static void close_listeners(struct server *server)
{
	for (size_t i = 0; i < server->listeners; i++) {
		loop_fd_del(&server->listener[i].io);
		close(server->listener[i].fd);
	}
	server->listeners = 0;
	loop_timer_stop(&server->relisten);
}

struct server *server_stop(struct server *server)
{
	if (!server)
		return NULL;
	close_listeners(server);
	while (server->conns)
		http_conn_free(server->conns);
	loop_timer_stop(&server->settle);
	loop_timer_stop(&server->drain);
	tls_context_free(server->tls);
	free(server);
	return NULL;
}

/* One step of the two seconds in which the WebSockets are sent elsewhere. */
static void drain_websockets(struct server *server)
{
	size_t websockets = stat_get(&server->worker->counters->websockets);
	size_t steps_left = DRAIN_TICKS - MIN(server->drain_step, (size_t)DRAIN_TICKS - 1);
	size_t n = websockets / steps_left + 1;

	for (struct http_conn *conn = server->conns; conn && n > 0; conn = conn->next) {
		if (conn->ws && !ws_is_closing(conn->ws)) {
			ws_drain(conn->ws);
			n--;
		}
	}
	server->drain_step++;
}

static void on_drain_tick(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct server *server = arg;

	if (server->conns_len == 0 || now_us >= server->drain_until_us) {
		server->on_drained(server->worker);
		return;
	}
	drain_websockets(server);
	(void)loop_timer_start(server->worker->loop, timer, now_us + DRAIN_TICK_US, on_drain_tick, server);
}

void server_drain(struct server *server, void (*on_drained)(struct worker *worker))
{
	struct loop *loop = server->worker->loop;

	server->worker->draining = true;
	server->on_drained = on_drained;
	server->drain_until_us = loop_now_us(loop) + DRAIN_DEADLINE_US;
	close_listeners(server);
	for (struct http_conn *conn = server->conns; conn; conn = conn->next)
		http_conn_drain(conn);
	if (loop_timer_start(loop, &server->drain, loop_now_us(loop), on_drain_tick, server) < 0)
		on_drained(server->worker);
}
