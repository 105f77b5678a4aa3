/* parleyctl - looks at a running Parley and administers it, through its admin listener. */
#include "lib/conf.h"
#include "lib/version.h"
#include "tools/admin_client.h"
#include "tools/capacity.h"
#include "tools/doctor.h"
#include "tools/manage.h"
#include "tools/top.h"
#include "tools/turn.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PARLEY_CONF
#define PARLEY_CONF "/etc/parley/parley.conf"
#endif
#define PROCESSES_MAX 64
#define WORDS_MAX     8

static const char usage[] = "usage: parleyctl [--config FILE] [-o SECTION.KEY=VALUE]... COMMAND\n"
			    "\n"
			    "  status    which processes live, and what they carry (exit status 1: not ready)\n"
			    "  doctor    look for what commonly goes wrong (exit status 1: something does)\n"
			    "  metrics   the figures as Prometheus reads them\n"
			    "  turn-config   settings for coturn that fit these, as parley-turn.service uses them\n"
			    "\n"
			    "  -c, --config FILE   settings (" PARLEY_CONF ")\n"
			    "  --version, --help\n";

static void print_usage(FILE *f)
{
	fputs(usage, f);
	fprintf(f, "\n%s%s\n%s", top_usage, capacity_usage, manage_usage);
}

static double metric(const char *metrics, const char *name, const char *label, unsigned i)
{
	double value = 0;

	metric_find(metrics, name, label, i, &value);
	return value;
}

static int fetch(const struct conf *conf, const char *path, int *ret_status, struct buf *body)
{
	int err;

	if (!*conf->server.admin) {
		fprintf(stderr, "parleyctl: server.admin is off\n");
		return -ENOENT;
	}
	err = admin_get(conf->server.admin, path, ret_status, body);
	if (err < 0)
		fprintf(stderr, "parleyctl: %s: %s\n", conf->server.admin, strerror(-err));
	return err;
}

static void print_workers(const char *m)
{
	double there;

	for (unsigned i = 0; i < PROCESSES_MAX; i++) {
		if (!metric_find(m, "parley_worker_connections", "worker", i, &there))
			continue;
		printf("worker/%-3u  %8.0f connections  %8.0f websockets  %10.0f requests  %3.0f database\n", i, there,
		       metric(m, "parley_worker_websockets", "worker", i),
		       metric(m, "parley_worker_requests_total", "worker", i),
		       metric(m, "parley_worker_db_connections", "worker", i));
	}
}

static void print_mediads(const char *m)
{
	double there;

	for (unsigned i = 0; i < PROCESSES_MAX; i++) {
		if (!metric_find(m, "parley_mediad_transports", "mediad", i, &there))
			continue;
		printf("mediad/%-3u  %8.0f transports   %8.0f tracks      %10.0f forwarded %8.1f s CPU\n", i, there,
		       metric(m, "parley_mediad_tracks", "mediad", i),
		       metric(m, "parley_mediad_packets_forwarded_total", "mediad", i),
		       metric(m, "parley_mediad_cpu_seconds_total", "mediad", i));
	}
}

static int cmd_status(const struct conf *conf)
{
	struct buf body = { 0 };
	int status = 0, metrics_status = 0;
	int err = fetch(conf, "/readyz", &status, &body);

	if (err == 0) {
		printf("%s: %.*s\n", conf->server.public_url, (int)strcspn((char *)body.data, "\n"), (char *)body.data);
		err = fetch(conf, "/metrics", &metrics_status, &body);
	}
	if (err == 0 && metrics_status == 200) {
		print_workers((const char *)body.data);
		print_mediads((const char *)body.data);
	}
	buf_fini(&body);
	return err == 0 && status == 200 && metrics_status == 200 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int cmd_metrics(const struct conf *conf)
{
	struct buf body = { 0 };
	int status = 0;
	int err = fetch(conf, "/metrics", &status, &body);

	if (err == 0)
		fwrite(body.data, 1, body.len, stdout);
	buf_fini(&body);
	return err == 0 && status == 200 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int cmd_turn_config(const struct conf *conf)
{
	int err = turn_write_config(conf, stdout);

	if (err == -ENOENT)
		fputs("parleyctl: turn.urls names no TURN server; give it for example\n"
		      "  [turn]\n"
		      "  urls = turn:HOST, turn:HOST?transport=tcp, turns:HOST?transport=tcp\n"
		      "  secret = (a long random word)\n",
		      stderr);
	else if (err < 0)
		fprintf(stderr, "parleyctl: turn-config: %s\n", strerror(-err));
	return err < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int command(const struct conf *conf, const char *name)
{
	if (strcmp(name, "status") == 0)
		return cmd_status(conf);
	if (strcmp(name, "doctor") == 0)
		return doctor_run(conf) > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	if (strcmp(name, "metrics") == 0)
		return cmd_metrics(conf);
	if (strcmp(name, "turn-config") == 0)
		return cmd_turn_config(conf);
	fprintf(stderr, "parleyctl: unknown command '%s'\n", name);
	print_usage(stderr);
	return 2;
}

/* Commands with options of their own: what follows them is theirs. */
static const struct {
	const char *name;
	int (*run)(const struct conf *conf, int argc, char **argv);
} programs[] = { { "top", top_run }, { "capacity", capacity_run } };

static size_t program_find(const char *name)
{
	size_t i = 0;

	while (i < ARRAY_LEN(programs) && strcmp(name, programs[i].name) != 0)
		i++;
	return i;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = PARLEY_CONF, *overrides[16];
	size_t overrides_len = 0, program = ARRAY_LEN(programs);
	char *words[WORDS_MAX] = { NULL };
	int words_len = 0;
	struct conf_error error = { "out of memory" };
	struct conf conf;
	int opt, err;

	/* Options may stand behind the command, too, unless it has its own. */
	while ((opt = getopt_long(argc, argv, "-c:o:h", longs, NULL)) != -1) {
		if (opt == 1 && words_len < WORDS_MAX) {
			words[words_len++] = optarg;
			program = words_len == 1 ? program_find(optarg) : program;
			if (program < ARRAY_LEN(programs))
				break;
		} else if (opt == 'c') {
			path = optarg;
		} else if (opt == 'o' && overrides_len < ARRAY_LEN(overrides)) {
			overrides[overrides_len++] = optarg;
		} else if (opt == 'v') {
			puts("parleyctl " PARLEY_VERSION);
			return EXIT_SUCCESS;
		} else {
			print_usage(opt == 'h' ? stdout : stderr);
			return opt == 'h' ? EXIT_SUCCESS : 2;
		}
	}
	bool is_program = program < ARRAY_LEN(programs);
	while (!is_program && optind < argc && words_len < WORDS_MAX)
		words[words_len++] = argv[optind++]; /* behind "--" */
	bool manages = words_len > 0 && manage_knows(words[0]);
	if (!is_program && (optind < argc || (words_len != 1 && !manages))) {
		print_usage(stderr);
		return 2;
	}
	err = conf_init(&conf);
	if (err == 0)
		err = conf_load(&conf, path, &error);
	for (size_t i = 0; err == 0 && i < overrides_len; i++)
		err = conf_override(&conf, overrides[i], &error);
	if (err == 0)
		err = conf_check(&conf, &error);
	if (err < 0) {
		fprintf(stderr, "parleyctl: %s\n", error.text);
		return EXIT_FAILURE;
	}
	int status = is_program ? programs[program].run(&conf, argc - optind + 1, argv + optind - 1)
		     : manages	? manage_run(&conf, words, words_len)
				: command(&conf, words[0]);
	if ((is_program || manages) && status == 2)
		print_usage(stderr);
	conf_fini(&conf);
	return status;
}
