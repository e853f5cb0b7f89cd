/* Text that is read by scrolling: the help, and records shown field by field (the server's state,
 * the session, the rules, what the fraud engine knows of an account). Lines are made once from
 * what is known and kept; the tables of the protocol give names and meanings. */
#include "bankterm/app.h"
#include "bankterm/screens/screens.h"
#include "bankterm/widgets/table.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HELP_WIDTH = 110,
    VALUE_WIDTH = 40,
    FIGURE_WIDTH = 16,
    LINES_MAX = 4000,
    LINE_LABEL_MAX = 48,
    LINE_TEXT_MAX = 512,
};

struct line {
    char       label[LINE_LABEL_MAX];
    char       text[LINE_TEXT_MAX];
    enum style style;
};

struct viewer {
    struct screen screen;
    struct fetch  fetch;
    struct uuid   id; /* of the account, for the risk */
    enum action   action;
    struct line  *lines;
    int           count;
    int           room;
    int           top;
    int           height;
    int           label_width;
    int           width; /* that the lines were made for */
    void (*fill)(struct viewer *);
    char title[80];
};

static struct line *add_line(struct viewer *viewer, enum style style, const char *label)
{
    static struct line spare;
    if (viewer->count == viewer->room && viewer->room < LINES_MAX) {
        int          room = viewer->room * 2 + 32;
        struct line *lines = realloc(viewer->lines, (size_t)room * sizeof *lines);
        if (lines != NULL) {
            viewer->lines = lines;
            viewer->room = room;
        }
    }
    struct line *line = viewer->count < viewer->room ? &viewer->lines[viewer->count++] : &spare;
    *line = (struct line){ .style = style };
    snprintf(line->label, sizeof line->label, "%s", label);
    return line;
}

static void add_text(struct viewer *viewer, enum style style, const char *label, const char *text)
{
    struct line *line = add_line(viewer, style, label);
    snprintf(line->text, sizeof line->text, "%s", text);
}

/* How much of the text stands in one line: broken at a blank where there is one. */
static size_t wrap_at(const char *text, size_t room)
{
    size_t n = room;
    if (strlen(text) <= room)
        return strlen(text);
    while (n > 0 && text[n] != ' ')
        n--;
    return n > 0 ? n : room;
}

/* Breaks the text at blanks so that nothing of it is cut. */
static void add_wrapped(struct viewer *viewer, enum style style, const char *label,
                        const char *text)
{
    size_t room = viewer->width > viewer->label_width + 20
                      ? (size_t)(viewer->width - viewer->label_width - 4)
                      : LINE_TEXT_MAX;
    while (strlen(text) > room) {
        size_t       n = wrap_at(text, room);
        struct line *line = add_line(viewer, style, label);
        slice_copy(slice_of(text, n), line->text, sizeof line->text);
        text += text[n] == ' ' ? n + 1 : n;
        label = " ";
    }
    add_text(viewer, style, label, text);
}

/* A value, its width as for printf, and beside it what it means, as many lines as that takes. */
static void add_beside(struct viewer *viewer, const char *label, const char *value, int width,
                       const char *help)
{
    int    indent = (width < 0 ? -width : width) + 2;
    int    room = viewer->width - viewer->label_width - 4 - indent;
    size_t most = room > 20 ? (size_t)room : LINE_TEXT_MAX;
    do {
        size_t       n = wrap_at(help, most);
        struct line *line = add_line(viewer, STYLE_LABEL, label);
        snprintf(line->text, sizeof line->text, "%*s  %.*s", width, value, (int)n, help);
        help += help[n] == ' ' ? n + 1 : n;
        label = " ";
        value = "";
    } while (*help != '\0');
}

static void viewer_close(struct screen *screen)
{
    struct viewer *viewer = (struct viewer *)screen;
    fetch_free(&viewer->fetch);
    free(viewer->lines);
}

static bool viewer_act(struct screen *screen, enum action action, const char *argument)
{
    struct viewer *viewer = (struct viewer *)screen;
    int            page = viewer->height > 1 ? viewer->height - 1 : 1;
    (void)argument;
    switch ((int)action) {
    case ACTION_up:
        viewer->top--;
        return true;
    case ACTION_down:
        viewer->top++;
        return true;
    case ACTION_page_up:
        viewer->top -= page;
        return true;
    case ACTION_page_down:
        viewer->top += page;
        return true;
    case ACTION_top:
        viewer->top = 0;
        return true;
    case ACTION_bottom:
        viewer->top = viewer->count;
        return true;
    default:
        return false;
    }
}

static void viewer_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct viewer *viewer = (struct viewer *)screen;
    char           position[64] = "";
    viewer->height = rect.h - 1;
    if (viewer->width != rect.w && viewer->fill != NULL) {
        viewer->width = rect.w;
        viewer->fill(viewer);
    }
    int label = viewer->label_width;
    if (viewer->top > viewer->count - viewer->height)
        viewer->top = viewer->count - viewer->height;
    if (viewer->top < 0)
        viewer->top = 0;
    int last = viewer->top + viewer->height;
    if (last > viewer->count)
        last = viewer->count;
    if (viewer->count > viewer->height)
        snprintf(position, sizeof position, "%d-%d of %d", viewer->top + 1, last, viewer->count);
    canvas_rule(canvas, rect.x, rect.y, rect.w, viewer->title, position);
    for (int i = viewer->top; i < last; i++) {
        const struct line *line = &viewer->lines[i];
        int                y = rect.y + 1 + i - viewer->top;
        int                x = rect.x + 2;
        if (line->label[0] != '\0' && line->text[0] == '\0') {
            canvas_string(canvas, x - 1, y, rect.w - 2, line->style, line->label);
            continue;
        }
        canvas_string(canvas, x, y, label, line->style, line->label);
        canvas_string(canvas, x + label + 1, y, rect.w - label - 4, STYLE_TEXT, line->text);
    }
    if (viewer->count == 0 && viewer->fetch.failed)
        canvas_paragraph(canvas, (struct rect){ rect.x + 2, rect.y + 2, rect.w - 4, 4 }, STYLE_BAD,
                         slice_from(viewer->fetch.error));
    else if (viewer->count == 0)
        canvas_string(canvas, rect.x + 2, rect.y + 2, rect.w, STYLE_DIM, "Loading ...");
    canvas_cursor(canvas, rect.x, rect.y + 1);
}

/* --- help ---------------------------------------------------------------------------------- */

/* The palette is not there where everything that is typed is text. */
#define CLOSED_PLACES ((unsigned)(IN_FORM | IN_REVIEW | IN_LOGIN | IN_PROMPT))

/* What tables, texts and panels share: whoever asks for help knows it soon, and looks for the rest.
 */
#define COMMON_PLACES ((unsigned)(IN_TABLE | IN_TEXT | IN_PANELS))

/* What many screens share does nothing on some of them, such as opening a row that shows all. Of
 * its own actions a screen tells also those that wait for something to act on. */
static bool is_inert(const struct viewer *viewer, enum action action)
{
    const struct app    *app = viewer->screen.app;
    const struct screen *below = app_below(app, &viewer->screen);
    return below != NULL && (action_row(action)->places & COMMON_PLACES) != 0 &&
           !app_can(app, below, action);
}

/* Those of the places that are not of the other ones too; without keys, all that have a name. */
static void add_actions(struct viewer *viewer, const char *title, unsigned places, unsigned other,
                        bool keys)
{
    enum role role = viewer->screen.app->role;
    bool      first = true;
    for (int i = 0; i < ACTION_count; i++) {
        const struct action_row *row = action_row((enum action)i);
        const char              *keys_now = action_keys((enum action)i);
        bool                     here =
            keys ? (row->places & places) != 0 && (row->places & other) == 0 && keys_now[0] != '\0'
                                     : (row->places & CLOSED_PLACES) == 0;
        if (!here || !action_allowed((enum action)i, role) ||
            (keys && is_inert(viewer, (enum action)i)))
            continue;
        if (first)
            add_text(viewer, STYLE_TITLE, title, "");
        first = false;
        char label[LINE_LABEL_MAX];
        snprintf(label, sizeof label, "%s%s%s%s", keys ? "" : ":", keys ? keys_now : row->name,
                 !keys && row->arguments[0] != '\0' ? " " : "", keys ? "" : row->arguments);
        char help[LINE_TEXT_MAX];
        snprintf(help, sizeof help, "%s%s", row->help,
                 keys && action_is_bound((enum action)i) ? " (a key of your own)" : "");
        add_wrapped(viewer, (row->flags & ACT_DANGER) != 0 ? STYLE_WARN : STYLE_KEY, label, help);
    }
    if (!first)
        add_text(viewer, STYLE_TEXT, "", "");
}

static void fill_help(struct viewer *viewer)
{
    const struct screen   *below = app_below(viewer->screen.app, &viewer->screen);
    const struct role_row *role = role_find(viewer->screen.app->role);
    unsigned               places = below != NULL ? app_places(below) : IN_ANY;
    viewer->label_width = 26;
    viewer->count = 0;
    const char *title = below == NULL                   ? ""
                        : below->ops->title_now != NULL ? below->ops->title_now(below)
                                                        : below->ops->title;
    snprintf(viewer->title, sizeof viewer->title, "Help: %s, %s", title,
             role != NULL ? role->title : "");
    add_actions(viewer, "Keys of this screen", places & ~(COMMON_PLACES | IN_ANY), COMMON_PLACES,
                true);
    add_actions(viewer, "Moving and looking", places & COMMON_PLACES, 0, true);
    add_actions(viewer, "Keys everywhere", IN_ANY, 0, true);
    add_text(viewer, STYLE_TITLE, "In a form", "");
    add_text(viewer, STYLE_KEY, "Tab Down Enter", "Next field; behind the last comes the review");
    add_text(viewer, STYLE_KEY, "F2", "Review; from there Y confirms, Enter never does");
    add_text(viewer, STYLE_KEY, "Ctrl-U Ctrl-W", "Clear the field; erase a word");
    add_text(viewer, STYLE_TEXT, "", "");
    add_actions(viewer, "Commands of the palette, behind a colon", 0, 0, false);
}

static void help_open(struct screen *screen, const char *argument)
{
    (void)argument;
    ((struct viewer *)screen)->fill = fill_help;
}

const struct screen_ops screen_help = {
    .name = "help",
    .title = "Help",
    .size = sizeof(struct viewer),
    .places = IN_ANY | IN_TEXT,
    .open = help_open,
    .close = viewer_close,
    .act = viewer_act,
    .draw = viewer_draw,
};

/* --- records ------------------------------------------------------------------------------- */

/* A text of many lines, such as the rules: one line each. */
static void add_lines(struct viewer *viewer, struct slice text)
{
    while (text.n > 0) {
        const char *end = memchr(text.at, '\n', text.n);
        size_t      n = end != NULL ? (size_t)(end - text.at) : text.n;
        char        line[LINE_TEXT_MAX];
        bool        comment = n > 0 && text.at[0] == '#';
        slice_copy(slice_of(text.at, n), line, sizeof line);
        add_text(viewer, comment ? STYLE_DIM : STYLE_TEXT, line[0] != '\0' ? "" : " ", line);
        size_t step = end != NULL ? n + 1 : n;
        text = slice_of(text.at + step, text.n - step);
    }
}

static void add_field(struct viewer *viewer, const struct message_desc *desc, const void *body,
                      int field)
{
    const struct field_desc *row = &desc->fields[field];
    struct slice             text;
    if (row->type == FIELD_TEXT && row->limit > LINE_TEXT_MAX) {
        memcpy(&text, message_at(desc, body, field), sizeof text);
        add_text(viewer, STYLE_TITLE, row->name, "");
        add_lines(viewer, text);
        return;
    }
    if ((row->flags & SECRET) != 0)
        return;
    char name[SHOW_WORDS_MAX];
    show_words(row->name, name);
    char value[160];
    if (row->type == FIELD_UUID)
        uuid_text(message_at(desc, body, field), value);
    else
        field_text(desc, body, field, value, sizeof value);
    if (value[0] == '\0')
        snprintf(value, sizeof value, "none"); /* a label without a text is drawn as a title */
    if (viewer->width >= HELP_WIDTH && strlen(value) <= VALUE_WIDTH)
        add_beside(viewer, name, value, -VALUE_WIDTH, row->help);
    else
        add_wrapped(viewer, STYLE_LABEL, name, value);
}

static void add_features(struct viewer *viewer, const struct msg_risk_account *risk)
{
    add_text(viewer, STYLE_TEXT, "", " ");
    add_text(viewer, STYLE_TITLE, "Figures that rules can use", "");
    for (size_t i = 0; i < risk->features.count; i++) {
        const struct msg_feature *feature = &risk->features.at[i];
        char                      name[LINE_LABEL_MAX];
        char                      value[48];
        char                      help[LIMIT_REASON_MAX + 1];
        show_figure(feature->value, feature->unit, risk->currency, value, sizeof value);
        add_beside(viewer, slice_copy(feature->name, name, sizeof name), value, FIGURE_WIDTH,
                   slice_copy(feature->help, help, sizeof help));
    }
}

static void fill_record(struct viewer *viewer)
{
    const struct message_desc *desc = viewer->fetch.record.desc;
    viewer->count = 0;
    if (desc == NULL)
        return;
    for (size_t i = 0; i < desc->count; i++) {
        if (desc->fields[i].type != FIELD_LIST)
            add_field(viewer, desc, viewer->fetch.record.body, (int)i);
    }
    if (viewer->fetch.op == OP_INDEX_risk_account)
        add_features(viewer, viewer->fetch.record.body);
}

static void viewer_ask(struct screen *screen)
{
    struct viewer          *viewer = (struct viewer *)screen;
    struct msg_account_ref  account = { .account_id = viewer->id };
    struct msg_audit_verify verify = { 0 };
    enum op_index           op = (enum op_index)action_row(viewer->action)->op;
    const void             *body = op == OP_INDEX_risk_account ? (const void *)&account : &verify;
    fetch_ask(screen, &viewer->fetch, op, body);
}

static const char *title_of(enum action action)
{
    switch ((int)action) {
    case ACTION_status:
        return "How the server does";
    case ACTION_session:
        return "Your session";
    case ACTION_verify:
        return "Proof of the audit chain";
    default:
        return "What the fraud engine knows of the account";
    }
}

static void viewer_open(struct screen *screen, const char *argument)
{
    struct viewer *viewer = (struct viewer *)screen;
    struct slice   rest = slice_from(argument);
    struct slice   name;
    struct slice   id;
    key_next(&rest, &name);
    viewer->action = action_of_name(name);
    viewer->label_width = 23;
    viewer->fill = fill_record;
    if (viewer->action == ACTION_none)
        return;
    if (key_next(&rest, &id) && uuid_parse(id.at, id.n, &viewer->id) != ERR_none)
        return;
    snprintf(viewer->title, sizeof viewer->title, "%s", title_of(viewer->action));
    viewer_ask(screen);
}

static void viewer_result(struct screen *screen, const struct net_result *result)
{
    struct viewer *viewer = (struct viewer *)screen;
    if (!fetch_take(&viewer->fetch, result))
        return;
    if (viewer->fetch.record.body != NULL)
        fill_record(viewer);
    if (fetch_again(&viewer->fetch))
        viewer_ask(screen);
}

static const char *viewer_title(const struct screen *screen)
{
    return ((const struct viewer *)screen)->title;
}

const struct screen_ops screen_viewer = {
    .name = "viewer",
    .title = "Details",
    .title_now = viewer_title,
    .size = sizeof(struct viewer),
    .places = IN_ANY | IN_TEXT,
    .open = viewer_open,
    .close = viewer_close,
    .refresh = viewer_ask,
    .result = viewer_result,
    .act = viewer_act,
    .draw = viewer_draw,
};
