/* links: lab mediad */
/* How a connection does, as its participant is told. */
#include "tests/lab/media_lab.h"

#include "mediad/quality.h"
#include "tests/support/cm.h"

static void a_call(unsigned mediads, unsigned loss_up, unsigned loss_down)
{
	struct lab *lab = lab_new(mediads);
	struct lab_device *a = lab_device(lab, 0, 1, 1, 1), *b = lab_device(lab, mediads - 1, 1, 2, 1);
	const struct msg_quality *q = &a->quality;

	a->loss_up = loss_up;
	a->loss_down = loss_down;
	assert_int_equal(lab_offer(a), 0);
	assert_int_equal(lab_offer(b), 0);
	lab_connect(a);
	lab_run(lab, USEC_PER_SEC);
	lab_connect(b);
	lab_run(lab, 20 * USEC_PER_SEC);
	assert_in_range(a->qualities_told, 5, 8);
	assert_int_equal(q->member.b[0], 1);
	/* 90 packets a second of 200 and some bytes, and 50 of sound; on the way in also what asks why they are lost.
	 */
	assert_in_range(q->bps_in, 220000, 380000);
	assert_in_range(q->bps_out, 220000, 350000);
	assert_in_range(q->loss_in * 100 / 65536, loss_down - (loss_down > 0), loss_down);
	assert_in_range(q->loss_out * 100 / 65536, loss_up / 2, loss_up * 2);
	assert_in_range(q->rtt_us, 18000, 24000); /* 10 ms each way */
	assert_true(b->qualities_told > 4);
	assert_int_equal(b->quality.loss_in, 0);
	assert_int_equal(b->quality.loss_out, 0);
	lab_free(lab);
}

static void clean(void **state)
{
	(void)state;
	a_call(1, 0, 0);
	a_call(2, 0, 0);
}

static void lossy(void **state)
{
	(void)state;
	a_call(1, 10, 20);
	a_call(2, 10, 20);
}

static void alone_nothing_is_known(void **state)
{
	struct lab *lab = lab_new(1);
	struct lab_device *a = lab_device(lab, 0, 1, 1, 1);

	(void)state;
	assert_int_equal(lab_offer(a), 0);
	lab_run(lab, 5 * USEC_PER_SEC);
	assert_int_equal(a->qualities_told, 0); /* not connected */
	lab_connect(a);
	lab_run(lab, 10 * USEC_PER_SEC);
	assert_in_range(a->qualities_told, 2, 4);
	assert_int_equal(a->quality.rtt_us, 0);
	assert_int_equal(a->quality.bps_in, 0);
	assert_true(a->quality.bps_out > 200000);
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean),
		cmocka_unit_test(lossy),
		cmocka_unit_test(alone_nothing_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
