/* links: workers master */
/* One message to many WebSockets: built once, written to all, without keeping others waiting. */
#include "tests/support/cm.h"

#include "lib/loop.h"
#include "lib/ws_frame.h"
#include "master/certificate.h"
#include "shm/layout.h"
#include "workers/http_conn.h"
#include "workers/server.h"
#include "workers/worker.h"
#include "workers/ws.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 600, LONG = 60000, TURNS = 1000 };

static struct worker worker;
static struct stats_worker counters;
static struct server *server;
static unsigned closed;

/* The other end of each. */
static struct client {
	int fd;
	struct ws *ws;
	struct buf heard;
} client[MANY];

static int start(void **state)
{
	struct rlimit files;
	struct buf pem = { 0 };
	int fd;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	memset(&worker, 0, sizeof(worker));
	worker.workers = 1;
	worker.counters = &counters;
	counters = (struct stats_worker){ 0 };
	closed = 0;
	assert_int_equal(loop_new(&worker.loop), 0);
	assert_int_equal(certificate_make_dtls(&pem), 0);
	assert_int_equal(shm_blob_create("pem", pem.data, pem.len, &fd), 0);
	assert_int_equal(fdset_add(&worker.fds, fd, "tls_cert"), 0);
	assert_int_equal(fdset_add(&worker.fds, dup(fd), "tls_key"), 0);
	buf_fini(&pem);
	assert_int_equal(server_start(&worker, &server), 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	server = server_stop(server);
	for (unsigned i = 0; i < MANY; i++) {
		if (client[i].fd > 0)
			close(client[i].fd);
		buf_fini(&client[i].heard);
		client[i] = (struct client){ 0 };
	}
	worker.loop = loop_free(worker.loop);
	return 0;
}

static void on_text(struct ws *ws, const char *text, size_t len, void *user)
{
	(void)text;
	(void)len;
	(void)user;
	assert_int_equal(ws_send_text(ws, "yes", 3), 0);
}

static void on_close(struct ws *ws, void *user)
{
	(void)ws;
	(void)user;
	closed++;
}

static void on_refused(struct request *req, const struct reply *reply)
{
	(void)req;
	fail_msg("the upgrade was answered %d", reply->status);
}

/* A WebSocket as api_events.c makes it, on a socket of which little fits into the kernel. */
static void client_connect(struct client *c)
{
	static const struct ws_handler handler = { .on_text = on_text, .on_close = on_close };
	static const char text[] = "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
				   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
	const struct sockaddr peer = { .sa_family = AF_UNIX };
	const int little = 1;
	struct http_conn *conn;
	struct http_head head;
	size_t scanned = 0;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_int_equal(setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
	assert_int_equal(http_conn_new(server, fd[0], HTTP_MAIN, NULL, &peer, &conn), 0);
	struct request *req = request_new(&worker);
	assert_non_null(req);
	assert_int_equal(http_head_scan(text, sizeof(text) - 1, &scanned), sizeof(text) - 1);
	assert_int_equal(http_head_parse(text, sizeof(text) - 1, &head), 0);
	assert_int_equal(request_fill(req, &head), 0);
	req->conn = conn;
	req->on_reply = on_refused;
	conn->request = req;
	conn->state = CONN_ANSWERING;
	assert_int_equal(ws_accept(req, "parley.v1", &handler, c, &c->ws), 0);
	c->fd = fd[1];
}

/* What has come so far; the answer to the upgrade is taken away. */
static void client_read(struct client *c)
{
	static uint8_t in[4096];
	ssize_t n;

	while (c->fd > 0 && (n = read(c->fd, in, sizeof(in))) > 0)
		buf_append(&c->heard, in, (size_t)n);
	const char *end =
		c->heard.len > 0 && *c->heard.data == 'H' ? memmem(c->heard.data, c->heard.len, "\r\n\r\n", 4) : NULL;
	if (end)
		buf_consume(&c->heard, (size_t)(end - (const char *)c->heard.data) + 4);
}

static void all_read(void)
{
	for (unsigned i = 0; i < MANY; i++)
		client_read(&client[i]);
}

static void all_connect(void)
{
	for (unsigned i = 0; i < MANY; i++)
		client_connect(&client[i]);
	for (unsigned turn = 0; turn < 10; turn++) {
		assert_int_equal(loop_turn(worker.loop, 0), 0);
		all_read();
	}
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(client[i].heard.len, 0);
}

/* One final text frame with this in it, and nothing else. */
static bool has_heard(const struct client *c, const char *text, size_t len)
{
	uint8_t head[WS_OUT_HEAD_MAX];
	size_t head_len = ws_frame_head(head, WS_TEXT, len);

	return c->heard.len == head_len + len && memcmp(c->heard.data, head, head_len) == 0 &&
	       memcmp(c->heard.data + head_len, text, len) == 0;
}

static unsigned have_heard(const char *text, size_t len)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MANY; i++)
		n += has_heard(&client[i], text, len);
	return n;
}

static void send_to_all(const char *text, size_t len)
{
	struct ws_message *message = ws_message_new(text, len);

	assert_non_null(message);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(ws_send(client[i].ws, message), 0);
	assert_null(ws_message_unref(message));
}

static size_t heap_bytes(void)
{
	const struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void one_frame_is_shared_by_all_queues(void **state)
{
	static char text[LONG];
	size_t before;

	(void)state;
	memset(text, 'x', sizeof(text));
	all_connect();
	before = heap_bytes();
	send_to_all(text, sizeof(text));
	for (unsigned turn = 0; turn < 10; turn++)
		assert_int_equal(loop_turn(worker.loop, 0), 0);
	/* Everybody's queue holds nearly all of it now, and there is one of it. Sanitizers have a heap of their own,
	 * which tells nothing. */
	if (before > 0)
		assert_in_range(heap_bytes() - before, sizeof(text), sizeof(text) + MANY * 512);
	for (unsigned turn = 0; turn < TURNS && have_heard(text, sizeof(text)) < MANY; turn++) {
		all_read();
		assert_int_equal(loop_turn(worker.loop, 0), 0);
	}
	assert_int_equal(have_heard(text, sizeof(text)), MANY);
	for (unsigned i = 0; i < MANY; i++)
		buf_fini(&client[i].heard);
	assert_true(before == 0 || heap_bytes() < before + sizeof(text) / 2);
	assert_int_equal(stat_get(&counters.ws_messages_out), MANY);
	assert_int_equal(closed, 0);
}

static void others_have_their_turn_while_very_many_are_written_to(void **state)
{
	static const uint8_t mask[4] = { 1, 2, 3, 4 };
	struct buf question = { 0 };
	unsigned turns = 0, heard = 0;

	(void)state;
	all_connect();
	send_to_all("news", 4);
	/* The last one in the row asks something meanwhile. */
	ws_frame_append_masked(&question, WS_TEXT, "well?", 5, mask);
	assert_int_equal(write(client[MANY - 1].fd, question.data, question.len), (ssize_t)question.len);
	assert_int_equal(loop_turn(worker.loop, 0), 0);
	all_read();
	heard = have_heard("news", 4);
	assert_in_range(heard, 1, MANY / 2);
	/* It has its answer, after the news. */
	assert_int_equal(client[MANY - 1].heard.len, 2 + 4 + 2 + 3);
	assert_memory_equal(client[MANY - 1].heard.data, "\x81\x04news\x81\x03yes", 11);
	for (; turns < TURNS && heard < MANY - 1; turns++) {
		assert_int_equal(loop_turn(worker.loop, 0), 0);
		all_read();
		heard = have_heard("news", 4);
	}
	assert_int_equal(heard, MANY - 1);
	buf_fini(&question);
}

static void who_goes_meanwhile_takes_nobody_along(void **state)
{
	unsigned gone = 0;

	(void)state;
	all_connect();
	send_to_all("news", 4);
	for (unsigned i = 0; i < MANY; i += 3, gone++) {
		close(client[i].fd);
		client[i].fd = 0;
	}
	for (unsigned turn = 0; turn < TURNS && have_heard("news", 4) < MANY - gone; turn++) {
		assert_int_equal(loop_turn(worker.loop, 0), 0);
		all_read();
	}
	assert_int_equal(have_heard("news", 4), MANY - gone);
	for (unsigned turn = 0; turn < TURNS && closed < gone; turn++)
		assert_int_equal(loop_turn(worker.loop, 0), 0);
	assert_int_equal(closed, gone);
	assert_int_equal(stat_get(&counters.websockets), MANY - gone);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_frame_is_shared_by_all_queues),
		TEST(others_have_their_turn_while_very_many_are_written_to),
		TEST(who_goes_meanwhile_takes_nobody_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
