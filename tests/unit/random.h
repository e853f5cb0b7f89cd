/* Seeded random numbers for property tests: the same seed gives the same run. BANK_TEST_SEED in
 * the environment tries another one; a failure prints the seed to try again with. */
#ifndef TESTS_UNIT_RANDOM_H
#define TESTS_UNIT_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    uint64_t x;

    random->state += UINT64_C(0x9e3779b97f4a7c15);
    x = random->state;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* 0 .. below - 1 */
static inline uint64_t random_below(struct random *random, uint64_t below)
{
    return random_next(random) % below;
}

/* Any int64_t, each length in bits as likely as every other, so that small ones are tried too. */
static inline int64_t random_int64(struct random *random)
{
    uint64_t bits = random_next(random) >> random_below(random, 64);

    return (int64_t)((random_next(random) & 1) != 0 ? ~bits : bits);
}

static inline struct random random_start(const char *test)
{
    const char   *given = getenv("BANK_TEST_SEED");
    struct random random = { .state = given != NULL ? strtoull(given, NULL, 10) : 20261122 };

    printf("%s: BANK_TEST_SEED=%llu\n", test, (unsigned long long)random.state);
    return random;
}

#endif
