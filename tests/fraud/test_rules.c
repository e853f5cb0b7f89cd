/* The rule language: what an expression is worth, what a file must have, and how every kind of
 * mistake is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bankd/fraud/rules.h"
#include "common/check.h"
#include "tests/fraud/shipped.h"
#include "tests/unit/random.h"

#define HEAD "version 1 threshold hold 600 threshold decline 900\n"
#define TAIL " because \"x\" fires on amount=5.00 silent on amount=6.00 end\n"

enum { TEXT_MAX = 8192, ROUNDS = 3000 };

/* A payment of 1,234.56 to somebody, on Monday 2026-03-02 at 10:30. */
static struct fraud_event an_event(void)
{
    return (struct fraud_event){
        .at_us = INT64_C(1772447400) * 1000000,
        .amount = 123456,
        .unit = 100,
        .type = TYPE_TRANSFER,
        .balance = 200000,
        .counterparty = 17,
    };
}

static struct fraud_rules *must_parse(const char *text)
{
    struct fraud_rules *rules = NULL;
    struct fault        fault = { 0 };

    if (fraud_rules_parse(slice_from(text), "t.rules", &rules, &fault) != ERR_none)
        fail_msg("%s: %s\n%s", fault.field, fault.text, text);
    return rules;
}

/* The points that one rule gives the event. */
static int points_of(const char *score)
{
    static struct fraud_verdict verdict;
    char                        text[TEXT_MAX];
    struct fraud_profile        profile;
    struct fraud_event          event = an_event();
    struct fraud_rules         *rules;

    snprintf(text, sizeof text,
             HEAD "rule r when amount > 6.00 or amount = 5.00 action alert score %s" TAIL, score);
    rules = must_parse(text);
    fraud_profile_init(&profile);
    fraud_judge(rules, &profile, NULL, &event, true, &verdict);
    fraud_rules_free(&rules);
    assert_true(verdict.reason_count >= 1 && verdict.alert);
    return verdict.reasons[0].points;
}

static void test_expressions_have_their_value(void **state)
{
    static const struct {
        const char *text;
        int         points;
    } cases[] = {
        { "7", 7 },
        { "-7", -7 },
        { "- - 7", 7 },
        { "1 + 2 * 3", 7 },
        { "(1 + 2) * 3", 9 },
        { "10 - 4 - 3", 3 },
        { "100 / 10 / 5", 2 },
        { "-7 / 2", -3 },
        { "7 / (count_total * 0)", 0 },
        { "min(3, 4) + max(3, 4) * 10", 43 },
        { "max(min(9, 5), abs(-3 - 4))", 7 },
        { "abs(-9223372036854775807 - 1) / 9223372036854775807", 1 },
        { "9223372036854775807 + 1 - 9223372036854775807", 0 },
        { "9223372036854775807 * 2 / 9223372036854775807", 1 },
        { "(-9223372036854775807 - 1) / -1 - 9223372036854775806", 1 },
        { "25% - 2400", 100 },
        { "2m + 3s", 123 },
        { "1h / 60 + 1d / 3600", 84 },
        { "amount - 1234.00", 56 },
        { "12.34 - 1234", 0 },
        { "1.00", 100 },
        { "amount_major - 1200", 34 },
        { "(1 < 2) * 100 + (2 < 1) * 10 + (2 <= 2)", 101 },
        { "(1 = 1) + (1 == 2) * 10 + (1 != 2) * 100", 101 },
        { "(2 > 1 and 1 > 2) + (2 > 1 or 1 > 2) * 10", 10 },
        { "(1 > 2 and 1 > 2 or 2 > 1) * 5", 5 },
        { "(2 > 1 or 2 > 1 and 1 > 2) * 5", 5 },
        { "(not 1 > 2) * 5", 5 },
        { "(not (2 > 1 and no)) * 5", 5 },
        { "(type in (deposit, transfer)) * 5", 5 },
        { "(type not in (deposit, payment)) * 5", 5 },
        { "(1 + 1 in (-2, 2)) * 5", 5 },
        { "is_outgoing * 10 + is_cash", 10 },
        { "weekday + (weekday = monday) * 100 + hour * 10", 200 },
        { "(type = transfer) * 1 + (type = deposit) * 2", 1 },
        { "5000 + count_total", 1000 },
        { "-5000 + count_total", -1000 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        if (points_of(cases[i].text) != cases[i].points)
            fail_msg("%s gives %d instead of %d", cases[i].text, points_of(cases[i].text),
                     cases[i].points);
}

/* --- expressions made at random, with their value beside them --------------------------------- */

struct sample {
    char    text[600];
    int64_t value;
};

static int64_t nearest(__int128 value)
{
    return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

static void combine(struct random *random, const struct sample *a, const struct sample *b,
                    struct sample *out)
{
    static const char *const forms[] = {
        "(%s + %s)",   "(%s - %s)",       "(%s * %s)",       "(%s / %s)",        "min(%s, %s)",
        "max(%s, %s)", "((%s < %s) * 3)", "((%s = %s) * 3)", "((%s >= %s) + 1)",
    };
    size_t   kind = random_below(random, ARRAY_COUNT(forms));
    size_t   form = kind == 3 && b->value == 0 ? 0 : kind; /* no division by a constant 0 */
    __int128 x = a->value;
    __int128 y = b->value;
    __int128 values[] = {
        x + y,         x - y,         x * y,       y == 0 ? 0 : x / (y == 0 ? 1 : y),
        x < y ? x : y, x > y ? x : y, (x < y) * 3, (x == y) * 3,
        (x >= y) + 1,
    };

    out->value = nearest(values[form]);
    /* The forms are ours, all with two texts. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(out->text, sizeof out->text, forms[form], a->text, b->text);
#pragma GCC diagnostic pop
}

static void test_random_expressions_agree_with_their_trees(void **state)
{
    struct random random = random_start(__func__);

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct sample pool[6];
        char          score[700];
        int64_t       points;

        for (size_t i = 0; i < 4; i++) {
            pool[i].value = random_int64(&random) / 2;
            snprintf(pool[i].text, sizeof pool[i].text, "%lld", (long long)pool[i].value);
        }
        combine(&random, &pool[0], &pool[1], &pool[4]);
        combine(&random, &pool[2], &pool[3], &pool[5]);
        combine(&random, &pool[4], &pool[5], &pool[0]);
        snprintf(score, sizeof score, "max(-1000, min(1000, %s))", pool[0].text);
        points = pool[0].value > 1000 ? 1000 : pool[0].value < -1000 ? -1000 : pool[0].value;
        if (points_of(score) != points)
            fail_msg("%s is %lld", score, (long long)pool[0].value);
    }
}

/* --- the short way --------------------------------------------------------------------------- */

/* A value that some step compares with, or one beside it; then borders are met often. */
static int64_t some_value(const struct fraud_rules *rules, struct random *random)
{
    int64_t value = rules->steps[random_below(random, rules->step_count)].value;
    int64_t by = (int64_t)random_below(random, 3) - 1;

    if (random_below(random, 8) == 0)
        return random_int64(random);
    return __builtin_add_overflow(value, by, &value) ? INT64_MAX : value;
}

static void compare_both_ways(const struct fraud_rules *rules, struct random *random)
{
    bool answers[2] = { false, false };

    for (int round = 0; round < ROUNDS; round++) {
        int64_t values[RULE_SLOTS_MAX];

        for (size_t i = 0; i < RULE_SLOTS_MAX; i++)
            values[i] = some_value(rules, random);
        for (size_t i = 0; i < rules->rule_count; i++) {
            bool long_way = rule_run(rules, rules->rules[i].when, values) != 0;

            answers[long_way] = true;
            if (rule_fires(rules, i, values) != long_way)
                fail_msg("rule %s: the machine says %d", rules->rules[i].name, long_way);
        }
    }
    assert_true(answers[false] && answers[true]);
}

/* Each of these begins otherwise; whatever is kept apart of it must not change what it asks. */
static void test_the_short_way_to_a_condition_is_right(void **state)
{
    static const char *const conditions[] = {
        "is_outgoing",
        "not is_outgoing",
        "is_outgoing and is_night",
        "count_1h > 3 and count_24h >= 4 and count_7d < 5 and count_30d <= 6 and hour != 7",
        "count_1h = 3 and count_24h != 4 and count_7d < 2",
        "(is_outgoing and is_night) or count_1h > 2",
        "is_outgoing and is_night or count_1h > 2 and is_cash",
        "is_outgoing and (is_night or is_cash)",
        "is_outgoing and (is_night and is_cash) and count_1h < 3",
        "(is_outgoing and is_night) and not is_cash",
        "is_outgoing or is_night and is_cash",
        "is_outgoing and count_1h + count_24h > 3 and is_night",
        "is_outgoing and hour in (1, 2, 3) and is_night",
        "hour in (1, 2, 3)",
        "hour in (1, 2, 3) and is_night",
        "hour in (1, 2, 3) or is_night",
        "is_night and not hour in (1, 2, 3)",
        "is_night and hour in (0, 1, 2)",
        "(is_outgoing and is_night) = (is_cash and count_1h > 1)",
        "not (is_outgoing and is_night) and is_cash",
        "is_outgoing and is_outgoing and is_outgoing and is_outgoing and is_outgoing and is_night",
    };
    struct random       random = random_start("short conditions");
    struct fraud_rules *rules;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(conditions); i++) {
        char text[TEXT_MAX];

        snprintf(text, sizeof text, HEAD "rule r when amount = 5.00 action alert score %s" TAIL,
                 conditions[i]);
        rules = must_parse(text);
        rules->rules[0].when = rules->rules[0].score; /* what needs no fitting examples */
        rule_shorten(rules, 0);
        compare_both_ways(rules, &random);
        fraud_rules_free(&rules);
    }
    rules = shipped_rules();
    compare_both_ways(rules, &random);
    fraud_rules_free(&rules);
}

/* --- mistakes -------------------------------------------------------------------------------- */

struct mistake {
    const char *text;
    const char *told;
};

static void assert_told(const struct mistake *mistake)
{
    struct fraud_rules *rules = (struct fraud_rules *)(uintptr_t)16;
    struct fault        fault = { 0 };
    enum err err = fraud_rules_parse(slice_from(mistake->text), "t.rules", &rules, &fault);

    if (err != ERR_file_syntax || strcmp(fault.text, mistake->told) != 0)
        fail_msg("%s\n--- gives %s\n%s\n--- instead of\n%s", mistake->text, err_name(err),
                 fault.text, mistake->told);
    assert_null(rules);
    assert_string_equal(fault.field, "t.rules");
}

static void test_mistakes_in_a_file_are_told(void **state)
{
    static const struct mistake mistakes[] = {
        { "", "1:1: expected `version 1` as the file's first words, but the file ends" },
        { "# only a comment",
          "1:17: expected `version 1` as the file's first words, but the file ends" },
        { "version 2", "1:9: expected version 1, the only one there is, not `2`" },
        { "version 1\n", "2:1: the file needs `threshold hold` and `threshold decline`" },
        { "version 1\nthreshold hold 1001", "2:16: a threshold is 1 to 1000 points, or never" },
        { "version 1\nthreshold hold 5 threshold hold 5",
          "2:28: the threshold hold is given twice" },
        { "version 1\nthreshold holds 5", "2:11: expected alert, hold or decline, not `holds`" },
        { "version 1\nthreshold hold 700 threshold decline 600",
          "2:30: the thresholds must rise from alert over hold to decline, and hold is above "
          "decline" },
        { "version 1\nthreshold hold 300\nthreshold alert 400\nthreshold decline 500\n",
          "3:11: the thresholds must rise from alert over hold to decline, and alert is above "
          "hold" },
        { "version 1\nthreshold decline 500\n", "3:1: the file needs `threshold hold`" },
        { "version 1\nthreshold hold 500\n", "3:1: the file needs `threshold decline`" },
        { HEAD "thresold hold 5",
          "2:1: expected threshold, list or rule, not `thresold`; did you mean `threshold`?" },
        { HEAD "rules x",
          "2:1: expected threshold, list or rule, not `rules`; did you mean `rule`?" },
        { HEAD "version 1", "2:1: the version is given twice; it stands once, at the top" },
        { HEAD "end", "2:1: `end` has no meaning outside a rule" },
        { HEAD "list a 1", "2:8: expected = behind the list's name, not `1`" },
        { HEAD "list a = 1, transfr",
          "2:13: there is no constant `transfr`; did you mean `transfer`?" },
        { HEAD "list a = 1.50", "2:10: money depends on the currency and cannot stand in a list" },
        { HEAD "list a = 1 list a = 2", "2:17: there is already a list a" },
        { "version 1 $", "1:11: this sign has no meaning here" },
        { HEAD "rule r when amount <> 5",
          "2:20: this sign has no meaning here; did you mean `!=`?" },
        { HEAD "rule r when amount => 5",
          "2:20: this sign has no meaning here; did you mean `>=`?" },
        { HEAD "rule r when amount =< 5",
          "2:20: this sign has no meaning here; did you mean `<=`?" },
        { HEAD "rule r when is_night && is_round",
          "2:22: this sign has no meaning here; did you mean `and`?" },
        { HEAD "rule r when is_night || is_round",
          "2:22: this sign has no meaning here; did you mean `or`?" },
        { HEAD "rule r when !is_night",
          "2:13: this sign has no meaning here; did you mean `not`?" },
        { HEAD "rule r when amount > 5 AND amount < 9",
          "2:24: expected `and`, `or` or the rule's next line, not `AND`; did you mean `and`?" },
        { HEAD "rule r when (amount > 5 Or amount < 9)",
          "2:25: expected `and`, `or` or the rule's next line, not `Or`; did you mean `or`?" },
        { "version 1 \r\nend\r\n", "2:1: `end` has no meaning outside a rule" },
        { "version 1\nend\rx", "2:4: a carriage return stands only at a line's end" },
        { "version 1 \xff", "1:11: this is not text in UTF-8" },
        { "version 1\n# \x1b", "2:3: a control character cannot stand in this file" },
        { "\xef\xbb\xbfversion 1",
          "1:1: the file begins with a byte order mark; save it as UTF-8 without one" },
        { HEAD "list x =\nrule a", "2:9: expected a constant, but the line ends" },
        { HEAD "list a = 5%, transfer",
          "2:14: a type of payment does not go with a share; write a share like 25%" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(mistakes); i++)
        assert_told(&mistakes[i]);
}

static void test_mistakes_in_a_rule_are_told(void **state)
{
    static const struct mistake mistakes[] = {
        { HEAD "rule", "2:5: expected the rule's name, but the file ends" },
        { HEAD "rule\n when amount > 1", "2:5: expected the rule's name, but the line ends" },
        { HEAD "rule r scor 5",
          "2:8: expected when, score, action, because, severity, tags, fires, silent or end, not "
          "`scor`; did you mean `score`?" },
        { HEAD "rule r because \"{}\"", "2:16: this text has {} without a feature's name in it" },
        { HEAD "rule r when amount > 1 fires on amount=\n end",
          "2:40: expected a constant, but the line ends" },
        { HEAD "rule r when is_night fires on is_night=7", "2:40: `is_night` is yes or no" },
        { HEAD "rule r when is_night fires on amount=transfer",
          "2:38: a type of payment does not go with an amount of money; write an amount of money "
          "like 49.90" },
        { HEAD "rule r score 2000", "2:14: a score is -1000 to 1000 points, and this is 2000" },
        { HEAD "rule r score 0 - 5000",
          "2:14: a score is -1000 to 1000 points, and this is -5000" },
        { HEAD "rule r when amount > 1",
          "2:23: expected when, score, action, because, severity, tags, fires, silent or end, "
          "but the file ends" },
        { HEAD "rule r end", "2:6: rule r needs `when`" },
        { HEAD "rule r when amount > 1 end", "2:6: rule r needs `because` with a text" },
        { HEAD "rule r when amount > 1 because \"x\" end",
          "2:6: rule r needs `score`, or an action" },
        { HEAD "rule r when amount > 1 because \"x\" score 1 end",
          "2:6: rule r needs an example `fires on`" },
        { HEAD "rule r when amount > 1 because \"x\" score 1 fires on amount=2 end",
          "2:6: rule r needs an example `silent on`" },
        { HEAD "rule r score 1 score 2", "2:16: rule r has `score` twice" },
        { HEAD "rule r action stop", "2:15: expected score, alert, hold or decline, not `stop`" },
        { HEAD "rule r severity huge", "2:17: expected low, medium or high, not `huge`" },
        { HEAD "rule r tags 5", "2:13: expected a tag's name, not `5`" },
        { HEAD "rule r because x", "2:16: expected a text in quotes, not `x`" },
        { HEAD "rule r because \"x\n\"",
          "2:16: the text does not end in its line; it needs a closing \"" },
        { HEAD "rule r because \"of {amont}\"",
          "2:16: the text names the feature `amont`, which does not exist; "
          "did you mean `amount`?" },
        { HEAD "rule r because \"of {amount\"",
          "2:16: this text has a { without }; write {{ for the sign itself" },
        { HEAD "rule r fires on amount=5", "2:8: an example must stand behind the rule's `when`" },
        { HEAD "rule r when amount > 1 fires amount=5", "2:30: expected `on`, not `amount`" },
        { HEAD "rule r when amount > 1 fires on",
          "2:32: expected FEATURE=VALUE, but the file ends" },
        { HEAD "rule r when amount > 1 fires on amount",
          "2:39: expected = behind the feature's name, but the file ends" },
        { HEAD "rule r when amount > 1 fires on anount=2",
          "2:33: there is no feature `anount`; did you mean `amount`?" },
        { HEAD "rule r when amount > 1 fires on amount=2 amount=3",
          "2:42: this example gives `amount` twice" },
        { HEAD "rule r when amount > 1\n fires on amount=1",
          "3:2: rule r is silent on this example, which says that it must" },
        { HEAD "rule r when amount > 1\n silent on amount=2",
          "3:2: rule r fires on this example, which says that it must not" },
        { HEAD "rule r when amount > 6.00 or amount = 5.00 score 1" TAIL
               "rule r when amount > 6.00 or amount = 5.00 score 1" TAIL,
          "3:6: there is already a rule r" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(mistakes); i++)
        assert_told(&mistakes[i]);
}

static void test_mistakes_in_an_expression_are_told(void **state)
{
    static const struct mistake mistakes[] = {
        { HEAD "rule r when", "2:12: expected a feature or a number, but the file ends" },
        { HEAD "rule r when amount", "2:13: this is a number, not a condition; compare it" },
        { HEAD "rule r when amuont > 5",
          "2:13: `amuont` is neither a feature, nor a list, nor a value such as transfer, monday "
          "or yes; did you mean `amount`?" },
        { HEAD "rule r when zzzzzzzzzzzzzzzz > 5",
          "2:13: `zzzzzzzzzzzzzzzz` is neither a feature, nor a list, nor a value such as "
          "transfer, monday or yes" },
        { HEAD "rule r when type = wire",
          "2:20: `wire` is none of the types of payment, which are deposit, withdrawal, transfer, "
          "payment, fee, interest, adjustment, reversal" },
        { HEAD "rule r when is_outgoing and type != transfr",
          "2:37: `transfr` is none of the types of payment, which are deposit, withdrawal, "
          "transfer, payment, fee, interest, adjustment, reversal; did you mean `transfer`?" },
        { HEAD "rule r when amount = wire",
          "2:22: `wire` is neither a feature, nor a list, nor a value such as transfer, monday "
          "or yes" },
        { HEAD "rule r when amount >", "2:21: expected a feature or a number, but the file ends" },
        { HEAD "rule r when (amount > 5", "2:13: this ( is not closed" },
        { HEAD "rule r when amount > 5)", "2:23: this ) closes nothing" },
        { HEAD "rule r when () > 5", "2:14: expected a feature or a number, not `)`" },
        { HEAD "rule r when amount and hour > 2",
          "2:20: `and` needs a condition on both sides, and the left one is a number" },
        { HEAD "rule r when is_night or 5",
          "2:22: `or` needs a condition on both sides, and the right one is a number" },
        { HEAD "rule r when not amount",
          "2:13: `not` needs a condition, and this is a number; compare it" },
        { HEAD "rule r when 1 < amount < 5", "2:24: two comparisons need `and` between them" },
        { HEAD "rule r when is_night > 5",
          "2:22: a condition is yes or no and cannot be larger or smaller" },
        { HEAD "rule r when is_night in (1)",
          "2:22: a condition is yes or no and stands in no list" },
        { HEAD "rule r when type in lst",
          "2:21: there is no list `lst`; no list stands before it, like `list lst = 1, 2`" },
        { HEAD "list night = 1 rule r when hour in nihgt",
          "2:36: there is no list `nihgt`; did you mean `night`?" },
        { HEAD "list a = 1 list b = 2 rule r when hour in nights",
          "2:43: there is no list `nights`; there are `a`, `b`" },
        { HEAD "rule r when IS_OUTGOING",
          "2:13: `IS_OUTGOING` is neither a feature, nor a list, nor a value such as transfer, "
          "monday or yes; did you mean `is_outgoing`?" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(mistakes); i++)
        assert_told(&mistakes[i]);
}

static void test_mistakes_in_values_are_told(void **state)
{
    static const struct mistake mistakes[] = {
        { HEAD "rule r score 100/0", "2:17: this divides by 0" },
        { HEAD "rule r score 100/(5 - 5)", "2:17: this divides by 0" },
        { HEAD "rule r when amount = transfer",
          "2:20: a type of payment does not go with an amount of money; write an amount of money "
          "like 49.90" },
        { HEAD "rule r when count_1h >= 5%",
          "2:22: a share does not go with a count; write a count like 5" },
        { HEAD "rule r when count_1h >= 7d",
          "2:22: a span of time does not go with a count; write a count like 5" },
        { HEAD "rule r when amount_major > 5.00",
          "2:26: an amount of money does not go with a count; write a count like 5" },
        { HEAD "rule r when type in (monday)", "2:18: a day of the week does not go with a type of "
                                               "payment; write a type of payment like "
                                               "transfer" },
        { HEAD "rule r when type in (1, 2",
          "2:26: expected a comma or the list's closing ), but the file ends" },
        { HEAD "rule r when type in 5", "2:21: expected a list's name or ( behind `in`, not `5`" },
        { HEAD "rule r when type not 5", "2:22: expected `in` behind this `not`, not `5`" },
        { HEAD "rule r score min(1)", "2:14: min needs 2 values" },
        { HEAD "rule r score min(1, 2, 3)", "2:22: min needs 2 values" },
        { HEAD "rule r score abs(1, 2)", "2:19: abs needs 1 value" },
        { HEAD "rule r score min 1", "2:18: expected a ( behind the function's name, not `1`" },
        { HEAD "rule r score (1, 2)", "2:16: a comma separates only the values of a function" },
        { HEAD "rule r score 99999999999999999999", "2:14: the number is too large" },
        { HEAD "rule r score 9223372036854775807d", "2:14: the number is too large" },
        { HEAD "rule r score 5w",
          "2:14: a number may be followed by % or by one of s, m, h and d" },
        { HEAD "rule r score 5dd",
          "2:14: a number may be followed by % or by one of s, m, h and d" },
        { HEAD "rule r score 5.5", "2:14: an amount of money has two decimals, like 49.90" },
        { HEAD "rule r score \"x\"", "2:14: expected a feature or a number, not \"x\"" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(mistakes); i++)
        assert_told(&mistakes[i]);
}

/* What was approved by a build that knew fewer mistakes judges as it did then; what nobody could
 * ever have meant is no rule set today either. */
static void test_what_was_approved_before_is_read(void **state)
{
    static const struct {
        const char *text;
        int32_t     score; /* of a payment of 5.00 */
    } old[] = {
        { HEAD "rule r when amount = 5.00 score 2000" TAIL, 1000 },
        { HEAD "rule r when amount = 5.00 score 0 - 3000" TAIL, 0 },
        { HEAD "rule r when amount = 5.00 or amount = transfer score 7" TAIL, 7 },
        { HEAD "rule r when amount = 5.00 and count_1h < 5% score 7" TAIL, 7 },
        { HEAD "rule r when amount = 5.00 and hour in (monday, 5%) score 7" TAIL, 7 },
        { HEAD "rule r when amount = 5.00 score 7 + 5 / 0" TAIL, 7 },
        { HEAD "rule\nr when amount = 5.00 score 7" TAIL, 7 },
        { HEAD "list\na = 5%, transfer rule r when amount = 5.00 score 7" TAIL, 7 },
        { HEAD "rule r when amount = 5.00 score 7 because \"x\" fires on amount=5.00 is_night=3 "
               "silent on amount=15m end\n",
          7 },
        { "version 1 threshold hold 1m threshold decline 900\n"
          "rule r when amount = 5.00 score 7" TAIL,
          7 },
    };
    static const char *const never[] = { "version 1", HEAD "rule r when amuont = 5 score 7" TAIL,
                                         HEAD "rule r when amount score 7" TAIL };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(old); i++) {
        struct fraud_rules  *rules = NULL;
        struct fraud_event   event = { .amount = 500, .unit = 100, .currency = 840 };
        struct fraud_profile nobody;
        struct fraud_verdict verdict;
        struct fault         fault = { 0 };

        fraud_profile_init(&nobody);
        assert_int_equal(fraud_rules_parse(slice_from(old[i].text), "new", &rules, &fault),
                         ERR_file_syntax);
        if (fraud_rules_parse_stored(slice_from(old[i].text), "old", &rules, &fault) != ERR_none)
            fail_msg("%s: %s", old[i].text, fault.text);
        fraud_judge(rules, &nobody, NULL, &event, true, &verdict);
        assert_int_equal(verdict.score, old[i].score);
        assert_true(fraud_explain(rules, verdict.decision, verdict.decision_size, &verdict));
        fraud_rules_free(&rules);
    }
    for (size_t i = 0; i < ARRAY_COUNT(never); i++) {
        struct fraud_rules *rules = NULL;
        struct fault        fault = { 0 };

        assert_int_equal(fraud_rules_parse_stored(slice_from(never[i]), "old", &rules, &fault),
                         ERR_file_syntax);
        assert_null(rules);
    }
}

/* --- limits ---------------------------------------------------------------------------------- */

static void assert_refused(const char *text, const char *part)
{
    struct fraud_rules *rules = NULL;
    struct fault        fault = { 0 };

    assert_int_equal(fraud_rules_parse(slice_from(text), "t.rules", &rules, &fault),
                     ERR_file_syntax);
    if (strstr(fault.text, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", fault.text, part);
}

/* Appends `piece` so often, and keeps the text within `size`. */
static void repeat(char *text, size_t size, const char *piece, size_t times)
{
    size_t used = strlen(text);

    for (size_t i = 0; i < times; i++) {
        assert_true(used + strlen(piece) < size);
        used += (size_t)snprintf(text + used, size - used, "%s", piece);
    }
}

static void test_limits_are_told_and_not_crossed(void **state)
{
    enum { BIG = LIMIT_RULES_FILE_MAX + 64 };
    char *text = malloc(BIG);

    (void)state;
    assert_non_null(text);
    snprintf(text, BIG, HEAD "rule r score ");
    repeat(text, BIG, "(", LIMIT_RULE_STACK_MAX + 1);
    assert_refused(text, "nested too deeply");
    snprintf(text, BIG, HEAD "rule r score ");
    repeat(text, BIG, "1+(2*", LIMIT_RULE_STACK_MAX);
    assert_refused(text, "nested too deeply");
    snprintf(text, BIG, HEAD "rule r score 1");
    repeat(text, BIG, "+1", LIMIT_RULE_STEPS_MAX / 2);
    assert_refused(text, "too long together");
    snprintf(text, BIG, HEAD "list a = 1");
    repeat(text, BIG, ",1", LIMIT_RULE_VALUES_MAX);
    assert_refused(text, "too long together");
    snprintf(text, BIG, HEAD "rule ");
    repeat(text, BIG, "r", LIMIT_RULE_NAME_MAX + 1);
    assert_refused(text, "longer than 47 letters");
    snprintf(text, BIG, HEAD "rule r because \"");
    repeat(text, BIG, "x", LIMIT_RULE_TEMPLATE_MAX + 1);
    repeat(text, BIG, "\"", 1);
    assert_refused(text, "longer than 159 bytes");
    snprintf(text, BIG, HEAD "rule r tags a");
    repeat(text, BIG, ", bcdefgh", 20);
    assert_refused(text, "tags are longer");
    snprintf(text, BIG, HEAD);
    for (int i = 0; i <= LIMIT_RULES_MAX; i++) {
        char rule[160];

        snprintf(rule, sizeof rule, "rule r%d when amount > 6.00 or amount = 5.00 score 1" TAIL, i);
        repeat(text, BIG, rule, 1);
    }
    assert_refused(text, "more than 128 rules");
    memset(text, '\n', BIG - 1);
    text[BIG - 1] = '\0';
    assert_refused(text, "larger than 262144 bytes");
    free(text);
}

/* A decision has room for every feature at its widest. */
static void test_the_whole_catalogue_can_be_asked(void **state)
{
    static const char *const names[] = {
#define FEATURE(name, unit, window, source, help) #name,
#include "bankd/fraud/features.def"
#undef FEATURE
    };
    static struct fraud_verdict verdict;
    static struct fraud_verdict again;
    char                        text[TEXT_MAX] = HEAD "rule r when amount = 5.00 score 0";
    struct fraud_profile        profile;
    struct fraud_event          event = { .at_us = INT64_MAX,
                                          .amount = INT64_MAX,
                                          .unit = INT64_MAX,
                                          .opened_at_us = INT64_MIN,
                                          .balance = INT64_MIN };
    struct fraud_rules         *rules;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        repeat(text, sizeof text, " + ", 1);
        repeat(text, sizeof text, names[i], 1);
    }
    repeat(text, sizeof text, TAIL, 1);
    rules = must_parse(text);
    memset(&profile, 0xff, sizeof profile);
    fraud_judge(rules, &profile, &profile, &event, true, &verdict);
    assert_in_range(verdict.decision_size, ARRAY_COUNT(names), LIMIT_DECISION_MAX);
    assert_true(fraud_explain(rules, verdict.decision, verdict.decision_size, &again));
    assert_int_equal(again.score, verdict.score);
    fraud_rules_free(&rules);
}

/* --- what a rule says of itself --------------------------------------------------------------- */

static void test_a_rule_can_be_shown(void **state)
{
    static const char text[] =
        HEAD "rule first when amount = 5.00 score 1" TAIL
             "rule second when amount = 5.00 action hold severity high "
             "tags mule, account-takeover because \"{{{amount}}} \" \"twice\" "
             "fires on amount=5.00 silent on amount=0 end";
    struct fraud_rules    *rules = must_parse(text);
    struct fraud_rule_view view;

    (void)state;
    assert_int_equal(fraud_rules_count(rules), 2);
    assert_string_equal(fraud_rules_name(rules, 0), "first");
    assert_string_equal(fraud_rules_name(rules, 2), "?");
    assert_string_equal(fraud_rules_name(rules, FRAUD_RULE_CLAMP), "clamp");
    assert_false(fraud_rules_view(rules, 2, &view));
    assert_true(fraud_rules_view(rules, 0, &view));
    assert_string_equal(view.severity, "medium");
    assert_string_equal(view.tags, "");
    assert_string_equal(view.action, "score");
    assert_true(fraud_rules_view(rules, 1, &view));
    assert_string_equal(view.name, "second");
    assert_string_equal(view.because, "{{{amount}}} twice");
    assert_string_equal(view.severity, "high");
    assert_string_equal(view.tags, "mule, account-takeover");
    assert_string_equal(view.action, "hold");
    fraud_rules_free(&rules);
    assert_null(rules);
    fraud_rules_free(&rules);
}

/* Which rules ask for what people have put on lists: in the condition, in a range, in the points.
 */
static void test_rules_that_ask_for_lists_are_known(void **state)
{
    struct fraud_rules *rules =
        must_parse("version 1 threshold hold 500 threshold decline 900\n"
                   "rule plain when amount > 5 score 1 because \"x\"\n"
                   "fires on amount=6 silent on amount=1 end\n"
                   "rule denied when amount > 5 and (is_round or counterparty_denied) score 1\n"
                   "because \"x\" fires on amount=6 is_round=yes silent on amount=1 end\n"
                   "rule spared when amount > 5 and account_denied = 0 score 1 because \"x\"\n"
                   "fires on amount=6 silent on amount=1 end\n"
                   "rule dear when amount > 5 score 100 * account_denied because \"x\"\n"
                   "fires on amount=6 silent on amount=1 end\n"
                   "rule watched when account_watched score 1 because \"x\"\n"
                   "fires on account_watched=yes silent on amount=1 end\n"
                   "rule allowed when not counterparty_allowed score 1 because \"x\"\n"
                   "fires on amount=6 silent on counterparty_allowed=yes end\n");

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(fraud_rules_asks_deny_list(rules, i), i >= 1 && i <= 3);
        assert_int_equal(fraud_rules_asks_lists(rules, i), i >= 1);
    }
    assert_false(fraud_rules_asks_deny_list(rules, 6));
    assert_false(fraud_rules_asks_lists(rules, 6));
    fraud_rules_free(&rules);
}

static void test_shipped_rules_load(void **state)
{
    struct fraud_rules *rules = shipped_rules();

    (void)state;
    assert_true(fraud_rules_count(rules) >= 10);
    fraud_rules_free(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions_have_their_value),
        cmocka_unit_test(test_random_expressions_agree_with_their_trees),
        cmocka_unit_test(test_the_short_way_to_a_condition_is_right),
        cmocka_unit_test(test_mistakes_in_a_file_are_told),
        cmocka_unit_test(test_mistakes_in_a_rule_are_told),
        cmocka_unit_test(test_mistakes_in_an_expression_are_told),
        cmocka_unit_test(test_mistakes_in_values_are_told),
        cmocka_unit_test(test_what_was_approved_before_is_read),
        cmocka_unit_test(test_limits_are_told_and_not_crossed),
        cmocka_unit_test(test_the_whole_catalogue_can_be_asked),
        cmocka_unit_test(test_a_rule_can_be_shown),
        cmocka_unit_test(test_rules_that_ask_for_lists_are_known),
        cmocka_unit_test(test_shipped_rules_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
