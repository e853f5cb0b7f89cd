/* Jobs and queues between threads: every job arrives once, a full queue refuses, an ended one
 * hands out what is left and wakes those who wait. Also run with the thread sanitizer. */
#include "bankd/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { PRODUCERS = 3, CONSUMERS = 3, JOBS_EACH = 5000, QUEUE = 64 };

struct setting {
    struct job_pool  *pool;
    struct job_queue *queue;
    _Atomic int64_t   taken;
    _Atomic int64_t   sum;
};

static void *produce(void *context)
{
    struct setting *setting = context;

    for (uint64_t i = 1; i <= JOBS_EACH;) {
        struct job *job = job_new(setting->pool);

        if (job == NULL)
            continue;
        job->request_id = i;
        job->deadline_us = i % 2 == 0 ? INT64_MAX : 1;
        if (job_push(setting->queue, job))
            i++;
        else
            job_free(setting->pool, job);
    }
    return NULL;
}

static void *consume(void *context)
{
    struct setting *setting = context;
    struct job     *jobs[8];

    while (!job_queue_ended(setting->queue)) {
        size_t n = job_take(setting->queue, jobs, 8, 1000 * 1000);

        for (size_t i = 0; i < n; i++) {
            setting->taken++;
            setting->sum += (int64_t)jobs[i]->request_id;
            job_free(setting->pool, jobs[i]);
        }
    }
    return NULL;
}

/* Somebody else takes those that have waited too long. */
static void *sweep(void *context)
{
    struct setting *setting = context;
    struct job     *jobs[8];

    while (!job_queue_ended(setting->queue)) {
        size_t n = job_take_late(setting->queue, jobs, 8, 1);

        for (size_t i = 0; i < n; i++) {
            assert_int_equal(jobs[i]->deadline_us, 1);
            setting->taken++;
            setting->sum += (int64_t)jobs[i]->request_id;
            job_free(setting->pool, jobs[i]);
        }
    }
    return NULL;
}

static void every_job_arrives_once(void **state)
{
    struct setting setting = { 0 };
    pthread_t      producers[PRODUCERS];
    pthread_t      consumers[CONSUMERS];
    pthread_t      sweeper;

    (void)state;
    assert_int_equal(job_pool_open(QUEUE * 2, &setting.pool), ERR_none);
    assert_int_equal(job_queue_open(QUEUE, &setting.queue), ERR_none);
    for (int i = 0; i < CONSUMERS; i++)
        assert_int_equal(pthread_create(&consumers[i], NULL, consume, &setting), 0);
    assert_int_equal(pthread_create(&sweeper, NULL, sweep, &setting), 0);
    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&producers[i], NULL, produce, &setting), 0);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    job_queue_end(setting.queue);
    for (int i = 0; i < CONSUMERS; i++)
        pthread_join(consumers[i], NULL);
    pthread_join(sweeper, NULL);
    assert_int_equal(setting.taken, PRODUCERS * JOBS_EACH);
    assert_int_equal(setting.sum, (int64_t)PRODUCERS * JOBS_EACH * (JOBS_EACH + 1) / 2);
    assert_int_equal(job_pool_used(setting.pool), 0);
    job_queue_close(&setting.queue);
    job_pool_close(&setting.pool);
}

static void late_jobs_leave_the_others_in_order(void **state)
{
    struct job_pool  *pool;
    struct job_queue *queue;
    struct job       *jobs[5];
    struct job       *out[5];

    (void)state;
    assert_int_equal(job_pool_open(5, &pool), ERR_none);
    assert_int_equal(job_queue_open(5, &queue), ERR_none);
    for (int i = 0; i < 5; i++) {
        jobs[i] = job_new(pool);
        jobs[i]->deadline_us = i % 2 == 0 ? 100 : 200;
    }
    jobs[4]->kind = JOB_REFUSAL; /* nobody waits for it */
    assert_true(job_push(queue, jobs[3]));
    assert_int_equal(job_take(queue, out, 1, 0), 1); /* so that the ring goes round */
    assert_int_equal(job_push_all(queue, jobs, 5), 5);
    assert_int_equal(job_take_late(queue, out, 5, 99), 0);
    assert_int_equal(job_take_late(queue, out, 1, 100), 1);
    assert_ptr_equal(out[0], jobs[0]);
    assert_int_equal(job_take_late(queue, out, 5, 100), 1);
    assert_ptr_equal(out[0], jobs[2]);
    assert_int_equal(job_take(queue, out, 5, 0), 3);
    assert_true(out[0] == jobs[1] && out[1] == jobs[3] && out[2] == jobs[4]);
    for (int i = 0; i < 5; i++)
        job_free(pool, jobs[i]);
    job_queue_close(&queue);
    job_pool_close(&pool);
}

static void full_and_ended_queues_refuse(void **state)
{
    struct job_pool  *pool;
    struct job_queue *queue;
    struct job       *jobs[3];
    struct job       *out[4];
    struct pollfd     wake = { .fd = eventfd(0, EFD_NONBLOCK), .events = POLLIN };

    (void)state;
    assert_int_equal(job_pool_open(3, &pool), ERR_none);
    assert_int_equal(job_queue_open(2, &queue), ERR_none);
    job_queue_wake(queue, wake.fd);
    for (int i = 0; i < 3; i++)
        jobs[i] = job_new(pool);
    assert_null(job_new(pool));
    assert_int_equal(poll(&wake, 1, 0), 0);
    assert_true(job_push(queue, jobs[0]));
    assert_int_equal(poll(&wake, 1, 0), 1);
    assert_true(job_push(queue, jobs[1]));
    assert_false(job_push(queue, jobs[2]));
    job_queue_end(queue);
    assert_false(job_queue_ended(queue));
    assert_int_equal(job_take(queue, out, 4, 1000), 2);
    assert_true(out[0] == jobs[0] && out[1] == jobs[1]);
    assert_true(job_queue_ended(queue));
    assert_false(job_push(queue, jobs[2]));
    for (int i = 0; i < 3; i++)
        job_free(pool, jobs[i]);
    job_queue_close(&queue);
    job_pool_close(&pool);
    close(wake.fd);
}

static void a_used_job_keeps_no_secret(void **state)
{
    struct job_pool *pool;
    struct job      *job;
    const char      *memory;

    (void)state;
    assert_int_equal(job_pool_open(1, &pool), ERR_none);
    job = job_new(pool);
    assert_int_equal(buf_add(&job->bytes, "password", 8), ERR_none);
    memory = job->bytes.at;
    job_free(pool, job);
    assert_ptr_equal(job_new(pool), job);
    assert_ptr_equal(job->bytes.at, memory);
    assert_true(memcmp(memory, "\0\0\0\0\0\0\0\0", 8) == 0);
    assert_int_equal(job->bytes.n, 0);
    job_free(pool, job);
    job_pool_close(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_arrives_once),
        cmocka_unit_test(late_jobs_leave_the_others_in_order),
        cmocka_unit_test(full_and_ended_queues_refuse),
        cmocka_unit_test(a_used_job_keeps_no_secret),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
