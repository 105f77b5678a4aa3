#include "workers/events.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "shm/directory.h"
#include "workers/json.h"
#include "workers/peers.h"
#include "workers/presence.h"
#include "workers/worker.h"
#include "workers/ws.h"

#include <stdlib.h>
#include <string.h>

#define OFFLINE_GRACE_US (2 * USEC_PER_SEC) /* a page that is loaded anew does not blink */
#define ORPHANS_WAIT_US	 (5 * USEC_PER_SEC) /* pages of a dead worker come back within three */
#define WAITING_MAX	 256		    /* events before the hello */
#define NOTIFY_ARENA_MAX (16u << 20)
#define USERS_MAX	 4096 /* of one event */
#define DEVICES_LOOK_AT	 64   /* connections of one person */
#define CLOSE_SIGNED_OUT 4401
#define CLOSE_TRY_AGAIN	 1013
#define BUCKETS_FIRST	 256

struct waiting {
	struct waiting *next;
	struct ws_message *message;
};

/*   events_open ──▶ waiting (ws NULL) ──events_ready──▶ open ──events_closed──▶ gone */
struct events_conn {
	struct person *person;
	struct events_conn *next;
	struct id session;
	struct ws *ws;
	struct waiting *first, **last;
	unsigned waiting;
	bool doomed; /* signed out, or too much happened, before the hello */
	uint16_t doom;
};

/* Somebody with a page on this worker; stays for OFFLINE_GRACE_US after the last one. */
struct person {
	struct person *next; /* in the bucket */
	struct events *events;
	struct id id;
	struct events_conn *conns;
	uint32_t conns_len;
	struct loop_timer grace;
};

struct events {
	struct worker *worker;
	struct person **buckets;
	size_t buckets_len, persons, conns;
	struct presence_news presence;
	struct loop_timer orphans_timer;
};

/* What goes over the ring: this, the ids of the people, the JSON text. */
enum relay_kind { RELAY_EVENT = 1, RELAY_CLOSE_SESSION = 2 };

struct relay {
	uint32_t kind; /* enum relay_kind */
	uint32_t users;
	struct id except, only; /* sign-ins; none: no matter. RELAY_CLOSE_SESSION: only is the one */
};

/* People */

static size_t bucket_of(const struct events *events, const struct id *id)
{
	return hash_bytes(id->b, sizeof(id->b)) & (events->buckets_len - 1);
}

static struct person *person_find(const struct events *events, const struct id *id)
{
	struct person *p = events->buckets[bucket_of(events, id)];

	while (p && !id_equal(&p->id, id))
		p = p->next;
	return p;
}

static void persons_grow(struct events *events)
{
	size_t len = events->buckets_len * 2;
	struct person **old = events->buckets;
	struct person **buckets = calloc(len, sizeof(struct person *));

	if (!buckets)
		return;
	size_t old_len = events->buckets_len;
	events->buckets = buckets;
	events->buckets_len = len;
	for (size_t i = 0; i < old_len; i++) {
		for (struct person *p = old[i], *next; p; p = next) {
			next = p->next;
			size_t at = bucket_of(events, &p->id);
			p->next = buckets[at];
			buckets[at] = p;
		}
	}
	free(old);
}

static struct person *person_new(struct events *events, const struct id *id)
{
	struct person *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	if (events->persons >= events->buckets_len)
		persons_grow(events);
	p->events = events;
	p->id = *id;
	size_t at = bucket_of(events, id);
	p->next = events->buckets[at];
	events->buckets[at] = p;
	events->persons++;
	return p;
}

static void person_free(struct person *person)
{
	struct events *events = person->events;
	struct person **at = &events->buckets[bucket_of(events, &person->id)];

	while (*at != person)
		at = &(*at)->next;
	*at = person->next;
	events->persons--;
	loop_timer_stop(&person->grace);
	free(person);
}

/* Coming and going */

/* Tells the other workers on which devices the person is here. */
static void devices_tell(struct person *person)
{
	struct id sign_ins[DEVICES_LOOK_AT];
	size_t n = 0;

	for (struct events_conn *conn = person->conns; conn && n < ARRAY_LEN(sign_ins); conn = conn->next)
		sign_ins[n++] = conn->session;
	directory_set_devices(person->events->worker->directory, &person->id, sign_ins, n);
}

static void on_grace_over(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct person *person = arg;
	struct events *events = person->events;
	struct id id = person->id;

	(void)timer;
	(void)now_us;
	directory_set(events->worker->directory, &id, 0, PRESENCE_OFFLINE);
	person_free(person);
	if (directory_find(events->worker->directory, &id) == 0)
		presence_changed(&events->presence, &id);
}

static void on_orphans_due(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct events *events = arg;
	size_t len;
	const struct id *orphans = peers_orphans(events->worker->peers, &len);

	(void)timer;
	(void)now_us;
	for (size_t i = 0; i < len; i++) {
		if (directory_find(events->worker->directory, &orphans[i]) == 0)
			presence_changed(&events->presence, &orphans[i]);
	}
}

/* Connections */

static void waiting_drop(struct events_conn *conn)
{
	while (conn->first) {
		struct waiting *w = conn->first;
		conn->first = w->next;
		ws_message_unref(w->message);
		free(w);
	}
	conn->last = &conn->first;
	conn->waiting = 0;
}

static void conn_doom(struct events_conn *conn, uint16_t code)
{
	if (!conn->doomed)
		conn->doom = code;
	conn->doomed = true;
	waiting_drop(conn);
}

static void conn_send(struct events_conn *conn, struct ws_message *message)
{
	struct events *events = conn->person->events;

	if (conn->ws) {
		if (ws_send(conn->ws, message) == 0)
			stat_add(&events->worker->counters->events_sent, 1);
		return;
	}
	struct waiting *w = conn->doomed || conn->waiting == WAITING_MAX ? NULL : malloc(sizeof(*w));
	if (!w) {
		conn_doom(conn, CLOSE_TRY_AGAIN);
		return;
	}
	w->next = NULL;
	w->message = ws_message_ref(message);
	*conn->last = w;
	conn->last = &w->next;
	conn->waiting++;
}

int events_open(struct events *events, const struct id *user_id, const struct id *session_id,
		struct events_conn **ret_conn)
{
	struct worker *worker = events->worker;

	if (worker->conf.limits.websockets && events->conns >= worker->conf.limits.websockets)
		return -ENOSPC;
	struct events_conn *conn = calloc(1, sizeof(*conn));
	struct person *person = person_find(events, user_id);
	bool comes = !person && directory_find(worker->directory, user_id) == 0;
	if (conn && !person)
		person = person_new(events, user_id);
	if (!conn || !person) {
		free(conn);
		return -ENOMEM;
	}
	int err = directory_set(worker->directory, user_id, person->conns_len + 1, PRESENCE_ONLINE);
	if (err < 0) {
		if (person->conns_len == 0 && !person->grace.loop)
			person_free(person);
		free(conn);
		return err;
	}
	loop_timer_stop(&person->grace);
	conn->person = person;
	conn->session = *session_id;
	conn->last = &conn->first;
	conn->next = person->conns;
	person->conns = conn;
	person->conns_len++;
	events->conns++;
	devices_tell(person);
	if (comes)
		presence_changed(&events->presence, user_id);
	*ret_conn = conn;
	return 0;
}

void events_ready(struct events_conn *conn, struct ws *ws, const char *hello, size_t len)
{
	conn->ws = ws;
	if (conn->doomed) {
		ws_close(ws, conn->doom, conn->doom == CLOSE_SIGNED_OUT ? "signed out" : "try again");
		return;
	}
	ws_send_text(ws, hello, len);
	for (struct waiting *w = conn->first; w; w = w->next)
		conn_send(conn, w->message);
	waiting_drop(conn);
}

struct worker *events_conn_worker(const struct events_conn *conn)
{
	return conn->person->events->worker;
}

const struct id *events_conn_user(const struct events_conn *conn)
{
	return &conn->person->id;
}

void events_closed(struct events_conn *conn)
{
	struct person *person = conn->person;
	struct events *events = person->events;
	struct events_conn **at = &person->conns;

	while (*at != conn)
		at = &(*at)->next;
	*at = conn->next;
	waiting_drop(conn);
	free(conn);
	events->conns--;
	/* Whoever has no page any more still counts as here for a moment. */
	if (--person->conns_len > 0) {
		directory_set(events->worker->directory, &person->id, person->conns_len, PRESENCE_ONLINE);
		devices_tell(person);
	} else if (loop_timer_start(events->worker->loop, &person->grace, clock_now_us() + OFFLINE_GRACE_US,
				    on_grace_over, person) < 0) {
		on_grace_over(&person->grace, 0, person);
	}
}

/* Delivery */

/* An event on its way to this worker's pages; its frame is made when the first one wants it. */
struct delivery {
	const char *json;
	size_t len;
	const struct id *except, *only; /* none: no matter */
	struct ws_message *message;
};

static void deliver_to(struct events *events, const struct id *user, struct delivery *d)
{
	struct person *person = person_find(events, user);

	for (struct events_conn *conn = person ? person->conns : NULL; conn; conn = conn->next) {
		if (!id_is_none(d->except) && id_equal(&conn->session, d->except))
			continue;
		if (!id_is_none(d->only) && !id_equal(&conn->session, d->only))
			continue;
		if (!d->message)
			d->message = ws_message_new(d->json, d->len);
		if (d->message)
			conn_send(conn, d->message);
	}
}

static void deliver(struct events *events, const struct id *users, size_t users_len, const struct id *except,
		    const struct id *only, const char *json, size_t len)
{
	struct delivery d = { .json = json, .len = len, .except = except, .only = only };

	for (size_t i = 0; i < users_len; i++)
		deliver_to(events, &users[i], &d);
	ws_message_unref(d.message);
}

static void close_session_here(struct events *events, const struct id *user, const struct id *session)
{
	struct person *person = person_find(events, user);

	for (struct events_conn *conn = person ? person->conns : NULL; conn; conn = conn->next) {
		if (!id_equal(&conn->session, session))
			continue;
		if (conn->ws)
			ws_close(conn->ws, CLOSE_SIGNED_OUT, "signed out");
		else
			conn_doom(conn, CLOSE_SIGNED_OUT);
	}
}

/* To the other workers that have one of these people: each gets one message, with its people only. */
static void relay(struct events *events, enum relay_kind kind, const struct id *users, size_t users_len,
		  const struct id *except, const struct id *only, const char *json, size_t len)
{
	struct worker *worker = events->worker;
	struct relay head = { .kind = kind, .except = *except, .only = *only };
	uint64_t masks[64];
	struct buf data = { 0 };

	for (size_t first = 0; first < users_len; first += ARRAY_LEN(masks)) {
		size_t n = MIN(users_len - first, ARRAY_LEN(masks));
		uint64_t all = 0;
		for (size_t i = 0; i < n; i++)
			all |= masks[i] = directory_find(worker->directory, &users[first + i]);
		for (unsigned k = 0; k < worker->workers; k++) {
			if (k == worker->index || !(all >> k & 1))
				continue;
			buf_clear(&data);
			head.users = 0;
			for (size_t i = 0; i < n; i++)
				head.users += masks[i] >> k & 1;
			buf_append(&data, &head, sizeof(head));
			for (size_t i = 0; i < n; i++) {
				if (masks[i] >> k & 1)
					buf_append(&data, &users[first + i], sizeof(users[0]));
			}
			buf_append(&data, json, len);
			if (!data.failed && peers_to_worker(worker->peers, k, data.data, data.len) == 0)
				stat_add(&worker->counters->events_relayed, 1);
		}
	}
	buf_fini(&data);
}

static void send_event(struct events *events, const struct id *users, size_t users_len, const struct id *except,
		       const struct id *only, const char *json, size_t len)
{
	deliver(events, users, users_len, except, only, json, len);
	relay(events, RELAY_EVENT, users, users_len, except, only, json, len);
}

void events_send(struct events *events, const struct id *user_ids, size_t users_len, const char *json, size_t len)
{
	static const struct id none;

	if (events)
		send_event(events, user_ids, users_len, &none, &none, json, len);
}

void events_close_session(struct events *events, const struct id *user_id, const struct id *session_id)
{
	static const struct id none;

	if (!events)
		return;
	close_session_here(events, user_id, session_id);
	relay(events, RELAY_CLOSE_SESSION, user_id, 1, &none, session_id, NULL, 0);
}

void events_on_peer(struct events *events, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	struct relay head;

	if (len < sizeof(head))
		return;
	memcpy(&head, bytes, sizeof(head));
	if (head.users > USERS_MAX || len - sizeof(head) < head.users * sizeof(struct id))
		return;
	const struct id *users = (const struct id *)(bytes + sizeof(head)); /* bytes only: any alignment will do */
	size_t used = sizeof(head) + head.users * sizeof(struct id);
	if (head.kind == RELAY_EVENT)
		deliver(events, users, head.users, &head.except, &head.only, (const char *)bytes + used, len - used);
	else if (head.kind == RELAY_CLOSE_SESSION && head.users == 1)
		close_session_here(events, &users[0], &head.only);
}

/* The notify column */

static void write_json(struct json_out *o, const char *key, const struct json *node)
{
	switch (node->type) {
	case JSON_NULL:
		json_out_null(o, key);
		break;
	case JSON_BOOL:
		json_out_bool(o, key, node->boolean);
		break;
	case JSON_INT:
		json_out_int(o, key, node->integer);
		break;
	case JSON_DOUBLE:
		json_out_int(o, key, (int64_t)node->real); /* no event has any */
		break;
	case JSON_STRING:
		json_out_string_n(o, key, node->string.text, node->string.len);
		break;
	case JSON_ARRAY:
		json_out_array(o, key);
		for (const struct json *item = node->list.first; item; item = item->next)
			write_json(o, NULL, item);
		json_out_array_end(o);
		break;
	case JSON_OBJECT:
		json_out_object(o, key);
		for (const struct json *member = node->list.first; member; member = member->next)
			write_json(o, member->key, member);
		json_out_object_end(o);
		break;
	}
}

static struct id id_of(const struct json *text)
{
	struct id id = { 0 };

	if (text && text->type == JSON_STRING)
		id_parse(text->string.text, text->string.len, &id);
	return id;
}

static void notify_one(struct events *events, struct arena *arena, const struct json *item)
{
	const struct json *to = json_get(item, "to"), *event = json_get(item, "event");
	struct id except = id_of(json_get(item, "not")), only = id_of(json_get(item, "only"));
	struct buf json = { 0 };
	struct json_out o;

	if (to && to->type == JSON_ARRAY && to->list.first && json_get(item, "close")) {
		struct id user = id_of(to->list.first), session = id_of(json_get(item, "close"));
		events_close_session(events, &user, &session);
		return;
	}
	if (!to || to->type != JSON_ARRAY || !event || event->type != JSON_OBJECT || to->list.len > USERS_MAX)
		return;
	struct id *users = arena_alloc(arena, MAX(to->list.len, 1) * sizeof(*users));
	size_t n = 0;
	for (const struct json *user = to->list.first; users && user; user = user->next)
		users[n++] = id_of(user);
	json_out_init(&o, &json);
	write_json(&o, NULL, event);
	if (users && !json.failed)
		send_event(events, users, n, &except, &only, (const char *)json.data, json.len);
	buf_fini(&json);
}

void events_send_notify(struct events *events, const char *notify_json)
{
	struct arena arena = { .limit = NOTIFY_ARENA_MAX };
	struct buf filled = { 0 };
	struct json_error error = { 0 };
	struct json *doc;

	if (!events || !notify_json)
		return;
	presence_fill(events->worker, notify_json, strlen(notify_json), &filled);
	int err = filled.failed ? -ENOMEM : json_parse(&arena, (const char *)filled.data, filled.len, &doc, &error);
	if (err == 0 && doc->type == JSON_ARRAY) {
		for (const struct json *item = doc->list.first; item; item = item->next) {
			if (item->type == JSON_OBJECT)
				notify_one(events, &arena, item);
		}
	} else {
		stat_add(&events->worker->counters->events_dropped, 1);
		log_error("events: the database's events cannot be read (%s); pages refetch later",
			  error.detail ? error.detail
			  : err < 0    ? strerror(-err)
				       : "no list");
	}
	buf_fini(&filled);
	arena_fini(&arena);
}

/* Start */

int events_start(struct worker *worker, struct events **ret_events)
{
	struct events *events = calloc(1, sizeof(*events));
	size_t orphans;

	if (!events)
		return -ENOMEM;
	events->worker = worker;
	presence_init(&events->presence, worker);
	events->buckets_len = BUCKETS_FIRST;
	events->buckets = calloc(events->buckets_len, sizeof(struct person *));
	if (!events->buckets) {
		free(events);
		return -ENOMEM;
	}
	peers_orphans(worker->peers, &orphans);
	if (orphans > 0)
		loop_timer_start(worker->loop, &events->orphans_timer, clock_now_us() + ORPHANS_WAIT_US, on_orphans_due,
				 events);
	*ret_events = events;
	return 0;
}

struct events *events_stop(struct events *events)
{
	if (!events)
		return NULL;
	presence_fini(&events->presence);
	loop_timer_stop(&events->orphans_timer);
	/* Connections are gone by now. Who was here stays in the directory: the next worker in this place finds
	 * out whether they came back. */
	for (size_t i = 0; i < events->buckets_len; i++) {
		while (events->buckets[i]) {
			struct person *person = events->buckets[i];
			while (person->conns) {
				struct events_conn *conn = person->conns;
				person->conns = conn->next;
				waiting_drop(conn);
				free(conn);
			}
			person_free(person);
		}
	}
	free(events->buckets);
	free(events);
	return NULL;
}
