/* See ledger.h. Reads like the rule book: first what is refused and why, then what is done.
 *
 * Order of the refusals, so that a client can rely on it: amount, accounts the same, closed,
 * frozen, currency, bank's own account, available balance. */
#include "bankd/ledger/ledger.h"

#include "common/check.h"
#include "common/limits.h"
#include "common/money.h"

#include <inttypes.h>

int64_t ledger_available(const struct account_book *book)
{
    int64_t sum;

    if (!money_sub(book->balance, book->held, &sum))
        return INT64_MIN;
    if (!money_add(sum, book->overdraft_limit, &sum))
        return INT64_MAX;
    return sum;
}

static bool freeze_holds(const struct account_book *book, int64_t now_us)
{
    if (book->status != ACCOUNT_FROZEN)
        return false;
    return book->freeze_until_us == 0 || now_us < book->freeze_until_us;
}

bool ledger_may_debit(const struct account_book *book, int64_t now_us)
{
    if (book->status == ACCOUNT_CLOSED)
        return false;
    return !freeze_holds(book, now_us) || book->freeze_direction == FREEZE_CREDIT;
}

bool ledger_may_credit(const struct account_book *book, int64_t now_us)
{
    if (book->status == ACCOUNT_CLOSED)
        return false;
    return !freeze_holds(book, now_us) || book->freeze_direction == FREEZE_DEBIT;
}

static enum err check_sides(const struct account_book *debit, const struct account_book *credit,
                            int64_t now_us, struct fault *fault)
{
    if (debit->status == ACCOUNT_CLOSED)
        return fault_set(fault, ERR_account_closed, "account_id", "The paying account is closed");
    if (credit->status == ACCOUNT_CLOSED)
        return fault_set(fault, ERR_account_closed, "account_id",
                         "The receiving account is closed");
    if (!ledger_may_debit(debit, now_us))
        return fault_set(fault, ERR_account_frozen, "account_id",
                         "The paying account is frozen for debits");
    if (!ledger_may_credit(credit, now_us))
        return fault_set(fault, ERR_account_frozen, "account_id",
                         "The receiving account is frozen for credits");
    return ERR_none;
}

/* Whether both balances stay inside int64_t, whatever is done with the hold later. */
static enum err check_range(int64_t amount, const struct account_book *debit,
                            const struct account_book *credit, struct fault *fault)
{
    int64_t result;

    if (!money_sub(debit->balance, amount, &result) ||
        !money_add(credit->balance, amount, &result) || !money_add(debit->held, amount, &result) ||
        !money_sub(debit->balance, result, &result))
        return fault_set(fault, ERR_amount_overflow, "amount",
                         "The balance of an account would leave its range");
    return ERR_none;
}

enum err ledger_check(const struct ledger_request *request, const struct account_book *debit,
                      const struct account_book *credit, struct fault *fault)
{
    /* History also tells of payments of nothing, such as a card that was only tried. */
    if (request->amount < 0 || (request->amount == 0 && !request->history))
        return fault_set(fault, ERR_amount_invalid, "amount", "The amount must be above zero");
    if (request->amount > LIMIT_AMOUNT_MAX)
        return fault_set(fault, ERR_amount_too_large, "amount",
                         "One transaction moves at most %" PRId64 " minor units", LIMIT_AMOUNT_MAX);
    if (debit->number == credit->number)
        return fault_set(fault, ERR_same_account, "counterparty_account_id", "%s", "");
    if (!request->history)
        TRY(check_sides(debit, credit, request->at_us, fault));
    if (debit->currency != credit->currency || request->currency != debit->currency)
        return fault_set(fault, ERR_currency_mismatch, "currency", "%s", "");
    TRY(check_range(request->amount, debit, credit, fault));
    if (debit->kind == ACCOUNT_CUSTOMER && ledger_available(debit) < request->amount)
        return fault_set(fault, ERR_insufficient_funds, "amount", "%s", "");
    return ERR_none;
}

static void touch(struct account_book *book, const struct transaction *transaction)
{
    book->version++;
    book->last_sequence = transaction->sequence;
    book->last_at_us = transaction->at_us;
    book->transactions++;
}

enum err ledger_enter(struct transaction *transaction, struct account_book *debit,
                      struct account_book *credit, struct fault *fault)
{
    struct account_book paid = *debit;
    struct account_book received = *credit;

    CHECK(transaction->amount >= 0 && debit->number != credit->number &&
          debit->currency == credit->currency);
    if (transaction->initial_status == STATUS_COMPLETED) {
        if (!money_sub(paid.balance, transaction->amount, &paid.balance) ||
            !money_add(received.balance, transaction->amount, &received.balance))
            return fault_set(fault, ERR_amount_overflow, "amount", "%s", "");
    } else if (transaction->initial_status == STATUS_HELD) {
        if (!money_add(paid.held, transaction->amount, &paid.held))
            return fault_set(fault, ERR_amount_overflow, "amount", "%s", "");
    }
    transaction->debit = paid.number;
    transaction->credit = received.number;
    transaction->debit_previous = paid.last_sequence;
    transaction->credit_previous = received.last_sequence;
    transaction->debit_balance = paid.balance;
    transaction->credit_balance = received.balance;
    touch(&paid, transaction);
    touch(&received, transaction);
    *debit = paid;
    *credit = received;
    return ERR_none;
}

enum err ledger_release(const struct transaction *held, int64_t now_us, struct account_book *debit,
                        struct account_book *credit, struct fault *fault)
{
    int64_t balance_paid;
    int64_t balance_received;

    CHECK(held->debit == debit->number && held->credit == credit->number);
    if (held->status != STATUS_HELD || debit->held < held->amount)
        return fault_set(fault, ERR_state_conflict, "transaction_id",
                         "The transaction is not held");
    TRY(check_sides(debit, credit, now_us, fault));
    if (!money_sub(debit->balance, held->amount, &balance_paid) ||
        !money_add(credit->balance, held->amount, &balance_received))
        return fault_set(fault, ERR_amount_overflow, "amount",
                         "The balance of an account would leave its range");
    debit->balance = balance_paid;
    debit->held -= held->amount;
    debit->version++;
    credit->balance = balance_received;
    credit->version++;
    return ERR_none;
}

enum err ledger_reject(const struct transaction *held, struct account_book *debit,
                       struct fault *fault)
{
    CHECK(held->debit == debit->number);
    if (held->status != STATUS_HELD || debit->held < held->amount)
        return fault_set(fault, ERR_state_conflict, "transaction_id",
                         "The transaction is not held");
    debit->held -= held->amount;
    debit->version++;
    return ERR_none;
}

enum err ledger_hold_again(const struct transaction *rejected, int64_t now_us,
                           struct account_book *debit, struct fault *fault)
{
    int64_t held;

    CHECK(rejected->debit == debit->number);
    if (rejected->status != STATUS_REJECTED)
        return fault_set(fault, ERR_state_conflict, "transaction_id",
                         "The transaction is not rejected");
    if (!ledger_may_debit(debit, now_us))
        return fault_set(fault, debit->status == ACCOUNT_CLOSED ? ERR_account_closed
                                                                : ERR_account_frozen,
                         "account_id", "The paying account cannot be debited any more");
    if (debit->kind == ACCOUNT_CUSTOMER && ledger_available(debit) < rejected->amount)
        return fault_set(fault, ERR_insufficient_funds, "amount",
                         "The money that was held has been spent since");
    if (!money_add(debit->held, rejected->amount, &held))
        return fault_set(fault, ERR_amount_overflow, "amount", "%s", "");
    debit->held = held;
    debit->version++;
    return ERR_none;
}
