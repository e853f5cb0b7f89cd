/* The rule sets that a bank keeps in memory: they make room for each other, never while somebody
 * uses them, and threads may ask for them side by side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>

#include "tests/lib/seed.h"

enum { SETS = 40, THREADS = 4, TURNS = 400 };

static void add_sets(struct seed *seed)
{
    struct rule_set first;
    struct buf text;
    size_t failed = 0;
    buf_init(&text, LIMIT_RULES_FILE_MAX);
    assert_int_equal(seed->store->ops->rule_set_get(seed->store, 1, &first, &text, NULL),
                     ERR_none);
    for (int64_t number = 2; number <= SETS; number++) {
        struct rule_set row = {
            .number = number, .state = RULES_PROPOSED, .hash = {(uint8_t)number}};
        struct change change = {.rule_set = &row, .rule_text = slice_of(text.at, text.n)};
        struct change *changes[] = {&change};
        struct commit commit = {
            .before = seed->head, .after = seed->head, .changes = changes, .count = 1};
        assert_int_equal(seed->store->ops->apply(seed->store, &commit, &failed, &seed->fault),
                         ERR_none);
    }
    buf_free(&text);
}

static void sets_make_room_for_others_unless_they_are_used(void **state)
{
    (void)state;
    struct seed *seed = seed_open(SEED_MEMORY);
    const struct fraud_rules *held[BANK_RULE_SETS_MAX];
    const struct fraud_rules *rules = NULL;

    add_sets(seed);
    for (int64_t i = 0; i < BANK_RULE_SETS_MAX; i++)
        assert_int_equal(bank_rules(&seed->bank, seed->store, i + 1, &held[i]), ERR_none);
    assert_int_equal(bank_rules(&seed->bank, seed->store, SETS, &rules), ERR_busy);
    assert_int_equal(bank_rules(&seed->bank, seed->store, 3, &rules), ERR_none);
    assert_ptr_equal(rules, held[2]);
    bank_rules_release(&seed->bank, rules);
    bank_rules_release(&seed->bank, held[4]);
    assert_int_equal(bank_rules(&seed->bank, seed->store, SETS, &held[4]), ERR_none);
    assert_int_equal(bank_rules(&seed->bank, seed->store, 999, &rules), ERR_not_found);
    for (size_t i = 0; i < BANK_RULE_SETS_MAX; i++)
        bank_rules_release(&seed->bank, held[i]);
    bank_rules_release(&seed->bank, NULL);
    seed_close(&seed);
}

struct turn {
    struct seed *seed;
    uint64_t random;
    int failures;
};

/* Each thread reads through its own handle, as readers do. */
static void *take_turns(void *context)
{
    struct turn *turn = context;
    struct store_config config = {.shared = turn->seed->store};
    struct store *store = NULL;
    struct fault fault;
    if (store_memory.open(&config, STORE_READ, &store, &fault) != ERR_none) {
        turn->failures++;
        return NULL;
    }
    for (int i = 0; i < TURNS; i++) {
        const struct fraud_rules *rules = NULL;
        turn->random = turn->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        int64_t number = 1 + (int64_t)((turn->random >> 33) % SETS);
        turn->failures += bank_rules(&turn->seed->bank, store, number, &rules) != ERR_none;
        turn->failures += rules == NULL || fraud_rules_count(rules) != 4;
        bank_rules_release(&turn->seed->bank, rules);
    }
    store->ops->close(&store);
    return NULL;
}

static void threads_share_the_sets(void **state)
{
    (void)state;
    struct seed *seed = seed_open(SEED_MEMORY);
    pthread_t threads[THREADS];
    struct turn turns[THREADS];

    add_sets(seed);
    for (size_t i = 0; i < THREADS; i++) {
        turns[i] = (struct turn){.seed = seed, .random = i};
        assert_int_equal(pthread_create(&threads[i], NULL, take_turns, &turns[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(turns[i].failures, 0);
    }
    seed_close(&seed);
}

static void thresholds_are_in_the_currencys_units(void **state)
{
    (void)state;
    struct bank bank;
    struct bank_settings settings = {.high_value_major = 3000, .large_major = INT64_MAX / 50};

    bank_init(&bank, &settings);
    assert_int_equal(bank_high_value(&bank, SEED_USD), 300000);
    assert_int_equal(bank_high_value(&bank, SEED_JPY), 3000);
    assert_int_equal(bank_large(&bank, SEED_USD), INT64_MAX);
    assert_int_equal(bank_large(&bank, SEED_JPY), INT64_MAX / 50);
    bank_free(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_make_room_for_others_unless_they_are_used),
        cmocka_unit_test(threads_share_the_sets),
        cmocka_unit_test(thresholds_are_in_the_currencys_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
