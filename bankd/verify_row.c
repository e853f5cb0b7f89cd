/* One transaction within the pass: is it what its accounts, its party, the rule set and the audit
 * log say, and what does it add to figures and profiles.
 *
 * Figures are counted here from the descriptions in model.h and not by the writer's code. */
#include "bankd/verify_impl.h"

#include "bankd/alert.h"
#include "bankd/profile.h"
#include "common/money.h"

#include <inttypes.h>
#include <string.h>

/* --- figures ---------------------------------------------------------------------------------- */

bool verify_count(struct verify *verify, uint8_t scale, int64_t bucket, uint16_t currency,
                  uint16_t metric, int64_t count, int64_t amount)
{
    struct rollup_key place = {
        .scale = scale, .currency = currency, .metric = metric, .bucket = (int32_t)bucket
    };
    int64_t             key = (int64_t)((uint64_t)scale << 56 | (uint64_t)metric << 48 |
                            (uint64_t)currency << 32 | (uint32_t)place.bucket);
    struct verify_cell *cell = verify_map_make(&verify->cells, key);

    if (cell == NULL)
        return false;
    cell->place = place;
    cell->count += count;
    if (!money_add(cell->amount, amount, &cell->amount))
        verify_problem(verify, VERIFY_FIGURES, "figure %u of day or hour %" PRId64 " does not fit",
                       (unsigned)metric, bucket);
    return true;
}

static int64_t floor_hour(int64_t at_us)
{
    return at_us / US_PER_HOUR - (at_us % US_PER_HOUR < 0 ? 1 : 0);
}

static bool count_at(struct verify *verify, const struct transaction *row, uint16_t metric)
{
    return verify_count(verify, ROLLUP_DAY, time_day(row->at_us), row->currency, metric, 1,
                        row->amount) &&
           verify_count(verify, ROLLUP_HOUR, floor_hour(row->at_us), row->currency, metric, 1,
                        row->amount);
}

static bool is_customer(const struct verify *verify, int64_t number)
{
    return number > 0 && (size_t)number < verify->account_count &&
           verify->accounts[number].stored.kind == ACCOUNT_CUSTOMER;
}

enum err verify_row_figures(struct verify *verify, const struct transaction *row, bool raised)
{
    bool from_customer = is_customer(verify, row->debit);
    bool to_customer = is_customer(verify, row->credit);
    bool booked = row->status == STATUS_COMPLETED || row->status == STATUS_REVERSED;
    bool arrived = row->initial_status != STATUS_DECLINED;
    bool ok = count_at(verify, row, metric_of_transaction(row->type, row->status));

    if (booked && to_customer && !from_customer)
        ok = ok && count_at(verify, row, METRIC_INTO);
    if (booked && from_customer && !to_customer)
        ok = ok && count_at(verify, row, METRIC_OUT_OF);
    if (row->rule_set != 0)
        ok = ok && count_at(verify, row, metric_of_score(row->score));
    if (arrived && row->amount >= bank_high_value(verify->bank, row->currency))
        ok = ok && count_at(verify, row, METRIC_HIGH_VALUE);
    if (arrived && row->amount >= bank_large(verify->bank, row->currency))
        ok = ok && count_at(verify, row, METRIC_LARGE);
    if (raised)
        ok = ok && count_at(verify, row, METRIC_ALERTS);
    if (row->flagged)
        ok = ok && count_at(verify, row, METRIC_FLAGGED) &&
             verify_count(verify, ROLLUP_ALL, 0, row->currency, METRIC_FLAGGED, 1, row->amount);
    if (row->status == STATUS_HELD)
        ok = ok && verify_count(verify, ROLLUP_ALL, 0, row->currency, METRIC_HELD, 1, row->amount);
    return ok ? ERR_none : ERR_memory;
}

/* A payment that is given up is approved, so its expected loss is never that of a declined one. */
static enum err count_given_up(struct verify *verify, const struct transaction *row)
{
    int64_t day = time_day(row->at_us);
    bool    is_sane = row->amount >= 0 && row->score >= 0 && row->score <= 1000;
    int64_t loss = is_sane ? alert_loss(row->amount, row->score, false) : 0;

    return verify_count(verify, ROLLUP_DAY, day, row->currency, METRIC_GIVEN_UP, 1, row->amount) &&
                   verify_count(verify, ROLLUP_DAY, day, row->currency, METRIC_GIVEN_UP_LOSS, 1,
                                loss)
               ? ERR_none
               : ERR_memory;
}

static enum err note_day(struct verify *verify, const struct transaction *row)
{
    struct verify_day *day = verify_map_make(&verify->days, time_day(row->at_us));

    if (day == NULL)
        return ERR_memory;
    if (day->min_sequence == 0)
        day->min_sequence = row->sequence;
    day->max_sequence = row->sequence;
    return ERR_none;
}

/* Keeps the largest, of equal ones the first. */
static enum err note_top(struct verify *verify, const struct transaction *row)
{
    int64_t            day = time_day(row->at_us);
    struct verify_top *top;
    size_t             at;

    if (row->initial_status == STATUS_DECLINED)
        return ERR_none;
    top = verify_map_make(&verify->tops, day << 16 | row->currency);
    if (top == NULL)
        return ERR_memory;
    top->day = (int32_t)day;
    top->currency = row->currency;
    at = top->count;
    while (at > 0 && top->rows[at - 1].amount < row->amount)
        at--;
    if (at == LIMIT_TOP_PER_DAY)
        return ERR_none;
    top->count += top->count < LIMIT_TOP_PER_DAY ? 1 : 0;
    memmove(&top->rows[at + 1], &top->rows[at], (top->count - 1 - at) * sizeof top->rows[0]);
    top->rows[at].amount = row->amount;
    top->rows[at].sequence = row->sequence;
    return ERR_none;
}

/* --- sides ------------------------------------------------------------------------------------ */

#define WRONG(...) (verify_problem(verify, VERIFY_POSTINGS, __VA_ARGS__), *good = false)

static void take_side(struct verify *verify, const struct transaction *row, int64_t number,
                      bool is_debit, bool *good)
{
    int64_t                previous = is_debit ? row->debit_previous : row->credit_previous;
    int64_t                balance = is_debit ? row->debit_balance : row->credit_balance;
    struct verify_account *account;
    bool                   fits = true;

    if (number <= 0 || (size_t)number >= verify->account_count ||
        verify->accounts[number].stored.number == 0) {
        WRONG("transaction %" PRId64 " names account %" PRId64 ", which is not there",
              row->sequence, number);
        return;
    }
    account = &verify->accounts[number];
    if (account->stored.currency != row->currency)
        WRONG("transaction %" PRId64 " has another currency than account %" PRId64, row->sequence,
              number);
    if (previous != account->last_sequence)
        WRONG("transaction %" PRId64 " follows %" PRId64 " on account %" PRId64 ", not %" PRId64,
              row->sequence, account->last_sequence, number, previous);
    if (row->initial_status == STATUS_COMPLETED)
        fits = is_debit ? money_sub(account->balance, row->amount, &account->balance)
                        : money_add(account->balance, row->amount, &account->balance);
    if (row->initial_status == STATUS_HELD && is_debit)
        fits = money_add(account->held, row->amount, &account->held);
    if (!fits || account->balance != balance)
        WRONG("transaction %" PRId64 " leaves %" PRId64 " on account %" PRId64
              ", the row says %" PRId64,
              row->sequence, account->balance, number, balance);
    account->last_sequence = row->sequence;
    account->last_at_us = row->at_us;
    account->transactions++;
}

static void take_party(struct verify *verify, const struct transaction *row, bool *good)
{
    struct verify_party *party;

    if (row->party == 0)
        return;
    if (row->party < 0 || (size_t)row->party >= verify->party_count ||
        !verify->parties[row->party].known) {
        WRONG("transaction %" PRId64 " names party %" PRId64 ", which is not there", row->sequence,
              row->party);
        return;
    }
    party = &verify->parties[row->party];
    if (row->party_previous != party->last_sequence)
        WRONG("transaction %" PRId64 " follows %" PRId64 " on party %" PRId64 ", not %" PRId64,
              row->sequence, party->last_sequence, row->party, row->party_previous);
    party->last_sequence = row->sequence;
    party->transactions++;
}

/* --- decision, status, flag ------------------------------------------------------------------- */

static enum err rules_of(struct verify *verify, int64_t number)
{
    if (verify->rules_number == number)
        return ERR_none;
    if (verify->rules != NULL)
        bank_rules_release(verify->bank, verify->rules);
    verify->rules = NULL;
    verify->rules_number = number;
    enum err err = bank_rules(verify->bank, verify->store, number, &verify->rules);
    if (err == ERR_memory || err == ERR_storage)
        return err;
    if (err != ERR_none)
        verify_problem(verify, VERIFY_DECISIONS, "rule set %" PRId64 " cannot be used: %s", number,
                       err_what(err));
    return ERR_none;
}

/* What comes out of a decision. */
struct decided {
    bool    flagged;
    bool    given_up; /* to keep the alert budget */
    int32_t weight;   /* of its alert */
};

/* Makes the decision again. */
static enum err take_decision(struct verify *verify, const struct transaction *row,
                              struct decided *out)
{
    struct fraud_verdict verdict;

    *out = (struct decided){ .flagged = row->verdict != VERDICT_APPROVE, .weight = row->score };
    if (row->rule_set == 0) {
        if (row->score != 0 || row->verdict != VERDICT_APPROVE || row->decision_size != 0)
            verify_problem(verify, VERIFY_DECISIONS,
                           "transaction %" PRId64 " has a decision but no rule set", row->sequence);
        return ERR_none;
    }
    if (row->rule_set != verify->rules_active)
        verify_problem(verify, VERIFY_DECISIONS,
                       "transaction %" PRId64 " was judged by rule set %" PRId64 ", but %" PRId64
                       " was in force",
                       row->sequence, row->rule_set, verify->rules_active);
    TRY(rules_of(verify, row->rule_set));
    if (verify->rules == NULL)
        return ERR_none;
    if (!fraud_explain(verify->rules, row->decision, row->decision_size, &verdict)) {
        verify_problem(verify, VERIFY_DECISIONS,
                       "the decision of transaction %" PRId64
                       " does not belong to rule set %" PRId64,
                       row->sequence, row->rule_set);
        return ERR_none;
    }
    out->flagged = out->flagged || verdict.alert;
    out->weight = verdict.weight;
    out->given_up = fraud_is_given_up(fraud_rules_thresholds(verify->rules), &verdict);
    verify_sparings(verify, verify->rules, row);
    if (verdict.verdict != row->verdict || verdict.score != row->score)
        verify_problem(verify, VERIFY_DECISIONS,
                       "transaction %" PRId64
                       " has score %d and verdict %s, its features give %d and %s",
                       row->sequence, row->score, enum_text(&enum_verdict, row->verdict),
                       verdict.score, enum_text(&enum_verdict, verdict.verdict));
    else
        verify->report->proved[VERIFY_DECISIONS]++;
    return ERR_none;
}

/* Whether the status on arrival follows from the verdict. History is never held or declined. */
static bool arrival_is_right(const struct transaction *row)
{
    if (row->initial_status == STATUS_HELD)
        return row->verdict == VERDICT_HOLD;
    if (row->initial_status == STATUS_DECLINED)
        return row->verdict == VERDICT_DECLINE;
    return row->initial_status == STATUS_COMPLETED &&
           (row->verdict == VERDICT_APPROVE || row->posted_by == 0);
}

static void take_status(struct verify *verify, const struct transaction *row, bool flagged,
                        bool *good)
{
    const struct verify_set *set = verify_map_find(&verify->sets, row->sequence);
    int32_t status = set != NULL && set->status != 0 ? set->status : row->initial_status;
    bool    is_flagged = set != NULL && set->flag != 0 ? set->flag == 1 : flagged;

    if (!arrival_is_right(row))
        WRONG("transaction %" PRId64 " arrived as %s with the verdict %s", row->sequence,
              enum_text(&enum_transaction_status, row->initial_status),
              enum_text(&enum_verdict, row->verdict));
    if (status != row->status)
        WRONG("transaction %" PRId64 " is %s, the audit log says %s", row->sequence,
              enum_text(&enum_transaction_status, row->status),
              enum_text(&enum_transaction_status, status));
    if (is_flagged != row->flagged)
        WRONG("transaction %" PRId64 " is %sflagged, the audit log and its decision say otherwise",
              row->sequence, row->flagged ? "" : "not ");
}

/* Hits from before an action had a weight of its own count by their points alone, until the
 * writer weighs them anew; those that are decided stay as they were. */
static int64_t loss_of(const struct transaction *row, const struct verify_hit *hit, int32_t weight)
{
    bool    declined = row->initial_status == STATUS_DECLINED;
    int64_t by_points;

    if (row->amount < 0 || row->score < 0 || row->score > weight || weight > 1000)
        return -1;
    by_points = alert_loss(row->amount, row->score, declined);
    return hit->loss == by_points ? by_points : alert_loss(row->amount, weight, declined);
}

/* What one hit adds to its alert. */
static void take_hit(struct verify *verify, const struct transaction *row, int32_t weight,
                     struct verify_hit *hit)
{
    struct verify_alert *alert = verify_map_find(&verify->alerts, hit->alert);
    int64_t              loss = loss_of(row, hit, weight);

    hit->seen = true;
    if (alert == NULL) {
        verify_problem(verify, VERIFY_ALERTS,
                       "transaction %" PRId64 " belongs to alert %" PRId64 ", which is not there",
                       row->sequence, hit->alert);
        return;
    }
    alert->made_hits++;
    if (alert->made_hits == 1 || row->score > alert->made_score) {
        alert->made_score = row->score;
        alert->made_transaction = row->sequence;
    }
    alert->made_waiting += hit->waits;
    if (hit->waits && !money_add(alert->made_loss, loss, &alert->made_loss))
        alert->made_loss = INT64_MAX;
    if (alert->account != (row->incoming ? row->credit : row->debit))
        verify_problem(verify, VERIFY_ALERTS,
                       "alert %" PRId64 " names another account than its transaction", hit->alert);
    else if (hit->score != row->score || hit->loss != loss || hit->number != alert->made_hits)
        verify_problem(verify, VERIFY_ALERTS,
                       "alert %" PRId64 " does not say of transaction %" PRId64
                       " what its decision says",
                       hit->alert, row->sequence);
    else
        verify->report->proved[VERIFY_ALERTS]++;
}

/* A transaction belongs to an alert exactly when its decision said so; *raised: as the first. */
static void take_alert(struct verify *verify, const struct transaction *row,
                       const struct decided *decided, bool *raised)
{
    size_t low = 0;
    size_t high = verify->hit_count;
    bool   alerted = false;

    *raised = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (verify->hits[middle].transaction < row->sequence)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < verify->hit_count && verify->hits[low].transaction == row->sequence; low++) {
        take_hit(verify, row, decided->weight, &verify->hits[low]);
        alerted = true;
        *raised = *raised || verify->hits[low].number == 1;
    }
    if (decided->flagged != alerted)
        verify_problem(verify, VERIFY_ALERTS, "transaction %" PRId64 " %s", row->sequence,
                       decided->flagged ? "was flagged on arrival and has no alert"
                                        : "has an alert that its decision did not raise");
}

/* --- reversals -------------------------------------------------------------------------------- */

static enum err take_reversal(struct verify *verify, const struct transaction *row)
{
    struct transaction first;
    enum err           err;

    if (row->reversed_by != 0) {
        err = verify->store->ops->transaction_by_sequence(verify->store, row->reversed_by, &first);
        if (err != ERR_none && err != ERR_not_found)
            return err;
        if (err == ERR_not_found || first.reversal_of != row->sequence)
            verify_problem(verify, VERIFY_REVERSALS,
                           "transaction %" PRId64 " is said to be undone by %" PRId64
                           ", which does not name it",
                           row->sequence, row->reversed_by);
    } else if (row->status == STATUS_REVERSED) {
        verify_problem(verify, VERIFY_REVERSALS,
                       "transaction %" PRId64 " is reversed and names no reversal", row->sequence);
    }
    if (row->reversal_of == 0 && row->type != TYPE_REVERSAL)
        return ERR_none;
    err = verify->store->ops->transaction_by_sequence(verify->store, row->reversal_of, &first);
    if (err != ERR_none && err != ERR_not_found)
        return err;
    if (err == ERR_not_found || first.sequence >= row->sequence || row->type != TYPE_REVERSAL ||
        first.amount != row->amount || first.debit != row->credit || first.credit != row->debit ||
        first.reversed_by != row->sequence || first.status != STATUS_REVERSED)
        verify_problem(verify, VERIFY_REVERSALS,
                       "transaction %" PRId64 " does not undo transaction %" PRId64, row->sequence,
                       row->reversal_of);
    else
        verify->report->proved[VERIFY_REVERSALS]++;
    return ERR_none;
}

/* --- profiles --------------------------------------------------------------------------------- */

static struct verify_profile *profile_at(struct verify *verify, int32_t index)
{
    return index != 0 ? &verify->profiles[index - 1] : NULL;
}

static void take_profile(struct verify *verify, int32_t index, const struct transaction *row,
                         const struct label *label)
{
    struct verify_profile *profile = profile_at(verify, index);

    if (profile == NULL)
        return;
    profile->passed = row->sequence > profile->saved_sequence;
    if (profile->passed)
        return;
    profile_observe(&profile->made, profile->entity, row, &verify->accounts[row->debit].stored,
                    &verify->accounts[row->credit].stored, label);
    profile->reached = row->sequence == profile->saved_sequence;
}

/* A profile is saved with each release that it sees: so the saved one has seen those that came
 * before the next transaction of its entity. */
static void take_release(struct verify *verify, int32_t index, const struct transaction *row,
                         int64_t released_at_us)
{
    struct verify_profile *profile = profile_at(verify, index);

    if (profile != NULL && !profile->passed)
        profile_observe_release(&profile->made, profile->entity, row,
                                &verify->accounts[row->debit].stored,
                                &verify->accounts[row->credit].stored, released_at_us);
}

static int32_t profile_of_party(const struct verify *verify, const struct transaction *row)
{
    bool has_party = row->party != 0 && row->party < (int64_t)verify->party_count;

    return has_party ? verify->parties[row->party].profile : 0;
}

void verify_row_release(struct verify *verify, const struct transaction *row,
                        const struct audit *audit)
{
    take_release(verify, verify->accounts[row->debit].profile, row, audit->at_us);
    take_release(verify, verify->accounts[row->credit].profile, row, audit->at_us);
    take_release(verify, profile_of_party(verify, row), row, audit->at_us);
}

enum err verify_row_profiles(struct verify *verify, const struct transaction *row)
{
    int32_t      debit = verify->accounts[row->debit].profile;
    int32_t      credit = verify->accounts[row->credit].profile;
    int32_t      party = profile_of_party(verify, row);
    struct label label;
    enum err     err;

    if (debit == 0 && credit == 0 && party == 0)
        return ERR_none;
    err = verify->store->ops->label_by_transaction(verify->store, row->sequence, &label);
    if (err != ERR_none && err != ERR_not_found)
        return err;
    take_profile(verify, debit, row, err == ERR_none ? &label : NULL);
    take_profile(verify, credit, row, err == ERR_none ? &label : NULL);
    take_profile(verify, party, row, err == ERR_none ? &label : NULL);
    return ERR_none;
}

enum err verify_row(struct verify *verify, const struct transaction *row)
{
    bool           good = true;
    bool           raised = false;
    struct decided decided;

    if (row->amount < 0 || row->debit == row->credit)
        verify_problem(verify, VERIFY_POSTINGS, "transaction %" PRId64 " moves nothing",
                       row->sequence);
    take_side(verify, row, row->debit, true, &good);
    take_side(verify, row, row->credit, false, &good);
    take_party(verify, row, &good);
    TRY(take_decision(verify, row, &decided));
    take_status(verify, row, decided.flagged, &good);
    take_alert(verify, row, &decided, &raised);
    TRY(take_reversal(verify, row));
    TRY(verify_row_figures(verify, row, raised));
    if (decided.given_up)
        TRY(count_given_up(verify, row));
    TRY(note_day(verify, row));
    TRY(note_top(verify, row));
    if (row->debit > 0 && row->debit < (int64_t)verify->account_count && row->credit > 0 &&
        row->credit < (int64_t)verify->account_count)
        TRY(verify_row_profiles(verify, row));
    verify->report->proved[VERIFY_POSTINGS] += good ? 1 : 0;
    return ERR_none;
}
