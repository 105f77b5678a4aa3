/* workers/events_internal.h - what events.c does for events_notify.c. */
#ifndef PARLEY_WORKERS_EVENTS_INTERNAL_H
#define PARLEY_WORKERS_EVENTS_INTERNAL_H

#include "workers/order.h"

#include <stddef.h>

#define EVENTS_USERS_MAX 4096 /* of one event */

struct events;
struct worker;

struct worker *events_worker(const struct events *events);
/* except and only: a sign-in, or none. key->call none: in any order. */
void events_send_ordered(struct events *events, const struct id *users, size_t users_len, const struct id *except,
			 const struct id *only, const struct order_key *key, const char *json, size_t len);
/* How this person is seen may have changed. */
void events_presence_tell(struct events *events, const struct id *user);

#endif
