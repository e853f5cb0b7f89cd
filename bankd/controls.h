/* What people and the system have set for the fraud engine, in memory: the allow, deny and watch
 * lists, suppressed rules, rules that are stepped down, and the settings of the safety valve, the
 * alert budget and the holds; with them the counters of the valve and the budget.
 *
 * The truth are the bank's records. They are read at start (controls_load), and each one that is
 * written afterwards is taken over at once (controls_take), so that later payments of the same
 * group see it. When the group's commit fails, whoever owns this loads everything again.
 *
 * Finding what bears on a payment costs a few steps whatever the lengths of the lists; when
 * nothing is set it costs nothing. Rules are kept by name and found again by controls_bind, which
 * must be called whenever other rules come into force. What has reached its until-date acts no
 * more, also before the sweep that writes its end.
 *
 * A rule that asks for the deny list is the word of the people who put somebody there: no
 * suppression acts on it, and the valve counts it but never steps it down.
 *
 * No single person silences a rule of high severity: its suppression acts only when a second one
 * has approved it, also when the rule became high after the suppression was entered.
 *
 * After a restart everything is as before: the valve's counters are counted anew from the stored
 * decisions. The budget's are written every hour, when a threshold moves and when the bank is
 * closed; what a crash takes of them is counted anew as well (controls_recall).
 *
 * Threads: one, the writer's. Memory: all of it is taken by controls_open. */
#ifndef BANKD_CONTROLS_H
#define BANKD_CONTROLS_H

#include "bankd/bank.h"
#include "bankd/fraud/budget.h"
#include "bankd/fraud/valve.h"

enum { CONTROLS_STEPPED_MAX = LIMIT_RULES_MAX };

struct controls;

struct control_values {
    int64_t valve_share_bp; /* 0 = the valve never acts */
    int64_t valve_window_min;
    int64_t valve_minimum; /* payments */
    int64_t alert_budget;  /* a day; 0 = thresholds as the rules say */
    int64_t hold_hours;
};

/* Whom an entry of a list names; `about` of its record. */
enum screened { SCREENED_ACCOUNT = 1, SCREENED_CUSTOMER = 2, SCREENED_PARTY = 3 };
static inline int64_t screened_about(enum screened kind, int64_t number)
{
    return number * 4 + (int64_t)kind;
}

ERR_MUST_USE enum err controls_open(struct controls **out);
void                  controls_close(struct controls **controls);

/* Forgets everything but the counters, which are read the first time only, and reads the records.
 * Settings that no record has are those of `settings`. The rules must be bound again. */
ERR_MUST_USE enum err controls_load(struct controls *controls, struct store *store,
                                    const struct bank_settings *settings);
/* For a back test: every entry of the lists and every suppression that the bank ever had, each for
 * the time in which it was in force; nothing else is read. What controls_for finds is then as of
 * the moment that it is asked for, and parties are found by their number. Only controls_bind and
 * controls_for may follow. ERR_message_too_large when there were more than have room. */
ERR_MUST_USE enum err controls_load_past(struct controls *controls, struct store *store,
                                         struct fault *fault);
/* Finds the names again; NULL when nothing judges. Other rules than before clear the valve. */
void controls_bind(struct controls *controls, const struct fraud_rules *rules);
/* Takes over a record of a kind that belongs here, as it is now; others are passed over. ERR_busy
 * when there is no room for it, ERR_storage_corrupt when it says nothing that is known. */
ERR_MUST_USE enum err controls_take(struct controls *controls, const struct record *record);

bool controls_has_room_to_screen(const struct controls *controls);
/* Whether the list names it now; `party` is empty but for SCREENED_PARTY. */
bool controls_is_listed(const struct controls *controls, int64_t about, struct slice party,
                        int32_t list, int64_t now_us);
/* 0 when there is room for a suppression of the account, else the limit that is reached. */
int  controls_suppression_limit(const struct controls *controls, int64_t account);
bool controls_has_rule(const struct controls *controls, struct slice name); /* in force */
/* Whether the rule asks for the deny list: it cannot be suppressed, and the valve spares it. */
bool controls_is_guarded(const struct controls *controls, struct slice name);
/* Whether it is of high severity: its suppression needs a second person. */
bool controls_is_high(const struct controls *controls, struct slice name);
/* The state of the suppression of this rule for the account: active or proposed; 0 = none now. */
int32_t controls_suppression(const struct controls *controls, int64_t account, struct slice rule,
                             int64_t now_us);

const struct control_values *controls_values(const struct controls *controls);
/* The threshold that the budget has found; 0 = as the rules say. */
int32_t controls_threshold(const struct controls *controls);
/* The thresholds in force for the rules, with a budget's threshold of 0 or more: it moves the one
 * of alerts, at most up to the one of holds. */
struct fraud_thresholds controls_thresholds(struct fraud_thresholds rules, int32_t threshold);

/* --- per payment ----------------------------------------------------------------------------- */

/* Whom a payment is about; 0 and empty = nobody. */
struct control_subject {
    int64_t      now_us;
    int64_t      account;
    int64_t      customer;
    int64_t      other; /* account */
    int64_t      other_customer;
    struct slice party;
    int64_t      party_number; /* instead of its key, behind controls_load_past */
};

/* What bears on the payment; NULL for nothing. Valid until the next call. */
const struct fraud_controls *controls_for(struct controls              *controls,
                                          const struct control_subject *subject);

/* A rule that stops too much. */
struct control_trip {
    size_t           rule; /* index */
    struct valve_sum sum;
};

/* What is counted of a payment that was judged. */
struct control_counted {
    int64_t at_us;
    int64_t account;
    bool    history; /* it counts for the budget alone */
    bool    joined;  /* an alert that waited */
};

/* The account will be counted soon: its place is fetched from memory. */
void controls_expect(const struct controls *controls, int64_t account);
/* Counts a judged payment. True when a rule that is not stepped down stops too much: then `trip`
 * says which. */
bool controls_count(struct controls *controls, const struct control_counted *payment,
                    const struct fraud_verdict *verdict, struct control_trip *trip);
/* A payment that was decided before the daemon started, from its stored decision. */
struct control_recall {
    struct control_counted payment;
    int64_t                sequence;
    int32_t                score;
    bool                   forced;
    bool                   in_window; /* of the valve, and judged by the rules in force */
    struct fraud_rule_bits stopping;
};
/* Counts it for what does not know it yet; behind controls_load and controls_bind, in the order of
 * the ledger, before anything else is counted. */
void controls_recall(struct controls *controls, const struct control_recall *again);
bool controls_is_stepped_down(const struct controls *controls, struct slice rule);

/* What was counted since controls_counted: then the counters want to be written. */
bool                 controls_have_counted(const struct controls *controls);
void                 controls_counted(struct controls *controls);
const struct budget *controls_budget(const struct controls *controls);

/* What was counted since the last of these two stays, or is taken back. */
void controls_keep(struct controls *controls);
void controls_undo(struct controls *controls);

#endif
