/* What the files of the memory store share: its records as growing arrays with hash maps over
 * them. Private to bankd/store/memory*.c.
 *
 * Rows are only added at an end and changed in place, and what a change overwrites is put by
 * first; so a group that fails is undone by putting the old rows back and cutting the ends off.
 * A map may then still hold numbers of rows that are gone: whoever looks something up compares
 * the row itself. */
#ifndef BANKD_STORE_MEMORY_H
#define BANKD_STORE_MEMORY_H

#include "bankd/store/store.h"

#include <pthread.h>

enum memory_table {
    TABLE_USER,
    TABLE_CUSTOMER,
    TABLE_ACCOUNT,
    TABLE_PARTY,
    TABLE_TRANSACTION,
    TABLE_ALERT,
    TABLE_HIT, /* in the order in which they were added */
    TABLE_AUDIT,
    TABLE_LABEL,
    TABLE_RULE_SET,
    TABLE_RECORD,
    TABLE_ROLLUP,
    TABLE_PROFILE,
    TABLE_SIGNED_HEAD,
    TABLE_count
};

struct memory_rules {
    struct rule_set set;
    char           *text; /* the shared records' own: both texts, one behind the other */
    size_t          n;
    size_t          card_n;
};

struct memory_profile {
    int64_t entity;
    int64_t last_sequence;
    size_t  n;
    uint8_t bytes[LIMIT_PROFILE_BYTES];
};

struct rows {
    char  *at;
    size_t count;
    size_t capacity;
};

/* Row numbers by a hash of their key, with open addressing. */
struct map_slot {
    uint64_t hash;
    uint32_t row; /* plus one; 0 = free */
};

struct map {
    struct map_slot *slots;
    size_t           size; /* a power of two, or 0 */
    size_t           used;
};

enum memory_map {
    MAP_ACCOUNT_ID,
    MAP_TRANSACTION_ID,
    MAP_PARTY_KEY,
    MAP_LABEL,
    MAP_ROLLUP,
    MAP_PROFILE,
    MAP_count
};

struct records {
    struct rows       tables[TABLE_count];
    struct map        maps[MAP_count];
    struct chain_head head;
    struct uuid       newest_id; /* at least the greatest id of a transaction */
};

/* A row as it was before the group. */
struct undo {
    struct undo      *next;
    enum memory_table table;
    size_t            row;
    _Alignas(16) char bytes[];
};

struct memory_shared {
    pthread_mutex_t lock; /* recursive: a visitor may call back */
    size_t          handles;
    int64_t         commits;
    struct records  records;
    size_t          counts[TABLE_count]; /* before the group */
    struct undo    *undo;
};

struct memory_store {
    struct store          base;
    struct memory_shared *shared;
    enum store_mode       mode;
    int64_t               commits;       /* of this handle */
    int64_t               commits_asked; /* of all, when `changed` was last asked */
    struct records       *snapshot;      /* a copy of its own, or NULL */
};

static inline struct memory_store *memory_of(struct store *store)
{
    return (struct memory_store *)(void *)store;
}

/* --- rows and maps --------------------------------------------------------------------------- */

void  *memory_row(const struct records *records, enum memory_table table, size_t row);
size_t memory_count(const struct records *records, enum memory_table table);
/* The row of a number or sequence, in the tables that are in the order of it; NULL = none. */
void *memory_find(const struct records *records, enum memory_table table, int64_t number);
/* Adds a zeroed row at the end. */
ERR_MUST_USE enum err memory_add(struct memory_shared *shared, enum memory_table table, void **out);
/* Puts a row by before it is changed. */
ERR_MUST_USE enum err memory_edit(struct memory_shared *shared, enum memory_table table, void *row);
void                  memory_undo(struct memory_shared *shared);
void                  memory_keep(struct memory_shared *shared);

uint64_t              memory_hash(const void *bytes, size_t n);
ERR_MUST_USE enum err map_add(struct map *map, uint64_t hash, size_t row);
/* The next row that may have this hash; begins at *cursor = 0; false = no more. */
bool map_next(const struct map *map, uint64_t hash, size_t *cursor, size_t *row);

ERR_MUST_USE enum err records_copy(const struct records *from, struct records *to);
void                  records_free(struct records *records);

/* --- looking up by something else than a number; NULL = none --------------------------------- */

struct account     *memory_account_by_id(const struct records *records, const struct uuid *id);
struct transaction *memory_transaction_by_id(const struct records *records, const struct uuid *id);
struct party       *memory_party_by_key(const struct records *records, struct slice key);
struct label       *memory_label_of(const struct records *records, int64_t transaction);
struct memory_profile *memory_profile_of(const struct records *records, int64_t entity);
struct rollup *memory_rollup_of(const struct records *records, const struct rollup_key *key);
uint64_t       memory_rollup_hash(const struct rollup_key *key);
uint64_t       memory_number_hash(int64_t number);

/* --- between a call's begin and end the records stand still ---------------------------------- */

const struct records *memory_begin(struct store *store);
void                  memory_end(struct store *store);

/* --- the operations that do not list or find, as in store.h ---------------------------------- */

enum err memory_open(const struct store_config *config, enum store_mode mode, struct store **out,
                     struct fault *fault);
void     memory_close(struct store **store);
enum err memory_apply(struct store *store, const struct commit *commit, size_t *failed,
                      struct fault *fault);
enum err memory_numbers(struct store *store, struct store_numbers *out);
enum err memory_checkpoint(struct store *store);
enum err memory_backup(struct store *store, const char *path, struct fault *fault);
enum err memory_snapshot_begin(struct store *store);
void     memory_snapshot_end(struct store *store);
enum err memory_health(struct store *store, struct store_health *out);
bool     memory_changed(struct store *store);
enum err memory_integrity(struct store *store, struct fault *fault);

#endif
