/* Plans postings the way the writer does, but with nothing to decide: every posting is taken as
 * the test wants it. Ids come from a seeded generator, so a failing run can be run again. */
#include "tests/lib/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/check.h"
#include "common/clock.h"

void world_open(struct world *world, const struct store_ops *ops, const char *name)
{
    struct store_config config = { .cache_kib = 32 * 1024, .exclusive = true };
    struct fault        fault = { 0 };

    memset(world, 0, sizeof *world);
    world->ops = ops;
    world->keep = true;
    world->random = random_start(name);
    if (ops == &store_sqlite) {
        const char *base = getenv("BANK_TEST_DIR");

        snprintf(world->folder, sizeof world->folder, "%s/bank-test-XXXXXX",
                 base != NULL ? base : "/tmp");
        CHECK(mkdtemp(world->folder) != NULL);
        snprintf(world->path, sizeof world->path, "%s/bank.db", world->folder);
    }
    config.path = world->path;
    CHECK(ops->open(&config, STORE_CREATE, &world->store, &fault) == ERR_none);
    world->plans = calloc(LIMIT_BATCH_MAX, sizeof world->plans[0]);
    CHECK(world->plans != NULL);
    for (size_t i = 0; i < LIMIT_BATCH_MAX; i++)
        world->changes[i] = &world->plans[i].change;
}

void world_close(struct world *world)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };

    world->ops->close(&world->store);
    for (size_t i = 0; world->folder[0] != '\0' && i < ARRAY_COUNT(suffixes); i++) {
        char file[128];

        snprintf(file, sizeof file, "%s%s", world->path, suffixes[i]);
        unlink(file);
    }
    if (world->folder[0] != '\0')
        rmdir(world->folder);
    free(world->books);
    free(world->transactions);
    free(world->plans);
}

struct store *world_handle(struct world *world, enum store_mode mode)
{
    struct store_config config = { .path = world->path, .cache_kib = 4096, .shared = world->store };
    struct store       *store;

    CHECK(world->ops->open(&config, mode, &store, NULL) == ERR_none);
    return store;
}

struct uuid world_id(struct world *world)
{
    uint64_t bits[2] = { random_next(&world->random), random_next(&world->random) };
    uint8_t  tail[10];

    memcpy(tail, bits, sizeof tail);
    return uuid_v7_derived(WORLD_BEGIN_US + world->head.sequence * 1000, tail);
}

struct plan *world_plan(struct world *world)
{
    struct plan *plan = &world->plans[world->planned];

    CHECK(world->planned < LIMIT_BATCH_MAX);
    if (world->planned++ == 0)
        world->before = world->head;
    plan->change.account_count = 0;
    plan->change.update_count = 0;
    plan->change.rollup_count = 0;
    plan->change.record_count = 0;
    plan->change.transaction = NULL;
    plan->change.audit = NULL;
    plan->change.alert = NULL;
    plan->change.alert_update = NULL;
    plan->change.hit = NULL;
    plan->change.user = NULL;
    plan->change.customer = NULL;
    plan->change.account = NULL;
    plan->change.party = NULL;
    plan->change.party_number = 0;
    plan->change.label = NULL;
    plan->change.rule_set = NULL;
    plan->change.rule_text = slice_of(NULL, 0);
    plan->change.card_text = slice_of(NULL, 0);
    plan->change.rule_set_update_count = 0;
    return plan;
}

/* The head's hash only has to differ from link to link here. */
int64_t world_next(struct world *world)
{
    world->head.sequence++;
    memcpy(world->head.hash, &world->head.sequence, sizeof world->head.sequence);
    return world->head.sequence;
}

static enum err apply(struct world *world, size_t *failed, struct fault *fault)
{
    struct commit commit = { .before = world->before,
                             .after = world->head,
                             .changes = world->changes,
                             .count = world->planned };
    enum err      err;

    CHECK(world->planned > 0);
    world->planned = 0;
    err = world->ops->apply(world->store, &commit, failed, fault);
    if (err != ERR_none)
        world->head = commit.before;
    return err;
}

enum err world_try(struct world *world, size_t *failed)
{
    return apply(world, failed, NULL);
}

void world_commit(struct world *world)
{
    struct fault fault = { 0 };
    size_t       failed = 0;
    enum err     err = apply(world, &failed, &fault);

    if (err != ERR_none)
        fprintf(stderr, "change %zu: %s %s\n", failed, err_name(err), fault.text);
    CHECK(err == ERR_none);
}

static void books_grow(struct world *world)
{
    if (world->account_count < world->account_capacity)
        return;
    world->account_capacity = world->account_capacity == 0 ? 64 : world->account_capacity * 2;
    world->books = realloc(world->books, world->account_capacity * sizeof world->books[0]);
    CHECK(world->books != NULL);
}

void world_accounts(struct world *world, size_t count)
{
    size_t wanted = world->account_count + count + (world->account_count == 0);

    while (world->account_count < wanted) {
        struct plan         *plan = world_plan(world);
        struct account_book *book = &plan->account.book;

        books_grow(world);
        memset(&plan->account, 0, sizeof plan->account);
        book->number = (int64_t)++world->account_count;
        book->account_id = world_id(world);
        book->kind = book->number == WORLD_CASH ? ACCOUNT_CASH : ACCOUNT_CUSTOMER;
        book->status = ACCOUNT_ACTIVE;
        book->currency = WORLD_CURRENCY;
        book->version = 1;
        book->created_at_us = WORLD_BEGIN_US;
        world->books[world->account_count - 1] = *book;
        snprintf(plan->account.name, sizeof plan->account.name, "Account %d", (int)book->number);
        plan->change.account = &plan->account;
        if (world->planned == LIMIT_BATCH_MAX || world->account_count == wanted)
            world_commit(world);
    }
}

void world_parties(struct world *world, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct plan  *plan = world_plan(world);
        struct party *party = &world->parties[world->party_count];

        CHECK(world->party_count < WORLD_PARTIES_MAX);
        *party = (struct party){ .number = (int64_t)++world->party_count,
                                 .created_at_us = WORLD_BEGIN_US };
        snprintf(party->key, sizeof party->key, "terminal:%d", (int)party->number);
        plan->party = *party;
        plan->change.party = &plan->party;
    }
    world_commit(world);
}

static void rollup_add(struct change *change, uint8_t scale, uint16_t metric, int32_t bucket,
                       int64_t amount)
{
    change->rollups[change->rollup_count++] = (struct rollup){
        .key = { .scale = scale, .currency = WORLD_CURRENCY, .metric = metric, .bucket = bucket },
        .count = 1,
        .amount = amount,
    };
}

static void post_rollups(struct change *change, const struct transaction *transaction)
{
    uint16_t metric = metric_of_transaction(transaction->type, transaction->status);
    int32_t  day = (int32_t)time_day(transaction->at_us);
    int32_t  hour = (int32_t)(transaction->at_us / US_PER_HOUR);

    rollup_add(change, ROLLUP_DAY, metric, day, transaction->amount);
    rollup_add(change, ROLLUP_HOUR, metric, hour, transaction->amount);
    rollup_add(change, ROLLUP_DAY, metric_of_score(transaction->score), day, 0);
    rollup_add(change, ROLLUP_HOUR, metric_of_score(transaction->score), hour, 0);
    rollup_add(change, ROLLUP_ALL, METRIC_BALANCE, 0, transaction->amount);
}

static void post_side(struct world *world, struct change *change, int64_t number, int64_t moved,
                      const struct transaction *transaction)
{
    struct account_book   *book = &world->books[number - 1];
    struct account_change *side = &change->accounts[change->account_count++];

    side->version_before = book->version++;
    if (transaction->status == STATUS_COMPLETED)
        book->balance += moved;
    book->last_sequence = transaction->sequence;
    book->last_at_us = transaction->at_us;
    book->transactions++;
    side->after = *book;
    side->terms_changed = false;
}

struct plan *world_post(struct world *world, int64_t debit, int64_t credit, int64_t amount,
                        int64_t at_us, int32_t status)
{
    struct plan        *plan = world_plan(world);
    struct transaction *t = &plan->transaction;

    memset(t, 0, sizeof *t);
    t->sequence = world_next(world);
    t->transaction_id = world_id(world);
    t->type = 1 + (int32_t)(world->head.sequence % 3);
    t->initial_status = status;
    t->status = status;
    t->debit = debit;
    t->credit = credit;
    t->currency = WORLD_CURRENCY;
    t->amount = amount;
    t->at_us = at_us;
    t->posted_at_us = WORLD_BEGIN_US + world->head.sequence;
    t->verdict = VERDICT_APPROVE;
    t->score = (int32_t)(amount % 1000);
    t->rule_set = 1;
    t->debit_previous = world->books[debit - 1].last_sequence;
    t->credit_previous = world->books[credit - 1].last_sequence;
    t->hold_expires_at_us = status == STATUS_HELD ? at_us + US_PER_DAY : 0;
    memcpy(t->hash, world->head.hash, sizeof t->hash);
    post_side(world, &plan->change, debit, -amount, t);
    post_side(world, &plan->change, credit, amount, t);
    t->debit_balance = world->books[debit - 1].balance;
    t->credit_balance = world->books[credit - 1].balance;
    post_rollups(&plan->change, t);
    plan->change.transaction = t;
    if (!world->keep)
        return plan;
    if (world->transaction_count == world->transaction_capacity) {
        world->transaction_capacity = world->transaction_capacity * 2 + 64;
        world->transactions = realloc(world->transactions, world->transaction_capacity * sizeof *t);
        CHECK(world->transactions != NULL);
    }
    world->transactions[world->transaction_count++] = *t;
    return plan;
}

struct plan *world_post_random(struct world *world)
{
    static const int32_t     statuses[] = { STATUS_COMPLETED, STATUS_COMPLETED, STATUS_COMPLETED,
                                            STATUS_HELD, STATUS_DECLINED };
    static const char *const words[] = { "Rent", "Salary", "coffee 50%", "Gift_card", "" };
    struct random           *random = &world->random;
    int64_t                  debit = 1 + (int64_t)random_below(random, world->account_count);
    int64_t                  credit = 1 + (int64_t)random_below(random, world->account_count - 1);
    int64_t                  at_us = WORLD_BEGIN_US + (int64_t)random_below(random, 1000);
    struct plan             *plan;
    struct transaction      *t;

    at_us += (int64_t)random_below(random, 40) * US_PER_DAY / 4;
    credit += credit >= debit;
    plan = world_post(world, debit, credit, 1 + (int64_t)random_below(random, 60), at_us,
                      statuses[random_below(random, ARRAY_COUNT(statuses))]);
    t = &plan->transaction;
    t->flagged = random_below(random, 8) == 0;
    snprintf(t->description, sizeof t->description, "%s",
             words[random_below(random, ARRAY_COUNT(words))]);
    if (random_below(random, 4) == 0)
        snprintf(t->external_id, sizeof t->external_id, "EXT-%d", (int)t->sequence);
    if (world->party_count > 0 && random_below(random, 2) == 0) {
        struct party *party = &world->parties[random_below(random, world->party_count)];

        t->party = party->number;
        t->party_previous = party->last_sequence;
        party->last_sequence = t->sequence;
        party->transactions++;
        plan->change.party_number = party->number;
    }
    t->decision_size = (uint16_t)random_below(random, 80);
    memset(t->decision, (int)t->sequence & 0xff, t->decision_size);
    if (world->keep)
        world->transactions[world->transaction_count - 1] = *t;
    return plan;
}

struct plan *world_audit(struct world *world, const char *operation)
{
    struct plan  *plan = world_plan(world);
    struct audit *audit = &plan->audit;

    memset(audit, 0, sizeof *audit);
    audit->sequence = world_next(world);
    audit->at_us = WORLD_BEGIN_US + world->head.sequence;
    audit->kind = AUDIT_ACTION;
    snprintf(audit->operation, sizeof audit->operation, "%s", operation);
    snprintf(audit->outcome, sizeof audit->outcome, "done");
    plan->change.audit = audit;
    return plan;
}
