/* What the writer does for the controls: it keeps them (controls.h), steps rules down that stop
 * too much, moves thresholds to keep the alert budget, ends what has reached its date, and tells
 * people. Each of these is a change of its own with its audit entry, by the system.
 *
 * The rule: the controls in memory are those of the store and of this group's plan. When the
 * commit fails they are stale, and nothing is judged before they were read again. */
#include "bankd/writer_impl.h"

#include "bankd/control_records.h"
#include "bankd/record.h"
#include "common/check.h"
#include "common/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    SCRATCH_BYTES = LIMIT_RECORD_BODY_MAX * 4,
    EXPIRE_PAGE = 32,
    BUDGET_EVERY_US = 60 * 1000 * 1000,
};

#define COUNTERS_EVERY_US US_PER_HOUR

/* --- what is kept ---------------------------------------------------------------------------- */

static enum err load(struct writer *writer)
{
    TRY(controls_load(writer->controls, writer->store, &writer->config.bank->settings));
    controls_bind(writer->controls, writer->rules);
    return ERR_none;
}

enum err writer_controls_open(struct writer *writer)
{
    TRY(arena_init(&writer->scratch, SCRATCH_BYTES));
    TRY(controls_open(&writer->controls));
    writer->counters_at_us = writer_now_us(writer);
    TRY(load(writer));
    return writer_controls_recount(writer);
}

enum err writer_controls_fresh(struct writer *writer)
{
    if (!writer->controls_stale)
        return ERR_none;
    TRY(load(writer));
    writer->controls_stale = false;
    return ERR_none;
}

void writer_controls_forget(struct writer *writer)
{
    controls_undo(writer->controls);
    writer_weigh_forget(writer);
    writer->tripped = false;
    writer->controls_stale = writer->controls_stale || writer->controls_touched;
    writer->controls_touched = false;
}

enum err writer_controls(struct writer *writer, struct controls **out)
{
    TRY(writer_controls_fresh(writer));
    *out = writer->controls;
    return ERR_none;
}

void writer_controls_take(struct writer *writer, const struct record *record)
{
    enum err err = controls_take(writer->controls, record);

    writer->controls_touched = true;
    CHECK(err == ERR_none); /* the room was looked for, and the record is ours */
}

void writer_controls_bind(struct writer *writer)
{
    controls_bind(writer->controls, writer->rules);
    writer->tripped = false; /* by a rule that is no more */
}

/* --- notifications --------------------------------------------------------------------------- */

enum err writer_notify(struct writer *writer, struct draft *draft, const struct notice *notice)
{
    struct record                *record = writer_record(writer, draft, NULL);
    struct msg_notification       body = { .topic = notice->topic, .state = NOTIFICATION_UNREAD };
    struct msg_event_notification event = { .topic = notice->topic };
    char                          text[LIMIT_REASON_MAX + 1];

    if (record == NULL)
        return ERR_busy;
    record->kind = RECORD_NOTIFICATION;
    record->state = NOTIFICATION_UNREAD;
    record->created_at_us = writer_now_us(writer);
    record->id = uuid_v7(record->created_at_us);
    record->about = notice->user != NULL ? notification_for_user(notice->user->number)
                                         : notification_for_role(notice->role);
    body.notification_id = record->id;
    body.created_at = record->created_at_us;
    body.text = slice_from(slice_copy(notice->text, text, sizeof text));
    if (notice->user != NULL)
        MSG_SET(&body, notification, user_id, notice->user->user_id);
    else
        MSG_SET(&body, notification, role, role_text(notice->role));
    if (notice->subject != NULL)
        MSG_SET(&body, notification, subject, slice_from(notice->subject));
    TRY(record_write(record, &message_notification, &body));
    event.notification_id = record->id;
    if (notice->user != NULL)
        MSG_SET(&event, event_notification, user_id, notice->user->user_id);
    else
        MSG_SET(&event, event_notification, role, role_text(notice->role));
    writer_emit(writer, EVENT_INDEX_notification, &event);
    return ERR_none;
}

/* The same to fraud analysts and compliance officers. */
static enum err notify_both(struct writer *writer, struct draft *draft, int32_t topic,
                            const char *subject, const char *text)
{
    struct notice notice = {
        .topic = topic, .role = ROLE_FRAUD_ANALYST, .subject = subject, .text = slice_from(text)
    };

    TRY(writer_notify(writer, draft, &notice));
    notice.role = ROLE_COMPLIANCE_OFFICER;
    return writer_notify(writer, draft, &notice);
}

/* --- the safety valve ------------------------------------------------------------------------ */

void writer_controls_count(struct writer *writer, const struct draft *draft, bool history,
                           const struct fraud_verdict *verdict)
{
    const struct transaction *row = &draft->transaction;
    struct control_counted    payment = { .at_us = row->at_us,
                                          .account = row->incoming ? row->credit : row->debit,
                                          .history = history,
                                          .joined = draft->change.hit != NULL &&
                                                    draft->change.alert == NULL };
    struct control_trip       trip;

    if (controls_count(writer->controls, &payment, verdict, &trip) && !writer->tripped) {
        writer->tripped = true;
        writer->trip = trip;
    }
}

static enum err plan_step_down(struct writer *writer, const char *rule)
{
    const struct control_trip   *trip = &writer->trip;
    struct msg_stepped_rule      body = { .state = CONTROL_ACTIVE };
    struct draft                *draft = writer_draft(writer);
    struct record               *record = draft != NULL ? writer_record(writer, draft, NULL) : NULL;
    char                         text[LIMIT_REASON_MAX + 1];
    const struct control_values *values = controls_values(writer->controls);

    if (record == NULL)
        return ERR_busy;
    record->kind = RECORD_STEPPED_RULE;
    record->state = CONTROL_ACTIVE;
    record->created_at_us = writer_now_us(writer);
    record->id = uuid_v7(record->created_at_us);
    body.rule = slice_from(rule);
    body.since = record->created_at_us;
    body.payments = trip->sum.payments;
    body.stopped = trip->sum.stopped;
    body.window = values->valve_window_min;
    TRY(record_write(record, &message_stepped_rule, &body));
    snprintf(text, sizeof text,
             "rule %s stopped %" PRId64 " of %" PRId64 " payments within %" PRId64
             " minutes; it only raises alerts until somebody restores it",
             rule, trip->sum.stopped, trip->sum.payments, values->valve_window_min);
    TRY(notify_both(writer, draft, TOPIC_RULE_STEPPED_DOWN, rule, text));
    struct act act = { .kind = AUDIT_ACTION,
                       .operation = "controls.step_down",
                       .subject_text = rule,
                       .detail = slice_from(text) };
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    writer_controls_take(writer, record);
    log_event(LOG_WARNING, "rule_stepped_down", "rule=%s stopped=%" PRId64 " payments=%" PRId64,
              rule, trip->sum.stopped, trip->sum.payments);
    return ERR_none;
}

void writer_step_down(struct writer *writer)
{
    enum err err;

    if (!writer->tripped)
        return;
    err = plan_step_down(writer, fraud_rules_name(writer->rules, writer->trip.rule));
    if (err == ERR_busy)
        return;
    if (err != ERR_none)
        log_event(LOG_ERROR, "rule_not_stepped_down", "error=%s", err_name(err));
    writer->tripped = false;
}

/* --- the alert budget ------------------------------------------------------------------------ */

static enum err counters_record(struct writer *writer, struct draft *draft, struct record **out)
{
    struct record before;
    struct uuid   id = control_record_id(RECORD_ALERT_COUNTERS);
    enum err      err =
        writer->store->ops->record_by_id(writer->store, RECORD_ALERT_COUNTERS, &id, &before);

    if (err != ERR_none && err != ERR_not_found)
        return err;
    *out = writer_record(writer, draft, err == ERR_none ? &before : NULL);
    if (*out == NULL)
        return ERR_busy;
    if (err == ERR_not_found) {
        (*out)->kind = RECORD_ALERT_COUNTERS;
        (*out)->state = CONTROL_ACTIVE;
        (*out)->id = id;
        (*out)->created_at_us = writer_now_us(writer);
    }
    return ERR_none;
}

/* Plans the record of the counters with this threshold; the caller finishes the draft. */
static enum err plan_counters(struct writer *writer, struct draft *draft, int32_t threshold,
                              struct record **out)
{
    uint8_t                          packed[BUDGET_PACKED_MAX];
    size_t                           n = budget_pack(controls_budget(writer->controls), packed);
    struct msg_alert_counters_record body = { .threshold = threshold,
                                              .scores = slice_of((const char *)packed, n) };
    struct msg_alert_counters_record before;
    int64_t                          now_us = writer_now_us(writer);

    TRY(counters_record(writer, draft, out));
    arena_reset(&writer->scratch);
    MSG_SET(&body, alert_counters_record, counted_to, writer->numbers.head.sequence);
    MSG_SET(&body, alert_counters_record, counted_at, now_us);
    if (threshold != controls_threshold(writer->controls))
        MSG_SET(&body, alert_counters_record, moved_at, now_us);
    else if ((*out)->version > 1 &&
             record_read(*out, &message_alert_counters_record, &before, &writer->scratch) ==
                 ERR_none &&
             MSG_HAS(&before, alert_counters_record, moved_at))
        MSG_SET(&body, alert_counters_record, moved_at, before.moved_at);
    TRY(record_write(*out, &message_alert_counters_record, &body));
    return ERR_none;
}

enum err writer_controls_save(struct writer *writer)
{
    struct draft  *draft = writer_draft(writer);
    struct record *record;

    if (writer->controls == NULL || writer->controls_stale ||
        !controls_have_counted(writer->controls))
        return ERR_none;
    if (draft == NULL)
        return ERR_busy;
    TRY(plan_counters(writer, draft, controls_threshold(writer->controls), &record));
    struct act act = { .kind = AUDIT_ACTION,
                       .operation = "controls.count",
                       .detail = slice_from("scores of the days, for the alert budget") };
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    writer_controls_take(writer, record);
    controls_counted(writer->controls);
    return ERR_none;
}

static enum err move_thresholds(struct writer *writer, struct fraud_thresholds before,
                                struct fraud_thresholds after, int32_t threshold)
{
    struct draft  *draft = writer_draft(writer);
    struct record *record;
    char           text[LIMIT_REASON_MAX + 1];

    if (draft == NULL)
        return ERR_busy;
    TRY(plan_counters(writer, draft, threshold, &record));
    snprintf(text, sizeof text,
             "to keep %" PRId64
             " alerts a day: alert from %d points (was %d); holds and declines stay as they are",
             controls_values(writer->controls)->alert_budget, after.alert, before.alert);
    TRY(notify_both(writer, draft, TOPIC_THRESHOLDS_MOVED, NULL, text));
    struct act act = { .kind = AUDIT_ACTION,
                       .operation = "controls.thresholds",
                       .detail = slice_from(text) };
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    writer_controls_take(writer, record);
    controls_counted(writer->controls);
    return ERR_none;
}

static enum err keep_budget(struct writer *writer)
{
    int64_t                 budget = controls_values(writer->controls)->alert_budget;
    struct fraud_thresholds own;
    struct fraud_thresholds before;
    int32_t                 threshold;

    if (budget == 0 || writer->rules == NULL)
        return ERR_none;
    own = fraud_rules_thresholds(writer->rules);
    before = controls_thresholds(own, controls_threshold(writer->controls));
    threshold = budget_threshold(controls_budget(writer->controls), before.alert, own.hold, budget);
    if (threshold == before.alert)
        return ERR_none;
    return move_thresholds(writer, before, controls_thresholds(own, threshold), threshold);
}

void writer_budget_soon(struct writer *writer)
{
    writer->budget_at_us = 0;
}

/* --- time ------------------------------------------------------------------------------------ */

struct due {
    struct writer *writer;
    size_t         count;
    struct uuid    ids[EXPIRE_PAGE];
};

static bool collect_due(void *context, const void *row)
{
    struct due *due = context;

    due->ids[due->count++] = ((const struct record *)row)->id;
    return due->count < EXPIRE_PAGE;
}

static enum err end_one(struct writer *writer, int32_t kind, const struct uuid *id)
{
    struct record  before;
    struct record *record;
    struct draft  *draft = writer_draft(writer);
    struct act     act = { .kind = AUDIT_ACTION,
                           .operation =
                           kind == RECORD_SCREENING ? "screening.expire" : "suppression.expire",
                           .subject = id };
    char           detail[64];

    if (draft == NULL)
        return ERR_busy;
    TRY(writer->store->ops->record_by_id(writer->store, kind, id, &before));
    snprintf(detail, sizeof detail, "no. %" PRId64 ": its time is over", before.number);
    act.detail = slice_from(detail);
    record = writer_record(writer, draft, &before);
    if (record == NULL)
        return ERR_busy;
    arena_reset(&writer->scratch);
    TRY(control_record_end(record, CONTROL_EXPIRED, writer_now_us(writer), "system",
                           slice_from("its time is over"), &writer->scratch));
    writer_audit(writer, draft, &act);
    writer_add(writer, draft);
    writer_controls_take(writer, record);
    return ERR_none;
}

static enum err end_due(struct writer *writer, int32_t kind, int32_t state, int64_t now_us)
{
    struct due           due = { .writer = writer };
    struct record_filter filter = { .kind = kind,
                                    .state = state,
                                    .due_before_us = now_us + 1 };

    TRY(writer->store->ops->records(writer->store, &filter, collect_due, &due));
    for (size_t i = 0; i < due.count; i++)
        TRY(end_one(writer, kind, &due.ids[i]));
    return ERR_none;
}

enum err writer_controls_expire(struct writer *writer)
{
    int64_t now_us = writer_now_us(writer);

    TRY(writer_controls_fresh(writer));
    writer_step_down(writer);
    TRY(end_due(writer, RECORD_SCREENING, CONTROL_ACTIVE, now_us));
    TRY(end_due(writer, RECORD_SCREENING, CONTROL_PROPOSED, now_us));
    TRY(end_due(writer, RECORD_SUPPRESSION, CONTROL_ACTIVE, now_us));
    TRY(end_due(writer, RECORD_SUPPRESSION, CONTROL_PROPOSED, now_us));
    if (now_us - writer->budget_at_us >= BUDGET_EVERY_US) {
        writer->budget_at_us = now_us;
        TRY(keep_budget(writer));
    }
    if (now_us - writer->counters_at_us < COUNTERS_EVERY_US)
        return ERR_none;
    writer->counters_at_us = now_us;
    return writer_controls_save(writer);
}
