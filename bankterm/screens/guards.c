/* What people told the engine by hand, and what it told them: the allow, deny and watch lists, the
 * rules that accounts are spared, the notifications. Each is a list with its own two or three
 * actions; entries are added and ended by the same box. */
#include "bankterm/app.h"
#include "bankterm/screens/act.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/screens/subject.h"
#include "bankterm/widgets/list.h"
#include "common/clock.h"

#include <stdio.h>
#include <string.h>

struct guard {
    struct list_screen base;
    bool               all; /* ended and read ones too */
    char               search[LIMIT_SEARCH_MAX + 1];
};

static struct guard *guard_of(struct screen *screen)
{
    return (struct guard *)screen;
}

static const struct guard *guard_of_const(const struct screen *screen)
{
    return (const struct guard *)screen;
}

static void switch_all(struct guard *guard)
{
    guard->all = !guard->all;
    list_restart(&guard->base.screen, &guard->base.list);
}

/* --- screening lists -------------------------------------------------------------------------- */

static void query_screening(const struct screen *screen, void *body)
{
    const struct guard         *guard = guard_of_const(screen);
    struct msg_screening_query *query = body;
    if (!guard->all)
        MSG_SET(query, screening_query, ended, false);
    if (guard->search[0] != '\0')
        MSG_SET(query, screening_query, search, slice_from(guard->search));
}

static void screening_open(struct screen *screen, const char *argument)
{
    struct guard *guard = guard_of(screen);
    snprintf(guard->search, sizeof guard->search, "%.*s", LIMIT_SEARCH_MAX, argument);
    list_init(&guard->base.list, OP_INDEX_screening_list, rows_screening, rows_screening_count,
              query_screening);
    list_refresh(screen, &guard->base.list);
}

static void add_entry(struct app *app)
{
    struct act *act = operate_begin(app, ACTION_add_entry, OP_INDEX_screening_add, "Put on a list");
    if (act == NULL)
        return;
    operate_fact(
        act, "Whom",
        slice_from("Exactly one of account, customer (all of its accounts) and counterparty"));
    operate_fact(act, "Allow list", slice_from("waits until a compliance officer approves it"));
    operate_ready(act);
    operate_label(act, "account_id", "Account");
    operate_label(act, "customer_id", "Customer");
}

void list_about(struct app *app, const char *field, const char *text, struct slice name)
{
    static const char *const whom[] = { "account_id", "customer_id", "counterparty" };
    struct act *act = operate_begin(app, ACTION_add_entry, OP_INDEX_screening_add, "Put on a list");
    if (act == NULL)
        return;
    for (size_t i = 0; i < sizeof whom / sizeof whom[0]; i++)
        operate_fix(act, whom[i], strcmp(whom[i], field) == 0 ? text : "");
    operate_fact(act, "Whom", name);
    operate_fact(act, "Allow list", slice_from("waits until a compliance officer approves it"));
    if (strcmp(text, "") != 0 && strcmp(field, "account_id") == 0)
        operate_fact(act, "Account", slice_from(text));
    operate_ready(act);
}

static void end_entry(struct app *app, const struct msg_screening_entry *entry)
{
    char        id[UUID_TEXT_MAX];
    struct act *act =
        operate_begin(app, ACTION_end_entry, OP_INDEX_screening_remove, "Take off the list");
    if (act == NULL)
        return;
    operate_fact(act, "List", slice_from(enum_text(&enum_screening_list, entry->list)));
    operate_fact(act, "Whom", entry->name.n > 0 ? entry->name : entry->counterparty);
    operate_fact(act, "Entered for", entry->reason);
    operate_fix(act, "entry_id", uuid_text(&entry->entry_id, id));
    operate_ready(act);
}

static void approve_entry(struct app *app, const struct msg_screening_entry *entry)
{
    char        id[UUID_TEXT_MAX];
    struct act *act =
        operate_begin(app, ACTION_approve_entry, OP_INDEX_screening_approve, "Approve the entry");
    if (act == NULL)
        return;
    operate_fact(act, "List", slice_from(enum_text(&enum_screening_list, entry->list)));
    operate_fact(act, "Whom", entry->name.n > 0 ? entry->name : entry->counterparty);
    operate_fact(act, "Entered by", entry->created_by);
    operate_fact(act, "Entered for", entry->reason);
    operate_fact(act, "Meaning", slice_from("What habits add to the score weighs less"));
    operate_fix(act, "entry_id", uuid_text(&entry->entry_id, id));
    operate_ready(act);
}

static bool entry_waits(const struct msg_screening_entry *entry)
{
    return entry != NULL && entry->state == CONTROL_PROPOSED;
}

static bool entry_has_not_ended(const struct msg_screening_entry *entry)
{
    return entry_waits(entry) || (entry != NULL && entry->state == CONTROL_ACTIVE);
}

static bool screening_act(struct screen *screen, enum action action, const char *argument)
{
    struct guard                     *guard = guard_of(screen);
    const struct msg_screening_entry *entry = table_selected(&guard->base.list.table);
    switch ((int)action) {
    case ACTION_add_entry:
        add_entry(screen->app);
        return true;
    case ACTION_end_entry:
        if (entry_has_not_ended(entry))
            end_entry(screen->app, entry);
        else
            app_notice(screen->app, STYLE_WARN, "There is no entry in force to take off");
        return true;
    case ACTION_approve_entry:
        if (entry_waits(entry))
            approve_entry(screen->app, entry);
        else
            app_notice(screen->app, STYLE_WARN, "There is no entry that waits for approval");
        return true;
    case ACTION_ended_too:
        switch_all(guard);
        return true;
    default:
        return list_act(screen, &guard->base.list, action, argument);
    }
}

static bool screening_can(const struct screen *screen, enum action action)
{
    const struct msg_screening_entry *entry =
        table_selected(&guard_of_const(screen)->base.list.table);
    if (action == ACTION_open)
        return false;
    if (action == ACTION_approve_entry)
        return entry_waits(entry);
    return action != ACTION_end_entry || entry_has_not_ended(entry);
}

static void screening_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct guard *guard = guard_of(screen);
    list_draw(&guard->base.list, canvas, rect,
              guard->all ? "Lists: allow, deny, watch; ended entries too"
                         : "Lists: allow, deny, watch",
              true);
}

const struct screen_ops screen_screening = {
    .name = "lists",
    .title = "Allow, deny and watch lists",
    .size = sizeof(struct guard),
    .places = IN_ANY | IN_TABLE | IN_GUARDS,
    .open = screening_open,
    .close = list_screen_close,
    .shown = list_screen_refresh,
    .refresh = list_screen_refresh,
    .result = list_screen_result,
    .act = screening_act,
    .can = screening_can,
    .click = list_screen_click,
    .draw = screening_draw,
    .table = list_screen_table,
};

/* --- suppressions ---------------------------------------------------------------------------- */

static void query_suppressions(const struct screen *screen, void *body)
{
    struct msg_suppression_query *query = body;
    if (!guard_of_const(screen)->all)
        MSG_SET(query, suppression_query, ended, false);
}

static void suppressions_open(struct screen *screen, const char *argument)
{
    struct guard *guard = guard_of(screen);
    (void)argument;
    list_init(&guard->base.list, OP_INDEX_suppression_list, rows_suppression,
              rows_suppression_count, query_suppressions);
    list_refresh(screen, &guard->base.list);
}

void suppress_rule(struct app *app, const struct uuid *account, struct slice account_name,
                   struct slice rule)
{
    char        id[UUID_TEXT_MAX];
    char        name[LIMIT_RULE_NAME_MAX + 1];
    struct act *act =
        operate_begin(app, ACTION_suppress, OP_INDEX_suppression_add, "Spare an account a rule");
    if (act == NULL)
        return;
    if (account != NULL) {
        operate_fact(act, "Account", account_name);
        operate_fix(act, "account_id", uuid_text(account, id));
    }
    operate_fact(act, "Meaning", slice_from("The rule gives no points for the account until then"));
    operate_fact(act, "High rules", slice_from("wait until a compliance officer approves it"));
    operate_ready(act);
    operate_label(act, "account_id", "Account");
    if (rule.n > 0)
        operate_preset(act, "rule", slice_copy(rule, name, sizeof name));
}

static void end_suppression(struct app *app, const struct msg_suppression *row)
{
    char        id[UUID_TEXT_MAX];
    struct act *act = operate_begin(app, ACTION_end_suppression, OP_INDEX_suppression_remove,
                                    "End the suppression");
    if (act == NULL)
        return;
    operate_fact(act, "Rule", row->rule);
    operate_fact(act, "Account", row->account_name);
    operate_fact(act, "Entered for", row->reason);
    operate_fix(act, "suppression_id", uuid_text(&row->suppression_id, id));
    operate_ready(act);
}

static void approve_suppression(struct app *app, const struct msg_suppression *row)
{
    char        id[UUID_TEXT_MAX];
    struct act *act = operate_begin(app, ACTION_approve_suppression, OP_INDEX_suppression_approve,
                                    "Approve the suppression");
    if (act == NULL)
        return;
    operate_fact(act, "Rule", row->rule);
    operate_fact(act, "Account", row->account_name);
    operate_fact(act, "Entered by", row->created_by);
    operate_fact(act, "Entered for", row->reason);
    operate_fact(act, "Meaning", slice_from("The rule gives no points for the account until then"));
    operate_fix(act, "suppression_id", uuid_text(&row->suppression_id, id));
    operate_ready(act);
}

static bool has_not_ended(const struct msg_suppression *row)
{
    return row != NULL && (row->state == CONTROL_ACTIVE || row->state == CONTROL_PROPOSED);
}

static bool needs_approval(const struct msg_suppression *row)
{
    return has_not_ended(row) && MSG_HAS(row, suppression, needs_approval) && row->needs_approval;
}

static bool suppressions_act(struct screen *screen, enum action action, const char *argument)
{
    struct guard                 *guard = guard_of(screen);
    const struct msg_suppression *row = table_selected(&guard->base.list.table);
    switch ((int)action) {
    case ACTION_suppress:
        suppress_rule(screen->app, NULL, slice_of("", 0), slice_of("", 0));
        return true;
    case ACTION_end_suppression:
        if (has_not_ended(row))
            end_suppression(screen->app, row);
        else
            app_notice(screen->app, STYLE_WARN, "There is no suppression in force to end");
        return true;
    case ACTION_approve_suppression:
        if (needs_approval(row))
            approve_suppression(screen->app, row);
        else
            app_notice(screen->app, STYLE_WARN, "There is no suppression that waits for approval");
        return true;
    case ACTION_ended_too:
        switch_all(guard);
        return true;
    default:
        return list_act(screen, &guard->base.list, action, argument);
    }
}

static bool suppressions_can(const struct screen *screen, enum action action)
{
    const struct msg_suppression *row = table_selected(&guard_of_const(screen)->base.list.table);
    if (action == ACTION_open)
        return false;
    if (action == ACTION_approve_suppression)
        return needs_approval(row);
    return action != ACTION_end_suppression || has_not_ended(row);
}

static void suppressions_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct guard *guard = guard_of(screen);
    list_draw(&guard->base.list, canvas, rect,
              guard->all ? "Rules that accounts are spared; ended ones too"
                         : "Rules that accounts are spared",
              true);
}

const struct screen_ops screen_suppressions = {
    .name = "suppressions",
    .title = "Suppressions",
    .size = sizeof(struct guard),
    .places = IN_ANY | IN_TABLE | IN_SPARED,
    .open = suppressions_open,
    .close = list_screen_close,
    .shown = list_screen_refresh,
    .refresh = list_screen_refresh,
    .result = list_screen_result,
    .act = suppressions_act,
    .can = suppressions_can,
    .click = list_screen_click,
    .draw = suppressions_draw,
    .table = list_screen_table,
};

/* --- notifications --------------------------------------------------------------------------- */

static void query_notifications(const struct screen *screen, void *body)
{
    struct msg_notification_query *query = body;
    if (!guard_of_const(screen)->all)
        MSG_SET(query, notification_query, state, NOTIFICATION_UNREAD);
}

static void notifications_open(struct screen *screen, const char *argument)
{
    struct guard *guard = guard_of(screen);
    (void)argument;
    list_init(&guard->base.list, OP_INDEX_notification_list, rows_notification,
              rows_notification_count, query_notifications);
    list_refresh(screen, &guard->base.list);
}

static void notifications_event(struct screen *screen, const struct net_result *result)
{
    if (result->kind == NET_EVENT && result->event == EVENT_INDEX_notification)
        list_screen_refresh(screen);
}

/* Nothing is asked: reading is what the user just did. */
static void mark_read(struct screen *screen, const struct msg_notification *row)
{
    struct fault                fault = { 0 };
    struct msg_notification_ref ref = { .notification_id = row->notification_id };
    if (app_ask(screen, OP_INDEX_notification_read, &ref, APP_DEADLINE_MS, &fault) == 0)
        app_notice(screen->app, STYLE_WARN, "%s", err_what(fault.err));
}

/* The screen on which what is told of can be seen, and on which something can be done about it. */
static void show_subject(struct app *app, const struct msg_notification *row)
{
    const struct screen_ops *ops = &screen_controls;
    if (row->topic == TOPIC_SUPPRESSION_PROPOSED || row->topic == TOPIC_SUPPRESSION_APPROVED)
        ops = &screen_suppressions;
    if (row->topic == TOPIC_ALLOW_PROPOSED || row->topic == TOPIC_ALLOW_APPROVED)
        ops = &screen_screening;
    app_push(app, ops, "");
}

static void notifications_result(struct screen *screen, const struct net_result *result)
{
    if (result->op == OP_INDEX_notification_read) {
        if (result->kind == NET_REPLY)
            app_notice(screen->app, STYLE_GOOD, "Marked as read");
        else
            app_notice(screen->app, STYLE_BAD, "%s", result->what);
        list_screen_refresh(screen);
        return;
    }
    list_screen_result(screen, result);
}

static bool notifications_act(struct screen *screen, enum action action, const char *argument)
{
    struct guard                  *guard = guard_of(screen);
    const struct msg_notification *row = table_selected(&guard->base.list.table);
    if (action == ACTION_read || action == ACTION_open) {
        if (row != NULL && row->state == NOTIFICATION_UNREAD)
            mark_read(screen, row);
        if (row != NULL && action == ACTION_open)
            show_subject(screen->app, row);
        return true;
    }
    if (action == ACTION_ended_too) {
        switch_all(guard);
        return true;
    }
    return list_act(screen, &guard->base.list, action, argument);
}

static bool notifications_can(const struct screen *screen, enum action action)
{
    const struct msg_notification *row = table_selected(&guard_of_const(screen)->base.list.table);
    if (action == ACTION_open)
        return row != NULL;
    return action != ACTION_read || (row != NULL && row->state == NOTIFICATION_UNREAD);
}

static void notifications_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct guard                  *guard = guard_of(screen);
    const struct msg_notification *row = table_selected(&guard->base.list.table);
    if (row != NULL && rect.h >= 12) {
        rect.h -= 4;
        canvas_rule(canvas, rect.x, rect.y + rect.h, rect.w, "In full", "");
        canvas_paragraph(canvas, (struct rect){ rect.x + 2, rect.y + rect.h + 1, rect.w - 4, 3 },
                         STYLE_TEXT, row->text);
    }
    list_draw(&guard->base.list, canvas, rect,
              guard->all ? "Notifications, read ones too" : "Notifications nobody has read", true);
}

const struct screen_ops screen_notifications = {
    .name = "notifications",
    .title = "Notifications",
    .size = sizeof(struct guard),
    .places = IN_ANY | IN_TABLE | IN_NOTICES,
    .open = notifications_open,
    .close = list_screen_close,
    .refresh = list_screen_refresh,
    .result = notifications_result,
    .event = notifications_event,
    .act = notifications_act,
    .can = notifications_can,
    .click = list_screen_click,
    .draw = notifications_draw,
    .table = list_screen_table,
};
