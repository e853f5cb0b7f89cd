/* What an alert is worth, when it is due, and what may be done with it: pure functions over its row
 * and the tables of proto/alerts.def.
 *
 * Expected loss: amount x weight^2 / 1,000,000, rounded down. The weight are the points of the
 * score; where a rule's own action raised the alert, held or declined, they are at least the
 * threshold that its rule set has for the same (fraud_verdict.weight): who writes `action hold`
 * says that a payment is as suspicious as one that is held for its points, whether the rule gives
 * points or not. The rule's measured precision is no substitute: a new rule has none, and it
 * would change under a decision that must be the same again. The points are no measured
 * probability but grow with it; squared, 1000 points count the whole amount, 500 a quarter of it,
 * 300 nine hundredths. What was declined has not moved and cannot be lost: it adds nothing.
 *
 * Urgency: the expected loss in thousandths of a whole unit of its currency, so that sums with and
 * without decimals stand in one queue. Currencies are not converted: the bank knows no rates, and
 * one that trades in yen and dinars would keep a queue for each.
 *
 * Threads: pure. Errors: ERR_state_conflict and ERR_alert_locked where a move is refused. */
#ifndef BANKD_ALERT_H
#define BANKD_ALERT_H

#include "bankd/model.h"
#include "common/err.h"

enum alert_act {
#define ALERT_ACT(act, help) ALERT_ACT_##act,
#include "proto/alerts.def"
    ALERT_ACT_count
};

int64_t alert_loss(int64_t amount, int32_t weight, bool declined);
int64_t alert_urgency(int64_t loss, uint16_t currency);
/* When a hit of so many points must be decided: never after its hold has expired (0 = no hold). */
int64_t alert_due_us(int32_t score, int64_t at_us, int64_t hold_expires_at_us);

/* The state at a moment: locks and snoozes that are over leave an alert open. */
int32_t alert_state_at(const struct alert *alert, int64_t now_us);

/* Whether the user (0 = the system) may do this now; *state is what the act makes of it. */
ERR_MUST_USE enum err alert_check(const struct alert *alert, enum alert_act act, int64_t user,
                                  int64_t now_us, int32_t *state, struct fault *fault);

/* The alert as a new state leaves it; the caller fills what only this state has. */
void alert_set_state(struct alert *alert, int32_t state);

/* Adds a hit; `currency` is the account's. The caller has looked for room. */
void alert_join(struct alert *alert, const struct alert_hit *hit, const struct transaction *row);
/* Counts the expected loss anew from the hits that wait. */
void alert_weigh(struct alert *alert, const struct alert_hit *hits, size_t count,
                 uint16_t currency);

/* The finding about the whole from those about the hits: fraud if one was, else inconclusive if one
 * is, else a false positive; 0 while one waits. */
int32_t alert_finding(const struct alert_hit *hits, size_t count);

#endif
