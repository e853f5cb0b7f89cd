/* Checked integer money, and its way to and from text.
 *
 * Text is read and written over the whole range of int64_t, the most negative value included:
 * the magnitude is kept unsigned, and the sign is put on at the end. The rule that must not be
 * broken: what money_text writes, money_parse reads back to the same value. */
#include "common/money.h"

#include <string.h>

#include "common/check.h"

static const struct currency currencies[] = {
#define CURRENCY(code, number, exponent, name) { number, #code, exponent, name },
#include "common/currencies.def"
#undef CURRENCY
};

#define CURRENCY(code, number, exponent, name)                                                     \
    _Static_assert((number) > 0 && (number) < 1000 && (exponent) <= MONEY_EXPONENT_MAX &&          \
                       sizeof(#code) == 4,                                                         \
                   "currencies.def: " #code);
#include "common/currencies.def"
#undef CURRENCY

const struct currency *currency_by_number(uint16_t number)
{
    for (size_t i = 0; i < ARRAY_COUNT(currencies); i++)
        if (currencies[i].number == number)
            return &currencies[i];
    return NULL;
}

const struct currency *currency_by_code(const char *code, size_t n)
{
    if (n != 3)
        return NULL;
    for (size_t i = 0; i < ARRAY_COUNT(currencies); i++)
        if (memcmp(currencies[i].code, code, n) == 0)
            return &currencies[i];
    return NULL;
}

const struct currency *currency_at(size_t index)
{
    return index < ARRAY_COUNT(currencies) ? &currencies[index] : NULL;
}

bool money_add(int64_t a, int64_t b, int64_t *sum)
{
    int64_t result;

    if (__builtin_add_overflow(a, b, &result))
        return false;
    *sum = result;
    return true;
}

bool money_sub(int64_t a, int64_t b, int64_t *difference)
{
    int64_t result;

    if (__builtin_sub_overflow(a, b, &result))
        return false;
    *difference = result;
    return true;
}

bool money_mul(int64_t a, int64_t b, int64_t *product)
{
    int64_t result;

    if (__builtin_mul_overflow(a, b, &result))
        return false;
    *product = result;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The form alone: digits, and at most `exponent` more behind one mark. */
static bool amount_is_formed(const char *digits, size_t n, uint8_t exponent, char mark)
{
    size_t whole = 0;
    size_t decimals = 0;

    while (whole < n && is_digit(digits[whole]))
        whole++;
    if (whole == 0)
        return false;
    if (whole == n)
        return true;
    if (digits[whole] != mark)
        return false;
    while (whole + 1 + decimals < n && is_digit(digits[whole + 1 + decimals]))
        decimals++;
    return decimals > 0 && decimals <= exponent && whole + 1 + decimals == n;
}

enum err money_parse(const char *text, size_t n, uint8_t exponent, char mark, int64_t *minor)
{
    uint64_t magnitude = 0;
    uint64_t limit = INT64_MAX;
    bool     negative = false;
    int      decimals = -1; /* read so far; -1 before the mark */

    CHECK(exponent <= MONEY_EXPONENT_MAX);
    if (n > 0 && (text[0] == '-' || text[0] == '+')) {
        negative = text[0] == '-';
        text++;
        n--;
    }
    if (!amount_is_formed(text, n, exponent, mark))
        return ERR_amount_invalid;
    limit += negative ? 1 : 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == mark) {
            decimals = 0;
            continue;
        }
        if (__builtin_mul_overflow(magnitude, 10, &magnitude) ||
            __builtin_add_overflow(magnitude, (uint64_t)(text[i] - '0'), &magnitude))
            return ERR_amount_overflow;
        decimals += decimals >= 0 ? 1 : 0;
    }
    for (int i = decimals < 0 ? 0 : decimals; i < exponent; i++)
        if (__builtin_mul_overflow(magnitude, 10, &magnitude))
            return ERR_amount_overflow;
    if (magnitude > limit)
        return ERR_amount_overflow;
    *minor = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return ERR_none;
}

/* Written from the right, then moved to the front. `group` is 0 or the mark between thousands. */
static const char *money_write(int64_t minor, uint8_t exponent, char group,
                               char out[MONEY_TEXT_MAX])
{
    uint64_t magnitude = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor;
    size_t   at = MONEY_TEXT_MAX;
    size_t   digits = 0;

    CHECK(exponent <= MONEY_EXPONENT_MAX);
    out[--at] = '\0';
    while (magnitude > 0 || digits <= exponent) {
        if (digits == exponent && exponent > 0)
            out[--at] = '.';
        if (group != 0 && digits > exponent && (digits - exponent) % 3 == 0)
            out[--at] = group;
        out[--at] = (char)('0' + magnitude % 10);
        magnitude /= 10;
        digits++;
    }
    if (minor < 0)
        out[--at] = '-';
    memmove(out, out + at, MONEY_TEXT_MAX - at);
    return out;
}

const char *money_text(int64_t minor, uint8_t exponent, char out[MONEY_TEXT_MAX])
{
    return money_write(minor, exponent, 0, out);
}

const char *money_text_grouped(int64_t minor, uint8_t exponent, char out[MONEY_TEXT_MAX])
{
    return money_write(minor, exponent, ',', out);
}

int64_t ratio_basis_points(int64_t numerator, int64_t denominator)
{
    return ratio_scaled(numerator, denominator, 10000);
}

int64_t ratio_scaled(int64_t numerator, int64_t denominator, int64_t scale)
{
    __int128 n = (__int128)numerator * scale;
    __int128 d = denominator;
    __int128 quotient;

    if (d == 0)
        return 0;
    if (d < 0) {
        n = -n;
        d = -d;
    }
    quotient = n >= 0 ? (2 * n + d) / (2 * d) : -((-2 * n + d) / (2 * d));
    if (quotient > INT64_MAX)
        return INT64_MAX;
    if (quotient < INT64_MIN)
        return INT64_MIN;
    return (int64_t)quotient;
}
