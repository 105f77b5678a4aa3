#include "tools/load/run.h"

#include "lib/url.h"
#include "tools/admin_client.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	TICK_US = 1000, /* a fifth of all people each */
	TICK_GROUPS = 5,
	STEP_US = 10 * 1000,
	PHASE_US = 300 * 1000 * 1000,
	SETTLE_US = 20 * 1000 * 1000, /* for pictures that do not come */
	CALM_US = 2000 * 1000,	      /* after a join, until its news are through */
	TURN_EXTRA_US = 30 * 1000 * 1000,
	DRAIN_US = 1500 * 1000,
	MEDIADS_MAX = 64,
	CONTACTS_AT_ONCE = 64,
	ERRORS_TOLD = 10,
};

enum phase { SIGN_IN, CONTACTS, CALL, JOIN, SETTLE, PROBE, MEASURE, DRAIN, END, DELETE, OVER };

static const char *const phase_name[] = { "signing in", "making contacts",   "calling",	  "joining",
					  "settling",	"probing",	     "measuring", "draining",
					  "ending",	"deleting accounts", "over" };

struct run {
	struct run_options options;
	struct loop *loop;
	SSL_CTX *tls;
	struct people people;
	struct loop_timer tick, step;
	unsigned tick_group;
	int64_t tick_us;
	enum phase phase;
	int64_t phase_us, phase_began_us; /* phase_us: of something within it */
	const volatile int *stop;
	unsigned calls;
	struct call_of_run *call;
	unsigned next, busy; /* the next person of this phase, and how many are on their way */
	char host[256], authority[300];
	/* before MEASURE, and before a probe */
	struct receiver_counts *received_before;
	struct publisher_counts *sent_before;
	struct traffic *traffic_before;
	unsigned probe; /* that is under way */
	double cpu_before, own_before, forwarded_before;
	struct histogram delay;
	struct run_figures figures;
};

static struct run *the_run; /* for callbacks that know a person only */

const struct run_figures *run_figures(const struct run *run)
{
	return &run->figures;
}

const struct people *run_people(const struct run *run)
{
	return &run->people;
}

/* ---- figures from outside ---- */

static double own_cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static double process_cpu(int pid)
{
	char path[40], text[1024];
	unsigned long user = 0, kernel = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	fclose(f);
	const char *after = strrchr(text, ')');
	if (after)
		(void)sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel);
	return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static double metric_sum(const char *metrics, const char *name)
{
	double sum = 0, value;

	for (unsigned i = 0; i < MEDIADS_MAX && metric_find(metrics, name, "mediad", i, &value); i++)
		sum += value;
	return sum;
}

/* Blocks for as long as the admin listener needs: only before and after what is measured. */
static void read_outside(const struct run *run, double *ret_cpu, double *ret_forwarded)
{
	struct buf body = { 0 };
	int status;

	*ret_cpu = *ret_forwarded = -1;
	if (run->options.admin && admin_get(run->options.admin, "/metrics", &status, &body) == 0 && status == 200) {
		*ret_cpu = metric_sum((const char *)body.data, "parley_mediad_cpu_seconds_total");
		*ret_forwarded = metric_sum((const char *)body.data, "parley_mediad_packets_forwarded_total");
	}
	buf_fini(&body);
	if (run->options.pids_len > 0)
		*ret_cpu = 0;
	for (unsigned i = 0; i < run->options.pids_len; i++)
		*ret_cpu += process_cpu(run->options.pid[i]);
}

/* ---- phases ---- */

static void phase_begin(struct run *run, enum phase phase)
{
	run->phase = phase;
	run->phase_us = run->phase_began_us = clock_now_us();
	run->next = 0;
	if (phase != OVER)
		fprintf(stderr, "parley-load: %s\n", phase_name[phase]);
}

static bool in_state(const struct person *p, enum person_state state)
{
	return p->state == state || p->state == PERSON_FAILED;
}

static bool is_in(const struct person *p)
{
	return p->state == PERSON_CONNECTED;
}

static unsigned waiting_for(const struct run *run, enum person_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < run->people.len; i++)
		n += !in_state(&run->people.person[i], state);
	return n;
}

static void on_befriended(struct person *p)
{
	(void)p;
	the_run->busy--;
}

static void step_sign_in(struct run *run)
{
	while (run->next < run->people.len)
		person_start(&run->people.person[run->next++]);
	if (waiting_for(run, PERSON_READY) == 0)
		phase_begin(run, CONTACTS);
}

static struct person *host_of(struct run *run, const struct person *p)
{
	return &run->people.person[run->call[p->group].first];
}

static void step_contacts(struct run *run)
{
	unsigned failed = 0;

	for (; run->next < run->people.len && run->busy < CONTACTS_AT_ONCE; run->next++) {
		struct person *p = &run->people.person[run->next], *host = host_of(run, p);
		if (p == host || p->state == PERSON_FAILED || host->state == PERSON_FAILED)
			continue;
		run->busy++;
		person_befriend(p, host, on_befriended);
	}
	/* Of those whose request failed nobody tells us. */
	for (unsigned i = 0; i < run->people.len; i++)
		failed += run->people.person[i].state == PERSON_FAILED;
	if (run->next == run->people.len && (run->busy == 0 || (failed > 0 && api_pending(run->people.api) == 0)))
		phase_begin(run, CALL);
}

static void step_call(struct run *run)
{
	bool all = true;
	unsigned begun = 0;

	for (; run->next < run->calls; run->next++) {
		const struct call_of_run *c = &run->call[run->next];
		struct person *host = &run->people.person[c->first];
		if (host->state == PERSON_READY)
			person_call(host, host + 1, c->len - 1);
	}
	for (unsigned i = 0; i < run->calls; i++) {
		all &= in_state(&run->people.person[run->call[i].first], PERSON_CONNECTED);
		begun += is_in(&run->people.person[run->call[i].first]);
	}
	if (all)
		phase_begin(run, begun > 0 ? JOIN : END);
}

static bool is_probe(const struct run *run, const struct person *p)
{
	return p->index >= run->people.len - run->options.probes;
}

static void step_join(struct run *run, int64_t now_us)
{
	int64_t pause_us = USEC_PER_SEC / run->options.joins_per_second;

	for (; run->next < run->people.len && run->phase_us <= now_us; run->next++) {
		struct person *p = &run->people.person[run->next];
		const struct person *host = host_of(run, p);
		if (p == host || p->state != PERSON_READY || !is_in(host) || is_probe(run, p))
			continue;
		person_join(p, host->call);
		run->phase_us += pause_us;
	}
	if (run->next < run->people.len)
		return;
	for (unsigned i = 0; i < run->people.len; i++) {
		const struct person *p = &run->people.person[i];
		if (p->state == PERSON_JOINING)
			return;
	}
	phase_begin(run, SETTLE);
}

/* Until all who will see a picture see one. */
static void step_settle(struct run *run, int64_t now_us)
{
	bool all = true;

	for (unsigned i = 0; i < run->people.len; i++) {
		const struct person *p = &run->people.person[i];
		bool alone = p->publishes && run->options.publishers == 1;
		all &= !is_in(p) || alone || p->picture_us > 0 || !run->people.video;
	}
	if ((all && now_us - run->phase_us > CALM_US) || now_us - run->phase_us > SETTLE_US) {
		phase_begin(run, PROBE);
		run->probe = 0;
	}
}

/* ---- what a join costs ---- */

static void traffic_add(struct traffic *sum, const struct traffic *now, const struct traffic *before)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *a = (const uint64_t *)now, *b = (const uint64_t *)before;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		to[i] += a[i] - b[i];
}

static void probe_begin(struct run *run, struct person *joiner)
{
	struct probe *probe = &run->figures.probe[run->probe];

	for (unsigned i = 0; i < run->people.len; i++) {
		run->traffic_before[i] = person_traffic(&run->people.person[i]);
		probe->there += is_in(&run->people.person[i]);
	}
	person_join(joiner, host_of(run, joiner)->call);
}

static void probe_end(struct run *run, const struct person *joiner)
{
	struct probe *probe = &run->figures.probe[run->probe++];

	for (unsigned i = 0; i < run->people.len; i++) {
		const struct person *p = &run->people.person[i];
		const struct traffic now = person_traffic(p);
		if (p == joiner) {
			traffic_add(&probe->joiner, &now, &run->traffic_before[i]);
		} else if (is_in(p)) {
			traffic_add(&probe->others, &now, &run->traffic_before[i]);
			probe->others_len++;
		}
	}
	probe->offer_bytes = joiner->offer_bytes;
	probe->answer_bytes = joiner->answer_bytes;
	probe->took_us = joiner->connected_us - joiner->join_us;
	run->figures.probes = run->probe;
}

static void measure_begin(struct run *run);

static void step_probe(struct run *run, int64_t now_us)
{
	struct person *joiner = &run->people.person[run->people.len - run->options.probes + run->probe];

	if (run->probe == run->options.probes) {
		measure_begin(run);
	} else if (joiner->state == PERSON_READY && is_in(host_of(run, joiner))) {
		probe_begin(run, joiner);
	} else if (is_in(joiner)) {
		if (now_us - joiner->connected_us > CALM_US)
			probe_end(run, joiner);
	} else if (joiner->state != PERSON_JOINING) {
		run->options.probes = run->probe; /* it failed: no more of them */
	}
}

/* ---- speakers ---- */

static struct person *next_speaker(struct run *run, struct call_of_run *c)
{
	/* From the last to the first: at the beginning those who came first have the tiles. */
	for (unsigned tries = 0; tries < c->len; tries++) {
		c->next_speaker = (c->next_speaker + c->len - 1) % c->len;
		struct person *p = &run->people.person[c->first + c->next_speaker];
		if (p->publishes && is_in(p))
			return p;
	}
	return NULL;
}

static void turn_end(struct run *run, struct call_of_run *c)
{
	struct turn *t = &c->turn;

	if (!t->speaker)
		return;
	person_speak(t->speaker, false);
	if (run->options.verbose)
		fprintf(stderr, "parley-load: person %u spoke: %u of %u tiles changed, after %.0f to %.0f ms\n",
			t->speaker->index, t->seen, t->expected, (double)t->first_us * 1e-3, (double)t->last_us * 1e-3);
	run->figures.switches_expected += t->expected;
	run->figures.switches_missed += t->expected - t->seen;
	t->speaker = NULL;
}

static void turn_begin(struct run *run, struct call_of_run *c, int64_t now_us)
{
	struct turn *t = &c->turn;

	turn_end(run, c);
	*t = (struct turn){ .number = t->number + 1, .speaker = next_speaker(run, c), .began_us = now_us };
	if (!t->speaker)
		return;
	for (unsigned i = 0; i < c->len; i++) {
		struct person *p = &run->people.person[c->first + i];
		if (!is_in(p) || p == t->speaker || !run->people.video)
			continue;
		bool shown = receiver_shows(p->receiver, &t->speaker->id, false);
		if (shown)
			p->turn_seen = t->number;
		run->figures.shown_before += shown;
		t->expected += !shown;
	}
	run->figures.turns++;
	person_speak(t->speaker, true);
}

static void on_keyframe(struct person *p, uint32_t publisher, int64_t now_us)
{
	struct turn *t = &the_run->call[p->group].turn;

	if (!t->speaker || t->speaker->index != publisher || p->turn_seen == t->number || !t->speaker->publisher)
		return;
	int64_t spoke_us = publisher_spoke_us(t->speaker->publisher);
	if (spoke_us == 0)
		return;
	p->turn_seen = t->number;
	t->last_us = now_us - spoke_us;
	if (t->seen++ == 0)
		t->first_us = t->last_us;
	histogram_add(&the_run->figures.switched, t->last_us);
}

/* The next speakers, unless time is over. True: all turns that have begun are complete. */
static bool run_turns(struct run *run, bool over, int64_t now_us)
{
	int64_t turn_us = run->options.turn_ms * USEC_PER_MSEC;
	bool complete = true;

	for (unsigned i = 0; i < run->calls && turn_us > 0; i++) {
		struct call_of_run *c = &run->call[i];
		int64_t age_us = now_us - c->turn.began_us;
		bool done = !c->turn.speaker || c->turn.seen >= c->turn.expected || age_us >= turn_us + TURN_EXTRA_US;
		complete &= done;
		if (!over && (!c->turn.speaker || (done && age_us >= turn_us)))
			turn_begin(run, c, now_us);
	}
	return complete;
}

/* ---- what is measured ---- */

static void measure_begin(struct run *run)
{
	for (unsigned i = 0; i < run->people.len; i++) {
		struct person *p = &run->people.person[i];
		run->received_before[i] = person_received(p);
		/* Of the whole time: what is missing now may still come, and an index is used twice at any time. */
		run->received_before[i].gaps = run->received_before[i].replayed = 0;
		run->sent_before[i] = person_sent(p);
		if (run->options.turn_ms == 0 && p->publishes)
			person_speak(p, true);
	}
	read_outside(run, &run->cpu_before, &run->forwarded_before);
	run->own_before = own_cpu();
	memset(&run->delay, 0, sizeof(run->delay));
	phase_begin(run, MEASURE);
}

static void measure_end(struct run *run, int64_t now_us)
{
	struct run_figures *f = &run->figures;
	double cpu, forwarded;

	f->seconds = (double)(now_us - run->phase_us) * 1e-6;
	f->cpu_own = own_cpu() - run->own_before;
	f->delay = run->delay;
	read_outside(run, &cpu, &forwarded);
	f->cpu_mediads = cpu < 0 || run->cpu_before < 0 ? -1 : cpu - run->cpu_before;
	f->forwarded = forwarded < 0 || run->forwarded_before < 0 ? -1 : forwarded - run->forwarded_before;
	for (unsigned i = 0; i < run->calls; i++)
		turn_end(run, &run->call[i]);
	for (unsigned i = 0; i < run->people.len; i++)
		person_stop_sending(&run->people.person[i]);
	phase_begin(run, DRAIN);
}

static void add_counts(uint64_t *sum, const uint64_t *now, const uint64_t *before, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
		sum[i] += now[i] - before[i];
}

static void person_figures(struct run *run, struct person *p)
{
	struct run_figures *f = &run->figures;
	const struct receiver_counts received = person_received(p);
	const struct publisher_counts sent = person_sent(p);

	add_counts((uint64_t *)&f->received, (const uint64_t *)&received,
		   (const uint64_t *)&run->received_before[p->index], sizeof(received));
	add_counts((uint64_t *)&f->sent, (const uint64_t *)&sent, (const uint64_t *)&run->sent_before[p->index],
		   sizeof(sent));
	f->failed += p->state == PERSON_FAILED;
	f->connected += is_in(p);
	if (p->connected_us > 0) {
		f->exchanges += p->exchanges;
		f->exchanges_min = MIN(f->exchanges_min, p->exchanges);
		f->exchanges_max = MAX(f->exchanges_max, p->exchanges);
		histogram_add(&f->join, p->connected_us - p->join_us);
	}
	if (p->picture_us > 0)
		histogram_add(&f->picture, p->picture_us - p->join_us);
}

static void step_drain(struct run *run, int64_t now_us)
{
	if (now_us - run->phase_us < DRAIN_US)
		return;
	run->figures.exchanges_min = UINT32_MAX;
	for (unsigned i = 0; i < run->people.len; i++)
		person_figures(run, &run->people.person[i]);
	if (run->figures.exchanges == 0)
		run->figures.exchanges_min = 0;
	run->figures.ws_lost = run->people.ws_lost;
	run->figures.media_lost = run->people.media_lost;
	phase_begin(run, END);
}

/* ---- the end ---- */

static void step_end(struct run *run)
{
	for (; run->next < run->calls; run->next++) {
		struct person *host = &run->people.person[run->call[run->next].first];
		if (*host->call)
			person_end_call(host);
	}
	if (api_pending(run->people.api) == 0)
		phase_begin(run, DELETE);
}

static void step_delete(struct run *run)
{
	for (; run->next < run->people.len; run->next++)
		person_delete(&run->people.person[run->next]);
	if (api_pending(run->people.api) == 0)
		phase_begin(run, OVER);
}

static void on_step(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct run *run = arg;
	bool over;
	bool late =
		now_us - run->phase_began_us > PHASE_US + (run->phase == MEASURE) * run->options.seconds * USEC_PER_SEC;

	if (*run->stop && run->phase < END)
		phase_begin(run, END);
	switch (run->phase) {
	case SIGN_IN:
		step_sign_in(run);
		break;
	case CONTACTS:
		step_contacts(run);
		break;
	case CALL:
		step_call(run);
		break;
	case JOIN:
		step_join(run, now_us);
		break;
	case SETTLE:
		step_settle(run, now_us);
		break;
	case PROBE:
		step_probe(run, now_us);
		break;
	case MEASURE:
		over = now_us - run->phase_us >= run->options.seconds * USEC_PER_SEC;
		if (run_turns(run, over, now_us) && over)
			measure_end(run, now_us);
		break;
	case DRAIN:
		step_drain(run, now_us);
		break;
	case END:
		step_end(run);
		break;
	case DELETE:
		step_delete(run);
		break;
	case OVER:
		break;
	}
	if (run->phase == OVER) {
		loop_stop(run->loop, 0);
	} else if (late) {
		fprintf(stderr, "parley-load: %s takes too long\n", phase_name[run->phase]);
		loop_stop(run->loop, -ETIMEDOUT);
	} else {
		loop_timer_start(run->loop, timer, now_us + STEP_US, on_step, run);
	}
}

static void on_tick(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct run *run = arg;

	/* Who was late makes up for one round at most. */
	for (unsigned n = 0; n < TICK_GROUPS && run->tick_us <= now_us; n++, run->tick_us += TICK_US) {
		for (unsigned i = run->tick_group; i < run->people.len; i += TICK_GROUPS)
			person_tick(&run->people.person[i], clock_now_us());
		run->tick_group = (run->tick_group + 1) % TICK_GROUPS;
	}
	run->tick_us = MAX(run->tick_us, now_us);
	loop_timer_start(run->loop, timer, run->tick_us, on_tick, run);
}

/* ---- making one ---- */

static int read_tokens(struct run *run)
{
	FILE *f = fopen(run->options.tokens, "re");
	unsigned n = 0;

	if (!f)
		return -errno;
	while (n < run->people.len && fscanf(f, "%128s", run->people.person[n].token) == 1)
		n++;
	fclose(f);
	if (n < run->people.len)
		fprintf(stderr, "parley-load: %s: %u tokens; the others sign up\n", run->options.tokens, n);
	return 0;
}

static int find_address(struct run *run)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *found;
	const char *url = run->options.url;
	char port[8] = "443";

	if (strncmp(url, "https://", 8) != 0 || strchr(url + 8, '/')) {
		fprintf(stderr, "parley-load: %s: not https://HOST[:PORT]\n", url);
		return -EINVAL;
	}
	snprintf(run->authority, sizeof(run->authority), "%s", url + 8);
	origin_host(url, run->host, sizeof(run->host));
	const char *bracket = strrchr(url, ']'), *colon = strrchr(bracket ? bracket : url + 8, ':');
	if (colon)
		snprintf(port, sizeof(port), "%s", colon + 1);
	int err = getaddrinfo(run->host, port, &hints, &found);
	if (err != 0) {
		fprintf(stderr, "parley-load: %s: %s\n", run->host, gai_strerror(err));
		return -EHOSTUNREACH;
	}
	memcpy(&run->people.ws.address, found->ai_addr, found->ai_addrlen);
	run->people.ws.address_len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static int start_tls(struct run *run)
{
	run->tls = SSL_CTX_new(TLS_client_method());
	if (!run->tls)
		return -ENOMEM;
	SSL_CTX_set_verify(run->tls, run->options.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_default_verify_paths(run->tls);
	SSL_CTX_set_mode(run->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					   SSL_MODE_RELEASE_BUFFERS);
	return 0;
}

static void make_groups(struct run *run)
{
	const struct run_options *o = &run->options;

	for (unsigned i = 0; i < run->calls; i++) {
		struct call_of_run *c = &run->call[i];
		c->first = i * o->call_size;
		c->len = MIN(o->call_size, run->people.len - c->first);
		for (unsigned k = 0; k < c->len; k++) {
			struct person *p = &run->people.person[c->first + k];
			p->people = &run->people;
			p->index = c->first + k;
			p->group = i;
			p->publishes = k < o->publishers;
		}
	}
}

int run_new(const struct run_options *options, struct run **ret_run)
{
	static const struct person_ops ops = { .on_keyframe = on_keyframe };
	struct run *run = calloc(1, sizeof(*run));
	int err = -ENOMEM;

	if (!run)
		return -ENOMEM;
	the_run = run;
	run->options = *options;
	run->people = (struct people){
		.ops = &ops,
		.len = options->people,
		.tiles = options->tiles,
		.tile_height = options->tile_height,
		.fps = options->fps,
		.height = options->height,
		.bitrate = options->bitrate,
		.layers = options->layers,
		.audio = options->audio,
		.video = options->video,
		.delay = &run->delay,
	};
	random_bytes(&run->people.run, sizeof(run->people.run));
	run->calls = (options->people + options->call_size - 1) / options->call_size;
	run->people.person = calloc(options->people, sizeof(*run->people.person));
	run->call = calloc(run->calls, sizeof(*run->call));
	run->received_before = calloc(options->people, sizeof(*run->received_before));
	run->sent_before = calloc(options->people, sizeof(*run->sent_before));
	run->traffic_before = calloc(options->people, sizeof(*run->traffic_before));
	if (!run->people.person || !run->call || !run->received_before || !run->sent_before || !run->traffic_before)
		goto fail;
	make_groups(run);
	err = loop_new(&run->loop);
	if (err == 0)
		err = find_address(run);
	if (err == 0)
		err = start_tls(run);
	if (err == 0)
		err = peer_start();
	if (err == 0)
		err = api_new(run->loop, options->url, options->insecure, options->connections, &run->people.api);
	if (err == 0 && options->tokens) {
		err = read_tokens(run);
		if (err < 0)
			fprintf(stderr, "parley-load: %s: %s\n", options->tokens, strerror(-err));
	}
	if (err < 0)
		goto fail;
	run->people.loop = run->people.ws.loop = run->loop;
	run->people.ws.tls = run->tls;
	run->people.ws.host = run->host;
	run->people.ws.authority = run->authority;
	run->people.ws.path = "/api/v1/events";
	*ret_run = run;
	return 0;
fail:
	run_free(run);
	return err;
}

struct run *run_free(struct run *run)
{
	if (!run)
		return NULL;
	run->people.api = api_free(run->people.api);
	for (unsigned i = 0; run->people.person && i < run->people.len; i++)
		person_fini(&run->people.person[i]);
	loop_timer_stop(&run->tick);
	loop_timer_stop(&run->step);
	SSL_CTX_free(run->tls);
	loop_free(run->loop);
	free(run->people.person);
	free(run->call);
	free(run->received_before);
	free(run->sent_before);
	free(run->traffic_before);
	free(run);
	return NULL;
}

int run_go(struct run *run, const volatile int *stop)
{
	run->stop = stop;
	run->tick_us = clock_now_us();
	phase_begin(run, SIGN_IN);
	on_tick(&run->tick, run->tick_us, run);
	on_step(&run->step, run->tick_us, run);
	int err = loop_run(run->loop);
	unsigned failed = 0;
	for (unsigned i = 0; i < run->people.len; i++) {
		const struct person *p = &run->people.person[i];
		if (p->state == PERSON_FAILED && failed++ < ERRORS_TOLD)
			fprintf(stderr, "parley-load: person %u: %s\n", p->index, p->error);
	}
	if (failed > ERRORS_TOLD)
		fprintf(stderr, "parley-load: and %u more\n", failed - ERRORS_TOLD);
	return err;
}
