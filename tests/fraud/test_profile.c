/* Profiles against a naive memory of everything that happened: windows within their promised
 * width, means and deviations exact, nothing wraps, and equal histories give equal bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bankd/fraud/profile.h"
#include "common/check.h"
#include "common/clock.h"
#include "tests/fraud/shipped.h"
#include "tests/unit/random.h"

enum { ACTS = 400, STREAMS = 60 };

static struct fraud_event make_act(int64_t at_us, int64_t amount, bool incoming)
{
    return (struct fraud_event){
        .at_us = at_us,
        .amount = amount,
        .unit = 100,
        .type = TYPE_TRANSFER,
        .status = STATUS_COMPLETED,
        .incoming = incoming,
    };
}

static int64_t value_of(const struct fraud_profile *profile, int64_t now_us, const char *name)
{
    struct fraud_feature features[FRAUD_FEATURES_MAX];
    size_t               count = fraud_features(profile, now_us, features);

    for (size_t i = 0; i < count; i++)
        if (strcmp(features[i].name, name) == 0)
            return features[i].value;
    fail_msg("there is no feature %s", name);
    return 0;
}

/* --- windows --------------------------------------------------------------------------------- */

struct window {
    const char *count;
    const char *sum;
    bool        incoming;
    int64_t     width_us;
    int64_t     bucket_us;
};

static const struct window windows[] = {
    { "count_1h", "sum_1h", false, US_PER_HOUR, 10 * US_PER_MINUTE },
    { "count_24h", "sum_24h", false, US_PER_DAY, 3 * US_PER_HOUR },
    { "count_7d", "sum_7d", false, 7 * US_PER_DAY, US_PER_DAY },
    { "count_30d", "sum_30d", false, 30 * US_PER_DAY, 3 * US_PER_DAY },
    { "in_count_24h", "in_sum_24h", true, US_PER_DAY, 4 * US_PER_HOUR },
    { "in_count_7d", "in_sum_7d", true, 7 * US_PER_DAY, US_PER_DAY },
    { "in_count_30d", "in_sum_30d", true, 30 * US_PER_DAY, 5 * US_PER_DAY },
};

/* What happened in (now - width, now]. */
static struct profile_sum recount(const struct fraud_event *acts, size_t count, bool incoming,
                                  int64_t now_us, int64_t width_us)
{
    struct profile_sum total = { 0, 0 };

    for (size_t i = 0; i < count; i++)
        if (acts[i].incoming == incoming && acts[i].at_us <= now_us &&
            acts[i].at_us > now_us - width_us) {
            total.count++;
            total.sum += acts[i].amount;
        }
    return total;
}

static void assert_windows(const struct fraud_profile *profile, const struct fraud_event *acts,
                           size_t count, int64_t now_us)
{
    for (size_t i = 0; i < ARRAY_COUNT(windows); i++) {
        const struct window *w = &windows[i];
        struct profile_sum   least =
            recount(acts, count, w->incoming, now_us, w->width_us - w->bucket_us);
        struct profile_sum most = recount(acts, count, w->incoming, now_us, w->width_us);
        int64_t            told = value_of(profile, now_us, w->count);
        int64_t            sum = value_of(profile, now_us, w->sum);

        if (told < least.count || told > most.count || sum < least.sum || sum > most.sum)
            fail_msg("%s is %lld, not %lld to %lld", w->count, (long long)told,
                     (long long)least.count, (long long)most.count);
    }
}

/* Acts in bursts and with long pauses; some come late by up to two days. */
static void test_windows_keep_their_promise(void **state)
{
    static struct fraud_event acts[ACTS];
    struct random             random = random_start(__func__);

    (void)state;
    for (int stream = 0; stream < STREAMS; stream++) {
        struct fraud_profile profile;
        int64_t last_us = (int64_t)random_below(&random, 20000) * US_PER_DAY - 5000 * US_PER_DAY;

        fraud_profile_init(&profile);
        for (size_t i = 0; i < ACTS; i++) {
            int64_t step = (int64_t)(random_next(&random) >> (24 + random_below(&random, 16)));
            int64_t late =
                random_below(&random, 5) == 0 ? (int64_t)random_below(&random, 2 * US_PER_DAY) : 0;

            last_us += step;
            acts[i] = make_act(last_us - late, 1 + (int64_t)random_below(&random, 1000000),
                               random_below(&random, 3) == 0);
            fraud_observe(&profile, &acts[i], FRAUD_SUBJECT, 0);
            assert_true(fraud_profile_valid(&profile));
            assert_windows(&profile, acts, i + 1, last_us);
            assert_windows(&profile, acts, i + 1,
                           last_us + (int64_t)random_below(&random, 40 * US_PER_DAY));
        }
    }
}

/* A bucket that is as full as it can be stays so, in its sum and in its count. */
static void test_buckets_saturate(void **state)
{
    struct fraud_profile profile;
    struct fraud_event   act = make_act(0, INT64_MAX, false);

    (void)state;
    fraud_profile_init(&profile);
    for (int i = 0; i < 70000; i++)
        fraud_observe(&profile, &act, FRAUD_SUBJECT, 9);
    assert_int_equal(value_of(&profile, 0, "count_1h"), 65535);
    assert_true(value_of(&profile, 0, "sum_1h") == (INT64_C(1) << 48) - 1);
    assert_int_equal(value_of(&profile, 0, "count_total"), 70000);
    assert_true(value_of(&profile, 0, "max_amount") == INT64_MAX);
    assert_true(value_of(&profile, 0, "mean_amount") > 0);
    assert_int_equal(value_of(&profile, 0, "deviation_amount"), 0);
    assert_true(fraud_profile_valid(&profile));
}

/* --- habits ---------------------------------------------------------------------------------- */

static int64_t root_of(unsigned __int128 x)
{
    uint64_t low = 0;
    uint64_t high = UINT64_C(1) << 62;

    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;

        if ((unsigned __int128)middle * middle <= x)
            low = middle;
        else
            high = middle - 1;
    }
    return (int64_t)low;
}

static void test_mean_and_deviation_are_exact(void **state)
{
    struct random random = random_start(__func__);

    (void)state;
    for (int stream = 0; stream < STREAMS; stream++) {
        static int64_t       amounts[ACTS];
        struct fraud_profile profile;
        unsigned             bits = (unsigned)random_below(&random, 38);
        int64_t              sum = 0;

        fraud_profile_init(&profile);
        for (size_t i = 0; i < ACTS; i++) {
            unsigned __int128  squares = 0;
            struct fraud_event act;
            int64_t            n = (int64_t)i + 1;

            amounts[i] = 1 + (int64_t)(random_next(&random) >> (63 - bits));
            sum += amounts[i];
            act = make_act((int64_t)i * US_PER_HOUR, amounts[i], false);
            fraud_observe(&profile, &act, FRAUD_SUBJECT, 0);
            for (int64_t j = 0; j < n; j++) {
                int64_t distance = amounts[j] - sum / n;

                squares += (unsigned __int128)((__int128)distance * distance);
            }
            assert_int_equal(profile_habit_mean(profile_of(&profile)), sum / n);
            assert_int_equal(profile_habit_deviation(profile_of(&profile)),
                             root_of(squares / (uint64_t)n));
        }
    }
}

static void test_share_of_smaller_amounts_grows_with_the_amount(void **state)
{
    struct random        random = random_start(__func__);
    struct fraud_profile profile;
    int64_t              before = 0;

    (void)state;
    fraud_profile_init(&profile);
    assert_int_equal(profile_share_below(profile_of(&profile), 500), 0);
    for (int i = 0; i < 200000; i++) {
        struct fraud_event act = make_act(i, 1 + random_int64(&random) / 2, false);

        act.amount = act.amount < 1 ? 1 - act.amount : act.amount;
        fraud_observe(&profile, &act, FRAUD_SUBJECT, 0);
    }
    for (unsigned bit = 0; bit < 63; bit++) {
        int64_t share = profile_share_below(profile_of(&profile), INT64_C(1) << bit);

        assert_true(share >= before && share <= 10000);
        before = share;
    }
    assert_int_equal(before, 10000); /* above them all */
}

/* Thirty usual payments of 1.5 million crowns and one forty times as large, and the same in every
 * other size that amounts of a bank have: what is told is the same. */
static void test_habits_are_the_same_in_every_size(void **state)
{
    (void)state;
    for (int64_t scale = 1; scale <= INT64_C(100000000000000); scale *= 10) {
        struct fraud_profile profile;
        struct fraud_event   act;

        fraud_profile_init(&profile);
        for (int i = 0; i < 30; i++) {
            act = make_act(i * US_PER_DAY, 15 * scale, false);
            fraud_observe(&profile, &act, FRAUD_SUBJECT, 0);
        }
        assert_int_equal(profile_share_below(profile_of(&profile), 600 * scale), 10000);
        assert_int_equal(profile_share_below(profile_of(&profile), 15 * scale), 5000);
        assert_int_equal(profile_share_below(profile_of(&profile), 5 * scale), 0);
        act = make_act(30 * US_PER_DAY, 600 * scale, false);
        fraud_observe(&profile, &act, FRAUD_SUBJECT, 0);
        assert_int_equal(profile_share_below(profile_of(&profile), 300 * scale), 9677);
        assert_int_equal(profile_share_below(profile_of(&profile), 5 * scale), 0);
    }
}

/* A giant that comes late pushes nothing together but what is tiny beside it. */
static void test_a_giant_leaves_the_usual_amounts_apart(void **state)
{
    struct fraud_profile profile;
    struct fraud_event   act;

    (void)state;
    fraud_profile_init(&profile);
    for (int i = 0; i < 2000; i++) {
        act = make_act(i * US_PER_HOUR, i % 4 == 0 ? 1 : i % 4 == 1 ? 1000000 : 4000000, false);
        fraud_observe(&profile, &act, FRAUD_SUBJECT, 0);
    }
    act = make_act(2000 * US_PER_HOUR, INT64_C(20000000000000), false);
    fraud_observe(&profile, &act, FRAUD_SUBJECT, 0);
    assert_true(fraud_profile_valid(&profile));
    assert_in_range(profile_share_below(profile_of(&profile), 2000000), 4800, 5100);
    assert_in_range(profile_share_below(profile_of(&profile), 9000000), 9900, 9999);
}

/* The profile of a shop that is paid in dollars and in yen: only those of its first currency are
 * added up, and the others are counted. */
static void test_currencies_are_never_added_up(void **state)
{
    struct fraud_profile profile;

    (void)state;
    fraud_profile_init(&profile);
    for (int i = 0; i < 120; i++) {
        struct fraud_event act =
            make_act(i * US_PER_HOUR, i % 2 == 0 ? 10000 : INT64_C(15000000), true);

        act.currency = i % 2 == 0 ? 840 : 392;
        fraud_observe(&profile, &act, FRAUD_SUBJECT, 5);
    }
    assert_int_equal(value_of(&profile, 120 * US_PER_HOUR, "in_count_total"), 120);
    assert_int_equal(value_of(&profile, 120 * US_PER_HOUR, "in_mean_amount"), 10000);
    assert_int_equal(value_of(&profile, 120 * US_PER_HOUR, "in_max_amount"), 10000);
    assert_int_equal(value_of(&profile, 120 * US_PER_HOUR, "in_count_24h"), 20);
    assert_int_equal(value_of(&profile, 120 * US_PER_HOUR, "in_sum_24h"), 100000);
    assert_true(fraud_profile_valid(&profile));
}

static void test_hours_have_shares(void **state)
{
    struct fraud_profile profile;
    int64_t              total = 0;

    (void)state;
    fraud_profile_init(&profile);
    for (int i = 0; i < 1000; i++) {
        int64_t            hour = i % 4 == 0 ? 3 : 15;
        struct fraud_event act = make_act(i * US_PER_DAY + hour * US_PER_HOUR, 10, false);

        fraud_observe(&profile, &act, FRAUD_SUBJECT, 0);
    }
    assert_in_range(profile_hour_share(profile_of(&profile), 3), 2300, 2700);
    assert_in_range(profile_hour_share(profile_of(&profile), 15), 7300, 7700);
    for (int hour = 0; hour < 24; hour++)
        total += profile_hour_share(profile_of(&profile), hour);
    assert_in_range(total, 9990, 10000);
}

/* --- counterparties -------------------------------------------------------------------------- */

static void test_who_was_paid_stays_known(void **state)
{
    struct fraud_profile profile;
    int                  wrong = 0;

    (void)state;
    fraud_profile_init(&profile);
    for (int64_t entity = 1; entity <= 60; entity++) {
        struct fraud_event act = make_act(entity * US_PER_HOUR, 500, false);

        wrong += profile_knows(profile_of(&profile), entity);
        fraud_observe(&profile, &act, FRAUD_SUBJECT, entity);
        for (int64_t paid = 1; paid <= entity; paid++)
            assert_true(profile_knows(profile_of(&profile), paid));
    }
    assert_true(wrong <= 2);
    wrong = 0;
    for (int64_t entity = 1000; entity < 11000; entity++)
        wrong += profile_knows(profile_of(&profile), entity);
    assert_true(wrong < 400); /* below 4 % with sixty */
    assert_int_equal(profile_payments_to(profile_of(&profile), 60), 1);
    assert_int_equal(profile_payments_to(profile_of(&profile), 1), 0);
    assert_int_equal(profile_parties_since(profile_of(&profile), 60 * US_PER_HOUR, 10), 10);
    assert_in_range(value_of(&profile, 60 * US_PER_HOUR, "new_counterparties_24h"), 21, 24);
}

static void test_fans_are_estimated(void **state)
{
    (void)state;
    for (int64_t senders = 0; senders <= 120; senders += 10) {
        struct fraud_profile profile;
        int64_t              told;

        fraud_profile_init(&profile);
        for (int64_t i = 0; i < senders * 3; i++) {
            struct fraud_event act = make_act(i * US_PER_MINUTE, 500, true);

            fraud_observe(&profile, &act, FRAUD_SUBJECT, 100 + i % (senders > 0 ? senders : 1));
        }
        told = value_of(&profile, senders * 3 * US_PER_MINUTE, "fan_in_7d");
        assert_in_range(told, senders - senders / 3, senders + senders / 3);
        assert_int_equal(value_of(&profile, 20 * US_PER_DAY, "fan_in_7d"), 0);
    }
}

/* --- what counts ----------------------------------------------------------------------------- */

static void test_the_banks_own_acts_leave_no_trace(void **state)
{
    static const int32_t types[] = {
        TYPE_FEE, TYPE_INTEREST, TYPE_ADJUSTMENT, TYPE_REVERSAL, 0, 99,
    };
    struct fraud_profile profile;
    uint64_t             fresh;

    (void)state;
    fraud_profile_init(&profile);
    fresh = fraud_profile_digest(&profile);
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        struct fraud_event act = make_act(US_PER_DAY, 500, i % 2 == 0);

        act.type = types[i];
        fraud_observe(&profile, &act, FRAUD_SUBJECT, 5);
        assert_true(fraud_profile_digest(&profile) == fresh);
    }
}

static void test_what_did_not_happen_is_no_habit(void **state)
{
    struct fraud_profile profile;
    struct fraud_event   act = make_act(US_PER_DAY, 950000, false);

    (void)state;
    fraud_profile_init(&profile);
    act.status = STATUS_HELD;
    fraud_observe(&profile, &act, FRAUD_SUBJECT, 5);
    assert_int_equal(value_of(&profile, US_PER_DAY, "count_24h"), 1);
    assert_int_equal(value_of(&profile, US_PER_DAY, "stopped_24h"), 1);
    act.status = STATUS_DECLINED;
    fraud_observe(&profile, &act, FRAUD_SUBJECT, 5);
    assert_int_equal(value_of(&profile, US_PER_DAY, "count_24h"), 1);
    assert_int_equal(value_of(&profile, US_PER_DAY, "stopped_24h"), 2);
    assert_int_equal(value_of(&profile, US_PER_DAY, "count_total"), 0);
    assert_int_equal(value_of(&profile, US_PER_DAY, "near_threshold_7d"), 0);
    assert_false(profile_knows(profile_of(&profile), 5));
    act.status = STATUS_COMPLETED;
    fraud_observe(&profile, &act, FRAUD_SUBJECT, 5);
    assert_int_equal(value_of(&profile, US_PER_DAY, "count_24h"), 2);
    assert_int_equal(value_of(&profile, US_PER_DAY, "near_threshold_7d"), 1);
    assert_true(profile_knows(profile_of(&profile), 5));
}

/* What was held and is released is, from then on, as if it had been done: for who paid, when it was
 * held; for who is paid, when it was released. */
static void test_what_was_released_was_done(void **state)
{
    static const char *const names[] = { "count_24h",   "sum_24h",     "count_total",
                                         "max_amount",  "mean_amount", "stopped_24h",
                                         "stopped_7d",  "fan_out_7d",  "counterparties_24h",
                                         "gap_seconds", "large_7d",    "near_threshold_7d",
                                         "in_count_7d", "in_sum_7d",   "new_counterparties_24h" };
    struct fraud_profile     released[2];
    struct fraud_profile     done[2];
    struct fraud_event       act;
    int64_t                  now_us = 10 * US_PER_DAY;

    (void)state;
    for (int i = 0; i < 2; i++) {
        fraud_profile_init(&released[i]);
        fraud_profile_init(&done[i]);
    }
    for (int i = 0; i < 9; i++) {
        act = make_act(i * US_PER_DAY, 5000, false);
        fraud_observe(&released[0], &act, FRAUD_SUBJECT, 7);
        fraud_observe(&done[0], &act, FRAUD_SUBJECT, 7);
    }
    act = make_act(now_us, 950000, false);
    fraud_observe(&done[0], &act, FRAUD_SUBJECT, 5);
    fraud_observe(&done[1], &act, FRAUD_COUNTERPARTY, 4);
    act.status = STATUS_HELD;
    fraud_observe(&released[0], &act, FRAUD_SUBJECT, 5);
    fraud_observe(&released[1], &act, FRAUD_COUNTERPARTY, 4);
    assert_int_equal(value_of(&released[0], now_us, "stopped_24h"), 1);
    fraud_observe_release(&released[0], &act, FRAUD_SUBJECT, 5, now_us + US_PER_HOUR);
    fraud_observe_release(&released[1], &act, FRAUD_COUNTERPARTY, 4, now_us + US_PER_HOUR);
    for (size_t i = 0; i < 2 * ARRAY_COUNT(names); i++)
        assert_int_equal(value_of(&released[i % 2], now_us + US_PER_HOUR, names[i / 2]),
                         value_of(&done[i % 2], now_us + US_PER_HOUR, names[i / 2]));
    assert_int_equal(value_of(&released[0], now_us, "stopped_7d"), 0);
    assert_true(profile_knows(profile_of(&released[0]), 5));
    assert_int_equal(profile_share_below(profile_of(&released[0]), 950000),
                     profile_share_below(profile_of(&done[0]), 950000));
    assert_memory_equal(&released[0], &done[0], sizeof done[0]);
    assert_int_equal(
        profile_window(profile_of(&released[1]), RING_IN_24H, now_us + 23 * US_PER_HOUR).count, 1);
    assert_true(fraud_profile_valid(&released[0]) && fraud_profile_valid(&released[1]));
}

/* Nothing but a hold can be released. */
static void test_nothing_else_is_released(void **state)
{
    struct fraud_profile profile;
    struct fraud_event   act = make_act(US_PER_DAY, 500, false);
    uint64_t             before;

    (void)state;
    fraud_profile_init(&profile);
    fraud_observe(&profile, &act, FRAUD_SUBJECT, 5);
    before = fraud_profile_digest(&profile);
    fraud_observe_release(&profile, &act, FRAUD_SUBJECT, 5, 2 * US_PER_DAY);
    act.status = STATUS_DECLINED;
    fraud_observe_release(&profile, &act, FRAUD_SUBJECT, 5, 2 * US_PER_DAY);
    assert_true(fraud_profile_digest(&profile) == before);
}

static void test_the_counterparty_sees_the_other_side(void **state)
{
    struct random        random = random_start(__func__);
    struct fraud_profile subject;
    struct fraud_profile mirrored;

    (void)state;
    fraud_profile_init(&subject);
    fraud_profile_init(&mirrored);
    for (int i = 0; i < 500; i++) {
        int64_t            amount = 1 + (int64_t)random_below(&random, 99999);
        struct fraud_event act = make_act(i * US_PER_HOUR, amount, random_below(&random, 2) == 0);
        int64_t            other = 1 + (int64_t)random_below(&random, 40);

        act.status = 1 + (int32_t)random_below(&random, 5);
        fraud_observe(&subject, &act, FRAUD_SUBJECT, other);
        act.incoming = !act.incoming;
        fraud_observe(&mirrored, &act, FRAUD_COUNTERPARTY, other);
        assert_true(fraud_profile_digest(&subject) == fraud_profile_digest(&mirrored));
    }
}

/* --- bytes ----------------------------------------------------------------------------------- */

static void test_only_own_bytes_are_valid(void **state)
{
    struct fraud_profile profile;
    struct profile       changed;

    (void)state;
    memset(&profile, 0, sizeof profile);
    assert_false(fraud_profile_valid(&profile));
    fraud_profile_init(&profile);
    assert_true(fraud_profile_valid(&profile));
    changed = *profile_of(&profile);
    changed.version++;
    memcpy(&profile, &changed, sizeof profile);
    assert_false(fraud_profile_valid(&profile));
    changed.version = 3; /* what older banks have saved */
    memcpy(&profile, &changed, sizeof profile);
    assert_false(fraud_profile_valid(&profile));
    changed.version = PROFILE_VERSION;
    changed.out_max = 5;
    memcpy(&profile, &changed, sizeof profile);
    assert_false(fraud_profile_valid(&profile));
}

static int64_t wild_time(struct random *random)
{
    return random_below(random, 8) == 0   ? INT64_MAX
           : random_below(random, 8) == 0 ? INT64_MIN
                                          : random_int64(random);
}

/* Any event, in any order, on profiles full of noise: nothing crashes and reasons add up. */
static void test_nothing_is_too_wild(void **state)
{
    static struct fraud_verdict verdict;
    struct random               random = random_start(__func__);
    struct fraud_rules         *rules = shipped_rules();
    struct fraud_profile        profiles[2];

    (void)state;
    fraud_profile_init(&profiles[0]);
    for (size_t i = 0; i < sizeof profiles[1].bytes; i++)
        profiles[1].bytes[i] = (uint8_t)random_next(&random);
    for (int i = 0; i < 100000; i++) {
        struct fraud_profile *subject = &profiles[random_below(&random, 2)];
        struct fraud_event    event = {
               .at_us = wild_time(&random),
               .amount = random_int64(&random),
               .unit = random_int64(&random),
               .type = (int32_t)random_below(&random, 10),
               .status = (int32_t)random_below(&random, 7),
               .incoming = random_below(&random, 2) == 0,
               .balance = random_int64(&random),
               .opened_at_us = wild_time(&random),
               .counterparty = random_int64(&random),
        };
        int sum = 0;

        fraud_judge(rules, subject, &profiles[random_below(&random, 2)], &event, true, &verdict);
        for (size_t j = 0; j < verdict.reason_count; j++)
            sum += verdict.reasons[j].points;
        assert_int_equal(sum, verdict.score);
        assert_in_range(verdict.score, 0, 1000);
        fraud_observe(subject, &event, (enum fraud_side)random_below(&random, 2),
                      event.counterparty);
        assert_true(fraud_profile_valid(&profiles[0]));
    }
    fraud_rules_free(&rules);
}

/* The same history gives the same bytes wherever it is folded: this number was found once, and
 * every compiler and every level of optimisation must find it again. */
static void test_equal_histories_give_equal_bytes(void **state)
{
    struct random        random = { .state = 42 };
    struct fraud_profile profile;
    int64_t              at_us = 19000 * US_PER_DAY;

    (void)state;
    fraud_profile_init(&profile);
    for (int i = 0; i < 20000; i++) {
        struct fraud_event act;

        at_us += (int64_t)random_below(&random, 6 * US_PER_HOUR) - US_PER_HOUR / 2;
        act = make_act(at_us, 1 + (int64_t)(random_next(&random) >> 43), false);
        act.incoming = random_below(&random, 4) == 0;
        act.status = 1 + (int32_t)random_below(&random, 5);
        fraud_observe(&profile, &act, FRAUD_SUBJECT, (int64_t)random_below(&random, 50));
    }
    assert_true(fraud_profile_valid(&profile));
    if (fraud_profile_digest(&profile) != UINT64_C(0x01ed433986c40293))
        fail_msg("the digest is 0x%016llx", (unsigned long long)fraud_profile_digest(&profile));
}

/* --- findings -------------------------------------------------------------------------------- */

struct finding {
    int64_t known_at_us;
    bool    fraud;
    bool    taken_back;
};

static int64_t day_of(int64_t at_us)
{
    return profile_bucket(at_us, US_PER_DAY);
}

/* A second that has begun is not over. */
static int64_t moment_of(const struct finding *finding)
{
    return profile_bucket(finding->known_at_us + US_PER_SECOND - 1, US_PER_SECOND) * US_PER_SECOND;
}

static int newest_first(const void *a, const void *b)
{
    const struct finding *left = a;
    const struct finding *right = b;
    int64_t               between = moment_of(right) - moment_of(left);

    return between != 0 ? (between > 0 ? 1 : -1) : (int)left->fraud - (int)right->fraud;
}

/* Those that stand, the newest first. */
static size_t standing(const struct finding *findings, size_t count, struct finding *out)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        if (!findings[i].taken_back)
            out[n++] = findings[i];
    qsort(out, n, sizeof *out, newest_first);
    return n;
}

/* By the promise alone: exact as far as the newest reach, else days, and of today what is known as
 * long as not all of the newest lie ahead. */
static struct profile_labels recount_labels(const struct finding *found, size_t count,
                                            int64_t now_us, int64_t days)
{
    struct profile_labels total = { 0, 0 };
    int64_t               from_us = now_us - days * US_PER_DAY;
    int64_t               today = day_of(now_us);
    bool                  full = count >= PROFILE_EXACT;
    bool                  exact = !full || moment_of(&found[PROFILE_EXACT - 1]) <= from_us;
    bool                  hidden = full && moment_of(&found[PROFILE_EXACT - 1]) > now_us;

    for (size_t i = 0; i < count; i++) {
        int64_t moment_us = moment_of(&found[i]);
        int64_t day = day_of(moment_us);
        bool    seen = moment_us <= now_us && moment_us > from_us;

        if (!exact)
            seen = moment_us <= now_us && day >= today - days && (day < today || !hidden) &&
                   day > day_of(moment_of(&found[0])) - PROFILE_LABEL_DAYS;
        total.known += seen;
        total.frauds += seen && found[i].fraud;
    }
    return total;
}

static int64_t recount_run(const struct finding *found, size_t count, int64_t now_us)
{
    int64_t run = 0;
    int64_t day = day_of(now_us);

    for (size_t i = 0; i < count && i < PROFILE_EXACT; i++) {
        if (moment_of(&found[i]) > now_us)
            continue;
        if (!found[i].fraud)
            return run;
        day = day_of(moment_of(&found[i]));
        run++;
    }
    for (day--; count >= PROFILE_EXACT && day >= day_of(now_us) - PROFILE_LABEL_WINDOW; day--)
        for (size_t i = 0, frauds = 0; i < count; i++) {
            if (day_of(moment_of(&found[i])) != day ||
                day <= day_of(moment_of(&found[0])) - PROFILE_LABEL_DAYS)
                continue;
            if (!found[i].fraud)
                return run - (int64_t)frauds;
            frauds++;
            run++;
        }
    return run;
}

enum { FINDINGS = 80 };

static void assert_findings(const struct fraud_profile *profile, const struct finding *findings,
                            size_t count, int64_t now_us)
{
    static struct finding found[FINDINGS];
    size_t                n = standing(findings, count, found);

    for (int64_t days = 1; days <= PROFILE_LABEL_WINDOW; days++) {
        struct profile_labels told = profile_labels(profile_of(profile), now_us, days);
        struct profile_labels want = recount_labels(found, n, now_us, days);

        assert_int_equal(told.known, want.known);
        assert_int_equal(told.frauds, want.frauds);
    }
    assert_int_equal(profile_fraud_run(profile_of(profile), now_us).count,
                     recount_run(found, n, now_us));
}

/* Findings in any order, some replaced: always what a recount sees, and never one too early. */
static void test_findings_are_a_set(void **state)
{
    static struct finding findings[FINDINGS];
    struct random         random = random_start(__func__);

    (void)state;
    for (int stream = 0; stream < STREAMS; stream++) {
        struct fraud_profile profile;
        struct fraud_profile again;
        int64_t              from_us = (int64_t)random_below(&random, 20000) * US_PER_DAY;
        uint64_t             spread = 1 + random_below(&random, 60);

        fraud_profile_init(&profile);
        fraud_profile_init(&again);
        for (size_t i = 0; i < FINDINGS; i++) {
            struct finding *one = &findings[i];
            int64_t         later_us = 1 + (int64_t)random_below(&random, spread * US_PER_DAY);

            *one = (struct finding){
                .known_at_us = from_us + later_us,
                .fraud = random_below(&random, 3) != 0,
            };
            if (i > 0 && random_below(&random, 4) == 0 && !findings[i - 1].taken_back &&
                findings[i - 1].known_at_us <= one->known_at_us) {
                findings[i - 1].taken_back = true;
                fraud_forget_label(&profile, findings[i - 1].known_at_us, findings[i - 1].fraud);
            }
            fraud_observe_label(&profile, one->known_at_us, one->fraud);
            assert_findings(&profile, findings, i + 1,
                            from_us + (int64_t)random_below(&random, 70 * US_PER_DAY));
        }
        assert_true(fraud_profile_valid(&profile));
        for (size_t i = FINDINGS; i-- > 0;)
            if (!findings[i].taken_back)
                fraud_observe_label(&again, findings[i].known_at_us, findings[i].fraud);
        assert_memory_equal(profile.bytes, again.bytes, sizeof profile.bytes);
    }
}

/* At once, or with the next second. */
static void test_a_finding_of_now_is_seen_now(void **state)
{
    struct fraud_profile profile;
    int64_t              now_us = 19000 * US_PER_DAY + 5 * US_PER_HOUR;

    (void)state;
    fraud_profile_init(&profile);
    assert_int_equal(profile_fraud_age(profile_of(&profile), now_us, false), -1);
    fraud_observe_label(&profile, now_us - 9 * US_PER_DAY, true);
    fraud_observe_label(&profile, now_us, true);
    assert_int_equal(profile_labels(profile_of(&profile), now_us - 1, 7).frauds, 0);
    assert_int_equal(profile_labels(profile_of(&profile), now_us, 7).frauds, 1);
    assert_int_equal(profile_labels(profile_of(&profile), now_us, 30).frauds, 2);
    assert_int_equal(profile_fraud_age(profile_of(&profile), now_us, false), 0);
    assert_int_equal(profile_fraud_age(profile_of(&profile), now_us, true), 9);
    assert_int_equal(value_of(&profile, now_us, "frauds_30d"), 2);
    assert_int_equal(profile_fraud_run(profile_of(&profile), now_us).count, 2);
    assert_int_equal(profile_fraud_run(profile_of(&profile), now_us).day, day_of(now_us) - 9);
    fraud_observe_label(&profile, now_us + 1, false);
    assert_int_equal(profile_fraud_run(profile_of(&profile), now_us + 1).count, 2);
    assert_int_equal(profile_fraud_run(profile_of(&profile), now_us + US_PER_SECOND).count, 0);
}

/* Far above the mean of what was before them, for a week, once there is a habit. */
static void test_large_payments_are_counted(void **state)
{
    struct fraud_profile profile;
    int64_t              at_us = 19000 * US_PER_DAY;

    (void)state;
    fraud_profile_init(&profile);
    for (int i = 0; i < 8; i++) {
        struct fraud_event act = make_act(at_us,
                                          i == 4 || i == 6 ? 5000
                                          : i == 7         ? 2499
                                                           : 1000,
                                          false);

        fraud_observe(&profile, &act, FRAUD_SUBJECT, 0);
    }
    assert_int_equal(value_of(&profile, at_us, "large_7d"), 1);
    assert_int_equal(value_of(&profile, at_us + 6 * US_PER_DAY, "large_7d"), 1);
    assert_int_equal(value_of(&profile, at_us + 7 * US_PER_DAY, "large_7d"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_keep_their_promise),
        cmocka_unit_test(test_buckets_saturate),
        cmocka_unit_test(test_mean_and_deviation_are_exact),
        cmocka_unit_test(test_share_of_smaller_amounts_grows_with_the_amount),
        cmocka_unit_test(test_habits_are_the_same_in_every_size),
        cmocka_unit_test(test_a_giant_leaves_the_usual_amounts_apart),
        cmocka_unit_test(test_currencies_are_never_added_up),
        cmocka_unit_test(test_hours_have_shares),
        cmocka_unit_test(test_who_was_paid_stays_known),
        cmocka_unit_test(test_fans_are_estimated),
        cmocka_unit_test(test_the_banks_own_acts_leave_no_trace),
        cmocka_unit_test(test_what_did_not_happen_is_no_habit),
        cmocka_unit_test(test_what_was_released_was_done),
        cmocka_unit_test(test_nothing_else_is_released),
        cmocka_unit_test(test_the_counterparty_sees_the_other_side),
        cmocka_unit_test(test_only_own_bytes_are_valid),
        cmocka_unit_test(test_nothing_is_too_wild),
        cmocka_unit_test(test_equal_histories_give_equal_bytes),
        cmocka_unit_test(test_findings_are_a_set),
        cmocka_unit_test(test_a_finding_of_now_is_seen_now),
        cmocka_unit_test(test_large_payments_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
