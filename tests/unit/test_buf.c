/* Slices, UTF-8, bounded buffers and the arena, each at its border. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/check.h"
#include "tests/unit/random.h"

enum { ROUNDS = 50000 };

static void test_slices_compare_by_content(void **state)
{
    (void)state;
    assert_int_equal(slice_from(NULL).n, 0);
    assert_int_equal(slice_from("abc").n, 3);
    assert_true(slice_equal(slice_from("abc"), slice_of("abcd", 3)));
    assert_false(slice_equal(slice_from("abc"), slice_from("abd")));
    assert_false(slice_equal(slice_from("abc"), slice_from("ab")));
    assert_true(slice_equal(slice_from(NULL), slice_from("")));
    assert_true(slice_is(slice_of("key=", 3), "key"));
    assert_false(slice_is(slice_of("key=", 4), "key"));
    assert_true(slice_is(slice_from(NULL), ""));
}

/* The plain definition of the encoding is the judge: what it writes for a code is well-formed. */
static size_t encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static void test_every_character_is_known(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x120000; code++) {
        char     text[4];
        size_t   n = encode(code, text);
        uint32_t seen = UINT32_MAX;
        bool     is_one = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        bool     control = code < 0x20 || (code >= 0x7f && code <= 0x9f);

        assert_int_equal(slice_char(slice_of(text, n), &seen), is_one ? n : 0);
        assert_true(seen == (is_one ? code : UINT32_MAX));
        assert_int_equal(slice_char(slice_of(text, n - 1), &seen), 0);
        assert_true(char_is_control(code) == control);
        assert_true(slice_is_utf8(slice_of(text, n))
                    == (is_one && (!control || code == '\n' || code == '\t')));
    }
}

static void test_bad_utf8_is_refused(void **state)
{
    static const char *const bad[] = {
        "\x80",             /* a tail without a head */
        "\xc0\xaf",         /* a slash in two bytes */
        "\xc1\xbf",         /* as long as it need not be */
        "\xe0\x9f\xbf",     /* the same in three */
        "\xf0\x8f\xbf\xbf", /* and in four */
        "\xed\xa0\x80",     /* half of a surrogate pair */
        "\xf4\x90\x80\x80", /* past the last character */
        "\xf8\x88\x80\x80\x80",
        "\xff",
        "ab\xc3",           /* cut */
        "ab\xc3(",
        "ab\x1b[2J",        /* what a terminal would obey */
        "ab\x7f",
        "ab\xc2\x9b",
        "ab\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        if (slice_is_utf8(slice_from(bad[i])))
            fail_msg("case %zu is taken for good", i);
    assert_false(slice_is_utf8(slice_of("a\0b", 3)));
    assert_true(slice_is_utf8(slice_from("P\xc5\x99\xc3\xadli\xc5\xa1 \xf0\x9f\x92\xb6\n\t")));
    assert_true(slice_is_utf8(slice_of(NULL, 0)));
}

static void test_copy_cuts_between_characters(void **state)
{
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x92\xb6z";
    static const size_t kept[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 };

    (void)state;
    for (size_t size = 1; size <= ARRAY_COUNT(kept); size++) {
        char *out = malloc(size); /* its own block, so that a byte too much is seen */

        assert_non_null(out);
        assert_ptr_equal(slice_copy(slice_from(text), out, size), out);
        assert_int_equal(strlen(out), kept[size - 1]);
        assert_memory_equal(out, text, kept[size - 1]);
        free(out);
    }
}

static void test_buffer_grows_up_to_its_maximum(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_add(&buf, "x", 1), ERR_none);
    assert_int_equal(buf_add(&buf, "y", 1), ERR_message_too_large);
    assert_int_equal(buf_print(&buf, "y"), ERR_message_too_large);
    assert_int_equal(buf_reserve(&buf, SIZE_MAX), ERR_message_too_large);
    assert_int_equal(buf_add(&buf, "", 0), ERR_none);
    assert_int_equal(buf.n, 1000);
    assert_true(buf.capacity <= 1000);
    assert_null(memchr(buf.at, 'y', buf.n));
    buf_clear(&buf);
    assert_int_equal(buf.n, 0);
    assert_int_equal(buf_print(&buf, "%0*d", 1000, 7), ERR_none);
    assert_int_equal(buf.n, 1000);
    assert_int_equal(buf.at[999], '7');
    buf_free(&buf);
    assert_null(buf.at);
    assert_int_equal(buf_add(&buf, "again", 5), ERR_none);
    buf_free(&buf);
    buf_free(&buf);
}

static void test_buffer_without_room_takes_nothing(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 0);
    assert_int_equal(buf_add(&buf, "x", 1), ERR_message_too_large);
    assert_int_equal(buf_add(&buf, NULL, 0), ERR_none);
    assert_int_equal(buf_print(&buf, "%s", ""), ERR_none);
    assert_int_equal(buf.n, 0);
    buf_free(&buf);
}

/* The same adds to a buffer and to plain memory. */
static void test_buffer_keeps_every_byte(void **state)
{
    static char   model[20000];
    struct random random = random_start(__func__);
    size_t        n = 0;
    struct buf    buf;

    (void)state;
    buf_init(&buf, sizeof model - 1);
    for (int i = 0; i < ROUNDS; i++) {
        char     piece[64];
        size_t   length = random_below(&random, sizeof piece);
        enum err expected = n + length <= buf.max ? ERR_none : ERR_message_too_large;
        enum err err;

        for (size_t j = 0; j < length; j++)
            piece[j] = (char)(1 + random_below(&random, 255));
        if (random_below(&random, 2) == 0)
            err = buf_add(&buf, piece, length);
        else
            err = buf_print(&buf, "%.*s", (int)length, piece);
        assert_int_equal(err, expected);
        if (err == ERR_none) {
            memcpy(model + n, piece, length);
            n += length;
        }
        assert_int_equal(buf.n, n);
        if (random_below(&random, 1000) == 0) {
            assert_memory_equal(buf.at, model, n);
            buf_clear(&buf);
            n = 0;
        }
    }
    buf_free(&buf);
}

static void test_arena_gives_aligned_zeroed_pieces(void **state)
{
    struct random random = random_start(__func__);
    struct arena  arena;

    (void)state;
    assert_int_equal(arena_init(&arena, 4096), ERR_none);
    for (int round = 0; round < 1000; round++) {
        char  *end = arena.at;
        size_t n = random_below(&random, 300);
        char  *at;

        while ((at = arena_take(&arena, n)) != NULL) {
            assert_int_equal((uintptr_t)at % 16, 0);
            assert_true(at >= end && at + n <= arena.at + 4096);
            for (size_t i = 0; i < n; i++)
                assert_int_equal(at[i], 0);
            memset(at, 0xa5, n);
            end = at + n;
            n = 1 + random_below(&random, 300);
        }
        assert_true((size_t)(arena.at + 4096 - end) < n + 15);
        arena_reset(&arena);
    }
    assert_null(arena_take(&arena, 4097));
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_non_null(arena_take(&arena, 4096));
    assert_null(arena_take(&arena, 1));
    arena_free(&arena);
    assert_null(arena_take(&arena, 0));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices_compare_by_content),
        cmocka_unit_test(test_every_character_is_known),
        cmocka_unit_test(test_bad_utf8_is_refused),
        cmocka_unit_test(test_copy_cuts_between_characters),
        cmocka_unit_test(test_buffer_grows_up_to_its_maximum),
        cmocka_unit_test(test_buffer_without_room_takes_nothing),
        cmocka_unit_test(test_buffer_keeps_every_byte),
        cmocka_unit_test(test_arena_gives_aligned_zeroed_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
