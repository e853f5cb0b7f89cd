/* The fraud engine: pure functions from what is known and what happens to a verdict that explains
 * itself. No I/O, no clock, no globals, no allocation, integers only: the same history gives the
 * same verdicts on every machine. Time comes in the event.
 *
 * Judge and observe are apart on purpose. fraud_judge changes nothing, so a refused or failed write
 * leaves no trace; fraud_observe is called in ledger order after the commit, for every transaction
 * that names the entity, whatever became of it. A profile is a fold over its entity's chain of
 * transactions and can be made again from it at any time.
 *
 * Scores are additive integer points: the reasons of a verdict add up to its score (the sum is
 * clamped to 0..1000; when it is, a last reason says so and makes the sum right). */
#ifndef BANKD_FRAUD_FRAUD_H
#define BANKD_FRAUD_FRAUD_H

#include "common/buf.h"
#include "common/err.h"
#include "common/limits.h"
#include "proto/proto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A fixed-size, versioned record per account or party, at most LIMIT_PROFILE_BYTES; the layout is
 * in profile.h, private to this folder. Kept by others as bytes. */
enum { FRAUD_PROFILE_BYTES = 1024 };

struct fraud_profile {
    _Alignas(8) uint8_t bytes[FRAUD_PROFILE_BYTES];
};

/* What people, or the system, have set that bears on one payment. Whoever keeps the lists and the
 * settings fills it for each payment; what had an effect is stored with the decision. */
enum fraud_list {
    FRAUD_ACCOUNT_ALLOWED = 1,
    FRAUD_ACCOUNT_DENIED = 2,
    FRAUD_ACCOUNT_WATCHED = 4,
    FRAUD_COUNTERPARTY_ALLOWED = 8,
    FRAUD_COUNTERPARTY_DENIED = 16,
    FRAUD_COUNTERPARTY_WATCHED = 32,
};

enum { FRAUD_RULE_WORDS = LIMIT_RULES_MAX / 64 };

/* Rules of a set as bits, by their index. */
struct fraud_rule_bits {
    uint64_t words[FRAUD_RULE_WORDS];
};

struct fraud_suppression {
    uint16_t rule;    /* index */
    int64_t  until_s; /* it ends then; seconds since 1970. The caller leaves out those that ended */
    int64_t  number;  /* under which people find it */
};

struct fraud_controls {
    uint32_t lists; /* enum fraud_list */
    /* Instead of the rule set's own, which 0 leaves in force; alert <= hold <= the set's decline.
     */
    int32_t                  threshold_alert;
    int32_t                  threshold_hold;
    struct fraud_rule_bits   stepped_down; /* rules that may raise an alert, but stop nothing */
    size_t                   suppressed_count;
    struct fraud_suppression suppressed[LIMIT_SUPPRESSIONS_PER_ACCOUNT]; /* give nothing at all */
};

/* What happens, seen from the account that the payment is about (its subject). */
struct fraud_event {
    int64_t  at_us;
    int64_t  amount;       /* minor units, >= 0 */
    int64_t  unit;         /* minor units of one major unit: 100 for USD */
    int32_t  type;         /* enum transaction_type */
    int32_t  status;       /* enum transaction_status as decided; 0 when judging */
    bool     incoming;     /* the subject receives */
    bool     history;      /* brought in from elsewhere, not a live payment */
    int64_t  balance;      /* available to the subject before it, without its overdraft limit */
    int64_t  opened_at_us; /* of the subject account */
    int64_t  counterparty; /* entity; 0 = none (cash) */
    bool     counterparty_internal;        /* a customer's account of this bank */
    uint16_t currency;                     /* its number: amounts of several are never added up */
    const struct fraud_controls *controls; /* borrowed, for judging; NULL = none */
};

enum fraud_effect {
    FRAUD_COUNTED,      /* points and action as the rule says */
    FRAUD_SUPPRESSED,   /* no points and no action */
    FRAUD_STEPPED_DOWN, /* the points count in the score, but hold and decline nothing */
};

struct fraud_reason {
    uint16_t rule; /* index into the rule set, behind its rules into its card; or the clamp's */
    int16_t  points;
    uint8_t  effect; /* enum fraud_effect */
    int64_t  number; /* of the suppression; 0 = none */
    char     text[LIMIT_REASON_MAX + 1];
};

/* The last reason: what keeps the sum within its limits, or, then with that in it, what found no
 * room. */
enum { FRAUD_RULE_CLAMP = 0xffff, FRAUD_RULE_REST = 0xfffe };

struct fraud_verdict {
    int32_t verdict; /* enum verdict */
    int32_t score;   /* 0..1000 */
    int32_t sum;     /* before it is kept within 0..1000; orders equal scores */
    bool    alert;   /* a person should look, whatever the verdict */
    bool    forced;  /* an action asks for the alert, whatever the score */
    /* Points that it counts with among other alerts: the score, or what the rule set asks of points
     * (1000 where they never do) for what a rule's own action did, whichever is more. */
    int32_t weight;
    /* Rules without which the payment would not be held or declined, or that do so on their own;
     * those that are stepped down are among them when they would. */
    struct fraud_rule_bits stopping;
    size_t                 reason_count;
    struct fraud_reason    reasons[LIMIT_REASONS_MAX];
    /* The features that the rule set used, in its order, and the controls that had an effect, as
     * bytes that are stored with the decision; fraud_explain makes the same verdict from them. */
    uint16_t decision_size;
    uint8_t  decision[LIMIT_DECISION_MAX];
};

/* A parsed, checked rule set; immutable once made; may be used by several threads. */
struct fraud_rules;

/* Parses and checks the text, and runs the examples in it. fault: "line:column: what is wrong"
 * with a hint, field = the file's name. The text is not kept. */
ERR_MUST_USE enum err fraud_rules_parse(struct slice text, const char *file,
                                        struct fraud_rules **out, struct fault *fault);
/* The same for a text that was approved before, perhaps by an older build: checks that came later
 * and only keep people from mistakes are left out, so that what judged once judges the same. */
ERR_MUST_USE enum err fraud_rules_parse_stored(struct slice text, const char *file,
                                               struct fraud_rules **out, struct fault *fault);
/* Adds a scorecard to a rule set that nobody judges by yet. After an error the rule set is only
 * good to be freed. */
ERR_MUST_USE enum err fraud_rules_card(struct fraud_rules *rules, struct slice text,
                                       const char *file, struct fault *fault);
ERR_MUST_USE enum err fraud_rules_card_stored(struct fraud_rules *rules, struct slice text,
                                              const char *file, struct fault *fault);
void                  fraud_rules_free(struct fraud_rules **rules);
size_t                fraud_rules_count(const struct fraud_rules *rules);

/* From how many points on; more than 1000 = never. */
struct fraud_thresholds {
    int32_t alert;
    int32_t hold;
    int32_t decline;
};
struct fraud_thresholds fraud_rules_thresholds(const struct fraud_rules *rules);
/* Whether the payment would be an alert by the rules' own threshold, and is none because the alert
 * budget has moved it. */
static inline bool fraud_is_given_up(struct fraud_thresholds     rules,
                                     const struct fraud_verdict *verdict)
{
    return !verdict->alert && verdict->verdict == VERDICT_APPROVE && verdict->score >= rules.alert;
}
/* Index of the rule of this name, -1 when there is none. */
int fraud_rules_find(const struct fraud_rules *rules, struct slice name);
/* Whether the condition or the points of a rule ask for the deny list, or for any of the lists that
 * people keep; false when there is no such rule. */
bool fraud_rules_asks_deny_list(const struct fraud_rules *rules, size_t rule);
bool fraud_rules_asks_lists(const struct fraud_rules *rules, size_t rule);
/* Whether the rule is of high severity: no single person may silence it. */
bool fraud_rules_is_high(const struct fraud_rules *rules, size_t rule);
/* A rule's name, or a part's features with + between them, at most FRAUD_NAME_MAX bytes; "clamp"
 * and "rest" for FRAUD_RULE_CLAMP and FRAUD_RULE_REST, "?" for one that does not exist. */
enum { FRAUD_NAME_MAX = LIMIT_PART_NAME_MAX };
const char *fraud_rules_name(const struct fraud_rules *rules, size_t rule);

/* What a rule says of itself; the texts live as long as the rule set. */
struct fraud_rule_view {
    const char *name;
    const char *because;  /* as written, with {feature} for values */
    const char *action;   /* "score", "alert", "hold" or "decline" */
    const char *severity; /* "low", "medium" or "high" */
    const char *tags;     /* "mule, scam"; "" for none */
};
/* False when there is no such rule. */
bool fraud_rules_view(const struct fraud_rules *rules, size_t rule, struct fraud_rule_view *out);

/* A part of a scorecard: one feature cut into ranges, or a pair of them. Range i ends where cut i
 * is and range i + 1 begins; of a pair, `points` has all ranges of the second feature for each of
 * the first. Everything lives as long as the rule set. */
struct fraud_axis_view {
    const char    *name; /* of the feature */
    const char    *unit;
    const char    *help;
    const int64_t *cuts;
    size_t         cut_count;
};
struct fraud_part_view {
    bool                   pair;
    struct fraud_axis_view axes[2]; /* the second of pairs only */
    const int16_t         *points;
    size_t                 point_count;
};
size_t  fraud_rules_parts(const struct fraud_rules *rules); /* 0 without a scorecard */
int32_t fraud_rules_base(const struct fraud_rules *rules);
/* False when there is no such part. */
bool fraud_rules_part(const struct fraud_rules *rules, size_t part, struct fraud_part_view *out);

void fraud_profile_init(struct fraud_profile *profile);
/* False when the bytes are of another version or damaged: then the profile must be made again. */
bool fraud_profile_valid(const struct fraud_profile *profile);

/* `counterparty` may be NULL (none, or nothing known of it). with_text false leaves the reasons'
 * texts empty, for speed where nobody reads them. */
void fraud_judge(const struct fraud_rules *rules, const struct fraud_profile *subject,
                 const struct fraud_profile *counterparty, const struct fraud_event *event,
                 bool with_text, struct fraud_verdict *out);
/* The same verdict, score and stopping rules without any reason or decision, for whoever judges
 * many payments and reads no more of each. */
void fraud_judge_bare(const struct fraud_rules *rules, const struct fraud_profile *subject,
                      const struct fraud_profile *counterparty, const struct fraud_event *event,
                      struct fraud_verdict *out);

static inline bool fraud_rule_bit(const struct fraud_rule_bits *bits, size_t rule)
{
    return (bits->words[rule / 64] >> rule % 64 & 1) != 0;
}
static inline void fraud_rule_bit_set(struct fraud_rule_bits *bits, size_t rule)
{
    bits->words[rule / 64] |= UINT64_C(1) << rule % 64;
}
static inline bool fraud_rule_bits_any(const struct fraud_rule_bits *bits)
{
    uint64_t any = 0;

    for (size_t i = 0; i < FRAUD_RULE_WORDS; i++)
        any |= bits->words[i];
    return any != 0;
}

/* The same verdict again from a stored decision, with texts. False when the bytes do not belong
 * to the rule set. */
bool fraud_explain(const struct fraud_rules *rules, const uint8_t *decision, size_t size,
                   struct fraud_verdict *out);

/* The reasons that found no room in a verdict, which FRAUD_RULE_REST stands for, with texts;
 * returns how many, 0 also when the bytes do not belong to the rule set. */
enum { FRAUD_REST_MAX = LIMIT_RULES_MAX + 48 + 1 };
size_t fraud_explain_rest(const struct fraud_rules *rules, const uint8_t *decision, size_t size,
                          struct fraud_reason out[FRAUD_REST_MAX]);

/* The same without texts, for counting over many decisions: every rule that fired, suppressed ones
 * too, and none of the card's parts. */
struct fraud_fired {
    uint16_t rule; /* index into the rule set */
    int16_t  points;
    uint8_t  effect; /* enum fraud_effect */
};
struct fraud_recall {
    int32_t                verdict; /* enum verdict */
    int32_t                score;
    int32_t                sum;      /* before it is kept within 0..1000 */
    int32_t                alert_at; /* the threshold of alerts that was in force */
    bool                   alert;
    bool                   forced;
    struct fraud_rule_bits stopping;
    size_t                 count;
    struct fraud_fired     fired[LIMIT_RULES_MAX];
};
bool fraud_recall(const struct fraud_rules *rules, const uint8_t *decision, size_t size,
                  struct fraud_recall *out);

/* The points that each part of the card gave then, in the order of the card; how many parts it has,
 * 0 without a card or when the bytes do not belong to the rule set. */
enum { FRAUD_PARTS_MAX = 48 };
size_t fraud_recall_parts(const struct fraud_rules *rules, const uint8_t *decision, size_t size,
                          int16_t out[FRAUD_PARTS_MAX]);

/* The controls that a stored decision was made under, as far as they had an effect on it: to judge
 * the payment, or one much like it, once more. */
bool fraud_recall_controls(const struct fraud_rules *rules, const uint8_t *decision, size_t size,
                           struct fraud_controls *out);

/* The features that a stored decision saw, in the rule set's order. 0 when the bytes do not belong
 * to the rule set. */
struct fraud_feature;
size_t fraud_recall_features(const struct fraud_rules *rules, const uint8_t *decision, size_t size,
                             struct fraud_feature *out); /* room for FRAUD_FEATURES_MAX */

/* `side` says how the profile's entity takes part: the subject of the event, or its counterparty
 * (then in/out is turned round). `other` is the entity on the other side, 0 = none. */
enum fraud_side { FRAUD_SUBJECT, FRAUD_COUNTERPARTY };
void fraud_observe(struct fraud_profile *profile, const struct fraud_event *event,
                   enum fraud_side side, int64_t other);

/* The release of a payment that was observed when it was held, by the same event: from now on it is
 * one that was done, and was never stopped. Who paid it did so when it was held; to whom it went it
 * comes at the moment of the release. */
void fraud_observe_release(struct fraud_profile *profile, const struct fraud_event *event,
                           enum fraud_side side, int64_t other, int64_t released_at_us);

/* A finding about one of the entity's transactions, and the moment from which it may be used, which
 * may lie ahead: looks at earlier moments do not see it. Findings may come in any order. A finding
 * that is replaced by another is forgotten just before the other is observed, which must not become
 * known earlier. */
void fraud_observe_label(struct fraud_profile *profile, int64_t known_at_us, bool fraud);
void fraud_forget_label(struct fraud_profile *profile, int64_t known_at_us, bool fraud);

/* As if the entity had been paid long ago, and nothing else: for asking what would have been. */
void fraud_suppose_known(struct fraud_profile *profile, int64_t entity);

/* BLAKE2b is not pure enough for here: a 64-bit digest (FNV-1a) of a profile, for tests. */
uint64_t fraud_profile_digest(const struct fraud_profile *profile);

/* Every feature with its present value, for screens: those of features.def. `now_us` closes the
 * windows. The normal range is the account's own, by the formulas of habit.h. */
struct fraud_feature {
    const char *name;
    const char *unit; /* "count", "minor units", "basis points", "percent", "days", ... */
    const char *help;
    int64_t     value;
    bool        has_normal;
    int64_t     normal_low, normal_high;
};
enum { FRAUD_FEATURES_MAX = 128 };
size_t fraud_features(const struct fraud_profile *profile, int64_t now_us,
                      struct fraud_feature out[FRAUD_FEATURES_MAX]);

#endif
