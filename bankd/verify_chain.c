/* The pass: transactions and audit entries in the order of their sequence, each link's hash from
 * the one before, every sequence there exactly once, and signed heads where they belong.
 *
 * Transactions are read in pages; what lies between two of them must be audit entries. After a
 * broken link the pass goes on from the hash that is stored, so that one changed row is told once
 * and not with everything behind it. */
#include "bankd/verify_impl.h"

#include "bankd/chain.h"
#include "common/money.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_ROWS = 256 };

struct page {
    size_t             count;
    struct transaction rows[PAGE_ROWS];
};

struct pass {
    struct verify *verify;
    int64_t        next;      /* sequence that is due */
    size_t         next_head; /* of the signed heads */
};

/* --- links ------------------------------------------------------------------------------------ */

static void check_head(struct pass *pass, const uint8_t hash[CHAIN_HASH_BYTES])
{
    struct verify *verify = pass->verify;

    while (pass->next_head < verify->head_count) {
        const struct signed_head *head = &verify->heads[pass->next_head];

        if (head->head.sequence > pass->next)
            return;
        pass->next_head++;
        if (head->head.sequence < pass->next ||
            memcmp(head->head.hash, hash, CHAIN_HASH_BYTES) != 0)
            verify_problem(verify, VERIFY_HEADS,
                           "the signed head at %" PRId64 " does not lie on the chain",
                           head->head.sequence);
        else if (verify->sign_public != NULL &&
                 !chain_signature_holds(&head->head, verify->sign_public, head->signature))
            verify_problem(verify, VERIFY_HEADS,
                           "the signature of the head at %" PRId64 " does not hold",
                           head->head.sequence);
        else
            verify->report->proved[VERIFY_HEADS]++;
    }
}

/* Moves the chain on by one link. */
static void take_link(struct pass *pass, const char *what, const uint8_t made[CHAIN_HASH_BYTES],
                      const uint8_t stored[CHAIN_HASH_BYTES])
{
    struct verify *verify = pass->verify;

    if (memcmp(made, stored, CHAIN_HASH_BYTES) != 0)
        verify_problem(verify, VERIFY_CHAIN,
                       "%s %" PRId64 " was changed: its hash does not follow from it", what,
                       pass->next);
    else
        verify->report->proved[VERIFY_CHAIN]++;
    memcpy(verify->head.hash, stored, CHAIN_HASH_BYTES);
    verify->head.sequence = pass->next;
    check_head(pass, stored);
    pass->next++;
}

/* --- what an audit entry did to money --------------------------------------------------------- */

static struct verify_account *account_of(struct verify *verify, int64_t number)
{
    if (number <= 0 || (size_t)number >= verify->account_count ||
        verify->accounts[number].stored.number == 0)
        return NULL;
    return &verify->accounts[number];
}

/* Ends a hold, or takes its rejection back. */
static enum err move_hold(struct verify *verify, const struct audit *audit)
{
    struct transaction     row;
    struct verify_account *debit;
    struct verify_account *credit;
    enum err               err =
        verify->store->ops->transaction_by_sequence(verify->store, audit->about_transaction, &row);

    if (err != ERR_none && err != ERR_not_found)
        return err;
    if (err == ERR_not_found || row.sequence >= audit->sequence ||
        row.initial_status != STATUS_HELD) {
        verify_problem(verify, VERIFY_POSTINGS,
                       "audit entry %" PRId64
                       " changes a hold that never was, of transaction %" PRId64,
                       audit->sequence, audit->about_transaction);
        return ERR_none;
    }
    debit = account_of(verify, row.debit);
    credit = account_of(verify, row.credit);
    if (debit == NULL || credit == NULL)
        return ERR_none; /* told with the transaction */
    bool fits = audit->set_status == STATUS_HELD ? money_add(debit->held, row.amount, &debit->held)
                                                 : money_sub(debit->held, row.amount, &debit->held);
    if (audit->set_status == STATUS_COMPLETED)
        fits = fits && money_sub(debit->balance, row.amount, &debit->balance) &&
               money_add(credit->balance, row.amount, &credit->balance);
    if (!fits)
        verify_problem(verify, VERIFY_POSTINGS, "transaction %" PRId64 " does not fit its accounts",
                       row.sequence);
    if (audit->set_status == STATUS_COMPLETED)
        verify_row_release(verify, &row, audit);
    return ERR_none;
}

static enum err take_audit(struct pass *pass)
{
    struct verify *verify = pass->verify;
    struct audit   audit;
    uint8_t        made[CHAIN_HASH_BYTES];
    enum err       err = verify->store->ops->audit_by_sequence(verify->store, pass->next, &audit);

    if (err == ERR_not_found) {
        verify_problem(verify, VERIFY_CHAIN, "entry %" PRId64 " is missing", pass->next);
        pass->next++;
        return ERR_none;
    }
    TRY(err);
    chain_link_audit(verify->head.hash, &audit, made);
    if (audit.about_transaction != 0 &&
        (audit.set_status == STATUS_COMPLETED || audit.set_status == STATUS_REJECTED ||
         audit.set_status == STATUS_HELD))
        TRY(move_hold(verify, &audit));
    TRY(verify_rules_act(verify, &audit));
    TRY(verify_sparing_act(verify, &audit));
    take_link(pass, "audit entry", made, audit.hash);
    return ERR_none;
}

static enum err take_transaction(struct pass *pass, const struct transaction *row)
{
    struct verify *verify = pass->verify;
    uint8_t        made[CHAIN_HASH_BYTES];

    if (verify_bit(verify->is_audit, row->sequence))
        verify_problem(verify, VERIFY_CHAIN, "%" PRId64 " is both a transaction and an audit entry",
                       row->sequence);
    verify->is_transaction[row->sequence / 8] |= (uint8_t)(1u << (row->sequence % 8));
    chain_link_transaction(verify->head.hash, row, made);
    TRY(verify_row(verify, row));
    take_link(pass, "transaction", made, row->hash);
    return ERR_none;
}

/* --- the walk --------------------------------------------------------------------------------- */

static bool collect(void *context, const void *row)
{
    struct page *page = context;

    page->rows[page->count++] = *(const struct transaction *)row;
    return page->count < PAGE_ROWS;
}

static enum err walk(struct pass *pass, struct page *page)
{
    struct verify            *verify = pass->verify;
    struct transaction_filter filter = { .ascending = true };
    int64_t                   stopped_at;

    do {
        page->count = 0;
        filter.from_sequence = pass->next;
        TRY(verify->store->ops->transactions(verify->store, &filter, collect, page, &stopped_at));
        for (size_t i = 0; i < page->count; i++) {
            if (page->rows[i].sequence > verify->last) /* of a snapshot that moved */
                break;
            while (pass->next < page->rows[i].sequence)
                TRY(take_audit(pass));
            TRY(take_transaction(pass, &page->rows[i]));
        }
    } while (page->count == PAGE_ROWS && pass->next <= verify->last);
    while (pass->next <= verify->last)
        TRY(take_audit(pass));
    return ERR_none;
}

/* Where the store says that the chain ends. */
static enum err check_end(struct pass *pass)
{
    struct verify       *verify = pass->verify;
    struct store_numbers numbers;

    TRY(verify->store->ops->numbers(verify->store, &numbers));
    if (numbers.head.sequence != verify->head.sequence ||
        memcmp(numbers.head.hash, verify->head.hash, CHAIN_HASH_BYTES) != 0)
        verify_problem(verify, VERIFY_CHAIN,
                       "the store's head is %" PRId64 ", the chain ends at %" PRId64
                       " or with another hash",
                       numbers.head.sequence, verify->head.sequence);
    while (pass->next_head < verify->head_count)
        verify_problem(verify, VERIFY_HEADS,
                       "the signed head at %" PRId64
                       " lies behind the end of the chain: entries were cut off",
                       verify->heads[pass->next_head++].head.sequence);
    return ERR_none;
}

enum err verify_chain(struct verify *verify)
{
    struct pass  pass = { .verify = verify, .next = 1 };
    struct page *page = malloc(sizeof *page);
    enum err     err;

    if (page == NULL)
        return ERR_memory;
    err = walk(&pass, page);
    if (err == ERR_none)
        err = check_end(&pass);
    free(page);
    return err;
}
