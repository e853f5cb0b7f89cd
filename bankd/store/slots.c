/* See slots.h. The file is opened for each call: a write is due twice a second at most, and a
 * handle that is kept would be one more thing to lose. */
#include "bankd/store/slots.h"

#include <sqlite3.h>

#include "bankd/store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOT_BLOCK = 4096, FILE_BYTES = SLOT_COUNT * SLOT_BLOCK };

/* The system's way to the disk, and not the one that puts check bytes on pages. */
static sqlite3_vfs *disk(void)
{
    (void)sqlite_page_vfs(); /* what it sets must come before all else of SQLite */
    return sqlite3_vfs_find(NULL);
}

static enum err slots_fault(int rc, const char *what, const char *path, struct fault *fault)
{
    enum err err = sqlite_err(rc);

    return err == ERR_none ? err : fault_set(fault, err, NULL, "%s %.180s failed", what, path);
}

/* A handle on the file, or NULL when it is not there; *rc says which. */
static sqlite3_file *open_file(sqlite3_vfs *vfs, const char *path, int flags, int *rc)
{
    sqlite3_file *file;
    int           there = 1;

    if ((flags & SQLITE_OPEN_CREATE) == 0)
        *rc = vfs->xAccess(vfs, path, SQLITE_ACCESS_EXISTS, &there);
    else
        *rc = SQLITE_OK;
    if (*rc != SQLITE_OK || there == 0)
        return NULL;
    file = calloc(1, (size_t)vfs->szOsFile);
    if (file == NULL) {
        *rc = SQLITE_NOMEM;
        return NULL;
    }
    *rc = vfs->xOpen(vfs, path, file, flags | SQLITE_OPEN_SUPER_JOURNAL, NULL);
    if (*rc == SQLITE_OK)
        return file;
    if (file->pMethods != NULL)
        file->pMethods->xClose(file);
    free(file);
    return NULL;
}

static void close_file(sqlite3_file **file)
{
    (*file)->pMethods->xClose(*file);
    free(*file);
    *file = NULL;
}

enum err slots_read(const char *path, struct slots *out, struct fault *fault)
{
    int           rc = SQLITE_OK;
    sqlite3_file *file = open_file(disk(), path, SQLITE_OPEN_READONLY, &rc);

    memset(out, 0, sizeof *out);
    if (file == NULL)
        return slots_fault(rc, "Opening", path, fault);
    out->there = true;
    for (int i = 0; i < SLOT_COUNT && rc == SQLITE_OK; i++) {
        rc = sqlite_read(file, out->bytes[i], SLOT_BYTES, (sqlite3_int64)i * SLOT_BLOCK);
        if (rc == SQLITE_IOERR_SHORT_READ)
            rc = SQLITE_OK;
    }
    close_file(&file);
    return slots_fault(rc, "Reading", path, fault);
}

/* The file is made here and not by the VFS, so that nobody else may ever read it, and so that it
 * is the daemon's when an operator is the first to write it. */
static enum err make(const char *path, const char *like, struct fault *fault)
{
    struct stat owner;
    int         fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int         rc = 0;

    if (fd < 0)
        return fault_set(fault, err_no_room(errno) ? ERR_storage_full : ERR_storage, NULL,
                         "%.180s: %s", path, strerror(errno));
    if (stat(like, &owner) == 0 && owner.st_uid != geteuid())
        rc = fchown(fd, owner.st_uid, owner.st_gid);
    close(fd);
    return rc == 0 ? ERR_none
                   : fault_set(fault, ERR_storage, NULL, "%.180s: %s", path, strerror(errno));
}

/* What the file is short of is written too. */
static int write_slot(sqlite3_file *file, int slot, const uint8_t bytes[SLOT_BYTES])
{
    static const uint8_t zeros[FILE_BYTES];
    sqlite3_int64        size = 0;
    int                  rc = file->pMethods->xFileSize(file, &size);

    if (rc == SQLITE_OK && size < FILE_BYTES)
        rc = sqlite_disk_write(file, zeros, FILE_BYTES - (int)size, size);
    if (rc == SQLITE_OK)
        rc = sqlite_disk_write(file, bytes, SLOT_BYTES, (sqlite3_int64)slot * SLOT_BLOCK);
    if (rc == SQLITE_OK)
        rc = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    return rc;
}

enum err slots_write(const char *path, const char *like, int slot, const uint8_t bytes[SLOT_BYTES],
                     struct fault *fault)
{
    sqlite3_vfs  *vfs = disk();
    int           rc = SQLITE_OK;
    sqlite3_file *file = open_file(vfs, path, SQLITE_OPEN_READWRITE, &rc);

    if (file == NULL && rc == SQLITE_OK) {
        TRY(make(path, like, fault));
        file = open_file(vfs, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &rc);
    }
    if (file == NULL)
        return slots_fault(rc, "Opening", path, fault);
    rc = write_slot(file, slot, bytes);
    close_file(&file);
    return slots_fault(rc, "Writing", path, fault);
}
