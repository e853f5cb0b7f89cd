/* Reading many rows: each walk is one prepared statement whose rows go to the visitor.
 *
 * Lists of transactions choose the cheapest of four ways: an account's own chain (one look-up by
 * sequence per row), the small indexes of flagged or held ones, or a scan of sequences. A range of
 * dates is first turned into a range of sequences by the table of days. A scan goes in windows,
 * and between two of them it looks whether somebody still wants the answer. */
#include <sqlite3.h>

#include "bankd/store/sqlite.h"

#include "bankd/store/match.h"
#include "common/check.h"
#include "common/clock.h"

enum { SCAN_WINDOW = 4096 };

/* At the end of every walk: no more rows is how it should end. */
static enum err walk_over(struct row *row, enum err err)
{
    sqlite_done(row);
    return err == ERR_not_found ? ERR_none : err;
}

enum err sqlite_users(struct store *store, store_visit *visit, void *context)
{
    struct row  row = sqlite_use(sqlite_of(store), SQL_users);
    struct user user;
    enum err    err;

    while ((err = sqlite_step(&row)) == ERR_none) {
        read_user(&row, &user);
        if (!visit(context, &user))
            break;
    }
    return walk_over(&row, err);
}

enum err sqlite_customers(struct store *store, int64_t before_number, struct slice search,
                          store_visit *visit, void *context)
{
    struct row      row = sqlite_use(sqlite_of(store), SQL_customers);
    struct customer customer;
    enum err        err;

    bind_int(&row, before_number != 0 ? before_number : INT64_MAX);
    while ((err = sqlite_step(&row)) == ERR_none) {
        read_customer(&row, &customer);
        if (customer_found(search, &customer) && !visit(context, &customer))
            break;
    }
    return walk_over(&row, err);
}

enum err sqlite_accounts(struct store *store, const struct account_filter *filter,
                         store_visit *visit, void *context)
{
    bool           of_customer = filter->customer != 0;
    int64_t        low = 1;
    int64_t        high = filter->before_number != 0 ? filter->before_number - 1 : INT64_MAX;
    struct account account;
    struct uuid    id;
    struct row     row;
    enum err       err;

    /* A whole id needs no scan. */
    if (filter->search.n == UUID_TEXT_MAX - 1 &&
        uuid_parse(filter->search.at, filter->search.n, &id) == ERR_none) {
        err = sqlite_book_by_id(store, &id, &account.book);
        if (err != ERR_none)
            return err == ERR_not_found ? ERR_none : err;
        low = account.book.number;
        high = low < high ? low : high;
    }
    row = sqlite_use(sqlite_of(store), filter->thaw_until_us != 0 ? SQL_accounts_thawing
                                       : of_customer              ? SQL_accounts_of_customer
                                                                  : SQL_accounts);
    bind_int(&row, low);
    bind_int(&row, high);
    bind_int(&row, filter->status);
    bind_int(&row, filter->kind);
    bind_int(&row, filter->currency);
    if (filter->thaw_until_us != 0)
        bind_int(&row, filter->thaw_until_us);
    else if (of_customer)
        bind_int(&row, filter->customer);
    while ((err = sqlite_step(&row)) == ERR_none) {
        read_account(&row, &account);
        if (account_matches(filter, &account) && !visit(context, &account))
            break;
    }
    return walk_over(&row, err);
}

enum err sqlite_parties(struct store *store, store_visit *visit, void *context)
{
    struct row   row = sqlite_use(sqlite_of(store), SQL_parties);
    struct party party;
    enum err     err;

    while ((err = sqlite_step(&row)) == ERR_none) {
        read_party(&row, &party);
        if (!visit(context, &party))
            break;
    }
    return walk_over(&row, err);
}

/* --- transactions ---------------------------------------------------------------------------- */

/* One walk over transactions. `over` when nothing more is to come, whether it has ended or the
 * visitor has had enough; then `stopped` is what the caller is told. */
struct walk {
    struct sqlite_store             *store;
    const struct transaction_filter *filter;
    store_visit                     *visit;
    void                            *context;
    int64_t                          low, high; /* sequences, inclusive */
    int64_t                          scanned;
    int64_t                          stopped;
    bool                             over;
    struct party                     party; /* the one last looked up for a search */
    struct transaction               row;
};

static bool is_cancelled(const struct walk *walk)
{
    return walk->filter->cancel != NULL && atomic_load(walk->filter->cancel);
}

/* Shows walk->row to the visitor if it passes the filter. */
static enum err walk_show(struct walk *walk)
{
    const char *key = "";

    if (!transaction_matches(walk->filter, &walk->row))
        return ERR_none;
    if (walk->filter->search.n > 0) {
        if (walk->row.party != 0) {
            if (walk->party.number != walk->row.party &&
                sqlite_party_by_number(&walk->store->base, walk->row.party, &walk->party) !=
                    ERR_none)
                return ERR_storage_corrupt;
            key = walk->party.key;
        }
        if (!transaction_found(walk->filter, &walk->row, key))
            return ERR_none;
    }
    if (!walk->visit(walk->context, &walk->row)) {
        walk->over = true;
        walk->stopped = walk->row.sequence;
    }
    return ERR_none;
}

/* Counts `rows` as looked at, of which `last` was the last one; `more` may follow. */
static void walk_count(struct walk *walk, int64_t rows, int64_t last, bool more)
{
    walk->scanned += rows;
    if (walk->over || !more || walk->filter->scan_max == 0 ||
        walk->scanned < walk->filter->scan_max)
        return;
    walk->over = true;
    walk->stopped = last;
}

/* Where the transactions of the asked days are; and where to begin. */
static enum err walk_bounds(struct walk *walk)
{
    const struct transaction_filter *filter = walk->filter;
    struct chain_head                head = { 0 };
    struct row                       row = sqlite_use(walk->store, SQL_head);
    enum err                         err = sqlite_step(&row);

    if (err == ERR_none)
        read_head(&row, &head);
    sqlite_done(&row);
    TRY(err);
    walk->low = 1;
    walk->high = head.sequence;
    if (filter->from_us != 0 || filter->to_us != 0) {
        row = sqlite_use(walk->store, SQL_day_range);
        bind_int(&row, filter->from_us != 0 ? time_day(filter->from_us) : INT32_MIN);
        bind_int(&row, filter->to_us != 0 ? time_day(filter->to_us - 1) : INT32_MAX);
        err = sqlite_step(&row);
        if (err == ERR_none) {
            walk->low = row_int(&row);
            walk->high = row_int(&row);
        }
        sqlite_done(&row);
        TRY(err);
        if (walk->low == 0)
            walk->low = 1; /* no such days: high is 0 and nothing is walked */
    }
    if (filter->from_sequence > 0 && filter->ascending && filter->from_sequence > walk->low)
        walk->low = filter->from_sequence;
    if (filter->from_sequence > 0 && !filter->ascending && filter->from_sequence < walk->high)
        walk->high = filter->from_sequence;
    return ERR_none;
}

/* The newest transaction of the account that is not newer than from_sequence; 0 = none. */
static enum err chain_start(struct walk *walk, int64_t *start)
{
    struct store *store = &walk->store->base;
    int64_t       account = walk->filter->account;
    int64_t       from = walk->filter->from_sequence;
    struct row    row;
    enum err      err;

    /* Usually it is one of the account, or the one behind it was: see "going on" in store.h. */
    for (int64_t sequence = from; from > 0 && sequence <= from + 1; sequence++) {
        err = sqlite_transaction_by_sequence(store, sequence, &walk->row);
        if (err == ERR_none && (walk->row.debit == account || walk->row.credit == account)) {
            *start = sequence == from ? from : transaction_previous(&walk->row, account);
            return ERR_none;
        }
        if (err != ERR_none && err != ERR_not_found)
            return err;
    }
    *start = 0;
    row = sqlite_use(walk->store, SQL_last_sequence_of_account);
    bind_int(&row, account);
    err = sqlite_step(&row);
    if (err == ERR_none)
        *start = row_int(&row);
    sqlite_done(&row);
    if (err != ERR_none)
        return err == ERR_not_found ? ERR_none : err;
    while (from > 0 && *start > from) {
        if (is_cancelled(walk))
            return ERR_cancelled;
        TRY(sqlite_transaction_by_sequence(store, *start, &walk->row));
        *start = transaction_previous(&walk->row, account);
    }
    return ERR_none;
}

/* The row that the chain led to is in walk->row; says where it leads. */
static enum err chain_show(struct walk *walk, struct sqlite_chain *chain)
{
    int64_t account = walk->filter->account;
    int64_t sequence = chain->present;
    int64_t previous = transaction_previous(&walk->row, account);

    if (previous >= sequence || (walk->row.debit != account && walk->row.credit != account))
        return ERR_storage_corrupt;
    if (is_cancelled(walk))
        return ERR_cancelled;
    TRY(walk_show(walk));
    walk_count(walk, 1, sequence, previous >= walk->low);
    chain->next = previous >= walk->low ? previous : 0;
    return ERR_none;
}

static enum err walk_chain(struct walk *walk)
{
    struct sqlite_chain *chain = &walk->store->chain;
    bool                 listed = walk->filter->listed;
    int64_t              sequence = 0;
    struct row           row;
    enum err             err;

    CHECK(!walk->filter->ascending);
    TRY(chain_start(walk, &sequence));
    if (sequence < walk->low)
        return ERR_none;
    *chain = (struct sqlite_chain){ .next = sequence };
    row = sqlite_use(walk->store, listed ? SQL_chain_listed : SQL_chain);
    while ((err = sqlite_step(&row)) == ERR_none) {
        (listed ? read_listed : read_transaction)(&row, &walk->row);
        err = chain_show(walk, chain);
        if (err != ERR_none || walk->over)
            break;
    }
    return walk_over(&row, err);
}

/* The flagged or the held ones, by their own small index. */
static enum err walk_index(struct walk *walk, enum sqlite_sql sql)
{
    struct row row = sqlite_use(walk->store, sql);
    enum err   err;

    bind_int(&row, walk->low);
    bind_int(&row, walk->high);
    while ((err = sqlite_step(&row)) == ERR_none) {
        read_transaction(&row, &walk->row);
        err = is_cancelled(walk) ? ERR_cancelled : walk_show(walk);
        walk_count(walk, 1, walk->row.sequence, true);
        if (err != ERR_none || walk->over)
            break;
    }
    return walk_over(&row, err);
}

/* Whether the statement has something to sort out. */
static bool is_sifted(const struct transaction_filter *filter)
{
    return filter->from_us != 0 || filter->to_us != 0 || filter->amount_min != 0 ||
           filter->amount_max != 0 || filter->type != 0 || filter->status != 0 ||
           filter->currency != 0 || filter->flagged != 0;
}

static struct row use_window(struct walk *walk, bool listed, int64_t low, int64_t high)
{
    const struct transaction_filter *filter = walk->filter;
    bool                             sifted = !listed || is_sifted(filter);
    struct row                       row;

    row = sqlite_use(walk->store, listed && !sifted   ? SQL_listed_all_down
                                  : listed            ? SQL_listed_down
                                  : filter->ascending ? SQL_transactions_up
                                                      : SQL_transactions_down);
    bind_int(&row, low);
    bind_int(&row, high);
    if (!sifted)
        return row;
    bind_int(&row, filter->from_us != 0 ? filter->from_us : INT64_MIN);
    bind_int(&row, filter->to_us != 0 ? filter->to_us - 1 : INT64_MAX);
    bind_int(&row, filter->amount_min != 0 ? filter->amount_min : INT64_MIN);
    bind_int(&row, filter->amount_max != 0 ? filter->amount_max : INT64_MAX);
    bind_int(&row, filter->type);
    bind_int(&row, filter->status);
    bind_int(&row, filter->currency);
    bind_int(&row, filter->flagged);
    return row;
}

static enum err walk_window(struct walk *walk, int64_t low, int64_t high)
{
    bool       listed = walk->filter->listed && !walk->filter->ascending;
    struct row row = use_window(walk, listed, low, high);
    enum err   err;

    while ((err = sqlite_step(&row)) == ERR_none) {
        (listed ? read_listed : read_transaction)(&row, &walk->row);
        err = walk_show(walk);
        if (err != ERR_none || walk->over)
            break;
    }
    return walk_over(&row, err);
}

static enum err walk_scan(struct walk *walk)
{
    while (walk->low <= walk->high && !walk->over) {
        int64_t width = SCAN_WINDOW;
        int64_t low = walk->low;
        int64_t high = walk->high;

        if (is_cancelled(walk))
            return ERR_cancelled;
        if (walk->filter->scan_max != 0 && walk->filter->scan_max - walk->scanned < width)
            width = walk->filter->scan_max - walk->scanned;
        if (walk->filter->ascending && high - low >= width)
            high = low + width - 1;
        if (!walk->filter->ascending && high - low >= width)
            low = high - width + 1;
        TRY(walk_window(walk, low, high));
        if (walk->filter->ascending)
            walk->low = high + 1;
        else
            walk->high = low - 1;
        walk_count(walk, high - low + 1, walk->filter->ascending ? high : low,
                   walk->low <= walk->high);
    }
    return ERR_none;
}

enum err sqlite_transactions(struct store *store, const struct transaction_filter *filter,
                             store_visit *visit, void *context, int64_t *stopped_at)
{
    struct walk walk = {
        .store = sqlite_of(store), .filter = filter, .visit = visit, .context = context
    };
    bool     begun;
    enum err err;

    TRY(sqlite_snapshot(walk.store, &begun));
    err = walk_bounds(&walk);
    if (err == ERR_none && walk.low <= walk.high) {
        if (filter->account != 0)
            err = walk_chain(&walk);
        else if (filter->flagged == 1)
            err = walk_index(&walk, filter->ascending ? SQL_flagged_up : SQL_flagged_down);
        else if (filter->status == STATUS_HELD)
            err = walk_index(&walk, filter->ascending ? SQL_held_up : SQL_held_down);
        else
            err = walk_scan(&walk);
    }
    sqlite_snapshot_over(walk.store, begun);
    if (stopped_at != NULL)
        *stopped_at = walk.stopped;
    return err;
}

enum err sqlite_held(struct store *store, int64_t expires_before_us, store_visit *visit,
                     void *context)
{
    struct row         row = sqlite_use(sqlite_of(store), SQL_held);
    struct transaction transaction;
    enum err           err;

    bind_int(&row, expires_before_us != 0 ? expires_before_us : INT64_MAX);
    while ((err = sqlite_step(&row)) == ERR_none) {
        read_transaction(&row, &transaction);
        if (!visit(context, &transaction))
            break;
    }
    return walk_over(&row, err);
}

enum err sqlite_top(struct store *store, int32_t day, uint16_t currency, store_visit *visit,
                    void *context)
{
    struct sqlite_store *self = sqlite_of(store);
    struct transaction   transaction;
    struct row           row;
    bool                 begun;
    enum err             err;

    TRY(sqlite_snapshot(self, &begun));
    row = sqlite_use(self, SQL_top);
    bind_int(&row, day);
    bind_int(&row, currency);
    while ((err = sqlite_step(&row)) == ERR_none) {
        err = sqlite_transaction_by_sequence(store, row_int(&row), &transaction);
        if (err == ERR_not_found)
            err = ERR_storage_corrupt;
        if (err != ERR_none || !visit(context, &transaction))
            break;
    }
    err = walk_over(&row, err);
    sqlite_snapshot_over(self, begun);
    return err;
}

/* --- alerts, audit entries, figures ---------------------------------------------------------- */

static struct row use_alerts(struct sqlite_store *store, const struct alert_filter *filter)
{
    bool undecided = filter->undecided || filter->state == ALERT_OPEN ||
                     filter->state == ALERT_TAKEN || filter->state == ALERT_SNOOZED;
    enum sqlite_sql sql = undecided ? SQL_alerts_undecided : SQL_alerts;
    struct row      row;

    if (filter->by_loss) {
        row = sqlite_use(store, SQL_alerts_by_loss);
        bind_int(&row, filter->below_urgency);
        bind_int(&row, filter->behind_number);
        return row;
    }
    if (filter->account != 0)
        sql = undecided ? SQL_alerts_waiting : SQL_alerts_of_account;
    row = sqlite_use(store, sql);
    bind_int(&row, filter->before_number != 0 ? filter->before_number : INT64_MAX);
    bind_int(&row, filter->from_us != 0 ? filter->from_us : INT64_MIN);
    bind_int(&row, filter->to_us != 0 ? filter->to_us - 1 : INT64_MAX);
    bind_int(&row, filter->account);
    return row;
}

enum err sqlite_alerts(struct store *store, const struct alert_filter *filter, store_visit *visit,
                       void *context)
{
    struct row   row = use_alerts(sqlite_of(store), filter);
    struct alert alert;
    enum err     err;

    while ((err = sqlite_step(&row)) == ERR_none) {
        read_alert(&row, &alert);
        if (alert_matches(filter, &alert) && !visit(context, &alert))
            break;
    }
    return walk_over(&row, err);
}

enum err sqlite_alert_hits(struct store *store, int64_t alert, store_visit *visit, void *context)
{
    struct row       row = sqlite_use(sqlite_of(store), SQL_alert_hits);
    struct alert_hit hit;
    enum err         err;

    bind_int(&row, alert);
    bind_int(&row, alert != 0 ? alert : INT64_MAX);
    while ((err = sqlite_step(&row)) == ERR_none) {
        read_hit(&row, &hit);
        if (!visit(context, &hit))
            break;
    }
    return walk_over(&row, err);
}

enum err sqlite_records(struct store *store, const struct record_filter *filter, store_visit *visit,
                        void *context)
{
    bool            due = filter->due_before_us != 0;
    enum sqlite_sql sql = due                  ? SQL_records_due
                          : filter->about != 0 ? SQL_records_about
                                               : SQL_records;
    struct row      row = sqlite_use(sqlite_of(store), sql);
    struct record   record;
    enum err        err;

    bind_int(&row, filter->kind);
    bind_int(&row, due                          ? filter->due_before_us
                   : filter->before_number != 0 ? filter->before_number
                                                : INT64_MAX);
    if (sql == SQL_records_about)
        bind_int(&row, filter->about);
    while ((err = sqlite_step(&row)) == ERR_none) {
        read_record(&row, &record);
        if (record_matches(filter, &record) && !visit(context, &record))
            break;
    }
    return walk_over(&row, err);
}

enum err sqlite_audits(struct store *store, const struct audit_filter *filter, store_visit *visit,
                       void *context, int64_t *stopped_at)
{
    enum sqlite_sql sql = filter->about_transaction != 0 ? SQL_audits_about : SQL_audits;
    struct row      row = sqlite_use(sqlite_of(store), sql);
    int64_t         stopped = 0;
    int64_t         scanned = 0;
    struct audit    audit;
    enum err        err;

    bind_int(&row, filter->before_sequence != 0 ? filter->before_sequence : INT64_MAX);
    if (sql == SQL_audits_about)
        bind_int(&row, filter->about_transaction);
    while ((err = sqlite_step(&row)) == ERR_none) {
        read_audit(&row, &audit);
        scanned++;
        if ((audit_matches(filter, &audit) && !visit(context, &audit)) ||
            (filter->scan_max != 0 && scanned >= filter->scan_max)) {
            stopped = audit.sequence;
            break;
        }
    }
    if (stopped_at != NULL)
        *stopped_at = stopped;
    return walk_over(&row, err);
}

enum err sqlite_rule_sets(struct store *store, const struct rule_set_filter *filter,
                          store_visit *visit, void *context)
{
    struct row      row = sqlite_use(sqlite_of(store), SQL_rule_sets);
    struct rule_set rules;
    enum err        err;

    bind_int(&row, filter->before_number != 0 ? filter->before_number : INT64_MAX);
    bind_int(&row, filter->state);
    while ((err = sqlite_step(&row)) == ERR_none) {
        read_rule_set(&row, &rules);
        if (!visit(context, &rules))
            break;
    }
    return walk_over(&row, err);
}

enum err sqlite_rollups(struct store *store, const struct rollup_range *range, store_visit *visit,
                        void *context)
{
    struct row    row = sqlite_use(sqlite_of(store), SQL_rollups);
    struct rollup rollup;
    enum err      err;

    bind_int(&row, range->scale);
    bind_int(&row, range->bucket_from);
    bind_int(&row, range->bucket_to);
    bind_int(&row, range->currency);
    while ((err = sqlite_step(&row)) == ERR_none) {
        rollup.key.scale = (uint8_t)row_int(&row);
        rollup.key.bucket = (int32_t)row_int(&row);
        rollup.key.currency = (uint16_t)row_int(&row);
        rollup.key.metric = (uint16_t)row_int(&row);
        rollup.count = row_int(&row);
        rollup.amount = row_int(&row);
        if (!visit(context, &rollup))
            break;
    }
    return walk_over(&row, err);
}

enum err sqlite_days(struct store *store, int32_t *first, int32_t *last)
{
    struct row row = sqlite_use(sqlite_of(store), SQL_days);
    enum err   err = sqlite_step(&row);

    if (err == ERR_none) {
        if (sqlite3_column_type(row.statement, 0) == SQLITE_NULL)
            err = ERR_not_found;
        *first = (int32_t)row_int(&row);
        *last = (int32_t)row_int(&row);
    }
    sqlite_done(&row);
    return err;
}

enum err sqlite_labels(struct store *store, store_visit *visit, void *context)
{
    struct row   row = sqlite_use(sqlite_of(store), SQL_labels);
    struct label label;
    enum err     err;

    while ((err = sqlite_step(&row)) == ERR_none) {
        read_label(&row, &label);
        if (!visit(context, &label))
            break;
    }
    return walk_over(&row, err);
}

enum err sqlite_signed_heads(struct store *store, int64_t behind, store_visit *visit, void *context)
{
    struct row         row = sqlite_use(sqlite_of(store), SQL_signed_heads);
    struct signed_head head;
    enum err           err;

    bind_int(&row, behind);
    while ((err = sqlite_step(&row)) == ERR_none) {
        read_head(&row, &head.head);
        head.at_us = row_int(&row);
        row_bytes(&row, head.signature, sizeof head.signature);
        if (!visit(context, &head))
            break;
    }
    return walk_over(&row, err);
}
