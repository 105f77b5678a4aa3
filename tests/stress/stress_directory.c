/* links: */
/* One worker connects and disconnects people in a small section, over and over; others look them up. A lookup
 * must never find somebody who was never there, and always somebody who never leaves; the presence of a person
 * is a function of the person here, so that words of two entries mixed up would show. */
#include "shm/directory.h"

#include "tests/support/stress.h"

#define ENTRIES	 256u
#define RESIDENT 20  /* connected from the first to the last moment */
#define GUESTS	 150 /* come and go */
#define STRANGER 1000

struct test {
	struct directory writer, reader;
	int own, other, own_ro, other_ro;
	int64_t until_us;
	_Atomic int *started; /* the residents are in */
};

static struct id person(uint64_t n)
{
	struct id id = { 0 };

	pattern_fill(n + 1, id.b, sizeof(id.b));
	return id;
}

static enum presence presence_of(uint64_t n)
{
	return (enum presence)(PRESENCE_ONLINE + n % 3);
}

static void attach_writer(struct test *t)
{
	CHECK(directory_attach(&t->writer, (int[]){ t->own, t->other_ro }, 2, 0, 1, NULL) == 0, "attach");
}

static void attach_reader(struct test *t)
{
	CHECK(directory_attach(&t->reader, (int[]){ t->own_ro, t->other }, 2, 1, 1, NULL) == 0, "attach");
}

static void write_side(void *arg)
{
	struct test *t = arg;
	struct rng rng = { 3 };
	uint64_t n = 0, full = 0;

	if (!STRESS_THREADS)
		attach_writer(t);
	for (uint64_t i = 0; i < RESIDENT; i++) {
		struct id id = person(i);
		CHECK(directory_set(&t->writer, &id, 1, presence_of(i)) == 0, "set");
	}
	atomic_store(t->started, 1);
	for (; (++n & 1023) || clock_now_us() < t->until_us;) {
		uint64_t who = RESIDENT + rng_below(&rng, GUESTS);
		struct id id = person(who);
		uint32_t connections = rng_below(&rng, 3);
		int err = directory_set(&t->writer, &id, connections, presence_of(who));
		full += err == -ENOSPC;
		CHECK(err == 0 || err == -ENOSPC, "set says %d", err);
		CHECK(directory_find(&t->writer, &id) == (connections > 0 && err == 0), "own lookup");
		/* A resident's entry is written again and again too. */
		id = person(who % RESIDENT);
		CHECK(directory_set(&t->writer, &id, 1 + connections, presence_of(who % RESIDENT)) == 0, "set");
	}
	atomic_store(t->started, 2);
	printf("writer: %lu changes, %lu times full\n", (unsigned long)n, (unsigned long)full);
}

static void read_side(void *arg)
{
	struct test *t = arg;
	struct rng rng = { 4 };
	uint64_t n = 0, found = 0;

	if (!STRESS_THREADS)
		attach_reader(t);
	while (atomic_load(t->started) == 0)
		usleep(100);
	for (; atomic_load(t->started) == 1; n++) {
		uint64_t who = rng_below(&rng, RESIDENT);
		struct id id = person(who);
		CHECK(directory_find(&t->reader, &id) == 1, "resident %lu is not there", (unsigned long)who);
		CHECK(directory_presence(&t->reader, &id) == presence_of(who), "resident's presence");
		who = STRANGER + rng_below(&rng, 1000);
		id = person(who);
		CHECK(directory_find(&t->reader, &id) == 0, "a stranger is there");
		who = RESIDENT + rng_below(&rng, GUESTS);
		id = person(who);
		enum presence presence = directory_presence(&t->reader, &id);
		CHECK(presence == PRESENCE_OFFLINE || presence == presence_of(who), "guest's presence");
		found += presence != PRESENCE_OFFLINE;
	}
	printf("reader: %lu rounds, %lu guests found\n", (unsigned long)n, (unsigned long)found);
	CHECK(n > 0 && found > 0, "nothing read");
}

int main(int argc, char **argv)
{
	static struct test t;

	t.until_us = stress_until_us(argc, argv);
	t.started = stress_shared(sizeof(*t.started));
	CHECK(directory_create("own", ENTRIES, &t.own) == 0, "create");
	CHECK(directory_create("other", ENTRIES, &t.other) == 0, "create");
	CHECK(shm_reopen_readonly(t.own, &t.own_ro) == 0 && shm_reopen_readonly(t.other, &t.other_ro) == 0, "reopen");
	if (STRESS_THREADS) {
		attach_writer(&t);
		attach_reader(&t);
		t.reader.section[0] = t.writer.section[0];
	}
	stress_run((struct stress_thread[]){ { write_side, &t }, { read_side, &t } }, 2);
	return 0;
}
