/* The inside of learning: learn.c (payments, cuts, bins, the card's text) and boost.c (the values).
 * Nobody else includes it. */
#ifndef BANKD_LEARN_LEARN_IMPL_H
#define BANKD_LEARN_LEARN_IMPL_H

#include "bankd/fraud/features.h"
#include "bankd/learn/learn.h"

struct learn_feature {
    enum feature feature;
    size_t       cut_count;
    int64_t      cuts[LEARN_BINS_MAX];
    double       values[LEARN_BINS_MAX + 1]; /* log odds of each bin */
    size_t       column;                     /* of the cells, while features are ordered */
    double       weight;                     /* mean distance from zero over the payments */
};

struct learn_pair {
    size_t a, b; /* indexes of features */
    double values[LEARN_COARSE * LEARN_COARSE];
    double gain;
};

/* Payments as bins: cells[f * row_count + r]. */
struct learn_table {
    size_t               row_count, row_room;
    size_t               feature_count;
    uint8_t             *cells;
    uint8_t             *frauds;
    uint8_t             *folds;
    float               *weights;
    struct learn_feature features[LEARN_FEATURES_MAX];
    struct learn_pair    pairs[LEARN_PAIRS_MAX];
    size_t               pair_count;
    double               base;
    double               loss_before;
    double               loss;
};

static inline const uint8_t *learn_column(const struct learn_table *table, size_t feature)
{
    return table->cells + feature * table->row_count;
}

/* The coarse bin of a feature's bin, for pairs. */
static inline size_t learn_coarse(const struct learn_feature *feature, size_t bin)
{
    size_t bins = feature->cut_count + 1;

    return bins <= LEARN_COARSE ? bin : bin * LEARN_COARSE / bins;
}

ERR_MUST_USE enum err learn_boost(struct learn_table *table, bool pairs, const atomic_bool *cancel);

#endif
