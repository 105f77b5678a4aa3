/* parleyd - the master: opens every socket and every shared memory, then keeps the other processes alive. */
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/version.h"
#include "master/privileges.h"
#include "master/supervise.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#ifndef PARLEY_LIBEXECDIR
#define PARLEY_LIBEXECDIR "/usr/lib/parley"
#endif
#ifndef PARLEY_CONF
#define PARLEY_CONF "/etc/parley/parley.conf"
#endif

static const char usage[] =
	"usage: parleyd [--config FILE] [-o SECTION.KEY=VALUE]... [--check] [--ready-fd N] [--version] [--help]\n"
	"\n"
	"  -c, --config FILE      settings (" PARLEY_CONF ")\n"
	"  -o SECTION.KEY=VALUE   one setting, stronger than the file\n"
	"      --check            read and check settings and certificate, then end\n"
	"      --ready-fd N       write READY to descriptor N when all processes are ready\n"
	"\n"
	"SIGHUP reads settings and certificate again, SIGTERM ends. See parleyd(8) and parley.conf(5).\n";

struct options {
	struct settings_source source;
	bool check;
	int ready_fd;
};

/* 0: go on; 1: done, and well; -EINVAL. */
static int options_parse(int argc, char **argv, struct options *o)
{
	enum { OPT_CHECK = 256, OPT_READY_FD, OPT_VERSION };
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, OPT_CHECK },
		{ "ready-fd", required_argument, NULL, OPT_READY_FD },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "c:o:h", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o->source.path = optarg;
			break;
		case 'o':
			if (o->source.overrides_len == SETTINGS_OVERRIDES_MAX) {
				fprintf(stderr, "parleyd: at most %d times -o\n", SETTINGS_OVERRIDES_MAX);
				return -EINVAL;
			}
			o->source.overrides[o->source.overrides_len++] = optarg;
			break;
		case OPT_CHECK:
			o->check = true;
			break;
		case OPT_READY_FD:
			o->ready_fd = atoi(optarg);
			break;
		case OPT_VERSION:
			puts("parleyd " PARLEY_VERSION);
			return 1;
		case 'h':
			fputs(usage, stdout);
			return 1;
		default:
			fputs(usage, stderr);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "parleyd: unexpected argument '%s'\n", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

/* Beside our own binary, then in the folder of installed helpers; PARLEY_LIBEXEC goes before both. */
static int program_find(const char *name, char **ret_path)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *folders[] = { getenv("PARLEY_LIBEXEC"), NULL, PARLEY_LIBEXECDIR };

	if (n > 0) {
		self[n] = 0;
		char *slash = strrchr(self, '/');
		*slash = 0;
		folders[1] = self;
	}
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		char *path;
		if (!folders[i] || asprintf(&path, "%s/%s", folders[i], name) < 0)
			continue;
		if (access(path, X_OK) == 0) {
			*ret_path = path;
			return 0;
		}
		free(path);
	}
	log_error("main: %s was found neither beside parleyd nor in " PARLEY_LIBEXECDIR, name);
	return -ENOENT;
}

static int signals_open(int *ret_fd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_fd < 0 ? -errno : 0;
}

static void on_signal(struct loop_fd *io, uint32_t events, void *arg)
{
	struct supervisor *s = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(io->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		log_info("main: SIG%s from pid %u", sigabbrev_np((int)info.ssi_signo), info.ssi_pid);
		if (info.ssi_signo == SIGHUP)
			supervisor_reload(s);
		else
			supervisor_stop(s);
	}
}

static int supervise(struct supervisor *s)
{
	struct loop_fd signals = { 0 };
	auto_close int signal_fd = -1;
	int err = signals_open(&signal_fd);

	if (err == 0)
		err = loop_new(&s->loop);
	if (err == 0)
		err = loop_fd_add(s->loop, &signals, signal_fd, EPOLLIN, on_signal, s);
	if (err == 0)
		err = supervisor_init(s);
	if (err < 0) {
		log_error("main: %s", strerror(-err));
	} else {
		supervisor_start(s);
		err = loop_run(s->loop);
	}
	supervisor_fini(s);
	loop_fd_del(&signals);
	s->loop = loop_free(s->loop);
	return err;
}

static int run_with_regions(struct supervisor *s)
{
	int err = regions_create(&s->settings->conf, s->workers, s->mediads, s->regions);

	if (err < 0) {
		log_error("main: shared memory: %s", strerror(-err));
		return err;
	}
	err = privileges_drop(s->settings->conf.server.user);
	if (err == 0)
		err = supervise(s);
	regions_close(s->regions);
	return err;
}

static int run(struct settings *settings, const struct options *o)
{
	const struct conf *conf = &settings->conf;
	struct supervisor s = { .source = &o->source,
				.settings = settings,
				.workers = conf_workers(conf),
				.mediads = conf_mediads(conf),
				.ready_fd = o->ready_fd };
	struct sockets sockets = { 0 };
	struct regions regions = { 0 };
	int err;

	privileges_raise_limits();
	err = program_find("parley-worker", &s.program[CHILD_WORKER]);
	if (err == 0)
		err = program_find("parley-mediad", &s.program[CHILD_MEDIAD]);
	if (err == 0)
		err = sockets_open(conf, s.mediads, &sockets);
	if (err == 0) {
		s.sockets = &sockets;
		s.regions = &regions;
		err = run_with_regions(&s);
		sockets_close(&sockets);
	}
	free(s.program[CHILD_WORKER]);
	free(s.program[CHILD_MEDIAD]);
	return err;
}

int main(int argc, char **argv)
{
	struct options options = { .source.path = PARLEY_CONF, .ready_fd = -1 };
	struct settings settings;
	struct conf_error error = { "" };
	int err = options_parse(argc, argv, &options);

	if (err != 0)
		return err > 0 ? EXIT_SUCCESS : 2;
	log_init("parleyd", LOG_LEVEL_INFO, false);
	if (settings_load(&options.source, &settings, &error) < 0) {
		log_error("%s", error.text);
		return EXIT_FAILURE;
	}
	if (options.check) {
		printf("%s: good: %u workers, %u mediads, %s\n", options.source.path, conf_workers(&settings.conf),
		       conf_mediads(&settings.conf), settings.conf.server.public_url);
		settings_fini(&settings);
		return EXIT_SUCCESS;
	}
	log_init("parleyd", settings.conf.log.level, settings.conf.log.target == CONF_LOG_JOURNAL);
	err = run(&settings, &options);
	if (err == 0)
		log_info("main: stopped");
	settings_fini(&settings);
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
