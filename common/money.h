/* Money: int64_t minor units (cents, haler) and an ISO 4217 currency; nothing else.
 *
 * Every sum is checked: the functions below refuse instead of wrapping. There is no floating
 * point anywhere. A currency is its ISO numeric code; currencies.def lists those that the bank
 * can keep, with their exponents (ISO 4217, list one). */
#ifndef COMMON_MONEY_H
#define COMMON_MONEY_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct currency {
    uint16_t    number;   /* ISO 4217 numeric code */
    char        code[4];  /* "USD" */
    uint8_t     exponent; /* decimals: 2 for USD, 0 for JPY, 3 for KWD */
    const char *name;
};

/* Sums are texts of at most MONEY_TEXT_MAX bytes; no currency has more decimals than the second. */
enum { MONEY_TEXT_MAX = 32, MONEY_EXPONENT_MAX = 8 };

const struct currency *currency_by_number(uint16_t number);          /* NULL when unknown */
const struct currency *currency_by_code(const char *code, size_t n); /* NULL when unknown */
const struct currency *currency_at(size_t index);                    /* NULL past the end */

bool money_add(int64_t a, int64_t b, int64_t *sum); /* false on overflow, *sum untouched */
bool money_sub(int64_t a, int64_t b, int64_t *difference);
bool money_mul(int64_t a, int64_t b, int64_t *product);

/* "1234.56" with exponent 2 -> 123456. Accepts an optional sign, digits and at most `exponent`
 * decimals after `mark` ('.' or ','); refuses grouping, blanks, exponents, more decimals, a mark
 * without digits on both sides, empty text with ERR_amount_invalid, and what does not fit with
 * ERR_amount_overflow. *minor is untouched then. */
ERR_MUST_USE enum err money_parse(const char *text, size_t n, uint8_t exponent, char mark,
                                  int64_t *minor);

/* "-1234.56"; never more than MONEY_TEXT_MAX bytes with the NUL. Returns out. */
const char *money_text(int64_t minor, uint8_t exponent, char out[MONEY_TEXT_MAX]);
/* "-1,234.56", for people. */
const char *money_text_grouped(int64_t minor, uint8_t exponent, char out[MONEY_TEXT_MAX]);

/* Numerator * 10000 / denominator rounded half away from zero, for shares in basis points;
 * 0 when denominator is 0. Computed in 128 bits, so it cannot overflow inside; a result beyond
 * int64_t is the nearest that fits. */
int64_t ratio_basis_points(int64_t numerator, int64_t denominator);
/* The same in parts of another scale, such as millionths. */
int64_t ratio_scaled(int64_t numerator, int64_t denominator, int64_t scale);

#endif
