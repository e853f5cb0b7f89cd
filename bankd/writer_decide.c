/* Findings about suspicious transactions, and what they do: an analyst's decision on an alert and
 * the undoing of it, the release or the rejection of one transaction, a hold whose time is over.
 *
 * A finding ends a hold, becomes a label, takes the flag off where nothing was wrong, and ends the
 * alert when nothing waits in it any more; with the audit entry that is one change. A decision on
 * an alert of several transactions is several changes of one group, so it is first worked through
 * on copies of the books, with everything that may be refused or fail; when the first draft is
 * taken, nothing fails any more. Undoing goes the same way backwards.
 *
 * Who may decide is the caller's business but for one rule that stands here, because no table can
 * say it: nobody decides on a transaction that they posted themselves. */
#include "bankd/writer_impl.h"

#include "bankd/alert.h"
#include "bankd/ledger/ledger.h"
#include "common/check.h"

#include <stdio.h>
#include <string.h>

/* --- working it through ---------------------------------------------------------------------- */

static enum err book_of(struct writer *writer, int64_t number, struct account_book **out)
{
    struct ending_books       *books = &writer->ending_books;
    const struct account_book *book;

    for (size_t i = 0; i < books->count; i++) {
        if (books->rows[i].number != number)
            continue;
        *out = &books->rows[i];
        return ERR_none;
    }
    TRY(writer_book(writer, number, &book, NULL));
    CHECK(books->count < ARRAY_COUNT(books->rows));
    *out = &books->rows[books->count++];
    **out = *book;
    return ERR_none;
}

/* What the ledger says to the new status; the books are changed only when it agrees. */
static enum err move_money(const struct ending *ending, int64_t now_us, struct account_book *debit,
                           struct account_book *credit, struct fault *fault)
{
    if (ending->status == STATUS_COMPLETED)
        return ledger_release(&ending->row, now_us, debit, credit, fault);
    if (ending->status == STATUS_REJECTED)
        return ledger_reject(&ending->row, debit, fault);
    return ledger_hold_again(&ending->row, now_us, debit, fault);
}

/* Everything about one ending that may be refused or fail; `more` of them are to come. */
static enum err prepare(struct writer *writer, struct ending *ending, const struct actor *actor,
                        size_t more, struct fault *fault)
{
    struct account_book *debit;
    struct account_book *credit;

    if (actor != NULL && actor->user != 0 && actor->user == ending->row.posted_by)
        return fault_set(fault, ERR_own_transaction, "transaction_id", "%s", "");
    if (ending->status == STATUS_COMPLETED && actor != NULL &&
        ending->row.hold_expires_at_us <= writer_now_us(writer))
        return fault_set(fault, ERR_state_conflict, "transaction_id",
                         "The time of the hold is over; the payment must be made again");
    TRY(book_of(writer, ending->row.debit, &debit));
    TRY(book_of(writer, ending->row.credit, &credit));
    if (ending->status != 0)
        TRY(move_money(ending, writer_now_us(writer), debit, credit, fault));
    if (ending->label_act == LABEL_KEEP && ending->status != STATUS_COMPLETED)
        return ERR_none;
    return writer_label_prepare(writer, &ending->row, more, &ending->label);
}

/* What a finding does to the transaction. */
static void apply_finding(struct ending *ending, int32_t finding, int64_t now_us)
{
    const struct transaction *row = &ending->row;
    struct alert_hit         *hit = &ending->hit;

    ending->flagged = row->flagged && finding != DECISION_FALSE_POSITIVE;
    ending->label_act = finding == DECISION_CONFIRMED_FRAUD  ? LABEL_FRAUD
                        : finding == DECISION_FALSE_POSITIVE ? LABEL_NOT_FRAUD
                                                             : LABEL_KEEP;
    hit->finding = finding;
    hit->decided_at_us = now_us;
    hit->status_before = row->status;
    hit->flagged_before = row->flagged ? 1 : 0;
}

/* Known only when the label was looked for. */
static void note_label(struct ending *ending)
{
    const struct label *before = &ending->label.before;
    bool had = ending->label_act != LABEL_KEEP && ending->label.replaces && !before->withdrawn;

    ending->hit.label_before = !had ? 0 : before->fraud ? 2 : 1;
}

/* --- from here on nothing fails --------------------------------------------------------------- */

static void put_money(struct writer *writer, struct draft *draft, const struct ending *ending)
{
    const struct transaction  *row = &ending->row;
    const struct account_book *book;
    struct account_book        debit;
    struct account_book        credit;
    struct account_book        debit_before;
    struct account_book        credit_before;
    enum err                   err = writer_book(writer, row->debit, &book, NULL);

    debit = *book;
    debit_before = debit;
    err = err != ERR_none ? err : writer_book(writer, row->credit, &book, NULL);
    credit = *book;
    credit_before = credit;
    err = err != ERR_none ? err : move_money(ending, writer_now_us(writer), &debit, &credit, NULL);
    CHECK(err == ERR_none); /* as on the copies */
    writer_change_book(draft, &debit_before, &debit, false);
    if (ending->status == STATUS_COMPLETED)
        writer_change_book(draft, &credit_before, &credit, false);
    writer_count_status(draft, row, row->status, &debit, &credit, -1);
    writer_count_status(draft, row, ending->status, &debit, &credit, 1);
}

static void put_flag(struct draft *draft, const struct ending *ending)
{
    const struct transaction *row = &ending->row;
    int                       sign = ending->flagged ? 1 : -1;

    if (ending->flagged == row->flagged)
        return;
    writer_count_at(draft, row, METRIC_FLAGGED, sign, sign * row->amount);
    writer_rollup(draft, ROLLUP_ALL, 0, row->currency, METRIC_FLAGGED, sign, sign * row->amount);
}

/* The money has moved: it becomes a habit of both sides, and is none of what was stopped. */
static void observe_release(struct writer *writer, const struct draft *draft,
                            const struct ending *ending)
{
    const struct account_book *book;
    struct account_book        debit;
    enum err                   err = writer_book(writer, ending->row.debit, &book, NULL);

    debit = *book;
    err = err != ERR_none ? err : writer_book(writer, ending->row.credit, &book, NULL);
    CHECK(err == ERR_none); /* as when the money moved */
    writer_label_release(writer, draft, &ending->row, &ending->label, &debit, book);
}

/* Fills a draft with one ending; the alert, if it changes too, is the caller's. */
static void put(struct writer *writer, struct draft *draft, const struct ending *ending,
                const struct actor *actor, const char *operation, struct slice reason)
{
    const struct transaction *row = &ending->row;
    struct act                act = { .actor = actor,
                                      .kind = AUDIT_ACTION,
                                      .operation = operation,
                                      .subject = &row->transaction_id,
                                      .detail = reason,
                                      .about_transaction = row->sequence,
                                      .set_status = ending->status };

    if (ending->flagged != row->flagged)
        act.set_flag = ending->flagged ? 1 : 2;
    if (ending->status != 0)
        put_money(writer, draft, ending);
    put_flag(draft, ending);
    if (ending->status != 0 || act.set_flag != 0) {
        draft->change.updates[0] = (struct transaction_update){
            .sequence = row->sequence,
            .status_before = row->status,
            .status_after = ending->status != 0 ? ending->status : row->status,
            .flagged_before = row->flagged,
            .flagged_after = ending->flagged,
        };
        draft->change.update_count = 1;
    }
    if (ending->label_act != LABEL_KEEP)
        writer_label_make(writer, draft, row, &ending->label, ending->label_act,
                          ending->label_act == LABEL_WITHDRAW ? 0 : writer_now_us(writer));
    if (ending->hit.number != 0) {
        draft->hit = ending->hit;
        draft->change.hit = &draft->hit;
    }
    writer_audit(writer, draft, &act);
    if (ending->status == STATUS_COMPLETED)
        observe_release(writer, draft, ending);
}

/* --- the release or the rejection of one transaction ----------------------------------------- */

static struct alert_hit *find_hit(struct alert_hits *hits, int64_t sequence)
{
    for (size_t i = 0; i < hits->count; i++)
        if (hits->rows[i].transaction == sequence)
            return &hits->rows[i];
    return NULL;
}

static void end_alert(struct alert *alert, int32_t finding, const struct actor *actor,
                      struct slice note, int64_t now_us)
{
    alert_set_state(alert, ALERT_DECIDED);
    alert->decision = finding;
    alert->decided_by = actor != NULL ? actor->user : 0;
    alert->decided_at_us = now_us;
    slice_copy(note, alert->note, sizeof alert->note);
}

/* Its alert as the ending leaves it: decided when nothing else waits. A decision that was
 * inconclusive stays, but cannot be undone any more. *alert has number 0 when there is none. */
static enum err settle(struct writer *writer, const struct decision *decision,
                       struct ending *ending, struct alert *alert, bool *ended)
{
    struct alert_hits hits;
    struct alert_hit *hit;
    int64_t           now_us = writer_now_us(writer);
    enum err          err = writer_alert_by_transaction(writer, ending->row.sequence, alert);

    *ended = false;
    alert->number = err == ERR_not_found ? 0 : alert->number;
    ending->hit = (struct alert_hit){ .number = 0 };
    if (err == ERR_not_found) {
        apply_finding(ending, decision->finding, now_us);
        return ERR_none;
    }
    TRY(err);
    TRY(writer_alert_hits(writer, alert, &hits));
    hit = find_hit(&hits, ending->row.sequence);
    if (hit == NULL)
        return ERR_books_broken;
    ending->hit = *hit;
    apply_finding(ending, decision->finding, now_us);
    *hit = ending->hit;
    if (alert->state == ALERT_DECIDED) {
        alert->undo_until_us = 0;
        return ERR_none;
    }
    *ended = alert_finding(hits.rows, hits.count) != 0;
    if (*ended) {
        end_alert(alert, alert_finding(hits.rows, hits.count), decision->actor, decision->reason,
                  now_us);
        if (decision->actor != NULL)
            alert->undo_until_us = now_us + bank_undo_us(writer->config.bank);
    } else {
        alert_weigh(alert, hits.rows, hits.count, ending->row.currency);
    }
    return ERR_none;
}

static enum err check_held(const struct transaction *row, struct fault *fault)
{
    if (row->status == STATUS_HELD)
        return ERR_none;
    return fault_set(fault, ERR_state_conflict, "transaction_id", "The transaction is %s, not held",
                     enum_text(&enum_transaction_status, row->status));
}

static void tell(struct writer *writer, const struct alert *alert, const struct transaction *row)
{
    const struct account_book *book;
    const char                *text = alert->state == ALERT_DECIDED
                                          ? enum_text(&enum_alert_decision, alert->decision)
                                          : enum_text(&enum_alert_state, alert->state);

    if (writer_book(writer, row->incoming ? row->credit : row->debit, &book, NULL) == ERR_none)
        writer_alert_tell(writer, alert, row, &book->account_id, slice_from(text));
}

enum err writer_decide(struct writer *writer, const struct decision *decision,
                       struct transaction *row, struct fault *fault)
{
    struct ending *ending = &writer->endings[0];
    struct draft  *draft = writer_draft(writer);
    struct alert   alert;
    bool           ended;
    enum err       err;

    CHECK(decision->status == STATUS_COMPLETED || decision->status == STATUS_REJECTED);
    if (draft == NULL)
        return ERR_busy;
    err = writer_transaction_by_id(writer, &decision->transaction_id, row);
    if (err != ERR_none)
        return fault_set(fault, err, "transaction_id", "%s", "");
    if (decision->actor != NULL && decision->actor->user != 0 &&
        decision->actor->user == row->posted_by)
        return fault_set(fault, ERR_own_transaction, "transaction_id", "%s", "");
    TRY(check_held(row, fault));
    writer->ending_books.count = 0;
    ending->row = *row;
    ending->status = decision->status;
    TRY(settle(writer, decision, ending, &alert, &ended));
    TRY(prepare(writer, ending, decision->actor, 0, fault));
    note_label(ending);
    if (alert.number != 0)
        writer_alert_change(draft, &alert);
    if (ended)
        writer_rollup(draft, ROLLUP_ALL, 0, 0, METRIC_ALERTS_OPEN, -1, 0);
    put(writer, draft, ending, decision->actor, decision->operation, decision->reason);
    writer_add(writer, draft);
    if (alert.number != 0)
        tell(writer, &draft->alert, row);
    row->status = decision->status;
    row->flagged = ending->flagged;
    return ERR_none;
}

/* --- the decision on an alert, and its undoing ----------------------------------------------- */

/* Of one act on an alert: its endings are writer->endings[0 .. count - 1]. */
struct verdicts {
    struct writer             *writer;
    const struct alert_ruling *decision;
    struct alert              *alert;
    struct alert_hits         *hits;
    size_t                     count;
    int64_t                    now_us;
    struct fault              *fault;
    char                       detail[LIMIT_NOTE_MAX + 128]; /* of the audit entries */
};

/* An entry tells the finding, and one about a transaction also of which alert it was. */
static struct slice detail_of(struct verdicts *work, bool of_transaction)
{
    const struct alert_ruling *ruling = work->decision;
    bool                       decides = work->alert->state == ALERT_DECIDED;
    char                       id[UUID_TEXT_MAX];

    snprintf(work->detail, sizeof work->detail, "%s%s%s%s%.*s",
             decides ? enum_text(&enum_alert_decision, ruling->finding) : "taken back",
             of_transaction ? ", alert " : "",
             of_transaction ? uuid_text(&work->alert->alert_id, id) : "", ": ",
             (int)ruling->note.n, ruling->note.at);
    return slice_from(work->detail);
}

static enum err load(struct verdicts *work, enum alert_act act, int32_t *state)
{
    struct writer *writer = work->writer;
    enum err       err = writer_alert_by_id(writer, &work->decision->alert_id, work->alert);

    if (err != ERR_none)
        return fault_set(work->fault, err, "alert_id", "%s", "");
    TRY(alert_check(work->alert, act,
                    work->decision->actor != NULL ? work->decision->actor->user : 0, work->now_us,
                    state, work->fault));
    return writer_alert_hits(writer, work->alert, work->hits);
}

static enum err take_ending(struct verdicts *work, size_t hit, struct ending **out)
{
    struct ending *ending = &work->writer->endings[work->count];

    ending->hit = work->hits->rows[hit];
    ending->status = 0;
    ending->label_act = LABEL_KEEP;
    TRY(writer_alert_row(work->writer, work->alert->account, ending->hit.transaction,
                         &ending->row));
    ending->flagged = ending->row.flagged;
    work->count++;
    *out = ending;
    return ERR_none;
}

/* All that can be refused or fail. A note goes into the first draft. */
static enum err prepare_all(struct verdicts *work)
{
    struct writer *writer = work->writer;

    if (writer->count + (work->count > 0 ? work->count : 1) > LIMIT_BATCH_MAX ||
        writer->record_count == WRITER_RECORDS_MAX)
        return ERR_busy;
    writer->ending_books.count = 0;
    for (size_t i = 0; i < work->count; i++) {
        TRY(prepare(writer, &writer->endings[i], work->decision->actor, work->count - 1 - i,
                    work->fault));
        if (writer->endings[i].hit.finding != 0)
            note_label(&writer->endings[i]);
    }
    return ERR_none;
}

static void note_hits(struct verdicts *work)
{
    for (size_t i = 0; i < work->count; i++) {
        const struct ending *ending = &work->writer->endings[i];
        size_t               at = (size_t)ending->hit.number - 1;

        work->hits->rows[at] = ending->hit;
        if (ending->status != 0)
            work->hits->status[at] = ending->status;
    }
}

/* One draft for each ending; the alert changes with the first. An alert in which nothing waits has
 * a draft of its own. */
static void put_all(struct verdicts *work, const char *act_name, int alerts_open)
{
    struct writer             *writer = work->writer;
    const struct alert_ruling *decision = work->decision;

    for (size_t i = 0; i == 0 || i < work->count; i++) {
        struct draft *draft = writer_draft(writer);
        struct act    act = { .actor = decision->actor,
                              .kind = AUDIT_ACTION,
                              .operation = decision->operation,
                              .subject = &work->alert->alert_id,
                              .detail = detail_of(work, i < work->count) };

        CHECK(draft != NULL);
        draft->alert_account = work->alert->account;
        if (i == 0) {
            (void)writer_alert_note(writer, draft, work->alert, decision->actor, act_name,
                                    decision->note); /* the audit entry has it in any case */
            writer_alert_change(draft, work->alert);
            *work->alert = draft->alert;
            writer_rollup(draft, ROLLUP_ALL, 0, 0, METRIC_ALERTS_OPEN, alerts_open, 0);
        }
        if (i < work->count)
            put(writer, draft, &writer->endings[i], decision->actor, decision->operation,
                act.detail);
        else
            writer_audit(writer, draft, &act);
        writer_add(writer, draft);
    }
    if (work->count > 0)
        tell(writer, work->alert, &writer->endings[0].row);
}

static enum err decide_hit(struct verdicts *work, size_t hit)
{
    struct ending *ending;
    int32_t        finding = work->decision->finding;

    TRY(take_ending(work, hit, &ending));
    if (ending->row.status == STATUS_HELD && finding == DECISION_CONFIRMED_FRAUD)
        ending->status = STATUS_REJECTED;
    if (ending->row.status == STATUS_HELD && finding == DECISION_FALSE_POSITIVE)
        ending->status = STATUS_COMPLETED;
    apply_finding(ending, finding, work->now_us);
    return ERR_none;
}

enum err writer_alert_decide(struct writer *writer, const struct alert_ruling *decision,
                             struct alert *out, struct alert_hits *hits, struct fault *fault)
{
    struct verdicts work = { .writer = writer,
                             .decision = decision,
                             .alert = out,
                             .hits = hits,
                             .now_us = writer_now_us(writer),
                             .fault = fault };
    int32_t         state;

    TRY(load(&work, ALERT_ACT_decide, &state));
    if (decision->hits_seen != 0 && decision->hits_seen != out->hits)
        return fault_set(fault, ERR_changed_meanwhile, "hits_seen",
                         "It had %d transaction%s when it was looked at and has %d now",
                         (int)decision->hits_seen, decision->hits_seen == 1 ? "" : "s", out->hits);
    for (size_t i = 0; i < hits->count; i++)
        if (hits->rows[i].finding == 0)
            TRY(decide_hit(&work, i));
    TRY(prepare_all(&work));
    note_hits(&work);
    end_alert(out, decision->finding, decision->actor, decision->note, work.now_us);
    if (decision->actor != NULL)
        out->undo_until_us = work.now_us + bank_undo_us(writer->config.bank);
    put_all(&work, "decide", -1);
    return ERR_none;
}

/* --- undoing ---------------------------------------------------------------------------------- */

/* A rejected hold can be held again while its time lasts and the money is there, which the ledger
 * says. What was released has moved. */
static enum err undo_status(const struct ending *ending, int64_t now_us, int32_t *status,
                            struct fault *fault)
{
    const struct transaction *row = &ending->row;

    *status = 0;
    if (ending->hit.status_before != STATUS_HELD || row->status == STATUS_HELD)
        return ERR_none;
    if (row->status != STATUS_REJECTED)
        return fault_set(fault, ERR_state_conflict, "alert_id",
                         "The released money has moved; reverse it with transaction.reverse");
    if (row->hold_expires_at_us <= now_us)
        return fault_set(fault, ERR_state_conflict, "alert_id",
                         "The time of the hold is over; the payment must be made again");
    *status = STATUS_HELD;
    return ERR_none;
}

static enum err undo_hit(struct verdicts *work, size_t hit)
{
    static const enum label_act acts[] = { LABEL_WITHDRAW, LABEL_NOT_FRAUD, LABEL_FRAUD };
    struct ending              *ending;
    struct alert_hit           *row;

    TRY(take_ending(work, hit, &ending));
    row = &ending->hit;
    TRY(undo_status(ending, work->now_us, &ending->status, work->fault));
    ending->flagged = row->flagged_before != 0;
    if (row->finding != DECISION_INCONCLUSIVE)
        ending->label_act = acts[row->label_before];
    row->finding = 0;
    row->decided_at_us = 0;
    row->status_before = 0;
    row->flagged_before = 0;
    row->label_before = 0;
    return ERR_none;
}

static void take_again(struct verdicts *work, int32_t state)
{
    struct alert       *alert = work->alert;
    const struct actor *actor = work->decision->actor;

    alert_set_state(alert, state);
    alert->assigned_to = actor != NULL ? actor->user : 0;
    alert->taken_at_us = work->now_us;
    alert->lock_until_us = work->now_us + bank_lock_us(work->writer->config.bank);
    if (work->count > 0)
        alert_weigh(alert, work->hits->rows, work->hits->count,
                    work->writer->endings[0].row.currency);
}

enum err writer_alert_undo(struct writer *writer, const struct alert_ruling *decision,
                           struct alert *out, struct alert_hits *hits, struct fault *fault)
{
    struct verdicts work = { .writer = writer,
                             .decision = decision,
                             .alert = out,
                             .hits = hits,
                             .now_us = writer_now_us(writer),
                             .fault = fault };
    int32_t         state;

    TRY(load(&work, ALERT_ACT_undo, &state));
    if (work.now_us >= out->undo_until_us)
        return fault_set(fault, ERR_state_conflict, "alert_id",
                         "The time in which the decision could be undone is over");
    for (size_t i = 0; i < hits->count; i++)
        if (hits->rows[i].finding != 0 && hits->rows[i].decided_at_us == out->decided_at_us)
            TRY(undo_hit(&work, i));
    TRY(prepare_all(&work));
    note_hits(&work);
    take_again(&work, state);
    put_all(&work, "undo", 1);
    return ERR_none;
}
