#include "tests/net/wire.h"

#include "lib/err.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct wire_settings wire_clean = {
	.burst_length = 1, .burst_loss = 1, .reorder_us = 20000, .overhead = WIRE_OVERHEAD, .keep_order = 1
};

struct wire_packet *wire_packet_new(const void *data, size_t len, void *owner)
{
	struct wire_packet *p = malloc(sizeof(*p) + len);

	if (!p)
		return NULL;
	*p = (struct wire_packet){ .owner = owner, .len = (uint32_t)len };
	memcpy(p->data, data, len);
	return p;
}

void wire_init(struct wire *w, uint64_t seed)
{
	*w = (struct wire){ .set = wire_clean };
	w->tail = &w->head;
	wire_seed(w, seed);
}

void wire_seed(struct wire *w, uint64_t seed)
{
	/* Two sources: how a packet is delayed does not change which ones are lost. */
	dice_init(&w->losses, seed);
	dice_init(&w->delays, ~seed);
	w->bad = false;
}

void wire_fini(struct wire *w)
{
	while (w->head) {
		struct wire_packet *p = w->head;
		w->head = p->next;
		free(p);
	}
	for (size_t i = 0; i < w->flight_len; i++)
		free(w->flight[i]);
	free(w->flight);
	*w = (struct wire){ 0 };
}

/* ---- what is due when ---- */

static bool earlier(const struct wire_packet *a, const struct wire_packet *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->serial < b->serial;
}

static bool flight_room(struct wire *w)
{
	size_t cap = w->flight_cap ? w->flight_cap * 2 : 64;

	if (w->flight_len + w->queue_len < w->flight_cap)
		return true;
	if (cap > WIRE_PACKETS_MAX)
		return false;
	struct wire_packet **flight = realloc(w->flight, cap * sizeof(struct wire_packet *));
	if (!flight)
		return false;
	w->flight = flight;
	w->flight_cap = cap;
	return true;
}

static void flight_push(struct wire *w, struct wire_packet *p)
{
	size_t i = w->flight_len++;

	for (; i > 0 && earlier(p, w->flight[(i - 1) / 2]); i = (i - 1) / 2)
		w->flight[i] = w->flight[(i - 1) / 2];
	w->flight[i] = p;
}

static struct wire_packet *flight_pop(struct wire *w)
{
	struct wire_packet *first = w->flight[0], *p = w->flight[--w->flight_len];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= w->flight_len)
			break;
		if (child + 1 < w->flight_len && earlier(w->flight[child + 1], w->flight[child]))
			child++;
		if (!earlier(w->flight[child], p))
			break;
		w->flight[i] = w->flight[child];
		i = child;
	}
	w->flight[i] = p;
	return first;
}

/* ---- behind the bottleneck ---- */

static void travel(struct wire *w, struct wire_packet *p, int64_t at_us)
{
	double late_us = w->set.jitter_us * dice_normal(&w->delays);
	bool held = dice_chance(&w->delays, w->set.reorder);

	p->due_us = at_us + MAX(llround(w->set.delay_us + late_us), 0);
	if (held)
		p->due_us += llround(w->set.reorder_us);
	else if (w->set.keep_order > 0)
		p->due_us = MAX(p->due_us, w->last_due_us);
	if (!held)
		w->last_due_us = MAX(p->due_us, w->last_due_us);
	flight_push(w, p);
}

/* ---- the bottleneck ---- */

static int64_t size_of(const struct wire *w, const struct wire_packet *p)
{
	return p->len + (int64_t)w->set.overhead;
}

static void begin_head(struct wire *w, int64_t at_us)
{
	if (!w->head)
		return;
	w->head->started_us = at_us;
	w->head_left = 8.0 * (double)size_of(w, w->head);
}

static int64_t head_takes_us(const struct wire *w)
{
	return w->set.rate_bps > 0 ? (int64_t)ceil(w->head_left * 1e6 / w->set.rate_bps - 1e-6) : 0;
}

static void head_leaves(struct wire *w)
{
	struct wire_packet *p = w->head;
	int64_t wait_us = p->started_us - p->entered_us;

	w->head = p->next;
	if (!w->head)
		w->tail = &w->head;
	w->queue_len--;
	w->backlog_bytes -= size_of(w, p);
	w->counts.waited++;
	w->counts.wait_sum_us += wait_us;
	w->counts.wait_max_us = MAX(w->counts.wait_max_us, wait_us);
	travel(w, p, w->at_us);
	begin_head(w, w->at_us);
}

static void work_until(struct wire *w, int64_t now_us)
{
	while (w->head) {
		int64_t takes_us = head_takes_us(w);
		if (w->at_us + takes_us > now_us) {
			w->head_left -= (double)(now_us - w->at_us) * w->set.rate_bps / 1e6;
			break;
		}
		w->at_us += takes_us;
		head_leaves(w);
	}
	w->at_us = now_us;
}

void wire_set(struct wire *w, int64_t now_us, const struct wire_settings *set)
{
	work_until(w, now_us);
	double more = set->overhead - w->set.overhead;
	w->backlog_bytes += (int64_t)more * (int64_t)w->queue_len;
	w->set = *set;
}

/* ---- packets in and out ---- */

static bool is_lost(struct wire *w)
{
	/* A share `bursts` of the time in the bad state, `burst_length` steps at a time: leaving it has the chance
	 * 1/length, entering it so much that the shares balance. */
	double leave = 1 / fmax(w->set.burst_length, 1), bursts = fmin(w->set.bursts, 0.999);
	double enter = leave * bursts / (1 - bursts);
	bool bad = dice_chance(&w->losses, w->bad ? 1 - leave : enter);

	w->bad = bad && bursts > 0;
	return dice_chance(&w->losses, w->bad ? w->set.burst_loss : w->set.loss);
}

int64_t wire_backlog_us(const struct wire *w)
{
	if (!w->head || w->set.rate_bps <= 0)
		return 0;
	double bits = 8.0 * (double)(w->backlog_bytes - size_of(w, w->head)) + w->head_left;
	return (int64_t)(bits * 1e6 / w->set.rate_bps);
}

enum wire_fate wire_send(struct wire *w, int64_t now_us, struct wire_packet *p)
{
	work_until(w, now_us);
	w->counts.in_packets++;
	w->counts.in_bytes += p->len;
	if (is_lost(w)) {
		w->counts.lost++;
		free(p);
		return WIRE_LOST;
	}
	if (!flight_room(w) || (w->head && (double)wire_backlog_us(w) > w->set.queue_us)) {
		w->counts.dropped++;
		free(p);
		return WIRE_DROPPED;
	}
	p->serial = w->serial++;
	p->entered_us = now_us;
	p->next = NULL;
	if (w->set.rate_bps <= 0) {
		travel(w, p, now_us);
		return WIRE_TAKEN;
	}
	*w->tail = p;
	w->tail = &p->next;
	w->queue_len++;
	w->backlog_bytes += size_of(w, p);
	if (w->head == p)
		begin_head(w, now_us);
	return WIRE_TAKEN;
}

struct wire_packet *wire_receive(struct wire *w, int64_t now_us)
{
	work_until(w, now_us);
	if (w->flight_len == 0 || w->flight[0]->due_us > now_us)
		return NULL;
	struct wire_packet *p = flight_pop(w);
	w->counts.out_packets++;
	w->counts.out_bytes += p->len;
	return p;
}

int64_t wire_next_us(const struct wire *w)
{
	int64_t next_us = w->head ? w->at_us + head_takes_us(w) : INT64_MAX;

	return w->flight_len > 0 ? MIN(next_us, w->flight[0]->due_us) : next_us;
}

struct wire_counts wire_take_counts(struct wire *w)
{
	struct wire_counts counts = w->counts;

	w->counts = (struct wire_counts){ 0 };
	return counts;
}
