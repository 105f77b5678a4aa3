#include "tools/load/ws.h"

#include "lib/ids.h"

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
	OP_CONTINUATION = 0,
	OP_TEXT = 1,
	OP_BINARY = 2,
	OP_CLOSE = 8,
	OP_PING = 9,
	OP_PONG = 10,
	HEAD_MAX = 16 * 1024,
	MESSAGE_MAX = 16 * 1024 * 1024,
	CONTROL_MAX = 125,
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
	struct buf in, out, message;
	size_t message_bytes; /* frames of the message so far */
};

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

int ws_new(const struct ws_config *config, struct ws **ret_ws)
{
	struct ws *ws = calloc(1, sizeof(*ws));
	const int on = 1;
	uint8_t chance[16];
	int err = -ENOMEM;

	if (!ws)
		return -ENOMEM;
	ws->config = *config;
	ws->fd = socket(config->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ws->fd < 0)
		goto failed;
	setsockopt(ws->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(ws->fd, (const struct sockaddr *)&config->address, config->address_len) < 0 && errno != EINPROGRESS)
		goto failed;
	random_bytes(chance, sizeof(chance));
	EVP_EncodeBlock((unsigned char *)ws->key, chance, sizeof(chance));
	ws->ssl = SSL_new(config->tls);
	if (!ws->ssl || SSL_set_fd(ws->ssl, ws->fd) != 1 || SSL_set_tlsext_host_name(ws->ssl, config->host) != 1 ||
	    SSL_set1_host(ws->ssl, config->host) != 1)
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
	SSL_free(ws->ssl);
	if (ws->fd >= 0)
		close(ws->fd);
	buf_fini(&ws->in);
	buf_fini(&ws->out);
	buf_fini(&ws->message);
	free(ws);
	return NULL;
}

const struct ws_bytes *ws_bytes(const struct ws *ws)
{
	return &ws->bytes;
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
	if (wants != ws->wants_write && ws->state != WS_CLOSED) {
		ws->wants_write = wants;
		(void)loop_fd_mod(&ws->io, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
	}
}

/* Clients mask what they send (RFC 6455, 5.3). */
static void frame_add(struct ws *ws, unsigned opcode, const void *data, size_t len)
{
	uint8_t head[14], *room;
	size_t n = 2;

	head[0] = (uint8_t)(0x80 | opcode);
	if (len < 126) {
		head[1] = (uint8_t)(0x80 | len);
	} else if (len <= UINT16_MAX) {
		head[1] = 0x80 | 126;
		head[n++] = (uint8_t)(len >> 8);
		head[n++] = (uint8_t)len;
	} else {
		head[1] = 0x80 | 127;
		for (int shift = 56; shift >= 0; shift -= 8)
			head[n++] = (uint8_t)((uint64_t)len >> shift);
	}
	uint8_t *mask = head + n;
	random_bytes(mask, 4);
	n += 4;
	buf_append(&ws->out, head, n);
	room = buf_reserve(&ws->out, len);
	if (!room)
		return;
	for (size_t i = 0; i < len; i++)
		room[i] = ((const uint8_t *)data)[i] ^ mask[i & 3];
	ws->out.len += len;
	ws->bytes.sent += n + len;
	flush(ws);
}

int ws_send(struct ws *ws, const char *text, size_t len)
{
	if (ws->state != WS_OPEN)
		return -ENOTCONN;
	frame_add(ws, OP_TEXT, text, len);
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

static void on_control(struct ws *ws, unsigned opcode, const uint8_t *data, size_t len)
{
	if (opcode == OP_PING) {
		frame_add(ws, OP_PONG, data, len);
	} else if (opcode == OP_CLOSE) {
		frame_add(ws, OP_CLOSE, data, MIN(len, 2u));
		ws_fail(ws, "the server closed it: %d %.*s", len >= 2 ? data[0] << 8 | data[1] : 1005,
			len > 2 ? (int)len - 2 : 0, (const char *)data + 2);
	}
}

static void on_data(struct ws *ws, unsigned opcode, bool fin, const uint8_t *data, size_t len, size_t frame_bytes)
{
	if ((opcode == OP_CONTINUATION) != (ws->message_bytes > 0) || opcode > OP_TEXT) {
		ws_fail(ws, "a frame of type %u in a wrong place", opcode);
		return;
	}
	buf_append(&ws->message, data, len);
	ws->message_bytes += frame_bytes;
	if (!fin)
		return;
	buf_append(&ws->message, "", 1);
	if (ws->message.failed || ws->message.len > MESSAGE_MAX) {
		ws_fail(ws, "a message that is too long");
		return;
	}
	if (ws->config.ops->on_text)
		ws->config.ops->on_text(ws, (const char *)ws->message.data, ws->message.len - 1, ws->message_bytes,
					ws->config.arg);
	buf_clear(&ws->message);
	ws->message_bytes = 0;
}

/* One frame off the front; false: it is not whole yet. */
static bool take_frame(struct ws *ws)
{
	const uint8_t *p = ws->in.data;
	size_t head = 2;

	if (ws->in.len < head)
		return false;
	uint64_t len = p[1] & 127;
	bool masked = p[1] >> 7, fin = p[0] >> 7;
	unsigned opcode = p[0] & 15, wide = len == 126 ? 2 : len == 127 ? 8 : 0;
	head += wide;
	if (ws->in.len < head)
		return false;
	if (wide > 0)
		len = 0;
	for (unsigned i = 0; i < wide; i++)
		len = len << 8 | p[2 + i];
	if (masked || (p[0] & 0x70) || len > MESSAGE_MAX || (opcode >= OP_CLOSE && (!fin || len > CONTROL_MAX))) {
		ws_fail(ws, "a frame that no server may send");
		return false;
	}
	if (ws->in.len < head + len)
		return false;
	ws->bytes.received += head + len;
	if (opcode >= OP_CLOSE)
		on_control(ws, opcode, p + head, len);
	else
		on_data(ws, opcode, fin, p + head, len, head + len);
	buf_consume(&ws->in, head + len);
	return ws->state == WS_OPEN;
}

static void read_all(struct ws *ws)
{
	while (ws->state != WS_CLOSED) {
		uint8_t *room = buf_reserve(&ws->in, READ_BYTES);
		size_t n;
		if (!room) {
			ws_fail(ws, "out of memory");
			return;
		}
		ERR_clear_error();
		if (SSL_read_ex(ws->ssl, room, READ_BYTES, &n) != 1) {
			int why = SSL_get_error(ws->ssl, 0);
			if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
				ws_fail(ws, "cannot read: %s", tls_error());
			return;
		}
		ws->in.len += n;
		if (ws->state == WS_ASKING && !take_head(ws))
			continue;
		while (ws->state == WS_OPEN && take_frame(ws))
			;
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
