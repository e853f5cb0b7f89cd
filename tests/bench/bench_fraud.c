/* What the fraud engine costs: nanoseconds of CPU for judging a payment and folding it, with a
 * finding of one in four, into both sides' profiles, over a hot set of entities and over one larger
 * than the caches: by the shipped rules, and by them with a scorecard that asks for the whole
 * catalogue, which is more than a learned one does.
 *
 * The best of several rounds counts, because other programs only ever add time. Prints one line
 * for each set and fails when the rules cannot be read, or when a round allocates. */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bankd/fraud/features.h"
#include "bankd/fraud/fraud.h"
#include "bankd/fraud/rules.h"
#include "common/check.h"
#include "common/clock.h"
#include "tests/fraud/shipped.h"
#include "tests/unit/random.h"

enum { ROUNDS = 7, EVENTS = 200000 };

/* Ten bins for every feature that still has room among the slots. */
static void add_card(struct fraud_rules *rules)
{
    static char  text[LIMIT_RULES_FILE_MAX];
    struct fault fault = { 0 };
    size_t       used = (size_t)snprintf(text, sizeof text, "card 1 base 20\n");
    size_t       parts = 0;

    for (size_t f = 0; f < FEATURE_COUNT && parts < CARD_PARTS_MAX; f += 2, parts++) {
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "feature %s cuts 1 3 10 30 100 300 1000 3000 10000 "
                                 "points -3 2 -1 1 3 -2 1 2 -1 3\n",
                                 feature_rows[f].name);
    }
    used += (size_t)snprintf(text + used, sizeof text - used, "end\n");
    if (fraud_rules_card(rules, slice_of(text, used), "card", &fault) != ERR_none) {
        fprintf(stderr, "bench_fraud: %s:%s\n", fault.field, fault.text);
        exit(1);
    }
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static struct fraud_event make_event(struct random *random, int64_t at_us, size_t entities)
{
    return (struct fraud_event){
        .at_us = at_us,
        .amount = 100 + (int64_t)random_below(random, 20000),
        .unit = 100,
        .type = random_below(random, 4) == 0 ? TYPE_TRANSFER : TYPE_PAYMENT,
        .balance = 100000 + (int64_t)random_below(random, 500000),
        .counterparty = 1 + (int64_t)random_below(random, entities),
    };
}

/* One round over `entities` profiles; nanoseconds for each payment. */
static int64_t run_round(const struct fraud_rules *rules, struct fraud_profile *profiles,
                         size_t entities, int64_t *at_us, uint64_t *sum)
{
    struct random               random = { .state = 7 };
    static struct fraud_verdict verdict;
    int64_t                     began = now_ns();

    for (size_t i = 0; i < EVENTS; i++) {
        struct fraud_event    event = make_event(&random, *at_us, entities);
        int64_t               subject = 1 + (int64_t)random_below(&random, entities);
        struct fraud_profile *own = &profiles[subject - 1];
        struct fraud_profile *other = &profiles[event.counterparty - 1];

        *at_us += US_PER_HOUR / (int64_t)entities;
        fraud_judge(rules, own, other, &event, false, &verdict);
        *sum += (uint64_t)verdict.score + verdict.decision_size;
        event.status = STATUS_COMPLETED;
        fraud_observe(own, &event, FRAUD_SUBJECT, event.counterparty);
        fraud_observe(other, &event, FRAUD_COUNTERPARTY, subject);
        if (i % 4 == 0)
            fraud_observe_label(other, event.at_us + 7 * US_PER_DAY, i % 64 == 0);
    }
    return (now_ns() - began) / EVENTS;
}

static void bench(const struct fraud_rules *rules, const char *by, const char *name,
                  size_t entities)
{
    struct fraud_profile *profiles = aligned_alloc(64, entities * sizeof *profiles);
    int64_t               best = INT64_MAX;
    int64_t               at_us = 20000 * US_PER_DAY;
    uint64_t              sum = 0;

    CHECK(profiles != NULL);
    for (size_t i = 0; i < entities; i++)
        fraud_profile_init(&profiles[i]);
    for (int round = 0; round < ROUNDS; round++) {
        size_t  before = mallinfo2().uordblks;
        int64_t ns = run_round(rules, profiles, entities, &at_us, &sum);

        CHECK(mallinfo2().uordblks == before);
        best = ns < best ? ns : best;
    }
    printf("fraud judge + observe of both sides by %zu features of %s, %-5s %6zu entities: "
           "%5lld ns (check %llu)\n",
           rules->slot_count, by, name, entities, (long long)best, (unsigned long long)sum);
    free(profiles);
}

int main(void)
{
    struct fraud_rules *rules = shipped_rules();

    bench(rules, "rules", "hot,", 1000);
    bench(rules, "rules", "cold,", 100000);
    add_card(rules);
    bench(rules, "rules and card", "hot,", 1000);
    bench(rules, "rules and card", "cold,", 100000);
    fraud_rules_free(&rules);
    return 0;
}
