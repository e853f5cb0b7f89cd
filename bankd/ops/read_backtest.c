/* rules.backtest: a candidate on stored history, from the snapshot that the request holds, by the
 * same computation as the command `bankd backtest`.
 *
 * The candidate lives for this request: it is parsed, judges, and is freed; nothing of the bank
 * changes. Memory beside the request's own is that of the replay and of the measures, bounded by
 * LIMIT_BACKTEST_*, and given back at the end. It is LONG work: it tells how far it is and can be
 * cancelled between any two payments. */
#include "bankd/learn/backtest.h"
#include "bankd/ops/page.h"
#include "bankd/ops/versions.h"
#include "common/check.h"
#include "common/money.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CARDS_DEFAULT = 100, CHANGES_DEFAULT = 50, KNOWN_DAYS = 14, MILLION = 1000000 };

static const char bare_rules[] = "version 1\n"
                                 "threshold alert 400\n"
                                 "threshold hold 600\n"
                                 "threshold decline 1000\n";

struct trial {
    struct request         *request;
    struct msg_backtest    *out;
    size_t                  change_limit;
    enum err                failed; /* of telling a change */
    struct backtest_result  result;
    struct backtest_options options;
};

/* --- the candidate --------------------------------------------------------------------------- */

/* The version that the candidate differs from: by hash, or the one in force. */
static enum err base_of(struct request *request, const struct msg_rules_backtest *in, int64_t *out)
{
    struct store_numbers numbers;
    struct rule_set      row;

    if (MSG_HAS(in, rules_backtest, hash)) {
        TRY(find_rule_version(request, in->hash, &row));
        *out = row.number;
        return ERR_none;
    }
    TRY(request->store->ops->numbers(request->store, &numbers));
    *out = numbers.rules_active;
    return ERR_none;
}

/* What judges, in words: a card that is given joins the rules that are not. */
static enum err describe(struct request *request, const struct msg_rules_backtest *in,
                         bool has_rules, bool has_card, struct slice *out)
{
    bool        given = MSG_HAS(in, rules_backtest, rules);
    const char *base = MSG_HAS(in, rules_backtest, hash) ? "stored rules" : "rules in force";
    const char *card = MSG_HAS(in, rules_backtest, scorecard) ? "the given scorecard"
                       : given                                ? "the scorecard beside them so far"
                                                              : "their scorecard";
    const char *with = "";
    char        text[LIMIT_REASON_MAX];

    if (MSG_HAS(in, rules_backtest, controls) && in->controls == BACKTEST_CONTROLS_THEN)
        with = ", with the lists and suppressions of each moment";
    if (MSG_HAS(in, rules_backtest, controls) && in->controls == BACKTEST_CONTROLS_NOW)
        with = ", with the lists and suppressions of now";
    if (given)
        base = has_rules ? "the given rules" : "thresholds without rules";
    if (has_card)
        snprintf(text, sizeof text, "%s and %s%s", base, card, with);
    else
        snprintf(text, sizeof text, "%s alone%s", base, with);
    return page_keep(request, slice_from(text), out);
}

/* The texts that the request does not give are the version's. */
static enum err parse(struct request *request, const struct msg_rules_backtest *in,
                      struct fraud_rules **out, struct slice *candidate)
{
    struct bank_texts texts = { .rules_name = "rules",
                                .card_name = "scorecard",
                                .rules_stored = !MSG_HAS(in, rules_backtest, rules),
                                .card_stored = !MSG_HAS(in, rules_backtest, scorecard) };
    int64_t           base = 0;

    TRY(base_of(request, in, &base));
    TRY(read_rule_texts(request, base, &texts.rules, &texts.card));
    if (!texts.rules_stored)
        texts.rules = in->rules;
    if (!texts.card_stored)
        texts.card = in->scorecard;
    TRY(describe(request, in, texts.rules.n > 0, texts.card.n > 0, candidate));
    if (texts.rules.n == 0)
        texts.rules = slice_from(bare_rules);
    return bank_rules_parse(&texts, out, request->fault);
}

/* --- the reply ------------------------------------------------------------------------------- */

static struct slice code_of(uint16_t number)
{
    const struct currency *currency = currency_by_number(number);

    return slice_from(currency != NULL ? currency->code : "???");
}

static enum err add_change(struct trial *trial, const struct backtest_change *change)
{
    const struct transaction   *row = change->event->row;
    const struct label         *label = change->event->label;
    struct msg_backtest_change *item = &trial->out->changes.at[trial->out->changes.count];
    struct slice                text;

    MSG_SET(item, backtest_change, transaction_id, row->transaction_id);
    MSG_SET(item, backtest_change, account_id, change->event->account->account_id);
    MSG_SET(item, backtest_change, timestamp, row->at_us);
    MSG_SET(item, backtest_change, amount, row->amount);
    MSG_SET(item, backtest_change, currency, code_of(row->currency));
    MSG_SET(item, backtest_change, gained, change->gained);
    MSG_SET(item, backtest_change, score_then, row->score);
    MSG_SET(item, backtest_change, score, change->score);
    if (label != NULL)
        MSG_SET(item, backtest_change, fraud, label->fraud);
    if (row->external_id[0] != '\0') {
        TRY(page_keep(trial->request, slice_from(row->external_id), &text));
        MSG_SET(item, backtest_change, external_id, text);
    }
    trial->out->changes.count++;
    return ERR_none;
}

static void take_change(void *context, const struct backtest_change *change)
{
    struct trial *trial = context;

    if (trial->failed == ERR_none && trial->out->changes.count < trial->change_limit)
        trial->failed = add_change(trial, change);
}

static enum err set_line(struct trial *trial, const struct backtest_line *line,
                         struct msg_backtest_line *out)
{
    const struct backtest_result *result = &trial->result;
    void                         *memory = NULL;

    MSG_SET(out, backtest_line, name, slice_from(line->name));
    MSG_SET(out, backtest_line, count, line->sum->count);
    if (result->currency_count == 0)
        return ERR_none;
    TRY(page_take(trial->request, result->currency_count * sizeof(struct msg_backtest_money),
                  &memory));
    out->money.at = memory;
    out->money.count = result->currency_count;
    for (size_t i = 0; i < result->currency_count; i++) {
        MSG_SET(&out->money.at[i], backtest_money, currency, code_of(result->currencies[i]));
        MSG_SET(&out->money.at[i], backtest_money, amount, line->sum->money[i]);
    }
    return ERR_none;
}

static enum err set_lines(struct trial *trial)
{
    struct backtest_line lines[BACKTEST_LINES];
    struct msg_backtest *out = trial->out;
    void                *memory = NULL;

    backtest_lines(&trial->result, lines);
    TRY(page_take(trial->request, sizeof(struct msg_backtest_line) * BACKTEST_LINES, &memory));
    out->lines.at = memory;
    out->lines.count = BACKTEST_LINES;
    for (size_t i = 0; i < BACKTEST_LINES; i++)
        TRY(set_line(trial, &lines[i], &out->lines.at[i]));
    return ERR_none;
}

static int64_t millionths(double share)
{
    return (int64_t)llround(share * MILLION);
}

static enum err set_figures(struct trial *trial, int64_t past_us)
{
    const struct backtest_result *result = &trial->result;
    const struct measures        *measures = &result->measures;
    struct msg_backtest          *out = trial->out;

    MSG_SET(out, backtest, read, result->read);
    MSG_SET(out, backtest, judged, result->judged);
    MSG_SET(out, backtest, labelled, result->labelled);
    MSG_SET(out, backtest, days, result->days);
    MSG_SET(out, backtest, alerts_per_day_x100,
            ratio_scaled(result->alerts.count, result->days, 100));
    if (result->alerts_found > 0)
        MSG_SET(out, backtest, precision_bp,
                ratio_basis_points(result->caught.count, result->alerts_found));
    MSG_SET(out, backtest, measured, measures->events);
    MSG_SET(out, backtest, measured_frauds, measures->frauds);
    if (measures->has_order) {
        MSG_SET(out, backtest, auc_roc_ppm, millionths(measures->auc));
        MSG_SET(out, backtest, average_precision_ppm, millionths(measures->average_precision));
    }
    MSG_SET(out, backtest, cards, (int64_t)trial->options.cards);
    if (measures->has_cards)
        MSG_SET(out, backtest, card_precision_ppm, millionths(measures->card_precision));
    MSG_SET(out, backtest, payments_per_second, ratio_scaled(result->read, past_us, US_PER_SECOND));
    MSG_SET(out, backtest, changes_total, result->gained.count + result->lost.count);
    return set_lines(trial);
}

/* --- the operation --------------------------------------------------------------------------- */

static enum err set_options(struct trial *trial, const struct msg_rules_backtest *in)
{
    struct request          *request = trial->request;
    struct backtest_options *options = &trial->options;

    TRY(page_times(request, MSG_HAS(in, rules_backtest, from), in->from,
                   MSG_HAS(in, rules_backtest, to), in->to, &options->from_us, &options->to_us));
    options->known_from_us = INT64_MIN;
    if (!MSG_HAS(in, rules_backtest, from))
        options->from_us = INT64_MIN;
    else if (!money_sub(in->from, KNOWN_DAYS * US_PER_DAY, &options->known_from_us))
        options->known_from_us = INT64_MIN;
    if (MSG_HAS(in, rules_backtest, known_from))
        options->known_from_us = in->known_from;
    if (MSG_HAS(in, rules_backtest, controls))
        options->controls = in->controls;
    options->controls_at_us = request->now_us;
    options->cards = MSG_HAS(in, rules_backtest, cards) ? (size_t)in->cards : CARDS_DEFAULT;
    options->measured_max = LIMIT_BACKTEST_FINDINGS_MAX;
    options->changed = take_change;
    options->changed_context = trial;
    options->replay = (struct replay_options){ .store = request->store,
                                               .entities_max = LIMIT_BACKTEST_ENTITIES_MAX,
                                               .findings_max = LIMIT_BACKTEST_FINDINGS_MAX,
                                               .in_snapshot = true,
                                               .cancel = request->cancel,
                                               .progress = request->tell,
                                               .progress_context = request->tell_context };
    return ERR_none;
}

static enum err run(struct trial *trial, const struct msg_rules_backtest *in)
{
    struct clock       *clock = clock_system();
    struct fraud_rules *rules = NULL;
    struct slice        candidate;
    int64_t             started_us = clock->monotonic_us(clock);
    enum err            err = parse(trial->request, in, &rules, &candidate);

    trial->options.rules = rules;
    if (err == ERR_none)
        err = backtest_run(&trial->options, &trial->result, trial->request->fault);
    fraud_rules_free(&rules);
    TRY(err);
    TRY(trial->failed);
    MSG_SET(trial->out, backtest, candidate, candidate);
    return set_figures(trial, clock->monotonic_us(clock) - started_us);
}

enum err op_rules_backtest(struct request *request, const struct msg_rules_backtest *in,
                           struct msg_backtest *out)
{
    void         *trial_memory = NULL;
    void         *memory = NULL;
    struct trial *trial;

    TRY(page_take(request, sizeof *trial, &trial_memory));
    trial = trial_memory;
    trial->request = request;
    trial->out = out;
    trial->change_limit = MSG_HAS(in, rules_backtest, limit) ? (size_t)in->limit : CHANGES_DEFAULT;
    TRY(page_take(request, trial->change_limit * sizeof(struct msg_backtest_change), &memory));
    out->changes.at = memory;
    TRY(set_options(trial, in));
    return run(trial, in);
}
