/* workers/router.h - the table of endpoints.
 *
 * A pattern is "/api/v1/contacts/{user_id}": a segment in braces is a parameter (param[0], …). One
 * table per api_*.c file, collected in router.c. The router answers 404, 405 (with Allow), checks the
 * body's size and type, and runs auth before the handler when the route asks for it. */
#ifndef PARLEY_WORKERS_ROUTER_H
#define PARLEY_WORKERS_ROUTER_H

#include "workers/request.h"

typedef void route_handler(struct request *req);

enum route_auth {
	ROUTE_PUBLIC,
	ROUTE_USER,
	ROUTE_ANYBODY, /* signed in or not */
	ROUTE_PUBLISHER,
	ROUTE_WATCHER, /* these two with a stream link's token */
};
enum route_body { BODY_NONE, BODY_JSON, BODY_JSON_OPTIONAL, BODY_SDP, BODY_SDP_ONLY, BODY_ANY };

struct route {
	enum http_method method;
	const char *pattern;
	enum route_auth auth;
	enum route_body body; /* JSON: application/json (415 else); SDP: application/sdp or application/json;
			       * SDP_ONLY: application/sdp; ANY: any type, also none */
	size_t body_max;      /* bytes; 0 = 64 KiB */
	route_handler *handler;
};

/* Each api_*.c ends its table with a NULL pattern. */
extern const struct route api_accounts_routes[];
extern const struct route api_me_routes[];
extern const struct route api_contacts_routes[];
extern const struct route api_calls_routes[];
extern const struct route api_messages_routes[];
extern const struct route api_media_routes[];
extern const struct route api_streams_routes[]; /* WHIP and WHEP */
extern const struct route api_events_routes[];	/* /events: the WebSocket upgrade */
extern const struct route api_meta_routes[];	/* openapi.json, docs; static page fall-back is http's own */

/* How long a body this request may have: its route's body_max, 64 KiB when there is none. Asked after the
 * headers and before the body is read. */
size_t router_body_max(const struct request *req);
/* 405 with Allow; allowed: 1 << enum http_method each, HEAD comes with GET. */
void router_reply_not_allowed(struct request *req, unsigned allowed);
/* Answers req, now or later. */
void router_dispatch(struct request *req);

#endif
