/* workers/auth.h - who asks: bearer token or cookie, where a request may come from, and how often.
 *
 * A token is 32 random bytes in base64url (43 characters); the database holds its SHA-256 only. Every
 * request is looked up there in one statement, so a revoked sign-in ends with the next request.
 *
 * Tokens:    `Authorization: Bearer`, or the cookie __Host-parley, never both (401). A WebSocket upgrade may
 *            carry `bearer.TOKEN` as a second subprotocol instead, which wins over a cookie.
 * Origin:    what changes something, or becomes a WebSocket, and carries the cookie must have Origin = https:// +
 *            Host, and Host must be that of public_url, of server.origins or, with a self-made certificate,
 *            one of its names (403 bad_origin).
 * Limits:    limits.requests_per_second per token (RateLimit headers; 429); the same per address where
 *            nobody is signed in, and for tokens that turn out to be unknown. Further limits of an operation add
 *            their own items to the same headers (a structured list may stand in several lines).
 * Callers:   the worker's only thread. */
#ifndef PARLEY_WORKERS_AUTH_H
#define PARLEY_WORKERS_AUTH_H

#include "lib/ids.h"
#include "workers/request.h"

struct limits_verdict;

#define AUTH_COOKIE_NAME "__Host-parley"
#define AUTH_TOKEN_LEN	 43
#define AUTH_INVITE_LEN	 19 /* XXXX-XXXX-XXXX-XXXX */

/* Calls then(req) with req->auth filled, now or later; or answers 401, 403, 429 or 503 itself. */
void auth_check(struct request *req, void (*then)(struct request *req));

/* For routes that anybody may ask: calls then(req) with AUTH_NONE when nobody is signed in (a cookie that is worth
 * nothing is removed); or answers 429 or 503. */
void auth_look(struct request *req, void (*then)(struct request *req));
/* As auth_check(), for a program with a stream link's token (sql/0018_streams.sql) for the stream of param[0],
 * "publish" or "watch": the user and the sign-in are the stream's id. Cookies count for nothing here. */
void auth_check_stream(struct request *req, const char *kind, void (*then)(struct request *req));
/* For public routes: may this address ask once more? False: 429 was answered. */
bool auth_admit_address(struct request *req);
/* For public routes that set a cookie: false when an Origin was sent that is not this server's (403 answered). */
bool auth_origin_allowed(struct request *req);

/* May subject do this once more, burst times in window_s (0: always)? The reply carries RateLimit and
 * RateLimit-Policy under that name; false: 429 was answered. */
bool auth_admit(struct request *req, const char *policy, const void *subject, size_t len, uint64_t burst,
		unsigned window_s, const char *detail);
/* These two headers for a verdict that was found otherwise. */
void auth_tell_limit(struct request *req, const char *policy, uint64_t burst, unsigned window_s,
		     const struct limits_verdict *verdict);
/* 429 with Retry-After, counted. */
void auth_reply_throttled(struct request *req, const struct limits_verdict *verdict, const char *detail);
/* What stands for the client's address in limits: IPv4 whole, IPv6 by its /64. Returns the length. */
size_t auth_address_key(const struct request *req, uint8_t ret_key[16]);

/* The client's address as text, for logs. */
const char *auth_address_text(struct request *req);

/* A new token and what is stored of it (64 hex digits). */
void auth_token_new(char ret_token[AUTH_TOKEN_LEN + 1], char ret_hash_hex[64 + 1]);
/* An invitation's code, and what is stored of it. Case, blanks and hyphens do not matter. */
void auth_invite_new(char ret_code[AUTH_INVITE_LEN + 1]);
void auth_invite_hash(const char *code, char ret_hash_hex[64 + 1]);
/* -EINVAL when text is no token. */
int auth_token_hash(const char *text, size_t len, char ret_hash_hex[64 + 1]);
/* Set-Cookie for the reply: the token, or NULL to remove it. */
void auth_set_cookie(struct request *req, const char *token);

/* Pieces, for tests. Into ret_host: "example.org:8443" of "https://example.org:8443/…"; false when it is no
 * https URL. */
bool auth_url_host(const char *url, char *ret_host, size_t len);
/* The value of that cookie in a Cookie header; *ret_count is how many there are of that name. */
const char *auth_cookie_value(const char *header, const char *name, size_t *ret_len, unsigned *ret_count);

#endif
