/* The three dashboards, one a role. Each asks for its summary, its trend and its lists, draws what
 * is there, keeps it while the connection is away, and asks anew when the ledger grew (at most
 * once a second) or an alert was raised (at once). Wide windows get more columns, not more air. */
#include "bankterm/app.h"
#include "bankterm/screens/period.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/screens/subject.h"
#include "bankterm/widgets/chart.h"
#include "bankterm/widgets/list.h"

#include <stdio.h>
#include <string.h>

enum {
    WIDE = 150,
    NEWEST_ROWS = 60,
    TOP_ROWS = LIMIT_TOP_ROWS_MAX,
    CHART_ROWS = 11, /* a chart gets at least so many before there is a second one */
    QUIET_US = 30000000,
};

struct dash {
    struct screen screen;
    struct period period;
    struct fetch  summary;
    struct fetch  trend;
    struct list   list;   /* alerts, top transactions or monitors */
    struct list   second; /* the newest audit entries */
    bool          on_second;
    int           metric;
    struct chart  chart;
};

static struct dash *dash_of(struct screen *screen)
{
    return (struct dash *)screen;
}

static const struct dash *dash_of_const(const struct screen *screen)
{
    return (const struct dash *)screen;
}

static bool has_second(const struct dash *dash)
{
    return dash->screen.ops == &screen_compliance;
}

static void ask_period(struct dash *dash, struct fetch *fetch, enum op_index op)
{
    _Alignas(16) char body[256] = { 0 };
    period_ask(&dash->period, op_rows[op].request, body);
    fetch_ask(&dash->screen, fetch, op, body);
}

static void ask_trend(struct dash *dash, enum op_index op)
{
    struct msg_trend_query query = { 0 };
    period_ask(&dash->period, op_rows[op].request, &query);
    if (dash->period.days >= 365)
        MSG_SET(&query, trend_query, step, STEP_MONTH);
    fetch_ask(&dash->screen, &dash->trend, op, &query);
}

static void query_alerts(const struct screen *screen, void *body)
{
    struct msg_alert_query *query = body;
    (void)screen;
    MSG_SET(query, alert_query, snoozed, false);
    MSG_SET(query, alert_query, order, ALERT_ORDER_LOSS);
}

static void query_top(const struct screen *screen, void *body)
{
    period_ask(&dash_of_const(screen)->period, &message_top_query, body);
}

static void query_monitors(const struct screen *screen, void *body)
{
    period_ask(&dash_of_const(screen)->period, &message_period_query, body);
}

static void query_audit(const struct screen *screen, void *body)
{
    (void)screen;
    (void)body;
}

static void dash_refresh(struct screen *screen)
{
    struct dash *dash = dash_of(screen);
    if (screen->ops == &screen_fraud) {
        ask_period(dash, &dash->summary, OP_INDEX_risk_summary);
        ask_trend(dash, OP_INDEX_risk_trend);
    } else if (screen->ops == &screen_finance) {
        ask_period(dash, &dash->summary, OP_INDEX_kpi_summary);
        ask_trend(dash, OP_INDEX_kpi_trend);
    } else {
        ask_period(dash, &dash->summary, OP_INDEX_compliance_summary);
        list_refresh(screen, &dash->second);
    }
    list_refresh(screen, &dash->list);
}

static void fraud_open(struct screen *screen, const char *argument)
{
    struct dash *dash = dash_of(screen);
    (void)argument;
    period_init(&dash->period);
    list_init(&dash->list, OP_INDEX_alert_list, rows_alert, rows_alert_count, query_alerts);
    dash->list.table.context = screen->app;
    dash_refresh(screen);
}

static void finance_open(struct screen *screen, const char *argument)
{
    struct dash *dash = dash_of(screen);
    (void)argument;
    period_init(&dash->period);
    list_init(&dash->list, OP_INDEX_top_transactions, rows_transaction, rows_transaction_count,
              query_top);
    dash->list.limit = TOP_ROWS;
    dash_refresh(screen);
}

static void compliance_open(struct screen *screen, const char *argument)
{
    struct dash *dash = dash_of(screen);
    (void)argument;
    period_init(&dash->period);
    list_init(&dash->list, OP_INDEX_monitor_list, rows_monitor, rows_monitor_count, query_monitors);
    list_init(&dash->second, OP_INDEX_audit_list, rows_audit, rows_audit_count, query_audit);
    dash->second.limit = NEWEST_ROWS;
    dash->list.table.context = dash->period.shown;
    dash_refresh(screen);
}

static void dash_close(struct screen *screen)
{
    struct dash *dash = dash_of(screen);
    fetch_free(&dash->summary);
    fetch_free(&dash->trend);
    list_free(&dash->list);
    if (has_second(dash))
        list_free(&dash->second);
}

static void dash_result(struct screen *screen, const struct net_result *result)
{
    struct dash *dash = dash_of(screen);
    if (list_take(screen, &dash->list, result))
        return;
    if (has_second(dash) && list_take(screen, &dash->second, result))
        return;
    if (fetch_take(&dash->summary, result)) {
        if (!dash->summary.failed)
            period_learn(&dash->period, dash->summary.record.desc, dash->summary.record.body);
        if (fetch_again(&dash->summary))
            ask_period(dash, &dash->summary, dash->summary.op);
    } else if (fetch_take(&dash->trend, result) && fetch_again(&dash->trend)) {
        ask_trend(dash, dash->trend.op);
    }
}

static void dash_event(struct screen *screen, const struct net_result *result)
{
    if (result->kind == NET_EVENT && result->event != EVENT_INDEX_session)
        dash_refresh(screen);
}

/* Events may be missed while the connection is down; a slow look of its own makes up for it. */
static void dash_tick(struct screen *screen)
{
    struct dash *dash = dash_of(screen);
    int64_t      age = app_monotonic_us(screen->app) - dash->summary.asked_us;
    if (app_live(screen->app) && age > QUIET_US && dash->summary.ticket == 0)
        dash_refresh(screen);
}

static struct list *focused_list(struct dash *dash)
{
    return has_second(dash) && dash->on_second ? &dash->second : &dash->list;
}

static struct table *dash_table(struct screen *screen)
{
    return &focused_list(dash_of(screen))->table;
}

static void open_row(struct dash *dash)
{
    const void *row = table_selected(&focused_list(dash)->table);
    if (row == NULL)
        return;
    if (focused_list(dash) == &dash->second) {
        app_push(dash->screen.app, &screen_entry, "");
    } else {
        const struct msg_monitor *monitor = row;
        app_notice(dash->screen.app, STYLE_NOTICE, "%.*s: %.*s", (int)monitor->title.n,
                   monitor->title.at, (int)monitor->help.n, monitor->help.at);
    }
}

static bool dash_act(struct screen *screen, enum action action, const char *argument)
{
    struct dash *dash = dash_of(screen);
    const void  *row = table_selected(&focused_list(dash)->table);
    if (screen->ops == &screen_fraud)
        screen->app->alerts_new = 0; /* the queue is before the user's eyes */
    if (action == ACTION_metric) {
        dash->metric++;
        return true;
    }
    if (period_act(&dash->period, action, argument)) {
        if (screen->ops == &screen_finance)
            table_restart(&dash->list.table);
        dash_refresh(screen);
        return true;
    }
    if (action == ACTION_next_panel && has_second(dash)) {
        dash->on_second = !dash->on_second;
        return true;
    }
    if (screen->ops == &screen_fraud && alert_act(screen->app, row, action))
        return true;
    if (screen->ops == &screen_finance && transaction_act(screen->app, row, action))
        return true;
    if (action == ACTION_open && has_second(dash)) {
        open_row(dash);
        return true;
    }
    return list_act(screen, focused_list(dash), action, argument);
}

static bool dash_can(const struct screen *screen, enum action action)
{
    const struct dash *dash = dash_of_const(screen);
    const void        *row = table_selected(&dash->list.table);
    if (screen->ops == &screen_fraud)
        return alert_can(screen->app, row, action);
    return screen->ops != &screen_finance || transaction_can(row, action);
}

static bool dash_click(struct screen *screen, int x, int y)
{
    return table_click(dash_table(screen), x, y);
}

/* --- parts that all draw -------------------------------------------------------------------- */

static void draw_title(const struct dash *dash, struct canvas *canvas, struct rect rect)
{
    char right[96];
    char title[96];
    period_text(&dash->period, right, sizeof right);
    if (dash->summary.failed && dash->summary.record.body != NULL) {
        size_t n = strlen(right);
        snprintf(right + n, sizeof right - n, ", ! not refreshed");
    }
    snprintf(title, sizeof title, "%s, %d days", dash->screen.ops->title, dash->period.days);
    canvas_rule(canvas, rect.x, rect.y, rect.w, title, right);
    if (dash->summary.record.body == NULL && dash->summary.failed)
        canvas_paragraph(canvas, (struct rect){ rect.x + 2, rect.y + 1, rect.w - 4, 3 }, STYLE_BAD,
                         slice_from(dash->summary.error));
}

static void set_count(struct tile *tile, const char *title, int64_t count, const char *note)
{
    tile->title = title;
    tile->style = STYLE_VALUE;
    show_count(count, tile->value, sizeof tile->value);
    show_short_count(count, tile->brief, sizeof tile->brief);
    snprintf(tile->note, sizeof tile->note, "%s", note);
}

static void set_sum(struct tile *tile, const char *title, int64_t minor, struct slice currency,
                    const char *note)
{
    uint8_t exponent = currency_exponent(currency);
    tile->title = title;
    tile->style = STYLE_VALUE;
    show_money(minor, exponent, tile->value, sizeof tile->value);
    show_short_money(minor, exponent, tile->brief, sizeof tile->brief);
    snprintf(tile->note, sizeof tile->note, "%s", note);
}

static void label_count(int64_t value, const void *context, char *out, size_t size)
{
    (void)context;
    show_short_count(value, out, size);
}

static void label_sum(int64_t value, const void *context, char *out, size_t size)
{
    const struct slice *currency = context;
    show_short_money(value, currency_exponent(*currency), out, size);
}

/* Which figure of a trend's points the chart shows. */
struct metric {
    const char *title;
    size_t      offset; /* of an int64_t in msg_trend_point */
    bool        money;
};

static const struct metric finance_metrics[] = {
    { "Volume", offsetof(struct msg_trend_point, volume), true },
    { "Transactions", offsetof(struct msg_trend_point, count), false },
    { "Deposits", offsetof(struct msg_trend_point, deposits), true },
    { "Withdrawals", offsetof(struct msg_trend_point, withdrawals), true },
    { "Transfers", offsetof(struct msg_trend_point, transfers), true },
    { "Net flow", offsetof(struct msg_trend_point, net_flow), true },
};

static const struct metric fraud_metrics[] = {
    { "Alerts", offsetof(struct msg_trend_point, alerts), false },
    { "Flagged transactions", offsetof(struct msg_trend_point, flagged), false },
};

static void draw_one_trend(struct dash *dash, struct canvas *canvas, struct rect rect, int which)
{
    bool                 fraud = dash->screen.ops == &screen_fraud;
    size_t               count = fraud ? sizeof fraud_metrics / sizeof *fraud_metrics
                                       : sizeof finance_metrics / sizeof *finance_metrics;
    const struct metric *metric =
        (fraud ? fraud_metrics : finance_metrics) + (size_t)(dash->metric + which) % count;
    const struct msg_trend *trend = FETCHED(&dash->trend, trend);
    struct chart           *chart = &dash->chart;
    char                    title[64];
    char                    key[KEY_NAME_MAX];
    char                    hint[KEY_NAME_MAX + 20];
    const char             *step = dash->period.days >= 365 ? "month" : "day";

    snprintf(title, sizeof title, "%s per %s", metric->title, step);
    snprintf(hint, sizeof hint, "%s%s", action_key(ACTION_metric, key),
             rect.w > 50 ? ": another figure" : "");
    canvas_rule(canvas, rect.x, rect.y, rect.w, title, which > 0 ? "" : hint);
    if (trend == NULL || trend->points.count == 0) {
        canvas_string(
            canvas, rect.x + 2, rect.y + 1, rect.w - 4, dash->trend.failed ? STYLE_BAD : STYLE_DIM,
            dash->trend.failed ? dash->trend.error : (trend == NULL ? "Loading ..." : "No data."));
        return;
    }
    chart->count = trend->points.count < CHART_POINTS_MAX ? trend->points.count : CHART_POINTS_MAX;
    for (size_t i = 0; i < chart->count; i++)
        memcpy(&chart->values[i], (const char *)&trend->points.at[i] + metric->offset,
               sizeof chart->values[i]);
    chart->style = fraud ? STYLE_CHART_WARN : STYLE_CHART;
    chart->mark_style = STYLE_CHART_BAD;
    chart->label = metric->money ? label_sum : label_count;
    chart->context = &trend->currency;
    show_day(trend->points.at[0].at, chart->first, sizeof chart->first);
    show_day(trend->points.at[chart->count - 1].at, chart->last, sizeof chart->last);
    chart_draw(chart, canvas, (struct rect){ rect.x + 1, rect.y + 1, rect.w - 2, rect.h - 1 });
}

/* One figure, or several below each other where there is room. */
static void draw_trend(struct dash *dash, struct canvas *canvas, struct rect rect)
{
    int most = dash->screen.ops == &screen_fraud ? 2 : 4;
    int count = rect.h / CHART_ROWS;
    if (count < 1)
        count = 1;
    if (count > most)
        count = most;
    for (int i = 0; i < count; i++) {
        int top = rect.h * i / count;
        int bottom = rect.h * (i + 1) / count;
        draw_one_trend(dash, canvas, (struct rect){ rect.x, rect.y + top, rect.w, bottom - top },
                       i);
    }
}

/* --- fraud --------------------------------------------------------------------------------- */

static int fraud_tiles(const struct dash *dash, struct canvas *canvas, struct rect rect,
                       int width_min)
{
    const struct msg_risk_summary *risk = FETCHED(&dash->summary, risk_summary);
    struct tile                    tiles[6] = { 0 };
    char                           note[48];
    if (risk == NULL)
        return tiles_height(6, rect.w, width_min);
    set_count(&tiles[0], "Flagged", risk->flagged_total, "in total");
    set_count(&tiles[1], "Flagged 24h", risk->flagged_24h, "newest day");
    set_count(&tiles[2], "Open alerts", risk->alerts_open, "to decide");
    set_count(&tiles[3], "Held", risk->held_count, "");
    show_short_money(risk->held_amount, currency_exponent(risk->currency), note, sizeof note);
    snprintf(tiles[3].note, sizeof tiles[3].note, "%.24s %.*s", note, (int)risk->currency.n,
             risk->currency.at);
    set_count(&tiles[4], "High value", risk->high_value, "");
    show_short_money(risk->high_value_threshold, currency_exponent(risk->currency), note,
                     sizeof note);
    snprintf(tiles[4].note, sizeof tiles[4].note, "from %.24s", note);
    set_count(&tiles[5], "Frozen", risk->frozen_accounts, "accounts");
    if (risk->alerts_open > 0)
        tiles[2].style = STYLE_WARN;
    if (risk->held_count > 0)
        tiles[3].style = STYLE_WARN;
    return tiles_draw(tiles, 6, canvas, rect, width_min);
}

static enum style band_style(size_t band)
{
    static const enum style styles[] = { STYLE_CHART, STYLE_CHART, STYLE_CHART_WARN,
                                         STYLE_CHART_WARN, STYLE_CHART_BAD };
    return styles[band < 5 ? band : 4];
}

static void draw_bands(const struct dash *dash, struct canvas *canvas, struct rect rect)
{
    const struct msg_risk_summary *risk = FETCHED(&dash->summary, risk_summary);
    int64_t                        most = 0;
    canvas_rule(canvas, rect.x, rect.y, rect.w, "Risk distribution",
                rect.w > 50 ? "transactions by score" : "");
    if (risk == NULL)
        return;
    for (size_t i = 0; i < risk->bands.count; i++) {
        if (risk->bands.at[i].count > most)
            most = risk->bands.at[i].count;
    }
    for (size_t i = 0; i < risk->bands.count && (int)i + 1 < rect.h; i++) {
        const struct msg_risk_band *band = &risk->bands.at[i];
        int                         y = rect.y + 1 + (int)i;
        char                        count[32];
        show_count(band->count, count, sizeof count);
        int name = canvas_text(canvas, rect.x + 1, y, 9, STYLE_LABEL, band->name);
        (void)name;
        if (rect.w > 50)
            canvas_print(canvas, rect.x + 11, y, 9, STYLE_DIM, "%4d-%d", (int)band->score_from,
                         (int)band->score_to);
        int at = rect.w > 50 ? 21 : 10;
        bar_draw(canvas, rect.x + at, y, rect.w - at - 12, band_style(i), band->count, most);
        canvas_right(canvas, rect.x + rect.w - 11, y, 10, STYLE_TEXT, count);
    }
}

/* Why the selected alert was raised, where there is room beside the queue. */
static void draw_why(const struct dash *dash, struct canvas *canvas, struct rect rect)
{
    const struct msg_alert *alert = table_selected(&dash->list.table);
    canvas_rule(canvas, rect.x, rect.y, rect.w, "Why the selected alert was raised", "");
    if (alert == NULL)
        return;
    reasons_draw(canvas, (struct rect){ rect.x + 2, rect.y + 1, rect.w - 4, rect.h - 1 },
                 alert->reasons.at, alert->reasons.count, alert->score, NULL);
}

static void fraud_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct dash *dash = dash_of(screen);
    struct rect  left = { rect.x, rect.y + 1, rect.w, rect.h - 1 };
    struct rect  queue = left;
    draw_title(dash, canvas, rect);
    if (rect.w >= WIDE) {
        left.w = rect.w * 2 / 5;
        int used = fraud_tiles(dash, canvas, left, left.w / 3);
        draw_bands(dash, canvas, (struct rect){ left.x, left.y + used, left.w, 7 });
        draw_trend(dash, canvas,
                   (struct rect){ left.x, left.y + used + 7, left.w, left.h - used - 7 });
        int why = rect.h >= 24 ? 9 : 0;
        queue = (struct rect){ left.x + left.w + 2, left.y, rect.w - left.w - 2, left.h - why };
        if (why > 0)
            draw_why(dash, canvas, (struct rect){ queue.x, queue.y + queue.h, queue.w, why });
    } else {
        int tall = rect.h >= 30;
        if (rect.h >= 12)
            queue.y += fraud_tiles(dash, canvas, left, 13);
        if (rect.h >= 19) {
            int h = tall ? 9 : 6;
            int w = rect.w / 2;
            draw_bands(dash, canvas, (struct rect){ rect.x, queue.y, w - 1, h });
            draw_trend(dash, canvas, (struct rect){ rect.x + w, queue.y, rect.w - w, h });
            queue.y += h;
        }
        queue.h = rect.y + rect.h - queue.y;
    }
    list_draw(&dash->list, canvas, queue, "Open alerts", true);
}

/* --- finance ------------------------------------------------------------------------------- */

static int finance_tiles(const struct dash *dash, struct canvas *canvas, struct rect rect,
                         int width_min)
{
    const struct msg_kpi *kpi = FETCHED(&dash->summary, kpi);
    struct tile           tiles[8] = { 0 };
    char                  note[48];
    if (kpi == NULL)
        return tiles_height(8, rect.w, width_min);
    snprintf(note, sizeof note, "%d held %d declined", (int)kpi->held_count,
             (int)kpi->declined_count);
    set_count(&tiles[0], "Transactions", kpi->transactions, note);
    show_short_money(kpi->average_amount, currency_exponent(kpi->currency), note, sizeof note);
    set_sum(&tiles[1], "Volume", kpi->volume, kpi->currency, "");
    snprintf(tiles[1].note, sizeof tiles[1].note, "mean %.24s", note);
    set_sum(&tiles[2], "Deposits", kpi->deposits, kpi->currency, "");
    set_sum(&tiles[3], "Withdrawals", kpi->withdrawals, kpi->currency, "");
    set_sum(&tiles[4], "Transfers", kpi->transfers, kpi->currency, "");
    set_sum(&tiles[5], "Net flow", kpi->net_flow, kpi->currency,
            kpi->net_flow < 0 ? "out of accounts" : "into accounts");
    if (kpi->net_flow < 0)
        tiles[5].style = STYLE_WARN;
    set_count(&tiles[6], "Active accounts", kpi->active_accounts, "");
    show_count(kpi->accounts, note, sizeof note);
    snprintf(tiles[6].note, sizeof tiles[6].note, "of %.24s", note);
    set_sum(&tiles[7], "Average balance", kpi->average_balance, kpi->currency, "active accounts");
    show_count(kpi->deposits_count, tiles[2].note, sizeof tiles[2].note);
    show_count(kpi->withdrawals_count, tiles[3].note, sizeof tiles[3].note);
    show_count(kpi->transfers_count, tiles[4].note, sizeof tiles[4].note);
    return tiles_draw(tiles, 8, canvas, rect, width_min);
}

static void finance_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct dash *dash = dash_of(screen);
    struct rect  rest = { rect.x, rect.y + 1, rect.w, rect.h - 1 };
    draw_title(dash, canvas, rect);
    if (rect.h >= 14) {
        int used = finance_tiles(dash, canvas, rest, 19);
        rest.y += used;
        rest.h -= used;
    }
    struct rect chart = rest;
    if (rect.w >= WIDE) {
        chart.w = rect.w * 2 / 5;
        rest = (struct rect){ chart.x + chart.w + 2, rest.y, rect.w - chart.w - 2, rest.h };
        draw_trend(dash, canvas, chart);
    } else if (rest.h >= 12) {
        chart.h = rest.h / 2;
        rest.y += chart.h;
        rest.h -= chart.h;
        draw_trend(dash, canvas, chart);
    }
    list_draw(&dash->list, canvas, rest, "Largest transactions", true);
}

/* --- compliance ---------------------------------------------------------------------------- */

static int compliance_tiles(const struct dash *dash, struct canvas *canvas, struct rect rect)
{
    const struct msg_compliance *sum = FETCHED(&dash->summary, compliance);
    struct tile                  tiles[5] = { 0 };
    char                         note[48];
    if (sum == NULL)
        return tiles_height(5, rect.w, 15);
    set_count(&tiles[0], "Large", sum->large_transactions, "");
    show_short_money(sum->large_threshold, currency_exponent(sum->currency), note, sizeof note);
    snprintf(tiles[0].note, sizeof tiles[0].note, "from %.24s", note);
    tiles[1] = (struct tile){ .title = "Suspicious", .style = STYLE_VALUE };
    show_share(sum->suspicious_share, tiles[1].value, sizeof tiles[1].value);
    show_short_count(sum->transactions, note, sizeof note);
    snprintf(tiles[1].note, sizeof tiles[1].note, "of %.24s", note);
    tiles[2] = (struct tile){ .title = "Verified", .style = STYLE_VALUE, .note = "customers" };
    show_share(sum->verification_rate, tiles[2].value, sizeof tiles[2].value);
    tiles[3] = (struct tile){ .title = "Frozen", .style = STYLE_VALUE, .note = "accounts" };
    show_share(sum->frozen_share, tiles[3].value, sizeof tiles[3].value);
    set_count(&tiles[4], "Open alerts", sum->alerts_open, "undecided");
    if (sum->alerts_open > 0)
        tiles[4].style = STYLE_WARN;
    return tiles_draw(tiles, 5, canvas, rect, 15);
}

static void draw_score(const struct dash *dash, struct canvas *canvas, struct rect rect)
{
    const struct msg_compliance *sum = FETCHED(&dash->summary, compliance);
    canvas_rule(canvas, rect.x, rect.y, rect.w, "Compliance score", "");
    if (sum == NULL)
        return;
    enum style style = sum->score >= 80 ? STYLE_GOOD : sum->score >= 60 ? STYLE_WARN : STYLE_BAD;
    canvas_print(canvas, rect.x + 1, rect.y + 1, 17, style, "%3d of 100", (int)sum->score);
    bar_draw(canvas, rect.x + 19, rect.y + 1, rect.w - 21,
             sum->score >= 80   ? STYLE_CHART
             : sum->score >= 60 ? STYLE_CHART_WARN
                                : STYLE_CHART_BAD,
             sum->score, 100);
    for (size_t i = 0; i < sum->parts.count && (int)i + 2 < rect.h; i++) {
        const struct msg_score_part *part = &sum->parts.at[i];
        int                          y = rect.y + 2 + (int)i;
        char                         name[32];
        char                         words[SHOW_WORDS_MAX];
        char                         points[32];
        slice_copy(part->name, name, sizeof name);
        snprintf(points, sizeof points, "%d/%d", (int)part->points, (int)part->points_max);
        canvas_string(canvas, rect.x + 1, y, 17, STYLE_LABEL, show_words(name, words));
        bar_draw(canvas, rect.x + 19, y, rect.w - 29, STYLE_CHART, part->points, part->points_max);
        canvas_right(canvas, rect.x + rect.w - 9, y, 7, STYLE_TEXT, points);
    }
}

static void compliance_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct dash *dash = dash_of(screen);
    struct rect  rest = { rect.x, rect.y + 1, rect.w, rect.h - 1 };
    draw_title(dash, canvas, rect);
    if (rect.h >= 14) {
        int used = compliance_tiles(dash, canvas, rest);
        rest.y += used;
        rest.h -= used;
    }
    struct rect audit = rest;
    if (rect.h >= 19 && rect.w >= WIDE) {
        int         w = rect.w * 2 / 5;
        struct rect monitors = { rest.x, rest.y + 9, w, rest.h - 9 };
        draw_score(dash, canvas, (struct rect){ rest.x, rest.y, w, 8 });
        list_draw(&dash->list, canvas, monitors, "Thresholds", !dash->on_second);
        audit = (struct rect){ rest.x + w + 2, rest.y, rect.w - w - 2, rest.h };
    } else {
        int         h = rect.h < 19 ? 0 : rest.h / 2 < 11 ? rest.h / 2 : 11;
        int         w = rect.w * 9 / 20;
        struct rect monitors = { rest.x + w + 1, rest.y, rest.w - w - 1, h };
        if (h > 0) {
            draw_score(dash, canvas, (struct rect){ rest.x, rest.y, w, h });
            list_draw(&dash->list, canvas, monitors, "Thresholds", !dash->on_second);
            audit.y += h;
            audit.h -= h;
        }
    }
    list_draw(&dash->second, canvas, audit, "Newest audit entries", dash->on_second);
}

const struct screen_ops screen_fraud = {
    .name = "dashboard",
    .title = "Fraud",
    .size = sizeof(struct dash),
    .places = IN_ANY | IN_TABLE | IN_PERIOD | IN_ALERT,
    .open = fraud_open,
    .close = dash_close,
    .shown = dash_refresh,
    .refresh = dash_refresh,
    .result = dash_result,
    .event = dash_event,
    .tick = dash_tick,
    .act = dash_act,
    .can = dash_can,
    .click = dash_click,
    .draw = fraud_draw,
    .table = dash_table,
};

const struct screen_ops screen_finance = {
    .name = "dashboard",
    .title = "Finance",
    .size = sizeof(struct dash),
    .places = IN_ANY | IN_TABLE | IN_PERIOD | IN_TRANSACTION,
    .open = finance_open,
    .close = dash_close,
    .shown = dash_refresh,
    .refresh = dash_refresh,
    .result = dash_result,
    .event = dash_event,
    .tick = dash_tick,
    .act = dash_act,
    .can = dash_can,
    .click = dash_click,
    .draw = finance_draw,
    .table = dash_table,
};

const struct screen_ops screen_compliance = {
    .name = "dashboard",
    .title = "Compliance",
    .size = sizeof(struct dash),
    .places = IN_ANY | IN_TABLE | IN_PERIOD | IN_PANELS,
    .open = compliance_open,
    .close = dash_close,
    .shown = dash_refresh,
    .refresh = dash_refresh,
    .result = dash_result,
    .event = dash_event,
    .tick = dash_tick,
    .act = dash_act,
    .can = dash_can,
    .click = dash_click,
    .draw = compliance_draw,
    .table = dash_table,
};
