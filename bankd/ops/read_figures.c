/* kpi.summary, kpi.trend and top.transactions. The first two are sums of rollups; the last merges
 * the largest transactions that the store remembers of each day. */
#include "bankd/ops/figures.h"
#include "bankd/ops/page.h"
#include "bankd/ops/trend.h"
#include "bankd/ops/view.h"

#include <string.h>

enum { TOP_ROWS_DEFAULT = 10 };

/* --- kpi.summary ---------------------------------------------------------------------------- */

static void set_moved(const struct figures *sums, struct msg_kpi *out)
{
    int64_t count = 0;
    int64_t amount = 0;
    figures_moved(sums, 0, &count, &amount);
    MSG_SET(out, kpi, transactions, count);
    MSG_SET(out, kpi, volume, amount);
    MSG_SET(out, kpi, average_amount, count > 0 ? amount / count : 0);
    figures_moved(sums, TYPE_DEPOSIT, &count, &amount);
    MSG_SET(out, kpi, deposits_count, count);
    MSG_SET(out, kpi, deposits, amount);
    figures_moved(sums, TYPE_WITHDRAWAL, &count, &amount);
    MSG_SET(out, kpi, withdrawals_count, count);
    MSG_SET(out, kpi, withdrawals, amount);
    figures_moved(sums, TYPE_TRANSFER, &count, &amount);
    MSG_SET(out, kpi, transfers_count, count);
    MSG_SET(out, kpi, transfers, amount);
    MSG_SET(out, kpi, net_flow, figures_net_flow(sums));
}

static int64_t sum_statuses(const struct figures *sums, int32_t status)
{
    int64_t count = 0;
    for (int32_t type = TYPE_DEPOSIT; type <= TYPE_REVERSAL; type++)
        count += sums->count[metric_of_transaction(type, status)];
    return count;
}

static void set_accounts(const struct figures *now, struct msg_kpi *out)
{
    int64_t accounts = 0;
    for (int32_t status = ACCOUNT_ACTIVE; status <= ACCOUNT_CLOSED; status++)
        accounts += now->count_every[METRIC_ACCOUNTS + status];
    int64_t active = now->count[METRIC_ACCOUNTS + ACCOUNT_ACTIVE];
    int64_t balance = now->amount[METRIC_BALANCE];
    MSG_SET(out, kpi, accounts, accounts);
    MSG_SET(out, kpi, active_accounts, active);
    MSG_SET(out, kpi, total_balance, balance);
    MSG_SET(out, kpi, average_balance, active > 0 ? balance / active : 0);
}

enum err op_kpi_summary(struct request *request, const struct msg_period_query *in,
                        struct msg_kpi *out)
{
    struct figures_asked asked = FIGURES_ASKED(in, period_query);
    struct figures_period period;
    struct figures sums;
    TRY(figures_period(request, &asked, 0, &period));
    TRY(figures_read(request, &period, period.from_us, period.to_us, &sums));
    MSG_SET(out, kpi, from, period.from_us);
    MSG_SET(out, kpi, to, period.to_us);
    MSG_SET(out, kpi, currency, figures_code(period.currency));
    set_moved(&sums, out);
    MSG_SET(out, kpi, held_count, sum_statuses(&sums, STATUS_HELD));
    MSG_SET(out, kpi, declined_count, sum_statuses(&sums, STATUS_DECLINED));
    set_accounts(&period.now, out);
    if (period.has_data) {
        MSG_SET(out, kpi, data_from, period.data_from_us);
        MSG_SET(out, kpi, data_to, period.data_to_us);
    }
    return ERR_none;
}

enum err op_kpi_trend(struct request *request, const struct msg_trend_query *in,
                      struct msg_trend *out)
{
    return trend_read(request, in, out);
}

/* --- top.transactions ----------------------------------------------------------------------- */

struct best {
    const struct request *request;
    const struct figures_period *period;
    struct transaction *rows; /* largest first */
    size_t count, limit;
};

static bool larger(const struct transaction *a, const struct transaction *b)
{
    return a->amount > b->amount || (a->amount == b->amount && a->sequence > b->sequence);
}

/* A day's rows come largest first: the first that is too small for the list ends the day. */
static bool take(void *context, const void *row)
{
    struct best *best = context;
    const struct transaction *transaction = row;
    if (page_cancelled(best->request))
        return false;
    if (best->count == best->limit && transaction->amount < best->rows[best->count - 1].amount)
        return false;
    bool moved = transaction->status == STATUS_COMPLETED || transaction->status == STATUS_REVERSED;
    if (!moved || transaction->at_us < best->period->from_us ||
        transaction->at_us >= best->period->to_us)
        return true;
    size_t place = best->count;
    while (place > 0 && larger(transaction, &best->rows[place - 1]))
        place--;
    if (place == best->limit)
        return true;
    if (best->count < best->limit)
        best->count++;
    memmove(&best->rows[place + 1], &best->rows[place],
            (best->count - place - 1) * sizeof(*best->rows));
    best->rows[place] = *transaction;
    return true;
}

/* Only days with data are asked for, so the length of the period costs nothing. */
static enum err take_days(struct request *request, const struct figures_period *period,
                          struct best *best)
{
    struct store *store = request->store;
    if (!period->has_data)
        return ERR_none;
    int64_t from = period->from_us > period->data_from_us ? period->from_us : period->data_from_us;
    int64_t to = period->to_us < period->data_to_us ? period->to_us : period->data_to_us;
    for (int64_t day = time_day(from); day <= time_day(to - 1); day++) {
        TRY(store->ops->top(store, (int32_t)day, period->currency, take, best));
        TRY(page_check_cancel(request));
    }
    return ERR_none;
}

enum err op_top_transactions(struct request *request, const struct msg_top_query *in,
                             struct msg_transaction_page *out)
{
    struct figures_asked asked = FIGURES_ASKED(in, top_query);
    struct figures_period period;
    void *memory = NULL;
    TRY(figures_period(request, &asked, 0, &period));
    struct best best = {
        .request = request,
        .period = &period,
        .limit = MSG_HAS(in, top_query, limit) ? (size_t)in->limit : (size_t)TOP_ROWS_DEFAULT,
    };
    TRY(page_take(request, best.limit * sizeof(struct transaction), &memory));
    best.rows = memory;
    TRY(take_days(request, &period, &best));
    TRY(page_take(request, best.limit * sizeof(struct msg_transaction), &memory));
    out->items.at = memory;
    TRY(page_take(request, sizeof(struct view_cache), &memory));
    for (size_t i = 0; i < best.count; i++) {
        const struct transaction *row = &best.rows[i];
        struct view_facts facts;
        TRY(view_listed_facts(request, memory, row, row->score > 0, &facts));
        TRY(view_transaction(request, row, &facts, &out->items.at[i]));
        out->items.count++;
    }
    return ERR_none;
}
