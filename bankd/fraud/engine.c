/* The engine: from features to a verdict, and the same way again from stored bytes.
 *
 * Judging has two steps. First the features that the rule set names become values; then the rules
 * decide by these values alone. The values are the decision's bytes, so explaining is the second
 * step once more. Bytes: format, print of the slots (2, low first), count, then each value as a
 * zigzag number of 7-bit groups, lowest first.
 *
 * What must not break: the reasons' points add up to the score, always. */
#include "bankd/fraud/fraud.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bankd/fraud/features.h"
#include "bankd/fraud/rules.h"
#include "common/check.h"

enum { DECISION_FORMAT = 1, DECISION_HEAD = 4, NUMBER_BYTES_MAX = 10 };

static_assert(DECISION_HEAD + RULE_SLOTS_MAX * NUMBER_BYTES_MAX <= LIMIT_DECISION_MAX,
              "every decision fits");
static_assert(RULE_SLOTS_MAX <= UINT8_MAX, "the count of slots fits a byte");
static_assert(LIMIT_REASONS_MAX * RULE_SCORE_MAX < INT16_MAX, "the clamp's points fit");

/* --- deciding -------------------------------------------------------------------------------- */

struct fired {
    uint16_t rule;
    int16_t  points;
};

static int magnitude(int points)
{
    return points < 0 ? -points : points;
}

/* Puts the rule behind those whose points weigh more or as much; keeps as many as can be told. */
static void insert_fired(struct fired *fired, size_t count, struct fired one)
{
    size_t place = count < LIMIT_REASONS_MAX ? count : LIMIT_REASONS_MAX;

    if (place == LIMIT_REASONS_MAX) { /* the least of those that will be told makes room */
        if (magnitude(fired[--place].points) >= magnitude(one.points))
            return;
    }
    for (; place > 0 && magnitude(fired[place - 1].points) < magnitude(one.points); place--)
        fired[place] = fired[place - 1];
    fired[place] = one;
}

static int16_t points_of(const struct fraud_rules *rules, const struct rule *rule,
                         const int64_t *values)
{
    int64_t points = rule->score.count > 0 ? rule_run(rules, rule->score, values) : 0;

    return (int16_t)(points > RULE_SCORE_MAX    ? RULE_SCORE_MAX
                     : points < -RULE_SCORE_MAX ? -RULE_SCORE_MAX
                                                : points);
}

/* The last reason makes the sum right: for what was cut, and for reasons that found no room. */
static void add_clamp(struct fraud_verdict *out, int shown, size_t left_out, bool with_text)
{
    struct fraud_reason *reason = &out->reasons[out->reason_count++];

    reason->rule = FRAUD_RULE_CLAMP;
    reason->points = (int16_t)(out->score - shown);
    reason->text[0] = '\0';
    if (!with_text)
        return;
    if (left_out > 0)
        snprintf(reason->text, sizeof reason->text,
                 "%zu more rules, and the sum is kept within 0 and %d", left_out,
                 (int)RULE_SCORE_MAX);
    else
        snprintf(reason->text, sizeof reason->text, "the sum is kept within 0 and %d",
                 (int)RULE_SCORE_MAX);
}

static void tell(const struct fraud_rules *rules, size_t rule, const int64_t *values,
                 char out[LIMIT_REASON_MAX + 1])
{
    if (rule < rules->rule_count)
        reason_text(rules, &rules->rules[rule], values, out);
    else
        card_reason_text(rules, rule - rules->rule_count, values, out);
}

static void write_reasons(const struct fraud_rules *rules, const int64_t *values,
                          const struct fired *fired, size_t count, bool with_text,
                          struct fraud_verdict *out)
{
    size_t shown = count <= LIMIT_REASONS_MAX ? count : LIMIT_REASONS_MAX - 1;
    int    sum = 0;

    for (size_t i = 0; i < shown; i++)
        sum += fired[i].points;
    if (sum != out->score && shown == LIMIT_REASONS_MAX)
        sum -= fired[--shown].points;
    for (size_t i = 0; i < shown; i++) {
        struct fraud_reason *reason = &out->reasons[i];

        reason->rule = fired[i].rule;
        reason->points = fired[i].points;
        reason->text[0] = '\0';
        if (with_text)
            tell(rules, reason->rule, values, reason->text);
    }
    out->reason_count = shown;
    if (sum != out->score || shown < count)
        add_clamp(out, sum, count - shown, with_text);
}

/* The card's points, and its base behind them. */
static int take_card(const struct fraud_rules *rules, const int64_t *values, struct fired *fired,
                     size_t *count)
{
    const struct card *card = &rules->card;
    int                sum = 0;

    for (size_t i = 0; i <= card->part_count; i++) {
        struct fired one = { .rule = (uint16_t)(rules->rule_count + i) };

        one.points = i < card->part_count ? card_points(card, i, values) : card->base;
        if (one.points == 0)
            continue;
        sum += one.points;
        insert_fired(fired, (*count)++, one);
    }
    return sum;
}

static void decide(const struct fraud_rules *rules, const int64_t *values, bool with_text,
                   struct fraud_verdict *out)
{
    struct fired fired[LIMIT_REASONS_MAX];
    size_t       count = 0;
    int          sum = 0;
    uint8_t      action = ACTION_SCORE;

    for (size_t i = 0; i < rules->rule_count; i++) {
        const struct rule *rule = &rules->rules[i];
        struct fired       one = { .rule = (uint16_t)i };

        if (rule_run(rules, rule->when, values) == 0)
            continue;
        one.points = points_of(rules, rule, values);
        if (one.points == 0 && rule->action == ACTION_SCORE)
            continue;
        action = rule->action > action ? rule->action : action;
        sum += one.points;
        insert_fired(fired, count++, one);
    }
    if (rules->card.loaded)
        sum += take_card(rules, values, fired, &count);
    out->sum = sum;
    out->score = sum < 0 ? 0 : sum > RULE_SCORE_MAX ? RULE_SCORE_MAX : sum;
    out->verdict = VERDICT_APPROVE;
    if (out->score >= rules->threshold_decline || action == ACTION_DECLINE)
        out->verdict = VERDICT_DECLINE;
    else if (out->score >= rules->threshold_hold || action == ACTION_HOLD)
        out->verdict = VERDICT_HOLD;
    out->alert = out->verdict != VERDICT_APPROVE || out->score >= rules->threshold_alert ||
                 action == ACTION_ALERT;
    write_reasons(rules, values, fired, count, with_text, out);
}

/* --- decisions as bytes ---------------------------------------------------------------------- */

static size_t write_number(uint8_t *out, int64_t value)
{
    uint64_t zigzag = (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
    size_t   n = 0;

    for (; zigzag >= 0x80; zigzag >>= 7)
        out[n++] = (uint8_t)(zigzag | 0x80);
    out[n++] = (uint8_t)zigzag;
    return n;
}

/* Only the shortest form is good, so that equal decisions have equal bytes. */
static bool read_number(const uint8_t *bytes, size_t size, size_t *at, int64_t *value)
{
    uint64_t zigzag = 0;

    for (unsigned shift = 0; *at < size && shift < 64; shift += 7) {
        uint8_t byte = bytes[(*at)++];

        if (shift == 63 && byte > 1)
            return false;
        zigzag |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = (int64_t)(zigzag >> 1 ^ (0 - (zigzag & 1)));
            return byte != 0 || shift == 0;
        }
    }
    return false;
}

static void write_decision(const struct fraud_rules *rules, const int64_t *values,
                           struct fraud_verdict *out)
{
    size_t size = DECISION_HEAD;

    out->decision[0] = DECISION_FORMAT;
    out->decision[1] = (uint8_t)rules->slots_print;
    out->decision[2] = (uint8_t)(rules->slots_print >> 8);
    out->decision[3] = (uint8_t)rules->slot_count;
    for (size_t i = 0; i < rules->slot_count; i++)
        size += write_number(out->decision + size, values[i]);
    out->decision_size = (uint16_t)size;
}

static bool read_decision(const struct fraud_rules *rules, const uint8_t *bytes, size_t size,
                          int64_t values[RULE_SLOTS_MAX])
{
    size_t at = DECISION_HEAD;

    if (size < DECISION_HEAD || size > LIMIT_DECISION_MAX || bytes[0] != DECISION_FORMAT ||
        bytes[1] != (uint8_t)rules->slots_print || bytes[2] != rules->slots_print >> 8 ||
        bytes[3] != rules->slot_count)
        return false;
    for (size_t i = 0; i < rules->slot_count; i++)
        if (!read_number(bytes, size, &at, &values[i]))
            return false;
    return at == size;
}

/* --- the calls ------------------------------------------------------------------------------- */

void fraud_judge(const struct fraud_rules *rules, const struct fraud_profile *subject,
                 const struct fraud_profile *counterparty, const struct fraud_event *event,
                 bool with_text, struct fraud_verdict *out)
{
    static const struct fraud_profile nobody;

    int64_t              values[RULE_SLOTS_MAX];
    struct feature_input input = {
        .event = event,
        .subject = profile_of(subject),
        .other = profile_of(counterparty != NULL ? counterparty : &nobody),
    };

    for (size_t i = 0; i < rules->slot_count; i++)
        values[i] = feature_value((enum feature)rules->slots[i], &input);
    decide(rules, values, with_text, out);
    write_decision(rules, values, out);
}

bool fraud_explain(const struct fraud_rules *rules, const uint8_t *decision, size_t size,
                   struct fraud_verdict *out)
{
    int64_t values[RULE_SLOTS_MAX];

    if (!read_decision(rules, decision, size, values))
        return false;
    decide(rules, values, true, out);
    memmove(out->decision, decision, size);
    out->decision_size = (uint16_t)size;
    return true;
}
