/* See trend.h. One range read of day rollups (hour rollups for a trend of hours): each cell is
 * added to the point that its bucket lies in. */
#include "bankd/ops/trend.h"

#include "bankd/ops/figures.h"
#include "bankd/ops/page.h"
#include "common/money.h"

struct adding {
    const struct request *request;
    const struct figures_period *period;
    int32_t step;
    struct msg_trend_point *points;
    size_t count;
    size_t at; /* the point of the cell before: cells come in the order of their buckets */
    enum err err;
};

/* The point that a moment lies in. Cells usually come in time order, so the search starts at the
 * point before; it is right for any order. */
static struct msg_trend_point *point_of(struct adding *adding, int64_t at_us)
{
    if (at_us < adding->points[adding->at].at)
        adding->at = 0;
    while (adding->at + 1 < adding->count && adding->points[adding->at + 1].at <= at_us)
        adding->at++;
    return &adding->points[adding->at];
}

static bool add_moved(struct msg_trend_point *point, int32_t type, const struct rollup *cell)
{
    int64_t none = 0;
    int64_t *of_type = type == TYPE_DEPOSIT      ? &point->deposits
                       : type == TYPE_WITHDRAWAL ? &point->withdrawals
                       : type == TYPE_TRANSFER   ? &point->transfers
                                                 : &none;
    return money_add(point->count, cell->count, &point->count) &&
           money_add(point->volume, cell->amount, &point->volume) &&
           money_add(*of_type, cell->amount, of_type);
}

static bool add_sums(struct msg_trend_point *point, const struct rollup *cell)
{
    uint16_t metric = cell->key.metric;
    if (metric == METRIC_INTO)
        return money_add(point->net_flow, cell->amount, &point->net_flow);
    if (metric == METRIC_OUT_OF)
        return money_sub(point->net_flow, cell->amount, &point->net_flow);
    if (metric < METRIC_TRANSACTIONS)
        return true;
    int32_t type = (metric - METRIC_TRANSACTIONS) / 8;
    int32_t status = (metric - METRIC_TRANSACTIONS) % 8;
    if (status != STATUS_COMPLETED && status != STATUS_REVERSED)
        return true;
    return add_moved(point, type, cell);
}

static bool add_cell(void *context, const void *row)
{
    struct adding *adding = context;
    const struct rollup *cell = row;
    if (page_cancelled(adding->request)) {
        adding->err = ERR_cancelled;
        return false;
    }
    int64_t width = adding->step == STEP_HOUR ? US_PER_HOUR : US_PER_DAY;
    struct msg_trend_point *point = point_of(adding, cell->key.bucket * width);
    bool same = cell->key.currency == adding->period->currency;
    bool counted = same || !adding->period->one_currency;
    bool fits = true;
    if (counted && cell->key.metric == METRIC_ALERTS)
        fits = money_add(point->alerts, cell->count, &point->alerts);
    else if (counted && cell->key.metric == METRIC_FLAGGED)
        fits = money_add(point->flagged, cell->count, &point->flagged);
    else if (same)
        fits = add_sums(point, cell);
    if (!fits)
        adding->err = ERR_amount_overflow;
    return fits;
}

/* The points with their starts and zeros. */
static enum err make_points(struct request *request, const struct figures_period *period,
                            int32_t step, struct msg_trend *out)
{
    size_t count = 0;
    for (int64_t at = period->from_us; at < period->to_us; at = figures_step_add(step, at, 1)) {
        if (count == LIMIT_TREND_POINTS_MAX)
            return fault_set(request->fault, ERR_range_invalid, "from",
                             "A trend has at most %d points: choose wider steps or a shorter "
                             "period.",
                             LIMIT_TREND_POINTS_MAX);
        count++;
    }
    void *memory = NULL;
    TRY(page_take(request, count * sizeof(struct msg_trend_point), &memory));
    out->points.at = memory;
    out->points.count = count;
    int64_t at = period->from_us;
    for (size_t i = 0; i < count; i++) {
        MSG_SET(&out->points.at[i], trend_point, at, at);
        at = figures_step_add(step, at, 1);
    }
    return ERR_none;
}

enum err trend_read(struct request *request, const struct msg_trend_query *in,
                    struct msg_trend *out)
{
    struct figures_asked asked = FIGURES_ASKED(in, trend_query);
    struct figures_period period;
    int32_t step = MSG_HAS(in, trend_query, step) ? in->step : STEP_DAY;
    TRY(figures_period(request, &asked, step, &period));
    TRY(make_points(request, &period, step, out));
    MSG_SET(out, trend, currency, figures_code(period.currency));
    int64_t width = step == STEP_HOUR ? US_PER_HOUR : US_PER_DAY;
    struct rollup_range range = {
        .scale = step == STEP_HOUR ? ROLLUP_HOUR : ROLLUP_DAY,
        .bucket_from = (int32_t)(period.from_us / width),
        .bucket_to = (int32_t)(period.to_us / width - 1),
        .currency = period.one_currency ? period.currency : ROLLUP_EVERY_CURRENCY,
    };
    struct adding adding = {
        .request = request,
        .period = &period,
        .step = step,
        .points = out->points.at,
        .count = out->points.count,
    };
    TRY(request->store->ops->rollups(request->store, &range, add_cell, &adding));
    return adding.err;
}
