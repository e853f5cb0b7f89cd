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

/* How many bytes a value takes in a decision at most, by its unit; 7 bits of it in each. Values are
 * cut to what fits, which only what cannot be true ever needs. */
enum {
    FEATURE_BYTES_YES = 1,
    FEATURE_BYTES_COUNT = 5,
    FEATURE_BYTES_MINOR = 10,
    FEATURE_BYTES_MAJOR = 10,
    FEATURE_BYTES_BP = 3,
    FEATURE_BYTES_PCT = 10,
    FEATURE_BYTES_X100 = 10,
    FEATURE_BYTES_HOUR = 1,
    FEATURE_BYTES_WEEKDAY = 1,
    FEATURE_BYTES_DAYS = 4,
    FEATURE_BYTES_SECONDS = 5,
    FEATURE_BYTES_WORD = 1,
    /* Of the whole catalogue. */
    FEATURE_BYTES_ALL = 0
#define FEATURE(name, unit, window, source, help) +FEATURE_BYTES_##unit
#include "bankd/fraud/features.def"
#undef FEATURE
};

/* What several features of one event are made from, each computed once. `has` is 0 at first. */
struct feature_cache {
    uint32_t              has; /* a bit for each that is there; features.c tells which */
    struct profile_sum    own[RING_FAN_IN];
    struct profile_sum    others[RING_FAN_IN];
    struct profile_labels own_labels[3];
    struct profile_labels labels[3];
    struct profile_run    run;
    int64_t               ages[2];
};

/* What a feature is computed from. `other` is never NULL: an empty profile stands for nobody.
 * Without a cache everything is computed anew. */
struct feature_input {
    const struct fraud_event *event;
    const struct profile     *subject;
    const struct profile     *other;
    struct feature_cache     *cache;
};

int64_t feature_value(enum feature feature, const struct feature_input *input);

#endif
