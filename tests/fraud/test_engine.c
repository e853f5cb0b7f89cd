/* The engine's promises: reasons add up, a stored decision explains itself, judging changes
 * nothing, verdicts are the same everywhere, and honest customers are left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bankd/fraud/features.h"
#include "common/check.h"
#include "common/clock.h"
#include "tests/fraud/shipped.h"
#include "tests/unit/random.h"

enum { ROUNDS = 20000, ENTITIES = 40, RULES_TEXT_MAX = 64 * 1024 };

static struct fraud_rules *parse(const char *text)
{
    struct fraud_rules *rules = NULL;
    struct fault        fault = { 0 };

    if (fraud_rules_parse(slice_from(text), "t.rules", &rules, &fault) != ERR_none)
        fail_msg("%s: %s\n%s", fault.field, fault.text, text);
    return rules;
}

/* Many rules that fire on most payments, with points of both signs. */
static struct fraud_rules *crowded_rules(struct random *random, int count)
{
    static const char *const actions[] = { "score", "score", "score", "alert", "hold", "decline" };
    static char              text[RULES_TEXT_MAX];
    int                      used = snprintf(text, sizeof text,
                                             "version 1 threshold alert 300 threshold hold 600\n"
                                                                  "threshold decline 900\n");

    for (int i = 0; i < count; i++) {
        int range = 1 + (int)random_below(random, 1000);
        int action = random_below(random, 50) == 0 ? (int)random_below(random, 6) : 0;

        used += snprintf(text + used, sizeof text - (size_t)used,
                         "rule r%d when amount > %d or hour = %d\n"
                         "score (amount + %d) - (amount + %d) / %d * %d - %d action %s\n"
                         "because \"{amount} at {hour}, {balance_share_bp} and {count_24h}\"\n"
                         "fires on amount=9999999 silent on amount=0 hour=25 end\n",
                         i, (int)random_below(random, 100000), (int)random_below(random, 24), i, i,
                         range, range, range / 2, actions[action]);
        assert_true(used < RULES_TEXT_MAX);
    }
    return parse(text);
}

struct world {
    struct fraud_profile profiles[ENTITIES];
    int64_t              at_us;
};

static void world_init(struct world *world)
{
    for (size_t i = 0; i < ENTITIES; i++)
        fraud_profile_init(&world->profiles[i]);
    world->at_us = 20000 * US_PER_DAY;
}

/* Judges a payment made at random and folds it in as the verdict says. Each number is drawn by a
 * statement of its own: inside an expression the compiler would choose the order. */
static struct fraud_event world_step(struct world *world, const struct fraud_rules *rules,
                                     struct random *random, struct fraud_verdict *verdict)
{
    size_t             subject = random_below(random, ENTITIES);
    size_t             other = random_below(random, ENTITIES);
    uint64_t           amount = random_next(random);
    uint64_t           shift = random_below(random, 12);
    int32_t            type = 1 + (int32_t)random_below(random, 5);
    bool               incoming = random_below(random, 4) == 0;
    int64_t            balance = (int64_t)random_below(random, 2000000) - 100000;
    struct fraud_event event = {
        .at_us = world->at_us,
        .amount = 1 + (int64_t)(amount >> (43 + shift)),
        .unit = 100,
        .type = type,
        .incoming = incoming,
        .balance = balance,
        .opened_at_us = (19900 + (int64_t)subject * 4) * US_PER_DAY,
        .counterparty = other == subject ? 0 : (int64_t)other + 1,
        .counterparty_internal = other % 2 == 0,
    };

    world->at_us += (int64_t)random_below(random, US_PER_HOUR);
    fraud_judge(rules, &world->profiles[subject],
                event.counterparty == 0 ? NULL : &world->profiles[other], &event, true, verdict);
    event.status = verdict->verdict == VERDICT_APPROVE ? STATUS_COMPLETED
                   : verdict->verdict == VERDICT_HOLD  ? STATUS_HELD
                                                       : STATUS_DECLINED;
    fraud_observe(&world->profiles[subject], &event, FRAUD_SUBJECT, event.counterparty);
    if (event.counterparty != 0)
        fraud_observe(&world->profiles[other], &event, FRAUD_COUNTERPARTY, (int64_t)subject + 1);
    return event;
}

static void assert_same(const struct fraud_verdict *a, const struct fraud_verdict *b)
{
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->score, b->score);
    assert_int_equal(a->alert, b->alert);
    assert_int_equal(a->reason_count, b->reason_count);
    for (size_t i = 0; i < a->reason_count; i++) {
        assert_int_equal(a->reasons[i].rule, b->reasons[i].rule);
        assert_int_equal(a->reasons[i].points, b->reasons[i].points);
        assert_string_equal(a->reasons[i].text, b->reasons[i].text);
    }
    assert_int_equal(a->decision_size, b->decision_size);
    assert_memory_equal(a->decision, b->decision, a->decision_size);
}

static void assert_adds_up(const struct fraud_verdict *verdict)
{
    int sum = 0;

    assert_true(verdict->reason_count <= LIMIT_REASONS_MAX);
    for (size_t i = 0; i < verdict->reason_count; i++) {
        const struct fraud_reason *reason = &verdict->reasons[i];

        sum += reason->points;
        assert_true(reason->text[0] != '\0' && strlen(reason->text) <= LIMIT_REASON_MAX);
        assert_true(slice_is_utf8(slice_from(reason->text)));
        assert_true(reason->rule < FRAUD_RULE_REST || i + 1 == verdict->reason_count);
    }
    assert_int_equal(sum, verdict->score);
    assert_in_range(verdict->score, 0, 1000);
}

static void assert_explains(const struct fraud_rules *rules, const struct fraud_verdict *verdict)
{
    static struct fraud_verdict again;

    assert_true(fraud_explain(rules, verdict->decision, verdict->decision_size, &again));
    assert_same(verdict, &again);
}

static void test_reasons_add_up_and_decisions_explain_themselves(void **state)
{
    static struct fraud_verdict verdict;
    static struct world         world;
    static const int            sizes[] = { 0, 1, 2, 15, 16, 17, 40, LIMIT_RULES_MAX };
    struct random               random = random_start(__func__);
    size_t                      full = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        struct fraud_rules *rules = crowded_rules(&random, sizes[i]);

        world_init(&world);
        for (int round = 0; round < ROUNDS / 10; round++) {
            world_step(&world, rules, &random, &verdict);
            assert_adds_up(&verdict);
            assert_explains(rules, &verdict);
            full += verdict.reason_count == LIMIT_REASONS_MAX;
        }
        fraud_rules_free(&rules);
    }
    assert_true(full > 100);
}

static void test_shipped_rules_explain_themselves(void **state)
{
    static struct fraud_verdict verdict;
    static struct world         world;
    struct random               random = random_start(__func__);
    struct fraud_rules         *rules = shipped_rules();
    int                         verdicts[4] = { 0 };

    (void)state;
    world_init(&world);
    for (int round = 0; round < ROUNDS; round++) {
        world_step(&world, rules, &random, &verdict);
        assert_adds_up(&verdict);
        assert_explains(rules, &verdict);
        verdicts[verdict.verdict]++;
    }
    assert_true(verdicts[VERDICT_APPROVE] > 0 && verdicts[VERDICT_HOLD] > 0);
    fraud_rules_free(&rules);
}

static void test_judging_changes_nothing_and_text_is_only_text(void **state)
{
    static struct fraud_verdict with;
    static struct fraud_verdict without;
    static struct world         world;
    struct random               random = random_start(__func__);
    struct fraud_rules         *rules = shipped_rules();

    (void)state;
    world_init(&world);
    for (int round = 0; round < ROUNDS / 10; round++) {
        struct fraud_event event = world_step(&world, rules, &random, &with);
        uint64_t           before = fraud_profile_digest(&world.profiles[0]);

        event.status = 0;
        fraud_judge(rules, &world.profiles[0], &world.profiles[1], &event, true, &with);
        fraud_judge(rules, &world.profiles[0], &world.profiles[1], &event, false, &without);
        assert_true(fraud_profile_digest(&world.profiles[0]) == before);
        for (size_t i = 0; i < without.reason_count; i++) {
            assert_string_equal(without.reasons[i].text, "");
            memcpy(without.reasons[i].text, with.reasons[i].text, sizeof with.reasons[i].text);
        }
        assert_same(&with, &without);
    }
    fraud_rules_free(&rules);
}

/* --- decisions as bytes ---------------------------------------------------------------------- */

static void test_foreign_decisions_are_refused(void **state)
{
    static struct fraud_verdict verdict;
    static struct fraud_verdict out;
    static struct world         world;
    struct random               random = random_start(__func__);
    struct fraud_rules         *rules = shipped_rules();
    struct fraud_rules         *other = crowded_rules(&random, 3);

    (void)state;
    world_init(&world);
    for (int round = 0; round < 200; round++) {
        uint8_t bytes[LIMIT_DECISION_MAX + 1] = { 0 };
        size_t  size;

        world_step(&world, rules, &random, &verdict);
        size = verdict.decision_size;
        memcpy(bytes, verdict.decision, size);
        assert_false(fraud_explain(other, bytes, size, &out));
        for (size_t cut = 0; cut < size; cut++)
            assert_false(fraud_explain(rules, bytes, cut, &out));
        assert_false(fraud_explain(rules, bytes, size + 1, &out));
        for (size_t i = 0; i < 4; i++) {
            bytes[i] ^= 1;
            assert_false(fraud_explain(rules, bytes, size, &out));
            bytes[i] ^= 1;
        }
    }
    fraud_rules_free(&rules);
    fraud_rules_free(&other);
}

/* What explains at all explains into the same bytes. */
static void test_noise_never_crashes_an_explanation(void **state)
{
    static struct fraud_verdict verdict;
    static struct fraud_verdict out;
    static struct world         world;
    struct random               random = random_start(__func__);
    struct fraud_rules         *rules = shipped_rules();
    int                         explained = 0;

    (void)state;
    world_init(&world);
    for (int round = 0; round < ROUNDS; round++) {
        world_step(&world, rules, &random, &verdict);
        for (int i = 0; i < 3; i++)
            verdict.decision[random_below(&random, verdict.decision_size)] =
                (uint8_t)random_next(&random);
        if (!fraud_explain(rules, verdict.decision, verdict.decision_size, &out))
            continue;
        assert_adds_up(&out);
        assert_memory_equal(out.decision, verdict.decision, verdict.decision_size);
        explained++;
    }
    assert_true(explained > 0);
    fraud_rules_free(&rules);
}

/* --- what a verdict depends on ---------------------------------------------------------------- */

static struct fraud_verdict judge_amount(const char *rules_text, int64_t amount)
{
    static struct fraud_verdict verdict;
    struct fraud_rules         *rules = parse(rules_text);
    struct fraud_event          event = { .amount = amount, .unit = 100, .type = TYPE_TRANSFER };
    struct fraud_profile        profile;

    fraud_profile_init(&profile);
    fraud_judge(rules, &profile, NULL, &event, true, &verdict);
    fraud_rules_free(&rules);
    return verdict;
}

#define ONE(action)                                                                                \
    "version 1 threshold alert 300 threshold hold 600 threshold decline 900 "                      \
    "rule r when amount > 0 score amount - 1 action " action                                       \
    " because \"{amount}\" fires on amount=5 silent on amount=0 end"

/* Each value has one form in a decision, the shortest; the others are refused. */
static void test_numbers_have_one_form(void **state)
{
    static const struct {
        const char *bytes;
        size_t      n;
        bool        good;
    } cases[] = {
        { "\x04", 1, true },
        { "\x84\x00", 2, false },
        { "\x84\x80\x00", 3, false },
        { "\x80\x01", 2, true },
        { "\x80", 1, false },
        { "", 0, false },
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, true }, /* the least integer */
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, false },
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11, false },
    };
    static struct fraud_verdict out;
    struct fraud_verdict        verdict = judge_amount(ONE("score"), INT64_MIN);
    struct fraud_rules         *rules = parse(ONE("score"));
    size_t                      head = 4;

    (void)state;
    assert_int_equal(verdict.decision[3], 2); /* the amount, and the unit that its text needs */
    assert_int_equal(verdict.decision_size, head + 10 + 2);
    assert_memory_equal(verdict.decision + head, cases[6].bytes, cases[6].n);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint8_t bytes[32];

        memcpy(bytes, verdict.decision, head);
        memcpy(bytes + head, cases[i].bytes, cases[i].n);
        memcpy(bytes + head + cases[i].n, verdict.decision + head + 10, 2);
        assert_int_equal(fraud_explain(rules, bytes, head + cases[i].n + 2, &out), cases[i].good);
    }
    fraud_rules_free(&rules);
}

static void test_thresholds_and_actions_decide(void **state)
{
    static const struct {
        const char *rules;
        int64_t     amount;
        int32_t     verdict;
        int32_t     score;
        bool        alert;
        size_t      reasons;
    } cases[] = {
        { ONE("score"), 1, VERDICT_APPROVE, 0, false, 0 },
        { ONE("score"), 300, VERDICT_APPROVE, 299, false, 1 },
        { ONE("score"), 301, VERDICT_APPROVE, 300, true, 1 },
        { ONE("score"), 600, VERDICT_APPROVE, 599, true, 1 },
        { ONE("score"), 601, VERDICT_HOLD, 600, true, 1 },
        { ONE("score"), 901, VERDICT_DECLINE, 900, true, 1 },
        { ONE("score"), 5000, VERDICT_DECLINE, 1000, true, 1 },
        { ONE("alert"), 1, VERDICT_APPROVE, 0, true, 1 },
        { ONE("hold"), 1, VERDICT_HOLD, 0, true, 1 },
        { ONE("hold"), 901, VERDICT_DECLINE, 900, true, 1 },
        { ONE("decline"), 1, VERDICT_DECLINE, 0, true, 1 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct fraud_verdict verdict = judge_amount(cases[i].rules, cases[i].amount);

        assert_int_equal(verdict.verdict, cases[i].verdict);
        assert_int_equal(verdict.score, cases[i].score);
        assert_int_equal(verdict.alert, cases[i].alert);
        assert_int_equal(verdict.reason_count, cases[i].reasons);
    }
}

static void test_the_sum_is_kept_within_its_limits(void **state)
{
    struct fraud_verdict verdict = judge_amount(
        "version 1 threshold hold 600 threshold decline never "
        "rule a when amount > 0 score 800 because \"a\" fires on amount=1 silent on amount=0 end "
        "rule b when amount > 0 score 900 because \"b\" fires on amount=1 silent on amount=0 end",
        5);

    (void)state;
    assert_int_equal(verdict.verdict, VERDICT_HOLD);
    assert_int_equal(verdict.score, 1000);
    assert_int_equal(verdict.reason_count, 3);
    assert_string_equal(verdict.reasons[0].text, "b");
    assert_int_equal(verdict.reasons[2].rule, FRAUD_RULE_CLAMP);
    assert_int_equal(verdict.reasons[2].points, -700);
    verdict = judge_amount(
        "version 1 threshold hold 600 threshold decline never "
        "rule a when amount > 0 score -80 because \"a\" fires on amount=1 silent on amount=0 end",
        5);
    assert_int_equal(verdict.score, 0);
    assert_int_equal(verdict.reason_count, 2);
    assert_int_equal(verdict.reasons[1].points, 80);
}

static void test_values_are_written_by_their_unit(void **state)
{
    struct fraud_verdict verdict = judge_amount(
        "version 1 threshold hold 600 threshold decline never "
        "rule a when amount > 0 score 1 because \"{amount}, {amount_major}, {type}, {is_outgoing}, "
        "{hour}, {weekday}, {unit}; {balance_share_bp}, {gap_seconds}; {{}}\" "
        "fires on amount=1 silent on amount=0 end",
        123456789);

    (void)state;
    assert_string_equal(verdict.reasons[0].text,
                        "1,234,567.89, 1,234,567, transfer, yes, 00:00, Thursday, 100; "
                        "0 %, 0 s; {}");
}

/* --- the catalogue ---------------------------------------------------------------------------- */

static void test_the_catalogue_is_sound(void **state)
{
    struct fraud_feature features[FRAUD_FEATURES_MAX];
    struct fraud_profile profile;
    size_t               count;

    (void)state;
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        assert_true(strlen(feature_rows[i].name) <= LIMIT_RULE_NAME_MAX);
        assert_true(strlen(feature_rows[i].help) >= 10);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(feature_rows[i].name, feature_rows[j].name);
    }
    fraud_profile_init(&profile);
    count = fraud_features(&profile, 0, features);
    assert_in_range(count, 30, FRAUD_FEATURES_MAX);
    for (size_t i = 0; i < count; i++)
        assert_true(features[i].value == 0 && features[i].unit[0] != '\0');
}

/* --- the same everywhere ---------------------------------------------------------------------- */

/* Rules that name `count` features from the first one on, so that their values are stored. */
static struct fraud_rules *curious_rules(size_t first, size_t count)
{
    static char text[RULES_TEXT_MAX];
    int         used = snprintf(text, sizeof text,
                                "version 1 threshold hold 600 threshold decline 900\n"
                                        "rule r when amount > 0 score (0");

    for (size_t i = first; i < first + count && i < FEATURE_COUNT; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, " + %s", feature_rows[i].name);
    snprintf(text + used, sizeof text - (size_t)used,
             ") / 100000 because \"{amount} at {hour}\" fires on amount=1 silent on amount=0 end");
    return parse(text);
}

static uint64_t digest_run(const struct fraud_rules *rules)
{
    static struct fraud_verdict verdict;
    static struct world         world;
    struct random               random = { .state = 42 };
    uint64_t                    digest = 0;

    world_init(&world);
    for (int round = 0; round < ROUNDS; round++) {
        world_step(&world, rules, &random, &verdict);
        digest = digest * 31 + (uint64_t)verdict.score * 4 + (uint64_t)verdict.verdict;
        for (size_t i = 0; i < verdict.decision_size; i++)
            digest = digest * 31 + verdict.decision[i];
        for (size_t i = 0; i < verdict.reason_count; i++)
            for (const char *c = verdict.reasons[i].text; *c != '\0'; c++)
                digest = digest * 31 + (uint8_t)*c;
    }
    for (size_t i = 0; i < ENTITIES; i++)
        digest = digest * 31 + fraud_profile_digest(&world.profiles[i]);
    return digest;
}

/* These numbers were found once; every compiler and every level of optimisation must find them.
 * They change with the catalogue and with the meaning of a feature, and with nothing else. */
static void test_verdicts_are_the_same_everywhere(void **state)
{
    static const uint64_t digests[] = { UINT64_C(0x81c9712146beb954), UINT64_C(0xd52bbab6ad5c6502),
                                        UINT64_C(0x88fbebd6cb25834d) };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(digests); i++) {
        struct fraud_rules *rules = curious_rules(i * 40, 40);
        uint64_t            digest = digest_run(rules);

        fraud_rules_free(&rules);
        if (digest != digests[i])
            fail_msg("digest %zu is 0x%016llx", i, (unsigned long long)digest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons_add_up_and_decisions_explain_themselves),
        cmocka_unit_test(test_shipped_rules_explain_themselves),
        cmocka_unit_test(test_judging_changes_nothing_and_text_is_only_text),
        cmocka_unit_test(test_foreign_decisions_are_refused),
        cmocka_unit_test(test_noise_never_crashes_an_explanation),
        cmocka_unit_test(test_numbers_have_one_form),
        cmocka_unit_test(test_thresholds_and_actions_decide),
        cmocka_unit_test(test_the_sum_is_kept_within_its_limits),
        cmocka_unit_test(test_values_are_written_by_their_unit),
        cmocka_unit_test(test_the_catalogue_is_sound),
        cmocka_unit_test(test_verdicts_are_the_same_everywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
