/* See job.h. A ring under a mutex: at tens of thousands of jobs a second in batches of hundreds
 * the lock is taken far less often than once a job, and nothing cleverer is needed. The answers of
 * a group are handed over at once: one by one, a server that is quick would be woken for each. */
#include "bankd/job.h"

#include "common/check.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- pool ------------------------------------------------------------------------------------ */

struct job_pool {
    pthread_mutex_t lock;
    struct job     *free;
    size_t          made;
    size_t          used;
    size_t          max;
};

enum err job_pool_open(size_t max, struct job_pool **out)
{
    struct job_pool *pool = calloc(1, sizeof *pool);

    if (pool == NULL)
        return ERR_memory;
    pool->max = max;
    pthread_mutex_init(&pool->lock, NULL);
    *out = pool;
    return ERR_none;
}

static void destroy(struct job *job)
{
    buf_free(&job->bytes);
    buf_free(&job->reply);
    arena_free(&job->arena);
    free(job);
}

void job_pool_close(struct job_pool **pool)
{
    struct job *job;

    if (*pool == NULL)
        return;
    CHECK((*pool)->used == 0);
    for (job = (*pool)->free; job != NULL;) {
        struct job *next = job->next;

        destroy(job);
        job = next;
    }
    pthread_mutex_destroy(&(*pool)->lock);
    free(*pool);
    *pool = NULL;
}

static struct job *make(void)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    buf_init(&job->bytes, LIMIT_MESSAGE_LARGE_MAX);
    buf_init(&job->reply, LIMIT_REPLY_MAX + 4096);
    if (arena_init(&job->arena, JOB_ARENA_BYTES) != ERR_none) {
        destroy(job);
        return NULL;
    }
    return job;
}

struct job *job_new(struct job_pool *pool)
{
    struct job *job;

    pthread_mutex_lock(&pool->lock);
    job = pool->free;
    if (job != NULL) {
        pool->free = job->next;
        pool->used++;
    } else if (pool->made < pool->max) {
        job = make();
        if (job != NULL) {
            pool->made++;
            pool->used++;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

/* Requests may hold a password, so the bytes are wiped; large buffers are not kept. */
static void recycle(struct job *job)
{
    struct buf   bytes = job->bytes;
    struct buf   reply = job->reply;
    struct arena arena = job->arena;

    if (bytes.at != NULL)
        sodium_memzero(bytes.at, bytes.n);
    if (bytes.capacity > JOB_KEEP_BYTES)
        buf_free(&bytes);
    if (reply.capacity > JOB_KEEP_BYTES)
        buf_free(&reply);
    memset(job, 0, sizeof *job);
    job->bytes = bytes;
    job->reply = reply;
    job->arena = arena;
    buf_clear(&job->bytes);
    buf_clear(&job->reply);
    arena_reset(&job->arena);
}

void job_free(struct job_pool *pool, struct job *job)
{
    if (job == NULL)
        return;
    recycle(job);
    pthread_mutex_lock(&pool->lock);
    job->next = pool->free;
    pool->free = job;
    pool->used--;
    pthread_mutex_unlock(&pool->lock);
}

size_t job_pool_used(struct job_pool *pool)
{
    size_t used;

    pthread_mutex_lock(&pool->lock);
    used = pool->used;
    pthread_mutex_unlock(&pool->lock);
    return used;
}

/* --- queue ----------------------------------------------------------------------------------- */

struct job_queue {
    pthread_mutex_t lock;
    pthread_cond_t  filled;
    size_t          max;
    size_t          first;
    size_t          count;
    bool            ended;
    int             wake_fd;
    struct job     *ring[];
};

enum err job_queue_open(size_t max, struct job_queue **out)
{
    struct job_queue  *queue = calloc(1, sizeof *queue + max * sizeof(queue->ring[0]));
    pthread_condattr_t attributes;

    if (queue == NULL)
        return ERR_memory;
    queue->max = max;
    queue->wake_fd = -1;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->filled, &attributes);
    pthread_condattr_destroy(&attributes);
    *out = queue;
    return ERR_none;
}

void job_queue_close(struct job_queue **queue)
{
    if (*queue == NULL)
        return;
    pthread_cond_destroy(&(*queue)->filled);
    pthread_mutex_destroy(&(*queue)->lock);
    free(*queue);
    *queue = NULL;
}

void job_queue_wake(struct job_queue *queue, int event_fd)
{
    queue->wake_fd = event_fd;
}

static void wake(int event_fd)
{
    const uint64_t one = 1;
    ssize_t        n;

    do
        n = write(event_fd, &one, sizeof one);
    while (n < 0 && errno == EINTR);
}

size_t job_push_all(struct job_queue *queue, struct job *const *jobs, size_t n)
{
    size_t taken = 0;
    bool   was_empty;

    pthread_mutex_lock(&queue->lock);
    was_empty = queue->count == 0;
    while (taken < n && !queue->ended && queue->count < queue->max) {
        queue->ring[(queue->first + queue->count) % queue->max] = jobs[taken++];
        queue->count++;
        pthread_cond_signal(&queue->filled);
    }
    pthread_mutex_unlock(&queue->lock);
    if (taken > 0 && was_empty && queue->wake_fd >= 0)
        wake(queue->wake_fd);
    return taken;
}

bool job_push(struct job_queue *queue, struct job *job)
{
    return job_push_all(queue, &job, 1) == 1;
}

static struct timespec after(int64_t wait_us)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(wait_us / US_PER_SECOND);
    at.tv_nsec += (long)(wait_us % US_PER_SECOND) * 1000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

size_t job_take(struct job_queue *queue, struct job **out, size_t max, int64_t wait_us)
{
    struct timespec until = after(wait_us);
    size_t          n = 0;

    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->ended && wait_us > 0)
        if (pthread_cond_timedwait(&queue->filled, &queue->lock, &until) == ETIMEDOUT)
            break;
    while (n < max && queue->count > 0) {
        out[n++] = queue->ring[queue->first];
        queue->first = (queue->first + 1) % queue->max;
        queue->count--;
    }
    pthread_mutex_unlock(&queue->lock);
    return n;
}

/* Refusals that are only to be recorded have no deadline: nobody waits for them. */
static bool is_overdue(const struct job *job, int64_t now_us)
{
    return job->kind != JOB_REFUSAL && now_us >= job->deadline_us;
}

size_t job_take_late(struct job_queue *queue, struct job **out, size_t max, int64_t now_us)
{
    size_t kept = 0;
    size_t n = 0;

    pthread_mutex_lock(&queue->lock);
    for (size_t i = 0; i < queue->count; i++) {
        struct job *job = queue->ring[(queue->first + i) % queue->max];

        if (n < max && is_overdue(job, now_us))
            out[n++] = job;
        else
            queue->ring[(queue->first + kept++) % queue->max] = job;
    }
    queue->count = kept;
    pthread_mutex_unlock(&queue->lock);
    return n;
}

void job_queue_end(struct job_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->ended = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

bool job_queue_ended(struct job_queue *queue)
{
    bool ended;

    pthread_mutex_lock(&queue->lock);
    ended = queue->ended && queue->count == 0;
    pthread_mutex_unlock(&queue->lock);
    return ended;
}

size_t job_queue_count(struct job_queue *queue)
{
    size_t count;

    pthread_mutex_lock(&queue->lock);
    count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}
