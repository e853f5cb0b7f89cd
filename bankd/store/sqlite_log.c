/* Looks at the log before SQLite does, because SQLite's answer to a damaged log is silence.
 *
 * Each frame of the log carries a sum that goes on from the frame before. Reading the log after a
 * crash, SQLite takes what lies before the first wrong sum and drops the rest, as behind it there
 * should only be a commit that was cut off. But when a frame in the middle is damaged, the rest is
 * commits that clients were told of.
 *
 * The two can be told apart. A frame behind a commit's mark was written only after that commit had
 * reached the disk. So where a frame holds that goes on from one with a mark, and the first frame
 * that does not hold lies before it, something that had reached the disk is gone. The sums stored
 * in the frames are enough to see that, even over the gap. Damage within the very last commit (or
 * in the header of the frame before it) looks like a commit cut off, and nobody can know better:
 * what remains of earlier tries behind the end may look the same.
 *
 * A commit that was cut off may also have arrived in another order than it was written, over the
 * frames of an older log, and the end of a sector may lie within a frame's header. So a mark counts
 * only beside the salts of this log, and where a sector ends between the two, only in a frame that
 * holds. */
#include <sqlite3.h>

#include "bankd/store/sqlite.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOG_HEADER = 32,
    FRAME_HEADER = 24,
    PAGE_BYTES = 4096,
    FRAME_BYTES = FRAME_HEADER + PAGE_BYTES,
    SECTOR_BYTES = 512,     /* the smallest that disks write at once */
    SALTS_AT = 8,           /* in the header of a frame */
    LOG_MAGIC = 0x377f0682, /* the lowest bit: sums are over big-endian words */
    LOG_VERSION = 3007000,
};

struct sums {
    uint32_t a, b;
};

struct log_walk {
    sqlite3_file *file;
    sqlite3_int64 size;
    uint8_t       header[LOG_HEADER];
    bool          big_endian;
    uint8_t       frame[FRAME_BYTES];
    sqlite3_int64 first_bad; /* frame, from 1; 0 = none yet */
    bool          damaged;
};

static uint32_t big(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t word(const struct log_walk *walk, const uint8_t *at)
{
    return walk->big_endian ? big(at) : __builtin_bswap32(big(at));
}

static void sums_add(const struct log_walk *walk, const uint8_t *bytes, size_t n, struct sums *sums)
{
    for (size_t i = 0; i < n; i += 8) {
        sums->a += word(walk, bytes + i) + sums->b;
        sums->b += word(walk, bytes + i + 4) + sums->a;
    }
}

static bool header_holds(struct log_walk *walk, struct sums *sums)
{
    const uint8_t *header = walk->header;

    walk->big_endian = (big(header) & 1) != 0;
    *sums = (struct sums){ 0, 0 };
    sums_add(walk, header, 24, sums);
    return (big(header) & ~1u) == LOG_MAGIC && big(header + 4) == LOG_VERSION &&
           big(header + 8) == PAGE_BYTES && big(header + 24) == sums->a &&
           big(header + 28) == sums->b;
}

static bool is_of_this_log(const struct log_walk *walk)
{
    return memcmp(walk->frame + SALTS_AT, walk->header + 16, 8) == 0;
}

static bool frame_holds(const struct log_walk *walk, struct sums sums)
{
    const uint8_t *frame = walk->frame;

    sums_add(walk, frame, 8, &sums);
    sums_add(walk, frame + FRAME_HEADER, PAGE_BYTES, &sums);
    return is_of_this_log(walk) && big(frame + 16) == sums.a && big(frame + 20) == sums.b;
}

/* Whether the frame ends a commit of this log. */
static bool frame_has_mark(const struct log_walk *walk, sqlite3_int64 at, bool holds)
{
    bool split = (at + SALTS_AT) % SECTOR_BYTES == 0;

    return big(walk->frame + 4) != 0 && is_of_this_log(walk) && (holds || !split);
}

static int read_at(struct log_walk *walk, void *out, int n, sqlite3_int64 at)
{
    return sqlite_read(walk->file, out, n, at);
}

static int walk_log(struct log_walk *walk)
{
    sqlite3_int64 frames = (walk->size - LOG_HEADER) / FRAME_BYTES;
    struct sums   sums;
    bool          mark = false; /* the frame before ends a commit */
    int           rc;

    if (walk->size <= LOG_HEADER)
        return SQLITE_OK;
    rc = read_at(walk, walk->header, LOG_HEADER, 0);
    if (rc != SQLITE_OK)
        return rc;
    if (!header_holds(walk, &sums)) { /* it is synced before the first frame is written */
        walk->damaged = true;
        return SQLITE_OK;
    }
    for (sqlite3_int64 i = 1; i <= frames && !walk->damaged; i++) {
        sqlite3_int64 at = LOG_HEADER + (i - 1) * FRAME_BYTES;
        bool          holds;

        rc = read_at(walk, walk->frame, FRAME_BYTES, at);
        if (rc != SQLITE_OK)
            return rc;
        holds = frame_holds(walk, sums);
        walk->damaged = holds && mark && walk->first_bad != 0;
        if (!holds && walk->first_bad == 0)
            walk->first_bad = i;
        mark = frame_has_mark(walk, at, holds);
        sums = (struct sums){ big(walk->frame + 16), big(walk->frame + 20) };
    }
    return SQLITE_OK;
}

/* The log through the VFS that SQLite itself will read it with; *size is 0 when there is none. */
static int open_log(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, sqlite3_int64 *size)
{
    int there = 0;
    int rc = vfs->xAccess(vfs, name, SQLITE_ACCESS_EXISTS, &there);

    *size = 0;
    if (rc != SQLITE_OK || there == 0)
        return rc;
    rc = vfs->xOpen(vfs, name, file, SQLITE_OPEN_READONLY | SQLITE_OPEN_WAL, NULL);
    return rc == SQLITE_OK ? file->pMethods->xFileSize(file, size) : rc;
}

enum err sqlite_log_check(const char *name, struct fault *fault)
{
    sqlite3_vfs     *vfs = sqlite3_vfs_find(NULL);
    struct log_walk *walk = calloc(1, sizeof *walk);
    enum err         err = ERR_memory;
    int              rc;

    if (walk != NULL && vfs != NULL)
        walk->file = calloc(1, (size_t)vfs->szOsFile);
    if (walk != NULL && walk->file != NULL) {
        rc = open_log(vfs, name, walk->file, &walk->size);
        if (rc == SQLITE_OK)
            rc = walk_log(walk);
        err = sqlite_err(rc);
        if (err != ERR_none)
            fault_set(fault, err, NULL, "%s could not be read", name);
        else if (walk->damaged)
            err = fault_set(fault, ERR_storage_corrupt, NULL,
                            "The log %s is damaged at frame %lld; commits behind it would be lost",
                            name, (long long)walk->first_bad);
        if (walk->file->pMethods != NULL)
            walk->file->pMethods->xClose(walk->file);
    }
    if (walk != NULL)
        free(walk->file);
    free(walk);
    return err;
}
