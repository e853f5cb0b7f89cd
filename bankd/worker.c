/* See worker.h. Every thread has the kernel's usual turns of the processor.
 *
 * Where a post's time goes, at 30,000 a second on two cores that the clients share with the bank,
 * with a sync of 0.12 ms and nothing else running. The middle one takes 1.3 ms: its client is late
 * by 0.10, the way to the server takes 0.11, waiting for the group before it 0.21, its plan 0.09,
 * the commit 0.42, the way to the server's thread 0.05, that to the client 0.16. The slowest
 * hundredth takes 4.7 ms or more, and no step stands out there: commit 2.2, waiting for the group
 * before 2.0, plan 1.9, the ways of messages 2.6. So a core is missing now and then, not a step.
 *
 * Tried and not kept: turns of 0.2 ms for the server's thread and the messaging library's, of 0.5
 * to 1 ms for the writer, of 20 ms for the checkpoint's (a thread that wakes up interrupts one with
 * longer turns at once). Of 16,000 waits for a core in a second, 5 were longer than 1 ms behind
 * threads of the bank or its clients, with usual turns and with long ones for the checkpoint. The
 * kernel's turns for batch work, in which a thread that wakes up interrupts nobody: 3 to 6 % more
 * posts at the peak, but a tenth to a third fewer beside programs that keep both cores busy. To
 * gather jobs for 1 ms while they come at 8 or more in that time: at half of the peak the writer
 * takes 15.5 us for a post instead of 18 and 7.2 kB are written for it instead of 9.8, but the
 * middle one takes 2.1 ms instead of 1.4, the slowest hundredth and the peak are as before.
 *
 * What planning a group while the one before it is committed could win is bounded: at the peak the
 * writer is on a core for 77 % of the time, waits for one for 17 and for the disk for 5. With
 * syncs that do nothing, so that less is written too, 8 % more posts are done. At most 16 % of the
 * two cores are idle, and a second stage would share the posts in flight, in smaller groups. */
#include "bankd/worker.h"

#include "bankd/auth.h"
#include "bankd/guard.h"
#include "bankd/writer.h"
#include "common/check.h"
#include "common/log.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    WRITER_WAIT_US = 200 * 1000,
    EXPIRE_EVERY_US = 1000 * 1000,
    SAVE_EVERY_US = 2 * 1000 * 1000,
    CHECKPOINT_EVERY_US = 500 * 1000,
    WITNESS_EVERY_US = 500 * 1000,
    EXPECT_JOBS = 8,
    LINE = 64,         /* of the processor's cache */
    SPARE_JOBS = 1024, /* for events and refusals */
    REFUSALS_PER_SECOND = 100,
    TELL_EVERY_US = 250 * 1000,
    LATE_EVERY_US = 100 * 1000,
    LATE_AFTER_US = 1000 * 1000, /* in one group: the queue may hold what waits too long */
    LATE_JOBS = 64,
    SUBJECT_HEX_SIZE = 2 * CHAIN_HASH_BYTES + 1,
};

struct reader {
    struct workers   *workers;
    struct job_queue *queue;
    pthread_t         thread;
    struct store     *store;
    struct arena      arena;
    size_t            reply_bytes; /* of its last answer, as the next one is often as large */
    _Atomic int64_t   deadline_us; /* monotonic; 0 = idle */
    _Atomic uint64_t  connection;  /* of the client who asks */
    atomic_bool       cancel;
};

/* The reader for LONG work. Its place is taken by the server's thread and given back by its own;
 * whose work it is, is the server's thread's alone. */
struct long_reader {
    struct reader reader;
    atomic_bool   taken;
    atomic_bool   asked; /* somebody asked for the end of it */
    uint64_t      session_serial;
    uint64_t      request_id;
    int64_t       told_us; /* the reader's own thread */
};

struct login_worker {
    struct workers *workers;
    pthread_t       thread;
    struct store   *store;
};

struct workers {
    struct workers_config config;
    struct job_pool      *pool;
    struct job_queue     *writer_queue, *reader_queue, *long_queue, *login_queue, *done;
    pthread_t             writer_thread, checkpoint_thread, witness_thread;
    struct writer        *writer;
    struct arena          writer_arena;
    struct store         *checkpoint_store;
    struct reader         readers[WORKER_READERS_MAX];
    struct long_reader    worker;
    struct login_worker   logins[WORKER_LOGIN_MAX];
    size_t                readers_started, logins_started;
    bool                  writer_started, checkpoint_started, witness_started, worker_started;
    atomic_bool           stopping;
    atomic_bool           checkpointing;
    _Atomic int64_t       sequence, commits;
    _Atomic int64_t       busy_us;           /* monotonic: since when the writer works; 0 = idle */
    int64_t               stuck_us, late_us; /* the server's thread */
    int64_t               schema;
    int64_t               refusal_second; /* writer's thread */
    int64_t               refusal_count;
    int64_t               refusals_left_out;
};

/* --- one job --------------------------------------------------------------------------------- */

/* Encodes what the handler left: its reply, or its error. */
static void answer(struct job *job, enum err err, const void *out)
{
    buf_clear(&job->reply);
    if (err == ERR_none) {
        job->fault.err = ERR_none;
        err = reply_encode(job->request_id, job->op->reply, out, &job->reply);
        if (err == ERR_none)
            return;
        log_event(LOG_ERROR, "reply_not_encoded", "operation=%s error=%s", job->op->name,
                  err_name(err));
        buf_clear(&job->reply);
        err = ERR_internal;
    }
    if (job->fault.err != err)
        fault_set(&job->fault, err, NULL, "%s", "");
    if (reply_encode_error(job->request_id, &job->fault, &job->reply) != ERR_none)
        log_event(LOG_ERROR, "error_not_encoded", "operation=%s error=%s", job->op->name,
                  err_name(err));
}

static void run(struct job *job, struct request *request)
{
    void *out;

    arena_reset(request->arena);
    out = arena_take(request->arena, job->op->reply->size);
    CHECK(out != NULL);
    memset(&job->fault, 0, sizeof job->fault);
    request->op = job->op;
    request->actor = job->actor;
    request->fault = &job->fault;
    answer(job, dispatch(request, job->in, out), out);
}

static void finish(struct workers *workers, struct job *job)
{
    CHECK(job_push(workers->done, job));
}

/* Nothing waits for ever: what has queued for too long is refused undone, because its client has
 * given up, or soon will, and asks again with the same id. */
static bool is_late(struct workers *workers, struct job *job, int64_t now_us)
{
    if (job->kind == JOB_REFUSAL || now_us < job->deadline_us)
        return false;
    memset(&job->fault, 0, sizeof job->fault);
    fault_set(&job->fault, ERR_busy, NULL, "The request has waited too long and was not begun");
    job->fault.retry_after_ms = WORKER_LATE_RETRY_MS;
    job->login_good = false;
    answer(job, ERR_busy, NULL);
    finish(workers, job);
    return true;
}

/* --- the writer ------------------------------------------------------------------------------ */

static bool refusal_is_told(const struct job *job)
{
    enum err_class class = err_class(job->fault.err);

    if (class == ERR_CLASS_DENIED)
        return true;
    return class == ERR_CLASS_CONFLICT && (job->op->flags & (OP_MONEY | OP_ALONE)) != 0;
}

/* A flood of refusals must not fill the log: beyond a rate they are only counted. */
static bool refusal_fits(struct workers *workers)
{
    int64_t second = writer_now_us(workers->writer) / US_PER_SECOND;

    if (second != workers->refusal_second) {
        workers->refusal_second = second;
        workers->refusal_count = 0;
    }
    if (++workers->refusal_count <= REFUSALS_PER_SECOND)
        return true;
    workers->refusals_left_out++;
    return false;
}

/* The record that a refused request was about: the id or the hash in its first field, where it has
 * one. */
static void name_subject(const struct job *job, struct act *act, char hex[SUBJECT_HEX_SIZE])
{
    const struct message_desc *request = job->op->request;
    const void                *first;

    if (job->in == NULL || request->count == 0)
        return;
    first = (const char *)job->in + request->fields[0].offset;
    if (request->fields[0].type == FIELD_UUID) {
        act->subject = first;
    } else if (request->fields[0].type == FIELD_BYTES) {
        const struct slice *bytes = first;

        if (bytes->n != CHAIN_HASH_BYTES)
            return;
        sodium_bin2hex(hex, SUBJECT_HEX_SIZE, (const uint8_t *)bytes->at, bytes->n);
        act->subject_text = hex;
    }
}

/* The ids that a request names, at most `max`. */
static size_t ids_of(const struct job *job, struct uuid *ids, size_t max)
{
    const struct message_desc *request = job->op->request;
    size_t                     count = 0;

    if (job->kind != JOB_REQUEST || (job->op->flags & OP_MONEY) == 0 || job->in == NULL)
        return 0;
    for (size_t i = 0; i < request->count && count < max; i++)
        if (request->fields[i].type == FIELD_UUID)
            memcpy(&ids[count++], (const char *)job->in + request->fields[i].offset, sizeof *ids);
    return count;
}

static void plan_refusal(struct workers *workers, const struct job *job)
{
    struct draft *draft;
    char          detail[LIMIT_DETAIL_MAX + 1];
    struct act    act = { .actor = &job->actor,
                          .kind = AUDIT_REFUSAL,
                          .operation = job->op->name,
                          .outcome = err_name(job->fault.err) };
    char          hex[SUBJECT_HEX_SIZE];

    if (!refusal_fits(workers))
        return;
    draft = writer_draft(workers->writer);
    if (draft == NULL)
        return;
    if (job->kind == JOB_LOGIN)
        act.actor_name = job->login_email;
    name_subject(job, &act, hex);
    snprintf(detail, sizeof detail, "%s%s",
             job->fault.text[0] != '\0' ? job->fault.text : err_what(job->fault.err),
             workers->refusals_left_out > 0 ? " (others were not recorded: too many)" : "");
    workers->refusals_left_out = 0;
    act.detail = slice_from(detail);
    writer_audit(workers->writer, draft, &act);
    writer_add(workers->writer, draft);
}

static void plan_login(struct workers *workers, struct job *job)
{
    struct draft *draft;
    struct act    act = { .actor = &job->actor,
                          .kind = AUDIT_ACTION,
                          .operation = job->op->name,
                          .subject = &job->actor.user_id };

    if (!job->login_good) {
        plan_refusal(workers, job);
        return;
    }
    draft = writer_draft(workers->writer);
    CHECK(draft != NULL);
    writer_audit(workers->writer, draft, &act);
    writer_add(workers->writer, draft);
}

/* False when the handler failed behind what it had planned already: then nothing of the group may
 * be committed, because its client is told that nothing was done. */
static bool plan(struct workers *workers, struct job *job)
{
    size_t before = writer_planned(workers->writer);

    struct request request = { .store = workers->config.home->store,
                               .writer = workers->writer,
                               .bank = &workers->config.home->bank,
                               .arena = &workers->writer_arena,
                               .now_us = writer_now_us(workers->writer) };

    switch (job->kind) {
    case JOB_REQUEST:
        run(job, &request);
        if (job->fault.err != ERR_none && writer_planned(workers->writer) > before)
            return false;
        if (job->fault.err != ERR_none && refusal_is_told(job))
            plan_refusal(workers, job);
        break;
    case JOB_LOGIN:
        plan_login(workers, job);
        break;
    case JOB_REFUSAL:
        plan_refusal(workers, job);
        break;
    case JOB_EVENT:
        CHECK(job->kind != JOB_EVENT);
    }
    return true;
}

static void publish(void *context, enum event_index event, struct slice bytes)
{
    struct workers *workers = context;
    struct job     *job = job_new(workers->pool);

    if (job == NULL)
        return;
    job->kind = JOB_EVENT;
    job->event = event;
    if (buf_add(&job->reply, bytes.at, bytes.n) == ERR_none)
        finish(workers, job);
    else
        job_free(workers->pool, job);
}

static void fail_all(struct job **jobs, size_t n, enum err err, const struct fault *fault)
{
    for (size_t i = 0; i < n; i++) {
        if (jobs[i]->kind == JOB_REFUSAL || (jobs[i]->kind == JOB_LOGIN && !jobs[i]->login_known))
            continue; /* a refusal stays what it is, and is counted, recorded or not */
        jobs[i]->fault = *fault;
        jobs[i]->login_good = false;
        answer(jobs[i], err, NULL);
    }
}

/* Errors that one change of a group brings upon all of it. */
static bool is_of_one(enum err err)
{
    return err == ERR_changed_meanwhile || err == ERR_id_reused || err == ERR_amount_overflow;
}

/* What the next few jobs will need is fetched from memory while the present ones are planned: first
 * the jobs, then their requests, then what the ids in those stand for (writer_expect). */
static void expect(struct workers *workers, struct job *const *jobs, size_t n)
{
    struct uuid ids[WRITER_EXPECT_MAX];
    size_t      count = 0;

    for (size_t i = 2 * EXPECT_JOBS; i < n && i < 3 * EXPECT_JOBS; i++)
        for (size_t at = 0; at < offsetof(struct job, fault); at += LINE)
            __builtin_prefetch((const char *)jobs[i] + at);
    for (size_t i = EXPECT_JOBS; i < n && i < 2 * EXPECT_JOBS; i++) {
        __builtin_prefetch(jobs[i]->reply.at);
        for (size_t at = 0; jobs[i]->in != NULL && at < jobs[i]->op->request->size; at += LINE)
            __builtin_prefetch((const char *)jobs[i]->in + at);
    }
    for (size_t i = 0; i < n && i < EXPECT_JOBS; i++)
        count += ids_of(jobs[i], ids + count, WRITER_EXPECT_MAX - count);
    writer_expect(workers->writer, ids, count);
}

/* Nothing of the bank's own should hold a commit up for so long; what does is to be found. */
static void tell_slow(struct workers *workers, size_t jobs, int64_t took_us)
{
    if (took_us > LIMIT_COMMIT_SLOW_US)
        log_event(LOG_WARNING, "slow_commit", "ms=%lld jobs=%zu checkpoint=%s",
                  (long long)(took_us / US_PER_MS), jobs,
                  atomic_load(&workers->checkpointing) ? "yes" : "no");
}

static enum err try_group(struct workers *workers, struct job **jobs, size_t n)
{
    struct clock *clock = workers->config.clock;
    struct fault  fault = { 0 };
    int64_t       began_us;
    enum err      err;

    for (size_t i = 0; i < n; i++) {
        if (i % EXPECT_JOBS == 0 && n >= EXPECT_JOBS)
            expect(workers, jobs + i, n - i);
        if (plan(workers, jobs[i]))
            continue;
        writer_abandon(workers->writer);
        return n > 1 ? ERR_changed_meanwhile : ERR_none; /* alone it has its answer: its error */
    }
    began_us = clock->monotonic_us(clock);
    err = writer_commit(workers->writer, &fault);
    tell_slow(workers, n, clock->monotonic_us(clock) - began_us);
    if (err == ERR_none) {
        writer_events(workers->writer, publish, workers);
        return ERR_none;
    }
    log_event(is_of_one(err) ? LOG_DEBUG : LOG_ERROR, "commit_failed",
              "error=%s jobs=%zu text=\"%s\"", err_name(err), n, fault.text);
    fail_all(jobs, n, err, &fault);
    return err;
}

/* A group whose preconditions failed is done again one by one: then only those fail that really
 * meet each other, and each of them once more sees the newest state. */
static void run_group(struct workers *workers, struct job **jobs, size_t n)
{
    enum err err = try_group(workers, jobs, n);
    size_t   answered = 0;

    if (is_of_one(err)) {
        for (size_t i = 0; i < n; i++) {
            bool login_good = jobs[i]->kind == JOB_LOGIN && jobs[i]->login_known;

            jobs[i]->login_good = login_good;
            if (try_group(workers, &jobs[i], 1) == ERR_changed_meanwhile) {
                jobs[i]->login_good = login_good;
                err = try_group(workers, &jobs[i], 1);
            }
        }
    }
    atomic_store(&workers->sequence, writer_head(workers->writer).sequence);
    atomic_store(&workers->commits, writer_commits(workers->writer));
    for (size_t i = 0; i < n; i++) {
        if (jobs[i]->kind == JOB_REFUSAL)
            job_free(workers->pool, jobs[i]);
        else
            jobs[answered++] = jobs[i];
    }
    CHECK(job_push_all(workers->done, jobs, answered) == answered);
}

static bool is_alone(const struct job *job)
{
    return job->kind == JOB_REQUEST && (job->op->flags & OP_ALONE) != 0;
}

static size_t drop_late(struct workers *workers, struct job **jobs, size_t n)
{
    int64_t now_us = workers->config.clock->monotonic_us(workers->config.clock);
    size_t  kept = 0;

    for (size_t i = 0; i < n; i++)
        if (!is_late(workers, jobs[i], now_us))
            jobs[kept++] = jobs[i];
    return kept;
}

/* From here on the server's thread counts how long this takes. */
static void work_begins(struct workers *workers)
{
    struct clock *clock = workers->config.clock;

    atomic_store(&workers->busy_us, clock->monotonic_us(clock));
}

/* In the order in which they came; what wants to be alone is a group of its own. A group may have
 * waited long for those before it. */
static void run_groups(struct workers *workers, struct job **jobs, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t end = at + 1;
        size_t kept;

        while (!is_alone(jobs[at]) && end < n && !is_alone(jobs[end]))
            end++;
        work_begins(workers);
        kept = drop_late(workers, jobs + at, end - at);
        if (kept > 0)
            run_group(workers, jobs + at, kept);
        at = end;
    }
}

/* Returns whether others may be waiting for their end. */
static bool expire(struct workers *workers)
{
    struct fault fault = { 0 };
    enum err     err = writer_expire(workers->writer);
    bool         more = writer_planned(workers->writer) >= WRITER_EXPIRE_PAGE;

    if (err == ERR_none)
        err = writer_commit(workers->writer, &fault);
    else
        writer_abandon(workers->writer);
    if (err == ERR_none)
        writer_events(workers->writer, publish, workers);
    else
        log_event(LOG_WARNING, "expiry_failed", "error=%s text=\"%s\"", err_name(err), fault.text);
    atomic_store(&workers->sequence, writer_head(workers->writer).sequence);
    return err == ERR_none && more;
}

static void save(struct workers *workers)
{
    struct fault fault = { 0 };
    enum err     err = writer_idle(workers->writer, &fault);

    if (err != ERR_none)
        log_event(LOG_WARNING, "profiles_not_saved", "error=%s text=\"%s\"", err_name(err),
                  fault.text);
}

static void *writer_main(void *context)
{
    struct workers *workers = context;
    struct clock   *clock = workers->config.clock;
    struct job     *jobs[WORKER_GROUP_MAX];
    int64_t         expired_us = 0;
    int64_t         saved_us = clock->monotonic_us(clock);
    bool            is_late = false;

    pthread_setname_np(pthread_self(), "bankd-writer");
    while (!job_queue_ended(workers->writer_queue)) {
        size_t  n = job_take(workers->writer_queue, jobs, WORKER_GROUP_MAX,
                             is_late ? 0 : WRITER_WAIT_US);
        int64_t now_us = clock->monotonic_us(clock);

        work_begins(workers);
        run_groups(workers, jobs, n);
        if (is_late || now_us - expired_us >= EXPIRE_EVERY_US) {
            is_late = expire(workers);
            expired_us = now_us;
        }
        if (n == 0 && now_us - saved_us >= SAVE_EVERY_US) {
            save(workers);
            saved_us = now_us;
        }
        atomic_store(&workers->busy_us, 0);
    }
    return NULL;
}

/* --- readers --------------------------------------------------------------------------------- */

/* Where the news of LONG work goes: to the session that asked for it. */
struct teller {
    struct workers   *workers;
    const struct job *job;
};

/* At the beginning, then a few times a second, so that nobody is flooded. */
static void tell(void *context, int64_t done, int64_t total)
{
    struct teller        *teller = context;
    struct workers       *workers = teller->workers;
    const struct job     *asked = teller->job;
    int64_t               now_us = workers->config.clock->monotonic_us(workers->config.clock);
    struct msg_event_work event = { .request_id = (int64_t)asked->request_id,
                                    .operation = slice_from(asked->op->name),
                                    .done = done,
                                    .total = total };
    struct job           *job;

    if (asked->request_id > INT64_MAX ||
        (workers->worker.told_us != 0 && now_us - workers->worker.told_us < TELL_EVERY_US))
        return;
    job = job_new(workers->pool);
    if (job == NULL)
        return;
    workers->worker.told_us = now_us;
    job->kind = JOB_EVENT;
    job->event = EVENT_INDEX_work;
    job->session_serial = asked->session_serial;
    if (event_encode(EVENT_INDEX_work, &event, &job->reply) == ERR_none)
        finish(workers, job);
    else
        job_free(workers->pool, job);
}

static void answer_question(struct reader *reader, struct job *job)
{
    struct workers *workers = reader->workers;
    struct clock   *clock = workers->config.clock;
    bool            is_long = reader == &workers->worker.reader;
    struct teller   teller = { .workers = workers, .job = job };
    struct request  request = { .store = reader->store,
                                .bank = &workers->config.home->bank,
                                .arena = &reader->arena,
                                .now_us = clock->now_us(clock),
                                .cancel = &reader->cancel,
                                .tell = is_long ? tell : NULL,
                                .tell_context = &teller };
    enum err        err;

    if (clock->monotonic_us(clock) >= job->deadline_us) {
        answer(job, ERR_deadline, NULL);
        return;
    }
    if (guard_is_gone(job->connection)) {
        answer(job, ERR_cancelled, NULL);
        return;
    }
    if (!is_long) /* long work may have been cancelled before it was begun */
        atomic_store(&reader->cancel, false);
    atomic_store(&reader->connection, job->connection);
    atomic_store(&reader->deadline_us, job->deadline_us);
    request.names_version = names_version(workers->config.home->bank.names);
    err = reader->store->ops->snapshot_begin(reader->store);
    if (err != ERR_none) {
        answer(job, err, NULL);
    } else {
        if (buf_reserve(&job->reply, reader->reply_bytes) != ERR_none) /* else it grows by steps */
            buf_clear(&job->reply); /* and then the encoder tells that there is no memory */
        run(job, &request);
        reader->reply_bytes = job->reply.n;
        reader->store->ops->snapshot_end(reader->store);
    }
    atomic_store(&reader->deadline_us, 0);
    if (job->fault.err == ERR_cancelled && atomic_load(&reader->cancel) &&
        !(is_long && atomic_load(&workers->worker.asked))) {
        memset(&job->fault, 0, sizeof job->fault);
        answer(job, ERR_deadline, NULL);
    }
}

static void *reader_main(void *context)
{
    struct reader  *reader = context;
    struct workers *workers = reader->workers;
    struct job     *job;

    pthread_setname_np(pthread_self(), "bankd-reader");
    while (!job_queue_ended(reader->queue)) {
        if (job_take(reader->queue, &job, 1, WRITER_WAIT_US) == 0)
            continue;
        answer_question(reader, job);
        if (reader == &workers->worker.reader) {
            workers->worker.told_us = 0;
            atomic_store(&workers->worker.taken, false);
        }
        finish(workers, job);
    }
    return NULL;
}

/* --- logins ---------------------------------------------------------------------------------- */

static void check_password(struct login_worker *login, struct job *job)
{
    const struct msg_session_login *in = job->in;
    struct user                     user;
    enum err                        err;
    enum err                        verdict;

    slice_copy(in->email, job->login_email, sizeof job->login_email);
    for (char *c = job->login_email; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    err = login->store->ops->user_by_email(login->store, slice_from(job->login_email), &user);
    verdict =
        auth_verify(in->password.at, in->password.n, err == ERR_none ? user.password_hash : NULL);
    job->login_good = err == ERR_none && verdict == ERR_none && !user.disabled;
    job->login_known = job->login_good;
    if (err != ERR_none && err != ERR_not_found) {
        fault_set(&job->fault, err, NULL, "%s", "");
    } else if (verdict == ERR_memory) {
        log_event(LOG_ERROR, "password_not_checked", "error=memory");
        fault_set(&job->fault, ERR_memory, NULL, "%s", "");
    } else if (!job->login_good) {
        fault_set(&job->fault, ERR_login_failed, NULL, "%s", "");
    } else {
        memset(&job->fault, 0, sizeof job->fault);
        job->actor.user = user.number;
        job->actor.user_id = user.user_id;
        job->actor.role = user.role;
        memcpy(job->actor.email, user.email, sizeof job->actor.email);
        memcpy(job->login_name, user.name, sizeof job->login_name);
        auth_mark(user.password_hash, job->login_mark);
    }
}

static void *login_main(void *context)
{
    struct login_worker *login = context;
    struct workers      *workers = login->workers;
    struct clock        *clock = workers->config.clock;
    struct job          *job;

    pthread_setname_np(pthread_self(), "bankd-login");
    while (!job_queue_ended(workers->login_queue)) {
        if (job_take(workers->login_queue, &job, 1, WRITER_WAIT_US) == 0)
            continue;
        job->kind = JOB_LOGIN;
        if (is_late(workers, job, clock->monotonic_us(clock)))
            continue;
        check_password(login, job);
        if (!job_push(workers->writer_queue, job)) {
            job->login_good = false;
            fault_set(&job->fault, ERR_busy, NULL, "%s", "");
            job->fault.retry_after_ms = WORKER_LATE_RETRY_MS;
            finish(workers, job);
        }
    }
    return NULL;
}

/* --- checkpoints ----------------------------------------------------------------------------- */

static void *checkpoint_main(void *context)
{
    struct workers *workers = context;
    struct timespec pause = { .tv_nsec = CHECKPOINT_EVERY_US * 1000 };

    pthread_setname_np(pthread_self(), "checkpoint");
    while (!atomic_load(&workers->stopping)) {
        enum err err;

        atomic_store(&workers->checkpointing, true);
        err = workers->checkpoint_store->ops->checkpoint(workers->checkpoint_store);
        atomic_store(&workers->checkpointing, false);

        if (err != ERR_none)
            log_event(LOG_WARNING, "checkpoint_failed", "error=%s", err_name(err));
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
    return NULL;
}

/* --- the witness ----------------------------------------------------------------------------- */

/* A thread of its own, because under load a checkpoint takes seconds. What is not written here for
 * want of a disk is not said; that is told when it begins and when it ends. */
static void *witness_main(void *context)
{
    struct workers *workers = context;
    struct clock   *clock = workers->config.clock;
    struct timespec pause = { .tv_nsec = WITNESS_EVERY_US * 1000 };
    bool            failed = false;

    pthread_setname_np(pthread_self(), "witness");
    while (!atomic_load(&workers->stopping)) {
        struct fault fault = { 0 };
        enum err err = witness_save(workers->config.home->witness, clock->now_us(clock), &fault);

        if (err != ERR_none && !failed)
            log_event(LOG_WARNING, "witness_not_written", "error=%s text=\"%s\"", err_name(err),
                      fault.text);
        else if (err == ERR_none && failed)
            log_event(LOG_INFO, "witness_written", "%s", "");
        failed = err != ERR_none;
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
    return NULL;
}

/* --- start and stop -------------------------------------------------------------------------- */

static enum err open_queues(struct workers *workers)
{
    size_t all =
        LIMIT_WRITER_QUEUE_MAX + LIMIT_READER_QUEUE_MAX + LIMIT_LOGIN_QUEUE_MAX + SPARE_JOBS;

    TRY(job_pool_open(all, &workers->pool));
    TRY(job_queue_open(LIMIT_WRITER_QUEUE_MAX, &workers->writer_queue));
    TRY(job_queue_open(LIMIT_READER_QUEUE_MAX, &workers->reader_queue));
    TRY(job_queue_open(1, &workers->long_queue));
    TRY(job_queue_open(LIMIT_LOGIN_QUEUE_MAX, &workers->login_queue));
    TRY(job_queue_open(all, &workers->done));
    job_queue_wake(workers->done, workers->config.done_fd);
    return arena_init(&workers->writer_arena, LIMIT_REQUEST_ARENA);
}

static enum err start_reader(struct workers *workers, struct reader *reader,
                             struct job_queue *queue, struct fault *fault)
{
    reader->workers = workers;
    reader->queue = queue;
    TRY(arena_init(&reader->arena, 2 * LIMIT_REQUEST_ARENA));
    TRY(home_reader(workers->config.home, &reader->store, fault));
    return pthread_create(&reader->thread, NULL, reader_main, reader) == 0 ? ERR_none : ERR_memory;
}

static enum err start_readers(struct workers *workers, struct fault *fault)
{
    for (size_t i = 0; i < workers->config.readers; i++) {
        TRY(start_reader(workers, &workers->readers[i], workers->reader_queue, fault));
        workers->readers_started++;
    }
    TRY(start_reader(workers, &workers->worker.reader, workers->long_queue, fault));
    workers->worker_started = true;
    for (size_t i = 0; i < workers->config.login_threads; i++) {
        struct login_worker *login = &workers->logins[i];

        login->workers = workers;
        TRY(home_reader(workers->config.home, &login->store, fault));
        if (pthread_create(&login->thread, NULL, login_main, login) != 0)
            return ERR_memory;
        workers->logins_started++;
    }
    return ERR_none;
}

static enum err start_all(struct workers *workers, struct fault *fault)
{
    struct store_health health;

    TRY(open_queues(workers));
    TRY(bank_keep_names(&workers->config.home->bank));
    TRY(home_writer(workers->config.home, workers->config.clock, &workers->writer, fault));
    TRY(workers->config.home->store->ops->health(workers->config.home->store, &health));
    workers->schema = health.schema_version;
    atomic_store(&workers->sequence, writer_head(workers->writer).sequence);
    TRY(home_reader(workers->config.home, &workers->checkpoint_store, fault));
    TRY(start_readers(workers, fault));
    if (pthread_create(&workers->writer_thread, NULL, writer_main, workers) != 0)
        return ERR_memory;
    workers->writer_started = true;
    if (pthread_create(&workers->checkpoint_thread, NULL, checkpoint_main, workers) != 0)
        return ERR_memory;
    workers->checkpoint_started = true;
    if (workers->config.home->witness == NULL) /* of a home that was not opened from its files */
        return ERR_none;
    if (pthread_create(&workers->witness_thread, NULL, witness_main, workers) != 0)
        return ERR_memory;
    workers->witness_started = true;
    return ERR_none;
}

enum err workers_start(const struct workers_config *config, struct workers **out,
                       struct fault *fault)
{
    struct workers *workers = calloc(1, sizeof *workers);
    enum err        err;

    if (workers == NULL)
        return fault_set(fault, ERR_memory, NULL, "%s", "");
    workers->config = *config;
    err = start_all(workers, fault);
    if (err != ERR_none) {
        workers_stop(&workers);
        return fault->err == err ? err
                                 : fault_set(fault, err, NULL, "The threads could not be started");
    }
    *out = workers;
    return ERR_none;
}

static void join_all(struct workers *workers)
{
    /* Logins go into the writer's queue, so that one ends after theirs. */
    if (workers->login_queue != NULL)
        job_queue_end(workers->login_queue);
    if (workers->reader_queue != NULL)
        job_queue_end(workers->reader_queue);
    workers_end_work(workers);
    if (workers->long_queue != NULL)
        job_queue_end(workers->long_queue);
    for (size_t i = 0; i < workers->logins_started; i++)
        pthread_join(workers->logins[i].thread, NULL);
    for (size_t i = 0; i < workers->readers_started; i++)
        pthread_join(workers->readers[i].thread, NULL);
    if (workers->worker_started)
        pthread_join(workers->worker.reader.thread, NULL);
    if (workers->writer_queue != NULL)
        job_queue_end(workers->writer_queue);
    if (workers->writer_started)
        pthread_join(workers->writer_thread, NULL);
    atomic_store(&workers->stopping, true);
    if (workers->checkpoint_started)
        pthread_join(workers->checkpoint_thread, NULL);
    if (workers->witness_started)
        pthread_join(workers->witness_thread, NULL);
}

static void close_reader(struct reader *reader)
{
    arena_free(&reader->arena);
    if (reader->store != NULL)
        reader->store->ops->close(&reader->store);
}

void workers_stop(struct workers **workers)
{
    struct workers *w = *workers;
    struct job     *job;

    if (w == NULL)
        return;
    join_all(w);
    while (w->done != NULL && job_take(w->done, &job, 1, 0) == 1)
        job_free(w->pool, job);
    writer_close(&w->writer);
    if (w->checkpoint_store != NULL)
        w->checkpoint_store->ops->close(&w->checkpoint_store);
    for (size_t i = 0; i < WORKER_READERS_MAX; i++)
        close_reader(&w->readers[i]);
    close_reader(&w->worker.reader);
    for (size_t i = 0; i < WORKER_LOGIN_MAX; i++)
        if (w->logins[i].store != NULL)
            w->logins[i].store->ops->close(&w->logins[i].store);
    arena_free(&w->writer_arena);
    job_queue_close(&w->writer_queue);
    job_queue_close(&w->reader_queue);
    job_queue_close(&w->long_queue);
    job_queue_close(&w->login_queue);
    job_queue_close(&w->done);
    job_pool_close(&w->pool);
    free(w);
    *workers = NULL;
}

/* --- the server's side ----------------------------------------------------------------------- */

struct job *workers_job(struct workers *workers)
{
    return job_new(workers->pool);
}

void workers_recycle(struct workers *workers, struct job *job)
{
    job_free(workers->pool, job);
}

/* The place is free again as soon as the answer is made, so the next one may already wait in the
 * queue while that is handed over. */
static bool submit_long(struct workers *workers, struct job *job)
{
    struct long_reader *worker = &workers->worker;

    if (atomic_exchange(&worker->taken, true))
        return false;
    atomic_store(&worker->asked, false);
    atomic_store(&worker->reader.cancel, false);
    worker->session_serial = job->session_serial;
    worker->request_id = job->request_id;
    return job_push(workers->long_queue, job);
}

bool workers_submit(struct workers *workers, struct job *job)
{
    if (job->kind != JOB_REQUEST || (job->op->flags & OP_WRITE) != 0)
        return job_push(workers->writer_queue, job);
    if ((job->op->flags & OP_LOGIN) != 0)
        return job_push(workers->login_queue, job);
    CHECK((job->op->flags & OP_READ) != 0);
    if ((job->op->flags & OP_LONG) != 0)
        return submit_long(workers, job);
    return job_push(workers->reader_queue, job);
}

size_t workers_done(struct workers *workers, struct job **out, size_t max)
{
    return job_take(workers->done, out, max, 0);
}

bool workers_idle(struct workers *workers)
{
    return job_pool_used(workers->pool) == 0;
}

static void check_reader(struct reader *reader, int64_t now_us)
{
    int64_t deadline_us = atomic_load(&reader->deadline_us);

    if (deadline_us != 0 &&
        (now_us >= deadline_us || guard_is_gone(atomic_load(&reader->connection))))
        atomic_store(&reader->cancel, true);
}

/* What has waited too long is the writer's own to refuse, but it cannot while it is in a group. The
 * queue gives each job to one side only, so what is refused here is never begun. */
static void refuse_late(struct workers *workers, int64_t now_us)
{
    struct job *jobs[LATE_JOBS];
    size_t      n;

    if (now_us - workers->late_us < LATE_EVERY_US)
        return;
    workers->late_us = now_us;
    while ((n = job_take_late(workers->writer_queue, jobs, LATE_JOBS, now_us)) > 0)
        for (size_t i = 0; i < n; i++)
            CHECK(is_late(workers, jobs[i], now_us));
}

static void check_writer(struct workers *workers, int64_t now_us)
{
    int64_t busy_us = atomic_load(&workers->busy_us);
    int64_t took_us = busy_us == 0 || now_us < busy_us ? 0 : now_us - busy_us;
    bool    was_stuck = workers->stuck_us > 0;

    if (took_us >= LATE_AFTER_US)
        refuse_late(workers, now_us);
    if (took_us < LIMIT_WRITER_STUCK_MS * US_PER_MS)
        took_us = 0;
    if (took_us > 0 && !was_stuck)
        log_event(LOG_ERROR, "writer_stuck", "ms=%lld waiting=%zu",
                  (long long)(took_us / US_PER_MS), job_queue_count(workers->writer_queue));
    if (took_us == 0 && was_stuck)
        log_event(LOG_WARNING, "writer_goes_on", "ms=%lld",
                  (long long)(workers->stuck_us / US_PER_MS));
    workers->stuck_us = took_us;
}

void workers_tick(struct workers *workers)
{
    int64_t now_us = workers->config.clock->monotonic_us(workers->config.clock);

    for (size_t i = 0; i < workers->readers_started; i++)
        check_reader(&workers->readers[i], now_us);
    check_reader(&workers->worker.reader, now_us);
    check_writer(workers, now_us);
}

int64_t workers_stuck_us(const struct workers *workers)
{
    return workers->stuck_us;
}

bool workers_cancel(struct workers *workers, uint64_t session_serial, uint64_t request_id)
{
    struct long_reader *worker = &workers->worker;

    if (!atomic_load(&worker->taken) || worker->session_serial != session_serial ||
        worker->request_id != request_id)
        return false;
    workers_end_work(workers);
    return true;
}

/* The work may end by itself at this moment: then the marks are those of no work, and the next one
 * clears them. */
void workers_end_work(struct workers *workers)
{
    atomic_store(&workers->worker.asked, true);
    atomic_store(&workers->worker.reader.cancel, true);
}

void workers_state(struct workers *workers, struct workers_state *out)
{
    out->sequence = atomic_load(&workers->sequence);
    out->commits = atomic_load(&workers->commits);
    out->writer_queue = (int64_t)job_queue_count(workers->writer_queue);
    out->reader_queue = (int64_t)job_queue_count(workers->reader_queue);
    out->schema = workers->schema;
    out->stuck_us = workers->stuck_us;
}
