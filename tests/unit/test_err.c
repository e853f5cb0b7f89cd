/* Errors: the one list and its lookups, what a fault keeps of a stranger's text, TRY, and the end
 * that a CHECK makes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "tests/unit/random.h"

enum { ROUNDS = 50000 };

static void test_a_disk_without_room_is_known_by_its_errno(void **state)
{
    (void)state;
    assert_true(err_no_room(ENOSPC) && err_no_room(EDQUOT) && err_no_room(EFBIG));
    assert_false(err_no_room(0) || err_no_room(EIO) || err_no_room(EACCES));
}

static void test_every_error_is_whole(void **state)
{
    (void)state;
    for (int i = 1; i < ERR_count; i++) {
        enum err    err = (enum err)i;
        const char *what = err_what(err);
        const char *next = err_next(err);

        assert_int_equal(err_from_name(err_name(err)), err);
        assert_true(what[0] >= 'A' && what[0] <= 'Z');
        assert_true(next[0] >= 'A' && next[0] <= 'Z');
        assert_int_not_equal(what[strlen(what) - 1], '.');
        assert_int_not_equal(next[strlen(next) - 1], '.');
        assert_int_not_equal(err_class(err), ERR_CLASS_NONE);
        for (int j = 1; j < i; j++)
            assert_string_not_equal(err_name(err), err_name((enum err)j));
    }
}

static void test_names_and_classes(void **state)
{
    (void)state;
    assert_string_equal(err_name(ERR_none), "none");
    assert_string_equal(err_name(ERR_insufficient_funds), "insufficient_funds");
    assert_int_equal(err_from_name("none"), ERR_none);
    assert_int_equal(err_from_name("no_such_name"), ERR_internal);
    assert_int_equal(err_from_name(""), ERR_internal);
    assert_int_equal(err_class(ERR_none), ERR_CLASS_NONE);
    assert_int_equal(err_class(ERR_field_missing), ERR_CLASS_INPUT);
    assert_int_equal(err_class(ERR_role_denied), ERR_CLASS_DENIED);
    assert_int_equal(err_class(ERR_id_reused), ERR_CLASS_CONFLICT);
    assert_int_equal(err_class(ERR_busy), ERR_CLASS_AWAY);
    assert_int_equal(err_class(ERR_outcome_unknown), ERR_CLASS_UNKNOWN);
    assert_int_equal(err_class(ERR_storage), ERR_CLASS_INTERNAL);
    assert_string_equal(err_class_name(ERR_CLASS_DENIED), "denied");
    for (int class = ERR_CLASS_NONE; class <= ERR_CLASS_UNKNOWN; class ++)
        assert_true(strlen(err_class_promise((enum err_class) class)) > 0);
    assert_string_not_equal(err_class_promise(ERR_CLASS_UNKNOWN),
                            err_class_promise(ERR_CLASS_INPUT));
}

static void test_fault_says_what_it_was_given(void **state)
{
    struct fault fault = { .retry_after_ms = 5 };

    (void)state;
    assert_int_equal(fault_set(&fault, ERR_field_invalid, "amount", "%d is below %d", 3, 4),
                     ERR_field_invalid);
    assert_int_equal(fault.err, ERR_field_invalid);
    assert_string_equal(fault.field, "amount");
    assert_string_equal(fault.text, "3 is below 4");
    assert_int_equal(fault.retry_after_ms, 0);
    assert_int_equal(fault_set(NULL, ERR_busy, "x", "y"), ERR_busy);
    assert_int_equal(fault_set(&fault, ERR_io, fault.field, "line 7: %s", fault.text), ERR_io);
    assert_string_equal(fault.field, "amount");
    assert_string_equal(fault.text, "line 7: 3 is below 4");
    assert_int_equal(fault_set(&fault, ERR_memory, NULL, NULL), ERR_memory);
    assert_string_equal(fault.field, "");
    assert_string_equal(fault.text, "");
}

static void test_fault_keeps_only_good_text(void **state)
{
    struct fault fault;

    (void)state;
    fault_set(&fault, ERR_malformed, "a\nb", "%s", "tick \x1b[2J\xff\xc3\xa9\xc2\x9b end");
    assert_string_equal(fault.field, "a?b");
    assert_string_equal(fault.text, "tick ?[2J?\xc3\xa9? end");
}

static void test_fault_is_cut_between_characters(void **state)
{
    (void)state;
    for (int shift = 0; shift < 8; shift++) {
        char         text[FAULT_TEXT_MAX * 2];
        struct fault fault;
        size_t       n = 0;

        while (n < (size_t)shift)
            text[n++] = 'x';
        for (; n + 3 < sizeof text; n += 3)
            memcpy(text + n, "\xe2\x82\xac", 3);
        text[n] = '\0';
        fault_set(&fault, ERR_malformed, text, "%s", text);
        assert_true(slice_is_utf8(slice_from(fault.text)));
        assert_null(strchr(fault.text, '?'));
        assert_true(strlen(fault.text) > FAULT_TEXT_MAX - 4);
        assert_true(slice_is_utf8(slice_from(fault.field)));
        assert_true(strlen(fault.field) > FAULT_FIELD_MAX - 4);
    }
}

static void test_no_bytes_make_a_bad_fault(void **state)
{
    struct random random = random_start(__func__);

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        char         text[FAULT_TEXT_MAX * 2];
        size_t       n = random_below(&random, sizeof text - 1);
        struct fault fault;

        for (size_t j = 0; j < n; j++)
            text[j] = (char)(1 + random_below(&random, 255));
        text[n] = '\0';
        fault_set(&fault, ERR_malformed, text, "%s", text);
        assert_true(slice_is_utf8(slice_from(fault.text)));
        assert_true(slice_is_utf8(slice_from(fault.field)));
        assert_null(strpbrk(fault.text, "\n\t"));
    }
}

static enum err pass_up(enum err err, int *after)
{
    TRY(err);
    (*after)++;
    return ERR_none;
}

static void test_try_leaves_at_the_first_error(void **state)
{
    int after = 0;

    (void)state;
    assert_int_equal(pass_up(ERR_busy, &after), ERR_busy);
    assert_int_equal(after, 0);
    assert_int_equal(pass_up(ERR_none, &after), ERR_none);
    assert_int_equal(after, 1);
}

static void give_terminal_back(void)
{
    static const char text[] = "[terminal back]";

    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(9);
}

static void test_check_stops_the_program(void **state)
{
    char    text[1024];
    size_t  n = 0;
    ssize_t got;
    int     ends[2];
    int     status;
    pid_t   child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        check_before_abort = give_terminal_back;
        CHECK(child == 0);
        CHECK(child == 1);
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_ptr_equal(strstr(text, "[terminal back]"), text);
    assert_non_null(strstr(text, "test_err.c:"));
    assert_non_null(strstr(text, "child == 1\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_error_is_whole),
        cmocka_unit_test(test_a_disk_without_room_is_known_by_its_errno),
        cmocka_unit_test(test_names_and_classes),
        cmocka_unit_test(test_fault_says_what_it_was_given),
        cmocka_unit_test(test_fault_keeps_only_good_text),
        cmocka_unit_test(test_fault_is_cut_between_characters),
        cmocka_unit_test(test_no_bytes_make_a_bad_fault),
        cmocka_unit_test(test_try_leaves_at_the_first_error),
        cmocka_unit_test(test_check_stops_the_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
