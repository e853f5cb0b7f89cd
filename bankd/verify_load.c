/* What the pass over the chain is compared with, read into memory first: accounts, parties,
 * alerts, signed heads, saved profiles, and what the audit log made of transactions and accounts.
 *
 * Visitors only note what they see; nothing is asked of the store while it visits. */
#include "bankd/verify_impl.h"

#include "bankd/chain.h"
#include "bankd/profile.h"
#include "common/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool fail(struct verify *verify)
{
    verify->failed = ERR_memory;
    return false;
}

static enum err visited(struct verify *verify, enum err err)
{
    return err != ERR_none ? err : verify->failed;
}

/* --- where the chain ends --------------------------------------------------------------------- */

static bool note_newest(void *context, const void *row)
{
    int64_t *newest = context;

    *newest = ((const struct transaction *)row)->sequence;
    return false;
}

static bool note_newest_audit(void *context, const void *row)
{
    int64_t *newest = context;

    *newest = ((const struct audit *)row)->sequence;
    return false;
}

static enum err find_end(struct verify *verify)
{
    struct transaction_filter transactions = { .ascending = false };
    struct audit_filter       audits = { .before_sequence = 0 };
    struct store             *store = verify->store;
    int64_t                   transaction = 0;
    int64_t                   audit = 0;
    int64_t                   stopped_at;

    TRY(store->ops->transactions(store, &transactions, note_newest, &transaction, &stopped_at));
    TRY(store->ops->audits(store, &audits, note_newest_audit, &audit, &stopped_at));
    verify->last = transaction > audit ? transaction : audit;
    verify->report->last_sequence = verify->last;
    verify->is_transaction = calloc((size_t)verify->last / 8 + 1, 1);
    verify->is_audit = calloc((size_t)verify->last / 8 + 1, 1);
    return verify->is_transaction == NULL || verify->is_audit == NULL ? ERR_memory : ERR_none;
}

/* --- accounts and parties --------------------------------------------------------------------- */

static bool note_account(void *context, const void *row)
{
    struct verify             *verify = context;
    const struct account_book *book = &((const struct account *)row)->book;

    if (book->number > 0 && (size_t)book->number < verify->account_count)
        verify->accounts[book->number].stored = *book;
    return true;
}

static bool note_party(void *context, const void *row)
{
    struct verify       *verify = context;
    const struct party  *party = row;
    struct verify_party *known;

    if (party->number <= 0 || (size_t)party->number >= verify->party_count)
        return true;
    known = &verify->parties[party->number];
    known->known = true;
    known->stored_sequence = party->last_sequence;
    known->stored_transactions = party->transactions;
    return true;
}

static enum err load_books(struct verify *verify)
{
    struct account_filter every = { .before_number = 0 };
    struct store_numbers  numbers;
    struct store         *store = verify->store;

    TRY(store->ops->numbers(store, &numbers));
    verify->account_count = (size_t)numbers.account + 1;
    verify->party_count = (size_t)numbers.party + 1;
    verify->accounts = calloc(verify->account_count, sizeof *verify->accounts);
    verify->parties = calloc(verify->party_count, sizeof *verify->parties);
    if (verify->accounts == NULL || verify->parties == NULL)
        return ERR_memory;
    TRY(store->ops->accounts(store, &every, note_account, verify));
    return store->ops->parties(store, note_party, verify);
}

/* --- alerts and heads ------------------------------------------------------------------------- */

static bool note_alert(void *context, const void *row)
{
    struct verify       *verify = context;
    const struct alert  *alert = row;
    struct verify_alert *entry = verify_map_make(&verify->alerts, alert->number);

    if (entry == NULL)
        return fail(verify);
    entry->account = alert->account;
    entry->transaction = alert->transaction;
    entry->state = alert->state;
    entry->score = alert->score;
    entry->expected_loss = alert->expected_loss;
    entry->hits = alert->hits;
    verify->alerts_open += alert->state != ALERT_DECIDED ? 1 : 0;
    return true;
}

static bool note_hit(void *context, const void *row)
{
    struct verify          *verify = context;
    const struct alert_hit *hit = row;

    if (verify->hit_count == verify->hit_capacity) {
        size_t             capacity = verify->hit_capacity * 2 + 256;
        struct verify_hit *more = realloc(verify->hits, capacity * sizeof *more);

        if (more == NULL)
            return fail(verify);
        verify->hits = more;
        verify->hit_capacity = capacity;
    }
    verify->hits[verify->hit_count++] = (struct verify_hit){ .transaction = hit->transaction,
                                                             .alert = hit->alert,
                                                             .loss = hit->loss,
                                                             .number = hit->number,
                                                             .score = hit->score,
                                                             .waits = hit->finding == 0 };
    return true;
}

static int compare_hits(const void *a, const void *b)
{
    const struct verify_hit *left = a;
    const struct verify_hit *right = b;

    return (left->transaction > right->transaction) - (left->transaction < right->transaction);
}

static bool note_head(void *context, const void *row)
{
    struct verify *verify = context;

    if (verify->head_count == verify->head_capacity) {
        size_t              capacity = verify->head_capacity * 2 + 64;
        struct signed_head *more = realloc(verify->heads, capacity * sizeof *more);

        if (more == NULL)
            return fail(verify);
        verify->heads = more;
        verify->head_capacity = capacity;
    }
    verify->heads[verify->head_count++] = *(const struct signed_head *)row;
    return true;
}

static int compare_heads(const void *a, const void *b)
{
    const struct signed_head *left = a;
    const struct signed_head *right = b;

    return (left->head.sequence > right->head.sequence) -
           (left->head.sequence < right->head.sequence);
}

static enum err load_alerts(struct verify *verify)
{
    struct alert_filter every = { .before_number = 0 };
    struct store       *store = verify->store;

    TRY(visited(verify, store->ops->alerts(store, &every, note_alert, verify)));
    TRY(visited(verify, store->ops->alert_hits(store, 0, note_hit, verify)));
    if (verify->hit_count > 1)
        qsort(verify->hits, verify->hit_count, sizeof verify->hits[0], compare_hits);
    TRY(visited(verify, store->ops->signed_heads(store, 0, note_head, verify)));
    if (verify->head_count > 1)
        qsort(verify->heads, verify->head_count, sizeof verify->heads[0], compare_heads);
    return ERR_none;
}

/* --- the audit log, newest first -------------------------------------------------------------- */

int64_t verify_account_key(const struct uuid *id)
{
    int64_t front;
    int64_t back;

    memcpy(&front, id->bytes, sizeof front);
    memcpy(&back, id->bytes + sizeof front, sizeof back);
    return front ^ back;
}

static int32_t status_of(const char *operation)
{
    if (strcmp(operation, "account.freeze") == 0)
        return ACCOUNT_FROZEN;
    if (strcmp(operation, "account.unfreeze") == 0)
        return ACCOUNT_ACTIVE;
    return strcmp(operation, "account.close") == 0 ? ACCOUNT_CLOSED : 0;
}

static bool note_status(struct verify *verify, const struct audit *audit)
{
    int32_t               status = status_of(audit->operation);
    struct verify_status *entry;
    struct uuid           id;

    if (audit->kind != AUDIT_ACTION || status == 0 || strcmp(audit->outcome, "done") != 0 ||
        uuid_parse(audit->subject, strlen(audit->subject), &id) != ERR_none)
        return true;
    entry = verify_map_make(&verify->statuses, verify_account_key(&id));
    if (entry == NULL)
        return fail(verify);
    if (entry->status == 0)
        entry->status = status;
    return true;
}

/* Entries come newest first, so the first mark of a record is that of its last version. */
static bool note_marks(struct verify *verify, const struct audit *audit)
{
    for (size_t at = 0; at + RECORD_MARK_BYTES <= audit->records_size; at += RECORD_MARK_BYTES) {
        const uint8_t      *mark = audit->records + at;
        struct verify_mark *entry = verify_map_make(&verify->marks, chain_marked_record(mark));

        if (entry == NULL)
            return fail(verify);
        if (!entry->known)
            memcpy(entry->mark, mark, sizeof entry->mark);
        entry->known = true;
    }
    return true;
}

static bool note_audit(void *context, const void *row)
{
    struct verify      *verify = context;
    const struct audit *audit = row;
    struct verify_set  *entry;

    if (audit->sequence > 0 && audit->sequence <= verify->last)
        verify->is_audit[audit->sequence / 8] |= (uint8_t)(1u << (audit->sequence % 8));
    else
        verify_problem(verify, VERIFY_CHAIN, "audit entry %" PRId64 " lies outside the chain",
                       audit->sequence);
    if (audit->about_transaction != 0 && (audit->set_status != 0 || audit->set_flag != 0)) {
        entry = verify_map_make(&verify->sets, audit->about_transaction);
        if (entry == NULL)
            return fail(verify);
        if (entry->status == 0)
            entry->status = audit->set_status;
        if (entry->flag == 0)
            entry->flag = audit->set_flag;
    }
    return note_status(verify, audit) && note_marks(verify, audit);
}

static enum err load_audits(struct verify *verify)
{
    struct audit_filter every = { .before_sequence = 0 };
    int64_t             stopped_at;

    return visited(
        verify, verify->store->ops->audits(verify->store, &every, note_audit, verify, &stopped_at));
}

/* --- saved profiles --------------------------------------------------------------------------- */

/* Takes a saved profile into the proof; one that the engine would not use is only told. */
static enum err load_profile(struct verify *verify, int64_t entity, int32_t *index)
{
    struct verify_profile *profile = &verify->profiles[verify->profile_count];
    struct fraud_profile   saved;
    uint8_t                bytes[LIMIT_PROFILE_BYTES];
    size_t                 n = 0;
    enum err               err;

    err = verify->store->ops->profile_get(verify->store, entity, &profile->saved_sequence, bytes,
                                          sizeof bytes, &n);
    if (err == ERR_not_found)
        return ERR_none;
    TRY(err);
    if (!profile_unpack(bytes, n, &saved)) {
        verify_warning(verify,
                       "the saved profile of %s %" PRId64
                       " is of another version or damaged; it will be made again",
                       entity % 2 != 0 ? "party" : "account", entity / 2);
        return ERR_none;
    }
    profile->entity = entity;
    profile->saved_digest = fraud_profile_digest(&saved);
    profile->reached = false;
    profile->passed = false;
    fraud_profile_init(&profile->made);
    *index = (int32_t)++verify->profile_count;
    return ERR_none;
}

static enum err load_profiles(struct verify *verify)
{
    size_t entities = verify->account_count + verify->party_count;
    size_t step = entities / VERIFY_PROFILES_MAX + 1;

    verify->profiles = malloc((entities / step + 2) * sizeof *verify->profiles);
    if (verify->profiles == NULL)
        return ERR_memory;
    for (size_t i = 1; i < verify->account_count; i += step)
        TRY(load_profile(verify, entity_of_account((int64_t)i), &verify->accounts[i].profile));
    for (size_t i = 1; i < verify->party_count; i += step)
        TRY(load_profile(verify, entity_of_party((int64_t)i), &verify->parties[i].profile));
    if (step > 1)
        verify_warning(verify, "every %zuth of %zu saved profiles was looked at", step, entities);
    return ERR_none;
}

enum err verify_load(struct verify *verify)
{
    TRY(find_end(verify));
    TRY(load_books(verify));
    TRY(load_alerts(verify));
    TRY(load_audits(verify));
    return load_profiles(verify);
}
