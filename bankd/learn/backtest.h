/* What a candidate rule set would have done: every payment of a range of time judged again, against
 * what was decided then and against what has been found out since.
 *
 * Nothing is written to the bank. Rules that were stepped down and thresholds that the alert budget
 * moved do not bear on the candidate, though they did on what was decided then: they answered to
 * other rules. Lists and suppressions bear on it when that is asked for: as they were at the moment
 * of each payment, which an import that is older than they are never sees, or all as they are at
 * one moment, such as now. The measures leave out cards that were known as defrauded: those
 * with a fraud of `known_from_us` or later that became known on an earlier day than the payment. */
#ifndef BANKD_LEARN_BACKTEST_H
#define BANKD_LEARN_BACKTEST_H

#include "bankd/controls.h"
#include "bankd/learn/measure.h"
#include "bankd/learn/replay.h"

#include <stdio.h>

enum { BACKTEST_CURRENCIES_MAX = LIMIT_BACKTEST_CURRENCIES_MAX, BACKTEST_LINES = 10 };

/* An alert gained or lost; everything is borrowed for the call. */
struct backtest_change {
    const struct replay_event *event;
    bool                       gained; /* else lost */
    int32_t                    score;  /* by the candidate */
};

struct backtest_options {
    struct replay_options     replay; /* without a context */
    const struct fraud_rules *rules;
    int64_t                   from_us, to_us; /* payments in [from, to); to 0 = open */
    int32_t                   controls;       /* enum backtest_controls; 0 = none */
    int64_t                   controls_at_us; /* the moment of BACKTEST_CONTROLS_NOW */
    int64_t                   known_from_us;
    size_t                    cards;        /* k of card precision */
    size_t                    measured_max; /* findings that may be measured; 0 = no bound */
    /* Called for each alert gained or lost, in the ledger's order. NULL = nobody. */
    void (*changed)(void *context, const struct backtest_change *change);
    void *changed_context;
    /* One line for each judged payment: transaction_id, external_id, timestamp, account, score
     * (before it is kept within 0 and 1000), label (1, 0 or empty). NULL = not written. */
    FILE *scores;
    /* The same first four, and every feature of the catalogue as it was judged by, in the order of
     * backtest_feature. NULL = not written. */
    FILE *features;
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
    int64_t             alerts_found;        /* of the candidate's, those with a finding */
    struct backtest_sum gained, lost;
    struct backtest_sum gained_frauds, lost_frauds;
    struct backtest_sum caught, missed;           /* frauds, by the candidate */
    struct backtest_sum caught_then, missed_then; /* frauds, as stored */
    struct measures     measures;
};

/* The sums by name, in the order in which they are shown. */
struct backtest_line {
    const char                *name; /* with underscores */
    const struct backtest_sum *sum;
};
void backtest_lines(const struct backtest_result *result, struct backtest_line out[BACKTEST_LINES]);

ERR_MUST_USE enum err backtest_run(const struct backtest_options *options,
                                   struct backtest_result *out, struct fault *fault);

/* The names of the features from 0 on; NULL behind the last. */
const char *backtest_feature(size_t number);

#endif
