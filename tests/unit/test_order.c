/* links: workers */
#include "tests/support/cm.h"

#include "workers/order.h"

#include <stdio.h>

static const struct id one = { .b = { 1 } };
static const struct id two = { .b = { 2 } };

static enum order_verdict whole(struct order *o, struct id call, uint32_t version)
{
	return order_take(o, &(struct order_key){ .call = call, .version = version, .whole = 1 });
}

static enum order_verdict part(struct order *o, struct id call, uint32_t version)
{
	return order_take(o, &(struct order_key){ .call = call, .version = version });
}

static void what_belongs_to_no_call_is_sent_at_once(void **state)
{
	struct order o = { 0 };

	(void)state;
	assert_int_equal(order_take(&o, &(struct order_key){ .version = 7 }), ORDER_SEND);
	assert_null(o.calls);
}

static void a_page_never_goes_back(void **state)
{
	struct order o = { 0 };

	(void)state;
	assert_int_equal(whole(&o, one, 1), ORDER_SEND);
	assert_int_equal(whole(&o, one, 3), ORDER_SEND);
	assert_int_equal(whole(&o, one, 2), ORDER_DROP);
	assert_int_equal(part(&o, one, 2), ORDER_DROP);
	/* One transaction may have several events. */
	assert_int_equal(part(&o, one, 3), ORDER_SEND);
	/* Calls know nothing of each other. */
	assert_int_equal(whole(&o, two, 1), ORDER_SEND);
	order_fini(&o);
}

static void a_part_waits_for_what_it_changes(void **state)
{
	struct order o = { 0 };

	(void)state;
	assert_int_equal(part(&o, one, 2), ORDER_WAIT);
	assert_int_equal(whole(&o, one, 1), ORDER_SEND);
	assert_int_equal(part(&o, one, 3), ORDER_WAIT);
	assert_int_equal(part(&o, one, 2), ORDER_SEND);
	assert_int_equal(part(&o, one, 3), ORDER_SEND);
	/* The call in full has everything in it. */
	assert_int_equal(part(&o, one, 5), ORDER_WAIT);
	assert_int_equal(whole(&o, one, 9), ORDER_SEND);
	assert_int_equal(part(&o, one, 5), ORDER_DROP);
	order_fini(&o);
}

static void hello_is_the_beginning(void **state)
{
	struct order o = { 0 };

	(void)state;
	order_begin(&o, NULL);
	order_begin(&o, "");
	order_begin(&o, "01000000-0000-0000-0000-000000000000 4 02000000-0000-0000-0000-000000000000 17");
	assert_int_equal(whole(&o, one, 3), ORDER_DROP);
	assert_int_equal(part(&o, one, 5), ORDER_SEND);
	assert_int_equal(part(&o, two, 17), ORDER_SEND);
	assert_int_equal(part(&o, two, 19), ORDER_WAIT);
	/* Another one, which has not all that was heard: what has ended is not in it, and does not begin again. */
	order_begin(&o, "02000000-0000-0000-0000-000000000000 20");
	assert_int_equal(whole(&o, one, 4), ORDER_DROP);
	assert_int_equal(part(&o, two, 21), ORDER_SEND);
	/* Of the first one nothing was told since: a part would change what the page has forgotten. */
	assert_int_equal(part(&o, one, 6), ORDER_WAIT);
	assert_int_equal(whole(&o, one, 5), ORDER_SEND);
	assert_int_equal(part(&o, one, 6), ORDER_SEND);
	order_begin(&o, "nonsense that is longer than any id could ever be");
	order_begin(&o, "01000000-0000-0000-0000-000000000000 ");
	order_fini(&o);
}

static void the_call_that_was_quiet_longest_is_forgotten(void **state)
{
	struct order o = { 0 };
	struct id call = { 0 };

	(void)state;
	assert_int_equal(whole(&o, one, 5), ORDER_SEND);
	assert_int_equal(whole(&o, two, 5), ORDER_SEND);
	for (int i = 0; i < ORDER_CALLS - 1; i++) {
		call.b[0] = (uint8_t)(100 + i);
		assert_int_equal(whole(&o, call, 1), ORDER_SEND);
		assert_int_equal(whole(&o, two, 5), ORDER_SEND);
	}
	assert_int_equal(o.len, ORDER_CALLS);
	assert_int_equal(part(&o, two, 6), ORDER_SEND);
	assert_int_equal(part(&o, one, 6), ORDER_WAIT);
	order_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_belongs_to_no_call_is_sent_at_once),
		cmocka_unit_test(a_page_never_goes_back),
		cmocka_unit_test(a_part_waits_for_what_it_changes),
		cmocka_unit_test(hello_is_the_beginning),
		cmocka_unit_test(the_call_that_was_quiet_longest_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
