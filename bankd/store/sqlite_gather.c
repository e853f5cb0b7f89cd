/* Writes to the log are gathered, so that a commit is a few large ones; and its pages get check
 * bytes, which are compared when one is read (sqlite_frame.c, sqlite_page.c).
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
 * A commit that is taken back leaves what was kept of it, which is forgotten when the handle's turn
 * as the writer is over.
 *
 * The rule: nothing is kept when a call that looks at the file, or is told to the disk, goes on. */
#include <sqlite3.h>

#include "bankd/store/sqlite.h"

#include <stdlib.h>
#include <string.h>

/* The log's head and so many frames that it is not above the 131,071 bytes that SQLite's own file
 * takes in a call. */
enum { GATHER_BYTES = SQLITE_LOG_HEAD + 31 * SQLITE_FRAME_BYTES, SUMS_BYTES = 8 };

struct gather_file {
    sqlite3_file  base;
    sqlite3_file *main;  /* the file that this is the log of; NULL = of none that has check bytes */
    uint8_t      *bytes; /* GATHER_BYTES; NULL before the first write */
    int           n;
    sqlite3_int64 at;   /* of the first byte that is kept */
    int64_t       turn; /* as a writer, in which it is kept */
    struct frame_seal seal;
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

/* What was kept in an earlier turn belongs to a commit that was taken back: by now another writer
 * may have written there. */
static void forget(struct gather_file *self)
{
    if (self->main == NULL || self->turn == sqlite_page_turns(self->main))
        return;
    self->turn = sqlite_page_turns(self->main);
    self->n = 0;
    self->seal.in_row = false;
}

/* After an error nothing is kept: the commit has failed, and what comes next is written over it. */
static int flush(sqlite3_file *file)
{
    struct gather_file *self = gather_of(file);
    int                 n;

    forget(self);
    n = self->n;
    self->n = 0;
    if (n == 0)
        return SQLITE_OK;
    return sqlite_disk_write(real_of(file), self->bytes, n, self->at);
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

/* Where in its frame something lies. */
static sqlite3_int64 in_frame(sqlite3_int64 at)
{
    return at < SQLITE_LOG_HEAD ? -1 : (at - SQLITE_LOG_HEAD) % SQLITE_FRAME_BYTES;
}

static uint32_t number_of(const uint8_t *frame)
{
    return (uint32_t)frame[0] << 24 | (uint32_t)frame[1] << 16 | (uint32_t)frame[2] << 8 | frame[3];
}

static int gather_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    struct gather_file *self = gather_of(file);
    uint8_t             frame[SQLITE_FRAME_BYTES];
    int                 rc = flush(file);

    if (rc != SQLITE_OK)
        return rc;
    if (n != SQLITE_PAGE_BYTES || in_frame(at) != SQLITE_FRAME_HEAD || self->main == NULL ||
        !sqlite_page_sealed(self->main))
        return sqlite_read(real_of(file), out, n, at);
    rc = sqlite_read(real_of(file), frame, SQLITE_FRAME_BYTES, at - SQLITE_FRAME_HEAD);
    if (rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ)
        memcpy(out, frame + SQLITE_FRAME_HEAD, SQLITE_PAGE_BYTES);
    if (rc != SQLITE_OK || sqlite_page_fits(out, number_of(frame)))
        return rc;
    return sqlite_page_misfit(self->main, number_of(frame));
}

/* Bytes of the log, whether they are kept or written. */
static int look_back(sqlite3_file *file, uint8_t *out, int n, sqlite3_int64 at)
{
    struct gather_file *self = gather_of(file);

    if (self->n > 0 && at >= self->at && at + n <= self->at + self->n) {
        memcpy(out, self->bytes + (at - self->at), (size_t)n);
        return SQLITE_OK;
    }
    return sqlite_read(real_of(file), out, n, at);
}

/* A page has come behind its head, and both are the last that is kept. */
static int seal_frame(sqlite3_file *file)
{
    struct gather_file *self = gather_of(file);
    uint8_t            *frame = self->bytes + self->n - SQLITE_FRAME_BYTES;
    sqlite3_int64       at = self->at + self->n - SQLITE_FRAME_BYTES;
    uint8_t             head[SQLITE_LOG_HEAD];
    uint8_t             sums[SUMS_BYTES];
    int                 rc = SQLITE_OK;

    if (!sqlite_frame_has_sums(frame)) {
        self->seal.in_row = false;
        sqlite_page_stamp(frame + SQLITE_FRAME_HEAD, number_of(frame));
        return SQLITE_OK;
    }
    if (!self->seal.started) {
        rc = look_back(file, head, SQLITE_LOG_HEAD, 0);
        if (rc != SQLITE_OK)
            return rc;
        sqlite_frame_start(&self->seal, head);
    }
    if (sqlite_frame_goes_on(&self->seal, at)) {
        sqlite_frame_seal(&self->seal, frame, at, NULL);
        return SQLITE_OK;
    }
    /* The sums end the log's head, and the head of a frame, which has a page behind it. */
    rc = look_back(file, sums, SUMS_BYTES,
                   at - SUMS_BYTES - (at > SQLITE_LOG_HEAD ? SQLITE_PAGE_BYTES : 0));
    if (rc == SQLITE_OK)
        sqlite_frame_seal(&self->seal, frame, at, sums);
    return rc;
}

/* A page that is written over, in a frame that was written before, by a commit that goes on. */
static int write_page(sqlite3_file *file, const void *bytes, sqlite3_int64 at)
{
    struct gather_file *self = gather_of(file);
    uint8_t             page[SQLITE_PAGE_BYTES];
    uint8_t             head[SQLITE_FRAME_HEAD];
    int                 rc = flush(file);

    self->seal.in_row = false;
    if (rc == SQLITE_OK)
        rc = look_back(file, head, SQLITE_FRAME_HEAD, at - SQLITE_FRAME_HEAD);
    if (rc != SQLITE_OK)
        return rc;
    memcpy(page, bytes, SQLITE_PAGE_BYTES);
    sqlite_page_stamp(page, number_of(head));
    return sqlite_disk_write(real_of(file), page, SQLITE_PAGE_BYTES, at);
}

static int keep(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at, int room)
{
    struct gather_file *self = gather_of(file);
    int                 rc = SQLITE_OK;

    if (self->n > 0 && (at != self->at + self->n || room > GATHER_BYTES - self->n))
        rc = flush(file);
    if (rc != SQLITE_OK)
        return rc;
    if (self->n == 0)
        self->at = at;
    memcpy(self->bytes + self->n, bytes, (size_t)n);
    self->n += n;
    return SQLITE_OK;
}

/* Without memory for it nothing is gathered, and no page gets check bytes: it is not written. */
static int gather_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    struct gather_file *self = gather_of(file);
    bool                sealed = self->main != NULL && sqlite_page_checked(self->main);
    bool                head = n == SQLITE_FRAME_HEAD && in_frame(at) == 0;
    bool                page = n == SQLITE_PAGE_BYTES && in_frame(at) == SQLITE_FRAME_HEAD;
    int                 rc;

    forget(self);
    if (self->bytes == NULL)
        self->bytes = malloc(GATHER_BYTES);
    if (self->bytes == NULL && sealed)
        return SQLITE_IOERR_NOMEM;
    if (self->bytes == NULL || n > GATHER_BYTES) {
        rc = flush(file);
        return rc != SQLITE_OK ? rc : sqlite_disk_write(real_of(file), bytes, n, at);
    }
    if (at == 0) /* another log begins */
        self->seal.started = false;
    if (head) /* so that its page comes behind it */
        return keep(file, bytes, n, at, SQLITE_FRAME_BYTES);
    if (sealed && page && (self->n < SQLITE_FRAME_HEAD || self->at + self->n != at))
        return write_page(file, bytes, at);
    rc = keep(file, bytes, n, at, n);
    if (rc != SQLITE_OK || !sealed || !page)
        return rc;
    rc = seal_frame(file);
    if (rc != SQLITE_OK)
        self->n = 0;
    return rc;
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

int sqlite_gather_open(struct sqlite3_vfs *system, const char *name, struct sqlite3_file *main,
                       struct sqlite3_file *file, int flags, int *out_flags)
{
    int rc;

    memset(file, 0, (size_t)sqlite_gather_bytes(system));
    rc = system->xOpen(system, name, real_of(file), flags, out_flags);
    gather_of(file)->main = main;
    if (rc == SQLITE_OK)
        file->pMethods = &gather_methods;
    return rc;
}
