/* See sim.h. Here is the run: time passes, what has arrived is taken, the bank works, clients act,
 * and now and then something happens to all of them. */
#include "tests/lib/sim_impl.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/check.h"
#include "common/log.h"

enum {
    STEP_US = 12000,
    COMPARE_EVERY = 16, /* steps */
    PROVE_EVERY = 1500,
    CRASH_ONE_IN = 200,
    NIGHT_ONE_IN = 150,
    PAUSE_ONE_IN = 40,
    END_ONE_IN = 200,
    PAUSE_MINUTES = 25,
    STEPS_MAX = 1000, /* for each operation: a run ends */
    FULL_PERCENT = 3,
};

_Noreturn void sim_fail(const struct sim *sim, const char *what)
{
    fprintf(stderr, "simulation failed: seed %llu, step %lld: %s\n", (unsigned long long)sim->seed,
            (long long)sim->step, what);
    exit(1);
}

/* Whatever libsodium draws, and whatever is drawn from the kernel, comes from the seed too. */
static struct random dice;

ssize_t getrandom(void *bytes, size_t n, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)random_next(&dice);
    return (ssize_t)n;
}

static const char *dice_name(void)
{
    return "simulation";
}

static uint32_t dice_random(void)
{
    return (uint32_t)random_next(&dice);
}

static void dice_fill(void *bytes, size_t n)
{
    CHECK(getrandom(bytes, n, 0) == (ssize_t)n);
}

void sim_start(void)
{
    static struct randombytes_implementation seeded = { .implementation_name = dice_name,
                                                        .random = dice_random,
                                                        .buf = dice_fill };

    CHECK(randombytes_set_implementation(&seeded) == 0);
    CHECK(sodium_init() >= 0);
    fault_vfs_register();
    log_set_level(LOG_ERROR);
}

static void deliver(struct sim *sim)
{
    static struct sim_message message;

    while (sim_due(sim, &message)) {
        if (message.to_bank)
            sim_bank_take(sim, &message);
        else
            sim_client_hear(sim, &message);
    }
}

/* The moment at which a hold ends, or one before or after. */
static void go_to_end_of_hold(struct sim *sim)
{
    size_t  hold = sim_model_next_hold(sim);
    int64_t at_us = hold == SIM_NONE ? 0
                                     : sim->posts[hold].hold_until_us - 1 +
                                           (int64_t)random_below(&sim->random, 3);

    if (at_us > sim->now_us)
        sim->now_us = at_us;
}

static void happen(struct sim *sim)
{
    if (sim_chance(sim, 40))
        sim_bank_rest(sim);
    if (sim_chance(sim, 60))
        sim_label_import(sim);
    if (sim_chance(sim, 100))
        sim_bank_expire(sim);
    if (sim_chance(sim, NIGHT_ONE_IN))
        sim->now_us += (int64_t)random_below(&sim->random, 14) * US_PER_HOUR;
    if (sim_chance(sim, END_ONE_IN))
        go_to_end_of_hold(sim);
    if (sim_chance(sim, PAUSE_ONE_IN))
        sim->now_us += (int64_t)random_below(&sim->random, PAUSE_MINUTES) * US_PER_MINUTE;
    if (sim_chance(sim, CRASH_ONE_IN)) {
        sim_bank_crash(sim, (enum fault_cut)random_below(&sim->random, 3));
        sim_model_compare(sim);
    }
}

static void step(struct sim *sim)
{
    sim->step++;
    sim->now_us += 1 + (int64_t)random_below(&sim->random, STEP_US);
    deliver(sim);
    if (sim_chance(sim, 2)) /* else more queues up */
        sim_bank_work(sim);
    for (int i = 0; i < SIM_CLIENTS; i++)
        sim_client_step(sim, &sim->clients[i]);
    happen(sim);
    if (sim->step % COMPARE_EVERY == 0)
        sim_model_compare(sim);
    if (sim->step % PROVE_EVERY == 0)
        sim_model_prove(sim);
}

void sim_run(uint64_t seed, int64_t operations, struct sim_figures *figures)
{
    struct sim *sim = calloc(1, sizeof *sim);

    CHECK(sim != NULL);
    sim->posts = calloc(SIM_POSTS_MAX, sizeof *sim->posts);
    CHECK(sim->posts != NULL);
    sim->seed = seed;
    sim->wanted = operations;
    sim->random.state = seed;
    dice.state = ~seed;
    sim->now_us = INT64_C(1700000000000000);
    sim_net_open(sim);
    sim_bank_open(sim);
    sim_clients_open(sim);
    sim->full_percent = FULL_PERCENT;
    while (sim->figures.operations < operations || !sim_clients_idle(sim)) {
        SIM_REQUIRE(sim, sim->step < operations * STEPS_MAX, "clients wait for ever");
        step(sim);
    }
    sim_bank_crash(sim, FAULT_CUT_LOSE);
    sim_model_prove(sim);
    sim_bank_close(sim);
    *figures = sim->figures;
    free(sim->posts);
    free(sim->messages);
    free(sim);
}

void sim_add(struct sim_figures *sum, const struct sim_figures *more)
{
    sum->operations += more->operations;
    sum->posts += more->posts;
    sum->repeats += more->repeats;
    sum->refusals += more->refusals;
    sum->lookups += more->lookups;
    sum->messages += more->messages;
    sum->dropped += more->dropped;
    sum->doubled += more->doubled;
    sum->commits += more->commits;
    sum->commits_failed += more->commits_failed;
    sum->crashes += more->crashes;
    sum->crashes_within += more->crashes_within;
    sum->reversed += more->reversed;
    sum->frozen += more->frozen;
    sum->alerts += more->alerts;
    sum->expired += more->expired;
    sum->rules += more->rules;
    sum->steered += more->steered;
    sum->cases += more->cases;
    sum->approved += more->approved;
    sum->undone += more->undone;
    sum->seconded += more->seconded;
    sum->restored += more->restored;
    sum->stepped += more->stepped;
    sum->moved += more->moved;
    sum->labels += more->labels;
    sum->sessions += more->sessions;
    sum->logouts += more->logouts;
    sum->denied += more->denied;
    sum->proofs += more->proofs;
    sum->digest ^= more->digest;
}
