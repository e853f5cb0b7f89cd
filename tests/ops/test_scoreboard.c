/* The scoreboard against a recount by hand: every seeded payment explained once more, with findings
 * for some of them, over whole and partial periods, on both stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "common/clock.h"
#include "tests/lib/finding.h"

enum { RULES = 4, UNKNOWN = 0, FRAUD = 1, GOOD = 2 };

static const char *const names[RULES] = { "big", "huge", "monstrous", "busy" };

struct recount {
    int64_t fired, alerted, stopped, confirmed, false_positive, saved, unique, half[2];
    int64_t together[RULES];
};

struct expected {
    int64_t        payments[2], alerts;
    struct recount rules[RULES];
};

static int findings[SEED_TRANSACTIONS_MAX];

/* Every third judged payment gets a finding; every so many of those are fraud, 0 = none. */
static void find_out(struct seed *seed, int64_t every)
{
    int64_t n = 0;

    memset(findings, 0, sizeof findings);
    for (size_t i = 0; i < seed->transaction_count; i++) {
        const struct transaction *row = &seed->transactions[i];

        if (row->rule_set == 0 || ++n % 3 != 0)
            continue;
        findings[i] = every != 0 && n / 3 % every == 0 ? FRAUD : GOOD;
        finding_note(seed, row, findings[i] == FRAUD, row->at_us + US_PER_DAY);
    }
}

static void count_rule(struct recount *rule, const struct transaction *row, int finding, int half,
                       const struct fraud_verdict *verdict)
{
    bool stopped = row->initial_status == STATUS_HELD || row->initial_status == STATUS_DECLINED;

    rule->fired++;
    rule->half[half]++;
    rule->alerted += verdict->alert;
    rule->stopped += stopped;
    rule->confirmed += finding == FRAUD;
    rule->false_positive += finding == GOOD;
    rule->unique += finding == FRAUD && verdict->reason_count == 1;
    /* a release lets the money go, and so does one that only would have been stopped */
    if (finding == FRAUD && stopped && row->currency == SEED_USD &&
        (row->status == STATUS_HELD || row->status == STATUS_REJECTED ||
         row->status == STATUS_DECLINED))
        rule->saved += row->amount;
}

static void recount(const struct seed *seed, int64_t from, int64_t to, uint16_t currency,
                    struct expected *out)
{
    static struct fraud_verdict verdict;
    int64_t                     middle = from + (to - from) / 2;

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < seed->transaction_count; i++) {
        const struct transaction *row = &seed->transactions[i];
        int                       half = row->at_us < middle ? 0 : 1;

        if (row->rule_set == 0 || row->at_us < from || row->at_us >= to ||
            (currency != 0 && row->currency != currency))
            continue;
        assert_true(fraud_explain(seed->rules, row->decision, row->decision_size, &verdict));
        while (verdict.reason_count > 0 &&
               verdict.reasons[verdict.reason_count - 1].rule >= FRAUD_RULE_REST)
            verdict.reason_count--;
        out->payments[half]++;
        out->alerts += verdict.alert;
        for (size_t a = 0; a < verdict.reason_count; a++) {
            struct recount *rule = &out->rules[verdict.reasons[a].rule];

            count_rule(rule, row, findings[i], half, &verdict);
            for (size_t b = 0; b < verdict.reason_count; b++)
                rule->together[verdict.reasons[b].rule]++;
        }
    }
}

static size_t rule_of(struct slice name)
{
    size_t rule = 0;

    while (rule < RULES && !slice_is(name, names[rule]))
        rule++;
    assert_true(rule < RULES);
    return rule;
}

static int64_t rounded(int64_t part, int64_t scale, int64_t whole)
{
    return (2 * part * scale + whole) / (2 * whole);
}

static void check_overlap(const struct recount *rule, size_t self,
                          const struct msg_rule_score *item)
{
    int64_t most = 0;

    for (size_t i = 0; i < RULES; i++)
        if (i != self && rule->together[i] > most)
            most = rule->together[i];
    assert_int_equal(MSG_HAS(item, rule_score, overlap_rule), most > 0);
    if (most > 0) {
        assert_int_equal(rule->together[rule_of(item->overlap_rule)], most);
        assert_int_equal(item->overlap_bp, rounded(most, 10000, rule->fired));
    }
}

/* The written rules, once more. The seed's rules take nothing off, and two are of high severity. */
static int32_t advice_of(const struct expected *expected, size_t self,
                         const struct msg_rule_score *item)
{
    const struct recount *rule = &expected->rules[self];
    int64_t               payments = expected->payments[0] + expected->payments[1];
    int64_t               decided = rule->confirmed + rule->false_positive;
    bool                  is_high = self == 1 || self == 2;

    if (rule->fired == 0 && payments >= 1000)
        return is_high ? ADVICE_KEEP : ADVICE_RETIRE;
    if (decided >= 20 && rule->confirmed == 0)
        return ADVICE_RETIRE;
    if (rule->fired >= 20 && rule->unique == 0 && MSG_HAS(item, rule_score, overlap_rule)) {
        size_t  with = rule_of(item->overlap_rule);
        int64_t together = rule->together[with];

        if (together * 10 >= rule->fired * 9 && together * 2 >= expected->rules[with].fired)
            return ADVICE_MERGE;
    }
    return decided >= 20 && rule->confirmed * 10 < decided ? ADVICE_TIGHTEN : ADVICE_KEEP;
}

static void check_board(const struct expected *expected, const struct msg_scoreboard *out)
{
    int64_t payments = expected->payments[0] + expected->payments[1];

    assert_int_equal(out->payments, payments);
    assert_int_equal(out->alerts, expected->alerts);
    assert_int_equal(out->items.count, RULES);
    for (size_t i = 0; i < RULES; i++) {
        const struct msg_rule_score *item = &out->items.at[i];
        size_t                       self = rule_of(item->rule);
        const struct recount        *rule = &expected->rules[self];
        int64_t                      decided = rule->confirmed + rule->false_positive;

        assert_int_equal(item->fired, rule->fired);
        assert_int_equal(item->alerted, rule->alerted);
        assert_int_equal(item->stopped, rule->stopped);
        assert_int_equal(item->confirmed, rule->confirmed);
        assert_int_equal(item->false_positive, rule->false_positive);
        assert_int_equal(item->undecided, rule->fired - decided);
        assert_int_equal(item->saved, rule->saved);
        assert_int_equal(item->unique_catches, rule->unique);
        assert_int_equal(MSG_HAS(item, rule_score, precision_bp), decided > 0);
        if (decided > 0)
            assert_int_equal(item->precision_bp, rounded(rule->confirmed, 10000, decided));
        if (expected->payments[0] > 0)
            assert_int_equal(item->rate_first_ppm,
                             rounded(rule->half[0], 1000000, expected->payments[0]));
        if (expected->payments[1] > 0)
            assert_int_equal(item->rate_second_ppm,
                             rounded(rule->half[1], 1000000, expected->payments[1]));
        check_overlap(rule, self, item);
        assert_int_equal(item->advice, advice_of(expected, self, item));
        assert_true(item->in_force && item->advice_text.n > 0);
        if (i > 0)
            assert_true(item[-1].confirmed >= item->confirmed);
    }
}

static void board_is_a_recount(enum seed_kind kind)
{
    struct seed            *seed = seed_open(kind);
    struct msg_scoreboard   out;
    static struct expected  expected;
    struct msg_period_query whole = { .has = 0 };

    seed_fill(seed, 1500);
    find_out(seed, 2);
    MSG_SET(&whole, period_query, from, seed->now_us - 200 * US_PER_DAY);
    MSG_SET(&whole, period_query, to, seed->now_us + US_PER_DAY);
    assert_int_equal(SEED_ASK(seed, rules, scoreboard, &whole, &out), ERR_none);
    recount(seed, out.from, out.to, 0, &expected);
    assert_true(out.payments > 1000 && expected.rules[0].saved > 0);
    check_board(&expected, &out);
    for (int round = 0; round < 20; round++) {
        struct msg_period_query in = { .has = 0 };
        int64_t                 from = seed->now_us - (int64_t)seed_below(seed, 45) * US_PER_DAY;

        MSG_SET(&in, period_query, from, from);
        MSG_SET(&in, period_query, to, from + (1 + (int64_t)seed_below(seed, 500)) * US_PER_HOUR);
        if (round % 2 == 0)
            MSG_SET(&in, period_query, currency, slice_from("USD"));
        assert_int_equal(SEED_ASK(seed, rules, scoreboard, &in, &out), ERR_none);
        recount(seed, out.from, out.to, round % 2 == 0 ? SEED_USD : 0, &expected);
        assert_true(slice_is(out.currency, "USD"));
        check_board(&expected, &out);
    }
    seed_close(&seed);
}

static void test_the_board_is_a_recount_in_memory(void **state)
{
    (void)state;
    board_is_a_recount(SEED_MEMORY);
}

static void test_the_board_is_a_recount_in_sqlite(void **state)
{
    (void)state;
    board_is_a_recount(SEED_SQLITE);
}

/* Nothing is fraud, then little is. */
static void test_the_advice_follows_its_rules(void **state)
{
    struct seed            *seed = seed_open(SEED_MEMORY);
    struct msg_scoreboard   out;
    static struct expected  expected;
    struct msg_period_query whole = { .has = 0 };
    int                     words[ADVICE_RETIRE + 1] = { 0 };

    (void)state;
    seed_fill(seed, 1500);
    MSG_SET(&whole, period_query, from, seed->now_us - 200 * US_PER_DAY);
    MSG_SET(&whole, period_query, to, seed->now_us + US_PER_DAY);
    for (int64_t every = 0; every < 40; every += 13) {
        find_out(seed, every);
        assert_int_equal(SEED_ASK(seed, rules, scoreboard, &whole, &out), ERR_none);
        recount(seed, out.from, out.to, 0, &expected);
        check_board(&expected, &out);
        for (size_t i = 0; i < out.items.count; i++)
            words[out.items.at[i].advice]++;
    }
    assert_true(words[ADVICE_RETIRE] > 0 && words[ADVICE_TIGHTEN] > 0);
    seed_close(&seed);
}

static void test_a_board_can_be_cancelled(void **state)
{
    struct seed            *seed = seed_open(SEED_SQLITE);
    struct msg_scoreboard   out;
    struct msg_period_query in = { .has = 0 };
    atomic_bool             cancel = true;

    (void)state;
    seed_fill(seed, 200);
    seed_begin(seed, OP_INDEX_rules_scoreboard, &out);
    seed->request.cancel = &cancel;
    assert_int_equal(seed_end(seed, op_rules_scoreboard(&seed->request, &in, &out), &out),
                     ERR_cancelled);
    seed_close(&seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_board_is_a_recount_in_memory),
        cmocka_unit_test(test_the_board_is_a_recount_in_sqlite),
        cmocka_unit_test(test_the_advice_follows_its_rules),
        cmocka_unit_test(test_a_board_can_be_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
