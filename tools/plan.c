#include "tools/plan.h"

#include "lib/err.h"

#include <math.h>

enum {
	AUDIO_PPS = 50,
	PAYLOAD_MAX = 1150,	   /* bytes of a picture in one packet, as browsers cut it */
	PACKET_OVERHEAD = 28 + 44, /* IPv4 and UDP; RTP, its extensions and the authentication tag */
	LAYER_HIGHEST = 720,
	LAYER_LOWEST = 180,
	LAYER_HIGHEST_BPS = 1700000,
	LAYER_LEAST_BPS = 100000,
};

unsigned plan_layer_height(unsigned tile_height)
{
	unsigned height = LAYER_LOWEST;

	/* A tile that is up to a tenth higher than the pictures keeps them. */
	while (height < LAYER_HIGHEST && tile_height * 10 > height * 11)
		height *= 2;
	return height;
}

unsigned plan_layer_bps(unsigned height)
{
	double share = (double)height / LAYER_HIGHEST;

	return (unsigned)fmax(LAYER_LEAST_BPS, LAYER_HIGHEST_BPS * pow(fmin(share, 1), 1.75));
}

/* Each picture begins a packet. */
static double packets_of(double bps, unsigned fps)
{
	if (fps == 0)
		return 0;
	return fps * fmax(1, ceil(bps / 8 / fps / PAYLOAD_MAX));
}

static unsigned rows(unsigned tiles)
{
	return MAX((unsigned)ceil(sqrt((double)tiles)), 1u);
}

/* What one stream is, each second. */
struct stream {
	double packets, bps; /* bps: on the wire */
};

static struct stream stream(double bps, double packets)
{
	return (struct stream){ packets, bps + packets * PACKET_OVERHEAD * 8 };
}

static void add(double *packets, double *bps, const struct stream *s, double times)
{
	*packets += s->packets * times;
	*bps += s->bps * times;
}

/* How many of `senders` each of the people gets on the average, when `places` are there: who sends does not get
 * himself. */
static double received(unsigned senders, unsigned people, unsigned places)
{
	unsigned sending = MIN(senders, people);
	unsigned as_sender = MIN(sending > 0 ? sending - 1 : 0, places), as_other = MIN(sending, places);

	return people == 0 ? 0 : ((double)sending * as_sender + (double)(people - sending) * as_other) / people;
}

struct plan_load plan_load(const struct plan_kind *k, const struct plan_costs *costs, double member_bytes)
{
	unsigned others = k->people > 0 ? k->people - 1 : 0, screens = MIN(k->screens, k->people);
	unsigned screens_seen = MIN(screens, k->tiles), tiles = k->tiles - screens_seen;
	unsigned seen = MIN(k->tiles, screens + MIN(MIN(k->cameras, k->people), others));
	unsigned height = plan_layer_height(k->tile_height ? k->tile_height : LAYER_HIGHEST / rows(MAX(seen, 1u)));
	unsigned lowest_bps = plan_layer_bps(LAYER_LOWEST), shown_bps = plan_layer_bps(height);
	struct stream sound = stream(k->audio_bps, AUDIO_PPS);
	struct stream shown = stream(shown_bps, packets_of(shown_bps, k->fps));
	struct stream lowest = stream(lowest_bps, packets_of(lowest_bps, k->fps));
	struct stream screen = stream(k->screen_bps, packets_of(k->screen_bps, k->screen_fps));
	struct plan_load l = { .seen = seen, .height = height, .memory_bytes = member_bytes * k->people };
	double people = k->people;

	add(&l.in_packets, &l.in_bps, &sound, MIN(k->unmuted, k->people));
	add(&l.in_packets, &l.in_bps, &shown, MIN(k->cameras, k->people));
	/* The lowest layer stays on, for those whose tiles or paths are small. */
	if (height > LAYER_LOWEST)
		add(&l.in_packets, &l.in_bps, &lowest, MIN(k->cameras, k->people));
	add(&l.in_packets, &l.in_bps, &screen, screens);
	/* A seat is a picture and a sound. */
	add(&l.out_packets, &l.out_bps, &sound, people * received(k->unmuted, k->people, k->tiles));
	add(&l.out_packets, &l.out_bps, &screen, people * received(screens, k->people, screens_seen));
	add(&l.out_packets, &l.out_bps, &shown, people * received(k->cameras, k->people, tiles));
	l.cores = (l.in_packets * costs->in_us + l.out_packets * costs->out_us) / 1e6;
	return l;
}

/* How many times `one` goes into `room`. */
static uint64_t times(double room, double one)
{
	if (room <= 0)
		return 0;
	/* What fits exactly, fits: 0.1 goes ten times into 1. */
	return one > 0 ? (uint64_t)fmin(floor(room / one * (1 + 1e-9)), 1e15) : UINT64_MAX;
}

struct plan plan_make(const struct plan_kind *kind, const struct plan_costs *costs, const struct plan_machine *m)
{
	struct plan p = { .one = plan_load(kind, costs, m->member_bytes) };
	uint64_t people = MAX(kind->people, 1u);
	double cores = MIN(m->mediads, m->cores) * m->budget;

	for (unsigned i = 0; i < PLAN_LIMITS; i++)
		p.allowed[i] = UINT64_MAX;
	p.allowed[PLAN_CPU] = times(cores, p.one.cores);
	if (m->nic_bps > 0) {
		p.allowed[PLAN_NIC_OUT] = times(m->nic_bps * PLAN_NIC_SHARE, p.one.out_bps);
		p.allowed[PLAN_NIC_IN] = times(m->nic_bps * PLAN_NIC_SHARE, p.one.in_bps);
	}
	if (m->memory_bytes > 0)
		p.allowed[PLAN_MEMORY] = times(m->memory_bytes, p.one.memory_bytes);
	p.allowed[PLAN_TRANSPORTS] = (uint64_t)m->transports_max * m->mediads / people;
	if (m->websockets_max > 0)
		p.allowed[PLAN_WEBSOCKETS] = (uint64_t)m->websockets_max * m->workers / people;
	if (m->members_max > 0 && kind->people > m->members_max)
		p.allowed[PLAN_MEMBERS] = 0;
	for (unsigned i = 0; i < PLAN_LIMITS; i++) {
		if (p.allowed[i] < p.allowed[p.limit])
			p.limit = i;
	}
	p.calls = p.allowed[p.limit];
	return p;
}

static const struct {
	const char *key, *name;
} limits[] = {
	[PLAN_CPU] = { "cpu", "the media processes' CPU time" },
	[PLAN_NIC_OUT] = { "nic_out", "what the network takes from here" },
	[PLAN_NIC_IN] = { "nic_in", "what the network brings here" },
	[PLAN_MEMORY] = { "memory", "memory" },
	[PLAN_TRANSPORTS] = { "transports", "media.max_transports" },
	[PLAN_WEBSOCKETS] = { "websockets", "limits.websockets" },
	[PLAN_MEMBERS] = { "members", "limits.call_members" },
};
_Static_assert(ARRAY_LEN(limits) == PLAN_LIMITS, "a name for each");

const char *plan_limit_name(enum plan_limit limit)
{
	return limits[limit].name;
}

const char *plan_limit_key(enum plan_limit limit)
{
	return limits[limit].key;
}
