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

/* ISO 8601 UTC: "2026-11-22T16:18:44.123456Z" (microseconds only when not zero). */
const char *time_text(int64_t at_us, char out[TIME_TEXT_MAX]);
const char *time_text_minute(int64_t at_us, char out[TIME_TEXT_MAX]); /* "2026-11-22 16:18" */
const char *time_text_day(int64_t at_us, char out[TIME_TEXT_MAX]);    /* "2026-11-22" */
/* Accepts "2026-11-22", "2026-11-22T16:18[:44[.123456]][Z|+hh:mm]" and a blank instead of T. */
ERR_MUST_USE enum err time_parse(const char *text, size_t n, int64_t *at_us);
/* strptime-like with %Y %y %m %d %H %M %S and literals; the whole text must match. */
ERR_MUST_USE enum err time_parse_format(const char *text, size_t n, const char *format, int64_t *at_us);

/* Days since 1970-01-01 of a moment, floored, and back. Proleptic Gregorian calendar. */
int64_t time_day(int64_t at_us);
int64_t time_from_civil(int year, int month, int day);
void    time_to_civil(int64_t day, int *year, int *month, int *day_of_month);
int     time_weekday(int64_t day); /* 0 = Monday ... 6 = Sunday */

#endif
