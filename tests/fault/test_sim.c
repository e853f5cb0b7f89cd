/* A fixed share of the simulation (tests/lib/sim.h): the same seeds at every run, and the proof
 * that a seed is all that a run depends on. BANK_SIM_SEEDS tells how many (default 8); `make soak`
 * tries fresh ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/sim.h"

enum { OPERATIONS = 5000, FIRST_SEED = 20261122 };

static void test_the_bank_does_what_the_model_says(void **state)
{
    const char        *given = getenv("BANK_SIM_SEEDS");
    int                seeds = given != NULL ? (int)strtol(given, NULL, 10) : 8;
    struct sim_figures sum = { 0 };

    (void)state;
    for (int i = 0; i < seeds; i++) {
        struct sim_figures figures;

        sim_run(FIRST_SEED + (uint64_t)i, OPERATIONS, &figures);
        sim_add(&sum, &figures);
    }
    printf("%lld operations, %lld crashes (%lld within a commit), %lld messages lost of %lld\n",
           (long long)sum.operations, (long long)sum.crashes, (long long)sum.crashes_within,
           (long long)sum.dropped, (long long)sum.messages);
    assert_true(sum.operations >= (int64_t)seeds * OPERATIONS);
    assert_true(sum.repeats > 0 && sum.lookups > 0 && sum.expired > 0 && sum.doubled > 0);
    assert_true(sum.reversed > 0 && sum.frozen > 0 && sum.alerts > 0);
    assert_true(sum.undone > 0 && sum.steered > 0 && sum.approved > 0 && sum.cases > 0);
    assert_true(sum.seconded > 0 && sum.stepped > 0 && sum.restored > 0 && sum.moved > 0);
    assert_true(sum.labels > 0);
    assert_true(sum.sessions > 0 && sum.logouts > 0 && sum.denied > 0);
    assert_true(sum.commits_failed > 0 && sum.crashes_within > 0);
}

static void test_a_seed_is_a_run(void **state)
{
    struct sim_figures first, again, other;

    (void)state;
    sim_run(1, 1000, &first);
    sim_run(1, 1000, &again);
    sim_run(2, 1000, &other);
    assert_memory_equal(&first, &again, sizeof first);
    assert_true(first.digest != other.digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_seed_is_a_run),
        cmocka_unit_test(test_the_bank_does_what_the_model_says),
    };

    sim_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
