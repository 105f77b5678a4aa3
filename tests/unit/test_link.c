/* links: */
#include "shm/link.h"

#include "lib/cleanup.h"
#include "tests/support/cm.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CAP 8u

/* Two ends in one process: a writes ab, b writes ba. Read-only descriptors as in real life. */
struct pair {
	int ab, ba, ab_ro, ba_ro, bell_a, bell_b;
	struct link a, b;
};

static void attach_a(struct pair *p, uint32_t epoch)
{
	assert_int_equal(link_attach(&p->a, p->ab, p->ba_ro, p->bell_b, epoch), 0);
}

static void attach_b(struct pair *p, uint32_t epoch)
{
	assert_int_equal(link_attach(&p->b, p->ba, p->ab_ro, p->bell_a, epoch), 0);
}

static int setup(void **state)
{
	static struct pair p;

	memset(&p, 0, sizeof(p));
	assert_int_equal(link_create("ab", CAP, &p.ab), 0);
	assert_int_equal(link_create("ba", CAP, &p.ba), 0);
	assert_int_equal(shm_reopen_readonly(p.ab, &p.ab_ro), 0);
	assert_int_equal(shm_reopen_readonly(p.ba, &p.ba_ro), 0);
	p.bell_a = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	p.bell_b = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	attach_a(&p, 1);
	attach_b(&p, 1);
	/* The first flush after an attach looks for sleepers. */
	link_flush(&p.a);
	link_flush(&p.b);
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;
	const int fds[] = { p->ab, p->ba, p->ab_ro, p->ba_ro, p->bell_a, p->bell_b };

	link_detach(&p->a);
	link_detach(&p->b);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	return 0;
}

/* How often the bell was rung since the last look. */
static uint64_t bell(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void expect_pop(struct link *link, uint64_t corr, const char *text)
{
	struct link_msg msg;
	char payload[LINK_PAYLOAD_MAX];

	assert_int_equal(link_pop(link, &msg, payload), 0);
	assert_int_equal(msg.corr, corr);
	assert_int_equal(msg.len, strlen(text));
	assert_memory_equal(payload, text, msg.len);
}

static int pop(struct link *link)
{
	struct link_msg msg;
	uint8_t payload[LINK_PAYLOAD_MAX];

	return link_pop(link, &msg, payload);
}

static void test_push_pop(void **state)
{
	struct pair *p = *state;
	struct link_msg msg = { 0 };
	uint8_t payload[LINK_PAYLOAD_MAX];

	assert_int_equal(pop(&p->b), -EAGAIN);
	assert_int_equal(link_push(&p->a, 7, UINT64_C(0x1234567890), "abc", 3), 0);
	assert_int_equal(link_pop(&p->b, &msg, payload), 0);
	assert_int_equal(msg.type, 7);
	assert_int_equal(msg.len, 3);
	assert_int_equal(msg.epoch, 1);
	assert_int_equal(msg.corr, UINT64_C(0x1234567890));
	assert_memory_equal(payload, "abc", 3);
	assert_int_equal(pop(&p->b), -EAGAIN);
	assert_int_equal(p->a.pushed, 1);
	assert_int_equal(p->b.popped, 1);
}

static void test_both_directions(void **state)
{
	struct pair *p = *state;

	for (int i = 0; i < 100; i++) {
		assert_int_equal(link_push(&p->a, 1, 2, "ping", 4), 0);
		assert_int_equal(link_push(&p->b, 1, 3, "pong", 4), 0);
		expect_pop(&p->b, 2, "ping");
		expect_pop(&p->a, 3, "pong");
	}
}

static void test_sizes(void **state)
{
	struct pair *p = *state;
	struct link_msg msg;
	uint8_t in[LINK_PAYLOAD_MAX], out[LINK_PAYLOAD_MAX];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	assert_int_equal(link_push(&p->a, 1, 0, in, sizeof(in)), 0);
	assert_int_equal(link_push(&p->a, 2, 0, NULL, 0), 0);
	assert_int_equal(link_push(&p->a, 3, 0, in, sizeof(in) + 1), -EMSGSIZE);
	assert_int_equal(link_pop(&p->b, &msg, out), 0);
	assert_int_equal(msg.len, sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(link_pop(&p->b, &msg, out), 0);
	assert_int_equal(msg.type, 2);
	assert_int_equal(msg.len, 0);
	assert_int_equal(pop(&p->b), -EAGAIN);
}

static void test_full(void **state)
{
	struct pair *p = *state;

	for (uint32_t i = 0; i < CAP; i++) {
		assert_int_equal(link_room(&p->a), CAP - i);
		assert_int_equal(link_push(&p->a, 1, i, "x", 1), 0);
	}
	assert_int_equal(link_room(&p->a), 0);
	assert_int_equal(link_push(&p->a, 1, 99, "x", 1), -EAGAIN);
	assert_int_equal(p->a.full, 1);
	expect_pop(&p->b, 0, "x");
	assert_int_equal(link_room(&p->a), 1);
	assert_int_equal(link_push(&p->a, 1, CAP, "x", 1), 0);
	for (uint32_t i = 1; i <= CAP; i++)
		expect_pop(&p->b, i, "x");
	assert_int_equal(pop(&p->b), -EAGAIN);
}

static void test_counters_wrap(void **state)
{
	struct pair *p = *state;
	uint32_t start = UINT32_MAX - 20;

	atomic_store(&p->a.out->out.head, start);
	atomic_store(&p->b.out->in.tail, start);
	link_detach(&p->a);
	link_detach(&p->b);
	attach_a(p, 2);
	attach_b(p, 2);
	for (uint64_t i = 0; i < 100; i++) {
		for (uint32_t k = 0; k < CAP; k++)
			assert_int_equal(link_push(&p->a, 1, i * CAP + k, "w", 1), 0);
		assert_int_equal(link_push(&p->a, 1, 0, "w", 1), -EAGAIN);
		for (uint32_t k = 0; k < CAP; k++)
			expect_pop(&p->b, i * CAP + k, "w");
		assert_int_equal(pop(&p->b), -EAGAIN);
	}
	assert_int_equal(p->a.head, start + 100 * CAP);
	assert_int_equal(p->b.nonsense, 0);
}

static void test_bell(void **state)
{
	struct pair *p = *state;

	/* Awake: no bell. */
	assert_int_equal(link_push(&p->a, 1, 0, "x", 1), 0);
	link_flush(&p->a);
	assert_int_equal(bell(p->bell_b), 0);
	/* Something is there: do not sleep. */
	assert_true(link_sleep(&p->b));
	link_wake(&p->b);
	expect_pop(&p->b, 0, "x");
	/* Asleep: once a batch, and only with news. */
	assert_false(link_sleep(&p->b));
	link_flush(&p->a);
	assert_int_equal(bell(p->bell_b), 0);
	assert_int_equal(link_push(&p->a, 1, 0, "x", 1), 0);
	assert_int_equal(link_push(&p->a, 1, 0, "x", 1), 0);
	assert_int_equal(bell(p->bell_b), 0);
	link_flush(&p->a);
	link_flush(&p->a);
	assert_int_equal(bell(p->bell_b), 1);
	link_wake(&p->b);
	assert_int_equal(link_push(&p->a, 1, 0, "x", 1), 0);
	link_flush(&p->a);
	assert_int_equal(bell(p->bell_b), 0);
	/* Sleep between push and flush. */
	assert_int_equal(link_push(&p->a, 1, 0, "x", 1), 0);
	link_sleep(&p->b);
	link_flush(&p->a);
	assert_int_equal(bell(p->bell_b), 1);
}

static void test_poke(void **state)
{
	struct pair *p = *state;

	link_poke(&p->a);
	link_flush(&p->a);
	assert_int_equal(bell(p->bell_b), 0);
	assert_false(link_sleep(&p->b));
	link_poke(&p->a);
	link_flush(&p->a);
	assert_int_equal(bell(p->bell_b), 1);
}

static void test_full_rings_too(void **state)
{
	struct pair *p = *state;

	for (uint32_t i = 0; i < CAP; i++)
		assert_int_equal(link_push(&p->a, 1, i, "x", 1), 0);
	link_flush(&p->a);
	link_sleep(&p->b);
	assert_int_equal(link_push(&p->a, 1, 0, "x", 1), -EAGAIN);
	link_flush(&p->a);
	assert_int_equal(bell(p->bell_b), 1);
}

static void test_successors_go_on(void **state)
{
	struct pair *p = *state;
	struct link_msg msg;
	uint8_t payload[LINK_PAYLOAD_MAX];

	assert_int_equal(link_push(&p->a, 1, 1, "old", 3), 0);
	assert_int_equal(link_push(&p->a, 1, 2, "old", 3), 0);
	expect_pop(&p->b, 1, "old");
	/* The reader dies asleep. */
	link_sleep(&p->b);
	link_detach(&p->b);
	attach_b(p, 2);
	assert_int_equal(atomic_load(&p->b.out->bell.asleep), 0);
	assert_int_equal(atomic_load(&p->b.out->header.epoch), 2);
	/* The writer dies. */
	link_detach(&p->a);
	attach_a(p, 9);
	assert_int_equal(link_push(&p->a, 1, 3, "new", 3), 0);
	expect_pop(&p->b, 2, "old");
	assert_int_equal(link_pop(&p->b, &msg, payload), 0);
	assert_int_equal(msg.epoch, 9);
	assert_int_equal(msg.corr, 3);
	assert_int_equal(pop(&p->b), -EAGAIN);
}

static void test_bell_lost_with_its_writer(void **state)
{
	struct pair *p = *state;

	link_sleep(&p->b);
	assert_int_equal(link_push(&p->a, 1, 1, "x", 1), 0);
	/* Dies before link_flush(). */
	link_detach(&p->a);
	attach_a(p, 2);
	assert_int_equal(bell(p->bell_b), 0);
	link_flush(&p->a);
	assert_int_equal(bell(p->bell_b), 1);
}

static void test_unfinished_push_is_not_sent(void **state)
{
	struct pair *p = *state;

	/* What a writer leaves that dies before it stores head. */
	memset(p->a.out->slots, 0xff, LINK_SLOT_BYTES);
	assert_int_equal(pop(&p->b), -EAGAIN);
	link_detach(&p->a);
	attach_a(p, 2);
	assert_int_equal(link_push(&p->a, 1, 5, "y", 1), 0);
	expect_pop(&p->b, 5, "y");
}

/* ---- hostile contents ---- */

static void test_head_beyond_cap(void **state)
{
	struct pair *p = *state;
	const uint32_t heads[] = { CAP + 1, UINT32_MAX, 0x80000000, 1000 };
	uint64_t nonsense = 0;

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		uint32_t head = p->b.tail + heads[i];
		atomic_store(&p->a.out->out.head, head);
		assert_true(link_sleep(&p->b));
		assert_int_equal(pop(&p->b), -EPROTO);
		assert_int_equal(p->b.nonsense, ++nonsense);
		/* It goes on from there. */
		assert_int_equal(pop(&p->b), -EAGAIN);
		p->a.head = head;
		assert_int_equal(link_room(&p->a), CAP);
		assert_int_equal(link_push(&p->a, 1, i, "z", 1), 0);
		expect_pop(&p->b, i, "z");
	}
}

static void test_len_beyond_slot(void **state)
{
	struct pair *p = *state;

	for (int i = 0; i < 3; i++)
		assert_int_equal(link_push(&p->a, 1, 0, "x", 1), 0);
	struct link_msg *msg = (struct link_msg *)(p->a.out->slots + LINK_SLOT_BYTES);
	msg->len = LINK_PAYLOAD_MAX + 1;
	expect_pop(&p->b, 0, "x");
	assert_int_equal(pop(&p->b), -EPROTO);
	assert_int_equal(p->b.nonsense, 1);
	assert_int_equal(pop(&p->b), -EAGAIN);
	msg->len = UINT16_MAX;
	assert_int_equal(link_push(&p->a, 1, 4, "y", 1), 0);
	expect_pop(&p->b, 4, "y");
	/* Exactly what a slot holds is right. */
	msg = (struct link_msg *)(p->a.out->slots + (size_t)(p->a.head & (CAP - 1)) * LINK_SLOT_BYTES);
	assert_int_equal(link_push(&p->a, 1, 5, "y", 1), 0);
	msg->len = LINK_PAYLOAD_MAX;
	assert_int_equal(pop(&p->b), 0);
}

static void test_tail_nonsense(void **state)
{
	struct pair *p = *state;

	assert_int_equal(link_push(&p->a, 1, 1, "x", 1), 0);
	/* The peer says that it has read what was never sent. */
	atomic_store(&p->b.out->in.tail, 5);
	assert_int_equal(link_room(&p->a), 0);
	assert_int_equal(link_push(&p->a, 1, 2, "x", 1), -EAGAIN);
	assert_int_equal(p->a.nonsense, 2);
	/* … and comes to its senses. */
	atomic_store(&p->b.out->in.tail, 1);
	assert_int_equal(link_push(&p->a, 1, 2, "x", 1), 0);
}

static void test_peer_changes_cap(void **state)
{
	struct pair *p = *state;

	/* Its own copy of cap is what a handle goes by. */
	p->b.out->cap = 1u << 30;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(link_push(&p->b, 1, 1, "x", 1), 0);
		expect_pop(&p->a, 1, "x");
	}
}

static void expect_attach(struct pair *p, int expected)
{
	struct link link;

	assert_int_equal(link_attach(&link, p->ab, p->ba_ro, p->bell_b, 2), expected);
	if (expected == 0)
		link_detach(&link);
}

static void test_attach_refuses(void **state)
{
	struct pair *p = *state;
	const uint32_t caps[] = { 0, 1, 4, CAP - 1, CAP + 1, CAP * 2, UINT32_MAX, 1u << 31 };
	struct link link;
	int fd = -1;

	expect_attach(p, 0);
	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		p->b.out->cap = caps[i];
		expect_attach(p, -EPROTO);
		p->b.out->cap = CAP;
		p->a.out->cap = caps[i];
		expect_attach(p, -EPROTO);
		p->a.out->cap = CAP;
	}
	p->b.out->header.magic = SHM_MAGIC_RING;
	expect_attach(p, -EPROTO);
	p->b.out->header.magic = SHM_MAGIC_LINK;
	p->a.out->header.layout++;
	expect_attach(p, -EPROTO);
	p->a.out->header.layout--;
	expect_attach(p, 0);
	/* Ours must be writable. */
	assert_int_equal(link_attach(&link, p->ab_ro, p->ba_ro, -1, 1), -EACCES);
	/* A region that ends inside its slots. */
	assert_int_equal(shm_create("short", SHM_MAGIC_LINK, link_region_size(CAP) - 1, &fd), 0);
	assert_int_equal(pwrite(fd, &(uint32_t){ CAP }, 4, offsetof(struct link_region, cap)), 4);
	assert_int_equal(link_attach(&link, p->ab, fd, -1, 1), -EPROTO);
	close(fd);
	fd = -1;
	assert_int_equal(link_create("bad", 0, &fd), -EINVAL);
	assert_int_equal(link_create("bad", 24, &fd), -EINVAL);
	assert_int_equal(link_create("bad", 1u << 31, &fd), -EINVAL);
	assert_int_equal(fd, -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_push_pop),
		TEST(test_both_directions),
		TEST(test_sizes),
		TEST(test_full),
		TEST(test_counters_wrap),
		TEST(test_bell),
		TEST(test_poke),
		TEST(test_full_rings_too),
		TEST(test_successors_go_on),
		TEST(test_bell_lost_with_its_writer),
		TEST(test_unfinished_push_is_not_sent),
		TEST(test_head_beyond_cap),
		TEST(test_len_beyond_slot),
		TEST(test_tail_nonsense),
		TEST(test_peer_changes_cap),
		TEST(test_attach_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
