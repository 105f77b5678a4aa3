#include "workers/order.h"

#include <stdlib.h>
#include <string.h>

#define ORDER_CALLS_FIRST 2

_Static_assert(ORDER_CALLS % ORDER_CALLS_FIRST == 0, "doubled until it is reached");

void order_fini(struct order *order)
{
	free(order->calls);
	*order = (struct order){ 0 };
}

static struct order_call *find(const struct order *order, const struct id *call)
{
	for (uint32_t i = 0; i < order->len; i++) {
		if (id_equal(&order->calls[i].call, call))
			return &order->calls[i];
	}
	return NULL;
}

/* Most pages hear of one or two calls in their life. */
static bool has_room(struct order *order)
{
	uint32_t cap = order->cap ? order->cap * 2 : ORDER_CALLS_FIRST;

	if (order->len < order->cap)
		return true;
	if (order->cap == ORDER_CALLS)
		return false;
	struct order_call *calls = realloc(order->calls, cap * sizeof(*calls));
	if (!calls)
		return false;
	order->calls = calls;
	order->cap = cap;
	return true;
}

/* A place for this call; NULL: out of memory. */
static struct order_call *place(struct order *order, const struct id *call)
{
	struct order_call *at = find(order, call);

	if (at)
		return at;
	if (has_room(order))
		return &order->calls[order->len++];
	if (order->len == 0)
		return NULL;
	at = &order->calls[0];
	for (uint32_t i = 1; i < order->len; i++) {
		/* The clock may wrap. */
		if (order->clock - order->calls[i].heard > order->clock - at->heard)
			at = &order->calls[i];
	}
	return at;
}

static void note(struct order *order, const struct id *call, uint32_t version)
{
	struct order_call *at = place(order, call);

	if (at)
		*at = (struct order_call){ .call = *call, .version = version, .heard = ++order->clock, .told = 1 };
}

void order_begin(struct order *order, const char *calls)
{
	for (uint32_t i = 0; i < order->len; i++)
		order->calls[i].told = 0;
	for (const char *at = calls; at && strlen(at) > ID_TEXT_LEN + 1;) {
		struct id call;
		char *end;
		if (id_parse(at, ID_TEXT_LEN, &call) < 0)
			return;
		note(order, &call, (uint32_t)strtoul(at + ID_TEXT_LEN + 1, &end, 10));
		at = *end == ' ' ? end + 1 : end;
	}
}

enum order_verdict order_take(struct order *order, const struct order_key *key)
{
	if (id_is_none(&key->call))
		return ORDER_SEND;
	struct order_call *known = find(order, &key->call);
	if (known && key->version < known->version)
		return ORDER_DROP;
	if (!key->whole && (!known || !known->told || key->version > known->version + 1))
		return ORDER_WAIT;
	note(order, &key->call, key->version);
	return ORDER_SEND;
}
