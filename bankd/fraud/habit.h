/* What is usual for an account, from what its profile keeps: the baseline that a payment is told
 * against, and the normal range of each feature. Pure, integers only, like all of this folder. */
#ifndef BANKD_FRAUD_HABIT_H
#define BANKD_FRAUD_HABIT_H

#include "bankd/fraud/fraud.h"

/* An outgoing payment beside the account's earlier ones. */
struct fraud_baseline {
    int64_t payments; /* earlier outgoing ones */
    int64_t median;   /* about: within its class of amounts, two of which make a power of two */
    int64_t mean;
    int64_t largest;
    int64_t ratio_x100;     /* the amount in hundredths of the median */
    int64_t larger_than_bp; /* about which share of earlier amounts is smaller */
    int64_t hour_bp;        /* share of earlier ones at this hour of the day */
};

/* False where nothing can be compared: incoming, not a customer's act, or fewer than 5 earlier. */
bool fraud_baseline(const struct fraud_profile *profile, const struct fraud_event *event,
                    struct fraud_baseline *out);

#endif
