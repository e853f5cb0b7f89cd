/* See names.h. Each kind has places of its own, and a number has one place: numbers are given in
 * order, so as many accounts as there are places never meet each other, and of more the one that
 * was asked for last stays. A place is one line of the processor's cache; a lock guards one in
 * LOCKS of them, for the time of a copy.
 *
 * With 100,000 accounts, of which each page of 50 rows names about 100, this took 60 of the 220
 * microseconds that a reader needed for the newest page. */
#include "bankd/names.h"

#include "common/check.h"
#include "common/limits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { LOCKS = 64 };

struct place {
    int64_t     number; /* 0 = free */
    uint32_t    version;
    struct name name;
};

struct names {
    _Atomic uint32_t version;
    pthread_mutex_t  locks[LOCKS];
    size_t           count[NAMES_KINDS];
    struct place    *places[NAMES_KINDS];
};

static_assert(sizeof(struct place) == 64, "a place is one line of the cache");

enum err names_open(struct names **out)
{
    struct names *names = calloc(1, sizeof *names);

    if (names == NULL)
        return ERR_memory;
    atomic_store(&names->version, 1);
    for (size_t i = 0; i < LOCKS; i++)
        CHECK(pthread_mutex_init(&names->locks[i], NULL) == 0);
    names->count[NAMES_ACCOUNT] = LIMIT_NAMES_KEPT;
    names->count[NAMES_PARTY] = LIMIT_NAMES_KEPT / 8;
    *out = names;
    for (size_t kind = 0; kind < NAMES_KINDS; kind++) {
        names->places[kind] = calloc(names->count[kind], sizeof *names->places[kind]);
        if (names->places[kind] == NULL) {
            names_close(out);
            return ERR_memory;
        }
    }
    return ERR_none;
}

void names_close(struct names **names)
{
    if (*names == NULL)
        return;
    for (size_t kind = 0; kind < NAMES_KINDS; kind++)
        free((*names)->places[kind]);
    for (size_t i = 0; i < LOCKS; i++)
        CHECK(pthread_mutex_destroy(&(*names)->locks[i]) == 0);
    free(*names);
    *names = NULL;
}

uint32_t names_version(struct names *names)
{
    return atomic_load(&names->version);
}

void names_changed(struct names *names)
{
    atomic_fetch_add(&names->version, 1);
}

/* The number's place, locked. */
static struct place *place_of(struct names *names, enum names_kind kind, int64_t number,
                              pthread_mutex_t **lock)
{
    size_t i = (size_t)((uint64_t)number % names->count[kind]);

    *lock = &names->locks[i % LOCKS];
    pthread_mutex_lock(*lock);
    return &names->places[kind][i];
}

bool names_get(struct names *names, enum names_kind kind, int64_t number, uint32_t version,
               struct name *out)
{
    pthread_mutex_t *lock;
    struct place    *place = place_of(names, kind, number, &lock);
    bool             known = place->number == number && place->version == version;

    if (known)
        *out = place->name;
    pthread_mutex_unlock(lock);
    return known;
}

void names_expect(const struct names *names, enum names_kind kind, int64_t number)
{
    __builtin_prefetch(&names->places[kind][(uint64_t)number % names->count[kind]]);
}

void names_put(struct names *names, enum names_kind kind, int64_t number, uint32_t version,
               const struct uuid *id, struct slice text)
{
    pthread_mutex_t *lock;
    struct place    *place;

    if (text.n > NAMES_TEXT_MAX || number == 0)
        return;
    place = place_of(names, kind, number, &lock);
    memset(place, 0, sizeof *place);
    place->number = number;
    place->version = version;
    place->name.id = *id;
    place->name.n = (uint8_t)text.n;
    if (text.n > 0)
        memcpy(place->name.text, text.at, text.n);
    pthread_mutex_unlock(lock);
}
