/* What people change of the controls: lists, suppressions, settings, rules that were stepped down,
 * and notifications that they have read. Each change is a record with its audit entry, and the
 * payments that are planned after it obey it. */
#include "bankd/control_records.h"
#include "bankd/controls.h"
#include "bankd/ops/page.h"
#include "bankd/record.h"
#include "bankd/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- what they have in common ---------------------------------------------------------------- */

static enum err new_record(struct request *request, struct draft **draft, int32_t kind,
                           struct record **out)
{
    *draft = writer_draft(request->writer);
    *out = *draft != NULL ? writer_record(request->writer, *draft, NULL) : NULL;
    if (*out == NULL)
        return ERR_busy;
    (*out)->kind = kind;
    (*out)->state = CONTROL_ACTIVE;
    (*out)->id = uuid_v7(request->now_us);
    (*out)->created_at_us = request->now_us;
    (*out)->created_by = request->actor.user;
    return ERR_none;
}

static enum err next_version(struct request *request, struct draft **draft, int32_t kind,
                             const struct uuid *id, const char *field, struct record **out)
{
    struct record before;
    enum err      err = request->store->ops->record_by_id(request->store, kind, id, &before);

    if (err == ERR_not_found)
        return fault_set(request->fault, err, field, "%s", "");
    TRY(err);
    *draft = writer_draft(request->writer);
    *out = *draft != NULL ? writer_record(request->writer, *draft, &before) : NULL;
    return *out != NULL ? ERR_none : ERR_busy;
}

static void finish(struct request *request, struct draft *draft, const struct record *record,
                   const char *subject, struct slice detail)
{
    struct act act = { .actor = &request->actor,
                       .kind = AUDIT_ACTION,
                       .operation = request->op->name,
                       .subject = subject == NULL ? &record->id : NULL,
                       .subject_text = subject,
                       .detail = detail };

    writer_audit(request->writer, draft, &act);
    writer_add(request->writer, draft);
    writer_controls_take(request->writer, record);
}

static enum err check_until(struct request *request, int64_t until)
{
    if (until <= request->now_us || until / US_PER_SECOND >= LIMIT_PERIOD_LAST_S)
        return fault_set(request->fault, ERR_field_invalid, "until",
                         "The date must lie ahead, and before the year 10000");
    return ERR_none;
}

/* What a record says, from memory that outlives it: the reply. */
static enum err reply_with(struct request *request, const struct record *record,
                           const struct message_desc *desc, void *out)
{
    struct fault fault = { 0 };
    void        *body;

    TRY(page_take(request, record->body_size + 1, &body));
    memcpy(body, record->body, record->body_size);
    return message_decode(desc, slice_of(body, record->body_size), DECODE_LENIENT, request->arena,
                          out, &fault);
}

/* --- the lists ------------------------------------------------------------------------------- */

struct target {
    int64_t      about;
    struct slice party;
    char         name[LIMIT_NAME_MAX + 1];
};

static enum err find_account(struct request *request, const struct uuid *id, int64_t *number,
                             char name[LIMIT_NAME_MAX + 1])
{
    const struct account_book *book;
    const char                *known;
    enum err                   err = writer_book_by_id(request->writer, id, &book, &known);

    if (err == ERR_account_unknown)
        return fault_set(request->fault, err, "account_id", "%s", "");
    TRY(err);
    if (book->kind != ACCOUNT_CUSTOMER)
        return fault_set(request->fault, ERR_account_system, "account_id", "%s", "");
    *number = book->number;
    slice_copy(slice_from(known), name, LIMIT_NAME_MAX + 1);
    return ERR_none;
}

static enum err find_target(struct request *request, const struct msg_screening_add *in,
                            struct target *out)
{
    int given = MSG_HAS(in, screening_add, account_id) + MSG_HAS(in, screening_add, customer_id) +
                (MSG_HAS(in, screening_add, counterparty) && in->counterparty.n > 0);
    struct customer customer;
    int64_t         number = 0;
    enum err        err;

    *out = (struct target){ .about = screened_about(SCREENED_PARTY, 0) };
    if (given != 1)
        return fault_set(request->fault, ERR_field_invalid, "account_id",
                         "Give exactly one of account_id, customer_id and counterparty");
    if (MSG_HAS(in, screening_add, account_id)) {
        TRY(find_account(request, &in->account_id, &number, out->name));
        out->about = screened_about(SCREENED_ACCOUNT, number);
    } else if (MSG_HAS(in, screening_add, customer_id)) {
        err = request->store->ops->customer_by_id(request->store, &in->customer_id, &customer);
        if (err == ERR_not_found)
            return fault_set(request->fault, err, "customer_id", "There is no such customer");
        TRY(err);
        out->about = screened_about(SCREENED_CUSTOMER, customer.number);
        slice_copy(slice_from(customer.name), out->name, sizeof out->name);
    } else {
        out->party = in->counterparty;
    }
    return ERR_none;
}

static enum err say_entry(struct request *request, const struct msg_screening_add *in,
                          const struct target *target, struct record *record)
{
    struct msg_screening_entry entry = {
        .entry_id = record->id,
        .number = record->number,
        .list = in->list,
        .state = record->state,
        .reason = in->reason,
        .created_at = request->now_us,
        .created_by = slice_from(request->actor.email),
    };

    if (record->state == CONTROL_PROPOSED)
        MSG_SET(&entry, screening_entry, needs_approval, true);

    if (MSG_HAS(in, screening_add, account_id))
        MSG_SET(&entry, screening_entry, account_id, in->account_id);
    if (MSG_HAS(in, screening_add, customer_id))
        MSG_SET(&entry, screening_entry, customer_id, in->customer_id);
    if (target->party.n > 0)
        MSG_SET(&entry, screening_entry, counterparty, target->party);
    if (target->name[0] != '\0')
        MSG_SET(&entry, screening_entry, name, slice_from(target->name));
    if (MSG_HAS(in, screening_add, until))
        MSG_SET(&entry, screening_entry, until, in->until);
    return record_write(record, &message_screening_entry, &entry);
}

static bool count_record(void *context, const void *row)
{
    (void)row;
    return ++*(size_t *)context < LIMIT_SCREENING_PROPOSED_MAX;
}

/* The allow list takes off points that rules of high severity give, so no single person puts
 * somebody on it. Those that wait are bounded. */
static enum err check_proposal(struct request *request)
{
    struct record_filter filter = { .kind = RECORD_SCREENING, .state = CONTROL_PROPOSED };
    size_t               count = 0;

    TRY(request->store->ops->records(request->store, &filter, count_record, &count));
    if (count < LIMIT_SCREENING_PROPOSED_MAX)
        return ERR_none;
    return fault_set(request->fault, ERR_limit_reached, "list",
                     "%d entries wait for approval already; give up those that nobody wants",
                     (int)LIMIT_SCREENING_PROPOSED_MAX);
}

/* To those who can approve it, or to those who can enter one. */
static enum err tell_allowed(struct request *request, struct draft *draft, int64_t number,
                             bool proposed)
{
    char          text[2 * LIMIT_REASON_MAX];
    char          name[24];
    struct notice notice = { .topic = proposed ? TOPIC_ALLOW_PROPOSED : TOPIC_ALLOW_APPROVED,
                             .role = proposed ? ROLE_COMPLIANCE_OFFICER : ROLE_FRAUD_ANALYST,
                             .subject = name };

    snprintf(name, sizeof name, "%" PRId64, number);
    snprintf(text, sizeof text, "%s %s entry no. %" PRId64 " of the allow list; %s",
             request->actor.email, proposed ? "proposed" : "approved", number,
             proposed ? "it does nothing until somebody approves it" : "it acts now");
    notice.text = slice_from(text);
    return writer_notify(request->writer, draft, &notice);
}

enum err op_screening_add(struct request *request, const struct msg_screening_add *in,
                          struct msg_screening_entry *out)
{
    struct controls *controls;
    struct draft    *draft;
    struct record   *record;
    struct target    target;
    char             detail[LIMIT_DETAIL_MAX + 1];

    TRY(writer_controls(request->writer, &controls));
    TRY(find_target(request, in, &target));
    if (MSG_HAS(in, screening_add, until))
        TRY(check_until(request, in->until));
    if (controls_is_listed(controls, target.about, target.party, in->list, request->now_us))
        return fault_set(request->fault, ERR_exists, "list", "It is already on the %s list",
                         enum_text(&enum_screening_list, in->list));
    if (!controls_has_room_to_screen(controls))
        return fault_set(request->fault, ERR_limit_reached, "list",
                         "The lists have %d entries together", (int)LIMIT_SCREENING_MAX);
    if (in->list == LIST_ALLOW)
        TRY(check_proposal(request));
    TRY(new_record(request, &draft, RECORD_SCREENING, &record));
    record->state = in->list == LIST_ALLOW ? CONTROL_PROPOSED : CONTROL_ACTIVE;
    record->about = target.about;
    record->due_at_us = MSG_HAS(in, screening_add, until) ? in->until : 0;
    TRY(say_entry(request, in, &target, record));
    TRY(reply_with(request, record, &message_screening_entry, out));
    if (in->list == LIST_ALLOW)
        TRY(tell_allowed(request, draft, record->number, true));
    snprintf(detail, sizeof detail, "%s%s list: %.*s%s%s%.*s",
             in->list == LIST_ALLOW ? "proposed " : "", enum_text(&enum_screening_list, in->list),
             (int)target.party.n, target.party.n > 0 ? target.party.at : "", target.name,
             target.party.n > 0 || target.name[0] != '\0' ? ": " : "", (int)in->reason.n,
             in->reason.at);
    finish(request, draft, record, NULL, slice_from(detail));
    return ERR_none;
}

static enum err check_entry_approval(struct request *request, const struct record *record,
                                     const struct msg_screening_entry *said)
{
    struct controls *controls;
    struct slice     party = slice_of(NULL, 0);

    if (MSG_HAS(said, screening_entry, counterparty))
        party = said->counterparty;
    if (record->state != CONTROL_PROPOSED)
        return fault_set(request->fault, ERR_state_conflict, "entry_id", "It is already %s",
                         record->state == CONTROL_ACTIVE
                             ? "in force"
                             : enum_text(&enum_control_state, record->state));
    if (record->created_by == request->actor.user)
        return fault_set(request->fault, ERR_own_proposal, "entry_id",
                         "You entered no. %" PRId64 "; somebody else approves it", record->number);
    if (record->due_at_us != 0 && record->due_at_us <= request->now_us)
        return fault_set(request->fault, ERR_state_conflict, "entry_id",
                         "Its date is over; enter it anew");
    TRY(writer_controls(request->writer, &controls));
    if (controls_is_listed(controls, record->about, party, said->list, request->now_us))
        return fault_set(request->fault, ERR_exists, "entry_id", "It is already on the %s list",
                         enum_text(&enum_screening_list, said->list));
    if (!controls_has_room_to_screen(controls))
        return fault_set(request->fault, ERR_limit_reached, "entry_id",
                         "The lists have %d entries together", (int)LIMIT_SCREENING_MAX);
    return ERR_none;
}

enum err op_screening_approve(struct request *request, const struct msg_screening_approve *in,
                              struct msg_screening_entry *out)
{
    struct slice               reason = slice_of(NULL, 0);
    struct msg_screening_entry said;
    struct draft              *draft;
    struct record             *record;
    char                       detail[LIMIT_DETAIL_MAX + 1];

    if (MSG_HAS(in, screening_approve, reason))
        reason = in->reason;
    TRY(next_version(request, &draft, RECORD_SCREENING, &in->entry_id, "entry_id", &record));
    TRY(reply_with(request, record, &message_screening_entry, &said));
    TRY(check_entry_approval(request, record, &said));
    record->state = CONTROL_ACTIVE;
    said.state = CONTROL_ACTIVE;
    MSG_SET(&said, screening_entry, approved_at, request->now_us);
    MSG_SET(&said, screening_entry, approved_by, slice_from(request->actor.email));
    MSG_SET(&said, screening_entry, needs_approval, false);
    TRY(record_write(record, &message_screening_entry, &said));
    TRY(reply_with(request, record, &message_screening_entry, out));
    TRY(tell_allowed(request, draft, record->number, false));
    snprintf(detail, sizeof detail, "%s list, no. %" PRId64 "%s%.*s",
             enum_text(&enum_screening_list, said.list), record->number, reason.n > 0 ? ": " : "",
             (int)reason.n, reason.at);
    finish(request, draft, record, NULL, slice_from(detail));
    return ERR_none;
}

/* Ends an entry or a suppression that is in force, or gives up a proposed one. */
static enum err end_entry(struct request *request, int32_t kind, const struct uuid *id,
                          const char *field, struct slice reason, struct record **out)
{
    struct controls *controls;
    struct draft    *draft;

    TRY(writer_controls(request->writer, &controls));
    TRY(next_version(request, &draft, kind, id, field, out));
    if ((*out)->state != CONTROL_ACTIVE && (*out)->state != CONTROL_PROPOSED)
        return fault_set(request->fault, ERR_state_conflict, field, "It is already %s",
                         enum_text(&enum_control_state, (*out)->state));
    TRY(control_record_end(*out, CONTROL_REMOVED, request->now_us, request->actor.email, reason,
                           request->arena));
    finish(request, draft, *out, NULL, reason);
    return ERR_none;
}

enum err op_screening_remove(struct request *request, const struct msg_screening_remove *in,
                             struct msg_screening_entry *out)
{
    struct record *record;

    TRY(end_entry(request, RECORD_SCREENING, &in->entry_id, "entry_id", in->reason, &record));
    return reply_with(request, record, &message_screening_entry, out);
}

/* --- suppressions ---------------------------------------------------------------------------- */

static enum err check_suppression(struct request *request, const struct msg_suppression_add *in,
                                  int64_t account)
{
    struct controls *controls;
    int32_t          state;
    int              limit;

    TRY(writer_controls(request->writer, &controls));
    TRY(check_until(request, in->until));
    if (!controls_has_rule(controls, in->rule))
        return fault_set(request->fault, ERR_not_found, "rule", "No rule of this name is in force");
    if (controls_is_guarded(controls, in->rule))
        return fault_set(request->fault, ERR_field_invalid, "rule",
                         "A rule that asks for the deny list cannot be suppressed; take the entry "
                         "off the list");
    if (in->until > request->now_us + LIMIT_SUPPRESSION_DAYS * US_PER_DAY)
        return fault_set(request->fault, ERR_field_invalid, "until",
                         "A suppression lasts at most %d days", (int)LIMIT_SUPPRESSION_DAYS);
    state = controls_suppression(controls, account, in->rule, request->now_us);
    if (state != 0)
        return fault_set(request->fault, ERR_exists, "rule", "%s",
                         state == CONTROL_ACTIVE
                             ? "The rule is already suppressed for this account"
                             : "Its suppression for this account is proposed already");
    limit = controls_suppression_limit(controls, account);
    if (limit > 0)
        return fault_set(request->fault, ERR_limit_reached, "account_id",
                         "There are already %d suppressions", limit);
    return ERR_none;
}

/* To those who can approve it, or to those who can enter one. */
static enum err tell_suppression(struct request *request, struct draft *draft,
                                 const struct msg_suppression *said)
{
    bool          proposed = said->state == CONTROL_PROPOSED;
    char          text[2 * LIMIT_REASON_MAX];
    char          rule[LIMIT_RULE_NAME_MAX + 1];
    struct notice notice = {
        .topic = proposed ? TOPIC_SUPPRESSION_PROPOSED : TOPIC_SUPPRESSION_APPROVED,
        .role = proposed ? ROLE_COMPLIANCE_OFFICER : ROLE_FRAUD_ANALYST,
        .subject = slice_copy(said->rule, rule, sizeof rule),
    };

    snprintf(text, sizeof text, "%s %s suppression no. %" PRId64 ": rule %s, of high severity, %s",
             request->actor.email, proposed ? "proposed" : "approved", said->number, rule,
             proposed ? "for an account; it does nothing until somebody approves it"
                      : "is silent for the account now");
    notice.text = slice_from(text);
    return writer_notify(request->writer, draft, &notice);
}

enum err op_suppression_add(struct request *request, const struct msg_suppression_add *in,
                            struct msg_suppression *out)
{
    struct msg_suppression body = { .rule = in->rule,
                                    .account_id = in->account_id,
                                    .state = CONTROL_ACTIVE,
                                    .until = in->until,
                                    .reason = in->reason,
                                    .created_at = request->now_us,
                                    .created_by = slice_from(request->actor.email) };
    struct controls       *controls;
    struct draft          *draft;
    struct record         *record;
    int64_t                account = 0;
    char                   name[LIMIT_NAME_MAX + 1];
    char                   detail[LIMIT_DETAIL_MAX + 1];

    TRY(find_account(request, &in->account_id, &account, name));
    TRY(check_suppression(request, in, account));
    TRY(writer_controls(request->writer, &controls));
    TRY(new_record(request, &draft, RECORD_SUPPRESSION, &record));
    if (controls_is_high(controls, in->rule)) {
        body.state = CONTROL_PROPOSED;
        MSG_SET(&body, suppression, needs_approval, true);
    }
    record->state = body.state;
    record->about = account;
    record->due_at_us = in->until;
    body.suppression_id = record->id;
    body.number = record->number;
    MSG_SET(&body, suppression, account_name, slice_from(name));
    TRY(record_write(record, &message_suppression, &body));
    TRY(reply_with(request, record, &message_suppression, out));
    if (body.state == CONTROL_PROPOSED)
        TRY(tell_suppression(request, draft, &body));
    snprintf(detail, sizeof detail, "%sno. %" PRId64 ": rule %.*s for %s: %.*s",
             body.state == CONTROL_PROPOSED ? "proposed " : "", record->number, (int)in->rule.n,
             in->rule.at, name, (int)in->reason.n, in->reason.at);
    finish(request, draft, record, NULL, slice_from(detail));
    return ERR_none;
}

/* What waits for a second person: a proposal, or one from before its rule became high. */
static enum err check_approval(struct request *request, const struct record *record,
                               const struct msg_suppression *said)
{
    struct controls *controls;
    bool             waits = record->state == CONTROL_PROPOSED ||
                 (record->state == CONTROL_ACTIVE && !MSG_HAS(said, suppression, approved_by));

    if (!waits)
        return fault_set(request->fault, ERR_state_conflict, "suppression_id", "It is already %s",
                         record->state == CONTROL_ACTIVE
                             ? "approved"
                             : enum_text(&enum_control_state, record->state));
    if (record->created_by == request->actor.user)
        return fault_set(request->fault, ERR_own_proposal, "suppression_id",
                         "You entered suppression no. %" PRId64 "; the rule stays as it is",
                         record->number);
    TRY(writer_controls(request->writer, &controls));
    if (record->due_at_us <= request->now_us)
        return fault_set(request->fault, ERR_state_conflict, "suppression_id",
                         "Its date is over; enter it anew");
    if (!controls_has_rule(controls, said->rule) || controls_is_guarded(controls, said->rule))
        return fault_set(request->fault, ERR_state_conflict, "suppression_id",
                         "No rule of this name is in force that can be suppressed");
    return ERR_none;
}

enum err op_suppression_approve(struct request *request, const struct msg_suppression_approve *in,
                                struct msg_suppression *out)
{
    struct slice           reason = slice_of(NULL, 0);
    struct msg_suppression said;
    struct draft          *draft;
    struct record         *record;
    char                   detail[LIMIT_DETAIL_MAX + 1];

    if (MSG_HAS(in, suppression_approve, reason))
        reason = in->reason;
    TRY(next_version(request, &draft, RECORD_SUPPRESSION, &in->suppression_id, "suppression_id",
                     &record));
    TRY(reply_with(request, record, &message_suppression, &said));
    TRY(check_approval(request, record, &said));
    record->state = CONTROL_ACTIVE;
    said.state = CONTROL_ACTIVE;
    MSG_SET(&said, suppression, approved_at, request->now_us);
    MSG_SET(&said, suppression, approved_by, slice_from(request->actor.email));
    MSG_SET(&said, suppression, needs_approval, false);
    TRY(record_write(record, &message_suppression, &said));
    TRY(reply_with(request, record, &message_suppression, out));
    TRY(tell_suppression(request, draft, &said));
    snprintf(detail, sizeof detail, "no. %" PRId64 ": rule %.*s%s%.*s", record->number,
             (int)said.rule.n, said.rule.at, reason.n > 0 ? ": " : "", (int)reason.n, reason.at);
    finish(request, draft, record, NULL, slice_from(detail));
    return ERR_none;
}

enum err op_suppression_remove(struct request *request, const struct msg_suppression_remove *in,
                               struct msg_suppression *out)
{
    struct record *record;

    TRY(end_entry(request, RECORD_SUPPRESSION, &in->suppression_id, "suppression_id", in->reason,
                  &record));
    return reply_with(request, record, &message_suppression, out);
}

/* --- settings -------------------------------------------------------------------------------- */

static void merge_settings(const struct control_values *now, const struct msg_controls_set *in,
                           struct msg_control_settings *out)
{
    out->valve_share_bp =
        MSG_HAS(in, controls_set, valve_share_bp) ? in->valve_share_bp : now->valve_share_bp;
    out->valve_window =
        MSG_HAS(in, controls_set, valve_window) ? in->valve_window : now->valve_window_min;
    out->valve_minimum =
        MSG_HAS(in, controls_set, valve_minimum) ? in->valve_minimum : now->valve_minimum;
    out->alert_budget_per_day = MSG_HAS(in, controls_set, alert_budget_per_day)
                                    ? in->alert_budget_per_day
                                    : now->alert_budget;
    out->hold_hours = MSG_HAS(in, controls_set, hold_hours) ? in->hold_hours : now->hold_hours;
}

static enum err settings_record(struct request *request, struct draft **draft, struct record **out)
{
    struct uuid   id = control_record_id(RECORD_SETTING);
    struct record before;
    enum err err = request->store->ops->record_by_id(request->store, RECORD_SETTING, &id, &before);

    if (err == ERR_none)
        return next_version(request, draft, RECORD_SETTING, &id, NULL, out);
    if (err != ERR_not_found)
        return err;
    TRY(new_record(request, draft, RECORD_SETTING, out));
    (*out)->id = id;
    return ERR_none;
}

/* Fraud analysts must know by what they are judged. */
static enum err tell_settings(struct request *request, struct draft *draft, const char *text)
{
    struct notice notice = { .topic = TOPIC_CONTROLS_SET,
                             .role = ROLE_FRAUD_ANALYST,
                             .text = slice_from(text) };

    return writer_notify(request->writer, draft, &notice);
}

enum err op_controls_set(struct request *request, const struct msg_controls_set *in,
                         struct msg_control_settings *out)
{
    struct msg_control_settings body = { .set_at = request->now_us,
                                         .set_by = slice_from(request->actor.email),
                                         .reason = in->reason };
    struct controls            *controls;
    struct draft               *draft;
    struct record              *record;
    char                        text[LIMIT_DETAIL_MAX + 1];

    TRY(writer_controls(request->writer, &controls));
    merge_settings(controls_values(controls), in, &body);
    TRY(settings_record(request, &draft, &record));
    TRY(record_write(record, &message_control_settings, &body));
    TRY(reply_with(request, record, &message_control_settings, out));
    snprintf(text, sizeof text,
             "valve at %" PRId64 ".%02" PRId64 " %% in %" PRId64 " minutes from %" PRId64
             " payments on, %" PRId64 " alerts a day, holds of %" PRId64 " hours: %.*s",
             body.valve_share_bp / 100, body.valve_share_bp % 100, body.valve_window,
             body.valve_minimum, body.alert_budget_per_day, body.hold_hours, (int)in->reason.n,
             in->reason.at);
    TRY(tell_settings(request, draft, text));
    finish(request, draft, record, "controls", slice_from(text));
    writer_budget_soon(request->writer);
    return ERR_none;
}

/* --- stepped-down rules ---------------------------------------------------------------------- */

struct finding_rule {
    struct slice  rule;
    bool          found;
    struct uuid   id;
    enum err      err;
    struct arena *arena;
};

static bool find_stepped(void *context, const void *row)
{
    struct finding_rule    *finding = context;
    const struct record    *record = row;
    struct msg_stepped_rule said;

    finding->err = record_read(record, &message_stepped_rule, &said, finding->arena);
    if (finding->err == ERR_none && slice_equal(said.rule, finding->rule)) {
        finding->found = true;
        finding->id = record->id;
    }
    return finding->err == ERR_none && !finding->found;
}

static enum err say_restored(struct request *request, struct record *record, struct slice reason)
{
    struct msg_stepped_rule said;

    TRY(record_read(record, &message_stepped_rule, &said, request->arena));
    record->state = CONTROL_REMOVED;
    said.state = CONTROL_REMOVED;
    MSG_SET(&said, stepped_rule, restored_at, request->now_us);
    MSG_SET(&said, stepped_rule, restored_by, slice_from(request->actor.email));
    MSG_SET(&said, stepped_rule, reason, reason);
    return record_write(record, &message_stepped_rule, &said);
}

static enum err tell_restored(struct request *request, struct draft *draft, const char *rule)
{
    char          text[2 * LIMIT_REASON_MAX];
    struct notice notice = { .topic = TOPIC_RULE_RESTORED, .subject = rule };

    snprintf(text, sizeof text, "%s restored rule %s: it holds and declines again",
             request->actor.email, rule);
    notice.text = slice_from(text);
    notice.role = ROLE_FRAUD_ANALYST;
    TRY(writer_notify(request->writer, draft, &notice));
    notice.role = ROLE_COMPLIANCE_OFFICER;
    return writer_notify(request->writer, draft, &notice);
}

enum err op_controls_restore(struct request *request, const struct msg_controls_restore *in,
                             struct msg_stepped_rule *out)
{
    struct record_filter filter = { .kind = RECORD_STEPPED_RULE, .state = CONTROL_ACTIVE };
    struct finding_rule  finding = { .rule = in->rule, .arena = request->arena };
    struct controls     *controls;
    struct draft        *draft;
    struct record       *record;
    char                 rule[LIMIT_RULE_NAME_MAX + 1];

    TRY(writer_controls(request->writer, &controls));
    TRY(request->store->ops->records(request->store, &filter, find_stepped, &finding));
    TRY(finding.err);
    if (!finding.found)
        return fault_set(request->fault, ERR_not_found, "rule",
                         "No rule of this name is stepped down");
    TRY(next_version(request, &draft, RECORD_STEPPED_RULE, &finding.id, "rule", &record));
    TRY(say_restored(request, record, in->reason));
    TRY(reply_with(request, record, &message_stepped_rule, out));
    slice_copy(in->rule, rule, sizeof rule);
    TRY(tell_restored(request, draft, rule));
    finish(request, draft, record, rule, in->reason);
    return ERR_none;
}

/* --- notifications --------------------------------------------------------------------------- */

enum err op_notification_read(struct request *request, const struct msg_notification_ref *in,
                              struct msg_notification *out)
{
    const struct actor *actor = &request->actor;
    struct draft       *draft;
    struct record      *record;

    TRY(next_version(request, &draft, RECORD_NOTIFICATION, &in->notification_id, "notification_id",
                     &record));
    if (record->about != notification_for_role(actor->role) &&
        record->about != notification_for_user(actor->user))
        return fault_set(request->fault, ERR_not_found, "notification_id", "%s", "");
    TRY(reply_with(request, record, &message_notification, out));
    if (record->state == NOTIFICATION_READ)
        return ERR_none; /* by a colleague, or twice: the draft is not taken */
    record->state = NOTIFICATION_READ;
    out->state = NOTIFICATION_READ;
    MSG_SET(out, notification, read_at, request->now_us);
    MSG_SET(out, notification, read_by, slice_from(actor->email));
    TRY(record_write(record, &message_notification, out));
    finish(request, draft, record, NULL, slice_of(NULL, 0));
    return ERR_none;
}
