#include "tools/load/swarm_share.h"

#include "lib/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEP_US = 10 * 1000 };

/* ---- in the share's own process ---- */

struct share {
	struct share_region *region;
	struct swarm_people *people;
	struct pages pages;
	struct page *page; /* len of them */
	unsigned len, first, every, begun, cuts;
	struct loop_timer step;
};

static struct share *the_share; /* for the callback that knows a page only */

static void on_event(struct page *page, const char *text, size_t len)
{
	struct share_region *r = the_share->region;
	/* A1: pairs with R1 in shares_said(). */
	uint32_t number = atomic_load_explicit(&r->number, memory_order_acquire);
	enum swarm_kind kind = atomic_load_explicit(&r->kind, memory_order_relaxed);

	if (number == 0 || !people_is(the_share->people, kind, number, text, len))
		return;
	if (page->heard == number) {
		atomic_fetch_add(&r->twice, 1);
		return;
	}
	int64_t now_us = clock_now_us();
	page->heard = number;
	histogram_add(&r->took[kind], now_us - atomic_load(&r->said_us));
	atomic_store(&r->heard_us, now_us);
	atomic_fetch_add(&r->heard, 1);
}

static void publish(const struct share *s)
{
	struct share_region *r = s->region;
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	atomic_store(&r->own_kib, (uint64_t)u.ru_maxrss);
	atomic_store(&r->attempts, s->pages.attempts);
	atomic_store(&r->resumed, s->pages.resumed);
	atomic_store(&r->lost, s->pages.lost);
	atomic_store(&r->open, s->pages.open);
	r->hello = s->pages.hello;
	memcpy(r->error, s->pages.error, sizeof(r->error));
	/* Last: who sees that all are there sees all of the above too. */
	atomic_store(&r->opened, s->pages.opened);
}

static void on_step(struct loop_timer *timer, int64_t now_us, void *arg)
{
	struct share *s = arg;

	(void)now_us;
	while (s->begun < s->len && s->first + s->begun * s->every < atomic_load(&s->region->join))
		page_start(&s->page[s->begun++]);
	if (s->cuts != atomic_load(&s->region->cuts)) {
		s->cuts = atomic_load(&s->region->cuts);
		for (unsigned i = 0; i < s->len; i++)
			page_cut(&s->page[i]);
	}
	publish(s);
	if (atomic_load(&s->region->stop))
		loop_stop(s->pages.loop, 0);
	else
		(void)loop_timer_start(s->pages.loop, timer, clock_now_us() + STEP_US, on_step, s);
}

static int share_init(struct share *s, const struct shares_config *config)
{
	s->people = config->people;
	s->pages = *config->pages;
	s->pages.on_event = on_event;
	int err = loop_new(&s->pages.loop);
	if (err < 0)
		return err;
	s->pages.ws.loop = s->pages.loop;
	s->len = (config->websockets - s->first + s->every - 1) / s->every;
	s->page = calloc(s->len, sizeof(*s->page));
	if (!s->page)
		return -ENOMEM;
	for (unsigned i = 0; i < s->len; i++) {
		unsigned index = s->first + i * s->every;
		s->page[i] = (struct page){
			.pages = &s->pages,
			.owner = &s->people->person[index % s->people->len].owner,
			.index = index,
		};
	}
	return 0;
}

static _Noreturn void share_main(struct share *s, const struct shares_config *config)
{
	the_share = s;
	int err = share_init(s, config);
	if (err == 0) {
		on_step(&s->step, clock_now_us(), s);
		err = loop_run(s->pages.loop);
	}
	for (unsigned i = 0; s->page && i < s->len; i++)
		page_stop(&s->page[i]);
	_exit(err < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- in the parent ---- */

int shares_start(struct shares *shares, const struct shares_config *config, unsigned per_share)
{
	unsigned len = (config->websockets + per_share - 1) / per_share;
	pid_t parent = getpid();

	*shares = (struct shares){ 0 };
	if (len > SHARES_MAX)
		return -ENOSPC;
	void *memory = mmap(NULL, len * sizeof(struct share_region), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	shares->region = memory;
	fflush(NULL);
	for (unsigned i = 0; i < len; i++) {
		shares->pid[i] = fork();
		if (shares->pid[i] < 0)
			return -errno;
		if (shares->pid[i] == 0) {
			struct share share = { .region = &shares->region[i], .first = i, .every = len };
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			signal(SIGINT, SIG_IGN); /* the parent ends it in good order */
			if (getppid() != parent)
				_exit(EXIT_FAILURE);
			share_main(&share, config);
		}
		shares->len++;
	}
	return 0;
}

void shares_join(struct shares *shares, unsigned pages)
{
	for (unsigned i = 0; i < shares->len; i++)
		atomic_store(&shares->region[i].join, pages);
}

void shares_cut(struct shares *shares)
{
	for (unsigned i = 0; i < shares->len; i++)
		atomic_fetch_add(&shares->region[i].cuts, 1);
}

void shares_said(struct shares *shares, enum swarm_kind kind, uint32_t number, int64_t now_us)
{
	for (unsigned i = 0; i < shares->len; i++) {
		struct share_region *r = &shares->region[i];
		atomic_store(&r->said_us, now_us);
		atomic_store_explicit(&r->kind, kind, memory_order_relaxed);
		/* R1: pairs with A1 in on_event(). */
		atomic_store_explicit(&r->number, number, memory_order_release);
	}
}

void shares_read(const struct shares *shares, struct shares_sum *ret)
{
	*ret = (struct shares_sum){ 0 };
	for (unsigned i = 0; i < shares->len; i++) {
		struct share_region *r = &shares->region[i];
		ret->opened += atomic_load(&r->opened);
		ret->open += atomic_load(&r->open);
		ret->attempts += atomic_load(&r->attempts);
		ret->resumed += atomic_load(&r->resumed);
		ret->lost += atomic_load(&r->lost);
		ret->heard += atomic_load(&r->heard);
		ret->twice += atomic_load(&r->twice);
		ret->heard_us = MAX(ret->heard_us, atomic_load(&r->heard_us));
		ret->own_kib += (double)atomic_load(&r->own_kib);
	}
}

static void histogram_sum(struct histogram *sum, const struct histogram *h)
{
	sum->count += h->count;
	sum->max = MAX(sum->max, h->max);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		sum->bucket[i] += h->bucket[i];
}

void shares_hello(const struct shares *shares, struct histogram *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < shares->len; i++)
		histogram_sum(ret, &shares->region[i].hello);
}

void shares_took(const struct shares *shares, enum swarm_kind kind, struct histogram *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < shares->len; i++)
		histogram_sum(ret, &shares->region[i].took[kind]);
}

const char *shares_error(const struct shares *shares)
{
	for (unsigned i = 0; i < shares->len; i++) {
		if (*shares->region[i].error)
			return shares->region[i].error;
	}
	return "";
}

bool shares_died(const struct shares *shares)
{
	siginfo_t info = { 0 };

	return shares->len > 0 && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

void shares_stop(struct shares *shares)
{
	for (unsigned i = 0; i < shares->len; i++)
		atomic_store(&shares->region[i].stop, 1);
	for (unsigned i = 0; i < shares->len; i++)
		(void)waitpid(shares->pid[i], NULL, 0);
	if (shares->region)
		munmap(shares->region, shares->len * sizeof(struct share_region));
	*shares = (struct shares){ 0 };
}
