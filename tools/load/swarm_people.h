/* tools/load/swarm_people.h - the accounts behind a swarm's WebSockets, and who tells them what.
 *
 * The first one is the hub: everybody else is its contact, and nobody has another. So what is to be heard of the hub
 * goes to all: its status by `presence`, its words by `message`. The words are left in a call that nobody answered
 * (ten of them at most): no call is under way while something is measured.
 *
 *   people_prepare()  sign-ins (from tokens, or made), ids, contacts, the call: `ready`, or *error says why not
 *   people_say(…)     one event for all
 *   people_delete()   accounts that were made are deleted again
 *
 * Callers:   the swarm, on its loop. Nothing blocks; `busy` counts the requests under way. */
#ifndef PARLEY_LOAD_SWARM_PEOPLE_H
#define PARLEY_LOAD_SWARM_PEOPLE_H

#include "lib/ids.h"
#include "tools/load/api.h"
#include "tools/load/swarm_page.h"

#define SWARM_WORDS_MAX 10

struct swarm_people;

struct swarm_person {
	struct swarm_people *people;
	struct page_owner owner;
	char username[33], password[33];
	char id[ID_TEXT_LEN + 1];
	bool made;
};

struct swarm_people {
	struct api *api;
	struct swarm_person *person;
	unsigned len;
	unsigned next, busy; /* of this step */
	unsigned step;
	bool ready;
	uint32_t run;
	char call[ID_TEXT_LEN + 1];
	char error[200];
};

/* What one of them is told by. */
enum swarm_kind { SWARM_PRESENCE, SWARM_CHAT, SWARM_KINDS };

int people_init(struct swarm_people *people, struct api *api, unsigned len, const char *tokens);
void people_fini(struct swarm_people *people);
/* Goes on with it; to be called again and again until ready or *error. */
void people_prepare(struct swarm_people *people);
/* Message `number`, from 1 on. */
void people_say(struct swarm_people *people, enum swarm_kind kind, uint32_t number);
/* Is this event that message? */
bool people_is(const struct swarm_people *people, enum swarm_kind kind, uint32_t number, const char *text, size_t len);
/* Does this one hear messages of that kind? */
bool people_hears(const struct swarm_people *people, enum swarm_kind kind, unsigned index);
void people_delete(struct swarm_people *people);

#endif
