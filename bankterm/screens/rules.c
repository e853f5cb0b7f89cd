/* The versions of the rules, and one version in full: what it changes against the one in force, its
 * text, its scorecard. A version is proposed from files, approved by somebody else who has read the
 * changes, or withdrawn.
 *
 * Approving is asked for on the version's own screen only, so that nobody approves by the line of a
 * list: the same key in the list opens that screen. */
#include "bankterm/app.h"
#include "bankterm/diff.h"
#include "bankterm/screens/act.h"
#include "bankterm/screens/rows.h"
#include "bankterm/screens/screens.h"
#include "bankterm/screens/subject.h"
#include "bankterm/widgets/list.h"
#include "bankterm/widgets/panels.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 320, NEVER = 1001 };

/* --- the versions ---------------------------------------------------------------------------- */

struct versions {
    struct list_screen base;
};

static struct versions *versions_of(struct screen *screen)
{
    return (struct versions *)screen;
}

static void query_versions(const struct screen *screen, void *body)
{
    (void)screen;
    (void)body;
}

static void versions_open(struct screen *screen, const char *argument)
{
    struct versions *versions = versions_of(screen);
    (void)argument;
    list_init(&versions->base.list, OP_INDEX_rules_list, rows_version, rows_version_count,
              query_versions);
    list_refresh(screen, &versions->base.list);
}

static void versions_event(struct screen *screen, const struct net_result *result)
{
    if (result->kind == NET_EVENT && result->event == EVENT_INDEX_rules)
        list_screen_refresh(screen);
}

static void show_version(struct app *app, const struct msg_rule_version *version,
                         const struct screen_ops *ops)
{
    char argument[32];
    snprintf(argument, sizeof argument, "%lld", (long long)version->rule_set);
    app_push(app, ops, argument);
}

static void propose(struct app *app)
{
    struct act *act = operate_begin(app, ACTION_propose, OP_INDEX_rules_propose, "Propose rules");
    if (act == NULL)
        return;
    operate_fact(act, "Files", slice_from("What is left empty stays as it is in force"));
    operate_ready(act);
    operate_label(act, "rules", "Rules, file");
    operate_label(act, "scorecard", "Scorecard, file");
}

static void withdraw(struct app *app, int64_t number, struct slice hash, struct slice reason)
{
    char        text[TEXT_MAX];
    struct act *act =
        operate_begin(app, ACTION_withdraw_rules, OP_INDEX_rules_withdraw, "Withdraw the rules");
    if (act == NULL)
        return;
    operate_fix(act, "hash", show_hex(hash, text, sizeof text));
    snprintf(text, sizeof text, "%lld", (long long)number);
    operate_fact(act, "Version", slice_from(text));
    operate_fact(act, "Proposed for", reason);
    operate_ready(act);
}

static bool versions_act(struct screen *screen, enum action action, const char *argument)
{
    struct versions               *versions = versions_of(screen);
    const struct msg_rule_version *version = table_selected(&versions->base.list.table);
    switch ((int)action) {
    case ACTION_propose:
        propose(screen->app);
        return true;
    case ACTION_open:
    case ACTION_approve:
        if (version != NULL)
            show_version(screen->app, version, &screen_version);
        if (version != NULL && action == ACTION_approve)
            app_notice(screen->app, STYLE_NOTICE, "Read the changes; A then approves them");
        return true;
    case ACTION_withdraw_rules:
        if (version != NULL && version->state == RULES_PROPOSED)
            withdraw(screen->app, version->rule_set, version->hash, version->reason);
        else
            app_notice(screen->app, STYLE_WARN, "Only a proposed version can be withdrawn");
        return true;
    case ACTION_backtest:
        backtest_ask(screen->app, version != NULL && version->state == RULES_PROPOSED
                                      ? version->hash
                                      : slice_of("", 0));
        return true;
    case ACTION_curves:
        if (version != NULL)
            show_version(screen->app, version, &screen_curves);
        return version != NULL;
    default:
        return list_act(screen, &versions->base.list, action, argument);
    }
}

static bool versions_can(const struct screen *screen, enum action action)
{
    const struct msg_rule_version *version =
        table_selected(&((const struct versions *)screen)->base.list.table);
    bool proposed = version != NULL && version->state == RULES_PROPOSED;
    if (action == ACTION_approve || action == ACTION_withdraw_rules)
        return proposed;
    return true;
}

static void versions_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    list_draw(&versions_of(screen)->base.list, canvas, rect, "Versions of the rules", true);
}

const struct screen_ops screen_rules = {
    .name = "rules",
    .title = "Rules",
    .size = sizeof(struct versions),
    .places = IN_ANY | IN_TABLE | IN_RULES,
    .open = versions_open,
    .close = list_screen_close,
    .shown = list_screen_refresh,
    .refresh = list_screen_refresh,
    .result = list_screen_result,
    .event = versions_event,
    .act = versions_act,
    .can = versions_can,
    .click = list_screen_click,
    .draw = versions_draw,
    .table = list_screen_table,
};

/* --- one version ----------------------------------------------------------------------------- */

struct version {
    struct screen screen;
    int64_t       number; /* 0: the one in force */
    struct fetch  fetch;
    struct fetch  in_force;
    struct diff   rules;
    struct diff   card;
    bool          compared;
    struct panels panels;
};

static struct version *version_of(struct screen *screen)
{
    return (struct version *)screen;
}

static const struct msg_rules *rules_of(const struct version *version)
{
    return version->fetch.record.body;
}

static void version_ask(struct screen *screen)
{
    struct version      *version = version_of(screen);
    struct msg_rules_ref ref = { 0 };
    fetch_ask(screen, &version->in_force, OP_INDEX_rules_get, &ref);
    if (version->number > 0)
        MSG_SET(&ref, rules_ref, rule_set, version->number);
    fetch_ask(screen, &version->fetch, OP_INDEX_rules_get, &ref);
}

/* Once both texts are there. */
static void compare(struct version *version)
{
    const struct msg_rules *after = rules_of(version);
    const struct msg_rules *before = version->in_force.record.body;
    diff_free(&version->rules);
    diff_free(&version->card);
    version->compared = false;
    if (before == NULL || after == NULL)
        return;
    if (diff_make(before->text, after->text, &version->rules) != ERR_none ||
        diff_make(before->scorecard, after->scorecard, &version->card) != ERR_none) {
        app_notice(version->screen.app, STYLE_BAD, "%s", err_what(ERR_memory));
        return;
    }
    version->compared = true;
}

static void version_result(struct screen *screen, const struct net_result *result)
{
    struct version *version = version_of(screen);
    if (fetch_take(&version->fetch, result) || fetch_take(&version->in_force, result)) {
        (void)fetch_again(&version->fetch);
        (void)fetch_again(&version->in_force);
        compare(version);
    }
}

static void version_event(struct screen *screen, const struct net_result *result)
{
    if (result->kind == NET_EVENT && result->event == EVENT_INDEX_rules)
        version_ask(screen);
}

static int line_number(struct canvas *canvas, struct rect rect, int y, const char *label,
                       int64_t number)
{
    char text[32];
    if (number >= NEVER)
        snprintf(text, sizeof text, "never");
    else
        show_count(number, text, sizeof text);
    return detail_line(canvas, rect, y, label, STYLE_TEXT, slice_from(text));
}

static int draw_thresholds(const struct msg_rules *rules, struct canvas *canvas, struct rect rect,
                           int y)
{
    if (!MSG_HAS(rules, rules, parts))
        return detail_line(canvas, rect, y, "Thresholds", STYLE_WARN,
                           slice_from("! the server does not understand these texts any more"));
    y = line_number(canvas, rect, y, "Card parts", rules->parts);
    y = line_number(canvas, rect, y, "Alert from", rules->threshold_alert);
    y = line_number(canvas, rect, y, "Hold from", rules->threshold_hold);
    return line_number(canvas, rect, y, "Decline from", rules->threshold_decline);
}

static int draw_about(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct msg_rules *rules = rules_of(context);
    char                    text[TEXT_MAX];
    char                    minute[32];
    int                     y = rect.y;
    y = detail_line(canvas, rect, y, "State",
                    rules->state == RULES_ACTIVE     ? STYLE_GOOD
                    : rules->state == RULES_PROPOSED ? STYLE_WARN
                                                     : STYLE_DIM,
                    slice_from(enum_text(&enum_rules_state, rules->state)));
    snprintf(text, sizeof text, "%.*s on %s UTC", (int)rules->author.n, rules->author.at,
             show_minute(rules->proposed_at, minute, sizeof minute));
    y = detail_line(canvas, rect, y, "Proposed by", STYLE_TEXT, slice_from(text));
    y = detail_line(canvas, rect, y, "Reason", STYLE_TEXT, rules->reason);
    if (MSG_HAS(rules, rules, approved_at)) {
        snprintf(text, sizeof text, "%.*s on %s UTC", (int)rules->approved_by.n,
                 rules->approved_by.at != NULL ? rules->approved_by.at : "",
                 show_minute(rules->approved_at, minute, sizeof minute));
        y = detail_line(canvas, rect, y, "Approved by", STYLE_TEXT, slice_from(text));
    }
    y = line_number(canvas, rect, y, "Rules", rules->rules);
    y = draw_thresholds(rules, canvas, rect, y);
    y = detail_line(canvas, rect, y, "Hash", STYLE_DIM,
                    slice_from(show_hex(rules->hash, text, sizeof text)));
    return y - rect.y;
}

static bool is_seen(const struct canvas *canvas, int y)
{
    return y >= canvas->clip.y && y < canvas->clip.y + canvas->clip.h;
}

/* Line by line; what is out of sight is only counted. */
static int draw_lines(struct canvas *canvas, struct rect rect, struct slice text)
{
    int y = rect.y;
    while (text.n > 0) {
        const char *end = memchr(text.at, '\n', text.n);
        size_t      n = end != NULL ? (size_t)(end - text.at) : text.n;
        size_t      step = end != NULL ? n + 1 : n;
        if (is_seen(canvas, y))
            canvas_text(canvas, rect.x, y, rect.w,
                        n > 0 && text.at[0] == '#' ? STYLE_DIM : STYLE_TEXT, slice_of(text.at, n));
        text = slice_of(text.at + step, text.n - step);
        y++;
    }
    if (y == rect.y)
        canvas_string(canvas, rect.x, y++, rect.w, STYLE_DIM, "There is none.");
    return y - rect.y;
}

static int draw_text(const void *context, struct canvas *canvas, struct rect rect)
{
    return draw_lines(canvas, rect, rules_of(context)->text);
}

static int draw_card(const void *context, struct canvas *canvas, struct rect rect)
{
    return draw_lines(canvas, rect, rules_of(context)->scorecard);
}

static int draw_diff(struct canvas *canvas, struct rect rect, const struct diff *diff,
                     const char *what)
{
    int y = rect.y;
    if (diff->count == 0)
        return 0;
    canvas_print(canvas, rect.x, y++, rect.w, STYLE_TITLE, "%s: %d lines in, %d out", what,
                 diff->added, diff->removed);
    for (int i = 0; i < diff->count; i++, y++) {
        const struct diff_line *line = &diff->lines[i];
        char                    number[16];
        enum style              style = line->sign == '+'   ? STYLE_GOOD
                                        : line->sign == '-' ? STYLE_BAD
                                                            : STYLE_DIM;
        if (!is_seen(canvas, y) || line->sign == '@')
            continue;
        snprintf(number, sizeof number, "%4d", line->number);
        canvas_string(canvas, rect.x, y, 5, STYLE_DIM, number);
        canvas_put(canvas, rect.x + 5, y, style, (uint32_t)line->sign);
        canvas_text(canvas, rect.x + 7, y, rect.w - 7, style, line->text);
    }
    return y - rect.y;
}

static int draw_changes(const void *context, struct canvas *canvas, struct rect rect)
{
    const struct version   *version = context;
    const struct msg_rules *in_force = version->in_force.record.body;
    int                     y = rect.y;
    if (!version->compared || in_force == NULL) {
        canvas_string(canvas, rect.x, y, rect.w, STYLE_DIM, "Loading ...");
        return 1;
    }
    if (in_force->rule_set == rules_of(version)->rule_set) {
        canvas_string(canvas, rect.x, y, rect.w, STYLE_DIM, "This version is in force.");
        return 1;
    }
    y += draw_diff(canvas, (struct rect){ rect.x, y, rect.w, rect.h }, &version->rules, "Rules");
    y += draw_diff(canvas, (struct rect){ rect.x, y, rect.w, rect.h }, &version->card, "Scorecard");
    if (y == rect.y)
        canvas_string(canvas, rect.x, y++, rect.w, STYLE_DIM,
                      "Its texts are those of the version in force.");
    return y - rect.y;
}

static void version_open(struct screen *screen, const char *argument)
{
    struct version *version = version_of(screen);
    version->number = strtoll(argument, NULL, 10);
    panels_add(&version->panels, "About", 0, 0, draw_about);
    panels_add(&version->panels, "Changes", 0, 0, draw_changes);
    panels_add(&version->panels, "Rules", 1, 1, draw_text);
    panels_add(&version->panels, "Scorecard", 1, 2, draw_card);
    version_ask(screen);
}

static void version_close(struct screen *screen)
{
    struct version *version = version_of(screen);
    fetch_free(&version->fetch);
    fetch_free(&version->in_force);
    diff_free(&version->rules);
    diff_free(&version->card);
}

static void approve(struct version *version)
{
    const struct msg_rules *rules = rules_of(version);
    char                    text[TEXT_MAX];
    struct act *act = operate_begin(version->screen.app, ACTION_approve, OP_INDEX_rules_approve,
                                    "Approve the rules");
    if (act == NULL)
        return;
    operate_fix(act, "hash", show_hex(rules->hash, text, sizeof text));
    operate_fact(act, "Hash", slice_from(text));
    snprintf(text, sizeof text, "%lld, proposed by %.*s", (long long)rules->rule_set,
             (int)rules->author.n, rules->author.at);
    operate_fact(act, "Version", slice_from(text));
    operate_fact(act, "Proposed for", rules->reason);
    snprintf(text, sizeof text, "rules %d lines in, %d out; scorecard %d in, %d out",
             version->rules.added, version->rules.removed, version->card.added,
             version->card.removed);
    operate_fact(act, "Changes", slice_from(text));
    operate_ready(act);
}

static bool version_can(const struct screen *screen, enum action action)
{
    const struct version   *version = (const struct version *)screen;
    const struct msg_rules *rules = rules_of(version);
    if (action == ACTION_approve)
        return rules != NULL && rules->state == RULES_PROPOSED && version->compared;
    if (action == ACTION_withdraw_rules)
        return rules != NULL && rules->state == RULES_PROPOSED;
    return true;
}

static bool version_act(struct screen *screen, enum action action, const char *argument)
{
    struct version         *version = version_of(screen);
    const struct msg_rules *rules = rules_of(version);
    char                    number[32];
    (void)argument;
    if (rules == NULL)
        return false;
    switch ((int)action) {
    case ACTION_propose:
        propose(screen->app);
        return true;
    case ACTION_approve:
        if (version_can(screen, action))
            approve(version);
        else
            app_notice(screen->app, STYLE_WARN, "The version is %s: there is nothing to approve",
                       enum_text(&enum_rules_state, rules->state));
        return true;
    case ACTION_withdraw_rules:
        if (version_can(screen, action))
            withdraw(screen->app, rules->rule_set, rules->hash, rules->reason);
        else
            app_notice(screen->app, STYLE_WARN, "Only a proposed version can be withdrawn");
        return true;
    case ACTION_backtest:
        backtest_ask(screen->app, rules->state == RULES_PROPOSED ? rules->hash : slice_of("", 0));
        return true;
    case ACTION_curves:
        snprintf(number, sizeof number, "%lld", (long long)rules->rule_set);
        app_push(screen->app, &screen_curves, number);
        return true;
    default:
        return panels_act(&version->panels, action);
    }
}

static bool version_click(struct screen *screen, int x, int y)
{
    return panels_click(&version_of(screen)->panels, x, y);
}

static struct slice version_copied(const struct screen *screen, char *out, size_t size)
{
    const struct msg_rules *rules = rules_of((const struct version *)screen);
    if (rules == NULL)
        return slice_of("", 0);
    return slice_from(show_hex(rules->hash, out, size));
}

static void version_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct version         *version = version_of(screen);
    const struct msg_rules *rules = rules_of(version);
    if (rules == NULL) {
        canvas_rule(canvas, rect.x, rect.y, rect.w, "Rules", "");
        canvas_paragraph(canvas, (struct rect){ rect.x + 2, rect.y + 2, rect.w - 4, 4 },
                         version->fetch.failed ? STYLE_BAD : STYLE_DIM,
                         slice_from(version->fetch.failed ? version->fetch.error : "Loading ..."));
        canvas_cursor(canvas, rect.x, rect.y);
        return;
    }
    panels_draw(&version->panels, version, canvas, rect);
}

const struct screen_ops screen_version = {
    .name = "version",
    .title = "Version of the rules",
    .size = sizeof(struct version),
    .places = IN_ANY | IN_TEXT | IN_DETAIL | IN_PANELS | IN_RULES,
    .open = version_open,
    .close = version_close,
    .shown = version_ask,
    .refresh = version_ask,
    .result = version_result,
    .event = version_event,
    .act = version_act,
    .can = version_can,
    .click = version_click,
    .draw = version_draw,
    .copied = version_copied,
};
