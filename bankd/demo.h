/* The demo bank: a few hundred customers with 90 days of plausible history, made from a seed.
 *
 * The same seed and the same last day give the same customers, accounts and transactions, ids
 * included; of the last day only what lies before its moment is there. Salaries, rent, bills,
 * shopping, cash, interest and fees follow the calendar; a few planted frauds leave alerts behind.
 * Everything goes through the writer as any other posting does.
 * The three users and their password exist in demo banks only. */
#ifndef BANKD_DEMO_H
#define BANKD_DEMO_H

#include "bankd/home.h"

#include <stdio.h>

enum { DEMO_SEED = 20, DEMO_NEW_ACCOUNTS = 5 };

/* What a person needs to try the bank. */
struct demo_report {
    int64_t customers;
    int64_t accounts;
    int64_t transactions;
    int64_t alerts;
    struct {
        struct uuid account_id;
        char        name[LIMIT_NAME_MAX + 1];
        uint16_t    currency;
        int64_t     balance;
    } fresh[DEMO_NEW_ACCOUNTS]; /* opened this week: a large transfer from one of them is held */
};

/* Fills a bank that home_create has just made. `end_us` is the moment at which the history ends. */
ERR_MUST_USE enum err demo_fill(struct home *home, struct writer *writer, uint64_t seed,
                                int64_t end_us, struct demo_report *report, struct fault *fault);
void                  demo_print(const struct demo_report *report, FILE *out);

#endif
