/* The counters behind the safety valve and the alert budget: what they count, what they forget,
 * and how the threshold moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bankd/fraud/budget.h"
#include "bankd/fraud/valve.h"
#include "common/clock.h"
#include "tests/unit/random.h"

enum { DAY = 20000, ROUNDS = 3000, PAYMENTS = 400 };

/* --- the valve ------------------------------------------------------------------------------- */

/* Against a list of what happened: a bucket is forgotten when the window has left all of it. */
static void test_the_valve_counts_a_sliding_window(void **state)
{
    static struct valve valve;
    struct random       random = random_start(__func__);
    int64_t             at[PAYMENTS];
    bool                stopped[PAYMENTS];
    int64_t             width = US_PER_HOUR / VALVE_BUCKETS;
    int64_t             now_us = DAY * US_PER_DAY;

    (void)state;
    valve_init(&valve, US_PER_HOUR);
    for (size_t i = 0; i < PAYMENTS; i++) {
        struct fraud_rule_bits bits = { { 0 } };
        struct valve_sum       sum;
        int64_t                payments = 0;
        int64_t                stops = 0;

        now_us += (int64_t)random_below(&random, (uint64_t)US_PER_HOUR / 20);
        at[i] = now_us;
        stopped[i] = random_below(&random, 3) == 0;
        if (stopped[i])
            fraud_rule_bit_set(&bits, 7);
        valve_count(&valve, now_us, &bits, 9);
        for (size_t k = 0; k <= i; k++)
            if (at[k] / width > now_us / width - VALVE_BUCKETS) {
                payments++;
                stops += stopped[k];
            }
        sum = valve_sum(&valve, 7);
        assert_int_equal(sum.payments, payments);
        assert_int_equal(sum.stopped, stops);
        assert_int_equal(valve_sum(&valve, 8).stopped, 0);
    }
    valve_forget_rule(&valve, 7);
    assert_int_equal(valve_sum(&valve, 7).stopped, 0);
    assert_true(valve_sum(&valve, 7).payments > 0);
}

static void test_too_much_is_more_than_the_share(void **state)
{
    (void)state;
    assert_false(valve_is_too_much((struct valve_sum){ 10, 2 }, 2000, 10));
    assert_true(valve_is_too_much((struct valve_sum){ 10, 3 }, 2000, 10));
    assert_false(valve_is_too_much((struct valve_sum){ 10, 3 }, 2000, 11));
    assert_false(valve_is_too_much((struct valve_sum){ 10, 10 }, 0, 1));
    assert_false(valve_is_too_much((struct valve_sum){ 10, 10 }, 10000, 1));
}

/* --- the budget ------------------------------------------------------------------------------ */

static void add(struct budget *budget, int32_t day, int32_t score, int count)
{
    for (int i = 0; i < count; i++)
        budget_count(budget, day * US_PER_DAY + i, score, 0);
}

static void test_rates_are_means_of_whole_days(void **state)
{
    static struct budget budget;

    (void)state;
    budget_init(&budget);
    assert_int_equal(budget_rate_x10(&budget, 0, 1001), 0);
    add(&budget, DAY, 500, 30);
    assert_int_equal(budget_days(&budget), 0);
    assert_int_equal(budget_rate_x10(&budget, 500, 510), 300); /* so far */
    add(&budget, DAY + 1, 500, 10);
    assert_int_equal(budget_days(&budget), 1);
    assert_int_equal(budget_rate_x10(&budget, 0, 1001), 300);
    add(&budget, DAY + 3, 700, 5);
    assert_int_equal(budget_days(&budget), 3); /* the quiet day between counts */
    assert_int_equal(budget_rate_x10(&budget, 0, 1001), 400 / 3);
    assert_int_equal(budget_rate_x10(&budget, 600, 1001), 0);
    add(&budget, DAY + 8, 700, 5); /* the first day is kept no more */
    assert_int_equal(budget_days(&budget), 7);
    assert_int_equal(budget_rate_x10(&budget, 0, 1001), 150 / 7);
    add(&budget, DAY, 500, 99); /* nor counted */
    assert_int_equal(budget_rate_x10(&budget, 0, 1001), 150 / 7);
}

/* One of 700 that counted with 400 before is no second one. */
static void test_an_account_counts_with_its_highest_score(void **state)
{
    static struct budget budget;

    (void)state;
    budget_init(&budget);
    budget_count(&budget, DAY * US_PER_DAY, 400, 0);
    budget_count(&budget, DAY * US_PER_DAY, 700, 400);
    assert_int_equal(budget_rate_x10(&budget, 0, 1001), 10);
    assert_int_equal(budget_rate_x10(&budget, 0, 700), 0);
    budget_count(&budget, DAY * US_PER_DAY, 200, 700); /* less is nothing new */
    assert_int_equal(budget_rate_x10(&budget, 700, 710), 10);
    assert_int_equal(budget_rate_x10(&budget, 0, 1001), 10);
}

static void test_an_account_counts_once_a_day(void **state)
{
    static struct budget_accounts accounts;

    (void)state;
    assert_int_equal(budget_account(&accounts, 7, DAY), 0);
    budget_account_counts(&accounts, 7, DAY, 450);
    assert_int_equal(budget_account(&accounts, 7, DAY), 450);
    assert_int_equal(budget_account(&accounts, 8, DAY), 0);
    assert_int_equal(budget_account(&accounts, 7, DAY + 1), 0);
    budget_accounts_keep(&accounts);
    budget_account_counts(&accounts, 7, DAY, 500);
    budget_account_counts(&accounts, 7, DAY, 600);
    budget_account_counts(&accounts, 9, DAY, 300);
    budget_accounts_undo(&accounts); /* the group failed */
    assert_int_equal(budget_account(&accounts, 7, DAY), 450);
    assert_int_equal(budget_account(&accounts, 9, DAY), 0);
}

/* Whatever was counted: the threshold keeps the budget when any does, and does not move twice. */
static void test_a_threshold_that_moved_stays(void **state)
{
    static struct budget budget;
    struct random        random = random_start(__func__);

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t alerts = 1 + (int64_t)random_below(&random, 40);
        int32_t now = BUDGET_LOWEST + (int32_t)random_below(&random, 900);
        int32_t moved;

        budget_init(&budget);
        for (uint64_t day = random_below(&random, 4); day < 4; day++)
            for (uint64_t i = random_below(&random, 80); i > 0; i--)
                budget_count(&budget, (DAY + (int64_t)day) * US_PER_DAY,
                             (int32_t)random_below(&random, 1001), 0);
        moved = budget_threshold(&budget, now, 900, alerts);
        assert_true(moved >= BUDGET_LOWEST && moved <= 900);
        assert_int_equal(budget_threshold(&budget, moved, 900, alerts), moved);
        if (moved > now || budget_days(&budget) == 0) /* nobody sees less without need */
            assert_true(moved >= (now < 900 ? now : 900));
        if (moved < 900)
            assert_true(budget_rate_x10(&budget, moved, 1001) * 10 <= alerts * 10 * 11);
    }
}

static void test_counters_are_packed_and_read_back(void **state)
{
    static struct budget budget;
    static struct budget again;
    struct random        random = random_start(__func__);
    uint8_t              bytes[BUDGET_PACKED_MAX];
    uint8_t              twice[BUDGET_PACKED_MAX];
    size_t               n;

    (void)state;
    budget_init(&budget);
    n = budget_pack(&budget, bytes);
    assert_int_equal(n, 0);
    assert_true(budget_unpack(&again, bytes, 0));
    for (int i = 0; i < 200000; i++) /* every bin of every day */
        budget_count(&budget, (DAY + (int64_t)random_below(&random, BUDGET_DAYS)) * US_PER_DAY,
                     (int32_t)random_below(&random, 1001), 0);
    n = budget_pack(&budget, bytes);
    assert_true(n > BUDGET_PACKED_MAX * 9 / 10 && n <= BUDGET_PACKED_MAX);
    assert_true(budget_unpack(&again, bytes, n));
    assert_int_equal(budget_pack(&again, twice), n);
    assert_memory_equal(bytes, twice, n);
    for (int32_t from = 0; from < 1000; from += 10)
        assert_int_equal(budget_rate_x10(&budget, from, from + 10),
                         budget_rate_x10(&again, from, from + 10));
    for (size_t cut = 1; cut < 4; cut++) {
        assert_false(budget_unpack(&again, bytes, cut));
        assert_false(budget_unpack(&again, bytes, n - cut));
    }
    bytes[4] = BUDGET_DAYS; /* a day too long ago */
    assert_false(budget_unpack(&again, bytes, n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_valve_counts_a_sliding_window),
        cmocka_unit_test(test_too_much_is_more_than_the_share),
        cmocka_unit_test(test_rates_are_means_of_whole_days),
        cmocka_unit_test(test_an_account_counts_with_its_highest_score),
        cmocka_unit_test(test_an_account_counts_once_a_day),
        cmocka_unit_test(test_a_threshold_that_moved_stays),
        cmocka_unit_test(test_counters_are_packed_and_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
