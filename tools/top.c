#include "tools/top.h"

#include "lib/clock.h"
#include "tools/admin_client.h"
#include "tools/figures.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define USAGE_ERROR    2
#define INTERVAL_MIN_S 0.1
#define INTERVAL_MAX_S 3600.0

const char top_usage[] = "  top                           each core, live; q ends it\n"
			 "      -i, --interval SECONDS    between two looks (1)\n"
			 "      -n, --count N             print N tables and end; 1 where the output is no terminal\n";

/* Of the terminal: another screen without cursor, and back. */
#define SCREEN_ENTER "\033[?1049h\033[?25l"
#define SCREEN_LEAVE "\033[?25h\033[?1049l"
#define SCREEN_HOME  "\033[H"
#define LINE_REST    "\033[K"
#define SCREEN_REST  "\033[J"

static volatile sig_atomic_t ended, stopped, resized;

static void on_signal(int number)
{
	if (number == SIGWINCH)
		resized = 1;
	else if (number == SIGTSTP)
		stopped = 1;
	else
		ended = 1;
}

struct top {
	const struct conf *conf;
	double interval_s;
	unsigned long count; /* 0: until it is ended */
	struct termios before;
	bool keys; /* standard input is a terminal, and ours */
	struct figures last, now;
	struct buf body;
	char trouble[160]; /* why there is no newer look */
};

/* ---- looking ---- */

static double seconds_now(void)
{
	return (double)clock_now_us() / USEC_PER_SEC;
}

/* 0, or -errno with top->trouble. */
static int look(struct top *top)
{
	const char *admin = top->conf->server.admin;
	int status = 0;

	int err = admin_get(admin, "/metrics", &status, &top->body);
	if (err == 0 && status != 200)
		err = -EPROTO;
	if (err < 0) {
		snprintf(top->trouble, sizeof(top->trouble), "%.100s: %s", admin, strerror(-err));
		return err;
	}
	top->trouble[0] = 0;
	top->last = top->now;
	top->now.at_s = seconds_now();
	figures_parse((const char *)top->body.data, &top->now);
	return 0;
}

/* ---- the terminal ---- */

static void terminal_enter(struct top *top)
{
	struct termios raw;

	/* In the background of a shell, changing it would stop us. */
	top->keys = isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp() &&
		    tcgetattr(STDIN_FILENO, &top->before) == 0;
	if (top->keys) {
		raw = top->before;
		raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
		raw.c_cc[VMIN] = 0;
		raw.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	}
	fputs(SCREEN_ENTER, stdout);
	fflush(stdout);
}

static void terminal_leave(struct top *top)
{
	fputs(SCREEN_LEAVE, stdout);
	fflush(stdout);
	if (top->keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &top->before);
	top->keys = false;
}

/* Ctrl-Z: the shell gets its terminal as it was, and so do we when it lets us go on. */
static void terminal_pause(struct top *top)
{
	stopped = 0;
	terminal_leave(top);
	raise(SIGSTOP);
	terminal_enter(top);
	resized = 1;
}

static unsigned environment(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);
	long n = text ? strtol(text, NULL, 10) : 0;

	return n > 0 && n < 10000 ? (unsigned)n : otherwise;
}

static void window(unsigned *ret_columns, unsigned *ret_lines)
{
	struct winsize size = { 0 };

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*ret_columns = size.ws_col ? size.ws_col : environment("COLUMNS", 80);
	*ret_lines = size.ws_row ? size.ws_row : environment("LINES", 24);
}

/* ---- drawing ---- */

static void title(const struct top *top, struct buf *text)
{
	char clock[16] = "";
	time_t now = time(NULL);
	struct tm tm;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
	buf_appendf(text, "parley top  %s  %s", clock, top->conf->server.public_url);
	if (*top->trouble)
		buf_appendf(text, "  no answer: %s", top->trouble);
	buf_append_char(text, '\n');
}

/* How many bytes of that line fit: what is not the first byte of a character takes no room. */
static size_t fits(const uint8_t *line, size_t len, unsigned columns)
{
	unsigned used = 0;

	for (size_t i = 0; i < len; i++) {
		used += (line[i] & 0xc0) != 0x80;
		if (used > columns)
			return i;
	}
	return len;
}

static void draw(struct top *top)
{
	struct buf text = { 0 };
	unsigned columns, lines, line = 0;

	window(&columns, &lines);
	title(top, &text);
	buf_append_char(&text, '\n');
	/* Above the last line, on which nothing is written that could scroll the window. */
	figures_table(&top->last, &top->now, columns, lines > 3 ? lines - 3 : 1, &text);
	fputs(SCREEN_HOME, stdout);
	for (size_t at = 0; !text.failed && at < text.len && line + 1 < lines; line++) {
		const uint8_t *from = text.data + at, *end = memchr(from, '\n', text.len - at);
		size_t len = end ? (size_t)(end - from) : text.len - at;
		fwrite(from, 1, fits(from, len, columns), stdout);
		fputs(LINE_REST "\n", stdout);
		at += len + 1;
	}
	fputs(SCREEN_REST, stdout);
	fflush(stdout);
	buf_fini(&text);
}

static int print(struct top *top)
{
	struct buf text = { 0 };

	title(top, &text);
	buf_append_char(&text, '\n');
	figures_table(&top->last, &top->now, 0, 0, &text);
	bool ok = !text.failed && fwrite(text.data, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
	buf_fini(&text);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- running ---- */

/* Until then, a key or a signal. */
static void wait_until(struct top *top, double at_s)
{
	struct pollfd in = { .fd = top->keys ? STDIN_FILENO : -1, .events = POLLIN };

	for (;;) {
		double left_s = at_s - seconds_now();
		char key;
		if (ended || left_s <= 0)
			return;
		int n = poll(&in, 1, (int)(left_s * 1000) + 1);
		if (n > 0 && (in.revents & (POLLHUP | POLLERR)))
			ended = 1;
		else if (n > 0 && read(STDIN_FILENO, &key, 1) == 1 && (key == 'q' || key == 'Q'))
			ended = 1;
		if (stopped)
			terminal_pause(top);
		if (resized) {
			resized = 0;
			draw(top);
		}
	}
}

static int run_live(struct top *top)
{
	terminal_enter(top);
	/* The first rates are those of a short moment: nobody likes to look at an empty window. */
	wait_until(top, seconds_now() + MIN(top->interval_s, 0.3));
	while (!ended) {
		(void)look(top); /* the title says why not */
		draw(top);
		wait_until(top, seconds_now() + top->interval_s);
	}
	terminal_leave(top);
	return EXIT_SUCCESS;
}

static int run_count(struct top *top)
{
	for (unsigned long i = 0; i < top->count; i++) {
		wait_until(top, seconds_now() + top->interval_s);
		if (ended)
			break;
		if (look(top) < 0) {
			fprintf(stderr, "parleyctl: %s\n", top->trouble);
			return EXIT_FAILURE;
		}
		if (i > 0)
			putchar('\n');
		if (print(top) != EXIT_SUCCESS)
			return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static bool options_read(struct top *top, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	char *end;
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "i:n:", longs, NULL)) != -1) {
		if (opt == 'i') {
			top->interval_s = strtod(optarg, &end);
			if (*end || !(top->interval_s >= INTERVAL_MIN_S && top->interval_s <= INTERVAL_MAX_S))
				return false;
		} else if (opt == 'n') {
			top->count = strtoul(optarg, &end, 10);
			if (*end || *optarg < '0' || *optarg > '9' || top->count == 0)
				return false;
		} else {
			return false;
		}
	}
	return optind == argc;
}

int top_run(const struct conf *conf, int argc, char **argv)
{
	static struct top top;
	const struct sigaction action = { .sa_handler = on_signal };
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP };
	const size_t of_windows = 2; /* the last ones */

	top = (struct top){ .conf = conf, .interval_s = 1 };
	if (!options_read(&top, argc, argv))
		return USAGE_ERROR;
	bool live = top.count == 0 && isatty(STDOUT_FILENO);
	if (!live && top.count == 0)
		top.count = 1;
	if (!*conf->server.admin) {
		fputs("parleyctl: server.admin is off\n", stderr);
		return EXIT_FAILURE;
	}
	if (look(&top) < 0) {
		fprintf(stderr, "parleyctl: %s\n", top.trouble);
		buf_fini(&top.body);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < ARRAY_LEN(signals) - (live ? 0 : of_windows); i++)
		sigaction(signals[i], &action, NULL);
	int status = live ? run_live(&top) : run_count(&top);
	buf_fini(&top.body);
	return status;
}
