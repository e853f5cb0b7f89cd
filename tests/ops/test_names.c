/* Names that readers share: what was told is found, by kind, number and version; numbers that meet
 * in one place never answer for each other. */
#include "bankd/names.h"
#include "common/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct uuid id_of(int64_t number)
{
    struct uuid id = { { 0 } };

    memcpy(id.bytes, &number, sizeof number);
    return id;
}

static void put(struct names *names, enum names_kind kind, int64_t number, const char *text)
{
    struct uuid id = id_of(number);

    names_put(names, kind, number, names_version(names), &id, slice_from(text));
}

static bool is_known(struct names *names, enum names_kind kind, int64_t number, const char *text)
{
    struct uuid id = id_of(number);
    struct name name;

    if (!names_get(names, kind, number, names_version(names), &name))
        return false;
    assert_true(slice_is(slice_of(name.text, name.n), text));
    assert_true(uuid_equal(&name.id, &id));
    return true;
}

static void test_told_and_found(void **state)
{
    struct names *names = NULL;

    (void)state;
    assert_int_equal(names_open(&names), ERR_none);
    assert_false(is_known(names, NAMES_ACCOUNT, 7, ""));
    put(names, NAMES_ACCOUNT, 7, "Ada");
    put(names, NAMES_PARTY, 7, "merchant:7");
    put(names, NAMES_ACCOUNT, 8, "");
    assert_true(is_known(names, NAMES_ACCOUNT, 7, "Ada"));
    assert_true(is_known(names, NAMES_PARTY, 7, "merchant:7"));
    assert_true(is_known(names, NAMES_ACCOUNT, 8, ""));
    assert_false(is_known(names, NAMES_PARTY, 8, ""));
    put(names, NAMES_ACCOUNT, 7, "Bea");
    assert_true(is_known(names, NAMES_ACCOUNT, 7, "Bea"));
    names_close(&names);
}

static void test_numbers_that_meet(void **state)
{
    struct names *names = NULL;

    (void)state;
    assert_int_equal(names_open(&names), ERR_none);
    put(names, NAMES_ACCOUNT, 5, "near");
    assert_false(is_known(names, NAMES_ACCOUNT, 5 + LIMIT_NAMES_KEPT, "near"));
    put(names, NAMES_ACCOUNT, 5 + LIMIT_NAMES_KEPT, "far");
    assert_true(is_known(names, NAMES_ACCOUNT, 5 + LIMIT_NAMES_KEPT, "far"));
    assert_false(is_known(names, NAMES_ACCOUNT, 5, "near"));
    put(names, NAMES_ACCOUNT, 0, "nobody");
    assert_false(is_known(names, NAMES_ACCOUNT, 0, "nobody"));
    names_close(&names);
}

static void test_longest(void **state)
{
    struct names *names = NULL;
    char          text[NAMES_TEXT_MAX + 2];

    (void)state;
    memset(text, 'x', sizeof text);
    assert_int_equal(names_open(&names), ERR_none);
    text[NAMES_TEXT_MAX + 1] = '\0';
    put(names, NAMES_ACCOUNT, 1, text);
    assert_false(is_known(names, NAMES_ACCOUNT, 1, text));
    text[NAMES_TEXT_MAX] = '\0';
    put(names, NAMES_ACCOUNT, 1, text);
    assert_true(is_known(names, NAMES_ACCOUNT, 1, text));
    names_close(&names);
}

/* Who took the version before a change neither finds what was told after it, nor tells those who
 * came later. */
static void test_versions(void **state)
{
    struct names *names = NULL;
    struct uuid   id = id_of(3);
    struct name   name;
    uint32_t      before;

    (void)state;
    assert_int_equal(names_open(&names), ERR_none);
    before = names_version(names);
    assert_true(before != 0);
    put(names, NAMES_ACCOUNT, 3, "old");
    names_changed(names);
    assert_false(is_known(names, NAMES_ACCOUNT, 3, "old"));
    names_put(names, NAMES_ACCOUNT, 3, before, &id, slice_from("old"));
    assert_false(is_known(names, NAMES_ACCOUNT, 3, "old"));
    put(names, NAMES_ACCOUNT, 3, "new");
    assert_false(names_get(names, NAMES_ACCOUNT, 3, before, &name));
    assert_true(is_known(names, NAMES_ACCOUNT, 3, "new"));
    names_close(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told_and_found),
        cmocka_unit_test(test_numbers_that_meet),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_versions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
