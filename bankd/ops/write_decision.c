/* Findings and what is written down: alert.note, alert.decide, alert.bulk and alert.undo. The money
 * of a decision is the writer's business (writer_decide.c). */
#include "bankd/alert.h"
#include "bankd/ops/page.h"
#include "bankd/ops/view.h"
#include "bankd/ops/write_alert.h"

#include <string.h>

enum err op_alert_note(struct request *request, const struct msg_alert_note *in,
                       struct msg_alert *out)
{
    struct alert  row;
    struct draft *draft = writer_draft(request->writer);
    int32_t       state;
    enum err      err = writer_alert_by_id(request->writer, &in->alert_id, &row);

    if (draft == NULL)
        return ERR_busy;
    if (err != ERR_none)
        return fault_set(request->fault, err, "alert_id", "%s", "");
    TRY(write_alert_check(request, &row, ALERT_ACT_note, &state));
    if (!writer_alert_note(request->writer, draft, &row, &request->actor, "note", in->note))
        return write_no_room(request, &row);
    return write_alert_change(request, draft, &row, in->note, out);
}

enum err op_alert_decide(struct request *request, const struct msg_alert_decide *in,
                         struct msg_alert *out)
{
    struct alert        row;
    struct alert_hits   hits;
    struct alert_ruling decision = { .alert_id = in->alert_id,
                                     .finding = in->decision,
                                     .actor = &request->actor,
                                     .operation = request->op->name,
                                     .note = in->note };
    enum err            err;

    if (MSG_HAS(in, alert_decide, hits_seen))
        decision.hits_seen = in->hits_seen;
    err = writer_alert_decide(request->writer, &decision, &row, &hits, request->fault);
    TRY(write_alert_locked(request, &row, err, request->fault));
    return view_alert(request, &row, &hits, out);
}

enum err op_alert_undo(struct request *request, const struct msg_alert_undo *in,
                       struct msg_alert *out)
{
    struct alert        row;
    struct alert_hits   hits;
    struct alert_ruling ruling = { .alert_id = in->alert_id,
                                   .actor = &request->actor,
                                   .operation = request->op->name,
                                   .note = in->reason };

    TRY(writer_alert_undo(request->writer, &ruling, &row, &hits, request->fault));
    return view_alert(request, &row, &hits, out);
}

/* --- several at once -------------------------------------------------------------------------- */

/* A refusal is recorded for each alert that somebody may not decide, as it is for one alone. */
static void record_refusal(struct request *request, const struct uuid *id,
                           const struct fault *fault)
{
    struct draft *draft = writer_draft(request->writer);
    struct act    act = { .actor = &request->actor,
                          .kind = AUDIT_REFUSAL,
                          .operation = request->op->name,
                          .outcome = err_name(fault->err),
                          .subject = id,
                          .detail = slice_from(fault->text[0] != '\0' ? fault->text
                                                                      : err_what(fault->err)) };

    if (draft == NULL)
        return;
    writer_audit(request->writer, draft, &act);
    writer_add(request->writer, draft);
}

/* An alert that is refused has planned nothing, so the others go on without it. */
static enum err decide_one(struct request *request, const struct msg_alert_bulk *in,
                           const struct msg_alert_seen *seen, struct msg_alert_outcome *out)
{
    struct alert        row;
    struct alert_hits   hits;
    struct fault        fault = { 0 };
    struct slice        text;
    struct alert_ruling ruling = { .alert_id = seen->alert_id,
                                   .finding = in->decision,
                                   .actor = &request->actor,
                                   .operation = request->op->name,
                                   .note = in->note };
    enum err            err;

    if (MSG_HAS(seen, alert_seen, hits_seen))
        ruling.hits_seen = seen->hits_seen;
    err = writer_alert_decide(request->writer, &ruling, &row, &hits, &fault);
    err = write_alert_locked(request, &row, err, &fault);
    memset(out, 0, sizeof *out);
    MSG_SET(out, alert_outcome, alert_id, seen->alert_id);
    MSG_SET(out, alert_outcome, outcome, slice_from(err == ERR_none ? "done" : err_name(err)));
    if (err == ERR_none)
        return ERR_none;
    fault.err = err;
    if (err_class(err) == ERR_CLASS_DENIED || err_class(err) == ERR_CLASS_CONFLICT)
        record_refusal(request, &seen->alert_id, &fault);
    TRY(page_keep(request, slice_from(fault.text[0] != '\0' ? fault.text : err_what(err)), &text));
    MSG_SET(out, alert_outcome, text, text);
    return ERR_none;
}

enum err op_alert_bulk(struct request *request, const struct msg_alert_bulk *in,
                       struct msg_alert_outcomes *out)
{
    void *items = NULL;

    if (in->items.count == 0)
        return fault_set(request->fault, ERR_field_invalid, "items",
                         "There is no alert in the list");
    /* Nothing fails after the first decision: the memory of all answers is taken before. */
    TRY(page_take(request, (in->items.count + 1) * sizeof(struct msg_alert_outcome), &items));
    if (!page_room(request, in->items.count * FAULT_TEXT_MAX))
        return ERR_memory;
    out->items.at = items;
    out->items.count = in->items.count;
    for (size_t i = 0; i < in->items.count; i++) {
        struct msg_alert_outcome *item = &out->items.at[i];

        TRY(decide_one(request, in, &in->items.at[i], item));
        if (slice_is(item->outcome, "done"))
            out->done++;
        else
            out->refused++;
    }
    return ERR_none;
}
