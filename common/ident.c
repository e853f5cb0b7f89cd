/* UUIDs of version 7: 48 bits of milliseconds, then 74 bits of tail around the fixed version and
 * variant bits.
 *
 * Ids made here are strictly ascending: within one millisecond, or when the clock was put back a
 * little, the next id is the last one with a random step added to its tail, so that nobody who
 * has seen one id can guess the next. A clock that was put back by more than ID_CLOCK_STEP_MS
 * starts anew, because an id whose time lies far ahead of the clock would be refused. */
#include "common/ident.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "common/check.h"

enum { ID_CLOCK_STEP_MS = 10000 };

#define ID_MS_MAX ((INT64_C(1) << 48) - 1)
#define ID_LOW_BITS 62
#define ID_LOW_MASK ((UINT64_C(1) << ID_LOW_BITS) - 1)
#define ID_HIGH_MASK UINT64_C(0xfff)

/* The tail as two numbers: 12 bits before the variant, 62 behind it. */
struct id_state {
    int64_t  ms;
    uint64_t high;
    uint64_t low;
};

static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;
static struct id_state last = { .ms = -1 };

static int64_t ms_of(int64_t at_us)
{
    int64_t ms = at_us / 1000;

    if (at_us < 0)
        return 0;
    return ms > ID_MS_MAX ? ID_MS_MAX : ms;
}

/* The kernel gives up to 256 bytes at once and whole; one that cannot is no place for a bank. */
static void random_fill(void *out, size_t n)
{
    ssize_t got;

    CHECK(n <= 256);
    do {
        got = getrandom(out, n, 0);
    } while (got < 0 && errno == EINTR);
    CHECK(got == (ssize_t)n);
}

static struct uuid uuid_pack(const struct id_state *state)
{
    struct uuid id;

    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)((uint64_t)state->ms >> (40 - 8 * i));
    id.bytes[6] = (uint8_t)(0x70 | (state->high >> 8));
    id.bytes[7] = (uint8_t)state->high;
    for (int i = 0; i < 8; i++)
        id.bytes[8 + i] = (uint8_t)(state->low >> (56 - 8 * i));
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f));
    return id;
}

static void state_new(struct id_state *state, int64_t ms, const uint64_t random[2])
{
    state->ms = ms;
    state->high = random[0] & ID_HIGH_MASK;
    state->low = random[1] & ID_LOW_MASK;
}

/* The next tail in the same millisecond; when all 74 bits are used up, the next millisecond. */
static void state_step(struct id_state *state, const uint64_t random[2])
{
    state->low += 1 + (random[1] & UINT32_MAX);
    if (state->low <= ID_LOW_MASK)
        return;
    state->low &= ID_LOW_MASK;
    state->high++;
    if (state->high <= ID_HIGH_MASK)
        return;
    state_new(state, state->ms < ID_MS_MAX ? state->ms + 1 : ID_MS_MAX, random);
}

struct uuid uuid_v7(int64_t now_us)
{
    int64_t     ms = ms_of(now_us);
    uint64_t    random[2];
    struct uuid id;

    random_fill(random, sizeof random);
    pthread_mutex_lock(&last_lock);
    if (ms > last.ms || last.ms - ms > ID_CLOCK_STEP_MS)
        state_new(&last, ms, random);
    else
        state_step(&last, random);
    id = uuid_pack(&last);
    pthread_mutex_unlock(&last_lock);
    return id;
}

struct uuid uuid_v7_derived(int64_t at_us, const uint8_t tail[10])
{
    struct id_state state = { .ms = ms_of(at_us) };

    state.high = ((uint64_t)tail[0] << 8 | tail[1]) & ID_HIGH_MASK;
    for (int i = 2; i < 10; i++)
        state.low = state.low << 8 | tail[i];
    state.low &= ID_LOW_MASK;
    return uuid_pack(&state);
}

bool uuid_is_v7(const struct uuid *id)
{
    return (id->bytes[6] & 0xf0) == 0x70 && (id->bytes[8] & 0xc0) == 0x80;
}

int64_t uuid_v7_ms(const struct uuid *id)
{
    int64_t ms = 0;

    for (int i = 0; i < 6; i++)
        ms = ms * 256 + id->bytes[i];
    return ms;
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

int uuid_compare(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

bool uuid_is_zero(const struct uuid *id)
{
    static const struct uuid zero;

    return uuid_equal(id, &zero);
}

/* A hyphen stands before these bytes. */
static bool hyphen_before(int byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

const char *uuid_text(const struct uuid *id, char out[UUID_TEXT_MAX])
{
    static const char digits[] = "0123456789abcdef";
    char             *at = out;

    for (int i = 0; i < 16; i++) {
        if (hyphen_before(i))
            *at++ = '-';
        *at++ = digits[id->bytes[i] >> 4];
        *at++ = digits[id->bytes[i] & 15];
    }
    *at = '\0';
    return out;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum err uuid_parse(const char *text, size_t n, struct uuid *id)
{
    struct uuid parsed;

    if (n != UUID_TEXT_MAX - 1)
        return ERR_id_invalid;
    for (int i = 0; i < 16; i++) {
        int high;
        int low;

        if (hyphen_before(i) && *text++ != '-')
            return ERR_id_invalid;
        high = hex_value(*text++);
        low = hex_value(*text++);
        if (high < 0 || low < 0)
            return ERR_id_invalid;
        parsed.bytes[i] = (uint8_t)(high * 16 + low);
    }
    *id = parsed;
    return ERR_none;
}
