/* links: */
#include "shm/layout.h"

#include "lib/cleanup.h"
#include "tests/support/cm.h"
#include "tests/support/oom.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAGIC SHM_MAGIC_LINK

static int create(size_t size)
{
	int fd = -1;

	assert_int_equal(shm_create("test", MAGIC, size, &fd), 0);
	assert_true(fd >= 0);
	return fd;
}

static void test_create_attach(void **state)
{
	struct shm_map map;

	(void)state;
	auto_close int fd = create(10000);
	assert_int_equal(shm_attach(fd, MAGIC, 64, true, &map), 0);
	assert_int_equal(map.size, 10000);
	assert_true(map.writable);
	const struct shm_header *h = map.base;
	assert_int_equal(h->magic, MAGIC);
	assert_int_equal(h->layout, SHM_LAYOUT_VERSION);
	assert_int_equal(h->size, 10000);
	assert_int_equal(h->epoch, 0);
	for (size_t i = sizeof(*h); i < map.size; i++)
		assert_int_equal(((uint8_t *)map.base)[i], 0);
	shm_detach(&map);
	assert_null(map.base);
	shm_detach(&map);
}

static void test_create_refuses(void **state)
{
	int fd = 77;

	(void)state;
	assert_int_equal(shm_create("test", MAGIC, sizeof(struct shm_header) - 1, &fd), -EINVAL);
	assert_int_equal(shm_create("test", MAGIC, SIZE_MAX, &fd), -EINVAL);
	assert_int_equal(fd, 77);
}

static void test_cannot_be_resized(void **state)
{
	(void)state;
	auto_close int fd = create(8192);
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(ftruncate(fd, 16384), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
}

static void test_close_on_exec(void **state)
{
	int ro = -1;

	(void)state;
	auto_close int fd = create(8192);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(shm_reopen_readonly(fd, &ro), 0);
	assert_true(fcntl(ro, F_GETFD) & FD_CLOEXEC);
	close(ro);
}

static void test_readonly(void **state)
{
	struct shm_map w, r, none = { 0 };
	int ro = -1;

	(void)state;
	auto_close int fd = create(8192);
	assert_int_equal(shm_reopen_readonly(fd, &ro), 0);
	assert_int_equal(write(ro, "x", 1), -1);
	assert_int_equal(shm_attach(ro, MAGIC, 64, true, &none), -EACCES);
	assert_null(none.base);
	assert_int_equal(shm_attach(ro, MAGIC, 64, false, &r), 0);
	assert_int_equal(mprotect(r.base, r.size, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(shm_attach(fd, MAGIC, 64, true, &w), 0);
	((uint8_t *)w.base)[100] = 42;
	assert_int_equal(((uint8_t *)r.base)[100], 42);
	shm_detach(&w);
	shm_detach(&r);
	close(ro);
	assert_int_equal(shm_reopen_readonly(-1, &ro), -ENOENT);
}

/* A header that is not ours. */
static void attach_after(size_t offset, uint64_t value, size_t len, int expected)
{
	struct shm_map map = { 0 };

	auto_close int fd = create(8192);
	assert_int_equal(pwrite(fd, &value, len, (off_t)offset), len);
	assert_int_equal(shm_attach(fd, MAGIC, 64, true, &map), expected);
	assert_int_equal(shm_attach(fd, MAGIC, 64, false, &map), expected);
	assert_null(map.base);
}

static void test_hostile_headers(void **state)
{
	(void)state;
	attach_after(offsetof(struct shm_header, magic), SHM_MAGIC_RING, 4, -EPROTO);
	attach_after(offsetof(struct shm_header, magic), 0, 4, -EPROTO);
	attach_after(offsetof(struct shm_header, layout), SHM_LAYOUT_VERSION + 1, 4, -EPROTO);
	attach_after(offsetof(struct shm_header, layout), 0, 4, -EPROTO);
	attach_after(offsetof(struct shm_header, size), 8191, 8, -EPROTO);
	attach_after(offsetof(struct shm_header, size), UINT64_MAX, 8, -EPROTO);
}

static void test_wrong_size(void **state)
{
	struct shm_map map;

	(void)state;
	auto_close int fd = create(8192);
	assert_int_equal(shm_attach(fd, MAGIC, 8193, true, &map), -EPROTO);
	assert_int_equal(shm_attach(-1, MAGIC, 64, true, &map), -EBADF);
	/* Empty, and one that could be truncated under its readers. */
	auto_close int empty = memfd_create("test", MFD_ALLOW_SEALING);
	assert_int_equal(shm_attach(empty, MAGIC, 0, true, &map), -EPROTO);
	struct shm_header h = { .magic = MAGIC, .layout = SHM_LAYOUT_VERSION, .size = 8192 };
	assert_int_equal(write(empty, &h, sizeof(h)), sizeof(h));
	assert_int_equal(ftruncate(empty, 8192), 0);
	assert_int_equal(shm_attach(empty, MAGIC, 64, true, &map), -EPROTO);
	assert_int_equal(fcntl(empty, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(shm_attach(empty, MAGIC, 64, true, &map), 0);
	shm_detach(&map);
	/* Not shared memory at all. */
	auto_close int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(shm_attach(file, MAGIC, 64, false, &map), -EPROTO);
	int pipe_fd[2];
	assert_int_equal(pipe(pipe_fd), 0);
	assert_int_equal(shm_attach(pipe_fd[0], MAGIC, 64, false, &map), -EPROTO);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

static void test_survives_its_process(void **state)
{
	struct shm_map map;

	(void)state;
	auto_close int fd = create(8192);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct shm_map m;
		if (shm_attach(fd, MAGIC, 64, true, &m) == 0)
			strcpy((char *)m.base + 4096, "testament");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(shm_attach(fd, MAGIC, 64, false, &map), 0);
	assert_string_equal((char *)map.base + 4096, "testament");
	shm_detach(&map);
}

static void test_blob(void **state)
{
	char *data = NULL;
	size_t len = 99;

	(void)state;
	auto_close int fd = -1;
	assert_int_equal(shm_blob_create("conf", "[server]\n", 9, &fd), 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(shm_blob_read(fd, 8, &data, &len), -EFBIG);
	assert_null(data);
	assert_int_equal(len, 99);
	/* Twice: its offset does not matter. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(shm_blob_read(fd, 9, &data, &len), 0);
		assert_int_equal(len, 9);
		assert_string_equal(data, "[server]\n");
		free(data);
		data = NULL;
	}
	assert_int_equal(shm_blob_read(-1, 9, &data, &len), -EBADF);
	if (oom_possible()) {
		oom_countdown = 1;
		assert_int_equal(shm_blob_read(fd, 9, &data, &len), -ENOMEM);
	}
}

static void test_blob_empty(void **state)
{
	char *data = NULL;
	size_t len = 99;

	(void)state;
	auto_close int fd = -1;
	assert_int_equal(shm_blob_create("advertise", NULL, 0, &fd), 0);
	assert_int_equal(shm_blob_read(fd, 100, &data, &len), 0);
	assert_int_equal(len, 0);
	assert_string_equal(data, "");
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_attach),
		cmocka_unit_test(test_create_refuses),
		cmocka_unit_test(test_cannot_be_resized),
		cmocka_unit_test(test_close_on_exec),
		cmocka_unit_test(test_readonly),
		cmocka_unit_test(test_hostile_headers),
		cmocka_unit_test(test_wrong_size),
		cmocka_unit_test(test_survives_its_process),
		cmocka_unit_test(test_blob),
		cmocka_unit_test(test_blob_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
