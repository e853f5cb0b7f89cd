/* See figures.h. */
#include "bankd/ops/figures.h"

#include "bankd/ops/page.h"
#include "common/check.h"
#include "common/money.h"

#include <string.h>

enum { DEFAULT_STEPS = 30, CURRENCY_LAST_RESORT = 840 }; /* USD */

/* --- time ----------------------------------------------------------------------------------- */

static int64_t floor_to(int64_t value, int64_t unit)
{
    int64_t part = value % unit;
    return part < 0 ? value - part - unit : value - part;
}

static int64_t ceil_to(int64_t value, int64_t unit)
{
    int64_t down = floor_to(value, unit);
    return down == value ? down : down + unit;
}

int64_t figures_step_start(int32_t step, int64_t at_us)
{
    if (step == STEP_HOUR)
        return floor_to(at_us, US_PER_HOUR);
    if (step == STEP_DAY)
        return floor_to(at_us, US_PER_DAY);
    int year = 0;
    int month = 0;
    int day = 0;
    time_to_civil(time_day(at_us), &year, &month, &day);
    return time_from_civil(year, month, 1) * US_PER_DAY;
}

int64_t figures_step_add(int32_t step, int64_t start_us, int64_t n)
{
    if (step == STEP_HOUR)
        return start_us + n * US_PER_HOUR;
    if (step == STEP_DAY)
        return start_us + n * US_PER_DAY;
    int year = 0;
    int month = 0;
    int day = 0;
    time_to_civil(time_day(start_us), &year, &month, &day);
    int64_t months = (int64_t)year * 12 + month - 1 + n;
    int64_t first = floor_to(months, 12);
    return time_from_civil((int)(first / 12), (int)(months - first) + 1, 1) * US_PER_DAY;
}

/* --- sums ----------------------------------------------------------------------------------- */

struct summing {
    const struct request *request;
    struct figures *sums;
    uint16_t currency;
    enum err err;
};

static bool add_cell(void *context, const void *row)
{
    struct summing *summing = context;
    const struct rollup *cell = row;
    struct figures *sums = summing->sums;
    size_t metric = cell->key.metric;
    if (page_cancelled(summing->request)) {
        summing->err = ERR_cancelled;
        return false;
    }
    if (metric >= FIGURES_METRICS)
        return true;
    bool fits = money_add(sums->count_every[metric], cell->count, &sums->count_every[metric]);
    if (cell->key.currency == summing->currency) {
        fits = fits && money_add(sums->count[metric], cell->count, &sums->count[metric]) &&
               money_add(sums->amount[metric], cell->amount, &sums->amount[metric]);
    }
    if (!fits)
        summing->err = ERR_amount_overflow;
    return fits;
}

static enum err add_range(struct request *request, uint8_t scale, int64_t first, int64_t last,
                          uint16_t currency, struct figures *sums)
{
    if (first > last)
        return ERR_none;
    struct rollup_range range = {.scale = scale,
                                 .bucket_from = (int32_t)first,
                                 .bucket_to = (int32_t)last,
                                 .currency = ROLLUP_EVERY_CURRENCY};
    struct summing summing = {.request = request, .sums = sums, .currency = currency};
    TRY(request->store->ops->rollups(request->store, &range, add_cell, &summing));
    return summing.err;
}

enum err figures_read(struct request *request, const struct figures_period *period, int64_t from_us,
                      int64_t to_us, struct figures *out)
{
    memset(out, 0, sizeof(*out));
    uint16_t currency = period->currency;
    int64_t first_hour = from_us / US_PER_HOUR;
    int64_t end_hour = to_us / US_PER_HOUR;
    int64_t first_day = ceil_to(from_us, US_PER_DAY) / US_PER_DAY;
    int64_t end_day = floor_to(to_us, US_PER_DAY) / US_PER_DAY;
    if (first_day >= end_day)
        return add_range(request, ROLLUP_HOUR, first_hour, end_hour - 1, currency, out);
    TRY(add_range(request, ROLLUP_HOUR, first_hour, first_day * 24 - 1, currency, out));
    TRY(add_range(request, ROLLUP_DAY, first_day, end_day - 1, currency, out));
    return add_range(request, ROLLUP_HOUR, end_day * 24, end_hour - 1, currency, out);
}

int64_t figures_count(const struct figures_period *period, const struct figures *sums,
                      uint16_t metric)
{
    return period->one_currency ? sums->count[metric] : sums->count_every[metric];
}

/* The cells were added with checks, so a sum that fails here is of absurd size: it stays at the
 * largest that fits. */
static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum = 0;
    if (money_add(a, b, &sum))
        return sum;
    return a > 0 ? INT64_MAX : INT64_MIN;
}

void figures_moved(const struct figures *sums, int32_t type, int64_t *count, int64_t *amount)
{
    *count = 0;
    *amount = 0;
    for (int32_t i = TYPE_DEPOSIT; i <= TYPE_REVERSAL; i++) {
        if (type != 0 && type != i)
            continue;
        uint16_t completed = metric_of_transaction(i, STATUS_COMPLETED);
        uint16_t reversed = metric_of_transaction(i, STATUS_REVERSED);
        *count = plus(*count, plus(sums->count[completed], sums->count[reversed]));
        *amount = plus(*amount, plus(sums->amount[completed], sums->amount[reversed]));
    }
}

int64_t figures_in_status(const struct figures_period *period, const struct figures *sums,
                          int32_t status)
{
    int64_t count = 0;
    for (int32_t i = TYPE_DEPOSIT; i <= TYPE_REVERSAL; i++)
        count = plus(count, figures_count(period, sums, metric_of_transaction(i, status)));
    return count;
}

int64_t figures_net_flow(const struct figures *sums)
{
    int64_t flow = 0;
    if (money_sub(sums->amount[METRIC_INTO], sums->amount[METRIC_OUT_OF], &flow))
        return flow;
    return sums->amount[METRIC_INTO] > 0 ? INT64_MAX : INT64_MIN;
}

struct slice figures_code(uint16_t number)
{
    const struct currency *currency = currency_by_number(number);
    return slice_from(currency != NULL ? currency->code : "???");
}

int64_t figures_unit(uint16_t number)
{
    const struct currency *currency = currency_by_number(number);
    int64_t unit = 1;
    for (int i = 0; currency != NULL && i < currency->exponent; i++)
        unit *= 10;
    return unit;
}

/* --- the currency and the period ------------------------------------------------------------ */

enum { CURRENCIES_MAX = 256 }; /* more than the list of currencies has */

struct electing {
    size_t count;
    struct {
        uint16_t currency;
        int64_t accounts;
    } at[CURRENCIES_MAX];
};

static bool count_accounts(void *context, const void *row)
{
    struct electing *electing = context;
    const struct rollup *cell = row;
    if (cell->key.metric <= METRIC_ACCOUNTS || cell->key.metric > METRIC_ACCOUNTS + ACCOUNT_CLOSED)
        return true;
    size_t i = 0;
    while (i < electing->count && electing->at[i].currency != cell->key.currency)
        i++;
    if (i == CURRENCIES_MAX)
        return false;
    if (i == electing->count) {
        electing->at[i].currency = cell->key.currency;
        electing->at[i].accounts = 0;
        electing->count++;
    }
    electing->at[i].accounts = plus(electing->at[i].accounts, cell->count);
    return true;
}

/* The set one, else the one of most customers' accounts (of equals the smaller code). */
static enum err main_currency(struct request *request, uint16_t *out)
{
    *out = request->bank->settings.main_currency;
    if (*out != 0)
        return ERR_none;
    struct electing electing = {.count = 0};
    struct rollup_range range = {.scale = ROLLUP_ALL, .currency = ROLLUP_EVERY_CURRENCY};
    TRY(request->store->ops->rollups(request->store, &range, count_accounts, &electing));
    int64_t most = 0;
    *out = CURRENCY_LAST_RESORT;
    for (size_t i = 0; i < electing.count; i++) {
        bool better = electing.at[i].accounts > most ||
                      (electing.at[i].accounts == most && electing.at[i].currency < *out);
        if (electing.at[i].accounts > 0 && better) {
            most = electing.at[i].accounts;
            *out = electing.at[i].currency;
        }
    }
    return ERR_none;
}

static enum err read_days(struct request *request, struct figures_period *out)
{
    int32_t first = 0;
    int32_t last = 0;
    enum err err = request->store->ops->days(request->store, &first, &last);
    if (err == ERR_not_found)
        return ERR_none;
    TRY(err);
    out->has_data = true;
    out->data_from_us = first * US_PER_DAY;
    out->data_to_us = (last + INT64_C(1)) * US_PER_DAY;
    return ERR_none;
}

/* The end of the newest day with data, but not behind today: an entry that is dated in the
 * future does not move everybody's view there. */
static int64_t default_end(const struct request *request, const struct figures_asked *asked,
                           const struct figures_period *period)
{
    int64_t today_end = floor_to(request->now_us, US_PER_DAY) + US_PER_DAY;
    int64_t end = today_end;
    if (period->has_data && period->data_to_us < end)
        end = period->data_to_us;
    if (asked->from_given && asked->from >= end)
        end = today_end;
    return end;
}

static bool in_calendar(int64_t at_us)
{
    return at_us >= LIMIT_PERIOD_FIRST_S * US_PER_SECOND &&
           at_us <= LIMIT_PERIOD_LAST_S * US_PER_SECOND;
}

enum err figures_period(struct request *request, const struct figures_asked *asked, int32_t step,
                        struct figures_period *out)
{
    struct fault *fault = request->fault;
    memset(out, 0, sizeof(*out));
    TRY(page_currency(request, asked->currency_given, asked->currency, &out->currency));
    out->one_currency = asked->currency_given;
    if (!asked->currency_given)
        TRY(main_currency(request, &out->currency));
    TRY(read_days(request, out));

    int64_t to = asked->to_given ? asked->to : default_end(request, asked, out);
    if (!in_calendar(to))
        return fault_set(fault, ERR_range_invalid, "to", "The years 0 to 9999 can be asked for.");
    int64_t from = asked->from;
    if (asked->from_given && !in_calendar(from))
        return fault_set(fault, ERR_range_invalid, "from", "The years 0 to 9999 can be asked for.");
    int32_t width = step != 0 ? step : STEP_HOUR;
    int64_t start = figures_step_start(width, to);
    to = start == to ? to : figures_step_add(width, start, 1);
    if (asked->from_given)
        from = figures_step_start(width, from);
    else if (step != 0)
        from = figures_step_add(step, to, -(int64_t)DEFAULT_STEPS);
    else
        from = to - DEFAULT_STEPS * US_PER_DAY;
    if (from >= to)
        return fault_set(fault, ERR_range_invalid, "to", "%s", "");
    out->from_us = from;
    out->to_us = to;
    return add_range(request, ROLLUP_ALL, 0, 0, out->currency, &out->now);
}
