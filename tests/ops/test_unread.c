/* Replies that nobody has collected (bankd/unread.h): who may owe how much, and who is answered
 * though others owe all there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdint.h>
#include <string.h>

#include "bankd/unread.h"
#include "common/limits.h"

enum { FILES_MAX = 64, COPIES_MAX = 4096, LONG_BYTES = 512 * 1024, SHORT_BYTES = 1000 };

static bool has_no_memory;

/* The linker puts it in the place of malloc, and gives that another name (see the Makefile). */
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

void *__wrap_malloc(size_t n)
{
    return has_no_memory ? NULL : __real_malloc(n);
}

struct shelf {
    struct unread *unread;
    void          *copies[COPIES_MAX];
    size_t         count;
    struct buf     reply;
};

static void open_shelf(struct shelf *shelf)
{
    memset(shelf, 0, sizeof *shelf);
    assert_int_equal(unread_open(FILES_MAX, &shelf->unread), ERR_none);
    buf_init(&shelf->reply, LIMIT_REPLY_MAX);
}

static void give_back(struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++)
        unread_forget(shelf->copies[i], shelf->unread);
    shelf->count = 0;
}

static void close_shelf(struct shelf *shelf)
{
    give_back(shelf);
    unread_close(&shelf->unread);
    assert_null(shelf->unread);
    buf_free(&shelf->reply);
}

static bool make(struct shelf *shelf, uint64_t session, int file, bool must_go, size_t n)
{
    static const char zeros[4096];
    void             *copy;

    buf_clear(&shelf->reply);
    for (size_t left = n; left > 0; left -= left < sizeof zeros ? left : sizeof zeros)
        assert_int_equal(buf_add(&shelf->reply, zeros, left < sizeof zeros ? left : sizeof zeros),
                         ERR_none);
    copy = unread_make(shelf->unread, session, file, must_go, &shelf->reply);
    if (copy == NULL)
        return false;
    assert_memory_equal(copy, shelf->reply.at, n);
    assert_true(shelf->count < COPIES_MAX);
    shelf->copies[shelf->count++] = copy;
    return true;
}

/* How many go before there is no room. */
static int fill(struct shelf *shelf, uint64_t session, int file, size_t n)
{
    int count = 0;

    while (make(shelf, session, file, false, n))
        count++;
    return count;
}

static void test_a_session_owes_so_much_and_no_more(void **state)
{
    struct shelf shelf;

    (void)state;
    open_shelf(&shelf);
    assert_int_equal(fill(&shelf, 7, 3, LONG_BYTES), LIMIT_UNREAD_BYTES_MAX / LONG_BYTES - 1);
    assert_false(make(&shelf, 7, 4, false, LONG_BYTES));
    assert_true(make(&shelf, 8, 5, false, LONG_BYTES));
    give_back(&shelf);
    assert_true(make(&shelf, 7, 4, false, LONG_BYTES));
    close_shelf(&shelf);
}

static void test_who_reads_gets_short_answers_whatever_others_owe(void **state)
{
    struct shelf shelf;

    (void)state;
    open_shelf(&shelf);
    fill(&shelf, 7, 3, LONG_BYTES);
    fill(&shelf, 7, 3, SHORT_BYTES); /* its own measure too */
    assert_false(make(&shelf, 7, 3, true, SHORT_BYTES));
    for (int file = 4; file < 20; file++) {
        assert_false(make(&shelf, 7, file, false, LONG_BYTES));
        assert_int_equal(fill(&shelf, 7, file, SHORT_BYTES),
                         LIMIT_UNREAD_OWN_BYTES_MAX / (SHORT_BYTES + 24));
    }
    close_shelf(&shelf);
}

static void test_what_was_done_is_told_though_it_is_long(void **state)
{
    struct shelf shelf;

    (void)state;
    open_shelf(&shelf);
    fill(&shelf, 7, 3, LONG_BYTES);
    fill(&shelf, 7, 3, SHORT_BYTES);
    assert_false(make(&shelf, 7, 4, false, LONG_BYTES));
    assert_true(make(&shelf, 7, 4, true, LONG_BYTES));
    assert_false(make(&shelf, 7, 4, true, LONG_BYTES)); /* it does not read either */
    close_shelf(&shelf);
}

static void test_all_together_owe_no_more_than_there_is(void **state)
{
    struct shelf shelf;
    int          count = 0;

    (void)state;
    open_shelf(&shelf);
    for (uint64_t session = 1; session <= 64; session++)
        count += fill(&shelf, session, (int)(session % FILES_MAX), LONG_BYTES);
    assert_in_range(count, 1, LIMIT_UNREAD_ALL_BYTES_MAX / LONG_BYTES);
    assert_true(make(&shelf, 99, 63, false, SHORT_BYTES));
    close_shelf(&shelf);
}

/* What was kept for it from the start carries so many, each so long; given back it carries more. */
static void test_short_answers_go_out_without_memory(void **state)
{
    struct shelf shelf;

    (void)state;
    open_shelf(&shelf);
    assert_true(make(&shelf, 7, 3, false, LIMIT_UNREAD_SPARE_BYTES + 1));
    has_no_memory = true;
    assert_false(make(&shelf, 7, 3, true, LIMIT_UNREAD_SPARE_BYTES + 1));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(fill(&shelf, 7, 3, LIMIT_UNREAD_SPARE_BYTES), LIMIT_UNREAD_SPARES);
        give_back(&shelf);
    }
    has_no_memory = false;
    close_shelf(&shelf);
}

static void test_only_who_owes_much_himself_is_deaf(void **state)
{
    struct shelf shelf;

    (void)state;
    open_shelf(&shelf);
    assert_false(unread_is_deaf(shelf.unread, 7, 3));
    assert_true(make(&shelf, 7, 3, false, LONG_BYTES));
    assert_false(unread_is_deaf(shelf.unread, 7, 3)); /* the session has room */
    fill(&shelf, 7, 3, LONG_BYTES);
    assert_true(unread_is_deaf(shelf.unread, 7, 3));
    assert_false(unread_is_deaf(shelf.unread, 7, 4));
    assert_false(unread_is_deaf(shelf.unread, 8, 3));
    give_back(&shelf);
    assert_false(unread_is_deaf(shelf.unread, 7, 3));
    assert_true(make(&shelf, 0, -1, false, SHORT_BYTES)); /* unknown, of nobody */
    close_shelf(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_session_owes_so_much_and_no_more),
        cmocka_unit_test(test_who_reads_gets_short_answers_whatever_others_owe),
        cmocka_unit_test(test_what_was_done_is_told_though_it_is_long),
        cmocka_unit_test(test_all_together_owe_no_more_than_there_is),
        cmocka_unit_test(test_short_answers_go_out_without_memory),
        cmocka_unit_test(test_only_who_owes_much_himself_is_deaf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
