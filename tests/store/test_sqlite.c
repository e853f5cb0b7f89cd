/* What belongs to the SQLite store alone: the file and what can be wrong with it, the lock, the
 * log, backups, a full disk, and how its statements are planned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "bankd/store/migrations.h"
#include "bankd/store/sqlite.h"
#include "common/check.h"
#include "tests/lib/world.h"

static enum err open_path(const char *path, enum store_mode mode, bool exclusive,
                          struct store **store)
{
    struct store_config config = { .path = path, .cache_kib = 1024, .exclusive = exclusive };
    struct fault        fault = { 0 };
    enum err            err = store_sqlite.open(&config, mode, store, &fault);

    if (err != ERR_none) {
        assert_null(*store);
        assert_int_equal(fault.err, err);
        assert_true(fault.text[0] != '\0');
    }
    return err;
}

static void execute(const char *path, const char *sql)
{
    sqlite3 *db;

    CHECK(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "bank") ==
          SQLITE_OK);
    CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
}

static void some_history(struct world *world)
{
    world_accounts(world, 8);
    world_parties(world, 3);
    for (int i = 0; i < 10; i++) {
        for (int j = 0; j < 50; j++)
            world_post_random(world);
        world_commit(world);
    }
}

/* Closes the writing handle, so that the file can be handled by itself. */
static void let_go(struct world *world)
{
    world->ops->close(&world->store);
    assert_null(world->store);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    world_open(world, &store_sqlite, "sqlite");
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    world_close(*state);
    free(*state);
    return 0;
}

/* --- opening --------------------------------------------------------------------------------- */

static void test_records_outlive_the_handle(void **state)
{
    struct world        *world = *state;
    struct store_numbers numbers;
    struct account_book  book;
    struct transaction   transaction;
    struct stat          info;

    some_history(world);
    let_go(world);
    assert_int_equal(open_path(world->path, STORE_WRITE, true, &world->store), ERR_none);
    assert_int_equal(world->ops->numbers(world->store, &numbers), ERR_none);
    assert_memory_equal(&numbers.head, &world->head, sizeof numbers.head);
    assert_int_equal(numbers.account, 9);
    for (size_t i = 0; i < world->account_count; i++) {
        memset(&book, 0, sizeof book);
        assert_int_equal(world->ops->book_by_number(world->store, (int64_t)i + 1, &book), ERR_none);
        assert_memory_equal(&book, &world->books[i], sizeof book);
    }
    for (size_t i = 0; i < world->transaction_count; i++) {
        memset(&transaction, 0, sizeof transaction);
        assert_int_equal(world->ops->transaction_by_sequence(
                             world->store, world->transactions[i].sequence, &transaction),
                         ERR_none);
        assert_memory_equal(&transaction, &world->transactions[i], sizeof transaction);
    }
    world_post_random(world);
    world_commit(world);
    assert_int_equal(stat(world->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void test_absent_file_is_only_made_by_create(void **state)
{
    struct world *world = *state;
    struct store *store;
    char          path[128];

    snprintf(path, sizeof path, "%s/other.db", world->folder);
    assert_int_equal(open_path(path, STORE_READ, false, &store), ERR_storage_absent);
    assert_int_equal(open_path(path, STORE_WRITE, true, &store), ERR_storage_absent);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/other.db.lock", world->folder);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/nowhere/other.db", world->folder);
    assert_int_equal(open_path(path, STORE_CREATE, false, &store), ERR_storage);
}

static void test_empty_file_is_no_bank_yet(void **state)
{
    struct world *world = *state;
    struct store *store;

    let_go(world);
    assert_int_equal(truncate(world->path, 0), 0);
    assert_int_equal(open_path(world->path, STORE_WRITE, false, &store), ERR_storage_absent);
    assert_int_equal(open_path(world->path, STORE_CREATE, false, &store), ERR_none);
    store->ops->close(&store);
    assert_int_equal(open_path(world->path, STORE_READ, false, &store), ERR_none);
    store->ops->close(&store);
}

static void test_newer_schema_is_left_alone(void **state)
{
    struct world *world = *state;
    struct store *store;

    let_go(world);
    execute(world->path, "PRAGMA user_version = 9999");
    assert_int_equal(open_path(world->path, STORE_READ, false, &store), ERR_storage_newer);
    assert_int_equal(open_path(world->path, STORE_WRITE, false, &store), ERR_storage_newer);
    assert_int_equal(open_path(world->path, STORE_CREATE, false, &store), ERR_storage_newer);
}

static void write_over(const char *path, long offset, size_t n)
{
    FILE *file = fopen(path, "r+");

    CHECK(file != NULL && fseek(file, offset, SEEK_SET) == 0);
    for (size_t i = 0; i < n; i++)
        fputc('#', file);
    CHECK(fclose(file) == 0);
}

static void test_other_files_are_refused(void **state)
{
    struct world *world = *state;
    struct store *store;
    char          path[128];

    snprintf(path, sizeof path, "%s/other.db", world->folder);
    execute(path, "CREATE TABLE user (number INTEGER); PRAGMA user_version = 1");
    assert_int_equal(open_path(path, STORE_WRITE, false, &store), ERR_storage_corrupt);
    unlink(path);
    let_go(world);
    write_over(world->path, 0, 100);
    assert_int_equal(open_path(world->path, STORE_READ, false, &store), ERR_storage_corrupt);
    assert_int_equal(open_path(world->path, STORE_CREATE, false, &store), ERR_storage_corrupt);
}

/* A file whose version is not that of its tables is refused, whatever the version is. */
static void test_a_version_that_lies_is_refused(void **state)
{
    static const char *const versions[] = { "-1", "-2147483648", "0", "1" };
    struct world            *world = *state;
    struct store            *store;
    struct fault             fault;
    char                     sql[64];

    let_go(world);
    for (size_t i = 0; i < ARRAY_COUNT(versions); i++) {
        snprintf(sql, sizeof sql, "PRAGMA user_version = %s", versions[i]);
        execute(world->path, sql);
        for (enum store_mode mode = STORE_WRITE; mode <= STORE_CREATE; mode++) {
            struct store_config config = { .path = world->path, .cache_kib = 2048 };

            memset(&fault, 0, sizeof fault);
            assert_int_equal(store_sqlite.open(&config, mode, &store, &fault), ERR_storage_corrupt);
            assert_non_null(strstr(fault.text, "schema version"));
        }
    }
}

static void test_a_file_without_a_version_is_told_from_an_empty_one(void **state)
{
    struct world *world = *state;
    struct store *store;
    char          path[128];

    snprintf(path, sizeof path, "%s/other.db", world->folder);
    assert_int_equal(store_kind_of(path), STORE_NOTHING);
    execute(path, "CREATE TABLE recipe (name TEXT)");
    assert_int_equal(store_kind_of(path), STORE_FOREIGN);
    assert_int_equal(open_path(path, STORE_READ, false, &store), ERR_storage_corrupt);
    assert_int_equal(open_path(path, STORE_CREATE, false, &store), ERR_storage_corrupt);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(store_kind_of(path), STORE_NOTHING);
    unlink(path);
    let_go(world);
    assert_int_equal(store_kind_of(world->path), STORE_BANK);
}

static void test_another_name_of_the_file_is_locked_too(void **state)
{
    struct world *world = *state;
    struct store *store;
    char          path[128];
    int           fd;

    snprintf(path, sizeof path, "%s/link.db", world->folder);
    assert_int_equal(link(world->path, path), 0);
    assert_int_equal(open_path(path, STORE_WRITE, true, &store), ERR_storage_locked);
    assert_int_equal(store_lock_file(path, &fd, NULL), ERR_storage_locked);
    let_go(world);
    assert_int_equal(store_lock_file(path, &fd, NULL), ERR_none);
    assert_int_equal(open_path(world->path, STORE_WRITE, true, &store), ERR_storage_locked);
    close(fd);
    assert_int_equal(open_path(world->path, STORE_WRITE, true, &world->store), ERR_none);
    unlink(path);
    snprintf(path, sizeof path, "%s/link.db.lock", world->folder);
    unlink(path);
}

static void test_damage_is_found(void **state)
{
    struct world *world = *state;
    struct store *store;
    struct fault  fault = { 0 };

    some_history(world);
    assert_int_equal(world->ops->integrity(world->store, &fault), ERR_none);
    let_go(world);
    write_over(world->path, 4096 * 12 + 8, 3000);
    assert_int_equal(open_path(world->path, STORE_READ, false, &store), ERR_none);
    assert_int_equal(store->ops->integrity(store, &fault), ERR_storage_corrupt);
    assert_true(fault.text[0] != '\0');
    store->ops->close(&store);
}

static bool count_rows(void *context, const void *row)
{
    size_t *count = context;

    (void)row;
    ++*count;
    return true;
}

/* One row of an account's chain is gone: the walk comes to where it was, and says so. */
static void test_broken_chain_is_an_error(void **state)
{
    struct world             *world = *state;
    struct transaction_filter chain = { .account = 3 };
    struct transaction        row = { 0 };
    size_t                    whole = 0;
    size_t                    rows = 0;
    char                      sql[96];
    enum err                  err;

    some_history(world);
    err = world->ops->transactions(world->store, &chain, count_rows, &whole, NULL);
    assert_int_equal(err, ERR_none);
    for (size_t i = world->transaction_count / 2; i < world->transaction_count; i++) {
        row = world->transactions[i];
        if (row.debit == chain.account || row.credit == chain.account)
            break;
    }
    let_go(world);
    snprintf(sql, sizeof sql, "DELETE FROM transactions WHERE sequence = %lld",
             (long long)row.sequence);
    execute(world->path, sql);
    assert_int_equal(open_path(world->path, STORE_READ, false, &world->store), ERR_none);
    for (int i = 0; i < 2; i++) {
        rows = 0;
        chain.listed = i == 1;
        err = world->ops->transactions(world->store, &chain, count_rows, &rows, NULL);
        assert_int_equal(err, ERR_storage_corrupt);
        assert_true(rows > 0 && rows < whole);
    }
}

static void test_lock_keeps_a_second_daemon_out(void **state)
{
    struct world *world = *state;
    struct store *store;

    assert_int_equal(open_path(world->path, STORE_WRITE, true, &store), ERR_storage_locked);
    assert_int_equal(open_path(world->path, STORE_WRITE, false, &store), ERR_none);
    store->ops->close(&store);
    let_go(world);
    assert_int_equal(open_path(world->path, STORE_WRITE, true, &world->store), ERR_none);
}

static void test_broken_off_migration_is_done_again(void **state)
{
    struct world        *world = *state;
    struct store        *store;
    struct store_numbers numbers;
    char                 path[128];

    /* What a crash between the file's first settings and its first migration leaves. */
    snprintf(path, sizeof path, "%s/other.db", world->folder);
    execute(path, "PRAGMA journal_mode = WAL; PRAGMA application_id = 1111576139");
    assert_int_equal(open_path(path, STORE_WRITE, false, &store), ERR_storage_absent);
    assert_int_equal(open_path(path, STORE_CREATE, false, &store), ERR_none);
    assert_int_equal(store->ops->numbers(store, &numbers), ERR_none);
    store->ops->close(&store);
    unlink(path);
}

/* --- log and backup -------------------------------------------------------------------------- */

static off_t size_of(const char *path, const char *suffix)
{
    struct stat info;
    char        name[128];

    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &info) == 0 ? info.st_size : -1;
}

static void test_log_is_moved_and_used_again(void **state)
{
    struct world       *world = *state;
    struct store       *mover = world_handle(world, STORE_READ);
    struct store_health health;
    off_t               log_size;

    some_history(world);
    assert_int_equal(world->ops->health(world->store, &health), ERR_none);
    assert_true(health.log_pages > 100);
    assert_int_equal(health.schema_version, MIGRATION_COUNT);
    assert_true(health.commits >= 10);
    assert_true(health.page_cache_bytes > 0);
    assert_true(size_of(world->path, "") < 100 * 4096);
    assert_int_equal(mover->ops->checkpoint(mover), ERR_none);
    assert_true(size_of(world->path, "") >= 30 * 4096);
    log_size = size_of(world->path, "-wal");
    world_post_random(world);
    world_commit(world);
    assert_int_equal(world->ops->health(world->store, &health), ERR_none);
    assert_true(health.log_pages < 60); /* begun anew */
    assert_int_equal(size_of(world->path, "-wal"), log_size);
    mover->ops->close(&mover);
}

static void test_backup_is_equal(void **state)
{
    struct world        *world = *state;
    struct store        *copy;
    struct store_numbers numbers;
    struct account_book  book;
    struct fault         fault = { 0 };
    char                 path[128];

    some_history(world);
    snprintf(path, sizeof path, "%s/copy.db", world->folder);
    assert_int_equal(world->ops->backup(world->store, path, &fault), ERR_none);
    assert_int_equal(world->ops->backup(world->store, path, &fault), ERR_exists);
    world_post_random(world);
    assert_int_equal(open_path(path, STORE_READ, false, &copy), ERR_none);
    assert_int_equal(copy->ops->numbers(copy, &numbers), ERR_none);
    assert_memory_equal(&numbers.head, &world->before, sizeof numbers.head);
    for (size_t i = 0; i < world->transaction_count - 1; i++) {
        struct transaction transaction = { 0 };

        assert_int_equal(
            copy->ops->transaction_by_sequence(copy, world->transactions[i].sequence, &transaction),
            ERR_none);
        assert_memory_equal(&transaction, &world->transactions[i], sizeof transaction);
    }
    assert_int_equal(copy->ops->book_by_number(copy, WORLD_CASH, &book), ERR_none);
    assert_int_equal(copy->ops->integrity(copy, NULL), ERR_none);
    copy->ops->close(&copy);
    snprintf(path, sizeof path, "%s/nowhere/copy.db", world->folder);
    assert_int_equal(world->ops->backup(world->store, path, &fault), ERR_io);
    snprintf(path, sizeof path, "%s/copy.db", world->folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/copy.db-wal", world->folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/copy.db-shm", world->folder);
    unlink(path);
}

/* --- what cannot be written ------------------------------------------------------------------ */

/* The limit on a file's size stands in for a full disk. */
static void test_write_error_leaves_nothing(void **state)
{
    struct world       *world = *state;
    struct rlimit       before, small;
    struct account_book book = { 0 };
    struct account_book cash;
    struct chain_head   head;
    size_t              failed;
    enum err            err;

    some_history(world);
    cash = world->books[0];
    head = world->head;
    signal(SIGXFSZ, SIG_IGN);
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    small = before;
    small.rlim_cur = (rlim_t)size_of(world->path, "-wal");
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    for (int i = 0; i < LIMIT_BATCH_MAX; i++)
        world_post_random(world);
    err = world_try(world, &failed);
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    assert_int_equal(err, ERR_storage_full);
    assert_int_equal(world->ops->book_by_number(world->store, WORLD_CASH, &book), ERR_none);
    assert_int_equal(book.balance, cash.balance);
    assert_int_equal(book.version, cash.version);
    assert_memory_equal(&world->head, &head, sizeof head);
    /* The same handle goes on as soon as there is room. */
    world->books[0] = cash;
    world_audit(world, "goes.on");
    world_commit(world);
}

static void test_other_writer_is_waited_for(void **state)
{
    struct world *world = *state;
    sqlite3      *db;
    size_t        failed;

    some_history(world);
    CHECK(sqlite3_open_v2(world->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "bank") ==
          SQLITE_OK);
    CHECK(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
    world_audit(world, "waits");
    assert_int_equal(world_try(world, &failed), ERR_busy);
    CHECK(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    world_audit(world, "goes.on");
    world_commit(world);
}

/* --- plans ----------------------------------------------------------------------------------- */

/* No walk may sort or read what it need not: these words in SQLite's plan would say so. */
static void assert_plan(sqlite3 *db, const char *name, const char *sql)
{
    /* Lists that are short by nature may be sorted or read whole. */
    static const char *const short_ones[] = { "users", "parties", "labels", "signed_heads", "top" };
    sqlite3_stmt            *statement;
    bool                     is_short = false;

    for (size_t i = 0; i < ARRAY_COUNT(short_ones); i++)
        is_short = is_short || strcmp(short_ones[i], name) == 0;
    CHECK(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
    while (!is_short && sqlite3_step(statement) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(statement, 3);
        bool scan = strncmp(detail, "SCAN ", 5) == 0 && strcmp(detail, "SCAN CONSTANT ROW") != 0 &&
                    strncmp(detail, "SCAN chain VIRTUAL TABLE", 24) != 0;

        if (scan || strstr(detail, "TEMP B-TREE") != NULL)
            fail_msg("%s: %s", name, detail);
    }
    sqlite3_finalize(statement);
}

static void test_statements_use_their_indexes(void **state)
{
    struct sqlite_chain chain = { 0 };
    struct world       *world = *state;
    sqlite3            *db;

    CHECK(sqlite3_open_v2(world->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "bank") ==
          SQLITE_OK);
    CHECK(sqlite_chain_register(db, &chain) == SQLITE_OK);
#define SQL(name, text) assert_plan(db, #name, "EXPLAIN QUERY PLAN " text);
#include "bankd/store/sqlite_sql.def"
#undef SQL
    sqlite3_close(db);
}

/* Counting would be a lock for each piece of memory; it can only be ended before all else. */
static void test_memory_is_not_counted(void **state)
{
    (void)state;
    assert_int_equal(sqlite3_memory_used(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_records_outlive_the_handle),
        TEST(test_absent_file_is_only_made_by_create),
        TEST(test_empty_file_is_no_bank_yet),
        TEST(test_newer_schema_is_left_alone),
        TEST(test_other_files_are_refused),
        TEST(test_damage_is_found),
        TEST(test_a_version_that_lies_is_refused),
        TEST(test_a_file_without_a_version_is_told_from_an_empty_one),
        TEST(test_another_name_of_the_file_is_locked_too),
        TEST(test_lock_keeps_a_second_daemon_out),
        TEST(test_broken_off_migration_is_done_again),
        TEST(test_log_is_moved_and_used_again),
        TEST(test_backup_is_equal),
        TEST(test_write_error_leaves_nothing),
        TEST(test_other_writer_is_waited_for),
        TEST(test_statements_use_their_indexes),
        TEST(test_memory_is_not_counted),
        TEST(test_broken_chain_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
