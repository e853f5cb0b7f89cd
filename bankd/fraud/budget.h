/* The alert budget: from which score on an alert is raised, so that a day brings about as many as
 * people can look at.
 *
 * Payments are counted by day (UTC) and score, ten points to a bin; the day at hand and the seven
 * before it are kept. What a threshold would bring is the mean of the whole days, or what the day
 * at hand has brought already when that is more: so a sudden flood moves the threshold at once, and
 * a quiet morning does not.
 *
 * So that it does not flap, the threshold rises only when the budget is passed by a tenth, and
 * falls only when a fifth of it is left over, and never before a whole day was seen. For given
 * counts it is the lowest that keeps the budget, and stays there.
 *
 * Payments that a rule sends to people whatever their score are in the uppermost bin: no threshold
 * is above them, and they use up the budget first. Pure; integers only. */
#ifndef BANKD_FRAUD_BUDGET_H
#define BANKD_FRAUD_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BUDGET_DAYS = 8, /* the day at hand and those before it */
    BUDGET_STEP = 10,
    BUDGET_BINS = 101,
    BUDGET_LOWEST = 100, /* no threshold is below it; lower scores are not counted */
    BUDGET_PACKED_MAX = 5 + BUDGET_DAYS * (2 + (BUDGET_BINS - BUDGET_LOWEST / BUDGET_STEP) * 5),
};

struct budget {
    bool     any;
    int32_t  newest;                           /* day, since 1970; only when there is any */
    uint32_t counts[BUDGET_DAYS][BUDGET_BINS]; /* by day modulo BUDGET_DAYS */
    bool     seen[BUDGET_DAYS];                /* payments were judged on that day */
};

void budget_init(struct budget *budget);
/* Counts a judged payment; one of a day that is kept no more is left out. */
void budget_count(struct budget *budget, int64_t at_us, int32_t score, bool forced);

/* Whole days that were seen, at most 7; 0 while there is only the day at hand, or nothing. */
int budget_days(const struct budget *budget);
/* Payments with scores from `from` to below `to` (1001 and more: all above), in tenths a day: the
 * mean of the whole days, or the day at hand while there are none. */
int64_t budget_rate_x10(const struct budget *budget, int32_t from, int32_t to);

/* The threshold from now on. `now` is the one in force, `highest` (the threshold of declines) the
 * highest that makes sense. */
int32_t budget_threshold(const struct budget *budget, int32_t now, int32_t highest,
                         int64_t alerts_per_day);

/* As bytes to be kept, at most BUDGET_PACKED_MAX, and back; false when they are damaged. */
size_t budget_pack(const struct budget *budget, uint8_t out[BUDGET_PACKED_MAX]);
bool   budget_unpack(struct budget *budget, const uint8_t *bytes, size_t size);

#endif
