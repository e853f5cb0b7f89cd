/* Integer arithmetic only: a bar's height is counted in eighths of a row. When there are more
 * points than columns, neighbours are added up, so that no peak is lost. */
#include "bankterm/widgets/chart.h"

#include "bankterm/show.h"

#include <stdio.h>
#include <string.h>

enum { EIGHTHS = 8, BAR_MAX = 8 };

static int64_t scaled(int64_t value, int64_t most, int64_t parts)
{
    if (most <= 0 || value <= 0)
        return 0;
    int64_t result = (int64_t)((__int128)value * parts / most);
    return result > parts ? parts : result;
}

void bar_draw(struct canvas *canvas, int x, int y, int width, enum style style, int64_t value,
              int64_t most)
{
    int64_t eighths = scaled(value, most, (int64_t)width * EIGHTHS);
    if (value > 0 && eighths == 0)
        eighths = 1;
    for (int i = 0; i < width; i++) {
        int64_t here = eighths - (int64_t)i * EIGHTHS;
        if (here >= EIGHTHS)
            canvas_glyph(canvas, x + i, y, style, GLYPH_BAR_8);
        else if (here > 0)
            canvas_glyph(canvas, x + i, y, style, (enum glyph)(GLYPH_BAR_1 + here - 1));
        else
            canvas_glyph(canvas, x + i, y, STYLE_TRACK, GLYPH_TRACK);
    }
}

/* The bars as they will stand: neighbours added up until they fit. */
struct bars {
    int64_t values[CHART_POINTS_MAX];
    int64_t marks[CHART_POINTS_MAX];
    int     count;
    int     room;   /* columns of all bars */
    int     gap;    /* between two bars */
    int64_t top;    /* largest value, at least 1 */
    int64_t bottom; /* smallest value or 0 */
};

static int64_t sum(int64_t a, int64_t b)
{
    int64_t result;
    if (__builtin_add_overflow(a, b, &result))
        return a < 0 ? INT64_MIN : INT64_MAX;
    return result;
}

static struct bars make_bars(const struct chart *chart, int room)
{
    struct bars bars = { .top = 1 };
    int         points = (int)(chart->count < CHART_POINTS_MAX ? chart->count : CHART_POINTS_MAX);
    int         group = room > 0 ? (points + room - 1) / room : 1;
    if (group < 1)
        group = 1;
    bars.count = (points + group - 1) / group;
    for (int i = 0; i < points; i++) {
        bars.values[i / group] = sum(bars.values[i / group], chart->values[i]);
        bars.marks[i / group] = sum(bars.marks[i / group], chart->marks[i]);
    }
    for (int i = 0; i < bars.count; i++) {
        if (bars.values[i] > bars.top)
            bars.top = bars.values[i];
        if (bars.values[i] < bars.bottom)
            bars.bottom = bars.values[i];
    }
    int width = bars.count > 0 ? room / bars.count : 1;
    if (width > BAR_MAX)
        width = BAR_MAX;
    bars.gap = width >= 2 ? 1 : 0;
    /* Narrow bars touch, and some are a column wider, so that they fill the room. */
    bars.room = width >= 2 ? width * bars.count : room < 2 * bars.count ? room : bars.count;
    return bars;
}

/* The column where a bar starts. */
static int bar_start(const struct bars *bars, int bar)
{
    return bars->count > 0 ? bar * bars->room / bars->count : 0;
}

static void draw_column(struct canvas *canvas, int x, int base, int width, int64_t eighths,
                        int64_t marked, const struct chart *chart)
{
    for (int row = 0; (int64_t)row * EIGHTHS < eighths; row++) {
        int64_t    here = eighths - (int64_t)row * EIGHTHS;
        enum style style = (int64_t)row * EIGHTHS < marked ? chart->mark_style : chart->style;
        enum glyph glyph = here >= EIGHTHS ? GLYPH_BLOCK_8 : (enum glyph)(GLYPH_BLOCK_1 + here - 1);
        for (int i = 0; i < width; i++)
            canvas_glyph(canvas, x + i, base - row, style, glyph);
    }
}

static void draw_hanging(struct canvas *canvas, int x, int top, int width, int rows, int64_t halves)
{
    for (int row = 0; row < rows && (int64_t)row * 2 < halves; row++) {
        bool whole = halves - (int64_t)row * 2 >= 2;
        for (int i = 0; i < width; i++)
            canvas_glyph(canvas, x + i, top + row, STYLE_CHART_BAD,
                         whole ? GLYPH_BLOCK_8 : GLYPH_UPPER_HALF);
    }
}

/* Columns of the numbers beside the axis. */
static int axis_width(const struct chart *chart, const struct bars *bars)
{
    char top[24];
    char bottom[24];
    int  width;
    chart->label(bars->top, chart->context, top, sizeof top);
    chart->label(bars->bottom, chart->context, bottom, sizeof bottom);
    width = text_columns(slice_from(top));
    if (text_columns(slice_from(bottom)) > width)
        width = text_columns(slice_from(bottom));
    return width;
}

static int draw_axis(const struct chart *chart, struct canvas *canvas, struct rect rect,
                     const struct bars *bars, int above)
{
    char top[24];
    char bottom[24];
    int  width = axis_width(chart, bars);
    chart->label(bars->top, chart->context, top, sizeof top);
    chart->label(bars->bottom, chart->context, bottom, sizeof bottom);
    canvas_right(canvas, rect.x, rect.y, width, STYLE_DIM, top);
    if (above < rect.h)
        canvas_right(canvas, rect.x, rect.y + rect.h - 1, width, STYLE_DIM, bottom);
    if (above > 1 || above < rect.h)
        canvas_right(canvas, rect.x, rect.y + above - 1, width, STYLE_DIM, "0");
    for (int y = 0; y < rect.h; y++)
        canvas_glyph(canvas, rect.x + width + 1, rect.y + y, STYLE_RULE,
                     y == 0 || y == above - 1 || y == rect.h - 1 ? GLYPH_TICK : GLYPH_AXIS);
    return width + 2;
}

/* Rows above the base line: all of them unless something is below zero. */
static int rows_above(const struct bars *bars, int height)
{
    if (bars->bottom >= 0 || height < 3)
        return height;
    __int128 span = (__int128)bars->top - bars->bottom;
    int      above = (int)((__int128)bars->top * height / span);
    if (above < 1)
        above = 1;
    return above < height ? above : height - 1;
}

void chart_draw(const struct chart *chart, struct canvas *canvas, struct rect rect)
{
    struct rect before = canvas_clip(canvas, rect);
    struct rect plot = { rect.x, rect.y, rect.w, rect.h - 1 };
    struct bars bars = make_bars(chart, rect.w - 10 > 1 ? rect.w - 10 : 1);
    int         room = rect.w - axis_width(chart, &bars) - 2;
    if (room > rect.w - 10) /* sums of more neighbours have longer numbers, not shorter ones */
        bars = make_bars(chart, room);
    if (plot.h >= 1 && bars.count > 0) {
        int above = rows_above(&bars, plot.h);
        int axis = draw_axis(chart, canvas, plot, &bars, above);
        int base = plot.y + above - 1;
        for (int i = 0; i < bars.count; i++) {
            int     x = plot.x + axis + bar_start(&bars, i);
            int     width = bar_start(&bars, i + 1) - bar_start(&bars, i) - bars.gap;
            int64_t eighths = scaled(bars.values[i], bars.top, (int64_t)above * EIGHTHS);
            int64_t marked = scaled(bars.marks[i], bars.top, (int64_t)above * EIGHTHS);
            if (bars.values[i] > 0 && eighths == 0)
                eighths = 1;
            if (bars.marks[i] > 0 && marked == 0)
                marked = 1;
            draw_column(canvas, x, base, width, eighths, marked, chart);
            if (bars.values[i] < 0 && above < plot.h)
                draw_hanging(canvas, x, base + 1, width, plot.h - above,
                             scaled(-(bars.values[i] + 1), -(bars.bottom + 1),
                                    (int64_t)(plot.h - above) * 2) +
                                 1);
        }
        int used = bars.room;
        int y = rect.y + rect.h - 1;
        int first = canvas_string(canvas, plot.x + axis, y, used, STYLE_DIM, chart->first);
        if (used - first > text_columns(slice_from(chart->last)))
            canvas_right(canvas, plot.x + axis, y, used, STYLE_DIM, chart->last);
    }
    canvas_unclip(canvas, before);
}

static int tile_columns(int count, int width, int width_min)
{
    int columns = width / width_min;
    if (columns < 1)
        columns = 1;
    if (columns > count)
        columns = count;
    int lines = (count + columns - 1) / columns;
    return (count + lines - 1) / lines; /* even rows */
}

int tiles_height(int count, int width, int width_min)
{
    int columns = tile_columns(count, width, width_min);
    return (count + columns - 1) / columns * 3;
}

int tiles_draw(const struct tile *tiles, int count, struct canvas *canvas, struct rect rect,
               int width_min)
{
    int columns = tile_columns(count, rect.w, width_min);
    int width = rect.w / columns;
    for (int i = 0; i < count; i++) {
        int x = rect.x + i % columns * width + 1;
        int y = rect.y + i / columns * 3;
        canvas_string(canvas, x, y, width - 2, STYLE_LABEL, tiles[i].title);
        bool fits = text_columns(slice_from(tiles[i].value)) <= width - 2;
        canvas_string(canvas, x, y + 1, width - 2, tiles[i].style,
                      fits || tiles[i].brief[0] == '\0' ? tiles[i].value : tiles[i].brief);
        canvas_string(canvas, x, y + 2, width - 2, STYLE_DIM, tiles[i].note);
    }
    return (count + columns - 1) / columns * 3;
}
