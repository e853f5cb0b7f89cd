/* Heights follow from how many lines each panel wants, which is found by drawing it where nothing
 * is seen. A column that is too short for its panels shows the first ones and, in its last place,
 * whichever of the rest was in focus last. */
#include "bankterm/widgets/panels.h"

#include "common/check.h"

#include <stdio.h>
#include <string.h>

enum {
    TWO_COLUMNS = 110,
    THREE_COLUMNS = 165,
    PANEL_LEAST = 7,
    LINES_MAX = 10000,
    TITLE_MAX = 160
};

struct panel *panels_add(struct panels *panels, const char *title, int column2, int column3,
                         int (*draw)(const void *, struct canvas *, struct rect))
{
    CHECK(panels->count < PANELS_MAX);
    struct panel *panel = &panels->at[panels->count++];
    *panel = (struct panel){ .title = title, .draw = draw, .column2 = column2, .column3 = column3 };
    return panel;
}

/* Which panels stand in one column, and which of them are seen. */
struct stack {
    int member[PANELS_MAX];
    int members;
    int seen[PANELS_MAX];
    int seen_count;
};

static struct stack make_stack(const struct panels *panels, int columns, int column, int height)
{
    struct stack stack = { .members = 0 };
    int          places = height / PANEL_LEAST;
    for (int i = 0; i < panels->count; i++) {
        const struct panel *panel = &panels->at[i];
        int mine = columns == 1 ? 0 : columns == 2 ? panel->column2 : panel->column3;
        if (mine == column)
            stack.member[stack.members++] = i;
    }
    if (columns == 1 || places < 1)
        places = 1;
    for (int i = 0; i < stack.members && i < places; i++)
        stack.seen[stack.seen_count++] = stack.member[i];
    for (int i = places; i < stack.members; i++) {
        if (stack.member[i] == panels->focus)
            stack.seen[stack.seen_count - 1] = stack.member[i];
    }
    return stack;
}

/* Each gets what it wants if all do. Else the first, which says what the screen is about, gets it
 * as long as the others keep their least; the rest is shared, and who wants less gives it away. */
static void share_height(const struct panels *panels, const struct stack *stack, int height,
                         int out[PANELS_MAX])
{
    int left = height;
    int open = stack->seen_count;
    memset(out, 0, PANELS_MAX * sizeof out[0]);
    if (open > 1) {
        int wanted = panels->at[stack->seen[0]].lines + 2;
        int most = height - (open - 1) * PANEL_LEAST;
        out[0] = wanted < most ? wanted : most;
        left -= out[0];
        open--;
    }
    for (bool again = true; again && open > 0;) {
        again = false;
        int fair = left / open;
        for (int i = 0; i < stack->seen_count; i++) {
            int wanted = panels->at[stack->seen[i]].lines + 2;
            if (out[i] != 0 || wanted > fair)
                continue;
            out[i] = wanted;
            left -= wanted;
            open--;
            again = true;
        }
    }
    for (int i = 0; i < stack->seen_count; i++) {
        if (out[i] != 0)
            continue;
        out[i] = left / open;
        left -= out[i];
        open--;
    }
    if (left > 0 && stack->seen_count > 0)
        out[stack->seen_count - 1] += left;
}

static int title_add(char *out, int n, const struct panel *panel, bool brackets)
{
    int more =
        snprintf(out + n, (size_t)(TITLE_MAX - n), "%s%s", n > 0 ? " " : "", brackets ? "[" : "");
    n += more;
    if (panel->count > 0 && n < TITLE_MAX)
        n += snprintf(out + n, (size_t)(TITLE_MAX - n), "%s %d", panel->title, panel->count);
    else if (n < TITLE_MAX)
        n += snprintf(out + n, (size_t)(TITLE_MAX - n), "%s", panel->title);
    if (brackets && n < TITLE_MAX)
        n += snprintf(out + n, (size_t)(TITLE_MAX - n), "]");
    return n < TITLE_MAX ? n : TITLE_MAX - 1;
}

/* The rule above a panel: its name, or the names of all that share its place, the one that is shown
 * in brackets. A pointer stands before the panel that gets the keys, where there are others. */
static void draw_title(const struct panels *panels, const struct stack *stack, int at,
                       struct canvas *canvas, bool alone)
{
    const struct panel *panel = &panels->at[at];
    char                title[TITLE_MAX] = "";
    char                right[48] = "";
    int                 n = 0;
    bool                last = at == stack->seen[stack->seen_count - 1];
    bool                tabs = last && stack->seen_count < stack->members;
    for (int i = 0; tabs && i < stack->members; i++) {
        bool seen = false;
        for (int s = 0; s + 1 < stack->seen_count; s++)
            seen = seen || stack->seen[s] == stack->member[i];
        if (!seen)
            n = title_add(title, n, &panels->at[stack->member[i]], stack->member[i] == at);
    }
    if (!tabs)
        title_add(title, n, panel, false);
    int body = panel->rect.h - 1;
    int end = panel->scroll + body < panel->lines ? panel->scroll + body : panel->lines;
    if (panel->lines > body)
        snprintf(right, sizeof right, "%d-%d of %d", panel->scroll + 1, end, panel->lines);
    canvas_rule(canvas, panel->rect.x, panel->rect.y, panel->rect.w, title, right);
    if (!alone && at == panels->focus)
        canvas_glyph(canvas, panel->rect.x, panel->rect.y, STYLE_KEY, GLYPH_POINTER);
}

static void draw_panel(struct panel *panel, const void *context, struct canvas *canvas)
{
    struct rect body = { panel->rect.x + 1, panel->rect.y + 1, panel->rect.w - 2,
                         panel->rect.h - 1 };
    if (panel->scroll > panel->lines - body.h)
        panel->scroll = panel->lines - body.h;
    if (panel->scroll < 0)
        panel->scroll = 0;
    struct rect before = canvas_clip(canvas, body);
    panel->draw(context, canvas,
                (struct rect){ body.x, body.y - panel->scroll, body.w, LINES_MAX });
    canvas_unclip(canvas, before);
}

static void draw_column(struct panels *panels, const void *context, struct canvas *canvas,
                        struct rect rect, const struct stack *stack, int columns)
{
    int         heights[PANELS_MAX];
    struct rect nowhere = { 0, 0, 0, 0 };
    int         y = rect.y;
    for (int i = 0; i < stack->members; i++) {
        struct panel *panel = &panels->at[stack->member[i]];
        struct rect   before = canvas_clip(canvas, nowhere);
        panel->rect = nowhere;
        panel->lines =
            panel->draw(context, canvas, (struct rect){ rect.x + 1, 0, rect.w - 2, LINES_MAX });
        canvas_unclip(canvas, before);
    }
    share_height(panels, stack, rect.h, heights);
    for (int i = 0; i < stack->seen_count; i++) {
        struct panel *panel = &panels->at[stack->seen[i]];
        panel->rect = (struct rect){ rect.x, y, rect.w, heights[i] };
        draw_panel(panel, context, canvas);
        draw_title(panels, stack, stack->seen[i], canvas, columns == 1 && stack->seen_count == 1);
        y += heights[i];
    }
}

void panels_draw(struct panels *panels, const void *context, struct canvas *canvas,
                 struct rect rect)
{
    int columns = rect.w >= THREE_COLUMNS ? 3 : rect.w >= TWO_COLUMNS ? 2 : 1;
    for (int c = 0; c < columns; c++) {
        int          x = rect.w * c / columns;
        int          end = rect.w * (c + 1) / columns;
        struct stack stack = make_stack(panels, columns, c, rect.h);
        draw_column(panels, context, canvas, (struct rect){ rect.x + x, rect.y, end - x, rect.h },
                    &stack, columns);
    }
    const struct panel *focus = &panels->at[panels->focus];
    canvas_cursor(canvas, focus->rect.x, focus->rect.y + 1);
}

bool panels_act(struct panels *panels, enum action action)
{
    struct panel *panel = &panels->at[panels->focus];
    int           page = panel->rect.h > 2 ? panel->rect.h - 2 : 1;
    switch ((int)action) {
    case ACTION_next_panel:
        panels->focus = (panels->focus + 1) % panels->count;
        return true;
    case ACTION_prev_panel:
        panels->focus = (panels->focus + panels->count - 1) % panels->count;
        return true;
    case ACTION_up:
        panel->scroll--;
        return true;
    case ACTION_down:
        panel->scroll++;
        return true;
    case ACTION_page_up:
        panel->scroll -= page;
        return true;
    case ACTION_page_down:
        panel->scroll += page;
        return true;
    case ACTION_top:
        panel->scroll = 0;
        return true;
    case ACTION_bottom:
        panel->scroll = panel->lines;
        return true;
    default:
        return false;
    }
}

bool panels_click(struct panels *panels, int x, int y)
{
    for (int i = 0; i < panels->count; i++) {
        const struct rect *rect = &panels->at[i].rect;
        if (rect->h > 0 && x >= rect->x && x < rect->x + rect->w && y >= rect->y &&
            y < rect->y + rect->h) {
            panels->focus = i;
            return true;
        }
    }
    return false;
}
