/* links: workers */
#include "tests/support/cm.h"

#include "lib/loop.h"
#include "shm/directory.h"
#include "workers/events.h"
#include "workers/presence.h"
#include "workers/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct worker worker;
static struct stats_worker counters;
static struct directory directory;

static int start(void **state)
{
	int fd;

	(void)state;
	worker = (struct worker){ .workers = 1, .counters = &counters, .directory = &directory };
	assert_int_equal(loop_new(&worker.loop), 0);
	assert_int_equal(directory_create("test", 256, &fd), 0);
	assert_int_equal(directory_attach(&directory, &fd, 1, 0, 1, NULL), 0);
	close(fd);
	assert_int_equal(events_start(&worker, &worker.events), 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	worker.events = events_stop(worker.events);
	directory_detach(&directory);
	worker.loop = loop_free(worker.loop);
	return 0;
}

static void fills(const char *json, const char *want)
{
	struct buf out = { 0 };

	presence_fill(&worker, json, strlen(json), &out);
	assert_false(out.failed);
	buf_append_char(&out, 0);
	assert_string_equal((char *)out.data, want);
	buf_fini(&out);
}

static void presence_is_filled_in(void **state)
{
	struct id here = { .b = { 1 } };
	const char *here_text = "01000000-0000-0000-0000-000000000000";
	char json[256];

	(void)state;
	assert_int_equal(directory_set(&directory, &here, 1, PRESENCE_ONLINE), 0);
	snprintf(json, sizeof(json), "{\"presence\": \"@%s\", \"x\": 1}", here_text);
	fills(json, "{\"presence\": \"online\", \"x\": 1}");
	snprintf(json, sizeof(json), "[{\"presence\": \"!%s\"}, {\"presence\": \"offline\"}]", here_text);
	fills(json, "[{\"presence\": \"busy\"}, {\"presence\": \"offline\"}]");
	fills("{\"presence\": \"@02000000-0000-0000-0000-000000000000\"}", "{\"presence\": \"offline\"}");
	/* Inside a text the quotes are escaped; cut-off marks stay as they are. */
	fills("{\"text\": \"\\\"presence\\\": \\\"@x\"}", "{\"text\": \"\\\"presence\\\": \\\"@x\"}");
	fills("{\"presence\": \"@0200", "{\"presence\": \"@0200");
	fills("", "");
}

static void people_stay_for_a_moment(void **state)
{
	struct id ana = id_random(), sign_in = id_random();
	struct events_conn *one, *two;

	(void)state;
	assert_int_equal(events_open(worker.events, &ana, &sign_in, &one), 0);
	assert_int_equal(events_open(worker.events, &ana, &sign_in, &two), 0);
	assert_int_equal(directory_find(&directory, &ana), 1);
	events_closed(one);
	assert_int_equal(directory_find(&directory, &ana), 1);
	events_closed(two);
	assert_int_equal(directory_presence(&directory, &ana), PRESENCE_ONLINE);
	/* Back within the grace, then away for good. */
	assert_int_equal(events_open(worker.events, &ana, &sign_in, &one), 0);
	events_closed(one);
	int64_t until_us = clock_now_us() + 3 * USEC_PER_SEC;
	while (directory_find(&directory, &ana) && clock_now_us() < until_us)
		loop_turn(worker.loop, 100000);
	assert_int_equal(directory_find(&directory, &ana), 0);
}

static void events_wait_for_the_hello_but_not_without_end(void **state)
{
	struct id ana = id_random(), sign_in = id_random();
	struct events_conn *conn;

	(void)state;
	assert_int_equal(events_open(worker.events, &ana, &sign_in, &conn), 0);
	for (int i = 0; i < 1000; i++)
		events_send(worker.events, &ana, 1, "{\"type\":\"pong\"}", 15);
	events_close_session(worker.events, &ana, &sign_in);
	events_closed(conn);
}

static void there_is_a_limit(void **state)
{
	struct id sign_in = id_random();
	struct events_conn *conn[4];

	(void)state;
	worker.conf.limits.websockets = 3;
	for (int i = 0; i < 3; i++) {
		struct id user = id_random();
		assert_int_equal(events_open(worker.events, &user, &sign_in, &conn[i]), 0);
	}
	struct id user = id_random();
	assert_int_equal(events_open(worker.events, &user, &sign_in, &conn[3]), -ENOSPC);
	for (int i = 0; i < 3; i++)
		events_closed(conn[i]);
}

static void many_people(void **state)
{
	enum { PEOPLE = 2000 };
	struct id sign_in = id_random();
	static struct events_conn *conn[PEOPLE];
	int open = 0;

	(void)state;
	/* More than the directory has room for: the rest is refused, none is lost. */
	for (int i = 0; i < PEOPLE; i++) {
		struct id user = id_random();
		if (events_open(worker.events, &user, &sign_in, &conn[open]) == 0)
			open++;
	}
	assert_true(open >= 200 && open <= 256);
	while (open > 0)
		events_closed(conn[--open]);
}

/* What another worker sends is data, whatever it is. */
static void hostile_peers(void **state)
{
	uint8_t data[200];

	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		size_t len = (size_t)rand() % sizeof(data);
		uint8_t *exact = malloc(len + 1);
		for (size_t j = 0; j < len; j++)
			data[j] = rand() % 3 ? 0 : (uint8_t)rand();
		data[0] = 1 + rand() % 5;
		data[1] = data[2] = data[3] = 0;
		memcpy(exact, data, len);
		events_on_peer(worker.events, exact, len);
		free(exact);
	}
}

static void notify_that_is_no_list(void **state)
{
	(void)state;
	events_send_notify(worker.events, NULL);
	events_send_notify(worker.events, "");
	events_send_notify(worker.events, "{}");
	events_send_notify(worker.events, "[1, {}, {\"to\": 1, \"event\": {}}, {\"to\": [1, \"x\"], \"event\": {}}]");
	events_send_notify(NULL, "[]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(presence_is_filled_in, start, stop),
		cmocka_unit_test_setup_teardown(people_stay_for_a_moment, start, stop),
		cmocka_unit_test_setup_teardown(events_wait_for_the_hello_but_not_without_end, start, stop),
		cmocka_unit_test_setup_teardown(there_is_a_limit, start, stop),
		cmocka_unit_test_setup_teardown(many_people, start, stop),
		cmocka_unit_test_setup_teardown(hostile_peers, start, stop),
		cmocka_unit_test_setup_teardown(notify_that_is_no_list, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
