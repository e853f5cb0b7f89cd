/* Profiles from the chain: a profile that was saved at any moment, lost or never saved comes to
 * the same bytes as the one that observed every transaction as it came. Runs on both stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "bankd/profile.h"
#include "tests/lib/seed.h"

static void expect_current(struct seed *seed, int64_t entity, int64_t newest)
{
    struct fraud_profile profile;
    int64_t last_sequence = -1;

    assert_int_equal(profile_current(seed->store, entity, &profile, &last_sequence), ERR_none);
    assert_int_equal(last_sequence, newest);
    assert_memory_equal(profile.bytes, seed->profiles[entity].bytes, FRAUD_PROFILE_BYTES);
}

static void expect_all(struct seed *seed)
{
    for (size_t i = 0; i < seed->account_count; i++) {
        const struct account_book *book = &seed->accounts[i].book;
        if (book->kind == ACCOUNT_CUSTOMER)
            expect_current(seed, entity_of_account(book->number), book->last_sequence);
    }
    for (size_t i = 0; i < seed->party_count; i++)
        expect_current(seed, entity_of_party(seed->parties[i].number),
                       seed->parties[i].last_sequence);
}

static void save_some(struct seed *seed)
{
    for (size_t i = 6; i < seed->account_count; i++) {
        if (seed_below(seed, 3) == 0)
            seed_save_profile(seed, entity_of_account((int64_t)i + 1));
    }
    if (seed->party_count > 0)
        seed_save_profile(seed, entity_of_party(1));
}

static void check_folds(enum seed_kind kind)
{
    struct seed *seed = seed_open(kind);

    expect_all(seed);
    for (int round = 0; round < 4; round++) {
        seed_fill(seed, 90);
        expect_all(seed);
        save_some(seed);
        expect_all(seed);
    }
    seed_close(&seed);
}

static void saved_or_not_a_profile_is_the_same(void **state)
{
    (void)state;
    check_folds(SEED_MEMORY);
    check_folds(SEED_SQLITE);
}

/* All payments go to one party, so that its chain is longer than one segment. */
static void a_long_chain_is_folded_in_order(void **state)
{
    (void)state;
    struct seed *seed = seed_open(SEED_MEMORY);

    seed->parties_in_use = 1;
    seed_fill(seed, 1900);
    assert_true(seed->parties[0].transactions > PROFILE_SEGMENT);
    expect_all(seed);
    seed_close(&seed);
}

/* What an older bank has saved is of another layout: it is not read, whatever its bytes say. */
static void a_profile_of_an_older_version_is_made_again(void **state)
{
    (void)state;
    struct seed *seed = seed_open(SEED_SQLITE);

    seed_fill(seed, 200);
    for (size_t i = 6; i < seed->account_count; i++) {
        int64_t entity = entity_of_account((int64_t)i + 1);
        struct fraud_profile kept = seed->profiles[entity];
        seed->profiles[entity].bytes[4]--; /* the version stands behind four bytes */
        seed->profiles[entity].bytes[200] ^= 0x5a;
        seed_save_profile(seed, entity);
        seed->profiles[entity] = kept;
    }
    expect_all(seed);
    seed_close(&seed);
}

struct rejudged {
    struct seed *seed;
    size_t count;
    size_t released;
};

static bool is_released(const struct transaction *row)
{
    return row->initial_status == STATUS_HELD && row->status == STATUS_COMPLETED;
}

/* Judged anew from the profiles of that moment, the decision is the same byte for byte. */
static void expect_same_decision(struct rejudged *rejudged, const struct transaction *row)
{
    static struct fraud_verdict verdict;
    const struct profile_bounds bounds = {.rows_max = INT64_MAX};
    struct store *store = rejudged->seed->store;
    struct fraud_profile subject;
    struct fraud_profile counterparty;
    struct account_book debit;
    struct account_book credit;
    struct fraud_event event;

    assert_int_equal(store->ops->book_by_number(store, row->debit, &debit), ERR_none);
    assert_int_equal(store->ops->book_by_number(store, row->credit, &credit), ERR_none);
    profile_event(row, &debit, &credit, &event);
    event.status = 0;
    assert_int_equal(profile_before(store, row, profile_subject(row), &bounds, &subject), ERR_none);
    if (event.counterparty != 0)
        assert_int_equal(profile_before(store, row, event.counterparty, &bounds, &counterparty),
                         ERR_none);
    fraud_judge(rejudged->seed->rules, &subject, event.counterparty != 0 ? &counterparty : NULL,
                &event, false, &verdict);
    assert_int_equal(verdict.decision_size, row->decision_size);
    assert_memory_equal(verdict.decision, row->decision, row->decision_size);
    rejudged->count++;
}

static bool collect_judged(void *context, const void *visited)
{
    struct rejudged *rejudged = context;
    const struct transaction *row = visited;

    if (row->rule_set != 0)
        expect_same_decision(rejudged, row);
    rejudged->released += is_released(row) ? 1 : 0;
    return true;
}

/* Also of what was judged before a release, after it, and between the hold and its release. */
static void every_decision_can_be_made_again(void **state)
{
    (void)state;
    struct seed *seed = seed_open(SEED_MEMORY);
    struct transaction_filter every = {.ascending = true};
    struct rejudged rejudged = {.seed = seed};
    int64_t stopped_at;

    seed_fill(seed, 700);
    assert_int_equal(
        seed->store->ops->transactions(seed->store, &every, collect_judged, &rejudged, &stopped_at),
        ERR_none);
    assert_true(rejudged.count > 500);
    assert_true(rejudged.released > 0);
    seed_close(&seed);
}

static void an_unknown_entity_is_not_found(void **state)
{
    (void)state;
    struct seed *seed = seed_open(SEED_MEMORY);
    struct fraud_profile profile;
    int64_t last = 0;

    assert_int_equal(profile_current(seed->store, entity_of_account(99999), &profile, &last),
                     ERR_not_found);
    assert_int_equal(profile_current(seed->store, entity_of_party(99999), &profile, &last),
                     ERR_not_found);
    seed_close(&seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saved_or_not_a_profile_is_the_same),
        cmocka_unit_test(a_long_chain_is_folded_in_order),
        cmocka_unit_test(a_profile_of_an_older_version_is_made_again),
        cmocka_unit_test(every_decision_can_be_made_again),
        cmocka_unit_test(an_unknown_entity_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
