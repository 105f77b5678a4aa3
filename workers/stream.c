#include "workers/stream.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct stream_chunk {
	struct stream_chunk *next;
	const uint8_t *data;
	size_t len;
	void (*release)(void *arg);
	void *arg;
	uint8_t copy[];
};

int stream_init(struct stream *s, int fd, SSL_CTX *ctx)
{
	*s = (struct stream){ .fd = fd };
	if (!ctx)
		return 0;
	s->ssl = SSL_new(ctx);
	if (!s->ssl || SSL_set_fd(s->ssl, fd) != 1)
		return -ENOMEM;
	SSL_set_accept_state(s->ssl);
	return 0;
}

static void chunk_free(struct stream_chunk *c)
{
	if (c->release)
		c->release(c->arg);
	free(c);
}

void stream_drop_queue(struct stream *s)
{
	while (s->first) {
		struct stream_chunk *c = s->first;
		s->first = c->next;
		chunk_free(c);
	}
	s->last = NULL;
	s->queued = s->first_done = 0;
}

void stream_fini(struct stream *s)
{
	loop_fd_del(&s->io);
	stream_drop_queue(s);
	SSL_free(s->ssl);
	s->ssl = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* After an SSL_*() call that returned n <= 0. */
static int ssl_error(struct stream *s, int n, bool *ret_other_way, int blocked_by_other)
{
	int err = SSL_get_error(s->ssl, n);

	if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE) {
		*ret_other_way = err == blocked_by_other;
		return -EAGAIN;
	}
	if (err == SSL_ERROR_ZERO_RETURN)
		return 0;
	ERR_clear_error();
	s->broken = true;
	return -EPIPE;
}

int stream_handshake(struct stream *s)
{
	if (!s->ssl)
		return 0;
	ERR_clear_error();
	int n = SSL_do_handshake(s->ssl);
	s->read_wants_write = false;
	if (n == 1)
		return 0;
	int err = ssl_error(s, n, &s->read_wants_write, SSL_ERROR_WANT_WRITE);
	return err == 0 ? -EPIPE : err;
}

/* What recv() or send() returned, errno with it. */
static int plain_result(struct stream *s, ssize_t n)
{
	if (n >= 0)
		return (int)n;
	if (errno == EAGAIN || errno == EINTR)
		return -EAGAIN;
	s->broken = true;
	return -EPIPE;
}

int stream_read(struct stream *s, void *buf, size_t len)
{
	if (s->broken)
		return -EPIPE;
	if (!s->ssl)
		return plain_result(s, recv(s->fd, buf, len, 0));
	ERR_clear_error();
	int n = SSL_read(s->ssl, buf, (int)len);
	s->read_wants_write = false;
	return n > 0 ? n : ssl_error(s, n, &s->read_wants_write, SSL_ERROR_WANT_WRITE);
}

static struct stream_chunk *chunk_add(struct stream *s, size_t len, size_t copy_len)
{
	struct stream_chunk *c = malloc(sizeof(*c) + copy_len);

	if (!c)
		return NULL;
	*c = (struct stream_chunk){ .data = c->copy, .len = len };
	if (s->last)
		s->last->next = c;
	else
		s->first = c;
	s->last = c;
	s->queued += len;
	return c;
}

void *stream_queue_room(struct stream *s, size_t len)
{
	struct stream_chunk *c = chunk_add(s, len, len);

	return c ? c->copy : NULL;
}

int stream_queue_copy(struct stream *s, const void *data, size_t len)
{
	void *room = len > 0 ? stream_queue_room(s, len) : NULL;

	if (room)
		memcpy(room, data, len);
	return room || len == 0 ? 0 : -ENOMEM;
}

int stream_queue_ref(struct stream *s, const void *data, size_t len, void (*release)(void *arg), void *arg)
{
	struct stream_chunk *c = len > 0 ? chunk_add(s, len, 0) : NULL;

	if (len == 0 && release)
		release(arg);
	if (!c)
		return len > 0 ? -ENOMEM : 0;
	c->data = data;
	c->release = release;
	c->arg = arg;
	return 0;
}

/* What to write next: up to a record, gathered from small chunks or straight from a large one. */
static const uint8_t *gather(const struct stream *s, uint8_t *scratch, size_t *ret_len)
{
	const struct stream_chunk *c = s->first;
	const uint8_t *data = c->data + s->first_done;
	size_t len = c->len - s->first_done;
	size_t total = 0;

	if (len >= STREAM_RECORD || !c->next) {
		*ret_len = MIN(len, (size_t)STREAM_RECORD);
		return data;
	}
	for (;;) {
		size_t n = MIN(len, STREAM_RECORD - total);
		memcpy(scratch + total, data, n);
		total += n;
		c = c->next;
		if (!c || total == STREAM_RECORD)
			break;
		data = c->data;
		len = c->len;
	}
	*ret_len = total;
	return scratch;
}

static void written(struct stream *s, size_t len)
{
	s->queued -= len;
	len += s->first_done;
	while (s->first && len >= s->first->len) {
		struct stream_chunk *c = s->first;
		len -= c->len;
		s->first = c->next;
		chunk_free(c);
	}
	s->first_done = len;
	if (!s->first)
		s->last = NULL;
}

static int write_some(struct stream *s, const uint8_t *data, size_t len)
{
	if (s->ssl) {
		ERR_clear_error();
		int n = SSL_write(s->ssl, data, (int)len);
		s->write_wants_read = false;
		if (n > 0)
			return n;
		int err = ssl_error(s, n, &s->write_wants_read, SSL_ERROR_WANT_READ);
		return err == 0 ? -EPIPE : err;
	}
	return plain_result(s, send(s->fd, data, len, MSG_NOSIGNAL));
}

int stream_flush(struct stream *s, uint8_t *scratch)
{
	s->blocked = false;
	while (s->first) {
		size_t len;
		const uint8_t *data = gather(s, scratch, &len);
		int n = s->broken ? -EPIPE : write_some(s, data, len);
		if (n < 0) {
			s->blocked = n == -EAGAIN;
			return n;
		}
		written(s, (size_t)n);
	}
	return 0;
}

void stream_shutdown(struct stream *s)
{
	if (s->ssl && !s->broken && SSL_is_init_finished(s->ssl)) {
		ERR_clear_error();
		SSL_shutdown(s->ssl);
		ERR_clear_error();
	}
	shutdown(s->fd, SHUT_WR);
}

uint32_t stream_interest(const struct stream *s, bool want_read)
{
	uint32_t events = 0;

	if ((want_read && !s->read_wants_write) || (s->blocked && s->write_wants_read))
		events |= EPOLLIN;
	if ((s->blocked && !s->write_wants_read) || s->read_wants_write)
		events |= EPOLLOUT;
	return events;
}
