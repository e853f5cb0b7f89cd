/* Makes a bank to measure with: customers' accounts with money on them, and so many transactions
 * of history, all through the writer as bankd itself would.
 *
 *   bench_fill DIRECTORY ACCOUNTS TRANSACTIONS
 *
 * The user is bench@bank.test with the password bench-password; account ids follow from their
 * index (bench_id.h), so that a load generator needs no list of them. */
#include "bankd/auth.h"
#include "bankd/home.h"
#include "bankd/options.h"
#include "common/check.h"
#include "tests/bench/bench_id.h"
#include "tests/unit/random.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPENING = 100000000, FILL_GROUP = 500, LOG_PAGES_MAX = 16000 };

static void must(enum err err, const struct fault *fault)
{
    if (err == ERR_none)
        return;
    fprintf(stderr, "bench_fill: %s %s\n", err_name(err), fault->text);
    exit(1);
}

/* Nobody else moves the log into the file here, and one that has grown to gigabytes is slow. */
static void commit_when_full(struct writer *writer, struct fault *fault)
{
    struct store       *store = writer_store(writer);
    struct store_health health;

    if (writer_planned(writer) < FILL_GROUP)
        return;
    must(writer_commit(writer, fault), fault);
    must(store->ops->health(store, &health), fault);
    if (health.log_pages > LOG_PAGES_MAX)
        must(store->ops->checkpoint(store), fault);
}

static void add_user(struct writer *writer)
{
    struct draft *draft = writer_draft(writer);
    struct act    act = { .actor_name = "bench", .kind = AUDIT_ACTION, .operation = "user.add" };

    memset(&draft->user, 0, sizeof draft->user);
    draft->user.number = writer_next_user(writer);
    draft->user.user_id = uuid_v7(writer_now_us(writer));
    draft->user.role = ROLE_FINANCIAL_MANAGER;
    memcpy(draft->user.email, "bench@bank.test", 16);
    memcpy(draft->user.name, "Bench", 6);
    must(auth_hash("bench-password", 14, draft->user.password_hash), NULL);
    draft->change.user = &draft->user;
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
}

static int64_t add_account(struct writer *writer, int64_t index, int64_t created_us)
{
    struct draft *draft = writer_draft(writer);
    struct act act = { .actor_name = "bench", .kind = AUDIT_ACTION, .operation = "account.create" };

    memset(&draft->account, 0, sizeof draft->account);
    draft->account.book = (struct account_book){ .number = writer_next_account(writer),
                                                 .account_id = bench_account_id(index),
                                                 .kind = ACCOUNT_CUSTOMER,
                                                 .status = ACCOUNT_ACTIVE,
                                                 .currency = 840,
                                                 .version = 1,
                                                 .overdraft_limit = OPENING * INT64_C(100),
                                                 .created_at_us = created_us };
    snprintf(draft->account.name, sizeof draft->account.name, "Bench account %lld",
             (long long)index);
    draft->change.account = &draft->account;
    writer_rollup(draft, ROLLUP_ALL, 0, 840, METRIC_ACCOUNTS + ACCOUNT_ACTIVE, 1, 0);
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    return draft->account.book.number;
}

static void add_history(struct writer *writer, int64_t first, int64_t accounts, int64_t rows,
                        int64_t end_us, struct fault *fault)
{
    struct random random = random_start("bench_fill");
    struct posted posted;

    for (int64_t i = 0; i < rows; i++) {
        int64_t     at_us = end_us - (rows - i) * (90 * US_PER_DAY / (rows + 1));
        struct post post = { .transaction_id = uuid_v7(at_us),
                             .type = TYPE_TRANSFER,
                             .currency = 840,
                             .account = first + (int64_t)random_below(&random, (uint64_t)accounts),
                             .amount = 100 + (int64_t)random_below(&random, 100000),
                             .at_us = at_us,
                             .history = true };

        post.other = first + (post.account - first + 1 +
                              (int64_t)random_below(&random, (uint64_t)accounts - 1)) %
                                 accounts;
        must(writer_post(writer, &post, &posted, fault), fault);
        commit_when_full(writer, fault);
        if (rows >= 10 && (i + 1) % (rows / 10) == 0)
            fprintf(stderr, "bench_fill: %lld transactions\n", (long long)i + 1);
    }
    must(writer_commit(writer, fault), fault);
}

int main(int argc, char **argv)
{
    static struct conf conf;
    static struct home home;
    char *arguments[] = { argv[0], (char[]){ "--data-dir" }, argc > 1 ? argv[1] : NULL, NULL };
    int   count = 3;
    struct fault   fault = { 0 };
    struct writer *writer;
    int64_t        accounts = argc > 2 ? bench_number(argv[2]) : 0;
    int64_t        rows = argc > 3 ? bench_number(argv[3]) : 0;
    int64_t        first = 0;
    int64_t        now_us = clock_system()->now_us(clock_system());

    if (argc != 4 || accounts < 2 || sodium_init() < 0) {
        fprintf(stderr, "usage: bench_fill DIRECTORY ACCOUNTS TRANSACTIONS\n");
        return 2;
    }
    must(options_load(&conf, &count, arguments, &fault), &fault);
    must(home_create(&conf, &fault), &fault);
    must(home_open(&conf, STORE_WRITE, true, &home, &fault), &fault);
    must(home_writer(&home, clock_system(), &writer, &fault), &fault);
    add_user(writer);
    for (int64_t i = 0; i < accounts; i++) {
        int64_t number = add_account(writer, i, now_us - 400 * US_PER_DAY);

        first = first == 0 ? number : first;
        commit_when_full(writer, &fault);
    }
    must(writer_commit(writer, &fault), &fault);
    add_history(writer, first, accounts, rows, now_us, &fault);
    writer_close(&writer);
    home_close(&home);
    return 0;
}
