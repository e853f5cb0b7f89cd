/* See shelf.h. The cache knows the entries and which of them is the oldest; blocks are handed out
 * first from the untouched end and later from the chain of those that came back. */
#include "bankd/shelf.h"

#include "bankd/cache.h"
#include "common/check.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 60, NONE = UINT32_MAX };

struct block {
    uint32_t next;
    uint8_t  bytes[BLOCK_BYTES];
};

struct entry {
    struct shelf_note note;
    uint32_t          first;
    uint32_t          size;
};

struct shelf {
    struct cache *entries;
    size_t        entries_max;
    struct block *blocks;
    size_t        blocks_max;
    size_t        touched; /* blocks that were ever used */
    size_t        used;
    uint32_t      free;
};

static bool must_stay(const void *slot)
{
    return ((const struct entry *)slot)->note.waiting;
}

enum err shelf_open(size_t entries_max, size_t bytes_max, struct shelf **out)
{
    struct shelf *shelf = calloc(1, sizeof *shelf);
    enum err      err;

    if (shelf == NULL)
        return ERR_memory;
    shelf->entries_max = entries_max;
    shelf->blocks_max = bytes_max / sizeof(struct block);
    CHECK(shelf->blocks_max > 0 && shelf->blocks_max < NONE);
    shelf->blocks = malloc(shelf->blocks_max * sizeof *shelf->blocks);
    err = shelf->blocks == NULL
              ? ERR_memory
              : cache_open(entries_max, sizeof(struct entry), must_stay, &shelf->entries);
    if (err != ERR_none) {
        shelf_close(&shelf);
        return err;
    }
    shelf_clear(shelf);
    *out = shelf;
    return ERR_none;
}

void shelf_close(struct shelf **shelf)
{
    if (*shelf == NULL)
        return;
    cache_close(&(*shelf)->entries);
    free((*shelf)->blocks);
    free(*shelf);
    *shelf = NULL;
}

void shelf_clear(struct shelf *shelf)
{
    cache_clear(shelf->entries);
    shelf->touched = 0;
    shelf->used = 0;
    shelf->free = NONE;
}

/* --- blocks ---------------------------------------------------------------------------------- */

static size_t blocks_of(size_t n)
{
    return n == 0 ? 1 : (n + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

static uint32_t take_block(struct shelf *shelf)
{
    uint32_t i = shelf->free;

    if (i != NONE)
        shelf->free = shelf->blocks[i].next;
    else
        i = (uint32_t)shelf->touched++;
    CHECK(i < shelf->blocks_max);
    shelf->used++;
    return i;
}

static void give_blocks(struct shelf *shelf, const struct entry *entry)
{
    uint32_t i = entry->first;

    while (i != NONE) {
        uint32_t next = shelf->blocks[i].next;

        shelf->blocks[i].next = shelf->free;
        shelf->free = i;
        shelf->used--;
        i = next;
    }
}

static bool make_room(struct shelf *shelf, size_t blocks)
{
    while (shelf->blocks_max - shelf->used < blocks ||
           cache_count(shelf->entries) == shelf->entries_max) {
        struct entry oldest;
        int64_t      key;

        if (!cache_pop(shelf->entries, &key, &oldest))
            return false;
        give_blocks(shelf, &oldest);
    }
    return true;
}

/* --- entries --------------------------------------------------------------------------------- */

bool shelf_put(struct shelf *shelf, int64_t key, const struct shelf_note *note,
               const uint8_t *bytes, size_t n)
{
    struct entry *entry;
    uint32_t     *link;

    cache_unpin_all(shelf->entries); /* nothing here is pinned for longer than a call */
    if (!make_room(shelf, blocks_of(n)))
        return false;
    entry = cache_put(shelf->entries, key);
    CHECK(entry != NULL);
    entry->note = *note;
    entry->size = (uint32_t)n;
    link = &entry->first;
    for (size_t at = 0; at == 0 || at < n; at += BLOCK_BYTES) {
        size_t part = n - at < BLOCK_BYTES ? n - at : BLOCK_BYTES;

        *link = take_block(shelf);
        memcpy(shelf->blocks[*link].bytes, bytes + at, part);
        link = &shelf->blocks[*link].next;
    }
    *link = NONE;
    return true;
}

struct shelf_note *shelf_note(struct shelf *shelf, int64_t key)
{
    struct entry *entry = cache_peek(shelf->entries, key);

    return entry == NULL ? NULL : &entry->note;
}

size_t shelf_read(struct shelf *shelf, int64_t key, uint8_t *bytes, size_t size)
{
    const struct entry *entry = cache_peek(shelf->entries, key);
    uint32_t            i;
    size_t              n;

    CHECK(entry != NULL);
    n = entry->size < size ? entry->size : size;
    i = entry->first;
    for (size_t at = 0; at < n; at += BLOCK_BYTES) {
        memcpy(bytes + at, shelf->blocks[i].bytes, n - at < BLOCK_BYTES ? n - at : BLOCK_BYTES);
        i = shelf->blocks[i].next;
    }
    return n;
}

void shelf_remove(struct shelf *shelf, int64_t key)
{
    const struct entry *entry = cache_peek(shelf->entries, key);

    CHECK(entry != NULL);
    give_blocks(shelf, entry);
    cache_drop(shelf->entries, key);
}

size_t shelf_count(const struct shelf *shelf)
{
    return cache_count(shelf->entries);
}

bool shelf_is_tight(const struct shelf *shelf)
{
    return shelf->used > shelf->blocks_max / 8 * 7 ||
           cache_count(shelf->entries) > shelf->entries_max / 8 * 7;
}

void shelf_expect(const struct shelf *shelf, int64_t key)
{
    cache_expect(shelf->entries, key);
}

bool shelf_expect_first(const struct shelf *shelf, int64_t key, uint32_t *block)
{
    const struct entry *entry = cache_peek(shelf->entries, key);

    if (entry == NULL)
        return false;
    *block = entry->first;
    __builtin_prefetch(&shelf->blocks[*block]);
    return true;
}

bool shelf_expect_next(const struct shelf *shelf, uint32_t block, uint32_t *next)
{
    *next = shelf->blocks[block].next;
    if (*next == NONE)
        return false;
    __builtin_prefetch(&shelf->blocks[*next]);
    return true;
}
