/* Cases of the compliance officer: the list, and one case with its notes and evidence. What is done
 * with a case is asked for by a box whose fields come from the protocol; which moves make sense now
 * is only foreseen here, the server decides. */
#include "bankterm/app.h"
#include "bankterm/screens/act.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/screens/subject.h"
#include "bankterm/show.h"
#include "bankterm/widgets/list.h"

#include <stdio.h>
#include <string.h>

enum { FACT_MAX = 160 };

/* --- what is done with a case ----------------------------------------------------------------- */

void case_open_about(struct app *app, const char *field, const struct uuid *id, const char *label,
                     struct slice what)
{
    char        text[UUID_TEXT_MAX];
    struct uuid new_id = uuid_v7(app_now_us(app));
    struct act *act = operate_begin(app, ACTION_case_open, OP_INDEX_case_open, "Open a case");
    if (act == NULL)
        return;
    operate_fix(act, "case_id", uuid_text(&new_id, text));
    if (id != NULL) {
        operate_fix(act, field, uuid_text(id, text));
        operate_fact(act, label, what);
    }
    operate_ready(act);
    operate_label(act, "account_id", "Account");
    operate_label(act, "transaction_id", "Transaction");
    operate_label(act, "alert_id", "Alert");
}

static bool is_closed(const struct msg_case *one)
{
    return one->state == CASE_CLOSED;
}

static bool case_can(const struct msg_case *one, enum action action)
{
    switch ((int)action) {
    case ACTION_case_note:
    case ACTION_case_assign:
    case ACTION_case_close:
        return one != NULL && !is_closed(one);
    case ACTION_case_move:
        return one != NULL && one->state != CASE_FILED;
    case ACTION_case_file:
        return one != NULL && (one->state == CASE_OPEN || one->state == CASE_REVIEW);
    case ACTION_show_account:
        return one != NULL && MSG_HAS(one, case, account_id);
    default:
        return true;
    }
}

static void facts_of(struct act *act, const struct msg_case *one)
{
    char text[FACT_MAX];
    operate_fact(act, "Case", one->title);
    snprintf(text, sizeof text, "%s, %s", enum_text(&enum_case_kind, one->kind),
             enum_text(&enum_case_state, one->state));
    operate_fact(act, "State", slice_from(text));
    if (MSG_HAS(one, case, account_name))
        operate_fact(act, "Account", one->account_name);
}

static bool case_act(struct app *app, const struct msg_case *one, enum action action)
{
    char        id[UUID_TEXT_MAX];
    struct uuid new_id = uuid_v7(app_now_us(app));
    switch ((int)action) {
    case ACTION_case_note:
    case ACTION_case_move:
    case ACTION_case_file:
    case ACTION_case_close:
    case ACTION_case_assign:
        break;
    default:
        return false;
    }
    if (!case_can(one, action)) {
        app_notice(app, STYLE_WARN, "The case is %s: this cannot be done with it",
                   one != NULL ? enum_text(&enum_case_state, one->state) : "not there yet");
        return true;
    }
    struct act *act = operate_begin(app, action, (enum op_index)action_row(action)->op,
                                    action_row(action)->label);
    if (act == NULL)
        return true;
    facts_of(act, one);
    operate_fix(act, "case_id", uuid_text(&one->case_id, id));
    if (action == ACTION_case_note)
        operate_fix(act, "item_id", uuid_text(&new_id, id));
    operate_ready(act);
    if (action == ACTION_case_note) {
        operate_label(act, "account_id", "Account");
        operate_label(act, "transaction_id", "Transaction");
        operate_label(act, "alert_id", "Alert");
    } else if (action == ACTION_case_assign) {
        operate_label(act, "email", "Colleague");
    } else if (action == ACTION_case_move) {
        operate_preset(
            act, "state",
            enum_text(&enum_case_state, one->state == CASE_OPEN ? CASE_REVIEW : CASE_OPEN));
    }
    return true;
}

/* --- the list --------------------------------------------------------------------------------- */

struct cases {
    struct list_screen base;
    int32_t            state; /* 0: all */
    char               search[LIMIT_SEARCH_MAX + 1];
};

static struct cases *cases_of(struct screen *screen)
{
    return (struct cases *)screen;
}

static void query_cases(const struct screen *screen, void *body)
{
    const struct cases    *cases = (const struct cases *)screen;
    struct msg_case_query *query = body;
    if (cases->state != 0)
        MSG_SET(query, case_query, state, cases->state);
    if (cases->search[0] != '\0')
        MSG_SET(query, case_query, search, slice_from(cases->search));
}

static void cases_open(struct screen *screen, const char *argument)
{
    struct cases *cases = cases_of(screen);
    snprintf(cases->search, sizeof cases->search, "%.*s", LIMIT_SEARCH_MAX, argument);
    list_init(&cases->base.list, OP_INDEX_case_list, rows_case, rows_case_count, query_cases);
    list_refresh(screen, &cases->base.list);
}

static int32_t next_state(int32_t now)
{
    return now == CASE_CLOSED ? 0 : now + 1;
}

static bool cases_act(struct screen *screen, enum action action, const char *argument)
{
    struct cases          *cases = cases_of(screen);
    const struct msg_case *one = table_selected(&cases->base.list.table);
    char                   id[UUID_TEXT_MAX];
    switch ((int)action) {
    case ACTION_case_state:
        cases->state = next_state(cases->state);
        list_restart(screen, &cases->base.list);
        return true;
    case ACTION_case_open:
        case_open_about(screen->app, NULL, NULL, NULL, slice_of("", 0));
        return true;
    case ACTION_open:
        if (one != NULL)
            app_push(screen->app, &screen_case, uuid_text(&one->case_id, id));
        return true;
    default:
        return case_act(screen->app, one, action) ||
               list_act(screen, &cases->base.list, action, argument);
    }
}

static bool cases_can(const struct screen *screen, enum action action)
{
    return case_can(table_selected(&((const struct cases *)screen)->base.list.table), action);
}

static void cases_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct cases *cases = cases_of(screen);
    char          title[LIMIT_SEARCH_MAX + 48];
    snprintf(title, sizeof title, "Cases: %s%s%s%s",
             cases->state == 0 ? "all" : enum_text(&enum_case_state, cases->state),
             cases->search[0] != '\0' ? ", with \"" : "", cases->search,
             cases->search[0] != '\0' ? "\"" : "");
    list_draw(&cases->base.list, canvas, rect, title, true);
}

const struct screen_ops screen_cases = {
    .name = "cases",
    .title = "Cases",
    .size = sizeof(struct cases),
    .places = IN_ANY | IN_TABLE | IN_CASE | IN_CASES,
    .open = cases_open,
    .close = list_screen_close,
    .shown = list_screen_shown,
    .refresh = list_screen_refresh,
    .result = list_screen_result,
    .act = cases_act,
    .can = cases_can,
    .click = list_screen_click,
    .draw = cases_draw,
    .table = list_screen_table,
};

/* --- one case --------------------------------------------------------------------------------- */

struct one_case {
    struct screen screen;
    struct uuid   id;
    struct fetch  fetch;
    struct list   list; /* its items */
};

static struct one_case *one_of(struct screen *screen)
{
    return (struct one_case *)screen;
}

static void query_items(const struct screen *screen, void *body)
{
    struct msg_case_item_query *query = body;
    query->case_id = ((const struct one_case *)screen)->id;
}

static void one_ask(struct screen *screen)
{
    struct msg_case_ref ref = { .case_id = one_of(screen)->id };
    fetch_ask(screen, &one_of(screen)->fetch, OP_INDEX_case_get, &ref);
}

static void one_refresh(struct screen *screen)
{
    one_ask(screen);
    list_refresh(screen, &one_of(screen)->list);
}

static void one_open(struct screen *screen, const char *argument)
{
    struct one_case *one = one_of(screen);
    list_init(&one->list, OP_INDEX_case_items, rows_case_item, rows_case_item_count, query_items);
    if (uuid_parse(argument, strlen(argument), &one->id) == ERR_none)
        one_refresh(screen);
}

static void one_close(struct screen *screen)
{
    list_free(&one_of(screen)->list);
    fetch_free(&one_of(screen)->fetch);
}

static void one_result(struct screen *screen, const struct net_result *result)
{
    struct one_case *one = one_of(screen);
    if (!list_take(screen, &one->list, result) && fetch_take(&one->fetch, result) &&
        fetch_again(&one->fetch))
        one_ask(screen);
}

static struct table *one_table(struct screen *screen)
{
    return &one_of(screen)->list.table;
}

static bool one_click(struct screen *screen, int x, int y)
{
    return table_click(one_table(screen), x, y);
}

/* Goes to what an item names. */
static void open_item(struct app *app, const struct msg_case_item *item)
{
    if (item == NULL)
        return;
    if (MSG_HAS(item, case_item, transaction_id))
        app_show_transaction(app, &item->transaction_id);
    else if (MSG_HAS(item, case_item, alert_id))
        app_show_alert(app, &item->alert_id);
    else if (MSG_HAS(item, case_item, account_id))
        app_show_account(app, &item->account_id);
    else
        app_notice(app, STYLE_NOTICE, "The note names no record");
}

static bool one_act(struct screen *screen, enum action action, const char *argument)
{
    struct one_case       *one = one_of(screen);
    const struct msg_case *body = one->fetch.record.body;
    if (action == ACTION_open) {
        open_item(screen->app, table_selected(&one->list.table));
        return true;
    }
    if (action == ACTION_show_account) {
        if (case_can(body, action))
            app_show_account(screen->app, &body->account_id);
        else
            app_notice(screen->app, STYLE_NOTICE, "The case is about no account");
        return true;
    }
    return case_act(screen->app, body, action) || list_act(screen, &one->list, action, argument);
}

static bool one_can(const struct screen *screen, enum action action)
{
    const struct one_case *one = (const struct one_case *)screen;
    if (action == ACTION_open)
        return table_selected(&one->list.table) != NULL;
    return case_can(one->fetch.record.body, action);
}

static int draw_deadline(const struct msg_case *one, struct canvas *canvas, struct rect in, int y)
{
    char minute[32];
    char text[FACT_MAX];
    if (MSG_HAS(one, case, due_at)) {
        snprintf(text, sizeof text, "%s%s", one->overdue ? "! overdue since " : "",
                 show_minute(one->due_at, minute, sizeof minute));
        y = detail_line(canvas, in, y, "Due, UTC", one->overdue ? STYLE_BAD : STYLE_TEXT,
                        slice_from(text));
    }
    if (MSG_HAS(one, case, reference)) {
        snprintf(text, sizeof text, "%.*s, filed %s", (int)one->reference.n, one->reference.at,
                 show_minute(one->filed_at, minute, sizeof minute));
        y = detail_line(canvas, in, y, "Report", STYLE_GOOD, slice_from(text));
    }
    if (MSG_HAS(one, case, outcome)) {
        snprintf(text, sizeof text, "%s, %s", enum_text(&enum_case_outcome, one->outcome),
                 show_minute(one->closed_at, minute, sizeof minute));
        y = detail_line(canvas, in, y, "Ended", STYLE_TEXT, slice_from(text));
    }
    return y;
}

static int draw_facts(const struct msg_case *one, struct canvas *canvas, struct rect in)
{
    char minute[32];
    char text[FACT_MAX + LIMIT_EMAIL_MAX];
    int  y = detail_line(canvas, in, in.y, "Case", STYLE_VALUE, one->title);
    snprintf(text, sizeof text, "%s, %s", enum_text(&enum_case_kind, one->kind),
             enum_text(&enum_case_state, one->state));
    y = detail_line(canvas, in, y, "State", STYLE_TEXT, slice_from(text));
    if (MSG_HAS(one, case, account_name))
        y = detail_line(canvas, in, y, "Account", STYLE_TEXT, one->account_name);
    snprintf(text, sizeof text, "%s by %.*s", show_minute(one->created_at, minute, sizeof minute),
             (int)one->created_by.n, one->created_by.at);
    y = detail_line(canvas, in, y, "Opened, UTC", STYLE_TEXT, slice_from(text));
    if (MSG_HAS(one, case, assigned_to))
        y = detail_line(canvas, in, y, "Assigned to", STYLE_TEXT, one->assigned_to);
    return draw_deadline(one, canvas, in, y);
}

static void one_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct one_case       *one = one_of(screen);
    const struct msg_case *body = one->fetch.record.body;
    struct rect            in = { rect.x + 2, rect.y + 1, rect.w - 3, rect.h - 1 };
    canvas_rule(canvas, rect.x, rect.y, rect.w, "Case", one->fetch.failed ? one->fetch.error : "");
    if (body == NULL) {
        canvas_paragraph(canvas, (struct rect){ in.x, in.y + 1, in.w - 2, 4 },
                         one->fetch.failed ? STYLE_BAD : STYLE_DIM,
                         slice_from(one->fetch.failed ? one->fetch.error : "Loading ..."));
        canvas_cursor(canvas, rect.x, rect.y);
        return;
    }
    int y = draw_facts(body, canvas, in);
    if (rect.y + rect.h - y >= 4)
        list_draw(&one->list, canvas, (struct rect){ rect.x, y, rect.w, rect.y + rect.h - y },
                  "Notes and evidence", true);
}

static struct slice one_copied(const struct screen *screen, char *out, size_t size)
{
    char text[UUID_TEXT_MAX];
    snprintf(out, size, "%s", uuid_text(&((const struct one_case *)screen)->id, text));
    return slice_from(out);
}

const struct screen_ops screen_case = {
    .name = "case",
    .title = "Case",
    .size = sizeof(struct one_case),
    .places = IN_ANY | IN_TABLE | IN_CASE | IN_ONE_CASE,
    .open = one_open,
    .close = one_close,
    .shown = one_refresh,
    .refresh = one_refresh,
    .result = one_result,
    .act = one_act,
    .can = one_can,
    .click = one_click,
    .draw = one_draw,
    .copied = one_copied,
    .table = one_table,
};
