/* Back tests: a replay sees what the writer saw, nothing of the bank changes, and the measures are
 * those of a recount by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bankd/learn/backtest.h"
#include "common/check.h"
#include "tests/lib/seed.h"
#include "tests/unit/random.h"

/* --- replay ---------------------------------------------------------------------------------- */

struct watch {
    struct seed *seed;
    int64_t      judged;
    int64_t      last;
};

static enum err compare_decision(void *context, const struct replay_event *event)
{
    static struct fraud_verdict verdict;
    static struct fraud_verdict bare;
    struct watch               *watch = context;

    fraud_judge(watch->seed->rules, event->subject, event->counterparty, event->event, false,
                &verdict);
    assert_true(event->row->sequence > watch->last);
    assert_int_equal(verdict.score, event->row->score);
    assert_int_equal(verdict.verdict, event->row->verdict);
    assert_int_equal(verdict.decision_size, event->row->decision_size);
    assert_memory_equal(verdict.decision, event->row->decision, verdict.decision_size);
    fraud_judge_bare(watch->seed->rules, event->subject, event->counterparty, event->event, &bare);
    assert_int_equal(bare.score, verdict.score);
    assert_int_equal(bare.sum, verdict.sum);
    assert_int_equal(bare.verdict, verdict.verdict);
    assert_int_equal(bare.weight, verdict.weight);
    assert_int_equal(bare.alert, verdict.alert);
    assert_int_equal(bare.forced, verdict.forced);
    assert_memory_equal(&bare.stopping, &verdict.stopping, sizeof bare.stopping);
    assert_int_equal(bare.reason_count + bare.decision_size, 0);
    watch->last = event->row->sequence;
    watch->judged++;
    return ERR_none;
}

static void replay_is_what_the_writer_saw(enum seed_kind kind)
{
    struct seed          *seed = seed_open(kind);
    struct watch          watch = { .seed = seed };
    struct replay_options options = { .store = seed->store,
                                      .entities_max = 1000,
                                      .context = &watch };
    int64_t               judged = 0;

    seed_fill(seed, 900);
    for (size_t i = 0; i < seed->transaction_count; i++)
        judged += seed->transactions[i].rule_set != 0 ? 1 : 0;
    assert_int_equal(replay_run(&options, compare_decision, &seed->fault), ERR_none);
    assert_true(judged > 500);
    assert_int_equal(watch.judged, judged);
    options.entities_max = 3;
    watch.last = 0;
    assert_int_equal(replay_run(&options, compare_decision, &seed->fault), ERR_message_too_large);
    seed_close(&seed);
}

static void test_replay_in_memory(void **state)
{
    (void)state;
    replay_is_what_the_writer_saw(SEED_MEMORY);
}

static void test_replay_in_sqlite(void **state)
{
    (void)state;
    replay_is_what_the_writer_saw(SEED_SQLITE);
}

static enum err stop_at_once(void *context, const struct replay_event *event)
{
    (void)event;
    atomic_store((atomic_bool *)context, true);
    return ERR_none;
}

static void test_a_replay_can_be_cancelled(void **state)
{
    struct seed          *seed = seed_open(SEED_MEMORY);
    atomic_bool           cancel = false;
    struct replay_options options = {
        .store = seed->store, .entities_max = 1000, .cancel = &cancel, .context = &cancel
    };

    (void)state;
    seed_fill(seed, 50);
    assert_int_equal(replay_run(&options, stop_at_once, &seed->fault), ERR_cancelled);
    seed_close(&seed);
}

static void test_the_same_rules_change_nothing(void **state)
{
    struct seed            *seed = seed_open(SEED_MEMORY);
    struct backtest_options options = { .replay = { .store = seed->store, .entities_max = 1000 },
                                        .rules = seed->rules,
                                        .from_us = INT64_MIN,
                                        .cards = 100 };
    static struct backtest_result result;
    int64_t                       judged = 0;

    (void)state;
    seed_fill(seed, 900);
    for (size_t i = 0; i < seed->transaction_count; i++)
        judged += seed->transactions[i].rule_set != 0 ? 1 : 0;
    assert_int_equal(backtest_run(&options, &result, &seed->fault), ERR_none);
    assert_int_equal(result.judged, judged);
    /* Whatever became of the flags since: some were set and some taken off by hand. */
    assert_int_equal(result.alerts_then.count, seed->alert_count);
    assert_int_equal(result.alerts.count, result.alerts_then.count);
    assert_int_equal(result.gained.count + result.lost.count, 0);
    assert_true(result.alerts.count > 0);
    options.from_us = seed->now_us;
    assert_int_equal(backtest_run(&options, &result, &seed->fault), ERR_none);
    assert_int_equal(result.judged, 0);
    seed_close(&seed);
}

/* The operation says what the computation says, tells of it, and leaves off what is too much. */
static void tell(void *context, int64_t done, int64_t total)
{
    assert_true(done >= 0 && done <= total);
    ++*(int *)context;
}

static enum err ask(struct seed *seed, const struct msg_rules_backtest *in,
                    const atomic_bool *cancel, int *told, struct msg_backtest *out)
{
    seed_begin(seed, OP_INDEX_rules_backtest, out);
    seed->request.tell = tell;
    seed->request.tell_context = told;
    seed->request.cancel = cancel;
    return seed_end(seed, op_rules_backtest(&seed->request, in, out), out);
}

static void test_the_operation_says_what_the_back_test_says(void **state)
{
    struct seed              *seed = seed_open(SEED_SQLITE);
    struct msg_rules_backtest in = { .has = 0 };
    struct msg_backtest       out;
    struct backtest_options   options = { .replay = { .store = seed->store, .entities_max = 1000 },
                                          .rules = seed->rules,
                                          .from_us = INT64_MIN,
                                          .known_from_us = INT64_MIN,
                                          .cards = 100 };
    static struct backtest_result result;
    struct backtest_line          lines[BACKTEST_LINES];
    atomic_bool                   cancel = false;
    int                           told = 0;

    (void)state;
    seed_fill(seed, 900);
    assert_int_equal(backtest_run(&options, &result, &seed->fault), ERR_none);
    backtest_lines(&result, lines);
    MSG_SET(&in, rules_backtest, limit, 3);
    assert_int_equal(ask(seed, &in, &cancel, &told, &out), ERR_none);
    assert_int_equal(out.read, result.read);
    assert_int_equal(out.judged, result.judged);
    assert_int_equal(out.measured_frauds, result.measures.frauds);
    assert_int_equal(result.labelled, 0); /* so there is nothing to measure by, and no zeros */
    assert_false(MSG_HAS(&out, backtest, precision_bp) || MSG_HAS(&out, backtest, auc_roc_ppm) ||
                 MSG_HAS(&out, backtest, average_precision_ppm) ||
                 MSG_HAS(&out, backtest, card_precision_ppm));
    assert_int_equal(out.lines.count, BACKTEST_LINES);
    for (size_t i = 0; i < BACKTEST_LINES; i++) {
        assert_true(slice_is(out.lines.at[i].name, lines[i].name));
        assert_int_equal(out.lines.at[i].count, lines[i].sum->count);
        assert_int_equal(out.lines.at[i].money.count, result.currency_count);
        assert_int_equal(out.lines.at[i].money.at[0].amount, lines[i].sum->money[0]);
    }
    assert_int_equal(out.changes_total, result.gained.count + result.lost.count);
    assert_true(out.changes.count == (out.changes_total < 3 ? (size_t)out.changes_total : 3));
    assert_true(told > 0);
    atomic_store(&cancel, true);
    assert_int_equal(ask(seed, &in, &cancel, &told, &out), ERR_cancelled);
    seed_close(&seed);
}

/* --- measures -------------------------------------------------------------------------------- */

static double near(double a, double b)
{
    return a > b ? a - b : b - a;
}

/* Every pair of a fraud and another, and the precision at every fraud's rank; equal scores share
 * the rank of the last of them. */
static void test_order_is_measured_as_by_hand(void **state)
{
    enum { EVENTS = 60 };

    struct random   random = random_start(__func__);
    struct measured events[EVENTS];
    struct measures out;

    (void)state;
    for (int round = 0; round < 200; round++) {
        double pairs = 0;
        double precision = 0;
        int    frauds = 0;

        for (size_t i = 0; i < EVENTS; i++) {
            events[i] = (struct measured){ .account = (int64_t)i,
                                           .score = (int32_t)random_below(&random, 20) - 5,
                                           .fraud = i == 0 || random_below(&random, 5) == 0 };
            frauds += events[i].fraud ? 1 : 0;
        }
        for (size_t i = 0; i < EVENTS; i++) {
            double above = 0;
            double found = 0;

            for (size_t j = 0; events[i].fraud && j < EVENTS; j++) {
                above += events[j].score >= events[i].score ? 1 : 0;
                found += events[j].score >= events[i].score && events[j].fraud ? 1 : 0;
                if (!events[j].fraud)
                    pairs += events[i].score > events[j].score    ? 1
                             : events[i].score == events[j].score ? 0.5
                                                                  : 0;
            }
            precision += events[i].fraud ? found / above : 0;
        }
        assert_int_equal(measure(events, EVENTS, 5, &out), ERR_none);
        assert_int_equal(out.frauds, frauds);
        assert_true(near(out.average_precision, precision / frauds) < 1e-12);
        assert_true(frauds == EVENTS || near(out.auc, pairs / frauds / (EVENTS - frauds)) < 1e-12);
    }
}

/* Two cards a day: on day 1 cards 1 and 2 are highest, of them 1 is found and is out on day 2,
 * where 3 and 2 follow; day 3 has one card alone. */
static void test_cards_are_found_once(void **state)
{
    struct measured events[] = {
        { 1, 90, 1, false }, { 1, 10, 1, true }, { 2, 80, 1, false }, { 3, 70, 1, true },
        { 1, 99, 2, true },  { 2, 20, 2, true }, { 3, 30, 2, false }, { 4, 5, 2, true },
        { 2, 50, 3, true },  { 5, 40, 3, true },
    };
    struct measures out;

    (void)state;
    assert_int_equal(measure(events, ARRAY_COUNT(events), 2, &out), ERR_none);
    assert_int_equal(out.days, 3);
    /* Found: 1 on day 1, 2 on day 2, 5 on day 3: one of two each. */
    assert_true(near(out.card_precision, 0.5) < 1e-12);
    assert_true(out.has_cards);
    assert_int_equal(measure(events, 0, 2, &out), ERR_none);
    assert_int_equal(out.days, 0);
    assert_false(out.has_cards || out.has_order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay_in_memory),
        cmocka_unit_test(test_replay_in_sqlite),
        cmocka_unit_test(test_a_replay_can_be_cancelled),
        cmocka_unit_test(test_the_same_rules_change_nothing),
        cmocka_unit_test(test_the_operation_says_what_the_back_test_says),
        cmocka_unit_test(test_order_is_measured_as_by_hand),
        cmocka_unit_test(test_cards_are_found_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
