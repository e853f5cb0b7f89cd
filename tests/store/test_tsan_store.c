/* Handles on several threads: one writes, two read, one moves the log. Every snapshot that a
 * reader holds must be whole: balances add up to zero, the newest transaction is the head, and what
 * the accounts count is what the list shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "tests/lib/world.h"

enum { GROUPS = 60, GROUP = 20, READERS = 2, ACCOUNTS = 7 };

struct side {
    struct store *store;
    atomic_bool  *stop;
    int64_t       snapshots;
    int64_t       newest;
};

struct sum {
    int64_t rows;
    int64_t newest;
};

static bool sum_row(void *context, const void *row)
{
    const struct transaction *transaction = row;
    struct sum               *sum = context;

    sum->rows++;
    if (transaction->sequence > sum->newest)
        sum->newest = transaction->sequence;
    return true;
}

/* CHECK and not assert: cmocka's asserts belong to the thread that runs the test. */
static void look_at_snapshot(struct side *side)
{
    static const struct transaction_filter all = { 0 };
    struct store_numbers                   numbers;
    struct account_book                    book;
    struct sum                             sum = { 0 };
    int64_t                                balance = 0;
    int64_t                                named = 0;

    CHECK(side->store->ops->snapshot_begin(side->store) == ERR_none);
    CHECK(side->store->ops->numbers(side->store, &numbers) == ERR_none);
    for (int64_t i = 1; i <= numbers.account; i++) {
        CHECK(side->store->ops->book_by_number(side->store, i, &book) == ERR_none);
        balance += book.balance;
        named += book.transactions;
    }
    CHECK(side->store->ops->transactions(side->store, &all, sum_row, &sum, NULL) == ERR_none);
    side->store->ops->snapshot_end(side->store);
    CHECK(balance == 0);
    CHECK(named == 2 * sum.rows);
    CHECK(sum.newest == numbers.head.sequence);
    CHECK(sum.newest >= side->newest); /* time does not run backwards */
    side->newest = sum.newest;
    side->snapshots++;
}

static void *read_on(void *context)
{
    struct side *side = context;

    do
        look_at_snapshot(side);
    while (!atomic_load(side->stop));
    look_at_snapshot(side);
    return NULL;
}

static void *move_on(void *context)
{
    struct side *side = context;

    while (!atomic_load(side->stop)) {
        (void)side->store->ops->changed(side->store);
        CHECK(side->store->ops->checkpoint(side->store) == ERR_none);
    }
    return NULL;
}

static void read_while_writing(const struct store_ops *ops)
{
    struct world world;
    struct side  sides[READERS + 1];
    pthread_t    threads[READERS + 1];
    atomic_bool  stop = false;

    world_open(&world, ops, __func__);
    world_accounts(&world, ACCOUNTS);
    for (size_t i = 0; i <= READERS; i++) {
        sides[i] = (struct side){ .store = world_handle(&world, STORE_READ), .stop = &stop };
        CHECK(pthread_create(&threads[i], NULL, i < READERS ? read_on : move_on, &sides[i]) == 0);
    }
    for (int i = 0; i < GROUPS; i++) {
        for (int j = 0; j < GROUP; j++)
            world_post_random(&world);
        world_commit(&world);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i <= READERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        if (i < READERS)
            assert_int_equal(sides[i].newest, world.head.sequence);
        ops->close(&sides[i].store);
    }
    assert_true(sides[0].snapshots >= 2);
    world_close(&world);
}

static void test_memory(void **state)
{
    (void)state;
    read_while_writing(&store_memory);
}

static void test_sqlite(void **state)
{
    (void)state;
    read_while_writing(&store_sqlite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_sqlite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
