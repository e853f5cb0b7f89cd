/* Actions on records: which make sense in which state, and where each leads. The server decides in
 * the end; this only spares the user a refusal that can be foreseen. */
#include "bankterm/screens/subject.h"

#include "bankterm/screens/screens.h"

#include <stdio.h>

bool transaction_can(const struct msg_transaction *tx, enum action action)
{
    switch ((int)action) {
    case ACTION_flag:
        return tx != NULL && !tx->fraud_flag;
    case ACTION_unflag:
        return tx != NULL && tx->fraud_flag;
    case ACTION_release:
    case ACTION_reject:
        return tx != NULL && tx->status == STATUS_HELD;
    case ACTION_undo:
        return tx != NULL && tx->status == STATUS_COMPLETED;
    case ACTION_show_alert:
        return tx != NULL && MSG_HAS(tx, transaction, alert_id);
    case ACTION_show_reversal:
        return tx != NULL &&
               (MSG_HAS(tx, transaction, reversal_of) || MSG_HAS(tx, transaction, reversed_by));
    case ACTION_show_account:
    case ACTION_show_other:
    case ACTION_open:
        return tx != NULL;
    default:
        return true;
    }
}

bool transaction_act(struct app *app, const struct msg_transaction *tx, enum action action)
{
    char key[LIMIT_PARTY_KEY_MAX + 1];
    if (tx == NULL)
        return false;
    switch ((int)action) {
    case ACTION_list_it:
        if (tx->counterparty.n > 0)
            list_about(app, "counterparty", slice_copy(tx->counterparty, key, sizeof key),
                       tx->counterparty);
        else
            list_about(app, "account_id", uuid_text(&tx->counterparty_account_id, key),
                       tx->counterparty_name);
        return true;
    case ACTION_case_open:
        case_open_about(app, "transaction_id", &tx->transaction_id, "Transaction of",
                        tx->account_name);
        return true;
    case ACTION_flag:
    case ACTION_unflag:
    case ACTION_release:
    case ACTION_reject:
    case ACTION_undo:
        if (transaction_can(tx, action))
            act_on_transaction(app, action, tx);
        else
            app_notice(app, STYLE_WARN, "The transaction is %s%s: there is nothing to %s",
                       enum_text(&enum_transaction_status, tx->status),
                       tx->fraud_flag ? " and flagged" : "", action_row(action)->name);
        return true;
    case ACTION_open:
        app_show_transaction(app, &tx->transaction_id);
        return true;
    case ACTION_show_account:
        app_show_account(app, &tx->account_id);
        return true;
    case ACTION_show_other:
        app_show_account(app, &tx->counterparty_account_id);
        return true;
    case ACTION_show_alert:
        if (MSG_HAS(tx, transaction, alert_id))
            app_show_alert(app, &tx->alert_id);
        else
            app_notice(app, STYLE_NOTICE, "The transaction raised no alert");
        return true;
    case ACTION_show_reversal:
        if (MSG_HAS(tx, transaction, reversal_of))
            app_show_transaction(app, &tx->reversal_of);
        else if (MSG_HAS(tx, transaction, reversed_by))
            app_show_transaction(app, &tx->reversed_by);
        else
            app_notice(app, STYLE_NOTICE, "The transaction was not reversed and reverses none");
        return true;
    default:
        return false;
    }
}

/* --- alerts --------------------------------------------------------------------------------- */

enum who { WHO_ANYBODY, WHO_HOLDER, WHO_SYSTEM };

enum alert_act {
#define ALERT_ACT(act, help) ALERT_ACT_##act,
#include "proto/alerts.def"
    ALERT_ACT_none
};

/* The same table that the server asks. */
static const struct {
    enum alert_act act;
    int32_t        from;
    enum who       who;
} moves[] = {
#define ALERT_MOVE(act, from, who, to, help) { ALERT_ACT_##act, ALERT_##from, WHO_##who },
#include "proto/alerts.def"
};

enum { MOVE_COUNT = sizeof moves / sizeof moves[0] };

int32_t alert_state_now(const struct msg_alert *alert, int64_t now_us)
{
    bool lock_ended = MSG_HAS(alert, alert, lock_until) && alert->lock_until <= now_us;
    bool sleep_ended = MSG_HAS(alert, alert, snoozed_until) && alert->snoozed_until <= now_us;
    if ((alert->state == ALERT_TAKEN && lock_ended) ||
        (alert->state == ALERT_SNOOZED && sleep_ended))
        return ALERT_OPEN;
    return alert->state;
}

static enum alert_act act_of_action(enum action action)
{
    switch ((int)action) {
    case ACTION_take:
        return ALERT_ACT_take;
    case ACTION_decide:
        return ALERT_ACT_decide;
    case ACTION_undo_decision:
        return ALERT_ACT_undo;
    case ACTION_give_back:
        return ALERT_ACT_return;
    case ACTION_snooze:
        return ALERT_ACT_snooze;
    case ACTION_assign:
        return ALERT_ACT_assign;
    case ACTION_note:
        return ALERT_ACT_note;
    default:
        return ALERT_ACT_none;
    }
}

static bool may_move(const struct app *app, const struct msg_alert *alert, enum alert_act act)
{
    int64_t now = app_now_us(app);
    int32_t state = alert_state_now(alert, now);
    bool    mine = slice_is(alert->assigned_to, app->user);
    if (act == ALERT_ACT_undo && (!MSG_HAS(alert, alert, undo_until) || alert->undo_until <= now))
        return false;
    if (act == ALERT_ACT_take && state == ALERT_TAKEN && mine)
        return false; /* allowed, but there is nothing to gain */
    for (int i = 0; i < MOVE_COUNT; i++) {
        if (moves[i].act == act && moves[i].from == state &&
            (moves[i].who == WHO_ANYBODY || (moves[i].who == WHO_HOLDER && mine)))
            return true;
    }
    return false;
}

bool alert_can(const struct app *app, const struct msg_alert *alert, enum action action)
{
    enum alert_act act = act_of_action(action);
    if (act != ALERT_ACT_none)
        return alert != NULL && may_move(app, alert, act);
    if (action == ACTION_open || action == ACTION_show_account || action == ACTION_show_transaction)
        return alert != NULL;
    return true;
}

static void say_not_now(struct app *app, const struct msg_alert *alert, enum action action)
{
    int32_t state = alert_state_now(alert, app_now_us(app));
    char    left[32];
    if (action == ACTION_undo_decision)
        app_notice(app, STYLE_WARN, "There is no decision that could still be undone");
    else if (state == ALERT_TAKEN && !slice_is(alert->assigned_to, app->user))
        app_notice(app, STYLE_WARN, "%.*s works on the alert for %s", (int)alert->assigned_to.n,
                   alert->assigned_to.at != NULL ? alert->assigned_to.at : "",
                   show_age(alert->lock_until - app_now_us(app), left, sizeof left));
    else
        app_notice(app, STYLE_WARN, "The alert is %s already", enum_text(&enum_alert_state, state));
}

bool alert_act(struct app *app, const struct msg_alert *alert, enum action action)
{
    char id[UUID_TEXT_MAX];
    if (alert == NULL)
        return false;
    if (action == ACTION_list_it) {
        list_about(app, "account_id", uuid_text(&alert->account_id, id), alert->account_name);
        return true;
    }
    if (action == ACTION_case_open) {
        case_open_about(app, "alert_id", &alert->alert_id, "Alert of", alert->account_name);
        return true;
    }
    if (act_of_action(action) != ALERT_ACT_none) {
        if (alert_can(app, alert, action))
            act_on_alert(app, action, alert);
        else
            say_not_now(app, alert, action);
        return true;
    }
    switch ((int)action) {
    case ACTION_open:
        app_show_alert(app, &alert->alert_id);
        return true;
    case ACTION_show_account:
        app_show_account(app, &alert->account_id);
        return true;
    case ACTION_show_transaction:
        app_show_transaction(app, &alert->transaction_id);
        return true;
    default:
        return false;
    }
}

/* The sums of each currency: of everything, or of what is held. */
static const char *sum_of(const void *const *rows, int count, bool held, char *out, size_t size)
{
    enum { CURRENCIES_MAX = 4 };
    struct slice currency[CURRENCIES_MAX] = { { 0 } };
    int64_t      sum[CURRENCIES_MAX] = { 0 };
    bool         more = false;
    size_t       n = 0;
    out[0] = '\0';
    for (int i = 0; i < count; i++) {
        const struct msg_alert *alert = rows[i];
        int64_t                 amount = held ? alert->held_amount : alert->amount_total;
        int                     at = 0;
        if (held && alert->held_count == 0)
            continue;
        while (at < CURRENCIES_MAX && currency[at].n > 0 &&
               !slice_equal(currency[at], alert->currency))
            at++;
        if (at == CURRENCIES_MAX) {
            more = true;
            continue;
        }
        currency[at] = alert->currency;
        if (__builtin_add_overflow(sum[at], amount, &sum[at]))
            sum[at] = INT64_MAX;
    }
    for (int i = 0; i < CURRENCIES_MAX && currency[i].n > 0 && n < size; i++) {
        char text[64];
        n += (size_t)snprintf(out + n, size - n, "%s%s", i > 0 ? ", " : "",
                              show_sum(sum[i], currency[i], text, sizeof text));
    }
    if (more && n < size)
        snprintf(out + n, size - n, " and others");
    return out;
}

const char *alerts_sum(const void *const *rows, int count, char *out, size_t size)
{
    return sum_of(rows, count, false, out, size);
}

const char *alerts_held(const void *const *rows, int count, char *out, size_t size)
{
    return sum_of(rows, count, true, out, size);
}

const char *alert_payments(const struct msg_alert *alert, char *out, size_t size)
{
    char sum[64];
    int  n = snprintf(out, size, "%d payments, %s", (int)alert->hit_count,
                      show_sum(alert->amount_total, alert->currency, sum, sizeof sum));
    if (alert->held_count > 0 && n > 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, "; %d held, %s", (int)alert->held_count,
                 show_sum(alert->held_amount, alert->currency, sum, sizeof sum));
    return out;
}

/* --- accounts and customers ------------------------------------------------------------------ */

bool account_can(const struct msg_account *account, enum action action)
{
    switch ((int)action) {
    case ACTION_freeze:
        return account != NULL && account->status == ACCOUNT_ACTIVE;
    case ACTION_unfreeze:
        return account != NULL && account->status == ACCOUNT_FROZEN;
    case ACTION_close:
        return account != NULL && account->status != ACCOUNT_CLOSED &&
               account->kind == ACCOUNT_CUSTOMER;
    case ACTION_open:
    case ACTION_history:
    case ACTION_risk:
        return account != NULL;
    default:
        return true;
    }
}

static void open_with_id(struct app *app, const struct screen_ops *ops, enum action action,
                         const struct uuid *id)
{
    char text[UUID_TEXT_MAX];
    char argument[UUID_TEXT_MAX + 24];
    snprintf(argument, sizeof argument, "%s %s", action_row(action)->name, uuid_text(id, text));
    app_push(app, ops, argument);
}

bool account_act(struct app *app, const struct msg_account *account, enum action action)
{
    char text[UUID_TEXT_MAX];
    char argument[UUID_TEXT_MAX + LIMIT_NAME_MAX + 2];
    if (account == NULL)
        return false;
    switch ((int)action) {
    case ACTION_list_it:
        list_about(app, "account_id", uuid_text(&account->account_id, text), account->name);
        return true;
    case ACTION_case_open:
        case_open_about(app, "account_id", &account->account_id, "Account", account->name);
        return true;
    case ACTION_freeze:
    case ACTION_unfreeze:
    case ACTION_close:
        if (account_can(account, action))
            act_on_account(app, action, account);
        else
            app_notice(app, STYLE_WARN, "The account is %s: there is nothing to %s",
                       enum_text(&enum_account_status, account->status), action_row(action)->name);
        return true;
    case ACTION_open:
        app_show_account(app, &account->account_id);
        return true;
    case ACTION_history:
        snprintf(argument, sizeof argument, "%s %.*s", uuid_text(&account->account_id, text),
                 (int)account->name.n, account->name.at != NULL ? account->name.at : "");
        app_push(app, &screen_history, argument);
        return true;
    case ACTION_risk:
        open_with_id(app, &screen_viewer, action, &account->account_id);
        return true;
    case ACTION_deposit:
    case ACTION_withdraw:
    case ACTION_transfer:
    case ACTION_payment:
        open_with_id(app, &screen_pay, action, &account->account_id);
        return true;
    default:
        return false;
    }
}

bool customer_act(struct app *app, const struct msg_customer *customer, enum action action)
{
    if (action == ACTION_new_customer) {
        act_on_customer(app, action, NULL);
        return true;
    }
    if (customer == NULL || (action != ACTION_verify_customer && action != ACTION_open_account))
        return false;
    act_on_customer(app, action, customer);
    return true;
}

void app_show_transaction(struct app *app, const struct uuid *id)
{
    char text[UUID_TEXT_MAX];
    app_push(app, &screen_transaction, uuid_text(id, text));
}

void app_show_account(struct app *app, const struct uuid *id)
{
    char text[UUID_TEXT_MAX];
    app_push(app, &screen_account, uuid_text(id, text));
}

void app_show_alert(struct app *app, const struct uuid *id)
{
    char text[UUID_TEXT_MAX];
    app_push(app, &screen_alert, uuid_text(id, text));
}
