#include "workers/events.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "shm/directory.h"
#include "shm/msg.h"
#include "workers/db.h"
#include "workers/events_conn.h"
#include "workers/events_internal.h"
#include "workers/peers.h"
#include "workers/presence.h"
#include "workers/worker.h"
#include "workers/ws.h"

#include <stdlib.h>
#include <string.h>

#define OFFLINE_GRACE_US (2 * USEC_PER_SEC) /* a page that is loaded anew does not blink */
#define ORPHANS_WAIT_US	 (5 * USEC_PER_SEC) /* pages of a dead worker come back within three */
/* What a dead worker had asked of the database is done soon after, or at statement_timeout. */
#define LOST_WAIT_US	 USEC_PER_SEC
#define LOST_AGAIN_US	 (5 * USEC_PER_SEC)
#define REFRESH_EVERY_US (10 * USEC_PER_MSEC)
#define REFRESH_BATCH	 2
#define DEVICES_LOOK_AT	 64 /* connections of one person */
#define CLOSE_SIGNED_OUT 4401
#define CLOSE_TRY_AGAIN	 1013
#define BUCKETS_FIRST	 256
#define RELAY_USERS	 1024 /* in one message to another worker … */
#define RELAY_USERS_LONG 64   /* … and beside a long text */
#define RELAY_JSON_MAX	 (MSG_EVENT_MAX / 2)

_Static_assert(RELAY_USERS * sizeof(struct id) < MSG_EVENT_MAX / 4, "fits beside the text");

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
	uint64_t numbers;
	struct presence_news presence;
	struct loop_timer orphans_timer;
	struct loop_timer lost_timer;
	struct loop_timer refresh_timer;
	size_t refresh_at; /* the next bucket */
};

/* What goes over the ring: this, for RELAY_CALL_EVENT a struct order_key, the ids of the people, the JSON text. */
enum relay_kind {
	RELAY_EVENT = 1,
	RELAY_CLOSE_SESSION = 2,
	RELAY_CALL_EVENT = 3, /* one with a key */
	RELAY_PRESENCE = 4,   /* these people came, went, or are in a call or not */
	RELAY_LOST = 5,	      /* a worker died, and with it perhaps events of what it had changed */
};

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

/* What is told of one person is asked and sent by one worker, or an older answer might come last. */
void events_presence_tell(struct events *events, const struct id *user)
{
	struct worker *worker = events->worker;
	unsigned home = (unsigned)(hash_bytes(user->b, sizeof(user->b)) >> 32) % worker->workers;
	struct {
		struct relay head;
		struct id user;
	} data = { .head = { .kind = RELAY_PRESENCE, .users = 1 }, .user = *user };

	if (home == worker->index || !worker->peers || peers_to_worker(worker->peers, home, &data, sizeof(data)) < 0)
		presence_changed(&events->presence, user);
}

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
	/* Also when another worker has pages of this person: those may be going at this moment, too. */
	events_presence_tell(events, &id);
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
			events_presence_tell(events, &orphans[i]);
	}
}

/* Connections */

int events_open(struct events *events, const struct id *user_id, const struct id *session_id,
		struct events_conn **ret_conn)
{
	struct worker *worker = events->worker;

	if (worker->conf.limits.websockets && events->conns >= worker->conf.limits.websockets)
		return -ENOSPC;
	struct events_conn *conn = events_conn_new(worker, user_id, session_id);
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
	conn->number = ++events->numbers;
	conn->next = person->conns;
	person->conns = conn;
	person->conns_len++;
	events->conns++;
	devices_tell(person);
	if (comes)
		events_presence_tell(events, user_id);
	*ret_conn = conn;
	return 0;
}

void events_ready(struct events_conn *conn, struct ws *ws, const char *hello, size_t len, const char *calls)
{
	conn->ws = ws;
	if (conn->doomed) {
		ws_close(ws, conn->doom, conn->doom == CLOSE_SIGNED_OUT ? "signed out" : "try again");
		return;
	}
	events_conn_hello(conn, hello, len, calls);
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
	events_conn_free(conn);
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
	const struct order_key *key;
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
			events_conn_send(conn, d->message, d->key);
	}
}

static void deliver(struct events *events, const struct id *users, size_t users_len, const struct id *except,
		    const struct id *only, const struct order_key *key, const char *json, size_t len)
{
	struct delivery d = { .json = json, .len = len, .except = except, .only = only, .key = key };

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
		events_conn_doom(conn, CLOSE_SIGNED_OUT, "signed out");
	}
}

/* To the other workers that have one of these people: each gets one message, with its people only, from which it makes
 * one frame; more than one when there are very many. */
static void relay(struct events *events, enum relay_kind kind, const struct id *users, size_t users_len,
		  const struct id *except, const struct id *only, const struct order_key *key, const char *json,
		  size_t len)
{
	struct worker *worker = events->worker;
	struct relay head = { .kind = kind, .except = *except, .only = *only };
	uint64_t masks[RELAY_USERS];
	struct buf data = { 0 };
	size_t room = len < RELAY_JSON_MAX ? RELAY_USERS : RELAY_USERS_LONG, n;

	for (size_t first = 0; first < users_len; first += n) {
		n = MIN(users_len - first, room);
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
			if (kind == RELAY_CALL_EVENT)
				buf_append(&data, key, sizeof(*key));
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

void events_send_ordered(struct events *events, const struct id *users, size_t users_len, const struct id *except,
			 const struct id *only, const struct order_key *key, const char *json, size_t len)
{
	deliver(events, users, users_len, except, only, key, json, len);
	relay(events, id_is_none(&key->call) ? RELAY_EVENT : RELAY_CALL_EVENT, users, users_len, except, only, key,
	      json, len);
}

static const struct id nobody;
static const struct order_key any_time;

void events_send(struct events *events, const struct id *user_ids, size_t users_len, const char *json, size_t len)
{
	if (events)
		events_send_ordered(events, user_ids, users_len, &nobody, &nobody, &any_time, json, len);
}

void events_close_session(struct events *events, const struct id *user_id, const struct id *session_id)
{
	if (!events)
		return;
	close_session_here(events, user_id, session_id);
	relay(events, RELAY_CLOSE_SESSION, user_id, 1, &nobody, session_id, &any_time, NULL, 0);
}

/* Another hello, as after a reconnect */

struct refresh {
	struct worker *worker;
	struct id user;
	uint64_t number;
};

static void on_refreshed(const struct db_result *result, void *arg)
{
	struct refresh *r = arg;
	struct events *events = r->worker->events;
	struct person *person = events ? person_find(events, &r->user) : NULL;
	struct events_conn *conn = person ? person->conns : NULL;
	const char *body = result->error == DB_OK && result->rows > 0 ? db_text(result, 0, "body") : NULL;
	struct buf hello = { 0 };

	while (conn && conn->number != r->number)
		conn = conn->next;
	free(r);
	if (!conn)
		return;
	if (result->error == DB_OK && result->rows == 0)
		events_conn_doom(conn, CLOSE_SIGNED_OUT, "signed out");
	else if (body && presence_hello(events->worker, body, &hello) == 0)
		events_conn_hello(conn, (const char *)hello.data, hello.len, db_text(result, 0, "calls"));
	else
		events_conn_doom(conn, CLOSE_TRY_AGAIN, "try again");
	buf_fini(&hello);
}

static void refresh_conn(struct events_conn *conn)
{
	struct worker *worker = conn->person->events->worker;
	char user[ID_TEXT_LEN + 1], session[ID_TEXT_LEN + 1];
	struct refresh *r = conn->ws && !conn->refreshing ? malloc(sizeof(*r)) : NULL;

	if (!r)
		return;
	*r = (struct refresh){ worker, conn->person->id, conn->number };
	const char *params[] = { id_format(&r->user, user), id_format(&conn->session, session) };
	if (db_exec(worker->db, "hello", DB_IDEMPOTENT, params, ARRAY_LEN(params), on_refreshed, r) == 0)
		events_conn_wait(conn);
	else
		free(r);
}

/* A few at a time; whoever comes meanwhile has a fresh hello anyway. */
static void on_refresh(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct events *events = arg;
	unsigned asked = 0;

	for (; events->refresh_at < events->buckets_len && asked < REFRESH_BATCH; events->refresh_at++) {
		for (struct person *p = events->buckets[events->refresh_at]; p; p = p->next) {
			for (struct events_conn *conn = p->conns; conn; conn = conn->next, asked++)
				refresh_conn(conn);
		}
	}
	if (events->refresh_at < events->buckets_len)
		loop_timer_start(events->worker->loop, timer, now_us + REFRESH_EVERY_US, on_refresh, events);
}

static void refresh_all(struct events *events)
{
	if (!events->worker->db)
		return;
	log_info("events: some may be lost; %zu pages are told all anew", events->conns);
	events->refresh_at = 0;
	loop_timer_start(events->worker->loop, &events->refresh_timer, clock_now_us(), on_refresh, events);
}

void events_lost(struct events *events)
{
	struct relay head = { .kind = RELAY_LOST };

	if (!events)
		return;
	struct worker *worker = events->worker;
	for (unsigned k = 0; k < worker->workers; k++) {
		if (k != worker->index)
			peers_to_worker(worker->peers, k, &head, sizeof(head));
	}
	/* Those who came back at once may have had their hello before the last of it was done. */
	refresh_all(events);
}

static void on_lost_again(struct loop_timer *timer, int64_t now_us, void *arg)
{
	(void)timer;
	(void)now_us;
	events_lost(arg);
}

static void on_lost_due(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct events *events = arg;

	events_lost(events);
	loop_timer_start(events->worker->loop, timer, now_us + LOST_AGAIN_US, on_lost_again, events);
}

/* From other workers */

void events_on_peer(struct events *events, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	struct order_key key = { 0 };
	struct relay head;

	if (len < sizeof(head))
		return;
	memcpy(&head, bytes, sizeof(head));
	size_t used = sizeof(head);
	if (head.kind == RELAY_CALL_EVENT) {
		if (len - used < sizeof(key))
			return;
		memcpy(&key, bytes + used, sizeof(key));
		used += sizeof(key);
	}
	if (head.users > EVENTS_USERS_MAX || len - used < head.users * sizeof(struct id))
		return;
	const struct id *users = (const struct id *)(bytes + used); /* bytes only: any alignment will do */
	used += head.users * sizeof(struct id);
	if (head.kind == RELAY_EVENT || head.kind == RELAY_CALL_EVENT) {
		deliver(events, users, head.users, &head.except, &head.only, &key, (const char *)bytes + used,
			len - used);
	} else if (head.kind == RELAY_CLOSE_SESSION && head.users == 1) {
		close_session_here(events, &users[0], &head.only);
	} else if (head.kind == RELAY_PRESENCE) {
		for (size_t i = 0; i < head.users; i++)
			presence_changed(&events->presence, &users[i]);
	} else if (head.kind == RELAY_LOST) {
		refresh_all(events);
	}
}

/* Start */

struct worker *events_worker(const struct events *events)
{
	return events->worker;
}

struct presence_news *events_presence_news(struct events *events)
{
	return events ? &events->presence : NULL;
}

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
	if (stat_get(&worker->counters->unsaid))
		loop_timer_start(worker->loop, &events->lost_timer, clock_now_us() + LOST_WAIT_US, on_lost_due, events);
	stat_set(&worker->counters->unsaid, 1);
	*ret_events = events;
	return 0;
}

struct events *events_stop(struct events *events)
{
	if (!events)
		return NULL;
	presence_fini(&events->presence);
	loop_timer_stop(&events->orphans_timer);
	loop_timer_stop(&events->lost_timer);
	loop_timer_stop(&events->refresh_timer);
	/* Connections are gone by now. Who was here stays in the directory: the next worker in this place finds
	 * out whether they came back. */
	for (size_t i = 0; i < events->buckets_len; i++) {
		while (events->buckets[i]) {
			struct person *person = events->buckets[i];
			while (person->conns) {
				struct events_conn *conn = person->conns;
				person->conns = conn->next;
				events_conn_free(conn);
			}
			person_free(person);
		}
	}
	stat_set(&events->worker->counters->unsaid, 0);
	free(events->buckets);
	free(events);
	return NULL;
}
