/* A small bank to test and measure stores with: it plans postings as the writer does, in the
 * simplest way, and remembers what the records must be afterwards.
 *
 * A world writes through one handle. Account 1 is the bank's cash; 2 and up are customers'.
 * Whatever must not fail is a CHECK. */
#ifndef TESTS_LIB_WORLD_H
#define TESTS_LIB_WORLD_H

#include "bankd/store/store.h"
#include "tests/unit/random.h"

/* Room for everything that one change may point to. */
struct plan {
    struct change      change;
    struct transaction transaction;
    struct audit       audit;
    struct alert       alert;
    struct alert_hit   hit;
    struct label       label;
    struct user        user;
    struct customer    customer;
    struct account     account;
    struct party       party;
    struct rule_set    rule_set;
};

struct world {
    const struct store_ops *ops;
    struct store           *store;
    struct random           random;
    char                    folder[64]; /* of the database; empty in memory */
    char                    path[96];
    bool                    keep; /* remember every transaction */
    struct chain_head       head;
    struct chain_head       before; /* of the group that is being planned */
    size_t                  account_count;
    size_t                  account_capacity;
    struct account_book    *books; /* by number - 1 */
    size_t                  transaction_count;
    size_t                  transaction_capacity;
    struct transaction     *transactions; /* in the order of their sequences */
    size_t                  party_count;
    struct party            parties[64];
    size_t                  planned;
    struct plan            *plans;
    struct change          *changes[LIMIT_BATCH_MAX];
};

enum { WORLD_CURRENCY = 840, WORLD_PARTIES_MAX = 64, WORLD_CASH = 1 };
#define WORLD_BEGIN_US INT64_C(1700000000000000)

/* A new bank without any records; `name` tells the folders of two worlds apart. */
void world_open(struct world *world, const struct store_ops *ops, const char *name);
void world_close(struct world *world);
/* Opens another handle on the same records. */
struct store *world_handle(struct world *world, enum store_mode mode);

/* Makes the cash account and `count` customers' accounts, and commits them. */
void world_accounts(struct world *world, size_t count);
void world_parties(struct world *world, size_t count);

/* An empty plan for the next change of the group. */
struct plan *world_plan(struct world *world);
struct uuid  world_id(struct world *world);
int64_t      world_next(struct world *world); /* the next sequence */
/* Plans one posting with its rollups; the caller may still change what is not money. */
struct plan *world_post(struct world *world, int64_t debit, int64_t credit, int64_t amount,
                        int64_t at_us, int32_t status);
/* Plans a posting between two random accounts, with random fields. */
struct plan *world_post_random(struct world *world);
/* Plans an audit entry. */
struct plan *world_audit(struct world *world, const char *operation);
/* Applies what is planned, which must work; or may fail, and then the world is as before as far
 * as the chain's head goes. */
void     world_commit(struct world *world);
enum err world_try(struct world *world, size_t *failed);

#endif
