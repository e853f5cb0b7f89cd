/* Replies as text, by description, one page at a time.
 *
 * Every cell comes from values_print; this file only arranges. Nested lists are walked with a
 * small stack. A page is at most LIMIT_REPLY_MAX on the wire; what is made of it is bounded by
 * RENDER_TEXT_MAX, and a longer list is written page by page, so memory does not grow with it. */
#include "bankterm/render.h"

#include "bankterm/record.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "bankterm/canvas.h"
#include "bankterm/values.h"
#include "common/check.h"
#include "common/csv.h"

enum { RENDER_TEXT_MAX = 16 * LIMIT_REPLY_MAX, RENDER_GAP = 2 };

/* The head of every LIST field, whatever it lists. */
struct list_head {
    const char *at;
    size_t      count;
};

static struct list_head list_of(const void *msg, const struct field_desc *field)
{
    struct list_head list;

    memcpy(&list.at, (const char *)msg + field->offset, sizeof list.at);
    memcpy(&list.count, (const char *)msg + field->offset + sizeof list.at, sizeof list.count);
    return list;
}

static bool is_shown(const struct field_desc *field)
{
    return (field->flags & SECRET) == 0;
}

/* --- escaping ------------------------------------------------------------------------------ */

enum err render_escaped(struct slice text, struct buf *out)
{
    while (text.n > 0) {
        uint32_t code = 0;
        size_t   n = slice_char(text, &code);

        if (n == 0 || char_is_control(code) || code == '\\') {
            if (n == 0)
                code = (uint8_t)text.at[0];
            n = n == 0 ? 1 : n;
            if (code == '\n' || code == '\t' || code == '\\')
                TRY(buf_print(out, "\\%c", code == '\n' ? 'n' : code == '\t' ? 't' : '\\'));
            else
                TRY(buf_print(out, "\\x%02x", (unsigned)code));
        } else if (text_is_obeyed(code)) {
            TRY(buf_print(out, "\\u%04x", (unsigned)code));
        } else {
            TRY(buf_add(out, text.at, n));
        }
        text = slice_of(text.at + n, text.n - n);
    }
    return ERR_none;
}

static enum err json_string(struct slice text, struct buf *out)
{
    TRY(buf_add(out, "\"", 1));
    while (text.n > 0) {
        uint32_t code = 0;
        size_t   n = slice_char(text, &code);

        if (n == 0) {
            TRY(buf_print(out, "\\ufffd"));
            n = 1;
        } else if (code == '"' || code == '\\') {
            TRY(buf_print(out, "\\%c", (int)code));
        } else if (code == '\n') {
            TRY(buf_print(out, "\\n"));
        } else if (char_is_control(code)) {
            TRY(buf_print(out, "\\u%04x", (unsigned)code));
        } else {
            TRY(buf_add(out, text.at, n));
        }
        text = slice_of(text.at + n, text.n - n);
    }
    return buf_add(out, "\"", 1);
}

/* --- json ---------------------------------------------------------------------------------- */

/* One list that is being written; the message itself is a list of one. */
struct json_frame {
    const struct message_desc *desc;
    const char                *at;
    size_t                     left;  /* objects from this one on */
    size_t                     next;  /* field */
    bool                       begun; /* a field of this object was written */
    uint8_t                    exponent;
    uint8_t                    around; /* exponent of the message around */
};

struct json_walk {
    struct json_frame frames[LIMIT_DEPTH_MAX];
    size_t            depth;
    struct buf       *out;
};

static void json_enter(struct json_frame *frame)
{
    frame->next = 0;
    frame->begun = false;
    frame->exponent = frame->around;
    values_exponent(frame->desc, frame->at, &frame->exponent);
}

static void json_push(struct json_walk *walk, const struct message_desc *desc, const void *at,
                      size_t count, uint8_t exponent)
{
    struct json_frame *frame = &walk->frames[walk->depth];

    CHECK(walk->depth < LIMIT_DEPTH_MAX);
    walk->depth++;
    *frame = (struct json_frame){ .desc = desc, .at = at, .left = count, .around = exponent };
    json_enter(frame);
}

static enum err json_value(const struct json_frame *frame, const struct field_desc *field,
                           struct buf *out)
{
    if (field->type == FIELD_TEXT)
        return json_string(values_slice(frame->desc, frame->at, field), out);
    if (field->type == FIELD_INT || field->type == FIELD_BOOL)
        return values_print(frame->desc, frame->at, field, frame->exponent, out);
    /* What is left has no character that json would escape. */
    TRY(buf_add(out, "\"", 1));
    TRY(values_print(frame->desc, frame->at, field, frame->exponent, out));
    return buf_add(out, "\"", 1);
}

static enum err json_field(struct json_walk *walk, struct json_frame *frame,
                           const struct field_desc *field)
{
    struct list_head list;

    if (!is_shown(field) || !values_has(frame->desc, frame->at, field))
        return ERR_none;
    TRY(buf_print(walk->out, "%s\"%s\":", frame->begun ? "," : "", field->name));
    frame->begun = true;
    if (field->type != FIELD_LIST)
        return json_value(frame, field, walk->out);
    list = list_of(frame->at, field);
    if (list.count == 0)
        return buf_print(walk->out, "[]");
    json_push(walk, field->item, list.at, list.count, frame->exponent);
    return buf_print(walk->out, "[{");
}

static enum err json_leave(struct json_walk *walk, struct json_frame *frame)
{
    if (frame->left > 1) {
        frame->left--;
        frame->at += frame->desc->size;
        json_enter(frame);
        return buf_print(walk->out, "},{");
    }
    walk->depth--;
    return buf_print(walk->out, walk->depth > 0 ? "}]" : "}");
}

enum err render_json(const struct message_desc *desc, const void *msg, uint8_t exponent,
                     struct buf *out)
{
    struct json_walk walk = { .out = out };

    json_push(&walk, desc, msg, 1, exponent);
    TRY(buf_add(out, "{", 1));
    while (walk.depth > 0) {
        struct json_frame *frame = &walk.frames[walk.depth - 1];

        if (frame->next < frame->desc->count)
            TRY(json_field(&walk, frame, &frame->desc->fields[frame->next++]));
        else
            TRY(json_leave(&walk, frame));
    }
    return ERR_none;
}

/* --- cells --------------------------------------------------------------------------------- */

/* One message in one line: "rule points text". A field that is not there leaves no gap. */
static enum err cell_item(const struct message_desc *desc, const void *item, uint8_t exponent,
                          struct buf *out)
{
    for (size_t i = 0; i < desc->count; i++) {
        if ((desc->fields[i].flags & REQUIRED) == 0 && !message_has(item, (int)i))
            continue;
        if (i > 0)
            TRY(buf_add(out, " ", 1));
        TRY(values_print(desc, item, &desc->fields[i], exponent, out));
    }
    return ERR_none;
}

/* A list in one cell: "rule points text; rule points text". */
static enum err cell_list(const void *msg, const struct field_desc *field, uint8_t exponent,
                          struct buf *out)
{
    struct list_head list = list_of(msg, field);

    for (size_t i = 0; i < list.count; i++) {
        if (i > 0)
            TRY(buf_add(out, "; ", 2));
        TRY(cell_item(field->item, list.at + i * field->item->size, exponent, out));
    }
    return ERR_none;
}

static enum err cell_print(const struct message_desc *desc, const void *msg,
                           const struct field_desc *field, uint8_t exponent, struct buf *out)
{
    if (field->type == FIELD_LIST)
        return cell_list(msg, field, exponent, out);
    return values_print(desc, msg, field, exponent, out);
}

/* Columns that a terminal uses for text without control characters. */
static size_t table_width(struct slice text)
{
    size_t width = 0;

    while (text.n > 0) {
        uint32_t code = 0;
        size_t   n = slice_char(text, &code);
        int      columns = n > 0 ? wcwidth((wchar_t)code) : 1;

        width += columns > 0 ? (size_t)columns : 0;
        n = n > 0 ? n : 1;
        text = slice_of(text.at + n, text.n - n);
    }
    return width;
}

/* --- opening and closing ------------------------------------------------------------------- */

static enum err column_choose(struct render *render, struct slice name, struct fault *fault)
{
    const struct field_desc *field = values_field(render->row, name);
    char                     text[FAULT_FIELD_MAX];

    slice_copy(name, text, sizeof text);
    if (field == NULL || !is_shown(field))
        return fault_set(fault, ERR_field_unknown, "columns", "There is no column \"%s\"", text);
    if (render->column_count == RENDER_COLUMNS_MAX)
        return fault_set(fault, ERR_usage, "columns", "There are too many columns");
    render->columns[render->column_count++] = field;
    return ERR_none;
}

static enum err columns_choose(struct render *render, const char *columns, struct fault *fault)
{
    while (*columns != '\0') {
        size_t n = strcspn(columns, ",");

        TRY(column_choose(render, slice_of(columns, n), fault));
        columns += n;
        columns += *columns == ',' ? 1 : 0;
    }
    return ERR_none;
}

static void columns_all(struct render *render)
{
    for (size_t i = 0; i < render->row->count; i++)
        if (is_shown(&render->row->fields[i]))
            render->columns[render->column_count++] = &render->row->fields[i];
}

static enum err write_out(struct render *render, struct fault *fault)
{
    size_t n = render->line.n;

    if (n > 0 && fwrite(render->line.at, 1, n, render->out) != n)
        return fault_set(fault, ERR_io, NULL, "The output cannot be written");
    buf_clear(&render->line);
    return ERR_none;
}

enum err render_begin(struct render *render, FILE *out, enum render_format format,
                      const struct message_desc *desc, const char *columns, bool more_pages,
                      struct fault *fault)
{
    *render = (struct render){ .out = out, .format = format, .desc = desc, .row = desc };
    buf_init(&render->line, RENDER_TEXT_MAX);
    for (size_t i = 0; i < desc->count; i++) {
        const struct field_desc *field = &desc->fields[i];

        if (field->type == FIELD_LIST &&
            (strcmp(field->name, "items") == 0 || strcmp(field->name, "points") == 0)) {
            render->list = field;
            render->row = field->item;
        }
    }
    render->whole = more_pages && render->list != NULL;
    render->chosen = columns != NULL && columns[0] != '\0';
    if (render->chosen && format == RENDER_JSON)
        return fault_set(fault, ERR_usage, "columns", "json has all fields; choose another format");
    if (render->chosen)
        return columns_choose(render, columns, fault);
    columns_all(render);
    return ERR_none;
}

void render_close(struct render *render)
{
    buf_free(&render->line);
}

/* --- csv and tsv --------------------------------------------------------------------------- */

static enum err separated_cell(const struct render *render, size_t column, struct slice text,
                               struct buf *out)
{
    if (render->format == RENDER_CSV) {
        if (column > 0)
            TRY(buf_add(out, ",", 1));
        return csv_cell(out, text, ',');
    }
    if (column > 0)
        TRY(buf_add(out, "\t", 1));
    return render_escaped(text, out);
}

static enum err separated_end(const struct render *render, struct buf *out)
{
    return buf_print(out, "%s", render->format == RENDER_CSV ? "\r\n" : "\n");
}

static enum err separated_header(struct render *render)
{
    for (size_t i = 0; i < render->column_count; i++)
        TRY(separated_cell(render, i, slice_from(render->columns[i]->name), &render->line));
    return render->column_count > 0 ? separated_end(render, &render->line) : ERR_none;
}

static enum err separated_row(struct render *render, const void *row, uint8_t exponent,
                              struct buf *cell)
{
    values_exponent(render->row, row, &exponent);
    for (size_t i = 0; i < render->column_count; i++) {
        buf_clear(cell);
        TRY(cell_print(render->row, row, render->columns[i], exponent, cell));
        TRY(separated_cell(render, i, slice_of(cell->at, cell->n), &render->line));
    }
    return render->column_count > 0 ? separated_end(render, &render->line) : ERR_none;
}

/* --- tables -------------------------------------------------------------------------------- */

/* The cells of one page, side by side in one buffer. */
struct grid {
    struct buf text;
    size_t    *ends; /* of each cell in the text */
    size_t     count;
    size_t     columns;
};

static struct slice grid_cell(const struct grid *grid, size_t index)
{
    size_t start = index > 0 ? grid->ends[index - 1] : 0;

    CHECK(index < grid->count);
    return slice_of(grid->text.at != NULL ? grid->text.at + start : "", grid->ends[index] - start);
}

static enum err grid_add(struct grid *grid, struct slice text)
{
    TRY(render_escaped(text, &grid->text));
    grid->ends[grid->count++] = grid->text.n;
    return ERR_none;
}

static enum err grid_fill(const struct render *render, struct grid *grid, struct list_head rows,
                          uint8_t around, struct buf *cell)
{
    for (size_t i = 0; i < rows.count; i++) {
        const char *row = rows.at + i * render->row->size;
        uint8_t     exponent = around;

        values_exponent(render->row, row, &exponent);
        for (size_t j = 0; j < render->column_count; j++) {
            buf_clear(cell);
            TRY(cell_print(render->row, row, render->columns[j], exponent, cell));
            TRY(grid_add(grid, slice_of(cell->at, cell->n)));
        }
    }
    return ERR_none;
}

static enum err pad(struct buf *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        TRY(buf_add(out, " ", 1));
    return ERR_none;
}

static enum err aligned(struct render *render, size_t column, struct slice text, bool last)
{
    enum field_type type = render->columns[column]->type;
    size_t          width = table_width(text);
    size_t          space = render->widths[column] > width ? render->widths[column] - width : 0;
    bool            right = type == FIELD_INT || type == FIELD_MONEY;

    if (right)
        TRY(pad(&render->line, space));
    TRY(buf_add(&render->line, text.at, text.n));
    return last ? ERR_none : pad(&render->line, RENDER_GAP + (right ? 0 : space));
}

/* The last column that is shown; columns without width are not. */
static size_t last_column(const struct render *render)
{
    size_t last = 0;

    for (size_t i = 0; i < render->column_count; i++)
        if (render->widths[i] > 0)
            last = i;
    return last;
}

static enum err table_header(struct render *render)
{
    size_t last = last_column(render);

    for (size_t i = 0; i < render->column_count; i++)
        if (render->widths[i] > 0)
            TRY(aligned(render, i, slice_from(render->columns[i]->name), i == last));
    return buf_add(&render->line, "\n", 1);
}

static enum err table_rows(struct render *render, const struct grid *grid)
{
    bool   first = render->rows == 0;
    size_t last;

    for (size_t i = 0; i < grid->count; i++) {
        size_t column = i % grid->columns;
        size_t width = table_width(grid_cell(grid, i));

        /* A column that was empty on the first page has no header, so it stays away. */
        if (!first && render->widths[column] == 0)
            continue;
        if (width > 0 && width < strlen(render->columns[column]->name))
            width = strlen(render->columns[column]->name);
        if (width > render->widths[column])
            render->widths[column] = width;
    }
    if (first)
        TRY(table_header(render));
    last = last_column(render);
    for (size_t i = 0; i < grid->count; i++) {
        size_t column = i % grid->columns;

        if (render->widths[column] > 0)
            TRY(aligned(render, column, grid_cell(grid, i), column == last));
        if (column + 1 == grid->columns)
            TRY(buf_add(&render->line, "\n", 1));
    }
    return ERR_none;
}

static enum err table_page(struct render *render, struct list_head rows, uint8_t exponent,
                           struct buf *cell)
{
    struct grid grid = { .columns = render->column_count };
    enum err    err = ERR_memory;

    if (rows.count == 0 || render->column_count == 0)
        return ERR_none;
    buf_init(&grid.text, RENDER_TEXT_MAX);
    grid.ends = calloc(rows.count * render->column_count, sizeof *grid.ends);
    if (grid.ends != NULL)
        err = grid_fill(render, &grid, rows, exponent, cell);
    for (size_t i = 0; err == ERR_none && render->chosen && i < render->column_count; i++)
        if (render->widths[i] == 0)
            render->widths[i] = strlen(render->columns[i]->name);
    if (err == ERR_none)
        err = table_rows(render, &grid);
    free(grid.ends);
    buf_free(&grid.text);
    return err;
}

/* The name of a field or the blanks under it, and one line of its text. */
static enum err record_line(struct render *render, const char *name, size_t width,
                            struct slice text)
{
    TRY(buf_print(&render->line, "%-*s", (int)(width + RENDER_GAP), name));
    TRY(render_escaped(text, &render->line));
    return buf_add(&render->line, "\n", 1);
}

/* A text of several lines keeps them. */
static enum err record_lines(struct render *render, const char *name, size_t width,
                             struct slice text)
{
    do {
        const char *end = text.n > 0 ? memchr(text.at, '\n', text.n) : NULL;
        size_t      n = end != NULL ? (size_t)(end - text.at) : text.n;

        TRY(record_line(render, name, width, slice_of(text.at, n)));
        name = "";
        text = end != NULL ? slice_of(end + 1, text.n - n - 1) : slice_of("", 0);
    } while (text.n > 0);
    return ERR_none;
}

/* The longest name of the fields that are not lists. */
static size_t names_width(const struct message_desc *desc)
{
    size_t width = 0;

    for (size_t i = 0; i < desc->count; i++)
        if (desc->fields[i].type != FIELD_LIST && strlen(desc->fields[i].name) > width)
            width = strlen(desc->fields[i].name);
    return width;
}

/* A field and its text, in one line or in those that the text has. */
static enum err record_field(struct render *render, const struct message_desc *desc,
                             const void *msg, const struct field_desc *field, size_t width,
                             uint8_t exponent, struct buf *cell)
{
    buf_clear(cell);
    TRY(values_print(desc, msg, field, exponent, cell));
    if ((field->flags & MULTILINE) != 0)
        return record_lines(render, field->name, width, slice_of(cell->at, cell->n));
    return record_line(render, field->name, width, slice_of(cell->at, cell->n));
}

/* A list of a record: a line with its name, and under it a table of its own. */
static enum err record_list(struct render *render, const void *msg, const struct field_desc *field,
                            uint8_t exponent, struct buf *cell)
{
    struct list_head list = list_of(msg, field);
    struct render   *inner;
    enum err         err;

    if (list.count == 0)
        return ERR_none;
    inner = calloc(1, sizeof *inner);
    if (inner == NULL)
        return ERR_memory;
    inner->format = RENDER_TABLE;
    inner->desc = inner->row = field->item;
    buf_init(&inner->line, RENDER_TEXT_MAX);
    columns_all(inner);
    err = table_page(inner, list, exponent, cell);
    if (err == ERR_none)
        err = buf_print(&render->line, "%s%s\n", render->line.n > 0 ? "\n" : "", field->name);
    if (err == ERR_none)
        err = buf_add(&render->line, inner->line.at, inner->line.n);
    render_close(inner);
    free(inner);
    return err;
}

/* One record: a line a field, an absent one only when it was asked for; then its lists. */
static enum err table_record(struct render *render, const void *msg, struct buf *cell)
{
    size_t  width = names_width(render->row);
    uint8_t exponent = VALUES_EXPONENT_DEFAULT;

    values_exponent(render->row, msg, &exponent);
    for (size_t i = 0; i < render->column_count; i++) {
        const struct field_desc *field = render->columns[i];

        if (field->type != FIELD_LIST && (render->chosen || values_has(render->row, msg, field)))
            TRY(record_field(render, render->row, msg, field, width, exponent, cell));
    }
    for (size_t i = 0; i < render->column_count; i++)
        if (render->columns[i]->type == FIELD_LIST)
            TRY(record_list(render, msg, render->columns[i], exponent, cell));
    return ERR_none;
}

/* What a reply says beside its rows, above them: a line a field, which a program that reads rows
 * never sees. The cursor of the next page is told elsewhere. */
static enum err table_head(struct render *render, const void *msg, uint8_t exponent,
                           struct buf *cell)
{
    size_t width = names_width(render->desc);

    if (render->begun || render->chosen || render->whole)
        return ERR_none;
    for (size_t i = 0; i < render->desc->count; i++) {
        const struct field_desc *field = &render->desc->fields[i];

        if (field->type != FIELD_LIST && strcmp(field->name, "next") != 0 && is_shown(field) &&
            values_has(render->desc, msg, field))
            TRY(record_field(render, render->desc, msg, field, width, exponent, cell));
    }
    return render->line.n > 0 && list_of(msg, render->list).count > 0
               ? buf_add(&render->line, "\n", 1)
               : ERR_none;
}

static enum err table_list(struct render *render, const void *msg, struct list_head rows,
                           uint8_t exponent, struct buf *cell)
{
    TRY(table_head(render, msg, exponent, cell));
    TRY(table_page(render, rows, exponent, cell));
    if (render->begun || render->chosen || render->whole)
        return ERR_none;
    for (size_t i = 0; i < render->desc->count; i++) {
        const struct field_desc *field = &render->desc->fields[i];

        if (field->type == FIELD_LIST && field != render->list && is_shown(field))
            TRY(record_list(render, msg, field, exponent, cell));
    }
    return ERR_none;
}

/* --- pages --------------------------------------------------------------------------------- */

static enum err json_page(struct render *render, struct list_head rows, uint8_t exponent)
{
    if (!render->begun)
        TRY(buf_print(&render->line, "{\"%s\":[", render->list->name));
    for (size_t i = 0; i < rows.count; i++) {
        if (render->rows + i > 0)
            TRY(buf_add(&render->line, ",", 1));
        TRY(render_json(render->row, rows.at + i * render->row->size, exponent, &render->line));
    }
    return ERR_none;
}

static enum err separated_page(struct render *render, struct list_head rows, uint8_t exponent,
                               struct buf *cell)
{
    if (!render->begun)
        TRY(separated_header(render));
    for (size_t i = 0; i < rows.count; i++)
        TRY(separated_row(render, rows.at + i * render->row->size, exponent, cell));
    return ERR_none;
}

static enum err page_text(struct render *render, const void *msg, struct list_head rows,
                          struct buf *cell)
{
    uint8_t exponent = VALUES_EXPONENT_DEFAULT;

    values_exponent(render->desc, msg, &exponent);
    switch (render->format) {
    case RENDER_TABLE:
        return render->list != NULL ? table_list(render, msg, rows, exponent, cell)
                                    : table_record(render, msg, cell);
    case RENDER_TSV:
    case RENDER_CSV:
        return separated_page(render, rows, exponent, cell);
    case RENDER_JSON:
        if (render->whole)
            return json_page(render, rows, exponent);
        TRY(render_json(render->desc, msg, exponent, &render->line));
        return buf_add(&render->line, "\n", 1);
    }
    return ERR_internal;
}

enum err render_page(struct render *render, const void *msg, struct fault *fault)
{
    struct list_head rows = { msg, 1 };
    struct buf       cell;
    enum err         err;

    if (render->list != NULL)
        rows = list_of(msg, render->list);
    buf_init(&cell, RENDER_TEXT_MAX);
    err = page_text(render, msg, rows, &cell);
    buf_free(&cell);
    if (err != ERR_none)
        return fault_set(fault, err, NULL, "The answer is too large to be written");
    render->rows += rows.count;
    render->begun = true;
    return write_out(render, fault);
}

enum err render_end(struct render *render, struct fault *fault)
{
    if (render->format == RENDER_JSON && render->whole) {
        if (!render->begun)
            TRY(buf_print(&render->line, "{\"%s\":[", render->list->name));
        TRY(buf_print(&render->line, "]}\n"));
    }
    TRY(write_out(render, fault));
    if (fflush(render->out) != 0 || ferror(render->out))
        return fault_set(fault, ERR_io, NULL, "The output cannot be written");
    return ERR_none;
}
