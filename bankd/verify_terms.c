/* Users, and what of an account no posting changes, against the marks that the audit entries of
 * their changes left in the chain: who may do what, whose an account is, how far it may be
 * overdrawn, why it is frozen.
 *
 * Versions of bankd before these marks left none; what has not been changed since then has nothing
 * to be compared with and is not counted as proved. */
#include "bankd/verify_impl.h"

#include "bankd/chain.h"

#include <inttypes.h>
#include <string.h>

/* Whether the newest mark under this number is that of the row. */
static bool fits(struct verify *verify, int64_t number, const uint8_t mark[RECORD_MARK_BYTES])
{
    struct verify_mark *known = verify_map_find(&verify->marks, number);

    if (known == NULL)
        return true;
    known->known = false; /* seen */
    if (memcmp(known->mark, mark, RECORD_MARK_BYTES) != 0)
        return false;
    verify->report->proved[VERIFY_TERMS]++;
    return true;
}

static bool check_user(void *context, const void *row)
{
    const struct user *user = row;
    uint8_t            mark[RECORD_MARK_BYTES];

    chain_mark_user(user, mark);
    if (!fits(context, chain_marked_record(mark), mark))
        verify_problem(context, VERIFY_TERMS, "user %s is not what the audit log says",
                       user->email);
    return true;
}

static bool check_account(void *context, const void *row)
{
    const struct account *account = row;
    uint8_t               mark[RECORD_MARK_BYTES];

    chain_mark_account(&account->book, account->freeze_reason, account->freeze_authority, mark);
    if (!fits(context, chain_marked_record(mark), mark))
        verify_problem(context, VERIFY_TERMS,
                       "account %" PRId64 " has not the owner, limit or status that the audit log "
                       "says",
                       account->book.number);
    return true;
}

enum err verify_terms(struct verify *verify)
{
    struct account_filter every = { .before_number = 0 };
    struct store         *store = verify->store;

    TRY(store->ops->users(store, check_user, verify));
    return store->ops->accounts(store, &every, check_account, verify);
}
