/* links: */
#include "shm/directory.h"

#include "lib/cleanup.h"
#include "tests/support/cm.h"

#include <string.h>
#include <unistd.h>

#define WORKERS 3u
#define ENTRIES 64u

struct fix {
	int fd[WORKERS], ro[WORKERS], stats_fd;
	struct stats_map stats;
	struct directory dir[WORKERS];
};

static void start_worker(struct fix *f, unsigned k, uint32_t epoch)
{
	int fds[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++)
		fds[i] = i == k ? f->fd[i] : f->ro[i];
	assert_int_equal(directory_attach(&f->dir[k], fds, WORKERS, k, epoch, f->stats.shm), 0);
}

static int setup(void **state)
{
	static struct fix f;

	memset(&f, 0, sizeof(f));
	assert_int_equal(stats_create(&f.stats_fd), 0);
	assert_int_equal(stats_attach(&f.stats, f.stats_fd), 0);
	for (unsigned k = 0; k < WORKERS; k++) {
		assert_int_equal(directory_create("dir", ENTRIES, &f.fd[k]), 0);
		assert_int_equal(shm_reopen_readonly(f.fd[k], &f.ro[k]), 0);
		stat_set(&f.stats.shm->worker[k].process.epoch, 1);
	}
	for (unsigned k = 0; k < WORKERS; k++)
		start_worker(&f, k, 1);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	for (unsigned k = 0; k < WORKERS; k++) {
		directory_detach(&f->dir[k]);
		close(f->fd[k]);
		close(f->ro[k]);
	}
	shm_detach(&f->stats.map);
	close(f->stats_fd);
	return 0;
}

static struct id person(uint32_t n)
{
	struct id id = { { 1 } };

	memcpy(id.b + 4, &n, sizeof(n));
	return id;
}

static int set(struct directory *dir, uint32_t who, uint32_t connections, enum presence presence)
{
	struct id id = person(who);

	return directory_set(dir, &id, connections, presence);
}

static uint64_t found(const struct directory *dir, uint32_t who)
{
	struct id id = person(who);

	return directory_find(dir, &id);
}

static enum presence presence(const struct directory *dir, uint32_t who)
{
	struct id id = person(who);

	return directory_presence(dir, &id);
}

static void test_set_find(void **state)
{
	struct fix *f = *state;

	assert_int_equal(found(&f->dir[0], 7), 0);
	assert_int_equal(set(&f->dir[0], 7, 1, PRESENCE_ONLINE), 0);
	assert_int_equal(set(&f->dir[2], 7, 2, PRESENCE_AWAY), 0);
	for (unsigned k = 0; k < WORKERS; k++)
		assert_int_equal(found(&f->dir[k], 7), 5);
	assert_int_equal(set(&f->dir[0], 7, 0, PRESENCE_OFFLINE), 0);
	assert_int_equal(found(&f->dir[1], 7), 4);
	assert_int_equal(set(&f->dir[0], 7, 0, PRESENCE_OFFLINE), 0);
	assert_int_equal(set(&f->dir[2], 7, 0, PRESENCE_ONLINE), 0);
	assert_int_equal(found(&f->dir[1], 7), 0);
	assert_int_equal(found(&f->dir[1], 8), 0);
}

static unsigned devices(const struct directory *dir, uint32_t who)
{
	struct id id = person(who);

	return directory_devices(dir, &id);
}

static int set_devices(struct directory *dir, uint32_t who, const struct id *sign_ins, size_t len)
{
	struct id id = person(who);

	return directory_set_devices(dir, &id, sign_ins, len);
}

/* Tabs of one browser are one device, on whichever worker they are. */
static void test_devices(void **state)
{
	struct fix *f = *state;
	const struct id none = { { 0 } };
	struct id sign_in[DIRECTORY_DEVICES + 2];

	for (uint32_t i = 0; i < ARRAY_LEN(sign_in); i++)
		sign_in[i] = person(1000 + i);
	assert_int_equal(devices(&f->dir[0], 7), 0);
	assert_int_equal(set_devices(&f->dir[0], 7, sign_in, 1), -ENOENT);
	set(&f->dir[0], 7, 3, PRESENCE_ONLINE);
	/* As a worker that does not know of devices leaves it. */
	assert_int_equal(devices(&f->dir[1], 7), 1);
	const struct id tabs[] = { sign_in[0], sign_in[1], sign_in[0] };
	assert_int_equal(set_devices(&f->dir[0], 7, tabs, 3), 0);
	assert_int_equal(devices(&f->dir[1], 7), 2);
	set(&f->dir[2], 7, 2, PRESENCE_ONLINE);
	const struct id more[] = { sign_in[1], sign_in[2] };
	assert_int_equal(set_devices(&f->dir[2], 7, more, 2), 0);
	for (unsigned k = 0; k < WORKERS; k++)
		assert_int_equal(devices(&f->dir[k], 7), 3);
	/* Presence that changes leaves them alone. */
	set(&f->dir[2], 7, 1, PRESENCE_AWAY);
	assert_int_equal(devices(&f->dir[0], 7), 3);
	set(&f->dir[0], 7, 0, PRESENCE_OFFLINE);
	assert_int_equal(devices(&f->dir[0], 7), 2);
	/* One worker tells so many apart. */
	assert_int_equal(set_devices(&f->dir[2], 7, sign_in, ARRAY_LEN(sign_in)), 0);
	assert_int_equal(devices(&f->dir[0], 7), DIRECTORY_DEVICES);
	set(&f->dir[2], 7, 0, PRESENCE_OFFLINE);
	assert_int_equal(devices(&f->dir[0], 7), 0);
	/* Whoever gets the place of somebody has none of theirs. */
	set(&f->dir[2], 7, 1, PRESENCE_ONLINE);
	assert_int_equal(devices(&f->dir[0], 7), 1);
	assert_int_equal(directory_devices(&f->dir[0], &none), 0);
	assert_int_equal(directory_set_devices(&f->dir[0], &none, sign_in, 1), -ENOENT);
}

static void test_presence_order(void **state)
{
	struct fix *f = *state;

	assert_int_equal(presence(&f->dir[1], 7), PRESENCE_OFFLINE);
	set(&f->dir[0], 7, 1, PRESENCE_AWAY);
	assert_int_equal(presence(&f->dir[1], 7), PRESENCE_AWAY);
	set(&f->dir[1], 7, 1, PRESENCE_ONLINE);
	assert_int_equal(presence(&f->dir[1], 7), PRESENCE_ONLINE);
	set(&f->dir[2], 7, 1, PRESENCE_BUSY);
	assert_int_equal(presence(&f->dir[0], 7), PRESENCE_BUSY);
	set(&f->dir[2], 7, 1, PRESENCE_OFFLINE);
	assert_int_equal(presence(&f->dir[0], 7), PRESENCE_ONLINE);
	set(&f->dir[1], 7, 0, PRESENCE_BUSY);
	assert_int_equal(presence(&f->dir[0], 7), PRESENCE_AWAY);
}

static void test_capacity(void **state)
{
	struct fix *f = *state;

	for (uint32_t i = 0; i < ENTRIES; i++)
		assert_int_equal(set(&f->dir[0], i, 1, PRESENCE_ONLINE), 0);
	assert_int_equal(set(&f->dir[0], ENTRIES, 1, PRESENCE_ONLINE), -ENOSPC);
	assert_int_equal(found(&f->dir[1], ENTRIES), 0);
	for (uint32_t i = 0; i < ENTRIES; i++)
		assert_int_equal(found(&f->dir[1], i), 1);
	/* Those that are there can still change. */
	assert_int_equal(set(&f->dir[0], 5, 3, PRESENCE_BUSY), 0);
	assert_int_equal(presence(&f->dir[2], 5), PRESENCE_BUSY);
	assert_int_equal(set(&f->dir[0], 5, 0, PRESENCE_ONLINE), 0);
	assert_int_equal(set(&f->dir[0], ENTRIES, 1, PRESENCE_ONLINE), 0);
	assert_int_equal(found(&f->dir[1], ENTRIES), 1);
	assert_int_equal(found(&f->dir[1], 5), 0);
}

/* A model beside the table, through many comings and goings. */
static void test_against_a_model(void **state)
{
	struct fix *f = *state;
	uint32_t model[ENTRIES * 2] = { 0 };
	uint32_t there = 0, x = 12345;

	for (int step = 0; step < 50000; step++) {
		x = x * 1664525 + 1013904223;
		uint32_t who = (x >> 8) % ARRAY_LEN(model), connections = (x >> 24) % 3;
		int err = set(&f->dir[0], who, connections, PRESENCE_ONLINE);
		if (err == -ENOSPC) {
			assert_int_equal(there, ENTRIES);
			continue;
		}
		assert_int_equal(err, 0);
		there += (connections > 0) - (model[who] > 0);
		model[who] = connections;
		x = x * 1664525 + 1013904223;
		who = (x >> 8) % ARRAY_LEN(model);
		assert_int_equal(found(&f->dir[1], who), model[who] > 0);
	}
	/* Once all have left nothing remains, no tombstones either. */
	for (uint32_t i = 0; i < ARRAY_LEN(model); i++)
		set(&f->dir[0], i, 0, PRESENCE_OFFLINE);
	for (uint32_t i = 0; i < ENTRIES; i++)
		assert_int_equal(atomic_load(&f->dir[0].section[0]->entry[i].value), 0);
}

static void test_tombstones_are_swept(void **state)
{
	struct fix *f = *state;
	uint32_t used = 0;

	for (uint32_t i = 0; i < 10000; i++) {
		assert_int_equal(set(&f->dir[0], i, 1, PRESENCE_ONLINE), 0);
		assert_int_equal(set(&f->dir[0], i, 0, PRESENCE_ONLINE), 0);
	}
	for (uint32_t i = 0; i < ENTRIES; i++)
		used += atomic_load(&f->dir[0].section[0]->entry[i].user[0]) != 0;
	assert_int_equal(used, 0);
}

static void test_large_section(void **state)
{
	struct directory dir;
	int fd = -1;

	(void)state;
	assert_int_equal(directory_create("large", DIRECTORY_ENTRIES_DEFAULT, &fd), 0);
	assert_int_equal(directory_attach(&dir, &fd, 1, 0, 1, NULL), 0);
	for (uint32_t i = 0; i < DIRECTORY_ENTRIES_DEFAULT / 4 * 3; i++)
		assert_int_equal(set(&dir, i, 1, PRESENCE_ONLINE), 0);
	for (uint32_t i = 0; i < DIRECTORY_ENTRIES_DEFAULT; i++)
		assert_int_equal(found(&dir, i), i < DIRECTORY_ENTRIES_DEFAULT / 4 * 3);
	directory_detach(&dir);
	close(fd);
}

static void test_old_epoch_is_empty(void **state)
{
	struct fix *f = *state;

	set(&f->dir[0], 7, 1, PRESENCE_ONLINE);
	/* The worker died; the master starts its successor. */
	stat_set(&f->stats.shm->worker[0].process.epoch, 2);
	assert_int_equal(found(&f->dir[1], 7), 0);
	assert_int_equal(presence(&f->dir[1], 7), PRESENCE_OFFLINE);
	directory_detach(&f->dir[0]);
	start_worker(f, 0, 2);
	assert_int_equal(found(&f->dir[1], 7), 0);
	assert_int_equal(found(&f->dir[0], 7), 0);
	set(&f->dir[0], 8, 1, PRESENCE_AWAY);
	assert_int_equal(found(&f->dir[1], 8), 1);
	/* Only the low 32 bits are no match. */
	stat_set(&f->stats.shm->worker[0].process.epoch, UINT64_C(0x100000002));
	assert_int_equal(found(&f->dir[1], 8), 0);
}

static void test_writer_dead_within_an_entry(void **state)
{
	struct fix *f = *state;
	struct directory_region *section = f->dir[0].section[0];

	for (uint32_t i = 0; i < 20; i++)
		set(&f->dir[0], i, 1, PRESENCE_ONLINE);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		/* Nobody waits, and the others are found. */
		atomic_fetch_or(&section->entry[i].seq, 1);
		uint32_t missing = 0;
		for (uint32_t who = 0; who < 20; who++)
			missing += found(&f->dir[1], who) == 0;
		assert_true(missing <= 1);
		atomic_fetch_and(&section->entry[i].seq, ~1u);
	}
	/* A successor makes it usable again. */
	atomic_fetch_or(&section->entry[3].seq, 1);
	directory_detach(&f->dir[0]);
	start_worker(f, 0, 1);
	for (uint32_t i = 0; i < ENTRIES; i++)
		assert_int_equal(set(&f->dir[0], i, 1, PRESENCE_ONLINE), 0);
	for (uint32_t i = 0; i < ENTRIES; i++)
		assert_int_equal(found(&f->dir[1], i), 1);
}

static void test_hostile_section(void **state)
{
	struct fix *f = *state;
	struct directory_region *section = f->dir[0].section[0];
	struct id id = person(7);

	/* Full of others, presence out of range, a cap that is not ours. */
	memset(section->entry, 0xfe, ENTRIES * sizeof(section->entry[0]));
	section->entries = 1u << 30;
	assert_int_equal(found(&f->dir[1], 7), 0);
	assert_int_equal(presence(&f->dir[1], 7), PRESENCE_OFFLINE);
	uint64_t words[2];
	memcpy(words, id.b, sizeof(words));
	for (uint32_t i = 0; i < ENTRIES; i++) {
		atomic_store(&section->entry[i].user[0], words[0]);
		atomic_store(&section->entry[i].user[1], words[1]);
	}
	assert_int_equal(found(&f->dir[1], 7), 1);
	assert_int_equal(presence(&f->dir[1], 7), PRESENCE_OFFLINE);
}

static void test_refuses(void **state)
{
	struct fix *f = *state;
	struct id none = { { 0 } };
	struct directory dir;
	int fd = -1;

	assert_int_equal(directory_set(&f->dir[0], &none, 1, PRESENCE_ONLINE), -EINVAL);
	assert_int_equal(set(&f->dir[0], 1, 1, (enum presence)4), -EINVAL);
	assert_int_equal(directory_find(&f->dir[0], &none), 0);
	assert_int_equal(directory_presence(&f->dir[0], &none), PRESENCE_OFFLINE);
	const int fds[] = { f->fd[0], f->ro[1], f->ro[2] };
	assert_int_equal(directory_attach(&dir, fds, SHM_PROCESSES_MAX + 1, 0, 1, NULL), -EINVAL);
	assert_int_equal(directory_attach(&dir, fds, 3, 3, 1, NULL), -EINVAL);
	assert_int_equal(directory_attach(&dir, fds, 3, 1, 1, NULL), -EACCES);
	const uint32_t bad[] = { 0, 3, ENTRIES / 2, ENTRIES * 2, UINT32_MAX };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		f->dir[1].section[1]->entries = bad[i];
		assert_int_equal(directory_attach(&dir, fds, 3, 0, 1, NULL), -EPROTO);
	}
	f->dir[1].section[1]->entries = ENTRIES;
	assert_int_equal(directory_attach(&dir, fds, 3, 0, 1, NULL), 0);
	directory_detach(&dir);
	assert_int_equal(directory_create("bad", 0, &fd), -EINVAL);
	/* A quarter of it stays free, whatever the settings say. */
	static const uint32_t people[] = { 0, 1, 20000, 49152, 49153, 100000, 1000000 };
	for (size_t i = 0; i < ARRAY_LEN(people); i++) {
		uint32_t entries = directory_entries_for(people[i]);
		assert_in_range(people[i], 0, entries / 4 * 3);
		assert_true(entries == DIRECTORY_ENTRIES_DEFAULT || people[i] > entries / 8 * 3);
		assert_int_equal(directory_create("good", entries, &fd), 0);
		close(fd);
	}
	assert_int_equal(directory_create("bad", 100, &fd), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_set_find),
		TEST(test_devices),
		TEST(test_presence_order),
		TEST(test_capacity),
		TEST(test_against_a_model),
		TEST(test_tombstones_are_swept),
		cmocka_unit_test(test_large_section),
		TEST(test_old_epoch_is_empty),
		TEST(test_writer_dead_within_an_entry),
		TEST(test_hostile_section),
		TEST(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
