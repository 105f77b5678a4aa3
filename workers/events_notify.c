/* The notify column of the SQL functions: what it says, to whom, in which order. */
#include "workers/events.h"

#include "lib/log.h"
#include "shm/stats.h"
#include "workers/events_internal.h"
#include "workers/json.h"
#include "workers/presence.h"
#include "workers/worker.h"

#include <string.h>

#define NOTIFY_ARENA_MAX (16u << 20)

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

/* A change of a call, or the newest of a contact or of the own account ("order" beside the event). */
static struct order_key key_of(const struct json *item, const struct json *event)
{
	const struct json *version = json_get(event, "version"), *number = json_get(item, "order");
	const struct json *me = json_get(event, "me");

	if (number && number->type == JSON_INT)
		return (struct order_key){ .call = id_of(me && me->type == JSON_OBJECT ? json_get(me, "id")
										       : json_get(event, "user_id")),
					   .version = (uint32_t)number->integer,
					   .whole = true };
	if (!version || version->type != JSON_INT)
		return (struct order_key){ 0 };
	return (struct order_key){ .call = id_of(json_get(event, "call_id")),
				   .version = (uint32_t)version->integer,
				   .whole = json_get(event, "call") != NULL };
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
	const struct json *seen = json_get(item, "presence");
	for (const struct json *user = seen && seen->type == JSON_ARRAY ? seen->list.first : NULL; user;
	     user = user->next) {
		struct id id = id_of(user);
		if (!id_is_none(&id))
			events_presence_tell(events, &id);
	}
	if (!to || to->type != JSON_ARRAY || !event || event->type != JSON_OBJECT || to->list.len > EVENTS_USERS_MAX)
		return;
	struct id *users = arena_alloc(arena, MAX(to->list.len, 1) * sizeof(*users));
	size_t n = 0;
	for (const struct json *user = to->list.first; users && user; user = user->next)
		users[n++] = id_of(user);
	struct order_key key = key_of(item, event);
	json_out_init(&o, &json);
	write_json(&o, NULL, event);
	if (users && !json.failed)
		events_send_ordered(events, users, n, &except, &only, &key, (const char *)json.data, json.len);
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
	presence_fill(events_worker(events), notify_json, strlen(notify_json), &filled);
	int err = filled.failed ? -ENOMEM : json_parse(&arena, (const char *)filled.data, filled.len, &doc, &error);
	if (err == 0 && doc->type == JSON_ARRAY) {
		for (const struct json *item = doc->list.first; item; item = item->next) {
			if (item->type == JSON_OBJECT)
				notify_one(events, &arena, item);
		}
	} else {
		stat_add(&events_worker(events)->counters->events_dropped, 1);
		log_error("events: the database's events cannot be read (%s); pages refetch later",
			  error.detail ? error.detail
			  : err < 0    ? strerror(-err)
				       : "no list");
	}
	buf_fini(&filled);
	arena_fini(&arena);
}
