/* links: net */
#include "tests/net/scenario.h"

#include "tests/support/cm.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SEC INT64_C(1000000)

static struct scenario sc;
static struct scenario_error error;

static int parse(const char *text)
{
	memset(&error, 0, sizeof(error));
	return scenario_parse("x", text, strlen(text), &sc, &error);
}

static void test_settings_hold_from_their_time_on_in_their_direction(void **state)
{
	(void)state;
	assert_int_equal(parse("# comment\n"
			       "title = A step  # and one here\n"
			       "length = 30\r\n"
			       "0 both delay=20 loss=5\n"
			       "\n"
			       "  10.5\tdown rate=500 queue=300 order=free\n"
			       "20 up delay=1 bursts=2 burst_length=5 burst_loss=50\n"
			       "20 down rate=0 jitter=3 reorder=1 reorder_by=7 overhead=0"),
			 0);
	assert_string_equal(sc.title, "A step");
	assert_true(sc.length_us == 30 * SEC);

	struct wire_settings up = scenario_at(&sc, SCENARIO_UP, 0), down = scenario_at(&sc, SCENARIO_DOWN, 0);
	assert_true(up.delay_us == 20000 && up.loss == 0.05 && up.rate_bps == 0 && up.keep_order == 1);
	assert_true(down.delay_us == 20000 && down.loss == 0.05 && down.overhead == WIRE_OVERHEAD);

	assert_true(scenario_next_us(&sc, 0) == 10500000);
	down = scenario_at(&sc, SCENARIO_DOWN, 10499999);
	assert_true(down.rate_bps == 0);
	down = scenario_at(&sc, SCENARIO_DOWN, 10500000);
	assert_true(down.rate_bps == 500000 && down.queue_us == 300000 && down.keep_order == 0 &&
		    down.delay_us == 20000);
	up = scenario_at(&sc, SCENARIO_UP, 10500000);
	assert_true(up.rate_bps == 0);

	assert_true(scenario_next_us(&sc, 10500000) == 20 * SEC);
	up = scenario_at(&sc, SCENARIO_UP, 29 * SEC);
	assert_true(up.delay_us == 1000 && up.bursts == 0.02 && up.burst_length == 5 && up.burst_loss == 0.5);
	down = scenario_at(&sc, SCENARIO_DOWN, 29 * SEC);
	assert_true(down.rate_bps == 0 && down.jitter_us == 3000 && down.reorder == 0.01 && down.reorder_us == 7000);
	assert_true(down.overhead == 0 && down.delay_us == 20000);
	assert_true(scenario_next_us(&sc, 20 * SEC) == INT64_MAX);
}

static void test_a_run_of_another_length_is_stretched(void **state)
{
	(void)state;
	assert_int_equal(parse("length = 60\n0 down rate=3000\n20 down rate=500\n40 down rate=3000\n"), 0);
	scenario_stretch(&sc, 15 * SEC);
	assert_true(sc.length_us == 15 * SEC);
	assert_true(scenario_next_us(&sc, 0) == 5 * SEC);
	assert_true(scenario_next_us(&sc, 5 * SEC) == 10 * SEC);
	assert_true(scenario_at(&sc, SCENARIO_DOWN, 7 * SEC).rate_bps == 500000);
}

static void test_what_is_wrong_is_said_with_its_line(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "nonsense", "x:1: 'nonsense' is neither" },
		{ "\nname = x", "x:2: there is no 'name'" },
		{ "length = 0", "x:1: length = 0 is no number" },
		{ "0 sideways loss=1", "x:1: a direction is up, down or both, not 'sideways'" },
		{ "0 up", "x:1: a step is" },
		{ "0 up loss", "x:1: 'loss' is not SETTING=VALUE" },
		{ "0 up lost=1", "x:1: there is no setting 'lost'" },
		{ "0 up loss=101", "x:1: loss=101 is no number up to 100" },
		{ "0 up loss=-1", "x:1: loss=-1 is no number" },
		{ "0 up loss=nan", "x:1: loss=nan is no number" },
		{ "0 up loss=5%", "x:1: loss=5% is no number" },
		{ "0 up burst_length=0", "x:1: burst_length=0 is no number" },
		{ "0 up order=maybe", "x:1: order is keep or free" },
		{ "10 up loss=1\n9 up loss=2", "x:2: 9 s comes before" },
		{ "length = 5\n10 up loss=1", "x: the last step comes after the end" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(bad[i].text), -EINVAL);
		if (strncmp(error.text, bad[i].says, strlen(bad[i].says)) != 0)
			fail_msg("'%s' is answered by '%s'", bad[i].text, error.text);
	}
	assert_int_equal(scenario_parse("x", "0 up \0loss=1", 12, &sc, &error), -EINVAL);
}

static void test_settings_by_hand_change_what_they_name_or_nothing(void **state)
{
	struct wire_settings set = wire_clean;

	(void)state;
	assert_int_equal(scenario_settings(&set, "rate=300 queue=100", &error), 0);
	assert_true(set.rate_bps == 300000 && set.queue_us == 100000 && set.loss == 0);
	assert_int_equal(scenario_settings(&set, "loss=5 delay=x", &error), -EINVAL);
	assert_true(set.loss == 0);
	assert_int_equal(scenario_settings(&set, "", &error), 0);
}

static void test_every_scenario_of_the_project_is_sound_and_does_something(void **state)
{
	DIR *dir = opendir("tests/net/scenarios");
	unsigned files = 0;

	(void)state;
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		char path[512], text[8192];
		if (!strstr(e->d_name, ".txt"))
			continue;
		snprintf(path, sizeof(path), "tests/net/scenarios/%s", e->d_name);
		FILE *file = fopen(path, "r");
		assert_non_null(file);
		size_t len = fread(text, 1, sizeof(text), file);
		fclose(file);
		if (scenario_parse(e->d_name, text, len, &sc, &error) < 0)
			fail_msg("%s", error.text);
		assert_true(sc.title[0]);
		assert_true(sc.changes > 0);
		files++;
	}
	closedir(dir);
	assert_true(files >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings_hold_from_their_time_on_in_their_direction),
		cmocka_unit_test(test_a_run_of_another_length_is_stretched),
		cmocka_unit_test(test_what_is_wrong_is_said_with_its_line),
		cmocka_unit_test(test_settings_by_hand_change_what_they_name_or_nothing),
		cmocka_unit_test(test_every_scenario_of_the_project_is_sound_and_does_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
