#include "tools/load/ws.h"

#include "lib/ids.h"
#include "lib/ws_frame.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum {
	HEAD_MAX = 16 * 1024,
	MESSAGE_MAX = 16 * 1024 * 1024,
	READ_BYTES = 16 * 1024,
};

enum ws_state {
	WS_CONNECTING, /* TCP and TLS */
	WS_ASKING,     /* the request has gone, its answer is read */
	WS_OPEN,
	WS_CLOSED,
};

struct ws {
	struct ws_config config;
	struct loop_fd io;
	int fd;
	SSL *ssl;
	enum ws_state state;
	bool wants_write; /* TLS, or something is in out */
	char key[25], error[160];
	struct ws_bytes bytes;
	struct buf in; /* of the answer to the upgrade */
	struct buf out;
	struct ws_decoder decoder;
	size_t message_bytes; /* frames of the message so far */
};

/* What one of them has just read: there is one thread. */
static uint8_t scratch[READ_BYTES];

static void on_ready(struct loop_fd *io, uint32_t events, void *arg);

static void ws_fail(struct ws *ws, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void ws_fail(struct ws *ws, const char *fmt, ...)
{
	va_list args;

	if (ws->state == WS_CLOSED)
		return;
	va_start(args, fmt);
	vsnprintf(ws->error, sizeof(ws->error), fmt, args);
	va_end(args);
	ws->state = WS_CLOSED;
	loop_fd_del(&ws->io);
	if (ws->config.ops->on_close)
		ws->config.ops->on_close(ws, ws->config.arg);
}

static const char *tls_error(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	return text ? text : "the connection broke";
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct ws *ws = SSL_get_app_data(ssl);

	if (!ws || !ws->config.ops->on_session)
		return 0;
	ws->config.ops->on_session(ws, session, ws->config.arg);
	return 1;
}

void ws_keep_sessions(SSL_CTX *tls)
{
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(tls, on_new_session);
}

/* The port is chosen when it is known where to: so many connections share one source address. */
static int bind_source(int fd, const struct sockaddr_storage *source)
{
	const int on = 1;

	if (source->ss_family == 0)
		return 0;
	socklen_t len = source->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)source, len) < 0 ? -errno : 0;
}

int ws_new(const struct ws_config *config, struct ws **ret_ws)
{
	struct ws *ws = calloc(1, sizeof(*ws));
	const int on = 1;
	uint8_t chance[16];
	int err = -ENOMEM;

	if (!ws)
		return -ENOMEM;
	ws->config = *config;
	ws->decoder.message_max = MESSAGE_MAX;
	ws->decoder.from_server = true;
	ws->fd = socket(config->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ws->fd < 0)
		goto failed;
	setsockopt(ws->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	err = bind_source(ws->fd, &config->source);
	if (err < 0)
		goto fail;
	err = -ENOMEM;
	if (connect(ws->fd, (const struct sockaddr *)&config->address, config->address_len) < 0 && errno != EINPROGRESS)
		goto failed;
	random_bytes(chance, sizeof(chance));
	EVP_EncodeBlock((unsigned char *)ws->key, chance, sizeof(chance));
	ws->ssl = SSL_new(config->tls);
	if (!ws->ssl || SSL_set_fd(ws->ssl, ws->fd) != 1 || SSL_set_tlsext_host_name(ws->ssl, config->host) != 1 ||
	    SSL_set1_host(ws->ssl, config->host) != 1 || SSL_set_app_data(ws->ssl, ws) != 1 ||
	    (config->session && SSL_set_session(ws->ssl, config->session) != 1))
		goto fail;
	SSL_set_connect_state(ws->ssl);
	err = loop_fd_add(config->loop, &ws->io, ws->fd, EPOLLIN | EPOLLOUT, on_ready, ws);
	if (err < 0)
		goto fail;
	*ret_ws = ws;
	return 0;
failed:
	err = -errno;
fail:
	ws_free(ws);
	return err;
}

struct ws *ws_free(struct ws *ws)
{
	if (!ws)
		return NULL;
	loop_fd_del(&ws->io);
	/* Without, OpenSSL takes the end for an attack, and the session that it belonged to is never offered again. */
	if (ws->ssl)
		SSL_set_shutdown(ws->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(ws->ssl);
	if (ws->fd >= 0)
		close(ws->fd);
	buf_fini(&ws->in);
	buf_fini(&ws->out);
	ws_decoder_fini(&ws->decoder);
	free(ws);
	return NULL;
}

struct ws *ws_cut(struct ws *ws)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (ws)
		setsockopt(ws->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	return ws_free(ws);
}

const struct ws_bytes *ws_bytes(const struct ws *ws)
{
	return &ws->bytes;
}

bool ws_resumed(const struct ws *ws)
{
	return SSL_session_reused(ws->ssl);
}

const char *ws_error(const struct ws *ws)
{
	return ws->error;
}

/* ---- out ---- */

static void flush(struct ws *ws)
{
	while (ws->out.len > 0 && ws->state != WS_CLOSED) {
		size_t n;
		ERR_clear_error();
		if (SSL_write_ex(ws->ssl, ws->out.data, ws->out.len, &n) == 1) {
			buf_consume(&ws->out, n);
			continue;
		}
		int why = SSL_get_error(ws->ssl, 0);
		if (why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ)
			break;
		ws_fail(ws, "cannot write: %s", tls_error());
		return;
	}
	bool wants = ws->out.len > 0;
	if (!wants && !ws->out.failed)
		buf_fini(&ws->out);
	if (wants != ws->wants_write && ws->state != WS_CLOSED) {
		ws->wants_write = wants;
		(void)loop_fd_mod(&ws->io, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
	}
}

static void frame_add(struct ws *ws, enum ws_opcode opcode, const void *data, size_t len)
{
	size_t before = ws->out.len;
	uint8_t mask[4];

	random_bytes(mask, sizeof(mask));
	ws_frame_append_masked(&ws->out, opcode, data, len, mask);
	ws->bytes.sent += ws->out.len - before;
	flush(ws);
}

int ws_send(struct ws *ws, const char *text, size_t len)
{
	if (ws->state != WS_OPEN)
		return -ENOTCONN;
	frame_add(ws, WS_TEXT, text, len);
	return ws->out.failed ? -ENOMEM : 0;
}

/* ---- the opening handshake ---- */

static void ask(struct ws *ws)
{
	size_t before = ws->out.len;

	buf_appendf(&ws->out,
		    "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
		    "Sec-WebSocket-Protocol: parley.v1, bearer.%s\r\n\r\n",
		    ws->config.path, ws->config.authority, ws->key, ws->config.token);
	ws->bytes.handshake += ws->out.len - before;
	ws->state = WS_ASKING;
	flush(ws);
}

/* Is there a header line of that name with that value? */
static bool header_is(const char *head, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len = strlen(value);

	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
			continue;
		line += name_len + 1;
		line += strspn(line, " \t");
		if (strncmp(line, value, value_len) == 0 && line[value_len] == '\r')
			return true;
	}
	return false;
}

/* true: it is open, and what follows are frames. */
static bool take_head(struct ws *ws)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t digest[SHA_DIGEST_LENGTH];
	char text[64], accept[32];
	int status = 0;

	if (ws->in.len == 0)
		return false;
	const char *end = memmem(ws->in.data, ws->in.len, "\r\n\r\n", 4);
	if (!end) {
		if (ws->in.len > HEAD_MAX)
			ws_fail(ws, "the answer to the upgrade has no end");
		return false;
	}
	size_t len = (size_t)(end - (const char *)ws->in.data) + 4;
	char *head = strndup((const char *)ws->in.data, len);
	if (!head) {
		ws_fail(ws, "out of memory");
		return false;
	}
	ws->bytes.handshake += len;
	buf_consume(&ws->in, len);
	snprintf(text, sizeof(text), "%s%s", ws->key, guid);
	SHA1((const unsigned char *)text, strlen(text), digest);
	EVP_EncodeBlock((unsigned char *)accept, digest, sizeof(digest));
	(void)sscanf(head, "HTTP/1.1 %3d", &status);
	bool good = status == 101 && header_is(head, "sec-websocket-accept", accept) &&
		    header_is(head, "sec-websocket-protocol", "parley.v1");
	free(head);
	if (!good) {
		ws_fail(ws, "the upgrade was answered %d", status);
		return false;
	}
	ws->state = WS_OPEN;
	if (ws->config.ops->on_open)
		ws->config.ops->on_open(ws, ws->config.arg);
	return true;
}

/* ---- frames ---- */

static void on_event(struct ws *ws, const struct ws_event *e)
{
	uint8_t code[2];

	switch (e->opcode) {
	case WS_TEXT:
		if (ws->config.ops->on_text)
			ws->config.ops->on_text(ws, (const char *)e->data, e->len, ws->message_bytes, ws->config.arg);
		break;
	case WS_PING:
		frame_add(ws, WS_PONG, e->data, e->len);
		break;
	case WS_CLOSE:
		code[0] = (uint8_t)(e->code >> 8);
		code[1] = (uint8_t)e->code;
		frame_add(ws, WS_CLOSE, code, e->code == 1005 ? 0 : sizeof(code));
		ws_fail(ws, "the server closed it: %d %.*s", e->code, (int)e->len, (const char *)e->data);
		break;
	case WS_BINARY:
		ws_fail(ws, "a binary message, which nobody sends");
		break;
	case WS_PONG:
	case WS_CONTINUATION:
		break;
	}
	ws->message_bytes = 0;
}

static void on_frames(struct ws *ws, const uint8_t *data, size_t len)
{
	struct ws_event event;
	size_t used;
	int got = 1;

	/* Once more after the last event, which frees its memory. */
	while (got == 1 && ws->state == WS_OPEN) {
		got = ws_decoder_feed(&ws->decoder, data, len, &used, &event);
		ws->bytes.received += used;
		ws->message_bytes += used;
		data += used;
		len -= used;
		if (got == 1)
			on_event(ws, &event);
	}
	if (got < 0)
		ws_fail(ws, "a frame that no server may send (%d)", -got);
}

/* The answer to the upgrade, and what came right behind it. */
static void on_head(struct ws *ws, const uint8_t *data, size_t len)
{
	buf_append(&ws->in, data, len);
	if (ws->in.failed) {
		ws_fail(ws, "out of memory");
	} else if (take_head(ws)) {
		struct buf rest = ws->in;
		ws->in = (struct buf){ 0 };
		on_frames(ws, rest.data, rest.len);
		buf_fini(&rest);
	}
}

static void read_all(struct ws *ws)
{
	while (ws->state != WS_CLOSED) {
		size_t n;
		ERR_clear_error();
		if (SSL_read_ex(ws->ssl, scratch, sizeof(scratch), &n) != 1) {
			int why = SSL_get_error(ws->ssl, 0);
			if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
				ws_fail(ws, "cannot read: %s", tls_error());
			return;
		}
		if (ws->state == WS_ASKING)
			on_head(ws, scratch, n);
		else
			on_frames(ws, scratch, n);
	}
}

static void shake_hands(struct ws *ws)
{
	ERR_clear_error();
	int n = SSL_do_handshake(ws->ssl), why = n == 1 ? 0 : SSL_get_error(ws->ssl, n);

	if (n == 1)
		ask(ws);
	else if (why == SSL_ERROR_WANT_READ)
		(void)loop_fd_mod(&ws->io, EPOLLIN);
	else if (why != SSL_ERROR_WANT_WRITE)
		ws_fail(ws, "no TLS: %s", tls_error());
}

static void on_ready(struct loop_fd *io, uint32_t events, void *arg)
{
	struct ws *ws = arg;

	(void)io;
	(void)events;
	if (ws->state == WS_CONNECTING) {
		shake_hands(ws);
		/* Nothing is to be written yet, or flush() says so. */
		if (ws->state == WS_ASKING && !ws->wants_write)
			(void)loop_fd_mod(&ws->io, EPOLLIN);
		return;
	}
	flush(ws);
	read_all(ws);
}
