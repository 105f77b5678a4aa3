#include "tools/load/person.h"

#include <stdarg.h>
#include <stdio.h>

const char *const person_event_name[PERSON_EVENTS] = {
	"hello",	 "presence",   "contact",	"call.ringing", "call.answered_elsewhere",
	"call.updated",	 "call.ended", "member.joined", "member.left",	"member.updated",
	"seats",	 "speaker",    "quality",	"layers",	"media.lost",
	"server.moving", "other",
};

void person_fail(struct person *p, const char *fmt, ...)
{
	va_list args;

	if (p->state == PERSON_FAILED)
		return;
	va_start(args, fmt);
	vsnprintf(p->error, sizeof(p->error), fmt, args);
	va_end(args);
	p->state = PERSON_FAILED;
}

void person_count(struct person *p, const struct api_answer *answer)
{
	p->traffic.requests++;
	p->traffic.http_sent += answer->sent;
	p->traffic.http_received += answer->received;
}

/* ---- media ---- */

static void on_connected(struct media *m, int64_t now_us)
{
	struct person *p = m->arg;

	if (p->state == PERSON_FAILED)
		return;
	p->state = PERSON_CONNECTED;
	if (p->connected_us == 0)
		p->connected_us = now_us;
}

static void on_failed(struct media *m, const char *why)
{
	person_fail(m->arg, "media: %s", why);
}

static void on_keyframe(struct media *m, uint32_t publisher, int64_t now_us)
{
	struct person *p = m->arg;

	if (p->picture_us == 0)
		p->picture_us = now_us;
	p->people->ops->on_keyframe(p, publisher, now_us);
}

static const struct id *person_of(struct media *m, uint32_t publisher)
{
	const struct people *people = ((struct person *)m->arg)->people;

	return publisher < people->len ? &people->person[publisher].id : NULL;
}

void person_init(struct person *p)
{
	static const struct media_ops ops = { on_connected, on_failed, on_keyframe, person_of };
	bool apart = p->people->signalling->watch != NULL;

	p->people->media.ops = &ops;
	p->media = (struct media){
		.settings = &p->people->media, .arg = p, .index = p->index, .sends = p->publishes, .receives = !apart
	};
	p->watch = (struct media){ .settings = &p->people->media, .arg = p, .index = p->index, .receives = true };
}

void person_joins(struct person *p)
{
	p->state = PERSON_JOINING;
	p->join_us = clock_now_us();
	p->connected_us = 0;
}

void person_speak(struct person *p, bool speaks)
{
	p->speaks = speaks;
	media_speak(&p->media, speaks);
}

void person_tick(struct person *p, int64_t now_us)
{
	if (p->people->signalling->tick)
		p->people->signalling->tick(p);
	if (p->state == PERSON_FAILED)
		return;
	media_tick(&p->media, now_us);
	media_tick(&p->watch, now_us);
}

void person_stop_sending(struct person *p)
{
	media_stop(&p->media);
}

/* ---- figures ---- */

struct traffic person_traffic(const struct person *p)
{
	struct traffic sum = p->traffic;

	if (p->ws) {
		sum.ws_sent += ws_bytes(p->ws)->sent;
		sum.ws_opening += ws_bytes(p->ws)->handshake;
	}
	return sum;
}

struct receiver_counts person_received(const struct person *p)
{
	struct receiver_counts sum = { 0 };

	media_received_add(&p->media, &sum);
	media_received_add(&p->watch, &sum);
	return sum;
}

struct publisher_counts person_sent(const struct person *p)
{
	struct publisher_counts sum = { 0 };

	media_sent_add(&p->media, &sum);
	media_sent_add(&p->watch, &sum);
	return sum;
}

const char *person_profile(const struct person *p)
{
	const struct media *m = p->watch.peer ? &p->watch : &p->media;

	return m->peer ? peer_profile(m->peer) : "";
}

void person_fini(struct person *p)
{
	if (p->people && p->people->signalling->fini)
		p->people->signalling->fini(p);
	media_close(&p->media);
	media_close(&p->watch);
}
