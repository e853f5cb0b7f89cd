/* The scorecard as charts: for each figure how many points every range of it gives. A range is a
 * bar to the right of the zero line when it adds points, to the left when it takes some away; a
 * pair of figures is a grid of numbers. */
#include "bankterm/app.h"
#include "bankterm/screens/screens.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_WIDTH = 30, RANGE_WIDTH = 27, POINTS_WIDTH = 6, CELL_WIDTH = 7, NAME_MAX_TEXT = 100 };

struct curves {
    struct screen screen;
    struct fetch  fetch;
    int64_t       number; /* of the version; 0: the one in force */
    int           at;
    int           top;
    int           height;
};

static struct curves *curves_of(struct screen *screen)
{
    return (struct curves *)screen;
}

static const struct msg_rules_curves *answer_of(const struct curves *curves)
{
    return curves->fetch.record.body;
}

static void curves_ask(struct screen *screen)
{
    struct curves       *curves = curves_of(screen);
    struct msg_rules_ref ref = { 0 };
    if (curves->number > 0)
        MSG_SET(&ref, rules_ref, rule_set, curves->number);
    fetch_ask(screen, &curves->fetch, OP_INDEX_rules_curves, &ref);
}

static void curves_open(struct screen *screen, const char *argument)
{
    curves_of(screen)->number = strtoll(argument, NULL, 10);
    curves_ask(screen);
}

static void curves_close(struct screen *screen)
{
    fetch_free(&curves_of(screen)->fetch);
}

static void curves_result(struct screen *screen, const struct net_result *result)
{
    if (fetch_take(&curves_of(screen)->fetch, result) && fetch_again(&curves_of(screen)->fetch))
        curves_ask(screen);
}

static bool curves_act(struct screen *screen, enum action action, const char *argument)
{
    struct curves *curves = curves_of(screen);
    int            page = curves->height > 1 ? curves->height - 1 : 1;
    (void)argument;
    switch ((int)action) {
    case ACTION_up:
        curves->at--;
        return true;
    case ACTION_down:
        curves->at++;
        return true;
    case ACTION_page_up:
        curves->at -= page;
        return true;
    case ACTION_page_down:
        curves->at += page;
        return true;
    case ACTION_top:
        curves->at = 0;
        return true;
    case ACTION_bottom:
        curves->at = (int)LIMIT_CURVES_MAX;
        return true;
    default:
        return false;
    }
}

/* --- drawing -------------------------------------------------------------------------------- */

/* "0 to 3", "below 0", "from 12 on", "any". */
static void range_text(const struct msg_curve_point *point, struct slice unit, bool second,
                       char *out, size_t size)
{
    bool has_from =
        second ? MSG_HAS(point, curve_point, with_from) : MSG_HAS(point, curve_point, from);
    bool has_below =
        second ? MSG_HAS(point, curve_point, with_below) : MSG_HAS(point, curve_point, below);
    int64_t from = second ? point->with_from : point->from;
    int64_t below = second ? point->with_below : point->below;
    char    low[40] = "";
    char    high[40] = "";
    if (has_from)
        show_figure(from, unit, slice_of("", 0), low, sizeof low);
    if (has_below)
        show_figure(below, unit, slice_of("", 0), high, sizeof high);
    if (has_from && has_below)
        snprintf(out, size, "%s to %s", low, high);
    else if (has_below)
        snprintf(out, size, "below %s", high);
    else if (has_from)
        snprintf(out, size, "%s on", low);
    else
        snprintf(out, size, "any");
}

static void bounds(const struct msg_curve *curve, int64_t *least, int64_t *most)
{
    *least = 0;
    *most = 0;
    for (size_t i = 0; i < curve->points.count; i++) {
        int64_t points = curve->points.at[i].points;
        *least = points < *least ? points : *least;
        *most = points > *most ? points : *most;
    }
}

static void name_text(const struct msg_curve *curve, char *out, size_t size)
{
    bool pair = MSG_HAS(curve, curve, with_name);
    snprintf(out, size, "%.*s%s%.*s", (int)curve->name.n, curve->name.at, pair ? " x " : "",
             pair ? (int)curve->with_name.n : 0, pair ? curve->with_name.at : "");
}

static void draw_names(struct curves *curves, struct canvas *canvas, struct rect rect)
{
    const struct msg_rules_curves *answer = answer_of(curves);
    int                            count = (int)answer->curves.count;
    curves->height = rect.h;
    if (curves->at >= count)
        curves->at = count - 1;
    if (curves->at < 0)
        curves->at = 0;
    if (curves->at < curves->top)
        curves->top = curves->at;
    if (curves->at >= curves->top + rect.h)
        curves->top = curves->at - rect.h + 1;
    for (int i = curves->top; i < count && i < curves->top + rect.h; i++) {
        const struct msg_curve *curve = &answer->curves.at[i];
        char                    name[NAME_MAX_TEXT];
        char                    span[32];
        int64_t                 least;
        int64_t                 most;
        int                     y = rect.y + i - curves->top;
        name_text(curve, name, sizeof name);
        bounds(curve, &least, &most);
        snprintf(span, sizeof span, "%+d", (int)(most >= -least ? most : least));
        canvas_string(canvas, rect.x + 2, y, rect.w - 8, STYLE_TEXT, name);
        canvas_right(canvas, rect.x + rect.w - 6, y, 5, STYLE_DIM, span);
        if (i != curves->at)
            continue;
        canvas_restyle(canvas, (struct rect){ rect.x, y, rect.w, 1 }, STYLE_SELECTED);
        canvas_glyph(canvas, rect.x, y, STYLE_SELECTED, GLYPH_POINTER);
        canvas_cursor(canvas, rect.x, y);
    }
}

/* One range: its words, its points, its bar on the scale of the whole curve. */
static void draw_range(const struct msg_curve *curve, const struct msg_curve_point *point,
                       struct canvas *canvas, struct rect line)
{
    char    range[64];
    char    points[24];
    int64_t least;
    int64_t most;
    int     x = line.x + RANGE_WIDTH + POINTS_WIDTH + 1;
    int     width = line.x + line.w - x - 1;
    bounds(curve, &least, &most);
    range_text(point, curve->unit, false, range, sizeof range);
    snprintf(points, sizeof points, point->points == 0 ? "0" : "%+d", (int)point->points);
    canvas_string(canvas, line.x, line.y, RANGE_WIDTH - 1, STYLE_LABEL, range);
    canvas_right(canvas, line.x + RANGE_WIDTH, line.y, POINTS_WIDTH, STYLE_VALUE, points);
    if (width < 4)
        return;
    int zero = most > least ? (int)(-least * (width - 1) / (most - least)) : 0;
    int end = most > least ? (int)((point->points - least) * (width - 1) / (most - least)) : 0;
    for (int i = zero; i > end; i--)
        canvas_glyph(canvas, x + i - 1, line.y, STYLE_GOOD, GLYPH_FALL);
    for (int i = zero; i < end; i++)
        canvas_glyph(canvas, x + i + 1, line.y, STYLE_CHART_WARN, GLYPH_BAR_8);
    canvas_glyph(canvas, x + zero, line.y, STYLE_RULE, GLYPH_AXIS);
}

/* How many ranges the second figure has: they repeat for each range of the first. */
static int second_count(const struct msg_curve *curve)
{
    const struct msg_curve_point *first = curve->points.at;
    int                           n = 1;
    while (n < (int)curve->points.count && first[n].from == first[0].from &&
           first[n].below == first[0].below)
        n++;
    return n;
}

/* Rows are ranges of the first figure, columns those of the second, which are told below. */
static void draw_pair(const struct msg_curve *curve, struct canvas *canvas, struct rect rect)
{
    int count = (int)curve->points.count;
    int columns = count > 0 ? second_count(curve) : 1;
    int y = rect.y;
    for (int c = 0; c < columns; c++) {
        char head[16];
        snprintf(head, sizeof head, "(%d)", c + 1);
        canvas_right(canvas, rect.x + RANGE_WIDTH + c * CELL_WIDTH, y, CELL_WIDTH - 1, STYLE_HEADER,
                     head);
    }
    y++;
    for (int i = 0; i < count; i++) {
        const struct msg_curve_point *point = &curve->points.at[i];
        char                          text[64];
        if (i % columns == 0) {
            range_text(point, curve->unit, false, text, sizeof text);
            canvas_string(canvas, rect.x, y, RANGE_WIDTH - 1, STYLE_LABEL, text);
        }
        snprintf(text, sizeof text, point->points == 0 ? "0" : "%+d", (int)point->points);
        canvas_right(canvas, rect.x + RANGE_WIDTH + i % columns * CELL_WIDTH, y, CELL_WIDTH - 1,
                     point->points > 0   ? STYLE_WARN
                     : point->points < 0 ? STYLE_GOOD
                                         : STYLE_DIM,
                     text);
        y += i % columns == columns - 1;
    }
    y++;
    for (int c = 0; c < columns && c < count; c++, y++) {
        char text[64];
        range_text(&curve->points.at[c], curve->with_unit, true, text, sizeof text);
        canvas_print(canvas, rect.x, y, rect.w, STYLE_DIM, "(%d) %.*s %s", c + 1,
                     (int)curve->with_name.n, curve->with_name.at, text);
    }
}

/* In which unit the ranges stand, as far as they do not say so themselves. */
static void unit_words(struct slice unit, char *out, size_t size)
{
    static const char *const written[] = { "basis points", "hundredths", "percent",
                                           "seconds",      "hours",      "days",
                                           "hour",         "weekday",    "yes or no" };
    out[0] = '\0';
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++)
        if (slice_is(unit, written[i]))
            return;
    if (slice_is(unit, "minor units"))
        snprintf(out, size, "in money, as of a currency with two decimals");
    else
        snprintf(out, size, "in %.*s", (int)unit.n, unit.at);
}

static void draw_curve(const struct msg_curve *curve, struct canvas *canvas, struct rect rect)
{
    char text[NAME_MAX_TEXT];
    name_text(curve, text, sizeof text);
    canvas_rule(canvas, rect.x, rect.y, rect.w, text, "");
    struct rect in = { rect.x + 1, rect.y + 1, rect.w - 2, rect.h - 1 };
    in.y += canvas_paragraph(canvas, (struct rect){ in.x, in.y, in.w, 2 }, STYLE_DIM, curve->help);
    unit_words(curve->unit, text, sizeof text);
    canvas_string(canvas, in.x, in.y, in.w, STYLE_DIM, text);
    in.y += 2;
    if (MSG_HAS(curve, curve, with_name)) {
        draw_pair(curve, canvas, in);
        return;
    }
    for (size_t i = 0; i < curve->points.count; i++)
        draw_range(curve, &curve->points.at[i], canvas,
                   (struct rect){ in.x, in.y + (int)i, in.w, 1 });
}

static void curves_draw(struct screen *screen, struct canvas *canvas, struct rect rect)
{
    struct curves                 *curves = curves_of(screen);
    const struct msg_rules_curves *answer = answer_of(curves);
    char                           title[64] = "Scorecard";
    char                           position[32] = "";
    if (answer == NULL || answer->curves.count == 0) {
        const char *text = answer != NULL         ? "These rules have no scorecard."
                           : curves->fetch.failed ? curves->fetch.error
                                                  : "Loading ...";
        canvas_rule(canvas, rect.x, rect.y, rect.w, title, "");
        canvas_paragraph(canvas, (struct rect){ rect.x + 2, rect.y + 2, rect.w - 4, 4 },
                         curves->fetch.failed ? STYLE_BAD : STYLE_DIM, slice_from(text));
        canvas_cursor(canvas, rect.x, rect.y);
        return;
    }
    struct rect names = { rect.x, rect.y + 1, NAMES_WIDTH, rect.h - 1 };
    snprintf(title, sizeof title, "Version %lld", (long long)answer->rule_set);
    snprintf(position, sizeof position, "base %+d", (int)answer->base);
    canvas_rule(canvas, rect.x, rect.y, NAMES_WIDTH, title, position);
    draw_names(curves, canvas, names);
    draw_curve(&answer->curves.at[curves->at], canvas,
               (struct rect){ rect.x + NAMES_WIDTH, rect.y, rect.w - NAMES_WIDTH, rect.h });
}

const struct screen_ops screen_curves = {
    .name = "curves",
    .title = "Scorecard",
    .size = sizeof(struct curves),
    .places = IN_ANY | IN_TEXT,
    .open = curves_open,
    .close = curves_close,
    .refresh = curves_ask,
    .result = curves_result,
    .act = curves_act,
    .draw = curves_draw,
};
