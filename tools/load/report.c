#include "tools/load/report.h"

#include <inttypes.h>
#include <string.h>
#include <yajl/yajl_gen.h>

static double per_second(uint64_t n, const struct run_figures *f)
{
	return f->seconds > 0 ? (double)n / f->seconds : 0;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : 0;
}

/* The mean over the probes. */
static double mean(uint64_t sum, uint64_t n)
{
	return n > 0 ? (double)sum / (double)n : 0;
}

/* ---- the table ---- */

static void row_percentiles(FILE *f, const char *name, const struct histogram *h)
{
	if (h->count == 0) {
		fprintf(f, "  %-28s none\n", name);
		return;
	}
	fprintf(f, "  %-28s %10.1f %10.1f %10.1f %10.1f   (%" PRIu64 ")\n", name, (double)histogram_at(h, 0.5) * 1e-3,
		(double)histogram_at(h, 0.95) * 1e-3, (double)histogram_at(h, 0.99) * 1e-3, (double)h->max * 1e-3,
		h->count);
}

static void row_media(FILE *f, const char *name, uint64_t packets, uint64_t bytes, const struct run_figures *figures)
{
	fprintf(f, "  %-28s %10.0f %10.2f\n", name, per_second(packets, figures), per_second(bytes, figures) * 8e-6);
}

static void row_cores(FILE *f, const char *name, double seconds, const struct run_figures *figures)
{
	if (seconds >= 0)
		fprintf(f, "  %-28s %.2f cores\n", name, seconds / MAX(figures->seconds, 0.001));
}

static void table_outside(FILE *f, const struct run_figures *figures)
{
	const struct outside *o = &figures->outside;

	row_cores(f, "CPU of the media processes", o->mediads, figures);
	if (o->mediads > 0 && o->forwarded > 0)
		fprintf(f, "  %-28s %.2f us each (%.0f packets/s)\n", "CPU of a forwarded packet",
			o->mediads / o->forwarded * 1e6, per_second((uint64_t)o->forwarded, figures));
	row_cores(f, "CPU of the processes named", o->processes, figures);
	if (o->processes > 0 && figures->received.packets > 0)
		fprintf(f, "  %-28s %.2f us each\n", "CPU of a received packet",
			o->processes / (double)figures->received.packets * 1e6);
	row_cores(f, "CPU of parley-load", o->own, figures);
	if (o->machine_all > 0)
		fprintf(f, "  %-28s %.0f %% busy; %.0f datagrams dropped; parley-load %.1f ms late (99 %%)\n",
			"machine", 100 * o->machine_busy / o->machine_all, o->dropped,
			(double)histogram_at(&figures->late, 0.99) * 1e-3);
}

static void table_media(FILE *f, const struct run_figures *figures)
{
	const struct receiver_counts *r = &figures->received;
	const struct publisher_counts *s = &figures->sent;

	fprintf(f, "\nMedia over %.1f s               packets/s     Mbit/s\n", figures->seconds);
	row_media(f, "sent by participants", s->packets, s->bytes, figures);
	row_media(f, "received by participants", r->packets, r->bytes, figures);
	fprintf(f, "  %-28s %.4f %% lost, %" PRIu64 " repaired by RTX, %" PRIu64 " duplicates\n", "of these",
		100 * share(r->gaps, r->gaps + r->audio + r->video), r->repaired, r->duplicates);
	fprintf(f, "  %-28s %" PRIu64 " sent, %" PRIu64 " of them key frames, %" PRIu64 " asked for\n", "frames",
		s->frames, s->keyframes, s->plis);
	fprintf(f, "  %-28s %" PRIu64 " NACKed, %" PRIu64 " PLI, %" PRIu64 " transport-wide feedbacks\n",
		"receivers asked", r->nacks, r->plis, r->feedbacks);
	if (r->foreign > 0)
		fprintf(f, "  %-28s %" PRIu64 " packets of somebody else than seats told\n", "wrong", r->foreign);
	if (r->replayed > 0)
		fprintf(f, "  %-28s %" PRIu64 " packets under an index that was used before\n", "wrong", r->replayed);
	table_outside(f, figures);
}

static void table_times(FILE *f, const struct run_figures *figures)
{
	fprintf(f, "\nTimes in ms                           50 %%       95 %%       99 %%        max\n");
	row_percentiles(f, "forwarding delay", &figures->delay);
	row_percentiles(f, "join to keys", &figures->join);
	row_percentiles(f, "join to first picture", &figures->picture);
	row_percentiles(f, "new speaker visible", &figures->switched);
	fprintf(f,
		"  %-28s %" PRIu64 " turns; %" PRIu64 " tiles to change, %" PRIu64 " of them did not, %" PRIu64
		" had the speaker already\n",
		"speakers", figures->turns, figures->switches_expected, figures->switches_missed,
		figures->shown_before);
}

static void table_probe(FILE *f, const struct probe *p)
{
	const struct traffic *j = &p->joiner, *o = &p->others;

	fprintf(f,
		"  with %3u others there: HTTP %" PRIu64 " sent, %" PRIu64
		" received (offer %u, answer %u); WebSocket %" PRIu64 " sent, %" PRIu64 " received; each other: %.0f\n",
		p->there, j->http_sent, j->http_received, p->offer_bytes, p->answer_bytes, j->ws_sent, j->ws_received,
		mean(o->ws_received, p->others_len));
	for (unsigned k = 0; k < PERSON_EVENTS; k++) {
		if (j->event[k].count == 0 && o->event[k].count == 0)
			continue;
		fprintf(f, "      %-26s joiner %4" PRIu64 " × %6.0f bytes    each other %6.2f × %6.0f bytes\n",
			person_event_name[k], j->event[k].count, mean(j->event[k].bytes, j->event[k].count),
			mean(o->event[k].count, p->others_len), mean(o->event[k].bytes, o->event[k].count));
	}
}

void report_table(FILE *f, const struct run_options *o, const struct run_figures *figures)
{
	fprintf(f, "%s: %u people, calls of %u, %u of them publish; %u tiles\n", o->scenario, o->people, o->call_size,
		MIN(o->publishers, o->call_size), o->tiles);
	fprintf(f, "  %u connected at the end, %u failed; %" PRIu64 " WebSockets lost, %" PRIu64 " transports lost\n",
		figures->connected, figures->failed, figures->ws_lost, figures->media_lost);
	fprintf(f, "  SDP exchanges: %u to %u a participant\n", figures->exchanges_min, figures->exchanges_max);
	table_media(f, figures);
	table_times(f, figures);
	if (figures->probes > 0)
		fprintf(f, "\nSignalling of one join, in bytes\n");
	for (unsigned i = 0; i < figures->probes; i++)
		table_probe(f, &figures->probe[i]);
}

/* ---- JSON ---- */

static void key(yajl_gen g, const char *name)
{
	yajl_gen_string(g, (const unsigned char *)name, strlen(name));
}

static void number(yajl_gen g, const char *name, uint64_t value)
{
	key(g, name);
	yajl_gen_integer(g, (long long)value);
}

static void real(yajl_gen g, const char *name, double value)
{
	key(g, name);
	yajl_gen_double(g, value);
}

static void object(yajl_gen g, const char *name)
{
	if (name)
		key(g, name);
	yajl_gen_map_open(g);
}

static void percentiles(yajl_gen g, const char *name, const struct histogram *h)
{
	object(g, name);
	number(g, "count", h->count);
	real(g, "p50", (double)histogram_at(h, 0.5) * 1e-3);
	real(g, "p95", (double)histogram_at(h, 0.95) * 1e-3);
	real(g, "p99", (double)histogram_at(h, 0.99) * 1e-3);
	real(g, "max", (double)h->max * 1e-3);
	yajl_gen_map_close(g);
}

static void json_settings(yajl_gen g, const struct run_options *o)
{
	object(g, "settings");
	key(g, "scenario");
	key(g, o->scenario);
	number(g, "people", o->people);
	number(g, "call_size", o->call_size);
	number(g, "publishers", MIN(o->publishers, o->call_size));
	number(g, "tiles", o->tiles);
	number(g, "fps", o->fps);
	number(g, "bitrate", o->bitrate);
	number(g, "layers", o->layers);
	number(g, "payload", o->payload);
	key(g, "burst");
	yajl_gen_bool(g, o->burst);
	key(g, "janus");
	yajl_gen_bool(g, o->janus);
	number(g, "turn_ms", o->turn_ms);
	yajl_gen_map_close(g);
}

static void json_media(yajl_gen g, const struct run_figures *f)
{
	const struct receiver_counts *r = &f->received;
	const struct publisher_counts *s = &f->sent;

	object(g, "sent");
	number(g, "packets", s->packets);
	real(g, "packets_per_second", per_second(s->packets, f));
	real(g, "mbit_per_second", per_second(s->bytes, f) * 8e-6);
	number(g, "frames", s->frames);
	number(g, "keyframes", s->keyframes);
	number(g, "plis", s->plis);
	number(g, "nacked", s->nacked);
	number(g, "retransmitted", s->retransmitted);
	yajl_gen_map_close(g);
	object(g, "received");
	number(g, "packets", r->packets);
	real(g, "packets_per_second", per_second(r->packets, f));
	real(g, "mbit_per_second", per_second(r->bytes, f) * 8e-6);
	number(g, "audio", r->audio);
	number(g, "video", r->video);
	number(g, "gaps", r->gaps);
	real(g, "loss", share(r->gaps, r->gaps + r->audio + r->video));
	number(g, "repaired", r->repaired);
	number(g, "duplicates", r->duplicates);
	number(g, "keyframes", r->keyframes);
	number(g, "nacks", r->nacks);
	number(g, "plis", r->plis);
	number(g, "feedbacks", r->feedbacks);
	number(g, "foreign", r->foreign);
	number(g, "replayed", r->replayed);
	yajl_gen_map_close(g);
}

static void json_traffic(yajl_gen g, const char *name, const struct traffic *t, unsigned people)
{
	double n = people > 0 ? people : 1;

	object(g, name);
	real(g, "http_sent", (double)t->http_sent / n);
	real(g, "http_received", (double)t->http_received / n);
	real(g, "ws_sent", (double)t->ws_sent / n);
	real(g, "ws_received", (double)t->ws_received / n);
	object(g, "events");
	for (unsigned k = 0; k < PERSON_EVENTS; k++) {
		if (t->event[k].count == 0)
			continue;
		object(g, person_event_name[k]);
		real(g, "count", (double)t->event[k].count / n);
		real(g, "bytes", (double)t->event[k].bytes / n);
		yajl_gen_map_close(g);
	}
	yajl_gen_map_close(g);
	yajl_gen_map_close(g);
}

static void json_joins(yajl_gen g, const struct run_figures *f)
{
	key(g, "joins");
	yajl_gen_array_open(g);
	for (unsigned i = 0; i < f->probes; i++) {
		const struct probe *p = &f->probe[i];
		object(g, NULL);
		number(g, "people_before", p->there);
		number(g, "offer_bytes", p->offer_bytes);
		number(g, "answer_bytes", p->answer_bytes);
		real(g, "ms", (double)p->took_us * 1e-3);
		json_traffic(g, "joiner", &p->joiner, 1);
		json_traffic(g, "each_other", &p->others, p->others_len);
		yajl_gen_map_close(g);
	}
	yajl_gen_array_close(g);
}

static void json_outside(yajl_gen g, const struct run_figures *f)
{
	const struct outside *o = &f->outside;

	object(g, "cpu_seconds");
	real(g, "load", o->own);
	if (o->mediads >= 0)
		real(g, "mediads", o->mediads);
	if (o->processes >= 0)
		real(g, "processes", o->processes);
	yajl_gen_map_close(g);
	if (o->forwarded >= 0)
		real(g, "forwarded", o->forwarded);
	object(g, "machine");
	real(g, "busy", o->machine_all > 0 ? o->machine_busy / o->machine_all : 0);
	real(g, "dropped", o->dropped);
	yajl_gen_map_close(g);
	percentiles(g, "late_ms", &f->late);
}

static void json_all(yajl_gen g, const struct run_options *o, const struct run_figures *f)
{
	object(g, NULL);
	json_settings(g, o);
	number(g, "connected", f->connected);
	number(g, "failed", f->failed);
	number(g, "receive_by_gcm", f->gcm);
	number(g, "websockets_lost", f->ws_lost);
	number(g, "transports_lost", f->media_lost);
	object(g, "sdp_exchanges");
	number(g, "total", f->exchanges);
	number(g, "min", f->exchanges_min);
	number(g, "max", f->exchanges_max);
	yajl_gen_map_close(g);
	real(g, "seconds", f->seconds);
	json_media(g, f);
	percentiles(g, "delay_ms", &f->delay);
	percentiles(g, "join_ms", &f->join);
	percentiles(g, "picture_ms", &f->picture);
	percentiles(g, "speaker_ms", &f->switched);
	object(g, "speakers");
	number(g, "turns", f->turns);
	number(g, "tiles_to_change", f->switches_expected);
	number(g, "tiles_missed", f->switches_missed);
	number(g, "shown_before", f->shown_before);
	yajl_gen_map_close(g);
	json_joins(g, f);
	json_outside(g, f);
	yajl_gen_map_close(g);
}

int report_json(FILE *f, const struct run_options *options, const struct run_figures *figures)
{
	yajl_gen g = yajl_gen_alloc(NULL);
	const unsigned char *text;
	size_t len;

	if (!g)
		return -ENOMEM;
	yajl_gen_config(g, yajl_gen_beautify, 1);
	json_all(g, options, figures);
	yajl_gen_status status = yajl_gen_get_buf(g, &text, &len);
	if (status == yajl_gen_status_ok)
		fwrite(text, 1, len, f);
	yajl_gen_free(g);
	return status == yajl_gen_status_ok ? 0 : -ENOMEM;
}
