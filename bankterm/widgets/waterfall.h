/* Parts that add up to a sum, each drawn where the parts before it ended.
 *
 * A part that adds is a solid bar to the right, one that takes away a shaded bar to the left; its
 * number stands before it with its sign, so that nothing is told by colour or shade alone. Limits
 * stand as lines through all bars and are named under them. */
#ifndef BANKTERM_WIDGETS_WATERFALL_H
#define BANKTERM_WIDGETS_WATERFALL_H

#include "bankterm/canvas.h"

#include <stddef.h>
#include <stdint.h>

enum { WATERFALL_PARTS_MAX = 64, WATERFALL_LIMITS_MAX = 4 };

struct waterfall_part {
    int64_t      points;
    struct slice text;
    struct slice name; /* whose points they are, told behind the text; may be empty */
};

struct waterfall_limit {
    int64_t     at;
    const char *name;
    enum style  style;
};

struct waterfall {
    struct waterfall_part  parts[WATERFALL_PARTS_MAX];
    int                    count;
    struct waterfall_limit limits[WATERFALL_LIMITS_MAX]; /* in rising order */
    int                    limit_count;
    int64_t                total;
    enum style             total_style;
    int64_t                scale;     /* the axis reaches at least so far */
    char                   words[96]; /* behind the total */
};

/* Returns the lines used. */
int waterfall_draw(const struct waterfall *fall, struct canvas *canvas, struct rect rect);

#endif
