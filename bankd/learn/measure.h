/* How well scores find fraud: area under the ROC curve, average precision, and precision among the
 * cards that people could look at each day.
 *
 * Card precision at k: each day every card's highest score counts; of the k highest, the share that
 * was defrauded on that day; cards so found are left out on later days; the mean over the days.
 * Equal scores are ordered by the account's number, so equal data have one result. */
#ifndef BANKD_LEARN_MEASURE_H
#define BANKD_LEARN_MEASURE_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct measured {
    int64_t account;
    int32_t score;
    int32_t day;
    bool    fraud;
};

struct measures {
    int64_t events;
    int64_t frauds;
    int64_t days;
    bool    has_order; /* there are frauds and others, so the two next figures mean something */
    double  auc;
    double  average_precision;
    bool    has_cards; /* there are frauds */
    double  card_precision;
};

/* Reorders the events. */
ERR_MUST_USE enum err measure(struct measured *events, size_t count, size_t cards,
                              struct measures *out);

#endif
