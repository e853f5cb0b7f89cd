/* Check bytes on every page of the database file, so that a page that is not what was written is
 * an error the moment it is read, and never an answer.
 *
 * A thin VFS over the system's own: the last 8 bytes of each page (SQLite keeps them free for
 * this) hold a sum over the page and its place in the file, made when the page is written, to the
 * file or to its log (sqlite_gather.c, sqlite_frame.c), and compared when it is read whole. A page
 * of zeros is let through: a free page may never have been written, and SQLite itself knows that no
 * page in use looks like that.
 *
 * Logs have check bytes since schema version 4. A file of an earlier version may have a log without
 * them, so what is read from a log is compared only when the first page of the file itself says
 * that version; a file gets it when all of such a log has been moved into it (sqlite.c).
 *
 * A handle may be told to write at a measured pace: a sync after each PACE_PAGES pages, and then a
 * rest of twice the time that it took. A checkpoint writes thousands of pages, and a commit whose
 * sync of the log comes behind their sync waits for all of them, ten times as long as for itself.
 *
 * The first page says whether a file has check bytes. One that does not was not made by this
 * store and is read as it is; one that has them and denies it is damaged. Changing the file with
 * other tools breaks the sums, which is as it should be. */
#include <sqlite3.h>

#include "bankd/store/sqlite.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "common/check.h"
#include "common/clock.h"

enum {
    PAGE_BYTES = SQLITE_PAGE_BYTES,
    CHECK_BYTES = 8,
    CHECK_AT = PAGE_BYTES - CHECK_BYTES,
    RESERVED_AT = 20, /* in the first page: how many bytes of each page are kept free */
    VERSION_AT = 60,  /* of the schema, big-endian */
    SEALED_VERSION = 4,
    WRITE_LOCK = 0, /* of the locks that handles share */
    LANES = 4,
    WORDS = CHECK_AT / 8,
    PACE_PAGES = 256,
    PACE_REST_MAX_US = 20 * 1000,
    GET_CHECKED = 0x42414e00, /* of xFileControl; SQLite leaves numbers above 100 to others */
    SET_CHECKED,
    SET_EXAMINED,
    SET_PACE,
    GET_DAMAGE,
    GET_SEALED,
};

static const char vfs_name[] = "bank";

struct page_file {
    sqlite3_file       base;
    bool               checked;
    bool               sealed;
    int64_t            turns; /* how often it has taken or left the place of the writer */
    struct page_damage damage;
    enum page_pace     pace;
    int                unsynced; /* pages since the last sync, at a pace */
    /* The system's own file follows. */
};

static sqlite3_vfs *system_vfs;
static sqlite3_vfs  page_vfs;

static struct page_file *page_of(sqlite3_file *file)
{
    return (struct page_file *)(void *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)(page_of(file) + 1);
}

/* --- the sum ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return sum << 29 | sum >> 35;
}

/* Four sums side by side, as one alone would wait for each multiplication. */
static uint64_t page_sum(const uint8_t *page, sqlite3_int64 at)
{
    uint64_t a = 1;
    uint64_t b = 2;
    uint64_t c = 3;
    uint64_t d = (uint64_t)at;
    uint64_t words[LANES];
    size_t   i = 0;

    for (; i + LANES <= WORDS; i += LANES) {
        memcpy(words, page + i * 8, sizeof words);
        a = mix(a, words[0]);
        b = mix(b, words[1]);
        c = mix(c, words[2]);
        d = mix(d, words[3]);
    }
    for (; i < WORDS; i++) {
        memcpy(words, page + i * 8, sizeof words[0]);
        a = mix(a, words[0]);
    }
    return mix(mix(mix(mix(a, b), c), d), WORDS);
}

static bool sum_holds(const uint8_t *page, sqlite3_int64 at)
{
    uint64_t sum = page_sum(page, at);

    return memcmp(page + CHECK_AT, &sum, CHECK_BYTES) == 0;
}

static bool is_blank(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE_BYTES - 1) == 0;
}

void sqlite_page_stamp(uint8_t *page, uint32_t number)
{
    uint64_t sum = page_sum(page, ((sqlite3_int64)number - 1) * PAGE_BYTES);

    memcpy(page + CHECK_AT, &sum, CHECK_BYTES);
}

bool sqlite_page_fits(const uint8_t *page, uint32_t number)
{
    return sum_holds(page, ((sqlite3_int64)number - 1) * PAGE_BYTES) || is_blank(page);
}

/* What the head of the file says, whenever it is read or written. */
static void page_learn(struct page_file *self, const uint8_t *page, int n, sqlite3_int64 at)
{
    if (at == 0 && n > RESERVED_AT)
        self->checked = page[RESERVED_AT] == CHECK_BYTES;
    if (at == 0 && n >= VERSION_AT + 4)
        self->sealed = page[VERSION_AT] < 0x80 &&
                       (page[VERSION_AT] != 0 || page[VERSION_AT + 1] != 0 ||
                        page[VERSION_AT + 2] != 0 || page[VERSION_AT + 3] >= SEALED_VERSION);
}

/* What a page that does not fit leads to: an error, or for a proof a note. */
static int misfit(struct page_file *self, sqlite3_int64 at)
{
    if (!self->damage.examined)
        return SQLITE_IOERR_DATA;
    if (self->damage.first == 0)
        self->damage.first = at / PAGE_BYTES + 1;
    self->damage.others = self->damage.others || self->damage.first != at / PAGE_BYTES + 1;
    return SQLITE_OK;
}

/* --- a file's methods ------------------------------------------------------------------------- */

static int page_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int page_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    struct page_file *self = page_of(file);
    const uint8_t    *page = out;
    int               rc = sqlite_read(real_of(file), out, n, at);

    if (rc != SQLITE_OK)
        return rc;
    page_learn(self, page, n, at);
    if (n != PAGE_BYTES || at % PAGE_BYTES != 0)
        return SQLITE_OK;
    if (!self->checked) { /* the first page's sum was made over the byte that says so */
        uint8_t first[PAGE_BYTES];

        if (at != 0)
            return SQLITE_OK;
        memcpy(first, page, PAGE_BYTES);
        first[RESERVED_AT] = CHECK_BYTES;
        return sum_holds(first, at) ? misfit(self, at) : SQLITE_OK;
    }
    return sum_holds(page, at) || is_blank(page) ? SQLITE_OK : misfit(self, at);
}

/* The end of a lot. */
static int page_rest(sqlite3_file *file)
{
    struct page_file *self = page_of(file);
    struct clock     *clock = clock_system();
    int64_t           began_us = clock->monotonic_us(clock);
    int64_t           rest_us;
    int               rc;

    self->unsynced = 0;
    rc = real_of(file)->pMethods->xSync(real_of(file), SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    if (rc != SQLITE_OK || self->pace != PACE_RESTS)
        return rc;
    rest_us = 2 * (clock->monotonic_us(clock) - began_us);
    if (rest_us > PACE_REST_MAX_US)
        rest_us = PACE_REST_MAX_US;
    nanosleep(&(struct timespec){ .tv_nsec = (long)rest_us * 1000 }, NULL);
    return rc;
}

int sqlite_disk_write(sqlite3_file *file, const void *bytes, int n, long long at)
{
    int rc;

    errno = 0;
    rc = file->pMethods->xWrite(file, bytes, n, at);
    return rc == SQLITE_IOERR_WRITE && err_no_room(errno) ? SQLITE_FULL : rc;
}

static int page_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    struct page_file *self = page_of(file);
    uint8_t           page[PAGE_BYTES];
    uint64_t          sum;
    int               rc;

    page_learn(self, bytes, n, at);
    if (!self->checked || n != PAGE_BYTES || at % PAGE_BYTES != 0)
        return sqlite_disk_write(real_of(file), bytes, n, at);
    memcpy(page, bytes, PAGE_BYTES);
    sum = page_sum(page, at);
    memcpy(page + CHECK_AT, &sum, CHECK_BYTES);
    rc = sqlite_disk_write(real_of(file), page, n, at);
    if (rc == SQLITE_OK && self->pace != PACE_NONE && ++self->unsynced >= PACE_PAGES)
        rc = page_rest(file);
    return rc;
}

static int page_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int page_sync(sqlite3_file *file, int flags)
{
    return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int page_size(sqlite3_file *file, sqlite3_int64 *out)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), out);
}

static int page_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int page_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int page_reserved(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int page_control(sqlite3_file *file, int op, void *argument)
{
    bool *checked = argument; /* or what else the operation is about */

    if (op == SET_CHECKED)
        page_of(file)->checked = *checked;
    if (op == GET_CHECKED)
        *checked = page_of(file)->checked;
    if (op == SET_EXAMINED)
        page_of(file)->damage.examined = true;
    if (op == SET_PACE)
        page_of(file)->pace = *(const enum page_pace *)argument;
    if (op == GET_DAMAGE)
        *(struct page_damage *)argument = page_of(file)->damage;
    if (op == GET_SEALED)
        *checked = page_of(file)->sealed;
    if (op >= GET_CHECKED && op <= GET_SEALED)
        return SQLITE_OK;
    return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int page_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int page_character(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int page_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), region, size, extend, out);
}

static int page_shm_lock(sqlite3_file *file, int at, int n, int flags)
{
    if (at == WRITE_LOCK && (flags & SQLITE_SHM_EXCLUSIVE) != 0)
        page_of(file)->turns++;
    return real_of(file)->pMethods->xShmLock(real_of(file), at, n, flags);
}

static void page_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int page_shm_unmap(sqlite3_file *file, int delete)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), delete);
}

static const sqlite3_io_methods page_methods = {
    .iVersion = 2, /* without mapping into memory, where nothing could be compared */
    .xClose = page_close,
    .xRead = page_read,
    .xWrite = page_write,
    .xTruncate = page_truncate,
    .xSync = page_sync,
    .xFileSize = page_size,
    .xLock = page_lock,
    .xUnlock = page_unlock,
    .xCheckReservedLock = page_reserved,
    .xFileControl = page_control,
    .xSectorSize = page_sector,
    .xDeviceCharacteristics = page_character,
    .xShmMap = page_shm_map,
    .xShmLock = page_shm_lock,
    .xShmBarrier = page_shm_barrier,
    .xShmUnmap = page_shm_unmap,
};

static int page_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *out_flags)
{
    int rc;

    (void)vfs;
    if ((flags & SQLITE_OPEN_WAL) != 0)
        return sqlite_gather_open(system_vfs, name, sqlite3_database_file_object(name), file, flags,
                                  out_flags);
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0) /* journal: as the system has it */
        return system_vfs->xOpen(system_vfs, name, file, flags, out_flags);
    memset(file, 0, sizeof(struct page_file));
    memset(real_of(file), 0, (size_t)system_vfs->szOsFile);
    rc = system_vfs->xOpen(system_vfs, name, real_of(file), flags, out_flags);
    if (rc == SQLITE_OK)
        file->pMethods = &page_methods;
    return rc;
}

/* SQLite counts the memory that it takes, under a lock: that was 25 locks a post, as Debian builds
 * it without its own small blocks, for figures that nobody asks for. Where somebody has started
 * SQLite before, a test, it goes on counting. */
static void page_register(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    system_vfs = sqlite3_vfs_find(NULL);
    CHECK(system_vfs != NULL);
    page_vfs = *system_vfs;
    page_vfs.pNext = NULL;
    page_vfs.zName = vfs_name;
    page_vfs.szOsFile = (int)sizeof(struct page_file) + system_vfs->szOsFile;
    if (page_vfs.szOsFile < sqlite_gather_bytes(system_vfs))
        page_vfs.szOsFile = sqlite_gather_bytes(system_vfs);
    page_vfs.xOpen = page_open;
    CHECK(sqlite3_vfs_register(&page_vfs, 0) == SQLITE_OK);
}

const char *sqlite_page_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, page_register);
    return vfs_name;
}

int sqlite_page_prepare(struct sqlite3 *db)
{
    int bytes = CHECK_BYTES;

    return sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);
}

int sqlite_page_examine(struct sqlite3 *db)
{
    return sqlite3_file_control(db, "main", SET_EXAMINED, NULL);
}

bool sqlite_page_checked(struct sqlite3_file *main)
{
    return page_of(main)->checked;
}

bool sqlite_page_sealed(struct sqlite3_file *main)
{
    return page_of(main)->checked && page_of(main)->sealed;
}

int64_t sqlite_page_turns(struct sqlite3_file *main)
{
    return page_of(main)->turns;
}

int sqlite_read(sqlite3_file *file, void *out, int n, int64_t at)
{
    int rc = file->pMethods->xRead(file, out, n, at);

    return rc == SQLITE_IOERR_CORRUPTFS ? SQLITE_IOERR_READ : rc;
}

int sqlite_page_misfit(struct sqlite3_file *main, uint32_t number)
{
    return misfit(page_of(main), ((sqlite3_int64)number - 1) * PAGE_BYTES);
}

int sqlite_page_is_sealed(struct sqlite3 *db, bool *sealed)
{
    return sqlite3_file_control(db, "main", GET_SEALED, sealed);
}

int sqlite_page_pace(struct sqlite3 *db, enum page_pace pace)
{
    return sqlite3_file_control(db, "main", SET_PACE, &pace);
}

int sqlite_page_damage(struct sqlite3 *db, struct page_damage *out)
{
    return sqlite3_file_control(db, "main", GET_DAMAGE, out);
}

int sqlite_page_same(struct sqlite3 *source, struct sqlite3 *target)
{
    bool checked = false;
    int  rc = sqlite3_file_control(source, "main", GET_CHECKED, &checked);

    return rc == SQLITE_OK ? sqlite3_file_control(target, "main", SET_CHECKED, &checked) : rc;
}
