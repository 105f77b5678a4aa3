#include "workers/ws_conn.h"

#include "lib/clock.h"
#include "lib/ids.h"
#include "lib/ws_frame.h"
#include "workers/http_conn.h"
#include "workers/server.h"
#include "workers/worker.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WS_MESSAGE_MAX	   (64u << 10)
#define WS_QUEUE_MAX	   (256u << 10)
#define WS_PING_AFTER_US   (30 * USEC_PER_SEC)
#define WS_PING_SPREAD_US  (6 * USEC_PER_SEC) /* at most so much earlier */
#define WS_SILENCE_MAX_US  (60 * USEC_PER_SEC)
#define WS_CLOSE_WAIT_US   (5 * USEC_PER_SEC)
#define WS_KEY_LEN	   24 /* base64 of 16 bytes */
#define WS_CLOSE_RESTART   1012
#define WS_CLOSE_NO_BINARY 1003

struct ws {
	struct http_conn *conn;
	const struct ws_handler *handler;
	void *user;
	int64_t heard_us; /* the client's last byte */
	bool closing;	  /* a close frame is queued; nothing may follow it */
	bool told;	  /* on_close was called: user is gone */
	bool done;	  /* nothing the client says matters any more */
	struct ws_decoder decoder;
};

struct ws_message {
	unsigned refs;
	size_t len;
	uint8_t frame[];
};

static struct worker *ws_worker(const struct ws *ws)
{
	return server_worker(ws->conn->server);
}

/* Messages */

static struct ws_message *message_new(enum ws_opcode opcode, const void *data, size_t len)
{
	struct ws_message *m = malloc(sizeof(*m) + WS_OUT_HEAD_MAX + len);

	if (!m)
		return NULL;
	size_t head_len = ws_frame_head(m->frame, opcode, len);
	if (len > 0)
		memcpy(m->frame + head_len, data, len);
	m->refs = 1;
	m->len = head_len + len;
	return m;
}

struct ws_message *ws_message_new(const char *text, size_t len)
{
	return message_new(WS_TEXT, text, len);
}

struct ws_message *ws_message_ref(struct ws_message *message)
{
	message->refs++;
	return message;
}

struct ws_message *ws_message_unref(struct ws_message *message)
{
	if (message && --message->refs == 0)
		free(message);
	return NULL;
}

static void message_release(void *arg)
{
	ws_message_unref(arg);
}

/* Sending */

/* A backlog that the client had the chance to read and did not. What is still to be written in this turn
 * does not count. */
static bool backlog_is_full(struct ws *ws, size_t more)
{
	struct stream *stream = &ws->conn->stream;

	if (stream->queued + more <= WS_QUEUE_MAX)
		return false;
	(void)stream_flush(stream, server_out(ws->conn->server));
	return stream->queued > WS_QUEUE_MAX;
}

static int queue(struct ws *ws, struct ws_message *message)
{
	if (backlog_is_full(ws, message->len)) {
		stat_add(&ws_worker(ws)->counters->ws_cut, 1);
		ws->closing = ws->done = true;
		http_conn_abort(ws->conn);
		return -ENOBUFS;
	}
	if (stream_queue_ref(&ws->conn->stream, message->frame, message->len, message_release, message) < 0)
		return -ENOMEM;
	ws_message_ref(message);
	server_touch(ws->conn->server, ws->conn);
	return 0;
}

int ws_send(struct ws *ws, struct ws_message *message)
{
	if (ws->closing)
		return -EPIPE;
	int err = queue(ws, message);
	if (err == 0)
		stat_add(&ws_worker(ws)->counters->ws_messages_out, 1);
	return err;
}

static int send_frame(struct ws *ws, enum ws_opcode opcode, const void *data, size_t len)
{
	struct ws_message *message = message_new(opcode, data, len);

	if (!message)
		return -ENOMEM;
	int err = opcode == WS_TEXT ? ws_send(ws, message) : queue(ws, message);
	ws_message_unref(message);
	return err;
}

int ws_send_text(struct ws *ws, const char *text, size_t len)
{
	return ws->closing ? -EPIPE : send_frame(ws, WS_TEXT, text, len);
}

static void on_timer(struct loop_timer *timer, int64_t now_us, void *arg);

/* Silence after which this one is asked. Those that came together, as after a restart, drift apart with each round. */
static int64_t ping_after_us(const struct ws *ws)
{
	uint64_t dice = hash_bytes(&(uint64_t[]){ (uint64_t)(uintptr_t)ws, (uint64_t)ws->heard_us }, 16);

	return WS_PING_AFTER_US - (int64_t)(dice % (uint64_t)WS_PING_SPREAD_US);
}

static void timer_start(struct ws *ws, int64_t at_us)
{
	/* Without memory for the timer this connection only loses its pings. */
	(void)loop_timer_start(ws_worker(ws)->loop, &ws->conn->timer, at_us, on_timer, ws);
}

void ws_close(struct ws *ws, uint16_t code, const char *reason)
{
	char payload[WS_CONTROL_MAX + 1];
	int len = snprintf(payload, sizeof(payload), "%c%c%s", code >> 8, code & 0xff, reason ? reason : "");

	if (ws->closing)
		return;
	/* 1005 stands for "none was given" and is never sent. */
	int err = send_frame(ws, WS_CLOSE, payload, code == 1005 ? 0 : MIN((size_t)len, (size_t)WS_CONTROL_MAX));
	ws->closing = true;
	timer_start(ws, loop_now_us(ws_worker(ws)->loop) + WS_CLOSE_WAIT_US);
	if (err < 0)
		http_conn_abort(ws->conn);
	else
		server_touch(ws->conn->server, ws->conn);
}

/* Receiving */

/* Both sides have said goodbye, or the client speaks nonsense: after our close frame the connection ends. */
static void finish(struct ws *ws, uint16_t code, const char *reason)
{
	ws_close(ws, code, reason);
	ws->done = true;
	http_conn_finish(ws->conn);
}

static void on_event(struct ws *ws, const struct ws_event *e)
{
	switch (e->opcode) {
	case WS_TEXT:
		stat_add(&ws_worker(ws)->counters->ws_messages_in, 1);
		if (!ws->closing)
			ws->handler->on_text(ws, (const char *)e->data, e->len, ws->user);
		break;
	case WS_PING:
		if (!ws->closing)
			send_frame(ws, WS_PONG, e->data, e->len);
		break;
	case WS_CLOSE:
		finish(ws, e->code, NULL);
		break;
	case WS_BINARY:
		ws_close(ws, WS_CLOSE_NO_BINARY, "text only");
		break;
	case WS_PONG:
	case WS_CONTINUATION:
		break;
	}
}

void ws_on_data(struct ws *ws, const uint8_t *data, size_t len)
{
	struct ws_event event;
	size_t used;
	int got = 1;

	ws->heard_us = loop_now_us(ws_worker(ws)->loop);
	while (got == 1 && !ws->done) {
		got = ws_decoder_feed(&ws->decoder, data, len, &used, &event);
		data += used;
		len -= used;
		if (got == 1)
			on_event(ws, &event);
	}
	if (got < 0)
		finish(ws, (uint16_t)-got, NULL);
}

static void on_timer(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct ws *ws = arg;

	(void)timer;
	if (ws->closing || now_us - ws->heard_us >= WS_SILENCE_MAX_US) {
		http_conn_abort(ws->conn);
	} else if (now_us - ws->heard_us >= ping_after_us(ws)) {
		timer_start(ws, ws->heard_us + WS_SILENCE_MAX_US);
		send_frame(ws, WS_PING, NULL, 0);
	} else {
		timer_start(ws, ws->heard_us + ping_after_us(ws));
	}
}

/* Life */

static void tell(struct ws *ws)
{
	if (ws->told)
		return;
	ws->closing = ws->told = true;
	ws->handler->on_close(ws, ws->user);
	ws->user = NULL;
}

void ws_settle(struct ws *ws)
{
	if (ws->closing)
		tell(ws);
}

void ws_on_gone(struct ws *ws)
{
	struct stats_worker *counters = ws_worker(ws)->counters;

	ws->done = true;
	tell(ws);
	stat_set(&counters->websockets, stat_get(&counters->websockets) - 1);
	ws_decoder_fini(&ws->decoder);
	free(ws);
}

bool ws_is_closing(const struct ws *ws)
{
	return ws->closing;
}

void ws_drain(struct ws *ws)
{
	static const char moving[] = "{\"type\":\"server.moving\"}";

	(void)ws_send_text(ws, moving, sizeof(moving) - 1);
	ws_close(ws, WS_CLOSE_RESTART, "server is moving");
}

/* Upgrade */

static bool header_has(const struct request *req, const char *name, const char *word)
{
	const char *value = request_header(req, name);

	return value && http_list_has(value, strlen(value), word);
}

static bool key_is_valid(const char *key)
{
	uint8_t raw[WS_KEY_LEN];

	return key && strlen(key) == WS_KEY_LEN && strcmp(key + WS_KEY_LEN - 2, "==") == 0 &&
	       key[WS_KEY_LEN - 3] != '=' && EVP_DecodeBlock(raw, (const uint8_t *)key, WS_KEY_LEN) == 18;
}

/* Answers and returns -EPROTO when this is no upgrade that can be accepted now. */
static int upgrade_check(struct request *req)
{
	const struct worker *worker = req->worker;
	const char *version = request_header(req, "sec-websocket-version");

	if (req->method != HTTP_GET || !header_has(req, "upgrade", "websocket") ||
	    !header_has(req, "connection", "upgrade")) {
		request_add_header(req, "Upgrade", "websocket");
		reply_problem(req, 426, "upgrade_required", NULL, "This path is a WebSocket; ask for the upgrade.");
	} else if (!version || strcmp(version, "13") != 0) {
		request_add_header(req, "Sec-WebSocket-Version", "13");
		reply_problem(req, 426, "upgrade_required", NULL,
			      "Only version 13 of the WebSocket protocol is spoken.");
	} else if (!key_is_valid(request_header(req, "sec-websocket-key"))) {
		reply_problem(req, 400, "invalid_json", NULL, "Sec-WebSocket-Key must be base64 of 16 bytes.");
	} else if (worker->draining || request_is_gone(req)) {
		reply_retry(req, 503, "overloaded", "This worker is going away; connect again.", 1);
	} else if (worker->conf.limits.websockets > 0 &&
		   stat_get(&worker->counters->websockets) >= worker->conf.limits.websockets) {
		reply_retry(req, 503, "overloaded", "No more WebSockets fit here now; try again later.", 10);
	} else {
		return 0;
	}
	return -EPROTO;
}

static void accept_key(const char *key, char ret_text[32])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t text[WS_KEY_LEN + sizeof(guid) - 1], digest[SHA_DIGEST_LENGTH];

	memcpy(text, key, WS_KEY_LEN);
	memcpy(text + WS_KEY_LEN, guid, sizeof(guid) - 1);
	SHA1(text, sizeof(text), digest);
	EVP_EncodeBlock((uint8_t *)ret_text, digest, sizeof(digest));
}

static void head_write(const struct request *req, const char *subprotocol, struct buf *head)
{
	char key[32];

	accept_key(request_header(req, "sec-websocket-key"), key);
	buf_appendf(head,
		    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		    "Sec-WebSocket-Accept: %s\r\n",
		    key);
	if (subprotocol)
		buf_appendf(head, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
	buf_append(head, req->reply_headers.data, req->reply_headers.len);
	buf_append_str(head, "\r\n");
}

int ws_accept(struct request *req, const char *subprotocol, const struct ws_handler *handler, void *user,
	      struct ws **ret_ws)
{
	struct worker *worker = req->worker;
	struct buf head = { 0 };
	int err = upgrade_check(req);

	if (err < 0)
		return err;
	struct ws *ws = calloc(1, sizeof(*ws));
	if (ws) {
		*ws = (struct ws){ .conn = req->conn, .handler = handler, .user = user };
		ws->decoder.message_max = WS_MESSAGE_MAX;
		ws->heard_us = loop_now_us(worker->loop);
		head_write(req, subprotocol, &head);
	}
	if (ws && !head.failed && http_conn_upgrade(ws->conn, req, (const char *)head.data, head.len, ws) == 0) {
		stat_add(&worker->counters->websockets, 1);
		timer_start(ws, ws->heard_us + ping_after_us(ws));
		*ret_ws = ws;
	} else {
		free(ws);
		reply_retry(req, 503, "overloaded", "The server is out of memory; try again in a few seconds.", 10);
		err = -EPROTO;
	}
	buf_fini(&head);
	return err;
}
