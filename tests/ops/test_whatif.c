/* What-if must be true: whatever it says of an amount or a time is judged again, at the boundary
 * and one minor unit or second before it, by profiles that a replay kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bankd/fraud/whatif.h"
#include "bankd/learn/replay.h"
#include "common/check.h"
#include "common/clock.h"
#include "tests/lib/demo_home.h"
#include "tests/lib/finding.h"

/* A payment with everything that it was judged by. */
struct moment {
    struct uuid          transaction_id;
    struct fraud_event   event;
    struct fraud_profile subject, counterparty;
    bool                 has_counterparty;
};

enum { MOMENTS_MAX = 400 };

struct gathering {
    const struct fraud_rules *rules;
    int64_t                   seen, every;
    size_t                    count;
    struct moment             moments[MOMENTS_MAX];
};

/* Every alert, and some of the others. */
static enum err gather(void *context, const struct replay_event *event)
{
    struct gathering *all = context;
    struct moment    *moment = &all->moments[all->count];

    if (all->count == MOMENTS_MAX || (!event->row->flagged && all->seen++ % all->every != 0))
        return ERR_none;
    moment->transaction_id = event->row->transaction_id;
    moment->event = *event->event;
    moment->event.status = 0;
    moment->subject = *event->subject;
    moment->has_counterparty = event->counterparty != NULL;
    if (moment->has_counterparty)
        moment->counterparty = *event->counterparty;
    all->count++;
    return ERR_none;
}

static enum fraud_level judge(const struct gathering *all, const struct moment *moment,
                              const struct fraud_event *event, struct fraud_verdict *out)
{
    fraud_judge(all->rules, &moment->subject,
                moment->has_counterparty ? &moment->counterparty : NULL, event, false, out);
    return fraud_level(out);
}

static enum fraud_level level_of(const struct msg_whatif_item *item)
{
    struct fraud_verdict told = { .verdict = item->verdict, .alert = item->alert };

    return fraud_level(&told);
}

/* At the value it is as told; the value next to it, on the other side, is not. */
static void check_amount(const struct gathering *all, const struct moment *moment,
                         const struct msg_whatif_item *item)
{
    static struct fraud_verdict verdict;
    struct fraud_event          event = moment->event;
    enum fraud_level            inside;
    enum fraud_level            outside;

    event.amount = item->below ? item->amount - 1 : item->amount;
    inside = judge(all, moment, &event, &verdict);
    assert_true(item->below ? inside <= level_of(item) : inside >= level_of(item));
    assert_int_equal(verdict.score, item->score);
    inside = level_of(item);
    event.amount = item->below ? item->amount : item->amount - 1;
    outside = judge(all, moment, &event, &verdict);
    if (item->below)
        assert_true(outside > inside && item->amount <= moment->event.amount);
    else
        assert_true(outside < inside && item->amount > moment->event.amount);
    for (int64_t part = 1; item->below && part < 50; part++) { /* and for all in between */
        event.amount = (item->amount - 1) / 50 * part;
        if (event.amount > (MSG_HAS(item, whatif_item, other) ? item->other : 0))
            assert_true(judge(all, moment, &event, &verdict) <= inside);
    }
}

static void check_time(const struct gathering *all, const struct moment *moment,
                       const struct msg_whatif_item *item)
{
    static struct fraud_verdict verdict;
    struct fraud_event          event = moment->event;
    bool                        ends = MSG_HAS(item, whatif_item, until);
    enum fraud_level            inside;

    event.at_us = item->at;
    inside = judge(all, moment, &event, &verdict);
    assert_int_equal(inside, level_of(item));
    assert_int_equal(verdict.score, item->score);
    event.at_us = item->at - US_PER_SECOND;
    assert_true(item->at > moment->event.at_us);
    assert_true(judge(all, moment, &event, &verdict) > inside);
    if (!ends)
        return;
    event.at_us = item->until;
    assert_true(judge(all, moment, &event, &verdict) > inside);
    event.at_us -= US_PER_SECOND;
    assert_true(judge(all, moment, &event, &verdict) <= inside);
}

static void check_balance(const struct gathering *all, const struct moment *moment,
                          const struct msg_whatif_item *item)
{
    static struct fraud_verdict verdict;
    struct fraud_event          event = moment->event;

    event.balance = item->amount;
    assert_true(judge(all, moment, &event, &verdict) <= level_of(item));
    event.balance--;
    assert_true(judge(all, moment, &event, &verdict) > level_of(item));
}

/* How many statements of each kind were checked. */
struct tally {
    int64_t amounts, times, balances, others, exact, baselines;
};

static void check_reply(const struct gathering *all, const struct moment *moment,
                        const struct msg_whatif *out, struct tally *tally)
{
    static struct fraud_verdict verdict;
    enum fraud_level            was = judge(all, moment, &moment->event, &verdict);

    assert_int_equal(out->verdict, verdict.verdict);
    assert_int_equal(out->alert, verdict.alert);
    assert_int_equal(out->score, verdict.score);
    tally->exact += out->exact;
    tally->baselines += MSG_HAS(out, whatif, baseline);
    if (MSG_HAS(out, whatif, baseline)) /* made from classes of amounts, and told as such */
        assert_memory_equal(out->baseline.at, "about ", strlen("about "));
    for (size_t i = 0; i < out->items.count; i++) {
        const struct msg_whatif_item *item = &out->items.at[i];

        assert_true(level_of(item) != was && item->text.n > 0);
        if (item->kind == WHATIF_AMOUNT) {
            check_amount(all, moment, item);
            tally->amounts++;
        } else if (item->kind == WHATIF_TIME) {
            check_time(all, moment, item);
            tally->times++;
        } else if (item->kind == WHATIF_BALANCE) {
            check_balance(all, moment, item);
            tally->balances++;
        } else {
            assert_true(level_of(item) < was);
            tally->others++;
        }
    }
}

static void check_seed(enum seed_kind kind)
{
    static struct gathering all;
    struct seed            *seed = seed_open(kind);
    struct replay_options options = { .store = seed->store, .entities_max = 1000, .context = &all };
    struct tally          tally = { 0 };

    seed_fill(seed, 900);
    memset(&all, 0, sizeof all);
    all.rules = seed->rules;
    all.every = 5;
    assert_int_equal(replay_run(&options, gather, &seed->fault), ERR_none);
    for (size_t i = 0; i < all.count; i++) {
        struct msg_transaction_ref in = { .has = 0 };
        struct msg_whatif          out;

        MSG_SET(&in, transaction_ref, transaction_id, all.moments[i].transaction_id);
        assert_int_equal(SEED_ASK(seed, transaction, whatif, &in, &out), ERR_none);
        check_reply(&all, &all.moments[i], &out, &tally);
    }
    assert_true(all.count > 100 && tally.exact == (int64_t)all.count);
    assert_true(tally.amounts > 100 && tally.others > 50);
    seed_close(&seed);
}

static void test_it_is_true_in_memory(void **state)
{
    (void)state;
    check_seed(SEED_MEMORY);
}

static void test_it_is_true_in_sqlite(void **state)
{
    (void)state;
    check_seed(SEED_SQLITE);
}

/* The shipped rules on the demo's history. */
static void test_it_is_true_of_the_shipped_rules(void **state)
{
    static struct gathering   all;
    static struct demo_home   demo;
    const struct fraud_rules *rules = NULL;
    struct fault              fault = { 0 };
    struct arena              arena;
    struct store_numbers      numbers;
    struct tally              tally = { 0 };

    (void)state;
    demo_home_make(&demo, DEMO_SEED);
    struct store         *store = demo.home.store;
    struct replay_options options = { .store = store, .entities_max = 100000, .context = &all };

    assert_int_equal(arena_init(&arena, LIMIT_REQUEST_ARENA), ERR_none);
    assert_int_equal(store->ops->numbers(store, &numbers), ERR_none);
    assert_int_equal(bank_rules(&demo.home.bank, store, numbers.rule_set, &rules), ERR_none);
    memset(&all, 0, sizeof all);
    all.rules = rules;
    all.every = 97;
    assert_int_equal(replay_run(&options, gather, &fault), ERR_none);
    for (size_t i = 0; i < all.count; i++) {
        struct msg_transaction_ref in = { .has = 0 };
        struct msg_whatif          out = { .has = 0 };
        struct request             request = { .op = &op_rows[OP_INDEX_transaction_whatif],
                                               .store = store,
                                               .bank = &demo.home.bank,
                                               .arena = &arena,
                                               .fault = &fault };

        arena_reset(&arena);
        MSG_SET(&in, transaction_ref, transaction_id, all.moments[i].transaction_id);
        assert_int_equal(op_transaction_whatif(&request, &in, &out), ERR_none);
        check_reply(&all, &all.moments[i], &out, &tally);
    }
    assert_true(tally.exact > 0 && tally.baselines > 50);
    assert_true(tally.amounts > 20 && tally.times > 5 && tally.others > 5);
    bank_rules_release(&demo.home.bank, rules);
    arena_free(&arena);
    demo_home_shut(&demo);
    demo_home_remove(&demo);
}

/* --- every amount, one by one ---------------------------------------------------------------- */

/* Points for large payments, for a band of small ones, and less for round ones. */
#define HEAD "version 1 threshold alert 200 threshold hold 400 threshold decline 900 "
#define RULE(name, condition, points)                                                              \
    "rule " name " when " condition " score " points " because \"{amount}\" "                      \
    "fires on is_round=yes amount=613.00 silent on amount=502.00 end "
static const char *const bands[] = {
    HEAD RULE("big", "amount_major >= 3000 or is_round and amount = 613.00", "500")
        RULE("card", "amount >= 612.00 and amount < 614.00", "500"),
    HEAD RULE("big", "amount_major >= 3000 or is_round and amount = 613.00", "500")
        RULE("card", "amount >= 499.00 and amount < 501.00 or amount = 613.00", "500"),
    HEAD RULE("big", "amount_major >= 999 or is_round and amount = 613.00", "250")
        RULE("bonus", "is_round and amount_major >= 600", "-100"),
    HEAD RULE("near", "is_near_threshold or amount = 613.00", "500")
        RULE("round", "is_round", "300") RULE("one", "amount_major in (777, 613)", "950"),
};

/* What is told of amounts must hold for each of them, and end where it says. */
static void check_each_amount(const struct fraud_whatif *question,
                              const struct fraud_change *change)
{
    static struct fraud_verdict verdict;
    struct fraud_event          event = *question->event;
    bool                        below = change->kind == CHANGE_AMOUNT_BELOW;
    int64_t first = below ? (change->other > 0 ? change->other : 1) : change->value;
    int64_t end = below ? change->value : change->other > 0 ? change->other : question->most + 1;

    assert_true(first < end && end <= question->most + 1);
    for (event.amount = first; event.amount < end; event.amount++) {
        fraud_judge(question->rules, question->subject, NULL, &event, false, &verdict);
        if (below ? fraud_level(&verdict) > change->level : fraud_level(&verdict) < change->level)
            fail_msg("told %d from %lld to below %lld, but not at %lld", (int)change->level,
                     (long long)first, (long long)end, (long long)event.amount);
    }
    for (int side = 0; side < 2; side++) {
        event.amount = side == 0 ? first - 1 : end;
        fraud_judge(question->rules, question->subject, NULL, &event, false, &verdict);
        if (event.amount > 0 && event.amount <= question->most)
            assert_true(below ? fraud_level(&verdict) > change->level
                              : fraud_level(&verdict) < change->level);
    }
}

static void test_each_amount_is_as_told(void **state)
{
    static const int64_t        amounts[] = { 400000, 61300, 50000, 99850, 77750, 100000, 950000 };
    static struct fraud_verdict verdict;
    struct fraud_change         changes[FRAUD_CHANGES_MAX];
    struct fraud_profile        subject;
    size_t                      checked = 0;

    (void)state;
    fraud_profile_init(&subject);
    for (size_t i = 0; i < ARRAY_COUNT(bands); i++) {
        struct fault        fault = { 0 };
        struct fraud_rules *rules = NULL;

        if (fraud_rules_parse(slice_from(bands[i]), "bands", &rules, &fault) != ERR_none)
            fail_msg("%s", fault.text);
        for (size_t j = 0; j < ARRAY_COUNT(amounts); j++) {
            struct fraud_event  event = { .at_us = 1780000000 * US_PER_SECOND,
                                          .amount = amounts[j],
                                          .unit = 100,
                                          .type = TYPE_PAYMENT,
                                          .balance = 1200000 };
            struct fraud_whatif question = { rules, &subject, NULL, &event, 1200000 };
            size_t              count = fraud_whatif(&question, &verdict, changes);

            for (size_t k = 0; k < count; k++)
                if (changes[k].kind <= CHANGE_AMOUNT_FROM) {
                    check_each_amount(&question, &changes[k]);
                    checked++;
                }
        }
        fraud_rules_free(&rules);
    }
    assert_true(checked > 30);
}

static void test_what_cannot_be_asked(void **state)
{
    struct seed               *seed = seed_open(SEED_MEMORY);
    struct msg_transaction_ref in = { .has = 0 };
    struct msg_whatif          out;
    atomic_bool                cancel = true;

    (void)state;
    seed_fill(seed, 300);
    MSG_SET(&in, transaction_ref, transaction_id, seed->users[0].user_id);
    assert_int_equal(SEED_ASK(seed, transaction, whatif, &in, &out), ERR_not_found);
    for (size_t i = 0; i < seed->transaction_count; i++) {
        const struct transaction *row = &seed->transactions[i];

        in.transaction_id = row->transaction_id;
        if (row->rule_set == 0)
            assert_int_equal(SEED_ASK(seed, transaction, whatif, &in, &out), ERR_state_conflict);
    }
    in.transaction_id = seed->transactions[seed->transaction_count / 2].transaction_id;
    seed_begin(seed, OP_INDEX_transaction_whatif, &out);
    seed->request.cancel = &cancel;
    assert_int_equal(seed_end(seed, op_transaction_whatif(&seed->request, &in, &out), &out),
                     ERR_cancelled);
    seed_close(&seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_true_in_memory),
        cmocka_unit_test(test_it_is_true_in_sqlite),
        cmocka_unit_test(test_it_is_true_of_the_shipped_rules),
        cmocka_unit_test(test_each_amount_is_as_told),
        cmocka_unit_test(test_what_cannot_be_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
