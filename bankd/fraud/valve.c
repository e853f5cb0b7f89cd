/* See valve.h. Sums are made when they are asked for: that is when a payment is stopped, which is
 * seldom, and then for the few rules that stop it. */
#include "bankd/fraud/valve.h"

#include "bankd/fraud/profile.h"
#include "common/check.h"

#include <string.h>

void valve_init(struct valve *valve, int64_t window_us)
{
    CHECK(window_us >= VALVE_BUCKETS);
    memset(valve, 0, sizeof *valve);
    valve->width_us = window_us / VALVE_BUCKETS;
    valve->newest = INT64_MIN;
}

/* Moves the window on; the buckets between are empty. */
static void advance(struct valve *valve, int64_t bucket)
{
    int64_t steps = valve->newest == INT64_MIN ? VALVE_BUCKETS : bucket - valve->newest;

    for (int64_t i = 0; i < steps && i < VALVE_BUCKETS; i++) {
        size_t slot = (size_t)((bucket - i) % VALVE_BUCKETS + VALVE_BUCKETS) % VALVE_BUCKETS;

        valve->payments[slot] = 0;
        for (size_t rule = 0; rule < LIMIT_RULES_MAX; rule++)
            valve->stopped[rule][slot] = 0;
    }
    valve->newest = bucket;
}

void valve_count(struct valve *valve, int64_t at_us, const struct fraud_rule_bits *stopping,
                 size_t rules)
{
    int64_t bucket = profile_bucket(at_us, valve->width_us);
    size_t  slot;

    if (bucket > valve->newest)
        advance(valve, bucket);
    slot = (size_t)(valve->newest % VALVE_BUCKETS + VALVE_BUCKETS) % VALVE_BUCKETS;
    valve->payments[slot]++;
    if (!fraud_rule_bits_any(stopping))
        return;
    for (size_t rule = 0; rule < rules; rule++)
        if (fraud_rule_bit(stopping, rule))
            valve->stopped[rule][slot]++;
}

struct valve_sum valve_sum(const struct valve *valve, size_t rule)
{
    struct valve_sum sum = { 0 };

    for (size_t slot = 0; slot < VALVE_BUCKETS; slot++) {
        sum.payments += valve->payments[slot];
        sum.stopped += valve->stopped[rule][slot];
    }
    return sum;
}

void valve_forget_rule(struct valve *valve, size_t rule)
{
    memset(valve->stopped[rule], 0, sizeof valve->stopped[rule]);
}
