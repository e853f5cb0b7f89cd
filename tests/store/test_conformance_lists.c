/* What every store must answer, run on each of them alike: lists agree with a filter written here a
 * second time, page by page; figures and top lists agree with a recount; snapshots stand still. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "common/clock.h"
#include "tests/lib/world.h"
#include "tests/store/each.h"

/* --- lists ----------------------------------------------------------------------------------- */

enum { RANDOM_POSTINGS = 700, RANDOM_FILTERS = 250 };

static void random_history(struct world *world)
{
    world_accounts(world, 9);
    world_parties(world, 5);
    while (world->transaction_count < RANDOM_POSTINGS) {
        size_t group = 1 + random_below(&world->random, 40);

        for (size_t i = 0; i < group; i++) {
            if (random_below(&world->random, 5) == 0)
                world_audit(world, "noise");
            world_post_random(world);
        }
        world_commit(world);
    }
}

static bool part_of(const char *text, struct slice part)
{
    char needle[LIMIT_SEARCH_MAX + 1];

    return strcasestr(text, slice_copy(part, needle, sizeof needle)) != NULL;
}

/* The filter's meaning, written a second time. */
static bool expected(const struct world *world, const struct transaction_filter *f,
                     const struct transaction *t)
{
    const char *key = t->party != 0 ? world->parties[t->party - 1].key : "";

    if (f->account != 0 && f->account != t->debit && f->account != t->credit)
        return false;
    if (f->from_us != 0 && t->at_us < f->from_us)
        return false;
    if (f->to_us != 0 && t->at_us >= f->to_us)
        return false;
    if ((f->type != 0 && f->type != t->type) || (f->status != 0 && f->status != t->status))
        return false;
    if (f->amount_min != 0 && t->amount < f->amount_min)
        return false;
    if (f->amount_max != 0 && t->amount > f->amount_max)
        return false;
    if (f->currency != 0 && f->currency != t->currency)
        return false;
    if ((f->flagged == 1 && !t->flagged) || (f->flagged == 2 && t->flagged))
        return false;
    return f->search.n == 0 || part_of(t->description, f->search) ||
           part_of(t->external_id, f->search) || part_of(key, f->search);
}

struct page {
    int64_t sequences[RANDOM_POSTINGS * 2];
    size_t  count;
    size_t  room; /* how many more fit this page */
};

static bool page_row(void *context, const void *row)
{
    struct page              *page = context;
    const struct transaction *transaction = row;

    page->sequences[page->count++] = transaction->sequence;
    return --page->room > 0;
}

static void random_filter(struct random *random, struct transaction_filter *filter)
{
    static const char *const searches[] = { "rent", "EXT-1", "TERMINAL:3", "50%", "t_c", "zzz" };

    *filter = (struct transaction_filter){ .ascending = random_below(random, 2) == 0 };
    if (random_below(random, 3) == 0) {
        filter->account = 1 + (int64_t)random_below(random, 11);
        filter->ascending = false;
    }
    if (random_below(random, 2) == 0)
        filter->from_us = WORLD_BEGIN_US + (int64_t)random_below(random, 10) * US_PER_DAY + 400;
    if (random_below(random, 2) == 0)
        filter->to_us = WORLD_BEGIN_US + (int64_t)random_below(random, 12) * US_PER_DAY + 500;
    if (random_below(random, 4) == 0)
        filter->type = 1 + (int32_t)random_below(random, 3);
    if (random_below(random, 3) == 0)
        filter->status = 1 + (int32_t)random_below(random, 4);
    if (random_below(random, 4) == 0)
        filter->amount_min = (int64_t)random_below(random, 60);
    if (random_below(random, 4) == 0)
        filter->amount_max = 1 + (int64_t)random_below(random, 60);
    if (random_below(random, 10) == 0)
        filter->currency = WORLD_CURRENCY + (uint16_t)random_below(random, 2);
    filter->flagged = random_below(random, 3) == 0 ? (int32_t)random_below(random, 3) : 0;
    if (random_below(random, 4) == 0)
        filter->search = slice_from(searches[random_below(random, ARRAY_COUNT(searches))]);
    filter->listed = random_below(random, 2) == 0;
    if (random_below(random, 3) == 0)
        filter->scan_max = 1 + (int64_t)random_below(random, 200);
}

/* Reads all pages of a filter, going on from where each one stopped. */
static void read_pages(struct world *world, struct transaction_filter *filter, struct page *page)
{
    int64_t stopped = 0;
    size_t  calls = 0;

    page->count = 0;
    do {
        page->room = 1 + random_below(&world->random, 30);
        assert_int_equal(CALL(world, transactions, filter, page_row, page, &stopped), ERR_none);
        filter->from_sequence = filter->ascending ? stopped + 1 : stopped - 1;
        assert_true(++calls < 4 * RANDOM_POSTINGS);
    } while (stopped != 0 && filter->from_sequence > 0);
}

static void lists_agree_with_a_second_filter(struct world *world)
{
    static struct page page;
    size_t             shown = 0;

    random_history(world);
    for (int i = 0; i < RANDOM_FILTERS; i++) {
        struct transaction_filter filter;
        size_t                    at = 0;

        random_filter(&world->random, &filter);
        read_pages(world, &filter, &page);
        for (size_t j = 0; j < world->transaction_count; j++) {
            size_t k = filter.ascending ? j : world->transaction_count - 1 - j;

            if (!expected(world, &filter, &world->transactions[k]))
                continue;
            assert_true(at < page.count);
            assert_int_equal(page.sequences[at], world->transactions[k].sequence);
            at++;
        }
        assert_int_equal(at, page.count);
        shown += at;
    }
    assert_true(shown > RANDOM_FILTERS);
}
ON_EACH(lists_agree_with_a_second_filter)

/* A chain may also be entered at a sequence that is none of the account's. */
static void account_walk_starts_anywhere(struct world *world)
{
    static struct page page;

    random_history(world);
    for (int i = 0; i < 60; i++) {
        struct transaction_filter filter = { 0 };
        uint64_t                  highest = (uint64_t)world->head.sequence + 20;
        int64_t                   from = 1 + (int64_t)random_below(&world->random, highest);
        size_t                    at = 0;

        filter.account = 1 + (int64_t)random_below(&world->random, 9);
        filter.from_sequence = from;
        filter.listed = i % 2 == 0;
        page.count = 0;
        page.room = SIZE_MAX;
        assert_int_equal(CALL(world, transactions, &filter, page_row, &page, NULL), ERR_none);
        for (size_t j = world->transaction_count; j-- > 0;) {
            if (world->transactions[j].sequence > from ||
                !expected(world, &filter, &world->transactions[j]))
                continue;
            assert_true(at < page.count);
            assert_int_equal(page.sequences[at++], world->transactions[j].sequence);
        }
        assert_int_equal(at, page.count);
    }
}
ON_EACH(account_walk_starts_anywhere)

/* What a listed row must have, as that of the whole row; nothing else is looked at. */
static bool listed_row(void *context, const void *listed)
{
    const struct transaction *row = listed;
    struct world             *world = context;
    struct transaction        whole;

    assert_int_equal(CALL(world, transaction_by_sequence, row->sequence, &whole), ERR_none);
    assert_true(uuid_equal(&row->transaction_id, &whole.transaction_id));
    assert_int_equal(row->type, whole.type);
    assert_int_equal(row->status, whole.status);
    assert_int_equal(row->flagged, whole.flagged);
    assert_int_equal(row->currency, whole.currency);
    assert_int_equal(row->amount, whole.amount);
    assert_int_equal(row->at_us, whole.at_us);
    assert_int_equal(row->posted_at_us, whole.posted_at_us);
    assert_int_equal(row->posted_by, whole.posted_by);
    assert_int_equal(row->debit, whole.debit);
    assert_int_equal(row->credit, whole.credit);
    assert_int_equal(row->debit_previous, whole.debit_previous);
    assert_int_equal(row->credit_previous, whole.credit_previous);
    assert_int_equal(row->debit_balance, whole.debit_balance);
    assert_int_equal(row->credit_balance, whole.credit_balance);
    assert_int_equal(row->party, whole.party);
    assert_int_equal(row->incoming, whole.incoming);
    assert_int_equal(row->verdict, whole.verdict);
    assert_int_equal(row->score, whole.score);
    assert_int_equal(row->rule_set, whole.rule_set);
    assert_int_equal(row->hold_expires_at_us, whole.hold_expires_at_us);
    assert_int_equal(row->reversal_of, whole.reversal_of);
    assert_int_equal(row->reversed_by, whole.reversed_by);
    assert_string_equal(row->external_id, whole.external_id);
    assert_string_equal(row->description, whole.description);
    if (row->score != 0) {
        assert_int_equal(row->decision_size, whole.decision_size);
        assert_memory_equal(row->decision, whole.decision, whole.decision_size);
    }
    return true;
}

static void listed_rows_have_what_lists_show(struct world *world)
{
    struct transaction_filter all = { .listed = true };
    struct transaction_filter sifted = { .listed = true, .amount_min = 5 };
    struct transaction_filter chain = { .listed = true, .account = 3 };

    random_history(world);
    assert_int_equal(CALL(world, transactions, &all, listed_row, world, NULL), ERR_none);
    assert_int_equal(CALL(world, transactions, &sifted, listed_row, world, NULL), ERR_none);
    assert_int_equal(CALL(world, transactions, &chain, listed_row, world, NULL), ERR_none);
}
ON_EACH(listed_rows_have_what_lists_show)

static void walks_can_be_bounded_and_cancelled(struct world *world)
{
    atomic_bool               cancel = true;
    struct transaction_filter filter = { .cancel = &cancel };
    size_t                    rows = 0;
    int64_t                   stopped = 0;

    random_history(world);
    assert_int_equal(CALL(world, transactions, &filter, count_rows, &rows, &stopped),
                     ERR_cancelled);
    filter.account = WORLD_CASH;
    assert_int_equal(CALL(world, transactions, &filter, count_rows, &rows, &stopped),
                     ERR_cancelled);
    filter.account = 0;
    filter.flagged = 1;
    assert_int_equal(CALL(world, transactions, &filter, count_rows, &rows, &stopped),
                     ERR_cancelled);
    assert_int_equal(rows, 0);
    atomic_store(&cancel, false);
    filter = (struct transaction_filter){ .cancel = &cancel, .scan_max = 50, .amount_min = 61 };
    assert_int_equal(CALL(world, transactions, &filter, count_rows, &rows, &stopped), ERR_none);
    assert_int_equal(rows, 0); /* no amount is so large, so it would have looked at everything */
    assert_true(stopped > 0 && stopped <= world->head.sequence - 49);
}
ON_EACH(walks_can_be_bounded_and_cancelled)

static bool held_row(void *context, const void *row)
{
    const struct transaction *transaction = row;
    int64_t                  *last = context;

    assert_int_equal(transaction->status, STATUS_HELD);
    assert_true(transaction->hold_expires_at_us >= last[0]);
    last[0] = transaction->hold_expires_at_us;
    last[1]++;
    return true;
}

static void held_ones_are_found_by_expiry(struct world *world)
{
    int64_t border = 0;
    int64_t all[2] = { 0 };
    int64_t expired[2] = { 0 };
    int64_t all_expected = 0;
    int64_t expired_expected = 0;

    random_history(world);
    for (size_t i = 0; i < world->transaction_count / 2; i++)
        if (world->transactions[i].status == STATUS_HELD)
            border = world->transactions[i].hold_expires_at_us; /* this one is not before it */
    for (size_t i = 0; i < world->transaction_count; i++) {
        const struct transaction *transaction = &world->transactions[i];

        all_expected += transaction->status == STATUS_HELD;
        expired_expected +=
            transaction->status == STATUS_HELD && transaction->hold_expires_at_us < border;
    }
    assert_true(expired_expected > 0 && expired_expected < all_expected);
    assert_int_equal(CALL(world, held, 0, held_row, all), ERR_none);
    assert_int_equal(all[1], all_expected);
    assert_int_equal(CALL(world, held, border, held_row, expired), ERR_none);
    assert_int_equal(expired[1], expired_expected);
    assert_true(expired[0] < border);
}
ON_EACH(held_ones_are_found_by_expiry)

/* --- accounts, customers, audit entries ------------------------------------------------------ */

struct numbers_seen {
    int64_t numbers[64];
    size_t  count;
};

static bool number_row(void *context, const void *row)
{
    struct numbers_seen *seen = context;

    memcpy(&seen->numbers[seen->count++], row, sizeof(int64_t)); /* numbers stand first */
    return seen->count < 64;
}

static void assert_numbers(const struct numbers_seen *seen, size_t count, ...)
{
    va_list list;

    va_start(list, count);
    assert_int_equal(seen->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(seen->numbers[i], va_arg(list, int));
    va_end(list);
}

static void plan_customer(struct world *world, int64_t number, const char *name)
{
    struct plan *plan = world_plan(world);

    make_customer(world, &plan->customer);
    plan->customer.number = number;
    snprintf(plan->customer.name, sizeof plan->customer.name, "%s", name);
    snprintf(plan->customer.external_id, sizeof plan->customer.external_id, "C%d", (int)number);
    plan->change.customer = &plan->customer;
}

static struct uuid plan_account(struct world *world, int64_t number, int64_t customer,
                                int32_t status, uint16_t currency)
{
    struct plan *plan = world_plan(world);

    make_account(world, &plan->account);
    plan->account.book.number = number;
    plan->account.book.customer = customer;
    plan->account.book.status = status;
    plan->account.book.freeze_until_us = status == ACCOUNT_FROZEN ? number * 1000 : 0;
    plan->account.book.currency = currency;
    snprintf(plan->account.name, sizeof plan->account.name, "Giro_%d", (int)number);
    snprintf(plan->account.external_id, sizeof plan->account.external_id, "A%d", (int)number);
    plan->change.account = &plan->account;
    return plan->account.book.account_id;
}

static void find_accounts(struct world *world, const struct account_filter *filter,
                          struct numbers_seen *seen)
{
    seen->count = 0;
    assert_int_equal(CALL(world, accounts, filter, number_row, seen), ERR_none);
}

static void accounts_are_found(struct world *world)
{
    struct numbers_seen seen;
    struct uuid         id;
    char                text[UUID_TEXT_MAX];

    plan_customer(world, 1, "Ada Lovelace");
    plan_customer(world, 2, "Grace Hopper");
    plan_account(world, 1, 1, ACCOUNT_ACTIVE, 840);
    id = plan_account(world, 2, 2, ACCOUNT_FROZEN, 840);
    plan_account(world, 3, 2, ACCOUNT_ACTIVE, 978);
    plan_account(world, 4, 0, ACCOUNT_ACTIVE, 840);
    world_commit(world);

    find_accounts(world, &(struct account_filter){ 0 }, &seen);
    assert_numbers(&seen, 4, 4, 3, 2, 1);
    find_accounts(world, &(struct account_filter){ .before_number = 3 }, &seen);
    assert_numbers(&seen, 2, 2, 1);
    find_accounts(world, &(struct account_filter){ .status = ACCOUNT_FROZEN }, &seen);
    assert_numbers(&seen, 1, 2);
    find_accounts(world, &(struct account_filter){ .thaw_until_us = 1999 }, &seen);
    assert_numbers(&seen, 0);
    find_accounts(world, &(struct account_filter){ .thaw_until_us = 2000 }, &seen);
    assert_numbers(&seen, 1, 2);
    find_accounts(
        world, &(struct account_filter){ .status = ACCOUNT_ACTIVE, .thaw_until_us = 2000 }, &seen);
    assert_numbers(&seen, 0);
    find_accounts(world, &(struct account_filter){ .customer = 2 }, &seen);
    assert_numbers(&seen, 2, 3, 2);
    find_accounts(world, &(struct account_filter){ .customer = 2, .currency = 978 }, &seen);
    assert_numbers(&seen, 1, 3);
    find_accounts(world, &(struct account_filter){ .kind = ACCOUNT_CASH }, &seen);
    assert_numbers(&seen, 0);
    find_accounts(world, &(struct account_filter){ .search = slice_from("gRaCe") }, &seen);
    assert_numbers(&seen, 2, 3, 2);
    find_accounts(world, &(struct account_filter){ .search = slice_from("giro_4") }, &seen);
    assert_numbers(&seen, 1, 4);
    find_accounts(world, &(struct account_filter){ .search = slice_from("g%4") }, &seen);
    assert_numbers(&seen, 0);
    find_accounts(world, &(struct account_filter){ .search = slice_from("a1") }, &seen);
    assert_true(seen.count >= 1 && seen.numbers[seen.count - 1] == 1);
    uuid_text(&id, text);
    find_accounts(world, &(struct account_filter){ .search = slice_from(text) }, &seen);
    assert_numbers(&seen, 1, 2);
    find_accounts(world, &(struct account_filter){ .search = slice_of(text, 34) }, &seen);
    assert_numbers(&seen, 1, 2);
    find_accounts(world, &(struct account_filter){ .search = slice_from(text), .before_number = 2 },
                  &seen);
    assert_numbers(&seen, 0);

    seen.count = 0;
    assert_int_equal(CALL(world, customers, 0, slice_from("c2"), number_row, &seen), ERR_none);
    assert_numbers(&seen, 1, 2);
    seen.count = 0;
    assert_int_equal(CALL(world, customers, 2, slice_from(""), number_row, &seen), ERR_none);
    assert_numbers(&seen, 1, 1);
}
ON_EACH(accounts_are_found)

static size_t find_audits(struct world *world, const struct audit_filter *filter, int64_t *stopped)
{
    size_t rows = 0;

    assert_int_equal(CALL(world, audits, filter, count_rows, &rows, stopped), ERR_none);
    return rows;
}

static void audit_entries_are_found(struct world *world)
{
    int64_t stopped;

    for (int i = 0; i < 30; i++) {
        struct plan *plan = world_audit(world, i % 2 == 0 ? "session.login" : "account.freeze");

        plan->audit.kind = i % 3 == 0 ? AUDIT_REFUSAL : AUDIT_ACTION;
        snprintf(plan->audit.actor_name, sizeof plan->audit.actor_name, "%s",
                 i % 5 == 0 ? "fraud@test" : "fraud@test.com");
        snprintf(plan->audit.detail, sizeof plan->audit.detail, "Detail %d", i);
    }
    world_commit(world);
    assert_int_equal(find_audits(world, &(struct audit_filter){ 0 }, &stopped), 30);
    assert_int_equal(stopped, 0);
    assert_int_equal(find_audits(world, &(struct audit_filter){ .kind = AUDIT_REFUSAL }, NULL), 10);
    assert_int_equal(find_audits(world, &(struct audit_filter){ .kind = AUDIT_TRANSACTION }, NULL),
                     0);
    assert_int_equal(
        find_audits(world, &(struct audit_filter){ .actor = slice_from("fraud@test") }, NULL), 6);
    assert_int_equal(
        find_audits(world, &(struct audit_filter){ .search = slice_from("FREEZE") }, NULL), 15);
    assert_int_equal(
        find_audits(world, &(struct audit_filter){ .search = slice_from("detail 29") }, NULL), 1);
    assert_int_equal(find_audits(world, &(struct audit_filter){ .before_sequence = 11 }, NULL), 10);
    assert_int_equal(find_audits(world,
                                 &(struct audit_filter){ .from_us = WORLD_BEGIN_US + 10,
                                                         .to_us = WORLD_BEGIN_US + 20 },
                                 NULL),
                     10);
    assert_int_equal(find_audits(world, &(struct audit_filter){ .scan_max = 7 }, &stopped), 7);
    assert_int_equal(stopped, 24);
}
ON_EACH(audit_entries_are_found)

struct parties_seen {
    const struct world *world;
    size_t              count;
};

static bool party_row(void *context, const void *row)
{
    struct parties_seen *seen = context;
    struct party         again;
    struct store        *store = seen->world->store;
    const struct party  *party = row;
    const struct party  *wanted = &seen->world->parties[seen->count++];

    assert_int_equal(party->number, wanted->number);
    assert_string_equal(party->key, wanted->key);
    assert_int_equal(party->last_sequence, wanted->last_sequence);
    assert_int_equal(party->transactions, wanted->transactions);
    assert_int_equal(party->created_at_us, wanted->created_at_us);
    assert_int_equal(store->ops->party_by_number(store, wanted->number, &again), ERR_none);
    assert_int_equal(again.transactions, wanted->transactions);
    assert_int_equal(store->ops->party_by_key(store, slice_from(wanted->key), &again), ERR_none);
    assert_int_equal(again.number, wanted->number);
    return true;
}

static void parties_are_kept_up(struct world *world)
{
    struct parties_seen seen = { .world = world };
    struct party        party;

    random_history(world);
    assert_int_equal(CALL(world, parties, party_row, &seen), ERR_none);
    assert_int_equal(seen.count, world->party_count);
    assert_true(world->parties[0].transactions > 20);
    assert_int_equal(CALL(world, party_by_key, slice_from("terminal:"), &party), ERR_not_found);
    assert_int_equal(CALL(world, party_by_number, 99, &party), ERR_not_found);
}
ON_EACH(parties_are_kept_up)

/* --- figures --------------------------------------------------------------------------------- */

struct recount {
    const struct world *world;
    size_t              rows;
    int32_t             last_bucket;
};

static bool recount_row(void *context, const void *row)
{
    struct recount      *recount = context;
    const struct rollup *rollup = row;
    int64_t              count = 0;
    int64_t              amount = 0;

    assert_true(rollup->key.bucket >= recount->last_bucket);
    recount->last_bucket = rollup->key.bucket;
    recount->rows++;
    if (rollup->key.metric < METRIC_TRANSACTIONS)
        return true;
    for (size_t i = 0; i < recount->world->transaction_count; i++) {
        const struct transaction *t = &recount->world->transactions[i];

        if (time_day(t->at_us) == rollup->key.bucket &&
            metric_of_transaction(t->type, t->initial_status) == rollup->key.metric) {
            count++;
            amount += t->amount;
        }
    }
    assert_int_equal(rollup->count, count);
    assert_int_equal(rollup->amount, amount);
    return true;
}

static void rollups_are_a_recount(struct world *world)
{
    struct rollup_range range = {
        .scale = ROLLUP_DAY, .bucket_from = 0, .bucket_to = INT32_MAX, .currency = WORLD_CURRENCY
    };
    struct recount recount = { .world = world };
    struct recount part = { .world = world };
    int32_t        first = 0;
    int32_t        last = 0;
    int32_t        first_expected = INT32_MAX;
    int32_t        last_expected = 0;

    random_history(world);
    assert_int_equal(CALL(world, rollups, &range, recount_row, &recount), ERR_none);
    assert_true(recount.rows > 30);
    assert_int_equal(CALL(world, days, &first, &last), ERR_none);
    for (size_t i = 0; i < world->transaction_count; i++) {
        int32_t day = (int32_t)time_day(world->transactions[i].at_us);

        first_expected = day < first_expected ? day : first_expected;
        last_expected = day > last_expected ? day : last_expected;
    }
    assert_int_equal(first, first_expected);
    assert_int_equal(last, last_expected);
    range.bucket_from = range.bucket_to = first + 1;
    range.currency = ROLLUP_EVERY_CURRENCY;
    assert_int_equal(CALL(world, rollups, &range, recount_row, &part), ERR_none);
    assert_true(part.rows > 0 && part.rows < recount.rows);
    assert_int_equal(part.last_bucket, first + 1);
    range.currency = 1;
    part.rows = 0;
    assert_int_equal(CALL(world, rollups, &range, recount_row, &part), ERR_none);
    assert_int_equal(part.rows, 0);
}
ON_EACH(rollups_are_a_recount)

static int larger_first(const void *a, const void *b)
{
    const struct transaction *left = a;
    const struct transaction *right = b;

    if (left->amount != right->amount)
        return left->amount > right->amount ? -1 : 1;
    return left->sequence < right->sequence ? -1 : 1;
}

static void assert_top(struct world *world, int32_t day)
{
    static struct page  page;
    struct transaction *of_day = calloc(world->transaction_count + 1, sizeof *of_day);
    size_t              n = 0;

    assert_non_null(of_day);
    for (size_t i = 0; i < world->transaction_count; i++)
        if (time_day(world->transactions[i].at_us) == day &&
            world->transactions[i].initial_status != STATUS_DECLINED)
            of_day[n++] = world->transactions[i];
    qsort(of_day, n, sizeof *of_day, larger_first);
    page.count = 0;
    page.room = SIZE_MAX;
    assert_int_equal(CALL(world, top, day, WORLD_CURRENCY, page_row, &page), ERR_none);
    assert_int_equal(page.count, n < LIMIT_TOP_PER_DAY ? n : LIMIT_TOP_PER_DAY);
    for (size_t i = 0; i < page.count; i++)
        assert_int_equal(page.sequences[i], of_day[i].sequence);
    free(of_day);
}

static void top_lists_are_right(struct world *world)
{
    int32_t first, last;

    random_history(world);
    assert_int_equal(CALL(world, days, &first, &last), ERR_none);
    assert_true(last - first >= 8);
    for (int32_t day = first; day <= last; day++)
        assert_top(world, day);
}
ON_EACH(top_lists_are_right)

/* Among equals the first stay; and a group that failed is not remembered. */
static void top_list_keeps_the_first_of_equals(struct world *world)
{
    int32_t      day = (int32_t)time_day(WORLD_BEGIN_US);
    struct plan *plan;
    size_t       transactions;
    size_t       failed;

    world_accounts(world, 2);
    for (int i = 0; i < LIMIT_TOP_PER_DAY + 5; i++)
        world_post(world, WORLD_CASH, 2, 10, WORLD_BEGIN_US, STATUS_COMPLETED);
    world_commit(world);
    assert_top(world, day);

    transactions = world->transaction_count;
    for (int i = 0; i < LIMIT_TOP_PER_DAY; i++)
        world_post(world, 2, 3, 100, WORLD_BEGIN_US, STATUS_COMPLETED);
    plan = world_plan(world);
    plan->change.update_count = 1;
    plan->change.updates[0] = (struct transaction_update){ .sequence = 999999 };
    assert_int_equal(world_try(world, &failed), ERR_changed_meanwhile);
    assert_int_equal(failed, LIMIT_TOP_PER_DAY);
    world->transaction_count = transactions;
    assert_int_equal(CALL(world, book_by_number, 2, &world->books[1]), ERR_none);
    assert_int_equal(CALL(world, book_by_number, 3, &world->books[2]), ERR_none);
    world_post(world, WORLD_CASH, 3, 50, WORLD_BEGIN_US, STATUS_COMPLETED);
    world_commit(world);
    assert_top(world, day);
}
ON_EACH(top_list_keeps_the_first_of_equals)

/* --- several handles ------------------------------------------------------------------------- */

static int64_t balance_of_cash(struct store *store)
{
    struct account_book book;

    assert_int_equal(store->ops->book_by_number(store, WORLD_CASH, &book), ERR_none);
    return book.balance;
}

static void snapshots_stand_still(struct world *world)
{
    static const struct transaction_filter all = { 0 };
    struct store                          *reader;
    size_t                                 rows = 0;

    world_accounts(world, 3);
    reader = world_handle(world, STORE_READ);
    assert_false(reader->ops->changed(reader));
    assert_int_equal(reader->ops->snapshot_begin(reader), ERR_none);
    world_post(world, WORLD_CASH, 2, 100, WORLD_BEGIN_US, STATUS_COMPLETED);
    world_commit(world);
    assert_int_equal(balance_of_cash(world->store), -100);
    assert_int_equal(balance_of_cash(reader), 0);
    assert_int_equal(reader->ops->transactions(reader, &all, count_rows, &rows, NULL), ERR_none);
    assert_int_equal(rows, 0);
    reader->ops->snapshot_end(reader);
    assert_int_equal(balance_of_cash(reader), -100);
    assert_int_equal(reader->ops->transactions(reader, &all, count_rows, &rows, NULL), ERR_none);
    assert_int_equal(rows, 1);
    assert_true(reader->ops->changed(reader));
    assert_false(reader->ops->changed(reader));
    reader->ops->close(&reader);
    assert_null(reader);
}
ON_EACH(snapshots_stand_still)

struct reading {
    struct world *world;
    size_t        rows;
};

static bool read_more(void *context, const void *row)
{
    struct reading           *reading = context;
    const struct transaction *transaction = row;
    struct transaction        again;
    struct account_book       book;

    assert_int_equal(CALL(reading->world, transaction_by_sequence, transaction->sequence, &again),
                     ERR_none);
    assert_int_equal(CALL(reading->world, book_by_number, again.debit, &book), ERR_none);
    reading->rows++;
    return true;
}

static void visitor_may_read_on(struct world *world)
{
    struct reading            reading = { .world = world };
    struct transaction_filter filter = { .account = WORLD_CASH };

    random_history(world);
    assert_int_equal(CALL(world, transactions, &filter, read_more, &reading, NULL), ERR_none);
    assert_true(reading.rows > 10);
}
ON_EACH(visitor_may_read_on)

/* Two that write in turn, as the daemon and an operator's command do: whoever has not seen the
 * other's commit is refused, and what a handle remembers of the top lists does not mislead it. */
static void second_writer_is_noticed(struct world *world)
{
    struct store     *first = world->store;
    struct store     *second = world_handle(world, STORE_WRITE);
    size_t            failed;
    struct chain_head seen;

    random_history(world);
    seen = world->head;
    assert_false(first->ops->changed(first));
    world->store = second;
    world_audit(world, "user.add");
    world_commit(world);
    assert_true(first->ops->changed(first));
    world->store = first;
    world_audit(world, "account.freeze");
    world->before = seen;
    assert_int_equal(world_try(world, &failed), ERR_changed_meanwhile);
    assert_int_equal(first->ops->numbers(first, &(struct store_numbers){ 0 }), ERR_none);
    world->head = seen;
    world_next(world);
    for (int i = 0; i < 120; i++) {
        world->store = random_below(&world->random, 2) == 0 ? first : second;
        for (int j = 0; j < 3; j++) {
            struct plan *plan = world_post_random(world);

            plan->transaction.at_us = WORLD_BEGIN_US;
            world->transactions[world->transaction_count - 1].at_us = WORLD_BEGIN_US;
        }
        world_commit(world);
    }
    assert_top(world, (int32_t)time_day(WORLD_BEGIN_US));
    world->store = first;
    second->ops->close(&second);
}
ON_EACH(second_writer_is_noticed)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_agree_with_a_second_filter),
        cmocka_unit_test(test_account_walk_starts_anywhere),
        cmocka_unit_test(test_listed_rows_have_what_lists_show),
        cmocka_unit_test(test_walks_can_be_bounded_and_cancelled),
        cmocka_unit_test(test_held_ones_are_found_by_expiry),
        cmocka_unit_test(test_accounts_are_found),
        cmocka_unit_test(test_audit_entries_are_found),
        cmocka_unit_test(test_parties_are_kept_up),
        cmocka_unit_test(test_rollups_are_a_recount),
        cmocka_unit_test(test_top_lists_are_right),
        cmocka_unit_test(test_top_list_keeps_the_first_of_equals),
        cmocka_unit_test(test_snapshots_stand_still),
        cmocka_unit_test(test_visitor_may_read_on),
        cmocka_unit_test(test_second_writer_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
