/* rules.scoreboard: what each rule and each part of the scorecard did in a period. Which rules
 * fired and what the card gave is recalled from the stored decisions, each by the rule set that
 * made it; how it ended comes from the findings. A part fires where it adds points: to a payment
 * from which it takes points, or that it leaves as it is, it has nothing to say. What the verdict
 * asked for is not what was done: a payment that was brought in as history has run its course,
 * whatever the rules say of it, so it was not stopped and no money of it saved.
 *
 * One walk over the period's payments, in pieces: while the store shows rows nothing else is read
 * from it, so a piece ends when its list of payments that rules fired on is full, or when the next
 * payment was judged by another rule set; then findings are looked up and rules changed. The walk
 * is bounded by the time of a question and can be cancelled.
 *
 * The advice follows these rules, the first that holds (decided = payments with a finding):
 *   not in force any more                                    retire
 *   takes points off                                         keep
 *   has not fired on at least 1,000 payments                 retire; keep when it asks for a list,
 *                                                            on which nobody may be, or is of high
 *                                                            severity: there for a rare case
 *   at least 20 decided and none of them fraud               retire
 *   fired at least 20 times, another rule fires in 90 % of
 *   them, it in half of the other's, and it caught no fraud
 *   alone                                                    merge
 *   at least 20 decided and less than 10 % of them fraud     tighten
 *   else                                                     keep */
#include "bankd/ops/figures.h"
#include "bankd/ops/page.h"
#include "common/check.h"
#include "common/money.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECE_MAX = 1024,  /* payments whose findings are looked up together */
    TOGETHER_MAX = 24, /* rules of one payment that count as firing together */
    ENOUGH_PAYMENTS = 1000,
    ENOUGH = 20,
    OVERLAP_LARGE_BP = 9000,
    OVERLAP_BACK_BP = 5000,
    PRECISION_SMALL_BP = 1000,
    MILLION = 1000000,
    NOBODY = -1,
};

struct line {
    char    name[LIMIT_PART_NAME_MAX + 1];
    char    action[16];
    char    severity[16];
    bool    in_force;
    bool    asks_lists; /* that people keep */
    int64_t fired, alerted, stopped, confirmed, false_positive, unique, saved;
    int64_t points;
    int64_t half[2]; /* fired in each half of the period */
};

/* A payment on which rules fired, until its finding is known. */
struct hit {
    int64_t  sequence;
    int64_t  amount;
    bool     counts_money;
    bool     alert;
    bool     stopped;   /* held or declined when it came */
    bool     kept_back; /* its money has not gone: held, rejected or declined */
    uint8_t  half;
    uint8_t  count;
    int16_t  alone; /* the only rule that speaks against it; NOBODY when there are more or none */
    uint8_t  lines[TOGETHER_MAX];
    uint8_t  part_count;
    uint8_t  parts[FRAUD_PARTS_MAX]; /* lines of the parts that added points */
    uint64_t needed; /* those of them without whose points it would be no alert, by place */
};

struct board {
    struct request           *request;
    struct figures_period     period;
    int64_t                   middle_us;
    int64_t                   payments[2], alerts; /* payments of each half */
    size_t                    line_count;
    struct line               lines[LIMIT_SCOREBOARD_RULES_MAX];
    uint32_t                  together[LIMIT_SCOREBOARD_RULES_MAX][LIMIT_SCOREBOARD_RULES_MAX];
    int64_t                   rule_set; /* whose rules these are */
    const struct fraud_rules *rules;
    int16_t                   place[LIMIT_RULES_MAX]; /* line of each of its rules */
    size_t                    part_count;
    struct line               parts[LIMIT_SCOREBOARD_PARTS_MAX];
    int16_t                   part_place[FRAUD_PARTS_MAX]; /* of each part of its card */
    int16_t                   part_points[FRAUD_PARTS_MAX];
    int64_t                   next; /* the row that the walk stopped at; 0 = none */
    enum err                  failed;
    size_t                    hit_count;
    struct hit                hits[PIECE_MAX];
    struct fraud_recall       recall;
};

static_assert(LIMIT_SCOREBOARD_RULES_MAX <= UINT8_MAX, "a line's place fits a byte");
static_assert((int)LIMIT_SCOREBOARD_RULES_MAX > (int)LIMIT_RULES_MAX, "one rule set fits");
static_assert((int)LIMIT_SCOREBOARD_PARTS_MAX > (int)FRAUD_PARTS_MAX, "one card fits");
static_assert((int)FRAUD_PARTS_MAX <= 64, "parts fit the bits of a word");

/* --- rules by name --------------------------------------------------------------------------- */

static int16_t line_of(struct board *board, const struct fraud_rule_view *view)
{
    struct line *line;

    for (size_t i = 0; i < board->line_count; i++)
        if (strcmp(board->lines[i].name, view->name) == 0)
            return (int16_t)i;
    if (board->line_count == LIMIT_SCOREBOARD_RULES_MAX)
        return NOBODY;
    line = &board->lines[board->line_count];
    snprintf(line->name, sizeof line->name, "%s", view->name);
    snprintf(line->action, sizeof line->action, "%s", view->action);
    snprintf(line->severity, sizeof line->severity, "%s", view->severity);
    return (int16_t)board->line_count++;
}

static int16_t part_line_of(struct board *board, const struct fraud_part_view *view)
{
    char         name[LIMIT_PART_NAME_MAX + 1];
    struct line *line;

    if (view->pair)
        snprintf(name, sizeof name, "%s + %s", view->axes[0].name, view->axes[1].name);
    else
        snprintf(name, sizeof name, "%s", view->axes[0].name);
    for (size_t i = 0; i < board->part_count; i++)
        if (strcmp(board->parts[i].name, name) == 0)
            return (int16_t)i;
    if (board->part_count == LIMIT_SCOREBOARD_PARTS_MAX)
        return NOBODY;
    line = &board->parts[board->part_count];
    memcpy(line->name, name, sizeof line->name);
    snprintf(line->action, sizeof line->action, "score");
    return (int16_t)board->part_count++;
}

static enum err use_rules(struct board *board, int64_t rule_set)
{
    struct request        *request = board->request;
    struct fraud_rule_view view;
    struct fraud_part_view part;

    if (board->rules != NULL)
        bank_rules_release(request->bank, board->rules);
    board->rules = NULL;
    TRY(bank_rules(request->bank, request->store, rule_set, &board->rules));
    board->rule_set = rule_set;
    for (size_t i = 0; i < LIMIT_RULES_MAX; i++)
        board->place[i] = fraud_rules_view(board->rules, i, &view) ? line_of(board, &view) : NOBODY;
    for (size_t i = 0; i < FRAUD_PARTS_MAX; i++)
        board->part_place[i] =
            fraud_rules_part(board->rules, i, &part) ? part_line_of(board, &part) : NOBODY;
    return ERR_none;
}

/* The rules in force come first, so that those that never fired are there too. */
static enum err take_rules_in_force(struct board *board)
{
    struct store_numbers numbers;

    TRY(board->request->store->ops->numbers(board->request->store, &numbers));
    if (numbers.rules_active == 0)
        return ERR_none;
    TRY(use_rules(board, numbers.rules_active));
    for (size_t i = 0; i < board->line_count; i++)
        board->lines[i].in_force = true;
    for (size_t i = 0; i < board->part_count; i++)
        board->parts[i].in_force = true;
    for (size_t i = 0; i < LIMIT_RULES_MAX; i++)
        if (board->place[i] != NOBODY)
            board->lines[board->place[i]].asks_lists = fraud_rules_asks_lists(board->rules, i);
    return ERR_none;
}

/* --- one payment ----------------------------------------------------------------------------- */

static bool speaks_against(const struct line *line, const struct fraud_fired *fired)
{
    return fired->points > 0 || (fired->effect == FRAUD_COUNTED && fired->points == 0 &&
                                 strcmp(line->action, "score") != 0);
}

/* A part is needed when without its points the payment would be no alert. */
static void note_parts(struct board *board, const struct transaction *row, struct hit *hit)
{
    const struct fraud_recall *recall = &board->recall;
    size_t                     count =
        fraud_recall_parts(board->rules, row->decision, row->decision_size, board->part_points);

    for (size_t i = 0; i < count; i++) {
        int16_t points = board->part_points[i];
        int16_t place = board->part_place[i];

        if (points <= 0 || place == NOBODY)
            continue;
        if (recall->alert && !recall->forced && recall->sum - points < recall->alert_at)
            hit->needed |= UINT64_C(1) << hit->part_count;
        hit->parts[hit->part_count++] = (uint8_t)place;
        board->parts[place].points += points;
    }
}

static void note_hit(struct board *board, const struct transaction *row, uint8_t half)
{
    const struct fraud_recall *recall = &board->recall;
    struct hit                *hit = &board->hits[board->hit_count];
    size_t                     against = 0;

    *hit =
        (struct hit){ .sequence = row->sequence,
                      .amount = row->amount,
                      .counts_money = row->currency == board->period.currency,
                      .alert = recall->alert,
                      .stopped = row->initial_status != STATUS_COMPLETED,
                      .kept_back = row->status == STATUS_HELD || row->status == STATUS_REJECTED ||
                                   row->status == STATUS_DECLINED,
                      .half = half,
                      .alone = NOBODY };
    for (size_t i = 0; i < recall->count; i++) {
        const struct fraud_fired *fired = &recall->fired[i];
        int16_t                   place = board->place[fired->rule];

        if (place == NOBODY || hit->count == TOGETHER_MAX)
            continue;
        hit->lines[hit->count++] = (uint8_t)place;
        board->lines[place].points += fired->points;
        if (speaks_against(&board->lines[place], fired))
            hit->alone = against++ == 0 ? place : NOBODY;
    }
    note_parts(board, row, hit);
    if (hit->count > 0 || hit->part_count > 0)
        board->hit_count++;
}

static bool see_row(void *context, const void *visited)
{
    struct board             *board = context;
    const struct transaction *row = visited;
    uint8_t                   half = row->at_us < board->middle_us ? 0 : 1;

    if (row->rule_set == 0)
        return true;
    if (row->rule_set != board->rule_set || board->hit_count == PIECE_MAX) {
        board->next = row->sequence;
        return false;
    }
    if (!fraud_recall(board->rules, row->decision, row->decision_size, &board->recall)) {
        board->failed = ERR_books_broken;
        return false;
    }
    board->payments[half]++;
    board->alerts += board->recall.alert ? 1 : 0;
    if (board->recall.count > 0 || fraud_rules_parts(board->rules) > 0)
        note_hit(board, row, half);
    return true;
}

/* --- how it ended ---------------------------------------------------------------------------- */

static void count_line(struct line *line, const struct hit *hit, const struct label *label)
{
    bool fraud = label != NULL && label->fraud;

    line->fired++;
    line->half[hit->half]++;
    line->alerted += hit->alert ? 1 : 0;
    line->stopped += hit->stopped ? 1 : 0;
    line->confirmed += fraud ? 1 : 0;
    line->false_positive += label != NULL && !fraud ? 1 : 0;
    if (fraud && hit->kept_back && hit->stopped && hit->counts_money &&
        !money_add(line->saved, hit->amount, &line->saved))
        line->saved = INT64_MAX;
}

static void count_hit(struct board *board, const struct hit *hit, const struct label *label)
{
    for (size_t i = 0; i < hit->count; i++) {
        count_line(&board->lines[hit->lines[i]], hit, label);
        for (size_t j = 0; j < hit->count; j++)
            board->together[hit->lines[i]][hit->lines[j]]++;
    }
    for (size_t i = 0; i < hit->part_count; i++) {
        struct line *line = &board->parts[hit->parts[i]];

        count_line(line, hit, label);
        if ((hit->needed >> i & 1) != 0 && label != NULL && label->fraud)
            line->unique++;
    }
    if (hit->alone != NOBODY && label != NULL && label->fraud)
        board->lines[hit->alone].unique++;
}

static enum err count_hits(struct board *board)
{
    struct store *store = board->request->store;

    for (size_t i = 0; i < board->hit_count; i++) {
        const struct hit *hit = &board->hits[i];
        struct label      label;
        enum err          err = store->ops->label_by_transaction(store, hit->sequence, &label);

        if (err != ERR_none && err != ERR_not_found)
            return err;
        count_hit(board, hit, err == ERR_none && !label.withdrawn ? &label : NULL);
    }
    board->hit_count = 0;
    return ERR_none;
}

static enum err walk(struct board *board)
{
    struct request           *request = board->request;
    struct transaction_filter filter = { .ascending = true,
                                         .from_us = board->period.from_us,
                                         .to_us = board->period.to_us,
                                         .cancel = request->cancel };
    struct transaction        first;
    int64_t                   stopped_at;

    if (board->period.one_currency)
        filter.currency = board->period.currency;
    do {
        board->next = 0;
        TRY(request->store->ops->transactions(request->store, &filter, see_row, board,
                                              &stopped_at));
        TRY(board->failed);
        TRY(page_check_cancel(request));
        TRY(count_hits(board));
        filter.from_sequence = board->next;
        if (board->next == 0)
            return ERR_none;
        TRY(request->store->ops->transaction_by_sequence(request->store, board->next, &first));
        if (first.rule_set != board->rule_set)
            TRY(use_rules(board, first.rule_set));
    } while (true);
}

/* --- the advice ------------------------------------------------------------------------------ */

/* The line that most often fires with it; the first of equals. */
static int most_with(const struct board *board, size_t line)
{
    int most = NOBODY;

    for (size_t i = 0; i < board->line_count; i++)
        if (i != line && board->together[line][i] > 0 &&
            (most == NOBODY || board->together[line][i] > board->together[line][most]))
            most = (int)i;
    return most;
}

/* Whether another rule says nearly the same; one that only sharpens a wider rule does not. */
static bool says_the_same(const struct board *board, size_t place, int with)
{
    const struct line *line = &board->lines[place];
    int64_t            together = with != NOBODY ? board->together[place][with] : 0;

    return line->fired >= ENOUGH && line->unique == 0 && with != NOBODY &&
           ratio_basis_points(together, line->fired) >= OVERLAP_LARGE_BP &&
           ratio_basis_points(together, board->lines[with].fired) >= OVERLAP_BACK_BP;
}

struct advice {
    int32_t word; /* enum rule_advice */
    char    text[LIMIT_REASON_MAX + 1];
};

static void advise(const struct board *board, size_t place, struct advice *out)
{
    const struct line *line = &board->lines[place];
    int64_t            payments = board->payments[0] + board->payments[1];
    int64_t            decided = line->confirmed + line->false_positive;
    int64_t            precision = ratio_basis_points(line->confirmed, decided);
    int                with = most_with(board, place);
    int64_t            overlap =
        with != NOBODY ? ratio_basis_points(board->together[place][with], line->fired) : 0;

    out->word = ADVICE_KEEP;
    if (!line->in_force) {
        out->word = ADVICE_RETIRE;
        snprintf(out->text, sizeof out->text, "It is not among the rules in force any more");
    } else if (line->points < 0) {
        snprintf(out->text, sizeof out->text, "It takes points off, %" PRId64 " times",
                 line->fired);
    } else if (line->fired == 0 && payments >= ENOUGH_PAYMENTS) {
        bool is_guard = strcmp(line->severity, "high") == 0;

        out->word = is_guard || line->asks_lists ? ADVICE_KEEP : ADVICE_RETIRE;
        snprintf(out->text, sizeof out->text, "It has not fired on any of %" PRId64 " payments%s",
                 payments,
                 line->asks_lists ? "; it waits for somebody to be put on a list"
                 : is_guard       ? "; of high severity, it may be there for a rare case"
                                  : "");
    } else if (decided >= ENOUGH && line->confirmed == 0) {
        out->word = ADVICE_RETIRE;
        snprintf(out->text, sizeof out->text,
                 "None of its %" PRId64 " payments with a finding was fraud", decided);
    } else if (says_the_same(board, place, with)) {
        out->word = ADVICE_MERGE;
        snprintf(out->text, sizeof out->text,
                 "In %" PRId64 ".%02" PRId64 " %% of its payments %s fires too, and it caught no "
                 "fraud alone",
                 overlap / 100, overlap % 100, board->lines[with].name);
    } else if (decided >= ENOUGH && precision < PRECISION_SMALL_BP) {
        out->word = ADVICE_TIGHTEN;
        snprintf(out->text, sizeof out->text,
                 "Only %" PRId64 ".%02" PRId64 " %% of its payments with a finding were fraud",
                 precision / 100, precision % 100);
    } else if (decided < ENOUGH) {
        snprintf(out->text, sizeof out->text,
                 "Too few of its payments have a finding to judge it: %" PRId64, decided);
    } else {
        snprintf(out->text, sizeof out->text,
                 "%" PRId64 ".%02" PRId64 " %% of its payments with a finding were fraud",
                 precision / 100, precision % 100);
    }
}

/* A part's points come from learning; what is to do with a bad one is to learn anew. */
static void advise_part(const struct board *board, const struct line *line, struct advice *out)
{
    int64_t payments = board->payments[0] + board->payments[1];
    int64_t decided = line->confirmed + line->false_positive;
    int64_t precision = ratio_basis_points(line->confirmed, decided);

    out->word = ADVICE_KEEP;
    if (!line->in_force) {
        out->word = ADVICE_RETIRE;
        snprintf(out->text, sizeof out->text, "It is not in the scorecard in force any more");
    } else if (line->fired == 0 && payments >= ENOUGH_PAYMENTS) {
        out->word = ADVICE_RETIRE;
        snprintf(out->text, sizeof out->text, "It has added points to none of %" PRId64 " payments",
                 payments);
    } else if (decided >= ENOUGH && line->confirmed == 0) {
        out->word = ADVICE_TIGHTEN;
        snprintf(out->text, sizeof out->text,
                 "None of the %" PRId64 " payments with a finding that it added to was fraud; "
                 "learn anew",
                 decided);
    } else if (decided < ENOUGH) {
        snprintf(out->text, sizeof out->text,
                 "Too few of its payments have a finding to judge it: %" PRId64, decided);
    } else {
        snprintf(out->text, sizeof out->text,
                 "%" PRId64 ".%02" PRId64 " %% of its payments with a finding were fraud",
                 precision / 100, precision % 100);
    }
}

/* --- the reply ------------------------------------------------------------------------------- */

static void set_rates(const struct board *board, const struct line *line,
                      struct msg_rule_score *out)
{
    int64_t first = ratio_scaled(line->half[0], board->payments[0], MILLION);
    int64_t second = ratio_scaled(line->half[1], board->payments[1], MILLION);

    MSG_SET(out, rule_score, rate_first_ppm, first);
    MSG_SET(out, rule_score, rate_second_ppm, second);
    if (board->payments[1] > 0 && first > 0)
        MSG_SET(out, rule_score, drift_bp, ratio_basis_points(second - first, first));
}

static void set_counts(const struct line *line, struct msg_rule_score *out)
{
    int64_t decided = line->confirmed + line->false_positive;

    MSG_SET(out, rule_score, in_force, line->in_force);
    MSG_SET(out, rule_score, fired, line->fired);
    MSG_SET(out, rule_score, points_mean, line->fired > 0 ? line->points / line->fired : 0);
    MSG_SET(out, rule_score, alerted, line->alerted);
    MSG_SET(out, rule_score, stopped, line->stopped);
    MSG_SET(out, rule_score, confirmed, line->confirmed);
    MSG_SET(out, rule_score, false_positive, line->false_positive);
    MSG_SET(out, rule_score, undecided, line->fired - decided);
    if (decided > 0)
        MSG_SET(out, rule_score, precision_bp, ratio_basis_points(line->confirmed, decided));
    MSG_SET(out, rule_score, saved, line->saved);
    MSG_SET(out, rule_score, unique_catches, line->unique);
}

static enum err set_names(const struct board *board, const struct line *line, int32_t kind,
                          struct msg_rule_score *out)
{
    struct request *request = board->request;
    struct slice    text;

    MSG_SET(out, rule_score, kind, kind);
    TRY(page_keep(request, slice_from(line->name), &text));
    MSG_SET(out, rule_score, rule, text);
    TRY(page_keep(request, slice_from(line->action), &text));
    MSG_SET(out, rule_score, action, text);
    TRY(page_keep(request, slice_from(line->severity), &text));
    MSG_SET(out, rule_score, severity, text);
    set_counts(line, out);
    set_rates(board, line, out);
    return ERR_none;
}

static enum err set_advice(struct request *request, const struct advice *advice,
                           struct msg_rule_score *out)
{
    struct slice text;

    MSG_SET(out, rule_score, advice, advice->word);
    TRY(page_keep(request, slice_from(advice->text), &text));
    MSG_SET(out, rule_score, advice_text, text);
    return ERR_none;
}

static enum err set_line(const struct board *board, size_t place, struct msg_rule_score *out)
{
    struct request    *request = board->request;
    const struct line *line = &board->lines[place];
    int                with = most_with(board, place);
    struct advice      advice;
    struct slice       text;

    TRY(set_names(board, line, SCORE_RULE, out));
    if (with != NOBODY) {
        TRY(page_keep(request, slice_from(board->lines[with].name), &text));
        MSG_SET(out, rule_score, overlap_rule, text);
        MSG_SET(out, rule_score, overlap_bp,
                ratio_basis_points(board->together[place][with], line->fired));
    }
    advise(board, place, &advice);
    return set_advice(request, &advice, out);
}

static enum err set_part(const struct board *board, const struct line *line,
                         struct msg_rule_score *out)
{
    struct advice advice;

    TRY(set_names(board, line, SCORE_PART, out));
    advise_part(board, line, &advice);
    return set_advice(board->request, &advice, out);
}

static int by_worth(const void *a, const void *b)
{
    const struct msg_rule_score *left = a;
    const struct msg_rule_score *right = b;
    char                         names[2][LIMIT_PART_NAME_MAX + 1];

    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    if (left->confirmed != right->confirmed)
        return left->confirmed > right->confirmed ? -1 : 1;
    if (left->fired != right->fired)
        return left->fired > right->fired ? -1 : 1;
    /* The longest name fits, and no two of a kind are equal. */
    return strcmp(slice_copy(left->rule, names[0], sizeof names[0]),
                  slice_copy(right->rule, names[1], sizeof names[1]));
}

static enum err set_reply(const struct board *board, struct msg_scoreboard *out)
{
    void *memory = NULL;

    MSG_SET(out, scoreboard, from, board->period.from_us);
    MSG_SET(out, scoreboard, to, board->period.to_us);
    MSG_SET(out, scoreboard, currency, figures_code(board->period.currency));
    MSG_SET(out, scoreboard, payments, board->payments[0] + board->payments[1]);
    MSG_SET(out, scoreboard, alerts, board->alerts);
    TRY(page_take(board->request,
                  (board->line_count + board->part_count + 1) * sizeof(struct msg_rule_score),
                  &memory));
    out->items.at = memory;
    out->items.count = board->line_count + board->part_count;
    for (size_t i = 0; i < board->line_count; i++)
        TRY(set_line(board, i, &out->items.at[i]));
    for (size_t i = 0; i < board->part_count; i++)
        TRY(set_part(board, &board->parts[i], &out->items.at[board->line_count + i]));
    if (out->items.count > 0)
        qsort(out->items.at, out->items.count, sizeof out->items.at[0], by_worth);
    return ERR_none;
}

enum err op_rules_scoreboard(struct request *request, const struct msg_period_query *in,
                             struct msg_scoreboard *out)
{
    struct figures_asked asked = FIGURES_ASKED(in, period_query);
    void                *memory = NULL;
    struct board        *board;
    enum err             err;

    TRY(page_take(request, sizeof *board, &memory));
    board = memory;
    board->request = request;
    TRY(figures_period(request, &asked, 0, &board->period));
    board->middle_us = board->period.from_us + (board->period.to_us - board->period.from_us) / 2;
    err = take_rules_in_force(board);
    if (err == ERR_none && board->rules != NULL)
        err = walk(board);
    if (board->rules != NULL)
        bank_rules_release(request->bank, board->rules);
    TRY(err);
    return set_reply(board, out);
}
