/* The compliance score and the monitors, as pure functions from figures: no store, no clock, no
 * memory, integers only.
 *
 * The score is the sum of five parts, 100 points in all. Each part has a quality from 0 to 10,000
 * basis points; points = points_max * quality / 10,000, rounded half up. Without data a part has
 * full quality, because nothing is wrong.
 *
 *   verification   30  verified customers / customers
 *   suspicion      25  1 at no flagged transaction of the period, 0 at 5 % of them or more
 *   alerts         20  1 - open alerts / the greater of open alerts and alerts of the period
 *   freezes        10  1 at no frozen account, 0 at 10 % of the accounts that are not closed
 *   timeliness     15  1 while the oldest open alert is at most 24 hours old, 0 from 168 hours on
 *
 * Between their ends the shares count linearly. A monitor is ok up to four fifths of its
 * threshold, then a warning, and a breach past the threshold. */
#ifndef BANKD_COMPLIANCE_COMPLIANCE_H
#define BANKD_COMPLIANCE_COMPLIANCE_H

#include "proto/proto.h"

#include <stddef.h>
#include <stdint.h>

struct compliance_figures {
    /* Of the period. */
    int64_t transactions; /* of every status */
    int64_t flagged;
    int64_t declined;
    int64_t large;
    int64_t high_value;
    int64_t alerts;
    /* Now. */
    int64_t customers;
    int64_t customers_verified;
    int64_t accounts_open; /* not closed: active or frozen */
    int64_t accounts_frozen;
    int64_t alerts_open;
    int64_t oldest_alert_hours; /* whole hours; 0 = there is none */
    int64_t cases_overdue;      /* open or in review past their deadline */
    int64_t held_amount;        /* minor units */
    int64_t unit;               /* minor units of one major unit */
};

struct compliance_part {
    const char *name;
    const char *help;
    int64_t points;
    int64_t points_max;
    int64_t quality; /* basis points */
};

enum compliance_part_index {
    PART_VERIFICATION,
    PART_SUSPICION,
    PART_ALERTS,
    PART_FREEZES,
    PART_TIMELINESS,
    COMPLIANCE_PARTS
};

struct compliance_monitor {
    const char *name;
    const char *title;
    const char *unit;
    const char *help;
    int64_t value;
    int64_t threshold;
    int32_t state; /* enum monitor_state */
};

enum compliance_monitor_index {
#define MONITOR(name, title, unit, threshold, value, help) MONITOR_INDEX_##name,
#include "bankd/compliance/monitors.def"
#undef MONITOR
    COMPLIANCE_MONITORS
};

/* part / whole in basis points, from 0 to 10,000; 0 when there is nothing. */
int64_t compliance_share(int64_t part, int64_t whole);

/* The parts, and as the result the score from 0 to 100: the sum of their points. */
int64_t compliance_score(const struct compliance_figures *figures,
                         struct compliance_part out[COMPLIANCE_PARTS]);

/* All monitors, the worst first: by state, then by how much of the threshold is used up, then in
 * the order of the table. */
void compliance_monitors(const struct compliance_figures *figures,
                         struct compliance_monitor out[COMPLIANCE_MONITORS]);

#endif
