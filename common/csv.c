/* CSV cells out, CSV records in.
 *
 * Reading is one pass of a small machine over bytes, with a bounded record and nothing allocated.
 * A bad record costs only itself: the reader goes on behind the next line end, whatever quotes
 * stood open, because one lost quote must not swallow the rest of a bank's year.
 *
 * A quote has a meaning only as the first byte of a cell; elsewhere it is text. Empty lines are
 * passed over. The reader looks at bytes only: whether a cell is good UTF-8 is asked by whoever
 * keeps it. */
#include "common/csv.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "common/check.h"

/* Where in a record the reader stands. */
enum csv_place { CSV_CELL_START, CSV_PLAIN, CSV_QUOTED, CSV_AFTER_QUOTE };

static const char csv_bom[3] = { '\xef', '\xbb', '\xbf' };

/* "-12.50": what a spreadsheet reads as a number and nothing else. */
static bool is_plain_number(struct slice text)
{
    size_t at = text.n > 0 && text.at[0] == '-' ? 1 : 0;
    size_t digits = 0;

    for (; at < text.n && text.at[at] >= '0' && text.at[at] <= '9'; at++)
        digits++;
    if (digits == 0)
        return false;
    if (at == text.n)
        return true;
    if (text.at[at] != '.')
        return false;
    digits = 0;
    for (at++; at < text.n && text.at[at] >= '0' && text.at[at] <= '9'; at++)
        digits++;
    return digits > 0 && at == text.n;
}

static bool would_run(struct slice text)
{
    return text.n > 0 && memchr("=+-@\t\r\n", text.at[0], 7) != NULL && !is_plain_number(text);
}

static bool needs_quotes(struct slice text, char delimiter)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.at[i];

        if (c == delimiter || c == '"' || c == '\r' || c == '\n')
            return true;
    }
    return false;
}

enum err csv_cell(struct buf *out, struct slice text, char delimiter)
{
    bool   quoted = needs_quotes(text, delimiter);
    bool   escaped = would_run(text);
    size_t start = 0;
    size_t quotes = 0;

    /* All room is taken first, so that a cell is written whole or not at all. */
    for (size_t i = 0; quoted && i < text.n; i++)
        quotes += text.at[i] == '"' ? 1 : 0;
    TRY(buf_reserve(out, text.n + quotes + (quoted ? 2 : 0) + (escaped ? 1 : 0)));
    if (quoted)
        out->at[out->n++] = '"';
    if (escaped)
        out->at[out->n++] = '\'';
    for (size_t i = 0; quoted && i < text.n; i++) {
        if (text.at[i] != '"')
            continue;
        TRY(buf_add(out, text.at + start, i + 1 - start));
        start = i; /* the quote is written again at the front of the next piece */
    }
    if (text.n > start)
        TRY(buf_add(out, text.at + start, text.n - start));
    if (quoted)
        out->at[out->n++] = '"';
    return ERR_none;
}

void csv_reader_init(struct csv_reader *reader, FILE *file, char delimiter)
{
    CHECK(delimiter != '"' && delimiter != '\n' && delimiter != '\r' && delimiter != '\0');
    reader->file = file;
    reader->delimiter = delimiter;
    reader->line = 0;
    reader->next_line = 1;
    reader->bytes = 0;
    reader->count = 0;
    reader->n = 0;
}

static int next_byte(struct csv_reader *reader)
{
    int c = getc_unlocked(reader->file);

    if (c == EOF)
        return EOF;
    reader->bytes++;
    if (c == '\n')
        reader->next_line++;
    return c;
}

static void put_back(struct csv_reader *reader, int c)
{
    if (c == EOF)
        return;
    CHECK(ungetc(c, reader->file) == c);
    reader->bytes--;
    if (c == '\n')
        reader->next_line--;
}

/* Of "\r\n" only the "\n" counts; a lone "\r" is text, and at the end of the file it is a line
 * end that was cut. */
static int next_symbol(struct csv_reader *reader)
{
    int c = next_byte(reader);
    int after;

    if (c != '\r')
        return c;
    after = next_byte(reader);
    if (after == '\n' || after == EOF)
        return after;
    put_back(reader, after);
    return c;
}

/* Passes over a byte order mark; what only begins like one is the first cell's text. */
static void skip_bom(struct csv_reader *reader)
{
    for (size_t i = 0; i < sizeof csv_bom; i++) {
        int c = next_byte(reader);

        if (c != (unsigned char)csv_bom[i]) {
            put_back(reader, c);
            memcpy(reader->record, csv_bom, i);
            reader->n = i;
            return;
        }
    }
}

static enum err read_failed(struct csv_reader *reader, struct fault *fault)
{
    reader->count = 0;
    return fault_set(fault, ERR_io, NULL, "The file could not be read at line %" PRId64,
                     reader->next_line);
}

static enum err record_bad(struct csv_reader *reader, int last, struct fault *fault,
                           const char *what)
{
    while (last != '\n' && last != EOF)
        last = next_byte(reader);
    reader->count = 0;
    if (last == EOF && ferror(reader->file))
        return read_failed(reader, fault);
    return fault_set(fault, ERR_file_syntax, NULL, "Line %" PRId64 " %s", reader->line, what);
}

/* Ends the cell that began at `start`; false when the record has too many. */
static bool end_cell(struct csv_reader *reader, size_t start)
{
    if (reader->count == CSV_COLUMNS_MAX)
        return false;
    reader->cells[reader->count++] = slice_of(reader->record + start, reader->n - start);
    return true;
}

/* What one symbol does in one place: a cell may end, a byte may be kept, the place may change. */
struct csv_step {
    bool           ends_cell;
    bool           keeps;
    bool           bad;
    enum csv_place next;
};

static struct csv_step step_of(const struct csv_reader *reader, enum csv_place place, int c)
{
    struct csv_step step = { .next = place };
    bool            ends = c == (unsigned char)reader->delimiter || c == '\n' || c == EOF;

    if (place == CSV_QUOTED) {
        if (c == '"')
            step.next = CSV_AFTER_QUOTE;
        else
            step.keeps = true;
        return step;
    }
    if (ends) {
        step.ends_cell = true;
        step.next = CSV_CELL_START;
        return step;
    }
    if (place == CSV_CELL_START && c == '"') {
        step.next = CSV_QUOTED;
    } else if (place == CSV_AFTER_QUOTE) {
        step.bad = c != '"';
        step.keeps = true; /* a doubled quote is one quote of the text */
        step.next = CSV_QUOTED;
    } else {
        step.keeps = true;
        step.next = CSV_PLAIN;
    }
    return step;
}

/* The first symbol of the next record, behind empty lines; EOF at the end of the file. */
static int record_first(struct csv_reader *reader)
{
    int c;

    reader->count = 0;
    reader->n = 0;
    if (reader->bytes == 0)
        skip_bom(reader);
    do {
        reader->line = reader->next_line;
        c = next_symbol(reader);
    } while (c == '\n' && reader->n == 0);
    return c;
}

enum err csv_read(struct csv_reader *reader, struct fault *fault)
{
    int            c = record_first(reader);
    enum csv_place place = reader->n > 0 ? CSV_PLAIN : CSV_CELL_START;
    size_t         start = 0;

    if (c == EOF && reader->n == 0)
        return ferror(reader->file) ? read_failed(reader, fault) : ERR_none;
    for (;;) {
        struct csv_step step = step_of(reader, place, c);

        if (c == EOF && ferror(reader->file))
            return read_failed(reader, fault);
        if (place == CSV_QUOTED && c == EOF)
            return record_bad(reader, c, fault, "opens a quote that the file never closes");
        if (c == '\0')
            return record_bad(reader, c, fault, "has a NUL byte");
        if (step.bad)
            return record_bad(reader, c, fault, "has text behind a closing quote");
        if (step.keeps) {
            if (reader->n == CSV_RECORD_MAX)
                return record_bad(reader, c, fault, "begins a record longer than the reader takes");
            reader->record[reader->n++] = (char)c;
        }
        if (step.ends_cell) {
            if (!end_cell(reader, start))
                return record_bad(reader, c, fault, "has more columns than the reader takes");
            start = reader->n;
            if (c == '\n' || c == EOF)
                return ERR_none;
        }
        place = step.next;
        c = place == CSV_QUOTED ? next_byte(reader) : next_symbol(reader);
    }
}
