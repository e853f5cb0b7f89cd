/* Integers only, and one scale for all rows: a column stands for the same points in every bar, so
 * that the eye can add what the numbers say. */
#include "bankterm/widgets/waterfall.h"

#include "common/limits.h"

#include <inttypes.h>
#include <stdio.h>

enum { POINTS_WIDTH = 6, BAR_LEAST = 12, BAR_MOST = 60, EIGHTHS = 8 };

/* Where the bars stand: the columns from x on show low to high. */
struct axis {
    int     x;
    int     width;
    int64_t low;
    int64_t high;
};

static struct axis make_axis(const struct waterfall *fall, struct rect rect)
{
    struct axis axis = { .x = rect.x + POINTS_WIDTH + 1, .high = fall->scale };
    int64_t     sum = 0;
    axis.width = rect.w / 3;
    if (axis.width < BAR_LEAST)
        axis.width = BAR_LEAST;
    if (axis.width > BAR_MOST)
        axis.width = BAR_MOST;
    for (int i = 0; i < fall->count; i++) {
        sum += fall->parts[i].points;
        if (sum < axis.low)
            axis.low = sum;
        if (sum > axis.high)
            axis.high = sum;
    }
    if (axis.high <= axis.low)
        axis.high = axis.low + 1;
    return axis;
}

/* Eighths of a column from the start of the axis. */
static int64_t place(const struct axis *axis, int64_t value)
{
    if (value < axis->low)
        value = axis->low;
    if (value > axis->high)
        value = axis->high;
    return (int64_t)((__int128)(value - axis->low) * axis->width * EIGHTHS /
                     (axis->high - axis->low));
}

static int column(const struct axis *axis, int64_t value)
{
    int at = (int)(place(axis, value) / EIGHTHS);
    return at < axis->width ? at : axis->width - 1;
}

static void draw_limits(const struct waterfall *fall, const struct axis *axis,
                        struct canvas *canvas, int y)
{
    for (int i = 0; i < fall->limit_count; i++)
        canvas_glyph(canvas, axis->x + column(axis, fall->limits[i].at), y, fall->limits[i].style,
                     GLYPH_VLINE);
}

static void draw_bar(const struct axis *axis, struct canvas *canvas, int y, int64_t from,
                     int64_t to)
{
    bool    falls = to < from;
    int64_t start = place(axis, falls ? to : from);
    int64_t end = place(axis, falls ? from : to);
    int     first = (int)(start / EIGHTHS);
    if (from == to)
        return;
    if (first >= axis->width)
        first = axis->width - 1;
    if (end <= (int64_t)first * EIGHTHS)
        end = (int64_t)first * EIGHTHS + 1;
    for (int i = first; i < axis->width && (int64_t)i * EIGHTHS < end; i++) {
        int64_t    here = end - (int64_t)i * EIGHTHS;
        enum glyph solid =
            here >= EIGHTHS ? GLYPH_BAR_8 : (enum glyph)(GLYPH_BAR_1 + (here > 0 ? here - 1 : 0));
        canvas_glyph(canvas, axis->x + i, y, falls ? STYLE_GOOD : STYLE_CHART_WARN,
                     falls ? GLYPH_FALL : solid);
    }
}

/* The names of the limits, each ending under its line; one that has no room is left out, because
 * the words behind the total say it too. */
static void draw_names(const struct waterfall *fall, const struct axis *axis, struct canvas *canvas,
                       int y)
{
    int free_from = axis->x;
    canvas_right(canvas, axis->x - POINTS_WIDTH - 1, y, POINTS_WIDTH, STYLE_DIM, "");
    for (int i = 0; i < fall->limit_count; i++) {
        char text[40];
        int  end = axis->x + column(axis, fall->limits[i].at);
        snprintf(text, sizeof text, "%s %" PRId64, fall->limits[i].name, fall->limits[i].at);
        int start = end - text_columns(slice_from(text)) + 1;
        if (start < free_from)
            start = free_from;
        canvas_string(canvas, start, y, 40, fall->limits[i].style, text);
        free_from = start + text_columns(slice_from(text)) + 1;
    }
}

static int draw_total(const struct waterfall *fall, const struct axis *axis, struct canvas *canvas,
                      struct rect rect, int y)
{
    char total[24];
    int  end = rect.y + rect.h;
    if (y >= end)
        return y;
    snprintf(total, sizeof total, "%" PRId64, fall->total);
    canvas_right(canvas, rect.x, y, POINTS_WIDTH, fall->total_style, total);
    draw_limits(fall, axis, canvas, y);
    draw_bar(axis, canvas, y, 0, fall->total);
    int text = axis->x + axis->width + 1;
    y += canvas_paragraph(canvas, (struct rect){ text, y, rect.x + rect.w - text, end - y },
                          STYLE_DIM, slice_from(fall->words));
    if (fall->limit_count > 0 && y < end)
        draw_names(fall, axis, canvas, y++);
    return y;
}

/* "The counterparty is new [new_counterparty]": where room is short, the name is what is cut. */
static int draw_text(const struct waterfall_part *part, struct canvas *canvas, struct rect rect)
{
    char text[LIMIT_REASON_MAX + LIMIT_PART_NAME_MAX + 8];
    if (part->name.n == 0)
        return canvas_paragraph(canvas, rect, STYLE_TEXT, part->text);
    snprintf(text, sizeof text, "%.*s [%.*s]", (int)part->text.n,
             part->text.at != NULL ? part->text.at : "", (int)part->name.n, part->name.at);
    return canvas_paragraph(canvas, rect, STYLE_TEXT, slice_from(text));
}

int waterfall_draw(const struct waterfall *fall, struct canvas *canvas, struct rect rect)
{
    struct axis axis = make_axis(fall, rect);
    int         text = axis.x + axis.width + 1;
    int         end = rect.y + rect.h;
    int         y = rect.y;
    int64_t     sum = 0;
    for (int i = 0; i < fall->count && y < end; i++) {
        const struct waterfall_part *part = &fall->parts[i];
        char                         points[24];
        int                          first = y;
        snprintf(points, sizeof points, part->points == 0 ? "0" : "%+" PRId64, part->points);
        canvas_right(canvas, rect.x, y, POINTS_WIDTH, STYLE_VALUE, points);
        draw_limits(fall, &axis, canvas, y);
        draw_bar(&axis, canvas, y, sum, sum + part->points);
        sum += part->points;
        y += draw_text(part, canvas, (struct rect){ text, y, rect.x + rect.w - text, end - y });
        if (y == first)
            y++;
        for (first++; first < y; first++)
            draw_limits(fall, &axis, canvas, first);
    }
    return draw_total(fall, &axis, canvas, rect, y) - rect.y;
}
