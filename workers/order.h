/* workers/order.h - in which order one WebSocket hears of a call.
 *
 * Two transitions of a call may be made by two workers; the database puts them in an order (calls.version), but their
 * events travel by themselves and overtake each other. Here they are put in order again, for each WebSocket:
 *
 *   whole    call.*: the call in full; nothing older matters once it was sent
 *   partial  member.*: changes one thing; goes only to a page that has all before it
 *
 *                  older than known    known or the next    a gap before it, or nothing known
 *   whole          ORDER_DROP          ORDER_SEND           ORDER_SEND
 *   partial        ORDER_DROP          ORDER_SEND           ORDER_WAIT
 *
 * Callers:   events.c, one thread. After each ORDER_SEND what waits is asked about again; what waits too long is
 *            asked of the database (statement call_tell).
 * Limits:    ORDER_CALLS calls a WebSocket, the one that was quiet longest is forgotten (earlier when memory is short);
 *            whole events of such a call pass, partial ones wait. Memory comes with the calls. */
#ifndef PARLEY_WORKERS_ORDER_H
#define PARLEY_WORKERS_ORDER_H

#include "lib/ids.h"

#define ORDER_CALLS 32

/* What an event says of itself. call none: any time is right. A contact or the own account count as calls whose every
 * event is whole; the call is the person then. */
struct order_key {
	struct id call;
	uint32_t version;
	uint32_t whole; /* 0 or 1 */
};

struct order_call {
	struct id call;
	uint32_t version;
	uint32_t heard; /* order.clock then */
	uint32_t told;	/* 0: of before the last hello, which did not tell of it: the page has begun anew without it */
};

/* Zeroed is ready. */
struct order {
	struct order_call *calls;
	uint32_t len, cap, clock;
};

enum order_verdict { ORDER_SEND, ORDER_WAIT, ORDER_DROP };

void order_fini(struct order *order);
/* A hello tells of these: "UUID VERSION UUID VERSION …"; NULL: none. It is younger than all that was sent before, and a
 * page forgets with it every other call: of those nothing older is sent, and nothing partial before something whole. */
void order_begin(struct order *order, const char *calls);
/* ORDER_SEND: it counts as sent. Out of memory: partial ones wait, until the database was asked often enough. */
enum order_verdict order_take(struct order *order, const struct order_key *key);

#endif
