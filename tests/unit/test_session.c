/* links: */
#include "shm/session.h"

#include "lib/cleanup.h"
#include "tests/support/cm.h"
#include "tests/support/oom.h"

#include <sys/stat.h>
#include <unistd.h>

#define TRANSPORTS 4u
#define TRACKS	   (TRANSPORTS * SESSION_TRACKS_PER_TRANSPORT)
#define SEATS	   (TRANSPORTS * SESSION_SEATS_PER_TRANSPORT)

struct fix {
	int fd;
	struct session_table table;
};

static int setup(void **state)
{
	static struct fix f;

	assert_int_equal(session_create("table", TRANSPORTS, &f.fd), 0);
	assert_int_equal(session_attach(&f.table, f.fd, 1), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	session_detach(&f->table);
	close(f->fd);
	return 0;
}

static void reattach(struct fix *f, uint32_t epoch)
{
	session_detach(&f->table);
	assert_int_equal(session_attach(&f->table, f->fd, epoch), 0);
	assert_int_equal(atomic_load(&f->table.shm->header.epoch), epoch);
}

static struct session_transport *new_transport(struct session_table *table)
{
	struct session_transport *t = NULL;

	assert_int_equal(session_transport_new(table, &t), 0);
	assert_int_equal(atomic_load(&t->state), TRANSPORT_FREE);
	atomic_store(&t->state, TRANSPORT_NEW);
	return t;
}

static struct session_seat *new_seat(struct session_table *table)
{
	struct session_seat *s = NULL;

	assert_int_equal(session_seat_new(table, &s), 0);
	atomic_store(&s->state, 1 + SEAT_WAITING);
	return s;
}

static void test_new_find_free(void **state)
{
	struct fix *f = *state;

	struct session_transport *t = new_transport(&f->table);
	uint64_t handle = session_transport_handle(&f->table, t);
	assert_int_not_equal(handle, 0);
	assert_ptr_equal(session_transport_find(&f->table, handle), t);
	session_transport_free(&f->table, t);
	assert_null(session_transport_find(&f->table, handle));
	/* The same record, another handle. */
	struct session_transport *again = new_transport(&f->table);
	assert_ptr_equal(again, t);
	assert_null(session_transport_find(&f->table, handle));
	assert_int_not_equal(session_transport_handle(&f->table, again), handle);
	session_transport_free(&f->table, NULL);
}

static void test_records_are_zeroed(void **state)
{
	struct fix *f = *state;

	struct session_seat *s = new_seat(&f->table);
	uint8_t *bytes = (uint8_t *)s;
	memset(bytes + 8, 0xaa, sizeof(*s) - 8);
	session_seat_free(&f->table, s);
	assert_int_equal(session_seat_new(&f->table, &s), 0);
	assert_ptr_equal(s, bytes);
	for (size_t i = 8; i < sizeof(*s); i++)
		assert_int_equal(bytes[i], 0);
}

static void test_not_found_until_its_state_is_stored(void **state)
{
	struct fix *f = *state;
	struct session_track *t;

	assert_int_equal(session_track_new(&f->table, &t), 0);
	uint64_t handle = session_track_handle(&f->table, t);
	assert_null(session_track_find(&f->table, handle));
	atomic_store(&t->state, 1);
	assert_ptr_equal(session_track_find(&f->table, handle), t);
}

static void test_keys_are_wiped(void **state)
{
	struct fix *f = *state;

	struct session_transport *t = new_transport(&f->table);
	memset(t->rx_key, 0x11, sizeof(t->rx_key));
	memset(t->tx_key, 0x22, sizeof(t->tx_key));
	memset(t->local_pwd, 'p', sizeof(t->local_pwd));
	session_transport_free(&f->table, t);
	for (size_t i = 0; i < sizeof(t->rx_key); i++)
		assert_int_equal(t->rx_key[i] | t->tx_key[i], 0);
	assert_int_equal(t->local_pwd[0], 0);
}

static void test_full(void **state)
{
	struct fix *f = *state;
	struct session_transport *t[TRANSPORTS + 1] = { 0 };
	struct session_track *track = NULL;
	struct session_seat *seat = NULL;

	assert_int_equal(session_transports_top(&f->table), 0);
	for (uint32_t i = 0; i < TRANSPORTS; i++) {
		t[i] = new_transport(&f->table);
		assert_int_equal(session_transports_top(&f->table), i + 1);
		assert_int_equal(session_handle_index(session_transport_handle(&f->table, t[i])), i);
	}
	assert_int_equal(session_transport_new(&f->table, &t[TRANSPORTS]), -ENOSPC);
	assert_null(t[TRANSPORTS]);
	session_transport_free(&f->table, t[2]);
	assert_ptr_equal(new_transport(&f->table), t[2]);
	for (uint32_t i = 0; i < TRACKS; i++)
		assert_int_equal(session_track_new(&f->table, &track), 0);
	assert_int_equal(session_track_new(&f->table, &track), -ENOSPC);
	for (uint32_t i = 0; i < SEATS; i++)
		assert_int_equal(session_seat_new(&f->table, &seat), 0);
	assert_int_equal(session_seat_new(&f->table, &seat), -ENOSPC);
	assert_int_equal(f->table.free_seats_len, 0);
}

static void test_nonsense_handles(void **state)
{
	struct fix *f = *state;
	struct session_transport *t = new_transport(&f->table);
	uint64_t good = session_transport_handle(&f->table, t);
	const uint64_t bad[] = { 0,
				 1,
				 UINT32_MAX,
				 UINT64_MAX,
				 good + 1,
				 good - 1,
				 good + (UINT64_C(1) << 32),
				 UINT64_C(1) << 32,
				 (good & ~UINT64_C(0xffffffff)) | (TRANSPORTS + 1) };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_null(session_transport_find(&f->table, bad[i]));
		assert_null(session_track_find(&f->table, bad[i]));
		assert_null(session_seat_find(&f->table, bad[i]));
	}
	assert_ptr_equal(session_transport_find(&f->table, good), t);
}

static void test_generation_wraps_past_zero(void **state)
{
	struct fix *f = *state;

	struct session_transport *t = new_transport(&f->table);
	t->generation = UINT32_MAX;
	session_transport_free(&f->table, t);
	t = new_transport(&f->table);
	assert_int_equal(t->generation, 1);
}

static void test_successor_finds_what_lives(void **state)
{
	struct fix *f = *state;
	uint64_t handle[3];
	struct session_transport *t[3];

	for (int i = 0; i < 3; i++) {
		t[i] = new_transport(&f->table);
		handle[i] = session_transport_handle(&f->table, t[i]);
		t[i]->worker = (uint32_t)i + 10;
	}
	struct session_seat *seat = new_seat(&f->table);
	uint64_t seat_handle = session_seat_handle(&f->table, seat);
	session_transport_free(&f->table, t[1]);
	reattach(f, 2);
	assert_int_equal(session_transport_find(&f->table, handle[0])->worker, 10);
	assert_null(session_transport_find(&f->table, handle[1]));
	assert_int_equal(session_transport_find(&f->table, handle[2])->worker, 12);
	assert_non_null(session_seat_find(&f->table, seat_handle));
	assert_int_equal(f->table.free_transports_len, TRANSPORTS - 2);
	assert_int_equal(f->table.free_seats_len, SEATS - 1);
	/* Freed ones first, and never one that lives. */
	struct session_transport *again = new_transport(&f->table);
	assert_int_equal(session_handle_index(session_transport_handle(&f->table, again)), 1);
	assert_int_not_equal(session_transport_handle(&f->table, again), handle[1]);
	assert_int_equal(session_handle_index(session_transport_handle(&f->table, new_transport(&f->table))), 3);
}

static void test_death_while_making(void **state)
{
	struct fix *f = *state;
	struct session_transport *t;

	t = new_transport(&f->table);
	uint64_t old = session_transport_handle(&f->table, t);
	session_transport_free(&f->table, t);
	/* Dies after session_transport_new(), before the state is stored. */
	assert_int_equal(session_transport_new(&f->table, &t), 0);
	memset(t->remote_pwd, 'x', sizeof(t->remote_pwd));
	uint64_t half = session_transport_handle(&f->table, t);
	reattach(f, 2);
	assert_int_equal(f->table.free_transports_len, TRANSPORTS);
	t = new_transport(&f->table);
	assert_int_equal(t->remote_pwd[0], 0);
	assert_int_not_equal(session_transport_handle(&f->table, t), half);
	assert_null(session_transport_find(&f->table, half));
	assert_null(session_transport_find(&f->table, old));
}

/* ---- hostile contents ---- */

static void test_bad_records_are_dropped_alone(void **state)
{
	struct fix *f = *state;
	struct session_transport *t[3];
	struct session_track *track;

	for (int i = 0; i < 3; i++)
		t[i] = new_transport(&f->table);
	uint64_t good = session_transport_handle(&f->table, t[2]);
	atomic_store(&t[0]->state, 99);
	t[1]->mlines_len = SESSION_MLINES_MAX + 1;
	assert_int_equal(session_track_new(&f->table, &track), 0);
	atomic_store(&track->state, 1);
	track->mline = SESSION_MLINES_MAX;
	struct session_seat *a = new_seat(&f->table), *b = new_seat(&f->table), *c = new_seat(&f->table);
	atomic_store(&a->state, 2 + SEAT_PAUSED);
	b->layer = 200;
	c->generation = 0;
	reattach(f, 2);
	assert_non_null(session_transport_find(&f->table, good));
	assert_int_equal(f->table.free_transports_len, TRANSPORTS - 1);
	assert_int_equal(f->table.free_tracks_len, TRACKS);
	assert_int_equal(f->table.free_seats_len, SEATS);
}

static void test_top_nonsense(void **state)
{
	struct fix *f = *state;

	f->table.shm->transports_top = UINT32_MAX;
	assert_int_equal(session_transports_top(&f->table), TRANSPORTS);
	f->table.shm->seats_top = SEATS + 1;
	reattach(f, 2);
	assert_int_equal(f->table.free_transports_len, TRANSPORTS);
	assert_int_equal(f->table.free_seats_len, SEATS);
	assert_null(session_transport_find(&f->table, UINT64_C(1) << 32 | (TRANSPORTS + 1)));
}

static void expect_attach(struct fix *f, int expected)
{
	struct session_table table;

	assert_int_equal(session_attach(&table, f->fd, 1), expected);
	if (expected == 0)
		session_detach(&table);
}

static void test_attach_refuses(void **state)
{
	struct fix *f = *state;
	struct session_region *shm = f->table.shm;
	const uint32_t counts[] = { 0, 1, TRANSPORTS - 1, TRANSPORTS + 1, UINT32_MAX, 1u << 31 };
	struct session_table table;
	int fd = -1;

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		shm->max_transports = counts[i];
		expect_attach(f, -EPROTO);
		shm->max_transports = TRANSPORTS;
		shm->max_seats = counts[i];
		expect_attach(f, -EPROTO);
		shm->max_seats = SEATS;
	}
	shm->max_tracks++;
	expect_attach(f, -EPROTO);
	shm->max_tracks--;
	shm->seats_offset = UINT64_MAX;
	expect_attach(f, -EPROTO);
	shm->seats_offset = (uint64_t)((uint8_t *)f->table.seat - (uint8_t *)f->table.map.base);
	shm->transports_offset += 8;
	expect_attach(f, -EPROTO);
	shm->transports_offset -= 8;
	shm->header.layout = 0;
	expect_attach(f, -EPROTO);
	shm->header.layout = SHM_LAYOUT_VERSION;
	expect_attach(f, 0);
	assert_int_equal(session_create("bad", 0, &fd), -EINVAL);
	assert_int_equal(session_create("bad", UINT32_MAX, &fd), -EINVAL);
	for (int n = 1; oom_possible() && n <= 3; n++) {
		oom_countdown = n;
		assert_int_equal(session_attach(&table, f->fd, 1), -ENOMEM);
	}
	oom_countdown = 0;
}

static void test_large_table_costs_no_memory(void **state)
{
	struct session_table table;
	struct stat st;
	int fd = -1;

	(void)state;
	assert_int_equal(session_create("table", 4096, &fd), 0);
	assert_int_equal(session_attach(&table, fd, 1), 0);
	new_transport(&table);
	new_seat(&table);
	session_detach(&table);
	assert_int_equal(session_attach(&table, fd, 2), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal((size_t)st.st_size, session_region_size(4096));
	assert_true(st.st_blocks * 512 <= 64 * 1024);
	session_detach(&table);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new_find_free),
		TEST(test_records_are_zeroed),
		TEST(test_not_found_until_its_state_is_stored),
		TEST(test_keys_are_wiped),
		TEST(test_full),
		TEST(test_nonsense_handles),
		TEST(test_generation_wraps_past_zero),
		TEST(test_successor_finds_what_lives),
		TEST(test_death_while_making),
		TEST(test_bad_records_are_dropped_alone),
		TEST(test_top_nonsense),
		TEST(test_attach_refuses),
		cmocka_unit_test(test_large_table_costs_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
