/* Figures against brute force: key figures, trends, risk and compliance figures and the largest
 * transactions are recounted from every seeded row, for whole days, for periods with ragged ends
 * and for the defaults. Runs on both stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "bankd/compliance/compliance.h"
#include "bankd/ops/figures.h"
#include "bankd/profile.h"
#include "common/money.h"
#include "tests/lib/seed.h"

/* --- recounting ----------------------------------------------------------------------------- */

static bool moved(const struct transaction *row)
{
    return row->status == STATUS_COMPLETED || row->status == STATUS_REVERSED;
}

static bool is_customers(const struct seed *seed, int64_t account)
{
    return seed->accounts[account - 1].book.kind == ACCOUNT_CUSTOMER;
}

struct recount {
    int64_t count, volume, deposits_count, deposits, withdrawals, transfers_count, transfers;
    int64_t net_flow, held, declined, flagged, alerts;
};

static const struct alert *alert_of(const struct seed *seed, const struct transaction *row)
{
    for (size_t i = 0; i < seed->alert_count; i++) {
        if (seed->alerts[i].transaction == row->sequence)
            return &seed->alerts[i];
    }
    return NULL;
}

/* Of [from, to) and one currency; flags and alerts of every currency. */
static struct recount recount(const struct seed *seed, int64_t from, int64_t to, uint16_t currency)
{
    struct recount sums = {0};
    for (size_t i = 0; i < seed->transaction_count; i++) {
        const struct transaction *row = &seed->transactions[i];
        if (row->at_us < from || row->at_us >= to)
            continue;
        sums.flagged += row->flagged;
        sums.alerts += alert_of(seed, row) != NULL;
        if (row->currency != currency)
            continue;
        sums.held += row->status == STATUS_HELD;
        sums.declined += row->status == STATUS_DECLINED;
        if (!moved(row))
            continue;
        sums.count++;
        sums.volume += row->amount;
        sums.deposits_count += row->type == TYPE_DEPOSIT;
        sums.deposits += row->type == TYPE_DEPOSIT ? row->amount : 0;
        sums.withdrawals += row->type == TYPE_WITHDRAWAL ? row->amount : 0;
        sums.transfers_count += row->type == TYPE_TRANSFER;
        sums.transfers += row->type == TYPE_TRANSFER ? row->amount : 0;
        if (is_customers(seed, row->credit) && !is_customers(seed, row->debit))
            sums.net_flow += row->amount;
        if (is_customers(seed, row->debit) && !is_customers(seed, row->credit))
            sums.net_flow -= row->amount;
    }
    return sums;
}

static int64_t data_end(const struct seed *seed)
{
    int64_t newest = 0;
    for (size_t i = 0; i < seed->transaction_count; i++) {
        if (seed->transactions[i].at_us > newest)
            newest = seed->transactions[i].at_us;
    }
    return (newest / US_PER_DAY + 1) * US_PER_DAY;
}

/* --- key figures ---------------------------------------------------------------------------- */

static void expect_kpi(struct seed *seed, const struct msg_period_query *in, int64_t from,
                       int64_t to, uint16_t currency)
{
    struct msg_kpi out;
    struct recount sums = recount(seed, from, to, currency);
    int64_t accounts = 0;
    int64_t active = 0;
    int64_t balance = 0;

    assert_int_equal(SEED_ASK(seed, kpi, summary, in, &out), ERR_none);
    assert_int_equal(out.from, from);
    assert_int_equal(out.to, to);
    assert_true(slice_is(out.currency, currency == SEED_USD ? "USD" : "JPY"));
    assert_int_equal(out.transactions, sums.count);
    assert_int_equal(out.volume, sums.volume);
    assert_int_equal(out.average_amount, sums.count > 0 ? sums.volume / sums.count : 0);
    assert_int_equal(out.deposits_count, sums.deposits_count);
    assert_int_equal(out.deposits, sums.deposits);
    assert_int_equal(out.withdrawals, sums.withdrawals);
    assert_int_equal(out.transfers_count, sums.transfers_count);
    assert_int_equal(out.transfers, sums.transfers);
    assert_int_equal(out.net_flow, sums.net_flow);
    assert_int_equal(out.held_count, sums.held);
    assert_int_equal(out.declined_count, sums.declined);
    for (size_t i = 0; i < seed->account_count; i++) {
        const struct account_book *book = &seed->accounts[i].book;
        if (book->kind != ACCOUNT_CUSTOMER)
            continue;
        accounts++;
        active += book->currency == currency && book->status == ACCOUNT_ACTIVE;
        balance += book->currency == currency ? book->balance : 0;
    }
    assert_int_equal(out.accounts, accounts);
    assert_int_equal(out.active_accounts, active);
    assert_int_equal(out.total_balance, balance);
    assert_int_equal(out.average_balance, balance / active);
    assert_int_equal(out.data_to, data_end(seed));
}

static void key_figures_are_those_of_the_period(void **state)
{
    struct seed *seed = *state;
    struct msg_period_query in = {.has = 0};
    int64_t end = data_end(seed);

    expect_kpi(seed, &in, end - 30 * US_PER_DAY, end, SEED_USD);
    MSG_SET(&in, period_query, currency, slice_from("JPY"));
    expect_kpi(seed, &in, end - 30 * US_PER_DAY, end, SEED_JPY);
    for (int i = 0; i < 200; i++) {
        int64_t hours = 1 + (int64_t)seed_below(seed, 24 * 30);
        int64_t from = end - (int64_t)seed_below(seed, 24 * 40) * US_PER_HOUR;
        int64_t to = from + hours * US_PER_HOUR;
        MSG_SET(&in, period_query, from, from);
        MSG_SET(&in, period_query, to, to);
        expect_kpi(seed, &in, from, to, SEED_JPY);
    }
    /* A period that starts behind the data ends with today. */
    in.has = 0;
    MSG_SET(&in, period_query, from, end + 3 * US_PER_HOUR);
    expect_kpi(seed, &in, end + 3 * US_PER_HOUR, end + US_PER_DAY, SEED_USD);
    /* A period that is no whole number of hours is widened, and the reply says so. */
    in.has = 0;
    MSG_SET(&in, period_query, from, end - 5 * US_PER_DAY + US_PER_MINUTE);
    MSG_SET(&in, period_query, to, end - US_PER_HOUR - US_PER_MINUTE);
    expect_kpi(seed, &in, end - 5 * US_PER_DAY, end - US_PER_HOUR, SEED_USD);
}

static void periods_that_cannot_be_are_refused(void **state)
{
    struct seed *seed = *state;
    struct msg_period_query in = {.has = 0};
    struct msg_trend_query trend = {.has = 0};
    struct msg_kpi out;
    struct msg_trend points;

    MSG_SET(&in, period_query, from, 5 * US_PER_DAY);
    MSG_SET(&in, period_query, to, 5 * US_PER_DAY);
    assert_int_equal(SEED_ASK(seed, kpi, summary, &in, &out), ERR_range_invalid);
    MSG_SET(&in, period_query, to, INT64_MAX);
    assert_int_equal(SEED_ASK(seed, kpi, summary, &in, &out), ERR_range_invalid);
    MSG_SET(&in, period_query, from, INT64_MIN);
    MSG_SET(&in, period_query, to, 0);
    assert_int_equal(SEED_ASK(seed, kpi, summary, &in, &out), ERR_range_invalid);
    in.has = 0;
    MSG_SET(&in, period_query, currency, slice_from("usd?"));
    assert_int_equal(SEED_ASK(seed, kpi, summary, &in, &out), ERR_currency_unknown);
    MSG_SET(&trend, trend_query, step, STEP_HOUR);
    MSG_SET(&trend, trend_query, from, seed->now_us - 60 * US_PER_DAY);
    assert_int_equal(SEED_ASK(seed, kpi, trend, &trend, &points), ERR_range_invalid);
    assert_string_equal(seed->fault.field, "from");
}

/* --- trends --------------------------------------------------------------------------------- */

static void expect_trend(struct seed *seed, const struct msg_trend_query *in, int32_t step,
                         int64_t from, int64_t to, uint16_t currency)
{
    struct msg_trend out;
    size_t i = 0;

    assert_int_equal(SEED_ASK(seed, kpi, trend, in, &out), ERR_none);
    for (int64_t at = from; at < to; i++) {
        int64_t next = figures_step_add(step, at, 1);
        struct recount sums = recount(seed, at, next, currency);
        assert_true(i < out.points.count);
        const struct msg_trend_point *point = &out.points.at[i];
        assert_int_equal(point->at, at);
        assert_int_equal(point->count, sums.count);
        assert_int_equal(point->volume, sums.volume);
        assert_int_equal(point->deposits, sums.deposits);
        assert_int_equal(point->withdrawals, sums.withdrawals);
        assert_int_equal(point->transfers, sums.transfers);
        assert_int_equal(point->net_flow, sums.net_flow);
        assert_int_equal(point->flagged, sums.flagged);
        assert_int_equal(point->alerts, sums.alerts);
        at = next;
    }
    assert_int_equal(i, out.points.count);
}

static void each_point_of_a_trend_is_its_step(void **state)
{
    struct seed *seed = *state;
    struct msg_trend_query in = {.has = 0};
    int64_t end = data_end(seed);

    expect_trend(seed, &in, STEP_DAY, end - 30 * US_PER_DAY, end, SEED_USD);
    MSG_SET(&in, trend_query, step, STEP_HOUR);
    expect_trend(seed, &in, STEP_HOUR, end - 30 * US_PER_HOUR, end, SEED_USD);
    MSG_SET(&in, trend_query, from, end - 33 * US_PER_DAY + 5);
    expect_trend(seed, &in, STEP_HOUR, end - 33 * US_PER_DAY, end, SEED_USD);
    in.has = 0;
    MSG_SET(&in, trend_query, step, STEP_MONTH);
    /* The data lie in October and November 2026. */
    expect_trend(seed, &in, STEP_MONTH, time_from_civil(2024, 6, 1) * US_PER_DAY,
                 time_from_civil(2026, 12, 1) * US_PER_DAY, SEED_USD);
    MSG_SET(&in, trend_query, from, time_from_civil(2026, 10, 20) * US_PER_DAY);
    expect_trend(seed, &in, STEP_MONTH, time_from_civil(2026, 10, 1) * US_PER_DAY,
                 time_from_civil(2026, 12, 1) * US_PER_DAY, SEED_USD);
}

static void steps_of_months_follow_the_calendar(void **state)
{
    (void)state;
    int64_t start = time_from_civil(2023, 11, 1) * US_PER_DAY;
    assert_int_equal(figures_step_start(STEP_MONTH, start + 29 * US_PER_DAY), start);
    assert_int_equal(figures_step_add(STEP_MONTH, start, 4),
                     time_from_civil(2024, 3, 1) * US_PER_DAY);
    assert_int_equal(figures_step_add(STEP_MONTH, start, -11),
                     time_from_civil(2022, 12, 1) * US_PER_DAY);
    assert_int_equal(figures_step_add(STEP_MONTH, start, -24 * 60),
                     time_from_civil(1903, 11, 1) * US_PER_DAY);
    assert_int_equal(figures_step_start(STEP_HOUR, -1), -US_PER_HOUR);
    assert_int_equal(figures_step_start(STEP_DAY, -US_PER_DAY), -US_PER_DAY);
}

/* --- risk ----------------------------------------------------------------------------------- */

static void expect_risk(struct seed *seed, const struct msg_period_query *in, int64_t from,
                        int64_t to, uint16_t currency)
{
    struct msg_risk_summary out;
    int64_t bands[5] = {0};
    int64_t flagged = 0, day = 0, high = 0, held = 0, held_amount = 0, open = 0, frozen = 0;

    for (size_t i = 0; i < seed->transaction_count; i++) {
        const struct transaction *row = &seed->transactions[i];
        bool counted = currency == 0 || row->currency == currency;
        bool inside = counted && row->at_us >= from && row->at_us < to;
        int64_t unit = row->currency == SEED_USD ? 100 : 1;
        flagged += row->flagged;
        day += row->flagged && row->at_us >= to - US_PER_DAY && row->at_us < to;
        high += inside && row->amount >= 3000 * unit;
        held += row->status == STATUS_HELD;
        if (row->status == STATUS_HELD && row->currency == (currency == 0 ? SEED_USD : currency))
            held_amount += row->amount;
        if (inside && row->rule_set != 0)
            bands[row->score >= 800 ? 4 : row->score / 200]++;
    }
    for (size_t i = 0; i < seed->alert_count; i++)
        open += seed->alerts[i].state != ALERT_DECIDED;
    for (size_t i = 0; i < seed->account_count; i++)
        frozen += seed->accounts[i].book.status == ACCOUNT_FROZEN;
    assert_int_equal(SEED_ASK(seed, risk, summary, in, &out), ERR_none);
    assert_int_equal(out.from, from);
    assert_int_equal(out.flagged_total, flagged);
    assert_int_equal(out.flagged_24h, day);
    assert_int_equal(out.high_value, high);
    assert_int_equal(out.high_value_threshold, currency == SEED_JPY ? 3000 : 300000);
    assert_int_equal(out.held_count, held);
    assert_int_equal(out.held_amount, held_amount);
    assert_int_equal(out.alerts_open, open);
    assert_int_equal(out.frozen_accounts, frozen);
    assert_int_equal(out.bands.count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(out.bands.at[i].count, bands[i]);
    assert_true(held > 0 && flagged > 0 && high > 0 && frozen > 0);
}

static void risk_figures_are_recounted(void **state)
{
    struct seed *seed = *state;
    struct msg_period_query in = {.has = 0};
    int64_t end = data_end(seed);

    expect_risk(seed, &in, end - 30 * US_PER_DAY, end, 0);
    MSG_SET(&in, period_query, currency, slice_from("JPY"));
    expect_risk(seed, &in, end - 30 * US_PER_DAY, end, SEED_JPY);
    MSG_SET(&in, period_query, from, end - 17 * US_PER_DAY - 3 * US_PER_HOUR);
    MSG_SET(&in, period_query, to, end - 4 * US_PER_HOUR);
    expect_risk(seed, &in, in.from, in.to, SEED_JPY);
}

static void an_accounts_risk_is_its_profile_now(void **state)
{
    struct seed *seed = *state;
    struct msg_risk_account out;
    struct fraud_feature features[FRAUD_FEATURES_MAX];

    for (size_t i = 6; i < seed->account_count; i++) {
        const struct account_book *book = &seed->accounts[i].book;
        struct msg_account_ref in = {.account_id = book->account_id};
        int64_t open = 0, total = 0;
        for (size_t j = 0; j < seed->alert_count; j++) {
            total += seed->alerts[j].account == book->number;
            open +=
                seed->alerts[j].account == book->number && seed->alerts[j].state != ALERT_DECIDED;
        }
        assert_int_equal(SEED_ASK(seed, risk, account, &in, &out), ERR_none);
        assert_int_equal(out.alerts_total, total);
        assert_int_equal(out.alerts_open, open);
        size_t count = fraud_features(&seed->profiles[entity_of_account(book->number)],
                                      seed->now_us, features);
        assert_int_equal(out.features.count, count);
        assert_true(count > 0);
        for (size_t j = 0; j < count; j++)
            assert_int_equal(out.features.at[j].value, features[j].value);
        int32_t score = 0;
        size_t seen = 0;
        for (size_t j = seed->transaction_count; j-- > 0 && seen < LIMIT_RISK_NEWEST;) {
            const struct transaction *row = &seed->transactions[j];
            if (row->debit != book->number && row->credit != book->number)
                continue;
            seen++;
            score = row->score > score ? row->score : score;
        }
        assert_int_equal(out.score_max, score);
    }
}

static void the_banks_own_accounts_have_no_profile(void **state)
{
    struct seed *seed = *state;
    struct msg_account_ref in = {.account_id = seed->accounts[0].book.account_id};
    struct msg_risk_account out;

    assert_int_equal(SEED_ASK(seed, risk, account, &in, &out), ERR_account_system);
}

/* --- the largest ---------------------------------------------------------------------------- */

static void expect_top(struct seed *seed, int64_t days, int64_t limit)
{
    struct msg_top_query in = {.has = 0};
    struct msg_transaction_page out;
    int64_t end = data_end(seed);
    int64_t from = end - days * US_PER_DAY;
    size_t expected = 0;

    MSG_SET(&in, top_query, from, from);
    MSG_SET(&in, top_query, limit, limit);
    assert_int_equal(SEED_ASK(seed, top, transactions, &in, &out), ERR_none);
    for (size_t i = 0; i < seed->transaction_count; i++) {
        const struct transaction *row = &seed->transactions[i];
        if (!moved(row) || row->currency != SEED_USD || row->at_us < from)
            continue;
        size_t larger = 0;
        for (size_t j = 0; j < seed->transaction_count; j++) {
            const struct transaction *other = &seed->transactions[j];
            larger += moved(other) && other->currency == SEED_USD && other->at_us >= from &&
                      (other->amount > row->amount ||
                       (other->amount == row->amount && other->sequence > row->sequence));
        }
        if (larger >= (size_t)limit)
            continue;
        expected++;
        assert_true(larger < out.items.count);
        assert_int_equal(out.items.at[larger].sequence, row->sequence);
    }
    assert_int_equal(out.items.count, expected);
}

static void the_largest_come_first(void **state)
{
    struct seed *seed = *state;
    expect_top(seed, 40, 10);
    expect_top(seed, 40, LIMIT_TOP_ROWS_MAX);
    expect_top(seed, 3, 7);
    expect_top(seed, 1, 1);
}

/* --- compliance ----------------------------------------------------------------------------- */

static struct compliance_figures count_compliance(const struct seed *seed, int64_t from, int64_t to)
{
    struct compliance_figures f = {.customers = (int64_t)seed->customer_count, .unit = 100};
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < seed->transaction_count; i++) {
        const struct transaction *row = &seed->transactions[i];
        int64_t unit = row->currency == SEED_USD ? 100 : 1;
        if (row->status == STATUS_HELD && row->currency == SEED_USD)
            f.held_amount += row->amount;
        if (row->at_us < from || row->at_us >= to)
            continue;
        f.transactions++;
        f.flagged += row->flagged;
        f.declined += row->status == STATUS_DECLINED;
        f.large += row->amount >= 10000 * unit;
        f.high_value += row->amount >= 3000 * unit;
        f.alerts += alert_of(seed, row) != NULL;
    }
    for (size_t i = 0; i < seed->customer_count; i++)
        f.customers_verified += seed->customers[i].verified;
    for (size_t i = 0; i < seed->account_count; i++) {
        f.accounts_open += seed->accounts[i].book.kind == ACCOUNT_CUSTOMER;
        f.accounts_frozen += seed->accounts[i].book.status == ACCOUNT_FROZEN;
    }
    for (size_t i = 0; i < seed->alert_count; i++) {
        if (seed->alerts[i].state == ALERT_DECIDED)
            continue;
        f.alerts_open++;
        if (seed->alerts[i].created_at_us < oldest)
            oldest = seed->alerts[i].created_at_us;
    }
    f.oldest_alert_hours = f.alerts_open > 0 ? (seed->now_us - oldest) / US_PER_HOUR : 0;
    return f;
}

static void compliance_figures_are_recounted(void **state)
{
    struct seed *seed = *state;
    struct msg_period_query in = {.has = 0};
    struct msg_compliance out;
    struct msg_monitor_page page;
    struct compliance_part parts[COMPLIANCE_PARTS];
    struct compliance_monitor monitors[COMPLIANCE_MONITORS];
    int64_t end = data_end(seed);
    int64_t sum = 0;

    struct compliance_figures f = count_compliance(seed, end - 30 * US_PER_DAY, end);
    assert_int_equal(SEED_ASK(seed, compliance, summary, &in, &out), ERR_none);
    assert_int_equal(out.score, compliance_score(&f, parts));
    assert_int_equal(out.transactions, f.transactions);
    assert_int_equal(out.large_transactions, f.large);
    assert_int_equal(out.large_threshold, 1000000);
    assert_int_equal(out.suspicious_share, ratio_basis_points(f.flagged, f.transactions));
    assert_int_equal(out.verification_rate, ratio_basis_points(f.customers_verified, f.customers));
    assert_int_equal(out.frozen_share, ratio_basis_points(f.accounts_frozen, f.accounts_open));
    assert_int_equal(out.alerts_open, f.alerts_open);
    for (size_t i = 0; i < out.parts.count; i++)
        sum += out.parts.at[i].points;
    assert_int_equal(out.score, sum);

    assert_int_equal(SEED_ASK(seed, monitor, list, &in, &page), ERR_none);
    compliance_monitors(&f, monitors);
    assert_int_equal(page.items.count, COMPLIANCE_MONITORS);
    for (size_t i = 0; i < page.items.count; i++) {
        assert_true(slice_is(page.items.at[i].name, monitors[i].name));
        assert_int_equal(page.items.at[i].value, monitors[i].value);
        assert_int_equal(page.items.at[i].state, monitors[i].state);
        assert_true(i == 0 || page.items.at[i].state <= page.items.at[i - 1].state);
    }
}

static void an_empty_bank_has_figures(void **state)
{
    (void)state;
    struct seed *seed = seed_open(SEED_MEMORY);
    struct msg_period_query in = {.has = 0};
    struct msg_trend_query trend = {.has = 0};
    struct msg_top_query top = {.has = 0};
    struct msg_kpi kpi;
    struct msg_compliance compliance;
    struct msg_trend points;
    struct msg_transaction_page page;

    assert_int_equal(SEED_ASK(seed, kpi, summary, &in, &kpi), ERR_none);
    assert_int_equal(kpi.transactions, 0);
    assert_false(MSG_HAS(&kpi, kpi, data_from));
    assert_int_equal(kpi.to, (seed->now_us / US_PER_DAY + 1) * US_PER_DAY);
    assert_int_equal(SEED_ASK(seed, compliance, summary, &in, &compliance), ERR_none);
    assert_int_equal(compliance.parts.at[PART_SUSPICION].points, 25);
    assert_int_equal(SEED_ASK(seed, risk, trend, &trend, &points), ERR_none);
    assert_int_equal(points.points.count, 30);
    assert_int_equal(SEED_ASK(seed, top, transactions, &top, &page), ERR_none);
    assert_int_equal(page.items.count, 0);
    seed_close(&seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_figures_are_those_of_the_period),
        cmocka_unit_test(periods_that_cannot_be_are_refused),
        cmocka_unit_test(each_point_of_a_trend_is_its_step),
        cmocka_unit_test(steps_of_months_follow_the_calendar),
        cmocka_unit_test(risk_figures_are_recounted),
        cmocka_unit_test(an_accounts_risk_is_its_profile_now),
        cmocka_unit_test(the_banks_own_accounts_have_no_profile),
        cmocka_unit_test(the_largest_come_first),
        cmocka_unit_test(compliance_figures_are_recounted),
        cmocka_unit_test(an_empty_bank_has_figures),
    };

    return SEED_RUN(tests, 500);
}
