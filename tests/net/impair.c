/* impair - a bad network between WebRTC clients and a server: a UDP proxy with a wire in each direction. It also checks
 * what passes: no SRTP key may encrypt two packets under one index (reuse.h).
 *
 *     impair --listen 127.0.0.1:41000 --server 127.0.0.1:40000 [--ports 2] [--seed 1] [--stats FILE]
 *
 * What arrives at listen port + i goes to server port + i, for each client address from a socket of its own, as a NAT
 * would do; the clients of one port share its two wires. Everything passes at once until a line on standard input says
 * otherwise; each is answered by "ok …" or "error …":
 *
 *     play PORT SECONDS FILE             the scenario (scenario.h) begins now, and chance with it, and takes that long
 *                                        (0: as long as it says)
 *     set PORT DIRECTION NAME=VALUE…     from now on; ends what is being played
 *     clear PORT                         nothing any more
 *     checked PORT                       what was checked so far: {"up":{…},"down":{…}}, of each direction the packets
 *                                        of struct reuse_counts
 *
 * "ok" is followed by the time, in milliseconds since 1970. It ends with standard input, so that nobody who has
 * started it leaves it behind; the exit status is 3 when an index was used twice, and standard error says which.
 * FILE gets a line of JSON for each 100 ms, port and direction on which something was sent or is being played:
 *
 *     t_ms       end of these 100 ms, since 1970         lost, dropped        packets, at random and by a full queue
 *     rate       of the bottleneck, bits/s, 0 = none     wait_ms, wait_max_ms in the queue, of those that left it
 *     in, out    packets · in_bytes, out_bytes payload   backlog_ms           what a packet would wait now
 *     checked    packets of SRTP and SRTCP               reused               of these, with an index that was used */
#include "tests/net/reuse.h"
#include "tests/net/scenario.h"
#include "tests/net/wire.h"

#include "lib/cleanup.h"
#include "lib/conf.h"
#include "lib/log.h"
#include "lib/loop.h"

#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PORTS_MAX     64
#define FLOWS_MAX     1000
#define DATAGRAM_MAX  65536
#define SOCKET_BUFFER (4 << 20)
#define TICK_US	      (100 * USEC_PER_MSEC)
#define TOLD_MAX      20 /* findings that are told one by one */
#define EXIT_REUSED   3
/* The same on all ports: which one a server chooses for a client is no part of the experiment. */
#define UP_SEED(seed)	(2 * (seed))
#define DOWN_SEED(seed) (2 * (seed) + 1)

struct impair;

/* One listening port and the server's port behind it. */
struct leg {
	struct impair *im;
	struct loop_fd io;
	int fd;
	uint16_t port;
	struct conf_addr server;
	struct wire up, down;
	struct reuse reuse;
	struct reuse_counts told[2]; /* of reuse.counts, in the statistics */
	struct scenario *playing;    /* NULL: none */
	int64_t began_us, next_change_us;
};

/* One client of a leg. */
struct flow {
	struct leg *leg;
	struct loop_fd io;
	int fd; /* connected to the server */
	struct sockaddr_storage client;
	socklen_t client_len;
	struct reuse_flow reuse;
};

/* To a line of control, behind "ok" and the time. */
struct answer {
	char text[400];
};

struct impair {
	struct loop *loop;
	struct loop_timer wake;
	struct loop_fd control;
	struct leg leg[PORTS_MAX];
	unsigned ports;
	uint64_t seed;
	struct flow *flow[FLOWS_MAX];
	unsigned flows;
	FILE *stats;
	int64_t tick_us, full_gate;
	unsigned found; /* packets with an index that was used before */
	char line[1024];
	size_t line_len;
};

/* ---- packets ---- */

static int udp_socket(const struct conf_addr *addr)
{
	int size = SOCKET_BUFFER;
	auto_close int fd = socket(addr->sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* As root beyond the system's limit; without, as much as it gives. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return STEAL_FD(fd);
}

static void into_wire(struct wire *w, int64_t now_us, const void *data, size_t len, struct flow *flow)
{
	struct wire_packet *p = wire_packet_new(data, len, flow);

	if (p)
		wire_send(w, now_us, p);
}

/* Before the network does something to it: what was sent counts, not what arrives. */
static void check(struct flow *f, enum reuse_direction direction, const void *data, size_t len)
{
	struct impair *im = f->leg->im;
	struct reuse_found found;

	if (!reuse_see(&f->leg->reuse, &f->reuse, direction, data, len, &found) || im->found++ >= TOLD_MAX)
		return;
	reuse_tell(&found, direction, f->leg->port);
}

static void on_server(struct loop_fd *io, uint32_t events, void *arg)
{
	static uint8_t data[DATAGRAM_MAX];
	struct flow *f = arg;

	(void)events;
	for (;;) {
		ssize_t n = recv(io->fd, data, sizeof(data), 0);
		if (n >= 0) {
			check(f, REUSE_DOWN, data, (size_t)n);
			into_wire(&f->leg->down, clock_now_us(), data, (size_t)n, f);
		} else if (errno != EINTR && errno != ECONNREFUSED) { /* the server may be away for a while */
			return;
		}
	}
}

static int flow_open(struct leg *leg, struct flow *f)
{
	auto_close int fd = udp_socket(&leg->server);

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&leg->server.sa, leg->server.len) < 0)
		return -errno;
	int err = loop_fd_add(leg->im->loop, &f->io, fd, EPOLLIN, on_server, f);
	if (err < 0)
		return err;
	f->fd = STEAL_FD(fd);
	return 0;
}

static struct flow *flow_of(struct leg *leg, const struct sockaddr_storage *client, socklen_t len)
{
	struct impair *im = leg->im;

	for (unsigned i = 0; i < im->flows; i++) {
		struct flow *f = im->flow[i];
		if (f->leg != leg || f->client_len != len || memcmp(&f->client, client, len) != 0)
			continue;
		/* Those that are alive come to stand in front of those that are not. */
		unsigned before = i - (i > 0);
		im->flow[i] = im->flow[before];
		im->flow[before] = f;
		return f;
	}
	if (im->flows == FLOWS_MAX) {
		if (log_every(&im->full_gate, clock_now_us(), USEC_PER_SEC))
			log_warn("impair: more than %d clients, one more is not served", FLOWS_MAX);
		return NULL;
	}
	struct flow *f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	*f = (struct flow){ .leg = leg, .fd = -1, .client = *client, .client_len = len };
	int err = flow_open(leg, f);
	if (err < 0) {
		log_warn("impair: no socket towards the server: %s", strerror(-err));
		free(f);
		return NULL;
	}
	im->flow[im->flows++] = f;
	return f;
}

static void on_clients(struct loop_fd *io, uint32_t events, void *arg)
{
	static uint8_t data[DATAGRAM_MAX];
	struct leg *leg = arg;

	(void)events;
	for (;;) {
		struct sockaddr_storage from = { 0 };
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(io->fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len);
		if (n < 0 && errno != EINTR && errno != ECONNREFUSED)
			return;
		struct flow *f = n >= 0 ? flow_of(leg, &from, len) : NULL;
		if (!f)
			continue;
		check(f, REUSE_UP, data, (size_t)n);
		into_wire(&leg->up, clock_now_us(), data, (size_t)n, f);
	}
}

/* What does not fit into a socket's buffer is lost, as on any network. */
static void deliver(struct leg *leg, int64_t now_us)
{
	struct wire_packet *p;

	while ((p = wire_receive(&leg->up, now_us))) {
		struct flow *f = p->owner;
		send(f->fd, p->data, p->len, MSG_NOSIGNAL);
		free(p);
	}
	while ((p = wire_receive(&leg->down, now_us))) {
		struct flow *f = p->owner;
		sendto(leg->fd, p->data, p->len, MSG_NOSIGNAL, (struct sockaddr *)&f->client, f->client_len);
		free(p);
	}
}

/* ---- scenarios ---- */

static void leg_follow(struct leg *leg, int64_t now_us)
{
	/* Changes count from when they were due, however late we are. */
	while (leg->playing && leg->next_change_us <= now_us) {
		int64_t t_us = leg->next_change_us - leg->began_us;
		struct wire_settings up = scenario_at(leg->playing, SCENARIO_UP, t_us);
		struct wire_settings down = scenario_at(leg->playing, SCENARIO_DOWN, t_us);
		wire_set(&leg->up, MAX(leg->next_change_us, leg->up.at_us), &up);
		wire_set(&leg->down, MAX(leg->next_change_us, leg->down.at_us), &down);
		int64_t next_us = scenario_next_us(leg->playing, t_us);
		leg->next_change_us = next_us == INT64_MAX ? INT64_MAX : leg->began_us + next_us;
	}
}

static void leg_stop_playing(struct leg *leg)
{
	free(leg->playing);
	leg->playing = NULL;
}

static int read_scenario(const char *path, struct scenario *ret, struct scenario_error *error)
{
	static char text[1 << 16];
	auto_fclose FILE *file = fopen(path, "re");

	if (!file) {
		snprintf(error->text, sizeof(error->text), "%s: %s", path, strerror(errno));
		return -ENOENT;
	}
	return scenario_parse(path, text, fread(text, 1, sizeof(text), file), ret, error);
}

static int control_play(struct leg *leg, char *rest, struct scenario_error *error)
{
	char *path;
	double seconds = strtod(rest, &path);

	path += strspn(path, " ");
	if (path == rest || !*path || !(seconds >= 0 && seconds <= 86400)) {
		snprintf(error->text, sizeof(error->text), "play PORT SECONDS FILE");
		return -EINVAL;
	}
	struct scenario *sc = malloc(sizeof(*sc));
	int err = sc ? read_scenario(path, sc, error) : -ENOMEM;
	if (err < 0) {
		free(sc);
		return err;
	}
	if (seconds > 0)
		scenario_stretch(sc, (int64_t)(seconds * 1e6));
	leg_stop_playing(leg);
	leg->playing = sc;
	wire_seed(&leg->up, UP_SEED(leg->im->seed));
	wire_seed(&leg->down, DOWN_SEED(leg->im->seed));
	leg->began_us = leg->next_change_us = clock_now_us();
	leg_follow(leg, leg->began_us);
	return 0;
}

static int control_set(struct leg *leg, char *rest, struct scenario_error *error)
{
	char *settings, *direction = strtok_r(rest, " ", &settings);
	bool up = direction && strcmp(direction, "down") != 0, down = direction && strcmp(direction, "up") != 0;
	struct wire_settings next_up = leg->up.set, next_down = leg->down.set;
	int err = direction && (!up || !down || strcmp(direction, "both") == 0) ? 0 : -EINVAL;

	if (err < 0)
		snprintf(error->text, sizeof(error->text), "set PORT up|down|both NAME=VALUE…");
	if (err == 0 && up)
		err = scenario_settings(&next_up, settings, error);
	if (err == 0 && down)
		err = scenario_settings(&next_down, settings, error);
	if (err < 0)
		return err;
	leg_stop_playing(leg);
	wire_set(&leg->up, clock_now_us(), &next_up);
	wire_set(&leg->down, clock_now_us(), &next_down);
	return 0;
}

static void control_clear(struct leg *leg)
{
	leg_stop_playing(leg);
	wire_set(&leg->up, clock_now_us(), &wire_clean);
	wire_set(&leg->down, clock_now_us(), &wire_clean);
}

static void control_checked(const struct leg *leg, struct answer *ret)
{
	ret->text[0] = ' ';
	reuse_write(&leg->reuse, ret->text + 1, sizeof(ret->text) - 1);
}

static int control(struct impair *im, char *line, struct answer *ret, struct scenario_error *error)
{
	char *rest, *verb = strtok_r(line, " ", &rest), *port = strtok_r(NULL, " ", &rest);
	struct leg *leg = NULL;

	for (unsigned i = 0; port && i < im->ports; i++)
		if (im->leg[i].port == strtoul(port, NULL, 10))
			leg = &im->leg[i];
	snprintf(error->text, sizeof(error->text), leg ? "no such command" : "no such port");
	if (!verb || !leg)
		return -EINVAL;
	rest += strspn(rest, " ");
	if (strcmp(verb, "play") == 0)
		return control_play(leg, rest, error);
	if (strcmp(verb, "set") == 0)
		return control_set(leg, rest, error);
	if (strcmp(verb, "clear") == 0)
		control_clear(leg);
	else if (strcmp(verb, "checked") == 0)
		control_checked(leg, ret);
	else
		return -EINVAL;
	return 0;
}

static void obey(struct impair *im, char *line)
{
	struct scenario_error error = { 0 };
	struct answer more = { 0 };

	if (control(im, line, &more, &error) < 0)
		printf("error %s\n", error.text);
	else
		printf("ok %lld%s\n", (long long)(clock_realtime_us() / 1000), more.text);
	fflush(stdout);
}

static void on_control(struct loop_fd *io, uint32_t events, void *arg)
{
	struct impair *im = arg;
	ssize_t n = read(io->fd, im->line + im->line_len, sizeof(im->line) - 1 - im->line_len);
	char *end;

	(void)events;
	if (n <= 0) {
		loop_stop(im->loop, n < 0 ? -errno : 0);
		return;
	}
	im->line_len += (size_t)n;
	im->line[im->line_len] = '\0';
	while ((end = strchr(im->line, '\n'))) {
		*end++ = '\0';
		obey(im, im->line);
		im->line_len -= (size_t)(end - im->line);
		memmove(im->line, end, im->line_len + 1);
	}
	if (im->line_len == sizeof(im->line) - 1) {
		log_error("impair: a line of control is too long, ending");
		loop_stop(im->loop, -EMSGSIZE);
	}
}

/* ---- statistics ---- */

static void tell(struct impair *im, struct leg *leg, enum reuse_direction direction)
{
	struct wire *w = direction == REUSE_UP ? &leg->up : &leg->down;
	struct wire_counts c = wire_take_counts(w);
	const struct reuse_counts now = leg->reuse.counts[direction], before = leg->told[direction];

	leg->told[direction] = now;

	if (c.in_packets == 0 && c.out_packets == 0 && !leg->playing)
		return;
	fprintf(im->stats,
		"{\"t_ms\":%lld,\"port\":%u,\"direction\":\"%s\",\"rate\":%.0f,\"in\":%llu,\"in_bytes\":%llu,"
		"\"out\":%llu,\"out_bytes\":%llu,\"lost\":%llu,\"dropped\":%llu,\"wait_ms\":%.1f,\"wait_max_ms\":%.1f,"
		"\"backlog_ms\":%.1f,\"checked\":%llu,\"reused\":%llu}\n",
		(long long)(clock_realtime_us() / 1000), leg->port, direction == REUSE_UP ? "up" : "down",
		w->set.rate_bps, (unsigned long long)c.in_packets, (unsigned long long)c.in_bytes,
		(unsigned long long)c.out_packets, (unsigned long long)c.out_bytes, (unsigned long long)c.lost,
		(unsigned long long)c.dropped, c.waited ? (double)c.wait_sum_us / (double)c.waited / 1000 : 0,
		(double)c.wait_max_us / 1000, (double)wire_backlog_us(w) / 1000,
		(unsigned long long)(now.checked - before.checked), (unsigned long long)(now.reused - before.reused));
}

static void tick(struct impair *im, int64_t now_us)
{
	im->tick_us = MAX(im->tick_us + TICK_US, now_us);
	if (!im->stats)
		return;
	for (unsigned i = 0; i < im->ports; i++) {
		tell(im, &im->leg[i], REUSE_UP);
		tell(im, &im->leg[i], REUSE_DOWN);
	}
	fflush(im->stats);
}

/* ---- the loop ---- */

static void on_wake(struct loop_timer *timer, int64_t now_us, void *arg)
{
	(void)timer, (void)now_us, (void)arg; /* the work is done before the loop sleeps again */
}

static bool on_idle(struct loop *loop, int64_t now_us, void *arg)
{
	struct impair *im = arg;
	int64_t next_us;

	/* Packets came in at times after the turn's beginning: the wires are never asked about the past. */
	now_us = clock_now_us();
	if (im->tick_us <= now_us)
		tick(im, now_us);
	next_us = im->tick_us;
	for (unsigned i = 0; i < im->ports; i++) {
		struct leg *leg = &im->leg[i];
		leg_follow(leg, now_us);
		deliver(leg, now_us);
		next_us = MIN(next_us, MIN(wire_next_us(&leg->up), wire_next_us(&leg->down)));
		if (leg->playing)
			next_us = MIN(next_us, leg->next_change_us);
	}
	loop_timer_start(loop, &im->wake, next_us, on_wake, im);
	return false;
}

static void set_port(struct conf_addr *addr, unsigned port)
{
	if (addr->sa.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&addr->sa)->sin6_port = htons((uint16_t)port);
	else
		((struct sockaddr_in *)&addr->sa)->sin_port = htons((uint16_t)port);
	addr->port = (uint16_t)port;
}

static int leg_open(struct impair *im, unsigned i, struct conf_addr listen, struct conf_addr server)
{
	struct leg *leg = &im->leg[i];

	set_port(&listen, listen.port + i);
	set_port(&server, server.port + i);
	*leg = (struct leg){ .im = im, .fd = -1, .port = listen.port, .server = server };
	wire_init(&leg->up, UP_SEED(im->seed));
	wire_init(&leg->down, DOWN_SEED(im->seed));
	reuse_init(&leg->reuse);
	im->ports = i + 1;
	leg->fd = udp_socket(&listen);
	if (leg->fd < 0)
		return leg->fd;
	if (bind(leg->fd, (const struct sockaddr *)&listen.sa, listen.len) < 0)
		return -errno;
	return loop_fd_add(im->loop, &leg->io, leg->fd, EPOLLIN, on_clients, leg);
}

static void impair_fini(struct impair *im)
{
	for (unsigned i = 0; i < im->ports; i++) {
		loop_fd_del(&im->leg[i].io);
		if (im->leg[i].fd >= 0)
			close(im->leg[i].fd);
		wire_fini(&im->leg[i].up);
		wire_fini(&im->leg[i].down);
		reuse_fini(&im->leg[i].reuse);
		free(im->leg[i].playing);
	}
	for (unsigned i = 0; i < im->flows; i++) {
		loop_fd_del(&im->flow[i]->io);
		close(im->flow[i]->fd);
		free(im->flow[i]);
	}
	loop_fd_del(&im->control);
	loop_timer_stop(&im->wake);
	if (im->stats)
		fclose(im->stats);
	im->loop = loop_free(im->loop);
}

struct options {
	struct conf_addr listen, server;
	unsigned ports;
	uint64_t seed;
	const char *stats;
};

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option names[] = {
		{ "listen", required_argument, NULL, 'l' }, { "server", required_argument, NULL, 's' },
		{ "ports", required_argument, NULL, 'p' },  { "seed", required_argument, NULL, 'r' },
		{ "stats", required_argument, NULL, 'o' },  { 0 },
	};
	int c, err = 0;

	*o = (struct options){ .ports = 1, .seed = 1 };
	while (err == 0 && (c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		if (c == 'l')
			err = conf_addr_parse(optarg, &o->listen);
		else if (c == 's')
			err = conf_addr_parse(optarg, &o->server);
		else if (c == 'p')
			o->ports = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'r')
			o->seed = strtoull(optarg, NULL, 10);
		else if (c == 'o')
			o->stats = optarg;
		else
			err = -EINVAL;
	}
	bool sound = err == 0 && optind == argc && o->listen.port && o->server.port && o->ports >= 1 &&
		     o->ports <= PORTS_MAX && o->listen.port + o->ports <= 65536 && o->server.port + o->ports <= 65536;
	return sound ? 0 : -EINVAL;
}

static int start(struct impair *im, const struct options *o)
{
	int err = loop_new(&im->loop);

	im->seed = o->seed;
	for (unsigned i = 0; err == 0 && i < o->ports; i++)
		err = leg_open(im, i, o->listen, o->server);
	if (err == 0 && o->stats) {
		im->stats = fopen(o->stats, "we");
		err = im->stats ? 0 : -errno;
	}
	if (err == 0)
		err = loop_fd_add(im->loop, &im->control, STDIN_FILENO, EPOLLIN, on_control, im);
	if (err < 0)
		return err;
	im->tick_us = clock_now_us() + TICK_US;
	loop_set_idle(im->loop, on_idle, im);
	return 0;
}

int main(int argc, char **argv)
{
	static struct impair im;
	struct options options;

	log_init("impair", LOG_LEVEL_INFO, false);
	signal(SIGPIPE, SIG_IGN);
	if (parse_options(argc, argv, &options) < 0) {
		fprintf(stderr, "usage: impair --listen ADDRESS:PORT --server ADDRESS:PORT [--ports N] [--seed N] "
				"[--stats FILE]\n");
		return 2;
	}
	int err = start(&im, &options);
	if (err < 0) {
		log_error("impair: does not start: %s", strerror(-err));
	} else {
		printf("ready\n");
		fflush(stdout);
		err = loop_run(im.loop);
	}
	impair_fini(&im);
	return err < 0 ? 1 : im.found > 0 ? EXIT_REUSED : 0;
}
