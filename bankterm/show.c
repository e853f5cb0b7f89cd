/* Values as people read them. Every number that a user sees passes through here, so that a sum
 * looks the same in a table, a tile and a review. */
#include "bankterm/show.h"

#include "bankterm/record.h"
#include "common/clock.h"
#include "common/money.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *show_money(int64_t minor, uint8_t exponent, char *out, size_t size)
{
    char text[MONEY_TEXT_MAX];
    snprintf(out, size, "%s", money_text_grouped(minor, exponent, text));
    return out;
}

const char *show_sum(int64_t minor, struct slice currency, char *out, size_t size)
{
    char text[MONEY_TEXT_MAX];
    money_text_grouped(minor, currency_exponent(currency), text);
    snprintf(out, size, "%s %.*s", text, (int)currency.n, currency.at != NULL ? currency.at : "");
    return out;
}

const char *show_count(int64_t count, char *out, size_t size)
{
    return show_money(count, 0, out, size);
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value;
}

/* Three digits and a letter; below 100,000 the whole number. */
static const char *show_short(uint64_t whole, bool negative, char *out, size_t size)
{
    static const char letters[] = "kMGTPE";
    uint64_t          unit = 1;
    int               letter = -1;
    while (letter + 2 < (int)sizeof letters && whole / unit >= 1000) {
        unit *= 1000;
        letter++;
    }
    const char *sign = negative ? "-" : "";
    uint64_t    rest = unit > 1 ? whole % unit / (unit / 1000) : 0; /* thousandths */
    uint64_t    main = whole / unit;
    if (letter < 0)
        snprintf(out, size, "%s%" PRIu64, sign, main);
    else if (main < 10)
        snprintf(out, size, "%s%" PRIu64 ".%02" PRIu64 "%c", sign, main, rest / 10,
                 letters[letter]);
    else if (main < 100)
        snprintf(out, size, "%s%" PRIu64 ".%01" PRIu64 "%c", sign, main, rest / 100,
                 letters[letter]);
    else
        snprintf(out, size, "%s%" PRIu64 "%c", sign, main, letters[letter]);
    return out;
}

const char *show_short_count(int64_t count, char *out, size_t size)
{
    if (magnitude(count) < 100000)
        return show_count(count, out, size);
    return show_short(magnitude(count), count < 0, out, size);
}

const char *show_short_money(int64_t minor, uint8_t exponent, char *out, size_t size)
{
    uint64_t whole = magnitude(minor);
    for (uint8_t i = 0; i < exponent; i++)
        whole /= 10;
    if (whole < 1000)
        return show_money(minor, exponent, out, size);
    return show_short(whole, minor < 0, out, size);
}

const char *show_short_sum(int64_t minor, struct slice currency, char *out, size_t size)
{
    char text[MONEY_TEXT_MAX];
    show_short_money(minor, currency_exponent(currency), text, sizeof text);
    snprintf(out, size, "%s %.*s", text, (int)currency.n, currency.at != NULL ? currency.at : "");
    return out;
}

const char *show_share(int64_t basis_points, char *out, size_t size)
{
    uint64_t share = magnitude(basis_points);
    snprintf(out, size, "%s%" PRIu64 ".%02" PRIu64 "%%", basis_points < 0 ? "-" : "", share / 100,
             share % 100);
    return out;
}

const char *show_percent(int64_t basis_points, char *out, size_t size)
{
    uint64_t share = (magnitude(basis_points) + 50) / 100;
    snprintf(out, size, "%s%" PRIu64 "%%", basis_points < 0 && share > 0 ? "-" : "", share);
    return out;
}

const char *show_minute(int64_t at_us, char *out, size_t size)
{
    char text[TIME_TEXT_MAX];
    snprintf(out, size, "%s", time_text_minute(at_us, text));
    return out;
}

const char *show_day(int64_t at_us, char *out, size_t size)
{
    char text[TIME_TEXT_MAX];
    snprintf(out, size, "%s", time_text_day(at_us, text));
    return out;
}

const char *show_second(int64_t at_us, char *out, size_t size)
{
    int64_t second = at_us / US_PER_SECOND % 86400;
    if (second < 0)
        second += 86400;
    snprintf(out, size, "%02d:%02d:%02d", (int)(second / 3600), (int)(second / 60 % 60),
             (int)(second % 60));
    return out;
}

const char *show_id(const struct uuid *id, char *out, size_t size)
{
    char text[UUID_TEXT_MAX];
    snprintf(out, size, "..%s", uuid_text(id, text) + 28);
    return out;
}

const char *show_hex(struct slice bytes, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < bytes.n && n + 3 <= size; i++, n += 2)
        snprintf(out + n, size - n, "%02x", (unsigned char)bytes.at[i]);
    return out;
}

const char *show_age(int64_t us, char *out, size_t size)
{
    int64_t seconds = us > 0 ? us / US_PER_SECOND : 0;
    if (seconds < 60)
        snprintf(out, size, "%" PRId64 " s", seconds);
    else if (seconds < 3600)
        snprintf(out, size, "%" PRId64 " min", seconds / 60);
    else if (seconds < 48 * 3600)
        snprintf(out, size, "%" PRId64 " h", seconds / 3600);
    else
        snprintf(out, size, "%" PRId64 " d", seconds / 86400);
    return out;
}

const char *show_figure(int64_t value, struct slice unit, struct slice currency, char *out,
                        size_t size)
{
    static const char *const days[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday" };
    if (slice_is(unit, "minor units"))
        return show_money(value, currency_exponent(currency), out, size);
    if (slice_is(unit, "basis points"))
        return show_share(value, out, size);
    if (slice_is(unit, "hundredths"))
        return show_money(value, 2, out, size);
    if (slice_is(unit, "seconds"))
        return show_age(value * US_PER_SECOND, out, size);
    if (slice_is(unit, "weekday") && value >= 0 && value < 7)
        snprintf(out, size, "%s", days[value]);
    else if (slice_is(unit, "yes or no"))
        snprintf(out, size, "%s", value != 0 ? "yes" : "no");
    else if (slice_is(unit, "hour"))
        snprintf(out, size, "%02" PRId64 ":00", value);
    else {
        show_count(value, out, size);
        size_t n = strlen(out);
        snprintf(out + n, size - n, "%s",
                 slice_is(unit, "percent") ? "%"
                 : slice_is(unit, "hours") ? " h"
                 : slice_is(unit, "days")  ? " d"
                                           : "");
    }
    return out;
}

const char *show_words(const char *name, char out[SHOW_WORDS_MAX])
{
    snprintf(out, SHOW_WORDS_MAX, "%s", name);
    for (char *at = out; *at != '\0'; at++)
        *at = *at == '_' ? ' ' : *at;
    return out;
}

const char *show_choice(const struct enum_desc *desc, int32_t number, char out[SHOW_WORDS_MAX])
{
    return show_words(enum_text(desc, number), out);
}

uint8_t currency_exponent(struct slice code)
{
    const struct currency *currency = currency_by_code(code.at != NULL ? code.at : "", code.n);
    return currency != NULL ? currency->exponent : 2;
}

uint8_t show_exponent(const struct message_desc *desc, const void *message)
{
    struct slice code;
    int          field = message_field(desc, "currency");
    if (field < 0 || desc->fields[field].type != FIELD_TEXT)
        return 2;
    memcpy(&code, message_at(desc, message, field), sizeof code);
    return currency_exponent(code);
}
