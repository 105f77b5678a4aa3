#include "tools/load/swarm_page.h"

#include "lib/clock.h"
#include "lib/ids.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* As web/src/call/socket.ts has them, in ms. */
enum {
	HELLO_WITHIN = 2500,
	HELLO_WITHIN_MAX = 15000,
	PING_EVERY = 15000,
	PONG_WITHIN = 5000,
	LONGEST_WAIT = 15000,
};

static void page_connect(struct page *page);
static void page_lose(struct page *page);

/* 0 to 1 */
static double chance(void)
{
	uint32_t bits;

	random_bytes(&bits, sizeof(bits));
	return bits / (double)UINT32_MAX;
}

static double retry_delay(unsigned attempt)
{
	if (attempt == 0)
		return 300 + chance() * 500;
	return fmin(LONGEST_WAIT, 600 * pow(1.7, attempt - 1)) * (0.6 + 0.8 * chance());
}

static double hello_within(unsigned attempt)
{
	return fmin(HELLO_WITHIN_MAX, HELLO_WITHIN * pow(2, attempt > 0 ? attempt - 1 : 0));
}

static void timer_start(struct page *page, double in_ms, loop_timer_cb *cb)
{
	int64_t at_us = clock_now_us() + (int64_t)(in_ms * USEC_PER_MSEC);

	(void)loop_timer_start(page->pages->loop, &page->timer, at_us, cb, page);
}

/* ---- the end of a WebSocket ---- */

static void on_sweep(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct pages *pages = arg;

	(void)timer;
	(void)now_us;
	while (pages->dropped) {
		struct page *page = pages->dropped;
		pages->dropped = page->next_dropped;
		page->old = ws_free(page->old);
	}
}

/* It may be in one of its own callbacks: it is freed before the next attempt, which takes 300 ms at least. */
static void drop(struct page *page)
{
	struct pages *pages = page->pages;

	if (!page->ws)
		return;
	page->old = page->ws;
	page->ws = NULL;
	page->next_dropped = pages->dropped;
	pages->dropped = page;
	if (!pages->sweep.loop)
		(void)loop_timer_start(pages->loop, &pages->sweep, clock_now_us(), on_sweep, pages);
}

static void on_retry(struct loop_timer *timer, int64_t now_us, void *arg)
{
	(void)timer;
	(void)now_us;
	page_connect(arg);
}

static void leave_open(struct page *page)
{
	if (page->state == PAGE_OPEN)
		page->pages->open--;
	page->state = PAGE_LOST;
}

static void page_lose(struct page *page)
{
	leave_open(page);
	drop(page);
	timer_start(page, retry_delay(page->attempt++), on_retry);
}

/* ---- keeping it ---- */

static void on_silent(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct page *page = arg;

	(void)timer;
	(void)now_us;
	snprintf(page->pages->error, sizeof(page->pages->error),
		 page->state == PAGE_OPEN ? "no answer to a ping" : "no hello in time");
	page->pages->lost += page->state == PAGE_OPEN;
	page_lose(page);
}

static void on_ping_due(struct loop_timer *timer, int64_t now_us, void *arg)
{
	static const char ping[] = "{\"type\":\"ping\"}";
	struct page *page = arg;

	(void)timer;
	(void)now_us;
	(void)ws_send(page->ws, ping, sizeof(ping) - 1);
	if (page->state == PAGE_OPEN)
		timer_start(page, PONG_WITHIN, on_silent);
}

static bool is(const char *text, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(text, what, len) == 0;
}

static void on_text(struct ws *ws, const char *text, size_t len, size_t frame_bytes, void *arg)
{
	struct page *page = arg;
	struct pages *pages = page->pages;

	(void)frame_bytes;
	if (page->ws != ws)
		return;
	timer_start(page, PING_EVERY * (0.8 + 0.4 * chance()), on_ping_due);
	if (is(text, len, "{\"type\":\"pong\"}"))
		return;
	if (is(text, len, "{\"type\":\"server.moving\"}")) {
		page_lose(page);
		return;
	}
	/* The first that a WebSocket hears is its hello. */
	if (page->state == PAGE_CONNECTING && memmem(text, len, "\"hello\"", 7)) {
		page->state = PAGE_OPEN;
		page->attempt = 0;
		pages->open++;
		pages->opened++;
		pages->resumed += ws_resumed(ws);
		histogram_add(&pages->hello, clock_now_us() - page->began_us);
		return;
	}
	pages->on_event(page, text, len);
}

static void on_close(struct ws *ws, void *arg)
{
	struct page *page = arg;

	if (page->ws != ws)
		return;
	snprintf(page->pages->error, sizeof(page->pages->error), "%s", ws_error(ws));
	page->pages->lost += page->state == PAGE_OPEN;
	page_lose(page);
}

static void on_session(struct ws *ws, SSL_SESSION *session, void *arg)
{
	struct page *page = arg;

	(void)ws;
	/* A copy: what becomes of the connection must not spoil it for the next one. */
	SSL_SESSION_free(page->owner->session);
	page->owner->session = SSL_SESSION_dup(session);
	SSL_SESSION_free(session);
}

static const struct ws_ops ops = { .on_text = on_text, .on_close = on_close, .on_session = on_session };

static struct sockaddr_storage source_of(const struct page *page)
{
	const struct pages *pages = page->pages;
	struct sockaddr_storage ret = { 0 };
	struct sockaddr_in *in4 = (struct sockaddr_in *)&ret;

	if (pages->per_source > 0) {
		in4->sin_family = AF_INET;
		in4->sin_addr.s_addr = htonl(ntohl(pages->source.s_addr) + page->index / pages->per_source);
	}
	return ret;
}

static void page_connect(struct page *page)
{
	struct ws_config config = page->pages->ws;

	config.token = page->owner->token;
	config.session = page->owner->session ? SSL_SESSION_dup(page->owner->session) : NULL;
	config.source = source_of(page);
	config.ops = &ops;
	config.arg = page;
	page->state = PAGE_CONNECTING;
	page->began_us = clock_now_us();
	page->pages->attempts++;
	int err = ws_new(&config, &page->ws);
	SSL_SESSION_free(config.session);
	if (err < 0) {
		page->ws = NULL;
		snprintf(page->pages->error, sizeof(page->pages->error), "cannot connect: %s", strerror(-err));
		page_lose(page);
		return;
	}
	timer_start(page, hello_within(page->attempt), on_silent);
}

/* ---- for the swarm ---- */

void page_start(struct page *page)
{
	page_connect(page);
}

void page_cut(struct page *page)
{
	if (page->state != PAGE_OPEN)
		return;
	leave_open(page);
	page->ws = ws_cut(page->ws);
	timer_start(page, retry_delay(page->attempt++), on_retry);
}

void page_stop(struct page *page)
{
	if (page->state == PAGE_OFF)
		return;
	leave_open(page);
	page->state = PAGE_OFF;
	loop_timer_stop(&page->timer);
	page->ws = ws_free(page->ws);
	page->old = ws_free(page->old);
}

void page_owner_fini(struct page_owner *owner)
{
	SSL_SESSION_free(owner->session);
	owner->session = NULL;
}
