/* See compliance.h, where the formulas stand. */
#include "bankd/compliance/compliance.h"

#include "common/money.h"

enum { FULL = 10000 };

/* Where the parts of the score end. */
enum {
    SUSPICION_WORST = 500, /* basis points */
    FREEZES_WORST = 1000,
    ALERT_HOURS_BEST = 24,
    ALERT_HOURS_WORST = 168,
};

static int64_t within(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

int64_t compliance_share(int64_t part, int64_t whole)
{
    return whole <= 0 ? 0 : within(ratio_basis_points(part, whole), 0, FULL);
}

/* --- the score ------------------------------------------------------------------------------ */

/* Full quality up to `best`, none from `worst` on, a straight line between them. */
static int64_t falling(int64_t value, int64_t best, int64_t worst)
{
    int64_t inside = within(value, best, worst);
    return FULL - ratio_basis_points(inside - best, worst - best);
}

static struct compliance_part part(const char *name, int64_t points_max, int64_t quality,
                                   const char *help)
{
    return (struct compliance_part){
        .name = name,
        .help = help,
        .points = (points_max * quality + FULL / 2) / FULL,
        .points_max = points_max,
        .quality = quality,
    };
}

static int64_t alerts_quality(const struct compliance_figures *f)
{
    int64_t all = f->alerts > f->alerts_open ? f->alerts : f->alerts_open;
    return FULL - compliance_share(f->alerts_open, all);
}

int64_t compliance_score(const struct compliance_figures *f,
                         struct compliance_part out[COMPLIANCE_PARTS])
{
    int64_t verified =
        f->customers > 0 ? compliance_share(f->customers_verified, f->customers) : (int64_t)FULL;
    int64_t flagged = compliance_share(f->flagged, f->transactions);
    int64_t frozen = compliance_share(f->accounts_frozen, f->accounts_open);

    out[PART_VERIFICATION] =
        part("verification", 30, verified, "Share of customers whose identity is proved");
    out[PART_SUSPICION] =
        part("suspicion", 25, falling(flagged, 0, SUSPICION_WORST),
             "Full without flagged transactions in the period, nothing from 5 % of them on");
    out[PART_ALERTS] =
        part("alerts", 20, alerts_quality(f),
             "Share of decided alerts: open ones now against those raised in the period");
    out[PART_FREEZES] =
        part("freezes", 10, falling(frozen, 0, FREEZES_WORST),
             "Full without frozen accounts, nothing from 10 % of the open accounts on");
    out[PART_TIMELINESS] =
        part("timeliness", 15, falling(f->oldest_alert_hours, ALERT_HOURS_BEST, ALERT_HOURS_WORST),
             "Full while the oldest open alert is at most a day old, nothing from a week on");
    int64_t score = 0;
    for (size_t i = 0; i < COMPLIANCE_PARTS; i++)
        score += out[i].points;
    return score;
}

/* --- the monitors --------------------------------------------------------------------------- */

enum unit { COUNT, HOURS, SHARE, MAJOR };

static const char *const unit_names[] = {
    [COUNT] = "count", [HOURS] = "hours", [SHARE] = "basis points", [MAJOR] = "minor units"};

static struct compliance_monitor monitor(const struct compliance_figures *f, enum unit unit,
                                         int64_t threshold, int64_t value)
{
    struct compliance_monitor out = {
        .unit = unit_names[unit], .value = value, .threshold = threshold};
    if (unit == MAJOR && !money_mul(threshold, f->unit, &out.threshold))
        out.threshold = INT64_MAX;
    /* Thresholds are far above 5, so that dividing first loses nothing that matters. */
    int64_t warning = out.threshold - out.threshold / 5;
    out.state = value > out.threshold ? MONITOR_BREACH
                : value > warning     ? MONITOR_WARNING
                                      : MONITOR_OK;
    return out;
}

static bool worse(const struct compliance_monitor *a, const struct compliance_monitor *b)
{
    if (a->state != b->state)
        return a->state > b->state;
    return ratio_basis_points(a->value, a->threshold) > ratio_basis_points(b->value, b->threshold);
}

/* A sort by insertion: few rows, and equal ones keep their order. */
void compliance_monitors(const struct compliance_figures *figures,
                         struct compliance_monitor out[COMPLIANCE_MONITORS])
{
    const struct compliance_figures *f = figures;
    const struct compliance_monitor all[COMPLIANCE_MONITORS] = {
#define MONITOR(m_name, m_title, m_unit, m_threshold, m_value, m_help)                             \
    [MONITOR_INDEX_##m_name] = monitor(f, m_unit, m_threshold, m_value),
#include "bankd/compliance/monitors.def"
#undef MONITOR
    };
    static const struct {
        const char *name, *title, *help;
    } texts[COMPLIANCE_MONITORS] = {
#define MONITOR(m_name, m_title, m_unit, m_threshold, m_value, m_help)                             \
    [MONITOR_INDEX_##m_name] = {#m_name, m_title, m_help},
#include "bankd/compliance/monitors.def"
#undef MONITOR
    };
    for (size_t i = 0; i < COMPLIANCE_MONITORS; i++) {
        struct compliance_monitor next = all[i];
        next.name = texts[i].name;
        next.title = texts[i].title;
        next.help = texts[i].help;
        size_t place = i;
        while (place > 0 && worse(&next, &out[place - 1])) {
            out[place] = out[place - 1];
            place--;
        }
        out[place] = next;
    }
}
