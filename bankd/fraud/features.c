/* What every feature of features.def is worth, one small function each.
 *
 * The functions take whatever the event and the profiles say and never overflow: differences of
 * times and amounts saturate, shares are cut where their help says so. Adding a feature is a row
 * in the table and a function here. */
#include "bankd/fraud/features.h"

#include "bankd/fraud/habit.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/money.h"

enum { SHARE_MAX_BP = 100000, COMPARED_MIN = 5 };

static int64_t elapsed_us(int64_t from_us, int64_t to_us)
{
    int64_t elapsed;

    if (to_us <= from_us)
        return 0;
    return money_sub(to_us, from_us, &elapsed) ? elapsed : INT64_MAX;
}

static int64_t mean_of(struct profile_sum window)
{
    return window.count == 0 ? 0 : window.sum / window.count;
}

static int64_t in_mean(const struct profile *profile)
{
    int64_t count = profile_in_own(profile);

    return count <= 0 ? 0 : profile_saturate(profile->in_sum / (uint64_t)count);
}

/* value * 100 / whole, saturating; 0 when there is no whole. */
static int64_t percent_of(int64_t value, int64_t whole)
{
    __int128 percent = whole > 0 ? (__int128)value * 100 / whole : 0;

    return percent > INT64_MAX ? INT64_MAX : percent < INT64_MIN ? INT64_MIN : (int64_t)percent;
}

/* The amount in percent of a mean, which is not cut to whole minor units first: with tiny amounts,
 * of a currency without cents, most of it would be cut away. */
static int64_t percent_of_mean(int64_t amount, uint64_t sum, int64_t count)
{
    __int128 percent = sum > 0 ? (__int128)amount * 100 * count / (__int128)sum : 0;

    return percent > INT64_MAX ? INT64_MAX : percent < INT64_MIN ? INT64_MIN : (int64_t)percent;
}

static int64_t share_bp(int64_t part, int64_t whole)
{
    int64_t share = whole > 0 ? ratio_basis_points(part, whole) : 0;

    return share < SHARE_MAX_BP ? share : SHARE_MAX_BP;
}

/* The first bit of each kind in a cache. */
enum { HAS_OWN = 0, HAS_OTHERS = 7, HAS_OWN_LABELS = 14, HAS_LABELS = 17, HAS_RUN = 20, HAS_AGE };

static_assert((int)RING_FAN_IN <= (int)HAS_OTHERS - (int)HAS_OWN, "each window has a bit");

/* True the first time: then the caller puts it there. */
static bool is_missing(struct feature_cache *cache, unsigned bit)
{
    bool missing = (cache->has >> bit & 1) == 0;

    cache->has |= UINT32_C(1) << bit;
    return missing;
}

static struct profile_sum own(const struct feature_input *in, enum profile_ring ring)
{
    struct feature_cache *cache = in->cache;

    if (cache == NULL)
        return profile_window(in->subject, ring, in->event->at_us);
    if (is_missing(cache, HAS_OWN + (unsigned)ring))
        cache->own[ring] = profile_window(in->subject, ring, in->event->at_us);
    return cache->own[ring];
}

static struct profile_sum others(const struct feature_input *in, enum profile_ring ring)
{
    struct feature_cache *cache = in->cache;

    if (cache == NULL)
        return profile_window(in->other, ring, in->event->at_us);
    if (is_missing(cache, HAS_OTHERS + (unsigned)ring))
        cache->others[ring] = profile_window(in->other, ring, in->event->at_us);
    return cache->others[ring];
}

/* Which of the windows of findings: 1, 7 or 30 days. */
static unsigned labels_place(int64_t days)
{
    return days == 1 ? 0 : days == 7 ? 1 : 2;
}

static struct profile_labels own_labels(const struct feature_input *in, int64_t days)
{
    struct feature_cache *cache = in->cache;
    unsigned              place = labels_place(days);

    if (cache == NULL)
        return profile_labels(in->subject, in->event->at_us, days);
    if (is_missing(cache, HAS_OWN_LABELS + place))
        cache->own_labels[place] = profile_labels(in->subject, in->event->at_us, days);
    return cache->own_labels[place];
}

static struct profile_labels findings(const struct feature_input *in, int64_t days)
{
    struct feature_cache *cache = in->cache;
    unsigned              place = labels_place(days);

    if (cache == NULL)
        return profile_labels(in->other, in->event->at_us, days);
    if (is_missing(cache, HAS_LABELS + place))
        cache->labels[place] = profile_labels(in->other, in->event->at_us, days);
    return cache->labels[place];
}

static struct profile_run fraud_run(const struct feature_input *in)
{
    if (in->cache == NULL)
        return profile_fraud_run(in->other, in->event->at_us);
    if (is_missing(in->cache, HAS_RUN))
        in->cache->run = profile_fraud_run(in->other, in->event->at_us);
    return in->cache->run;
}

static int64_t fraud_age(const struct feature_input *in, bool first)
{
    if (in->cache == NULL)
        return profile_fraud_age(in->other, in->event->at_us, first);
    if (is_missing(in->cache, first ? HAS_AGE + 1 : HAS_AGE))
        in->cache->ages[first] = profile_fraud_age(in->other, in->event->at_us, first);
    return in->cache->ages[first];
}

#define VALUE_OF(name) static int64_t value_##name(const struct feature_input *in)

/* --- the event ------------------------------------------------------------------------------- */

VALUE_OF(amount)
{
    return in->event->amount;
}

VALUE_OF(amount_major)
{
    return in->event->unit > 0 ? in->event->amount / in->event->unit : 0;
}

VALUE_OF(unit)
{
    return in->event->unit;
}

VALUE_OF(type)
{
    return in->event->type;
}

VALUE_OF(is_outgoing)
{
    return !in->event->incoming && profile_is_act(in->event->type);
}

VALUE_OF(is_incoming)
{
    return in->event->incoming && profile_is_act(in->event->type);
}

VALUE_OF(is_cash)
{
    return in->event->type == TYPE_DEPOSIT || in->event->type == TYPE_WITHDRAWAL;
}

VALUE_OF(is_history)
{
    return in->event->history;
}

VALUE_OF(hour)
{
    int64_t day = profile_bucket(in->event->at_us, US_PER_DAY);

    return profile_bucket(in->event->at_us, US_PER_HOUR) - day * 24;
}

VALUE_OF(weekday)
{
    return time_weekday(time_day(in->event->at_us));
}

VALUE_OF(is_night)
{
    return value_hour(in) < 6;
}

VALUE_OF(is_weekend)
{
    return value_weekday(in) >= 5;
}

VALUE_OF(is_round)
{
    int64_t hundred;

    return in->event->unit > 0 && money_mul(in->event->unit, 100, &hundred) &&
           in->event->amount % hundred == 0;
}

VALUE_OF(is_near_threshold)
{
    return profile_is_near_threshold(in->event->amount, in->event->unit);
}

VALUE_OF(has_counterparty)
{
    return in->event->counterparty != 0;
}

VALUE_OF(is_internal)
{
    return in->event->counterparty_internal;
}

VALUE_OF(balance)
{
    return in->event->balance;
}

VALUE_OF(balance_share_bp)
{
    return in->event->incoming ? 0 : share_bp(in->event->amount, in->event->balance);
}

/* An account that was brought in may be older here than its record. */
VALUE_OF(account_age_days)
{
    int64_t from_us = in->event->opened_at_us;

    if (!profile_is_empty(in->subject) && in->subject->first_at_us < from_us)
        from_us = in->subject->first_at_us;
    return elapsed_us(from_us, in->event->at_us) / US_PER_DAY;
}

/* --- lists ----------------------------------------------------------------------------------- */

static int64_t is_listed(const struct feature_input *in, enum fraud_list list)
{
    return in->event->controls != NULL && (in->event->controls->lists & (uint32_t)list) != 0;
}

VALUE_OF(account_allowed)
{
    return is_listed(in, FRAUD_ACCOUNT_ALLOWED);
}

VALUE_OF(account_denied)
{
    return is_listed(in, FRAUD_ACCOUNT_DENIED);
}

VALUE_OF(account_watched)
{
    return is_listed(in, FRAUD_ACCOUNT_WATCHED);
}

VALUE_OF(counterparty_allowed)
{
    return is_listed(in, FRAUD_COUNTERPARTY_ALLOWED);
}

VALUE_OF(counterparty_denied)
{
    return is_listed(in, FRAUD_COUNTERPARTY_DENIED);
}

VALUE_OF(counterparty_watched)
{
    return is_listed(in, FRAUD_COUNTERPARTY_WATCHED);
}

/* --- the subject's past ---------------------------------------------------------------------- */

VALUE_OF(count_1h)
{
    return own(in, RING_OUT_1H).count;
}

VALUE_OF(count_24h)
{
    return own(in, RING_OUT_24H).count;
}

VALUE_OF(count_7d)
{
    return own(in, RING_OUT_7D).count;
}

VALUE_OF(count_30d)
{
    return own(in, RING_OUT_30D).count;
}

VALUE_OF(sum_1h)
{
    return own(in, RING_OUT_1H).sum;
}

VALUE_OF(sum_24h)
{
    return own(in, RING_OUT_24H).sum;
}

VALUE_OF(sum_7d)
{
    return own(in, RING_OUT_7D).sum;
}

VALUE_OF(sum_30d)
{
    return own(in, RING_OUT_30D).sum;
}

VALUE_OF(mean_7d)
{
    return mean_of(own(in, RING_OUT_7D));
}

VALUE_OF(mean_30d)
{
    return mean_of(own(in, RING_OUT_30D));
}

VALUE_OF(in_count_24h)
{
    return own(in, RING_IN_24H).count;
}

VALUE_OF(in_count_7d)
{
    return own(in, RING_IN_7D).count;
}

VALUE_OF(in_count_30d)
{
    return own(in, RING_IN_30D).count;
}

VALUE_OF(in_sum_24h)
{
    return own(in, RING_IN_24H).sum;
}

VALUE_OF(in_sum_7d)
{
    return own(in, RING_IN_7D).sum;
}

VALUE_OF(in_sum_30d)
{
    return own(in, RING_IN_30D).sum;
}

VALUE_OF(count_total)
{
    return in->subject->out_count;
}

VALUE_OF(in_count_total)
{
    return in->subject->in_count;
}

VALUE_OF(mean_amount)
{
    return profile_habit_mean(in->subject);
}

VALUE_OF(deviation_amount)
{
    return profile_habit_deviation(in->subject);
}

VALUE_OF(max_amount)
{
    return profile_saturate(in->subject->out_max);
}

VALUE_OF(in_mean_amount)
{
    return in_mean(in->subject);
}

VALUE_OF(in_max_amount)
{
    return profile_saturate(in->subject->in_max);
}

VALUE_OF(counterparties_24h)
{
    return profile_parties_since(in->subject, in->event->at_us, 24);
}

VALUE_OF(new_counterparties_24h)
{
    return profile_small(in->subject, RING_SMALL_24H, SMALL_NEW, in->event->at_us);
}

VALUE_OF(new_counterparties_7d)
{
    return profile_small(in->subject, RING_SMALL_7D, SMALL_NEW, in->event->at_us);
}

VALUE_OF(near_threshold_24h)
{
    return profile_small(in->subject, RING_SMALL_24H, SMALL_NEAR, in->event->at_us);
}

VALUE_OF(near_threshold_7d)
{
    return profile_small(in->subject, RING_SMALL_7D, SMALL_NEAR, in->event->at_us);
}

VALUE_OF(stopped_24h)
{
    return profile_small(in->subject, RING_SMALL_24H, SMALL_STOPPED, in->event->at_us);
}

VALUE_OF(stopped_7d)
{
    return profile_small(in->subject, RING_SMALL_7D, SMALL_STOPPED, in->event->at_us);
}

VALUE_OF(fan_in_7d)
{
    return profile_fan(in->subject, RING_FAN_IN, in->event->at_us);
}

VALUE_OF(fan_out_7d)
{
    return profile_fan(in->subject, RING_FAN_OUT, in->event->at_us);
}

VALUE_OF(large_7d)
{
    return profile_large(in->subject, in->event->at_us);
}

VALUE_OF(gap_seconds)
{
    if (in->subject->out_count == 0 && in->subject->stopped_count == 0)
        return 0;
    return elapsed_us(in->subject->last_out_at_us, in->event->at_us) / US_PER_SECOND;
}

VALUE_OF(dormant_days)
{
    if (profile_is_empty(in->subject))
        return 0;
    return elapsed_us(in->subject->last_out_at_us, in->event->at_us) / US_PER_DAY;
}

VALUE_OF(frauds_7d)
{
    return own_labels(in, 7).frauds;
}

VALUE_OF(frauds_30d)
{
    return own_labels(in, 30).frauds;
}

VALUE_OF(mean_7d_to_30d_pct)
{
    return percent_of(value_mean_7d(in), value_mean_30d(in));
}

VALUE_OF(count_24h_to_30d_pct)
{
    return percent_of(own(in, RING_OUT_24H).count * 30, own(in, RING_OUT_30D).count);
}

VALUE_OF(history_days)
{
    if (profile_is_empty(in->subject))
        return 0;
    return elapsed_us(in->subject->first_at_us, in->event->at_us) / US_PER_DAY;
}

/* --- the event against the past -------------------------------------------------------------- */

VALUE_OF(amount_to_mean_pct)
{
    const struct profile *p = in->subject;

    if ((in->event->incoming ? p->in_count : p->out_count) < COMPARED_MIN)
        return 0;
    return in->event->incoming ? percent_of_mean(in->event->amount, p->in_sum, profile_in_own(p))
                               : percent_of_mean(in->event->amount, p->habit_sum, p->habit_count);
}

VALUE_OF(amount_to_max_pct)
{
    const struct profile *p = in->subject;

    if ((in->event->incoming ? p->in_count : p->out_count) < COMPARED_MIN)
        return 0;
    return percent_of(in->event->amount,
                      profile_saturate(in->event->incoming ? p->in_max : p->out_max));
}

VALUE_OF(amount_to_mean_7d_pct)
{
    struct profile_sum window = own(in, RING_OUT_7D);

    return in->event->incoming
               ? 0
               : percent_of_mean(in->event->amount, (uint64_t)window.sum, window.count);
}

VALUE_OF(amount_to_mean_30d_pct)
{
    struct profile_sum window = own(in, RING_OUT_30D);

    return in->event->incoming
               ? 0
               : percent_of_mean(in->event->amount, (uint64_t)window.sum, window.count);
}

VALUE_OF(amount_zscore_x100)
{
    int64_t distance;

    if (in->event->incoming || in->subject->out_count < COMPARED_MIN ||
        !money_sub(in->event->amount, profile_habit_mean(in->subject), &distance))
        return 0;
    return percent_of(distance, profile_habit_deviation(in->subject));
}

VALUE_OF(percentile_bp)
{
    if (in->event->incoming || in->subject->out_count < COMPARED_MIN)
        return 0;
    return profile_share_below(in->subject, in->event->amount);
}

VALUE_OF(hour_habit_bp)
{
    return profile_hour_share(in->subject, (int)value_hour(in));
}

VALUE_OF(pass_through_bp)
{
    int64_t left;

    if (in->event->incoming)
        return 0;
    if (!money_add(own(in, RING_OUT_24H).sum, in->event->amount, &left))
        left = INT64_MAX;
    return share_bp(left, own(in, RING_IN_24H).sum);
}

VALUE_OF(is_new_counterparty)
{
    return !in->event->incoming && in->event->counterparty != 0 &&
           !profile_knows(in->subject, in->event->counterparty);
}

VALUE_OF(payments_to_counterparty)
{
    if (in->event->counterparty == 0)
        return 0;
    return profile_payments_to(in->subject, in->event->counterparty);
}

/* --- the counterparty's past ----------------------------------------------------------------- */

VALUE_OF(counterparty_age_days)
{
    if (profile_is_empty(in->other))
        return 0;
    return elapsed_us(in->other->first_at_us, in->event->at_us) / US_PER_DAY;
}

VALUE_OF(counterparty_in_count_24h)
{
    return others(in, RING_IN_24H).count;
}

VALUE_OF(counterparty_in_count_7d)
{
    return others(in, RING_IN_7D).count;
}

VALUE_OF(counterparty_in_count_30d)
{
    return others(in, RING_IN_30D).count;
}

VALUE_OF(counterparty_in_count_total)
{
    return in->other->in_count;
}

/* What the counterparty's amounts say of a payment in another currency is nothing. */
static bool is_comparable(const struct feature_input *in)
{
    return in->other->currency == in->event->currency;
}

VALUE_OF(counterparty_mean_amount)
{
    return is_comparable(in) ? in_mean(in->other) : 0;
}

VALUE_OF(amount_to_counterparty_mean_pct)
{
    int64_t count = profile_in_own(in->other);

    if (count < COMPARED_MIN || !is_comparable(in))
        return 0;
    return percent_of_mean(in->event->amount, in->other->in_sum, count);
}

VALUE_OF(counterparty_fan_in_7d)
{
    return profile_fan(in->other, RING_FAN_IN, in->event->at_us);
}

static int64_t fraud_share(struct profile_labels labels)
{
    return share_bp(labels.frauds, labels.known);
}

VALUE_OF(counterparty_findings_1d)
{
    return findings(in, 1).known;
}

VALUE_OF(counterparty_findings_7d)
{
    return findings(in, 7).known;
}

VALUE_OF(counterparty_findings_30d)
{
    return findings(in, 30).known;
}

VALUE_OF(counterparty_frauds_1d)
{
    return findings(in, 1).frauds;
}

VALUE_OF(counterparty_frauds_7d)
{
    return findings(in, 7).frauds;
}

VALUE_OF(counterparty_frauds_30d)
{
    return findings(in, 30).frauds;
}

VALUE_OF(counterparty_fraud_share_1d_bp)
{
    return fraud_share(findings(in, 1));
}

VALUE_OF(counterparty_fraud_share_7d_bp)
{
    return fraud_share(findings(in, 7));
}

VALUE_OF(counterparty_fraud_share_30d_bp)
{
    return fraud_share(findings(in, 30));
}

VALUE_OF(counterparty_fraud_age_days)
{
    return fraud_age(in, false);
}

VALUE_OF(counterparty_fraud_since_days)
{
    return fraud_age(in, true);
}

VALUE_OF(counterparty_fraud_run)
{
    return fraud_run(in).count;
}

VALUE_OF(counterparty_fraud_run_days)
{
    struct profile_run run = fraud_run(in);

    return run.count > 0 ? profile_bucket(in->event->at_us, US_PER_DAY) - run.day : -1;
}

/* --- the table ------------------------------------------------------------------------------- */

const struct feature_row feature_rows[FEATURE_COUNT] = {
#define FEATURE(name, unit, window, source, help)                                                  \
    [FEATURE_##name] = { #name, window, help, UNIT_##unit, SOURCE_##source },
#include "bankd/fraud/features.def"
#undef FEATURE
};

static int64_t cut(int64_t value, unsigned bytes)
{
    int64_t most = bytes < 10 ? (INT64_C(1) << (7 * bytes - 1)) - 1 : INT64_MAX;

    return value > most ? most : value < -most - 1 ? -most - 1 : value;
}

int64_t feature_value(enum feature feature, const struct feature_input *input)
{
    static const uint8_t bytes[FEATURE_COUNT] = {
#define FEATURE(name, unit, window, source, help) [FEATURE_##name] = FEATURE_BYTES_##unit,
#include "bankd/fraud/features.def"
#undef FEATURE
    };
    static int64_t (*const values[FEATURE_COUNT])(const struct feature_input *) = {
#define FEATURE(name, unit, window, source, help) [FEATURE_##name] = value_##name,
#include "bankd/fraud/features.def"
#undef FEATURE
    };

    return cut(values[feature](input), bytes[feature]);
}

/* The words of the protocol; "minor units" is what makes a terminal write money. */
static const char *const unit_names[] = {
    [UNIT_YES] = "yes or no",     [UNIT_COUNT] = "count",     [UNIT_MINOR] = "minor units",
    [UNIT_MAJOR] = "whole units", [UNIT_BP] = "basis points", [UNIT_PCT] = "percent",
    [UNIT_X100] = "hundredths",   [UNIT_HOUR] = "hour",       [UNIT_WEEKDAY] = "weekday",
    [UNIT_DAYS] = "days",         [UNIT_SECONDS] = "seconds", [UNIT_WORD] = "type",
};

const char *feature_unit_name(enum feature_unit unit)
{
    return unit_names[unit];
}

size_t fraud_features(const struct fraud_profile *profile, int64_t now_us,
                      struct fraud_feature out[FRAUD_FEATURES_MAX])
{
    struct fraud_event   now = { .at_us = now_us, .unit = 1 };
    struct feature_input input = { &now, profile_of(profile), profile_of(profile), NULL };
    size_t               count = 0;

    for (size_t i = 0; i < FEATURE_COUNT && count < FRAUD_FEATURES_MAX; i++) {
        const struct feature_row *row = &feature_rows[i];

        if (row->source != SOURCE_SUBJECT)
            continue;
        out[count] = (struct fraud_feature){
            .name = row->name,
            .unit = feature_unit_name(row->unit),
            .help = row->help,
            .value = feature_value((enum feature)i, &input),
        };
        out[count].has_normal = habit_normal(input.subject, (enum feature)i, &out[count].normal_low,
                                             &out[count].normal_high);
        count++;
    }
    return count;
}
