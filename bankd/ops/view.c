/* See view.h. Facts and the message are apart, so that the writer, which has the names and the
 * verdict at hand, answers a post without reading anything. A record that a row refers to must be
 * there: when it is not, the books are broken and the caller is told so. */
#include "bankd/ops/view.h"

#include "bankd/alert.h"
#include "bankd/ledger/ledger.h"
#include "bankd/ops/page.h"
#include "bankd/record.h"
#include "bankd/writer.h"
#include "common/check.h"
#include "common/money.h"

#include <string.h>

/* --- what a row refers to ------------------------------------------------------------------- */

static enum err must_be_there(enum err err)
{
    return err == ERR_not_found ? ERR_books_broken : err;
}

/* From the names that readers share. When there is no room for it the store's answer fails too. */
static bool known_name(struct request *request, enum names_kind kind, int64_t number,
                       struct uuid *id, struct slice *text)
{
    struct name name;
    if (request->names_version == 0 ||
        !names_get(request->bank->names, kind, number, request->names_version, &name) ||
        page_keep(request, slice_of(name.text, name.n), text) != ERR_none)
        return false;
    *id = name.id;
    return true;
}

static void tell_name(struct request *request, enum names_kind kind, int64_t number,
                      const struct uuid *id, struct slice text)
{
    if (request->names_version != 0)
        names_put(request->bank->names, kind, number, request->names_version, id, text);
}

static enum err account_name(struct request *request, struct view_cache *cache, int64_t number,
                             struct uuid *id, struct slice *name)
{
    size_t place = cache != NULL ? (size_t)((uint64_t)number % VIEW_NAMES_MAX) : 0;
    if (cache != NULL && cache->names[place].account == number) {
        *id = cache->names[place].id;
        *name = cache->names[place].name;
        return ERR_none;
    }
    if (!known_name(request, NAMES_ACCOUNT, number, id, name)) {
        char text[LIMIT_NAME_MAX + 1];
        TRY(must_be_there(request->store->ops->account_name(request->store, number, id, text)));
        if (text[0] == '\0') { /* then its holder's */
            struct account row;
            TRY(must_be_there(
                request->store->ops->account_by_number(request->store, number, &row)));
            memcpy(text, row.holder, sizeof(text));
        }
        TRY(page_keep(request, slice_from(text), name));
        tell_name(request, NAMES_ACCOUNT, number, id, *name);
    }
    if (cache != NULL) {
        cache->names[place].account = number;
        cache->names[place].id = *id;
        cache->names[place].name = *name;
    }
    return ERR_none;
}

static enum err user_email(struct request *request, struct view_cache *cache, int64_t number,
                           struct slice *out)
{
    struct user row;
    *out = slice_of("", 0);
    if (number == 0)
        return ERR_none;
    if (cache != NULL && cache->user == number) {
        *out = cache->user_email;
        return ERR_none;
    }
    TRY(must_be_there(request->store->ops->user_by_number(request->store, number, &row)));
    TRY(page_keep(request, slice_from(row.email), out));
    if (cache != NULL) {
        cache->user = number;
        cache->user_email = *out;
    }
    return ERR_none;
}

static enum err transaction_id(struct request *request, int64_t sequence, struct uuid *out)
{
    struct transaction row;
    if (sequence == 0)
        return ERR_none;
    if (request->writer != NULL)
        return must_be_there(writer_transaction_id(request->writer, sequence, out));
    struct store *store = request->store;
    TRY(must_be_there(store->ops->transaction_by_sequence(store, sequence, &row)));
    *out = row.transaction_id;
    return ERR_none;
}

static enum err party_key(struct request *request, int64_t number, struct slice *out)
{
    struct party row;
    struct uuid none = {0};
    if (number == 0 || known_name(request, NAMES_PARTY, number, &none, out))
        return ERR_none;
    TRY(must_be_there(request->store->ops->party_by_number(request->store, number, &row)));
    TRY(page_keep(request, slice_from(row.key), out));
    tell_name(request, NAMES_PARTY, number, &none, *out);
    return ERR_none;
}

/* The reasons once more, from the stored decision and the rules that made it. */
static enum err explain(struct request *request, const struct transaction *row,
                        struct fraud_verdict *out)
{
    const struct fraud_rules *rules = NULL;
    TRY(must_be_there(bank_rules(request->bank, request->store, row->rule_set, &rules)));
    bool good = fraud_explain(rules, row->decision, row->decision_size, out);
    bank_rules_release(request->bank, rules);
    return good ? ERR_none : ERR_books_broken;
}

/* Few transactions are of an alert, so one look-up usually speaks for many rows of a page: it says
 * how far back there is none. Asking for each of 50 rows was an eighth of a page's instructions. */
static enum err alert_of(struct request *request, struct view_cache *cache, int64_t sequence,
                         struct uuid *out)
{
    struct store *store = request->store;
    struct alert alert;
    int64_t found = sequence;
    if (cache != NULL && sequence >= cache->alerted_from && sequence < cache->alerted_until)
        return ERR_none;
    if (cache != NULL) {
        TRY(store->ops->alerted_until(store, sequence, &found));
        cache->alerted_from = found + 1;
        cache->alerted_until = sequence + 1;
    }
    if (found != sequence)
        return ERR_none;
    enum err err = store->ops->alert_by_transaction(store, sequence, &alert);
    if (err == ERR_none)
        *out = alert.alert_id;
    return err == ERR_not_found ? ERR_none : err;
}

static enum err read_facts(struct request *request, struct view_cache *cache,
                           const struct transaction *row, struct fraud_verdict *verdict,
                           struct view_facts *out)
{
    memset(out, 0, sizeof(*out));
    TRY(account_name(request, cache, row->debit, &out->debit_id, &out->debit_name));
    TRY(account_name(request, cache, row->credit, &out->credit_id, &out->credit_name));
    TRY(party_key(request, row->party, &out->party));
    TRY(user_email(request, cache, row->posted_by, &out->posted_by));
    TRY(transaction_id(request, row->reversal_of, &out->reversal_of));
    TRY(transaction_id(request, row->reversed_by, &out->reversed_by));
    if (row->rule_set == 0)
        return ERR_none;
    TRY(alert_of(request, cache, row->sequence, &out->alert_id));
    if (verdict != NULL) {
        TRY(explain(request, row, verdict));
        out->verdict = verdict;
    }
    return ERR_none;
}

enum err view_transaction_facts(struct request *request, const struct transaction *row,
                                bool with_reasons, struct view_facts *out)
{
    void *verdict = NULL;
    if (with_reasons && row->rule_set != 0)
        TRY(page_take(request, sizeof(struct fraud_verdict), &verdict));
    return read_facts(request, NULL, row, verdict, out);
}

enum err view_listed_facts(struct request *request, struct view_cache *cache,
                           const struct transaction *row, bool with_reasons, struct view_facts *out)
{
    return read_facts(request, cache, row, with_reasons ? &cache->verdict : NULL, out);
}

void view_expect(const struct request *request, const struct transaction *rows, size_t count)
{
    if (request->names_version == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        names_expect(request->bank->names, NAMES_ACCOUNT, rows[i].debit);
        names_expect(request->bank->names, NAMES_ACCOUNT, rows[i].credit);
    }
}

/* --- transactions --------------------------------------------------------------------------- */

static struct slice currency_code(uint16_t number)
{
    const struct currency *currency = currency_by_number(number);
    return slice_from(currency != NULL ? currency->code : "???");
}

/* The names of the rules are in the set that judged. */
/* What the suppression says that a rule was silenced by. One that is planned in this very group is
 * not in the store yet, and then its number must do. */
static enum err tell_why(struct request *request, int64_t number, struct msg_reason *out)
{
    struct msg_suppression said;
    struct record row;
    struct slice why;
    enum err err = request->store->ops->record_by_number(request->store, number, &row);

    if (err == ERR_not_found)
        return ERR_none;
    TRY(err);
    TRY(record_read(&row, &message_suppression, &said, request->arena));
    TRY(page_keep(request, said.reason, &why));
    MSG_SET(out, reason, why, why);
    return ERR_none;
}

static enum err name_reasons(struct request *request, const struct fraud_rules *rules,
                             const struct fraud_verdict *verdict, struct msg_reason *rows)
{
    for (size_t i = 0; i < verdict->reason_count; i++) {
        const struct fraud_reason *reason = &verdict->reasons[i];
        struct slice rule;
        struct slice text;
        TRY(page_keep(request, slice_from(fraud_rules_name(rules, reason->rule)), &rule));
        TRY(page_keep(request, slice_from(reason->text), &text));
        MSG_SET(&rows[i], reason, rule, rule);
        MSG_SET(&rows[i], reason, points, reason->points);
        MSG_SET(&rows[i], reason, text, text);
        if (reason->effect == FRAUD_SUPPRESSED)
            TRY(tell_why(request, reason->number, &rows[i]));
    }
    return ERR_none;
}

static enum err view_reasons(struct request *request, int64_t rule_set,
                             const struct fraud_verdict *verdict, struct msg_reason **at,
                             size_t *count)
{
    *at = NULL;
    *count = 0;
    if (rule_set == 0 || verdict == NULL || verdict->reason_count == 0)
        return ERR_none;
    void *memory = NULL;
    TRY(page_take(request, verdict->reason_count * sizeof(struct msg_reason), &memory));
    const struct fraud_rules *rules = NULL;
    TRY(must_be_there(bank_rules(request->bank, request->store, rule_set, &rules)));
    enum err err = name_reasons(request, rules, verdict, memory);
    bank_rules_release(request->bank, rules);
    TRY(err);
    *at = memory;
    *count = verdict->reason_count;
    return ERR_none;
}

/* A fact that was read for this request lies in its arena already and stays as it is, so that the
 * rows of a list share the names of their accounts; a caller's own is copied. */
static enum err keep_fact(struct request *request, struct slice text, struct slice *out)
{
    uintptr_t start = (uintptr_t)request->arena->at;
    uintptr_t at = (uintptr_t)text.at;
    if (text.n > 0 && at >= start && at < start + request->arena->used) {
        *out = text;
        return ERR_none;
    }
    return page_keep(request, text, out);
}

static enum err view_sides(struct request *request, const struct transaction *row,
                           const struct view_facts *facts, struct msg_transaction *out)
{
    struct slice debit_name;
    struct slice credit_name;
    TRY(keep_fact(request, facts->debit_name, &debit_name));
    TRY(keep_fact(request, facts->credit_name, &credit_name));
    bool in = row->incoming;
    MSG_SET(out, transaction, account_id, in ? facts->credit_id : facts->debit_id);
    MSG_SET(out, transaction, account_name, in ? credit_name : debit_name);
    MSG_SET(out, transaction, balance, in ? row->credit_balance : row->debit_balance);
    MSG_SET(out, transaction, counterparty_account_id, in ? facts->debit_id : facts->credit_id);
    MSG_SET(out, transaction, counterparty_name, in ? debit_name : credit_name);
    MSG_SET(out, transaction, counterparty_balance, in ? row->debit_balance : row->credit_balance);
    MSG_SET(out, transaction, incoming, in);
    return ERR_none;
}

static enum err view_texts(struct request *request, const struct transaction *row,
                           const struct view_facts *facts, struct msg_transaction *out)
{
    struct slice text;
    if (row->external_id[0] != '\0') {
        TRY(page_keep(request, slice_from(row->external_id), &text));
        MSG_SET(out, transaction, external_id, text);
    }
    if (row->description[0] != '\0') {
        TRY(page_keep(request, slice_from(row->description), &text));
        MSG_SET(out, transaction, description, text);
    }
    if (facts->party.n > 0) {
        TRY(keep_fact(request, facts->party, &text));
        MSG_SET(out, transaction, counterparty, text);
    }
    if (facts->posted_by.n > 0) {
        TRY(keep_fact(request, facts->posted_by, &text));
        MSG_SET(out, transaction, posted_by, text);
    }
    return ERR_none;
}

enum err view_transaction(struct request *request, const struct transaction *row,
                          const struct view_facts *facts, struct msg_transaction *out)
{
    memset(out, 0, sizeof(*out));
    MSG_SET(out, transaction, transaction_id, row->transaction_id);
    MSG_SET(out, transaction, sequence, row->sequence);
    MSG_SET(out, transaction, type, row->type);
    MSG_SET(out, transaction, status, row->status);
    MSG_SET(out, transaction, amount, row->amount);
    MSG_SET(out, transaction, currency, currency_code(row->currency));
    MSG_SET(out, transaction, timestamp, row->at_us);
    MSG_SET(out, transaction, posted_at, row->posted_at_us);
    MSG_SET(out, transaction, verdict, row->verdict);
    MSG_SET(out, transaction, score, row->score);
    MSG_SET(out, transaction, fraud_flag, row->flagged);
    TRY(view_sides(request, row, facts, out));
    TRY(view_texts(request, row, facts, out));
    TRY(view_reasons(request, row->rule_set, facts->verdict, &out->reasons.at,
                     &out->reasons.count));
    if (!uuid_is_zero(&facts->reversal_of))
        MSG_SET(out, transaction, reversal_of, facts->reversal_of);
    if (!uuid_is_zero(&facts->reversed_by))
        MSG_SET(out, transaction, reversed_by, facts->reversed_by);
    if (!uuid_is_zero(&facts->alert_id))
        MSG_SET(out, transaction, alert_id, facts->alert_id);
    if (row->status == STATUS_HELD && row->hold_expires_at_us != 0)
        MSG_SET(out, transaction, hold_expires_at, row->hold_expires_at_us);
    return ERR_none;
}

/* Names of the fields, ids and numbers. */
enum { TRANSACTION_BYTES = 768, ALERT_BYTES = 784, HIT_BYTES = 224, REASON_BYTES = 32 };

static size_t reasons_size(const struct msg_reason *at, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += REASON_BYTES + at[i].rule.n + at[i].text.n + at[i].why.n;
    return n;
}

size_t view_transaction_size(const struct msg_transaction *message)
{
    return TRANSACTION_BYTES + message->external_id.n + message->account_name.n +
           message->counterparty_name.n + message->counterparty.n + message->description.n +
           message->posted_by.n + reasons_size(message->reasons.at, message->reasons.count);
}

/* --- accounts and customers ----------------------------------------------------------------- */

static enum err view_freeze(struct request *request, const struct account *row,
                            struct msg_account *out)
{
    struct slice text;
    if (row->book.status != ACCOUNT_FROZEN)
        return ERR_none;
    MSG_SET(out, account, freeze_direction, row->book.freeze_direction);
    if (row->freeze_reason[0] != '\0') {
        TRY(page_keep(request, slice_from(row->freeze_reason), &text));
        MSG_SET(out, account, freeze_reason, text);
    }
    if (row->freeze_authority[0] != '\0') {
        TRY(page_keep(request, slice_from(row->freeze_authority), &text));
        MSG_SET(out, account, freeze_authority, text);
    }
    if (row->book.freeze_until_us != 0)
        MSG_SET(out, account, freeze_until, row->book.freeze_until_us);
    return ERR_none;
}

static enum err view_owner(struct request *request, const struct account *row,
                           struct msg_account *out)
{
    struct slice text;
    if (row->external_id[0] != '\0') {
        TRY(page_keep(request, slice_from(row->external_id), &text));
        MSG_SET(out, account, external_id, text);
    }
    if (!uuid_is_zero(&row->customer_id))
        MSG_SET(out, account, customer_id, row->customer_id);
    if (row->holder[0] != '\0') {
        TRY(page_keep(request, slice_from(row->holder), &text));
        MSG_SET(out, account, holder, text);
    }
    if (!uuid_is_zero(&row->opened_by_id))
        MSG_SET(out, account, user_id, row->opened_by_id);
    TRY(page_keep(request, slice_from(row->name[0] != '\0' ? row->name : row->holder), &text));
    MSG_SET(out, account, name, text);
    return ERR_none;
}

enum err view_account(struct request *request, const struct account *row, struct msg_account *out)
{
    const struct account_book *book = &row->book;
    memset(out, 0, sizeof(*out));
    MSG_SET(out, account, account_id, book->account_id);
    MSG_SET(out, account, kind, book->kind);
    MSG_SET(out, account, currency, currency_code(book->currency));
    MSG_SET(out, account, status, book->status);
    MSG_SET(out, account, balance, book->balance);
    MSG_SET(out, account, held, book->held);
    MSG_SET(out, account, available, ledger_available(book));
    MSG_SET(out, account, overdraft_limit, book->overdraft_limit);
    MSG_SET(out, account, transactions, book->transactions);
    MSG_SET(out, account, created_at, book->created_at_us);
    if (book->last_sequence != 0)
        MSG_SET(out, account, last_activity_at, book->last_at_us);
    TRY(view_owner(request, row, out));
    return view_freeze(request, row, out);
}

enum err view_customer(struct request *request, const struct customer *row,
                       struct msg_customer *out)
{
    struct slice text;
    memset(out, 0, sizeof(*out));
    MSG_SET(out, customer, customer_id, row->customer_id);
    MSG_SET(out, customer, verified, row->verified);
    MSG_SET(out, customer, created_at, row->created_at_us);
    TRY(page_keep(request, slice_from(row->name), &text));
    MSG_SET(out, customer, name, text);
    if (row->external_id[0] != '\0') {
        TRY(page_keep(request, slice_from(row->external_id), &text));
        MSG_SET(out, customer, external_id, text);
    }
    if (row->email[0] != '\0') {
        TRY(page_keep(request, slice_from(row->email), &text));
        MSG_SET(out, customer, email, text);
    }
    if (row->country[0] != '\0') {
        TRY(page_keep(request, slice_from(row->country), &text));
        MSG_SET(out, customer, country, text);
    }
    return ERR_none;
}

enum err view_user(struct request *request, int64_t number, struct slice *out)
{
    *out = slice_from("system");
    return number != 0 ? user_email(request, NULL, number, out) : ERR_none;
}

/* --- alerts --------------------------------------------------------------------------------- */

static enum err view_lock(struct request *request, const struct alert *row, struct msg_alert *out)
{
    struct slice text;
    int32_t state = out->state;
    if (state == ALERT_SNOOZED)
        MSG_SET(out, alert, snoozed_until, row->snoozed_until_us);
    if (row->assigned_to == 0 || (state != ALERT_TAKEN && state != ALERT_DECIDED))
        return ERR_none;
    TRY(user_email(request, NULL, row->assigned_to, &text));
    MSG_SET(out, alert, assigned_to, text);
    MSG_SET(out, alert, taken_at, row->taken_at_us);
    if (state == ALERT_TAKEN)
        MSG_SET(out, alert, lock_until, row->lock_until_us);
    return ERR_none;
}

static enum err view_handling(struct request *request, const struct alert *row,
                              struct msg_alert *out)
{
    struct slice text;
    TRY(view_lock(request, row, out));
    if (row->decision != 0)
        MSG_SET(out, alert, decision, row->decision);
    if (row->decided_by != 0) {
        TRY(user_email(request, NULL, row->decided_by, &text));
        MSG_SET(out, alert, decided_by, text);
    }
    if (row->decided_at_us != 0)
        MSG_SET(out, alert, decided_at, row->decided_at_us);
    if (row->undo_until_us > request->now_us)
        MSG_SET(out, alert, undo_until, row->undo_until_us);
    if (row->note[0] != '\0') {
        TRY(page_keep(request, slice_from(row->note), &text));
        MSG_SET(out, alert, note, text);
    }
    return ERR_none;
}

/* What joined in the very group that is being planned is not in the store yet. */
static enum err alert_row(struct request *request, const struct alert *alert, int64_t sequence,
                          struct transaction *out)
{
    struct store *store = request->store;
    if (request->writer != NULL)
        return must_be_there(writer_alert_row(request->writer, alert->account, sequence, out));
    return must_be_there(store->ops->transaction_by_sequence(store, sequence, out));
}

/* The verdict is of the stack: only its texts are kept, and those are copied. */
static enum err view_cause(struct request *request, const struct alert *row, struct msg_alert *out)
{
    struct transaction cause;
    struct fraud_verdict verdict;
    TRY(alert_row(request, row, row->transaction, &cause));
    MSG_SET(out, alert, transaction_id, cause.transaction_id);
    MSG_SET(out, alert, type, cause.type);
    MSG_SET(out, alert, status, cause.status);
    MSG_SET(out, alert, amount, cause.amount);
    MSG_SET(out, alert, currency, currency_code(cause.currency));
    MSG_SET(out, alert, verdict, cause.verdict);
    if (cause.rule_set == 0)
        return ERR_none;
    TRY(explain(request, &cause, &verdict));
    return view_reasons(request, cause.rule_set, &verdict, &out->reasons.at, &out->reasons.count);
}

/* One transaction of the alert into its sums; a sum that does not fit stays at the largest. */
static void count_hit(struct msg_alert *out, int64_t amount, int32_t status)
{
    if (!money_add(out->amount_total, amount, &out->amount_total))
        out->amount_total = INT64_MAX;
    if (status != STATUS_HELD)
        return;
    out->held_count++;
    if (!money_add(out->held_amount, amount, &out->held_amount))
        out->held_amount = INT64_MAX;
}

static enum err view_hits(struct request *request, const struct alert *row,
                          const struct alert_hits *hits, struct msg_alert *out)
{
    void *items = NULL;
    TRY(page_take(request, (hits->count + 1) * sizeof(struct msg_alert_hit), &items));
    struct msg_alert_hit *at = items;
    for (size_t i = 0; i < hits->count; i++) {
        const struct alert_hit *hit = &hits->rows[i];
        struct transaction moved;
        TRY(alert_row(request, row, hit->transaction, &moved));
        int32_t status = hits->status[i] != 0 ? hits->status[i] : moved.status;
        memset(&at[i], 0, sizeof(at[i]));
        MSG_SET(&at[i], alert_hit, transaction_id, moved.transaction_id);
        MSG_SET(&at[i], alert_hit, type, moved.type);
        MSG_SET(&at[i], alert_hit, status, status);
        MSG_SET(&at[i], alert_hit, amount, moved.amount);
        MSG_SET(&at[i], alert_hit, currency, currency_code(moved.currency));
        MSG_SET(&at[i], alert_hit, score, hit->score);
        MSG_SET(&at[i], alert_hit, timestamp, moved.at_us);
        MSG_SET(&at[i], alert_hit, expected_loss, hit->loss);
        if (hit->finding != 0)
            MSG_SET(&at[i], alert_hit, decision, hit->finding);
        if (hit->transaction == row->transaction)
            out->status = status;
        count_hit(out, moved.amount, status);
    }
    out->hits.at = at;
    out->hits.count = hits->count;
    return ERR_none;
}

/* The sums of an alert whose transactions are not shown. */
static enum err view_sums(struct request *request, const struct alert *row, struct msg_alert *out)
{
    struct alert_hits hits;
    struct store *store = request->store;
    if (row->hits == 1) {
        count_hit(out, out->amount, out->status);
        return ERR_none;
    }
    TRY(view_load_hits(request, row, &hits));
    for (size_t i = 0; i < hits.count; i++) {
        struct transaction moved;
        TRY(must_be_there(
            store->ops->transaction_by_sequence(store, hits.rows[i].transaction, &moved)));
        count_hit(out, moved.amount, moved.status);
    }
    return ERR_none;
}

static bool collect_hit(void *context, const void *row)
{
    struct alert_hits *hits = context;
    hits->rows[hits->count++] = *(const struct alert_hit *)row;
    return hits->count < LIMIT_ALERT_HITS_MAX;
}

enum err view_load_hits(struct request *request, const struct alert *row, struct alert_hits *out)
{
    struct store *store = request->store;
    memset(out, 0, sizeof(*out));
    return store->ops->alert_hits(store, row->number, collect_hit, out);
}

enum err view_alert(struct request *request, const struct alert *row,
                    const struct alert_hits *hits, struct msg_alert *out)
{
    struct uuid account_id;
    struct slice name;
    memset(out, 0, sizeof(*out));
    TRY(account_name(request, NULL, row->account, &account_id, &name));
    MSG_SET(out, alert, alert_id, row->alert_id);
    MSG_SET(out, alert, account_id, account_id);
    MSG_SET(out, alert, account_name, name);
    MSG_SET(out, alert, score, row->score);
    MSG_SET(out, alert, expected_loss, row->expected_loss);
    MSG_SET(out, alert, hit_count, row->hits);
    MSG_SET(out, alert, state, alert_state_at(row, request->now_us));
    MSG_SET(out, alert, created_at, row->created_at_us);
    MSG_SET(out, alert, due_at, row->due_at_us);
    MSG_SET(out, alert, notes, row->notes);
    TRY(view_cause(request, row, out));
    TRY(view_handling(request, row, out));
    return hits != NULL ? view_hits(request, row, hits, out) : view_sums(request, row, out);
}

size_t view_alert_size(const struct msg_alert *message)
{
    return ALERT_BYTES + message->account_name.n + message->assigned_to.n + message->decided_by.n +
           message->note.n + reasons_size(message->reasons.at, message->reasons.count) +
           message->hits.count * HIT_BYTES;
}
