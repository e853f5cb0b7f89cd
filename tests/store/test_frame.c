/* The log's check bytes, against SQLite itself: whatever two handles write in turns, with a cache
 * so small that commits spill into the log, with savepoints and commits taken back, a copy of the
 * file and its log is what was committed for a SQLite that knows nothing of check bytes, and every
 * page of that log has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bankd/store/sqlite.h"
#include "common/check.h"
#include "tests/unit/random.h"

enum { ROWS = 600, ROUNDS = 300, FILE_MAX = 64 * 1024 * 1024 };

struct pair {
    struct random random;
    char          path[64];
    char          copy[64];
    sqlite3      *db[2];
    uint8_t      *bytes;
};

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static long long ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    long long     answer;

    CHECK(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
    if (sqlite3_step(statement) != SQLITE_ROW)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    answer = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return answer;
}

static void remove_all(const char *path)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    char                     name[80];

    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

static sqlite3 *open_one(const char *path, const char *vfs)
{
    sqlite3 *db;

    CHECK(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs) == SQLITE_OK);
    return db;
}

static void pair_open(struct pair *pair)
{
    const char *vfs = sqlite_page_vfs();

    pair->random = random_start("test_frame");
    snprintf(pair->path, sizeof pair->path, "/tmp/test_frame.%d", (int)getpid());
    snprintf(pair->copy, sizeof pair->copy, "/tmp/test_frame.%d.copy", (int)getpid());
    pair->bytes = malloc(FILE_MAX);
    CHECK(pair->bytes != NULL);
    pair->db[0] = open_one(pair->path, vfs);
    CHECK(sqlite_page_prepare(pair->db[0]) == SQLITE_OK);
    run(pair->db[0], "PRAGMA user_version = 4; PRAGMA journal_mode = WAL;"
                     "CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB); PRAGMA wal_checkpoint");
    pair->db[1] = open_one(pair->path, vfs);
    for (int i = 0; i < 2; i++)
        run(pair->db[i], "PRAGMA cache_size = 8; PRAGMA synchronous = FULL;"
                         "PRAGMA wal_autocheckpoint = 0");
}

static void pair_close(struct pair *pair)
{
    sqlite3_close(pair->db[0]);
    sqlite3_close(pair->db[1]);
    remove_all(pair->path);
    remove_all(pair->copy);
    free(pair->bytes);
}

static size_t copy_file(struct pair *pair, const char *suffix)
{
    char   name[80];
    FILE  *file;
    size_t n;

    snprintf(name, sizeof name, "%s%s", pair->path, suffix);
    file = fopen(name, "rb");
    CHECK(file != NULL);
    n = fread(pair->bytes, 1, FILE_MAX, file);
    fclose(file);
    CHECK(n < FILE_MAX);
    snprintf(name, sizeof name, "%s%s", pair->copy, suffix);
    file = fopen(name, "wb");
    CHECK(file != NULL && fwrite(pair->bytes, 1, n, file) == n && fclose(file) == 0);
    return n;
}

/* Of the frames that are in use: those with the salts of the log's head, in a row. */
static void check_frames(const struct pair *pair, size_t n)
{
    for (size_t at = SQLITE_LOG_HEAD; at + SQLITE_FRAME_BYTES <= n; at += SQLITE_FRAME_BYTES) {
        const uint8_t *frame = pair->bytes + at;

        if (memcmp(frame + 8, pair->bytes + 16, 8) != 0)
            break;
        assert_true(
            sqlite_page_fits(frame + SQLITE_FRAME_HEAD, (uint32_t)frame[2] << 8 | frame[3]));
    }
}

static void compare(struct pair *pair)
{
    static const char sum[] = "SELECT total(k * 7 + length(v)) + count(*) FROM t";
    sqlite3          *plain;

    remove_all(pair->copy);
    (void)copy_file(pair, "");
    check_frames(pair, copy_file(pair, "-wal"));
    plain = open_one(pair->copy, NULL);
    assert_true(ask(plain, sum) == ask(pair->db[0], sum));
    assert_true(ask(plain, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1);
    sqlite3_close(plain);
}

static void change(struct pair *pair, sqlite3 *db)
{
    char sql[160];
    int  k = (int)random_below(&pair->random, ROWS);

    snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO t VALUES (%d, randomblob(%d))", k,
             (int)random_below(&pair->random, 3000));
    if (random_below(&pair->random, 4) == 0)
        snprintf(sql, sizeof sql, "UPDATE t SET v = randomblob(700) WHERE k %% 7 = %d", k % 7);
    run(db, sql);
}

static void transact(struct pair *pair, sqlite3 *db)
{
    int changes = 1 + (int)random_below(&pair->random, 40);

    run(db, "BEGIN IMMEDIATE");
    for (int i = 0; i < changes; i++)
        change(pair, db);
    run(db, random_below(&pair->random, 5) == 0 ? "ROLLBACK" : "COMMIT");
}

static void test_a_log_is_right_for_every_reader(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair);
    for (int i = 0; i < ROUNDS; i++) {
        transact(&pair, pair.db[random_below(&pair.random, 4) == 0]);
        if (i % 10 == 9)
            compare(&pair);
        if (random_below(&pair.random, 10) == 0)
            run(pair.db[1], "PRAGMA wal_checkpoint(RESTART)");
    }
    pair_close(&pair);
}

/* Another program beside a bank that runs: found when it is read, and never moved into the file. */
static void test_what_others_write_is_found(void **state)
{
    struct pair   pair;
    sqlite3      *plain;
    sqlite3_stmt *statement;
    int           log = 0;
    int           moved = 0;

    (void)state;
    pair_open(&pair);
    for (int i = 0; i < 20; i++)
        transact(&pair, pair.db[0]);
    run(pair.db[0], "INSERT OR REPLACE INTO t VALUES (1, x'01')");
    plain = open_one(pair.path, NULL);
    run(plain, "UPDATE t SET v = x'02' WHERE k = 1");
    CHECK(sqlite3_prepare_v2(pair.db[1], "SELECT v FROM t WHERE k = 1", -1, &statement, NULL) ==
          SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_IOERR);
    assert_int_equal(sqlite3_extended_errcode(pair.db[1]), SQLITE_IOERR_DATA);
    sqlite3_finalize(statement);
    assert_int_equal(
        sqlite3_wal_checkpoint_v2(pair.db[0], NULL, SQLITE_CHECKPOINT_PASSIVE, &log, &moved) & 0xff,
        SQLITE_IOERR);
    sqlite3_db_config(plain, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(plain);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_log_is_right_for_every_reader),
        cmocka_unit_test(test_what_others_write_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
