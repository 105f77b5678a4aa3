/* tools/load/signalling.h - how participants and a server agree on media, one implementation a kind of server: parley.c
 * (accounts, HTTPS, WebSocket) and janus.c (VideoRoom, HTTP).
 *
 * A function does one step of one person (person.h) and returns at once. When the step is done, the person's state says
 * so: start ▶ PERSON_READY; call, join and watch ▶ PERSON_CONNECTED (by person's own media callbacks). A step that
 * fails: PERSON_FAILED, with the reason in person->error. NULL: there is no such step.
 *
 * Which transport is for what: the person's `media` sends, and receives too unless `watch` is there for that. */
#ifndef PARLEY_LOAD_SIGNALLING_H
#define PARLEY_LOAD_SIGNALLING_H

#include <stdint.h>

struct people;
struct person;

struct signalling {
	const char *name;
	const char *path; /* of requests, behind the server's URL */
	/* Once, when all people are there. -errno. */
	int (*open)(struct people *people);
	void (*close)(struct people *people);
	void (*start)(struct person *p);
	/* Both ask, so both are contacts; p->error when it fails, done when it is so. */
	void (*befriend)(struct person *p, struct person *other, void (*done)(struct person *p));
	/* Begins a call with these people, and takes part in it. */
	void (*call)(struct person *p, const struct person *invited, unsigned len);
	void (*join)(struct person *p, const struct person *host);
	/* What the others publish, when all are there; only where joining does not bring it. */
	void (*watch)(struct person *p);
	void (*end_call)(struct person *p);
	/* What was made for this run goes. */
	void (*remove)(struct person *p);
	void (*tick)(struct person *p);
	void (*fini)(struct person *p);
	/* Requests that will be answered yet. */
	unsigned (*pending)(const struct people *people);
};

extern const struct signalling signalling_parley, signalling_janus;

#endif
