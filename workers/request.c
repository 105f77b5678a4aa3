#include "workers/request.h"

#include "lib/utf8.h"
#include "shm/stats.h"
#include "workers/http_parser.h"
#include "workers/json.h"
#include "workers/worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_ARENA_MAX (8u << 20)

struct request *request_new(struct worker *worker)
{
	struct request *req = calloc(1, sizeof(*req));

	if (!req)
		return NULL;
	req->worker = worker;
	req->arena.limit = REQUEST_ARENA_MAX;
	req->query = req->body = req->host = "";
	return req;
}

struct request *request_free(struct request *req)
{
	if (!req)
		return NULL;
	buf_fini(&req->reply_headers);
	buf_fini(&req->body_buf);
	arena_fini(&req->arena);
	free(req);
	return NULL;
}

static int headers_copy(struct request *req, const struct http_head *head)
{
	req->headers = arena_alloc(&req->arena, sizeof(struct header) * MAX(head->fields, (size_t)1));
	if (!req->headers)
		return -ENOMEM;
	for (size_t i = 0; i < head->fields; i++) {
		const struct http_field *f = &head->field[i];
		char *name = arena_strndup(&req->arena, f->name.text, f->name.len);
		char *value = arena_strndup(&req->arena, f->value.text, f->value.len);
		if (!name || !value)
			return -ENOMEM;
		for (char *p = name; *p; p++)
			*p = (char)(*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p);
		req->headers[req->headers_len++] = (struct header){ name, value };
	}
	return 0;
}

/* Splits the target. Both halves must decode to UTF-8 without U+0000, so that no handler has to ask. */
static int target_copy(struct request *req, struct http_span target)
{
	const char *mark = memchr(target.text, '?', target.len);
	size_t path_len = mark ? (size_t)(mark - target.text) : target.len;
	char *path = arena_alloc(&req->arena, target.len + 1);
	char *scratch = arena_alloc(&req->arena, target.len + 1);
	size_t len;

	req->target = arena_strndup(&req->arena, target.text, target.len);
	if (!path || !scratch || !req->target)
		return -ENOMEM;
	if (percent_decode(target.text, path_len, false, path, &len) < 0 || !utf8_valid(path, len))
		return -EBADMSG;
	req->path = path;
	if (!mark)
		return 0;
	req->query = req->target + path_len + 1;
	if (percent_decode(req->query, target.len - path_len - 1, true, scratch, &len) < 0 || !utf8_valid(scratch, len))
		return -EBADMSG;
	return 0;
}

int request_fill(struct request *req, const struct http_head *head)
{
	int err = target_copy(req, head->target);

	if (err == 0)
		err = headers_copy(req, head);
	if (err < 0)
		return err;
	req->method = head->method;
	req->method_text = arena_strndup(&req->arena, head->method_text.text, head->method_text.len);
	req->host = arena_strndup(&req->arena, head->host.text, head->host.len);
	req->keep_alive = head->keep_alive;
	return req->method_text && req->host ? 0 : -ENOMEM;
}

const char *request_header(const struct request *req, const char *name)
{
	for (size_t i = 0; i < req->headers_len; i++) {
		if (strcmp(req->headers[i].name, name) == 0)
			return req->headers[i].value;
	}
	return NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

int percent_decode(const char *text, size_t len, bool plus_is_space, char *ret_text, size_t *ret_len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (c == '%') {
			int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
			int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
			if (high < 0 || low < 0)
				return -EINVAL;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		if (c == 0)
			return -EINVAL;
		ret_text[n++] = c;
	}
	ret_text[n] = 0;
	*ret_len = n;
	return 0;
}

static char *decode(struct request *req, const char *text, size_t len)
{
	char *out = arena_alloc(&req->arena, len + 1);
	size_t out_len;

	if (!out || percent_decode(text, len, true, out, &out_len) < 0)
		return NULL;
	return out;
}

const char *request_query(struct request *req, const char *name)
{
	const char *at = req->query;

	while (*at) {
		size_t len = strcspn(at, "&");
		const char *equals = memchr(at, '=', len);
		size_t name_len = equals ? (size_t)(equals - at) : len;
		char *found = decode(req, at, name_len);
		if (found && strcmp(found, name) == 0)
			return equals ? decode(req, equals + 1, len - name_len - 1) : "";
		at += len + (at[len] == '&');
	}
	return NULL;
}

const char *request_content_type(struct request *req)
{
	const char *value = request_header(req, "content-type");
	size_t len = value ? strcspn(value, "; \t") : 0;
	char *type = arena_strndup(&req->arena, value ? value : "", len);

	if (!type)
		return "";
	for (char *p = type; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	}
	return type;
}

bool request_is_gone(const struct request *req)
{
	return !req->on_reply;
}

void request_add_header(struct request *req, const char *name, const char *value)
{
	assert(!strpbrk(name, "\r\n") && !strpbrk(value, "\r\n"));
	buf_appendf(&req->reply_headers, "%s: %s\r\n", name, value);
}

int request_fields(struct request *req, const struct json_field *fields, size_t fields_len)
{
	struct json empty = { .type = JSON_OBJECT };
	struct json *doc = &empty;
	struct json_error error = { 0 };
	int err = 0;

	if (req->body_len > 0)
		err = json_parse(&req->arena, req->body, req->body_len, &doc, &error);
	if (err == 0)
		err = json_fields(&req->arena, doc, fields, fields_len, &error);
	if (err < 0)
		reply_json_error(req, err, &error);
	return err;
}

static const struct {
	int status;
	const char *text;
} reasons[] = {
	{ 101, "Switching Protocols" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 304, "Not Modified" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 422, "Unprocessable Content" },
	{ 426, "Upgrade Required" },
	{ 429, "Too Many Requests" },
	{ 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
};

const char *http_reason(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].text;
	}
	return "Unknown";
}

void reply_full(struct request *req, const struct reply *answer)
{
	struct stats_worker *counters = req->worker ? req->worker->counters : NULL;

	if (counters && answer->status >= 500)
		stat_add(&counters->responses_5xx, 1);
	else if (counters && answer->status >= 400)
		stat_add(&counters->responses_4xx, 1);
	if (req->on_reply)
		req->on_reply(req, answer);
	else
		request_free(req);
}

void reply(struct request *req, int status, const char *content_type, const void *body, size_t len)
{
	reply_full(req, &(struct reply){ .status = status, .content_type = content_type, .body = body, .len = len });
}

void reply_json(struct request *req, int status, const char *json, size_t len)
{
	reply(req, status, "application/json", json, len);
}

void reply_empty(struct request *req, int status)
{
	reply(req, status, NULL, NULL, 0);
}

void reply_problem_extra(struct request *req, int status, const char *code, const char *field, const char *detail,
			 const char *extra)
{
	static const char internal[] = "Something went wrong in the server. Try again; if it stays, tell whoever runs "
				       "it: the server's log says more.";
	struct buf body = { 0 };
	struct json_out o;

	json_out_init(&o, &body);
	json_out_object(&o, NULL);
	json_out_string(&o, "type", arena_printf(&req->arena, "about:blank#%s", code));
	json_out_string(&o, "title", http_reason(status));
	json_out_int(&o, "status", status);
	json_out_string(&o, "detail", detail ? detail : status == 500 ? internal : http_reason(status));
	json_out_string(&o, "code", code);
	if (field)
		json_out_string(&o, "field", field);
	if (extra && *extra)
		buf_appendf(&body, ",%s", extra);
	json_out_object_end(&o);
	reply(req, status, "application/problem+json", body.data, body.failed ? 0 : body.len);
	buf_fini(&body);
}

void reply_problem(struct request *req, int status, const char *code, const char *field, const char *detail)
{
	reply_problem_extra(req, status, code, field, detail, NULL);
}

void reply_json_error(struct request *req, int err, const struct json_error *error)
{
	if (err == -EINVAL && strcmp(error->code, "invalid_json") == 0)
		reply_problem(req, 400, error->code, error->field, error->detail);
	else if (err == -EINVAL)
		reply_problem(req, 422, error->code, error->field, error->detail);
	else
		reply_problem(req, 500, "internal", NULL, NULL);
}

void reply_retry(struct request *req, int status, const char *code, const char *detail, unsigned after_s)
{
	buf_appendf(&req->reply_headers, "Retry-After: %u\r\n", after_s);
	reply_problem(req, status, code, NULL, detail);
}
