/* A job: one piece of work on its way between the server's thread, the writer, the readers and
 * the password pool. It belongs to exactly one side at a time: whoever takes it out of a queue.
 * Its memory (bytes of the request, decoded fields, encoded reply) goes with it; jobs come from a
 * bounded pool, so that a flood ends in `busy` and not in memory.
 *
 * A queue is bounded, for several producers and consumers; job_push never waits, job_take waits
 * until there is a job, the queue is closed, or the deadline has passed. */
#ifndef BANKD_JOB_H
#define BANKD_JOB_H

#include "bankd/request.h"
#include "bankd/session.h"

enum job_kind {
    JOB_REQUEST, /* a client's request */
    JOB_LOGIN,   /* a login whose password was looked at: to be audited, then answered */
    JOB_REFUSAL, /* a refusal that the audit log must have; nobody waits for it */
    JOB_EVENT,   /* writer to server: publish `reply` as `event` */
};

enum { JOB_ROUTE_MAX = 64, JOB_ARENA_BYTES = 4096, JOB_KEEP_BYTES = 16384 };

struct job {
    enum job_kind kind;
    struct job   *next; /* in the pool */
    /* Where the answer goes: which socket, which peer, which form. */
    int      socket;
    bool     delimited; /* an empty frame came before the message and goes before the reply */
    int      file;      /* of the connection; negative = unknown */
    size_t   route_size;
    uint8_t  route[JOB_ROUTE_MAX];
    uint64_t connection; /* mark of a question's (guard.h); 0 = the answer is wanted anyway */
    uint64_t request_id;
    const struct op_row *op;
    struct actor         actor;
    uint64_t             session_serial;
    int64_t              deadline_us; /* monotonic */
    struct buf           bytes;       /* the request */
    struct arena         arena;       /* the decoded request */
    void                *in;          /* struct msg_... of op->request */
    struct buf           reply;       /* encoded envelope */
    struct fault         fault;       /* .err tells how it ended */
    enum event_index     event;
    /* JOB_LOGIN */
    bool    login_known; /* the password was right, whatever became of the record since */
    bool    login_good;
    char    login_name[LIMIT_NAME_MAX + 1];
    char    login_email[LIMIT_EMAIL_MAX + 1];
    uint8_t login_mark[AUTH_MARK_BYTES]; /* of the password that was right */
};

struct job_pool;
ERR_MUST_USE enum err job_pool_open(size_t max, struct job_pool **out);
void                  job_pool_close(struct job_pool **pool);
struct job           *job_new(struct job_pool *pool); /* NULL when all are in use */
void                  job_free(struct job_pool *pool, struct job *job); /* wipes it; NULL is fine */
size_t                job_pool_used(struct job_pool *pool);

struct job_queue;
ERR_MUST_USE enum err job_queue_open(size_t max, struct job_queue **out);
void                  job_queue_close(struct job_queue **queue); /* must be empty of waiters */
bool job_push(struct job_queue *queue, struct job *job);         /* false when full or ended */
/* The same for many with one look and one wake-up; how many were taken, from the first on. */
size_t job_push_all(struct job_queue *queue, struct job *const *jobs, size_t n);
/* Takes up to `max` jobs; waits at most wait_us for the first (0 = not at all). 0 = none. */
size_t job_take(struct job_queue *queue, struct job **out, size_t max, int64_t wait_us);
/* Takes up to `max` of those whose deadline has passed, wherever they stand; the others keep their
 * order. A job is taken by this or by job_take, never by both. */
size_t job_take_late(struct job_queue *queue, struct job **out, size_t max, int64_t now_us);
void   job_queue_end(struct job_queue *queue); /* no more pushes; takers get what is left, then 0 */
bool   job_queue_ended(struct job_queue *queue);
size_t job_queue_count(struct job_queue *queue);
/* A file descriptor that is written to when the queue stops being empty; -1 = none. */
void job_queue_wake(struct job_queue *queue, int event_fd);

#endif
