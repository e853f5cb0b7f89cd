/* Replies as text for people and programs: table, tsv, csv, json.
 *
 * A message whose list is called `items` or `points` is rows; every other message is one record.
 * A table says first what the message has beside its rows, a line a field, and gives each list of
 * a record a table of its own; in tsv and csv there are the rows alone, and a list inside of one
 * cell is written into it. Pages of the same list are written one after
 * the other with one header. Money has its currency's decimals, found in the message or in the
 * one around it; secret fields are left out. json has the protocol's field names and leaves
 * absent fields out; csv is safe to open in a spreadsheet; in table and tsv control characters
 * are shown escaped, so that nothing in a record can give orders to a terminal. */
#ifndef BANKTERM_RENDER_H
#define BANKTERM_RENDER_H

#include "common/buf.h"
#include "common/err.h"
#include "proto/proto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum render_format { RENDER_TABLE, RENDER_TSV, RENDER_CSV, RENDER_JSON };

enum { RENDER_COLUMNS_MAX = LIMIT_FIELDS_MAX };

/* One output, from render_begin to render_end. */
struct render {
    FILE                      *out;
    enum render_format         format;
    const struct message_desc *desc; /* of the reply */
    const struct field_desc   *list; /* its rows; NULL for a record */
    const struct message_desc *row;
    const struct field_desc   *columns[RENDER_COLUMNS_MAX];
    size_t                     column_count;
    bool                       chosen; /* the columns were named: empty ones are shown too */
    bool                       whole;  /* json: more pages come, so the list alone is written */
    bool                       begun;
    size_t                     rows;   /* written so far */
    size_t                     widths[RENDER_COLUMNS_MAX];
    struct buf                 line;
};

/* columns: names with commas between, NULL or "" for all. more_pages: render_page will be called
 * for several pages of one list. */
ERR_MUST_USE enum err render_begin(struct render *render, FILE *out, enum render_format format,
                                   const struct message_desc *desc, const char *columns,
                                   bool more_pages, struct fault *fault);
/* ERR_io when nobody reads the output any more. */
ERR_MUST_USE enum err render_page(struct render *render, const void *msg, struct fault *fault);
ERR_MUST_USE enum err render_end(struct render *render, struct fault *fault);
void render_close(struct render *render); /* gives the memory back; after an error too */

/* Appends one message as a json object. */
ERR_MUST_USE enum err render_json(const struct message_desc *desc, const void *msg,
                                  uint8_t exponent, struct buf *out);
/* Appends text with control characters and backslashes escaped. */
ERR_MUST_USE enum err render_escaped(struct slice text, struct buf *out);

#endif
