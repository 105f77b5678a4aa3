#include "tools/load/swarm_people.h"

#include "lib/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yajl/yajl_tree.h>

enum { AT_ONCE = 32 };

/* Each is done for every person, some together, before the next begins. */
enum step { SIGN_IN, LEARN_ID, ASK_CONTACT, ACCEPT_CONTACT, CALL, READY };

static void people_fail(struct swarm_people *people, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void people_fail(struct swarm_people *people, const char *fmt, ...)
{
	va_list args;

	if (*people->error)
		return;
	va_start(args, fmt);
	vsnprintf(people->error, sizeof(people->error), fmt, args);
	va_end(args);
}

static bool good(struct swarm_people *people, const struct api_answer *answer, const char *what)
{
	if (answer->status >= 200 && answer->status < 300)
		return true;
	people_fail(people, "%s: %d %.120s", what, answer->status, answer->status ? answer->body : answer->error);
	return false;
}

/* done counts busy down. */
static void ask(struct swarm_person *p, const char *method, const char *path, const char *body, api_done *done)
{
	struct swarm_people *people = p->people;

	if (api_request(people->api, *p->owner.token ? p->owner.token : NULL, method, path, NULL, body, done, p) < 0)
		people_fail(people, "%s %s: out of memory", method, path);
	else
		people->busy++;
}

/* The text at {a: {b: text}}, or at {a: text}; "" when there is none. */
static void text_at(const struct api_answer *answer, const char *a, const char *b, char *ret, size_t len)
{
	const char *path[] = { a, b, NULL };
	char error[200];
	yajl_val tree = yajl_tree_parse(answer->body, error, sizeof(error));
	yajl_val v = tree ? yajl_tree_get(tree, path, yajl_t_string) : NULL;

	snprintf(ret, len, "%s", v ? YAJL_GET_STRING(v) : "");
	yajl_tree_free(tree);
}

/* ---- sign-ins ---- */

static void on_session(const struct api_answer *answer, void *arg)
{
	struct swarm_person *p = arg;

	p->people->busy--;
	if (!good(p->people, answer, "sign in"))
		return;
	text_at(answer, "token", NULL, p->owner.token, sizeof(p->owner.token));
	if (!*p->owner.token)
		people_fail(p->people, "sign in: no token in the answer");
}

static void on_account(const struct api_answer *answer, void *arg)
{
	struct swarm_person *p = arg;
	char body[200];

	p->people->busy--;
	if (!good(p->people, answer, "sign up"))
		return;
	p->made = true;
	snprintf(body, sizeof(body), "{\"username\":\"%s\",\"password\":\"%s\"}", p->username, p->password);
	ask(p, "POST", "/sessions", body, on_session);
}

static void sign_in(struct swarm_person *p, unsigned index)
{
	uint8_t random[16];
	char body[300];

	if (*p->owner.token)
		return;
	random_bytes(random, sizeof(random));
	hex_format(random, sizeof(random), p->password);
	snprintf(p->username, sizeof(p->username), "swarm.%08x.%u", p->people->run, index);
	snprintf(body, sizeof(body), "{\"username\":\"%s\",\"display_name\":\"Swarm %u\",\"password\":\"%s\"}",
		 p->username, index, p->password);
	ask(p, "POST", "/accounts", body, on_account);
}

static void on_me(const struct api_answer *answer, void *arg)
{
	struct swarm_person *p = arg;

	p->people->busy--;
	if (!good(p->people, answer, "GET /me"))
		return;
	text_at(answer, "user", "id", p->id, sizeof(p->id));
	if (strlen(p->id) != ID_TEXT_LEN)
		people_fail(p->people, "GET /me: no id in the answer");
}

/* ---- contacts, and the call ---- */

static void on_contact(const struct api_answer *answer, void *arg)
{
	struct swarm_person *p = arg;

	p->people->busy--;
	(void)good(p->people, answer, "contact");
}

static void befriend(struct swarm_person *p, const struct swarm_person *other)
{
	char path[64];

	snprintf(path, sizeof(path), "/contacts/%s", other->id);
	ask(p, "PUT", path, NULL, on_contact);
}

static void on_ended(const struct api_answer *answer, void *arg)
{
	struct swarm_person *p = arg;

	p->people->busy--;
	(void)good(p->people, answer, "end the call");
}

static void on_call(const struct api_answer *answer, void *arg)
{
	struct swarm_person *p = arg;
	struct swarm_people *people = p->people;
	char path[64];

	people->busy--;
	if (!good(people, answer, "call"))
		return;
	text_at(answer, "call", "id", people->call, sizeof(people->call));
	snprintf(path, sizeof(path), "/calls/%s/end", people->call);
	ask(p, "POST", path, NULL, on_ended);
}

static void call(struct swarm_people *people)
{
	struct buf body = { 0 };

	buf_append_str(&body, "{\"video\":false,\"invite\":[");
	for (unsigned i = 1; i < people->len; i++)
		buf_appendf(&body, "%s\"%s\"", i > 1 ? "," : "", people->person[i].id);
	buf_append(&body, "]}", 3);
	if (body.failed)
		people_fail(people, "call: out of memory");
	else
		ask(&people->person[0], "POST", "/calls", (const char *)body.data, on_call);
	buf_fini(&body);
}

static void step_for(struct swarm_people *people, unsigned i)
{
	struct swarm_person *p = &people->person[i], *hub = &people->person[0];

	switch (people->step) {
	case SIGN_IN:
		sign_in(p, i);
		break;
	case LEARN_ID:
		ask(p, "GET", "/me", NULL, on_me);
		break;
	case ASK_CONTACT:
		if (i > 0)
			befriend(p, hub);
		break;
	case ACCEPT_CONTACT:
		if (i > 0)
			befriend(hub, p);
		break;
	case CALL:
		if (i == 0)
			call(people);
		break;
	default:
		break;
	}
}

void people_prepare(struct swarm_people *people)
{
	while (people->step < READY && !*people->error) {
		while (people->next < people->len && people->busy < AT_ONCE)
			step_for(people, people->next++);
		if (people->next < people->len || people->busy > 0)
			return;
		people->step++;
		people->next = 0;
	}
	people->ready = people->step == READY && !*people->error;
}

/* ---- what all hear ---- */

static const char *status_of(uint32_t number)
{
	return number % 2 ? "do_not_disturb" : "available";
}

static void on_said(const struct api_answer *answer, void *arg)
{
	struct swarm_person *p = arg;

	p->people->busy--;
	(void)good(p->people, answer, "say");
}

static void words(const struct swarm_people *people, uint32_t number, char ret[64])
{
	snprintf(ret, 64, "word %u of swarm %08x.", number, people->run);
}

void people_say(struct swarm_people *people, enum swarm_kind kind, uint32_t number)
{
	struct swarm_person *hub = &people->person[0];
	char path[80], body[200], text[64], id[ID_TEXT_LEN + 1];
	const struct id random = id_random();

	if (kind == SWARM_PRESENCE) {
		snprintf(body, sizeof(body), "{\"status\":\"%s\"}", status_of(number));
		ask(hub, "PATCH", "/me", body, on_said);
		return;
	}
	words(people, number, text);
	snprintf(path, sizeof(path), "/calls/%s/messages", people->call);
	snprintf(body, sizeof(body), "{\"id\":\"%s\",\"text\":\"%s\"}", id_format(&random, id), text);
	ask(hub, "POST", path, body, on_said);
}

bool people_is(const struct swarm_people *people, enum swarm_kind kind, uint32_t number, const char *text, size_t len)
{
	const char *const id = people->person[0].id;
	char want[64];

	if (kind == SWARM_CHAT) {
		words(people, number, want);
		return memmem(text, len, want, strlen(want)) != NULL;
	}
	snprintf(want, sizeof(want), "\"presence\":\"%s\"", number % 2 ? "busy" : "online");
	return memmem(text, len, want, strlen(want)) && memmem(text, len, id, ID_TEXT_LEN);
}

bool people_hears(const struct swarm_people *people, enum swarm_kind kind, unsigned index)
{
	(void)people;
	/* Nobody is a contact of oneself. */
	return kind == SWARM_CHAT || index > 0;
}

/* ---- beginning and end ---- */

static void on_deleted(const struct api_answer *answer, void *arg)
{
	struct swarm_person *p = arg;

	p->people->busy--;
	if (good(p->people, answer, "delete the account"))
		p->made = false;
}

void people_delete(struct swarm_people *people)
{
	char body[100];

	for (unsigned i = 0; i < people->len; i++) {
		struct swarm_person *p = &people->person[i];
		if (!p->made)
			continue;
		snprintf(body, sizeof(body), "{\"password\":\"%s\"}", p->password);
		ask(p, "DELETE", "/me", body, on_deleted);
	}
}

static int read_tokens(struct swarm_people *people, const char *tokens)
{
	FILE *f = fopen(tokens, "re");
	unsigned n = 0;

	if (!f)
		return -errno;
	while (n < people->len && fscanf(f, "%128s", people->person[n].owner.token) == 1)
		n++;
	fclose(f);
	if (n < people->len)
		fprintf(stderr, "parley-load: %s: %u tokens; the others sign up\n", tokens, n);
	return 0;
}

int people_init(struct swarm_people *people, struct api *api, unsigned len, const char *tokens)
{
	*people = (struct swarm_people){ .api = api };
	people->person = calloc(len, sizeof(*people->person));
	if (!people->person)
		return -ENOMEM;
	people->len = len;
	random_bytes(&people->run, sizeof(people->run));
	for (unsigned i = 0; i < len; i++)
		people->person[i].people = people;
	return tokens ? read_tokens(people, tokens) : 0;
}

void people_fini(struct swarm_people *people)
{
	for (unsigned i = 0; i < people->len; i++)
		page_owner_fini(&people->person[i].owner);
	free(people->person);
	*people = (struct swarm_people){ 0 };
}
