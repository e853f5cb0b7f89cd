/* A box that asks before something is done: facts, fields, a review, a confirmation by Y. act.c has
 * the decisions on records, whose messages it knows one by one; any other operation is asked for by
 * operate_begin, which makes the fields from the operation's row in the tables of the protocol.
 *
 * Use it like this: operate_begin, operate_fix and operate_fact as wanted, operate_ready. What is
 * fixed is sent and not shown as a field; facts tell it in words. */
#ifndef BANKTERM_SCREENS_ACT_H
#define BANKTERM_SCREENS_ACT_H

#include "bankterm/app.h"
#include "bankterm/screens/outcomes.h"
#include "bankterm/widgets/form.h"

enum {
    ACT_FACTS_MAX = 8,
    ACT_FACT_MAX = 200,
    ACT_SUM_MAX = 128, /* sums of a few currencies */
    ACT_BODY_MAX = 2048,
    ACT_FIXED_MAX = 4,
    ACT_FIXED_TEXT = 72,
    ACT_TYPED_MAX = 1400, /* what was typed, told by the screen that goes on */
};

enum act_stage { ACT_EDIT, ACT_REVIEW, ACT_SENT, ACT_UNKNOWN };

struct act_fact {
    const char *label;
    char        text[ACT_FACT_MAX];
};

/* A field that the user does not fill in. */
struct act_fixed {
    const char *field;
    char        text[ACT_FIXED_TEXT];
};

struct act {
    struct screen   screen;
    enum action     action;
    bool            generic; /* the fields follow from `op` */
    enum op_index   op;
    const char     *title;
    enum act_stage  stage;
    struct uuid     id;     /* of the subject */
    struct uuid     new_id; /* of what is made */
    int64_t         hits;   /* of the alert, as it was seen */
    int64_t         held;   /* payments that a decision on alerts releases or rejects */
    char            held_sum[ACT_SUM_MAX];
    struct act_fact facts[ACT_FACTS_MAX];
    int             fact_count;
    struct form     form;
    uint64_t        ticket;
    struct fetch    lookup;
    char            error[LIMIT_DETAIL_MAX];
    /* Several alerts to be decided, or decisions to be undone, one after the other. */
    struct msg_alert_seen items[LIMIT_ALERT_BULK_MAX];
    char                  names[LIMIT_ALERT_BULK_MAX][OUTCOME_NAME_MAX + 1]; /* whose */
    int                   item_count;
    int                   item_at;
    int                   undone;
    struct outcome       *refused; /* undone of them were, and so many not */
    int                   refused_count;
    /* Of a generic box. */
    struct act_fixed fixed[ACT_FIXED_MAX];
    int              fixed_count;
    struct arena     arena; /* texts of the message */
    bool             has_arena;
    /* Takes the message instead of sending it, and shows what comes of it. */
    void (*hand_over)(struct app *, const void *body, const char *typed);
};

/* NULL when it could not be opened. */
struct act *operate_begin(struct app *app, enum action action, enum op_index op, const char *title);
void        operate_fact(struct act *act, const char *label, struct slice text);
void        operate_fix(struct act *act, const char *field, const char *text);
/* What stands in a field at first. */
void operate_preset(struct act *act, const char *field, const char *text);
/* Another label than the field's name. */
void operate_label(struct act *act, const char *field, const char *label);
/* All fields are there; the ones that the user fills in are added. */
void operate_ready(struct act *act);

/* --- for act.c ---------------------------------------------------------------------------- */

/* From the form to the message; false when a field is wrong and says so. */
bool operate_fill(struct act *act, void *body);
void operate_free(struct act *act);

#endif
