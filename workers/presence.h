/* workers/presence.h - what people see of each other: online, busy, away, offline.
 *
 * Who is connected stands in the directory, who is in a call in the database. So SQL writes a mark,
 * "presence": "@UUID"; "!UUID" for somebody in a call, "#UUID" and "~UUID" for somebody who wants to be busy or away
 * while connected; and presence_fill() puts the word in before an answer or event leaves. When somebody comes or goes,
 * or a call begins or ends for them, the statement presence_notify names the contacts to be told. One worker asks it
 * for one person (events.c), one statement at a time: each answer is younger than the one before, so the last that a
 * page hears is the truth.
 *
 * Callers: the worker's only thread. */
#ifndef PARLEY_WORKERS_PRESENCE_H
#define PARLEY_WORKERS_PRESENCE_H

#include "lib/buf.h"
#include "lib/ids.h"
#include "lib/loop.h"

struct worker;

/* People whose contacts are to be told; inside its owner (events.c). */
struct presence_news {
	struct worker *worker;
	struct loop_timer timer;
	struct id *people;
	size_t len, cap;
	size_t asked; /* the first so many are being asked about */
};

void presence_init(struct presence_news *news, struct worker *worker);
void presence_fini(struct presence_news *news);
/* This person came or went. Told a little later, so that many become one statement; while the database is away
 * they wait. */
void presence_changed(struct presence_news *news, const struct id *user);
/* Appends json to ret with all marks filled in. */
void presence_fill(const struct worker *worker, const char *json, size_t len, struct buf *ret);
/* The hello from what parley_hello() says. -ENOMEM. */
int presence_hello(const struct worker *worker, const char *json, struct buf *ret);

#endif
