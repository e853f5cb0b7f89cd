/* See cache.h. Buckets of chained slot numbers, and one list from most to least recently used;
 * slot numbers instead of pointers halve the links. Pins are a generation number, so that
 * unpinning everything is one addition.
 *
 * The list's order is exact only for small caches. Moving a slot to the front touches four other
 * slots' links, which in a cache of many megabytes are four waits for memory, more than all else
 * that a look-up does; so a slot that was moved not long ago stays where it is. */
#include "bankd/cache.h"

#include "common/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { NONE = UINT32_MAX, LARGE_PAGE = 2 * 1024 * 1024, LINE = 64 };

struct link {
    int64_t  key;
    uint32_t chain; /* next in the bucket, or next free */
    uint32_t newer;
    uint32_t older;
    uint32_t pin;   /* generation of the last touch */
    uint32_t moved; /* count of moves when it was last moved to the front */
};

struct cache {
    size_t       capacity;
    size_t       slot_size;
    size_t       size_given; /* the same before it was rounded up */
    size_t       count;
    size_t       bucket_mask;
    uint32_t     generation;
    uint32_t     newest;
    uint32_t     oldest;
    uint32_t     free;
    uint32_t     moves;
    cache_keep  *keep;
    uint32_t    *buckets;
    struct link *links;
    char        *slots;
};

static size_t bucket_of(const struct cache *cache, int64_t key)
{
    uint64_t hash = (uint64_t)key * UINT64_C(0x9E3779B97F4A7C15);

    return (size_t)(hash >> 32) & cache->bucket_mask;
}

static void *slot_at(const struct cache *cache, uint32_t i)
{
    return cache->slots + (size_t)i * cache->slot_size;
}

/* Memory in which every look-up lands somewhere else. With ordinary pages most of them would miss
 * the processor's table of pages too; a kernel that has no large ones to give ignores the wish. */
static void *take_memory(size_t bytes)
{
    size_t size = (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    void  *memory;

    if (bytes < LARGE_PAGE)
        return malloc(bytes);
    memory = aligned_alloc(LARGE_PAGE, size);
    if (memory != NULL)
        (void)madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

enum err cache_open(size_t capacity, size_t slot_size, cache_keep *keep, struct cache **out)
{
    struct cache *cache = calloc(1, sizeof *cache);
    size_t        buckets = 16;

    CHECK(capacity > 0 && capacity < UINT32_MAX);
    if (cache == NULL)
        return ERR_memory;
    while (buckets < capacity * 2)
        buckets *= 2;
    cache->capacity = capacity;
    cache->slot_size = (slot_size + 15) / 16 * 16;
    cache->size_given = slot_size;
    cache->bucket_mask = buckets - 1;
    cache->keep = keep;
    cache->buckets = take_memory(buckets * sizeof *cache->buckets);
    cache->links = take_memory(capacity * sizeof *cache->links);
    cache->slots = take_memory(capacity * cache->slot_size);
    if (cache->buckets == NULL || cache->links == NULL || cache->slots == NULL) {
        cache_close(&cache);
        return ERR_memory;
    }
    cache_clear(cache);
    *out = cache;
    return ERR_none;
}

void cache_close(struct cache **cache)
{
    if (*cache == NULL)
        return;
    free((*cache)->buckets);
    free((*cache)->links);
    free((*cache)->slots);
    free(*cache);
    *cache = NULL;
}

void cache_clear(struct cache *cache)
{
    memset(cache->buckets, 0xff, (cache->bucket_mask + 1) * sizeof *cache->buckets);
    for (uint32_t i = 0; i < cache->capacity; i++)
        cache->links[i].chain = i + 1 < cache->capacity ? i + 1 : NONE;
    cache->free = 0;
    cache->newest = NONE;
    cache->oldest = NONE;
    cache->count = 0;
    cache->generation = 1;
}

static void list_remove(struct cache *cache, uint32_t i)
{
    struct link *link = &cache->links[i];

    if (link->newer == NONE)
        cache->newest = link->older;
    else
        cache->links[link->newer].older = link->older;
    if (link->older == NONE)
        cache->oldest = link->newer;
    else
        cache->links[link->older].newer = link->newer;
}

static void list_push(struct cache *cache, uint32_t i)
{
    struct link *link = &cache->links[i];

    link->newer = NONE;
    link->older = cache->newest;
    if (cache->newest == NONE)
        cache->oldest = i;
    else
        cache->links[cache->newest].newer = i;
    cache->newest = i;
    link->moved = ++cache->moves;
}

/* Whether the slot is surely in the newest part of the list. */
static bool moved_lately(const struct cache *cache, uint32_t i)
{
    return cache->newest == i ||
           (size_t)(cache->moves - cache->links[i].moved) < cache->capacity / 64 * 16;
}

static uint32_t find(const struct cache *cache, int64_t key)
{
    uint32_t i = cache->buckets[bucket_of(cache, key)];

    while (i != NONE && cache->links[i].key != key)
        i = cache->links[i].chain;
    return i;
}

void *cache_get(struct cache *cache, int64_t key)
{
    uint32_t i = find(cache, key);

    if (i == NONE)
        return NULL;
    if (!moved_lately(cache, i)) {
        list_remove(cache, i);
        list_push(cache, i);
    }
    cache->links[i].pin = cache->generation;
    return slot_at(cache, i);
}

void *cache_peek(struct cache *cache, int64_t key)
{
    uint32_t i = find(cache, key);

    return i == NONE ? NULL : slot_at(cache, i);
}

void cache_expect(const struct cache *cache, int64_t key)
{
    __builtin_prefetch(&cache->buckets[bucket_of(cache, key)]);
}

/* The first of the chain is nearly always the only one. */
void cache_expect_slot(const struct cache *cache, int64_t key, size_t bytes)
{
    uint32_t    i = cache->buckets[bucket_of(cache, key)];
    const char *slot;

    if (i == NONE)
        return;
    __builtin_prefetch(&cache->links[i]);
    slot = slot_at(cache, i);
    for (size_t at = 0; at < bytes; at += LINE)
        __builtin_prefetch(slot + at);
}

static void forget(struct cache *cache, uint32_t i)
{
    uint32_t *from = &cache->buckets[bucket_of(cache, cache->links[i].key)];

    while (*from != i)
        from = &cache->links[*from].chain;
    *from = cache->links[i].chain;
    list_remove(cache, i);
    cache->links[i].chain = cache->free;
    cache->free = i;
    cache->count--;
}

/* The oldest slot that is neither pinned nor kept. One that is kept goes to the front, so that
 * the next walk does not begin with it again. */
static uint32_t find_oldest(struct cache *cache)
{
    uint32_t i = cache->oldest;

    for (size_t left = cache->count; left > 0; left--) {
        uint32_t newer = cache->links[i].newer;

        if (cache->keep != NULL && cache->keep(slot_at(cache, i))) {
            list_remove(cache, i);
            list_push(cache, i);
        } else if (cache->links[i].pin != cache->generation) {
            return i;
        }
        i = newer;
    }
    return NONE;
}

static bool forget_oldest(struct cache *cache)
{
    uint32_t i = find_oldest(cache);

    if (i != NONE)
        forget(cache, i);
    return i != NONE;
}

bool cache_pop(struct cache *cache, int64_t *key, void *slot)
{
    uint32_t i = find_oldest(cache);

    if (i == NONE)
        return false;
    *key = cache->links[i].key;
    memcpy(slot, slot_at(cache, i), cache->size_given);
    forget(cache, i);
    return true;
}

void cache_drop(struct cache *cache, int64_t key)
{
    uint32_t i = find(cache, key);

    CHECK(i != NONE);
    forget(cache, i);
}

void *cache_put(struct cache *cache, int64_t key)
{
    size_t   bucket = bucket_of(cache, key);
    uint32_t i;

    CHECK(find(cache, key) == NONE);
    if (cache->free == NONE && !forget_oldest(cache))
        return NULL;
    i = cache->free;
    cache->free = cache->links[i].chain;
    cache->links[i].key = key;
    cache->links[i].chain = cache->buckets[bucket];
    cache->links[i].pin = cache->generation;
    cache->buckets[bucket] = i;
    list_push(cache, i);
    cache->count++;
    memset(slot_at(cache, i), 0, cache->slot_size);
    return slot_at(cache, i);
}

void cache_unpin_all(struct cache *cache)
{
    cache->generation++;
}

size_t cache_count(const struct cache *cache)
{
    return cache->count;
}

bool cache_has_room(const struct cache *cache)
{
    return cache->count < cache->capacity;
}
