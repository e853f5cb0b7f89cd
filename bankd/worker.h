/* The threads behind the server: one writer, some readers, a small pool for passwords, and one
 * that moves the store's log into its file off the commit path.
 *
 * Jobs come in by three bounded queues and go out by one, which is wide enough for every job
 * there is, so that nobody waits for the server. LONG work has one more reader of its own, so that
 * it never keeps the short questions waiting, and no queue: it is one at a time. The writer takes
 * what has queued up (it never waits for more), plans it as one group, commits once, and hands out
 * the answers only then. Each thread has its own store handle; nothing is shared but queues and
 * counters. */
#ifndef BANKD_WORKER_H
#define BANKD_WORKER_H

#include "bankd/home.h"
#include "bankd/job.h"

#include <stdatomic.h>

enum {
    WORKER_GROUP_MAX = 500,
    WORKER_READERS_MAX = 32,
    WORKER_LOGIN_MAX = 8,
    WORKER_LATE_RETRY_MS = 1000,
};
static_assert(WORKER_GROUP_MAX * 2 < LIMIT_BATCH_MAX,
              "each job of a group plans at most two changes");

struct workers_config {
    struct home  *home;
    struct clock *clock;
    size_t        readers;
    size_t        login_threads;
    int           done_fd; /* eventfd that is written to when answers are ready */
};

struct workers;

ERR_MUST_USE enum err workers_start(const struct workers_config *config, struct workers **out,
                                    struct fault *fault);
/* Lets every queue run empty, then ends the threads and saves what the writer has. */
void workers_stop(struct workers **workers);

struct job *workers_job(struct workers *workers); /* NULL: everything is in use */
void        workers_recycle(struct workers *workers, struct job *job);
/* Hands a job to the threads that its operation wants; false = busy, the job is still the caller's.
 */
bool workers_submit(struct workers *workers, struct job *job);
/* Answers, at most `max`, without waiting. */
size_t workers_done(struct workers *workers, struct job **out, size_t max);
/* Whether all jobs are back (but for the caller's own). */
bool workers_idle(struct workers *workers);
/* Cancels questions whose time is over or whose client has gone. Looks after the writer: a disk may
 * keep it in one commit for as long as it likes. Then requests that have waited too long in its
 * queue are answered `busy` from here and never done, and the log tells of it once. */
void workers_tick(struct workers *workers);
/* For how long the writer has been in one group, once that is LIMIT_WRITER_STUCK_MS; else 0. Of the
 * last workers_tick. */
int64_t workers_stuck_us(const struct workers *workers);
/* Cancels the LONG work of a session by the id of its request; false when there is none. */
bool workers_cancel(struct workers *workers, uint64_t session_serial, uint64_t request_id);
/* Cancels whatever LONG work there is. */
void workers_end_work(struct workers *workers);

struct workers_state {
    int64_t sequence, commits, writer_queue, reader_queue, schema, stuck_us;
};
void workers_state(struct workers *workers, struct workers_state *out);

#endif
