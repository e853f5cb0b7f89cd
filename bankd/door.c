/* See door.h. Measures are in microseconds of waiting, so that no rounding loses any. */
#include "bankd/door.h"

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLACES = 4096,
    TEXT_MAX = 64,
    NETWORK_BYTES = 8, /* of an IPv6 address; the rest its owner chooses */
    TELL_EVERY_US = 5 * 1000 * 1000,
};

/* What is left is what time has given since `spent_us`, which lies in the future when more was
 * spent than there was. */
struct measure {
    int64_t spent_us;
};

struct door {
    pthread_mutex_t lock;
    uint8_t         key[crypto_shorthash_KEYBYTES];
    struct measure  all;
    struct measure  places[PLACES];
    int64_t         refused;
    int64_t         told_us;
};

enum err door_open(struct door **out)
{
    struct door *door = calloc(1, sizeof *door);

    if (door == NULL)
        return ERR_memory;
    if (pthread_mutex_init(&door->lock, NULL) != 0) {
        free(door);
        return ERR_memory;
    }
    crypto_shorthash_keygen(door->key);
    door->all.spent_us = INT64_MIN / 2;
    for (size_t i = 0; i < PLACES; i++)
        door->places[i].spent_us = INT64_MIN / 2;
    *out = door;
    return ERR_none;
}

void door_close(struct door **door)
{
    if (*door == NULL)
        return;
    pthread_mutex_destroy(&(*door)->lock);
    free(*door);
    *door = NULL;
}

/* The part of an address that one person has: half of an IPv6 address; "localhost:UID" of
 * "localhost:UID:GID:PID", which is how the library tells a process of this machine. */
static struct slice owner_of(struct slice address, char text[TEXT_MAX], uint8_t bytes[16])
{
    size_t host_n;

    slice_copy(address, text, TEXT_MAX);
    if (inet_pton(AF_INET6, text, bytes) == 1) {
        static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
        bool                 is_mapped = memcmp(bytes, mapped, sizeof mapped) == 0;

        return slice_of((const char *)bytes, is_mapped ? 16 : NETWORK_BYTES);
    }
    host_n = strcspn(text, ":");
    return slice_of(text,
                    text[host_n] == '\0' ? host_n : host_n + 1 + strcspn(text + host_n + 1, ":"));
}

static struct measure *measure_of(struct door *door, struct slice address)
{
    char         text[TEXT_MAX];
    uint8_t      bytes[16];
    struct slice owner = owner_of(address, text, bytes);
    uint64_t     hash;

    crypto_shorthash((uint8_t *)&hash, (const uint8_t *)owner.at, owner.n, door->key);
    return &door->places[hash % PLACES];
}

static bool can_spend(const struct measure *measure, int64_t each_us, int64_t now_us)
{
    return measure->spent_us + each_us <= now_us;
}

static void spend(struct measure *measure, int64_t cost_us, int64_t full_us, int64_t now_us)
{
    if (measure->spent_us < now_us - full_us)
        measure->spent_us = now_us - full_us;
    measure->spent_us += cost_us;
}

static void tell(struct door *door, int64_t now_us)
{
    door->refused++;
    if (door->told_us != 0 && now_us - door->told_us < TELL_EVERY_US)
        return;
    log_event(LOG_WARNING, "visits_refused", "reason=\"too many, or offences before\" count=%lld",
              (long long)door->refused);
    door->refused = 0;
    door->told_us = now_us;
}

bool door_admit(struct door *door, struct slice address, int64_t now_us)
{
    const int64_t   each_us = US_PER_SECOND / LIMIT_VISITS_PER_SECOND;
    const int64_t   each_of_all_us = US_PER_SECOND / LIMIT_VISITS_ALL_PER_SECOND;
    struct measure *measure = measure_of(door, address);
    bool            good;

    pthread_mutex_lock(&door->lock);
    good = can_spend(measure, each_us, now_us) && can_spend(&door->all, each_of_all_us, now_us);
    if (good) {
        spend(measure, each_us, LIMIT_VISITS_AT_ONCE * each_us, now_us);
        spend(&door->all, each_of_all_us, LIMIT_VISITS_ALL_AT_ONCE * each_of_all_us, now_us);
    } else {
        tell(door, now_us);
    }
    pthread_mutex_unlock(&door->lock);
    return good;
}

void door_blame(struct door *door, struct slice address, int64_t now_us)
{
    const int64_t   each_us = US_PER_SECOND / LIMIT_VISITS_PER_SECOND;
    const int64_t   longest_us = now_us + LIMIT_OFFENCE_SECONDS_MAX * US_PER_SECOND;
    struct measure *measure = measure_of(door, address);

    pthread_mutex_lock(&door->lock);
    spend(measure, LIMIT_OFFENCE_VISITS * each_us, LIMIT_VISITS_AT_ONCE * each_us, now_us);
    if (measure->spent_us > longest_us)
        measure->spent_us = longest_us;
    pthread_mutex_unlock(&door->lock);
}
