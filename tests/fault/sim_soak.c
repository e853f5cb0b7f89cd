/* Runs the simulation (tests/lib/sim.h) with one seed after the other and prints what was done.
 *
 * usage: sim_soak SECONDS SEED [OPERATIONS]
 *
 * Seeds count up from SEED; each bank lives for OPERATIONS (default 5000), and no new one begins
 * when SECONDS are over. A violation prints its seed, and `sim_soak 0 THAT_SEED` does it again. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/check.h"
#include "tests/lib/sim.h"

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Each in a process of its own, so that nothing of the one before is left. */
static int run_apart(uint64_t seed, int64_t operations, struct sim_figures *figures)
{
    int   ends[2];
    int   status = 1;
    pid_t child;

    CHECK(pipe(ends) == 0);
    fflush(stdout);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        sim_start();
        sim_run(seed, operations, figures);
        CHECK(write(ends[1], figures, sizeof *figures) == (ssize_t)sizeof *figures);
        _exit(0);
    }
    close(ends[1]);
    if (read(ends[0], figures, sizeof *figures) != (ssize_t)sizeof *figures)
        status = 1;
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void print(const char *what, const struct sim_figures *f)
{
    printf("%s: %lld operations (%lld posts, %lld repeated, %lld refused, %lld looked up, "
           "%lld reversed, %lld frozen or not, %lld on alerts, %lld undone, %lld on lists and "
           "settings, %lld on rules, %lld approved, %lld on cases, %lld expired, %lld entries "
           "by two, %lld rules "
           "stepped down, %lld restored, %lld thresholds moved, %lld labels), %lld sessions (%lld "
           "logged out, %lld acts of another role), %lld messages (%lld "
           "dropped, %lld doubled), %lld commits (%lld failed), "
           "%lld crashes (%lld within a commit), %lld proofs, digest %016llx\n",
           what, (long long)f->operations, (long long)f->posts, (long long)f->repeats,
           (long long)f->refusals, (long long)f->lookups, (long long)f->reversed,
           (long long)f->frozen, (long long)f->alerts, (long long)f->undone, (long long)f->steered,
           (long long)f->rules, (long long)f->approved, (long long)f->cases, (long long)f->expired,
           (long long)f->seconded, (long long)f->stepped, (long long)f->restored,
           (long long)f->moved, (long long)f->labels, (long long)f->sessions, (long long)f->logouts,
           (long long)f->denied, (long long)f->messages, (long long)f->dropped,
           (long long)f->doubled, (long long)f->commits, (long long)f->commits_failed,
           (long long)f->crashes, (long long)f->crashes_within, (long long)f->proofs,
           (unsigned long long)f->digest);
}

int main(int argc, char **argv)
{
    struct sim_figures sum = { 0 };
    int64_t            end_ms;
    uint64_t           seed;
    int64_t            operations;

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: sim_soak SECONDS SEED [OPERATIONS]\n");
        return 2;
    }
    end_ms = now_ms() + strtoll(argv[1], NULL, 10) * 1000;
    seed = strtoull(argv[2], NULL, 10);
    operations = argc == 4 ? strtoll(argv[3], NULL, 10) : 5000;
    do {
        struct sim_figures figures = { 0 };
        char               what[64];

        snprintf(what, sizeof what, "seed %llu", (unsigned long long)seed);
        if (run_apart(seed, operations, &figures) != 0) {
            fprintf(stderr, "again: sim_soak 0 %llu %lld\n", (unsigned long long)seed,
                    (long long)operations);
            return 1;
        }
        print(what, &figures);
        sim_add(&sum, &figures);
        seed++;
    } while (now_ms() < end_ms);
    print("all", &sum);
    return 0;
}
