/* The compliance score and the monitors at their ends and between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "bankd/compliance/compliance.h"
#include "common/check.h"

/* --- the score ------------------------------------------------------------------------------ */

static void expect_points(const struct compliance_figures *f, const int64_t points[5])
{
    struct compliance_part parts[COMPLIANCE_PARTS];
    int64_t sum = 0;
    int64_t score = compliance_score(f, parts);
    for (size_t i = 0; i < COMPLIANCE_PARTS; i++) {
        assert_int_equal(parts[i].points, points[i]);
        assert_in_range(parts[i].quality, 0, 10000);
        sum += parts[i].points;
    }
    assert_int_equal(score, sum);
}

static void the_score_is_the_sum_of_its_parts(void **state)
{
    (void)state;
    struct compliance_figures nothing = {.unit = 100};
    struct compliance_figures worst = {.transactions = 100,
                                       .flagged = 100,
                                       .alerts = 10,
                                       .alerts_open = 50,
                                       .customers = 10,
                                       .accounts_open = 10,
                                       .accounts_frozen = 10,
                                       .oldest_alert_hours = 10000,
                                       .unit = 100};
    struct compliance_figures between = {.transactions = 1000,
                                         .flagged = 25,
                                         .alerts = 40,
                                         .alerts_open = 10,
                                         .customers = 4,
                                         .customers_verified = 3,
                                         .accounts_open = 200,
                                         .accounts_frozen = 5,
                                         .oldest_alert_hours = 60,
                                         .unit = 100};

    expect_points(&nothing, (const int64_t[]){30, 25, 20, 10, 15});
    expect_points(&worst, (const int64_t[]){0, 0, 0, 0, 0});
    /* 75 % of 30; half of 25; 75 % of 20; 75 % of 10; 3/4 of 15; each rounded half up. */
    expect_points(&between, (const int64_t[]){23, 13, 15, 8, 11});
    between.oldest_alert_hours = 24;
    expect_points(&between, (const int64_t[]){23, 13, 15, 8, 15});
    between.alerts = 0;
    expect_points(&between, (const int64_t[]){23, 13, 0, 8, 15});
}

/* --- the monitors --------------------------------------------------------------------------- */

static const struct compliance_monitor *named(const struct compliance_monitor *all,
                                              const char *name)
{
    for (size_t i = 0; i < COMPLIANCE_MONITORS; i++) {
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    }
    fail_msg("there is no monitor %s", name);
    return &all[0];
}

static void a_monitor_warns_before_it_breaks(void **state)
{
    (void)state;
    struct compliance_monitor all[COMPLIANCE_MONITORS];
    static const struct {
        int64_t hours;
        int32_t state;
    } cases[] = {{0, MONITOR_OK},       {57, MONITOR_OK},     {59, MONITOR_WARNING},
                 {72, MONITOR_WARNING}, {73, MONITOR_BREACH}, {INT64_MAX, MONITOR_BREACH}};

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct compliance_figures f = {.oldest_alert_hours = cases[i].hours, .unit = 100};
        compliance_monitors(&f, all);
        const struct compliance_monitor *monitor = named(all, "oldest_alert_hours");
        assert_int_equal(monitor->value, cases[i].hours);
        assert_int_equal(monitor->threshold, 72);
        assert_int_equal(monitor->state, cases[i].state);
        /* All others are at zero, so what is not in order comes first. */
        if (cases[i].hours > 0)
            assert_string_equal(all[0].name, "oldest_alert_hours");
    }
}

static void the_worst_come_first(void **state)
{
    (void)state;
    struct compliance_monitor all[COMPLIANCE_MONITORS];
    struct compliance_figures f = {.unit = 1000,
                                   .held_amount = INT64_C(300000) * 1000, /* 300 % */
                                   .alerts_open = 45,                     /* 90 % */
                                   .large = 150,                          /* 150 % */
                                   .high_value = 25};

    compliance_monitors(&f, all);
    assert_string_equal(all[0].name, "held_amount");
    assert_int_equal(all[0].threshold, INT64_C(100000) * 1000);
    assert_string_equal(all[0].unit, "minor units");
    assert_string_equal(all[1].name, "large_transactions");
    assert_string_equal(all[2].name, "alerts_open");
    assert_int_equal(all[2].state, MONITOR_WARNING);
    assert_string_equal(all[3].name, "high_value");
    for (size_t i = 0; i < COMPLIANCE_MONITORS; i++)
        assert_true(strlen(all[i].help) <= LIMIT_REASON_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_score_is_the_sum_of_its_parts),
        cmocka_unit_test(a_monitor_warns_before_it_breaks),
        cmocka_unit_test(the_worst_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
