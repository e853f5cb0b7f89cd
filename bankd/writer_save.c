/* Fraud profiles in memory, and how they are saved behind the commits.
 *
 * A profile is a kilobyte and every post changes two of them: written with each post they would
 * cost more than the ledger itself. So a few thousand are kept as the engine works on them, many
 * more packed on a shelf (shelf.h), and both are saved in small lots that ride on commits which
 * happen anyway: a few every quarter of a second under load, all of them when there is nothing
 * else to do, many when most of the room is taken by profiles that wait.
 *
 * Lots go through the changed entities in the order of their numbers, one pass after the other, so
 * that the profiles that lie on one page of the store are written together: with 100,000 active
 * accounts that is one page for about nine profiles instead of one for each.
 *
 * What is not saved is not lost: whoever loads a profile that lags behind its chain observes the
 * missing transactions (profile.h). So that this stays short after a crash, a profile that has
 * seen WRITER_UNSAVED_MAX transactions since it was saved goes with the very next commit.
 *
 * The rule: a profile is at work or on the shelf, never both, and stands at most once among those
 * that wait. */
#include "bankd/writer_impl.h"

#include "common/check.h"

#include <stdlib.h>
#include <string.h>

enum err writer_saving_open(struct writer *writer, size_t profiles)
{
    size_t at_work = profiles < WRITER_AT_WORK_MAX ? profiles : WRITER_AT_WORK_MAX;
    size_t others = profiles - at_work > WRITER_SHELF_MIN ? profiles - at_work : WRITER_SHELF_MIN;

    writer->waiting_max = at_work + others;
    writer->pass = malloc(writer->waiting_max * sizeof *writer->pass);
    writer->next = malloc(writer->waiting_max * sizeof *writer->next);
    if (writer->pass == NULL || writer->next == NULL)
        return ERR_memory;
    TRY(cache_open(at_work, sizeof(struct profile_slot), NULL, &writer->profiles));
    return shelf_open(others, others * WRITER_PACKED_BYTES, &writer->shelf);
}

void writer_saving_close(struct writer *writer)
{
    cache_close(&writer->profiles);
    shelf_close(&writer->shelf);
    free(writer->pass);
    free(writer->next);
    writer->pass = NULL;
    writer->next = NULL;
}

void writer_saving_forget(struct writer *writer)
{
    cache_clear(writer->profiles);
    shelf_clear(writer->shelf);
    writer->pass_count = 0;
    writer->pass_at = 0;
    writer->next_count = 0;
    writer->urgent_count = 0;
    writer->lot_count = 0;
    writer->lot_taken = 0;
}

size_t writer_waiting(const struct writer *writer)
{
    return writer->pass_count - writer->pass_at + writer->next_count;
}

/* --- at work and on the shelf ---------------------------------------------------------------- */

/* When even the shelf is full of what waits, the one that leaves is forgotten unsaved: the ledger
 * knows it. */
static enum err make_room(struct writer *writer)
{
    struct profile_slot *slot = &writer->leaving;
    uint8_t              bytes[LIMIT_PROFILE_BYTES];
    int64_t              entity;

    if (cache_has_room(writer->profiles))
        return ERR_none;
    if (!cache_pop(writer->profiles, &entity, slot))
        return ERR_busy; /* this group works on all of them */
    (void)shelf_put(writer->shelf, entity, &slot->note, bytes, profile_pack(&slot->profile, bytes));
    return ERR_none;
}

static bool take_from_shelf(struct writer *writer, int64_t entity, struct profile_slot *out)
{
    const struct shelf_note *note = shelf_note(writer->shelf, entity);
    uint8_t                  bytes[LIMIT_PROFILE_BYTES];
    size_t                   n;

    if (note == NULL)
        return false;
    out->note = *note;
    n = shelf_read(writer->shelf, entity, bytes, sizeof bytes);
    CHECK(profile_unpack(bytes, n, &out->profile));
    shelf_remove(writer->shelf, entity);
    return true;
}

enum err writer_profile(struct writer *writer, int64_t entity, int64_t newest,
                        struct profile_slot **out)
{
    struct profile_slot *slot = cache_get(writer->profiles, entity);
    struct profile_slot  loaded = { .note.unsaved = 0 };

    if (slot != NULL) {
        *out = slot;
        return ERR_none;
    }
    TRY(make_room(writer));
    if (!take_from_shelf(writer, entity, &loaded)) {
        TRY(writer_look(writer));
        TRY(profile_load(writer->store, entity, newest, &loaded.profile,
                         &loaded.note.last_sequence));
    }
    slot = cache_put(writer->profiles, entity);
    CHECK(slot != NULL);
    *slot = loaded;
    *out = slot;
    return ERR_none;
}

void writer_profile_changed(struct writer *writer, int64_t entity, struct profile_slot *slot,
                            int64_t sequence)
{
    struct shelf_note *note = &slot->note;

    note->last_sequence = sequence;
    note->unsaved++;
    if (!note->waiting && writer->next_count < writer->waiting_max) {
        writer->next[writer->next_count++] = entity;
        note->waiting = true;
    }
    if (note->unsaved == WRITER_UNSAVED_MAX && writer->urgent_count < WRITER_URGENT_MAX)
        writer->urgent[writer->urgent_count++] = entity;
}

void writer_profile_urgent(struct writer *writer, int64_t entity, struct profile_slot *slot)
{
    writer_profile_changed(writer, entity, slot, slot->note.last_sequence);
    CHECK(writer->urgent_count < WRITER_URGENT_MAX);
    writer->urgent[writer->urgent_count++] = entity;
}

/* --- lots ------------------------------------------------------------------------------------ */

static struct shelf_note *note_of(struct writer *writer, int64_t entity)
{
    struct profile_slot *slot = cache_peek(writer->profiles, entity);

    return slot != NULL ? &slot->note : shelf_note(writer->shelf, entity);
}

static void take(struct writer *writer, int64_t entity)
{
    struct shelf_note         *note = note_of(writer, entity);
    const struct profile_slot *slot = cache_peek(writer->profiles, entity);
    uint8_t                   *bytes = writer->lot_bytes[writer->lot_count];
    size_t                     n;

    if (note == NULL || note->unsaved == 0 || note->in_lot)
        return;
    n = slot != NULL ? profile_pack(&slot->profile, bytes)
                     : shelf_read(writer->shelf, entity, bytes, LIMIT_PROFILE_BYTES);
    note->in_lot = true;
    writer->lot_notes[writer->lot_count] = note;
    writer->lot[writer->lot_count++] = (struct profile_row){
        .entity = entity,
        .last_sequence = note->last_sequence,
        .bytes = slice_of((const char *)bytes, n),
    };
}

static int compare_rows(const void *a, const void *b)
{
    const struct profile_row *left = a;
    const struct profile_row *right = b;

    return (left->entity > right->entity) - (left->entity < right->entity);
}

static int compare_entities(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static void begin_pass(struct writer *writer)
{
    int64_t *done = writer->pass;

    writer->pass = writer->next;
    writer->pass_count = writer->next_count;
    writer->pass_at = 0;
    writer->next = done;
    writer->next_count = 0;
    qsort(writer->pass, writer->pass_count, sizeof writer->pass[0], compare_entities);
}

static size_t lot_size(const struct writer *writer, int64_t now_us, bool idle)
{
    size_t known = cache_count(writer->profiles) + shelf_count(writer->shelf);

    if (idle || (shelf_is_tight(writer->shelf) && writer_waiting(writer) > known / 4 * 3))
        return WRITER_LOT_MAX - WRITER_URGENT_MAX;
    if (now_us - writer->saved_at_us >= WRITER_SAVE_EVERY_US)
        return WRITER_LOT_SMALL;
    return 0;
}

void writer_lot_collect(struct writer *writer, int64_t now_us, bool idle)
{
    size_t wanted = lot_size(writer, now_us, idle);
    size_t left;

    writer->lot_count = 0;
    if (wanted > 0 && writer->pass_at == writer->pass_count)
        begin_pass(writer);
    left = writer->pass_count - writer->pass_at;
    writer->lot_taken = wanted < left ? wanted : left;
    for (size_t i = 0; i < writer->urgent_count; i++)
        take(writer, writer->urgent[i]);
    for (size_t i = 0; i < writer->lot_taken; i++)
        take(writer, writer->pass[writer->pass_at + i]);
    if (wanted > 0)
        writer->saved_at_us = now_us;
    qsort(writer->lot, writer->lot_count, sizeof writer->lot[0], compare_rows);
}

void writer_lot_saved(struct writer *writer)
{
    for (size_t i = 0; i < writer->lot_count; i++) {
        writer->lot_notes[i]->unsaved = 0;
        writer->lot_notes[i]->in_lot = false;
    }
    for (size_t i = 0; i < writer->lot_taken; i++) {
        struct shelf_note *note = note_of(writer, writer->pass[writer->pass_at++]);

        if (note != NULL)
            note->waiting = false;
    }
    writer->urgent_count = 0;
    writer->lot_count = 0;
    writer->lot_taken = 0;
}
