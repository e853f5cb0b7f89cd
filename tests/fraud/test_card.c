/* Scorecards in a rule set: their points join the sum, their reasons add up with those of the
 * rules, decisions explain themselves, and broken cards are refused at their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bankd/fraud/features.h"
#include "bankd/fraud/fraud.h"
#include "common/check.h"
#include "common/clock.h"
#include "tests/unit/random.h"

static const char rules_text[] = "version 1\n"
                                 "threshold hold 600\n"
                                 "threshold decline 900\n"
                                 "rule large when amount >= 5000 score 70 because \"{amount}\"\n"
                                 "  fires on amount=5000 silent on amount=4999 end\n";

static const char card_text[] = "# small\n"
                                "card 1\n"
                                "base 20\n"
                                "feature amount\n"
                                "  cuts 1000 3000\n"
                                "  points -7 11 400\n"
                                "pair amount hour\n"
                                "  cuts 2000\n"
                                "  across 6 18\n"
                                "  points 1 2 3\n"
                                "         4 5 6\n"
                                "end\n";

static struct fraud_rules *with_card(const char *card)
{
    struct fraud_rules *rules = NULL;
    struct fault        fault = { 0 };

    assert_int_equal(fraud_rules_parse(slice_from(rules_text), "rules", &rules, &fault), ERR_none);
    if (fraud_rules_card(rules, slice_from(card), "card", &fault) != ERR_none)
        fail_msg("%s:%s", fault.field, fault.text);
    return rules;
}

static struct fraud_event make_event(int64_t amount, int64_t hour)
{
    return (struct fraud_event){ .at_us = 20000 * US_PER_DAY + hour * US_PER_HOUR,
                                 .amount = amount,
                                 .unit = 100,
                                 .type = TYPE_PAYMENT };
}

static void judge(const struct fraud_rules *rules, int64_t amount, int64_t hour,
                  struct fraud_verdict *out)
{
    struct fraud_profile profile;
    struct fraud_event   event = make_event(amount, hour);

    fraud_profile_init(&profile);
    fraud_judge(rules, &profile, NULL, &event, true, out);
}

static void test_points_are_those_of_the_bins(void **state)
{
    static const struct {
        int64_t amount, hour;
        int32_t sum;
    } cases[] = {
        { 0, 0, 20 - 7 + 1 },       { 999, 5, 20 - 7 + 1 },          { 1000, 6, 20 + 11 + 2 },
        { 1999, 17, 20 + 11 + 2 },  { 2000, 18, 20 + 11 + 6 },       { 2999, 0, 20 + 11 + 4 },
        { 3000, 23, 20 + 400 + 6 }, { 5000, 12, 20 + 400 + 5 + 70 },
    };
    static struct fraud_verdict verdict;
    struct fraud_rules         *rules = with_card(card_text);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        judge(rules, cases[i].amount, cases[i].hour, &verdict);
        assert_int_equal(verdict.sum, cases[i].sum);
        assert_int_equal(verdict.score, cases[i].sum);
    }
    assert_string_equal(fraud_rules_name(rules, verdict.reasons[0].rule), "amount");
    assert_string_equal(verdict.reasons[0].text, "Amount of the payment: 50.00");
    assert_string_equal(fraud_rules_name(rules, 3), "base");
    assert_string_equal(fraud_rules_name(rules, 4), "?");
    fraud_rules_free(&rules);
}

/* As many parts as a card may have, of random points: more reasons than are told. */
static size_t random_card(struct random *random, char *out, size_t size)
{
    size_t n =
        (size_t)snprintf(out, size, "card 1\nbase %d\n", (int)random_below(random, 200) - 100);

    for (size_t i = 0; i < 40; i++) {
        n += (size_t)snprintf(out + n, size - n, "feature %s cuts 0 100 points %d %d %d\n",
                              feature_rows[i].name, (int)random_below(random, 400) - 200,
                              (int)random_below(random, 400) - 200,
                              (int)random_below(random, 400) - 200);
        CHECK(n < size);
    }
    n += (size_t)snprintf(out + n, size - n, "end\n");
    return n;
}

/* What is told and what found no room is all of the sum. */
static void check_rest(const struct fraud_rules *rules, const struct fraud_verdict *verdict)
{
    static struct fraud_reason rest[FRAUD_REST_MAX];
    size_t count = fraud_explain_rest(rules, verdict->decision, verdict->decision_size, rest);
    char   begin[32];
    int    sum = 0;

    for (size_t i = 0; i < verdict->reason_count; i++)
        if (verdict->reasons[i].rule < FRAUD_RULE_REST)
            sum += verdict->reasons[i].points;
    for (size_t i = 0; i < count; i++) {
        sum += rest[i].points;
        assert_true(rest[i].text[0] != '\0');
    }
    assert_int_equal(sum, verdict->sum);
    assert_true(count > 0);
    snprintf(begin, sizeof begin, "%zu smaller reason", count);
    assert_memory_equal(verdict->reasons[verdict->reason_count - 1].text, begin, strlen(begin));
    assert_string_equal(fraud_rules_name(rules, verdict->reasons[verdict->reason_count - 1].rule),
                        "rest");
}

static void test_reasons_read_as_words(void **state)
{
    static struct fraud_verdict verdict;
    struct fraud_rules         *rules =
        with_card("card 1 base 0 feature amount_to_mean_pct cuts 5 points 30 1 "
                  "pair large_7d counterparty_fraud_share_7d_bp cuts 1 across 1 points 20 0 0 0 "
                  "feature counterparty_fraud_age_days cuts 5 points 10 1 end");

    (void)state;
    judge(rules, 4000, 12, &verdict);
    assert_int_equal(verdict.reason_count, 3);
    assert_string_equal(verdict.reasons[0].text,
                        "Amount as percent of the mean in its direction: none");
    assert_string_equal(
        verdict.reasons[1].text,
        "Outgoing payments of the last 7 days of at least 2.5 times the mean before "
        "them: 0; Share of frauds among the counterparty's findings of 7 days: 0 %");
    assert_string_equal(verdict.reasons[2].text,
                        "Days since a fraud at the counterparty last became known: none");
    assert_string_equal(fraud_rules_name(rules, verdict.reasons[1].rule),
                        "large_7d + counterparty_fraud_share_7d_bp");
    fraud_rules_free(&rules);
}

static void test_reasons_add_up_and_explain_themselves(void **state)
{
    static struct fraud_verdict verdict;
    static struct fraud_verdict again;
    static char                 text[16384];
    struct random               random = random_start(__func__);

    (void)state;
    for (int round = 0; round < 300; round++) {
        struct fraud_rules *rules;
        int                 sum = 0;

        random_card(&random, text, sizeof text);
        rules = with_card(text);
        judge(rules, (int64_t)random_below(&random, 9000), (int64_t)random_below(&random, 24),
              &verdict);
        for (size_t i = 0; i < verdict.reason_count; i++)
            sum += verdict.reasons[i].points;
        assert_int_equal(sum, verdict.score);
        for (size_t i = 1; i + 1 < verdict.reason_count; i++)
            assert_true(abs(verdict.reasons[i].points) <= abs(verdict.reasons[i - 1].points));
        assert_true(fraud_explain(rules, verdict.decision, verdict.decision_size, &again));
        assert_int_equal(again.sum, verdict.sum);
        assert_int_equal(again.reason_count, verdict.reason_count);
        for (size_t i = 0; i < verdict.reason_count; i++)
            assert_string_equal(again.reasons[i].text, verdict.reasons[i].text);
        check_rest(rules, &verdict);
        fraud_rules_free(&rules);
    }
}

static void test_broken_cards_are_refused(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        { "", "1:1: " },
        { "card 2", "1:6: " },
        { "card 1 feature amount", "1:8: " },
        { "card 1 base 1001 end", "points go from" },
        { "card 1 base 1", "feature, pair or end" },
        { "card 1 base 1 end end", "nothing behind" },
        { "card 1 base 1 feature amont cuts points 1 end", "did you mean `amount`?" },
        { "card 1 base 1 feature amount cuts 5 5 points 1 2 3 end", "above the one before" },
        { "card 1 base 1 feature amount cuts 5 6 points 1 2 end",
          "1:50: there are points for 2 of 3 bins; missing: 1" },
        { "card 1 base 1 feature amount cuts 5 6 points end", "points, which are" },
        { "card 1 base 1 feature amount cuts 5 points 1 2 3 end", "more points than bins" },
        { "card 1 base 1 pair amount cuts 5 points 1 2 end", "there is no feature `cuts`" },
        { "card 1 base 1 feature amount points 1 end", "cuts" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct fraud_rules *rules = NULL;
        struct fault        fault = { 0 };

        assert_int_equal(fraud_rules_parse(slice_from(rules_text), "rules", &rules, &fault),
                         ERR_none);
        assert_int_equal(fraud_rules_card(rules, slice_from(cases[i].text), "card", &fault),
                         ERR_file_syntax);
        if (strstr(fault.text, cases[i].says) == NULL)
            fail_msg("case %zu says: %s", i, fault.text);
        fraud_rules_free(&rules);
    }
}

static void test_one_card_for_one_rule_set(void **state)
{
    struct fraud_rules *rules = with_card(card_text);
    struct fault        fault = { 0 };

    (void)state;
    assert_int_equal(fraud_rules_card(rules, slice_from(card_text), "card", &fault),
                     ERR_file_syntax);
    fraud_rules_free(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points_are_those_of_the_bins),
        cmocka_unit_test(test_reasons_read_as_words),
        cmocka_unit_test(test_reasons_add_up_and_explain_themselves),
        cmocka_unit_test(test_broken_cards_are_refused),
        cmocka_unit_test(test_one_card_for_one_rule_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
