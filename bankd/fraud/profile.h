/* What is remembered of one entity, in a fixed 1024 bytes: the layout, private to this folder.
 *
 * Windows are rings of buckets. A ring of N buckets of width W answers for the current bucket and
 * the N - 1 before it, so a window of N x W really reaches back between (N - 1) x W and N x W:
 * 50 to 60 minutes, 21 to 24 hours, 6 to 7 days, 27 to 30 days. All rings stand at the time of
 * the newest act that was seen (last_at_us). An act that comes late is counted in its own bucket
 * while that is still in the ring, and only in the totals after that; one look at an earlier
 * moment leaves out what came later than its bucket.
 *
 * A bucket of money is one word: the count in the upper 16 bits, the sum in the lower 48 (2.8
 * million million minor units). Everything saturates; nothing wraps.
 *
 * Findings (labels) have a ring of their own, of days by the moment from which they may be used,
 * which may lie ahead of every act: an imported payment brings its finding along, to be known a
 * week later. The ring stands at the day of the latest such moment. A look sees whole days that
 * have ended; the day on which the ring stands is seen as soon as all of it is known. So nothing is
 * ever seen early, a finding that somebody makes now is seen at once, and the ring is a function of
 * the set of findings, in whatever order they came. Where findings are known more than 11 days
 * after their payments, the 30 days lose as many days at their far end.
 *
 * What must not break: the
 * bytes are a pure fold over the acts in their order, so equal histories give equal bytes. The
 * integers are in host order and there is no padding. A change of the layout or of what a field
 * means is a new PROFILE_VERSION: profiles of other versions are made again from the ledger. */
#ifndef BANKD_FRAUD_PROFILE_H
#define BANKD_FRAUD_PROFILE_H

#include "bankd/fraud/fraud.h"

#include <assert.h>

enum {
    PROFILE_MAGIC = 0x46505246, /* "FRPF" */
    PROFILE_VERSION = 2,
    PROFILE_RECENT = 16,      /* counterparties remembered one by one */
    PROFILE_SIZES = 40,       /* classes of amounts, two for each power of two */
    PROFILE_SIZES_FROM = 7,   /* the first class ends above 2^7 minor units */
    PROFILE_HABIT_MAX = 4096, /* acts after which older ones fade */
    PROFILE_SMALL = 8,        /* buckets of the small counters */
    PROFILE_LABEL_DAYS = 42,  /* of findings: the window, today, and what is known later */
    PROFILE_LABEL_WINDOW = 30,
    PROFILE_OLDER_WORDS = 8,
    PROFILE_NEAR_MAJOR = 10000, /* the reporting threshold that structuring stays below */
};

/* The small counters. */
enum profile_small { SMALL_NEW, SMALL_NEAR, SMALL_STOPPED, SMALL_KINDS };

struct profile_party {
    uint32_t hash;  /* of the entity; 0 = free */
    uint16_t hour;  /* of the last payment, hours since 1970 modulo 2^16 */
    uint16_t count; /* payments */
};

struct profile {
    uint32_t magic;
    uint16_t version;
    uint16_t size;
    int64_t  first_at_us;    /* the earliest act */
    int64_t  last_at_us;     /* the newest act; where the rings stand */
    int64_t  last_out_at_us; /* the newest outgoing act or attempt; when none, the first act */
    uint32_t out_count;      /* since the beginning, done */
    uint32_t in_count;
    uint64_t out_sum;
    uint64_t in_sum;
    uint64_t out_max;
    uint64_t in_max;
    /* Moments of outgoing amounts; all three are halved when the count is PROFILE_HABIT_MAX. */
    uint64_t habit_squares[2]; /* low word, high word */
    uint64_t habit_sum;
    uint32_t habit_count;
    uint32_t stopped_count; /* declined or held, outgoing */
    uint64_t out_1h[6];     /* 10 minutes each */
    uint64_t out_24h[8];    /* 3 hours */
    uint64_t out_7d[7];     /* 1 day */
    uint64_t out_30d[10];   /* 3 days */
    uint64_t in_24h[8];     /* 3 hours */
    uint64_t in_7d[7];      /* 1 day */
    uint64_t in_30d[10];    /* 3 days */
    uint64_t fan_in[2];     /* one bit for each hashed sender; 3.5 days each */
    uint64_t fan_out[2];
    uint64_t older[PROFILE_OLDER_WORDS]; /* three bits for each counterparty ever paid */
    struct profile_party recent[PROFILE_RECENT];
    uint8_t  sizes[PROFILE_SIZES]; /* outgoing amounts by class; halved when one is full */
    uint8_t  hours[24];            /* outgoing acts by hour of the day; halved when one is full */
    uint8_t  small_24h[PROFILE_SMALL][SMALL_KINDS]; /* 3 hours */
    uint8_t  small_7d[PROFILE_SMALL][SMALL_KINDS];  /* 21 hours */
    int64_t  label_at_us; /* the latest moment from which a finding is known; 0 = no finding */
    uint16_t label_known[PROFILE_LABEL_DAYS];  /* findings of each day */
    uint8_t  label_frauds[PROFILE_LABEL_DAYS]; /* those that say fraud */
    uint8_t  reserved[2];                      /* 0 */
};

static_assert(sizeof(struct profile) == FRAUD_PROFILE_BYTES, "the profile fills its bytes");
static_assert((int)sizeof(struct profile) <= (int)LIMIT_PROFILE_BYTES, "the profile is bounded");

/* The rings; profile.c has their table. Only those before RING_FAN_IN hold money. */
enum profile_ring {
    RING_OUT_1H,
    RING_OUT_24H,
    RING_OUT_7D,
    RING_OUT_30D,
    RING_IN_24H,
    RING_IN_7D,
    RING_IN_30D,
    RING_FAN_IN,
    RING_FAN_OUT,
    RING_SMALL_24H,
    RING_SMALL_7D
};

/* Findings and how many of them say fraud. */
struct profile_labels {
    int64_t known;
    int64_t frauds;
};

struct profile_sum {
    int64_t count;
    int64_t sum; /* minor units */
};

static inline const struct profile *profile_of(const struct fraud_profile *bytes)
{
    return (const struct profile *)(const void *)bytes->bytes;
}

/* What a customer does, as opposed to what the bank does to an account (fees, interest,
 * corrections, reversals); only such acts are judged by habits and shape them. */
bool profile_is_act(int32_t type);

bool               profile_is_empty(const struct profile *profile);
struct profile_sum profile_window(const struct profile *profile, enum profile_ring ring,
                                  int64_t at_us);
int64_t            profile_small(const struct profile *profile, enum profile_ring ring,
                                 enum profile_small kind, int64_t at_us);
/* About how many different entities, from 7 days of marks; 0 .. 300. */
int64_t profile_fan(const struct profile *profile, enum profile_ring ring, int64_t at_us);

/* Findings that became known on the `days` (1 .. 30) whole days up to the moment. */
struct profile_labels profile_labels(const struct profile *profile, int64_t at_us, int64_t days);
/* Whole days since the newest, or since the first, of the days with frauds within 30; -1 = none. */
int64_t profile_fraud_age(const struct profile *profile, int64_t at_us, bool first);

/* Was this entity paid before? One that was is always known; one in a few that were not is taken
 * for known when very many were paid. */
bool    profile_knows(const struct profile *profile, int64_t entity);
int64_t profile_payments_to(const struct profile *profile, int64_t entity); /* of recent ones */
int64_t profile_parties_since(const struct profile *profile, int64_t at_us, int64_t hours);

/* Of outgoing amounts: mean and standard deviation; share of smaller ones in basis points. */
int64_t profile_habit_mean(const struct profile *profile);
int64_t profile_habit_deviation(const struct profile *profile);
int64_t profile_share_below(const struct profile *profile, int64_t amount);
int64_t profile_hour_share(const struct profile *profile, int hour); /* of outgoing acts, bp */

bool profile_is_near_threshold(int64_t amount, int64_t unit);

/* Rounds towards minus infinity, also before 1970. */
static inline int64_t profile_bucket(int64_t at_us, int64_t width_us)
{
    int64_t bucket = at_us / width_us;

    return bucket - (at_us % width_us < 0 ? 1 : 0);
}

static inline int64_t profile_saturate(uint64_t value)
{
    return value > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)value;
}

#endif
