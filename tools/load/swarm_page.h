/* tools/load/swarm_page.h - one WebSocket, kept open as a page keeps its own (web/src/call/socket.ts).
 *
 *   OFF ──page_start()──▶ CONNECTING ──hello──▶ OPEN
 *                             ▲                   │ closed, silent, told to move, or cut
 *                             └────── LOST ◀──────┘ 0.3 to 0.8 s, then ever slower
 *
 * Waiting times, their chance, the ping and how long a hello may take are the page's; whoever changes them there
 * changes them here. The next connection of an account offers the last TLS session it was given, as a browser does.
 *
 * Callers:   the swarm (swarm_run.h), on its loop. Neither callback may stop a page. */
#ifndef PARLEY_LOAD_SWARM_PAGE_H
#define PARLEY_LOAD_SWARM_PAGE_H

#include "tools/load/histogram.h"
#include "tools/load/ws.h"

#include <netinet/in.h>

enum page_state { PAGE_OFF, PAGE_CONNECTING, PAGE_OPEN, PAGE_LOST };

struct page;

/* What all share. */
struct pages {
	struct loop *loop;
	struct ws_config ws;   /* without token, source, session, ops and arg */
	unsigned per_source;   /* connections of one source address; 0: the kernel's choice for all */
	struct in_addr source; /* the first of them; the others follow it */
	void (*on_event)(struct page *page, const char *text, size_t len);
	struct page *dropped; /* whose old WebSocket is to be freed */
	struct loop_timer sweep;
	unsigned open;
	uint64_t attempts, opened, resumed; /* resumed: of the opened ones, with a TLS session of before */
	uint64_t lost;			    /* open ones that ended by themselves */
	struct histogram hello;		    /* from an attempt to its hello */
	char error[160];		    /* of the last attempt that failed */
};

/* Whose page it is. */
struct page_owner {
	char token[129];
	SSL_SESSION *session; /* the last one given */
};

struct page {
	struct pages *pages;
	struct page_owner *owner;
	uint32_t index;
	uint32_t heard; /* for on_event: the number of the last message */
	enum page_state state;
	unsigned attempt; /* that have failed in a row */
	struct ws *ws, *old;
	struct page *next_dropped;
	struct loop_timer timer;
	int64_t began_us;
};

void page_start(struct page *page);
/* As when the network goes: the server sees a reset, and the page comes back as it does then. */
void page_cut(struct page *page);
void page_stop(struct page *page);
void page_owner_fini(struct page_owner *owner);

#endif
