/* The memory store: the same promises as the database's, kept with plain arrays. Tests run on it,
 * and the conformance suite holds it against the SQLite store.
 *
 * It is written to be simple, not fast: changes are applied one by one, and the group that fails is
 * undone. All handles that share records share one recursive lock, held for the time of a call; a
 * snapshot is a copy of everything. Nothing outlives the last handle. */
#include "bankd/store/memory.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"

static enum err shared_new(struct memory_shared **out)
{
    struct memory_shared *shared = calloc(1, sizeof *shared);
    pthread_mutexattr_t   attributes;

    if (shared == NULL)
        return ERR_memory;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&shared->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    *out = shared;
    return ERR_none;
}

static void shared_free(struct memory_shared *shared)
{
    for (size_t i = 0; i < memory_count(&shared->records, TABLE_RULE_SET); i++)
        free(((struct memory_rules *)memory_row(&shared->records, TABLE_RULE_SET, i))->text);
    records_free(&shared->records);
    pthread_mutex_destroy(&shared->lock);
    free(shared);
}

enum err memory_open(const struct store_config *config, enum store_mode mode, struct store **out,
                     struct fault *fault)
{
    struct memory_store *store = calloc(1, sizeof *store);

    (void)fault;
    *out = NULL;
    if (store == NULL)
        return ERR_memory;
    store->base.ops = &store_memory;
    store->mode = mode == STORE_EXAMINE ? STORE_READ : mode;
    if (config->shared != NULL) {
        store->shared = memory_of(config->shared)->shared;
    } else if (shared_new(&store->shared) != ERR_none) {
        free(store);
        return ERR_memory;
    }
    pthread_mutex_lock(&store->shared->lock);
    store->shared->handles++;
    store->commits_asked = store->shared->commits;
    pthread_mutex_unlock(&store->shared->lock);
    *out = &store->base;
    return ERR_none;
}

static void snapshot_drop(struct memory_store *store)
{
    if (store->snapshot != NULL)
        records_free(store->snapshot);
    free(store->snapshot);
    store->snapshot = NULL;
}

void memory_close(struct store **store)
{
    struct memory_store *self;
    bool                 last;

    if (*store == NULL)
        return;
    self = memory_of(*store);
    *store = NULL;
    snapshot_drop(self);
    pthread_mutex_lock(&self->shared->lock);
    last = --self->shared->handles == 0;
    pthread_mutex_unlock(&self->shared->lock);
    if (last)
        shared_free(self->shared);
    free(self);
}

const struct records *memory_begin(struct store *store)
{
    struct memory_store *self = memory_of(store);

    pthread_mutex_lock(&self->shared->lock);
    return self->snapshot != NULL ? self->snapshot : &self->shared->records;
}

void memory_end(struct store *store)
{
    pthread_mutex_unlock(&memory_of(store)->shared->lock);
}

/* A writing handle needs none: what it plans on is checked again when it applies. */
enum err memory_snapshot_begin(struct store *store)
{
    struct memory_store *self = memory_of(store);
    struct records      *copy;
    enum err             err;

    CHECK(self->snapshot == NULL);
    if (self->mode != STORE_READ)
        return ERR_none;
    copy = malloc(sizeof *copy);
    if (copy == NULL)
        return ERR_memory;
    err = records_copy(memory_begin(store), copy);
    memory_end(store);
    if (err == ERR_none)
        self->snapshot = copy;
    else
        free(copy);
    return err;
}

void memory_snapshot_end(struct store *store)
{
    snapshot_drop(memory_of(store));
}

static int64_t newest(const struct records *records, enum memory_table table)
{
    size_t  count = memory_count(records, table);
    int64_t number = 0;

    if (count > 0)
        memcpy(&number, memory_row(records, table, count - 1), sizeof number);
    return number;
}

static int64_t active_rules(const struct records *records)
{
    for (size_t i = memory_count(records, TABLE_RULE_SET); i-- > 0;) {
        const struct memory_rules *rules = memory_row(records, TABLE_RULE_SET, i);

        if (rules->set.state == RULES_ACTIVE)
            return rules->set.number;
    }
    return 0;
}

enum err memory_numbers(struct store *store, struct store_numbers *out)
{
    const struct records *records = memory_begin(store);

    *out = (struct store_numbers){
        .user = newest(records, TABLE_USER),
        .customer = newest(records, TABLE_CUSTOMER),
        .account = newest(records, TABLE_ACCOUNT),
        .party = newest(records, TABLE_PARTY),
        .alert = newest(records, TABLE_ALERT),
        .rule_set = newest(records, TABLE_RULE_SET),
        .rules_active = active_rules(records),
        .record = newest(records, TABLE_RECORD),
        .head = records->head,
        .newest_id = records->newest_id,
    };
    memory_end(store);
    return ERR_none;
}

enum err memory_checkpoint(struct store *store)
{
    (void)store; /* there is no log to move */
    return ERR_none;
}

enum err memory_backup(struct store *store, const char *path, struct fault *fault)
{
    (void)store;
    return fault_set(fault, ERR_unsupported, NULL, "%s: records in memory have no backup", path);
}

enum err memory_health(struct store *store, struct store_health *out)
{
    *out = (struct store_health){ .schema_version = 1, .commits = memory_of(store)->commits };
    return ERR_none;
}

bool memory_changed(struct store *store)
{
    struct memory_store *self = memory_of(store);
    bool                 changed;

    (void)memory_begin(store);
    changed = self->shared->commits != self->commits_asked;
    self->commits_asked = self->shared->commits;
    memory_end(store);
    return changed;
}

enum err memory_integrity(struct store *store, struct fault *fault)
{
    (void)store;
    (void)fault;
    return ERR_none;
}
