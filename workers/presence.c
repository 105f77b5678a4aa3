#include "workers/presence.h"

#include "lib/version.h"
#include "shm/directory.h"
#include "workers/db.h"
#include "workers/events.h"
#include "workers/worker.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_US	   (20 * USEC_PER_MSEC)
#define RETRY_US   USEC_PER_SEC
#define BATCH	   32 /* so that none takes long */
#define PEOPLE_MAX 65536
#define MARK	   "\"presence\": \"" /* as PostgreSQL writes jsonb */
#define MARK_LEN   (sizeof(MARK) - 1)

void presence_init(struct presence_news *news, struct worker *worker)
{
	*news = (struct presence_news){ .worker = worker };
}

void presence_fini(struct presence_news *news)
{
	loop_timer_stop(&news->timer);
	free(news->people);
	*news = (struct presence_news){ 0 };
}

static void news_arm(struct presence_news *news, int64_t in_us);

/* arg is the worker, which outlives all layers. */
static void on_told(const struct db_result *result, void *arg)
{
	struct worker *worker = arg;
	struct presence_news *news = events_presence_news(worker->events);

	if (!news)
		return;
	/* Without an answer (a connection that broke, a database too busy) it is asked again. */
	if (result->error == DB_OK) {
		news->len -= news->asked;
		memmove(news->people, news->people + news->asked, news->len * sizeof(struct id));
	}
	news->asked = 0;
	if (result->error == DB_OK && result->rows > 0)
		events_send_notify(worker->events, db_text(result, 0, "notify"));
	if (news->len > 0)
		news_arm(news, result->error == DB_OK ? 0 : RETRY_US);
}

static void news_send(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct presence_news *news = arg;
	size_t n = MIN(news->len, (size_t)BATCH);
	struct buf list = { 0 };
	char text[ID_TEXT_LEN + 1];

	(void)timer;
	(void)now_us;
	buf_append_char(&list, '{');
	for (size_t i = 0; i < n; i++)
		buf_appendf(&list, "%s%s", i ? "," : "", id_format(&news->people[i], text));
	buf_append(&list, "}", 2);
	const char *params[] = { (const char *)list.data };
	int err = list.failed ? -ENOMEM
			      : db_exec(news->worker->db, "presence_notify", DB_IDEMPOTENT, params, 1, on_told,
					news->worker);
	buf_fini(&list);
	if (err == 0)
		news->asked = n;
	else
		news_arm(news, RETRY_US);
}

static void news_arm(struct presence_news *news, int64_t in_us)
{
	if (!news->timer.loop && news->asked == 0)
		loop_timer_start(news->worker->loop, &news->timer, clock_now_us() + in_us, news_send, news);
}

void presence_changed(struct presence_news *news, const struct id *user)
{
	/* Often the same again; not all of a crowd is looked through. */
	for (size_t i = news->len; i-- > news->asked && news->len - i <= BATCH;) {
		if (id_equal(&news->people[i], user))
			return;
	}
	if (news->len == news->cap) {
		size_t cap = news->cap ? news->cap * 2 : 64;
		struct id *more = cap <= PEOPLE_MAX ? realloc(news->people, cap * sizeof(*more)) : NULL;
		if (!more)
			return;
		news->people = more;
		news->cap = cap;
	}
	news->people[news->len++] = *user;
	news_arm(news, WAIT_US);
}

static const char *presence_word(const struct worker *worker, char mark, const char *id_text)
{
	static const char *const words[] = {
		[PRESENCE_OFFLINE] = "offline",
		[PRESENCE_ONLINE] = "online",
		[PRESENCE_AWAY] = "away",
		[PRESENCE_BUSY] = "busy",
	};
	struct id id;

	if (mark == '!')
		return "busy";
	if (!worker->directory || id_parse(id_text, ID_TEXT_LEN, &id) < 0)
		return "offline";
	enum presence presence = directory_presence(worker->directory, &id);
	if (presence == PRESENCE_ONLINE && mark != '@')
		presence = mark == '#' ? PRESENCE_BUSY : PRESENCE_AWAY;
	return presence < ARRAY_LEN(words) ? words[presence] : "online";
}

void presence_fill(const struct worker *worker, const char *json, size_t len, struct buf *ret)
{
	const char *at = json, *end = json + len;

	for (;;) {
		/* Inside a string the quotes would be escaped, so this is always a member. */
		const char *mark = memmem(at, (size_t)(end - at), MARK, MARK_LEN);
		if (!mark)
			break;
		const char *value = mark + MARK_LEN;
		buf_append(ret, at, (size_t)(value - at));
		at = value;
		if (end - value > 1 + ID_TEXT_LEN && memchr("@!#~", *value, 4)) {
			buf_append_str(ret, presence_word(worker, *value, value + 1));
			at += 1 + ID_TEXT_LEN;
		}
	}
	buf_append(ret, at, (size_t)(end - at));
}

int presence_hello(const struct worker *worker, const char *json, struct buf *ret)
{
	presence_fill(worker, json, strlen(json), ret);
	if (!ret->failed)
		ret->len--; /* the closing brace */
	buf_append_str(ret, ", \"server\": {\"version\": \"" PARLEY_VERSION "\"}}");
	return ret->failed ? -ENOMEM : 0;
}
