/* Findings and what is written down: alert.note and alert.decide. The money of a decision is the
 * writer's business (writer_decide.c). */
#include "bankd/alert.h"
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
    TRY(alert_check(&row, ALERT_ACT_note, request->actor.user, request->now_us, &state,
                    request->fault));
    slice_copy(in->note, row.note, sizeof row.note);
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

    if (MSG_HAS(in, alert_decide, hits_seen))
        decision.hits_seen = in->hits_seen;
    TRY(writer_alert_decide(request->writer, &decision, &row, &hits, request->fault));
    return view_alert(request, &row, &hits, out);
}
