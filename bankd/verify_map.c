/* See verify_impl.h. Open addressing over indexes into one array of entries; the array is walked
 * in the order in which entries were made, so that messages come in a steady order. */
#include "bankd/verify_impl.h"

#include <stdlib.h>
#include <string.h>

enum { MAP_SLOTS_MIN = 256 };

void verify_map_init(struct verify_map *map, size_t entry_size)
{
    memset(map, 0, sizeof *map);
    map->entry_size = entry_size;
}

void verify_map_free(struct verify_map *map)
{
    free(map->entries);
    free(map->slots);
    verify_map_init(map, map->entry_size);
}

void *verify_map_at(const struct verify_map *map, size_t index)
{
    return map->entries + index * map->entry_size;
}

static int64_t key_at(const struct verify_map *map, size_t index)
{
    int64_t key;

    memcpy(&key, verify_map_at(map, index), sizeof key);
    return key;
}

static size_t place_of(const struct verify_map *map, int64_t key)
{
    uint64_t hash = (uint64_t)key;

    hash = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 32) & (map->slot_count - 1);

    while (map->slots[at] != 0 && key_at(map, map->slots[at] - 1) != key)
        at = (at + 1) & (map->slot_count - 1);
    return at;
}

static bool grow_slots(struct verify_map *map)
{
    size_t    size = map->slot_count == 0 ? MAP_SLOTS_MIN : map->slot_count * 2;
    uint32_t *slots;

    if ((map->count + 1) * 4 <= map->slot_count * 3)
        return true;
    slots = calloc(size, sizeof *slots);
    if (slots == NULL || size > UINT32_MAX) {
        free(slots);
        return false;
    }
    free(map->slots);
    map->slots = slots;
    map->slot_count = size;
    for (size_t i = 0; i < map->count; i++)
        map->slots[place_of(map, key_at(map, i))] = (uint32_t)i + 1;
    return true;
}

static bool grow_entries(struct verify_map *map)
{
    size_t capacity = map->capacity == 0 ? MAP_SLOTS_MIN : map->capacity * 2;
    char  *entries;

    if (map->count < map->capacity)
        return true;
    entries = realloc(map->entries, capacity * map->entry_size);
    if (entries == NULL)
        return false;
    map->entries = entries;
    map->capacity = capacity;
    return true;
}

void *verify_map_find(const struct verify_map *map, int64_t key)
{
    uint32_t slot = map->slot_count == 0 ? 0 : map->slots[place_of(map, key)];

    return slot == 0 ? NULL : verify_map_at(map, slot - 1);
}

void *verify_map_make(struct verify_map *map, int64_t key)
{
    void *entry = verify_map_find(map, key);

    if (entry != NULL)
        return entry;
    if (!grow_slots(map) || !grow_entries(map))
        return NULL;
    entry = verify_map_at(map, map->count);
    memset(entry, 0, map->entry_size);
    memcpy(entry, &key, sizeof key);
    map->slots[place_of(map, key)] = (uint32_t)++map->count;
    return entry;
}
