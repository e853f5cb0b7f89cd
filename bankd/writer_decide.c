/* Holds and what ends them: an analyst's release or rejection, an alert's finding, or time.
 *
 * The decision, the movement of the money, the end of the alert and the audit entry are one
 * change. Who may decide is the caller's business but for one rule that stands here, because no
 * table can say it: nobody decides on a transaction that they posted themselves. */
#include "bankd/writer_impl.h"

#include "bankd/ledger/ledger.h"
#include "common/check.h"
#include "common/money.h"

#include <string.h>

enum { EXPIRE_PAGE = 64 };

static void tell_alert(struct writer *writer, const struct alert *alert,
                       const struct transaction *row, const struct account_book *account)
{
    const struct currency *currency = currency_by_number(row->currency);
    struct msg_event_alert event = {
        .alert_id = alert->alert_id,
        .transaction_id = row->transaction_id,
        .account_id = account->account_id,
        .state = alert->state,
        .score = alert->score,
        .amount = row->amount,
        .currency = slice_from(currency != NULL ? currency->code : "???"),
        .text = slice_from(enum_text(&enum_alert_decision, alert->decision)),
    };

    writer_emit(writer, EVENT_INDEX_alert, &event);
}

/* The alert of the transaction, if it has one without a decision, ends with this change. */
static enum err end_alert(struct writer *writer, struct draft *draft,
                          const struct decision *decision, const struct transaction *row,
                          bool *ended)
{
    struct alert *alert = &draft->alert;
    enum err err = writer->store->ops->alert_by_transaction(writer->store, row->sequence, alert);

    *ended = false;
    if (err == ERR_not_found || (err == ERR_none && alert->state == ALERT_DECIDED))
        return ERR_none;
    TRY(err);
    draft->change.alert_update = alert;
    draft->change.alert_state_before = alert->state;
    alert->state = ALERT_DECIDED;
    alert->decision = decision->finding;
    alert->decided_by = decision->actor != NULL ? decision->actor->user : 0;
    alert->decided_at_us = writer_now_us(writer);
    slice_copy(decision->reason, alert->note, sizeof alert->note);
    writer_rollup(draft, ROLLUP_ALL, 0, 0, METRIC_ALERTS_OPEN, -1, 0);
    if (decision->finding != DECISION_INCONCLUSIVE)
        TRY(writer_label(writer, draft, row, decision->finding == DECISION_CONFIRMED_FRAUD,
                         alert->decided_at_us));
    *ended = true;
    return ERR_none;
}

struct sides {
    struct account_book debit_before, credit_before;
    struct account_book debit, credit;
};

static enum err load_sides(struct writer *writer, const struct transaction *row,
                           struct sides *sides)
{
    const struct account_book *debit;
    const struct account_book *credit;

    TRY(writer_book(writer, row->debit, &debit, NULL));
    TRY(writer_book(writer, row->credit, &credit, NULL));
    sides->debit_before = *debit;
    sides->credit_before = *credit;
    sides->debit = *debit;
    sides->credit = *credit;
    return ERR_none;
}

/* Moves the money or gives it back, in the draft. */
static enum err end_hold(struct writer *writer, struct draft *draft,
                         const struct decision *decision, const struct transaction *row,
                         struct sides *sides, struct fault *fault)
{
    if (row->status != STATUS_HELD)
        return fault_set(fault, ERR_state_conflict, "transaction_id",
                         "The transaction is %s, not held",
                         enum_text(&enum_transaction_status, row->status));
    if (decision->status == STATUS_COMPLETED)
        TRY(ledger_release(row, writer_now_us(writer), &sides->debit, &sides->credit, fault));
    else
        TRY(ledger_reject(row, &sides->debit, fault));
    writer_change_book(draft, &sides->debit_before, &sides->debit, false);
    if (decision->status == STATUS_COMPLETED)
        writer_change_book(draft, &sides->credit_before, &sides->credit, false);
    writer_count_status(draft, row, STATUS_HELD, &sides->debit, &sides->credit, -1);
    writer_count_status(draft, row, decision->status, &sides->debit, &sides->credit, 1);
    draft->change.updates[0] = (struct transaction_update){
        .sequence = row->sequence,
        .status_before = STATUS_HELD,
        .status_after = decision->status,
        .flagged_before = row->flagged,
        .flagged_after = row->flagged,
    };
    draft->change.update_count = 1;
    return ERR_none;
}

enum err writer_decide(struct writer *writer, const struct decision *decision,
                       struct transaction *row, struct fault *fault)
{
    struct sides  sides;
    struct draft *draft = writer_draft(writer);
    bool          ended;
    enum err      err;

    CHECK(decision->status == STATUS_COMPLETED || decision->status == STATUS_REJECTED ||
          decision->status == 0);
    if (draft == NULL)
        return ERR_busy;
    err = writer->store->ops->transaction_by_id(writer->store, &decision->transaction_id, row);
    if (err != ERR_none)
        return fault_set(fault, err, "transaction_id", "%s", "");
    if (decision->actor != NULL && decision->actor->user != 0 &&
        decision->actor->user == row->posted_by)
        return fault_set(fault, ERR_own_transaction, "transaction_id", "%s", "");
    TRY(load_sides(writer, row, &sides));
    if (decision->status != 0)
        TRY(end_hold(writer, draft, decision, row, &sides, fault));
    TRY(end_alert(writer, draft, decision, row, &ended));
    struct act act = { .actor = decision->actor,
                       .kind = AUDIT_ACTION,
                       .operation = decision->operation,
                       .subject = &row->transaction_id,
                       .detail = decision->reason,
                       .about_transaction = row->sequence,
                       .set_status = decision->status };
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    if (ended)
        tell_alert(writer, &draft->alert, row, row->incoming ? &sides.credit : &sides.debit);
    if (decision->status != 0)
        row->status = decision->status;
    return ERR_none;
}

/* --- time ------------------------------------------------------------------------------------ */

struct due {
    size_t      count;
    struct uuid ids[EXPIRE_PAGE];
};

static bool collect_held(void *context, const void *row)
{
    struct due *due = context;

    due->ids[due->count++] = ((const struct transaction *)row)->transaction_id;
    return due->count < EXPIRE_PAGE;
}

struct thaw {
    int64_t now_us;
    size_t  count;
    int64_t accounts[EXPIRE_PAGE];
};

static bool collect_frozen(void *context, const void *row)
{
    struct thaw               *thaw = context;
    const struct account_book *book = &((const struct account *)row)->book;

    if (book->freeze_until_us != 0 && book->freeze_until_us <= thaw->now_us)
        thaw->accounts[thaw->count++] = book->number;
    return thaw->count < EXPIRE_PAGE;
}

static enum err end_freeze(struct writer *writer, int64_t number)
{
    const struct account_book *book;
    struct account_book        after;
    struct draft              *draft = writer_draft(writer);

    if (draft == NULL)
        return ERR_busy;
    TRY(writer_book(writer, number, &book, NULL));
    if (book->status != ACCOUNT_FROZEN)
        return ERR_none;
    struct account_book before = *book;
    after = before;
    after.status = ACCOUNT_ACTIVE;
    after.freeze_direction = 0;
    after.freeze_until_us = 0;
    after.version++;
    struct act act = { .kind = AUDIT_ACTION,
                       .operation = "account.unfreeze",
                       .subject = &after.account_id,
                       .detail = slice_from("the time of the freeze is over") };
    writer_change_book(draft, &before, &after, true);
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    return ERR_none;
}

enum err writer_expire(struct writer *writer, struct fault *fault)
{
    int64_t               now_us = writer_now_us(writer);
    struct due            due = { 0 };
    struct thaw           thaw = { .now_us = now_us };
    struct account_filter frozen = { .status = ACCOUNT_FROZEN };
    struct transaction    row;

    TRY(writer->store->ops->held(writer->store, now_us, collect_held, &due));
    for (size_t i = 0; i < due.count; i++) {
        struct decision decision = { .transaction_id = due.ids[i],
                                     .status = STATUS_REJECTED,
                                     .finding = DECISION_INCONCLUSIVE,
                                     .operation = "transaction.expire",
                                     .reason = slice_from("the time of the hold is over") };

        TRY(writer_decide(writer, &decision, &row, fault));
    }
    TRY(writer->store->ops->accounts(writer->store, &frozen, collect_frozen, &thaw));
    for (size_t i = 0; i < thaw.count; i++)
        TRY(end_freeze(writer, thaw.accounts[i]));
    return ERR_none;
}
