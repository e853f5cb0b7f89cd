/* Alerts within the writer: which one a suspicious transaction joins, and what they have become in
 * the group that is being planned.
 *
 * One alert of an account waits at a time; further hits join it until it is full, and then another
 * one is raised. So that hits of one group find each other, the drafts of a group that write an
 * alert are chained by account, the newest first, and every question about an alert is answered
 * from there before the store is asked.
 *
 * The rule that must not be broken: a hit, its alert and the transaction are one change. */
#include "bankd/writer_impl.h"

#include "bankd/alert.h"
#include "bankd/record.h"
#include "common/check.h"
#include "common/money.h"

#include <string.h>

/* --- the alerts of this group ---------------------------------------------------------------- */

static size_t alert_slot(const struct writer *writer, int64_t account)
{
    uint64_t hash = (uint64_t)account * UINT64_C(0x9e3779b97f4a7c15);
    size_t   i = (size_t)(hash >> 32) % WRITER_ALERT_SLOTS;

    while (writer->group_alerts[i].account != 0 && writer->group_alerts[i].account != account)
        i = (i + 1) % WRITER_ALERT_SLOTS;
    return i;
}

void writer_alert_remember(struct writer *writer, struct draft *draft)
{
    size_t i = alert_slot(writer, draft->alert_account);

    draft->alert_before = writer->group_alerts[i].draft;
    writer->group_alerts[i].account = draft->alert_account;
    writer->group_alerts[i].draft = (uint32_t)(draft - writer->drafts) + 1;
}

static const struct draft *draft_at(const struct writer *writer, uint32_t index)
{
    return index == 0 ? NULL : &writer->drafts[index - 1];
}

static const struct draft *newest_draft(const struct writer *writer, int64_t account)
{
    return draft_at(writer, writer->group_alerts[alert_slot(writer, account)].draft);
}

static bool writes_alert(const struct draft *draft, int64_t number)
{
    bool has_alert = draft->change.alert != NULL || draft->change.alert_update != NULL;

    return has_alert && draft->alert.number == number;
}

void writer_alert_newest(struct writer *writer, struct alert *alert)
{
    const struct draft *draft = newest_draft(writer, alert->account);

    while (draft != NULL && !writes_alert(draft, alert->number))
        draft = draft_at(writer, draft->alert_before);
    if (draft != NULL)
        *alert = draft->alert;
}

enum err writer_alert_by_id(struct writer *writer, const struct uuid *id, struct alert *out)
{
    TRY(writer_look(writer));
    TRY(writer->store->ops->alert_by_id(writer->store, id, out));
    writer_alert_newest(writer, out);
    return ERR_none;
}

enum err writer_alert_by_transaction(struct writer *writer, int64_t sequence, struct alert *out)
{
    TRY(writer_look(writer));
    TRY(writer->store->ops->alert_by_transaction(writer->store, sequence, out));
    writer_alert_newest(writer, out);
    return ERR_none;
}

static bool collect_hit(void *context, const void *row)
{
    struct alert_hits *hits = context;

    hits->rows[hits->count++] = *(const struct alert_hit *)row;
    return hits->count < LIMIT_ALERT_HITS_MAX;
}

enum err writer_alert_hits(struct writer *writer, const struct alert *alert, struct alert_hits *out)
{
    const struct draft *draft = newest_draft(writer, alert->account);
    bool                planned[LIMIT_ALERT_HITS_MAX + 1] = { false };

    memset(out, 0, sizeof *out);
    TRY(writer_look(writer));
    TRY(writer->store->ops->alert_hits(writer->store, alert->number, collect_hit, out));
    for (; draft != NULL; draft = draft_at(writer, draft->alert_before)) {
        const struct alert_hit *hit = &draft->hit;

        if (draft->change.hit == NULL || hit->alert != alert->number || planned[hit->number])
            continue;
        planned[hit->number] = true;
        out->rows[hit->number - 1] = *hit;
        if (draft->change.update_count > 0)
            out->status[hit->number - 1] = draft->change.updates[0].status_after;
        if ((size_t)hit->number > out->count)
            out->count = (size_t)hit->number;
    }
    return ERR_none;
}

enum err writer_alert_row(struct writer *writer, int64_t account, int64_t sequence,
                          struct transaction *out)
{
    const struct draft *draft = newest_draft(writer, account);

    for (; draft != NULL; draft = draft_at(writer, draft->alert_before)) {
        if (draft->change.transaction == NULL || draft->transaction.sequence != sequence)
            continue;
        *out = draft->transaction;
        writer_transaction_newest(writer, out);
        return ERR_none;
    }
    TRY(writer_look(writer));
    TRY(writer->store->ops->transaction_by_sequence(writer->store, sequence, out));
    writer_transaction_newest(writer, out);
    return ERR_none;
}

/* --- joining --------------------------------------------------------------------------------- */

static bool may_join(const struct alert *alert)
{
    return alert->state != ALERT_DECIDED && alert->hits < LIMIT_ALERT_HITS_MAX;
}

struct search {
    struct writer *writer;
    struct alert  *out;
    bool           found;
};

static bool take_waiting(void *context, const void *row)
{
    struct search *search = context;

    *search->out = *(const struct alert *)row;
    writer_alert_newest(search->writer, search->out);
    search->found = may_join(search->out);
    return !search->found;
}

enum err writer_alert_waiting(struct writer *writer, int64_t account, struct alert *out)
{
    struct alert_filter filter = { .account = account, .undecided = true };
    struct search       search = { .writer = writer, .out = out };
    const struct draft *draft = newest_draft(writer, account);

    for (; draft != NULL; draft = draft_at(writer, draft->alert_before)) {
        if (!writes_alert(draft, draft->alert.number))
            continue;
        *out = draft->alert;
        writer_alert_newest(writer, out);
        if (may_join(out))
            return ERR_none;
    }
    TRY(writer_look(writer));
    TRY(writer->store->ops->alerts(writer->store, &filter, take_waiting, &search));
    if (!search.found)
        out->number = 0;
    return ERR_none;
}

void writer_alert_change(struct draft *draft, const struct alert *after)
{
    draft->alert = *after;
    draft->alert.version++;
    draft->change.alert_update = &draft->alert;
    draft->alert_account = after->account;
}

static void raise(struct writer *writer, struct draft *draft, int64_t account, int64_t at_us)
{
    struct alert *alert = &draft->alert;

    memset(alert, 0, sizeof *alert);
    alert->number = ++writer->numbers.alert;
    alert->alert_id = uuid_v7(writer_now_us(writer));
    alert->account = account;
    alert->state = ALERT_OPEN;
    alert->version = 1;
    alert->created_at_us = at_us;
    draft->change.alert = alert;
    draft->alert_account = account;
    writer_rollup(draft, ROLLUP_ALL, 0, 0, METRIC_ALERTS_OPEN, 1, 0);
}

/* Something new ends a snooze; whoever works on it goes on. */
static void join(struct writer *writer, struct draft *draft, const struct alert *waiting)
{
    int32_t      state = waiting->state;
    struct alert after = *waiting;
    enum err     err = alert_check(waiting, ALERT_ACT_join, 0, writer_now_us(writer), &state, NULL);

    CHECK(err == ERR_none);
    if (alert_state_at(waiting, writer_now_us(writer)) != state)
        alert_set_state(&after, state);
    writer_alert_change(draft, &after);
}

void writer_alert_hit(struct writer *writer, struct draft *draft, const struct alert *waiting,
                      int64_t account, int64_t at_us, int32_t weight)
{
    const struct transaction *row = &draft->transaction;
    struct alert_hit         *hit = &draft->hit;

    if (waiting->number == 0)
        raise(writer, draft, account, at_us);
    else
        join(writer, draft, waiting);
    *hit = (struct alert_hit){ .alert = draft->alert.number,
                               .transaction = row->sequence,
                               .at_us = at_us,
                               .loss = alert_loss(row->amount, weight,
                                                  row->initial_status == STATUS_DECLINED),
                               .number = draft->alert.hits + 1,
                               .score = row->score };
    draft->change.hit = hit;
    alert_join(&draft->alert, hit, row);
}

/* --- notes ----------------------------------------------------------------------------------- */

bool writer_alert_note(struct writer *writer, struct draft *draft, struct alert *alert,
                       const struct actor *actor, const char *act, struct slice text)
{
    struct msg_note_record note = { .act = slice_from(act), .text = text };
    struct record         *row;
    enum err               err;

    slice_copy(text, alert->note, sizeof alert->note);
    if (alert->notes >= LIMIT_ALERT_NOTES_MAX)
        return false;
    row = writer_record(writer, draft, NULL);
    if (row == NULL)
        return false;
    row->kind = RECORD_ALERT_NOTE;
    row->id = uuid_v7(writer_now_us(writer));
    row->about = alert->number;
    row->created_at_us = writer_now_us(writer);
    row->created_by = actor != NULL ? actor->user : 0;
    err = record_write(row, &message_note_record, &note);
    CHECK(err == ERR_none); /* a note is shorter than a record may be */
    alert->notes++;
    return true;
}

/* --- telling --------------------------------------------------------------------------------- */

void writer_alert_tell(struct writer *writer, const struct alert *alert,
                       const struct transaction *row, const struct uuid *account_id,
                       struct slice text)
{
    const struct currency *currency = currency_by_number(row->currency);
    struct msg_event_alert event = {
        .alert_id = alert->alert_id,
        .transaction_id = row->transaction_id,
        .account_id = *account_id,
        .state = alert_state_at(alert, writer_now_us(writer)),
        .score = alert->score,
        .amount = row->amount,
        .currency = slice_from(currency != NULL ? currency->code : "???"),
        .text = text,
        .hit_count = alert->hits,
        .expected_loss = alert->expected_loss,
    };

    writer_emit(writer, EVENT_INDEX_alert, &event);
}
