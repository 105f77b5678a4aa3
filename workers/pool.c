#include "workers/pool.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "workers/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define THREADS_MAX 32
#define POOL_NICE   10

struct job {
	struct job *next;
	pool_work *work;
	pool_done *done;
	void *arg;
	bool ran;
};

struct pool {
	struct worker *worker;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* under lock */
	struct job *todo, **todo_tail;
	struct job *finished, **finished_tail;
	bool stopping;
	/* the loop's */
	size_t jobs; /* accepted and not yet done */
	int event_fd;
	struct loop_fd io;
	pthread_t threads[THREADS_MAX];
	size_t threads_len;
};

static void *thread_main(void *arg)
{
	struct pool *pool = arg;

	/* On Linux a nice value is the thread's own. When it is refused the threads just compete with the loop. */
	(void)setpriority(PRIO_PROCESS, 0, POOL_NICE);
	pthread_mutex_lock(&pool->lock);
	while (!pool->stopping) {
		struct job *job = pool->todo;
		if (!job) {
			pthread_cond_wait(&pool->wake, &pool->lock);
			continue;
		}
		pool->todo = job->next;
		if (!pool->todo)
			pool->todo_tail = &pool->todo;
		pthread_mutex_unlock(&pool->lock);
		job->work(job->arg);
		pthread_mutex_lock(&pool->lock);
		job->ran = true;
		job->next = NULL;
		*pool->finished_tail = job;
		pool->finished_tail = &job->next;
		uint64_t one = 1;
		if (write(pool->event_fd, &one, sizeof(one)) < 0) {
			/* The counter is at its limit, so the loop is about to wake anyway. */
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static struct job *take_finished(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	struct job *jobs = pool->finished;
	pool->finished = NULL;
	pool->finished_tail = &pool->finished;
	pthread_mutex_unlock(&pool->lock);
	return jobs;
}

static void finish(struct pool *pool, struct job *jobs)
{
	while (jobs) {
		struct job *job = jobs;
		jobs = job->next;
		pool->jobs--;
		job->done(job->arg, job->ran);
		free(job);
	}
}

static void on_finished(struct loop_fd *io, uint32_t events, void *arg)
{
	struct pool *pool = arg;
	uint64_t count;

	(void)events;
	if (read(io->fd, &count, sizeof(count)) < 0)
		return;
	finish(pool, take_finished(pool));
}

static size_t threads_wanted(const struct worker *worker)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t half = cores > 1 ? (size_t)cores / 2 : 1;

	return MIN(MAX(half / MAX(worker->workers, 1u), 1), (size_t)THREADS_MAX);
}

static int start_threads(struct pool *pool)
{
	sigset_t all, before;
	int err = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (size_t i = 0; i < threads_wanted(pool->worker) && err == 0; i++) {
		err = -pthread_create(&pool->threads[i], NULL, thread_main, pool);
		if (err == 0)
			pool->threads_len++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pool->threads_len > 0 ? 0 : err;
}

int pool_start(struct worker *worker, struct pool **ret_pool)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	pool->worker = worker;
	pool->todo_tail = &pool->todo;
	pool->finished_tail = &pool->finished;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wake, NULL);
	pool->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int err = pool->event_fd < 0 ? -errno : 0;
	if (err == 0)
		err = loop_fd_add(worker->loop, &pool->io, pool->event_fd, EPOLLIN, on_finished, pool);
	if (err == 0)
		err = start_threads(pool);
	if (err < 0) {
		log_error("pool: cannot start threads: %s", strerror(-err));
		pool_stop(pool);
		return err;
	}
	*ret_pool = pool;
	return 0;
}

struct pool *pool_stop(struct pool *pool)
{
	if (!pool)
		return NULL;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
	for (size_t i = 0; i < pool->threads_len; i++)
		pthread_join(pool->threads[i], NULL);
	loop_fd_del(&pool->io);
	finish(pool, take_finished(pool));
	finish(pool, pool->todo);
	if (pool->event_fd >= 0)
		close(pool->event_fd);
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
	return NULL;
}

int pool_submit(struct pool *pool, pool_work *work, pool_done *done, void *arg)
{
	if (pool->jobs >= POOL_QUEUE_MAX)
		return -EAGAIN;
	struct job *job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	*job = (struct job){ .work = work, .done = done, .arg = arg };
	pool->jobs++;
	pthread_mutex_lock(&pool->lock);
	*pool->todo_tail = job;
	pool->todo_tail = &job->next;
	pthread_cond_signal(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
	return 0;
}
