/* The queue of alerts: what waits to be decided, the costliest first, with its age, its deadline
 * and who works on it.
 *
 * The list is asked anew with every event of an alert; the selection and the marks belong to
 * alerts, so what comes, goes or changes its place moves neither. Several alerts are decided
 * together by marking them: the form names how many they are and their sum. */
#include "bankterm/app.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/screens/subject.h"
#include "bankterm/widgets/list.h"
#include "common/clock.h"

#include <stdio.h>
#include <string.h>

enum { WHY_HEIGHT = 26, TITLE_MAX = 160 };

/* What the key steps through. */
enum which { TO_DO, MINE, SNOOZED, DECIDED, ALL, WHICH_COUNT };

static const char *const titles[WHICH_COUNT] = { "Alerts to do", "My alerts", "Snoozed alerts",
                                                 "Decided alerts", "All alerts" };

struct queue {
    struct list_screen base;
    enum which         which;
    int32_t            order; /* of what is to do */
};

static struct queue *queue_of(struct screen *screen)
{
    return (struct queue *)screen;
}

static const struct queue *queue_of_const(const struct screen *screen)
{
    return (const struct queue *)screen;
}

static void query(const struct screen *screen, void *body)
{
    const struct queue     *queue = queue_of_const(screen);
    struct msg_alert_query *ask = body;
    switch (queue->which) {
    case TO_DO:
        MSG_SET(ask, alert_query, snoozed, false);
        MSG_SET(ask, alert_query, order, queue->order);
        if (queue->order == ALERT_ORDER_NEWEST)
            MSG_SET(ask, alert_query, state, ALERT_OPEN);
        return;
    case MINE:
        MSG_SET(ask, alert_query, mine, true);
        return;
    case SNOOZED:
        MSG_SET(ask, alert_query, snoozed, true);
        return;
    case DECIDED:
        MSG_SET(ask, alert_query, state, ALERT_DECIDED);
        return;
    case ALL:
    case WHICH_COUNT:
        return;
    }
}

static void queue_open(struct screen *screen, const char *argument)
{
    struct queue *queue = queue_of(screen);
    (void)argument;
    list_init(&queue->base.list, OP_INDEX_alert_list, rows_alert, rows_alert_count, query);
    queue->base.list.table.context = screen->app;
    queue->base.list.table.marking = true;
    queue->order = ALERT_ORDER_LOSS;
    screen->app->alerts_new = 0;
    list_refresh(screen, &queue->base.list);
}

static void queue_event(struct screen *screen, const struct net_result *result)
{
    if (result->kind == NET_EVENT && result->event == EVENT_INDEX_alert)
        list_screen_shown(screen);
}

/* --- actions -------------------------------------------------------------------------------- */

static void restart(struct queue *queue)
{
    table_unmark(&queue->base.list.table);
    list_restart(&queue->base.screen, &queue->base.list);
}

static void switch_order(struct queue *queue)
{
    queue->which = TO_DO;
    queue->order = queue->order == ALERT_ORDER_LOSS ? ALERT_ORDER_NEWEST : ALERT_ORDER_LOSS;
    restart(queue);
}

static void decide_marked(struct queue *queue)
{
    const void *rows[TABLE_MARKS_MAX];
    int         count = table_marked(&queue->base.list.table, rows);
    act_on_alerts(queue->base.screen.app, rows, count);
}

static bool queue_act(struct screen *screen, enum action action, const char *argument)
{
    struct queue *queue = queue_of(screen);
    screen->app->alerts_new = 0;
    switch ((int)action) {
    case ACTION_which_alerts:
        queue->which = (queue->which + 1) % WHICH_COUNT;
        restart(queue);
        return true;
    case ACTION_order:
        switch_order(queue);
        return true;
    case ACTION_decide:
        if (queue->base.list.table.mark_count == 0)
            break;
        decide_marked(queue);
        return true;
    case ACTION_back:
        if (queue->base.list.table.mark_count == 0 || queue->base.list.table.filter[0] != '\0')
            break;
        table_unmark(&queue->base.list.table);
        return true;
    default:
        break;
    }
    const struct msg_alert *alert = table_selected(&queue->base.list.table);
    bool                    latest =
        !alert_can(screen->app, alert, ACTION_undo_decision) && app_undo_offer(screen->app) != NULL;
    if (action == ACTION_undo_decision && latest) {
        act_on_latest_decision(screen->app);
        return true;
    }
    if (alert_act(screen->app, alert, action))
        return true;
    return list_act(screen, &queue->base.list, action, argument);
}

static bool queue_can(const struct screen *screen, enum action action)
{
    const struct queue *queue = queue_of_const(screen);
    if (action == ACTION_decide && queue->base.list.table.mark_count > 0)
        return true;
    if (action == ACTION_undo_decision && app_undo_offer(screen->app) != NULL)
        return true;
    return alert_can(screen->app, table_selected(&queue->base.list.table), action);
}

/* --- drawing -------------------------------------------------------------------------------- */

static void title_text(const struct queue *queue, char *out, size_t size)
{
    const void *rows[TABLE_MARKS_MAX];
    int         count = table_marked(&queue->base.list.table, rows);
    char        sums[80];
    int         n = snprintf(out, size, "%s%s", titles[queue->which],
                     queue->which != TO_DO              ? ""
                             : queue->order == ALERT_ORDER_LOSS ? ", costliest first"
                                                                : ", newest first");
    if (count > 0 && n > 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, ": %d marked, %s", count,
                 alerts_sum(rows, count, sums, sizeof sums));
}

static void draw_why(const struct msg_alert *alert, struct canvas *canvas, struct rect rect)
{
    char title[96];
    snprintf(title, sizeof title, "Why: %s, score %d", enum_text(&enum_verdict, alert->verdict),
             (int)alert->score);
    canvas_rule(canvas, rect.x, rect.y, rect.w, title, "");
    reasons_draw(canvas, (struct rect){ rect.x + 2, rect.y + 1, rect.w - 4, rect.h - 1 },
                 alert->reasons.at, alert->reasons.count, alert->score, NULL);
}

static void queue_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct queue           *queue = queue_of(screen);
    const struct msg_alert *alert = table_selected(&queue->base.list.table);
    char                    title[TITLE_MAX];
    if (rect.h >= WHY_HEIGHT && alert != NULL) {
        int why = rect.h / 4 + 2;
        rect.h -= why;
        draw_why(alert, canvas, (struct rect){ rect.x, rect.y + rect.h, rect.w, why });
    }
    title_text(queue, title, sizeof title);
    list_draw(&queue->base.list, canvas, rect, title, true);
}

const struct screen_ops screen_alerts = {
    .name = "alerts",
    .title = "Alerts",
    .size = sizeof(struct queue),
    .places = IN_ANY | IN_TABLE | IN_ALERT | IN_ALERTS,
    .open = queue_open,
    .close = list_screen_close,
    .shown = list_screen_shown,
    .refresh = list_screen_refresh,
    .result = list_screen_result,
    .event = queue_event,
    .act = queue_act,
    .can = queue_can,
    .click = list_screen_click,
    .draw = queue_draw,
    .table = list_screen_table,
};
