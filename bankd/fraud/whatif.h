/* What would have changed a verdict: the payment judged again with another amount, later, from
 * another balance, with a counterparty that was known, or without one of the rules, by the profiles
 * as they were.
 *
 * Boundaries are halved down to one minor unit or one second, so each is exact: at the value the
 * verdict is as told, one step before it is not. Between the two ends of a range of amounts or
 * balances the payment was judged at each value where a figure passes a constant of the rules or a
 * cut of the card, where an amount begins or ends to be near a reporting threshold, at round
 * amounts between them, at each constant of the rules as money, and at values a sixteenth apart:
 * what is told of the range holds for all of it unless rules compare the amount with something
 * computed in such a way that it turns twice between two of these. Times are looked at by minutes
 * for a day, then by hours for 30 days. The work is bounded: at most some 8,000 judgements a
 * search. Pure, no allocation. */
#ifndef BANKD_FRAUD_WHATIF_H
#define BANKD_FRAUD_WHATIF_H

#include "bankd/fraud/fraud.h"

/* How hard a verdict is on the payment. */
enum fraud_level { FRAUD_QUIET, FRAUD_ALERTED, FRAUD_HELD, FRAUD_DECLINED };

static inline enum fraud_level fraud_level(const struct fraud_verdict *verdict)
{
    return verdict->verdict == VERDICT_DECLINE ? FRAUD_DECLINED
           : verdict->verdict == VERDICT_HOLD  ? FRAUD_HELD
           : verdict->alert                    ? FRAUD_ALERTED
                                               : FRAUD_QUIET;
}

enum fraud_change_kind {
    CHANGE_AMOUNT_BELOW, /* from the amount `other` (0 = any) to below `value` it is at most `level`
                          */
    CHANGE_AMOUNT_FROM, /* from the amount `value` to below `other` (0 = all) it is at least `level`
                         */
    CHANGE_BALANCE_FROM, /* with a balance of `value` and more it is at most `level` */
    CHANGE_TIME,         /* from `value` (us) on, until `until_us` (0 = no end in sight), at most */
    CHANGE_KNOWN,        /* if the counterparty had been paid before it is `level` */
    CHANGE_RULE,         /* if `rule` had not fired it is `level` */
};

/* The score is that of the nearest value that changes it; the verdict is the hardest of the range,
 * or the mildest when the range is worse than the payment. */
struct fraud_change {
    enum fraud_change_kind kind;
    enum fraud_level       level;
    int64_t                value;
    int64_t                other;
    int64_t                until_us;
    uint16_t               rule;
    int32_t                verdict; /* enum verdict */
    bool                   alert;
    int32_t                score;
};

enum { FRAUD_CHANGES_MAX = 30, FRAUD_CHANGES_RULES_MAX = 6 };

/* Everything is borrowed for the call; event->controls are those of then. */
struct fraud_whatif {
    const struct fraud_rules   *rules;
    const struct fraud_profile *subject;
    const struct fraud_profile *counterparty; /* NULL = nobody */
    const struct fraud_event   *event;
    int64_t                     most; /* no larger amount is looked at: what the account can pay */
};

/* The verdict as it was, with texts, and what would have changed it; returns how many. */
size_t fraud_whatif(const struct fraud_whatif *question, struct fraud_verdict *verdict,
                    struct fraud_change out[FRAUD_CHANGES_MAX]);

#endif
