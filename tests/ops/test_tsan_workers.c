/* Threads that are asked to stop what they do: a question whose client goes while it runs, long
 * work that is cancelled, a login that has waited too long, a handler that fails behind what it
 * planned. Each is brought to the moment in question by a condition and not by time: a thread waits
 * for the bank's lock, which the test holds, or in the clock, which is the test's own. Also run
 * with the thread sanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bankd/guard.h"
#include "bankd/worker.h"
#include "common/check.h"
#include "tests/lib/demo_home.h"

enum { PATIENCE_MS = 60 * 1000, YIELDS_MAX = 100 * 1000 * 1000, SECOND = 1000 * 1000, SESSION = 7 };

struct office {
    struct clock            clock; /* the first member */
    struct demo_home        demo;
    struct workers         *workers;
    struct store           *reader;
    struct store_ops        ops; /* of the home's store, some of which fail on demand */
    struct actor            analyst;
    uint64_t                last_id;
    int                     done_fd;
    _Atomic int64_t         monotonic_us;
    pthread_mutex_t         lock;
    pthread_cond_t          moved;
    const char             *whom; /* name of the thread that is stopped in the clock; NULL = none */
    int                     pass; /* its calls until then */
    bool                    stopped; /* it waits */
    const struct store_ops *real;
    atomic_bool             users_fail;
};

static struct office *now_office;

/* --- time ------------------------------------------------------------------------------------ */

static int64_t wall_now(struct clock *clock)
{
    (void)clock;
    return DEMO_HOME_END_US + US_PER_HOUR;
}

static bool is_meant(struct office *office)
{
    char name[32] = "";

    if (office->whom == NULL || pthread_getname_np(pthread_self(), name, sizeof name) != 0)
        return false;
    return strcmp(name, office->whom) == 0 && office->pass-- == 0;
}

/* Lets the thread that makes the chosen call wait until it is let go. */
static int64_t monotonic_now(struct clock *clock)
{
    struct office *office = (struct office *)(void *)clock;

    pthread_mutex_lock(&office->lock);
    if (is_meant(office)) {
        office->whom = NULL;
        office->stopped = true;
        pthread_cond_broadcast(&office->moved);
        while (office->stopped)
            pthread_cond_wait(&office->moved, &office->lock);
    }
    pthread_mutex_unlock(&office->lock);
    return atomic_load(&office->monotonic_us);
}

/* The call number `pass` (from 0) of that thread will wait. */
static void stop_in_clock(struct office *office, const char *whom, int pass)
{
    pthread_mutex_lock(&office->lock);
    office->whom = whom;
    office->pass = pass;
    pthread_mutex_unlock(&office->lock);
}

static void wait_until_stopped(struct office *office)
{
    pthread_mutex_lock(&office->lock);
    while (!office->stopped)
        pthread_cond_wait(&office->moved, &office->lock);
    pthread_mutex_unlock(&office->lock);
}

static void let_go(struct office *office)
{
    pthread_mutex_lock(&office->lock);
    office->stopped = false;
    pthread_cond_broadcast(&office->moved);
    pthread_mutex_unlock(&office->lock);
}

/* --- an office ------------------------------------------------------------------------------- */

static enum err user_by_number(struct store *store, int64_t number, struct user *out)
{
    if (atomic_load(&now_office->users_fail))
        return ERR_storage;
    return now_office->real->user_by_number(store, number, out);
}

static int set_up(void **state)
{
    struct office        *office = calloc(1, sizeof *office);
    struct workers_config config;
    struct user           user;

    CHECK(office != NULL);
    now_office = office;
    office->clock = (struct clock){ .now_us = wall_now, .monotonic_us = monotonic_now };
    pthread_mutex_init(&office->lock, NULL);
    pthread_cond_init(&office->moved, NULL);
    atomic_store(&office->monotonic_us, SECOND);
    demo_home_make(&office->demo, 1);
    writer_close(&office->demo.writer);
    office->real = office->demo.home.store->ops;
    office->ops = *office->real;
    office->ops.user_by_number = user_by_number;
    office->demo.home.store->ops = &office->ops;
    CHECK(home_reader(&office->demo.home, &office->reader, NULL) == ERR_none);
    CHECK(office->real->user_by_email(office->reader, slice_from("fraud@test.com"), &user) ==
          ERR_none);
    office->analyst =
        (struct actor){ .user = user.number, .user_id = user.user_id, .role = user.role };
    memcpy(office->analyst.email, user.email, sizeof office->analyst.email);
    office->done_fd = eventfd(0, EFD_NONBLOCK);
    config = (struct workers_config){ .home = &office->demo.home,
                                      .clock = &office->clock,
                                      .readers = 1,
                                      .login_threads = 1,
                                      .done_fd = office->done_fd };
    CHECK(workers_start(&config, &office->workers, NULL) == ERR_none);
    *state = office;
    return 0;
}

static int tear_down(void **state)
{
    struct office *office = *state;

    workers_stop(&office->workers);
    office->demo.home.store->ops = office->real;
    office->reader->ops->close(&office->reader);
    home_close(&office->demo.home);
    demo_home_remove(&office->demo);
    pthread_mutex_destroy(&office->lock);
    pthread_cond_destroy(&office->moved);
    close(office->done_fd);
    free(office);
    return 0;
}

/* `in` is the test's own until the answer is there. */
static uint64_t submit(struct office *office, enum op_index op, void *in, uint64_t connection,
                       int64_t deadline_us)
{
    struct job *job = workers_job(office->workers);

    assert_non_null(job);
    job->kind = JOB_REQUEST;
    job->op = &op_rows[op];
    job->in = in;
    job->actor = office->analyst;
    job->session_serial = SESSION;
    job->request_id = ++office->last_id;
    job->connection = connection;
    job->deadline_us = deadline_us;
    assert_true(workers_submit(office->workers, job));
    return office->last_id;
}

/* The next answer; news of work are passed over. */
static struct job *any_answer(struct office *office)
{
    struct pollfd wake = { .fd = office->done_fd, .events = POLLIN };
    struct job   *job;
    uint64_t      ignored;

    for (;;) {
        while (workers_done(office->workers, &job, 1) == 1) {
            if (job->kind != JOB_EVENT)
                return job;
            workers_recycle(office->workers, job);
        }
        assert_int_equal(poll(&wake, 1, PATIENCE_MS), 1);
        assert_int_equal(read(office->done_fd, &ignored, sizeof ignored), sizeof ignored);
    }
}

static struct job *answer_to(struct office *office, uint64_t id)
{
    struct job *job = any_answer(office);

    assert_int_equal(job->request_id, id);
    return job;
}

static enum err outcome_of(struct office *office, uint64_t id)
{
    struct job *job = answer_to(office, id);
    enum err    err = job->fault.err;

    workers_recycle(office->workers, job);
    return err;
}

static void assert_reader_is_free(struct office *office)
{
    struct msg_account_query in = { .has = 0 };

    assert_int_equal(outcome_of(office, submit(office, OP_INDEX_account_list, &in, 0, INT64_MAX)),
                     ERR_none);
    assert_true(workers_idle(office->workers));
}

static bool take_first(void *context, const void *row)
{
    *(struct alert *)context = *(const struct alert *)row;
    return false;
}

/* One that nobody has decided. */
static struct alert some_alert(struct office *office)
{
    struct alert_filter filter = { .undecided = true };
    struct alert        row = { .number = 0 };

    assert_int_equal(office->real->alerts(office->reader, &filter, take_first, &row), ERR_none);
    assert_true(row.number != 0);
    return row;
}

/* --- questions that run
 * ---------------------------------------------------------------------------
 */

/* Whether somebody waits for the bank's lock, which the test holds. */
static bool is_waited_for(struct office *office)
{
    return *(volatile int *)&office->demo.home.bank.lock.__data.__lock > 1;
}

/* Asks what needs the rules, and returns when the reader waits for them in the middle of it. */
static uint64_t ask_and_wait(struct office *office, struct msg_similar_query *in,
                             uint64_t connection, int64_t deadline_us)
{
    uint64_t id;

    pthread_mutex_lock(&office->demo.home.bank.lock);
    id = submit(office, OP_INDEX_alert_similar, in, connection, deadline_us);
    for (int yields = 0; !is_waited_for(office); yields++) {
        assert_true(yields < YIELDS_MAX);
        sched_yield();
    }
    return id;
}

static void a_running_question_ends_when_its_client_goes(void **state)
{
    struct office           *office = *state;
    struct alert             alert = some_alert(office);
    struct msg_similar_query in = { .alert_id = alert.alert_id };
    int                      ends[2];
    uint64_t                 id;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_true(guard_mark(ends[0]) != 0);
    id = ask_and_wait(office, &in, guard_mark(ends[0]), INT64_MAX);
    workers_tick(office->workers); /* it is still there */
    close(ends[0]);
    close(ends[1]);
    workers_tick(office->workers);
    pthread_mutex_unlock(&office->demo.home.bank.lock);
    /* Nobody waits for it any more; what is sent is dropped, and it says why it ended. */
    assert_int_not_equal(outcome_of(office, id), ERR_none);
    assert_reader_is_free(office);

    /* With its client there it would have been answered. */
    id = ask_and_wait(office, &in, 0, INT64_MAX);
    workers_tick(office->workers);
    pthread_mutex_unlock(&office->demo.home.bank.lock);
    assert_int_equal(outcome_of(office, id), ERR_none);
}

static void a_running_question_ends_at_its_deadline(void **state)
{
    struct office           *office = *state;
    struct alert             alert = some_alert(office);
    struct msg_similar_query in = { .alert_id = alert.alert_id };
    uint64_t                 id = ask_and_wait(office, &in, 0, 20 * SECOND);

    atomic_store(&office->monotonic_us, 21 * SECOND);
    workers_tick(office->workers);
    pthread_mutex_unlock(&office->demo.home.bank.lock);
    assert_int_equal(outcome_of(office, id), ERR_deadline);
    assert_reader_is_free(office);
}

/* --- long work
 * -------------------------------------------------------------------------------------
 */

/* A back test that has begun, and waits where it tells so. */
static uint64_t begin_work(struct office *office, struct msg_rules_backtest *in,
                           uint64_t connection)
{
    uint64_t id;

    stop_in_clock(office, "bankd-reader", 1); /* the first look is at the deadline */
    id = submit(office, OP_INDEX_rules_backtest, in, connection, INT64_MAX);
    wait_until_stopped(office);
    return id;
}

static void long_work_ends_when_it_is_cancelled(void **state)
{
    struct office            *office = *state;
    struct msg_rules_backtest in = { .has = 0 };
    struct msg_rules_backtest again = { .has = 0 };
    uint64_t                  id = begin_work(office, &in, 0);
    struct job               *other = workers_job(office->workers);

    /* One at a time; and only the session that asked can end it. */
    other->kind = JOB_REQUEST;
    other->op = &op_rows[OP_INDEX_rules_backtest];
    assert_false(workers_submit(office->workers, other));
    workers_recycle(office->workers, other);
    assert_false(workers_cancel(office->workers, SESSION + 1, id));
    assert_false(workers_cancel(office->workers, SESSION, id + 1));
    assert_true(workers_cancel(office->workers, SESSION, id));
    let_go(office);
    assert_int_equal(outcome_of(office, id), ERR_cancelled);
    assert_false(workers_cancel(office->workers, SESSION, id));
    assert_reader_is_free(office);

    /* The next one is not touched by it. */
    id = submit(office, OP_INDEX_rules_backtest, &again, 0, INT64_MAX);
    assert_int_equal(outcome_of(office, id), ERR_none);
}

static void long_work_ends_when_its_client_goes(void **state)
{
    struct office            *office = *state;
    struct msg_rules_backtest in = { .has = 0 };
    int                       ends[2];
    uint64_t                  id;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    id = begin_work(office, &in, guard_mark(ends[0]));
    close(ends[0]);
    close(ends[1]);
    workers_tick(office->workers);
    let_go(office);
    assert_int_not_equal(outcome_of(office, id), ERR_none);
    assert_reader_is_free(office);
}

/* --- passwords
 * ------------------------------------------------------------------------------------
 */

/* The first login holds the only thread that checks passwords until the time of the second is over.
 */
static void a_login_that_waited_too_long_is_refused_once(void **state)
{
    struct office           *office = *state;
    struct msg_session_login in = { .email = slice_from("fraud@test.com"),
                                    .password = slice_from("test123") };
    struct msg_session_login late = in;
    struct job              *job;
    uint64_t                 first;
    uint64_t                 second;

    stop_in_clock(office, "bankd-login", 0);
    first = submit(office, OP_INDEX_session_login, &in, 0, INT64_MAX);
    wait_until_stopped(office);
    second = submit(office, OP_INDEX_session_login, &late, 0, 11 * SECOND);
    atomic_store(&office->monotonic_us, 12 * SECOND);
    let_go(office);
    for (int i = 0; i < 2; i++) { /* in either order */
        job = any_answer(office);
        assert_true(job->request_id == first || job->request_id == second);
        assert_int_equal(job->fault.err, job->request_id == first ? ERR_none : ERR_busy);
        assert_int_equal(job->login_good, job->request_id == first);
        assert_true(job->request_id == first || job->fault.retry_after_ms > 0);
        workers_recycle(office->workers, job);
    }
    assert_true(workers_idle(office->workers)); /* nothing is left that could answer once more */
}

/* --- writes
 * --------------------------------------------------------------------------------------- */

/* The decision is planned, and then its answer cannot be made: it must not be committed. */
static void what_is_told_as_an_error_is_not_committed(void **state)
{
    struct office          *office = *state;
    struct alert            alert = some_alert(office);
    struct alert            after;
    struct msg_alert_decide in = { .alert_id = alert.alert_id,
                                   .decision = DECISION_INCONCLUSIVE,
                                   .note = slice_from("Nobody can tell") };
    uint64_t                id;

    atomic_store(&office->users_fail, true);
    id = submit(office, OP_INDEX_alert_decide, &in, 0, INT64_MAX);
    assert_int_equal(outcome_of(office, id), ERR_storage);
    atomic_store(&office->users_fail, false);
    assert_int_equal(office->real->alert_by_id(office->reader, &alert.alert_id, &after), ERR_none);
    assert_int_equal(after.state, alert.state);
    assert_int_equal(after.version, alert.version);

    id = submit(office, OP_INDEX_alert_decide, &in, 0, INT64_MAX);
    assert_int_equal(outcome_of(office, id), ERR_none);
    assert_int_equal(office->real->alert_by_id(office->reader, &alert.alert_id, &after), ERR_none);
    assert_int_equal(after.state, ALERT_DECIDED);
}

#define IN_OFFICE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_OFFICE(a_running_question_ends_when_its_client_goes),
        IN_OFFICE(a_running_question_ends_at_its_deadline),
        IN_OFFICE(long_work_ends_when_it_is_cancelled),
        IN_OFFICE(long_work_ends_when_its_client_goes),
        IN_OFFICE(a_login_that_waited_too_long_is_refused_once),
        IN_OFFICE(what_is_told_as_an_error_is_not_committed),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
