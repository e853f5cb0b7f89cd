/* The demo bank: the same from the same seed, plausible, provable, and with something to find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "bankd/auth.h"
#include "bankd/verify.h"
#include "common/check.h"
#include "tests/lib/demo_home.h"

/* What one walk over all transactions sees. */
struct seen {
    crypto_generichash_state state; /* of everything that the seed decides */
    int64_t                  count;
    int64_t                  flagged;
    int64_t                  by_type[16];
    int64_t                  by_status[16];
    int64_t                  by_weekday[7];
    int64_t                  by_night;
    int64_t                  salaries_off_days; /* at weekends */
    int64_t                  first_us;
    int64_t                  last_us;
};

static bool see(void *context, const void *row)
{
    struct seen              *seen = context;
    const struct transaction *t = row;
    int64_t values[] = { t->type,  t->debit,   t->credit,         t->amount, t->at_us,
                         t->score, t->verdict, t->initial_status, t->party };
    int     weekday = time_weekday(time_day(t->at_us));

    crypto_generichash_update(&seen->state, t->transaction_id.bytes, 16);
    crypto_generichash_update(&seen->state, (const uint8_t *)values, sizeof values);
    crypto_generichash_update(&seen->state, (const uint8_t *)t->description,
                              strlen(t->description));
    seen->count++;
    seen->flagged += t->flagged ? 1 : 0;
    seen->by_type[t->type]++;
    seen->by_status[t->status]++;
    if (t->type == TYPE_PAYMENT)
        seen->by_weekday[weekday]++;
    seen->by_night += t->at_us % US_PER_DAY < 5 * US_PER_HOUR && t->type == TYPE_PAYMENT ? 1 : 0;
    if (strcmp(t->description, "Salary") == 0 && weekday >= 5)
        seen->salaries_off_days++;
    seen->first_us = seen->count == 1 ? t->at_us : seen->first_us;
    seen->last_us = t->at_us;
    return true;
}

static bool see_account(void *context, const void *row)
{
    crypto_generichash_state *state = context;
    const struct account     *account = row;

    crypto_generichash_update(state, account->book.account_id.bytes, 16);
    crypto_generichash_update(state, account->customer_id.bytes, 16);
    crypto_generichash_update(state, (const uint8_t *)account->name, strlen(account->name));
    crypto_generichash_update(state, (const uint8_t *)account->holder, strlen(account->holder));
    crypto_generichash_update(state, (const uint8_t *)&account->book.balance, sizeof(int64_t));
    return true;
}

static void look(struct demo_home *demo, struct seen *seen, uint8_t digest[16])
{
    struct transaction_filter every = { .ascending = true };
    struct account_filter     accounts = { .before_number = 0 };
    struct store             *store = demo->home.store;
    int64_t                   stopped_at;

    memset(seen, 0, sizeof *seen);
    crypto_generichash_init(&seen->state, NULL, 0, 16);
    assert_int_equal(store->ops->transactions(store, &every, see, seen, &stopped_at), ERR_none);
    assert_int_equal(store->ops->accounts(store, &accounts, see_account, &seen->state), ERR_none);
    crypto_generichash_final(&seen->state, digest, 16);
}

static void the_seed_decides_everything(void **state)
{
    static struct demo_home demo;
    static const uint64_t   seeds[] = { DEMO_SEED, DEMO_SEED, DEMO_SEED + 1 };
    uint8_t                 digests[3][16];
    struct seen             seen;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(seeds); i++) {
        demo_home_make(&demo, seeds[i]);
        look(&demo, &seen, digests[i]);
        demo_home_remove(&demo);
    }
    assert_memory_equal(digests[0], digests[1], 16);
    assert_memory_not_equal(digests[0], digests[2], 16);
}

static void history_is_plausible(void **state)
{
    struct demo_home    *demo = *state;
    struct seen          seen;
    uint8_t              digest[16];
    struct store_numbers numbers;

    look(demo, &seen, digest);
    assert_in_range(demo->report.customers, 300, 600);
    assert_in_range(seen.count, 25000, 70000);
    assert_int_equal(seen.count, demo->report.transactions);
    for (int type = TYPE_DEPOSIT; type <= TYPE_INTEREST; type++)
        assert_in_range(seen.by_type[type], 100, seen.count);
    assert_int_equal(seen.salaries_off_days, 0);
    assert_true(seen.by_weekday[5] > seen.by_weekday[1]); /* shops are full on Saturdays */
    assert_true(seen.by_night * 20 < seen.by_type[TYPE_PAYMENT]);
    assert_in_range((uint64_t)((DEMO_HOME_END_US - seen.first_us) / US_PER_DAY), 88, 90);
    assert_int_equal(seen.last_us, DEMO_HOME_END_US);
    assert_in_range(seen.flagged, 20, 300);
    assert_int_equal(demo->home.store->ops->numbers(demo->home.store, &numbers), ERR_none);
    assert_in_range(numbers.alert, 20, 300);
    assert_int_equal(numbers.alert, demo->report.alerts);
    assert_int_equal(seen.by_status[STATUS_HELD], 1);
    assert_int_equal(seen.by_status[STATUS_REJECTED], 1);
}

struct statuses {
    int64_t by_status[8];
    int64_t negative;
    int64_t currencies[1000];
};

static bool see_status(void *context, const void *row)
{
    struct statuses           *statuses = context;
    const struct account_book *book = &((const struct account *)row)->book;

    statuses->by_status[book->status]++;
    statuses->negative += book->balance < 0 ? 1 : 0;
    statuses->currencies[book->currency]++;
    return true;
}

static void accounts_of_every_kind_are_there(void **state)
{
    struct demo_home     *demo = *state;
    struct store         *store = demo->home.store;
    struct account_filter customers = { .kind = ACCOUNT_CUSTOMER };
    struct statuses       statuses = { 0 };

    assert_int_equal(store->ops->accounts(store, &customers, see_status, &statuses), ERR_none);
    assert_int_equal(statuses.negative, 0);
    assert_int_equal(statuses.by_status[ACCOUNT_FROZEN], 2);
    assert_int_equal(statuses.by_status[ACCOUNT_CLOSED], 1);
    assert_true(statuses.currencies[978] > 20 && statuses.currencies[840] > 200);
    for (size_t i = 0; i < DEMO_NEW_ACCOUNTS; i++) {
        struct account_book book;

        assert_int_equal(store->ops->book_by_id(store, &demo->report.fresh[i].account_id, &book),
                         ERR_none);
        assert_int_equal(book.balance, 2000000);
        assert_int_equal(book.status, ACCOUNT_ACTIVE);
        assert_in_range((uint64_t)((DEMO_HOME_END_US - book.created_at_us) / US_PER_DAY), 0, 6);
    }
}

static void the_three_users_may_log_in(void **state)
{
    static const struct {
        const char *email;
        enum role   role;
    } users[] = { { "fraud@test.com", ROLE_FRAUD_ANALYST },
                  { "finance@test.com", ROLE_FINANCIAL_MANAGER },
                  { "compliance@test.com", ROLE_COMPLIANCE_OFFICER } };
    struct demo_home *demo = *state;
    struct store     *store = demo->home.store;

    for (size_t i = 0; i < ARRAY_COUNT(users); i++) {
        struct user user;

        assert_int_equal(store->ops->user_by_email(store, slice_from(users[i].email), &user),
                         ERR_none);
        assert_int_equal(user.role, users[i].role);
        assert_int_equal(auth_verify("test123", 7, user.password_hash), ERR_none);
        assert_int_equal(auth_verify("test124", 7, user.password_hash), ERR_login_failed);
    }
}

static void a_large_transfer_from_a_new_account_is_held(void **state)
{
    struct demo_home   *demo = *state;
    struct store       *store = demo->home.store;
    struct fault        fault = { 0 };
    struct account_book from;
    struct account_book to;
    struct posted       posted;

    assert_int_equal(store->ops->book_by_id(store, &demo->report.fresh[0].account_id, &from),
                     ERR_none);
    assert_int_equal(store->ops->book_by_id(store, &demo->report.fresh[1].account_id, &to),
                     ERR_none);
    struct post post = { .transaction_id = uuid_v7(DEMO_HOME_END_US),
                         .type = TYPE_TRANSFER,
                         .account = from.number,
                         .other = to.number,
                         .amount = 900000,
                         .currency = from.currency,
                         .at_us = DEMO_HOME_END_US };
    assert_int_equal(writer_post(demo->writer, &post, &posted, &fault), ERR_none);
    assert_int_equal(posted.row->status, STATUS_HELD);
    assert_true(posted.row->flagged);
    writer_abandon(demo->writer);
}

static void the_demo_bank_can_be_proved(void **state)
{
    struct demo_home    *demo = *state;
    struct verify_report report;
    struct fault         fault = { 0 };
    struct store        *store = NULL;

    assert_int_equal(home_reader(&demo->home, &store, &fault), ERR_none);
    assert_int_equal(
        verify_bank(store, &demo->home.bank, demo->home.sign_public, stderr, &report, &fault),
        ERR_none);
    assert_int_equal(report.proved[VERIFY_POSTINGS], demo->report.transactions);
    store->ops->close(&store);
}

static int make(void **state)
{
    static struct demo_home demo;

    demo_home_make(&demo, DEMO_SEED);
    *state = &demo;
    return 0;
}

static int drop(void **state)
{
    demo_home_remove(*state);
    return 0;
}

/* At this time a payment that had to be looked up came right behind a checkpoint's turn: the log
 * was in use by the plan of the payment, and there was no demo bank that night. */
static void it_is_made_at_any_time(void **state)
{
    static const int64_t ends_us[] = { INT64_C(1795392180000000), INT64_C(1709251199000000) };
    struct demo_home     demo;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(ends_us); i++) {
        demo_home_make_at(&demo, DEMO_SEED, ends_us[i]);
        assert_true(demo.report.transactions > 10000);
        demo_home_shut(&demo);
        demo_home_remove(&demo);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_made_at_any_time),
        cmocka_unit_test(history_is_plausible),
        cmocka_unit_test(accounts_of_every_kind_are_there),
        cmocka_unit_test(the_three_users_may_log_in),
        cmocka_unit_test(a_large_transfer_from_a_new_account_is_held),
        cmocka_unit_test(the_demo_bank_can_be_proved),
        cmocka_unit_test(the_seed_decides_everything),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, make, drop);
}
