/* The values of a card's bins, by boosting in turns; see learn.h.
 *
 * A step of one feature: the gradient and the curvature of the loss are summed for each bin, the
 * bins are split in at most three runs where that lessens the loss most, and each run moves a part
 * of its Newton step. Runs instead of single bins keep a rare bin from believing its few payments.
 * Pairs step cell by cell, with a stronger pull to zero. */
#include "bankd/learn/learn_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RATE      0.1
#define PULL      4.0  /* added to the curvature of a run */
#define GAIN_MIN  6.0  /* of a first split; less is as likely chance */
#define PAIR_PULL 12.0 /* and of a pair's cell */

enum { ROUNDS_MAX = 300, PATIENCE = 8, PAIR_FEATURES = 14 };

struct bin_sum {
    double gradient, curvature;
};

struct boost {
    struct learn_table *table;
    double             *scores; /* log odds of each row */
    double             *gradients, *curvatures;
    uint8_t             held_out;
    const atomic_bool  *cancel;
    /* Of this fold, at the best round so far and now. */
    double best[LEARN_FEATURES_MAX][LEARN_BINS_MAX + 1];
    double now[LEARN_FEATURES_MAX][LEARN_BINS_MAX + 1];
    double pair_best[LEARN_PAIRS_MAX][LEARN_COARSE * LEARN_COARSE];
    double pair_now[LEARN_PAIRS_MAX][LEARN_COARSE * LEARN_COARSE];
};

static bool is_cancelled(const struct boost *boost)
{
    return boost->cancel != NULL && atomic_load_explicit(boost->cancel, memory_order_relaxed);
}

/* Of the training rows; rows held out have none. */
static void gradients(struct boost *boost)
{
    const struct learn_table *table = boost->table;

    for (size_t r = 0; r < table->row_count; r++) {
        double weight = table->folds[r] == boost->held_out ? 0 : (double)table->weights[r];
        double p;

        if (weight <= 0) {
            boost->gradients[r] = 0;
            boost->curvatures[r] = 0;
            continue;
        }
        p = 1 / (1 + exp(-boost->scores[r]));
        boost->gradients[r] = weight * ((double)table->frauds[r] - p);
        boost->curvatures[r] = weight * p * (1 - p);
    }
}

static double mean_loss(const struct boost *boost)
{
    const struct learn_table *table = boost->table;
    double                    loss = 0;
    double                    weights = 0;

    for (size_t r = 0; r < table->row_count; r++) {
        double signed_score = table->frauds[r] != 0 ? -boost->scores[r] : boost->scores[r];

        if (table->folds[r] != boost->held_out)
            continue;
        weights += (double)table->weights[r];
        loss += (double)table->weights[r] *
                (signed_score > 30 ? signed_score : log1p(exp(signed_score)));
    }
    return weights > 0 ? loss / weights : 0;
}

/* Of all rows; without a feature when its values and column are given. */
static double sum_loss(const struct boost *boost, const double *values, const uint8_t *column)
{
    const struct learn_table *table = boost->table;
    double                    loss = 0;

    for (size_t r = 0; r < table->row_count; r++) {
        double score = boost->scores[r] - (values != NULL ? values[column[r]] : 0);
        double wrong = table->frauds[r] != 0 ? -score : score;

        loss += (double)table->weights[r] * (wrong > 30 ? wrong : log1p(exp(wrong)));
    }
    return loss;
}

/* --- one feature ----------------------------------------------------------------------------- */

static double gain_of(struct bin_sum sum)
{
    return sum.gradient * sum.gradient / (sum.curvature + PULL);
}

static struct bin_sum sum_of(const struct bin_sum *bins, size_t from, size_t to)
{
    struct bin_sum sum = { 0, 0 };

    for (size_t i = from; i < to; i++) {
        sum.gradient += bins[i].gradient;
        sum.curvature += bins[i].curvature;
    }
    return sum;
}

/* The first bin of the right part, `to` when nothing is gained. */
static size_t best_split(const struct bin_sum *bins, size_t from, size_t to, double *gain)
{
    struct bin_sum whole = sum_of(bins, from, to);
    struct bin_sum left = { 0, 0 };
    size_t         best = to;

    *gain = 0;
    for (size_t i = from; i + 1 < to; i++) {
        struct bin_sum right;
        double         more;

        left.gradient += bins[i].gradient;
        left.curvature += bins[i].curvature;
        right.gradient = whole.gradient - left.gradient;
        right.curvature = whole.curvature - left.curvature;
        more = gain_of(left) + gain_of(right) - gain_of(whole);
        if (more > *gain) {
            *gain = more;
            best = i + 1;
        }
    }
    return best;
}

static void step_feature(struct boost *boost, size_t f)
{
    struct learn_table *table = boost->table;
    const uint8_t      *column = learn_column(table, f);
    size_t              bin_count = table->features[f].cut_count + 1;
    struct bin_sum      bins[LEARN_BINS_MAX + 1] = { { 0, 0 } };
    double              steps[LEARN_BINS_MAX + 1];
    double              gains[3];
    size_t              ends[3];

    gradients(boost);
    for (size_t r = 0; r < table->row_count; r++) {
        bins[column[r]].gradient += boost->gradients[r];
        bins[column[r]].curvature += boost->curvatures[r];
    }
    ends[0] = best_split(bins, 0, bin_count, &gains[0]);
    if (gains[0] < GAIN_MIN)
        return;
    ends[1] = best_split(bins, 0, ends[0], &gains[1]);
    ends[2] = best_split(bins, ends[0], bin_count, &gains[2]);
    size_t run = 0;
    size_t borders[4] = { 0, gains[1] > gains[2] ? ends[1] : ends[0],
                          gains[1] > gains[2] ? ends[0] : ends[2], bin_count };

    for (; run < 3; run++) {
        struct bin_sum sum = sum_of(bins, borders[run], borders[run + 1]);

        for (size_t i = borders[run]; i < borders[run + 1]; i++) {
            steps[i] = RATE * sum.gradient / (sum.curvature + PULL);
            boost->now[f][i] += steps[i];
        }
    }
    for (size_t r = 0; r < table->row_count; r++)
        boost->scores[r] += steps[column[r]];
}

/* --- pairs ----------------------------------------------------------------------------------- */

static size_t cell_of(const struct learn_table *table, size_t a, size_t b, size_t row)
{
    return learn_coarse(&table->features[a], learn_column(table, a)[row]) * LEARN_COARSE +
           learn_coarse(&table->features[b], learn_column(table, b)[row]);
}

static void sum_pair(const struct boost *boost, size_t a, size_t b,
                     struct bin_sum cells[LEARN_COARSE * LEARN_COARSE])
{
    memset(cells, 0, LEARN_COARSE * LEARN_COARSE * sizeof *cells);
    for (size_t r = 0; r < boost->table->row_count; r++) {
        struct bin_sum *cell = &cells[cell_of(boost->table, a, b, r)];

        cell->gradient += boost->gradients[r];
        cell->curvature += boost->curvatures[r];
    }
}

static void step_pair(struct boost *boost, size_t i)
{
    const struct learn_pair *pair = &boost->table->pairs[i];
    struct bin_sum           cells[LEARN_COARSE * LEARN_COARSE];

    gradients(boost);
    sum_pair(boost, pair->a, pair->b, cells);
    for (size_t c = 0; c < LEARN_COARSE * LEARN_COARSE; c++) {
        double step = RATE * cells[c].gradient / (cells[c].curvature + PAIR_PULL);

        cells[c].gradient = step;
        boost->pair_now[i][c] += step;
    }
    for (size_t r = 0; r < boost->table->row_count; r++)
        boost->scores[r] += cells[cell_of(boost->table, pair->a, pair->b, r)].gradient;
}

/* Keeps the pairs of the weightiest features that explain most of what is left. */
static void choose_pairs(struct boost *boost)
{
    struct learn_table *table = boost->table;
    struct bin_sum      cells[LEARN_COARSE * LEARN_COARSE];

    gradients(boost);
    for (size_t a = 0; a < table->feature_count && a < PAIR_FEATURES; a++)
        for (size_t b = a + 1; b < table->feature_count && b < PAIR_FEATURES; b++) {
            struct learn_pair pair = { .a = a, .b = b };
            size_t            place = table->pair_count;

            sum_pair(boost, a, b, cells);
            for (size_t c = 0; c < LEARN_COARSE * LEARN_COARSE; c++)
                pair.gain +=
                    cells[c].gradient * cells[c].gradient / (cells[c].curvature + PAIR_PULL);
            if (place == LEARN_PAIRS_MAX && table->pairs[--place].gain >= pair.gain)
                continue;
            for (; place > 0 && table->pairs[place - 1].gain < pair.gain; place--)
                table->pairs[place] = table->pairs[place - 1];
            table->pairs[place] = pair;
            table->pair_count += table->pair_count < LEARN_PAIRS_MAX ? 1 : 0;
        }
}

/* --- folds ----------------------------------------------------------------------------------- */

/* The scores of all rows by the values that count so far. */
static void score_rows(struct boost *boost)
{
    const struct learn_table *table = boost->table;

    for (size_t r = 0; r < table->row_count; r++)
        boost->scores[r] = table->base;
    for (size_t f = 0; f < table->feature_count; f++)
        for (size_t r = 0; r < table->row_count; r++)
            boost->scores[r] += table->features[f].values[learn_column(table, f)[r]];
}

static enum err run_fold(struct boost *boost, bool pairs, double *loss)
{
    struct learn_table *table = boost->table;
    double              least = mean_loss(boost);
    int                 since = 0;

    memset(boost->now, 0, sizeof boost->now);
    memset(boost->best, 0, sizeof boost->best);
    memset(boost->pair_now, 0, sizeof boost->pair_now);
    memset(boost->pair_best, 0, sizeof boost->pair_best);
    for (int round = 0; round < ROUNDS_MAX && since < PATIENCE; round++, since++) {
        for (size_t i = 0; i < (pairs ? table->pair_count : table->feature_count); i++) {
            if (is_cancelled(boost))
                return ERR_cancelled;
            if (pairs)
                step_pair(boost, i);
            else
                step_feature(boost, i);
        }
        *loss = mean_loss(boost);
        if (*loss < least) {
            least = *loss;
            since = -1;
            memcpy(boost->best, boost->now, sizeof boost->best);
            memcpy(boost->pair_best, boost->pair_now, sizeof boost->pair_best);
        }
    }
    *loss = least;
    return ERR_none;
}

static void add_fold(struct boost *boost, struct learn_feature *means, struct learn_pair *pairs)
{
    for (size_t f = 0; f < boost->table->feature_count; f++)
        for (size_t i = 0; i <= LEARN_BINS_MAX; i++)
            means[f].values[i] += boost->best[f][i] / LEARN_FOLDS;
    for (size_t p = 0; p < boost->table->pair_count; p++)
        for (size_t c = 0; c < LEARN_COARSE * LEARN_COARSE; c++)
            pairs[p].values[c] += boost->pair_best[p][c] / LEARN_FOLDS;
}

static enum err run_folds(struct boost *boost, bool pairs)
{
    struct learn_table   *table = boost->table;
    struct learn_feature *means = calloc(LEARN_FEATURES_MAX, sizeof *means);
    struct learn_pair     pair_means[LEARN_PAIRS_MAX] = { { .a = 0 } };
    enum err              err = means == NULL ? ERR_memory : ERR_none;

    table->loss = 0;
    for (uint8_t fold = 0; err == ERR_none && fold < LEARN_FOLDS; fold++) {
        double loss = 0;

        boost->held_out = fold;
        score_rows(boost);
        err = run_fold(boost, pairs, &loss);
        table->loss += loss / LEARN_FOLDS;
        add_fold(boost, means, pair_means);
    }
    for (size_t f = 0; err == ERR_none && !pairs && f < table->feature_count; f++)
        memcpy(table->features[f].values, means[f].values, sizeof means[f].values);
    for (size_t p = 0; err == ERR_none && pairs && p < table->pair_count; p++)
        memcpy(table->pairs[p].values, pair_means[p].values, sizeof pair_means[p].values);
    free(means);
    return err;
}

static int by_weight(const void *a, const void *b)
{
    double left = ((const struct learn_feature *)a)->weight;
    double right = ((const struct learn_feature *)b)->weight;

    return (left < right) - (left > right);
}

/* Moves each feature's mean to the base. */
static void centre_features(struct learn_table *table)
{
    double weights = 0;

    for (size_t r = 0; r < table->row_count; r++)
        weights += (double)table->weights[r];
    for (size_t f = 0; f < table->feature_count; f++) {
        struct learn_feature *feature = &table->features[f];
        double                mean = 0;

        for (size_t r = 0; r < table->row_count; r++)
            mean += (double)table->weights[r] * feature->values[learn_column(table, f)[r]];
        for (size_t i = 0; i <= LEARN_BINS_MAX; i++)
            feature->values[i] -= mean / weights;
        table->base += mean / weights;
    }
}

/* A feature weighs as much as the loss would grow without it. */
static void weigh_features(struct boost *boost)
{
    struct learn_table *table = boost->table;
    double              whole;

    score_rows(boost);
    whole = sum_loss(boost, NULL, NULL);
    for (size_t f = 0; f < table->feature_count; f++)
        table->features[f].weight =
            sum_loss(boost, table->features[f].values, learn_column(table, f)) - whole;
}

/* The weightiest first; the columns of cells follow. */
static enum err order_features(struct learn_table *table)
{
    uint8_t *cells = malloc(table->feature_count * table->row_count + 1);

    if (cells == NULL)
        return ERR_memory;
    for (size_t f = 0; f < table->feature_count; f++)
        table->features[f].column = f;
    qsort(table->features, table->feature_count, sizeof table->features[0], by_weight);
    for (size_t f = 0; f < table->feature_count; f++)
        memcpy(cells + f * table->row_count, learn_column(table, table->features[f].column),
               table->row_count);
    free(table->cells);
    table->cells = cells;
    return ERR_none;
}

enum err learn_boost(struct learn_table *table, bool pairs, const atomic_bool *cancel)
{
    struct boost *boost = calloc(1, sizeof *boost);
    double        frauds = 0;
    double        others = 0;
    enum err      err = ERR_memory;

    if (boost == NULL)
        return err;
    boost->table = table;
    boost->cancel = cancel;
    boost->scores = calloc(table->row_count + 1, sizeof(double));
    boost->gradients = calloc(table->row_count + 1, sizeof(double));
    boost->curvatures = calloc(table->row_count + 1, sizeof(double));
    if (boost->scores == NULL || boost->gradients == NULL || boost->curvatures == NULL)
        goto out;
    for (size_t r = 0; r < table->row_count; r++)
        *(table->frauds[r] != 0 ? &frauds : &others) += (double)table->weights[r];
    table->base = log(frauds / others);
    score_rows(boost);
    for (uint8_t fold = 0; fold < LEARN_FOLDS; fold++) {
        boost->held_out = fold;
        table->loss_before += mean_loss(boost) / LEARN_FOLDS;
    }
    err = run_folds(boost, false);
    if (err == ERR_none) {
        centre_features(table);
        weigh_features(boost);
        err = order_features(table);
    }
    if (err == ERR_none && table->feature_count > LEARN_PARTS_MAX)
        table->feature_count = LEARN_PARTS_MAX;
    if (err == ERR_none && pairs) {
        boost->held_out = LEARN_FOLDS;
        score_rows(boost);
        choose_pairs(boost);
        err = run_folds(boost, true);
    }
out:
    free(boost->scores);
    free(boost->gradients);
    free(boost->curvatures);
    free(boost);
    return err;
}
