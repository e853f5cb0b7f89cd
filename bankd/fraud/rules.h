/* Rules inside: how a parsed rule set lies in memory, private to this folder.
 *
 * The language (also told by the shipped file data/rules/default.rules). Blanks and line ends
 * separate words, # starts a comment. First `version 1`, then in any order:
 *
 *   threshold alert|hold|decline NUMBER|never     alert is as hold when absent
 *   list NAME = CONSTANT, CONSTANT ...
 *   rule NAME
 *     when CONDITION
 *     score EXPRESSION                  points, 0 when absent
 *     action score|alert|hold|decline   score when absent
 *     because "text with {feature}"     texts that follow each other are one
 *     severity low|medium|high          medium when absent
 *     tags NAME, NAME ...
 *     fires on FEATURE=CONSTANT ...     at least one; what is not named is 0
 *     silent on FEATURE=CONSTANT ...    at least one
 *   end
 *
 * Points that are a constant are -1000 to 1000; those that are computed are cut to that.
 *
 * Expressions, from the weakest: or; and; not; < <= > >= = == != and `in`, `not in` with a list's
 * name or (constants); + -; * /; a sign; min(a, b) max(a, b) abs(a); parentheses. All values are
 * 64-bit integers; a result beyond them is the nearest that fits, and a division by what turns out
 * to be 0 gives 0 (a constant 0 is refused). What is compared must be of one kind (money, a count,
 * a share, a span of time, a type, a day, yes or no); numbers without a unit go with all of them.
 * Constants: 5000; 25% (2500 basis points); 90s 15m 1h 7d (seconds); 49.90 (money: minor units of
 * the payment's currency); words (yes no, transfer and the other types, monday to sunday).
 *
 * An expression becomes a few instructions for a stack machine whose depth is known when it is
 * made, so judging needs no checks. The rule that must not be broken: a rule set sees a payment
 * only through `slots`, the features that it names; they are what a decision stores, therefore
 * judging and explaining are the same computation. */
#ifndef BANKD_FRAUD_RULES_H
#define BANKD_FRAUD_RULES_H

#include "bankd/fraud/features.h"
#include "bankd/fraud/fraud.h"
#include "common/buf.h"

#include <assert.h>
#include <stdbool.h>

enum {
    RULE_VERSION = 1,
    RULE_SCORE_MAX = 1000,
    RULE_SCORE_NEVER = RULE_SCORE_MAX + 1,
    RULE_NUMBER_MAX = 10, /* bytes of a number in a decision */
    RULE_DECISION_HEAD = 4,
    RULE_DECISION_CONTROLS = 8 + LIMIT_RULES_MAX / 8 + /* engine.c tells their form */
                             LIMIT_SUPPRESSIONS_PER_ACCOUNT * (2 + 2 * RULE_NUMBER_MAX),
    RULE_SLOTS_MAX = FEATURE_COUNT,
    /* In a compiled template this byte and slot + 1 stand for a value. */
    RULE_TEMPLATE_MARK = 1,
};

enum rule_op {
    OP_PUSH,
    OP_SLOT,
    OP_ADD,
    OP_SUBTRACT,
    OP_MULTIPLY,
    OP_DIVIDE,
    OP_NEGATE,
    OP_MIN,
    OP_MAX,
    OP_ABS,
    OP_EQUAL,
    OP_UNEQUAL,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_AND,
    OP_OR,
    OP_NOT,
    OP_IN,
    OP_AND_SKIP, /* a left side of `and` that is no: its right side need not be run */
    OP_OR_SKIP,  /* a left side of `or` that is yes */
    OP_COMPARE   /* a slot with a constant: most of what rules ask, in one step */
};

struct rule_step {
    int64_t  value; /* OP_PUSH, OP_COMPARE: the constant */
    uint16_t op;    /* enum rule_op */
    /* OP_SLOT, OP_COMPARE: the slot; OP_IN: the list's first value; skips: the step behind. */
    uint16_t first;
    uint16_t count; /* OP_IN: how many; OP_COMPARE: which comparison */
};

struct rule_code {
    uint16_t first;
    uint16_t count; /* 0 = there is none */
};

enum { RULE_RANGES_MAX = 6 };

/* A slot's value is within low and high, or outside of them, or in a list. */
struct rule_range {
    int64_t  low;
    int64_t  high;
    uint16_t slot;
    uint16_t first; /* of the list's values */
    uint16_t count; /* 0 = no list */
    bool     outside;
};

/* A condition as what must hold first, and the code of what is left with a yes on the stack. */
struct rule_short {
    struct rule_range ranges[RULE_RANGES_MAX];
    struct rule_code  rest;
    uint16_t          range_count;
};

enum rule_action { ACTION_SCORE, ACTION_ALERT, ACTION_HOLD, ACTION_DECLINE };

struct rule {
    struct rule_code when;
    struct rule_code score;
    uint8_t          action;
    uint8_t          severity; /* enum rule_severity */
    char             name[LIMIT_RULE_NAME_MAX + 1];
    char             tags[LIMIT_RULE_TAGS_MAX + 1];         /* "mule, account-takeover" */
    char             because[LIMIT_RULE_TEMPLATE_MAX + 1];  /* as written, for people */
    char             compiled[LIMIT_RULE_TEMPLATE_MAX + 1]; /* with marks for values */
};

struct rule_list {
    char     name[LIMIT_RULE_NAME_MAX + 1];
    uint16_t first;
    uint16_t count;
    uint8_t  kind; /* of its values: enum kind of parser.h */
};

/* A learned scorecard; card.c tells its file. */
enum { CARD_PARTS_MAX = FRAUD_PARTS_MAX, CARD_CUTS_MAX = 2048, CARD_POINTS_MAX = 4096 };

struct card_axis {
    uint16_t slot;
    uint16_t first_cut;
    uint16_t cuts; /* one more bins than cuts */
};

struct card_part {
    struct card_axis axes[2]; /* the second of pairs only */
    bool             pair;
    uint16_t         first_point;
    char             name[FRAUD_NAME_MAX + 1];
};

struct card {
    bool             loaded;
    int16_t          base;
    uint16_t         part_count;
    uint16_t         cut_count;
    uint16_t         point_count;
    struct card_part parts[CARD_PARTS_MAX];
    int64_t          cuts[CARD_CUTS_MAX];
    int16_t          points[CARD_POINTS_MAX];
};

struct fraud_rules {
    struct arena      memory; /* where this struct lies */
    int32_t           threshold_alert;
    int32_t           threshold_hold;
    int32_t           threshold_decline;
    uint16_t          slots_print; /* of the slots' names, to know own decisions */
    size_t            slot_count;
    uint8_t           slots[RULE_SLOTS_MAX]; /* enum feature, in order of first use */
    size_t            rule_count;
    size_t            step_count;
    size_t            value_count;
    size_t            list_count;
    struct rule       rules[LIMIT_RULES_MAX];
    struct rule_short shorts[LIMIT_RULES_MAX];
    struct rule_step  steps[LIMIT_RULE_STEPS_MAX];
    int64_t           values[LIMIT_RULE_VALUES_MAX];
    struct rule_list  lists[LIMIT_RULE_LISTS_MAX];
    struct card       card;
};

static_assert((int)FEATURE_COUNT <= UINT8_MAX, "a slot's feature fits a byte");
static_assert((int)LIMIT_RULE_STEPS_MAX <= UINT16_MAX, "a step's number fits");
static_assert((int)LIMIT_RULES_MAX + (int)CARD_PARTS_MAX + 1 < (int)FRAUD_RULE_REST,
              "the rest and the clamp are no rules");
static_assert((int)LIMIT_RULES_MAX + (int)CARD_PARTS_MAX + 1 == (int)FRAUD_REST_MAX,
              "every reason may be among the rest");

/* What the machine makes of a piece of code; at most LIMIT_RULE_STACK_MAX deep, as the parser
 * has checked. `values` are the rule set's slots. */
int64_t rule_run(const struct fraud_rules *rules, struct rule_code code, const int64_t *values);
/* Whether a rule's condition holds: what rule_run makes of it, on a shorter way that rule_shorten
 * has prepared when the rule was whole. */
bool rule_fires(const struct fraud_rules *rules, size_t rule, const int64_t *values);
void rule_shorten(struct fraud_rules *rules, size_t rule);

/* The text of a reason: at most LIMIT_REASON_MAX bytes of UTF-8 and the NUL. */
void reason_text(const struct fraud_rules *rules, const struct rule *rule, const int64_t *values,
                 char out[LIMIT_REASON_MAX + 1]);

void card_reason_text(const struct fraud_rules *rules, size_t part, const int64_t *values,
                      char out[LIMIT_REASON_MAX + 1]);

/* Puts a few words before a reason's text, which is cut when it grows too long. */
void reason_begin_with(const char *words, char text[LIMIT_REASON_MAX + 1]);

/* A short print of which features are stored in which order. */
uint16_t rules_print_slots(const struct fraud_rules *rules);

/* The points of a card's part, and what it is called; the part behind the last is the base. */
int16_t     card_points(const struct card *card, size_t part, const int64_t *values);
const char *card_name(const struct fraud_rules *rules, size_t part);

extern const char *const rule_action_names[4];
enum rule_severity { SEVERITY_LOW, SEVERITY_MEDIUM, SEVERITY_HIGH };
extern const char *const rule_severity_names[3];

#endif
