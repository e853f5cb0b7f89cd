/* One alert with everything that an analyst needs to decide it: what was paid, why it was stopped
 * as bars that add up, what the account usually does, what happened before.
 *
 * The alert is asked for first; it names the payment and the account, whose answers follow. Each
 * part stands in a panel of its own and says so when its answer is missing, so that one question
 * that failed hides nothing else. What changes by the minute is asked anew with every event, the
 * rest when the screen opens and when the user asks. */
#include "bankterm/app.h"
#include "bankterm/screens/graph.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/screens/subject.h"
#include "bankterm/widgets/chart.h"
#include "bankterm/widgets/panels.h"
#include "common/clock.h"

#include <stdio.h>
#include <string.h>

enum { FACT_MAX = 320, HEAD_LINES = 5, NOTE_LINES = 40, LIKE_LINES = 4, AMOUNT_BAR = 30 };

struct alert_view {
    struct screen screen;
    struct uuid   id;
    struct fetch  alert;
    struct fetch  transaction;
    struct fetch  risk;
    struct fetch  account;
    struct fetch  similar;
    struct fetch  notes;
    struct fetch  whatif;
    struct fetch  graph;
    struct fetch  controls; /* for the thresholds */
    struct fetch  next;     /* another alert to work on, which then takes this one's place */
    struct panels panels;
    struct panel *hits_panel;
    struct panel *notes_panel;
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
    struct msg_similar_query   similar = { .alert_id = view->id };
    struct msg_graph_query     graph = { .account_id = alert->account_id };
    struct msg_alert_notes     notes = { .alert_id = view->id };
    struct msg_empty           nothing = { 0 };
    view->followed = true;
    ask_if_allowed(view, &view->transaction, OP_INDEX_transaction_get, &transaction);
    ask_if_allowed(view, &view->account, OP_INDEX_account_get, &account);
    ask_if_allowed(view, &view->graph, OP_INDEX_risk_graph, &graph);
    ask_if_allowed(view, &view->notes, OP_INDEX_alert_notes, &notes);
    ask_if_allowed(view, &view->whatif, OP_INDEX_transaction_whatif, &transaction);
    ask_if_allowed(view, &view->controls, OP_INDEX_controls_get, &nothing);
    ask_if_allowed(view, &view->risk, OP_INDEX_risk_account, &account);
    ask_if_allowed(view, &view->similar, OP_INDEX_alert_similar, &similar);
}

static void view_refresh(struct screen *screen)
{
    struct alert_view *view = view_of(screen);
    if (alert_of(view) == NULL && view->next.ticket != 0)
        return;
    ask_alert(view);
    if (alert_of(view) != NULL)
        ask_rest(view);
}

enum { REST_COUNT = 8 };

/* What is asked by ask_rest. */
static void rest_of(struct alert_view *view, struct fetch *out[REST_COUNT])
{
    struct fetch *rest[REST_COUNT] = { &view->transaction, &view->account, &view->risk,
                                       &view->similar,     &view->whatif,  &view->controls,
                                       &view->graph,       &view->notes };
    memcpy(out, rest, sizeof rest);
}

/* --- the next alert -------------------------------------------------------------------------- */

/* Asks for the costliest alert that is free; the one at hand is passed over while it waits. */
static void ask_next(struct alert_view *view)
{
    struct msg_alert_next body = { 0 };
    if (alert_of(view) != NULL && alert_of(view)->state != ALERT_DECIDED)
        MSG_SET(&body, alert_next, after, view->id);
    fetch_ask(&view->screen, &view->next, OP_INDEX_alert_next, &body);
}

static void drop_rest(struct alert_view *view)
{
    struct fetch *rest[REST_COUNT];
    rest_of(view, rest);
    for (int i = 0; i < REST_COUNT; i++) {
        app_forget(&view->screen, rest[i]->ticket);
        fetch_free(rest[i]);
    }
    app_forget(&view->screen, view->alert.ticket);
    fetch_free(&view->alert);
    view->followed = false;
}

/* The alert that was given becomes the one that is shown. */
static void take_next(struct alert_view *view)
{
    struct app *app = view->screen.app;
    if (view->next.failed) {
        app_notice(app, STYLE_WARN, "%s", view->next.error);
        if (alert_of(view) == NULL)
            app_pop(app, &view->screen);
        return;
    }
    drop_rest(view);
    view->alert.record = view->next.record;
    view->alert.fresh = true;
    view->next.record = (struct record){ 0 };
    view->id = alert_of(view)->alert_id;
    for (int i = 0; i < view->panels.count; i++)
        view->panels.at[i].scroll = 0;
    view->panels.focus = 0;
    ask_alert(view);
    ask_rest(view);
}

static void view_result(struct screen *screen, const struct net_result *result)
{
    struct alert_view *view = view_of(screen);
    struct fetch      *rest[REST_COUNT];
    if (fetch_take(&view->next, result)) {
        take_next(view);
        return;
    }
    if (fetch_take(&view->alert, result)) {
        if (fetch_again(&view->alert))
            ask_alert(view);
        if (alert_of(view) != NULL && !view->followed)
            ask_rest(view);
        return;
    }
    rest_of(view, rest);
    for (int i = 0; i < REST_COUNT; i++) {
        if (fetch_take(rest[i], result)) {
            (void)fetch_again(rest[i]);
            return;
        }
    }
}

static void view_event(struct screen *screen, const struct net_result *result)
{
    if (result->kind == NET_EVENT && alert_of(view_of(screen)) != NULL)
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

/* Who works on it and for how long, or how it ended and for how long that can be undone. */
static void handling_text(const struct alert_view *view, char *out, size_t size)
{
    const struct msg_alert *alert = alert_of(view);
    const struct app       *app = view->screen.app;
    int64_t                 now = app_now_us(app);
    int32_t                 state = alert_state_now(alert, now);
    char                    left[32];
    char                    words[SHOW_WORDS_MAX];
    char                    key[KEY_NAME_MAX];
    int                     n = 0;
    if (state == ALERT_TAKEN) {
        bool mine = slice_is(alert->assigned_to, app->user);
        n = snprintf(out, size, "%s%.*s", mine ? "yours" : "locked by ",
                     mine ? 0 : (int)alert->assigned_to.n, alert->assigned_to.at);
        if (MSG_HAS(alert, alert, lock_until) && n > 0 && (size_t)n < size)
            snprintf(out + n, size - (size_t)n, " for %s",
                     show_age(alert->lock_until - now, left, sizeof left));
    } else if (state == ALERT_SNOOZED) {
        snprintf(out, size, "snoozed, back in %s",
                 show_age(alert->snoozed_until - now, left, sizeof left));
    } else if (state == ALERT_DECIDED) {
        n = snprintf(
            out, size, "%s by %.*s", show_choice(&enum_alert_decision, alert->decision, words),
            (int)alert->decided_by.n, alert->decided_by.at != NULL ? alert->decided_by.at : "");
        if (alert_can(app, alert, ACTION_undo_decision) && n > 0 && (size_t)n < size)
            snprintf(out + n, size - (size_t)n, "; %s undoes it for %s",
                     action_key(ACTION_undo_decision, key),
                     show_age(alert->undo_until - now, left, sizeof left));
    } else {
        snprintf(out, size, "open");
    }
}

static void loss_text(const struct alert_view *view, char *out, size_t size)
{
    const struct msg_alert *alert = alert_of(view);
    char                    sum[64];
    char                    age[32];
    int64_t                 us = app_now_us(view->screen.app) - alert->created_at;
    show_sum(alert->expected_loss, alert->currency, sum, sizeof sum);
    snprintf(out, size, "expected loss %s in %d payment%s, raised %s ago", sum,
             (int)alert->hit_count, alert->hit_count == 1 ? "" : "s",
             show_age(us, age, sizeof age));
}

/* An alert with several payments has a line for all of them. */
static int head_lines(const struct msg_alert *alert)
{
    return alert != NULL && alert->hit_count > 1 ? HEAD_LINES + 1 : HEAD_LINES;
}

/* One line, whatever stands in it: the panels below do not move. What is cut is in the record. */
static int head_line(struct canvas *canvas, struct rect in, int y, const char *label,
                     enum style style, const char *text)
{
    return detail_line(canvas, (struct rect){ in.x, y, in.w, 1 }, y, label, style,
                       slice_from(text));
}

static void draw_head(const struct alert_view *view, struct canvas *canvas, struct rect in)
{
    const struct msg_alert   *alert = alert_of(view);
    const struct msg_account *account = view->account.record.body;
    struct cell_text          due = { .text = "" };
    char                      text[FACT_MAX];
    int                       y = in.y;
    bool                      stopped = account != NULL && account->status != ACCOUNT_ACTIVE;
    snprintf(text, sizeof text, "%.*s%s%s", (int)alert->account_name.n, alert->account_name.at,
             stopped ? ", ! account " : "",
             stopped ? enum_text(&enum_account_status, account->status) : "");
    y = head_line(canvas, in, y, "Account", stopped ? STYLE_WARN : STYLE_VALUE, text);
    what_text(view, text, sizeof text);
    y = head_line(canvas, in, y, "Payment", STYLE_VALUE, text);
    status_text(view, text, sizeof text);
    y = head_line(canvas, in, y, "", style_of_status(alert->status), text);
    if (alert->hit_count > 1)
        y = head_line(canvas, in, y, "In all",
                      alert->held_count > 0 ? style_of_status(STATUS_HELD) : STYLE_TEXT,
                      alert_payments(alert, text, sizeof text));
    loss_text(view, text, sizeof text);
    y = head_line(canvas, in, y, "Alert", STYLE_TEXT, text);
    handling_text(view, text, sizeof text);
    head_line(canvas, in, y, "", alert->state == ALERT_OPEN ? STYLE_WARN : STYLE_TEXT, text);
    if (alert->state == ALERT_DECIDED)
        return;
    due_text(alert->due_at - app_now_us(view->screen.app), &due);
    snprintf(text, sizeof text, "%s%s", due.style == STYLE_BAD ? "" : "due ", due.text);
    canvas_right(canvas, in.x, y, in.w, due.style, text);
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
    const struct alert_view   *view = context;
    const struct msg_alert    *alert = alert_of(view);
    const struct msg_controls *controls = view->controls.record.body;
    struct thresholds          marks = { 0 };
    if (controls != NULL)
        marks = (struct thresholds){ controls->threshold_alert, controls->threshold_hold,
                                     controls->rules_decline };
    return reasons_draw(canvas, rect, alert->reasons.at, alert->reasons.count, alert->score,
                        &marks);
}

/* --- the payment beside the customer's own, and what would have changed the verdict ---------- */

/* One bar an amount, all on the same scale. */
static int draw_amount(struct canvas *canvas, struct rect rect, int y, const char *label,
                       int64_t amount, int64_t most, struct slice currency, enum style style)
{
    enum { LABEL = 10, SUM = 20 };
    char sum[64];
    int  bar = rect.w - LABEL - SUM - 2;
    canvas_string(canvas, rect.x, y, LABEL - 1, STYLE_LABEL, label);
    canvas_right(canvas, rect.x + LABEL, y, SUM, STYLE_VALUE,
                 show_sum(amount, currency, sum, sizeof sum));
    if (bar > 4)
        bar_draw(canvas, rect.x + LABEL + SUM + 1, y, bar < AMOUNT_BAR ? bar : AMOUNT_BAR, style,
                 amount, most);
    return y + 1;
}

static int draw_baseline(const struct msg_alert *alert, const struct msg_whatif *whatif,
                         struct canvas *canvas, struct rect rect)
{
    int64_t most = alert->amount;
    int     y = rect.y;
    if (!MSG_HAS(whatif, whatif, baseline)) {
        canvas_string(canvas, rect.x, y, rect.w, STYLE_DIM, "Too few earlier payments to compare.");
        return 1;
    }
    y += canvas_paragraph(canvas, (struct rect){ rect.x, y, rect.w, 4 }, STYLE_TEXT,
                          whatif->baseline);
    if (!MSG_HAS(whatif, whatif, median) || !MSG_HAS(whatif, whatif, largest))
        return y - rect.y;
    if (whatif->largest > most)
        most = whatif->largest;
    y = draw_amount(canvas, rect, y, "this", alert->amount, most, alert->currency,
                    STYLE_CHART_WARN);
    y = draw_amount(canvas, rect, y, "median", whatif->median, most, alert->currency, STYLE_CHART);
    y = draw_amount(canvas, rect, y, "largest", whatif->largest, most, alert->currency,
                    STYLE_CHART);
    return y - rect.y;
}

static int draw_whatif(const void *context, struct canvas *canvas, struct rect rect)
{
    enum { SCORE = 12 };
    const struct alert_view *view = context;
    const struct msg_whatif *whatif = view->whatif.record.body;
    int                      y = rect.y;
    if (whatif == NULL)
        return draw_absent(&view->whatif, canvas, rect);
    for (size_t i = 0; i < whatif->items.count; i++) {
        const struct msg_whatif_item *item = &whatif->items.at[i];
        bool                          better = item->score < whatif->score;
        canvas_print(canvas, rect.x, y, SCORE - 1, better ? STYLE_GOOD : STYLE_WARN, "score %4d",
                     (int)item->score);
        y += canvas_paragraph(canvas, (struct rect){ rect.x + SCORE, y, rect.w - SCORE, 4 },
                              STYLE_TEXT, item->text);
    }
    if (whatif->items.count == 0)
        canvas_string(canvas, rect.x, y++, rect.w, STYLE_DIM,
                      "No single change would have made another verdict.");
    if (!whatif->exact)
        y += canvas_paragraph(canvas, (struct rect){ rect.x, y, rect.w, 3 }, STYLE_DIM,
                              slice_from("Something was found out since; this holds with it."));
    return y - rect.y;
}

/* --- figures --------------------------------------------------------------------------------- */

/* "! sum_24h  12,345.00  usual 0.00 to 800.00  Paid out within a day"; the sign stands where the
 * value lies outside. The words stand below where there is no room beside. */
static int draw_figure(struct canvas *canvas, struct rect rect, const struct msg_feature *feature,
                       struct slice currency)
{
    enum { NAME = 25, VALUE = 13, RANGE = 27, WIDE = 66 };
    char value[64];
    char range[80] = "";
    bool has = MSG_HAS(feature, feature, normal_low) && MSG_HAS(feature, feature, normal_high);
    bool outside =
        has && (feature->value < feature->normal_low || feature->value > feature->normal_high);
    int x = rect.x + NAME + VALUE + 2;
    if (has) {
        char low[32];
        char high[32];
        show_figure(feature->normal_low, feature->unit, currency, low, sizeof low);
        show_figure(feature->normal_high, feature->unit, currency, high, sizeof high);
        snprintf(range, sizeof range, "%s%s to %s", rect.w >= WIDE ? "usual " : "", low, high);
    }
    show_figure(feature->value, feature->unit, currency, value, sizeof value);
    canvas_string(canvas, rect.x, rect.y, 1, STYLE_WARN, outside ? "!" : "");
    canvas_text(canvas, rect.x + 2, rect.y, NAME - 3, STYLE_LABEL, feature->name);
    canvas_right(canvas, rect.x + NAME, rect.y, VALUE, outside ? STYLE_WARN : STYLE_VALUE, value);
    canvas_string(canvas, x, rect.y, rect.x + rect.w - x, outside ? STYLE_TEXT : STYLE_DIM, range);
    if (x + RANGE + 12 < rect.x + rect.w) {
        canvas_text(canvas, x + RANGE, rect.y, rect.x + rect.w - x - RANGE, STYLE_DIM,
                    feature->help);
        return 1;
    }
    canvas_text(canvas, rect.x + 4, rect.y + 1, rect.w - 4, STYLE_DIM, feature->help);
    return 2;
}

/* What lies outside of the usual comes first, as it is what explains. */
static int draw_figures(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct alert_view       *view = context;
    const struct msg_risk_account *risk = view->risk.record.body;
    const struct msg_whatif       *whatif = view->whatif.record.body;
    int                            y = rect.y;
    if (whatif != NULL) {
        canvas_string(canvas, rect.x, y++, rect.w, STYLE_DIM, "When it was judged:");
        y += draw_baseline(alert_of(view), whatif, canvas,
                           (struct rect){ rect.x, y, rect.w, rect.h });
        y++;
    }
    if (risk != NULL)
        canvas_string(canvas, rect.x, y++, rect.w, STYLE_DIM,
                      "The account now, with all since; at the right its usual:");
    if (risk == NULL)
        return y - rect.y + draw_absent(&view->risk, canvas, (struct rect){ rect.x, y, rect.w, 3 });
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < risk->features.count; i++) {
            const struct msg_feature *feature = &risk->features.at[i];
            bool                      has =
                MSG_HAS(feature, feature, normal_low) && MSG_HAS(feature, feature, normal_high);
            bool outside = has && (feature->value < feature->normal_low ||
                                   feature->value > feature->normal_high);
            if (outside == (pass == 0))
                y += draw_figure(canvas, (struct rect){ rect.x, y, rect.w, 1 }, feature,
                                 risk->currency);
        }
    }
    return y - rect.y;
}

/* --- similar alerts -------------------------------------------------------------------------- */

/* When, how much, how it ended; what both have in common in a second line. */
static int draw_like(struct canvas *canvas, struct rect rect, const struct msg_similar_alert *like)
{
    char        day[32];
    char        sum[64];
    char        share[32];
    char        words[SHOW_WORDS_MAX];
    char        text[FACT_MAX];
    bool        decided = MSG_HAS(like, similar_alert, decision);
    bool        fraud = decided && like->decision == DECISION_CONFIRMED_FRAUD;
    const char *sign = fraud ? "! " : "";
    show_sum(like->amount, like->currency, sum, sizeof sum);
    snprintf(text, sizeof text, "%s  %4d  %18s  %s%s", show_day(like->created_at, day, sizeof day),
             (int)like->score, sum, sign,
             decided ? show_choice(&enum_alert_decision, like->decision, words) : "undecided");
    canvas_string(canvas, rect.x, rect.y, rect.w, fraud ? STYLE_BAD : STYLE_TEXT, text);
    snprintf(text, sizeof text, "%s alike, %.*s: %.*s",
             show_percent(like->similarity_bp, share, sizeof share),
             like->same_account ? 12 : (int)like->account_name.n,
             like->same_account ? "this account" : like->account_name.at, (int)like->shared.n,
             like->shared.at);
    return 1 + canvas_paragraph(canvas,
                                (struct rect){ rect.x + 12, rect.y + 1, rect.w - 12, LIKE_LINES },
                                STYLE_DIM, slice_from(text));
}

/* How they ended, as numbers and one bar of shares. */
static int draw_endings(struct canvas *canvas, struct rect rect,
                        const struct msg_similar_page *page)
{
    char share[32];
    int  y = rect.y;
    canvas_print(canvas, rect.x, y++, rect.w, STYLE_TEXT, "%lld like it among %lld earlier alerts",
                 (long long)page->similar, (long long)page->looked_at);
    if (page->similar == 0)
        return 1;
    canvas_print(canvas, rect.x, y++, rect.w, STYLE_TEXT,
                 "%lld fraud, %lld not, %lld inconclusive, %lld undecided",
                 (long long)page->confirmed, (long long)page->false_positive,
                 (long long)page->inconclusive, (long long)page->undecided);
    if (MSG_HAS(page, similar_page, confirmed_bp)) {
        canvas_print(canvas, rect.x, y, 12, STYLE_VALUE, "%s",
                     show_share(page->confirmed_bp, share, sizeof share));
        canvas_string(canvas, rect.x + 9, y, 10, STYLE_DIM, "fraud");
        bar_draw(canvas, rect.x + 15, y++, rect.w - 15 < AMOUNT_BAR ? rect.w - 15 : AMOUNT_BAR,
                 STYLE_CHART_BAD, page->confirmed_bp, 10000);
    }
    return y - rect.y;
}

static int draw_similar(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct alert_view       *view = context;
    const struct msg_similar_page *page = view->similar.record.body;
    int                            y = rect.y;
    if (page == NULL)
        return draw_absent(&view->similar, canvas, rect);
    y += draw_endings(canvas, rect, page);
    for (size_t i = 0; i < page->items.count; i++)
        y += draw_like(canvas, (struct rect){ rect.x, y, rect.w, LIKE_LINES }, &page->items.at[i]);
    return y - rect.y;
}

/* --- payments, notes, the record ------------------------------------------------------------- */

static int draw_graph(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct alert_view *view = context;
    if (view->graph.record.body == NULL)
        return draw_absent(&view->graph, canvas, rect);
    return graph_draw(view->graph.record.body, canvas, rect);
}

static int draw_hits(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct alert_view *view = context;
    const struct msg_alert  *alert = alert_of(view);
    int                      y = rect.y;
    for (size_t i = 0; i < alert->hits.count; i++, y++) {
        const struct msg_alert_hit *hit = &alert->hits.at[i];
        char                        minute[32];
        char                        sum[64];
        char                        words[SHOW_WORDS_MAX];
        bool                        decided = MSG_HAS(hit, alert_hit, decision);
        show_sum(hit->amount, hit->currency, sum, sizeof sum);
        canvas_print(canvas, rect.x, y, rect.w, style_of_status(hit->status),
                     "%s  %4d  %18s  %-9s  %s", show_minute(hit->timestamp, minute, sizeof minute),
                     (int)hit->score, sum, enum_text(&enum_transaction_status, hit->status),
                     decided ? show_choice(&enum_alert_decision, hit->decision, words)
                             : enum_text(&enum_transaction_type, hit->type));
    }
    return y - rect.y;
}

static int draw_notes(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct alert_view    *view = context;
    const struct msg_note_page *page = view->notes.record.body;
    int                         y = rect.y;
    if (page == NULL)
        return draw_absent(&view->notes, canvas, rect);
    for (size_t i = 0; i < page->items.count; i++) {
        const struct msg_note *note = &page->items.at[i];
        char                   minute[32];
        canvas_print(canvas, rect.x, y++, rect.w, STYLE_LABEL, "%s  %.*s, %.*s",
                     show_minute(note->at, minute, sizeof minute), (int)note->author.n,
                     note->author.at, (int)note->act.n, note->act.at);
        y += canvas_paragraph(canvas, (struct rect){ rect.x + 2, y, rect.w - 2, NOTE_LINES },
                              STYLE_TEXT, note->text);
    }
    if (y == rect.y)
        canvas_string(canvas, rect.x, y++, rect.w, STYLE_DIM, "Nobody has written a note.");
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

/* The argument is the alert's id, or "next" for the one to work on next. */
static void view_open(struct screen *screen, const char *argument)
{
    struct alert_view *view = view_of(screen);
    struct panels     *panels = &view->panels;
    panels_add(panels, "Reasons", 0, 0, draw_reasons);
    panels_add(panels, "What if", 0, 0, draw_whatif);
    panels_add(panels, "Customer", 1, 1, draw_figures);
    panels_add(panels, "Similar", 1, 2, draw_similar);
    panels_add(panels, "Related", 1, 2, draw_graph);
    view->notes_panel = panels_add(panels, "Notes", 1, 2, draw_notes);
    view->hits_panel = panels_add(panels, "Payments", 0, 0, draw_hits);
    panels_add(panels, "Record", 0, 0, draw_record);
    if (strcmp(argument, "next") == 0)
        ask_next(view);
    else if (uuid_parse(argument, strlen(argument), &view->id) == ERR_none)
        ask_alert(view);
}

static void view_close(struct screen *screen)
{
    struct alert_view *view = view_of(screen);
    struct fetch      *rest[REST_COUNT];
    rest_of(view, rest);
    for (int i = 0; i < REST_COUNT; i++)
        fetch_free(rest[i]);
    fetch_free(&view->alert);
    fetch_free(&view->next);
}

static void view_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct alert_view *view = view_of(screen);
    struct rect        in = { rect.x + 2, rect.y + 1, rect.w - 3, head_lines(alert_of(view)) };
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
    view->hits_panel->count = (int)alert_of(view)->hit_count;
    view->notes_panel->count = (int)alert_of(view)->notes;
    int used = head_lines(alert_of(view)) + 1;
    panels_draw(&view->panels, view, canvas,
                (struct rect){ rect.x, rect.y + used, rect.w, rect.h - used });
}

/* What is done to the payment or the account, which are on the screen too. */
static bool act_beside(struct alert_view *view, enum action action)
{
    struct app             *app = view->screen.app;
    const struct msg_alert *alert = alert_of(view);
    if (action == ACTION_release || action == ACTION_reject)
        return transaction_act(app, view->transaction.record.body, action);
    if (action == ACTION_freeze)
        return account_act(app, view->account.record.body, action);
    if (action == ACTION_suppress && alert != NULL) {
        suppress_rule(app, &alert->account_id, alert->account_name,
                      alert->reasons.count > 0 ? alert->reasons.at[0].rule : slice_of("", 0));
        return true;
    }
    return false;
}

static bool view_act(struct screen *screen, enum action action, const char *argument)
{
    struct alert_view *view = view_of(screen);
    (void)argument;
    if (action == ACTION_next) {
        ask_next(view);
        return true;
    }
    if (panels_act(&view->panels, action) || act_beside(view, action))
        return true;
    return action != ACTION_open && alert_act(screen->app, alert_of(view), action);
}

static bool view_can(const struct screen *screen, enum action action)
{
    const struct alert_view *view = view_of_const(screen);
    if (action == ACTION_release || action == ACTION_reject)
        return transaction_can(view->transaction.record.body, action);
    if (action == ACTION_freeze)
        return account_can(view->account.record.body, action);
    return alert_can(screen->app, alert_of(view), action);
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
    .places = IN_ANY | IN_TEXT | IN_DETAIL | IN_PANELS | IN_ALERT | IN_ALERT_FULL,
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
