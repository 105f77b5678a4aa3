/* links: */
#include "lib/fdset.h"

#include "tests/support/cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A memfd that holds its own name, so that who receives it can be asked what it is. */
static int named(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, name, strlen(name)), strlen(name));
	return fd;
}

static bool is_named(int fd, const char *name)
{
	char text[64] = { 0 };

	return pread(fd, text, sizeof(text) - 1, 0) >= 0 && strcmp(text, name) == 0;
}

static void test_names(void **state)
{
	static struct fdset set;

	(void)state;
	memset(&set, 0, sizeof(set));
	assert_int_equal(fdset_add(&set, 1, "udp.%d", 0), 0);
	assert_int_equal(fdset_add(&set, 1, "udp.%d", 0), -EEXIST);
	assert_int_equal(fdset_add(&set, 1, "udp.%d", 1), 0);
	assert_int_equal(fdset_add(&set, -1, "x"), -EBADF);
	assert_int_equal(fdset_add(&set, 1, "%s", ""), -EINVAL);
	assert_int_equal(fdset_add(&set, 1, "a:b"), -EINVAL);
	assert_int_equal(fdset_add(&set, 1, "A"), -EINVAL);
	assert_int_equal(fdset_add(&set, 1, "a b"), -EINVAL);
	assert_int_equal(fdset_add(&set, 1, "a=b"), -EINVAL);
	assert_int_equal(fdset_add(&set, 1, "%s", "abcdefghijklmnopqrstuvwxyz012345"), -EINVAL);
	assert_int_equal(fdset_add(&set, 1, "%s", "abcdefghijklmnopqrstuvwxyz01234"), 0);
	assert_true(fdset_has(&set, "udp.%d", 1));
	assert_false(fdset_has(&set, "udp.%d", 2));
	assert_false(fdset_has(&set, "a:b"));
	assert_int_equal(fdset_take(&set, "nobody"), -ENOENT);
	assert_int_equal(fdset_take(&set, "A"), -EINVAL);
	assert_int_equal(set.len, 3);
}

static void test_full(void **state)
{
	static struct fdset set;

	(void)state;
	memset(&set, 0, sizeof(set));
	for (int i = 0; i < FDSET_MAX; i++)
		assert_int_equal(fdset_add(&set, 1, "n.%d", i), 0);
	assert_int_equal(fdset_add(&set, 1, "n.%d", FDSET_MAX), -ENOSPC);
}

/* In a child: hand over, then receive as the exec'd program would. 0 when all is right. */
static int handed_over(int n, bool reversed)
{
	static struct fdset set, got;
	int fd[200];
	char name[32];

	memset(&set, 0, sizeof(set));
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "fd.%d", i);
		fd[i] = named(name);
	}
	int stray = named("stray");
	/* Reversed: every descriptor stands where another one has to go. */
	for (int i = 0; i < n; i++) {
		int k = reversed ? n - 1 - i : i;
		if (fdset_add(&set, fd[k], "fd.%d", k) < 0)
			return 1;
	}
	char *env = fdset_exec_prepare(&set);
	if (!env || strncmp(env, FDSET_ENV "=", strlen(FDSET_ENV) + 1) != 0)
		return 2;
	if (fcntl(3 + n, F_GETFD) != -1 || (stray >= 3 + n && fcntl(stray, F_GETFD) != -1))
		return 3;
	for (int i = 0; i < n; i++) {
		if (fcntl(3 + i, F_GETFD) != 0)
			return 4;
	}
	putenv(env);
	if (fdset_receive(&got) < 0 || got.len != (size_t)n || getenv(FDSET_ENV))
		return 5;
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "fd.%d", i);
		int taken = fdset_take(&got, "fd.%d", i);
		if (taken < 3 || !is_named(taken, name) || fcntl(taken, F_GETFD) != FD_CLOEXEC)
			return 6;
		if (fdset_has(&got, "fd.%d", i) || fdset_take(&got, "fd.%d", i) != -ENOENT)
			return 7;
	}
	return 0;
}

static void in_child(int (*f)(int, bool), int n, bool flag)
{
	int status;

	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(f(n, flag));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_hand_over(void **state)
{
	(void)state;
	const int counts[] = { 0, 1, 2, 3, 10, 200 };

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		in_child(handed_over, counts[i], false);
		in_child(handed_over, counts[i], true);
	}
}

/* One descriptor under two names is two descriptors for the child. */
static int same_twice(int n, bool flag)
{
	static struct fdset set, got;

	(void)n;
	(void)flag;
	int fd = named("one");
	if (fdset_add(&set, fd, "a") < 0 || fdset_add(&set, fd, "b") < 0)
		return 1;
	char *env = fdset_exec_prepare(&set);
	if (!env || putenv(env) != 0 || fdset_receive(&got) < 0)
		return 2;
	int a = fdset_take(&got, "a"), b = fdset_take(&got, "b");
	return a != b && is_named(a, "one") && is_named(b, "one") ? 0 : 3;
}

static int bad_descriptor(int n, bool flag)
{
	static struct fdset set;

	(void)n;
	(void)flag;
	if (fdset_add(&set, 999, "gone") < 0)
		return 1;
	return fdset_exec_prepare(&set) == NULL ? 0 : 2;
}

static int rest_is_closed(int n, bool flag)
{
	static struct fdset set, got;

	(void)n;
	(void)flag;
	fdset_add(&set, named("a"), "a");
	fdset_add(&set, named("b"), "b");
	char *env = fdset_exec_prepare(&set);
	if (!env || putenv(env) != 0 || fdset_receive(&got) < 0)
		return 1;
	int a = fdset_take(&got, "a");
	fdset_close_rest(&got);
	if (fcntl(4, F_GETFD) != -1 || fcntl(a, F_GETFD) == -1 || fdset_has(&got, "b"))
		return 2;
	/* Borrowed ones are not closed. */
	struct fdset *mine = &set;
	memset(mine, 0, sizeof(*mine));
	fdset_add(mine, a, "a");
	fdset_close_rest(mine);
	return fcntl(a, F_GETFD) == -1 ? 3 : 0;
}

static void test_special_hand_overs(void **state)
{
	(void)state;
	in_child(same_twice, 0, false);
	in_child(bad_descriptor, 0, false);
	in_child(rest_is_closed, 0, false);
}

static int bad_variables(int n, bool flag)
{
	static const char *const bad[] = { ":",	  "a:",	 ":a",	       "a::b",	"A",
					   "a b", "a:a", "stats,conf", "x:y:x", "abcdefghijklmnopqrstuvwxyz012345" };
	static struct fdset set;

	(void)n;
	(void)flag;
	for (int i = 3; i < 8; i++)
		dup2(0, i);
	unsetenv(FDSET_ENV);
	if (fdset_receive(&set) != -ENOENT)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		setenv(FDSET_ENV, bad[i], 1);
		/* A colon at the end is no name; every other one is an error. */
		int err = fdset_receive(&set);
		if (strcmp(bad[i], "a:") == 0 ? err != 0 : err >= 0 || set.len != 0)
			return 10 + (int)i;
	}
	setenv(FDSET_ENV, "a:b:c:d:e:f:g:h:i:j", 1);
	if (fdset_receive(&set) != -EBADF || set.len != 0)
		return 2;
	setenv(FDSET_ENV, "", 1);
	return fdset_receive(&set) == 0 && set.len == 0 ? 0 : 3;
}

static void test_bad_variables(void **state)
{
	(void)state;
	in_child(bad_variables, 0, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	      cmocka_unit_test(test_full),
		cmocka_unit_test(test_hand_over),     cmocka_unit_test(test_special_hand_overs),
		cmocka_unit_test(test_bad_variables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
