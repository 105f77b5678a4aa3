#include "tools/figures.h"

#include "lib/err.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

struct name {
	const char *name; /* after "parley_" */
	size_t offset;
};

#define M(field) offsetof(struct mediad_figures, field)
#define W(field) offsetof(struct worker_figures, field)

static const struct name mediad_names[] = {
	{ "mediad_core", M(core) },
	{ "mediad_transports", M(transports) },
	{ "mediad_tracks", M(tracks) },
	{ "mediad_seats", M(seats) },
	{ "media_ring_age_seconds", M(ring_age_s) },
	{ "mediad_load_ratio", M(load) },
	{ "mediad_over_budget", M(over_budget) },
	{ "mediad_cpu_seconds_total", M(cpu_s) },
	{ "mediad_busy_seconds_total", M(busy_s) },
	{ "mediad_waiting_seconds_total", M(waited_s) },
	{ "mediad_cipher_samples_total", M(cipher_samples) },
	{ "mediad_cipher_sampled_seconds_total", M(cipher_s) },
	{ "mediad_packets_received_total", M(received) },
	{ "mediad_bytes_received_total", M(received_bytes) },
	{ "mediad_packets_forwarded_total", M(forwarded) },
	{ "mediad_bytes_forwarded_total", M(forwarded_bytes) },
	{ "mediad_send_batches_total", M(send_batches) },
	{ "mediad_send_messages_total", M(send_messages) },
	{ "mediad_ring_laps_total", M(laps) },
	{ "mediad_socket_drops_total", M(socket_drops) },
	{ "mediad_send_errors_total", M(send_errors) },
	{ "mediad_ring_lost_total", M(ring_lost) },
	{ "mediad_tcp_dropped_total", M(tcp_dropped) },
	{ "mediad_paced_dropped_total", M(paced_dropped) },
};

static const struct name worker_names[] = {
	{ "worker_connections", W(connections) },	{ "worker_websockets", W(websockets) },
	{ "worker_db_connections", W(db_connections) }, { "worker_cpu_seconds_total", W(cpu_s) },
	{ "worker_requests_total", W(requests) },	{ "worker_responses_5xx_total", W(failed) },
	{ "worker_media_refused_total", W(refused) },
};

/* parley_NAME{LABELS} VALUE */
struct sample {
	const char *name, *labels;
	size_t name_len, labels_len;
	double value;
};

static bool sample_read(const char *line, size_t len, struct sample *ret)
{
	static const char prefix[] = "parley_";
	const char *open = memchr(line, '{', len), *close = memchr(line, '}', len);

	if (len < sizeof(prefix) || memcmp(line, prefix, sizeof(prefix) - 1) != 0 || !open || !close || close < open)
		return false;
	*ret = (struct sample){
		.name = line + sizeof(prefix) - 1,
		.name_len = (size_t)(open - line) - (sizeof(prefix) - 1),
		.labels = open + 1,
		.labels_len = (size_t)(close - open) - 1,
		.value = strtod(close + 1, NULL),
	};
	return true;
}

static bool is_named(const struct sample *s, const char *name)
{
	return strlen(name) == s->name_len && memcmp(s->name, name, s->name_len) == 0;
}

/* The number in LABEL="NUMBER"; FIGURES_MAX when there is none that fits. */
static unsigned label_index(const struct sample *s, const char *label)
{
	char want[32];

	int len = snprintf(want, sizeof(want), "%s=\"", label);
	const char *found = memmem(s->labels, s->labels_len, want, (size_t)len);
	if (!found)
		return FIGURES_MAX;
	unsigned long n = strtoul(found + len, NULL, 10);
	return n < FIGURES_MAX ? (unsigned)n : FIGURES_MAX;
}

static bool is_role(const struct sample *s, const char *role)
{
	char want[32];

	int len = snprintf(want, sizeof(want), "role=\"%s\"", role);
	return memmem(s->labels, s->labels_len, want, (size_t)len) != NULL;
}

static void put(const struct sample *s, const char *label, const struct name *names, size_t names_len, void *first,
		size_t stride)
{
	unsigned k = label_index(s, label);

	for (size_t i = 0; k < FIGURES_MAX && i < names_len; i++) {
		if (is_named(s, names[i].name))
			memcpy((char *)first + k * stride + names[i].offset, &s->value, sizeof(s->value));
	}
}

static void put_process(const struct sample *s, struct figures *f)
{
	unsigned k = label_index(s, "index");

	if (k == FIGURES_MAX)
		return;
	if (is_named(s, "process_pid") && is_role(s, "mediad"))
		f->mediad[k].pid = s->value;
	else if (is_named(s, "process_pid") && is_role(s, "worker"))
		f->worker[k].pid = s->value;
	else if (is_named(s, "process_heartbeat_age_seconds") && is_role(s, "mediad"))
		f->mediad[k].there = true;
	else if (is_named(s, "process_heartbeat_age_seconds") && is_role(s, "worker")) {
		f->worker[k].there = true;
		f->worker[k].heartbeat_age_s = s->value;
	}
}

void figures_parse(const char *metrics, struct figures *ret)
{
	double at_s = ret->at_s;

	memset(ret, 0, sizeof(*ret));
	ret->at_s = at_s;
	for (const char *line = metrics; *line;) {
		size_t len = strcspn(line, "\n");
		struct sample s;
		if (sample_read(line, len, &s)) {
			put(&s, "mediad", mediad_names, ARRAY_LEN(mediad_names), ret->mediad, sizeof(ret->mediad[0]));
			put(&s, "worker", worker_names, ARRAY_LEN(worker_names), ret->worker, sizeof(ret->worker[0]));
			put_process(&s, ret);
		}
		line += len + (line[len] == '\n');
	}
}

/* ---- rates ---- */

static double rate(double before, double after, double seconds)
{
	return seconds > 0 && after >= before ? (after - before) / seconds : -1;
}

static double drops(const struct mediad_figures *m)
{
	return m->socket_drops + m->send_errors + m->ring_lost + m->tcp_dropped + m->paced_dropped;
}

struct mediad_rates mediad_rates(const struct figures *before, const struct figures *after, unsigned k)
{
	const struct mediad_figures *a = &before->mediad[k], *b = &after->mediad[k];
	double seconds = after->at_s - before->at_s;
	double own_s = b->busy_s + b->waited_s - a->busy_s - a->waited_s;
	struct mediad_rates r = {
		.cpu = rate(a->cpu_s, b->cpu_s, own_s),
		.busy = rate(a->busy_s, b->busy_s, own_s),
		.received = rate(a->received, b->received, seconds),
		.forwarded = rate(a->forwarded, b->forwarded, seconds),
		.received_bits = rate(a->received_bytes * 8, b->received_bytes * 8, seconds),
		.forwarded_bits = rate(a->forwarded_bytes * 8, b->forwarded_bytes * 8, seconds),
		.batch = rate(a->send_messages, b->send_messages, b->send_batches - a->send_batches),
		.laps = rate(a->laps, b->laps, seconds),
		.drops = rate(drops(a), drops(b), seconds),
	};

	r.packet_us = r.cpu >= 0 && r.forwarded > 0 ? r.cpu / r.forwarded * 1e6 : -1;
	r.cipher_us = rate(a->cipher_s * 1e6, b->cipher_s * 1e6, b->cipher_samples - a->cipher_samples);
	return r;
}

struct worker_rates worker_rates(const struct figures *before, const struct figures *after, unsigned k)
{
	const struct worker_figures *a = &before->worker[k], *b = &after->worker[k];
	double seconds = after->at_s - before->at_s;

	return (struct worker_rates){
		.cpu = rate(a->cpu_s, b->cpu_s, seconds - b->heartbeat_age_s + a->heartbeat_age_s),
		.requests = rate(a->requests, b->requests, seconds),
		.failed = rate(a->failed, b->failed, seconds),
		.refused = rate(a->refused, b->refused, seconds),
	};
}

/* ---- the table ---- */

enum { CELL_MAX = 24, COLUMNS_MAX = 20 };

struct column {
	const char *title;
	unsigned width;
	unsigned rank; /* the highest go first when the window is narrow */
	int digits;
};

static const struct column mediad_columns[] = {
	{ "MEDIAD", 6, 0, 0 },	{ "PID", 8, 5, 0 },	{ "CORE", 5, 9, 0 },	 { "CPU%", 6, 0, 1 },
	{ "BUSY%", 6, 1, 1 },	{ "NEW", 4, 2, 0 },	{ "TRANSP", 7, 0, 0 },	 { "IN/s", 8, 4, 0 },
	{ "FWD/s", 9, 0, 0 },	{ "IN Mb/s", 8, 8, 1 }, { "FWD Mb/s", 9, 1, 1 }, { "us/FWD", 7, 1, 2 },
	{ "CIPHER", 7, 10, 2 }, { "BATCH", 6, 11, 1 },	{ "LAPS/s", 7, 7, 1 },	 { "DROPS/s", 8, 3, 1 },
	{ "RING s", 7, 6, 1 },
};

static const struct column worker_columns[] = {
	{ "WORKER", 6, 0, 0 }, { "PID", 8, 4, 0 },	  { "CPU%", 6, 0, 1 },
	{ "CONNS", 7, 3, 0 },  { "WEBSOCK", 8, 0, 0 },	  { "REQ/s", 8, 0, 1 },
	{ "5XX/s", 7, 2, 1 },  { "REFUSED/s", 10, 2, 1 }, { "DB", 4, 5, 0 },
};

_Static_assert(ARRAY_LEN(mediad_columns) <= COLUMNS_MAX, "cells of a row");

struct row {
	char cell[COLUMNS_MAX][CELL_MAX];
};

static void cell_text(struct row *row, size_t i, const char *text)
{
	snprintf(row->cell[i], CELL_MAX, "%s", text);
}

static void cell_number(struct row *row, const struct column *columns, size_t i, double value)
{
	if (value < 0)
		cell_text(row, i, "-");
	else
		snprintf(row->cell[i], CELL_MAX, "%.*f", columns[i].digits, value);
}

/* Ranks up to *this* fit. */
static unsigned ranks_that_fit(const struct column *columns, size_t len, unsigned width)
{
	unsigned highest = 0;

	for (size_t i = 0; i < len; i++)
		highest = MAX(highest, columns[i].rank);
	for (; width > 0 && highest > 0; highest--) {
		unsigned used = 0;
		for (size_t i = 0; i < len; i++)
			used += columns[i].rank <= highest ? columns[i].width + (i > 0) : 0;
		if (used <= width)
			break;
	}
	return highest;
}

static void row_write(const struct row *row, const struct column *columns, size_t len, unsigned width, struct buf *text)
{
	unsigned ranks = ranks_that_fit(columns, len, width), used = 0;

	for (size_t i = 0; i < len; i++) {
		if (columns[i].rank > ranks || (width > 0 && used + columns[i].width + (i > 0) > width))
			continue;
		buf_appendf(text, "%s%*s", i > 0 ? " " : "", (int)columns[i].width, row->cell[i]);
		used += columns[i].width + (i > 0);
	}
	buf_append_char(text, '\n');
}

static void head_write(const struct column *columns, size_t len, unsigned width, struct buf *text)
{
	struct row row = { 0 };

	for (size_t i = 0; i < len; i++)
		cell_text(&row, i, columns[i].title);
	row_write(&row, columns, len, width, text);
}

static void mediad_row(struct row *row, const char *name, const struct mediad_figures *m, const struct mediad_rates *r)
{
	const double values[ARRAY_LEN(mediad_columns)] = {
		0,
		m->pid,
		m->core,
		r->cpu < 0 ? -1 : r->cpu * 100,
		r->busy < 0 ? -1 : r->busy * 100,
		0,
		m->transports,
		r->received,
		r->forwarded,
		r->received_bits < 0 ? -1 : r->received_bits / 1e6,
		r->forwarded_bits < 0 ? -1 : r->forwarded_bits / 1e6,
		r->packet_us,
		r->cipher_us,
		r->batch,
		r->laps,
		r->drops,
		m->ring_age_s,
	};

	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		cell_number(row, mediad_columns, i, values[i]);
	cell_text(row, 0, name);
	cell_text(row, 5, m->over_budget > 0 ? "no" : "yes");
}

static void worker_row(struct row *row, const char *name, const struct worker_figures *w, const struct worker_rates *r)
{
	const double values[ARRAY_LEN(worker_columns)] = {
		0,
		w->pid,
		r->cpu < 0 ? -1 : r->cpu * 100,
		w->connections,
		w->websockets,
		r->requests,
		r->failed,
		r->refused,
		w->db_connections,
	};

	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		cell_number(row, worker_columns, i, values[i]);
	cell_text(row, 0, name);
}

/* What is not known of one is left out of the sum. */
static void add(double *sum, double value)
{
	if (value >= 0)
		*sum = (*sum < 0 ? 0 : *sum) + value;
}

static void mediads_write(const struct figures *a, const struct figures *b, unsigned columns, unsigned lines,
			  struct buf *text)
{
	const size_t len = ARRAY_LEN(mediad_columns);
	struct mediad_figures all = { .pid = -1, .core = -1, .ring_age_s = -1, .over_budget = 1 };
	struct mediad_rates sum = { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 };
	unsigned written = 0, left_out = 0;
	struct row row = { 0 };

	head_write(mediad_columns, len, columns, text);
	for (unsigned k = 0; k < FIGURES_MAX; k++) {
		const struct mediad_figures *m = &b->mediad[k];
		char name[16];
		if (!m->there)
			continue;
		struct mediad_rates r = mediad_rates(a, b, k);
		add(&sum.cpu, r.cpu);
		add(&sum.received, r.received);
		add(&sum.forwarded, r.forwarded);
		add(&sum.received_bits, r.received_bits);
		add(&sum.forwarded_bits, r.forwarded_bits);
		add(&sum.laps, r.laps);
		add(&sum.drops, r.drops);
		all.transports += m->transports;
		all.over_budget = all.over_budget > 0 && m->over_budget > 0;
		if (lines > 0 && written == lines) {
			left_out++;
			continue;
		}
		snprintf(name, sizeof(name), "%u", k);
		mediad_row(&row, name, m, &r);
		row_write(&row, mediad_columns, len, columns, text);
		written++;
	}
	if (left_out > 0)
		buf_appendf(text, "   … and %u more\n", left_out);
	sum.packet_us = sum.cpu >= 0 && sum.forwarded > 0 ? sum.cpu / sum.forwarded * 1e6 : -1;
	mediad_row(&row, "all", &all, &sum);
	row_write(&row, mediad_columns, len, columns, text);
}

static void workers_write(const struct figures *a, const struct figures *b, unsigned columns, unsigned lines,
			  struct buf *text)
{
	const size_t len = ARRAY_LEN(worker_columns);
	struct worker_figures all = { .pid = -1 };
	struct worker_rates sum = { -1, -1, -1, -1 };
	unsigned written = 0, left_out = 0;
	struct row row = { 0 };

	head_write(worker_columns, len, columns, text);
	for (unsigned k = 0; k < FIGURES_MAX; k++) {
		const struct worker_figures *w = &b->worker[k];
		char name[16];
		if (!w->there)
			continue;
		struct worker_rates r = worker_rates(a, b, k);
		add(&sum.cpu, r.cpu);
		add(&sum.requests, r.requests);
		add(&sum.failed, r.failed);
		add(&sum.refused, r.refused);
		all.connections += w->connections;
		all.websockets += w->websockets;
		all.db_connections += w->db_connections;
		if (lines > 0 && written == lines) {
			left_out++;
			continue;
		}
		snprintf(name, sizeof(name), "%u", k);
		worker_row(&row, name, w, &r);
		row_write(&row, worker_columns, len, columns, text);
		written++;
	}
	if (left_out > 0)
		buf_appendf(text, "   … and %u more\n", left_out);
	worker_row(&row, "all", &all, &sum);
	row_write(&row, worker_columns, len, columns, text);
}

void figures_table(const struct figures *before, const struct figures *after, unsigned columns, unsigned lines,
		   struct buf *text)
{
	unsigned mediads = 0, workers = 0, mediad_lines = 0, worker_lines = 0;

	for (unsigned k = 0; k < FIGURES_MAX; k++) {
		mediads += after->mediad[k].there;
		workers += after->worker[k].there;
	}
	/* Two heads, two sums, a line between; two more when something is left out. */
	if (lines > 0 && mediads + workers + 5 > lines) {
		unsigned room = lines > 9 ? lines - 7 : 2;
		worker_lines = MAX(MIN(workers, room / 3), 1u);
		mediad_lines = MAX(MIN(mediads, room - worker_lines), 1u);
	}
	mediads_write(before, after, columns, mediad_lines, text);
	buf_append_char(text, '\n');
	workers_write(before, after, columns, worker_lines, text);
}
