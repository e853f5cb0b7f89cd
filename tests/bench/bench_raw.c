/* The reference for posts: the same rows in the same tables and indexes of a bank's file, written
 * by bare SQLite statements in this process, without questions, sums, screening or chain.
 *
 *   bench_raw DATABASE SECONDS GROUP
 *
 * Each post is a transaction's row between two random customers' accounts and their two balances;
 * GROUP posts are one commit with synchronous=FULL, and the log is moved into the file at 16,000
 * pages. The bank's books do not add up afterwards: give it a bank of its own. Prints one line of
 * key=value: posts, per_second, cpu_us of one post, bytes written for one post. */
#include "common/check.h"
#include "common/clock.h"
#include "tests/bench/bench_id.h"
#include "tests/unit/random.h"

#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct raw {
    sqlite3      *db;
    sqlite3_stmt *insert, *update, *head;
    int64_t       sequence;
    int64_t       first, accounts;
    struct random random;
};

static void exec(struct raw *raw, const char *sql)
{
    CHECK(sqlite3_exec(raw->db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

static sqlite3_stmt *prepare(struct raw *raw, const char *sql)
{
    sqlite3_stmt *statement;

    CHECK(sqlite3_prepare_v3(raw->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) ==
          SQLITE_OK);
    return statement;
}

static void run(sqlite3_stmt *statement)
{
    CHECK(sqlite3_step(statement) == SQLITE_DONE);
    sqlite3_reset(statement);
}

static int64_t number(struct raw *raw, const char *sql)
{
    sqlite3_stmt *statement = prepare(raw, sql);
    int64_t       value;

    CHECK(sqlite3_step(statement) == SQLITE_ROW);
    value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static void open_raw(struct raw *raw, const char *path)
{
    CHECK(sqlite3_open_v2(path, &raw->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
          SQLITE_OK);
    exec(raw, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 16000; "
              "PRAGMA cache_size = -65536; PRAGMA journal_mode = WAL");
    raw->insert = prepare(raw, "INSERT INTO transactions VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"
                               "?,?,?,?,?,?,?,?,?,?,?,?,?)");
    raw->update = prepare(raw, "UPDATE balance SET balance = balance + ?2, version = version + 1, "
                               "last_sequence = ?3, last_at_us = ?4, "
                               "transactions = transactions + 1 WHERE account = ?1");
    raw->head = prepare(raw, "UPDATE head SET sequence = ?1, hash = ?2");
    raw->sequence = number(raw, "SELECT sequence FROM head");
    raw->first = number(raw, "SELECT min(number) FROM account WHERE kind = 1");
    raw->accounts = number(raw, "SELECT count(*) FROM account WHERE kind = 1");
    raw->random = (struct random){ .state = (uint64_t)raw->sequence };
}

static void write_balance(struct raw *raw, int64_t account, int64_t amount, int64_t at_us)
{
    sqlite3_bind_int64(raw->update, 1, account);
    sqlite3_bind_int64(raw->update, 2, amount);
    sqlite3_bind_int64(raw->update, 3, raw->sequence);
    sqlite3_bind_int64(raw->update, 4, at_us);
    run(raw->update);
}

static void write_post(struct raw *raw)
{
    int64_t     at_us = clock_system()->now_us(clock_system());
    struct uuid id = uuid_v7(at_us);
    int64_t     debit = (int64_t)random_below(&raw->random, (uint64_t)raw->accounts);
    int64_t     credit =
        (debit + 1 + (int64_t)random_below(&raw->random, (uint64_t)raw->accounts - 1)) %
        raw->accounts;
    int64_t       amount = 100 + (int64_t)random_below(&raw->random, 5000);
    uint8_t       bytes[60];
    const int64_t numbers[] = { ++raw->sequence,    3, 1, 0, 840, amount, at_us, raw->first + debit,
                                raw->first + credit };

    randombytes_buf(bytes, sizeof bytes);
    for (int i = 0; i < (int)ARRAY_COUNT(numbers); i++)
        sqlite3_bind_int64(raw->insert, i + 1, numbers[i]);
    sqlite3_bind_int64(raw->insert, 10, raw->sequence / 2);
    sqlite3_bind_int64(raw->insert, 11, raw->sequence / 3);
    sqlite3_bind_blob(raw->insert, 12, id.bytes, sizeof id.bytes, SQLITE_STATIC);
    for (int i = 13; i <= 26; i++)
        sqlite3_bind_int64(raw->insert, i, i == 17 || i == 19 || i == 20 ? at_us : 0);
    sqlite3_bind_text(raw->insert, 27, "", 0, SQLITE_STATIC);
    sqlite3_bind_text(raw->insert, 28, "a payment of the load", -1, SQLITE_STATIC);
    sqlite3_bind_blob(raw->insert, 29, bytes, sizeof bytes, SQLITE_STATIC);
    sqlite3_bind_blob(raw->insert, 30, bytes, 32, SQLITE_STATIC);
    run(raw->insert);
    write_balance(raw, raw->first + debit, -amount, at_us);
    write_balance(raw, raw->first + credit, amount, at_us);
}

static void write_group(struct raw *raw, int64_t group)
{
    exec(raw, "BEGIN IMMEDIATE");
    for (int64_t i = 0; i < group; i++)
        write_post(raw);
    sqlite3_bind_int64(raw->head, 1, raw->sequence);
    sqlite3_bind_zeroblob(raw->head, 2, 32);
    run(raw->head);
    exec(raw, "COMMIT");
}

static int64_t cpu_us(void)
{
    struct timespec spent;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return spent.tv_sec * US_PER_SECOND + spent.tv_nsec / 1000;
}

static int64_t bytes_written(void)
{
    FILE     *file = fopen("/proc/self/io", "re");
    char      line[128];
    long long bytes = 0;

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "write_bytes: %lld", &bytes) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return bytes;
}

int main(int argc, char **argv)
{
    static struct raw raw;
    int64_t           posts = 0;
    int64_t           begin_us, took_us, cpu, bytes, group;

    if (argc != 4 || sodium_init() < 0) {
        fprintf(stderr, "usage: bench_raw DATABASE SECONDS GROUP\n");
        return 2;
    }
    open_raw(&raw, argv[1]);
    group = bench_number(argv[3]);
    begin_us = clock_system()->monotonic_us(clock_system());
    cpu = cpu_us();
    bytes = bytes_written();
    do {
        write_group(&raw, group);
        posts += group;
        took_us = clock_system()->monotonic_us(clock_system()) - begin_us;
    } while (took_us < bench_number(argv[2]) * US_PER_SECOND);
    printf("posts=%lld per_second=%lld cpu_us=%.2f bytes=%lld\n", (long long)posts,
           (long long)(posts * US_PER_SECOND / took_us), (double)(cpu_us() - cpu) / (double)posts,
           (long long)((bytes_written() - bytes) / posts));
    sqlite3_finalize(raw.insert);
    sqlite3_finalize(raw.update);
    sqlite3_finalize(raw.head);
    sqlite3_close(raw.db);
    return 0;
}
