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
bool alert_can(const struct msg_alert *alert, enum action action);
bool account_act(struct app *app, const struct msg_account *account, enum action action);
bool account_can(const struct msg_account *account, enum action action);
bool customer_act(struct app *app, const struct msg_customer *customer, enum action action);

/* Opens the form of an action on a frozen copy of the record; customer may be NULL when the action
 * needs none. */
void act_on_transaction(struct app *app, enum action action, const struct msg_transaction *tx);
void act_on_alert(struct app *app, enum action action, const struct msg_alert *alert);
void act_on_account(struct app *app, enum action action, const struct msg_account *account);
void act_on_customer(struct app *app, enum action action, const struct msg_customer *customer);

#endif
