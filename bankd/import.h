/* Loading a delimited file through the ledger and the fraud engine.
 *
 * Three parts that know little of each other: a map (import_map.c) says what the columns mean,
 * import_row.c turns one record into one row by it, and import_load.c brings rows into the bank
 * through the writer. import.c is the command around them. The first two are pure but for their
 * memory: no clock, no files, any bytes allowed.
 *
 * The rule that must not be broken: everything that an import makes has an id that is derived from
 * the map's source name and the row, so that the same row never becomes two transactions, however
 * often and however far an import was run.
 *
 * A file may also bring labels alone, of payments that are there (import_label.c). */
#ifndef BANKD_IMPORT_H
#define BANKD_IMPORT_H

#include "bankd/home.h"
#include "common/csv.h"
#include "common/money.h"

#include <stdio.h>

enum {
    IMPORT_MAP_MAX = 64 * 1024, /* bytes of a map file */
    IMPORT_COLUMNS_MAX = 64,    /* columns that a map names */
    IMPORT_PARTS_MAX = 12,      /* pieces of one template */
    IMPORT_TYPES_MAX = 128,     /* rows of [types] */
    IMPORT_TYPE_COLUMNS_MAX = 6,
    IMPORT_SKIPS_MAX = 32, /* rows of [skip] */
    IMPORT_SOURCE_MAX = 16,
    IMPORT_CELL_MAX = 256, /* bytes of a value that a template makes */
};

/* --- the map --------------------------------------------------------------------------------- */

/* Text with {columns} in it. No parts: the map does not have it. */
struct import_template {
    size_t count;
    struct {
        int          column; /* index into the map's columns; IMPORT_LITERAL or IMPORT_TYPE_TEXT */
        struct slice text;   /* of a literal */
    } parts[IMPORT_PARTS_MAX];
};

enum { IMPORT_LITERAL = -1, IMPORT_TYPE_TEXT = -2, IMPORT_SIGN = -3 };
enum import_direction { IMPORT_IN, IMPORT_OUT, IMPORT_BY_SIGN };

/* What a row's type columns come to. */
struct import_type {
    size_t                count;
    struct slice          values[IMPORT_TYPE_COLUMNS_MAX]; /* "*" is any */
    int32_t               type;                            /* enum transaction_type */
    int32_t               contra; /* enum account_kind of the bank's side */
    enum import_direction direction;
    struct slice          text;
};

struct import_condition {
    int          column;
    struct slice value;
};

struct import_map {
    char text[IMPORT_MAP_MAX + 1]; /* the slices below point into it */
    char file[128];
    char source[IMPORT_SOURCE_MAX + 1];
    char delimiter;
    bool header;

    struct import_template currency, time, amount, account, account_name, customer, customer_name;
    struct import_template other, party, transaction, description, label, known_at;
    struct import_template balance, rounding;
    bool                   labels_only;     /* it names nothing of a payment but its id and label */
    char                   time_format[64]; /* empty: ISO 8601 */
    bool                   amount_minor;
    bool                   amount_signed;
    bool                   amount_zero; /* rows of nothing are loaded, not rejected */
    char                   amount_mark;
    char                   overdraft[MONEY_TEXT_MAX]; /* major units */
    char                   country[3];
    bool                   verified;
    char                   fraud_value[32];
    char                   honest_value[32]; /* empty: every other value */
    int64_t                known_after_us;

    size_t                  type_column_count;
    int                     type_columns[IMPORT_TYPE_COLUMNS_MAX];
    size_t                  type_count;
    struct import_type      types[IMPORT_TYPES_MAX];
    size_t                  skip_count;
    struct import_condition skips[IMPORT_SKIPS_MAX];
    bool                    check_always; /* of balances: no condition */
    struct import_condition check;

    size_t column_count;
    struct {
        struct slice name;
        int          line;
        int          index; /* in a record; -1 until the header is known */
    } columns[IMPORT_COLUMNS_MAX];
    size_t record_columns; /* cells that a record needs */
    size_t header_columns; /* cells that the header has; 0 = no header */
};

/* Parses a map's text; `file` is its name in messages ("file:line: what is wrong"). */
ERR_MUST_USE enum err import_map_parse(struct slice text, const char *file, struct import_map **out,
                                       struct fault *fault);
void                  import_map_free(struct import_map **map);
/* Finds the map's columns in the header of a file. Not needed when the map says header = no. */
ERR_MUST_USE enum err import_map_bind(struct import_map *map, const struct slice *cells,
                                      size_t count, struct fault *fault);

/* --- one row --------------------------------------------------------------------------------- */

struct import_row {
    bool                      skipped;
    const struct import_type *type;
    const struct currency    *currency;
    bool                      incoming;
    int64_t                   amount;
    int64_t                   at_us;
    bool                      has_label;
    bool                      fraud;
    bool                      has_known_at; /* else the map's delay counts */
    int64_t                   known_at_us;
    bool                      has_balance; /* and it is to be compared */
    int64_t                   balance;
    int64_t                   rounding;
    char account[LIMIT_EXTERNAL_ID_MAX + 1]; /* "source:id", as the three below */
    char customer[LIMIT_EXTERNAL_ID_MAX + 1];
    char other[LIMIT_EXTERNAL_ID_MAX + 1];       /* account of this bank; empty = none */
    char external_id[LIMIT_EXTERNAL_ID_MAX + 1]; /* of the transaction; empty = none */
    char party[LIMIT_PARTY_KEY_MAX + 1];
    char description[LIMIT_DESCRIPTION_MAX + 1];
};

/* Turns a record into a row; by a map of labels alone into one that has an id and a label only, or
 * is skipped because it has no label. fault: field = the column, text = what is wrong with it. */
ERR_MUST_USE enum err import_row_read(const struct import_map *map, const struct slice *cells,
                                      size_t count, struct import_row *out, struct fault *fault);
/* What a template makes of a record. `out` is only used when the value has several pieces; the
 * value is good as long as both. A template without a filled column makes an empty value. */
ERR_MUST_USE enum err import_value(const struct import_map *map,
                                   const struct import_template *template,
                                   const struct slice *cells, const struct import_type *type,
                                   char out[IMPORT_CELL_MAX], struct slice *value,
                                   struct fault *fault);

/* --- into the bank --------------------------------------------------------------------------- */

struct import_counts {
    int64_t rows; /* records behind the header */
    int64_t loaded;
    int64_t committed; /* of them, and of labels, those that are on the disk */
    int64_t repeated;
    int64_t skipped;
    int64_t rejected;
    int64_t accounts;
    int64_t customers;
    int64_t roundings;
    int64_t agree;
    int64_t disagree;
    int64_t unchecked;
    int64_t suspicious; /* loaded rows that raised an alert or joined one */
    int64_t alerts;     /* raised */
    int64_t labels;     /* stored, the changed ones among them */
    int64_t frauds;     /* of them */
    int64_t labels_changed;
    int64_t labels_kept; /* not changed, because an analyst had decided */
    int64_t unknown;     /* labels of transactions that are not there; they are rejected too */
};

struct import_loader;

struct import_options {
    bool check_balances;
    bool labels;
    void (*disagreement)(void *context, const struct import_row *row, int64_t ledger);
    void  *context;
    size_t names_max; /* accounts, and customers, whose ids are in memory; 0 = 65536 */
};

/* The map is bound before the first row. The loader owns nothing of what it is given. */
ERR_MUST_USE enum err import_loader_open(const struct import_map *map, struct writer *writer,
                                         const struct import_options *options,
                                         struct import_loader       **out);
void                  import_loader_close(struct import_loader **loader);
/* Plans one row and commits when the group is full. An error of the class INPUT or CONFLICT is the
 * row's own: no money of it moves, and the next one may come. Any other ends the import. */
ERR_MUST_USE enum err import_loader_row(struct import_loader *loader, const struct slice *cells,
                                        size_t count, struct fault *fault);
ERR_MUST_USE enum err import_loader_commit(struct import_loader *loader, struct fault *fault);
struct import_counts *import_loader_counts(struct import_loader *loader);
/* Gives a label to a transaction that is there; the row has one. Errors as of import_loader_row,
 * whose place it takes for maps of labels alone. */
ERR_MUST_USE enum err import_loader_label(struct import_loader *loader, int64_t sequence,
                                          const struct import_row *row, struct fault *fault);
/* Whether the row stands beside another one that has the same external id. */
bool import_is_rounding(const struct transaction *row);

/* --- labels alone ---------------------------------------------------------------------------- */

/* Where in a file a record is. */
struct import_place {
    int64_t line;
    int64_t from, to; /* bytes */
};

/* Tells of a row that found no place; what it answers ends the import unless it is ERR_none. */
typedef enum err import_refuse(void *context, const struct import_place *place, enum err err,
                               const struct fault *why);

struct import_labels;

/* For a map with labels_only. The rows are kept until there are many, and find their transactions
 * with one walk over the bank. */
ERR_MUST_USE enum err import_labels_open(const struct import_map *map, struct store *store,
                                         struct import_loader *loader, import_refuse *refuse,
                                         void *context, struct import_labels **out);
void                  import_labels_close(struct import_labels **labels);
/* As import_loader_row; what is wrong with the row itself is answered, what the bank has to say of
 * it comes later by `refuse`. */
ERR_MUST_USE enum err import_labels_row(struct import_labels      *labels,
                                        const struct import_place *place, const struct slice *cells,
                                        size_t count, struct fault *fault);
/* Gives out the labels that are kept; nothing is committed that does not fill a group. */
ERR_MUST_USE enum err import_labels_flush(struct import_labels *labels, struct fault *fault);

#endif
