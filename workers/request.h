/* workers/request.h - what a handler sees of one HTTP request, and how it answers.
 *
 * Callers:   the worker's only thread. http_conn.c makes requests, router.c finds the handler,
 *            api_*.c answer, now or later (after a database reply).
 * Ownership: a struct request and everything in its arena live until it was answered; exactly one
 *            reply_*() call answers it and the pointer is dead afterwards. When the client goes away
 *            before that, the request lives on without a connection (request_is_gone() is true), the
 *            handler still answers and the reply is dropped: no handler needs a cancel path.
 * Strings:   NUL-terminated and in the arena; header and parameter values are as sent. */
#ifndef PARLEY_WORKERS_REQUEST_H
#define PARLEY_WORKERS_REQUEST_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/ids.h"

#include <stdbool.h>
#include <sys/socket.h>

struct http_conn;
struct worker;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };

enum auth_kind { AUTH_NONE, AUTH_BEARER, AUTH_COOKIE };

/* Who asks; filled by auth.c before a handler that wants it is called. */
struct auth {
	enum auth_kind kind;
	struct id user_id;
	struct id session_id; /* the sign-in */
};

struct header {
	const char *name; /* lower case */
	const char *value;
};

#define REQUEST_PARAMS_MAX 4

struct request {
	struct worker *worker;
	struct http_conn *conn; /* NULL when the client has gone */
	struct arena arena;
	enum http_method method;
	const char *method_text;
	const char *target; /* as sent */
	const char *path;   /* percent-decoded, no query, starts with '/' */
	const char *query;  /* after '?', not decoded; "" when none */
	const char *host;
	struct header *headers;
	size_t headers_len;
	const char *body; /* NUL-terminated for convenience; body_len counts */
	size_t body_len;
	const char *param[REQUEST_PARAMS_MAX]; /* path parameters in order: /contacts/{user_id} */
	struct sockaddr_storage peer;
	struct auth auth;
	struct buf reply_headers; /* extra "Name: value\r\n" lines, added by request_add_header() */
	void *state;		  /* the handler's, from the arena */
	bool keep_alive;
};

/* NULL when absent. name in lower case. */
const char *request_header(const struct request *req, const char *name);
/* Decoded value of a query parameter in the arena; NULL when absent. */
const char *request_query(struct request *req, const char *name);
/* The media type of Content-Type without parameters, lower case; "" when absent. */
const char *request_content_type(struct request *req);
bool request_is_gone(const struct request *req);
/* For the reply to come; name and value must hold no CR or LF (asserted). */
void request_add_header(struct request *req, const char *name, const char *value);

/* Answers. The body is copied or written before the call returns. */
void reply(struct request *req, int status, const char *content_type, const void *body, size_t len);
void reply_json(struct request *req, int status, const char *json, size_t len);
void reply_empty(struct request *req, int status); /* 204, 304, … */
/* RFC 9457 application/problem+json: type "about:blank#code"-style URI, title, status, detail, code and,
 * when not NULL, field. extra, when not NULL, is one more member as JSON text: "\"call\":{…}". */
void reply_problem(struct request *req, int status, const char *code, const char *field, const char *detail);
void reply_problem_extra(struct request *req, int status, const char *code, const char *field, const char *detail,
			 const char *extra);
/* 429 or 503 with Retry-After in seconds. */
void reply_retry(struct request *req, int status, const char *code, const char *detail, unsigned after_s);

#endif
