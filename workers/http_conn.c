#include "workers/http_conn.h"

#include "lib/cleanup.h"
#include "workers/admin.h"
#include "workers/http_answer.h"
#include "workers/router.h"
#include "workers/server.h"
#include "workers/ws_conn.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_PER_WAKE	4
#define RETRY_AFTER_S	2
#define LINGER_READ_MAX (8u << 20) /* more than the largest body that anybody may send */

/* Seconds in a state; 0 = none (a handler answers in its own time, WebSockets have their own clock). */
static const uint8_t deadline_s[] = {
	[CONN_HANDSHAKE] = 10, [CONN_IDLE] = 30,    [CONN_HEAD] = 10,	 [CONN_BODY] = 20,
	[CONN_ANSWERING] = 0,  [CONN_WRITING] = 30, [CONN_UPGRADED] = 0, [CONN_LINGER] = 2,
};

static const uint16_t conn_next[] = {
	/* from -> set of to */
	[CONN_HANDSHAKE] = 1 << CONN_IDLE,
	[CONN_IDLE] = 1 << CONN_HEAD | 1 << CONN_LINGER,
	[CONN_HEAD] = 1 << CONN_BODY | 1 << CONN_ANSWERING | 1 << CONN_LINGER,
	[CONN_BODY] = 1 << CONN_ANSWERING | 1 << CONN_LINGER,
	[CONN_ANSWERING] = 1 << CONN_WRITING | 1 << CONN_UPGRADED,
	[CONN_WRITING] = 1 << CONN_IDLE | 1 << CONN_LINGER,
	[CONN_UPGRADED] = 1 << CONN_LINGER,
	[CONN_LINGER] = 0,
};

static void on_io(struct loop_fd *io, uint32_t events, void *arg);
static void on_deadline(struct loop_timer *timer, int64_t now_us, void *arg);

static struct loop *conn_loop(struct http_conn *conn)
{
	return server_worker(conn->server)->loop;
}

static struct stats_worker *conn_counters(struct http_conn *conn)
{
	return server_worker(conn->server)->counters;
}

static void deadline_start(struct http_conn *conn)
{
	struct loop *loop = conn_loop(conn);
	int64_t at_us = loop_now_us(loop) + deadline_s[conn->state] * USEC_PER_SEC;

	loop_timer_stop(&conn->timer);
	/* Without memory for a timer the heap could not even hold the listeners': the next state tries again. */
	if (deadline_s[conn->state])
		(void)loop_timer_start(loop, &conn->timer, at_us, on_deadline, conn);
}

static void conn_enter(struct http_conn *conn, enum http_conn_state state)
{
	assert(conn_next[conn->state] & 1 << state);
	conn->state = (uint8_t)state;
	deadline_start(conn);
}

static bool wants_read(const struct http_conn *conn)
{
	return conn->state != CONN_ANSWERING && conn->state != CONN_WRITING;
}

static void update_interest(struct http_conn *conn)
{
	(void)loop_fd_mod(&conn->stream.io, stream_interest(&conn->stream, wants_read(conn)));
}

int http_conn_new(struct server *server, int fd, enum http_conn_kind kind, SSL_CTX *ctx, const struct sockaddr *peer,
		  struct http_conn **ret_conn)
{
	struct http_conn *conn = calloc(1, sizeof(*conn));
	int err;

	if (!conn) {
		close(fd);
		return -ENOMEM;
	}
	conn->server = server;
	conn->kind = (uint8_t)kind;
	conn->state = ctx ? CONN_HANDSHAKE : CONN_IDLE;
	if (peer->sa_family == AF_INET)
		memcpy(&conn->peer.in4, peer, sizeof(conn->peer.in4));
	else if (peer->sa_family == AF_INET6)
		memcpy(&conn->peer.in6, peer, sizeof(conn->peer.in6));
	else
		conn->peer.sa.sa_family = peer->sa_family;
	err = stream_init(&conn->stream, fd, ctx);
	if (err == 0)
		err = loop_fd_add(conn_loop(conn), &conn->stream.io, fd, EPOLLIN, on_io, conn);
	if (err < 0) {
		stream_fini(&conn->stream);
		free(conn);
		return err;
	}
	server_conn_add(server, conn);
	deadline_start(conn);
	*ret_conn = conn;
	return 0;
}

struct http_conn *http_conn_free(struct http_conn *conn)
{
	if (!conn)
		return NULL;
	server_conn_del(conn->server, conn);
	loop_timer_stop(&conn->timer);
	if (conn->ws)
		ws_on_gone(conn->ws);
	if (conn->request && conn->state == CONN_ANSWERING) {
		/* The handler still answers; nobody will hear it. */
		conn->request->conn = NULL;
		conn->request->on_reply = NULL;
	} else {
		request_free(conn->request);
	}
	stream_fini(&conn->stream);
	buf_fini(&conn->in);
	free(conn);
	return NULL;
}

/* Answers */

static void on_reply(struct request *req, const struct reply *r)
{
	struct http_conn *conn = req->conn;

	if (!req->keep_alive || server_worker(conn->server)->draining)
		conn->close_after = true;
	if (http_answer_queue(conn, req, r) < 0)
		conn->stream.broken = true;
	conn->request = request_free(req);
	conn_enter(conn, CONN_WRITING);
	server_touch(conn->server, conn);
}

/* Answers for the handler-to-be what is wrong with the request as HTTP; nothing after it is read. */
static void refuse(struct http_conn *conn, int status, const char *code, const char *detail)
{
	struct request *req = conn->request ? conn->request : request_new(server_worker(conn->server));

	if (status == 400)
		stat_add(&conn_counters(conn)->bad_requests, 1);
	if (!req) {
		conn->stream.broken = true;
		server_touch(conn->server, conn);
		return;
	}
	conn->request = req;
	req->conn = conn;
	req->on_reply = on_reply;
	req->keep_alive = false;
	if (conn->state == CONN_IDLE)
		conn_enter(conn, CONN_HEAD);
	conn_enter(conn, CONN_ANSWERING);
	if (status == 503)
		reply_retry(req, status, code, detail, RETRY_AFTER_S);
	else
		reply_problem(req, status, code, NULL, detail);
}

/* Requests */

static int request_begin(struct http_conn *conn, const struct http_head *head)
{
	struct request *req = request_new(server_worker(conn->server));

	if (!req)
		return -ENOMEM;
	conn->request = req;
	req->conn = conn;
	req->on_reply = on_reply;
	memcpy(&req->peer, &conn->peer, sizeof(conn->peer));
	return request_fill(req, head);
}

static void dispatch(struct http_conn *conn)
{
	struct request *req = conn->request;

	/* One NUL behind the body, which is not part of it. */
	buf_append_char(&req->body_buf, 0);
	if (req->body_buf.failed) {
		refuse(conn, 500, "internal", NULL);
		return;
	}
	req->body = (const char *)req->body_buf.data;
	req->body_len = req->body_buf.len - 1;
	stat_add(&conn_counters(conn)->requests, 1);
	conn_enter(conn, CONN_ANSWERING);
	if (conn->kind == HTTP_ADMIN)
		admin_dispatch(req);
	else if (conn->kind == HTTP_REDIRECT)
		server_redirect(conn->server, req);
	else
		router_dispatch(req);
}

static void body_begin(struct http_conn *conn, const struct http_head *head, bool more_there)
{
	conn->body_chunked = head->chunked;
	conn->chunked = (struct http_chunked){ 0 };
	conn->body_left = MAX(head->content_length, (int64_t)0);
	conn->body_max = conn->kind == HTTP_MAIN ? router_body_max(conn->request) : 4096;
	if (conn->body_left > (int64_t)conn->body_max) {
		refuse(conn, 413, "body_too_large", "The body is larger than this operation accepts.");
		return;
	}
	if (!head->chunked && conn->body_left == 0) {
		dispatch(conn);
		return;
	}
	if (head->expect_continue && !more_there) {
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
		(void)stream_queue_ref(&conn->stream, go_on, sizeof(go_on) - 1, NULL, NULL);
		server_touch(conn->server, conn);
	}
	conn_enter(conn, CONN_BODY);
}

/* Takes a head, when it is all there. */
static size_t take_head(struct http_conn *conn, const char *data, size_t len)
{
	struct http_head head;
	int head_len = http_head_scan(data, len, &conn->scanned);
	int err;

	if (head_len == -EAGAIN) {
		if (conn->state == CONN_IDLE)
			conn_enter(conn, CONN_HEAD);
		return 0;
	}
	conn->scanned = 0;
	if (conn->state == CONN_IDLE)
		conn_enter(conn, CONN_HEAD);
	err = head_len < 0 ? head_len : http_head_parse(data, (size_t)head_len, &head);
	if (err == 0)
		err = request_begin(conn, &head);
	if (err == -ENOMEM) {
		refuse(conn, 503, "overloaded", "The server is out of memory; try again in a few seconds.");
	} else if (err < 0) {
		refuse(conn, 400, "invalid_json",
		       "This is not HTTP/1.1 as this server reads it: lines end in CRLF, one Host, one Content-Length "
		       "of "
		       "digits or chunks, at most 16 KiB and 64 header fields.");
	} else if (head.expect_unknown) {
		refuse(conn, 417, "expectation_failed", "Expect can only be 100-continue; leave it out.");
	} else {
		body_begin(conn, &head, len > (size_t)head_len);
	}
	return head_len > 0 ? (size_t)head_len : len;
}

static bool body_append(struct http_conn *conn, const char *data, size_t len)
{
	struct buf *body = &conn->request->body_buf;

	if (len > conn->body_max - body->len) {
		refuse(conn, 413, "body_too_large", "The body is larger than this operation accepts.");
		return false;
	}
	buf_append(body, data, len);
	return true;
}

static size_t take_chunked_body(struct http_conn *conn, const char *data, size_t len)
{
	size_t used = 0, n;
	struct http_span part;
	int done = 0;

	while (used < len && done == 0) {
		done = http_chunked_read(&conn->chunked, data + used, len - used, &n, &part);
		if (done < 0) {
			refuse(conn, 400, "invalid_json",
			       "The body's chunks are malformed; extensions and trailers are not taken.");
			return len;
		}
		used += n;
		if (!body_append(conn, part.text, part.len))
			return len;
	}
	if (done)
		dispatch(conn);
	return used;
}

static size_t take_body(struct http_conn *conn, const char *data, size_t len)
{
	if (conn->body_chunked)
		return take_chunked_body(conn, data, len);
	size_t n = MIN(len, (size_t)conn->body_left);
	if (!body_append(conn, data, n))
		return len;
	conn->body_left -= (int64_t)n;
	if (conn->body_left == 0)
		dispatch(conn);
	return n;
}

/* Returns how many bytes were used; the rest waits for more, or for its turn. */
static size_t take_requests(struct http_conn *conn, const char *data, size_t len)
{
	size_t used = 0;

	while (used < len) {
		size_t n = 0;
		if (conn->state == CONN_IDLE || conn->state == CONN_HEAD)
			n = take_head(conn, data + used, len - used);
		else if (conn->state == CONN_BODY)
			n = take_body(conn, data + used, len - used);
		if (n == 0)
			break;
		used += n;
	}
	return used;
}

static void take(struct http_conn *conn, const uint8_t *data, size_t len)
{
	if (conn->state == CONN_UPGRADED) {
		ws_on_data(conn->ws, data, len);
		return;
	}
	if (conn->in.len > 0) {
		buf_append(&conn->in, data, len);
		size_t used = take_requests(conn, (const char *)conn->in.data, conn->in.len);
		buf_consume(&conn->in, used);
	} else {
		size_t used = take_requests(conn, (const char *)data, len);
		buf_append(&conn->in, data + used, len - used);
	}
	if (conn->in.failed)
		conn->stream.broken = true;
	if (conn->in.len == 0)
		buf_fini(&conn->in);
}

/* Connection */

/* Everything was said: what the client still sends is read and dropped until it closes. */
static void linger(struct http_conn *conn)
{
	if (conn->ws)
		ws_on_gone(STEAL_PTR(conn->ws));
	stream_shutdown(&conn->stream);
	conn->body_left = LINGER_READ_MAX;
	conn_enter(conn, CONN_LINGER);
}

static void on_flushed(struct http_conn *conn)
{
	if (conn->state != CONN_WRITING && conn->state != CONN_UPGRADED)
		return;
	if (conn->close_after) {
		linger(conn);
	} else if (conn->state == CONN_WRITING) {
		conn_enter(conn, CONN_IDLE);
		take(conn, NULL, 0);
	}
}

void http_conn_settle(struct http_conn *conn)
{
	size_t queued = conn->stream.queued;

	if (conn->ws && conn->in.len > 0) {
		/* Frames that came right behind the upgrade request. */
		struct buf in = conn->in;
		conn->in = (struct buf){ 0 };
		ws_on_data(conn->ws, in.data, in.len);
		buf_fini(&in);
	}
	if (conn->ws)
		ws_settle(conn->ws);
	int err = conn->stream.broken ? -EPIPE : stream_flush(&conn->stream, server_out(conn->server));
	if (err == 0)
		on_flushed(conn);
	else if (err == -EAGAIN && conn->state == CONN_WRITING && conn->stream.queued < queued)
		deadline_start(conn);
	if (conn->stream.broken) {
		http_conn_free(conn);
		return;
	}
	update_interest(conn);
}

void http_conn_drain(struct http_conn *conn)
{
	if (conn->state == CONN_IDLE) {
		linger(conn);
		update_interest(conn);
	} else if (conn->state != CONN_UPGRADED) {
		conn->close_after = true;
	}
}

int http_conn_upgrade(struct http_conn *conn, struct request *req, const char *head, size_t len, struct ws *ws)
{
	int err = stream_queue_copy(&conn->stream, head, len);

	if (err < 0)
		return err;
	conn->request = request_free(req);
	conn->ws = ws;
	conn_enter(conn, CONN_UPGRADED);
	server_touch(conn->server, conn);
	return 0;
}

void http_conn_finish(struct http_conn *conn)
{
	conn->close_after = true;
	server_touch(conn->server, conn);
}

void http_conn_abort(struct http_conn *conn)
{
	conn->stream.broken = true;
	server_touch(conn->server, conn);
}

/* False: the connection is over. */
static bool read_more(struct http_conn *conn)
{
	uint8_t *in = server_in(conn->server);

	for (int i = 0; i < READS_PER_WAKE && wants_read(conn) && !conn->stream.broken; i++) {
		int n = stream_read(&conn->stream, in, STREAM_RECORD);
		if (n == -EAGAIN)
			return true;
		if (n <= 0)
			return false;
		take(conn, in, (size_t)n);
		if (n < STREAM_RECORD)
			return true;
	}
	return true;
}

/* The client said hello and went: in a rush the queue of those who want in may be longer than their patience, and a
 * handshake for each of them would keep the next ones waiting until they go, too. */
static bool has_gone_already(const struct http_conn *conn)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return getsockopt(conn->stream.fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state != TCP_ESTABLISHED;
}

/* Somebody speaks plain HTTP to the TLS port: he is sent to the right door. */
static int handshake_peek(struct http_conn *conn)
{
	uint8_t first;
	ssize_t n = recv(conn->stream.fd, &first, 1, MSG_PEEK);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -EPIPE;
	if (n == 0)
		return -EPIPE;
	if (first >= 'A' && first <= 'Z') {
		SSL_free(STEAL_PTR(conn->stream.ssl));
		conn->kind = HTTP_REDIRECT;
	} else if (has_gone_already(conn)) {
		return -EPIPE;
	}
	conn->peeked = true;
	return 0;
}

static int handshake(struct http_conn *conn)
{
	int err = conn->peeked ? 0 : handshake_peek(conn);

	if (err == 0)
		err = stream_handshake(&conn->stream);
	if (err == 0) {
		if (conn->stream.ssl)
			stat_add(&conn_counters(conn)->tls_handshakes, 1);
		conn_enter(conn, CONN_IDLE);
	} else if (err != -EAGAIN && conn->peeked) {
		stat_add(&conn_counters(conn)->tls_failures, 1);
	}
	return err;
}

/* False: the client has closed, or sends on and on. */
static bool linger_read(struct http_conn *conn)
{
	ssize_t n = recv(conn->stream.fd, server_in(conn->server), STREAM_RECORD, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	conn->body_left -= n;
	return n > 0 && conn->body_left > 0;
}

static void on_io(struct loop_fd *io, uint32_t events, void *arg)
{
	struct http_conn *conn = arg;
	bool alive = true;

	(void)io;
	if (conn->state == CONN_HANDSHAKE) {
		int err = handshake(conn);
		alive = err == 0 || err == -EAGAIN;
	}
	if (conn->state == CONN_LINGER)
		alive = linger_read(conn);
	else if (!wants_read(conn))
		alive = !(events & (EPOLLHUP | EPOLLERR));
	else if (alive && conn->state != CONN_HANDSHAKE)
		alive = read_more(conn);
	if (alive)
		http_conn_settle(conn);
	else
		http_conn_free(conn);
}

static void on_deadline(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct http_conn *conn = arg;

	(void)timer;
	(void)now_us;
	switch (conn->state) {
	case CONN_HEAD:
	case CONN_BODY:
		refuse(conn, 408, "request_timeout", "The request took too long to arrive; send it again.");
		break;
	case CONN_IDLE:
		stream_shutdown(&conn->stream);
		http_conn_free(conn);
		break;
	case CONN_HANDSHAKE:
		stat_add(&conn_counters(conn)->tls_failures, 1);
		http_conn_free(conn);
		break;
	default:
		http_conn_free(conn);
		break;
	}
}
