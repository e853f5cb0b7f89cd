/* Alerts as work: taking them out of the queue, giving them back, to colleagues, and putting them
 * aside. What is allowed from which state stands in proto/alerts.def; deciding is in
 * write_decision.c.
 *
 * Handlers read alerts as planned so far, not as stored, so that two analysts who ask for the next
 * alert in one group of requests get two. */
#include "bankd/alert.h"
#include "bankd/ops/view.h"
#include "bankd/ops/write_alert.h"
#include "bankd/writer.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CANDIDATES_AT_ONCE = 16 };

static enum err find_alert(struct request *request, const struct uuid *id, struct alert *row)
{
    enum err err = writer_alert_by_id(request->writer, id, row);

    return err == ERR_none ? ERR_none : fault_set(request->fault, err, "alert_id", "%s", "");
}

enum err write_alert_locked(struct request *request, const struct alert *row, enum err err,
                            struct fault *fault)
{
    struct user holder;
    char        until[TIME_TEXT_MAX];

    if (err != ERR_alert_locked)
        return err;
    TRY(request->store->ops->user_by_number(request->store, row->assigned_to, &holder));
    return fault_set(fault, err, "alert_id",
                     "%s works on the alert until %s UTC; the lock ends in %" PRId64 " seconds",
                     holder.email, time_text_minute(row->lock_until_us, until),
                     (row->lock_until_us - request->now_us) / US_PER_SECOND + 1);
}

enum err write_alert_check(struct request *request, const struct alert *row, enum alert_act act,
                           int32_t *state)
{
    enum err err =
        alert_check(row, act, request->actor.user, request->now_us, state, request->fault);

    return write_alert_locked(request, row, err, request->fault);
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
                                                 : slice_from("system"),
                                     .hit_count = alert->hit_count,
                                     .expected_loss = alert->expected_loss };

    writer_emit(request->writer, EVENT_INDEX_alert, &event);
}

enum err write_alert_change(struct request *request, struct draft *draft, struct alert *row,
                            struct slice detail, struct msg_alert *out)
{
    struct alert_hits hits;
    struct act        act = { .actor = &request->actor,
                              .kind = AUDIT_ACTION,
                              .operation = request->op->name,
                              .subject = &row->alert_id,
                              .detail = detail,
                              .about_transaction = row->transaction };

    TRY(writer_alert_hits(request->writer, row, &hits));
    TRY(view_alert(request, row, &hits, out));
    writer_alert_change(draft, row);
    writer_audit(request->writer, draft, &act);
    writer_add(request->writer, draft);
    tell(request, out);
    return ERR_none;
}

enum err write_no_room(struct request *request, const struct alert *row)
{
    if (row->notes < LIMIT_ALERT_NOTES_MAX)
        return ERR_busy;
    return fault_set(request->fault, ERR_state_conflict, "alert_id",
                     "The alert has as many notes as it can have");
}

/* Puts the alert under the lock of somebody, from now on. */
static void lock(struct request *request, struct alert *row, int32_t state, int64_t user,
                 int64_t for_us)
{
    alert_set_state(row, state);
    row->assigned_to = user;
    row->taken_at_us = request->now_us;
    row->lock_until_us = request->now_us + for_us;
}

static enum err take(struct request *request, struct alert *row, struct msg_alert *out)
{
    struct draft *draft = writer_draft(request->writer);
    int32_t       state;

    if (draft == NULL)
        return ERR_busy;
    TRY(write_alert_check(request, row, ALERT_ACT_take, &state));
    lock(request, row, state, request->actor.user, bank_lock_us(request->bank));
    return write_alert_change(request, draft, row, slice_of(NULL, 0), out);
}

enum err op_alert_take(struct request *request, const struct msg_alert_ref *in,
                       struct msg_alert *out)
{
    struct alert row;

    TRY(find_alert(request, &in->alert_id, &row));
    return take(request, &row, out);
}

/* --- the next one ---------------------------------------------------------------------------- */

struct candidates {
    size_t       count;
    struct alert rows[CANDIDATES_AT_ONCE];
};

static bool collect(void *context, const void *row)
{
    struct candidates *candidates = context;

    candidates->rows[candidates->count++] = *(const struct alert *)row;
    return candidates->count < CANDIDATES_AT_ONCE;
}

/* Whether the actor posted one of its transactions, which she may not judge. */
static enum err is_own(struct request *request, const struct alert *row, bool *own)
{
    struct alert_hits  hits;
    struct transaction moved;

    *own = false;
    TRY(writer_alert_hits(request->writer, row, &hits));
    for (size_t i = 0; i < hits.count && !*own; i++) {
        TRY(writer_alert_row(request->writer, row->account, hits.rows[i].transaction, &moved));
        *own = hits.rows[i].finding == 0 && moved.posted_by == request->actor.user;
    }
    return ERR_none;
}

/* What alert.next may give out: open, or the actor's own work already. */
static enum err is_free(struct request *request, const struct alert *row, bool *free)
{
    int32_t state = alert_state_at(row, request->now_us);
    bool    own = false;

    *free =
        state == ALERT_OPEN || (state == ALERT_TAKEN && row->assigned_to == request->actor.user);
    if (*free)
        TRY(is_own(request, row, &own));
    *free = *free && !own;
    return ERR_none;
}

static enum err begin_queue(struct request *request, const struct msg_alert_next *in,
                            struct alert_filter *filter)
{
    struct alert row;
    enum err     err;

    *filter = (struct alert_filter){
        .by_loss = true, .below_urgency = INT64_MAX, .now_us = request->now_us, .snoozed = 2
    };
    if (!MSG_HAS(in, alert_next, after))
        return ERR_none;
    err = writer_alert_by_id(request->writer, &in->after, &row);
    if (err != ERR_none)
        return fault_set(request->fault, err, "after", "%s", "");
    filter->below_urgency = row.urgency;
    filter->behind_number = row.number;
    return ERR_none;
}

enum err op_alert_next(struct request *request, const struct msg_alert_next *in,
                       struct msg_alert *out)
{
    struct store       *store = request->store;
    struct alert_filter filter;
    struct candidates   candidates;
    bool                free;

    TRY(begin_queue(request, in, &filter));
    TRY(writer_look(request->writer));
    do {
        candidates.count = 0;
        TRY(store->ops->alerts(store, &filter, collect, &candidates));
        for (size_t i = 0; i < candidates.count; i++) {
            struct alert *row = &candidates.rows[i];

            filter.below_urgency = row->urgency;
            filter.behind_number = row->number;
            writer_alert_newest(request->writer, row);
            TRY(is_free(request, row, &free));
            if (free)
                return take(request, row, out);
        }
    } while (candidates.count == CANDIDATES_AT_ONCE);
    return fault_set(request->fault, ERR_queue_empty, NULL, "%s", "");
}

/* --- giving it away --------------------------------------------------------------------------- */

enum err op_alert_return(struct request *request, const struct msg_alert_ref *in,
                         struct msg_alert *out)
{
    struct alert  row;
    struct draft *draft = writer_draft(request->writer);
    int32_t       state;

    if (draft == NULL)
        return ERR_busy;
    TRY(find_alert(request, &in->alert_id, &row));
    TRY(write_alert_check(request, &row, ALERT_ACT_return, &state));
    alert_set_state(&row, state);
    return write_alert_change(request, draft, &row, slice_of(NULL, 0), out);
}

static enum err find_analyst(struct request *request, struct slice email, struct user *user)
{
    enum err err = request->store->ops->user_by_email(request->store, email, user);

    if (err == ERR_not_found)
        return fault_set(request->fault, err, "email", "There is no such user");
    TRY(err);
    if (user->disabled)
        return fault_set(request->fault, ERR_state_conflict, "email", "The user has been disabled");
    if (user->role != ROLE_FRAUD_ANALYST)
        return fault_set(request->fault, ERR_field_invalid, "email",
                         "Only a fraud analyst can work on alerts");
    return ERR_none;
}

enum err op_alert_assign(struct request *request, const struct msg_alert_assign *in,
                         struct msg_alert *out)
{
    struct alert  row;
    struct user   user;
    struct draft *draft = writer_draft(request->writer);
    int32_t       state;

    if (draft == NULL)
        return ERR_busy;
    TRY(find_alert(request, &in->alert_id, &row));
    TRY(write_alert_check(request, &row, ALERT_ACT_assign, &state));
    TRY(find_analyst(request, in->email, &user));
    lock(request, &row, state, user.number, LIMIT_ALERT_ASSIGN_HOURS * US_PER_HOUR);
    return write_alert_change(request, draft, &row, slice_from(user.email), out);
}

enum err op_alert_snooze(struct request *request, const struct msg_alert_snooze *in,
                         struct msg_alert *out)
{
    struct alert  row;
    struct draft *draft = writer_draft(request->writer);
    int32_t       state;
    char          detail[LIMIT_REASON_MAX + 64];
    char          until[TIME_TEXT_MAX];

    if (draft == NULL)
        return ERR_busy;
    if (in->until <= request->now_us ||
        in->until > request->now_us + LIMIT_ALERT_SNOOZE_DAYS * US_PER_DAY)
        return fault_set(request->fault, ERR_field_invalid, "until",
                         "The time must lie ahead, by %d days at most", LIMIT_ALERT_SNOOZE_DAYS);
    TRY(find_alert(request, &in->alert_id, &row));
    TRY(write_alert_check(request, &row, ALERT_ACT_snooze, &state));
    alert_set_state(&row, state);
    row.snoozed_until_us = in->until;
    if (!writer_alert_note(request->writer, draft, &row, &request->actor, "snooze", in->reason))
        return write_no_room(request, &row);
    snprintf(detail, sizeof detail, "until %s UTC: %.*s", time_text_minute(in->until, until),
             (int)in->reason.n, in->reason.at);
    return write_alert_change(request, draft, &row, slice_from(detail), out);
}
