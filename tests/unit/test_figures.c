/* links: tools */
#include "tools/figures.h"

#include "tests/support/cm.h"

#include <stdio.h>
#include <string.h>

static const char text_before[] = "# HELP parley_process_restarts_total Processes that the master started again.\n"
				  "# TYPE parley_process_restarts_total counter\n"
				  "parley_process_restarts_total{role=\"worker\"} 3\n"
				  "parley_process_heartbeat_age_seconds{role=\"worker\",index=\"0\"} 0.200000\n"
				  "parley_process_heartbeat_age_seconds{role=\"mediad\",index=\"0\"} 0.100000\n"
				  "parley_process_heartbeat_age_seconds{role=\"mediad\",index=\"12\"} 0.100000\n"
				  "parley_process_pid{role=\"worker\",index=\"0\"} 4711\n"
				  "parley_process_pid{role=\"mediad\",index=\"12\"} 4712\n"
				  "parley_worker_websockets{worker=\"0\"} 7\n"
				  "parley_worker_requests_total{worker=\"0\"} 100\n"
				  "parley_worker_cpu_seconds_total{worker=\"0\"} 1.000000\n"
				  "parley_mediad_transports{mediad=\"0\"} 2\n"
				  "parley_mediad_transports{mediad=\"12\"} 9\n"
				  "parley_mediad_over_budget{mediad=\"12\"} 1\n"
				  "parley_mediad_packets_forwarded_total{mediad=\"12\"} 1000\n"
				  "parley_mediad_bytes_forwarded_total{mediad=\"12\"} 1000000\n"
				  "parley_mediad_cpu_seconds_total{mediad=\"12\"} 2.000000\n"
				  "parley_mediad_busy_seconds_total{mediad=\"12\"} 2.500000\n"
				  "parley_mediad_waiting_seconds_total{mediad=\"12\"} 7.500000\n"
				  "parley_mediad_cipher_samples_total{mediad=\"12\"} 10\n"
				  "parley_mediad_cipher_sampled_seconds_total{mediad=\"12\"} 0.000010000\n"
				  "parley_mediad_socket_drops_total{mediad=\"12\"} 5\n"
				  "parley_mediad_ring_lost_total{mediad=\"12\"} 1\n"
				  "parley_media_ring_packets_total{from=\"0\",to=\"12\"} 8\n";

static const char text_after[] = "parley_process_heartbeat_age_seconds{role=\"worker\",index=\"0\"} 0.000000\n"
				 "parley_process_heartbeat_age_seconds{role=\"mediad\",index=\"0\"} 0.000000\n"
				 "parley_process_heartbeat_age_seconds{role=\"mediad\",index=\"12\"} 0.000000\n"
				 "parley_worker_requests_total{worker=\"0\"} 140\n"
				 "parley_worker_cpu_seconds_total{worker=\"0\"} 1.220000\n"
				 "parley_mediad_transports{mediad=\"0\"} 2\n"
				 "parley_mediad_transports{mediad=\"12\"} 10\n"
				 "parley_mediad_packets_forwarded_total{mediad=\"12\"} 3000\n"
				 "parley_mediad_bytes_forwarded_total{mediad=\"12\"} 3000000\n"
				 "parley_mediad_cpu_seconds_total{mediad=\"12\"} 2.500000\n"
				 "parley_mediad_busy_seconds_total{mediad=\"12\"} 3.125000\n"
				 "parley_mediad_waiting_seconds_total{mediad=\"12\"} 8.125000\n"
				 "parley_mediad_cipher_samples_total{mediad=\"12\"} 20\n"
				 "parley_mediad_cipher_sampled_seconds_total{mediad=\"12\"} 0.000016000\n"
				 "parley_mediad_socket_drops_total{mediad=\"12\"} 9\n"
				 "parley_mediad_ring_lost_total{mediad=\"12\"} 1";

static void look(struct figures *before, struct figures *after)
{
	before->at_s = 10;
	after->at_s = 12;
	figures_parse(text_before, before);
	figures_parse(text_after, after);
}

static void near(double is, double should)
{
	if (is < should * 0.9999 || is > should * 1.0001)
		fail_msg("%f is not %f", is, should);
}

static void test_read(void **state)
{
	static struct figures before, after;

	(void)state;
	look(&before, &after);
	assert_true(before.mediad[0].there && before.mediad[12].there && before.worker[0].there);
	assert_false(before.mediad[1].there || before.worker[12].there);
	near(before.mediad[12].pid, 4712);
	near(before.worker[0].pid, 4711);
	near(before.worker[0].websockets, 7);
	near(before.mediad[12].transports, 9);
	near(before.mediad[12].over_budget, 1);
	assert_true(before.mediad[0].pid == 0);
	assert_true(before.at_s == 10);
}

static void test_nonsense(void **state)
{
	static struct figures f;

	(void)state;
	figures_parse("", &f);
	figures_parse("parley_\nparley_{} 3\nparley_mediad_transports{mediad=\"64\"} 3\nparley_mediad_transports}{ 3\n"
		      "parley_mediad_transports{mediad=\"x\n\n\nnothing{mediad=\"1\"} "
		      "3\nparley_process_pid{role=\"mediad\"} 3",
		      &f);
	for (unsigned k = 0; k < FIGURES_MAX; k++)
		assert_false(f.mediad[k].there || f.worker[k].there);
}

static void test_rates(void **state)
{
	static struct figures before, after;

	(void)state;
	look(&before, &after);
	struct mediad_rates r = mediad_rates(&before, &after, 12);
	near(r.forwarded, 1000);
	near(r.forwarded_bits, 8e6);
	/* By its own time, not by ours: its heartbeats are 1.25 s apart. */
	near(r.cpu, 0.4);
	near(r.busy, 0.5);
	near(r.packet_us, 400);
	near(r.cipher_us, 0.6);
	near(r.drops, 2);
	struct worker_rates w = worker_rates(&before, &after, 0);
	near(w.requests, 20);
	near(w.cpu, 0.1);
	/* One that says nothing of its time, and no time at all. */
	assert_true(mediad_rates(&before, &after, 0).cpu < 0);
	assert_true(mediad_rates(&before, &after, 0).packet_us < 0);
	assert_true(mediad_rates(&before, &before, 12).forwarded < 0);
	/* Another server answered in between: its counters are lower. */
	assert_true(mediad_rates(&after, &before, 12).forwarded < 0);
}

static void table(unsigned columns, unsigned lines, char *ret, size_t len)
{
	static struct figures before, after;
	struct buf text = { 0 };

	look(&before, &after);
	for (unsigned k = 20; lines > 0 && k < 60; k++)
		after.mediad[k].there = after.worker[k].there = true;
	figures_table(&before, &after, columns, lines, &text);
	assert_false(text.failed);
	assert_true(text.len < len);
	memcpy(ret, text.data, text.len);
	ret[text.len] = 0;
	buf_fini(&text);
}

static void test_table(void **state)
{
	char text[16384];

	(void)state;
	table(0, 0, text, sizeof(text));
	assert_non_null(strstr(text, "MEDIAD"));
	assert_non_null(strstr(text, "DROPS/s"));
	assert_non_null(strstr(text, "WORKER"));
	assert_non_null(strstr(text, "400.00")); /* us for each forwarded packet */
	unsigned lines = 0;
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 1 + 2 + 1 + 1 + 1 + 1 + 1);
}

/* Characters, not bytes. */
static unsigned longest_line(const char *text, unsigned *ret_lines)
{
	unsigned longest = 0, len = 0;

	*ret_lines = 0;
	for (const char *c = text; *c; c++) {
		len = *c == '\n' ? 0 : len + ((*c & 0xc0) != 0x80);
		longest = len > longest ? len : longest;
		*ret_lines += *c == '\n';
	}
	return longest;
}

static void test_windows(void **state)
{
	static const unsigned widths[] = { 200, 132, 100, 80, 60, 40, 20, 7 }, heights[] = { 100, 50, 24, 12 };
	char text[16384];
	unsigned lines;

	(void)state;
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		table(widths[i], 0, text, sizeof(text));
		assert_in_range(longest_line(text, &lines), 6, widths[i]);
	}
	/* What matters most stays longest. */
	table(80, 0, text, sizeof(text));
	assert_non_null(strstr(text, "CPU%"));
	assert_non_null(strstr(text, "FWD/s"));
	assert_null(strstr(text, "BATCH"));
	for (size_t i = 0; i < sizeof(heights) / sizeof(heights[0]); i++) {
		table(80, heights[i], text, sizeof(text));
		longest_line(text, &lines);
		assert_in_range(lines, 7, heights[i]);
		if (heights[i] < 80)
			assert_non_null(strstr(text, "more"));
		else
			assert_null(strstr(text, "more"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),  cmocka_unit_test(test_nonsense), cmocka_unit_test(test_rates),
		cmocka_unit_test(test_table), cmocka_unit_test(test_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
