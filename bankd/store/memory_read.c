/* Reading from the memory store, by going through all rows in order; and its table of operations.
 * Everything that lists could remember is worked out anew each time, so that there is nothing to
 * get out of step: these answers are what the other store's are held against. */
#include "bankd/store/memory.h"

#include <stdlib.h>
#include <string.h>

#include "bankd/store/match.h"
#include "common/check.h"
#include "common/clock.h"

/* --- one row --------------------------------------------------------------------------------- */

/* Copies the row out, if there is one, and ends the call. */
static enum err answer(struct store *store, const void *row, void *out, size_t size)
{
    if (row != NULL)
        memcpy(out, row, size);
    memory_end(store);
    return row != NULL ? ERR_none : ERR_not_found;
}

static enum err by_number(struct store *store, enum memory_table table, int64_t number, void *out,
                          size_t size)
{
    const struct records *records = memory_begin(store);

    return answer(store, memory_find(records, table, number), out, size);
}

static enum err user_by_email(struct store *store, struct slice email, struct user *out)
{
    const struct records *records = memory_begin(store);
    const struct user    *found = NULL;

    for (size_t i = 0; i < memory_count(records, TABLE_USER); i++) {
        const struct user *user = memory_row(records, TABLE_USER, i);

        if (slice_is(email, user->email))
            found = user;
    }
    return answer(store, found, out, sizeof *out);
}

static enum err user_by_number(struct store *store, int64_t number, struct user *out)
{
    return by_number(store, TABLE_USER, number, out, sizeof *out);
}

static enum err customer_by_id(struct store *store, const struct uuid *id, struct customer *out)
{
    const struct records  *records = memory_begin(store);
    const struct customer *found = NULL;

    for (size_t i = 0; i < memory_count(records, TABLE_CUSTOMER); i++) {
        const struct customer *customer = memory_row(records, TABLE_CUSTOMER, i);

        if (uuid_equal(&customer->customer_id, id))
            found = customer;
    }
    return answer(store, found, out, sizeof *out);
}

static enum err customer_by_external(struct store *store, struct slice id, struct customer *out)
{
    const struct records  *records = memory_begin(store);
    const struct customer *found = NULL;

    for (size_t i = 0; id.n > 0 && i < memory_count(records, TABLE_CUSTOMER); i++) {
        const struct customer *customer = memory_row(records, TABLE_CUSTOMER, i);

        if (slice_is(id, customer->external_id))
            found = customer;
    }
    return answer(store, found, out, sizeof *out);
}

static enum err customer_by_number(struct store *store, int64_t number, struct customer *out)
{
    return by_number(store, TABLE_CUSTOMER, number, out, sizeof *out);
}

static enum err answer_book(struct store *store, const struct account *account,
                            struct account_book *out)
{
    return answer(store, account != NULL ? &account->book : NULL, out, sizeof *out);
}

static enum err book_by_id(struct store *store, const struct uuid *id, struct account_book *out)
{
    const struct records *records = memory_begin(store);

    return answer_book(store, memory_account_by_id(records, id), out);
}

static enum err book_by_number(struct store *store, int64_t number, struct account_book *out)
{
    const struct records *records = memory_begin(store);

    return answer_book(store, memory_find(records, TABLE_ACCOUNT, number), out);
}

/* The account with what comes from its customer and from who opened it. */
static void account_join(const struct records *records, const struct account *row,
                         struct account *out)
{
    const struct customer *customer = memory_find(records, TABLE_CUSTOMER, row->book.customer);
    const struct user     *user = memory_find(records, TABLE_USER, row->book.opened_by);

    *out = *row;
    if (customer != NULL) {
        memcpy(out->holder, customer->name, sizeof out->holder);
        out->customer_id = customer->customer_id;
    }
    if (user != NULL)
        out->opened_by_id = user->user_id;
}

static enum err answer_account(struct store *store, const struct records *records,
                               const struct account *row, struct account *out)
{
    if (row != NULL)
        account_join(records, row, out);
    memory_end(store);
    return row != NULL ? ERR_none : ERR_not_found;
}

static enum err account_name(struct store *store, int64_t number, struct uuid *id, char *name)
{
    const struct account *row = memory_find(memory_begin(store), TABLE_ACCOUNT, number);

    if (row != NULL) {
        *id = row->book.account_id;
        memcpy(name, row->name, sizeof row->name);
    }
    memory_end(store);
    return row != NULL ? ERR_none : ERR_not_found;
}

static enum err account_by_number(struct store *store, int64_t number, struct account *out)
{
    const struct records *records = memory_begin(store);

    return answer_account(store, records, memory_find(records, TABLE_ACCOUNT, number), out);
}

static enum err account_by_external(struct store *store, struct slice id, struct account *out)
{
    const struct records *records = memory_begin(store);
    const struct account *found = NULL;

    for (size_t i = 0; id.n > 0 && i < memory_count(records, TABLE_ACCOUNT); i++) {
        const struct account *account = memory_row(records, TABLE_ACCOUNT, i);

        if (slice_is(id, account->external_id))
            found = account;
    }
    return answer_account(store, records, found, out);
}

static enum err account_of_bank(struct store *store, int32_t kind, uint16_t currency,
                                struct account_book *out)
{
    const struct records *records = memory_begin(store);
    const struct account *found = NULL;

    for (size_t i = 0; kind != ACCOUNT_CUSTOMER && i < memory_count(records, TABLE_ACCOUNT); i++) {
        const struct account *account = memory_row(records, TABLE_ACCOUNT, i);

        if (account->book.kind == kind && account->book.currency == currency)
            found = account;
    }
    return answer_book(store, found, out);
}

static enum err party_by_key(struct store *store, struct slice key, struct party *out)
{
    const struct records *records = memory_begin(store);

    return answer(store, memory_party_by_key(records, key), out, sizeof *out);
}

static enum err party_by_number(struct store *store, int64_t number, struct party *out)
{
    return by_number(store, TABLE_PARTY, number, out, sizeof *out);
}

static enum err transaction_by_id(struct store *store, const struct uuid *id,
                                  struct transaction *out)
{
    const struct records *records = memory_begin(store);

    return answer(store, memory_transaction_by_id(records, id), out, sizeof *out);
}

static enum err transaction_by_sequence(struct store *store, int64_t sequence,
                                        struct transaction *out)
{
    return by_number(store, TABLE_TRANSACTION, sequence, out, sizeof *out);
}

static enum err alert_by_id(struct store *store, const struct uuid *id, struct alert *out)
{
    const struct records *records = memory_begin(store);
    const struct alert   *found = NULL;

    for (size_t i = 0; i < memory_count(records, TABLE_ALERT); i++) {
        const struct alert *alert = memory_row(records, TABLE_ALERT, i);

        if (uuid_equal(&alert->alert_id, id))
            found = alert;
    }
    return answer(store, found, out, sizeof *out);
}

static enum err alert_by_transaction(struct store *store, int64_t sequence, struct alert *out)
{
    const struct records *records = memory_begin(store);
    const struct alert   *found = NULL;

    for (size_t i = 0; i < memory_count(records, TABLE_HIT); i++) {
        const struct alert_hit *hit = memory_row(records, TABLE_HIT, i);

        if (hit->transaction == sequence)
            found = memory_find(records, TABLE_ALERT, hit->alert);
    }
    return answer(store, found, out, sizeof *out);
}

static enum err alerted_until(struct store *store, int64_t sequence, int64_t *out)
{
    const struct records *records = memory_begin(store);

    *out = 0;
    for (size_t i = 0; i < memory_count(records, TABLE_HIT); i++) {
        const struct alert_hit *hit = memory_row(records, TABLE_HIT, i);

        if (hit->transaction <= sequence && hit->transaction > *out)
            *out = hit->transaction;
    }
    memory_end(store);
    return ERR_none;
}

static enum err record_by_id(struct store *store, int32_t kind, const struct uuid *id,
                             struct record *out)
{
    const struct records *records = memory_begin(store);
    const struct record  *found = NULL;

    for (size_t i = 0; i < memory_count(records, TABLE_RECORD); i++) {
        const struct record *record = memory_row(records, TABLE_RECORD, i);

        if (record->kind == kind && uuid_equal(&record->id, id))
            found = record;
    }
    return answer(store, found, out, sizeof *out);
}

static enum err record_by_number(struct store *store, int64_t number, struct record *out)
{
    return by_number(store, TABLE_RECORD, number, out, sizeof *out);
}

static enum err label_by_transaction(struct store *store, int64_t sequence, struct label *out)
{
    const struct records *records = memory_begin(store);

    return answer(store, memory_label_of(records, sequence), out, sizeof *out);
}

static enum err audit_by_sequence(struct store *store, int64_t sequence, struct audit *out)
{
    return by_number(store, TABLE_AUDIT, sequence, out, sizeof *out);
}

static enum err rule_set_by_hash(struct store *store, const uint8_t hash[CHAIN_HASH_BYTES],
                                 struct rule_set *out)
{
    const struct records  *records = memory_begin(store);
    const struct rule_set *found = NULL;

    for (size_t i = memory_count(records, TABLE_RULE_SET); i-- > 0 && found == NULL;) {
        const struct memory_rules *rules = memory_row(records, TABLE_RULE_SET, i);

        if (memcmp(rules->set.hash, hash, CHAIN_HASH_BYTES) == 0)
            found = &rules->set;
    }
    return answer(store, found, out, sizeof *out);
}

static enum err rule_sets(struct store *store, const struct rule_set_filter *filter,
                          store_visit *visit, void *context)
{
    const struct records *records = memory_begin(store);

    for (size_t i = memory_count(records, TABLE_RULE_SET); i-- > 0;) {
        const struct memory_rules *rules = memory_row(records, TABLE_RULE_SET, i);

        if ((filter->before_number != 0 && rules->set.number >= filter->before_number) ||
            (filter->state != 0 && rules->set.state != filter->state))
            continue;
        if (!visit(context, &rules->set))
            break;
    }
    memory_end(store);
    return ERR_none;
}

static enum err rule_set_get(struct store *store, int64_t number, struct rule_set *out,
                             struct buf *text, struct buf *card)
{
    const struct memory_rules *rules = memory_find(memory_begin(store), TABLE_RULE_SET, number);
    enum err                   err = ERR_none;

    if (rules != NULL && text != NULL)
        err = buf_add(text, rules->text, rules->n);
    if (rules != NULL && card != NULL && err == ERR_none)
        err = buf_add(card, rules->text + rules->n, rules->card_n);
    if (err != ERR_none) {
        memory_end(store);
        return err;
    }
    return answer(store, rules != NULL ? &rules->set : NULL, out, sizeof *out);
}

static enum err profile_get(struct store *store, int64_t entity, int64_t *last_sequence,
                            void *bytes, size_t size, size_t *n)
{
    const struct memory_profile *profile = memory_profile_of(memory_begin(store), entity);

    if (profile != NULL) {
        *last_sequence = profile->last_sequence;
        *n = profile->n < size ? profile->n : size;
        memset(bytes, 0, size);
        memcpy(bytes, profile->bytes, *n);
    }
    memory_end(store);
    return profile != NULL ? ERR_none : ERR_not_found;
}

/* --- many rows ------------------------------------------------------------------------------- */

static enum err visit_up(struct store *store, enum memory_table table, store_visit *visit,
                         void *context)
{
    const struct records *records = memory_begin(store);

    for (size_t i = 0; i < memory_count(records, table); i++)
        if (!visit(context, memory_row(records, table, i)))
            break;
    memory_end(store);
    return ERR_none;
}

static enum err users(struct store *store, store_visit *visit, void *context)
{
    return visit_up(store, TABLE_USER, visit, context);
}

static enum err parties(struct store *store, store_visit *visit, void *context)
{
    return visit_up(store, TABLE_PARTY, visit, context);
}

static enum err signed_heads(struct store *store, int64_t behind, store_visit *visit, void *context)
{
    const struct records *records = memory_begin(store);

    for (size_t i = 0; i < memory_count(records, TABLE_SIGNED_HEAD); i++) {
        const struct signed_head *head = memory_row(records, TABLE_SIGNED_HEAD, i);

        if (head->head.sequence > behind && !visit(context, head))
            break;
    }
    memory_end(store);
    return ERR_none;
}

static enum err customers(struct store *store, int64_t before_number, struct slice search,
                          store_visit *visit, void *context)
{
    const struct records *records = memory_begin(store);

    for (size_t i = memory_count(records, TABLE_CUSTOMER); i-- > 0;) {
        const struct customer *customer = memory_row(records, TABLE_CUSTOMER, i);

        if ((before_number == 0 || customer->number < before_number) &&
            customer_found(search, customer) && !visit(context, customer))
            break;
    }
    memory_end(store);
    return ERR_none;
}

static enum err accounts(struct store *store, const struct account_filter *filter,
                         store_visit *visit, void *context)
{
    const struct records *records = memory_begin(store);
    struct account        account;

    for (size_t i = memory_count(records, TABLE_ACCOUNT); i-- > 0;) {
        account_join(records, memory_row(records, TABLE_ACCOUNT, i), &account);
        if (account_matches(filter, &account) && !visit(context, &account))
            break;
    }
    memory_end(store);
    return ERR_none;
}

static bool transaction_shown(const struct records            *records,
                              const struct transaction_filter *filter,
                              const struct transaction        *transaction)
{
    const struct party *party = memory_find(records, TABLE_PARTY, transaction->party);

    return transaction_matches(filter, transaction) &&
           transaction_found(filter, transaction, party != NULL ? party->key : "");
}

static enum err transactions(struct store *store, const struct transaction_filter *filter,
                             store_visit *visit, void *context, int64_t *stopped_at)
{
    const struct records *records = memory_begin(store);
    size_t                count = memory_count(records, TABLE_TRANSACTION);
    int64_t               from = filter->from_sequence;
    int64_t               stopped = 0;
    int64_t               scanned = 0;
    enum err              err = ERR_none;

    CHECK(filter->account == 0 || !filter->ascending);
    for (size_t i = 0; i < count && stopped == 0; i++) {
        const struct transaction *row =
            memory_row(records, TABLE_TRANSACTION, filter->ascending ? i : count - 1 - i);

        if (filter->cancel != NULL && atomic_load(filter->cancel)) {
            err = ERR_cancelled;
            break;
        }
        if (from > 0 && (filter->ascending ? row->sequence < from : row->sequence > from))
            continue;
        scanned++;
        if (transaction_shown(records, filter, row) && !visit(context, row))
            stopped = row->sequence;
        if (filter->scan_max != 0 && scanned >= filter->scan_max && i + 1 < count)
            stopped = row->sequence;
    }
    memory_end(store);
    if (stopped_at != NULL)
        *stopped_at = stopped;
    return err;
}

static int expiry_order(const void *a, const void *b)
{
    const struct transaction *left = *(const struct transaction *const *)a;
    const struct transaction *right = *(const struct transaction *const *)b;

    if (left->hold_expires_at_us != right->hold_expires_at_us)
        return left->hold_expires_at_us < right->hold_expires_at_us ? -1 : 1;
    return left->sequence < right->sequence ? -1 : left->sequence > right->sequence;
}

static int amount_order(const void *a, const void *b)
{
    const struct transaction *left = *(const struct transaction *const *)a;
    const struct transaction *right = *(const struct transaction *const *)b;

    if (left->amount != right->amount)
        return left->amount > right->amount ? -1 : 1;
    return left->sequence < right->sequence ? -1 : left->sequence > right->sequence;
}

/* Collects what `want` wants, sorts it, and shows at most `most`. */
static enum err visit_sorted(struct store *store,
                             bool (*want)(const struct transaction *, int64_t, int64_t), int64_t a,
                             int64_t b, int (*order)(const void *, const void *), size_t most,
                             store_visit *visit, void *context)
{
    const struct records      *records = memory_begin(store);
    size_t                     count = memory_count(records, TABLE_TRANSACTION);
    const struct transaction **found = calloc(count + 1, sizeof(const struct transaction *));
    size_t                     n = 0;

    if (found == NULL) {
        memory_end(store);
        return ERR_memory;
    }
    for (size_t i = 0; i < count; i++) {
        const struct transaction *transaction = memory_row(records, TABLE_TRANSACTION, i);

        if (want(transaction, a, b))
            found[n++] = transaction;
    }
    qsort(found, n, sizeof(const struct transaction *), order);
    for (size_t i = 0; i < n && i < most; i++)
        if (!visit(context, found[i]))
            break;
    free(found);
    memory_end(store);
    return ERR_none;
}

static bool wants_held(const struct transaction *transaction, int64_t before_us, int64_t unused)
{
    (void)unused;
    return transaction->status == STATUS_HELD &&
           (before_us == 0 || transaction->hold_expires_at_us < before_us);
}

static bool wants_top(const struct transaction *transaction, int64_t day, int64_t currency)
{
    return transaction->initial_status != STATUS_DECLINED && time_day(transaction->at_us) == day &&
           transaction->currency == currency;
}

static enum err held(struct store *store, int64_t expires_before_us, store_visit *visit,
                     void *context)
{
    return visit_sorted(store, wants_held, expires_before_us, 0, expiry_order, SIZE_MAX, visit,
                        context);
}

static enum err top(struct store *store, int32_t day, uint16_t currency, store_visit *visit,
                    void *context)
{
    return visit_sorted(store, wants_top, day, currency, amount_order, LIMIT_TOP_PER_DAY, visit,
                        context);
}

static int urgency_order(const void *a, const void *b)
{
    const struct alert *left = *(const struct alert *const *)a;
    const struct alert *right = *(const struct alert *const *)b;

    if (left->urgency != right->urgency)
        return left->urgency > right->urgency ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

static enum err alerts(struct store *store, const struct alert_filter *filter, store_visit *visit,
                       void *context)
{
    const struct records *records = memory_begin(store);
    size_t                count = memory_count(records, TABLE_ALERT);
    const struct alert  **found = calloc(count + 1, sizeof *found);
    size_t                n = 0;

    if (found == NULL) {
        memory_end(store);
        return ERR_memory;
    }
    for (size_t i = count; i-- > 0;) {
        const struct alert *alert = memory_row(records, TABLE_ALERT, i);

        if (alert_matches(filter, alert))
            found[n++] = alert;
    }
    if (filter->by_loss)
        qsort(found, n, sizeof *found, urgency_order);
    for (size_t i = 0; i < n && visit(context, found[i]); i++)
        continue;
    free(found);
    memory_end(store);
    return ERR_none;
}

static int hit_order(const void *a, const void *b)
{
    const struct alert_hit *left = a;
    const struct alert_hit *right = b;

    if (left->alert != right->alert)
        return left->alert < right->alert ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

static enum err alert_hits(struct store *store, int64_t alert, store_visit *visit, void *context)
{
    const struct records *records = memory_begin(store);
    size_t                count = memory_count(records, TABLE_HIT);
    struct alert_hit     *found = calloc(count + 1, sizeof *found);
    size_t                n = 0;

    if (found == NULL) {
        memory_end(store);
        return ERR_memory;
    }
    for (size_t i = 0; i < count; i++) {
        const struct alert_hit *hit = memory_row(records, TABLE_HIT, i);

        if (alert == 0 || hit->alert == alert)
            found[n++] = *hit;
    }
    qsort(found, n, sizeof *found, hit_order);
    for (size_t i = 0; i < n && visit(context, &found[i]); i++)
        continue;
    free(found);
    memory_end(store);
    return ERR_none;
}

/* The record that is due next behind the one that was visited last; NULL = none. */
static const struct record *next_due(const struct records       *records,
                                     const struct record_filter *filter, const struct record *last)
{
    const struct record *next = NULL;

    for (size_t i = 0; i < memory_count(records, TABLE_RECORD); i++) {
        const struct record *row = memory_row(records, TABLE_RECORD, i);
        bool                 behind = last == NULL || row->due_at_us > last->due_at_us ||
                      (row->due_at_us == last->due_at_us && row->number > last->number);

        if (record_matches(filter, row) && behind &&
            (next == NULL || row->due_at_us < next->due_at_us))
            next = row;
    }
    return next;
}

static enum err records_visit(struct store *store, const struct record_filter *filter,
                              store_visit *visit, void *context)
{
    const struct records *records = memory_begin(store);
    const struct record  *row = NULL;

    if (filter->due_before_us != 0) {
        row = next_due(records, filter, NULL);
        while (row != NULL && visit(context, row))
            row = next_due(records, filter, row);
        memory_end(store);
        return ERR_none;
    }
    for (size_t i = memory_count(records, TABLE_RECORD); i-- > 0;) {
        row = memory_row(records, TABLE_RECORD, i);
        if (record_matches(filter, row) && !visit(context, row))
            break;
    }
    memory_end(store);
    return ERR_none;
}

static enum err audits(struct store *store, const struct audit_filter *filter, store_visit *visit,
                       void *context, int64_t *stopped_at)
{
    const struct records *records = memory_begin(store);
    int64_t               stopped = 0;
    int64_t               scanned = 0;

    for (size_t i = memory_count(records, TABLE_AUDIT); i-- > 0 && stopped == 0;) {
        const struct audit *audit = memory_row(records, TABLE_AUDIT, i);

        if (filter->before_sequence != 0 && audit->sequence >= filter->before_sequence)
            continue;
        scanned++;
        if ((audit_matches(filter, audit) && !visit(context, audit)) ||
            (filter->scan_max != 0 && scanned >= filter->scan_max))
            stopped = audit->sequence;
    }
    memory_end(store);
    if (stopped_at != NULL)
        *stopped_at = stopped;
    return ERR_none;
}

static int rollup_order(const void *a, const void *b)
{
    const struct rollup_key *left = &((const struct rollup *)a)->key;
    const struct rollup_key *right = &((const struct rollup *)b)->key;

    if (left->bucket != right->bucket)
        return left->bucket < right->bucket ? -1 : 1;
    if (left->currency != right->currency)
        return left->currency < right->currency ? -1 : 1;
    return left->metric < right->metric ? -1 : left->metric > right->metric;
}

static enum err rollups(struct store *store, const struct rollup_range *range, store_visit *visit,
                        void *context)
{
    const struct records *records = memory_begin(store);
    size_t                count = memory_count(records, TABLE_ROLLUP);
    struct rollup        *found = calloc(count + 1, sizeof *found);
    size_t                n = 0;

    if (found == NULL) {
        memory_end(store);
        return ERR_memory;
    }
    for (size_t i = 0; i < count; i++) {
        const struct rollup *rollup = memory_row(records, TABLE_ROLLUP, i);

        if (rollup->key.scale == range->scale && rollup->key.bucket >= range->bucket_from &&
            rollup->key.bucket <= range->bucket_to &&
            (range->currency == ROLLUP_EVERY_CURRENCY || rollup->key.currency == range->currency))
            found[n++] = *rollup;
    }
    qsort(found, n, sizeof *found, rollup_order);
    for (size_t i = 0; i < n; i++)
        if (!visit(context, &found[i]))
            break;
    free(found);
    memory_end(store);
    return ERR_none;
}

static enum err days(struct store *store, int32_t *first, int32_t *last)
{
    const struct records *records = memory_begin(store);
    size_t                count = memory_count(records, TABLE_TRANSACTION);

    for (size_t i = 0; i < count; i++) {
        const struct transaction *transaction = memory_row(records, TABLE_TRANSACTION, i);
        int32_t                   day = (int32_t)time_day(transaction->at_us);

        *first = i == 0 || day < *first ? day : *first;
        *last = i == 0 || day > *last ? day : *last;
    }
    memory_end(store);
    return count > 0 ? ERR_none : ERR_not_found;
}

static int label_order(const void *a, const void *b)
{
    const struct label *left = a;
    const struct label *right = b;

    return left->transaction < right->transaction ? -1 : left->transaction > right->transaction;
}

static enum err labels(struct store *store, store_visit *visit, void *context)
{
    const struct records *records = memory_begin(store);
    size_t                n = memory_count(records, TABLE_LABEL);
    struct label         *sorted = calloc(n + 1, sizeof *sorted);

    if (sorted == NULL) {
        memory_end(store);
        return ERR_memory;
    }
    if (n > 0)
        memcpy(sorted, memory_row(records, TABLE_LABEL, 0), n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, label_order);
    for (size_t i = 0; i < n; i++)
        if (!visit(context, &sorted[i]))
            break;
    free(sorted);
    memory_end(store);
    return ERR_none;
}

const struct store_ops store_memory = {
    .version = 1,
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .apply = memory_apply,
    .numbers = memory_numbers,
    .checkpoint = memory_checkpoint,
    .backup = memory_backup,
    .user_by_email = user_by_email,
    .user_by_number = user_by_number,
    .customer_by_id = customer_by_id,
    .customer_by_external = customer_by_external,
    .customer_by_number = customer_by_number,
    .book_by_id = book_by_id,
    .book_by_number = book_by_number,
    .account_by_number = account_by_number,
    .account_name = account_name,
    .account_by_external = account_by_external,
    .account_of_bank = account_of_bank,
    .party_by_key = party_by_key,
    .party_by_number = party_by_number,
    .transaction_by_id = transaction_by_id,
    .transaction_by_sequence = transaction_by_sequence,
    .alert_by_id = alert_by_id,
    .alert_by_transaction = alert_by_transaction,
    .alerted_until = alerted_until,
    .label_by_transaction = label_by_transaction,
    .audit_by_sequence = audit_by_sequence,
    .record_by_id = record_by_id,
    .record_by_number = record_by_number,
    .rule_set_get = rule_set_get,
    .rule_set_by_hash = rule_set_by_hash,
    .profile_get = profile_get,
    .users = users,
    .customers = customers,
    .accounts = accounts,
    .parties = parties,
    .transactions = transactions,
    .held = held,
    .alerts = alerts,
    .alert_hits = alert_hits,
    .audits = audits,
    .records = records_visit,
    .rule_sets = rule_sets,
    .rollups = rollups,
    .days = days,
    .top = top,
    .labels = labels,
    .signed_heads = signed_heads,
    .snapshot_begin = memory_snapshot_begin,
    .snapshot_end = memory_snapshot_end,
    .health = memory_health,
    .changed = memory_changed,
    .integrity = memory_integrity,
};
