/* Normal ranges against their formulas in floating point, and the baseline against sorted amounts,
 * for accounts made at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "bankd/fraud/habit.h"
#include "common/check.h"
#include "common/clock.h"
#include "tests/unit/random.h"

enum { PAYMENTS_MAX = 300 };

#define FIRST_US (INT64_C(1790812800) * US_PER_SECOND)

/* An account as the test knows it. */
struct person {
    struct fraud_profile profile;
    int64_t              amounts[PAYMENTS_MAX]; /* outgoing */
    size_t               out, in;
    double               in_sum;
    int64_t              seconds; /* from the first act to the last */
    int64_t              last_us;
};

static void live(struct random *random, size_t payments, int64_t gap_s, struct person *out)
{
    struct fraud_event event = {
        .at_us = FIRST_US, .unit = 100, .type = TYPE_TRANSFER, .status = STATUS_COMPLETED
    };
    int64_t scale = (int64_t)1000 << random_below(random, 12);

    memset(out, 0, sizeof *out);
    fraud_profile_init(&out->profile);
    for (size_t i = 0; i < payments; i++) {
        event.amount = 200 + (int64_t)random_below(random, (uint64_t)scale);
        event.incoming = random_below(random, 3) == 0;
        fraud_observe(&out->profile, &event, FRAUD_SUBJECT, 4);
        if (event.incoming) {
            out->in++;
            out->in_sum += (double)event.amount;
        } else {
            out->amounts[out->out++] = event.amount;
        }
        out->last_us = event.at_us;
        event.at_us += (1 + (int64_t)random_below(random, (uint64_t)gap_s)) * US_PER_SECOND;
    }
    out->seconds = (out->last_us - FIRST_US) / US_PER_SECOND;
}

static double mean_of(const struct person *person)
{
    double sum = 0;

    for (size_t i = 0; i < person->out; i++)
        sum += (double)person->amounts[i];
    return sum / (double)person->out;
}

static double deviation_of(const struct person *person)
{
    double mean = mean_of(person);
    double sum = 0;

    for (size_t i = 0; i < person->out; i++)
        sum += ((double)person->amounts[i] - mean) * ((double)person->amounts[i] - mean);
    return sqrt(sum / (double)person->out);
}

/* Within one unit and a thousandth: the integers cut their means and roots. */
static void expect_range(const struct person *person, enum feature feature, double low, double high)
{
    int64_t got_low = -1;
    int64_t got_high = -1;

    low = low < 0 ? 0 : low;
    assert_true(habit_normal(profile_of(&person->profile), feature, &got_low, &got_high));
    assert_true(got_low >= 0 && got_high >= got_low);
    assert_true(fabs((double)got_low - low) <= 2 + low / 200);
    assert_true(fabs((double)got_high - high) <= 2 + high / 200);
}

static void check_person(const struct person *person)
{
    double mean = mean_of(person);
    double deviation = deviation_of(person);
    double e = (double)person->out * 7 * 86400 / ((double)person->seconds + 1);
    double in = (double)person->in * 30 * 86400 / ((double)person->seconds + 1);
    double in_mean = person->in_sum / (double)person->in;
    double root = 2 * sqrt(e * (mean * mean + deviation * deviation));
    double spread = 2 * deviation / sqrt(e < 1 ? 1 : e);

    expect_range(person, FEATURE_count_7d, e - 2 * sqrt(e), e + 2 * sqrt(e));
    expect_range(person, FEATURE_sum_7d, e * mean - root, e * mean + root);
    expect_range(person, FEATURE_mean_7d, e <= 4 ? 0 : mean - spread, mean + spread);
    expect_range(person, FEATURE_fan_out_7d, 0, e + 2 * sqrt(e));
    expect_range(person, FEATURE_gap_seconds, 0,
                 3 * ((double)person->seconds) / (double)person->out);
    expect_range(person, FEATURE_mean_7d_to_30d_pct, e <= 4 ? 0 : 100 - 100 * spread / mean,
                 100 + 100 * spread / mean);
    expect_range(person, FEATURE_frauds_30d, 0, 0);
    if (person->in >= PROFILE_HABIT_MIN) {
        root = 2 * sqrt(2 * in * in_mean * in_mean);
        expect_range(person, FEATURE_in_count_30d, in - 2 * sqrt(in), in + 2 * sqrt(in));
        expect_range(person, FEATURE_in_sum_30d, in * in_mean - root, in * in_mean + root);
    }
}

static void test_ranges_are_their_formulas(void **state)
{
    struct random        random = random_start(__func__);
    static struct person person;

    (void)state;
    for (int round = 0; round < 300; round++) {
        size_t payments = 40 + random_below(&random, PAYMENTS_MAX - 40);

        live(&random, payments, 20 * 86400, &person);
        check_person(&person);
    }
}

static void test_what_has_no_range(void **state)
{
    struct random         random = random_start(__func__);
    static struct person  person;
    const struct profile *profile = profile_of(&person.profile);
    int64_t               low;
    int64_t               high;

    (void)state;
    live(&random, 4, 20 * 86400, &person); /* too few */
    assert_false(habit_normal(profile, FEATURE_count_1h, &low, &high));
    live(&random, 100, 3600, &person); /* too young */
    assert_true(person.seconds < 7 * 86400 && person.seconds > 86400);
    assert_false(habit_normal(profile, FEATURE_sum_7d, &low, &high));
    assert_true(habit_normal(profile, FEATURE_sum_24h, &low, &high));
    for (int feature = 0; feature < FEATURE_COUNT; feature++)
        if (feature_rows[feature].source != SOURCE_SUBJECT)
            assert_false(habit_normal(profile, (enum feature)feature, &low, &high));
    assert_false(habit_normal(profile, FEATURE_count_total, &low, &high));
    assert_false(habit_normal(profile, FEATURE_mean_amount, &low, &high));
}

/* Ranges never overflow, whatever the amounts. */
static void test_absurd_amounts(void **state)
{
    struct fraud_profile profile;
    struct fraud_event   event = { .at_us = FIRST_US,
                                   .unit = 1,
                                   .type = TYPE_TRANSFER,
                                   .status = STATUS_COMPLETED,
                                   .amount = INT64_MAX };
    int64_t              low;
    int64_t              high;

    (void)state;
    fraud_profile_init(&profile);
    for (int i = 0; i < 5000; i++) {
        event.at_us += US_PER_MINUTE * 30;
        event.incoming = i % 2 == 0;
        fraud_observe(&profile, &event, FRAUD_SUBJECT, 4);
    }
    for (int feature = 0; feature < FEATURE_COUNT; feature++)
        if (habit_normal(profile_of(&profile), (enum feature)feature, &low, &high))
            assert_true(low >= 0 && high >= low);
}

static int by_amount(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* The median lies within its class: from 2/3 to 3/2 of the true one. */
static void test_the_median_is_about_right(void **state)
{
    struct random         random = random_start(__func__);
    static struct person  person;
    struct fraud_baseline own;

    (void)state;
    for (int round = 0; round < 300; round++) {
        struct fraud_event event = { .type = TYPE_TRANSFER, .unit = 100, .amount = 5000 };
        int64_t            median;

        live(&random, 60 + random_below(&random, 200), 86400, &person);
        event.at_us = person.last_us;
        qsort(person.amounts, person.out, sizeof person.amounts[0], by_amount);
        median = person.amounts[person.out / 2];
        assert_true(fraud_baseline(&person.profile, &event, &own));
        assert_int_equal(own.payments, person.out);
        assert_int_equal(own.largest, person.amounts[person.out - 1]);
        assert_true(own.median * 3 >= median * 2 - 3 && own.median * 2 <= median * 3 + 3);
        assert_int_equal(own.ratio_x100, 5000 * 100 / own.median);
        event.incoming = true;
        assert_false(fraud_baseline(&person.profile, &event, &own));
    }
}

/* Every whole amount from 1 to 9 thrice, as of yen: classes are as fine there as elsewhere. */
static void test_the_median_of_tiny_amounts(void **state)
{
    struct fraud_profile  profile;
    struct fraud_baseline own;
    struct fraud_event    event = {
           .at_us = FIRST_US, .unit = 1, .type = TYPE_TRANSFER, .status = STATUS_COMPLETED
    };

    (void)state;
    fraud_profile_init(&profile);
    for (int i = 0; i < 27; i++) {
        event.at_us += US_PER_DAY;
        event.amount = 1 + i % 9;
        fraud_observe(&profile, &event, FRAUD_SUBJECT, 4);
    }
    event.amount = 10;
    assert_true(fraud_baseline(&profile, &event, &own));
    assert_int_equal(own.median, 5);
    assert_int_equal(own.larger_than_bp, 10000);
    event.amount = 1;
    assert_true(fraud_baseline(&profile, &event, &own));
    assert_in_range(own.larger_than_bp, 0, 600);
}

/* Six million, in hundredths, with one payment a thousand times as large. */
static void test_the_median_of_large_amounts(void **state)
{
    struct fraud_profile  profile;
    struct fraud_baseline own;
    struct fraud_event    event = {
           .at_us = FIRST_US, .unit = 100, .type = TYPE_TRANSFER, .status = STATUS_COMPLETED
    };

    (void)state;
    fraud_profile_init(&profile);
    for (int i = 0; i < 31; i++) {
        event.at_us += US_PER_DAY;
        event.amount = i == 30 ? INT64_C(600000000000) : 600000000;
        fraud_observe(&profile, &event, FRAUD_SUBJECT, 4);
    }
    assert_true(fraud_baseline(&profile, &event, &own));
    assert_in_range(own.median, 600000000 / 3 * 2, 600000000 / 2 * 3);
    assert_in_range(own.larger_than_bp, 9800, 9900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_are_their_formulas),
        cmocka_unit_test(test_what_has_no_range),
        cmocka_unit_test(test_absurd_amounts),
        cmocka_unit_test(test_the_median_is_about_right),
        cmocka_unit_test(test_the_median_of_tiny_amounts),
        cmocka_unit_test(test_the_median_of_large_amounts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
