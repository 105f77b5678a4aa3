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
struct http_head;
struct json_error;
struct json_field;
struct request;
struct route;
struct worker;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };

enum auth_kind { AUTH_NONE, AUTH_BEARER, AUTH_COOKIE };

/* One answer on its way out. NULL headers mean the strict default of API answers. */
struct reply {
	int status;
	const char *content_type;
	const void *body;
	size_t len;
	bool body_stays;	   /* the body outlives the connection (assets): it is not copied */
	const char *cache_control; /* NULL: no-store */
	const char *csp;	   /* NULL: default-src 'none' */
};

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
	/* Takes the answer and frees the request; NULL when the client has gone. Tests put their own. */
	void (*on_reply)(struct request *req, const struct reply *reply);
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
	struct buf body_buf;		       /* where body lives */
	const char *param[REQUEST_PARAMS_MAX]; /* path parameters in order: /contacts/{user_id} */
	struct sockaddr_storage peer;
	const struct route *route; /* router.c found it */
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

/* Parses the body and checks it against the table; an empty body counts as {}. On failure the request was
 * answered (400, 422 or 500), the result is negative and req is dead. */
int request_fields(struct request *req, const struct json_field *fields, size_t fields_len);

/* For http_conn.c and tests: a zeroed request with a limited arena (NULL: out of memory), and its end. */
struct request *request_new(struct worker *worker);
struct request *request_free(struct request *req);
/* Copies what the parser found. -EBADMSG: path or query do not decode to UTF-8 without U+0000, so that no
 * handler has to ask; -ENOMEM. */
int request_fill(struct request *req, const struct http_head *head);

/* %XX (and, in queries, '+') resolved; ret_text holds len + 1 bytes and may be text itself. -EINVAL: a '%'
 * without two hex digits, or U+0000. */
int percent_decode(const char *text, size_t len, bool plus_is_space, char *ret_text, size_t *ret_len);
/* "Not Found"; "Unknown" for what has no name. */
const char *http_reason(int status);

/* Answers. The body is copied or written before the call returns. */
void reply(struct request *req, int status, const char *content_type, const void *body, size_t len);
void reply_json(struct request *req, int status, const char *json, size_t len);
void reply_empty(struct request *req, int status); /* 204, 304, … */
/* RFC 9457 application/problem+json: type "about:blank#code"-style URI, title, status, detail, code and,
 * when not NULL, field. extra, when not NULL, is one more member as JSON text: "\"call\":{…}". */
void reply_problem(struct request *req, int status, const char *code, const char *field, const char *detail);
void reply_problem_extra(struct request *req, int status, const char *code, const char *field, const char *detail,
			 const char *extra);
/* 400 for invalid_json, 422 for the others; err is what json_parse() or json_fields() returned. */
void reply_json_error(struct request *req, int err, const struct json_error *error);
/* An answer with all its details (assets.c). */
void reply_full(struct request *req, const struct reply *reply);
/* 429 or 503 with Retry-After in seconds. */
void reply_retry(struct request *req, int status, const char *code, const char *detail, unsigned after_s);

#endif
