/* Money: the border of every sum, every amount to text and back, and all the texts that are no
 * amount. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "common/money.h"
#include "tests/unit/random.h"

enum { ROUNDS = 200000 };

static void test_currencies_are_found_by_each_key(void **state)
{
    size_t count = 0;

    (void)state;
    for (const struct currency *c; (c = currency_at(count)) != NULL; count++) {
        assert_int_equal(strlen(c->code), 3);
        assert_ptr_equal(currency_by_number(c->number), c);
        assert_ptr_equal(currency_by_code(c->code, 3), c);
        assert_true(c->name[0] != '\0');
    }
    assert_true(count >= 10);
    assert_null(currency_at(SIZE_MAX));
    assert_null(currency_by_number(0));
    assert_null(currency_by_number(999));
    assert_null(currency_by_code("USD", 2));
    assert_null(currency_by_code("USDX", 4));
    assert_null(currency_by_code("usd", 3));
    assert_null(currency_by_code("", 0));
}

static void test_currencies_have_their_decimals(void **state)
{
    (void)state;
    assert_int_equal(currency_by_code("USD", 3)->number, 840);
    assert_int_equal(currency_by_code("USD", 3)->exponent, 2);
    assert_int_equal(currency_by_code("CZK", 3)->number, 203);
    assert_int_equal(currency_by_code("JPY", 3)->exponent, 0);
    assert_int_equal(currency_by_code("KWD", 3)->exponent, 3);
}

static void test_sums_refuse_at_the_border(void **state)
{
    int64_t result = 77;

    (void)state;
    assert_true(money_add(INT64_MAX - 1, 1, &result));
    assert_true(result == INT64_MAX);
    result = 77;
    assert_false(money_add(INT64_MAX, 1, &result));
    assert_false(money_add(INT64_MIN, -1, &result));
    assert_false(money_sub(INT64_MIN, 1, &result));
    assert_false(money_sub(0, INT64_MIN, &result));
    assert_false(money_mul(INT64_MIN, -1, &result));
    assert_false(money_mul(INT64_MAX / 2 + 1, 2, &result));
    assert_int_equal(result, 77);
    assert_true(money_sub(-1, INT64_MIN, &result));
    assert_true(result == INT64_MAX);
    assert_true(money_mul(INT64_MIN / 2, 2, &result));
    assert_true(result == INT64_MIN);
    assert_true(money_add(result, 0, &result)); /* may write onto its own operand's place */
    assert_true(result == INT64_MIN);
}

/* The 128-bit sum is the judge. */
static void test_sums_agree_with_wider_arithmetic(void **state)
{
    static bool (*const sums[])(int64_t, int64_t, int64_t *) = { money_add, money_sub, money_mul };

    struct random random = random_start(__func__);

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t  a = random_int64(&random);
        int64_t  b = random_int64(&random);
        int64_t  result = 0;
        __int128 wide[3] = { (__int128)a + b, (__int128)a - b, (__int128)a * b };

        for (size_t which = 0; which < ARRAY_COUNT(sums); which++) {
            bool fits = sums[which](a, b, &result);

            assert_true(fits == (wide[which] >= INT64_MIN && wide[which] <= INT64_MAX));
            assert_true(!fits || result == (int64_t)wide[which]);
        }
    }
}

struct parse_case {
    const char *text;
    int64_t     minor;
    enum err    err;
    uint8_t     exponent;
    char        mark;
};

static void assert_parses(const struct parse_case *c)
{
    int64_t  minor = 77;
    enum err err = money_parse(c->text, strlen(c->text), c->exponent, c->mark, &minor);

    if (err != c->err || minor != (err == ERR_none ? c->minor : 77))
        fail_msg("\"%s\" with exponent %d gives %s %lld", c->text, c->exponent, err_name(err),
                 (long long)minor);
}

static void test_texts_that_are_amounts(void **state)
{
    static const struct parse_case cases[] = {
        { "0", 0, ERR_none, 2, '.' },
        { "-0", 0, ERR_none, 2, '.' },
        { "1234.56", 123456, ERR_none, 2, '.' },
        { "1234,56", 123456, ERR_none, 2, ',' },
        { "+1.5", 150, ERR_none, 2, '.' },
        { "-0.01", -1, ERR_none, 2, '.' },
        { "700.0", 70000, ERR_none, 2, '.' },
        { "0000000000000000000000000000000000012", 1200, ERR_none, 2, '.' },
        { "15", 15, ERR_none, 0, '.' },
        { "1.234", 1234, ERR_none, 3, '.' },
        { "0.00000001", 1, ERR_none, MONEY_EXPONENT_MAX, '.' },
        { "92233720368547758.07", INT64_MAX, ERR_none, 2, '.' },
        { "-92233720368547758.08", INT64_MIN, ERR_none, 2, '.' },
        { "9223372036854775807", INT64_MAX, ERR_none, 0, '.' },
        { "-9223372036854775808", INT64_MIN, ERR_none, 0, '.' },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_parses(&cases[i]);
}

static void test_texts_that_are_no_amounts(void **state)
{
    static const struct parse_case cases[] = {
        { "", 0, ERR_amount_invalid, 2, '.' },
        { "-", 0, ERR_amount_invalid, 2, '.' },
        { "+", 0, ERR_amount_invalid, 2, '.' },
        { ".", 0, ERR_amount_invalid, 2, '.' },
        { ".5", 0, ERR_amount_invalid, 2, '.' },
        { "5.", 0, ERR_amount_invalid, 2, '.' },
        { "--5", 0, ERR_amount_invalid, 2, '.' },
        { "+-5", 0, ERR_amount_invalid, 2, '.' },
        { "5-", 0, ERR_amount_invalid, 2, '.' },
        { " 5", 0, ERR_amount_invalid, 2, '.' },
        { "5 ", 0, ERR_amount_invalid, 2, '.' },
        { "1,234.56", 0, ERR_amount_invalid, 2, '.' },
        { "1.234,56", 0, ERR_amount_invalid, 2, ',' },
        { "1.2.3", 0, ERR_amount_invalid, 3, '.' },
        { "0.001", 0, ERR_amount_invalid, 2, '.' },
        { "1.00", 0, ERR_amount_invalid, 0, '.' },
        { "1.", 0, ERR_amount_invalid, 0, '.' },
        { "1e3", 0, ERR_amount_invalid, 2, '.' },
        { "0x10", 0, ERR_amount_invalid, 2, '.' },
        { "nan", 0, ERR_amount_invalid, 2, '.' },
        { "\xd9\xa1", 0, ERR_amount_invalid, 2, '.' },
        { "92233720368547758.08", 0, ERR_amount_overflow, 2, '.' },
        { "-92233720368547758.09", 0, ERR_amount_overflow, 2, '.' },
        { "92233720368547759", 0, ERR_amount_overflow, 2, '.' },
        { "18446744073709551616", 0, ERR_amount_overflow, 0, '.' },
        { "184467440737095516.16", 0, ERR_amount_overflow, 2, '.' },
        { "99999999999999999999999999999999", 0, ERR_amount_overflow, 2, '.' },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_parses(&cases[i]);
}

static void test_text_ends_where_it_is_said_to_end(void **state)
{
    int64_t minor = 77;

    (void)state;
    assert_int_equal(money_parse("12.345678", 5, 2, '.', &minor), ERR_none);
    assert_int_equal(minor, 1234);
    assert_int_equal(money_parse("1\0002", 3, 2, '.', &minor), ERR_amount_invalid);
}

static void test_amounts_as_text(void **state)
{
    char out[MONEY_TEXT_MAX];

    (void)state;
    assert_string_equal(money_text(0, 2, out), "0.00");
    assert_string_equal(money_text(0, 0, out), "0");
    assert_string_equal(money_text(-1, 2, out), "-0.01");
    assert_string_equal(money_text(123456, 2, out), "1234.56");
    assert_string_equal(money_text(-5, 0, out), "-5");
    assert_string_equal(money_text(INT64_MIN, 2, out), "-92233720368547758.08");
    assert_string_equal(money_text_grouped(99999, 2, out), "999.99");
    assert_string_equal(money_text_grouped(100000, 2, out), "1,000.00");
    assert_string_equal(money_text_grouped(-123456789, 2, out), "-1,234,567.89");
    assert_string_equal(money_text_grouped(1234567, 0, out), "1,234,567");
    assert_string_equal(money_text_grouped(123456, 0, out), "123,456");
    assert_string_equal(money_text_grouped(INT64_MIN, 0, out), "-9,223,372,036,854,775,808");
    assert_string_equal(money_text_grouped(INT64_MAX, 2, out), "92,233,720,368,547,758.07");
    assert_string_equal(money_text_grouped(INT64_MIN, 8, out), "-92,233,720,368.54775808");
}

static void assert_round_trip(int64_t minor, uint8_t exponent)
{
    char    out[MONEY_TEXT_MAX];
    char    grouped[MONEY_TEXT_MAX];
    char    plain[MONEY_TEXT_MAX];
    size_t  n = 0;
    int64_t back = ~minor;

    money_text(minor, exponent, out);
    assert_int_equal(money_parse(out, strlen(out), exponent, '.', &back), ERR_none);
    assert_true(back == minor);
    money_text_grouped(minor, exponent, grouped);
    for (const char *at = grouped; *at != '\0'; at++)
        if (*at != ',')
            plain[n++] = *at;
    plain[n] = '\0';
    assert_string_equal(plain, out);
}

static void test_every_amount_comes_back(void **state)
{
    struct random random = random_start(__func__);

    (void)state;
    for (uint8_t exponent = 0; exponent <= MONEY_EXPONENT_MAX; exponent++) {
        int64_t power = 1;

        assert_round_trip(INT64_MIN, exponent);
        assert_round_trip(INT64_MAX, exponent);
        for (int digits = 0; digits < 19; digits++, power *= digits < 19 ? 10 : 1)
            for (int64_t near = -1; near <= 1; near++) {
                assert_round_trip(power + near, exponent);
                assert_round_trip(-power + near, exponent);
            }
        for (int i = 0; i < ROUNDS / 10; i++)
            assert_round_trip(random_int64(&random), exponent);
    }
}

static void test_shares_round_half_away_from_zero(void **state)
{
    (void)state;
    assert_int_equal(ratio_basis_points(1, 0), 0);
    assert_int_equal(ratio_basis_points(0, 5), 0);
    assert_int_equal(ratio_basis_points(1, 3), 3333);
    assert_int_equal(ratio_basis_points(2, 3), 6667);
    assert_int_equal(ratio_basis_points(1, 20000), 1);
    assert_int_equal(ratio_basis_points(-1, 20000), -1);
    assert_int_equal(ratio_basis_points(1, -20000), -1);
    assert_int_equal(ratio_basis_points(-1, -20000), 1);
    assert_int_equal(ratio_basis_points(1, 20001), 0);
    assert_int_equal(ratio_basis_points(INT64_MAX, INT64_MAX), 10000);
    assert_int_equal(ratio_basis_points(INT64_MIN, INT64_MIN), 10000);
    assert_true(ratio_basis_points(INT64_MAX, 1) == INT64_MAX);
    assert_true(ratio_basis_points(INT64_MIN, 1) == INT64_MIN);
    assert_true(ratio_basis_points(INT64_MIN, -1) == INT64_MAX);
}

/* The nearest whole number: twice the rest is never above the denominator. */
static void test_shares_are_the_nearest(void **state)
{
    struct random random = random_start(__func__);

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t  numerator = random_int64(&random) / 20000;
        int64_t  denominator = random_int64(&random);
        __int128 rest;

        if (denominator == 0)
            continue;
        rest = (__int128)numerator * 10000
               - (__int128)ratio_basis_points(numerator, denominator) * denominator;
        rest = rest < 0 ? -rest : rest;
        assert_true(2 * rest <= (denominator < 0 ? -(__int128)denominator : denominator));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_currencies_are_found_by_each_key),
        cmocka_unit_test(test_currencies_have_their_decimals),
        cmocka_unit_test(test_sums_refuse_at_the_border),
        cmocka_unit_test(test_sums_agree_with_wider_arithmetic),
        cmocka_unit_test(test_texts_that_are_amounts),
        cmocka_unit_test(test_texts_that_are_no_amounts),
        cmocka_unit_test(test_text_ends_where_it_is_said_to_end),
        cmocka_unit_test(test_amounts_as_text),
        cmocka_unit_test(test_every_amount_comes_back),
        cmocka_unit_test(test_shares_round_half_away_from_zero),
        cmocka_unit_test(test_shares_are_the_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
