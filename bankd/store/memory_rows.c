/* Rows and hash maps of the memory store, and how a group of changes is undone. */
#include "bankd/store/memory.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"

static const size_t row_sizes[TABLE_count] = {
    [TABLE_USER] = sizeof(struct user),
    [TABLE_CUSTOMER] = sizeof(struct customer),
    [TABLE_ACCOUNT] = sizeof(struct account),
    [TABLE_PARTY] = sizeof(struct party),
    [TABLE_TRANSACTION] = sizeof(struct transaction),
    [TABLE_ALERT] = sizeof(struct alert),
    [TABLE_HIT] = sizeof(struct alert_hit),
    [TABLE_AUDIT] = sizeof(struct audit),
    [TABLE_LABEL] = sizeof(struct label),
    [TABLE_RULE_SET] = sizeof(struct memory_rules),
    [TABLE_RECORD] = sizeof(struct record),
    [TABLE_ROLLUP] = sizeof(struct rollup),
    [TABLE_PROFILE] = sizeof(struct memory_profile),
    [TABLE_SIGNED_HEAD] = sizeof(struct signed_head),
};

/* Each numbered row begins with its number, so one look-up serves all of them. */
static_assert(offsetof(struct user, number) == 0, "a row begins with its number");
static_assert(offsetof(struct customer, number) == 0, "a row begins with its number");
static_assert(offsetof(struct account, book.number) == 0, "a row begins with its number");
static_assert(offsetof(struct party, number) == 0, "a row begins with its number");
static_assert(offsetof(struct transaction, sequence) == 0, "a row begins with its number");
static_assert(offsetof(struct alert, number) == 0, "a row begins with its number");
static_assert(offsetof(struct record, number) == 0, "a row begins with its number");
static_assert(offsetof(struct audit, sequence) == 0, "a row begins with its number");
static_assert(offsetof(struct memory_rules, set.number) == 0, "a row begins with its number");

void *memory_row(const struct records *records, enum memory_table table, size_t row)
{
    return records->tables[table].at + row * row_sizes[table];
}

size_t memory_count(const struct records *records, enum memory_table table)
{
    return records->tables[table].count;
}

void *memory_find(const struct records *records, enum memory_table table, int64_t number)
{
    size_t low = 0;
    size_t high = records->tables[table].count;

    while (low < high) {
        size_t  middle = low + (high - low) / 2;
        void   *row = memory_row(records, table, middle);
        int64_t found;

        memcpy(&found, row, sizeof found);
        if (found == number)
            return row;
        if (found < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

enum err memory_add(struct memory_shared *shared, enum memory_table table, void **out)
{
    struct rows *rows = &shared->records.tables[table];

    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity == 0 ? 16 : rows->capacity * 2;
        char  *at = realloc(rows->at, capacity * row_sizes[table]);

        if (at == NULL)
            return ERR_memory;
        rows->at = at;
        rows->capacity = capacity;
    }
    *out = memory_row(&shared->records, table, rows->count);
    memset(*out, 0, row_sizes[table]);
    rows->count++;
    return ERR_none;
}

enum err memory_edit(struct memory_shared *shared, enum memory_table table, void *row)
{
    size_t       size = row_sizes[table];
    struct undo *undo = malloc(sizeof *undo + size);

    if (undo == NULL)
        return ERR_memory;
    undo->table = table;
    undo->row = (size_t)((char *)row - shared->records.tables[table].at) / size;
    memcpy(undo->bytes, row, size);
    undo->next = shared->undo;
    shared->undo = undo;
    return ERR_none;
}

void memory_undo(struct memory_shared *shared)
{
    /* Newest first, so that a row that was changed twice ends as it was at first. */
    for (struct undo *undo = shared->undo; undo != NULL; undo = undo->next)
        memcpy(memory_row(&shared->records, undo->table, undo->row), undo->bytes,
               row_sizes[undo->table]);
    for (size_t i = shared->counts[TABLE_RULE_SET];
         i < memory_count(&shared->records, TABLE_RULE_SET); i++)
        free(((struct memory_rules *)memory_row(&shared->records, TABLE_RULE_SET, i))->text);
    for (int i = 0; i < TABLE_count; i++)
        shared->records.tables[i].count = shared->counts[i];
    memory_keep(shared);
}

void memory_keep(struct memory_shared *shared)
{
    while (shared->undo != NULL) {
        struct undo *undo = shared->undo;

        shared->undo = undo->next;
        free(undo);
    }
    for (int i = 0; i < TABLE_count; i++)
        shared->counts[i] = shared->records.tables[i].count;
}

/* --- maps ------------------------------------------------------------------------------------ */

uint64_t memory_hash(const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    uint64_t             hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}

uint64_t memory_number_hash(int64_t number)
{
    return memory_hash(&number, sizeof number);
}

uint64_t memory_rollup_hash(const struct rollup_key *key)
{
    int64_t fields[4] = { key->scale, key->currency, key->metric, key->bucket };

    return memory_hash(fields, sizeof fields);
}

static void map_put(struct map *map, uint64_t hash, uint32_t row)
{
    size_t at = hash & (map->size - 1);

    while (map->slots[at].row != 0)
        at = (at + 1) & (map->size - 1);
    map->slots[at] = (struct map_slot){ .hash = hash, .row = row };
    map->used++;
}

enum err map_add(struct map *map, uint64_t hash, size_t row)
{
    if (map->used * 2 >= map->size) {
        struct map larger = { .size = map->size == 0 ? 64 : map->size * 2 };

        larger.slots = calloc(larger.size, sizeof larger.slots[0]);
        if (larger.slots == NULL)
            return ERR_memory;
        for (size_t i = 0; i < map->size; i++)
            if (map->slots[i].row != 0)
                map_put(&larger, map->slots[i].hash, map->slots[i].row);
        free(map->slots);
        *map = larger;
    }
    CHECK(row < UINT32_MAX);
    map_put(map, hash, (uint32_t)row + 1);
    return ERR_none;
}

bool map_next(const struct map *map, uint64_t hash, size_t *cursor, size_t *row)
{
    for (; *cursor < map->size; ++*cursor) {
        const struct map_slot *slot = &map->slots[(hash + *cursor) & (map->size - 1)];

        if (slot->row == 0)
            return false;
        if (slot->hash == hash) {
            *row = slot->row - 1;
            ++*cursor;
            return true;
        }
    }
    return false;
}

struct account *memory_account_by_id(const struct records *records, const struct uuid *id)
{
    uint64_t hash = memory_hash(id->bytes, sizeof id->bytes);
    size_t   cursor = 0;
    size_t   row;

    while (map_next(&records->maps[MAP_ACCOUNT_ID], hash, &cursor, &row)) {
        struct account *account = memory_row(records, TABLE_ACCOUNT, row);

        if (row < memory_count(records, TABLE_ACCOUNT) && uuid_equal(&account->book.account_id, id))
            return account;
    }
    return NULL;
}

struct transaction *memory_transaction_by_id(const struct records *records, const struct uuid *id)
{
    uint64_t hash = memory_hash(id->bytes, sizeof id->bytes);
    size_t   cursor = 0;
    size_t   row;

    while (map_next(&records->maps[MAP_TRANSACTION_ID], hash, &cursor, &row)) {
        struct transaction *transaction = memory_row(records, TABLE_TRANSACTION, row);

        if (row < memory_count(records, TABLE_TRANSACTION) &&
            uuid_equal(&transaction->transaction_id, id))
            return transaction;
    }
    return NULL;
}

struct party *memory_party_by_key(const struct records *records, struct slice key)
{
    uint64_t hash = memory_hash(key.n > 0 ? key.at : "", key.n);
    size_t   cursor = 0;
    size_t   row;

    while (map_next(&records->maps[MAP_PARTY_KEY], hash, &cursor, &row)) {
        struct party *party = memory_row(records, TABLE_PARTY, row);

        if (row < memory_count(records, TABLE_PARTY) && slice_is(key, party->key))
            return party;
    }
    return NULL;
}

struct label *memory_label_of(const struct records *records, int64_t transaction)
{
    size_t cursor = 0;
    size_t row;

    while (map_next(&records->maps[MAP_LABEL], memory_number_hash(transaction), &cursor, &row)) {
        struct label *label = memory_row(records, TABLE_LABEL, row);

        if (row < memory_count(records, TABLE_LABEL) && label->transaction == transaction)
            return label;
    }
    return NULL;
}

struct memory_profile *memory_profile_of(const struct records *records, int64_t entity)
{
    size_t cursor = 0;
    size_t row;

    while (map_next(&records->maps[MAP_PROFILE], memory_number_hash(entity), &cursor, &row)) {
        struct memory_profile *profile = memory_row(records, TABLE_PROFILE, row);

        if (row < memory_count(records, TABLE_PROFILE) && profile->entity == entity)
            return profile;
    }
    return NULL;
}

struct rollup *memory_rollup_of(const struct records *records, const struct rollup_key *key)
{
    uint64_t hash = memory_rollup_hash(key);
    size_t   cursor = 0;
    size_t   row;

    while (map_next(&records->maps[MAP_ROLLUP], hash, &cursor, &row)) {
        struct rollup *rollup = memory_row(records, TABLE_ROLLUP, row);

        if (row < memory_count(records, TABLE_ROLLUP) && rollup->key.scale == key->scale &&
            rollup->key.currency == key->currency && rollup->key.metric == key->metric &&
            rollup->key.bucket == key->bucket)
            return rollup;
    }
    return NULL;
}

/* --- whole records --------------------------------------------------------------------------- */

void records_free(struct records *records)
{
    for (int i = 0; i < TABLE_count; i++)
        free(records->tables[i].at);
    for (int i = 0; i < MAP_count; i++)
        free(records->maps[i].slots);
    *records = (struct records){ 0 };
}

enum err records_copy(const struct records *from, struct records *to)
{
    *to = (struct records){ .head = from->head, .newest_id = from->newest_id };
    for (int i = 0; i < TABLE_count; i++) {
        const struct rows *rows = &from->tables[i];

        if (rows->count == 0)
            continue;
        to->tables[i].at = malloc(rows->count * row_sizes[i]);
        if (to->tables[i].at == NULL)
            goto out;
        memcpy(to->tables[i].at, rows->at, rows->count * row_sizes[i]);
        to->tables[i].count = to->tables[i].capacity = rows->count;
    }
    for (int i = 0; i < MAP_count; i++) {
        const struct map *map = &from->maps[i];

        if (map->size == 0)
            continue;
        to->maps[i].slots = malloc(map->size * sizeof map->slots[0]);
        if (to->maps[i].slots == NULL)
            goto out;
        memcpy(to->maps[i].slots, map->slots, map->size * sizeof map->slots[0]);
        to->maps[i].size = map->size;
        to->maps[i].used = map->used;
    }
    return ERR_none;
out:
    records_free(to);
    return ERR_memory;
}
