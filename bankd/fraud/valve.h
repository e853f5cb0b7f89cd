/* The safety valve's counters: of the payments of a sliding window, how many each rule holds or
 * declines. Buckets of a twelfth of the window; a bucket that is older than the window is
 * forgotten whole. Pure, like the rest of the folder: time comes with the payment, and payments
 * come in the order of their time, or late, and then they are counted in the newest bucket. */
#ifndef BANKD_FRAUD_VALVE_H
#define BANKD_FRAUD_VALVE_H

#include "bankd/fraud/fraud.h"

enum { VALVE_BUCKETS = 12 };

struct valve {
    int64_t  width_us; /* of a bucket */
    int64_t  newest;   /* number of the newest bucket */
    uint32_t payments[VALVE_BUCKETS];
    uint32_t stopped[LIMIT_RULES_MAX][VALVE_BUCKETS];
};

struct valve_sum {
    int64_t payments;
    int64_t stopped;
};

/* Empty, for a window of so many microseconds (at least VALVE_BUCKETS). */
void valve_init(struct valve *valve, int64_t window_us);
/* Counts a payment and the rules that stop it; `rules` is how many the rule set has. */
void valve_count(struct valve *valve, int64_t at_us, const struct fraud_rule_bits *stopping,
                 size_t rules);
struct valve_sum valve_sum(const struct valve *valve, size_t rule);
void             valve_forget_rule(struct valve *valve, size_t rule);

/* Whether the rule stops more than its share. A share of 0 is never too much. */
static inline bool valve_is_too_much(struct valve_sum sum, int64_t share_bp, int64_t minimum)
{
    return share_bp > 0 && sum.payments >= minimum && sum.stopped * 10000 > share_bp * sum.payments;
}

#endif
