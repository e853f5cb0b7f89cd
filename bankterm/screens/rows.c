/* Columns as tables: a row names the field, its title and its width; where the text needs a sign
 * or a warning beside the colour, a small function makes it. */
#include "bankterm/screens/rows.h"

#include "bankterm/app.h"
#include "bankterm/record.h"
#include "bankterm/screens/subject.h"
#include "bankterm/show.h"
#include "bankterm/widgets/waterfall.h"

#include <stdio.h>
#include <string.h>

#define DUE_SOON_US (INT64_C(2) * US_PER_HOUR)

enum style style_of_status(int32_t status)
{
    if (status == STATUS_HELD)
        return STYLE_WARN;
    if (status == STATUS_REJECTED || status == STATUS_DECLINED)
        return STYLE_BAD;
    return status == STATUS_REVERSED ? STYLE_DIM : STYLE_TEXT;
}

enum style style_of_account(int32_t status)
{
    if (status == ACCOUNT_FROZEN)
        return STYLE_WARN;
    return status == ACCOUNT_CLOSED ? STYLE_DIM : STYLE_TEXT;
}

enum style style_of_score(int64_t score)
{
    if (score >= 700)
        return STYLE_BAD;
    return score >= 400 ? STYLE_WARN : STYLE_TEXT;
}

void due_text(int64_t left_us, struct cell_text *out)
{
    char age[32];
    bool late = left_us <= 0;
    show_age(late ? -left_us : left_us, age, sizeof age);
    snprintf(out->text, sizeof out->text, late ? "! %s late" : "in %s", age);
    out->style = late ? STYLE_BAD : left_us < DUE_SOON_US ? STYLE_WARN : STYLE_TEXT;
}

static void set_text(struct cell_text *out, enum style style, const char *text)
{
    out->style = style;
    snprintf(out->text, sizeof out->text, "%s", text);
}

/* --- transactions -------------------------------------------------------------------------- */

static void transaction_status(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_transaction *tx = row;
    (void)table;
    set_text(out, style_of_status(tx->status), enum_text(&enum_transaction_status, tx->status));
}

static void transaction_score(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_transaction *tx = row;
    (void)table;
    out->style = style_of_score(tx->score);
    snprintf(out->text, sizeof out->text, "%d", (int)tx->score);
}

static void transaction_flag(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_transaction *tx = row;
    (void)table;
    set_text(out, STYLE_BAD, tx->fraud_flag ? "!" : "");
}

static void transaction_other(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_transaction *tx = row;
    (void)table;
    slice_copy(tx->counterparty.n > 0 ? tx->counterparty : tx->counterparty_name, out->text,
               sizeof out->text);
}

const struct column rows_transaction[] = {
    { "time", "Time, UTC", "timestamp", 16, 0, NULL },
    { "flag", "!", "fraud_flag", 1, 0, transaction_flag },
    { "type", "Type", "type", 10, 0, NULL },
    { "status", "Status", "status", 9, 0, transaction_status },
    { "amount", "Amount", "amount", 22, COLUMN_RIGHT, NULL },
    { "currency", "Cur", "currency", 3, 0, NULL },
    { "account", "Account", "account_name", 28, COLUMN_GROW, NULL },
    { "other", "Other side", "counterparty_name", 28, 0, transaction_other },
    { "score", "Score", "score", 5, COLUMN_RIGHT, transaction_score },
    { "description", "Description", "description", 48, 0, NULL },
    { "id", "Id", "transaction_id", 12, 0, NULL },
    { "by", "Posted by", "posted_by", 30, COLUMN_HIDDEN, NULL },
    { "posted", "Entered, UTC", "posted_at", 16, COLUMN_HIDDEN, NULL },
    { "verdict", "Verdict", "verdict", 8, COLUMN_HIDDEN, NULL },
    { "balance", "Balance", "balance", 22, COLUMN_RIGHT | COLUMN_HIDDEN, NULL },
    { "sequence", "Entry", "sequence", 12, COLUMN_RIGHT | COLUMN_HIDDEN, NULL },
    { "external", "External id", "external_id", 24, COLUMN_HIDDEN, NULL },
};
const int rows_transaction_count = sizeof rows_transaction / sizeof rows_transaction[0];

/* Whether the money came into the account that the table is about. */
static bool booking_in(const struct table *table, const struct msg_transaction *tx)
{
    bool here = uuid_equal(&tx->account_id, table->context);
    return here ? tx->incoming : !tx->incoming;
}

static void booking_amount(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_transaction *tx = row;
    bool                          in = booking_in(table, tx);
    out->style = in ? STYLE_MONEY_IN : STYLE_MONEY_OUT;
    out->text[0] = in ? '+' : '-';
    show_money(tx->amount, currency_exponent(tx->currency), out->text + 1, sizeof out->text - 1);
}

static void booking_balance(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_transaction *tx = row;
    bool                          here = uuid_equal(&tx->account_id, table->context);
    int64_t                       balance = here ? tx->balance : tx->counterparty_balance;
    show_money(balance, currency_exponent(tx->currency), out->text, sizeof out->text);
    out->style = balance < 0 ? STYLE_WARN : STYLE_TEXT;
}

static void booking_other(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_transaction *tx = row;
    bool                          here = uuid_equal(&tx->account_id, table->context);
    struct slice                  other = here ? tx->counterparty_name : tx->account_name;
    if (here && tx->counterparty.n > 0)
        other = tx->counterparty;
    slice_copy(other, out->text, sizeof out->text);
}

const struct column rows_booking[] = {
    { "time", "Time, UTC", "timestamp", 16, 0, NULL },
    { "flag", "!", "fraud_flag", 1, 0, transaction_flag },
    { "type", "Type", "type", 10, 0, NULL },
    { "status", "Status", "status", 9, 0, transaction_status },
    { "amount", "Amount", "amount", 22, COLUMN_RIGHT, booking_amount },
    { "balance", "Balance", "balance", 22, COLUMN_RIGHT, booking_balance },
    { "other", "Other side", "counterparty_name", 28, COLUMN_GROW, booking_other },
    { "score", "Score", "score", 5, COLUMN_RIGHT, transaction_score },
    { "description", "Description", "description", 48, 0, NULL },
    { "id", "Id", "transaction_id", 12, 0, NULL },
};
const int rows_booking_count = sizeof rows_booking / sizeof rows_booking[0];

/* --- alerts -------------------------------------------------------------------------------- */

static void alert_score(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_alert *alert = row;
    (void)table;
    out->style = style_of_score(alert->score);
    snprintf(out->text, sizeof out->text, "%d", (int)alert->score);
}

/* The table's context is the app, for the time and the user. */
static void alert_state(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_alert *alert = row;
    const struct app       *app = table->context;
    int64_t                 now = app_now_us(app);
    int32_t                 state = alert_state_now(alert, now);
    char                    left[32] = "";
    bool                    mine = slice_is(alert->assigned_to, app->user);
    set_text(out, state == ALERT_OPEN ? STYLE_TEXT : STYLE_DIM,
             enum_text(&enum_alert_state, state));
    if (state == ALERT_TAKEN && MSG_HAS(alert, alert, lock_until))
        show_age(alert->lock_until - now, left, sizeof left);
    if (state == ALERT_TAKEN)
        snprintf(out->text, sizeof out->text, "%s %s", mine ? "yours" : "locked", left);
    if (state == ALERT_TAKEN && mine)
        out->style = STYLE_GOOD;
    if (state == ALERT_SNOOZED)
        snprintf(out->text, sizeof out->text, "back in %s",
                 show_age(alert->snoozed_until - now, left, sizeof left));
}

static void alert_due(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_alert *alert = row;
    if (alert->state != ALERT_DECIDED)
        due_text(alert->due_at - app_now_us(table->context), out);
}

static void alert_age(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_alert *alert = row;
    show_age(app_now_us(table->context) - alert->created_at, out->text, sizeof out->text);
}

static void alert_hits(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_alert *alert = row;
    (void)table;
    if (alert->held_count > 0)
        out->style = style_of_status(STATUS_HELD);
    if (alert->hit_count > 1 || alert->held_count > 0)
        snprintf(out->text, sizeof out->text, "x%d%s", (int)alert->hit_count,
                 alert->held_count > 0 ? " !" : "");
}

/* "1: 5,837.32": how many are held, and their sum. */
static void alert_held(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_alert *alert = row;
    char                    sum[64];
    (void)table;
    if (alert->held_count == 0)
        return;
    show_money(alert->held_amount, currency_exponent(alert->currency), sum, sizeof sum);
    out->style = style_of_status(STATUS_HELD);
    snprintf(out->text, sizeof out->text, "%d: %s", (int)alert->held_count, sum);
}

static void alert_status(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_alert *alert = row;
    (void)table;
    set_text(out, style_of_status(alert->status),
             enum_text(&enum_transaction_status, alert->status));
}

static void alert_reason(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_alert *alert = row;
    (void)table;
    if (alert->reasons.count > 0)
        slice_copy(alert->reasons.at[0].text, out->text, sizeof out->text);
}

static void alert_who(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_alert *alert = row;
    (void)table;
    slice_copy(alert->decided_by.n > 0 ? alert->decided_by : alert->assigned_to, out->text,
               sizeof out->text);
}

const struct column rows_alert[] = {
    { "account", "Account", "account_name", 30, COLUMN_GROW, NULL },
    { "loss", "Exp. loss", "expected_loss", 22, COLUMN_RIGHT, NULL },
    { "currency", "Cur", "currency", 3, 0, NULL },
    { "due", "Due", "due_at", 13, 0, alert_due },
    { "score", "Score", "score", 5, COLUMN_RIGHT, alert_score },
    { "hits", "Hits", "hit_count", 5, 0, alert_hits },
    { "state", "State", "state", 14, 0, alert_state },
    { "amount", "Amount", "amount_total", 22, COLUMN_RIGHT, NULL },
    { "held", "Held", "held_amount", 26, COLUMN_RIGHT, alert_held },
    { "age", "Age", "created_at", 6, 0, alert_age },
    { "reason", "First reason", NULL, 60, 0, alert_reason },
    { "status", "Booking", "status", 9, 0, alert_status },
    { "who", "Who", "assigned_to", 24, 0, alert_who },
    { "decision", "Decision", "decision", 15, 0, NULL },
    { "notes", "Notes", "notes", 5, COLUMN_RIGHT, NULL },
    { "time", "Raised, UTC", "created_at", 16, COLUMN_HIDDEN, NULL },
    { "type", "Type", "type", 10, COLUMN_HIDDEN, NULL },
    { "verdict", "Verdict", "verdict", 8, COLUMN_HIDDEN, NULL },
    { "note", "Note", "note", 60, COLUMN_HIDDEN, NULL },
    { "id", "Id", "alert_id", 12, COLUMN_HIDDEN, NULL },
};
const int rows_alert_count = sizeof rows_alert / sizeof rows_alert[0];

/* --- accounts and customers ---------------------------------------------------------------- */

static void account_state(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_account *account = row;
    (void)table;
    set_text(out, style_of_account(account->status),
             enum_text(&enum_account_status, account->status));
}

static void account_balance(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_account *account = row;
    (void)table;
    show_money(account->balance, currency_exponent(account->currency), out->text, sizeof out->text);
    out->style = account->balance < 0 ? STYLE_WARN : STYLE_VALUE;
}

const struct column rows_account[] = {
    { "name", "Account", "name", 30, COLUMN_GROW, NULL },
    { "holder", "Holder", "holder", 26, 0, NULL },
    { "status", "Status", "status", 8, 0, account_state },
    { "balance", "Balance", "balance", 22, COLUMN_RIGHT, account_balance },
    { "currency", "Cur", "currency", 3, 0, NULL },
    { "available", "Available", "available", 22, COLUMN_RIGHT, NULL },
    { "held", "Held", "held", 22, COLUMN_RIGHT, NULL },
    { "entries", "Entries", "transactions", 9, COLUMN_RIGHT, NULL },
    { "last", "Last activity", "last_activity_at", 16, 0, NULL },
    { "kind", "Kind", "kind", 10, 0, NULL },
    { "id", "Id", "account_id", 12, 0, NULL },
    { "external", "External id", "external_id", 24, COLUMN_HIDDEN, NULL },
    { "overdraft", "Overdraft", "overdraft_limit", 22, COLUMN_RIGHT | COLUMN_HIDDEN, NULL },
    { "created", "Opened, UTC", "created_at", 16, COLUMN_HIDDEN, NULL },
};
const int rows_account_count = sizeof rows_account / sizeof rows_account[0];

static void customer_verified(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_customer *customer = row;
    (void)table;
    set_text(out, customer->verified ? STYLE_GOOD : STYLE_WARN, customer->verified ? "yes" : "no");
}

const struct column rows_customer[] = {
    { "name", "Customer", "name", 36, COLUMN_GROW, NULL },
    { "verified", "Verified", "verified", 8, 0, customer_verified },
    { "country", "Country", "country", 7, 0, NULL },
    { "email", "E-mail", "email", 32, 0, NULL },
    { "created", "Entered, UTC", "created_at", 16, 0, NULL },
    { "external", "External id", "external_id", 24, 0, NULL },
    { "id", "Id", "customer_id", 12, 0, NULL },
};
const int rows_customer_count = sizeof rows_customer / sizeof rows_customer[0];

/* --- cases --------------------------------------------------------------------------------- */

static void case_state(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_case *one = row;
    (void)table;
    set_text(out,
             one->state == CASE_CLOSED  ? STYLE_DIM
             : one->state == CASE_FILED ? STYLE_GOOD
                                        : STYLE_TEXT,
             enum_text(&enum_case_state, one->state));
}

static void case_due(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_case *one = row;
    char                   minute[32];
    (void)table;
    if (!MSG_HAS(one, case, due_at))
        return;
    show_minute(one->due_at, minute, sizeof minute);
    snprintf(out->text, sizeof out->text, "%s%.10s", one->overdue ? "! " : "", minute);
    out->style = one->overdue ? STYLE_BAD : STYLE_TEXT;
}

static void case_kind(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_case *one = row;
    (void)table;
    set_text(out, STYLE_TEXT,
             one->kind == CASE_SUSPICIOUS ? "SAR"
             : one->kind == CASE_CURRENCY ? "CTR"
                                          : "inquiry");
}

const struct column rows_case[] = {
    { "title", "Case", "title", 34, COLUMN_GROW, NULL },
    { "state", "State", "state", 6, 0, case_state },
    { "kind", "Kind", "kind", 7, 0, case_kind },
    { "due", "Due, UTC", "due_at", 12, 0, case_due },
    { "account", "Account", "account_name", 24, 0, NULL },
    { "assigned", "Assigned to", "assigned_to", 24, 0, NULL },
    { "items", "Items", "items", 5, COLUMN_RIGHT, NULL },
    { "reference", "Report", "reference", 16, 0, NULL },
    { "created", "Opened, UTC", "created_at", 16, 0, NULL },
    { "creator", "Opened by", "created_by", 24, COLUMN_HIDDEN, NULL },
    { "outcome", "Outcome", "outcome", 14, COLUMN_HIDDEN, NULL },
    { "id", "Id", "case_id", 12, COLUMN_HIDDEN, NULL },
};
const int rows_case_count = sizeof rows_case / sizeof rows_case[0];

static void item_what(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_case_item *item = row;
    (void)table;
    set_text(out, STYLE_TEXT,
             MSG_HAS(item, case_item, transaction_id) ? "transaction"
             : MSG_HAS(item, case_item, alert_id)     ? "alert"
             : MSG_HAS(item, case_item, account_id)   ? "account"
                                                      : "note");
}

const struct column rows_case_item[] = {
    { "time", "Added, UTC", "at", 16, 0, NULL },
    { "what", "Evidence", "", 11, 0, item_what },
    { "note", "Note", "note", 60, COLUMN_GROW, NULL },
    { "by", "By", "by", 24, 0, NULL },
};
const int rows_case_item_count = sizeof rows_case_item / sizeof rows_case_item[0];

/* --- audit and monitors -------------------------------------------------------------------- */

static void audit_outcome(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_audit_entry *entry = row;
    (void)table;
    slice_copy(entry->outcome, out->text, sizeof out->text);
    out->style = entry->kind == AUDIT_REFUSAL ? STYLE_BAD : STYLE_TEXT;
}

const struct column rows_audit[] = {
    { "entry", "Entry", "sequence", 10, COLUMN_RIGHT, NULL },
    { "time", "Time, UTC", "at", 16, 0, NULL },
    { "operation", "Operation", "operation", 22, 0, NULL },
    { "outcome", "Outcome", "outcome", 18, 0, audit_outcome },
    { "actor", "Actor", "actor", 24, 0, NULL },
    { "detail", "Detail", "detail", 60, COLUMN_GROW, NULL },
    { "kind", "Kind", "kind", 11, 0, NULL },
    { "subject", "Subject", "subject", 36, 0, NULL },
    { "hash", "Link", "hash", 16, COLUMN_HIDDEN, NULL },
};
const int rows_audit_count = sizeof rows_audit / sizeof rows_audit[0];

static void figure(const struct table *table, struct slice unit, int64_t value,
                   struct cell_text *out)
{
    const char *currency = table->context != NULL ? table->context : "";
    if (slice_is(unit, "minor units"))
        show_short_sum(value, slice_from(currency), out->text, sizeof out->text);
    else
        show_figure(value, unit, slice_from(currency), out->text, sizeof out->text);
}

static void monitor_value(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_monitor *monitor = row;
    figure(table, monitor->unit, monitor->value, out);
}

static void monitor_threshold(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_monitor *monitor = row;
    figure(table, monitor->unit, monitor->threshold, out);
    out->style = STYLE_DIM;
}

static void monitor_state(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_monitor *monitor = row;
    (void)table;
    if (monitor->state == MONITOR_BREACH)
        set_text(out, STYLE_BAD, "! BREACH");
    else if (monitor->state == MONITOR_WARNING)
        set_text(out, STYLE_WARN, "near");
    else
        set_text(out, STYLE_GOOD, "ok");
}

const struct column rows_monitor[] = {
    { "title", "Watched figure", "title", 33, COLUMN_GROW, NULL },
    { "state", "State", "state", 8, 0, monitor_state },
    { "value", "Value", "value", 22, COLUMN_RIGHT, monitor_value },
    { "threshold", "Limit", "threshold", 22, COLUMN_RIGHT, monitor_threshold },
    { "help", "Meaning", "help", 80, 0, NULL },
};
const int rows_monitor_count = sizeof rows_monitor / sizeof rows_monitor[0];

/* --- rules and what bears on them ------------------------------------------------------------ */

static void version_state(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_rule_version *version = row;
    (void)table;
    set_text(out,
             version->state == RULES_ACTIVE     ? STYLE_GOOD
             : version->state == RULES_PROPOSED ? STYLE_WARN
                                                : STYLE_DIM,
             enum_text(&enum_rules_state, version->state));
}

const struct column rows_version[] = {
    { "version", "Version", "rule_set", 8, COLUMN_RIGHT, NULL },
    { "state", "State", "state", 10, 0, version_state },
    { "proposed", "Proposed, UTC", "proposed_at", 16, 0, NULL },
    { "author", "By", "author", 24, 0, NULL },
    { "reason", "Reason", "reason", 60, COLUMN_GROW, NULL },
    { "approved", "Approved, UTC", "approved_at", 16, 0, NULL },
    { "approver", "By", "approved_by", 24, 0, NULL },
    { "rules", "Rules", "rules", 5, COLUMN_RIGHT, NULL },
    { "card", "Card", "has_scorecard", 4, 0, NULL },
    { "ended", "Ended, UTC", "ended_at", 16, COLUMN_HIDDEN, NULL },
    { "hash", "Hash", "hash", 16, 0, NULL },
};
const int rows_version_count = sizeof rows_version / sizeof rows_version[0];

static void score_advice(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_rule_score *score = row;
    bool                         keep = score->advice == ADVICE_KEEP;
    (void)table;
    snprintf(out->text, sizeof out->text, "%s%s", keep ? "" : "! ",
             enum_text(&enum_rule_advice, score->advice));
    out->style = keep ? STYLE_GOOD : STYLE_WARN;
}

static void score_precision(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_rule_score *score = row;
    (void)table;
    if (MSG_HAS(score, rule_score, precision_bp))
        show_share(score->precision_bp, out->text, sizeof out->text);
}

/* The table's context is the code of the currency. */
static void score_saved(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_rule_score *score = row;
    show_short_sum(score->saved, slice_from(table->context), out->text, sizeof out->text);
}

static void score_drift(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_rule_score *score = row;
    char                         share[32];
    (void)table;
    if (MSG_HAS(score, rule_score, drift_bp))
        snprintf(out->text, sizeof out->text, "%s%s", score->drift_bp > 0 ? "+" : "",
                 show_percent(score->drift_bp, share, sizeof share));
}

static void score_overlap(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_rule_score *score = row;
    (void)table;
    if (MSG_HAS(score, rule_score, overlap_bp))
        show_share(score->overlap_bp, out->text, sizeof out->text);
}

const struct column rows_rule_score[] = {
    { "rule", "Rule or part", "rule", 45, COLUMN_GROW, NULL },
    { "kind", "Kind", "kind", 4, 0, NULL },
    { "advice", "Advice", "advice", 9, 0, score_advice },
    { "fired", "Fired", "fired", 9, COLUMN_RIGHT, NULL },
    { "fraud", "Fraud", "confirmed", 7, COLUMN_RIGHT, NULL },
    { "precision", "Precision", "precision_bp", 9, COLUMN_RIGHT, score_precision },
    { "saved", "Saved", "saved", 12, COLUMN_RIGHT, score_saved },
    { "unique", "Alone", "unique_catches", 6, COLUMN_RIGHT, NULL },
    { "drift", "Drift", "drift_bp", 7, COLUMN_RIGHT, score_drift },
    { "overlap", "Overlap", "overlap_bp", 8, COLUMN_RIGHT, score_overlap },
    { "points", "Points", "points_mean", 6, COLUMN_RIGHT, NULL },
    { "action", "Action", "action", 8, 0, NULL },
    { "good", "Good", "false_positive", 8, COLUMN_RIGHT, NULL },
    { "alerted", "Alerts", "alerted", 8, COLUMN_RIGHT, NULL },
    { "severity", "Severity", "severity", 8, 0, NULL },
};
const int rows_rule_score_count = sizeof rows_rule_score / sizeof rows_rule_score[0];

static void set_control(struct cell_text *out, int32_t state)
{
    set_text(out, state == CONTROL_ACTIVE ? STYLE_GOOD : STYLE_DIM,
             enum_text(&enum_control_state, state));
}

static void entry_state(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_screening_entry *entry = row;
    (void)table;
    set_control(out, entry->state);
}

static void entry_list(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_screening_entry *entry = row;
    (void)table;
    set_text(out,
             entry->list == LIST_DENY    ? STYLE_BAD
             : entry->list == LIST_WATCH ? STYLE_WARN
                                         : STYLE_GOOD,
             enum_text(&enum_screening_list, entry->list));
}

static void entry_whom(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_screening_entry *entry = row;
    char                              text[CELL_TEXT_MAX - 24];
    (void)table;
    slice_copy(entry->counterparty.n > 0 ? entry->counterparty : entry->name, text, sizeof text);
    snprintf(out->text, sizeof out->text, "%s%s", text,
             MSG_HAS(entry, screening_entry, customer_id) ? ", all accounts" : "");
}

const struct column rows_screening[] = {
    { "list", "List", "list", 6, 0, entry_list },
    { "whom", "Whom", "name", 32, COLUMN_GROW, entry_whom },
    { "state", "State", "state", 8, 0, entry_state },
    { "until", "Until, UTC", "until", 16, 0, NULL },
    { "reason", "Reason", "reason", 60, 0, NULL },
    { "by", "Entered by", "created_by", 24, 0, NULL },
    { "created", "Entered, UTC", "created_at", 16, 0, NULL },
    { "ended", "Ended, UTC", "ended_at", 16, COLUMN_HIDDEN, NULL },
    { "ender", "Ended by", "ended_by", 24, COLUMN_HIDDEN, NULL },
    { "id", "Id", "entry_id", 12, COLUMN_HIDDEN, NULL },
};
const int rows_screening_count = sizeof rows_screening / sizeof rows_screening[0];

static void suppression_state(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_suppression *suppression = row;
    (void)table;
    set_control(out, suppression->state);
    bool waits = suppression->state == CONTROL_ACTIVE || suppression->state == CONTROL_PROPOSED;
    if (waits && MSG_HAS(suppression, suppression, needs_approval) && suppression->needs_approval) {
        snprintf(out->text, sizeof out->text, "! waits");
        out->style = STYLE_WARN;
    }
}

const struct column rows_suppression[] = {
    { "rule", "Rule", "rule", 28, 0, NULL },
    { "account", "Account", "account_name", 28, COLUMN_GROW, NULL },
    { "state", "State", "state", 8, 0, suppression_state },
    { "until", "Until, UTC", "until", 16, 0, NULL },
    { "reason", "Reason", "reason", 60, 0, NULL },
    { "by", "Entered by", "created_by", 24, 0, NULL },
    { "approver", "Approved by", "approved_by", 24, 0, NULL },
    { "created", "Entered, UTC", "created_at", 16, 0, NULL },
    { "number", "Number", "number", 8, COLUMN_RIGHT | COLUMN_HIDDEN, NULL },
    { "id", "Id", "suppression_id", 12, COLUMN_HIDDEN, NULL },
};
const int rows_suppression_count = sizeof rows_suppression / sizeof rows_suppression[0];

static void notification_state(const struct table *table, const void *row, struct cell_text *out)
{
    const struct msg_notification *notification = row;
    bool                           unread = notification->state == NOTIFICATION_UNREAD;
    (void)table;
    set_text(out, unread ? STYLE_WARN : STYLE_DIM, unread ? "! new" : "read");
}

const struct column rows_notification[] = {
    { "time", "Time, UTC", "created_at", 16, 0, NULL },
    { "state", "State", "state", 6, 0, notification_state },
    { "topic", "Topic", "topic", 18, 0, NULL },
    { "text", "Text", "text", 80, COLUMN_GROW, NULL },
    { "subject", "About", "subject", 36, 0, NULL },
    { "reader", "Read by", "read_by", 24, 0, NULL },
    { "id", "Id", "notification_id", 12, COLUMN_HIDDEN, NULL },
};
const int rows_notification_count = sizeof rows_notification / sizeof rows_notification[0];

/* --- details ------------------------------------------------------------------------------- */

enum { DETAIL_LABEL = 15, DETAIL_LINES = 6, SCORE_MAX = 1000 };

int detail_line(struct canvas *canvas, struct rect rect, int y, const char *label, enum style style,
                struct slice value)
{
    int left = rect.y + rect.h - y;
    if (left <= 0)
        return y;
    canvas_string(canvas, rect.x, y, DETAIL_LABEL - 1, STYLE_LABEL, label);
    int lines = canvas_paragraph(canvas,
                                 (struct rect){ rect.x + DETAIL_LABEL, y, rect.w - DETAIL_LABEL,
                                                left < DETAIL_LINES ? left : DETAIL_LINES },
                                 style, value);
    return y + (lines > 0 ? lines : 1);
}

/* Limits that no score reaches are not drawn. */
static void add_limits(struct waterfall *fall, const struct thresholds *marks)
{
    const struct waterfall_limit limits[] = {
        { marks->alert, "alert", STYLE_WARN },
        { marks->hold, "hold", STYLE_WARN },
        { marks->decline, "decline", STYLE_BAD },
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        bool again = i > 0 && limits[i].at == limits[i - 1].at;
        if (limits[i].at > 0 && limits[i].at <= SCORE_MAX && !again)
            fall->limits[fall->limit_count++] = limits[i];
    }
}

int reasons_draw(struct canvas *canvas, struct rect rect, const struct msg_reason *reasons,
                 size_t count, int64_t score, const struct thresholds *marks)
{
    struct waterfall fall = { .total = score, .scale = SCORE_MAX };
    if (count == 0) {
        canvas_string(canvas, rect.x, rect.y, rect.w, STYLE_DIM, "No rule gave a point.");
        return 1;
    }
    for (size_t i = 0; i < count && i < WATERFALL_PARTS_MAX; i++)
        fall.parts[fall.count++] = (struct waterfall_part){ .points = reasons[i].points,
                                                            .text = reasons[i].text,
                                                            .name = reasons[i].rule };
    if (marks != NULL)
        add_limits(&fall, marks);
    fall.total_style = style_of_score(score);
    snprintf(fall.words, sizeof fall.words, "score of %d, their sum", SCORE_MAX);
    return waterfall_draw(&fall, canvas, rect);
}
