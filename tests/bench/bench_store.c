/* Postings per second that the store takes in groups of 512, beside the same rows written by bare
 * SQLite statements without conditions or sums: what the store's promises cost.
 *
 * usage: bench_store [POSTINGS]; BANK_TEST_DIR says on which disk. A second thread moves the log
 * into the file, as in the daemon. Reports posts/s of each round, the two taking turns. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/check.h"
#include "common/clock.h"
#include "tests/lib/world.h"

enum { GROUP = 512, ROUNDS = 3, LOG_PAGES_MAX = 16000 };

struct mover {
    struct store   *store;
    pthread_mutex_t lock;
    pthread_cond_t  wake;
    bool            wanted;
    bool            stop;
};

static void *mover_run(void *context)
{
    struct mover *mover = context;

    pthread_mutex_lock(&mover->lock);
    while (!mover->stop) {
        if (!mover->wanted) {
            pthread_cond_wait(&mover->wake, &mover->lock);
            continue;
        }
        pthread_mutex_unlock(&mover->lock);
        CHECK(mover->store->ops->checkpoint(mover->store) == ERR_none);
        pthread_mutex_lock(&mover->lock);
        mover->wanted = false;
    }
    pthread_mutex_unlock(&mover->lock);
    return NULL;
}

static void mover_tell(struct mover *mover, bool stop)
{
    pthread_mutex_lock(&mover->lock);
    mover->wanted = true;
    mover->stop = stop;
    pthread_cond_signal(&mover->wake);
    pthread_mutex_unlock(&mover->lock);
}

static double now_s(void)
{
    return (double)clock_system()->monotonic_us(clock_system()) / 1e6;
}

static double cpu_s(void)
{
    struct timespec spent;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return (double)spent.tv_sec + (double)spent.tv_nsec / 1e9;
}

static void plan_group(struct world *world)
{
    for (int i = 0; i < GROUP; i++) {
        struct plan *plan = world_post_random(world);

        plan->transaction.status = STATUS_COMPLETED;
        plan->transaction.initial_status = STATUS_COMPLETED;
        plan->transaction.flagged = false;
        plan->transaction.amount *= 1 + world->head.sequence % 997;
        plan->transaction.at_us = WORLD_BEGIN_US + world->head.sequence * 20000;
        plan->transaction.decision_size = 60;
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    const double *left = a;
    const double *right = b;

    return *left < *right ? -1 : *left > *right;
}

static bool fill_page(void *context, const void *row)
{
    (void)row;
    return --*(int *)context > 0;
}

static void read_book(struct world *world, struct store *store, uint64_t random)
{
    struct account_book        book;
    const struct account_book *wanted = &world->books[random % world->account_count];

    CHECK(store->ops->book_by_id(store, &wanted->account_id, &book) == ERR_none);
}

static void read_history(struct world *world, struct store *store, uint64_t random)
{
    struct transaction_filter filter = { 0 };
    int                       room = 50;

    filter.from_sequence = 1 + (int64_t)(random % (uint64_t)world->head.sequence);
    CHECK(store->ops->transactions(store, &filter, fill_page, &room, NULL) == ERR_none);
}

static void read_account_page(struct world *world, struct store *store, uint64_t random)
{
    struct transaction_filter filter = { 0 };
    int                       room = 50;

    filter.account = 1 + (int64_t)(random % world->account_count);
    CHECK(store->ops->transactions(store, &filter, fill_page, &room, NULL) == ERR_none);
}

static void read_figures(struct world *world, struct store *store, uint64_t random)
{
    int32_t             day = (int32_t)time_day(WORLD_BEGIN_US);
    struct rollup_range range = {
        .scale = ROLLUP_DAY, .bucket_from = day - 30, .bucket_to = day, .currency = WORLD_CURRENCY
    };
    int room = 100000;

    (void)world;
    (void)random;
    CHECK(store->ops->rollups(store, &range, fill_page, &room) == ERR_none);
}

static void scan_all(struct world *world, struct store *store, uint64_t random)
{
    struct transaction_filter filter = { .amount_min = INT64_MAX };
    int                       room = 1;

    (void)world;
    (void)random;
    CHECK(store->ops->transactions(store, &filter, fill_page, &room, NULL) == ERR_none);
}

static void bench_read(struct world *world, struct store *store, const char *name,
                       void (*read)(struct world *, struct store *, uint64_t), size_t rounds)
{
    double *took = calloc(rounds, sizeof *took);

    CHECK(took != NULL);
    for (size_t i = 0; i < rounds; i++) {
        double before = now_s();

        read(world, store, random_next(&world->random));
        took[i] = now_s() - before;
    }
    qsort(took, rounds, sizeof *took, by_size);
    printf("read   %-24s p50 %8.1f us, p99 %8.1f us\n", name, took[rounds / 2] * 1e6,
           took[rounds * 99 / 100] * 1e6);
    free(took);
}

static void bench_reads(struct world *world, struct store *reader)
{
    bench_read(world, reader, "book by id", read_book, 2000);
    bench_read(world, reader, "page of the history", read_history, 2000);
    bench_read(world, reader, "page of an account", read_account_page, 2000);
    bench_read(world, reader, "figures of 30 days", read_figures, 2000);
    bench_read(world, reader, "scan that finds nothing", scan_all, 3);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Only apply is timed, not the planning. */
static void bench_store(size_t accounts, int postings, bool with_reads)
{
    struct world world;
    struct mover mover = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };
    struct store_health health = { 0 };
    pthread_t           thread;
    double              spent = 0;
    double              cpu = 0;
    double              longest = 0;

    world_open(&world, &store_sqlite, __func__);
    world.keep = false;
    world_accounts(&world, accounts);
    world_parties(&world, WORLD_PARTIES_MAX);
    mover.store = world_handle(&world, STORE_READ);
    CHECK(pthread_create(&thread, NULL, mover_run, &mover) == 0);
    for (int done = 0; done < postings; done += GROUP) {
        double wall_before, cpu_before, took;

        plan_group(&world);
        wall_before = now_s();
        cpu_before = cpu_s();
        world_commit(&world);
        took = now_s() - wall_before;
        longest = took > longest ? took : longest;
        spent += took;
        cpu += cpu_s() - cpu_before;
        CHECK(world.ops->health(world.store, &health) == ERR_none);
        if (health.log_pages > LOG_PAGES_MAX)
            mover_tell(&mover, false);
    }
    mover_tell(&mover, true);
    pthread_join(thread, NULL);
    printf("store  %7zu accounts: %8.0f posts/s, %5.1f us CPU/post, longest commit %.0f ms, "
           "log %lld pages\n",
           accounts, postings / spent, cpu / postings * 1e6, longest * 1e3,
           (long long)health.log_pages);
    if (with_reads)
        bench_reads(&world, mover.store);
    world.ops->close(&mover.store);
    world_close(&world);
}

/* --- the same rows, bare --------------------------------------------------------------------- */

struct bare {
    sqlite3      *db;
    sqlite3_stmt *insert, *update;
};

static void bare_exec(struct bare *bare, const char *sql)
{
    CHECK(sqlite3_exec(bare->db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

static sqlite3_stmt *bare_prepare(struct bare *bare, const char *sql)
{
    sqlite3_stmt *statement;

    CHECK(sqlite3_prepare_v3(bare->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) ==
          SQLITE_OK);
    return statement;
}

static void bare_run(sqlite3_stmt *statement)
{
    CHECK(sqlite3_step(statement) == SQLITE_DONE);
    sqlite3_reset(statement);
}

static void bare_posting(struct bare *bare, const struct plan *plan)
{
    const struct transaction *t = &plan->transaction;
    const int64_t numbers[] = { t->sequence, t->type,           t->status,         t->flagged,
                                t->currency, t->amount,         t->at_us,          t->debit,
                                t->credit,   t->debit_previous, t->credit_previous };

    for (int i = 0; i < (int)ARRAY_COUNT(numbers); i++)
        sqlite3_bind_int64(bare->insert, i + 1, numbers[i]);
    sqlite3_bind_blob(bare->insert, 12, t->transaction_id.bytes, 16, SQLITE_STATIC);
    for (int i = 13; i <= 26; i++)
        sqlite3_bind_int64(bare->insert, i, t->posted_at_us);
    sqlite3_bind_text(bare->insert, 27, t->external_id, -1, SQLITE_STATIC);
    sqlite3_bind_text(bare->insert, 28, t->description, -1, SQLITE_STATIC);
    sqlite3_bind_blob(bare->insert, 29, t->decision, t->decision_size, SQLITE_STATIC);
    sqlite3_bind_blob(bare->insert, 30, t->hash, 32, SQLITE_STATIC);
    bare_run(bare->insert);
    for (size_t i = 0; i < plan->change.account_count; i++) {
        const struct account_book *book = &plan->change.accounts[i].after;
        const int64_t              values[] = {
                         book->number,        book->balance,    book->held,         book->version,
                         book->last_sequence, book->last_at_us, book->transactions,
        };

        for (int j = 0; j < (int)ARRAY_COUNT(values); j++)
            sqlite3_bind_int64(bare->update, j + 1, values[j]);
        bare_run(bare->update);
    }
}

static void bare_open(struct bare *bare, const char *path)
{
    CHECK(sqlite3_open_v2(path, &bare->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
          SQLITE_OK);
    bare_exec(bare, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 16000; "
                    "PRAGMA cache_size = -32768");
    bare->insert = bare_prepare(bare, "INSERT INTO transactions VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,"
                                      "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    bare->update = bare_prepare(bare, "UPDATE balance SET balance = ?2, held = ?3, version = ?4, "
                                      "last_sequence = ?5, last_at_us = ?6, transactions = ?7 "
                                      "WHERE account = ?1");
}

static void bare_close(struct bare *bare)
{
    sqlite3_finalize(bare->insert);
    sqlite3_finalize(bare->update);
    sqlite3_close(bare->db);
}

static void bench_bare(size_t accounts, int postings)
{
    struct world world;
    struct bare  bare;
    double       spent = 0;
    double       cpu = 0;

    world_open(&world, &store_sqlite, __func__);
    world.keep = false;
    world_accounts(&world, accounts);
    world_parties(&world, WORLD_PARTIES_MAX);
    bare_open(&bare, world.path);
    for (int done = 0; done < postings; done += GROUP) {
        double wall_before, cpu_before;

        plan_group(&world);
        wall_before = now_s();
        cpu_before = cpu_s();
        bare_exec(&bare, "BEGIN IMMEDIATE");
        for (size_t i = 0; i < GROUP; i++)
            bare_posting(&bare, &world.plans[i]);
        bare_exec(&bare, "COMMIT");
        spent += now_s() - wall_before;
        cpu += cpu_s() - cpu_before;
        world.planned = 0;
    }
    printf("bare   %7zu accounts: %8.0f posts/s, %5.1f us CPU/post\n", accounts, postings / spent,
           cpu / postings * 1e6);
    bare_close(&bare);
    world_close(&world);
}

int main(int argc, char **argv)
{
    int postings = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 200 * 1000;

    for (int round = 0; round < ROUNDS; round++) {
        bench_bare(10 * 1000, postings);
        bench_store(10 * 1000, postings, false);
        bench_bare(100 * 1000, postings);
        bench_store(100 * 1000, postings, round == ROUNDS - 1);
    }
    return 0;
}
