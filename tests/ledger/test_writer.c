/* The writer against a plain model: random acts of random people, planned in groups, committed to
 * a store that fails now and then, repeated by clients that were told nothing. After every commit
 * the model and the bank must agree: balances, holds, ids, the sum of all accounts, the rollups,
 * the chain. The same seed gives the same run.
 *
 * The model knows only what was acknowledged; that is what a bank's customers know too. */
#include "bankd/chain.h"
#include "bankd/profile.h"
#include "bankd/writer.h"
#include "common/check.h"
#include "common/money.h"
#include "tests/lib/bare_bank.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ACCOUNTS = 12, POSTS_MAX = 20000, GROUP_MAX = 40 };

struct model_post {
    struct uuid id;
    int32_t     status;   /* 0 = never acknowledged */
    int         from, to; /* index of the account; -1 = cash */
    int64_t     amount;
};

struct world {
    struct random     random;
    struct bare_clock clock;
    struct bare_disk  disk;
    struct store     *store;
    struct bank       bank;
    struct writer    *writer;
    struct uuid       account_ids[ACCOUNTS];
    int64_t           numbers[ACCOUNTS];
    int64_t           balances[ACCOUNTS], held[ACCOUNTS];
    struct model_post posts[POSTS_MAX];
    size_t            post_count;
    char              path[64];
    int64_t           releases; /* that profiles have seen when they were checked */
};

/* --- making the world ------------------------------------------------------------------------ */

static void open_writer(struct world *world)
{
    struct writer_config config = { .store = world->store,
                                    .bank = &world->bank,
                                    .clock = &world->clock.clock,
                                    .rule_set = 1,
                                    .books_max = 8192,
                                    .profiles_max = 8192 };

    assert_int_equal(writer_open(&config, &world->writer, NULL), ERR_none);
}

static struct world *world_new(const struct store_ops *ops, int fail_percent)
{
    struct world        *world = calloc(1, sizeof *world);
    struct store_config  config = { .cache_kib = 4096 };
    struct bank_settings settings = {
        .high_value_major = 60, .large_major = 80, .hold_hours = 24, .id_skew_hours = 24
    };
    struct fault fault = { 0 };

    world->random = random_start(ops->name);
    bare_clock_start(&world->clock);
    snprintf(world->path, sizeof world->path, "/tmp/test_writer.%d.db", (int)getpid());
    config.path = world->path;
    bank_init(&world->bank, &settings);
    assert_int_equal(ops->open(&config, STORE_CREATE, &world->store, &fault), ERR_none);
    bare_rules(world->store, &world->bank, &world->clock.clock);
    open_writer(world);
    for (int i = 0; i < ACCOUNTS; i++) {
        const struct account_book *book = bare_account(world->writer, i);

        world->account_ids[i] = book->account_id;
        world->numbers[i] = book->number;
    }
    assert_int_equal(writer_commit(world->writer, NULL), ERR_none);
    bare_disk_put(&world->disk, world->store, &world->random);
    world->disk.fail_percent = fail_percent;
    return world;
}

static void world_free(struct world *world)
{
    world->disk.fail_percent = 0;
    writer_close(&world->writer);
    bare_disk_close(&world->disk, &world->store);
    bank_free(&world->bank);
    bare_file_remove(world->path);
    free(world);
}

/* --- acts ------------------------------------------------------------------------------------ */

static enum err plan_post(struct world *world, const struct model_post *model, int64_t amount,
                          struct posted *out)
{
    const struct account_book *cash;
    struct post                post = { .transaction_id = model->id,
                                        .amount = amount,
                                        .currency = BARE_USD,
                                        .at_us = world->clock.now_us,
                                        .actor = NULL };
    struct fault               fault = { 0 };

    bool pays = model->from >= 0 && model->to < 0 && model->amount % 2 == 0;
    char party[32];

    TRY(writer_book_of_bank(world->writer, pays ? ACCOUNT_SETTLEMENT : ACCOUNT_CASH, BARE_USD,
                            &cash, &fault));
    post.type = model->from < 0 ? TYPE_DEPOSIT : model->to < 0 ? TYPE_WITHDRAWAL : TYPE_TRANSFER;
    if (pays) { /* whom nobody has paid before, nearly always */
        snprintf(party, sizeof party, "merchant:%lld", (long long)model->amount);
        post.type = TYPE_PAYMENT;
        post.party = slice_from(party);
    }
    post.incoming = model->from < 0;
    post.account = world->numbers[model->from < 0 ? model->to : model->from];
    post.other = model->from < 0 || model->to < 0 ? cash->number : world->numbers[model->to];
    return writer_post(world->writer, &post, out, &fault);
}

/* A planned act of the group, and what the model must do when the group is durable. */
struct planned {
    size_t  post;
    int32_t status; /* of the post afterwards */
};

static void believe(struct world *world, const struct planned *planned)
{
    struct model_post *post = &world->posts[planned->post];
    bool               was_held = post->status == STATUS_HELD;

    if (post->from >= 0) {
        if (planned->status == STATUS_COMPLETED)
            world->balances[post->from] -= post->amount;
        if (planned->status == STATUS_HELD)
            world->held[post->from] += post->amount;
        if (was_held)
            world->held[post->from] -= post->amount;
    }
    if (post->to >= 0 && planned->status == STATUS_COMPLETED)
        world->balances[post->to] += post->amount;
    post->status = planned->status;
}

static size_t new_post(struct world *world)
{
    struct model_post *post = &world->posts[world->post_count];

    post->id = uuid_v7(world->clock.now_us);
    post->from = (int)random_below(&world->random, ACCOUNTS + 1) - 1;
    post->to = (int)random_below(&world->random, ACCOUNTS + 1) - 1;
    if (post->from == post->to)
        post->to = post->to < 0 ? 0 : -1;
    post->amount = (int64_t)random_below(&world->random, 12000) + 1;
    post->status = 0;
    return world->post_count++;
}

/* A post: new, or one that was sent before and whose answer may have been lost. */
static bool act_post(struct world *world, struct planned *out)
{
    bool          again = world->post_count > 0 && random_below(&world->random, 4) == 0;
    size_t        i = again ? random_below(&world->random, world->post_count) : new_post(world);
    struct posted posted;
    enum err      err = plan_post(world, &world->posts[i], world->posts[i].amount, &posted);

    if (err != ERR_none) {
        assert_int_equal(err, ERR_insufficient_funds);
        assert_int_equal(world->posts[i].status, 0);
        return false;
    }
    if (world->posts[i].status != 0)
        assert_true(posted.repeated);
    if (posted.repeated) {
        struct posted other;

        assert_int_equal(plan_post(world, &world->posts[i], world->posts[i].amount + 1, &other),
                         ERR_id_reused);
        return false;
    }
    out->post = i;
    out->status = posted.row->status;
    return true;
}

static bool act_decide(struct world *world, struct planned *out)
{
    size_t             i = random_below(&world->random, world->post_count);
    bool               release = random_below(&world->random, 2) == 0;
    struct decision    decision = { .transaction_id = world->posts[i].id,
                                    .operation = "test.decide",
                                    .status = release ? STATUS_COMPLETED : STATUS_REJECTED,
                                    .finding =
                                     release ? DECISION_FALSE_POSITIVE : DECISION_CONFIRMED_FRAUD,
                                    .reason = slice_from("a reason") };
    struct transaction row;
    struct fault       fault = { 0 };
    enum err           err = writer_decide(world->writer, &decision, &row, &fault);

    if (world->posts[i].status != STATUS_HELD) {
        assert_true(err == ERR_not_found || err == ERR_state_conflict);
        return false;
    }
    assert_int_equal(err, ERR_none);
    out->post = i;
    out->status = decision.status;
    return true;
}

/* Ids that are known, ids that nobody knows: looking ahead changes nothing. */
static void look_ahead(struct world *world)
{
    struct uuid ids[WRITER_EXPECT_MAX];
    size_t      n = random_below(&world->random, WRITER_EXPECT_MAX + 1);

    for (size_t i = 0; i < n; i++)
        ids[i] = random_below(&world->random, 3) == 0
                     ? uuid_v7(world->clock.now_us)
                     : world->account_ids[random_below(&world->random, ACCOUNTS)];
    writer_expect(world->writer, ids, n);
}

/* A group of acts and its commit; a failed one leaves the model as it was. Decisions are alone in
 * their group, because what they meet must be durable. */
static void run_group(struct world *world)
{
    struct planned planned[GROUP_MAX];
    size_t         n = 0;
    size_t         acts = random_below(&world->random, GROUP_MAX) + 1;
    struct fault   fault = { 0 };
    enum err       err;

    world->clock.now_us += (int64_t)random_below(&world->random, 10 * 1000 * 1000);
    look_ahead(world);
    if (world->post_count > 0 && random_below(&world->random, 2) == 0) {
        n += act_decide(world, &planned[n]) ? 1 : 0;
    } else {
        for (size_t i = 0; i < acts && world->post_count < POSTS_MAX; i++)
            n += act_post(world, &planned[n]) ? 1 : 0;
    }
    err = writer_commit(world->writer, &fault);
    if (err != ERR_none) {
        assert_int_equal(err, ERR_storage_full);
        return;
    }
    for (size_t i = 0; i < n; i++)
        believe(world, &planned[i]);
    if (random_below(&world->random, 20) == 0 && writer_idle(world->writer, &fault) != ERR_none)
        assert_int_equal(fault.err, ERR_storage_full);
}

/* --- what must hold --------------------------------------------------------------------------- */

static bool add_balance(void *context, const void *row)
{
    *(int64_t *)context += ((const struct account *)row)->book.balance;
    return true;
}

static void check_balances(struct world *world)
{
    struct account_filter all = { 0 };
    struct account_book   book;
    int64_t               sum = 0;

    for (int i = 0; i < ACCOUNTS; i++) {
        assert_int_equal(world->disk.real->book_by_number(world->store, world->numbers[i], &book),
                         ERR_none);
        assert_int_equal(book.balance, world->balances[i]);
        assert_int_equal(book.held, world->held[i]);
        assert_true(book.balance - book.held >= 0);
    }
    assert_int_equal(world->disk.real->accounts(world->store, &all, add_balance, &sum), ERR_none);
    assert_int_equal(sum, 0);
}

struct recount {
    int64_t counts[9][6], amounts[9][6]; /* type, status */
    int64_t held_amount;
};

static bool recount_row(void *context, const void *row)
{
    struct recount           *recount = context;
    const struct transaction *transaction = row;

    recount->counts[transaction->type][transaction->status]++;
    recount->amounts[transaction->type][transaction->status] += transaction->amount;
    return true;
}

static bool uncount_cell(void *context, const void *row)
{
    struct recount      *recount = context;
    const struct rollup *cell = row;
    int                  metric = cell->key.metric - METRIC_TRANSACTIONS;

    if (cell->key.metric < METRIC_TRANSACTIONS)
        return true;
    recount->counts[metric / 8][metric % 8] -= cell->count;
    recount->amounts[metric / 8][metric % 8] -= cell->amount;
    return true;
}

static void check_rollups(struct world *world)
{
    struct transaction_filter all = { .ascending = true };
    struct rollup_range       days = { .scale = ROLLUP_DAY,
                                       .bucket_to = INT32_MAX,
                                       .currency = BARE_USD };
    struct recount            recount = { 0 };
    int64_t                   stopped;

    assert_int_equal(
        world->disk.real->transactions(world->store, &all, recount_row, &recount, &stopped),
        ERR_none);
    assert_int_equal(world->disk.real->rollups(world->store, &days, uncount_cell, &recount),
                     ERR_none);
    for (int type = 0; type < 9; type++)
        for (int status = 0; status < 6; status++) {
            assert_int_equal(recount.counts[type][status], 0);
            assert_int_equal(recount.amounts[type][status], 0);
        }
}

static void check_chain(struct world *world)
{
    struct store_numbers numbers;
    uint8_t              before[CHAIN_HASH_BYTES] = { 0 };
    uint8_t              link[CHAIN_HASH_BYTES];

    assert_int_equal(world->disk.real->numbers(world->store, &numbers), ERR_none);
    for (int64_t sequence = 1; sequence <= numbers.head.sequence; sequence++) {
        struct transaction transaction;
        struct audit       audit;

        if (world->disk.real->transaction_by_sequence(world->store, sequence, &transaction) ==
            ERR_none) {
            chain_link_transaction(before, &transaction, link);
            assert_memory_equal(link, transaction.hash, sizeof link);
        } else {
            assert_int_equal(world->disk.real->audit_by_sequence(world->store, sequence, &audit),
                             ERR_none);
            chain_link_audit(before, &audit, link);
            assert_memory_equal(link, audit.hash, sizeof link);
        }
        memcpy(before, link, sizeof before);
    }
    assert_memory_equal(before, numbers.head.hash, sizeof before);
}

/* Every acknowledged post is there once, with its status; the others are not there at all, unless
 * their commit was acknowledged under another try. */
static void check_posts(struct world *world)
{
    struct transaction row;

    for (size_t i = 0; i < world->post_count; i++) {
        enum err err = world->disk.real->transaction_by_id(world->store, &world->posts[i].id, &row);

        assert_int_equal(err, world->posts[i].status == 0 ? ERR_not_found : ERR_none);
        if (err == ERR_none) {
            assert_int_equal(row.status, world->posts[i].status);
            assert_int_equal(row.amount, world->posts[i].amount);
        }
    }
}

struct made {
    struct world        *world;
    int64_t              entity;
    int64_t              seen; /* of the chain */
    struct fraud_profile profile;
    int64_t              findings;
    int64_t              releases;
};

/* Lets the profile see what was released from one place of the chain to another. */
static void observe_releases(struct made *made, int64_t from, int64_t before)
{
    const struct store_ops *ops = made->world->disk.real;
    struct store           *store = made->world->store;

    for (int64_t sequence = from; sequence < before; sequence++) {
        struct audit        audit;
        struct transaction  row;
        struct account_book debit;
        struct account_book credit;
        enum err            err = ops->audit_by_sequence(store, sequence, &audit);

        if (err == ERR_not_found || audit.set_status != STATUS_COMPLETED)
            continue;
        assert_int_equal(err, ERR_none);
        assert_int_equal(ops->transaction_by_sequence(store, audit.about_transaction, &row),
                         ERR_none);
        if (made->entity != entity_of_account(row.debit) &&
            made->entity != entity_of_account(row.credit))
            continue;
        assert_int_equal(ops->book_by_number(store, row.debit, &debit), ERR_none);
        assert_int_equal(ops->book_by_number(store, row.credit, &credit), ERR_none);
        profile_observe_release(&made->profile, made->entity, &row, &debit, &credit, audit.at_us);
        made->releases++;
    }
}

static bool observe_row(void *context, const void *visited)
{
    struct made              *made = context;
    const struct transaction *row = visited;
    struct store             *store = made->world->store;
    struct account_book       debit;
    struct account_book       credit;
    struct label              label;
    enum err                  err;

    if (made->entity != entity_of_account(row->debit) &&
        made->entity != entity_of_account(row->credit))
        return true;
    observe_releases(made, made->seen + 1, row->sequence);
    made->seen = row->sequence;
    assert_int_equal(made->world->disk.real->book_by_number(store, row->debit, &debit), ERR_none);
    assert_int_equal(made->world->disk.real->book_by_number(store, row->credit, &credit), ERR_none);
    err = made->world->disk.real->label_by_transaction(store, row->sequence, &label);
    assert_true(err == ERR_none || err == ERR_not_found);
    made->findings += err == ERR_none ? 1 : 0;
    profile_observe(&made->profile, made->entity, row, &debit, &credit,
                    err == ERR_none ? &label : NULL);
    return true;
}

static int64_t check_profile(struct world *world, int64_t entity)
{
    struct transaction_filter every = { .ascending = true };
    struct made               made = { .world = world, .entity = entity };
    struct store_numbers      numbers;
    struct fraud_profile      folded;
    int64_t                   last;

    fraud_profile_init(&made.profile);
    assert_int_equal(profile_current(world->store, entity, &folded, &last), ERR_none);
    assert_int_equal(
        world->disk.real->transactions(world->store, &every, observe_row, &made, &last), ERR_none);
    assert_int_equal(world->disk.real->numbers(world->store, &numbers), ERR_none);
    observe_releases(&made, made.seen + 1, numbers.head.sequence + 1);
    assert_memory_equal(made.profile.bytes, folded.bytes, FRAUD_PROFILE_BYTES);
    world->releases += made.releases;
    return made.findings;
}

/* Whatever was saved, lost or decided in between, a profile is what the ledger and the findings of
 * today make of it. Tells how many findings they have seen. */
static int64_t check_profiles(struct world *world)
{
    int64_t findings = 0;

    for (int i = 0; i < ACCOUNTS; i++) {
        struct fraud_profile saved, folded;
        uint8_t              bytes[LIMIT_PROFILE_BYTES];
        int64_t              last;
        size_t               n;
        int64_t              entity = entity_of_account(world->numbers[i]);

        assert_int_equal(profile_current(world->store, entity, &folded, &last), ERR_none);
        if (world->disk.real->profile_get(world->store, entity, &last, bytes, sizeof bytes, &n) ==
            ERR_none)
            assert_true(profile_unpack(bytes, n, &saved));
        findings += check_profile(world, entity);
    }
    return findings;
}

static void run_world(const struct store_ops *ops, int fail_percent, int groups)
{
    struct world *world = world_new(ops, fail_percent);

    for (int i = 0; i < groups; i++) {
        run_group(world);
        if (i % 16 == 0)
            check_balances(world);
        if (i % 100 == 99)
            (void)check_profiles(world);
        if (i % 100 == 50) { /* a restart: everything in memory is gone */
            int percent = world->disk.fail_percent;

            world->disk.fail_percent = i % 200 == 50 ? 100 : 0; /* once without saving anything */
            writer_close(&world->writer);
            world->disk.fail_percent = percent;
            open_writer(world);
        }
    }
    check_balances(world);
    check_rollups(world);
    check_chain(world);
    check_posts(world);
    assert_true(check_profiles(world) > 0);
    assert_true(world->releases > 0);
    assert_true(world->post_count > (size_t)groups);
    if (fail_percent > 0)
        assert_true(world->disk.failures > 0);
    world_free(world);
}

static void memory_store_agrees_with_the_model(void **state)
{
    (void)state;
    run_world(&store_memory, 0, 400);
}

static void memory_store_agrees_with_failures(void **state)
{
    (void)state;
    run_world(&store_memory, 20, 400);
}

static void sqlite_store_agrees_with_failures(void **state)
{
    (void)state;
    run_world(&store_sqlite, 20, 300);
}

static const struct account_book *book_of(struct world *world, int i)
{
    const struct account_book *book;

    assert_int_equal(writer_book(world->writer, world->numbers[i], &book, NULL), ERR_none);
    return book;
}

static void freeze(struct world *world, int i, int64_t until_us)
{
    struct account_book before = *book_of(world, i);
    struct account_book after = before;
    struct draft       *draft = writer_draft(world->writer);
    struct act          act = { .kind = AUDIT_ACTION,
                                .operation = "account.freeze",
                                .subject = &before.account_id };

    after.status = ACCOUNT_FROZEN;
    after.freeze_direction = FREEZE_BOTH;
    after.freeze_until_us = until_us;
    after.version++;
    writer_change_book(draft, &before, &after, true);
    writer_audit(world->writer, draft, &act);
    writer_add(world->writer, draft);
    assert_int_equal(writer_commit(world->writer, NULL), ERR_none);
}

/* Only when its time is over, and only where there is one. */
static void freezes_end(const struct store_ops *ops)
{
    struct world *world = world_new(ops, 0);
    int64_t       until_us = world->clock.now_us + US_PER_HOUR;

    freeze(world, 1, until_us);
    freeze(world, 2, 0);
    for (int i = 1; i >= 0; i--) {
        world->clock.now_us = until_us - i;
        assert_int_equal(writer_expire(world->writer), ERR_none);
        assert_int_equal(writer_commit(world->writer, NULL), ERR_none);
        assert_int_equal(book_of(world, 1)->status, i == 1 ? ACCOUNT_FROZEN : ACCOUNT_ACTIVE);
        assert_int_equal(book_of(world, 2)->status, ACCOUNT_FROZEN);
    }
    world_free(world);
}

static void freezes_end_when_their_time_is_over(void **state)
{
    (void)state;
    freezes_end(&store_memory);
    freezes_end(&store_sqlite);
}

/* A commit that may change a holder's name makes the names that readers share old; others do not,
 * and neither does one that failed. */
static void names_are_old_after_a_commit_that_changes_them(void **state)
{
    struct world *world = world_new(&store_memory, 0);
    struct act    act = { .kind = AUDIT_ACTION, .operation = "user.add" };
    struct draft *draft;
    uint32_t      version;

    (void)state;
    assert_int_equal(bank_keep_names(&world->bank), ERR_none);
    version = names_version(world->bank.names);
    run_group(world);
    assert_int_equal(names_version(world->bank.names), version);
    for (int percent = 100; percent >= 0; percent -= 100) {
        world->disk.fail_percent = percent;
        draft = writer_draft(world->writer);
        memset(&draft->user, 0, sizeof draft->user);
        draft->user.number = writer_next_user(world->writer);
        draft->user.user_id = uuid_v7(world->clock.now_us);
        draft->change.user = &draft->user;
        writer_audit(world->writer, draft, &act);
        writer_add(world->writer, draft);
        if (percent > 0)
            assert_int_not_equal(writer_commit(world->writer, NULL), ERR_none);
        else
            assert_int_equal(writer_commit(world->writer, NULL), ERR_none);
        assert_int_equal(names_version(world->bank.names), version + (percent == 0));
    }
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_old_after_a_commit_that_changes_them),
        cmocka_unit_test(freezes_end_when_their_time_is_over),
        cmocka_unit_test(memory_store_agrees_with_the_model),
        cmocka_unit_test(memory_store_agrees_with_failures),
        cmocka_unit_test(sqlite_store_agrees_with_failures),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
