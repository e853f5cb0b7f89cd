/* UUIDs: form, order within a process and between threads, text both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "common/ident.h"
#include "tests/unit/random.h"

enum { ROUNDS = 100000, THREADS = 4, PER_THREAD = 20000 };

#define SOME_MOMENT_US INT64_C(1795364324123456)

static void test_new_id_has_its_form(void **state)
{
    struct uuid id = uuid_v7(SOME_MOMENT_US);

    (void)state;
    assert_true(uuid_is_v7(&id));
    assert_false(uuid_is_zero(&id));
    assert_int_equal(uuid_v7_ms(&id), SOME_MOMENT_US / 1000);
}

/* Also when the clock stands still, and when it is put back by less than the step. */
static void test_ids_ascend(void **state)
{
    struct random random = random_start(__func__);
    int64_t       now_us = SOME_MOMENT_US + INT64_C(60000000);
    struct uuid   before = uuid_v7(now_us);

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t     wobble_us = (int64_t)random_below(&random, 3) * 900000 - 900000;
        struct uuid id = uuid_v7(now_us + wobble_us);

        assert_true(uuid_is_v7(&id));
        assert_true(uuid_compare(&before, &id) < 0);
        before = id;
    }
}

static void test_clock_put_far_back_starts_anew(void **state)
{
    struct uuid late = uuid_v7(SOME_MOMENT_US + INT64_C(3600000000));
    struct uuid early = uuid_v7(SOME_MOMENT_US);

    (void)state;
    assert_int_equal(uuid_v7_ms(&late), (SOME_MOMENT_US + INT64_C(3600000000)) / 1000);
    assert_int_equal(uuid_v7_ms(&early), SOME_MOMENT_US / 1000);
}

static void test_times_are_clamped(void **state)
{
    struct uuid ends;
    struct uuid starts;

    (void)state;
    ends = uuid_v7(INT64_MAX);
    assert_int_equal(uuid_v7_ms(&ends), (INT64_C(1) << 48) - 1);
    starts = uuid_v7(-1);
    assert_int_equal(uuid_v7_ms(&starts), 0);
    assert_true(uuid_is_v7(&ends));
    assert_true(uuid_is_v7(&starts));
}

struct maker {
    pthread_t   thread;
    struct uuid ids[PER_THREAD];
};

static void *make_ids(void *argument)
{
    struct maker *maker = argument;

    for (int i = 0; i < PER_THREAD; i++)
        maker->ids[i] = uuid_v7(SOME_MOMENT_US);
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    return uuid_compare(a, b);
}

static void test_threads_never_make_the_same_id(void **state)
{
    static struct maker makers[THREADS];
    static struct uuid  all[THREADS * PER_THREAD];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&makers[i].thread, NULL, make_ids, &makers[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(makers[i].thread, NULL), 0);
        memcpy(all + i * PER_THREAD, makers[i].ids, sizeof makers[i].ids);
        for (int j = 1; j < PER_THREAD; j++)
            assert_true(uuid_compare(&makers[i].ids[j - 1], &makers[i].ids[j]) < 0);
    }
    qsort(all, ARRAY_COUNT(all), sizeof all[0], compare_ids);
    for (size_t i = 1; i < ARRAY_COUNT(all); i++)
        assert_false(uuid_equal(&all[i - 1], &all[i]));
}

static void test_derived_id_keeps_its_bytes(void **state)
{
    static const uint8_t tail[10] = { 0xff, 0x12, 0xff, 4, 5, 6, 7, 8, 9, 10 };
    struct uuid          id = uuid_v7_derived(SOME_MOMENT_US, tail);
    struct uuid          again = uuid_v7_derived(SOME_MOMENT_US + 400, tail);
    char                 out[UUID_TEXT_MAX];

    (void)state;
    assert_true(uuid_is_v7(&id));
    assert_true(uuid_equal(&id, &again)); /* the same millisecond */
    assert_string_equal(uuid_text(&id, out), "01a2040d-831b-7f12-bf04-05060708090a");
}

static void test_derived_ids_differ_with_their_tails(void **state)
{
    struct random random = random_start(__func__);

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        uint8_t     tail[10];
        uint8_t     other[10];
        int         bit = (int)random_below(&random, 80);
        int64_t     at_us = random_int64(&random);
        struct uuid a;
        struct uuid b;

        if (bit < 4 || (bit >= 16 && bit < 18))
            continue; /* these make room for version and variant */
        for (int j = 0; j < 10; j++)
            tail[j] = (uint8_t)random_next(&random);
        memcpy(other, tail, sizeof tail);
        other[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        a = uuid_v7_derived(at_us, tail);
        b = uuid_v7_derived(at_us, other);
        assert_true(uuid_is_v7(&a) && uuid_is_v7(&b));
        assert_false(uuid_equal(&a, &b));
        assert_int_equal(uuid_v7_ms(&a), uuid_v7_ms(&b));
    }
}

static void test_other_versions_are_seen(void **state)
{
    struct uuid id = uuid_v7(SOME_MOMENT_US);
    struct uuid zero = { { 0 } };

    (void)state;
    assert_true(uuid_is_zero(&zero));
    assert_false(uuid_is_v7(&zero));
    for (int version = 0; version < 16; version++) {
        id.bytes[6] = (uint8_t)(version << 4 | (id.bytes[6] & 15));
        assert_true(uuid_is_v7(&id) == (version == 7));
    }
    id.bytes[6] = 0x70;
    for (int variant = 0; variant < 4; variant++) {
        id.bytes[8] = (uint8_t)(variant << 6 | 1);
        assert_true(uuid_is_v7(&id) == (variant == 2));
    }
}

static void test_every_id_comes_back_from_text(void **state)
{
    struct random random = random_start(__func__);

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct uuid id;
        struct uuid back = { { 0 } };
        char        out[UUID_TEXT_MAX];

        for (int j = 0; j < 16; j++)
            id.bytes[j] = (uint8_t)random_next(&random);
        uuid_text(&id, out);
        assert_int_equal(strlen(out), 36);
        for (char *at = out; i % 2 == 1 && *at != '\0'; at++)
            if (*at >= 'a' && *at <= 'f')
                *at = (char)(*at - 'a' + 'A');
        assert_int_equal(uuid_parse(out, 36, &back), ERR_none);
        assert_true(uuid_equal(&id, &back));
    }
}

/* One byte changed to any other value: only hexadecimal digits and the hyphens pass. */
static void test_texts_that_are_no_ids(void **state)
{
    static const char good[] = "019d0000-1234-7abc-89de-f0123456789a";
    struct uuid       id = { { 1 } };
    struct uuid       before = id;

    (void)state;
    for (size_t at = 0; at < 36; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[UUID_TEXT_MAX];
            bool hyphen = at == 8 || at == 13 || at == 18 || at == 23;
            bool hex = byte != 0 && strchr("0123456789abcdefABCDEF", byte) != NULL;
            bool passes = hyphen ? byte == '-' : hex;

            memcpy(text, good, sizeof text);
            text[at] = (char)byte;
            id = before;
            assert_int_equal(uuid_parse(text, 36, &id), passes ? ERR_none : ERR_id_invalid);
            assert_true(passes || uuid_equal(&id, &before));
        }
    }
    assert_int_equal(uuid_parse(good, 35, &id), ERR_id_invalid);
    assert_int_equal(uuid_parse(good, 37, &id), ERR_id_invalid);
    assert_int_equal(uuid_parse(good, 0, &id), ERR_id_invalid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_id_has_its_form),
        cmocka_unit_test(test_ids_ascend),
        cmocka_unit_test(test_clock_put_far_back_starts_anew),
        cmocka_unit_test(test_times_are_clamped),
        cmocka_unit_test(test_threads_never_make_the_same_id),
        cmocka_unit_test(test_derived_id_keeps_its_bytes),
        cmocka_unit_test(test_derived_ids_differ_with_their_tails),
        cmocka_unit_test(test_other_versions_are_seen),
        cmocka_unit_test(test_every_id_comes_back_from_text),
        cmocka_unit_test(test_texts_that_are_no_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
