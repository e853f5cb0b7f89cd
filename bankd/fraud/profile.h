/* What is remembered of one entity, in a fixed 1024 bytes: the layout, private to this folder.
 *
 * Windows are rings of buckets. A ring of N buckets of width W answers for the current bucket and
 * the N - 1 before it, so a window of N x W really reaches back between (N - 1) x W and N x W:
 * 50 to 60 minutes, 21 to 24 hours, 6 to 7 days, 27 to 30 days; of what comes in, of which less is
 * asked, 20 to 24 hours and 25 to 30 days. All rings stand at the time of
 * the newest act that was seen (last_at_us). An act that comes late is counted in its own bucket
 * while that is still in the ring, and only in the totals after that; one look at an earlier
 * moment leaves out what came later than its bucket.
 *
 * A bucket of money is one word: the count in the upper 16 bits, the sum in the lower 48 (2.8
 * million million minor units). Everything saturates; nothing wraps.
 *
 * Sums, means and extremes are of one currency, that of the first act: a shop may be paid in yen
 * and in dollars, and what they add up to means nothing. Acts in others are counted like all.
 *
 * Findings (labels) are kept twice, by the moment from which they may be used, which may lie ahead
 * of every act: an imported payment brings its finding along, to be known a week later. The newest
 * 16 have their exact second, so a look sees what is known by then and nothing that is not yet, and
 * windows that they cover begin at the second. All of them are counted in a ring of days for what
 * is older: there a window begins with the whole day in which it begins. Where more than 16 are
 * about to become known, today's are seen when the day has ended. Both are functions of the set of
 * findings, in whatever order they came. Where findings are known more than 8 days after their
 * payments, the 30 days lose as many days at their far end.
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
    PROFILE_VERSION = 5,
    PROFILE_RECENT = 16,      /* counterparties remembered one by one */
    PROFILE_SIZES = 52,       /* classes of amounts, two for each power of two */
    PROFILE_HABIT_MIN = 5,    /* acts that make a habit */
    PROFILE_HABIT_MAX = 4096, /* acts after which older ones fade */
    PROFILE_SMALL = 8,        /* buckets of the small counters */
    PROFILE_LABEL_DAYS = 39,  /* of findings: the window, today, and what is known later */
    PROFILE_LABEL_WINDOW = 30,
    PROFILE_EXACT = 16, /* findings of which the second is kept */
    PROFILE_OLDER_WORDS = 8,
    PROFILE_NEAR_MAJOR = 10000, /* the reporting threshold that structuring stays below */
};

/* The small counters. */
enum profile_small { SMALL_NEW, SMALL_NEAR, SMALL_STOPPED, SMALL_KINDS };

struct profile {
    uint32_t magic;
    uint16_t version;
    uint16_t currency;       /* of the first act: amounts in others are counted, never summed */
    int64_t  first_at_us;    /* the earliest act */
    int64_t  last_at_us;     /* the newest act; where the rings stand */
    int64_t  last_out_at_us; /* the newest outgoing act or attempt; when none, the first act */
    uint32_t out_count;      /* since the beginning, done */
    uint32_t in_count;
    uint64_t in_sum;
    uint64_t out_max;
    uint64_t in_max;
    /* Moments of outgoing amounts; all three are halved when the count is PROFILE_HABIT_MAX. */
    uint64_t habit_squares; /* the low word */
    uint64_t habit_sum;
    uint32_t habit_squares_high;
    uint32_t stopped_count; /* declined or held, outgoing */
    uint64_t out_1h[6];     /* 10 minutes each */
    uint64_t out_24h[8];    /* 3 hours */
    uint64_t out_7d[7];     /* 1 day */
    uint64_t out_30d[10];   /* 3 days */
    uint64_t in_24h[6];     /* 4 hours */
    uint64_t in_7d[7];      /* 1 day */
    uint64_t in_30d[6];     /* 5 days */
    uint64_t fan_in[2];     /* one bit for each hashed sender; 3.5 days each */
    uint64_t fan_out[2];
    uint64_t older[PROFILE_OLDER_WORDS]; /* three bits for each counterparty ever paid */
    int64_t  label_at_us; /* the latest moment from which a finding is known; 0 = no finding */
    /* The entities paid last. */
    uint32_t recent_hashes[PROFILE_RECENT]; /* 0 = free */
    /* The newest findings: 1 + 2 x seconds before label_at_us + whether it says fraud; rising, and
     * 0 behind the last. */
    uint32_t exact[PROFILE_EXACT];
    uint32_t in_foreign; /* of in_count, in another currency */
    uint16_t habit_count;
    uint16_t recent_hours[PROFILE_RECENT]; /* of the last payment, hours since 1970 modulo 2^16 */
    uint16_t label_known[PROFILE_LABEL_DAYS]; /* findings of each day */
    uint8_t  recent_counts[PROFILE_RECENT];   /* payments */
    /* Outgoing amounts by class, see profile_size_from; halved when one is full. */
    uint8_t sizes[PROFILE_SIZES];
    uint8_t hours[24]; /* outgoing acts by hour of the day; halved when one is full */
    uint8_t small_24h[PROFILE_SMALL][SMALL_KINDS]; /* 3 hours */
    uint8_t small_7d[PROFILE_SMALL][SMALL_KINDS];  /* 21 hours */
    uint8_t large_7d[PROFILE_SMALL];          /* 21 hours: outgoing amounts far above the mean */
    uint8_t label_frauds[PROFILE_LABEL_DAYS]; /* findings that say fraud */
    uint8_t reserved;                         /* 0 */
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
    RING_SMALL_7D,
    RING_LARGE_7D
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
/* Outgoing amounts of 7 days that were at least 2.5 times the mean before them. */
int64_t profile_large(const struct profile *profile, int64_t at_us);
/* About how many different entities, from 7 days of marks; 0 .. 300. */
int64_t profile_fan(const struct profile *profile, enum profile_ring ring, int64_t at_us);

/* Findings that became known within the `days` (1 .. 30) before the moment. */
struct profile_labels profile_labels(const struct profile *profile, int64_t at_us, int64_t days);
/* The unbroken run of frauds that the newest findings are: how many (within the days that are
 * kept), and the day, since 1970, on which the first of them became known; 0 when the newest is
 * none. */
struct profile_run {
    int64_t count;
    int64_t day;
};
struct profile_run profile_fraud_run(const struct profile *profile, int64_t at_us);
/* Calendar days since the newest, or the first, of the frauds known within 30 days; -1 = none. */
int64_t profile_fraud_age(const struct profile *profile, int64_t at_us, bool first);

/* Was this entity paid before? One that was is always known; one in a few that were not is taken
 * for known when very many were paid. */
bool    profile_knows(const struct profile *profile, int64_t entity);
int64_t profile_payments_to(const struct profile *profile, int64_t entity); /* of recent ones */
int64_t profile_parties_since(const struct profile *profile, int64_t at_us, int64_t hours);

/* The largest integer whose square is not above x. */
uint64_t profile_root(unsigned __int128 x);
/* Of outgoing amounts: mean and standard deviation; share of smaller ones in basis points, which is
 * all of them for an amount above the largest. */
int64_t profile_habit_mean(const struct profile *profile);
int64_t profile_habit_deviation(const struct profile *profile);
int64_t profile_share_below(const struct profile *profile, int64_t amount);
/* The smallest amount of a class of `sizes`, which are PROFILE_SIZES / 2 powers of two up to that
 * of the largest amount ever: so they follow the account into whatever sizes its currency and its
 * business have, and what is a hundred million times smaller than the largest is the first class.
 */
int64_t profile_size_from(const struct profile *profile, size_t class);
/* Incoming amounts in the profile's currency: how many are in the sum. */
int64_t profile_in_own(const struct profile *profile);
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
