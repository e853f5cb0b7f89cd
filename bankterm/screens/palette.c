/* Lines that are typed over another screen: the palette of commands, the filter of a table, the
 * choice of columns. They stand at the bottom of the body and leave the rest to be seen. */
#include "bankterm/app.h"
#include "bankterm/screens/screens.h"
#include "bankterm/widgets/form.h"
#include "bankterm/widgets/table.h"

#include <stdio.h>
#include <string.h>

enum { CANDIDATES_MAX = 8, NAME_WIDTH = 22 };

struct palette {
    struct screen screen;
    struct form   form;
    int           history; /* entries back from the newest; 0: the line being typed */
};

static struct form_field *line_of(struct palette *palette)
{
    return &palette->form.fields[0];
}

static void palette_open(struct screen *screen, const char *argument)
{
    struct palette *palette = (struct palette *)screen;
    (void)argument;
    form_add(&palette->form, "line", "", FORM_TEXT, APP_COMMAND_MAX - 1, "");
}

/* The n-th action whose name starts with, then contains, what was typed. */
static enum action candidate(const struct app *app, struct slice typed, int n)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < ACTION_count; i++) {
            const char *name = action_row((enum action)i)->name;
            bool        starts = strncmp(name, typed.at, typed.n) == 0;
            char        text[APP_COMMAND_MAX];
            bool        holds = strstr(name, slice_copy(typed, text, sizeof text)) != NULL;
            if (!action_allowed((enum action)i, app->role) ||
                (action_row((enum action)i)->places &
                 (IN_FORM | IN_REVIEW | IN_LOGIN | IN_PROMPT)) != 0)
                continue;
            if ((pass == 0 ? starts : holds && !starts) && n-- == 0)
                return (enum action)i;
        }
    }
    return ACTION_none;
}

static struct slice typed_name(const struct palette *palette)
{
    struct slice rest = slice_of(palette->form.fields[0].value, palette->form.fields[0].n);
    struct slice name = { .at = "", .n = 0 };
    key_next(&rest, &name);
    return name;
}

static void complete(struct palette *palette)
{
    enum action action = candidate(palette->screen.app, typed_name(palette), 0);
    char        text[APP_COMMAND_MAX];
    if (action == ACTION_none || memchr(line_of(palette)->value, ' ', line_of(palette)->n) != NULL)
        return;
    snprintf(text, sizeof text, "%s%s", action_row(action)->name,
             action_row(action)->arguments[0] != '\0' ? " " : "");
    form_set(line_of(palette), text);
}

static void remember(struct app *app, const char *line)
{
    if (app->command_count == APP_COMMANDS_MAX) {
        memmove(&app->commands[0], &app->commands[1],
                sizeof app->commands - sizeof app->commands[0]);
        app->command_count--;
    }
    snprintf(app->commands[app->command_count++].text, APP_COMMAND_MAX, "%s", line);
}

static void recall(struct palette *palette, int step)
{
    const struct app *app = palette->screen.app;
    int               at = palette->history + step;
    if (at < 0 || at > app->command_count)
        return;
    palette->history = at;
    form_set(line_of(palette), at == 0 ? "" : app->commands[app->command_count - at].text);
}

/* What was typed; a name that only one command goes with stands for it. */
static void whole_line(const struct palette *palette, char *out, size_t size)
{
    const struct app        *app = palette->screen.app;
    const struct form_field *field = &palette->form.fields[0];
    struct slice             rest = slice_of(field->value, field->n);
    struct slice             name = { .at = "", .n = 0 };
    enum action              only;
    snprintf(out, size, "%.*s", (int)field->n, field->value);
    if (!key_next(&rest, &name) || action_of_name(name) != ACTION_none)
        return;
    only = candidate(app, name, 0);
    if (only != ACTION_none && candidate(app, name, 1) == ACTION_none)
        snprintf(out, size, "%s%.*s", action_row(only)->name, (int)rest.n, rest.at);
}

static void run(struct palette *palette)
{
    struct app *app = palette->screen.app;
    char        line[APP_COMMAND_MAX];
    whole_line(palette, line, sizeof line);
    if (line[0] != '\0')
        remember(app, line);
    app_pop(app, &palette->screen);
    app_command(app, line);
}

static bool palette_key(struct screen *screen, uint32_t key)
{
    struct palette *palette = (struct palette *)screen;
    if (key == K_ENTER)
        run(palette);
    else if (key == K_ESC || key == KEY_CTRL('C') ||
             (key == K_BACKSPACE && line_of(palette)->n == 0))
        app_pop(screen->app, screen);
    else if (key == K_TAB)
        complete(palette);
    else if (key == K_UP || key == K_DOWN)
        recall(palette, key == K_UP ? 1 : -1);
    else
        form_key(&palette->form, key);
    return true;
}

static bool palette_paste(struct screen *screen, struct slice text)
{
    return form_paste(&((struct palette *)screen)->form, text);
}

static void draw_line(const struct form_field *field, struct canvas *canvas, struct rect rect,
                      const char *mark)
{
    int y = rect.y + rect.h - 1;
    canvas_fill(canvas, (struct rect){ rect.x, y, rect.w, 1 }, STYLE_INPUT_ON, ' ');
    canvas_string(canvas, rect.x, y, 1, STYLE_INPUT_ON, mark);
    canvas_text(canvas, rect.x + 1, y, rect.w - 1, STYLE_INPUT_ON,
                slice_of(field->value, field->n));
    canvas_cursor(canvas, rect.x + 1 + text_columns(slice_of(field->value, field->cursor)), y);
}

static void palette_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct palette *palette = (struct palette *)screen;
    struct slice    typed = typed_name(palette);
    int             count = 0;
    while (count < CANDIDATES_MAX && count + 3 < rect.h &&
           candidate(screen->app, typed, count) != ACTION_none)
        count++;
    int y = rect.y + rect.h - 1 - count;
    if (count > 0) {
        canvas_fill(canvas, (struct rect){ rect.x, y - 1, rect.w, count + 1 }, STYLE_TEXT, ' ');
        canvas_rule(canvas, rect.x, y - 1, rect.w, "Commands",
                    "Tab completes, Enter runs, Esc leaves");
    }
    for (int i = 0; i < count; i++) {
        const struct action_row *row = action_row(candidate(screen->app, typed, i));
        int                      x = rect.x + 2;
        int used = canvas_string(canvas, x, y + i, NAME_WIDTH - 1, i == 0 ? STYLE_KEY : STYLE_TEXT,
                                 row->name);
        canvas_string(canvas, x + used + 1, y + i, NAME_WIDTH - used - 2, STYLE_LABEL,
                      row->arguments);
        canvas_string(canvas, x + NAME_WIDTH, y + i, rect.w - NAME_WIDTH - 2, STYLE_DIM, row->help);
    }
    draw_line(line_of(palette), canvas, rect, ":");
}

const struct screen_ops screen_palette = {
    .name = "palette",
    .title = "Commands",
    .size = sizeof(struct palette),
    .places = IN_PROMPT,
    .modal = true,
    .open = palette_open,
    .key = palette_key,
    .paste = palette_paste,
    .draw = palette_draw,
};

/* --- the filter of a table ----------------------------------------------------------------- */

static struct table *table_below(const struct screen *screen)
{
    struct screen *below = app_below(screen->app, screen);
    return below != NULL && below->ops->table != NULL ? below->ops->table(below) : NULL;
}

static void filter_open(struct screen *screen, const char *argument)
{
    struct palette     *filter = (struct palette *)screen;
    const struct table *table = table_below(screen);
    (void)argument;
    form_add(&filter->form, "filter", "", FORM_TEXT, TABLE_FILTER_MAX - 1, "");
    if (table != NULL)
        form_set(line_of(filter), table->filter);
}

static void filter_apply(struct palette *filter)
{
    struct table *table = table_below(&filter->screen);
    if (table != NULL)
        table_set_filter(table, line_of(filter)->value);
}

static bool filter_key(struct screen *screen, uint32_t key)
{
    struct palette *filter = (struct palette *)screen;
    if (key == K_ENTER) {
        app_pop(screen->app, screen);
        return true;
    }
    if (key == K_ESC || (key == K_BACKSPACE && line_of(filter)->n == 0)) {
        form_set(line_of(filter), "");
        filter_apply(filter);
        app_pop(screen->app, screen);
        return true;
    }
    if (form_key(&filter->form, key))
        filter_apply(filter);
    return true;
}

static bool filter_paste(struct screen *screen, struct slice text)
{
    form_paste(&((struct palette *)screen)->form, text);
    filter_apply((struct palette *)screen);
    return true;
}

static void filter_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct palette *filter = (struct palette *)screen;
    draw_line(line_of(filter), canvas, rect, "/");
}

const struct screen_ops screen_filter = {
    .name = "filter",
    .title = "Filter",
    .size = sizeof(struct palette),
    .places = IN_PROMPT,
    .modal = true,
    .open = filter_open,
    .key = filter_key,
    .paste = filter_paste,
    .draw = filter_draw,
};

/* --- the columns of a table ---------------------------------------------------------------- */

struct columns {
    struct screen screen;
    int           at;
};

static bool columns_key(struct screen *screen, uint32_t key)
{
    struct columns *columns = (struct columns *)screen;
    struct table   *table = table_below(screen);
    if (table == NULL || key == K_ESC || key == K_ENTER || key == 'c' || key == 'q')
        app_pop(screen->app, screen);
    else if ((key == K_UP || key == 'k') && columns->at > 0)
        columns->at--;
    else if ((key == K_DOWN || key == 'j') && columns->at + 1 < table->column_count)
        columns->at++;
    else if (key == K_SPACE && columns->at > 0)
        table->hidden ^= UINT64_C(1) << columns->at;
    return true;
}

static void columns_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    const struct columns *columns = (const struct columns *)screen;
    const struct table   *table = table_below(screen);
    if (table == NULL)
        return;
    int         h = table->column_count + 4 < rect.h ? table->column_count + 4 : rect.h;
    int         w = rect.w < 44 ? rect.w : 44;
    struct rect box = { rect.x + (rect.w - w) / 2, rect.y + (rect.h - h) / 2, w, h };
    struct rect in = canvas_box(canvas, box, STYLE_RULE, "Columns");
    int         rows = in.h - 2 > 0 ? in.h - 2 : 1;
    int         top = columns->at >= rows ? columns->at - rows + 1 : 0;
    for (int i = top; i < table->column_count && i - top < rows; i++) {
        bool shown = (table->hidden >> i & 1) == 0;
        int  y = in.y + i - top;
        canvas_print(canvas, in.x, y, in.w, STYLE_TEXT, "[%c] %s", shown ? 'x' : ' ',
                     table->columns[i].title);
        if (i == columns->at) {
            canvas_restyle(canvas, (struct rect){ in.x, y, in.w, 1 }, STYLE_SELECTED);
            canvas_cursor(canvas, in.x, y);
        }
    }
    canvas_string(canvas, in.x, in.y + in.h - 1, in.w, STYLE_DIM,
                  "Space shows or hides, Enter is done");
}

const struct screen_ops screen_columns = {
    .name = "columns",
    .title = "Columns",
    .size = sizeof(struct columns),
    .places = IN_PROMPT,
    .modal = true,
    .key = columns_key,
    .draw = columns_draw,
};
