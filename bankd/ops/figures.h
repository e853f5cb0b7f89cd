/* Figures of a period from rollups: what the question asked for, which rollups answer it, and the
 * sums. A figure costs a few range reads, however many transactions lie behind it.
 *
 * Whole days come from the day rollups; the hours before the first and after the last whole day
 * from the hour rollups. A period is widened to whole hours, and the reply says which it was. */
#ifndef BANKD_OPS_FIGURES_H
#define BANKD_OPS_FIGURES_H

#include "bankd/request.h"

enum { FIGURES_METRICS = METRIC_TRANSACTIONS + 72 };

/* What a question said; see FIGURES_ASKED. */
struct figures_asked {
    bool         from_given, to_given, currency_given;
    int64_t      from, to;
    struct slice currency;
};

#define FIGURES_ASKED(in, msg)                                                                     \
    (struct figures_asked)                                                                         \
    {                                                                                              \
        .from_given = MSG_HAS(in, msg, from), .to_given = MSG_HAS(in, msg, to),                    \
        .currency_given = MSG_HAS(in, msg, currency), .from = (in)->from, .to = (in)->to,          \
        .currency = (in)->currency,                                                                \
    }

/* Sums by metric: in the period's currency, and counts over every currency. */
struct figures {
    int64_t count[FIGURES_METRICS];
    int64_t amount[FIGURES_METRICS];
    int64_t count_every[FIGURES_METRICS];
};

struct figures_period {
    int64_t        from_us, to_us; /* whole hours */
    uint16_t       currency;
    bool           one_currency; /* it was asked for, so counts are of it alone */
    bool           has_data;     /* the bank has transactions: of these days */
    int64_t        data_from_us, data_to_us;
    struct figures now; /* what is true now */
};

/* Fills in what was not asked for, and reads what is true now. With a step (enum trend_step) the
 * period is widened to whole steps and starts 30 of them before its end when nothing was asked;
 * with 0 it is widened to whole hours and starts 30 days before its end. */
ERR_MUST_USE enum err figures_period(struct request *request, const struct figures_asked *asked,
                                     int32_t step, struct figures_period *out);
/* The sums of [from_us, to_us), which are whole hours, in the period's currency. */
ERR_MUST_USE enum err figures_read(struct request *request, const struct figures_period *period,
                                   int64_t from_us, int64_t to_us, struct figures *out);

/* A count as the period means it: of its currency when one was asked for, else of all. */
int64_t figures_count(const struct figures_period *period, const struct figures *sums,
                      uint16_t metric);
/* Transactions that moved money (completed, perhaps reversed later) of a type; 0 = every type. */
void figures_moved(const struct figures *sums, int32_t type, int64_t *count, int64_t *amount);
/* Transactions of every type in one status, as figures_count counts. */
int64_t figures_in_status(const struct figures_period *period, const struct figures *sums,
                          int32_t status);
/* What came into customers' accounts less what left them. */
int64_t figures_net_flow(const struct figures *sums);

/* The start of the step (enum trend_step) that a moment lies in, and of the one `n` steps on. */
int64_t figures_step_start(int32_t step, int64_t at_us);
int64_t figures_step_add(int32_t step, int64_t start_us, int64_t n);

struct slice figures_code(uint16_t currency); /* "USD" */
int64_t      figures_unit(uint16_t currency); /* minor units of one major unit: 100 for USD */

#endif
