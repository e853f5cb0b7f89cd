/* Reading ahead shows what reading shows: every row, each once, in the ledger's order; it ends when
 * the one that looks has seen enough, and with what the store fails with. Also run with the thread
 * sanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bankd/learn/ahead.h"
#include "bankd/learn/backtest.h"
#include "common/check.h"
#include "tests/lib/seed.h"

enum { POSTED = 1500, BROKEN_AFTER = 700 };

static_assert(POSTED > LIMIT_AHEAD_BATCHES * LIMIT_AHEAD_ROWS, "the ring goes round");

static const struct transaction_filter every = { .ascending = true };

struct watch {
    struct seed        *seed;
    struct transaction *rows; /* as they are read without a thread */
    size_t              count, seen;
    size_t              wanted; /* 0 = all */
    int64_t             released;
};

static bool keep(void *context, const void *row)
{
    struct watch *watch = context;

    assert_true(watch->count < SEED_TRANSACTIONS_MAX);
    watch->rows[watch->count++] = *(const struct transaction *)row;
    return true;
}

static bool compare(void *context, const struct transaction *row,
                    const struct profile_release *release)
{
    struct watch             *watch = context;
    const struct transaction *is = &watch->rows[watch->seen];
    size_t                    behind = offsetof(struct transaction, decision) + sizeof is->decision;

    assert_true(watch->seen++ < watch->count);
    assert_memory_equal(row, is, offsetof(struct transaction, external_id));
    assert_string_equal(row->external_id, is->external_id);
    assert_string_equal(row->description, is->description);
    assert_int_equal(row->decision_size, is->decision_size);
    assert_memory_equal(row->decision, is->decision, is->decision_size);
    assert_memory_equal((const char *)row + behind, (const char *)is + behind,
                        offsetof(struct transaction, reversed_by) + sizeof is->reversed_by -
                            behind);
    watch->released += release->sequence != 0 ? 1 : 0;
    return watch->seen != watch->wanted;
}

static void open_watch(struct watch *watch, enum seed_kind kind)
{
    int64_t stopped_at;

    *watch = (struct watch){ .seed = seed_open(kind) };
    watch->rows = calloc(SEED_TRANSACTIONS_MAX, sizeof *watch->rows);
    assert_non_null(watch->rows);
    seed_fill(watch->seed, POSTED);
    assert_int_equal(
        watch->seed->store->ops->transactions(watch->seed->store, &every, keep, watch, &stopped_at),
        ERR_none);
    assert_true(watch->count >= POSTED);
}

static void close_watch(struct watch *watch)
{
    free(watch->rows);
    seed_close(&watch->seed);
}

static void all_rows_are_shown(enum seed_kind kind)
{
    struct watch           watch;
    struct profile_release release;
    int64_t                released = 0;

    open_watch(&watch, kind);
    assert_int_equal(ahead_read(watch.seed->store, &every, compare, &watch), ERR_none);
    assert_int_equal(watch.seen, watch.count);
    for (size_t i = 0; i < watch.count; i++) {
        assert_int_equal(profile_release_of(watch.seed->store, &watch.rows[i], &release), ERR_none);
        released += release.sequence != 0 && watch.rows[i].rule_set != 0 ? 1 : 0;
    }
    assert_true(released > 0);
    assert_int_equal(watch.released, released);
    close_watch(&watch);
}

static void test_all_rows_are_shown_in_memory(void **state)
{
    (void)state;
    all_rows_are_shown(SEED_MEMORY);
}

static void test_all_rows_are_shown_in_sqlite(void **state)
{
    (void)state;
    all_rows_are_shown(SEED_SQLITE);
}

static void test_whoever_has_seen_enough_ends_it(void **state)
{
    const size_t counts[] = { 1, LIMIT_AHEAD_ROWS, LIMIT_AHEAD_ROWS + 1, POSTED };
    struct watch watch;

    (void)state;
    open_watch(&watch, SEED_SQLITE);
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        watch.seen = 0;
        watch.wanted = counts[i];
        assert_int_equal(ahead_read(watch.seed->store, &every, compare, &watch), ERR_none);
        assert_int_equal(watch.seen, counts[i]);
    }
    close_watch(&watch);
}

/* --- a store that fails ---------------------------------------------------------------------- */

struct broken {
    store_visit *visit;
    void        *context;
    size_t       shown;
};

static const struct store_ops *whole;

static bool show_some(void *context, const void *row)
{
    struct broken *broken = context;

    return broken->shown++ < BROKEN_AFTER && broken->visit(broken->context, row);
}

static enum err fail_on_the_way(struct store *store, const struct transaction_filter *filter,
                                store_visit *visit, void *context, int64_t *stopped_at)
{
    struct broken broken = { .visit = visit, .context = context };
    enum err      err = whole->transactions(store, filter, show_some, &broken, stopped_at);

    return err != ERR_none ? err : ERR_storage_corrupt;
}

static void test_a_failure_comes_behind_the_rows_before_it(void **state)
{
    struct watch     watch;
    struct store_ops ops;

    (void)state;
    open_watch(&watch, SEED_SQLITE);
    whole = watch.seed->store->ops;
    ops = *whole;
    ops.transactions = fail_on_the_way;
    watch.seed->store->ops = &ops;
    assert_int_equal(ahead_read(watch.seed->store, &every, compare, &watch), ERR_storage_corrupt);
    assert_int_equal(watch.seen, BROKEN_AFTER);
    watch.seed->store->ops = whole;
    close_watch(&watch);
}

/* --- back tests ------------------------------------------------------------------------------ */

static void test_a_back_test_says_the_same(void **state)
{
    static struct backtest_result plain, ahead;

    struct seed            *seed = seed_open(SEED_SQLITE);
    atomic_bool             cancel = false;
    struct backtest_options options = {
        .replay = { .store = seed->store, .entities_max = 1000, .cancel = &cancel },
        .rules = seed->rules,
        .from_us = INT64_MIN,
        .cards = 100
    };

    (void)state;
    seed_fill(seed, POSTED);
    assert_int_equal(backtest_run(&options, &plain, &seed->fault), ERR_none);
    options.replay.read_ahead = true;
    assert_int_equal(backtest_run(&options, &ahead, &seed->fault), ERR_none);
    assert_true(plain.judged > 0 && plain.alerts.count > 0);
    assert_memory_equal(&ahead, &plain, sizeof plain);
    options.replay.entities_max = 3;
    assert_int_equal(backtest_run(&options, &ahead, &seed->fault), ERR_message_too_large);
    options.replay.entities_max = 1000;
    atomic_store(&cancel, true);
    assert_int_equal(backtest_run(&options, &ahead, &seed->fault), ERR_cancelled);
    seed_close(&seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_rows_are_shown_in_memory),
        cmocka_unit_test(test_all_rows_are_shown_in_sqlite),
        cmocka_unit_test(test_whoever_has_seen_enough_ends_it),
        cmocka_unit_test(test_a_failure_comes_behind_the_rows_before_it),
        cmocka_unit_test(test_a_back_test_says_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
