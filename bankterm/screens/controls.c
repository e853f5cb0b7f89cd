/* The controls of the fraud engine and what they do now: the thresholds in force and those of the
 * rules, what the alert budget gives up, the rules that the safety valve has stepped down. */
#include "bankterm/app.h"
#include "bankterm/screens/act.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/widgets/chart.h"
#include "bankterm/widgets/panels.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 200, SCORE_MAX = 1000, BAND_LABEL = 12, BAND_BAR = 20, MONEY_LINES = 4 };

struct controls {
    struct screen screen;
    struct fetch  fetch;
    struct panels panels;
};

static struct controls *controls_of(struct screen *screen)
{
    return (struct controls *)screen;
}

static const struct msg_controls *answer_of(const struct controls *controls)
{
    return controls->fetch.record.body;
}

static void controls_ask(struct screen *screen)
{
    struct msg_empty nothing = { 0 };
    fetch_ask(screen, &controls_of(screen)->fetch, OP_INDEX_controls_get, &nothing);
}

/* --- the panels ------------------------------------------------------------------------------ */

/* "12.3" of tenths. */
static const char *tenths(int64_t x10, char *out, size_t size)
{
    snprintf(out, size, "%" PRId64 ".%" PRId64, x10 / 10, x10 % 10);
    return out;
}

static const char *threshold(int64_t points, char *out, size_t size)
{
    if (points > SCORE_MAX)
        snprintf(out, size, "never");
    else
        snprintf(out, size, "%" PRId64, points);
    return out;
}

static int draw_settings(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct msg_controls *now = answer_of(context);
    char                       text[TEXT_MAX];
    char                       part[48];
    int                        y = rect.y;
    if (now->alert_budget_per_day > 0)
        snprintf(text, sizeof text, "%" PRId64 " alerts a day", now->alert_budget_per_day);
    else
        snprintf(text, sizeof text, "none: thresholds as the rules say");
    y = detail_line(canvas, rect, y, "Alert budget", STYLE_VALUE, slice_from(text));
    if (now->valve_share_bp > 0)
        snprintf(text, sizeof text, "above %s of at least %" PRId64 " payments in %" PRId64 " min",
                 show_share(now->valve_share_bp, part, sizeof part), now->valve_minimum,
                 now->valve_window);
    else
        snprintf(text, sizeof text, "off: no rule is stepped down");
    y = detail_line(canvas, rect, y, "Safety valve", STYLE_VALUE, slice_from(text));
    snprintf(text, sizeof text, "%" PRId64 " hours, then rejected", now->hold_hours);
    y = detail_line(canvas, rect, y, "Holds", STYLE_VALUE, slice_from(text));
    if (!MSG_HAS(now, controls, set_at)) {
        y = detail_line(canvas, rect, y, "Set", STYLE_DIM,
                        slice_from("by the options of the daemon"));
        return y - rect.y;
    }
    snprintf(text, sizeof text, "by %.*s on %s UTC", (int)now->set_by.n,
             now->set_by.at != NULL ? now->set_by.at : "",
             show_minute(now->set_at, part, sizeof part));
    y = detail_line(canvas, rect, y, "Set", STYLE_TEXT, slice_from(text));
    y = detail_line(canvas, rect, y, "Reason", STYLE_TEXT, now->reason);
    return y - rect.y;
}

static int draw_thresholds(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct msg_controls *now = answer_of(context);
    const struct {
        const char *name;
        int64_t     rules;
        int64_t     now;
    } rows[] = {
        { "alert", now->rules_alert, now->threshold_alert },
        { "hold", now->rules_hold, now->threshold_hold },
        { "decline", now->rules_decline, now->rules_decline },
    };
    int  y = rect.y;
    char minute[32];
    canvas_print(canvas, rect.x, y++, rect.w, STYLE_HEADER, "%-10s %10s %10s", "from score", "now",
                 "by rules");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char       here[24];
        char       rules[24];
        bool       moved = rows[i].rules != rows[i].now;
        enum style style = moved ? STYLE_WARN : STYLE_TEXT;
        canvas_print(canvas, rect.x, y++, rect.w, style, "%-10s %10s %10s%s", rows[i].name,
                     threshold(rows[i].now, here, sizeof here),
                     threshold(rows[i].rules, rules, sizeof rules), moved ? "  ! moved" : "");
    }
    if (MSG_HAS(now, controls, thresholds_moved_at))
        canvas_print(canvas, rect.x, y++, rect.w, STYLE_DIM, "moved by the budget on %s UTC",
                     show_minute(now->thresholds_moved_at, minute, sizeof minute));
    return y - rect.y;
}

/* The money behind what was given up, a line a currency. */
static int draw_given_up(const struct msg_controls *now, struct canvas *canvas, struct rect rect,
                         int y)
{
    char day[32];
    char amount[64];
    char loss[64];
    show_minute(now->given_up_since, day, sizeof day);
    if (now->given_up_money.count > 0)
        canvas_print(canvas, rect.x, y++, rect.w, STYLE_WARN, "! passed over since %.10s:", day);
    for (size_t i = 0; i < now->given_up_money.count && i < MONEY_LINES; i++) {
        const struct msg_given_up *row = &now->given_up_money.at[i];
        show_sum(row->amount, row->currency, amount, sizeof amount);
        show_sum(row->expected_loss, row->currency, loss, sizeof loss);
        canvas_print(canvas, rect.x + 2, y++, rect.w - 2, STYLE_WARN,
                     "%" PRId64 " payment%s, %s; loss %s", row->payments,
                     row->payments == 1 ? "" : "s", amount, loss);
    }
    if (now->given_up_money.count > MONEY_LINES)
        canvas_print(canvas, rect.x + 2, y++, rect.w - 2, STYLE_DIM, "and %zu more currencies",
                     now->given_up_money.count - MONEY_LINES);
    return y;
}

/* Alerts a day of each range of scores: what is seen, and what the rules would show. */
static int draw_budget(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct msg_controls *now = answer_of(context);
    int64_t                    most = 1;
    int                        y = rect.y;
    char                       a[24];
    char                       b[24];
    if (now->days == 0) {
        canvas_string(canvas, rect.x, y, rect.w, STYLE_DIM, "No payments were counted yet.");
        return 1;
    }
    y += canvas_paragraph(canvas, (struct rect){ rect.x, y, rect.w, 2 }, STYLE_TEXT,
                          slice_from(now->given_up_x10 > 0
                                         ? "Alerts a day that are given up to keep the budget:"
                                         : "Nothing is given up."));
    if (now->given_up_x10 > 0)
        canvas_print(
            canvas, rect.x, y++, rect.w, STYLE_WARN, "! %s of %s that the rules would raise",
            tenths(now->given_up_x10, a, sizeof a), tenths(now->by_rules_x10, b, sizeof b));
    y = draw_given_up(now, canvas, rect, y);
    canvas_print(canvas, rect.x, y++, rect.w, STYLE_DIM, "seen %s a day, mean of %" PRId64 " days",
                 tenths(now->now_x10, a, sizeof a), now->days);
    if (MSG_HAS(now, controls, counted_at))
        canvas_print(canvas, rect.x, y++, rect.w, STYLE_DIM, "counted until %s UTC",
                     show_minute(now->counted_at, a, sizeof a));
    for (size_t i = 0; i < now->bands.count; i++)
        most = now->bands.at[i].by_rules_x10 > most ? now->bands.at[i].by_rules_x10 : most;
    for (size_t i = 0; i < now->bands.count; i++, y++) {
        const struct msg_score_band *band = &now->bands.at[i];
        canvas_print(canvas, rect.x, y, BAND_LABEL, STYLE_LABEL, "%" PRId64 "-%" PRId64, band->from,
                     band->to - 1);
        bar_draw(canvas, rect.x + BAND_LABEL, y, BAND_BAR, STYLE_CHART, band->now_x10, most);
        canvas_print(canvas, rect.x + BAND_LABEL + BAND_BAR + 1, y, rect.w, STYLE_TEXT,
                     "%s seen, %s by rules", tenths(band->now_x10, a, sizeof a),
                     tenths(band->by_rules_x10, b, sizeof b));
    }
    return y - rect.y;
}

static int draw_stepped(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct msg_controls *now = answer_of(context);
    int                        y = rect.y;
    for (size_t i = 0; i < now->stepped.count; i++) {
        const struct msg_stepped_rule *rule = &now->stepped.at[i];
        char                           minute[32];
        canvas_print(canvas, rect.x, y++, rect.w, STYLE_WARN, "! %.*s", (int)rule->rule.n,
                     rule->rule.at);
        canvas_print(canvas, rect.x + 2, y++, rect.w - 2, STYLE_TEXT,
                     "since %s UTC: stopped %" PRId64 " of %" PRId64 " payments in %" PRId64 " min",
                     show_minute(rule->since, minute, sizeof minute), rule->stopped, rule->payments,
                     rule->window);
    }
    if (y == rect.y)
        canvas_string(canvas, rect.x, y++, rect.w, STYLE_GOOD, "No rule is stepped down.");
    return y - rect.y;
}

/* --- the screen ------------------------------------------------------------------------------ */

static void controls_open(struct screen *screen, const char *argument)
{
    struct panels *panels = &controls_of(screen)->panels;
    (void)argument;
    panels_add(panels, "Controls", 0, 0, draw_settings);
    panels_add(panels, "Thresholds", 0, 0, draw_thresholds);
    panels_add(panels, "Alert budget", 1, 1, draw_budget);
    panels_add(panels, "Stepped down", 1, 2, draw_stepped);
    controls_ask(screen);
}

static void controls_close(struct screen *screen)
{
    fetch_free(&controls_of(screen)->fetch);
}

static void controls_result(struct screen *screen, const struct net_result *result)
{
    struct controls *controls = controls_of(screen);
    if (!fetch_take(&controls->fetch, result))
        return;
    if (fetch_again(&controls->fetch))
        controls_ask(screen);
    if (answer_of(controls) != NULL)
        controls->panels.at[3].count = (int)answer_of(controls)->stepped.count;
}

static void controls_event(struct screen *screen, const struct net_result *result)
{
    if (result->kind == NET_EVENT && result->event == EVENT_INDEX_notification)
        controls_ask(screen);
}

static void preset_number(struct act *act, const char *field, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    operate_preset(act, field, text);
}

static void set_controls(struct controls *controls)
{
    const struct msg_controls *now = answer_of(controls);
    struct act                *act = operate_begin(controls->screen.app, ACTION_set_controls,
                                                   OP_INDEX_controls_set, "Set the controls");
    char                       share[24];
    if (act == NULL)
        return;
    operate_ready(act);
    operate_label(act, "valve_window", "Valve minutes");
    operate_label(act, "valve_minimum", "Valve least");
    operate_label(act, "alert_budget_per_day", "Alerts a day");
    operate_preset(act, "valve_share_bp", show_share(now->valve_share_bp, share, sizeof share));
    preset_number(act, "valve_window", now->valve_window);
    preset_number(act, "valve_minimum", now->valve_minimum);
    preset_number(act, "alert_budget_per_day", now->alert_budget_per_day);
    preset_number(act, "hold_hours", now->hold_hours);
}

static void restore(struct controls *controls)
{
    const struct msg_controls *now = answer_of(controls);
    char                       rule[LIMIT_RULE_NAME_MAX + 1];
    struct act                *act = operate_begin(controls->screen.app, ACTION_restore_rule,
                                                   OP_INDEX_controls_restore, "Restore the rule");
    if (act == NULL)
        return;
    operate_ready(act);
    operate_preset(act, "rule", slice_copy(now->stepped.at[0].rule, rule, sizeof rule));
}

static bool controls_can(const struct screen *screen, enum action action)
{
    const struct msg_controls *now = answer_of((const struct controls *)screen);
    if (action == ACTION_restore_rule)
        return now != NULL && now->stepped.count > 0;
    return action != ACTION_set_controls || now != NULL;
}

static bool controls_act(struct screen *screen, enum action action, const char *argument)
{
    struct controls *controls = controls_of(screen);
    (void)argument;
    if (action == ACTION_set_controls && answer_of(controls) != NULL) {
        set_controls(controls);
        return true;
    }
    if (action == ACTION_restore_rule) {
        if (controls_can(screen, action))
            restore(controls);
        else
            app_notice(screen->app, STYLE_WARN, "No rule is stepped down");
        return true;
    }
    return panels_act(&controls->panels, action);
}

static void controls_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct controls *controls = controls_of(screen);
    if (answer_of(controls) != NULL) {
        panels_draw(&controls->panels, controls, canvas, rect);
        return;
    }
    canvas_rule(canvas, rect.x, rect.y, rect.w, "Controls", "");
    canvas_paragraph(canvas, (struct rect){ rect.x + 2, rect.y + 2, rect.w - 4, 4 },
                     controls->fetch.failed ? STYLE_BAD : STYLE_DIM,
                     slice_from(controls->fetch.failed ? controls->fetch.error : "Loading ..."));
    canvas_cursor(canvas, rect.x, rect.y);
}

const struct screen_ops screen_controls = {
    .name = "controls",
    .title = "Controls",
    .size = sizeof(struct controls),
    .places = IN_ANY | IN_TEXT | IN_PANELS | IN_CONTROLS,
    .open = controls_open,
    .close = controls_close,
    .shown = controls_ask,
    .refresh = controls_ask,
    .result = controls_result,
    .event = controls_event,
    .act = controls_act,
    .can = controls_can,
    .draw = controls_draw,
};
