/* audit.list and audit.verify.
 *
 * The audit log is one chain kept in two places: a transaction is its own audit entry, everything
 * else has a row in the audit table. A page reads both from the same point towards older entries
 * and merges them by sequence. Each source may end early (its rows are bounded for one request),
 * so an entry is shown only when both sources have been read as far back as it lies; the cursor is
 * the first sequence that was not shown.
 *
 * Entries are filtered by what the log shows: the moment when the ledger took a transaction, not
 * when it happened. */
#include "bankd/chain.h"
#include "bankd/ops/page.h"
#include "common/money.h"

#include <stdio.h>
#include <string.h>

/* --- one source ----------------------------------------------------------------------------- */

/* Entries found so far, newest first, and how far back the source is known. */
struct source {
    struct msg_audit_entry *at;
    size_t count;
    int64_t known_from; /* every sequence from here on has been looked at; 0 = all */
};

struct listing {
    struct request *request;
    int32_t kind; /* 0 = any */
    int64_t from_us, to_us;
    struct slice actor, search;
    int64_t newest; /* where the page begins */
    bool by_user;   /* only transactions of this user: */
    int64_t user;   /* number; 0 = imports, -1 = nobody */
    size_t limit;
    struct source transactions, audits;
    int64_t *posters; /* user numbers, beside the transactions */
    enum err err;
};

/* The longest entry must still fit, else the source ends here. */
enum { ENTRY_BYTES_MAX = LIMIT_EMAIL_MAX + 65 + 49 + 65 + LIMIT_DETAIL_MAX + 128 };

/* False when the row has no place: then only what lies behind it is known. */
static bool has_room(struct listing *listing, struct source *source, int64_t sequence)
{
    if (source->count < listing->limit && page_room(listing->request, ENTRY_BYTES_MAX))
        return true;
    source->known_from = sequence + 1;
    return false;
}

/* Copies the texts, which are borrowed from the row. */
static enum err keep_entry(struct request *request, struct msg_audit_entry *entry)
{
    TRY(page_keep(request, entry->actor, &entry->actor));
    TRY(page_keep(request, entry->operation, &entry->operation));
    TRY(page_keep(request, entry->outcome, &entry->outcome));
    TRY(page_keep(request, entry->subject, &entry->subject));
    TRY(page_keep(request, entry->detail, &entry->detail));
    return page_keep(request, entry->hash, &entry->hash);
}

static bool add_entry(struct listing *listing, struct source *source,
                      const struct msg_audit_entry *entry)
{
    if (!has_room(listing, source, entry->sequence))
        return false;
    source->at[source->count] = *entry;
    listing->err = keep_entry(listing->request, &source->at[source->count]);
    if (listing->err != ERR_none)
        return false;
    source->count++;
    return true;
}

/* --- transactions as entries ---------------------------------------------------------------- */

/* What no user posted came with a file: a row of it, or the difference that the import posts where
 * the file's balances were rounded. */
static const char *operation_of(const struct transaction *row)
{
    if (row->posted_by == 0)
        return row->type == TYPE_ADJUSTMENT && row->rule_set == 0 ? "import.rounding" : "import";
    return row->type == TYPE_REVERSAL ? "transaction.reverse" : "transaction.create";
}

/* "transfer 1,234.56 USD score 720 hold"; the bank's own acts, which nobody judges, say what they
 * are instead: "adjustment 0.10 USD, not judged: Rounding". */
static void detail_of(const struct transaction *row, char out[LIMIT_DETAIL_MAX + 1])
{
    char amount[MONEY_TEXT_MAX];
    const struct currency *currency = currency_by_number(row->currency);
    money_text_grouped(row->amount, currency != NULL ? currency->exponent : 0, amount);
    int n = snprintf(out, LIMIT_DETAIL_MAX + 1, "%s %s %s",
                     enum_text(&enum_transaction_type, row->type), amount,
                     currency != NULL ? currency->code : "???");
    if (row->rule_set == 0)
        snprintf(out + n, LIMIT_DETAIL_MAX + 1 - (size_t)n, ", not judged%s%s",
                 row->description[0] != '\0' ? ": " : "", row->description);
    else
        snprintf(out + n, LIMIT_DETAIL_MAX + 1 - (size_t)n, " score %d %s", (int)row->score,
                 enum_text(&enum_verdict, row->verdict));
}

static bool entry_matches(const struct listing *listing, const struct msg_audit_entry *entry)
{
    if ((listing->from_us != 0 && entry->at < listing->from_us) ||
        (listing->to_us != 0 && entry->at >= listing->to_us))
        return false;
    return listing->search.n == 0 || page_contains(entry->operation, listing->search) ||
           page_contains(entry->subject, listing->search) ||
           page_contains(entry->detail, listing->search);
}

/* The actor's address is filled in later: it needs the store, which is busy with the visit. */
static bool take_transaction(void *context, const void *row)
{
    struct listing *listing = context;
    const struct transaction *transaction = row;
    char subject[UUID_TEXT_MAX];
    char detail[LIMIT_DETAIL_MAX + 1];
    if (page_cancelled(listing->request)) {
        listing->err = ERR_cancelled;
        return false;
    }
    if (listing->by_user && transaction->posted_by != listing->user)
        return true;
    detail_of(transaction, detail);
    struct msg_audit_entry entry = {
        .sequence = transaction->sequence,
        .at = transaction->posted_at_us,
        .kind = AUDIT_TRANSACTION,
        .operation = slice_from(operation_of(transaction)),
        .outcome = slice_from(enum_text(&enum_transaction_status, transaction->initial_status)),
        .subject = slice_from(uuid_text(&transaction->transaction_id, subject)),
        .detail = slice_from(detail),
        .hash = slice_of((const char *)transaction->hash, CHAIN_HASH_BYTES),
    };
    if (!entry_matches(listing, &entry))
        return true;
    if (!add_entry(listing, &listing->transactions, &entry))
        return false;
    listing->posters[listing->transactions.count - 1] = transaction->posted_by;
    return true;
}

static enum err read_transactions(struct listing *listing)
{
    struct request *request = listing->request;
    struct store *store = request->store;
    struct source *source = &listing->transactions;
    struct uuid id;
    if ((listing->kind != 0 && listing->kind != AUDIT_TRANSACTION) || listing->user < 0)
        return ERR_none;
    if (uuid_parse(listing->search.at, listing->search.n, &id) == ERR_none) {
        struct transaction row;
        enum err err = store->ops->transaction_by_id(store, &id, &row);
        if (err == ERR_none && (listing->newest == 0 || row.sequence <= listing->newest))
            (void)take_transaction(listing, &row);
        return err == ERR_not_found ? ERR_none : err != ERR_none ? err : listing->err;
    }
    struct transaction_filter filter = {
        .from_sequence = listing->newest,
        .scan_max = LIMIT_AUDIT_SCAN_ROWS_MAX,
        .cancel = request->cancel,
    };
    int64_t stopped_at = 0;
    TRY(store->ops->transactions(store, &filter, take_transaction, listing, &stopped_at));
    TRY(listing->err);
    /* The row at which the scan ended is looked at once more on the next page. */
    if (source->known_from == 0 && stopped_at != 0)
        source->known_from = stopped_at + 1;
    return page_check_cancel(request);
}

/* --- rows of the audit table ---------------------------------------------------------------- */

static bool take_audit(void *context, const void *row)
{
    struct listing *listing = context;
    const struct audit *audit = row;
    if (page_cancelled(listing->request)) {
        listing->err = ERR_cancelled;
        return false;
    }
    struct msg_audit_entry entry = {
        .sequence = audit->sequence,
        .at = audit->at_us,
        .kind = audit->kind,
        .actor = slice_from(audit->actor_name),
        .operation = slice_from(audit->operation),
        .outcome = slice_from(audit->outcome),
        .subject = slice_from(audit->subject),
        .detail = slice_from(audit->detail),
        .hash = slice_of((const char *)audit->hash, CHAIN_HASH_BYTES),
    };
    return add_entry(listing, &listing->audits, &entry);
}

static enum err read_audits(struct listing *listing)
{
    struct store *store = listing->request->store;
    struct source *source = &listing->audits;
    if (listing->kind == AUDIT_TRANSACTION)
        return ERR_none;
    struct audit_filter filter = {
        .before_sequence = listing->newest != 0 ? listing->newest + 1 : 0,
        .kind = listing->kind,
        .from_us = listing->from_us,
        .to_us = listing->to_us,
        .actor = listing->actor,
        .search = listing->search,
        .scan_max = LIMIT_AUDIT_SCAN_ROWS_MAX,
    };
    int64_t stopped_at = 0;
    TRY(store->ops->audits(store, &filter, take_audit, listing, &stopped_at));
    TRY(listing->err);
    if (source->known_from == 0 && stopped_at != 0)
        source->known_from = stopped_at + 1;
    return page_check_cancel(listing->request);
}

/* --- audit.list ----------------------------------------------------------------------------- */

static enum err listing_open(struct request *request, const struct msg_audit_query *in,
                             struct listing *listing)
{
    *listing = (struct listing){.request = request};
    TRY(page_times(request, MSG_HAS(in, audit_query, from), in->from, MSG_HAS(in, audit_query, to),
                   in->to, &listing->from_us, &listing->to_us));
    if (MSG_HAS(in, audit_query, kind))
        listing->kind = in->kind;
    if (MSG_HAS(in, audit_query, search))
        listing->search = in->search;
    listing->limit = page_limit(MSG_HAS(in, audit_query, limit), in->limit);
    void *memory = NULL;
    TRY(page_take(request, listing->limit * sizeof(struct msg_audit_entry), &memory));
    listing->transactions.at = memory;
    TRY(page_take(request, listing->limit * sizeof(struct msg_audit_entry), &memory));
    listing->audits.at = memory;
    TRY(page_take(request, listing->limit * sizeof(int64_t), &memory));
    listing->posters = memory;
    if (!MSG_HAS(in, audit_query, actor) || in->actor.n == 0)
        return ERR_none;
    listing->actor = in->actor;
    listing->by_user = true;
    if (slice_is(in->actor, "import"))
        return ERR_none;
    struct user user;
    enum err err = request->store->ops->user_by_email(request->store, in->actor, &user);
    listing->user = err == ERR_none ? user.number : -1;
    return err == ERR_not_found ? ERR_none : err;
}

/* Neighbours are mostly of the same user, so the one at hand is kept. */
static enum err set_actor(struct request *request, int64_t number, struct user *last,
                          struct msg_audit_entry *entry)
{
    if (number == 0) {
        entry->actor = slice_from("import");
        return ERR_none;
    }
    if (last->number != number) {
        last->number = 0;
        enum err err = request->store->ops->user_by_number(request->store, number, last);
        if (err != ERR_none)
            return err == ERR_not_found ? ERR_books_broken : err;
    }
    return page_keep(request, slice_from(last->email), &entry->actor);
}

/* Merges the two sources into the page. *next is where the next page begins; 0 = there is none. */
static enum err merge(struct listing *listing, struct msg_audit_page *out, int64_t *next)
{
    const struct source *transactions = &listing->transactions;
    const struct source *audits = &listing->audits;
    int64_t known = transactions->known_from > audits->known_from ? transactions->known_from
                                                                  : audits->known_from;
    struct user poster = {.number = 0};
    size_t t = 0;
    size_t a = 0;
    int64_t last = 0;
    while (out->items.count < listing->limit) {
        int64_t of_t = t < transactions->count ? transactions->at[t].sequence : 0;
        int64_t of_a = a < audits->count ? audits->at[a].sequence : 0;
        last = of_t > of_a ? of_t : of_a;
        if (last == 0 || last < known)
            break;
        struct msg_audit_entry *item = &out->items.at[out->items.count++];
        *item = of_t > of_a ? transactions->at[t] : audits->at[a];
        if (of_t > of_a)
            TRY(set_actor(listing->request, listing->posters[t], &poster, item));
        t += of_t > of_a;
        a += of_t <= of_a;
    }
    bool more = t < transactions->count || a < audits->count || known > 0;
    if (out->items.count == listing->limit)
        *next = more ? last - 1 : 0;
    else
        *next = known > 0 ? known - 1 : 0;
    /* Without room for a single entry, going on would go nowhere. */
    if (out->items.count == 0 && *next != 0 && *next == listing->newest)
        return ERR_memory;
    return ERR_none;
}

enum err op_audit_list(struct request *request, const struct msg_audit_query *in,
                       struct msg_audit_page *out)
{
    struct page_cursor cursor;
    struct listing listing;
    void *items = NULL;
    TRY(page_start(request, in, MSG_HAS(in, audit_query, cursor), in->cursor, &cursor));
    TRY(listing_open(request, in, &listing));
    listing.newest = cursor.from;
    TRY(page_take(request, listing.limit * sizeof(struct msg_audit_entry), &items));
    out->items.at = items;
    TRY(read_transactions(&listing));
    TRY(read_audits(&listing));
    TRY(merge(&listing, out, &cursor.from));
    if (cursor.from > 0) {
        struct slice next;
        TRY(page_next(request, in, &cursor, &next));
        MSG_SET(out, audit_page, next, next);
    }
    return ERR_none;
}

/* --- audit.verify --------------------------------------------------------------------------- */

enum { LINKS_AT_ONCE = 64 };

/* Transactions ahead, oldest first; what lies between them are audit rows. */
struct proof {
    struct request *request;
    int64_t last;    /* the last link to prove */
    int64_t read_to; /* transactions are known up to here */
    size_t count, used;
    struct transaction *rows;
    uint8_t before[CHAIN_HASH_BYTES];
};

static bool take_ahead(void *context, const void *row)
{
    struct proof *proof = context;
    const struct transaction *transaction = row;
    if (transaction->sequence > proof->last)
        return false;
    proof->rows[proof->count++] = *transaction;
    proof->read_to = transaction->sequence;
    return proof->count < LINKS_AT_ONCE;
}

static enum err read_ahead(struct proof *proof, int64_t from)
{
    struct store *store = proof->request->store;
    struct transaction_filter filter = {.ascending = true, .from_sequence = from};
    int64_t stopped_at = 0;
    proof->count = 0;
    proof->used = 0;
    TRY(store->ops->transactions(store, &filter, take_ahead, proof, &stopped_at));
    if (proof->count < LINKS_AT_ONCE)
        proof->read_to = proof->last;
    return page_check_cancel(proof->request);
}

/* The stored and the computed link at `sequence`; *there is false when there is no entry. */
static enum err link_at(struct proof *proof, int64_t sequence, uint8_t stored[CHAIN_HASH_BYTES],
                        uint8_t computed[CHAIN_HASH_BYTES], bool *there)
{
    *there = true;
    if (sequence > proof->read_to)
        TRY(read_ahead(proof, sequence));
    if (proof->used < proof->count && proof->rows[proof->used].sequence == sequence) {
        const struct transaction *row = &proof->rows[proof->used++];
        memcpy(stored, row->hash, CHAIN_HASH_BYTES);
        chain_link_transaction(proof->before, row, computed);
        return ERR_none;
    }
    struct audit row;
    struct store *store = proof->request->store;
    enum err err = store->ops->audit_by_sequence(store, sequence, &row);
    *there = err == ERR_none;
    if (err != ERR_none)
        return err == ERR_not_found ? ERR_none : err;
    memcpy(stored, row.hash, CHAIN_HASH_BYTES);
    chain_link_audit(proof->before, &row, computed);
    return ERR_none;
}

/* Sets *broken to the first entry that does not hold; 0 = all do. */
static enum err prove(struct proof *proof, int64_t first, int64_t *broken, int64_t *checked)
{
    uint8_t stored[CHAIN_HASH_BYTES];
    uint8_t computed[CHAIN_HASH_BYTES];
    bool there = true;
    *broken = 0;
    for (int64_t at = first; at <= proof->last && *broken == 0; at++) {
        TRY(link_at(proof, at, stored, computed, &there));
        if (!there || memcmp(stored, computed, CHAIN_HASH_BYTES) != 0)
            *broken = at;
        else
            memcpy(proof->before, stored, CHAIN_HASH_BYTES);
        *checked += 1;
    }
    return ERR_none;
}

/* The stored link of the entry before the first one. */
static enum err read_before(struct proof *proof, int64_t first)
{
    struct store *store = proof->request->store;
    struct transaction row;
    struct audit audit;
    memset(proof->before, 0, sizeof(proof->before));
    if (first <= 1)
        return ERR_none;
    enum err err = store->ops->transaction_by_sequence(store, first - 1, &row);
    if (err == ERR_none)
        memcpy(proof->before, row.hash, sizeof(proof->before));
    if (err != ERR_not_found)
        return err;
    err = store->ops->audit_by_sequence(store, first - 1, &audit);
    if (err == ERR_none)
        memcpy(proof->before, audit.hash, sizeof(proof->before));
    /* A gap there breaks the first link, which is what the caller will be told. */
    return err == ERR_not_found ? ERR_none : err;
}

enum err op_audit_verify(struct request *request, const struct msg_audit_verify *in,
                         struct msg_audit_verification *out)
{
    struct store_numbers numbers;
    struct proof proof = {.request = request};
    int64_t broken = 0;
    int64_t checked = 0;
    void *memory = NULL;
    TRY(request->store->ops->numbers(request->store, &numbers));
    const struct chain_head *head = &numbers.head;
    int64_t first = head->sequence - LIMIT_VERIFY_ENTRIES_MAX + 1;
    if (MSG_HAS(in, audit_verify, from_sequence))
        first = in->from_sequence;
    if (first < 1)
        first = 1;
    if (first > head->sequence && head->sequence > 0)
        return fault_set(request->fault, ERR_range_invalid, "from_sequence",
                         "The newest entry is %lld.", (long long)head->sequence);
    proof.last = head->sequence - first < LIMIT_VERIFY_ENTRIES_MAX
                     ? head->sequence
                     : first + LIMIT_VERIFY_ENTRIES_MAX - 1;
    TRY(page_take(request, LINKS_AT_ONCE * sizeof(struct transaction), &memory));
    proof.rows = memory;
    TRY(read_before(&proof, first));
    TRY(prove(&proof, first, &broken, &checked));
    if (broken == 0 && proof.last == head->sequence && head->sequence > 0 &&
        memcmp(proof.before, head->hash, CHAIN_HASH_BYTES) != 0)
        broken = head->sequence;

    struct slice hash;
    TRY(page_keep(request, slice_of((const char *)head->hash, CHAIN_HASH_BYTES), &hash));
    MSG_SET(out, audit_verification, whole, broken == 0);
    MSG_SET(out, audit_verification, first_sequence, head->sequence > 0 ? first : 0);
    MSG_SET(out, audit_verification, last_sequence, broken != 0 ? broken : proof.last);
    MSG_SET(out, audit_verification, checked, checked);
    MSG_SET(out, audit_verification, head, hash);
    if (broken != 0)
        MSG_SET(out, audit_verification, broken_at, broken);
    return ERR_none;
}
