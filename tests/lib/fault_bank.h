/* A bank on the faulty disk, and a day's work for it: a script of posts and decisions, made from a
 * seed, that its clients repeat until each act is acknowledged. Opening deposits make every act
 * affordable in any order, so the books at the end do not depend on what failed on the way.
 *
 * The bank remembers of each act what its client knows: done (acknowledged), not done (refused
 * with an error that promises that nothing changed), or in doubt (no answer, or one that says so).
 * `fault_bank_check` proves a store against that, whatever the disk has been through. */
#ifndef TESTS_LIB_FAULT_BANK_H
#define TESTS_LIB_FAULT_BANK_H

#include "bankd/witness.h"
#include "bankd/writer.h"
#include "tests/lib/fault_vfs.h"
#include "tests/unit/random.h"

enum { FAULT_ACCOUNTS = 8, FAULT_ACTS_MAX = 400, FAULT_GROUP_MAX = 8 };

/* A post, or the decision on one that was held. */
struct fault_act {
    struct uuid id;
    int         from, to; /* index of the account; -1 = cash or a party */
    bool        party;
    int64_t     amount;
    int         decides; /* index of the post; -1 = this is one */
    bool        release;
    int         group;
};

enum fault_known { FAULT_NOT_DONE = 0, FAULT_DONE = -1 }; /* above 0: in doubt with that commit */

struct fault_bank {
    struct clock       clock;
    int64_t            now_us;
    struct bank        bank;
    struct store      *store;  /* NULL while it is closed */
    struct store      *reader; /* checkpoints and reads beside the writer */
    struct writer     *writer;
    struct witness    *witness;
    int64_t            witnessed; /* times that it was written */
    uint8_t            sign_public[32], sign_secret[64];
    char               folder[64], path[80];
    int64_t            accounts[FAULT_ACCOUNTS];
    struct fault_act   acts[FAULT_ACTS_MAX];
    int                known[FAULT_ACTS_MAX];
    size_t             act_count, post_count;
    int                group_count;
    int                commits; /* tried */
    struct fault       fault;   /* of the last error */
    int64_t            errors[ERR_count];
    struct fault_disk *base; /* the bank before its first post */
};

/* What clients know at a moment, kept beside a disk of that moment. */
struct fault_memory {
    int known[FAULT_ACTS_MAX];
};

/* Makes the bank on an empty disk, and a script of so many posts. */
struct fault_bank *fault_bank_make(size_t posts, const char *test);
void               fault_bank_free(struct fault_bank **bank);

/* Opens store, reader and writer on the disk as it is. Expected errors are returned. */
enum err fault_bank_open(struct fault_bank *bank);
void     fault_bank_close(struct fault_bank *bank);
/* The bank as it was before its first post, closed. */
void fault_bank_reset(struct fault_bank *bank);

/* Plans what is not done of a group and commits it, once; then what the daemon does beside:
 * saves profiles, checkpoints, reads. The first error comes back; fails the test when it is one
 * that no client should see. */
enum err fault_bank_group(struct fault_bank *bank, int group);
/* Groups `from` and later, each repeated until it is done; faults are over when tries run out. */
void fault_bank_finish(struct fault_bank *bank, int from);

void fault_bank_remember(const struct fault_bank *bank, struct fault_memory *out);
/* Clients take up what they knew. */
void fault_bank_recall(struct fault_bank *bank, const struct fault_memory *memory);

/* The books prove themselves, and agree with what clients know. */
void fault_bank_check(struct fault_bank *bank);
/* The disk and the memory of a moment come back, the bank being closed. */
void fault_bank_wake(struct fault_bank *bank, const struct fault_disk *disk,
                     const struct fault_memory *memory);
/* Opens, checks, finishes the day, checks again and closes. */
void fault_bank_live(struct fault_bank *bank);
/* Both. */
void fault_bank_relive(struct fault_bank *bank, const struct fault_disk *disk,
                       const struct fault_memory *memory);

#endif
