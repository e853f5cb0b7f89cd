/* Databases as they may be found at start: of every earlier schema version, of a newer one, and
 * damaged anywhere, in the file or in its log.
 *
 * For each version N there is tests/store/schema_N.sql with the rows of a small bank; on top of
 * the migrations up to N it makes a database of that time, which today's code must open, prove and
 * go on with. A new migration comes with the rows of the version before it. Damage is one byte at
 * a seeded place: the store refuses, or answers as if nothing had happened, but never otherwise.
 * BANK_FLIPS tells how many places are tried (default 150), BANK_TEST_SEED tries others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bankd/alert.h"
#include "bankd/store/migrations.h"
#include "bankd/store/sqlite.h"
#include "bankd/verify.h"
#include "common/check.h"
#include "tests/lib/world.h"

enum {
    FLIPS = 150,
    COMMITS = 10,
    PER_COMMIT = 50,
    FILE_MAX = 64 * 1024 * 1024,
    LOG_HEADER = 32, /* of SQLite's log */
    FRAME_HEADER = 24,
    FRAME_BYTES = FRAME_HEADER + 4096,
};

static const char *const sides[] = { "", "-wal" };

struct copy {
    size_t   n;
    uint8_t *bytes;
};

/* --- files ----------------------------------------------------------------------------------- */

static struct copy take(const char *path, const char *side)
{
    struct copy copy = { 0 };
    char        name[160];
    FILE       *file;

    snprintf(name, sizeof name, "%s%s", path, side);
    file = fopen(name, "rb");
    if (file == NULL)
        return copy;
    copy.bytes = malloc(FILE_MAX);
    CHECK(copy.bytes != NULL);
    copy.n = fread(copy.bytes, 1, FILE_MAX, file);
    fclose(file);
    return copy;
}

static void give(const char *path, const char *side, const struct copy *copy)
{
    char  name[160];
    FILE *file;

    snprintf(name, sizeof name, "%s%s", path, side);
    unlink(name);
    if (copy->bytes == NULL)
        return;
    file = fopen(name, "wb");
    CHECK(file != NULL && fwrite(copy->bytes, 1, copy->n, file) == copy->n);
    CHECK(fclose(file) == 0);
}

static void give_both(const char *path, const struct copy copies[2])
{
    char shm[160];

    snprintf(shm, sizeof shm, "%s-shm", path);
    unlink(shm);
    for (size_t i = 0; i < 2; i++)
        give(path, sides[i], &copies[i]);
}

static enum err open_path(const char *path, enum store_mode mode, bool exclusive,
                          struct store **store)
{
    struct store_config config = { .path = path, .cache_kib = 2048, .exclusive = exclusive };
    struct fault        fault = { 0 };

    return store_sqlite.open(&config, mode, store, &fault);
}

/* --- versions -------------------------------------------------------------------------------- */

static void make_version(const char *path, int version)
{
    sqlite3    *db;
    char        name[64], sql[128];
    struct copy rows;

    snprintf(name, sizeof name, "tests/store/schema_%d.sql", version);
    rows = take(name, "");
    CHECK(rows.bytes != NULL);
    rows.bytes[rows.n] = '\0';
    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, "PRAGMA application_id = 1111576139", NULL, NULL, NULL) == SQLITE_OK);
    for (int i = 0; i < version; i++)
        CHECK(sqlite3_exec(db, migration_texts[i], NULL, NULL, NULL) == SQLITE_OK);
    CHECK(sqlite3_exec(db, (const char *)rows.bytes, NULL, NULL, NULL) == SQLITE_OK);
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d; PRAGMA journal_mode = WAL", version);
    CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    free(rows.bytes);
}

static void prove(struct store *store)
{
    struct bank_settings settings = {
        .high_value_major = 60, .large_major = 80, .hold_hours = 24, .id_skew_hours = 24
    };
    struct verify_report report;
    struct fault         fault = { 0 };
    struct bank          bank;

    bank_init(&bank, &settings);
    if (verify_bank(store, &bank, NULL, stderr, &report, &fault) != ERR_none)
        fail_msg("%s: %s", err_name(fault.err), fault.text);
    assert_true(report.proved[VERIFY_POSTINGS] > 20);
    bank_free(&bank);
}

static bool count_alert(void *context, const void *row)
{
    (void)row;
    ++*(int64_t *)context;
    return true;
}

static bool count_hit(void *context, const void *row)
{
    const struct alert_hit *hit = row;

    assert_int_equal(hit->number, 1);
    ++*(int64_t *)context;
    return true;
}

static bool check_alert(void *context, const void *row)
{
    const struct alert *alert = row;
    struct store       *store = context;
    struct transaction  cause;
    struct alert        same;
    int64_t             hits = 0;
    int64_t             loss;

    assert_int_equal(store->ops->transaction_by_sequence(store, alert->transaction, &cause),
                     ERR_none);
    loss = alert_loss(cause.amount, cause.score, cause.initial_status == STATUS_DECLINED);
    assert_int_equal(alert->hits, 1);
    assert_int_equal(alert->version, 1);
    assert_int_equal(alert->expected_loss, loss);
    assert_int_equal(alert->urgency, alert_urgency(loss, cause.currency));
    assert_int_equal(alert->due_at_us,
                     alert_due_us(alert->score, alert->created_at_us,
                                  cause.status == STATUS_HELD ? cause.hold_expires_at_us : 0));
    assert_int_equal(store->ops->alert_hits(store, alert->number, count_hit, &hits), ERR_none);
    assert_int_equal(hits, 1);
    assert_int_equal(store->ops->alert_by_transaction(store, alert->transaction, &same), ERR_none);
    assert_int_equal(same.number, alert->number);
    return true;
}

/* Alerts of schema version 1 have one transaction each, and come into the queue with it. */
static void check_alerts(struct store *store)
{
    struct alert_filter every = { 0 };
    struct alert_filter queue = { .by_loss = true, .below_urgency = INT64_MAX };
    int64_t             waiting = 0;

    assert_int_equal(store->ops->alerts(store, &every, check_alert, store), ERR_none);
    assert_int_equal(store->ops->alerts(store, &queue, count_alert, &waiting), ERR_none);
    assert_int_equal(waiting, 2);
}

static void test_every_earlier_version_is_taken_over(void **state)
{
    (void)state;
    for (int version = 1; version < MIGRATION_COUNT; version++) {
        struct world         world;
        struct store        *store;
        struct store_health  health;
        struct store_numbers numbers;

        world_open(&world, &store_sqlite, "versions");
        world.ops->close(&world.store);
        unlink(world.path);
        make_version(world.path, version);
        assert_int_equal(open_path(world.path, STORE_READ, false, &store),
                         ERR_storage_older);
        assert_int_equal(open_path(world.path, STORE_WRITE, true, &store), ERR_none);
        assert_int_equal(store->ops->health(store, &health), ERR_none);
        assert_int_equal(health.schema_version, MIGRATION_COUNT);
        prove(store);
        check_alerts(store);
        assert_int_equal(store->ops->numbers(store, &numbers), ERR_none);
        world.store = store;
        world.head = numbers.head;
        world.before = numbers.head;
        world_audit(&world, "goes.on");
        world_commit(&world);
        world_close(&world);
    }
}

/* Alerts of version 1 that are worth different sums; and what an earlier bankd, which gave all of
 * them the sum of the first, left behind at version 4. */
static void test_each_alert_comes_with_its_own_loss(void **state)
{
    (void)state;
    for (int version = 1; version <= 4; version += 3) {
        struct world  world;
        struct store *store;
        sqlite3      *db;

        world_open(&world, &store_sqlite, "losses");
        world.ops->close(&world.store);
        unlink(world.path);
        make_version(world.path, version);
        CHECK(sqlite3_open(world.path, &db) == SQLITE_OK);
        CHECK(sqlite3_exec(db,
                           "UPDATE transactions SET initial_status = 2 WHERE sequence = 25;"
                           "UPDATE transactions SET currency = 392 WHERE sequence = 25",
                           NULL, NULL, NULL) == SQLITE_OK);
        if (version > 1)
            CHECK(sqlite3_exec(db, "UPDATE alert_hit SET loss = 11774 WHERE alert = 2", NULL, NULL,
                               NULL) == SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(open_path(world.path, STORE_WRITE, true, &store), ERR_none);
        check_alerts(store);
        world.ops->close(&store);
        world_close(&world);
    }
}

/* A bank of version 2 as its bankd left it when it was killed: check bytes in the file, none in its
 * log. `plain` is what SQLite itself writes with. */
static void make_killed(const char *path)
{
    struct copy rows = take("tests/store/schema_2.sql", "");
    sqlite3    *plain;
    sqlite3    *db;

    CHECK(rows.bytes != NULL);
    rows.bytes[rows.n] = '\0';
    CHECK(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "bank") ==
          SQLITE_OK);
    CHECK(sqlite_page_prepare(db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, "PRAGMA application_id = 1111576139", NULL, NULL, NULL) == SQLITE_OK);
    for (int i = 0; i < 2; i++)
        CHECK(sqlite3_exec(db, migration_texts[i], NULL, NULL, NULL) == SQLITE_OK);
    CHECK(sqlite3_exec(db, "PRAGMA user_version = 2; PRAGMA journal_mode = WAL", NULL, NULL,
                       NULL) == SQLITE_OK);
    sqlite3_close(db);
    CHECK(sqlite3_open(path, &plain) == SQLITE_OK);
    sqlite3_db_config(plain, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    CHECK(sqlite3_exec(plain, (const char *)rows.bytes, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(plain);
    free(rows.bytes);
}

static void test_a_log_of_an_earlier_version_is_taken_over(void **state)
{
    struct world         world;
    struct store_numbers numbers;
    struct copy          log;
    sqlite3             *plain;

    (void)state;
    world_open(&world, &store_sqlite, "killed");
    world.ops->close(&world.store);
    unlink(world.path);
    make_killed(world.path);
    log = take(world.path, "-wal");
    assert_true(log.n > LOG_HEADER);
    free(log.bytes);
    assert_int_equal(open_path(world.path, STORE_READ, false, &world.store),
                     ERR_storage_older);
    assert_int_equal(open_path(world.path, STORE_WRITE, true, &world.store), ERR_none);
    prove(world.store);
    check_alerts(world.store);
    assert_int_equal(world.ops->numbers(world.store, &numbers), ERR_none);
    world.head = numbers.head;
    world.before = numbers.head;
    world_audit(&world, "goes.on");
    world_commit(&world);
    world.ops->close(&world.store);

    /* From now on a page without check bytes is one that somebody else wrote, in a log too. */
    CHECK(sqlite3_open(world.path, &plain) == SQLITE_OK);
    sqlite3_db_config(plain, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    CHECK(sqlite3_exec(plain, "UPDATE account SET overdraft_limit = 1000000", NULL, NULL, NULL) ==
          SQLITE_OK);
    sqlite3_close(plain);
    assert_int_equal(open_path(world.path, STORE_WRITE, true, &world.store), ERR_storage_corrupt);
    give(world.path, "-wal", &(struct copy){ .n = 0 });
    give(world.path, "-shm", &(struct copy){ .n = 0 });
    assert_int_equal(open_path(world.path, STORE_WRITE, true, &world.store), ERR_none);
    world_close(&world);
}

static void test_newer_version_stays_byte_for_byte(void **state)
{
    static const enum store_mode modes[] = { STORE_READ, STORE_WRITE, STORE_CREATE };
    struct world                 world;
    struct store                *store;
    struct copy                  before[2];
    sqlite3                     *db;

    (void)state;
    world_open(&world, &store_sqlite, "newer");
    world_accounts(&world, 4);
    CHECK(sqlite3_open_v2(world.path, &db, SQLITE_OPEN_READWRITE, "bank") == SQLITE_OK);
    CHECK(sqlite3_exec(db, "PRAGMA user_version = 9999", NULL, NULL, NULL) == SQLITE_OK);
    for (size_t i = 0; i < 2; i++)
        before[i] = take(world.path, sides[i]);
    sqlite3_close(db);
    world.ops->close(&world.store);
    assert_true(before[1].n > 0); /* as after a crash: part of it is in the log */
    for (size_t mode = 0; mode < ARRAY_COUNT(modes); mode++) {
        give_both(world.path, before);
        assert_int_equal(open_path(world.path, modes[mode], mode > 0, &store), ERR_storage_newer);
        for (size_t i = 0; i < 2; i++) {
            struct copy after = take(world.path, sides[i]);

            assert_int_equal(after.n, before[i].n);
            assert_memory_equal(after.bytes, before[i].bytes, after.n);
            free(after.bytes);
        }
    }
    for (size_t i = 0; i < 2; i++)
        free(before[i].bytes);
    world.ops = &store_sqlite;
    unlink(world.path);
    assert_int_equal(open_path(world.path, STORE_CREATE, false, &world.store), ERR_none);
    world_close(&world);
}

/* --- damage ---------------------------------------------------------------------------------- */

struct damaged {
    struct world      world;
    struct chain_head heads[COMMITS]; /* after each commit */
    struct copy       whole[2];
    int               flips;
};

static void build(struct damaged *damaged, bool in_log, const char *name)
{
    struct world *world = &damaged->world;
    const char   *given = getenv("BANK_FLIPS");

    damaged->flips = given != NULL ? (int)strtol(given, NULL, 10) : FLIPS;
    world_open(world, &store_sqlite, name);
    world_accounts(world, 8);
    for (int i = 0; i < COMMITS; i++) {
        for (int j = 0; j < PER_COMMIT; j++)
            world_post_random(world);
        world_commit(world);
        damaged->heads[i] = world->head;
    }
    for (size_t i = 0; i < 2 && in_log; i++)
        damaged->whole[i] = take(world->path, sides[i]);
    world->ops->close(&world->store);
    for (size_t i = 0; i < 2 && !in_log; i++)
        damaged->whole[i] = take(world->path, sides[i]);
}

static void clear_away(struct damaged *damaged)
{
    give_both(damaged->world.path, damaged->whole);
    assert_int_equal(open_path(damaged->world.path, STORE_WRITE, false, &damaged->world.store),
                     ERR_none);
    free(damaged->whole[0].bytes);
    free(damaged->whole[1].bytes);
    world_close(&damaged->world);
}

/* Everything that the store answers is right; or it says that it is damaged, which counts. */
static bool answers_truly(struct damaged *damaged, struct store *store)
{
    struct world *world = &damaged->world;

    for (size_t i = 0; i < world->transaction_count; i++) {
        struct transaction row;
        enum err           err;

        memset(&row, 0, sizeof row);
        err = store->ops->transaction_by_sequence(store, world->transactions[i].sequence, &row);
        if (err == ERR_storage_corrupt)
            return false;
        assert_int_equal(err, ERR_none);
        assert_memory_equal(&row, &world->transactions[i], sizeof row);
    }
    for (size_t i = 0; i < world->account_count; i++) {
        struct account_book book;
        enum err            err = store->ops->book_by_number(store, (int64_t)i + 1, &book);

        if (err == ERR_storage_corrupt)
            return false;
        assert_int_equal(err, ERR_none);
        assert_int_equal(book.balance, world->books[i].balance);
    }
    return true;
}

static void test_damaged_file_is_never_served(void **state)
{
    struct damaged damaged = { .flips = 0 };
    int            refused = 0;
    int            silent = 0;

    (void)state;
    build(&damaged, false, "damage");
    for (int i = 0; i < damaged.flips; i++) {
        struct copy  *file = &damaged.whole[0];
        size_t        at = i < 32 ? (size_t)i * 3 : random_below(&damaged.world.random, file->n);
        uint8_t       bit = (uint8_t)(1u << random_below(&damaged.world.random, 8));
        struct store *store = NULL;
        enum err      err;

        file->bytes[at] ^= bit;
        give_both(damaged.world.path, damaged.whole);
        err = open_path(damaged.world.path, STORE_WRITE, true, &store);
        assert_true(err == ERR_none || err == ERR_storage_corrupt);
        refused += err != ERR_none;
        if (err == ERR_none) { /* where nobody looks: then it must not matter */
            assert_true(answers_truly(&damaged, store));
            silent++;
            store->ops->close(&store);
        }
        /* A file too large to be read through at start: each answer is right, or an error. */
        give_both(damaged.world.path, damaged.whole);
        if (open_path(damaged.world.path, STORE_READ, false, &store) == ERR_none) {
            if (answers_truly(&damaged, store))
                assert_true(store->ops->integrity(store, NULL) == ERR_storage_corrupt ||
                            err == ERR_none);
            store->ops->close(&store);
        }
        file->bytes[at] ^= bit;
    }
    printf("%d flips in the file: %d refused at start, %d without effect\n", damaged.flips, refused,
           silent);
    assert_true(refused > damaged.flips * 9 / 10);
    clear_away(&damaged);
}

/* Where the frame lies that ends the commit before the last one. */
static size_t last_but_one_mark(const struct copy *log)
{
    size_t marks[2] = { 0, 0 };

    for (size_t at = LOG_HEADER; at + FRAME_BYTES <= log->n; at += FRAME_BYTES) {
        static const uint8_t none[4];

        if (memcmp(log->bytes + at + 4, none, sizeof none) == 0)
            continue;
        marks[0] = marks[1];
        marks[1] = at;
    }
    CHECK(marks[0] > 0);
    return marks[0];
}

static void test_damaged_log_is_never_cut_short(void **state)
{
    struct damaged damaged = { .flips = 0 };
    int            refused = 0;
    int            shortened = 0;
    size_t         mark;

    (void)state;
    build(&damaged, true, "log damage");
    mark = last_but_one_mark(&damaged.whole[1]);
    for (int i = 0; i < damaged.flips; i++) {
        struct copy         *log = &damaged.whole[1];
        size_t               at = i < 32 ? (size_t)i : random_below(&damaged.world.random, log->n);
        uint8_t              bit = (uint8_t)(1u << random_below(&damaged.world.random, 8));
        struct store        *store = NULL;
        struct store_numbers numbers;
        int                  lost;
        enum err             err;

        log->bytes[at] ^= bit;
        give_both(damaged.world.path, damaged.whole);
        err = open_path(damaged.world.path, STORE_WRITE, true, &store);
        assert_true(err == ERR_none || err == ERR_storage_corrupt);
        refused += err != ERR_none;
        if (err == ERR_none) { /* as if its very last commit had been cut off by the power */
            assert_int_equal(store->ops->numbers(store, &numbers), ERR_none);
            lost = at < mark + FRAME_HEADER ? 2 : 1;
            assert_true(at >= mark && (lost == 2 || at >= mark + FRAME_BYTES));
            assert_memory_equal(&numbers.head, &damaged.heads[COMMITS - 1 - lost],
                                sizeof numbers.head);
            shortened++;
            store->ops->close(&store);
        }
        log->bytes[at] ^= bit;
    }
    printf("%d flips in the log: %d refused at start, %d in the last commit\n", damaged.flips,
           refused, shortened);
    assert_true(refused > damaged.flips / 2);
    clear_away(&damaged);
}

/* --- a power cut that is no damage ----------------------------------------------------------- */

enum { SECTOR = 512, OLD_COMMITS = 400, NEW_COMMITS = 80 };

/* What is left when the commit's sectors arrive from the last to the first and the power fails
 * between two of them: the store must come up as it was before the commit. */
static int tear_commit(const char *path, const struct copy before[2], const struct copy after[2],
                       const struct chain_head *head)
{
    struct copy torn[2] = { before[0], { .n = after[1].n, .bytes = malloc(after[1].n) } };
    size_t      old_n = before[1].n < after[1].n ? before[1].n : after[1].n;
    int         tears = 0;

    CHECK(torn[1].bytes != NULL);
    for (size_t at = LOG_HEADER; at + FRAME_BYTES <= old_n; at += FRAME_BYTES) {
        size_t               cut = (at + SECTOR - 1) / SECTOR * SECTOR;
        struct store        *store = NULL;
        struct store_numbers numbers;

        if (cut >= at + FRAME_HEADER ||
            memcmp(before[1].bytes + at, after[1].bytes + at, FRAME_BYTES) == 0)
            continue;
        memcpy(torn[1].bytes, before[1].bytes, cut);
        memcpy(torn[1].bytes + cut, after[1].bytes + cut, after[1].n - cut);
        give_both(path, torn);
        assert_int_equal(open_path(path, STORE_WRITE, true, &store), ERR_none);
        assert_int_equal(store->ops->numbers(store, &numbers), ERR_none);
        assert_true(memcmp(&numbers.head, head, sizeof numbers.head) == 0 ||
                    memcmp(torn[1].bytes, after[1].bytes, after[1].n) == 0);
        store->ops->close(&store);
        tears++;
    }
    free(torn[1].bytes);
    return tears;
}

/* The log is written from its start again when all of it is in the file, and behind the new frames
 * lie old ones, marks of commits among them. */
static void test_torn_commit_over_older_ones_is_no_damage(void **state)
{
    struct world world;
    struct copy  copies[2][2];
    char         path[160];
    int          tears = 0;

    (void)state;
    world_open(&world, &store_sqlite, "torn");
    world_accounts(&world, 8);
    snprintf(path, sizeof path, "%s.torn", world.path);
    for (int i = 0; i < OLD_COMMITS; i++) { /* short ones, so that their marks lie close */
        world_audit(&world, "old");
        world_commit(&world);
    }
    assert_int_equal(world.ops->checkpoint(world.store), ERR_none);
    for (int i = 0; i < NEW_COMMITS; i++) {
        struct chain_head head = world.head;

        for (size_t side = 0; side < 2; side++)
            copies[0][side] = take(world.path, sides[side]);
        for (int j = 0; j < i % 5; j++)
            world_post_random(&world);
        world_post_random(&world);
        world_commit(&world);
        for (size_t side = 0; side < 2; side++)
            copies[1][side] = take(world.path, sides[side]);
        if (memcmp(copies[0][1].bytes, copies[1][1].bytes, LOG_HEADER) == 0)
            tears += tear_commit(path, copies[0], copies[1], &head);
        for (size_t k = 0; k < 4; k++)
            free(copies[k / 2][k % 2].bytes);
    }
    assert_true(tears > 10);
    give_both(path, (struct copy[2]){ { 0 }, { 0 } });
    snprintf(path, sizeof path, "%s.torn.lock", world.path);
    unlink(path);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_earlier_version_is_taken_over),
        cmocka_unit_test(test_newer_version_stays_byte_for_byte),
        cmocka_unit_test(test_each_alert_comes_with_its_own_loss),
        cmocka_unit_test(test_a_log_of_an_earlier_version_is_taken_over),
        cmocka_unit_test(test_damaged_file_is_never_served),
        cmocka_unit_test(test_damaged_log_is_never_cut_short),
        cmocka_unit_test(test_torn_commit_over_older_ones_is_no_damage),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
