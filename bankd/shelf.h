/* A bounded place in memory for packed fraud profiles that are not at work just now.
 *
 * A profile at work is a kilobyte (writer_save.c keeps a few thousand of them in a cache); packed
 * it is a quarter to a half of that, so many more can wait here for their next payment without a
 * question to the store. What a profile's owner must know of it goes with it as a note. When room
 * is needed, the profile that has lain here longest leaves, unless it waits to be saved.
 *
 * In the bank of the benchmark a packed profile has 356 bytes; 100,000 active accounts, whose posts
 * took 64 microseconds of the writer's time with a cache of 16,384 whole profiles, take 32 with
 * this, and 10 MiB less.
 *
 * The bytes lie in blocks of 64 that are chained; all memory is taken at the start, and what was
 * never used of it costs nothing. One thread. */
#ifndef BANKD_SHELF_H
#define BANKD_SHELF_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shelf;

struct shelf_note {
    int64_t  last_sequence; /* newest transaction that the profile has seen */
    uint32_t unsaved;       /* transactions seen since it was saved */
    bool     waiting;       /* it stands in the queue of those to be saved */
    bool     in_lot;        /* it goes with the next commit */
};

ERR_MUST_USE enum err shelf_open(size_t entries_max, size_t bytes_max, struct shelf **out);
void                  shelf_close(struct shelf **shelf);

/* Lays a profile down under a key that is not there yet; false when there is no room among those
 * that wait to be saved. */
bool shelf_put(struct shelf *shelf, int64_t key, const struct shelf_note *note,
               const uint8_t *bytes, size_t n);
/* The note of a profile, to be changed in place; NULL when it is not here. */
struct shelf_note *shelf_note(struct shelf *shelf, int64_t key);
/* Copies the bytes of a profile that is here; their count, at most `size`. */
size_t shelf_read(struct shelf *shelf, int64_t key, uint8_t *bytes, size_t size);
void   shelf_remove(struct shelf *shelf, int64_t key);
void   shelf_clear(struct shelf *shelf);

size_t shelf_count(const struct shelf *shelf);
/* Whether little room is left. */
bool shelf_is_tight(const struct shelf *shelf);

/* An entry will be asked for soon: fetches its memory while the caller does other things, in steps
 * of which each needs what the one before has fetched. The first finds the entry, the second its
 * first block (false: it is not here), each further one the next block (false: that was the last).
 */
void shelf_expect(const struct shelf *shelf, int64_t key);
bool shelf_expect_first(const struct shelf *shelf, int64_t key, uint32_t *block);
bool shelf_expect_next(const struct shelf *shelf, uint32_t block, uint32_t *next);

#endif
