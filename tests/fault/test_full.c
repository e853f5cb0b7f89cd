/* Fills the disk at every size that a day's run passes through, lets the clients try on a full
 * disk for a while, and frees it again. On the full disk every refusal says so and nothing of a
 * refused group is there; the same open bank serves on when there is room, and the books end as
 * they would have. A power cut on the full disk loses nothing either.
 *
 * BANK_FULL_STEP is the step of the limit in bytes (default 9973; the smaller the more exact),
 * BANK_TEST_SEED another script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/lib/fault_bank.h"

enum { POSTS = 60, STEP = 9973, TRIES = 3 };

static int setting(const char *name, int otherwise)
{
    const char *given = getenv(name);

    return given != NULL ? (int)strtol(given, NULL, 10) : otherwise;
}

/* A run with the disk limited to so much; false when everything fitted. */
static bool fill_and_free(struct fault_bank *bank, int64_t limit)
{
    struct fault_memory memory;
    struct fault_disk  *disk = NULL;
    int                 group = 0;
    enum err            err;
    bool                filled;

    fault_bank_reset(bank);
    fault_disk_limit(limit);
    err = fault_bank_open(bank);
    while (err == ERR_none && group < bank->group_count && fault_disk_refusals() == 0)
        err = fault_bank_group(bank, group++);
    for (int i = 0; i < TRIES && bank->writer != NULL && group > 0; i++)
        (void)fault_bank_group(bank, group - 1);
    filled = fault_disk_refusals() > 0;
    disk = fault_disk_cut(FAULT_CUT_TEAR, (uint64_t)limit);
    fault_bank_remember(bank, &memory);
    fault_disk_limit(0);
    if (bank->writer == NULL)
        CHECK(fault_bank_open(bank) == ERR_none);
    fault_bank_check(bank);
    fault_bank_finish(bank, 0);
    fault_bank_check(bank);
    fault_bank_relive(bank, disk, &memory);
    fault_disk_free(&disk);
    return filled;
}

static void test_full_disk_is_told_and_survived(void **state)
{
    struct fault_bank *bank = fault_bank_make(POSTS, "full");
    int64_t            step = setting("BANK_FULL_STEP", STEP);
    int64_t            limit;
    int64_t            tried = 0;

    (void)state;
    fault_bank_reset(bank);
    limit = fault_disk_size();
    for (; fill_and_free(bank, limit); limit += step)
        tried++;
    printf("%lld sizes of disk; storage_full %lld times\n", (long long)tried,
           (long long)bank->errors[ERR_storage_full]);
    for (int err = 1; err < ERR_count; err++)
        assert_true(err == ERR_storage_full || bank->errors[err] == 0);
    assert_true(bank->errors[ERR_storage_full] >= tried);
    fault_bank_free(&bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_full_disk_is_told_and_survived) };

    if (sodium_init() < 0)
        return 1;
    fault_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
