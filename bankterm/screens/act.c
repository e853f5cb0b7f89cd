/* Decisions on one record: a box with a frozen copy of what is decided on, the fields that the
 * decision needs, a review and a confirmation by Y. Each decision is a row of the table below.
 *
 * An answer that did not come is looked up: the record is fetched and its present state is told,
 * so that the user knows before deciding again. Ids of new records are made when the box opens. */
#include "bankterm/app.h"
#include "bankterm/screens/act.h"
#include "bankterm/screens/screens.h"
#include "bankterm/screens/subject.h"
#include "bankterm/values.h"
#include "bankterm/widgets/form.h"
#include "common/clock.h"
#include "common/money.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FACT_MAX = ACT_FACT_MAX,
    BOX_WIDTH = 78,
    BOX_EDGE = 4,
    FACT_LINES = 3,
    HINT_LINES = 3,
    LOOKUP_EVERY_US = 2000000
};

union act_body {
    struct msg_transaction_act     transaction;
    struct msg_transaction_reverse reverse;
    struct msg_alert_ref           alert;
    struct msg_alert_decide        decide;
    struct msg_alert_note          note;
    struct msg_alert_undo          undo;
    struct msg_alert_snooze        snooze;
    struct msg_alert_assign        assign;
    struct msg_alert_bulk          bulk;
    _Alignas(16) char any[ACT_BODY_MAX];
    struct msg_account_freeze  freeze;
    struct msg_account_act     account;
    struct msg_customer_verify verify;
    struct msg_account_create  open;
    struct msg_customer_create customer;
};

static const struct enum_value proof_values[] = {
    { 1, "proved", "The identity is proved" },
    { 2, "not proved", "The identity is not proved" },
};

static const struct enum_desc enum_proof = { "proof", "Whether an identity is proved", proof_values,
                                             2 };

static struct act *act_of(struct screen *screen)
{
    return (struct act *)screen;
}

static void add_text(struct act *act, const char *label, const char *text)
{
    operate_fact(act, label, slice_from(text));
}

/* --- what each decision asks for ------------------------------------------------------------ */

static void add_reason(struct act *act, const char *name, const char *label, size_t max)
{
    form_add(&act->form, name, label, FORM_TEXT, max, "Goes into the audit log")->required = true;
}

static void add_fields(struct act *act)
{
    struct form       *form = &act->form;
    struct form_field *field;
    switch ((int)act->action) {
    case ACTION_take:
    case ACTION_give_back:
        return;
    case ACTION_snooze:
        form_add(form, "until", "Until", FORM_TEXT, 20, "2h, 3d, or a date such as 2026-12-31")
            ->required = true;
        add_reason(act, "reason", "Reason", LIMIT_REASON_MAX);
        return;
    case ACTION_assign:
        form_add(form, "email", "Colleague", FORM_TEXT, LIMIT_EMAIL_MAX, "Address of the analyst")
            ->required = true;
        return;
    case ACTION_decide:
        field = form_add_choice(form, "decision", "Finding", &enum_alert_decision, "");
        field->required = true;
        add_reason(act, "note", "Why", LIMIT_NOTE_MAX);
        return;
    case ACTION_note:
        add_reason(act, "note", "Note", LIMIT_NOTE_MAX);
        return;
    case ACTION_freeze:
        field = form_add_choice(form, "direction", "Which side", &enum_freeze_direction, "");
        field->required = true;
        field->number = FREEZE_BOTH;
        add_reason(act, "reason", "Reason", LIMIT_REASON_MAX);
        form_add(form, "authority", "Ordered by", FORM_TEXT, LIMIT_NAME_MAX,
                 "Such as a court; may be empty");
        form_add(form, "until", "Until", FORM_DATE, 20, "YYYY-MM-DD; empty: until it is ended");
        return;
    case ACTION_verify_customer:
        field = form_add_choice(form, "verified", "Identity", &enum_proof, "");
        field->required = true;
        field->number = 1;
        add_reason(act, "reason", "What was seen", LIMIT_REASON_MAX);
        return;
    case ACTION_open_account:
        form_add(form, "currency", "Currency", FORM_TEXT, 3, "Such as USD")->required = true;
        form_add(form, "name", "Name", FORM_TEXT, LIMIT_NAME_MAX, "Empty: the holder's name");
        form_add(form, "overdraft_limit", "Overdraft", FORM_AMOUNT, MONEY_TEXT_MAX - 1,
                 "How far below zero; may be empty");
        return;
    case ACTION_new_customer:
        form_add(form, "name", "Name", FORM_TEXT, LIMIT_NAME_MAX, "Full name")->required = true;
        form_add(form, "email", "E-mail", FORM_TEXT, LIMIT_EMAIL_MAX, "");
        form_add(form, "country", "Country", FORM_TEXT, 2, "Two letters, such as DE");
        return;
    default:
        add_reason(act, "reason", "Reason", LIMIT_REASON_MAX);
    }
}

static void send(struct act *act);

/* What can be taken back by the next key is not asked about. */
static bool is_quick(enum action action)
{
    return action == ACTION_take || action == ACTION_give_back;
}

static struct act *begin(struct app *app, enum action action, const struct uuid *id)
{
    struct screen *screen = app_push(app, &screen_act, "");
    if (screen == NULL)
        return NULL;
    struct act *act = act_of(screen);
    act->action = action;
    if (id != NULL)
        act->id = *id;
    act->new_id = uuid_v7(app_now_us(app));
    add_fields(act);
    if (act->form.count == 0)
        act->stage = ACT_REVIEW;
    return act;
}

void act_on_transaction(struct app *app, enum action action, const struct msg_transaction *tx)
{
    char        text[FACT_MAX];
    struct act *act = begin(app, action, &tx->transaction_id);
    if (act == NULL)
        return;
    char sum[64];
    char minute[32];
    show_sum(tx->amount, tx->currency, sum, sizeof sum);
    show_minute(tx->timestamp, minute, sizeof minute);
    snprintf(text, sizeof text, "%s of %s, %s, %s UTC", enum_text(&enum_transaction_type, tx->type),
             sum, enum_text(&enum_transaction_status, tx->status), minute);
    add_text(act, "Transaction", text);
    operate_fact(act, "Account", tx->account_name);
    operate_fact(act, "Other side", tx->counterparty_name);
    snprintf(text, sizeof text, "%d of 1000%s", (int)tx->score, tx->fraud_flag ? ", flagged" : "");
    add_text(act, "Score", text);
    add_text(act, "Id", uuid_text(&tx->transaction_id, text));
}

void act_on_alert(struct app *app, enum action action, const struct msg_alert *alert)
{
    char        text[FACT_MAX];
    struct act *act = begin(app, action, &alert->alert_id);
    if (act == NULL)
        return;
    char sum[64];
    show_sum(alert->amount, alert->currency, sum, sizeof sum);
    snprintf(text, sizeof text, "score %d, %s", (int)alert->score,
             enum_text(&enum_alert_state, alert->state));
    add_text(act, "Alert", text);
    snprintf(text, sizeof text, "%s of %s, %s", enum_text(&enum_transaction_type, alert->type), sum,
             enum_text(&enum_transaction_status, alert->status));
    add_text(act, alert->hit_count > 1 ? "Most points" : "Transaction", text);
    if (alert->hit_count > 1)
        add_text(act, "In all", alert_payments(alert, text, sizeof text));
    operate_fact(act, "Account", alert->account_name);
    if (alert->reasons.count > 0)
        operate_fact(act, "First reason", alert->reasons.at[0].text);
    add_text(act, "Id", uuid_text(&alert->alert_id, text));
    act->hits = alert->hit_count;
    act->held = alert->held_count;
    show_sum(alert->held_amount, alert->currency, act->held_sum, sizeof act->held_sum);
    if (is_quick(action))
        send(act);
}

/* Which alerts, for a box about several: their number, what all their payments sum up to, what of
 * it is held, and whose they are. */
static void add_several(struct act *act, const void *const *rows, int count)
{
    char    text[FACT_MAX];
    char    names[FACT_MAX] = "";
    size_t  n = 0;
    char    sum[ACT_SUM_MAX];
    int     held = 0;
    int64_t payments = 0;
    for (int i = 0; i < count; i++) {
        const struct msg_alert *alert = rows[i];
        act->items[i] = (struct msg_alert_seen){ .alert_id = alert->alert_id };
        if (alert->hit_count > 0)
            MSG_SET(&act->items[i], alert_seen, hits_seen, alert->hit_count);
        slice_copy(alert->account_name, act->names[i], sizeof act->names[i]);
        held += alert->held_count > 0;
        payments += alert->hit_count;
        act->held += alert->held_count;
        if (n < sizeof names - LIMIT_NAME_MAX)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%.*s", i > 0 ? ", " : "",
                                  (int)(alert->account_name.n < 40 ? alert->account_name.n : 40),
                                  alert->account_name.at);
    }
    act->item_count = count;
    snprintf(text, sizeof text, "%d, of them %d with held funds", count, held);
    add_text(act, "Alerts", text);
    snprintf(text, sizeof text, "%d payment%s, %s", (int)payments, payments == 1 ? "" : "s",
             alerts_sum(rows, count, sum, sizeof sum));
    add_text(act, "Sum", text);
    alerts_held(rows, count, act->held_sum, sizeof act->held_sum);
    snprintf(text, sizeof text, "%d payment%s, %s", (int)act->held, act->held == 1 ? "" : "s",
             act->held_sum);
    if (act->held > 0)
        add_text(act, "Held", text);
    add_text(act, "Accounts", names);
}

void act_on_alerts(struct app *app, const void *const *rows, int count)
{
    struct act *act = count > 0 ? begin(app, ACTION_decide, NULL) : NULL;
    if (act == NULL)
        return;
    add_several(act, rows, count < LIMIT_ALERT_BULK_MAX ? count : LIMIT_ALERT_BULK_MAX);
}

void act_on_latest_decision(struct app *app)
{
    const struct undo_offer *offer = app_undo_offer(app);
    struct act              *act = offer != NULL ? begin(app, ACTION_undo_decision, NULL) : NULL;
    char                     text[FACT_MAX];
    if (act == NULL)
        return;
    for (int i = 0; i < offer->count; i++) {
        act->items[i].alert_id = offer->ids[i];
        snprintf(act->names[i], sizeof act->names[i], "%s", offer->names[i]);
    }
    act->item_count = offer->count;
    snprintf(text, sizeof text, "%d", offer->count);
    add_text(act, "Decisions", text);
    add_text(act, "About", offer->what);
}

void act_on_account(struct app *app, enum action action, const struct msg_account *account)
{
    char        text[FACT_MAX];
    char        sum[64];
    struct act *act = begin(app, action, &account->account_id);
    if (act == NULL)
        return;
    operate_fact(act, "Account", account->name);
    if (account->holder.n > 0)
        operate_fact(act, "Holder", account->holder);
    show_sum(account->balance, account->currency, sum, sizeof sum);
    snprintf(text, sizeof text, "%s, balance %s", enum_text(&enum_account_status, account->status),
             sum);
    add_text(act, "State", text);
    add_text(act, "Id", uuid_text(&account->account_id, text));
}

void act_on_customer(struct app *app, enum action action, const struct msg_customer *customer)
{
    char        text[UUID_TEXT_MAX];
    struct act *act = begin(app, action, customer != NULL ? &customer->customer_id : NULL);
    if (act == NULL || customer == NULL)
        return;
    operate_fact(act, "Customer", customer->name);
    operate_fact(act, "E-mail", customer->email);
    add_text(act, "Identity", customer->verified ? "proved" : "not proved");
    add_text(act, "Id", uuid_text(&customer->customer_id, text));
}

/* --- from the form to the message ------------------------------------------------------------ */

static struct slice value_of(struct act *act, const char *name)
{
    const struct form_field *field = form_find(&act->form, name);
    return field == NULL ? slice_of("", 0) : slice_of(field->value, field->n);
}

static bool wrong(struct act *act, const char *name, const char *text)
{
    struct form_field *field = form_find(&act->form, name);
    if (field != NULL) {
        snprintf(field->error, sizeof field->error, "%s", text);
        act->form.focus = (int)(field - act->form.fields);
    }
    return false;
}

static bool fill_snooze(struct act *act, struct msg_alert_snooze *body)
{
    body->alert_id = act->id;
    body->reason = value_of(act, "reason");
    if (values_moment(value_of(act, "until"), app_now_us(act->screen.app), &body->until))
        return true;
    return wrong(act, "until", "Such as 2h, 3d or 2026-12-31");
}

static void fill_decide(struct act *act, union act_body *body)
{
    if (act->item_count > 0) {
        body->bulk.items.at = act->items;
        body->bulk.items.count = (size_t)act->item_count;
        body->bulk.decision = form_find(&act->form, "decision")->number;
        body->bulk.note = value_of(act, "note");
        return;
    }
    body->decide.alert_id = act->id;
    body->decide.decision = form_find(&act->form, "decision")->number;
    body->decide.note = value_of(act, "note");
    if (act->hits > 0)
        MSG_SET(&body->decide, alert_decide, hits_seen, act->hits);
}

static bool fill_freeze(struct act *act, struct msg_account_freeze *body)
{
    struct slice authority = value_of(act, "authority");
    struct slice until = value_of(act, "until");
    int64_t      at;
    body->account_id = act->id;
    body->reason = value_of(act, "reason");
    MSG_SET(body, account_freeze, direction, form_find(&act->form, "direction")->number);
    if (authority.n > 0)
        MSG_SET(body, account_freeze, authority, authority);
    if (until.n == 0)
        return true;
    if (!values_moment(until, app_now_us(act->screen.app), &at))
        return wrong(act, "until", "Such as 3d or 2026-12-31");
    MSG_SET(body, account_freeze, until, at);
    return true;
}

static bool fill_open(struct act *act, struct msg_account_create *body)
{
    struct slice currency = value_of(act, "currency");
    struct slice name = value_of(act, "name");
    struct slice overdraft = value_of(act, "overdraft_limit");
    int64_t      limit;
    if (currency_by_code(currency.at, currency.n) == NULL)
        return wrong(act, "currency", "Not a currency of this bank");
    body->account_id = act->new_id;
    body->customer_id = act->id;
    body->currency = currency;
    if (name.n > 0)
        MSG_SET(body, account_create, name, name);
    if (overdraft.n == 0)
        return true;
    if (money_parse(overdraft.at, overdraft.n, currency_exponent(currency), '.', &limit) !=
            ERR_none ||
        limit < 0)
        return wrong(act, "overdraft_limit", "An amount such as 500.00");
    MSG_SET(body, account_create, overdraft_limit, limit);
    return true;
}

static void fill_customer(struct act *act, struct msg_customer_create *body)
{
    struct slice email = value_of(act, "email");
    struct slice country = value_of(act, "country");
    body->customer_id = act->new_id;
    body->name = value_of(act, "name");
    if (email.n > 0)
        MSG_SET(body, customer_create, email, email);
    if (country.n > 0)
        MSG_SET(body, customer_create, country, country);
}

/* False: a field is wrong and says so. */
static bool fill(struct act *act, union act_body *body)
{
    memset(body, 0, sizeof *body);
    if (act->generic)
        return operate_fill(act, body);
    switch ((int)act->action) {
    case ACTION_take:
    case ACTION_give_back:
        body->alert.alert_id = act->id;
        return true;
    case ACTION_decide:
        fill_decide(act, body);
        return true;
    case ACTION_undo_decision:
        body->undo.alert_id = act->item_count > 0 ? act->items[act->item_at].alert_id : act->id;
        body->undo.reason = value_of(act, "reason");
        return true;
    case ACTION_snooze:
        return fill_snooze(act, &body->snooze);
    case ACTION_assign:
        body->assign.alert_id = act->id;
        body->assign.email = value_of(act, "email");
        return true;
    case ACTION_note:
        body->note.alert_id = act->id;
        body->note.note = value_of(act, "note");
        return true;
    case ACTION_undo:
        body->reverse.transaction_id = act->id;
        body->reverse.reversal_id = act->new_id;
        body->reverse.reason = value_of(act, "reason");
        return true;
    case ACTION_freeze:
        return fill_freeze(act, &body->freeze);
    case ACTION_unfreeze:
    case ACTION_close:
        body->account.account_id = act->id;
        body->account.reason = value_of(act, "reason");
        return true;
    case ACTION_verify_customer:
        body->verify.customer_id = act->id;
        body->verify.verified = form_find(&act->form, "verified")->number == 1;
        body->verify.reason = value_of(act, "reason");
        return true;
    case ACTION_open_account:
        return fill_open(act, &body->open);
    case ACTION_new_customer:
        fill_customer(act, &body->customer);
        return true;
    default:
        body->transaction.transaction_id = act->id;
        body->transaction.reason = value_of(act, "reason");
        return true;
    }
}

/* --- sending and outcomes -------------------------------------------------------------------- */

static void review(struct act *act)
{
    union act_body body;
    form_clear_errors(&act->form);
    if (form_complete(&act->form) && fill(act, &body))
        act->stage = ACT_REVIEW;
}

static enum op_index op_of(const struct act *act)
{
    if (act->generic)
        return act->op;
    if (act->action == ACTION_decide && act->item_count > 0)
        return OP_INDEX_alert_bulk;
    return (enum op_index)action_row(act->action)->op;
}

/* "Rules, file: new.rules; From: 2026-01-01": what was typed, so that what comes of it can say so.
 */
static void typed_text(const struct act *act, char out[ACT_TYPED_MAX])
{
    size_t n = 0;
    out[0] = '\0';
    for (int i = 0; i < act->form.count && n < ACT_TYPED_MAX; i++) {
        const struct form_field *field = &act->form.fields[i];
        if (field->n > 0)
            n += (size_t)snprintf(out + n, ACT_TYPED_MAX - n, "%s%s: %s", n > 0 ? "; " : "",
                                  field->label, field->value);
    }
}

/* The box makes room for the screen that goes on with the message. */
static void hand_over(struct act *act, const union act_body *body)
{
    struct app   *app = act->screen.app;
    struct record kept = { 0 };
    char          typed[ACT_TYPED_MAX];
    void (*take)(struct app *, const void *, const char *) = act->hand_over;
    typed_text(act, typed);
    if (record_keep(&kept, op_rows[act->op].request, body) != ERR_none) {
        snprintf(act->error, sizeof act->error, "%s", err_what(ERR_memory));
        return;
    }
    app_pop(app, &act->screen);
    take(app, kept.body, typed);
    record_free(&kept);
}

static void send(struct act *act)
{
    union act_body body;
    struct fault   fault = { 0 };
    enum op_index  op = op_of(act);
    act->error[0] = '\0';
    if (!fill(act, &body)) {
        act->stage = ACT_EDIT;
        return;
    }
    if (act->hand_over != NULL) {
        hand_over(act, &body);
        return;
    }
    act->ticket = app_ask(&act->screen, op, &body, APP_DEADLINE_MS, &fault);
    if (act->ticket != 0)
        act->stage = ACT_SENT;
    else
        snprintf(act->error, sizeof act->error, "Not sent, nothing changed: %s.",
                 fault.text[0] != '\0' ? fault.text : err_what(fault.err));
}

/* Which operation shows how the record stands now, and the id that it is asked by. */
static enum op_index lookup_op(const struct act *act, const struct uuid **id)
{
    *id = &act->id;
    switch ((int)act->action) {
    case ACTION_undo:
        *id = &act->new_id;
        return OP_INDEX_transaction_get;
    case ACTION_open_account:
        *id = &act->new_id;
        return OP_INDEX_account_get;
    case ACTION_new_customer:
        *id = &act->new_id;
        return OP_INDEX_customer_get;
    case ACTION_verify_customer:
        return OP_INDEX_customer_get;
    case ACTION_take:
    case ACTION_give_back:
    case ACTION_snooze:
    case ACTION_assign:
    case ACTION_decide:
    case ACTION_undo_decision:
    case ACTION_note:
        if (act->item_count > 0)
            *id = &act->items[act->item_at].alert_id;
        return OP_INDEX_alert_get;
    case ACTION_freeze:
    case ACTION_unfreeze:
    case ACTION_close:
        return OP_INDEX_account_get;
    default:
        return OP_INDEX_transaction_get;
    }
}

static void look_up(struct act *act)
{
    const struct uuid         *id;
    enum op_index              op = lookup_op(act, &id);
    struct msg_transaction_ref ref = { .transaction_id = *id }; /* all refs are one id */
    if (act->lookup.ticket == 0)
        fetch_ask(&act->screen, &act->lookup, op, &ref);
}

static void state_text(enum op_index op, const void *body, char *out, size_t size)
{
    const struct message_desc *desc = op_rows[op].reply;
    char                       words[SHOW_WORDS_MAX];
    int32_t                    value;
    int                        field = message_field(desc, "state");
    if (field < 0)
        field = message_field(desc, "status");
    if (desc == &message_customer) {
        const struct msg_customer *customer = body;
        snprintf(out, size, "%s", customer->verified ? "verified" : "entered, not verified");
        return;
    }
    if (field < 0) {
        snprintf(out, size, "there");
        return;
    }
    memcpy(&value, message_at(desc, body, field), sizeof value);
    snprintf(out, size, "%s", show_choice(desc->fields[field].choice, value, words));
}

/* Remembers what was decided, so that it can be undone while there is time. */
static void offer_undo(struct act *act, const struct net_result *result)
{
    struct undo_offer      *offer = &act->screen.app->undo;
    const struct msg_alert *alert = result->body;
    char                    sum[64];
    char                    words[SHOW_WORDS_MAX];
    if (result->op != OP_INDEX_alert_decide || !MSG_HAS(alert, alert, undo_until))
        return;
    *offer = (struct undo_offer){ .count = 1, .until_us = alert->undo_until };
    offer->ids[0] = alert->alert_id;
    slice_copy(alert->account_name, offer->names[0], sizeof offer->names[0]);
    show_sum(alert->amount, alert->currency, sum, sizeof sum);
    snprintf(offer->what, sizeof offer->what, "%s: %.*s, %s",
             show_choice(&enum_alert_decision, alert->decision, words), (int)alert->account_name.n,
             alert->account_name.at, sum);
}

/* What the name of an error means; the name itself when it is none of those known here. */
static const char *error_words(struct slice name, char *out, size_t size)
{
    for (int i = 0; i < ERR_count; i++) {
        if (slice_is(name, err_name((enum err)i)))
            return err_what((enum err)i);
    }
    return slice_copy(name, out, size);
}

/* Whose the item is, and why it was refused: in the server's words, else in those of its error. */
static void note_refused(const struct act *act, int item, const struct msg_alert_outcome *outcome,
                         struct outcome *row)
{
    char text[64];
    row->id = outcome->alert_id;
    snprintf(row->name, sizeof row->name, "%s", act->names[item]);
    if (MSG_HAS(outcome, alert_outcome, text) && outcome->text.n > 0)
        slice_copy(outcome->text, row->why, sizeof row->why);
    else
        snprintf(row->why, sizeof row->why, "%s", error_words(outcome->outcome, text, sizeof text));
}

/* What was done can be undone; what was refused, and why, is told in a box of its own. */
static void done_bulk(struct act *act, const struct msg_alert_outcomes *outcomes)
{
    char               key[KEY_NAME_MAX];
    struct app        *app = act->screen.app;
    struct undo_offer *offer = &app->undo;
    struct outcome    *rows = calloc((size_t)act->item_count, sizeof *rows);
    char               text[64];
    int                refused = 0;
    *offer = (struct undo_offer){ .until_us =
                                      app_now_us(app) + LIMIT_ALERT_UNDO_SECONDS * US_PER_SECOND };
    for (int i = 0; i < (int)outcomes->items.count && i < act->item_count; i++) {
        const struct msg_alert_outcome *outcome = &outcomes->items.at[i];
        if (slice_is(outcome->outcome, "done")) {
            snprintf(offer->names[offer->count], sizeof offer->names[0], "%s", act->names[i]);
            offer->ids[offer->count++] = outcome->alert_id;
        } else if (rows != NULL)
            note_refused(act, i, outcome, &rows[refused]);
        refused += !slice_is(outcome->outcome, "done");
    }
    snprintf(offer->what, sizeof offer->what, "%d alerts decided together", offer->count);
    if (refused == 0)
        app_notice(app, STYLE_GOOD, "Done: %d alerts are decided now; %s undoes it", offer->count,
                   action_key(ACTION_undo_decision, key));
    else
        app_notice(app, STYLE_WARN, "%d alert%s decided now, %d %s refused", offer->count,
                   offer->count == 1 ? " is" : "s are", refused, refused == 1 ? "was" : "were");
    snprintf(text, sizeof text, "%d of %d refused; they are as they were", refused,
             act->item_count);
    app_pop(app, &act->screen);
    if (refused > 0 && rows != NULL)
        outcomes_show(app, text, rows, refused);
    else
        free(rows);
}

/* Without memory for it a refusal is only counted. */
static void note_not_undone(struct act *act, const struct net_result *result)
{
    struct outcome *row;
    if (act->refused == NULL)
        act->refused = calloc((size_t)act->item_count, sizeof *act->refused);
    if (act->refused == NULL)
        return;
    row = &act->refused[act->refused_count++];
    row->id = act->items[act->item_at].alert_id;
    snprintf(row->name, sizeof row->name, "%s", act->names[act->item_at]);
    result_text(result, row->why, sizeof row->why);
}

/* One of several decisions is undone or stays, such as when its money has moved; the next one
 * follows. Whatever stays is told in a box, each with its reason. */
static void next_undo(struct act *act, const struct net_result *result)
{
    struct app     *app = act->screen.app;
    struct outcome *rows;
    int             refused;
    char            text[64];
    act->undone += result->kind == NET_REPLY;
    if (result->kind == NET_FAILURE)
        note_not_undone(act, result);
    act->item_at++;
    if (act->item_at < act->item_count) {
        send(act);
        return;
    }
    app->undo = (struct undo_offer){ .count = 0 };
    if (act->undone == act->item_count)
        app_notice(app, STYLE_GOOD, "Done: %d decision%s undone", act->undone,
                   act->undone == 1 ? " is" : "s are");
    else
        app_notice(app, STYLE_WARN, "%d of %d decisions are undone", act->undone, act->item_count);
    snprintf(text, sizeof text, "%d of %d not undone; they stay decided",
             act->item_count - act->undone, act->item_count);
    rows = act->refused;
    refused = act->refused_count;
    act->refused = NULL;
    app_pop(app, &act->screen);
    if (refused > 0)
        outcomes_show(app, text, rows, refused);
}

static void done_generic(struct act *act, const struct net_result *result)
{
    struct app                *app = act->screen.app;
    const struct message_desc *desc = op_rows[result->op].reply;
    char                       state[48] = "";
    if (message_field(desc, "state") >= 0)
        state_text(result->op, result->body, state, sizeof state);
    app_notice(app, STYLE_GOOD, "Done: %s%s%s", act->title, state[0] != '\0' ? ", now " : "",
               state);
    app_pop(app, &act->screen);
}

static void done(struct act *act, const struct net_result *result)
{
    char        key[KEY_NAME_MAX];
    char        undo[KEY_NAME_MAX + 16] = "";
    struct app *app = act->screen.app;
    char        state[48];
    if (act->generic) {
        done_generic(act, result);
        return;
    }
    if (result->op == OP_INDEX_alert_bulk) {
        done_bulk(act, result->body);
        return;
    }
    state_text(result->op, result->body, state, sizeof state);
    offer_undo(act, result);
    app_pop(app, &act->screen);
    const struct msg_alert *alert = result->body;
    if (app_undo_offer(app) != NULL && op_rows[result->op].reply == &message_alert &&
        alert->state == ALERT_DECIDED)
        snprintf(undo, sizeof undo, "; %s undoes it", action_key(ACTION_undo_decision, key));
    if (op_rows[result->op].reply == &message_alert)
        app_notice(app, STYLE_GOOD, "Done: the alert is %s now, its transaction %s%s", state,
                   enum_text(&enum_transaction_status, alert->status), undo);
    else
        app_notice(app, STYLE_GOOD, "Done: the %s is %s now", op_rows[result->op].reply->name,
                   state);
}

static void act_result(struct screen *screen, const struct net_result *result)
{
    struct act *act = act_of(screen);
    if (result->ticket == act->lookup.ticket) {
        char state[48] = "not there";
        act->lookup.ticket = 0;
        if (result->kind == NET_FAILURE && result->fault.err != ERR_not_found &&
            result->fault.err != ERR_account_unknown)
            return;
        if (result->kind == NET_REPLY)
            state_text(result->op, result->body, state, sizeof state);
        snprintf(act->error, sizeof act->error,
                 "The answer was lost. The record was looked up: it is %s now. Y sends the "
                 "decision again, Esc leaves.",
                 state);
        act->stage = ACT_REVIEW;
        return;
    }
    if (result->ticket != act->ticket)
        return;
    act->ticket = 0;
    if (result->op == OP_INDEX_alert_undo && act->item_count > 0 &&
        result->class != ERR_CLASS_UNKNOWN) {
        next_undo(act, result);
    } else if (result->kind == NET_REPLY) {
        done(act, result);
    } else if (result->class == ERR_CLASS_UNKNOWN && act->generic) {
        snprintf(act->error, sizeof act->error,
                 "The answer was lost. Look whether it is done before you send it again.");
        act->stage = ACT_REVIEW;
    } else if (result->class == ERR_CLASS_UNKNOWN) {
        act->stage = ACT_UNKNOWN;
        look_up(act);
    } else {
        char text[LIMIT_DETAIL_MAX];
        result_text(result, text, sizeof text);
        snprintf(act->error, sizeof act->error, "Refused, nothing changed. %.330s", text);
        act->stage = act->form.count > 0 ? ACT_EDIT : ACT_REVIEW;
    }
}

static void act_event(struct screen *screen, const struct net_result *result)
{
    if (result->kind == NET_STATE && app_live(screen->app) && act_of(screen)->stage == ACT_UNKNOWN)
        look_up(act_of(screen));
}

static void act_tick(struct screen *screen)
{
    struct act *act = act_of(screen);
    int64_t     age = app_monotonic_us(screen->app) - act->lookup.asked_us;
    if (act->stage == ACT_UNKNOWN && app_live(screen->app) && age >= LOOKUP_EVERY_US)
        look_up(act);
}

static void act_close(struct screen *screen)
{
    fetch_free(&act_of(screen)->lookup);
    form_wipe(&act_of(screen)->form);
    free(act_of(screen)->refused);
    operate_free(act_of(screen));
}

/* --- keys and drawing ------------------------------------------------------------------------ */

static unsigned act_places(const struct screen *screen)
{
    enum act_stage stage = ((const struct act *)screen)->stage;
    if (stage == ACT_EDIT)
        return IN_FORM;
    return stage == ACT_REVIEW ? IN_REVIEW : IN_PROMPT;
}

static bool act_key(struct screen *screen, uint32_t key)
{
    struct act *act = act_of(screen);
    if (act->stage == ACT_EDIT)
        return form_key(&act->form, key);
    if (act->stage != ACT_REVIEW) {
        if (key == K_ESC)
            app_notice(screen->app, STYLE_WARN, "It was sent; the answer is due");
        return true;
    }
    if (key == 'Y' && !app_live(screen->app))
        snprintf(act->error, sizeof act->error, "Not connected: nothing was sent.");
    else if (key == 'Y')
        send(act);
    else if (key == 'y')
        app_notice(screen->app, STYLE_WARN, "Nothing was sent: it is the capital Y that confirms");
    else if (key == K_ESC || (key == K_ENTER && act->form.count == 0))
        app_pop(screen->app, screen);
    else if (key == K_ENTER)
        act->stage = ACT_EDIT;
    return true;
}

static bool act_paste(struct screen *screen, struct slice text)
{
    struct act *act = act_of(screen);
    return act->stage == ACT_EDIT && form_paste(&act->form, text);
}

static bool act_act(struct screen *screen, enum action action, const char *argument)
{
    struct act *act = act_of(screen);
    (void)argument;
    switch ((int)action) {
    case ACTION_field_next:
        if (!form_next(&act->form))
            review(act);
        return true;
    case ACTION_field_prev:
        form_previous(&act->form);
        return true;
    case ACTION_review:
        review(act);
        return true;
    case ACTION_cancel:
        app_pop(screen->app, screen);
        return true;
    default:
        return false;
    }
}

/* What a decision on alerts does with what they hold, when they hold something; returns out. */
static const char *held_help(const struct act *act, int64_t decision, char *out, size_t size)
{
    static const struct {
        int64_t     decision;
        const char *why;
        const char *does;
    } rows[] = { { DECISION_CONFIRMED_FRAUD, "It was fraud", "rejects" },
                 { DECISION_FALSE_POSITIVE, "It was not fraud", "releases" },
                 { DECISION_INCONCLUSIVE, "Nobody can tell", "leaves held" } };
    out[0] = '\0';
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].decision == decision)
            snprintf(out, size, "%s; %s %d held payment%s, %s", rows[i].why, rows[i].does,
                     (int)act->held, act->held == 1 ? "" : "s", act->held_sum);
    return out;
}

/* What the chosen value leads to: "It was not fraud; releases 1 held payment, 5,837.32 USD". The
 * text of what is held stays in `out`. */
static const char *choice_help(const struct act *act, const struct form_field *field,
                               char out[FACT_MAX])
{
    if (field->kind == FORM_CHOICE && field->choice == &enum_alert_decision && act->held > 0)
        return held_help(act, field->number, out, FACT_MAX);
    for (size_t i = 0; field->kind == FORM_CHOICE && i < field->choice->count; i++)
        if (field->choice->values[i].number == field->number)
            return field->choice->values[i].help;
    return "";
}

static int draw_values(const struct act *act, struct canvas *canvas, struct rect rect, int y)
{
    char text[FACT_MAX];
    char words[SHOW_WORDS_MAX];
    for (int i = 0; i < act->form.count; i++) {
        const struct form_field *field = &act->form.fields[i];
        struct slice             value = slice_of(field->value, field->n);
        if (field->kind == FORM_CHOICE)
            value = slice_from(show_words(form_choice(field), words));
        if (value.n == 0)
            value = slice_from("none");
        canvas_string(canvas, rect.x, y, 15, STYLE_LABEL, field->label);
        y += canvas_paragraph(canvas, (struct rect){ rect.x + 16, y, rect.w - 16, 4 }, STYLE_VALUE,
                              value);
        const char *help = choice_help(act, field, text);
        if (help[0] != '\0')
            canvas_string(canvas, rect.x + 16, y++, rect.w - 16,
                          act->held > 0 ? STYLE_WARN : STYLE_DIM, help);
    }
    return y;
}

/* Lines of the fields: those of the form with its errors, or those of the review. */
static int values_height(const struct act *act, int width)
{
    char text[FACT_MAX];
    int  lines = 0;
    for (int i = 0; i < act->form.count; i++) {
        const struct form_field *field = &act->form.fields[i];
        if (act->stage == ACT_EDIT)
            lines += field->error[0] != '\0' ? 2 : 1;
        else
            lines += 1 + (width > 0 ? (int)field->n / width : 0) +
                     (choice_help(act, field, text)[0] != '\0' ? 1 : 0);
    }
    return lines;
}

/* Lines that a text takes, at most `most`. */
static int wrapped(struct canvas *canvas, int width, int most, const char *text)
{
    struct rect before = canvas_clip(canvas, (struct rect){ 0, 0, 0, 0 });
    int         lines =
        canvas_paragraph(canvas, (struct rect){ 0, 0, width, most }, STYLE_TEXT, slice_from(text));
    canvas_unclip(canvas, before);
    return lines > 0 ? lines : 1;
}

/* What is to be typed in the field that has the focus. */
static const char *hint_of(const struct act *act, char out[FACT_MAX])
{
    const struct form_field *focus = &act->form.fields[act->form.focus];
    if (focus->help[0] != '\0')
        return focus->help;
    if (focus->kind == FORM_CHOICE && focus->number == 0) {
        snprintf(out, FACT_MAX, "%s: Left, Right or the first letter", focus->choice->help);
        return out;
    }
    return choice_help(act, focus, out);
}

static int facts_height(const struct act *act, struct canvas *canvas, int width)
{
    int lines = 0;
    for (int i = 0; i < act->fact_count; i++)
        lines += wrapped(canvas, width, FACT_LINES, act->facts[i].text);
    return lines;
}

static int draw_facts(const struct act *act, struct canvas *canvas, struct rect in, int y)
{
    for (int i = 0; i < act->fact_count; i++) {
        canvas_string(canvas, in.x, y, 15, STYLE_LABEL, act->facts[i].label);
        int lines = canvas_paragraph(canvas, (struct rect){ in.x + 16, y, in.w - 16, FACT_LINES },
                                     STYLE_TEXT, slice_from(act->facts[i].text));
        y += lines > 0 ? lines : 1;
    }
    return y;
}

static const char *title_of(const struct act *act)
{
    return act->generic ? act->title : action_row(act->action)->label;
}

static void draw_ask(const struct act *act, struct canvas *canvas, struct rect rect, int y)
{
    if (act->stage == ACT_SENT || act->stage == ACT_UNKNOWN) {
        canvas_string(canvas, rect.x, y, rect.w, STYLE_NOTICE,
                      act->stage == ACT_SENT ? "Sent. Waiting for the answer ..."
                                             : "Outcome unknown: the record is looked up ...");
        return;
    }
    int used = canvas_string(canvas, rect.x, y, 18, STYLE_INPUT_ON,
                             act->form.count > 0 ? " Enter: go back " : " Enter: cancel ");
    canvas_cursor(canvas, rect.x, y);
    canvas_string(canvas, rect.x + used + 3, y, 1, STYLE_KEY, "Y");
    canvas_print(canvas, rect.x + used + 5, y, rect.w - used - 5, STYLE_TEXT, "confirm: %s",
                 title_of(act));
}

static void act_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct act              *act = act_of(screen);
    const struct action_row *row = action_row(act->action);
    char                     title[96];
    char                     help[FACT_MAX];
    int                      w = rect.w < BOX_WIDTH ? rect.w : BOX_WIDTH;
    int h = facts_height(act, canvas, w - BOX_EDGE - 16) + 6 + values_height(act, w - 20) +
            (act->error[0] != '\0' ? 3 : 0);
    if (act->stage == ACT_EDIT)
        h += wrapped(canvas, w - BOX_EDGE - 16, HINT_LINES, hint_of(act, help)) - 1;
    int gap = h <= rect.h ? 1 : 0; /* blank lines only where there is room */
    if (h > rect.h)
        h = rect.h;
    struct rect box = { rect.x + (rect.w - w) / 2, rect.y + (rect.h - h) / 2, w, h };
    snprintf(title, sizeof title, "%s%s", title_of(act),
             act->stage == ACT_REVIEW ? ": review" : "");
    struct rect in =
        canvas_box(canvas, box, (row->flags & ACT_DANGER) != 0 ? STYLE_WARN : STYLE_RULE, title);
    int         y = in.y + gap;
    struct rect before = canvas_clip(canvas, in);
    y = draw_facts(act, canvas, in, y);
    y += act->fact_count > 0 ? gap : 0;
    if (act->stage == ACT_EDIT) {
        y += form_draw(&act->form, canvas, (struct rect){ in.x, y, in.w, in.h });
        y += canvas_paragraph(canvas, (struct rect){ in.x + 16, y, in.w - 16, HINT_LINES },
                              STYLE_DIM, slice_from(hint_of(act, help)));
    } else {
        y = draw_values(act, canvas, in, y);
        y += gap;
        draw_ask(act, canvas, in, y);
        y += 2;
    }
    canvas_paragraph(canvas, (struct rect){ in.x, y, in.w, in.y + in.h - y }, STYLE_BAD,
                     slice_from(act->error));
    canvas_unclip(canvas, before);
}

const struct screen_ops screen_act = {
    .name = "act",
    .title = "Decision",
    .size = sizeof(struct act),
    .places = IN_FORM,
    .modal = true,
    .close = act_close,
    .result = act_result,
    .event = act_event,
    .tick = act_tick,
    .act = act_act,
    .key = act_key,
    .paste = act_paste,
    .draw = act_draw,
    .places_now = act_places,
};
