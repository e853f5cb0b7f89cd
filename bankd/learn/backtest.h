/* What a candidate rule set would have done: every payment of a range of time judged again, against
 * what was decided then and against what has been found out since.
 *
 * Nothing is written to the bank. The measures leave out cards that were known as defrauded: those
 * with a fraud of `known_from_us` or later that became known on an earlier day than the payment. */
#ifndef BANKD_LEARN_BACKTEST_H
#define BANKD_LEARN_BACKTEST_H

#include "bankd/learn/measure.h"
#include "bankd/learn/replay.h"

#include <stdio.h>

enum { BACKTEST_CURRENCIES_MAX = 32 };

struct backtest_options {
    struct replay_options     replay; /* without a context */
    const struct fraud_rules *rules;
    int64_t                   from_us, to_us; /* payments in [from, to); to 0 = open */
    int64_t                   known_from_us;
    size_t                    cards; /* k of card precision */
    /* One line for each judged payment: transaction_id, external_id, timestamp, account, score
     * (before it is kept within 0 and 1000), label (1, 0 or empty). NULL = not written. */
    FILE *scores;
    /* One line for each alert gained or lost: the same first four, gained or lost, score then,
     * score, label. NULL = not written. */
    FILE *changes;
};

/* A number of payments and their money by currency, in the order of `currencies`. */
struct backtest_sum {
    int64_t count;
    int64_t money[BACKTEST_CURRENCIES_MAX];
};

struct backtest_result {
    int64_t             read;   /* payments replayed */
    int64_t             judged; /* of them in the range */
    int64_t             labelled;
    int64_t             days; /* with payments */
    size_t              currency_count;
    uint16_t            currencies[BACKTEST_CURRENCIES_MAX];
    struct backtest_sum alerts, alerts_then; /* by the candidate; as stored */
    struct backtest_sum gained, lost;
    struct backtest_sum gained_frauds, lost_frauds;
    struct backtest_sum caught, missed;           /* frauds, by the candidate */
    struct backtest_sum caught_then, missed_then; /* frauds, as stored */
    struct measures     measures;
};

ERR_MUST_USE enum err backtest_run(const struct backtest_options *options,
                                   struct backtest_result *out, struct fault *fault);

#endif
