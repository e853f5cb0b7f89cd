/* Fails the N-th read, write, sync, open, truncation, other call, and allocation of SQLite's, for
 * N = 1, 2, 3, ... until a whole day's run meets none; once as a single failure, once as a disk
 * that stays broken for a while. The same open bank must go on: the next try succeeds, nothing is
 * doubled, the error was one that says what to do. And were the process killed or the plug pulled
 * right after an error, then what was refused with "nothing changed" must not come back to life.
 *
 * BANK_NTH_POSTS is the length of the run (default 40), BANK_NTH_STEP the step of N (by default
 * each for rare kinds, 2 for reads, 3 for writes, 97 for the twenty thousand allocations),
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

enum { POSTS = 40, STEP = 97, LASTING = 40, CUTS = 3 };

struct after {
    struct fault_disk  *disks[CUTS];
    struct fault_memory memory;
};

static int setting(const char *name, int otherwise)
{
    const char *given = getenv(name);

    return given != NULL ? (int)strtol(given, NULL, 10) : otherwise;
}

/* The disks that an end at this moment would leave. */
static void keep(struct fault_bank *bank, struct after *after, uint64_t seed)
{
    after->disks[0] = fault_disk_cut(FAULT_CUT_KEEP, 0);
    after->disks[1] = fault_disk_cut(FAULT_CUT_LOSE, 0);
    after->disks[2] = fault_disk_cut(FAULT_CUT_TEAR, seed);
    fault_bank_remember(bank, &after->memory);
}

static void run_day(struct fault_bank *bank, struct after *after, int64_t n)
{
    enum err err = ERR_none;

    for (int group = 0; err == ERR_none && group < bank->group_count; group++) {
        err = fault_bank_group(bank, group);
        if (err != ERR_none)
            keep(bank, after, (uint64_t)n);
    }
    fault_bank_finish(bank, 0);
}

/* One run with the n-th call failing; whether any did. */
static bool try_one(struct fault_bank *bank, unsigned kind, int64_t n, int64_t more)
{
    struct after after = { .disks = { NULL } };
    int64_t      fired;

    fault_bank_reset(bank);
    fault_arm(kind, n, more);
    for (int i = 0; fault_bank_open(bank) != ERR_none; i++) {
        CHECK(i <= 2 * LASTING);
        if (i == LASTING)
            fault_disarm();
    }
    run_day(bank, &after, n);
    fired = fault_fired();
    fault_disarm();
    fault_bank_check(bank);
    fault_bank_close(bank);
    for (int i = 0; i < CUTS; i++) {
        if (after.disks[i] != NULL)
            fault_bank_relive(bank, after.disks[i], &after.memory);
        fault_disk_free(&after.disks[i]);
    }
    return fired > 0;
}

/* `unknown` (may be NULL) tells how often clients heard outcome_unknown, of single failures and of
 * lasting ones. */
static void try_all(unsigned kind, const char *name, int step, int64_t unknown[2])
{
    struct fault_bank *bank = fault_bank_make((size_t)setting("BANK_NTH_POSTS", POSTS), name);
    int64_t            tried = 0;
    int64_t            lasting = 0;

    for (int64_t n = 1; try_one(bank, kind, n, 0); n += step)
        tried++;
    if (unknown != NULL)
        unknown[0] = bank->errors[ERR_outcome_unknown];
    for (int64_t n = 1; try_one(bank, kind, n, LASTING); n += 2 * step)
        lasting++;
    if (unknown != NULL)
        unknown[1] = bank->errors[ERR_outcome_unknown] - unknown[0];
    printf("%s: %lld single failures, %lld lasting ones;", name, (long long)tried,
           (long long)lasting);
    for (int err = 1; err < ERR_count; err++)
        if (bank->errors[err] > 0)
            printf(" %s %lld", err_name((enum err)err), (long long)bank->errors[err]);
    printf("\n");
    assert_true(tried > 0);
    fault_bank_free(&bank);
}

/* A group whose COMMIT was not synced is buried under another commit, and its clients hear that
 * nothing was changed; only where that cannot be synced either, nobody can know. */
static void test_syncs(void **state)
{
    int64_t unknown[2];

    (void)state;
    try_all(FAULT_SYNC, "sync", 1, unknown);
    assert_int_equal(unknown[0], 0);
    assert_true(unknown[1] > 0);
}

static void test_writes(void **state)
{
    (void)state;
    try_all(FAULT_WRITE, "write", setting("BANK_NTH_STEP", 3), NULL);
}

static void test_reads(void **state)
{
    (void)state;
    try_all(FAULT_READ, "read", setting("BANK_NTH_STEP", 2), NULL);
}

static void test_opens(void **state)
{
    (void)state;
    try_all(FAULT_OPEN, "open", 1, NULL);
}

static void test_truncations(void **state)
{
    (void)state;
    try_all(FAULT_TRUNCATE | FAULT_OTHER, "truncate, size, access, shared memory", 1, NULL);
}

static void test_allocations(void **state)
{
    (void)state;
    try_all(FAULT_MEMORY, "memory", setting("BANK_NTH_STEP", STEP), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syncs),       cmocka_unit_test(test_writes),
        cmocka_unit_test(test_reads),       cmocka_unit_test(test_opens),
        cmocka_unit_test(test_truncations), cmocka_unit_test(test_allocations),
    };

    if (sodium_init() < 0)
        return 1;
    fault_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
