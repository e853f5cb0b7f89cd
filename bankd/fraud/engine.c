/* The engine: from features to a verdict, and the same way again from stored bytes.
 *
 * Judging has two steps. First the features that the rule set names become values; then the rules
 * decide by these values and the controls alone. Both are the decision's bytes, so explaining is
 * the second step once more. Bytes: format, print of the slots (2, low first), count, then each
 * value as a zigzag number of 7-bit groups, lowest first. That is format 1, of decisions on which
 * no control had an effect. Format 2 goes on with a byte of flags and what they name, in this
 * order: the thresholds alert and hold; a count of bytes and so many bytes of the stepped-down
 * rules as bits; a count of suppressed rules and for each its index, its end in seconds and its
 * number. Only rules that fired are named.
 *
 * A rule that is stepped down keeps its points, for the queue is ordered by them, but hold and
 * decline are decided by the sum without what it adds.
 *
 * What must not break: the reasons' points add up to the score, always. */
#include "bankd/fraud/fraud.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bankd/fraud/features.h"
#include "bankd/fraud/rules.h"
#include "common/check.h"
#include "common/clock.h"

enum { DECISION_FORMAT = 1, DECISION_CONTROLLED = 2, DECISION_HEAD = RULE_DECISION_HEAD };

enum { WITH_THRESHOLDS = 1, WITH_STEPPED_DOWN = 2, WITH_SUPPRESSED = 4, WITH_ALL = 7 };

static_assert((int)DECISION_HEAD + (int)FEATURE_BYTES_ALL + (int)RULE_DECISION_CONTROLS <=
                  (int)LIMIT_DECISION_MAX,
              "a decision by the whole catalogue fits");
static_assert((int)RULE_SLOTS_MAX <= UINT8_MAX, "the count of slots fits a byte");
static_assert(LIMIT_REASONS_MAX * RULE_SCORE_MAX < INT16_MAX, "the clamp's points fit");
static_assert(LIMIT_RULES_MAX == FRAUD_RULE_WORDS * 64, "each rule has a bit");

/* --- deciding -------------------------------------------------------------------------------- */

struct fired {
    uint16_t rule;
    int16_t  points;
    uint8_t  effect; /* enum fraud_effect */
};

/* What the rules said of one payment. */
struct finding {
    struct fired  fired[LIMIT_REASONS_MAX]; /* those that weigh most */
    size_t        count;                    /* of all that fired */
    bool          unreasoned;               /* `fired` is not wanted and stays empty */
    int           sum;
    int           stopping_sum; /* without what stepped-down rules add */
    uint8_t       action;       /* the strongest */
    struct fired *all;          /* every rule that fired and is not suppressed, LIMIT_RULES_MAX */
    size_t        all_count;
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

static void note_reason(struct finding *finding, struct fired one)
{
    if (!finding->unreasoned)
        insert_fired(finding->fired, finding->count, one);
    finding->count++;
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

    reason->rule = left_out > 0 ? FRAUD_RULE_REST : FRAUD_RULE_CLAMP;
    reason->points = (int16_t)(out->score - shown);
    reason->effect = FRAUD_COUNTED;
    reason->number = 0;
    reason->text[0] = '\0';
    if (with_text && left_out > 0)
        snprintf(reason->text, sizeof reason->text, "%zu smaller reason%s%s", left_out,
                 left_out == 1 ? "" : "s",
                 out->sum == out->score ? "" : ", with the sum kept within 0 and 1000");
    else if (with_text)
        snprintf(reason->text, sizeof reason->text, "the sum is kept within 0 and %d",
                 (int)RULE_SCORE_MAX);
}

static const struct fraud_suppression *suppression_of(const struct fraud_controls *used,
                                                      const struct fired          *fired)
{
    for (size_t i = 0; fired->effect == FRAUD_SUPPRESSED && i < used->suppressed_count; i++)
        if (used->suppressed[i].rule == fired->rule)
            return &used->suppressed[i];
    return NULL;
}

static void tell(const struct fraud_rules *rules, const struct fired *fired, const int64_t *values,
                 const struct fraud_controls *used, char out[LIMIT_REASON_MAX + 1])
{
    const struct fraud_suppression *suppression = suppression_of(used, fired);
    char                            begin[TIME_TEXT_MAX + 48];
    char                            until[TIME_TEXT_MAX];

    if (fired->rule >= rules->rule_count)
        card_reason_text(rules, fired->rule - rules->rule_count, values, out);
    else
        reason_text(rules, &rules->rules[fired->rule], values, out);
    if (fired->effect == FRAUD_STEPPED_DOWN)
        reason_begin_with("stepped down to an alert: ", out);
    if (suppression == NULL)
        return;
    time_text_minute(suppression->until_s * US_PER_SECOND, until);
    snprintf(begin, sizeof begin, "suppressed until %s (no. %" PRId64 "): ", until,
             suppression->number);
    reason_begin_with(begin, out);
}

static void write_reasons(const struct fraud_rules *rules, const int64_t *values,
                          const struct finding *finding, const struct fraud_controls *used,
                          bool with_text, struct fraud_verdict *out)
{
    const struct fired *fired = finding->fired;
    size_t              count = finding->count;
    size_t              shown = count <= LIMIT_REASONS_MAX ? count : LIMIT_REASONS_MAX - 1;
    int                 sum = 0;

    for (size_t i = 0; i < shown; i++)
        sum += fired[i].points;
    if (sum != out->score && shown == LIMIT_REASONS_MAX)
        sum -= fired[--shown].points;
    for (size_t i = 0; i < shown; i++) {
        const struct fraud_suppression *suppression;
        struct fraud_reason            *reason = &out->reasons[i];

        reason->rule = fired[i].rule;
        reason->points = fired[i].points;
        reason->effect = fired[i].effect;
        suppression = suppression_of(used, &fired[i]);
        reason->number = suppression != NULL ? suppression->number : 0;
        reason->text[0] = '\0';
        if (with_text)
            tell(rules, &fired[i], values, used, reason->text);
    }
    out->reason_count = shown;
    if (sum != out->score || shown < count)
        add_clamp(out, sum, count - shown, with_text);
}

/* The card's points, and its base behind them. */
static void take_card(const struct fraud_rules *rules, const int64_t *values,
                      struct finding *finding)
{
    const struct card *card = &rules->card;

    for (size_t i = 0; i <= card->part_count; i++) {
        struct fired one = { .rule = (uint16_t)(rules->rule_count + i) };

        one.points = i < card->part_count ? card_points(card, i, values) : card->base;
        if (one.points == 0)
            continue;
        finding->sum += one.points;
        finding->stopping_sum += one.points;
        note_reason(finding, one);
    }
}

/* Says whether the rule is suppressed, and notes that it was. */
static bool suppress(const struct fraud_controls *controls, uint16_t rule,
                     struct fraud_controls *used)
{
    for (size_t i = 0; i < controls->suppressed_count; i++)
        if (controls->suppressed[i].rule == rule) {
            used->suppressed[used->suppressed_count++] = controls->suppressed[i];
            return true;
        }
    return false;
}

static void take_rule(const struct fraud_rules *rules, size_t i, const int64_t *values,
                      const struct fraud_controls *controls, struct fraud_controls *used,
                      struct finding *finding)
{
    const struct rule *rule = &rules->rules[i];
    struct fired       one = { .rule = (uint16_t)i };
    uint8_t            action;

    if (!rule_fires(rules, i, values))
        return;
    action = rule->action;
    one.points = points_of(rules, rule, values);
    if (one.points == 0 && action == ACTION_SCORE)
        return;
    if (controls != NULL && suppress(controls, one.rule, used)) {
        one.points = 0;
        one.effect = FRAUD_SUPPRESSED;
        note_reason(finding, one);
        return;
    }
    if (controls != NULL && fraud_rule_bit(&controls->stepped_down, i)) {
        fraud_rule_bit_set(&used->stepped_down, i);
        one.effect = FRAUD_STEPPED_DOWN;
        action = action > ACTION_ALERT ? ACTION_ALERT : action;
    }
    if (one.effect == FRAUD_COUNTED || one.points < 0)
        finding->stopping_sum += one.points;
    finding->action = action > finding->action ? action : finding->action;
    finding->sum += one.points;
    finding->all[finding->all_count++] = one;
    note_reason(finding, one);
}

/* Which rules hold or decline the payment, or would if they were not stepped down: those that do
 * so by themselves, those without which the sum would not, and the one that adds most to it. */
static void find_stopping(const struct fraud_rules *rules, const struct finding *finding,
                          int threshold_hold, struct fraud_verdict *out)
{
    const struct fired *most = NULL;

    for (size_t i = 0; i < finding->all_count; i++) {
        const struct fired *one = &finding->all[i];

        if (rules->rules[one->rule].action >= ACTION_HOLD ||
            (finding->sum >= threshold_hold && one->points > 0 &&
             (one->points >= threshold_hold || finding->sum - one->points < threshold_hold)))
            fraud_rule_bit_set(&out->stopping, one->rule);
        if (one->points > 0 && (most == NULL || one->points > most->points))
            most = one;
    }
    if (finding->sum >= threshold_hold && most != NULL)
        fraud_rule_bit_set(&out->stopping, most->rule);
}

static int within_limits(int sum)
{
    return sum < 0 ? 0 : sum > RULE_SCORE_MAX ? RULE_SCORE_MAX : sum;
}

/* A rule that holds by its action alone says as much of a payment as so many points do that hold
 * it; without points of its own it would say nothing. The rule set's own thresholds count: those of
 * the alert budget move with the day's load, and not with what a payment is suspected of. */
static int32_t weight_of(const struct fraud_rules *rules, const struct finding *finding, int score)
{
    struct fraud_thresholds at = fraud_rules_thresholds(rules);
    const int32_t           least[] = { [ACTION_SCORE] = 0,
                                        [ACTION_ALERT] = at.alert,
                                        [ACTION_HOLD] = at.hold,
                                        [ACTION_DECLINE] = at.decline };
    int                     weight = within_limits(least[finding->action]);

    return weight > score ? weight : score;
}

static void find_verdict(const struct fraud_rules *rules, const struct finding *finding,
                         const struct fraud_controls *used, struct fraud_verdict *out)
{
    struct fraud_thresholds at = fraud_rules_thresholds(rules);
    int                     stopping = within_limits(finding->stopping_sum);

    if (used->threshold_alert != 0) {
        at.alert = used->threshold_alert;
        at.hold = used->threshold_hold;
    }
    out->sum = finding->sum;
    out->score = within_limits(finding->sum);
    out->verdict = VERDICT_APPROVE;
    if (stopping >= at.decline || finding->action == ACTION_DECLINE)
        out->verdict = VERDICT_DECLINE;
    else if (stopping >= at.hold || finding->action == ACTION_HOLD)
        out->verdict = VERDICT_HOLD;
    out->forced = finding->action != ACTION_SCORE;
    out->weight = weight_of(rules, finding, out->score);
    out->alert = out->verdict != VERDICT_APPROVE || out->score >= at.alert || out->forced;
    memset(&out->stopping, 0, sizeof out->stopping);
    if (out->verdict != VERDICT_APPROVE || finding->sum >= at.hold ||
        finding->action == ACTION_ALERT)
        find_stopping(rules, finding, at.hold, out);
}

/* What the rules say; `used` are the controls that had an effect on it. */
static void find(const struct fraud_rules *rules, const int64_t *values,
                 const struct fraud_controls *controls, struct fraud_controls *used,
                 struct fired all[LIMIT_RULES_MAX], bool unreasoned, struct finding *finding)
{
    finding->count = 0;
    finding->unreasoned = unreasoned;
    finding->sum = 0;
    finding->stopping_sum = 0;
    finding->action = ACTION_SCORE;
    finding->all = all;
    finding->all_count = 0;
    used->threshold_alert = 0;
    used->threshold_hold = 0;
    used->suppressed_count = 0;
    memset(&used->stepped_down, 0, sizeof used->stepped_down);
    if (controls != NULL && controls->threshold_alert != 0 && controls->threshold_hold != 0 &&
        (controls->threshold_alert != rules->threshold_alert ||
         controls->threshold_hold != rules->threshold_hold)) {
        used->threshold_alert = controls->threshold_alert;
        used->threshold_hold = controls->threshold_hold;
    }
    for (size_t i = 0; i < rules->rule_count; i++)
        take_rule(rules, i, values, controls, used, finding);
    if (rules->card.loaded)
        take_card(rules, values, finding);
}

static void decide(const struct fraud_rules *rules, const int64_t *values,
                   const struct fraud_controls *controls, bool with_text,
                   struct fraud_controls *used, struct fraud_verdict *out)
{
    struct fired   all[LIMIT_RULES_MAX];
    struct finding finding;

    find(rules, values, controls, used, all, false, &finding);
    find_verdict(rules, &finding, used, out);
    write_reasons(rules, values, &finding, used, with_text, out);
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

static uint8_t flags_of(const struct fraud_controls *used)
{
    uint8_t flags = used->threshold_alert != 0 ? WITH_THRESHOLDS : 0;

    for (size_t i = 0; i < FRAUD_RULE_WORDS; i++)
        flags |= used->stepped_down.words[i] != 0 ? WITH_STEPPED_DOWN : 0;
    return flags | (used->suppressed_count > 0 ? WITH_SUPPRESSED : 0);
}

static uint8_t byte_of(const struct fraud_rule_bits *bits, size_t byte)
{
    return (uint8_t)(bits->words[byte / 8] >> byte % 8 * 8);
}

static size_t write_controls(uint8_t *out, uint8_t flags, const struct fraud_controls *used)
{
    size_t size = 0;

    out[size++] = flags;
    if ((flags & WITH_THRESHOLDS) != 0) {
        size += write_number(out + size, used->threshold_alert);
        size += write_number(out + size, used->threshold_hold);
    }
    if ((flags & WITH_STEPPED_DOWN) != 0) {
        size_t bytes = LIMIT_RULES_MAX / 8;

        while (byte_of(&used->stepped_down, bytes - 1) == 0)
            bytes--;
        out[size++] = (uint8_t)bytes;
        for (size_t i = 0; i < bytes; i++)
            out[size++] = byte_of(&used->stepped_down, i);
    }
    if ((flags & WITH_SUPPRESSED) != 0) {
        out[size++] = (uint8_t)used->suppressed_count;
        for (size_t i = 0; i < used->suppressed_count; i++) {
            size += write_number(out + size, used->suppressed[i].rule);
            size += write_number(out + size, used->suppressed[i].until_s);
            size += write_number(out + size, used->suppressed[i].number);
        }
    }
    return size;
}

static size_t write_decision(const struct fraud_rules *rules, const int64_t *values,
                             const struct fraud_controls *used, uint8_t out[LIMIT_DECISION_MAX])
{
    size_t  size = DECISION_HEAD;
    uint8_t flags = flags_of(used);

    out[0] = flags == 0 ? DECISION_FORMAT : DECISION_CONTROLLED;
    out[1] = (uint8_t)rules->slots_print;
    out[2] = (uint8_t)(rules->slots_print >> 8);
    out[3] = (uint8_t)rules->slot_count;
    for (size_t i = 0; i < rules->slot_count; i++)
        size += write_number(out + size, values[i]);
    return flags == 0 ? size : size + write_controls(out + size, flags, used);
}

static bool read_thresholds(const struct fraud_rules *rules, const uint8_t *bytes, size_t size,
                            size_t *at, struct fraud_controls *out)
{
    int64_t alert;
    int64_t hold;

    if (!read_number(bytes, size, at, &alert) || !read_number(bytes, size, at, &hold) ||
        alert < 1 || alert > hold || hold > rules->threshold_decline)
        return false;
    out->threshold_alert = (int32_t)alert;
    out->threshold_hold = (int32_t)hold;
    return true;
}

static bool read_stepped_down(const uint8_t *bytes, size_t size, size_t *at,
                              struct fraud_rule_bits *out)
{
    size_t count = *at < size ? bytes[(*at)++] : 0;

    if (count == 0 || count > LIMIT_RULES_MAX / 8 || count > size - *at)
        return false;
    for (size_t i = 0; i < count; i++)
        out->words[i / 8] |= (uint64_t)bytes[(*at)++] << i % 8 * 8;
    return true;
}

static bool read_suppressed(const uint8_t *bytes, size_t size, size_t *at,
                            struct fraud_controls *out)
{
    size_t count = *at < size ? bytes[(*at)++] : 0;

    if (count == 0 || count > LIMIT_SUPPRESSIONS_PER_ACCOUNT)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct fraud_suppression *one = &out->suppressed[i];
        int64_t                   rule;

        if (!read_number(bytes, size, at, &rule) || rule < 0 || rule >= LIMIT_RULES_MAX ||
            !read_number(bytes, size, at, &one->until_s) || one->until_s < 0 ||
            one->until_s > LIMIT_PERIOD_LAST_S || !read_number(bytes, size, at, &one->number))
            return false;
        one->rule = (uint16_t)rule;
    }
    out->suppressed_count = count;
    return true;
}

static bool read_controls(const struct fraud_rules *rules, const uint8_t *bytes, size_t size,
                          size_t *at, struct fraud_controls *out)
{
    uint8_t flags = *at < size ? bytes[(*at)++] : 0;

    return flags != 0 && flags <= WITH_ALL &&
           ((flags & WITH_THRESHOLDS) == 0 || read_thresholds(rules, bytes, size, at, out)) &&
           ((flags & WITH_STEPPED_DOWN) == 0 ||
            read_stepped_down(bytes, size, at, &out->stepped_down)) &&
           ((flags & WITH_SUPPRESSED) == 0 || read_suppressed(bytes, size, at, out));
}

static bool read_decision(const struct fraud_rules *rules, const uint8_t *bytes, size_t size,
                          int64_t values[RULE_SLOTS_MAX], struct fraud_controls *controls)
{
    size_t at = DECISION_HEAD;

    memset(controls, 0, sizeof *controls);
    if (size < DECISION_HEAD || size > LIMIT_DECISION_MAX ||
        (bytes[0] != DECISION_FORMAT && bytes[0] != DECISION_CONTROLLED) ||
        bytes[1] != (uint8_t)rules->slots_print || bytes[2] != rules->slots_print >> 8 ||
        bytes[3] != rules->slot_count)
        return false;
    for (size_t i = 0; i < rules->slot_count; i++)
        if (!read_number(bytes, size, &at, &values[i]))
            return false;
    if (bytes[0] == DECISION_CONTROLLED && !read_controls(rules, bytes, size, &at, controls))
        return false;
    return at == size;
}

/* --- the calls ------------------------------------------------------------------------------- */

/* A profile lies in 16 lines of the cache; asked for at once, they come while others are waited
 * for.
 */
static void call_up(const struct fraud_profile *profile)
{
    for (size_t at = 0; at < sizeof profile->bytes; at += 64)
        __builtin_prefetch(&profile->bytes[at]);
}

/* The features that the rule set names. */
static void see(const struct fraud_rules *rules, const struct fraud_profile *subject,
                const struct fraud_profile *counterparty, const struct fraud_event *event,
                int64_t values[RULE_SLOTS_MAX])
{
    static const struct fraud_profile nobody;

    struct feature_cache cache;
    struct feature_input input = {
        .event = event,
        .subject = profile_of(subject),
        .other = profile_of(counterparty != NULL ? counterparty : &nobody),
        .cache = &cache,
    };

    call_up(subject);
    if (counterparty != NULL)
        call_up(counterparty);
    cache.has = 0;
    for (size_t i = 0; i < rules->slot_count; i++)
        values[i] = feature_value((enum feature)rules->slots[i], &input);
}

void fraud_judge(const struct fraud_rules *rules, const struct fraud_profile *subject,
                 const struct fraud_profile *counterparty, const struct fraud_event *event,
                 bool with_text, struct fraud_verdict *out)
{
    int64_t               values[RULE_SLOTS_MAX];
    struct fraud_controls used;

    see(rules, subject, counterparty, event, values);
    decide(rules, values, event->controls, with_text, &used, out);
    out->decision_size = (uint16_t)write_decision(rules, values, &used, out->decision);
}

void fraud_judge_bare(const struct fraud_rules *rules, const struct fraud_profile *subject,
                      const struct fraud_profile *counterparty, const struct fraud_event *event,
                      struct fraud_verdict *out)
{
    int64_t               values[RULE_SLOTS_MAX];
    struct fraud_controls used;
    struct fired          all[LIMIT_RULES_MAX];
    struct finding        finding;

    see(rules, subject, counterparty, event, values);
    find(rules, values, event->controls, &used, all, true, &finding);
    find_verdict(rules, &finding, &used, out);
    out->reason_count = 0;
    out->decision_size = 0;
}

bool fraud_explain(const struct fraud_rules *rules, const uint8_t *decision, size_t size,
                   struct fraud_verdict *out)
{
    int64_t               values[RULE_SLOTS_MAX];
    uint8_t               again[LIMIT_DECISION_MAX];
    struct fraud_controls controls;
    struct fraud_controls used;

    if (!read_decision(rules, decision, size, values, &controls))
        return false;
    decide(rules, values, &controls, true, &used, out);
    if (write_decision(rules, values, &used, again) != size || memcmp(again, decision, size) != 0)
        return false; /* it names controls that had no effect */
    memcpy(out->decision, again, size);
    out->decision_size = (uint16_t)size;
    return true;
}

static bool is_told(const struct fraud_verdict *verdict, uint16_t rule)
{
    for (size_t i = 0; i < verdict->reason_count; i++)
        if (verdict->reasons[i].rule == rule)
            return true;
    return false;
}

static size_t tell_rest(const struct fraud_rules *rules, const struct fired *one,
                        const int64_t *values, const struct fraud_controls *used,
                        struct fraud_reason *out)
{
    *out = (struct fraud_reason){ .rule = one->rule, .points = one->points, .effect = one->effect };
    tell(rules, one, values, used, out->text);
    return 1;
}

size_t fraud_explain_rest(const struct fraud_rules *rules, const uint8_t *decision, size_t size,
                          struct fraud_reason out[FRAUD_REST_MAX])
{
    int64_t               values[RULE_SLOTS_MAX];
    struct fraud_controls controls;
    struct fraud_controls used;
    struct fired          all[LIMIT_RULES_MAX];
    struct finding        finding;
    struct fraud_verdict  verdict;
    const struct card    *card = &rules->card;
    size_t                count = 0;

    if (!read_decision(rules, decision, size, values, &controls))
        return 0;
    find(rules, values, &controls, &used, all, false, &finding);
    find_verdict(rules, &finding, &used, &verdict);
    write_reasons(rules, values, &finding, &used, false, &verdict);
    for (size_t i = 0; i < finding.all_count; i++)
        if (!is_told(&verdict, all[i].rule))
            count += tell_rest(rules, &all[i], values, &used, &out[count]);
    for (size_t i = 0; card->loaded && i <= card->part_count; i++) {
        struct fired one = { .rule = (uint16_t)(rules->rule_count + i) };

        one.points = i < card->part_count ? card_points(card, i, values) : card->base;
        if (one.points != 0 && !is_told(&verdict, one.rule))
            count += tell_rest(rules, &one, values, &used, &out[count]);
    }
    return count;
}

static void note_fired(struct fraud_recall *out, uint16_t rule, int16_t points, uint8_t effect)
{
    out->fired[out->count++] =
        (struct fraud_fired){ .rule = rule, .points = points, .effect = effect };
}

bool fraud_recall(const struct fraud_rules *rules, const uint8_t *decision, size_t size,
                  struct fraud_recall *out)
{
    int64_t               values[RULE_SLOTS_MAX];
    struct fraud_controls controls;
    struct fraud_controls used;
    struct fired          all[LIMIT_RULES_MAX];
    struct finding        finding;
    struct fraud_verdict  verdict;

    if (!read_decision(rules, decision, size, values, &controls))
        return false;
    find(rules, values, &controls, &used, all, true, &finding);
    find_verdict(rules, &finding, &used, &verdict);
    out->verdict = verdict.verdict;
    out->score = verdict.score;
    out->sum = verdict.sum;
    out->alert_at = used.threshold_alert != 0 ? used.threshold_alert : rules->threshold_alert;
    out->alert = verdict.alert;
    out->forced = verdict.forced;
    out->stopping = verdict.stopping;
    out->count = 0;
    for (size_t i = 0; i < finding.all_count; i++)
        note_fired(out, all[i].rule, all[i].points, all[i].effect);
    for (size_t i = 0; i < used.suppressed_count; i++)
        note_fired(out, used.suppressed[i].rule, 0, FRAUD_SUPPRESSED);
    return true;
}

size_t fraud_recall_parts(const struct fraud_rules *rules, const uint8_t *decision, size_t size,
                          int16_t out[FRAUD_PARTS_MAX])
{
    int64_t               values[RULE_SLOTS_MAX];
    struct fraud_controls controls;

    if (!rules->card.loaded || !read_decision(rules, decision, size, values, &controls))
        return 0;
    for (size_t i = 0; i < rules->card.part_count; i++)
        out[i] = card_points(&rules->card, i, values);
    return rules->card.part_count;
}

static_assert((int)RULE_SLOTS_MAX <= (int)FRAUD_FEATURES_MAX, "all features of a decision fit");

size_t fraud_recall_features(const struct fraud_rules *rules, const uint8_t *decision, size_t size,
                             struct fraud_feature *out)
{
    int64_t               values[RULE_SLOTS_MAX];
    struct fraud_controls controls;

    if (!read_decision(rules, decision, size, values, &controls))
        return 0;
    for (size_t i = 0; i < rules->slot_count; i++) {
        const struct feature_row *row = &feature_rows[rules->slots[i]];

        out[i] = (struct fraud_feature){ .name = row->name,
                                         .unit = feature_unit_name(row->unit),
                                         .help = row->help,
                                         .value = values[i] };
    }
    return rules->slot_count;
}

bool fraud_recall_controls(const struct fraud_rules *rules, const uint8_t *decision, size_t size,
                           struct fraud_controls *out)
{
    static const struct {
        enum feature feature;
        uint32_t     list;
    } lists[] = {
        { FEATURE_account_allowed, FRAUD_ACCOUNT_ALLOWED },
        { FEATURE_account_denied, FRAUD_ACCOUNT_DENIED },
        { FEATURE_account_watched, FRAUD_ACCOUNT_WATCHED },
        { FEATURE_counterparty_allowed, FRAUD_COUNTERPARTY_ALLOWED },
        { FEATURE_counterparty_denied, FRAUD_COUNTERPARTY_DENIED },
        { FEATURE_counterparty_watched, FRAUD_COUNTERPARTY_WATCHED },
    };
    int64_t values[RULE_SLOTS_MAX];

    if (!read_decision(rules, decision, size, values, out))
        return false;
    for (size_t slot = 0; slot < rules->slot_count; slot++)
        for (size_t i = 0; i < ARRAY_COUNT(lists); i++)
            if (rules->slots[slot] == lists[i].feature && values[slot] != 0)
                out->lists |= lists[i].list;
    return true;
}
