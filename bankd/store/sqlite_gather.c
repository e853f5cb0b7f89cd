/* Writes to the log are gathered, so that a commit is a few large ones.
 *
 * SQLite writes each page of a commit in two parts, one behind the other: with 100,000 accounts a
 * group of 500 posts was 2,200 calls of the system, an eighth of the writer's time. Here what goes
 * on where the last write ended is kept, and written when something else is asked for, when the
 * buffer is full, and before each sync.
 *
 * That is early enough: with synchronous=FULL a commit ends with a sync, and only after that does
 * SQLite tell other handles, in the log's index, that there is more to read. An error of a late
 * write comes out of the sync that it came before, under its own name, and the order of the bytes
 * is kept: whatever part was written, the mark at a group's end was not, as it would be without.
 *
 * The rule: nothing is kept when a call that looks at the file, or is told to the disk, goes on. */
#include <sqlite3.h>

#include "bankd/store/sqlite.h"

#include <stdlib.h>
#include <string.h>

/* A page and its head, so often that it is not above the 131,071 bytes that SQLite's own file takes
 * in a call. */
enum { GATHER_BYTES = 31 * (4096 + 24) };

struct gather_file {
    sqlite3_file  base;
    char         *bytes; /* GATHER_BYTES; NULL before the first write */
    int           n;
    sqlite3_int64 at; /* of the first byte that is kept */
    /* The system's own file follows. */
};

static struct gather_file *gather_of(sqlite3_file *file)
{
    return (struct gather_file *)(void *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)(gather_of(file) + 1);
}

/* After an error nothing is kept: the commit has failed, and what comes next is written over it. */
static int flush(sqlite3_file *file)
{
    struct gather_file *self = gather_of(file);
    int                 n = self->n;

    self->n = 0;
    if (n == 0)
        return SQLITE_OK;
    return real_of(file)->pMethods->xWrite(real_of(file), self->bytes, n, self->at);
}

static int gather_close(sqlite3_file *file)
{
    struct gather_file *self = gather_of(file);
    int                 rc = flush(file);
    int                 closed = real_of(file)->pMethods->xClose(real_of(file));

    free(self->bytes);
    self->bytes = NULL;
    return rc != SQLITE_OK ? rc : closed;
}

static int gather_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    int rc = flush(file);

    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xRead(real_of(file), out, n, at);
}

/* Without memory for it nothing is gathered. */
static int gather_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    struct gather_file *self = gather_of(file);
    int                 rc = SQLITE_OK;

    if (self->bytes == NULL)
        self->bytes = malloc(GATHER_BYTES);
    if (self->n > 0 && (at != self->at + self->n || n > GATHER_BYTES - self->n))
        rc = flush(file);
    if (rc != SQLITE_OK)
        return rc;
    if (self->bytes == NULL || n > GATHER_BYTES)
        return real_of(file)->pMethods->xWrite(real_of(file), bytes, n, at);
    if (self->n == 0)
        self->at = at;
    memcpy(self->bytes + self->n, bytes, (size_t)n);
    self->n += n;
    return SQLITE_OK;
}

static int gather_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = flush(file);

    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int gather_sync(sqlite3_file *file, int flags)
{
    int rc = flush(file);

    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int gather_size(sqlite3_file *file, sqlite3_int64 *out)
{
    int rc = flush(file);

    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xFileSize(real_of(file), out);
}

static int gather_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int gather_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int gather_reserved(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int gather_control(sqlite3_file *file, int op, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int gather_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int gather_character(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static const sqlite3_io_methods gather_methods = {
    .iVersion = 1, /* a log is neither shared nor mapped */
    .xClose = gather_close,
    .xRead = gather_read,
    .xWrite = gather_write,
    .xTruncate = gather_truncate,
    .xSync = gather_sync,
    .xFileSize = gather_size,
    .xLock = gather_lock,
    .xUnlock = gather_unlock,
    .xCheckReservedLock = gather_reserved,
    .xFileControl = gather_control,
    .xSectorSize = gather_sector,
    .xDeviceCharacteristics = gather_character,
};

int sqlite_gather_bytes(const struct sqlite3_vfs *system)
{
    return (int)sizeof(struct gather_file) + system->szOsFile;
}

int sqlite_gather_open(struct sqlite3_vfs *system, const char *name, struct sqlite3_file *file,
                       int flags, int *out_flags)
{
    int rc;

    memset(file, 0, (size_t)sqlite_gather_bytes(system));
    rc = system->xOpen(system, name, real_of(file), flags, out_flags);
    if (rc == SQLITE_OK)
        file->pMethods = &gather_methods;
    return rc;
}
