/* Time: the calendar against a day-by-day walk over 20,000 years and against the C library, and
 * every text that is and is not a moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/check.h"
#include "common/clock.h"
#include "tests/unit/random.h"

enum { ROUNDS = 100000 };

static bool leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Each day follows the one before: the numbers, the dates, the weekdays and the texts. */
static void test_calendar_walks_day_by_day(void **state)
{
    static const int lengths[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int64_t          day = time_from_civil(-9999, 1, 1);
    int              weekday = time_weekday(day);

    (void)state;
    for (int year = -9999; year <= 9999; year++) {
        for (int month = 1; month <= 12; month++) {
            int length = lengths[month - 1] + (month == 2 && leap(year) ? 1 : 0);

            for (int date = 1; date <= length; date++, day++) {
                int seen[3];

                time_to_civil(day, &seen[0], &seen[1], &seen[2]);
                if (seen[0] != year || seen[1] != month || seen[2] != date
                    || time_from_civil(year, month, date) != day || time_weekday(day) != weekday)
                    fail_msg("day %lld is not %d-%d-%d", (long long)day, year, month, date);
                weekday = (weekday + 1) % 7;
            }
        }
    }
    assert_int_equal(day, time_from_civil(10000, 1, 1));
}

static void test_known_days(void **state)
{
    (void)state;
    assert_int_equal(time_from_civil(1970, 1, 1), 0);
    assert_int_equal(time_from_civil(1969, 12, 31), -1);
    assert_int_equal(time_from_civil(2000, 2, 29), 11016);
    assert_int_equal(time_from_civil(2026, 11, 22), 20779);
    assert_int_equal(time_weekday(0), 3);
    assert_int_equal(time_weekday(time_from_civil(2026, 11, 22)), 6);
    assert_int_equal(time_weekday(time_from_civil(2026, 11, 23)), 0);
    assert_int_equal(time_day(0), 0);
    assert_int_equal(time_day(-1), -1);
    assert_int_equal(time_day(US_PER_DAY - 1), 0);
    assert_int_equal(time_day(-US_PER_DAY), -1);
    assert_int_equal(time_day(-US_PER_DAY - 1), -2);
}

static void test_calendar_agrees_with_the_c_library(void **state)
{
    struct random random = random_start(__func__);

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t   at_us = random_int64(&random);
        time_t    seconds = at_us / US_PER_SECOND - (at_us % US_PER_SECOND < 0 ? 1 : 0);
        struct tm tm;
        int       year;
        int       month;
        int       day;

        assert_non_null(gmtime_r(&seconds, &tm));
        time_to_civil(time_day(at_us), &year, &month, &day);
        assert_int_equal(year, tm.tm_year + 1900);
        assert_int_equal(month, tm.tm_mon + 1);
        assert_int_equal(day, tm.tm_mday);
        assert_int_equal(time_weekday(time_day(at_us)), (tm.tm_wday + 6) % 7);
    }
}

static void test_moments_as_text(void **state)
{
    const int64_t at_us = time_from_civil(2026, 11, 22) * US_PER_DAY + 16 * US_PER_HOUR
                          + 18 * US_PER_MINUTE + 44 * US_PER_SECOND;
    char          out[TIME_TEXT_MAX];

    (void)state;
    assert_string_equal(time_text(at_us, out), "2026-11-22T16:18:44Z");
    assert_string_equal(time_text(at_us + 123456, out), "2026-11-22T16:18:44.123456Z");
    assert_string_equal(time_text(at_us + 1, out), "2026-11-22T16:18:44.000001Z");
    assert_string_equal(time_text_minute(at_us, out), "2026-11-22 16:18");
    assert_string_equal(time_text_day(at_us, out), "2026-11-22");
    assert_string_equal(time_text(0, out), "1970-01-01T00:00:00Z");
    assert_string_equal(time_text(-1, out), "1969-12-31T23:59:59.999999Z");
    assert_string_equal(time_text_minute(-1, out), "1969-12-31 23:59");
    assert_string_equal(time_text_day(-1, out), "1969-12-31");
    assert_string_equal(time_text_day(time_from_civil(0, 1, 1) * US_PER_DAY, out), "0000-01-01");
    assert_string_equal(time_text_day(time_from_civil(-1, 12, 31) * US_PER_DAY, out),
                        "-0001-12-31");
    assert_string_equal(time_text(INT64_MIN, out), "-290308-12-21T19:59:05.224192Z");
    assert_string_equal(time_text(INT64_MAX, out), "+294247-01-10T04:00:54.775807Z");
}

static void assert_round_trip(int64_t at_us)
{
    char    out[TIME_TEXT_MAX];
    int64_t back = ~at_us;

    time_text(at_us, out);
    if (time_parse(out, strlen(out), &back) != ERR_none || back != at_us)
        fail_msg("%lld is written %s and read %lld", (long long)at_us, out, (long long)back);
}

static void test_every_moment_comes_back(void **state)
{
    struct random random = random_start(__func__);
    const int64_t first_us = time_from_civil(-9999, 1, 1) * US_PER_DAY;
    const int64_t end_us = time_from_civil(10000, 1, 1) * US_PER_DAY;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        assert_round_trip(random_int64(&random));
        assert_round_trip(first_us + (int64_t)random_below(&random, (uint64_t)(end_us - first_us)));
    }
    assert_round_trip(first_us);
    assert_round_trip(end_us - 1);
    assert_round_trip(end_us);
    assert_round_trip(INT64_MIN);
    assert_round_trip(INT64_MAX);
}

struct moment_case {
    const char *text;
    const char *same; /* as time_text writes it; NULL when the text is refused */
};

static void assert_moment(const struct moment_case *c)
{
    int64_t  at_us = 77;
    char     out[TIME_TEXT_MAX];
    enum err err = time_parse(c->text, strlen(c->text), &at_us);

    if (c->same == NULL && (err != ERR_field_invalid || at_us != 77))
        fail_msg("\"%s\" is not refused", c->text);
    if (c->same != NULL && (err != ERR_none || strcmp(time_text(at_us, out), c->same) != 0))
        fail_msg("\"%s\" is not read as %s", c->text, c->same);
}

static void test_texts_that_are_moments(void **state)
{
    static const struct moment_case cases[] = {
        { "2026-11-22", "2026-11-22T00:00:00Z" },
        { "2026-11-22T16:18", "2026-11-22T16:18:00Z" },
        { "2026-11-22 16:18", "2026-11-22T16:18:00Z" },
        { "2026-11-22T16:18Z", "2026-11-22T16:18:00Z" },
        { "2026-11-22T16:18:44", "2026-11-22T16:18:44Z" },
        { "2026-11-22 16:18:44.5", "2026-11-22T16:18:44.500000Z" },
        { "2026-11-22T16:18:44.000001Z", "2026-11-22T16:18:44.000001Z" },
        { "2026-11-22T16:18:44.010Z", "2026-11-22T16:18:44.010000Z" },
        { "2026-11-22T16:18:44+02:00", "2026-11-22T14:18:44Z" },
        { "2026-11-22T00:18+05:45", "2026-11-21T18:33:00Z" },
        { "2026-12-31T23:30-01:00", "2027-01-01T00:30:00Z" },
        { "2024-02-29", "2024-02-29T00:00:00Z" },
        { "2000-02-29", "2000-02-29T00:00:00Z" },
        { "0000-02-29", "0000-02-29T00:00:00Z" },
        { "-0004-02-29", "-0004-02-29T00:00:00Z" },
        { "+2026-01-01", "2026-01-01T00:00:00Z" },
        { "+012026-01-01", "+12026-01-01T00:00:00Z" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_moment(&cases[i]);
}

static void test_texts_that_are_no_moments(void **state)
{
    static const struct moment_case cases[] = {
        { "", NULL },
        { "2026", NULL },
        { "2026-11", NULL },
        { "2026-11-", NULL },
        { "2026-11-2", NULL },
        { "2026-1-22", NULL },
        { "226-11-22", NULL },
        { "12026-11-22", NULL },
        { "2026-00-22", NULL },
        { "2026-13-22", NULL },
        { "2026-11-00", NULL },
        { "2026-11-31", NULL },
        { "2026-02-29", NULL },
        { "1900-02-29", NULL },
        { "2026/11/22", NULL },
        { " 2026-11-22", NULL },
        { "2026-11-22 ", NULL },
        { "2026-11-22T", NULL },
        { "2026-11-22Z", NULL },
        { "2026-11-22t16:18", NULL },
        { "2026-11-22T16", NULL },
        { "2026-11-22T16:", NULL },
        { "2026-11-22T1:18", NULL },
        { "2026-11-22T24:00", NULL },
        { "2026-11-22T16:60", NULL },
        { "2026-11-22T16:18:60", NULL },
        { "2026-11-22T16:18:44.", NULL },
        { "2026-11-22T16:18:44.1234567", NULL },
        { "2026-11-22T16:18:44,5", NULL },
        { "2026-11-22T16:18.5", NULL },
        { "2026-11-22T16:18z", NULL },
        { "2026-11-22T16:18ZZ", NULL },
        { "2026-11-22T16:18+2", NULL },
        { "2026-11-22T16:18+0200", NULL },
        { "2026-11-22T16:18+24:00", NULL },
        { "2026-11-22T16:18+02:60", NULL },
        { "2026-11-22T-1:18", NULL },
        { "+294247-01-10T04:00:54.775808Z", NULL },
        { "-290308-12-21T19:59:05.224191Z", NULL },
        { "+294247-01-10T04:00:54.775807-00:01", NULL },
        { "+999999-12-31", NULL },
        { "-999999-01-01", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_moment(&cases[i]);
}

struct format_case {
    const char *text;
    const char *format;
    const char *same;
};

static void test_formats(void **state)
{
    static const struct format_case cases[] = {
        { "930101", "%y%m%d", "1993-01-01T00:00:00Z" },
        { "690101", "%y%m%d", "1969-01-01T00:00:00Z" },
        { "680101", "%y%m%d", "2068-01-01T00:00:00Z" },
        { "2018-04-01 00:00:31", "%Y-%m-%d %H:%M:%S", "2018-04-01T00:00:31Z" },
        { "22.11.2026", "%d.%m.%Y", "2026-11-22T00:00:00Z" },
        { "100% 20261122", "100%% %Y%m%d", "2026-11-22T00:00:00Z" },
        { "29/02/2024", "%d/%m/%Y", "2024-02-29T00:00:00Z" },
        { "29/02/2023", "%d/%m/%Y", NULL },
        { "1/02/2023", "%d/%m/%Y", NULL },
        { "01/02/23", "%d/%m/%Y", NULL },
        { "01/02/2023 ", "%d/%m/%Y", NULL },
        { " 01/02/2023", "%d/%m/%Y", NULL },
        { "01-02-2023", "%d/%m/%Y", NULL },
        { "01/13/2023", "%d/%m/%Y", NULL },
        { "930101 24", "%y%m%d %H", NULL },
        { "930101 60", "%y%m%d %M", NULL },
        { "930101 60", "%y%m%d %S", NULL },
        { "-993-01-01", "%Y-%m-%d", NULL },
        { "+930101", "%y%m%d", NULL },
        { "", "%y%m%d", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct format_case *c = &cases[i];
        int64_t                   at_us = 77;
        char                      out[TIME_TEXT_MAX];
        enum err err = time_parse_format(c->text, strlen(c->text), c->format, &at_us);

        if (c->same == NULL && (err != ERR_field_invalid || at_us != 77))
            fail_msg("\"%s\" is not refused with %s", c->text, c->format);
        if (c->same != NULL && (err != ERR_none || strcmp(time_text(at_us, out), c->same) != 0))
            fail_msg("\"%s\" is not read as %s with %s", c->text, c->same, c->format);
    }
}

static void test_formats_of_no_use(void **state)
{
    static const char *const formats[] = {
        "", "%Y-%m", "%m-%d", "%Y-%d", "%Y-%m-%d %", "%Y-%m-%d %q", "%Y-%m-%d %y", "%Y-%m-%d %d",
        "%Y-%m-%d %H %H", "%-d.%m.%Y", "%F",
    };
    int64_t at_us = 77;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(formats); i++)
        assert_int_equal(time_parse_format("20261122", 8, formats[i], &at_us), ERR_option_invalid);
    assert_int_equal(at_us, 77);
}

static void test_every_second_comes_back_by_format(void **state)
{
    struct random random = random_start(__func__);
    const int64_t end_s = time_from_civil(10000, 1, 1) * 86400;
    const int64_t first_s = time_from_civil(0, 1, 1) * 86400;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t seconds = first_s + (int64_t)random_below(&random, (uint64_t)(end_s - first_s));
        int64_t rest = ((seconds % 86400) + 86400) % 86400;
        int64_t back = 77;
        int     year;
        int     month;
        int     day;
        char    text[64];

        time_to_civil(time_day(seconds * US_PER_SECOND), &year, &month, &day);
        snprintf(text, sizeof text, "%02d/%02d/%04d at %02d.%02d.%02d", day, month, year,
                 (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
        assert_int_equal(
            time_parse_format(text, strlen(text), "%d/%m/%Y at %H.%M.%S", &back), ERR_none);
        assert_true(back == seconds * US_PER_SECOND);
    }
}

static void test_system_clock_is_the_machines(void **state)
{
    struct clock   *clock = clock_system();
    struct timespec before;
    struct timespec after;
    int64_t         now_us;
    int64_t         earlier_us;

    (void)state;
    assert_ptr_equal(clock, clock_system());
    clock_gettime(CLOCK_REALTIME, &before);
    now_us = clock->now_us(clock);
    clock_gettime(CLOCK_REALTIME, &after);
    assert_true(now_us >= before.tv_sec * US_PER_SECOND + before.tv_nsec / 1000);
    assert_true(now_us <= after.tv_sec * US_PER_SECOND + after.tv_nsec / 1000);
    earlier_us = clock->monotonic_us(clock);
    assert_true(clock->monotonic_us(clock) >= earlier_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calendar_walks_day_by_day),
        cmocka_unit_test(test_known_days),
        cmocka_unit_test(test_calendar_agrees_with_the_c_library),
        cmocka_unit_test(test_moments_as_text),
        cmocka_unit_test(test_every_moment_comes_back),
        cmocka_unit_test(test_texts_that_are_moments),
        cmocka_unit_test(test_texts_that_are_no_moments),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_formats_of_no_use),
        cmocka_unit_test(test_every_second_comes_back_by_format),
        cmocka_unit_test(test_system_clock_is_the_machines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
