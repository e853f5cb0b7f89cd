/* Learning a scorecard from labelled history: an additive model whose every number a person can
 * read, as integer points for bins of features and of a few pairs of features.
 *
 * The history is replayed, so each payment is seen with what was known at its moment. The findings
 * that are learned from may have come after `to`, as they do when they take their time; but one
 * that was replaced from then on counts as it was. Features are cut at quantiles of all payments
 * and of frauds, and where the share of frauds changes most. Then the bins' values are learned by
 * boosting in turns: one feature at a time takes a small step that lessens the logistic loss, and a
 * fifth of the accounts, held out, says when to stop. This is done once for each fifth, and the
 * mean counts. Pairs that explain what single features leave unexplained get the same treatment on
 * top.
 *
 * 50 points double the odds; a score of 500 stands for even odds. The same history gives the same
 * card: no random numbers, one thread, sums in a fixed order. */
#ifndef BANKD_LEARN_LEARN_H
#define BANKD_LEARN_LEARN_H

#include "bankd/learn/replay.h"
#include "common/buf.h"

enum {
    LEARN_FEATURES_MAX = 96, /* that may be looked at */
    LEARN_PARTS_MAX = 20,    /* that the card may use */
    LEARN_PAIRS_MAX = 6,
    LEARN_BINS_MAX = 48,
    LEARN_COARSE = 8, /* bins of each side of a pair */
    LEARN_FOLDS = 5,
    LEARN_PAYMENTS_MIN = 200, /* with a finding; below there is nothing to learn from */
    LEARN_FRAUDS_MIN = 20,
    LEARN_OTHERS_MAX = 150000, /* payments that are no fraud; more are thinned out, with weights */
};

struct learn_options {
    struct replay_options replay;         /* without a context */
    int64_t               from_us, to_us; /* payments in [from, to) */
    int64_t               known_to_us;    /* findings that came later are not used; 0 = any is */
    bool                  pairs;
};

struct learn_result {
    int64_t payments; /* with a finding, in the range */
    int64_t frauds;
    size_t  parts;
    size_t  pairs;
    double  loss_before; /* mean logistic loss of what was held out: of the base alone, learned */
    double  loss;
};

/* Adds the card's text to `out`. */
ERR_MUST_USE enum err learn_run(const struct learn_options *options, struct buf *out,
                                struct learn_result *result, struct fault *fault);

#endif
