/* Operations that change cases. Every move is a row of case_moves.def; each change of a case is
 * one version of its record with one audit entry, so who did what and when is in the chain. */
#include "bankd/ops/case.h"
#include "bankd/ops/page.h"
#include "bankd/record.h"
#include "bankd/writer.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"

enum {
    /* Calendar days from opening; the sources stand with enum case_kind in enums.def. */
    DAYS_SUSPICIOUS = 30,
    DAYS_CURRENCY = 15,
    DAYS_INQUIRY = 30,
};

enum case_operation { CASE_DOES_move, CASE_DOES_file, CASE_DOES_close };

static const struct {
    enum case_operation operation;
    int32_t             from, to;
} moves[] = {
#define CASE_MOVE(operation, from, to) { CASE_DOES_##operation, from, to },
#include "bankd/ops/case_moves.def"
#undef CASE_MOVE
};

static int64_t deadline_of(int32_t kind, int64_t from_us)
{
    int64_t days = kind == CASE_CURRENCY     ? DAYS_CURRENCY
                   : kind == CASE_SUSPICIOUS ? DAYS_SUSPICIOUS
                                             : DAYS_INQUIRY;

    return from_us + days * US_PER_DAY;
}

void case_new(struct record *row, struct msg_case_record *body, int32_t kind, struct slice title,
              int64_t account, int64_t now_us, int64_t user)
{
    row->kind = RECORD_CASE;
    row->state = CASE_OPEN;
    row->about = account;
    row->created_at_us = now_us;
    row->created_by = user;
    row->due_at_us = deadline_of(kind, now_us);
    MSG_SET(body, case_record, kind, kind);
    MSG_SET(body, case_record, title, title);
    MSG_SET(body, case_record, deadline, row->due_at_us);
    MSG_SET(body, case_record, assigned_to, user);
    MSG_SET(body, case_record, items, 0);
}

enum err case_item_new(struct record *row, const struct msg_case_item *item, int64_t case_number,
                       int64_t user)
{
    row->kind = RECORD_CASE_ITEM;
    row->state = 1; /* there is no other */
    row->id = item->item_id;
    row->about = case_number;
    row->created_at_us = item->at;
    row->created_by = user;
    return record_write(row, &message_case_item, item);
}

/* --- beginnings and ends --------------------------------------------------------------------- */

/* A case that is being changed. */
struct case_change {
    struct draft   *draft;
    struct record  *slot; /* of the draft, where `after` goes */
    struct case_row before;
    struct case_row after;
};

/* A new case gets its number here, which its items need. */
static enum err take_slot(struct request *request, struct case_change *change)
{
    bool is_new = change->before.row.number == 0;

    change->slot =
        writer_record(request->writer, change->draft, is_new ? NULL : &change->before.row);
    if (change->slot == NULL)
        return ERR_busy;
    change->after.row.number = change->slot->number;
    change->after.row.version = change->slot->version;
    return ERR_none;
}

static enum err change_begin(struct request *request, const struct uuid *id,
                             struct case_change *change)
{
    change->draft = writer_draft(request->writer);
    if (change->draft == NULL)
        return ERR_busy;
    TRY(case_find(request, id, &change->before));
    change->after = change->before;
    return take_slot(request, change);
}

static enum err check_move(struct request *request, const struct case_change *change,
                           enum case_operation operation, int32_t to)
{
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++)
        if (moves[i].operation == operation && moves[i].from == change->before.row.state &&
            moves[i].to == to)
            return ERR_none;
    return fault_set(request->fault, ERR_state_conflict, "case_id",
                     "The case is %s; this is not "
                     "how it becomes %s",
                     enum_text(&enum_case_state, change->before.row.state),
                     enum_text(&enum_case_state, to));
}

static void move_to(struct case_change *change, int32_t state)
{
    bool waits = (state == CASE_OPEN || state == CASE_REVIEW) &&
                 !MSG_HAS(&change->after.body, case_record, reference); /* its report is filed */

    change->after.row.state = state;
    change->after.row.due_at_us = waits ? change->after.body.deadline : 0;
}

/* Writes `after` as the next version of the case, or as a new one, with its audit entry. */
static enum err change_end(struct request *request, struct case_change *change, struct slice detail,
                           struct msg_case *out)
{
    struct act act = { .actor = &request->actor,
                       .kind = AUDIT_ACTION,
                       .operation = request->op->name,
                       .subject = &change->after.row.id,
                       .detail = detail };

    TRY(record_write(&change->after.row, &message_case_record, &change->after.body));
    *change->slot = change->after.row;
    TRY(case_view(request, &change->after, out));
    writer_audit(request->writer, change->draft, &act);
    writer_add(request->writer, change->draft);
    return ERR_none;
}

/* --- evidence -------------------------------------------------------------------------------- */

/* What a client names of the bank's records; the account is that of the transaction or the alert
 * when it is not named itself. */
struct evidence {
    bool        has_account, has_transaction, has_alert;
    struct uuid account_id, transaction_id, alert_id;
    int64_t     account; /* number; 0 = none */
};

#define EVIDENCE_OF(in, msg)                                                                       \
    {                                                                                              \
        .has_account = MSG_HAS(in, msg, account_id),                                               \
        .has_transaction = MSG_HAS(in, msg, transaction_id),                                       \
        .has_alert = MSG_HAS(in, msg, alert_id), .account_id = (in)->account_id,                   \
        .transaction_id = (in)->transaction_id, .alert_id = (in)->alert_id                         \
    }

static enum err check_evidence(struct request *request, struct evidence *evidence)
{
    const struct store_ops *ops = request->store->ops;
    struct transaction      transaction;
    struct alert            alert;
    enum err                err;

    TRY(page_account(request, evidence->has_account, &evidence->account_id, &evidence->account));
    if (evidence->has_transaction) {
        err = ops->transaction_by_id(request->store, &evidence->transaction_id, &transaction);
        if (err != ERR_none)
            return fault_set(request->fault, err, "transaction_id", "There is no such transaction");
        if (evidence->account == 0)
            evidence->account = transaction.incoming ? transaction.credit : transaction.debit;
    }
    if (!evidence->has_alert)
        return ERR_none;
    err = ops->alert_by_id(request->store, &evidence->alert_id, &alert);
    if (err != ERR_none)
        return fault_set(request->fault, err, "alert_id", "There is no such alert");
    if (evidence->account == 0)
        evidence->account = alert.account;
    return ERR_none;
}

/* Adds an item to the draft; `case_number` is what it belongs to. */
static enum err put_item(struct request *request, struct draft *draft, int64_t case_number,
                         const struct uuid *id, const struct evidence *evidence, struct slice note,
                         struct msg_case_item *out)
{
    struct record *row = writer_record(request->writer, draft, NULL);

    if (row == NULL)
        return ERR_busy;
    memset(out, 0, sizeof *out);
    MSG_SET(out, case_item, item_id, *id);
    MSG_SET(out, case_item, at, request->now_us);
    MSG_SET(out, case_item, by, slice_from(request->actor.email));
    if (note.n > 0)
        MSG_SET(out, case_item, note, note);
    if (evidence->has_account)
        MSG_SET(out, case_item, account_id, evidence->account_id);
    if (evidence->has_transaction)
        MSG_SET(out, case_item, transaction_id, evidence->transaction_id);
    if (evidence->has_alert)
        MSG_SET(out, case_item, alert_id, evidence->alert_id);
    return case_item_new(row, out, case_number, request->actor.user);
}

/* What somebody wrote while changing a case is an item of it, for who reads the case later; it is
 * put even where a case is full, because its end must not depend on that. */
static enum err put_note(struct request *request, struct case_change *change, struct slice note)
{
    struct evidence      evidence = { .account = 0 };
    struct uuid          id = uuid_v7(request->now_us);
    struct msg_case_item item;

    if (note.n == 0)
        return ERR_none;
    TRY(put_item(request, change->draft, change->before.row.number, &id, &evidence, note, &item));
    change->after.body.items++;
    return ERR_none;
}

/* The end of a move with its reason: "review: Complete" in the audit chain, a note in the case. */
static enum err move_end(struct request *request, struct case_change *change, struct slice reason,
                         struct msg_case *out)
{
    char detail[LIMIT_DETAIL_MAX + 1];

    TRY(put_note(request, change, reason));
    snprintf(detail, sizeof detail, "%s: %.*s",
             enum_text(&enum_case_state, change->after.row.state), (int)reason.n, reason.at);
    return change_end(request, change, slice_from(detail), out);
}

/* --- the operations -------------------------------------------------------------------------- */

/* The same id with the same content answers the same case again, as it is now. */
static enum err answer_known(struct request *request, const struct msg_case_open *in,
                             struct case_row *one, struct msg_case *out)
{
    TRY(case_read(request, one));
    if (one->body.kind != in->kind || !slice_equal(one->body.title, in->title) ||
        one->row.created_by != request->actor.user)
        return fault_set(request->fault, ERR_id_reused, "case_id", "%s", "");
    return case_view(request, one, out);
}

enum err op_case_open(struct request *request, const struct msg_case_open *in, struct msg_case *out)
{
    struct evidence      evidence = EVIDENCE_OF(in, case_open);
    struct case_change   change = { .draft = writer_draft(request->writer), .slot = NULL };
    struct record       *row = &change.after.row;
    struct msg_case_item item;
    enum err             err;

    if (change.draft == NULL)
        return ERR_busy;
    if (!uuid_is_v7(&in->case_id))
        return fault_set(request->fault, ERR_id_invalid, "case_id", "%s", "");
    err = request->store->ops->record_by_id(request->store, RECORD_CASE, &in->case_id, row);
    if (err == ERR_none)
        return answer_known(request, in, &change.after, out);
    if (err != ERR_not_found)
        return err;
    TRY(check_evidence(request, &evidence));
    *row = (struct record){ .id = in->case_id };
    case_new(row, &change.after.body, in->kind, in->title, evidence.account, request->now_us,
             request->actor.user);
    TRY(take_slot(request, &change));
    if (in->note.n > 0 || evidence.has_transaction || evidence.has_alert) {
        change.after.body.items = 1;
        TRY(put_item(request, change.draft, row->number, &in->case_id, &evidence, in->note, &item));
    }
    return change_end(request, &change, in->title, out);
}

enum err op_case_add(struct request *request, const struct msg_case_add *in,
                     struct msg_case_item *out)
{
    struct evidence    evidence = EVIDENCE_OF(in, case_add);
    struct case_change change = { .slot = NULL };
    struct record      known;
    struct msg_case    ignored;
    enum err           err;

    if (!uuid_is_v7(&in->item_id))
        return fault_set(request->fault, ERR_id_invalid, "item_id", "%s", "");
    TRY(change_begin(request, &in->case_id, &change));
    err = request->store->ops->record_by_id(request->store, RECORD_CASE_ITEM, &in->item_id, &known);
    if (err == ERR_none && known.about == change.before.row.number)
        return case_item_view(request, &known, out);
    if (err != ERR_not_found)
        return err == ERR_none ? fault_set(request->fault, ERR_id_reused, "item_id", "%s", "")
                               : err;
    if (change.before.row.state == CASE_CLOSED)
        return fault_set(request->fault, ERR_state_conflict, "case_id", "The case is closed");
    if (in->note.n == 0 && !evidence.has_account && !evidence.has_transaction &&
        !evidence.has_alert)
        return fault_set(request->fault, ERR_field_missing, "note",
                         "Give a note, an account, a transaction or an alert");
    if (change.before.body.items >= LIMIT_CASE_ITEMS_MAX)
        return fault_set(request->fault, ERR_state_conflict, "case_id",
                         "The case has as many items as a case may have");
    TRY(check_evidence(request, &evidence));
    TRY(put_item(request, change.draft, change.before.row.number, &in->item_id, &evidence, in->note,
                 out));
    change.after.body.items++;
    return change_end(request, &change, in->note, &ignored);
}

enum err op_case_assign(struct request *request, const struct msg_case_assign *in,
                        struct msg_case *out)
{
    struct case_change change = { .slot = NULL };
    struct user        user;
    enum err           err = request->store->ops->user_by_email(request->store, in->email, &user);

    if (err == ERR_not_found || (err == ERR_none && user.role != ROLE_COMPLIANCE_OFFICER))
        return fault_set(request->fault, ERR_not_found, "email",
                         "There is no compliance officer with this address");
    TRY(err);
    if (user.disabled)
        return fault_set(request->fault, ERR_user_disabled, "email", "%s", "");
    TRY(change_begin(request, &in->case_id, &change));
    if (change.before.row.state == CASE_CLOSED)
        return fault_set(request->fault, ERR_state_conflict, "case_id", "The case is closed");
    MSG_SET(&change.after.body, case_record, assigned_to, user.number);
    return change_end(request, &change, in->email, out);
}

enum err op_case_move(struct request *request, const struct msg_case_move *in, struct msg_case *out)
{
    struct case_change change = { .slot = NULL };

    TRY(change_begin(request, &in->case_id, &change));
    TRY(check_move(request, &change, CASE_DOES_move, in->state));
    if (change.before.row.state == CASE_CLOSED)
        change.after.body.has &= ~(UINT64_C(1) << INDEX_case_record__outcome |
                                   UINT64_C(1) << INDEX_case_record__closed_at);
    move_to(&change, in->state);
    return move_end(request, &change, in->reason, out);
}

enum err op_case_file(struct request *request, const struct msg_case_file *in, struct msg_case *out)
{
    struct case_change change = { .slot = NULL };
    int64_t            at = MSG_HAS(in, case_file, filed_at) ? in->filed_at : request->now_us;

    TRY(change_begin(request, &in->case_id, &change));
    TRY(check_move(request, &change, CASE_DOES_file, CASE_FILED));
    if (at > request->now_us || at < change.before.row.created_at_us)
        return fault_set(request->fault, ERR_field_invalid, "filed_at",
                         "A report is filed between the opening of the case and now");
    MSG_SET(&change.after.body, case_record, reference, in->reference);
    MSG_SET(&change.after.body, case_record, filed_at, at);
    move_to(&change, CASE_FILED);
    TRY(put_note(request, &change, in->note));
    return change_end(request, &change, in->reference, out);
}

enum err op_case_close(struct request *request, const struct msg_case_close *in,
                       struct msg_case *out)
{
    struct case_change change = { .slot = NULL };
    bool               filed;

    TRY(change_begin(request, &in->case_id, &change));
    TRY(check_move(request, &change, CASE_DOES_close, CASE_CLOSED));
    filed = MSG_HAS(&change.before.body, case_record, reference);
    if (filed != (in->outcome == CASE_REPORTED))
        return fault_set(request->fault, ERR_state_conflict, "outcome", "%s",
                         filed ? "A report was filed: the outcome is reported"
                               : "No report was filed; record it with case.file first");
    MSG_SET(&change.after.body, case_record, outcome, in->outcome);
    MSG_SET(&change.after.body, case_record, closed_at, request->now_us);
    move_to(&change, CASE_CLOSED);
    return move_end(request, &change, in->reason, out);
}
