#include "tools/capacity.h"

#include "lib/clock.h"
#include "tools/admin_client.h"
#include "tools/figures.h"
#include "tools/measure.h"
#include "tools/plan.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USAGE_ERROR	2
#define PEOPLE_MAX	16
#define MEASURE_S	2.0
#define FORWARDED_LEAST 50000
/* A packet that comes in costs about that much of one that goes out: the system call, the decryption. */
#define IN_SHARE 0.6
/* A media process also finds the receivers, rewrites, remembers and reports: what it costs in all, by what encrypting
 * and sending cost. Measured with parley-load (docs/CAPACITY.md). */
#define MEASURE_FACTOR 1.8
/* A person's share of media process, worker and kernel. Measured with parley-load (docs/CAPACITY.md). */
#define MEMBER_KIB 512

const char capacity_usage[] =
	"  capacity                      how many calls of a kind fit here, and what ends first\n"
	"      --people N,…              in a call (2,3,4,6,9,15,25,50,100)\n"
	"      --unmuted N, --cameras N, --screens N   of them (all, all, 0)\n"
	"      --tiles N                 pictures that each sees at a time (9)\n"
	"      --tile-height N           lines of each (720 divided by the rows)\n"
	"      --fps N, --screen-fps N   pictures a second (30, 15)\n"
	"      --audio-kbit N, --screen-kbit N         bits of one stream (32, 2500)\n"
	"      --measure                 measure here and now what a packet costs; else the running server's figures\n"
	"      --cost-us N, --cost-in-us N   CPU time for each packet out and in; instead\n"
	"      --cores N, --nic-mbit N, --memory-mib N, --member-kib N   the machine, where it is another one\n"
	"      --json                    for programs\n";

enum option_number {
	OPT_PEOPLE = 256,
	OPT_UNMUTED,
	OPT_CAMERAS,
	OPT_SCREENS,
	OPT_TILES,
	OPT_TILE_HEIGHT,
	OPT_FPS,
	OPT_SCREEN_FPS,
	OPT_AUDIO_KBIT,
	OPT_SCREEN_KBIT,
	OPT_MEASURE,
	OPT_COST_US,
	OPT_COST_IN_US,
	OPT_CORES,
	OPT_NIC_MBIT,
	OPT_MEMORY_MIB,
	OPT_MEMBER_KIB,
	OPT_JSON,
};

static const struct option longs[] = {
	{ "people", required_argument, NULL, OPT_PEOPLE },
	{ "unmuted", required_argument, NULL, OPT_UNMUTED },
	{ "cameras", required_argument, NULL, OPT_CAMERAS },
	{ "screens", required_argument, NULL, OPT_SCREENS },
	{ "tiles", required_argument, NULL, OPT_TILES },
	{ "tile-height", required_argument, NULL, OPT_TILE_HEIGHT },
	{ "fps", required_argument, NULL, OPT_FPS },
	{ "screen-fps", required_argument, NULL, OPT_SCREEN_FPS },
	{ "audio-kbit", required_argument, NULL, OPT_AUDIO_KBIT },
	{ "screen-kbit", required_argument, NULL, OPT_SCREEN_KBIT },
	{ "measure", no_argument, NULL, OPT_MEASURE },
	{ "cost-us", required_argument, NULL, OPT_COST_US },
	{ "cost-in-us", required_argument, NULL, OPT_COST_IN_US },
	{ "cores", required_argument, NULL, OPT_CORES },
	{ "nic-mbit", required_argument, NULL, OPT_NIC_MBIT },
	{ "memory-mib", required_argument, NULL, OPT_MEMORY_MIB },
	{ "member-kib", required_argument, NULL, OPT_MEMBER_KIB },
	{ "json", no_argument, NULL, OPT_JSON },
	{ NULL, 0, NULL, 0 },
};

struct question {
	const struct conf *conf;
	unsigned people[PEOPLE_MAX];
	size_t people_len;
	struct plan_kind kind;
	struct plan_costs costs;
	struct plan_machine machine;
	bool measure, json;
	char source[160]; /* of the costs, in words */
	const char *source_key;
	char nic[64]; /* whose speed that is */
};

/* ---- the command line ---- */

static bool number_read(const char *text, double least, double most, double *ret)
{
	char *end;

	if ((*text < '0' || *text > '9') && *text != '.')
		return false;
	*ret = strtod(text, &end);
	return !*end && *ret >= least && *ret <= most;
}

static bool people_read(const char *text, struct question *q)
{
	for (q->people_len = 0; q->people_len < PEOPLE_MAX; text++) {
		char *end;
		unsigned long n = strtoul(text, &end, 10);
		if (*text < '0' || *text > '9' || n == 0 || n > 100000)
			return false;
		q->people[q->people_len++] = (unsigned)n;
		text = end;
		if (!*text)
			return true;
		if (*text != ',')
			return false;
	}
	return false;
}

static bool option_read(struct question *q, int opt, const char *text)
{
	struct plan_kind *k = &q->kind;
	struct plan_machine *m = &q->machine;
	const struct {
		int opt;
		unsigned *whole;
		double *real;
		double unit, least, most;
	} numbers[] = {
		{ OPT_UNMUTED, &k->unmuted, NULL, 1, 0, 100000 },
		{ OPT_CAMERAS, &k->cameras, NULL, 1, 0, 100000 },
		{ OPT_SCREENS, &k->screens, NULL, 1, 0, 100000 },
		{ OPT_TILES, &k->tiles, NULL, 1, 0, 1000 },
		{ OPT_TILE_HEIGHT, &k->tile_height, NULL, 1, 1, 10000 },
		{ OPT_FPS, &k->fps, NULL, 1, 0, 240 },
		{ OPT_SCREEN_FPS, &k->screen_fps, NULL, 1, 0, 240 },
		{ OPT_AUDIO_KBIT, &k->audio_bps, NULL, 1000, 0, 1000 },
		{ OPT_SCREEN_KBIT, &k->screen_bps, NULL, 1000, 0, 1000000 },
		{ OPT_CORES, &m->cores, NULL, 1, 1, 4096 },
		{ OPT_COST_US, NULL, &q->costs.out_us, 1, 0.001, 1e6 },
		{ OPT_COST_IN_US, NULL, &q->costs.in_us, 1, 0, 1e6 },
		{ OPT_NIC_MBIT, NULL, &m->nic_bps, 1e6, 0, 1e7 },
		{ OPT_MEMORY_MIB, NULL, &m->memory_bytes, 1024 * 1024, 0, 1e9 },
		{ OPT_MEMBER_KIB, NULL, &m->member_bytes, 1024, 0, 1e9 },
	};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		double n;
		if (numbers[i].opt != opt)
			continue;
		if (!number_read(text, numbers[i].least, numbers[i].most, &n))
			return false;
		if (numbers[i].real)
			*numbers[i].real = n * numbers[i].unit;
		else
			*numbers[i].whole = (unsigned)(n * numbers[i].unit);
		return true;
	}
	q->measure = q->measure || opt == OPT_MEASURE;
	q->json = q->json || opt == OPT_JSON;
	return opt == OPT_PEOPLE ? people_read(text, q) : opt == OPT_MEASURE || opt == OPT_JSON;
}

static bool options_read(struct question *q, int argc, char **argv)
{
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (opt == '?' || !option_read(q, opt, optarg))
			return false;
	}
	return optind == argc;
}

/* ---- the machine ---- */

static bool line_read(const char *path, char *ret, int len)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(ret, len, f);

	if (f)
		fclose(f);
	return ok;
}

/* The card of the default route, and its speed. */
static void nic_find(struct question *q)
{
	char line[256], path[128], name[32] = "";
	unsigned destination, gateway;
	FILE *f = fopen("/proc/net/route", "re");

	while (f && fgets(line, sizeof(line), f)) {
		char of[32];
		if (sscanf(line, "%31s %x %x", of, &destination, &gateway) == 3 && destination == 0) {
			strcpy(name, of);
			break;
		}
	}
	if (f)
		fclose(f);
	if (!*name || strchr(name, '/'))
		return;
	snprintf(path, sizeof(path), "/sys/class/net/%s/speed", name);
	/* -1: a virtual card, or none that says. */
	if (line_read(path, line, sizeof(line)) && atoi(line) > 0) {
		q->machine.nic_bps = atoi(line) * 1e6;
		snprintf(q->nic, sizeof(q->nic), " (%s)", name);
	}
}

static double memory_available(void)
{
	unsigned long long kib;
	char line[256];
	double bytes = 0;
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			bytes = (double)kib * 1024;
	}
	if (f)
		fclose(f);
	return bytes;
}

static void machine_look(struct question *q)
{
	struct plan_machine *m = &q->machine;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	const struct conf *conf = q->conf;
	bool here = m->cores == 0;

	if (here)
		m->cores = (unsigned)MAX(cores, 1L);
	/* Another machine would start as many as it has cores, unless told. */
	m->mediads = here || conf->media.processes ? conf_mediads(conf) : m->cores;
	m->workers = here || conf->server.workers ? conf_workers(conf) : m->cores;
	m->budget = conf->media.budget_percent ? conf->media.budget_percent / 100.0 : 1;
	m->transports_max = conf->media.max_transports;
	m->websockets_max = conf->limits.websockets;
	m->members_max = conf->limits.call_members;
	if (m->nic_bps < 0) {
		m->nic_bps = 0;
		nic_find(q);
	}
	if (m->memory_bytes < 0)
		m->memory_bytes = memory_available();
}

/* ---- the costs ---- */

static int costs_given(struct question *q)
{
	if (q->costs.in_us < 0)
		q->costs.in_us = q->costs.out_us * IN_SHARE;
	snprintf(q->source, sizeof(q->source), "as given");
	q->source_key = "options";
	return 0;
}

static int costs_measure(struct question *q)
{
	struct measured m;

	int err = measure_packets(MEASURE_S, &m);
	if (err < 0) {
		fprintf(stderr, "parleyctl: capacity: cannot measure: %s\n", strerror(-err));
		return err;
	}
	q->costs = (struct plan_costs){ m.out_us * MEASURE_FACTOR, m.in_us * MEASURE_FACTOR };
	snprintf(q->source, sizeof(q->source),
		 "measured over loopback: %.2f us to encrypt and send, %.2f us to receive and decrypt, times %.1f",
		 m.out_us, m.in_us, MEASURE_FACTOR);
	q->source_key = "measured";
	return 0;
}

static int costs_of_server(struct question *q)
{
	static struct figures f;
	double cpu_s = 0, out = 0, in = 0;
	struct buf body = { 0 };
	int status = 0;
	const char *admin = q->conf->server.admin;

	int err = *admin ? admin_get(admin, "/metrics", &status, &body) : -ENOENT;
	if (err == 0 && status == 200)
		figures_parse((const char *)body.data, &f);
	buf_fini(&body);
	for (unsigned k = 0; k < FIGURES_MAX; k++) {
		cpu_s += f.mediad[k].cpu_s;
		out += f.mediad[k].forwarded;
		in += f.mediad[k].received;
	}
	if (out < FORWARDED_LEAST) {
		fprintf(stderr,
			"parleyctl: capacity: %s; with --measure a packet's cost is measured here, with --cost-us it "
			"is given\n",
			err < 0 ? "no server answers"
				: "the server has forwarded too little to tell what a packet costs");
		return -ENODATA;
	}
	q->costs.out_us = cpu_s / (out + in * IN_SHARE) * 1e6;
	q->costs.in_us = q->costs.out_us * IN_SHARE;
	snprintf(q->source, sizeof(q->source),
		 "of the running server: %.0f packets sent and %.0f received in %.1f s of CPU time", out, in, cpu_s);
	q->source_key = "server";
	return 0;
}

/* ---- the answer ---- */

static double mbit(double bps)
{
	return bps / 1e6;
}

static double mib(double bytes)
{
	return bytes / (1024 * 1024);
}

static void print_head(const struct question *q)
{
	const struct plan_machine *m = &q->machine;

	printf("A packet: %.2f us out, %.2f us in (%s)\n", q->costs.out_us, q->costs.in_us, q->source);
	printf("The machine: %u cores, %u media processes with %.0f %% of a core each, ", m->cores, m->mediads,
	       m->budget * 100);
	if (m->nic_bps > 0)
		printf("network %.0f Mbit/s%s, ", mbit(m->nic_bps), q->nic);
	else
		printf("network not known (--nic-mbit), ");
	if (m->memory_bytes > 0)
		printf("%.0f MiB of memory to be had\n\n", mib(m->memory_bytes));
	else
		printf("memory not known (--memory-mib)\n\n");
	puts("                          all together                 |  each call");
	puts("PEOPLE    SEES    CALLS   PEOPLE OUT Mb/s    MiB  CPU% | CPU% OUT Mb/s IN Mb/s   FIRST LIMIT");
}

static void print_plan(const struct plan_kind *kind, const struct plan *p)
{
	double calls = (double)p->calls;
	char sees[32];

	snprintf(sees, sizeof(sees), "%ux%u", p->one.seen, p->one.height);
	printf("%6u %7s %8.0f %8.0f %8.1f %6.0f %5.0f | %4.1f %8.2f %7.2f   %s\n", kind->people,
	       p->one.seen ? sees : "-", calls, calls * kind->people, mbit(p->one.out_bps * calls),
	       mib(p->one.memory_bytes * calls), p->one.cores * calls * 100, p->one.cores * 100, mbit(p->one.out_bps),
	       mbit(p->one.in_bps), plan_limit_name(p->limit));
}

/* The sentences: which limit, for calls from how many to how many people. */
static void print_limits(const struct question *q, const struct plan *plans)
{
	putchar('\n');
	for (size_t i = 0, from = 0; i < q->people_len; i++) {
		if (i + 1 < q->people_len && plans[i + 1].limit == plans[i].limit)
			continue;
		if (from == i)
			printf("In calls of %u", q->people[i]);
		else
			printf("In calls of %u to %u", q->people[from], q->people[i]);
		if (plans[i].limit == PLAN_CPU)
			printf(" the media processes' CPU time ends first: above %.0f %% of their cores they take "
			       "nobody "
			       "new (media.budget_percent).\n",
			       q->machine.budget * 100);
		else if (plans[i].limit == PLAN_MEMBERS)
			printf(" are more people than limits.call_members = %u allows.\n", q->machine.members_max);
		else
			printf(" %s ends first.\n", plan_limit_name(plans[i].limit));
		from = i + 1;
	}
}

static void json_plan(const struct plan_kind *kind, const struct plan *p, bool last)
{
	double calls = (double)p->calls;

	printf("    {\"people\": %u, \"seen\": %u, \"height\": %u, \"calls\": %.0f, \"participants\": %.0f, \"limit\": "
	       "\"%s\",\n"
	       "     \"all\": {\"cores\": %.4f, \"memory_bytes\": %.0f, \"out_bps\": %.0f, \"in_bps\": %.0f},\n"
	       "     \"each\": {\"cores\": %.6f, \"memory_bytes\": %.0f, \"out_bps\": %.0f, \"in_bps\": %.0f, "
	       "\"out_packets\": %.1f, \"in_packets\": %.1f},\n     \"allowed\": {",
	       kind->people, p->one.seen, p->one.height, calls, calls * kind->people, plan_limit_key(p->limit),
	       p->one.cores * calls, p->one.memory_bytes * calls, p->one.out_bps * calls, p->one.in_bps * calls,
	       p->one.cores, p->one.memory_bytes, p->one.out_bps, p->one.in_bps, p->one.out_packets, p->one.in_packets);
	for (unsigned i = 0; i < PLAN_LIMITS; i++) {
		printf("%s\"%s\": ", i > 0 ? ", " : "", plan_limit_key(i));
		if (p->allowed[i] == UINT64_MAX)
			printf("null");
		else
			printf("%llu", (unsigned long long)p->allowed[i]);
	}
	printf("}}%s\n", last ? "" : ",");
}

static void json_head(const struct question *q)
{
	const struct plan_machine *m = &q->machine;

	printf("{\n  \"costs\": {\"source\": \"%s\", \"out_us\": %.4f, \"in_us\": %.4f},\n"
	       "  \"machine\": {\"cores\": %u, \"mediads\": %u, \"workers\": %u, \"budget\": %.2f, \"nic_bps\": %.0f, "
	       "\"memory_bytes\": %.0f, \"member_bytes\": %.0f},\n  \"plans\": [\n",
	       q->source_key, q->costs.out_us, q->costs.in_us, m->cores, m->mediads, m->workers, m->budget, m->nic_bps,
	       m->memory_bytes, m->member_bytes);
}

static void answer(const struct question *q)
{
	struct plan plans[PEOPLE_MAX];

	if (q->json)
		json_head(q);
	else
		print_head(q);
	for (size_t i = 0; i < q->people_len; i++) {
		struct plan_kind kind = q->kind;
		kind.people = q->people[i];
		plans[i] = plan_make(&kind, &q->costs, &q->machine);
		if (q->json)
			json_plan(&kind, &plans[i], i + 1 == q->people_len);
		else
			print_plan(&kind, &plans[i]);
	}
	if (q->json)
		puts("  ]\n}");
	else
		print_limits(q, plans);
}

int capacity_run(const struct conf *conf, int argc, char **argv)
{
	struct question q = {
		.conf = conf,
		.people = { 2, 3, 4, 6, 9, 15, 25, 50, 100 },
		.people_len = 9,
		.kind = { .unmuted = UINT32_MAX,
			  .cameras = UINT32_MAX,
			  .tiles = 9,
			  .fps = 30,
			  .screen_fps = 15,
			  .audio_bps = 32000,
			  .screen_bps = 2500000 },
		.costs = { -1, -1 },
		/* Below 0: to be found out. */
		.machine = { .nic_bps = -1, .memory_bytes = -1, .member_bytes = MEMBER_KIB * 1024.0 },
	};

	if (!options_read(&q, argc, argv) || (q.measure && q.costs.out_us > 0) ||
	    (q.costs.out_us < 0 && q.costs.in_us >= 0))
		return USAGE_ERROR;
	machine_look(&q);
	int err = q.costs.out_us > 0 ? costs_given(&q) : q.measure ? costs_measure(&q) : costs_of_server(&q);
	if (err < 0)
		return EXIT_FAILURE;
	answer(&q);
	return EXIT_SUCCESS;
}
