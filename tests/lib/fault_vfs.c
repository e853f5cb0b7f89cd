/* See fault_vfs.h. Files live in a fixed table; a slot without a name is free. Locks and shared
 * memory belong to the file's slot and not to the disk, as they end with the process. */
#include "tests/lib/fault_vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/unit/random.h"

enum {
    FILES_MAX = 12,
    NAME_MAX_BYTES = 256,
    SECTOR = 512,
    REGIONS_MAX = 64,
    FILE_BYTES_MAX = 256 * 1024 * 1024,
};

enum sector_state { SECTOR_SAFE = 0, SECTOR_WRITTEN = 1, SECTOR_FORGOTTEN = 2 };

struct content {
    char     name[NAME_MAX_BYTES]; /* empty = free */
    bool     there;                /* has a name in the directory now */
    bool     safely_there;         /* ... and after a cut */
    size_t   size, safe_size;
    size_t   capacity; /* of the arrays, a multiple of SECTOR */
    uint8_t *bytes;
    uint8_t *safe;
    uint8_t *sectors; /* enum sector_state of each */
};

struct fault_disk {
    struct content files[FILES_MAX];
};

struct open_file {
    sqlite3_file base;
    int          slot;
    bool         temporary;
    int          level; /* of the file lock */
    unsigned     shm_shared, shm_exclusive;
    bool         shm;
};

/* What processes share about an open file. */
struct share {
    int               opens;
    int               shared;
    struct open_file *reserved, *pending, *exclusive;
    int               shm_users;
    uint8_t          *regions[REGIONS_MAX];
    int               shm_shared[SQLITE_SHM_NLOCK];
    struct open_file *shm_exclusive[SQLITE_SHM_NLOCK];
};

static struct fault_disk   disk;
static struct share        shares[FILES_MAX];
static struct random       dice = { .state = 1 }; /* of SQLite's salts: the same in each run */
static sqlite3_mem_methods real_memory;

static struct {
    unsigned kinds;
    int64_t  first, last; /* calls that fail; 0 = none */
    int64_t  calls, fired;
    int64_t  limit, refusals;
    void (*before)(void *context);
    void *context;
    bool  writes;
} faults;

/* --- faults ---------------------------------------------------------------------------------- */

static bool strikes(enum fault_kind kind)
{
    if ((faults.kinds & kind) == 0)
        return false;
    faults.calls++;
    if (faults.calls < faults.first || faults.calls > faults.last)
        return false;
    faults.fired++;
    return true;
}

void fault_arm(unsigned kinds, int64_t n, int64_t more)
{
    faults.kinds = kinds;
    faults.first = n > 0 ? n : INT64_MAX;
    faults.last = n > 0 ? n + more : 0;
    faults.calls = 0;
    faults.fired = 0;
}

void fault_disarm(void)
{
    faults.kinds = 0;
}

int64_t fault_calls(void)
{
    return faults.calls;
}

int64_t fault_fired(void)
{
    return faults.fired;
}

void fault_disk_limit(int64_t bytes)
{
    faults.limit = bytes;
}

int64_t fault_disk_refusals(void)
{
    return faults.refusals;
}

void fault_watch(void (*before)(void *context), void *context, bool writes)
{
    faults.before = before;
    faults.context = context;
    faults.writes = writes;
}

/* --- the disk -------------------------------------------------------------------------------- */

int64_t fault_disk_size(void)
{
    int64_t sum = 0;

    for (size_t i = 0; i < FILES_MAX; i++)
        if (disk.files[i].there)
            sum += (int64_t)disk.files[i].size;
    return sum;
}

static void content_free(struct content *file)
{
    free(file->bytes);
    free(file->safe);
    free(file->sectors);
    memset(file, 0, sizeof *file);
}

/* Room for `size` bytes; what is beyond the file's size is always zero. */
static void content_reserve(struct content *file, size_t size)
{
    size_t capacity = file->capacity > 0 ? file->capacity : 64 * SECTOR;

    CHECK(size <= FILE_BYTES_MAX);
    while (capacity < size)
        capacity *= 2;
    if (capacity == file->capacity)
        return;
    file->bytes = realloc(file->bytes, capacity);
    file->safe = realloc(file->safe, capacity);
    file->sectors = realloc(file->sectors, capacity / SECTOR);
    CHECK(file->bytes != NULL && file->safe != NULL && file->sectors != NULL);
    memset(file->bytes + file->capacity, 0, capacity - file->capacity);
    memset(file->safe + file->capacity, 0, capacity - file->capacity);
    memset(file->sectors + file->capacity / SECTOR, 0, (capacity - file->capacity) / SECTOR);
    file->capacity = capacity;
}

static void content_resize(struct content *file, size_t size)
{
    content_reserve(file, size);
    for (size_t i = size; i < file->size; i++)
        file->bytes[i] = 0;
    for (size_t at = size / SECTOR; at * SECTOR < file->size; at++)
        file->sectors[at] = SECTOR_WRITTEN;
    file->size = size;
}

static void content_write(struct content *file, size_t at, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    if (at + n > file->size)
        content_resize(file, at + n);
    memcpy(file->bytes + at, bytes, n);
    memset(file->sectors + at / SECTOR, SECTOR_WRITTEN, (at + n - 1) / SECTOR - at / SECTOR + 1);
}

static void content_sync(struct content *file)
{
    for (size_t i = 0; i < file->capacity / SECTOR; i++) {
        if (file->sectors[i] != SECTOR_WRITTEN)
            continue;
        memcpy(file->safe + i * SECTOR, file->bytes + i * SECTOR, SECTOR);
        file->sectors[i] = SECTOR_SAFE;
    }
    file->safe_size = file->size;
    file->safely_there = file->there;
}

/* The first sync of a new file brings its directory along, as SQLite's own VFS has it. */
static void directory_sync(void)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        disk.files[i].safely_there = disk.files[i].there;
        if (disk.files[i].name[0] != '\0' && !disk.files[i].there && shares[i].opens == 0)
            content_free(&disk.files[i]);
    }
}

static void content_forget(struct content *file)
{
    for (size_t i = 0; i < file->capacity / SECTOR; i++)
        if (file->sectors[i] == SECTOR_WRITTEN)
            file->sectors[i] = SECTOR_FORGOTTEN;
}

static bool arrives(enum fault_cut cut, struct random *random)
{
    return cut == FAULT_CUT_KEEP || (cut == FAULT_CUT_TEAR && random_below(random, 2) == 0);
}

static void content_cut(const struct content *file, enum fault_cut cut, struct random *random,
                        struct content *out)
{
    bool   there = file->there;
    size_t size = file->size;

    if (file->there != file->safely_there && !arrives(cut, random))
        there = file->safely_there;
    if (!there)
        return;
    if (file->size != file->safe_size && !arrives(cut, random))
        size = file->safe_size;
    memcpy(out->name, file->name, sizeof out->name);
    out->there = true;
    out->safely_there = true;
    content_resize(out, size);
    for (size_t i = 0; i * SECTOR < size; i++) {
        bool   fresh = file->sectors[i] != SECTOR_SAFE && arrives(cut, random);
        size_t n = size - i * SECTOR < SECTOR ? size - i * SECTOR : SECTOR;

        memcpy(out->bytes + i * SECTOR, (fresh ? file->bytes : file->safe) + i * SECTOR, n);
        out->sectors[i] = SECTOR_WRITTEN;
    }
    content_sync(out);
}

struct fault_disk *fault_disk_cut(enum fault_cut cut, uint64_t seed)
{
    struct fault_disk *out = calloc(1, sizeof *out);
    struct random      random = { .state = seed };

    CHECK(out != NULL);
    for (size_t i = 0; i < FILES_MAX; i++)
        if (disk.files[i].name[0] != '\0')
            content_cut(&disk.files[i], cut, &random, &out->files[i]);
    return out;
}

void fault_disk_free(struct fault_disk **out)
{
    if (*out == NULL)
        return;
    for (size_t i = 0; i < FILES_MAX; i++)
        content_free(&(*out)->files[i]);
    free(*out);
    *out = NULL;
}

static bool content_same(const struct content *a, const struct content *b)
{
    return strcmp(a->name, b->name) == 0 && a->size == b->size &&
           (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

bool fault_disk_same(const struct fault_disk *a, const struct fault_disk *b)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        if (!content_same(&a->files[i], &b->files[i]))
            return false;
    return true;
}

void fault_disk_load(const struct fault_disk *from)
{
    struct random random = { .state = 0 };

    for (size_t i = 0; i < FILES_MAX; i++) {
        CHECK(shares[i].opens == 0);
        content_free(&disk.files[i]);
        if (from != NULL && from->files[i].there)
            content_cut(&from->files[i], FAULT_CUT_KEEP, &random, &disk.files[i]);
    }
    dice.state = 1;
    memset(&faults, 0, sizeof faults);
}

static int find(const char *name)
{
    for (int i = 0; i < FILES_MAX; i++)
        if (disk.files[i].there && strcmp(disk.files[i].name, name) == 0)
            return i;
    return -1;
}

/* A name that was deleted and is not gone safely keeps its old content for a cut. */
static int slot_for(const char *name)
{
    int empty = -1;

    for (int i = FILES_MAX - 1; i >= 0; i--) {
        if (strcmp(disk.files[i].name, name) == 0)
            return i;
        if (disk.files[i].name[0] == '\0')
            empty = i;
    }
    return empty;
}

static int make(const char *name)
{
    int slot = slot_for(name);

    CHECK(slot >= 0 && shares[slot].opens == 0);
    snprintf(disk.files[slot].name, sizeof disk.files[slot].name, "%s", name);
    disk.files[slot].there = true;
    content_resize(&disk.files[slot], 0);
    return slot;
}

uint8_t *fault_disk_bytes(const char *name, size_t *n)
{
    int slot = find(name);

    *n = slot < 0 ? 0 : disk.files[slot].size;
    return slot < 0 ? NULL : disk.files[slot].bytes;
}

/* --- a file's methods ------------------------------------------------------------------------ */

static struct open_file *of(sqlite3_file *file)
{
    return (struct open_file *)(void *)file;
}

static int file_unlock(sqlite3_file *base, int level);
static int shm_unmap(sqlite3_file *base, int delete);

static int file_close(sqlite3_file *base)
{
    struct open_file *file = of(base);

    file_unlock(base, SQLITE_LOCK_NONE);
    shm_unmap(base, 0);
    if (--shares[file->slot].opens == 0 && file->temporary)
        content_free(&disk.files[file->slot]);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *out, int n, sqlite3_int64 at)
{
    struct content *file = &disk.files[of(base)->slot];
    size_t          got = 0;

    if (strikes(FAULT_READ))
        return SQLITE_IOERR_READ;
    if ((size_t)at < file->size)
        got = file->size - (size_t)at < (size_t)n ? file->size - (size_t)at : (size_t)n;
    if (got > 0)
        memcpy(out, file->bytes + at, got);
    memset((char *)out + got, 0, (size_t)n - got);
    return got == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *bytes, int n, sqlite3_int64 at)
{
    struct content *file = &disk.files[of(base)->slot];
    int64_t         more = at + n - (int64_t)file->size;

    if (faults.before != NULL && faults.writes)
        faults.before(faults.context);
    if (strikes(FAULT_WRITE)) {
        size_t half = ((size_t)at + (size_t)n / 2) / SECTOR * SECTOR; /* whole sectors */

        if (half > (size_t)at)
            content_write(file, (size_t)at, bytes, half - (size_t)at);
        return SQLITE_IOERR_WRITE;
    }
    if (faults.limit > 0 && more > 0 && fault_disk_size() + more > faults.limit) {
        int64_t left = faults.limit - fault_disk_size();

        faults.refusals++; /* what fits is written, as a real disk does */
        if (left > 0 && at + n - more + left > at)
            content_write(file, (size_t)at, bytes, (size_t)(n - more + left));
        return SQLITE_FULL;
    }
    content_write(file, (size_t)at, bytes, (size_t)n);
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    if (strikes(FAULT_TRUNCATE))
        return SQLITE_IOERR_TRUNCATE;
    content_resize(&disk.files[of(base)->slot], (size_t)size);
    return SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct content *file = &disk.files[of(base)->slot];

    (void)flags;
    if (faults.before != NULL)
        faults.before(faults.context);
    if (strikes(FAULT_SYNC)) {
        content_forget(file);
        return SQLITE_IOERR_FSYNC;
    }
    if (!file->safely_there)
        directory_sync();
    content_sync(file);
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *out)
{
    if (strikes(FAULT_OTHER))
        return SQLITE_IOERR_FSTAT;
    *out = (sqlite3_int64)disk.files[of(base)->slot].size;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
    struct open_file *file = of(base);
    struct share     *share = &shares[file->slot];

    if (file->level >= level)
        return SQLITE_OK;
    if (level == SQLITE_LOCK_SHARED) {
        if (share->pending != NULL || share->exclusive != NULL)
            return SQLITE_BUSY;
        share->shared++;
    } else {
        if (share->reserved != NULL && share->reserved != file)
            return SQLITE_BUSY;
        share->reserved = file;
        if (level == SQLITE_LOCK_EXCLUSIVE) {
            share->pending = file;
            if (share->shared > 1) {
                file->level = SQLITE_LOCK_PENDING;
                return SQLITE_BUSY;
            }
            share->exclusive = file;
        }
    }
    file->level = level;
    return SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int level)
{
    struct open_file *file = of(base);
    struct share     *share = &shares[file->slot];

    if (file->level <= level)
        return SQLITE_OK;
    if (share->reserved == file)
        share->reserved = NULL;
    if (share->pending == file)
        share->pending = NULL;
    if (share->exclusive == file)
        share->exclusive = NULL;
    if (level == SQLITE_LOCK_NONE)
        share->shared--;
    file->level = level;
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *base, int *out)
{
    *out = shares[of(base)->slot].reserved != NULL;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *argument)
{
    (void)base;
    (void)op;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *base)
{
    (void)base;
    return SECTOR;
}

static int file_character(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* as SQLite takes every disk to be */
}

/* --- memory shared between handles ----------------------------------------------------------- */

static int shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
    struct open_file *file = of(base);
    struct share     *share = &shares[file->slot];

    *out = NULL;
    if (strikes(FAULT_OTHER))
        return SQLITE_IOERR_SHMMAP;
    CHECK(region < REGIONS_MAX);
    if (!file->shm)
        share->shm_users++;
    file->shm = true;
    if (share->regions[region] == NULL && extend != 0)
        share->regions[region] = calloc(1, (size_t)size);
    *out = share->regions[region];
    return SQLITE_OK;
}

static void shm_release(struct open_file *file, int lock)
{
    struct share *share = &shares[file->slot];
    unsigned      bit = 1u << lock;

    if ((file->shm_shared & bit) != 0)
        share->shm_shared[lock]--;
    if ((file->shm_exclusive & bit) != 0)
        share->shm_exclusive[lock] = NULL;
    file->shm_shared &= ~bit;
    file->shm_exclusive &= ~bit;
}

static int shm_lock(sqlite3_file *base, int at, int n, int flags)
{
    struct open_file *file = of(base);
    struct share     *share = &shares[file->slot];
    bool              exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;

    for (int i = at; i < at + n; i++) {
        if ((flags & SQLITE_SHM_UNLOCK) != 0) {
            shm_release(file, i);
            continue;
        }
        bool mine = (file->shm_shared >> i & 1) != 0;

        if (share->shm_exclusive[i] != NULL && share->shm_exclusive[i] != file)
            return SQLITE_BUSY;
        if (exclusive && share->shm_shared[i] > (mine ? 1 : 0))
            return SQLITE_BUSY;
    }
    for (int i = at; i < at + n && (flags & SQLITE_SHM_LOCK) != 0; i++) {
        unsigned bit = 1u << i;

        if (exclusive)
            share->shm_exclusive[i] = file;
        else if ((file->shm_shared & bit) == 0)
            share->shm_shared[i]++;
        *(exclusive ? &file->shm_exclusive : &file->shm_shared) |= bit;
    }
    return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *base)
{
    (void)base;
}

static int shm_unmap(sqlite3_file *base, int delete)
{
    struct open_file *file = of(base);
    struct share     *share = &shares[file->slot];

    (void)delete;
    if (!file->shm)
        return SQLITE_OK;
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++)
        shm_release(file, i);
    file->shm = false;
    if (--share->shm_users > 0)
        return SQLITE_OK;
    for (int i = 0; i < REGIONS_MAX; i++) {
        free(share->regions[i]);
        share->regions[i] = NULL;
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_character,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* --- the file system ------------------------------------------------------------------------- */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags,
                    int *out_flags)
{
    static int        temporaries;
    struct open_file *file = of(base);
    char              made[32];

    (void)vfs;
    memset(file, 0, sizeof *file);
    if (strikes(FAULT_OPEN))
        return SQLITE_CANTOPEN;
    if (name == NULL) {
        snprintf(made, sizeof made, "temporary %d", temporaries++);
        name = made;
        file->temporary = true;
    }
    file->slot = find(name);
    /* The database itself is made by the store before SQLite opens it. */
    if (file->slot < 0 && (flags & (SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB)) == 0)
        return SQLITE_CANTOPEN;
    if (file->slot < 0)
        file->slot = make(name);
    shares[file->slot].opens++;
    file->base.pMethods = &methods;
    if (out_flags != NULL)
        *out_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
    int slot = find(name);

    (void)vfs;
    if (strikes(FAULT_OTHER))
        return SQLITE_IOERR_DELETE;
    if (slot < 0)
        return SQLITE_IOERR_DELETE_NOENT;
    disk.files[slot].there = false;
    if (sync_directory != 0)
        disk.files[slot].safely_there = false;
    if (!disk.files[slot].safely_there && shares[slot].opens == 0)
        content_free(&disk.files[slot]);
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    (void)flags;
    if (strikes(FAULT_OTHER))
        return SQLITE_IOERR_ACCESS;
    *out = find(name) >= 0;
    return SQLITE_OK;
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
    (void)vfs;
    snprintf(out, (size_t)n, "%s", name);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs;
    for (int i = 0; i < n; i++)
        out[i] = (char)random_next(&dice);
    return n;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us; /* there is nobody to wait for in one thread */
}

static int vfs_now(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    (void)vfs;
    *out = INT64_C(212000000000000);
    return SQLITE_OK;
}

static sqlite3_vfs fault_vfs = {
    .iVersion = 2,
    .szOsFile = sizeof(struct open_file),
    .mxPathname = NAME_MAX_BYTES - 16,
    .zName = "fault",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_name,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTimeInt64 = vfs_now,
};

/* --- memory ---------------------------------------------------------------------------------- */

static void *memory_take(int n)
{
    return strikes(FAULT_MEMORY) ? NULL : real_memory.xMalloc(n);
}

static void *memory_again(void *at, int n)
{
    return strikes(FAULT_MEMORY) ? NULL : real_memory.xRealloc(at, n);
}

void *fault_malloc(size_t n)
{
    return strikes(FAULT_OWN_MEMORY) ? NULL : malloc(n);
}

void *fault_calloc(size_t n, size_t size)
{
    return strikes(FAULT_OWN_MEMORY) ? NULL : calloc(n, size);
}

void *fault_realloc(void *at, size_t n)
{
    return strikes(FAULT_OWN_MEMORY) ? NULL : realloc(at, n);
}

void *fault_aligned_alloc(size_t alignment, size_t n)
{
    return strikes(FAULT_OWN_MEMORY) ? NULL : aligned_alloc(alignment, n);
}

void fault_vfs_register(void)
{
    sqlite3_mem_methods memory;

    CHECK(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory) == SQLITE_OK);
    memory = real_memory;
    memory.xMalloc = memory_take;
    memory.xRealloc = memory_again;
    CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) == SQLITE_OK);
    CHECK(sqlite3_vfs_register(&fault_vfs, 1) == SQLITE_OK);
}
