/* The ledger's rules one by one, at their borders, and with random postings: whatever is entered,
 * released and rejected, the two sides move by the same amount and nothing leaves its range. */
#include "bankd/ledger/ledger.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

enum { USD = 840, EUR = 978 };

static struct account_book book(int64_t number, int64_t balance)
{
    return (struct account_book){ .number = number,
                                  .kind = ACCOUNT_CUSTOMER,
                                  .status = ACCOUNT_ACTIVE,
                                  .currency = USD,
                                  .balance = balance,
                                  .version = 7 };
}

static enum err check(int64_t amount, const struct account_book *debit,
                      const struct account_book *credit)
{
    struct ledger_request request = {
        .type = TYPE_TRANSFER, .amount = amount, .currency = USD, .at_us = 1000
    };

    return ledger_check(&request, debit, credit, NULL);
}

static void refuses_what_the_rules_forbid(void **state)
{
    struct account_book a = book(1, 500);
    struct account_book b = book(2, 0);

    (void)state;
    assert_int_equal(check(500, &a, &b), ERR_none);
    assert_int_equal(check(501, &a, &b), ERR_insufficient_funds);
    assert_int_equal(check(0, &a, &b), ERR_amount_invalid);
    assert_int_equal(check(-1, &a, &b), ERR_amount_invalid);
    assert_int_equal(check(1, &a, &a), ERR_same_account);
    b.currency = EUR;
    assert_int_equal(check(1, &a, &b), ERR_currency_mismatch);
    b.currency = USD;
    b.status = ACCOUNT_CLOSED;
    assert_int_equal(check(1, &a, &b), ERR_account_closed);
    b.status = ACCOUNT_ACTIVE;
    b.balance = INT64_MAX;
    assert_int_equal(check(1, &a, &b), ERR_amount_overflow);
}

static void counts_holds_and_the_overdraft(void **state)
{
    struct account_book a = book(1, 500);
    struct account_book b = book(2, 0);

    (void)state;
    a.held = 200;
    assert_int_equal(check(301, &a, &b), ERR_insufficient_funds);
    assert_int_equal(check(300, &a, &b), ERR_none);
    a.overdraft_limit = 100;
    assert_int_equal(check(400, &a, &b), ERR_none);
    assert_int_equal(check(401, &a, &b), ERR_insufficient_funds);
    a.kind = ACCOUNT_CASH; /* the bank's own accounts have no lower limit */
    assert_int_equal(check(100000, &a, &b), ERR_none);
}

static void honours_each_side_of_a_freeze_until_its_end(void **state)
{
    struct account_book a = book(1, 500);
    struct account_book b = book(2, 500);

    (void)state;
    a.status = ACCOUNT_FROZEN;
    a.freeze_direction = FREEZE_DEBIT;
    assert_int_equal(check(1, &a, &b), ERR_account_frozen);
    assert_int_equal(check(1, &b, &a), ERR_none);
    a.freeze_direction = FREEZE_CREDIT;
    assert_int_equal(check(1, &a, &b), ERR_none);
    assert_int_equal(check(1, &b, &a), ERR_account_frozen);
    a.freeze_direction = FREEZE_BOTH;
    assert_int_equal(check(1, &a, &b), ERR_account_frozen);
    a.freeze_until_us = 1000; /* the request is at 1000: over */
    assert_int_equal(check(1, &a, &b), ERR_none);
    a.freeze_until_us = 1001;
    assert_int_equal(check(1, &a, &b), ERR_account_frozen);
}

static void history_ignores_limits_of_today_but_not_money(void **state)
{
    struct account_book   a = book(1, 10);
    struct account_book   b = book(2, 0);
    struct ledger_request request = { .amount = 10, .currency = USD, .history = true };

    (void)state;
    a.status = ACCOUNT_FROZEN;
    a.freeze_direction = FREEZE_BOTH;
    assert_int_equal(ledger_check(&request, &a, &b, NULL), ERR_none);
    request.amount = 11;
    assert_int_equal(ledger_check(&request, &a, &b, NULL), ERR_insufficient_funds);
}

static void a_hold_is_released_or_given_back(void **state)
{
    struct account_book a = book(1, 500);
    struct account_book b = book(2, 0);
    struct transaction  row = {
         .sequence = 9, .amount = 400, .initial_status = STATUS_HELD, .status = STATUS_HELD
    };
    struct account_book a2;

    (void)state;
    assert_int_equal(ledger_enter(&row, &a, &b, NULL), ERR_none);
    assert_int_equal(a.balance, 500);
    assert_int_equal(a.held, 400);
    assert_int_equal(b.balance, 0);
    assert_int_equal(a.last_sequence, 9);
    assert_int_equal(b.transactions, 1);
    assert_int_equal(check(101, &a, &b), ERR_insufficient_funds);
    a2 = a;
    assert_int_equal(ledger_reject(&row, &a2, NULL), ERR_none);
    assert_int_equal(a2.held, 0);
    assert_int_equal(a2.balance, 500);
    assert_int_equal(ledger_release(&row, 0, &a, &b, NULL), ERR_none);
    assert_int_equal(a.balance, 100);
    assert_int_equal(a.held, 0);
    assert_int_equal(b.balance, 400);
    assert_int_equal(ledger_release(&row, 0, &a, &b, NULL), ERR_state_conflict);
    row.status = STATUS_REJECTED;
    assert_int_equal(ledger_reject(&row, &a, NULL), ERR_state_conflict);
}

static void a_release_meets_the_same_freeze_as_a_posting(void **state)
{
    struct account_book a = book(1, 500);
    struct account_book b = book(2, 0);
    struct transaction  row = {
         .sequence = 9, .amount = 400, .initial_status = STATUS_HELD, .status = STATUS_HELD
    };
    struct account_book before;

    (void)state;
    assert_int_equal(ledger_enter(&row, &a, &b, NULL), ERR_none);
    a.status = ACCOUNT_FROZEN;
    a.freeze_direction = FREEZE_BOTH;
    before = a;
    assert_int_equal(ledger_release(&row, 0, &a, &b, NULL), ERR_account_frozen);
    assert_memory_equal(&a, &before, sizeof a);
    assert_int_equal(ledger_reject(&row, &a, NULL), ERR_none);
}

static void a_declined_one_moves_nothing(void **state)
{
    struct account_book a = book(1, 500);
    struct account_book b = book(2, 3);
    struct transaction  row = { .sequence = 9, .amount = 400, .initial_status = STATUS_DECLINED };

    (void)state;
    assert_int_equal(ledger_enter(&row, &a, &b, NULL), ERR_none);
    assert_int_equal(a.balance, 500);
    assert_int_equal(a.held, 0);
    assert_int_equal(b.balance, 3);
    assert_int_equal(row.debit_balance, 500);
    assert_int_equal(a.version, 8);
}

/* Random accounts and amounts over the whole range: a check that passes is kept by enter and
 * release, and the sum of the two sides never changes. */
static void random_postings_keep_the_sum(void **state)
{
    struct random random = random_start("random_postings_keep_the_sum");
    int           passed = 0;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct account_book a = book(1, random_int64(&random));
        struct account_book b = book(2, random_int64(&random));
        int64_t             amount = random_int64(&random);
        struct transaction  row = { .sequence = 1, .amount = amount };

        a.overdraft_limit = random_int64(&random) & INT64_MAX;
        a.kind = random_below(&random, 4) == 0 ? ACCOUNT_CASH : ACCOUNT_CUSTOMER;
        if (check(amount, &a, &b) != ERR_none)
            continue;
        passed++;
        __int128 sum = (__int128)a.balance + b.balance;

        row.initial_status = random_below(&random, 2) == 0 ? STATUS_COMPLETED : STATUS_HELD;
        row.status = row.initial_status;
        assert_int_equal(ledger_enter(&row, &a, &b, NULL), ERR_none);
        if (row.status == STATUS_HELD)
            assert_int_equal(ledger_release(&row, 0, &a, &b, NULL), ERR_none);
        assert_true((__int128)a.balance + b.balance == sum);
        assert_int_equal(a.held, 0);
        if (a.kind == ACCOUNT_CUSTOMER)
            assert_true(ledger_available(&a) >= 0);
    }
    assert_true(passed > 1000);
}

static void available_saturates(void **state)
{
    struct account_book a = book(1, INT64_MAX);

    (void)state;
    a.overdraft_limit = 1;
    assert_true(ledger_available(&a) == INT64_MAX);
    a.balance = INT64_MIN;
    a.held = 1;
    assert_true(ledger_available(&a) == INT64_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_the_rules_forbid),
        cmocka_unit_test(counts_holds_and_the_overdraft),
        cmocka_unit_test(honours_each_side_of_a_freeze_until_its_end),
        cmocka_unit_test(history_ignores_limits_of_today_but_not_money),
        cmocka_unit_test(a_hold_is_released_or_given_back),
        cmocka_unit_test(a_release_meets_the_same_freeze_as_a_posting),
        cmocka_unit_test(a_declined_one_moves_nothing),
        cmocka_unit_test(random_postings_keep_the_sum),
        cmocka_unit_test(available_saturates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
