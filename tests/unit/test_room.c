/* Room that the process needs: what is there is given back, what is not is named. Limits of a
 * process can only be lowered, so each is set in a child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "common/room.h"

enum { MIB = 1024 * 1024 };

static const struct room small = { .files = 64, .threads = 4, .bytes = 8 * MIB };

/* 0 = the check answered `wanted` and its text has `word`; under a limit that only a child has. */
static int ask_under(int resource, rlim_t most, const struct room *need, enum err wanted,
                     const char *word)
{
    struct rlimit limit = { .rlim_cur = most, .rlim_max = most };
    int           status;
    pid_t         child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct fault fault = { 0 };
        enum err     err;

        if (setrlimit(resource, &limit) != 0)
            _exit(2);
        err = room_check(need, &fault);
        _exit(err == wanted && strstr(fault.text, word) != NULL ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_what_is_there_is_given_back(void **state)
{
    struct fault fault = { 0 };

    (void)state;
    for (int i = 0; i < 200; i++)
        assert_int_equal(room_check(&small, &fault), ERR_none);
}

static void test_too_few_files_are_named(void **state)
{
    (void)state;
    assert_int_equal(
        ask_under(RLIMIT_NOFILE, 63, &small, ERR_process_limit, "63 files open and needs 64"), 0);
    assert_int_equal(ask_under(RLIMIT_NOFILE, 64, &small, ERR_none, ""), 0);
}

static void test_a_limit_of_files_that_may_be_raised_is_raised(void **state)
{
    struct rlimit before;
    struct rlimit limit;
    struct fault  fault = { 0 };

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = 20;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(room_check(&small, &fault), ERR_none);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 64);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* A sanitizer takes terabytes of addresses for itself. */
static void test_too_little_memory_is_named(void **state)
{
    const struct room large = { .files = 64, .threads = 4, .bytes = 4096 * (int64_t)MIB };
    const struct room many = { .files = 64, .threads = 500, .bytes = MIB };

    (void)state;
    assert_int_equal(
        ask_under(RLIMIT_AS, 1024 * (rlim_t)MIB, &large, ERR_process_limit, "not 4096 MiB"), 0);
    assert_int_equal(ask_under(RLIMIT_AS, 1024 * (rlim_t)MIB, &many, ERR_process_limit, "threads"),
                     0);
    assert_int_equal(ask_under(RLIMIT_AS, 1024 * (rlim_t)MIB, &small, ERR_none, ""), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_there_is_given_back),
        cmocka_unit_test(test_too_few_files_are_named),
        cmocka_unit_test(test_a_limit_of_files_that_may_be_raised_is_raised),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(test_too_little_memory_is_named),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
