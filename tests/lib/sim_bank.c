/* The bank's side of the simulation (sim.h): what server.c and worker.c do with threads and
 * sockets, done in one thread with messages: gates, groups, one commit for each group, answers
 * only when it is durable, and a second try one by one when acts of a group meet each other. */
#include "tests/lib/sim_impl.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bankd/controls.h"
#include "common/check.h"
#include "tests/lib/bare_bank.h"

enum { JOB_ARENA = 16384, OUT_ARENA = 65536, CUT_ONE_IN = 100 };

static struct sim *now_sim; /* whose clock and disk it is */

static int64_t clock_now(struct clock *clock)
{
    (void)clock;
    return now_sim->now_us;
}

/* The power fails before the sync that was drawn. */
static void before_sync(void *context)
{
    struct sim *sim = context;

    if (sim->cut_at_sync > 0 && --sim->cut_at_sync == 0)
        sim->cut = fault_disk_cut(sim->cut_kind, random_next(&sim->random));
}

static enum err faulty_apply(struct store *store, const struct commit *commit, size_t *failed,
                             struct fault *fault)
{
    struct sim *sim = now_sim;

    if ((int)random_below(&sim->random, 100) >= sim->full_percent)
        return sim->real->apply(store, commit, failed, fault);
    *failed = 0;
    return fault_set(fault, ERR_storage_full, NULL, "The disk is full, says the simulation");
}

/* --- a new bank ------------------------------------------------------------------------------ */

static void add_user(struct sim *sim, int i)
{
    struct draft *draft = writer_draft(sim->writer);
    struct user  *row = &draft->user;
    struct actor *actor = &sim->users[i];
    struct act    act = { .kind = AUDIT_ACTION, .operation = "user.add", .subject = &row->user_id };

    memset(row, 0, sizeof *row);
    row->number = writer_next_user(sim->writer);
    row->user_id = uuid_v7(sim->now_us);
    row->role = i < SIM_ANALYSTS   ? ROLE_FINANCIAL_MANAGER
                : i < SIM_OFFICERS ? ROLE_FRAUD_ANALYST
                                   : ROLE_COMPLIANCE_OFFICER;
    row->created_at_us = sim->now_us;
    snprintf(row->email, sizeof row->email, "user%d@test.com", i);
    snprintf(row->name, sizeof row->name, "User %d", i);
    snprintf(row->password_hash, sizeof row->password_hash, "none");
    *actor = (struct actor){ .user = row->number, .user_id = row->user_id, .role = row->role };
    memcpy(actor->email, row->email, sizeof actor->email);
    draft->change.user = row;
    writer_audit(sim->writer, draft, &act);
    writer_add(sim->writer, draft);
}

/* --- start and crash ------------------------------------------------------------------------- */

static void start(struct sim *sim)
{
    struct store_config  config = { .path = sim->path, .cache_kib = 4096 };
    struct writer_config writing = { .bank = &sim->bank,
                                     .clock = &sim->clock,
                                     .sign_secret = sim->sign_secret,
                                     .books_max = 8192,
                                     .profiles_max = 8192 };
    struct store_numbers numbers;

    SIM_REQUIRE(sim, store_sqlite.open(&config, STORE_WRITE, &sim->store, NULL) == ERR_none,
                "the store cannot be opened");
    SIM_REQUIRE(sim, store_sqlite.open(&config, STORE_READ, &sim->reader, NULL) == ERR_none,
                "the store cannot be opened for reading");
    sim->real = sim->store->ops;
    sim->faulty = *sim->real;
    sim->faulty.apply = faulty_apply;
    sim->store->ops = &sim->faulty;
    writing.store = sim->store;
    CHECK(sim->real->numbers(sim->store, &numbers) == ERR_none);
    writing.rule_set = numbers.rules_active;
    SIM_REQUIRE(sim, writer_open(&writing, &sim->writer, NULL) == ERR_none,
                "the writer cannot be opened");
    fault_watch(before_sync, sim, false);
    sim_sessions_open(sim);
}

/* What is in memory is forgotten: nothing more reaches the store. */
static void stop(struct sim *sim)
{
    int percent = sim->full_percent;

    sim->full_percent = 100;
    writer_close(&sim->writer);
    sim->full_percent = percent;
    sim->store->ops = sim->real;
    sim->reader->ops->close(&sim->reader);
    sim->store->ops->close(&sim->store);
    sessions_close(&sim->sessions);
    sim->job_count = 0;
}

void sim_bank_open(struct sim *sim)
{
    struct store_config  config = { .path = sim->path, .cache_kib = 4096 };
    struct bank_settings settings = {
        .high_value_major = 60, .large_major = 80, .hold_hours = SIM_HOLD_HOURS, .id_skew_hours = 24
    };
    struct sim_version first = {
        .hold_major = 50, .decline_major = 90, .state = RULES_ACTIVE, .author = -1
    };
    char    text[SIM_RULES_BYTES];
    uint8_t seed[crypto_sign_SEEDBYTES] = { 0 };

    memcpy(seed, &sim->seed, sizeof sim->seed);
    now_sim = sim;
    sim->clock = (struct clock){ .now_us = clock_now, .monotonic_us = clock_now };
    snprintf(sim->folder, sizeof sim->folder, "/tmp/bank-sim-XXXXXX");
    CHECK(mkdtemp(sim->folder) != NULL);
    snprintf(sim->path, sizeof sim->path, "%s/bank.db", sim->folder);
    crypto_sign_seed_keypair(sim->sign_public, sim->sign_secret, seed);
    bank_init(&sim->bank, &settings);
    CHECK(arena_init(&sim->arena, LIMIT_REQUEST_ARENA) == ERR_none);
    sim->jobs = calloc(SIM_GROUP_MAX, sizeof *sim->jobs);
    CHECK(sim->jobs != NULL);
    for (size_t i = 0; i < SIM_GROUP_MAX; i++) {
        CHECK(arena_init(&sim->jobs[i].arena, JOB_ARENA) == ERR_none);
        CHECK(arena_init(&sim->jobs[i].out_arena, OUT_ARENA) == ERR_none);
        buf_init(&sim->jobs[i].reply, SIM_MESSAGE_BYTES);
    }
    fault_disk_load(NULL);
    CHECK(store_sqlite.open(&config, STORE_CREATE, &sim->store, NULL) == ERR_none);
    sim->versions[1] = first;
    sim->version_count = 1;
    sim->active = 1;
    sim->hold_hours = SIM_HOLD_HOURS;
    (void)sim_rules_text(&first, text);
    bare_rules_of(sim->store, &sim->bank, &sim->clock, text);
    sim->store->ops->close(&sim->store);
    start(sim);
    for (int i = 0; i < SIM_USERS; i++)
        add_user(sim, i);
    for (int i = 0; i < SIM_ACCOUNTS; i++) {
        const struct account_book *book = bare_account(sim->writer, i);

        sim->account_numbers[i] = book->number;
        sim->account_ids[i] = book->account_id;
    }
    CHECK(writer_commit(sim->writer, NULL) == ERR_none);
}

void sim_bank_close(struct sim *sim)
{
    fault_watch(NULL, NULL, false);
    stop(sim);
    bank_free(&sim->bank);
    for (size_t i = 0; i < SIM_GROUP_MAX; i++) {
        arena_free(&sim->jobs[i].arena);
        arena_free(&sim->jobs[i].out_arena);
        buf_free(&sim->jobs[i].reply);
    }
    free(sim->jobs);
    arena_free(&sim->arena);
    fault_disk_load(NULL);
    unlink(sim->path);
    rmdir(sim->folder);
}

static void start_from(struct sim *sim, struct fault_disk *disk)
{
    sim->cut_at_sync = 0;
    stop(sim);
    fault_disk_load(disk);
    fault_disk_free(&disk);
    start(sim);
    sim->figures.crashes++;
}

static size_t pack_budget(struct sim *sim, uint8_t out[BUDGET_PACKED_MAX])
{
    struct controls *controls;

    CHECK(writer_controls(sim->writer, &controls) == ERR_none);
    return budget_pack(controls_budget(controls), out);
}

void sim_bank_crash(struct sim *sim, enum fault_cut kind)
{
    uint8_t before[BUDGET_PACKED_MAX];
    uint8_t after[BUDGET_PACKED_MAX];
    size_t  n = pack_budget(sim, before);

    start_from(sim, fault_disk_cut(kind, random_next(&sim->random)));
    SIM_REQUIRE(sim, pack_budget(sim, after) == n && memcmp(before, after, n) == 0,
                "a crash costs the alert budget something");
}

/* --- requests -------------------------------------------------------------------------------- */

static void say(struct sim *sim, struct sim_job *job)
{
    for (size_t i = 0; i < job->reply.n; i++)
        sim->figures.digest =
            (sim->figures.digest ^ (uint8_t)job->reply.at[i]) * UINT64_C(1099511628211);
    sim_send(sim, false, job->message.client, &job->reply);
}

static void answer_error(struct sim_job *job, enum err err)
{
    buf_clear(&job->reply);
    if (job->fault.err != err)
        fault_set(&job->fault, err, NULL, "%s", "");
    CHECK(reply_encode_error(job->envelope.id, &job->fault, &job->reply) == ERR_none);
}

static void log_in(struct sim *sim, struct sim_job *job)
{
    enum err err = sim_session_start(sim, job);

    if (err != ERR_none)
        answer_error(job, err);
    say(sim, job);
}

static enum err decode(struct sim *sim, struct sim_job *job)
{
    struct slice     bytes = slice_of(job->message.bytes, job->message.n);
    struct gate_pass pass;
    enum err         err;

    memset(&job->fault, 0, sizeof job->fault);
    arena_reset(&job->arena);
    TRY(request_decode(bytes, &job->envelope, &job->fault));
    err = gate_check(sim->sessions, &job->envelope, false, sim->now_us, &pass, &job->fault);
    sim_session_check(sim, &job->envelope, err);
    TRY(err);
    job->op = pass.op;
    if (pass.session != NULL) {
        job->actor = pass.session->actor;
        job->user = pass.session->actor.email[4] - '0';
    }
    job->in = arena_take(&job->arena, job->op->request->size);
    CHECK(job->in != NULL);
    return message_decode(job->op->request, job->envelope.body, DECODE_STRICT, &job->arena, job->in,
                          &job->fault);
}

static enum err run(struct sim *sim, struct sim_job *job, struct store *store,
                    struct writer *writer, struct arena *arena, void **out)
{
    job->request = (struct request){ .op = job->op,
                                     .actor = job->actor,
                                     .store = store,
                                     .writer = writer,
                                     .bank = &sim->bank,
                                     .arena = arena,
                                     .fault = &job->fault,
                                     .now_us = sim->now_us };
    memset(&job->fault, 0, sizeof job->fault);
    arena_reset(arena);
    *out = arena_take(arena, job->op->reply->size);
    CHECK(*out != NULL);
    return dispatch(&job->request, job->in, *out);
}

/* What a question is answered must be what the model knows now. */
static void ask(struct sim *sim, struct sim_job *job)
{
    void    *out;
    enum err err;

    CHECK(sim->real->snapshot_begin(sim->reader) == ERR_none);
    err = run(sim, job, sim->reader, NULL, &sim->arena, &out);
    sim->real->snapshot_end(sim->reader);
    if (job->op == &op_rows[OP_INDEX_transaction_get]) {
        const struct msg_transaction_ref *in = job->in;
        const struct msg_transaction     *row = out;
        const struct sim_post *post = &sim->posts[sim_model_find(sim, &in->transaction_id)];

        SIM_REQUIRE(sim, err == (post->status == 0 ? ERR_not_found : ERR_none),
                    "a transaction is found that is not there, or the other way round");
        SIM_REQUIRE(sim,
                    err != ERR_none ||
                        (row->status == post->status && row->sequence == post->sequence),
                    "a transaction is told wrongly");
    } else {
        const struct msg_account_ref *in = job->in;
        const struct msg_account     *row = out;

        SIM_REQUIRE(sim, err == ERR_none, "an account is not found");
        for (int i = 0; i < SIM_ACCOUNTS; i++)
            SIM_REQUIRE(
                sim,
                !uuid_equal(&sim->account_ids[i], &in->account_id) ||
                    (row->balance == sim->books.balances[i] && row->held == sim->books.held[i] &&
                     (row->status == ACCOUNT_FROZEN) == (sim->books.freezes[i].direction != 0)),
                "a balance is told wrongly");
    }
    if (err != ERR_none) {
        answer_error(job, err);
    } else {
        buf_clear(&job->reply);
        CHECK(reply_encode(job->envelope.id, job->op->reply, out, &job->reply) == ERR_none);
    }
    say(sim, job);
}

static bool is_of_alerts(const struct sim_job *job)
{
    return strncmp(job->op->name, "alert.", 6) == 0;
}

static bool is_of_controls(const struct sim_job *job)
{
    return job->op == &op_rows[OP_INDEX_screening_add] ||
           job->op == &op_rows[OP_INDEX_screening_remove] ||
           job->op == &op_rows[OP_INDEX_screening_approve] ||
           job->op == &op_rows[OP_INDEX_suppression_add] ||
           job->op == &op_rows[OP_INDEX_suppression_remove] ||
           job->op == &op_rows[OP_INDEX_suppression_approve] ||
           job->op == &op_rows[OP_INDEX_controls_set];
}

static bool is_of_accounts(const struct sim_job *job)
{
    return job->op == &op_rows[OP_INDEX_account_freeze] ||
           job->op == &op_rows[OP_INDEX_account_unfreeze];
}

static bool is_of_transactions(const struct sim_job *job)
{
    return job->op == &op_rows[OP_INDEX_transaction_create] ||
           job->op == &op_rows[OP_INDEX_transaction_reverse] ||
           job->op == &op_rows[OP_INDEX_transaction_release] ||
           job->op == &op_rows[OP_INDEX_transaction_reject];
}

/* What goes in groups; everything else is done at once, alone. */
static bool is_grouped(const struct sim_job *job)
{
    return is_of_transactions(job) || is_of_accounts(job) || is_of_alerts(job) ||
           is_of_controls(job) || job->op == &op_rows[OP_INDEX_session_logout];
}

/* Records are planned from what is durable: of two changes of one in a group the second may be
 * refused, rightly, as if it had come before. */
static bool must_wait(const struct sim *sim, const struct sim_job *job)
{
    if (!is_grouped(job))
        return sim->job_count > 0;
    for (size_t i = 0; i < sim->job_count && is_of_controls(job); i++)
        if (is_of_controls(&sim->jobs[i]))
            return true;
    return false;
}

/* The next free job, read from the message. What waited may have crashed the bank meanwhile. */
static enum err read_job(struct sim *sim, const struct sim_message *message, struct sim_job **out)
{
    struct sim_job *job;
    enum err        err;

    if (sim->job_count == SIM_GROUP_MAX)
        sim_bank_work(sim);
    for (;;) {
        job = &sim->jobs[sim->job_count];
        job->message.client = message->client;
        job->message.n = message->n;
        memcpy(job->message.bytes, message->bytes, message->n);
        err = decode(sim, job);
        if (err != ERR_none || !must_wait(sim, job))
            break;
        sim_bank_work(sim);
    }
    *out = job;
    return err;
}

void sim_bank_take(struct sim *sim, const struct sim_message *message)
{
    struct sim_job *job;
    enum err        err = read_job(sim, message, &job);

    if (err != ERR_none) {
        SIM_REQUIRE(sim, err == ERR_session_invalid || err == ERR_role_denied,
                    "a message cannot be read");
        answer_error(job, err);
        say(sim, job);
    } else if ((job->op->flags & OP_LOGIN) != 0) {
        log_in(sim, job);
    } else if ((job->op->flags & OP_READ) != 0) {
        ask(sim, job);
    } else {
        sim->job_count++;
        if (!is_grouped(job))
            sim_bank_work(sim);
    }
}

/* --- groups ---------------------------------------------------------------------------------- */

/* Plans one act in the bank and in the model; what differs, or NULL. A refused posting is written
 * down, as the daemon does. */
static void expect(struct sim *sim, struct sim_job *job, enum err err)
{
    const struct msg_account_freeze *freeze = job->in;

    switch ((enum op_index)(job->op - op_rows)) {
    case OP_INDEX_transaction_create:
        sim_model_create(sim, job, job->in);
        break;
    case OP_INDEX_transaction_reverse:
        sim_model_reverse(sim, job, job->in);
        break;
    case OP_INDEX_account_freeze:
        sim_model_freeze(sim, job, &freeze->account_id, freeze->direction, freeze->until);
        break;
    case OP_INDEX_account_unfreeze:
        sim_model_freeze(sim, job, &((const struct msg_account_act *)job->in)->account_id, 0, 0);
        break;
    case OP_INDEX_transaction_release:
    case OP_INDEX_transaction_reject:
        sim_model_decide(sim, job, &((const struct msg_transaction_act *)job->in)->transaction_id,
                         job->op == &op_rows[OP_INDEX_transaction_release]);
        break;
    case OP_INDEX_session_logout:
        job->expected = ERR_none;
        break;
    default:
        if (is_of_alerts(job))
            sim_alert_expect(sim, job, err);
        else
            sim_steer_expect(sim, job, err);
        break;
    }
}

static const char *judge_answer(struct sim *sim, const struct sim_job *job)
{
    const struct msg_transaction *row = job->out;
    const struct msg_account     *account = job->out;

    if (job->op->reply == &message_account)
        return account->status == job->expected_status ? NULL : "an account is told wrongly";
    if (!is_of_transactions(job))
        return NULL;
    if (row->status != job->expected_status) {
        snprintf(sim->wrong, sizeof sim->wrong, "%s: a post is %s, and must be %s", job->op->name,
                 enum_text(&enum_transaction_status, row->status),
                 enum_text(&enum_transaction_status, job->expected_status));
        return sim->wrong;
    }
    if (MSG_HAS(row, transaction, repeated) != job->expected_repeat)
        return "an id is not taken as the first, or as a repetition";
    return NULL;
}

static void note_refusal(struct sim *sim, const struct sim_job *job, enum err err)
{
    struct draft *draft = writer_draft(sim->writer);
    struct act    act = { .actor = &job->actor,
                          .kind = AUDIT_REFUSAL,
                          .operation = job->op->name,
                          .outcome = err_name(err),
                          .subject = &job->actor.user_id };

    if (draft == NULL || err_class(err) != ERR_CLASS_CONFLICT || (job->op->flags & OP_MONEY) == 0)
        return;
    writer_audit(sim->writer, draft, &act);
    writer_add(sim->writer, draft);
}

static const char *plan(struct sim *sim, struct sim_job *job)
{
    enum err err;

    if (is_of_alerts(job))
        sim_alert_before(sim, job);
    err = run(sim, job, sim->store, sim->writer, &job->out_arena, &job->out);
    expect(sim, job, err);
    if (err != job->expected) {
        snprintf(sim->wrong, sizeof sim->wrong,
                 "%s of %lld is answered with %s, and must be with %s", job->op->name,
                 (long long)sim->posts[job->post].amount, err_name(err), err_name(job->expected));
        return sim->wrong;
    }
    if (err != ERR_none) {
        note_refusal(sim, job, err);
        answer_error(job, err);
        return NULL;
    }
    buf_clear(&job->reply);
    CHECK(reply_encode(job->envelope.id, job->op->reply, job->out, &job->reply) == ERR_none);
    if (is_of_transactions(job) && sim_steer_check_valve(sim) != NULL)
        return sim_steer_check_valve(sim);
    return judge_answer(sim, job);
}

static void ignore_event(void *context, enum event_index event, struct slice bytes)
{
    (void)context;
    (void)event;
    (void)bytes;
}

/* A decision names the version that is in force; what is not judged names none. */
static void check_judge(struct sim *sim, const struct sim_post *post)
{
    struct transaction row;
    int64_t            judge = post->reverses != SIM_NONE ? 0 : (int64_t)sim->active;

    SIM_REQUIRE(sim, sim->real->transaction_by_id(sim->reader, &post->id, &row) == ERR_none,
                "a payment is answered that is not there");
    SIM_REQUIRE(sim, row.rule_set == judge, "a payment is judged by rules that are not in force");
}

static void learn_post(struct sim *sim, const struct sim_job *job)
{
    const struct msg_transaction *row = job->out;
    struct sim_post              *post = &sim->posts[job->post];

    if (job->first) {
        post->sequence = row->sequence;
        post->posted_at_us = row->posted_at;
        sim->figures.posts++;
        sim->figures.reversed += post->reverses != SIM_NONE;
        check_judge(sim, post);
    }
    sim->figures.repeats += job->expected_repeat;
    SIM_REQUIRE(sim,
                row->sequence == post->sequence && row->posted_at == post->posted_at_us &&
                    row->amount == post->amount,
                "the same request has two answers");
}

static void learn_alert(struct sim *sim, const struct sim_job *job)
{
    sim->figures.alerts++;
    sim->figures.undone += job->op == &op_rows[OP_INDEX_alert_undo];
}

/* The group is durable: what the bank said of its posts is what it must say for ever. */
static void learn(struct sim *sim, struct sim_job **jobs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct sim_job *job = jobs[i];

        if (job->expected != ERR_none)
            sim->figures.refusals++;
        else if (is_of_transactions(job))
            learn_post(sim, job);
        else if (is_of_accounts(job))
            sim->figures.frozen++;
        else if (is_of_alerts(job))
            learn_alert(sim, job);
        else if (job->op == &op_rows[OP_INDEX_session_logout])
            sim_session_end(sim, job);
        else
            sim_steer_learn(sim, job);
        if (job->op == &op_rows[OP_INDEX_controls_restore])
            sim->now_us++; /* what it stopped until this moment counts no more */
    }
}

/* The power has failed during the commit: the group is there whole or not at all. */
static enum err come_back(struct sim *sim, struct sim_job **jobs, size_t n, int64_t before)
{
    struct fault_disk *disk = sim->cut;

    sim->cut = NULL;
    sim->figures.crashes_within++;
    start_from(sim, disk);
    if (writer_head(sim->writer).sequence > before)
        learn(sim, jobs, n);
    else
        sim_model_undo(sim);
    sim_model_compare(sim);
    return ERR_outcome_unknown;
}

static enum err try_group(struct sim *sim, struct sim_job **jobs, size_t n)
{
    struct fault fault = { 0 };
    const char  *wrong = NULL;
    int64_t      before = writer_head(sim->writer).sequence;
    enum err     err;

    sim_model_begin(sim);
    for (size_t i = 0; i < n; i++) {
        const char *what = plan(sim, jobs[i]);

        wrong = wrong != NULL ? wrong : what;
    }
    if (sim_chance(sim, CUT_ONE_IN)) {
        sim->cut_kind = (enum fault_cut)random_below(&sim->random, 3);
        sim->cut_at_sync = 1 + (int)random_below(&sim->random, 2);
    }
    err = writer_commit(sim->writer, &fault);
    sim->cut_at_sync = 0;
    writer_events(sim->writer, ignore_event, NULL);
    if (sim->cut != NULL) {
        SIM_REQUIRE(sim, wrong == NULL || err != ERR_none, wrong);
        return come_back(sim, jobs, n, before);
    }
    if (err == ERR_none) {
        SIM_REQUIRE(sim, wrong == NULL, wrong);
        learn(sim, jobs, n);
        sim->figures.commits++;
        return ERR_none;
    }
    sim->figures.commits_failed++;
    sim_model_undo(sim);
    for (size_t i = 0; i < n; i++) {
        jobs[i]->fault = fault;
        answer_error(jobs[i], err);
    }
    return err;
}

void sim_bank_work(struct sim *sim)
{
    struct sim_job *jobs[SIM_GROUP_MAX];
    size_t          n = sim->job_count;
    enum err        err;

    for (size_t i = 0; i < n; i++)
        jobs[i] = &sim->jobs[i];
    sim->job_count = 0;
    if (n == 0)
        return;
    err = try_group(sim, jobs, n);
    if (err == ERR_changed_meanwhile || err == ERR_id_reused) {
        for (size_t i = 0; i < n && err != ERR_outcome_unknown; i++) {
            err = try_group(sim, &jobs[i], 1);
            SIM_REQUIRE(sim, err != ERR_changed_meanwhile && err != ERR_id_reused,
                        "an act alone meets another, or an id with the same content is refused");
            if (err != ERR_outcome_unknown)
                say(sim, jobs[i]);
        }
        return;
    }
    if (err == ERR_outcome_unknown)
        return; /* nobody is left to answer */
    SIM_REQUIRE(sim, err == ERR_none || err == ERR_storage_full, "a commit fails without a reason");
    for (size_t i = 0; i < n; i++)
        say(sim, jobs[i]);
}

/* --- what the daemon does beside -------------------------------------------------------------- */

static void note_threshold(struct sim *sim)
{
    struct controls *controls;

    CHECK(writer_controls(sim->writer, &controls) == ERR_none);
    sim->figures.moved += controls_threshold(controls) != sim->threshold;
    sim->threshold = controls_threshold(controls);
}

/* The disk may be full at the first commit; then nothing has ended. */
void sim_bank_expire(struct sim *sim)
{
    int  percent = sim->full_percent;
    bool ended = true;

    for (bool more = true; more; sim->full_percent = 0) {
        enum err err = writer_expire(sim->writer);

        SIM_REQUIRE(sim, err == ERR_none, "holds cannot expire");
        more = writer_planned(sim->writer) > 0;
        if (more)
            err = writer_commit(sim->writer, NULL);
        writer_events(sim->writer, ignore_event, NULL);
        SIM_REQUIRE(sim, err == ERR_none || (err == ERR_storage_full && sim->full_percent > 0),
                    "expired holds cannot be committed");
        ended = err == ERR_none;
        more = more && ended;
    }
    sim->full_percent = percent;
    if (ended)
        sim_model_expire(sim);
    note_threshold(sim);
}

void sim_bank_rest(struct sim *sim)
{
    enum err err = writer_idle(sim->writer, NULL);

    SIM_REQUIRE(sim, err == ERR_none || err == ERR_storage_full, "profiles cannot be saved");
    if (sim_chance(sim, 2))
        SIM_REQUIRE(sim, sim->real->checkpoint(sim->reader) == ERR_none, "a checkpoint fails");
}
