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
        cmocka_unit_test(an_unknown_entity_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
