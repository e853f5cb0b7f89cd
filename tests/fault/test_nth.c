/* Fails the N-th read, write, sync, open, truncation, other call, allocation of SQLite's, and
 * allocation of the bank's own, for N = 1, 2, 3, ... until a whole day's run meets none; once as a
 * single failure, once as a disk that stays broken for a while. The same open bank must go on: the
 * next try succeeds, nothing is doubled, the error was one that says what to do. And were the
 * process killed or the plug pulled right after an error, then what was refused with "nothing
 * changed" must not come back to life.
 *
 * A run costs some 10 ms, most of it for opening what an end would leave, and a day has 26,000
 * allocations. So children try side by side, each its share of the numbers on a disk of its own;
 * what two ends would leave alike is opened once; and by default every 97th allocation is tried.
 *
 * BANK_NTH_POSTS is the length of the run (default 40), BANK_NTH_STEP the step of N (by default
 * each for rare kinds, 2 for reads, 3 for writes, 97 for SQLite's allocations), BANK_NTH_JOBS the
 * number of children (default: one for each core), BANK_TEST_SEED another script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "tests/lib/fault_bank.h"

enum { POSTS = 40, STEP = 97, LASTING = 40, CUTS = 3, JOBS_MAX = 64 };

struct after {
    struct fault_disk  *disks[CUTS];
    struct fault_memory memory;
};

/* What a child has found, in memory that its parent sees. */
struct share {
    int64_t at, more;   /* the failure that it tries now */
    int64_t tried[2];   /* single failures, lasting ones */
    int64_t unknown[2]; /* how often clients heard outcome_unknown then */
    int64_t errors[ERR_count];
};

static int setting(const char *name, int otherwise)
{
    const char *given = getenv(name);

    return given != NULL ? (int)strtol(given, NULL, 10) : otherwise;
}

/* The disks that an end at this moment would leave: one, where all was synced. */
static void keep(struct fault_bank *bank, struct after *after, uint64_t seed)
{
    after->disks[0] = fault_disk_cut(FAULT_CUT_KEEP, 0);
    after->disks[1] = fault_disk_cut(FAULT_CUT_LOSE, 0);
    after->disks[2] = fault_disk_cut(FAULT_CUT_TEAR, seed);
    for (int i = 1; i < CUTS; i++)
        if (fault_disk_same(after->disks[0], after->disks[i]))
            fault_disk_free(&after->disks[i]);
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

/* A child's share of the numbers: each `jobs`-th from `first` on. */
static void try_share(unsigned kind, const char *name, int step, int first, int jobs,
                      struct share *out)
{
    struct fault_bank *bank = fault_bank_make((size_t)setting("BANK_NTH_POSTS", POSTS), name);

    for (int pass = 0; pass < 2; pass++) {
        int64_t each = (int64_t)step * (pass + 1);
        int64_t before = bank->errors[ERR_outcome_unknown];

        out->more = pass == 0 ? 0 : LASTING;
        for (out->at = 1 + first * each; try_one(bank, kind, out->at, out->more);
             out->at += jobs * each)
            out->tried[pass]++;
        out->unknown[pass] = bank->errors[ERR_outcome_unknown] - before;
    }
    memcpy(out->errors, bank->errors, sizeof out->errors);
    fault_bank_free(&bank);
}

static void wait_for(pid_t child, const char *name, const struct share *share)
{
    int status = 0;

    CHECK(waitpid(child, &status, 0) == child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s: call %lld fails, and %lld more, and the bank does not bear it", name,
                 (long long)share->at, (long long)share->more);
}

static void tell(const char *name, const struct share *sum)
{
    printf("%s: %lld single failures, %lld lasting ones;", name, (long long)sum->tried[0],
           (long long)sum->tried[1]);
    for (int err = 1; err < ERR_count; err++)
        if (sum->errors[err] > 0)
            printf(" %s %lld", err_name((enum err)err), (long long)sum->errors[err]);
    printf("\n");
}

static struct share try_all(unsigned kind, const char *name, int step)
{
    struct share  sum = { 0 };
    int           jobs = setting("BANK_NTH_JOBS", (int)sysconf(_SC_NPROCESSORS_ONLN));
    pid_t         children[JOBS_MAX];
    size_t        size = JOBS_MAX * sizeof(struct share);
    struct share *shares =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(shares != MAP_FAILED && jobs > 0 && jobs <= JOBS_MAX);
    fflush(NULL);
    for (int i = 0; i < jobs; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            try_share(kind, name, step, i, jobs, &shares[i]);
            fflush(NULL);
            _exit(0);
        }
    }
    for (int i = 0; i < jobs; i++) {
        wait_for(children[i], name, &shares[i]);
        for (int pass = 0; pass < 2; pass++) {
            sum.tried[pass] += shares[i].tried[pass];
            sum.unknown[pass] += shares[i].unknown[pass];
        }
        for (int err = 0; err < ERR_count; err++)
            sum.errors[err] += shares[i].errors[err];
    }
    munmap(shares, size);
    tell(name, &sum);
    assert_true(sum.tried[0] > 0);
    assert_int_equal(sum.errors[ERR_storage_corrupt], 0); /* nothing is broken */
    return sum;
}

/* A group whose COMMIT was not synced is buried under another commit, and its clients hear that
 * nothing was changed; only where that cannot be synced either, nobody can know. */
static void test_syncs(void **state)
{
    struct share sum = try_all(FAULT_SYNC, "sync", 1);

    (void)state;
    assert_int_equal(sum.unknown[0], 0);
    assert_true(sum.unknown[1] > 0);
}

static void test_writes(void **state)
{
    (void)state;
    try_all(FAULT_WRITE, "write", setting("BANK_NTH_STEP", 3));
}

static void test_reads(void **state)
{
    (void)state;
    try_all(FAULT_READ, "read", setting("BANK_NTH_STEP", 2));
}

static void test_opens(void **state)
{
    (void)state;
    try_all(FAULT_OPEN, "open", 1);
}

static void test_truncations(void **state)
{
    (void)state;
    try_all(FAULT_TRUNCATE | FAULT_OTHER, "truncate, size, access, shared memory", 1);
}

static void test_allocations(void **state)
{
    (void)state;
    try_all(FAULT_MEMORY, "memory", setting("BANK_NTH_STEP", STEP));
}

static void test_own_allocations(void **state)
{
    (void)state;
    try_all(FAULT_OWN_MEMORY, "memory of the bank's own", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syncs),           cmocka_unit_test(test_writes),
        cmocka_unit_test(test_reads),           cmocka_unit_test(test_opens),
        cmocka_unit_test(test_truncations),     cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_own_allocations),
    };

    if (sodium_init() < 0)
        return 1;
    fault_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
