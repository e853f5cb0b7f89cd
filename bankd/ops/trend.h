/* A trend for kpi.trend and risk.trend: the same points, and each console draws the lines that its
 * role needs. Sums and numbers of transactions are in the trend's currency; alerts and flags are
 * those of every currency unless one was asked for. */
#ifndef BANKD_OPS_TREND_H
#define BANKD_OPS_TREND_H

#include "bankd/request.h"

ERR_MUST_USE enum err trend_read(struct request *request, const struct msg_trend_query *in,
                                 struct msg_trend *out);

#endif
