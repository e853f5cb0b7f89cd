/* CSV both ways. Writing: RFC 4180, UTF-8; the caller puts the delimiter between cells and CRLF
 * behind a record. A cell that a spreadsheet would run as a formula (first character = + - @ tab,
 * CR or LF, unless the whole cell is a plain decimal number like -12.50) gets a leading
 * apostrophe. Reading: any one-byte delimiter, quoted cells with doubled quotes and embedded line
 * ends, LF or CRLF, an optional UTF-8 byte order mark; bounded by CSV_* limits. */
#ifndef COMMON_CSV_H
#define COMMON_CSV_H

#include "common/buf.h"
#include "common/err.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Adds one cell, quoted if needed; when `out` is full, nothing of it. */
ERR_MUST_USE enum err csv_cell(struct buf *out, struct slice text, char delimiter);

enum { CSV_COLUMNS_MAX = 128, CSV_RECORD_MAX = 65536 };

/* One pass over a file; cells are borrowed until the next call. Large: not for a small stack. */
struct csv_reader {
    FILE        *file;
    char         delimiter;
    int64_t      line;      /* of the record's first line, from 1 */
    int64_t      next_line;
    int64_t      bytes;     /* read so far, for progress */
    struct slice cells[CSV_COLUMNS_MAX];
    size_t       count;
    size_t       n;         /* bytes used in record */
    char         record[CSV_RECORD_MAX];
};

/* The file stays the caller's. The delimiter is not a quote, a line end or NUL. */
void csv_reader_init(struct csv_reader *reader, FILE *file, char delimiter);
/* ERR_none with count > 0 for a record, with count == 0 at the end; ERR_file_syntax (the reader
 * stands behind the next line end and may be asked again) or ERR_io. Empty lines are passed over;
 * cells have no NUL byte but may be bad UTF-8. The fault's text names the line, not the file. */
ERR_MUST_USE enum err csv_read(struct csv_reader *reader, struct fault *fault);

#endif
