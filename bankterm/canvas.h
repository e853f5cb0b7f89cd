/* A grid of cells that every screen draws on: a character, a meaning (theme.def) and nothing of
 * the terminal. Back ends turn it into a real screen or into text for tests.
 *
 * The rule: whatever is drawn is clipped to the canvas and to the current clip, so that no widget
 * has to know how small the window is. Text from the server goes through canvas_text, which shows
 * control characters escaped and counts columns as a terminal does; a name can never move the
 * cursor. The hardware cursor is put where the user's attention is (selected row, field), because
 * screen readers follow it. */
#ifndef BANKTERM_CANVAS_H
#define BANKTERM_CANVAS_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum style {
#define STYLE(name, mono, f8, b8, a8, f256, b256, a256, fl, bl, al) STYLE_##name,
#include "bankterm/theme.def"
#undef STYLE
    STYLE_count
};

enum attribute { ATTR_BOLD = 1, ATTR_DIM = 2, ATTR_UNDERLINE = 4, ATTR_REVERSE = 8 };

enum scheme { SCHEME_MONO, SCHEME_8, SCHEME_256, SCHEME_LIGHT, SCHEME_count };

/* How one meaning looks in one scheme. */
struct look {
    const char *name;
    int16_t     foreground;
    int16_t     background;
    uint8_t     attributes;
};

const struct look *theme_look(enum scheme scheme, enum style style);

enum glyph {
#define GLYPH(name, code, ascii) GLYPH_##name,
#include "bankterm/glyphs.def"
#undef GLYPH
    GLYPH_count
};

enum { CANVAS_WIDTH_MAX = 1000, CANVAS_HEIGHT_MAX = 500 };

enum { CELL_MARKS_MAX = 2 };

struct cell {
    uint32_t code;                  /* 0: the right half of the wide character before it */
    uint32_t marks[CELL_MARKS_MAX]; /* accents and the like upon it; 0: none */
    uint8_t  style;
};

struct rect {
    int x;
    int y;
    int w;
    int h;
};

struct canvas {
    int          width;
    int          height;
    bool         ascii;
    struct rect  clip;
    int          cursor_x; /* -1: hidden */
    int          cursor_y;
    struct cell *cells;
};

ERR_MUST_USE enum err canvas_resize(struct canvas *canvas, int width, int height);
void                  canvas_free(struct canvas *canvas);
void                  canvas_clear(struct canvas *canvas); /* blanks, no cursor, no clip */

struct rect canvas_all(const struct canvas *canvas);
/* Drawing stays inside from now on; returns the clip before, to be given back. */
struct rect canvas_clip(struct canvas *canvas, struct rect clip);
void        canvas_unclip(struct canvas *canvas, struct rect before);

void canvas_put(struct canvas *canvas, int x, int y, enum style style, uint32_t code);
void canvas_glyph(struct canvas *canvas, int x, int y, enum style style, enum glyph glyph);
void canvas_fill(struct canvas *canvas, struct rect rect, enum style style, uint32_t code);
/* Gives the cells another meaning and leaves their characters. */
void canvas_restyle(struct canvas *canvas, struct rect rect, enum style style);
void canvas_cursor(struct canvas *canvas, int x, int y);

/* Draws at most `width` columns; what does not fit is cut with an ellipsis. Returns the columns
 * used. */
int canvas_text(struct canvas *canvas, int x, int y, int width, enum style style,
                struct slice text);
int canvas_string(struct canvas *canvas, int x, int y, int width, enum style style,
                  const char *text);
int canvas_right(struct canvas *canvas, int x, int y, int width, enum style style,
                 const char *text);
int canvas_print(struct canvas *canvas, int x, int y, int width, enum style style,
                 const char *format, ...) __attribute__((format(printf, 6, 7)));
/* Breaks at blanks into at most rect.h lines; returns how many lines it took. */
int canvas_paragraph(struct canvas *canvas, struct rect rect, enum style style, struct slice text);

/* "-- Title ---------- right --"; the title may be "". */
void canvas_rule(struct canvas *canvas, int x, int y, int width, const char *title,
                 const char *right);
/* A frame with a title over a blank inside; returns the inside. */
struct rect canvas_box(struct canvas *canvas, struct rect rect, enum style style,
                       const char *title);

/* Whether a terminal obeys the character, or reorders by it what stands around: such a character is
 * never sent as it is. */
bool text_is_obeyed(uint32_t code);
/* Columns that a character takes: 0, 1 or 2. */
int text_width(uint32_t code);
/* Columns that canvas_text would take without a limit. */
int text_columns(struct slice text);

#endif
