/* The system's clock, the calendar, and time to and from text.
 *
 * The calendar counts in eras of 400 years (146,097 days) and in years that begin on the first
 * of March, so that the leap day is the last of its year and needs no case of its own. All of it
 * is plain integer arithmetic: no tables of the system, no time zone, no locale.
 *
 * The rule that must not be broken: what time_text writes, time_parse reads back to the same
 * microsecond, over the whole range of int64_t. */
#include "common/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/check.h"

#define ERA_YEARS 400
#define ERA_DAYS  INT64_C(146097)
#define ERA_SHIFT INT64_C(719468) /* days from 0000-03-01 to 1970-01-01 */

/* One moment in parts, while it is being read. */
struct parts {
    int year;
    int month;
    int day;
    int hour;
    int minute;
    int second;
    int microsecond;
    int offset_minutes;
};

/* A text that is read from the left. */
struct reader {
    const char *at;
    size_t      n;
};

static int64_t read_clock(clockid_t id)
{
    struct timespec now;

    CHECK(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

static int64_t system_now_us(struct clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic_us(struct clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_MONOTONIC);
}

struct clock *clock_system(void)
{
    static struct clock system_clock = { system_now_us, system_monotonic_us };

    return &system_clock;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

int64_t time_day(int64_t at_us)
{
    return floor_div(at_us, US_PER_DAY);
}

int64_t time_from_civil(int year, int month, int day)
{
    int64_t march_year = (int64_t)year - (month <= 2 ? 1 : 0);
    int64_t era = floor_div(march_year, ERA_YEARS);
    int64_t year_of_era = march_year - era * ERA_YEARS;
    int64_t march_month = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * march_month + 2) / 5 + day - 1;

    CHECK(month >= 1 && month <= 12);
    return era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           ERA_SHIFT;
}

void time_to_civil(int64_t day, int *year, int *month, int *day_of_month)
{
    int64_t shifted = day + ERA_SHIFT;
    int64_t era = floor_div(shifted, ERA_DAYS);
    int64_t day_of_era = shifted - era * ERA_DAYS;
    /* The three corrections take out the leap days before that day: of 4, 100 and 400 years. */
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;

    *day_of_month = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    *month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    *year = (int)(year_of_era + era * ERA_YEARS + (*month <= 2 ? 1 : 0));
}

int time_weekday(int64_t day)
{
    return (int)((day % 7 + 7 + 3) % 7); /* 1970-01-01 was a Thursday */
}

/* A time stands on every line of what is written for programs, so the common ones need no printf.
 */
static int write_two(char *out, int value)
{
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
    return 2;
}

/* The date at the front of `out`; a year of more or fewer than four digits has its sign. */
static int write_date(int64_t at_us, char out[TIME_TEXT_MAX])
{
    int year;
    int month;
    int day;

    time_to_civil(time_day(at_us), &year, &month, &day);
    if (year >= 0 && year <= 9999) {
        write_two(out, year / 100);
        write_two(out + 2, year % 100);
        out[4] = '-';
        write_two(out + 5, month);
        out[7] = '-';
        write_two(out + 8, day);
        out[10] = '\0';
        return 10;
    }
    return snprintf(out, TIME_TEXT_MAX, "%s%04d-%02d-%02d",
                    year < 0      ? "-"
                    : year > 9999 ? "+"
                                  : "",
                    year < 0 ? -year : year, month, day);
}

static int64_t us_of_day(int64_t at_us)
{
    int64_t rest = at_us % US_PER_DAY;

    return rest < 0 ? rest + US_PER_DAY : rest;
}

const char *time_text(int64_t at_us, char out[TIME_TEXT_MAX])
{
    int64_t rest = us_of_day(at_us);
    int     n = write_date(at_us, out);

    out[n++] = 'T';
    n += write_two(out + n, (int)(rest / US_PER_HOUR));
    out[n++] = ':';
    n += write_two(out + n, (int)(rest / US_PER_MINUTE % 60));
    out[n++] = ':';
    n += write_two(out + n, (int)(rest / US_PER_SECOND % 60));
    if (rest % US_PER_SECOND != 0)
        n += snprintf(out + n, (size_t)(TIME_TEXT_MAX - n), ".%06d", (int)(rest % US_PER_SECOND));
    CHECK(n < TIME_TEXT_MAX - 1);
    memcpy(out + n, "Z", 2);
    return out;
}

const char *time_text_minute(int64_t at_us, char out[TIME_TEXT_MAX])
{
    int64_t rest = us_of_day(at_us);
    int     n = write_date(at_us, out);

    snprintf(out + n, (size_t)(TIME_TEXT_MAX - n), " %02d:%02d", (int)(rest / US_PER_HOUR),
             (int)(rest / US_PER_MINUTE % 60));
    return out;
}

const char *time_text_day(int64_t at_us, char out[TIME_TEXT_MAX])
{
    write_date(at_us, out);
    return out;
}

static bool take(struct reader *reader, char c)
{
    if (reader->n == 0 || *reader->at != c)
        return false;
    reader->at++;
    reader->n--;
    return true;
}

/* From `least` to `most` digits, as many as there are; false when there are fewer. */
static bool take_number(struct reader *reader, int least, int most, int *value)
{
    int digits = 0;
    int result = 0;

    while (digits < most && reader->n > 0 && *reader->at >= '0' && *reader->at <= '9') {
        result = result * 10 + (*reader->at - '0');
        reader->at++;
        reader->n--;
        digits++;
    }
    *value = result;
    return digits >= least;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_of_month(int year, int month)
{
    static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Parts to microseconds; refuses what no calendar or clock shows and what int64_t cannot hold. */
static enum err parts_join(const struct parts *parts, int64_t *at_us)
{
    int64_t  of_day;
    __int128 result;

    if (parts->month < 1 || parts->month > 12 || parts->day < 1 ||
        parts->day > days_of_month(parts->year, parts->month))
        return ERR_field_invalid;
    if (parts->hour > 23 || parts->minute > 59 || parts->second > 59)
        return ERR_field_invalid;
    of_day = parts->hour * US_PER_HOUR + parts->minute * US_PER_MINUTE +
             parts->second * US_PER_SECOND + parts->microsecond -
             parts->offset_minutes * US_PER_MINUTE;
    result = (__int128)time_from_civil(parts->year, parts->month, parts->day) * US_PER_DAY + of_day;
    if (result < INT64_MIN || result > INT64_MAX)
        return ERR_field_invalid;
    *at_us = (int64_t)result;
    return ERR_none;
}

/* Four digits, or a sign and four to six. */
static bool take_year(struct reader *reader, int *year)
{
    if (take(reader, '-')) {
        if (!take_number(reader, 4, 6, year))
            return false;
        *year = -*year;
        return true;
    }
    if (take(reader, '+'))
        return take_number(reader, 4, 6, year);
    return take_number(reader, 4, 4, year);
}

/* ".123456": one to six digits, which count from the left. */
static bool take_fraction(struct reader *reader, int *microsecond)
{
    size_t before = reader->n;
    size_t digits;

    if (!take_number(reader, 1, 6, microsecond))
        return false;
    for (digits = before - reader->n; digits < 6; digits++)
        *microsecond *= 10;
    return true;
}

/* "Z", "+hh:mm", "-hh:mm" or nothing, which is UTC too. */
static bool take_zone(struct reader *reader, int *offset_minutes)
{
    bool west = false;
    int  hours;
    int  minutes;

    if (reader->n == 0 || take(reader, 'Z'))
        return true;
    if (take(reader, '-'))
        west = true;
    else if (!take(reader, '+'))
        return false;
    if (!take_number(reader, 2, 2, &hours) || !take(reader, ':') ||
        !take_number(reader, 2, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *offset_minutes = (hours * 60 + minutes) * (west ? -1 : 1);
    return true;
}

static bool take_clock(struct reader *reader, struct parts *parts)
{
    if (!take_number(reader, 2, 2, &parts->hour) || !take(reader, ':') ||
        !take_number(reader, 2, 2, &parts->minute))
        return false;
    if (take(reader, ':')) {
        if (!take_number(reader, 2, 2, &parts->second))
            return false;
        if (take(reader, '.') && !take_fraction(reader, &parts->microsecond))
            return false;
    }
    return take_zone(reader, &parts->offset_minutes);
}

enum err time_parse(const char *text, size_t n, int64_t *at_us)
{
    struct reader reader = { text, n };
    struct parts  parts = { 0 };

    if (!take_year(&reader, &parts.year) || !take(&reader, '-') ||
        !take_number(&reader, 2, 2, &parts.month) || !take(&reader, '-') ||
        !take_number(&reader, 2, 2, &parts.day))
        return ERR_field_invalid;
    if ((take(&reader, 'T') || take(&reader, ' ')) && !take_clock(&reader, &parts))
        return ERR_field_invalid;
    if (reader.n != 0)
        return ERR_field_invalid;
    return parts_join(&parts, at_us);
}

/* Each part at most once, and year, month and day all there; else the format is of no use. */
static bool format_is_usable(const char *format)
{
    static const char known[] = "YymdHMS%";
    unsigned          seen = 0;

    for (; *format != '\0'; format++) {
        const char *found;
        unsigned    bit;

        if (*format != '%')
            continue;
        format++;
        found = *format != '\0' ? strchr(known, *format) : NULL;
        if (found == NULL)
            return false;
        if (*found == '%')
            continue;
        bit = *found == 'y' ? 1U : 1U << (found - known); /* both kinds of year are the year */
        if ((seen & bit) != 0)
            return false;
        seen |= bit;
    }
    return (seen & 0xd) == 0xd; /* year, month, day */
}

static bool take_part(struct reader *reader, char kind, struct parts *parts)
{
    switch (kind) {
    case 'Y':
        return take_number(reader, 4, 4, &parts->year);
    case 'y':
        if (!take_number(reader, 2, 2, &parts->year))
            return false;
        parts->year += parts->year < 69 ? 2000 : 1900;
        return true;
    case 'm':
        return take_number(reader, 2, 2, &parts->month);
    case 'd':
        return take_number(reader, 2, 2, &parts->day);
    case 'H':
        return take_number(reader, 2, 2, &parts->hour);
    case 'M':
        return take_number(reader, 2, 2, &parts->minute);
    case 'S':
        return take_number(reader, 2, 2, &parts->second);
    default:
        return take(reader, '%');
    }
}

enum err time_parse_format(const char *text, size_t n, const char *format, int64_t *at_us)
{
    struct reader reader = { text, n };
    struct parts  parts = { 0 };

    if (!format_is_usable(format))
        return ERR_option_invalid;
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            if (!take(&reader, *format))
                return ERR_field_invalid;
            continue;
        }
        format++;
        if (!take_part(&reader, *format, &parts))
            return ERR_field_invalid;
    }
    if (reader.n != 0)
        return ERR_field_invalid;
    return parts_join(&parts, at_us);
}
