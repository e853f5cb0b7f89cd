/* The table `chain`: its rows are sequences, and each row is only known when the one before it was
 * looked at.
 *
 * An account's transactions lie all over the log, and each carries the sequence of the one before
 * it. A statement that looks one of them up spends more on beginning and ending than on looking:
 * it opens and closes its cursor, and takes and gives back memory for each text. So a page of an
 * account is one statement, a join of this table with the transactions, which looks up one row
 * with each step; whoever steps it writes into `next` what the row has said before it steps on.
 * With rows that leave out what no list shows, that took a page of 50 from 550 to 485 us.
 *
 * A sequence that has no transaction would make SQLite ask for the next one at once. Then `next`
 * stands where it stood, and the statement fails instead of asking for ever.
 *
 * The table is the handle's own: no other handle and no file knows of it. */
#include <sqlite3.h>

#include "bankd/store/sqlite.h"

struct chain_table {
    sqlite3_vtab         base;
    struct sqlite_chain *chain;
};

struct chain_cursor {
    sqlite3_vtab_cursor base;
};

static struct sqlite_chain *chain_of(sqlite3_vtab_cursor *cursor)
{
    return ((struct chain_table *)(void *)cursor->pVtab)->chain;
}

static int chain_connect(sqlite3 *db, void *context, int argc, const char *const *argv,
                         sqlite3_vtab **out, char **text)
{
    struct chain_table *table;
    int                 rc = sqlite3_declare_vtab(db, "CREATE TABLE x (sequence INTEGER)");

    (void)argc;
    (void)argv;
    (void)text;
    if (rc != SQLITE_OK)
        return rc;
    table = sqlite3_malloc(sizeof *table);
    if (table == NULL)
        return SQLITE_NOMEM;
    *table = (struct chain_table){ .chain = context };
    *out = &table->base;
    return SQLITE_OK;
}

static int chain_disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

/* There is one way to walk it. */
static int chain_plan(sqlite3_vtab *table, sqlite3_index_info *plan)
{
    (void)table;
    plan->estimatedCost = 1;
    plan->estimatedRows = 1;
    return SQLITE_OK;
}

static int chain_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    struct chain_cursor *cursor = sqlite3_malloc(sizeof *cursor);

    (void)table;
    if (cursor == NULL)
        return SQLITE_NOMEM;
    *cursor = (struct chain_cursor){ .base = { .pVtab = NULL } };
    *out = &cursor->base;
    return SQLITE_OK;
}

static int chain_close(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static int chain_next(sqlite3_vtab_cursor *cursor)
{
    struct sqlite_chain *chain = chain_of(cursor);

    if (chain->next == chain->present)
        return SQLITE_CORRUPT;
    chain->present = chain->next;
    return SQLITE_OK;
}

static int chain_filter(sqlite3_vtab_cursor *cursor, int plan, const char *text, int argc,
                        sqlite3_value **argv)
{
    struct sqlite_chain *chain = chain_of(cursor);

    (void)plan;
    (void)text;
    (void)argc;
    (void)argv;
    chain->present = chain->next;
    return SQLITE_OK;
}

static int chain_eof(sqlite3_vtab_cursor *cursor)
{
    return chain_of(cursor)->present == 0;
}

static int chain_column(sqlite3_vtab_cursor *cursor, sqlite3_context *out, int column)
{
    (void)column;
    sqlite3_result_int64(out, chain_of(cursor)->present);
    return SQLITE_OK;
}

static int chain_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out)
{
    *out = chain_of(cursor)->present;
    return SQLITE_OK;
}

static const sqlite3_module chain_module = {
    .iVersion = 0,
    .xConnect = chain_connect, /* and no xCreate: it is there without being made */
    .xBestIndex = chain_plan,
    .xDisconnect = chain_disconnect,
    .xOpen = chain_open,
    .xClose = chain_close,
    .xFilter = chain_filter,
    .xNext = chain_next,
    .xEof = chain_eof,
    .xColumn = chain_column,
    .xRowid = chain_rowid,
};

int sqlite_chain_register(struct sqlite3 *db, struct sqlite_chain *chain)
{
    return sqlite3_create_module_v2(db, "chain", &chain_module, chain, NULL);
}
