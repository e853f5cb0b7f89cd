/* The frame is made from the table of actions: tabs are the actions that go to a screen and have a
 * key, the bottom bar those with a place in it. The state of the connection always stands in the
 * same corner. */
#include "bankterm/frame.h"

#include "bankterm/keys.h"
#include "bankterm/show.h"
#include "bankterm/widgets/table.h"

#include <stdio.h>
#include <string.h>

/* The short name is for windows in which the long ones have no place beside one another: all ten
 * of the compliance officer fit into 80 columns. */
static const struct {
    enum action action;
    const char *title;
    const char *brief;
} tabs[] = {
    { ACTION_dashboard, "Dashboard", "Dash" },   { ACTION_transactions, "Transactions", "Txns" },
    { ACTION_accounts, "Accounts", "Accs" },     { ACTION_alerts, "Alerts", "Alert" },
    { ACTION_customers, "Customers", "Cust" },   { ACTION_audit, "Audit", "Audit" },
    { ACTION_rules, "Rules", "Rule" },           { ACTION_controls, "Controls", "Ctrl" },
    { ACTION_notifications, "Notices", "News" }, { ACTION_cases, "Cases", "Case" },
};

enum { TAB_COUNT = sizeof tabs / sizeof tabs[0] };

enum { NOTICE_LINES = 3 };

/* How much of the tabs is written. */
enum tab_names { TABS_LONG, TABS_SHORT, TABS_KEYS };

static void state_text(const struct app *app, char *out, size_t size)
{
    const struct link *link = &app->config.link;
    int64_t            heard = link->ops->last_heard_us(link->self);
    int64_t            retry = (link->ops->retry_in_ms(link->self) + 999) / 1000;
    char               since[16] = "the start";
    if (heard > 0)
        show_second(heard, since, sizeof since);
    if (app->state == NET_LIVE)
        snprintf(out, size, "%s", app_waiting(app) ? "wait" : "live");
    else if (app->state == NET_CONNECTING)
        snprintf(out, size, "connecting");
    else if (app->state == NET_STALE)
        snprintf(out, size, "stale since %s", since);
    else
        snprintf(out, size, "retry in %d s", (int)retry);
}

/* The tab of the topmost screen that has one. */
static enum action active_tab(const struct app *app)
{
    for (int at = app->depth - 1; at > 0; at--) {
        for (int i = 0; i < TAB_COUNT; i++) {
            if (strcmp(action_row(tabs[i].action)->name, app->stack[at]->ops->name) == 0)
                return tabs[i].action;
        }
    }
    return ACTION_dashboard;
}

static const char *tab_name(int tab, enum tab_names names, bool active)
{
    if (names == TABS_LONG || (names == TABS_KEYS && active))
        return tabs[tab].title;
    return names == TABS_SHORT ? tabs[tab].brief : "";
}

/* Draws the tabs, or only measures them when canvas is NULL; returns where they end. */
static int draw_tabs(const struct app *app, struct canvas *canvas, enum tab_names names)
{
    enum action here = active_tab(app);
    int         x = 0;
    for (int i = 0; i < TAB_COUNT; i++) {
        bool         active = tabs[i].action == here;
        const char  *name = tab_name(i, names, active);
        struct slice keys = slice_from(action_keys(tabs[i].action));
        struct slice key;
        char         text[32];
        if (!action_allowed(tabs[i].action, app->role))
            continue;
        key_next(&keys, &key);
        snprintf(text, sizeof text, " %.*s%s%s%s", (int)key.n, key.at, name[0] != '\0' ? " " : "",
                 name, names == TABS_SHORT ? "" : " ");
        int width = (int)strlen(text);
        if (canvas != NULL)
            canvas_string(canvas, x, 0, width, active ? STYLE_TOP_ACTIVE : STYLE_TOP, text);
        x += width;
    }
    return x;
}

static void draw_top(const struct app *app, struct canvas *canvas)
{
    char state[64];
    char news[32] = "";
    bool live = app_live(app);
    state_text(app, state, sizeof state);
    if (app->alerts_new > 0 && app->was_logged_in)
        snprintf(news, sizeof news, " ! %u new ", app->alerts_new);
    int width = (int)strlen(state) + (live ? 3 : 4);
    int room = canvas->width - width - (int)strlen(news);
    canvas_fill(canvas, (struct rect){ 0, 0, canvas->width, 1 }, STYLE_TOP, ' ');
    enum tab_names names = TABS_LONG;
    while (names < TABS_KEYS && draw_tabs(app, NULL, names) > room)
        names++;
    if (app->was_logged_in)
        draw_tabs(app, canvas, names);
    else
        canvas_print(canvas, 1, 0, room, STYLE_TOP, "bankterm  %s", app->config.server);
    canvas_string(canvas, room, 0, (int)strlen(news), STYLE_TOP_BAD, news);
    enum style style = live ? STYLE_TOP : STYLE_TOP_BAD;
    int        x = canvas->width - width;
    canvas_fill(canvas, (struct rect){ x, 0, width, 1 }, style, ' ');
    canvas_glyph(canvas, x + 1, 0, style, live ? GLYPH_LIVE : GLYPH_AWAY);
    canvas_string(canvas, x + 3, 0, width - 3, style, state);
}

/* Where nothing else is to be told: the name that the list has no room for. */
static const char *name_cut(const struct app *app)
{
    struct screen      *top = app_top(app);
    const struct table *table =
        top != NULL && top->ops->table != NULL ? top->ops->table(top) : NULL;
    return table != NULL ? table->cut : "";
}

static void draw_notice(const struct app *app, struct canvas *canvas)
{
    char                   who[LIMIT_EMAIL_MAX + 96] = "";
    char                   now[16];
    int                    y = canvas->height - 2;
    const struct role_row *role = role_find(app->role);
    show_second(app_now_us(app), now, sizeof now);
    if (app->was_logged_in && role != NULL)
        snprintf(who, sizeof who, "%s, %s  %s UTC", app->user, role->title, now);
    else
        snprintf(who, sizeof who, "%s UTC", now);
    int width = text_columns(slice_from(who));
    if (text_columns(slice_from(app->notice)) > canvas->width - 2)
        return;
    int used = canvas_string(canvas, 1, y, canvas->width - 2, app->notice_style, app->notice);
    if (used == 0)
        used = canvas_string(canvas, 1, y, canvas->width - 2, STYLE_DIM, name_cut(app));
    if (used + width + 3 <= canvas->width)
        canvas_string(canvas, canvas->width - width - 1, y, width, STYLE_DIM, who);
}

/* A notice that one line does not hold covers the end of the screen as long as it stands. */
void frame_draw_notice(const struct app *app, struct canvas *canvas)
{
    struct slice text = slice_from(app->notice);
    struct rect  nowhere = { 0, 0, 0, 0 };
    struct rect  room = { 1, 0, canvas->width - 2, NOTICE_LINES };
    draw_notice(app, canvas);
    if (text_columns(text) <= room.w)
        return;
    struct rect before = canvas_clip(canvas, nowhere);
    int         lines = canvas_paragraph(canvas, room, app->notice_style, text);
    canvas_unclip(canvas, before);
    room.y = canvas->height - 1 - lines;
    room.h = lines;
    canvas_fill(canvas, (struct rect){ 0, room.y, canvas->width, lines }, STYLE_TEXT, ' ');
    canvas_paragraph(canvas, room, app->notice_style, text);
}

/* Key and label of one action; returns the columns with the gap behind. */
static int draw_key(struct canvas *canvas, int x, int y, enum action action, const char *label,
                    bool draw)
{
    struct slice keys = slice_from(action_keys(action));
    struct slice name;
    if (!key_next(&keys, &name))
        return 0;
    int key = (int)name.n;
    int width = (int)strlen(label);
    if (draw) {
        canvas_text(canvas, x, y, key, STYLE_KEY, name);
        canvas_string(canvas, x + key + 1, y, width, STYLE_KEY_LABEL, label);
    }
    return key + width + 3;
}

static void draw_bar(const struct app *app, struct canvas *canvas)
{
    const struct screen *top = app_top(app);
    enum { OWN_BELOW = 40, GLOBAL_FROM = 90 };
    int y = canvas->height - 1;
    int right = 0;
    if (top == NULL)
        return;
    unsigned places = app_places(top);
    for (unsigned n = GLOBAL_FROM; n <= ACT_BAR_MASK; n++) {
        for (int i = 0; i < ACTION_count; i++) {
            if ((action_row((enum action)i)->flags & ACT_BAR_MASK) == n &&
                (action_row((enum action)i)->places & places) != 0)
                right += draw_key(canvas, 0, y, (enum action)i, action_row((enum action)i)->label,
                                  false);
        }
    }
    int  x = 1;
    int  end = canvas->width - right;
    bool more = false; /* keys of this screen have no room, and help tells them */
    for (unsigned n = 1; n <= ACT_BAR_MASK; n++) {
        if (n == GLOBAL_FROM && x < end) {
            x = end;
        }
        for (int i = 0; i < ACTION_count; i++) {
            enum action              action = (enum action)i;
            const struct action_row *row = action_row(action);
            if ((row->flags & ACT_BAR_MASK) != n || (row->places & places) == 0 ||
                !app_can(app, top, action))
                continue;
            const char *label = action == ACTION_help && more ? "more" : row->label;
            int         width = draw_key(canvas, x, y, action, label, false);
            if (x + width - 2 > (n < GLOBAL_FROM ? end : canvas->width)) {
                more = more || n < OWN_BELOW;
                continue;
            }
            x += draw_key(canvas, x, y, action, label, true);
        }
    }
}

void frame_draw(const struct app *app, struct canvas *canvas)
{
    draw_top(app, canvas);
    draw_bar(app, canvas);
}
