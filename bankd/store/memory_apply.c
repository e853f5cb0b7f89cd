/* Writing to the memory store: one change after the other, each checked against what the ones
 * before it left. When one fails, memory_undo takes everything back to before the group. */
#include "bankd/store/memory.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"

/* Numbered tables are in the order of their numbers: a new row's is the highest. */
static enum err add_numbered(struct memory_shared *shared, enum memory_table table, int64_t number,
                             const void *row, size_t size)
{
    size_t  count = memory_count(&shared->records, table);
    int64_t last = 0;
    void   *at;

    if (count > 0)
        memcpy(&last, memory_row(&shared->records, table, count - 1), sizeof last);
    if (memory_find(&shared->records, table, number) != NULL)
        return ERR_exists;
    CHECK(number > last);
    TRY(memory_add(shared, table, &at));
    memcpy(at, row, size);
    return ERR_none;
}

static size_t last_row(const struct memory_shared *shared, enum memory_table table)
{
    return memory_count(&shared->records, table) - 1;
}

static enum err put_user(struct memory_shared *shared, const struct user *user)
{
    const struct records *records = &shared->records;
    struct user          *row = memory_find(records, TABLE_USER, user->number);

    for (size_t i = 0; i < memory_count(records, TABLE_USER); i++) {
        const struct user *other = memory_row(records, TABLE_USER, i);

        if (other->number != user->number &&
            (strcmp(other->email, user->email) == 0 || uuid_equal(&other->user_id, &user->user_id)))
            return ERR_exists;
    }
    if (row == NULL)
        return add_numbered(shared, TABLE_USER, user->number, user, sizeof *user);
    TRY(memory_edit(shared, TABLE_USER, row));
    *row = *user;
    return ERR_none;
}

static bool same_external(const char *a, const char *b)
{
    return a[0] != '\0' && strcmp(a, b) == 0;
}

static enum err put_customer(struct memory_shared *shared, const struct customer *customer)
{
    const struct records *records = &shared->records;
    struct customer      *row = memory_find(records, TABLE_CUSTOMER, customer->number);

    for (size_t i = 0; i < memory_count(records, TABLE_CUSTOMER); i++) {
        const struct customer *other = memory_row(records, TABLE_CUSTOMER, i);

        if (other->number != customer->number &&
            (same_external(customer->external_id, other->external_id) ||
             uuid_equal(&other->customer_id, &customer->customer_id)))
            return ERR_exists;
    }
    if (row == NULL)
        return add_numbered(shared, TABLE_CUSTOMER, customer->number, customer, sizeof *customer);
    TRY(memory_edit(shared, TABLE_CUSTOMER, row));
    *row = *customer;
    return ERR_none;
}

static enum err put_account(struct memory_shared *shared, const struct account *account)
{
    const struct records      *records = &shared->records;
    const struct account_book *book = &account->book;
    struct account             kept = *account;

    if (memory_account_by_id(records, &book->account_id) != NULL)
        return ERR_exists;
    for (size_t i = 0; i < memory_count(records, TABLE_ACCOUNT); i++) {
        const struct account *other = memory_row(records, TABLE_ACCOUNT, i);

        if (same_external(account->external_id, other->external_id) ||
            (book->kind != ACCOUNT_CUSTOMER && book->kind == other->book.kind &&
             book->currency == other->book.currency))
            return ERR_exists;
    }
    /* What is joined when it is read is not kept. */
    kept.holder[0] = '\0';
    kept.customer_id = (struct uuid){ 0 };
    kept.opened_by_id = (struct uuid){ 0 };
    TRY(add_numbered(shared, TABLE_ACCOUNT, book->number, &kept, sizeof kept));
    return map_add(&shared->records.maps[MAP_ACCOUNT_ID],
                   memory_hash(book->account_id.bytes, sizeof book->account_id.bytes),
                   last_row(shared, TABLE_ACCOUNT));
}

static enum err put_party(struct memory_shared *shared, const struct party *party)
{
    if (memory_party_by_key(&shared->records, slice_from(party->key)) != NULL)
        return ERR_exists;
    TRY(add_numbered(shared, TABLE_PARTY, party->number, party, sizeof *party));
    return map_add(&shared->records.maps[MAP_PARTY_KEY],
                   memory_hash(party->key, strlen(party->key)), last_row(shared, TABLE_PARTY));
}

static const struct memory_rules *active_rules(const struct memory_shared *shared)
{
    for (size_t i = memory_count(&shared->records, TABLE_RULE_SET); i-- > 0;) {
        const struct memory_rules *rules = memory_row(&shared->records, TABLE_RULE_SET, i);

        if (rules->set.state == RULES_ACTIVE)
            return rules;
    }
    return NULL;
}

static enum err put_rules(struct memory_shared *shared, const struct change *change)
{
    struct memory_rules rules = { .set = *change->rule_set,
                                  .n = change->rule_text.n,
                                  .card_n = change->card_text.n };
    enum err            err;

    CHECK(rules.set.has_card == (rules.card_n > 0));
    if (rules.set.state == RULES_ACTIVE && active_rules(shared) != NULL)
        return ERR_exists;
    rules.text = malloc(rules.n + rules.card_n + 1);
    if (rules.text == NULL)
        return ERR_memory;
    if (rules.n > 0)
        memcpy(rules.text, change->rule_text.at, rules.n);
    if (rules.card_n > 0)
        memcpy(rules.text + rules.n, change->card_text.at, rules.card_n);
    err = add_numbered(shared, TABLE_RULE_SET, rules.set.number, &rules, sizeof rules);
    if (err != ERR_none)
        free(rules.text);
    return err;
}

static enum err put_rules_update(struct memory_shared *shared, const struct rule_set_update *update)
{
    const struct rule_set *after = update->after;
    struct memory_rules   *row = memory_find(&shared->records, TABLE_RULE_SET, after->number);

    if (row == NULL || row->set.state != update->state_before)
        return ERR_changed_meanwhile;
    if (after->state == RULES_ACTIVE && active_rules(shared) != NULL)
        return ERR_exists;
    TRY(memory_edit(shared, TABLE_RULE_SET, row));
    row->set.state = after->state;
    row->set.approver = after->approver;
    row->set.approved_at_us = after->approved_at_us;
    row->set.ended_at_us = after->ended_at_us;
    return ERR_none;
}

static enum err put_transaction(struct memory_shared *shared, const struct change *change)
{
    const struct transaction *transaction = change->transaction;
    struct party             *party;

    CHECK(transaction->decision_size <= LIMIT_DECISION_MAX);
    if (memory_transaction_by_id(&shared->records, &transaction->transaction_id) != NULL)
        return ERR_id_reused;
    if (memory_find(&shared->records, TABLE_TRANSACTION, transaction->sequence) != NULL)
        return ERR_changed_meanwhile;
    TRY(add_numbered(shared, TABLE_TRANSACTION, transaction->sequence, transaction,
                     sizeof *transaction));
    TRY(map_add(
        &shared->records.maps[MAP_TRANSACTION_ID],
        memory_hash(transaction->transaction_id.bytes, sizeof transaction->transaction_id.bytes),
        last_row(shared, TABLE_TRANSACTION)));
    if (uuid_compare(&transaction->transaction_id, &shared->records.newest_id) > 0)
        shared->records.newest_id = transaction->transaction_id;
    if (change->party_number == 0)
        return ERR_none;
    party = memory_find(&shared->records, TABLE_PARTY, change->party_number);
    if (party == NULL)
        return ERR_changed_meanwhile;
    TRY(memory_edit(shared, TABLE_PARTY, party));
    party->last_sequence = transaction->sequence;
    party->transactions++;
    return ERR_none;
}

static enum err put_update(struct memory_shared *shared, const struct transaction_update *update)
{
    struct transaction *row = memory_find(&shared->records, TABLE_TRANSACTION, update->sequence);

    if (row == NULL || row->status != update->status_before ||
        row->flagged != update->flagged_before)
        return ERR_changed_meanwhile;
    TRY(memory_edit(shared, TABLE_TRANSACTION, row));
    row->status = update->status_after;
    row->flagged = update->flagged_after;
    if (update->reversed_by != 0)
        row->reversed_by = update->reversed_by;
    return ERR_none;
}

static enum err put_account_change(struct memory_shared        *shared,
                                   const struct account_change *change)
{
    const struct account_book *after = &change->after;
    struct account            *row = memory_find(&shared->records, TABLE_ACCOUNT, after->number);

    CHECK(after->version == change->version_before + 1);
    if (row == NULL || row->book.version != change->version_before)
        return ERR_changed_meanwhile;
    TRY(memory_edit(shared, TABLE_ACCOUNT, row));
    row->book.balance = after->balance;
    row->book.held = after->held;
    row->book.version = after->version;
    row->book.last_sequence = after->last_sequence;
    row->book.last_at_us = after->last_at_us;
    row->book.transactions = after->transactions;
    if (!change->terms_changed)
        return ERR_none;
    row->book.status = after->status;
    row->book.freeze_direction = after->freeze_direction;
    row->book.freeze_until_us = after->freeze_until_us;
    row->book.overdraft_limit = after->overdraft_limit;
    memcpy(row->freeze_reason, change->freeze_reason, sizeof row->freeze_reason);
    memcpy(row->freeze_authority, change->freeze_authority, sizeof row->freeze_authority);
    return ERR_none;
}

static enum err put_alert(struct memory_shared *shared, const struct alert *alert)
{
    for (size_t i = 0; i < memory_count(&shared->records, TABLE_ALERT); i++)
        if (uuid_equal(&((struct alert *)memory_row(&shared->records, TABLE_ALERT, i))->alert_id,
                       &alert->alert_id))
            return ERR_exists;
    return add_numbered(shared, TABLE_ALERT, alert->number, alert, sizeof *alert);
}

static enum err put_alert_update(struct memory_shared *shared, const struct alert *alert)
{
    struct alert *row = memory_find(&shared->records, TABLE_ALERT, alert->number);

    if (row == NULL || row->version != alert->version - 1)
        return ERR_changed_meanwhile;
    TRY(memory_edit(shared, TABLE_ALERT, row));
    *row = *alert;
    return ERR_none;
}

static enum err put_hit(struct memory_shared *shared, const struct alert_hit *hit)
{
    void *added;

    for (size_t i = 0; i < memory_count(&shared->records, TABLE_HIT); i++) {
        struct alert_hit *row = memory_row(&shared->records, TABLE_HIT, i);
        bool              same = row->alert == hit->alert && row->number == hit->number;

        if (row->transaction == hit->transaction ? !same : same)
            return ERR_exists;
        if (!same)
            continue;
        if (row->at_us != hit->at_us)
            return ERR_exists;
        TRY(memory_edit(shared, TABLE_HIT, row));
        *row = *hit;
        return ERR_none;
    }
    TRY(memory_add(shared, TABLE_HIT, &added));
    *(struct alert_hit *)added = *hit;
    return ERR_none;
}

static enum err put_record(struct memory_shared *shared, const struct record *record)
{
    struct record *row = memory_find(&shared->records, TABLE_RECORD, record->number);

    CHECK(record->body_size <= LIMIT_RECORD_BODY_MAX);
    if (record->version == 1) {
        for (size_t i = 0; i < memory_count(&shared->records, TABLE_RECORD); i++) {
            const struct record *other = memory_row(&shared->records, TABLE_RECORD, i);

            if (other->kind == record->kind && uuid_equal(&other->id, &record->id))
                return ERR_exists;
        }
        return add_numbered(shared, TABLE_RECORD, record->number, record, sizeof *record);
    }
    if (row == NULL || row->version != record->version - 1)
        return ERR_changed_meanwhile;
    TRY(memory_edit(shared, TABLE_RECORD, row));
    *row = *record;
    return ERR_none;
}

static enum err put_label(struct memory_shared *shared, const struct label *label)
{
    struct label *row = memory_label_of(&shared->records, label->transaction);
    void         *added;

    if (row == NULL) {
        TRY(memory_add(shared, TABLE_LABEL, &added));
        row = added;
        TRY(map_add(&shared->records.maps[MAP_LABEL], memory_number_hash(label->transaction),
                    last_row(shared, TABLE_LABEL)));
    } else {
        TRY(memory_edit(shared, TABLE_LABEL, row));
    }
    *row = *label;
    return ERR_none;
}

static enum err put_rollup(struct memory_shared *shared, const struct rollup *rollup)
{
    struct rollup *row = memory_rollup_of(&shared->records, &rollup->key);
    void          *added;

    if (row == NULL) {
        TRY(memory_add(shared, TABLE_ROLLUP, &added));
        row = added;
        row->key = rollup->key;
        TRY(map_add(&shared->records.maps[MAP_ROLLUP], memory_rollup_hash(&rollup->key),
                    last_row(shared, TABLE_ROLLUP)));
    } else {
        TRY(memory_edit(shared, TABLE_ROLLUP, row));
    }
    if (__builtin_add_overflow(row->count, rollup->count, &row->count) ||
        __builtin_add_overflow(row->amount, rollup->amount, &row->amount))
        return ERR_amount_overflow;
    return ERR_none;
}

static enum err put_profile(struct memory_shared *shared, const struct profile_row *profile)
{
    struct memory_profile *row = memory_profile_of(&shared->records, profile->entity);
    void                  *added;

    CHECK(profile->bytes.n <= LIMIT_PROFILE_BYTES);
    if (row == NULL) {
        TRY(memory_add(shared, TABLE_PROFILE, &added));
        row = added;
        row->entity = profile->entity;
        TRY(map_add(&shared->records.maps[MAP_PROFILE], memory_number_hash(profile->entity),
                    last_row(shared, TABLE_PROFILE)));
    } else {
        TRY(memory_edit(shared, TABLE_PROFILE, row));
    }
    row->last_sequence = profile->last_sequence;
    row->n = profile->bytes.n;
    if (row->n > 0)
        memcpy(row->bytes, profile->bytes.at, row->n);
    return ERR_none;
}

static enum err put_change(struct memory_shared *shared, const struct change *change)
{
    CHECK(change->account_count <= LIMIT_CHANGE_ACCOUNTS_MAX);
    CHECK(change->update_count <= LIMIT_CHANGE_TRANSACTIONS_MAX);
    CHECK(change->rollup_count <= LIMIT_CHANGE_ROLLUPS_MAX);
    CHECK(change->rule_set_update_count <= LIMIT_CHANGE_RULE_SETS_MAX);
    CHECK(change->record_count <= LIMIT_CHANGE_RECORDS_MAX);
    if (change->user != NULL)
        TRY(put_user(shared, change->user));
    if (change->customer != NULL)
        TRY(put_customer(shared, change->customer));
    if (change->account != NULL)
        TRY(put_account(shared, change->account));
    if (change->party != NULL)
        TRY(put_party(shared, change->party));
    if (change->rule_set != NULL)
        TRY(put_rules(shared, change));
    for (size_t i = 0; i < change->rule_set_update_count; i++)
        TRY(put_rules_update(shared, &change->rule_set_updates[i]));
    if (change->transaction != NULL)
        TRY(put_transaction(shared, change));
    for (size_t i = 0; i < change->update_count; i++)
        TRY(put_update(shared, &change->updates[i]));
    for (size_t i = 0; i < change->account_count; i++)
        TRY(put_account_change(shared, &change->accounts[i]));
    if (change->audit != NULL)
        TRY(add_numbered(shared, TABLE_AUDIT, change->audit->sequence, change->audit,
                         sizeof *change->audit));
    if (change->alert != NULL)
        TRY(put_alert(shared, change->alert));
    if (change->alert_update != NULL)
        TRY(put_alert_update(shared, change->alert_update));
    if (change->hit != NULL)
        TRY(put_hit(shared, change->hit));
    if (change->label != NULL)
        TRY(put_label(shared, change->label));
    for (size_t i = 0; i < change->record_count; i++)
        TRY(put_record(shared, change->records[i]));
    for (size_t i = 0; i < change->rollup_count; i++)
        TRY(put_rollup(shared, &change->rollups[i]));
    return ERR_none;
}

static enum err put_signed_head(struct memory_shared *shared, const struct signed_head *head)
{
    for (size_t i = 0; i < memory_count(&shared->records, TABLE_SIGNED_HEAD); i++) {
        const struct signed_head *other = memory_row(&shared->records, TABLE_SIGNED_HEAD, i);

        if (other->head.sequence == head->head.sequence)
            return ERR_none;
    }
    return add_numbered(shared, TABLE_SIGNED_HEAD, head->head.sequence, head, sizeof *head);
}

static enum err put_group(struct memory_shared *shared, const struct commit *commit, size_t *failed)
{
    const struct chain_head *head = &shared->records.head;

    *failed = commit->count;
    if (head->sequence != commit->before.sequence ||
        memcmp(head->hash, commit->before.hash, sizeof head->hash) != 0)
        return ERR_changed_meanwhile;
    for (size_t i = 0; i < commit->count; i++) {
        *failed = i;
        TRY(put_change(shared, commit->changes[i]));
    }
    *failed = commit->count;
    for (size_t i = 0; i < commit->profile_count; i++)
        TRY(put_profile(shared, &commit->profiles[i]));
    if (commit->signed_head != NULL)
        TRY(put_signed_head(shared, commit->signed_head));
    return ERR_none;
}

enum err memory_apply(struct store *store, const struct commit *commit, size_t *failed,
                      struct fault *fault)
{
    struct memory_store  *self = memory_of(store);
    struct memory_shared *shared = self->shared;
    struct uuid           newest_id;
    enum err              err;

    (void)fault;
    CHECK(self->mode != STORE_READ && self->snapshot == NULL);
    CHECK(commit->count <= LIMIT_BATCH_MAX);
    newest_id = memory_begin(store)->newest_id;
    memory_keep(shared);
    err = put_group(shared, commit, failed);
    if (err == ERR_none) {
        shared->records.head = commit->after;
        shared->commits++;
        self->commits++;
        self->commits_asked++; /* one's own commits are no news */
        memory_keep(shared);
    } else {
        memory_undo(shared);
        shared->records.newest_id = newest_id;
    }
    memory_end(store);
    return err;
}
