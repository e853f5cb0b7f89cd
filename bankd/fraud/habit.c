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
    from = profile_size_from(class);
    median = from + scaled(profile_size_from(class + 1) - from, total - 2 * below,
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
