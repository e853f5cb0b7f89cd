/* See recent.h. Two generations of open addressing: when the young one is full it becomes the old
 * one, and what was in the old one is from then on known only by its greatest id. */
#include "bankd/recent.h"

#include <stdlib.h>
#include <string.h>

enum { GENERATION_MAX = 16384, SLOTS = GENERATION_MAX * 2 };

struct generation {
    size_t      count;
    struct uuid greatest;
    int64_t     keys[SLOTS]; /* 0 = free */
};

struct recent {
    struct uuid        floor; /* ids up to here are not known one by one */
    struct generation *young, *old;
    struct generation  generations[2];
};

enum err recent_open(struct recent **out)
{
    struct recent *recent = calloc(1, sizeof *recent);

    if (recent == NULL)
        return ERR_memory;
    recent->young = &recent->generations[0];
    recent->old = &recent->generations[1];
    *out = recent;
    return ERR_none;
}

void recent_close(struct recent **recent)
{
    free(*recent);
    *recent = NULL;
}

static size_t slot_of(const struct generation *generation, int64_t key)
{
    size_t i = (size_t)key % SLOTS;

    while (generation->keys[i] != 0 && generation->keys[i] != key)
        i = (i + 1) % SLOTS;
    return i;
}

void recent_raise(struct recent *recent, const struct uuid *id)
{
    if (uuid_compare(id, &recent->floor) > 0)
        recent->floor = *id;
}

static void turn(struct recent *recent)
{
    struct generation *oldest = recent->old;

    recent_raise(recent, &oldest->greatest);
    memset(oldest, 0, sizeof *oldest);
    recent->old = recent->young;
    recent->young = oldest;
}

void recent_add(struct recent *recent, const struct uuid *id, int64_t key)
{
    size_t i;

    if (recent->young->count == GENERATION_MAX)
        turn(recent);
    if (key == 0) { /* it would be taken for a free place */
        recent_raise(recent, id);
        return;
    }
    if (uuid_compare(id, &recent->young->greatest) > 0)
        recent->young->greatest = *id;
    i = slot_of(recent->young, key);
    if (recent->young->keys[i] == key)
        return;
    recent->young->keys[i] = key;
    recent->young->count++;
}

bool recent_may_have(const struct recent *recent, const struct uuid *id, int64_t key)
{
    if (uuid_compare(id, &recent->floor) <= 0 || key == 0)
        return true;
    return recent->young->keys[slot_of(recent->young, key)] == key ||
           recent->old->keys[slot_of(recent->old, key)] == key;
}

void recent_expect(const struct recent *recent, int64_t key)
{
    __builtin_prefetch(&recent->young->keys[(size_t)key % SLOTS]);
    __builtin_prefetch(&recent->old->keys[(size_t)key % SLOTS]);
}
