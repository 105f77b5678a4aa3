/* parley-load - simulates participants against a running Parley, and says how it did. */
#include "lib/version.h"
#include "tools/load/report.h"
#include "tools/load/run.h"
#include "tools/load/swarm.h"

#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char usage[] =
	"usage: parley-load [OPTION]... SCENARIO https://HOST[:PORT]\n"
	"       parley-load --janus [OPTION]... SCENARIO http://HOST[:PORT]\n"
	"\n"
	"  room          one call; those who publish speak in turns\n"
	"  one-to-many   one call; one publishes, the others watch\n"
	"  many-calls    calls of --call-size people each, who all publish\n"
	"  swarm         thousands of WebSockets, no calls; has options of its own: parley-load swarm --help\n"
	"\n"
	"  -n, --people N        participants in all (10)\n"
	"      --publishers N    of each call, how many send (room: all)\n"
	"      --tiles N         pairs of slots that each offers (room: 9, else 1 or what the call needs)\n"
	"      --call-size N     many-calls: people of a call (2)\n"
	"  -t, --seconds N       how long media is measured (20)\n"
	"      --turn MS         room: how long each speaks (3000); 0: all speak all the time\n"
	"      --probes N        room, one-to-many: so many join one by one, to see what a join costs (3)\n"
	"      --join-rate N     joins a second (20)\n"
	"      --speakers N      with --turn 0 and in other scenarios: so many of each call speak (all who publish)\n"
	"      --fps N, --height N, --bitrate BIT/S, --layers N   the camera (30, 720, 1700000, 3)\n"
	"                        1 layer: no simulcast\n"
	"      --payload BYTES   of each packet of the camera; without, packets of a frame share it equally\n"
	"      --burst           a frame's packets leave all at once, not paced\n"
	"      --tile-height N   how high each says its tiles are (720 divided by the rows)\n"
	"      --no-video, --no-audio\n"
	"      --tokens FILE     sign-ins to use, one token a line; without, accounts are made and deleted again\n"
	"      --connections N   HTTPS connections at a time (32)\n"
	"      --janus           the server is Janus' VideoRoom, by its HTTP API\n"
	"      --admin ADDRESS   the server's admin listener: CPU and packets of the media processes\n"
	"      --pid PID         a process whose CPU time to add up; may be given several times\n"
	"  -v, --verbose         a line for each turn\n"
	"      --json            figures as JSON instead of a table\n"
	"      --insecure        do not verify the server's certificate\n"
	"      --version, --help\n";

static volatile int stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

enum option_number {
	OPT_PUBLISHERS = 256,
	OPT_TILES,
	OPT_CALL_SIZE,
	OPT_TURN,
	OPT_PROBES,
	OPT_JOIN_RATE,
	OPT_FPS,
	OPT_HEIGHT,
	OPT_BITRATE,
	OPT_LAYERS,
	OPT_SPEAKERS,
	OPT_PAYLOAD,
	OPT_BURST,
	OPT_JANUS,
	OPT_TILE_HEIGHT,
	OPT_NO_VIDEO,
	OPT_NO_AUDIO,
	OPT_TOKENS,
	OPT_CONNECTIONS,
	OPT_ADMIN,
	OPT_PID,
	OPT_JSON,
	OPT_INSECURE,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option long_options[] = {
	{ "people", required_argument, NULL, 'n' },
	{ "publishers", required_argument, NULL, OPT_PUBLISHERS },
	{ "tiles", required_argument, NULL, OPT_TILES },
	{ "call-size", required_argument, NULL, OPT_CALL_SIZE },
	{ "seconds", required_argument, NULL, 't' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "turn", required_argument, NULL, OPT_TURN },
	{ "probes", required_argument, NULL, OPT_PROBES },
	{ "join-rate", required_argument, NULL, OPT_JOIN_RATE },
	{ "fps", required_argument, NULL, OPT_FPS },
	{ "height", required_argument, NULL, OPT_HEIGHT },
	{ "bitrate", required_argument, NULL, OPT_BITRATE },
	{ "layers", required_argument, NULL, OPT_LAYERS },
	{ "speakers", required_argument, NULL, OPT_SPEAKERS },
	{ "payload", required_argument, NULL, OPT_PAYLOAD },
	{ "burst", no_argument, NULL, OPT_BURST },
	{ "janus", no_argument, NULL, OPT_JANUS },
	{ "tile-height", required_argument, NULL, OPT_TILE_HEIGHT },
	{ "no-video", no_argument, NULL, OPT_NO_VIDEO },
	{ "no-audio", no_argument, NULL, OPT_NO_AUDIO },
	{ "tokens", required_argument, NULL, OPT_TOKENS },
	{ "connections", required_argument, NULL, OPT_CONNECTIONS },
	{ "admin", required_argument, NULL, OPT_ADMIN },
	{ "pid", required_argument, NULL, OPT_PID },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "insecure", no_argument, NULL, OPT_INSECURE },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

struct limit {
	int option;
	unsigned min, max;
	size_t offset; /* in struct run_options */
};

#define LIMIT(option, field, min, max)                                \
	{                                                             \
		option, min, max, offsetof(struct run_options, field) \
	}

static const struct limit limits[] = {
	LIMIT('n', people, 2, 100000),
	LIMIT(OPT_PUBLISHERS, publishers, 1, 100000),
	LIMIT(OPT_TILES, tiles, 1, 25), /* a session has 64 m-lines at most */
	LIMIT(OPT_CALL_SIZE, call_size, 2, 1000),
	LIMIT('t', seconds, 1, 86400),
	LIMIT(OPT_TURN, turn_ms, 0, 600000),
	LIMIT(OPT_PROBES, probes, 0, RUN_PROBES_MAX),
	LIMIT(OPT_JOIN_RATE, joins_per_second, 1, 10000),
	LIMIT(OPT_FPS, fps, 1, 60),
	LIMIT(OPT_HEIGHT, height, 90, 2160),
	LIMIT(OPT_BITRATE, bitrate, 20000, 20000000),
	LIMIT(OPT_LAYERS, layers, 1, SDP_LAYERS),
	LIMIT(OPT_SPEAKERS, speakers, 1, 100000),
	LIMIT(OPT_PAYLOAD, payload, MARK_BYTES + MARK_VP8_BYTES, PUBLISHER_PAYLOAD_MAX),
	LIMIT(OPT_TILE_HEIGHT, tile_height, 1, 8192),
	LIMIT(OPT_CONNECTIONS, connections, 1, 1000),
};

/* 0; -ENOENT: the option takes no number; -EINVAL. */
static int take_number(struct run_options *o, int option, const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		const struct limit *l = &limits[i];
		char *end;
		if (l->option != option)
			continue;
		unsigned long value = strtoul(text, &end, 10);
		if (*end || end == text || *text == '-' || value < l->min || value > l->max) {
			fprintf(stderr, "parley-load: '%s' is not a number from %u to %u\n", text, l->min, l->max);
			return -EINVAL;
		}
		*(unsigned *)((char *)o + l->offset) = (unsigned)value;
		return 0;
	}
	return -ENOENT;
}

static int take_option(struct run_options *o, int option, const char *text)
{
	int err = text ? take_number(o, option, text) : -ENOENT;

	if (err != -ENOENT)
		return err;
	switch (option) {
	case OPT_NO_VIDEO:
		o->video = false;
		break;
	case OPT_NO_AUDIO:
		o->audio = false;
		break;
	case OPT_BURST:
		o->burst = true;
		break;
	case OPT_JANUS:
		o->janus = true;
		break;
	case OPT_TOKENS:
		o->tokens = text;
		break;
	case OPT_ADMIN:
		o->admin = text;
		break;
	case OPT_PID:
		if (o->pids_len == RUN_PIDS_MAX || atoi(text) <= 0) {
			fprintf(stderr, "parley-load: --pid %s: no process id, or too many\n", text);
			return -EINVAL;
		}
		o->pid[o->pids_len++] = atoi(text);
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case 'v':
		o->verbose = true;
		break;
	case OPT_INSECURE:
		o->insecure = true;
		break;
	default:
		return -EINVAL;
	}
	return 0;
}

/* What was not said follows from the scenario. */
static int complete(struct run_options *o)
{
	if (strcmp(o->scenario, "room") == 0) {
		o->call_size = o->people;
		o->publishers = o->publishers ? o->publishers : o->people;
		o->tiles = o->tiles ? o->tiles : 9;
	} else if (strcmp(o->scenario, "one-to-many") == 0) {
		o->call_size = o->people;
		o->publishers = o->publishers ? o->publishers : 1;
		o->tiles = o->tiles ? o->tiles : o->publishers;
		o->turn_ms = 0;
	} else if (strcmp(o->scenario, "many-calls") == 0) {
		o->call_size = o->call_size ? o->call_size : 2;
		o->publishers = o->publishers ? o->publishers : o->call_size;
		o->tiles = o->tiles ? o->tiles : o->call_size - 1;
		o->turn_ms = 0;
		o->probes = 0;
		if (o->people % o->call_size == 1) {
			fprintf(stderr, "parley-load: the last of %u would be alone in a call, and is left out\n",
				o->people);
			o->people--;
		}
	} else {
		fprintf(stderr, "parley-load: there is no scenario '%s'\n", o->scenario);
		return -EINVAL;
	}
	if (o->janus) {
		/* Nobody is given a seat there: all watch all, at all times. */
		o->turn_ms = 0;
		o->probes = 0;
		o->tokens = NULL;
		if (MIN(o->publishers, o->call_size) > SDP_SLOTS_MAX / 2 + (o->publishers >= o->call_size)) {
			fprintf(stderr, "parley-load: --janus: %u publishers at most\n", SDP_SLOTS_MAX / 2);
			return -EINVAL;
		}
		if (o->layers > 1) {
			fprintf(stderr, "parley-load: --janus: --layers 1 only\n");
			return -EINVAL;
		}
	}
	o->speakers = o->speakers ? o->speakers : o->call_size;
	o->tiles = MIN(o->tiles, 25u);
	o->probes = o->people > 2 ? MIN(o->probes, o->people - 2) : 0;
	if (o->tile_height == 0)
		o->tile_height = (unsigned)(720 / ceil(sqrt(o->tiles)));
	return 0;
}

/* Three descriptors a participant. */
static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int measure(const struct run_options *o)
{
	struct run *run;
	int err = run_new(o, &run);

	if (err < 0)
		return EXIT_FAILURE;
	err = run_go(run, &stopped);
	const struct run_figures *f = run_figures(run);
	bool whole = err == 0 && !stopped && f->failed == 0 && f->connected == o->people;
	if (f->seconds > 0 && o->json)
		err = report_json(stdout, o, f);
	else if (f->seconds > 0)
		report_table(stdout, o, f);
	run_free(run);
	return err == 0 && whole ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct run_options o = {
		.people = 10,
		.seconds = 20,
		.turn_ms = 3000,
		.probes = 3,
		.joins_per_second = 20,
		.connections = 32,
		.fps = 30,
		.height = 720,
		.bitrate = 1700000,
		.layers = SDP_LAYERS,
		.audio = true,
		.video = true,
	};
	const struct sigaction act = { .sa_handler = on_signal };
	int option;

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && strcmp(argv[1], "swarm") == 0)
		return swarm_main(argc - 1, argv + 1, &stopped);
	while ((option = getopt_long(argc, argv, "n:t:v", long_options, NULL)) != -1) {
		if (option == OPT_VERSION) {
			puts("parley-load " PARLEY_VERSION);
			return EXIT_SUCCESS;
		}
		if (option == OPT_HELP) {
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		}
		if (take_option(&o, option, optarg) < 0) {
			fputs(usage, stderr);
			return 2;
		}
	}
	if (argc - optind != 2) {
		fputs(usage, stderr);
		return 2;
	}
	o.scenario = argv[optind];
	o.url = argv[optind + 1];
	if (complete(&o) < 0)
		return 2;
	raise_limits();
	return measure(&o);
}
