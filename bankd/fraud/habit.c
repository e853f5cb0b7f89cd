/* See habit.h. */
#include "bankd/fraud/habit.h"

#include "bankd/fraud/profile.h"
#include "common/clock.h"

/* value * scale / whole, saturating; 0 when there is no whole. */
static int64_t scaled(int64_t value, int64_t scale, int64_t whole)
{
    __int128 result = whole > 0 ? (__int128)value * scale / whole : 0;

    return result > INT64_MAX ? INT64_MAX : result < INT64_MIN ? INT64_MIN : (int64_t)result;
}

/* The amounts of a class are taken to lie evenly in it; none is above the largest. */
static int64_t median_of(const struct profile *p)
{
    int64_t total = 0;
    int64_t below = 0;
    size_t class = 0;
    int64_t from;
    int64_t median;

    for (size_t i = 0; i < PROFILE_SIZES; i++)
        total += p->sizes[i];
    if (total == 0)
        return 0;
    while (2 * (below + p->sizes[class]) < total)
        below += p->sizes[class ++];
    from = profile_size_from(p, class);
    median = from + scaled(profile_size_from(p, class + 1) - from, total - 2 * below,
                           2 * (int64_t)p->sizes[class]);
    return median < profile_saturate(p->out_max) ? median : profile_saturate(p->out_max);
}

bool fraud_baseline(const struct fraud_profile *profile, const struct fraud_event *event,
                    struct fraud_baseline *out)
{
    const struct profile *p = profile_of(profile);
    int64_t               day = profile_bucket(event->at_us, US_PER_DAY);
    int64_t               hour = profile_bucket(event->at_us, US_PER_HOUR) - day * 24;

    if (event->incoming || !profile_is_act(event->type) || p->out_count < PROFILE_HABIT_MIN)
        return false;
    out->payments = p->out_count;
    out->median = median_of(p);
    out->mean = profile_habit_mean(p);
    out->largest = profile_saturate(p->out_max);
    out->ratio_x100 = scaled(event->amount, 100, out->median);
    out->larger_than_bp = profile_share_below(p, event->amount);
    out->hour_bp = profile_hour_share(p, (int)hour);
    return true;
}

/* --- the normal range ------------------------------------------------------------------------ */

enum { MILLION = 1000000, THOUSAND = 1000, DAY_S = 86400 };

/* What the formulas of habit.h need; `expected` is e in millionths, so its root is in thousandths.
 */
struct habit {
    int64_t payments;
    int64_t seconds; /* d */
    int64_t mean;
    int64_t deviation;
};

static int64_t at_least_0(__int128 value)
{
    return value < 0 ? 0 : value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static int64_t divide_up(__int128 value, int64_t by)
{
    return at_least_0((value + by - 1) / by);
}

static int64_t expected(const struct habit *habit, int64_t window_s)
{
    return at_least_0((__int128)habit->payments * window_s * MILLION / habit->seconds);
}

static void range_of_counts(int64_t e, int64_t *low, int64_t *high)
{
    __int128 spread = 2 * (__int128)profile_root((unsigned __int128)e) * THOUSAND;

    *low = at_least_0((e - spread) / MILLION);
    *high = divide_up(e + spread, MILLION);
}

/* The root of e (m^2 + s^2), with e in millionths: small ones are multiplied first. */
static __int128 spread_of_sums(const struct habit *habit, int64_t e)
{
    unsigned __int128 square =
        (unsigned __int128)habit->mean * (unsigned __int128)habit->mean +
        (unsigned __int128)habit->deviation * (unsigned __int128)habit->deviation;
    bool small = square < ((unsigned __int128)1 << 80);

    return (__int128)profile_root(small && e < INT64_C(1) << 46
                                      ? square * (unsigned __int128)e / MILLION
                                      : square / MILLION * (unsigned __int128)(e / MILLION) *
                                            MILLION);
}

static void range_of_sums(const struct habit *habit, int64_t e, int64_t *low, int64_t *high)
{
    __int128 middle = (__int128)habit->mean * e;
    __int128 spread = 2 * spread_of_sums(habit, e) * MILLION;

    *low = at_least_0((middle - spread) / MILLION);
    *high = divide_up(middle + spread, MILLION);
}

static void range_of_means(const struct habit *habit, int64_t e, int64_t *low, int64_t *high)
{
    int64_t root = (int64_t)profile_root((unsigned __int128)(e < MILLION ? MILLION : e));
    int64_t spread = divide_up((__int128)habit->deviation * 2 * THOUSAND, root);

    *low = e <= 4 * MILLION ? 0 : at_least_0((__int128)habit->mean - spread);
    *high = at_least_0((__int128)habit->mean + spread);
}

static void range_of_share(int64_t spread, int64_t *low, int64_t *high)
{
    *low = at_least_0((__int128)100 - spread);
    *high = at_least_0((__int128)100 + spread);
}

enum measure { COUNTS, SUMS, MEANS, AT_MOST, GAP, MEAN_SHARE, COUNT_SHARE };

/* Which payments a feature is about, what it says of them, and its window. */
struct kind {
    enum { OF_OUT, OF_IN, OF_STOPPED } of;
    enum measure measure;
    int64_t      window_s; /* of GAP: the unit of the value */
};

static bool kind_of(enum feature feature, struct kind *out)
{
    static const struct kind kinds[FEATURE_COUNT] = {
        [FEATURE_count_1h] = { OF_OUT, COUNTS, 3600 },
        [FEATURE_count_24h] = { OF_OUT, COUNTS, DAY_S },
        [FEATURE_count_7d] = { OF_OUT, COUNTS, 7 * DAY_S },
        [FEATURE_count_30d] = { OF_OUT, COUNTS, 30 * DAY_S },
        [FEATURE_sum_1h] = { OF_OUT, SUMS, 3600 },
        [FEATURE_sum_24h] = { OF_OUT, SUMS, DAY_S },
        [FEATURE_sum_7d] = { OF_OUT, SUMS, 7 * DAY_S },
        [FEATURE_sum_30d] = { OF_OUT, SUMS, 30 * DAY_S },
        [FEATURE_mean_7d] = { OF_OUT, MEANS, 7 * DAY_S },
        [FEATURE_mean_30d] = { OF_OUT, MEANS, 30 * DAY_S },
        [FEATURE_in_count_24h] = { OF_IN, COUNTS, DAY_S },
        [FEATURE_in_count_7d] = { OF_IN, COUNTS, 7 * DAY_S },
        [FEATURE_in_count_30d] = { OF_IN, COUNTS, 30 * DAY_S },
        [FEATURE_in_sum_24h] = { OF_IN, SUMS, DAY_S },
        [FEATURE_in_sum_7d] = { OF_IN, SUMS, 7 * DAY_S },
        [FEATURE_in_sum_30d] = { OF_IN, SUMS, 30 * DAY_S },
        [FEATURE_counterparties_24h] = { OF_OUT, AT_MOST, DAY_S },
        [FEATURE_fan_in_7d] = { OF_IN, AT_MOST, 7 * DAY_S },
        [FEATURE_fan_out_7d] = { OF_OUT, AT_MOST, 7 * DAY_S },
        [FEATURE_stopped_24h] = { OF_STOPPED, COUNTS, DAY_S },
        [FEATURE_stopped_7d] = { OF_STOPPED, COUNTS, 7 * DAY_S },
        [FEATURE_gap_seconds] = { OF_OUT, GAP, 1 },
        [FEATURE_dormant_days] = { OF_OUT, GAP, DAY_S },
        [FEATURE_mean_7d_to_30d_pct] = { OF_OUT, MEAN_SHARE, 7 * DAY_S },
        [FEATURE_count_24h_to_30d_pct] = { OF_OUT, COUNT_SHARE, DAY_S },
    };

    *out = kinds[feature];
    return out->window_s != 0;
}

static bool habit_of(const struct profile *p, const struct kind *kind, struct habit *out)
{
    uint64_t in_own = (uint64_t)profile_in_own(p);
    int64_t  in_mean = in_own == 0 ? 0 : profile_saturate(p->in_sum / in_own);

    *out = (struct habit){ .payments = kind->of == OF_OUT  ? p->out_count
                                       : kind->of == OF_IN ? p->in_count
                                                           : p->stopped_count,
                           .mean = kind->of == OF_IN ? in_mean : profile_habit_mean(p),
                           .deviation = kind->of == OF_IN ? in_mean : profile_habit_deviation(p) };
    if (__builtin_sub_overflow(p->last_at_us, p->first_at_us, &out->seconds))
        return false;
    out->seconds = out->seconds / US_PER_SECOND + 1;
    return out->seconds >= kind->window_s &&
           (kind->of == OF_STOPPED ? p->out_count : out->payments) >= PROFILE_HABIT_MIN;
}

bool habit_normal(const struct profile *profile, enum feature feature, int64_t *low, int64_t *high)
{
    struct kind  kind;
    struct habit habit;
    int64_t      e;

    *low = 0;
    *high = 0;
    if (feature == FEATURE_frauds_7d || feature == FEATURE_frauds_30d)
        return true;
    if (!kind_of(feature, &kind) || !habit_of(profile, &kind, &habit))
        return false;
    e = expected(&habit, kind.window_s);
    switch (kind.measure) {
    case COUNTS:
    case AT_MOST:
        range_of_counts(e, low, high);
        *low = kind.measure == AT_MOST ? 0 : *low;
        return true;
    case SUMS:
        range_of_sums(&habit, e, low, high);
        return true;
    case MEANS:
        range_of_means(&habit, e, low, high);
        return true;
    case GAP:
        *high = divide_up((__int128)3 * habit.seconds, habit.payments);
        *high = divide_up(*high, kind.window_s);
        return true;
    case MEAN_SHARE:
        if (habit.mean == 0)
            return false;
        range_of_means(&habit, e, low, high);
        range_of_share(scaled(*high - habit.mean, 100, habit.mean), low, high);
        *low = e <= 4 * MILLION ? 0 : *low;
        return true;
    case COUNT_SHARE:
        range_of_share(
            divide_up((__int128)200 * THOUSAND, (int64_t)profile_root((unsigned __int128)e) + 1),
            low, high);
        return true;
    }
    return false;
}
