/* See alert.h. */
#include "bankd/alert.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/money.h"

#include <inttypes.h>

enum { SCORE_WHOLE = 1000 * 1000, URGENCY_DECIMALS = 3 };

enum alert_who { WHO_ANYBODY, WHO_HOLDER, WHO_SYSTEM };

static const struct move {
    enum alert_act act;
    int32_t        from;
    enum alert_who who;
    int32_t        to;
} moves[] = {
#define ALERT_MOVE(act, from, who, to, help)                                                       \
    { ALERT_ACT_##act, ALERT_##from, WHO_##who, ALERT_##to },
#include "proto/alerts.def"
};

static const struct {
    int32_t score;
    int64_t hours;
} deadlines[] = {
#define ALERT_DEADLINE(score, hours) { score, hours },
#include "proto/alerts.def"
};

/* --- what it is worth ------------------------------------------------------------------------ */

/* In two parts, so that no product leaves its range: weight^2 is at most 10^6. */
int64_t alert_loss(int64_t amount, int32_t weight, bool declined)
{
    int64_t share = (int64_t)weight * weight;

    CHECK(amount >= 0 && weight >= 0 && share <= SCORE_WHOLE);
    if (declined)
        return 0;
    return amount / SCORE_WHOLE * share + amount % SCORE_WHOLE * share / SCORE_WHOLE;
}

int64_t alert_urgency(int64_t loss, uint16_t currency)
{
    const struct currency *known = currency_by_number(currency);
    int64_t                urgency = loss;

    CHECK(known != NULL && known->exponent <= URGENCY_DECIMALS);
    for (int i = known->exponent; i < URGENCY_DECIMALS; i++)
        if (!money_mul(urgency, 10, &urgency))
            return INT64_MAX;
    return urgency;
}

int64_t alert_due_us(int32_t score, int64_t at_us, int64_t hold_expires_at_us)
{
    size_t  i = 0;
    int64_t due_us;

    while (i + 1 < ARRAY_COUNT(deadlines) && score < deadlines[i].score)
        i++;
    due_us = at_us + deadlines[i].hours * US_PER_HOUR;
    return hold_expires_at_us != 0 && hold_expires_at_us < due_us ? hold_expires_at_us : due_us;
}

/* --- what may be done with it ---------------------------------------------------------------- */

int32_t alert_state_at(const struct alert *alert, int64_t now_us)
{
    if (alert->state == ALERT_TAKEN && now_us >= alert->lock_until_us && now_us != 0)
        return ALERT_OPEN;
    if (alert->state == ALERT_SNOOZED && now_us >= alert->snoozed_until_us && now_us != 0)
        return ALERT_OPEN;
    return alert->state;
}

static enum err refuse(const struct alert *alert, int32_t state, struct fault *fault)
{
    if (state == ALERT_DECIDED)
        return fault_set(fault, ERR_state_conflict, "alert_id", "The alert is already decided: %s",
                         enum_text(&enum_alert_decision, alert->decision));
    return fault_set(fault, ERR_state_conflict, "alert_id", "The alert is %s",
                     enum_text(&enum_alert_state, state));
}

enum err alert_check(const struct alert *alert, enum alert_act act, int64_t user, int64_t now_us,
                     int32_t *state, struct fault *fault)
{
    int32_t now = alert_state_at(alert, now_us);

    for (size_t i = 0; i < ARRAY_COUNT(moves); i++) {
        if (moves[i].act != act || moves[i].from != now)
            continue;
        if (moves[i].who == WHO_SYSTEM)
            CHECK(user == 0);
        if (moves[i].who == WHO_HOLDER && alert->assigned_to != user)
            return fault_set(fault, ERR_alert_locked, "alert_id",
                             "A colleague works on the alert; the lock ends in %" PRId64 " seconds",
                             (alert->lock_until_us - now_us) / US_PER_SECOND + 1);
        *state = moves[i].to;
        return ERR_none;
    }
    return refuse(alert, now, fault);
}

void alert_set_state(struct alert *alert, int32_t state)
{
    alert->state = state;
    alert->lock_until_us = 0;
    alert->snoozed_until_us = 0;
    alert->undo_until_us = 0;
    if (state == ALERT_DECIDED) /* who worked on it is remembered */
        return;
    alert->assigned_to = 0;
    alert->taken_at_us = 0;
    alert->decision = 0;
    alert->decided_by = 0;
    alert->decided_at_us = 0;
}

/* --- its hits -------------------------------------------------------------------------------- */

void alert_join(struct alert *alert, const struct alert_hit *hit, const struct transaction *row)
{
    int64_t due_us = alert_due_us(hit->score, hit->at_us, row->hold_expires_at_us);

    CHECK(alert->hits < LIMIT_ALERT_HITS_MAX && hit->number == alert->hits + 1);
    if (alert->hits == 0 || hit->score > alert->score) {
        alert->transaction = hit->transaction;
        alert->score = hit->score;
    }
    if (alert->hits == 0 || due_us < alert->due_at_us)
        alert->due_at_us = due_us;
    alert->hits++;
    if (!money_add(alert->expected_loss, hit->loss, &alert->expected_loss))
        alert->expected_loss = INT64_MAX;
    alert->urgency = alert_urgency(alert->expected_loss, row->currency);
}

void alert_weigh(struct alert *alert, const struct alert_hit *hits, size_t count, uint16_t currency)
{
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        if (hits[i].finding == 0 && !money_add(sum, hits[i].loss, &sum))
            sum = INT64_MAX;
    alert->expected_loss = sum;
    alert->urgency = alert_urgency(sum, currency);
}

int32_t alert_finding(const struct alert_hit *hits, size_t count)
{
    int32_t finding = DECISION_FALSE_POSITIVE;

    for (size_t i = 0; i < count; i++) {
        if (hits[i].finding == 0)
            return 0;
        if (hits[i].finding == DECISION_CONFIRMED_FRAUD)
            finding = DECISION_CONFIRMED_FRAUD;
        if (hits[i].finding == DECISION_INCONCLUSIVE && finding == DECISION_FALSE_POSITIVE)
            finding = DECISION_INCONCLUSIVE;
    }
    return finding;
}
