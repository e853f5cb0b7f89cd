/* Profiles: how an act is folded in and how the windows are read.
 *
 * Everything here is O(1) and takes any input: times before 1970, late acts, amounts up to the
 * largest integer, and bytes that passed fraud_profile_valid without being a profile. The rule
 * that must not be broken: the calls that observe and forget alone change a profile, and
 * only by their arguments. */
#include "bankd/fraud/profile.h"

#include <string.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/money.h"

#define CELL_SUM_MAX      ((UINT64_C(1) << 48) - 1)
#define CELL_COUNT_ONE    (UINT64_C(1) << 48)
#define CELL_COUNT_MAX    UINT64_C(0xffff)
#define MOMENT_AMOUNT_MAX (UINT64_C(1) << 42) /* larger amounts count as this in the moments */

/* The sum of so many squares fits its 96 bits. */
static_assert((uint64_t)PROFILE_HABIT_MAX <= UINT64_C(1) << 12, "the moments fit");
static_assert((int)PROFILE_HABIT_MAX <= (int)UINT16_MAX, "the count of the moments fits");

struct ring {
    size_t  offset;
    int64_t cells;
    size_t  cell_bytes;
    int64_t width_us;
};

/* Every ring with its field and the width of its buckets. Code that is given a ring as a constant
 * needs no division, which is most of what a profile would cost otherwise. */
#define RINGS(RING)                                                                                \
    RING(RING_OUT_1H, out_1h, 10 * US_PER_MINUTE)                                                  \
    RING(RING_OUT_24H, out_24h, 3 * US_PER_HOUR)                                                   \
    RING(RING_OUT_7D, out_7d, US_PER_DAY)                                                          \
    RING(RING_OUT_30D, out_30d, 3 * US_PER_DAY)                                                    \
    RING(RING_IN_24H, in_24h, 4 * US_PER_HOUR)                                                     \
    RING(RING_IN_7D, in_7d, US_PER_DAY)                                                            \
    RING(RING_IN_30D, in_30d, 5 * US_PER_DAY)                                                      \
    RING(RING_FAN_IN, fan_in, 84 * US_PER_HOUR)                                                    \
    RING(RING_FAN_OUT, fan_out, 84 * US_PER_HOUR)                                                  \
    RING(RING_SMALL_24H, small_24h, 3 * US_PER_HOUR)                                               \
    RING(RING_SMALL_7D, small_7d, 21 * US_PER_HOUR)                                                \
    RING(RING_LARGE_7D, large_7d, 21 * US_PER_HOUR)

#define RING_OF(field, width)                                                                      \
    ((struct ring){ offsetof(struct profile, field), ARRAY_COUNT(((struct profile *)0)->field),    \
                    sizeof(((struct profile *)0)->field[0]), (width) })

#define ALWAYS_INLINE static inline __attribute__((always_inline))

static struct profile *profile_edit(struct fraud_profile *bytes)
{
    return (struct profile *)(void *)bytes->bytes;
}

/* --- life ------------------------------------------------------------------------------------ */

void fraud_profile_init(struct fraud_profile *profile)
{
    struct profile *p = profile_edit(profile);

    memset(profile, 0, sizeof *profile);
    p->magic = PROFILE_MAGIC;
    p->version = PROFILE_VERSION;
}

bool fraud_profile_valid(const struct fraud_profile *profile)
{
    const struct profile *p = profile_of(profile);

    return p->magic == PROFILE_MAGIC && p->version == PROFILE_VERSION &&
           p->first_at_us <= p->last_at_us && p->first_at_us <= p->last_out_at_us &&
           p->last_out_at_us <= p->last_at_us && p->habit_count < PROFILE_HABIT_MAX &&
           p->habit_count <= p->out_count && (p->out_count != 0 || p->out_max == 0) &&
           p->in_max <= p->in_sum && p->in_foreign <= p->in_count && p->reserved == 0;
}

uint64_t fraud_profile_digest(const struct fraud_profile *profile)
{
    uint64_t digest = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < sizeof profile->bytes; i++)
        digest = (digest ^ profile->bytes[i]) * UINT64_C(0x100000001b3);
    return digest;
}

bool profile_is_act(int32_t type)
{
    return type == TYPE_DEPOSIT || type == TYPE_WITHDRAWAL || type == TYPE_TRANSFER ||
           type == TYPE_PAYMENT;
}

bool profile_is_empty(const struct profile *profile)
{
    return profile->out_count == 0 && profile->in_count == 0 && profile->stopped_count == 0;
}

bool profile_is_near_threshold(int64_t amount, int64_t unit)
{
    int64_t major = unit > 0 ? amount / unit : 0;

    return major >= PROFILE_NEAR_MAJOR / 10 * 9 && major < PROFILE_NEAR_MAJOR;
}

/* --- rings ----------------------------------------------------------------------------------- */

ALWAYS_INLINE size_t ring_slot(struct ring ring, int64_t bucket)
{
    int64_t slot = bucket % ring.cells;

    return (size_t)(slot < 0 ? slot + ring.cells : slot);
}

ALWAYS_INLINE void ring_advance(struct profile *p, struct ring ring, int64_t at_us)
{
    int64_t        head = profile_bucket(p->last_at_us, ring.width_us);
    int64_t        steps = profile_bucket(at_us, ring.width_us) - head;
    unsigned char *cells = (unsigned char *)p + ring.offset;

    if (steps >= ring.cells) {
        memset(cells, 0, (size_t)ring.cells * ring.cell_bytes);
        return;
    }
    for (int64_t step = 1; step <= steps; step++)
        memset(cells + ring_slot(ring, head + step) * ring.cell_bytes, 0, ring.cell_bytes);
}

/* Empties the buckets that the rings pass on their way to `at_us`. */
static void rings_advance(struct profile *p, int64_t at_us)
{
#define RING(which, field, width) ring_advance(p, RING_OF(field, width), at_us);
    RINGS(RING)
#undef RING
}

ALWAYS_INLINE void *ring_find(struct profile *p, struct ring ring, int64_t at_us)
{
    int64_t bucket = profile_bucket(at_us, ring.width_us);

    if (bucket <= profile_bucket(p->last_at_us, ring.width_us) - ring.cells)
        return NULL;
    return (unsigned char *)p + ring.offset + ring_slot(ring, bucket) * ring.cell_bytes;
}

/* The bucket's bytes, or NULL when it has left the ring. */
static void *ring_cell(struct profile *p, enum profile_ring which, int64_t at_us)
{
    switch (which) {
#define RING(name, field, width)                                                                   \
    case name:                                                                                     \
        return ring_find(p, RING_OF(field, width), at_us);
        RINGS(RING)
#undef RING
    default:
        return NULL;
    }
}

/* Walks the buckets that both the ring and the window up to a moment have. */
struct ring_walk {
    const unsigned char *cells;
    size_t               slot;
    size_t               cell_count;
    size_t               cell_bytes;
    int64_t              left;
};

ALWAYS_INLINE struct ring_walk ring_start(const struct profile *p, struct ring ring, int64_t at_us)
{
    int64_t head = profile_bucket(p->last_at_us, ring.width_us);
    int64_t now = profile_bucket(at_us, ring.width_us);
    int64_t from = (now > head ? now : head) - ring.cells + 1;
    int64_t to = now > head ? head : now;

    return (struct ring_walk){
        .cells = (const unsigned char *)p + ring.offset,
        .slot = ring_slot(ring, from),
        .cell_count = (size_t)ring.cells,
        .cell_bytes = ring.cell_bytes,
        .left = to - from + 1,
    };
}

static struct ring_walk ring_walk(const struct profile *p, enum profile_ring which, int64_t at_us)
{
    switch (which) {
#define RING(name, field, width)                                                                   \
    case name:                                                                                     \
        return ring_start(p, RING_OF(field, width), at_us);
        RINGS(RING)
#undef RING
    default:
        return (struct ring_walk){ .left = 0 };
    }
}

static const void *ring_next(struct ring_walk *walk)
{
    const void *cell = walk->cells + walk->slot * walk->cell_bytes;

    if (walk->left <= 0)
        return NULL;
    walk->left--;
    walk->slot = walk->slot + 1 == walk->cell_count ? 0 : walk->slot + 1;
    return cell;
}

struct profile_sum profile_window(const struct profile *profile, enum profile_ring ring,
                                  int64_t at_us)
{
    struct profile_sum total = { 0, 0 };
    struct ring_walk   walk = ring_walk(profile, ring, at_us);
    const uint64_t    *cells = (const void *)walk.cells;
    int64_t            end = (int64_t)walk.slot + walk.left;
    int64_t            behind = end - (int64_t)walk.cell_count; /* from the first on again */

    for (int64_t i = (int64_t)walk.slot; i < end - (behind > 0 ? behind : 0); i++) {
        total.count += (int64_t)(cells[i] >> 48);
        total.sum += (int64_t)(cells[i] & CELL_SUM_MAX);
    }
    for (int64_t i = 0; i < behind; i++) {
        total.count += (int64_t)(cells[i] >> 48);
        total.sum += (int64_t)(cells[i] & CELL_SUM_MAX);
    }
    return total;
}

int64_t profile_small(const struct profile *profile, enum profile_ring ring,
                      enum profile_small kind, int64_t at_us)
{
    int64_t          total = 0;
    struct ring_walk walk = ring_walk(profile, ring, at_us);
    const uint8_t   *cell;

    while ((cell = ring_next(&walk)) != NULL)
        total += cell[kind];
    return total;
}

int64_t profile_large(const struct profile *profile, int64_t at_us)
{
    int64_t          total = 0;
    struct ring_walk walk = ring_walk(profile, RING_LARGE_7D, at_us);
    const uint8_t   *cell;

    while ((cell = ring_next(&walk)) != NULL)
        total += *cell;
    return total;
}

int64_t profile_fan(const struct profile *profile, enum profile_ring ring, int64_t at_us)
{
    /* Linear counting with 64 bits: the nearest integer to -64 ln(1 - set / 64). */
    static const uint16_t estimates[65] = {
        0,   1,   2,   3,   4,   5,   6,   7,   9,   10,  11,  12,  13,  15,  16, 17, 18,
        20,  21,  23,  24,  25,  27,  28,  30,  32,  33,  35,  37,  39,  40,  42, 44, 46,
        48,  51,  53,  55,  58,  60,  63,  65,  68,  71,  74,  78,  81,  85,  89, 93, 97,
        102, 107, 113, 119, 126, 133, 142, 151, 163, 177, 196, 222, 266, 300,
    };
    uint64_t         marks = 0;
    struct ring_walk walk = ring_walk(profile, ring, at_us);
    const uint64_t  *cell;

    while ((cell = ring_next(&walk)) != NULL)
        marks |= *cell;
    return estimates[__builtin_popcountll(marks)];
}

static void cell_add(uint64_t *cell, uint64_t amount)
{
    uint64_t sum = *cell & CELL_SUM_MAX;
    uint64_t count = *cell >> 48;

    sum = amount > CELL_SUM_MAX - sum ? CELL_SUM_MAX : sum + amount;
    count += count < CELL_COUNT_MAX ? 1 : 0;
    *cell = count * CELL_COUNT_ONE | sum;
}

static void ring_add(struct profile *p, enum profile_ring ring, int64_t at_us, uint64_t amount)
{
    uint64_t *cell = ring_cell(p, ring, at_us);

    if (cell != NULL)
        cell_add(cell, amount);
}

static void ring_mark(struct profile *p, enum profile_ring ring, int64_t at_us, uint32_t hash)
{
    uint64_t *cell = ring_cell(p, ring, at_us);

    if (cell != NULL)
        *cell |= UINT64_C(1) << (hash >> 26);
}

static void small_add(struct profile *p, enum profile_small kind, int64_t at_us)
{
    uint8_t *day = ring_cell(p, RING_SMALL_24H, at_us);
    uint8_t *week = ring_cell(p, RING_SMALL_7D, at_us);

    if (day != NULL && day[kind] < UINT8_MAX)
        day[kind]++;
    if (week != NULL && week[kind] < UINT8_MAX)
        week[kind]++;
}

/* Takes one back; a bucket that is full has lost count and stays. */
static void small_remove(struct profile *p, enum profile_small kind, int64_t at_us)
{
    uint8_t *day = ring_cell(p, RING_SMALL_24H, at_us);
    uint8_t *week = ring_cell(p, RING_SMALL_7D, at_us);

    if (day != NULL && day[kind] > 0 && day[kind] < UINT8_MAX)
        day[kind]--;
    if (week != NULL && week[kind] > 0 && week[kind] < UINT8_MAX)
        week[kind]--;
}

/* --- counterparties -------------------------------------------------------------------------- */

/* The finaliser of a 64-bit mixer; never 0, which means a free place. */
static uint64_t entity_mix(int64_t entity)
{
    uint64_t x = (uint64_t)entity + UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint32_t entity_hash(uint64_t mix)
{
    return (uint32_t)mix != 0 ? (uint32_t)mix : 1;
}

/* Three 9-bit places from the upper half, which entity_hash does not use. */
static bool older_has(const struct profile *p, uint64_t mix)
{
    bool has = true;

    for (unsigned i = 0; i < 3; i++) {
        unsigned bit = (unsigned)(mix >> (32 + 9 * i)) & 511;

        has = has && (p->older[bit / 64] >> (bit % 64) & 1) != 0;
    }
    return has;
}

static void older_add(struct profile *p, uint64_t mix)
{
    for (unsigned i = 0; i < 3; i++) {
        unsigned bit = (unsigned)(mix >> (32 + 9 * i)) & 511;

        p->older[bit / 64] |= UINT64_C(1) << (bit % 64);
    }
}

/* PROFILE_RECENT when it is not among them. */
static size_t recent_find(const struct profile *p, uint32_t hash)
{
    size_t place = 0;

    while (place < PROFILE_RECENT && p->recent_hashes[place] != hash)
        place++;
    return place;
}

static uint16_t hour_number(int64_t at_us)
{
    return (uint16_t)profile_bucket(at_us, US_PER_HOUR);
}

bool profile_knows(const struct profile *profile, int64_t entity)
{
    uint64_t mix = entity_mix(entity);

    return recent_find(profile, entity_hash(mix)) < PROFILE_RECENT || older_has(profile, mix);
}

int64_t profile_payments_to(const struct profile *profile, int64_t entity)
{
    size_t place = recent_find(profile, entity_hash(entity_mix(entity)));

    return place < PROFILE_RECENT ? profile->recent_counts[place] : 0;
}

int64_t profile_parties_since(const struct profile *profile, int64_t at_us, int64_t hours)
{
    uint16_t now = hour_number(at_us);
    int64_t  count = 0;

    for (size_t i = 0; i < PROFILE_RECENT; i++) {
        int16_t age = (int16_t)(uint16_t)(now - profile->recent_hours[i]);

        count += profile->recent_hashes[i] != 0 && age >= 0 && age < hours ? 1 : 0;
    }
    return count;
}

void fraud_suppose_known(struct fraud_profile *profile, int64_t entity)
{
    older_add(profile_edit(profile), entity_mix(entity));
}

/* Notes a payment to an entity; the one that was paid least recently makes room. */
static void party_remember(struct profile *p, int64_t entity, int64_t at_us)
{
    uint64_t mix = entity_mix(entity);
    uint32_t hash = entity_hash(mix);
    uint16_t newest = hour_number(p->last_at_us);
    size_t   place = 0;
    uint32_t oldest = 0;

    if (!profile_knows(p, entity))
        small_add(p, SMALL_NEW, at_us);
    older_add(p, mix);
    for (size_t i = 0; i < PROFILE_RECENT; i++) {
        uint32_t age = p->recent_hashes[i] == hash ? UINT32_MAX
                       : p->recent_hashes[i] == 0  ? UINT32_MAX - 1
                                                   : (uint16_t)(newest - p->recent_hours[i]);

        if (age > oldest) {
            oldest = age;
            place = i;
        }
    }
    if (p->recent_hashes[place] != hash) {
        p->recent_hashes[place] = hash;
        p->recent_hours[place] = hour_number(at_us);
        p->recent_counts[place] = 0;
    }
    if ((int16_t)(uint16_t)(hour_number(at_us) - p->recent_hours[place]) > 0)
        p->recent_hours[place] = hour_number(at_us);
    if (p->recent_counts[place] < UINT8_MAX)
        p->recent_counts[place]++;
}

/* --- habits of outgoing amounts and hours ---------------------------------------------------- */

static unsigned __int128 habit_squares(const struct profile *p)
{
    return (unsigned __int128)p->habit_squares_high << 64 | p->habit_squares;
}

static void habit_add(struct profile *p, int64_t amount)
{
    uint64_t          given = (uint64_t)amount;
    uint64_t          x = given < MOMENT_AMOUNT_MAX ? given : MOMENT_AMOUNT_MAX;
    unsigned __int128 squares = habit_squares(p) + (unsigned __int128)x * x;

    p->habit_sum += x;
    if (++p->habit_count >= PROFILE_HABIT_MAX) {
        p->habit_count /= 2;
        p->habit_sum /= 2;
        squares /= 2;
    }
    p->habit_squares = (uint64_t)squares;
    p->habit_squares_high = (uint32_t)(squares >> 64);
}

int64_t profile_in_own(const struct profile *profile)
{
    return (int64_t)profile->in_count - profile->in_foreign;
}

int64_t profile_habit_mean(const struct profile *profile)
{
    return profile->habit_count == 0 ? 0
                                     : profile_saturate(profile->habit_sum / profile->habit_count);
}

/* The largest integer whose square is not above x. */
uint64_t profile_root(unsigned __int128 x)
{
    uint64_t root = 0;
    unsigned bits = (uint64_t)(x >> 64) != 0 ? 128u - (unsigned)__builtin_clzll((uint64_t)(x >> 64))
                    : (uint64_t)x != 0       ? 64u - (unsigned)__builtin_clzll((uint64_t)x)
                                             : 0;

    for (unsigned bit = (bits + 1) / 2; bit-- > 0;) {
        uint64_t more = root | UINT64_C(1) << bit;

        if ((unsigned __int128)more * more <= x)
            root = more;
    }
    return root;
}

int64_t profile_habit_deviation(const struct profile *profile)
{
    unsigned __int128 squares = habit_squares(profile);
    uint64_t          n = profile->habit_count;
    uint64_t          mean = n == 0 ? 0 : profile->habit_sum / n;
    unsigned __int128 taken = (unsigned __int128)mean * profile->habit_sum;
    unsigned __int128 given = (unsigned __int128)mean * (mean * n);

    /* The sum of (x - mean)^2 is the squares - 2 mean sum + n mean^2, and mean n <= sum. */
    if (n == 0 || squares + given < 2 * taken)
        return 0;
    return profile_saturate(profile_root((squares + given - 2 * taken) / n));
}

/* Two steps for each power of two: 0 and 1, 2, 3, 4 and 5, 6 and 7, 8 to 11, and so on. */
static unsigned size_step(uint64_t amount)
{
    unsigned exponent = 63u - (unsigned)__builtin_clzll(amount | 1);

    return exponent == 0 ? 0 : exponent * 2 - 1 + ((unsigned)(amount >> (exponent - 1)) & 1);
}

/* The step of the first class: the largest amount lies in the last class, or below. */
static unsigned size_base(uint64_t largest)
{
    unsigned step = size_step(largest);

    return step < PROFILE_SIZES ? 0 : step - (PROFILE_SIZES - 1);
}

static size_t size_class(uint64_t largest, uint64_t amount)
{
    unsigned step = size_step(amount);
    unsigned base = size_base(largest);

    return step <= base ? 0 : step - base < PROFILE_SIZES ? step - base : PROFILE_SIZES - 1;
}

int64_t profile_size_from(const struct profile *profile, size_t class)
{
    unsigned step = size_base(profile->out_max) + (unsigned)class;
    uint64_t power = UINT64_C(1) << (step + 1) / 2;

    return class == 0 ? 0 : profile_saturate(step % 2 == 1 ? power : power + power / 2);
}

static void sizes_halve(struct profile *p)
{
    for (size_t i = 0; i < PROFILE_SIZES; i++)
        p->sizes[i] /= 2;
}

/* Makes room for a larger amount than ever: the smallest classes become one. */
static void sizes_rise(struct profile *p, unsigned steps)
{
    size_t   joined = steps < PROFILE_SIZES - 1 ? steps : PROFILE_SIZES - 1;
    unsigned small;

    for (;;) {
        small = 0;
        for (size_t i = 0; i <= joined; i++)
            small += p->sizes[i];
        if (small <= UINT8_MAX)
            break;
        sizes_halve(p);
    }
    memmove(&p->sizes[1], &p->sizes[joined + 1], PROFILE_SIZES - 1 - joined);
    memset(&p->sizes[PROFILE_SIZES - joined], 0, joined);
    p->sizes[0] = (uint8_t)small;
}

/* The largest amount is brought up to date here, because the classes hang on it. */
static void size_add(struct profile *p, int64_t amount)
{
    uint64_t given = (uint64_t)amount;
    uint8_t *cell;

    if (given > p->out_max) {
        unsigned steps = size_base(given) - size_base(p->out_max);

        if (steps > 0)
            sizes_rise(p, steps);
        p->out_max = given;
    }
    cell = &p->sizes[size_class(p->out_max, given)];
    if (*cell == UINT8_MAX)
        sizes_halve(p);
    (*cell)++;
}

int64_t profile_share_below(const struct profile *profile, int64_t amount)
{
    uint64_t given = amount > 0 ? (uint64_t)amount : 0;
    size_t   own = size_class(profile->out_max, given);
    int64_t  below = 0;
    int64_t  total = 0;

    for (size_t i = 0; i < PROFILE_SIZES; i++) {
        total += 2 * profile->sizes[i];
        below += i < own ? 2 * profile->sizes[i] : i == own ? profile->sizes[i] : 0;
    }
    if (total != 0 && given > profile->out_max)
        return 10000;
    return total == 0 ? 0 : below * 10000 / total;
}

static void hour_add(struct profile *p, int64_t at_us)
{
    uint8_t *cell =
        &p->hours[profile_bucket(at_us, US_PER_HOUR) - profile_bucket(at_us, US_PER_DAY) * 24];

    if (*cell == UINT8_MAX)
        for (size_t i = 0; i < ARRAY_COUNT(p->hours); i++)
            p->hours[i] /= 2;
    (*cell)++;
}

int64_t profile_hour_share(const struct profile *profile, int hour)
{
    int64_t total = 0;

    for (size_t i = 0; i < ARRAY_COUNT(profile->hours); i++)
        total += profile->hours[i];
    return total == 0 ? 0 : (int64_t)profile->hours[hour] * 10000 / total;
}

/* --- findings --------------------------------------------------------------------------------- */

static size_t label_slot(int64_t day)
{
    int64_t slot = day % PROFILE_LABEL_DAYS;

    return (size_t)(slot < 0 ? slot + PROFILE_LABEL_DAYS : slot);
}

/* Empties the days that the ring passes on its way. */
static void label_days_advance(struct profile *p, int64_t known_at_us)
{
    int64_t head = profile_bucket(p->label_at_us, US_PER_DAY);
    int64_t day = profile_bucket(known_at_us, US_PER_DAY);

    if (day - head >= PROFILE_LABEL_DAYS || p->label_at_us == 0) {
        memset(p->label_known, 0, sizeof p->label_known);
        memset(p->label_frauds, 0, sizeof p->label_frauds);
        return;
    }
    for (int64_t passed = head + 1; passed <= day; passed++) {
        p->label_known[label_slot(passed)] = 0;
        p->label_frauds[label_slot(passed)] = 0;
    }
}

/* Entries are relative to the newest; those that would be too far away are forgotten. */
static void exact_advance(struct profile *p, int64_t known_at_us)
{
    uint64_t seconds = ((uint64_t)known_at_us - (uint64_t)p->label_at_us) / US_PER_SECOND;

    for (size_t i = 0; i < PROFILE_EXACT && p->exact[i] != 0; i++)
        p->exact[i] =
            seconds > (UINT32_MAX - p->exact[i]) / 2 ? 0 : p->exact[i] + 2 * (uint32_t)seconds;
}

static void labels_advance(struct profile *p, int64_t known_at_us)
{
    if (p->label_at_us != 0 && known_at_us <= p->label_at_us)
        return;
    label_days_advance(p, known_at_us);
    exact_advance(p, known_at_us);
    p->label_at_us = known_at_us;
}

/* Whole seconds, upwards, so that nothing is known early; never 0, which stands for none. */
static int64_t label_moment(int64_t known_at_us)
{
    int64_t second = profile_bucket(known_at_us, US_PER_SECOND);

    if (known_at_us % US_PER_SECOND != 0 && second < INT64_MAX / US_PER_SECOND)
        second++;
    return second == 0 ? US_PER_SECOND : second * US_PER_SECOND;
}

static bool labels_have(const struct profile *p, int64_t moment_us)
{
    int64_t head = profile_bucket(p->label_at_us, US_PER_DAY);
    int64_t day = profile_bucket(moment_us, US_PER_DAY);

    return p->label_at_us != 0 && day <= head && day > head - PROFILE_LABEL_DAYS;
}

/* As an entry of the exact ones; 0 when it lies too far back for them. */
static uint32_t exact_entry(const struct profile *p, int64_t moment_us, bool fraud)
{
    uint64_t seconds = ((uint64_t)p->label_at_us - (uint64_t)moment_us) / US_PER_SECOND;

    return seconds > UINT32_MAX / 2 - 1 ? 0 : 1 + 2 * (uint32_t)seconds + (fraud ? 1 : 0);
}

static int64_t exact_moment(const struct profile *p, size_t place)
{
    uint64_t seconds = (p->exact[place] - 1) / 2;

    return (int64_t)((uint64_t)p->label_at_us - seconds * US_PER_SECOND);
}

static bool exact_fraud(const struct profile *p, size_t place)
{
    return (p->exact[place] - 1) % 2 != 0;
}

static size_t exact_count(const struct profile *p)
{
    size_t count = 0;

    while (count < PROFILE_EXACT && p->exact[count] != 0)
        count++;
    return count;
}

/* The oldest makes room. */
static void exact_add(struct profile *p, uint32_t entry)
{
    size_t place = exact_count(p);

    if (entry == 0 || (place == PROFILE_EXACT && p->exact[--place] <= entry))
        return;
    for (; place > 0 && p->exact[place - 1] > entry; place--)
        p->exact[place] = p->exact[place - 1];
    p->exact[place] = entry;
}

static void exact_remove(struct profile *p, uint32_t entry)
{
    size_t place = 0;

    while (place < PROFILE_EXACT && p->exact[place] != entry)
        place++;
    if (entry == 0 || place == PROFILE_EXACT)
        return;
    for (; place + 1 < PROFILE_EXACT; place++)
        p->exact[place] = p->exact[place + 1];
    p->exact[PROFILE_EXACT - 1] = 0;
}

void fraud_observe_label(struct fraud_profile *profile, int64_t known_at_us, bool fraud)
{
    struct profile *p = profile_edit(profile);
    int64_t         moment_us = label_moment(known_at_us);
    size_t          slot = label_slot(profile_bucket(moment_us, US_PER_DAY));

    labels_advance(p, moment_us);
    exact_add(p, exact_entry(p, moment_us, fraud));
    if (!labels_have(p, moment_us))
        return;
    p->label_known[slot] += p->label_known[slot] < UINT16_MAX ? 1 : 0;
    p->label_frauds[slot] += fraud && p->label_frauds[slot] < UINT8_MAX ? 1 : 0;
}

void fraud_forget_label(struct fraud_profile *profile, int64_t known_at_us, bool fraud)
{
    struct profile *p = profile_edit(profile);
    int64_t         moment_us = label_moment(known_at_us);
    size_t          slot = label_slot(profile_bucket(moment_us, US_PER_DAY));

    if (p->label_at_us == 0 || moment_us > p->label_at_us)
        return;
    exact_remove(p, exact_entry(p, moment_us, fraud));
    if (!labels_have(p, moment_us))
        return;
    if (p->label_known[slot] > 0 && p->label_known[slot] < UINT16_MAX)
        p->label_known[slot]--;
    if (fraud && p->label_frauds[slot] > 0 && p->label_frauds[slot] < UINT8_MAX)
        p->label_frauds[slot]--;
}

/* Walks days back, from the newest to the oldest that is asked for and kept. */
struct label_walk {
    const struct profile *profile;
    int64_t               day; /* the next one */
    int64_t               last;
    size_t                slot;
};

static struct label_walk label_walk(const struct profile *profile, int64_t newest, int64_t oldest)
{
    int64_t head = profile_bucket(profile->label_at_us, US_PER_DAY);
    int64_t kept = head - PROFILE_LABEL_DAYS + 1;

    newest = newest < head ? newest : head;
    return (struct label_walk){ .profile = profile,
                                .day = newest,
                                .last = oldest > kept ? oldest : kept,
                                .slot = label_slot(newest) };
}

/* Passes over days without findings. */
static bool label_next(struct label_walk *walk, int64_t *day, struct profile_labels *out)
{
    for (; walk->day >= walk->last; walk->day--) {
        size_t slot = walk->slot;

        walk->slot = slot == 0 ? PROFILE_LABEL_DAYS - 1 : slot - 1;
        if (walk->profile->label_known[slot] == 0)
            continue;
        *out = (struct profile_labels){ .known = walk->profile->label_known[slot],
                                        .frauds = walk->profile->label_frauds[slot] };
        *day = walk->day--;
        return true;
    }
    return false;
}

/* What a look at the findings begins with. */
struct label_look {
    size_t  count;   /* of the exact ones */
    size_t  pending; /* of them, those not known yet, which come first */
    bool    all;     /* there are no others */
    int64_t today;
    /* What is known of today; nothing where more are pending than are exact. */
    struct profile_labels now;
};

/* How many seconds before the latest finding a moment is, upwards; 0 behind it. */
static uint64_t seconds_back(const struct profile *profile, int64_t at_us)
{
    uint64_t back = (uint64_t)profile->label_at_us - (uint64_t)at_us;

    return at_us >= profile->label_at_us ? 0 : (back + US_PER_SECOND - 1) / US_PER_SECOND;
}

static void label_look(const struct profile *profile, int64_t at_us, struct label_look *out)
{
    int64_t  today = profile_bucket(at_us, US_PER_DAY);
    int64_t  night_us = today < INT64_MAX / US_PER_DAY ? (today + 1) * US_PER_DAY : INT64_MAX;
    uint64_t now = seconds_back(profile, at_us);
    uint64_t night = seconds_back(profile, night_us);
    struct profile_labels later = { 0, 0 };
    struct label_walk     walk = label_walk(profile, today, today);
    int64_t               day;

    *out = (struct label_look){ .count = exact_count(profile), .today = today };
    out->all = out->count < PROFILE_EXACT;
    for (; out->pending < out->count; out->pending++) {
        uint64_t seconds = (profile->exact[out->pending] - 1) / 2;

        if (seconds >= now)
            break;
        if (profile->label_at_us >= night_us && seconds <= night)
            continue; /* of a later day */
        later.known++;
        later.frauds += exact_fraud(profile, out->pending) ? 1 : 0;
    }
    if ((out->pending == out->count && !out->all) || !label_next(&walk, &day, &out->now))
        return;
    out->now.known -= later.known < out->now.known ? later.known : out->now.known;
    out->now.frauds -= later.frauds < out->now.frauds ? later.frauds : out->now.frauds;
}

/* True when the exact findings are all that there are since a moment. */
static bool exact_cover(const struct profile *profile, const struct label_look *look,
                        int64_t from_us)
{
    return look->all || exact_moment(profile, look->count - 1) <= from_us;
}

struct profile_labels profile_labels(const struct profile *profile, int64_t at_us, int64_t days)
{
    struct profile_labels total = { 0, 0 };
    struct profile_labels one;
    struct label_look     look;
    struct label_walk     walk;
    int64_t               from_us;
    int64_t               day;

    if (profile->label_at_us == 0 || !money_sub(at_us, days * US_PER_DAY, &from_us))
        return total;
    label_look(profile, at_us, &look);
    if (exact_cover(profile, &look, from_us)) {
        for (size_t i = look.pending; i < look.count; i++) {
            if (exact_moment(profile, i) <= from_us)
                break;
            total.known++;
            total.frauds += exact_fraud(profile, i) ? 1 : 0;
        }
        return total;
    }
    total = look.now;
    walk = label_walk(profile, look.today - 1, look.today - days);
    while (label_next(&walk, &day, &one)) {
        total.known += one.known;
        total.frauds += one.frauds;
    }
    return total;
}

int64_t profile_fraud_age(const struct profile *profile, int64_t at_us, bool first)
{
    struct label_look     look;
    struct label_walk     walk;
    struct profile_labels one;
    int64_t               age = -1;
    int64_t               day;

    if (profile->label_at_us == 0)
        return age;
    label_look(profile, at_us, &look);
    age = look.now.frauds > 0 ? 0 : -1;
    walk = label_walk(profile, look.today - 1, look.today - PROFILE_LABEL_WINDOW);
    while ((first || age < 0) && label_next(&walk, &day, &one))
        age = one.frauds > 0 ? look.today - day : age;
    return age;
}

/* First the exact ones; behind them days, as long as nothing but frauds was found on them. */
struct profile_run profile_fraud_run(const struct profile *profile, int64_t at_us)
{
    struct profile_run    run = { 0, 0 };
    struct label_look     look;
    struct label_walk     walk;
    struct profile_labels one;
    int64_t               day;

    if (profile->label_at_us == 0)
        return run;
    label_look(profile, at_us, &look);
    day = look.today;
    for (size_t i = look.pending; i < look.count; i++) {
        if (!exact_fraud(profile, i))
            return run;
        day = profile_bucket(exact_moment(profile, i), US_PER_DAY);
        run.day = day;
        run.count++;
    }
    walk = label_walk(profile, day - 1, look.today - PROFILE_LABEL_WINDOW);
    while (!look.all && label_next(&walk, &day, &one) && one.frauds == one.known) {
        run.day = day;
        run.count += one.frauds;
    }
    return run;
}

/* --- observing ------------------------------------------------------------------------------- */

static void add_saturating(uint64_t *sum, uint64_t more)
{
    *sum = more > UINT64_MAX - *sum ? UINT64_MAX : *sum + more;
}

static void count_saturating(uint32_t *count)
{
    *count += *count < UINT32_MAX ? 1 : 0;
}

static void move_time(struct profile *p, int64_t at_us, bool incoming, uint16_t currency)
{
    if (profile_is_empty(p)) {
        p->currency = currency;
        p->first_at_us = at_us;
        p->last_at_us = at_us;
        p->last_out_at_us = at_us;
    }
    if (at_us < p->first_at_us)
        p->first_at_us = at_us;
    if (at_us > p->last_at_us) {
        rings_advance(p, at_us);
        p->last_at_us = at_us;
    }
    if (!incoming && at_us > p->last_out_at_us)
        p->last_out_at_us = at_us;
}

/* Money of another currency than the profile's comes as 0 and foreign. */
static void observe_in(struct profile *p, int64_t at_us, uint64_t amount, bool foreign,
                       int64_t other)
{
    count_saturating(&p->in_count);
    if (foreign)
        count_saturating(&p->in_foreign);
    add_saturating(&p->in_sum, amount);
    if (amount > p->in_max)
        p->in_max = amount;
    ring_add(p, RING_IN_24H, at_us, amount);
    ring_add(p, RING_IN_7D, at_us, amount);
    ring_add(p, RING_IN_30D, at_us, amount);
    if (other != 0)
        ring_mark(p, RING_FAN_IN, at_us, entity_hash(entity_mix(other)));
}

static void observe_out_rings(struct profile *p, int64_t at_us, uint64_t amount, int64_t other)
{
    ring_add(p, RING_OUT_1H, at_us, amount);
    ring_add(p, RING_OUT_24H, at_us, amount);
    ring_add(p, RING_OUT_7D, at_us, amount);
    ring_add(p, RING_OUT_30D, at_us, amount);
    if (other != 0)
        ring_mark(p, RING_FAN_OUT, at_us, entity_hash(entity_mix(other)));
}

/* Two and a half times the mean and more, once there is a mean to speak of. */
static void large_add(struct profile *p, int64_t amount, int64_t at_us)
{
    uint8_t *cell = ring_cell(p, RING_LARGE_7D, at_us);

    if (cell == NULL || *cell == UINT8_MAX || p->habit_count < PROFILE_HABIT_MIN)
        return;
    if ((__int128)amount * 2 >= (__int128)profile_habit_mean(p) * 5)
        (*cell)++;
}

/* All that makes a payment a habit; its rings are the caller's. */
static void observe_out(struct profile *p, int64_t at_us, int64_t amount, bool foreign,
                        int64_t other)
{
    count_saturating(&p->out_count);
    if (!foreign) {
        large_add(p, amount, at_us);
        habit_add(p, amount);
        size_add(p, amount);
    }
    hour_add(p, at_us);
    if (other != 0)
        party_remember(p, other, at_us);
}

static bool is_incoming(const struct fraud_event *event, enum fraud_side side)
{
    return side == FRAUD_SUBJECT ? event->incoming : !event->incoming;
}

/* What was held has been tried, so it counts for speed; it has not become a habit. What was
 * declined leaves only its mark among the stopped ones. */
void fraud_observe(struct fraud_profile *profile, const struct fraud_event *event,
                   enum fraud_side side, int64_t other)
{
    struct profile *p = profile_edit(profile);
    bool            incoming = is_incoming(event, side);
    bool            done = event->status == STATUS_COMPLETED || event->status == STATUS_REVERSED;
    bool            held = event->status == STATUS_HELD || event->status == STATUS_REJECTED;
    bool            declined = event->status == STATUS_DECLINED;
    bool            foreign;
    int64_t         amount;

    if (!profile_is_act(event->type) || event->amount < 0)
        return;
    if (done ? false : incoming || (!held && !declined))
        return; /* nothing arrived, or an unknown status */
    move_time(p, event->at_us, incoming, event->currency);
    foreign = event->currency != p->currency;
    amount = foreign ? 0 : event->amount;
    if (!done) {
        count_saturating(&p->stopped_count);
        small_add(p, SMALL_STOPPED, event->at_us);
        if (held)
            observe_out_rings(p, event->at_us, (uint64_t)amount, other);
        return;
    }
    if (profile_is_near_threshold(event->amount, event->unit))
        small_add(p, SMALL_NEAR, event->at_us);
    if (incoming) {
        observe_in(p, event->at_us, (uint64_t)amount, foreign, other);
    } else {
        observe_out_rings(p, event->at_us, (uint64_t)amount, other);
        observe_out(p, event->at_us, amount, foreign, other);
    }
}

/* The windows of outgoing amounts have had it since it was tried. */
void fraud_observe_release(struct fraud_profile *profile, const struct fraud_event *event,
                           enum fraud_side side, int64_t other, int64_t released_at_us)
{
    struct profile *p = profile_edit(profile);
    bool            incoming = is_incoming(event, side);
    int64_t         at_us = incoming ? released_at_us : event->at_us;
    bool            foreign;
    int64_t         amount;

    if (!profile_is_act(event->type) || event->amount < 0 || event->status != STATUS_HELD)
        return;
    move_time(p, at_us, incoming, event->currency);
    foreign = event->currency != p->currency;
    amount = foreign ? 0 : event->amount;
    if (profile_is_near_threshold(event->amount, event->unit))
        small_add(p, SMALL_NEAR, at_us);
    if (incoming) {
        observe_in(p, at_us, (uint64_t)amount, foreign, other);
        return;
    }
    observe_out(p, at_us, amount, foreign, other);
    small_remove(p, SMALL_STOPPED, at_us);
    p->stopped_count -= p->stopped_count > 0 && p->stopped_count < UINT32_MAX ? 1 : 0;
}
