/* compliance.summary and monitor.list: gathers the figures and lets bankd/compliance judge them.
 * Counts are of every currency unless one was asked for; sums are in the currency. */
#include "bankd/compliance/compliance.h"
#include "bankd/ops/figures.h"
#include "bankd/ops/page.h"

struct oldest {
    const struct request *request;
    int64_t created_at_us; /* 0 = none */
};

static bool look_at_age(void *context, const void *row)
{
    struct oldest *oldest = context;
    const struct alert *alert = row;
    if (oldest->created_at_us == 0 || alert->created_at_us < oldest->created_at_us)
        oldest->created_at_us = alert->created_at_us;
    return !page_cancelled(oldest->request);
}

static enum err read_oldest(struct request *request, int64_t *hours)
{
    struct oldest oldest = {.request = request};
    struct alert_filter filter = {.undecided = true};
    TRY(request->store->ops->alerts(request->store, &filter, look_at_age, &oldest));
    TRY(page_check_cancel(request));
    *hours = 0;
    if (oldest.created_at_us != 0 && oldest.created_at_us < request->now_us)
        *hours = (request->now_us - oldest.created_at_us) / US_PER_HOUR;
    return ERR_none;
}

static bool count_record(void *context, const void *row)
{
    (void)row;
    ++*(int64_t *)context;
    return true;
}

static enum err gather(struct request *request, const struct msg_period_query *in,
                       struct figures_period *period, struct compliance_figures *out)
{
    struct figures_asked asked = FIGURES_ASKED(in, period_query);
    struct figures sums;
    *out = (struct compliance_figures){0};
    TRY(figures_period(request, &asked, 0, period));
    TRY(figures_read(request, period, period->from_us, period->to_us, &sums));
    for (int32_t status = STATUS_COMPLETED; status <= STATUS_REVERSED; status++)
        out->transactions += figures_in_status(period, &sums, status);
    out->flagged = figures_count(period, &sums, METRIC_FLAGGED);
    out->declined = figures_in_status(period, &sums, STATUS_DECLINED);
    out->large = figures_count(period, &sums, METRIC_LARGE);
    out->high_value = figures_count(period, &sums, METRIC_HIGH_VALUE);
    out->alerts = figures_count(period, &sums, METRIC_ALERTS);

    const struct figures *now = &period->now;
    out->customers = now->count_every[METRIC_CUSTOMERS];
    out->customers_verified = now->count_every[METRIC_VERIFIED];
    out->accounts_frozen = figures_count(period, now, METRIC_ACCOUNTS + ACCOUNT_FROZEN);
    out->accounts_open =
        out->accounts_frozen + figures_count(period, now, METRIC_ACCOUNTS + ACCOUNT_ACTIVE);
    out->alerts_open = now->count_every[METRIC_ALERTS_OPEN];
    out->held_amount = now->amount[METRIC_HELD];
    out->unit = figures_unit(period->currency);
    TRY(request->store->ops->records(
        request->store,
        &(struct record_filter){.kind = RECORD_CASE, .due_before_us = request->now_us},
        count_record, &out->cases_overdue));
    return read_oldest(request, &out->oldest_alert_hours);
}

static enum err set_parts(struct request *request, const struct compliance_figures *figures,
                          struct msg_compliance *out)
{
    struct compliance_part parts[COMPLIANCE_PARTS];
    void *memory = NULL;
    TRY(page_take(request, COMPLIANCE_PARTS * sizeof(struct msg_score_part), &memory));
    MSG_SET(out, compliance, score, compliance_score(figures, parts));
    out->parts.at = memory;
    out->parts.count = COMPLIANCE_PARTS;
    for (size_t i = 0; i < COMPLIANCE_PARTS; i++) {
        struct msg_score_part *item = &out->parts.at[i];
        MSG_SET(item, score_part, name, slice_from(parts[i].name));
        MSG_SET(item, score_part, points, parts[i].points);
        MSG_SET(item, score_part, points_max, parts[i].points_max);
        MSG_SET(item, score_part, value, parts[i].quality);
        MSG_SET(item, score_part, help, slice_from(parts[i].help));
    }
    return ERR_none;
}

enum err op_compliance_summary(struct request *request, const struct msg_period_query *in,
                               struct msg_compliance *out)
{
    struct figures_period period;
    struct compliance_figures f;
    TRY(gather(request, in, &period, &f));
    MSG_SET(out, compliance, from, period.from_us);
    MSG_SET(out, compliance, to, period.to_us);
    MSG_SET(out, compliance, currency, figures_code(period.currency));
    MSG_SET(out, compliance, transactions, f.transactions);
    MSG_SET(out, compliance, large_transactions, f.large);
    MSG_SET(out, compliance, large_threshold, bank_large(request->bank, period.currency));
    MSG_SET(out, compliance, suspicious_share, compliance_share(f.flagged, f.transactions));
    MSG_SET(out, compliance, verification_rate,
            compliance_share(f.customers_verified, f.customers));
    MSG_SET(out, compliance, frozen_share, compliance_share(f.accounts_frozen, f.accounts_open));
    MSG_SET(out, compliance, alerts_open, f.alerts_open);
    if (period.has_data) {
        MSG_SET(out, compliance, data_from, period.data_from_us);
        MSG_SET(out, compliance, data_to, period.data_to_us);
    }
    return set_parts(request, &f, out);
}

enum err op_monitor_list(struct request *request, const struct msg_period_query *in,
                         struct msg_monitor_page *out)
{
    struct figures_period period;
    struct compliance_figures figures;
    struct compliance_monitor monitors[COMPLIANCE_MONITORS];
    void *memory = NULL;
    TRY(gather(request, in, &period, &figures));
    compliance_monitors(&figures, monitors);
    TRY(page_take(request, COMPLIANCE_MONITORS * sizeof(struct msg_monitor), &memory));
    out->items.at = memory;
    out->items.count = COMPLIANCE_MONITORS;
    for (size_t i = 0; i < COMPLIANCE_MONITORS; i++) {
        struct msg_monitor *item = &out->items.at[i];
        MSG_SET(item, monitor, name, slice_from(monitors[i].name));
        MSG_SET(item, monitor, title, slice_from(monitors[i].title));
        MSG_SET(item, monitor, value, monitors[i].value);
        MSG_SET(item, monitor, threshold, monitors[i].threshold);
        MSG_SET(item, monitor, unit, slice_from(monitors[i].unit));
        MSG_SET(item, monitor, state, monitors[i].state);
        MSG_SET(item, monitor, help, slice_from(monitors[i].help));
    }
    return ERR_none;
}
