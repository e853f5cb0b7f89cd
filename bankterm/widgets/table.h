/* A table of records: columns, order, filter, and a selection that belongs to a record.
 *
 * The rule: the selection is a record's id, never a row number. New rows above the selected one
 * move neither the selection nor, where there is room, its place on the screen. Sorting is stable
 * and ends with the order of the server, so that equal rows never swap. Columns that do not fit
 * are reached by scrolling; the first stays, and arrows in the header tell that there are more.
 *
 * Where it is allowed, several records can be marked, to do the same to all of them. Marks belong
 * to records too; one whose record is no longer among the rows is gone, so that nothing is done to
 * what the user does not see. */
#ifndef BANKTERM_WIDGETS_TABLE_H
#define BANKTERM_WIDGETS_TABLE_H

#include "bankterm/actions.h"
#include "bankterm/canvas.h"
#include "proto/proto.h"

#include <stdbool.h>
#include <stdint.h>

enum { TABLE_COLUMNS_MAX = 24, CELL_TEXT_MAX = 240, TABLE_FILTER_MAX = 64, TABLE_MARKS_MAX = 100 };

enum column_flag {
    COLUMN_RIGHT = 1,  /* flush right, never cut */
    COLUMN_HIDDEN = 2, /* until the user chooses it */
    COLUMN_GROW = 4,   /* takes what is left over */
};

struct table;

struct cell_text {
    char       text[CELL_TEXT_MAX];
    enum style style;
};

/* `field` names a field of the row's message: its type gives text, order and alignment. `text`
 * replaces the text, and gives it a meaning. */
struct column {
    const char *name;
    const char *title;
    const char *field;
    int         width_max;
    unsigned    flags;
    void (*text)(const struct table *table, const void *row, struct cell_text *out);
};

struct row_key {
    uint8_t bytes[16];
};

struct table {
    const struct column       *columns;
    int                        column_count;
    const struct message_desc *item;    /* of a row; its first field is the id */
    const void                *context; /* for the columns' text functions */
    const char *const         *rows;    /* in the server's order; the list's memory */
    int                        row_count;
    int                       *view; /* indexes of rows, filtered and sorted */
    int                        view_count;
    int                        view_room;
    bool                       has_selected;
    struct row_key             selected;
    int                        selected_at; /* in view */
    int                        top;
    int                        height; /* rows on the screen, of the last drawing */
    char     cut[CELL_TEXT_MAX]; /* the selected row's name, when its column is too narrow for it */
    int      row_y;              /* where the first was drawn */
    int      first_column;
    uint64_t hidden;      /* bit i: column i */
    int      sort_column; /* -1: the server's order */
    bool     reverse;
    char     filter[TABLE_FILTER_MAX];
    char     last_filter[TABLE_FILTER_MAX];
    int      widths[TABLE_COLUMNS_MAX];
    bool     marking; /* records can be marked */
    struct row_key marks[TABLE_MARKS_MAX];
    int            mark_count;
};

void table_init(struct table *table, const struct column *columns, int count,
                const struct message_desc *item);
void table_free(struct table *table);
/* Other rows, or the same after a change; keeps the selected record if it is still there. */
ERR_MUST_USE enum err table_set_rows(struct table *table, const char *const *rows, int count);
void                  table_set_filter(struct table *table, const char *text);
const void           *table_selected(const struct table *table); /* row; NULL when there is none */
void                  table_select(struct table *table, int view_index);
/* Other rows are about to come, which have nothing to do with these. */
void table_restart(struct table *table);
bool table_is_marked(const struct table *table, const void *row);
void table_unmark(struct table *table); /* all */
/* The marked rows in the order they are shown in, at most TABLE_MARKS_MAX; returns how many. */
int table_marked(const struct table *table, const void **out);
/* Movement, marking, sorting, horizontal scrolling; false when the action is something else. */
bool table_act(struct table *table, enum action action, const char *argument);
bool table_click(struct table *table, int x, int y);
/* Header and rows. An unfocused table shows its selection faintly and leaves the cursor alone. */
void table_draw(struct table *table, struct canvas *canvas, struct rect rect, bool focused);
/* "12-40 of 1,204 by score"; total -1 and more tell what is not loaded. */
void table_position(const struct table *table, int64_t total, bool more, char *out, size_t size);

struct row_key table_key(const struct message_desc *item, const void *row);
bool           row_key_equal(const struct row_key *a, const struct row_key *b);
void table_cell(const struct table *table, int column, const void *row, struct cell_text *out);
/* A row as text between tabs, for the clipboard. */
size_t table_row_text(const struct table *table, const void *row, char *out, size_t size);

/* The text of a field for people: grouped money, minutes, short ids. */
void field_text(const struct message_desc *desc, const void *message, int field, char *out,
                size_t size);

#endif
