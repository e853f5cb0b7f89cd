/* Money coming into the ledger: one post becomes one planned change.
 *
 * The order is the promise: first the id (a repeated post is answered from its row), then the
 * ledger's rules, then the fraud engine on what the ledger would do, then the row, its link in the
 * chain and everything that follows from it. Everything that can fail comes before the first thing
 * that is remembered. */
#include "bankd/writer_impl.h"

#include "bankd/alert.h"
#include "bankd/chain.h"
#include "bankd/ledger/ledger.h"
#include "common/check.h"

#include <string.h>

/* What one post works on. */
struct plan {
    const struct post         *post;
    int64_t                    now_us;
    const struct account_book *account;
    const struct account_book *other;
    const char                *account_name;
    const char                *other_name;
    struct account_book        debit; /* copies that ledger_enter changes */
    struct account_book        credit;
    struct party              *party;                /* NULL = none */
    struct profile_slot       *subject_profile;      /* NULL: the bank's own account */
    struct profile_slot       *counterparty_profile; /* NULL: none */
    int64_t                    subject;
    int64_t                    counterparty;
    struct alert               waiting; /* what a suspicious one joins; number 0 = none */
    bool                       judged;
};

/* --- a repeated post ------------------------------------------------------------------------- */

static bool same_content(const struct post *post, const struct transaction *row, struct slice party)
{
    int64_t account = row->incoming ? row->credit : row->debit;
    int64_t other = row->incoming ? row->debit : row->credit;
    int64_t user = post->actor != NULL ? post->actor->user : 0;

    return post->type == row->type && post->account == account && post->other == other &&
           post->incoming == row->incoming && post->amount == row->amount &&
           post->currency == row->currency && slice_is(post->description, row->description) &&
           slice_equal(post->party, party) && user == row->posted_by &&
           (post->reverses != NULL ? post->reverses->sequence : 0) == row->reversal_of;
}

static enum err answer_repeated(struct writer *writer, const struct post *post,
                                const struct transaction *row, struct posted *out,
                                struct fault *fault)
{
    struct party party = { 0 };

    if (row->party != 0) {
        enum err err = writer->store->ops->party_by_number(writer->store, row->party, &party);

        if (err == ERR_not_found) { /* made in this very group */
            struct party *known = NULL;

            TRY(writer_party(writer, post->party, row->at_us, &known));
            party = *known;
            err = ERR_none;
        }
        TRY(err);
    }
    if (!same_content(post, row, slice_from(party.key)))
        return fault_set(fault, ERR_id_reused, "transaction_id", "%s", "");
    out->row = row;
    out->raised = false;
    out->repeated = true;
    out->durable = true;
    return ERR_none;
}

/* Repeated before the first is durable: what its row refers to may be made in this very group, so
 * the facts come from the plan. */
static enum err answer_planned(struct writer *writer, const struct post *post,
                               const struct draft *draft, struct posted *out, struct fault *fault)
{
    const struct transaction  *row = &writer->found;
    const struct account_book *book;
    const char                *name;

    writer->found = draft->transaction;
    writer_transaction_newest(writer, &writer->found);
    TRY(answer_repeated(writer, post, row, out, fault));
    out->durable = false;
    memset(&out->facts, 0, sizeof out->facts);
    TRY(writer_book(writer, row->debit, &book, &name));
    out->facts.debit_id = book->account_id;
    out->facts.debit_name = slice_from(name);
    TRY(writer_book(writer, row->credit, &book, &name));
    out->facts.credit_id = book->account_id;
    out->facts.credit_name = slice_from(name);
    out->facts.party = post->party;
    if (post->actor != NULL)
        out->facts.posted_by = slice_from(post->actor->email);
    if (draft->change.hit != NULL)
        out->facts.alert_id = draft->alert.alert_id;
    if (post->reverses != NULL)
        out->facts.reversal_of = post->reverses->transaction_id;
    if (row->rule_set != 0 &&
        fraud_explain(writer->rules, row->decision, row->decision_size, &out->verdict))
        out->facts.verdict = &out->verdict;
    return ERR_none;
}

/* ERR_not_found when the id is new. */
static enum err find_repeated(struct writer *writer, const struct post *post, struct posted *out,
                              struct fault *fault)
{
    const struct draft *draft = writer_group_find(writer, &post->transaction_id);

    if (draft != NULL)
        return answer_planned(writer, post, draft, out, fault);
    if (!writer_may_have(writer, &post->transaction_id))
        return ERR_not_found;
    TRY(writer_transaction_by_id(writer, &post->transaction_id, &writer->found));
    return answer_repeated(writer, post, &writer->found, out, fault);
}

/* --- the parts of a plan ---------------------------------------------------------------------- */

static enum err plan_sides(struct writer *writer, struct plan *plan, struct fault *fault)
{
    const struct post    *post = plan->post;
    struct ledger_request request = { .transaction_id = post->transaction_id,
                                      .type = post->type,
                                      .amount = post->amount,
                                      .currency = post->currency,
                                      .at_us = post->history ? post->at_us : plan->now_us,
                                      .history = post->history };

    TRY(writer_book(writer, post->account, &plan->account, &plan->account_name));
    TRY(writer_book(writer, post->other, &plan->other, &plan->other_name));
    plan->debit = post->incoming ? *plan->other : *plan->account;
    plan->credit = post->incoming ? *plan->account : *plan->other;
    TRY(ledger_check(&request, &plan->debit, &plan->credit, fault));
    if (post->party.n > 0 && plan->other->kind == ACCOUNT_CUSTOMER)
        return fault_set(fault, ERR_field_invalid, "counterparty",
                         "A transfer inside the bank has no other party");
    if (post->party.n > 0)
        TRY(writer_party(writer, post->party, post->at_us, &plan->party));
    return ERR_none;
}

static void fill_row(struct writer *writer, const struct plan *plan, struct transaction *row)
{
    const struct post *post = plan->post;

    /* Not what follows, a kilobyte of texts and decision of which little is used: each is set. */
    memset(row, 0, offsetof(struct transaction, external_id));
    row->decision_size = 0;
    row->reversed_by = 0;
    row->transaction_id = post->transaction_id;
    row->type = post->type;
    row->debit = plan->debit.number;
    row->credit = plan->credit.number;
    row->incoming = post->incoming;
    row->currency = post->currency;
    row->amount = post->amount;
    row->at_us = post->at_us;
    row->posted_at_us = plan->now_us;
    row->posted_by = post->actor != NULL ? post->actor->user : 0;
    row->verdict = VERDICT_APPROVE;
    row->reversal_of = post->reverses != NULL ? post->reverses->sequence : 0;
    row->sequence = writer->numbers.head.sequence + 1;
    if (plan->party != NULL) {
        row->party = plan->party->number != 0 ? plan->party->number : writer->numbers.party + 1;
        row->party_previous = plan->party->last_sequence;
    }
    slice_copy(post->external_id, row->external_id, sizeof row->external_id);
    slice_copy(post->description, row->description, sizeof row->description);
}

/* Books and parties know their newest transaction as planned so far; a profile that has seen an
 * act of this group is pinned, so whoever must be loaded has none in it. */
static enum err plan_profiles(struct writer *writer, struct plan *plan,
                              const struct transaction *row)
{
    int64_t newest = plan->party != NULL ? plan->party->last_sequence : 0;

    if (plan->other->kind == ACCOUNT_CUSTOMER)
        newest = plan->other->last_sequence;
    plan->subject = profile_subject(row);
    plan->counterparty = profile_counterparty(row, &plan->debit, &plan->credit);
    if (plan->account->kind == ACCOUNT_CUSTOMER)
        TRY(writer_profile(writer, plan->subject, plan->account->last_sequence,
                           &plan->subject_profile));
    if (plan->counterparty != 0)
        TRY(writer_profile(writer, plan->counterparty, newest, &plan->counterparty_profile));
    return ERR_none;
}

/* Only what happens now is judged by what is set now. */
static const struct fraud_controls *find_controls(struct writer *writer, const struct plan *plan)
{
    struct control_subject subject = {
        .now_us = plan->now_us,
        .account = plan->account->number,
        .customer = plan->account->customer,
        .party = plan->post->party,
    };

    if (plan->post->history)
        return NULL;
    if (plan->other->kind == ACCOUNT_CUSTOMER) {
        subject.other = plan->other->number;
        subject.other_customer = plan->other->customer;
    }
    return controls_for(writer->controls, &subject);
}

static void judge(struct writer *writer, struct plan *plan, struct transaction *row,
                  struct fraud_verdict *verdict)
{
    const struct post *post = plan->post;
    struct fraud_event event;

    verdict->verdict = VERDICT_APPROVE;
    verdict->score = 0;
    verdict->alert = false;
    verdict->weight = 0;
    verdict->reason_count = 0;
    verdict->decision_size = 0;
    plan->judged = writer->rules != NULL && !post->unjudged && plan->subject_profile != NULL;
    if (plan->judged) {
        profile_event(row, &plan->debit, &plan->credit, &event);
        event.controls = find_controls(writer, plan);
        fraud_judge(writer->rules, &plan->subject_profile->profile,
                    plan->counterparty_profile != NULL ? &plan->counterparty_profile->profile
                                                       : NULL,
                    &event, !post->history, verdict);
    }
    row->verdict = verdict->verdict;
    row->score = verdict->score;
    row->rule_set = plan->judged ? writer->config.rule_set : 0;
    row->decision_size = verdict->decision_size;
    memcpy(row->decision, verdict->decision, verdict->decision_size);
    row->initial_status = STATUS_COMPLETED;
    if (!post->history && verdict->verdict == VERDICT_HOLD)
        row->initial_status = STATUS_HELD;
    if (!post->history && verdict->verdict == VERDICT_DECLINE)
        row->initial_status = STATUS_DECLINED;
    if (row->initial_status == STATUS_HELD)
        row->hold_expires_at_us =
            plan->now_us + controls_values(writer->controls)->hold_hours * US_PER_HOUR;
    row->status = row->initial_status;
    row->flagged = verdict->alert || verdict->verdict != VERDICT_APPROVE;
}

/* --- from here on nothing fails --------------------------------------------------------------- */

/* What the alert budget costs, beside the alerts that it saves. */
static void count_given_up(struct draft *draft)
{
    const struct transaction *row = &draft->transaction;
    int32_t                   day = (int32_t)time_day(row->at_us);

    writer_rollup(draft, ROLLUP_DAY, day, row->currency, METRIC_GIVEN_UP, 1, row->amount);
    writer_rollup(draft, ROLLUP_DAY, day, row->currency, METRIC_GIVEN_UP_LOSS, 1,
                  alert_loss(row->amount, row->score, false));
}

static void count_new(const struct writer *writer, struct draft *draft, const struct plan *plan,
                      const struct fraud_verdict *verdict)
{
    const struct transaction *row = &draft->transaction;
    int32_t                   day = (int32_t)time_day(row->at_us);
    int32_t hour = (int32_t)(row->at_us / US_PER_HOUR - (row->at_us % US_PER_HOUR < 0));
    struct {
        bool     counts;
        uint16_t metric;
    } marks[] = {
        { plan->judged, metric_of_score(row->score) },
        { row->status != STATUS_DECLINED &&
              row->amount >= bank_high_value(writer->config.bank, row->currency),
          METRIC_HIGH_VALUE },
        { row->status != STATUS_DECLINED &&
              row->amount >= bank_large(writer->config.bank, row->currency),
          METRIC_LARGE },
        { row->flagged, METRIC_FLAGGED },
        { row->flagged && plan->waiting.number == 0, METRIC_ALERTS },
    };

    writer_count_status(draft, row, row->status, &plan->debit, &plan->credit, 1);
    for (size_t i = 0; i < ARRAY_COUNT(marks); i++) {
        if (!marks[i].counts)
            continue;
        writer_rollup(draft, ROLLUP_DAY, day, row->currency, marks[i].metric, 1, row->amount);
        writer_rollup(draft, ROLLUP_HOUR, hour, row->currency, marks[i].metric, 1, row->amount);
    }
    if (row->flagged)
        writer_rollup(draft, ROLLUP_ALL, 0, row->currency, METRIC_FLAGGED, 1, row->amount);
    if (plan->judged && fraud_is_given_up(fraud_rules_thresholds(writer->rules), verdict))
        count_given_up(draft);
}

/* The further hits of an alert are told like the first one. */
static void raise_alert(struct writer *writer, struct draft *draft, const struct plan *plan,
                        const struct fraud_verdict *verdict)
{
    const struct transaction *row = &draft->transaction;

    writer_alert_hit(writer, draft, &plan->waiting, plan->account->number,
                     plan->post->history ? row->at_us : plan->now_us, verdict->weight);
    if (!plan->post->history)
        writer_alert_tell(writer, &draft->alert, row, &plan->account->account_id,
                          slice_from(verdict->reason_count > 0 ? verdict->reasons[0].text : ""));
}

static void observe(struct writer *writer, const struct plan *plan, const struct transaction *row,
                    const struct label *label)
{
    if (plan->subject_profile != NULL) {
        profile_observe(&plan->subject_profile->profile, plan->subject, row, &plan->debit,
                        &plan->credit, label);
        writer_profile_changed(writer, plan->subject, plan->subject_profile, row->sequence);
    }
    if (plan->counterparty_profile != NULL) {
        profile_observe(&plan->counterparty_profile->profile, plan->counterparty, row, &plan->debit,
                        &plan->credit, label);
        writer_profile_changed(writer, plan->counterparty, plan->counterparty_profile,
                               row->sequence);
    }
}

static void take_party(struct writer *writer, struct draft *draft, const struct plan *plan)
{
    if (plan->party == NULL)
        return;
    if (plan->party->number == 0) {
        plan->party->number = ++writer->numbers.party;
        draft->party = *plan->party;
        draft->change.party = &draft->party;
    }
    plan->party->last_sequence = draft->transaction.sequence;
    plan->party->transactions++;
    draft->change.party_number = plan->party->number;
}

/* The undone transaction changes its status in the same change. */
static void mark_reversed(struct draft *draft, const struct plan *plan)
{
    const struct transaction *undone = plan->post->reverses;

    if (undone == NULL)
        return;
    writer_count_status(draft, undone, STATUS_COMPLETED, &plan->credit, &plan->debit, -1);
    writer_count_status(draft, undone, STATUS_REVERSED, &plan->credit, &plan->debit, 1);
    draft->change.updates[draft->change.update_count++] = (struct transaction_update){
        .sequence = undone->sequence,
        .status_before = STATUS_COMPLETED,
        .status_after = STATUS_REVERSED,
        .flagged_before = undone->flagged,
        .flagged_after = undone->flagged,
        .reversed_by = draft->transaction.sequence,
    };
}

static void take(struct writer *writer, struct draft *draft, struct plan *plan,
                 const struct account_book *debit, const struct account_book *credit,
                 const struct fraud_verdict *verdict)
{
    struct transaction *row = &draft->transaction;

    writer->numbers.head.sequence = row->sequence;
    chain_link_transaction(writer->numbers.head.hash, row, row->hash);
    memcpy(writer->numbers.head.hash, row->hash, CHAIN_HASH_BYTES);
    draft->change.transaction = row;
    writer_change_book(draft, debit, &plan->debit, false);
    writer_change_book(draft, credit, &plan->credit, false);
    take_party(writer, draft, plan);
    count_new(writer, draft, plan, verdict);
    if (row->flagged)
        raise_alert(writer, draft, plan, verdict);
    if (plan->post->has_label) {
        draft->label = (struct label){ .transaction = row->sequence,
                                       .fraud = plan->post->fraud,
                                       .known_at_us = plan->post->label_known_at_us };
        draft->change.label = &draft->label;
    }
    observe(writer, plan, row, draft->change.label);
    mark_reversed(draft, plan);
    if (plan->post->act != NULL)
        writer_audit(writer, draft, plan->post->act);
    writer_add(writer, draft);
}

static void tell(struct posted *out, const struct draft *draft, const struct plan *plan)
{
    out->row = &draft->transaction;
    out->raised = draft->change.alert != NULL;
    out->repeated = false;
    out->durable = false;
    out->account_balance = plan->post->incoming ? plan->credit.balance : plan->debit.balance;
    memset(&out->facts, 0, sizeof out->facts);
    out->facts.debit_id = plan->debit.account_id;
    out->facts.credit_id = plan->credit.account_id;
    out->facts.debit_name =
        slice_from(plan->post->incoming ? plan->other_name : plan->account_name);
    out->facts.credit_name =
        slice_from(plan->post->incoming ? plan->account_name : plan->other_name);
    out->facts.party = plan->post->party;
    if (plan->post->actor != NULL)
        out->facts.posted_by = slice_from(plan->post->actor->email);
    if (draft->change.hit != NULL)
        out->facts.alert_id = draft->alert.alert_id;
    if (plan->post->reverses != NULL)
        out->facts.reversal_of = plan->post->reverses->transaction_id;
    out->facts.verdict = &out->verdict;
}

enum err writer_post(struct writer *writer, const struct post *post, struct posted *out,
                     struct fault *fault)
{
    struct plan         plan = { .post = post, .now_us = writer_now_us(writer) };
    struct account_book debit;
    struct account_book credit;
    struct draft       *draft;
    enum err            err = find_repeated(writer, post, out, fault);

    if (err != ERR_not_found)
        return err;
    TRY(writer_controls_fresh(writer));
    writer_step_down(writer);
    draft = writer_draft(writer);
    if (draft == NULL)
        return ERR_busy;
    TRY(plan_sides(writer, &plan, fault));
    fill_row(writer, &plan, &draft->transaction);
    TRY(plan_profiles(writer, &plan, &draft->transaction));
    judge(writer, &plan, &draft->transaction, &out->verdict);
    if (draft->transaction.flagged)
        TRY(writer_alert_waiting(writer, plan.account->number, &plan.waiting));
    debit = plan.debit;
    credit = plan.credit;
    TRY(ledger_enter(&draft->transaction, &plan.debit, &plan.credit, fault));
    take(writer, draft, &plan, &debit, &credit, &out->verdict);
    tell(out, draft, &plan);
    if (plan.judged)
        writer_controls_count(writer, draft, post->history, &out->verdict);
    writer_step_down(writer);
    return ERR_none;
}
