/* One record in full: a transaction with the reasons of its score, an account with its bookings,
 * an entry of the audit log. Everything is asked by id, and asked anew when the ledger
 * or an alert has changed. */
#include "bankterm/app.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/screens/subject.h"
#include "bankterm/widgets/list.h"
#include "common/clock.h"

#include <stdio.h>
#include <string.h>

enum { TWO_COLUMNS = 110, FACT_MAX = 320 };

struct detail {
    struct screen screen;
    struct uuid   id;
    struct fetch  fetch;
    struct list   list; /* bookings of an account */
};

static struct detail *detail_of(struct screen *screen)
{
    return (struct detail *)screen;
}

static const struct detail *detail_of_const(const struct screen *screen)
{
    return (const struct detail *)screen;
}

static void detail_ask(struct screen *screen)
{
    struct detail             *detail = detail_of(screen);
    struct msg_transaction_ref ref = { .transaction_id = detail->id }; /* all refs are one id */
    fetch_ask(screen, &detail->fetch,
              screen->ops == &screen_account ? OP_INDEX_account_get : OP_INDEX_transaction_get,
              &ref);
}

static void detail_open(struct screen *screen, const char *argument)
{
    struct detail *detail = detail_of(screen);
    if (uuid_parse(argument, strlen(argument), &detail->id) == ERR_none)
        detail_ask(screen);
}

static void detail_close(struct screen *screen)
{
    fetch_free(&detail_of(screen)->fetch);
}

static void detail_result(struct screen *screen, const struct net_result *result)
{
    struct detail *detail = detail_of(screen);
    if (fetch_take(&detail->fetch, result) && fetch_again(&detail->fetch))
        detail_ask(screen);
}

static void detail_event(struct screen *screen, const struct net_result *result)
{
    if (result->kind == NET_EVENT)
        detail_ask(screen);
}

static struct slice detail_copied(const struct screen *screen, char *out, size_t size)
{
    char text[UUID_TEXT_MAX];
    snprintf(out, size, "%s", uuid_text(&detail_of_const(screen)->id, text));
    return slice_from(out);
}

static bool draw_missing(const struct detail *detail, struct canvas *canvas, struct rect rect)
{
    if (detail->fetch.record.body != NULL)
        return false;
    canvas_paragraph(canvas, (struct rect){ rect.x + 2, rect.y + 2, rect.w - 4, 4 },
                     detail->fetch.failed ? STYLE_BAD : STYLE_DIM,
                     slice_from(detail->fetch.failed ? detail->fetch.error : "Loading ..."));
    canvas_cursor(canvas, rect.x, rect.y);
    return true;
}

static int line_text(struct canvas *canvas, struct rect rect, int y, const char *label,
                     enum style style, const char *text)
{
    return detail_line(canvas, rect, y, label, style, slice_from(text));
}

static int line_id(struct canvas *canvas, struct rect rect, int y, const char *label,
                   const struct uuid *id)
{
    char text[UUID_TEXT_MAX];
    return line_text(canvas, rect, y, label, STYLE_DIM, uuid_text(id, text));
}

static int line_sum(struct canvas *canvas, struct rect rect, int y, const char *label,
                    int64_t amount, struct slice currency)
{
    char text[64];
    return line_text(canvas, rect, y, label, STYLE_TEXT,
                     show_sum(amount, currency, text, sizeof text));
}

/* --- a transaction ------------------------------------------------------------------------- */

static int draw_movement(const struct msg_transaction *tx, struct canvas *canvas, struct rect in)
{
    char text[FACT_MAX];
    char sum[64];
    char minute[32];
    int  y = in.y;
    show_sum(tx->amount, tx->currency, sum, sizeof sum);
    snprintf(text, sizeof text, "%s of %s, %s", enum_text(&enum_transaction_type, tx->type), sum,
             tx->incoming ? "to the account" : "from the account");
    y = line_text(canvas, in, y, "What", STYLE_VALUE, text);
    snprintf(text, sizeof text, "%s", enum_text(&enum_transaction_status, tx->status));
    if (MSG_HAS(tx, transaction, hold_expires_at) && tx->status == STATUS_HELD)
        snprintf(text, sizeof text, "held, rejected by itself on %s UTC",
                 show_minute(tx->hold_expires_at, minute, sizeof minute));
    y = line_text(canvas, in, y, "Status", style_of_status(tx->status), text);
    if (tx->fraud_flag)
        y = line_text(canvas, in, y, "Flag", STYLE_BAD, "! flagged as suspicious");
    snprintf(text, sizeof text, "%s UTC", show_minute(tx->timestamp, minute, sizeof minute));
    y = line_text(canvas, in, y, "When", STYLE_TEXT, text);
    y = detail_line(canvas, in, y, "Account", STYLE_TEXT, tx->account_name);
    y = line_id(canvas, in, y, "", &tx->account_id);
    y = detail_line(canvas, in, y, "Other side", STYLE_TEXT, tx->counterparty_name);
    if (tx->counterparty.n > 0)
        y = detail_line(canvas, in, y, "", STYLE_TEXT, tx->counterparty);
    y = line_id(canvas, in, y, "", &tx->counterparty_account_id);
    y = detail_line(canvas, in, y, "Description", STYLE_TEXT,
                    tx->description.n > 0 ? tx->description : slice_from("none"));
    return y;
}

static int draw_entry(const struct msg_transaction *tx, struct canvas *canvas, struct rect in,
                      int y)
{
    char text[FACT_MAX];
    char minute[32];
    y = line_sum(canvas, in, y, "Balance after", tx->balance, tx->currency);
    snprintf(text, sizeof text, "%s UTC, number %lld",
             show_minute(tx->posted_at, minute, sizeof minute), (long long)tx->sequence);
    y = line_text(canvas, in, y, "Entered", STYLE_TEXT, text);
    if (tx->posted_by.n > 0)
        y = detail_line(canvas, in, y, "By", STYLE_TEXT, tx->posted_by);
    y = line_id(canvas, in, y, "Id", &tx->transaction_id);
    if (tx->external_id.n > 0)
        y = detail_line(canvas, in, y, "External id", STYLE_DIM, tx->external_id);
    if (MSG_HAS(tx, transaction, reversal_of))
        y = line_id(canvas, in, y, "Undoes", &tx->reversal_of);
    if (MSG_HAS(tx, transaction, reversed_by))
        y = line_id(canvas, in, y, "Undone by", &tx->reversed_by);
    if (MSG_HAS(tx, transaction, alert_id))
        y = line_id(canvas, in, y, "Alert", &tx->alert_id);
    return y;
}

static void draw_score(struct canvas *canvas, struct rect rect, int32_t verdict, int64_t score,
                       const struct msg_reason *reasons, size_t count)
{
    char title[64];
    snprintf(title, sizeof title, "Fraud check: %s, score %d", enum_text(&enum_verdict, verdict),
             (int)score);
    canvas_rule(canvas, rect.x, rect.y, rect.w, title, "");
    reasons_draw(canvas, (struct rect){ rect.x + 2, rect.y + 1, rect.w - 4, rect.h - 1 }, reasons,
                 count, score, NULL);
}

static void transaction_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    const struct detail *detail = detail_of(screen);
    struct rect          in = { rect.x + 2, rect.y + 1, rect.w - 3, rect.h - 1 };
    canvas_rule(canvas, rect.x, rect.y, rect.w, "Transaction",
                detail->fetch.failed ? detail->fetch.error : "");
    if (draw_missing(detail, canvas, rect))
        return;
    const struct msg_transaction *tx = detail->fetch.record.body;
    struct rect                   check = rect;
    if (rect.w >= TWO_COLUMNS) {
        in.w = rect.w / 2 - 3;
        int y = draw_movement(tx, canvas, in);
        draw_entry(tx, canvas, in, y + 1);
        check.x += rect.w / 2;
        check.w -= rect.w / 2;
    } else {
        int y = draw_movement(tx, canvas, in);
        y = draw_entry(tx, canvas, in, y);
        check.h -= y - check.y;
        check.y = y;
    }
    draw_score(canvas, check, tx->verdict, tx->score, tx->reasons.at, tx->reasons.count);
    canvas_cursor(canvas, in.x, in.y);
}

static bool transaction_screen_act(struct screen *screen, enum action action, const char *argument)
{
    (void)argument;
    return transaction_act(screen->app, detail_of(screen)->fetch.record.body, action);
}

static bool transaction_screen_can(const struct screen *screen, enum action action)
{
    return transaction_can(detail_of_const(screen)->fetch.record.body, action);
}

const struct screen_ops screen_transaction = {
    .name = "transaction",
    .title = "Transaction",
    .size = sizeof(struct detail),
    .places = IN_ANY | IN_DETAIL | IN_TRANSACTION,
    .open = detail_open,
    .close = detail_close,
    .shown = detail_ask,
    .refresh = detail_ask,
    .result = detail_result,
    .event = detail_event,
    .act = transaction_screen_act,
    .can = transaction_screen_can,
    .draw = transaction_draw,
    .copied = detail_copied,
};

/* --- an account ---------------------------------------------------------------------------- */

static void query_bookings(const struct screen *screen, void *body)
{
    struct msg_transaction_query *query = body;
    MSG_SET(query, transaction_query, account_id, detail_of_const(screen)->id);
}

static void account_refresh(struct screen *screen)
{
    detail_ask(screen);
    list_refresh(screen, &detail_of(screen)->list);
}

static void account_shown(struct screen *screen)
{
    detail_ask(screen);
    list_freshen(screen, &detail_of(screen)->list);
}

static void account_open(struct screen *screen, const char *argument)
{
    struct detail *detail = detail_of(screen);
    list_init(&detail->list, OP_INDEX_transaction_list, rows_booking, rows_booking_count,
              query_bookings);
    detail->list.table.context = &detail->id;
    detail_open(screen, argument);
    list_refresh(screen, &detail->list);
}

static void account_close(struct screen *screen)
{
    list_free(&detail_of(screen)->list);
    detail_close(screen);
}

static void account_result(struct screen *screen, const struct net_result *result)
{
    if (!list_take(screen, &detail_of(screen)->list, result))
        detail_result(screen, result);
}

static void account_event(struct screen *screen, const struct net_result *result)
{
    if (result->kind == NET_EVENT)
        account_shown(screen);
}

static bool account_screen_act(struct screen *screen, enum action action, const char *argument)
{
    struct detail                *detail = detail_of(screen);
    const struct msg_transaction *tx = table_selected(&detail->list.table);
    if (action == ACTION_open && tx != NULL) {
        app_show_transaction(screen->app, &tx->transaction_id);
        return true;
    }
    if (argument[0] == '\0' && action != ACTION_open &&
        account_act(screen->app, detail->fetch.record.body, action))
        return true;
    return list_act(screen, &detail->list, action, argument);
}

static bool account_screen_can(const struct screen *screen, enum action action)
{
    if (action == ACTION_open)
        return table_selected(&detail_of_const(screen)->list.table) != NULL;
    return account_can(detail_of_const(screen)->fetch.record.body, action);
}

static int draw_owner(const struct msg_account *account, struct canvas *canvas, struct rect in)
{
    char text[FACT_MAX];
    char minute[32];
    int  y = in.y;
    y = detail_line(canvas, in, y, "Account", STYLE_VALUE, account->name);
    snprintf(text, sizeof text, "%.*s, a %s account", (int)account->holder.n,
             account->holder.at != NULL ? account->holder.at : "",
             enum_text(&enum_account_kind, account->kind));
    y = line_text(canvas, in, y, "Holder", STYLE_TEXT,
                  account->holder.n > 0 ? text : enum_text(&enum_account_kind, account->kind));
    snprintf(text, sizeof text, "%s", enum_text(&enum_account_status, account->status));
    if (account->status == ACCOUNT_FROZEN)
        snprintf(text, sizeof text, "! frozen (%s): %.*s%s%.*s",
                 MSG_HAS(account, account, freeze_direction)
                     ? enum_text(&enum_freeze_direction, account->freeze_direction)
                     : "both",
                 (int)account->freeze_reason.n,
                 account->freeze_reason.at != NULL ? account->freeze_reason.at : "",
                 account->freeze_authority.n > 0 ? ", by " : "", (int)account->freeze_authority.n,
                 account->freeze_authority.at != NULL ? account->freeze_authority.at : "");
    y = line_text(canvas, in, y, "Status", style_of_account(account->status), text);
    if (MSG_HAS(account, account, freeze_until))
        y = line_text(canvas, in, y, "Until", STYLE_TEXT,
                      show_minute(account->freeze_until, minute, sizeof minute));
    return line_id(canvas, in, y, "Id", &account->account_id);
}

static int draw_money(const struct msg_account *account, struct canvas *canvas, struct rect in,
                      int y)
{
    char text[FACT_MAX];
    char held[64];
    char overdraft[64];
    char count[32];
    char minute[32] = "never";
    show_sum(account->balance, account->currency, text, sizeof text);
    y = line_text(canvas, in, y, "Balance", account->balance < 0 ? STYLE_WARN : STYLE_VALUE, text);
    show_sum(account->available, account->currency, text, sizeof text);
    y = line_text(canvas, in, y, "Available", STYLE_VALUE, text);
    show_sum(account->held, account->currency, held, sizeof held);
    show_sum(account->overdraft_limit, account->currency, overdraft, sizeof overdraft);
    snprintf(text, sizeof text, "%s held, overdraft to %s", held, overdraft);
    y = line_text(canvas, in, y, "", STYLE_DIM, text);
    if (MSG_HAS(account, account, last_activity_at))
        show_minute(account->last_activity_at, minute, sizeof minute);
    show_count(account->transactions, count, sizeof count);
    snprintf(text, sizeof text, "%s transactions, the last %s", count, minute);
    return line_text(canvas, in, y, "Activity", STYLE_TEXT, text);
}

static void account_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct detail *detail = detail_of(screen);
    struct rect    in = { rect.x + 2, rect.y + 1, rect.w - 3, rect.h - 1 };
    canvas_rule(canvas, rect.x, rect.y, rect.w, "Account",
                detail->fetch.failed ? detail->fetch.error : "");
    if (draw_missing(detail, canvas, rect))
        return;
    const struct msg_account *account = detail->fetch.record.body;
    int                       y;
    if (rect.w >= TWO_COLUMNS) {
        struct rect right = { rect.x + rect.w / 2, in.y, rect.w - rect.w / 2 - 1, in.h };
        in.w = rect.w / 2 - 3;
        y = draw_owner(account, canvas, in);
        int other = draw_money(account, canvas, right, right.y);
        y = y > other ? y : other;
    } else {
        y = draw_owner(account, canvas, in);
        y = draw_money(account, canvas, in, y);
    }
    if (rect.y + rect.h - y >= 4)
        list_draw(&detail->list, canvas, (struct rect){ rect.x, y, rect.w, rect.y + rect.h - y },
                  "Transactions", true);
}

static struct table *account_table(struct screen *screen)
{
    return &detail_of(screen)->list.table;
}

static bool account_click(struct screen *screen, int x, int y)
{
    return table_click(account_table(screen), x, y);
}

const struct screen_ops screen_account = {
    .name = "account",
    .title = "Account",
    .size = sizeof(struct detail),
    .places = IN_ANY | IN_TABLE | IN_ACCOUNT,
    .open = account_open,
    .close = account_close,
    .shown = account_shown,
    .refresh = account_refresh,
    .result = account_result,
    .event = account_event,
    .act = account_screen_act,
    .can = account_screen_can,
    .click = account_click,
    .draw = account_draw,
    .table = account_table,
};

/* --- an entry of the audit log --------------------------------------------------------------- */

struct entry {
    struct screen screen;
    struct record record; /* a copy of the row that was selected */
};

static void entry_open(struct screen *screen, const char *argument)
{
    struct entry  *entry = (struct entry *)screen;
    struct screen *below = app_below(screen->app, screen);
    (void)argument;
    if (below == NULL || below->ops->table == NULL)
        return;
    const struct table *table = below->ops->table(below);
    const void         *row = table_selected(table);
    if (row == NULL || table->item != &message_audit_entry)
        return;
    if (record_keep(&entry->record, &message_audit_entry, row) != ERR_none)
        app_notice(screen->app, STYLE_BAD, "%s", err_what(ERR_memory));
}

static void entry_close(struct screen *screen)
{
    record_free(&((struct entry *)screen)->record);
}

/* Goes to the record that the entry is about, as far as there is a screen for its kind. */
static void show_subject(struct app *app, const struct msg_audit_entry *entry)
{
    static const struct {
        const char *family; /* of the operation */
        enum action action;
    } rows[] = { { "transaction.", ACTION_transaction },
                 { "import", ACTION_transaction },
                 { "account.", ACTION_account },
                 { "alert.", ACTION_alert },
                 { "case.", ACTION_case } };
    char        text[UUID_TEXT_MAX];
    struct uuid id;
    bool        is_id = uuid_parse(entry->subject.at, entry->subject.n, &id) == ERR_none;
    for (size_t i = 0; is_id && i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = strlen(rows[i].family);
        if (entry->operation.n >= n && memcmp(entry->operation.at, rows[i].family, n) == 0) {
            app_act(app, rows[i].action, uuid_text(&id, text));
            return;
        }
    }
    app_notice(app, STYLE_NOTICE, "The entry names no record that has a screen");
}

static bool entry_act(struct screen *screen, enum action action, const char *argument)
{
    const struct msg_audit_entry *entry = ((struct entry *)screen)->record.body;
    (void)argument;
    if (action != ACTION_subject)
        return false;
    if (entry != NULL)
        show_subject(screen->app, entry);
    return true;
}

static void entry_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    const struct msg_audit_entry *entry = ((struct entry *)screen)->record.body;
    struct rect                   in = { rect.x + 2, rect.y + 1, rect.w - 3, rect.h - 1 };
    char                          text[FACT_MAX];
    char                          at[TIME_TEXT_MAX];
    int                           y = in.y;
    canvas_rule(canvas, rect.x, rect.y, rect.w, "Entry of the audit log", "");
    if (entry == NULL)
        return;
    y = line_text(canvas, in, y, "Entry", STYLE_VALUE, show_count(entry->sequence, text, 32));
    y = line_text(canvas, in, y, "When", STYLE_TEXT, time_text(entry->at, at));
    y = line_text(canvas, in, y, "Kind", STYLE_TEXT, enum_text(&enum_audit_kind, entry->kind));
    y = detail_line(canvas, in, y, "Actor", STYLE_TEXT, entry->actor);
    y = detail_line(canvas, in, y, "Operation", STYLE_TEXT, entry->operation);
    y = detail_line(canvas, in, y, "Outcome", entry->kind == AUDIT_REFUSAL ? STYLE_BAD : STYLE_GOOD,
                    entry->outcome);
    y = detail_line(canvas, in, y, "Subject", STYLE_TEXT, entry->subject);
    y = line_text(canvas, in, y, "Link", STYLE_DIM, show_hex(entry->hash, text, sizeof text));
    detail_line(canvas, in, y, "Detail", STYLE_TEXT, entry->detail);
    canvas_cursor(canvas, in.x, in.y);
}

static struct slice entry_copied(const struct screen *screen, char *out, size_t size)
{
    const struct msg_audit_entry *entry = ((const struct entry *)screen)->record.body;
    if (entry == NULL)
        return slice_of("", 0);
    return slice_from(slice_copy(entry->subject, out, size));
}

const struct screen_ops screen_entry = {
    .name = "entry",
    .title = "Audit entry",
    .size = sizeof(struct entry),
    .places = IN_ANY | IN_DETAIL | IN_ENTRY,
    .open = entry_open,
    .close = entry_close,
    .act = entry_act,
    .draw = entry_draw,
    .copied = entry_copied,
};
