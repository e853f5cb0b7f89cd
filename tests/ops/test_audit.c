/* The audit log and the proof of its chain, and the rules: every page of every question together
 * gives the entries of both sources in the order of the chain, once; a chain with one changed byte
 * is found out at the right place. Runs on both stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "bankd/ops/page.h"
#include "common/money.h"
#include "tests/lib/seed.h"

/* --- the log as it should be ---------------------------------------------------------------- */

struct entry {
    int64_t sequence, at;
    int32_t kind;
    char actor[LIMIT_EMAIL_MAX + 1], operation[65], outcome[49], subject[65];
    char detail[LIMIT_DETAIL_MAX + 1];
    const uint8_t *hash;
};

static void entry_of_transaction(const struct seed *seed, const struct transaction *row,
                                 struct entry *out)
{
    const char *code = row->currency == SEED_USD ? "USD" : "JPY";
    char amount[MONEY_TEXT_MAX];
    money_text_grouped(row->amount, row->currency == SEED_USD ? 2 : 0, amount);
    *out = (struct entry){.sequence = row->sequence,
                          .at = row->posted_at_us,
                          .kind = AUDIT_TRANSACTION,
                          .hash = row->hash};
    snprintf(out->actor, sizeof(out->actor), "%s",
             row->posted_by == 0 ? "import" : seed->users[row->posted_by - 1].email);
    snprintf(out->operation, sizeof(out->operation), "%s",
             row->posted_by == 0 ? (row->rule_set == 0 && row->type == TYPE_ADJUSTMENT
                                        ? "import.rounding"
                                        : "import")
             : row->type == TYPE_REVERSAL ? "transaction.reverse"
                                          : "transaction.create");
    snprintf(out->outcome, sizeof(out->outcome), "%s",
             enum_text(&enum_transaction_status, row->initial_status));
    uuid_text(&row->transaction_id, out->subject);
    char judged[sizeof(out->detail) / 2];
    if (row->rule_set == 0)
        snprintf(judged, sizeof(judged), ", not judged%s%.100s",
                 row->description[0] != '\0' ? ": " : "", row->description);
    else
        snprintf(judged, sizeof(judged), " score %d %s", (int)row->score,
                 enum_text(&enum_verdict, row->verdict));
    snprintf(out->detail, sizeof(out->detail), "%s %s %s%s",
             enum_text(&enum_transaction_type, row->type), amount, code, judged);
}

static void entry_of_audit(const struct audit *row, struct entry *out)
{
    *out = (struct entry){
        .sequence = row->sequence, .at = row->at_us, .kind = row->kind, .hash = row->hash};
    memcpy(out->actor, row->actor_name, sizeof(out->actor));
    memcpy(out->operation, row->operation, sizeof(out->operation));
    memcpy(out->outcome, row->outcome, sizeof(out->outcome));
    memcpy(out->subject, row->subject, sizeof(out->subject));
    memcpy(out->detail, row->detail, sizeof(out->detail));
}

static bool wanted(const struct msg_audit_query *in, const struct entry *entry)
{
    if ((MSG_HAS(in, audit_query, kind) && entry->kind != in->kind) ||
        (MSG_HAS(in, audit_query, from) && entry->at < in->from) ||
        (MSG_HAS(in, audit_query, to) && entry->at >= in->to) ||
        (MSG_HAS(in, audit_query, actor) && !slice_is(in->actor, entry->actor)))
        return false;
    return !MSG_HAS(in, audit_query, search) ||
           page_contains(slice_from(entry->operation), in->search) ||
           page_contains(slice_from(entry->subject), in->search) ||
           page_contains(slice_from(entry->detail), in->search);
}

/* The next older wanted entry; sequence 0 when there is none. `t` and `a` are how many rows of
 * each kind are left. */
static void next_entry(const struct seed *seed, const struct msg_audit_query *in, size_t *t,
                       size_t *a, struct entry *out)
{
    while (*t > 0 || *a > 0) {
        int64_t of_t = *t > 0 ? seed->transactions[*t - 1].sequence : 0;
        int64_t of_a = *a > 0 ? seed->audits[*a - 1].sequence : 0;
        if (of_t > of_a)
            entry_of_transaction(seed, &seed->transactions[--*t], out);
        else
            entry_of_audit(&seed->audits[--*a], out);
        if (wanted(in, out))
            return;
    }
    out->sequence = 0;
}

static size_t follow_log(struct seed *seed, struct msg_audit_query in)
{
    struct msg_audit_page page;
    char cursor[LIMIT_CURSOR_MAX];
    size_t t = seed->transaction_count;
    size_t a = seed->audit_count;
    size_t seen = 0;
    struct entry entry;
    bool more = true;

    while (more) {
        assert_int_equal(SEED_ASK(seed, audit, list, &in, &page), ERR_none);
        for (size_t i = 0; i < page.items.count; i++) {
            const struct msg_audit_entry *item = &page.items.at[i];
            next_entry(seed, &in, &t, &a, &entry);
            assert_int_equal(item->sequence, entry.sequence);
            assert_int_equal(item->at, entry.at);
            assert_int_equal(item->kind, entry.kind);
            assert_true(slice_is(item->actor, entry.actor));
            assert_true(slice_is(item->operation, entry.operation));
            assert_true(slice_is(item->outcome, entry.outcome));
            assert_true(slice_is(item->subject, entry.subject));
            assert_true(slice_is(item->detail, entry.detail));
            assert_memory_equal(item->hash.at, entry.hash, CHAIN_HASH_BYTES);
            seen++;
        }
        more = MSG_HAS(&page, audit_page, next);
        if (more) {
            memcpy(cursor, page.next.at, page.next.n);
            MSG_SET(&in, audit_query, cursor, slice_of(cursor, page.next.n));
        }
    }
    next_entry(seed, &in, &t, &a, &entry);
    assert_int_equal(entry.sequence, 0);
    return seen;
}

static void the_log_is_one_chain_of_two_sources(void **state)
{
    struct seed *seed = *state;
    struct msg_audit_query in = {.has = 0};

    assert_int_equal(follow_log(seed, in), seed->head.sequence);
    MSG_SET(&in, audit_query, limit, 1);
    assert_int_equal(follow_log(seed, in), seed->head.sequence);
    MSG_SET(&in, audit_query, limit, LIMIT_PAGE_ROWS_MAX);
    assert_int_equal(follow_log(seed, in), seed->head.sequence);
}

static void each_filter_of_the_log_holds(void **state)
{
    struct seed *seed = *state;
    static const char *const actors[] = {"import", "fraud@example.com", "nobody@example.com"};
    static const char *const words[] = {"HOLD", "account.", "telephone", "zzz", "deposit"};
    size_t seen = 0;

    for (int i = 0; i < 200; i++) {
        struct msg_audit_query in = {.has = 0};
        const struct transaction *some =
            &seed->transactions[seed_below(seed, seed->transaction_count)];
        MSG_SET(&in, audit_query, limit, 1 + (int64_t)seed_below(seed, 40));
        if (seed_below(seed, 3) == 0)
            MSG_SET(&in, audit_query, kind, 1 + (int32_t)seed_below(seed, 3));
        if (seed_below(seed, 3) == 0)
            MSG_SET(&in, audit_query, from, some->posted_at_us);
        else if (seed_below(seed, 3) == 0)
            MSG_SET(&in, audit_query, to, some->posted_at_us + 1);
        if (seed_below(seed, 3) == 0)
            MSG_SET(&in, audit_query, actor, slice_from(actors[seed_below(seed, 3)]));
        if (seed_below(seed, 3) == 0)
            MSG_SET(&in, audit_query, search, slice_from(words[seed_below(seed, 5)]));
        seen += follow_log(seed, in);
    }
    assert_true(seen > 1000);
    for (int i = 0; i < 20; i++) {
        struct msg_audit_query in = {.has = 0};
        char text[UUID_TEXT_MAX];
        size_t at = seed_below(seed, seed->transaction_count);
        uuid_text(&seed->transactions[at].transaction_id, text);
        MSG_SET(&in, audit_query, search, slice_from(text));
        assert_true(follow_log(seed, in) >= 1);
    }
}

static void a_log_that_is_read_in_small_pieces_is_the_same(void **state)
{
    struct seed *seed = *state;
    struct msg_audit_query in = {.has = 0};

    for (int64_t rows = 2; rows < 300; rows += rows / 2 + 1) {
        seed_short_scans(seed, rows);
        assert_int_equal(follow_log(seed, in), seed->head.sequence);
        struct msg_audit_query rare = {.has = 0};
        MSG_SET(&rare, audit_query, search, slice_from("telephone"));
        MSG_SET(&rare, audit_query, limit, 3);
        assert_true(follow_log(seed, rare) > 0);
    }
    seed_short_scans(seed, 0);
}

/* --- the proof ------------------------------------------------------------------------------ */

static void a_whole_chain_is_proved(void **state)
{
    struct seed *seed = *state;
    struct msg_audit_verify in = {.has = 0};
    struct msg_audit_verification out;

    assert_int_equal(SEED_ASK(seed, audit, verify, &in, &out), ERR_none);
    assert_true(out.whole);
    assert_false(MSG_HAS(&out, audit_verification, broken_at));
    assert_int_equal(out.first_sequence, 1);
    assert_int_equal(out.last_sequence, seed->head.sequence);
    assert_int_equal(out.checked, seed->head.sequence);
    assert_memory_equal(out.head.at, seed->head.hash, CHAIN_HASH_BYTES);
    for (int64_t first = 0; first <= seed->head.sequence; first += 7) {
        MSG_SET(&in, audit_verify, from_sequence, first);
        assert_int_equal(SEED_ASK(seed, audit, verify, &in, &out), ERR_none);
        assert_true(out.whole);
        assert_int_equal(out.first_sequence, first < 1 ? 1 : first);
        assert_int_equal(out.checked, seed->head.sequence - out.first_sequence + 1);
    }
    MSG_SET(&in, audit_verify, from_sequence, seed->head.sequence + 1);
    assert_int_equal(SEED_ASK(seed, audit, verify, &in, &out), ERR_range_invalid);
}

/* A store whose rows somebody has tampered with. */
static int64_t tampered;

static enum err tampered_transactions(struct store *store, const struct transaction_filter *filter,
                                      store_visit *visit, void *context, int64_t *stopped_at);
static enum err tampered_audit(struct store *store, int64_t sequence, struct audit *out);

static const struct store_ops *honest;

struct passing {
    store_visit *visit;
    void *context;
};

static bool pass(void *context, const void *row)
{
    const struct passing *passing = context;
    struct transaction changed = *(const struct transaction *)row;
    if (changed.sequence == tampered)
        changed.amount++;
    return passing->visit(passing->context, &changed);
}

static enum err tampered_transactions(struct store *store, const struct transaction_filter *filter,
                                      store_visit *visit, void *context, int64_t *stopped_at)
{
    struct passing passing = {visit, context};
    return honest->transactions(store, filter, pass, &passing, stopped_at);
}

static enum err tampered_audit(struct store *store, int64_t sequence, struct audit *out)
{
    enum err err = honest->audit_by_sequence(store, sequence, out);
    if (err == ERR_none && sequence == tampered)
        out->detail[0] = (char)(out->detail[0] + 1);
    return err;
}

static void a_changed_entry_is_found(void **state)
{
    struct seed *seed = *state;
    struct msg_audit_verify in = {.has = 0};
    struct msg_audit_verification out;

    honest = seed->store->ops;
    struct store_ops bent = *honest;
    bent.transactions = tampered_transactions;
    bent.audit_by_sequence = tampered_audit;
    seed->store->ops = &bent;
    for (tampered = 1; tampered <= seed->head.sequence; tampered += 3) {
        assert_int_equal(SEED_ASK(seed, audit, verify, &in, &out), ERR_none);
        assert_false(out.whole);
        assert_int_equal(out.broken_at, tampered);
        assert_int_equal(out.last_sequence, tampered);
    }
    seed->store->ops = honest;
}

/* --- rules ---------------------------------------------------------------------------------- */

static void the_rules_in_force_are_shown(void **state)
{
    struct seed *seed = *state;
    struct msg_rules_ref in = {.has = 0};
    struct msg_rules out;

    assert_int_equal(SEED_ASK(seed, rules, get, &in, &out), ERR_none);
    assert_int_equal(out.rule_set, 1);
    assert_int_equal(out.rules, 4);
    struct fraud_rules *rules = NULL;
    assert_int_equal(fraud_rules_parse(out.text, "shown", &rules, &seed->fault), ERR_none);
    assert_int_equal(fraud_rules_count(rules), 4);
    fraud_rules_free(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_is_one_chain_of_two_sources),
        cmocka_unit_test(each_filter_of_the_log_holds),
        cmocka_unit_test(a_log_that_is_read_in_small_pieces_is_the_same),
        cmocka_unit_test(a_whole_chain_is_proved),
        cmocka_unit_test(a_changed_entry_is_found),
        cmocka_unit_test(the_rules_in_force_are_shown),
    };

    return SEED_RUN(tests, 300);
}
