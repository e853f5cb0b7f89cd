/* See chain.h. The layout below must never change for a version that has been written: a new
 * field means a new layout version for new entries, chosen by what the entry carries. */
#include "bankd/chain.h"

#include "common/check.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

enum {
    LAYOUT_PLAIN = 1,
    LAYOUT_RECORDS = 2, /* an audit entry with marks of records */
    CHAIN_ENTRY_MAX = LIMIT_RECORD_BODY_MAX + 2048,
};

/* Bytes of one entry under construction. Every caller's fields are bounded, so that the sum of
 * their limits fits; put_bytes checks it all the same. */
struct entry {
    size_t  n;
    uint8_t bytes[CHAIN_ENTRY_MAX];
};

static void put_bytes(struct entry *entry, const void *bytes, size_t n)
{
    CHECK(n <= sizeof entry->bytes - entry->n);
    memcpy(entry->bytes + entry->n, bytes, n);
    entry->n += n;
}

static void put_int(struct entry *entry, int64_t value)
{
    uint64_t big = htobe64((uint64_t)value);

    put_bytes(entry, &big, sizeof big);
}

static void put_counted(struct entry *entry, const void *bytes, size_t n)
{
    uint8_t length[2] = { (uint8_t)(n >> 8), (uint8_t)n };

    CHECK(n <= UINT16_MAX);
    put_bytes(entry, length, sizeof length);
    put_bytes(entry, bytes, n);
}

static void put_text(struct entry *entry, const char *text)
{
    put_counted(entry, text, strlen(text));
}

static void entry_begin(struct entry *entry, const uint8_t before[CHAIN_HASH_BYTES], char kind,
                        uint8_t layout)
{
    uint8_t head[2] = { (uint8_t)kind, layout };

    entry->n = 0;
    put_bytes(entry, before, CHAIN_HASH_BYTES);
    put_bytes(entry, head, sizeof head);
}

static void entry_end(const struct entry *entry, uint8_t out[CHAIN_HASH_BYTES])
{
    int rc = crypto_generichash(out, CHAIN_HASH_BYTES, entry->bytes, entry->n, NULL, 0);

    CHECK(rc == 0);
}

void chain_link_transaction(const uint8_t before[CHAIN_HASH_BYTES], const struct transaction *row,
                            uint8_t out[CHAIN_HASH_BYTES])
{
    struct entry entry;

    entry_begin(&entry, before, 'T', LAYOUT_PLAIN);
    put_int(&entry, row->sequence);
    put_bytes(&entry, row->transaction_id.bytes, sizeof row->transaction_id.bytes);
    put_int(&entry, row->type);
    put_int(&entry, row->initial_status);
    put_int(&entry, row->debit);
    put_int(&entry, row->credit);
    put_int(&entry, row->party);
    put_int(&entry, row->incoming);
    put_int(&entry, row->currency);
    put_int(&entry, row->amount);
    put_int(&entry, row->at_us);
    put_int(&entry, row->posted_at_us);
    put_int(&entry, row->posted_by);
    put_int(&entry, row->debit_previous);
    put_int(&entry, row->credit_previous);
    put_int(&entry, row->party_previous);
    put_int(&entry, row->debit_balance);
    put_int(&entry, row->credit_balance);
    put_int(&entry, row->verdict);
    put_int(&entry, row->score);
    put_int(&entry, row->rule_set);
    put_int(&entry, row->hold_expires_at_us);
    put_int(&entry, row->reversal_of);
    put_text(&entry, row->external_id);
    put_text(&entry, row->description);
    put_counted(&entry, row->decision, row->decision_size);
    entry_end(&entry, out);
}

void chain_link_audit(const uint8_t before[CHAIN_HASH_BYTES], const struct audit *row,
                      uint8_t out[CHAIN_HASH_BYTES])
{
    struct entry entry;

    entry_begin(&entry, before, 'A', row->records_size > 0 ? LAYOUT_RECORDS : LAYOUT_PLAIN);
    put_int(&entry, row->sequence);
    put_int(&entry, row->at_us);
    put_int(&entry, row->kind);
    put_int(&entry, row->actor);
    put_text(&entry, row->actor_name);
    put_text(&entry, row->operation);
    put_text(&entry, row->outcome);
    put_text(&entry, row->subject);
    put_text(&entry, row->detail);
    put_int(&entry, row->about_transaction);
    put_int(&entry, row->set_status);
    put_int(&entry, row->set_flag);
    if (row->records_size > 0)
        put_counted(&entry, row->records, row->records_size);
    entry_end(&entry, out);
}

/* A mark is its number and the hash of all of the entry. */
static void mark_begin(struct entry *entry, int64_t number)
{
    entry->n = 0;
    put_int(entry, number);
}

static void mark_end(const struct entry *entry, uint8_t out[RECORD_MARK_BYTES])
{
    uint8_t hash[CHAIN_HASH_BYTES];

    memcpy(out, entry->bytes, 8);
    entry_end(entry, hash);
    memcpy(out + 8, hash, RECORD_MARK_BYTES - 8);
}

void chain_mark_record(const struct record *record, uint8_t out[RECORD_MARK_BYTES])
{
    struct entry entry;

    mark_begin(&entry, record->number);
    put_int(&entry, record->kind);
    put_int(&entry, record->state);
    put_bytes(&entry, record->id.bytes, sizeof record->id.bytes);
    put_int(&entry, record->about);
    put_int(&entry, record->due_at_us);
    put_int(&entry, record->version);
    put_int(&entry, record->created_at_us);
    put_int(&entry, record->created_by);
    put_counted(&entry, record->body, record->body_size);
    mark_end(&entry, out);
}

void chain_mark_user(const struct user *user, uint8_t out[RECORD_MARK_BYTES])
{
    struct entry entry;

    mark_begin(&entry, -2 * user->number);
    put_bytes(&entry, user->user_id.bytes, sizeof user->user_id.bytes);
    put_text(&entry, user->email);
    put_text(&entry, user->name);
    put_text(&entry, user->password_hash);
    put_int(&entry, user->role);
    put_int(&entry, user->disabled);
    put_int(&entry, user->created_at_us);
    mark_end(&entry, out);
}

void chain_mark_account(const struct account_book *book, const char *freeze_reason,
                        const char *freeze_authority, uint8_t out[RECORD_MARK_BYTES])
{
    struct entry entry;

    mark_begin(&entry, -2 * book->number - 1);
    put_bytes(&entry, book->account_id.bytes, sizeof book->account_id.bytes);
    put_int(&entry, book->customer);
    put_int(&entry, book->opened_by);
    put_int(&entry, book->kind);
    put_int(&entry, book->status);
    put_int(&entry, book->freeze_direction);
    put_int(&entry, book->currency);
    put_int(&entry, book->freeze_until_us);
    put_int(&entry, book->overdraft_limit);
    put_int(&entry, book->created_at_us);
    put_text(&entry, freeze_reason);
    put_text(&entry, freeze_authority);
    mark_end(&entry, out);
}

int64_t chain_marked_record(const uint8_t mark[RECORD_MARK_BYTES])
{
    uint64_t number = 0;

    for (int i = 0; i < 8; i++)
        number = number << 8 | mark[i];
    return (int64_t)number;
}

static void head_message(const struct chain_head *head, bool has_witness, struct entry *entry)
{
    entry->n = 0;
    put_bytes(entry, has_witness ? "bankd-head-2" : "bankd-head-1", 12);
    put_int(entry, head->sequence);
    put_bytes(entry, head->hash, CHAIN_HASH_BYTES);
}

void chain_sign(const struct chain_head *head, bool has_witness, const uint8_t secret[64],
                uint8_t signature[SIGNATURE_BYTES])
{
    struct entry entry;
    int          rc;

    head_message(head, has_witness, &entry);
    rc = crypto_sign_detached(signature, NULL, entry.bytes, entry.n, secret);
    CHECK(rc == 0);
}

static bool holds(const struct chain_head *head, bool has_witness, const uint8_t public_key[32],
                  const uint8_t signature[SIGNATURE_BYTES])
{
    struct entry entry;

    head_message(head, has_witness, &entry);
    return crypto_sign_verify_detached(signature, entry.bytes, entry.n, public_key) == 0;
}

bool chain_signature_holds(const struct chain_head *head, const uint8_t public_key[32],
                           const uint8_t signature[SIGNATURE_BYTES])
{
    return holds(head, true, public_key, signature) || holds(head, false, public_key, signature);
}

bool chain_head_has_witness(const struct signed_head *head, const uint8_t public_key[32])
{
    return holds(&head->head, true, public_key, head->signature);
}
