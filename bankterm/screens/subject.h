/* What can be done with one transaction, alert, account or customer, wherever it is shown. The
 * record that is given is copied where a form opens: what the user decides on is what was seen
 * then, not what the cursor has moved to since. */
#ifndef BANKTERM_SCREENS_SUBJECT_H
#define BANKTERM_SCREENS_SUBJECT_H

#include "bankterm/app.h"

/* False: the action is none of this record's. record may be NULL. */
bool transaction_act(struct app *app, const struct msg_transaction *tx, enum action action);
bool transaction_can(const struct msg_transaction *tx, enum action action);
bool alert_act(struct app *app, const struct msg_alert *alert, enum action action);
bool alert_can(const struct app *app, const struct msg_alert *alert, enum action action);
bool account_act(struct app *app, const struct msg_account *account, enum action action);
bool account_can(const struct msg_account *account, enum action action);
bool customer_act(struct app *app, const struct msg_customer *customer, enum action action);

/* Opens a case: about the record of case.open's `field`, or about nothing yet when id is NULL. */
/* The form that puts somebody on a list; the field tells what the text is: "account_id" or
 * "counterparty". */
void list_about(struct app *app, const char *field, const char *text, struct slice name);
void case_open_about(struct app *app, const char *field, const struct uuid *id, const char *label,
                     struct slice what);

/* Opens the form of an action on a frozen copy of the record; customer may be NULL when the action
 * needs none. */
void act_on_transaction(struct app *app, enum action action, const struct msg_transaction *tx);
void act_on_alert(struct app *app, enum action action, const struct msg_alert *alert);
/* One decision about several alerts; rows are struct msg_alert. */
void act_on_alerts(struct app *app, const void *const *rows, int count);
/* Takes back what this user decided last, from any list; app_undo_offer tells whether it can. */
void act_on_latest_decision(struct app *app);
/* What they are about: "1,200.00 USD, 300.00 EUR"; returns out. */
const char *alerts_sum(const void *const *rows, int count, char *out, size_t size);
/* The same of what is held of them. */
const char *alerts_held(const void *const *rows, int count, char *out, size_t size);
/* "7 payments, 5,859.00 USD; 1 held, 5,837.32 USD": all of an alert that has several; returns out.
 */
const char *alert_payments(const struct msg_alert *alert, char *out, size_t size);
/* The form of a back test, of the version with this hash unless it is empty; and the back test,
 * with what was typed into the form. */
void backtest_ask(struct app *app, struct slice hash);
void backtest_run(struct app *app, const void *body, const char *typed);
/* The form of a suppression; account may be NULL and rule empty when they are not known yet. */
void suppress_rule(struct app *app, const struct uuid *account, struct slice account_name,
                   struct slice rule);
/* Where it stands now: locks and snoozes end by themselves. */
int32_t alert_state_now(const struct msg_alert *alert, int64_t now_us);
void    act_on_account(struct app *app, enum action action, const struct msg_account *account);
void    act_on_customer(struct app *app, enum action action, const struct msg_customer *customer);

#endif
