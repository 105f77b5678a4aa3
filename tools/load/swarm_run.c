#include "tools/load/swarm_run.h"

#include "lib/clock.h"
#include "lib/url.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
	STEP_US = 10 * 1000,
	STALL_US = 30 * 1000 * 1000,
	CALM_US = 6 * 1000 * 1000, /* longer than a person's presence lags behind */
	HUSH_US = 500 * 1000,	   /* after a message, for those that come twice */
	PER_SOURCE = 8000,	   /* of 28,000 ports: those of connections that were closed rest for a minute */
	PER_SHARE = 10000,	   /* pages of one process */
	FILES_SPARE = 500,
};

enum phase { PREPARE, CONNECT, CALM, IDLE, SAY, CUT, RELOAD, STOP, DELETE, OVER };

static const char *const phase_name[] = { "making people", "connecting", "waiting", "idle",	"saying",
					  "cutting",	   "reloading",	 "leaving", "deleting", "over" };

struct swarm {
	struct swarm_options options;
	const volatile int *stop;
	struct loop *loop;
	SSL_CTX *tls;
	struct api *api;
	struct swarm_people people;
	struct pages pages; /* as each share gets them */
	struct shares shares;
	struct shares_sum sum;
	unsigned per_share;
	char host[256], authority[300], base[320];
	struct loop_timer step;
	enum phase phase;
	int64_t phase_us;
	int64_t moved_us; /* when something last happened in this phase, … */
	uint64_t mark;	  /* … told by this number */
	/* SAY */
	enum swarm_kind kind;
	uint32_t number; /* of the message under way, over all kinds */
	unsigned left, expected;
	bool saying;
	int64_t said_us;
	struct shares_sum said_before;
	struct swarm_outside outside;
	/* CUT, RELOAD */
	struct shares_sum left_before;
	struct swarm_figures *figures;
};

static void read_outside(const struct swarm *s, struct swarm_outside *ret)
{
	swarm_outside_read(s->options.admin, s->options.pid, s->options.pids, ret);
}

static double since(double now, double before)
{
	return now < 0 || before < 0 ? -1 : now - before;
}

/* ---- phases ---- */

static void phase_begin(struct swarm *s, enum phase phase)
{
	s->phase = phase;
	s->phase_us = s->moved_us = clock_now_us();
	if (phase != OVER)
		fprintf(stderr, "parley-load: %s\n", phase_name[phase]);
}

static double phase_seconds(const struct swarm *s, int64_t now_us)
{
	return (double)(now_us - s->phase_us) * 1e-6;
}

/* Has nothing happened for too long? */
static bool stalled(struct swarm *s, uint64_t mark, int64_t now_us)
{
	if (mark != s->mark)
		s->moved_us = now_us;
	s->mark = mark;
	return now_us - s->moved_us > STALL_US;
}

static void step_prepare(struct swarm *s)
{
	people_prepare(&s->people);
	if (!s->people.ready)
		return;
	const struct shares_config config = { &s->pages, &s->people, s->options.websockets };
	int err = shares_start(&s->shares, &config, s->per_share);
	if (err < 0)
		snprintf(s->figures->error, sizeof(s->figures->error), "no processes for the pages: %s",
			 strerror(-err));
	read_outside(s, &s->figures->before);
	phase_begin(s, CONNECT);
}

static void step_connect(struct swarm *s, int64_t now_us)
{
	const struct swarm_options *o = &s->options;
	double due = phase_seconds(s, now_us) * o->join_rate;

	shares_join(&s->shares, (unsigned)MIN(due, (double)o->websockets));
	if (s->sum.open < o->websockets && !stalled(s, s->sum.opened, now_us))
		return;
	s->figures->open = (unsigned)s->sum.open;
	s->figures->connect_seconds = phase_seconds(s, now_us);
	s->figures->attempts = s->sum.attempts;
	shares_hello(&s->shares, &s->figures->hello);
	phase_begin(s, CALM);
}

static void step_calm(struct swarm *s, int64_t now_us)
{
	if (now_us - s->phase_us < CALM_US)
		return;
	read_outside(s, &s->outside);
	phase_begin(s, IDLE);
}

static void step_idle(struct swarm *s, int64_t now_us)
{
	struct swarm_figures *f = s->figures;

	if (now_us - s->phase_us < s->options.seconds * USEC_PER_SEC)
		return;
	double seconds = phase_seconds(s, now_us);
	read_outside(s, &f->idle);
	double cpu = since(f->idle.cpu_s, s->outside.cpu_s);
	f->idle_cpu = cpu < 0 ? -1 : cpu / seconds;
	f->own_kib = s->sum.own_kib;
	s->kind = 0;
	s->left = s->options.messages;
	phase_begin(s, SAY);
}

/* ---- what all hear ---- */

static void say(struct swarm *s)
{
	s->expected = 0;
	for (unsigned i = 0; i < s->options.websockets; i++)
		s->expected += people_hears(&s->people, s->kind, i % s->options.accounts);
	read_outside(s, &s->outside);
	s->saying = true;
	s->said_before = s->sum;
	s->said_us = s->moved_us = clock_now_us();
	shares_said(&s->shares, s->kind, ++s->number, s->said_us);
	people_say(&s->people, s->kind, s->number);
}

static void said(struct swarm *s)
{
	struct swarm_said *said = &s->figures->said[s->kind];
	uint64_t heard = s->sum.heard - s->said_before.heard;
	struct swarm_outside now;

	read_outside(s, &now);
	double cpu = since(now.cpu_s, s->outside.cpu_s);
	said->cpu_s = cpu < 0 || said->cpu_s < 0 ? -1 : said->cpu_s + cpu;
	said->messages++;
	said->expected += s->expected;
	said->heard += heard;
	said->twice += s->sum.twice - s->said_before.twice;
	if (heard == s->expected)
		histogram_add(&said->to_all, s->sum.heard_us - s->said_us);
	shares_took(&s->shares, s->kind, &said->took);
	s->saying = false;
	s->left--;
}

static void step_say(struct swarm *s, int64_t now_us)
{
	if (s->saying) {
		bool all = s->sum.heard - s->said_before.heard >= s->expected && s->people.busy == 0;
		if ((all && now_us - s->sum.heard_us > HUSH_US) || stalled(s, s->sum.heard, now_us))
			said(s);
	} else if (s->kind == SWARM_KINDS) {
		phase_begin(s, CUT);
	} else if (s->left == 0 || !s->options.says[s->kind]) {
		s->kind++;
		s->left = s->options.messages;
	} else {
		say(s);
	}
}

/* ---- coming back ---- */

static void return_begin(struct swarm *s, struct swarm_return *r)
{
	r->done = true;
	s->left_before = s->sum;
	s->phase_us = s->moved_us = clock_now_us();
}

/* Every WebSocket has been opened once more. */
static void step_return(struct swarm *s, struct swarm_return *r, enum phase next, int64_t now_us)
{
	uint64_t opened = s->sum.opened - s->left_before.opened;

	if ((opened < s->options.websockets || s->sum.open < s->options.websockets) &&
	    !stalled(s, s->sum.opened, now_us))
		return;
	r->seconds = phase_seconds(s, now_us);
	r->back = (unsigned)MIN(opened, s->sum.open);
	r->attempts = s->sum.attempts - s->left_before.attempts;
	r->opened = opened;
	r->resumed = s->sum.resumed - s->left_before.resumed;
	read_outside(s, &r->after);
	phase_begin(s, next);
}

static void step_cut(struct swarm *s, int64_t now_us)
{
	struct swarm_return *r = &s->figures->cut;

	if (!s->options.cut) {
		phase_begin(s, RELOAD);
	} else if (r->done) {
		step_return(s, r, RELOAD, now_us);
	} else {
		return_begin(s, r);
		shares_cut(&s->shares);
	}
}

static void step_reload(struct swarm *s, int64_t now_us)
{
	struct swarm_return *r = &s->figures->reload;

	if (s->options.reload == 0) {
		phase_begin(s, STOP);
	} else if (r->done) {
		step_return(s, r, STOP, now_us);
	} else if (now_us - s->phase_us > CALM_US) {
		return_begin(s, r);
		if (kill(s->options.reload, SIGHUP) < 0)
			snprintf(s->figures->error, sizeof(s->figures->error), "cannot signal %d: %s",
				 s->options.reload, strerror(errno));
	}
}

/* ---- the end ---- */

static void step_stop(struct swarm *s)
{
	const char *error = shares_error(&s->shares);

	s->figures->lost = s->sum.lost;
	if (*error)
		fprintf(stderr, "parley-load: a WebSocket that failed: %s\n", error);
	shares_stop(&s->shares);
	people_delete(&s->people);
	phase_begin(s, DELETE);
}

static void on_step(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct swarm *s = arg;
	char *error = s->figures->error;

	shares_read(&s->shares, &s->sum);
	if (s->phase < STOP && !*error && shares_died(&s->shares))
		snprintf(error, sizeof(s->figures->error), "a process that kept pages has ended");
	if (s->phase < STOP && (*s->stop || *s->people.error || *error)) {
		if (!*error)
			snprintf(error, sizeof(s->figures->error), "%s",
				 *s->people.error ? s->people.error : "stopped");
		phase_begin(s, STOP);
	}
	switch (s->phase) {
	case PREPARE:
		step_prepare(s);
		break;
	case CONNECT:
		step_connect(s, now_us);
		break;
	case CALM:
		step_calm(s, now_us);
		break;
	case IDLE:
		step_idle(s, now_us);
		break;
	case SAY:
		step_say(s, now_us);
		break;
	case CUT:
		step_cut(s, now_us);
		break;
	case RELOAD:
		step_reload(s, now_us);
		break;
	case STOP:
		step_stop(s);
		break;
	case DELETE:
		if (api_pending(s->api) == 0)
			phase_begin(s, OVER);
		break;
	case OVER:
		break;
	}
	if (s->phase == OVER)
		loop_stop(s->loop, 0);
	else
		(void)loop_timer_start(s->loop, timer, clock_now_us() + STEP_US, on_step, s);
}

/* ---- making one ---- */

static bool is_loopback(const struct sockaddr *address)
{
	return address->sa_family == AF_INET &&
	       ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
}

/* Of this machine's own addresses the one that has thousands of others beside it is preferred. */
static int find_address(struct swarm *s)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	const char *url = s->options.url;
	char port[8] = "443";
	struct addrinfo *found;

	if (strncmp(url, "https://", 8) != 0 || strchr(url + 8, '/')) {
		fprintf(stderr, "parley-load: %s: not https://HOST[:PORT]\n", url);
		return -EINVAL;
	}
	snprintf(s->authority, sizeof(s->authority), "%s", url + 8);
	snprintf(s->base, sizeof(s->base), "https://%s/api/v1", s->authority);
	origin_host(url, s->host, sizeof(s->host));
	const char *bracket = strrchr(url, ']'), *colon = strrchr(bracket ? bracket : url + 8, ':');
	if (colon)
		snprintf(port, sizeof(port), "%s", colon + 1);
	int err = getaddrinfo(s->host, port, &hints, &found);
	if (err != 0) {
		fprintf(stderr, "parley-load: %s: %s\n", s->host, gai_strerror(err));
		return -EHOSTUNREACH;
	}
	const struct addrinfo *best = found;
	for (const struct addrinfo *at = found; at; at = at->ai_next) {
		if (is_loopback(at->ai_addr) && !is_loopback(best->ai_addr))
			best = at;
	}
	memcpy(&s->pages.ws.address, best->ai_addr, best->ai_addrlen);
	s->pages.ws.address_len = best->ai_addrlen;
	if (is_loopback(best->ai_addr)) {
		s->pages.per_source = PER_SOURCE;
		s->pages.source.s_addr = htonl(0x7f000101); /* 127.0.1.1 */
	}
	freeaddrinfo(found);
	return 0;
}

static int start_tls(struct swarm *s)
{
	s->tls = SSL_CTX_new(TLS_client_method());
	if (!s->tls)
		return -ENOMEM;
	SSL_CTX_set_verify(s->tls, s->options.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_default_verify_paths(s->tls);
	SSL_CTX_set_mode(s->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					 SSL_MODE_RELEASE_BUFFERS);
	ws_keep_sessions(s->tls);
	return 0;
}

/* A descriptor a WebSocket: so many fit into one process. */
static int pages_each(unsigned *ret)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	if (files.rlim_cur <= 2 * FILES_SPARE)
		return -EMFILE;
	*ret = (unsigned)MIN(files.rlim_cur - FILES_SPARE, (rlim_t)PER_SHARE);
	return 0;
}

static int swarm_init(struct swarm *s)
{
	const struct swarm_options *o = &s->options;
	int err = pages_each(&s->per_share);

	if (err == 0)
		err = loop_new(&s->loop);
	if (err == 0)
		err = find_address(s);
	if (err == 0)
		err = start_tls(s);
	if (err == 0)
		err = api_new(s->loop, s->base, o->insecure, o->connections, &s->api);
	if (err == 0)
		err = people_init(&s->people, s->api, o->accounts, o->tokens);
	s->pages.ws.tls = s->tls;
	s->pages.ws.host = s->host;
	s->pages.ws.authority = s->authority;
	s->pages.ws.path = "/api/v1/events";
	return err;
}

static void swarm_fini(struct swarm *s)
{
	shares_stop(&s->shares);
	people_fini(&s->people);
	api_free(s->api);
	loop_timer_stop(&s->step);
	SSL_CTX_free(s->tls);
	if (s->loop)
		loop_free(s->loop);
}

int swarm_run(const struct swarm_options *options, const volatile int *stop, struct swarm_figures *ret_figures)
{
	struct swarm *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->options = *options;
	s->stop = stop;
	s->figures = ret_figures;
	*ret_figures = (struct swarm_figures){ .idle_cpu = -1 };
	int err = swarm_init(s);
	if (err == 0) {
		phase_begin(s, PREPARE);
		on_step(&s->step, clock_now_us(), s);
		err = loop_run(s->loop);
	} else {
		fprintf(stderr, "parley-load: %s\n", strerror(-err));
	}
	if (*ret_figures->error)
		fprintf(stderr, "parley-load: %s\n", ret_figures->error);
	swarm_fini(s);
	free(s);
	return err < 0 ? err : *ret_figures->error ? -ECANCELED : 0;
}
