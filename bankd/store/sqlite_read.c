/* Reading: rows into structs, and the calls that find one row.
 *
 * The read_* functions take columns in the order of the column lists in sqlite_sql.def. Texts
 * and blobs are cut to the struct's size, so a damaged file cannot write past it. */
#include <sqlite3.h>

#include "bankd/store/sqlite.h"

#include <string.h>

#include "common/check.h"

static void read_uuid(struct row *row, struct uuid *out)
{
    row_bytes(row, out->bytes, sizeof out->bytes);
}

void read_user(struct row *row, struct user *out)
{
    out->number = row_int(row);
    read_uuid(row, &out->user_id);
    row_text(row, out->email, sizeof out->email);
    row_text(row, out->name, sizeof out->name);
    row_text(row, out->password_hash, sizeof out->password_hash);
    out->role = (enum role)row_int(row);
    out->disabled = row_int(row) != 0;
    out->created_at_us = row_int(row);
}

void read_customer(struct row *row, struct customer *out)
{
    out->number = row_int(row);
    read_uuid(row, &out->customer_id);
    row_text(row, out->external_id, sizeof out->external_id);
    row_text(row, out->name, sizeof out->name);
    row_text(row, out->email, sizeof out->email);
    row_text(row, out->country, sizeof out->country);
    out->verified = row_int(row) != 0;
    out->created_at_us = row_int(row);
}

void read_book(struct row *row, struct account_book *out)
{
    out->number = row_int(row);
    read_uuid(row, &out->account_id);
    out->customer = row_int(row);
    out->opened_by = row_int(row);
    out->kind = (int32_t)row_int(row);
    out->status = (int32_t)row_int(row);
    out->freeze_direction = (int32_t)row_int(row);
    out->currency = (uint16_t)row_int(row);
    out->freeze_until_us = row_int(row);
    out->overdraft_limit = row_int(row);
    out->created_at_us = row_int(row);
    out->balance = row_int(row);
    out->held = row_int(row);
    out->version = row_int(row);
    out->last_sequence = row_int(row);
    out->last_at_us = row_int(row);
    out->transactions = row_int(row);
}

void read_account(struct row *row, struct account *out)
{
    read_book(row, &out->book);
    row_text(row, out->external_id, sizeof out->external_id);
    row_text(row, out->name, sizeof out->name);
    row_text(row, out->holder, sizeof out->holder);
    read_uuid(row, &out->customer_id);
    read_uuid(row, &out->opened_by_id);
    row_text(row, out->freeze_reason, sizeof out->freeze_reason);
    row_text(row, out->freeze_authority, sizeof out->freeze_authority);
}

void read_party(struct row *row, struct party *out)
{
    out->number = row_int(row);
    row_text(row, out->key, sizeof out->key);
    out->last_sequence = row_int(row);
    out->transactions = row_int(row);
    out->created_at_us = row_int(row);
}

/* The columns of TRANSACTION_COLUMNS, or those of LISTED_COLUMNS, which are fewer. */
static void read_columns(struct row *row, struct transaction *out, bool listed)
{
    out->sequence = row_int(row);
    out->type = (int32_t)row_int(row);
    out->status = (int32_t)row_int(row);
    out->flagged = row_int(row) != 0;
    out->currency = (uint16_t)row_int(row);
    out->amount = row_int(row);
    out->at_us = row_int(row);
    out->debit = row_int(row);
    out->credit = row_int(row);
    out->debit_previous = row_int(row);
    out->credit_previous = row_int(row);
    read_uuid(row, &out->transaction_id);
    out->initial_status = listed ? 0 : (int32_t)row_int(row);
    out->party = row_int(row);
    out->party_previous = listed ? 0 : row_int(row);
    out->incoming = row_int(row) != 0;
    out->posted_at_us = row_int(row);
    out->posted_by = row_int(row);
    out->debit_balance = row_int(row);
    out->credit_balance = row_int(row);
    out->verdict = (int32_t)row_int(row);
    out->score = (int32_t)row_int(row);
    out->rule_set = row_int(row);
    out->hold_expires_at_us = row_int(row);
    out->reversal_of = row_int(row);
    out->reversed_by = row_int(row);
    row_text(row, out->external_id, sizeof out->external_id);
    row_text(row, out->description, sizeof out->description);
    out->decision_size = (uint16_t)row_bytes(row, out->decision, sizeof out->decision);
    if (listed)
        memset(out->hash, 0, sizeof out->hash);
    else
        row_bytes(row, out->hash, sizeof out->hash);
}

void read_transaction(struct row *row, struct transaction *out)
{
    read_columns(row, out, false);
}

void read_listed(struct row *row, struct transaction *out)
{
    read_columns(row, out, true);
}

void read_alert(struct row *row, struct alert *out)
{
    out->number = row_int(row);
    read_uuid(row, &out->alert_id);
    out->transaction = row_int(row);
    out->account = row_int(row);
    out->state = (int32_t)row_int(row);
    out->decision = (int32_t)row_int(row);
    out->score = (int32_t)row_int(row);
    out->hits = (int32_t)row_int(row);
    out->version = row_int(row);
    out->created_at_us = row_int(row);
    out->expected_loss = row_int(row);
    out->urgency = row_int(row);
    out->due_at_us = row_int(row);
    out->snoozed_until_us = row_int(row);
    out->lock_until_us = row_int(row);
    out->undo_until_us = row_int(row);
    out->assigned_to = row_int(row);
    out->taken_at_us = row_int(row);
    out->decided_by = row_int(row);
    out->decided_at_us = row_int(row);
    out->notes = row_int(row);
    row_text(row, out->note, sizeof out->note);
}

void read_hit(struct row *row, struct alert_hit *out)
{
    out->alert = row_int(row);
    out->number = (int32_t)row_int(row);
    out->transaction = row_int(row);
    out->at_us = row_int(row);
    out->loss = row_int(row);
    out->score = (int32_t)row_int(row);
    out->finding = (int32_t)row_int(row);
    out->decided_at_us = row_int(row);
    out->status_before = (int32_t)row_int(row);
    out->flagged_before = (int32_t)row_int(row);
    out->label_before = (int32_t)row_int(row);
}

void read_record(struct row *row, struct record *out)
{
    size_t size;

    out->number = row_int(row);
    out->kind = (int32_t)row_int(row);
    out->state = (int32_t)row_int(row);
    read_uuid(row, &out->id);
    out->about = row_int(row);
    out->due_at_us = row_int(row);
    out->version = row_int(row);
    out->created_at_us = row_int(row);
    out->created_by = row_int(row);
    size = row_bytes(row, out->body, sizeof out->body);
    out->body_size = (uint32_t)(size < sizeof out->body ? size : sizeof out->body);
}

void read_audit(struct row *row, struct audit *out)
{
    size_t size;

    out->sequence = row_int(row);
    out->at_us = row_int(row);
    out->kind = (int32_t)row_int(row);
    out->actor = row_int(row);
    row_text(row, out->actor_name, sizeof out->actor_name);
    row_text(row, out->operation, sizeof out->operation);
    row_text(row, out->outcome, sizeof out->outcome);
    row_text(row, out->subject, sizeof out->subject);
    row_text(row, out->detail, sizeof out->detail);
    out->about_transaction = row_int(row);
    out->set_status = (int32_t)row_int(row);
    out->set_flag = (int32_t)row_int(row);
    size = row_bytes(row, out->records, sizeof out->records);
    out->records_size = (uint32_t)(size < sizeof out->records ? size : sizeof out->records);
    row_bytes(row, out->hash, sizeof out->hash);
}

void read_head(struct row *row, struct chain_head *out)
{
    out->sequence = row_int(row);
    row_bytes(row, out->hash, sizeof out->hash);
}

void read_rule_set(struct row *row, struct rule_set *out)
{
    out->number = row_int(row);
    row_bytes(row, out->hash, sizeof out->hash);
    out->state = (int32_t)row_int(row);
    out->rules = row_int(row);
    out->has_card = row_int(row) != 0;
    out->author = row_int(row);
    out->proposed_at_us = row_int(row);
    out->approver = row_int(row);
    out->approved_at_us = row_int(row);
    out->ended_at_us = row_int(row);
    row_text(row, out->reason, sizeof out->reason);
}

void read_label(struct row *row, struct label *out)
{
    out->transaction = row_int(row);
    out->fraud = row_int(row) != 0;
    out->withdrawn = row_int(row) != 0;
    out->known_at_us = row_int(row);
}

/* Steps to the one row that is looked for, reads it, and gives the statement back. */
#define GET(row, read, out)                                                                        \
    do {                                                                                           \
        enum err get_err_ = sqlite_step(&(row));                                                   \
        if (get_err_ == ERR_none)                                                                  \
            read(&(row), out);                                                                     \
        sqlite_done(&(row));                                                                       \
        return get_err_;                                                                           \
    } while (0)

static struct row use_number(struct store *store, enum sqlite_sql sql, int64_t number)
{
    struct row row = sqlite_use(sqlite_of(store), sql);

    bind_int(&row, number);
    return row;
}

static struct row use_uuid(struct store *store, enum sqlite_sql sql, const struct uuid *id)
{
    struct row row = sqlite_use(sqlite_of(store), sql);

    bind_bytes(&row, id->bytes, sizeof id->bytes);
    return row;
}

static struct row use_text(struct store *store, enum sqlite_sql sql, struct slice text)
{
    struct row row = sqlite_use(sqlite_of(store), sql);

    bind_slice(&row, text);
    return row;
}

/* One row by one key, with the statement of the same name. */
#define FIND(name, key_type, use, row_type, read)                                                  \
    enum err sqlite_##name(struct store *store, key_type key, struct row_type *out)                \
    {                                                                                              \
        struct row row = use(store, SQL_##name, key);                                              \
                                                                                                   \
        GET(row, read, out);                                                                       \
    }
#define FIND_BY_NUMBER(name, row, read) FIND(name, int64_t, use_number, row, read)
#define FIND_BY_UUID(name, row, read)   FIND(name, const struct uuid *, use_uuid, row, read)
#define FIND_BY_TEXT(name, row, read)   FIND(name, struct slice, use_text, row, read)

FIND_BY_TEXT(user_by_email, user, read_user)
FIND_BY_NUMBER(user_by_number, user, read_user)
FIND_BY_UUID(customer_by_id, customer, read_customer)
FIND_BY_TEXT(customer_by_external, customer, read_customer)
FIND_BY_NUMBER(customer_by_number, customer, read_customer)
FIND_BY_UUID(book_by_id, account_book, read_book)
FIND_BY_NUMBER(book_by_number, account_book, read_book)
FIND_BY_NUMBER(account_by_number, account, read_account)
FIND_BY_TEXT(account_by_external, account, read_account)
FIND_BY_TEXT(party_by_key, party, read_party)
FIND_BY_NUMBER(party_by_number, party, read_party)
FIND_BY_UUID(transaction_by_id, transaction, read_transaction)
FIND_BY_NUMBER(transaction_by_sequence, transaction, read_transaction)
FIND_BY_UUID(alert_by_id, alert, read_alert)
FIND_BY_NUMBER(alert_by_transaction, alert, read_alert)
FIND_BY_NUMBER(record_by_number, record, read_record)
FIND_BY_NUMBER(label_by_transaction, label, read_label)
FIND_BY_NUMBER(audit_by_sequence, audit, read_audit)

enum err sqlite_account_name(struct store *store, int64_t number, struct uuid *id, char *name)
{
    struct row row = use_number(store, SQL_account_name, number);
    enum err   err = sqlite_step(&row);

    if (err == ERR_none) {
        row_bytes(&row, id->bytes, sizeof id->bytes);
        row_text(&row, name, LIMIT_NAME_MAX + 1);
    }
    sqlite_done(&row);
    return err;
}

enum err sqlite_account_of_bank(struct store *store, int32_t kind, uint16_t currency,
                                struct account_book *out)
{
    struct row row = use_number(store, SQL_book_of_bank, kind);

    bind_int(&row, currency);
    GET(row, read_book, out);
}

enum err sqlite_alerted_until(struct store *store, int64_t sequence, int64_t *out)
{
    struct row row = use_number(store, SQL_alerted_until, sequence);
    enum err   err = sqlite_step(&row);

    if (err == ERR_none)
        *out = row_int(&row); /* NULL, which is none, reads as 0 */
    sqlite_done(&row);
    return err;
}

enum err sqlite_record_by_id(struct store *store, int32_t kind, const struct uuid *id,
                             struct record *out)
{
    struct row row = use_number(store, SQL_record_by_id, kind);

    bind_bytes(&row, id->bytes, sizeof id->bytes);
    GET(row, read_record, out);
}

/* A text of any length; the column is passed over when nobody wants it. */
static enum err read_long_text(struct row *row, struct buf *out)
{
    int         column = row->at++;
    const void *at = out != NULL ? sqlite3_column_text(row->statement, column) : NULL;

    if (out == NULL)
        return ERR_none;
    return buf_add(out, at, (size_t)sqlite3_column_bytes(row->statement, column));
}

enum err sqlite_rule_set_get(struct store *store, int64_t number, struct rule_set *out,
                             struct buf *text, struct buf *card)
{
    struct row row = use_number(store, SQL_rule_set_get, number);
    enum err   err = sqlite_step(&row);

    if (err == ERR_none) {
        read_rule_set(&row, out);
        err = read_long_text(&row, text);
    }
    if (err == ERR_none)
        err = read_long_text(&row, card);
    sqlite_done(&row);
    return err;
}

enum err sqlite_rule_set_by_hash(struct store *store, const uint8_t hash[CHAIN_HASH_BYTES],
                                 struct rule_set *out)
{
    struct row row = sqlite_use(sqlite_of(store), SQL_rule_set_by_hash);

    bind_bytes(&row, hash, CHAIN_HASH_BYTES);
    GET(row, read_rule_set, out);
}

enum err sqlite_profile_get(struct store *store, int64_t entity, int64_t *last_sequence,
                            void *bytes, size_t size, size_t *n)
{
    struct row row = use_number(store, SQL_profile_get, entity);
    enum err   err = sqlite_step(&row);

    if (err == ERR_none) {
        *last_sequence = row_int(&row);
        *n = row_bytes(&row, bytes, size);
    }
    sqlite_done(&row);
    return err;
}
