/* What the whole daemon knows of its bank: settings, and the rule sets that have judged.
 *
 * Settings are set at start and never change. Rule sets are parsed once and kept (at most
 * BANK_RULE_SETS_MAX, the oldest unused one goes first), so that any stored decision can be
 * explained by the rules that made it. A rule set is its rules and, when it has one, its learned
 * scorecard: they are approved, stored, parsed and judge together. Names of accounts are kept in
 * bank_keep_names (names.h). Threads: every call may come from any thread. */
#ifndef BANKD_BANK_H
#define BANKD_BANK_H

#include "bankd/fraud/fraud.h"
#include "bankd/names.h"
#include "bankd/store/store.h"
#include "common/err.h"

#include <pthread.h>

enum { BANK_RULE_SETS_MAX = 16 };

struct bank_settings {
    uint16_t main_currency; /* for figures when none is asked for; 0 = the one with most accounts */
    int64_t  high_value_major;   /* high-value threshold in whole currency units */
    int64_t  large_major;        /* regulatory reporting threshold (CTR) in whole currency units */
    int64_t  hold_hours;         /* a hold expires after so long */
    int64_t  alert_lock_seconds; /* an analyst's lock on an alert; 0 = LIMIT_ALERT_LOCK_SECONDS */
    int64_t  alert_undo_seconds; /* time to undo a decision; 0 = LIMIT_ALERT_UNDO_SECONDS */
    /* Unless compliance has set them, see controls.h. */
    int64_t valve_share_bp;
    int64_t valve_window_min;
    int64_t valve_minimum;
    int64_t alert_budget;
    int64_t id_skew_hours; /* how far the time in a client's id may be from ours */
};

struct bank {
    struct bank_settings settings;
    pthread_mutex_t      lock;
    struct {
        int64_t             number;
        struct fraud_rules *rules;
        uint64_t            used; /* clock of use */
        unsigned            pins;
    } sets[BANK_RULE_SETS_MAX];
    uint64_t      uses;
    struct names *names; /* that readers share; NULL where nobody serves */
};

void bank_init(struct bank *bank, const struct bank_settings *settings);
void bank_free(struct bank *bank);
/* From here on readers share the names that they look up. */
ERR_MUST_USE enum err bank_keep_names(struct bank *bank);

/* The parsed rule set of a number, read through `store` when it is not in memory. Give it back
 * with bank_rules_release. */
ERR_MUST_USE enum err bank_rules(struct bank *bank, struct store *store, int64_t number,
                                 const struct fraud_rules **out);
void                  bank_rules_release(struct bank *bank, const struct fraud_rules *rules);

/* What people approve: BLAKE2b-256 of the rules' text, and behind a zero byte, which no text has,
 * of the scorecard's where there is one. */
void bank_rules_hash(struct slice rules, struct slice card, uint8_t out[CHAIN_HASH_BYTES]);
/* Puts the file before the line and column of a fault in rules or a scorecard; returns err. */
ERR_MUST_USE enum err bank_rules_fault(enum err err, const char *path, struct fault *fault);
/* The texts of a rule set; an empty card is none. The names are for faults. What is stored was
 * approved before, and is good although a new text that is like it would be refused. */
struct bank_texts {
    struct slice rules;
    struct slice card;
    const char  *rules_name;
    const char  *card_name;
    bool         rules_stored;
    bool         card_stored;
};
/* Both texts as one rule set. */
ERR_MUST_USE enum err bank_rules_parse(const struct bank_texts *texts, struct fraud_rules **out,
                                       struct fault *fault);

/* Thresholds in minor units of a currency; INT64_MAX when it does not fit. */
int64_t bank_high_value(const struct bank *bank, uint16_t currency);
int64_t bank_large(const struct bank *bank, uint16_t currency);

/* How long an analyst's lock holds, and how long her decision can be undone. */
int64_t bank_lock_us(const struct bank *bank);
int64_t bank_undo_us(const struct bank *bank);

#endif
