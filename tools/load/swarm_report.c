#include "tools/load/swarm_run.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <yajl/yajl_gen.h>

static const char *const kind_name[] = { [SWARM_PRESENCE] = "presence", [SWARM_CHAT] = "chat" };

static unsigned sum(const struct swarm_outside *o)
{
	unsigned n = 0;

	for (unsigned i = 0; i < o->workers; i++)
		n += o->websockets[i];
	return n;
}

double swarm_skew(const struct swarm_outside *o)
{
	double mean = o->workers > 0 ? (double)sum(o) / o->workers : 0, most = 0;

	for (unsigned i = 0; i < o->workers && mean > 0; i++)
		most = fmax(most, fabs(o->websockets[i] - mean) / mean);
	return most;
}

bool swarm_is_whole(const struct swarm_options *options, const struct swarm_figures *f)
{
	bool whole = f->open == options->websockets;

	for (unsigned kind = 0; kind < SWARM_KINDS; kind++)
		whole &= f->said[kind].heard == f->said[kind].expected && f->said[kind].twice == 0;
	whole &= !f->cut.done || f->cut.back == options->websockets;
	return whole && (!f->reload.done || f->reload.back == options->websockets);
}

/* KiB of the workers for each WebSocket: all that they are, and what has come with the WebSockets. < 0: not known. */
static double pss_each(const struct swarm_figures *f, bool grown)
{
	const struct swarm_outside *a = &f->before, *b = &f->idle;

	if (b->pss_kib < 0 || (grown && a->pss_kib < 0) || f->open == 0)
		return -1;
	return (b->pss_kib - (grown ? a->pss_kib : 0)) / f->open;
}

static double cpu_each_us(const struct swarm_said *said)
{
	return said->cpu_s < 0 || said->heard == 0 ? -1 : said->cpu_s / (double)said->heard * 1e6;
}

static double ms(int64_t us)
{
	return (double)us * 1e-3;
}

/* ---- the table ---- */

static void table_workers(FILE *f, const char *name, const struct swarm_outside *o)
{
	if (o->workers == 0)
		return;
	fprintf(f, "  %-28s", name);
	for (unsigned i = 0; i < o->workers; i++)
		fprintf(f, " %u", o->websockets[i]);
	fprintf(f, "   (%.1f %% from the mean)\n", 100 * swarm_skew(o));
}

static void table_said(FILE *f, enum swarm_kind kind, const struct swarm_said *s)
{
	if (s->messages == 0)
		return;
	fprintf(f, "  %-28s %u, heard %" PRIu64 " of %" PRIu64 " times, %" PRIu64 " twice\n", kind_name[kind],
		s->messages, s->heard, s->expected, s->twice);
	fprintf(f, "  %-28s %.1f ms half of them, %.1f ms 95 %%; to the last one %.1f ms, at most %.1f ms\n", "  after",
		ms(histogram_at(&s->took, 0.5)), ms(histogram_at(&s->took, 0.95)), ms(histogram_at(&s->to_all, 0.5)),
		ms(s->to_all.max));
	if (s->cpu_s >= 0)
		fprintf(f, "  %-28s %.1f us CPU of the workers\n", "  each time it is heard", cpu_each_us(s));
}

static void table_return(FILE *f, const char *name, const struct swarm_return *r)
{
	if (!r->done)
		return;
	fprintf(f, "  %-28s %u back after %.1f s; %" PRIu64 " attempts, %" PRIu64 " TLS sessions resumed\n", name,
		r->back, r->seconds, r->attempts, r->resumed);
	table_workers(f, "  WebSockets of each worker", &r->after);
}

void swarm_table(FILE *f, const struct swarm_options *o, const struct swarm_figures *figures)
{
	fprintf(f, "swarm: %u of %u WebSockets of %u people\n", figures->open, o->websockets, o->accounts);
	fprintf(f, "  %-28s %.1f s, %" PRIu64 " attempts; hello after %.1f ms, 95 %% %.1f ms, at most %.1f ms\n",
		"connected after", figures->connect_seconds, figures->attempts, ms(histogram_at(&figures->hello, 0.5)),
		ms(histogram_at(&figures->hello, 0.95)), ms(figures->hello.max));
	table_workers(f, "WebSockets of each worker", &figures->idle);
	if (figures->idle.pss_kib >= 0)
		fprintf(f, "  %-28s %.2f KiB each (%.2f with what the workers are without any)\n",
			"memory of the workers (PSS)", pss_each(figures, true), pss_each(figures, false));
	if (figures->idle_cpu >= 0)
		fprintf(f, "  %-28s %.3f cores\n", "CPU of the idle workers", figures->idle_cpu);
	for (unsigned kind = 0; kind < SWARM_KINDS; kind++)
		table_said(f, kind, &figures->said[kind]);
	table_return(f, "all cut", &figures->cut);
	table_return(f, "server reloaded", &figures->reload);
	fprintf(f, "  %-28s %" PRIu64 "\n", "broke by themselves", figures->lost);
	fprintf(f, "  %-28s %.0f MiB\n", "memory of parley-load", figures->own_kib / 1024);
}

/* ---- JSON ---- */

static void key(yajl_gen g, const char *name)
{
	yajl_gen_string(g, (const unsigned char *)name, strlen(name));
}

static void put_int(yajl_gen g, const char *name, uint64_t value)
{
	key(g, name);
	yajl_gen_integer(g, (long long)value);
}

/* null when it is not known. */
static void put_number(yajl_gen g, const char *name, double value)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%.3f", value);

	key(g, name);
	if (value < 0)
		yajl_gen_null(g);
	else
		yajl_gen_number(g, text, (size_t)len);
}

static void put_times(yajl_gen g, const char *name, const struct histogram *h)
{
	key(g, name);
	yajl_gen_map_open(g);
	put_int(g, "count", h->count);
	put_number(g, "p50", ms(histogram_at(h, 0.5)));
	put_number(g, "p95", ms(histogram_at(h, 0.95)));
	put_number(g, "max", ms(h->max));
	yajl_gen_map_close(g);
}

static void put_workers(yajl_gen g, const struct swarm_outside *o)
{
	key(g, "workers");
	yajl_gen_array_open(g);
	for (unsigned i = 0; i < o->workers; i++)
		yajl_gen_integer(g, o->websockets[i]);
	yajl_gen_array_close(g);
	put_number(g, "skew", swarm_skew(o));
	put_int(g, "cut_for_not_reading", (uint64_t)o->cut);
}

static void put_said(yajl_gen g, enum swarm_kind kind, const struct swarm_said *s)
{
	key(g, kind_name[kind]);
	yajl_gen_map_open(g);
	put_int(g, "messages", s->messages);
	put_int(g, "expected", s->expected);
	put_int(g, "heard", s->heard);
	put_int(g, "twice", s->twice);
	put_number(g, "cpu_us_each", cpu_each_us(s));
	put_times(g, "after_ms", &s->took);
	put_times(g, "to_all_ms", &s->to_all);
	yajl_gen_map_close(g);
}

static void put_return(yajl_gen g, const char *name, const struct swarm_return *r)
{
	if (!r->done)
		return;
	key(g, name);
	yajl_gen_map_open(g);
	put_int(g, "back", r->back);
	put_number(g, "seconds", r->seconds);
	put_int(g, "attempts", r->attempts);
	put_int(g, "opened", r->opened);
	put_int(g, "resumed", r->resumed);
	put_workers(g, &r->after);
	yajl_gen_map_close(g);
}

int swarm_json(FILE *f, const struct swarm_options *o, const struct swarm_figures *figures)
{
	yajl_gen g = yajl_gen_alloc(NULL);
	const unsigned char *text;
	size_t len;

	if (!g)
		return -1;
	yajl_gen_config(g, yajl_gen_beautify, 1);
	yajl_gen_map_open(g);
	put_int(g, "websockets", o->websockets);
	put_int(g, "accounts", o->accounts);
	put_int(g, "connected", figures->open);
	put_number(g, "connect_seconds", figures->connect_seconds);
	put_int(g, "attempts", figures->attempts);
	put_times(g, "hello_ms", &figures->hello);
	put_workers(g, &figures->idle);
	put_number(g, "pss_kib_each", pss_each(figures, true));
	put_number(g, "pss_kib_each_in_all", pss_each(figures, false));
	put_number(g, "idle_cores", figures->idle_cpu);
	for (unsigned kind = 0; kind < SWARM_KINDS; kind++)
		put_said(g, kind, &figures->said[kind]);
	put_return(g, "cut", &figures->cut);
	put_return(g, "reload", &figures->reload);
	put_int(g, "lost", figures->lost);
	put_number(g, "own_kib", figures->own_kib);
	yajl_gen_map_close(g);
	yajl_gen_get_buf(g, &text, &len);
	size_t written = fwrite(text, 1, len, f);
	yajl_gen_free(g);
	return written == len && fflush(f) == 0 ? 0 : -1;
}
