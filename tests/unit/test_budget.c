/* links: mediad */
#include "mediad/budget.h"

#include "lib/clock.h"
#include "tests/support/cm.h"

#define TICK_US (250 * USEC_PER_MSEC)

struct core {
	struct budget budget;
	int64_t now_us;
	uint64_t cpu_us;
	unsigned percent, overs, withins;
};

/* That share of the core for so long. */
static void run(struct core *core, double share, int64_t for_us)
{
	for (int64_t passed = 0; passed < for_us; passed += TICK_US) {
		core->now_us += TICK_US;
		core->cpu_us += (uint64_t)(share * TICK_US);
		enum budget_news news = budget_tick(&core->budget, core->now_us, core->cpu_us, core->percent);
		core->overs += news == BUDGET_OVER;
		core->withins += news == BUDGET_WITHIN;
	}
}

static void test_a_moment_is_no_load(void **state)
{
	struct core core = { .now_us = USEC_PER_SEC, .percent = 85 };

	(void)state;
	run(&core, 0.2, 10 * USEC_PER_SEC);
	run(&core, 1, USEC_PER_SEC);
	assert_false(core.budget.over);
	run(&core, 0.2, 10 * USEC_PER_SEC);
	assert_int_equal(core.overs + core.withins, 0);
	assert_true(core.budget.load > 0.19 && core.budget.load < 0.25);
}

static void test_over_once_and_back_once(void **state)
{
	struct core core = { .now_us = USEC_PER_SEC, .percent = 85 };

	(void)state;
	run(&core, 0.95, 20 * USEC_PER_SEC);
	assert_true(core.budget.over);
	/* Around the limit nothing flutters. */
	for (unsigned i = 0; i < 20; i++)
		run(&core, i % 2 ? 0.80 : 0.90, 2 * USEC_PER_SEC);
	assert_true(core.budget.over);
	assert_int_equal(core.overs, 1);
	assert_int_equal(core.withins, 0);
	run(&core, 0.5, 20 * USEC_PER_SEC);
	assert_false(core.budget.over);
	assert_int_equal(core.withins, 1);
}

static void test_no_limit(void **state)
{
	struct core core = { .now_us = USEC_PER_SEC, .percent = 0 };

	(void)state;
	run(&core, 1, 20 * USEC_PER_SEC);
	assert_false(core.budget.over);
	core.percent = 50;
	run(&core, 1, TICK_US);
	assert_true(core.budget.over);
	core.percent = 0;
	run(&core, 1, TICK_US);
	assert_false(core.budget.over);
}

static void test_a_late_tick_counts_for_its_time(void **state)
{
	struct budget often = { 0 }, late = { 0 };
	int64_t now_us = USEC_PER_SEC;

	(void)state;
	budget_tick(&often, now_us, 0, 85);
	budget_tick(&late, now_us, 0, 85);
	for (unsigned i = 1; i <= 8; i++)
		budget_tick(&often, now_us + i * TICK_US, i * TICK_US / 2, 85);
	budget_tick(&late, now_us + 8 * TICK_US, 4 * TICK_US, 85);
	assert_true(late.load > often.load * 0.75 && late.load < often.load * 1.25);
}

static void test_a_clock_that_stands(void **state)
{
	struct core core = { .now_us = USEC_PER_SEC, .percent = 85 };

	(void)state;
	run(&core, 0.5, 10 * USEC_PER_SEC);
	double load = core.budget.load;
	assert_int_equal(budget_tick(&core.budget, core.now_us, core.cpu_us + 5, 85), BUDGET_AS_BEFORE);
	/* A counter that went back is another process's. */
	assert_int_equal(budget_tick(&core.budget, core.now_us + TICK_US, 0, 85), BUDGET_AS_BEFORE);
	assert_true(core.budget.load == load);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_moment_is_no_load),
		cmocka_unit_test(test_over_once_and_back_once),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_a_late_tick_counts_for_its_time),
		cmocka_unit_test(test_a_clock_that_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
