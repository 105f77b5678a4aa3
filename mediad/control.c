#include "mediad/control.h"

#include "lib/cleanup.h"
#include "mediad/address.h"
#include "mediad/media.h"

#include <stdio.h>
#include <stdlib.h>

/* An offer that is coming in. */
struct offer {
	bool open;
	uint64_t corr;
	unsigned mlines_len;
	struct msg_offer head;
	struct session_mline mline[SESSION_MLINES_MAX];
};

/* A list that is going out. */
struct listing {
	bool open;
	uint64_t corr;
	uint32_t next; /* index in the table */
};

struct control_worker {
	unsigned index;
	struct link *link;
	struct offer offer;
	struct listing listing;
};

struct control {
	struct mediad *md;
	unsigned candidates_len;
	struct session_address candidate[CONTROL_CANDIDATES_MAX];
	struct control_worker worker[];
};

/* ---- start ---- */

/* "ADDRESS:PORT", or "tcp ADDRESS:PORT". */
static int parse_candidate(const char *line, unsigned number, struct session_address *ret)
{
	bool tcp = strncmp(line, "tcp ", 4) == 0;
	struct conf_addr addr;

	int err = conf_addr_parse(tcp ? line + 4 : line, &addr);
	if (err == 0)
		err = address_from_sockaddr(number | (tcp ? SESSION_SOCKET_TCP : 0), (struct sockaddr *)&addr.sa,
					    addr.len, ret);
	return err;
}

/* One per line, best first. */
static int load_candidates(struct control *control)
{
	auto_free char *text = NULL;
	char *line, *rest;
	size_t len;
	auto_close int fd = fdset_take(&control->md->fds, "advertise");

	if (fd < 0)
		return fd;
	int err = shm_blob_read(fd, 16 * 1024, &text, &len);
	if (err < 0)
		return err;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (control->candidates_len == CONTROL_CANDIDATES_MAX)
			return -E2BIG;
		err = parse_candidate(line, control->candidates_len, &control->candidate[control->candidates_len]);
		if (err < 0)
			return err;
		control->candidates_len++;
	}
	return control->candidates_len > 0 ? 0 : -EINVAL;
}

int control_start(struct mediad *md, struct control **ret_control)
{
	struct control *control = calloc(1, sizeof(*control) + md->workers * sizeof(control->worker[0]));

	if (!control)
		return -ENOMEM;
	control->md = md;
	for (unsigned k = 0; k < md->workers; k++) {
		control->worker[k].index = k;
		control->worker[k].link = &md->link_worker[k];
	}
	int err = load_candidates(control);
	if (err < 0) {
		control_stop(control);
		return err;
	}
	*ret_control = control;
	return 0;
}

struct control *control_stop(struct control *control)
{
	free(control);
	return NULL;
}

/* ---- answers ---- */

/* The callers have asked link_room() for all they send. */
static void answer(struct control_worker *w, uint16_t type, uint64_t corr, const void *payload, size_t len)
{
	(void)link_push(w->link, type, corr, payload, len);
}

static void answer_error(struct control_worker *w, uint64_t corr, enum msg_error_code code, const char *text)
{
	struct msg_error error = { .code = code };

	snprintf(error.text, sizeof(error.text), "%s", text);
	answer(w, MSG_ERROR, corr, &error, sizeof(error));
}

static void answer_offer(struct control *control, struct control_worker *w, uint64_t corr, struct transport *t)
{
	const struct session_transport *rec = t->rec;
	struct msg_answer head = { .transport = t->handle };

	memcpy(head.ufrag, rec->local_ufrag, sizeof(head.ufrag));
	memcpy(head.pwd, rec->local_pwd, sizeof(head.pwd));
	memcpy(head.fingerprint, transports_fingerprint(control->md->transports), sizeof(head.fingerprint));
	memcpy(head.cname, rec->cname, sizeof(head.cname));
	answer(w, MSG_ANSWER_BEGIN, corr, &head, sizeof(head));
	for (unsigned i = 0; i < control->candidates_len; i++) {
		struct msg_candidate candidate = { .address = control->candidate[i] };
		answer(w, MSG_ANSWER_CANDIDATE, corr, &candidate, sizeof(candidate));
	}
	for (unsigned i = 0; i < rec->mlines_len; i++) {
		const struct session_seat *seat = media_seat(t, i);
		if (!seat)
			continue;
		struct msg_answer_seat part = { .mline = i, .ssrc = seat->ssrc, .rtx_ssrc = seat->rtx_ssrc };
		answer(w, MSG_ANSWER_SEAT, corr, &part, sizeof(part));
	}
	answer(w, MSG_ANSWER_END, corr, NULL, 0);
}

/* ---- offers ---- */

static void offer_new(struct control *control, struct control_worker *w)
{
	const struct offer *offer = &w->offer;
	/* 10 kB: not on the stack of a handler that is called deep. */
	static struct session_transport fields;
	struct transport *t;

	memset(&fields, 0, sizeof(fields));
	fields.call = offer->head.call;
	fields.member = offer->head.member;
	fields.sign_in = offer->head.sign_in;
	fields.worker = w->index;
	fields.joined_us = offer->head.joined_us;
	memcpy(fields.remote_ufrag, offer->head.ufrag, sizeof(fields.remote_ufrag));
	memcpy(fields.remote_pwd, offer->head.pwd, sizeof(fields.remote_pwd));
	memcpy(fields.fingerprint, offer->head.fingerprint, sizeof(fields.fingerprint));
	fields.paused = offer->head.paused;
	fields.mlines_len = (uint8_t)offer->mlines_len;
	memcpy(fields.mline, offer->mline, offer->mlines_len * sizeof(fields.mline[0]));
	int err = transport_new(control->md, &fields, &t);
	if (err == 0) {
		t->corr = offer->corr;
		err = media_on_offer(t);
		if (err < 0)
			transport_close(t, "no room for its tracks and seats");
	}
	if (err < 0)
		answer_error(w, offer->corr, MSG_ERR_FULL, "the mediad has no room");
	else
		answer_offer(control, w, offer->corr, t);
}

/* The media side sees the new m-lines in the record; when it has no room for them, the old ones are put back. */
static int replace_mlines(struct transport *t, const struct offer *offer)
{
	static struct session_mline before[SESSION_MLINES_MAX];
	struct session_transport *rec = t->rec;
	uint8_t before_len = rec->mlines_len;

	memcpy(before, rec->mline, sizeof(before));
	memcpy(rec->mline, offer->mline, offer->mlines_len * sizeof(rec->mline[0]));
	rec->mlines_len = (uint8_t)offer->mlines_len;
	int err = media_on_offer(t);
	if (err < 0) {
		memcpy(rec->mline, before, sizeof(before));
		rec->mlines_len = before_len;
		(void)media_on_offer(t);
	}
	return err;
}

/* When the credentials are new. */
static void restart_ice(struct control *control, struct control_worker *w, struct transport *t)
{
	const struct offer *offer = &w->offer;

	t->rec->worker = w->index;
	if (strcmp(t->rec->remote_ufrag, offer->head.ufrag) != 0 || strcmp(t->rec->remote_pwd, offer->head.pwd) != 0)
		(void)transport_ice_restart(t, offer->head.ufrag, offer->head.pwd);
	answer_offer(control, w, offer->corr, t);
}

static void offer_again(struct control *control, struct control_worker *w)
{
	const struct offer *offer = &w->offer;
	struct transport *t = transport_find(control->md, offer->head.transport);

	/* Another device of theirs may close a transport, never turn it into its own. */
	if (!t || !id_equal(&t->rec->call, &offer->head.call) || !id_equal(&t->rec->member, &offer->head.member) ||
	    !id_equal(&t->rec->sign_in, &offer->head.sign_in)) {
		answer_error(w, offer->corr, MSG_ERR_GONE, "no such transport of this member");
		return;
	}
	if (offer->mlines_len == 0) {
		restart_ice(control, w, t);
		return;
	}
	if (memcmp(t->rec->fingerprint, offer->head.fingerprint, sizeof(t->rec->fingerprint)) != 0) {
		answer_error(w, offer->corr, MSG_ERR_BAD, "another fingerprint takes a new transport");
		return;
	}
	if (offer->mlines_len < t->rec->mlines_len) {
		answer_error(w, offer->corr, MSG_ERR_BAD, "m-lines may be rejected but not taken away");
		return;
	}
	if (offer->head.paused)
		t->rec->paused = 1;
	if (offer->head.joined_us != 0)
		t->rec->joined_us = offer->head.joined_us;
	if (replace_mlines(t, offer) < 0) {
		answer_error(w, offer->corr, MSG_ERR_FULL, "the mediad has no room");
		return;
	}
	restart_ice(control, w, t);
}

static void on_offer_begin(struct control_worker *w, const struct link_msg *msg, const struct msg_offer *head)
{
	w->offer.open = true;
	w->offer.corr = msg->corr;
	w->offer.mlines_len = 0;
	w->offer.head = *head;
}

static void on_offer_mline(struct control_worker *w, const struct link_msg *msg, const struct msg_mline *part)
{
	struct offer *offer = &w->offer;

	if (!offer->open || offer->corr != msg->corr)
		return;
	/* Out of order: not an offer any more; END finds that and says so. */
	if (part->index != offer->mlines_len || offer->mlines_len == SESSION_MLINES_MAX) {
		offer->head.mlines_len = UINT8_MAX;
		return;
	}
	offer->mline[offer->mlines_len++] = part->mline;
}

static void on_offer_end(struct control *control, struct control_worker *w, const struct link_msg *msg)
{
	struct offer *offer = &w->offer;
	bool ours = offer->open && offer->corr == msg->corr;

	offer->open = false;
	if (!ours || offer->mlines_len != offer->head.mlines_len || !offer->head.ufrag[0] || !offer->head.pwd[0]) {
		answer_error(w, msg->corr, MSG_ERR_BAD, "the offer is incomplete");
		return;
	}
	/* BEGIN, candidates, at most a seat for each m-line, END. */
	if (link_room(w->link) < 2 + control->candidates_len + offer->mlines_len) {
		answer_error(w, offer->corr, MSG_ERR_FULL, "no room for the answer");
		return;
	}
	if (offer->head.transport == 0)
		offer_new(control, w);
	else
		offer_again(control, w);
}

/* ---- closing, state, lists ---- */

static void on_transport_close(struct control *control, struct control_worker *w, const struct link_msg *msg,
			       const struct msg_handle *handle)
{
	struct transport *t = transport_find(control->md, handle->handle);

	if (t)
		transport_close(t, "asked by the worker");
	answer(w, MSG_OK, msg->corr, NULL, 0);
}

static void on_transport_leave(struct control *control, struct control_worker *w, const struct link_msg *msg,
			       const struct msg_leave *leave)
{
	struct transport *t = transport_find(control->md, leave->transport);

	if (!t || !id_equal(&t->rec->call, &leave->call) || !id_equal(&t->rec->member, &leave->member)) {
		answer_error(w, msg->corr, MSG_ERR_GONE, "no such transport of this member");
		return;
	}
	transport_close(t, "left");
	answer(w, MSG_OK, msg->corr, NULL, 0);
}

static void close_of_call(struct transport *t, void *arg)
{
	(void)arg;
	transport_close(t, "the call ended");
}

static void close_of_member(struct transport *t, void *arg)
{
	const struct msg_member *member = arg;

	if (id_equal(&t->rec->member, &member->member) && t->handle != member->except)
		transport_close(t, "the member left or was replaced");
}

static void list_go_on(struct control *control, struct control_worker *w)
{
	const struct session_table *table = &control->md->table;
	struct listing *listing = &w->listing;

	const uint32_t top = session_transports_top(table);

	/* Half of the link stays free for other answers. */
	while (listing->next < top && link_room(w->link) > w->link->cap_out / 2) {
		const struct session_transport *rec = &table->transport[listing->next++];
		uint32_t state = atomic_load_explicit(&rec->state, memory_order_relaxed);
		if (state == TRANSPORT_FREE)
			continue;
		struct msg_transport_state item = {
			.transport = session_transport_handle(table, rec),
			.call = rec->call,
			.member = rec->member,
			.sign_in = rec->sign_in,
			.state = state,
			.made_us = rec->made_us,
		};
		answer(w, MSG_LIST_ITEM, listing->corr, &item, sizeof(item));
	}
	if (listing->next < top || link_room(w->link) == 0)
		return;
	answer(w, MSG_LIST_END, listing->corr, NULL, 0);
	listing->open = false;
}

/* ---- messages ---- */

/* An offer that a dead worker left behind would make a transport whose answer nobody reads. */
static bool is_stale(const struct mediad *md, unsigned worker, uint32_t epoch)
{
	uint64_t now = stat_get(&md->stats.shm->worker[worker].process.epoch);

	return now != 0 && (int32_t)(epoch - (uint32_t)now) < 0;
}

static void on_message(struct control *control, struct control_worker *w, const struct link_msg *msg, void *payload)
{
	const struct msg_call *call = payload;
	struct msg_member *member = payload;

	switch (msg->type) {
	case MSG_OFFER_BEGIN:
		on_offer_begin(w, msg, payload);
		break;
	case MSG_OFFER_MLINE:
		on_offer_mline(w, msg, payload);
		break;
	case MSG_OFFER_END:
		if (!is_stale(control->md, w->index, msg->epoch))
			on_offer_end(control, w, msg);
		break;
	case MSG_TRANSPORT_CLOSE:
		on_transport_close(control, w, msg, payload);
		break;
	case MSG_TRANSPORT_LEAVE:
		on_transport_leave(control, w, msg, payload);
		break;
	case MSG_CALL_CLOSE:
		transport_each(control->md, &call->call, close_of_call, NULL);
		break;
	case MSG_MEMBER_CLOSE:
		transport_each(control->md, &member->call, close_of_member, member);
		break;
	case MSG_MEMBER_STATE:
		media_on_member_state(control->md->media, payload);
		break;
	case MSG_LIST:
		w->listing = (struct listing){ .open = true, .corr = msg->corr };
		break;
	case MSG_VIEW:
		media_on_view(control->md->media, payload);
		break;
	case MSG_SEATS_ASK:
		media_on_seats_ask(control->md->media, payload);
		break;
	default:
		stat_add(&control->md->counters->link_nonsense, 1);
	}
}

static bool drain_one(struct control *control, struct control_worker *w, unsigned budget)
{
	uint64_t payload[(LINK_PAYLOAD_MAX + 7) / 8];
	struct link_msg msg;

	if (w->listing.open)
		list_go_on(control, w);
	for (unsigned i = 0; i < budget; i++) {
		int err = link_pop(w->link, &msg, payload);
		if (err == -EAGAIN)
			return false;
		/* A link's own nonsense is counted with the link. */
		if (err < 0)
			continue;
		if (msg_check(&msg, payload) < 0)
			stat_add(&control->md->counters->link_nonsense, 1);
		else
			on_message(control, w, &msg, payload);
		if (w->listing.open)
			list_go_on(control, w);
	}
	return true;
}

bool control_drain(struct control *control, unsigned budget)
{
	bool more = false;

	for (unsigned k = 0; k < control->md->workers; k++)
		more |= drain_one(control, &control->worker[k], budget);
	return more;
}
