#include "workers/media_link.h"

#include "lib/log.h"
#include "workers/media_events.h"
#include "workers/peers.h"
#include "workers/reconciler.h"
#include "workers/worker.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PENDING_RETRY_US (20 * USEC_PER_MSEC)
#define PENDING_BYTES	 sizeof(struct msg_view)
#define LIST_ITEMS_MAX	 (1u << 17)

enum question_kind { QUESTION_NONE, QUESTION_OFFER, QUESTION_LEAVE, QUESTION_LIST };

struct question {
	enum question_kind kind; /* NONE: free */
	bool expired;		 /* the asker was told; kept to recognise a late answer */
	bool new_transport;
	bool begun; /* ANSWER_BEGIN came */
	unsigned mediad;
	uint64_t corr;
	struct media_link *media;
	struct loop_timer timer;
	union {
		media_answer_cb *answered;
		media_done_cb *done;
		media_list_cb *listed;
	};
	void *arg;
	struct media_answer *answer;
	struct msg_transport_state *items;
	size_t items_len, items_cap;
};

/* An order that a full ring did not take. */
struct pending {
	uint16_t type, len;
	uint8_t payload[PENDING_BYTES];
};

struct pending_queue {
	struct pending *item; /* MEDIA_LINK_PENDING_MAX, made at first use */
	size_t first, len;
};

struct media_link {
	struct worker *worker;
	struct media_events *events;
	struct reconciler *reconciler;
	struct loop_timer retry;
	struct pending_queue pending[SHM_PROCESSES_MAX];
	struct question *question[MEDIA_LINK_QUESTIONS_MAX]; /* at corr mod the length */
};

_Static_assert(sizeof(struct msg_member_state) <= PENDING_BYTES && sizeof(struct msg_member) <= PENDING_BYTES, "fits");

const char *media_id_format(unsigned mediad, uint64_t handle, char buf[MEDIA_ID_LEN + 1])
{
	snprintf(buf, MEDIA_ID_LEN + 1, "%02x%016" PRIx64, mediad & 0xff, handle);
	return buf;
}

int media_id_parse(const char *text, unsigned *ret_mediad, uint64_t *ret_handle)
{
	uint8_t b[MEDIA_ID_LEN / 2];
	uint64_t handle = 0;

	if (strlen(text) != MEDIA_ID_LEN || strspn(text, "0123456789abcdef") != MEDIA_ID_LEN)
		return -EINVAL;
	if (hex_parse(text, MEDIA_ID_LEN, b, sizeof(b)) < 0)
		return -EINVAL;
	for (size_t i = 1; i < sizeof(b); i++)
		handle = handle << 8 | b[i];
	if (!handle)
		return -EINVAL;
	*ret_mediad = b[0];
	*ret_handle = handle;
	return 0;
}

/* --- questions ----------------------------------------------------------------------------------------- */

static void question_free(struct question *q)
{
	loop_timer_stop(&q->timer);
	q->media->question[q->corr % MEDIA_LINK_QUESTIONS_MAX] = NULL;
	free(q->answer);
	free(q->items);
	free(q);
}

/* Tells the asker, once. The question is the caller's to free afterwards, or to keep as expired. */
static void question_tell(struct question *q, int error)
{
	switch (q->kind) {
	case QUESTION_OFFER:
		q->answered(error, error ? NULL : q->answer, q->arg);
		break;
	case QUESTION_LEAVE:
		q->done(error, q->arg);
		break;
	case QUESTION_LIST:
		q->listed(error, q->items, q->items_len, q->arg);
		break;
	case QUESTION_NONE:
		break;
	}
}

static void question_finish(struct question *q, int error)
{
	if (!q->expired)
		question_tell(q, error);
	question_free(q);
}

static void question_on_timeout(struct loop_timer *timer, int64_t now_us, void *arg)
{
	static int64_t gate;
	struct question *q = arg;

	(void)timer;
	if (log_every(&gate, now_us, USEC_PER_SEC))
		log_warn("media_link: mediad %u did not answer within %d s", q->mediad,
			 (int)(MEDIA_LINK_TIMEOUT_US / USEC_PER_SEC));
	q->expired = true;
	question_tell(q, -ETIMEDOUT);
	/* A mediad that was away may still make the transport: remember, so that it can be closed. */
	if (!q->new_transport)
		question_free(q);
}

static int question_new(struct media_link *media, enum question_kind kind, unsigned mediad, void *arg,
			struct question **ret_q)
{
	struct worker *w = media->worker;
	uint64_t corr = peers_corr(w->peers);
	struct question *old = media->question[corr % MEDIA_LINK_QUESTIONS_MAX];

	if (old && !old->expired)
		return -EAGAIN;
	if (old)
		question_free(old);
	struct question *q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->media = media;
	q->kind = kind;
	q->mediad = mediad;
	q->corr = corr;
	q->arg = arg;
	if (loop_timer_start(w->loop, &q->timer, clock_now_us() + MEDIA_LINK_TIMEOUT_US, question_on_timeout, q) < 0) {
		free(q);
		return -ENOMEM;
	}
	media->question[corr % MEDIA_LINK_QUESTIONS_MAX] = q;
	*ret_q = q;
	return 0;
}

static struct question *question_find(struct media_link *media, unsigned mediad, uint64_t corr)
{
	struct question *q = media->question[corr % MEDIA_LINK_QUESTIONS_MAX];

	return q && q->corr == corr && q->mediad == mediad ? q : NULL;
}

static int send_offer(struct media_link *media, struct question *q, const struct msg_offer *offer,
		      const struct session_mline *mlines)
{
	struct peers *peers = media->worker->peers;
	int r;

	if (peers_mediad_room(peers, q->mediad) < offer->mlines_len + 2u)
		return -EAGAIN;
	r = peers_to_mediad(peers, q->mediad, MSG_OFFER_BEGIN, q->corr, offer, sizeof(*offer));
	for (uint32_t i = 0; r == 0 && i < offer->mlines_len; i++) {
		struct msg_mline m = { .index = i, .mline = mlines[i] };
		r = peers_to_mediad(peers, q->mediad, MSG_OFFER_MLINE, q->corr, &m, sizeof(m));
	}
	return r == 0 ? peers_to_mediad(peers, q->mediad, MSG_OFFER_END, q->corr, NULL, 0) : r;
}

int media_link_offer(struct media_link *media, unsigned mediad, const struct msg_offer *offer,
		     const struct session_mline *mlines, media_answer_cb *callback, void *arg)
{
	struct question *q;

	if (mediad >= media->worker->mediads)
		return -ENODEV;
	int r = question_new(media, QUESTION_OFFER, mediad, arg, &q);
	if (r < 0)
		return r;
	q->answered = callback;
	q->new_transport = offer->transport == 0;
	q->answer = calloc(1, sizeof(*q->answer));
	r = q->answer ? send_offer(media, q, offer, mlines) : -ENOMEM;
	if (r < 0)
		question_free(q);
	return r;
}

int media_link_leave(struct media_link *media, unsigned mediad, uint64_t handle, const struct id *call,
		     const struct id *member, media_done_cb *callback, void *arg)
{
	const struct msg_leave m = { .transport = handle, .call = *call, .member = *member };
	struct question *q;

	if (mediad >= media->worker->mediads)
		return -ENODEV;
	int r = question_new(media, QUESTION_LEAVE, mediad, arg, &q);
	if (r < 0)
		return r;
	q->done = callback;
	r = peers_to_mediad(media->worker->peers, mediad, MSG_TRANSPORT_LEAVE, q->corr, &m, sizeof(m));
	if (r < 0)
		question_free(q);
	return r;
}

int media_link_list(struct media_link *media, unsigned mediad, media_list_cb *callback, void *arg)
{
	struct question *q;

	if (mediad >= media->worker->mediads)
		return -ENODEV;
	int r = question_new(media, QUESTION_LIST, mediad, arg, &q);
	if (r < 0)
		return r;
	q->listed = callback;
	r = peers_to_mediad(media->worker->peers, mediad, MSG_LIST, q->corr, NULL, 0);
	if (r < 0)
		question_free(q);
	return r;
}

/* --- answers ------------------------------------------------------------------------------------------- */

static bool is_ice_chars(const char *s)
{
	return *s && s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")] == '\0';
}

static bool is_printable(const char *s)
{
	for (const char *c = s; *c; c++) {
		if (*c <= 0x20 || *c >= 0x7f)
			return false;
	}
	return *s != '\0';
}

static void answer_on_begin(struct question *q, const struct msg_answer *m)
{
	struct media_answer *a = q->answer;

	memset(a, 0, sizeof(*a));
	a->mediad = q->mediad;
	a->handle = m->transport;
	memcpy(a->ufrag, m->ufrag, sizeof(a->ufrag));
	memcpy(a->pwd, m->pwd, sizeof(a->pwd));
	memcpy(a->fingerprint, m->fingerprint, sizeof(a->fingerprint));
	memcpy(a->cname, m->cname, sizeof(a->cname));
	q->begun = true;
}

static void answer_on_candidate(struct question *q, const struct msg_candidate *m)
{
	struct media_answer *a = q->answer;

	if (a->candidates_len < MEDIA_CANDIDATES_MAX && (m->address.family == 4 || m->address.family == 6))
		a->candidate[a->candidates_len++] = m->address;
}

static void answer_on_seat(struct question *q, const struct msg_answer_seat *m)
{
	struct media_answer *a = q->answer;

	if (a->seats_len < SESSION_MLINES_MAX && m->mline < SESSION_MLINES_MAX && m->ssrc)
		a->seat[a->seats_len++] = *m;
}

static void answer_on_end(struct question *q)
{
	const struct media_answer *a = q->answer;
	bool good = q->begun && a->handle && is_ice_chars(a->ufrag) && is_ice_chars(a->pwd) && is_printable(a->cname);

	if (good && q->expired)
		media_link_close_transport(q->media, q->mediad, a->handle);
	question_finish(q, good ? 0 : -EBADMSG);
}

static void list_on_item(struct question *q, const struct msg_transport_state *m)
{
	if (q->items_len == q->items_cap) {
		size_t cap = q->items_cap ? q->items_cap * 2 : 64;
		struct msg_transport_state *items =
			cap <= LIST_ITEMS_MAX ? realloc(q->items, cap * sizeof(*items)) : NULL;
		if (!items) {
			question_finish(q, -ENOMEM);
			return;
		}
		q->items = items;
		q->items_cap = cap;
	}
	q->items[q->items_len++] = *m;
}

static void on_error(struct question *q, const struct msg_error *m)
{
	static const int errors[] = { [MSG_ERR_FULL] = -ENOSPC, [MSG_ERR_GONE] = -ENOENT, [MSG_ERR_BAD] = -EBADMSG };
	static int64_t gate;

	if (m->code != MSG_ERR_GONE && log_every(&gate, clock_now_us(), USEC_PER_SEC))
		log_warn("media_link: mediad %u refused: %s", q->mediad, m->text);
	question_finish(q, m->code < ARRAY_LEN(errors) && errors[m->code] ? errors[m->code] : -EBADMSG);
}

static void on_answer(struct media_link *media, unsigned mediad, const struct link_msg *msg, const void *payload)
{
	struct question *q = question_find(media, mediad, msg->corr);

	if (!q)
		return; /* a predecessor's, or one whose asker was told long ago */
	if (msg->type == MSG_ERROR) {
		on_error(q, payload);
	} else if (q->kind == QUESTION_OFFER) {
		if (msg->type == MSG_ANSWER_BEGIN)
			answer_on_begin(q, payload);
		else if (msg->type == MSG_ANSWER_CANDIDATE)
			answer_on_candidate(q, payload);
		else if (msg->type == MSG_ANSWER_SEAT)
			answer_on_seat(q, payload);
		else if (msg->type == MSG_ANSWER_END)
			answer_on_end(q);
	} else if (q->kind == QUESTION_LIST) {
		if (msg->type == MSG_LIST_ITEM)
			list_on_item(q, payload);
		else if (msg->type == MSG_LIST_END)
			question_finish(q, 0);
	} else if (q->kind == QUESTION_LEAVE && msg->type == MSG_OK) {
		question_finish(q, 0);
	}
}

void media_link_on_msg(struct media_link *media, unsigned mediad, const struct link_msg *msg, void *payload)
{
	static int64_t gate;

	if (msg_check(msg, payload) < 0) {
		stat_add(&media->worker->counters->link_nonsense, 1);
		if (log_every(&gate, clock_now_us(), USEC_PER_SEC))
			log_error("media_link: mediad %u sent a malformed message of type %u; dropped", mediad,
				  msg->type);
		return;
	}
	switch (msg->type) {
	case MSG_ANSWER_BEGIN:
	case MSG_ANSWER_CANDIDATE:
	case MSG_ANSWER_SEAT:
	case MSG_ANSWER_END:
	case MSG_OK:
	case MSG_ERROR:
	case MSG_LIST_ITEM:
	case MSG_LIST_END:
		on_answer(media, mediad, msg, payload);
		break;
	case MSG_TRANSPORT_STATE:
		media_events_on_state(media->events, payload);
		break;
	case MSG_SEATS:
		media_events_on_seats(media->events, mediad, payload);
		break;
	case MSG_SPEAKER:
		media_events_on_speaker(media->events, payload);
		break;
	case MSG_QUALITY:
		media_events_on_quality(media->events, mediad, payload);
		break;
	case MSG_LAYERS:
		media_events_on_layers(media->events, payload);
		break;
	case MSG_SOUND:
		media_events_on_sound(media->events, payload);
		break;
	case MSG_MEDIA_LOST:
		media_events_on_lost(media->events, payload);
		break;
	default:
		stat_add(&media->worker->counters->link_nonsense, 1);
	}
}

/* --- orders -------------------------------------------------------------------------------------------- */

static void pending_flush(struct media_link *media);

static void pending_on_retry(struct loop_timer *timer, int64_t now_us, void *arg)
{
	(void)timer;
	(void)now_us;
	pending_flush(arg);
}

static void pending_arm(struct media_link *media)
{
	if (!media->retry.loop)
		loop_timer_start(media->worker->loop, &media->retry, clock_now_us() + PENDING_RETRY_US,
				 pending_on_retry, media);
}

static void pending_flush(struct media_link *media)
{
	bool left = false;

	for (unsigned k = 0; k < media->worker->mediads; k++) {
		struct pending_queue *queue = &media->pending[k];
		while (queue->len > 0) {
			const struct pending *p = &queue->item[queue->first];
			if (peers_to_mediad(media->worker->peers, k, p->type, peers_corr(media->worker->peers),
					    p->payload, p->len) == -EAGAIN)
				break;
			queue->first = (queue->first + 1) % MEDIA_LINK_PENDING_MAX;
			queue->len--;
		}
		left |= queue->len > 0;
	}
	if (left)
		pending_arm(media);
}

static void pending_add(struct media_link *media, unsigned k, uint16_t type, const void *payload, size_t len)
{
	struct pending_queue *queue = &media->pending[k];
	static int64_t gate;

	if (!queue->item)
		queue->item = calloc(MEDIA_LINK_PENDING_MAX, sizeof(*queue->item));
	if (!queue->item || queue->len == MEDIA_LINK_PENDING_MAX) {
		if (log_every(&gate, clock_now_us(), USEC_PER_SEC))
			log_error(
				"media_link: mediad %u takes no orders; one was dropped, the reconciler will see to it",
				k);
		return;
	}
	struct pending *p = &queue->item[(queue->first + queue->len++) % MEDIA_LINK_PENDING_MAX];
	p->type = type;
	p->len = (uint16_t)len;
	memcpy(p->payload, payload, len);
	pending_arm(media);
}

static void order(struct media_link *media, unsigned k, uint16_t type, const void *payload, size_t len)
{
	struct peers *peers = media->worker->peers;

	if (k >= media->worker->mediads)
		return;
	if (media->pending[k].len > 0 || peers_to_mediad(peers, k, type, peers_corr(peers), payload, len) == -EAGAIN)
		pending_add(media, k, type, payload, len);
}

void media_link_close_transport(struct media_link *media, unsigned mediad, uint64_t handle)
{
	const struct msg_handle m = { .handle = handle };

	order(media, mediad, MSG_TRANSPORT_CLOSE, &m, sizeof(m));
}

void media_link_close_others(struct media_link *media, const struct id *call, const struct id *member, unsigned mediad,
			     uint64_t handle)
{
	for (unsigned k = 0; k < media->worker->mediads; k++) {
		const struct msg_member m = { .call = *call, .member = *member, .except = k == mediad ? handle : 0 };
		order(media, k, MSG_MEMBER_CLOSE, &m, sizeof(m));
	}
}

void media_link_close_member(struct media_link *media, const struct id *call, const struct id *member)
{
	media_link_close_others(media, call, member, 0, 0);
}

void media_link_close_call(struct media_link *media, const struct id *call)
{
	const struct msg_call m = { .call = *call };

	for (unsigned k = 0; k < media->worker->mediads; k++)
		order(media, k, MSG_CALL_CLOSE, &m, sizeof(m));
}

void media_link_view(struct media_link *media, const struct id *call, const struct id *member,
		     const struct msg_view_item *items, size_t len)
{
	struct msg_view m = { .call = *call, .member = *member, .count = (uint32_t)MIN(len, MSG_VIEW_MAX) };

	if (m.count > 0)
		memcpy(m.item, items, m.count * sizeof(items[0]));
	/* His transport is on one of them; which one, they know. */
	for (unsigned k = 0; k < media->worker->mediads; k++)
		order(media, k, MSG_VIEW, &m, sizeof(m));
}

void media_link_ask_seats(struct media_link *media, const struct id *call, const struct id *member)
{
	const struct msg_member m = { .call = *call, .member = *member };

	for (unsigned k = 0; k < media->worker->mediads; k++)
		order(media, k, MSG_SEATS_ASK, &m, sizeof(m));
}

void media_link_member_state(struct media_link *media, const struct id *call, const struct id *member, bool paused,
			     bool muted_audio, bool muted_video)
{
	const struct msg_member_state m = {
		.call = *call,
		.member = *member,
		.paused = paused,
		.muted_audio = muted_audio,
		.muted_video = muted_video,
	};
	for (unsigned k = 0; k < media->worker->mediads; k++)
		order(media, k, MSG_MEMBER_STATE, &m, sizeof(m));
}

/* --- start and stop ------------------------------------------------------------------------------------ */

int media_link_start(struct worker *worker, struct media_link **ret_media)
{
	struct media_link *media = calloc(1, sizeof(*media));
	int r = -ENOMEM;

	if (!media)
		return -ENOMEM;
	media->worker = worker;
	r = media_events_start(worker, &media->events);
	if (r < 0)
		goto fail;
	r = reconciler_start(worker, media, &media->reconciler);
	if (r < 0)
		goto fail;
	*ret_media = media;
	return 0;
fail:
	media_link_stop(media);
	return r;
}

struct media_link *media_link_stop(struct media_link *media)
{
	if (!media)
		return NULL;
	for (size_t i = 0; i < MEDIA_LINK_QUESTIONS_MAX; i++) {
		if (media->question[i])
			question_finish(media->question[i], -ECONNRESET);
	}
	media->reconciler = reconciler_stop(media->reconciler);
	loop_timer_stop(&media->retry);
	for (size_t k = 0; k < ARRAY_LEN(media->pending); k++)
		free(media->pending[k].item);
	media->events = media_events_stop(media->events);
	free(media);
	return NULL;
}
