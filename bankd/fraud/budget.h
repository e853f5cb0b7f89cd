/* The alert budget: from which score on an alert is raised, so that a day brings about as many as
 * people can look at.
 *
 * It moves the threshold of alerts and no other, and never above the one of holds: what is held or
 * declined stays so, and always has its alert. So a flood can at worst hide what would not have
 * been stopped, and a budget that holds alone use up is passed.
 *
 * What is counted are alerts, not payments: an account counts once a day, with its highest score,
 * so nobody can fill a budget with one account. A payment that only joins an alert that waits is
 * no new one, and one that an action or a list sends to people whatever its score is in no
 * threshold's power: both are left out by whoever counts (controls.c). Which accounts have counted
 * is remembered for as many as there are slots; of two in one slot the later is remembered.
 *
 * Counts are kept by day (UTC) and score, ten points to a bin, of the day at hand and the seven
 * before it. What a threshold would bring is the mean of the whole days, or what the day
 * at hand has brought already when that is more: so a sudden flood moves the threshold the next
 * time that the writer looks, which is once a minute, and a quiet morning does not.
 *
 * So that it does not flap, the threshold rises only when the budget is passed by a tenth, and
 * falls only when a fifth of it is left over, and never before a whole day was seen. For given
 * counts it is the lowest that keeps the budget, and stays there.
 *
 * Pure; integers only. */
#ifndef BANKD_FRAUD_BUDGET_H
#define BANKD_FRAUD_BUDGET_H

#include "common/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BUDGET_DAYS = 8, /* the day at hand and those before it */
    BUDGET_STEP = 10,
    BUDGET_BINS = 101,
    BUDGET_LOWEST = 100, /* no threshold is below it; lower scores are not counted */
    BUDGET_ACCOUNTS = 65536,
    BUDGET_PACKED_MAX = 5 + BUDGET_DAYS * (2 + (BUDGET_BINS - BUDGET_LOWEST / BUDGET_STEP) * 5),
};

struct budget {
    bool     any;
    int32_t  newest;                           /* day, since 1970; only when there is any */
    uint32_t counts[BUDGET_DAYS][BUDGET_BINS]; /* by day modulo BUDGET_DAYS */
    bool     seen[BUDGET_DAYS];                /* payments were judged on that day */
};

void budget_init(struct budget *budget);
/* Counts a judged payment of an account that has counted with the score `before` on this day (0 =
 * not yet); a lower score is nothing new, and a day that is kept no more is left out. */
void budget_count(struct budget *budget, int64_t at_us, int32_t score, int32_t before);

/* Which accounts have counted, and what was before the group at hand. Empty when all bytes are 0.
 */
struct budget_account {
    int64_t account;
    int32_t day;
    int32_t score;
};
struct budget_accounts {
    struct budget_account slots[BUDGET_ACCOUNTS];
    size_t                changed; /* since the group began */
    uint32_t              places[LIMIT_BATCH_MAX];
    struct budget_account before[LIMIT_BATCH_MAX];
};

/* The highest score with which the account has counted on the day; 0 = it has not. */
int32_t budget_account(const struct budget_accounts *accounts, int64_t account, int32_t day);
void    budget_account_counts(struct budget_accounts *accounts, int64_t account, int32_t day,
                              int32_t score);
/* The memory of the account's place is wanted soon. */
void budget_account_expect(const struct budget_accounts *accounts, int64_t account);
/* What was noted since the last of these two stays, or is taken back. */
void budget_accounts_keep(struct budget_accounts *accounts);
void budget_accounts_undo(struct budget_accounts *accounts);

/* Whole days that were seen, at most 7; 0 while there is only the day at hand, or nothing. */
int budget_days(const struct budget *budget);
/* Alerts of scores from `from` to below `to` (1001 and more: all above), in tenths a day: the
 * mean of the whole days, or the day at hand while there are none. */
int64_t budget_rate_x10(const struct budget *budget, int32_t from, int32_t to);

/* The threshold from now on. `now` is the one in force, `highest` (the threshold of holds) the
 * highest that is allowed. */
int32_t budget_threshold(const struct budget *budget, int32_t now, int32_t highest,
                         int64_t alerts_per_day);

/* As bytes to be kept, at most BUDGET_PACKED_MAX, and back; false when they are damaged. */
size_t budget_pack(const struct budget *budget, uint8_t out[BUDGET_PACKED_MAX]);
bool   budget_unpack(struct budget *budget, const uint8_t *bytes, size_t size);

#endif
