/* The console's middle: which screen gets what. Keys go to the topmost screen, first as text, then
 * as the action that the table gives them; what the screen does not want, the console does itself.
 * Answers go to the screen that asked, wherever it stands; events to the screens that are seen,
 * covered ones ask anew when they come back.
 *
 * Changes of the ledger come many times a second and are passed on at most once a second; alerts
 * are passed on at once. Nothing here takes the focus from the user. */
#include "bankterm/app.h"

#include "bankterm/frame.h"
#include "bankterm/screens/screens.h"
#include "bankterm/screens/subject.h"
#include "bankterm/show.h"
#include "bankterm/widgets/table.h"
#include "common/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEDGER_US = 1000000, TICK_US = 1000000, BELL_US = 1000000 };

int64_t app_now_us(const struct app *app)
{
    return app->config.clock->now_us(app->config.clock);
}

int64_t app_monotonic_us(const struct app *app)
{
    return app->config.clock->monotonic_us(app->config.clock);
}

bool app_live(const struct app *app)
{
    return app->state == NET_LIVE;
}

void app_notice(struct app *app, enum style style, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(app->notice, sizeof app->notice, format, arguments);
    va_end(arguments);
    app->notice_style = style;
    app->notice_here = false;
    app->notice_until_us = app_monotonic_us(app) + APP_NOTICE_MS * US_PER_MS;
    app->wish.draw = true;
}

/* Whether a result is told that nobody can have read yet. */
static bool result_stands(const struct app *app)
{
    return app->notice[0] != '\0' &&
           (app->notice_style == STYLE_GOOD || app->notice_style == STYLE_BAD) &&
           app_monotonic_us(app) <
               app->notice_until_us - (APP_NOTICE_MS - APP_RESULT_MS) * US_PER_MS;
}

/* What others did may come right behind the answer to what the user did: that one is read first. */
static void show_news(struct app *app)
{
    if (app->news[0] == '\0' || result_stands(app))
        return;
    app_notice(app, STYLE_WARN, "%s", app->news);
    app->news[0] = '\0';
}

void app_copy(struct app *app, struct slice text)
{
    if (text.n == 0)
        return;
    if (text.n >= sizeof app->wish.copy) {
        app_notice(app, STYLE_WARN, "Too long for the clipboard");
        return;
    }
    slice_copy(text, app->wish.copy, sizeof app->wish.copy);
    app_notice(app, STYLE_NOTICE, "Copied: %s", app->wish.copy);
}

const struct undo_offer *app_undo_offer(const struct app *app)
{
    return app->undo.count > 0 && app->undo.until_us > app_now_us(app) ? &app->undo : NULL;
}

/* --- the stack ----------------------------------------------------------------------------- */

struct screen *app_top(const struct app *app)
{
    return app->depth > 0 ? app->stack[app->depth - 1] : NULL;
}

bool app_is_top(const struct screen *screen)
{
    return app_top(screen->app) == screen;
}

static int stack_index(const struct app *app, const struct screen *screen)
{
    for (int i = 0; i < app->depth; i++) {
        if (app->stack[i] == screen)
            return i;
    }
    return -1;
}

struct screen *app_below(const struct app *app, const struct screen *screen)
{
    int at = stack_index(app, screen);
    return at > 0 ? app->stack[at - 1] : NULL;
}

/* The lowest screen that is not covered whole. */
static int first_visible(const struct app *app)
{
    int at = app->depth - 1;
    while (at > 0 && app->stack[at]->ops->modal)
        at--;
    return at < 0 ? 0 : at;
}

struct screen *app_push(struct app *app, const struct screen_ops *ops, const char *argument)
{
    if (app->depth == APP_STACK_MAX) {
        app_notice(app, STYLE_WARN, "Too many screens are open: go back first");
        return NULL;
    }
    struct screen *screen = calloc(1, ops->size);
    if (screen == NULL) {
        app_notice(app, STYLE_BAD, "%s", err_what(ERR_memory));
        return NULL;
    }
    screen->ops = ops;
    screen->app = app;
    screen->serial = ++app->serials;
    app->stack[app->depth++] = screen;
    app->wish.draw = true;
    if (ops->open != NULL)
        ops->open(screen, argument);
    return screen;
}

static void drop_top(struct app *app)
{
    struct screen *screen = app->stack[--app->depth];
    for (int i = 0; i < APP_PENDING_MAX; i++) {
        if (app->pending[i].ticket != 0 && app->pending[i].serial == screen->serial) {
            app->config.link.ops->cancel(app->config.link.self, app->pending[i].ticket);
            app->pending[i].ticket = 0;
        }
    }
    if (screen->ops->close != NULL)
        screen->ops->close(screen);
    explicit_bzero(screen, screen->ops->size);
    free(screen);
}

static void drop_to(struct app *app, int depth)
{
    while (app->depth > depth)
        drop_top(app);
}

void app_pop(struct app *app, struct screen *screen)
{
    int at = stack_index(app, screen);
    if (at < 0)
        return;
    drop_to(app, at);
    app->wish.draw = true;
    struct screen *top = app_top(app);
    if (top != NULL && top->ops->shown != NULL)
        top->ops->shown(top);
}

void app_home(struct app *app, const struct screen_ops *ops, const char *argument)
{
    drop_to(app, 1);
    if (ops != NULL)
        app_push(app, ops, argument);
    else if (app_top(app) != NULL && app_top(app)->ops->shown != NULL)
        app_top(app)->ops->shown(app_top(app));
    app->wish.draw = true;
}

unsigned app_places(const struct screen *screen)
{
    return screen->ops->places_now != NULL ? screen->ops->places_now(screen) : screen->ops->places;
}

/* --- questions and answers ------------------------------------------------------------------ */

uint64_t app_ask(struct screen *screen, enum op_index op, const void *body, int64_t deadline_ms,
                 struct fault *fault)
{
    struct app     *app = screen->app;
    struct pending *slot = NULL;
    for (int i = 0; i < APP_PENDING_MAX && slot == NULL; i++) {
        if (app->pending[i].ticket == 0)
            slot = &app->pending[i];
    }
    if (slot == NULL) {
        fault_set(fault, ERR_busy, "", "Too many questions are open");
        return 0;
    }
    uint64_t ticket =
        app->config.link.ops->request(app->config.link.self, op, body, deadline_ms, fault);
    if (ticket != 0)
        *slot = (struct pending){ ticket, screen->serial, app_monotonic_us(app) };
    app->wish.draw = true;
    return ticket;
}

void app_forget(struct screen *screen, uint64_t ticket)
{
    struct app *app = screen->app;
    for (int i = 0; i < APP_PENDING_MAX; i++) {
        if (ticket != 0 && app->pending[i].ticket == ticket) {
            app->config.link.ops->cancel(app->config.link.self, ticket);
            app->pending[i].ticket = 0;
        }
    }
}

static void take_answer(struct app *app, const struct net_result *result)
{
    for (int i = 0; i < APP_PENDING_MAX; i++) {
        if (app->pending[i].ticket != result->ticket)
            continue;
        uint64_t serial = app->pending[i].serial;
        app->pending[i].ticket = 0;
        for (int s = 0; s < app->depth; s++) {
            struct screen *screen = app->stack[s];
            if (screen->serial == serial && screen->ops->result != NULL) {
                screen->ops->result(screen, result);
                return;
            }
        }
        return;
    }
}

static void tell_visible(struct app *app, const struct net_result *result)
{
    for (int i = first_visible(app); i < app->depth; i++) {
        if (app->stack[i]->ops->event != NULL)
            app->stack[i]->ops->event(app->stack[i], result);
    }
}

static void refresh_visible(struct app *app)
{
    for (int i = first_visible(app); i < app->depth; i++) {
        if (app->stack[i]->ops->refresh != NULL)
            app->stack[i]->ops->refresh(app->stack[i]);
    }
}

static void take_alert(struct app *app, const struct msg_event_alert *alert)
{
    char amount[64];
    char key[KEY_NAME_MAX];
    if (alert->state != ALERT_OPEN)
        return;
    app->alerts_new++;
    app->alert_told = alert->alert_id;
    show_sum(alert->amount, alert->currency, amount, sizeof amount);
    snprintf(app->news, sizeof app->news, "! New alert (%s shows it): score %d, %s, %.*s",
             action_key(ACTION_newest_alert, key), (int)alert->score, amount, (int)alert->text.n,
             alert->text.at != NULL ? alert->text.at : "");
    show_news(app);
    int64_t now = app_monotonic_us(app);
    if (app->config.bell && now - app->last_bell_us >= BELL_US) {
        app->wish.bell = true;
        app->last_bell_us = now;
    }
}

/* For everybody of the role, or for one user; whom it is not for is not told. */
static void take_notification(struct app *app, const struct msg_event_notification *told)
{
    char                   words[SHOW_WORDS_MAX];
    char                   key[KEY_NAME_MAX];
    const struct role_row *role = role_find(app->role);
    if (MSG_HAS(told, event_notification, role) &&
        (role == NULL || !slice_is(told->role, role->name)))
        return;
    snprintf(app->news, sizeof app->news, "! New notification: %s; %s shows it",
             show_choice(&enum_notification_topic, told->topic, words),
             action_key(ACTION_notifications, key));
    show_news(app);
}

static void take_event(struct app *app, const struct net_result *result)
{
    if (result->event == EVENT_INDEX_ledger || result->event == EVENT_INDEX_account) {
        app->ledger_changed = true;
        return;
    }
    if (result->event == EVENT_INDEX_alert && app->was_logged_in)
        take_alert(app, result->body);
    if (result->event == EVENT_INDEX_notification && app->was_logged_in)
        take_notification(app, result->body);
    tell_visible(app, result);
}

static void take_state(struct app *app, const struct net_result *result)
{
    const struct link *link = &app->config.link;
    enum net_state     before = app->state;
    app->state = link->ops->state(link->self);
    if (app->was_logged_in && !link->ops->logged_in(link->self)) {
        app->was_logged_in = false;
        app_lock(app, result->fault.text[0] != '\0' ? result->fault.text : "The session has ended");
    }
    tell_visible(app, result);
    if (app->state == NET_LIVE && before != NET_LIVE)
        refresh_visible(app);
}

void app_pump(struct app *app)
{
    struct net_result result;
    while (app->config.link.ops->pump(app->config.link.self, &result)) {
        app->wish.draw = true;
        if (result.kind == NET_EVENT)
            take_event(app, &result);
        else if (result.kind == NET_STATE)
            take_state(app, &result);
        else
            take_answer(app, &result);
    }
}

/* --- time ---------------------------------------------------------------------------------- */

static void tell_ledger(struct app *app, int64_t now)
{
    if (!app->ledger_changed || now - app->last_ledger_us < LEDGER_US)
        return;
    app->ledger_changed = false;
    app->last_ledger_us = now;
    tell_visible(app, &(struct net_result){ .kind = NET_EVENT, .event = EVENT_INDEX_ledger });
}

/* When the oldest open question becomes slow; INT64_MAX when none is open. */
static int64_t slow_at_us(const struct app *app)
{
    int64_t at = INT64_MAX;
    for (int i = 0; i < APP_PENDING_MAX; i++) {
        int64_t slow = app->pending[i].asked_us + APP_SLOW_MS * US_PER_MS;
        if (app->pending[i].ticket != 0 && slow < at)
            at = slow;
    }
    return at;
}

void app_tick(struct app *app)
{
    int64_t now = app_monotonic_us(app);
    int64_t idle = now - app->last_input_us;
    int64_t slow = slow_at_us(app);
    tell_ledger(app, now);
    if (slow <= now && slow != app->last_slow_us) {
        app->last_slow_us = slow;
        app->wish.draw = true;
    }
    if (app->notice[0] != '\0' && now >= app->notice_until_us) {
        app->notice[0] = '\0';
        app->wish.draw = true;
    }
    show_news(app);
    if (app->config.idle_lock_minutes > 0 && app->was_logged_in &&
        idle >= app->config.idle_lock_minutes * US_PER_MINUTE)
        app_lock(app, "Nobody typed for a while");
    if (now - app->last_tick_us < TICK_US)
        return;
    app->last_tick_us = now;
    app->state = app->config.link.ops->state(app->config.link.self);
    app->wish.draw = true;
    for (int i = first_visible(app); i < app->depth; i++) {
        if (app->stack[i]->ops->tick != NULL)
            app->stack[i]->ops->tick(app->stack[i]);
    }
}

bool app_waiting(const struct app *app)
{
    return slow_at_us(app) <= app_monotonic_us(app);
}

int64_t app_next_tick_us(const struct app *app)
{
    int64_t next = app->last_tick_us + TICK_US;
    int64_t slow = slow_at_us(app);
    if (slow > app->last_slow_us && slow < next)
        next = slow;
    if (app->ledger_changed && app->last_ledger_us + LEDGER_US < next)
        next = app->last_ledger_us + LEDGER_US;
    return next;
}

/* --- keys ---------------------------------------------------------------------------------- */

static bool too_small(const struct app *app)
{
    return app->canvas.width < APP_WIDTH_MIN || app->canvas.height < APP_HEIGHT_MIN;
}

/* Repainting and suspending work everywhere, whatever is being typed. */
static bool works_everywhere(uint32_t key)
{
    enum action action = action_of_key(key, IN_ANY, ROLE_NONE);
    return action == ACTION_refresh || action == ACTION_suspend;
}

static void take_key(struct app *app, uint32_t key)
{
    struct screen *top = app_top(app);
    if (top == NULL || too_small(app))
        return;
    if (app->notice[0] != '\0' && (app->notice_style != STYLE_WARN || app->notice_here))
        app->notice[0] = '\0';
    if (!works_everywhere(key) && top->ops->key != NULL && top->ops->key(top, key))
        return;
    unsigned    places = works_everywhere(key) ? IN_ANY : app_places(top);
    enum action action = action_of_key(key, places, app->role);
    if (action == ACTION_none)
        action = action_of_key(key, places, ROLE_EVERY); /* which app_act refuses, and says so */
    if (action != ACTION_none)
        app_act(app, action, "");
}

static void take_paste(struct app *app, struct slice text)
{
    struct screen *top = app_top(app);
    if (top != NULL && !too_small(app) && top->ops->paste != NULL && top->ops->paste(top, text))
        return;
    app_notice(app, STYLE_WARN, "Pasted text was dropped: no input field is open");
}

void app_input(struct app *app, const struct input *input)
{
    struct screen *top = app_top(app);
    app->wish.draw = true;
    if (input->kind == INPUT_RESIZE) {
        if (canvas_resize(&app->canvas, input->x, input->y) != ERR_none)
            app_notice(app, STYLE_BAD, "%s", err_what(ERR_memory));
        app->wish.repaint = true;
        return;
    }
    app->last_input_us = app_monotonic_us(app);
    if (input->kind == INPUT_KEY)
        take_key(app, input->key);
    else if (input->kind == INPUT_PASTE)
        take_paste(app, input->text);
    else if (top != NULL && top->ops->click != NULL && !too_small(app))
        top->ops->click(top, input->x, input->y);
}

/* --- actions ------------------------------------------------------------------------------- */

bool app_can(const struct app *app, const struct screen *screen, enum action action)
{
    if (action == ACTION_back && app->depth <= 1)
        return false;
    return action_allowed(action, app->role) &&
           (screen->ops->can == NULL || screen->ops->can(screen, action));
}

static void show_by_id(struct app *app, enum action action, const char *argument)
{
    struct uuid id;
    if (uuid_parse(argument, strlen(argument), &id) != ERR_none)
        app_notice(app, STYLE_WARN, ":%s needs the record's id", action_row(action)->name);
    else if (action == ACTION_transaction)
        app_show_transaction(app, &id);
    else if (action == ACTION_account)
        app_show_account(app, &id);
    else
        app_show_alert(app, &id);
}

static void open_pay(struct app *app, enum action action, const char *argument)
{
    char text[APP_COMMAND_MAX + 16];
    snprintf(text, sizeof text, "%s %s", action_row(action)->name, argument);
    app_push(app, &screen_pay, text);
}

static void go_back(struct app *app)
{
    char key[KEY_NAME_MAX];
    if (app->depth > 1)
        app_pop(app, app_top(app));
    else
        app_notice(app, STYLE_NOTICE, "This is the first screen; %s leaves bankterm",
                   action_key(ACTION_quit, key));
}

static void copy_selected(struct app *app, struct screen *top)
{
    char text[APP_COPY_MAX];
    if (top->ops->copied != NULL) {
        app_copy(app, top->ops->copied(top, text, sizeof text));
    } else if (top->ops->table != NULL) {
        const struct table *table = top->ops->table(top);
        const void         *row = table_selected(table);
        if (row != NULL)
            app_copy(app, slice_of(text, table_row_text(table, row, text, sizeof text)));
    }
}

/* What every screen with a table can do. */
static bool act_table(struct app *app, struct screen *top, enum action action, const char *argument)
{
    if (top->ops->table == NULL && top->ops->copied == NULL)
        return false;
    if (action == ACTION_copy) {
        copy_selected(app, top);
        return true;
    }
    if (top->ops->table == NULL)
        return false;
    if (action == ACTION_filter && argument[0] != '\0')
        table_set_filter(top->ops->table(top), argument);
    else if (action == ACTION_filter)
        app_push(app, &screen_filter, "");
    else if (action == ACTION_columns)
        app_push(app, &screen_columns, "");
    return action == ACTION_filter || action == ACTION_columns;
}

/* Screens and the console's own actions; false when the action belongs to a screen. */
static bool act_global(struct app *app, enum action action, const char *argument)
{
    switch ((int)action) {
    case ACTION_help:
        return app_push(app, &screen_help, "") != NULL;
    case ACTION_palette:
        return app_push(app, &screen_palette, "") != NULL;
    case ACTION_back:
        go_back(app);
        return true;
    case ACTION_refresh:
        app->wish.repaint = true;
        app->config.link.ops->retry_now(app->config.link.self);
        refresh_visible(app);
        return true;
    case ACTION_lock:
        app_lock(app, "");
        return true;
    case ACTION_mouse:
        app->wish.mouse = !app->wish.mouse;
        app_notice(app, STYLE_NOTICE, "The mouse is %s", app->wish.mouse ? "on" : "off");
        return true;
    case ACTION_suspend:
        app->wish.suspend = true;
        return true;
    case ACTION_quit:
    case ACTION_quit_login:
        return app_push(app, &screen_quit, "") != NULL;
    case ACTION_logout:
        app_log_out(app);
        return true;
    case ACTION_transaction:
    case ACTION_account:
    case ACTION_alert:
        show_by_id(app, action, argument);
        return true;
    case ACTION_newest_alert:
        if (uuid_is_zero(&app->alert_told))
            app_notice(app, STYLE_NOTICE, "No new alert was told of since you came");
        else
            app_show_alert(app, &app->alert_told);
        return true;
    case ACTION_next:
        return app_push(app, &screen_alert, "next") != NULL;
    case ACTION_deposit:
    case ACTION_withdraw:
    case ACTION_transfer:
    case ACTION_payment:
        open_pay(app, action, argument);
        return true;
    default:
        return false;
    }
}

static bool act_go(struct app *app, enum action action, const char *argument)
{
    switch ((int)action) {
    case ACTION_dashboard:
        app_home(app, NULL, "");
        return true;
    case ACTION_transactions:
        app_home(app, &screen_history, argument);
        return true;
    case ACTION_accounts:
        app_home(app, &screen_accounts, argument);
        return true;
    case ACTION_alerts:
        app_home(app, &screen_alerts, argument);
        return true;
    case ACTION_customers:
        app_home(app, &screen_customers, argument);
        return true;
    case ACTION_audit:
        app_home(app, &screen_audit, argument);
        return true;
    case ACTION_cases:
        app_home(app, &screen_cases, argument);
        return true;
    case ACTION_case:
        app_push(app, &screen_case, argument);
        return true;
    case ACTION_rules:
        app_home(app, &screen_rules, "");
        return true;
    case ACTION_scoreboard:
        app_push(app, &screen_scoreboard, "");
        return true;
    case ACTION_controls:
        app_home(app, &screen_controls, "");
        return true;
    case ACTION_lists:
        app_push(app, &screen_screening, argument);
        return true;
    case ACTION_suppressions:
        app_push(app, &screen_suppressions, "");
        return true;
    case ACTION_notifications:
        /* A notice comes while one is at work, and Esc leads back to the work. */
        if (app_top(app) != NULL && app_top(app)->ops != &screen_notifications)
            app_push(app, &screen_notifications, "");
        return true;
    case ACTION_curves:
        app_push(app, &screen_curves, "");
        return true;
    case ACTION_backtest:
        backtest_ask(app, slice_of("", 0));
        return true;
    case ACTION_status:
    case ACTION_session:
    case ACTION_verify:
        app_push(app, &screen_viewer, action_row(action)->name);
        return true;
    default:
        return false;
    }
}

void app_act(struct app *app, enum action action, const char *argument)
{
    struct screen           *top = app_top(app);
    const struct action_row *row = action_row(action);
    if (top == NULL)
        return;
    app->wish.draw = true;
    if (!action_allowed(action, app->role)) {
        app_notice(app, STYLE_WARN, "Your role may not use \"%s\"", row->name);
        return;
    }
    if ((row->flags & ACT_WRITE) != 0 && !app_live(app)) {
        app_notice(app, STYLE_WARN, "Not connected: \"%s\" waits until the server answers",
                   row->name);
        return;
    }
    if (top->ops->act != NULL && top->ops->act(top, action, argument))
        return;
    if (!act_table(app, top, action, argument) && !act_global(app, action, argument) &&
        !act_go(app, action, argument)) {
        app_notice(app, STYLE_WARN, "\"%s\" means nothing on this screen", row->name);
        app->notice_here = true;
    }
}

void app_command(struct app *app, const char *line)
{
    struct slice rest = slice_from(line);
    struct slice name;
    if (!key_next(&rest, &name))
        return;
    while (rest.n > 0 && rest.at[0] == ' ')
        rest = slice_of(rest.at + 1, rest.n - 1);
    enum action action = action_of_name(name);
    char        key[KEY_NAME_MAX];
    if (action == ACTION_none) {
        app_notice(app, STYLE_WARN, "There is no command \"%.*s\"; %s lists them", (int)name.n,
                   name.at, action_key(ACTION_help, key));
        app->notice_here = true;
        return;
    }
    const char *wanted = action_row(action)->arguments;
    if (wanted[0] != '\0' && wanted[0] != '[' && rest.n == 0) {
        app_notice(app, STYLE_WARN, ":%s needs its %s", action_row(action)->name, wanted);
        return;
    }
    char argument[APP_COMMAND_MAX];
    app_act(app, action, slice_copy(rest, argument, sizeof argument));
}

/* --- sessions ------------------------------------------------------------------------------ */

void app_logged_in(struct app *app, const struct msg_session *session)
{
    const struct role_row *role = role_from_name(session->role);
    char                   user[sizeof app->user];
    slice_copy(session->email, user, sizeof user);
    bool same = strcmp(user, app->user) == 0 && app->depth > 1 &&
                app->role == (role != NULL ? role->role : ROLE_NONE);
    memcpy(app->user, user, sizeof user);
    slice_copy(session->name, app->user_name, sizeof app->user_name);
    app->role = role != NULL ? role->role : ROLE_NONE;
    app->was_logged_in = true;
    app->last_input_us = app_monotonic_us(app);
    if (same) {
        app_pop(app, app_top(app));
        refresh_visible(app);
        return;
    }
    drop_to(app, 0);
    app->alerts_new = 0;
    app->undo.count = 0;
    if (app->role == ROLE_FINANCIAL_MANAGER)
        app_push(app, &screen_finance, "");
    else if (app->role == ROLE_COMPLIANCE_OFFICER)
        app_push(app, &screen_compliance, "");
    else
        app_push(app, &screen_fraud, "");
}

void app_log_out(struct app *app)
{
    struct fault     fault = { 0 };
    struct link     *link = &app->config.link;
    struct msg_empty nothing = { 0 };
    uint64_t         ticket =
        link->ops->request(link->self, OP_INDEX_session_logout, &nothing, APP_DEADLINE_MS, &fault);
    if (ticket == 0)
        link->ops->forget_session(link->self);
    app->was_logged_in = false;
    drop_to(app, 0);
    app->role = ROLE_NONE;
    app->user[0] = '\0';
    app->user_name[0] = '\0';
    app_push(app, &screen_login, "");
}

void app_lock(struct app *app, const char *why)
{
    struct screen *top = app_top(app);
    if (top != NULL && (top->ops == &screen_lock || top->ops == &screen_login))
        return;
    app->was_logged_in = false;
    if (app->depth == APP_STACK_MAX)
        drop_top(app);
    app_push(app, &screen_lock, why);
}

/* --- life ---------------------------------------------------------------------------------- */

enum err app_open(struct app **out, const struct app_config *config, int width, int height)
{
    struct app *app = calloc(1, sizeof *app);
    *out = NULL;
    if (app == NULL)
        return ERR_memory;
    app->config = *config;
    app->canvas.ascii = config->ascii;
    app->state = config->link.ops->state(config->link.self);
    app->last_input_us = app_monotonic_us(app);
    app->last_tick_us = app->last_input_us;
    enum err err = canvas_resize(&app->canvas, width, height);
    if (err != ERR_none) {
        free(app);
        return err;
    }
    app_push(app, &screen_login, config->user);
    *out = app;
    return ERR_none;
}

void app_close(struct app **app)
{
    if (*app == NULL)
        return;
    drop_to(*app, 0);
    canvas_free(&(*app)->canvas);
    explicit_bzero(*app, sizeof **app);
    free(*app);
    *app = NULL;
}

void app_draw(struct app *app)
{
    canvas_clear(&app->canvas);
    app->wish.draw = false;
    if (too_small(app)) {
        canvas_print(&app->canvas, 0, 0, app->canvas.width, STYLE_TEXT, "Window too small");
        canvas_print(&app->canvas, 0, 1, app->canvas.width, STYLE_DIM, "%dx%d is needed",
                     APP_WIDTH_MIN, APP_HEIGHT_MIN);
        return;
    }
    frame_draw(app, &app->canvas);
    struct rect body = { 0, 1, app->canvas.width, app->canvas.height - 3 };
    struct rect before = canvas_clip(&app->canvas, body);
    for (int i = first_visible(app); i < app->depth; i++) {
        if (app->stack[i]->ops->modal) {
            app->canvas.cursor_x = -1;
            app->canvas.cursor_y = -1;
        }
        if (app->stack[i]->ops->draw != NULL)
            app->stack[i]->ops->draw(app->stack[i], &app->canvas, body);
    }
    canvas_unclip(&app->canvas, before);
    frame_draw_notice(app, &app->canvas);
}
