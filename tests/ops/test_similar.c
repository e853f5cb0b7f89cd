/* Similar alerts against a recount by hand over every seeded alert. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "tests/lib/finding.h"

/* What is compared: the points of each of the seed's rules that add any. */
enum { RULES = 4, FRAUD = 1, GOOD = 2 };

static int findings[SEED_ALERTS_MAX];

/* For some alerts, something is found out about the transaction, whatever the decision says. */
static void find_out(struct seed *seed)
{
    memset(findings, 0, sizeof findings);
    for (size_t i = 0; i < seed->alert_count; i += 3) {
        size_t at = 0;

        while (seed->transactions[at].sequence != seed->alerts[i].transaction)
            at++;
        findings[i] = i % 2 == 0 ? FRAUD : GOOD;
        finding_note(seed, &seed->transactions[at], findings[i] == FRAUD, seed->now_us);
    }
}

struct marks {
    int points[RULES];
    int sum, top;
};

static void marks_of(const struct seed *seed, const struct alert *alert, struct marks *out)
{
    static struct fraud_verdict verdict;

    memset(out, 0, sizeof *out);
    out->top = -1;
    for (size_t i = 0; i < seed->transaction_count; i++) {
        const struct transaction *row = &seed->transactions[i];

        if (row->sequence != alert->transaction)
            continue;
        assert_true(fraud_explain(seed->rules, row->decision, row->decision_size, &verdict));
    }
    for (size_t i = 0; i < verdict.reason_count; i++) {
        const struct fraud_reason *reason = &verdict.reasons[i];

        if (reason->rule >= RULES || reason->points <= 0)
            continue;
        out->points[reason->rule] = reason->points;
        out->sum += reason->points;
        out->top = out->top < 0 ? reason->rule : out->top;
    }
}

static int similarity(const struct marks *a, const struct marks *b)
{
    int common = 0;

    if (a->top < 0 || b->top < 0 || b->points[a->top] == 0 || a->points[b->top] == 0)
        return 0;
    for (size_t i = 0; i < RULES; i++)
        common += a->points[i] < b->points[i] ? a->points[i] : b->points[i];
    return common * 10000 / (a->sum > b->sum ? a->sum : b->sum);
}

struct expected {
    int64_t looked_at, similar, confirmed, false_positive, inconclusive, undecided;
    int     best;
};

static void recount(const struct seed *seed, size_t asked, struct expected *out)
{
    struct marks wanted;

    memset(out, 0, sizeof *out);
    marks_of(seed, &seed->alerts[asked], &wanted);
    for (size_t i = 0; i < asked; i++) {
        const struct alert *alert = &seed->alerts[i];
        struct marks        marks;
        int                 alike;

        marks_of(seed, alert, &marks);
        alike = similarity(&wanted, &marks);
        out->looked_at++;
        if (alike < 5000)
            continue;
        out->similar++;
        out->best = alike > out->best ? alike : out->best;
        bool told = alert->decision == DECISION_CONFIRMED_FRAUD ||
                    alert->decision == DECISION_FALSE_POSITIVE;
        int found = told ? 0 : findings[i];

        out->confirmed += alert->decision == DECISION_CONFIRMED_FRAUD || found == FRAUD;
        out->false_positive += alert->decision == DECISION_FALSE_POSITIVE || found == GOOD;
        out->inconclusive += alert->decision == DECISION_INCONCLUSIVE && found == 0;
        out->undecided += alert->decision == 0 && found == 0;
    }
}

static void check_page(const struct expected *expected, int64_t limit,
                       const struct msg_similar_page *out)
{
    int64_t decided = expected->confirmed + expected->false_positive;

    assert_int_equal(out->looked_at, expected->looked_at);
    assert_int_equal(out->similar, expected->similar);
    assert_int_equal(out->confirmed, expected->confirmed);
    assert_int_equal(out->false_positive, expected->false_positive);
    assert_int_equal(out->inconclusive, expected->inconclusive);
    assert_int_equal(out->undecided, expected->undecided);
    assert_int_equal(MSG_HAS(out, similar_page, confirmed_bp), decided > 0);
    if (decided > 0)
        assert_int_equal(out->confirmed_bp,
                         (expected->confirmed * 20000 + decided) / (2 * decided));
    assert_int_equal(out->items.count, expected->similar < limit ? expected->similar : limit);
    for (size_t i = 0; i < out->items.count; i++) {
        const struct msg_similar_alert *item = &out->items.at[i];

        assert_true(item->shared.n > 0 && item->similarity_bp >= 5000);
        assert_true(i > 0 || item->similarity_bp == expected->best);
        assert_true(i == 0 || item[-1].similarity_bp > item->similarity_bp ||
                    (item[-1].similarity_bp == item->similarity_bp &&
                     item[-1].created_at >= item->created_at));
    }
}

static void similar_is_a_recount(enum seed_kind kind)
{
    struct seed *seed = seed_open(kind);
    int64_t      decided = 0;

    seed_fill(seed, 1500);
    find_out(seed);
    assert_true(seed->alert_count > 50);
    for (size_t i = 0; i < seed->alert_count; i += 7) {
        struct msg_similar_query in = { .has = 0 };
        struct msg_similar_page  out;
        struct expected          expected;

        MSG_SET(&in, similar_query, alert_id, seed->alerts[i].alert_id);
        if (i % 2 == 0)
            MSG_SET(&in, similar_query, limit, 3);
        assert_int_equal(SEED_ASK(seed, alert, similar, &in, &out), ERR_none);
        recount(seed, i, &expected);
        check_page(&expected, i % 2 == 0 ? 3 : 10, &out);
        decided += out.confirmed + out.false_positive;
    }
    assert_true(decided > 0);
    seed_close(&seed);
}

static void test_similar_is_a_recount_in_memory(void **state)
{
    (void)state;
    similar_is_a_recount(SEED_MEMORY);
}

static void test_similar_is_a_recount_in_sqlite(void **state)
{
    (void)state;
    similar_is_a_recount(SEED_SQLITE);
}

static void test_an_unknown_alert_and_a_cancel(void **state)
{
    struct seed             *seed = seed_open(SEED_MEMORY);
    struct msg_similar_query in = { .has = 0 };
    struct msg_similar_page  out;
    atomic_bool              cancel = true;

    (void)state;
    seed_fill(seed, 300);
    MSG_SET(&in, similar_query, alert_id, seed->users[0].user_id);
    assert_int_equal(SEED_ASK(seed, alert, similar, &in, &out), ERR_not_found);
    in.alert_id = seed->alerts[seed->alert_count - 1].alert_id;
    seed_begin(seed, OP_INDEX_alert_similar, &out);
    seed->request.cancel = &cancel;
    assert_int_equal(seed_end(seed, op_alert_similar(&seed->request, &in, &out), &out),
                     ERR_cancelled);
    seed_close(&seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_similar_is_a_recount_in_memory),
        cmocka_unit_test(test_similar_is_a_recount_in_sqlite),
        cmocka_unit_test(test_an_unknown_alert_and_a_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
