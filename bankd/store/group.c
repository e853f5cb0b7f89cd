/* Sums up a group of changes with open addressing over arrays of fixed size: nothing is taken from
 * the heap per change, and clearing costs only what the group before has used.
 *
 * Keys are whole numbers of 64 bits; a rollup's key is packed into one. Every table has at least
 * a third more slots than entries, so that a probe always ends. */
#include "bankd/store/group.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"

static_assert(GROUP_ACCOUNTS_MAX * 4 <= GROUP_ACCOUNT_SLOTS * 3, "account slots stay sparse");
static_assert(GROUP_ROLLUPS_MAX * 4 <= GROUP_ROLLUP_SLOTS * 3, "rollup slots stay sparse");
static_assert(LIMIT_BATCH_MAX * 4 <= GROUP_SLOTS * 3, "slots stay sparse");
static_assert(GROUP_ROLLUPS_MAX < UINT16_MAX, "an entry's number fits its slot");
static_assert(GROUP_ROLLUP_SLOTS <= UINT16_MAX + 1, "a slot's number fits the list of used ones");

enum err group_new(struct group **out)
{
    struct group *group = calloc(1, sizeof *group);

    *out = group;
    if (group == NULL)
        return ERR_memory;
    group->account_index = (struct group_index){ .slots = group->account_slots,
                                                 .size = GROUP_ACCOUNT_SLOTS,
                                                 .used = group->account_used };
    group->party_index = (struct group_index){ .slots = group->party_slots,
                                               .size = GROUP_SLOTS,
                                               .used = group->party_used };
    group->day_index = (struct group_index){ .slots = group->day_slots,
                                             .size = GROUP_SLOTS,
                                             .used = group->day_used };
    group->rollup_index = (struct group_index){ .slots = group->rollup_slots,
                                                .size = GROUP_ROLLUP_SLOTS,
                                                .used = group->rollup_used };
    return ERR_none;
}

void group_free(struct group **group)
{
    free(*group);
    *group = NULL;
}

static void index_clear(struct group_index *index)
{
    for (uint32_t i = 0; i < index->used_count; i++)
        index->slots[index->used[i]].entry = 0;
    index->used_count = 0;
}

/* The entry of a key; a key that is not there gets entry `next`, and *fresh says so. */
static size_t index_entry(struct group_index *index, uint64_t key, size_t next, bool *fresh)
{
    uint64_t mixed = key * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t at = (uint32_t)(mixed >> 32) & (index->size - 1);

    while (index->slots[at].entry != 0) {
        if (index->slots[at].key == key) {
            *fresh = false;
            return index->slots[at].entry - 1u;
        }
        at = (at + 1) & (index->size - 1);
    }
    index->slots[at] = (struct group_slot){ .key = key, .entry = (uint16_t)(next + 1) };
    index->used[index->used_count++] = (uint16_t)at;
    *fresh = true;
    return next;
}

static enum err group_accounts(struct group *group, const struct change *change, size_t number)
{
    CHECK(change->account_count <= LIMIT_CHANGE_ACCOUNTS_MAX);
    for (size_t i = 0; i < change->account_count; i++) {
        const struct account_change *account = &change->accounts[i];
        struct group_account        *entry;
        bool                         fresh;

        CHECK(account->after.version == account->version_before + 1);
        entry = &group->accounts[index_entry(&group->account_index, (uint64_t)account->after.number,
                                             group->account_count, &fresh)];
        if (fresh) {
            group->account_count++;
            *entry = (struct group_account){ .number = account->after.number,
                                             .version_before = account->version_before,
                                             .first = number };
        } else if (entry->last->after.version != account->version_before) {
            return ERR_changed_meanwhile;
        }
        entry->last = account;
    }
    return ERR_none;
}

static void group_party(struct group *group, const struct change *change, size_t number)
{
    struct group_party *entry;
    bool                fresh;

    if (change->party_number == 0 || change->transaction == NULL)
        return;
    entry = &group->parties[index_entry(&group->party_index, (uint64_t)change->party_number,
                                        group->party_count, &fresh)];
    if (fresh) {
        group->party_count++;
        *entry = (struct group_party){ .number = change->party_number, .first = number };
    }
    entry->last_sequence = change->transaction->sequence;
    entry->transactions++;
}

static void group_day(struct group *group, const struct transaction *transaction)
{
    struct group_day *entry;
    int32_t           day;
    bool              fresh;

    if (transaction == NULL)
        return;
    day = (int32_t)time_day(transaction->at_us);
    entry = &group->days[index_entry(&group->day_index, (uint64_t)(int64_t)day, group->day_count,
                                     &fresh)];
    if (fresh) {
        group->day_count++;
        *entry = (struct group_day){ .day = day, .min_sequence = transaction->sequence };
    }
    entry->max_sequence = transaction->sequence;
}

static uint64_t rollup_word(const struct rollup_key *key)
{
    CHECK(key->scale < 16 && key->metric < 4096);
    return (uint64_t)key->scale << 60 | ((uint64_t)key->bucket & UINT32_MAX) << 28 |
           (uint64_t)(key->currency & 0xffff) << 12 | key->metric;
}

static enum err group_rollups(struct group *group, const struct change *change)
{
    CHECK(change->rollup_count <= LIMIT_CHANGE_ROLLUPS_MAX);
    for (size_t i = 0; i < change->rollup_count; i++) {
        const struct rollup *rollup = &change->rollups[i];
        struct rollup       *entry;
        bool                 fresh;

        entry = &group->rollups[index_entry(&group->rollup_index, rollup_word(&rollup->key),
                                            group->rollup_count, &fresh)];
        if (fresh) {
            group->rollup_count++;
            *entry = *rollup;
        } else if (__builtin_add_overflow(entry->count, rollup->count, &entry->count) ||
                   __builtin_add_overflow(entry->amount, rollup->amount, &entry->amount)) {
            return ERR_amount_overflow;
        }
    }
    return ERR_none;
}

static int account_order(const void *a, const void *b)
{
    const struct group_account *left = a;
    const struct group_account *right = b;

    return left->number < right->number ? -1 : left->number > right->number;
}

static int rollup_order(const void *a, const void *b)
{
    const struct rollup_key *left = &((const struct rollup *)a)->key;
    const struct rollup_key *right = &((const struct rollup *)b)->key;

    if (left->scale != right->scale)
        return left->scale < right->scale ? -1 : 1;
    if (left->bucket != right->bucket)
        return left->bucket < right->bucket ? -1 : 1;
    if (left->currency != right->currency)
        return left->currency < right->currency ? -1 : 1;
    return left->metric < right->metric ? -1 : left->metric > right->metric;
}

/* What will be asked of a change, which is kilobytes that were written some time ago. */
static void expect(const struct change *change)
{
    for (size_t i = 0; i < 2; i++) {
        __builtin_prefetch(&change->accounts[i]);
        __builtin_prefetch(&change->accounts[i].after.version);
    }
    __builtin_prefetch(&change->transaction);
    __builtin_prefetch(&change->record_count);
    for (size_t i = 0; i < 8; i += 2)
        __builtin_prefetch(&change->rollups[i]);
}

enum err group_build(struct group *group, const struct commit *commit, size_t *failed)
{
    int64_t newest = commit->before.sequence;

    CHECK(commit->count <= LIMIT_BATCH_MAX);
    index_clear(&group->account_index);
    index_clear(&group->party_index);
    index_clear(&group->day_index);
    index_clear(&group->rollup_index);
    group->account_count = 0;
    group->party_count = 0;
    group->day_count = 0;
    group->rollup_count = 0;
    for (size_t i = 0; i < commit->count; i++) {
        const struct change *change = commit->changes[i];

        *failed = i;
        if (i + 2 < commit->count)
            expect(commit->changes[i + 2]);
        if (change->transaction != NULL) {
            CHECK(change->transaction->sequence > newest);
            newest = change->transaction->sequence;
        }
        TRY(group_accounts(group, change, i));
        TRY(group_rollups(group, change));
        group_party(group, change, i);
        group_day(group, change->transaction);
    }
    CHECK(newest <= commit->after.sequence);
    qsort(group->accounts, group->account_count, sizeof group->accounts[0], account_order);
    qsort(group->rollups, group->rollup_count, sizeof group->rollups[0], rollup_order);
    return ERR_none;
}
