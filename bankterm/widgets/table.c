/* The table's order is an index over the server's rows, rebuilt when rows, filter or sorting
 * change: O(n log n) over at most a few thousand rows. Widths are measured then and not while
 * drawing, so that columns stand still while the user moves. */
#include "bankterm/widgets/table.h"

#include "bankterm/record.h"
#include "bankterm/show.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/money.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 2, GUTTER = 2, GUTTER_MARKS = 3, CUT_MIN = 10 };

void field_text(const struct message_desc *desc, const void *message, int field, char *out,
                size_t size)
{
    const struct field_desc *row = &desc->fields[field];
    const void              *at = message_at(desc, message, field);
    int64_t                  integer = 0;
    int32_t                  choice;
    struct slice             text;
    char                     words[SHOW_WORDS_MAX];

    out[0] = '\0';
    if ((row->flags & REQUIRED) == 0 && !message_has(message, field))
        return;
    if (row->type == FIELD_INT || row->type == FIELD_MONEY || row->type == FIELD_TIME)
        memcpy(&integer, at, sizeof integer);
    switch (row->type) {
    case FIELD_UUID:
        show_id(at, out, size);
        break;
    case FIELD_INT:
        show_count(integer, out, size);
        break;
    case FIELD_MONEY:
        show_money(integer, show_exponent(desc, message), out, size);
        break;
    case FIELD_TIME:
        show_minute(integer, out, size);
        break;
    case FIELD_BOOL:
        snprintf(out, size, "%s", *(const bool *)at ? "yes" : "no");
        break;
    case FIELD_CHOICE:
        memcpy(&choice, at, sizeof choice);
        snprintf(out, size, "%s", show_choice(row->choice, choice, words));
        break;
    case FIELD_TEXT:
        memcpy(&text, at, sizeof text);
        slice_copy(text, out, size);
        break;
    case FIELD_BYTES:
        memcpy(&text, at, sizeof text);
        show_hex(text, out, size);
        break;
    case FIELD_LIST:
        break;
    }
}

struct row_key table_key(const struct message_desc *item, const void *row)
{
    struct row_key           key = { { 0 } };
    const struct field_desc *id = &item->fields[0];
    const void              *at = message_at(item, row, 0);
    if (id->type == FIELD_UUID) {
        memcpy(key.bytes, at, sizeof key.bytes);
    } else if (id->type == FIELD_TEXT) {
        struct slice text;
        memcpy(&text, at, sizeof text);
        for (size_t i = 0; i < text.n; i++) {
            uint8_t *byte = &key.bytes[i % sizeof key.bytes];
            *byte = (uint8_t)(*byte * 31 + (uint8_t)text.at[i]);
        }
    } else {
        memcpy(key.bytes, at, sizeof(int64_t));
    }
    return key;
}

bool row_key_equal(const struct row_key *a, const struct row_key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static void measure(struct table *table)
{
    for (int c = 0; c < table->column_count; c++) {
        const struct column *column = &table->columns[c];
        int                  widest = (int)strlen(column->title) + (c == table->sort_column);
        for (int i = 0; i < table->view_count; i++) {
            struct cell_text cell;
            table_cell(table, c, table->rows[table->view[i]], &cell);
            int columns = text_columns(slice_from(cell.text));
            if (columns > widest)
                widest = columns;
        }
        if ((column->flags & COLUMN_RIGHT) == 0 && widest > column->width_max)
            widest = column->width_max;
        table->widths[c] = widest;
    }
}

void table_init(struct table *table, const struct column *columns, int count,
                const struct message_desc *item)
{
    CHECK(count <= TABLE_COLUMNS_MAX);
    *table = (struct table){
        .columns = columns, .column_count = count, .item = item, .sort_column = -1
    };
    for (int i = 0; i < count; i++) {
        if ((columns[i].flags & COLUMN_HIDDEN) != 0)
            table->hidden |= UINT64_C(1) << i;
    }
    measure(table); /* the titles stand while the first rows are on their way */
}

void table_free(struct table *table)
{
    free(table->view);
    table->view = NULL;
    table->view_count = table->view_room = table->row_count = 0;
}

void table_cell(const struct table *table, int column, const void *row, struct cell_text *out)
{
    const struct column *of = &table->columns[column];
    out->style = STYLE_TEXT;
    out->text[0] = '\0';
    if (of->text != NULL) {
        of->text(table, row, out);
        return;
    }
    int field = message_field(table->item, of->field);
    CHECK(field >= 0);
    field_text(table->item, row, field, out->text, sizeof out->text);
}

static bool is_hidden(const struct table *table, int column)
{
    return (table->hidden >> column & 1) != 0;
}

static bool row_matches(const struct table *table, const void *row, const char *text)
{
    for (int i = 0; i < table->column_count; i++) {
        struct cell_text cell;
        table_cell(table, i, row, &cell);
        if (strcasestr(cell.text, text) != NULL)
            return true;
    }
    return false;
}

/* Order of two rows in one field: by value, not by its text. */
static int field_compare(const struct message_desc *desc, int field, const void *a, const void *b)
{
    enum field_type type = desc->fields[field].type;
    const void     *left = message_at(desc, a, field);
    const void     *right = message_at(desc, b, field);
    if (type == FIELD_INT || type == FIELD_MONEY || type == FIELD_TIME) {
        int64_t x;
        int64_t y;
        memcpy(&x, left, sizeof x);
        memcpy(&y, right, sizeof y);
        return (x > y) - (x < y);
    }
    if (type == FIELD_CHOICE) {
        int32_t x;
        int32_t y;
        memcpy(&x, left, sizeof x);
        memcpy(&y, right, sizeof y);
        return (x > y) - (x < y);
    }
    if (type == FIELD_BOOL)
        return (int)*(const bool *)left - (int)*(const bool *)right;
    if (type == FIELD_UUID)
        return memcmp(left, right, sizeof(struct uuid));
    struct slice x;
    struct slice y;
    memcpy(&x, left, sizeof x);
    memcpy(&y, right, sizeof y);
    int order = x.n == 0 || y.n == 0 ? 0 : strncasecmp(x.at, y.at, x.n < y.n ? x.n : y.n);
    return order != 0 ? order : (x.n > y.n) - (x.n < y.n);
}

static int view_compare(const void *a, const void *b, void *context)
{
    const struct table *table = context;
    int                 x = *(const int *)a;
    int                 y = *(const int *)b;
    int                 order = 0;
    if (table->sort_column >= 0) {
        int field = message_field(table->item, table->columns[table->sort_column].field);
        order = field_compare(table->item, field, table->rows[x], table->rows[y]);
    }
    if (order == 0)
        order = (x > y) - (x < y);
    return table->reverse ? -order : order;
}

static void find_selected(struct table *table)
{
    int screen_row = table->selected_at - table->top;
    for (int i = 0; i < table->view_count && table->has_selected; i++) {
        struct row_key key = table_key(table->item, table->rows[table->view[i]]);
        if (row_key_equal(&key, &table->selected)) {
            table->selected_at = i;
            /* Rows that came above push the window along, unless the user looks at the first. */
            bool at_start = table->top == 0 && i < (table->height > 0 ? table->height : 1);
            table->top = at_start ? 0 : i - screen_row;
            return;
        }
    }
    table_select(table, table->selected_at);
}

/* --- marks ---------------------------------------------------------------------------------- */

static int find_mark(const struct table *table, const void *row)
{
    struct row_key key = table_key(table->item, row);
    for (int i = 0; i < table->mark_count; i++) {
        if (row_key_equal(&table->marks[i], &key))
            return i;
    }
    return -1;
}

bool table_is_marked(const struct table *table, const void *row)
{
    return find_mark(table, row) >= 0;
}

void table_unmark(struct table *table)
{
    table->mark_count = 0;
}

int table_marked(const struct table *table, const void **out)
{
    int n = 0;
    for (int i = 0; i < table->view_count && n < table->mark_count; i++) {
        const void *row = table->rows[table->view[i]];
        if (table_is_marked(table, row))
            out[n++] = row;
    }
    return n;
}

static void set_mark(struct table *table, const void *row, bool on)
{
    int at = find_mark(table, row);
    if (!on && at >= 0)
        table->marks[at] = table->marks[--table->mark_count];
    else if (on && at < 0 && table->mark_count < TABLE_MARKS_MAX)
        table->marks[table->mark_count++] = table_key(table->item, row);
}

/* Marks all rows that are shown; when all are marked already, none. */
static void mark_all(struct table *table)
{
    const void *marked[TABLE_MARKS_MAX];
    int         count = table_marked(table, marked);
    bool        all = count == table->view_count || count == TABLE_MARKS_MAX;
    for (int i = 0; i < table->view_count; i++)
        set_mark(table, table->rows[table->view[i]], !all);
}

/* Only what is shown stays marked. */
static void prune_marks(struct table *table)
{
    const void *marked[TABLE_MARKS_MAX];
    int         count = table_marked(table, marked);
    for (int i = 0; i < count; i++)
        table->marks[i] = table_key(table->item, marked[i]);
    table->mark_count = count;
}

static void rebuild(struct table *table)
{
    int n = 0;
    for (int i = 0; i < table->row_count; i++) {
        if (table->filter[0] == '\0' || row_matches(table, table->rows[i], table->filter))
            table->view[n++] = i;
    }
    table->view_count = n;
    if (n > 1 && (table->sort_column >= 0 || table->reverse))
        qsort_r(table->view, (size_t)n, sizeof *table->view, view_compare, table);
    measure(table);
    find_selected(table);
    prune_marks(table);
}

enum err table_set_rows(struct table *table, const char *const *rows, int count)
{
    if (count > table->view_room) {
        int *view = realloc(table->view, (size_t)count * sizeof *view);
        if (view == NULL)
            return ERR_memory;
        table->view = view;
        table->view_room = count;
    }
    table->rows = rows;
    table->row_count = count;
    rebuild(table);
    return ERR_none;
}

void table_set_filter(struct table *table, const char *text)
{
    snprintf(table->filter, sizeof table->filter, "%s", text);
    if (text[0] != '\0')
        snprintf(table->last_filter, sizeof table->last_filter, "%s", text);
    if (table->view != NULL)
        rebuild(table);
}

const void *table_selected(const struct table *table)
{
    if (!table->has_selected || table->selected_at >= table->view_count)
        return NULL;
    return table->rows[table->view[table->selected_at]];
}

void table_select(struct table *table, int at)
{
    if (at >= table->view_count)
        at = table->view_count - 1;
    if (at < 0)
        at = 0;
    table->selected_at = at;
    table->has_selected = table->view_count > 0;
    if (table->has_selected)
        table->selected = table_key(table->item, table->rows[table->view[at]]);
}

void table_restart(struct table *table)
{
    table->has_selected = false;
    table->selected_at = 0;
    table->top = 0;
}

static void sort_by(struct table *table, const char *argument)
{
    int column = table->sort_column;
    if (argument[0] == '\0') {
        do {
            column++;
        } while (column < table->column_count &&
                 (is_hidden(table, column) || table->columns[column].field == NULL));
        table->sort_column = column < table->column_count ? column : -1;
    } else {
        for (int i = 0; i < table->column_count; i++) {
            if (strcmp(table->columns[i].name, argument) == 0 && table->columns[i].field != NULL)
                table->sort_column = i;
        }
    }
    rebuild(table);
}

static void next_match(struct table *table, int step)
{
    if (table->last_filter[0] == '\0')
        return;
    for (int i = table->selected_at + step; i >= 0 && i < table->view_count; i += step) {
        if (row_matches(table, table->rows[table->view[i]], table->last_filter)) {
            table_select(table, i);
            return;
        }
    }
}

static void scroll_columns(struct table *table, int step)
{
    int column = table->first_column + step;
    while (column > 0 && column < table->column_count && is_hidden(table, column))
        column += step;
    if (column >= 0 && column < table->column_count)
        table->first_column = column;
}

bool table_act(struct table *table, enum action action, const char *argument)
{
    int page = table->height > 1 ? table->height - 1 : 1;
    switch ((int)action) {
    case ACTION_up:
        table_select(table, table->selected_at - 1);
        return true;
    case ACTION_down:
        table_select(table, table->selected_at + 1);
        return true;
    case ACTION_page_up:
        table->top -= page;
        table_select(table, table->selected_at - page);
        return true;
    case ACTION_page_down:
        table->top += page;
        table_select(table, table->selected_at + page);
        return true;
    case ACTION_top:
        table_select(table, 0);
        return true;
    case ACTION_bottom:
        table_select(table, table->view_count - 1);
        return true;
    case ACTION_left:
        scroll_columns(table, -1);
        return true;
    case ACTION_right:
        scroll_columns(table, 1);
        return true;
    case ACTION_next_match:
        next_match(table, 1);
        return true;
    case ACTION_prev_match:
        next_match(table, -1);
        return true;
    case ACTION_mark:
        if (!table->marking || table_selected(table) == NULL)
            return table->marking;
        set_mark(table, table_selected(table), !table_is_marked(table, table_selected(table)));
        table_select(table, table->selected_at + 1);
        return true;
    case ACTION_mark_all:
        if (table->marking)
            mark_all(table);
        return table->marking;
    case ACTION_sort:
        sort_by(table, argument);
        return true;
    case ACTION_reverse:
        table->reverse = !table->reverse;
        if (table->view != NULL)
            rebuild(table);
        return true;
    default:
        return false;
    }
}

bool table_click(struct table *table, int x, int y)
{
    int row = y - table->row_y;
    (void)x;
    if (row < 0 || row >= table->height || table->top + row >= table->view_count)
        return false;
    table_select(table, table->top + row);
    return true;
}

/* Which columns are drawn and how wide each is. */
struct plan {
    int  column[TABLE_COLUMNS_MAX];
    int  width[TABLE_COLUMNS_MAX];
    int  count;
    bool more_left;
    bool more_right;
};

static void plan_add(struct plan *plan, int column, int width)
{
    plan->column[plan->count] = column;
    plan->width[plan->count] = width;
    plan->count++;
}

/* Columns before the first one: the pointer, and a mark. */
static int gutter(const struct table *table)
{
    return table->marking ? GUTTER_MARKS : GUTTER;
}

/* The column that grows gives way first when the others do not fit beside it. */
static int shrunk_width(const struct table *table, int column, int room)
{
    int width = table->widths[column];
    int least = table->columns[column].width_max * 2 / 3;
    int used = gutter(table) - GAP;
    if ((table->columns[column].flags & COLUMN_GROW) == 0 || width <= least)
        return width;
    for (int c = 0; c < table->column_count; c++)
        used += is_hidden(table, c) ? 0 : table->widths[c] + GAP;
    width -= used > room ? used - room : 0;
    return width > least ? width : least;
}

static struct plan plan_columns(const struct table *table, int room)
{
    struct plan plan = { .count = 0 };
    int         used = gutter(table);
    room--; /* the arrow that tells of more columns */
    for (int c = 0; c < table->column_count; c++) {
        int width = shrunk_width(table, c, room);
        if (is_hidden(table, c))
            continue;
        if (plan.count > 0 && c < table->first_column) {
            plan.more_left = true;
            continue;
        }
        bool cut = used + width > room;
        plan.more_right = plan.more_right || cut;
        /* A text may be cut, which its ellipsis tells; a figure is whole or not there. */
        if (cut && plan.count > 0 &&
            ((table->columns[c].flags & COLUMN_RIGHT) != 0 || room - used < CUT_MIN))
            break;
        plan_add(&plan, c, cut ? room - used : width);
        if (cut) {
            used = room + GAP; /* nothing is left over */
            break;
        }
        used += width + GAP;
    }
    int left = room - used + GAP;
    for (int i = 0; i < plan.count && left > 0; i++) {
        if ((table->columns[plan.column[i]].flags & COLUMN_GROW) != 0) {
            plan.width[i] += left;
            left = 0;
        }
    }
    return plan;
}

static void draw_header(const struct table *table, struct canvas *canvas, struct rect rect,
                        const struct plan *plan)
{
    int x = rect.x + gutter(table);
    canvas_fill(canvas, (struct rect){ rect.x, rect.y, rect.w, 1 }, STYLE_HEADER, ' ');
    for (int i = 0; i < plan->count; i++) {
        int                  c = plan->column[i];
        const struct column *column = &table->columns[c];
        bool                 sorted = c == table->sort_column;
        enum style           style = sorted ? STYLE_HEADER_ON : STYLE_HEADER;
        int                  width = plan->width[i] - sorted;
        if ((column->flags & COLUMN_RIGHT) != 0)
            canvas_right(canvas, x, rect.y, width, style, column->title);
        else
            width = canvas_string(canvas, x, rect.y, width, style, column->title);
        if (sorted)
            canvas_glyph(canvas, x + width, rect.y, style,
                         table->reverse ? GLYPH_SORT_DOWN : GLYPH_SORT_UP);
        x += plan->width[i] + GAP;
    }
    if (plan->more_left)
        canvas_glyph(canvas, rect.x, rect.y, STYLE_HEADER_ON, GLYPH_MORE_LEFT);
    if (plan->more_right)
        canvas_glyph(canvas, rect.x + rect.w - 1, rect.y, STYLE_HEADER_ON, GLYPH_MORE_RIGHT);
}

static void draw_row(const struct table *table, struct canvas *canvas, struct rect line,
                     const struct plan *plan, const void *row, bool selected, bool focused)
{
    int x = line.x + gutter(table);
    for (int i = 0; i < plan->count; i++) {
        struct cell_text cell;
        table_cell(table, plan->column[i], row, &cell);
        if ((table->columns[plan->column[i]].flags & COLUMN_RIGHT) != 0)
            canvas_right(canvas, x, line.y, plan->width[i], cell.style, cell.text);
        else
            canvas_string(canvas, x, line.y, plan->width[i], cell.style, cell.text);
        x += plan->width[i] + GAP;
    }
    bool marked = table->marking && table_is_marked(table, row);
    if (marked)
        canvas_restyle(canvas, line, STYLE_MATCH);
    if (selected)
        canvas_restyle(canvas, line, focused ? STYLE_SELECTED : STYLE_SELECTED_OFF);
    if (marked)
        canvas_glyph(canvas, line.x + 1, line.y, selected && focused ? STYLE_SELECTED : STYLE_MATCH,
                     GLYPH_MARK);
    if (selected && focused) {
        canvas_glyph(canvas, line.x, line.y, STYLE_SELECTED, GLYPH_POINTER);
        canvas_cursor(canvas, line.x, line.y);
    }
}

/* What of the selected row's name has found no room in its column. */
static void note_cut(struct table *table, const struct plan *plan)
{
    const void *row = table_selected(table);
    table->cut[0] = '\0';
    for (int i = 0; i < plan->count && row != NULL; i++) {
        struct cell_text cell;
        if ((table->columns[plan->column[i]].flags & COLUMN_GROW) == 0)
            continue;
        table_cell(table, plan->column[i], row, &cell);
        if (text_columns(slice_from(cell.text)) > plan->width[i])
            snprintf(table->cut, sizeof table->cut, "%s", cell.text);
    }
}

static void keep_in_window(struct table *table)
{
    int last = table->view_count - table->height;
    if (table->selected_at < table->top)
        table->top = table->selected_at;
    if (table->selected_at >= table->top + table->height)
        table->top = table->selected_at - table->height + 1;
    if (table->top > last)
        table->top = last;
    if (table->top < 0)
        table->top = 0;
}

void table_draw(struct table *table, struct canvas *canvas, struct rect rect, bool focused)
{
    struct plan plan = plan_columns(table, rect.w);
    table->height = rect.h > 1 ? rect.h - 1 : 1;
    table->row_y = rect.y + 1;
    keep_in_window(table);
    struct rect before = canvas_clip(canvas, rect);
    draw_header(table, canvas, rect, &plan);
    note_cut(table, &plan);
    for (int i = 0; i < table->height && table->top + i < table->view_count; i++) {
        int         at = table->top + i;
        struct rect line = { rect.x, rect.y + 1 + i, rect.w, 1 };
        draw_row(table, canvas, line, &plan, table->rows[table->view[at]],
                 table->has_selected && at == table->selected_at, focused);
    }
    canvas_unclip(canvas, before);
}

void table_position(const struct table *table, int64_t total, bool more, char *out, size_t size)
{
    char all[32];
    char shown[CELL_TEXT_MAX];
    show_count(total >= 0 ? total : table->row_count, all, sizeof all);
    int last = table->top + table->height;
    if (last > table->view_count)
        last = table->view_count;
    if (table->view_count == 0)
        snprintf(shown, sizeof shown, "none");
    else
        snprintf(shown, sizeof shown, "%d-%d", table->top + 1, last);
    int n = snprintf(out, size, "%s of %s%s", shown, all, more && total < 0 ? "+" : "");
    if (n > 0 && (size_t)n < size && table->filter[0] != '\0')
        n += snprintf(out + n, size - (size_t)n, ", %d with \"%s\"", table->view_count,
                      table->filter);
    if (n > 0 && (size_t)n < size && table->sort_column >= 0)
        n += snprintf(out + n, size - (size_t)n, ", by %s",
                      table->columns[table->sort_column].title);
    if (n > 0 && (size_t)n < size && (table->sort_column >= 0 || table->filter[0] != '\0') && more)
        snprintf(out + n, size - (size_t)n, " (loaded rows)");
}

size_t table_row_text(const struct table *table, const void *row, char *out, size_t size)
{
    size_t n = 0;
    for (int c = 0; c < table->column_count; c++) {
        struct cell_text cell;
        table_cell(table, c, row, &cell);
        int more = snprintf(out + n, size - n, "%s%s", c == 0 ? "" : "\t", cell.text);
        if (more < 0 || n + (size_t)more >= size)
            break;
        n += (size_t)more;
    }
    return n;
}
