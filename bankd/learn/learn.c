/* See learn.h. The history is replayed twice: once to find the cuts, from an even sample of all
 * payments and from the frauds, and once to put every payment's features into bins. Quantiles give
 * every part of a feature its bins; cuts where the share of frauds changes give it its edges. */
#include "bankd/learn/learn_impl.h"

#include "bankd/fraud/rules.h"
#include "common/check.h"
#include "common/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_FOR_DOUBLE_ODDS 50
#define POINTS_AT_EVEN_ODDS    500
#define SPLIT_GAIN_MIN         3.0 /* of the log likelihood; less is as likely chance */

enum { SAMPLE_MAX = 32768, CUTS_OF_ALL = 26, CUTS_OF_FRAUDS = 14, CUTS_OF_SPLITS = 8 };

/* What only grows with the calendar, or says how the payment came here, is nothing to learn from;
 * nor is the same amount twice. */
static const enum feature left_out[] = {
    FEATURE_unit,
    FEATURE_amount_major,
    FEATURE_type,
    FEATURE_is_history,
    FEATURE_balance,
    FEATURE_account_age_days,
    FEATURE_history_days,
    FEATURE_counterparty_age_days,
    FEATURE_count_total,
    FEATURE_in_count_total,
    FEATURE_counterparty_in_count_total,
};

/* An even sample: when it is full, every second one goes and the stride doubles. */
struct sample {
    int64_t *values; /* SAMPLE_MAX for each feature */
    size_t   count;
    int64_t  seen, stride;
};

struct learn {
    const struct learn_options *options;
    struct learn_table         *table;
    struct learn_result        *result;
    struct sample               all, frauds;
    uint8_t                    *rows; /* bins, row by row */
    bool                        cuts_known;
};

/* --- the payments ---------------------------------------------------------------------------- */

static void halve(struct sample *sample, size_t features)
{
    for (size_t i = 0; i < SAMPLE_MAX / 2; i++)
        for (size_t f = 0; f < features; f++)
            sample->values[f * SAMPLE_MAX + i] = sample->values[f * SAMPLE_MAX + 2 * i];
    sample->count = SAMPLE_MAX / 2;
    sample->stride *= 2;
}

static void add_sample(struct sample *sample, const int64_t *values, size_t features)
{
    if (sample->seen++ % sample->stride != 0)
        return;
    if (sample->count == SAMPLE_MAX)
        halve(sample, features);
    for (size_t f = 0; f < features; f++)
        sample->values[f * SAMPLE_MAX + sample->count] = values[f];
    sample->count++;
}

static uint64_t mix(int64_t number)
{
    uint64_t x = (uint64_t)number * UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

static enum err row_room(struct learn *learn)
{
    struct learn_table *table = learn->table;
    size_t              room = table->row_room == 0 ? 65536 : table->row_room * 2;
    uint8_t            *rows;
    uint8_t            *frauds;
    uint8_t            *folds;
    float              *weights;

    if (table->row_count < table->row_room)
        return ERR_none;
    rows = realloc(learn->rows, room * table->feature_count);
    learn->rows = rows != NULL ? rows : learn->rows;
    frauds = realloc(table->frauds, room);
    table->frauds = frauds != NULL ? frauds : table->frauds;
    folds = realloc(table->folds, room);
    table->folds = folds != NULL ? folds : table->folds;
    weights = realloc(table->weights, room * sizeof *weights);
    table->weights = weights != NULL ? weights : table->weights;
    if (rows == NULL || frauds == NULL || folds == NULL || weights == NULL)
        return ERR_memory;
    table->row_room = room;
    return ERR_none;
}

static uint8_t bin_of(const struct learn_feature *feature, int64_t value)
{
    size_t low = 0;
    size_t high = feature->cut_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (value < feature->cuts[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return (uint8_t)low;
}

/* Frauds all count; of the others as many as there is room for, which then count for more. */
static enum err add_row(struct learn *learn, const struct replay_event *event,
                        const int64_t *values)
{
    struct learn_table *table = learn->table;
    int64_t             others = learn->result->payments - learn->result->frauds;
    bool                fraud = event->label->fraud;
    float               weight = 1;

    if (!fraud && others > LEARN_OTHERS_MAX) {
        if (mix(event->row->sequence) % (uint64_t)others >= LEARN_OTHERS_MAX)
            return ERR_none;
        weight = (float)others / LEARN_OTHERS_MAX;
    }
    TRY(row_room(learn));
    for (size_t f = 0; f < table->feature_count; f++)
        learn->rows[table->row_count * table->feature_count + f] =
            bin_of(&table->features[f], values[f]);
    table->frauds[table->row_count] = fraud ? 1 : 0;
    table->folds[table->row_count] = (uint8_t)(mix(event->account->number) % LEARN_FOLDS);
    table->weights[table->row_count++] = weight;
    return ERR_none;
}

static enum err visit(void *context, const struct replay_event *event)
{
    static const struct fraud_profile nobody;

    struct learn        *learn = context;
    struct learn_table  *table = learn->table;
    int64_t              values[LEARN_FEATURES_MAX];
    struct feature_input input = {
        .event = event->event,
        .subject = profile_of(event->subject),
        .other = profile_of(event->counterparty != NULL ? event->counterparty : &nobody),
    };

    if (event->label == NULL || event->row->at_us < learn->options->from_us ||
        (learn->options->to_us != 0 && event->row->at_us >= learn->options->to_us))
        return ERR_none;
    for (size_t f = 0; f < table->feature_count; f++)
        values[f] = feature_value(table->features[f].feature, &input);
    if (learn->cuts_known)
        return add_row(learn, event, values);
    learn->result->payments++;
    learn->result->frauds += event->label->fraud ? 1 : 0;
    add_sample(&learn->all, values, table->feature_count);
    if (event->label->fraud)
        add_sample(&learn->frauds, values, table->feature_count);
    return ERR_none;
}

/* --- cuts ------------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static size_t quantiles(int64_t *values, size_t count, size_t cuts, int64_t *out)
{
    size_t n = 0;

    qsort(values, count, sizeof *values, by_value);
    for (size_t i = 1; i <= cuts && count > 0; i++)
        out[n++] = values[i * (count - 1) / cuts];
    return n;
}

/* How many of rising values are smaller than one. */
static size_t count_below(const int64_t *values, size_t count, int64_t value)
{
    size_t low = 0;

    while (low < count) {
        size_t middle = low + (count - low) / 2;

        if (values[middle] < value)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

/* The log likelihood of findings by the share of frauds among them. */
static double fit_of(double frauds, double all)
{
    double others = all > frauds ? all - frauds : 0;

    return (frauds > 0 ? frauds * log(frauds / (frauds + others)) : 0) +
           (others > 0 ? others * log(others / (frauds + others)) : 0);
}

/* Both samples of a feature, sorted, and a part of each. */
struct split {
    const int64_t *all, *frauds;
    size_t         all_from, all_to;
    size_t         from, to;
    double         all_weight, fraud_weight;
};

/* Where a part is best cut in two: at the value of a fraud, which is the first of its side. */
static double best_cut(const struct split *part, int64_t *cut)
{
    size_t all = part->all_from;
    double fraud_count = (double)(part->to - part->from) * part->fraud_weight;
    double all_count = (double)(part->all_to - part->all_from) * part->all_weight;
    double whole = fit_of(fraud_count, all_count);
    double best = 0;

    for (size_t i = part->from; i < part->to; i++) {
        double frauds = (double)(i - part->from) * part->fraud_weight;
        double passed;
        double gain;

        if (i > part->from && part->frauds[i] == part->frauds[i - 1])
            continue;
        while (all < part->all_to && part->all[all] < part->frauds[i])
            all++;
        passed = (double)(all - part->all_from) * part->all_weight;
        gain = fit_of(frauds, passed) + fit_of(fraud_count - frauds, all_count - passed) - whole;
        if (gain > best) {
            best = gain;
            *cut = part->frauds[i];
        }
    }
    return best;
}

/* Cuts where the share of frauds changes most, one after the other: an edge like an amount above
 * which there is nothing but fraud lies between quantiles. */
static size_t splits(const struct learn *learn, size_t f, size_t cuts, int64_t *out)
{
    struct split part = { .all = learn->all.values + f * SAMPLE_MAX,
                          .frauds = learn->frauds.values + f * SAMPLE_MAX,
                          .all_weight = (double)learn->all.stride,
                          .fraud_weight = (double)learn->frauds.stride };
    size_t       n = 0;

    for (; n < cuts; n++) {
        double  best = SPLIT_GAIN_MIN;
        int64_t found = 0;
        size_t  place;

        part.from = 0;
        part.all_from = 0;
        for (size_t i = 0; i <= n; i++) {
            int64_t cut = 0;
            double  gain;

            part.to =
                i < n ? count_below(part.frauds, learn->frauds.count, out[i]) : learn->frauds.count;
            part.all_to =
                i < n ? count_below(part.all, learn->all.count, out[i]) : learn->all.count;
            gain = best_cut(&part, &cut);
            found = gain > best ? cut : found;
            best = gain > best ? gain : best;
            part.from = part.to;
            part.all_from = part.all_to;
        }
        if (best <= SPLIT_GAIN_MIN)
            break;
        for (place = n; place > 0 && out[place - 1] > found; place--)
            out[place] = out[place - 1];
        out[place] = found;
    }
    return n;
}

static void find_cuts(struct learn *learn, size_t f)
{
    struct learn_feature *feature = &learn->table->features[f];
    int64_t               found[CUTS_OF_ALL + CUTS_OF_FRAUDS + CUTS_OF_SPLITS];
    int64_t              *all = learn->all.values + f * SAMPLE_MAX;
    size_t                n = quantiles(all, learn->all.count, CUTS_OF_ALL, found);

    n += quantiles(learn->frauds.values + f * SAMPLE_MAX, learn->frauds.count, CUTS_OF_FRAUDS,
                   found + n);
    n += splits(learn, f, CUTS_OF_SPLITS, found + n);
    qsort(found, n, sizeof found[0], by_value);
    feature->cut_count = 0;
    for (size_t i = 0; i < n; i++)
        if (found[i] > all[0] &&
            (feature->cut_count == 0 || found[i] > feature->cuts[feature->cut_count - 1]))
            feature->cuts[feature->cut_count++] = found[i];
}

static_assert((int)CUTS_OF_ALL + (int)CUTS_OF_FRAUDS + (int)CUTS_OF_SPLITS <= (int)LEARN_BINS_MAX,
              "the cuts fit");
static_assert((int)FEATURE_COUNT <= (int)LEARN_FEATURES_MAX, "every feature can be looked at");

static void choose_features(struct learn_table *table)
{
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        bool out = false;

        for (size_t j = 0; j < ARRAY_COUNT(left_out); j++)
            out = out || left_out[j] == (enum feature)i;
        if (!out)
            table->features[table->feature_count++].feature = (enum feature)i;
    }
}

/* From row by row to column by column. */
static enum err turn_rows(struct learn *learn)
{
    struct learn_table *table = learn->table;

    table->cells = malloc(table->row_count * table->feature_count + 1);
    if (table->cells == NULL)
        return ERR_memory;
    for (size_t r = 0; r < table->row_count; r++)
        for (size_t f = 0; f < table->feature_count; f++)
            table->cells[f * table->row_count + r] = learn->rows[r * table->feature_count + f];
    free(learn->rows);
    learn->rows = NULL;
    return ERR_none;
}

/* --- the card's text ------------------------------------------------------------------------- */

static int points_of(double log_odds)
{
    double points = log_odds * POINTS_FOR_DOUBLE_ODDS / log(2);

    return (int)lround(points > 999 ? 999 : points < -999 ? -999 : points);
}

/* Neighbours with equal points are one bin; a feature without points is left out. */
static enum err write_feature(struct buf *out, const struct learn_feature *feature, size_t *parts)
{
    int     points[LEARN_BINS_MAX + 1];
    int64_t cuts[LEARN_BINS_MAX];
    size_t  n = 1;

    points[0] = points_of(feature->values[0]);
    for (size_t i = 0; i < feature->cut_count; i++)
        if (points_of(feature->values[i + 1]) != points[n - 1]) {
            cuts[n - 1] = feature->cuts[i];
            points[n++] = points_of(feature->values[i + 1]);
        }
    if (n == 1)
        return ERR_none;
    TRY(buf_print(out, "\nfeature %s\n  cuts  ", feature_rows[feature->feature].name));
    for (size_t i = 0; i + 1 < n; i++)
        TRY(buf_print(out, " %" PRId64, cuts[i]));
    TRY(buf_print(out, "\n  points"));
    for (size_t i = 0; i < n; i++)
        TRY(buf_print(out, " %d", points[i]));
    (*parts)++;
    return buf_print(out, "\n");
}

/* The cuts between coarse bins. */
static size_t coarse_cuts(const struct learn_feature *feature, int64_t out[LEARN_COARSE])
{
    size_t n = 0;

    for (size_t i = 0; i < feature->cut_count; i++)
        if (learn_coarse(feature, i) != learn_coarse(feature, i + 1))
            out[n++] = feature->cuts[i];
    return n;
}

static enum err write_pair(struct buf *out, const struct learn_table *table,
                           const struct learn_pair *pair, size_t *pairs)
{
    const struct learn_feature *a = &table->features[pair->a];
    const struct learn_feature *b = &table->features[pair->b];
    int64_t                     cuts_a[LEARN_COARSE];
    int64_t                     cuts_b[LEARN_COARSE];
    size_t                      n_a = coarse_cuts(a, cuts_a);
    size_t                      n_b = coarse_cuts(b, cuts_b);
    bool                        any = false;

    for (size_t i = 0; i <= n_a; i++)
        for (size_t j = 0; j <= n_b; j++)
            any = any || points_of(pair->values[i * LEARN_COARSE + j]) != 0;
    if (!any)
        return ERR_none; /* it would say nothing */
    TRY(buf_print(out, "\npair %s %s\n  cuts  ", feature_rows[a->feature].name,
                  feature_rows[b->feature].name));
    for (size_t i = 0; i < n_a; i++)
        TRY(buf_print(out, " %" PRId64, cuts_a[i]));
    TRY(buf_print(out, "\n  across"));
    for (size_t i = 0; i < n_b; i++)
        TRY(buf_print(out, " %" PRId64, cuts_b[i]));
    TRY(buf_print(out, "\n  points"));
    for (size_t i = 0; i <= n_a; i++) {
        TRY(buf_print(out, i > 0 ? "\n        " : ""));
        for (size_t j = 0; j <= n_b; j++)
            TRY(buf_print(out, " %d", points_of(pair->values[i * LEARN_COARSE + j])));
    }
    (*pairs)++;
    return buf_print(out, "\n");
}

static enum err write_head(const struct learn *learn, const struct chain_head *head,
                           struct buf *out)
{
    const struct learn_result *result = learn->result;
    char                       from[TIME_TEXT_MAX];
    char                       to[TIME_TEXT_MAX];

    TRY(buf_print(out,
                  "# A scorecard that was learned from history: points for each bin of a feature, "
                  "and for\n# pairs. The first bin is below the first cut, the last begins at the "
                  "last cut. 50 points\n# double the odds of fraud; 500 stand for even odds.\n#\n"
                  "# payments  %s to %s\n",
                  learn->options->from_us == INT64_MIN ? "the first"
                                                       : time_text(learn->options->from_us, from),
                  learn->options->to_us == 0 ? "the last" : time_text(learn->options->to_us, to)));
    TRY(buf_print(out, "# findings  %" PRId64 ", of them frauds %" PRId64 "\n# ledger    ",
                  result->payments, result->frauds));
    for (size_t i = 0; i < sizeof head->hash; i++)
        TRY(buf_print(out, "%02x", head->hash[i]));
    return buf_print(out,
                     " at %" PRId64 "\n# loss      %.6f held out, %.6f by the base alone\n"
                     "card 1\nbase %d\n",
                     head->sequence, result->loss, result->loss_before,
                     POINTS_AT_EVEN_ODDS + points_of(learn->table->base));
}

static enum err write_card(struct learn *learn, struct buf *out, struct fault *fault)
{
    struct learn_table  *table = learn->table;
    struct store        *store = learn->options->replay.store;
    struct store_numbers numbers;

    learn->result->loss = table->loss;
    learn->result->loss_before = table->loss_before;
    TRY(store->ops->numbers(store, &numbers));
    TRY(write_head(learn, &numbers.head, out));
    for (size_t f = 0; f < table->feature_count; f++)
        TRY(write_feature(out, &table->features[f], &learn->result->parts));
    for (size_t p = 0; p < table->pair_count; p++)
        TRY(write_pair(out, table, &table->pairs[p], &learn->result->pairs));
    if (learn->result->parts + learn->result->pairs == 0)
        return fault_set(fault, ERR_dependency, NULL,
                         "No figure tells frauds from other payments here: nothing was learned");
    return buf_print(out, "\nend\n");
}

/* --- the run --------------------------------------------------------------------------------- */

static enum err read_history(struct learn *learn, struct fault *fault)
{
    struct replay_options replay = learn->options->replay;
    struct learn_table   *table = learn->table;
    size_t                room = SAMPLE_MAX * table->feature_count;

    learn->all = (struct sample){ .values = malloc(room * sizeof(int64_t)), .stride = 1 };
    learn->frauds = (struct sample){ .values = malloc(room * sizeof(int64_t)), .stride = 1 };
    if (learn->all.values == NULL || learn->frauds.values == NULL)
        return ERR_memory;
    replay.context = learn;
    replay.known_to_us = learn->options->known_to_us;
    replay.replaced_to_us = learn->options->to_us;
    TRY(replay_run(&replay, visit, fault));
    if (learn->result->payments < LEARN_PAYMENTS_MIN || learn->result->frauds < LEARN_FRAUDS_MIN ||
        learn->result->payments - learn->result->frauds < LEARN_FRAUDS_MIN)
        return fault_set(fault, ERR_dependency, NULL,
                         "Too few findings to learn from: %" PRId64 " payments have one, of them "
                         "frauds %" PRId64
                         "; at least %d are needed, and %d frauds and others each",
                         learn->result->payments, learn->result->frauds, (int)LEARN_PAYMENTS_MIN,
                         (int)LEARN_FRAUDS_MIN);
    for (size_t f = 0; f < table->feature_count; f++)
        find_cuts(learn, f);
    learn->cuts_known = true;
    TRY(replay_run(&replay, visit, fault));
    return turn_rows(learn);
}

enum err learn_run(const struct learn_options *options, struct buf *out,
                   struct learn_result *result, struct fault *fault)
{
    struct learn_table *table = calloc(1, sizeof *table);
    struct learn        learn = { .options = options, .table = table, .result = result };
    enum err            err = ERR_memory;

    memset(result, 0, sizeof *result);
    if (table == NULL)
        return err;
    choose_features(table);
    err = read_history(&learn, fault);
    if (err == ERR_none)
        err = learn_boost(table, options->pairs, options->replay.cancel);
    if (err == ERR_none)
        err = write_card(&learn, out, fault);
    free(learn.all.values);
    free(learn.frauds.values);
    free(learn.rows);
    free(table->cells);
    free(table->frauds);
    free(table->folds);
    free(table->weights);
    free(table);
    return err;
}
