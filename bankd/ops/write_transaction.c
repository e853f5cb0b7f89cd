/* Operations that move money or decide about it, as seen from a client. Each is a paragraph of
 * guards around one call of the writer; the rules of money are in ledger/, not here. */
#include "bankd/ops/view.h"
#include "bankd/writer.h"
#include "common/money.h"

#include <string.h>

/* --- create ---------------------------------------------------------------------------------- */

static enum err check_id(struct request *request, const struct uuid *id, const char *field)
{
    int64_t limit_us = request->now_us + request->bank->settings.id_skew_hours * US_PER_HOUR;

    if (!uuid_is_v7(id))
        return fault_set(request->fault, ERR_id_invalid, field, "%s", "");
    if (uuid_v7_ms(id) > limit_us / US_PER_MS)
        return fault_set(request->fault, ERR_id_time, field, "The id's time lies in the future");
    return ERR_none;
}

static enum err find_account(struct request *request, const struct uuid *id, const char *field,
                             const struct account_book **out)
{
    enum err err = writer_book_by_id(request->writer, id, out, NULL);

    if (err != ERR_none)
        return fault_set(request->fault, err, field, "%s", "");
    if ((*out)->kind != ACCOUNT_CUSTOMER)
        return fault_set(request->fault, ERR_account_system, field, "%s", "");
    return ERR_none;
}

static enum err check_currency(struct request *request, const struct msg_transaction_create *in,
                               const struct account_book *account)
{
    const struct currency *currency;

    if (!MSG_HAS(in, transaction_create, currency))
        return ERR_none;
    currency = currency_by_code(in->currency.at, in->currency.n);
    if (currency == NULL)
        return fault_set(request->fault, ERR_currency_unknown, "currency", "%s", "");
    if (currency->number != account->currency)
        return fault_set(request->fault, ERR_currency_mismatch, "currency", "%s", "");
    return ERR_none;
}

/* Finds the other side by the type, and refuses fields that the type does not know. */
static enum err find_other(struct request *request, const struct msg_transaction_create *in,
                           struct post *post)
{
    bool has_account = MSG_HAS(in, transaction_create, counterparty_account_id);
    bool has_party = MSG_HAS(in, transaction_create, counterparty) && in->counterparty.n > 0;
    const struct account_book *other;
    int32_t                    kind = in->type == TYPE_PAYMENT ? ACCOUNT_SETTLEMENT : ACCOUNT_CASH;

    if (in->type != TYPE_TRANSFER && has_account)
        return fault_set(request->fault, ERR_field_invalid, "counterparty_account_id",
                         "Only a transfer has a counterparty account");
    if (in->type != TYPE_PAYMENT && has_party)
        return fault_set(request->fault, ERR_field_invalid, "counterparty",
                         "Only a payment has a counterparty");
    if (in->type == TYPE_TRANSFER) {
        if (!has_account)
            return fault_set(request->fault, ERR_field_missing, "counterparty_account_id",
                             "A transfer needs the account that receives");
        if (uuid_equal(&in->account_id, &in->counterparty_account_id))
            return fault_set(request->fault, ERR_same_account, "counterparty_account_id", "%s", "");
        TRY(find_account(request, &in->counterparty_account_id, "counterparty_account_id", &other));
    } else {
        if (in->type == TYPE_PAYMENT && !has_party)
            return fault_set(request->fault, ERR_field_missing, "counterparty",
                             "A payment needs whom it goes to, such as merchant:1234");
        TRY(writer_book_of_bank(request->writer, kind, post->currency, &other, request->fault));
    }
    post->other = other->number;
    post->party = has_party ? in->counterparty : slice_of(NULL, 0);
    return ERR_none;
}

static enum err answer(struct request *request, const struct posted *posted,
                       struct msg_transaction *out)
{
    struct view_facts facts;

    if (posted->durable)
        TRY(view_transaction_facts(request, posted->row, true, &facts));
    else
        facts = posted->facts;
    TRY(view_transaction(request, posted->row, &facts, out));
    if (posted->repeated)
        MSG_SET(out, transaction, repeated, true);
    return ERR_none;
}

enum err op_transaction_create(struct request *request, const struct msg_transaction_create *in,
                               struct msg_transaction *out)
{
    const struct account_book *account;
    struct posted              posted;
    struct post                post = { .transaction_id = in->transaction_id,
                                        .type = in->type,
                                        .amount = in->amount,
                                        .incoming = in->type == TYPE_DEPOSIT,
                                        .at_us = request->now_us,
                                        .actor = &request->actor,
                                        .description = in->description };

    if (in->type > TYPE_PAYMENT)
        return fault_set(request->fault, ERR_field_invalid, "type",
                         "The type must be deposit, withdrawal, transfer or payment");
    TRY(check_id(request, &in->transaction_id, "transaction_id"));
    TRY(find_account(request, &in->account_id, "account_id", &account));
    TRY(check_currency(request, in, account));
    post.account = account->number;
    post.currency = account->currency;
    TRY(find_other(request, in, &post));
    TRY(writer_post(request->writer, &post, &posted, request->fault));
    return answer(request, &posted, out);
}

/* --- reverse --------------------------------------------------------------------------------- */

static enum err find_transaction(struct request *request, const struct uuid *id,
                                 struct transaction *row)
{
    enum err err = writer_transaction_by_id(request->writer, id, row);

    return err == ERR_none ? ERR_none : fault_set(request->fault, err, "transaction_id", "%s", "");
}

static enum err check_reversible(struct request *request, const struct msg_transaction_reverse *in,
                                 const struct transaction *row)
{
    struct uuid earlier;

    if (row->posted_by == request->actor.user)
        return fault_set(request->fault, ERR_own_transaction, "transaction_id", "%s", "");
    if (row->type == TYPE_REVERSAL)
        return fault_set(request->fault, ERR_state_conflict, "transaction_id",
                         "A reversal cannot be reversed; post the payment again");
    if (row->status == STATUS_REVERSED && row->reversed_by != 0) {
        /* The same reversal again is a retry and gets its first answer. */
        TRY(writer_transaction_id(request->writer, row->reversed_by, &earlier));
        if (uuid_equal(&earlier, &in->reversal_id))
            return ERR_none;
    }
    if (row->status != STATUS_COMPLETED)
        return fault_set(request->fault, ERR_state_conflict, "transaction_id",
                         "The transaction is %s, not completed",
                         enum_text(&enum_transaction_status, row->status));
    return ERR_none;
}

enum err op_transaction_reverse(struct request *request, const struct msg_transaction_reverse *in,
                                struct msg_transaction *out)
{
    struct transaction row;
    struct posted      posted;

    TRY(check_id(request, &in->reversal_id, "reversal_id"));
    TRY(find_transaction(request, &in->transaction_id, &row));
    TRY(check_reversible(request, in, &row));
    struct act  act = { .actor = &request->actor,
                        .kind = AUDIT_ACTION,
                        .operation = request->op->name,
                        .subject = &row.transaction_id,
                        .detail = in->reason,
                        .about_transaction = row.sequence,
                        .set_status = STATUS_REVERSED };
    struct post post = { .transaction_id = in->reversal_id,
                         .type = TYPE_REVERSAL,
                         .amount = row.amount,
                         .account = row.incoming ? row.credit : row.debit,
                         .other = row.incoming ? row.debit : row.credit,
                         .incoming = !row.incoming,
                         .currency = row.currency,
                         .at_us = request->now_us,
                         .actor = &request->actor,
                         .description = slice_from(row.description),
                         .unjudged = true,
                         .reverses = &row,
                         .act = &act };
    TRY(writer_post(request->writer, &post, &posted, request->fault));
    return answer(request, &posted, out);
}

/* --- decisions ------------------------------------------------------------------------------- */

static enum err answer_row(struct request *request, const struct transaction *row,
                           struct msg_transaction *out)
{
    struct view_facts facts;

    TRY(view_transaction_facts(request, row, true, &facts));
    return view_transaction(request, row, &facts, out);
}

static enum err decide(struct request *request, const struct msg_transaction_act *in,
                       int32_t status, int32_t finding, struct msg_transaction *out)
{
    struct transaction row;
    struct decision    decision = { .transaction_id = in->transaction_id,
                                    .status = status,
                                    .finding = finding,
                                    .actor = &request->actor,
                                    .operation = request->op->name,
                                    .reason = in->reason };

    TRY(writer_decide(request->writer, &decision, &row, request->fault));
    return answer_row(request, &row, out);
}

enum err op_transaction_release(struct request *request, const struct msg_transaction_act *in,
                                struct msg_transaction *out)
{
    return decide(request, in, STATUS_COMPLETED, DECISION_FALSE_POSITIVE, out);
}

enum err op_transaction_reject(struct request *request, const struct msg_transaction_act *in,
                               struct msg_transaction *out)
{
    return decide(request, in, STATUS_REJECTED, DECISION_CONFIRMED_FRAUD, out);
}

static enum err set_flag(struct request *request, const struct msg_transaction_act *in,
                         bool flagged, struct msg_transaction *out)
{
    struct transaction row;
    struct draft      *draft = writer_draft(request->writer);

    if (draft == NULL)
        return ERR_busy;
    TRY(find_transaction(request, &in->transaction_id, &row));
    if (row.flagged == flagged)
        return fault_set(request->fault, ERR_state_conflict, "transaction_id",
                         "The transaction is %s flagged", flagged ? "already" : "not");
    draft->change.updates[0] = (struct transaction_update){
        .sequence = row.sequence,
        .status_before = row.status,
        .status_after = row.status,
        .flagged_before = row.flagged,
        .flagged_after = flagged,
    };
    draft->change.update_count = 1;
    writer_count_at(draft, &row, METRIC_FLAGGED, flagged ? 1 : -1,
                    flagged ? row.amount : -row.amount);
    writer_rollup(draft, ROLLUP_ALL, 0, row.currency, METRIC_FLAGGED, flagged ? 1 : -1,
                  flagged ? row.amount : -row.amount);
    struct act act = { .actor = &request->actor,
                       .kind = AUDIT_ACTION,
                       .operation = request->op->name,
                       .subject = &row.transaction_id,
                       .detail = in->reason,
                       .about_transaction = row.sequence,
                       .set_flag = flagged ? 1 : 2 };
    row.flagged = flagged;
    TRY(answer_row(request, &row, out));
    writer_audit(request->writer, draft, &act);
    writer_add(request->writer, draft);
    return ERR_none;
}

enum err op_transaction_flag(struct request *request, const struct msg_transaction_act *in,
                             struct msg_transaction *out)
{
    return set_flag(request, in, true, out);
}

enum err op_transaction_unflag(struct request *request, const struct msg_transaction_act *in,
                               struct msg_transaction *out)
{
    return set_flag(request, in, false, out);
}
