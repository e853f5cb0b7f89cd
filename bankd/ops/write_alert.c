/* Operations on alerts: take, note, decide. Deciding an alert whose transaction is held decides
 * the transaction too, in the same change. */
#include "bankd/ops/view.h"
#include "bankd/writer.h"
#include "common/money.h"

#include <string.h>

static enum err find_alert(struct request *request, const struct uuid *id, struct alert *row)
{
    enum err err = request->store->ops->alert_by_id(request->store, id, row);

    return err == ERR_none ? ERR_none : fault_set(request->fault, err, "alert_id", "%s", "");
}

static void tell(struct request *request, const struct msg_alert *alert)
{
    struct msg_event_alert event = { .alert_id = alert->alert_id,
                                     .transaction_id = alert->transaction_id,
                                     .account_id = alert->account_id,
                                     .state = alert->state,
                                     .score = alert->score,
                                     .amount = alert->amount,
                                     .currency = alert->currency,
                                     .text = request->actor.email[0] != '\0'
                                                 ? slice_from(request->actor.email)
                                                 : slice_from("system") };

    writer_emit(request->writer, EVENT_INDEX_alert, &event);
}

/* Writes the changed alert with its audit entry. */
static enum err change_alert(struct request *request, struct draft *draft, const struct alert *row,
                             int32_t state_before, struct slice detail, struct msg_alert *out)
{
    struct act act = { .actor = &request->actor,
                       .kind = AUDIT_ACTION,
                       .operation = request->op->name,
                       .subject = &row->alert_id,
                       .detail = detail,
                       .about_transaction = row->transaction };

    draft->alert = *row;
    draft->change.alert_update = &draft->alert;
    draft->change.alert_state_before = state_before;
    TRY(view_alert(request, row, out));
    writer_audit(request->writer, draft, &act);
    writer_add(request->writer, draft);
    tell(request, out);
    return ERR_none;
}

enum err op_alert_take(struct request *request, const struct msg_alert_ref *in,
                       struct msg_alert *out)
{
    struct alert  row;
    struct draft *draft = writer_draft(request->writer);

    if (draft == NULL)
        return ERR_busy;
    TRY(find_alert(request, &in->alert_id, &row));
    if (row.state == ALERT_TAKEN && row.assigned_to == request->actor.user)
        return view_alert(request, &row, out);
    if (row.state != ALERT_OPEN)
        return fault_set(request->fault, ERR_state_conflict, "alert_id",
                         "The alert is %s, not open", enum_text(&enum_alert_state, row.state));
    row.state = ALERT_TAKEN;
    row.assigned_to = request->actor.user;
    row.taken_at_us = request->now_us;
    return change_alert(request, draft, &row, ALERT_OPEN, slice_of(NULL, 0), out);
}

enum err op_alert_note(struct request *request, const struct msg_alert_note *in,
                       struct msg_alert *out)
{
    struct alert  row;
    struct draft *draft = writer_draft(request->writer);

    if (draft == NULL)
        return ERR_busy;
    TRY(find_alert(request, &in->alert_id, &row));
    slice_copy(in->note, row.note, sizeof row.note);
    return change_alert(request, draft, &row, row.state, in->note, out);
}

static enum err check_decidable(struct request *request, const struct alert *row)
{
    if (row->state == ALERT_DECIDED)
        return fault_set(request->fault, ERR_state_conflict, "alert_id",
                         "The alert is already decided: %s",
                         enum_text(&enum_alert_decision, row->decision));
    if (row->state == ALERT_TAKEN && row->assigned_to != request->actor.user)
        return fault_set(request->fault, ERR_state_conflict, "alert_id",
                         "A colleague works on the alert");
    return ERR_none;
}

enum err op_alert_decide(struct request *request, const struct msg_alert_decide *in,
                         struct msg_alert *out)
{
    struct alert       row;
    struct transaction transaction;
    struct decision    decision = { .finding = in->decision,
                                    .actor = &request->actor,
                                    .operation = request->op->name,
                                    .reason = in->note };

    TRY(find_alert(request, &in->alert_id, &row));
    TRY(check_decidable(request, &row));
    TRY(request->store->ops->transaction_by_sequence(request->store, row.transaction,
                                                     &transaction));
    decision.transaction_id = transaction.transaction_id;
    if (transaction.status == STATUS_HELD && in->decision == DECISION_CONFIRMED_FRAUD)
        decision.status = STATUS_REJECTED;
    if (transaction.status == STATUS_HELD && in->decision == DECISION_FALSE_POSITIVE)
        decision.status = STATUS_COMPLETED;
    TRY(writer_decide(request->writer, &decision, &transaction, request->fault));
    row.state = ALERT_DECIDED;
    row.decision = in->decision;
    row.decided_by = request->actor.user;
    row.decided_at_us = request->now_us;
    slice_copy(in->note, row.note, sizeof row.note);
    TRY(view_alert(request, &row, out));
    out->status = transaction.status;
    return ERR_none;
}
