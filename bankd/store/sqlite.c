/* The SQLite store's handle: opening with its checks, migrations, the lock file, log and backup.
 *
 * The database is in WAL mode with synchronous=FULL: a commit is on the disk when apply returns.
 * The writer never moves the log into the file by itself (wal_autocheckpoint is 0), because that
 * would happen inside some client's commit; another thread calls `checkpoint` with a handle of
 * its own. The log file is never cut, because writing over old blocks is what makes commits fast.
 * The file is not mapped into memory, so a failing disk is an error value and not a signal.
 *
 * Readers open the file for writing too, as the log's index needs it, and forbid themselves to
 * change anything with query_only. A file that is not there is only made in STORE_CREATE; one
 * whose schema is newer than this build is left alone. */
#include <sqlite3.h>

#include "bankd/store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bankd/store/migrations.h"
#include "common/check.h"

enum {
    VERSION_AT = 60, /* in the head of the file, big-endian as all of it */
    APPLICATION_AT = 68,
    HEAD_BYTES = 100,
    BUSY_TIMEOUT_MS = 5000,
    CHECKPOINT_RUNS_MAX = 8,
    CHECKPOINT_REST_MAX = 256,   /* pages that the writer may have to wait for */
    CHECKPOINT_LOG_MAX = 16384,  /* pages of a log that need not begin anew yet */
    CHECKPOINT_LOG_MUCH = 65536, /* pages of a log that leave no time for rests */
    CHECKPOINT_SMALL = 1024,     /* pages that are moved faster than rests would last */
    CHECKPOINT_PAUSE_US = 100,
    CHECKPOINT_TRIES_MAX = 200,
    PATH_TEXT_MAX = 4096,
    START_CHECK_PAGES_MAX = 65536, /* 256 MiB, about a second */
};

static const char *const sql_texts[] = {
#define SQL(name, text) [SQL_##name] = text,
#include "bankd/store/sqlite_sql.def"
#undef SQL
};

enum err sqlite_err(int rc)
{
    if (rc == SQLITE_IOERR_NOMEM)
        return ERR_memory;
    if (rc == SQLITE_IOERR_DATA)
        return ERR_storage_corrupt;
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return ERR_none;
    case SQLITE_FULL:
        return ERR_storage_full;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_storage_corrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_busy;
    case SQLITE_NOMEM:
        return ERR_memory;
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_DATATYPE ? ERR_amount_overflow : ERR_exists;
    default:
        return ERR_storage;
    }
}

enum err sqlite_fault(struct sqlite_store *store, int rc, struct fault *fault)
{
    enum err err = sqlite_err(rc);

    if (rc == SQLITE_IOERR_DATA)
        return fault_set(fault, err, NULL, "A page of the file is not what was written");
    return err == ERR_none ? err : fault_set(fault, err, NULL, "%s", sqlite3_errmsg(store->db));
}

/* --- opening --------------------------------------------------------------------------------- */

static enum err path_join(char *out, const char *path, const char *suffix, struct fault *fault)
{
    int n = snprintf(out, PATH_TEXT_MAX, "%s%s", path, suffix);

    if (n < 0 || n >= PATH_TEXT_MAX)
        return fault_set(fault, ERR_io, NULL, "The path is too long");
    return ERR_none;
}

enum err store_lock(const char *path, int *fd, struct fault *fault)
{
    char name[PATH_TEXT_MAX];

    *fd = -1;
    TRY(path_join(name, path, ".lock", fault));
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return fault_set(fault, ERR_storage, NULL, "%s: %s", name, strerror(errno));
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return ERR_none;
    close(*fd);
    *fd = -1;
    return fault_set(fault, ERR_storage_locked, NULL, "%s is locked", name);
}

enum err store_lock_file(const char *path, int *fd, struct fault *fault)
{
    *fd = open(path, O_RDWR | O_CLOEXEC);
    if (*fd < 0)
        return fault_set(fault, ERR_storage, NULL, "%s: %s", path, strerror(errno));
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return ERR_none;
    close(*fd);
    *fd = -1;
    return fault_set(fault, ERR_storage_locked, NULL, "%s is in use, under this name or another",
                     path);
}

/* The file is made here and not by SQLite, so that nobody else may ever read it; one that somebody
 * else has left empty is taken over. */
static enum err file_prepare(const char *path, enum store_mode mode, struct fault *fault)
{
    struct stat info;
    int         fd;

    if (stat(path, &info) == 0) {
        if (mode == STORE_CREATE && info.st_size == 0 && chmod(path, 0600) != 0)
            return fault_set(fault, ERR_storage, NULL, "%s: %s", path, strerror(errno));
        return ERR_none;
    }
    if (errno != ENOENT)
        return fault_set(fault, ERR_storage, NULL, "%s: %s", path, strerror(errno));
    if (mode != STORE_CREATE)
        return fault_set(fault, ERR_storage_absent, NULL, "%s does not exist", path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fault_set(fault, ERR_storage, NULL, "%s: %s", path, strerror(errno));
    close(fd);
    return ERR_none;
}

enum store_kind store_kind_of(const char *path)
{
    uint8_t head[HEAD_BYTES];
    ssize_t n;
    int     fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? STORE_NOTHING : STORE_FOREIGN;
    n = read(fd, head, sizeof head);
    close(fd);
    if (n == 0)
        return STORE_NOTHING;
    if (n != HEAD_BYTES || memcmp(head + APPLICATION_AT, "BANK", 4) != 0)
        return STORE_FOREIGN;
    return memcmp(head + VERSION_AT, "\0\0\0", 4) == 0 ? STORE_NOTHING : STORE_BANK;
}

static enum err exec(struct sqlite_store *store, const char *sql, struct fault *fault)
{
    return sqlite_fault(store, sqlite3_exec(store->db, sql, NULL, NULL, NULL), fault);
}

/* The one number that a pragma answers. */
static enum err pragma_get(struct sqlite_store *store, const char *sql, int64_t *out,
                           struct fault *fault)
{
    struct sqlite3_stmt *statement = NULL;
    int                  rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    *out = 0;
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return sqlite_fault(store, rc, fault);
}

/* A migration that does not fit the tables that are there: the file lies about its version. */
static enum err migrate_tables(struct sqlite_store *store, int64_t version, struct fault *fault)
{
    int rc = sqlite3_exec(store->db, migration_texts[version - 1], NULL, NULL, NULL);

    if ((rc & 0xff) == SQLITE_ERROR)
        return fault_set(fault, ERR_storage_corrupt, NULL,
                         "Its schema version is %lld, but its tables are of another one (%s)",
                         (long long)version - 1, sqlite3_errmsg(store->db));
    return sqlite_fault(store, rc, fault);
}

/* One migration and the version that it leads to, in one transaction. */
static enum err migrate_step(struct sqlite_store *store, int64_t version, struct fault *fault)
{
    char     sql[64];
    enum err err;

    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", (int)version);
    err = exec(store, "BEGIN IMMEDIATE", fault);
    if (err == ERR_none)
        err = migrate_tables(store, version, fault);
    if (err == ERR_none)
        err = exec(store, sql, fault);
    if (err == ERR_none)
        err = exec(store, "COMMIT", fault);
    if (err != ERR_none && sqlite3_get_autocommit(store->db) == 0)
        (void)exec(store, "ROLLBACK", NULL);
    return err;
}

/* Is it ours, and of a version that this build can use? */
static enum err check_identity(struct sqlite_store *store, const char *path, int64_t version,
                               struct fault *fault)
{
    int64_t application = 0;
    int64_t tables = 0;

    TRY(pragma_get(store, "PRAGMA application_id", &application, fault));
    if (version == 0)
        TRY(pragma_get(store, "SELECT count(*) FROM sqlite_schema", &tables, fault));
    if (application != STORE_APPLICATION_ID && (version != 0 || application != 0 || tables != 0))
        return fault_set(fault, ERR_storage_corrupt, NULL, "%s is not a bank's database", path);
    if (version < 0 || tables != 0)
        return fault_set(fault, ERR_storage_corrupt, NULL,
                         "%s says that its schema version is %lld, which no bank has", path,
                         (long long)version);
    if (version > MIGRATION_COUNT)
        return fault_set(fault, ERR_storage_newer, NULL,
                         "%s has schema version %lld, this build knows %d", path,
                         (long long)version, MIGRATION_COUNT);
    if (version == 0 && store->mode != STORE_CREATE)
        return fault_set(fault, ERR_storage_absent, NULL, "%s is empty", path);
    if (version < MIGRATION_COUNT && store->mode == STORE_READ)
        return fault_set(fault, ERR_storage_older, NULL,
                         "%s has schema version %lld, this build reads %d", path,
                         (long long)version, MIGRATION_COUNT);
    return ERR_none;
}

/* The version has to be in the file itself, where all who open it see it before they read the log
 * (sqlite_page.c). While somebody reads it may have to wait for the next time. */
static enum err seal(struct sqlite_store *store, struct fault *fault)
{
    bool sealed = false;
    int  rc = sqlite_page_is_sealed(store->db, &sealed);

    if (rc == SQLITE_OK && !sealed)
        rc = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return (rc & 0xff) == SQLITE_BUSY ? ERR_none : sqlite_fault(store, rc, fault);
}

/* Refuses what is not ours, and brings what is to the present version. */
static enum err schema_check(struct sqlite_store *store, const struct store_config *config,
                             struct fault *fault)
{
    const char *path = config->path;
    int64_t     version = 0;
    int64_t     busy = 0;

    TRY(pragma_get(store, "PRAGMA user_version", &version, fault));
    TRY(check_identity(store, path, version, fault));
    if (version != 0)
        TRY(sqlite_expect(store, config->expect, fault));
    if (version == 0) {
        char sql[64];

        snprintf(sql, sizeof sql, "PRAGMA application_id = %d", STORE_APPLICATION_ID);
        TRY(exec(store, "PRAGMA page_size = 4096", fault));
        TRY(sqlite_fault(store, sqlite_page_prepare(store->db), fault));
        TRY(exec(store, sql, fault));
    }
    if (store->mode != STORE_READ) /* of the file, not of the handle; others may have changed it */
        TRY(exec(store, "PRAGMA journal_mode = WAL", fault));
    if (version > 0 && version < MIGRATION_COUNT) /* a log of that time has no check bytes */
        TRY(pragma_get(store, "PRAGMA wal_checkpoint(TRUNCATE)", &busy, fault));
    if (busy != 0)
        return fault_set(fault, ERR_busy, NULL, "%s is in use", path);
    while (version < MIGRATION_COUNT)
        TRY(migrate_step(store, ++version, fault));
    if (store->mode != STORE_READ)
        TRY(seal(store, fault));
    return ERR_none;
}

static enum err settings_apply(struct sqlite_store *store, int64_t cache_kib, struct fault *fault)
{
    char sql[64];

    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    sqlite3_limit(store->db, SQLITE_LIMIT_ATTACHED, 0);
    TRY(exec(store,
             "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; "
             "PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF; PRAGMA mmap_size = 0; "
             "PRAGMA trusted_schema = OFF",
             fault));
    if (cache_kib > 0) {
        snprintf(sql, sizeof sql, "PRAGMA cache_size = -%lld", (long long)cache_kib);
        TRY(exec(store, sql, fault));
    }
    return ERR_none;
}

static enum err statements_prepare(struct sqlite_store *store, struct fault *fault)
{
    for (int i = 0; i < SQL_count; i++) {
        int rc = sqlite3_prepare_v3(store->db, sql_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &store->statements[i], NULL);

        if ((rc & 0xff) == SQLITE_ERROR) /* a table is not as the migrations left it */
            return fault_set(fault, ERR_storage_corrupt, NULL, "%s", sqlite3_errmsg(store->db));
        TRY(sqlite_fault(store, rc, fault));
    }
    return ERR_none;
}

static int log_seen(void *context, struct sqlite3 *db, const char *name, int pages)
{
    struct sqlite_store *store = context;

    (void)db;
    (void)name;
    store->log_pages = pages;
    return SQLITE_OK;
}

/* What a proof found when it did not say "ok". Where it could not read a page it names SQLite's
 * code for that: a disk that fails, or no memory, is no broken file, and nobody should restore a
 * backup for it. */
static enum err structure_err(const char *said)
{
    static const char mark[] = "error code=";
    const char       *code = strstr(said, mark);
    enum err          err = ERR_none;

    if (code != NULL)
        err = sqlite_err((int)strtol(code + sizeof mark - 1, NULL, 10));
    return err != ERR_none ? err : ERR_storage_corrupt;
}

/* What one of SQLite's own proofs of the file's structure says. */
static enum err check_structure(struct sqlite_store *store, const char *sql, struct fault *fault)
{
    struct sqlite3_stmt *statement = NULL;
    enum err             err = ERR_none;
    int                  rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        const void *text = sqlite3_column_text(statement, 0);

        if (text == NULL)
            err = ERR_memory;
        else if (strcmp(text, "ok") != 0)
            err = fault_set(fault, structure_err(text), NULL, "%s", (const char *)text);
    } else {
        err = sqlite_fault(store, rc, fault);
    }
    sqlite3_finalize(statement);
    return err;
}

/* The log is looked at by whoever comes first: beside a daemon that serves it is in motion, and
 * the daemon has looked. */
static enum err check_log(const struct sqlite_store *store, const char *path, struct fault *fault)
{
    char     name[PATH_TEXT_MAX];
    int      lock = -1;
    enum err err;

    TRY(path_join(name, path, "-wal", fault));
    if (store->lock_fd >= 0)
        return sqlite_log_check(name, fault);
    if (access(name, F_OK) != 0 || store_lock(path, &lock, NULL) != ERR_none)
        return ERR_none;
    err = sqlite_log_check(name, fault);
    close(lock);
    return err;
}

/* A file of moderate size is read through when it is opened to be served. */
static enum err check_file(struct sqlite_store *store, struct fault *fault)
{
    int64_t pages = 0;

    TRY(pragma_get(store, "PRAGMA page_count", &pages, fault));
    if (pages > START_CHECK_PAGES_MAX)
        return ERR_none;
    return check_structure(store, "PRAGMA quick_check(1)", fault);
}

static enum err open_steps(struct sqlite_store *store, const struct store_config *config,
                           struct fault *fault)
{
    const char *vfs = sqlite_page_vfs(); /* what it sets must come before all else of SQLite */
    int         rc;

    if (config->exclusive) {
        if (store->mode != STORE_CREATE) /* no lock file beside a bank that is not there */
            TRY(file_prepare(config->path, store->mode, fault));
        TRY(store_lock(config->path, &store->lock_fd, fault));
    }
    TRY(file_prepare(config->path, store->mode, fault));
    if (config->exclusive)
        TRY(store_lock_file(config->path, &store->file_fd, fault));
    TRY(check_log(store, config->path, fault));
    rc = sqlite3_open_v2(config->path, &store->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
                         vfs);
    if (store->db == NULL)
        return ERR_memory;
    TRY(sqlite_fault(store, rc, fault));
    if (store->examine) { /* a log that may be the wrong one is not moved into the file */
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        TRY(sqlite_fault(store, sqlite_page_examine(store->db), fault));
    }
    TRY(settings_apply(store, config->cache_kib, fault));
    TRY(schema_check(store, config, fault));
    TRY(sqlite_fault(store, sqlite_chain_register(store->db, &store->chain), fault));
    TRY(statements_prepare(store, fault));
    if (config->exclusive)
        TRY(check_file(store, fault));
    if (store->mode == STORE_READ)
        TRY(exec(store, "PRAGMA query_only = ON", fault));
    else
        TRY(group_new(&store->group));
    sqlite3_wal_hook(store->db, log_seen, store);
    return sqlite_data_version(store, &store->version_asked);
}

static void sqlite_close(struct store **store)
{
    struct sqlite_store *self;

    if (*store == NULL)
        return;
    self = sqlite_of(*store);
    *store = NULL;
    for (int i = 0; i < SQL_count; i++)
        sqlite3_finalize(self->statements[i]);
    sqlite3_close(self->db);
    if (self->file_fd >= 0) /* not before: closing it drops SQLite's own locks */
        close(self->file_fd);
    if (self->lock_fd >= 0)
        close(self->lock_fd);
    group_free(&self->group);
    free(self);
}

static enum err sqlite_open(const struct store_config *config, enum store_mode mode,
                            struct store **out, struct fault *fault)
{
    struct sqlite_store *store = calloc(1, sizeof *store);
    enum err             err;

    *out = NULL;
    if (store == NULL)
        return ERR_memory;
    store->base.ops = &store_sqlite;
    store->mode = mode == STORE_EXAMINE ? STORE_READ : mode;
    store->examine = mode == STORE_EXAMINE;
    store->lock_fd = -1;
    store->file_fd = -1;
    *out = &store->base;
    err = open_steps(store, config, fault);
    if (err != ERR_none) {
        if (store->db != NULL) /* what is refused stays as it is, its log too */
            sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite_close(out);
    }
    return err;
}

/* --- statements ------------------------------------------------------------------------------ */

struct row sqlite_use(struct sqlite_store *store, enum sqlite_sql sql)
{
    struct sqlite3_stmt *statement = store->statements[sql];

    CHECK(sqlite3_stmt_busy(statement) == 0);
    return (struct row){ .statement = statement, .at = 1 };
}

void sqlite_done(struct row *row)
{
    sqlite3_reset(row->statement);
}

enum err sqlite_step(struct row *row)
{
    int rc = row->rc;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(row->statement);
    row->at = 0;
    if (rc == SQLITE_DONE)
        return ERR_not_found;
    return sqlite_err(rc);
}

int sqlite_run(struct row *row)
{
    int rc = row->rc;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(row->statement);
    sqlite3_reset(row->statement);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int sqlite_exec(struct sqlite_store *store, enum sqlite_sql sql)
{
    struct row row = sqlite_use(store, sql);

    return sqlite_run(&row);
}

static void bind_checked(struct row *row, int rc)
{
    if (row->rc == SQLITE_OK)
        row->rc = rc;
    row->at++;
}

void bind_int(struct row *row, int64_t value)
{
    bind_checked(row, sqlite3_bind_int64(row->statement, row->at, value));
}

void bind_text(struct row *row, const char *text)
{
    bind_checked(row, sqlite3_bind_text(row->statement, row->at, text, -1, SQLITE_STATIC));
}

void bind_slice(struct row *row, struct slice text)
{
    bind_checked(row, sqlite3_bind_text(row->statement, row->at, text.n > 0 ? text.at : "",
                                        (int)text.n, SQLITE_STATIC));
}

void bind_bytes(struct row *row, const void *bytes, size_t n)
{
    /* A NULL pointer would bind NULL, which is not an empty value. */
    bind_checked(
        row, sqlite3_bind_blob(row->statement, row->at, n > 0 ? bytes : "", (int)n, SQLITE_STATIC));
}

int64_t row_int(struct row *row)
{
    return sqlite3_column_int64(row->statement, row->at++);
}

void row_text(struct row *row, char *out, size_t size)
{
    const void *text = sqlite3_column_text(row->statement, row->at);
    int         n = sqlite3_column_bytes(row->statement, row->at);

    slice_copy(slice_of(text, text != NULL ? (size_t)n : 0), out, size);
    row->at++;
}

size_t row_bytes(struct row *row, void *out, size_t size)
{
    const void *bytes = sqlite3_column_blob(row->statement, row->at);
    size_t      n = bytes != NULL ? (size_t)sqlite3_column_bytes(row->statement, row->at) : 0;

    if (n > size)
        n = size;
    if (n > 0)
        memcpy(out, bytes, n);
    if (n < size)
        memset((char *)out + n, 0, size - n);
    row->at++;
    return n;
}

/* --- snapshots and versions ------------------------------------------------------------------ */

/* A snapshot that could not be ended must not be what later calls see. */
static enum err snapshot_shed(struct sqlite_store *store)
{
    if (!store->stuck)
        return ERR_none;
    if (sqlite3_get_autocommit(store->db) == 0)
        TRY(sqlite_err(sqlite_exec(store, SQL_rollback)));
    store->stuck = false;
    return ERR_none;
}

enum err sqlite_snapshot(struct sqlite_store *store, bool *begun)
{
    struct row row;
    enum err   err;

    *begun = false;
    TRY(snapshot_shed(store));
    if (sqlite3_get_autocommit(store->db) == 0)
        return ERR_none;
    TRY(sqlite_err(sqlite_exec(store, SQL_begin_read)));
    *begun = true;
    row = sqlite_use(store, SQL_head); /* the first read is what takes the snapshot */
    err = sqlite_step(&row);
    sqlite_done(&row);
    if (err != ERR_none) {
        sqlite_snapshot_over(store, true);
        *begun = false;
    }
    return err == ERR_not_found ? ERR_storage_corrupt : err;
}

void sqlite_snapshot_over(struct sqlite_store *store, bool begun)
{
    if (begun && sqlite_exec(store, SQL_commit) != SQLITE_OK)
        store->stuck = sqlite_exec(store, SQL_rollback) != SQLITE_OK;
}

enum err sqlite_data_version(struct sqlite_store *store, int64_t *version)
{
    struct row row = sqlite_use(store, SQL_data_version);
    enum err   err = sqlite_step(&row);

    if (err == ERR_none)
        *version = row_int(&row);
    sqlite_done(&row);
    return err;
}

static enum err sqlite_snapshot_begin(struct store *store)
{
    struct sqlite_store *self = sqlite_of(store);

    CHECK(!self->snapshot);
    return sqlite_snapshot(self, &self->snapshot);
}

static void sqlite_snapshot_end(struct store *store)
{
    struct sqlite_store *self = sqlite_of(store);

    sqlite_snapshot_over(self, self->snapshot);
    self->snapshot = false;
}

static bool sqlite_changed(struct store *store)
{
    struct sqlite_store *self = sqlite_of(store);
    int64_t              version = 0;
    bool                 changed;

    if (sqlite_data_version(self, &version) != ERR_none)
        return true; /* the next read will tell what is wrong */
    changed = version != self->version_asked;
    self->version_asked = version;
    return changed;
}

/* --- care of the file ------------------------------------------------------------------------ */

/* SQLite has no queue for its lock, so whoever wants it between two commits has to look often. */
static int lock_wait(void *context, int tries)
{
    static const struct timespec pause = { .tv_nsec = CHECKPOINT_PAUSE_US * 1000 };

    (void)context;
    nanosleep(&pause, NULL);
    return tries < CHECKPOINT_TRIES_MAX;
}

/* A passive run never ends with an empty log while postings go on, and then the log would grow for
 * ever. Passive runs leave less and less; when little is left of much, a last run holds the writer
 * up for as long as that takes, and the writer then begins the log anew. So that this is seldom,
 * the log may grow to 64 MiB; and so that commits seldom wait for the disk behind a run, runs
 * beside a writer are written at a pace (sqlite_page.c). While a reader needs the log as it is,
 * nothing can begin anew, and the writer is not held up in vain. */
static enum err sqlite_checkpoint(struct store *store)
{
    struct sqlite_store *self = sqlite_of(store);
    int                  log = 0;
    int                  moved = 0;
    int                  rc = SQLITE_OK;
    enum page_pace       pace = self->mode == STORE_READ ? PACE_RESTS : PACE_NONE;

    TRY(snapshot_shed(self));
    /* A run moves what was in the log when it began, so the next one tells what has come since. */
    for (int i = 0; i < CHECKPOINT_RUNS_MAX && rc == SQLITE_OK; i++) {
        int before = log;

        rc = sqlite_page_pace(self->db, pace);
        if (rc == SQLITE_OK)
            rc = sqlite3_wal_checkpoint_v2(self->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &log, &moved);
        if (log <= CHECKPOINT_LOG_MAX || log - before < CHECKPOINT_REST_MAX)
            break;
        if (pace == PACE_RESTS && (log - before < CHECKPOINT_SMALL || log > CHECKPOINT_LOG_MUCH))
            pace = PACE_LOTS;
    }
    (void)sqlite_page_pace(self->db, PACE_NONE);
    if (rc == SQLITE_OK && log > CHECKPOINT_LOG_MAX && moved == log) {
        sqlite3_busy_handler(self->db, lock_wait, NULL);
        rc = sqlite3_wal_checkpoint_v2(self->db, NULL, SQLITE_CHECKPOINT_FULL, &log, &moved);
        sqlite3_busy_timeout(self->db, BUSY_TIMEOUT_MS);
    }
    if ((rc & 0xff) == SQLITE_BUSY) /* somebody else does it, or a reader needs the log */
        return ERR_none;
    return sqlite_err(rc);
}

static enum err backup_copy(struct sqlite_store *store, const char *path, struct fault *fault)
{
    struct sqlite3        *target = NULL;
    struct sqlite3_backup *backup;
    int rc = sqlite3_open_v2(path, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                             sqlite_page_vfs());

    if (rc == SQLITE_OK)
        rc = sqlite_page_same(store->db, target);
    if (rc == SQLITE_OK) {
        backup = sqlite3_backup_init(target, "main", store->db, "main");
        if (backup != NULL) {
            (void)sqlite3_backup_step(backup, -1);
            (void)sqlite3_backup_finish(backup);
        }
        rc = sqlite3_extended_errcode(target);
    }
    if (rc != SQLITE_OK)
        fault_set(fault, sqlite_err(rc), NULL, "%s: %s", path, sqlite3_errmsg(target));
    if (sqlite3_close(target) != SQLITE_OK && rc == SQLITE_OK)
        rc = SQLITE_IOERR;
    return sqlite_err(rc);
}

static enum err sqlite_backup(struct store *store, const char *path, struct fault *fault)
{
    struct sqlite_store *self = sqlite_of(store);
    bool                 begun;
    enum err             err;
    int                  fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return fault_set(fault, errno == EEXIST ? ERR_exists : ERR_io, NULL, "%s: %s", path,
                         strerror(errno));
    close(fd);
    err = sqlite_snapshot(self, &begun);
    if (err == ERR_none) {
        err = backup_copy(self, path, fault);
        sqlite_snapshot_over(self, begun);
    }
    if (err != ERR_none)
        unlink(path);
    return err;
}

static enum err sqlite_integrity(struct store *store, struct fault *fault)
{
    struct sqlite_store *self = sqlite_of(store);
    struct page_damage   damage = { .first = 0 };

    TRY(check_structure(self, "PRAGMA integrity_check(1)", fault));
    TRY(sqlite_fault(self, sqlite_page_damage(self->db, &damage), fault));
    if (damage.first == 0)
        return ERR_none;
    return fault_set(fault, ERR_storage_corrupt, NULL,
                     "Page %lld%s not as bankd wrote it: it was damaged, or changed by another "
                     "program",
                     (long long)damage.first, damage.others ? " and others are" : " is");
}

static enum err sqlite_health(struct store *store, struct store_health *out)
{
    struct sqlite_store *self = sqlite_of(store);
    int                  now = 0;
    int                  highest = 0;

    *out = (struct store_health){ .commits = self->commits, .log_pages = self->log_pages };
    if (sqlite3_db_status(self->db, SQLITE_DBSTATUS_CACHE_USED, &now, &highest, 0) == SQLITE_OK)
        out->page_cache_bytes = now;
    return pragma_get(self, "PRAGMA user_version", &out->schema_version, NULL);
}

const struct store_ops store_sqlite = {
    .version = 1,
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .apply = sqlite_apply,
    .numbers = sqlite_numbers,
    .checkpoint = sqlite_checkpoint,
    .backup = sqlite_backup,
    .user_by_email = sqlite_user_by_email,
    .user_by_number = sqlite_user_by_number,
    .customer_by_id = sqlite_customer_by_id,
    .customer_by_external = sqlite_customer_by_external,
    .customer_by_number = sqlite_customer_by_number,
    .book_by_id = sqlite_book_by_id,
    .book_by_number = sqlite_book_by_number,
    .account_by_number = sqlite_account_by_number,
    .account_name = sqlite_account_name,
    .account_by_external = sqlite_account_by_external,
    .account_of_bank = sqlite_account_of_bank,
    .party_by_key = sqlite_party_by_key,
    .party_by_number = sqlite_party_by_number,
    .transaction_by_id = sqlite_transaction_by_id,
    .transaction_by_sequence = sqlite_transaction_by_sequence,
    .alert_by_id = sqlite_alert_by_id,
    .alert_by_transaction = sqlite_alert_by_transaction,
    .alerted_until = sqlite_alerted_until,
    .label_by_transaction = sqlite_label_by_transaction,
    .audit_by_sequence = sqlite_audit_by_sequence,
    .record_by_id = sqlite_record_by_id,
    .record_by_number = sqlite_record_by_number,
    .rule_set_get = sqlite_rule_set_get,
    .rule_set_by_hash = sqlite_rule_set_by_hash,
    .profile_get = sqlite_profile_get,
    .users = sqlite_users,
    .customers = sqlite_customers,
    .accounts = sqlite_accounts,
    .parties = sqlite_parties,
    .transactions = sqlite_transactions,
    .held = sqlite_held,
    .alerts = sqlite_alerts,
    .alert_hits = sqlite_alert_hits,
    .audits = sqlite_audits,
    .records = sqlite_records,
    .rule_sets = sqlite_rule_sets,
    .rollups = sqlite_rollups,
    .days = sqlite_days,
    .top = sqlite_top,
    .labels = sqlite_labels,
    .signed_heads = sqlite_signed_heads,
    .snapshot_begin = sqlite_snapshot_begin,
    .snapshot_end = sqlite_snapshot_end,
    .health = sqlite_health,
    .changed = sqlite_changed,
    .integrity = sqlite_integrity,
};
