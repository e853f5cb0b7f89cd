/* What the witness beside the store says was there, looked for in the store. The chain may be whole
 * and yet end too early: only somebody who remembers can tell. */
#include "bankd/verify_impl.h"

#include "common/clock.h"

#include <inttypes.h>
#include <string.h>

/* The hash of an entry of the chain; ERR_not_found. */
static enum err hash_at(struct store *store, int64_t sequence, uint8_t hash[CHAIN_HASH_BYTES])
{
    struct transaction transaction;
    struct audit       audit;
    enum err           err = store->ops->transaction_by_sequence(store, sequence, &transaction);

    if (err == ERR_none)
        memcpy(hash, transaction.hash, CHAIN_HASH_BYTES);
    if (err != ERR_not_found)
        return err;
    TRY(store->ops->audit_by_sequence(store, sequence, &audit));
    memcpy(hash, audit.hash, CHAIN_HASH_BYTES);
    return ERR_none;
}

struct heads {
    int64_t until; /* sequence */
    int64_t count;
    bool    found; /* the one at `until` */
};

static bool count_head(void *context, const void *row)
{
    struct heads *heads = context;
    int64_t       sequence = ((const struct signed_head *)row)->head.sequence;

    if (sequence > heads->until)
        return false;
    heads->count++;
    heads->found = heads->found || sequence == heads->until;
    return true;
}

static enum err check_heads(struct verify *verify, const struct testimony *said)
{
    struct heads heads = { .until = said->expect.signed_sequence };

    if (heads.until == 0)
        return ERR_none;
    TRY(verify->store->ops->signed_heads(verify->store, 0, count_head, &heads));
    if (!heads.found)
        verify_problem(verify, VERIFY_WITNESS, "the signed head at %" PRId64 " is missing",
                       heads.until);
    else if (heads.count < said->signed_count)
        verify_problem(verify, VERIFY_WITNESS,
                       "there are %" PRId64 " signed heads up to %" PRId64 ", there were %" PRId64,
                       heads.count, heads.until, said->signed_count);
    else
        verify->report->proved[VERIFY_WITNESS]++;
    return ERR_none;
}

static enum err check_entry(struct verify *verify, const struct store_expect *expect)
{
    struct store_numbers numbers;
    uint8_t              hash[CHAIN_HASH_BYTES];
    char                 text[TIME_TEXT_MAX];
    enum err             err = hash_at(verify->store, expect->head.sequence, hash);

    if (err != ERR_none && err != ERR_not_found)
        return err;
    TRY(verify->store->ops->numbers(verify->store, &numbers));
    time_text(expect->at_us, text);
    if (err == ERR_not_found || numbers.head.sequence < expect->head.sequence)
        verify_problem(verify, VERIFY_WITNESS,
                       "the bank ends with entry %" PRId64 ", but %" PRId64
                       " was on its disk by %s: the file or its log is an older one, or cut",
                       numbers.head.sequence, expect->head.sequence, text);
    else if (memcmp(hash, expect->head.hash, CHAIN_HASH_BYTES) != 0)
        verify_problem(verify, VERIFY_WITNESS,
                       "entry %" PRId64 " is not the one that was on the bank's disk by %s",
                       expect->head.sequence, text);
    else
        verify->report->proved[VERIFY_WITNESS]++;
    return ERR_none;
}

enum err verify_witness(struct store *store, enum witness_state state, bool lost,
                        const struct testimony *said, FILE *talk, struct verify_report *report,
                        struct fault *fault)
{
    struct verify verify = { .store = store, .talk = talk, .report = report, .fault = fault };

    if (state == WITNESS_FOREIGN)
        verify_problem(&verify, VERIFY_WITNESS, "%s", witness_sentence(state));
    else if (state != WITNESS_THERE && lost)
        verify_warning(&verify, "%s: whether the newest entries are there cannot be told",
                       witness_sentence(state));
    if (state == WITNESS_THERE) {
        TRY(check_entry(&verify, &said->expect));
        TRY(check_heads(&verify, said));
    }
    if (report->problems[VERIFY_WITNESS] == 0)
        return ERR_none;
    return fault_set(fault, ERR_books_broken, NULL, "The bank is not what its witness says it was");
}
