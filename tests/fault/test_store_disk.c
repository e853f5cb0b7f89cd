/* The disk fails once, at the first, second, third ... write or sync of a group: each time the
 * group must be there whole or not at all, for this handle and for others, and the store must go
 * on when the disk does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "common/check.h"
#include "tests/lib/world.h"

/* --- a disk that fails on demand ------------------------------------------------------------- */

/* SQLite's own file methods, with two of them replaced. SQLite keeps a pointer to the methods in
 * each open file, so the replaced ones find the real ones behind it. */
struct methods {
    sqlite3_io_methods        ours; /* must be first */
    const sqlite3_io_methods *real;
};

enum { METHODS_MAX = 8, PART_BYTES = 2000 };

static struct methods methods[METHODS_MAX];
static sqlite3_vfs    faulty;
static sqlite3_vfs   *real_vfs;
static int            until_fault; /* operations; 0 = no fault is wanted */
static int            fault_code;
static bool           fault_at_sync;
static bool           fault_fired;

static const sqlite3_io_methods *real_of(sqlite3_file *file)
{
    return ((const struct methods *)(const void *)file->pMethods)->real;
}

static bool fails_now(bool sync)
{
    if (until_fault == 0 || sync != fault_at_sync || --until_fault > 0)
        return false;
    fault_fired = true;
    return true;
}

/* A large write may fail anywhere: each part of it counts as one, and half of the one that fails
 * arrives. */
static int faulty_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 offset)
{
    for (int done = 0; done < n; done += PART_BYTES) {
        const char *at = (const char *)bytes + done;
        int         part = n - done < PART_BYTES ? n - done : PART_BYTES;
        bool        fails = fails_now(false);
        int         rc = real_of(file)->xWrite(file, at, fails ? part / 2 : part, offset + done);

        if (fails || rc != SQLITE_OK)
            return fails ? fault_code : rc;
    }
    return SQLITE_OK;
}

static int faulty_sync(sqlite3_file *file, int flags)
{
    return fails_now(true) ? fault_code : real_of(file)->xSync(file, flags);
}

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    int    rc = real_vfs->xOpen(real_vfs, name, file, flags, out);
    size_t i = 0;

    (void)vfs;
    if (rc != SQLITE_OK || file->pMethods == NULL)
        return rc;
    while (i < METHODS_MAX && methods[i].real != NULL && methods[i].real != file->pMethods)
        i++;
    CHECK(i < METHODS_MAX);
    methods[i].real = file->pMethods;
    methods[i].ours = *file->pMethods;
    methods[i].ours.xWrite = faulty_write;
    methods[i].ours.xSync = faulty_sync;
    file->pMethods = &methods[i].ours;
    return SQLITE_OK;
}

static int setup(void **state)
{
    (void)state;
    real_vfs = sqlite3_vfs_find(NULL);
    faulty = *real_vfs;
    faulty.zName = "faulty";
    faulty.xOpen = faulty_open;
    return sqlite3_vfs_register(&faulty, 1);
}

static int teardown(void **state)
{
    (void)state;
    return sqlite3_vfs_unregister(&faulty) == SQLITE_OK ? sqlite3_vfs_register(real_vfs, 1) : 1;
}

/* --- the groups ------------------------------------------------------------------------------ */

enum { GROUP = 60, ACCOUNTS = 40 };

static bool count_row(void *context, const void *row)
{
    (void)row;
    ++*(size_t *)context;
    return true;
}

/* What the handle shows must be what the world remembers. */
static void assert_shows(struct world *world, struct store *store, int64_t head)
{
    static const struct transaction_filter all = { 0 };
    struct store_numbers                   numbers;
    size_t                                 rows = 0;

    assert_int_equal(store->ops->numbers(store, &numbers), ERR_none);
    assert_int_equal(numbers.head.sequence, head);
    for (size_t i = 0; i < world->account_count; i++) {
        struct account_book book = { 0 };

        assert_int_equal(store->ops->book_by_number(store, (int64_t)i + 1, &book), ERR_none);
        assert_memory_equal(&book, &world->books[i], sizeof book);
    }
    assert_int_equal(store->ops->transactions(store, &all, count_row, &rows, NULL), ERR_none);
    assert_int_equal(rows, world->transaction_count);
}

static void plan_group(struct world *world)
{
    for (int i = 0; i < GROUP; i++)
        world_post_random(world);
}

/* True when the n-th operation was one of the group's, so that there may be one more. */
static bool fail_at(struct world *world, struct store *reader, int n)
{
    static struct account_book books[ACCOUNTS + 1];
    size_t                     transactions = world->transaction_count;
    size_t                     failed;
    enum err                   err;

    memcpy(books, world->books, world->account_count * sizeof books[0]);
    plan_group(world);
    fault_fired = false;
    until_fault = n;
    err = world_try(world, &failed);
    until_fault = 0;
    if (err != ERR_none) {
        assert_true(fault_fired);
        assert_int_equal(err, fault_code == SQLITE_FULL ? ERR_storage_full : ERR_storage);
        memcpy(world->books, books, world->account_count * sizeof books[0]);
        world->transaction_count = transactions;
    }
    assert_shows(world, world->store, world->head.sequence);
    assert_shows(world, reader, world->head.sequence);
    plan_group(world);
    world_commit(world);
    assert_shows(world, reader, world->head.sequence);
    return fault_fired;
}

static void fail_each(int code, bool at_sync)
{
    struct world  world;
    struct store *reader;
    int           n = 1;

    world_open(&world, &store_sqlite, __func__);
    world_accounts(&world, ACCOUNTS);
    fault_code = code;
    fault_at_sync = at_sync;
    reader = world_handle(&world, STORE_READ);
    while (fail_at(&world, reader, n))
        n++;
    assert_true(n > (at_sync ? 1 : 20));
    assert_int_equal(reader->ops->integrity(reader, NULL), ERR_none);
    world.ops->close(&reader);

    /* The file itself is as good after all this. */
    world.ops->close(&world.store);
    CHECK(world.ops->open(&(struct store_config){ .path = world.path, .cache_kib = 1024 },
                          STORE_WRITE, &world.store, NULL) == ERR_none);
    assert_shows(&world, world.store, world.head.sequence);
    assert_int_equal(world.ops->integrity(world.store, NULL), ERR_none);
    world_close(&world);
}

static void test_full_disk(void **state)
{
    (void)state;
    fail_each(SQLITE_FULL, false);
}

static void test_write_error(void **state)
{
    (void)state;
    fail_each(SQLITE_IOERR_WRITE, false);
}

static void test_sync_error(void **state)
{
    (void)state;
    fail_each(SQLITE_IOERR_FSYNC, true);
}

/* Moving the log may fail as well: nothing is lost, and the next try finds everything. */
static void test_checkpoint_error(void **state)
{
    struct world world;
    int          failures = 0;

    (void)state;
    world_open(&world, &store_sqlite, __func__);
    world_accounts(&world, ACCOUNTS);
    fault_code = SQLITE_IOERR_WRITE;
    fault_at_sync = false;
    for (int n = 1; n <= 10; n++) {
        enum err err;

        plan_group(&world);
        world_commit(&world);
        until_fault = n;
        err = world.ops->checkpoint(world.store);
        until_fault = 0;
        failures += err != ERR_none;
        assert_true(err == ERR_none || err == ERR_storage);
        assert_shows(&world, world.store, world.head.sequence);
        assert_int_equal(world.ops->checkpoint(world.store), ERR_none);
        assert_shows(&world, world.store, world.head.sequence);
    }
    assert_true(failures > 5);
    assert_int_equal(world.ops->integrity(world.store, NULL), ERR_none);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_write_error),
        cmocka_unit_test(test_sync_error),
        cmocka_unit_test(test_checkpoint_error),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
