/* risk.account, risk.summary and risk.trend. The figures of an account are those of its fraud
 * profile, brought up to date from the ledger: what the engine would know if a payment came now. */
#include "bankd/ops/figures.h"
#include "bankd/ops/page.h"
#include "bankd/ops/trend.h"
#include "bankd/profile.h"
#include "common/check.h"

/* --- risk.account --------------------------------------------------------------------------- */

struct counting {
    const struct request *request;
    int64_t total, open;
};

static bool count_alert(void *context, const void *row)
{
    struct counting *counting = context;
    const struct alert *alert = row;
    counting->total++;
    counting->open += alert->state != ALERT_DECIDED;
    return !page_cancelled(counting->request);
}

struct newest {
    size_t count;
    int32_t score_max;
};

static bool look_at_score(void *context, const void *row)
{
    struct newest *newest = context;
    const struct transaction *transaction = row;
    if (transaction->score > newest->score_max)
        newest->score_max = transaction->score;
    return ++newest->count < LIMIT_RISK_NEWEST;
}

static enum err set_features(struct request *request, const struct fraud_profile *profile,
                             int64_t now_us, struct msg_risk_account *out)
{
    struct fraud_feature features[FRAUD_FEATURES_MAX];
    size_t count = fraud_features(profile, now_us, features);
    void *memory = NULL;
    CHECK(count <= ARRAY_COUNT(features));
    TRY(page_take(request, count * sizeof(struct msg_feature), &memory));
    out->features.at = memory;
    out->features.count = count;
    for (size_t i = 0; i < count; i++) {
        struct msg_feature *item = &out->features.at[i];
        MSG_SET(item, feature, name, slice_from(features[i].name));
        MSG_SET(item, feature, value, features[i].value);
        MSG_SET(item, feature, unit, slice_from(features[i].unit));
        MSG_SET(item, feature, help, slice_from(features[i].help));
        if (features[i].has_normal) {
            MSG_SET(item, feature, normal_low, features[i].normal_low);
            MSG_SET(item, feature, normal_high, features[i].normal_high);
        }
    }
    return ERR_none;
}

enum err op_risk_account(struct request *request, const struct msg_account_ref *in,
                         struct msg_risk_account *out)
{
    struct store *store = request->store;
    struct account_book book;
    struct fraud_profile profile;
    struct counting counting = {.request = request};
    struct newest newest = {.count = 0};
    int64_t number = 0;
    int64_t last_sequence = 0;
    int64_t stopped_at = 0;
    TRY(page_account(request, true, &in->account_id, &number));
    TRY(store->ops->book_by_number(store, number, &book));
    /* Nobody judges the bank's own accounts, and their chains are as long as the ledger. */
    if (book.kind != ACCOUNT_CUSTOMER)
        return fault_set(request->fault, ERR_account_system, "account_id", "%s", "");

    struct alert_filter alerts = {.account = number};
    TRY(store->ops->alerts(store, &alerts, count_alert, &counting));
    TRY(page_check_cancel(request));
    struct transaction_filter chain = {.account = number, .cancel = request->cancel};
    TRY(store->ops->transactions(store, &chain, look_at_score, &newest, &stopped_at));
    TRY(profile_current(store, entity_of_account(number), &profile, &last_sequence));

    MSG_SET(out, risk_account, account_id, book.account_id);
    MSG_SET(out, risk_account, currency, figures_code(book.currency));
    MSG_SET(out, risk_account, alerts_open, counting.open);
    MSG_SET(out, risk_account, alerts_total, counting.total);
    MSG_SET(out, risk_account, score_max, newest.score_max);
    /* An entry that is dated ahead of the clock must not lie in the future of its own figures. */
    int64_t now_us = request->now_us > book.last_at_us ? request->now_us : book.last_at_us;
    return set_features(request, &profile, now_us, out);
}

/* --- risk.summary --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int32_t from, to;
} bands[] = {
    {"low", 0, 199},    {"guarded", 200, 399}, {"elevated", 400, 599},
    {"high", 600, 799}, {"severe", 800, 1000},
};

static enum err set_bands(struct request *request, const struct figures_period *period,
                          const struct figures *sums, struct msg_risk_summary *out)
{
    void *memory = NULL;
    TRY(page_take(request, ARRAY_COUNT(bands) * sizeof(struct msg_risk_band), &memory));
    out->bands.at = memory;
    out->bands.count = ARRAY_COUNT(bands);
    for (size_t i = 0; i < ARRAY_COUNT(bands); i++) {
        struct msg_risk_band *band = &out->bands.at[i];
        uint16_t metric = metric_of_score(bands[i].from);
        MSG_SET(band, risk_band, name, slice_from(bands[i].name));
        MSG_SET(band, risk_band, score_from, bands[i].from);
        MSG_SET(band, risk_band, score_to, bands[i].to);
        MSG_SET(band, risk_band, count, figures_count(period, sums, metric));
    }
    return ERR_none;
}

static void set_now(const struct figures *now, struct msg_risk_summary *out)
{
    MSG_SET(out, risk_summary, flagged_total, now->count_every[METRIC_FLAGGED]);
    MSG_SET(out, risk_summary, frozen_accounts, now->count_every[METRIC_ACCOUNTS + ACCOUNT_FROZEN]);
    MSG_SET(out, risk_summary, alerts_open, now->count_every[METRIC_ALERTS_OPEN]);
    MSG_SET(out, risk_summary, held_count, now->count_every[METRIC_HELD]);
    MSG_SET(out, risk_summary, held_amount, now->amount[METRIC_HELD]);
}

enum err op_risk_summary(struct request *request, const struct msg_period_query *in,
                         struct msg_risk_summary *out)
{
    struct figures_asked asked = FIGURES_ASKED(in, period_query);
    struct figures_period period;
    struct figures sums;
    struct figures day;
    TRY(figures_period(request, &asked, 0, &period));
    TRY(figures_read(request, &period, period.from_us, period.to_us, &sums));
    TRY(figures_read(request, &period, period.to_us - US_PER_DAY, period.to_us, &day));
    MSG_SET(out, risk_summary, from, period.from_us);
    MSG_SET(out, risk_summary, to, period.to_us);
    MSG_SET(out, risk_summary, currency, figures_code(period.currency));
    MSG_SET(out, risk_summary, flagged_24h, day.count_every[METRIC_FLAGGED]);
    MSG_SET(out, risk_summary, high_value, figures_count(&period, &sums, METRIC_HIGH_VALUE));
    MSG_SET(out, risk_summary, high_value_threshold,
            bank_high_value(request->bank, period.currency));
    set_now(&period.now, out);
    if (period.has_data) {
        MSG_SET(out, risk_summary, data_from, period.data_from_us);
        MSG_SET(out, risk_summary, data_to, period.data_to_us);
    }
    return set_bands(request, &period, &sums, out);
}

enum err op_risk_trend(struct request *request, const struct msg_trend_query *in,
                       struct msg_trend *out)
{
    return trend_read(request, in, out);
}
