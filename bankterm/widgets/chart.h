/* Charts as blocks or ASCII. A chart is data first and cells last; the numbers beside it come from
 * the same data, so nothing is told by height or colour alone. */
#ifndef BANKTERM_WIDGETS_CHART_H
#define BANKTERM_WIDGETS_CHART_H

#include "bankterm/canvas.h"

#include <stddef.h>
#include <stdint.h>

enum { CHART_POINTS_MAX = 800 };

/* One bar a point, oldest first. Values below zero hang from the base line. */
struct chart {
    int64_t    values[CHART_POINTS_MAX];
    int64_t    marks[CHART_POINTS_MAX]; /* part of the value in the other style; 0 for none */
    size_t     count;
    enum style style;
    enum style mark_style;
    char       first[24]; /* under the first and the last bar */
    char       last[24];
    /* Text of a value on the axis. */
    void (*label)(int64_t value, const void *context, char *out, size_t size);
    const void *context;
};

void chart_draw(const struct chart *chart, struct canvas *canvas, struct rect rect);

/* A horizontal bar of value / most of the width. */
void bar_draw(struct canvas *canvas, int x, int y, int width, enum style style, int64_t value,
              int64_t most);

/* A figure with its name: two lines, three when there is a third text. */
struct tile {
    const char *title;
    char        value[40];
    char        brief[16]; /* drawn when the value is wider than the tile */
    char        note[48];
    enum style  style;
};

/* In as many columns as fit, at least `width_min` wide; returns the lines used. */
int tiles_draw(const struct tile *tiles, int count, struct canvas *canvas, struct rect rect,
               int width_min);
int tiles_height(int count, int width, int width_min);

#endif
