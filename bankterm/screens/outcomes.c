/* What was refused of several things that were asked for together: a box with one line for each,
 * whose it is, its id and why it was left as it was. It opens only when something was refused, and
 * stays until it is closed, because a notice has room for one reason only.
 *
 * The rows tell of one moment: the alerts may change behind the box. */
#include "bankterm/screens/outcomes.h"

#include "bankterm/screens/screens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BOX_WIDTH = 78, ROW_LINES = 2, FRAME_LINES = 4 };

struct outcomes {
    struct screen   screen;
    struct outcome *rows;
    int             count;
    int             top;
    int             shown; /* rows that the box has room for */
    char            title[80];
};

static struct outcomes *outcomes_of(struct screen *screen)
{
    return (struct outcomes *)screen;
}

void outcomes_show(struct app *app, const char *title, struct outcome *rows, int count)
{
    struct outcomes *outcomes = (struct outcomes *)app_push(app, &screen_outcomes, "");
    if (outcomes == NULL) {
        free(rows);
        return;
    }
    snprintf(outcomes->title, sizeof outcomes->title, "%s", title);
    outcomes->rows = rows;
    outcomes->count = count;
}

static void outcomes_close(struct screen *screen)
{
    free(outcomes_of(screen)->rows);
}

static void scroll(struct outcomes *outcomes, int by)
{
    int last = outcomes->count - outcomes->shown;
    outcomes->top += by;
    if (outcomes->top > last)
        outcomes->top = last;
    if (outcomes->top < 0)
        outcomes->top = 0;
}

static bool outcomes_key(struct screen *screen, uint32_t key)
{
    struct outcomes *outcomes = outcomes_of(screen);
    if (key == K_ESC || key == K_ENTER)
        app_pop(screen->app, screen);
    else if (key == K_UP || key == 'k')
        scroll(outcomes, -1);
    else if (key == K_DOWN || key == 'j')
        scroll(outcomes, 1);
    else if (key == K_PAGE_UP)
        scroll(outcomes, -outcomes->shown);
    else if (key == K_PAGE_DOWN)
        scroll(outcomes, outcomes->shown);
    return true;
}

static void outcomes_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct outcomes *outcomes = outcomes_of(screen);
    int              room = (rect.h - FRAME_LINES) / ROW_LINES;
    int              w = rect.w < BOX_WIDTH ? rect.w : BOX_WIDTH;
    char             id[UUID_TEXT_MAX];
    outcomes->shown = room < 1 ? 1 : room < outcomes->count ? room : outcomes->count;
    scroll(outcomes, 0);
    int         h = outcomes->shown * ROW_LINES + FRAME_LINES;
    struct rect box = { rect.x + (rect.w - w) / 2, rect.y + (rect.h - h) / 2, w, h };
    struct rect in = canvas_box(canvas, box, STYLE_WARN, outcomes->title);
    struct rect before = canvas_clip(canvas, in);
    int         y = in.y;
    for (int i = outcomes->top; i < outcomes->top + outcomes->shown; i++, y += ROW_LINES) {
        const struct outcome *row = &outcomes->rows[i];
        canvas_string(canvas, in.x, y, in.w - 37, STYLE_VALUE, row->name);
        canvas_string(canvas, in.x + in.w - 36, y, 36, STYLE_DIM, uuid_text(&row->id, id));
        canvas_string(canvas, in.x + 2, y + 1, in.w - 2, STYLE_WARN, row->why);
    }
    y++;
    canvas_string(canvas, in.x, y, 5, STYLE_KEY, "Enter");
    canvas_print(canvas, in.x + 6, y, in.w - 6, STYLE_TEXT, "close; %d-%d of %d%s",
                 outcomes->top + 1, outcomes->top + outcomes->shown, outcomes->count,
                 outcomes->shown < outcomes->count ? ", Up and Down show the others" : "");
    canvas_cursor(canvas, in.x, y);
    canvas_unclip(canvas, before);
}

const struct screen_ops screen_outcomes = {
    .name = "outcomes",
    .title = "Refused",
    .size = sizeof(struct outcomes),
    .places = IN_PROMPT,
    .modal = true,
    .close = outcomes_close,
    .key = outcomes_key,
    .draw = outcomes_draw,
};
