/* Passwords (bankd/auth.h): what is right, what is wrong, and what cannot be told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bankd/auth.h"

static char hash[LIMIT_HASH_TEXT_MAX + 1];

static void test_right_and_wrong(void **state)
{
    (void)state;
    assert_int_equal(auth_hash("open sesame", 11, hash), ERR_none);
    assert_int_equal(auth_verify("open sesame", 11, hash), ERR_none);
    assert_int_equal(auth_verify("open barley", 11, hash), ERR_login_failed);
    assert_int_equal(auth_verify("open sesame", 11, NULL), ERR_login_failed);
    assert_int_equal(auth_verify("open sesame", 11, "no hash"), ERR_login_failed);
}

/* In a process of its own, which may have no more memory than it has. */
static enum err verify_without_memory(const char *with)
{
    int   status = -1;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = { .rlim_cur = 1024 * 1024, .rlim_max = 1024 * 1024 };

        _exit(setrlimit(RLIMIT_AS, &none) == 0 ? (int)auth_verify("open sesame", 11, with) : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (enum err)WEXITSTATUS(status);
}

static void test_too_little_memory_is_no_wrong_password(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* a sanitizer ends the process when it gets no memory */
#endif
    assert_int_equal(auth_hash("open sesame", 11, hash), ERR_none);
    assert_int_equal(verify_without_memory(hash), ERR_memory);
    assert_int_equal(verify_without_memory(NULL), ERR_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_and_wrong),
        cmocka_unit_test(test_too_little_memory_is_no_wrong_password),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
