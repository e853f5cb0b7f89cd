/* Fraud profiles in memory, and how they are saved behind the commits.
 *
 * A profile is a kilobyte and every post changes two of them: written with each post they would
 * cost more than the ledger itself. So they wait, in the order in which they were first changed,
 * and leave in small lots that ride on commits which happen anyway: a few every quarter of a
 * second under load, all of them when there is nothing else to do, many when the memory for them
 * runs low. What is not saved is not lost: whoever loads a profile that lags behind its chain
 * observes the missing transactions (profile.h). So that this stays short after a crash, a profile
 * that has seen WRITER_UNSAVED_MAX transactions since it was saved goes with the very next commit.
 *
 * The rule: a slot that waits is never forgotten by the cache, and it waits at most once. */
#include "bankd/writer_impl.h"

#include "common/check.h"

#include <stdlib.h>

static bool must_stay(const void *slot)
{
    return ((const struct profile_slot *)slot)->waiting;
}

enum err writer_saving_open(struct writer *writer, size_t profiles)
{
    writer->waiting_max = profiles;
    writer->waiting = calloc(profiles, sizeof *writer->waiting);
    if (writer->waiting == NULL)
        return ERR_memory;
    return cache_open(profiles, sizeof(struct profile_slot), must_stay, &writer->profiles);
}

void writer_saving_close(struct writer *writer)
{
    cache_close(&writer->profiles);
    free(writer->waiting);
    writer->waiting = NULL;
}

void writer_saving_forget(struct writer *writer)
{
    cache_clear(writer->profiles);
    writer->waiting_first = 0;
    writer->waiting_count = 0;
    writer->urgent_count = 0;
    writer->lot_count = 0;
}

enum err writer_profile(struct writer *writer, int64_t entity, struct profile_slot **out)
{
    struct profile_slot *slot = cache_get(writer->profiles, entity);
    struct profile_slot  row = { .unsaved = 0 };
    enum err             err;

    if (slot == NULL) {
        TRY(writer_look(writer));
        err = profile_current(writer->store, entity, &row.profile, &row.last_sequence);
        if (err == ERR_not_found) { /* its first transaction comes in this very group */
            fraud_profile_init(&row.profile);
            row.last_sequence = 0;
            err = ERR_none;
        }
        TRY(err);
        slot = cache_put(writer->profiles, entity);
        if (slot == NULL)
            return ERR_busy;
        *slot = row;
    }
    *out = slot;
    return ERR_none;
}

void writer_profile_changed(struct writer *writer, int64_t entity, struct profile_slot *slot,
                            int64_t sequence)
{
    slot->last_sequence = sequence;
    slot->unsaved++;
    if (!slot->waiting) {
        size_t last = (writer->waiting_first + writer->waiting_count) % writer->waiting_max;

        CHECK(writer->waiting_count < writer->waiting_max);
        writer->waiting[last] = entity;
        writer->waiting_count++;
        slot->waiting = true;
    }
    if (slot->unsaved == WRITER_UNSAVED_MAX && writer->urgent_count < WRITER_URGENT_MAX)
        writer->urgent[writer->urgent_count++] = entity;
}

/* --- lots ------------------------------------------------------------------------------------ */

static void take(struct writer *writer, int64_t entity, struct profile_slot *slot)
{
    if (slot == NULL || slot->unsaved == 0 || slot->in_lot)
        return;
    slot->in_lot = true;
    writer->lot_slots[writer->lot_count] = slot;
    writer->lot[writer->lot_count++] = (struct profile_row){
        .entity = entity,
        .last_sequence = slot->last_sequence,
        .bytes = slice_of((const char *)slot->profile.bytes, sizeof slot->profile.bytes),
    };
}

static int compare(const void *a, const void *b)
{
    const struct profile_row *left = a;
    const struct profile_row *right = b;

    return (left->entity > right->entity) - (left->entity < right->entity);
}

static size_t lot_size(const struct writer *writer, int64_t now_us, bool idle)
{
    if (idle || writer->waiting_count > writer->waiting_max / 4 * 3)
        return WRITER_LOT_MAX - WRITER_URGENT_MAX;
    if (now_us - writer->saved_at_us >= WRITER_SAVE_EVERY_US)
        return WRITER_LOT_SMALL;
    return 0;
}

void writer_lot_collect(struct writer *writer, int64_t now_us, bool idle)
{
    size_t wanted = lot_size(writer, now_us, idle);

    writer->lot_count = 0;
    writer->lot_taken = wanted < writer->waiting_count ? wanted : writer->waiting_count;
    for (size_t i = 0; i < writer->urgent_count; i++)
        take(writer, writer->urgent[i], cache_peek(writer->profiles, writer->urgent[i]));
    for (size_t i = 0; i < writer->lot_taken; i++) {
        int64_t entity = writer->waiting[(writer->waiting_first + i) % writer->waiting_max];

        take(writer, entity, cache_peek(writer->profiles, entity));
    }
    if (wanted > 0)
        writer->saved_at_us = now_us;
    qsort(writer->lot, writer->lot_count, sizeof writer->lot[0], compare);
}

void writer_lot_saved(struct writer *writer)
{
    for (size_t i = 0; i < writer->lot_count; i++) {
        writer->lot_slots[i]->unsaved = 0;
        writer->lot_slots[i]->in_lot = false;
    }
    for (size_t i = 0; i < writer->lot_taken; i++) {
        struct profile_slot *slot =
            cache_peek(writer->profiles, writer->waiting[writer->waiting_first]);

        CHECK(slot != NULL);
        slot->waiting = false;
        writer->waiting_first = (writer->waiting_first + 1) % writer->waiting_max;
        writer->waiting_count--;
    }
    writer->urgent_count = 0;
    writer->lot_count = 0;
    writer->lot_taken = 0;
}
