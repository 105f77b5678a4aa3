/* parley-mediad N - one media process: started by parleyd, which hands it its descriptors. */
#include "mediad/mediad.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

static int env_number(const char *name, unsigned min, unsigned max, unsigned *ret)
{
	const char *text = getenv(name);
	char *end;

	if (!text || !*text)
		return -ENOENT;
	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (errno != 0 || *end || n < min || n > max)
		return -ERANGE;
	*ret = (unsigned)n;
	return 0;
}

static int identify(struct mediad *md, int argc, char **argv)
{
	char *end;
	unsigned epoch;

	if (argc != 2)
		return -EINVAL;
	unsigned long index = strtoul(argv[1], &end, 10);
	if (!*argv[1] || *end)
		return -EINVAL;
	int err = env_number("PARLEY_WORKERS", 1, SHM_PROCESSES_MAX, &md->workers);
	if (err == 0)
		err = env_number("PARLEY_MEDIADS", 1, SHM_PROCESSES_MAX, &md->mediads);
	if (err == 0)
		err = env_number("PARLEY_EPOCH", 0, UINT32_MAX, &epoch);
	if (err < 0)
		return err;
	if (index >= md->mediads)
		return -EINVAL;
	md->index = (unsigned)index;
	md->epoch = epoch;
	return fdset_receive(&md->fds);
}

static void on_signal(struct loop_fd *io, uint32_t events, void *arg)
{
	struct mediad *md = arg;
	struct signalfd_siginfo info;

	(void)events;
	if (read(io->fd, &info, sizeof(info)) == sizeof(info))
		loop_stop(md->loop, 0);
}

/* SIGTERM ends the loop; the session table stays as it is, for a successor. Ctrl-C in a terminal is the master's
 * to act upon. */
static int catch_signals(void)
{
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_SETMASK, &term, NULL) < 0)
		return -errno;
	int fd = signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int main(int argc, char **argv)
{
	static struct mediad md;
	struct loop_fd signals = { 0 };
	char name[32];

	int err = identify(&md, argc, argv);
	if (err < 0) {
		fprintf(stderr, "parley-mediad: started by parleyd, not by hand (%s)\n", strerror(-err));
		return 2;
	}
	snprintf(name, sizeof(name), "mediad/%u", md.index);
	log_init(name, LOG_LEVEL_INFO, true);
	auto_close int signal_fd = catch_signals();
	if (signal_fd < 0 || mediad_open(&md) < 0)
		return 1;
	err = loop_fd_add(md.loop, &signals, signal_fd, EPOLLIN, on_signal, &md);
	if (err == 0)
		err = loop_run(md.loop);
	if (err < 0)
		log_error("mediad: the loop ended: %s", strerror(-err));
	loop_fd_del(&signals);
	mediad_close(&md);
	return err < 0 ? 1 : 0;
}
