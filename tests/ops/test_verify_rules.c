/* What the proof makes of the audit log's word on rules: who proposed them, who approved them, and
 * which were in force when a payment was judged. Entries that no bankd writes are the point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bankd/chain.h"
#include "bankd/fraud/profile.h"
#include "bankd/verify_impl.h"
#include "common/check.h"

struct entry {
    const char *operation;
    int64_t     actor;
    uint8_t     set; /* which texts */
    const char *outcome;
};

enum { ENTRIES_MAX = 6 };

static const struct {
    const char  *what;
    struct entry entries[ENTRIES_MAX];
    int64_t      problems;
    int64_t      active; /* in the end */
} stories[] = {
    { "the first rules are the operator's", { { "rules.load", 0, 1, "done" } }, 0, 1 },
    { "so were all of them before there were proposals",
      { { "rules.load", 0, 1, "done" },
        { "rules.load", 0, 2, "done" },
        { "rules.load", 0, 1, "done" } },
      0,
      3 },
    { "two people",
      { { "rules.load", 0, 1, "done" },
        { "rules.propose", 5, 2, "done" },
        { "rules.approve", 6, 2, "done" } },
      0,
      2 },
    { "one person",
      { { "rules.load", 0, 1, "done" },
        { "rules.propose", 5, 2, "done" },
        { "rules.approve", 5, 2, "done" } },
      1,
      2 },
    { "a refusal is no approval",
      { { "rules.load", 0, 1, "done" },
        { "rules.propose", 5, 2, "done" },
        { "rules.approve", 5, 2, "own_proposal" } },
      0,
      1 },
    { "nobody proposed them",
      { { "rules.load", 0, 1, "done" }, { "rules.approve", 6, 2, "done" } },
      1,
      1 },
    { "rules without approval, behind a proposal",
      { { "rules.load", 0, 1, "done" },
        { "rules.propose", 5, 2, "done" },
        { "rules.load", 0, 3, "done" } },
      1,
      3 },
    { "what was given up is not approved",
      { { "rules.load", 0, 1, "done" },
        { "rules.propose", 5, 2, "done" },
        { "rules.withdraw", 6, 2, "done" },
        { "rules.approve", 6, 2, "done" } },
      1,
      1 },
    { "but may be proposed again, by somebody else",
      { { "rules.load", 0, 1, "done" },
        { "rules.propose", 6, 2, "done" },
        { "rules.withdraw", 6, 2, "done" },
        { "rules.propose", 5, 2, "done" },
        { "rules.approve", 6, 2, "done" } },
      0,
      3 },
    { "an approval ends the proposal",
      { { "rules.load", 0, 1, "done" },
        { "rules.propose", 5, 2, "done" },
        { "rules.approve", 6, 2, "done" },
        { "rules.approve", 7, 2, "done" } },
      1,
      2 },
    { "other acts on rules are not about versions",
      { { "rules.load", 0, 1, "done" }, { "rules.other", 5, 9, "done" } },
      0,
      1 },
};

static void take(struct verify *verify, const struct entry *entry, int64_t sequence)
{
    uint8_t      hash[CHAIN_HASH_BYTES] = { entry->set };
    struct audit audit = { .sequence = sequence, .kind = AUDIT_ACTION, .actor = entry->actor };

    if (strcmp(entry->outcome, "done") != 0)
        audit.kind = AUDIT_REFUSAL;
    snprintf(audit.operation, sizeof audit.operation, "%s", entry->operation);
    snprintf(audit.outcome, sizeof audit.outcome, "%s", entry->outcome);
    sodium_bin2hex(audit.subject, sizeof audit.subject, hash, sizeof hash);
    assert_int_equal(verify_rules_act(verify, &audit), ERR_none);
}

static void test_stories(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(stories); i++) {
        struct verify_report report = { .last_sequence = 0 };
        struct verify        verify = { .report = &report, .talk = stdout };

        printf("%s\n", stories[i].what);
        for (size_t j = 0; j < ENTRIES_MAX && stories[i].entries[j].operation != NULL; j++)
            take(&verify, &stories[i].entries[j], (int64_t)j + 1);
        assert_int_equal(report.problems[VERIFY_RULES], stories[i].problems);
        assert_int_equal(verify.rules_active, stories[i].active);
        free(verify.versions);
    }
}

/* --- suppressions ---------------------------------------------------------------------------- */

static const char *const rules_text[] = {
    "version 1 threshold alert 300 threshold hold 600 threshold decline 900\n"
    "rule large when amount_major >= 50 score 650 severity medium because \"large\"\n"
    "fires on amount_major=50 silent on amount_major=49 end\n",
    "version 1 threshold alert 300 threshold hold 600 threshold decline 900\n"
    "rule large when amount_major >= 50 score 650 severity high because \"large\"\n"
    "fires on amount_major=50 silent on amount_major=49 end\n",
};

enum { SPARING = 77 };

static const struct {
    const char  *what;
    struct entry entries[ENTRIES_MAX]; /* `set` is the record's number */
    int          high;
    int64_t      problems;
} sparings[] = {
    { "one person may spare an account a rule",
      { { "suppression.add", 5, SPARING, "done" } },
      0,
      0 },
    { "but none of high severity", { { "suppression.add", 5, SPARING, "done" } }, 1, 1 },
    { "two may",
      { { "suppression.add", 5, SPARING, "done" }, { "suppression.approve", 6, SPARING, "done" } },
      1,
      0 },
    { "one who does both may not, which is told twice",
      { { "suppression.add", 5, SPARING, "done" }, { "suppression.approve", 5, SPARING, "done" } },
      1,
      2 },
    { "a refusal is no approval",
      { { "suppression.add", 5, SPARING, "done" },
        { "suppression.approve", 6, SPARING, "own_proposal" } },
      1,
      1 },
    { "nor is that of another one",
      { { "suppression.add", 5, SPARING, "done" },
        { "suppression.add", 5, SPARING + 1, "done" },
        { "suppression.approve", 6, SPARING + 1, "done" } },
      1,
      1 },
    { "nobody entered it", { { "suppression.approve", 6, SPARING, "done" } }, 1, 1 },
};

static void take_sparing(struct verify *verify, const struct entry *entry, int64_t sequence)
{
    struct audit audit = { .sequence = sequence,
                           .kind = AUDIT_ACTION,
                           .actor = entry->actor,
                           .records_size = RECORD_MARK_BYTES };

    snprintf(audit.operation, sizeof audit.operation, "%s", entry->operation);
    snprintf(audit.outcome, sizeof audit.outcome, "%s", entry->outcome);
    audit.records[7] = entry->set; /* numbers stand high byte first */
    assert_int_equal(verify_sparing_act(verify, &audit), ERR_none);
}

/* A payment of 60 by an account that is spared the rule. */
static struct transaction spared(const struct fraud_rules *rules)
{
    struct fraud_controls controls = { .suppressed_count = 1,
                                       .suppressed = { { .rule = 0, .number = SPARING } } };
    struct fraud_event    event = { .at_us = 20000 * US_PER_DAY,
                                    .amount = 6000,
                                    .unit = 100,
                                    .type = TYPE_WITHDRAWAL,
                                    .controls = &controls };
    struct fraud_profile  profile;
    struct fraud_verdict  verdict;
    struct transaction    row = { .sequence = 9 };

    fraud_profile_init(&profile);
    fraud_judge(rules, &profile, NULL, &event, false, &verdict);
    assert_int_equal(verdict.verdict, VERDICT_APPROVE);
    row.decision_size = verdict.decision_size;
    memcpy(row.decision, verdict.decision, verdict.decision_size);
    return row;
}

static void test_sparings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(sparings); i++) {
        struct verify_report report = { .last_sequence = 0 };
        struct verify        verify = { .report = &report, .talk = stdout };
        struct fraud_rules  *rules;
        struct fault         fault;
        struct transaction   row;

        printf("%s\n", sparings[i].what);
        verify_map_init(&verify.sparings, sizeof(struct verify_sparing));
        assert_int_equal(fraud_rules_parse(slice_from(rules_text[sparings[i].high]), "rules",
                                           &rules, &fault),
                         ERR_none);
        row = spared(rules);
        for (size_t j = 0; j < ENTRIES_MAX && sparings[i].entries[j].operation != NULL; j++)
            take_sparing(&verify, &sparings[i].entries[j], (int64_t)j + 1);
        verify_sparings(&verify, rules, &row);
        assert_int_equal(report.problems[VERIFY_RULES], sparings[i].problems);
        fraud_rules_free(&rules);
        verify_map_free(&verify.sparings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_stories),
                                        cmocka_unit_test(test_sparings) };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
