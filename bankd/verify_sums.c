/* What came out of the pass against what the store says: accounts, parties, trial balance,
 * figures, lists, alerts, labels. */
#include "bankd/verify_impl.h"

#include "bankd/chain.h"
#include "bankd/ledger/ledger.h"
#include "bankd/record.h"
#include "common/money.h"

#include <inttypes.h>
#include <string.h>

/* --- accounts --------------------------------------------------------------------------------- */

static void check_account(struct verify *verify, const struct verify_account *account)
{
    const struct account_book  *book = &account->stored;
    const struct verify_status *set =
        verify_map_find(&verify->statuses, verify_account_key(&book->account_id));
    int32_t status = set != NULL && book->kind == ACCOUNT_CUSTOMER ? set->status : ACCOUNT_ACTIVE;
    int64_t before = verify->report->problem_count;

    if (account->balance != book->balance)
        verify_problem(verify, VERIFY_ACCOUNTS,
                       "account %" PRId64 " has the balance %" PRId64
                       ", its transactions make %" PRId64,
                       book->number, book->balance, account->balance);
    if (account->held != book->held)
        verify_problem(verify, VERIFY_ACCOUNTS,
                       "account %" PRId64 " has %" PRId64 " held, its transactions make %" PRId64,
                       book->number, book->held, account->held);
    if (account->last_sequence != book->last_sequence ||
        account->transactions != book->transactions || account->last_at_us != book->last_at_us)
        verify_problem(verify, VERIFY_ACCOUNTS,
                       "account %" PRId64 " has %" PRId64 " transactions up to %" PRId64
                       ", the chain has %" PRId64 " up to %" PRId64,
                       book->number, book->transactions, book->last_sequence, account->transactions,
                       account->last_sequence);
    if (status != book->status)
        verify_problem(verify, VERIFY_ACCOUNTS, "account %" PRId64 " is %s, the audit log says %s",
                       book->number, enum_text(&enum_account_status, book->status),
                       enum_text(&enum_account_status, status));
    if (verify->report->problem_count == before)
        verify->report->proved[VERIFY_ACCOUNTS]++;
    if (book->kind == ACCOUNT_CUSTOMER && ledger_available(book) < 0)
        verify_warning(verify, "account %" PRId64 " is below its limit", book->number);
}

struct currency_sum {
    int64_t key;
    int64_t balance;
};

static enum err check_trial(struct verify *verify)
{
    struct verify_map    sums;
    struct currency_sum *sum;
    bool                 fits = true;

    verify_map_init(&sums, sizeof *sum);
    for (size_t i = 1; i < verify->account_count; i++) {
        const struct account_book *book = &verify->accounts[i].stored;

        if (book->number == 0)
            continue;
        sum = verify_map_make(&sums, book->currency);
        if (sum == NULL) {
            verify_map_free(&sums);
            return ERR_memory;
        }
        fits = fits && money_add(sum->balance, book->balance, &sum->balance);
    }
    for (size_t i = 0; i < sums.count; i++) {
        sum = verify_map_at(&sums, i);
        const struct currency *currency = currency_by_number((uint16_t)sum->key);

        if (!fits || sum->balance != 0)
            verify_problem(verify, VERIFY_TRIAL,
                           "the accounts in %s add up to %" PRId64 " minor units, not to zero",
                           currency != NULL ? currency->code : "?", sum->balance);
        else
            verify->report->proved[VERIFY_TRIAL]++;
    }
    verify_map_free(&sums);
    return ERR_none;
}

static enum err check_books(struct verify *verify)
{
    for (size_t i = 1; i < verify->account_count; i++)
        if (verify->accounts[i].stored.number != 0)
            check_account(verify, &verify->accounts[i]);
    for (size_t i = 1; i < verify->party_count; i++) {
        const struct verify_party *party = &verify->parties[i];

        if (!party->known)
            continue;
        if (party->last_sequence != party->stored_sequence ||
            party->transactions != party->stored_transactions)
            verify_problem(verify, VERIFY_PARTIES,
                           "party %zu has %" PRId64 " transactions up to %" PRId64
                           ", the chain has %" PRId64 " up to %" PRId64,
                           i, party->stored_transactions, party->stored_sequence,
                           party->transactions, party->last_sequence);
        else
            verify->report->proved[VERIFY_PARTIES]++;
    }
    return check_trial(verify);
}

/* --- figures ---------------------------------------------------------------------------------- */

static bool note_customer(void *context, const void *row)
{
    struct verify *verify = context;

    if (!verify_count(verify, ROLLUP_ALL, 0, 0, METRIC_CUSTOMERS, 1, 0) ||
        (((const struct customer *)row)->verified &&
         !verify_count(verify, ROLLUP_ALL, 0, 0, METRIC_VERIFIED, 1, 0)))
        verify->failed = ERR_memory;
    return verify->failed == ERR_none;
}

/* The figures of what is true now. */
static enum err count_now(struct verify *verify)
{
    TRY(verify->store->ops->customers(verify->store, 0, slice_of(NULL, 0), note_customer, verify));
    TRY(verify->failed);
    for (size_t i = 1; i < verify->account_count; i++) {
        const struct account_book *book = &verify->accounts[i].stored;

        if (book->number == 0 || book->kind != ACCOUNT_CUSTOMER)
            continue;
        if (!verify_count(verify, ROLLUP_ALL, 0, book->currency,
                          (uint16_t)(METRIC_ACCOUNTS + book->status), 1, 0) ||
            !verify_count(verify, ROLLUP_ALL, 0, book->currency, METRIC_BALANCE, 0, book->balance))
            return ERR_memory;
    }
    return verify_count(verify, ROLLUP_ALL, 0, 0, METRIC_ALERTS_OPEN, verify->alerts_open, 0)
               ? ERR_none
               : ERR_memory;
}

/* The stored sums of hours, to be compared with their day where thresholds have a say. */
static bool is_by_threshold(uint16_t metric)
{
    return metric == METRIC_HIGH_VALUE || metric == METRIC_LARGE;
}

struct figures {
    struct verify    *verify;
    struct verify_map hours;   /* struct verify_cell: by day, of the metrics of thresholds */
    bool              differs; /* from what the present thresholds make */
};

static int64_t cell_key(const struct rollup_key *place)
{
    return (int64_t)((uint64_t)place->scale << 56 | (uint64_t)place->metric << 48 |
                     (uint64_t)place->currency << 32 | (uint32_t)place->bucket);
}

static void tell_cell(struct verify *verify, const struct rollup_key *place, int64_t count,
                      int64_t amount, int64_t made_count, int64_t made_amount)
{
    static const char *const scales[] = { "now", "day", "hour" };

    verify_problem(verify, VERIFY_FIGURES,
                   "figure %u of %s %d in currency %u is %" PRId64 " and %" PRId64
                   ", the transactions make %" PRId64 " and %" PRId64,
                   (unsigned)place->metric, place->scale <= 2 ? scales[place->scale] : "?",
                   (int)place->bucket, (unsigned)place->currency, count, amount, made_count,
                   made_amount);
}

/* Adds an hour, or takes away a day, so that all comes to zero. */
static bool weigh_threshold(struct figures *figures, const struct rollup *row)
{
    struct rollup_key   day = row->key;
    int                 sign = day.scale == ROLLUP_HOUR ? 1 : -1;
    struct verify_cell *cell;

    if (day.scale == ROLLUP_HOUR)
        day.bucket = day.bucket / 24 - (day.bucket % 24 < 0 ? 1 : 0);
    day.scale = ROLLUP_DAY;
    cell = verify_map_make(&figures->hours, cell_key(&day));
    if (cell == NULL)
        return false;
    cell->place = day;
    cell->count += sign * row->count;
    cell->amount += sign * row->amount;
    return true;
}

static bool compare_cell(void *context, const void *row)
{
    struct figures      *figures = context;
    struct verify       *verify = figures->verify;
    const struct rollup *stored = row;
    struct verify_cell  *cell = verify_map_find(&verify->cells, cell_key(&stored->key));
    int64_t              count = cell != NULL ? cell->count : 0;
    int64_t              amount = cell != NULL ? cell->amount : 0;

    if (cell != NULL)
        cell->seen = true;
    if (is_by_threshold(stored->key.metric) && !weigh_threshold(figures, stored)) {
        verify->failed = ERR_memory;
        return false;
    }
    if (stored->count == count && stored->amount == amount)
        verify->report->proved[VERIFY_FIGURES]++;
    else if (is_by_threshold(stored->key.metric))
        figures->differs = true;
    else
        tell_cell(verify, &stored->key, stored->count, stored->amount, count, amount);
    return true;
}

static enum err compare_figures(struct figures *figures)
{
    struct verify *verify = figures->verify;

    for (uint8_t scale = ROLLUP_ALL; scale <= ROLLUP_HOUR; scale++) {
        struct rollup_range range = { .scale = scale,
                                      .bucket_from = INT32_MIN,
                                      .bucket_to = INT32_MAX,
                                      .currency = ROLLUP_EVERY_CURRENCY };

        TRY(verify->store->ops->rollups(verify->store, &range, compare_cell, figures));
        TRY(verify->failed);
    }
    for (size_t i = 0; i < verify->cells.count; i++) {
        const struct verify_cell *cell = verify_map_at(&verify->cells, i);

        if (cell->seen || (cell->count == 0 && cell->amount == 0))
            continue;
        if (is_by_threshold(cell->place.metric))
            figures->differs = true;
        else
            tell_cell(verify, &cell->place, 0, 0, cell->count, cell->amount);
    }
    for (size_t i = 0; i < figures->hours.count; i++) {
        const struct verify_cell *cell = verify_map_at(&figures->hours, i);

        if (cell->count != 0 || cell->amount != 0)
            verify_problem(verify, VERIFY_FIGURES,
                           "figure %u of day %d in currency %u is not the "
                           "sum of its hours",
                           (unsigned)cell->place.metric, (int)cell->place.bucket,
                           (unsigned)cell->place.currency);
    }
    if (figures->differs)
        verify_warning(verify,
                       "figures of high value or large transactions are not those of the "
                       "present thresholds; were high_value or reporting_threshold changed?");
    return ERR_none;
}

static enum err check_figures(struct verify *verify)
{
    struct figures figures = { .verify = verify };
    enum err       err;

    verify_map_init(&figures.hours, sizeof(struct verify_cell));
    err = count_now(verify);
    if (err == ERR_none)
        err = compare_figures(&figures);
    verify_map_free(&figures.hours);
    return err;
}

/* --- lists ------------------------------------------------------------------------------------ */

struct top_seen {
    const struct verify_top *made;
    size_t                   count;
    bool                     same;
};

static bool compare_top(void *context, const void *row)
{
    struct top_seen          *seen = context;
    const struct transaction *listed = row;

    if (seen->count >= seen->made->count ||
        seen->made->rows[seen->count].sequence != listed->sequence)
        seen->same = false;
    seen->count++;
    return true;
}

struct edge {
    int64_t sequence;
};

static bool note_edge(void *context, const void *row)
{
    ((struct edge *)context)->sequence = ((const struct transaction *)row)->sequence;
    return false;
}

/* A question for one day must find its first and its last transaction. That for the first day of
 * 1970 has no beginning, as 0 stands for none, and nothing lies before. */
static enum err check_day(struct verify *verify, const struct verify_day *day)
{
    struct transaction_filter filter = { .from_us = day->key * US_PER_DAY,
                                         .to_us = (day->key + 1) * US_PER_DAY };
    struct edge               newest = { 0 };
    struct edge               oldest = { 0 };
    int64_t                   stopped_at;
    struct store             *store = verify->store;

    TRY(store->ops->transactions(store, &filter, note_edge, &newest, &stopped_at));
    filter.ascending = true;
    TRY(store->ops->transactions(store, &filter, note_edge, &oldest, &stopped_at));
    if (newest.sequence != day->max_sequence || oldest.sequence != day->min_sequence)
        verify_problem(verify, VERIFY_TOPS,
                       "day %" PRId64 " is listed from %" PRId64 " to %" PRId64
                       ", its transactions go from %" PRId64 " to %" PRId64,
                       day->key, oldest.sequence, newest.sequence, day->min_sequence,
                       day->max_sequence);
    else
        verify->report->proved[VERIFY_TOPS]++;
    return ERR_none;
}

static enum err check_lists(struct verify *verify)
{
    for (size_t i = 0; i < verify->tops.count; i++) {
        const struct verify_top *top = verify_map_at(&verify->tops, i);
        struct top_seen          seen = { .made = top, .same = true };

        TRY(verify->store->ops->top(verify->store, top->day, top->currency, compare_top, &seen));
        if (!seen.same || seen.count != top->count)
            verify_problem(verify, VERIFY_TOPS,
                           "the list of largest transactions of day %d in "
                           "currency %u is not right",
                           (int)top->day, (unsigned)top->currency);
        else
            verify->report->proved[VERIFY_TOPS]++;
    }
    for (size_t i = 0; i < verify->days.count; i++)
        TRY(check_day(verify, verify_map_at(&verify->days, i)));
    return ERR_none;
}

/* --- the rest --------------------------------------------------------------------------------- */

static bool check_label(void *context, const void *row)
{
    struct verify      *verify = context;
    const struct label *label = row;

    if (label->transaction <= 0 || label->transaction > verify->last ||
        !verify_bit(verify->is_transaction, label->transaction))
        verify_problem(verify, VERIFY_LABELS,
                       "a label names transaction %" PRId64 ", which is not there",
                       label->transaction);
    else
        verify->report->proved[VERIFY_LABELS]++;
    return true;
}

/* An alert against its hits. What it was worth when it was decided cannot be told any more. */
static void check_alert(struct verify *verify, const struct verify_alert *alert)
{
    bool waits = alert->state != ALERT_DECIDED;

    if (alert->hits != alert->made_hits || alert->score != alert->made_score ||
        alert->transaction != alert->made_transaction ||
        (waits && alert->expected_loss != alert->made_loss))
        verify_problem(verify, VERIFY_ALERTS,
                       "alert %" PRId64 " has %" PRId64 " transactions, score %d and expected loss "
                       "%" PRId64 ", they make %" PRId64 ", %d and %" PRId64,
                       alert->key, alert->hits, alert->score, alert->expected_loss,
                       alert->made_hits, alert->made_score, alert->made_loss);
    if (waits != (alert->made_waiting > 0))
        verify_problem(verify, VERIFY_ALERTS,
                       "alert %" PRId64 " is %sdecided, and %" PRId64 " of its transactions wait",
                       alert->key, waits ? "not " : "", alert->made_waiting);
}

static void check_profile(struct verify *verify, const struct verify_profile *profile)
{
    const char *kind = profile->entity % 2 != 0 ? "party" : "account";

    if (!profile->reached)
        verify_problem(verify, VERIFY_PROFILES,
                       "the saved profile of %s %" PRId64 " ends at %" PRId64
                       ", which is not on its chain",
                       kind, profile->entity / 2, profile->saved_sequence);
    else if (fraud_profile_digest(&profile->made) != profile->saved_digest)
        verify_problem(verify, VERIFY_PROFILES,
                       "the saved profile of %s %" PRId64 " is not what its transactions make",
                       kind, profile->entity / 2);
    else
        verify->report->proved[VERIFY_PROFILES]++;
}

static void check_leftovers(struct verify *verify)
{
    for (size_t i = 0; i < verify->hit_count; i++)
        if (!verify->hits[i].seen)
            verify_problem(verify, VERIFY_ALERTS,
                           "alert %" PRId64 " names transaction %" PRId64 ", which is not there",
                           verify->hits[i].alert, verify->hits[i].transaction);
    for (size_t i = 0; i < verify->alerts.count; i++)
        check_alert(verify, verify_map_at(&verify->alerts, i));
    for (size_t i = 0; i < verify->profile_count; i++)
        check_profile(verify, &verify->profiles[i]);
    for (size_t i = 0; i < verify->sets.count; i++) {
        const struct verify_set *set = verify_map_at(&verify->sets, i);

        if (set->transaction <= 0 || set->transaction > verify->last ||
            !verify_bit(verify->is_transaction, set->transaction))
            verify_problem(verify, VERIFY_POSTINGS,
                           "the audit log changed transaction %" PRId64 ", which is not there",
                           set->transaction);
    }
}

/* --- records ---------------------------------------------------------------------------------- */

struct record_pass {
    struct verify             *verify;
    const struct message_desc *desc;
    struct arena               arena;
    enum err                   err;
};

static bool check_record(void *context, const void *row)
{
    struct record_pass  *pass = context;
    const struct record *record = row;
    struct verify_mark  *known = verify_map_find(&pass->verify->marks, record->number);
    uint8_t              mark[RECORD_MARK_BYTES];
    void                *message;

    chain_mark_record(record, mark);
    if (known == NULL || memcmp(known->mark, mark, sizeof mark) != 0)
        verify_problem(pass->verify, VERIFY_RECORDS,
                       "record %" PRId64 " is not what the audit log says", record->number);
    if (known != NULL)
        known->known = false; /* seen */
    arena_reset(&pass->arena);
    message = arena_take(&pass->arena, pass->desc->size);
    pass->err =
        message == NULL ? ERR_memory : record_read(record, pass->desc, message, &pass->arena);
    if (pass->err == ERR_storage_corrupt) {
        verify_problem(pass->verify, VERIFY_RECORDS, "record %" PRId64 " is not a well-formed %s",
                       record->number, pass->desc->name);
        pass->err = ERR_none;
    } else if (pass->err == ERR_none) {
        pass->verify->report->proved[VERIFY_RECORDS]++;
    }
    return pass->err == ERR_none;
}

/* Comes behind all else that takes marks for seen. */
static enum err check_records(struct verify *verify)
{
    struct record_pass pass = { .verify = verify, .err = ERR_none };
    enum err           err = arena_init(&pass.arena, LIMIT_REQUEST_ARENA);

    for (int32_t kind = 1; kind < RECORD_KIND_END && err == ERR_none; kind++) {
        struct record_filter filter = { .kind = kind };

        pass.desc = record_message(kind);
        if (pass.desc != NULL)
            err = verify->store->ops->records(verify->store, &filter, check_record, &pass);
        if (err == ERR_none)
            err = pass.err;
    }
    arena_free(&pass.arena);
    for (size_t i = 0; i < verify->marks.count && err == ERR_none; i++) {
        const struct verify_mark *mark = verify_map_at(&verify->marks, i);

        if (mark->known && mark->number < 0)
            verify_problem(verify, VERIFY_TERMS,
                           "%s %" PRId64 ", which the audit log names, is not there",
                           mark->number % 2 == 0 ? "user" : "account", -mark->number / 2);
        else if (mark->known)
            verify_problem(verify, VERIFY_RECORDS,
                           "record %" PRId64 ", which the audit log names, is not there",
                           mark->number);
    }
    return err;
}

enum err verify_sums(struct verify *verify)
{
    TRY(check_books(verify));
    TRY(check_figures(verify));
    TRY(check_lists(verify));
    check_leftovers(verify);
    TRY(verify_terms(verify));
    TRY(check_records(verify));
    return verify->store->ops->labels(verify->store, check_label, verify);
}
