/* The log's file that gathers writes, against a plain array: whatever is written, in whatever
 * pieces, is there when it is read, measured or synced, and an error of a late write is told. */
#include "bankd/store/sqlite.h"
#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

enum { SIZE_MAX_HERE = 1024 * 1024, PIECE_MAX = 200 * 1000, WRITE_MAX = 131071 };

struct world {
    struct random  random;
    char           base[64];
    char           path[64];
    sqlite3_vfs   *system;
    sqlite3_file  *file;
    unsigned char *model;
    unsigned char *bytes;
    sqlite3_int64  size;
};

/* SQLite gives a log the owner and mode of its database, so that must be there. */
static void make_base(char *path, size_t size)
{
    FILE *file;

    snprintf(path, size, "/tmp/test_gather.%d", (int)getpid());
    file = fopen(path, "wb");
    assert_non_null(file);
    fclose(file);
}

static void world_open(struct world *world)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL;
    int got = 0;

    world->random = random_start("test_gather");
    world->system = sqlite3_vfs_find(NULL);
    make_base(world->base, sizeof world->base);
    snprintf(world->path, sizeof world->path, "%.50s-wal", world->base);
    world->file = malloc((size_t)sqlite_gather_bytes(world->system));
    world->model = calloc(1, SIZE_MAX_HERE);
    world->bytes = malloc(SIZE_MAX_HERE);
    assert_true(world->file != NULL && world->model != NULL && world->bytes != NULL);
    assert_int_equal(sqlite_gather_open(world->system, world->path, NULL, world->file, flags, &got),
                     SQLITE_OK);
}

static void world_close(struct world *world)
{
    assert_int_equal(world->file->pMethods->xClose(world->file), SQLITE_OK);
    unlink(world->path);
    unlink(world->base);
    free(world->file);
    free(world->model);
    free(world->bytes);
}

/* Mostly on where the last one ended, as a log is written. */
static void write_piece(struct world *world, sqlite3_int64 *at)
{
    int n = 1 + (int)random_below(&world->random,
                                  random_below(&world->random, 8) == 0 ? WRITE_MAX : 5000);

    if (random_below(&world->random, 10) == 0)
        *at = (sqlite3_int64)random_below(&world->random, SIZE_MAX_HERE);
    if (*at + n > SIZE_MAX_HERE)
        *at = 0;
    for (int i = 0; i < n; i++)
        world->bytes[i] = (unsigned char)random_next(&world->random);
    assert_int_equal(world->file->pMethods->xWrite(world->file, world->bytes, n, *at), SQLITE_OK);
    memcpy(world->model + *at, world->bytes, (size_t)n);
    *at += n;
    if (*at > world->size)
        world->size = *at;
}

static void read_piece(struct world *world)
{
    sqlite3_int64 at = (sqlite3_int64)random_below(&world->random, (uint64_t)world->size);
    int           n = 1 + (int)random_below(&world->random, PIECE_MAX);

    if (at + n > world->size)
        n = (int)(world->size - at);
    assert_int_equal(world->file->pMethods->xRead(world->file, world->bytes, n, at), SQLITE_OK);
    assert_memory_equal(world->bytes, world->model + at, n);
}

/* What another handle sees of the file is what was written, whole. */
static void sync_and_compare(struct world *world)
{
    FILE *other;

    assert_int_equal(world->file->pMethods->xSync(world->file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    other = fopen(world->path, "rb");
    assert_non_null(other);
    assert_int_equal(fread(world->bytes, 1, SIZE_MAX_HERE, other), world->size);
    fclose(other);
    assert_memory_equal(world->bytes, world->model, world->size);
}

static void the_file_is_what_was_written(void **state)
{
    struct world  world = { .size = 0 };
    sqlite3_int64 at = 0;
    sqlite3_int64 size = 0;

    (void)state;
    world_open(&world);
    for (int i = 0; i < 3000; i++) {
        write_piece(&world, &at);
        if (random_below(&world.random, 20) == 0)
            read_piece(&world);
        if (random_below(&world.random, 50) == 0)
            sync_and_compare(&world);
        if (random_below(&world.random, 100) == 0) {
            assert_int_equal(world.file->pMethods->xFileSize(world.file, &size), SQLITE_OK);
            assert_int_equal(size, world.size);
        }
        if (random_below(&world.random, 300) == 0) {
            world.size = (sqlite3_int64)random_below(&world.random, (uint64_t)world.size) + 1;
            assert_int_equal(world.file->pMethods->xTruncate(world.file, world.size), SQLITE_OK);
            memset(world.model + world.size, 0, (size_t)(SIZE_MAX_HERE - world.size));
        }
    }
    sync_and_compare(&world);
    world_close(&world);
}

/* --- errors ---------------------------------------------------------------------------------- */

static const sqlite3_io_methods *real_methods;
static bool                      is_full;

static int full_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    return is_full ? SQLITE_FULL : real_methods->xWrite(file, bytes, n, at);
}

static int full_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    static sqlite3_io_methods methods;
    sqlite3_vfs              *system = vfs->pAppData;
    int                       rc = system->xOpen(system, name, file, flags, out);

    if (rc == SQLITE_OK) {
        real_methods = file->pMethods;
        methods = *real_methods;
        methods.xWrite = full_write;
        file->pMethods = &methods;
    }
    return rc;
}

/* A disk that is full shows at the sync, once; what was kept is gone, and the next commit, when
 * there is room again, is written over its place. */
static void an_error_is_told_at_the_sync(void **state)
{
    sqlite3_vfs   vfs = *sqlite3_vfs_find(NULL);
    sqlite3_file *file;
    char          base[64];
    char          path[64];
    char          bytes[8] = "";
    int           got = 0;

    (void)state;
    make_base(base, sizeof base);
    snprintf(path, sizeof path, "%.50s-wal", base);
    vfs.pAppData = sqlite3_vfs_find(NULL);
    vfs.xOpen = full_open;
    file = malloc((size_t)sqlite_gather_bytes(&vfs));
    assert_non_null(file);
    assert_int_equal(
        sqlite_gather_open(&vfs, path, NULL, file,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL, &got),
        SQLITE_OK);
    assert_int_equal(file->pMethods->xWrite(file, "before", 7, 0), SQLITE_OK);
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    is_full = true;
    assert_int_equal(file->pMethods->xWrite(file, "failed", 7, 7), SQLITE_OK);
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_FULL);
    is_full = false;
    assert_int_equal(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_int_equal(file->pMethods->xRead(file, bytes, 7, 7), SQLITE_IOERR_SHORT_READ);
    assert_int_equal(file->pMethods->xWrite(file, "behind", 7, 7), SQLITE_OK);
    assert_int_equal(file->pMethods->xRead(file, bytes, 7, 7), SQLITE_OK);
    assert_string_equal(bytes, "behind");
    assert_int_equal(file->pMethods->xClose(file), SQLITE_OK);
    unlink(path);
    unlink(base);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_is_what_was_written),
        cmocka_unit_test(an_error_is_told_at_the_sync),
    };

    sqlite3_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
