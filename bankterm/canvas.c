/* The grid of cells. Text is walked character by character: what a terminal would obey (control
 * characters, marks that turn the writing direction) is drawn as \xNN, what is not UTF-8 as its
 * bytes. Accents that come after their letter are kept with its cell; other signs without a width
 * (joiners, variation selectors) would change how wide a terminal draws what stands before, and
 * are left out. Two-column characters own the cell to their right, and
 * overwriting one half blanks the other, so that the grid never holds half a character. */
#include "bankterm/canvas.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = ATTR_BOLD, D = ATTR_DIM, U = ATTR_UNDERLINE, R = ATTR_REVERSE };

static const struct look looks[SCHEME_count][STYLE_count] = {
#define STYLE(name, mono, f8, b8, a8, f256, b256, a256, fl, bl, al)                                \
    [SCHEME_MONO][STYLE_##name] = { #name, -1, -1, mono },                                         \
    [SCHEME_8][STYLE_##name] = { #name, f8, b8, a8 },                                              \
    [SCHEME_256][STYLE_##name] = { #name, f256, b256, a256 },                                      \
    [SCHEME_LIGHT][STYLE_##name] = { #name, fl, bl, al },
#include "bankterm/theme.def"
#undef STYLE
};

static const struct {
    uint32_t code;
    char     ascii;
} glyphs[GLYPH_count] = {
#define GLYPH(name, code, ascii) [GLYPH_##name] = { code, ascii },
#include "bankterm/glyphs.def"
#undef GLYPH
};

struct range {
    uint32_t first;
    uint32_t last;
};

static const struct range ranges_wide[] = {
    { 0x1100, 0x115F },   { 0x231A, 0x231B },   { 0x2329, 0x232A },   { 0x23E9, 0x23EC },
    { 0x25FD, 0x25FE },   { 0x2614, 0x2615 },   { 0x2648, 0x2653 },   { 0x26AA, 0x26AB },
    { 0x26BD, 0x26BE },   { 0x26C4, 0x26C5 },   { 0x2705, 0x2705 },   { 0x270A, 0x270B },
    { 0x2728, 0x2728 },   { 0x274C, 0x274C },   { 0x2753, 0x2757 },   { 0x2795, 0x2797 },
    { 0x2B1B, 0x2B1C },   { 0x2B50, 0x2B50 },   { 0x2E80, 0x303E },   { 0x3041, 0xA4CF },
    { 0xA960, 0xA97F },   { 0xAC00, 0xD7A3 },   { 0xF900, 0xFAFF },   { 0xFE30, 0xFE6F },
    { 0xFF00, 0xFF60 },   { 0xFFE0, 0xFFE6 },   { 0x1F004, 0x1F004 }, { 0x1F0CF, 0x1F0CF },
    { 0x1F18E, 0x1F18E }, { 0x1F191, 0x1F19A }, { 0x1F200, 0x1F64F }, { 0x1F680, 0x1F6FF },
    { 0x1F7E0, 0x1F7EB }, { 0x1F90C, 0x1F9FF }, { 0x1FA70, 0x1FAFF }, { 0x20000, 0x3FFFD },
};

static const struct range ranges_empty[] = {
    { 0x0300, 0x036F }, { 0x0483, 0x0489 }, { 0x0591, 0x05BD }, { 0x05BF, 0x05BF },
    { 0x05C1, 0x05C2 }, { 0x05C4, 0x05C5 }, { 0x0610, 0x061A }, { 0x064B, 0x065F },
    { 0x0670, 0x0670 }, { 0x06D6, 0x06DC }, { 0x06DF, 0x06E4 }, { 0x06E7, 0x06E8 },
    { 0x06EA, 0x06ED }, { 0x0900, 0x0902 }, { 0x093A, 0x093A }, { 0x093C, 0x093C },
    { 0x0941, 0x0948 }, { 0x094D, 0x094D }, { 0x0E31, 0x0E31 }, { 0x0E34, 0x0E3A },
    { 0x0E47, 0x0E4E }, { 0x1AB0, 0x1AFF }, { 0x1DC0, 0x1DFF }, { 0x200B, 0x200D },
    { 0x2060, 0x2064 }, { 0x20D0, 0x20FF }, { 0x302A, 0x302D }, { 0x3099, 0x309A },
    { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F }, { 0xFEFF, 0xFEFF }, { 0xE0100, 0xE01EF },
};

/* Of the empty ones, those that draw nothing of their own. */
static const struct range ranges_unseen[] = {
    { 0x200B, 0x200D }, { 0x2060, 0x2064 },   { 0xFE00, 0xFE0F },
    { 0xFEFF, 0xFEFF }, { 0xE0100, 0xE01EF },
};

static const struct range ranges_obeyed[] = {
    { 0x0000, 0x001F }, { 0x007F, 0x009F }, { 0x061C, 0x061C }, { 0x200E, 0x200F },
    { 0x2028, 0x202E }, { 0x2066, 0x2069 }, { 0xFFF9, 0xFFFB }, { 0xE0000, 0xE007F },
};

static bool in_ranges(const struct range *ranges, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count && ranges[i].first <= code; i++) {
        if (code <= ranges[i].last)
            return true;
    }
    return false;
}

#define IN(ranges, code) in_ranges(ranges, sizeof(ranges) / sizeof((ranges)[0]), code)

const struct look *theme_look(enum scheme scheme, enum style style)
{
    return &looks[scheme][style];
}

bool text_is_obeyed(uint32_t code)
{
    return IN(ranges_obeyed, code);
}

int text_width(uint32_t code)
{
    if (code < 0x300)
        return 1;
    if (IN(ranges_empty, code))
        return 0;
    return IN(ranges_wide, code) ? 2 : 1;
}

/* The next thing to draw of a text: a character, or the escaped form of one or of a byte. */
struct piece {
    size_t   bytes;
    uint32_t code; /* 0: `escape` is drawn */
    int      columns;
    char     escape[12];
};

static struct piece next_piece(struct slice text)
{
    struct piece piece = { 0 };
    piece.bytes = slice_char(text, &piece.code);
    if (piece.bytes == 0) {
        piece.bytes = 1;
        snprintf(piece.escape, sizeof piece.escape, "\\x%02x", (unsigned char)text.at[0]);
        piece.code = 0;
    } else if (text_is_obeyed(piece.code)) {
        if (piece.code < 0x100)
            snprintf(piece.escape, sizeof piece.escape, "\\x%02x", (unsigned)piece.code);
        else
            snprintf(piece.escape, sizeof piece.escape, "\\u%04x", (unsigned)piece.code);
        piece.code = 0;
    } else {
        piece.columns = text_width(piece.code);
        return piece;
    }
    piece.columns = (int)strlen(piece.escape);
    return piece;
}

int text_columns(struct slice text)
{
    int64_t columns = 0;
    while (text.n > 0) {
        struct piece piece = next_piece(text);
        columns += piece.columns;
        text = slice_of(text.at + piece.bytes, text.n - piece.bytes);
    }
    return columns > CANVAS_WIDTH_MAX * 16 ? CANVAS_WIDTH_MAX * 16 : (int)columns;
}

enum err canvas_resize(struct canvas *canvas, int width, int height)
{
    if (width < 1)
        width = 1;
    if (height < 1)
        height = 1;
    if (width > CANVAS_WIDTH_MAX)
        width = CANVAS_WIDTH_MAX;
    if (height > CANVAS_HEIGHT_MAX)
        height = CANVAS_HEIGHT_MAX;
    struct cell *cells = calloc((size_t)width * (size_t)height, sizeof *cells);
    if (cells == NULL)
        return ERR_memory;
    free(canvas->cells);
    canvas->cells = cells;
    canvas->width = width;
    canvas->height = height;
    canvas_clear(canvas);
    return ERR_none;
}

void canvas_free(struct canvas *canvas)
{
    free(canvas->cells);
    *canvas = (struct canvas){ 0 };
}

struct rect canvas_all(const struct canvas *canvas)
{
    return (struct rect){ 0, 0, canvas->width, canvas->height };
}

void canvas_clear(struct canvas *canvas)
{
    canvas->clip = canvas_all(canvas);
    canvas->cursor_x = -1;
    canvas->cursor_y = -1;
    canvas_fill(canvas, canvas->clip, STYLE_TEXT, ' ');
}

static struct rect rect_common(struct rect a, struct rect b)
{
    int x = a.x > b.x ? a.x : b.x;
    int y = a.y > b.y ? a.y : b.y;
    int right = a.x + a.w < b.x + b.w ? a.x + a.w : b.x + b.w;
    int bottom = a.y + a.h < b.y + b.h ? a.y + a.h : b.y + b.h;
    return (struct rect){ x, y, right > x ? right - x : 0, bottom > y ? bottom - y : 0 };
}

struct rect canvas_clip(struct canvas *canvas, struct rect clip)
{
    struct rect before = canvas->clip;
    canvas->clip = rect_common(before, clip);
    return before;
}

void canvas_unclip(struct canvas *canvas, struct rect before)
{
    canvas->clip = before;
}

static bool is_inside(const struct canvas *canvas, int x, int y)
{
    const struct rect *clip = &canvas->clip;
    return x >= clip->x && y >= clip->y && x < clip->x + clip->w && y < clip->y + clip->h;
}

static struct cell *cell_at(const struct canvas *canvas, int x, int y)
{
    return &canvas->cells[(size_t)y * (size_t)canvas->width + (size_t)x];
}

/* Whoever overwrites one half of a wide character blanks the other. */
static void forget_wide(struct canvas *canvas, int x, int y)
{
    struct cell *cell = cell_at(canvas, x, y);
    if (cell->code == 0 && x > 0)
        *cell_at(canvas, x - 1, y) = (struct cell){ .code = ' ', .style = cell[-1].style };
    if (x + 1 < canvas->width && cell_at(canvas, x + 1, y)->code == 0)
        cell_at(canvas, x + 1, y)->code = ' ';
}

/* What stands for a character where only ASCII is drawn. */
static uint32_t ascii_for(uint32_t code)
{
    switch (code) {
    case 0x00D7: /* times */
        return 'x';
    case 0x2013:
    case 0x2014: /* dashes */
        return '-';
    case 0x2018:
    case 0x2019: /* quotation marks */
        return '\'';
    default:
        return '?';
    }
}

void canvas_put(struct canvas *canvas, int x, int y, enum style style, uint32_t code)
{
    if (!is_inside(canvas, x, y))
        return;
    if (canvas->ascii && code > 0x7E)
        code = ascii_for(code);
    int width = text_width(code);
    if (width == 0)
        return;
    if (width == 2 && !is_inside(canvas, x + 1, y)) {
        code = ' ';
        width = 1;
    }
    forget_wide(canvas, x, y);
    *cell_at(canvas, x, y) = (struct cell){ .code = code, .style = (uint8_t)style };
    if (width == 2) {
        forget_wide(canvas, x + 1, y);
        *cell_at(canvas, x + 1, y) = (struct cell){ .code = 0, .style = (uint8_t)style };
    }
}

void canvas_glyph(struct canvas *canvas, int x, int y, enum style style, enum glyph glyph)
{
    canvas_put(canvas, x, y, style,
               canvas->ascii ? (uint32_t)glyphs[glyph].ascii : glyphs[glyph].code);
}

void canvas_fill(struct canvas *canvas, struct rect rect, enum style style, uint32_t code)
{
    rect = rect_common(rect, canvas->clip);
    for (int y = rect.y; y < rect.y + rect.h; y++) {
        for (int x = rect.x; x < rect.x + rect.w; x++)
            canvas_put(canvas, x, y, style, code);
    }
}

void canvas_restyle(struct canvas *canvas, struct rect rect, enum style style)
{
    rect = rect_common(rect, canvas->clip);
    for (int y = rect.y; y < rect.y + rect.h; y++) {
        for (int x = rect.x; x < rect.x + rect.w; x++)
            cell_at(canvas, x, y)->style = (uint8_t)style;
    }
}

void canvas_cursor(struct canvas *canvas, int x, int y)
{
    if (!is_inside(canvas, x, y))
        return;
    canvas->cursor_x = x;
    canvas->cursor_y = y;
}

/* Puts an accent upon what was drawn before it. */
static void add_mark(struct canvas *canvas, int x, int y, uint32_t code)
{
    if (canvas->ascii || !is_inside(canvas, x, y) || IN(ranges_unseen, code))
        return;
    struct cell *cell = cell_at(canvas, x, y);
    if (cell->code == 0 && x > 0)
        cell--;
    for (int i = 0; i < CELL_MARKS_MAX; i++) {
        if (cell->marks[i] == 0) {
            cell->marks[i] = code;
            return;
        }
    }
}

static int draw_piece(struct canvas *canvas, int x, int y, enum style style,
                      const struct piece *piece)
{
    if (piece->code != 0) {
        bool poor = canvas->ascii && piece->code > 0x7E;
        canvas_put(canvas, x, y, style, piece->code);
        if (poor && piece->columns == 2)
            canvas_put(canvas, x + 1, y, style, '?');
        return piece->columns;
    }
    for (int i = 0; i < piece->columns; i++)
        canvas_put(canvas, x + i, y, style, (unsigned char)piece->escape[i]);
    return piece->columns;
}

int canvas_text(struct canvas *canvas, int x, int y, int width, enum style style, struct slice text)
{
    if (width <= 0)
        return 0;
    bool cut = text_columns(text) > width;
    int  room = cut ? width - 1 : width;
    int  used = 0;
    while (text.n > 0) {
        struct piece piece = next_piece(text);
        if (used + piece.columns > room)
            break;
        if (piece.columns > 0)
            used += draw_piece(canvas, x + used, y, style, &piece);
        else if (used > 0)
            add_mark(canvas, x + used - 1, y, piece.code);
        text = slice_of(text.at + piece.bytes, text.n - piece.bytes);
    }
    if (cut) {
        canvas_glyph(canvas, x + used, y, style, GLYPH_ELLIPSIS);
        used++;
    }
    return used;
}

int canvas_string(struct canvas *canvas, int x, int y, int width, enum style style,
                  const char *text)
{
    return canvas_text(canvas, x, y, width, style, slice_from(text));
}

int canvas_right(struct canvas *canvas, int x, int y, int width, enum style style, const char *text)
{
    int columns = text_columns(slice_from(text));
    int indent = columns < width ? width - columns : 0;
    return indent + canvas_string(canvas, x + indent, y, width - indent, style, text);
}

int canvas_print(struct canvas *canvas, int x, int y, int width, enum style style,
                 const char *format, ...)
{
    char    text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return canvas_string(canvas, x, y, width, style, text);
}

/* Bytes of the next line of at most `width` columns; *skip is what is left out behind it. */
/* A number and the % behind its blank. */
static bool holds_together(struct slice text, size_t blank)
{
    return blank + 1 < text.n && text.at[blank + 1] == '%' && blank > 0 &&
           text.at[blank - 1] >= '0' && text.at[blank - 1] <= '9';
}

static size_t line_bytes(struct slice text, int width, size_t *skip)
{
    size_t at = 0;
    size_t blank = 0;
    int    used = 0;
    *skip = 0;
    while (at < text.n) {
        if (text.at[at] == '\n') {
            *skip = 1;
            return at;
        }
        struct piece piece = next_piece(slice_of(text.at + at, text.n - at));
        if (text.at[at] == ' ' && !holds_together(text, at))
            blank = at;
        if (used + piece.columns > width) {
            *skip = blank > 0 ? 1 : 0;
            return blank > 0 ? blank : (at > 0 ? at : piece.bytes);
        }
        used += piece.columns;
        at += piece.bytes;
    }
    return at;
}

int canvas_paragraph(struct canvas *canvas, struct rect rect, enum style style, struct slice text)
{
    int line = 0;
    if (rect.w < 1)
        return 0;
    while (text.n > 0 && line < rect.h) {
        size_t skip;
        size_t n = line_bytes(text, rect.w, &skip);
        bool   last = line + 1 == rect.h;
        canvas_text(canvas, rect.x, rect.y + line, rect.w, style,
                    last ? text : slice_of(text.at, n));
        text = slice_of(text.at + n + skip, text.n - n - skip);
        line++;
    }
    return line;
}

void canvas_rule(struct canvas *canvas, int x, int y, int width, const char *title,
                 const char *right)
{
    for (int i = 0; i < width; i++)
        canvas_glyph(canvas, x + i, y, STYLE_RULE, GLYPH_HLINE);
    int used = 0;
    if (title[0] != '\0' && width > 6) {
        canvas_put(canvas, x + 1, y, STYLE_RULE, ' ');
        used = 3 + canvas_string(canvas, x + 2, y, width - 4, STYLE_TITLE, title);
        canvas_put(canvas, x + used - 1, y, STYLE_RULE, ' ');
    }
    int columns = text_columns(slice_from(right));
    if (columns > 0 && used + columns + 4 <= width) {
        int at = x + width - columns - 3;
        canvas_put(canvas, at, y, STYLE_RULE, ' ');
        canvas_string(canvas, at + 1, y, columns, STYLE_DIM, right);
        canvas_put(canvas, at + 1 + columns, y, STYLE_RULE, ' ');
    }
}

struct rect canvas_box(struct canvas *canvas, struct rect rect, enum style style, const char *title)
{
    int right = rect.x + rect.w - 1;
    int bottom = rect.y + rect.h - 1;
    canvas_fill(canvas, rect, STYLE_TEXT, ' ');
    for (int x = rect.x; x <= right; x++) {
        canvas_glyph(canvas, x, rect.y, style, GLYPH_HLINE);
        canvas_glyph(canvas, x, bottom, style, GLYPH_HLINE);
    }
    for (int y = rect.y; y <= bottom; y++) {
        canvas_glyph(canvas, rect.x, y, style, GLYPH_VLINE);
        canvas_glyph(canvas, right, y, style, GLYPH_VLINE);
    }
    canvas_glyph(canvas, rect.x, rect.y, style, GLYPH_TOP_LEFT);
    canvas_glyph(canvas, right, rect.y, style, GLYPH_TOP_RIGHT);
    canvas_glyph(canvas, rect.x, bottom, style, GLYPH_BOTTOM_LEFT);
    canvas_glyph(canvas, right, bottom, style, GLYPH_BOTTOM_RIGHT);
    if (title[0] != '\0' && rect.w > 6) {
        canvas_put(canvas, rect.x + 1, rect.y, style, ' ');
        int used = canvas_string(canvas, rect.x + 2, rect.y, rect.w - 5, STYLE_TITLE, title);
        canvas_put(canvas, rect.x + 2 + used, rect.y, style, ' ');
    }
    return (struct rect){ rect.x + 2, rect.y + 1, rect.w - 4, rect.h - 2 };
}
