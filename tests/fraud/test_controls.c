/* What people set and the engine obeys: lists, suppressed rules, rules that are stepped down,
 * thresholds of their own. Each shows in the reasons, and the stored decision makes the same
 * verdict again, bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bankd/fraud/rules.h"
#include "common/check.h"
#include "common/clock.h"
#include "tests/fraud/shipped.h"
#include "tests/unit/random.h"

enum { ROUNDS = 5000, TEXT_MAX = 64 * 1024 };

#define HEAD "version 1 threshold alert 300 threshold hold 600 threshold decline 900\n"
#define TAIL " because \"{amount} is much\" fires on amount=5000 silent on amount=0 end\n"

static struct fraud_rules *parse(const char *text)
{
    struct fraud_rules *rules = NULL;
    struct fault        fault = { 0 };

    if (fraud_rules_parse(slice_from(text), "t.rules", &rules, &fault) != ERR_none)
        fail_msg("%s: %s\n%s", fault.field, fault.text, text);
    return rules;
}

static void assert_same(const struct fraud_verdict *a, const struct fraud_verdict *b)
{
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->score, b->score);
    assert_int_equal(a->sum, b->sum);
    assert_int_equal(a->alert, b->alert);
    assert_int_equal(a->forced, b->forced);
    assert_memory_equal(&a->stopping, &b->stopping, sizeof a->stopping);
    assert_int_equal(a->reason_count, b->reason_count);
    for (size_t i = 0; i < a->reason_count; i++) {
        assert_int_equal(a->reasons[i].rule, b->reasons[i].rule);
        assert_int_equal(a->reasons[i].points, b->reasons[i].points);
        assert_int_equal(a->reasons[i].effect, b->reasons[i].effect);
        assert_string_equal(a->reasons[i].text, b->reasons[i].text);
    }
    assert_int_equal(a->decision_size, b->decision_size);
    assert_memory_equal(a->decision, b->decision, a->decision_size);
}

static void assert_adds_up(const struct fraud_verdict *verdict)
{
    int sum = 0;

    for (size_t i = 0; i < verdict->reason_count; i++)
        sum += verdict->reasons[i].points;
    assert_int_equal(sum, verdict->score);
}

/* Judges a payment of `amount` by somebody of whom nothing is known, and explains it. */
static struct fraud_verdict judge(const struct fraud_rules *rules, int64_t amount,
                                  const struct fraud_controls *controls)
{
    struct fraud_verdict verdict;
    struct fraud_verdict again;
    struct fraud_profile profile;
    struct fraud_event   event = {
          .amount = amount, .unit = 100, .type = TYPE_TRANSFER, .controls = controls
    };

    memset(&again, 0x5a, sizeof again);
    fraud_profile_init(&profile);
    fraud_judge(rules, &profile, NULL, &event, true, &verdict);
    assert_true(fraud_explain(rules, verdict.decision, verdict.decision_size, &again));
    assert_same(&verdict, &again);
    assert_adds_up(&verdict);
    return verdict;
}

static void test_lists_are_features(void **state)
{
    static const struct {
        uint32_t lists;
        int32_t  verdict;
        bool     alert;
        int      reasons;
    } cases[] = {
        { 0, VERDICT_APPROVE, false, 0 },
        { FRAUD_ACCOUNT_ALLOWED, VERDICT_APPROVE, false,
          2 }, /* the clamp's too: no score below 0 */
        { FRAUD_ACCOUNT_DENIED, VERDICT_DECLINE, true, 1 },
        { FRAUD_ACCOUNT_WATCHED, VERDICT_APPROVE, true, 1 },
        { FRAUD_COUNTERPARTY_ALLOWED, VERDICT_APPROVE, false, 2 },
        { FRAUD_COUNTERPARTY_DENIED, VERDICT_DECLINE, true, 1 },
        { FRAUD_COUNTERPARTY_WATCHED, VERDICT_APPROVE, true, 1 },
        { FRAUD_COUNTERPARTY_DENIED | FRAUD_ACCOUNT_ALLOWED, VERDICT_DECLINE, true, 1 },
        { FRAUD_COUNTERPARTY_ALLOWED | FRAUD_ACCOUNT_WATCHED, VERDICT_APPROVE, true, 1 },
    };
    struct fraud_rules *rules = shipped_rules();

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct fraud_controls controls = { .lists = cases[i].lists };
        struct fraud_verdict  verdict = judge(rules, 100, &controls);

        assert_int_equal(verdict.verdict, cases[i].verdict);
        assert_int_equal(verdict.alert, cases[i].alert);
        assert_int_equal(verdict.reason_count, cases[i].reasons);
        assert_int_equal(verdict.decision[0], 1); /* a list is a feature like any other */
    }
    fraud_rules_free(&rules);
}

static void test_a_suppressed_rule_gives_nothing_and_says_so(void **state)
{
    struct fraud_rules   *rules = parse(HEAD "rule big when amount > 0 score 400 action hold" TAIL
                                             "rule odd when amount > 0 score 100" TAIL);
    struct fraud_controls controls = {
        .suppressed_count = 1,
        .suppressed = { { .rule = 0, .until_s = 1796119200, .number = 17 } },
    };
    struct fraud_verdict verdict = judge(rules, 500, NULL);

    (void)state;
    assert_int_equal(verdict.verdict, VERDICT_HOLD);
    assert_int_equal(verdict.score, 500);
    assert_true(fraud_rule_bit(&verdict.stopping, 0));
    assert_int_equal(verdict.decision[0], 1);

    verdict = judge(rules, 500, &controls);
    assert_int_equal(verdict.verdict, VERDICT_APPROVE);
    assert_false(verdict.alert);
    assert_int_equal(verdict.score, 100);
    assert_false(fraud_rule_bit(&verdict.stopping, 0));
    assert_int_equal(verdict.reason_count, 2);
    assert_int_equal(verdict.reasons[1].rule, 0);
    assert_int_equal(verdict.reasons[1].points, 0);
    assert_int_equal(verdict.reasons[1].effect, FRAUD_SUPPRESSED);
    assert_string_equal(verdict.reasons[1].text,
                        "suppressed until 2026-12-01 10:00 (no. 17): 5.00 is much");
    assert_int_equal(verdict.decision[0], 2);

    verdict = judge(rules, 0, &controls); /* what does not fire is not mentioned */
    assert_int_equal(verdict.reason_count, 0);
    assert_int_equal(verdict.decision[0], 1);
    fraud_rules_free(&rules);
}

/* What a rule does by itself weighs as much as the points that do the same. */
static void test_an_action_has_a_weight(void **state)
{
    struct fraud_rules *rules =
        parse("version 1 threshold alert 300 threshold hold 600 threshold decline never "
              "rule look when amount >= 100 and amount < 200 action alert because \"a\" "
              "fires on amount=100 silent on amount=200 end "
              "rule stop when amount >= 200 and amount < 500 action hold because \"b\" "
              "fires on amount=200 silent on amount=500 end "
              "rule end when amount >= 300 and amount < 400 action decline because \"c\" "
              "fires on amount=300 silent on amount=400 end "
              "rule sum when amount >= 400 score amount because \"d\" "
              "fires on amount=400 silent on amount=300 end ");
    static const struct {
        int64_t amount;
        int32_t score, weight;
    } cases[] = { { 50, 0, 0 },      { 150, 0, 300 },   { 250, 0, 600 },  { 350, 0, 1000 },
                  { 450, 450, 600 }, { 550, 550, 550 }, { 700, 700, 700 } };
    /* The thresholds of a budget are not what the rules mean by their points. */
    struct fraud_controls controls = { .threshold_alert = 100, .threshold_hold = 200 };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct fraud_verdict verdict = judge(rules, cases[i].amount, NULL);

        assert_int_equal(verdict.score, cases[i].score);
        assert_int_equal(verdict.weight, cases[i].weight);
        verdict = judge(rules, cases[i].amount, &controls);
        assert_int_equal(verdict.weight, cases[i].weight);
    }
    controls = (struct fraud_controls){ .stepped_down = { { 2 } } };
    assert_int_equal(judge(rules, 250, &controls).weight, 300); /* it only alerts */
    fraud_rules_free(&rules);
}

static void test_a_rule_that_is_stepped_down_only_alerts(void **state)
{
    struct fraud_rules *rules = parse(HEAD "rule stop when amount > 0 score 10 action decline" TAIL
                                           "rule sum when amount > 100 score 700" TAIL
                                           "rule end when amount > 200 score 950" TAIL);
    struct fraud_controls controls = { .stepped_down = { { 1 } } };
    struct fraud_verdict  verdict = judge(rules, 50, &controls);

    (void)state;
    assert_int_equal(verdict.verdict, VERDICT_APPROVE);
    assert_true(verdict.alert && verdict.forced);
    assert_int_equal(verdict.score, 10); /* it keeps its points */
    assert_int_equal(verdict.stopping.words[0], 1);
    assert_int_equal(verdict.reasons[0].effect, FRAUD_STEPPED_DOWN);
    assert_string_equal(verdict.reasons[0].text, "stepped down to an alert: 0.50 is much");

    verdict = judge(rules, 150, &controls); /* another rule still holds */
    assert_int_equal(verdict.verdict, VERDICT_HOLD);
    controls.stepped_down.words[0] = 3;
    verdict = judge(rules, 150, &controls); /* neither does */
    assert_int_equal(verdict.verdict, VERDICT_APPROVE);
    assert_true(verdict.alert);
    assert_int_equal(verdict.score, 710);
    assert_int_equal(verdict.stopping.words[0], 3); /* but both would */
    verdict = judge(rules, 250, &controls);
    assert_int_equal(verdict.verdict, VERDICT_DECLINE); /* by the points of the third alone */
    assert_int_equal(verdict.score, 1000);
    assert_int_equal(verdict.stopping.words[0], 7);
    fraud_rules_free(&rules);
}

static void test_who_stops_a_payment(void **state)
{
    struct fraud_rules *rules =
        parse(HEAD "rule a when amount > 0 score 250" TAIL "rule b when amount > 1 score 260" TAIL
                   "rule c when amount > 2 score 240" TAIL "rule d when amount > 3 score 20" TAIL);

    (void)state;
    assert_int_equal(judge(rules, 2, NULL).stopping.words[0], 0); /* 510: nothing is stopped */
    assert_int_equal(judge(rules, 3, NULL).stopping.words[0], 7); /* 750: each is needed */
    assert_int_equal(judge(rules, 4, NULL).stopping.words[0], 7); /* 770: all but the last */
    fraud_rules_free(&rules);
}

static void test_thresholds_can_be_moved(void **state)
{
    struct fraud_rules   *rules = parse(HEAD "rule r when amount > 0 score amount" TAIL);
    struct fraud_controls controls = { .threshold_alert = 450, .threshold_hold = 700 };

    (void)state;
    assert_true(judge(rules, 310, NULL).alert);
    assert_false(judge(rules, 310, &controls).alert);
    assert_false(judge(rules, 449, &controls).alert);
    assert_true(judge(rules, 450, &controls).alert);
    assert_false(judge(rules, 450, &controls).forced);
    assert_int_equal(judge(rules, 650, NULL).verdict, VERDICT_HOLD);
    assert_int_equal(judge(rules, 650, &controls).verdict, VERDICT_APPROVE);
    assert_int_equal(judge(rules, 700, &controls).verdict, VERDICT_HOLD);
    assert_int_equal(judge(rules, 900, &controls).verdict, VERDICT_DECLINE);
    assert_false(judge(rules, 900, &controls).forced);
    assert_int_equal(judge(rules, 310, &controls).decision[0], 2);
    controls = (struct fraud_controls){ .threshold_alert = 300, .threshold_hold = 600 };
    assert_int_equal(judge(rules, 310, &controls).decision[0], 1); /* the rules' own */
    fraud_rules_free(&rules);
}

/* --- at random ------------------------------------------------------------------------------- */

static struct fraud_rules *crowded_rules(struct random *random, int count)
{
    static const char *const actions[] = { "score", "alert", "hold", "decline" };
    static char              text[TEXT_MAX];
    int                      used = snprintf(text, sizeof text, HEAD);

    for (int i = 0; i < count; i++) {
        int points = (int)random_below(random, 300) - 100;
        int above = (int)random_below(random, 1000);
        int action = random_below(random, 20) == 0 ? (int)random_below(random, 4) : 0;

        used += snprintf(text + used, sizeof text - (size_t)used,
                         "rule r%d when amount > %d score %d action %s because \"{amount}\"\n"
                         "fires on amount=5000 silent on amount=0 end\n",
                         i, above, points, actions[action]);
        assert_true(used < TEXT_MAX);
    }
    return parse(text);
}

static void controls_at_random(struct random *random, size_t rules, struct fraud_controls *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = random_below(random, 6); i > 0; i--)
        fraud_rule_bit_set(&out->stepped_down, random_below(random, rules));
    for (size_t i = random_below(random, LIMIT_SUPPRESSIONS_PER_ACCOUNT + 1); i > 0; i--)
        out->suppressed[out->suppressed_count++] = (struct fraud_suppression){
            .rule = (uint16_t)((i * 7 + random_below(random, 7)) % rules),
            .until_s = 1700000000 + (int64_t)random_below(random, 1000000000),
            .number = 1 + (int64_t)random_below(random, 100000),
        };
    if (random_below(random, 2) == 0) {
        out->threshold_alert = 1 + (int32_t)random_below(random, 900);
        out->threshold_hold = out->threshold_alert +
                              (int32_t)random_below(random, 901 - (size_t)out->threshold_alert);
    }
}

static void test_controlled_decisions_explain_themselves(void **state)
{
    struct random       random = random_start(__func__);
    struct fraud_rules *rules = crowded_rules(&random, LIMIT_RULES_MAX);
    size_t              controlled = 0;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct fraud_controls controls;
        struct fraud_verdict  verdict;

        controls_at_random(&random, LIMIT_RULES_MAX, &controls);
        verdict = judge(rules, (int64_t)random_below(&random, 1200), &controls);
        controlled += verdict.decision[0] == 2;
    }
    assert_true(controlled > ROUNDS / 2);
    fraud_rules_free(&rules);
}

/* A controlled decision has one form: cut, longer, with other flags or with controls of rules that
 * did not fire it is refused. */
static void test_damaged_controls_are_refused(void **state)
{
    struct random        random = random_start(__func__);
    struct fraud_rules  *rules = crowded_rules(&random, 40);
    struct fraud_verdict out;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct fraud_controls controls;
        struct fraud_verdict  verdict;
        uint8_t               bytes[LIMIT_DECISION_MAX + 1] = { 0 };
        size_t                size;

        controls_at_random(&random, 40, &controls);
        verdict = judge(rules, (int64_t)random_below(&random, 1200), &controls);
        size = verdict.decision_size;
        memcpy(bytes, verdict.decision, size);
        assert_false(fraud_explain(rules, bytes, size - 1, &out));
        assert_false(fraud_explain(rules, bytes, size + 1, &out));
        bytes[0] ^= 3; /* the other format */
        assert_false(fraud_explain(rules, bytes, size, &out));
        bytes[0] ^= 3;
        bytes[random_below(&random, size)] = (uint8_t)random_next(&random);
        if (fraud_explain(rules, bytes, size, &out)) {
            assert_adds_up(&out);
            assert_memory_equal(out.decision, bytes, size);
        }
    }
    fraud_rules_free(&rules);
}

static void test_controls_without_effect_are_refused(void **state)
{
    struct fraud_rules   *rules = parse(HEAD "rule one when amount > 10 score 100" TAIL
                                             "rule two when amount > 100 score 100" TAIL);
    struct fraud_controls controls = { .stepped_down = { { 1 } } };
    struct fraud_verdict  verdict = judge(rules, 50, &controls);
    struct fraud_verdict  out;

    (void)state;
    assert_int_equal(verdict.decision[verdict.decision_size - 1], 1); /* the first rule's bit */
    verdict.decision[verdict.decision_size - 1] = 3;
    assert_false(fraud_explain(rules, verdict.decision, verdict.decision_size, &out));
    fraud_rules_free(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_are_features),
        cmocka_unit_test(test_a_suppressed_rule_gives_nothing_and_says_so),
        cmocka_unit_test(test_an_action_has_a_weight),
        cmocka_unit_test(test_a_rule_that_is_stepped_down_only_alerts),
        cmocka_unit_test(test_who_stops_a_payment),
        cmocka_unit_test(test_thresholds_can_be_moved),
        cmocka_unit_test(test_controlled_decisions_explain_themselves),
        cmocka_unit_test(test_damaged_controls_are_refused),
        cmocka_unit_test(test_controls_without_effect_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
