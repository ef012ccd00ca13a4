#include "edge/workers.h"

#include "base/check.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { QUEUED_DEFAULT = 65536 };
enum job_state { JOB_NEW, JOB_QUEUED, JOB_RUNNING };

struct class
{
	unsigned max_running, max_queued;
	unsigned n_running, n_queued;
};

struct workers {
	struct act_offload_pool pool;
	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t news;
	struct act_job *first, *last;
	struct class cls[WORKERS_CLASSES];
	bool is_stopping;
	unsigned n_threads;
	pthread_t thread[WORKERS_THREADS_MAX];
};

static void unlink_job(struct workers *w, struct act_job *job)
{
	if (job->prev != NULL)
		job->prev->next = job->next;
	else
		w->first = job->next;
	if (job->next != NULL)
		job->next->prev = job->prev;
	else
		w->last = job->prev;
	job->next = job->prev = NULL;
	w->cls[job->work.cls].n_queued--;
}

/* The first whose class may run one more; NULL: none. */
static struct act_job *choose(struct workers *w)
{
	for (struct act_job *job = w->first; job != NULL; job = job->next) {
		struct class *c = &w->cls[job->work.cls];
		if (c->n_running < c->max_running)
			return job;
	}
	return NULL;
}

/* With the mutex held on both ends. The job is gone after act_job_done. */
static void run_job(struct workers *w, struct act_job *job)
{
	struct class *c = &w->cls[job->work.cls];
	unlink_job(w, job);
	job->state = JOB_RUNNING;
	c->n_running++;
	pthread_mutex_unlock(&w->mutex);
	job->rc = job->work.fn(job->work.arg);
	pthread_mutex_lock(&w->mutex);
	c->n_running--;
	/* Another thread may have passed over this class because of its limit. */
	if (c->n_queued > 0)
		pthread_cond_signal(&w->news);
	pthread_mutex_unlock(&w->mutex);
	act_job_done(job);
	pthread_mutex_lock(&w->mutex);
}

static void *work(void *ctx)
{
	struct workers *w = ctx;
	pthread_mutex_lock(&w->mutex);
	for (;;) {
		struct act_job *job = choose(w);
		if (job != NULL)
			run_job(w, job);
		else if (w->is_stopping)
			break;
		else
			pthread_cond_wait(&w->news, &w->mutex);
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

static void append(struct workers *w, struct act_job *job)
{
	job->next = NULL;
	job->prev = w->last;
	if (w->last != NULL)
		w->last->next = job;
	else
		w->first = job;
	w->last = job;
}

static int submit(void *ctx, struct act_job *job)
{
	struct workers *w = ctx;
	CHECK(job->work.cls < WORKERS_CLASSES);
	struct class *c = &w->cls[job->work.cls];
	int rc = ACT_OK;
	pthread_mutex_lock(&w->mutex);
	if (w->is_stopping) {
		rc = ACT_ECLOSED;
	} else if (c->n_queued >= c->max_queued) {
		rc = ACT_EFULL;
	} else {
		job->state = JOB_QUEUED;
		append(w, job);
		c->n_queued++;
		pthread_cond_signal(&w->news);
	}
	pthread_mutex_unlock(&w->mutex);
	return rc;
}

static bool withdraw(void *ctx, struct act_job *job)
{
	struct workers *w = ctx;
	pthread_mutex_lock(&w->mutex);
	bool is_queued = job->state == JOB_QUEUED;
	if (is_queued)
		unlink_job(w, job);
	pthread_mutex_unlock(&w->mutex);
	return is_queued;
}

static bool start_threads(struct workers *w, unsigned n)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (w->n_threads < n && pthread_create(&w->thread[w->n_threads], NULL, work, w) == 0)
		w->n_threads++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return w->n_threads == n;
}

struct workers *workers_new(const struct workers_opts *opts)
{
	CHECK(opts->n_threads >= 1 && opts->n_threads <= WORKERS_THREADS_MAX);
	struct workers *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return NULL;
	w->pool = (struct act_offload_pool){.ctx = w, .submit = submit, .withdraw = withdraw};
	for (int i = 0; i < WORKERS_CLASSES; i++) {
		unsigned running = opts->cls[i].max_running, queued = opts->cls[i].max_queued;
		w->cls[i].max_running = running != 0 ? running : opts->n_threads;
		w->cls[i].max_queued = queued != 0 ? queued : QUEUED_DEFAULT;
	}
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->news, NULL);
	if (start_threads(w, opts->n_threads))
		return w;
	workers_free(w);
	return NULL;
}

void workers_free(struct workers *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->mutex);
	w->is_stopping = true;
	pthread_cond_broadcast(&w->news);
	pthread_mutex_unlock(&w->mutex);
	for (unsigned i = 0; i < w->n_threads; i++)
		pthread_join(w->thread[i], NULL);
	pthread_cond_destroy(&w->news);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}

const struct act_offload_pool *workers_pool(const struct workers *w)
{
	return &w->pool;
}
