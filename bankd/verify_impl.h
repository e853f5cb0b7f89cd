/* The inside of the proof, shared by the verify_*.c files. See verify.h. */
#ifndef BANKD_VERIFY_IMPL_H
#define BANKD_VERIFY_IMPL_H

#include "bankd/verify.h"

/* A map from int64_t keys to entries that begin with their key. It only grows; an entry's place
 * is good until the next one is made. */
struct verify_map {
    size_t    entry_size;
    size_t    count;
    size_t    capacity;
    char     *entries;
    uint32_t *slots; /* 1 + index; 0 = free */
    size_t    slot_count;
};

void  verify_map_init(struct verify_map *map, size_t entry_size);
void  verify_map_free(struct verify_map *map);
void *verify_map_find(const struct verify_map *map, int64_t key); /* NULL when absent */
/* Found or new and zeroed but for its key; NULL when there is no memory. */
void *verify_map_make(struct verify_map *map, int64_t key);
void *verify_map_at(const struct verify_map *map, size_t index);

/* An account as it is stored and as it comes out of the chain. */
struct verify_account {
    struct account_book stored; /* number 0 = there is none */
    int64_t             balance;
    int64_t             held;
    int64_t             last_sequence;
    int64_t             last_at_us;
    int64_t             transactions;
    int32_t             profile; /* 1 + index; 0 = not looked at */
};

struct verify_party {
    int64_t stored_sequence;
    int64_t stored_transactions;
    int64_t last_sequence;
    int64_t transactions;
    int32_t profile;
    bool    known;
};

/* A saved profile: what was saved, and the same made again. */
struct verify_profile {
    int64_t              entity;
    int64_t              saved_sequence;
    uint64_t             saved_digest;
    bool                 reached; /* saved_sequence lies on the entity's chain */
    bool                 passed;  /* so does a later transaction */
    struct fraud_profile made;
};

/* An alert as it is stored, and what its hits make of it. */
struct verify_alert {
    int64_t key; /* number */
    int64_t account;
    int64_t transaction;
    int32_t state;
    int32_t score;
    int64_t expected_loss;
    int64_t hits;
    int64_t made_hits; /* as they come out of the pass, in the order of the ledger */
    int64_t made_transaction;
    int32_t made_score;
    int64_t made_loss; /* of those that wait */
    int64_t made_waiting;
};

struct verify_hit {
    int64_t transaction;
    int64_t alert;
    int64_t loss;
    int32_t number;
    int32_t score;
    bool    waits;
    bool    seen;
};

struct verify_set { /* by transaction: what the audit log last made of it */
    int64_t transaction;
    int32_t status; /* 0 = untouched */
    int32_t flag;   /* 0 = untouched, 1 flagged, 2 not */
};

struct verify_version { /* of the rules, as the audit log made it; see verify_rules.c */
    uint8_t hash[CHAIN_HASH_BYTES];
    int32_t state;
    int64_t author;
    int64_t approver;
};

struct verify_sparing { /* by number of a suppression's record, as the audit log made it */
    int64_t number;
    int64_t author;
    int64_t approver; /* 0 = nobody */
};

struct verify_mark { /* by number of a record: what the audit log last said of it */
    int64_t number;
    uint8_t mark[RECORD_MARK_BYTES];
    bool    known;
};

struct verify_status { /* by account id: what the audit log last made of it */
    int64_t key;
    int32_t status;
};

struct verify_cell {
    int64_t           key;
    struct rollup_key place;
    int64_t           count;
    int64_t           amount;
    bool              seen;
};

struct verify_day {
    int64_t key; /* day */
    int64_t min_sequence;
    int64_t max_sequence;
};

struct verify_top {
    int64_t  key; /* day and currency */
    int32_t  day;
    uint16_t currency;
    size_t   count;
    struct {
        int64_t amount;
        int64_t sequence;
    } rows[LIMIT_TOP_PER_DAY];
};

struct verify {
    struct store         *store;
    struct bank          *bank;
    const uint8_t        *sign_public;
    FILE                 *talk;
    struct verify_report *report;
    struct fault         *fault;

    int64_t                   last;          /* newest sequence that is there */
    struct chain_head         head;          /* as recomputed */
    size_t                    account_count; /* size of the array: numbers 0 .. count - 1 */
    struct verify_account    *accounts;
    size_t                    party_count;
    struct verify_party      *parties;
    size_t                    profile_count;
    struct verify_profile    *profiles;
    size_t                    hit_count;
    size_t                    hit_capacity;
    struct verify_hit        *hits; /* sorted by transaction */
    int64_t                   alerts_open;
    size_t                    head_count;
    size_t                    head_capacity;
    struct signed_head       *heads;
    size_t                    version_count;
    size_t                    version_capacity;
    struct verify_version    *versions;       /* by number, from 1 */
    int64_t                   rules_active;   /* in force where the pass is; 0 = none */
    bool                      rules_proposed; /* there was a proposal */
    uint8_t                  *is_transaction; /* bits by sequence */
    uint8_t                  *is_audit;
    struct verify_map         alerts;
    struct verify_map         sets;
    struct verify_map         statuses;
    struct verify_map         marks;
    struct verify_map         sparings;
    struct verify_map         cells;
    struct verify_map         days;
    struct verify_map         tops;
    const struct fraud_rules *rules;
    int64_t                   rules_number;
    enum err                  failed; /* of a visitor */
};

static inline bool verify_bit(const uint8_t *bits, int64_t at)
{
    return (bits[at / 8] >> (at % 8) & 1) != 0;
}

/* Tells a problem, or a warning, which is no proof against the books. */
void verify_problem(struct verify *verify, enum verify_item item, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void verify_warning(struct verify *verify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

int64_t verify_account_key(const struct uuid *id);
/* Adds to a cell; false when there is no memory. */
bool verify_count(struct verify *verify, uint8_t scale, int64_t bucket, uint16_t currency,
                  uint16_t metric, int64_t count, int64_t amount);

/* verify_load.c: what is stored, read into memory before the pass. */
ERR_MUST_USE enum err verify_load(struct verify *verify);
/* verify_chain.c: the pass. */
ERR_MUST_USE enum err verify_chain(struct verify *verify);
/* verify_row.c: one transaction within the pass. */
ERR_MUST_USE enum err verify_row(struct verify *verify, const struct transaction *row);
ERR_MUST_USE enum err verify_row_figures(struct verify *verify, const struct transaction *row,
                                         bool raised);
ERR_MUST_USE enum err verify_row_profiles(struct verify *verify, const struct transaction *row);
/* What profiles make of a release, by its audit entry. */
void verify_row_release(struct verify *verify, const struct transaction *row,
                        const struct audit *audit);
/* verify_rules.c: one audit entry within the pass, and the stored versions behind it. */
ERR_MUST_USE enum err verify_rules_act(struct verify *verify, const struct audit *audit);
ERR_MUST_USE enum err verify_sparing_act(struct verify *verify, const struct audit *audit);
/* That no rule of high severity was silent for a decision by the will of one person. */
void                  verify_sparings(struct verify *verify, const struct fraud_rules *rules,
                                      const struct transaction *row);
ERR_MUST_USE enum err verify_rules(struct verify *verify);
/* verify_terms.c: users and terms of accounts against their marks. */
ERR_MUST_USE enum err verify_terms(struct verify *verify);
/* verify_sums.c: what came out against what is stored. */
ERR_MUST_USE enum err verify_sums(struct verify *verify);

#endif
