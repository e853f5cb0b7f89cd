/* Writing: a group of changes in one immediate transaction, whole or not at all.
 *
 * Records that are new, and conditional updates that are rare, are written change by change in
 * the group's order, so that a change sees what the ones before it did. Rows that many changes
 * share (balances, parties, rollups, days) are written once, in the order of their keys, from the
 * sums in group.h. The conditions are in the statements themselves: a guarded UPDATE that meets no
 * row is a failed precondition, and everything is rolled back.
 *
 * The largest transactions of each day are kept here too. A cache in the handle knows the
 * smallest of them for the days in use, so that nearly every posting is done after a comparison.
 * The cache must be right or empty: it is emptied when somebody else has committed and when a
 * group fails. */
#include <sqlite3.h>

#include "bankd/store/sqlite.h"

#include <string.h>

#include "common/check.h"
#include "common/clock.h"

enum { CACHE_LINE = 64, BALANCES_AHEAD = 4 };

/* Only the id of a transaction has an index beside its key, so a breach tells which was taken. */
static enum err transaction_err(int rc)
{
    if (rc == SQLITE_CONSTRAINT_UNIQUE)
        return ERR_id_reused;
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_ROWID)
        return ERR_changed_meanwhile;
    return sqlite_err(rc);
}

/* An UPDATE with its condition in the WHERE clause: exactly one row must have met it. */
static enum err update_err(struct sqlite_store *store, int rc)
{
    if (rc == SQLITE_OK && sqlite3_changes(store->db) != 1)
        return ERR_changed_meanwhile;
    return sqlite_err(rc);
}

static enum err put_user(struct sqlite_store *store, const struct user *user)
{
    struct row row = sqlite_use(store, SQL_user_put);

    bind_int(&row, user->number);
    bind_bytes(&row, user->user_id.bytes, sizeof user->user_id.bytes);
    bind_text(&row, user->email);
    bind_text(&row, user->name);
    bind_text(&row, user->password_hash);
    bind_int(&row, user->role);
    bind_int(&row, user->disabled);
    bind_int(&row, user->created_at_us);
    return sqlite_err(sqlite_run(&row));
}

static enum err put_customer(struct sqlite_store *store, const struct customer *customer)
{
    struct row row = sqlite_use(store, SQL_customer_put);

    bind_int(&row, customer->number);
    bind_bytes(&row, customer->customer_id.bytes, sizeof customer->customer_id.bytes);
    bind_text(&row, customer->external_id);
    bind_text(&row, customer->name);
    bind_text(&row, customer->email);
    bind_text(&row, customer->country);
    bind_int(&row, customer->verified);
    bind_int(&row, customer->created_at_us);
    return sqlite_err(sqlite_run(&row));
}

static enum err put_account(struct sqlite_store *store, const struct account *account)
{
    const struct account_book *book = &account->book;
    struct row                 row = sqlite_use(store, SQL_account_insert);

    bind_int(&row, book->number);
    bind_bytes(&row, book->account_id.bytes, sizeof book->account_id.bytes);
    bind_int(&row, book->customer);
    bind_int(&row, book->opened_by);
    bind_int(&row, book->kind);
    bind_int(&row, book->status);
    bind_int(&row, book->freeze_direction);
    bind_int(&row, book->currency);
    bind_int(&row, book->freeze_until_us);
    bind_int(&row, book->overdraft_limit);
    bind_int(&row, book->created_at_us);
    bind_text(&row, account->external_id);
    bind_text(&row, account->name);
    bind_text(&row, account->freeze_reason);
    bind_text(&row, account->freeze_authority);
    TRY(sqlite_err(sqlite_run(&row)));
    row = sqlite_use(store, SQL_balance_insert);
    bind_int(&row, book->number);
    bind_int(&row, book->balance);
    bind_int(&row, book->held);
    bind_int(&row, book->version);
    bind_int(&row, book->last_sequence);
    bind_int(&row, book->last_at_us);
    bind_int(&row, book->transactions);
    return sqlite_err(sqlite_run(&row));
}

static enum err put_terms(struct sqlite_store *store, const struct account_change *change)
{
    struct row row = sqlite_use(store, SQL_account_terms);

    bind_int(&row, change->after.number);
    bind_int(&row, change->after.status);
    bind_int(&row, change->after.freeze_direction);
    bind_int(&row, change->after.freeze_until_us);
    bind_int(&row, change->after.overdraft_limit);
    bind_text(&row, change->freeze_reason);
    bind_text(&row, change->freeze_authority);
    return update_err(store, sqlite_run(&row));
}

static enum err put_party(struct sqlite_store *store, const struct party *party)
{
    struct row row = sqlite_use(store, SQL_party_insert);

    bind_int(&row, party->number);
    bind_text(&row, party->key);
    bind_int(&row, party->last_sequence);
    bind_int(&row, party->transactions);
    bind_int(&row, party->created_at_us);
    return sqlite_err(sqlite_run(&row));
}

/* Most columns of a transaction have the value that they had in the one before, and SQLite keeps
 * what is bound: only what differs is bound anew. */
static void bind_kept(struct row *row, struct sqlite_store *store, int64_t value)
{
    struct kept_int *kept = &store->kept[row->at];

    CHECK((size_t)row->at < ARRAY_COUNT(store->kept));
    if (kept->bound && kept->value == value) {
        row->at++;
        return;
    }
    bind_int(row, value);
    *kept = (struct kept_int){ .bound = row->rc == SQLITE_OK, .value = value };
}

static enum err put_transaction(struct sqlite_store *store, const struct transaction *t)
{
    struct row row = sqlite_use(store, SQL_transaction_insert);

    CHECK(t->decision_size <= LIMIT_DECISION_MAX);
    bind_int(&row, t->sequence);
    bind_kept(&row, store, t->type);
    bind_kept(&row, store, t->status);
    bind_kept(&row, store, t->flagged);
    bind_kept(&row, store, t->currency);
    bind_int(&row, t->amount);
    bind_int(&row, t->at_us);
    bind_int(&row, t->debit);
    bind_int(&row, t->credit);
    bind_int(&row, t->debit_previous);
    bind_int(&row, t->credit_previous);
    bind_bytes(&row, t->transaction_id.bytes, sizeof t->transaction_id.bytes);
    bind_kept(&row, store, t->initial_status);
    bind_kept(&row, store, t->party);
    bind_kept(&row, store, t->party_previous);
    bind_kept(&row, store, t->incoming);
    bind_int(&row, t->posted_at_us);
    bind_kept(&row, store, t->posted_by);
    bind_int(&row, t->debit_balance);
    bind_int(&row, t->credit_balance);
    bind_kept(&row, store, t->verdict);
    bind_kept(&row, store, t->score);
    bind_kept(&row, store, t->rule_set);
    bind_kept(&row, store, t->hold_expires_at_us);
    bind_kept(&row, store, t->reversal_of);
    bind_kept(&row, store, t->reversed_by);
    bind_text(&row, t->external_id);
    bind_text(&row, t->description);
    bind_bytes(&row, t->decision, t->decision_size);
    bind_bytes(&row, t->hash, sizeof t->hash);
    return transaction_err(sqlite_run(&row));
}

static enum err put_update(struct sqlite_store *store, const struct transaction_update *update)
{
    struct row row = sqlite_use(store, SQL_transaction_update);

    bind_int(&row, update->sequence);
    bind_int(&row, update->status_before);
    bind_int(&row, update->flagged_before);
    bind_int(&row, update->status_after);
    bind_int(&row, update->flagged_after);
    bind_int(&row, update->reversed_by);
    return update_err(store, sqlite_run(&row));
}

static void bind_alert(struct row *row, const struct alert *alert)
{
    bind_int(row, alert->number);
    bind_bytes(row, alert->alert_id.bytes, sizeof alert->alert_id.bytes);
    bind_int(row, alert->transaction);
    bind_int(row, alert->account);
    bind_int(row, alert->state);
    bind_int(row, alert->decision);
    bind_int(row, alert->score);
    bind_int(row, alert->hits);
    bind_int(row, alert->version);
    bind_int(row, alert->created_at_us);
    bind_int(row, alert->expected_loss);
    bind_int(row, alert->urgency);
    bind_int(row, alert->due_at_us);
    bind_int(row, alert->snoozed_until_us);
    bind_int(row, alert->lock_until_us);
    bind_int(row, alert->undo_until_us);
    bind_int(row, alert->assigned_to);
    bind_int(row, alert->taken_at_us);
    bind_int(row, alert->decided_by);
    bind_int(row, alert->decided_at_us);
    bind_int(row, alert->notes);
    bind_text(row, alert->note);
}

static enum err put_alert(struct sqlite_store *store, const struct alert *alert)
{
    struct row row = sqlite_use(store, SQL_alert_insert);

    bind_alert(&row, alert);
    return sqlite_err(sqlite_run(&row));
}

static enum err put_alert_update(struct sqlite_store *store, const struct alert *alert)
{
    struct row row = sqlite_use(store, SQL_alert_update);

    bind_alert(&row, alert);
    return update_err(store, sqlite_run(&row));
}

/* A row that is not written is another transaction's, or came at another time. */
static enum err put_hit(struct sqlite_store *store, const struct alert_hit *hit)
{
    struct row row = sqlite_use(store, SQL_hit_put);
    int        rc;

    bind_int(&row, hit->alert);
    bind_int(&row, hit->number);
    bind_int(&row, hit->transaction);
    bind_int(&row, hit->at_us);
    bind_int(&row, hit->loss);
    bind_int(&row, hit->score);
    bind_int(&row, hit->finding);
    bind_int(&row, hit->decided_at_us);
    bind_int(&row, hit->status_before);
    bind_int(&row, hit->flagged_before);
    bind_int(&row, hit->label_before);
    rc = sqlite_run(&row);
    if (rc == SQLITE_OK && sqlite3_changes(store->db) != 1)
        return ERR_exists;
    return sqlite_err(rc);
}

static enum err put_audit(struct sqlite_store *store, const struct audit *audit)
{
    struct row row = sqlite_use(store, SQL_audit_insert);

    bind_int(&row, audit->sequence);
    bind_int(&row, audit->at_us);
    bind_int(&row, audit->kind);
    bind_int(&row, audit->actor);
    bind_text(&row, audit->actor_name);
    bind_text(&row, audit->operation);
    bind_text(&row, audit->outcome);
    bind_text(&row, audit->subject);
    bind_text(&row, audit->detail);
    bind_int(&row, audit->about_transaction);
    bind_int(&row, audit->set_status);
    bind_int(&row, audit->set_flag);
    bind_bytes(&row, audit->records, audit->records_size);
    bind_bytes(&row, audit->hash, sizeof audit->hash);
    return sqlite_err(sqlite_run(&row));
}

static enum err put_record(struct sqlite_store *store, const struct record *record)
{
    bool       is_new = record->version == 1;
    struct row row = sqlite_use(store, is_new ? SQL_record_insert : SQL_record_update);

    CHECK(record->body_size <= LIMIT_RECORD_BODY_MAX);
    bind_int(&row, record->number);
    bind_int(&row, record->kind);
    bind_int(&row, record->state);
    bind_bytes(&row, record->id.bytes, sizeof record->id.bytes);
    bind_int(&row, record->about);
    bind_int(&row, record->due_at_us);
    bind_int(&row, record->version);
    bind_int(&row, record->created_at_us);
    bind_int(&row, record->created_by);
    bind_bytes(&row, record->body, record->body_size);
    return is_new ? sqlite_err(sqlite_run(&row)) : update_err(store, sqlite_run(&row));
}

static enum err put_label(struct sqlite_store *store, const struct label *label)
{
    struct row row = sqlite_use(store, SQL_label_put);

    bind_int(&row, label->transaction);
    bind_int(&row, label->fraud);
    bind_int(&row, label->withdrawn);
    bind_int(&row, label->known_at_us);
    return sqlite_err(sqlite_run(&row));
}

static enum err put_rule_set(struct sqlite_store *store, const struct change *change)
{
    const struct rule_set *rules = change->rule_set;
    struct row             row = sqlite_use(store, SQL_rule_set_insert);

    CHECK(rules->has_card == (change->card_text.n > 0));
    bind_int(&row, rules->number);
    bind_bytes(&row, rules->hash, sizeof rules->hash);
    bind_int(&row, rules->state);
    bind_int(&row, rules->rules);
    bind_int(&row, rules->author);
    bind_int(&row, rules->proposed_at_us);
    bind_int(&row, rules->approver);
    bind_int(&row, rules->approved_at_us);
    bind_int(&row, rules->ended_at_us);
    bind_text(&row, rules->reason);
    bind_slice(&row, change->rule_text);
    bind_slice(&row, change->card_text);
    return sqlite_err(sqlite_run(&row));
}

static enum err put_rule_set_update(struct sqlite_store          *store,
                                    const struct rule_set_update *update)
{
    struct row row = sqlite_use(store, SQL_rule_set_update);

    bind_int(&row, update->after->number);
    bind_int(&row, update->state_before);
    bind_int(&row, update->after->state);
    bind_int(&row, update->after->approver);
    bind_int(&row, update->after->approved_at_us);
    bind_int(&row, update->after->ended_at_us);
    return update_err(store, sqlite_run(&row));
}

/* --- the largest transactions of each day ---------------------------------------------------- */

static enum err top_look(struct sqlite_store *store, struct top_cell *cell)
{
    struct row row = sqlite_use(store, SQL_top_smallest);
    enum err   err;

    bind_int(&row, cell->day);
    bind_int(&row, cell->currency);
    err = sqlite_step(&row);
    if (err == ERR_none) {
        cell->count = (uint8_t)row_int(&row);
        cell->smallest = row_int(&row);
        cell->known = true;
    }
    sqlite_done(&row);
    return err;
}

static enum err put_top(struct sqlite_store *store, const struct transaction *t)
{
    int32_t          day = (int32_t)time_day(t->at_us);
    struct top_cell *cell = &store->top[((uint32_t)day * 31u + t->currency) % (uint32_t)TOP_CELLS];
    struct row       row;

    if (t->initial_status == STATUS_DECLINED)
        return ERR_none;
    if (!cell->known || cell->day != day || cell->currency != t->currency) {
        *cell = (struct top_cell){ .day = day, .currency = t->currency };
        TRY(top_look(store, cell));
    }
    if (cell->count >= LIMIT_TOP_PER_DAY) {
        if (t->amount <= cell->smallest)
            return ERR_none;
        row = sqlite_use(store, SQL_top_drop);
        bind_int(&row, day);
        bind_int(&row, t->currency);
        bind_int(&row, cell->smallest);
        TRY(sqlite_err(sqlite_run(&row)));
    }
    row = sqlite_use(store, SQL_top_insert);
    bind_int(&row, day);
    bind_int(&row, t->currency);
    bind_int(&row, t->amount);
    bind_int(&row, t->sequence);
    TRY(sqlite_err(sqlite_run(&row)));
    return top_look(store, cell);
}

/* --- a group --------------------------------------------------------------------------------- */

static enum err put_change(struct sqlite_store *store, const struct change *change)
{
    CHECK(change->update_count <= LIMIT_CHANGE_TRANSACTIONS_MAX);
    CHECK(change->rule_set_update_count <= LIMIT_CHANGE_RULE_SETS_MAX);
    CHECK(change->record_count <= LIMIT_CHANGE_RECORDS_MAX);
    if (change->user != NULL)
        TRY(put_user(store, change->user));
    if (change->customer != NULL)
        TRY(put_customer(store, change->customer));
    if (change->account != NULL)
        TRY(put_account(store, change->account));
    if (change->party != NULL)
        TRY(put_party(store, change->party));
    if (change->rule_set != NULL)
        TRY(put_rule_set(store, change));
    for (size_t i = 0; i < change->rule_set_update_count; i++)
        TRY(put_rule_set_update(store, &change->rule_set_updates[i]));
    if (change->transaction != NULL) {
        TRY(put_transaction(store, change->transaction));
        TRY(put_top(store, change->transaction));
    }
    for (size_t i = 0; i < change->update_count; i++)
        TRY(put_update(store, &change->updates[i]));
    for (size_t i = 0; i < change->account_count; i++)
        if (change->accounts[i].terms_changed)
            TRY(put_terms(store, &change->accounts[i]));
    if (change->audit != NULL)
        TRY(put_audit(store, change->audit));
    if (change->alert != NULL)
        TRY(put_alert(store, change->alert));
    if (change->alert_update != NULL)
        TRY(put_alert_update(store, change->alert_update));
    if (change->hit != NULL)
        TRY(put_hit(store, change->hit));
    for (size_t i = 0; i < change->record_count; i++)
        TRY(put_record(store, change->records[i]));
    if (change->label != NULL)
        TRY(put_label(store, change->label));
    return ERR_none;
}

static enum err put_balances(struct sqlite_store *store, size_t *failed)
{
    for (size_t i = 0; i < store->group->account_count; i++) {
        if (i + BALANCES_AHEAD < store->group->account_count) {
            const char *next = (const char *)store->group->accounts[i + BALANCES_AHEAD].last;

            for (size_t at = 0; at < offsetof(struct account_change, terms_changed);
                 at += CACHE_LINE)
                __builtin_prefetch(next + at);
        }
        const struct group_account *entry = &store->group->accounts[i];
        const struct account_book  *book = &entry->last->after;
        struct row                  row = sqlite_use(store, SQL_balance_update);

        *failed = entry->first;
        bind_int(&row, entry->number);
        bind_int(&row, entry->version_before);
        bind_int(&row, book->balance);
        bind_int(&row, book->held);
        bind_int(&row, book->version);
        bind_int(&row, book->last_sequence);
        bind_int(&row, book->last_at_us);
        bind_int(&row, book->transactions);
        TRY(update_err(store, sqlite_run(&row)));
    }
    return ERR_none;
}

static enum err put_parties(struct sqlite_store *store, size_t *failed)
{
    for (size_t i = 0; i < store->group->party_count; i++) {
        const struct group_party *entry = &store->group->parties[i];
        struct row                row = sqlite_use(store, SQL_party_move);

        *failed = entry->first;
        bind_int(&row, entry->number);
        bind_int(&row, entry->last_sequence);
        bind_int(&row, entry->transactions);
        TRY(update_err(store, sqlite_run(&row)));
    }
    return ERR_none;
}

static enum err put_figures(struct sqlite_store *store)
{
    for (size_t i = 0; i < store->group->rollup_count; i++) {
        const struct rollup *rollup = &store->group->rollups[i];
        struct row           row = sqlite_use(store, SQL_rollup_add);

        bind_int(&row, rollup->key.scale);
        bind_int(&row, rollup->key.bucket);
        bind_int(&row, rollup->key.currency);
        bind_int(&row, rollup->key.metric);
        bind_int(&row, rollup->count);
        bind_int(&row, rollup->amount);
        TRY(sqlite_err(sqlite_run(&row)));
    }
    for (size_t i = 0; i < store->group->day_count; i++) {
        const struct group_day *day = &store->group->days[i];
        struct row              row = sqlite_use(store, SQL_day_extend);

        bind_int(&row, day->day);
        bind_int(&row, day->min_sequence);
        bind_int(&row, day->max_sequence);
        TRY(sqlite_err(sqlite_run(&row)));
    }
    return ERR_none;
}

static int set_head(struct sqlite_store *store, const struct chain_head *head)
{
    struct row row = sqlite_use(store, SQL_head_set);

    bind_int(&row, head->sequence);
    bind_bytes(&row, head->hash, sizeof head->hash);
    return sqlite_run(&row);
}

static enum err put_rest(struct sqlite_store *store, const struct commit *commit)
{
    const struct signed_head *head = commit->signed_head;
    struct row                row;

    for (size_t i = 0; i < commit->profile_count; i++) {
        row = sqlite_use(store, SQL_profile_put);
        CHECK(commit->profiles[i].bytes.n <= LIMIT_PROFILE_BYTES);
        bind_int(&row, commit->profiles[i].entity);
        bind_int(&row, commit->profiles[i].last_sequence);
        bind_bytes(&row, commit->profiles[i].bytes.at, commit->profiles[i].bytes.n);
        TRY(sqlite_err(sqlite_run(&row)));
    }
    if (head != NULL) {
        row = sqlite_use(store, SQL_signed_head_put);
        bind_int(&row, head->head.sequence);
        bind_bytes(&row, head->head.hash, sizeof head->head.hash);
        bind_int(&row, head->at_us);
        bind_bytes(&row, head->signature, sizeof head->signature);
        TRY(sqlite_err(sqlite_run(&row)));
    }
    return sqlite_err(set_head(store, &commit->after));
}

/* The chain must end where the writer thinks; and what the handle remembers must still be so. */
static enum err check_head(struct sqlite_store *store, const struct chain_head *before)
{
    struct chain_head head;
    int64_t           version = 0;
    struct row        row = sqlite_use(store, SQL_head);
    enum err          err = sqlite_step(&row);

    if (err == ERR_none)
        read_head(&row, &head);
    sqlite_done(&row);
    if (err != ERR_none)
        return err == ERR_not_found ? ERR_storage_corrupt : err;
    if (head.sequence != before->sequence || memcmp(head.hash, before->hash, sizeof head.hash) != 0)
        return ERR_changed_meanwhile;
    TRY(sqlite_data_version(store, &version));
    if (version != store->version_applied)
        memset(store->top, 0, sizeof store->top);
    store->version_applied = version;
    return ERR_none;
}

/* The changes of a group are megabytes that were written one after the other and are not in the
 * nearest cache any more: the record of the next one is fetched, and the head of the one behind. */
static void expect_changes(const struct commit *commit, size_t next)
{
    if (next + 1 < commit->count) {
        const char *head = (const char *)commit->changes[next + 1];

        for (size_t at = offsetof(struct change, transaction);
             at < offsetof(struct change, rollups); at += CACHE_LINE)
            __builtin_prefetch(head + at);
    }
    if (next < commit->count && commit->changes[next]->transaction != NULL) {
        const char *row = (const char *)commit->changes[next]->transaction;

        for (size_t at = 0; at < offsetof(struct transaction, decision) + 2 * CACHE_LINE;
             at += CACHE_LINE)
            __builtin_prefetch(row + at);
        __builtin_prefetch(row + offsetof(struct transaction, hash));
    }
}

static enum err put_group(struct sqlite_store *store, const struct commit *commit, size_t *failed)
{
    *failed = commit->count;
    TRY(check_head(store, &commit->before));
    for (size_t i = 0; i < commit->count; i++) {
        *failed = i;
        expect_changes(commit, i + 1);
        TRY(put_change(store, commit->changes[i]));
    }
    TRY(put_balances(store, failed));
    TRY(put_parties(store, failed));
    *failed = commit->count;
    TRY(put_figures(store));
    return put_rest(store, commit);
}

static void give_up(struct sqlite_store *store)
{
    if (sqlite3_get_autocommit(store->db) == 0)
        (void)sqlite_exec(store, SQL_rollback);
    memset(store->top, 0, sizeof store->top);
}

/* After COMMIT has failed the group may lie in the log whole, with its mark, only not synced: this
 * process has forgotten it, but the next one that opens the log would take it for done. So a small
 * commit is written over its beginning; what is left of it behind that can never be read again.
 * The head is changed and put back, because a row that does not change is not written. */
static enum err bury(struct sqlite_store *store)
{
    struct chain_head head = { 0 };
    struct chain_head other;
    struct row        row;
    enum err          err = sqlite_err(sqlite_exec(store, SQL_begin));

    if (err != ERR_none)
        return err;
    row = sqlite_use(store, SQL_head);
    err = sqlite_step(&row);
    if (err == ERR_none)
        read_head(&row, &head);
    sqlite_done(&row);
    other = head;
    other.sequence = -1;
    if (err == ERR_none)
        err = sqlite_err(set_head(store, &other));
    if (err == ERR_none)
        err = sqlite_err(set_head(store, &head));
    if (err == ERR_none)
        err = sqlite_err(sqlite_exec(store, SQL_commit));
    return err;
}

/* What became of a group whose COMMIT failed. Its mark comes last, so a write that failed, or found
 * no room, leaves a group without one. */
static enum err commit_failed(struct sqlite_store *store, int rc, struct fault *fault)
{
    enum err err = sqlite_fault(store, rc, fault);

    give_up(store);
    if (err == ERR_storage_full || err == ERR_busy || rc == SQLITE_IOERR_WRITE ||
        bury(store) == ERR_none)
        return err;
    give_up(store);
    return fault_set(fault, ERR_outcome_unknown, NULL,
                     "The database could not be written, nor could that be undone (%s)",
                     err_what(err));
}

enum err sqlite_apply(struct store *base, const struct commit *commit, size_t *failed,
                      struct fault *fault)
{
    struct sqlite_store *store = sqlite_of(base);
    enum err             err;
    int                  rc;

    CHECK(store->mode != STORE_READ);
    TRY(group_build(store->group, commit, failed));
    if (sqlite3_get_autocommit(store->db) == 0) /* even the rollback failed the last time */
        give_up(store);
    err = sqlite_fault(store, sqlite_exec(store, SQL_begin), fault);
    if (err != ERR_none) {
        *failed = commit->count;
        return err;
    }
    err = put_group(store, commit, failed);
    if (err == ERR_none) {
        rc = sqlite_exec(store, SQL_commit);
        if (rc != SQLITE_OK)
            return commit_failed(store, rc, fault);
        store->commits++;
        return ERR_none;
    }
    if (err_class(err) == ERR_CLASS_INTERNAL) /* a precondition is no fault of SQLite's */
        fault_set(fault, err, NULL, "%s", sqlite3_errmsg(store->db));
    give_up(store);
    return err;
}

enum err sqlite_numbers(struct store *base, struct store_numbers *out)
{
    struct row row = sqlite_use(sqlite_of(base), SQL_numbers);
    enum err   err = sqlite_step(&row);

    if (err == ERR_none) {
        out->user = row_int(&row);
        out->customer = row_int(&row);
        out->account = row_int(&row);
        out->party = row_int(&row);
        out->alert = row_int(&row);
        out->rule_set = row_int(&row);
        out->rules_active = row_int(&row);
        out->record = row_int(&row);
        read_head(&row, &out->head);
        row_bytes(&row, out->newest_id.bytes, sizeof out->newest_id.bytes);
    }
    sqlite_done(&row);
    return err == ERR_not_found ? ERR_storage_corrupt : err;
}
