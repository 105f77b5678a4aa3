/* links: */
#include "lib/log.h"

#include "tests/support/cm.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int log_fd, saved_stderr;

static int setup(void **state)
{
	(void)state;
	saved_stderr = dup(STDERR_FILENO);
	log_fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(dup2(log_fd, STDERR_FILENO) == STDERR_FILENO);
	log_init("test", LOG_LEVEL_INFO, false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(log_fd);
	return 0;
}

/* What was written since the last look. */
static const char *written(void)
{
	static char text[8192];

	ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = 0;
	assert_int_equal(ftruncate(log_fd, 0), 0);
	lseek(log_fd, 0, SEEK_SET);
	return text;
}

static void test_line(void **state)
{
	(void)state;
	log_info("ice: %s %d", "peer", 5);
	assert_string_equal(written(), "test ice: peer 5\n");
	log_init("worker/0", LOG_LEVEL_INFO, true);
	log_warn("x");
	log_error("y");
	assert_string_equal(written(), "<4>worker/0 x\n<3>worker/0 y\n");
}

static void test_levels(void **state)
{
	(void)state;
	log_debug("hidden");
	assert_string_equal(written(), "");
	assert_false(log_enabled(LOG_LEVEL_DEBUG));
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("seen");
	assert_string_equal(written(), "test seen\n");
	log_set_level(LOG_LEVEL_ERROR);
	log_warn("hidden");
	assert_string_equal(written(), "");
	log_error("seen");
	assert_string_equal(written(), "test seen\n");
}

static void test_level_words(void **state)
{
	enum log_level level = LOG_LEVEL_ERROR;

	(void)state;
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("error", &level), 0);
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_int_equal(log_level_parse("Error", &level), -EINVAL);
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(log_level_parse("warning", &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_ERROR);
}

static void test_one_event_is_one_line(void **state)
{
	(void)state;
	log_warn("user=%s", "a\n<3>forged\r\x1b[31m\x7f\x01");
	assert_string_equal(written(), "test user=a?<3>forged??[31m??\n");
	log_warn("name=%s", "J\xc3\xb6rg");
	assert_string_equal(written(), "test name=J\xc3\xb6rg\n");
}

static void test_long_lines_are_cut(void **state)
{
	char text[5000];

	(void)state;
	memset(text, 'z', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	log_warn("%s", text);
	const char *line = written();
	assert_int_equal(strlen(line), 1023);
	assert_int_equal(line[1022], '\n');
	for (size_t len = 1010; len < 1024; len++) {
		text[len] = 0;
		log_warn("%s", text);
		line = written();
		assert_int_equal(strlen(line), MIN(len + 6, 1023));
		assert_int_equal(line[strlen(line) - 1], '\n');
		text[len] = 'z';
	}
}

static void test_long_name(void **state)
{
	(void)state;
	log_init("a-name-that-is-far-longer-than-thirty-one-bytes", LOG_LEVEL_INFO, true);
	log_info("x");
	assert_string_equal(written(), "<6>a-name-that-is-far-longer-than- x\n");
}

static void test_errno_is_kept(void **state)
{
	(void)state;
	errno = ENOSPC;
	log_warn("disk: %m");
	assert_int_equal(errno, ENOSPC);
	assert_non_null(strstr(written(), strerror(ENOSPC)));
	/* Nobody reads the log: that is not the caller's problem. */
	int gone = dup(STDERR_FILENO);
	close(STDERR_FILENO);
	errno = EAGAIN;
	log_warn("x");
	assert_int_equal(errno, EAGAIN);
	dup2(gone, STDERR_FILENO);
	close(gone);
}

static void test_every(void **state)
{
	int64_t gate = 0;

	(void)state;
	assert_true(log_every(&gate, 5, 1000));
	assert_false(log_every(&gate, 5, 1000));
	assert_false(log_every(&gate, 1004, 1000));
	assert_true(log_every(&gate, 1005, 1000));
	assert_false(log_every(&gate, 1006, 1000));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_line),
		TEST(test_levels),
		TEST(test_level_words),
		TEST(test_one_event_is_one_line),
		TEST(test_long_lines_are_cut),
		TEST(test_long_name),
		TEST(test_errno_is_kept),
		TEST(test_every),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
