/* What a group of changes comes to: each account's, party's, rollup cell's and day's row once.
 *
 * Many changes of one commit touch the same rows (the cash account, today's figures). A store
 * writes each such row once, in its last state; the group tells which rows, what must have been
 * true before the first change, and which change that was. Inside the group versions must follow
 * each other without a gap.
 *
 * Memory is taken once for the largest possible group. Pointers in the entries are into the
 * commit and are good as long as it is. One group belongs to one thread. */
#ifndef BANKD_STORE_GROUP_H
#define BANKD_STORE_GROUP_H

#include "bankd/store/store.h"

struct group_account {
    int64_t                      number;
    int64_t                      version_before; /* of the stored row, before the first change */
    size_t                       first;          /* index of that change */
    const struct account_change *last;
};

struct group_party {
    int64_t number;
    int64_t last_sequence;
    int64_t transactions; /* how many more */
    size_t  first;
};

struct group_day {
    int32_t day;
    int64_t min_sequence;
    int64_t max_sequence;
};

enum {
    GROUP_ACCOUNTS_MAX = LIMIT_BATCH_MAX * LIMIT_CHANGE_ACCOUNTS_MAX,
    GROUP_ROLLUPS_MAX = LIMIT_BATCH_MAX * LIMIT_CHANGE_ROLLUPS_MAX,
    GROUP_ACCOUNT_SLOTS = 8192,
    GROUP_ROLLUP_SLOTS = 65536,
    GROUP_SLOTS = 2048,
};

struct group_slot {
    uint64_t key;
    uint16_t entry; /* plus one; 0 = free */
};

struct group_index {
    struct group_slot *slots;
    uint32_t           size; /* a power of two */
    uint32_t           used_count;
    uint16_t          *used; /* which slots, so that clearing costs what was used */
};

struct group {
    size_t               account_count;
    size_t               party_count;
    size_t               day_count;
    size_t               rollup_count;
    struct group_account accounts[GROUP_ACCOUNTS_MAX];
    struct group_party   parties[LIMIT_BATCH_MAX];
    struct group_day     days[LIMIT_BATCH_MAX];
    struct rollup        rollups[GROUP_ROLLUPS_MAX];
    struct group_index   account_index, party_index, day_index, rollup_index;
    struct group_slot    account_slots[GROUP_ACCOUNT_SLOTS];
    struct group_slot    party_slots[GROUP_SLOTS];
    struct group_slot    day_slots[GROUP_SLOTS];
    struct group_slot    rollup_slots[GROUP_ROLLUP_SLOTS];
    uint16_t             account_used[GROUP_ACCOUNTS_MAX];
    uint16_t             party_used[LIMIT_BATCH_MAX];
    uint16_t             day_used[LIMIT_BATCH_MAX];
    uint16_t             rollup_used[GROUP_ROLLUPS_MAX];
};

ERR_MUST_USE enum err group_new(struct group **out);
void                  group_free(struct group **group);

/* Sums the commit up. ERR_changed_meanwhile and *failed when a change's version_before is not what
 * an earlier change of the group left. ERR_amount_overflow when a figure does not fit. Accounts
 * and rollups come out in the order of their keys. */
ERR_MUST_USE enum err group_build(struct group *group, const struct commit *commit, size_t *failed);

#endif
