/* Time as an interface, so that tests own it. Microseconds since 1970-01-01 UTC in int64_t. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

struct clock {
    int64_t (*now_us)(struct clock *);       /* wall clock, UTC */
    int64_t (*monotonic_us)(struct clock *); /* for time-outs */
};

struct clock *clock_system(void); /* shared, never freed */

#define US_PER_MS INT64_C(1000)
#define US_PER_SECOND INT64_C(1000000)
#define US_PER_MINUTE (60 * US_PER_SECOND)
#define US_PER_HOUR (3600 * US_PER_SECOND)
#define US_PER_DAY (86400 * US_PER_SECOND)

enum { TIME_TEXT_MAX = 32 };

/* ISO 8601 UTC: "2026-11-22T16:18:44.123456Z" (microseconds only when not zero). A year outside
 * 0 .. 9999 has its sign and up to six digits. All of int64_t can be written. */
const char *time_text(int64_t at_us, char out[TIME_TEXT_MAX]);
const char *time_text_minute(int64_t at_us, char out[TIME_TEXT_MAX]); /* "2026-11-22 16:18" */
const char *time_text_day(int64_t at_us, char out[TIME_TEXT_MAX]);    /* "2026-11-22" */
/* Accepts "2026-11-22", "2026-11-22T16:18[:44[.123456]][Z|+hh:mm|-hh:mm]" and a blank instead of
 * T; without a zone it is UTC. Dates that no calendar shows and leap seconds are refused with
 * ERR_field_invalid. Reads back all that time_text writes. */
ERR_MUST_USE enum err time_parse(const char *text, size_t n, int64_t *at_us);
/* %Y is four digits; %y (1969 to 2068) %m %d %H %M %S are two each; %% and literals stand for
 * themselves. The whole text must match, else ERR_field_invalid. A format with an unknown or
 * repeated part, or without year, month and day, is ERR_option_invalid whatever the text. */
ERR_MUST_USE enum err time_parse_format(const char *text, size_t n, const char *format,
                                        int64_t *at_us);

/* Days since 1970-01-01: of a moment, floored; of a date; and the date of such a day. Proleptic
 * Gregorian calendar with a year 0. */
int64_t time_day(int64_t at_us);
int64_t time_from_civil(int year, int month, int day);
void    time_to_civil(int64_t day, int *year, int *month, int *day_of_month);
int     time_weekday(int64_t day); /* 0 = Monday ... 6 = Sunday */

#endif
