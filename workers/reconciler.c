#include "workers/reconciler.h"

#include "lib/log.h"
#include "workers/answer.h"
#include "workers/json.h"
#include "workers/media_link.h"
#include "workers/worker.h"

#include <stdlib.h>

#define FIRST_ROUND_US	(2 * USEC_PER_SEC)
#define AGAIN_US	USEC_PER_SEC /* the first round could not be held: the database is away */
#define WORKER_FRESH_US (2 * USEC_PER_SEC)

struct transport_list {
	struct buf json;
	struct json_out out;
};

struct reconciler {
	struct worker *worker;
	struct media_link *media;
	struct loop_timer timer;
	bool first_done;
	/* The round under way. */
	unsigned waiting;		/* mediads that have not answered */
	bool complete;			/* all that answered did so whole */
	struct transport_list all, old; /* old: may be judged */
	int64_t began_us;
};

static void round_begin(struct loop_timer *timer, int64_t now_us, void *arg);

static void arm(struct reconciler *r, int64_t in_us)
{
	loop_timer_start(r->worker->loop, &r->timer, clock_now_us() + in_us, round_begin, r);
}

/* Is it ours to look? One is enough, and any will do. */
static bool is_my_turn(const struct reconciler *r, int64_t now_us)
{
	for (unsigned k = 0; k < r->worker->index; k++) {
		const struct stats_process *p = &r->worker->stats.shm->worker[k].process;
		if (stat_get(&p->state) == PROCESS_READY &&
		    now_us - (int64_t)stat_get(&p->heartbeat_us) < WORKER_FRESH_US)
			return false;
	}
	return true;
}

static void close_orphan(struct worker *w, const char *text)
{
	uint64_t handle;
	unsigned mediad;

	if (!w->media || !text || media_id_parse(text, &mediad, &handle) < 0)
		return;
	log_info("reconciler: transport %s belongs to nobody in a call, closing it", text);
	stat_add(&w->counters->reconciled, 1);
	media_link_close_transport(w->media, mediad, handle);
}

static void complain(const char *what, const struct db_result *result)
{
	static int64_t gate;

	if (log_every(&gate, clock_now_us(), 60 * USEC_PER_SEC))
		log_warn("reconciler: %s not compared (%s), again in %d s", what,
			 result->error == DB_ERROR ? result->sqlstate : "connection lost",
			 (int)(RECONCILER_PERIOD_US / USEC_PER_SEC));
}

/* arg is the worker in both, which outlives the reconciler and the database layer. */
static void on_orphans(const struct db_result *result, void *arg)
{
	if (result->error != DB_OK)
		complain("transports", result);
	for (int row = 0; result->error == DB_OK && row < result->rows; row++)
		close_orphan(arg, db_text(result, row, "media"));
}

static void on_present(const struct db_result *result, void *arg)
{
	if (result->error != DB_OK)
		complain("members", result);
	else
		answer_tell(arg, result);
}

static int compare(struct reconciler *r, const char *statement, struct buf *json, db_callback *callback)
{
	if (json->failed)
		return -ENOMEM;
	const char *params[] = { (const char *)json->data };
	return db_exec(r->worker->db, statement, DB_IDEMPOTENT, params, ARRAY_LEN(params), callback, r->worker);
}

static void list_begin(struct transport_list *list)
{
	list->json = (struct buf){ 0 };
	json_out_init(&list->out, &list->json);
	json_out_array(&list->out, NULL);
}

static void list_end(struct transport_list *list)
{
	json_out_array_end(&list->out);
	buf_append_char(&list->json, '\0');
}

static void round_end(struct reconciler *r)
{
	list_end(&r->all);
	list_end(&r->old);
	int err = compare(r, "media_reconcile", &r->old.json, on_orphans);
	if (err == 0 && r->complete)
		err = compare(r, "media_present", &r->all.json, on_present);
	r->first_done |= err == 0;
	buf_fini(&r->all.json);
	buf_fini(&r->old.json);
	arm(r, r->first_done ? RECONCILER_PERIOD_US : AGAIN_US);
}

static void add_transport(struct transport_list *list, const struct msg_transport_state *t, unsigned mediad)
{
	char media[MEDIA_ID_LEN + 1];

	json_out_object(&list->out, NULL);
	json_out_string(&list->out, "media", media_id_format(mediad, t->transport, media));
	json_out_id(&list->out, "call", &t->call);
	json_out_id(&list->out, "user", &t->member);
	json_out_id(&list->out, "sign_in", &t->sign_in);
	json_out_bool(&list->out, "connected", t->state == TRANSPORT_CONNECTED);
	json_out_int(&list->out, "made", t->made_us);
	json_out_object_end(&list->out);
}

struct listing {
	struct reconciler *reconciler;
	unsigned mediad;
};

static void on_listed(int error, const struct msg_transport_state *items, size_t len, void *arg)
{
	struct listing *listing = arg;
	struct reconciler *r = listing->reconciler;

	if (error)
		r->complete = false;
	for (size_t i = 0; !error && i < len; i++) {
		add_transport(&r->all, &items[i], listing->mediad);
		if (r->began_us - items[i].made_us > RECONCILER_AGE_US)
			add_transport(&r->old, &items[i], listing->mediad);
	}
	free(listing);
	if (--r->waiting == 0 && error != -ECONNRESET)
		round_end(r);
}

static void ask(struct reconciler *r, unsigned mediad)
{
	struct listing *listing = malloc(sizeof(*listing));

	if (listing) {
		*listing = (struct listing){ r, mediad };
		if (media_link_list(r->media, mediad, on_listed, listing) == 0) {
			r->waiting++;
			return;
		}
	}
	free(listing);
	r->complete = false;
}

static void round_begin(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct reconciler *r = arg;

	(void)timer;
	if (!db_is_up(r->worker->db) || (r->first_done && !is_my_turn(r, now_us))) {
		arm(r, r->first_done ? RECONCILER_PERIOD_US : AGAIN_US);
		return;
	}
	r->complete = true;
	r->began_us = now_us;
	list_begin(&r->all);
	list_begin(&r->old);
	/* One more than the mediads, so that no answer ends the round before all were asked. */
	r->waiting = 1;
	for (unsigned k = 0; k < r->worker->mediads; k++)
		ask(r, k);
	if (--r->waiting == 0)
		round_end(r);
}

int reconciler_start(struct worker *worker, struct media_link *media, struct reconciler **ret_reconciler)
{
	struct reconciler *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->worker = worker;
	r->media = media;
	/* Workers that start together look one after the other. */
	int err = loop_timer_start(worker->loop, &r->timer, clock_now_us() + FIRST_ROUND_US + worker->index * AGAIN_US,
				   round_begin, r);
	if (err < 0) {
		free(r);
		return err;
	}
	*ret_reconciler = r;
	return 0;
}

struct reconciler *reconciler_stop(struct reconciler *reconciler)
{
	if (!reconciler)
		return NULL;
	loop_timer_stop(&reconciler->timer);
	buf_fini(&reconciler->all.json);
	buf_fini(&reconciler->old.json);
	free(reconciler);
	return NULL;
}
