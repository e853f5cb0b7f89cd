/* The ledger's rules as pure functions: a request and what is known of its accounts go in, a
 * planned posting or a refusal comes out. No I/O, no clock, no globals, no allocation.
 *
 * Double entry: every transaction debits one account and credits another with the same amount, so
 * the balances of a currency always add up to zero. Customers' accounts may go down to
 * -overdraft_limit, less what is held; the bank's own accounts have no lower limit.
 * available = balance - held + overdraft_limit. */
#ifndef BANKD_LEDGER_LEDGER_H
#define BANKD_LEDGER_LEDGER_H

#include "bankd/model.h"
#include "common/err.h"

struct ledger_request {
    struct uuid transaction_id;
    int32_t     type;
    int64_t     amount;
    uint16_t    currency;
    int64_t     at_us;
    bool        history; /* brought in from elsewhere: limits were another bank's business */
};

/* Checks everything that does not need the fraud engine. `debit` and `credit` are the present
 * books of the two sides; nothing is changed. fault says which field is wrong. */
ERR_MUST_USE enum err ledger_check(const struct ledger_request *request,
                                   const struct account_book   *debit,
                                   const struct account_book *credit, struct fault *fault);

/* Applies a decided transaction to the two books: posts (STATUS_COMPLETED), reserves
 * (STATUS_HELD) or only counts (STATUS_DECLINED), links `transaction` into both chains, moves
 * versions. CHECKs nothing that ledger_check has not promised; overflow is an error value. */
ERR_MUST_USE enum err ledger_enter(struct transaction *transaction, struct account_book *debit,
                                   struct account_book *credit, struct fault *fault);

/* Ends a hold: posts it (release) or gives the reservation back (reject, expiry). Frozen and
 * closed accounts refuse a release as they refuse a posting. */
ERR_MUST_USE enum err ledger_release(const struct transaction *held, int64_t now_us,
                                     struct account_book *debit, struct account_book *credit,
                                     struct fault *fault);
ERR_MUST_USE enum err ledger_reject(const struct transaction *held, struct account_book *debit,
                                    struct fault *fault);

/* Takes a rejection back: the money is reserved again, if it is still there. */
ERR_MUST_USE enum err ledger_hold_again(const struct transaction *rejected, int64_t now_us,
                                        struct account_book *debit, struct fault *fault);

int64_t ledger_available(const struct account_book *book); /* saturates instead of wrapping */
/* Whether the side may move at this time: a freeze past its end is none. */
bool ledger_may_debit(const struct account_book *book, int64_t now_us);
bool ledger_may_credit(const struct account_book *book, int64_t now_us);

#endif
