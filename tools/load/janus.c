/* Signalling of Janus' VideoRoom, by its HTTP API: one session with a handle for each transport, and one long poll for
 * all that happens in it.
 *
 *   start   the session (once), a handle
 *   call    a room, then as join
 *   join    who publishes: joinandconfigure with an offer. Who does not, and one alone publishes: watches him at once
 *   watch   who publishes takes a second handle; one subscription to all other publishers, offered by Janus
 *
 * A participant has one request under way at a time; its transaction is "index.step", and so says what an answer is of.
 */
#include "tools/load/person.h"

#include "lib/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_tree.h>

#define POLLS_FAILED_MAX 5

enum step { ATTACH, ATTACH_WATCH, CREATE, PUBLISH, SUBSCRIBE, START, DESTROY, STEPS };

static const char *const step_name[STEPS] = { "attach",	   "attach", "create the room", "publish",
					      "subscribe", "start",  "destroy the room" };

struct janus {
	struct people *people;
	uint64_t session;
	bool asked, ended;	      /* for the session; and it was given up */
	unsigned polls, polls_failed; /* polls: under way, 0 or 1 */
};

/* ---- messages ---- */

static void key(yajl_gen g, const char *name)
{
	yajl_gen_string(g, (const unsigned char *)name, strlen(name));
}

static void text(yajl_gen g, const char *name, const char *value)
{
	key(g, name);
	key(g, value);
}

static void number(yajl_gen g, const char *name, uint64_t value)
{
	key(g, name);
	yajl_gen_integer(g, (long long)value);
}

static const char *text_at(yajl_val tree, const char *a, const char *b, const char *c)
{
	const char *path[] = { a, b, c, NULL };
	yajl_val v = tree ? yajl_tree_get(tree, path, yajl_t_string) : NULL;

	return v ? YAJL_GET_STRING(v) : NULL;
}

static uint64_t number_at(yajl_val tree, const char *a, const char *b)
{
	const char *path[] = { a, b, NULL };
	yajl_val v = tree ? yajl_tree_get(tree, path, yajl_t_number) : NULL;

	return v && YAJL_IS_INTEGER(v) && YAJL_GET_INTEGER(v) > 0 ? (uint64_t)YAJL_GET_INTEGER(v) : 0;
}

static yajl_gen message_begin(const struct person *p, enum step step, const char *kind)
{
	yajl_gen g = yajl_gen_alloc(NULL);
	char transaction[32];

	if (!g)
		return NULL;
	snprintf(transaction, sizeof(transaction), "%u.%d", p->index, step);
	yajl_gen_map_open(g);
	text(g, "janus", kind);
	text(g, "transaction", transaction);
	return g;
}

/* What the request to the plugin says follows, then body_end(). */
static yajl_gen body_begin(const struct person *p, enum step step, const char *request)
{
	yajl_gen g = message_begin(p, step, "message");

	if (!g)
		return NULL;
	key(g, "body");
	yajl_gen_map_open(g);
	text(g, "request", request);
	number(g, "room", p->group + 1);
	return g;
}

static void body_end(yajl_gen g, const char *jsep, const struct buf *sdp)
{
	if (!g)
		return;
	yajl_gen_map_close(g);
	if (!jsep)
		return;
	key(g, "jsep");
	yajl_gen_map_open(g);
	text(g, "type", jsep);
	key(g, "sdp");
	yajl_gen_string(g, sdp->data, sdp->len);
	yajl_gen_map_close(g);
}

static void on_answer(const struct api_answer *answer, void *arg);

/* Ends the message, and sends it; handle 0: to the session. */
static void message_send(struct person *p, yajl_gen g, uint64_t handle)
{
	const unsigned char *body = NULL;
	char path[80];
	size_t len;
	int err = -ENOMEM;

	if (g && yajl_gen_map_close(g) == yajl_gen_status_ok &&
	    yajl_gen_get_buf(g, &body, &len) == yajl_gen_status_ok) {
		int n = snprintf(path, sizeof(path), "/%" PRIu64, p->people->janus->session);
		if (handle)
			snprintf(path + n, sizeof(path) - (size_t)n, "/%" PRIu64, handle);
		err = api_request(p->people->api, NULL, "POST", path, NULL, (const char *)body, on_answer, p);
	}
	if (g)
		yajl_gen_free(g);
	if (err < 0)
		person_fail(p, "out of memory");
}

static void attach(struct person *p, enum step step)
{
	yajl_gen g = message_begin(p, step, "attach");

	if (g)
		text(g, "plugin", "janus.plugin.videoroom");
	message_send(p, g, 0);
}

/* ---- publishing ---- */

static void publish(struct person *p)
{
	struct buf offer = { 0 };
	struct media *m = &p->media;
	uint32_t chance[2];

	random_bytes(chance, sizeof(chance));
	/* Never the same, whatever chance says. */
	m->sources.ssrc_audio = chance[0] | 3;
	m->sources.ssrc_video = (chance[1] | 3) ^ 2;
	m->sources.rtx_ssrc = PUBLISHER_RTX(m->sources.ssrc_video);
	m->sources.video = p->people->media.video;
	int err = media_open(m);
	if (err < 0) {
		person_fail(p, "media: %s", strerror(-err));
		return;
	}
	const struct sdp_identity own = media_identity(m);
	sdp_publish_write(&offer, &own, &m->sources);
	p->exchanges++;
	p->offer_bytes = (unsigned)offer.len;
	yajl_gen g = offer.failed ? NULL : body_begin(p, PUBLISH, "joinandconfigure");
	if (g) {
		text(g, "ptype", "publisher");
		number(g, "id", p->index + 1);
	}
	body_end(g, "offer", &offer);
	message_send(p, g, p->handle);
	buf_fini(&offer);
}

static struct sdp_answer *read_sdp(struct person *p, yajl_val event)
{
	const char *sdp = text_at(event, "jsep", "sdp", NULL);
	struct sdp_answer *a = calloc(1, sizeof(*a));

	if (a && sdp && sdp_answer_read(sdp, a) == 0)
		return a;
	person_fail(p, "a description that no media can follow from");
	free(a);
	return NULL;
}

static void on_published(struct person *p, yajl_val event)
{
	struct sdp_answer *answer = read_sdp(p, event);

	if (!answer)
		return;
	p->answer_bytes = (unsigned)strlen(text_at(event, "jsep", "sdp", NULL));
	int err = media_connect(&p->media, answer);
	if (err < 0)
		person_fail(p, "media: %s", strerror(-err));
}

/* ---- watching ---- */

static uint64_t watching_handle(const struct person *p)
{
	return p->publishes ? p->watch_handle : p->handle;
}

static void subscribe(struct person *p)
{
	yajl_gen g = body_begin(p, SUBSCRIBE, "join");

	if (g) {
		text(g, "ptype", "subscriber");
		key(g, "streams");
		yajl_gen_array_open(g);
		for (unsigned i = 0; i < p->publishers; i++) {
			const struct person *other = &p->people->person[p->first + i];
			if (other == p || other->state == PERSON_FAILED)
				continue;
			yajl_gen_map_open(g);
			number(g, "feed", other->index + 1);
			yajl_gen_map_close(g);
		}
		yajl_gen_array_close(g);
	}
	body_end(g, NULL, NULL);
	message_send(p, g, watching_handle(p));
}

static void on_offered(struct person *p, yajl_val event)
{
	struct sdp_answer *theirs = read_sdp(p, event);
	struct buf reply = { 0 };

	if (!theirs)
		return;
	int err = media_open(&p->watch);
	if (err < 0) {
		free(theirs);
		person_fail(p, "media: %s", strerror(-err));
		return;
	}
	const struct sdp_identity own = media_identity(&p->watch);
	const char *offer = text_at(event, "jsep", "sdp", NULL);
	sdp_reply_write(&reply, &own, offer);
	p->exchanges++;
	p->offer_bytes = (unsigned)strlen(offer);
	p->answer_bytes = (unsigned)reply.len;
	yajl_gen g = reply.failed ? NULL : body_begin(p, START, "start");
	body_end(g, "answer", &reply);
	message_send(p, g, watching_handle(p));
	buf_fini(&reply);
	err = media_connect(&p->watch, theirs);
	if (err < 0)
		person_fail(p, "media: %s", strerror(-err));
}

/* ---- what comes ---- */

static void refused(struct person *p, enum step step, const char *why)
{
	person_fail(p, "%s: %s", step_name[step], why ? why : "an answer that makes no sense");
}

/* One message, from an answer or from the long poll. */
static void on_message(struct people *people, yajl_val message)
{
	const char *kind = text_at(message, "janus", NULL, NULL),
		   *transaction = text_at(message, "transaction", NULL, NULL);
	unsigned index, step;

	if (!kind || !transaction || strcmp(kind, "ack") == 0 || sscanf(transaction, "%u.%u", &index, &step) != 2 ||
	    index >= people->len || step >= STEPS)
		return;
	struct person *p = &people->person[index];
	const char *why = text_at(message, "error", "reason", NULL);
	why = why ? why : text_at(message, "plugindata", "data", "error");
	if (p->state == PERSON_FAILED || step == DESTROY)
		return;
	if (why) {
		refused(p, (enum step)step, why);
		return;
	}
	switch ((enum step)step) {
	case ATTACH:
		p->handle = number_at(message, "data", "id");
		p->state = PERSON_READY;
		if (p->handle == 0)
			refused(p, ATTACH, NULL);
		break;
	case ATTACH_WATCH:
		p->watch_handle = number_at(message, "data", "id");
		if (p->watch_handle)
			subscribe(p);
		else
			refused(p, ATTACH_WATCH, NULL);
		break;
	case CREATE:
		publish(p);
		break;
	case PUBLISH:
		on_published(p, message);
		break;
	case SUBSCRIBE:
		on_offered(p, message);
		break;
	case START:
	case DESTROY:
	case STEPS:
		break;
	}
}

static void on_answer(const struct api_answer *answer, void *arg)
{
	struct person *p = arg;
	char error[200];

	person_count(p, answer);
	if (answer->status != 200) {
		person_fail(p, "Janus: %d %s", answer->status, answer->status ? answer->body : answer->error);
		return;
	}
	yajl_val message = yajl_tree_parse(answer->body, error, sizeof(error));
	if (message)
		on_message(p->people, message);
	else
		person_fail(p, "Janus: no JSON: %s", error);
	yajl_tree_free(message);
}

/* ---- the session ---- */

static void poll_begin(struct janus *j);

static void fail_all(struct janus *j, const char *why)
{
	for (unsigned i = 0; i < j->people->len; i++)
		person_fail(&j->people->person[i], "Janus: %s", why);
	j->ended = true;
}

static void on_poll(const struct api_answer *answer, void *arg)
{
	struct janus *j = arg;
	char error[200];

	j->polls = 0;
	if (j->ended)
		return;
	yajl_val news = answer->status == 200 ? yajl_tree_parse(answer->body, error, sizeof(error)) : NULL;
	j->polls_failed = news ? 0 : j->polls_failed + 1;
	if (YAJL_IS_ARRAY(news)) {
		for (size_t i = 0; i < YAJL_GET_ARRAY(news)->len; i++)
			on_message(j->people, YAJL_GET_ARRAY(news)->values[i]);
	} else if (news) {
		on_message(j->people, news);
	}
	yajl_tree_free(news);
	if (j->polls_failed == POLLS_FAILED_MAX)
		fail_all(j, answer->status ? "the session is gone" : answer->error);
	else
		poll_begin(j);
}

static void poll_begin(struct janus *j)
{
	char path[80];

	snprintf(path, sizeof(path), "/%" PRIu64 "?maxev=100", j->session);
	j->polls = 1;
	if (api_request(j->people->api, NULL, "GET", path, NULL, NULL, on_poll, j) < 0) {
		j->polls = 0;
		fail_all(j, "out of memory");
	}
}

static void on_session(const struct api_answer *answer, void *arg)
{
	struct janus *j = arg;
	char error[200];
	yajl_val message = answer->status == 200 ? yajl_tree_parse(answer->body, error, sizeof(error)) : NULL;

	j->session = number_at(message, "data", "id");
	yajl_tree_free(message);
	if (j->session == 0) {
		fail_all(j, answer->status ? "no session" : answer->error);
		return;
	}
	poll_begin(j);
	for (unsigned i = 0; i < j->people->len; i++) {
		if (j->people->person[i].state == PERSON_SIGNING)
			attach(&j->people->person[i], ATTACH);
	}
}

static int janus_open(struct people *people)
{
	people->janus = calloc(1, sizeof(*people->janus));
	if (!people->janus)
		return -ENOMEM;
	people->janus->people = people;
	return 0;
}

static void janus_close(struct people *people)
{
	free(people->janus);
	people->janus = NULL;
}

/* ---- steps ---- */

static void janus_start(struct person *p)
{
	struct janus *j = p->people->janus;

	p->state = PERSON_SIGNING;
	if (j->session) {
		attach(p, ATTACH);
	} else if (!j->asked) {
		j->asked = true;
		if (api_request(p->people->api, NULL, "POST", "", NULL,
				"{\"janus\":\"create\",\"transaction\":\"session\"}", on_session, j) < 0)
			fail_all(j, "out of memory");
	}
}

static void janus_call(struct person *p, const struct person *invited, unsigned len)
{
	(void)invited;
	p->hosts = true;
	person_joins(p);
	yajl_gen g = body_begin(p, CREATE, "create");
	if (g) {
		number(g, "publishers", len + 1);
		number(g, "bitrate", 0);
		text(g, "audiocodec", "opus");
		text(g, "videocodec", "vp8");
		key(g, "notify_joining");
		yajl_gen_bool(g, false);
	}
	body_end(g, NULL, NULL);
	message_send(p, g, p->handle);
}

static void janus_join(struct person *p, const struct person *host)
{
	(void)host;
	person_joins(p);
	if (p->publishes)
		publish(p);
	else if (p->publishers == 1)
		subscribe(p);
	else
		p->state = PERSON_CONNECTED; /* until all who publish are there: watch */
}

static void janus_watch(struct person *p)
{
	if (p->watch.peer || (p->publishes && p->publishers == 1))
		return;
	person_joins(p);
	if (p->publishes)
		attach(p, ATTACH_WATCH);
	else
		subscribe(p);
}

static void janus_end_call(struct person *p)
{
	yajl_gen g = body_begin(p, DESTROY, "destroy");

	body_end(g, NULL, NULL);
	message_send(p, g, p->handle);
}

static void on_destroyed(const struct api_answer *answer, void *arg)
{
	(void)answer;
	(void)arg;
}

/* The session goes with the first; all handles go with it. */
static void janus_remove(struct person *p)
{
	struct janus *j = p->people->janus;
	char path[40];

	if (j->ended || j->session == 0)
		return;
	j->ended = true;
	snprintf(path, sizeof(path), "/%" PRIu64, j->session);
	(void)api_request(p->people->api, NULL, "POST", path, NULL, "{\"janus\":\"destroy\",\"transaction\":\"end\"}",
			  on_destroyed, p);
}

/* Without the long poll, which is always there. */
static unsigned janus_pending(const struct people *people)
{
	return api_pending(people->api) - people->janus->polls;
}

const struct signalling signalling_janus = {
	.name = "Janus",
	.path = "/janus",
	.open = janus_open,
	.close = janus_close,
	.start = janus_start,
	.call = janus_call,
	.join = janus_join,
	.watch = janus_watch,
	.end_call = janus_end_call,
	.remove = janus_remove,
	.pending = janus_pending,
};
