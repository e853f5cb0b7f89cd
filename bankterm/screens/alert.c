/* One alert with everything that an analyst needs to decide it: what was paid, why it was stopped
 * as bars that add up, what the account usually does, what happened before.
 *
 * The alert is asked for first; it names the payment and the account, whose answers follow. Each
 * part stands in a panel of its own and says so when its answer is missing, so that one question
 * that failed hides nothing else. What changes by the minute is asked anew with every event, the
 * rest when the screen opens and when the user asks. */
#include "bankterm/app.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/screens/subject.h"
#include "bankterm/widgets/panels.h"
#include "common/clock.h"

#include <stdio.h>
#include <string.h>

enum { FACT_MAX = 320, HEAD_LINES = 4, EARLIER_ROWS = 20 };

struct alert_view {
    struct screen screen;
    struct uuid   id;
    struct fetch  alert;
    struct fetch  transaction;
    struct fetch  risk;
    struct fetch  earlier;
    struct panels panels;
    bool          followed; /* the payment and the account were asked for */
};

static struct alert_view *view_of(struct screen *screen)
{
    return (struct alert_view *)screen;
}

static const struct alert_view *view_of_const(const struct screen *screen)
{
    return (const struct alert_view *)screen;
}

static const struct msg_alert *alert_of(const struct alert_view *view)
{
    return view->alert.record.body;
}

/* --- questions ------------------------------------------------------------------------------ */

static void ask_if_allowed(struct alert_view *view, struct fetch *fetch, enum op_index op,
                           const void *body)
{
    if ((op_rows[op].roles & (uint32_t)view->screen.app->role) != 0)
        fetch_ask(&view->screen, fetch, op, body);
}

static void ask_alert(struct alert_view *view)
{
    struct msg_alert_ref ref = { .alert_id = view->id };
    fetch_ask(&view->screen, &view->alert, OP_INDEX_alert_get, &ref);
}

/* Everything that is found by what the alert says. */
static void ask_rest(struct alert_view *view)
{
    const struct msg_alert    *alert = alert_of(view);
    struct msg_transaction_ref transaction = { .transaction_id = alert->transaction_id };
    struct msg_account_ref     account = { .account_id = alert->account_id };
    struct msg_alert_query     earlier = { 0 };
    view->followed = true;
    MSG_SET(&earlier, alert_query, account_id, alert->account_id);
    MSG_SET(&earlier, alert_query, limit, EARLIER_ROWS);
    ask_if_allowed(view, &view->transaction, OP_INDEX_transaction_get, &transaction);
    ask_if_allowed(view, &view->risk, OP_INDEX_risk_account, &account);
    ask_if_allowed(view, &view->earlier, OP_INDEX_alert_list, &earlier);
}

static void view_refresh(struct screen *screen)
{
    struct alert_view *view = view_of(screen);
    ask_alert(view);
    if (alert_of(view) != NULL)
        ask_rest(view);
}

static void view_result(struct screen *screen, const struct net_result *result)
{
    struct alert_view *view = view_of(screen);
    struct fetch      *rest[] = { &view->transaction, &view->risk, &view->earlier };
    if (fetch_take(&view->alert, result)) {
        if (fetch_again(&view->alert))
            ask_alert(view);
        if (alert_of(view) != NULL && !view->followed)
            ask_rest(view);
        return;
    }
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) {
        if (fetch_take(rest[i], result)) {
            (void)fetch_again(rest[i]);
            return;
        }
    }
}

static void view_event(struct screen *screen, const struct net_result *result)
{
    if (result->kind == NET_EVENT)
        ask_alert(view_of(screen));
}

/* --- the head: what it is about -------------------------------------------------------------- */

static void what_text(const struct alert_view *view, char *out, size_t size)
{
    const struct msg_alert       *alert = alert_of(view);
    const struct msg_transaction *tx = view->transaction.record.body;
    char                          sum[64];
    show_sum(alert->amount, alert->currency, sum, sizeof sum);
    int n = snprintf(out, size, "%s of %s", enum_text(&enum_transaction_type, alert->type), sum);
    if (tx != NULL && n > 0 && (size_t)n < size) {
        struct slice other = tx->counterparty.n > 0 ? tx->counterparty : tx->counterparty_name;
        snprintf(out + n, size - (size_t)n, " %s %.*s", tx->incoming ? "from" : "to", (int)other.n,
                 other.at != NULL ? other.at : "");
    }
}

static void status_text(const struct alert_view *view, char *out, size_t size)
{
    const struct msg_alert       *alert = alert_of(view);
    const struct msg_transaction *tx = view->transaction.record.body;
    char                          left[32];
    snprintf(out, size, "%s", enum_text(&enum_transaction_status, alert->status));
    if (tx != NULL && alert->status == STATUS_HELD && MSG_HAS(tx, transaction, hold_expires_at)) {
        int64_t us = tx->hold_expires_at - app_now_us(view->screen.app);
        snprintf(out, size, "held, rejected by itself in %s", show_age(us, left, sizeof left));
    }
}

static void handling_text(const struct alert_view *view, char *out, size_t size)
{
    const struct msg_alert *alert = alert_of(view);
    char                    minute[32];
    snprintf(out, size, "%s", enum_text(&enum_alert_state, alert->state));
    if (alert->state == ALERT_TAKEN)
        snprintf(out, size, "taken by %.*s since %s UTC", (int)alert->assigned_to.n,
                 alert->assigned_to.at != NULL ? alert->assigned_to.at : "",
                 show_minute(alert->taken_at, minute, sizeof minute));
    if (alert->state == ALERT_DECIDED)
        snprintf(out, size, "%s, decided by %.*s on %s UTC",
                 enum_text(&enum_alert_decision, alert->decision), (int)alert->decided_by.n,
                 alert->decided_by.at != NULL ? alert->decided_by.at : "",
                 show_minute(alert->decided_at, minute, sizeof minute));
}

static void draw_head(const struct alert_view *view, struct canvas *canvas, struct rect in)
{
    const struct msg_alert *alert = alert_of(view);
    char                    text[FACT_MAX];
    char                    age[32];
    int64_t                 us = app_now_us(view->screen.app) - alert->created_at;
    int                     y = in.y;
    y = detail_line(canvas, in, y, "Account", STYLE_VALUE, alert->account_name);
    what_text(view, text, sizeof text);
    y = detail_line(canvas, in, y, "Payment", STYLE_VALUE, slice_from(text));
    status_text(view, text, sizeof text);
    y = detail_line(canvas, in, y, "", style_of_status(alert->status), slice_from(text));
    handling_text(view, text, sizeof text);
    size_t n = strlen(text);
    snprintf(text + n, sizeof text - n, "; raised %s ago", show_age(us, age, sizeof age));
    detail_line(canvas, in, y, "Alert", alert->state == ALERT_OPEN ? STYLE_WARN : STYLE_TEXT,
                slice_from(text));
}

/* --- the panels ------------------------------------------------------------------------------ */

/* Says why there is nothing, in one line. */
static int draw_absent(const struct fetch *fetch, struct canvas *canvas, struct rect rect)
{
    if (fetch->ticket == 0 && !fetch->failed) {
        canvas_string(canvas, rect.x, rect.y, rect.w, STYLE_DIM, "Not shown to your role.");
        return 1;
    }
    rect.h = 3;
    return canvas_paragraph(canvas, rect, fetch->failed ? STYLE_BAD : STYLE_DIM,
                            slice_from(fetch->failed ? fetch->error : "Loading ..."));
}

static int draw_reasons(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct alert_view *view = context;
    const struct msg_alert  *alert = alert_of(view);
    return reasons_draw(canvas, rect, alert->reasons.at, alert->reasons.count, alert->score);
}

/* "sum_24h  12,345.00 USD  Paid out within a day" */
static int draw_figure(struct canvas *canvas, struct rect rect, const struct msg_feature *feature,
                       struct slice currency)
{
    enum { NAME = 24, VALUE = 18 };
    char value[64];
    if (slice_is(feature->unit, "minor units"))
        show_sum(feature->value, currency, value, sizeof value);
    else
        show_count(feature->value, value, sizeof value);
    canvas_text(canvas, rect.x, rect.y, NAME - 1, STYLE_LABEL, feature->name);
    canvas_right(canvas, rect.x + NAME, rect.y, VALUE, STYLE_VALUE, value);
    canvas_text(canvas, rect.x + NAME + VALUE + 2, rect.y, rect.w - NAME - VALUE - 2, STYLE_DIM,
                feature->help);
    return 1;
}

static int draw_figures(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct alert_view       *view = context;
    const struct msg_risk_account *risk = view->risk.record.body;
    int                            y = rect.y;
    if (risk == NULL)
        return draw_absent(&view->risk, canvas, rect);
    for (size_t i = 0; i < risk->features.count; i++)
        y += draw_figure(canvas, (struct rect){ rect.x, y, rect.w, 1 }, &risk->features.at[i],
                         risk->currency);
    return y - rect.y;
}

/* When, how much, how it ended; the first reason in a second line. */
static int draw_other_alert(struct canvas *canvas, struct rect rect, const struct msg_alert *alert)
{
    char        day[32];
    char        sum[64];
    char        text[FACT_MAX];
    bool        decided = MSG_HAS(alert, alert, decision);
    bool        fraud = decided && alert->decision == DECISION_CONFIRMED_FRAUD;
    const char *sign = fraud ? "! " : "";
    show_sum(alert->amount, alert->currency, sum, sizeof sum);
    snprintf(text, sizeof text, "%s  %4d  %20s  %s%s", show_day(alert->created_at, day, sizeof day),
             (int)alert->score, sum, sign,
             decided ? enum_text(&enum_alert_decision, alert->decision)
                     : enum_text(&enum_alert_state, alert->state));
    canvas_string(canvas, rect.x, rect.y, rect.w, fraud ? STYLE_BAD : STYLE_TEXT, text);
    if (alert->reasons.count == 0)
        return 1;
    canvas_text(canvas, rect.x + 12, rect.y + 1, rect.w - 12, STYLE_DIM, alert->reasons.at[0].text);
    return 2;
}

static int draw_earlier(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct alert_view     *view = context;
    const struct msg_alert_page *page = view->earlier.record.body;
    int                          y = rect.y;
    if (page == NULL)
        return draw_absent(&view->earlier, canvas, rect);
    for (size_t i = 0; i < page->items.count; i++) {
        const struct msg_alert *alert = &page->items.at[i];
        if (!uuid_equal(&alert->alert_id, &view->id))
            y += draw_other_alert(canvas, (struct rect){ rect.x, y, rect.w, 2 }, alert);
    }
    if (y == rect.y)
        canvas_string(canvas, rect.x, y++, rect.w, STYLE_DIM, "The account had no other alert.");
    return y - rect.y;
}

static int draw_record(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct alert_view      *view = context;
    const struct msg_alert       *alert = alert_of(view);
    const struct msg_transaction *tx = view->transaction.record.body;
    char                          text[FACT_MAX];
    char                          minute[32];
    int                           y = rect.y;
    snprintf(text, sizeof text, "%s UTC", show_minute(alert->created_at, minute, sizeof minute));
    y = detail_line(canvas, rect, y, "Raised", STYLE_TEXT, slice_from(text));
    y = detail_line(canvas, rect, y, "Alert", STYLE_DIM,
                    slice_from(uuid_text(&alert->alert_id, text)));
    y = detail_line(canvas, rect, y, "Payment", STYLE_DIM,
                    slice_from(uuid_text(&alert->transaction_id, text)));
    y = detail_line(canvas, rect, y, "Account", STYLE_DIM,
                    slice_from(uuid_text(&alert->account_id, text)));
    if (tx == NULL)
        return y - rect.y;
    snprintf(text, sizeof text, "%s UTC", show_minute(tx->timestamp, minute, sizeof minute));
    y = detail_line(canvas, rect, y, "When", STYLE_TEXT, slice_from(text));
    y = detail_line(canvas, rect, y, "Other side", STYLE_TEXT, tx->counterparty_name);
    if (tx->counterparty.n > 0)
        y = detail_line(canvas, rect, y, "", STYLE_TEXT, tx->counterparty);
    y = detail_line(canvas, rect, y, "Description", STYLE_TEXT,
                    tx->description.n > 0 ? tx->description : slice_from("none"));
    show_sum(tx->balance, tx->currency, text, sizeof text);
    y = detail_line(canvas, rect, y, "Balance after", STYLE_TEXT, slice_from(text));
    if (tx->posted_by.n > 0)
        y = detail_line(canvas, rect, y, "Entered by", STYLE_TEXT, tx->posted_by);
    return y - rect.y;
}

/* --- the screen ------------------------------------------------------------------------------ */

static void view_open(struct screen *screen, const char *argument)
{
    struct alert_view *view = view_of(screen);
    struct panels     *panels = &view->panels;
    panels_add(panels, "Reasons", 0, 0, draw_reasons);
    panels_add(panels, "Figures", 1, 1, draw_figures);
    panels_add(panels, "Earlier alerts", 1, 2, draw_earlier);
    panels_add(panels, "Record", 0, 0, draw_record);
    if (uuid_parse(argument, strlen(argument), &view->id) == ERR_none)
        ask_alert(view);
}

static void view_close(struct screen *screen)
{
    struct alert_view *view = view_of(screen);
    fetch_free(&view->alert);
    fetch_free(&view->transaction);
    fetch_free(&view->risk);
    fetch_free(&view->earlier);
}

static void view_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct alert_view *view = view_of(screen);
    struct rect        in = { rect.x + 2, rect.y + 1, rect.w - 3, HEAD_LINES };
    char               title[64] = "Alert";
    if (alert_of(view) == NULL) {
        canvas_rule(canvas, rect.x, rect.y, rect.w, title, "");
        in.y++;
        canvas_paragraph(canvas, in, view->alert.failed ? STYLE_BAD : STYLE_DIM,
                         slice_from(view->alert.failed ? view->alert.error : "Loading ..."));
        canvas_cursor(canvas, rect.x, rect.y);
        return;
    }
    snprintf(title, sizeof title, "Alert: %s, score %d",
             enum_text(&enum_verdict, alert_of(view)->verdict), (int)alert_of(view)->score);
    canvas_rule(canvas, rect.x, rect.y, rect.w, title, view->alert.failed ? view->alert.error : "");
    draw_head(view, canvas, in);
    int used = HEAD_LINES + 1;
    panels_draw(&view->panels, view, canvas,
                (struct rect){ rect.x, rect.y + used, rect.w, rect.h - used });
}

static bool view_act(struct screen *screen, enum action action, const char *argument)
{
    struct alert_view *view = view_of(screen);
    (void)argument;
    if (panels_act(&view->panels, action))
        return true;
    return action != ACTION_open && alert_act(screen->app, alert_of(view), action);
}

static bool view_can(const struct screen *screen, enum action action)
{
    return alert_can(alert_of(view_of_const(screen)), action);
}

static bool view_click(struct screen *screen, int x, int y)
{
    return panels_click(&view_of(screen)->panels, x, y);
}

static struct slice view_copied(const struct screen *screen, char *out, size_t size)
{
    char text[UUID_TEXT_MAX];
    snprintf(out, size, "%s", uuid_text(&view_of_const(screen)->id, text));
    return slice_from(out);
}

const struct screen_ops screen_alert = {
    .name = "alert",
    .title = "Alert",
    .size = sizeof(struct alert_view),
    .places = IN_ANY | IN_TEXT | IN_DETAIL | IN_PANELS | IN_ALERT,
    .open = view_open,
    .close = view_close,
    .shown = view_refresh,
    .refresh = view_refresh,
    .result = view_result,
    .event = view_event,
    .act = view_act,
    .can = view_can,
    .click = view_click,
    .draw = view_draw,
    .copied = view_copied,
};
