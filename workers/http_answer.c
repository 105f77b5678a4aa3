#include "workers/http_answer.h"

#include "workers/server.h"

#define INLINE_BODY_MAX 16384 /* smaller ones are copied behind their head */

static const char csp_default[] = "default-src 'none'; frame-ancestors 'none'";

static void head_write(struct http_conn *conn, const struct request *req, const struct reply *r, struct buf *head)
{
	bool has_body = r->status >= 200 && r->status != 204 && r->status != 304;

	buf_appendf(head, "HTTP/1.1 %d %s\r\nDate: %s\r\n", r->status, http_reason(r->status),
		    server_date(conn->server));
	if (has_body && r->content_type)
		buf_appendf(head, "Content-Type: %s\r\n", r->content_type);
	if (has_body)
		buf_appendf(head, "Content-Length: %zu\r\n", r->len);
	buf_appendf(head, "Cache-Control: %s\r\n", r->cache_control ? r->cache_control : "no-store");
	buf_appendf(head, "Content-Security-Policy: %s\r\n", r->csp ? r->csp : csp_default);
	buf_append_str(head, "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
			     "Cross-Origin-Resource-Policy: same-origin\r\n");
	if (conn->kind == HTTP_MAIN && server_hsts(conn->server))
		buf_append_str(head, "Strict-Transport-Security: max-age=63072000\r\n");
	buf_append(head, req->reply_headers.data, req->reply_headers.len);
	if (conn->close_after)
		buf_append_str(head, "Connection: close\r\n");
	buf_append_str(head, "\r\n");
}

int http_answer_queue(struct http_conn *conn, const struct request *req, const struct reply *r)
{
	struct buf head = { 0 };
	bool silent = req->method == HTTP_HEAD || r->status == 204 || r->status == 304;
	size_t body_len = silent ? 0 : r->len;
	bool together = body_len <= INLINE_BODY_MAX || !r->body_stays;
	int err;

	head_write(conn, req, r, &head);
	if (body_len > 0 && together)
		buf_append(&head, r->body, body_len);
	err = head.failed || req->reply_headers.failed ? -ENOMEM
						       : stream_queue_copy(&conn->stream, head.data, head.len);
	if (err == 0 && !together)
		err = stream_queue_ref(&conn->stream, r->body, body_len, NULL, NULL);
	buf_fini(&head);
	return err;
}
