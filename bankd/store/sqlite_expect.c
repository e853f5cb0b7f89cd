/* Refuses a store that lacks what it is known to have had, before anything of it is changed.
 *
 * SQLite takes a log that is missing, cut at a commit's end, or an older copy, for what there is.
 * Read over a newer file, an older log even makes a mixture of both times, which must not be moved
 * into the file: whoever puts the right log back then has what was lost. So this comes before the
 * first write, and a handle that is refused here leaves the log as it is.
 *
 * The table `head` has one row, which each link of the chain changes: any log that holds one shows
 * the end of the chain as it was then. */
#include <sqlite3.h>

#include "bankd/store/sqlite.h"

#include <string.h>

#include "common/clock.h"

static const char question[] =
    "SELECT sequence, (SELECT hash FROM transactions WHERE sequence = ?1),"
    " (SELECT hash FROM audit WHERE sequence = ?1),"
    " ?2 = 0 OR EXISTS (SELECT 1 FROM signed_head WHERE sequence = ?2) FROM head WHERE id = 1";

/* What about the log the operator should look at first. */
static const char *log_sentence(struct sqlite_store *store)
{
    sqlite3_file *log = NULL;
    sqlite3_int64 size = 0;

    if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK ||
        log == NULL || log->pMethods == NULL || log->pMethods->xFileSize(log, &size) != SQLITE_OK)
        size = 0;
    return size > 0 ? "its log (-wal) was cut or is an older one"
                    : "its log (-wal) is missing or empty";
}

static bool is_hash(struct sqlite3_stmt *statement, int column, const struct chain_head *head)
{
    const void *hash = sqlite3_column_blob(statement, column);

    return hash != NULL && sqlite3_column_bytes(statement, column) == CHAIN_HASH_BYTES &&
           memcmp(hash, head->hash, CHAIN_HASH_BYTES) == 0;
}

/* The row of the answer against what is expected. */
static enum err compare(struct sqlite_store *store, struct sqlite3_stmt *statement,
                        const struct store_expect *expect, struct fault *fault)
{
    char      text[TIME_TEXT_MAX];
    long long ends = sqlite3_column_int64(statement, 0);
    long long wanted = expect->head.sequence;

    time_text(expect->at_us, text);
    if (ends < wanted)
        return fault_set(
            fault, ERR_storage_behind, NULL,
            "The bank ends with entry %lld, but %lld was on its disk by %s: either the "
            "file or %s",
            ends, wanted, text, log_sentence(store));
    if (!is_hash(statement, 1, &expect->head) && !is_hash(statement, 2, &expect->head))
        return fault_set(fault, ERR_storage_behind, NULL,
                         "Entry %lld is not the one that was on the bank's disk by %s: its files "
                         "are of different times",
                         wanted, text);
    if (sqlite3_column_int(statement, 3) == 0)
        return fault_set(fault, ERR_storage_behind, NULL,
                         "The signed head at %lld is missing, which was on the bank's disk by %s",
                         (long long)expect->signed_sequence, text);
    return ERR_none;
}

enum err sqlite_expect(struct sqlite_store *store, const struct store_expect *expect,
                       struct fault *fault)
{
    struct sqlite3_stmt *statement = NULL;
    enum err             err;
    int                  rc;

    if (expect == NULL || expect->head.sequence == 0)
        return ERR_none;
    rc = sqlite3_prepare_v2(store->db, question, -1, &statement, NULL);
    if ((rc & 0xff) == SQLITE_ERROR)
        return fault_set(fault, ERR_storage_corrupt, NULL, "%s", sqlite3_errmsg(store->db));
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(statement, 1, expect->head.sequence);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(statement, 2, expect->signed_sequence);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        err = compare(store, statement, expect, fault);
    else if (rc == SQLITE_DONE)
        err = fault_set(fault, ERR_storage_corrupt, NULL, "The end of the chain is missing");
    else
        err = sqlite_fault(store, rc, fault);
    sqlite3_finalize(statement);
    return err;
}
