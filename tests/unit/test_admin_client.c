/* links: tools */
#include "tools/admin_client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void samples_are_found(void **state)
{
	static const char text[] = "# HELP parley_x Text with parley_x{worker=\"0\"} 9\n"
				   "parley_x{worker=\"0\"} 1\n"
				   "parley_x{worker=\"10\"} 2.5\n"
				   "parley_x_total{role=\"a\",worker=\"0\"} 7\n"
				   "parley_plain 3";
	double value = 0;

	(void)state;
	assert_true(metric_find(text, "parley_x", "worker", 0, &value) && value == 1);
	assert_true(metric_find(text, "parley_x", "worker", 10, &value) && value == 2.5);
	assert_true(metric_find(text, "parley_x_total", "worker", 0, &value) && value == 7);
	assert_true(metric_find(text, "parley_plain", NULL, 0, &value) && value == 3);
	assert_false(metric_find(text, "parley_x", "worker", 1, &value));
	assert_false(metric_find(text, "parley_x", NULL, 0, &value));
	assert_false(metric_find(text, "parley_plain", "worker", 0, &value));
	assert_false(metric_find("", "parley_x", NULL, 0, &value));
}

static void nobody_listens(void **state)
{
	struct buf body = { 0 };
	int status;

	(void)state;
	assert_int_equal(admin_get("unix:/nonexistent/socket", "/readyz", &status, &body), -ENOENT);
	assert_int_equal(admin_get("127.0.0.1:1", "/readyz", &status, &body), -ECONNREFUSED);
	assert_int_equal(admin_get("nonsense", "/readyz", &status, &body), -EINVAL);
	buf_fini(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_found),
		cmocka_unit_test(nobody_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
