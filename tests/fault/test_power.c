/* Pulls the plug at every sync point of a run of 200 posts: what was not synced is lost, kept, or
 * torn sector by sector. The bank that comes up again must have every acknowledged act exactly
 * once, nothing by halves, and books that prove themselves; then the clients repeat what they got
 * no answer to, and the day ends as it would have without the cut; and the plug is pulled once
 * more on the way.
 *
 * BANK_CUTS tells how many torn disks are tried at each point (default 2); BANK_CUTS_WRITES=1 cuts
 * before every write too; BANK_TEST_SEED tries another script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/lib/fault_bank.h"

enum { POSTS = 200, WINDOW = 100, LATER_SYNCS = 5 };

struct moment {
    struct fault_disk  *disk;
    struct fault_memory memory;
};

struct run {
    struct fault_bank *bank;
    struct moment     *moments;
    size_t             count;
    size_t             points;
    size_t             from; /* the points before were tried in an earlier run of the day */
    size_t             cuts;
    struct moment      later;   /* a cut after the cut */
    size_t             syncs;   /* since the first one */
    size_t             seconds; /* second cuts */
    int                tears;
};

static int setting(const char *name, int otherwise)
{
    const char *given = getenv(name);

    return given != NULL ? (int)strtol(given, NULL, 10) : otherwise;
}

static void keep(struct run *run, enum fault_cut cut, uint64_t seed)
{
    struct moment *moment = &run->moments[run->count++];

    moment->disk = fault_disk_cut(cut, seed);
    fault_bank_remember(run->bank, &moment->memory);
}

static void before_sync(void *context)
{
    struct run *run = context;

    run->points++;
    if (run->points <= run->from || run->points > run->from + WINDOW)
        return;
    keep(run, FAULT_CUT_LOSE, 0);
    keep(run, FAULT_CUT_KEEP, 0);
    for (int i = 0; i < run->tears; i++)
        keep(run, FAULT_CUT_TEAR, run->points * 1000 + (uint64_t)i);
}

/* A second cut while the bank comes up from the first one and goes on. */
static void before_later_sync(void *context)
{
    struct run *run = context;

    if (run->syncs++ != run->count % LATER_SYNCS)
        return;
    run->later.disk = fault_disk_cut(FAULT_CUT_TEAR, run->points * 1000 + run->count);
    fault_bank_remember(run->bank, &run->later.memory);
}

static void live_through(struct run *run, const struct moment *moment)
{
    run->syncs = 0;
    run->count++;
    fault_bank_wake(run->bank, moment->disk, &moment->memory);
    fault_watch(before_later_sync, run, false);
    fault_bank_live(run->bank);
    fault_watch(NULL, NULL, false);
    if (run->later.disk != NULL)
        fault_bank_relive(run->bank, run->later.disk, &run->later.memory);
    run->seconds += run->later.disk != NULL;
    fault_disk_free(&run->later.disk);
}

/* Lives the day, keeps the moments of some points, and lives through each of them again. */
static void try_window(struct run *run)
{
    size_t kept;

    run->points = 0;
    run->count = 0;
    fault_bank_reset(run->bank);
    fault_watch(before_sync, run, setting("BANK_CUTS_WRITES", 0) != 0);
    assert_int_equal(fault_bank_open(run->bank), ERR_none);
    fault_bank_finish(run->bank, 0);
    fault_bank_check(run->bank);
    fault_bank_close(run->bank);
    fault_watch(NULL, NULL, false);
    kept = run->count;
    for (size_t i = 0; i < kept; i++) {
        live_through(run, &run->moments[i]);
        fault_disk_free(&run->moments[i].disk);
    }
    run->cuts += kept;
}

static void test_every_cut_is_survived(void **state)
{
    struct run run = { .tears = setting("BANK_CUTS", 2) };

    (void)state;
    run.bank = fault_bank_make(POSTS, "power");
    run.moments = calloc((size_t)(run.tears + 2) * WINDOW, sizeof *run.moments);
    assert_non_null(run.moments);
    do {
        try_window(&run);
        run.from += WINDOW;
    } while (run.points > run.from);
    printf("%zu points, %zu cuts, %zu second ones\n", run.points, run.cuts, run.seconds);
    assert_int_equal(run.cuts, run.points * (size_t)(run.tears + 2));
    assert_true(run.points > (size_t)run.bank->group_count);
    assert_true(run.bank->witnessed > run.bank->group_count / 3);
    free(run.moments);
    fault_bank_free(&run.bank);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_cut_is_survived) };

    if (sodium_init() < 0)
        return 1;
    fault_vfs_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
