/* What is usual for an account, from what its profile keeps: the baseline that a payment is told
 * against, and the normal range of each feature. Pure, integers only, like all of this folder. */
#ifndef BANKD_FRAUD_HABIT_H
#define BANKD_FRAUD_HABIT_H

#include "bankd/fraud/features.h"
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

/* What is usual for a feature that is about the account itself; false where that has no meaning
 * (totals, extremes, and means over all time are the norm themselves), and as long as the account
 * has fewer than 5 payments of the kind or is younger than the window.
 *
 * With n payments in all, in d seconds from the first act to the last, a window of w seconds is
 * expected to have e = n w / d of them, and, because payments that come independently scatter by
 * the root of their number:
 *
 *   figure                                     lower end                 upper end
 *   -----------------------------------------  ------------------------  ------------------------
 *   counts                                     e - 2 sqrt(e)             e + 2 sqrt(e)
 *   sums                                       e m - t                   e m + t
 *   means (from 0 where the window may well
 *   have no payment; e at least 1)             m - 2 s / sqrt(e)         m + 2 s / sqrt(e)
 *   different counterparties                   0                         as many as payments
 *   time since the last one                    0                         3 d / n
 *   mean of 7 days in percent of 30 days'      100 - 200 s / (m r)       100 + 200 s / (m r)
 *   count of a day in percent of the month's   100 - 200 / sqrt(e)       100 + 200 / sqrt(e)
 *   frauds                                     0                         0
 *
 * m is the mean and s the deviation of outgoing amounts; of incoming ones no deviation is kept,
 * and s = m is taken. t is 2 sqrt(e (m^2 + s^2)), r is sqrt(e of 7 days). Below 0 is 0; bounds are
 * rounded outwards. About 19 of 20 values lie inside. */
bool habit_normal(const struct profile *profile, enum feature feature, int64_t *low, int64_t *high);

#endif
