/* What each rule and each part of the scorecard did in a period: how often it fired, how often that
 * was fraud, what it saved, and what to do with it. The line of the selected one is told in full
 * below the table. */
#include "bankterm/app.h"
#include "bankterm/screens/period.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/widgets/list.h"

#include <stdio.h>
#include <string.h>

enum { BELOW = 7, TEXT_MAX = 320 };

struct board {
    struct list_screen base;
    struct period      period;
};

static struct board *board_of(struct screen *screen)
{
    return (struct board *)screen;
}

static void query(const struct screen *screen, void *body)
{
    period_ask(&((const struct board *)screen)->period, &message_period_query, body);
}

static void board_open(struct screen *screen, const char *argument)
{
    struct board *board = board_of(screen);
    (void)argument;
    period_init(&board->period);
    list_init(&board->base.list, OP_INDEX_rules_scoreboard, rows_rule_score, rows_rule_score_count,
              query);
    board->base.list.table.context = board->period.shown;
    list_refresh(screen, &board->base.list);
}

static void board_result(struct screen *screen, const struct net_result *result)
{
    struct board *board = board_of(screen);
    if (result->kind == NET_REPLY && result->op == OP_INDEX_rules_scoreboard)
        period_learn(&board->period, &message_scoreboard, result->body);
    list_take(screen, &board->base.list, result);
}

static bool board_act(struct screen *screen, enum action action, const char *argument)
{
    struct board *board = board_of(screen);
    if (period_act(&board->period, action, argument)) {
        list_refresh(screen, &board->base.list);
        return true;
    }
    return list_act(screen, &board->base.list, action, argument);
}

static bool board_can(const struct screen *screen, enum action action)
{
    (void)screen;
    return action != ACTION_open && action != ACTION_metric;
}

static void draw_rule(const struct msg_rule_score *score, struct canvas *canvas, struct rect rect)
{
    char title[96];
    char text[TEXT_MAX];
    char share[32];
    int  y = rect.y + 1;
    snprintf(title, sizeof title, "%s%.*s: %s", score->kind == SCORE_PART ? "part " : "",
             (int)score->rule.n, score->rule.at, enum_text(&enum_rule_advice, score->advice));
    canvas_rule(canvas, rect.x, rect.y, rect.w, title, score->in_force ? "" : "no longer in force");
    struct rect in = { rect.x + 2, rect.y + 1, rect.w - 3, rect.h - 1 };
    y += canvas_paragraph(canvas, (struct rect){ in.x, y, in.w, 2 },
                          score->advice == ADVICE_KEEP ? STYLE_TEXT : STYLE_WARN,
                          score->advice_text);
    snprintf(text, sizeof text, "%lld fraud, %lld good, %lld undecided; %lld held or declined",
             (long long)score->confirmed, (long long)score->false_positive,
             (long long)score->undecided, (long long)score->stopped);
    y = detail_line(canvas, in, y, "Found", STYLE_TEXT, slice_from(text));
    if (MSG_HAS(score, rule_score, overlap_rule)) {
        snprintf(text, sizeof text, "%.*s, in %s of its payments", (int)score->overlap_rule.n,
                 score->overlap_rule.at, show_share(score->overlap_bp, share, sizeof share));
        y = detail_line(canvas, in, y, "Fires with", STYLE_TEXT, slice_from(text));
    }
    snprintf(
        text, sizeof text,
        "%lld.%04lld%% of the payments of the period's first half, %lld.%04lld%% of its second",
        (long long)(score->rate_first_ppm / 10000), (long long)(score->rate_first_ppm % 10000),
        (long long)(score->rate_second_ppm / 10000), (long long)(score->rate_second_ppm % 10000));
    detail_line(canvas, in, y, "Fired on", STYLE_TEXT, slice_from(text));
}

static void board_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct board                *board = board_of(screen);
    const struct msg_rule_score *score = table_selected(&board->base.list.table);
    char                         period[80];
    char                         title[120];
    snprintf(title, sizeof title, "Rules and parts of the scorecard, %s",
             period_text(&board->period, period, sizeof period));
    if (rect.h >= BELOW * 2 && score != NULL) {
        rect.h -= BELOW;
        draw_rule(score, canvas, (struct rect){ rect.x, rect.y + rect.h, rect.w, BELOW });
    }
    list_draw(&board->base.list, canvas, rect, title, true);
}

const struct screen_ops screen_scoreboard = {
    .name = "scoreboard",
    .title = "Scoreboard of the rules",
    .size = sizeof(struct board),
    .places = IN_ANY | IN_TABLE | IN_PERIOD,
    .open = board_open,
    .close = list_screen_close,
    .refresh = list_screen_refresh,
    .result = board_result,
    .act = board_act,
    .can = board_can,
    .click = list_screen_click,
    .draw = board_draw,
    .table = list_screen_table,
};
