/* Features by number: what they are called and what they are worth for one event.
 *
 * The table is features.def; the numbers are its order and are never stored. Every feature costs
 * a bounded handful of steps. */
#ifndef BANKD_FRAUD_FEATURES_H
#define BANKD_FRAUD_FEATURES_H

#include "bankd/fraud/fraud.h"
#include "bankd/fraud/profile.h"

enum feature {
#define FEATURE(name, unit, window, source, help) FEATURE_##name,
#include "bankd/fraud/features.def"
#undef FEATURE
    FEATURE_COUNT
};

enum feature_unit {
    UNIT_YES,
    UNIT_COUNT,
    UNIT_MINOR,
    UNIT_MAJOR,
    UNIT_BP,
    UNIT_PCT,
    UNIT_X100,
    UNIT_HOUR,
    UNIT_WEEKDAY,
    UNIT_DAYS,
    UNIT_SECONDS,
    UNIT_WORD
};

enum feature_source { SOURCE_EVENT, SOURCE_SUBJECT, SOURCE_COMPARED, SOURCE_COUNTERPARTY };

struct feature_row {
    const char         *name;
    const char         *window;
    const char         *help;
    enum feature_unit   unit;
    enum feature_source source;
};

extern const struct feature_row feature_rows[FEATURE_COUNT];

const char *feature_unit_name(enum feature_unit unit);

/* What a feature is computed from. `other` is never NULL: an empty profile stands for nobody. */
struct feature_input {
    const struct fraud_event *event;
    const struct profile     *subject;
    const struct profile     *other;
};

int64_t feature_value(enum feature feature, const struct feature_input *input);

#endif
