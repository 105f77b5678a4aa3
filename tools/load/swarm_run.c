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
	struct pages pages;
	struct page *page;
	char host[256], authority[300];
	struct loop_timer step;
	enum phase phase;
	int64_t phase_us;
	int64_t moved_us; /* when something last happened in this phase, … */
	uint64_t mark;	  /* … told by this number */
	unsigned next;
	/* SAY */
	enum swarm_kind kind;
	uint32_t number; /* of the message under way, over all kinds */
	unsigned left, expected, heard;
	bool saying;
	int64_t said_us, heard_us;
	struct outside outside;
	/* CUT, RELOAD */
	uint64_t opened_before, attempts_before, resumed_before;
	struct swarm_figures *figures;
};

static struct swarm *the_swarm; /* for the callback that knows a page only */

static void read_outside(const struct swarm *s, struct outside *ret)
{
	outside_read(s->options.admin, s->options.pid, s->options.pids, ret);
}

static double since(double now, double before)
{
	return now < 0 || before < 0 ? -1 : now - before;
}

static double own_kib(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_maxrss;
}

/* ---- phases ---- */

static void phase_begin(struct swarm *s, enum phase phase)
{
	s->phase = phase;
	s->phase_us = s->moved_us = clock_now_us();
	s->next = 0;
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
	read_outside(s, &s->figures->before);
	phase_begin(s, CONNECT);
}

static void step_connect(struct swarm *s, int64_t now_us)
{
	const struct swarm_options *o = &s->options;
	double due = phase_seconds(s, now_us) * o->join_rate;

	while (s->next < o->websockets && s->next < due)
		page_start(&s->page[s->next++]);
	if (s->pages.open < o->websockets && !stalled(s, s->pages.opened, now_us))
		return;
	s->figures->open = s->pages.open;
	s->figures->connect_seconds = phase_seconds(s, now_us);
	s->figures->attempts = s->pages.attempts;
	s->figures->hello = s->pages.hello;
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
	f->own_kib = own_kib();
	s->kind = 0;
	s->left = s->options.messages;
	phase_begin(s, SAY);
}

/* ---- what all hear ---- */

static void say(struct swarm *s)
{
	s->expected = s->heard = 0;
	for (unsigned i = 0; i < s->options.websockets; i++) {
		s->page[i].heard = 0;
		s->expected +=
			s->page[i].state == PAGE_OPEN && people_hears(&s->people, s->kind, i % s->options.accounts);
	}
	read_outside(s, &s->outside);
	s->saying = true;
	s->number++;
	s->said_us = s->heard_us = s->moved_us = clock_now_us();
	people_say(&s->people, s->kind, s->number);
}

static void on_event(struct page *page, const char *text, size_t len)
{
	struct swarm *s = the_swarm;
	struct swarm_said *said = &s->figures->said[s->kind];

	if (s->phase != SAY || !s->saying || !people_is(&s->people, s->kind, s->number, text, len))
		return;
	if (page->heard++ > 0) {
		said->twice++;
		return;
	}
	s->heard++;
	s->heard_us = clock_now_us();
	histogram_add(&said->took, s->heard_us - s->said_us);
}

static void said(struct swarm *s)
{
	struct swarm_said *said = &s->figures->said[s->kind];
	struct outside now;

	read_outside(s, &now);
	double cpu = since(now.cpu_s, s->outside.cpu_s);
	said->cpu_s = cpu < 0 || said->cpu_s < 0 ? -1 : said->cpu_s + cpu;
	said->messages++;
	said->expected += s->expected;
	said->heard += s->heard;
	if (s->heard == s->expected)
		histogram_add(&said->to_all, s->heard_us - s->said_us);
	s->saying = false;
	s->left--;
}

static void step_say(struct swarm *s, int64_t now_us)
{
	if (s->saying) {
		bool all = s->heard >= s->expected && s->people.busy == 0 && now_us - s->heard_us > HUSH_US;
		if (all || stalled(s, s->heard, now_us))
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
	s->opened_before = s->pages.opened;
	s->attempts_before = s->pages.attempts;
	s->resumed_before = s->pages.resumed;
	s->phase_us = s->moved_us = clock_now_us();
}

/* Every WebSocket has been opened once more. */
static void step_return(struct swarm *s, struct swarm_return *r, enum phase next, int64_t now_us)
{
	uint64_t opened = s->pages.opened - s->opened_before;

	if ((opened < s->options.websockets || s->pages.open < s->options.websockets) &&
	    !stalled(s, s->pages.opened, now_us))
		return;
	r->seconds = phase_seconds(s, now_us);
	r->back = s->pages.open;
	r->attempts = s->pages.attempts - s->attempts_before;
	r->resumed = s->pages.resumed - s->resumed_before;
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
		for (unsigned i = 0; i < s->options.websockets; i++)
			page_cut(&s->page[i]);
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
	s->figures->lost = s->pages.lost;
	for (unsigned i = 0; i < s->options.websockets; i++)
		page_stop(&s->page[i]);
	people_delete(&s->people);
	phase_begin(s, DELETE);
}

static void on_step(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct swarm *s = arg;
	char *error = s->figures->error;

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

/* A descriptor a WebSocket. Root may go beyond the hard limit. */
static int raise_files(unsigned wanted)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	if (files.rlim_cur >= wanted)
		return 0;
	files.rlim_cur = wanted;
	files.rlim_max = MAX(files.rlim_max, (rlim_t)wanted);
	if (setrlimit(RLIMIT_NOFILE, &files) < 0) {
		fprintf(stderr, "parley-load: %u open files are more than this user may have (ulimit -Hn)\n", wanted);
		return -EMFILE;
	}
	return 0;
}

static int swarm_init(struct swarm *s)
{
	const struct swarm_options *o = &s->options;
	int err = raise_files(o->websockets + o->connections + FILES_SPARE);

	if (err == 0)
		err = loop_new(&s->loop);
	if (err == 0)
		err = find_address(s);
	if (err == 0)
		err = start_tls(s);
	if (err == 0)
		err = api_new(s->loop, o->url, o->insecure, o->connections, &s->api);
	if (err == 0)
		err = people_init(&s->people, s->api, o->accounts, o->tokens);
	if (err < 0)
		return err;
	s->page = calloc(o->websockets, sizeof(*s->page));
	if (!s->page)
		return -ENOMEM;
	s->pages.loop = s->pages.ws.loop = s->loop;
	s->pages.ws.tls = s->tls;
	s->pages.ws.host = s->host;
	s->pages.ws.authority = s->authority;
	s->pages.ws.path = "/api/v1/events";
	s->pages.on_event = on_event;
	for (unsigned i = 0; i < o->websockets; i++)
		s->page[i] = (struct page){ .pages = &s->pages,
					    .owner = &s->people.person[i % o->accounts].owner,
					    .index = i };
	return 0;
}

static void swarm_fini(struct swarm *s)
{
	for (unsigned i = 0; s->page && i < s->options.websockets; i++)
		page_stop(&s->page[i]);
	free(s->page);
	pages_fini(&s->pages);
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
	the_swarm = s;
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
	if (*s->pages.error)
		fprintf(stderr, "parley-load: the last WebSocket that failed: %s\n", s->pages.error);
	swarm_fini(s);
	free(s);
	the_swarm = NULL;
	return err < 0 ? err : *ret_figures->error ? -ECANCELED : 0;
}
