#include "tools/load/swarm.h"

#include "lib/err.h"
#include "tools/load/swarm_run.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: parley-load swarm [OPTION]... https://HOST[:PORT]\n"
	"\n"
	"  -n, --websockets N    WebSockets in all (1000)\n"
	"      --accounts N      people whose pages they are, in turns (100)\n"
	"  -t, --seconds N       how long nothing is said (10)\n"
	"      --kind LIST       what is said to all: idle, presence, chat (presence,chat)\n"
	"      --messages N      of each kind (6; 10 at most)\n"
	"      --cut             all connections break at once, and come back\n"
	"      --reload PID      the master's: it gets SIGHUP, and all are sent to new workers\n"
	"      --join-rate N     connections a second at the beginning (500)\n"
	"      --tokens FILE     sign-ins to use, one token a line; without, accounts are made and deleted again\n"
	"      --connections N   HTTPS connections at a time (8)\n"
	"      --admin ADDRESS   the server's admin listener: WebSockets of each worker, and which processes they are\n"
	"      --pid PID         a worker's process, instead of those; may be given several times\n"
	"      --json            figures as JSON instead of a table\n"
	"      --insecure        do not verify the server's certificate\n"
	"      --help\n";

enum option_number {
	OPT_ACCOUNTS = 256,
	OPT_KIND,
	OPT_MESSAGES,
	OPT_CUT,
	OPT_RELOAD,
	OPT_JOIN_RATE,
	OPT_TOKENS,
	OPT_CONNECTIONS,
	OPT_ADMIN,
	OPT_PID,
	OPT_JSON,
	OPT_INSECURE,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "websockets", required_argument, NULL, 'n' },
	{ "accounts", required_argument, NULL, OPT_ACCOUNTS },
	{ "seconds", required_argument, NULL, 't' },
	{ "kind", required_argument, NULL, OPT_KIND },
	{ "messages", required_argument, NULL, OPT_MESSAGES },
	{ "cut", no_argument, NULL, OPT_CUT },
	{ "reload", required_argument, NULL, OPT_RELOAD },
	{ "join-rate", required_argument, NULL, OPT_JOIN_RATE },
	{ "tokens", required_argument, NULL, OPT_TOKENS },
	{ "connections", required_argument, NULL, OPT_CONNECTIONS },
	{ "admin", required_argument, NULL, OPT_ADMIN },
	{ "pid", required_argument, NULL, OPT_PID },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "insecure", no_argument, NULL, OPT_INSECURE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static const struct number {
	int option;
	unsigned min, max;
	size_t offset; /* in struct swarm_options */
} numbers[] = {
	{ 'n', 1, 1000000, offsetof(struct swarm_options, websockets) },
	{ OPT_ACCOUNTS, 2, 4000, offsetof(struct swarm_options, accounts) },
	{ 't', 1, 86400, offsetof(struct swarm_options, seconds) },
	{ OPT_MESSAGES, 1, SWARM_WORDS_MAX, offsetof(struct swarm_options, messages) },
	{ OPT_JOIN_RATE, 1, 100000, offsetof(struct swarm_options, join_rate) },
	{ OPT_CONNECTIONS, 1, 1000, offsetof(struct swarm_options, connections) },
	{ OPT_RELOAD, 2, 1u << 30, offsetof(struct swarm_options, reload) },
};

static int number_from(const char *text, unsigned min, unsigned max, unsigned *ret)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || *text == '-' || value < min || value > max) {
		fprintf(stderr, "parley-load: '%s' is not a number from %u to %u\n", text, min, max);
		return -EINVAL;
	}
	*ret = (unsigned)value;
	return 0;
}

static int take_kinds(struct swarm_options *o, const char *text)
{
	static const char *const names[] = { [SWARM_PRESENCE] = "presence", [SWARM_CHAT] = "chat" };

	memset(o->says, 0, sizeof(o->says));
	for (size_t len; *text; text += len + (text[len] == ',')) {
		size_t i = 0;
		len = strcspn(text, ",");
		while (i < SWARM_KINDS && (strlen(names[i]) != len || strncmp(text, names[i], len) != 0))
			i++;
		if (i < SWARM_KINDS) {
			o->says[i] = true;
		} else if (len != 4 || strncmp(text, "idle", 4) != 0) {
			fprintf(stderr, "parley-load: --kind: there is no '%.*s'\n", (int)len, text);
			return -EINVAL;
		}
	}
	return 0;
}

static int take_option(struct swarm_options *o, int option, const char *text)
{
	unsigned pid;

	for (size_t i = 0; text && i < ARRAY_LEN(numbers); i++) {
		const struct number *n = &numbers[i];
		if (n->option == option)
			return number_from(text, n->min, n->max, (unsigned *)((char *)o + n->offset));
	}
	switch (option) {
	case OPT_KIND:
		return take_kinds(o, text);
	case OPT_CUT:
		o->cut = true;
		return 0;
	case OPT_TOKENS:
		o->tokens = text;
		return 0;
	case OPT_ADMIN:
		o->admin = text;
		return 0;
	case OPT_PID:
		if (o->pids == OUTSIDE_WORKERS_MAX || number_from(text, 1, 1u << 30, &pid) < 0)
			return -EINVAL;
		o->pid[o->pids++] = (int)pid;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_INSECURE:
		o->insecure = true;
		return 0;
	default:
		return -EINVAL;
	}
}

int swarm_main(int argc, char **argv, const volatile int *stop)
{
	struct swarm_options o = {
		.websockets = 1000,
		.accounts = 100,
		.seconds = 10,
		.messages = 6,
		.join_rate = 500,
		.connections = 8,
		.says = { true, true },
	};
	int option;

	while ((option = getopt_long(argc, argv, "n:t:", long_options, NULL)) != -1) {
		if (option == OPT_HELP) {
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		}
		if (take_option(&o, option, optarg) < 0) {
			fputs(usage, stderr);
			return 2;
		}
	}
	if (argc - optind != 1) {
		fputs(usage, stderr);
		return 2;
	}
	o.url = argv[optind];
	o.accounts = MIN(o.accounts, MAX(o.websockets, 2u));
	struct swarm_figures *f = calloc(1, sizeof(*f));
	if (!f)
		return EXIT_FAILURE;
	int err = swarm_run(&o, stop, f);
	if (f->open > 0 && o.json)
		err = swarm_json(stdout, &o, f) < 0 ? -EIO : err;
	else if (f->open > 0)
		swarm_table(stdout, &o, f);
	bool whole = err == 0 && swarm_is_whole(&o, f);
	free(f);
	return whole ? EXIT_SUCCESS : EXIT_FAILURE;
}
