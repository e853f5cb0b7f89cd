/* A small bank for tests of what reads: seeded at random but the same each time, kept in a store
 * and, beside it, in plain arrays. A test asks a handler and recounts the arrays by brute force.
 *
 * The seed plans its changes by itself, from the model's definitions and the ledger's pure
 * functions and without the daemon's writer, so that a mistake of the writer cannot hide one of
 * the readers. */
#ifndef TESTS_LIB_SEED_H
#define TESTS_LIB_SEED_H

#include "bankd/bank.h"
#include "bankd/request.h"

enum seed_kind { SEED_MEMORY, SEED_SQLITE };

enum {
    SEED_USERS = 3,
    SEED_CUSTOMERS = 40,
    SEED_ACCOUNTS_MAX = 96,
    SEED_PARTIES = 5,
    SEED_TRANSACTIONS_MAX = 2000,
    SEED_ALERTS_MAX = 2000,
    SEED_AUDITS_MAX = 2000,
    SEED_GROUP = 64,
    SEED_USD = 840,
    SEED_JPY = 392,
};

struct seed {
    struct store       *store;
    char                folder[64];
    struct bank         bank;
    struct fraud_rules *rules;
    uint64_t            random;
    size_t  parties_in_use; /* among how many parties payments choose; SEED_PARTIES at first */
    int64_t now_us;         /* of requests: after everything that was seeded */

    /* What is in the store, as of now. A record's number is its index + 1. */
    struct user        users[SEED_USERS];
    struct customer    customers[SEED_CUSTOMERS];
    size_t             customer_count;
    struct account     accounts[SEED_ACCOUNTS_MAX];
    size_t             account_count;
    struct party       parties[SEED_PARTIES];
    size_t             party_count;
    struct transaction transactions[SEED_TRANSACTIONS_MAX]; /* in the order of their sequence */
    size_t             transaction_count;
    struct alert       alerts[SEED_ALERTS_MAX];
    struct alert_hit   hits[SEED_ALERTS_MAX]; /* one of each alert: none joins another here */
    size_t             alert_count;
    struct audit       audits[SEED_AUDITS_MAX]; /* in the order of their sequence */
    size_t             audit_count;
    struct chain_head  head;
    /* Live profiles by entity: each observed its transactions one by one as they came. */
    struct fraud_profile profiles[2 * (SEED_ACCOUNTS_MAX + 2)];

    /* Changes that wait for the next commit. */
    struct chain_head before;
    struct change     pending[SEED_GROUP];
    size_t            pending_count;

    /* The store's table while its scans are short. */
    const struct store_ops *honest;
    struct store_ops        short_sighted;

    /* The request at hand. */
    struct arena   arena;
    struct fault   fault;
    struct request request;
};

/* A bank with users, customers, accounts and rules, and no transaction. */
struct seed *seed_open(enum seed_kind kind);
void         seed_close(struct seed **seed);
/* Posts so many transactions over 40 days, then decides, flags, freezes and reverses some. */
void seed_fill(struct seed *seed, size_t transactions);

/* Runs the tests on each store, as cmocka's state a bank that has been filled with so many. */
#define SEED_RUN(tests, transactions)                                                              \
    (seed_will_fill(transactions),                                                                 \
     cmocka_run_group_tests_name("memory", tests, seed_group_memory, seed_group_end) +             \
         cmocka_run_group_tests_name("sqlite", tests, seed_group_sqlite, seed_group_end))
void seed_will_fill(size_t transactions);
int  seed_group_memory(void **state);
int  seed_group_sqlite(void **state);
int  seed_group_end(void **state);

/* Saves a live profile as it is now, as a writer does behind its commits. */
void seed_save_profile(struct seed *seed, int64_t entity);

/* From now on the store looks at so few rows in one call that walks are cut; 0 = no more. */
void seed_short_scans(struct seed *seed, int64_t rows);

uint64_t seed_below(struct seed *seed, uint64_t below);

/* Runs a handler as the daemon does, with a fresh arena, and checks the reply against its
 * description: SEED_ASK(seed, account, get, &in, &out). */
#define SEED_ASK(seed, family, verb, in, out)                                                      \
    (seed_begin((seed), OP_INDEX_##family##_##verb, (out)),                                        \
     seed_end((seed), op_##family##_##verb(&(seed)->request, (in), (out)), (out)))
void     seed_begin(struct seed *seed, enum op_index op, void *out);
enum err seed_end(struct seed *seed, enum err err, const void *out);

#endif
